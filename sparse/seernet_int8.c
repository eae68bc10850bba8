#include "sparse/seernet_int8.h"

#include "sparse/seernet_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LOW_RUN = 64 /* bytes that dot8 takes at a time */ };

struct spacc_seer8 {
    struct seer_shape shape;
    struct spacc_seer8_options options;
    const struct spacc_seer_kernel *kernel;
    size_t channels, height, width; /* of a plane of nibbles, pads included */
    size_t plane_bytes;             /* with what kernels read behind it */
    struct seer_runs high, low;     /* the same runs, differently rounded up */
    int8_t *high_weights;           /* [blocks][runs][padded / 4][16][4] */
    int8_t *low_weights;            /* [outputs][runs][padded] */
    int32_t *base;                  /* [blocks * 16] bias - x_zero * sum of w */
    int32_t *above;                 /* [blocks * 16] goes on: sum of high w above this */
    size_t steps;                   /* of struct spacc_seer_sums, for nibbles */
    struct seer_tiles tiles;
};

struct places {
    uint8_t *high, *low;
    uint64_t *tile; /* [tiles][words * 64] */
    char *parts;
    size_t part_bytes;
};

struct job {
    const struct spacc_seer8 *s;
    const struct spacc_seer8_buffers *b;
    struct places at;
    int parts;
    bool all;
    bool whole; /* x is not split: `high` has it all */
};

/* --- making --- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* What the low nibbles are taken to add. */
static int64_t reach(double caution, int64_t positive, int64_t negative)
{
    const double average = 7.5 * (double)(positive + negative), most = 15.0 * (double)positive;
    return caution >= 1.0 ? 15 * positive : (int64_t)ceil(average + caution * (most - average));
}

static enum spacc_status set_channel(struct spacc_seer8 *s, size_t o, const int8_t *w,
                                     int64_t bias, struct spacc_error *err)
{
    const size_t count = s->shape.in.channels * s->shape.taps;
    int64_t positive = 0, negative = 0;

    for (size_t i = 0; i < count; i++)
        *(w[i] > 0 ? &positive : &negative) += w[i];
    const int64_t base = bias - (positive + negative) * s->options.x_zero;
    const int64_t size = (positive - negative) * 255 + (bias < 0 ? -bias : bias);
    if (size > INT32_MAX)
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "seernet: sums of channel %zu can reach %lld, beyond int32", o,
                          (long long)size);
    s->base[o] = (int32_t)base;
    const double caution = (double)s->options.caution;
    s->above[o] = (int32_t)floor_div(-reach(caution, positive, negative) - base, 16);
    return SPACC_OK;
}

static void pack(struct spacc_seer8 *s, const int8_t *weights)
{
    const struct seer_shape *y = &s->shape;
    const size_t channels = y->in.channels, block = s->high.count * s->high.padded * 16;
    const size_t row = s->low.count * s->low.padded;

    for (size_t i = 0; i < y->in.outputs * channels * y->taps; i++) {
        const size_t o = i / (channels * y->taps);
        const size_t c = i / y->taps % channels, t = i % y->taps;
        const size_t high = seer_run_at(y, &s->high, s->channels, c, t);
        s->high_weights[o / SPACC_SEER_BLOCK * block +
                        seer_code_at(high, o % SPACC_SEER_BLOCK)] = weights[i];
        s->low_weights[o * row + seer_run_at(y, &s->low, s->channels, c, t)] = weights[i];
    }
}

static enum spacc_status get_memory(struct spacc_seer8 *s)
{
    const struct seer_shape *y = &s->shape;
    const size_t outputs = y->blocks * SPACC_SEER_BLOCK, row = s->width * s->channels;

