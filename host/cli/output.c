/* output.c - results into files. */
#include <stdlib.h>
#include <string.h>

#include "host/cli/cli.h"
#include "models/io.h"

static const char *const endings[] = {".npy", ".npz", ".pb", ".wav"};

static bool known(const char *file)
{
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
        if (cli_ends_with(file, endings[i]))
            return true;
    return false;
}

enum spacc_status cli_outputs_check(size_t files, const char *const *file, size_t outputs,
                                    struct spacc_error *err)
{
    size_t single = 0;

    for (size_t i = 0; i < files; i++) {
        if (!known(file[i]))
            return spacc_fail(err, SPACC_EUNSUPPORTED,
                              "--output %s: the name must end in .npy, .npz, .pb or .wav",
                              file[i]);
        single += !cli_ends_with(file[i], ".npz");
    }
    if (single > outputs)
        return spacc_fail(err, SPACC_EINVAL, "--output: %zu files for %zu outputs", single,
                          outputs);
    return SPACC_OK;
}

static enum spacc_status save_all(const char *file, const struct spacc_graph *g,
                                  struct spacc_tensor *const *output, struct spacc_error *err)
{
    const size_t count = (size_t)g->outputs;
    const char **names = calloc(count + 1, sizeof(char *));
    enum spacc_status status;

    if (!names)
        return spacc_fail(err, SPACC_ENOMEM, "%s: out of memory", file);
    for (size_t i = 0; i < count; i++)
        names[i] = g->value[g->output[i]].name;
    status =
        spacc_npz_save(names, (const struct spacc_tensor *const *)output, count, file, err);
    free(names);
    return status;
}

enum spacc_status cli_outputs_save(size_t files, const char *const *file,
                                   const struct spacc_graph *g,
                                   struct spacc_tensor *const *output, struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;
    size_t next = 0;

    for (size_t i = 0; i < files && status == SPACC_OK; i++)
        status = cli_ends_with(file[i], ".npz")
                     ? save_all(file[i], g, output, err)
                     : spacc_tensor_save(output[next++], file[i], err);
    return status;
}
