/* input.c - tensors for the inputs of a model: from files, zeros for states, else
 * random with the seed printed. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/cli/cli.h"
#include "models/io.h"
#include "sparse/half.h"

#define TRY(call)                                 \
    do {                                          \
        const enum spacc_status status_ = (call); \
        if (status_ != SPACC_OK)                  \
            return status_;                       \
    } while (0)

static const struct spacc_value *input_value(const struct spacc_graph *g, size_t i)
{
    return &g->value[g->input[i]];
}

/* Number of the input whose name is the `length` bytes at `name`, or -1. */
static int find_input(const struct spacc_graph *g, const char *name, size_t length)
{
    for (int i = 0; i < g->inputs; i++) {
        const char *have = input_value(g, (size_t)i)->name;
        if (strlen(have) == length && !memcmp(have, name, length))
            return i;
    }
    return -1;
}

static char *names_of(const struct spacc_graph *g, char *text, size_t text_bytes)
{
    size_t used = 0;

    text[0] = '\0';
    for (int i = 0; i < g->inputs && used < text_bytes; i++)
        used += (size_t)snprintf(text + used, text_bytes - used, "%s%s", i ? ", " : "",
                                 input_value(g, (size_t)i)->name);
    return text;
}

static const char *what(const struct cli_inputs *in)
{
    return in->what ? in->what : "input";
}

static enum spacc_status no_such_input(const struct cli_inputs *in, const struct spacc_graph *g,
                                       const char *file, const char *name, int length,
                                       struct spacc_error *err)
{
    char names[256];

    return spacc_fail(err, SPACC_ESHAPE, "%s: no %s '%.*s' in %s, which has %s", file, what(in),
                      length, name, g->file, names_of(g, names, sizeof(names)));
}

/* Hands `t` over. */
static enum spacc_status put(struct cli_inputs *in, const struct spacc_graph *g, size_t i,
                             struct spacc_tensor *t, const char *file, struct spacc_error *err)
{
    if (in->tensor[i]) {
        spacc_tensor_free(t);
        return spacc_fail(err, SPACC_EINVAL, "%s: %s '%s' of %s is given twice", file, what(in),
                          input_value(g, i)->name, g->file);
    }
    in->tensor[i] = t;
    return SPACC_OK;
}

/* A mono .wav for an input of fixed frames [1, N]: cut in frames [F, 1, N], the last one
 * filled with zeros. Takes and gives *t. */
static enum spacc_status cut_frames(struct spacc_tensor **t, const struct spacc_value *v)
{
    struct spacc_tensor *all = *t, *cut;

    if (v->rank != 2 || v->dims[0] != 1 || v->dims[1] < 1 || all->rank != 2 ||
        all->dims[0] != 1 || all->dims[1] <= v->dims[1])
        return SPACC_OK;
    const int64_t frames = (all->dims[1] + v->dims[1] - 1) / v->dims[1];
    TRY(spacc_tensor_new(&cut, SPACC_F32, 3, (int64_t[]){frames, 1, v->dims[1]}));
    memcpy(cut->data, all->data, all->count * sizeof(float));
    spacc_tensor_free(all);
    *t = cut;
    return SPACC_OK;
}

static enum spacc_status load_one(struct cli_inputs *in, const struct spacc_graph *g, size_t i,
                                  const char *file, struct spacc_error *err)
{
    struct spacc_tensor *t;
    uint32_t hz;

    TRY(spacc_tensor_load(&t, file, err));
    if (cli_ends_with(file, ".wav")) {
        enum spacc_status bad = spacc_wav_rate(&hz, file, err);
        if (bad == SPACC_OK && (bad = cut_frames(&t, input_value(g, i))) != SPACC_OK)
            spacc_fail(err, bad, "%s: %s", file, spacc_status_text(bad));
        if (bad != SPACC_OK) {
            spacc_tensor_free(t);
            return bad;
        }
        cli_log(in->quiet, "%s: %" PRIu32 " samples a second", file, hz);
    }
    return put(in, g, i, t, file, err);
}

