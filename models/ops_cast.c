/* Cast and CastLike: every type to every other. */
#include "models/ops_util.h"

#include "sparse/half.h"

/* Towards zero; out of range goes to the nearest limit, NaN to 0. ONNX leaves both
 * open. `low` and `above` (one more than the highest) are exact in double. */
static int64_t truncate(double v, double low, double above, int64_t lowest, int64_t highest)
{
    if (v != v)
        return 0;
    return v <= low ? lowest : v >= above ? highest : (int64_t)v;
}

#define TO_INT(name, low, above, lowest, highest)        \
    static int64_t to_##name(double v)                   \
    {                                                    \
        return truncate(v, low, above, lowest, highest); \
    }
TO_INT(i8, -128.0, 128.0, INT8_MIN, INT8_MAX)
TO_INT(i16, -0x1p15, 0x1p15, INT16_MIN, INT16_MAX)
TO_INT(i32, -0x1p31, 0x1p31, INT32_MIN, INT32_MAX)
TO_INT(i64, -0x1p63, 0x1p63, INT64_MIN, INT64_MAX)
TO_INT(u8, 0.0, 0x1p8, 0, UINT8_MAX)
TO_INT(u16, 0.0, 0x1p16, 0, UINT16_MAX)
TO_INT(u32, 0.0, 0x1p32, 0, UINT32_MAX)

static uint64_t to_u64(double v)
{
    if (v != v || v <= 0.0)
        return 0;
    return v >= 0x1p64 ? UINT64_MAX : (uint64_t)v;
}

static double same(double v)
{
    return v;
}

/* Round to odd: a rounding to fewer bits after it is as if it were the only one. */
static float to_odd(double v)
{
    const float f = (float)v;
    if (v != v || (double)f == v)
        return f;
    const bool beyond = v < 0.0 ? (double)f < v : (double)f > v;
    return spacc_float_of_bits((spacc_bits_of_float(f) - beyond) | 1u);
}

/* name, C type, from a floating type; from bool or integer: modulo 2^bits */
#define CAST_TYPES(X)        \
    X(F32, float, same)      \
    X(F64, double, same)     \
    X(U8, uint8_t, to_u8)    \
    X(U16, uint16_t, to_u16) \
    X(U32, uint32_t, to_u32) \
    X(U64, uint64_t, to_u64) \
    X(I8, int8_t, to_i8)     \
    X(I16, int16_t, to_i16)  \
    X(I32, int32_t, to_i32)  \
    X(I64, int64_t, to_i64)

/* Element i of y from a number `v` of type `from`. */
#define CAST_FROM(function, from, convert_of)                                      \
    static void function(struct spacc_tensor *y, size_t i, from v)                 \
    {                                                                              \
        switch (y->dtype) {                                                        \
            CAST_TYPES(convert_of)                                                 \
        case SPACC_F16:                                                            \
            ((uint16_t *)y->data)[i] = spacc_half_from_float(to_odd((double)v));   \
            break;                                                                 \
        case SPACC_BF16:                                                           \
            ((uint16_t *)y->data)[i] = spacc_bfloat_from_float(to_odd((double)v)); \
            break;                                                                 \
        default: ((uint8_t *)y->data)[i] = v != 0; break;                          \
        }                                                                          \
    }
#define CONVERTED(name, type, convert)           \
    case SPACC_##name:                           \
        ((type *)y->data)[i] = (type)convert(v); \
        break;
#define WRAPPED(name, type, convert) \
    case SPACC_##name: ((type *)y->data)[i] = (type)v; break;
CAST_FROM(cast_from_double, double, CONVERTED)
CAST_FROM(cast_from_int, int64_t, WRAPPED)
CAST_FROM(cast_from_unsigned, uint64_t, WRAPPED)

static void cast_element(struct spacc_tensor *y, const struct spacc_tensor *x, size_t i)
{
    switch (x->dtype) {
    case SPACC_I8: cast_from_int(y, i, ((const int8_t *)x->data)[i]); break;
    case SPACC_I16: cast_from_int(y, i, ((const int16_t *)x->data)[i]); break;
    case SPACC_I32: cast_from_int(y, i, ((const int32_t *)x->data)[i]); break;
    case SPACC_I64: cast_from_int(y, i, ((const int64_t *)x->data)[i]); break;
    case SPACC_U8: cast_from_int(y, i, ((const uint8_t *)x->data)[i]); break;
    case SPACC_U16: cast_from_int(y, i, ((const uint16_t *)x->data)[i]); break;
    case SPACC_U32: cast_from_int(y, i, ((const uint32_t *)x->data)[i]); break;
    case SPACC_U64: cast_from_unsigned(y, i, ((const uint64_t *)x->data)[i]); break;
    case SPACC_BOOL: cast_from_int(y, i, ((const uint8_t *)x->data)[i] != 0); break;
    default: cast_from_double(y, i, spacc_tensor_element(x, i)); break;
    }
}

void spacc_ops_put(struct spacc_tensor *y, size_t i, double v)
{
    cast_from_double(y, i, v);
}

static enum spacc_status cast(struct spacc_op_call *c, int64_t to)
{
    struct spacc_tensor *y;
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

enum spacc_status spacc_op_cast(struct spacc_op_call *c)
{
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_ALL));
    return cast(c, spacc_node_int(c->node, "to", 0));
}

/* To the type of input 1, whose contents are not read. */
enum spacc_status spacc_op_cast_like(struct spacc_op_call *c)
{
    TRY(spacc_ops_check(c, 2, SPACC_TYPES_ALL));
    return cast(c, (int64_t)c->in[1]->dtype);
}
