/* Operators that work element by element on several inputs, broadcast together.
 * Integer results wrap modulo 2^bits. */
#include "models/ops_util.h"

#include <inttypes.h>
#include <math.h>

/* One row: count elements of y from a and b, each with a step of its own. */
typedef void (*row_fn)(void *y, const void *a, const void *b, size_t count, int64_t a_step,
                       int64_t b_step);

/* The three loops are the same; a constant step lets the compiler see plain rows. */
#define ROW(function, result, type, expression)                                               \
    static void function(void *y, const void *a, const void *b, size_t count, int64_t a_step, \
                         int64_t b_step)                                                      \
    {                                                                                         \
        result *restrict to = y;                                                              \
        const type *from_a = a, *from_b = b;                                                  \
        if (a_step == 1 && b_step == 1)                                                       \
            for (size_t i = 0; i < count; i++) {                                              \
                const type p = from_a[i], q = from_b[i];                                      \
                to[i] = (result)(expression);                                                 \
            }                                                                                 \
        else if (a_step == 1 && b_step == 0)                                                  \
            for (size_t i = 0; i < count; i++) {                                              \
                const type p = from_a[i], q = from_b[0];                                      \
                to[i] = (result)(expression);                                                 \
            }                                                                                 \
        else                                                                                  \
            for (size_t i = 0; i < count; i++) {                                              \
                const type p = from_a[(int64_t)i * a_step], q = from_b[(int64_t)i * b_step];  \
                to[i] = (result)(expression);                                                 \
            }                                                                                 \
    }

#define WRAP(op) (uint64_t) p op(uint64_t) q

#define INT_TYPES(X)                                                                   \
    X(U8, uint8_t, u8)                                                                 \
    X(U16, uint16_t, u16)                                                              \
    X(U32, uint32_t, u32) X(U64, uint64_t, u64) X(I8, int8_t, i8) X(I16, int16_t, i16) \
        X(I32, int32_t, i32) X(I64, int64_t, i64)

