/* Operators that order elements: ArgMax, ArgMin, TopK. */
#include "models/ops_order.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- order --------------------------------------------------------------------- */

static int compare_real(double a, double b)
{
    if (a != a || b != b)
        return (a != a) - (b != b);
    return (a > b) - (a < b);
}

int spacc_ops_compare(const struct spacc_tensor *t, size_t i, size_t j)
{
    if (t->dtype == SPACC_U64) {
        const uint64_t *v = t->data;
        return (v[i] > v[j]) - (v[i] < v[j]);
    }
    if ((SPACC_TYPES_FLOAT | SPACC_TYPES_HALF) & (1u << t->dtype))
        return compare_real(spacc_tensor_element(t, i), spacc_tensor_element(t, j));
    const int64_t a = spacc_ops_integer(t, i), b = spacc_ops_integer(t, j);
    return (a > b) - (a < b);
}

/* to[0..] = the runs [first, middle) and [middle, last) of `from`, merged. */
static void merge(size_t *to, const size_t *from, size_t first, size_t middle, size_t last,
                  spacc_order_fn order, const void *user)
{
    size_t a = first, b = middle;
    for (size_t i = first; i < last; i++) {
        const bool left = a < middle && (b == last || order(user, from[a], from[b]) <= 0);
        to[i] = left ? from[a++] : from[b++];
    }
}

void spacc_ops_sort(size_t *index, size_t *room, size_t count, spacc_order_fn order,
                    const void *user)
{
    for (size_t run = 1; run < count; run *= 2) {
        for (size_t first = 0; first < count; first += 2 * run) {
            const size_t middle = count - first < run ? count : first + run;
            const size_t last = count - middle < run ? count : middle + run;
            merge(room, index, first, middle, last, order, user);
        }
        memcpy(index, room, count * sizeof(*index));
    }
}

/* ---- lines along an axis --------------------------------------------------------- */

/* Elements `start`, `start + step`, ... of a tensor; sign -1: the largest comes first. */
struct line {
    const struct spacc_tensor *t;
    size_t start, step, count;
    int sign;
};

static int by_element(const void *user, size_t a, size_t b)
{
    const struct line *l = user;
    return l->sign * spacc_ops_compare(l->t, l->start + a * l->step, l->start + b * l->step);
}

/* Line `i` of all lines of `t` along `axis`. */
static struct line line_of(const struct spacc_tensor *t, int axis, size_t i, int sign)
{
    const size_t count = (size_t)t->dims[axis];
    const size_t step = spacc_ops_product(t->dims, axis + 1, t->rank);
    return (struct line){t, i / step * count * step + i % step, step, count, sign};
}

/* ---- ArgMax and ArgMin ----------------------------------------------------------- */

static int64_t first_of(const struct line *l, bool last_one)
{
    size_t at = 0;
    for (size_t i = 1; i < l->count; i++) {
        const int order = by_element(l, i, at);
        if (order < 0 || (order == 0 && last_one))
            at = i;
    }
    return (int64_t)at;
}

