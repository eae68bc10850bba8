/* Resize and Upsample that repeat every pixel a whole number of times. Which of ONNX's many
 * modes do is not worked out but tried: the reference runs once on numbered pixels. */
#include <string.h>

#include "host/cpu/onednn_parts.h"

enum { PIXELS_MAX = 1 << 24 }; /* numbers that a float holds */

/* Every spatial axis grows by a whole factor, the others stay. */
static bool has_factors(const struct spacc_tensor *in, const struct spacc_tensor *out)
{
    if (in->rank < 3 || in->rank > 5 || in->rank != out->rank || in->count == 0 ||
        in->count >= PIXELS_MAX)
        return false;
    for (int d = 0; d < in->rank; d++)
        if (d < 2 ? out->dims[d] != in->dims[d] : out->dims[d] % in->dims[d] != 0)
            return false;
    return true;
}

/* Number of the pixel that is repeated at element `at` of the result. */
static size_t repeated(const struct spacc_tensor *in, const struct spacc_tensor *out, size_t at)
{
    size_t number = 0, step = 1;

    for (int d = in->rank - 1; d >= 0; d--) {
        const size_t index = at % (size_t)out->dims[d];
        number += index / (size_t)(out->dims[d] / in->dims[d]) * step;
        step *= (size_t)in->dims[d];
        at /= (size_t)out->dims[d];
    }
    return number;
}

static bool repeats_pixels(const struct spacc_cpu_build *b, int n)
{
    const struct spacc_node *node = &b->g->node[n];
    const struct spacc_tensor *shape = spacc_cpu_shape(b, node->input[0]);
    const struct spacc_tensor *in[4] = {NULL};
    struct spacc_tensor *numbers, *out = NULL;

    if (spacc_tensor_new(&numbers, SPACC_F32, shape->rank, shape->dims))
        return false;
    for (size_t i = 0; i < numbers->count; i++)
        ((float *)numbers->data)[i] = (float)i;
    in[0] = numbers;
    for (int i = 1; i < node->inputs && i < 4; i++)
        in[i] = spacc_cpu_constant(b, node, i);
    bool same = spacc_node_run(b->g, n, in, &out, NULL) == SPACC_OK;
    for (size_t i = 0; same && i < out->count; i++)
        same = ((const float *)out->data)[i] == (float)repeated(numbers, out, i);
    spacc_tensor_free(numbers);
    spacc_tensor_free(out);
    return same;
}

static bool is_ours(const struct spacc_cpu_build *b, int n)
{
    const struct spacc_node *node = &b->g->node[n];
    const char *op = node->op->name;

    if ((strcmp(op, "Resize") != 0 && strcmp(op, "Upsample") != 0) || node->inputs > 4 ||
        !spacc_cpu_known(b, node) || !spacc_cpu_is(b, node->input[0], SPACC_F32))
        return false;
    for (int i = 1; i < node->inputs; i++)
        if (node->input[i] >= 0 && !spacc_cpu_constant(b, node, i))
            return false;
    return has_factors(spacc_cpu_shape(b, node->input[0]),
                       spacc_cpu_shape(b, node->output[0])) &&
           repeats_pixels(b, n);
}

static enum spacc_status take(struct spacc_cpu_build *b, int n, bool *taken)
{
    const struct spacc_node *node = &b->g->node[n];
    dnnl_memory_desc_t src, dst;
    dnnl_resampling_desc_t d;
    dnnl_primitive_desc_t pd = NULL;

    if (!is_ours(b, n))
        return SPACC_OK;
    spacc_onednn_layout(&src, b, node->input[0]);
    spacc_onednn_any(&dst, spacc_cpu_shape(b, node->output[0]));
    enum spacc_status s = spacc_onednn_describe(
        b, n,
        dnnl_resampling_forward_desc_init(&d, dnnl_forward_inference, dnnl_resampling_nearest,
                                          NULL, &src, &dst),
        &d, &pd);
    if (!s)
        s = spacc_onednn_one(b, n, &spacc_cpu_onednn_resize, pd, node->input[0]);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (!s)
        spacc_cpu_taken(b, n, n, spacc_cpu_onednn_resize.name);
    *taken = !s;
    return s;
}

const struct spacc_cpu_kernel spacc_cpu_onednn_resize = {
    .name = "onednn", .take = take, .run = spacc_onednn_run, .release = spacc_onednn_op_free};
