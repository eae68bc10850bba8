/* Pools: the largest, the mean or the p-norm of what is under a sliding kernel, or of a
 * whole plane; MaxUnpool, the way back. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "models/ops_window.h"

enum { POOL_TYPES = SPACC_TYPE(F32) | SPACC_TYPE(U8) | SPACC_TYPE(I8) };

struct pool {
    struct spacc_window w;
    bool count_pads, by_columns; /* count_include_pad, storage_order */
    int64_t p;                   /* of the norm */
};

/* What one window gives: built up element by element. */
struct sum {
    float largest;
    double total;
    int64_t count, place; /* elements, pads among them if they count; where the largest is */
};

static float value_of(const struct spacc_tensor *x, int64_t i)
{
    switch (x->dtype) {
    case SPACC_U8: return (float)((const uint8_t *)x->data)[i];
    case SPACC_I8: return (float)((const int8_t *)x->data)[i];
    default: return ((const float *)x->data)[i];
    }
}

/* ---- one window -------------------------------------------------------------- */

static void add_element(const struct pool *p, struct sum *s, float v, int64_t place)
{
    if (s->place < 0 || v > s->largest) {
        s->largest = v;
        s->place = place;
    }
    if (p->p == 0)
        s->total += (double)v;
    else
        s->total += p->p == 1 ? fabs((double)v) : pow(fabs((double)v), (double)p->p);
    s->count++;
}

/* Elements under the kernel at output position `at`, from `axis` on; `inside`: not in the
 * padding so far; `base` and `place`: element of x, and its number in the order asked for. */
static void walk_window(const struct pool *p, const struct spacc_tensor *x, struct sum *s,
                        const int64_t *at, int axis, bool inside, int64_t base)
{
    const struct spacc_window *w = &p->w;
    for (int64_t k = 0; k < w->kernel[axis]; k++) {
        const int64_t i = at[axis] * w->stride[axis] + k * w->dilation[axis] - w->pad[axis];
        const bool in = inside && i >= 0 && i < w->in[axis];
        const int64_t here = in ? base + i * w->in_step[axis] : base;
        if (!in && (!p->count_pads || i >= w->in[axis] + w->pad_end[axis]))
            continue;
        /* axes <= SPACC_WINDOW_AXES: one condition */
        if (axis + 1 < w->axes && axis + 1 < SPACC_WINDOW_AXES)
            walk_window(p, x, s, at, axis + 1, in, here);
        else if (in)
            add_element(p, s, value_of(x, here), here);
        else
            s->count++;
    }
}

/* Number of an element of x when the spatial axes of its plane count first axis fastest. */
static int64_t column_place(const struct spacc_window *w, int64_t place)
{
    const int64_t plane = place / w->in_plane * w->in_plane;
    int64_t rest = place % w->in_plane, at = 0, step = 1;
    int64_t index[SPACC_WINDOW_AXES] = {0};
    for (int i = w->axes - 1; i >= 0; i--) {
        index[i] = rest % w->in[i];
        rest /= w->in[i];
    }
    for (int i = 0; i < w->axes; i++) {
        at += index[i] * step;
        step *= w->in[i];
    }
    return plane + at;
}

typedef void (*finish_fn)(const struct pool *p, const struct sum *s, struct spacc_tensor *y,
                          struct spacc_tensor *places, size_t i);

static void finish_max(const struct pool *p, const struct sum *s, struct spacc_tensor *y,
                       struct spacc_tensor *places, size_t i)
{
    const bool none = s->place < 0; /* nothing but padding: the least value */
    switch (y->dtype) {
    case SPACC_U8: ((uint8_t *)y->data)[i] = none ? 0 : (uint8_t)s->largest; break;
    case SPACC_I8: ((int8_t *)y->data)[i] = none ? INT8_MIN : (int8_t)s->largest; break;
    default: ((float *)y->data)[i] = none ? -FLT_MAX : s->largest;
    }
    if (places)
        ((int64_t *)places->data)[i] =
            p->by_columns && !none ? column_place(&p->w, s->place) : s->place;
}

static void finish_mean(const struct pool *p, const struct sum *s, struct spacc_tensor *y,
                        struct spacc_tensor *places, size_t i)
{
    (void)p, (void)places;
    ((float *)y->data)[i] = s->count ? (float)(s->total / (double)s->count) : 0.0f;
}

