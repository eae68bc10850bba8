/* Operators that move elements of any type: Transpose, Expand, Gather, Concat, Split. */
#include "models/ops_util.h"

#include <inttypes.h>
#include <string.h>

/* ---- Transpose and Expand ---------------------------------------------------- */

static enum spacc_status read_perm(struct spacc_op_call *c, int perm[SPACC_RANK_MAX], int rank)
{
    const struct spacc_attr *a = spacc_node_attr(c->node, "perm");
    bool used[SPACC_RANK_MAX] = {false};
    if (a && a->count != (size_t)rank)
        return spacc_op_fail(c, SPACC_ESHAPE, "perm has %zu axes, the input has rank %d",
                             a->count, rank);
    for (int i = 0; i < rank; i++) {
        const int64_t axis = a ? a->ints[i] : rank - 1 - i;
        if (axis < 0 || axis >= rank || used[axis])
            return spacc_op_fail(c, SPACC_ESHAPE,
                                 "perm[%d] is %" PRId64 ", not a new axis of rank %d", i, axis,
                                 rank);
        perm[i] = (int)axis;
        used[axis] = true;
    }
    return SPACC_OK;
}

enum spacc_status spacc_op_transpose(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    int perm[SPACC_RANK_MAX];
    int64_t dims[SPACC_RANK_MAX], from[SPACC_RANK_MAX], stride[SPACC_RANK_MAX];
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_ALL));
    const struct spacc_tensor *x = c->in[0];
    TRY(read_perm(c, perm, x->rank));
    spacc_ops_strides(from, x->rank, x->dims);
    for (int i = 0; i < x->rank; i++) {
        dims[i] = x->dims[perm[i]];
        stride[i] = from[perm[i]];
    }
    TRY(spacc_op_output(c, 0, x->dtype, x->rank, dims, &y));
    if (!c->shape_only)
        spacc_ops_copy(y->data, x->data, spacc_dtype_bytes(x->dtype), x->rank, dims, stride, 0);
    return SPACC_OK;
}

enum spacc_status spacc_op_expand(struct spacc_op_call *c)
{
    struct spacc_ops_ints shape;
    struct spacc_tensor *y;
    int64_t dims[SPACC_RANK_MAX], stride[SPACC_RANK_MAX] = {0};
    TRY(spacc_ops_check(c, 2, SPACC_TYPES_ALL));
    TRY(spacc_ops_ints_input(c, &shape, 1));
    if (shape.count > SPACC_RANK_MAX)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED, "shape has %zu axes, %d are possible",
                             shape.count, SPACC_RANK_MAX);
    int rank = (int)shape.count;
    for (int i = 0; i < rank; i++)
        dims[i] = spacc_ops_int(&shape, (size_t)i);
    TRY(spacc_ops_broadcast(c, &rank, dims, 0, 1));
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_op_output(c, 0, x->dtype, rank, dims, &y));
    if (c->shape_only)
        return SPACC_OK;
    int64_t *own = stride + (rank - x->rank);
    spacc_ops_strides(own, x->rank, x->dims);
    for (int i = 0; i < x->rank; i++)
        if (x->dims[i] == 1)
            own[i] = 0;
    spacc_ops_copy(y->data, x->data, spacc_dtype_bytes(x->dtype), rank, dims, stride, 0);
    return SPACC_OK;
}

/* ---- Gather ------------------------------------------------------------------ */

/* Index `i` as 0..size-1 into *out. */
static enum spacc_status read_index(struct spacc_op_call *c, size_t i, int64_t size,
                                    size_t *out)
{
    const struct spacc_tensor *t = c->in[1];
    const int64_t index =
        t->dtype == SPACC_I64 ? ((const int64_t *)t->data)[i] : ((const int32_t *)t->data)[i];
    if (index < -size || index >= size)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "index %" PRId64 " at element %zu is outside an axis of %" PRId64,
                             index, i, size);
    *out = (size_t)(index < 0 ? index + size : index);
    return SPACC_OK;
}

