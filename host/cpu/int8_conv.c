/* QLinearConv on the integer kernels of sparse/seernet_int8.h, whole or MSB first: the same
 * bits as the reference, but for results that a prediction of few bits takes for the lowest
 * code.
 *
 * A result is code(sum) = clamp(rint(sum * factor) + zero), which never falls, so each channel
 * has a largest sum `below` with the lowest code. The kernel is given biases less that: where
 * it leaves 0, the result is the lowest code, and nothing else has to be known of the sum. So
 * it is behind a Relu that was folded into zero points and ranges, which is what quantised
 * models have.
 *
 *   scratch   [x, pixel by pixel][sums][mask][its truth, when watched][of seernet_int8.h] */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/clock.h"
#include "host/cpu/seernet_log.h"
#include "host/cpu/window.h"
#include "sparse/seernet_int8.h"

enum { X, X_SCALE, X_ZERO, W, W_SCALE, W_ZERO, Y_SCALE, Y_ZERO, BIAS };
enum { ALIGN = 64, STRIP = 64 };

/* Few bits take low nibbles for a tenth of the way from their average to the most they can add:
 * 99.9 % of the results above the lowest code stay (sparse/README.md). */
static const float sure = 1.0F, likely = 0.1F;

struct conv {
    struct spacc_seernet_log log; /* first */
    struct spacc_seer8 *layer;
    size_t batch, channels, outputs, in_pixels, out_pixels, words;
    uint8_t x_flip, y_flip; /* int8 is uint8 but for its highest bit */
    int32_t y_zero;         /* as uint8 */
    float *factor;          /* [outputs] */
    int32_t *below;         /* [outputs] */
    bool predicts;
    size_t sums_at, mask_at, truth_at, scratch_at; /* bytes in the scratch slot */
    int x, y;
};

/* ---- codes ------------------------------------------------------------------------ */

/* The code of a sum as uint8. Rounds half to even by adding what leaves no fraction bits; what
 * is cut before would be cut by the clamp. */
static inline int32_t code_of(int32_t sum, float factor, int32_t zero)
{
    const float whole = 12582912.0F; /* 1.5 * 2^23 */
    float v = (float)sum * factor;

    v = v < -600.0F ? -600.0F : v;
    v = v > 600.0F ? 600.0F : v;
    const int32_t code = (int32_t)((v + whole) - whole) + zero;
    return code < 0 ? 0 : code > 255 ? 255 : code;
}

/* The largest sum of low .. high whose code is 0; low - 1: none. */
static int32_t below_of(float factor, int32_t zero, int64_t low, int64_t high)
{
    int64_t from = low - 1, to = high;

    while (from < to) {
        const int64_t middle = to - (to - from) / 2;
        if (code_of((int32_t)middle, factor, zero) == 0)
            from = middle;
        else
            to = middle - 1;
    }
    return (int32_t)from;
}

/* ---- images ----------------------------------------------------------------------- */

struct work {
    const struct conv *c;
    const uint8_t *x;
    uint8_t *y;
    uint8_t *turned; /* x */
    const int32_t *sums;
    int parts;
};

