/* Operators that keep every element and its order, or tell a shape. */
#include "models/ops_util.h"

#include <inttypes.h>
#include <string.h>

/* Output 0: the elements of input 0 in another shape of as many elements. */
static enum spacc_status reshaped(struct spacc_op_call *c, int rank, const int64_t *dims)
{
    const struct spacc_tensor *x = c->in[0];
    struct spacc_tensor *y;
    TRY(spacc_op_output(c, 0, x->dtype, rank, dims, &y));
    if (!c->shape_only)
        spacc_ops_memcpy(y->data, x->data, x->count * spacc_dtype_bytes(x->dtype));
    return SPACC_OK;
}

enum spacc_status spacc_op_identity(struct spacc_op_call *c)
{
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_ALL));
    return reshaped(c, c->in[0]->rank, c->in[0]->dims);
}

/* ---- Dropout ------------------------------------------------------------------- */

/* Ratio and training mode are inputs from opset 12 on; a mode that is not known yet may
 * still be inference. */
static enum spacc_status check_inference(struct spacc_op_call *c)
{
    const struct spacc_tensor *ratio = spacc_ops_in(c, 1), *training = spacc_ops_in(c, 2);
    TRY(spacc_ops_types(c, 1, SPACC_TYPES_FLOAT | SPACC_TYPES_HALF));
    TRY(spacc_ops_types(c, 2, SPACC_TYPE(BOOL)));
    TRY(spacc_ops_scalar(c, 1));
    TRY(spacc_ops_scalar(c, 2));
    if (!training || !training->data || !*(const uint8_t *)training->data ||
        (ratio && !ratio->data))
        return SPACC_OK;
    if (ratio && spacc_tensor_element(ratio, 0) == 0.0)
        return SPACC_OK;
    return spacc_op_fail(c, SPACC_EUNSUPPORTED,
                         "training_mode with a ratio above 0 is not supported: it drops at "
                         "random");
}

/* Inference: the input as it is, and a mask of ones (of x's type before opset 10). */
enum spacc_status spacc_op_dropout(struct spacc_op_call *c)
{
    struct spacc_tensor *mask;
    const bool typed = spacc_ops_opset(c) < 10;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_ALL));
    TRY(spacc_ops_types(c, 0, SPACC_TYPES_FLOAT | SPACC_TYPES_HALF));
    TRY(spacc_ops_attr_opset(c, "ratio", 1, 11));
    TRY(spacc_ops_attr_opset(c, "seed", 12, INT32_MAX));
    TRY(spacc_ops_input_opset(c, 1, 12, INT32_MAX));
    TRY(spacc_ops_input_opset(c, 2, 12, INT32_MAX));
    TRY(check_inference(c));
    const struct spacc_tensor *x = c->in[0];
    TRY(reshaped(c, x->rank, x->dims));
    if (!spacc_ops_wanted(c, 1))
        return SPACC_OK;
    TRY(spacc_op_output(c, 1, typed ? x->dtype : SPACC_BOOL, x->rank, x->dims, &mask));
    for (size_t i = 0; !c->shape_only && i < mask->count; i++)
        spacc_ops_put(mask, i, 1.0);
    return SPACC_OK;
}

/* ---- Shape and Size: contents are not read ------------------------------------ */

/* A negative axis counts from the end; beyond the ends is moved there. */
static int64_t clamp_axis(int64_t axis, int rank)
{
    if (axis < 0)
        axis += rank;
    return axis < 0 ? 0 : axis > rank ? rank : axis;
}

enum spacc_status spacc_op_shape(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_ALL));
    TRY(spacc_ops_attr_opset(c, "start", 15, INT32_MAX));
    TRY(spacc_ops_attr_opset(c, "end", 15, INT32_MAX));
    const struct spacc_tensor *x = c->in[0];
    const int64_t first = clamp_axis(spacc_node_int(c->node, "start", 0), x->rank);
    const int64_t last = clamp_axis(spacc_node_int(c->node, "end", x->rank), x->rank);
    const int64_t count = last > first ? last - first : 0;
    TRY(spacc_op_output(c, 0, SPACC_I64, 1, &count, &y));
    if (!c->shape_only)
        spacc_ops_memcpy(y->data, x->dims + first, (size_t)count * sizeof(*x->dims));
    return SPACC_OK;
}

enum spacc_status spacc_op_size(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_ALL));
    TRY(spacc_op_output(c, 0, SPACC_I64, 0, NULL, &y));
    if (!c->shape_only)
        *(int64_t *)y->data = (int64_t)c->in[0]->count;
    return SPACC_OK;
}

/* ---- Reshape ----------------------------------------------------------------- */

static enum spacc_status reshape_fail(struct spacc_op_call *c, int rank, const int64_t *dims)
{
    const struct spacc_tensor *x = c->in[0];
    char from[SPACC_TEXT_BYTES], to[SPACC_TEXT_BYTES];
    return spacc_op_fail(c, SPACC_ESHAPE, "cannot reshape %s to %s",
                         spacc_ops_shape_text(from, x->rank, x->dims),
                         spacc_ops_shape_text(to, rank, dims));
}