/* y[outer][indices][block] from x[outer][size][block]. */
static enum spacc_status gather(struct spacc_op_call *c, struct spacc_tensor *y, int axis)
{
    const struct spacc_tensor *x = c->in[0], *t = c->in[1];
    const size_t outer = spacc_ops_product(x->dims, 0, axis), size = (size_t)x->dims[axis];
    const size_t block =
        spacc_ops_product(x->dims, axis + 1, x->rank) * spacc_dtype_bytes(x->dtype);
    for (size_t i = 0; i < t->count; i++) {
        size_t index = 0;
        TRY(read_index(c, i, x->dims[axis], &index));
        for (size_t o = 0; y->count > 0 && o < outer; o++)
            memcpy((char *)y->data + (o * t->count + i) * block,
                   (const char *)x->data + (o * size + index) * block, block);
    }
    return SPACC_OK;
}

enum spacc_status spacc_op_gather(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    int64_t dims[2 * SPACC_RANK_MAX];
    int axis, rank = 0;
    TRY(spacc_ops_check(c, 2, SPACC_TYPES_ALL));
    TRY(spacc_ops_types(c, 1, SPACC_TYPES_INDEX));
    const struct spacc_tensor *x = c->in[0], *t = c->in[1];
    TRY(spacc_ops_axis(c, &axis, spacc_node_int(c->node, "axis", 0), x->rank));
    for (int i = 0; i < axis; i++)
        dims[rank++] = x->dims[i];
    for (int i = 0; i < t->rank; i++)
        dims[rank++] = t->dims[i];
    for (int i = axis + 1; i < x->rank; i++)
        dims[rank++] = x->dims[i];
    TRY(spacc_op_output(c, 0, x->dtype, rank, dims, &y));
    return c->shape_only ? SPACC_OK : gather(c, y, axis);
}

/* ---- Concat ------------------------------------------------------------------ */

/* Inputs agree with input 0 on all axes but `axis`; their sizes there add up. */
static enum spacc_status concat_shape(struct spacc_op_call *c, int axis, int64_t *dims)
{
    const struct spacc_tensor *x = c->in[0];
    char has[SPACC_TEXT_BYTES], wants[SPACC_TEXT_BYTES];
    memcpy(dims, x->dims, sizeof(x->dims));
    for (int k = 1; k < c->ins; k++) {
        const struct spacc_tensor *t = c->in[k];
        bool fits = t->rank == x->rank;
        TRY(spacc_ops_same_type(c, 0, k));
        for (int i = 0; fits && i < x->rank; i++)
            fits = i == axis || t->dims[i] == x->dims[i];
        if (!fits || __builtin_add_overflow(dims[axis], t->dims[axis], &dims[axis]))
            return spacc_op_fail(c, SPACC_ESHAPE,
                                 "input %d has shape %s, input 0 has %s; only axis %d may "
                                 "differ",
                                 k, spacc_ops_shape_text(has, t->rank, t->dims),
                                 spacc_ops_shape_text(wants, x->rank, x->dims), axis);
    }
    return SPACC_OK;
}

/* Blocks that follow each other to places `stride` bytes apart. Single numbers are by far the
 * most blocks a tensor can have: they get a loop of their own. */
static void spread(char *to, const char *from, size_t block, size_t count, size_t stride)
{
    if (block == sizeof(uint32_t))
        for (size_t i = 0; i < count; i++)
            memcpy(to + i * stride, from + i * sizeof(uint32_t), sizeof(uint32_t));
    else
        for (size_t i = 0; i < count && block > 0; i++)
            memcpy(to + i * stride, from + i * block, block);
}

