#include "sparse/tile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sparse/half.h"
#include "sparse/kernels_parts.h"

enum { ROWS_MAX = 1 << 24, COLS_MAX = 65536, ALIGN = 64, HALF_MAX = 65504 };

/* ---- layouts ----------------------------------------------------------------- */

/* Columns in words of `word_bits` that the groups of a lane share. */
static struct spacc_place words_place(const struct spacc_kernel *k, unsigned row,
                                      unsigned word_bits)
{
    const unsigned lane = row % k->lanes, at = row / k->lanes * 8;
    const unsigned word = at / word_bits * k->lanes + lane;
    const uint32_t values = k->lanes * k->groups * 2;
    return (struct spacc_place){row * 2, values + word * (word_bits / 8) + at % word_bits / 8,
                                0, 8};
}

/* Unpacking bytes, then pairs of bytes, leaves rows in order: of 32 rows, row 8 y + 4 l + d
 * is byte 4 y + d of 128-bit half l. */
static unsigned byte_of_32(unsigned row)
{
    return row / 4 % 2 * 16 + row / 8 * 4 + row % 4;
}

/* Blocks of 64 rows: 4-bit columns of rows 0 .. 31 and 32 .. 63 share bytes. */
static struct spacc_place planes_place(const struct spacc_kernel *k, unsigned row,
                                       unsigned value_bytes, unsigned bits)
{
    const uint32_t columns = k->lanes * k->groups * value_bytes + byte_of_32(row % 32);
    if (bits == 4)
        return (struct spacc_place){row * value_bytes, columns, (uint8_t)(row / 32 * 4), 4};
    return (struct spacc_place){row * value_bytes, columns + row / 32 * 32, 0, 8};
}

/* Slots 0 and 1 share 32 bytes of nibbles, 2 and 3 the next. */
static struct spacc_place i8_rows_place(const struct spacc_kernel *k, unsigned slot,
                                        unsigned row)
{
    const unsigned group = row / 32, lane = row % 32;
    const uint32_t values = k->lanes * k->groups * 4;
    return (struct spacc_place){row * 4 + slot,
                                values + group * 64 + slot / 2 * 32 + byte_of_32(lane),
                                (uint8_t)(slot % 2 * 4), 4};
}

static struct spacc_place i8_vnni_place(const struct spacc_kernel *k, unsigned slot,
                                        unsigned row)
{
    const unsigned group = row / 16, lane = row % 16;
    const uint32_t values = k->lanes * k->groups * 4;
    return (struct spacc_place){row * 4 + slot, values + group * 32 + lane % 8 * 4 + slot,
                                (uint8_t)(lane / 8 * 4), 4};
}

static struct spacc_place i8_slots_place(const struct spacc_kernel *k, unsigned slot,
                                         unsigned row)
{
    const unsigned group = row / k->lanes, lane = row % k->lanes;
    const uint32_t values = k->lanes * k->groups * 4;
    return (struct spacc_place){(group * 4 + slot) * k->lanes + lane,
                                values + (group * 2 + slot / 2) * k->lanes + lane,
                                (uint8_t)(slot % 2 * 4), 4};
}

struct spacc_place spacc_tile_place(const struct spacc_kernel *k, unsigned slot, unsigned row)
{
    switch ((enum spacc_tile_layout)k->layout) {
    case SPACC_LAYOUT_F32: return (struct spacc_place){row * 4, 0, 0, 0};
    case SPACC_LAYOUT_F32_PLANES_4: return planes_place(k, row, 4, 4);
    case SPACC_LAYOUT_F32_PLANES_8: return planes_place(k, row, 4, 8);
    case SPACC_LAYOUT_F16_PLANES_4: return planes_place(k, row, 2, 4);
    case SPACC_LAYOUT_F16_PLANES_8: return planes_place(k, row, 2, 8);
    case SPACC_LAYOUT_F16_WORDS_32: return words_place(k, row, 32);
    case SPACC_LAYOUT_F16_WORDS_16: return words_place(k, row, 16);
    case SPACC_LAYOUT_F16_DENSE: return (struct spacc_place){row * 2, 0, 0, 0};
    case SPACC_LAYOUT_I8_ROWS: return i8_rows_place(k, slot, row);
    case SPACC_LAYOUT_I8_VNNI: return i8_vnni_place(k, slot, row);
    case SPACC_LAYOUT_I8_SLOTS: return i8_slots_place(k, slot, row);
    case SPACC_LAYOUT_I8_DENSE: return (struct spacc_place){row * 4 + slot, 0, 0, 0};
    }
    return (struct spacc_place){0, 0, 0, 0};
}

