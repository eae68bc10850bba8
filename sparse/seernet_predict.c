/* x to codes, and codes to the mask. */
#include "sparse/seernet_parts.h"

#include <math.h>
#include <string.h>

struct run {
    const struct spacc_seernet *s;
    const struct spacc_seer_buffers *b;
    struct seer_scratch at;
    int parts;
};

static void start(struct run *r, const struct spacc_seernet *s,
                  const struct spacc_seer_buffers *b)
{
    *r = (struct run){.s = s, .b = b, .parts = spacc_parallel_parts(b->parallel)};
    seer_scratch(s, b->scratch, &r->at);
}

static char *memory(const struct run *r, int part)
{
    return r->at.parts + (size_t)part * r->at.part_bytes;
}

static void part_of(const struct run *r, size_t count, int part, size_t span[2])
{
    span[0] = spacc_parallel_first(count, r->parts, part);
    span[1] = spacc_parallel_first(count, r->parts, part + 1);
}

/* --- quantise --- */

static void find_range(void *arg, int part)
{
    const struct run *r = arg;
    const struct spacc_seer_shape *in = &r->s->shape.in;
    uint32_t range[2] = {0, 0};
    size_t span[2];

    part_of(r, in->height * in->width * in->channels, part, span);
    r->s->kernel->range(r->b->x + span[0], span[1] - span[0], range);
    memcpy(memory(r, part), range, sizeof(range));
}

/* range[0]: the largest |x|'s bits; range[1]: above those of -0.0 when some x is negative. */
static void set_scale(const struct spacc_seernet *s, struct seer_state *state,
                      const uint32_t range[2])
{
    const int bits = s->options.bits;
    const bool negative = range[1] > 0x80000000U;
    float largest;

    memcpy(&largest, range, sizeof(largest));
    state->finite = range[0] < 0x7f800000U;
    state->zero = negative ? 1 << (bits - 1) : 0;
    state->most = negative ? (1 << (bits - 1)) - 1 : (1 << bits) - 1;
    state->scale = largest * seer_x_share(&s->options) / (float)state->most;
    if (!state->finite || !isfinite(1.0F / state->scale)) /* all codes are that of zero */
        state->scale = 0.0F;
}

/* Codes to be written, and their low nibbles where they have planes of their own. */
struct codes {
    uint8_t *code, *low;
};

static struct codes behind(struct codes c, size_t bytes)
{
    return (struct codes){c.code + bytes, c.low ? c.low + bytes : NULL};
}

static void clear(const struct run *r, struct codes to, size_t bytes)
{
    const int zero = r->at.state->zero;

    memset(to.code, to.low ? zero >> 4 : zero, bytes);
    if (to.low)
        memset(to.low, zero & 15, bytes);
}

static void quantise_pixels(const struct run *r, const float *x, struct codes to, size_t pixels)
{
    const struct spacc_seernet *s = r->s;
    const struct seer_state *state = r->at.state;
    const size_t channels = s->shape.in.channels, step = s->code_channels;
    const struct spacc_seer_code q = {.scale = 1.0F / state->scale,
                                      .zero = (float)state->zero + 0.5F,
                                      .lowest = (float)(state->zero - state->most),
                                      .most = (float)(state->zero + state->most) + 0.5F};
    const size_t each = channels == step ? pixels : 1;

    for (size_t p = 0; p < pixels; p += each, to = behind(to, each * step))
        s->kernel->quantise(&q, x + p * channels, each * channels, to.code, to.low);
}

/* Row y of codes with its pads; channels that only fill up have weights of zero. */
static void quantise_row(const struct run *r, size_t y, struct codes to)
{
    const struct spacc_seernet *s = r->s;
    const struct spacc_seer_shape *in = &s->shape.in;
    const size_t row = s->code_width * s->code_channels;
    const bool inside = y >= in->pads[0] && y < in->pads[0] + in->height;
    const bool whole = s->code_channels == in->channels;
    const size_t left = in->pads[1] * s->code_channels, width = in->width * s->code_channels;

    if (!inside || r->at.state->scale == 0.0F) {
        clear(r, to, row);
        return;
    }
    clear(r, to, whole ? left : row);
    clear(r, behind(to, left + width), row - left - width);
    quantise_pixels(r, r->b->x + (y - in->pads[0]) * in->width * in->channels, behind(to, left),
                    in->width);
}

static void quantise_rows(void *arg, int part)
{
    const struct run *r = arg;
    const struct spacc_seernet *s = r->s;
    const struct codes image = {r->at.code, r->at.low};
    const struct codes own = {(uint8_t *)memory(r, part), NULL};
    size_t span[2];

    part_of(r, s->code_height, part, span);
    for (size_t y = span[0]; y < span[1]; y++)
        if (s->pairs) {
            quantise_row(r, y, own);
            seer_pairs_split(s, own.code, y, r->at.code);
        } else {
            quantise_row(r, y, behind(image, y * s->code_width * s->code_channels));
        }
}

