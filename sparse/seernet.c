#include "sparse/seernet.h"

#include "sparse/seernet_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static enum spacc_status check_pool(const struct seer_shape *y,
                                    const struct spacc_seer_pool *pool, struct spacc_error *err)
{
    size_t size[2] = {0, 0};

    seer_pool_size(y, pool, size);
    if (!size[0] || !size[1] || pool->pads[0] >= pool->kernel[0] ||
        pool->pads[2] >= pool->kernel[0] || pool->pads[1] >= pool->kernel[1] ||
        pool->pads[3] >= pool->kernel[1])
        return spacc_fail(err, SPACC_EINVAL,
                          "seernet: a %zu x %zu max-pool does not fit y [%zu, %zu]",
                          pool->kernel[0], pool->kernel[1], y->rows, y->cols);
    return SPACC_OK;
}

static enum spacc_status check_options(const struct seer_shape *y,
                                       const struct spacc_seer_options *o,
                                       struct spacc_error *err)
{
    if (o->bits != SPACC_SEER_EXACT &&
        (o->bits < SPACC_SEER_BITS_MIN || o->bits > SPACC_SEER_BITS_MAX))
        return spacc_fail(err, SPACC_EINVAL, "seernet: %d bits; 2 to 8, or 0 for exact",
                          o->bits);
    if (o->weight_bits &&
        (o->weight_bits < SPACC_SEER_BITS_MIN || o->weight_bits > SPACC_SEER_BITS_MAX))
        return spacc_fail(err, SPACC_EINVAL, "seernet: weights of %d bits; 2 to 8, or 0",
                          o->weight_bits);
    if (!(o->margin >= 0.0F) || !isfinite(o->margin))
        return spacc_fail(err, SPACC_EINVAL, "seernet: margin %g; 0 or more",
                          (double)o->margin);
    if (o->after == SPACC_SEER_CLIP && (!(o->high > 0.0F) || !isfinite(o->high)))
        return spacc_fail(err, SPACC_EINVAL, "seernet: clip to %g; above 0", (double)o->high);
    if (o->after == SPACC_SEER_POOL)
        return check_pool(y, &o->pool, err);
    if (o->after != SPACC_SEER_RELU && o->after != SPACC_SEER_CLIP)
        return spacc_fail(err, SPACC_EINVAL, "seernet: no activation %d", (int)o->after);
    return SPACC_OK;
}

static enum spacc_status check_values(const char *what, const float *v, size_t count,
                                      struct spacc_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(v[i]))
            return spacc_fail(err, SPACC_EINVAL, "seernet: %s %zu is %g", what, i,
                              (double)v[i]);
    return SPACC_OK;
}

static enum spacc_status check_weights(const struct seer_shape *y, const float *weights,
                                       const float *bias, struct spacc_error *err)
{
    const size_t count = y->in.outputs * y->in.channels * y->taps;
    enum spacc_status status = check_values("weight", weights, count, err);

    if (status == SPACC_OK && bias)
        status = check_values("bias", bias, y->in.outputs, err);
    return status;
}

static enum spacc_status fill(struct spacc_seernet *s, const float *weights, const float *bias)
{
    const size_t outputs = s->shape.in.outputs;

    s->channel = calloc(outputs, sizeof(*s->channel));
    if (!s->channel)
        return SPACC_ENOMEM;
    for (size_t o = 0; o < outputs && bias; o++)
        s->channel[o].bias = bias[o];
    const enum spacc_status status = seer_full_new(s, weights);
    return status == SPACC_OK ? seer_codes_new(s, weights) : status;
}

enum spacc_status spacc_seernet_new(struct spacc_seernet **out,
                                    const struct spacc_seer_shape *shape, const float *weights,
                                    const float *bias, const struct spacc_seer_options *options,
                                    struct spacc_error *err)
{
    struct seer_shape y;

    *out = NULL;
    enum spacc_status status = seer_shape_check(&y, shape, err);
    if (status == SPACC_OK)
        status = check_options(&y, options, err);
    if (status == SPACC_OK)
        status = check_weights(&y, weights, bias, err);
    if (status != SPACC_OK)
        return status;
    struct spacc_seernet *s = calloc(1, sizeof(*s));
    if (s) {
        s->shape = y;
        s->options = *options;
        s->kernel =
            options->kernel ? options->kernel : spacc_seer_kernel_best(options->cpu_features);
    }
    if (!s || fill(s, weights, bias) != SPACC_OK) {
        spacc_seernet_free(s);
        return spacc_fail(err, SPACC_ENOMEM, "seernet: no memory for a layer of %zu outputs",
                          shape->outputs);
    }
    *out = s;
    return SPACC_OK;
}

