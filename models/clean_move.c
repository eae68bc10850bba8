/* Nodes that change nothing, alone or together with the one before them. */
#include <string.h>

#include "models/clean_parts.h"
#include "models/op.h"

/* What a node that changes nothing makes again: a value, or -1. */
typedef int (*same_fn)(struct spacc_clean *c, const struct spacc_node *n);

/* The results are those of one output only. */
static bool one_result(const struct spacc_clean *c, const struct spacc_node *n)
{
    for (int o = 1; o < n->outputs; o++)
        if (n->output[o] >= 0 && c->readers[n->output[o]] > 0)
            return false;
    return n->outputs > 0 && n->output[0] >= 0;
}

static int same_identity(struct spacc_clean *c, const struct spacc_node *n)
{
    (void)c;
    return spacc_clean_in(n, 0);
}

/* Training mode (an input from opset 12 on) would draw random numbers. */
static int same_dropout(struct spacc_clean *c, const struct spacc_node *n)
{
    const int mode = spacc_clean_in(n, 2);
    const struct spacc_tensor *t = spacc_clean_const(c, mode);

    if (mode >= 0 &&
        !(t && t->dtype == SPACC_BOOL && t->count == 1 && *(const uint8_t *)t->data == 0))
        return -1;
    return spacc_clean_in(n, 0);
}

static int same_cast(struct spacc_clean *c, const struct spacc_node *n)
{
    const int from = spacc_clean_in(n, 0);
    const enum spacc_dtype known = c->shape[from].dtype;

    return known && spacc_node_int(n, "to", SPACC_DTYPE_NONE) == (int64_t)known ? from : -1;
}

/* Of one tensor. */
static int same_one_input(struct spacc_clean *c, const struct spacc_node *n)
{
    (void)c;
    return n->inputs == 1 ? n->input[0] : -1;
}

/* Into one part. A part of another size than the whole fails in the run: keep it. */
static int same_split(struct spacc_clean *c, const struct spacc_node *n)
{
    if (n->outputs != 1 ||
        !spacc_clean_same_shape(spacc_clean_shape_of(c, n->input[0]), &c->shape[n->output[0]]))
        return -1;
    return n->input[0];
}

static int same_pad(struct spacc_clean *c, const struct spacc_node *n)
{
    const struct spacc_tensor *t = spacc_clean_const(c, spacc_clean_in(n, 1));
    const struct spacc_attr *a = spacc_node_attr(n, "pads");
    const size_t count = a ? a->count : t && t->dtype == SPACC_I64 ? t->count : 0;
    const int64_t *pads = a ? a->ints : count ? t->data : NULL;

    for (size_t k = 0; k < count; k++)
        if (pads[k] != 0)
            return -1;
    return count > 0 ? n->input[0] : -1;
}

static int same_expand(struct spacc_clean *c, const struct spacc_node *n)
{
    return spacc_clean_same_shape(spacc_clean_shape_of(c, n->input[0]), &c->shape[n->output[0]])
               ? n->input[0]
               : -1;
}

static const char *const reshapes[] = {"Reshape", "Squeeze", "Unsqueeze", "Flatten", NULL};

/* Squeeze behind Unsqueeze of the same axes, or the other way: both count axes in the larger
 * rank. */
static bool cancel(const struct spacc_clean *c, const struct spacc_node *a,
                   const struct spacc_node *b)
{
    const bool up = spacc_clean_is(a, "Unsqueeze") && spacc_clean_is(b, "Squeeze");
    const bool down = spacc_clean_is(a, "Squeeze") && spacc_clean_is(b, "Unsqueeze");
    int64_t x[SPACC_RANK_MAX], y[SPACC_RANK_MAX];
    const int count = spacc_clean_ints(c, a, "axes", 1, x);

    if ((!up && !down) || count < 1 || count != spacc_clean_ints(c, b, "axes", 1, y))
        return false;
    return memcmp(x, y, (size_t)count * sizeof(*x)) == 0;
}

/* The first value up the chain of shape changes that has the shape of the last one. */
static int same_reshape(struct spacc_clean *c, const struct spacc_node *n)
{
    const struct spacc_clean_shape *to = &c->shape[n->output[0]];

    for (const struct spacc_node *a = n; spacc_clean_is_any(a, reshapes);) {
        const struct spacc_node *before = spacc_clean_maker(c, a->input[0]);
        if (spacc_clean_same_shape(spacc_clean_shape_of(c, a->input[0]), to))
            return a->input[0];
        if (a == n && before && cancel(c, before, n))
            return before->input[0];
        a = before;
    }
    return -1;
}

