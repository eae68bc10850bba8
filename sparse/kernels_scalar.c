/* kernels_scalar.c - the definition of every product, for the layouts of all kernels. */
#include <math.h>
#include <string.h>

#include "sparse/half.h"
#include "sparse/kernels_parts.h"

/* ---- preparing x ------------------------------------------------------------- */

void spacc_prepare_f32_scalar(const struct spacc_tile *m, const float *x, void *prepared)
{
    memcpy(prepared, x, m->cols * sizeof(*x));
    memset((float *)prepared + m->cols, 0, spacc_tile_x_bytes(m) - m->cols * sizeof(*x));
}

/* max|x|, NaN when any value is not finite. */
static float largest(const float *x, size_t count)
{
    float most = 0.0f;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(x[i]))
            return NAN;
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    }
    return most;
}

void spacc_prepare_i8_scalar(const struct spacc_tile *m, const float *x, void *prepared)
{
    const float most = largest(x, m->cols), inverse = 127.0f / most;
    const struct spacc_x_head head = {most / 127.0f};
    int8_t *q = (int8_t *)prepared + SPACC_TILE_X_HEAD;

    memset(prepared, 0, spacc_tile_x_bytes(m));
    memcpy(prepared, &head, sizeof(head));
    for (size_t i = 0; most >= 0x1p-120f && i < m->cols; i++)
        q[i] = (int8_t)rintf(x[i] * inverse);
}

/* ---- products ---------------------------------------------------------------- */

/* Where everything is in a record, looked up once for all of them. */
struct places {
    struct spacc_place at[4][SPACC_TILE_ROWS_MAX];
};

static void look_up(const struct spacc_tile *m, struct places *p)
{
    for (unsigned slot = 0; slot < m->record_slots; slot++)
        for (unsigned row = 0; row < m->block_rows; row++)
            p->at[slot][row] = spacc_tile_place(m->kernel, slot, row);
}

static uint32_t index_at(const unsigned char *record, const struct spacc_place *p)
{
    return (uint32_t)record[p->index] >> p->shift & ((1u << p->index_bits) - 1);
}

static void f32_block(const struct spacc_tile *m, const struct places *p, size_t block,
                      const float *x, float *y)
{
    const unsigned char *record = spacc_tile_record(m, block);
    const uint32_t mask = m->kernel->bank - 1;
    const bool beside = p->at[0][0].index_bits > 0;

    for (size_t s = m->block_slot[block]; s < m->block_slot[block + 1]; s++) {
        const float *bank = x + m->slot_bank[s] * (size_t)m->kernel->bank;
        const float *w = (const float *)(const void *)record;
        for (size_t row = 0; row < m->block_rows; row++) {
            uint32_t bits;
            memcpy(&bits, w + row, sizeof(bits));
            y[row] += w[row] * bank[beside ? index_at(record, &p->at[0][row]) : bits & mask];
        }
        record += m->record_bytes;
    }
}

static void f16_block(const struct spacc_tile *m, const struct places *p, size_t block,
                      const float *x, float *y)
{
    const unsigned char *record = spacc_tile_record(m, block);

    for (size_t s = m->block_slot[block]; s < m->block_slot[block + 1]; s++) {
        const float *bank = x + m->slot_bank[s] * (size_t)m->kernel->bank;
        for (size_t row = 0; row < m->block_rows; row++) {
            uint16_t half;
            memcpy(&half, record + p->at[0][row].value, sizeof(half));
            y[row] += spacc_half_to_float(half) * bank[index_at(record, &p->at[0][row])];
        }
        record += m->record_bytes;
    }
}

typedef void block_fn(const struct spacc_tile *m, const struct places *p, size_t block,
                      const float *x, float *y);

static void product(const struct spacc_tile *m, const void *x, size_t vectors, float *y,
                    size_t y_stride, struct spacc_blocks blocks, block_fn *run_block)
{
    struct places p;

    look_up(m, &p);
    for (size_t i = 0; i < blocks.last - blocks.first; i++) {
        const size_t block = spacc_block_at(&blocks, i);
        for (size_t v = 0; v < vectors; v++)
            run_block(m, &p, block,
                      (const float *)x + v * (spacc_tile_x_bytes(m) / sizeof(float)),
                      y + v * y_stride + (block - blocks.first) * m->block_rows);
    }
}

void spacc_product_f32_scalar(const struct spacc_tile *m, const void *x, size_t vectors,
                              float *y, size_t y_stride, struct spacc_blocks blocks)
{
    product(m, x, vectors, y, y_stride, blocks, f32_block);
}

void spacc_product_f16_scalar(const struct spacc_tile *m, const void *x, size_t vectors,
                              float *y, size_t y_stride, struct spacc_blocks blocks)
{
    product(m, x, vectors, y, y_stride, blocks, f16_block);
}

/* Sums of four slots at `record`, whose banks are those of slots first .. first + 3. */
static void i8_record(const struct spacc_tile *m, const struct places *p,
                      const unsigned char *record, size_t first, const int8_t *x, int32_t *sum)
{
    const bool dense = m->kernel->dense;

    for (unsigned slot = 0; slot < 4; slot++) {
        const int8_t *bank = x + m->slot_bank[first + slot] * (size_t)m->kernel->bank;
        for (size_t row = 0; row < m->block_rows; row++) {
            const struct spacc_place *at = &p->at[slot][row];
            const uint32_t column = dense ? slot : index_at(record, at);
            sum[row] += (int8_t)record[at->value] * bank[column];
        }
    }
}

/* y += sum * (row's scale * x's scale), rounded as written. */
static void i8_block(const struct spacc_tile *m, const struct places *p, size_t block,
                     const unsigned char *x, float *y)
{
    const unsigned char *record = spacc_tile_record(m, block);
    const float *scale = m->scale + block * m->block_rows;
    int32_t sum[SPACC_TILE_ROWS_MAX] = {0};
    struct spacc_x_head head;

    memcpy(&head, x, sizeof(head));
    for (size_t s = m->block_slot[block]; s < m->block_slot[block + 1]; s += 4) {
        i8_record(m, p, record, s, (const int8_t *)x + SPACC_TILE_X_HEAD, sum);
        record += m->record_bytes;
    }
    for (size_t row = 0; row < m->block_rows; row++)
        y[row] += (float)sum[row] * (scale[row] * head.scale);
}

void spacc_product_i8_scalar(const struct spacc_tile *m, const void *x, size_t vectors,
                             float *y, size_t y_stride, struct spacc_blocks blocks)
{
    struct places p;

    look_up(m, &p);
    for (size_t i = 0; i < blocks.last - blocks.first; i++) {
        const size_t block = spacc_block_at(&blocks, i);
        for (size_t v = 0; v < vectors; v++)
            i8_block(m, &p, block, (const unsigned char *)x + v * spacc_tile_x_bytes(m),
                     y + v * y_stride + (block - blocks.first) * m->block_rows);
    }
}
