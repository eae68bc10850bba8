#include "host/prune/trace.h"

#include <stdio.h>
#include <string.h>

#include "host/prune/block.h"
#include "models/op.h"

/* Inputs of LSTM and GRU in ONNX's order. */
enum { IN_X, IN_W, IN_R, IN_B, IN_LENS, IN_H, IN_C, IN_P };

static bool named(const struct spacc_node *n, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(n->op->name, names[i]))
            return true;
    return false;
}

#define NAMED(n, list) named(n, list, sizeof(list) / sizeof(*(list)))

static const char *const recurrent[] = {"LSTM", "GRU"};
static const char *const products[] = {"MatMul", "Gemm"};
/* One element makes one element. */
static const char *const single[] = {
    "Identity", "Dropout",   "Relu", "Tanh",        "Sigmoid",         "LeakyRelu", "Elu",
    "Erf",      "HardSwish", "Gelu", "HardSigmoid", "ThresholdedRelu", "Softplus",  "Clip"};
/* Elements stay in their order. */
static const char *const reshapes[] = {"Squeeze", "Unsqueeze", "Reshape"};
static const char *const pairs[] = {"Add", "Sub", "Mul", "Div"};

bool spacc_trace_makes(const struct spacc_node *n)
{
    return NAMED(n, recurrent) || NAMED(n, products);
}

static void refuse(struct spacc_trace *t, const char *format, const char *name)
{
    if (!t->why[0])
        snprintf(t->why, sizeof(t->why), format, name);
}

/* A float constant that is read once: [.., units, ..] as outer and inner say. */
static void add_axis(struct spacc_trace *t, int value, size_t outer, size_t inner)
{
    const struct spacc_tensor *c = value < 0 ? NULL : spacc_prune_constant(t->g, value);
    const char *name = value < 0 ? "a constant" : t->g->value[value].name;

    if (!c || c->dtype != SPACC_F32 || c->count != outer * t->units * inner)
        refuse(t, "%s is not a float constant of its units", name);
    else if (spacc_value_readers(t->g, value) != 1)
        refuse(t, "%s is read by others too", name);
    else if (t->axes == SPACC_TRACE_MAX)
        refuse(t, "too many weights hang on it%s", "");
    else
        t->axis[t->axes++] = (struct spacc_trace_axis){value, outer, inner};
}

static int input_of(const struct spacc_node *n, int i)
{
    return i < n->inputs ? n->input[i] : -1;
}

/* ---- who reads --------------------------------------------------------------- */

static const struct spacc_tensor *shape_of(const struct spacc_trace *t, int value)
{
    const struct spacc_tensor *s = t->shapes ? &t->shapes->shape[value] : NULL;

    return s && s->dtype != SPACC_DTYPE_NONE && s->rank > 0 ? s : NULL;
}

/* The features are the last axis of this value. */
static bool is_last(const struct spacc_trace *t, int value)
{
    const struct spacc_tensor *s = shape_of(t, value);

    return s && s->dims[s->rank - 1] == (int64_t)t->units;
}

static void trace(struct spacc_trace *t, int value);

static const struct spacc_prune_matrix *matrix_of(const struct spacc_trace *t,
                                                  const struct spacc_node *n)
{
    for (size_t i = 0; i < t->matrices; i++)
        if (t->m[i].node == n && t->m[i].kind != SPACC_KIND_H && !t->m[i].why)
            return &t->m[i];
    return NULL;
}

static void add_reader(struct spacc_trace *t, const struct spacc_prune_matrix *m, int input)
{
    if (t->readers == SPACC_TRACE_MAX)
        refuse(t, "too many nodes read it%s", "");
    else
        t->reader[t->readers++] = (struct spacc_trace_reader){m, input};
}

/* Columns of the matrix that multiplies it. */
static void read_matrix(struct spacc_trace *t, const struct spacc_node *n, int value)
{
    const struct spacc_prune_matrix *m = matrix_of(t, n);

    if (!m || m->cols != t->units || input_of(n, 0) != value ||
        spacc_node_int(n, "transA", 0) != 0) {
        refuse(t, "node %s reads it, not times a constant", n->name);
        return;
    }
    add_axis(t, m->value, m->init->count / m->cols / m->col_step, m->col_step);
    for (size_t i = 0; i < t->matrices; i++) /* of both directions */
        if (t->m[i].node == n && t->m[i].kind == m->kind)
            add_reader(t, &t->m[i], value);
}

/* Add, Mul .. with one number, or with one a feature. */
static void read_pair(struct spacc_trace *t, const struct spacc_node *n, int value)
{
    const int other = n->input[n->input[0] == value];
    const struct spacc_tensor *c = other == value ? NULL : spacc_prune_constant(t->g, other);

    if (!c) {
        refuse(t, "node %s adds or multiplies something to it", n->name);
        return;
    }
    if (c->count != 1) {
        if (c->rank == 0 || c->dims[c->rank - 1] != (int64_t)t->units) {
            refuse(t, "node %s reads it with a constant of another shape", n->name);
            return;
        }
        add_axis(t, other, c->count / t->units, 1);
    }
    trace(t, n->output[0]);
}

static bool keeps_last(const struct spacc_trace *t, const struct spacc_node *n, int value)
{
    const struct spacc_tensor *x = shape_of(t, value);
    const struct spacc_attr *perm = spacc_node_attr(n, "perm");
    const int64_t axis = spacc_node_int(n, "axis", 0);

    if (!x)
        return false;
    if (!strcmp(n->op->name, "Transpose"))
        return perm && perm->count == (size_t)x->rank && perm->ints[x->rank - 1] == x->rank - 1;
    if (!strcmp(n->op->name, "Gather"))
        return input_of(n, 0) == value && input_of(n, 1) != value && axis != -1 &&
               axis != x->rank - 1;
    return NAMED(n, reshapes) && input_of(n, 0) == value;
}

