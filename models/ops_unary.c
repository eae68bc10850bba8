/* Operators that work element by element on one input. */
#include "models/ops_util.h"

#include <inttypes.h>
#include <math.h>

/* Output 0 like input 0. */
static enum spacc_status same_output(struct spacc_op_call *c, struct spacc_tensor **y)
{
    const struct spacc_tensor *x = c->in[0];
    return spacc_op_output(c, 0, x->dtype, x->rank, x->dims, y);
}

/* A float operator: `f` on float32, `d` on float64. */
static enum spacc_status map_float(struct spacc_op_call *c, float (*f)(float),
                                   double (*d)(double))
{
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_FLOAT));
    TRY(same_output(c, &y));
    if (c->shape_only)
        return SPACC_OK;
    if (y->dtype == SPACC_F32) {
        const float *from = c->in[0]->data;
        float *to = y->data;
        for (size_t i = 0; i < y->count; i++)
            to[i] = f(from[i]);
    } else {
        const double *from = c->in[0]->data;
        double *to = y->data;
        for (size_t i = 0; i < y->count; i++)
            to[i] = d(from[i]);
    }
    return SPACC_OK;
}

static float sigmoid_f(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

static double sigmoid_d(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

enum spacc_status spacc_op_sigmoid(struct spacc_op_call *c)
{
    return map_float(c, sigmoid_f, sigmoid_d);
}

enum spacc_status spacc_op_tanh(struct spacc_op_call *c)
{
    return map_float(c, tanhf, tanh);
}

enum spacc_status spacc_op_sqrt(struct spacc_op_call *c)
{
    return map_float(c, sqrtf, sqrt);
}

enum spacc_status spacc_op_log(struct spacc_op_call *c)
{
    return map_float(c, logf, log);
}

enum spacc_status spacc_op_leaky_relu(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    const float alpha = spacc_node_float(c->node, "alpha", 0.01f);
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_FLOAT));
    TRY(same_output(c, &y));
    if (c->shape_only)
        return SPACC_OK;
    if (y->dtype == SPACC_F32) {
        const float *from = c->in[0]->data;
        float *to = y->data;
        for (size_t i = 0; i < y->count; i++)
            to[i] = from[i] < 0.0f ? alpha * from[i] : from[i];
    } else {
        const double *from = c->in[0]->data;
        double *to = y->data;
        for (size_t i = 0; i < y->count; i++)
            to[i] = from[i] < 0.0 ? (double)alpha * from[i] : from[i];
    }
    return SPACC_OK;
}

enum spacc_status spacc_op_not(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 1, SPACC_TYPE(BOOL)));
    TRY(same_output(c, &y));
    if (c->shape_only)
        return SPACC_OK;
    const uint8_t *from = c->in[0]->data;
    uint8_t *to = y->data;
    for (size_t i = 0; i < y->count; i++)
        to[i] = !from[i];
    return SPACC_OK;
}

/* ---- limits: Relu and Clip --------------------------------------------------- */

/* Types with a limit operator. NaN passes: both comparisons are false. */
#define LIMIT_TYPES(X)                                                              \
    X(F32, float)                                                                   \
    X(F64, double)                                                                  \
    X(U8, uint8_t) X(U16, uint16_t) X(U32, uint32_t) X(U64, uint64_t) X(I8, int8_t) \
        X(I16, int16_t) X(I32, int32_t) X(I64, int64_t)

/* y = x kept within *low (when there is one) and then *high (likewise). */
static void limit(struct spacc_tensor *y, const void *x, const void *low, const void *high)
{
    switch (y->dtype) {
#define X(name, type)                            \
    case SPACC_##name: {                         \
        const type *from = x;                    \
        type *to = y->data;                      \
        for (size_t i = 0; i < y->count; i++) {  \
            type v = from[i];                    \
            if (low && v < *(const type *)low)   \
                v = *(const type *)low;          \
            if (high && v > *(const type *)high) \
                v = *(const type *)high;         \
            to[i] = v;                           \
        }                                        \
        break;                                   \
    }
        LIMIT_TYPES(X)
#undef X
    default: break;
    }
}

enum spacc_status spacc_op_relu(struct spacc_op_call *c)
{
    static const int64_t zero; /* all bits zero: 0 in every type */
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_NUMBER));
    TRY(same_output(c, &y));
    if (!c->shape_only)
        limit(y, c->in[0]->data, &zero, NULL);
    return SPACC_OK;
}

/* Clip of opset 7..10: limits are float attributes, for float tensors. */
static enum spacc_status clip_attributes(struct spacc_op_call *c, struct spacc_tensor *y)
{
    const struct spacc_attr *min = spacc_node_attr(c->node, "min");
    const struct spacc_attr *max = spacc_node_attr(c->node, "max");
    if (y->dtype == SPACC_F32) {
        limit(y, c->in[0]->data, min ? &min->f : NULL, max ? &max->f : NULL);
        return SPACC_OK;
    }
    const double low = min ? (double)min->f : 0.0, high = max ? (double)max->f : 0.0;
    limit(y, c->in[0]->data, min ? &low : NULL, max ? &high : NULL);
    return SPACC_OK;
}

/* Limit input `i` must be a single element of x's type. */
static enum spacc_status check_limit(struct spacc_op_call *c, int i)
{
    const struct spacc_tensor *t = spacc_ops_in(c, i);
    char text[SPACC_TEXT_BYTES];
    TRY(spacc_ops_input_opset(c, i, 11, INT32_MAX));
    TRY(spacc_ops_same_type(c, 0, i));
    if (t && t->count != 1)
        return spacc_op_fail(c, SPACC_ESHAPE, "input %d has shape %s, a limit is one element",
                             i, spacc_ops_shape_text(text, t->rank, t->dims));
    return SPACC_OK;
}

enum spacc_status spacc_op_clip(struct spacc_op_call *c)
{
    const bool attributes = spacc_ops_opset(c) < 11;
    const struct spacc_tensor *min = spacc_ops_in(c, 1), *max = spacc_ops_in(c, 2);
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 1, attributes ? SPACC_TYPES_FLOAT : SPACC_TYPES_NUMBER));
    TRY(spacc_ops_attr_opset(c, "min", 1, 10));
    TRY(spacc_ops_attr_opset(c, "max", 1, 10));
    TRY(check_limit(c, 1));
    TRY(check_limit(c, 2));
    TRY(same_output(c, &y));
    if (c->shape_only)
        return SPACC_OK;
    if (attributes)
        return clip_attributes(c, y);
    limit(y, c->in[0]->data, min ? min->data : NULL, max ? max->data : NULL);
    return SPACC_OK;
}
