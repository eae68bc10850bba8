/* The rules: which nodes a device of layers can run, and what their weights are. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "host/plan_conv.h"
#include "host/plan_parts.h"
#include "models/op.h"

/* Inputs of LSTM and GRU in ONNX's order; of MatMul and Gemm: A, B, C. */
enum { IN_X, IN_W, IN_R, IN_B, IN_LENS, IN_H, IN_C, IN_P };
enum { IN_A, IN_MATRIX, IN_BIAS };

static const struct spacc_node *node_of(const struct spacc_plan_node *n)
{
    return &n->graph->node[n->node];
}

static bool is_lstm(const struct spacc_plan_node *n)
{
    return strcmp(n->op, "LSTM") == 0;
}

static bool is_recurrent(const struct spacc_plan_node *n)
{
    return is_lstm(n) || strcmp(n->op, "GRU") == 0;
}

static bool is_matrix(const struct spacc_plan_node *n)
{
    return strcmp(n->op, "MatMul") == 0 || strcmp(n->op, "Gemm") == 0;
}

bool spacc_rule_reshapes(const char *op)
{
    static const char *const names[] = {"Squeeze", "Unsqueeze", "Reshape", "Transpose",
                                        "Identity"};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(op, names[i]) == 0)
            return true;
    return false;
}

/* ---- without contents -------------------------------------------------------- */

static size_t directions(const struct spacc_node *node)
{
    return strcmp(spacc_node_string(node, "direction", "forward"), "bidirectional") == 0 ? 2
                                                                                         : 1;
}

static const char *activation(const struct spacc_node *node, size_t i, const char *otherwise)
{
    const struct spacc_attr *a = spacc_node_attr(node, "activations");

    return a && i < a->count ? a->strings[i] : otherwise;
}

static bool act_of(const char *name, enum spacc_act *act)
{
    *act = strcasecmp(name, "Relu") == 0 ? SPACC_ACT_RELU : SPACC_ACT_TANH;
    return strcasecmp(name, "Relu") == 0 || strcasecmp(name, "Tanh") == 0;
}

/* Activations of direction d: gates, candidate, and for LSTM output. */
static bool rule_activations(struct spacc_plan_node *n, size_t d)
{
    static const char *const otherwise[] = {"Sigmoid", "Tanh", "Tanh"};
    const size_t acts = is_lstm(n) ? 3 : 2;
    struct spacc_fixed_weights *w = &n->layer[d].weights;
    enum spacc_act *const act[] = {NULL, &w->act_g, &w->act_h};

    for (size_t i = 0; i < acts; i++) {
        const char *name = activation(node_of(n), d * acts + i, otherwise[i]);
        if (i == 0 ? strcasecmp(name, "Sigmoid") == 0 : act_of(name, act[i]))
            continue;
        spacc_plan_refuse(n, "activation %s is not on the card", name);
        return false;
    }
    return true;
}

static bool rule_constant(const struct spacc_plan_graph *pg, struct spacc_plan_node *n,
                          int input, const char *what)
{
    const struct spacc_node *node = node_of(n);

    if (input >= node->inputs || node->input[input] < 0 || pg->constant[node->input[input]])
        return true;
    spacc_plan_refuse(n, "%s not constant", what);
    return false;
}

static void rule_recurrent(const struct spacc_plan_graph *pg, struct spacc_plan_node *n)
{
    const struct spacc_node *node = node_of(n);
    const char *direction = spacc_node_string(node, "direction", "forward");

    n->layers = directions(node);
    n->layout = (int)spacc_node_int(node, "layout", 0);
    for (size_t d = 0; d < n->layers; d++) {
        n->layer[d].reverse = d == 1 || strcmp(direction, "reverse") == 0;
        n->layer[d].weights.cell = is_lstm(n) ? SPACC_CELL_LSTM
                                   : spacc_node_int(node, "linear_before_reset", 0)
                                       ? SPACC_CELL_GRU
                                       : SPACC_CELL_GRU_RESET;
        if (!rule_activations(n, d))
            return;
    }
    if (spacc_node_attr(node, "clip"))
        spacc_plan_refuse(n, "clip is not on the card");
    else if (spacc_node_int(node, "input_forget", 0))
        spacc_plan_refuse(n, "input_forget is not on the card");
    else if (rule_constant(pg, n, IN_W, "input weights are") &&
             rule_constant(pg, n, IN_R, "recurrent weights are") &&
             rule_constant(pg, n, IN_B, "biases are") &&
             rule_constant(pg, n, IN_P, "peepholes are"))
        n->candidate = true;
}

static void rule_matrix(const struct spacc_plan_graph *pg, struct spacc_plan_node *n)
{
    const struct spacc_node *node = node_of(n);

    n->layers = 1;
    n->layer[0].weights.cell = SPACC_CELL_LINEAR;
    if (strcmp(n->op, "Gemm") == 0 && spacc_node_int(node, "transA", 0))
        spacc_plan_refuse(n, "transA is not on the card");
    else if (rule_constant(pg, n, IN_MATRIX, "the right side is") &&
             (strcmp(n->op, "MatMul") == 0 || rule_constant(pg, n, IN_BIAS, "C is")))
        n->candidate = true;
}

