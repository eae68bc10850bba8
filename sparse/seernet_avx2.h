/* seernet_avx2.h - what kernels share that have AVX2 or more: sums to mask bits, and lanes to
 * sums. */
#ifndef SPACC_SEERNET_AVX2_H
#define SPACC_SEERNET_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "sparse/seernet_kernels.h"

static inline __m256i seer_load(const int32_t *from)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)from);
}

static inline unsigned seer_signs(__m256i v)
{
    return (unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(v));
}

static inline void seer_avx2_compare(const int32_t *sums, size_t pixels, const int32_t *above,
                                     uint16_t *bits)
{
    const __m256i a0 = seer_load(above), a1 = seer_load(above + 8);

    for (size_t p = 0; p < pixels; p++, sums += SPACC_SEER_BLOCK) {
        const unsigned low = seer_signs(_mm256_cmpgt_epi32(seer_load(sums), a0));
        const unsigned high = seer_signs(_mm256_cmpgt_epi32(seer_load(sums + 8), a1));
        bits[p] = (uint16_t)(low | high << 8);
    }
}

/* 8 channels: the largest, then who has it first. Adds to bits at `shift`. */
static inline void seer_avx2_half(const int32_t *const *at, size_t count, const int32_t *above,
                                  size_t half, uint16_t *bits)
{
    __m256i best = seer_load(above + 8 * half);

    for (size_t i = 0; i < count; i++)
        best = _mm256_max_epi32(best, seer_load(at[i] + 8 * half));
    unsigned left = seer_signs(_mm256_cmpgt_epi32(best, seer_load(above + 8 * half)));
    for (size_t i = 0; i < count && left; i++) {
        const unsigned equal =
            left & seer_signs(_mm256_cmpeq_epi32(best, seer_load(at[i] + 8 * half)));
        bits[i] = (uint16_t)(bits[i] | equal << 8 * half);
        left &= ~equal;
    }
}

static inline void seer_avx2_window(const int32_t *const *at, size_t count,
                                    const int32_t *above, uint16_t *bits)
{
    memset(bits, 0, count * sizeof(*bits));
    seer_avx2_half(at, count, above, 0, bits);
    seer_avx2_half(at, count, above, 1, bits);
}

static inline __m128 seer_fold(const float *lanes)
{
    return _mm_add_ps(_mm_load_ps(lanes), _mm_load_ps(lanes + 4));
}

/* 8 lanes of each pixel to their sums, four pixels at a time. */
static inline void seer_trees(const float *lanes, size_t count, float *sum)
{
    size_t p = 0;

    for (; p + 4 <= count; p += 4, lanes += 32) {
        const __m128 first = _mm_hadd_ps(seer_fold(lanes), seer_fold(lanes + 8));
        const __m128 second = _mm_hadd_ps(seer_fold(lanes + 16), seer_fold(lanes + 24));
        _mm_storeu_ps(sum + p, _mm_hadd_ps(first, second));
    }
    for (; p < count; p++, lanes += 8) {
        const __m128 pairs = _mm_hadd_ps(seer_fold(lanes), seer_fold(lanes));
        _mm_store_ss(sum + p, _mm_hadd_ps(pairs, pairs));
    }
}

static inline int32_t seer_sum_lanes(__m256i v)
{
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1));
    return _mm_cvtsi128_si32(half);
}

#endif