static enum spacc_status arg(struct spacc_op_call *c, int sign)
{
    struct spacc_tensor *y;
    int64_t dims[SPACC_RANK_MAX];
    int axis, rank = 0;
    const bool keep = spacc_node_int(c->node, "keepdims", 1) != 0;
    const bool last_one = spacc_node_int(c->node, "select_last_index", 0) != 0;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_NUMBER | SPACC_TYPES_HALF));
    TRY(spacc_ops_attr_opset(c, "select_last_index", 12, INT32_MAX));
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_ops_axis(c, &axis, spacc_node_int(c->node, "axis", 0), x->rank));
    for (int i = 0; i < x->rank; i++)
        if (i != axis || keep)
            dims[rank++] = i == axis ? 1 : x->dims[i];
    TRY(spacc_op_output(c, 0, SPACC_I64, rank, dims, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    if (x->dims[axis] == 0)
        return spacc_op_fail(c, SPACC_ESHAPE, "axis %d has no elements", axis);
    for (size_t i = 0; i < y->count; i++) {
        const struct line l = line_of(x, axis, i, sign);
        ((int64_t *)y->data)[i] = first_of(&l, last_one);
    }
    return SPACC_OK;
}

enum spacc_status spacc_op_arg_max(struct spacc_op_call *c)
{
    return arg(c, -1);
}

enum spacc_status spacc_op_arg_min(struct spacc_op_call *c)
{
    return arg(c, 1);
}

/* ---- TopK ------------------------------------------------------------------------ */

/* k is an attribute before opset 10, an input from then on. */
static enum spacc_status read_k(struct spacc_op_call *c, int64_t *k)
{
    TRY(spacc_ops_attr_opset(c, "k", 1, 9));
    TRY(spacc_ops_input_opset(c, 1, 10, INT32_MAX));
    TRY(spacc_ops_attr_opset(c, "largest", 11, INT32_MAX));
    TRY(spacc_ops_attr_opset(c, "sorted", 11, INT32_MAX));
    if (spacc_ops_opset(c) < 10) {
        *k = spacc_node_int(c->node, "k", -1);
        return SPACC_OK;
    }
    TRY(spacc_ops_check(c, 2, SPACC_TYPES_ALL));
    TRY(spacc_ops_types(c, 1, SPACC_TYPE(I64)));
    TRY(spacc_ops_scalar(c, 1));
    TRY(spacc_op_needs(c, 1));
    *k = *(const int64_t *)c->in[1]->data;
    return SPACC_OK;
}

/* The first k of the sorted line into line `i` of the outputs that are there. */
static void store_top(const struct line *l, const size_t *index, int axis, size_t i,
                      struct spacc_tensor *values, struct spacc_tensor *places)
{
    const struct spacc_tensor *y = values ? values : places;
    if (!y)
        return;
    const struct line to = line_of(y, axis, i, 1);
    const size_t bytes = spacc_dtype_bytes(l->t->dtype);
    for (size_t k = 0; k < to.count; k++) {
        const size_t at = to.start + k * to.step;
        if (values)
            memcpy((char *)values->data + at * bytes,
                   (const char *)l->t->data + (l->start + index[k] * l->step) * bytes, bytes);
        if (places)
            ((int64_t *)places->data)[at] = (int64_t)index[k];
    }
}

static enum spacc_status sort_lines(struct spacc_op_call *c, int axis, int sign,
                                    struct spacc_tensor *values, struct spacc_tensor *places)
{
    const struct spacc_tensor *x = c->in[0];
    const size_t count = (size_t)x->dims[axis];
    size_t *index = calloc(2 * count + 1, sizeof(*index));
    if (!index)
        return spacc_op_fail(c, SPACC_ENOMEM, "no memory to sort %zu elements", count);
    for (size_t i = 0; count > 0 && i < x->count / count; i++) {
        const struct line l = line_of(x, axis, i, sign);
        for (size_t k = 0; k < count; k++)
            index[k] = k;
        spacc_ops_sort(index, index + count, count, by_element, &l);
        store_top(&l, index, axis, i, values, places);
    }
    free(index);
    return SPACC_OK;
}

/* Always sorted; of equal elements the first comes first. */
enum spacc_status spacc_op_top_k(struct spacc_op_call *c)
{
    struct spacc_tensor *values = NULL, *places = NULL;
    int64_t dims[SPACC_RANK_MAX], k;
    int axis;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_ALL));
    TRY(spacc_ops_types(c, 0, SPACC_TYPES_NUMBER | SPACC_TYPES_HALF));
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_ops_axis(c, &axis, spacc_node_int(c->node, "axis", -1), x->rank));
    TRY(read_k(c, &k));
    if (k < 0 || k > x->dims[axis])
        return spacc_op_fail(c, SPACC_ESHAPE, "k is %" PRId64 ", axis %d has %" PRId64, k, axis,
                             x->dims[axis]);
    memcpy(dims, x->dims, sizeof(dims));
    dims[axis] = k;
    if (spacc_ops_wanted(c, 0))
        TRY(spacc_op_output(c, 0, x->dtype, x->rank, dims, &values));
    if (spacc_ops_wanted(c, 1))
        TRY(spacc_op_output(c, 1, SPACC_I64, x->rank, dims, &places));
    if (c->shape_only || x->count == 0)
        return SPACC_OK;
    const bool largest = spacc_node_int(c->node, "largest", 1) != 0;
    return sort_lines(c, axis, largest ? -1 : 1, values, places);
}
