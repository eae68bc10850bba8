/* kernels_parts.h - what tile.c and the kernels' files share; nobody else includes it. */
#ifndef SPACC_KERNELS_PARTS_H
#define SPACC_KERNELS_PARTS_H

#include "sparse/tile.h"

/* Where a record keeps the weight of slot `slot` (of the record) and row `row` (of the
 * block), and its column: `index_bits` bits at byte `index`, bit `shift`. */
struct spacc_place {
    uint32_t value, index;
    uint8_t shift, index_bits; /* 0 bits: no column beside the weight */
};

struct spacc_place spacc_tile_place(const struct spacc_kernel *k, unsigned slot, unsigned row);

/* Bits of the mantissa that hold a column in F32. */
static inline unsigned spacc_tile_bank_bits(unsigned bank)
{
    unsigned bits = 0;
    while (1u << bits < bank)
        bits++;
    return bits;
}

static inline const unsigned char *spacc_tile_record(const struct spacc_tile *m, size_t block)
{
    return m->data + m->block_slot[block] / m->record_slots * m->record_bytes;
}

/* The block that is taken as number i of a range. */
static inline size_t spacc_block_at(const struct spacc_blocks *b, size_t i)
{
    return b->backward ? b->last - 1 - i : b->first + i;
}

/* A prepared I8 vector: this, then int8 or uint8 [banks * bank] at SPACC_TILE_X_HEAD.
 * x = scale * integer; with a value that is not finite scale is NaN, all integers 0. */
struct spacc_x_head {
    float scale;
};

/* scale = max|x| / 127, integer = nearest(x * (127 / max|x|)), ties to even. The integer of
 * vectors too small for 127 / max|x| (max|x| below 2^-120) is 0. */
spacc_prepare_fn spacc_prepare_f32_scalar, spacc_prepare_i8_scalar;
spacc_product_fn spacc_product_f32_scalar, spacc_product_f16_scalar, spacc_product_i8_scalar;

spacc_prepare_fn spacc_prepare_i8_avx2, spacc_prepare_planes_avx2;
spacc_product_fn spacc_product_f32_avx2_1, spacc_product_f32_avx2_8, spacc_product_f32_avx2_16,
    spacc_product_f32_avx2_32, spacc_product_f16_avx2_1, spacc_product_f16_avx2_16,
    spacc_product_f16_avx2_32, spacc_product_i8_avx2_16, spacc_product_i8_avx2_dense;

spacc_product_fn spacc_product_f32_avx512_1, spacc_product_f32_avx512_16,
    spacc_product_f32_avx512_32, spacc_product_f16_avx512_1, spacc_product_f16_avx512_32;
spacc_prepare_fn spacc_prepare_u8_vnni;
spacc_product_fn spacc_product_i8_vnni_16, spacc_product_i8_vnni_dense;
spacc_prepare_fn spacc_prepare_f16_fp16;
spacc_product_fn spacc_product_f16_fp16_1, spacc_product_f16_fp16_32;

spacc_prepare_fn spacc_prepare_i8_neon;
spacc_product_fn spacc_product_f32_neon_1, spacc_product_f32_neon_16, spacc_product_f16_neon_1,
    spacc_product_f16_neon_16, spacc_product_i8_neon_16, spacc_product_i8_neon_dense;

#endif
