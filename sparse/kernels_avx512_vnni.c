/* kernels_avx512_vnni.c - int8 products with AVX-512 VBMI and VNNI: vpermb looks the columns
 * of four banks of 16 up at once, vpdpbusd adds four products a row. x is 128 above its
 * integer, so that it is unsigned; 128 times the row's sum of weights is taken off again. */
#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "sparse/kernels_parts.h"

#define INLINE static inline __attribute__((always_inline))

enum { LANES = 16, GROUPS = 4, OFFSET = 128 };
static const size_t rows_of_block = LANES * GROUPS;

INLINE __m512i load(const void *p)
{
    return _mm512_load_si512(p);
}

INLINE __m128i bank_of(const uint8_t *x, size_t bank)
{
    return _mm_load_si128((const __m128i *)(const void *)(x + bank * 16));
}

/* The four banks of a record, one after the other. */
INLINE __m512i table(const uint8_t *x, const uint16_t *bank)
{
    __m512i t = _mm512_castsi128_si512(bank_of(x, bank[0]));
    t = _mm512_inserti32x4(t, bank_of(x, bank[1]), 1);
    t = _mm512_inserti32x4(t, bank_of(x, bank[2]), 2);
    return _mm512_inserti32x4(t, bank_of(x, bank[3]), 3);
}

/* Columns of 16 rows and four slots: nibbles, and slot t reads bank t of the table. */
INLINE __m512i columns(const unsigned char *at)
{
    const __m256i both = _mm256_load_si256((const __m256i *)(const void *)at);
    const __m512i wide =
        _mm512_inserti64x4(_mm512_castsi256_si512(both), _mm256_srli_epi16(both, 4), 1);
    return _mm512_or_si512(_mm512_and_si512(wide, _mm512_set1_epi8(15)),
                           _mm512_set1_epi32(0x30201000));
}

INLINE void sparse_record(const unsigned char *record, const uint16_t *bank, const uint8_t *x,
                          __m512i sum[GROUPS])
{
    const __m512i t = table(x, bank);

    for (unsigned g = 0; g < GROUPS; g++) {
        const __m512i c = columns(record + rows_of_block * 4 + g * 32);
        sum[g] =
            _mm512_dpbusd_epi32(sum[g], _mm512_permutexvar_epi8(c, t), load(record + g * 64));
    }
}

INLINE void dense_record(const unsigned char *record, const uint16_t *bank, const uint8_t *x,
                         __m512i sum[GROUPS])
{
    int32_t four;
    memcpy(&four, x + bank[0] * 4, sizeof(four));
    for (unsigned g = 0; g < GROUPS; g++)
        sum[g] = _mm512_dpbusd_epi32(sum[g], _mm512_set1_epi32(four), load(record + g * 64));
}

/* y += (sum - 128 * sum of weights) * (scale of the row * scale of x) */
INLINE void store(const __m512i sum[GROUPS], const float *scale, const int32_t *row_sum,
                  float x_scale, float *y)
{
    for (unsigned g = 0; g < GROUPS; g++) {
        const __m512i offset =
            _mm512_slli_epi32(_mm512_loadu_si512(row_sum + g * LANES), 7); /* 128 = 2^7 */
        const __m512 value = _mm512_cvtepi32_ps(_mm512_sub_epi32(sum[g], offset));
        const __m512 both =
            _mm512_mul_ps(_mm512_loadu_ps(scale + g * LANES), _mm512_set1_ps(x_scale));
        _mm512_storeu_ps(y + g * LANES, _mm512_add_ps(_mm512_loadu_ps(y + g * LANES),
                                                      _mm512_mul_ps(value, both)));
    }
}

