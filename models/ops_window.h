/* ops_window.h - a kernel that slides over the spatial axes of [N, C, spatial...]: what
 * convolutions and pools share. */
#ifndef SPACC_OPS_WINDOW_H
#define SPACC_OPS_WINDOW_H

#include "models/ops_util.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPACC_WINDOW_AXES = SPACC_RANK_MAX - 2 };

struct spacc_window {
    int axes; /* spatial */
    int64_t in[SPACC_WINDOW_AXES], out[SPACC_WINDOW_AXES], kernel[SPACC_WINDOW_AXES];
    int64_t stride[SPACC_WINDOW_AXES], dilation[SPACC_WINDOW_AXES];
    int64_t pad[SPACC_WINDOW_AXES], pad_end[SPACC_WINDOW_AXES];
    /* elements between neighbours, and of one channel: spacc_window_steps() */
    int64_t in_step[SPACC_WINDOW_AXES], kernel_step[SPACC_WINDOW_AXES];
    int64_t in_plane, out_plane, kernel_plane;
};

/* `count` numbers from attribute `name`, each within lowest..INT32_MAX; `otherwise` when it
 * is absent. SPACC_ESHAPE, SPACC_EUNSUPPORTED. */
enum spacc_status spacc_window_list(struct spacc_op_call *c, const char *name, int count,
                                    int64_t otherwise, int64_t lowest, int64_t *out);

/* Axes and `in` from a tensor of 3 axes or more, each below 2^31. */
enum spacc_status spacc_window_input(struct spacc_op_call *c, struct spacc_window *w,
                                     const struct spacc_tensor *x);

/* Kernel from kernel_shape, which must be there. */
enum spacc_status spacc_window_kernel(struct spacc_op_call *c, struct spacc_window *w);

/* With `in` and `kernel` known: strides, dilations, auto_pad and pads, and from them `out`.
 * `ceil`: a last window that starts in the input may reach beyond its end. */
enum spacc_status spacc_window_plan(struct spacc_op_call *c, struct spacc_window *w, bool ceil);

/* Fill the steps and planes; only once the output exists, then nothing overflows. */
void spacc_window_steps(struct spacc_window *w);

/* The next position of `at` among `dims`, row-major; back to 0 after the last. */
static inline void spacc_window_next(int64_t *at, const int64_t *dims, int axes)
{
    for (int i = axes - 1; i >= 0 && ++at[i] == dims[i]; i--)
        at[i] = 0;
}

/* A convolution: a window and channels. */
struct spacc_conv {
    struct spacc_window window;
    int64_t groups, in_channels, out_channels; /* channels within a group */
};

/* Plan a convolution of input `x` by weights at input `w` and bias at input `b`, and make
 * its output of type `dtype`. */
enum spacc_status spacc_conv_plan(struct spacc_op_call *c, struct spacc_conv *v, int x, int w,
                                  int b, enum spacc_dtype dtype, struct spacc_tensor **y);

/* The inputs of the image x [groups * in_channels][in...] of 4-byte elements that group `group`
 * sees at output position `at`, into patch [in_channels * kernel_plane] in the order of the
 * weights; 0 outside of x. After spacc_window_steps(). */
void spacc_conv_patch(const struct spacc_conv *v, void *patch, const void *x, int64_t group,
                      const int64_t *at);

/* Run it: x, w, y of 4-byte elements; `dot` gives an element of y from one row of weights
 * and a patch of `length` inputs (0 outside of x). `channel` counts all output channels. */
enum spacc_status spacc_conv_run(struct spacc_op_call *c, struct spacc_conv *v, int64_t batch,
                                 void *y, const void *x, const void *w,
                                 void (*dot)(void *y, const void *w, const void *patch,
                                             size_t length, int64_t channel, const void *user),
                                 const void *user);

#ifdef __cplusplus
}
#endif

#endif
