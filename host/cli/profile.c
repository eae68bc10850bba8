/* profile.c - spacc profile: measures what the kernels of a device take. */
#include <cjson/cJSON.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/cli/cli.h"
#include "host/profiler.h"
#include "models/clean.h"
#include "models/onnx.h"
#include "scheduler/pool.h"
#include "sparse/cpu.h"

enum { FILE_BYTES = 1024, BAR_STEPS = 8, FOLDS = 5 };

enum { DEVICE, OUTPUT, QUICK, ONLY_MODELS, CPU_THREADS, DIM, SEED, JSON, QUIET };

static const struct cli_option options[] = {
    [DEVICE] = {"device", 'd', "cpu|P.D",
                "whose kernels are measured: CPU cores, or an OpenCL device"},
    [OUTPUT] = {"output", 'o', "FILE",
                "the profile (default: profile-DEVICE.json in the cache folder)"},
    [QUICK] = {"quick", 0, NULL, "fewer sizes and runs: below a minute"},
    [ONLY_MODELS] = {"only-models", 0, NULL, "the steps of the models as they run there"},
    [CPU_THREADS] = {"cpu-threads", 0, "N", "threads of the kernels (default 1)"},
    [DIM] = {"dim", 0, "NAME=N", "size of a dynamic dimension of the models (default 1)"},
    [SEED] = {"seed", 0, "N", "of the sizes that are tried (default 1)"},
    [JSON] = {"json", 0, NULL, "the summary as JSON"},
    [QUIET] = {"quiet", 'q', NULL, "no remarks on stderr; errors still"},
    {0}};

struct settings {
    const char *device, *output;
    bool quick, only_models, json, quiet;
    uint64_t threads, seed;
    struct cli_inputs in; /* dims only */
};

struct model {
    struct spacc_graph *g;
    struct cli_inputs in;
    bool *is_state;
};

struct job {
    struct settings *set;
    size_t models;
    struct model *model;
    struct spacc_profiler_model *ready;
    char file[FILE_BYTES];
    struct spacc_pool *pool;
    struct spacc_parallel parallel;
    struct spacc_profile *p;
    struct spacc_profiler_report report;
    struct spacc_accuracy *kernel;
    size_t kernels;
};

/* ---- options ---- */

static int take_count(int option, const char *value, uint64_t least, uint64_t most,
                      uint64_t *to)
{
    if (cli_count(to, value) && *to >= least && *to <= most)
        return CLI_OK;
    return cli_usage(&cli_profile, "--%s %s: not a number in range", options[option].name,
                     value);
}

static int take(void *to, int option, const char *value)
{
    struct settings *set = to;

    switch (option) {
    case DEVICE: set->device = value; return CLI_OK;
    case OUTPUT: set->output = value; return CLI_OK;
    case QUICK: set->quick = true; return CLI_OK;
    case ONLY_MODELS: set->only_models = true; return CLI_OK;
    case CPU_THREADS: return take_count(option, value, 1, SPACC_POOL_PARTS_MAX, &set->threads);
    case DIM:
        return cli_dim(&set->in, value)
                   ? CLI_OK
                   : cli_usage(&cli_profile, "--dim %s: wants NAME=N", value);
    case SEED: return take_count(option, value, 0, (uint64_t)1 << 52, &set->seed);
    case JSON: set->json = true; return CLI_OK;
    case QUIET: set->quiet = true; return CLI_OK;
    default: return CLI_USAGE;
    }
}

/* ---- the file ---- */

/* A folder, when it is not there yet. */
static enum spacc_status make_folder(const char *folder, struct spacc_error *err)
{
    if (mkdir(folder, 0777) == 0 || errno == EEXIST)
        return SPACC_OK;
    return spacc_fail(err, SPACC_EIO, "%s: %s", folder, strerror(errno));
}