INLINE void run_block(const struct spacc_tile *m, size_t block, const unsigned char *x,
                      float *y, bool dense)
{
    const unsigned char *record = spacc_tile_record(m, block);
    const size_t step = rows_of_block * (dense ? 4 : 6), row = block * rows_of_block;
    __m512i sum[GROUPS];
    struct spacc_x_head head;

    memcpy(&head, x, sizeof(head));
    for (unsigned g = 0; g < GROUPS; g++)
        sum[g] = _mm512_setzero_si512();
    for (size_t s = m->block_slot[block]; s < m->block_slot[block + 1]; s += 4) {
        if (dense)
            dense_record(record, m->slot_bank + s, x + SPACC_TILE_X_HEAD, sum);
        else
            sparse_record(record, m->slot_bank + s, x + SPACC_TILE_X_HEAD, sum);
        record += step;
    }
    store(sum, m->scale + row, m->row_sum + row, head.scale, y);
}

INLINE void product(const struct spacc_tile *m, const void *x, size_t vectors, float *y,
                    size_t y_stride, struct spacc_blocks blocks, bool dense)
{
    const size_t x_bytes = spacc_tile_x_bytes(m);

    for (size_t i = 0; i < blocks.last - blocks.first; i++) {
        const size_t block = spacc_block_at(&blocks, i);
        for (size_t v = 0; v < vectors; v++)
            run_block(m, block, (const unsigned char *)x + v * x_bytes,
                      y + v * y_stride + (block - blocks.first) * rows_of_block, dense);
    }
}

void spacc_product_i8_vnni_16(const struct spacc_tile *m, const void *x, size_t vectors,
                              float *y, size_t y_stride, struct spacc_blocks blocks)
{
    product(m, x, vectors, y, y_stride, blocks, false);
}

void spacc_product_i8_vnni_dense(const struct spacc_tile *m, const void *x, size_t vectors,
                                 float *y, size_t y_stride, struct spacc_blocks blocks)
{
    product(m, x, vectors, y, y_stride, blocks, true);
}

/* ---- quantising x ------------------------------------------------------------ */

/* Lanes of the 16 floats at i that are below `count`. */
INLINE __mmask16 inside(size_t i, size_t count)
{
    const unsigned left = count - i < LANES ? (unsigned)(count - i) : LANES;
    return (__mmask16)((1u << left) - 1);
}

/* Bits of magnitudes order as integers do, infinity and NaN last. */
static float largest(const float *x, size_t count)
{
    __m512i most = _mm512_setzero_si512();
    uint32_t each[LANES], bits = 0;
    float value;

    for (size_t i = 0; i < count; i += LANES)
        most = _mm512_max_epu32(
            most, _mm512_and_si512(
                      _mm512_castps_si512(_mm512_maskz_loadu_ps(inside(i, count), x + i)),
                      _mm512_set1_epi32(INT32_MAX)));
    _mm512_storeu_si512(each, most);
    for (int i = 0; i < LANES; i++)
        bits = each[i] > bits ? each[i] : bits;
    memcpy(&value, &bits, sizeof(value));
    return bits >= 0x7f800000u ? NAN : value;
}

void spacc_prepare_u8_vnni(const struct spacc_tile *m, const float *x, void *prepared)
{
    const float most = largest(x, m->cols), inverse = 127.0f / most;
    const struct spacc_x_head head = {most / 127.0f};
    uint8_t *q = (uint8_t *)prepared + SPACC_TILE_X_HEAD;

    memcpy(prepared, &head, sizeof(head));
    memset(q, OFFSET, spacc_tile_x_bytes(m) - SPACC_TILE_X_HEAD);
    for (size_t i = 0; most >= 0x1p-120f && i < m->cols; i += LANES) {
        const __m512 v = _mm512_maskz_loadu_ps(inside(i, m->cols), x + i);
        const __m512i n = _mm512_cvtps_epi32(_mm512_mul_ps(v, _mm512_set1_ps(inverse)));
        const __m512i u = _mm512_add_epi32(n, _mm512_set1_epi32(OFFSET));
        _mm_storeu_si128((__m128i *)(void *)(q + i), _mm512_cvtepi32_epi8(u));
    }
}
