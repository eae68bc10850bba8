/* Operators that pick or repeat elements of any type: NonZero, Compress, Tile, Trilu. */
#include "models/ops_util.h"

#include <inttypes.h>
#include <string.h>

/* ---- NonZero -------------------------------------------------------------------- */

/* Column `column` of y[rank][columns] = the indices of element `i` of x. */
static void store_indices(struct spacc_tensor *y, const struct spacc_tensor *x, size_t i,
                          int64_t column)
{
    int64_t *to = y->data;
    for (int axis = x->rank - 1; axis >= 0; axis--) {
        to[axis * y->dims[1] + column] = (int64_t)(i % (size_t)x->dims[axis]);
        i /= (size_t)x->dims[axis];
    }
}

/* A scalar counts as a list of one element. */
enum spacc_status spacc_op_non_zero(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    int64_t count = 0, column = 0;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_ALL));
    TRY(spacc_op_needs(c, 0));
    const struct spacc_tensor *x = c->in[0];
    for (size_t i = 0; i < x->count; i++)
        count += spacc_tensor_element(x, i) != 0.0;
    TRY(spacc_op_output(c, 0, SPACC_I64, 2, (const int64_t[]){x->rank ? x->rank : 1, count},
                        &y));
    for (size_t i = 0; !c->shape_only && i < x->count; i++)
        if (spacc_tensor_element(x, i) != 0.0)
            store_indices(y, x, i, column++);
    return SPACC_OK;
}

/* ---- Compress ------------------------------------------------------------------- */

/* How many are picked of `size`; one beyond them is an error. */
static enum spacc_status count_picked(struct spacc_op_call *c, int64_t size, int64_t *count)
{
    const struct spacc_tensor *condition = c->in[1];
    const uint8_t *picked = condition->data;
    *count = 0;
    for (size_t i = 0; i < condition->count; i++) {
        if (picked[i] && (int64_t)i >= size)
            return spacc_op_fail(c, SPACC_ESHAPE, "element %zu is picked of %" PRId64, i, size);
        *count += picked[i] != 0;
    }
    return SPACC_OK;
}

/* y[outer][picked][block] from x[outer][size][block]; blocks in bytes. */
static void compress(struct spacc_tensor *y, const struct spacc_tensor *x,
                     const struct spacc_tensor *condition, size_t outer, size_t size,
                     size_t block)
{
    const uint8_t *picked = condition->data;
    char *to = y->data;
    for (size_t o = 0; o < outer; o++)
        for (size_t i = 0; i < size && i < condition->count; i++)
            if (picked[i]) {
                spacc_ops_memcpy(to, (const char *)x->data + (o * size + i) * block, block);
                to += block;
            }
}

