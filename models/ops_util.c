#include "models/ops_util.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int spacc_ops_opset(const struct spacc_op_call *c)
{
    const struct spacc_graph *g = c->graph;
    while (g->opset == 0 && g->parent)
        g = g->parent;
    return g->opset;
}

const struct spacc_tensor *spacc_ops_in(const struct spacc_op_call *c, int i)
{
    return i < c->ins ? c->in[i] : NULL;
}

bool spacc_ops_wanted(const struct spacc_op_call *c, int i)
{
    return i < c->outs && (!c->wanted || c->wanted[i]);
}

enum spacc_status spacc_ops_types(struct spacc_op_call *c, int i, unsigned types)
{
    const struct spacc_tensor *t = spacc_ops_in(c, i);
    if (!t || (types & (1u << t->dtype)))
        return SPACC_OK;
    if ((SPACC_TYPES_HALF & (1u << t->dtype)) && (types & SPACC_TYPE(F32)))
        c->widen = true; /* spacc_op_run() calls again */
    return spacc_op_fail(c, SPACC_EUNSUPPORTED, "type %s of input %d is not supported by %s",
                         spacc_dtype_name((int)t->dtype), i, c->node->op->name);
}

enum spacc_status spacc_ops_check(struct spacc_op_call *c, int count, unsigned types)
{
    for (int i = 0; i < count; i++)
        if (!spacc_ops_in(c, i))
            return spacc_op_fail(c, SPACC_ESHAPE, "input %d is left out, %s needs %d inputs", i,
                                 c->node->op->name, count);
    for (int i = 0; i < c->ins; i++)
        TRY(spacc_ops_types(c, i, types));
    return SPACC_OK;
}

enum spacc_status spacc_ops_same_type(struct spacc_op_call *c, int i, int j)
{
    const struct spacc_tensor *a = spacc_ops_in(c, i), *b = spacc_ops_in(c, j);
    if (!a || !b || a->dtype == b->dtype)
        return SPACC_OK;
    return spacc_op_fail(c, SPACC_ESHAPE, "input %d is %s, input %d is %s", i,
                         spacc_dtype_name((int)a->dtype), j, spacc_dtype_name((int)b->dtype));
}

/* "attribute axes" or "input 1" at an opset that does not have it. */
static enum spacc_status opset_fail(struct spacc_op_call *c, const char *what, int first,
                                    int last)
{
    const int opset = spacc_ops_opset(c);
    if (opset < first)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED,
                             "%s exists from opset %d on, the model has opset %d", what, first,
                             opset);
    return spacc_op_fail(c, SPACC_EUNSUPPORTED,
                         "%s exists up to opset %d, the model has opset %d", what, last, opset);
}

enum spacc_status spacc_ops_attr_opset(struct spacc_op_call *c, const char *name, int first,
                                       int last)
{
    const int opset = spacc_ops_opset(c);
    char what[64];
    if (!spacc_node_attr(c->node, name) || (opset >= first && opset <= last))
        return SPACC_OK;
    snprintf(what, sizeof(what), "attribute %s", name);
    return opset_fail(c, what, first, last);
}

enum spacc_status spacc_ops_input_opset(struct spacc_op_call *c, int i, int first, int last)
{
    const int opset = spacc_ops_opset(c);
    char what[64];
    if (!spacc_ops_in(c, i) || (opset >= first && opset <= last))
        return SPACC_OK;
    snprintf(what, sizeof(what), "input %d", i);
    return opset_fail(c, what, first, last);
}

enum spacc_status spacc_ops_axis(struct spacc_op_call *c, int *out, int64_t axis, int rank)
{
    *out = 0;
    if (axis < -rank || axis >= rank)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "axis %" PRId64 " is outside %d..%d of a tensor of rank %d", axis,
                             -rank, rank - 1, rank);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return SPACC_OK;
}

char *spacc_ops_shape_text(char *text, int rank, const int64_t *dims)
{
    size_t used = 0;
    text[used++] = '[';
    for (int i = 0; i < rank; i++) {
        const int n =
            snprintf(text + used, SPACC_TEXT_BYTES - used, "%s%" PRId64, i ? "," : "", dims[i]);
        if (n < 0 || (size_t)n >= SPACC_TEXT_BYTES - used - 1)
            break;
        used += (size_t)n;
    }
    text[used++] = ']';
    text[used] = '\0';
    return text;
}

int64_t spacc_ops_integer(const struct spacc_tensor *t, size_t i)
{
    switch (t->dtype) {
    case SPACC_I8: return ((const int8_t *)t->data)[i];
    case SPACC_I16: return ((const int16_t *)t->data)[i];
    case SPACC_I32: return ((const int32_t *)t->data)[i];
    case SPACC_I64: return ((const int64_t *)t->data)[i];
    case SPACC_U16: return ((const uint16_t *)t->data)[i];
    case SPACC_U32: return ((const uint32_t *)t->data)[i];
    case SPACC_U64: return (int64_t)((const uint64_t *)t->data)[i];
    default: return ((const uint8_t *)t->data)[i];
    }
}

