/* Conv over any number of spatial axes. Each output is its bias plus one dot product,
 * spacc_ops_dot(), over input channel and then kernel position; pads count as 0. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "models/ops_window.h"

/* ---- shapes ------------------------------------------------------------------ */

static enum spacc_status check_channels(struct spacc_op_call *c, struct spacc_conv *v,
                                        const struct spacc_tensor *x,
                                        const struct spacc_tensor *w,
                                        const struct spacc_tensor *b)
{
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

static enum spacc_status check_kernel(struct spacc_op_call *c, struct spacc_window *v,
                                      const struct spacc_tensor *w)
{
    int64_t kernel[SPACC_WINDOW_AXES];
    TRY(spacc_window_list(c, "kernel_shape", v->axes, 1, 1, kernel));
    for (int i = 0; i < v->axes; i++) {
        v->kernel[i] = w->dims[i + 2];
        if (spacc_node_attr(c->node, "kernel_shape") && kernel[i] != v->kernel[i])
            return spacc_op_fail(c, SPACC_ESHAPE,
                                 "kernel_shape[%d] is %" PRId64 ", the weights have %" PRId64,
                                 i, kernel[i], v->kernel[i]);
        if (v->kernel[i] < 1 || v->kernel[i] > INT32_MAX)
            return spacc_op_fail(c, SPACC_ESHAPE, "axis %d: kernel %" PRId64, i + 2,
                                 v->kernel[i]);
    }
    return SPACC_OK;
}

enum spacc_status spacc_conv_plan(struct spacc_op_call *c, struct spacc_conv *v, int x_at,
                                  int w_at, int b_at, enum spacc_dtype dtype,
                                  struct spacc_tensor **y)
{
    const struct spacc_tensor *x = c->in[x_at], *w = c->in[w_at];
    char left[SPACC_TEXT_BYTES], right[SPACC_TEXT_BYTES];
    int64_t dims[SPACC_RANK_MAX];
    if (x->rank < 3 || w->rank != x->rank)
        return spacc_op_fail(c, SPACC_ESHAPE, "input has shape %s, weights %s",
                             spacc_ops_shape_text(left, x->rank, x->dims),
                             spacc_ops_shape_text(right, w->rank, w->dims));
    TRY(spacc_window_input(c, &v->window, x));
    TRY(check_channels(c, v, x, w, spacc_ops_in(c, b_at)));
    TRY(check_kernel(c, &v->window, w));
    TRY(spacc_window_plan(c, &v->window, false));
    dims[0] = x->dims[0];
    dims[1] = w->dims[0];
    memcpy(dims + 2, v->window.out, (size_t)v->window.axes * sizeof(*dims));
    return spacc_op_output(c, 0, dtype, x->rank, dims, y);
}

/* ---- contents ---------------------------------------------------------------- */

enum { WORD = 4 }; /* bytes of an element: a float or an int32 */

/* The inputs under the kernel at output position `at`, from `axis` on, in the order of
 * the weights; outside of x they are 0. Returns the end of what it wrote. */
static char *gather_axis(const struct spacc_window *v, char *to, const char *x,
                         const int64_t *at, int axis)
{
    for (int64_t k = 0; k < v->kernel[axis]; k++) {
        const int64_t i = at[axis] * v->stride[axis] + k * v->dilation[axis] - v->pad[axis];
        const bool inside = i >= 0 && i < v->in[axis];
        /* axes <= SPACC_WINDOW_AXES: one condition */
        if (axis + 1 == v->axes || axis + 1 == SPACC_WINDOW_AXES) {
            if (inside)
                memcpy(to, x + i * WORD, WORD);
            else
                memset(to, 0, WORD);
            to += WORD;
        } else if (inside) {
            to = gather_axis(v, to, x + i * v->in_step[axis] * WORD, at, axis + 1);
        } else {
            memset(to, 0, (size_t)v->kernel_step[axis] * WORD);
            to += v->kernel_step[axis] * WORD;
        }
    }
    return to;
}

void spacc_conv_patch(const struct spacc_conv *v, void *patch, const void *x, int64_t group,
                      const int64_t *at)
{
    const struct spacc_window *w = &v->window;
    const char *from = (const char *)x + group * v->in_channels * w->in_plane * WORD;
    char *to = patch;

    for (int64_t i = 0; i < v->in_channels; i++)
        to = gather_axis(w, to, from + i * w->in_plane * WORD, at, 0);
}

/* What a run needs besides the plan. */
struct run {
    char *y, *patch;
    const char *x, *w;
    void (*dot)(void *y, const void *w, const void *patch, size_t length, int64_t channel,
                const void *user);
    const void *user;
};

/* One group of one image: every output position gathers its patch once, and each output
 * channel is a dot product with it. `first` is the group's first output channel. */
static void group(const struct spacc_conv *v, const struct run *r, int64_t first)
{
    const struct spacc_window *w = &v->window;
    const int64_t length = v->in_channels * w->kernel_plane;
    int64_t at[SPACC_WINDOW_AXES] = {0};
    for (int64_t p = 0; p < w->out_plane; p++) {
        spacc_conv_patch(v, r->patch, r->x, 0, at);
        for (int64_t o = 0; o < v->out_channels; o++)
            r->dot(r->y + (o * w->out_plane + p) * WORD, r->w + (first + o) * length * WORD,
                   r->patch, (size_t)length, first + o, r->user);
        spacc_window_next(at, w->out, w->axes);
    }
}

enum spacc_status spacc_conv_run(struct spacc_op_call *c, struct spacc_conv *v, int64_t batch,
                                 void *y, const void *x, const void *w,
                                 void (*dot)(void *y, const void *w, const void *patch,
                                             size_t length, int64_t channel, const void *user),
                                 const void *user)
{
    spacc_window_steps(&v->window);
    const size_t length = (size_t)(v->in_channels * v->window.kernel_plane);
    struct run r = {.y = y, .x = x, .w = w, .dot = dot, .user = user};
    r.patch = malloc((length + 1) * WORD);
    if (!r.patch)
        return spacc_op_fail(c, SPACC_ENOMEM, "no memory for a patch of %zu inputs", length);
    for (int64_t n = 0; n < batch; n++)
        for (int64_t g = 0; g < v->groups; g++) {
            group(v, &r, g * v->out_channels);
            r.x += v->in_channels * v->window.in_plane * WORD;
            r.y += v->out_channels * v->window.out_plane * WORD;
        }
    free(r.patch);
    return SPACC_OK;
}

static void dot_float(void *y, const void *w, const void *patch, size_t length, int64_t channel,
                      const void *user)
{
    const float *bias = user;
    *(float *)y = (bias ? bias[channel] : 0.0f) + spacc_ops_dot(w, patch, length);
}

enum spacc_status spacc_op_conv(struct spacc_op_call *c)
{
    struct spacc_conv v;
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 2, SPACC_TYPE(F32)));
    TRY(spacc_conv_plan(c, &v, 0, 1, 2, SPACC_F32, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    const struct spacc_tensor *b = spacc_ops_in(c, 2);
    return spacc_conv_run(c, &v, y->dims[0], y->data, c->in[0]->data, c->in[1]->data, dot_float,
                          b ? b->data : NULL);
}
