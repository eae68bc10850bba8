#include "sparse/csb.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 1 << 24, COLS_MAX = 65536 };

/* A dense matrix of either kind; the other pointer is NULL. */
struct dense {
    const float *real;
    const int16_t *integer;
};

static bool is_zero(const struct dense *d, size_t at)
{
    return d->real ? d->real[at] == 0.0F : d->integer[at] == 0;
}

static size_t value_bytes(enum spacc_csb_type type)
{
    return type == SPACC_CSB_F32 ? sizeof(float) : type == SPACC_CSB_I16 ? 2 : 1;
}

static size_t bank_end(const struct spacc_csb *m, size_t bank)
{
    const size_t end = (bank + 1) * m->bank_size;
    return end < m->cols ? end : m->cols;
}

/* Largest number of non-zero weights of a bank, and how many there are in all. */
static void count(struct spacc_csb *m, const struct dense *d)
{
    for (size_t row = 0; row < m->rows; row++) {
        for (size_t bank = 0; bank < m->banks; bank++) {
            size_t kept = 0;
            for (size_t c = bank * m->bank_size; c < bank_end(m, bank); c++)
                kept += !is_zero(d, row * m->cols + c);
            m->nonzeros += kept;
            if (kept > m->k)
                m->k = kept;
        }
    }
}

static void put(struct spacc_csb *m, size_t slot, const struct dense *d, size_t at)
{
    if (m->type == SPACC_CSB_F32)
        ((float *)m->value)[slot] = d->real[at];
    else if (m->type == SPACC_CSB_I16)
        ((int16_t *)m->value)[slot] = d->integer[at];
    else
        ((int8_t *)m->value)[slot] = (int8_t)d->integer[at];
}

/* Values start as zero, so a slot that is only given an index is padding. */
static void fill_bank(struct spacc_csb *m, const struct dense *d, size_t row, size_t bank)
{
    const size_t begin = bank * m->bank_size;
    uint16_t last = 0;
    size_t j = 0;

    for (size_t c = begin; c < bank_end(m, bank); c++) {
        if (is_zero(d, row * m->cols + c))
            continue;
        const size_t slot = (row * m->k + j++) * m->banks + bank;
        last = (uint16_t)(c - begin);
        m->index[slot] = last;
        put(m, slot, d, row * m->cols + c);
    }
    for (; j < m->k; j++)
        m->index[(row * m->k + j) * m->banks + bank] = last;
}

static enum spacc_status check_sizes(size_t rows, size_t cols, size_t bank_size,
                                     struct spacc_error *err)
{
    size_t cells;

    if (rows == 0 || rows > ROWS_MAX || cols == 0 || cols > COLS_MAX)
        return spacc_fail(err, SPACC_EINVAL,
                          "matrix of %zu x %zu: 1 to %d rows and 1 to %d columns can be packed",
                          rows, cols, ROWS_MAX, COLS_MAX);
    if (bank_size == 0 || bank_size > COLS_MAX)
        return spacc_fail(err, SPACC_EINVAL, "bank size %zu is not 1 to %d", bank_size,
                          COLS_MAX);
    /* A packed row has less than cols + bank_size slots; no slot needs more than 4 bytes. */
    if (__builtin_mul_overflow(rows, (cols + bank_size) * sizeof(float), &cells))
        return spacc_fail(err, SPACC_EINVAL, "matrix of %zu x %zu is too large", rows, cols);
    return SPACC_OK;
}

static enum spacc_status pack(struct spacc_csb **out, enum spacc_csb_type type,
                              const struct dense *d, const float *scale, size_t rows,
                              size_t cols, size_t bank_size, struct spacc_error *err)
{
    enum spacc_status status = SPACC_ENOMEM;
    struct spacc_csb *m = calloc(1, sizeof(*m));

    if (!m)
        goto out;
    m->rows = rows;
    m->cols = cols;
    m->bank_size = bank_size;
    m->banks = (cols + bank_size - 1) / bank_size;
    m->type = type;
    count(m, d);

    const size_t slots = rows * m->k * m->banks;
    m->value = calloc(slots + 1, value_bytes(type)); /* + 1: k may be 0 */
    m->index = calloc(slots + 1, sizeof(*m->index));
    if (!m->value || !m->index)
        goto out;
    if (scale) {
        m->scale = malloc(rows * sizeof(*scale));
        if (!m->scale)
            goto out;
        memcpy(m->scale, scale, rows * sizeof(*scale));
    }
    for (size_t row = 0; row < rows; row++)
        for (size_t bank = 0; bank < m->banks; bank++)
            fill_bank(m, d, row, bank);
    *out = m;
    m = NULL;
    status = SPACC_OK;
out:
    spacc_csb_free(m);
    return status == SPACC_OK ? status
                              : spacc_fail(err, status,
                                           "out of memory packing a matrix "
                                           "of %zu x %zu",
                                           rows, cols);
}

enum spacc_status spacc_csb_pack(struct spacc_csb **out, const float *dense, size_t rows,
                                 size_t cols, size_t bank_size, struct spacc_error *err)
{
    *out = NULL;
    const enum spacc_status status = check_sizes(rows, cols, bank_size, err);
    if (status != SPACC_OK)
        return status;
    for (size_t i = 0; i < rows * cols; i++)
        if (!isfinite(dense[i]))
            return spacc_fail(err, SPACC_EINVAL,
                              "weight at row %zu, column %zu is %g, not finite", i / cols,
                              i % cols, (double)dense[i]);
    const struct dense d = {.real = dense};
    return pack(out, SPACC_CSB_F32, &d, NULL, rows, cols, bank_size, err);
}

