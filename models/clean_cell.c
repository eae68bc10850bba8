/* LSTM and GRU cells written out. The search starts at the last node, the one that makes h, and
 * tries every order of the operands on the way up.
 *
 *   LSTM   h' = o * Tanh(c')      c' = f * c + i * g
 *   GRU    h' = z * h + (1 - z) * n    or n + z * (h - n), or with z the other way round
 *
 * i, o, f, z, r are Sigmoid and g, n are Tanh of sums of products of x and h with constants. */
#include <stdlib.h>
#include <string.h>

#include "models/clean_cell.h"
#include "models/op.h"

static struct spacc_node *maker(const struct spacc_cell *m, int value)
{
    return spacc_clean_maker(m->c, value);
}

static const struct spacc_clean_shape *shape(const struct spacc_cell *m, int value)
{
    return spacc_clean_shape_of(m->c, value);
}

/* ---- checks of a cell that has been taken apart ---- */

static int reads_of(const struct spacc_node *n, int value)
{
    int count = 0;

    for (int i = 0; i < n->inputs; i++)
        count += n->input[i] == value;
    return count;
}

/* Nobody outside reads what the cell makes on the way. */
static bool is_closed(const struct spacc_cell *m)
{
    const struct spacc_graph *g = m->c->g;

    for (int n = 0; n < m->marks; n++) {
        for (int o = 0; m->mark[n] && o < g->node[n].outputs; o++) {
            const int v = g->node[n].output[o];
            int inside = 0;
            if (v < 0 || v == m->h_new || v == m->c_new)
                continue;
            for (int k = 0; k < m->marks; k++)
                inside += m->mark[k] ? reads_of(&g->node[k], v) : 0;
            if (inside != m->c->readers[v])
                return false;
        }
    }
    return true;
}

/* Every product of gate g is with x or h; *has_x, *has_h tell which there are. */
static bool sources_of(const struct spacc_cell *m, int g, bool *has_x, bool *has_h)
{
    *has_x = *has_h = false;
    for (int k = 0; k < m->gate[g].pieces; k++) {
        const int source = m->gate[g].piece[k].source;
        *has_x = *has_x || source == m->x;
        *has_h = *has_h || source == m->h;
        if (source >= 0 && source != m->x && source != m->h)
            return false;
    }
    return true;
}

/* The gate is a sum over x and h (want: 1 x, 2 h, 3 both). */
static bool gate_fits(const struct spacc_cell *m, int g, int want)
{
    bool has_x, has_h;

    return sources_of(m, g, &has_x, &has_h) && has_x + 2 * has_h == want;
}

/* x [N,I], h [N,H], c [N,H], float, and the same N. */
static bool shapes_fit(struct spacc_cell *m)
{
    const struct spacc_clean_shape *x = shape(m, m->x), *h = shape(m, m->h);

    if (x->rank != 2 || h->rank != 2 || x->dtype != SPACC_F32 || h->dtype != SPACC_F32 ||
        x->dims[1] < 1 || h->dims[1] != m->hidden ||
        !spacc_clean_same_dim(x->dims[0], h->dims[0]))
        return false;
    m->inputs = x->dims[1];
    return !m->lstm || spacc_clean_same_shape(h, shape(m, m->state));
}

static void start(struct spacc_cell *m, int h_new)
{
    memset(m->mark, 0, (size_t)m->marks * sizeof(*m->mark));
    memset(m->gate, 0, sizeof(m->gate));
    m->h_new = h_new;
    m->c_new = m->x = m->h = m->state = m->r = -1;
    m->linear_before_reset = false;
    m->hidden = shape(m, h_new)->dims[1];
}

/* ---- LSTM ---- */

/* Where a value comes from, through what only moves or cuts. */
static int root(const struct spacc_cell *m, int value)
{
    static const char *const moves[] = {"Squeeze", "Unsqueeze", "Reshape", "Transpose", "Slice",
                                        "Split",   "Gather",    "Concat",  "Expand",    NULL};

    while (spacc_clean_is_any(maker(m, value), moves) && maker(m, value)->input[0] >= 0)
        value = maker(m, value)->input[0];
    return value;
}

