/* kernels_avx2_planes.c - float products with AVX2 and banks of 16 or 32. vpshufb looks 32
 * bytes up in a table of 16; so x is kept as four planes of bytes, a bank's look-up for 32
 * rows is four vpshufb, and eight unpackings make floats of them: less than half the time of
 * two vpermps and a blend for every eight rows. */
#include <immintrin.h>
#include <string.h>

#include "sparse/kernels_parts.h"

#define INLINE static inline __attribute__((always_inline))

enum { HALF = 32, PLANE = 16, BANK_16 = 4 * PLANE };
static const size_t rows_of_block = 2 * HALF;

/* In memory the planes of 16 columns are those of bytes 0, 2, 1, 3, as unpacking leaves them.
 */
static const size_t plane_at[4] = {0, 2 * PLANE, PLANE, 3 * PLANE};

INLINE __m256i load(const void *p)
{
    return _mm256_load_si256((const __m256i *)p);
}

INLINE __m256i table(const unsigned char *bank, unsigned plane)
{
    return _mm256_broadcastsi128_si256(
        _mm_load_si128((const __m128i *)(const void *)(bank + plane_at[plane])));
}

/* Bytes of one plane for 32 rows. high: bit 7 is the columns' bit 4. */
INLINE __m256i look_up(const unsigned char *bank, unsigned plane, unsigned size,
                       __m256i columns, __m256i high)
{
    const __m256i low = _mm256_shuffle_epi8(table(bank, plane), columns);
    if (size == 16)
        return low;
    return _mm256_blendv_epi8(low, _mm256_shuffle_epi8(table(bank + BANK_16, plane), columns),
                              high);
}

/* x of 32 rows, 8 a register. */
INLINE void columns_of(const unsigned char *bank, unsigned size, __m256i columns, __m256 x[4])
{
    const __m256i high = _mm256_slli_epi16(columns, 3);
    const __m256i a = look_up(bank, 0, size, columns, high);
    const __m256i b = look_up(bank, 1, size, columns, high);
    const __m256i c = look_up(bank, 2, size, columns, high);
    const __m256i d = look_up(bank, 3, size, columns, high);
    const __m256i ab_low = _mm256_unpacklo_epi8(a, b), ab_high = _mm256_unpackhi_epi8(a, b);
    const __m256i cd_low = _mm256_unpacklo_epi8(c, d), cd_high = _mm256_unpackhi_epi8(c, d);

    x[0] = _mm256_castsi256_ps(_mm256_unpacklo_epi16(ab_low, cd_low));
    x[1] = _mm256_castsi256_ps(_mm256_unpackhi_epi16(ab_low, cd_low));
    x[2] = _mm256_castsi256_ps(_mm256_unpacklo_epi16(ab_high, cd_high));
    x[3] = _mm256_castsi256_ps(_mm256_unpackhi_epi16(ab_high, cd_high));
}

/* The columns of 32 rows: nibbles of bytes that both halves of the block share, or bytes. */
INLINE __m256i read_columns(const unsigned char *columns, unsigned size, unsigned half)
{
    if (size == 32)
        return load(columns + half * HALF);
    const __m256i both = load(columns);
    return _mm256_and_si256(half ? _mm256_srli_epi16(both, 4) : both, _mm256_set1_epi8(15));
}

INLINE __m256 weights(const unsigned char *record, unsigned group, bool half_floats)
{
    if (half_floats)
        return _mm256_cvtph_ps(_mm_load_si128((const __m128i *)(const void *)record + group));
    return _mm256_load_ps((const float *)(const void *)record + group * 8);
}

INLINE void add_slot(const unsigned char *record, const unsigned char *bank, unsigned size,
                     bool half_floats, __m256 sum[8])
{
    const unsigned char *columns = record + rows_of_block * (half_floats ? 2 : 4);

    for (unsigned half = 0; half < 2; half++) {
        __m256 x[4];
        columns_of(bank, size, read_columns(columns, size, half), x);
        for (unsigned i = 0; i < 4; i++)
            sum[half * 4 + i] = _mm256_fmadd_ps(weights(record, half * 4 + i, half_floats),
                                                x[i], sum[half * 4 + i]);
    }
}