/* The -1 in `dims` becomes what the other dimensions leave of `count` elements. False
 * when they do not divide it or do not give it. */
static bool infer_dimension(int64_t *dims, int rank, size_t count)
{
    int64_t known = 1, *unknown = NULL;
    for (int i = 0; i < rank; i++)
        if (dims[i] == -1) {
            if (unknown)
                return false;
            unknown = &dims[i];
        } else if (dims[i] < 0 || __builtin_mul_overflow(known, dims[i], &known))
            return false;
    if (!unknown)
        return (size_t)known == count;
    if (known == 0 || count % (size_t)known != 0)
        return false;
    *unknown = (int64_t)(count / (size_t)known);
    return true;
}

enum spacc_status spacc_op_reshape(struct spacc_op_call *c)
{
    struct spacc_ops_ints shape;
    int64_t asked[SPACC_RANK_MAX], dims[SPACC_RANK_MAX];
    TRY(spacc_ops_check(c, 2, SPACC_TYPES_ALL));
    TRY(spacc_ops_attr_opset(c, "allowzero", 14, INT32_MAX));
    TRY(spacc_ops_ints_input(c, &shape, 1));
    const struct spacc_tensor *x = c->in[0];
    const bool allow_zero = spacc_node_int(c->node, "allowzero", 0) != 0;
    if (shape.count > SPACC_RANK_MAX)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED, "shape has %zu axes, %d are possible",
                             shape.count, SPACC_RANK_MAX);
    for (size_t i = 0; i < shape.count; i++)
        asked[i] = dims[i] = spacc_ops_int(&shape, i);
    for (size_t i = 0; i < shape.count && !allow_zero; i++)
        if (dims[i] == 0 && i >= (size_t)x->rank)
            return reshape_fail(c, (int)shape.count, asked);
        else if (dims[i] == 0)
            dims[i] = x->dims[i];
    if (!infer_dimension(dims, (int)shape.count, x->count))
        return reshape_fail(c, (int)shape.count, asked);
    return reshaped(c, (int)shape.count, dims);
}

enum spacc_status spacc_op_flatten(struct spacc_op_call *c)
{
    int64_t dims[2] = {1, 1};
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_ALL));
    const struct spacc_tensor *x = c->in[0];
    int64_t axis = spacc_node_int(c->node, "axis", 1);
    if (axis < -x->rank || axis > x->rank)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "axis %" PRId64 " is outside %d..%d of a tensor of rank %d", axis,
                             -x->rank, x->rank, x->rank);
    if (axis < 0)
        axis += x->rank;
    for (int i = 0; i < x->rank; i++)
        if (__builtin_mul_overflow(dims[i >= axis], x->dims[i], &dims[i >= axis]))
            return reshape_fail(c, 2, dims);
    return reshaped(c, 2, dims);
}

/* ---- Squeeze and Unsqueeze --------------------------------------------------- */

/* Without axes every axis of one element goes. */
enum spacc_status spacc_op_squeeze(struct spacc_op_call *c)
{
    struct spacc_ops_ints axes;
    bool flags[SPACC_RANK_MAX];
    int64_t dims[SPACC_RANK_MAX];
    int rank = 0;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_ALL));
    TRY(spacc_ops_ints(c, &axes, "axes", 1, 13));
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_ops_axes(c, flags, &axes, x->rank));
    for (int i = 0; i < x->rank; i++) {
        if (flags[i] && x->dims[i] != 1)
            return spacc_op_fail(c, SPACC_ESHAPE,
                                 "axis %d has %" PRId64 " elements, it must have 1", i,
                                 x->dims[i]);
        if (axes.given ? !flags[i] : x->dims[i] != 1)
            dims[rank++] = x->dims[i];
    }
    return reshaped(c, rank, dims);
}

enum spacc_status spacc_op_unsqueeze(struct spacc_op_call *c)
{
    struct spacc_ops_ints axes;
    bool flags[SPACC_RANK_MAX];
    int64_t dims[SPACC_RANK_MAX];
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_ALL));
    TRY(spacc_ops_ints(c, &axes, "axes", 1, 13));
    const struct spacc_tensor *x = c->in[0];
    if (!axes.given)
        return spacc_op_fail(c, SPACC_ESHAPE, "has no axes");
    if (axes.count > (size_t)(SPACC_RANK_MAX - x->rank))
        return spacc_op_fail(c, SPACC_EUNSUPPORTED, "%d axes and %zu more, %d are possible",
                             x->rank, axes.count, SPACC_RANK_MAX);
    const int rank = x->rank + (int)axes.count;
    TRY(spacc_ops_axes(c, flags, &axes, rank));
    for (int i = 0, from = 0; i < rank; i++)
        dims[i] = flags[i] ? 1 : x->dims[from++];
    return reshaped(c, rank, dims);
}
