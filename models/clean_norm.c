/* A number per output channel that multiplies, and one that is added, taken into the weights
 * and the bias of the product before them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/clean_parts.h"
#include "models/op.h"

/* A product with constant float weights. */
struct product {
    struct spacc_node *node;
    const struct spacc_tensor *w, *b; /* b may be NULL */
    size_t channels;
    int rank;              /* of the result; of a MatMul 1 when it is not known */
    int behind;            /* axes behind the channels' */
    double beta;           /* factor of b */
    double *scale, *shift; /* by channel: what comes behind */
};

/* ---- the product ---- */

static bool is_float(const struct spacc_tensor *t)
{
    return t && t->dtype == SPACC_F32 && t->count > 0;
}

static bool fill_conv(struct product *p)
{
    const bool back = spacc_clean_is(p->node, "ConvTranspose");
    const int64_t group = spacc_node_int(p->node, "group", 1);

    if (p->w->rank < 3 || group < 1 || (back && p->w->dims[0] % group))
        return false;
    p->rank = p->w->rank;
    p->behind = p->w->rank - 2;
    p->channels = (size_t)(back ? p->w->dims[1] * group : p->w->dims[0]);
    return !p->b || p->b->count == p->channels;
}

static bool fill_matrix(const struct spacc_clean *c, struct product *p)
{
    const bool gemm = spacc_clean_is(p->node, "Gemm");

    if (p->w->rank != 2)
        return false;
    p->rank = gemm ? 2 : spacc_clean_shape_of(c, p->node->input[0])->rank;
    p->rank = p->rank < 1 ? 1 : p->rank;
    p->channels = (size_t)p->w->dims[gemm && spacc_node_int(p->node, "transB", 0) ? 0 : 1];
    p->beta = gemm ? (double)spacc_node_float(p->node, "beta", 1.0f) : 1.0;
    if (!p->b || p->b->count == 1)
        return true;
    return p->b->count == p->channels && p->b->dims[p->b->rank - 1] == (int64_t)p->channels;
}

/* The product that makes `value`, read here only. */
static bool find_product(const struct spacc_clean *c, struct product *p, int value)
{
    static const char *const convs[] = {"Conv", "ConvTranspose", NULL};
    static const char *const matrices[] = {"Gemm", "MatMul", NULL};

    *p = (struct product){.node = spacc_clean_maker(c, value), .beta = 1.0};
    if (!p->node || !p->node->op || c->readers[value] != 1)
        return false;
    const int bias = spacc_clean_in(p->node, 2);
    p->w = spacc_clean_const(c, spacc_clean_in(p->node, 1));
    p->b = spacc_clean_const(c, bias);
    if (!is_float(p->w) || (bias >= 0 && !is_float(p->b)))
        return false;
    if (spacc_clean_is_any(p->node, convs))
        return fill_conv(p);
    return spacc_clean_is_any(p->node, matrices) && fill_matrix(c, p);
}

/* Output channel of element i of the weights. */
static size_t channel_of(const struct product *p, size_t i)
{
    const size_t first = (size_t)p->w->dims[0], second = (size_t)p->w->dims[1];

    if (spacc_clean_is(p->node, "Conv"))
        return i / (p->w->count / first);
    if (spacc_clean_is(p->node, "ConvTranspose")) {
        const size_t group = p->channels / second;
        const size_t below = p->w->count / first / second;
        return i / below / second / (first / group) * second + i / below % second;
    }
    return spacc_clean_is(p->node, "Gemm") && spacc_node_int(p->node, "transB", 0) ? i / second
                                                                                   : i % second;
}

/* ---- what comes behind ---- */

/* One number for all channels, or one for each. */
static bool per_channel(const struct product *p, const struct spacc_tensor *t)
{
    const int axis = t ? t->rank - 1 - p->behind : -1;

    if (!is_float(t) || t->rank > p->rank)
        return false;
    return t->count == 1 ||
           (axis >= 0 && t->count == p->channels && t->dims[axis] == (int64_t)p->channels);
}

static double number_of(const struct spacc_tensor *t, size_t channel)
{
    return (double)((const float *)t->data)[t->count == 1 ? 0 : channel];
}

static bool read_elementwise(const struct spacc_node *n, struct product *p,
                             const struct spacc_tensor *t)
{
    if (!per_channel(p, t))
        return false;
    for (size_t k = 0; k < p->channels; k++) {
        const double v = number_of(t, k);
        p->scale[k] = spacc_clean_is(n, "Mul") ? v : spacc_clean_is(n, "Div") ? 1.0 / v : 1.0;
        p->shift[k] = spacc_clean_is(n, "Add") ? v : spacc_clean_is(n, "Sub") ? -v : 0.0;
    }
    return true;
}

static bool is_inference(const struct spacc_clean *c, const struct spacc_node *n)
{
    for (int o = 1; o < n->outputs; o++)
        if (n->output[o] >= 0 && c->readers[n->output[o]] > 0)
            return false;
    return spacc_node_int(n, "training_mode", 0) == 0 && spacc_node_int(n, "spatial", 1) != 0;
}

/* y = (x - mean) * scale / sqrt(var + epsilon) + b. Channels are axis 1 of x. */
static bool read_norm(const struct spacc_clean *c, const struct spacc_node *n,
                      struct product *p)
{
    const double epsilon = (double)spacc_node_float(n, "epsilon", 1e-5f);
    const struct spacc_tensor *t[4];