enum spacc_status spacc_op_concat(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    int64_t dims[SPACC_RANK_MAX];
    int axis;
    TRY(spacc_ops_check(c, c->ins > 0 ? c->ins : 1, SPACC_TYPES_ALL));
    if (!spacc_node_attr(c->node, "axis"))
        return spacc_op_fail(c, SPACC_ESHAPE, "has no axis");
    TRY(spacc_ops_axis(c, &axis, spacc_node_int(c->node, "axis", 0), c->in[0]->rank));
    TRY(concat_shape(c, axis, dims));
    TRY(spacc_op_output(c, 0, c->in[0]->dtype, c->in[0]->rank, dims, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    const size_t outer = spacc_ops_product(dims, 0, axis), bytes = spacc_dtype_bytes(y->dtype);
    char *to = y->data;
    for (int k = 0; k < c->ins; k++) {
        const size_t block = c->in[k]->count / outer * bytes;
        spread(to, c->in[k]->data, block, outer, y->count / outer * bytes);
        to += block;
    }
    return SPACC_OK;
}

/* ---- Split ------------------------------------------------------------------- */

/* How an axis is divided: given sizes, or equal ones (from opset 18 on the last may be
 * smaller). */
struct division {
    struct spacc_ops_ints sizes;
    int64_t size, chunk; /* of the axis; of an equal part */
};

static int64_t part_size(const struct division *d, int i)
{
    if (d->sizes.given)
        return spacc_ops_int(&d->sizes, (size_t)i);
    const int64_t left = d->size - d->chunk * i;
    return left < 0 ? 0 : left < d->chunk ? left : d->chunk;
}

static enum spacc_status check_sizes(struct spacc_op_call *c, const struct division *d)
{
    int64_t sum = 0;
    if (d->sizes.count != (size_t)c->outs)
        return spacc_op_fail(c, SPACC_ESHAPE, "split has %zu sizes, the node %d outputs",
                             d->sizes.count, c->outs);
    for (int i = 0; i < c->outs; i++) {
        const int64_t size = part_size(d, i);
        if (size < 0 || __builtin_add_overflow(sum, size, &sum))
            return spacc_op_fail(c, SPACC_ESHAPE, "split[%d] is %" PRId64, i, size);
    }
    if (sum != d->size)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "split adds up to %" PRId64 ", the axis has %" PRId64, sum,
                             d->size);
    return SPACC_OK;
}

static enum spacc_status plan_division(struct spacc_op_call *c, struct division *d)
{
    const struct spacc_attr *parts = spacc_node_attr(c->node, "num_outputs");
    TRY(spacc_ops_attr_opset(c, "num_outputs", 18, INT32_MAX));
    TRY(spacc_ops_ints(c, &d->sizes, "split", 1, 13));
    if (parts && parts->i != c->outs)
        return spacc_op_fail(c, SPACC_ESHAPE, "num_outputs is %" PRId64 ", the node has %d",
                             parts->i, c->outs);
    if (d->sizes.given)
        return check_sizes(c, d);
    if (!parts && d->size % c->outs != 0)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "an axis of %" PRId64 " does not split in %d equal parts", d->size,
                             c->outs);
    d->chunk = d->size / c->outs + (d->size % c->outs != 0);
    return SPACC_OK;
}

/* Output `i`: `dims` (already of its size) from element `start` of the axis on. */
static enum spacc_status split_part(struct spacc_op_call *c, int i, int axis, int64_t start,
                                    const int64_t *dims)
{
    const struct spacc_tensor *x = c->in[0];
    struct spacc_tensor *y;
    int64_t stride[SPACC_RANK_MAX];
    TRY(spacc_op_output(c, i, x->dtype, x->rank, dims, &y));
    spacc_ops_strides(stride, x->rank, x->dims);
    if (!c->shape_only && y->count > 0)
        spacc_ops_copy(y->data, x->data, spacc_dtype_bytes(x->dtype), x->rank, dims, stride,
                       start * stride[axis]);
    return SPACC_OK;
}

enum spacc_status spacc_op_split(struct spacc_op_call *c)
{
    int axis;
    int64_t start = 0, dims[SPACC_RANK_MAX];
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_ALL));
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_ops_axis(c, &axis, spacc_node_int(c->node, "axis", 0), x->rank));
    struct division d = {.size = x->dims[axis]};
    TRY(plan_division(c, &d));
    memcpy(dims, x->dims, sizeof(dims));
    for (int i = 0; i < c->outs; i++) {
        dims[axis] = part_size(&d, i);
        if (spacc_ops_wanted(c, i))
            TRY(split_part(c, i, axis, start, dims));
        start += dims[axis];
    }
    return SPACC_OK;
}
