/* Slice: a part of each axis, forwards or backwards, with a step. */
#include "models/ops_util.h"

#include <inttypes.h>
#include <string.h>

struct lists {
    struct spacc_ops_ints starts, ends, axes, steps;
};

/* What one axis keeps: elements start, start + step, ... */
struct cut {
    int64_t start, step, count;
};

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* Limits beyond the axis are moved to its ends; a negative one counts from its end.
 * Backwards, `end` may be just before the first element. */
static struct cut cut_axis(int64_t start, int64_t end, int64_t step, int64_t size)
{
    if (size == 0)
        return (struct cut){0, 1, 0};
    const bool forward = step > 0;
    const int64_t high = forward ? size : size - 1;
    struct cut cut = {.step = step < -INT64_MAX ? -INT64_MAX : step};
    cut.start = clamp(start < 0 ? start + size : start, 0, high);
    end = clamp(end < 0 ? end + size : end, forward ? 0 : -1, high);
    if (forward && end > cut.start)
        cut.count = (end - cut.start - 1) / cut.step + 1;
    if (!forward && end < cut.start)
        cut.count = (cut.start - end - 1) / -cut.step + 1;
    return cut;
}

static enum spacc_status read_lists(struct spacc_op_call *c, struct lists *l)
{
    TRY(spacc_ops_ints(c, &l->starts, "starts", 1, 10));
    TRY(spacc_ops_ints(c, &l->ends, "ends", 2, 10));
    TRY(spacc_ops_ints(c, &l->axes, "axes", 3, 10));
    TRY(spacc_ops_input_opset(c, 4, 10, INT32_MAX));
    TRY(spacc_ops_ints_input(c, &l->steps, 4));
    if (!l->starts.given || !l->ends.given)
        return spacc_op_fail(c, SPACC_ESHAPE, "has no starts or no ends");
    const size_t count = l->starts.count;
    if (l->ends.count != count || (l->axes.given && l->axes.count != count) ||
        (l->steps.given && l->steps.count != count) || count > (size_t)c->in[0]->rank)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "%zu starts, %zu ends, %zu axes, %zu steps for rank %d", count,
                             l->ends.count, l->axes.count, l->steps.count, c->in[0]->rank);
    return SPACC_OK;
}

static enum spacc_status read_cuts(struct spacc_op_call *c, struct cut cuts[SPACC_RANK_MAX])
{
    const struct spacc_tensor *x = c->in[0];
    struct lists l;
    bool flags[SPACC_RANK_MAX];
    TRY(read_lists(c, &l));
    TRY(spacc_ops_axes(c, flags, &l.axes, x->rank)); /* each axis once */
    for (int i = 0; i < x->rank; i++)
        cuts[i] = (struct cut){0, 1, x->dims[i]};
    for (size_t i = 0; i < l.starts.count; i++) {
        int axis = (int)i;
        if (l.axes.given)
            TRY(spacc_ops_axis(c, &axis, spacc_ops_int(&l.axes, i), x->rank));
        const int64_t step = l.steps.given ? spacc_ops_int(&l.steps, i) : 1;
        if (step == 0)
            return spacc_op_fail(c, SPACC_ESHAPE, "step of axis %d is 0", axis);
        cuts[axis] = cut_axis(spacc_ops_int(&l.starts, i), spacc_ops_int(&l.ends, i), step,
                              x->dims[axis]);
    }
    return SPACC_OK;
}

enum spacc_status spacc_op_slice(struct spacc_op_call *c)
{
    struct cut cuts[SPACC_RANK_MAX];
    struct spacc_tensor *y;
    int64_t dims[SPACC_RANK_MAX], stride[SPACC_RANK_MAX], start = 0;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_ALL));
    TRY(read_cuts(c, cuts));
    const struct spacc_tensor *x = c->in[0];
    for (int i = 0; i < x->rank; i++)
        dims[i] = cuts[i].count;
    TRY(spacc_op_output(c, 0, x->dtype, x->rank, dims, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    spacc_ops_strides(stride, x->rank, x->dims);
    for (int i = 0; i < x->rank; i++) {
        start += cuts[i].start * stride[i];
        stride[i] *= cuts[i].count > 1 ? cuts[i].step : 0; /* a far step is never taken */
    }
    spacc_ops_copy(y->data, x->data, spacc_dtype_bytes(x->dtype), x->rank, dims, stride, start);
    return SPACC_OK;
}
