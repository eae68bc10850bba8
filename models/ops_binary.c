/* Arithmetic and Where, element by element on several inputs that are broadcast together.
 * Integer results wrap modulo 2^bits. */
#include "models/ops_rows.h"

#include <math.h>

enum spacc_status spacc_ops_broadcast_output(struct spacc_op_call *c, enum spacc_dtype dtype,
                                             int inputs, struct spacc_tensor **y)
{
    int64_t dims[SPACC_RANK_MAX] = {0};
    int rank = 0;
    TRY(spacc_ops_attr_opset(c, "broadcast", 1, 6)); /* since then all broadcast */
    TRY(spacc_ops_broadcast(c, &rank, dims, 0, inputs));
    return spacc_op_output(c, 0, dtype, rank, dims, y);
}

void spacc_ops_run_rows(struct spacc_op_call *c, struct spacc_tensor *y, row_fn row)
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

enum spacc_status spacc_ops_rows(struct spacc_op_call *c, const row_fn *rows, unsigned types,
                                 bool to_bool)
{
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 2, types));
    TRY(spacc_ops_same_type(c, 0, 1));
    const enum spacc_dtype dtype = c->in[0]->dtype;
    TRY(spacc_ops_broadcast_output(c, to_bool ? SPACC_BOOL : dtype, 2, &y));
    if (!c->shape_only)
        spacc_ops_run_rows(c, y, rows[dtype]);
    return SPACC_OK;
}

/* ---- Add, Sub, Mul ----------------------------------------------------------- */

#define WRAP(op) (uint64_t) p op(uint64_t) q

#define X(name, type, suffix)            \
    ROW(add_##suffix, type, type, p + q) \
    ROW(sub_##suffix, type, type, p - q) \
    ROW(mul_##suffix, type, type, p *q)  \
    ROW(div_##suffix, type, type, p / q)
FLOAT_TYPES(X)
#undef X
#define X(name, type, suffix)              \
    ROW(add_##suffix, type, type, WRAP(+)) \
    ROW(sub_##suffix, type, type, WRAP(-)) \
    ROW(mul_##suffix, type, type, WRAP(*))
INT_TYPES(X)
#undef X

static const row_fn add_rows[SPACC_DTYPE_END] = {NUMBER_ROWS(add)};
static const row_fn sub_rows[SPACC_DTYPE_END] = {NUMBER_ROWS(sub)};
static const row_fn mul_rows[SPACC_DTYPE_END] = {NUMBER_ROWS(mul)};

enum spacc_status spacc_op_add(struct spacc_op_call *c)
{
    return spacc_ops_rows(c, add_rows, SPACC_TYPES_NUMBER, false);
}

enum spacc_status spacc_op_sub(struct spacc_op_call *c)
{
    return spacc_ops_rows(c, sub_rows, SPACC_TYPES_NUMBER, false);
}

enum spacc_status spacc_op_mul(struct spacc_op_call *c)
{
    return spacc_ops_rows(c, mul_rows, SPACC_TYPES_NUMBER, false);
}

/* ---- Div and Mod ------------------------------------------------------------- */

/* Zero divisors are refused before. The lowest number / -1 wraps, and leaves 0. */
#define MINUS_ONE(type) (q == (type)-1 && (type)-1 < (type)1)
#define X(name, type, suffix)                                                        \
    ROW(div_##suffix, type, type, MINUS_ONE(type) ? (type)(0 - (uint64_t)p) : p / q) \
    /* fmod 1: the sign of p, as C has it; fmod 0: the sign of q */                  \
    ROW(remainder_##suffix, type, type, MINUS_ONE(type) ? 0 : p % q)                 \
    ROW(modulo_##suffix, type, type,                                                 \
        MINUS_ONE(type)                                                              \
            ? 0                                                                      \
            : p % q + (p % q != 0 && ((p % q) < (type)1) != (q < (type)1) ? q : 0))
INT_TYPES(X)
#undef X
ROW(remainder_f32, float, float, fmodf(p, q))
ROW(remainder_f64, double, double, fmod(p, q))

static const row_fn div_rows[SPACC_DTYPE_END] = {NUMBER_ROWS(div)};
static const row_fn modulo_rows[SPACC_DTYPE_END] = {INT_ROWS(modulo)};
static const row_fn remainder_rows[SPACC_DTYPE_END] = {NUMBER_ROWS(remainder)};

static enum spacc_status check_divisor(struct spacc_op_call *c)
{
    TRY(spacc_ops_check(c, 2, SPACC_TYPES_NUMBER));
    const struct spacc_tensor *divisor = c->in[1];
    if (c->shape_only || (SPACC_TYPES_FLOAT & (1u << divisor->dtype)))
        return SPACC_OK;
    for (size_t i = 0; i < divisor->count; i++)
        if (spacc_ops_integer(divisor, i) == 0)
            return spacc_op_fail(c, SPACC_EINVAL,
                                 "integer division by zero: element %zu of input 1 is 0", i);
    return SPACC_OK;
}

/* Integers divide towards zero. */
enum spacc_status spacc_op_div(struct spacc_op_call *c)
{
    TRY(check_divisor(c));
    return spacc_ops_rows(c, div_rows, SPACC_TYPES_NUMBER, false);
}

enum spacc_status spacc_op_mod(struct spacc_op_call *c)
{
    TRY(check_divisor(c));
    if (spacc_node_int(c->node, "fmod", 0) != 0)
        return spacc_ops_rows(c, remainder_rows, SPACC_TYPES_NUMBER, false);
    if (SPACC_TYPES_FLOAT & (1u << c->in[0]->dtype))
        return spacc_op_fail(c, SPACC_EINVAL, "type %s needs fmod 1",
                             spacc_dtype_name((int)c->in[0]->dtype));
    return spacc_ops_rows(c, modulo_rows, SPACC_TYPES_INTEGER, false);
}

/* ---- Where ------------------------------------------------------------------- */

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
    TRY(spacc_ops_broadcast_output(c, c->in[1]->dtype, 3, &y));
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
