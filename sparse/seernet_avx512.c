/* AVX-512: vpdpbusd multiplies codes of 8 bits by fours into 32-bit sums, a whole block of
 * channels a vector; f32 has the 16 lanes of a sum in one register. */
#include "sparse/seernet_avx512.h"

#include "sparse/cpu.h"

enum { PIXELS = 10, BLOCKS = 2, GROUP = 8, CHUNK = 12 };

/* n pixels of one or two blocks of channels: every four codes are loaded once for both. */
static inline __attribute__((always_inline)) void group(const struct spacc_seer_sums *job,
                                                        size_t first, int n, int blocks)
{
    const size_t next = job->runs * job->quads * 64; /* weights of a block */
    const uint8_t *pixel[PIXELS];
    const int8_t *w = job->weights;
    __m512i acc[BLOCKS][PIXELS];

#pragma GCC unroll 12
    for (int p = 0; p < n; p++) {
        pixel[p] = job->pixel + (first + (size_t)p) * job->step;
        acc[0][p] = acc[1][p] = _mm512_setzero_si512();
    }
    for (size_t r = 0; r < job->runs; r++) {
        const size_t end = job->offset[r] + 4 * job->quads;
        for (size_t at = job->offset[r]; at < end; at += 4, w += 64) {
            const __m512i w0 = _mm512_loadu_si512(w);
            const __m512i w1 = blocks > 1 ? _mm512_loadu_si512(w + next) : w0;
#pragma GCC unroll 12
            for (int p = 0; p < n; p++) {
                int32_t four;
                memcpy(&four, pixel[p] + at, sizeof(four));
                const __m512i codes = _mm512_set1_epi32(four);
                acc[0][p] = _mm512_dpbusd_epi32(acc[0][p], codes, w0);
                if (blocks > 1)
                    acc[1][p] = _mm512_dpbusd_epi32(acc[1][p], codes, w1);
            }
        }
    }
#pragma GCC unroll 12
    for (int p = 0; p < n; p++) {
        int32_t *to = job->sums + (first + (size_t)p) * SPACC_SEER_BLOCK;
        _mm512_storeu_si512(to, acc[0][p]);
        if (blocks > 1)
            _mm512_storeu_si512(to + job->apart, acc[1][p]);
    }
}

/* Groups of about equal size: none is so small that it waits for its sums. */
static inline __attribute__((always_inline)) void groups(const struct spacc_seer_sums *job,
                                                         int blocks)
{
    const size_t count = (job->pixels + PIXELS - 1) / PIXELS;

    for (size_t i = 0, p = 0, n; i < count; i++, p += n) {
        n = (job->pixels - p + count - i - 1) / (count - i);
        switch (n) {
        case 10: group(job, p, 10, blocks); break;
        case 9: group(job, p, 9, blocks); break;
        case 8: group(job, p, 8, blocks); break;
        case 7: group(job, p, 7, blocks); break;
        case 6: group(job, p, 6, blocks); break;
        case 5: group(job, p, 5, blocks); break;
        case 4: group(job, p, 4, blocks); break;
        case 3: group(job, p, 3, blocks); break;
        case 2: group(job, p, 2, blocks); break;
        default: group(job, p, 1, blocks); break;
        }
    }
}

