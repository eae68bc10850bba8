/* Pow: the two inputs may differ in type; integers are exact. */
#include "models/ops_rows.h"

#include <inttypes.h>
#include <math.h>

static bool is_float(const struct spacc_tensor *t)
{
    return (SPACC_TYPES_FLOAT & (1u << t->dtype)) != 0;
}

/* base^exponent modulo 2^64 by squaring; exponent is 0 or more. */
static int64_t power_int(int64_t base, uint64_t exponent)
{
    uint64_t result = 1, square = (uint64_t)base;
    for (; exponent > 0; exponent >>= 1, square *= square)
        if (exponent & 1)
            result *= square;
    return (int64_t)result;
}

/* 1 / base^|exponent| towards zero: only -1 and 1 leave something. */
static int64_t inverse_power(int64_t base, int64_t exponent)
{
    if (base == 1)
        return 1;
    return base == -1 ? (exponent % 2 ? -1 : 1) : 0;
}

/* Integer base: exact for integer exponents, else by way of double, towards zero.
 * False when 0 has a negative exponent or the result does not fit. */
static bool pow_int(int64_t *out, int64_t base, const struct spacc_tensor *b, int64_t at)
{
    if (!is_float(b)) {
        const int64_t exponent = spacc_ops_integer(b, (size_t)at);
        const bool below = exponent < 0 && b->dtype != SPACC_U64;
        if (below && base == 0)
            return false;
        *out = below ? inverse_power(base, exponent) : power_int(base, (uint64_t)exponent);
        return true;
    }
    const double v = pow((double)base, spacc_tensor_element(b, (size_t)at));
    if (!(v >= -0x1p63 && v < 0x1p63))
        return false;
    *out = (int64_t)v;
    return true;
}

static enum spacc_status pow_element(struct spacc_op_call *c, struct spacc_tensor *y, size_t i,
                                     int64_t a_at, int64_t b_at)
{
    const struct spacc_tensor *a = c->in[0], *b = c->in[1];
    if (y->dtype == SPACC_F32) {
        ((float *)y->data)[i] = (float)pow(spacc_tensor_element(a, (size_t)a_at),
                                           spacc_tensor_element(b, (size_t)b_at));
        return SPACC_OK;
    }
    if (y->dtype == SPACC_F64) {
        ((double *)y->data)[i] =
            pow(spacc_tensor_element(a, (size_t)a_at), spacc_tensor_element(b, (size_t)b_at));
        return SPACC_OK;
    }
    int64_t v;
    if (!pow_int(&v, spacc_ops_integer(a, (size_t)a_at), b, b_at))
        return spacc_op_fail(c, SPACC_EINVAL, "%" PRId64 " to the power %g is not an %s",
                             spacc_ops_integer(a, (size_t)a_at),
                             spacc_tensor_element(b, (size_t)b_at),
                             spacc_dtype_name((int)y->dtype));
    if (y->dtype == SPACC_I32)
        ((int32_t *)y->data)[i] = (int32_t)v;
    else
        ((int64_t *)y->data)[i] = v;
    return SPACC_OK;
}

enum spacc_status spacc_op_pow(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    struct spacc_walk w;
    const bool mixed = spacc_ops_opset(c) >= 12;
    TRY(spacc_ops_check(c, 2, mixed ? SPACC_TYPES_NUMBER : SPACC_TYPES_FLOAT));
    TRY(spacc_ops_types(c, 0, SPACC_TYPES_WIDE));
    if (!mixed)
        TRY(spacc_ops_same_type(c, 0, 1));
    TRY(spacc_ops_broadcast_output(c, c->in[0]->dtype, 2, &y));
    if (c->shape_only)
        return SPACC_OK;
    spacc_walk_broadcast(&w, c, 0, 2, y->rank, y->dims);
    for (size_t r = 0; r < w.rows; r++, spacc_walk_next(&w))
        for (size_t i = 0; i < w.inner; i++)
            TRY(pow_element(c, y, r * w.inner + i, w.at[0] + (int64_t)i * w.step[0],
                            w.at[1] + (int64_t)i * w.step[1]));
    return SPACC_OK;
}
