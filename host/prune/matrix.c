#include "host/prune/matrix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/op.h"

struct list {
    struct spacc_prune_matrix *item;
    size_t count, room;
};

static bool add(struct list *list, const struct spacc_prune_matrix *m)
{
    if (list->count == list->room) {
        const size_t room = list->room ? 2 * list->room : 16;
        struct spacc_prune_matrix *grown = realloc(list->item, room * sizeof(*grown));
        if (!grown)
            return false;
        list->item = grown;
        list->room = room;
    }
    list->item[list->count++] = *m;
    return true;
}

struct spacc_tensor *spacc_prune_constant(const struct spacc_graph *g, int value)
{
    const struct spacc_value *v = &g->value[value];

    if (v->init || v->producer < 0)
        return v->init;
    const struct spacc_node *maker = &g->node[v->producer];
    const struct spacc_attr *a =
        strcmp(maker->op->name, "Constant") ? NULL : spacc_node_attr(maker, "value");
    return a ? a->tensor : NULL;
}

/* Fills value, init and why for input `i` of the node. */
static void look(struct spacc_prune_matrix *m, const struct spacc_graph *g, int i)
{
    m->value = i < m->node->inputs ? m->node->input[i] : -1;
    if (g->parent) {
        m->value = -1;
        m->why = "in a branch of If";
        return;
    }
    m->init = m->value >= 0 ? spacc_prune_constant(g, m->value) : NULL;
    if (!m->init)
        m->why = "not a constant of the file";
    else if (m->init->dtype != SPACC_F32)
        m->why = "not float32";
}

static bool whole(const struct spacc_tensor *t, int rank)
{
    return t->rank == rank && t->count > 0;
}

/* W [D, G*H, I] or R [D, G*H, H]: one matrix a direction. */
static bool add_recurrent(struct list *list, const struct spacc_graph *g, int number, int input,
                          const char *label)
{
    struct spacc_prune_matrix m = {.kind = input == 1 ? SPACC_KIND_X : SPACC_KIND_H,
                                   .node = &g->node[number],
                                   .number = number,
                                   .groups = 1,
                                   .col_step = 1};

    snprintf(m.label, sizeof(m.label), "%s", label);
    look(&m, g, input);
    if (!m.why && !whole(m.init, 3))
        m.why = "not of rank 3";
    if (m.why)
        return add(list, &m);
    m.rows = (size_t)m.init->dims[1];
    m.cols = m.row_step = (size_t)m.init->dims[2];
    for (size_t d = 0; d < (size_t)m.init->dims[0]; d++) {
        m.direction = d;
        m.first = d * m.rows * m.cols;
        if (d == 1)
            snprintf(m.label, sizeof(m.label), "%s backward", label);
        if (!add(list, &m))
            return false;
    }
    return true;
}

/* x B: rows of the product's matrix are the columns of B, unless B is transposed. */
static bool add_product(struct list *list, const struct spacc_graph *g, int number)
{
    const struct spacc_node *n = &g->node[number];
    const bool transposed = spacc_node_int(n, "transB", 0) != 0;
    struct spacc_prune_matrix m = {
        .kind = SPACC_KIND_PRODUCT, .node = n, .number = number, .label = "B", .groups = 1};

    look(&m, g, 1);
    if (!m.why && !whole(m.init, 2))
        m.why = "not of rank 2";
    if (!m.why) {
        const size_t a = (size_t)m.init->dims[0], b = (size_t)m.init->dims[1];
        m.rows = transposed ? a : b;
        m.cols = transposed ? b : a;
        m.row_step = transposed ? b : 1;
        m.col_step = transposed ? 1 : b;
    }
    return add(list, &m);
}

/* [Cout][Cin / group][kernel...]: rows of Cin / group * kernel columns. */
static bool add_conv(struct list *list, const struct spacc_graph *g, int number)
{
    const struct spacc_node *n = &g->node[number];
    const int64_t groups = spacc_node_int(n, "group", 1);
    struct spacc_prune_matrix m = {
        .kind = SPACC_KIND_CONV, .node = n, .number = number, .label = "W", .col_step = 1};

    look(&m, g, 1);
    if (!m.why && (m.init->rank < 3 || m.init->count == 0))
        m.why = "not of rank 3 or more";
    if (!m.why && (groups < 1 || m.init->dims[0] % groups))
        m.why = "not a whole number of rows a group";
    if (!m.why) {
        m.rows = (size_t)m.init->dims[0];
        m.cols = m.row_step = m.init->count / m.rows;
        m.groups = (size_t)groups;
    }
    return add(list, &m);
}

static bool walk(struct list *list, const struct spacc_graph *g);

static bool walk_branches(struct list *list, const struct spacc_node *n)
{
    for (size_t i = 0; i < n->attrs; i++)
        if (n->attr[i].kind == SPACC_ATTR_GRAPH && !walk(list, n->attr[i].graph))
            return false;
    return true;
}

static bool walk(struct list *list, const struct spacc_graph *g)
{
    bool ok = true;

    for (int i = 0; ok && i < g->nodes; i++) {
        const struct spacc_node *n = &g->node[i];
        if (!strcmp(n->op->name, "LSTM") || !strcmp(n->op->name, "GRU"))
            ok = add_recurrent(list, g, i, 1, "W") && add_recurrent(list, g, i, 2, "R");
        else if (!strcmp(n->op->name, "MatMul") || !strcmp(n->op->name, "Gemm"))
            ok = add_product(list, g, i);
        else if (!strcmp(n->op->name, "Conv"))
            ok = add_conv(list, g, i);
        else
            ok = walk_branches(list, n);
    }
    return ok;
}

enum spacc_status spacc_prune_matrices(struct spacc_prune_matrix **list, size_t *count,
                                       const struct spacc_graph *g)
{
    struct list all = {0};

    *list = NULL;
    *count = 0;
    if (!walk(&all, g)) {
        free(all.item);
        return SPACC_ENOMEM;
    }
    *list = all.item;
    *count = all.count;
    return SPACC_OK;
}

void spacc_prune_matrix_get(const struct spacc_prune_matrix *m, const float *from, float *dense)
{
    for (size_t r = 0; r < m->rows; r++)
        for (size_t c = 0; c < m->cols; c++)
            dense[r * m->cols + c] = from[m->first + r * m->row_step + c * m->col_step];
}

void spacc_prune_matrix_put(const struct spacc_prune_matrix *m, const float *dense, float *to)
{
    for (size_t r = 0; r < m->rows; r++)
        for (size_t c = 0; c < m->cols; c++)
            to[m->first + r * m->row_step + c * m->col_step] = dense[r * m->cols + c];
}
