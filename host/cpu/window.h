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

#ifdef __cplusplus
}
#endif

#endif
