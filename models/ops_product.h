/* ops_product.h - products of stacks of matrices: what MatMul, MatMulInteger and QLinearMatMul
 * share. */
#ifndef SPACC_OPS_PRODUCT_H
#define SPACC_OPS_PRODUCT_H

#include "models/ops_util.h"

#ifdef __cplusplus
extern "C" {
#endif

/* [batch...][m][k] times [batch...][k][n]. */
struct spacc_product {
    int rank; /* of the stack */
    int64_t dims[SPACC_RANK_MAX];
    int64_t stride[2][SPACC_RANK_MAX]; /* in elements; 0 where broadcast */
    int64_t m, k, n;
};

/* Plan a.b and make output 0, of type `dtype`. SPACC_ESHAPE with both shapes. */
enum spacc_status spacc_product_plan(struct spacc_op_call *c, struct spacc_product *p,
                                     const struct spacc_tensor *a, const struct spacc_tensor *b,
                                     enum spacc_dtype dtype, struct spacc_tensor **y);

/* y += a.b, all of `dtype` (float32, float64, int32, int64); not when y or k is empty. */
void spacc_product_run(struct spacc_product *p, enum spacc_dtype dtype, void *y, const void *a,
                       const void *b);

#ifdef __cplusplus
}
#endif

#endif