/* Without an axis the input is one list. */
enum spacc_status spacc_op_compress(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    int64_t dims[SPACC_RANK_MAX], picked;
    int axis = 0;
    const bool flat = !spacc_node_attr(c->node, "axis");
    TRY(spacc_ops_check(c, 2, SPACC_TYPES_ALL));
    TRY(spacc_ops_types(c, 1, SPACC_TYPE(BOOL)));
    const struct spacc_tensor *x = c->in[0], *condition = c->in[1];
    if (condition->rank != 1)
        return spacc_op_fail(c, SPACC_ESHAPE, "the condition has rank %d, it must be a list",
                             condition->rank);
    if (!flat)
        TRY(spacc_ops_axis(c, &axis, spacc_node_int(c->node, "axis", 0), x->rank));
    TRY(spacc_op_needs(c, 1));
    memcpy(dims, x->dims, sizeof(dims));
    const int64_t size = flat ? (int64_t)x->count : x->dims[axis];
    TRY(count_picked(c, size, &picked));
    dims[axis] = picked;
    TRY(spacc_op_output(c, 0, x->dtype, flat ? 1 : x->rank, dims, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    const size_t block = flat ? 1 : spacc_ops_product(x->dims, axis + 1, x->rank);
    compress(y, x, condition, flat ? 1 : spacc_ops_product(x->dims, 0, axis), (size_t)size,
             block * spacc_dtype_bytes(x->dtype));
    return SPACC_OK;
}

/* ---- Tile ----------------------------------------------------------------------- */

/* Where row `row` (all axes but the last) of y starts in x. */
static size_t source_row(const struct spacc_tensor *y, const struct spacc_tensor *x, size_t row)
{
    size_t at = 0, step = 1;
    for (int axis = y->rank - 2; axis >= 0; axis--) {
        const size_t index = row % (size_t)y->dims[axis];
        at += index % (size_t)x->dims[axis] * step;
        step *= (size_t)x->dims[axis];
        row /= (size_t)y->dims[axis];
    }
    return at;
}

static void tile(struct spacc_tensor *y, const struct spacc_tensor *x)
{
    const size_t bytes = spacc_dtype_bytes(x->dtype);
    const size_t from = (x->rank ? (size_t)x->dims[x->rank - 1] : 1) * bytes;
    const size_t to = (y->rank ? (size_t)y->dims[y->rank - 1] : 1) * bytes;
    for (size_t row = 0; row < y->count * bytes / to; row++)
        for (size_t at = 0; at < to; at += from)
            memcpy((char *)y->data + row * to + at,
                   (const char *)x->data + source_row(y, x, row) * from, from);
}

enum spacc_status spacc_op_tile(struct spacc_op_call *c)
{
    struct spacc_ops_ints repeats;
    struct spacc_tensor *y;
    int64_t dims[SPACC_RANK_MAX];
    TRY(spacc_ops_check(c, 2, SPACC_TYPES_ALL));
    TRY(spacc_ops_types(c, 1, SPACC_TYPE(I64)));
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_ops_ints_input(c, &repeats, 1));
    if (repeats.count != (size_t)x->rank)
        return spacc_op_fail(c, SPACC_ESHAPE, "%zu repeats for rank %d", repeats.count,
                             x->rank);
    for (int i = 0; i < x->rank; i++) {
        const int64_t times = spacc_ops_int(&repeats, (size_t)i);
        if (times < 0 || __builtin_mul_overflow(x->dims[i], times, &dims[i]))
            return spacc_op_fail(c, SPACC_ESHAPE, "axis %d of %" PRId64 " times %" PRId64, i,
                                 x->dims[i], times);
    }
    TRY(spacc_op_output(c, 0, x->dtype, x->rank, dims, &y));
    if (!c->shape_only && y->count > 0)
        tile(y, x);
    return SPACC_OK;
}

/* ---- Trilu ---------------------------------------------------------------------- */

/* Above or below diagonal k of each matrix; the rest stays zero. */
static void keep_triangle(struct spacc_tensor *y, const struct spacc_tensor *x, int64_t k,
                          bool upper)
{
    const size_t bytes = spacc_dtype_bytes(x->dtype);
    const int64_t rows = x->dims[x->rank - 2], columns = x->dims[x->rank - 1];
    for (size_t i = 0; i < x->count; i++) {
        const int64_t column = (int64_t)i % columns, row = (int64_t)i / columns % rows;
        if (upper ? column - row >= k : column - row <= k)
            memcpy((char *)y->data + i * bytes, (const char *)x->data + i * bytes, bytes);
    }
}

enum spacc_status spacc_op_trilu(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_ALL));
    TRY(spacc_ops_types(c, 1, SPACC_TYPE(I64)));
    TRY(spacc_ops_scalar(c, 1));
    const struct spacc_tensor *x = c->in[0], *k = spacc_ops_in(c, 1);
    if (x->rank < 2)
        return spacc_op_fail(c, SPACC_ESHAPE, "rank %d has no matrices", x->rank);
    TRY(spacc_op_output(c, 0, x->dtype, x->rank, x->dims, &y));
    if (!c->shape_only)
        keep_triangle(y, x, k ? *(const int64_t *)k->data : 0,
                      spacc_node_int(c->node, "upper", 1) != 0);
    return SPACC_OK;
}
