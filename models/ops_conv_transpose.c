/* ConvTranspose: every input element adds its kernel, scaled, into the output. The sum of an
 * output element runs over input channel and then input position, in row-major order. */
#include <inttypes.h>
#include <string.h>

#include "models/ops_window.h"

struct plan {
    struct spacc_window w;            /* in: of x; out: of y; pad: taken off y's beginning */
    int64_t extra[SPACC_WINDOW_AXES]; /* output_padding */
    int64_t groups, in_channels, out_channels; /* channels within a group */
};

/* ---- shapes ------------------------------------------------------------------ */

static enum spacc_status check_channels(struct spacc_op_call *c, struct plan *p)
{
    const struct spacc_tensor *x = c->in[0], *w = c->in[1], *b = spacc_ops_in(c, 2);
    char left[SPACC_TEXT_BYTES], right[SPACC_TEXT_BYTES];
    p->groups = spacc_node_int(c->node, "group", 1);
    if (w->rank != x->rank || x->dims[1] != w->dims[0])
        return spacc_op_fail(c, SPACC_ESHAPE, "input has shape %s, weights %s",
                             spacc_ops_shape_text(left, x->rank, x->dims),
                             spacc_ops_shape_text(right, w->rank, w->dims));
    if (p->groups < 1 || x->dims[1] % p->groups)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "%" PRId64 " channels do not split in %" PRId64 " groups",
                             x->dims[1], p->groups);
    p->in_channels = x->dims[1] / p->groups;
    p->out_channels = w->dims[1];
    if (p->out_channels > INT32_MAX || p->groups > INT32_MAX)
        return spacc_op_fail(c, SPACC_ESHAPE, "%" PRId64 " groups of %" PRId64 " channels",
                             p->groups, p->out_channels);
    if (b && (b->rank != 1 || b->dims[0] != p->out_channels * p->groups))
        return spacc_op_fail(c, SPACC_ESHAPE, "bias has shape %s, weights want [%" PRId64 "]",
                             spacc_ops_shape_text(left, b->rank, b->dims),
                             p->out_channels * p->groups);
    return SPACC_OK;
}

static enum spacc_status read_kernel(struct spacc_op_call *c, struct plan *p)
{
    const struct spacc_tensor *w = c->in[1];
    int64_t kernel[SPACC_WINDOW_AXES];
    TRY(spacc_window_list(c, "kernel_shape", p->w.axes, 1, 1, kernel));
    for (int i = 0; i < p->w.axes; i++) {
        p->w.kernel[i] = w->dims[i + 2];
        if (p->w.kernel[i] < 1 || p->w.kernel[i] > INT32_MAX ||
            (spacc_node_attr(c->node, "kernel_shape") && kernel[i] != p->w.kernel[i]))
            return spacc_op_fail(c, SPACC_ESHAPE,
                                 "axis %d: the weights have a kernel of %" PRId64
                                 ", kernel_shape says %" PRId64,
                                 i + 2, p->w.kernel[i], kernel[i]);
    }
    return SPACC_OK;
}

/* Split what has to be taken off an axis (below 0: added) between its two ends. */
static void split_pads(struct spacc_window *w, int i, int64_t all, bool more_at_end)
{
    if (all < 0)
        all = 0;
    w->pad[i] = more_at_end ? all / 2 : all - all / 2;
    w->pad_end[i] = all - w->pad[i];
}

static enum spacc_status size_axis(struct spacc_op_call *c, struct plan *p, int i,
                                   const char *mode, const int64_t *shape)
{
    struct spacc_window *w = &p->w;
    const bool upper = strcmp(mode, "SAME_UPPER") == 0;
    const bool same = upper || strcmp(mode, "SAME_LOWER") == 0;
    const int64_t full = w->in[i] == 0 ? 0
                                       : w->stride[i] * (w->in[i] - 1) + p->extra[i] +
                                             (w->kernel[i] - 1) * w->dilation[i] + 1;
    if (shape || same) {
        w->out[i] = shape ? shape[i] : w->in[i] * w->stride[i];
        split_pads(w, i, full - w->out[i], upper);
    } else {
        w->out[i] = full - w->pad[i] - w->pad_end[i];
    }
    if (w->out[i] < 0)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "axis %d: pads %" PRId64 " and %" PRId64 " are taken from %" PRId64
                             " outputs",
                             i + 2, w->pad[i], w->pad_end[i], full);
    return SPACC_OK;
}

