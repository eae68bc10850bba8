/* Masks: as tiles for the sparse convolution, from a full y, and compared. */
#include "sparse/seernet_parts.h"

#include <string.h>

struct job {
    const struct spacc_seernet *s;
    const struct spacc_seer_buffers *b;
    struct seer_scratch at;
    int parts;
};

static struct job job_of(const struct spacc_seernet *s, const struct spacc_seer_buffers *b)
{
    struct job j = {.s = s, .b = b, .parts = spacc_parallel_parts(b->parallel)};
    seer_scratch(s, b->scratch, &j.at);
    return j;
}

/* --- tiles --- */

/* Bit p of a[c] becomes bit c of a[p]: halves, quarters ... change places. */
static void transpose(uint64_t a[64])
{
    uint64_t mask = 0x00000000ffffffffU;

    for (unsigned j = 32; j; j >>= 1, mask ^= mask << j)
        for (unsigned k = 0; k < 64; k = (k + j + 1) & ~j) {
            const uint64_t swap = (a[k] >> j ^ a[k + j]) & mask;
            a[k] ^= swap << j;
            a[k + j] ^= swap;
        }
}

/* Tile `tile` of y: its pixels row by row, and their word `w` of the mask; then by channel. */
static void list_tile(const struct seer_shape *y, const struct seer_tiles *t,
                      const uint64_t *mask, size_t tile, size_t w, uint64_t *to)
{
    const size_t top = tile / t->across * t->height, left = tile % t->across * t->width;
    const size_t rows = seer_min(t->height, y->rows - top);
    const size_t cols = seer_min(t->width, y->cols - left);

    memset(to, 0, 64 * sizeof(*to));
    for (size_t p = 0; p < rows; p++)
        for (size_t q = 0; q < cols; q++)
            to[p * t->width + q] = mask[((top + p) * y->cols + left + q) * y->words + w];
    transpose(to);
}

void seer_list(const struct seer_shape *y, const struct seer_tiles *t, const uint64_t *mask,
               const size_t tiles[2], uint64_t *to)
{
    for (size_t i = tiles[0] * y->words; i < tiles[1] * y->words; i++)
        list_tile(y, t, mask, i / y->words, i % y->words, to + i * 64);
}

static void list_part(void *arg, int part)
{
    const struct job *j = arg;
    const size_t count = j->s->tiles.count;
    const size_t tiles[2] = {spacc_parallel_first(count, j->parts, part),
                             spacc_parallel_first(count, j->parts, part + 1)};

    seer_list(&j->s->shape, &j->s->tiles, j->b->mask, tiles, j->at.tile);
}

void spacc_seernet_list(const struct spacc_seernet *s, const struct spacc_seer_buffers *b)
{
    struct job j = job_of(s, b);
    spacc_parallel_run(b->parallel, list_part, &j);
}

/* --- the truth --- */

static void set_bit(const struct spacc_seernet *s, uint64_t *mask, size_t pixel, size_t o)
{
    mask[pixel * s->shape.words + o / 64] |= (uint64_t)1 << o % 64;
}

static void truth_pixel(const struct job *j, size_t pixel)
{
    const struct spacc_seernet *s = j->s;
    const bool clip = s->options.after == SPACC_SEER_CLIP;
    const bool pool = s->options.after == SPACC_SEER_POOL;
    const float *y = j->b->y + pixel * s->shape.in.outputs;

    for (size_t o = 0; o < s->shape.in.outputs; o++)
        if (y[o] != y[o] || (y[o] > 0.0F && !pool && !(clip && y[o] >= s->options.high)))
            set_bit(s, j->b->mask, pixel, o);
        else if (clip && y[o] >= s->options.high)
            set_bit(s, j->b->mask + s->shape.pixels * s->shape.words, pixel, o);
}

/* The first largest above 0 of a window, if its row is within `rows`. */
static void truth_window(const struct job *j, const size_t rows[2], const size_t down[2],
                         const size_t across[2], size_t o)
{
    const struct seer_shape *y = &j->s->shape;
    float largest = 0.0F;
    size_t where = SIZE_MAX;

    for (size_t i = down[0]; i < down[1]; i++)
        for (size_t k = across[0]; k < across[1]; k++) {
            const size_t pixel = i * y->cols + k;
            const float v = j->b->y[pixel * y->in.outputs + o];
            if (v > largest) {
                largest = v;
                where = pixel;
            }
        }
    if (where != SIZE_MAX && where / y->cols >= rows[0] && where / y->cols < rows[1])
        set_bit(j->s, j->b->mask, where, o);
}

static void truth_windows(const struct job *j, const size_t rows[2])
{
    const struct seer_shape *y = &j->s->shape;
    const struct spacc_seer_pool *pool = &j->s->options.pool;
    size_t size[2], windows[2], down[2], across[2];

    seer_pool_size(y, pool, size);
    seer_pool_windows(y, pool, rows, windows);
    for (size_t i = windows[0] * size[1]; i < windows[1] * size[1]; i++) {
        seer_pool_span(y, pool, 0, i / size[1], down);
        seer_pool_span(y, pool, 1, i % size[1], across);
        for (size_t o = 0; o < y->in.outputs; o++)
            truth_window(j, rows, down, across, o);
    }
}

static void truth_part(void *arg, int part)
{
    const struct job *j = arg;
    const struct seer_shape *y = &j->s->shape;
    const size_t rows[2] = {spacc_parallel_first(y->rows, j->parts, part),
                            spacc_parallel_first(y->rows, j->parts, part + 1)};
    const size_t first = rows[0] * y->cols, end = rows[1] * y->cols;
    const size_t bytes = (end - first) * y->words * sizeof(uint64_t);

    memset(j->b->mask + first * y->words, 0, bytes);
    if (j->s->options.after == SPACC_SEER_CLIP)
        memset(j->b->mask + (y->pixels + first) * y->words, 0, bytes);
    for (size_t pixel = first; pixel < end; pixel++)
        truth_pixel(j, pixel);
    if (j->s->options.after == SPACC_SEER_POOL && first < end)
        truth_windows(j, rows);
}

void spacc_seernet_truth(const struct spacc_seernet *s, const struct spacc_seer_buffers *b)
{
    struct job j = job_of(s, b);
    spacc_parallel_run(b->parallel, truth_part, &j);
}

/* --- counts --- */

static uint64_t ones(uint64_t v)
{
    return (uint64_t)__builtin_popcountll(v);
}

uint64_t spacc_seernet_computed(const struct spacc_seernet *s, const uint64_t *mask)
{
    uint64_t count = 0;

    for (size_t i = 0; i < s->shape.pixels * s->shape.words; i++)
        count += ones(mask[i]);
    return count;
}

void spacc_seernet_count(const struct spacc_seernet *s, const uint64_t *mask,
                         const uint64_t *truth, struct spacc_seer_counts *counts)
{
    const size_t words = s->shape.pixels * s->shape.words;
    uint64_t unlike = 0;

    *counts = (struct spacc_seer_counts){.outputs = s->shape.pixels * s->shape.in.outputs};
    for (size_t i = 0; i < words; i++) {
        counts->needed += ones(truth[i]);
        counts->computed += ones(mask[i]);
        counts->both += ones(truth[i] & mask[i]);
        unlike += ones(truth[i] ^ mask[i]);
        if (s->options.after == SPACC_SEER_CLIP)
            counts->high_claimed += ones(mask[words + i]);
    }
    counts->equal = counts->outputs - unlike;
}