static void span_of(const struct work *w, size_t count, int part, size_t span[2])
{
    span[0] = spacc_parallel_first(count, w->parts, part);
    span[1] = spacc_parallel_first(count, w->parts, part + 1);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* [channels][pixels] to [pixels][channels] */
static void turn_part(void *arg, int part)
{
    const struct work *w = arg;
    const size_t channels = w->c->channels, pixels = w->c->in_pixels;
    size_t span[2];

    span_of(w, pixels, part, span);
    for (size_t first = span[0]; first < span[1]; first += STRIP)
        for (size_t c = 0; c < channels; c++)
            for (size_t p = first; p < least(first + STRIP, span[1]); p++)
                w->turned[p * channels + c] = w->x[c * pixels + p] ^ w->c->x_flip;
}

/* Sums were counted from `below`, which is what 0 stands for. */
static void code_row(const struct conv *c, const int32_t *restrict sum, uint8_t *restrict to)
{
    const float *restrict factor = c->factor;
    const int32_t *restrict below = c->below, zero = c->y_zero;

    for (size_t o = 0; o < c->outputs; o++)
        to[o] = (uint8_t)(code_of(sum[o] + below[o], factor[o], zero) ^ c->y_flip);
}

/* Sums [pixels][outputs] to codes [outputs][pixels], a few channels of a strip at a time. */
static void code_part(void *arg, int part)
{
    const struct work *w = arg;
    const size_t outputs = w->c->outputs, pixels = w->c->out_pixels;
    uint8_t *row = w->turned + (size_t)part * STRIP * outputs;
    size_t span[2];

    span_of(w, pixels, part, span);
    for (size_t first = span[0]; first < span[1]; first += STRIP) {
        const size_t count = least(STRIP, span[1] - first);
        for (size_t p = 0; p < count; p++)
            code_row(w->c, w->sums + (first + p) * outputs, row + p * outputs);
        for (size_t o = 0; o < outputs; o++)
            for (size_t p = 0; p < count; p++)
                w->y[o * pixels + first + p] = row[p * outputs + o];
    }
}

/* ---- run -------------------------------------------------------------------------- */

static void find_truth(const struct conv *c, const int32_t *sums, uint64_t *truth)
{
    memset(truth, 0, c->out_pixels * c->words * sizeof(*truth));
    for (size_t p = 0; p < c->out_pixels; p++)
        for (size_t o = 0; o < c->outputs; o++)
            if (sums[p * c->outputs + o] > 0)
                truth[p * c->words + o / 64] |= UINT64_C(1) << o % 64;
}

static void count(struct conv *c, const uint64_t *mask, const uint64_t *truth)
{
    struct spacc_seer_counts *n = &c->log.counts;
    const uint64_t outputs = c->out_pixels * c->outputs;
    uint64_t different = 0;

    for (size_t i = 0; i < c->out_pixels * c->words; i++) {
        n->needed += (uint64_t)__builtin_popcountll(truth[i]);
        n->computed += (uint64_t)__builtin_popcountll(mask[i]);
        n->both += (uint64_t)__builtin_popcountll(mask[i] & truth[i]);
        different += (uint64_t)__builtin_popcountll(mask[i] ^ truth[i]);
    }
    n->outputs += outputs;
    n->equal += outputs - different;
}

static void predict_and_finish(struct conv *c, const struct spacc_seer8_buffers *b)
{
    const double start = spacc_now_us();

    spacc_seer8_high(c->layer, b);
    spacc_seer8_list(c->layer, b);
    c->log.mask_us += spacc_now_us() - start;
    spacc_seer8_low(c->layer, b);
    c->log.outputs += c->out_pixels * c->outputs;
    c->log.computed += spacc_seer8_finished(c->layer, b->mask);
}

static void convolve(const struct spacc_engine *e, struct conv *c,
                     const struct spacc_seer8_buffers *b, uint64_t *truth)
{
    if (!c->predicts) {
        spacc_seer8_dense(c->layer, b);
        return;
    }
    if (e->watch_seernet) {
        spacc_seer8_dense(c->layer, b);
        find_truth(c, b->y, truth);
    }
    predict_and_finish(c, b);
    if (e->watch_seernet)
        count(c, b->mask, truth);
}

static void run_image(const struct spacc_engine *e, struct conv *c, struct work *w,
                      char *scratch)
{
    const struct spacc_parallel *parallel = e->options.parallel;
    const struct spacc_seer8_buffers b = {.x = w->turned,
                                          .y = (int32_t *)(void *)(scratch + c->sums_at),
                                          .mask = (uint64_t *)(void *)(scratch + c->mask_at),
                                          .scratch = scratch + c->scratch_at,
                                          .parallel = parallel};

    spacc_parallel_run(parallel, turn_part, w);
    convolve(e, c, &b, (uint64_t *)(void *)(scratch + c->truth_at));
    w->sums = b.y;
    spacc_parallel_run(parallel, code_part, w);
}

static enum spacc_status run(struct spacc_engine *e, struct spacc_cpu_step *step,
                             struct spacc_error *err)
{
    struct conv *c = step->state;
    char *scratch = spacc_cpu_data(e, step->scratch);
    struct work w = {.c = c,
                     .x = spacc_cpu_data(e, c->x),
                     .y = spacc_cpu_data(e, c->y),
                     .turned = (uint8_t *)scratch,
                     .parts = spacc_parallel_parts(e->options.parallel)};

    (void)err;
    for (size_t i = 0; i < c->batch; i++) {
        run_image(e, c, &w, scratch);
        w.x += c->in_pixels * c->channels;
        w.y += c->out_pixels * c->outputs;
    }
    return SPACC_OK;
}

static void release(void *state)
{
    struct conv *c = state;

    if (!c)
        return;
    spacc_seer8_free(c->layer);
    free(c->factor);
    free(c->below);
    free(c);
}

/* ---- which -------------------------------------------------------------------------- */

struct given {
    const struct spacc_tensor *in[BIAS + 1]; /* constants; [X] none */
    const struct spacc_tensor *x, *y;
    struct spacc_seer_shape shape;
};

static bool all_zero(const struct spacc_tensor *t)
{
    const uint8_t *v = t->data;

    for (size_t i = 0; i < t->count; i++)
        if (v[i] != 0)
            return false;
    return true;
}

static bool is_byte(const struct spacc_tensor *t)
{
    return t->dtype == SPACC_U8 || t->dtype == SPACC_I8;
}

static bool fits(const struct given *g)
{
    const size_t outputs = (size_t)g->in[W]->dims[0];
    const struct spacc_tensor *scale = g->in[W_SCALE], *bias = g->in[BIAS];

    return g->in[W]->dtype == SPACC_I8 && all_zero(g->in[W_ZERO]) && is_byte(g->x) &&
           is_byte(g->y) && g->in[X_SCALE]->count == 1 && g->in[X_ZERO]->count == 1 &&
           g->in[Y_SCALE]->count == 1 && g->in[Y_ZERO]->count == 1 &&
           (scale->count == 1 || scale->count == outputs) &&
           (!bias || (bias->dtype == SPACC_I32 && bias->count == outputs));
}

static bool is_ours(const struct spacc_cpu_build *b, int n, struct given *g)
{
    const struct spacc_node *node = &b->g->node[n];
    const bool has_bias = node->inputs > BIAS && node->input[BIAS] >= 0;

    if (strcmp(node->op->name, "QLinearConv") != 0 || !spacc_cpu_known(b, node))
        return false;
    *g = (struct given){.x = spacc_cpu_shape(b, node->input[X]),
                        .y = spacc_cpu_shape(b, node->output[0])};
    for (int i = X_SCALE; i <= Y_ZERO + has_bias; i++)
        if (!(g->in[i] = spacc_cpu_constant(b, node, i)))
            return false;
    return spacc_cpu_seer_shape(&g->shape, node, g->x, g->in[W], g->y) && fits(g);
}

/* ---- making --------------------------------------------------------------------------- */

static float number(const struct spacc_tensor *t, size_t i)
{
    return ((const float *)t->data)[t->count > 1 ? i : 0];
}

/* What a sum of channel o can be. */
static void reach(const struct given *g, size_t o, int64_t span[2])
{
    const size_t count = g->shape.channels * g->shape.kernel[0] * g->shape.kernel[1];
    const int8_t *w = (const int8_t *)g->in[W]->data + o * count;
    const int64_t bias = g->in[BIAS] ? ((const int32_t *)g->in[BIAS]->data)[o] : 0;
    int64_t most = 0;

    for (size_t i = 0; i < count; i++)
        most += 255 * abs(w[i]);
    span[0] = bias - most;
    span[1] = bias + most;
}

/* Factors, and biases less `below`; false: a channel is beyond what is exact here. */
static bool set_channels(struct conv *c, const struct given *g, int32_t *bias)
{
    for (size_t o = 0; o < c->outputs; o++) {
        int64_t span[2];
        reach(g, o, span);
        c->factor[o] =
            number(g->in[X_SCALE], 0) * number(g->in[W_SCALE], o) / number(g->in[Y_SCALE], 0);
        if (!(c->factor[o] > 0.0F) || !isfinite(c->factor[o]) || span[0] <= INT32_MIN ||
            span[1] > INT32_MAX)
            return false;
        c->below[o] = below_of(c->factor[o], c->y_zero, span[0], span[1]);
        const int64_t from =
            (g->in[BIAS] ? ((const int32_t *)g->in[BIAS]->data)[o] : 0) - (int64_t)c->below[o];
        if (from < INT32_MIN || from > INT32_MAX)
            return false;
        bias[o] = (int32_t)from;
    }
    return true;
}

static uint8_t byte_of(const struct spacc_tensor *t, uint8_t flip)
{
    return *(const uint8_t *)t->data ^ flip;
}

/* What cannot be exact is left to the reference: c->layer stays NULL. */
static enum spacc_status make_layer(struct spacc_cpu_build *b, const struct given *g,
                                    struct conv *c)
{
    const int bits = b->e->options.seernet;
    const struct spacc_seer8_options o = {.x_zero = byte_of(g->in[X_ZERO], c->x_flip),
                                          .caution =
                                              bits >= SPACC_SEER_BITS_MIN ? likely : sure,
                                          .cpu_features = b->e->options.cpu};
    int32_t *bias = calloc(c->outputs, sizeof(*bias));
    enum spacc_status s = SPACC_ENOMEM;

    c->factor = calloc(c->outputs, sizeof(*c->factor));
    c->below = calloc(c->outputs, sizeof(*c->below));
    if (bias && c->factor && c->below)
        s = set_channels(c, g, bias)
                ? spacc_seer8_new(&c->layer, &g->shape, g->in[W]->data, bias, &o, NULL)
                : SPACC_OK;
    free(bias);
    return s == SPACC_ENOMEM ? spacc_cpu_no_memory(b) : SPACC_OK;
}

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t plan_scratch(struct conv *c, int parts)
{
    const size_t mask = aligned(spacc_seer8_mask_words(c->layer) * sizeof(uint64_t));
    const size_t x = c->in_pixels * c->channels, rows = (size_t)parts * STRIP * c->outputs;

    c->sums_at = aligned(x > rows ? x : rows);
    c->mask_at = c->sums_at + aligned(c->out_pixels * c->outputs * sizeof(int32_t));
    c->truth_at = c->mask_at + mask;
    c->scratch_at = c->truth_at + mask;
    return c->scratch_at + spacc_seer8_scratch_bytes(c->layer, parts);
}

static enum spacc_status make(struct spacc_cpu_build *b, const struct given *g, struct conv *c)
{
    size_t size[2];
    enum spacc_status s;

    c->batch = (size_t)g->y->dims[0];
    c->channels = g->shape.channels;
    c->outputs = g->shape.outputs;
    c->words = (c->outputs + 63) / 64;
    c->in_pixels = g->shape.height * g->shape.width;
    c->x_flip = g->x->dtype == SPACC_I8 ? 0x80 : 0;
    c->y_flip = g->y->dtype == SPACC_I8 ? 0x80 : 0;
    c->y_zero = byte_of(g->in[Y_ZERO], c->y_flip);
    if ((s = make_layer(b, g, c)) || !c->layer)
        return s;
    spacc_seer8_size(c->layer, size);
    c->out_pixels = size[0] * size[1];
    if (size[0] != (size_t)g->y->dims[2] || size[1] != (size_t)g->y->dims[3]) {
        spacc_seer8_free(c->layer);
        c->layer = NULL;
    }
    return SPACC_OK;
}

/* Takes c over. */
static enum spacc_status add_step(struct spacc_cpu_build *b, int n, struct conv *c,
                                  const struct spacc_cpu_kernel *kernel)
{
    const struct spacc_tensor none = {.dtype = SPACC_U8, .rank = 1};
    const size_t bytes = plan_scratch(c, spacc_parallel_parts(b->e->options.parallel));
    const int scratch = spacc_cpu_slot_new(b, &none, bytes);
    struct spacc_cpu_step *step = scratch < 0 ? NULL : spacc_cpu_step_new(b, kernel, n, 1, 1);

    if (!step) {
        release(c);
        return spacc_cpu_no_memory(b);
    }
    step->state = c;
    step->scratch = scratch;
    step->in[0] = c->x;
    step->out[0] = c->y;
    spacc_cpu_step_done(b, step);
    return SPACC_OK;
}

static enum spacc_status take(struct spacc_cpu_build *b, int n, bool *taken,
                              const struct spacc_cpu_kernel *kernel)
{
    struct given g;
    struct conv *c;
    enum spacc_status s;

    if (!is_ours(b, n, &g))
        return SPACC_OK;
    if (!(c = calloc(1, sizeof(*c))))
        return spacc_cpu_no_memory(b);
    if ((s = make(b, &g, c)) || !c->layer) {
        release(c);
        return s;
    }
    c->predicts = kernel == &spacc_cpu_int8_seernet;
    c->log.with = "MSB first";
    c->log.pool = -1;
    c->y = b->g->node[n].output[0];
    if ((c->x = spacc_cpu_plain(b, b->g->node[n].input[X])) < 0) {
        release(c);
        return b->err->status;
    }
    b->e->weight_bytes += g.in[W]->count;
    if ((s = add_step(b, n, c, kernel)))
        return s;
    spacc_cpu_taken(b, n, n, kernel->name);
    *taken = true;
    return SPACC_OK;
}

static enum spacc_status take_predicted(struct spacc_cpu_build *b, int n, bool *taken)
{
    const struct spacc_engine_options *e = &b->e->options;

    if (e->seernet == 0 || e->seernet == SPACC_ENGINE_SEERNET_FULL ||
        (e->seernet_how && !e->seernet_how[n].taken))
        return SPACC_OK;
    return take(b, n, taken, &spacc_cpu_int8_seernet);
}

static enum spacc_status take_dense(struct spacc_cpu_build *b, int n, bool *taken)
{
    return take(b, n, taken, &spacc_cpu_int8_conv);
}

const struct spacc_cpu_kernel spacc_cpu_int8_seernet = {
    .name = "seernet int8", .take = take_predicted, .run = run, .release = release};
const struct spacc_cpu_kernel spacc_cpu_int8_conv = {
    .name = "int8 conv", .take = take_dense, .run = run, .release = release};
