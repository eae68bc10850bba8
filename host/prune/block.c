#include "host/prune/block.h"

#include <stdlib.h>
#include <string.h>

#include "models/op.h"

/* ---- readers ----------------------------------------------------------------- */

static int reads_of(const struct spacc_node *n, int value)
{
    int some[64], *list = some, hits = 0;
    const int reads = spacc_node_reads(n, NULL, 0);

    if (reads > 64 && !(list = calloc((size_t)reads, sizeof(*list))))
        return 2; /* as if others read it, which is safe */
    spacc_node_reads(n, list, reads);
    for (int i = 0; i < reads; i++)
        hits += list[i] == value;
    if (list != some)
        free(list);
    return hits;
}

int spacc_value_readers(const struct spacc_graph *g, int value)
{
    int readers = 0;

    for (int n = 0; n < g->nodes; n++)
        readers += reads_of(&g->node[n], value);
    for (int o = 0; o < g->outputs; o++)
        readers += g->output[o] == value;
    return readers;
}

/* ---- biases ------------------------------------------------------------------ */

/* A float constant of `count` elements that nobody else reads. */
static bool own_floats(const struct spacc_graph *g, int value, size_t count)
{
    const struct spacc_tensor *t = value < 0 ? NULL : spacc_prune_constant(g, value);

    return t && t->dtype == SPACC_F32 && t->count == count &&
           spacc_value_readers(g, value) == 1;
}

/* Input `i` of a node, or -1. */
static int input_of(const struct spacc_node *n, int i)
{
    return i < n->inputs ? n->input[i] : -1;
}

/* Gemm: C, where nothing is scaled and it is a row. */
static int gemm_bias(const struct spacc_graph *g, const struct spacc_node *n, size_t rows)
{
    const int c = input_of(n, 2);

    if (spacc_node_float(n, "alpha", 1.0F) != 1.0F ||
        spacc_node_float(n, "beta", 1.0F) != 1.0F || !own_floats(g, c, rows))
        return -1;
    const struct spacc_tensor *t = spacc_prune_constant(g, c);
    return t->rank > 0 && t->dims[t->rank - 1] == (int64_t)rows ? c : -1;
}

/* The constant row that an Add behind a MatMul adds. */
static int matmul_bias(const struct spacc_graph *g, const struct spacc_node *n, size_t rows)
{
    if (n->output[0] < 0 || spacc_value_readers(g, n->output[0]) != 1)
        return -1;
    for (int i = 0; i < g->nodes; i++) {
        const struct spacc_node *add = &g->node[i];
        if (strcmp(add->op->name, "Add") || reads_of(add, n->output[0]) != 1)
            continue;
        const int c = add->input[add->input[0] == n->output[0]];
        if (!own_floats(g, c, rows))
            return -1;
        const struct spacc_tensor *t = spacc_prune_constant(g, c);
        return t->rank > 0 && t->dims[t->rank - 1] == (int64_t)rows ? c : -1;
    }
    return -1;
}

static int find_bias(const struct spacc_graph *g, const struct spacc_prune_matrix *m)
{
    const struct spacc_node *n = m->node;
    const size_t sides = m->kind < SPACC_KIND_X ? 1 : (size_t)m->init->dims[0];

    if (m->kind >= SPACC_KIND_X)
        return own_floats(g, input_of(n, 3), sides * 2 * m->rows) ? input_of(n, 3) : -1;
    if (m->kind == SPACC_KIND_CONV)
        return own_floats(g, input_of(n, 2), m->rows) ? input_of(n, 2) : -1;
    return strcmp(n->op->name, "Gemm") ? matmul_bias(g, n, m->rows) : gemm_bias(g, n, m->rows);
}

enum { NO_BIAS = -1 };

/* Of the sums of W and R, of W alone, of R alone. */
static void set_bias(struct spacc_prune_block *b, const struct spacc_graph *g)
{
    const struct spacc_prune_matrix *m = b->part[0] ? b->part[0] : b->part[1];

    b->bias = find_bias(g, m);
    b->bias_at = b->bias_r_at = b->first_row;
    if (m->kind < SPACC_KIND_X)
        return;
    b->bias_at = m->direction * 2 * m->rows + b->first_row;
    b->bias_r_at = b->bias_at + m->rows;
}

/* ---- blocks ------------------------------------------------------------------ */

struct blocks {
    struct spacc_prune_block *at;
    size_t count;
    const struct spacc_graph *g;
};

static void add(struct blocks *to, const struct spacc_prune_matrix *x,
                const struct spacc_prune_matrix *h, struct spacc_prune_block b)
{
    if (!x && !h)
        return;
    b.part[0] = x;
    b.part[1] = h;
    b.cols = (x ? x->cols : 0) + (h ? h->cols : 0);
    b.direction = x ? x->direction : h->direction;
    set_bias(&b, to->g);
    to->at[to->count++] = b;
}

