/* The input of an activation taken apart: products with constant weights, and biases. */
#include <string.h>

#include "models/clean_cell.h"
#include "models/op.h"

void spacc_cell_mark(struct spacc_cell *m, const struct spacc_node *n)
{
    m->mark[n - m->c->g->node] = true;
}

static int64_t width(const struct spacc_cell *m, int value)
{
    const struct spacc_clean_shape *s = spacc_clean_shape_of(m->c, value);

    return s->rank == 2 ? s->dims[1] : -1;
}

static bool is_float(const struct spacc_tensor *t)
{
    return t && t->dtype == SPACC_F32;
}

/* ---- parts of a wider value ---- */

static bool last_axis(int64_t axis)
{
    return axis == 1 || axis == -1; /* of rank 2 */
}

/* Split: where output `value` starts in the input. */
static int64_t split_start(const struct spacc_cell *m, const struct spacc_node *n, int value)
{
    int64_t start = 0;

    if (!last_axis(spacc_node_int(n, "axis", 0)))
        return -1;
    for (int o = 0; o < n->outputs && n->output[o] != value; o++) {
        const int64_t wide = n->output[o] < 0 ? -1 : width(m, n->output[o]);
        if (wide < 0 || wide > (int64_t)1 << 40)
            return -1;
        start += wide;
    }
    return start;
}

/* `value` as a part of a wider one: the wider one and where it starts, else -1. */
static int part_of(struct spacc_cell *m, int value, int64_t *start)
{
    struct spacc_node *n = spacc_clean_maker(m->c, value);
    int64_t size;
    int axis;

    *start = -1;
    if (spacc_clean_is(n, "Split"))
        *start = split_start(m, n, value);
    else if (spacc_clean_is(n, "Slice") &&
             (!spacc_clean_slice(m->c, n, &axis, start, &size) || axis != 1))
        *start = -1;
    if (*start < 0 || width(m, n->input[0]) < 0)
        return -1;
    spacc_cell_mark(m, n);
    return n->input[0];
}

int spacc_cell_before(struct spacc_cell *m, const char *act, int value, int64_t *col)
{
    struct spacc_node *n = spacc_clean_maker(m->c, value);
    int64_t start = 0;

    *col = 0;
    if (!spacc_clean_is(n, act)) {
        const int wide = part_of(m, value, &start);
        n = spacc_clean_maker(m->c, wide);
    }
    if (!spacc_clean_is(n, act))
        return -1;
    spacc_cell_mark(m, n);
    *col = start;
    return n->input[0];
}

/* ---- pieces ---- */

static bool add_piece(struct spacc_cell *m, int g, struct spacc_cell_piece p)
{
    struct spacc_cell_gate *gate = &m->gate[g];

    if (gate->pieces == SPACC_CELL_PIECES)
        return false;
    gate->piece[gate->pieces++] = p;
    return true;
}

/* A constant added to columns col.. of something `wide` columns wide. */
static bool add_bias(struct spacc_cell *m, int g, int value, int64_t col, int64_t wide,
                     double factor)
{
    const struct spacc_tensor *t = spacc_clean_const(m->c, value);

    if (!is_float(t) || t->rank > 2)
        return false;
    if (t->count != 1 && ((int64_t)t->count != wide || t->dims[t->rank - 1] != wide))
        return false;
    return add_piece(m, g,
                     (struct spacc_cell_piece){.source = -1,
                                               .weights = value,
                                               .w = t,
                                               .col0 = t->count == 1 ? -1 : col,
                                               .alpha = factor});
}

/* r * h as the source of a GRU's candidate: h with weights that r multiplies before. */
static bool reset_source(struct spacc_cell *m, int *g, int *source)
{
    struct spacc_node *n = spacc_clean_maker(m->c, *source);

    if (m->lstm || *g != SPACC_GRU_H || !spacc_clean_is(n, "Mul") || *source == m->h)
        return true;
    for (int k = 0; k < 2; k++) {
        if (n->input[k] != m->h || (m->r >= 0 && m->r != n->input[1 - k]))
            continue;
        m->r = n->input[1 - k];
        m->linear_before_reset = false;
        spacc_cell_mark(m, n);
        *g = SPACC_GRU_RH;
        *source = m->h;
        return true;
    }
    return true;
}

