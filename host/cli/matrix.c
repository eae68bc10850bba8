/* matrix.c - finds the weight matrices of a model, for prune and inspect. */
#include <stdlib.h>
#include <string.h>

#include "host/cli/cli.h"
#include "models/op.h"

struct list {
    struct cli_matrix *item;
    size_t count, room;
};

static bool add(struct list *list, const struct cli_matrix *m)
{
    if (list->count == list->room) {
        const size_t room = list->room ? 2 * list->room : 16;
        struct cli_matrix *grown = realloc(list->item, room * sizeof(*grown));
        if (!grown)
            return false;
        list->item = grown;
        list->room = room;
    }
    list->item[list->count++] = *m;
    return true;
}

/* Contents of a constant value: an initialiser or the output of a Constant node. */
static const struct spacc_tensor *contents(const struct spacc_graph *g, int value)
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
static void look(struct cli_matrix *m, const struct spacc_graph *g, int i)
{
    m->value = i < m->node->inputs ? m->node->input[i] : -1;
    if (g->parent) {
        m->value = -1;
        m->why = "in a branch of If";
        return;
    }
    m->init = m->value >= 0 ? contents(g, m->value) : NULL;
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
static bool add_recurrent(struct list *list, const struct spacc_graph *g,
                          const struct spacc_node *n, int input, const char *label)
{
    struct cli_matrix m = {.node = n, .col_step = 1};

    snprintf(m.label, sizeof(m.label), "%s", label);
    look(&m, g, input);
    if (!m.why && !whole(m.init, 3))
        m.why = "not of rank 3";
    if (m.why)
        return add(list, &m);
    m.rows = (size_t)m.init->dims[1];
    m.cols = m.row_step = (size_t)m.init->dims[2];
    for (size_t d = 0; d < (size_t)m.init->dims[0]; d++) {
        m.first = d * m.rows * m.cols;
        if (d == 1)
            snprintf(m.label, sizeof(m.label), "%s backward", label);
        if (!add(list, &m))
            return false;
    }
    return true;
}

/* x B: rows of the product's matrix are the columns of B, unless B is transposed. */
static bool add_product(struct list *list, const struct spacc_graph *g,
                        const struct spacc_node *n)
{
    const bool transposed = spacc_node_int(n, "transB", 0) != 0;
    struct cli_matrix m = {.node = n, .label = "B"};

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
            ok = add_recurrent(list, g, n, 1, "W") && add_recurrent(list, g, n, 2, "R");
        else if (!strcmp(n->op->name, "MatMul") || !strcmp(n->op->name, "Gemm"))
            ok = add_product(list, g, n);
        else
            ok = walk_branches(list, n);
    }
    return ok;
}

enum spacc_status cli_matrices(struct cli_matrix **list, size_t *count,
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

void cli_matrix_get(const struct cli_matrix *m, const float *from, float *dense)
{
    for (size_t r = 0; r < m->rows; r++)
        for (size_t c = 0; c < m->cols; c++)
            dense[r * m->cols + c] = from[m->first + r * m->row_step + c * m->col_step];
}

void cli_matrix_put(const struct cli_matrix *m, const float *dense, float *to)
{
    for (size_t r = 0; r < m->rows; r++)
        for (size_t c = 0; c < m->cols; c++)
            to[m->first + r * m->row_step + c * m->col_step] = dense[r * m->cols + c];
}