static int same_transpose(struct spacc_clean *c, const struct spacc_node *n)
{
    const struct spacc_node *a = spacc_clean_maker(c, n->input[0]);
    int p[SPACC_RANK_MAX], q[SPACC_RANK_MAX];
    const int rank = spacc_clean_perm(c, n, q);
    const bool pair =
        spacc_clean_is(a, "Transpose") && rank >= 0 && spacc_clean_perm(c, a, p) == rank;
    bool alone = rank >= 0, both = pair;

    for (int d = 0; d < rank; d++) {
        alone = alone && q[d] == d;
        both = both && p[q[d]] == d;
    }
    return alone ? n->input[0] : both ? a->input[0] : -1;
}

static const struct {
    const char *op;
    same_fn same;
} rules[] = {
    {"Cast", same_cast},         {"Concat", same_one_input}, {"Dropout", same_dropout},
    {"Expand", same_expand},     {"Flatten", same_reshape},  {"Identity", same_identity},
    {"Max", same_one_input},     {"Mean", same_one_input},   {"Min", same_one_input},
    {"Pad", same_pad},           {"Reshape", same_reshape},  {"Split", same_split},
    {"Squeeze", same_reshape},   {"Sum", same_one_input},    {"Transpose", same_transpose},
    {"Unsqueeze", same_reshape},
};

static int same_value(struct spacc_clean *c, const struct spacc_node *n)
{
    if (!n->op || !one_result(c, n) || spacc_clean_in(n, 0) < 0)
        return -1;
    for (size_t k = 0; k < sizeof(rules) / sizeof(*rules); k++)
        if (spacc_clean_is(n, rules[k].op))
            return rules[k].same(c, n);
    return -1;
}

/* ---- two in one ---- */

/* A shape that does not look at the one before it: no 0 that copies a size. */
static bool reshape_stands_alone(const struct spacc_clean *c, const struct spacc_node *n)
{
    int64_t to[SPACC_RANK_MAX];
    const int rank = spacc_clean_ints(c, n, "", 1, to);

    for (int d = 0; d < rank; d++)
        if (to[d] == 0)
            return false;
    return rank >= 0;
}

/* Reshape of a shape change nobody else reads: skip the change. */
static void join_reshape(struct spacc_clean *c, struct spacc_node *n)
{
    struct spacc_node *before = spacc_clean_maker(c, spacc_clean_in(n, 0));

    if (!spacc_clean_is(n, "Reshape") || !spacc_clean_is_any(before, reshapes) ||
        c->readers[n->input[0]] != 1 || !reshape_stands_alone(c, n))
        return;
    const int dropped = c->g->value[n->input[0]].producer;
    n->input[0] = before->input[0];
    spacc_clean_drop(c, dropped);
    spacc_clean_count(c);
    c->report->removed++;
}

/* Transpose of a transpose nobody else reads: both permutations in one. */
static void join_transpose(struct spacc_clean *c, struct spacc_node *n)
{
    struct spacc_node *a = spacc_clean_maker(c, spacc_clean_in(n, 0));
    const struct spacc_attr *perm = spacc_node_attr(n, "perm");
    int p[SPACC_RANK_MAX], q[SPACC_RANK_MAX];

    if (!spacc_clean_is(n, "Transpose") || !spacc_clean_is(a, "Transpose") || !perm ||
        c->readers[n->input[0]] != 1)
        return;
    const int rank = spacc_clean_perm(c, n, q);
    if (rank < 0 || spacc_clean_perm(c, a, p) != rank)
        return;
    for (int d = 0; d < rank; d++)
        perm->ints[d] = p[q[d]];
    const int dropped = c->g->value[n->input[0]].producer;
    n->input[0] = a->input[0];
    spacc_clean_drop(c, dropped);
    spacc_clean_count(c);
    c->report->removed++;
}

enum spacc_status spacc_clean_move(struct spacc_clean *c)
{
    for (int n = 0; n < c->g->nodes; n++) {
        const int same = same_value(c, &c->g->node[n]);
        if (same >= 0 && spacc_clean_bypass(c, n, same)) {
            c->report->removed++;
            continue;
        }
        join_reshape(c, &c->g->node[n]);
        join_transpose(c, &c->g->node[n]);
    }
    return spacc_clean_sort(c);
}