    if (!is_inference(c, n) || p->rank != p->behind + 2)
        return false;
    for (int i = 0; i < 4; i++) {
        t[i] = spacc_clean_const(c, spacc_clean_in(n, i + 1));
        if (!is_float(t[i]) || t[i]->rank != 1 || t[i]->count != p->channels)
            return false;
    }
    for (size_t k = 0; k < p->channels; k++) {
        p->scale[k] = number_of(t[0], k) / sqrt(number_of(t[3], k) + epsilon);
        p->shift[k] = number_of(t[1], k) - number_of(t[2], k) * p->scale[k];
    }
    return true;
}

/* ---- both together ---- */

static bool all_are(const double *v, size_t count, double what)
{
    for (size_t k = 0; k < count; k++)
        if (v[k] != what)
            return false;
    return true;
}

static bool is_finite(const struct spacc_tensor *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (!isfinite(((const float *)t->data)[i]))
            return false;
    return true;
}

static enum spacc_status scaled_weights(const struct product *p, struct spacc_tensor **out)
{
    const enum spacc_status s = spacc_tensor_copy(out, p->w);

    for (size_t i = 0; !s && i < p->w->count; i++)
        ((float *)(*out)->data)[i] = (float)(number_of(p->w, i) * p->scale[channel_of(p, i)]);
    return s;
}

static enum spacc_status new_bias(const struct product *p, struct spacc_tensor **out)
{
    const int64_t dims[] = {(int64_t)p->channels};
    const enum spacc_status s = spacc_tensor_new(out, SPACC_F32, 1, dims);

    for (size_t k = 0; !s && k < p->channels; k++) {
        const double old = p->b ? p->beta * number_of(p->b, k) : 0.0;
        ((float *)(*out)->data)[k] = (float)(old * p->scale[k] + p->shift[k]);
    }
    return s;
}

/* A third input; a MatMul becomes a Gemm for it. */
static enum spacc_status give_bias(struct spacc_node *n, int value)
{
    struct spacc_attr *beta = (struct spacc_attr *)spacc_node_attr(n, "beta");
    int *more = n->inputs < 3 ? realloc(n->input, 3 * sizeof(*more)) : n->input;

    if (!more)
        return SPACC_ENOMEM;
    n->input = more;
    n->input[2] = value;
    n->inputs = 3;
    if (beta)
        beta->f = 1.0f;
    if (spacc_clean_is(n, "MatMul"))
        n->op = spacc_op_find("Gemm");
    return SPACC_OK;
}

/* Takes both tensors over; `b` NULL: no bias is needed. */
static enum spacc_status put_weights(struct spacc_clean *c, struct product *p,
                                     struct spacc_tensor *w, struct spacc_tensor *b)
{
    const int old = p->node->input[1];
    int w_value = old, b_value = -1;
    enum spacc_status s = SPACC_OK;

    if (w)
        s = spacc_clean_value(c, &w_value, c->g->value[old].name, "/norm", w);
    if (s)
        spacc_tensor_free(b);
    else if (b)
        s = spacc_clean_value(c, &b_value, c->g->value[old].name, "/bias", b);
    if (!s && b)
        s = give_bias(p->node, b_value);
    if (!s)
        p->node->input[1] = w_value;
    return s;
}

/* Numbers that leave float's range stay where they were. */
static enum spacc_status fuse(struct spacc_clean *c, int n, struct product *p)
{
    const bool same_w = all_are(p->scale, p->channels, 1.0);
    const bool no_b = !p->b && all_are(p->shift, p->channels, 0.0);
    struct spacc_tensor *w = NULL, *b = NULL;
    enum spacc_status s = SPACC_OK;

    if (spacc_clean_is(p->node, "MatMul") && !no_b && p->rank != 2)
        return SPACC_OK;
    if (!same_w)
        s = scaled_weights(p, &w);
    if (!s && !no_b)
        s = new_bias(p, &b);
    if (s || (w && !is_finite(w)) || (b && !is_finite(b))) {
        spacc_tensor_free(w);
        spacc_tensor_free(b);
        return s;
    }
    if ((s = put_weights(c, p, w, b)))
        return s;
    spacc_clean_bypass(c, n, p->node->output[0]);
    c->report->fused++;
    return SPACC_OK;
}

/* Node n with the product in its input i. */
static enum spacc_status norm_input(struct spacc_clean *c, int n, int i)
{
    const struct spacc_node *node = &c->g->node[n];
    enum spacc_status s = SPACC_ENOMEM;
    struct product p;

    if (!find_product(c, &p, spacc_clean_in(node, i)))
        return SPACC_OK;
    p.scale = calloc(p.channels, sizeof(*p.scale));
    p.shift = calloc(p.channels, sizeof(*p.shift));
    if (p.scale && p.shift) {
        const bool good =
            spacc_clean_is(node, "BatchNormalization")
                ? read_norm(c, node, &p)
                : read_elementwise(node, &p, spacc_clean_const(c, spacc_clean_in(node, 1 - i)));
        s = good ? fuse(c, n, &p) : SPACC_OK;
    }
    free(p.scale);
    free(p.shift);
    return s ? spacc_clean_no_memory(c) : SPACC_OK;
}

enum spacc_status spacc_clean_norm(struct spacc_clean *c)
{
    static const char *const left[] = {"BatchNormalization", "Mul", "Add", "Sub", "Div", NULL};
    static const char *const right[] = {"Mul", "Add", NULL};
    enum spacc_status s = SPACC_OK;

    for (int n = 0; n < c->g->nodes && !s; n++) {
        if (spacc_clean_is_any(&c->g->node[n], left))
            s = norm_input(c, n, 0);
        if (!s && spacc_clean_is_any(&c->g->node[n], right))
            s = norm_input(c, n, 1);
    }
    return s ? s : spacc_clean_sort(c);
}