/* From the same value, or from two results of one node (the cell of the step before). */
static bool same_root(const struct spacc_cell *m, int a, int b)
{
    const int x = root(m, a), y = root(m, b);
    const struct spacc_node *n = maker(m, x);

    return x == y || (n && n == maker(m, y));
}

/* The two sources of the gates. An LSTM does not tell x from h when both are as wide: h is what
 * comes from where c comes from, else the second one. */
static bool name_sources(struct spacc_cell *m)
{
    int first = -1, second = -1;

    for (int g = 0; g < SPACC_CELL_GATES; g++)
        for (int k = 0; k < m->gate[g].pieces; k++) {
            const int source = m->gate[g].piece[k].source;
            if (source < 0 || source == first || source == second)
                continue;
            if (second >= 0)
                return false;
            *(first < 0 ? &first : &second) = source;
        }
    if (second < 0)
        return false;
    bool swap = shape(m, second)->dims[1] != m->hidden;
    if (!swap && shape(m, first)->dims[1] == m->hidden)
        swap = same_root(m, first, m->state) && !same_root(m, second, m->state);
    m->x = swap ? second : first;
    m->h = swap ? first : second;
    return true;
}

static bool take_gate(struct spacc_cell *m, int g, const char *act, int value)
{
    int64_t col;
    const int before = spacc_cell_before(m, act, value, &col);

    return before >= 0 && spacc_cell_gate(m, g, before, col);
}

enum { GATE_I, GATE_O, GATE_F, GATE_C };

/* Bits of `order` say which operand comes first at each of the four nodes. */
static bool match_lstm(struct spacc_cell *m, const struct spacc_node *last, unsigned order)
{
    const int first = order & 1, swap = order >> 1 & 1, i = order >> 2 & 1, f = order >> 3 & 1;

    start(m, last->output[0]);
    struct spacc_node *tanh = maker(m, last->input[1 - first]);
    if (!spacc_clean_is(tanh, "Tanh"))
        return false;
    m->c_new = tanh->input[0];
    struct spacc_node *sum = maker(m, m->c_new);
    if (!spacc_clean_is(sum, "Add"))
        return false;
    struct spacc_node *keep = maker(m, sum->input[swap]), *add = maker(m, sum->input[1 - swap]);
    if (!spacc_clean_is(keep, "Mul") || !spacc_clean_is(add, "Mul"))
        return false;
    m->state = keep->input[1 - f];
    spacc_cell_mark(m, last);
    spacc_cell_mark(m, tanh);
    spacc_cell_mark(m, sum);
    spacc_cell_mark(m, keep);
    spacc_cell_mark(m, add);
    if (!take_gate(m, GATE_I, "Sigmoid", add->input[i]) ||
        !take_gate(m, GATE_C, "Tanh", add->input[1 - i]) ||
        !take_gate(m, GATE_F, "Sigmoid", keep->input[f]) ||
        !take_gate(m, GATE_O, "Sigmoid", last->input[first]) || !name_sources(m))
        return false;
    for (int g = 0; g < 4; g++)
        if (!gate_fits(m, g, 3))
            return false;
    return shapes_fit(m) && is_closed(m);
}

/* ---- GRU ---- */

static bool all_ones(const struct spacc_tensor *t)
{
    for (size_t k = 0; t && t->dtype == SPACC_F32 && k < t->count; k++)
        if (((const float *)t->data)[k] != 1.0f)
            return false;
    return t && t->dtype == SPACC_F32 && t->rank <= 2;
}

/* 1 - z: z, else -1. */
static int one_less(struct spacc_cell *m, int value)
{
    struct spacc_node *n = maker(m, value);

    if (!spacc_clean_is(n, "Sub") || !all_ones(spacc_clean_const(m->c, n->input[0])))
        return -1;
    spacc_cell_mark(m, n);
    return n->input[1];
}

/* u * a + (1 - u) * b: u and a in *u, *a. Orders of both products in `order`. */
static bool blend_of_products(struct spacc_cell *m, const struct spacc_node *last,
                              unsigned order, int *u, int *a, int *b)
{
    const int first = order & 1, p = order >> 1 & 1, q = order >> 2 & 1;
    struct spacc_node *left = maker(m, last->input[first]);
    struct spacc_node *right = maker(m, last->input[1 - first]);

    if (!spacc_clean_is(left, "Mul") || !spacc_clean_is(right, "Mul"))
        return false;
    *u = left->input[p];
    *a = left->input[1 - p];
    *b = right->input[1 - q];
    spacc_cell_mark(m, left);
    spacc_cell_mark(m, right);
    return one_less(m, right->input[q]) == *u;
}

