/* Predictions two columns at a time: Winograd's minimal filter F(2, 3) (Winograd, Arithmetic
 * Complexity of Computations, 1980; Lavin and Gray, CVPR 2016) along the rows of codes. A
 * kernel row g0 g1 g2 at columns d0 .. d3 gives two outputs by 4 products instead of 6:
 *
 *   V = d0 - d2, d1 + d2, d2 - d1, d1 - d3
 *   U = 2 g0, g0 + g1 + g2, g0 - g1 + g2, 2 g2       off line; doubled, so that all are
 * integers 2 y0 = U0 V0 + U1 V1 + U2 V2,   2 y1 = U1 V1 - U2 V2 - U3 V3
 *
 * Nothing is rounded: sums, and so masks, are those of the definition. Each V has a plane of
 * its own, as an unsigned byte: differences are kept with the largest code added, and what that
 * adds to the doubled sums is taken off in the end. */
#include "sparse/seernet_parts.h"

#include <stdlib.h>

/* Products of a band of rows stay in the first-level cache: 4 for each of so many pairs, twice
 * 16 channels. */
enum { BAND_PAIRS = 40 };

static int most_code(const struct spacc_seernet *s)
{
    return (1 << s->options.bits) - 1;
}

bool seer_pairs_suit(const struct spacc_seernet *s)
{
    const struct spacc_seer_shape *in = &s->shape.in;

    return s->kernel->join && in->kernel[1] == 3 && in->stride[1] == 1 &&
           in->dilation[1] == 1 && s->shape.cols > 1 && 2 * most_code(s) <= UINT8_MAX &&
           3 * seer_weight_most(&s->options) <= INT8_MAX;
}

enum spacc_status seer_pairs_new(struct spacc_seernet *s)
{
    const bool pool = s->options.after == SPACC_SEER_POOL;
    struct spacc_seer_shape column = s->shape.in;

    s->pairs = (s->shape.cols + 1) / 2;
    if (column.stride[0] == 1 && !pool && s->pairs < BAND_PAIRS)
        s->band = BAND_PAIRS / s->pairs; /* rows of a plane follow each other */
    column.kernel[1] = 1;
    s->pair_base = calloc(s->shape.blocks * 2 * SPACC_SEER_BLOCK, sizeof(*s->pair_base));
    return s->pair_base
               ? seer_runs_new(&s->code_runs, &column, s->code_channels, s->code_channels,
                               s->pairs * s->code_channels, s->kernel->run_multiple)
               : SPACC_ENOMEM;
}

void seer_pairs_pack(struct spacc_seernet *s, size_t o, const int8_t *q)
{
    const struct seer_runs *runs = &s->code_runs;
    const size_t block = runs->count * runs->padded * SPACC_SEER_BLOCK;
    const size_t plane = s->shape.blocks * block;
    const size_t lane = o % SPACC_SEER_BLOCK;
    int8_t *to = s->codes + o / SPACC_SEER_BLOCK * block;
    int32_t sum[SEER_PAIR_PLANES] = {0};

    for (size_t c = 0; c < s->shape.in.channels; c++)
        for (size_t r = 0; r < runs->count; r++, q += 3) {
            const size_t at = seer_code_at(r * runs->padded + c, lane);
            const int u[SEER_PAIR_PLANES] = {2 * q[0], q[0] + q[1] + q[2], q[0] - q[1] + q[2],
                                             2 * q[2]};
            for (size_t j = 0; j < SEER_PAIR_PLANES; j++) {
                to[j * plane + at] = (int8_t)u[j];
                sum[j] += u[j];
            }
        }
    int32_t *base = s->pair_base + o / SPACC_SEER_BLOCK * 2 * SPACC_SEER_BLOCK + lane;
    base[0] = -most_code(s) * (sum[0] + sum[2]);
    base[SPACC_SEER_BLOCK] = most_code(s) * (sum[2] + sum[3]);
}

void seer_pairs_split(const struct spacc_seernet *s, const uint8_t *row, size_t y,
                      uint8_t *planes)
{
    const size_t at = y * s->pairs * s->code_channels;

    s->kernel->split(row, s->code_width, s->code_channels, most_code(s), planes + at,
                     s->plane_bytes);
}

size_t seer_pairs_values(const struct spacc_seernet *s, size_t blocks)
{
    return SEER_PAIR_PLANES * blocks * s->band * s->pairs * SPACC_SEER_BLOCK;
}

void seer_pairs_sum(const struct spacc_seernet *s, const uint8_t *planes, const size_t block[2],
                    const size_t rows[2], int32_t *products, int32_t *sums, size_t apart)
{
    const struct seer_runs *runs = &s->code_runs;
    const size_t blocks = block[1] - block[0], cols = s->shape.cols;
    const size_t pixels = (rows[1] - rows[0]) * s->pairs;
    const size_t plane = blocks * pixels * SPACC_SEER_BLOCK;
    const size_t row = s->shape.in.stride[0] * s->pairs * s->code_channels;

    for (size_t j = 0; j < SEER_PAIR_PLANES; j++) {
        const size_t weights = j * s->shape.blocks + block[0];
        const struct spacc_seer_sums job = {
            .pixel = planes + j * s->plane_bytes + rows[0] * row,
            .step = s->code_channels,
            .pixels = pixels,
            .offset = runs->offset,
            .runs = runs->count,
            .quads = runs->padded / 4,
            .weights = s->codes + weights * runs->count * runs->padded * SPACC_SEER_BLOCK,
            .steps = s->steps,
            .sums = products + j * plane,
            .blocks = blocks,
            .apart = pixels * SPACC_SEER_BLOCK};
        s->kernel->sums(&job);
    }
    for (size_t i = 0; i < blocks; i++)
        for (size_t y = 0; y < rows[1] - rows[0]; y++)
            s->kernel->join(products + (i * pixels + y * s->pairs) * SPACC_SEER_BLOCK, plane,
                            cols, s->pair_base + (block[0] + i) * 2 * SPACC_SEER_BLOCK,
                            sums + i * apart + y * cols * SPACC_SEER_BLOCK);
}
