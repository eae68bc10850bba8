/* DepthToSpace and SpaceToDepth, both ways between channels and blocks of a plane;
 * ReverseSequence. Any element type. */
#include <inttypes.h>
#include <string.h>

#include "models/ops_util.h"

static enum spacc_status read_block(struct spacc_op_call *c, int64_t *block)
{
    const struct spacc_tensor *x = c->in[0];
    char text[SPACC_TEXT_BYTES];
    *block = spacc_node_int(c->node, "blocksize", 0);
    if (x->rank != 4)
        return spacc_op_fail(c, SPACC_ESHAPE, "input has shape %s, it needs 4 axes",
                             spacc_ops_shape_text(text, x->rank, x->dims));
    if (*block < 1 || *block > INT32_MAX)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED,
                             "blocksize is %" PRId64 ", 1..%d is possible", *block, INT32_MAX);
    return SPACC_OK;
}

/* Copy x, seen as `from` [6], so that axis `order[i]` of it becomes axis i. */
static void permute(struct spacc_tensor *y, const struct spacc_tensor *x, const int64_t from[6],
                    const int order[6])
{
    int64_t strides[6], dims[6], stride[6];
    spacc_ops_strides(strides, 6, from);
    for (int i = 0; i < 6; i++) {
        dims[i] = from[order[i]];
        stride[i] = strides[order[i]];
    }
    spacc_ops_copy(y->data, x->data, spacc_dtype_bytes(x->dtype), 6, dims, stride, 0);
}

enum spacc_status spacc_op_depth_to_space(struct spacc_op_call *c)
{
    const char *mode = spacc_node_string(c->node, "mode", "DCR");
    struct spacc_tensor *y;
    int64_t b;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_ALL));
    TRY(spacc_ops_attr_opset(c, "mode", 11, INT32_MAX));
    TRY(read_block(c, &b));
    if (strcmp(mode, "DCR") != 0 && strcmp(mode, "CRD") != 0)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED, "mode is %s, not DCR or CRD", mode);
    const struct spacc_tensor *x = c->in[0];
    const int64_t n = x->dims[0], h = x->dims[2], w = x->dims[3];
    if (x->dims[1] % (b * b) || h > INT64_MAX / b || w > INT64_MAX / b)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "%" PRId64 " channels do not make blocks of %" PRId64
                             " x %" PRId64,
                             x->dims[1], b, b);
    const int64_t depth = x->dims[1] / (b * b);
    TRY(spacc_op_output(c, 0, x->dtype, 4, (const int64_t[]){n, depth, h * b, w * b}, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    if (strcmp(mode, "DCR") == 0)
        permute(y, x, (const int64_t[]){n, b, b, depth, h, w}, (const int[]){0, 3, 4, 1, 5, 2});
    else
        permute(y, x, (const int64_t[]){n, depth, b, b, h, w}, (const int[]){0, 1, 4, 2, 5, 3});
    return SPACC_OK;
}

enum spacc_status spacc_op_space_to_depth(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    int64_t b;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_ALL));
    TRY(read_block(c, &b));
    const struct spacc_tensor *x = c->in[0];
    const int64_t n = x->dims[0], channels = x->dims[1];
    if (x->dims[2] % b || x->dims[3] % b || channels > INT64_MAX / (b * b))
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "a plane of %" PRId64 " x %" PRId64
                             " does not make blocks of %" PRId64 " x %" PRId64,
                             x->dims[2], x->dims[3], b, b);
    const int64_t h = x->dims[2] / b, w = x->dims[3] / b;
    TRY(spacc_op_output(c, 0, x->dtype, 4, (const int64_t[]){n, channels * b * b, h, w}, &y));
    if (!c->shape_only && y->count > 0)
        permute(y, x, (const int64_t[]){n, channels, h, b, w, b},
                (const int[]){0, 3, 5, 1, 2, 4});
    return SPACC_OK;
}

/* ---- ReverseSequence --------------------------------------------------------- */

/* The batch axis is 0 or 1, the time axis the other; one length for each batch entry. */
static enum spacc_status check_sequences(struct spacc_op_call *c, int64_t *batch_axis)
{
    const struct spacc_tensor *x = c->in[0], *lens = c->in[1];
    const int64_t batch = spacc_node_int(c->node, "batch_axis", 1);
    const int64_t time = spacc_node_int(c->node, "time_axis", 0);
    char text[SPACC_TEXT_BYTES];
    if (x->rank < 2 || batch < 0 || batch > 1 || time != 1 - batch)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "batch axis %" PRId64 " and time axis %" PRId64
                             " of an input of shape %s",
                             batch, time, spacc_ops_shape_text(text, x->rank, x->dims));
    if (lens->rank != 1 || lens->dims[0] != x->dims[batch])
        return spacc_op_fail(
            c, SPACC_ESHAPE, "sequence_lens has shape %s, the batch has %" PRId64,
            spacc_ops_shape_text(text, lens->rank, lens->dims), x->dims[batch]);
    *batch_axis = batch;
    return SPACC_OK;
}

static enum spacc_status check_lengths(struct spacc_op_call *c, int64_t batch, int64_t steps)
{
    const int64_t *lens = c->in[1]->data;
    for (int64_t b = 0; b < batch; b++)
        if (lens[b] < 0 || lens[b] > steps)
            return spacc_op_fail(c, SPACC_ESHAPE,
                                 "sequence_lens[%" PRId64 "] is %" PRId64 ", there are %" PRId64
                                 " steps",
                                 b, lens[b], steps);
    return SPACC_OK;
}

enum spacc_status spacc_op_reverse_sequence(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    int64_t axis = 0;
    TRY(spacc_ops_check(c, 2, SPACC_TYPES_ALL));
    TRY(spacc_ops_types(c, 1, SPACC_TYPE(I64)));
    TRY(check_sequences(c, &axis));
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_op_output(c, 0, x->dtype, x->rank, x->dims, &y));
    if (c->shape_only)
        return SPACC_OK;
    const int64_t steps = x->dims[1 - axis], batch = x->dims[axis];
    TRY(check_lengths(c, batch, steps));
    if (y->count == 0)
        return SPACC_OK;
    const size_t bytes = y->count / (size_t)(steps * batch) * spacc_dtype_bytes(y->dtype);
    const int64_t *lens = c->in[1]->data;
    for (int64_t b = 0; b < batch; b++)
        for (int64_t t = 0; t < steps; t++) {
            const int64_t from = t < lens[b] ? lens[b] - 1 - t : t;
            const int64_t to_at = axis == 1 ? t * batch + b : b * steps + t;
            const int64_t from_at = axis == 1 ? from * batch + b : b * steps + from;
            memcpy((char *)y->data + (size_t)to_at * bytes,
                   (const char *)x->data + (size_t)from_at * bytes, bytes);
        }
    return SPACC_OK;
}
