/* kernels_avx2_int8.c - int8 products with AVX2: vpshufb looks up 32 columns of banks of 16
 * at once, one slot of 32 rows; bytes of four slots are then brought together row by row.
 * |w| times x with w's sign: two products of at most 127 * 127 fit 16 bits. */
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "sparse/kernels_parts.h"

#define INLINE static inline __attribute__((always_inline))

enum { LANES = 32, GROUPS = 2, BLOCK = LANES * GROUPS, SUMS = BLOCK / 8 };

INLINE __m256i load(const void *p)
{
    return _mm256_load_si256((const __m256i *)p);
}

/* sum[row] += four products of that row, 8 rows. */
INLINE __m256i add_products(__m256i sum, __m256i w, __m256i x)
{
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

INLINE __m256i table(const int8_t *x, size_t bank)
{
    return _mm256_broadcastsi128_si256(
        _mm_load_si128((const __m128i *)(const void *)(x + bank * 16)));
}

INLINE __m256i low_nibbles(__m256i bytes)
{
    return _mm256_and_si256(bytes, _mm256_set1_epi8(15));
}

INLINE __m256i high_nibbles(__m256i bytes)
{
    return low_nibbles(_mm256_srli_epi16(bytes, 4));
}

/* One record's part of a group of 32 rows. */
INLINE void sparse_group(const int8_t *w, const unsigned char *columns, const __m256i t[4],
                         __m256i sum[4])
{
    const __m256i c01 = load(columns), c23 = load(columns + 32);
    const __m256i a = _mm256_shuffle_epi8(t[0], low_nibbles(c01));
    const __m256i b = _mm256_shuffle_epi8(t[1], high_nibbles(c01));
    const __m256i c = _mm256_shuffle_epi8(t[2], low_nibbles(c23));
    const __m256i d = _mm256_shuffle_epi8(t[3], high_nibbles(c23));
    const __m256i ab_low = _mm256_unpacklo_epi8(a, b), ab_high = _mm256_unpackhi_epi8(a, b);
    const __m256i cd_low = _mm256_unpacklo_epi8(c, d), cd_high = _mm256_unpackhi_epi8(c, d);

    sum[0] = add_products(sum[0], load(w), _mm256_unpacklo_epi16(ab_low, cd_low));
    sum[1] = add_products(sum[1], load(w + 32), _mm256_unpackhi_epi16(ab_low, cd_low));
    sum[2] = add_products(sum[2], load(w + 64), _mm256_unpacklo_epi16(ab_high, cd_high));
    sum[3] = add_products(sum[3], load(w + 96), _mm256_unpackhi_epi16(ab_high, cd_high));
}

INLINE void sparse_record(const unsigned char *record, const uint16_t *bank, const int8_t *x,
                          __m256i *sum)
{
    const int8_t *w = (const int8_t *)record;
    const unsigned char *columns = record + BLOCK * 4;
    const __m256i t[4] = {table(x, bank[0]), table(x, bank[1]), table(x, bank[2]),
                          table(x, bank[3])};

    sparse_group(w, columns, t, sum);
    sparse_group(w + LANES * 4, columns + LANES * 2, t, sum + 4);
}

INLINE void dense_record(const unsigned char *record, const uint16_t *bank, const int8_t *x,
                         __m256i *sum)
{
    int32_t four;
    memcpy(&four, x + bank[0] * 4, sizeof(four));
    for (int i = 0; i < SUMS; i++)
        sum[i] = add_products(sum[i], load(record + i * 32), _mm256_set1_epi32(four));
}

/* y += sum * (scale of the row * scale of x) */
INLINE void store(const __m256i *sum, const float *scale, float x_scale, float *y)
{
    for (int i = 0; i < SUMS; i++) {
        const __m256 both =
            _mm256_mul_ps(_mm256_loadu_ps(scale + i * 8), _mm256_set1_ps(x_scale));
        const __m256 add = _mm256_mul_ps(_mm256_cvtepi32_ps(sum[i]), both);
        _mm256_storeu_ps(y + i * 8, _mm256_add_ps(_mm256_loadu_ps(y + i * 8), add));
    }
}

INLINE void run_block(const struct spacc_tile *m, size_t block, const unsigned char *x,
                      float *y, bool dense)
{
    const unsigned char *record = spacc_tile_record(m, block);
    const int8_t *q = (const int8_t *)x + SPACC_TILE_X_HEAD;
    __m256i sum[SUMS];
    struct spacc_x_head head;

    memcpy(&head, x, sizeof(head));
    for (int i = 0; i < SUMS; i++)
        sum[i] = _mm256_setzero_si256();
    for (size_t s = m->block_slot[block]; s < m->block_slot[block + 1]; s += 4) {
        if (dense)
            dense_record(record, m->slot_bank + s, q, sum);
        else
            sparse_record(record, m->slot_bank + s, q, sum);
        record += dense ? BLOCK * 4 : BLOCK * 6;
    }
    store(sum, m->scale + block * BLOCK, head.scale, y);
}

INLINE void product(const struct spacc_tile *m, const void *x, size_t vectors, float *y,
                    size_t y_stride, struct spacc_blocks blocks, bool dense)
{
    const size_t x_bytes = spacc_tile_x_bytes(m);

    for (size_t i = 0; i < blocks.last - blocks.first; i++) {
        const size_t block = spacc_block_at(&blocks, i);
        for (size_t v = 0; v < vectors; v++)
            run_block(m, block, (const unsigned char *)x + v * x_bytes,
                      y + v * y_stride + (block - blocks.first) * BLOCK, dense);
    }
}

void spacc_product_i8_avx2_16(const struct spacc_tile *m, const void *x, size_t vectors,
                              float *y, size_t y_stride, struct spacc_blocks blocks)
{
    product(m, x, vectors, y, y_stride, blocks, false);
}

void spacc_product_i8_avx2_dense(const struct spacc_tile *m, const void *x, size_t vectors,
                                 float *y, size_t y_stride, struct spacc_blocks blocks)
{
    product(m, x, vectors, y, y_stride, blocks, true);
}

/* ---- quantising x ------------------------------------------------------------ */

INLINE __m256i magnitudes(const float *x)
{
    return _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(const void *)x),
                            _mm256_set1_epi32(INT32_MAX));
}