/* b + u * (a - b) */
static bool blend_of_difference(struct spacc_cell *m, const struct spacc_node *last,
                                unsigned order, int *u, int *a, int *b)
{
    const int first = order & 1, p = order >> 1 & 1;
    struct spacc_node *right = maker(m, last->input[1 - first]);

    if (!spacc_clean_is(right, "Mul") || (order >> 2 & 1))
        return false;
    struct spacc_node *less = maker(m, right->input[1 - p]);
    if (!spacc_clean_is(less, "Sub") || less->input[1] != last->input[first])
        return false;
    *u = right->input[p];
    *a = less->input[0];
    *b = less->input[1];
    spacc_cell_mark(m, right);
    spacc_cell_mark(m, less);
    return true;
}

/* The only source of a gate besides h. */
static int other_source(const struct spacc_cell *m, int g)
{
    for (int k = 0; k < m->gate[g].pieces; k++)
        if (m->gate[g].piece[k].source >= 0 && m->gate[g].piece[k].source != m->h)
            return m->gate[g].piece[k].source;
    return -1;
}

static bool gru_gates(struct spacc_cell *m, int z, int n)
{
    if (!take_gate(m, SPACC_GRU_H, "Tanh", n) || m->r < 0 ||
        !take_gate(m, SPACC_GRU_Z, "Sigmoid", z) || !take_gate(m, SPACC_GRU_R, "Sigmoid", m->r))
        return false;
    m->x = other_source(m, SPACC_GRU_Z);
    return m->x >= 0 && gate_fits(m, SPACC_GRU_Z, 3) && gate_fits(m, SPACC_GRU_R, 3) &&
           gate_fits(m, SPACC_GRU_H, 1) && gate_fits(m, SPACC_GRU_RH, 2);
}

typedef bool (*blend_fn)(struct spacc_cell *m, const struct spacc_node *last, unsigned order,
                         int *u, int *a, int *b);

/* The Tanh side of u * a + (1 - u) * b is n, the other one h. */
static bool match_gru(struct spacc_cell *m, const struct spacc_node *last, unsigned order)
{
    static const blend_fn blends[] = {blend_of_products, blend_of_difference};
    const bool turned = order >> 3 & 1;
    int u, a, b;

    start(m, last->output[0]);
    spacc_cell_mark(m, last);
    if (!blends[order >> 4 & 1](m, last, order, &u, &a, &b))
        return false;
    m->h = turned ? b : a;
    m->gate[SPACC_GRU_Z].negated = turned;
    return gru_gates(m, u, turned ? a : b) && shapes_fit(m) && is_closed(m);
}

/* ---- the search ---- */

static bool match(struct spacc_cell *m, const struct spacc_node *last)
{
    m->lstm = spacc_clean_is(last, "Mul");
    if ((!m->lstm && !spacc_clean_is(last, "Add")) || last->outputs != 1 ||
        shape(m, last->output[0])->rank != 2 || shape(m, last->output[0])->dims[1] < 1)
        return false;
    for (unsigned order = 0; order < 64; order++) {
        m->joined = order >> 5 & 1;
        if (m->lstm ? match_lstm(m, last, order) : match_gru(m, last, order))
            return true;
    }
    return false;
}

enum spacc_status spacc_clean_cell(struct spacc_clean *c)
{
    struct spacc_cell m = {.c = c, .marks = c->g->nodes};
    enum spacc_status s = SPACC_OK;

    m.mark = calloc((size_t)m.marks + 1, sizeof(*m.mark));
    if (!m.mark)
        return spacc_clean_no_memory(c);
    for (int n = 0; n < m.marks && !s; n++) {
        if (!c->g->node[n].op || !match(&m, &c->g->node[n]))
            continue;
        s = spacc_cell_make(&m);
        c->report->cells++;
    }
    free(m.mark);
    return s ? s : spacc_clean_sort(c);
}
