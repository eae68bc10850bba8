/* kernels_avx2.c - float products with AVX2, FMA and F16C: dense, and banks of 8. Eight rows
 * a register; the look-up is vpermps, which reads the lowest three bits of each lane only, so
 * that a weight with its column in the mantissa is its own index. */
#include <immintrin.h>

#include "sparse/kernels_parts.h"

#define INLINE static inline __attribute__((always_inline))

enum { LANES = 8, GROUPS = 8, BLOCK = LANES * GROUPS };

/* Some groups of a block, over its slots, for some vectors. */
struct part {
    const unsigned char *record; /* its first */
    const uint16_t *bank;        /* [slots] */
    size_t slots;
    const float *x; /* prepared vectors, x_step floats apart */
    size_t x_step;
    float *y; /* of the first of these groups; vectors y_step apart */
    size_t y_step;
};

INLINE __m256 column(const float *bank, unsigned size, __m256 weight)
{
    if (size == 1)
        return _mm256_broadcast_ss(bank);
    return _mm256_permutevar8x32_ps(_mm256_load_ps(bank), _mm256_castps_si256(weight));
}

/* Group `g` of a record. */
INLINE __m256 weights(const unsigned char *record, unsigned g, bool half_floats)
{
    if (half_floats)
        return _mm256_cvtph_ps(_mm_load_si128((const __m128i *)(const void *)record + g));
    return _mm256_load_ps((const float *)(const void *)record + g * LANES);
}

INLINE void load_sums(const struct part *p, __m256 *sum, unsigned groups, unsigned vectors)
{
    for (unsigned v = 0; v < vectors; v++)
        for (unsigned g = 0; g < groups; g++)
            sum[v * groups + g] = _mm256_loadu_ps(p->y + v * p->y_step + g * LANES);
}

INLINE void store_sums(const struct part *p, const __m256 *sum, unsigned groups,
                       unsigned vectors)
{
    for (unsigned v = 0; v < vectors; v++)
        for (unsigned g = 0; g < groups; g++)
            _mm256_storeu_ps(p->y + v * p->y_step + g * LANES, sum[v * groups + g]);
}

INLINE void add_part(const struct part *p, unsigned first, unsigned groups, unsigned vectors,
                     unsigned size, bool half_floats)
{
    __m256 sum[GROUPS];
    const unsigned char *record = p->record;

    load_sums(p, sum, groups, vectors);
    for (size_t s = 0; s < p->slots; s++) {
        const float *bank = p->x + p->bank[s] * (size_t)size;
        for (unsigned g = 0; g < groups; g++) {
            const __m256 w = weights(record, first + g, half_floats);
            for (unsigned v = 0; v < vectors; v++)
                sum[v * groups + g] = _mm256_fmadd_ps(w, column(bank + v * p->x_step, size, w),
                                                      sum[v * groups + g]);
        }
        record += BLOCK * (half_floats ? 2 : 4);
    }
    store_sums(p, sum, groups, vectors);
}

/* As many of the vectors that are left as registers allow; returns how many. Eight sums:
 * groups * vectors = 8. */
INLINE size_t add_some(struct part p, size_t vectors, unsigned size, bool half_floats)
{
    if (vectors >= 4) {
        for (unsigned g = 0; g < GROUPS; g += 2, p.y += 2 * LANES)
            add_part(&p, g, 2, 4, size, half_floats);
        return 4;
    }
    if (vectors >= 2) {
        for (unsigned g = 0; g < GROUPS; g += 4, p.y += 4 * LANES)
            add_part(&p, g, 4, 2, size, half_floats);
        return 2;
    }
    add_part(&p, 0, 8, 1, size, half_floats);
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
            p.y = y + v * y_stride + (block - blocks.first) * BLOCK;
            v += add_some(p, vectors - v, size, half_floats);
        }
    }
}

void spacc_product_f32_avx2_1(const struct spacc_tile *m, const void *x, size_t vectors,
                              float *y, size_t y_stride, struct spacc_blocks blocks)
{
    product(m, x, vectors, y, y_stride, blocks, 1, false);
}

void spacc_product_f32_avx2_8(const struct spacc_tile *m, const void *x, size_t vectors,
                              float *y, size_t y_stride, struct spacc_blocks blocks)
{
    product(m, x, vectors, y, y_stride, blocks, 8, false);
}

void spacc_product_f16_avx2_1(const struct spacc_tile *m, const void *x, size_t vectors,
                              float *y, size_t y_stride, struct spacc_blocks blocks)
{
    product(m, x, vectors, y, y_stride, blocks, 1, true);
}