/* Biases of rows whose parts stand apart: that of W goes with x, that of R with h. */
static void add_apart(struct blocks *to, const struct spacc_prune_matrix *x,
                      const struct spacc_prune_matrix *h, struct spacc_prune_block b,
                      bool linear)
{
    const size_t first = to->count;

    add(to, x, NULL, (struct spacc_prune_block){.first_row = b.first_row, .rows = b.rows});
    if (x && linear)
        to->at[first].bias_r_at = to->at[first].bias_at;
    if (!h)
        return;
    add(to, NULL, h, b);
    struct spacc_prune_block *last = &to->at[to->count - 1];
    if (linear)
        last->bias_at = last->bias_r_at;
    else
        last->bias = NO_BIAS; /* both are added to the x part */
}

static void add_recurrent(struct blocks *to, const struct spacc_prune_matrix *x,
                          const struct spacc_prune_matrix *h, bool apart)
{
    const struct spacc_prune_matrix *m = x ? x : h;
    const bool gru = m && !strcmp(m->node->op->name, "GRU");
    const bool linear = m && spacc_node_int(m->node, "linear_before_reset", 0) != 0;

    if (!m)
        return;
    const size_t units = m->rows / (gru ? 3 : 4);
    struct spacc_prune_block b = {.rows = gru ? 2 * units : m->rows};
    add(to, x, h, b);
    if (!gru)
        return;
    b = (struct spacc_prune_block){.first_row = 2 * units, .rows = units, .reset = !linear};
    if (linear || apart)
        add_apart(to, x, h, b, linear);
    else
        add(to, x, h, b);
}

static const struct spacc_prune_matrix *pick(const struct spacc_prune_matrix *m,
                                             const bool *use, size_t count,
                                             enum spacc_prune_kind kind, size_t direction)
{
    for (size_t i = 0; i < count; i++)
        if (use[i] && m[i].kind == kind && m[i].direction == direction)
            return &m[i];
    return NULL;
}

static void add_groups(struct blocks *to, const struct spacc_prune_matrix *m)
{
    const size_t rows = m->rows / m->groups;

    for (size_t i = 0; i < m->groups; i++)
        add(to, m, NULL,
            (struct spacc_prune_block){.group = i, .first_row = i * rows, .rows = rows});
}

enum spacc_status spacc_prune_blocks(struct spacc_prune_block **out, size_t *blocks,
                                     const struct spacc_graph *g,
                                     const struct spacc_prune_matrix *m, const bool *use,
                                     size_t count, bool apart, struct spacc_error *err)
{
    const size_t groups = count && use[0] && !m[0].why ? m[0].groups : 1;
    struct blocks to = {.g = g};

    *blocks = 0;
    *out = to.at = calloc(SPACC_PRUNE_BLOCKS_MAX + groups, sizeof(*to.at));
    if (!to.at)
        return spacc_fail(err, SPACC_ENOMEM, "%s: out of memory", g->file);
    if (count && use[0] && m[0].kind < SPACC_KIND_X)
        add_groups(&to, &m[0]);
    for (size_t d = 0; d < 2; d++)
        add_recurrent(&to, pick(m, use, count, SPACC_KIND_X, d),
                      pick(m, use, count, SPACC_KIND_H, d), apart);
    *blocks = to.count;
    return SPACC_OK;
}

/* ---- contents ---------------------------------------------------------------- */

static size_t element(const struct spacc_prune_block *b, const struct spacc_prune_matrix *m,
                      size_t row)
{
    return m->first + (b->first_row + row) * m->row_step;
}

void spacc_prune_block_get(const struct spacc_prune_block *b, int part, float *dense,
                           size_t stride)
{
    const struct spacc_prune_matrix *m = b->part[part];
    const float *from = m->init->data;

    for (size_t r = 0; r < b->rows; r++)
        for (size_t c = 0; c < m->cols; c++)
            dense[r * stride + c] = from[element(b, m, r) + c * m->col_step];
}

void spacc_prune_block_put(const struct spacc_prune_block *b, int part, const float *dense,
                           size_t stride, float *to)
{
    const struct spacc_prune_matrix *m = b->part[part];

    for (size_t r = 0; r < b->rows; r++)
        for (size_t c = 0; c < m->cols; c++)
            to[element(b, m, r) + c * m->col_step] = dense[r * stride + c];
}

void spacc_prune_block_bias(const struct spacc_prune_block *b, const struct spacc_graph *g,
                            float *bias)
{
    const float *from = spacc_prune_constant(g, b->bias)->data;

    for (size_t r = 0; r < b->rows; r++)
        bias[r] =
            from[b->bias_at + r] + (b->bias_r_at == b->bias_at ? 0.0F : from[b->bias_r_at + r]);
}

void spacc_prune_block_set_bias(const struct spacc_prune_block *b, const struct spacc_graph *g,
                                const float *bias)
{
    float *to = spacc_prune_constant(g, b->bias)->data;

    for (size_t r = 0; r < b->rows; r++) {
        const float other = b->bias_r_at == b->bias_at ? 0.0F : to[b->bias_r_at + r];
        to[b->bias_at + r] += bias[r] - (to[b->bias_at + r] + other);
    }
}
