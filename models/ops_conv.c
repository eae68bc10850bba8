/* Conv over any number of spatial axes. Each output is its bias plus one dot product,
 * spacc_ops_dot(), over input channel and then kernel position; pads count as 0. */
#include "models/ops_util.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { AXES_MAX = SPACC_RANK_MAX - 2 };

struct conv {
    int axes;                                  /* spatial */
    int64_t groups, in_channels, out_channels; /* channels within a group */
    int64_t in[AXES_MAX], out[AXES_MAX], kernel[AXES_MAX];
    int64_t stride[AXES_MAX], dilation[AXES_MAX], pad[AXES_MAX], pad_end[AXES_MAX];
    int64_t in_step[AXES_MAX], kernel_step[AXES_MAX]; /* elements between neighbours */
    int64_t in_plane, out_plane, kernel_plane;        /* elements of one channel */
};

/* ---- shapes ------------------------------------------------------------------ */

/* One number an axis from attribute `name`, each within lowest..INT32_MAX. */
static enum spacc_status read_axes(struct spacc_op_call *c, const char *name, int count,
                                   int64_t otherwise, int64_t lowest, int64_t *out)
{
    const struct spacc_attr *a = spacc_node_attr(c->node, name);
    if (a && a->count != (size_t)count)
        return spacc_op_fail(c, SPACC_ESHAPE, "%s has %zu numbers, the input wants %d", name,
                             a->count, count);
    for (int i = 0; i < count; i++) {
        out[i] = a ? a->ints[i] : otherwise;
        if (out[i] < lowest || out[i] > INT32_MAX)
            return spacc_op_fail(c, SPACC_EUNSUPPORTED,
                                 "%s[%d] is %" PRId64 ", %" PRId64 "..%d is possible", name, i,
                                 out[i], lowest, INT32_MAX);
    }
    return SPACC_OK;
}

/* auto_pad SAME: as many outputs as strides fit, the odd pad at one end. */
static void pad_same(struct conv *v, int i, bool upper)
{
    v->out[i] = (v->in[i] + v->stride[i] - 1) / v->stride[i];
    int64_t all =
        (v->out[i] - 1) * v->stride[i] + (v->kernel[i] - 1) * v->dilation[i] + 1 - v->in[i];
    if (all < 0)
        all = 0;
    v->pad[i] = upper ? all / 2 : all - all / 2;
}

static enum spacc_status read_padding(struct spacc_op_call *c, struct conv *v)
{
    const char *mode = spacc_node_string(c->node, "auto_pad", "NOTSET");
    const bool upper = strcmp(mode, "SAME_UPPER") == 0, lower = strcmp(mode, "SAME_LOWER") == 0;
    int64_t pads[2 * AXES_MAX] = {0};
    if (strcmp(mode, "NOTSET") == 0)
        TRY(read_axes(c, "pads", 2 * v->axes, 0, 0, pads));
    else if (!upper && !lower && strcmp(mode, "VALID") != 0)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED, "auto_pad is %s", mode);
    for (int i = 0; i < v->axes; i++) {
        const int64_t reach = (v->kernel[i] - 1) * v->dilation[i] + 1;
        v->pad[i] = pads[i];
        v->pad_end[i] = pads[v->axes + i];
        const int64_t room = v->in[i] + v->pad[i] + v->pad_end[i] - reach;
        if (upper || lower)
            pad_same(v, i, upper);
        else if (room < 0)
            return spacc_op_fail(c, SPACC_ESHAPE,
                                 "axis %d has %" PRId64
                                 " elements with its padding, the kernel "
                                 "reaches over %" PRId64,
                                 i + 2, v->in[i] + v->pad[i] + v->pad_end[i], reach);
        else
            v->out[i] = room / v->stride[i] + 1;
    }
    return SPACC_OK;
}

static enum spacc_status check_channels(struct spacc_op_call *c, struct conv *v)
{
    const struct spacc_tensor *x = c->in[0], *w = c->in[1], *b = spacc_ops_in(c, 2);
    char text[SPACC_TEXT_BYTES];
    v->groups = spacc_node_int(c->node, "group", 1);
    if (v->groups < 1 || x->dims[1] % v->groups || w->dims[0] % v->groups)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "%" PRId64 " channels to %" PRId64 " do not split in %" PRId64
                             " groups",
                             x->dims[1], w->dims[0], v->groups);
    v->in_channels = x->dims[1] / v->groups;
    v->out_channels = w->dims[0] / v->groups;
    if (w->dims[1] != v->in_channels)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "weights %s are for %" PRId64 " channels a group, the input has "
                             "%" PRId64,
                             spacc_ops_shape_text(text, w->rank, w->dims), w->dims[1],
                             v->in_channels);
    if (b && (b->rank != 1 || b->dims[0] != w->dims[0]))
        return spacc_op_fail(c, SPACC_ESHAPE, "bias has shape %s, weights want [%" PRId64 "]",
                             spacc_ops_shape_text(text, b->rank, b->dims), w->dims[0]);
    return SPACC_OK;
}

