/* AVX2 and FMA. Codes are multiplied in pairs by vpmaddubsw, whose 16-bit sums are kept for as
 * many steps as this layer's weights cannot overflow: at least 156 with 4-bit codes (2 * 15 * 7
 * a step), 35 with 5, 8 with 6, and more when weights are not all at their largest. With 7 and
 * 8 bits the high and the low nibble go apart. */
#include "sparse/seernet_avx2.h"

#include "sparse/cpu.h"
#include "sparse/seernet_body.h"

enum { PIXELS = 4 }; /* of a group; times two vectors of 8 channels */

struct pass {
    const uint8_t *pixel;
    size_t steps;   /* without overflow */
    __m256i factor; /* 16 or 1, as 16-bit integers */
    bool add;       /* to sums that are there */
};

/* `quads` steps of four codes each for n pixels and 16 channels, 16-bit sums of pairs. */
static inline __attribute__((always_inline)) void multiply(const uint8_t *const *pixel,
                                                           size_t at, const int8_t *w,
                                                           size_t quads, int n,
                                                           __m256i acc[PIXELS][2])
{
    for (size_t i = 0; i < quads; i++) {
        const __m256i w0 = _mm256_load_si256((const __m256i *)(const void *)(w + 64 * i));
        const __m256i w1 = _mm256_load_si256((const __m256i *)(const void *)(w + 64 * i + 32));
#pragma GCC unroll 4
        for (int p = 0; p < n; p++) {
            int32_t four;
            memcpy(&four, pixel[p] + at + 4 * i, sizeof(four));
            const __m256i x = _mm256_set1_epi32(four);
            acc[p][0] = _mm256_add_epi16(acc[p][0], _mm256_maddubs_epi16(x, w0));
            acc[p][1] = _mm256_add_epi16(acc[p][1], _mm256_maddubs_epi16(x, w1));
        }
    }
}

/* 16-bit sums of pairs to 32-bit sums of fours, times the factor. */
static inline __attribute__((always_inline)) void flush(__m256i acc[PIXELS][2], int n,
                                                        __m256i factor, bool add, int32_t *sums)
{
#pragma GCC unroll 4
    for (int p = 0; p < n; p++)
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
            __m256i *to = (__m256i *)(void *)(sums + p * SPACC_SEER_BLOCK + 8 * h);
            const __m256i sum = _mm256_madd_epi16(acc[p][h], factor);
            _mm256_storeu_si256(to, add ? _mm256_add_epi32(_mm256_loadu_si256(to), sum) : sum);
            acc[p][h] = _mm256_setzero_si256();
        }
}

static inline __attribute__((always_inline)) void
group(const struct spacc_seer_sums *job, const struct pass *pass, size_t first, int n)
{
    const uint8_t *pixel[PIXELS];
    __m256i acc[PIXELS][2];
    const int8_t *w = job->weights;
    int32_t *sums = job->sums + first * SPACC_SEER_BLOCK;
    size_t room = pass->steps;
    bool add = pass->add;

#pragma GCC unroll 4
    for (int p = 0; p < n; p++) {
        pixel[p] = pass->pixel + (first + (size_t)p) * job->step;
        acc[p][0] = acc[p][1] = _mm256_setzero_si256();
    }
    for (size_t r = 0; r < job->runs; r++)
        for (size_t i = 0; i < job->quads;) {
            const size_t count = job->quads - i < room ? job->quads - i : room;
            multiply(pixel, job->offset[r] + 4 * i, w, count, n, acc);
            w += 64 * count;
            i += count;
            room -= count;
            if (room == 0) {
                flush(acc, n, pass->factor, add, sums);
                add = true;
                room = pass->steps;
            }
        }
    flush(acc, n, pass->factor, add, sums);
}

static void run_pass(const struct spacc_seer_sums *job, const uint8_t *pixel, short factor,
                     bool add)
{
    const struct pass pass = {
        .pixel = pixel, .steps = job->steps, .factor = _mm256_set1_epi16(factor), .add = add};
    size_t p = 0;

    for (; p + PIXELS <= job->pixels; p += PIXELS)
        group(job, &pass, p, PIXELS);
    if (job->pixels - p == 3)
        group(job, &pass, p, 3);
    if (job->pixels - p == 2)
        group(job, &pass, p, 2);
    if (job->pixels - p == 1)
        group(job, &pass, p, 1);
}