enum spacc_status spacc_csb_pack_int(struct spacc_csb **out, enum spacc_csb_type type,
                                     const int16_t *dense, const float *scale, size_t rows,
                                     size_t cols, size_t bank_size, struct spacc_error *err)
{
    const int limit = type == SPACC_CSB_I8 ? INT8_MAX : INT16_MAX;

    *out = NULL;
    const enum spacc_status status = check_sizes(rows, cols, bank_size, err);
    if (status != SPACC_OK)
        return status;
    if ((type != SPACC_CSB_I8 && type != SPACC_CSB_I16) || !scale)
        return spacc_fail(err, SPACC_EINVAL,
                          "integer weights are I8 or I16 with a scale a row");
    for (size_t i = 0; i < rows * cols; i++)
        if (dense[i] < -limit || dense[i] > limit)
            return spacc_fail(err, SPACC_EINVAL,
                              "weight at row %zu, column %zu is %d, not %d to %d", i / cols,
                              i % cols, dense[i], -limit, limit);
    const struct dense d = {.integer = dense};
    return pack(out, type, &d, scale, rows, cols, bank_size, err);
}

static float value_at(const struct spacc_csb *m, size_t slot)
{
    if (m->type == SPACC_CSB_F32)
        return ((const float *)m->value)[slot];
    if (m->type == SPACC_CSB_I16)
        return ((const int16_t *)m->value)[slot];
    return ((const int8_t *)m->value)[slot];
}

void spacc_csb_unpack(const struct spacc_csb *m, float *dense)
{
    memset(dense, 0, m->rows * m->cols * sizeof(*dense));
    for (size_t row = 0; row < m->rows; row++) {
        const float scale = m->scale ? m->scale[row] : 1.0F;
        for (size_t j = 0; j < m->k; j++) {
            for (size_t bank = 0; bank < m->banks; bank++) {
                const size_t slot = (row * m->k + j) * m->banks + bank;
                const float value = value_at(m, slot);
                if (value != 0.0F) /* padding must not clear its neighbour */
                    dense[row * m->cols + bank * m->bank_size + m->index[slot]] = value * scale;
            }
        }
    }
}

size_t spacc_csb_bytes(const struct spacc_csb *m)
{
    const size_t index_bytes = m->bank_size <= 256 ? 1 : 2;
    const size_t slots = m->rows * m->k * m->banks;

    return slots * (value_bytes(m->type) + index_bytes) +
           (m->scale ? m->rows * sizeof(float) : 0);
}

void spacc_csb_spmxv(const struct spacc_csb *m, const float *x, float *y)
{
    for (size_t row = 0; row < m->rows; row++) {
        float sum = 0.0F;
        for (size_t j = 0; j < m->k; j++) {
            for (size_t bank = 0; bank < m->banks; bank++) {
                const size_t slot = (row * m->k + j) * m->banks + bank;
                sum += value_at(m, slot) * x[bank * m->bank_size + m->index[slot]];
            }
        }
        y[row] = m->scale ? sum * m->scale[row] : sum;
    }
}

/* Slot `at` of a bank after slot `before` (SIZE_MAX: the first one). */
static bool slot_in_order(const struct spacc_csb *m, size_t at, size_t before)
{
    const bool padding = value_at(m, at) == 0.0F;

    if (before == SIZE_MAX)
        return !padding || m->index[at] == 0;
    if (padding)
        return m->index[at] == m->index[before];
    return value_at(m, before) != 0.0F && m->index[at] > m->index[before];
}

static enum spacc_status check_slot(const struct spacc_csb *m, size_t row, size_t j,
                                    size_t bank, struct spacc_error *err)
{
    const size_t slot = (row * m->k + j) * m->banks + bank;
    const float value = value_at(m, slot);
    const float limit = m->type == SPACC_CSB_I8 ? INT8_MAX : INT16_MAX;
    const size_t width = bank_end(m, bank) - bank * m->bank_size;

    if (m->index[slot] >= width)
        return spacc_fail(err, SPACC_EFORMAT,
                          "row %zu, bank %zu: index %u in a bank of %zu columns", row, bank,
                          m->index[slot], width);
    if (m->type == SPACC_CSB_F32 ? !isfinite(value) : fabsf(value) > limit)
        return spacc_fail(err, SPACC_EFORMAT, "row %zu, bank %zu: weight %g is out of range",
                          row, bank, (double)value);
    if (!slot_in_order(m, slot, j ? slot - m->banks : SIZE_MAX))
        return spacc_fail(err, SPACC_EFORMAT, "row %zu, bank %zu: kept columns do not ascend",
                          row, bank);
    return SPACC_OK;
}

enum spacc_status spacc_csb_check(const struct spacc_csb *m, struct spacc_error *err)
{
    enum spacc_status status = check_sizes(m->rows, m->cols, m->bank_size, err);

    if (status != SPACC_OK)
        return spacc_fail_in(err, SPACC_EFORMAT, "sizes");
    if (m->banks != (m->cols + m->bank_size - 1) / m->bank_size || m->k > m->bank_size)
        return spacc_fail(err, SPACC_EFORMAT,
                          "%zu banks and k = %zu do not go with %zu columns in "
                          "banks of %zu",
                          m->banks, m->k, m->cols, m->bank_size);
    for (size_t row = 0; row < m->rows; row++) {
        if (m->scale && !isfinite(m->scale[row]))
            return spacc_fail(err, SPACC_EFORMAT, "scale of row %zu is not finite", row);
        for (size_t j = 0; j < m->k; j++)
            for (size_t bank = 0; bank < m->banks; bank++)
                if ((status = check_slot(m, row, j, bank, err)) != SPACC_OK)
                    return status;
    }
    return SPACC_OK;
}

void spacc_csb_free(struct spacc_csb *m)
{
    if (!m)
        return;
    free(m->value);
    free(m->index);
    free(m->scale);
    free(m);
}