static size_t record_bytes(const struct spacc_kernel *k)
{
    const size_t rows = (size_t)k->lanes * k->groups;

    switch ((enum spacc_tile_layout)k->layout) {
    case SPACC_LAYOUT_F32: return rows * 4;
    case SPACC_LAYOUT_F32_PLANES_4: return rows * 4 + rows / 2;
    case SPACC_LAYOUT_F32_PLANES_8: return rows * 5;
    case SPACC_LAYOUT_F16_PLANES_4: return rows * 2 + rows / 2;
    case SPACC_LAYOUT_F16_PLANES_8:
    case SPACC_LAYOUT_F16_WORDS_32:
    case SPACC_LAYOUT_F16_WORDS_16: return rows * 3;
    case SPACC_LAYOUT_F16_DENSE: return rows * 2;
    case SPACC_LAYOUT_I8_ROWS:
    case SPACC_LAYOUT_I8_VNNI:
    case SPACC_LAYOUT_I8_SLOTS: return rows * 6;
    case SPACC_LAYOUT_I8_DENSE: return rows * 4;
    }
    return 0;
}

/* ---- counting slots ---------------------------------------------------------- */

static size_t row_of(const struct spacc_matrix *a, size_t tile_row)
{
    if (a->order)
        return tile_row < a->order_rows ? a->order[tile_row] : SPACC_TILE_EMPTY;
    return tile_row < a->rows ? tile_row : SPACC_TILE_EMPTY;
}

static size_t tile_rows(const struct spacc_matrix *a)
{
    return a->order ? a->order_rows : a->rows;
}

static size_t blocks_of(const struct spacc_kernel *k, const struct spacc_matrix *a)
{
    const size_t rows = (size_t)k->lanes * k->groups;
    return (tile_rows(a) + rows - 1) / rows;
}

/* Weights of one row in the columns of a bank. */
static size_t count_row(const float *row, size_t begin, size_t end)
{
    size_t kept = 0;
    for (size_t c = begin; c < end; c++)
        kept += row[c] != 0.0f;
    return kept;
}

/* Slots that a bank needs: the weights of its fullest row, or all columns of a dense one. */
static size_t bank_slots(const struct spacc_kernel *k, const struct spacc_matrix *a,
                         size_t block, size_t bank)
{
    const size_t rows = (size_t)k->lanes * k->groups, begin = bank * k->bank;
    const size_t end = begin + k->bank < a->cols ? begin + k->bank : a->cols;
    size_t most = 0;

    for (size_t i = 0; i < rows; i++) {
        const size_t row = row_of(a, block * rows + i);
        if (row == SPACC_TILE_EMPTY)
            continue;
        const size_t kept = count_row(a->dense + row * a->cols, begin, end);
        most = kept > most ? kept : most;
    }
    return k->dense && most ? k->bank : most;
}

static size_t record_slots(const struct spacc_kernel *k)
{
    return k->type == SPACC_TILE_I8 ? 4 : 1;
}

/* Slots of a block, those that fill its last record included. */
static size_t block_slots(const struct spacc_kernel *k, const struct spacc_matrix *a,
                          size_t block)
{
    const size_t step = record_slots(k), banks = (a->cols + k->bank - 1) / k->bank;
    size_t slots = 0;

    for (size_t bank = 0; bank < banks; bank++)
        slots += bank_slots(k, a, block, bank);
    return (slots + step - 1) / step * step;
}

size_t spacc_tile_count_slots(const struct spacc_kernel *kernel,
                              const struct spacc_matrix *matrix)
{
    const size_t blocks = blocks_of(kernel, matrix);
    size_t slots = 0;

    for (size_t block = 0; block < blocks; block++)
        slots += block_slots(kernel, matrix, block);
    return slots;
}

/* ---- filling ----------------------------------------------------------------- */

/* The float next to `value` whose lowest bits are `column`: of the three candidates around it
 * the nearest one. */
