/* ConvTranspose on oneDNN, where it has a kernel of its own for it; else it is the reference's.
 */
#include <string.h>

#include "host/cpu/onednn_parts.h"

struct deconv {
    const struct spacc_tensor *w, *bias, *in, *out;
    struct spacc_window window; /* that of the convolution from the result to the input */
    int64_t groups;
    dnnl_memory_desc_t weights; /* ONNX has [input channels][output channels of a group] */
};

static void describe_weights(struct deconv *c)
{
    const int64_t in = c->w->dims[0] / c->groups, out = c->w->dims[1];
    dnnl_dims_t dims = {0}, strides = {0};
    int64_t window = 1;
    int rank = 0;

    for (int d = 2; d < c->w->rank; d++)
        window *= c->w->dims[d];
    if (c->groups > 1) {
        dims[rank] = c->groups;
        strides[rank++] = in * out * window;
    }
    dims[rank] = out;
    strides[rank++] = window;
    dims[rank] = in;
    strides[rank++] = out * window;
    for (int d = 2; d < c->w->rank; d++) {
        window /= c->w->dims[d];
        dims[rank] = c->w->dims[d];
        strides[rank++] = window;
    }
    dnnl_memory_desc_init_by_strides(&c->weights, rank, dims, dnnl_f32, strides);
}

/* Pads as the attribute says them: other ways to give them are the reference's. */
static bool has_plain_pads(const struct spacc_node *node)
{
    return strcmp(spacc_node_string(node, "auto_pad", "NOTSET"), "NOTSET") == 0 &&
           !spacc_node_attr(node, "output_shape");
}

static bool is_ours(struct spacc_cpu_build *b, const struct spacc_node *node, struct deconv *c)
{
    if (strcmp(node->op->name, "ConvTranspose") != 0 || !spacc_cpu_known(b, node) ||
        !spacc_cpu_is(b, node->input[0], SPACC_F32) || !has_plain_pads(node))
        return false;
    *c = (struct deconv){.w = spacc_cpu_constant(b, node, 1),
                         .bias = spacc_cpu_constant(b, node, 2),
                         .in = spacc_cpu_shape(b, node->input[0]),
                         .out = spacc_cpu_shape(b, node->output[0]),
                         .groups = spacc_node_int(node, "group", 1)};
    const bool has_bias = node->inputs > 2 && node->input[2] >= 0;
    if (!c->w || (has_bias && !c->bias) || c->in->rank < 3 || c->in->rank > 5 ||
        c->in->count == 0 || c->out->count == 0 || c->w->count == 0 || c->groups < 1 ||
        c->w->dims[0] % c->groups != 0 ||
        !spacc_window_of(&c->window, node, c->out, c->in, c->w->dims + 2))
        return false;
    describe_weights(c);
    return true;
}

/* False when oneDNN has none, or only its slow loops. */
static bool describe(struct spacc_cpu_build *b, int n, const struct deconv *c,
                     dnnl_primitive_desc_t *pd)
{
    dnnl_memory_desc_t src, weights, bias, dst;
    dnnl_deconvolution_desc_t d;
    dnnl_dims_t dilates = {0};
    const char *name = "";

    spacc_onednn_any(&src, c->in);
    spacc_onednn_any(&dst, c->out);
    spacc_onednn_vector(&bias, c->out->dims[1]);
    dnnl_memory_desc_init_by_tag(&weights, c->weights.ndims, c->weights.dims, dnnl_f32,
                                 dnnl_format_tag_any);
    for (int i = 0; i < c->window.axes; i++)
        dilates[i] = c->window.dilation[i] - 1;
    const dnnl_status_t made = dnnl_dilated_deconvolution_forward_desc_init(
        &d, dnnl_forward_inference, dnnl_deconvolution_direct, &src, &weights,
        c->bias ? &bias : NULL, &dst, c->window.stride, dilates, c->window.begin,
        c->window.end);
    return made == dnnl_success && spacc_onednn_describe(b, n, made, &d, pd) == SPACC_OK &&
           dnnl_primitive_desc_query(*pd, dnnl_query_impl_info_str, 0, &name) == dnnl_success &&
           strstr(name, "jit");
}

static enum spacc_status add(struct spacc_cpu_build *b, int n, const struct deconv *c,
                             dnnl_primitive_desc_t pd)
{
    const struct spacc_node *node = &b->g->node[n];
    const int to = node->output[0];
    const dnnl_memory_desc_t *src = dnnl_primitive_desc_query_md(pd, dnnl_query_src_md, 0);
    const dnnl_memory_desc_t *dst = dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0);
    dnnl_memory_desc_t bias;
    const int in = spacc_onednn_in(b, node->input[0], src);
    struct spacc_onednn_op *op = in < 0 ? NULL : spacc_onednn_op_new(pd);

    if (in < 0)
        return b->err->status;
    spacc_onednn_vector(&bias, c->out->dims[1]);
    if (!op || spacc_onednn_made(b, to, dst) ||
        !spacc_onednn_arg(b, op, DNNL_ARG_SRC, src, in, NULL) ||
        !spacc_onednn_arg(b, op, DNNL_ARG_DST, dst, to, NULL) ||
        !spacc_onednn_weights(b, op, DNNL_ARG_WEIGHTS, 0, &c->weights, c->w->data,
                              dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0)) ||
        (c->bias &&
         !spacc_onednn_weights(b, op, DNNL_ARG_BIAS, 1, &bias, c->bias->data, &bias))) {
        spacc_onednn_op_free(op);
        return spacc_cpu_no_memory(b);
    }
    return spacc_onednn_step(b, n, &spacc_cpu_onednn_deconv, op, pd, &in, 1, to);
}

static enum spacc_status take(struct spacc_cpu_build *b, int n, bool *taken)
{
    dnnl_primitive_desc_t pd = NULL;
    struct deconv c;
    enum spacc_status s = SPACC_OK;

    if (!is_ours(b, &b->g->node[n], &c))
        return SPACC_OK;
    if (describe(b, n, &c, &pd)) {
        s = add(b, n, &c, pd);
        if (!s)
            spacc_cpu_taken(b, n, n, spacc_cpu_onednn_deconv.name);
        *taken = !s;
    }
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    return s;
}

const struct spacc_cpu_kernel spacc_cpu_onednn_deconv = {
    .name = "onednn", .take = take, .run = spacc_onednn_run, .release = spacc_onednn_op_free};
