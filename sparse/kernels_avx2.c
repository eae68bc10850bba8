/* kernels_avx2.c - products with AVX2, FMA and F16C. Eight rows a register for floats; the
 * column look-up is vpermps, whose index reads the lowest three bits of each lane only, so
 * that a weight with its column in the mantissa is its own index. */
#include <immintrin.h>
#include <string.h>

#include "sparse/kernels_parts.h"

#define INLINE static inline __attribute__((always_inline))

enum { LANES = 8, GROUPS = 8, BLOCK = LANES * GROUPS, VECTORS_MAX = 4 };

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

/* The weight's column of a bank of 8, 16 or 32: `low` holds its lowest three bits in the
 * lowest place, `bit3` bit 3 in the highest, `bit4` bit 4 in the highest. */
INLINE __m256 look_up(const float *bank, unsigned size, __m256i low, __m256i bit3, __m256i bit4)
{
    const __m256 a = _mm256_permutevar8x32_ps(_mm256_load_ps(bank), low);
    if (size == 8)
        return a;
    const __m256 b = _mm256_permutevar8x32_ps(_mm256_load_ps(bank + 8), low);
    const __m256 ab = _mm256_blendv_ps(a, b, _mm256_castsi256_ps(bit3));
    if (size == 16)
        return ab;
    const __m256 c = _mm256_permutevar8x32_ps(_mm256_load_ps(bank + 16), low);
    const __m256 d = _mm256_permutevar8x32_ps(_mm256_load_ps(bank + 24), low);
    const __m256 cd = _mm256_blendv_ps(c, d, _mm256_castsi256_ps(bit3));
    return _mm256_blendv_ps(ab, cd, _mm256_castsi256_ps(bit4));
}

INLINE __m256 f32_column(const float *bank, unsigned size, __m256 weight)
{
    const __m256i bits = _mm256_castps_si256(weight);
    if (size == 1)
        return _mm256_broadcast_ss(bank);
    return look_up(bank, size, bits, _mm256_slli_epi32(bits, 28), _mm256_slli_epi32(bits, 27));
}

/* words: 4-bit columns of eight groups. */
INLINE __m256 f16_column(const float *bank, unsigned size, __m256i words, unsigned group)
{
    if (size == 1)
        return _mm256_broadcast_ss(bank);
    return look_up(bank, size, _mm256_srli_epi32(words, (int)(4 * group)),
                   _mm256_slli_epi32(words, (int)(28 - 4 * group)), words);
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

INLINE void f32_part(const struct part *p, unsigned first, unsigned groups, unsigned vectors,
                     unsigned size)
{
    __m256 sum[GROUPS];
    const float *record = (const float *)(const void *)p->record + first * LANES;

    load_sums(p, sum, groups, vectors);
    for (size_t s = 0; s < p->slots; s++) {
        const float *bank = p->x + p->bank[s] * (size_t)size;
        for (unsigned g = 0; g < groups; g++) {
            const __m256 w = _mm256_load_ps(record + g * LANES);
            for (unsigned v = 0; v < vectors; v++)
                sum[v * groups + g] = _mm256_fmadd_ps(
                    w, f32_column(bank + v * p->x_step, size, w), sum[v * groups + g]);
        }
        record += BLOCK;
    }
    store_sums(p, sum, groups, vectors);
}

INLINE void f16_part(const struct part *p, unsigned first, unsigned groups, unsigned vectors,
                     unsigned size)
{
    __m256 sum[GROUPS];
    const unsigned char *record = p->record;
    const size_t values = BLOCK * sizeof(uint16_t), step = values + (size > 1 ? BLOCK / 2 : 0);

    load_sums(p, sum, groups, vectors);
    for (size_t s = 0; s < p->slots; s++) {
        const float *bank = p->x + p->bank[s] * (size_t)size;
        const __m128i *half = (const __m128i *)(const void *)record + first;
        __m256i words = _mm256_setzero_si256();
        if (size > 1)
            words = _mm256_load_si256((const __m256i *)(const void *)(record + values));
        for (unsigned g = 0; g < groups; g++) {
            const __m256 w = _mm256_cvtph_ps(_mm_load_si128(half + g));
            for (unsigned v = 0; v < vectors; v++)
                sum[v * groups + g] =
                    _mm256_fmadd_ps(w, f16_column(bank + v * p->x_step, size, words, first + g),
                                    sum[v * groups + g]);
        }
        record += step;
    }
    store_sums(p, sum, groups, vectors);
}

/* Part `i` of a block; eight sums fill the registers: groups * vectors = 8. */
#define PARTS(f, size)                                                    \
    static void f##_##size##_v1(const struct part *p)                     \
    {                                                                     \
        f(p, 0, 8, 1, size);                                              \
    }                                                                     \
    static void f##_##size##_v2(struct part p)                            \
    {                                                                     \
        f(&p, 0, 4, 2, size);                                             \
        p.y += 4 * LANES;                                                 \
        f(&p, 4, 4, 2, size);                                             \
    }                                                                     \
    static void f##_##size##_v4(struct part p)                            \
    {                                                                     \
        f(&p, 0, 2, 4, size);                                             \
        p.y += 2 * LANES;                                                 \
        f(&p, 2, 2, 4, size);                                             \
        p.y += 2 * LANES;                                                 \
        f(&p, 4, 2, 4, size);                                             \
        p.y += 2 * LANES;                                                 \
        f(&p, 6, 2, 4, size);                                             \
    }                                                                     \
    static size_t f##_##size##_some(const struct part *p, size_t vectors) \
    {                                                                     \
        if (vectors >= 4) {                                               \
            f##_##size##_v4(*p);                                          \
            return 4;                                                     \
        }                                                                 \
        if (vectors >= 2) {                                               \
            f##_##size##_v2(*p);                                          \
            return 2;                                                     \
        }                                                                 \
        f##_##size##_v1(p);                                               \
        return 1;                                                         \
    }

/* Takes as many of the vectors that are left as it can at once; returns how many. */
typedef size_t some_fn(const struct part *p, size_t vectors);

INLINE void product(const struct spacc_tile *m, const void *x, size_t vectors, float *y,
                    size_t y_stride, struct spacc_blocks blocks, some_fn *some)
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
            v += some(&p, vectors - v);
        }
    }
}

#define PRODUCT(type, size)                                                            \
    PARTS(type##_part, size)                                                           \
    void spacc_product_##type##_avx2_##size(const struct spacc_tile *m, const void *x, \
                                            size_t vectors, float *y, size_t y_stride, \
                                            struct spacc_blocks blocks)                \
    {                                                                                  \
        product(m, x, vectors, y, y_stride, blocks, type##_part_##size##_some);        \
    }

PRODUCT(f32, 1)
PRODUCT(f32, 8)
PRODUCT(f32, 16)
PRODUCT(f32, 32)
PRODUCT(f16, 1)
PRODUCT(f16, 8)
PRODUCT(f16, 16)