static void read_node(struct spacc_trace *t, const struct spacc_node *n, int value, int times)
{
    if (times > 1)
        refuse(t, "node %s reads it in two ways", n->name);
    else if (spacc_trace_makes(n))
        read_matrix(t, n, value);
    else if (NAMED(n, pairs))
        read_pair(t, n, value);
    else if ((NAMED(n, single) && input_of(n, 0) == value) || keeps_last(t, n, value))
        trace(t, n->output[0]);
    else
        refuse(t, "node %s reads it", n->name);
}

/* How often; twice when it reads more than can be looked at. */
static int reads(const struct spacc_node *n, int value)
{
    int list[SPACC_TRACE_MAX], times = 0;
    const int count = spacc_node_reads(n, list, SPACC_TRACE_MAX);

    for (int i = 0; i < count && i < SPACC_TRACE_MAX; i++)
        times += list[i] == value;
    return count > SPACC_TRACE_MAX ? 2 : times;
}

/* Everything that reads a value whose last axis is the features. */
static void trace(struct spacc_trace *t, int value)
{
    for (size_t i = 0; i < t->seen; i++)
        if (t->value[i] == value)
            return;
    if (t->why[0] || value < 0)
        return;
    if (t->seen == SPACC_TRACE_MAX) {
        refuse(t, "too many nodes read it%s", "");
        return;
    }
    t->value[t->seen++] = value;
    for (int o = 0; o < t->g->outputs; o++)
        if (t->g->output[o] == value)
            refuse(t, "%s is an output of the model", t->g->value[value].name);
    if (!is_last(t, value))
        refuse(t, "the shape of %s is another one, or known only at run time",
               t->g->value[value].name);
    for (int n = 0; n < t->g->nodes && !t->why[0]; n++) {
        const int times = reads(&t->g->node[n], value);
        if (times)
            read_node(t, &t->g->node[n], value, times);
    }
}

/* ---- who makes --------------------------------------------------------------- */

/* The value that holds h: the first output that is read, or -1. */
static int h_of(const struct spacc_trace *t, const struct spacc_node *n)
{
    for (int o = 0; o < n->outputs && o < 2; o++)
        if (n->output[o] >= 0 && spacc_value_readers(t->g, n->output[o]))
            return n->output[o];
    return -1;
}

static void add_states(struct spacc_trace *t, const struct spacc_node *n)
{
    for (int i = IN_H; i <= IN_C && !t->why[0]; i++) {
        const int value = input_of(n, i);
        const struct spacc_tensor *c = value < 0 ? NULL : spacc_prune_constant(t->g, value);
        if (value >= 0 && !c)
            refuse(t, "its state %s is no constant", t->g->value[value].name);
        else if (c)
            add_axis(t, value, c->count / t->units, 1);
    }
}

static void make_recurrent(struct spacc_trace *t, const struct spacc_node *n)
{
    const struct spacc_tensor *w = spacc_prune_constant(t->g, n->input[IN_W]);
    const struct spacc_tensor *r = spacc_prune_constant(t->g, n->input[IN_R]);
    const size_t gates = strcmp(n->op->name, "GRU") ? 4 : 3;

    if (!w || !r || w->rank != 3 || r->rank != 3 || r->dims[2] < 1) {
        refuse(t, "W and R are not constants of the file%s", "");
        return;
    }
    t->units = (size_t)r->dims[2];
    if (r->dims[0] != 1) {
        refuse(t, "it has two directions%s", "");
        return;
    }
    add_states(t, n);
    add_axis(t, n->input[IN_W], gates, (size_t)w->dims[2]);
    add_axis(t, n->input[IN_R], gates, t->units);
    add_axis(t, n->input[IN_R], gates * t->units, 1);
    if (input_of(n, IN_B) >= 0)
        add_axis(t, input_of(n, IN_B), 2 * gates, 1);
    if (input_of(n, IN_P) >= 0)
        add_axis(t, input_of(n, IN_P), 3, 1);
    for (size_t i = 0; i < t->matrices; i++)
        if (t->m[i].node == n && t->m[i].kind == SPACC_KIND_H)
            add_reader(t, &t->m[i], h_of(t, n));
}

/* Gemm's C: one number, or one a feature. */
static void make_product(struct spacc_trace *t, const struct spacc_node *n)
{
    const struct spacc_prune_matrix *m = matrix_of(t, n);
    const int c = strcmp(n->op->name, "Gemm") ? -1 : input_of(n, 2);
    const struct spacc_tensor *add = c < 0 ? NULL : spacc_prune_constant(t->g, c);

    if (!m) {
        refuse(t, "B is not a constant matrix%s", "");
        return;
    }
    t->units = m->rows;
    add_axis(t, m->value, m->init->count / m->rows / m->row_step, m->row_step);
    if (c < 0 || (add && add->count == 1))
        return;
    if (!add || add->rank == 0 || add->dims[add->rank - 1] != (int64_t)m->rows)
        refuse(t, "C is not one constant a feature%s", "");
    else
        add_axis(t, c, add->count / m->rows, 1);
}

void spacc_trace_node(struct spacc_trace *t, int node)
{
    const struct spacc_node *n = &t->g->node[node];

    t->units = t->axes = t->readers = t->seen = 0;
    t->why[0] = '\0';
    if (NAMED(n, recurrent))
        make_recurrent(t, n);
    else
        make_product(t, n);
    for (int o = 0; o < n->outputs; o++)
        trace(t, n->output[o]);
}