/* What kernels read behind a plane. */
static void clear_ends(const struct run *r)
{
    const struct spacc_seernet *s = r->s;
    const size_t width = s->pairs ? s->pairs : s->code_width;
    const size_t used = s->code_height * width * s->code_channels;
    const struct codes image = {r->at.code, r->at.low};

    for (size_t at = 0; at < s->code_bytes; at += s->plane_bytes)
        clear(r, behind(image, at + used), s->plane_bytes - used);
}

void spacc_seernet_quantise(const struct spacc_seernet *s, const struct spacc_seer_buffers *b)
{
    uint32_t range[2] = {0, 0};
    struct run r;

    if (s->options.bits == SPACC_SEER_EXACT)
        return;
    start(&r, s, b);
    spacc_parallel_run(b->parallel, find_range, &r);
    for (int part = 0; part < r.parts; part++) {
        uint32_t found[2];
        memcpy(found, memory(&r, part), sizeof(found));
        for (int i = 0; i < 2; i++)
            range[i] = found[i] > range[i] ? found[i] : range[i];
    }
    set_scale(s, r.at.state, range);
    spacc_parallel_run(b->parallel, quantise_rows, &r);
    clear_ends(&r);
}

/* --- predict --- */

/* From the sums of a block to those of the next one. */
static size_t sums_apart(const struct spacc_seernet *s)
{
    return (s->band * s->shape.cols + s->kernel->pixels) * SPACC_SEER_BLOCK;
}

/* Sums of codes of `blocks` blocks at row `y` of the output, each [cols][16]. */
static void sum_row(const struct spacc_seernet *s, const struct seer_scratch *to,
                    const size_t block[2], size_t y, int32_t *sums)
{
    const struct spacc_seer_shape *in = &s->shape.in;
    const struct seer_runs *runs = &s->code_runs;
    const size_t at = y * in->stride[0] * s->code_width * s->code_channels;
    const struct spacc_seer_sums job = {
        .pixel = to->code + at,
        .low = to->low ? to->low + at : NULL,
        .step = in->stride[1] * s->code_channels,
        .pixels = s->shape.cols,
        .offset = runs->offset,
        .runs = runs->count,
        .quads = runs->padded / 4,
        .weights = s->codes + block[0] * runs->count * runs->padded * SPACC_SEER_BLOCK,
        .steps = s->steps,
        .sums = sums,
        .blocks = block[1] - block[0],
        .apart = sums_apart(s)};

    s->kernel->sums(&job);
}

/* Rows rows[0] .. rows[1] - 1, at most a band; each block's are [rows][cols][16]. */
static void sum_rows(const struct run *r, int part, const size_t block[2], const size_t rows[2],
                     int32_t *sums)
{
    const struct spacc_seernet *s = r->s;

    if (s->pairs)
        seer_pairs_sum(s, r->at.code, block, rows,
                       (int32_t *)(void *)(memory(r, part) + r->at.products), sums,
                       sums_apart(s));
    else
        sum_row(s, &r->at, block, rows[0], sums);
}

void seer_put_bits(const struct seer_shape *y, uint64_t *mask, size_t pixel, size_t block,
                   const uint16_t *bits, size_t count)
{
    uint64_t *to = mask + pixel * y->words + block / 4;

    for (size_t p = 0; p < count; p++, to += y->words)
        *to = (block % 4 ? *to : 0) | (uint64_t)bits[p] << block % 4 * SPACC_SEER_BLOCK;
}

/* Bits of a row in a part's memory stand behind its sums. */
static uint16_t *bits_of(const struct run *r, int32_t *sums, size_t rows)
{
    return (uint16_t *)(sums + rows * sums_apart(r->s));
}

static void predict_block(const struct run *r, size_t block, const size_t rows[2],
                          const int32_t *sums, uint16_t *bits)
{
    const struct spacc_seernet *s = r->s;
    const size_t first = rows[0] * s->shape.cols, pixels = rows[1] * s->shape.cols - first;
    uint16_t *high = bits + pixels;

    s->kernel->compare(sums, pixels, r->at.above + block * SPACC_SEER_BLOCK, bits);
    if (s->options.after == SPACC_SEER_CLIP) {
        s->kernel->compare(sums, pixels, r->at.high + block * SPACC_SEER_BLOCK, high);
        for (size_t p = 0; p < pixels; p++) {
            high[p] &= bits[p];
            bits[p] = (uint16_t)(bits[p] ^ high[p]);
        }
        seer_put_bits(&s->shape, r->b->mask + s->shape.pixels * s->shape.words, first, block,
                      high, pixels);
    }
    seer_put_bits(&s->shape, r->b->mask, first, block, bits, pixels);
}

