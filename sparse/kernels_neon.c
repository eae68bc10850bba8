/* kernels_neon.c - products with AArch64 Advanced SIMD. Four rows a register; a bank of 16
 * floats is the four registers that TBL looks bytes up in. */
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#include "sparse/kernels_parts.h"

#define INLINE static inline __attribute__((always_inline))

enum { LANES = 4, GROUPS = 16, I8_LANES = 16, I8_GROUPS = 4, I8_SUMS = 16 };
static const size_t rows_of_block = 64;

/* ---- floats ------------------------------------------------------------------ */

INLINE uint8x16x4_t table_of(const float *bank)
{
    const uint8_t *bytes = (const uint8_t *)bank;
    const uint8x16x4_t t = {
        {vld1q_u8(bytes), vld1q_u8(bytes + 16), vld1q_u8(bytes + 32), vld1q_u8(bytes + 48)}};
    return t;
}

/* Column c of a lane is bytes 4 c .. 4 c + 3 of the table. */
INLINE float32x4_t look_up(uint8x16x4_t table, uint32x4_t index)
{
    const uint32x4_t column = vandq_u32(index, vdupq_n_u32(15));
    const uint32x4_t bytes =
        vmlaq_u32(vdupq_n_u32(0x03020100u), column, vdupq_n_u32(0x04040404u));
    return vreinterpretq_f32_u8(vqtbl4q_u8(table, vreinterpretq_u8_u32(bytes)));
}

INLINE float32x4_t weights(const unsigned char *record, unsigned g, bool half_floats)
{
    if (half_floats)
        return vcvt_f32_f16(
            vreinterpret_f16_u16(vld1_u16((const uint16_t *)(const void *)record + g * LANES)));
    return vld1q_f32((const float *)(const void *)record + g * LANES);
}

/* Half floats have their columns behind them, four groups a 32-bit word. */
INLINE uint32x4_t index_of(const unsigned char *record, unsigned g, float32x4_t w,
                           bool half_floats)
{
    if (!half_floats)
        return vreinterpretq_u32_f32(w);
    const uint32_t *words = (const uint32_t *)(const void *)(record + rows_of_block * 2);
    return vshlq_u32(vld1q_u32(words + g / 4 * LANES), vdupq_n_s32(-(int)(g % 4 * 8)));
}

INLINE void add_slot(const unsigned char *record, const float *bank, bool dense,
                     bool half_floats, float32x4_t sum[GROUPS])
{
    if (dense) {
        for (unsigned g = 0; g < GROUPS; g++)
            sum[g] = vfmaq_n_f32(sum[g], weights(record, g, half_floats), *bank);
        return;
    }
    const uint8x16x4_t table = table_of(bank);
    for (unsigned g = 0; g < GROUPS; g++) {
        const float32x4_t w = weights(record, g, half_floats);
        sum[g] = vfmaq_f32(sum[g], w, look_up(table, index_of(record, g, w, half_floats)));
    }
}

INLINE void run_block(const struct spacc_tile *m, size_t block, const float *x, float *y,
                      bool dense, bool half_floats)
{
    const unsigned char *record = spacc_tile_record(m, block);
    const size_t size = dense ? 1 : 16, step = rows_of_block * (!half_floats ? 4
                                                                : dense      ? 2
                                                                             : 3);
    float32x4_t sum[GROUPS];

    for (unsigned g = 0; g < GROUPS; g++)
        sum[g] = vld1q_f32(y + g * LANES);
    for (size_t s = m->block_slot[block]; s < m->block_slot[block + 1]; s++) {
        add_slot(record, x + m->slot_bank[s] * size, dense, half_floats, sum);
        record += step;
    }
    for (unsigned g = 0; g < GROUPS; g++)
        vst1q_f32(y + g * LANES, sum[g]);
}

INLINE void product(const struct spacc_tile *m, const void *x, size_t vectors, float *y,
                    size_t y_stride, struct spacc_blocks blocks, bool dense, bool half_floats)
{
    const size_t x_step = spacc_tile_x_bytes(m) / sizeof(float);

    for (size_t i = 0; i < blocks.last - blocks.first; i++) {
        const size_t block = spacc_block_at(&blocks, i);
        for (size_t v = 0; v < vectors; v++)
            run_block(m, block, (const float *)x + v * x_step,
                      y + v * y_stride + (block - blocks.first) * rows_of_block, dense,
                      half_floats);
    }
}

