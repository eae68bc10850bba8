/* kernels_avx512_fp16.c - products in half floats with AVX-512 FP16: 32 rows a register,
 * columns of a bank of 32 by vpermw. Sums of eight slots are halves, then added to floats. */
#include <immintrin.h>

#include "sparse/kernels_parts.h"

#define INLINE static inline __attribute__((always_inline))

enum { LANES = 32, GROUPS = 4, FLUSH = 8 };
static const size_t rows_of_block = LANES * GROUPS;

INLINE __m512h as_halves(__m512i v)
{
    return _mm512_castsi512_ph(v);
}

/* Two groups share a 16-bit word: its low and its high byte. */
INLINE __m512i index_of(const unsigned char *record, unsigned g)
{
    const __m512i words = _mm512_load_si512(record + rows_of_block * 2 + g / 2 * 64);
    return g % 2 ? _mm512_srli_epi16(words, 8) : words;
}

/* vpermw reads the lowest five bits of its index. */
INLINE void add_slot(const unsigned char *record, const uint16_t *bank, bool dense,
                     __m512h sum[GROUPS])
{
    const __m512i t =
        dense ? _mm512_set1_epi16((short)*bank) : _mm512_load_si512((const void *)bank);

    for (unsigned g = 0; g < GROUPS; g++) {
        const __m512i w = _mm512_load_si512(record + g * 64);
        const __m512i x = dense ? t : _mm512_permutexvar_epi16(index_of(record, g), t);
        sum[g] = _mm512_fmadd_ph(as_halves(w), as_halves(x), sum[g]);
    }
}

INLINE __m512 low_floats(__m512h v)
{
    return _mm512_cvtph_ps(_mm512_castsi512_si256(_mm512_castph_si512(v)));
}

INLINE __m512 high_floats(__m512h v)
{
    return _mm512_cvtph_ps(_mm512_extracti64x4_epi64(_mm512_castph_si512(v), 1));
}

INLINE void run_block(const struct spacc_tile *m, size_t block, const uint16_t *x, float *y,
                      bool dense)
{
    const unsigned char *record = spacc_tile_record(m, block);
    const size_t step = rows_of_block * (dense ? 2 : 3), size = dense ? 1 : 32;
    const size_t end = m->block_slot[block + 1];
    __m512 sum[2 * GROUPS];

    for (unsigned i = 0; i < 2 * GROUPS; i++)
        sum[i] = _mm512_loadu_ps(y + i * 16);
    for (size_t s = m->block_slot[block]; s < end;) {
        const size_t stop = end - s > FLUSH ? s + FLUSH : end;
        __m512h part[GROUPS];
        for (unsigned g = 0; g < GROUPS; g++)
            part[g] = as_halves(_mm512_setzero_si512());
        for (; s < stop; s++, record += step)
            add_slot(record, x + m->slot_bank[s] * size, dense, part);
        for (unsigned g = 0; g < GROUPS; g++) {
            sum[2 * g] = _mm512_add_ps(sum[2 * g], low_floats(part[g]));
            sum[2 * g + 1] = _mm512_add_ps(sum[2 * g + 1], high_floats(part[g]));
        }
    }
    for (unsigned i = 0; i < 2 * GROUPS; i++)
        _mm512_storeu_ps(y + i * 16, sum[i]);
}

INLINE void product(const struct spacc_tile *m, const void *x, size_t vectors, float *y,
                    size_t y_stride, struct spacc_blocks blocks, bool dense)
{
    const size_t x_step = spacc_tile_x_bytes(m) / sizeof(uint16_t);

    for (size_t i = 0; i < blocks.last - blocks.first; i++) {
        const size_t block = spacc_block_at(&blocks, i);
        for (size_t v = 0; v < vectors; v++)
            run_block(m, block, (const uint16_t *)x + v * x_step,
                      y + v * y_stride + (block - blocks.first) * rows_of_block, dense);
    }
}

void spacc_product_f16_fp16_1(const struct spacc_tile *m, const void *x, size_t vectors,
                              float *y, size_t y_stride, struct spacc_blocks blocks)
{
    product(m, x, vectors, y, y_stride, blocks, true);
}

void spacc_product_f16_fp16_32(const struct spacc_tile *m, const void *x, size_t vectors,
                               float *y, size_t y_stride, struct spacc_blocks blocks)
{
    product(m, x, vectors, y, y_stride, blocks, false);
}

void spacc_prepare_f16_fp16(const struct spacc_tile *m, const float *x, void *prepared)
{
    uint16_t *half = prepared;
    const size_t room = spacc_tile_x_bytes(m) / sizeof(*half);

    for (size_t i = 0; i < room; i += 16) {
        const size_t cols = i < m->cols ? m->cols - i : 0;
        const unsigned left = cols < 16 ? (unsigned)cols : 16;
        const __m512 v = _mm512_maskz_loadu_ps((__mmask16)((1u << left) - 1), left ? x + i : x);
        _mm256_store_si256((__m256i *)(void *)(half + i),
                           _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
    }
}