    if (seer_runs_new(&s->high, &y->in, s->channels, s->channels, row,
                      s->kernel->run_multiple) != SPACC_OK ||
        seer_runs_new(&s->low, &y->in, s->channels, s->channels, row, LOW_RUN) != SPACC_OK)
        return SPACC_ENOMEM;
    const size_t high = seer_round_up(outputs * s->high.count * s->high.padded, SEER_ALIGN);
    const size_t low = seer_round_up(y->in.outputs * s->low.count * s->low.padded, SEER_ALIGN);
    s->high_weights = aligned_alloc(SEER_ALIGN, high);
    s->low_weights = aligned_alloc(SEER_ALIGN, low);
    s->base = calloc(2 * outputs, sizeof(*s->base));
    if (!s->high_weights || !s->low_weights || !s->base)
        return SPACC_ENOMEM;
    memset(s->high_weights, 0, high);
    memset(s->low_weights, 0, low);
    s->above = s->base + outputs;
    for (size_t o = 0; o < outputs; o++)
        s->above[o] = INT32_MAX;
    return SPACC_OK;
}

static void set_sizes(struct spacc_seer8 *s)
{
    const struct spacc_seer_shape *in = &s->shape.in;

    s->channels = seer_round_up(in->channels, 4);
    s->height = in->height + in->pads[0] + in->pads[2];
    s->width = in->width + in->pads[1] + in->pads[3];
    const size_t beyond = s->kernel->pixels * in->stride[1] * s->channels;
    s->plane_bytes = seer_round_up(s->height * s->width * s->channels + beyond +
                                       s->kernel->run_multiple + LOW_RUN,
                                   SEER_ALIGN);
    s->tiles = seer_tiles(&s->shape, s->channels, sizeof(uint8_t));
}

static enum spacc_status fill(struct spacc_seer8 *s, const int8_t *weights, const int32_t *bias,
                              struct spacc_error *err)
{
    const size_t outputs = s->shape.in.outputs;
    const size_t products = s->shape.in.channels * s->shape.taps;
    enum spacc_status status = SPACC_OK;

    set_sizes(s);
    if (get_memory(s) != SPACC_OK)
        return spacc_fail(err, SPACC_ENOMEM, "seernet: no memory for a layer of %zu outputs",
                          outputs);
    for (size_t o = 0; o < outputs && status == SPACC_OK; o++)
        status = set_channel(s, o, weights + o * products, bias ? bias[o] : 0, err);
    pack(s, weights);
    s->steps =
        seer_steps(s->high_weights, s->shape.blocks, s->high.count * s->high.padded / 4, 15);
    return status;
}

enum spacc_status spacc_seer8_new(struct spacc_seer8 **out,
                                  const struct spacc_seer_shape *shape, const int8_t *weights,
                                  const int32_t *bias,
                                  const struct spacc_seer8_options *options,
                                  struct spacc_error *err)
{
    struct seer_shape y;

    *out = NULL;
    enum spacc_status status = seer_shape_check(&y, shape, err);
    if (status != SPACC_OK)
        return status;
    if (!(options->caution >= 0.0F && options->caution <= 1.0F))
        return spacc_fail(err, SPACC_EINVAL, "seernet: caution %g; 0 to 1",
                          (double)options->caution);
    struct spacc_seer8 *s = calloc(1, sizeof(*s));
    if (!s)
        return spacc_fail(err, SPACC_ENOMEM, "seernet: no memory for a layer");
    s->shape = y;
    s->options = *options;
    s->kernel =
        options->kernel ? options->kernel : spacc_seer_kernel_best(options->cpu_features);
    status = fill(s, weights, bias, err);
    if (status == SPACC_OK)
        *out = s;
    else
        spacc_seer8_free(s);
    return status;
}

void spacc_seer8_free(struct spacc_seer8 *s)
{
    if (!s)
        return;
    free(s->high.offset);
    free(s->low.offset);
    free(s->high_weights);
    free(s->low_weights);
    free(s->base);
    free(s);
}

void spacc_seer8_size(const struct spacc_seer8 *s, size_t size[2])
{
    size[0] = s->shape.rows;
    size[1] = s->shape.cols;
}

size_t spacc_seer8_mask_words(const struct spacc_seer8 *s)
{
    return s->shape.pixels * s->shape.words;
}