/* "0.0" of "gpu 0.0" and the like stay readable in a name. */
static void tame(char *text)
{
    for (; *text; text++)
        if (strchr("/ \t", *text))
            *text = '-';
}

static enum spacc_status default_file(struct job *j, struct spacc_error *err)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char folder[FILE_BYTES - 128], device[64];
    enum spacc_status s;

    if (cache && cache[0] == '/')
        snprintf(folder, sizeof(folder), "%s", cache);
    else if (home && home[0])
        snprintf(folder, sizeof(folder), "%s/.cache", home);
    else
        return spacc_fail(err, SPACC_EIO, "no cache folder: give the profile's file with -o");
    if ((s = make_folder(folder, err)) != SPACC_OK)
        return s;
    snprintf(device, sizeof(device), "%s", j->set->device);
    tame(device);
    strncat(folder, "/spacc", sizeof(folder) - strlen(folder) - 1);
    snprintf(j->file, sizeof(j->file), "%s/profile-%s.json", folder, device);
    return make_folder(folder, err);
}

static enum spacc_status choose_file(struct job *j, struct spacc_error *err)
{
    if (!j->set->output)
        return default_file(j, err);
    if (strlen(j->set->output) >= sizeof(j->file))
        return spacc_fail(err, SPACC_EINVAL, "%s: too long a name", j->set->output);
    snprintf(j->file, sizeof(j->file), "%s", j->set->output);
    return SPACC_OK;
}

/* ---- models ---- */

static enum spacc_status load_model(const struct job *j, struct model *m,
                                    struct spacc_profiler_model *ready, const char *file,
                                    struct spacc_error *err)
{
    enum spacc_status s;

    if ((s = spacc_onnx_load(&m->g, file, err)) != SPACC_OK ||
        (s = spacc_graph_clean(m->g, NULL, err)) != SPACC_OK)
        return s;
    m->is_state = calloc((size_t)m->g->inputs + 1, sizeof(*m->is_state));
    if (!m->is_state)
        return spacc_fail(err, SPACC_ENOMEM, "%s: out of memory", file);
    m->in = (struct cli_inputs){
        .dims = j->set->in.dims, .dim = j->set->in.dim, .seed = j->set->seed, .quiet = true};
    s = cli_inputs_load(&m->in, m->g, m->is_state, err);
    *ready = (struct spacc_profiler_model){
        .g = m->g, .input = (const struct spacc_tensor *const *)m->in.tensor};
    return s;
}

static enum spacc_status load_models(struct job *j, char *const *file, struct spacc_error *err)
{
    enum spacc_status s = SPACC_OK;

    j->model = calloc(j->models + 1, sizeof(*j->model));
    j->ready = calloc(j->models + 1, sizeof(*j->ready));
    if (!j->model || !j->ready)
        return spacc_fail(err, SPACC_ENOMEM, "out of memory");
    for (size_t m = 0; m < j->models && s == SPACC_OK; m++)
        if ((s = load_model(j, &j->model[m], &j->ready[m], file[m], err)) != SPACC_OK)
            cli_name_file(err, file[m]);
    return s;
}

static void release(struct job *j)
{
    for (size_t m = 0; m < j->models && j->model; m++) {
        for (size_t i = 0; i < j->model[m].in.count && j->model[m].in.tensor; i++)
            spacc_tensor_free(j->model[m].in.tensor[i]);
        free(j->model[m].in.tensor);
        free(j->model[m].is_state);
        spacc_graph_free(j->model[m].g);
    }
    free(j->model);
    free(j->ready);
    free(j->kernel);
    spacc_profile_free(j->p);
    spacc_pool_free(j->pool);
}

/* ---- the summary ---- */

static void print_power(const struct job *j)
{
    const struct spacc_power *w = &j->p->power;
    const char *why = j->report.no_more.text;

    printf("power %.1f W idle, %.1f W a busy thread (%s)\n", w->idle_w, w->busy_w, w->source);
    printf("joules of %zu samples measured%s%s%s; others by %s\n\n", j->report.joules,
           why[0] ? " (" : "", why, why[0] ? ")" : "",
           j->report.joules ? "power that is fitted to these, or that of a busy thread"
                            : "the power of a busy thread");
}

