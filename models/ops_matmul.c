/* MatMul and Gemm. Every element is one sum over k in ascending order. */
#include "models/ops_product.h"

#include <stdlib.h>
#include <string.h>

/* y[n] += sum over k of a[k * a_step] * b[k][n]. Four rows of b at a time, each sum
 * still in ascending k; blocks of eight columns for the compiler's vectors. */
#define ROW_PRODUCT(function, type)                                                        \
    static void function(type *restrict y, const type *restrict a, int64_t a_step,         \
                         const type *restrict b, size_t inner, size_t n)                   \
    {                                                                                      \
        size_t k = 0;                                                                      \
        for (; k + 4 <= inner; k += 4) {                                                   \
            const type *restrict b0 = b + k * n, *restrict b1 = b0 + n;                    \
            const type *restrict b2 = b1 + n, *restrict b3 = b2 + n;                       \
            const type *p = a + (int64_t)k * a_step;                                       \
            const type a0 = p[0], a1 = p[a_step], a2 = p[2 * a_step], a3 = p[3 * a_step];  \
            size_t j = 0;                                                                  \
            for (; j + 8 <= n; j += 8)                                                     \
                for (size_t l = j; l < j + 8; l++)                                         \
                    y[l] = (((y[l] + a0 * b0[l]) + a1 * b1[l]) + a2 * b2[l]) + a3 * b3[l]; \
            for (; j < n; j++)                                                             \
                y[j] = (((y[j] + a0 * b0[j]) + a1 * b1[j]) + a2 * b2[j]) + a3 * b3[j];     \
        }                                                                                  \
        for (; k < inner; k++) {                                                           \
            const type a0 = a[(int64_t)k * a_step], *restrict b0 = b + k * n;              \
            for (size_t j = 0; j < n; j++)                                                 \
                y[j] += a0 * b0[j];                                                        \
        }                                                                                  \
    }

ROW_PRODUCT(row_f32, float)
ROW_PRODUCT(row_f64, double)
/* Integers as unsigned, so that they wrap. */
ROW_PRODUCT(row_i32, uint32_t)
ROW_PRODUCT(row_i64, uint64_t)

/* One row of y from one row of a: y[n] += a[k] * b[k][n]. */
static void row_product(enum spacc_dtype dtype, void *y, const void *a, int64_t a_step,
                        const void *b, size_t inner, size_t n)
{
    switch (dtype) {
    case SPACC_F32: row_f32(y, a, a_step, b, inner, n); break;
    case SPACC_F64: row_f64(y, a, a_step, b, inner, n); break;
    case SPACC_I32: row_i32(y, a, a_step, b, inner, n); break;
    default: row_i64(y, a, a_step, b, inner, n); break;
    }
}

/* ---- MatMul ------------------------------------------------------------------ */

/* Broadcast the stack axes of input `i` (all but `matrix_axes`) into p. */
static bool stack(struct spacc_product *p, const struct spacc_tensor *t, int input)
{
    const int axes = t->rank > 2 ? t->rank - 2 : 0;
    int64_t step = p->k * (input == 0 ? p->m : p->n);
    for (int i = axes - 1; i >= 0; i--) {
        const int at = p->rank - axes + i;
        if (p->dims[at] == 1)
            p->dims[at] = t->dims[i];
        else if (t->dims[i] != 1 && t->dims[i] != p->dims[at])
            return false;
        p->stride[input][at] = t->dims[i] == 1 ? 0 : step;
        step = (int64_t)((uint64_t)step * (uint64_t)t->dims[i]);
    }
    return true;
}

static bool plan_product(struct spacc_product *p, const struct spacc_tensor *a,
                         const struct spacc_tensor *b)
{
    if (a->rank < 1 || b->rank < 1)
        return false;
    *p = (struct spacc_product){.rank = (a->rank > b->rank ? a->rank : b->rank) - 2};
    if (p->rank < 0)
        p->rank = 0;
    for (int i = 0; i < p->rank; i++)
        p->dims[i] = 1;
    p->m = a->rank > 1 ? a->dims[a->rank - 2] : 1;
    p->k = a->dims[a->rank - 1];
    p->n = b->rank > 1 ? b->dims[b->rank - 1] : 1;
    const int64_t b_rows = b->dims[b->rank > 1 ? b->rank - 2 : 0];
    return p->k == b_rows && stack(p, a, 0) && stack(p, b, 1);
}