static float embed(float value, unsigned bits, uint32_t column)
{
    const uint32_t mask = (1u << bits) - 1;
    uint32_t whole;
    float best = 0.0f;
    double best_error = INFINITY;

    memcpy(&whole, &value, sizeof(whole));
    for (int step = -1; step <= 1; step++) {
        const uint32_t low = (whole & 0x7fffffffu) & ~mask;
        if (step < 0 && low == 0)
            continue;
        const uint32_t candidate =
            (low + (uint32_t)step * (mask + 1)) | column | (whole & 0x80000000u);
        float f;
        memcpy(&f, &candidate, sizeof(f));
        const double error = fabs((double)f - (double)value);
        if (isfinite(f) && error < best_error)
            best = f, best_error = error;
    }
    return best;
}

static void put_index(unsigned char *record, const struct spacc_place *p, uint32_t column)
{
    if (p->index_bits)
        record[p->index] |= (unsigned char)(column << p->shift);
}

/* Weight of slot `slot` of a block's records at `data`. column: within its bank. */
static void put_weight(const struct spacc_tile *m, unsigned char *data, size_t slot, size_t row,
                       float value, uint32_t column)
{
    const struct spacc_kernel *k = m->kernel;
    unsigned char *record = data + slot / m->record_slots * m->record_bytes;
    const struct spacc_place p =
        spacc_tile_place(k, (unsigned)(slot % m->record_slots), (unsigned)row);

    if (k->type == SPACC_TILE_F32) {
        const bool inside = k->bank > 1 && p.index_bits == 0;
        const float f = inside ? embed(value, spacc_tile_bank_bits(k->bank), column) : value;
        memcpy(record + p.value, &f, sizeof(f));
    } else if (k->type == SPACC_TILE_F16) {
        const uint16_t half = spacc_half_from_float(value);
        memcpy(record + p.value, &half, sizeof(half));
    } else {
        record[p.value] = (unsigned char)(int8_t)value;
    }
    put_index(record, &p, column);
}

/* An I8 weight as its integer; other types as they are. */
static float stored(const struct spacc_tile *m, size_t tile_row, float value)
{
    if (m->kernel->type != SPACC_TILE_I8)
        return value;
    const float scale = m->scale[tile_row];
    const float q = scale > 0.0f ? rintf(value / scale) : 0.0f;
    return q > 127.0f ? 127.0f : q < -127.0f ? -127.0f : q;
}

/* One row's weights of a bank, from slot `at` of the block. */
static void fill_row(struct spacc_tile *m, const struct spacc_matrix *a, size_t block,
                     size_t row, size_t at, size_t bank)
{
    const struct spacc_kernel *k = m->kernel;
    const size_t tile_row = block * m->block_rows + row, from = row_of(a, tile_row);
    const size_t begin = bank * k->bank;
    unsigned char *data = m->data + m->block_slot[block] / m->record_slots * m->record_bytes;

    for (size_t c = begin; from != SPACC_TILE_EMPTY && c < begin + k->bank && c < a->cols;
         c++) {
        const float value = a->dense[from * a->cols + c];
        if (value == 0.0f)
            continue;
        const float put = stored(m, tile_row, value);
        put_weight(m, data, k->dense ? at + (c - begin) : at++, row, put,
                   k->dense ? 0 : (uint32_t)(c - begin));
        m->nonzeros += put != 0.0f;
        if (m->row_sum)
            m->row_sum[tile_row] += (int32_t)put;
    }
}

static void fill_block(struct spacc_tile *m, const struct spacc_matrix *a, size_t block)
{
    size_t at = 0;

    for (size_t bank = 0; bank < m->banks; bank++) {
        const size_t slots = bank_slots(m->kernel, a, block, bank);
        for (size_t row = 0; slots && row < m->block_rows; row++)
            fill_row(m, a, block, row, at, bank);
        for (size_t j = 0; j < slots; j++)
            m->slot_bank[m->block_slot[block] + at++] = (uint16_t)bank;
    }
}

static void set_scales(struct spacc_tile *m, const struct spacc_matrix *a, const float *scale)
{
    for (size_t i = 0; i < m->blocks * m->block_rows; i++) {
        const size_t row = row_of(a, i);
        float most = 0.0f;
        if (row == SPACC_TILE_EMPTY)
            continue;
        for (size_t c = 0; c < a->cols; c++)
            most = fmaxf(most, fabsf(a->dense[row * a->cols + c]));
        m->scale[i] = scale ? scale[row] : most / 127.0f;
    }
}

/* ---- making ------------------------------------------------------------------ */

static enum spacc_status check_order(const struct spacc_matrix *a, struct spacc_error *err)
{
    for (size_t i = 0; a->order && i < a->order_rows; i++)
        if (a->order[i] != SPACC_TILE_EMPTY && a->order[i] >= a->rows)
            return spacc_fail(err, SPACC_EINVAL, "tile row %zu is row %u of a matrix of %zu", i,
                              a->order[i], a->rows);
    return SPACC_OK;
}

