/* Softmax, LogSoftmax and Hardmax. Sums are in double, in order. */
#include "models/ops_util.h"

#include <math.h>

/* ---- one line: `count` elements that are `step` apart ------------------------- */

/* The place of the largest; the first of several. */
#define LARGEST(function, type)                                      \
    static size_t function(const type *x, size_t count, size_t step) \
    {                                                                \
        size_t at = 0;                                               \
        for (size_t i = 1; i < count; i++)                           \
            if (x[i * step] > x[at * step])                          \
                at = i;                                              \
        return at;                                                   \
    }
LARGEST(largest_f32, float)
LARGEST(largest_f64, double)

#define SOFTMAX_LINE(suffix, type, exponential)                                             \
    static void softmax_##suffix(void *to, const void *from, size_t count, size_t step)     \
    {                                                                                       \
        const type *x = from;                                                               \
        type *y = to;                                                                       \
        const type highest = x[largest_##suffix(x, count, step) * step];                    \
        double sum = 0.0;                                                                   \
        for (size_t i = 0; i < count; i++) {                                                \
            y[i * step] = exponential(x[i * step] - highest);                               \
            sum += (double)y[i * step];                                                     \
        }                                                                                   \
        for (size_t i = 0; i < count; i++)                                                  \
            y[i * step] = (type)((double)y[i * step] / sum);                                \
    }                                                                                       \
    static void log_softmax_##suffix(void *to, const void *from, size_t count, size_t step) \
    {                                                                                       \
        const type *x = from;                                                               \
        type *y = to;                                                                       \
        const double highest = (double)x[largest_##suffix(x, count, step) * step];          \
        double sum = 0.0;                                                                   \
        for (size_t i = 0; i < count; i++)                                                  \
            sum += exp((double)x[i * step] - highest);                                      \
        for (size_t i = 0; i < count; i++)                                                  \
            y[i * step] = (type)((double)x[i * step] - highest - log(sum));                 \
    }                                                                                       \
    static void hardmax_##suffix(void *to, const void *from, size_t count, size_t step)     \
    {                                                                                       \
        ((type *)to)[largest_##suffix(from, count, step) * step] = (type)1;                 \
    }
SOFTMAX_LINE(f32, float, expf)
SOFTMAX_LINE(f64, double, exp)

typedef void (*line_fn)(void *to, const void *from, size_t count, size_t step);

/* ---- all lines ----------------------------------------------------------------- */

/* Before opset 13 all axes from `axis` on are one; from then on only `axis`. */
static enum spacc_status lines(struct spacc_op_call *c, line_fn f32, line_fn f64)
{
    struct spacc_tensor *y;
    int axis;
    const bool one_axis = spacc_ops_opset(c) >= 13;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_FLOAT));
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_ops_axis(c, &axis, spacc_node_int(c->node, "axis", one_axis ? -1 : 1), x->rank));
    TRY(spacc_op_output(c, 0, x->dtype, x->rank, x->dims, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    const line_fn line = y->dtype == SPACC_F32 ? f32 : f64;
    const size_t bytes = spacc_dtype_bytes(y->dtype);
    const size_t outer = spacc_ops_product(x->dims, 0, axis);
    const size_t count = spacc_ops_product(x->dims, axis, one_axis ? axis + 1 : x->rank);
    const size_t step = y->count / outer / count;
    for (size_t i = 0; i < outer * step; i++) {
        const size_t at = (i / step * count * step + i % step) * bytes;
        line((char *)y->data + at, (const char *)x->data + at, count, step);
    }
    return SPACC_OK;
}

enum spacc_status spacc_op_softmax(struct spacc_op_call *c)
{
    return lines(c, softmax_f32, softmax_f64);
}

enum spacc_status spacc_op_log_softmax(struct spacc_op_call *c)
{
    return lines(c, log_softmax_f32, log_softmax_f64);
}

/* 1 at the largest, 0 elsewhere: the output starts as zeros. */
enum spacc_status spacc_op_hardmax(struct spacc_op_call *c)
{
    return lines(c, hardmax_f32, hardmax_f64);
}
