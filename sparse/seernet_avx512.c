/* AVX-512: vpdpbusd multiplies codes of 8 bits by fours into 32-bit sums, a whole block of
 * channels a vector; f32 has the 16 lanes of a sum in one register. */
#include "sparse/seernet_avx512.h"

#include "sparse/cpu.h"

enum { PIXELS = 10, BLOCKS = 2, GROUP = 8 };

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

static void split(const uint8_t *codes, size_t width, size_t channels, int most,
                  uint8_t *planes, size_t apart)
{
    seer_split(codes, width, channels, most, planes, apart);
}

/* All of them are even: shifts divide. */
static void join(const int32_t *m, size_t apart, size_t cols, const int32_t *base,
                 int32_t *sums)
{
    const __m512i even = _mm512_loadu_si512(base);
    const __m512i odd = _mm512_loadu_si512(base + SPACC_SEER_BLOCK);

    for (size_t x = 0; x < cols; x += 2, m += SPACC_SEER_BLOCK) {
        const __m512i m1 = _mm512_loadu_si512(m + apart);
        const __m512i m2 = _mm512_loadu_si512(m + 2 * apart);
        const __m512i left = _mm512_add_epi32(_mm512_add_epi32(_mm512_loadu_si512(m), m1),
                                              _mm512_add_epi32(m2, even));
        const __m512i right = _mm512_sub_epi32(_mm512_add_epi32(_mm512_sub_epi32(m1, m2), odd),
                                               _mm512_loadu_si512(m + 3 * apart));
        int32_t *to = sums + x * SPACC_SEER_BLOCK;
        _mm512_storeu_si512(to, _mm512_srai_epi32(left, 1));
        if (x + 1 < cols)
            _mm512_storeu_si512(to + SPACC_SEER_BLOCK, _mm512_srai_epi32(right, 1));
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

/* The next `vectors` vectors of weights on the chains of sums of n pixels. */
static inline __attribute__((always_inline)) void
add_products(const float *x[GROUP], const float *w, int vectors, int n, __m512 sum[GROUP])
{
#pragma GCC unroll 4
    for (int i = 0; i < vectors; i++) {
        const __m512 v = _mm512_load_ps(w + SPACC_SEER_LANES * i);
#pragma GCC unroll 8
        for (int p = 0; p < n; p++)
            sum[p] = _mm512_fmadd_ps(_mm512_loadu_ps(x[p] + SPACC_SEER_LANES * i), v, sum[p]);
    }
#pragma GCC unroll 8
    for (int p = 0; p < n; p++)
        x[p] += SPACC_SEER_LANES * vectors;
}

static inline __attribute__((always_inline)) void dot_group(const struct spacc_seer_dots *job,
                                                            const uint32_t *at, const float *w,
                                                            int n, float *lanes)
{
    const float *x[GROUP];
    __m512 sum[GROUP];

#pragma GCC unroll 8
    for (int p = 0; p < n; p++)
        sum[p] = _mm512_setzero_ps();
    for (size_t r = 0; r < job->runs; r++) {
        const float *end = w + job->length;
#pragma GCC unroll 8
        for (int p = 0; p < n; p++)
            x[p] = job->x + at[p] + job->offset[r];
        for (; w + 4 * SPACC_SEER_LANES <= end; w += 4 * SPACC_SEER_LANES)
            add_products(x, w, 4, n, sum);
        for (; w < end; w += SPACC_SEER_LANES)
            add_products(x, w, 1, n, sum);
    }
#pragma GCC unroll 8
    for (int p = 0; p < n; p++)
        _mm512_store_ps(lanes + SPACC_SEER_LANES * p, sum[p]);
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

static inline void trees_of_16(const float *lanes, float *sum)
{
    const __m512i order =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512 a = fold_pairs(fold_quarters(lanes), fold_quarters(lanes + 64));
    const __m512 b = fold_pairs(fold_quarters(lanes + 128), fold_quarters(lanes + 192));

    _mm512_storeu_ps(sum, _mm512_permutexvar_ps(order, fold_pairs(a, b)));
}

/* Lanes that wait for their tree: 16 outputs and a group behind them. */
struct waiting {
    _Alignas(64) float lanes[(SPACC_SEER_LANES + GROUP) * SPACC_SEER_LANES];
    size_t count;
    float *sum; /* theirs */
};

/* With 16 outputs their sums; what is behind them moves up. */
static inline void finish(struct waiting *w)
{
    trees_of_16(w->lanes, w->sum);
    w->sum += SPACC_SEER_LANES;
    w->count -= SPACC_SEER_LANES;
    for (size_t p = 0; p < w->count; p++)
        _mm512_store_ps(w->lanes + SPACC_SEER_LANES * p,
                        _mm512_load_ps(w->lanes + SPACC_SEER_LANES * (SPACC_SEER_LANES + p)));
}

/* Groups of about equal size: chains of sums enough, and none of few pixels. */
static inline void dot_channel(const struct spacc_seer_dots *job, const uint32_t *at,
                               const float *w, size_t count, struct waiting *wait)
{
    for (size_t groups = (count + GROUP - 1) / GROUP, n; groups > 0; groups--) {
        float *to = wait->lanes + SPACC_SEER_LANES * wait->count;
        n = groups == 1 ? count : (count + groups - 1) / groups;
        switch (n) {
        case 8: dot_group(job, at, w, 8, to); break;
        case 7: dot_group(job, at, w, 7, to); break;
        case 6: dot_group(job, at, w, 6, to); break;
        case 5: dot_group(job, at, w, 5, to); break;
        case 4: dot_group(job, at, w, 4, to); break;
        case 3: dot_group(job, at, w, 3, to); break;
        case 2: dot_group(job, at, w, 2, to); break;
        default: dot_group(job, at, w, 1, to); break;
        }
        at += n;
        count -= n;
        wait->count += n;
        if (wait->count >= SPACC_SEER_LANES)
            finish(wait);
    }
}

void seer_avx512_dots(const struct spacc_seer_dots *job)
{
    struct waiting wait = {.count = 0, .sum = job->sum};
    const uint32_t *at = job->at;
    const float *w = job->w;

    for (size_t c = 0; c < job->channels;
         at += job->count[c], c++, w += job->runs * job->length)
        dot_channel(job, at, w, job->count[c], &wait);
    if (wait.count)
        trees_of_16(wait.lanes, wait.sum);
}

size_t seer_avx512_pick(uint64_t bits, const uint32_t *from, uint32_t *to)
{
    size_t count = 0;

    for (int first = 0; first < SPACC_SEER_TILE; first += 16) {
        const __mmask16 some = (__mmask16)(bits >> first);
        _mm512_storeu_si512(
            to + count, _mm512_maskz_compress_epi32(some, _mm512_loadu_si512(from + first)));
        count += (size_t)__builtin_popcount(some);
    }
    return count;
}

void seer_avx512_spread(uint64_t bits, const float *from, float *to)
{
    for (int first = 0; first < SPACC_SEER_TILE; first += 16) {
        const __mmask16 some = (__mmask16)(bits >> first);
        _mm512_store_ps(to + first, _mm512_maskz_expand_ps(some, _mm512_loadu_ps(from)));
        from += __builtin_popcount(some);
    }
}

/* Four rows as four columns in each quarter: quarter q of to[i] is pixel 4 q + i. */
static inline void transpose_quarters(const float *rows, __m512 to[4])
{
    const __m512 a = _mm512_load_ps(rows), b = _mm512_load_ps(rows + SPACC_SEER_TILE);
    const __m512 c = _mm512_load_ps(rows + 2 * SPACC_SEER_TILE);
    const __m512 d = _mm512_load_ps(rows + 3 * SPACC_SEER_TILE);
    const __m512 ab0 = _mm512_unpacklo_ps(a, b), ab1 = _mm512_unpackhi_ps(a, b);
    const __m512 cd0 = _mm512_unpacklo_ps(c, d), cd1 = _mm512_unpackhi_ps(c, d);

    to[0] = _mm512_shuffle_ps(ab0, cd0, 0x44);
    to[1] = _mm512_shuffle_ps(ab0, cd0, 0xee);
    to[2] = _mm512_shuffle_ps(ab1, cd1, 0x44);
    to[3] = _mm512_shuffle_ps(ab1, cd1, 0xee);
}

/* Quarters q of a, b, c, d side by side, for q = 0 .. 3. */
static inline void gather_quarters(__m512 a, __m512 b, __m512 c, __m512 d, __m512 to[4])
{
    const __m512 ab0 = _mm512_shuffle_f32x4(a, b, 0x44), ab1 = _mm512_shuffle_f32x4(a, b, 0xee);
    const __m512 cd0 = _mm512_shuffle_f32x4(c, d, 0x44), cd1 = _mm512_shuffle_f32x4(c, d, 0xee);

    to[0] = _mm512_shuffle_f32x4(ab0, cd0, 0x88);
    to[1] = _mm512_shuffle_f32x4(ab0, cd0, 0xdd);
    to[2] = _mm512_shuffle_f32x4(ab1, cd1, 0x88);
    to[3] = _mm512_shuffle_f32x4(ab1, cd1, 0xdd);
}

void seer_avx512_turn(uint64_t bits, const float *rows, const uint32_t *to, size_t channels,
                      float *y)
{
    const __mmask16 some = (__mmask16)(0xffff >> (SPACC_SEER_BLOCK - channels));

    for (int first = 0; first < SPACC_SEER_TILE; first += 16) {
        __m512 four[4][4];
        if (!(bits >> first & 0xffff))
            continue;
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            transpose_quarters(rows + 4 * i * SPACC_SEER_TILE + first, four[i]);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            __m512 pixel[4];
            gather_quarters(four[0][i], four[1][i], four[2][i], four[3][i], pixel);
#pragma GCC unroll 4
            for (int q = 0; q < 4; q++)
                if (bits >> (first + 4 * q + i) & 1)
                    _mm512_mask_storeu_ps(y + to[first + 4 * q + i], some, pixel[q]);
        }
    }
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
                                                  .split = split,
                                                  .join = join,
                                                  .compare = seer_avx512_compare,
                                                  .window = seer_avx512_window,
                                                  .dots = seer_avx512_dots,
                                                  .pick = seer_avx512_pick,
                                                  .spread = seer_avx512_spread,
                                                  .turn = seer_avx512_turn,
                                                  .dot8 = seer_avx512_dot8,
                                                  .range = seer_avx512_range,
                                                  .quantise = seer_avx512_quantise};
