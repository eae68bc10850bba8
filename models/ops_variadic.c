/* Max, Min, Sum and Mean of any number of inputs that are broadcast together, folded in
 * the order of the inputs. */
#include "models/ops_rows.h"

/* y[i] = y[i] op from[i * step] */
typedef void (*fold_fn)(void *y, const void *from, size_t count, int64_t step);

#define FOLD(function, type, expression)                                        \
    static void function(void *y, const void *from, size_t count, int64_t step) \
    {                                                                           \
        type *to = y;                                                           \
        for (size_t i = 0; i < count; i++) {                                    \
            const type p = to[i], q = ((const type *)from)[(int64_t)i * step];  \
            to[i] = (type)(expression);                                         \
        }                                                                       \
    }

/* A NaN wins in Max and Min. */
#define X(name, type, suffix)                         \
    FOLD(max_##suffix, type, p != p || p > q ? p : q) \
    FOLD(min_##suffix, type, p != p || p < q ? p : q) \
    FOLD(sum_##suffix, type, p + q)
FLOAT_TYPES(X)
#undef X
#define X(name, type, suffix)               \
    FOLD(max_##suffix, type, p > q ? p : q) \
    FOLD(min_##suffix, type, p < q ? p : q)
INT_TYPES(X)
#undef X

static const fold_fn max_folds[SPACC_DTYPE_END] = {NUMBER_ROWS(max)};
static const fold_fn min_folds[SPACC_DTYPE_END] = {NUMBER_ROWS(min)};
static const fold_fn sum_folds[SPACC_DTYPE_END] = {
    [SPACC_F32] = sum_f32, [SPACC_F64] = sum_f64};

/* Strides that repeat input `k` over the shape of `y`. */
static void broadcast_strides(int64_t stride[SPACC_RANK_MAX], const struct spacc_tensor *t,
                              const struct spacc_tensor *y)
{
    for (int i = 0; i < y->rank; i++)
        stride[i] = 0;
    spacc_ops_strides(stride + (y->rank - t->rank), t->rank, t->dims);
    for (int i = 0; i < t->rank; i++)
        if (t->dims[i] == 1)
            stride[y->rank - t->rank + i] = 0;
}

static void fold_input(struct spacc_tensor *y, const struct spacc_tensor *t, fold_fn fold)
{
    const int64_t bytes = (int64_t)spacc_dtype_bytes(y->dtype);
    int64_t stride[1][SPACC_RANK_MAX];
    struct spacc_walk w;
    char *to = y->data;
    broadcast_strides(stride[0], t, y);
    spacc_walk_init(&w, 1, y->rank, y->dims, stride, NULL);
    for (size_t row = 0; row < w.rows; row++, spacc_walk_next(&w)) {
        fold(to, (const char *)t->data + w.at[0] * bytes, w.inner, w.step[0]);
        to += (int64_t)w.inner * bytes;
    }
}

/* Output 0: all inputs folded into one. */
static enum spacc_status variadic(struct spacc_op_call *c, const fold_fn *folds, unsigned types)
{
    struct spacc_tensor *y;
    int64_t stride[SPACC_RANK_MAX];
    TRY(spacc_ops_check(c, c->ins > 0 ? c->ins : 1, types));
    for (int k = 1; k < c->ins; k++)
        TRY(spacc_ops_same_type(c, 0, k));
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_ops_broadcast_output(c, x->dtype, c->ins, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    broadcast_strides(stride, x, y);
    spacc_ops_copy(y->data, x->data, spacc_dtype_bytes(x->dtype), y->rank, y->dims, stride, 0);
    for (int k = 1; k < c->ins; k++)
        fold_input(y, c->in[k], folds[y->dtype]);
    return SPACC_OK;
}

enum spacc_status spacc_op_max(struct spacc_op_call *c)
{
    return variadic(c, max_folds, SPACC_TYPES_NUMBER);
}

enum spacc_status spacc_op_min(struct spacc_op_call *c)
{
    return variadic(c, min_folds, SPACC_TYPES_NUMBER);
}

enum spacc_status spacc_op_sum(struct spacc_op_call *c)
{
    return variadic(c, sum_folds, SPACC_TYPES_FLOAT);
}

enum spacc_status spacc_op_mean(struct spacc_op_call *c)
{
    TRY(variadic(c, sum_folds, SPACC_TYPES_FLOAT));
    struct spacc_tensor *y = c->out[0];
    for (size_t i = 0; !c->shape_only && i < y->count; i++) {
        if (y->dtype == SPACC_F32)
            ((float *)y->data)[i] /= (float)c->ins;
        else
            ((double *)y->data)[i] /= (double)c->ins;
    }
    return SPACC_OK;
}
