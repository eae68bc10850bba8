/* What folding BatchNormalization into the weights is worth: the mask without it. The integer
 * convolution is taken back to numbers, quantised again over the whole tensor, and then scaled
 * and shifted by numbers of n bits. */
#include "sparse/seernet_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* v[i] to the nearest of 2^(n-1) - 1 steps of the largest magnitude. */
static void quantise_again(float *v, size_t count, int most)
{
    float largest = 0.0F;

    for (size_t i = 0; i < count; i++)
        largest = fmaxf(largest, fabsf(v[i]));
    const float step = largest / (float)most;
    for (size_t i = 0; i < count && step > 0.0F; i++)
        v[i] = rintf(v[i] / step) * step;
}

/* The convolution by codes, no bias; [pixels][outputs]. */
static void convolve(const struct spacc_seernet *s, const struct seer_scratch *at, float *v)
{
    const struct seer_shape *y = &s->shape;
    int32_t *sums = (int32_t *)(void *)at->parts;

    for (size_t i = 0; i < y->rows * y->blocks; i++) {
        const size_t block = i / y->rows, row = i % y->rows;
        seer_sum_row(s, at, block, row, sums);
        for (size_t p = 0; p < y->cols * SPACC_SEER_BLOCK; p++) {
            const size_t o = block * SPACC_SEER_BLOCK + p % SPACC_SEER_BLOCK;
            const size_t pixel = row * y->cols + p / SPACC_SEER_BLOCK;
            if (o < y->in.outputs)
                v[pixel * y->in.outputs + o] =
                    at->state->scale * s->channel[o].scale *
                    (float)(sums[p] - at->state->zero * s->channel[o].code_sum);
        }
    }
}

static void mark(const struct spacc_seernet *s, const float *v, const float *norm,
                 uint64_t *mask)
{
    const size_t outputs = s->shape.in.outputs;

    memset(mask, 0, s->shape.pixels * s->shape.words * sizeof(*mask));
    for (size_t i = 0; i < s->shape.pixels * outputs; i++) {
        const size_t o = i % outputs;
        if (norm[o] * v[i] + norm[outputs + o] > 0.0F)
            mask[i / outputs * s->shape.words + o / SEER_MASK_BITS] |= (uint64_t)1
                                                                       << o % SEER_MASK_BITS;
    }
}

enum spacc_status spacc_seernet_predict_unfused(const struct spacc_seernet *s,
                                                const struct spacc_seer_buffers *b,
                                                const float *scale, const float *shift,
                                                struct spacc_error *err)
{
    const size_t outputs = s->shape.in.outputs, count = s->shape.pixels * outputs;
    struct seer_scratch at;

    if (s->options.bits == SPACC_SEER_EXACT || s->options.after != SPACC_SEER_RELU)
        return spacc_fail(err, SPACC_EINVAL, "seernet: unfused needs bits and ReLU alone");
    const int most = (1 << (s->options.bits - 1)) - 1;
    float *v = malloc((count + 2 * outputs) * sizeof(*v));
    if (!v)
        return spacc_fail(err, SPACC_ENOMEM, "seernet: no memory for %zu sums", count);
    float *norm = v + count;
    memcpy(norm, scale, outputs * sizeof(*norm));
    memcpy(norm + outputs, shift, outputs * sizeof(*norm));
    quantise_again(norm, outputs, most);
    quantise_again(norm + outputs, outputs, most);
    spacc_seernet_quantise(s, b);
    seer_scratch(s, b->scratch, &at);
    convolve(s, &at, v);
    quantise_again(v, count, most);
    mark(s, v, norm, b->mask);
    free(v);
    return SPACC_OK;
}
