/* Det: determinants of square matrices, by elimination with pivots, in double. */
#include "models/ops_util.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

/* Bring the row with the largest head to row k; true when rows were swapped. */
static bool pivot(double *a, size_t n, size_t k)
{
    size_t best = k;
    for (size_t i = k + 1; i < n; i++)
        if (fabs(a[i * n + k]) > fabs(a[best * n + k]))
            best = i;
    for (size_t j = 0; best != k && j < n; j++) {
        const double v = a[k * n + j];
        a[k * n + j] = a[best * n + j];
        a[best * n + j] = v;
    }
    return best != k;
}

/* Overwrites a[n][n]. */
static double determinant(double *a, size_t n)
{
    double product = 1.0;
    for (size_t k = 0; k < n; k++) {
        if (pivot(a, n, k))
            product = -product;
        const double head = a[k * n + k];
        product *= head;
        if (head == 0.0)
            return 0.0;
        for (size_t i = k + 1; i < n; i++) {
            const double factor = a[i * n + k] / head;
            for (size_t j = k; j < n; j++)
                a[i * n + j] -= factor * a[k * n + j];
        }
    }
    return product;
}

enum spacc_status spacc_op_det(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    char text[SPACC_TEXT_BYTES];
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_FLOAT));
    const struct spacc_tensor *x = c->in[0];
    if (x->rank < 2 || x->dims[x->rank - 1] != x->dims[x->rank - 2])
        return spacc_op_fail(c, SPACC_ESHAPE, "shape %s holds no square matrices",
                             spacc_ops_shape_text(text, x->rank, x->dims));
    TRY(spacc_op_output(c, 0, x->dtype, x->rank - 2, x->dims, &y));
    if (c->shape_only)
        return SPACC_OK;
    const size_t n = (size_t)x->dims[x->rank - 1],
                 elements = y->count ? x->count / y->count : 0;
    double *a = calloc(elements + 1, sizeof(*a));
    if (!a)
        return spacc_op_fail(c, SPACC_ENOMEM, "no memory for a matrix of %zu rows", n);
    for (size_t i = 0; i < y->count; i++) {
        for (size_t k = 0; k < elements; k++)
            a[k] = spacc_tensor_element(x, i * elements + k);
        spacc_ops_put(y, i, determinant(a, n));
    }
    free(a);
    return SPACC_OK;
}
