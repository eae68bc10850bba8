/* The convolution in f32, of the outputs that the tiles list or of all.
 *
 * Loops: segment of input channels, group of output channels whose weights stay in the
 * second-level cache, tile, channel, its pixels. A tile's x is copied first: pads are then
 * zeros like others, and its values share no cache sets by accident. */
#include "sparse/seernet_parts.h"

#include <math.h>
#include <string.h>

enum { GROUP_BYTES = 256 * 1024 };

struct work {
    const struct spacc_seernet *s;
    const struct spacc_seer_buffers *b;
    struct seer_scratch at;
    int parts;
    bool all; /* dense */
};

/* One tile and the pixels in it. */
struct tile {
    size_t index, top, left, rows, cols;
    uint64_t every;               /* its pixels */
    uint32_t at[SPACC_SEER_TILE]; /* in the patch */
    size_t first;                 /* value of y */
    uint32_t to[SPACC_SEER_TILE]; /* values from there */
};

static void set_tile(const struct spacc_seernet *s, size_t index, struct tile *t)
{
    const struct seer_tiles *tiles = &s->tiles;
    t->index = index;
    t->top = index / tiles->across * tiles->height;
    t->left = index % tiles->across * tiles->width;
    t->rows = seer_min(tiles->height, s->shape.rows - t->top);
    t->cols = seer_min(tiles->width, s->shape.cols - t->left);
}

static void set_pixels(const struct spacc_seernet *s, const struct seer_segment *g,
                       struct tile *t)
{
    const size_t *stride = s->shape.in.stride;

    t->every = 0;
    t->first = (t->top * s->shape.cols + t->left) * s->shape.in.outputs;
    for (size_t p = 0; p < t->rows; p++)
        for (size_t q = 0; q < t->cols; q++) {
            const size_t bit = p * s->tiles.width + q;
            t->every |= (uint64_t)1 << bit;
            t->at[bit] = (uint32_t)(p * stride[0] * g->patch_row + q * stride[1] * g->channels);
            t->to[bit] = (uint32_t)((p * s->shape.cols + q) * s->shape.in.outputs);
        }
}

/* --- the patch --- */

/* Pixels `first` .. `end` - 1 of a row of x, the segment's channels. */
static void copy_row(const struct spacc_seernet *s, const struct seer_segment *g,
                     const float *row, size_t pixels, float *to)
{
    const size_t channels = s->shape.in.channels;

    if (channels == g->channels) {
        memcpy(to, row, pixels * channels * sizeof(*to));
        return;
    }
    for (size_t p = 0; p < pixels; p++)
        memcpy(to + p * g->channels, row + p * channels + g->first, g->channels * sizeof(*to));
}

/* Zeros where the tile's window hangs over the edge, and behind each row's end. */
static void copy_patch(const struct work *w, const struct seer_segment *g, const struct tile *t,
                       float *patch)
{
    const struct spacc_seernet *s = w->s;
    const struct spacc_seer_shape *in = &s->shape.in;
    const size_t top = t->top * in->stride[0], left = t->left * in->stride[1];
    const size_t from = in->pads[1] > left ? seer_min(in->pads[1] - left, s->tiles.patch_width)
                                           : 0; /* first column of the patch that x has */
    const size_t column = left + from - in->pads[1];
    const size_t has = in->width > column ? in->width - column : 0;
    const size_t cols =
        left + from < in->pads[1] ? 0 : seer_min(has, s->tiles.patch_width - from);

    for (size_t i = 0; i < s->tiles.patch_height; i++, patch += g->patch_row) {
        const size_t y = top + i;
        float *to = patch + from * g->channels, *end = patch + g->patch_row;
        if (y < in->pads[0] || y >= in->pads[0] + in->height || cols == 0) {
            memset(patch, 0, g->patch_row * sizeof(*patch));
            continue;
        }
        memset(patch, 0, from * g->channels * sizeof(*patch));
        copy_row(s, g, w->b->x + ((y - in->pads[0]) * in->width + column) * in->channels, cols,
                 to);
        to += cols * g->channels;
        memset(to, 0, (size_t)(end - to) * sizeof(*to));
    }
    memset(patch, 0, g->runs.padded * sizeof(*patch)); /* read behind the last row */
}

