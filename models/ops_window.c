#include "models/ops_window.h"

#include <inttypes.h>
#include <string.h>

enum spacc_status spacc_window_list(struct spacc_op_call *c, const char *name, int count,
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

enum spacc_status spacc_window_input(struct spacc_op_call *c, struct spacc_window *w,
                                     const struct spacc_tensor *x)
{
    char text[SPACC_TEXT_BYTES];
    if (x->rank < 3)
        return spacc_op_fail(c, SPACC_ESHAPE, "input has shape %s, it needs 3 axes or more",
                             spacc_ops_shape_text(text, x->rank, x->dims));
    *w = (struct spacc_window){.axes = x->rank - 2};
    for (int i = 0; i < w->axes; i++) {
        w->in[i] = x->dims[i + 2];
        if (w->in[i] > INT32_MAX)
            return spacc_op_fail(c, SPACC_ESHAPE, "axis %d has %" PRId64 " elements", i + 2,
                                 w->in[i]);
    }
    return SPACC_OK;
}

enum spacc_status spacc_window_kernel(struct spacc_op_call *c, struct spacc_window *w)
{
    if (!spacc_node_attr(c->node, "kernel_shape"))
        return spacc_op_fail(c, SPACC_EFORMAT, "has no kernel_shape");
    return spacc_window_list(c, "kernel_shape", w->axes, 1, 1, w->kernel);
}

/* auto_pad SAME: as many outputs as strides fit, the odd pad at one end. */
static void pad_same(struct spacc_window *w, int i, bool upper)
{
    w->out[i] = (w->in[i] + w->stride[i] - 1) / w->stride[i];
    int64_t all =
        (w->out[i] - 1) * w->stride[i] + (w->kernel[i] - 1) * w->dilation[i] + 1 - w->in[i];
    if (all < 0)
        all = 0;
    w->pad[i] = upper ? all / 2 : all - all / 2;
    w->pad_end[i] = all - w->pad[i];
}

static enum spacc_status count_outputs(struct spacc_op_call *c, struct spacc_window *w, int i,
                                       bool ceil)
{
    const int64_t reach = (w->kernel[i] - 1) * w->dilation[i] + 1;
    const int64_t room = w->in[i] + w->pad[i] + w->pad_end[i] - reach;
    if (room < 0)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "axis %d has %" PRId64 " elements with its padding, the kernel "
                             "reaches over %" PRId64,
                             i + 2, w->in[i] + w->pad[i] + w->pad_end[i], reach);
    w->out[i] = (room + (ceil ? w->stride[i] - 1 : 0)) / w->stride[i] + 1;
    if (ceil && (w->out[i] - 1) * w->stride[i] >= w->in[i] + w->pad[i])
        w->out[i]--;
    return SPACC_OK;
}

enum spacc_status spacc_window_plan(struct spacc_op_call *c, struct spacc_window *w, bool ceil)
{
    const char *mode = spacc_node_string(c->node, "auto_pad", "NOTSET");
    const bool upper = strcmp(mode, "SAME_UPPER") == 0, lower = strcmp(mode, "SAME_LOWER") == 0;
    int64_t pads[2 * SPACC_WINDOW_AXES] = {0};
    TRY(spacc_window_list(c, "strides", w->axes, 1, 1, w->stride));
    TRY(spacc_window_list(c, "dilations", w->axes, 1, 1, w->dilation));
    if (strcmp(mode, "NOTSET") == 0)
        TRY(spacc_window_list(c, "pads", 2 * w->axes, 0, 0, pads));
    else if (!upper && !lower && strcmp(mode, "VALID") != 0)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED, "auto_pad is %s", mode);
    for (int i = 0; i < w->axes; i++) {
        w->pad[i] = pads[i];
        w->pad_end[i] = pads[w->axes + i];
        if (upper || lower)
            pad_same(w, i, upper);
        else
            TRY(count_outputs(c, w, i, ceil));
    }
    return SPACC_OK;
}

void spacc_window_steps(struct spacc_window *w)
{
    w->in_plane = w->out_plane = w->kernel_plane = 1;
    for (int i = w->axes - 1; i >= 0; i--) {
        w->in_step[i] = w->in_plane;
        w->kernel_step[i] = w->kernel_plane;
        /* wraps only where it is not used: a pool's kernel, or beside a dimension of 0 */
        w->in_plane = (int64_t)((uint64_t)w->in_plane * (uint64_t)w->in[i]);
        w->out_plane = (int64_t)((uint64_t)w->out_plane * (uint64_t)w->out[i]);
        w->kernel_plane = (int64_t)((uint64_t)w->kernel_plane * (uint64_t)w->kernel[i]);
    }
}