static void sums(const struct spacc_seer_sums *job)
{
    if (job->blocks == BLOCKS)
        groups(job, BLOCKS);
    else
        groups(job, 1);
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

/* The lanes of `pixels` pixels through n vectors of weights, in turn: so many chains of sums.
 */
static inline __attribute__((always_inline)) void add_products(const float *x,
                                                               const uint32_t *at,
                                                               const __m512 *w, bool first,
                                                               int pixels, int n, float *lanes)
{
    const float *from[GROUP];
    __m512 sum[GROUP];

#pragma GCC unroll 8
    for (int p = 0; p < pixels; p++) {
        from[p] = x + at[p];
        sum[p] = first ? _mm512_setzero_ps() : _mm512_load_ps(lanes + SPACC_SEER_LANES * p);
    }
#pragma GCC unroll 12
    for (int i = 0; i < n; i++)
#pragma GCC unroll 8
        for (int p = 0; p < pixels; p++)
            sum[p] =
                _mm512_fmadd_ps(_mm512_loadu_ps(from[p] + SPACC_SEER_LANES * i), w[i], sum[p]);
#pragma GCC unroll 8
    for (int p = 0; p < pixels; p++)
        _mm512_store_ps(lanes + SPACC_SEER_LANES * p, sum[p]);
}

/* n vectors of weights stay in registers while all pixels pass. */
static inline __attribute__((always_inline)) void add_chunk(const float *x, const float *from,
                                                            const uint32_t *at, size_t count,
                                                            bool first, int n, float *lanes)
{
    __m512 w[CHUNK];
    size_t p = 0;

#pragma GCC unroll 12
    for (int i = 0; i < n; i++)
        w[i] = _mm512_loadu_ps(from + SPACC_SEER_LANES * i);
    for (; p + GROUP <= count; p += GROUP)
        add_products(x, at + p, w, first, GROUP, n, lanes + SPACC_SEER_LANES * p);
    for (; p + 2 <= count; p += 2)
        add_products(x, at + p, w, first, 2, n, lanes + SPACC_SEER_LANES * p);
    if (p < count)
        add_products(x, at + p, w, first, 1, n, lanes + SPACC_SEER_LANES * p);
}

static void add_some(const float *x, const float *w, const uint32_t *at, size_t count,
                     bool first, size_t vectors, float *lanes)
{
    switch (vectors) {
    case 12: add_chunk(x, w, at, count, first, 12, lanes); break;
    case 11: add_chunk(x, w, at, count, first, 11, lanes); break;
    case 10: add_chunk(x, w, at, count, first, 10, lanes); break;
    case 9: add_chunk(x, w, at, count, first, 9, lanes); break;
    case 8: add_chunk(x, w, at, count, first, 8, lanes); break;
    case 7: add_chunk(x, w, at, count, first, 7, lanes); break;
    case 6: add_chunk(x, w, at, count, first, 6, lanes); break;
    case 5: add_chunk(x, w, at, count, first, 5, lanes); break;
    case 4: add_chunk(x, w, at, count, first, 4, lanes); break;
    case 3: add_chunk(x, w, at, count, first, 3, lanes); break;
    case 2: add_chunk(x, w, at, count, first, 2, lanes); break;
    default: add_chunk(x, w, at, count, first, 1, lanes); break;
    }
}

/* Trees over the lanes of 16 pixels: at each step two registers become one. */
static inline __m512 fold_halves(const float *lanes) /* 2 pixels of 16 lanes to 8 */
{
    const __m512 a = _mm512_load_ps(lanes), b = _mm512_load_ps(lanes + SPACC_SEER_LANES);
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
}

static inline __m512 fold_quarters(const float *lanes) /* 4 pixels to 4 lanes */
{
    const __m512 a = fold_halves(lanes), b = fold_halves(lanes + 2 * SPACC_SEER_LANES);
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}

static inline __m512 fold_pairs(__m512 a, __m512 b) /* neighbours */
{
    return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd));
}

static inline void trees(const float *lanes, float *sum)
{
    const __m512i order =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512 a = fold_pairs(fold_quarters(lanes), fold_quarters(lanes + 64));
    const __m512 b = fold_pairs(fold_quarters(lanes + 128), fold_quarters(lanes + 192));

    _mm512_storeu_ps(sum, _mm512_permutexvar_ps(order, fold_pairs(a, b)));
}

void seer_avx512_dot(const struct spacc_seer_dot *d, const uint32_t *at, size_t count,
                     float *sum)
{
    _Alignas(64) float lanes[SPACC_SEER_TILE * SPACC_SEER_LANES];
    const float *w = d->w;
    bool first = true;

    for (size_t r = 0; r < d->runs; r++)
        for (size_t i = 0, n; i < d->length; i += n * SPACC_SEER_LANES, first = false) {
            const size_t left = (d->length - i) / SPACC_SEER_LANES;
            n = left >= 2 * CHUNK ? CHUNK : left > CHUNK ? (left + 1) / 2 : left;
            add_some(d->x + d->offset[r] + i, w, at, count, first, n, lanes);
            w += n * SPACC_SEER_LANES;
        }
    for (size_t p = count; p % 16 != 0; p++) /* what fills up the last tree */
        _mm512_store_ps(lanes + SPACC_SEER_LANES * p, _mm512_setzero_ps());
    for (size_t p = 0; p < count; p += 16)
        trees(lanes + SPACC_SEER_LANES * p, sum + p);
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
                                                  .blocks = BLOCKS,
                                                  .run_multiple = 4,
                                                  .most_bits = 8,
                                                  .sums = sums,
                                                  .compare = seer_avx512_compare,
                                                  .window = seer_avx512_window,
                                                  .dot = seer_avx512_dot,
                                                  .dot8 = seer_avx512_dot8,
                                                  .range = seer_avx512_range,
                                                  .quantise = seer_avx512_quantise};
