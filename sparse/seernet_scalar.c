/* The definition of seernet_kernels.h in plain C. */
#include "sparse/seernet_body.h"

#include <math.h>

static void sum_pixel(const struct spacc_seer_sums *job, const uint8_t *pixel,
                      const uint8_t *low, int32_t *sums)
{
    const int8_t *w = job->weights;

    for (size_t r = 0; r < job->runs; r++)
        for (size_t i = 0; i < 4 * job->quads; i += 4, w += 4 * SPACC_SEER_BLOCK)
            for (size_t c = 0; c < 4 * SPACC_SEER_BLOCK; c++) {
                const size_t at = job->offset[r] + i + c % 4;
                const int32_t code = low ? 16 * pixel[at] + low[at] : pixel[at];
                sums[c / 4] += code * w[c];
            }
}

static void sums(const struct spacc_seer_sums *job)
{
    memset(job->sums, 0, job->pixels * SPACC_SEER_BLOCK * sizeof(*job->sums));
    for (size_t p = 0; p < job->pixels; p++)
        sum_pixel(job, job->pixel + p * job->step, job->low ? job->low + p * job->step : NULL,
                  job->sums + p * SPACC_SEER_BLOCK);
}

static void compare(const int32_t *v, size_t pixels, const int32_t *above, uint16_t *bits)
{
    for (size_t p = 0; p < pixels; p++, v += SPACC_SEER_BLOCK) {
        unsigned set = 0;
        for (int c = 0; c < SPACC_SEER_BLOCK; c++)
            set |= (unsigned)(v[c] > above[c]) << c;
        bits[p] = (uint16_t)set;
    }
}

static void window(const int32_t *const *at, size_t count, const int32_t *above, uint16_t *bits)
{
    memset(bits, 0, count * sizeof(*bits));
    for (int c = 0; c < SPACC_SEER_BLOCK; c++) {
        size_t best = 0;
        for (size_t i = 1; i < count; i++)
            best = at[i][c] > at[best][c] ? i : best;
        if (count && at[best][c] > above[c])
            bits[best] = (uint16_t)(bits[best] | 1U << c);
    }
}

static float tree(const float lane[SPACC_SEER_LANES])
{
    float half[4];

    for (int l = 0; l < 4; l++)
        half[l] = (lane[l] + lane[l + 8]) + (lane[l + 4] + lane[l + 12]);
    return (half[0] + half[1]) + (half[2] + half[3]);
}

static float dot(const struct spacc_seer_dots *job, const float *x, const float *w)
{
    float lane[SPACC_SEER_LANES] = {0.0F};

    for (size_t r = 0; r < job->runs; r++, w += job->length)
        for (size_t j = 0; j < job->length; j++)
            lane[j % SPACC_SEER_LANES] =
                fmaf(x[job->offset[r] + j], w[j], lane[j % SPACC_SEER_LANES]);
    return tree(lane);
}

static void dots(const struct spacc_seer_dots *job)
{
    const uint32_t *at = job->at;
    const float *w = job->w;
    float *sum = job->sum;

    for (size_t c = 0; c < job->channels; c++, w += job->runs * job->length)
        for (size_t i = 0; i < job->count[c]; i++)
            *sum++ = dot(job, job->x + *at++, w);
}

static void dot8(const struct spacc_seer_dot8 *d, const uint32_t *at, size_t count,
                 int32_t *sum)
{
    for (size_t i = 0; i < count; i++) {
        const int8_t *w = d->w;
        sum[i] = 0;
        for (size_t r = 0; r < d->runs; r++, w += d->length)
            for (size_t j = 0; j < d->length; j++)
                sum[i] += d->x[at[i] + d->offset[r] + j] * w[j];
    }
}

extern const struct spacc_seer_kernel spacc_seer_scalar;
const struct spacc_seer_kernel spacc_seer_scalar = {.name = "scalar",
                                                    .blocks = 1,
                                                    .run_multiple = 4,
                                                    .most_bits = 8,
                                                    .sums = sums,
                                                    .compare = compare,
                                                    .window = window,
                                                    .dots = dots,
                                                    .pick = seer_pick,
                                                    .spread = seer_spread,
                                                    .turn = seer_turn,
                                                    .dot8 = dot8,
                                                    .range = seer_range,
                                                    .quantise = seer_quantise};
