/* AVX-512: vpdpbusd multiplies codes of 8 bits by fours into 32-bit sums, a whole block of
 * channels a vector; f32 has the 16 lanes of a sum in one register. */
#include "sparse/seernet_avx512.h"

#include "sparse/cpu.h"

enum { PIXELS = 8 };

static inline __attribute__((always_inline)) void group(const struct spacc_seer_sums *job,
                                                        size_t first, int n)
{
    const uint8_t *pixel[PIXELS];
    const int8_t *w = job->weights;
    __m512i acc[PIXELS];

#pragma GCC unroll 8
    for (int p = 0; p < n; p++) {
        pixel[p] = job->pixel + (first + (size_t)p) * job->step;
        acc[p] = _mm512_setzero_si512();
    }
    for (size_t r = 0; r < job->runs; r++) {
        const size_t end = job->offset[r] + 4 * job->quads;
        for (size_t at = job->offset[r]; at < end; at += 4, w += 64) {
            const __m512i w16 = _mm512_loadu_si512(w);
#pragma GCC unroll 8
            for (int p = 0; p < n; p++) {
                int32_t four;
                memcpy(&four, pixel[p] + at, sizeof(four));
                acc[p] = _mm512_dpbusd_epi32(acc[p], _mm512_set1_epi32(four), w16);
            }
        }
    }
#pragma GCC unroll 8
    for (int p = 0; p < n; p++)
        _mm512_storeu_si512(job->sums + (first + (size_t)p) * SPACC_SEER_BLOCK, acc[p]);
}

static void sums(const struct spacc_seer_sums *job)
{
    size_t p = 0;

    for (; p + PIXELS <= job->pixels; p += PIXELS)
        group(job, p, PIXELS);
    switch (job->pixels - p) {
    case 7: group(job, p, 7); break;
    case 6: group(job, p, 6); break;
    case 5: group(job, p, 5); break;
    case 4: group(job, p, 4); break;
    case 3: group(job, p, 3); break;
    case 2: group(job, p, 2); break;
    case 1: group(job, p, 1); break;
    default: break;
    }
}

void seer_avx512_compare(const int32_t *v, size_t pixels, const int32_t *above, uint16_t *bits)
{
    const __m512i limit = _mm512_loadu_si512(above);

    for (size_t p = 0; p < pixels; p++)
        bits[p] = (uint16_t)_mm512_cmpgt_epi32_mask(
            _mm512_loadu_si512(v + p * SPACC_SEER_BLOCK), limit);
}

/* The largest, then who has it first. */
void seer_avx512_window(const int32_t *const *at, size_t count, const int32_t *above,
                        uint16_t *bits)
{
    const __m512i limit = _mm512_loadu_si512(above);
    __m512i best = limit;

    for (size_t i = 0; i < count; i++)
        best = _mm512_max_epi32(best, _mm512_loadu_si512(at[i]));
    unsigned left = _mm512_cmpgt_epi32_mask(best, limit);
    for (size_t i = 0; i < count; i++) {
        const unsigned equal = _mm512_cmpeq_epi32_mask(best, _mm512_loadu_si512(at[i]));
        bits[i] = (uint16_t)(left & equal);
        left &= ~equal;
    }
}

static inline __attribute__((always_inline)) void
dot_group(const struct spacc_seer_dot *d, const uint32_t *at, int n, float *lanes)
{
    const float *x[PIXELS], *w = d->w;
    __m512 acc[PIXELS];

#pragma GCC unroll 8
    for (int p = 0; p < n; p++) {
        x[p] = d->x + at[p];
        acc[p] = _mm512_setzero_ps();
    }
    for (size_t r = 0; r < d->runs; r++, w += d->length) {
        const size_t offset = d->offset[r];
        for (size_t i = 0; i < d->length; i += SPACC_SEER_LANES) {
            const __m512 v = _mm512_loadu_ps(w + i);
#pragma GCC unroll 8
            for (int p = 0; p < n; p++)
                acc[p] = _mm512_fmadd_ps(_mm512_loadu_ps(x[p] + offset + i), v, acc[p]);
        }
    }
#pragma GCC unroll 8
    for (int p = 0; p < n; p++)
        _mm512_storeu_ps(lanes + SPACC_SEER_LANES * p, acc[p]);
}

/* 16 lanes of each pixel to 8, in place. */
static void halve(float *lanes, size_t count)
{
    for (size_t p = 0; p < count; p++) {
        const float *from = lanes + SPACC_SEER_LANES * p;
        _mm256_storeu_ps(lanes + 8 * p,
                         _mm256_add_ps(_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)));
    }
}

/* Eight chains of sums fill both multipliers; the last two groups are as even as can be. */
void seer_avx512_dot(const struct spacc_seer_dot *d, const uint32_t *at, size_t count,
                     float *sum)
{
    _Alignas(64) float all[SPACC_SEER_TILE * SPACC_SEER_LANES];
    float *lanes = all;

    for (size_t rest = count, n; rest > 0; rest -= n) {
        n = rest >= 2 * PIXELS ? PIXELS : rest > PIXELS ? (rest + 1) / 2 : rest;
        switch (n) {
        case 8: dot_group(d, at, 8, lanes); break;
        case 7: dot_group(d, at, 7, lanes); break;
        case 6: dot_group(d, at, 6, lanes); break;
        case 5: dot_group(d, at, 5, lanes); break;
        case 4: dot_group(d, at, 4, lanes); break;
        case 3: dot_group(d, at, 3, lanes); break;
        case 2: dot_group(d, at, 2, lanes); break;
        default: dot_group(d, at, 1, lanes); break;
        }
        at += n;
        lanes += SPACC_SEER_LANES * n;
    }
    halve(all, count);
    seer_trees(all, count, sum);
}

void seer_avx512_dot8(const struct spacc_seer_dot8 *d, const uint32_t *at, size_t count,
                      int32_t *sum)
{
    for (size_t p = 0; p < count; p++) {
        __m512i acc = _mm512_setzero_si512();
        const int8_t *w = d->w;
        for (size_t r = 0; r < d->runs; r++, w += d->length)
            for (size_t i = 0; i < d->length; i += 64)
                acc = _mm512_dpbusd_epi32(acc,
                                          _mm512_loadu_si512(d->x + at[p] + d->offset[r] + i),
                                          _mm512_loadu_si512(w + i));
        sum[p] = seer_sum_lanes(
            _mm256_add_epi32(_mm512_castsi512_si256(acc), _mm512_extracti64x4_epi64(acc, 1)));
    }
}

void seer_avx512_range(const float *x, size_t count, uint32_t range[2])
{
    seer_range(x, count, range);
}

void seer_avx512_quantise(const struct spacc_seer_code *q, const float *x, size_t count,
                          uint8_t *code, uint8_t *low)
{
    seer_quantise(q, x, count, code, low);
}

extern const struct spacc_seer_kernel spacc_seer_vnni;
const struct spacc_seer_kernel spacc_seer_vnni = {.name = "vnni",
                                                  .needs = SPACC_CPU_AVX2 | SPACC_CPU_AVX512 |
                                                           SPACC_CPU_VBMI_VNNI,
                                                  .run_multiple = 4,
                                                  .most_bits = 8,
                                                  .sums = sums,
                                                  .compare = seer_avx512_compare,
                                                  .window = seer_avx512_window,
                                                  .dot = seer_avx512_dot,
                                                  .dot8 = seer_avx512_dot8,
                                                  .range = seer_avx512_range,
                                                  .quantise = seer_avx512_quantise};