static void finish_norm(const struct pool *p, const struct sum *s, struct spacc_tensor *y,
                        struct spacc_tensor *places, size_t i)
{
    (void)places;
    ((float *)y->data)[i] = (float)pow(s->total, 1.0 / (double)p->p);
}

static void run(struct pool *p, const struct spacc_tensor *x, struct spacc_tensor *y,
                struct spacc_tensor *places, finish_fn finish)
{
    spacc_window_steps(&p->w);
    const int64_t planes = x->dims[0] * x->dims[1];
    int64_t at[SPACC_WINDOW_AXES] = {0};
    size_t o = 0;
    for (int64_t n = 0; n < planes; n++)
        for (int64_t i = 0; i < p->w.out_plane; i++) {
            struct sum s = {.place = -1};
            walk_window(p, x, &s, at, 0, true, n * p->w.in_plane);
            finish(p, &s, y, places, o++);
            spacc_window_next(at, p->w.out, p->w.axes);
        }
}

/* ---- the operators ----------------------------------------------------------- */

static enum spacc_status pool_output(struct spacc_op_call *c, const struct pool *p,
                                     struct spacc_tensor **y)
{
    const struct spacc_tensor *x = c->in[0];
    int64_t dims[SPACC_RANK_MAX] = {x->dims[0], x->dims[1]};
    memcpy(dims + 2, p->w.out, (size_t)p->w.axes * sizeof(*dims));
    return spacc_op_output(c, 0, x->dtype, x->rank, dims, y);
}

static enum spacc_status plan(struct spacc_op_call *c, struct pool *p)
{
    const bool ceil = spacc_node_int(c->node, "ceil_mode", 0) != 0;
    TRY(spacc_window_input(c, &p->w, c->in[0]));
    TRY(spacc_window_kernel(c, &p->w));
    return spacc_window_plan(c, &p->w, ceil);
}

enum spacc_status spacc_op_max_pool(struct spacc_op_call *c)
{
    struct pool p = {0};
    struct spacc_tensor *y, *places = NULL;
    TRY(spacc_ops_check(c, 1, spacc_ops_opset(c) < 12 ? SPACC_TYPE(F32) : POOL_TYPES));
    TRY(spacc_ops_attr_opset(c, "storage_order", 8, INT32_MAX));
    TRY(spacc_ops_attr_opset(c, "ceil_mode", 10, INT32_MAX));
    TRY(spacc_ops_attr_opset(c, "dilations", 10, INT32_MAX));
    TRY(plan(c, &p));
    p.by_columns = spacc_node_int(c->node, "storage_order", 0) != 0;
    TRY(pool_output(c, &p, &y));
    if (spacc_ops_wanted(c, 1))
        TRY(spacc_op_output(c, 1, SPACC_I64, y->rank, y->dims, &places));
    if (!c->shape_only && y->count > 0)
        run(&p, c->in[0], y, places, finish_max);
    return SPACC_OK;
}

enum spacc_status spacc_op_average_pool(struct spacc_op_call *c)
{
    struct pool p = {0};
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 1, SPACC_TYPE(F32)));
    TRY(spacc_ops_attr_opset(c, "ceil_mode", 10, INT32_MAX));
    TRY(spacc_ops_attr_opset(c, "dilations", 19, INT32_MAX));
    TRY(spacc_ops_attr_opset(c, "count_include_pad", 7, INT32_MAX));
    TRY(plan(c, &p));
    p.count_pads = spacc_node_int(c->node, "count_include_pad", 0) != 0;
    TRY(pool_output(c, &p, &y));
    if (!c->shape_only && y->count > 0)
        run(&p, c->in[0], y, NULL, finish_mean);
    return SPACC_OK;
}

static enum spacc_status read_p(struct spacc_op_call *c, struct pool *p)
{
    p->p = spacc_node_int(c->node, "p", 2);
    if (p->p < 1)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED, "p is %" PRId64 ", it must be above 0",
                             p->p);
    return SPACC_OK;
}

enum spacc_status spacc_op_lp_pool(struct spacc_op_call *c)
{
    struct pool p = {0};
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 1, SPACC_TYPE(F32)));
    TRY(spacc_ops_attr_opset(c, "ceil_mode", 18, INT32_MAX));
    TRY(spacc_ops_attr_opset(c, "dilations", 18, INT32_MAX));
    TRY(read_p(c, &p));
    TRY(plan(c, &p));
    TRY(pool_output(c, &p, &y));
    if (!c->shape_only && y->count > 0)
        run(&p, c->in[0], y, NULL, finish_norm);
    return SPACC_OK;
}