static enum spacc_status check_weights(const struct spacc_kernel *k,
                                       const struct spacc_matrix *a, struct spacc_error *err)
{
    for (size_t i = 0; i < a->rows * a->cols; i++) {
        const float v = a->dense[i];
        if (!isfinite(v))
            return spacc_fail(err, SPACC_EINVAL,
                              "weight at row %zu, column %zu is %g, not finite", i / a->cols,
                              i % a->cols, (double)v);
        if (k->type == SPACC_TILE_F16 && fabsf(v) > HALF_MAX)
            return spacc_fail(err, SPACC_EINVAL,
                              "weight at row %zu, column %zu is %g, f16 ends at %d",
                              i / a->cols, i % a->cols, (double)v, HALF_MAX);
    }
    return SPACC_OK;
}

static enum spacc_status check(const struct spacc_kernel *k, const struct spacc_matrix *a,
                               struct spacc_error *err)
{
    if (a->rows == 0 || a->rows > ROWS_MAX || a->cols == 0 || a->cols > COLS_MAX ||
        tile_rows(a) == 0 || tile_rows(a) > ROWS_MAX)
        return spacc_fail(err, SPACC_EINVAL,
                          "matrix of %zu x %zu in %zu rows: 1 to %d rows and 1 to %d columns "
                          "can be tiled",
                          a->rows, a->cols, tile_rows(a), ROWS_MAX, COLS_MAX);
    const enum spacc_status status = check_order(a, err);
    return status == SPACC_OK ? check_weights(k, a, err) : status;
}

/* Slots of all blocks; false when there are more than 32 bits count. */
static bool count_slots(struct spacc_tile *m, const struct spacc_matrix *a)
{
    for (size_t block = 0; block < m->blocks; block++) {
        m->block_slot[block] = (uint32_t)m->slots;
        m->slots += block_slots(m->kernel, a, block);
        if (m->slots >= UINT32_MAX)
            return false;
    }
    m->block_slot[m->blocks] = (uint32_t)m->slots;
    return true;
}

/* Zeroed and aligned. */
static void *new_data(size_t bytes)
{
    const size_t whole = (bytes + 2 * ALIGN - 1) / ALIGN * ALIGN;
    void *data = aligned_alloc(ALIGN, whole);
    if (data)
        memset(data, 0, whole);
    return data;
}

static bool new_arrays(struct spacc_tile *m, const struct spacc_matrix *a)
{
    const size_t rows = m->blocks * m->block_rows;
    m->block_slot = calloc(m->blocks + 1, sizeof(*m->block_slot));
    if (!m->block_slot || !count_slots(m, a))
        return false;
    m->slot_bank = calloc(m->slots + 1, sizeof(*m->slot_bank)); /* + 1: slots may be 0 */
    m->data = new_data(m->slots / m->record_slots * m->record_bytes);
    m->order = calloc(rows, sizeof(*m->order));
    if (m->kernel->type == SPACC_TILE_I8) {
        m->scale = calloc(rows, sizeof(*m->scale));
        m->row_sum = calloc(rows, sizeof(*m->row_sum));
        if (!m->scale || !m->row_sum)
            return false;
    }
    return m->slot_bank && m->data && m->order;
}

static void set_sizes(struct spacc_tile *m, const struct spacc_kernel *k,
                      const struct spacc_matrix *a)
{
    m->kernel = k;
    m->rows = a->rows;
    m->cols = a->cols;
    m->banks = (a->cols + k->bank - 1) / k->bank;
    m->block_rows = (size_t)k->lanes * k->groups;
    m->blocks = blocks_of(k, a);
    m->record_bytes = record_bytes(k);
    m->record_slots = record_slots(k);
}

static void fill(struct spacc_tile *m, const struct spacc_matrix *a, const float *scale)
{
    for (size_t i = 0; i < m->blocks * m->block_rows; i++)
        m->order[i] = (uint32_t)row_of(a, i);
    if (m->scale)
        set_scales(m, a, scale);
    for (size_t block = 0; block < m->blocks; block++)
        fill_block(m, a, block);
}

enum spacc_status spacc_tile_new(struct spacc_tile **out, const struct spacc_kernel *kernel,
                                 const struct spacc_matrix *matrix, const float *scale,
                                 struct spacc_error *err)
{
    *out = NULL;
    const enum spacc_status status = check(kernel, matrix, err);
    if (status != SPACC_OK)
        return status;

