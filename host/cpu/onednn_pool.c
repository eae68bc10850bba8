/* MaxPool, AveragePool, GlobalAveragePool and GlobalMaxPool on oneDNN. */
#include <string.h>

#include "host/cpu/onednn_parts.h"
#include "host/cpu/window.h"

struct pool {
    dnnl_alg_kind_t kind;
    struct spacc_window window;
};

/* Windows that hang over the end by ceil_mode count differently with pads included; storage
 * order and indices are the reference's. */
static bool is_plain(const struct spacc_node *node)
{
    return node->outputs == 1 && !(spacc_node_int(node, "ceil_mode", 0) &&
                                   spacc_node_int(node, "count_include_pad", 0));
}

static bool is_ours(const struct spacc_cpu_build *b, const struct spacc_node *node,
                    struct pool *p)
{
    const char *op = node->op->name;
    const bool global = strncmp(op, "Global", 6) == 0;
    const char *kind = global ? op + 6 : op;

    if (strcmp(kind, "MaxPool") == 0)
        p->kind = dnnl_pooling_max;
    else if (strcmp(kind, "AveragePool") == 0)
        p->kind = spacc_node_int(node, "count_include_pad", 0)
                      ? dnnl_pooling_avg_include_padding
                      : dnnl_pooling_avg_exclude_padding;
    else
        return false;
    if (!spacc_cpu_known(b, node) || !spacc_cpu_is(b, node->input[0], SPACC_F32))
        return false;
    const struct spacc_tensor *in = spacc_cpu_shape(b, node->input[0]);
    const struct spacc_tensor *out = spacc_cpu_shape(b, node->output[0]);
    if (in->rank < 3 || in->rank > 5 || in->count == 0 || out->count == 0)
        return false;
    if (global) {
        spacc_window_whole(&p->window, in);
        return true;
    }
    return is_plain(node) && spacc_window_of(&p->window, node, in, out, NULL);
}

static enum spacc_status describe(struct spacc_cpu_build *b, int n, const struct pool *p,
                                  dnnl_primitive_desc_t *pd)
{
    const struct spacc_node *node = &b->g->node[n];
    dnnl_memory_desc_t src, dst;
    dnnl_pooling_v2_desc_t d;
    dnnl_dims_t dilates = {0};

    spacc_onednn_layout(&src, b, node->input[0]);
    spacc_onednn_any(&dst, spacc_cpu_shape(b, node->output[0]));
    for (int i = 0; i < p->window.axes; i++)
        dilates[i] = p->window.dilation[i] - 1;
    return spacc_onednn_describe(
        b, n,
        dnnl_pooling_v2_forward_desc_init(&d, dnnl_forward_inference, p->kind, &src, &dst,
                                          p->window.stride, p->window.kernel, dilates,
                                          p->window.begin, p->window.end),
        &d, pd);
}

static enum spacc_status take(struct spacc_cpu_build *b, int n, bool *taken)
{
    const struct spacc_node *node = &b->g->node[n];
    dnnl_primitive_desc_t pd = NULL;
    struct pool p;
    enum spacc_status status;

    if (!is_ours(b, node, &p))
        return SPACC_OK;
    if (!(status = describe(b, n, &p, &pd)))
        status = spacc_onednn_one(b, n, &spacc_cpu_onednn_pool, pd, node->input[0]);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (!status)
        spacc_cpu_taken(b, n, n, spacc_cpu_onednn_pool.name);
    *taken = !status;
    return status;
}

const struct spacc_cpu_kernel spacc_cpu_onednn_pool = {
    .name = "onednn", .take = take, .run = spacc_onednn_run, .release = spacc_onednn_op_free};
