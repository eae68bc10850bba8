/* window.h - the sliding window of a convolution or a pooling, pads resolved. */
#ifndef SPACC_CPU_WINDOW_H
#define SPACC_CPU_WINDOW_H

#include "models/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPACC_WINDOW_AXES = 12 }; /* room; oneDNN reads that many */

struct spacc_window {
    int axes; /* spatial ones */
    int64_t kernel[SPACC_WINDOW_AXES], stride[SPACC_WINDOW_AXES];
    int64_t dilation[SPACC_WINDOW_AXES]; /* 1: dense */
    int64_t begin[SPACC_WINDOW_AXES];    /* pads */
    int64_t end[SPACC_WINDOW_AXES];      /* so many that the last window fits */
};

/* From the attributes of a node and the shapes [N][C][spatial ...] of its input and output,
 * which shape inference has worked out (so auto_pad and ceil_mode need no rules of their own
 * here). `kernel`: spatial sizes of the weights, or NULL for the attribute kernel_shape.
 * False when the node has none or the ranks do not fit. */
bool spacc_window_of(struct spacc_window *w, const struct spacc_node *node,
                     const struct spacc_tensor *in, const struct spacc_tensor *out,
                     const int64_t *kernel);

/* All of the image at once, for the Global* pools. */
void spacc_window_whole(struct spacc_window *w, const struct spacc_tensor *in);

/* The same over three axes, for loops: those that are not there are of size 1, in front. */
enum { SPACC_VOLUME_AXES = 3 };
struct spacc_volume {
    int64_t in[SPACC_VOLUME_AXES], out[SPACC_VOLUME_AXES]; /* sizes */
    int64_t kernel[SPACC_VOLUME_AXES], stride[SPACC_VOLUME_AXES];
    int64_t dilation[SPACC_VOLUME_AXES], begin[SPACC_VOLUME_AXES];
    size_t in_plane, out_plane, taps; /* products */
};

/* False for more axes. */
bool spacc_volume_of(struct spacc_volume *v, const struct spacc_window *w,
                     const struct spacc_tensor *in, const struct spacc_tensor *out);

/* Where tap `k` of output `o` reads along an axis; outside 0 .. in-1 is padding. */
static inline int64_t spacc_volume_at(const struct spacc_volume *v, int axis, int64_t o,
                                      int64_t k)
{
    return o * v->stride[axis] + k * v->dilation[axis] - v->begin[axis];
}

/* Outputs *first .. *last - 1 along an axis read no padding at tap `k`; none when equal. */
void spacc_volume_inside(const struct spacc_volume *v, int axis, int64_t k, int64_t *first,
                         int64_t *last);

#ifdef __cplusplus
}
#endif

#endif
