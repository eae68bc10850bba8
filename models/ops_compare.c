/* Comparisons, logic and bits, element by element on two inputs that are broadcast
 * together. */
#include "models/ops_rows.h"

#include <string.h>

/* ---- comparisons: any with a NaN is false ------------------------------------ */

#define X(name, type, suffix)                          \
    ROW(equal_##suffix, uint8_t, type, p == q)         \
    ROW(less_##suffix, uint8_t, type, p < q)           \
    ROW(less_or_equal_##suffix, uint8_t, type, p <= q) \
    ROW(greater_##suffix, uint8_t, type, p > q)        \
    ROW(greater_or_equal_##suffix, uint8_t, type, p >= q)
FLOAT_TYPES(X)
INT_TYPES(X)
#undef X
ROW(equal_bool, uint8_t, uint8_t, (p != 0) == (q != 0))

static const row_fn equal_rows[SPACC_DTYPE_END] = {NUMBER_ROWS(equal), [SPACC_BOOL] =
                                                                           equal_bool};

enum spacc_status spacc_op_equal(struct spacc_op_call *c)
{
    return spacc_ops_rows(c, equal_rows, SPACC_TYPES_NUMBER | SPACC_TYPE(BOOL), true);
}

#define COMPARISON(name)                                                    \
    static const row_fn name##_rows[SPACC_DTYPE_END] = {NUMBER_ROWS(name)}; \
    enum spacc_status spacc_op_##name(struct spacc_op_call *c)              \
    {                                                                       \
        return spacc_ops_rows(c, name##_rows, SPACC_TYPES_NUMBER, true);    \
    }
COMPARISON(less)
COMPARISON(less_or_equal)
COMPARISON(greater)
COMPARISON(greater_or_equal)

/* ---- And, Or, Xor ------------------------------------------------------------ */

ROW(and_bool, uint8_t, uint8_t, p &&q)
ROW(or_bool, uint8_t, uint8_t, p || q)
ROW(xor_bool, uint8_t, uint8_t, !p != !q)

#define LOGIC(name)                                                                  \
    static const row_fn name##_rows[SPACC_DTYPE_END] = {[SPACC_BOOL] = name##_bool}; \
    enum spacc_status spacc_op_##name(struct spacc_op_call *c)                       \
    {                                                                                \
        return spacc_ops_rows(c, name##_rows, SPACC_TYPE(BOOL), true);               \
    }
LOGIC(and)
LOGIC(or)
LOGIC(xor)

/* ---- bits: a shift by the width or more leaves 0 ------------------------------ */

#define X(name, type, suffix)                   \
    ROW(bitwise_and_##suffix, type, type, p &q) \
    ROW(bitwise_or_##suffix, type, type, p | q) \
    ROW(bitwise_xor_##suffix, type, type, p ^ q)
INT_TYPES(X)
#undef X
#define X(name, type, suffix)                                                   \
    ROW(left_##suffix, type, type, q < 8 * sizeof(type) ? (uint64_t)p << q : 0) \
    ROW(right_##suffix, type, type, q < 8 * sizeof(type) ? (uint64_t)p >> q : 0)
UNSIGNED_TYPES(X)
#undef X

#define BITWISE(name)                                                      \
    static const row_fn name##_rows[SPACC_DTYPE_END] = {INT_ROWS(name)};   \
    enum spacc_status spacc_op_##name(struct spacc_op_call *c)             \
    {                                                                      \
        return spacc_ops_rows(c, name##_rows, SPACC_TYPES_INTEGER, false); \
    }
BITWISE(bitwise_and)
BITWISE(bitwise_or)
BITWISE(bitwise_xor)

static const row_fn left_rows[SPACC_DTYPE_END] = {UNSIGNED_ROWS(left)};
static const row_fn right_rows[SPACC_DTYPE_END] = {UNSIGNED_ROWS(right)};

enum spacc_status spacc_op_bit_shift(struct spacc_op_call *c)
{
    const struct spacc_attr *a = spacc_node_attr(c->node, "direction");
    const char *direction = a ? a->s : "";
    const bool left = strcmp(direction, "LEFT") == 0;
    TRY(spacc_ops_check(c, 2, SPACC_TYPES_UNSIGNED));
    if (!left && strcmp(direction, "RIGHT") != 0)
        return spacc_op_fail(c, SPACC_EFORMAT, "direction '%s' is not LEFT or RIGHT",
                             direction);
    return spacc_ops_rows(c, left ? left_rows : right_rows, SPACC_TYPES_UNSIGNED, false);
}