INLINE void run_block(const struct spacc_tile *m, size_t block, const unsigned char *x,
                      float *y, unsigned size, bool half_floats)
{
    const unsigned char *record = spacc_tile_record(m, block);
    const size_t step =
        rows_of_block * (half_floats ? 2 : 4) + rows_of_block * (size == 32 ? 8 : 4) / 8;
    __m256 sum[8];

    for (unsigned i = 0; i < 8; i++)
        sum[i] = _mm256_loadu_ps(y + i * 8);
    for (size_t s = m->block_slot[block]; s < m->block_slot[block + 1]; s++) {
        add_slot(record, x + m->slot_bank[s] * (size_t)(size * 4), size, half_floats, sum);
        record += step;
    }
    for (unsigned i = 0; i < 8; i++)
        _mm256_storeu_ps(y + i * 8, sum[i]);
}

INLINE void product(const struct spacc_tile *m, const void *x, size_t vectors, float *y,
                    size_t y_stride, struct spacc_blocks blocks, unsigned size,
                    bool half_floats)
{
    const size_t x_bytes = spacc_tile_x_bytes(m);

    for (size_t i = 0; i < blocks.last - blocks.first; i++) {
        const size_t block = spacc_block_at(&blocks, i);
        for (size_t v = 0; v < vectors; v++)
            run_block(m, block, (const unsigned char *)x + v * x_bytes,
                      y + v * y_stride + (block - blocks.first) * rows_of_block, size,
                      half_floats);
    }
}

void spacc_product_f32_avx2_16(const struct spacc_tile *m, const void *x, size_t vectors,
                               float *y, size_t y_stride, struct spacc_blocks blocks)
{
    product(m, x, vectors, y, y_stride, blocks, 16, false);
}

void spacc_product_f32_avx2_32(const struct spacc_tile *m, const void *x, size_t vectors,
                               float *y, size_t y_stride, struct spacc_blocks blocks)
{
    product(m, x, vectors, y, y_stride, blocks, 32, false);
}

void spacc_product_f16_avx2_16(const struct spacc_tile *m, const void *x, size_t vectors,
                               float *y, size_t y_stride, struct spacc_blocks blocks)
{
    product(m, x, vectors, y, y_stride, blocks, 16, true);
}

void spacc_product_f16_avx2_32(const struct spacc_tile *m, const void *x, size_t vectors,
                               float *y, size_t y_stride, struct spacc_blocks blocks)
{
    product(m, x, vectors, y, y_stride, blocks, 32, true);
}

/* ---- planes ------------------------------------------------------------------ */

/* Bytes of eight floats: the first of all eight, the second, third and fourth ones. */
INLINE __m256i bytes_apart(const float *x)
{
    const __m256i by_byte = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    const __m256i pairs = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)x);
    return _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(v, by_byte), pairs);
}

INLINE void split_16(const float *x, unsigned char *planes)
{
    const __m256i low = bytes_apart(x), high = bytes_apart(x + 8);
    __m256i *to = (__m256i *)(void *)planes;
    _mm256_store_si256(to, _mm256_unpacklo_epi64(low, high));
    _mm256_store_si256(to + 1, _mm256_unpackhi_epi64(low, high));
}

void spacc_prepare_planes_avx2(const struct spacc_tile *m, const float *x, void *prepared)
{
    unsigned char *planes = prepared;
    float rest[16] = {0};
    size_t i = 0;

    for (; i + 16 <= m->cols; i += 16)
        split_16(x + i, planes + i * 4);
    memcpy(rest, x + i, (m->cols - i) * sizeof(*x));
    memset(planes + i * 4, 0, spacc_tile_x_bytes(m) - i * 4);
    if (i < m->cols)
        split_16(rest, planes + i * 4);
}