static void sums(const struct spacc_seer_sums *job)
{
    run_pass(job, job->pixel, job->low ? 16 : 1, false);
    if (job->low)
        run_pass(job, job->low, 1, true);
}

/* --- f32 --- */

enum { GROUP = 7 }; /* pixels; two vectors of sums each, and one or two of weights */

/* Two vectors of sums of n pixels, added: lanes 8 apart. */
static inline __attribute__((always_inline)) void dot_group(const struct spacc_seer_dots *d,
                                                            const uint32_t *at, const float *w,
                                                            int n, float *lanes)
{
    const float *x[GROUP];
    __m256 acc[GROUP][2];

#pragma GCC unroll 7
    for (int p = 0; p < n; p++) {
        x[p] = d->x + at[p];
        acc[p][0] = acc[p][1] = _mm256_setzero_ps();
    }
    for (size_t r = 0; r < d->runs; r++, w += d->length) {
        const size_t offset = d->offset[r];
        for (size_t i = 0; i < d->length; i += SPACC_SEER_LANES)
#pragma GCC unroll 2
            for (int h = 0; h < 2; h++) {
                const __m256 v = _mm256_load_ps(w + i + 8 * h);
#pragma GCC unroll 7
                for (int p = 0; p < n; p++)
                    acc[p][h] = _mm256_fmadd_ps(_mm256_loadu_ps(x[p] + offset + i + 8 * h), v,
                                                acc[p][h]);
            }
    }
#pragma GCC unroll 7
    for (int p = 0; p < n; p++)
        _mm256_store_ps(lanes + 8 * p, _mm256_add_ps(acc[p][0], acc[p][1]));
}

/* The last two groups are as even as they can be: small ones wait for their sums. */
static inline void dot_channel(const struct spacc_seer_dots *d, const uint32_t *at,
                               const float *w, size_t count, float *sum)
{
    _Alignas(32) float all[SPACC_SEER_TILE * 8];
    float *lanes = all;

    for (size_t rest = count, n; rest > 0; rest -= n) {
        n = rest >= 2 * GROUP ? GROUP : rest > GROUP ? (rest + 1) / 2 : rest;
        switch (n) {
        case 7: dot_group(d, at, w, 7, lanes); break;
        case 6: dot_group(d, at, w, 6, lanes); break;
        case 5: dot_group(d, at, w, 5, lanes); break;
        case 4: dot_group(d, at, w, 4, lanes); break;
        case 3: dot_group(d, at, w, 3, lanes); break;
        case 2: dot_group(d, at, w, 2, lanes); break;
        default: dot_group(d, at, w, 1, lanes); break;
        }
        at += n;
        lanes += 8 * n;
    }
    seer_trees(all, count, sum);
}

static void dots(const struct spacc_seer_dots *d)
{
    const uint32_t *at = d->at;
    const float *w = d->w;
    float *sum = d->sum;

    for (size_t c = 0; c < d->channels; c++, w += d->runs * d->length) {
        dot_channel(d, at, w, d->count[c], sum);
        at += d->count[c];
        sum += d->count[c];
    }
}

/* --- channels to pixels --- */