static void print_text(const struct job *j)
{
    const struct spacc_link *l = &j->p->link;

    printf("%s: %zu samples of %s, %s, %d cores\n", j->file, j->p->samples, j->p->device,
           j->p->machine.cpu, j->p->machine.cores);
    printf("%zu trials (%zu of refinement, %zu not possible here), %.1f s%s\n",
           j->report.trials, j->report.refined, j->report.skipped, j->report.seconds,
           j->p->complete ? "" : "; not complete: started again it goes on");
    printf("launch %.3f us, peak %.0f multiply-adds/us, %.0f bytes/us\n", l->launch_us,
           l->peak_macs_per_us, l->peak_bytes_per_us);
    print_power(j);
    printf("%-40s %8s %9s %12s\n", "kernel", "samples", "held out", "within 10 %");
    for (size_t k = 0; k < j->kernels; k++) {
        printf("%-40s %8zu %9zu", j->kernel[k].kernel, j->kernel[k].samples,
               j->kernel[k].held_out);
        if (isnan(j->kernel[k].within))
            printf(" %12s\n", "-");
        else
            printf(" %10.1f %%\n", 100.0 * j->kernel[k].within);
    }
}

static bool json_kernels(const struct job *j, cJSON *list)
{
    for (size_t k = 0; k < j->kernels; k++) {
        cJSON *o = cJSON_CreateObject();
        if (!o || !cJSON_AddItemToArray(list, o) ||
            !cJSON_AddStringToObject(o, "kernel", j->kernel[k].kernel) ||
            !cJSON_AddNumberToObject(o, "samples", (double)j->kernel[k].samples) ||
            !cJSON_AddNumberToObject(o, "held_out", (double)j->kernel[k].held_out) ||
            (!isnan(j->kernel[k].within) &&
             !cJSON_AddNumberToObject(o, "within_10_percent", j->kernel[k].within)))
            return false;
    }
    return true;
}

static int print_json(const struct job *j)
{
    const struct spacc_link *l = &j->p->link;
    const struct spacc_power *w = &j->p->power;
    cJSON *o = cJSON_CreateObject();
    cJSON *link = o ? cJSON_AddObjectToObject(o, "link") : NULL;
    cJSON *power = o ? cJSON_AddObjectToObject(o, "power") : NULL;
    cJSON *kernels = o ? cJSON_AddArrayToObject(o, "kernels") : NULL;

    if (link && power && kernels && cJSON_AddStringToObject(o, "file", j->file) &&
        cJSON_AddStringToObject(o, "device", j->p->device) &&
        cJSON_AddStringToObject(o, "cpu", j->p->machine.cpu) &&
        cJSON_AddBoolToObject(o, "complete", j->p->complete) &&
        cJSON_AddNumberToObject(o, "samples", (double)j->p->samples) &&
        cJSON_AddNumberToObject(o, "samples_kept", (double)j->report.kept) &&
        cJSON_AddNumberToObject(o, "trials", (double)j->report.trials) &&
        cJSON_AddNumberToObject(o, "trials_skipped", (double)j->report.skipped) &&
        cJSON_AddNumberToObject(o, "trials_refined", (double)j->report.refined) &&
        cJSON_AddNumberToObject(o, "seconds", j->report.seconds) &&
        cJSON_AddNumberToObject(link, "launch_us", l->launch_us) &&
        cJSON_AddNumberToObject(link, "peak_macs_per_us", l->peak_macs_per_us) &&
        cJSON_AddNumberToObject(link, "peak_bytes_per_us", l->peak_bytes_per_us) &&
        cJSON_AddNumberToObject(power, "idle_w", w->idle_w) &&
        cJSON_AddNumberToObject(power, "busy_w", w->busy_w) &&
        cJSON_AddBoolToObject(power, "measured", w->measured) &&
        cJSON_AddStringToObject(power, "source", w->source) &&
        cJSON_AddNumberToObject(power, "samples_with_joules", (double)j->report.joules) &&
        (!j->report.no_more.text[0] ||
         cJSON_AddStringToObject(power, "no_more_because", j->report.no_more.text)) &&
        json_kernels(j, kernels))
        return cli_print_json(o);
    cJSON_Delete(o);
    return cli_fail("out of memory");
}