void spacc_rule_static(const struct spacc_plan_graph *pg, struct spacc_plan_node *n)
{
    if (is_recurrent(n))
        rule_recurrent(pg, n);
    else if (is_matrix(n))
        rule_matrix(pg, n);
    else
        spacc_plan_reason(n, "%s is not on the card", n->op);
    if (n->candidate)
        spacc_plan_reason(n, "weights are constant");
    else
        n->layers = 0;
}

/* ---- with contents ----------------------------------------------------------- */

static bool all_zero(const struct spacc_tensor *t)
{
    const float *v = t->data;

    for (size_t i = 0; i < t->count; i++)
        if (v[i] != 0.0f)
            return false;
    return true;
}

/* "W[0,3,5]" of element i. */
static void position_text(const struct spacc_tensor *t, size_t i, char *text, size_t room)
{
    size_t used = 0;
    size_t below = t->count;

    text[0] = '\0';
    for (int d = 0; d < t->rank && used < room; d++) {
        below /= (size_t)t->dims[d];
        used += (size_t)snprintf(text + used, room - used, d ? ",%zu" : "%zu",
                                 i / below % (size_t)t->dims[d]);
    }
}

static enum spacc_status check_finite(const struct spacc_plan_node *n, const char *what,
                                      const struct spacc_tensor *t, struct spacc_error *err)
{
    const float *v = t->data;
    char at[128];

    for (size_t i = 0; i < t->count; i++)
        if (!isfinite(v[i])) {
            position_text(t, i, at, sizeof(at));
            return spacc_fail(err, SPACC_EINVAL, "node %s (%s): %s[%s] is %g", n->name, n->op,
                              what, at, (double)v[i]);
        }
    return SPACC_OK;
}

static float *copy_floats(const float *from, size_t count)
{
    float *to = calloc(count + 1, sizeof(*to));

    for (size_t i = 0; to && i < count; i++)
        to[i] = from[i];
    return to;
}

static enum spacc_status name_layer(struct spacc_plan_node *n, size_t d)
{
    const size_t size = strlen(n->name) + sizeof(":reverse");

    if (!(n->layer[d].name = malloc(size)))
        return SPACC_ENOMEM;
    snprintf(n->layer[d].name, size, "%s%s", n->name, d ? ":reverse" : "");
    return SPACC_OK;
}

/* Direction d of W [D][gates H][I], R [D][gates H][H], B [D][2 gates H]. */
static enum spacc_status take_direction(struct spacc_plan_node *n, size_t d,
                                        const struct spacc_tensor *const *in)
{
    struct spacc_plan_layer *l = &n->layer[d];
    const size_t rows = (size_t)in[IN_W]->dims[1], cols = (size_t)in[IN_W]->dims[2];
    const size_t hidden = (size_t)in[IN_R]->dims[2];
    const float *b = in[IN_B] ? (const float *)in[IN_B]->data + d * 2 * rows : NULL;

    l->w = copy_floats((const float *)in[IN_W]->data + d * rows * cols, rows * cols);
    l->r = copy_floats((const float *)in[IN_R]->data + d * rows * hidden, rows * hidden);
    l->b_w = b ? copy_floats(b, rows) : NULL;
    l->b_r = b ? copy_floats(b + rows, rows) : NULL;
    if (!l->w || !l->r || (b && (!l->b_w || !l->b_r)))
        return SPACC_ENOMEM;
    l->weights.units = hidden;
    l->weights.x_cols = cols;
    l->weights.w = l->w;
    l->weights.r = l->r;
    l->weights.b_w = l->b_w;
    l->weights.b_r = l->b_r;
    return name_layer(n, d);
}

static enum spacc_status take_recurrent(struct spacc_plan_node *n,
                                        const struct spacc_tensor *const *in,
                                        struct spacc_error *err)
{
    enum spacc_status s;

    if (is_lstm(n) && in[IN_P] && !all_zero(in[IN_P])) {
        spacc_plan_refuse(n, "peepholes are not on the card");
        return SPACC_OK;
    }
    if ((s = check_finite(n, "W", in[IN_W], err)) ||
        (s = check_finite(n, "R", in[IN_R], err)) ||
        (in[IN_B] && (s = check_finite(n, "B", in[IN_B], err))))
        return s;
    for (size_t d = 0; d < n->layers && !s; d++)
        s = take_direction(n, d, in);
    return s ? spacc_fail(err, s, "node %s: no memory for its weights", n->name) : SPACC_OK;
}