/* One source, or the parts of a Concat of them. */
static bool add_product(struct spacc_cell *m, int g, struct spacc_cell_piece p)
{
    struct spacc_node *n = spacc_clean_maker(m->c, p.source);
    const int whole = p.source;

    if (!spacc_clean_is(n, "Concat") || !last_axis(spacc_node_int(n, "axis", 0)) ||
        p.source == m->h || !m->joined) {
        if (!reset_source(m, &g, &p.source))
            return false;
        p.rows = width(m, whole);
        return p.rows > 0 && add_piece(m, g, p);
    }
    spacc_cell_mark(m, n);
    for (int i = 0; i < n->inputs; i++) {
        int gate = g;
        p.source = n->input[i];
        p.rows = width(m, p.source);
        if (p.rows <= 0 || p.row0 + p.rows > width(m, whole) ||
            !reset_source(m, &gate, &p.source) || !add_piece(m, gate, p))
            return false;
        p.row0 += p.rows;
    }
    return true;
}

static bool add_matmul(struct spacc_cell *m, int g, const struct spacc_node *n, int64_t col)
{
    const bool gemm = spacc_clean_is(n, "Gemm");
    const struct spacc_tensor *w = spacc_clean_const(m->c, n->input[1]);
    const int bias = spacc_clean_in(n, 2);
    struct spacc_cell_piece p = {
        .source = n->input[0], .weights = n->input[1], .w = w, .col0 = col, .alpha = 1.0};

    if (!is_float(w) || w->rank != 2 || (gemm && spacc_node_int(n, "transA", 0)))
        return false;
    if (gemm) {
        p.turned = spacc_node_int(n, "transB", 0) != 0;
        p.alpha = (double)spacc_node_float(n, "alpha", 1.0f);
    }
    if (width(m, p.source) != w->dims[p.turned ? 1 : 0] ||
        col + m->hidden > w->dims[p.turned ? 0 : 1])
        return false;
    if (bias >= 0 && !add_bias(m, g, bias, col, w->dims[p.turned ? 0 : 1],
                               (double)spacc_node_float(n, "beta", 1.0f)))
        return false;
    return add_product(m, g, p);
}

/* r * (h . R + b), added to the rest of a GRU's candidate. */
static bool add_reset(struct spacc_cell *m, int g, const struct spacc_node *n, int64_t col)
{
    if (m->lstm || g != SPACC_GRU_H || m->r >= 0 || col != 0)
        return false;
    for (int k = 0; k < 2; k++) {
        const struct spacc_node *r = spacc_clean_maker(m->c, n->input[k]);
        const struct spacc_node *split =
            r && !spacc_clean_is(r, "Sigmoid") ? spacc_clean_maker(m->c, r->input[0]) : r;
        if (!spacc_clean_is(split, "Sigmoid") || width(m, n->input[1 - k]) != m->hidden)
            continue;
        m->r = n->input[k];
        m->linear_before_reset = true;
        return spacc_cell_gate(m, SPACC_GRU_RH, n->input[1 - k], 0);
    }
    return false;
}

static bool add_sum(struct spacc_cell *m, int g, const struct spacc_node *n, int64_t col,
                    int64_t wide)
{
    for (int i = 0; i < 2; i++) {
        const bool constant = spacc_clean_const(m->c, n->input[i]) != NULL;
        if (constant && !add_bias(m, g, n->input[i], col, wide, 1.0))
            return false;
        if (!constant &&
            (width(m, n->input[i]) != wide || !spacc_cell_gate(m, g, n->input[i], col)))
            return false;
    }
    return true;
}

static bool take_sum(struct spacc_cell *m, int g, int value, const struct spacc_node *n,
                     int64_t col)
{
    int64_t start;

    if (spacc_clean_is(n, "Add"))
        return add_sum(m, g, n, col, width(m, value));
    if (spacc_clean_is(n, "MatMul") || spacc_clean_is(n, "Gemm"))
        return add_matmul(m, g, n, col);
    if (spacc_clean_is(n, "Mul"))
        return add_reset(m, g, n, col);
    const int from = part_of(m, value, &start);
    return from >= 0 && spacc_cell_gate(m, g, from, col + start);
}

bool spacc_cell_gate(struct spacc_cell *m, int g, int value, int64_t col)
{
    const int64_t wide = width(m, value);
    const struct spacc_node *n = spacc_clean_maker(m->c, value);

    if (!n || wide < 0 || col + m->hidden > wide || m->depth == SPACC_CELL_DEPTH)
        return false;
    spacc_cell_mark(m, n);
    m->depth++;
    const bool good = take_sum(m, g, value, n, col);
    m->depth--;
    return good;
}
