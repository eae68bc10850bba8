/* seernet_body.h - loops that compilers make vectors of: the same text, compiled with the
 * flags of each instruction set. */
#ifndef SPACC_SEERNET_BODY_H
#define SPACC_SEERNET_BODY_H

#include <string.h>

#include "sparse/seernet_kernels.h"

static inline void seer_range(const float *x, size_t count, uint32_t range[2])
{
    uint32_t largest = range[0], raw = range[1];

    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof(bits));
        const uint32_t without_sign = bits & 0x7fffffffU;
        raw = raw > bits ? raw : bits;
        largest = largest > without_sign ? largest : without_sign;
    }
    range[0] = largest;
    range[1] = raw;
}

static inline size_t seer_pick(uint64_t bits, const uint32_t *from, uint32_t *to)
{
    size_t count = 0;

    for (; bits; bits &= bits - 1)
        to[count++] = from[__builtin_ctzll(bits)];
    return count;
}

static inline void seer_spread(uint64_t bits, const float *from, float *to)
{
    memset(to, 0, SPACC_SEER_TILE * sizeof(*to));
    for (; bits; bits &= bits - 1)
        to[__builtin_ctzll(bits)] = *from++;
}

static inline void seer_turn(uint64_t bits, const float *rows, const uint32_t *to,
                             size_t channels, float *y)
{
    for (; bits; bits &= bits - 1) {
        const int b = __builtin_ctzll(bits);
        for (size_t c = 0; c < channels; c++)
            y[to[b] + c] = rows[c * SPACC_SEER_TILE + (size_t)b];
    }
}

static inline uint8_t seer_code(const struct spacc_seer_code *q, float x)
{
    float v = x * q->scale + q->zero;
    v = v < q->lowest ? q->lowest : v;
    v = v > q->most ? q->most : v;
    return (uint8_t)(int32_t)v;
}

static inline void seer_split(const uint8_t *restrict codes, size_t width, size_t channels,
                              int most, uint8_t *restrict planes, size_t apart)
{
    const uint8_t off = (uint8_t)most;

    for (size_t p = 0; 2 * p + 2 < width; p++, planes += channels) {
        const uint8_t *d0 = codes + 2 * p * channels, *d1 = d0 + channels, *d2 = d1 + channels;
        const uint8_t *d3 = 2 * p + 3 < width ? d2 + channels : d2;
        for (size_t c = 0; c < channels; c++) {
            planes[c] = (uint8_t)(d0[c] - d2[c] + off);
            planes[apart + c] = (uint8_t)(d1[c] + d2[c]);
            planes[2 * apart + c] = (uint8_t)(d2[c] - d1[c] + off);
            planes[3 * apart + c] = (uint8_t)(d1[c] - d3[c] + off);
        }
    }
}

static inline void seer_join(const int32_t *restrict m, size_t apart, size_t cols,
                             const int32_t *restrict base, int32_t *restrict sums)
{
    for (size_t x = 0; x < cols; x++, sums += SPACC_SEER_BLOCK) {
        const int32_t *at = m + x / 2 * SPACC_SEER_BLOCK;
        for (size_t c = 0; c < SPACC_SEER_BLOCK && x % 2 == 0; c++)
            sums[c] = (at[c] + at[apart + c] + at[2 * apart + c] + base[c]) / 2;
        for (size_t c = 0; c < SPACC_SEER_BLOCK && x % 2 == 1; c++)
            sums[c] = (at[apart + c] - at[2 * apart + c] - at[3 * apart + c] +
                       base[SPACC_SEER_BLOCK + c]) /
                      2;
    }
}

static inline void seer_quantise(const struct spacc_seer_code *q, const float *restrict x,
                                 size_t count, uint8_t *restrict code, uint8_t *restrict low)
{
    const struct spacc_seer_code k = *q;

    if (!low) {
        for (size_t i = 0; i < count; i++)
            code[i] = seer_code(&k, x[i]);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const uint8_t c = seer_code(&k, x[i]);
        code[i] = c >> 4;
        low[i] = c & 15;
    }
}

#endif