void spacc_seernet_free(struct spacc_seernet *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->segments; i++)
        free(s->segment[i].runs.offset);
    free(s->segment);
    free(s->weights);
    free(s->code_runs.offset);
    free(s->codes);
    free(s->pair_base);
    free(s->channel);
    free(s);
}

void spacc_seernet_size(const struct spacc_seernet *s, size_t size[2])
{
    size[0] = s->shape.rows;
    size[1] = s->shape.cols;
}

size_t spacc_seernet_mask_words(const struct spacc_seernet *s)
{
    return s->shape.pixels * s->shape.words * (s->options.after == SPACC_SEER_CLIP ? 2 : 1);
}

const char *spacc_seernet_kernel(const struct spacc_seernet *s)
{
    return s->kernel->name;
}

size_t spacc_seernet_code_bytes(const struct spacc_seernet *s)
{
    const size_t planes = s->pairs ? SEER_PAIR_PLANES : 1;

    return s->codes ? planes * s->shape.blocks * SPACC_SEER_BLOCK * s->code_runs.count *
                          s->code_runs.padded
                    : 0;
}

size_t spacc_seernet_weight_bytes(const struct spacc_seernet *s)
{
    return s->weight_values * sizeof(*s->weights);
}

/* What a part needs to predict: rows of sums with their bits and pointers, behind them products
 * of pairs. */
static size_t predict_bytes(const struct spacc_seernet *s, size_t *products)
{
    const bool pool = s->options.after == SPACC_SEER_POOL;
    const size_t rows = pool ? s->options.pool.kernel[0] : s->kernel->blocks;
    const size_t window = pool ? rows * s->options.pool.kernel[1] : 0;
    const size_t pixels = s->band * s->shape.cols;
    const size_t row = (pixels + s->kernel->pixels) * SPACC_SEER_BLOCK;
    const size_t sums = rows * row * sizeof(int32_t) + 2 * pixels * sizeof(uint16_t) +
                        window * (sizeof(int32_t *) + sizeof(uint16_t));

    *products = seer_round_up(sums, SEER_ALIGN);
    return *products + seer_pairs_values(s, pool ? 1 : s->kernel->blocks) * sizeof(int32_t);
}

/* What a part needs at a time: that, a patch, or a row of codes. */
static size_t part_bytes(const struct spacc_seernet *s, size_t *products)
{
    const size_t predict = predict_bytes(s, products);
    const size_t patch = s->patch_values * sizeof(float);
    const size_t row = s->code_width * s->code_channels;
    const size_t most = patch > predict ? patch : predict;

    return seer_round_up(row > most ? row : most, SEER_ALIGN);
}

static size_t take(size_t *used, size_t bytes)
{
    const size_t at = *used;
    *used += seer_round_up(bytes, SEER_ALIGN);
    return at;
}

size_t seer_scratch(const struct spacc_seernet *s, void *scratch, struct seer_scratch *at)
{
    const size_t channels = s->shape.blocks * SPACC_SEER_BLOCK;
    char *base = scratch;
    size_t used = 0, products;

    const size_t part = part_bytes(s, &products);
    const size_t state = take(&used, sizeof(struct seer_state));
    const size_t above = take(&used, channels * sizeof(int32_t));
    const size_t high = take(&used, channels * sizeof(int32_t));
    const size_t code = take(&used, s->code_bytes);
    const size_t low = take(&used, s->two_planes ? s->code_bytes : 0);
    const size_t tile = take(&used, s->tiles.count * s->shape.words * 64 * sizeof(uint64_t));
    const size_t sums = s->tiles.count * s->shape.in.outputs * SPACC_SEER_TILE * sizeof(float);
    const size_t partial = take(&used, s->segments > 1 ? sums : 0);
    if (base)
        *at = (struct seer_scratch){.state = (struct seer_state *)(void *)(base + state),
                                    .above = (int32_t *)(void *)(base + above),
                                    .high = (int32_t *)(void *)(base + high),
                                    .code = (uint8_t *)base + code,
                                    .low = s->two_planes ? (uint8_t *)base + low : NULL,
                                    .tile = (uint64_t *)(void *)(base + tile),
                                    .partial = (float *)(void *)(base + partial),
                                    .parts = base + used,
                                    .part_bytes = part,
                                    .products = products};
    return used;
}

size_t spacc_seernet_scratch_bytes(const struct spacc_seernet *s, int parts)
{
    size_t products;

    return seer_scratch(s, NULL, NULL) +
           (size_t)(parts > 1 ? parts : 1) * part_bytes(s, &products);
}

void spacc_seernet_run(const struct spacc_seernet *s, const struct spacc_seer_buffers *b)
{
    spacc_seernet_quantise(s, b);
    spacc_seernet_predict(s, b);
    spacc_seernet_list(s, b);
    spacc_seernet_skip(s, b);
}