size_t spacc_ops_product(const int64_t *dims, int first, int last)
{
    size_t count = 1;
    for (int i = first; i < last; i++)
        count *= (size_t)dims[i];
    return count;
}

enum spacc_status spacc_ops_scalar(struct spacc_op_call *c, int i)
{
    const struct spacc_tensor *t = spacc_ops_in(c, i);
    char text[SPACC_TEXT_BYTES];
    if (!t || (t->count == 1 && t->rank <= 1))
        return SPACC_OK;
    return spacc_op_fail(c, SPACC_ESHAPE, "input %d has shape %s, it must be one element", i,
                         spacc_ops_shape_text(text, t->rank, t->dims));
}

enum spacc_status spacc_ops_ints_input(struct spacc_op_call *c, struct spacc_ops_ints *out,
                                       int i)
{
    char text[SPACC_TEXT_BYTES];
    const struct spacc_tensor *t = spacc_ops_in(c, i);
    *out = (struct spacc_ops_ints){0};
    if (!t)
        return SPACC_OK;
    TRY(spacc_ops_types(c, i, SPACC_TYPES_INDEX));
    if (t->rank > 1)
        return spacc_op_fail(c, SPACC_ESHAPE, "input %d has shape %s, a list has one axis", i,
                             spacc_ops_shape_text(text, t->rank, t->dims));
    out->given = true;
    out->count = t->count;
    if (t->count == 0)
        return SPACC_OK;
    TRY(spacc_op_needs(c, i));
    if (t->dtype == SPACC_I64)
        out->wide = t->data;
    else
        out->narrow = t->data;
    return SPACC_OK;
}

enum spacc_status spacc_ops_ints(struct spacc_op_call *c, struct spacc_ops_ints *out,
                                 const char *name, int i, int first)
{
    TRY(spacc_ops_attr_opset(c, name, 1, first - 1));
    TRY(spacc_ops_input_opset(c, i, first, INT32_MAX));
    if (spacc_ops_opset(c) >= first)
        return spacc_ops_ints_input(c, out, i);
    const struct spacc_attr *a = spacc_node_attr(c->node, name);
    *out = (struct spacc_ops_ints){0};
    if (a) {
        out->given = true;
        out->count = a->count;
        out->wide = a->ints;
    }
    return SPACC_OK;
}

enum spacc_status spacc_ops_axes(struct spacc_op_call *c, bool flags[SPACC_RANK_MAX],
                                 const struct spacc_ops_ints *axes, int rank)
{
    memset(flags, 0, SPACC_RANK_MAX * sizeof(*flags));
    for (size_t i = 0; i < axes->count; i++) {
        int axis;
        TRY(spacc_ops_axis(c, &axis, spacc_ops_int(axes, i), rank));
        if (flags[axis])
            return spacc_op_fail(c, SPACC_ESHAPE, "axis %d is given twice", axis);
        flags[axis] = true;
    }
    return SPACC_OK;
}

/* True when axis `i` continues the merged axis `last` in every array. */
static bool merges(const struct spacc_walk *w, int last, int64_t dim,
                   int64_t stride[][SPACC_RANK_MAX], int i)
{
    for (int a = 0; a < w->arrays; a++)
        if (w->stride[a][last] != stride[a][i] * dim)
            return false;
    return true;
}

void spacc_walk_init(struct spacc_walk *w, int arrays, int rank, const int64_t *dims,
                     int64_t stride[][SPACC_RANK_MAX], const int64_t *start)
{
    *w = (struct spacc_walk){.arrays = arrays, .rows = 1, .inner = 1};
    int axes = 0;
    for (int i = 0; i < rank; i++) {
        if (dims[i] == 0) {
            w->rows = w->inner = 0;
            return;
        }
        if (dims[i] == 1)
            continue;
        const bool merge = axes > 0 && merges(w, axes - 1, dims[i], stride, i);
        w->dims[merge ? axes - 1 : axes] = merge ? w->dims[axes - 1] * dims[i] : dims[i];
        for (int a = 0; a < arrays; a++)
            w->stride[a][merge ? axes - 1 : axes] = stride[a][i];
        axes += !merge;
    }
    if (axes > 0) {
        axes--;
        w->inner = (size_t)w->dims[axes];
    }
    w->rank = axes;
    for (int i = 0; i < axes; i++)
        w->rows *= (size_t)w->dims[i];
    for (int a = 0; a < arrays; a++) {
        w->at[a] = start ? start[a] : 0;
        w->step[a] = w->stride[a][axes];
    }
}