static enum spacc_status read_sizes(struct spacc_op_call *c, struct plan *p)
{
    const char *mode = spacc_node_string(c->node, "auto_pad", "NOTSET");
    struct spacc_window *w = &p->w;
    int64_t pads[2 * SPACC_WINDOW_AXES] = {0}, shape[SPACC_WINDOW_AXES];
    const bool shaped = spacc_node_attr(c->node, "output_shape");
    TRY(spacc_window_list(c, "strides", w->axes, 1, 1, w->stride));
    TRY(spacc_window_list(c, "dilations", w->axes, 1, 1, w->dilation));
    TRY(spacc_window_list(c, "output_padding", w->axes, 0, 0, p->extra));
    TRY(spacc_window_list(c, "output_shape", w->axes, 1, 0, shape));
    if (strcmp(mode, "NOTSET") == 0)
        TRY(spacc_window_list(c, "pads", 2 * w->axes, 0, 0, pads));
    else if (strcmp(mode, "VALID") != 0 && strcmp(mode, "SAME_UPPER") != 0 &&
             strcmp(mode, "SAME_LOWER") != 0)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED, "auto_pad is %s", mode);
    for (int i = 0; i < w->axes; i++) {
        w->pad[i] = pads[i];
        w->pad_end[i] = pads[w->axes + i];
        TRY(size_axis(c, p, i, mode, shaped ? shape : NULL));
    }
    return SPACC_OK;
}

/* ---- contents ---------------------------------------------------------------- */

/* y += v * kernel, where the kernel's first element falls at output position
 * stride * at - pad; from `axis` on. */
static void add_kernel(const struct spacc_window *w, float *y, const int64_t *y_step,
                       const float *kernel, float v, const int64_t *at, int axis)
{
    for (int64_t k = 0; k < w->kernel[axis]; k++) {
        const int64_t o = at[axis] * w->stride[axis] + k * w->dilation[axis] - w->pad[axis];
        if (o < 0 || o >= w->out[axis])
            continue;
        /* axes <= SPACC_WINDOW_AXES: one condition */
        if (axis + 1 == w->axes || axis + 1 == SPACC_WINDOW_AXES)
            y[o] += v * kernel[k];
        else
            add_kernel(w, y + o * y_step[axis], y_step, kernel + k * w->kernel_step[axis], v,
                       at, axis + 1);
    }
}

/* One output channel of one image: from `in_channels` planes of x. */
static void channel(const struct plan *p, float *y, const float *x, const float *kernel,
                    float bias)
{
    const struct spacc_window *w = &p->w;
    const int64_t kernel_gap = p->out_channels * w->kernel_plane;
    int64_t y_step[SPACC_WINDOW_AXES], at[SPACC_WINDOW_AXES] = {0};
    spacc_ops_strides(y_step, w->axes, w->out);
    for (int64_t i = 0; i < w->out_plane; i++)
        y[i] = bias;
    for (int64_t i = 0; i < p->in_channels; i++)
        for (int64_t n = 0; n < w->in_plane; n++) {
            add_kernel(w, y, y_step, kernel + i * kernel_gap, x[i * w->in_plane + n], at, 0);
            spacc_window_next(at, w->in, w->axes);
        }
}

static void run(const struct spacc_op_call *c, const struct plan *p, float *y)
{
    const struct spacc_tensor *b = spacc_ops_in(c, 2);
    const float *x = c->in[0]->data, *w = c->in[1]->data, *bias = b ? b->data : NULL;
    const int64_t group = p->in_channels * p->out_channels * p->w.kernel_plane;
    for (int64_t n = 0; n < c->in[0]->dims[0]; n++)
        for (int64_t g = 0; g < p->groups; g++) {
            for (int64_t o = 0; o < p->out_channels; o++) {
                channel(p, y, x, w + g * group + o * p->w.kernel_plane,
                        bias ? bias[g * p->out_channels + o] : 0.0f);
                y += p->w.out_plane;
            }
            x += p->in_channels * p->w.in_plane;
        }
}

enum spacc_status spacc_op_conv_transpose(struct spacc_op_call *c)
{
    struct plan p = {0};
    struct spacc_tensor *y;
    int64_t dims[SPACC_RANK_MAX];
    TRY(spacc_ops_check(c, 2, SPACC_TYPE(F32)));
    TRY(spacc_window_input(c, &p.w, c->in[0]));
    TRY(check_channels(c, &p));
    TRY(read_kernel(c, &p));
    TRY(read_sizes(c, &p));
    dims[0] = c->in[0]->dims[0];
    dims[1] = p.out_channels * p.groups;
    memcpy(dims + 2, p.w.out, (size_t)p.w.axes * sizeof(*dims));
    TRY(spacc_op_output(c, 0, SPACC_F32, c->in[0]->rank, dims, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    spacc_window_steps(&p.w);
    run(c, &p, y->data);
    return SPACC_OK;
}