static bool is_extra(const struct cli_inputs *in, const char *name, size_t length)
{
    return in->extra && strlen(in->extra) == length && !memcmp(in->extra, name, length);
}

/* Hands `t` over. */
static enum spacc_status put_extra(struct cli_inputs *in, struct spacc_tensor *t,
                                   const char *file, struct spacc_error *err)
{
    if (in->extra_tensor) {
        spacc_tensor_free(t);
        return spacc_fail(err, SPACC_EINVAL, "%s: '%s' is given twice", file, in->extra);
    }
    in->extra_tensor = t;
    return SPACC_OK;
}

static enum spacc_status load_extra(struct cli_inputs *in, const char *file,
                                    struct spacc_error *err)
{
    struct spacc_tensor *t;

    TRY(spacc_tensor_load(&t, file, err));
    return put_extra(in, t, file, err);
}

static enum spacc_status take_member(struct cli_inputs *in, const struct spacc_graph *g,
                                     const char *file, const char *name,
                                     struct spacc_tensor **t, struct spacc_error *err)
{
    const int i = find_input(g, name, strlen(name));
    struct spacc_tensor *mine = *t;

    if (i < 0 && !is_extra(in, name, strlen(name)))
        return in->keep ? SPACC_OK : no_such_input(in, g, file, name, (int)strlen(name), err);
    *t = NULL;
    return i < 0 ? put_extra(in, mine, file, err) : put(in, g, (size_t)i, mine, file, err);
}

/* A .npz without a name: its members by name. */
static enum spacc_status load_members(struct cli_inputs *in, const struct spacc_graph *g,
                                      const char *file, struct spacc_error *err)
{
    char **names;
    struct spacc_tensor **tensors;
    size_t count;
    enum spacc_status status = spacc_npz_load(&names, &tensors, &count, file, err);

    if (status != SPACC_OK)
        return status;
    for (size_t i = 0; i < count && status == SPACC_OK; i++)
        status = take_member(in, g, file, names[i], &tensors[i], err);
    for (size_t i = 0; i < count; i++) {
        free(names[i]);
        spacc_tensor_free(tensors[i]);
    }
    free(names);
    free(tensors);
    return status;
}

static enum spacc_status load_spec(struct cli_inputs *in, const struct spacc_graph *g,
                                   const char *spec, struct spacc_error *err)
{
    const char *equals = strchr(spec, '=');
    size_t next = 0;

    if (equals) {
        const int i = find_input(g, spec, (size_t)(equals - spec));
        if (i >= 0)
            return load_one(in, g, (size_t)i, equals + 1, err);
        if (is_extra(in, spec, (size_t)(equals - spec)))
            return load_extra(in, equals + 1, err);
        if (access(spec, F_OK) != 0)
            return no_such_input(in, g, "--input", spec, (int)(equals - spec), err);
    }
    if (cli_ends_with(spec, ".npz"))
        return load_members(in, g, spec, err);
    while (next < in->count && in->tensor[next])
        next++;
    if (next == in->count)
        return spacc_fail(err, SPACC_ESHAPE, "%s: one %s too many: %s has %zu", spec, what(in),
                          g->file, in->count);
    return load_one(in, g, next, spec, err);
}

/* ---- inputs that are not given ---- */

bool cli_dim(struct cli_inputs *in, const char *text)
{
    const char *equals = strrchr(text, '=');
    uint64_t size;

    if (!equals || equals == text || !cli_count(&size, equals + 1) || size > INT32_MAX)
        return false;
    in->dim[in->dims++] = (struct cli_dim){text, (size_t)(equals - text), (int64_t)size};
    return true;
}