void spacc_walk_next(struct spacc_walk *w)
{
    for (int i = w->rank - 1; i >= 0; i--) {
        const bool carry = ++w->index[i] == w->dims[i];
        for (int a = 0; a < w->arrays; a++)
            w->at[a] += carry ? -w->stride[a][i] * (w->dims[i] - 1) : w->stride[a][i];
        if (!carry)
            return;
        w->index[i] = 0;
    }
}

void spacc_ops_strides(int64_t *stride, int rank, const int64_t *dims)
{
    int64_t step = 1;
    for (int i = rank - 1; i >= 0; i--) {
        stride[i] = step;
        /* wraps only where another dimension is 0 and no element is reached */
        step = (int64_t)((uint64_t)step * (uint64_t)dims[i]);
    }
}

/* Broadcast one more shape into `dims`; false when the two do not go together. */
static bool broadcast_one(int *rank, int64_t dims[SPACC_RANK_MAX], const struct spacc_tensor *t)
{
    const int add = t->rank - *rank;
    if (add > 0) {
        memmove(dims + add, dims, (size_t)*rank * sizeof(*dims));
        for (int i = 0; i < add; i++)
            dims[i] = 1;
        *rank = t->rank;
    }
    for (int i = 0; i < t->rank; i++) {
        int64_t *have = &dims[*rank - t->rank + i];
        if (*have == 1)
            *have = t->dims[i];
        else if (t->dims[i] != 1 && t->dims[i] != *have)
            return false;
    }
    return true;
}

enum spacc_status spacc_ops_broadcast(struct spacc_op_call *c, int *rank,
                                      int64_t dims[SPACC_RANK_MAX], int first, int count)
{
    for (int k = first; k < first + count; k++) {
        char have[SPACC_TEXT_BYTES], more[SPACC_TEXT_BYTES];
        const struct spacc_tensor *t = c->in[k];
        spacc_ops_shape_text(have, *rank, dims);
        if (!broadcast_one(rank, dims, t))
            return spacc_op_fail(c, SPACC_ESHAPE,
                                 "input %d of shape %s does not broadcast with %s", k,
                                 spacc_ops_shape_text(more, t->rank, t->dims), have);
    }
    return SPACC_OK;
}

void spacc_walk_broadcast(struct spacc_walk *w, const struct spacc_op_call *c, int first,
                          int count, int rank, const int64_t *dims)
{
    int64_t stride[SPACC_WALK_MAX][SPACC_RANK_MAX] = {{0}};
    for (int a = 0; a < count; a++) {
        const struct spacc_tensor *t = c->in[first + a];
        int64_t *s = stride[a] + (rank - t->rank);
        spacc_ops_strides(s, t->rank, t->dims);
        for (int i = 0; i < t->rank; i++)
            if (t->dims[i] == 1)
                s[i] = 0;
    }
    spacc_walk_init(w, count, rank, dims, stride, NULL);
}

/* One row of a strided copy; the switch gives the compiler the element's size. */
static void copy_row(char *to, const char *from, size_t bytes, size_t count, int64_t step)
{
    if (step == 1) {
        spacc_ops_memcpy(to, from, count * bytes);
        return;
    }
    const int64_t step_bytes = step * (int64_t)bytes;
    switch (bytes) {
    case 1:
        for (size_t i = 0; i < count; i++)
            to[i] = from[(int64_t)i * step_bytes];
        break;
    case 2:
        for (size_t i = 0; i < count; i++)
            memcpy(to + i * 2, from + (int64_t)i * step_bytes, 2);
        break;
    case 4:
        for (size_t i = 0; i < count; i++)
            memcpy(to + i * 4, from + (int64_t)i * step_bytes, 4);
        break;
    default:
        for (size_t i = 0; i < count; i++)
            memcpy(to + i * bytes, from + (int64_t)i * step_bytes, bytes);
    }
}

void spacc_ops_copy(void *to, const void *from, size_t bytes, int rank, const int64_t *dims,
                    const int64_t *stride, int64_t start)
{
    struct spacc_walk w;
    int64_t strides[1][SPACC_RANK_MAX];
    memcpy(strides[0], stride, (size_t)rank * sizeof(*stride));
    spacc_walk_init(&w, 1, rank, dims, strides, &start);
    if (w.rows == 0 || w.inner == 0)
        return;
    char *row_to = to;
    for (size_t row = 0; row < w.rows; row++, spacc_walk_next(&w)) {
        const char *row_from = (const char *)from + w.at[0] * (int64_t)bytes;
        copy_row(row_to, row_from, bytes, w.inner, w.step[0]);
        row_to += w.inner * bytes;
    }
}

void spacc_ops_memcpy(void *to, const void *from, size_t bytes)
{
    if (bytes > 0)
        memcpy(to, from, bytes);
}

float spacc_ops_dot(const float *a, const float *b, size_t n)
{
    float s[8] = {0};
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t k = 0; k < 8; k++)
            s[k] += a[i + k] * b[i + k];
    float sum = ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
    for (; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}
