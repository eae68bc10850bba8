/* activate.h - sigmoid and tanh with an error of at most 2e-6, as plain arithmetic that
 * compilers turn into vectors: no branches, no tables, no fused multiply-add, so the bits
 * are the same on every machine. */
#ifndef SPACC_ACTIVATE_H
#define SPACC_ACTIVATE_H

#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* e^t, t cut to -80 .. 80; NaN gives NaN. e^t = 2^n e^r with |r| <= ln(2) / 2 and a
 * polynomial for e^r; adding 1.5 * 2^23 rounds n and leaves it in the lowest bits. */
static inline float spacc_exp(float t)
{
    const float round = 12582912.0f;
    t = t > 80.0f ? 80.0f : t;
    t = t < -80.0f ? -80.0f : t;
    const float shifted = t * 1.44269504f + round;
    const float n = shifted - round;
    const float r = (t - n * 0.693359375f) - n * -2.12194440e-4f;
    const float r2 = r * r;
    /* Taylor, in pairs that do not wait for each other; what is left out is below 1.7e-7 of
     * e^r. */
    const float high = (4.1666667e-2f + r * 8.3333333e-3f) + r2 * 1.3888889e-3f;
    const float p = r + r2 * ((0.5f + r * 1.6666667e-1f) + r2 * high);
    uint32_t bits;
    float scale;

    memcpy(&bits, &shifted, sizeof(bits));
    bits = (bits + 127u) << 23;
    memcpy(&scale, &bits, sizeof(scale));
    return scale + scale * p;
}

static inline float spacc_sigmoid(float x)
{
    return 1.0f / (1.0f + spacc_exp(-x));
}

static inline float spacc_tanh(float x)
{
    return 1.0f - 2.0f / (1.0f + spacc_exp(2.0f * x));
}

#ifdef __cplusplus
}
#endif

#endif