static enum spacc_status check_kernel(struct spacc_op_call *c, struct conv *v)
{
    const struct spacc_tensor *x = c->in[0], *w = c->in[1];
    int64_t kernel[AXES_MAX];
    TRY(read_axes(c, "kernel_shape", v->axes, 1, 1, kernel));
    for (int i = 0; i < v->axes; i++) {
        v->in[i] = x->dims[i + 2];
        v->kernel[i] = w->dims[i + 2];
        if (spacc_node_attr(c->node, "kernel_shape") && kernel[i] != v->kernel[i])
            return spacc_op_fail(c, SPACC_ESHAPE,
                                 "kernel_shape[%d] is %" PRId64 ", the weights have %" PRId64,
                                 i, kernel[i], v->kernel[i]);
        if (v->kernel[i] < 1 || v->kernel[i] > INT32_MAX || v->in[i] > INT32_MAX)
            return spacc_op_fail(c, SPACC_ESHAPE,
                                 "axis %d: kernel %" PRId64 " on input %" PRId64, i + 2,
                                 v->kernel[i], v->in[i]);
    }
    return SPACC_OK;
}

static enum spacc_status plan(struct spacc_op_call *c, struct conv *v)
{
    const struct spacc_tensor *x = c->in[0], *w = c->in[1];
    char left[SPACC_TEXT_BYTES], right[SPACC_TEXT_BYTES];
    if (x->rank < 3 || w->rank != x->rank)
        return spacc_op_fail(c, SPACC_ESHAPE, "input has shape %s, weights %s",
                             spacc_ops_shape_text(left, x->rank, x->dims),
                             spacc_ops_shape_text(right, w->rank, w->dims));
    *v = (struct conv){.axes = x->rank - 2, .in_plane = 1, .out_plane = 1, .kernel_plane = 1};
    TRY(check_channels(c, v));
    TRY(check_kernel(c, v));
    TRY(read_axes(c, "strides", v->axes, 1, 1, v->stride));
    TRY(read_axes(c, "dilations", v->axes, 1, 1, v->dilation));
    return read_padding(c, v);
}

/* Only after the output exists: then no product here can overflow. */
static void plan_steps(struct conv *v)
{
    for (int i = v->axes - 1; i >= 0; i--) {
        v->in_step[i] = v->in_plane;
        v->kernel_step[i] = v->kernel_plane;
        v->in_plane *= v->in[i];
        v->out_plane *= v->out[i];
        v->kernel_plane *= v->kernel[i];
    }
}

/* ---- contents ---------------------------------------------------------------- */

/* The inputs under the kernel at output position `at`, from `axis` on, in the order of
 * the weights; outside of x they are 0. Returns the end of what it wrote. */
static float *gather_axis(const struct conv *v, float *to, const float *x, const int64_t *at,
                          int axis)
{
    for (int64_t k = 0; k < v->kernel[axis]; k++) {
        const int64_t i = at[axis] * v->stride[axis] + k * v->dilation[axis] - v->pad[axis];
        const bool inside = i >= 0 && i < v->in[axis];
        if (axis + 1 == v->axes || axis + 1 == AXES_MAX) /* axes <= AXES_MAX: one condition */
            *to++ = inside ? x[i] : 0.0f;
        else if (inside)
            to = gather_axis(v, to, x + i * v->in_step[axis], at, axis + 1);
        else
            for (int64_t n = 0; n < v->kernel_step[axis]; n++)
                *to++ = 0.0f;
    }
    return to;
}

/* One group of one image: every output position gathers its patch once, and each output
 * channel is a dot product with it. */
static void group(const struct conv *v, float *y, const float *x, const float *w,
                  const float *bias, float *patch)
{
    const int64_t length = v->in_channels * v->kernel_plane;
    int64_t at[AXES_MAX] = {0};
    for (int64_t p = 0; p < v->out_plane; p++) {
        float *to = patch;
        for (int64_t i = 0; i < v->in_channels; i++)
            to = gather_axis(v, to, x + i * v->in_plane, at, 0);
        for (int64_t o = 0; o < v->out_channels; o++)
            y[o * v->out_plane + p] =
                (bias ? bias[o] : 0.0f) + spacc_ops_dot(w + o * length, patch, (size_t)length);
        for (int i = v->axes - 1; i >= 0 && ++at[i] == v->out[i]; i--)
            at[i] = 0;
    }
}

static void run(const struct spacc_op_call *c, const struct conv *v, float *y, float *patch)
{
    const struct spacc_tensor *b = spacc_ops_in(c, 2);
    const float *x = c->in[0]->data, *w = c->in[1]->data, *bias = b ? b->data : NULL;
    const int64_t weights = v->out_channels * v->in_channels * v->kernel_plane;
    for (int64_t n = 0; n < c->in[0]->dims[0]; n++)
        for (int64_t g = 0; g < v->groups; g++) {
            group(v, y, x, w + g * weights, bias ? bias + g * v->out_channels : NULL, patch);
            x += v->in_channels * v->in_plane;
            y += v->out_channels * v->out_plane;
        }
}

enum spacc_status spacc_op_conv(struct spacc_op_call *c)
{
    struct conv v;
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 2, SPACC_TYPE(F32)));
    TRY(plan(c, &v));
    int64_t dims[SPACC_RANK_MAX] = {c->in[0]->dims[0], c->in[1]->dims[0]};
    memcpy(dims + 2, v.out, (size_t)v.axes * sizeof(*dims));
    TRY(spacc_op_output(c, 0, SPACC_F32, v.axes + 2, dims, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    plan_steps(&v);
    const size_t length = (size_t)(v.in_channels * v.kernel_plane);
    float *patch = malloc((length + 1) * sizeof(*patch));
    if (!patch)
        return spacc_op_fail(c, SPACC_ENOMEM, "no memory for a patch of %zu inputs", length);
    run(c, &v, y->data, patch);
    free(patch);
    return SPACC_OK;
}
