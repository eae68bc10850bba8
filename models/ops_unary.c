/* Mathematical functions and limits, element by element on one input. The activation
 * functions with parameters are in ops_activation.c. */
#include "models/ops_util.h"

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

static float reciprocal_f(float x)
{
    return 1.0f / x;
}

static double reciprocal_d(double x)
{
    return 1.0 / x;
}

/* Halves go to the even neighbour: nobody changes the rounding mode. */
#define FLOAT_FUNCTIONS(X)                    \
    X(sigmoid, sigmoid_f, sigmoid_d)          \
    X(reciprocal, reciprocal_f, reciprocal_d) \
    X(sqrt, sqrtf, sqrt)                      \
    X(exp, expf, exp)                         \
    X(log, logf, log)                         \
    X(erf, erff, erf)                         \
    X(floor, floorf, floor)                   \
    X(ceil, ceilf, ceil)                      \
    X(round, nearbyintf, nearbyint)           \
    X(sin, sinf, sin)                         \
    X(cos, cosf, cos)                         \
    X(tan, tanf, tan)                         \
    X(asin, asinf, asin)                      \
    X(acos, acosf, acos)                      \
    X(atan, atanf, atan)                      \
    X(sinh, sinhf, sinh)                      \
    X(cosh, coshf, cosh)                      \
    X(tanh, tanhf, tanh)                      \
    X(asinh, asinhf, asinh)                   \
    X(acosh, acoshf, acosh)                   \
    X(atanh, atanhf, atanh)

#define X(name, f, d)                                          \
    enum spacc_status spacc_op_##name(struct spacc_op_call *c) \
    {                                                          \
        return map_float(c, f, d);                             \
    }
FLOAT_FUNCTIONS(X)
#undef X

/* ---- every number: Abs, Neg, Sign, BitwiseNot --------------------------------- */

typedef void (*map_fn)(void *y, const void *x, size_t count);

#define MAP(function, type, expression)                        \
    static void function(void *y, const void *x, size_t count) \
    {                                                          \
        const type *from = x;                                  \
        type *to = y;                                          \
        for (size_t i = 0; i < count; i++) {                   \
            const type v = from[i];                            \
            to[i] = (type)(expression);                        \
        }                                                      \
    }

#define FLOAT_TYPES(X)    X(F32, float) X(F64, double)
#define SIGNED_TYPES(X)   X(I8, int8_t) X(I16, int16_t) X(I32, int32_t) X(I64, int64_t)
#define UNSIGNED_TYPES(X) X(U8, uint8_t) X(U16, uint16_t) X(U32, uint32_t) X(U64, uint64_t)

/* The lowest integer is its own absolute value and negative: modulo 2^bits. */
#define X(name, type)                                                    \
    MAP(abs_##name, type, v < (type)0 ? -v : v == (type)0 ? (type)0 : v) \
    MAP(neg_##name, type, -v)                                            \
    MAP(sign_##name, type, v != v ? v : (type)((v > (type)0) - (v < (type)0)))
FLOAT_TYPES(X)
#undef X
#define X(name, type)                                            \
    MAP(abs_##name, type, v < 0 ? 0 - (uint64_t)v : (uint64_t)v) \
    MAP(neg_##name, type, 0 - (uint64_t)v)                       \
    MAP(sign_##name, type, (v > 0) - (v < 0))                    \
    MAP(invert_##name, type, ~(uint64_t)v)
SIGNED_TYPES(X)
#undef X
#define X(name, type)              \
    MAP(abs_##name, type, v)       \
    MAP(sign_##name, type, v != 0) \
    MAP(invert_##name, type, ~(uint64_t)v)
UNSIGNED_TYPES(X)
#undef X

/* The functions of one operator, by the number of the type. */
#define ABS_OF(name, type)    [SPACC_##name] = abs_##name,
#define NEG_OF(name, type)    [SPACC_##name] = neg_##name,
#define SIGN_OF(name, type)   [SPACC_##name] = sign_##name,
#define INVERT_OF(name, type) [SPACC_##name] = invert_##name,
static const map_fn abs_maps[SPACC_DTYPE_END] = {FLOAT_TYPES(ABS_OF) SIGNED_TYPES(ABS_OF)
                                                     UNSIGNED_TYPES(ABS_OF)};
static const map_fn neg_maps[SPACC_DTYPE_END] = {FLOAT_TYPES(NEG_OF) SIGNED_TYPES(NEG_OF)};
static const map_fn sign_maps[SPACC_DTYPE_END] = {FLOAT_TYPES(SIGN_OF) SIGNED_TYPES(SIGN_OF)
                                                      UNSIGNED_TYPES(SIGN_OF)};
static const map_fn invert_maps[SPACC_DTYPE_END] = {SIGNED_TYPES(INVERT_OF)
                                                        UNSIGNED_TYPES(INVERT_OF)};

static enum spacc_status map(struct spacc_op_call *c, const map_fn *maps, unsigned types)
{
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 1, types));
    TRY(same_output(c, &y));
    if (!c->shape_only)
        maps[y->dtype](y->data, c->in[0]->data, y->count);
    return SPACC_OK;
}

enum spacc_status spacc_op_abs(struct spacc_op_call *c)
{
    return map(c, abs_maps, SPACC_TYPES_NUMBER);
}

enum spacc_status spacc_op_neg(struct spacc_op_call *c)
{
    return map(c, neg_maps, SPACC_TYPES_FLOAT | SPACC_TYPES_SIGNED);
}

enum spacc_status spacc_op_sign(struct spacc_op_call *c)
{
    return map(c, sign_maps, SPACC_TYPES_NUMBER);
}

enum spacc_status spacc_op_bitwise_not(struct spacc_op_call *c)
{
    return map(c, invert_maps, SPACC_TYPES_INTEGER);
}

/* ---- to bool: Not, IsNaN, IsInf ------------------------------------------------ */

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

static enum spacc_status bool_output(struct spacc_op_call *c, struct spacc_tensor **y)
{
    const struct spacc_tensor *x = c->in[0];
    return spacc_op_output(c, 0, SPACC_BOOL, x->rank, x->dims, y);
}

enum spacc_status spacc_op_is_nan(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_FLOAT));
    TRY(bool_output(c, &y));
    for (size_t i = 0; !c->shape_only && i < y->count; i++) {
        const double v = spacc_tensor_element(c->in[0], i);
        ((uint8_t *)y->data)[i] = v != v;
    }
    return SPACC_OK;
}

enum spacc_status spacc_op_is_inf(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    const bool negative = spacc_node_int(c->node, "detect_negative", 1) != 0;
    const bool positive = spacc_node_int(c->node, "detect_positive", 1) != 0;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_FLOAT));
    TRY(bool_output(c, &y));
    for (size_t i = 0; !c->shape_only && i < y->count; i++) {
        const double v = spacc_tensor_element(c->in[0], i);
        ((uint8_t *)y->data)[i] = (uint8_t)(isinf(v) && (v < 0.0 ? negative : positive));
    }
    return SPACC_OK;
}

/* ---- limits: Relu and Clip --------------------------------------------------- */

/* Types with a limit operator. NaN passes: both comparisons are false. */
#define LIMIT_TYPES(X) \
    X(F32, float)      \
    X(F64, double)     \
    X(U8, uint8_t)     \
    X(U16, uint16_t)   \
    X(U32, uint32_t)   \
    X(U64, uint64_t) X(I8, int8_t) X(I16, int16_t) X(I32, int32_t) X(I64, int64_t)

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