/* 8 pixels of 8 rows to columns. */
static inline void transpose(const float *rows, __m256 *column)
{
    __m256 a[8], b[8];

    for (int i = 0; i < 8; i++)
        a[i] = _mm256_load_ps(rows + SPACC_SEER_TILE * i);
    for (int i = 0; i < 4; i++) {
        b[2 * i] = _mm256_unpacklo_ps(a[2 * i], a[2 * i + 1]);
        b[2 * i + 1] = _mm256_unpackhi_ps(a[2 * i], a[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        a[4 * i] = _mm256_shuffle_ps(b[4 * i], b[4 * i + 2], 0x44);
        a[4 * i + 1] = _mm256_shuffle_ps(b[4 * i], b[4 * i + 2], 0xee);
        a[4 * i + 2] = _mm256_shuffle_ps(b[4 * i + 1], b[4 * i + 3], 0x44);
        a[4 * i + 3] = _mm256_shuffle_ps(b[4 * i + 1], b[4 * i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        column[i] = _mm256_permute2f128_ps(a[i], a[i + 4], 0x20);
        column[i + 4] = _mm256_permute2f128_ps(a[i], a[i + 4], 0x31);
    }
}

static void turn(uint64_t bits, const float *rows, const uint32_t *to, size_t channels,
                 float *y)
{
    if (channels < SPACC_SEER_BLOCK) {
        seer_turn(bits, rows, to, channels, y);
        return;
    }
    for (int first = 0; first < SPACC_SEER_TILE; first += 8) {
        __m256 low[8], high[8];
        if (!(bits >> first & 255))
            continue;
        transpose(rows + first, low);
        transpose(rows + 8 * SPACC_SEER_TILE + first, high);
        for (int i = 0; i < 8; i++)
            if (bits >> (first + i) & 1) {
                _mm256_storeu_ps(y + to[first + i], low[i]);
                _mm256_storeu_ps(y + to[first + i] + 8, high[i]);
            }
    }
}

/* --- int8: low nibbles times weights, 8 steps of 2 * 15 * 127 fit 16 bits --- */

enum { GROUP8 = 6, STEPS8 = 8 };

static inline __attribute__((always_inline)) void
dot8_group(const struct spacc_seer_dot8 *d, const uint32_t *at, int n, int32_t *sum)
{
    const __m256i ones = _mm256_set1_epi16(1);
    const int8_t *w = d->w;
    __m256i acc[GROUP8];

#pragma GCC unroll 6
    for (int p = 0; p < n; p++)
        acc[p] = _mm256_setzero_si256();
    for (size_t r = 0; r < d->runs; r++, w += d->length)
        for (size_t i = 0; i < d->length;) {
            const size_t left = d->length - i, most = 32 * STEPS8;
            const size_t end = i + (left < most ? left : most);
            __m256i part[GROUP8];
#pragma GCC unroll 6
            for (int p = 0; p < n; p++)
                part[p] = _mm256_setzero_si256();
            for (; i < end; i += 32) {
                const __m256i w0 = _mm256_loadu_si256((const __m256i *)(const void *)(w + i));
#pragma GCC unroll 6
                for (int p = 0; p < n; p++) {
                    const uint8_t *from = d->x + at[p] + d->offset[r] + i;
                    const __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)from);
                    part[p] = _mm256_add_epi16(part[p], _mm256_maddubs_epi16(x, w0));
                }
            }
#pragma GCC unroll 6
            for (int p = 0; p < n; p++)
                acc[p] = _mm256_add_epi32(acc[p], _mm256_madd_epi16(part[p], ones));
        }
#pragma GCC unroll 6
    for (int p = 0; p < n; p++)
        sum[p] = seer_sum_lanes(acc[p]);
}

static void dot8(const struct spacc_seer_dot8 *d, const uint32_t *at, size_t count,
                 int32_t *sum)
{
    for (size_t left = (count + GROUP8 - 1) / GROUP8; left > 0; left--) {
        const size_t n = (count + left - 1) / left;
        switch (n) {
        case 6: dot8_group(d, at, 6, sum); break;
        case 5: dot8_group(d, at, 5, sum); break;
        case 4: dot8_group(d, at, 4, sum); break;
        case 3: dot8_group(d, at, 3, sum); break;
        case 2: dot8_group(d, at, 2, sum); break;
        default: dot8_group(d, at, 1, sum); break;
        }
        at += n;
        sum += n;
        count -= n;
    }
}

extern const struct spacc_seer_kernel spacc_seer_avx2;
const struct spacc_seer_kernel spacc_seer_avx2 = {.name = "avx2",
                                                  .needs = SPACC_CPU_AVX2,
                                                  .blocks = 1,
                                                  .run_multiple = 4,
                                                  .most_bits = 6,
                                                  .sums = sums,
                                                  .split = seer_split,
                                                  .join = seer_join,
                                                  .compare = seer_avx2_compare,
                                                  .window = seer_avx2_window,
                                                  .dots = dots,
                                                  .pick = seer_pick,
                                                  .spread = seer_spread,
                                                  .turn = turn,
                                                  .dot8 = dot8,
                                                  .range = seer_range,
                                                  .quantise = seer_quantise};