/* A vector's missing axis is missing from the result too. */
static enum spacc_status product_output(struct spacc_op_call *c, const struct spacc_product *p,
                                        const struct spacc_tensor *a,
                                        const struct spacc_tensor *b, enum spacc_dtype dtype,
                                        struct spacc_tensor **y)
{
    int64_t dims[SPACC_RANK_MAX];
    int rank = p->rank;
    memcpy(dims, p->dims, sizeof(dims));
    if (a->rank > 1)
        dims[rank++] = p->m;
    if (b->rank > 1)
        dims[rank++] = p->n;
    return spacc_op_output(c, 0, dtype, rank, dims, y);
}

enum spacc_status spacc_product_plan(struct spacc_op_call *c, struct spacc_product *p,
                                     const struct spacc_tensor *a, const struct spacc_tensor *b,
                                     enum spacc_dtype dtype, struct spacc_tensor **y)
{
    char left[SPACC_TEXT_BYTES], right[SPACC_TEXT_BYTES];
    if (!plan_product(p, a, b))
        return spacc_op_fail(c, SPACC_ESHAPE, "cannot multiply %s by %s",
                             spacc_ops_shape_text(left, a->rank, a->dims),
                             spacc_ops_shape_text(right, b->rank, b->dims));
    return product_output(c, p, a, b, dtype, y);
}

static void multiply(const struct spacc_product *p, enum spacc_dtype dtype, char *y,
                     const char *a, const char *b)
{
    const size_t bytes = spacc_dtype_bytes(dtype);
    const size_t inner = (size_t)p->k, n = (size_t)p->n;
    for (int64_t i = 0; i < p->m; i++)
        row_product(dtype, y + (size_t)i * n * bytes, a + (size_t)i * inner * bytes, 1, b,
                    inner, n);
}

void spacc_product_run(struct spacc_product *p, enum spacc_dtype dtype, void *y, const void *a,
                       const void *b)
{
    const int64_t bytes = (int64_t)spacc_dtype_bytes(dtype);
    struct spacc_walk w;
    char *to = y;
    spacc_walk_init(&w, 2, p->rank, p->dims, p->stride, NULL);
    for (size_t row = 0; row < w.rows; row++, spacc_walk_next(&w))
        for (int64_t i = 0; i < (int64_t)w.inner; i++) {
            multiply(p, dtype, to, (const char *)a + (w.at[0] + i * w.step[0]) * bytes,
                     (const char *)b + (w.at[1] + i * w.step[1]) * bytes);
            to += p->m * p->n * bytes;
        }
}

enum spacc_status spacc_op_matmul(struct spacc_op_call *c)
{
    struct spacc_product p;
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 2, SPACC_TYPES_WIDE));
    TRY(spacc_ops_same_type(c, 0, 1));
    TRY(spacc_product_plan(c, &p, c->in[0], c->in[1], c->in[0]->dtype, &y));
    if (!c->shape_only && y->count > 0 && p.k > 0)
        spacc_product_run(&p, y->dtype, y->data, c->in[0]->data, c->in[1]->data);
    return SPACC_OK;
}

/* ---- Gemm -------------------------------------------------------------------- */

struct gemm {
    int64_t m, k, n;
    bool trans_a, trans_b;
    float alpha, beta;
};

static enum spacc_status plan_gemm(struct spacc_op_call *c, struct gemm *g)
{
    const struct spacc_tensor *a = c->in[0], *b = c->in[1];
    char left[SPACC_TEXT_BYTES], right[SPACC_TEXT_BYTES];
    g->trans_a = spacc_node_int(c->node, "transA", 0) != 0;
    g->trans_b = spacc_node_int(c->node, "transB", 0) != 0;
    g->alpha = spacc_node_float(c->node, "alpha", 1.0f);
    g->beta = spacc_node_float(c->node, "beta", 1.0f);
    if (a->rank == 2 && b->rank == 2) {
        g->m = a->dims[g->trans_a ? 1 : 0];
        g->k = a->dims[g->trans_a ? 0 : 1];
        g->n = b->dims[g->trans_b ? 0 : 1];
        if (g->k == b->dims[g->trans_b ? 1 : 0])
            return SPACC_OK;
    }
    return spacc_op_fail(
        c, SPACC_ESHAPE, "cannot multiply %s%s by %s%s",
        spacc_ops_shape_text(left, a->rank, a->dims), g->trans_a ? " transposed" : "",
        spacc_ops_shape_text(right, b->rank, b->dims), g->trans_b ? " transposed" : "");
}

