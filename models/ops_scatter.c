/* Elements and slices picked or placed by index: GatherElements, GatherND,
 * ScatterElements (and its old name Scatter), ScatterND. Where an index comes twice, the
 * updates are applied in row-major order. */
#include <inttypes.h>
#include <string.h>

#include "models/ops_util.h"

/* ---- shared ------------------------------------------------------------------ */

static int64_t index_of(const struct spacc_tensor *t, int64_t i)
{
    return t->dtype == SPACC_I32 ? ((const int32_t *)t->data)[i]
                                 : ((const int64_t *)t->data)[i];
}

/* An index of an axis, a negative one from its end. */
static enum spacc_status fit_index(struct spacc_op_call *c, int64_t *at, int64_t size)
{
    if (*at < -size || *at >= size)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "index %" PRId64 " is outside of an axis of %" PRId64 " elements",
                             *at, size);
    if (*at < 0)
        *at += size;
    return SPACC_OK;
}

enum reduction { REPLACE, ADD, MUL, MAX, MIN };

static enum spacc_status read_reduction(struct spacc_op_call *c, enum reduction *r)
{
    static const char *const names[] = {"none", "add", "mul", "max", "min"};
    const char *name = spacc_node_string(c->node, "reduction", "none");
    const int count = spacc_ops_opset(c) < 18 ? MUL + 1 : MIN + 1;
    TRY(spacc_ops_attr_opset(c, "reduction", 16, INT32_MAX));
    for (int i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0) {
            *r = (enum reduction)i;
            return *r == REPLACE ? SPACC_OK : spacc_ops_types(c, 0, SPACC_TYPES_NUMBER);
        }
    return spacc_op_fail(c, SPACC_EUNSUPPORTED, "reduction %s is not supported in opset %d",
                         name, spacc_ops_opset(c));
}

/* Sums and products in `wide`, so that integers wrap. */
#define COMBINE(function, type, wide)                                            \
    static void function(type *to, const type *from, size_t n, enum reduction r) \
    {                                                                            \
        for (size_t i = 0; i < n; i++)                                           \
            switch (r) {                                                         \
            case ADD: to[i] = (type)((wide)to[i] + (wide)from[i]); break;        \
            case MUL: to[i] = (type)((wide)to[i] * (wide)from[i]); break;        \
            case MAX: to[i] = from[i] > to[i] ? from[i] : to[i]; break;          \
            case MIN: to[i] = from[i] < to[i] ? from[i] : to[i]; break;          \
            case REPLACE: to[i] = from[i]; break;                                \
            }                                                                    \
    }

COMBINE(combine_f32, float, float)
COMBINE(combine_f64, double, double)
COMBINE(combine_i32, int32_t, uint32_t)
COMBINE(combine_i64, int64_t, uint64_t)
COMBINE(combine_i8, int8_t, uint32_t)
COMBINE(combine_u8, uint8_t, uint32_t)

/* to[n] = to (r) from, n elements. */
static void combine(enum spacc_dtype dtype, void *to, const void *from, size_t n,
                    enum reduction r)
{
    if (r == REPLACE) {
        spacc_ops_memcpy(to, from, n * spacc_dtype_bytes(dtype));
        return;
    }
    switch (dtype) {
    case SPACC_F32: combine_f32(to, from, n, r); break;
    case SPACC_F64: combine_f64(to, from, n, r); break;
    case SPACC_I32: combine_i32(to, from, n, r); break;
    case SPACC_I64: combine_i64(to, from, n, r); break;
    case SPACC_I8: combine_i8(to, from, n, r); break;
    default: combine_u8(to, from, n, r); break;
    }
}

/* ---- element by element along one axis ---------------------------------------- */

/* Element of an array with `stride` for position `at`, with `along` on `axis`. */
static int64_t place(const int64_t *stride, const int64_t *at, int rank, int axis,
                     int64_t along)
{
    int64_t sum = 0;
    for (int i = 0; i < rank; i++)
        sum += stride[i] * (i == axis ? along : at[i]);
    return sum;
}

static void next(int64_t *at, int rank, const int64_t *dims)
{
    for (int i = rank - 1; i >= 0 && ++at[i] == dims[i]; i--)
        at[i] = 0;
}

/* Indices may be smaller than x on every axis but `axis`, where they may be longer. */
static enum spacc_status check_elements(struct spacc_op_call *c, int *axis)
{
    const struct spacc_tensor *x = c->in[0], *indices = c->in[1];
    char left[SPACC_TEXT_BYTES], right[SPACC_TEXT_BYTES];
    TRY(spacc_ops_types(c, 1, SPACC_TYPES_INDEX));
    TRY(spacc_ops_axis(c, axis, spacc_node_int(c->node, "axis", 0), x->rank));
    bool fits = x->rank == indices->rank;
    for (int i = 0; fits && i < x->rank; i++)
        fits = i == *axis || indices->dims[i] <= x->dims[i];
    if (fits)
        return SPACC_OK;
    return spacc_op_fail(c, SPACC_ESHAPE, "indices of shape %s into %s",
                         spacc_ops_shape_text(left, indices->rank, indices->dims),
                         spacc_ops_shape_text(right, x->rank, x->dims));
}

