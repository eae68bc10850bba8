/* CumSum: sums along an axis of everything up to each element. */
#include "models/ops_util.h"

#include <inttypes.h>

/* One line of `count` elements, `step` apart (below 0: from the end). */
typedef void (*line_fn)(void *to, const void *from, size_t count, int64_t step, bool exclusive);

#define LINE(name, type, sum_type)                                                  \
    static void line_##name(void *to, const void *from, size_t count, int64_t step, \
                            bool exclusive)                                         \
    {                                                                               \
        sum_type sum = 0;                                                           \
        for (int64_t i = 0; i < (int64_t)count; i++) {                              \
            const sum_type before = sum;                                            \
            sum = (sum_type)(sum + (sum_type)((const type *)from)[i * step]);       \
            ((type *)to)[i * step] = (type)(exclusive ? before : sum);              \
        }                                                                           \
    }
LINE(f32, float, double)
LINE(f64, double, double)
LINE(i32, int32_t, uint32_t)
LINE(i64, int64_t, uint64_t)
LINE(u32, uint32_t, uint32_t)
LINE(u64, uint64_t, uint64_t)

static const line_fn lines[SPACC_DTYPE_END] = {
    [SPACC_F32] = line_f32, [SPACC_F64] = line_f64, [SPACC_I32] = line_i32,
    [SPACC_I64] = line_i64, [SPACC_U32] = line_u32, [SPACC_U64] = line_u64,
};

static enum spacc_status read_axis(struct spacc_op_call *c, int *axis)
{
    TRY(spacc_op_needs(c, 1));
    return spacc_ops_axis(c, axis, spacc_ops_integer(c->in[1], 0), c->in[0]->rank);
}

enum spacc_status spacc_op_cum_sum(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    int axis;
    const unsigned types = SPACC_TYPES_WIDE | SPACC_TYPE(U32) | SPACC_TYPE(U64);
    const bool exclusive = spacc_node_int(c->node, "exclusive", 0) != 0;
    const bool reverse = spacc_node_int(c->node, "reverse", 0) != 0;
    TRY(spacc_ops_check(c, 2, types));
    TRY(spacc_ops_types(c, 1, SPACC_TYPES_INDEX));
    TRY(spacc_ops_scalar(c, 1));
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_op_output(c, 0, x->dtype, x->rank, x->dims, &y));
    if (c->shape_only)
        return SPACC_OK;
    TRY(read_axis(c, &axis));
    const size_t count = (size_t)x->dims[axis], bytes = spacc_dtype_bytes(x->dtype);
    const size_t step = spacc_ops_product(x->dims, axis + 1, x->rank);
    for (size_t i = 0; y->count > 0 && i < y->count / count; i++) {
        size_t at = i / step * count * step + i % step;
        at = (at + (reverse ? (count - 1) * step : 0)) * bytes;
        lines[x->dtype]((char *)y->data + at, (const char *)x->data + at, count,
                        reverse ? -(int64_t)step : (int64_t)step, exclusive);
    }
    return SPACC_OK;
}