    struct spacc_tile *m = calloc(1, sizeof(*m));
    if (m)
        set_sizes(m, kernel, matrix);
    if (!m || !new_arrays(m, matrix)) {
        spacc_tile_free(m);
        return spacc_fail(err, SPACC_ENOMEM, "out of memory tiling a matrix of %zu x %zu",
                          matrix->rows, matrix->cols);
    }
    fill(m, matrix, scale);
    *out = m;
    return SPACC_OK;
}

enum spacc_status spacc_tile_from_csb(struct spacc_tile **out,
                                      const struct spacc_kernel *kernel,
                                      const struct spacc_csb *csb, struct spacc_error *err)
{
    *out = NULL;
    float *dense = calloc(csb->rows * csb->cols, sizeof(*dense));
    if (!dense)
        return spacc_fail(err, SPACC_ENOMEM, "out of memory tiling a matrix of %zu x %zu",
                          csb->rows, csb->cols);
    spacc_csb_unpack(csb, dense);
    const struct spacc_matrix a = {dense, csb->rows, csb->cols, NULL, 0};
    const enum spacc_status status =
        spacc_tile_new(out, kernel, &a, csb->type == SPACC_CSB_I8 ? csb->scale : NULL, err);
    free(dense);
    return status;
}

/* ---- looking ----------------------------------------------------------------- */

size_t spacc_tile_bytes(const struct spacc_tile *m)
{
    return m->slots / m->record_slots * m->record_bytes + m->slots * sizeof(*m->slot_bank);
}

size_t spacc_tile_x_bytes(const struct spacc_tile *m)
{
    const size_t cols = m->banks * m->kernel->bank;
    const size_t bytes =
        m->kernel->type == SPACC_TILE_I8 ? SPACC_TILE_X_HEAD + cols : cols * sizeof(float);
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static uint32_t index_at(const unsigned char *record, const struct spacc_place *p)
{
    return (uint32_t)record[p->index] >> p->shift & ((1u << p->index_bits) - 1);
}

float spacc_tile_weight(const struct spacc_tile *m, size_t block, size_t slot, size_t row,
                        size_t *column)
{
    const struct spacc_kernel *k = m->kernel;
    const unsigned char *record =
        spacc_tile_record(m, block) + slot / m->record_slots * m->record_bytes;
    const struct spacc_place p =
        spacc_tile_place(k, (unsigned)(slot % m->record_slots), (unsigned)row);
    const size_t bank = m->slot_bank[m->block_slot[block] + slot] * (size_t)k->bank;
    uint32_t bits = 0;
    float value;

    if (k->type == SPACC_TILE_I8) {
        *column = bank + (k->dense ? slot % k->bank : index_at(record, &p));
        return (float)(int8_t)record[p.value] * m->scale[block * m->block_rows + row];
    }
    memcpy(&bits, record + p.value, k->type == SPACC_TILE_F16 ? 2 : 4);
    memcpy(&value, &bits, sizeof(value));
    *column = bank + (p.index_bits ? index_at(record, &p) : bits & (k->bank - 1));
    return k->type == SPACC_TILE_F16 ? spacc_half_to_float((uint16_t)bits) : value;
}

/* ---- the simple product ------------------------------------------------------ */

size_t spacc_tile_scratch_bytes(const struct spacc_tile *m)
{
    return spacc_tile_x_bytes(m) + m->blocks * m->block_rows * sizeof(float);
}

void spacc_tile_spmxv(const struct spacc_tile *m, const float *x, float *y, void *scratch)
{
    float *sums = (float *)scratch + spacc_tile_x_bytes(m) / sizeof(*sums);
    const size_t rows = m->blocks * m->block_rows;

    m->kernel->prepare(m, x, scratch);
    memset(sums, 0, rows * sizeof(*sums));
    m->kernel->product(m, scratch, 1, sums, rows, (struct spacc_blocks){0, m->blocks, false});
    for (size_t i = 0; i < rows; i++)
        if (m->order[i] != SPACC_TILE_EMPTY)
            y[m->order[i]] = sums[i];
}

void spacc_tile_free(struct spacc_tile *m)
{
    if (!m)
        return;
    free(m->block_slot);
    free(m->slot_bank);
    free(m->data);
    free(m->scale);
    free(m->row_sum);
    free(m->order);
    free(m);
}
