/* kernels_avx512.c - float products with AVX-512 F: sixteen rows a register, columns of a
 * bank of 16 by vpermps and of 32 by vpermi2ps, whose index reads the lowest bits of a lane
 * only: a weight with its column in the mantissa is its own index. */
#include <immintrin.h>

#include "sparse/kernels_parts.h"

#define INLINE static inline __attribute__((always_inline))

enum { LANES = 16, GROUPS = 4 };
static const size_t rows_of_block = LANES * GROUPS;

/* All groups of a block, over its slots, for some vectors. */
struct part {
    const unsigned char *record; /* its first */
    const uint16_t *bank;        /* [slots] */
    size_t slots;
    const float *x; /* prepared vectors, x_step floats apart */
    size_t x_step;
    float *y; /* y_step apart */
    size_t y_step;
};

INLINE __m512 column(const float *bank, unsigned size, __m512i index)
{
    if (size == 1)
        return _mm512_set1_ps(*bank);
    if (size == 16)
        return _mm512_permutexvar_ps(index, _mm512_load_ps(bank));
    return _mm512_permutex2var_ps(_mm512_load_ps(bank), index, _mm512_load_ps(bank + LANES));
}

INLINE __m512 weights(const unsigned char *record, unsigned g, bool half_floats)
{
    if (half_floats)
        return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)(const void *)record + g));
    return _mm512_load_ps((const float *)(const void *)record + g * LANES);
}

/* Half floats have their columns behind them, four groups a 32-bit word. */
INLINE __m512i index_of(const unsigned char *record, unsigned g, __m512 w, bool half_floats)
{
    if (!half_floats)
        return _mm512_castps_si512(w);
    return _mm512_srli_epi32(_mm512_load_si512(record + rows_of_block * 2), 8 * g);
}

INLINE void add_part(const struct part *p, unsigned vectors, unsigned size, bool half_floats)
{
    __m512 sum[4 * GROUPS];
    const unsigned char *record = p->record;
    const size_t step = rows_of_block * (!half_floats ? 4 : size == 1 ? 2 : 3);

    for (unsigned i = 0; i < vectors * GROUPS; i++)
        sum[i] = _mm512_loadu_ps(p->y + i / GROUPS * p->y_step + i % GROUPS * LANES);
    for (size_t s = 0; s < p->slots; s++) {
        const float *bank = p->x + p->bank[s] * (size_t)size;
        for (unsigned g = 0; g < GROUPS; g++) {
            const __m512 w = weights(record, g, half_floats);
            const __m512i index =
                size == 1 ? _mm512_setzero_si512() : index_of(record, g, w, half_floats);
            for (unsigned v = 0; v < vectors; v++)
                sum[v * GROUPS + g] = _mm512_fmadd_ps(
                    w, column(bank + v * p->x_step, size, index), sum[v * GROUPS + g]);
        }
        record += step;
    }
    for (unsigned i = 0; i < vectors * GROUPS; i++)
        _mm512_storeu_ps(p->y + i / GROUPS * p->y_step + i % GROUPS * LANES, sum[i]);
}

/* As many of the vectors that are left as registers allow; returns how many. */
INLINE size_t add_some(const struct part *p, size_t vectors, unsigned size, bool half_floats)
{
    if (vectors >= 4) {
        add_part(p, 4, size, half_floats);
        return 4;
    }
    if (vectors >= 2) {
        add_part(p, 2, size, half_floats);
        return 2;
    }
    add_part(p, 1, size, half_floats);
    return 1;
}

INLINE void product(const struct spacc_tile *m, const void *x, size_t vectors, float *y,
                    size_t y_stride, struct spacc_blocks blocks, unsigned size,
                    bool half_floats)
{
    const size_t x_step = spacc_tile_x_bytes(m) / sizeof(float);

    for (size_t i = 0; i < blocks.last - blocks.first; i++) {
        const size_t block = spacc_block_at(&blocks, i), slot = m->block_slot[block];
        struct part p = {.record = spacc_tile_record(m, block),
                         .bank = m->slot_bank + slot,
                         .slots = m->block_slot[block + 1] - slot,
                         .x_step = x_step,
                         .y_step = y_stride};
        for (size_t v = 0; v < vectors;) {
            p.x = (const float *)x + v * x_step;
            p.y = y + v * y_stride + (block - blocks.first) * rows_of_block;
            v += add_some(&p, vectors - v, size, half_floats);
        }
    }
}

#define PRODUCT(name, size, half_floats)                                                 \
    void spacc_product_##name(const struct spacc_tile *m, const void *x, size_t vectors, \
                              float *y, size_t y_stride, struct spacc_blocks blocks)     \
    {                                                                                    \
        product(m, x, vectors, y, y_stride, blocks, size, half_floats);                  \
    }

PRODUCT(f32_avx512_1, 1, false)
PRODUCT(f32_avx512_16, 16, false)
PRODUCT(f32_avx512_32, 32, false)
PRODUCT(f16_avx512_1, 1, true)
PRODUCT(f16_avx512_32, 32, true)