ROW(add_f32, float, float, p + q)
ROW(sub_f32, float, float, p - q)
ROW(mul_f32, float, float, p *q)
ROW(div_f32, float, float, p / q)
ROW(add_f64, double, double, p + q)
ROW(sub_f64, double, double, p - q)
ROW(mul_f64, double, double, p *q)
ROW(div_f64, double, double, p / q)
#define X(name, type, suffix)                                            \
    ROW(add_##suffix, type, type, WRAP(+))                               \
    ROW(sub_##suffix, type, type, WRAP(-))                               \
    ROW(mul_##suffix, type, type, WRAP(*))                               \
    /* zero divisors are refused before; the lowest number / -1 wraps */ \
    ROW(div_##suffix, type, type,                                        \
        q == (type)-1 && (type)-1 < (type)1 ? (type)(0 - (uint64_t)p) : p / q)
INT_TYPES(X)
#undef X

ROW(equal_f32, uint8_t, float, p == q)
ROW(equal_f64, uint8_t, double, p == q)
ROW(equal_bool, uint8_t, uint8_t, (p != 0) == (q != 0))
#define X(name, type, suffix) ROW(equal_##suffix, uint8_t, type, p == q)
INT_TYPES(X)
#undef X

/* The row function of each type, by the number of the type. */
#define INT_ROWS(op)                                                      \
    [SPACC_U8] = op##_u8, [SPACC_U16] = op##_u16, [SPACC_U32] = op##_u32, \
    [SPACC_U64] = op##_u64, [SPACC_I8] = op##_i8, [SPACC_I16] = op##_i16, \
    [SPACC_I32] = op##_i32, [SPACC_I64] = op##_i64
#define NUMBER_ROWS(op) [SPACC_F32] = op##_f32, [SPACC_F64] = op##_f64, INT_ROWS(op)
static const row_fn add_rows[SPACC_DTYPE_END] = {NUMBER_ROWS(add)};
static const row_fn sub_rows[SPACC_DTYPE_END] = {NUMBER_ROWS(sub)};
static const row_fn mul_rows[SPACC_DTYPE_END] = {NUMBER_ROWS(mul)};
static const row_fn div_rows[SPACC_DTYPE_END] = {NUMBER_ROWS(div)};
static const row_fn equal_rows[SPACC_DTYPE_END] = {NUMBER_ROWS(equal), [SPACC_BOOL] =
                                                                           equal_bool};

/* Output 0 of `dtype` with the shape that all inputs broadcast to. */
static enum spacc_status broadcast_output(struct spacc_op_call *c, enum spacc_dtype dtype,
                                          int inputs, struct spacc_tensor **y)
{
    int64_t dims[SPACC_RANK_MAX] = {0};
    int rank = 0;
    TRY(spacc_ops_broadcast(c, &rank, dims, 0, inputs));
    return spacc_op_output(c, 0, dtype, rank, dims, y);
}

static void run_rows(struct spacc_op_call *c, struct spacc_tensor *y, row_fn row)
{
    const char *a = c->in[0]->data, *b = c->in[1]->data;
    const int64_t in_bytes = (int64_t)spacc_dtype_bytes(c->in[0]->dtype);
    const size_t out_bytes = spacc_dtype_bytes(y->dtype);
    char *to = y->data;
    struct spacc_walk w;
    spacc_walk_broadcast(&w, c, 0, 2, y->rank, y->dims);
    for (size_t r = 0; r < w.rows; r++, spacc_walk_next(&w)) {
        row(to, a + w.at[0] * in_bytes, b + w.at[1] * in_bytes, w.inner, w.step[0], w.step[1]);
        to += w.inner * out_bytes;
    }
}

static enum spacc_status arithmetic(struct spacc_op_call *c, const row_fn *rows)
{
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 2, SPACC_TYPES_NUMBER));
    TRY(spacc_ops_same_type(c, 0, 1));
    TRY(broadcast_output(c, c->in[0]->dtype, 2, &y));
    if (!c->shape_only)
        run_rows(c, y, rows[y->dtype]);
    return SPACC_OK;
}

enum spacc_status spacc_op_add(struct spacc_op_call *c)
{
    return arithmetic(c, add_rows);
}

enum spacc_status spacc_op_sub(struct spacc_op_call *c)
{
    return arithmetic(c, sub_rows);
}

enum spacc_status spacc_op_mul(struct spacc_op_call *c)
{
    return arithmetic(c, mul_rows);
}

/* ---- integers of any width, for the slow paths ------------------------------- */

static bool is_float(const struct spacc_tensor *t)
{
    return t->dtype == SPACC_F32 || t->dtype == SPACC_F64;
}

static int64_t int_at(const struct spacc_tensor *t, int64_t i)
{
    switch (t->dtype) {
#define X(name, type, suffix) \
    case SPACC_##name: return (int64_t)((const type *)t->data)[i];
        INT_TYPES(X)
#undef X
    default: return 0;
    }
}

/* ---- Div --------------------------------------------------------------------- */

/* Integers divide towards zero. */
enum spacc_status spacc_op_div(struct spacc_op_call *c)
{
    TRY(spacc_ops_check(c, 2, SPACC_TYPES_NUMBER));
    const struct spacc_tensor *divisor = c->in[1];
    if (!c->shape_only && !is_float(divisor))
        for (size_t i = 0; i < divisor->count; i++)
            if (int_at(divisor, (int64_t)i) == 0)
                return spacc_op_fail(c, SPACC_EINVAL,
                                     "integer division by zero: element %zu of input 1 is 0",
                                     i);
    return arithmetic(c, div_rows);
}

/* ---- Pow --------------------------------------------------------------------- */

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
        const int64_t exponent = int_at(b, at);
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
    if (!pow_int(&v, int_at(a, a_at), b, b_at))
        return spacc_op_fail(c, SPACC_EINVAL, "%" PRId64 " to the power %g is not an %s",
                             int_at(a, a_at), spacc_tensor_element(b, (size_t)b_at),
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
    TRY(broadcast_output(c, c->in[0]->dtype, 2, &y));
    if (c->shape_only)
        return SPACC_OK;
    spacc_walk_broadcast(&w, c, 0, 2, y->rank, y->dims);
    for (size_t r = 0; r < w.rows; r++, spacc_walk_next(&w))
        for (size_t i = 0; i < w.inner; i++)
            TRY(pow_element(c, y, r * w.inner + i, w.at[0] + (int64_t)i * w.step[0],
                            w.at[1] + (int64_t)i * w.step[1]));
    return SPACC_OK;
}

/* ---- Equal and Where --------------------------------------------------------- */

enum spacc_status spacc_op_equal(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 2, SPACC_TYPES_ALL));
    TRY(spacc_ops_same_type(c, 0, 1));
    TRY(broadcast_output(c, SPACC_BOOL, 2, &y));
    if (!c->shape_only)
        run_rows(c, y, equal_rows[c->in[0]->dtype]);
    return SPACC_OK;
}

static void where_row(char *to, const uint8_t *condition, const char *a, const char *b,
                      const struct spacc_walk *w, size_t bytes)
{
    for (size_t i = 0; i < w->inner; i++) {
        const int64_t k = (int64_t)i;
        const char *from = condition[k * w->step[0]] ? a + k * w->step[1] * (int64_t)bytes
                                                     : b + k * w->step[2] * (int64_t)bytes;
        spacc_ops_memcpy(to + i * bytes, from, bytes);
    }
}

enum spacc_status spacc_op_where(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    struct spacc_walk w;
    TRY(spacc_ops_check(c, 3, SPACC_TYPES_ALL));
    TRY(spacc_ops_types(c, 0, SPACC_TYPE(BOOL)));
    TRY(spacc_ops_same_type(c, 1, 2));
    TRY(broadcast_output(c, c->in[1]->dtype, 3, &y));
    if (c->shape_only)
        return SPACC_OK;
    const size_t bytes = spacc_dtype_bytes(y->dtype);
    const uint8_t *condition = c->in[0]->data;
    const char *a = c->in[1]->data, *b = c->in[2]->data;
    char *to = y->data;
    spacc_walk_broadcast(&w, c, 0, 3, y->rank, y->dims);
    for (size_t r = 0; r < w.rows; r++, spacc_walk_next(&w)) {
        where_row(to, condition + w.at[0], a + w.at[1] * (int64_t)bytes,
                  b + w.at[2] * (int64_t)bytes, &w, bytes);
        to += w.inner * bytes;
    }
    return SPACC_OK;
}