enum spacc_status spacc_op_gather_elements(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    int axis;
    int64_t stride[SPACC_RANK_MAX], at[SPACC_RANK_MAX] = {0};
    TRY(spacc_ops_check(c, 2, SPACC_TYPES_ALL));
    TRY(check_elements(c, &axis));
    const struct spacc_tensor *x = c->in[0], *indices = c->in[1];
    TRY(spacc_op_output(c, 0, x->dtype, x->rank, indices->dims, &y));
    if (c->shape_only)
        return SPACC_OK;
    const size_t bytes = spacc_dtype_bytes(x->dtype);
    spacc_ops_strides(stride, x->rank, x->dims);
    for (size_t i = 0; i < y->count; i++) {
        int64_t along = index_of(indices, (int64_t)i);
        TRY(fit_index(c, &along, x->dims[axis]));
        const size_t from = (size_t)place(stride, at, x->rank, axis, along);
        memcpy((char *)y->data + i * bytes, (const char *)x->data + from * bytes, bytes);
        next(at, x->rank, indices->dims);
    }
    return SPACC_OK;
}

/* y starts as a copy of x. */
static enum spacc_status copy_of_x(struct spacc_op_call *c, struct spacc_tensor **y)
{
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_op_output(c, 0, x->dtype, x->rank, x->dims, y));
    if (!c->shape_only)
        spacc_ops_memcpy((*y)->data, x->data, x->count * spacc_dtype_bytes(x->dtype));
    return SPACC_OK;
}

enum spacc_status spacc_op_scatter_elements(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    enum reduction reduction;
    int axis;
    int64_t stride[SPACC_RANK_MAX], at[SPACC_RANK_MAX] = {0};
    char left[SPACC_TEXT_BYTES], right[SPACC_TEXT_BYTES];
    TRY(spacc_ops_check(c, 3, SPACC_TYPES_ALL));
    TRY(spacc_ops_same_type(c, 0, 2));
    TRY(read_reduction(c, &reduction));
    TRY(check_elements(c, &axis));
    const struct spacc_tensor *x = c->in[0], *indices = c->in[1], *updates = c->in[2];
    bool same = updates->rank == indices->rank;
    for (int i = 0; same && i < indices->rank; i++)
        same = updates->dims[i] == indices->dims[i];
    if (!same)
        return spacc_op_fail(c, SPACC_ESHAPE, "updates of shape %s for indices of shape %s",
                             spacc_ops_shape_text(left, updates->rank, updates->dims),
                             spacc_ops_shape_text(right, indices->rank, indices->dims));
    TRY(copy_of_x(c, &y));
    const size_t bytes = spacc_dtype_bytes(x->dtype);
    spacc_ops_strides(stride, x->rank, x->dims);
    for (size_t i = 0; i < updates->count && !c->shape_only; i++) {
        int64_t along = index_of(indices, (int64_t)i);
        TRY(fit_index(c, &along, x->dims[axis]));
        const size_t to = (size_t)place(stride, at, x->rank, axis, along);
        combine(x->dtype, (char *)y->data + to * bytes, (const char *)updates->data + i * bytes,
                1, reduction);
        next(at, x->rank, indices->dims);
    }
    return SPACC_OK;
}

/* ---- slice by slice ---------------------------------------------------------- */

/* Lists of `depth` indices along the last axis of input 1 pick slices of x. */
struct slices {
    int batch;          /* leading axes that x and indices share */
    int depth;          /* indices a slice */
    size_t count, size; /* slices; elements a slice */
    size_t each;        /* slices a batch entry */
    int64_t stride[SPACC_RANK_MAX];
    size_t batch_step; /* elements of x a batch entry */
};