/* --- outputs --- */

/* As max(0, v), and min(high, v), but a NaN stays one and no zero has a sign. Without
 * branches: half of them would be guessed wrong. */
static void activate(float *v, size_t count, float high)
{
    for (size_t i = 0; i < count; i++) {
        v[i] = v[i] <= 0.0F ? 0.0F : v[i];
        v[i] = v[i] > high ? high : v[i];
    }
}

/* Sums so far of a tile from channel o on, where there are several segments. */
static float *partial(const struct work *w, const struct tile *t, size_t o)
{
    return w->at.partial + (t->index * w->s->shape.in.outputs + o) * SPACC_SEER_TILE;
}

/* Up to 16 output channels of a tile, those of each channel that are to be computed one behind
 * the other; picks and spreads of 64 may reach beyond the last. */
struct block {
    size_t first, channels, items;
    uint64_t which[SPACC_SEER_BLOCK];
    uint8_t count[SPACC_SEER_BLOCK];
    uint32_t at[(SPACC_SEER_BLOCK + 1) * SPACC_SEER_TILE]; /* in the patch */
    float before[(SPACC_SEER_BLOCK + 1) * SPACC_SEER_TILE];
    float sum[(SPACC_SEER_BLOCK + 1) * SPACC_SEER_TILE];
};

/* Which outputs of channels first .. first + channels - 1, and their biases. */
static void pick(const struct work *w, const struct tile *t, size_t first, size_t channels,
                 struct block *b)
{
    const struct spacc_seernet *s = w->s;
    const uint64_t *tile = w->at.tile + t->index * s->shape.words * 64 + first;

    b->first = first;
    b->channels = channels;
    b->items = 0;
    for (size_t c = 0; c < channels; c++) {
        const float bias = s->channel[first + c].bias;
        b->which[c] = w->all ? t->every : tile[c];
        const size_t count = s->kernel->pick(b->which[c], t->at, b->at + b->items);
        for (size_t i = 0; i < count; i += SPACC_SEER_LANES)
            for (size_t k = 0; k < SPACC_SEER_LANES; k++) /* what is too much is written over */
                b->before[b->items + i + k] = bias;
        b->count[c] = (uint8_t)count;
        b->items += count;
    }
}

static void multiply(const struct work *w, const struct seer_segment *g, const float *patch,
                     struct block *b)
{
    const struct spacc_seer_dots job = {.x = patch,
                                        .w = g->weights +
                                             b->first * g->runs.count * g->runs.padded,
                                        .offset = g->runs.offset,
                                        .runs = g->runs.count,
                                        .length = g->runs.padded,
                                        .channels = b->channels,
                                        .count = b->count,
                                        .at = b->at,
                                        .sum = b->sum};
    w->s->kernel->dots(&job);
}

/* Results by pixel, zeros as well. */
static void put(const struct work *w, const struct tile *t, struct block *b)
{
    const struct spacc_seernet *s = w->s;
    _Alignas(SEER_ALIGN) float rows[SPACC_SEER_BLOCK * SPACC_SEER_TILE];
    const float *from = b->sum;

    activate(b->sum, b->items,
             s->options.after == SPACC_SEER_CLIP ? s->options.high : INFINITY);
    for (size_t c = 0; c < b->channels; from += b->count[c], c++)
        s->kernel->spread(b->which[c], from, rows + c * SPACC_SEER_TILE);
    s->kernel->turn(t->every, rows, t->to, b->channels, w->b->y + t->first + b->first);
}