uint64_t spacc_seer8_finished(const struct spacc_seer8 *s, const uint64_t *mask)
{
    uint64_t count = 0;

    for (size_t i = 0; i < s->shape.pixels * s->shape.words; i++)
        count += (uint64_t)__builtin_popcountll(mask[i]);
    return count;
}

/* --- memory of a run --- */

static size_t part_bytes(const struct spacc_seer8 *s)
{
    const size_t row = (s->shape.cols + s->kernel->pixels) * SPACC_SEER_BLOCK;
    return seer_round_up(s->kernel->blocks * row * sizeof(int32_t) +
                             s->shape.cols * sizeof(uint16_t),
                         SEER_ALIGN);
}

static size_t tile_bytes(const struct spacc_seer8 *s)
{
    return s->tiles.count * s->shape.words * 64 * sizeof(uint64_t);
}

size_t spacc_seer8_scratch_bytes(const struct spacc_seer8 *s, int parts)
{
    return 2 * s->plane_bytes + tile_bytes(s) + (size_t)(parts > 1 ? parts : 1) * part_bytes(s);
}

static struct job job_of(const struct spacc_seer8 *s, const struct spacc_seer8_buffers *b)
{
    uint8_t *base = b->scratch;
    const size_t tile = 2 * s->plane_bytes;

    return (struct job){.s = s,
                        .b = b,
                        .parts = spacc_parallel_parts(b->parallel),
                        .at = {.high = base,
                               .low = base + s->plane_bytes,
                               .tile = (uint64_t *)(void *)(base + tile),
                               .parts = (char *)base + tile + tile_bytes(s),
                               .part_bytes = part_bytes(s)}};
}

static void part_of(const struct job *j, size_t count, int part, size_t span[2])
{
    span[0] = spacc_parallel_first(count, j->parts, part);
    span[1] = spacc_parallel_first(count, j->parts, part + 1);
}

/* --- nibbles --- */

static void clear(const struct job *j, size_t at, size_t bytes)
{
    const int zero = j->s->options.x_zero;

    memset(j->at.high + at, j->whole ? zero : zero >> 4, bytes);
    if (!j->whole)
        memset(j->at.low + at, zero & 15, bytes);
}

static void split_pixels(const struct job *j, const uint8_t *x, size_t at, size_t pixels)
{
    const size_t channels = j->s->shape.in.channels, step = j->s->channels;
    const size_t each = channels == step ? pixels : 1;

    for (size_t p = 0; p < pixels; p += each, at += each * step, x += each * channels) {
        uint8_t *restrict high = j->at.high + at, *restrict low = j->at.low + at;
        if (j->whole) {
            memcpy(high, x, each * channels);
            continue;
        }
        for (size_t i = 0; i < each * channels; i++) {
            high[i] = x[i] >> 4;
            low[i] = x[i] & 15;
        }
    }
}

static void split_rows(void *arg, int part)
{
    const struct job *j = arg;
    const struct spacc_seer_shape *in = &j->s->shape.in;
    const size_t row = j->s->width * j->s->channels, left = in->pads[1] * j->s->channels;
    size_t span[2];

    part_of(j, j->s->height, part, span);
    for (size_t y = span[0]; y < span[1]; y++) {
        clear(j, y * row, row);
        if (y >= in->pads[0] && y < in->pads[0] + in->height)
            split_pixels(j, j->b->x + (y - in->pads[0]) * in->width * in->channels,
                         y * row + left, in->width);
    }
}

/* --- high nibbles --- */

/* From the sums of a block to those of the next one. */
static size_t sums_apart(const struct spacc_seer8 *s)
{
    return (s->shape.cols + s->kernel->pixels) * SPACC_SEER_BLOCK;
}