#define PRODUCT(name, dense, half_floats)                                                \
    void spacc_product_##name(const struct spacc_tile *m, const void *x, size_t vectors, \
                              float *y, size_t y_stride, struct spacc_blocks blocks)     \
    {                                                                                    \
        product(m, x, vectors, y, y_stride, blocks, dense, half_floats);                 \
    }

PRODUCT(f32_neon_1, true, false)
PRODUCT(f32_neon_16, false, false)
PRODUCT(f16_neon_1, true, true)
PRODUCT(f16_neon_16, false, true)

/* ---- int8 -------------------------------------------------------------------- */

/* sum[16 rows] += wa * xa + wb * xb: two products of at most 127 * 127 fit 16 bits. */
INLINE void add_products(int32x4_t sum[4], int8x16_t wa, int8x16_t xa, int8x16_t wb,
                         int8x16_t xb)
{
    int16x8_t low = vmull_s8(vget_low_s8(wa), vget_low_s8(xa));
    int16x8_t high = vmull_high_s8(wa, xa);
    low = vmlal_s8(low, vget_low_s8(wb), vget_low_s8(xb));
    high = vmlal_high_s8(high, wb, xb);
    sum[0] = vaddw_s16(sum[0], vget_low_s16(low));
    sum[1] = vaddw_high_s16(sum[1], low);
    sum[2] = vaddw_s16(sum[2], vget_low_s16(high));
    sum[3] = vaddw_high_s16(sum[3], high);
}

/* Columns of two slots: the low and the high nibbles. */
INLINE void sparse_pair(const int8_t *w, uint8x16_t columns, int8x16_t table_a,
                        int8x16_t table_b, int32x4_t sum[4])
{
    const int8x16_t a = vqtbl1q_s8(table_a, vandq_u8(columns, vdupq_n_u8(15)));
    const int8x16_t b = vqtbl1q_s8(table_b, vshrq_n_u8(columns, 4));
    add_products(sum, vld1q_s8(w), a, vld1q_s8(w + I8_LANES), b);
}

INLINE void sparse_record(const unsigned char *record, const uint16_t *bank, const int8_t *x,
                          int32x4_t sum[I8_SUMS])
{
    int8x16_t t[4];

    for (unsigned slot = 0; slot < 4; slot++)
        t[slot] = vld1q_s8(x + bank[slot] * (size_t)16);
    for (unsigned g = 0; g < I8_GROUPS; g++) {
        const int8_t *w = (const int8_t *)record + g * 4 * I8_LANES;
        const uint8_t *columns = record + rows_of_block * 4 + g * 2 * I8_LANES;
        sparse_pair(w, vld1q_u8(columns), t[0], t[1], sum + g * 4);
        sparse_pair(w + 2 * I8_LANES, vld1q_u8(columns + I8_LANES), t[2], t[3], sum + g * 4);
    }
}

static void sparse_sums(const struct spacc_tile *m, size_t block, const int8_t *x,
                        int32x4_t sum[I8_SUMS])
{
    const unsigned char *record = spacc_tile_record(m, block);

    for (size_t s = m->block_slot[block]; s < m->block_slot[block + 1]; s += 4) {
        sparse_record(record, m->slot_bank + s, x, sum);
        record += rows_of_block * 6;
    }
}

/* Rows of four bytes: sums of pairs of products, two registers for four rows. */
INLINE void dense_group(const int8_t *w, int8x16_t four, int32x4_t pair[8])
{
    for (unsigned i = 0; i < 4; i++) {
        const int8x16_t rows = vld1q_s8(w + i * 16);
        pair[2 * i] = vpadalq_s16(pair[2 * i], vmull_s8(vget_low_s8(rows), vget_low_s8(four)));
        pair[2 * i + 1] = vpadalq_s16(pair[2 * i + 1], vmull_high_s8(rows, four));
    }
}

static void dense_sums(const struct spacc_tile *m, size_t block, const int8_t *x,
                       int32x4_t sum[I8_SUMS])
{
    for (unsigned g = 0; g < I8_GROUPS; g++) {
        const int8_t *w = (const int8_t *)spacc_tile_record(m, block) + g * 64;
        int32x4_t pair[8];
        for (unsigned i = 0; i < 8; i++)
            pair[i] = vdupq_n_s32(0);
        for (size_t s = m->block_slot[block]; s < m->block_slot[block + 1]; s += 4) {
            int32_t four;
            memcpy(&four, x + m->slot_bank[s] * (size_t)4, sizeof(four));
            dense_group(w, vreinterpretq_s8_s32(vdupq_n_s32(four)), pair);
            w += rows_of_block * 4;
        }
        for (unsigned i = 0; i < 4; i++)
            sum[g * 4 + i] = vpaddq_s32(pair[2 * i], pair[2 * i + 1]);
    }
}