/* The largest of eight; bits of magnitudes order as integers do, infinity and NaN last. */
INLINE uint32_t largest_of(__m256i v)
{
    uint32_t each[8], most = 0;
    _mm256_storeu_si256((__m256i *)(void *)each, v);
    for (int i = 0; i < 8; i++)
        most = each[i] > most ? each[i] : most;
    return most;
}

static float largest(const float *x, size_t count)
{
    __m256i most = _mm256_setzero_si256();
    float rest[8] = {0}, value;
    size_t i = 0;

    for (; i + 8 <= count; i += 8)
        most = _mm256_max_epu32(most, magnitudes(x + i));
    memcpy(rest, x + i, (count - i) * sizeof(*x));
    const uint32_t bits = largest_of(_mm256_max_epu32(most, magnitudes(rest)));
    memcpy(&value, &bits, sizeof(value));
    return bits >= 0x7f800000u ? NAN : value;
}

/* Eight integers of 32 bits. */
INLINE __m256i quantised(const float *x, float inverse)
{
    return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), _mm256_set1_ps(inverse)));
}

INLINE void quantise_32(const float *x, float inverse, int8_t *q)
{
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i low = _mm256_packs_epi32(quantised(x, inverse), quantised(x + 8, inverse));
    const __m256i high =
        _mm256_packs_epi32(quantised(x + 16, inverse), quantised(x + 24, inverse));
    const __m256i bytes = _mm256_packs_epi16(low, high);
    _mm256_store_si256((__m256i *)(void *)q, _mm256_permutevar8x32_epi32(bytes, order));
}

void spacc_prepare_i8_avx2(const struct spacc_tile *m, const float *x, void *prepared)
{
    const float most = largest(x, m->cols), inverse = 127.0f / most;
    const struct spacc_x_head head = {most / 127.0f};
    const size_t bytes = spacc_tile_x_bytes(m);
    int8_t *q = (int8_t *)prepared + SPACC_TILE_X_HEAD;
    float rest[32] = {0};
    size_t i = 0;

    memcpy(prepared, &head, sizeof(head));
    for (; most >= 0x1p-120f && i + 32 <= m->cols; i += 32)
        quantise_32(x + i, inverse, q + i);
    memset(q + i, 0, bytes - SPACC_TILE_X_HEAD - i);
    if (most >= 0x1p-120f) {
        memcpy(rest, x + i, (m->cols - i) * sizeof(*x));
        if (i < m->cols)
            quantise_32(rest, inverse, q + i);
    }
}