static void sum_row(const struct job *j, size_t block, size_t blocks, size_t y, int32_t *sums)
{
    const struct spacc_seer8 *s = j->s;
    const size_t at = y * s->shape.in.stride[0] * s->width * s->channels;
    const struct spacc_seer_sums job = {
        .pixel = j->at.high + at,
        .low = j->all && !j->whole ? j->at.low + at : NULL,
        .step = s->shape.in.stride[1] * s->channels,
        .pixels = s->shape.cols,
        .offset = s->high.offset,
        .runs = s->high.count,
        .quads = s->high.padded / 4,
        .weights = s->high_weights + block * s->high.count * s->high.padded * SPACC_SEER_BLOCK,
        .steps = s->steps,
        .sums = sums,
        .blocks = blocks,
        .apart = sums_apart(s)};

    s->kernel->sums(&job);
}

/* `count` channels of a pixel: factor * sum + base, where the sum is above `least`. */
static inline void put_pixel(int32_t *restrict to, const int32_t *restrict sums,
                             const int32_t *restrict least, const int32_t *restrict base,
                             int32_t factor, size_t count)
{
    for (size_t c = 0; c < count; c++) {
        const int32_t keep = -(int32_t)(sums[c] > least[c]); /* no branch: half are wrong */
        to[c] = (factor * sums[c] + base[c]) & keep;
    }
}

/* A block of one row of y. */
static void put_row(const struct job *j, size_t block, size_t y, const int32_t *sums,
                    const int32_t *least, int32_t factor)
{
    const struct seer_shape *shape = &j->s->shape;
    const size_t first = block * SPACC_SEER_BLOCK, outputs = shape->in.outputs;
    const size_t count = seer_min(outputs - first, SPACC_SEER_BLOCK);
    const int32_t *base = j->s->base + first;
    int32_t *to = j->b->y + y * shape->cols * outputs + first;

    for (size_t p = 0; p < shape->cols; p++, to += outputs, sums += SPACC_SEER_BLOCK)
        if (count == SPACC_SEER_BLOCK)
            put_pixel(to, sums, least, base, factor, SPACC_SEER_BLOCK);
        else
            put_pixel(to, sums, least, base, factor, count);
}

static void high_row(const struct job *j, size_t block, size_t y, const int32_t *sums,
                     uint16_t *bits)
{
    const struct spacc_seer8 *s = j->s;
    const int32_t *above = s->above + block * SPACC_SEER_BLOCK;

    s->kernel->compare(sums, s->shape.cols, above, bits);
    seer_put_bits(&s->shape, j->b->mask, y * s->shape.cols, block, bits, s->shape.cols);
    put_row(j, block, y, sums, above, 16);
}

static void dense_row(const struct job *j, size_t block, size_t y, const int32_t *sums)
{
    int32_t least[SPACC_SEER_BLOCK];

    for (size_t c = 0; c < SPACC_SEER_BLOCK; c++)
        least[c] = -j->s->base[block * SPACC_SEER_BLOCK + c];
    put_row(j, block, y, sums, least, 1);
}

static void run_blocks(const struct job *j, size_t block, size_t blocks, size_t y,
                       int32_t *sums)
{
    const size_t apart = sums_apart(j->s);
    uint16_t *bits = (uint16_t *)(sums + j->s->kernel->blocks * apart);

    sum_row(j, block, blocks, y, sums);
    for (size_t i = 0; i < blocks; i++)
        if (j->all)
            dense_row(j, block + i, y, sums + i * apart);
        else
            high_row(j, block + i, y, sums + i * apart, bits);
}

static void high_part(void *arg, int part)
{
    const struct job *j = arg;
    const size_t blocks = j->s->shape.blocks, most = j->s->kernel->blocks;
    int32_t *sums = (int32_t *)(void *)(j->at.parts + (size_t)part * j->at.part_bytes);
    size_t span[2];

    part_of(j, j->s->shape.rows, part, span);
    for (size_t block = 0; block < blocks; block += most)
        for (size_t y = span[0]; y < span[1]; y++)
            run_blocks(j, block, seer_min(most, blocks - block), y, sums);
}