static void predict_band(const struct run *r, int part, const size_t block[2],
                         const size_t rows[2])
{
    int32_t *sums = (int32_t *)(void *)memory(r, part);
    uint16_t *bits = bits_of(r, sums, r->s->kernel->blocks);

    sum_rows(r, part, block, rows, sums);
    for (size_t i = block[0]; i < block[1]; i++)
        predict_block(r, i, rows, sums + (i - block[0]) * sums_apart(r->s), bits);
}

static void predict_rows(void *arg, int part)
{
    const struct run *r = arg;
    const size_t blocks = r->s->shape.blocks, most = r->s->kernel->blocks;
    size_t span[2];

    part_of(r, r->s->shape.rows, part, span);
    for (size_t first = 0; first < blocks; first += most) {
        const size_t block[2] = {first, seer_min(first + most, blocks)};
        for (size_t y = span[0]; y < span[1]; y += r->s->band)
            predict_band(r, part, block, (size_t[2]){y, seer_min(y + r->s->band, span[1])});
    }
}

/* --- predict with a max-pool: rows of sums in a ring as high as the window --- */

struct ring {
    int part;
    size_t rows[2]; /* of y, this part's own */
    size_t block, next;
    int32_t *sums;
    uint16_t *bits;
};

static int32_t *ring_row(const struct run *r, const struct ring *g, size_t y)
{
    return g->sums + y % r->s->options.pool.kernel[0] * sums_apart(r->s);
}

static void mark(const struct run *r, const struct ring *g, size_t y, size_t x, uint16_t bits)
{
    uint64_t *to = r->b->mask + (y * r->s->shape.cols + x) * r->s->shape.words + g->block / 4;

    if (y >= g->rows[0] && y < g->rows[1])
        *to |= (uint64_t)bits << g->block % 4 * SPACC_SEER_BLOCK;
}

static void predict_window(const struct run *r, const struct ring *g, const size_t down[2],
                           const size_t across[2], const int32_t **at)
{
    const size_t width = across[1] - across[0], count = (down[1] - down[0]) * width;

    for (size_t i = 0; i < count; i++)
        at[i] =
            ring_row(r, g, down[0] + i / width) + (across[0] + i % width) * SPACC_SEER_BLOCK;
    r->s->kernel->window(at, count, r->at.above + g->block * SPACC_SEER_BLOCK, g->bits);
    for (size_t i = 0; i < count; i++)
        if (g->bits[i])
            mark(r, g, down[0] + i / width, across[0] + i % width, g->bits[i]);
}

static void predict_windows(const struct run *r, struct ring *g, const int32_t **at)
{
    const struct seer_shape *y = &r->s->shape;
    const struct spacc_seer_pool *pool = &r->s->options.pool;
    size_t size[2], windows[2], down[2], across[2];

    seer_pool_size(y, pool, size);
    seer_pool_windows(y, pool, g->rows, windows);
    for (size_t i = windows[0]; i < windows[1]; i++) {
        seer_pool_span(y, pool, 0, i, down);
        for (g->next = g->next > down[0] ? g->next : down[0]; g->next < down[1]; g->next++)
            sum_rows(r, g->part, (size_t[2]){g->block, g->block + 1},
                     (size_t[2]){g->next, g->next + 1}, ring_row(r, g, g->next));
        for (size_t j = 0; j < size[1]; j++) {
            seer_pool_span(y, pool, 1, j, across);
            predict_window(r, g, down, across, at);
        }
    }
}

static void predict_pooled(void *arg, int part)
{
    const struct run *r = arg;
    const struct spacc_seernet *s = r->s;
    const size_t height = s->options.pool.kernel[0], width = s->options.pool.kernel[1];
    struct ring g = {.part = part, .sums = (int32_t *)memory(r, part)};
    const size_t row = s->shape.cols * s->shape.words;

    part_of(r, s->shape.rows, part, g.rows);
    if (g.rows[0] == g.rows[1])
        return;
    memset(r->b->mask + g.rows[0] * row, 0,
           (g.rows[1] - g.rows[0]) * row * sizeof(*r->b->mask));
    const int32_t **at = (const int32_t **)(void *)bits_of(r, g.sums, height);
    g.bits = (uint16_t *)(void *)(at + height * width);
    for (g.block = 0; g.block < s->shape.blocks; g.block++) {
        g.next = 0;
        predict_windows(r, &g, at);
    }
}

void spacc_seernet_predict(const struct spacc_seernet *s, const struct spacc_seer_buffers *b)
{
    struct run r;

    if (s->options.bits == SPACC_SEER_EXACT) {
        spacc_seernet_dense(s, b);
        spacc_seernet_truth(s, b);
        return;
    }
    start(&r, s, b);
    seer_thresholds(s, r.at.state, r.at.above, r.at.high);
    spacc_parallel_run(b->parallel,
                       s->options.after == SPACC_SEER_POOL ? predict_pooled : predict_rows, &r);
}