/* C broadcasts to the result, never the other way. */
static enum spacc_status check_addend(struct spacc_op_call *c, const struct gemm *g)
{
    int64_t dims[SPACC_RANK_MAX] = {g->m, g->n};
    int rank = 2;
    char have[SPACC_TEXT_BYTES];
    const struct spacc_tensor *t = spacc_ops_in(c, 2);
    if (!t)
        return SPACC_OK;
    TRY(spacc_ops_broadcast(c, &rank, dims, 2, 1));
    if (rank == 2 && dims[0] == g->m && dims[1] == g->n)
        return SPACC_OK;
    return spacc_op_fail(c, SPACC_ESHAPE, "C of shape %s does not broadcast to [%lld,%lld]",
                         spacc_ops_shape_text(have, t->rank, t->dims), (long long)g->m,
                         (long long)g->n);
}

/* y[n] = sum over k of a[k] * b[n][k] */
static void row_transposed_f32(float *y, const float *a, const float *b, size_t inner, size_t n)
{
    for (size_t j = 0; j < n; j++)
        y[j] = spacc_ops_dot(a, b + j * inner, inner);
}

static void row_transposed_f64(double *y, const double *a, const double *b, size_t inner,
                               size_t n)
{
    for (size_t j = 0; j < n; j++)
        for (size_t k = 0; k < inner; k++)
            y[j] += a[k] * b[j * inner + k];
}

/* One row of A.B into y, which is zero. `line` has k elements: a row of A that is a
 * column in memory is gathered there first. */
static void gemm_row(const struct gemm *g, struct spacc_tensor *y, const char *a, const char *b,
                     int64_t row, char *line)
{
    const size_t bytes = spacc_dtype_bytes(y->dtype), inner = (size_t)g->k, n = (size_t)g->n;
    char *to = (char *)y->data + (size_t)row * n * bytes;
    const char *from = a + (size_t)row * inner * bytes;
    if (g->trans_a) {
        spacc_ops_copy(line, a, bytes, 1, &g->k, &g->m, row);
        from = line;
    }
    if (!g->trans_b)
        row_product(y->dtype, to, from, 1, b, inner, n);
    else if (y->dtype == SPACC_F32)
        row_transposed_f32((float *)to, (const float *)from, (const float *)b, inner, n);
    else
        row_transposed_f64((double *)to, (const double *)from, (const double *)b, inner, n);
}

/* y = alpha * y + beta * C */
static void scale_and_add(struct spacc_op_call *c, const struct gemm *g, struct spacc_tensor *y)
{
    const struct spacc_tensor *t = spacc_ops_in(c, 2);
    struct spacc_walk w = {.rows = 1, .inner = y->count};
    const float *add_f = t ? t->data : NULL;
    const double *add_d = t ? t->data : NULL;
    float *f = y->data;
    double *d = y->data;
    if (t)
        spacc_walk_broadcast(&w, c, 2, 1, y->rank, y->dims);
    for (size_t r = 0; r < w.rows; r++, spacc_walk_next(&w))
        for (size_t i = 0; i < w.inner; i++) {
            const size_t to = r * w.inner + i;
            const int64_t from = w.at[0] + (int64_t)i * w.step[0];
            if (y->dtype == SPACC_F32)
                f[to] = g->alpha * f[to] + (t ? g->beta * add_f[from] : 0.0f);
            else
                d[to] = (double)g->alpha * d[to] + (t ? (double)g->beta * add_d[from] : 0.0);
        }
}

enum spacc_status spacc_op_gemm(struct spacc_op_call *c)
{
    struct gemm g;
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, spacc_ops_opset(c) < 11 ? 3 : 2, SPACC_TYPES_FLOAT));
    TRY(spacc_ops_same_type(c, 0, 1));
    TRY(spacc_ops_same_type(c, 0, 2));
    TRY(spacc_ops_attr_opset(c, "broadcast", 1, 6));
    TRY(plan_gemm(c, &g));
    TRY(check_addend(c, &g));
    TRY(spacc_op_output(c, 0, c->in[0]->dtype, 2, (const int64_t[]){g.m, g.n}, &y));
    if (c->shape_only)
        return SPACC_OK;
    char *line = malloc((size_t)(g.k + 1) * spacc_dtype_bytes(y->dtype));
    if (!line)
        return spacc_op_fail(c, SPACC_ENOMEM, "no memory for a row of %lld", (long long)g.k);
    for (int64_t i = 0; i < g.m && g.k > 0 && g.n > 0; i++)
        gemm_row(&g, y, c->in[0]->data, c->in[1]->data, i, line);
    free(line);
    scale_and_add(c, &g, y);
    return SPACC_OK;
}
