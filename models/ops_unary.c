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
#define LIMIT_TYPES(X) \
    X(F32, float) X(F64, double) X(U8, uint8_t) X(I8, int8_t) X(I32, int32_t) X(I64, int64_t)

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

/* ---- Cast -------------------------------------------------------------------- */

/* Towards zero; out of range goes to the nearest limit, NaN to 0. ONNX leaves both
 * open. `low` and `high` are exact in double, and high + 1 as well. */
static int64_t truncate(double v, double low, double above, int64_t lowest, int64_t highest)
{
    if (v != v)
        return 0;
    return v <= low ? lowest : v >= above ? highest : (int64_t)v;
}

static int64_t to_i64(double v)
{
    return truncate(v, -0x1p63, 0x1p63, INT64_MIN, INT64_MAX);
}

static int64_t to_i32(double v)
{
    return truncate(v, -0x1p31, 0x1p31, INT32_MIN, INT32_MAX);
}

static int64_t to_i8(double v)
{
    return truncate(v, -128.0, 128.0, INT8_MIN, INT8_MAX);
}

static int64_t to_u8(double v)
{
    return truncate(v, 0.0, 256.0, 0, UINT8_MAX);
}

static double same(double v)
{
    return v;
}

/* name, C type, from a floating type, bool or integer otherwise: modulo 2^bits */
#define CAST_TYPES(X)       \
    X(F32, float, same)     \
    X(F64, double, same)    \
    X(U8, uint8_t, to_u8)   \
    X(I8, int8_t, to_i8)    \
    X(I32, int32_t, to_i32) \
    X(I64, int64_t, to_i64)

static void cast_from_double(struct spacc_tensor *y, size_t i, double v)
{
    switch (y->dtype) {
#define X(name, type, convert) \
    case SPACC_##name: ((type *)y->data)[i] = (type)convert(v); break;
        CAST_TYPES(X)
#undef X
    default: ((uint8_t *)y->data)[i] = v != 0.0; break;
    }
}

static void cast_from_int(struct spacc_tensor *y, size_t i, int64_t v)
{
    switch (y->dtype) {
#define X(name, type, convert) \
    case SPACC_##name: ((type *)y->data)[i] = (type)v; break;
        CAST_TYPES(X)
#undef X
    default: ((uint8_t *)y->data)[i] = v != 0; break;
    }
}

static void cast_element(struct spacc_tensor *y, const struct spacc_tensor *x, size_t i)
{
    switch (x->dtype) {
    case SPACC_F32: cast_from_double(y, i, (double)((const float *)x->data)[i]); break;
    case SPACC_F64: cast_from_double(y, i, ((const double *)x->data)[i]); break;
    case SPACC_I8: cast_from_int(y, i, ((const int8_t *)x->data)[i]); break;
    case SPACC_I32: cast_from_int(y, i, ((const int32_t *)x->data)[i]); break;
    case SPACC_I64: cast_from_int(y, i, ((const int64_t *)x->data)[i]); break;
    case SPACC_BOOL: cast_from_int(y, i, ((const uint8_t *)x->data)[i] != 0); break;
    default: cast_from_int(y, i, ((const uint8_t *)x->data)[i]); break;
    }
}

enum spacc_status spacc_op_cast(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    const int64_t to = spacc_node_int(c->node, "to", 0);
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_ALL));
    TRY(spacc_ops_attr_opset(c, "saturate", 19, INT32_MAX));
    const bool known = to > 0 && to < 32 && (SPACC_TYPES_ALL & (1u << to));
    if (!known)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED, "a cast from %s to %s is not supported",
                             spacc_dtype_name((int)c->in[0]->dtype),
                             spacc_dtype_name(to > INT32_MAX || to < 0 ? -1 : (int)to));
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_op_output(c, 0, (enum spacc_dtype)to, x->rank, x->dims, &y));
    if (c->shape_only)
        return SPACC_OK;
    for (size_t i = 0; i < y->count; i++)
        cast_element(y, x, i);
    return SPACC_OK;
}