static void run_high(struct job *j)
{
    const size_t image = j->s->height * j->s->width * j->s->channels;

    spacc_parallel_run(j->b->parallel, split_rows, j);
    clear(j, image, j->s->plane_bytes - image);
    spacc_parallel_run(j->b->parallel, high_part, j);
}

void spacc_seer8_high(const struct spacc_seer8 *s, const struct spacc_seer8_buffers *b)
{
    struct job j = job_of(s, b);
    run_high(&j);
}

void spacc_seer8_dense(const struct spacc_seer8 *s, const struct spacc_seer8_buffers *b)
{
    struct job j = job_of(s, b);
    j.all = true;
    j.whole = s->kernel->most_bits == 8;
    run_high(&j);
}

/* --- low nibbles --- */

static void list_part(void *arg, int part)
{
    const struct job *j = arg;
    size_t span[2];

    part_of(j, j->s->tiles.count, part, span);
    seer_list(&j->s->shape, &j->s->tiles, j->b->mask, span, j->at.tile);
}

void spacc_seer8_list(const struct spacc_seer8 *s, const struct spacc_seer8_buffers *b)
{
    struct job j = job_of(s, b);
    spacc_parallel_run(b->parallel, list_part, &j);
}

/* Pixels of a tile: where their windows begin in a plane, and their first value of y. */
struct spots {
    uint32_t at[SPACC_SEER_TILE];
    size_t to[SPACC_SEER_TILE];
};

static void set_spots(const struct spacc_seer8 *s, size_t tile, struct spots *spots)
{
    const size_t top = tile / s->tiles.across * s->tiles.height;
    const size_t left = tile % s->tiles.across * s->tiles.width;

    for (size_t bit = 0; bit < s->tiles.height * s->tiles.width; bit++) {
        const size_t y = top + bit / s->tiles.width, x = left + bit % s->tiles.width;
        const size_t *stride = s->shape.in.stride;
        spots->at[bit] = (uint32_t)((y * stride[0] * s->width + x * stride[1]) * s->channels);
        spots->to[bit] = (y * s->shape.cols + x) * s->shape.in.outputs;
    }
}

static void add_low(const struct job *j, const struct spots *spots, size_t o, uint64_t left)
{
    const struct spacc_seer8 *s = j->s;
    const struct spacc_seer_dot8 dot = {.x = j->at.low,
                                        .w = s->low_weights + o * s->low.count * s->low.padded,
                                        .offset = s->low.offset,
                                        .runs = s->low.count,
                                        .length = s->low.padded};
    uint32_t at[SPACC_SEER_TILE];
    size_t to[SPACC_SEER_TILE], count = 0;
    int32_t sum[SPACC_SEER_TILE];

    for (; left; left &= left - 1, count++) {
        const int bit = __builtin_ctzll(left);
        at[count] = spots->at[bit];
        to[count] = spots->to[bit] + o;
    }
    if (!count)
        return;
    s->kernel->dot8(&dot, at, count, sum);
    for (size_t i = 0; i < count; i++) {
        const int32_t v = j->b->y[to[i]] + sum[i];
        j->b->y[to[i]] = v > 0 ? v : 0;
    }
}

static void low_part(void *arg, int part)
{
    const struct job *j = arg;
    struct spots spots;
    size_t span[2];

    part_of(j, j->s->tiles.count, part, span);
    for (size_t t = span[0]; t < span[1]; t++) {
        const uint64_t *tile = j->at.tile + t * j->s->shape.words * 64;
        set_spots(j->s, t, &spots);
        for (size_t o = 0; o < j->s->shape.in.outputs; o++)
            add_low(j, &spots, o, tile[o]);
    }
}

void spacc_seer8_low(const struct spacc_seer8 *s, const struct spacc_seer8_buffers *b)
{
    struct job j = job_of(s, b);
    spacc_parallel_run(b->parallel, low_part, &j);
}

void spacc_seer8_run(const struct spacc_seer8 *s, const struct spacc_seer8_buffers *b)
{
    spacc_seer8_high(s, b);
    spacc_seer8_list(s, b);
    spacc_seer8_low(s, b);
}