/* Rows of the layer are columns of the right side: w[o][i] = alpha * B[i][o]. */
static void take_matrix_rows(struct spacc_plan_layer *l, const float *b, bool turned,
                             float alpha)
{
    const size_t rows = l->weights.units, cols = l->weights.x_cols;

    for (size_t o = 0; o < rows; o++)
        for (size_t i = 0; i < cols; i++)
            l->w[o * cols + i] = alpha * (turned ? b[o * cols + i] : b[i * rows + o]);
}

/* C of a Gemm: one row, broadcast along it. */
static bool take_bias(struct spacc_plan_node *n, const struct spacc_tensor *c, float beta)
{
    struct spacc_plan_layer *l = &n->layer[0];
    const size_t rows = l->weights.units;
    const bool one_row = c->count == 1 || (c->count == rows && c->rank > 0 &&
                                           c->dims[c->rank - 1] == (int64_t)rows);

    if (!one_row) {
        spacc_plan_refuse(n, "C is not one row");
        return true;
    }
    if (!(l->b_w = calloc(rows, sizeof(float))))
        return false;
    for (size_t o = 0; o < rows; o++)
        l->b_w[o] = beta * ((const float *)c->data)[c->count == 1 ? 0 : o];
    l->weights.b_w = l->b_w;
    return true;
}

static enum spacc_status take_matrix(struct spacc_plan_node *n,
                                     const struct spacc_tensor *const *in,
                                     struct spacc_error *err)
{
    const struct spacc_node *node = node_of(n);
    const bool gemm = strcmp(n->op, "Gemm") == 0;
    const bool turned = gemm && spacc_node_int(node, "transB", 0);
    const struct spacc_tensor *b = in[IN_MATRIX], *c = gemm ? in[IN_BIAS] : NULL;
    struct spacc_plan_layer *l = &n->layer[0];
    enum spacc_status s;

    if (b->rank != 2 || b->count == 0 || in[IN_A]->rank < 1) {
        spacc_plan_refuse(n, "the right side has %d dimensions, the card takes 2", b->rank);
        return SPACC_OK;
    }
    if ((s = check_finite(n, "B", b, err)) || (c && (s = check_finite(n, "C", c, err))))
        return s;
    l->weights.units = (size_t)b->dims[turned ? 0 : 1];
    l->weights.x_cols = (size_t)b->dims[turned ? 1 : 0];
    if (!(l->w = calloc(b->count, sizeof(float))) || name_layer(n, 0))
        return spacc_fail(err, SPACC_ENOMEM, "node %s: no memory for its weights", n->name);
    take_matrix_rows(l, b->data, turned, gemm ? spacc_node_float(node, "alpha", 1.0f) : 1.0f);
    l->weights.w = l->w;
    if (c && !take_bias(n, c, spacc_node_float(node, "beta", 1.0f)))
        return spacc_fail(err, SPACC_ENOMEM, "node %s: no memory for its bias", n->name);
    return SPACC_OK;
}

static bool is_float(const struct spacc_tensor *t)
{
    return !t || t->dtype == SPACC_F32;
}

static enum spacc_status take_weights(struct spacc_plan_node *n,
                                      const struct spacc_tensor *const *in,
                                      struct spacc_error *err)
{
    if (n->conv)
        return spacc_plan_conv_see(n, in, err);
    for (int i = 0; i < node_of(n)->inputs && i < 3; i++)
        if (!is_float(in[i])) {
            spacc_plan_refuse(n, "type is not float32");
            return SPACC_OK;
        }
    return is_matrix(n) ? take_matrix(n, in, err) : take_recurrent(n, in, err);
}

/* ---- ranges and shapes ------------------------------------------------------- */

static void see_range(struct spacc_plan_node *n, const struct spacc_tensor *x)
{
    const float *v = x->data;

    for (size_t i = 0; i < x->count; i++) {
        const float a = fabsf(v[i]);
        if (a > n->x_max && isfinite(a))
            n->x_max = a;
    }
}

/* A Transpose keeps the order when dimensions above 1 stay in their order. */
static void see_transpose(struct spacc_plan_node *n, const struct spacc_tensor *x)
{
    const struct spacc_attr *perm = spacc_node_attr(node_of(n), "perm");
    int64_t last = -1;

    for (int i = 0; i < x->rank; i++) {
        const int64_t from = perm && (size_t)i < perm->count ? perm->ints[i] : x->rank - 1 - i;
        if (from < 0 || from >= x->rank || x->dims[from] == 1)
            continue;
        if (from < last)
            n->keeps_order = false;
        last = from;
    }
}

enum spacc_status spacc_plan_see(struct spacc_plan *p, struct spacc_plan_node *n,
                                 const struct spacc_tensor *const *in, struct spacc_error *err)
{
    enum spacc_status s = SPACC_OK;

    (void)p;
    if (strcmp(n->op, "Transpose") == 0)
        see_transpose(n, in[0]);
    if (n->candidate && !n->seen)
        s = take_weights(n, in, err);
    n->seen = true;
    if (n->candidate && !s)
        see_range(n, in[IN_X]);
    return s;
}