/* splitmix64: a short generator whose numbers are the same on every machine. */
static uint64_t random_next(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double random_real(uint64_t *seed) /* -1 <= x < 1 */
{
    return (double)(random_next(seed) >> 11) * 0x1p-52 - 1.0;
}

/* Integers are 0 or 1: they are most often numbers of something, and these exist. */
static void fill_random(struct spacc_tensor *t, uint64_t *seed)
{
    const size_t bytes = spacc_dtype_bytes(t->dtype);

    for (size_t i = 0; i < t->count; i++) {
        if (t->dtype == SPACC_F32)
            ((float *)t->data)[i] = (float)random_real(seed);
        else if (t->dtype == SPACC_F64)
            ((double *)t->data)[i] = random_real(seed);
        else if (t->dtype == SPACC_F16)
            ((uint16_t *)t->data)[i] = spacc_half_from_float((float)random_real(seed));
        else if (t->dtype == SPACC_BF16)
            ((uint16_t *)t->data)[i] = spacc_bfloat_from_float((float)random_real(seed));
        else /* little endian: the low byte comes first */
            ((uint8_t *)t->data)[i * bytes] = (uint8_t)(random_next(seed) & 1);
    }
}

static int64_t bound_dim(const struct cli_inputs *in, const struct spacc_value *v, int axis)
{
    const char *name = v->dim_names[axis];

    if (v->dims[axis] >= 0)
        return v->dims[axis];
    for (size_t i = 0; name && i < in->dims; i++)
        if (strlen(name) == in->dim[i].name_length &&
            !memcmp(name, in->dim[i].name, in->dim[i].name_length))
            return in->dim[i].size;
    return 1;
}

static enum spacc_status make_random(struct cli_inputs *in, const struct spacc_graph *g,
                                     size_t i, struct spacc_error *err)
{
    const struct spacc_value *v = input_value(g, i);
    const int lead = in->frames > 0;
    int64_t dims[SPACC_RANK_MAX + 1] = {(int64_t)in->frames};
    char text[128];
    uint64_t seed = in->seed + i;

    if (v->rank < 0 || v->rank + lead > SPACC_RANK_MAX || v->dtype == SPACC_DTYPE_NONE)
        return spacc_fail(err, SPACC_ESHAPE,
                          "%s: input %s: the file does not say its type and rank; give --input",
                          g->file, v->name);
    for (int d = 0; d < v->rank; d++)
        dims[d + lead] = bound_dim(in, v, d);
    const enum spacc_status status =
        spacc_tensor_new(&in->tensor[i], v->dtype, v->rank + lead, dims);
    if (status != SPACC_OK)
        return spacc_fail(err, status, "%s: input %s: %s", g->file, v->name,
                          spacc_status_text(status));
    fill_random(in->tensor[i], &seed);
    cli_log(in->quiet, "input %s: random %s, seed %" PRIu64, v->name,
            spacc_tensor_describe(in->tensor[i], text, sizeof(text)), in->seed);
    return SPACC_OK;
}

static enum spacc_status make_zero(struct cli_inputs *in, const struct spacc_graph *g, size_t i,
                                   struct spacc_error *err)
{
    const struct spacc_value *v = input_value(g, i);
    int64_t dims[SPACC_RANK_MAX];
    enum spacc_status status;

    if (v->rank < 0 || v->dtype == SPACC_DTYPE_NONE)
        return spacc_fail(err, SPACC_ESHAPE,
                          "%s: state %s: the file does not say its type and rank; give --input",
                          g->file, v->name);
    for (int d = 0; d < v->rank; d++)
        dims[d] = bound_dim(in, v, d);
    status = spacc_tensor_new(&in->tensor[i], v->dtype, v->rank, dims);
    if (status != SPACC_OK)
        return spacc_fail(err, status, "%s: state %s: %s", g->file, v->name,
                          spacc_status_text(status));
    cli_log(in->quiet, "state %s: starts at zero", v->name);
    return SPACC_OK;
}

/* ---- frames ---- */

static bool has_frames(const struct cli_inputs *in, const struct spacc_graph *g, size_t i)
{
    const struct spacc_value *v = input_value(g, i);

    return in->tensor[i] && v->rank >= 0 && in->tensor[i]->rank == v->rank + 1;
}

enum spacc_status cli_limit_frames(struct spacc_tensor **t, uint64_t frames)
{
    struct spacc_tensor *all = *t, *cut;
    int64_t dims[SPACC_RANK_MAX];

    if (all->rank < 1 || (uint64_t)all->dims[0] <= frames)
        return SPACC_OK;
    memcpy(dims, all->dims, sizeof(dims));
    dims[0] = (int64_t)frames;
    TRY(spacc_tensor_new(&cut, all->dtype, all->rank, dims));
    memcpy(cut->data, all->data, cut->count * spacc_dtype_bytes(cut->dtype));
    spacc_tensor_free(all);
    *t = cut;
    return SPACC_OK;
}

static enum spacc_status arrange_frames(struct cli_inputs *in, const struct spacc_graph *g,
                                        const bool *state, struct spacc_error *err)
{
    for (size_t i = 0; i < in->count; i++) {
        if ((state[i] && !in->independent) || !has_frames(in, g, i))
            continue;
        in->stream = true;
        const enum spacc_status status =
            in->frames ? cli_limit_frames(&in->tensor[i], in->frames) : SPACC_OK;
        if (status != SPACC_OK)
            return spacc_fail(err, status, "input %s: %s", input_value(g, i)->name,
                              spacc_status_text(status));
    }
    if (in->frames && !in->stream)
        return spacc_fail(err, SPACC_ESHAPE,
                          "--frames %" PRIu64 ": no input of %s has frames (one more leading "
                          "dimension than the model declares)",
                          in->frames, g->file);
    return SPACC_OK;
}

enum spacc_status cli_inputs_read(struct cli_inputs *in, const struct spacc_graph *g,
                                  struct spacc_error *err)
{
    in->count = (size_t)g->inputs;
    in->tensor = calloc(in->count + 1, sizeof(struct spacc_tensor *));
    if (!in->tensor)
        return spacc_fail(err, SPACC_ENOMEM, "%s: out of memory", g->file);
    for (size_t s = 0; s < in->specs; s++)
        TRY(load_spec(in, g, in->spec[s], err));
    return SPACC_OK;
}

enum spacc_status cli_inputs_load(struct cli_inputs *in, const struct spacc_graph *g,
                                  const bool *state, struct spacc_error *err)
{
    TRY(cli_inputs_read(in, g, err));
    for (size_t i = 0; i < in->count; i++)
        if (!in->tensor[i])
            TRY(state[i] ? make_zero(in, g, i, err) : make_random(in, g, i, err));
    return arrange_frames(in, g, state, err);
}

void cli_inputs_release(struct cli_inputs *in)
{
    for (size_t i = 0; in->tensor && i < in->count; i++)
        spacc_tensor_free(in->tensor[i]);
    free(in->tensor);
    in->tensor = NULL;
    spacc_tensor_free(in->extra_tensor);
    in->extra_tensor = NULL;
}

/* ---- one frame ---- */

static enum spacc_status first_frame(struct spacc_tensor **t)
{
    struct spacc_tensor *all = *t, *one;
    const enum spacc_status status =
        all->dims[0] < 1 ? SPACC_ESHAPE
                         : spacc_tensor_new(&one, all->dtype, all->rank - 1, all->dims + 1);

    if (status != SPACC_OK)
        return status;
    memcpy(one->data, all->data, one->count * spacc_dtype_bytes(one->dtype));
    spacc_tensor_free(all);
    *t = one;
    return SPACC_OK;
}

enum spacc_status cli_inputs_first_frame(struct cli_inputs *in, const struct spacc_graph *g,
                                         struct spacc_error *err)
{
    for (size_t i = 0; i < in->count && in->stream; i++) {
        const struct spacc_value *v = &g->value[g->input[i]];
        enum spacc_status status;
        if (v->rank < 0 || in->tensor[i]->rank != v->rank + 1)
            continue;
        if ((status = first_frame(&in->tensor[i])) != SPACC_OK)
            return spacc_fail(err, status, "%s: input %s: no first frame", g->file, v->name);
        cli_log(in->quiet, "input %s: the first frame", v->name);
    }
    return SPACC_OK;
}