/* A kernel as large as the plane. */
static enum spacc_status global(struct spacc_op_call *c, struct pool *p, finish_fn finish)
{
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 1, SPACC_TYPE(F32)));
    TRY(spacc_window_input(c, &p->w, c->in[0]));
    for (int i = 0; i < p->w.axes; i++) {
        p->w.kernel[i] = p->w.in[i];
        p->w.stride[i] = p->w.dilation[i] = p->w.out[i] = 1;
    }
    TRY(pool_output(c, p, &y));
    if (!c->shape_only && y->count > 0)
        run(p, c->in[0], y, NULL, finish);
    return SPACC_OK;
}

enum spacc_status spacc_op_global_max_pool(struct spacc_op_call *c)
{
    return global(c, &(struct pool){0}, finish_max);
}

enum spacc_status spacc_op_global_average_pool(struct spacc_op_call *c)
{
    return global(c, &(struct pool){0}, finish_mean);
}

enum spacc_status spacc_op_global_lp_pool(struct spacc_op_call *c)
{
    struct pool p = {0};
    TRY(read_p(c, &p));
    return global(c, &p, finish_norm);
}

/* ---- MaxUnpool --------------------------------------------------------------- */

/* The shape that the pool had before, as far as kernel, strides and pads tell. */
static enum spacc_status unpooled(struct spacc_op_call *c, int64_t dims[SPACC_RANK_MAX])
{
    struct spacc_window w;
    int64_t pads[2 * SPACC_WINDOW_AXES];
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_window_input(c, &w, x));
    TRY(spacc_window_kernel(c, &w));
    TRY(spacc_window_list(c, "strides", w.axes, 1, 1, w.stride));
    TRY(spacc_window_list(c, "pads", 2 * w.axes, 0, 0, pads));
    dims[0] = x->dims[0];
    dims[1] = x->dims[1];
    for (int i = 0; i < w.axes; i++) {
        dims[i + 2] = (w.in[i] - 1) * w.stride[i] + w.kernel[i] - pads[i] - pads[i + w.axes];
        if (dims[i + 2] < 0)
            return spacc_op_fail(c, SPACC_ESHAPE, "axis %d would have %" PRId64 " elements",
                                 i + 2, dims[i + 2]);
    }
    return SPACC_OK;
}

/* Where element `place` of an array of shape `from` is in `y`; -1 when it is outside. */
static int64_t moved(int64_t place, const int64_t *from, const struct spacc_tensor *y)
{
    int64_t at = 0, step = 1;
    for (int i = y->rank - 1; i >= 0; i--) {
        const int64_t index = from[i] ? place % from[i] : -1;
        if (index < 0 || index >= y->dims[i])
            return -1;
        at += index * step;
        step *= y->dims[i];
        place /= from[i];
    }
    return place == 0 ? at : -1;
}

enum spacc_status spacc_op_max_unpool(struct spacc_op_call *c)
{
    struct spacc_ops_ints shape;
    struct spacc_tensor *y;
    int64_t from[SPACC_RANK_MAX], dims[SPACC_RANK_MAX];
    TRY(spacc_ops_types(c, 0, SPACC_TYPE(F32)));
    TRY(spacc_ops_types(c, 1, SPACC_TYPE(I64)));
    TRY(spacc_ops_check(c, 2, SPACC_TYPES_ALL));
    TRY(unpooled(c, from));
    TRY(spacc_ops_ints_input(c, &shape, 2));
    const struct spacc_tensor *x = c->in[0], *places = c->in[1];
    if (places->count != x->count || (shape.given && shape.count != (size_t)x->rank))
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "%zu indices for %zu elements, %zu sizes for %d "
                             "axes",
                             places->count, x->count, shape.count, x->rank);
    for (int i = 0; i < x->rank; i++)
        dims[i] = shape.given ? spacc_ops_int(&shape, (size_t)i) : from[i];
    TRY(spacc_op_output(c, 0, SPACC_F32, x->rank, dims, &y));
    for (size_t i = 0; i < x->count && !c->shape_only; i++) {
        const int64_t place = ((const int64_t *)places->data)[i];
        const int64_t at = place < 0 ? -1 : moved(place, from, y);
        if (at < 0)
            return spacc_op_fail(c, SPACC_ESHAPE, "index %" PRId64 " is outside of the output",
                                 place);
        ((float *)y->data)[at] = ((const float *)x->data)[i];
    }
    return SPACC_OK;
}