static enum spacc_status plan_slices(struct spacc_op_call *c, struct slices *s, int batch)
{
    const struct spacc_tensor *x = c->in[0], *indices = c->in[1];
    char left[SPACC_TEXT_BYTES], right[SPACC_TEXT_BYTES];
    TRY(spacc_ops_types(c, 1, SPACC_TYPE(I64)));
    bool fits = indices->rank > batch && x->rank > batch;
    for (int i = 0; fits && i < batch; i++)
        fits = x->dims[i] == indices->dims[i];
    if (!fits || indices->dims[indices->rank - 1] > x->rank - batch)
        return spacc_op_fail(c, SPACC_ESHAPE, "indices of shape %s into %s, %d batch axes",
                             spacc_ops_shape_text(left, indices->rank, indices->dims),
                             spacc_ops_shape_text(right, x->rank, x->dims), batch);
    *s = (struct slices){.batch = batch, .count = 1, .size = 1, .each = 1, .batch_step = 1};
    s->depth = (int)indices->dims[indices->rank - 1];
    for (int i = 0; i < indices->rank - 1; i++) {
        s->count *= (size_t)indices->dims[i];
        s->each *= i < batch ? 1 : (size_t)indices->dims[i];
    }
    for (int i = batch; i < x->rank; i++) {
        s->size *= i < batch + s->depth ? 1 : (size_t)x->dims[i];
        s->batch_step *= (size_t)x->dims[i];
    }
    spacc_ops_strides(s->stride, x->rank, x->dims);
    return SPACC_OK;
}

/* First element in x of slice `i`. */
static enum spacc_status find_slice(struct spacc_op_call *c, const struct slices *s, size_t i,
                                    size_t *at)
{
    const struct spacc_tensor *x = c->in[0];
    *at = i / s->each * s->batch_step;
    for (int d = 0; d < s->depth; d++) {
        int64_t index = ((const int64_t *)c->in[1]->data)[i * (size_t)s->depth + (size_t)d];
        TRY(fit_index(c, &index, x->dims[s->batch + d]));
        *at += (size_t)(index * s->stride[s->batch + d]);
    }
    return SPACC_OK;
}

/* Shape of all slices: indices without their last axis, then what a slice has. */
static int slices_shape(const struct spacc_op_call *c, const struct slices *s,
                        int64_t dims[2 * SPACC_RANK_MAX])
{
    const struct spacc_tensor *x = c->in[0], *indices = c->in[1];
    int rank = 0;
    for (int i = 0; i < indices->rank - 1; i++)
        dims[rank++] = indices->dims[i];
    for (int i = s->batch + s->depth; i < x->rank; i++)
        dims[rank++] = x->dims[i];
    return rank;
}

enum spacc_status spacc_op_gather_nd(struct spacc_op_call *c)
{
    const int64_t batch = spacc_node_int(c->node, "batch_dims", 0);
    struct slices s;
    struct spacc_tensor *y;
    int64_t dims[2 * SPACC_RANK_MAX];
    TRY(spacc_ops_check(c, 2, SPACC_TYPES_ALL));
    TRY(spacc_ops_attr_opset(c, "batch_dims", 12, INT32_MAX));
    if (batch < 0 || batch >= c->in[0]->rank)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "batch_dims is %" PRId64 ", the input has %d axes", batch,
                             c->in[0]->rank);
    TRY(plan_slices(c, &s, (int)batch));
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_op_output(c, 0, x->dtype, slices_shape(c, &s, dims), dims, &y));
    const size_t bytes = s.size * spacc_dtype_bytes(x->dtype);
    for (size_t i = 0; i < s.count && !c->shape_only && y->count > 0; i++) {
        size_t from;
        TRY(find_slice(c, &s, i, &from));
        memcpy((char *)y->data + i * bytes,
               (const char *)x->data + from * spacc_dtype_bytes(x->dtype), bytes);
    }
    return SPACC_OK;
}

enum spacc_status spacc_op_scatter_nd(struct spacc_op_call *c)
{
    struct slices s;
    struct spacc_tensor *y;
    enum reduction reduction;
    int64_t dims[2 * SPACC_RANK_MAX];
    char left[SPACC_TEXT_BYTES];
    TRY(spacc_ops_check(c, 3, SPACC_TYPES_ALL));
    TRY(spacc_ops_same_type(c, 0, 2));
    TRY(read_reduction(c, &reduction));
    TRY(plan_slices(c, &s, 0));
    const struct spacc_tensor *x = c->in[0], *updates = c->in[2];
    const int rank = slices_shape(c, &s, dims);
    bool same = rank == updates->rank;
    for (int i = 0; same && i < rank; i++)
        same = updates->dims[i] == dims[i];
    if (!same)
        return spacc_op_fail(c, SPACC_ESHAPE, "updates have shape %s, the slices %zu of %zu",
                             spacc_ops_shape_text(left, updates->rank, updates->dims), s.count,
                             s.size);
    TRY(copy_of_x(c, &y));
    const size_t bytes = spacc_dtype_bytes(x->dtype);
    for (size_t i = 0; i < s.count && !c->shape_only && updates->count > 0; i++) {
        size_t to;
        TRY(find_slice(c, &s, i, &to));
        combine(x->dtype, (char *)y->data + to * bytes,
                (const char *)updates->data + i * s.size * bytes, s.size, reduction);
    }
    return SPACC_OK;
}