/* One segment; after the last all results of the tile are written. */
static void run_block(const struct work *w, const struct seer_segment *g, const struct tile *t,
                      size_t first, size_t channels, const float *patch)
{
    const bool is_first = g == w->s->segment;
    const bool is_last = g == w->s->segment + w->s->segments - 1;
    struct block b;

    pick(w, t, first, channels, &b);
    multiply(w, g, patch, &b);
    const float *before = is_first ? b.before : partial(w, t, first);
    for (size_t i = 0; i < b.items; i++)
        b.sum[i] = before[i] + b.sum[i];
    if (is_last)
        put(w, t, &b);
    else
        memcpy(partial(w, t, first), b.sum, b.items * sizeof(*b.sum));
}

/* Channels known to be at `high` of one pixel. */
static void put_high(const struct work *w, size_t pixel, float *y)
{
    const struct seer_shape *shape = &w->s->shape;
    const uint64_t *high = w->b->mask + (shape->pixels + pixel) * shape->words;

    for (size_t i = 0; i < shape->words; i++)
        for (uint64_t left = high[i]; left; left &= left - 1)
            y[i * 64 + (size_t)__builtin_ctzll(left)] = w->s->options.high;
}

static void put_highs(const struct work *w, const struct tile *t)
{
    for (uint64_t left = t->every; left; left &= left - 1) {
        const size_t at = t->first + t->to[__builtin_ctzll(left)];
        put_high(w, at / w->s->shape.in.outputs, w->b->y + at);
    }
}

/* Output channels group[0] .. group[1] - 1 of a segment, tiles[0] .. tiles[1] - 1. */
static void run_group(const struct work *w, const struct seer_segment *g, const size_t group[2],
                      const size_t tiles[2], float *patch)
{
    const struct spacc_seernet *s = w->s;
    const bool ends = group[1] == s->shape.in.outputs &&
                      g == s->segment + s->segments - 1; /* all of y is there */
    struct tile t;

    for (size_t i = tiles[0]; i < tiles[1]; i++) {
        set_tile(s, i, &t);
        set_pixels(s, g, &t);
        copy_patch(w, g, &t, patch);
        for (size_t o = group[0]; o < group[1]; o += SPACC_SEER_BLOCK)
            run_block(w, g, &t, o, seer_min(SPACC_SEER_BLOCK, group[1] - o), patch);
        if (ends && !w->all && s->options.after == SPACC_SEER_CLIP)
            put_highs(w, &t);
    }
}

static void run_part(void *arg, int part)
{
    const struct work *w = arg;
    const struct spacc_seernet *s = w->s;
    const size_t outputs = s->shape.in.outputs, count = s->tiles.count;
    const size_t tiles[2] = {spacc_parallel_first(count, w->parts, part),
                             spacc_parallel_first(count, w->parts, part + 1)};
    float *patch = (float *)(void *)(w->at.parts + (size_t)part * w->at.part_bytes);

    for (const struct seer_segment *g = s->segment; g < s->segment + s->segments; g++) {
        const size_t row = g->runs.count * g->runs.padded * sizeof(float);
        const size_t blocks = GROUP_BYTES / (row * SPACC_SEER_BLOCK);
        const size_t step = (blocks ? blocks : 1) * SPACC_SEER_BLOCK;
        for (size_t o = 0; o < outputs; o += step)
            run_group(w, g, (size_t[2]){o, seer_min(o + step, outputs)}, tiles, patch);
    }
}

static void run(const struct spacc_seernet *s, const struct spacc_seer_buffers *b, bool all)
{
    struct work w = {.s = s, .b = b, .parts = spacc_parallel_parts(b->parallel), .all = all};
    seer_scratch(s, b->scratch, &w.at);
    spacc_parallel_run(b->parallel, run_part, &w);
}

void spacc_seernet_skip(const struct spacc_seernet *s, const struct spacc_seer_buffers *b)
{
    run(s, b, false);
}

void spacc_seernet_dense(const struct spacc_seernet *s, const struct spacc_seer_buffers *b)
{
    run(s, b, true);
}