/* ---- all of it ---- */

static void tell(void *user, size_t done, size_t all, const char *what)
{
    const struct job *j = user;
    char text[160];

    if (j->set->quiet)
        return;
    snprintf(text, sizeof(text), "%zu of %zu: %.120s", done, all, what);
    cli_progress(all ? (int)(done * BAR_STEPS / all) : 0, BAR_STEPS, text);
}

static enum spacc_status measure(struct job *j, struct spacc_error *err)
{
    const struct settings *set = j->set;
    const struct spacc_profiler_options o = {.device = set->device,
                                             .file = j->file,
                                             .quick = set->quick,
                                             .only_models = set->only_models,
                                             .seed = set->seed,
                                             .parallel = &j->parallel,
                                             .models = j->models,
                                             .model = j->ready,
                                             .tell = tell,
                                             .user = j};
    enum spacc_status s = spacc_pool_new(&j->pool, (int)set->threads, err);

    if (s != SPACC_OK)
        return s;
    j->parallel = spacc_pool_parallel(j->pool);
    if (access(j->file, F_OK) == 0)
        cli_log(set->quiet, "%s: going on with what is there", j->file);
    s = spacc_profiler_run(&j->p, &o, &j->report, err);
    if (s == SPACC_OK) {
        tell(j, 0, 0, "how good costs fitted to them are");
        s = spacc_profiler_accuracy(j->p,
                                    set->only_models ? 0
                                    : set->quick     ? 1
                                                     : FOLDS,
                                    &j->kernel, &j->kernels, err);
    }
    cli_progress(0, BAR_STEPS, NULL);
    return s;
}

static int profile(struct job *j, char *const *file)
{
    struct spacc_error err = {0};

    if (choose_file(j, &err) != SPACC_OK || load_models(j, file, &err) != SPACC_OK ||
        measure(j, &err) != SPACC_OK)
        return cli_fail_err(&err);
    if (j->set->json)
        return print_json(j);
    print_text(j);
    return CLI_OK;
}

static int run(int argc, char **argv)
{
    struct settings set = {.device = "cpu", .threads = 1, .seed = 1};
    struct job j = {.set = &set};
    const char *first;
    int status = CLI_FAILED;

    set.in.dim = calloc((size_t)argc, sizeof(*set.in.dim));
    if (!set.in.dim)
        return cli_fail("out of memory");
    if (cli_parse(&cli_profile, argc, argv, take, &set, &first, &status)) {
        j.models = (size_t)(argc - optind);
        if (set.only_models && j.models == 0)
            status = cli_usage(&cli_profile, "--only-models without a MODEL");
        else
            status = profile(&j, argv + optind);
        release(&j);
    }
    free(set.in.dim);
    return status;
}

const struct cli_command cli_profile = {
    .name = "profile",
    .arguments = "[MODEL]...",
    .summary = "Measure what the kernels of a device take, over many sizes: what plans go by.",
    .more =
        "Kernels of the MODELs are measured with exactly their sizes, and sizes near them.\n"
        "Stopped and started again, it goes on with what is missing. Where the energy counters "
        "of\n"
        "the processor (RAPL) can be read, it measures joules of kernels on CPU cores, but "
        "not\n"
        "with --quick or --only-models: what --objective energy goes by.\n",
    .example = "spacc profile --quick model.onnx",
    .option = options,
    .run = run};
