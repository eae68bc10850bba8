/* A transpose moved up through elementwise operators, where every way up ends in the transpose
 * that cancels it (or in a constant): then both go. */
#include <stdlib.h>
#include <string.h>

#include "models/clean_parts.h"
#include "models/op.h"
#include "models/ops_util.h"

enum { DEPTH_MAX = 16 };

/* Every output element depends on the elements at its place only, inputs broadcast. */
static const char *const elementwise[] = {
    "Abs",  "Add",   "Cast",    "Ceil",  "Clip",        "Cos",       "Div",
    "Elu",  "Erf",   "Exp",     "Floor", "HardSigmoid", "Log",       "LeakyRelu",
    "Max",  "Min",   "Mul",     "Neg",   "Not",         "Pow",       "Reciprocal",
    "Relu", "Round", "Sigmoid", "Sign",  "Sin",         "Softplus",  "Softsign",
    "Sqrt", "Sub",   "Sum",     "Tanh",  "Where",       "HardSwish", NULL};

struct push {
    struct spacc_clean *c;
    int rank;
    int perm[SPACC_RANK_MAX]; /* of the transpose below */
    int met;                  /* transposes that cancel it */
};

/* It undoes the transpose below. */
static bool undoes(const struct push *p, const struct spacc_node *n)
{
    int perm[SPACC_RANK_MAX];

    if (!spacc_clean_is(n, "Transpose") || spacc_clean_perm(p->c, n, perm) != p->rank)
        return false;
    for (int d = 0; d < p->rank; d++)
        if (perm[p->perm[d]] != d)
            return false;
    return true;
}

static bool can_push(struct push *p, int value, int depth)
{
    const struct spacc_node *n = spacc_clean_maker(p->c, value);
    const struct spacc_tensor *t = spacc_clean_const(p->c, value);

    if (value < 0)
        return true; /* an input left out */
    if (t)
        return t->rank <= p->rank;
    if (undoes(p, n)) {
        p->met++;
        return true;
    }
    if (!n || depth == DEPTH_MAX || !spacc_clean_is_any(n, elementwise) ||
        p->c->readers[value] != 1 || n->outputs != 1)
        return false;
    for (int i = 0; i < n->inputs; i++)
        if (!can_push(p, n->input[i], depth + 1))
            return false;
    return true;
}

/* The constant as the transpose below would leave it. One element fits anywhere. */
static enum spacc_status turn_constant(struct push *p, int *value)
{
    const struct spacc_tensor *t = spacc_clean_const(p->c, *value);
    int64_t wide[SPACC_RANK_MAX], dims[SPACC_RANK_MAX], own[SPACC_RANK_MAX],
        stride[SPACC_RANK_MAX];
    struct spacc_tensor *turned;

    if (t->count == 1)
        return SPACC_OK;
    for (int d = 0; d < p->rank; d++)
        wide[d] = d < p->rank - t->rank ? 1 : t->dims[d - (p->rank - t->rank)];
    spacc_ops_strides(own, p->rank, wide);
    for (int d = 0; d < p->rank; d++) {
        dims[d] = wide[p->perm[d]];
        stride[d] = own[p->perm[d]];
    }
    if (spacc_tensor_new(&turned, t->dtype, p->rank, dims) != SPACC_OK)
        return spacc_clean_no_memory(p->c);
    spacc_ops_copy(turned->data, t->data, spacc_dtype_bytes(t->dtype), p->rank, dims, stride,
                   0);
    return spacc_clean_value(p->c, value, p->c->g->value[*value].name, "/turned", turned);
}

/* What is known of a value after the transpose. An output of the graph has it already: it was
 * the transpose's. */
static void turn_shape(struct push *p, int value)
{
    const struct spacc_clean_shape old = p->c->shape[value];

    if (spacc_clean_is_output(p->c, value))
        return;
    p->c->g->value[value].rank = -1;
    for (int d = 0; d < old.rank && old.rank == p->rank; d++)
        p->c->shape[value].dims[d] = old.dims[p->perm[d]];
}

/* `*value` as read below the transpose; can_push() has said yes. */
static enum spacc_status push(struct push *p, int *value)
{
    enum spacc_status s = SPACC_OK;

    if (*value < 0)
        return SPACC_OK;
    if (spacc_clean_const(p->c, *value))
        return turn_constant(p, value);
    struct spacc_node *n = spacc_clean_maker(p->c, *value);
    if (undoes(p, n)) {
        *value = n->input[0];
        return SPACC_OK;
    }
    for (int i = 0; i < n->inputs && !s; i++)
        s = push(p, &n->input[i]);
    turn_shape(p, *value);
    return s;
}

static enum spacc_status push_node(struct spacc_clean *c, int n)
{
    const struct spacc_node *node = &c->g->node[n];
    struct push p = {.c = c};

    if (!spacc_clean_is(node, "Transpose"))
        return SPACC_OK;
    p.rank = spacc_clean_perm(c, node, p.perm);
    const int from = spacc_clean_in(node, 0);
    const struct spacc_node *above = spacc_clean_maker(c, from);
    if (p.rank < 0 || !spacc_clean_is_any(above, elementwise) || !can_push(&p, from, 0) ||
        p.met == 0)
        return SPACC_OK;
    /* taken out first: if it must stay, nothing has changed */
    if (!spacc_clean_bypass(c, n, from))
        return SPACC_OK;
    c->report->moved++;
    int value = above->output[0]; /* the output's name where the bypass gave it that */
    const enum spacc_status s = push(&p, &value);
    spacc_clean_count(c);
    return s;
}

enum spacc_status spacc_clean_push(struct spacc_clean *c)
{
    enum spacc_status s = SPACC_OK;

    for (int n = 0; n < c->g->nodes && !s; n++)
        s = push_node(c, n);
    return s ? s : spacc_clean_sort(c);
}
