#include "host/cpu/window.h"

#include <string.h>

/* The ints of an attribute, or `otherwise` for each. */
static bool ints(int64_t *to, const struct spacc_node *node, const char *name, size_t count,
                 int64_t otherwise)
{
    const struct spacc_attr *a = spacc_node_attr(node, name);

    if (a && a->count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        to[i] = a ? a->ints[i] : otherwise;
    return true;
}

/* What the output needs beyond the input, begin and end together, at least 0. */
static int64_t missing(const struct spacc_window *w, int i, int64_t in, int64_t out)
{
    const int64_t span = (out - 1) * w->stride[i] + (w->kernel[i] - 1) * w->dilation[i] + 1;

    return span > in ? span - in : 0;
}

static bool set_pads(struct spacc_window *w, const struct spacc_node *node,
                     const struct spacc_tensor *in, const struct spacc_tensor *out)
{
    const char *mode = spacc_node_string(node, "auto_pad", "NOTSET");
    int64_t pads[2 * SPACC_WINDOW_AXES] = {0};

    if (strcmp(mode, "NOTSET") == 0 && !ints(pads, node, "pads", (size_t)w->axes * 2, 0))
        return false;
    for (int i = 0; i < w->axes; i++) {
        const int64_t need = missing(w, i, in->dims[i + 2], out->dims[i + 2]);
        w->begin[i] = pads[i];
        if (strcmp(mode, "SAME_UPPER") == 0)
            w->begin[i] = need / 2;
        else if (strcmp(mode, "SAME_LOWER") == 0)
            w->begin[i] = need - need / 2;
        w->end[i] = pads[w->axes + i];
        if (need - w->begin[i] > w->end[i])
            w->end[i] = need - w->begin[i];
    }
    return true;
}

bool spacc_window_of(struct spacc_window *w, const struct spacc_node *node,
                     const struct spacc_tensor *in, const struct spacc_tensor *out,
                     const int64_t *kernel)
{
    const size_t axes = in->rank >= 2 ? (size_t)in->rank - 2 : 0;

    if (axes == 0 || axes > SPACC_WINDOW_AXES || out->rank != in->rank)
        return false;
    w->axes = (int)axes;
    if (kernel)
        memcpy(w->kernel, kernel, axes * sizeof(*kernel));
    else if (!spacc_node_attr(node, "kernel_shape") ||
             !ints(w->kernel, node, "kernel_shape", axes, 1))
        return false;
    return ints(w->stride, node, "strides", axes, 1) &&
           ints(w->dilation, node, "dilations", axes, 1) && set_pads(w, node, in, out);
}

void spacc_window_whole(struct spacc_window *w, const struct spacc_tensor *in)
{
    *w = (struct spacc_window){.axes = in->rank - 2};
    for (int i = 0; i < w->axes; i++) {
        w->kernel[i] = in->dims[i + 2];
        w->stride[i] = w->dilation[i] = 1;
    }
}

bool spacc_volume_of(struct spacc_volume *v, const struct spacc_window *w,
                     const struct spacc_tensor *in, const struct spacc_tensor *out)
{
    const int missing_axes = SPACC_VOLUME_AXES - w->axes;

    if (missing_axes < 0)
        return false;
    *v = (struct spacc_volume){.in_plane = 1, .out_plane = 1, .taps = 1};
    for (int d = 0, i = -missing_axes; d < SPACC_VOLUME_AXES; d++, i++) {
        v->in[d] = i < 0 ? 1 : in->dims[i + 2];
        v->out[d] = i < 0 ? 1 : out->dims[i + 2];
        v->kernel[d] = i < 0 ? 1 : w->kernel[i];
        v->stride[d] = i < 0 ? 1 : w->stride[i];
        v->dilation[d] = i < 0 ? 1 : w->dilation[i];
        v->begin[d] = i < 0 ? 0 : w->begin[i];
        v->in_plane *= (size_t)v->in[d];
        v->out_plane *= (size_t)v->out[d];
        v->taps *= (size_t)v->kernel[d];
    }
    return true;
}

static int64_t at_least(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void spacc_volume_inside(const struct spacc_volume *v, int axis, int64_t k, int64_t *first,
                         int64_t *last)
{
    const int64_t from = v->begin[axis] - k * v->dilation[axis]; /* o * stride >= from */
    const int64_t to = from + v->in[axis] - 1;                   /* o * stride <= to */
    const int64_t end = to < 0 ? 0 : to / v->stride[axis] + 1;

    *last = end < v->out[axis] ? end : v->out[axis];
    *first = from <= 0 ? 0 : (from + v->stride[axis] - 1) / v->stride[axis];
    *last = at_least(*last, *first);
}
