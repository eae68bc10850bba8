/* Groups of rows with the same indices: what an array reads that keeps one index for four rows.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "sparse/csb.h"

struct group {
    const struct spacc_csb *from;
    size_t row, end, stride; /* rows row, row + stride, .. below end share */
    uint16_t *column;        /* [bank_size] of a bank, ascending */
    uint16_t *slot; /* [bank_size] where a column stands in `column`, + 1; 0: nowhere */
};

static size_t slot_at(const struct spacc_csb *m, size_t row, size_t j, size_t bank)
{
    return (row * m->k + j) * m->banks + bank;
}

static int weight_at(const struct spacc_csb *m, size_t slot)
{
    return m->type == SPACC_CSB_I8 ? ((const int8_t *)m->value)[slot]
                                   : ((const int16_t *)m->value)[slot];
}

static void put_weight(struct spacc_csb *m, size_t slot, int weight)
{
    if (m->type == SPACC_CSB_I8)
        ((int8_t *)m->value)[slot] = (int8_t)weight;
    else
        ((int16_t *)m->value)[slot] = (int16_t)weight;
}

/* Columns of a bank that any row of the group keeps. Returns how many. */
static size_t find_columns(struct group *g, size_t bank)
{
    const struct spacc_csb *m = g->from;
    size_t found = 0;

    memset(g->slot, 0, m->bank_size * sizeof(*g->slot));
    for (size_t row = g->row; row < g->end; row += g->stride)
        for (size_t j = 0; j < m->k; j++)
            if (weight_at(m, slot_at(m, row, j, bank)))
                g->slot[m->index[slot_at(m, row, j, bank)]] = 1;
    for (size_t c = 0; c < m->bank_size; c++)
        if (g->slot[c]) {
            g->column[found++] = (uint16_t)c;
            g->slot[c] = (uint16_t)found;
        }
    return found;
}

static void fill_bank(struct spacc_csb *to, const struct group *g, size_t bank, size_t found)
{
    const struct spacc_csb *m = g->from;
    const uint16_t last = found ? g->column[found - 1] : 0;

    for (size_t row = g->row; row < g->end; row += g->stride) {
        for (size_t j = 0; j < to->k; j++)
            to->index[slot_at(to, row, j, bank)] = j < found ? g->column[j] : last;
        for (size_t j = 0; j < m->k; j++) {
            const size_t from = slot_at(m, row, j, bank);
            if (weight_at(m, from))
                put_weight(to, slot_at(to, row, g->slot[m->index[from]] - 1u, bank),
                           weight_at(m, from));
        }
    }
}

/* The group that begins at or behind the next row; false: there is none. Blocks of rows_shared
 * times stride rows hold `stride` groups each. */
static bool next_group(struct group *g, size_t rows_shared)
{
    const size_t block = rows_shared * g->stride;

    g->row = g->end == 0 ? 0 : g->row + 1;
    if (g->row % block >= g->stride)
        g->row += block - g->row % block;
    g->end = g->row / block * block + block;
    if (g->end > g->from->rows)
        g->end = g->from->rows;
    return g->row < g->from->rows;
}

static struct spacc_csb *make(const struct spacc_csb *m, struct group *g, size_t rows_shared)
{
    const size_t width = m->type == SPACC_CSB_I8 ? 1 : 2;
    struct spacc_csb *to = calloc(1, sizeof(*to));

    if (!to)
        return NULL;
    *to = *m;
    to->k = 0;
    for (g->end = 0; next_group(g, rows_shared);)
        for (size_t bank = 0; bank < m->banks; bank++) {
            const size_t found = find_columns(g, bank);
            to->k = found > to->k ? found : to->k;
        }
    to->value = calloc(m->rows * to->k * m->banks + 1, width);
    to->index = calloc(m->rows * to->k * m->banks + 1, sizeof(*to->index));
    to->scale = malloc(m->rows * sizeof(*to->scale));
    if (!to->value || !to->index || !to->scale) {
        spacc_csb_free(to);
        return NULL;
    }
    memcpy(to->scale, m->scale, m->rows * sizeof(*to->scale));
    for (g->end = 0; next_group(g, rows_shared);)
        for (size_t bank = 0; bank < m->banks; bank++)
            fill_bank(to, g, bank, find_columns(g, bank));
    return to;
}

enum spacc_status spacc_csb_share(struct spacc_csb **out, const struct spacc_csb *m,
                                  size_t stride, size_t rows_shared, struct spacc_error *err)
{
    struct group g = {.from = m, .stride = stride};

    *out = NULL;
    if (m->type == SPACC_CSB_F32 || stride == 0 || stride > m->rows || rows_shared == 0 ||
        rows_shared > m->rows)
        return spacc_fail(err, SPACC_EINVAL,
                          "%zu rows of %s weights cannot share columns in groups of %zu rows "
                          "%zu apart",
                          m->rows, m->type == SPACC_CSB_F32 ? "float" : "integer", rows_shared,
                          stride);
    g.column = calloc(m->bank_size, sizeof(*g.column));
    g.slot = calloc(m->bank_size, sizeof(*g.slot));
    if (g.column && g.slot)
        *out = make(m, &g, rows_shared);
    free(g.column);
    free(g.slot);
    return *out ? SPACC_OK
                : spacc_fail(err, SPACC_ENOMEM, "out of memory sharing columns of %zu rows",
                             m->rows);
}