/* y += sum * (scale of the row * scale of x), not fused */
INLINE void store(const int32x4_t sum[I8_SUMS], const float *scale, float x_scale, float *y)
{
    for (unsigned i = 0; i < I8_SUMS; i++) {
        const float32x4_t both = vmulq_n_f32(vld1q_f32(scale + i * 4), x_scale);
        const float32x4_t add = vmulq_f32(vcvtq_f32_s32(sum[i]), both);
        vst1q_f32(y + i * 4, vaddq_f32(vld1q_f32(y + i * 4), add));
    }
}

typedef void sums_fn(const struct spacc_tile *m, size_t block, const int8_t *x,
                     int32x4_t sum[I8_SUMS]);

static void i8_product(const struct spacc_tile *m, const void *x, size_t vectors, float *y,
                       size_t y_stride, struct spacc_blocks blocks, sums_fn *sums)
{
    for (size_t i = 0; i < blocks.last - blocks.first; i++) {
        const size_t block = spacc_block_at(&blocks, i), row = block * rows_of_block;
        for (size_t v = 0; v < vectors; v++) {
            const unsigned char *at = (const unsigned char *)x + v * spacc_tile_x_bytes(m);
            int32x4_t sum[I8_SUMS];
            struct spacc_x_head head;
            memcpy(&head, at, sizeof(head));
            for (unsigned k = 0; k < I8_SUMS; k++)
                sum[k] = vdupq_n_s32(0);
            sums(m, block, (const int8_t *)at + SPACC_TILE_X_HEAD, sum);
            store(sum, m->scale + row, head.scale,
                  y + v * y_stride + row - blocks.first * rows_of_block);
        }
    }
}

void spacc_product_i8_neon_16(const struct spacc_tile *m, const void *x, size_t vectors,
                              float *y, size_t y_stride, struct spacc_blocks blocks)
{
    i8_product(m, x, vectors, y, y_stride, blocks, sparse_sums);
}

void spacc_product_i8_neon_dense(const struct spacc_tile *m, const void *x, size_t vectors,
                                 float *y, size_t y_stride, struct spacc_blocks blocks)
{
    i8_product(m, x, vectors, y, y_stride, blocks, dense_sums);
}

/* ---- quantising x ------------------------------------------------------------ */

/* Bits of magnitudes order as integers do, infinity and NaN last. */
static float largest(const float *x, size_t count)
{
    uint32x4_t most = vdupq_n_u32(0);
    float rest[4] = {0}, value;
    size_t i = 0;

    for (; i + 4 <= count; i += 4)
        most = vmaxq_u32(most, vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(x + i))));
    memcpy(rest, x + i, (count - i) * sizeof(*x));
    most = vmaxq_u32(most, vreinterpretq_u32_f32(vabsq_f32(vld1q_f32(rest))));
    const uint32_t bits = vmaxvq_u32(most);
    memcpy(&value, &bits, sizeof(value));
    return bits >= 0x7f800000u ? NAN : value;
}

/* Eight integers; vcvtnq rounds to nearest, ties to even. */
INLINE int8x8_t quantised(const float *x, float inverse)
{
    const int32x4_t low = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x), inverse));
    const int32x4_t high = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + 4), inverse));
    return vmovn_s16(vcombine_s16(vmovn_s32(low), vmovn_s32(high)));
}

void spacc_prepare_i8_neon(const struct spacc_tile *m, const float *x, void *prepared)
{
    const float most = largest(x, m->cols), inverse = 127.0f / most;
    const struct spacc_x_head head = {most / 127.0f};
    int8_t *q = (int8_t *)prepared + SPACC_TILE_X_HEAD;
    float rest[8] = {0};
    size_t i = 0;

    memset(prepared, 0, spacc_tile_x_bytes(m));
    memcpy(prepared, &head, sizeof(head));
    if (!(most >= 0x1p-120f))
        return;
    for (; i + 8 <= m->cols; i += 8)
        vst1_s8(q + i, quantised(x + i, inverse));
    memcpy(rest, x + i, (m->cols - i) * sizeof(*x));
    if (i < m->cols)
        vst1_s8(q + i, quantised(rest, inverse));
}
