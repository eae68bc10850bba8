/* ops_rows.h - element-by-element operators on two inputs, broadcast together: one
 * function a type that does a row, made by ROW(), and the walk over the rows.
 *
 *     ROW(add_f32, float, float, p + q)
 *     static const row_fn add_rows[SPACC_DTYPE_END] = {[SPACC_F32] = add_f32};
 *     spacc_ops_run_rows(c, y, add_rows[y->dtype]); */
#ifndef SPACC_OPS_ROWS_H
#define SPACC_OPS_ROWS_H

#include "models/ops_util.h"

#ifdef __cplusplus
extern "C" {
#endif

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

/* Element type, C type, suffix of the function's name. */
#define FLOAT_TYPES(X) X(F32, float, f32) X(F64, double, f64)
#define UNSIGNED_TYPES(X) \
    X(U8, uint8_t, u8) X(U16, uint16_t, u16) X(U32, uint32_t, u32) X(U64, uint64_t, u64)
#define SIGNED_TYPES(X) \
    X(I8, int8_t, i8) X(I16, int16_t, i16) X(I32, int32_t, i32) X(I64, int64_t, i64)
#define INT_TYPES(X) UNSIGNED_TYPES(X) SIGNED_TYPES(X)

/* Entries of a table by the number of the type. */
#define UNSIGNED_ROWS(op) \
    [SPACC_U8] = op##_u8, [SPACC_U16] = op##_u16, [SPACC_U32] = op##_u32, [SPACC_U64] = op##_u64
#define INT_ROWS(op)                                                                         \
    UNSIGNED_ROWS(op), [SPACC_I8] = op##_i8, [SPACC_I16] = op##_i16, [SPACC_I32] = op##_i32, \
                       [SPACC_I64] = op##_i64
#define NUMBER_ROWS(op) [SPACC_F32] = op##_f32, [SPACC_F64] = op##_f64, INT_ROWS(op)

/* Output 0 of `dtype` with the shape that the first `inputs` inputs broadcast to. */
enum spacc_status spacc_ops_broadcast_output(struct spacc_op_call *c, enum spacc_dtype dtype,
                                             int inputs, struct spacc_tensor **y);

/* y = row(input 0, input 1), both broadcast to y. */
void spacc_ops_run_rows(struct spacc_op_call *c, struct spacc_tensor *y, row_fn row);

/* A whole operator: inputs of the same one of `types`; output of that type, or bool. */
enum spacc_status spacc_ops_rows(struct spacc_op_call *c, const row_fn *rows, unsigned types,
                                 bool to_bool);

#ifdef __cplusplus
}
#endif

#endif
