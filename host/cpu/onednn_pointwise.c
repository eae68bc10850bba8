/* Element-wise operators and Transpose of tensors that a primitive has left in its own
 * layout: they stay in it. Row-major ones are left to other kernels, but for Transpose. */
#include <math.h>
#include <string.h>

#include "host/cpu/onednn_parts.h"

/* ---- one input ------------------------------------------------------------------- */

static bool clip_bounds(struct spacc_onednn_eltwise *to, const struct spacc_cpu_build *b,
                        const struct spacc_node *node)
{
    const struct spacc_tensor *low = spacc_cpu_constant(b, node, 1);
    const struct spacc_tensor *high = spacc_cpu_constant(b, node, 2);

    for (int i = 1; i < node->inputs; i++)
        if (node->input[i] >= 0 && !spacc_cpu_constant(b, node, i))
            return false;
    to->kind = dnnl_eltwise_clip;
    to->alpha = low ? *(const float *)low->data : spacc_node_float(node, "min", -INFINITY);
    to->beta = high ? *(const float *)high->data : spacc_node_float(node, "max", INFINITY);
    return to->alpha <= to->beta;
}

bool spacc_onednn_eltwise_of(struct spacc_onednn_eltwise *to, const struct spacc_cpu_build *b,
                             const struct spacc_node *node)
{
    static const struct {
        const char *op;
        dnnl_alg_kind_t kind;
        float alpha; /* default of the attribute */
    } known[] = {
        {"Relu", dnnl_eltwise_relu, 0.0f},        {"LeakyRelu", dnnl_eltwise_relu, 0.01f},
        {"Sigmoid", dnnl_eltwise_logistic, 0.0f}, {"Tanh", dnnl_eltwise_tanh, 0.0f},
        {"Elu", dnnl_eltwise_elu, 1.0f},          {"HardSwish", dnnl_eltwise_hardswish, 0.0f},
        {"Abs", dnnl_eltwise_abs, 0.0f},          {"Sqrt", dnnl_eltwise_sqrt, 0.0f}};

    if (!spacc_cpu_known(b, node) || node->outputs != 1 ||
        !spacc_cpu_is(b, node->input[0], SPACC_F32))
        return false;
    if (strcmp(node->op->name, "Clip") == 0)
        return clip_bounds(to, b, node);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(node->op->name, known[i].op) != 0)
            continue;
        *to = (struct spacc_onednn_eltwise){
            .kind = known[i].kind, .alpha = spacc_node_float(node, "alpha", known[i].alpha)};
        return true;
    }
    return false;
}

enum spacc_status spacc_onednn_one(struct spacc_cpu_build *b, int n,
                                   const struct spacc_cpu_kernel *kernel,
                                   const_dnnl_primitive_desc_t pd, int v)
{
    const int to = b->g->node[n].output[0];
    const dnnl_memory_desc_t *src = dnnl_primitive_desc_query_md(pd, dnnl_query_src_md, 0);
    const dnnl_memory_desc_t *dst = dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0);
    const int in = spacc_onednn_in(b, v, src);
    struct spacc_onednn_op *op = in < 0 ? NULL : spacc_onednn_op_new(pd);
    enum spacc_status status;

    if (in < 0)
        return b->err->status;
    if (!op || (status = spacc_onednn_made(b, to, dst)) ||
        !spacc_onednn_arg(b, op, DNNL_ARG_SRC, src, in, NULL) ||
        !spacc_onednn_arg(b, op, DNNL_ARG_DST, dst, to, NULL)) {
        spacc_onednn_op_free(op);
        return spacc_cpu_no_memory(b);
    }
    return spacc_onednn_step(b, n, kernel, op, pd, &in, 1, to);
}

static enum spacc_status take_eltwise(struct spacc_cpu_build *b, int n, bool *taken)
{
    const struct spacc_node *node = &b->g->node[n];
    struct spacc_onednn_eltwise f;
    dnnl_memory_desc_t md;
    dnnl_eltwise_desc_t d;
    dnnl_primitive_desc_t pd = NULL;

    if (node->inputs < 1 || node->input[0] < 0 || !spacc_onednn_is_blocked(b, node->input[0]) ||
        !spacc_onednn_eltwise_of(&f, b, node))
        return SPACC_OK;
    spacc_onednn_layout(&md, b, node->input[0]);
    enum spacc_status status =
        spacc_onednn_describe(b, n,
                              dnnl_eltwise_forward_desc_init(&d, dnnl_forward_inference, f.kind,
                                                             &md, f.alpha, f.beta),
                              &d, &pd);
    if (!status)
        status = spacc_onednn_one(b, n, &spacc_cpu_onednn_eltwise, pd, node->input[0]);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (!status)
        spacc_cpu_taken(b, n, n, spacc_cpu_onednn_eltwise.name);
    *taken = !status;
    return status;
}

/* ---- two inputs of one shape ------------------------------------------------------- */

static bool binary_of(const struct spacc_node *node, dnnl_alg_kind_t *kind)
{
    const char *op = node->op->name;

    if (strcmp(op, "Add") == 0 || strcmp(op, "Sum") == 0)
        *kind = dnnl_binary_add;
    else if (strcmp(op, "Mul") == 0)
        *kind = dnnl_binary_mul;
    else if (strcmp(op, "Sub") == 0)
        *kind = dnnl_binary_sub;
    else
        return false;
    return node->inputs == 2;
}

static bool is_binary(const struct spacc_cpu_build *b, const struct spacc_node *node,
                      dnnl_alg_kind_t *kind)
{
    return binary_of(node, kind) && spacc_cpu_known(b, node) &&
           spacc_cpu_is(b, node->input[0], SPACC_F32) &&
           spacc_tensor_same_shape(spacc_cpu_shape(b, node->input[0]),
                                   spacc_cpu_shape(b, node->input[1])) &&
           (spacc_onednn_is_blocked(b, node->input[0]) ||
            spacc_onednn_is_blocked(b, node->input[1]));
}

static enum spacc_status add_binary(struct spacc_cpu_build *b, int n, dnnl_primitive_desc_t pd,
                                    const dnnl_memory_desc_t *md)
{
    const struct spacc_node *node = &b->g->node[n];
    const int in[2] = {spacc_onednn_in(b, node->input[0], md),
                       spacc_onednn_in(b, node->input[1], md)};
    struct spacc_onednn_op *op;

    if (in[0] < 0 || in[1] < 0)
        return b->err->status;
    op = spacc_onednn_op_new(pd);
    if (!op || spacc_onednn_made(b, node->output[0], md) ||
        !spacc_onednn_arg(b, op, DNNL_ARG_SRC_0, md, in[0], NULL) ||
        !spacc_onednn_arg(b, op, DNNL_ARG_SRC_1, md, in[1], NULL) ||
        !spacc_onednn_arg(b, op, DNNL_ARG_DST, md, node->output[0], NULL)) {
        spacc_onednn_op_free(op);
        return spacc_cpu_no_memory(b);
    }
    return spacc_onednn_step(b, n, &spacc_cpu_onednn_binary, op, pd, in, 2, node->output[0]);
}

static enum spacc_status take_binary(struct spacc_cpu_build *b, int n, bool *taken)
{
    const struct spacc_node *node = &b->g->node[n];
    dnnl_primitive_desc_t pd = NULL;
    dnnl_memory_desc_t md;
    dnnl_binary_desc_t d;
    dnnl_alg_kind_t kind;

    if (!is_binary(b, node, &kind))
        return SPACC_OK;
    spacc_onednn_layout(&md, b,
                        node->input[spacc_onednn_is_blocked(b, node->input[0]) ? 0 : 1]);
    enum spacc_status status =
        spacc_onednn_describe(b, n, dnnl_binary_desc_init(&d, kind, &md, &md, &md), &d, &pd);
    if (!status)
        status = add_binary(b, n, pd, &md);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (!status)
        spacc_cpu_taken(b, n, n, spacc_cpu_onednn_binary.name);
    *taken = !status;
    return status;
}

/* ---- Transpose: a reorder whose strides are those of the result ------------------------ */

static void transposed(dnnl_memory_desc_t *md, const struct spacc_tensor *in,
                       const struct spacc_tensor *out, const struct spacc_node *node)
{
    const struct spacc_attr *perm = spacc_node_attr(node, "perm");
    dnnl_dims_t strides = {0};
    int64_t step = 1;

    for (int d = out->rank - 1; d >= 0; d--) {
        const int from = perm ? (int)perm->ints[d] : out->rank - 1 - d;
        strides[from] = step;
        step *= out->dims[d];
    }
    spacc_onednn_rows(md, in);
    for (int d = 0; d < in->rank; d++)
        md->format_desc.blocking.strides[d] = strides[d];
}

static enum spacc_status take_transpose(struct spacc_cpu_build *b, int n, bool *taken)
{
    const struct spacc_node *node = &b->g->node[n];
    dnnl_memory_desc_t from, to;
    dnnl_primitive_attr_t attr;
    dnnl_primitive_desc_t pd = NULL;
    struct spacc_onednn_op *op = NULL;

    if (strcmp(node->op->name, "Transpose") != 0 || !spacc_cpu_known(b, node) ||
        !spacc_cpu_is(b, node->input[0], SPACC_F32))
        return SPACC_OK;
    const struct spacc_tensor *in = spacc_cpu_shape(b, node->input[0]);
    const int v = node->input[0], out = node->output[0];
    if (in->rank < 2 || in->count == 0)
        return SPACC_OK;
    transposed(&to, in, spacc_cpu_shape(b, out), node);
    if (!(attr = spacc_onednn_attr()))
        return spacc_cpu_no_memory(b);
    spacc_onednn_layout(&from, b, v);
    const dnnl_engine_t engine = spacc_onednn_engine(b->e);
    enum spacc_status status = spacc_onednn_check(
        b, n, dnnl_reorder_primitive_desc_create(&pd, &from, engine, &to, engine, attr));
    if (!status && (!(op = spacc_onednn_op_new(pd)) ||
                    !spacc_onednn_arg(b, op, DNNL_ARG_FROM, &from, v, NULL) ||
                    !spacc_onednn_arg(b, op, DNNL_ARG_TO, &to, out, NULL))) {
        spacc_onednn_op_free(op);
        status = spacc_cpu_no_memory(b);
    }
    if (!status)
        status = spacc_onednn_step(b, n, &spacc_cpu_onednn_transpose, op, pd, &v, 1, out);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    dnnl_primitive_attr_destroy(attr);
    if (!status)
        spacc_cpu_taken(b, n, n, spacc_cpu_onednn_transpose.name);
    *taken = !status;
    return status;
}

#define KERNEL(what)                                                                  \
    const struct spacc_cpu_kernel spacc_cpu_onednn_##what = {.name = "onednn",        \
                                                             .take = take_##what,     \
                                                             .run = spacc_onednn_run, \
                                                             .release = spacc_onednn_op_free}
KERNEL(eltwise);
KERNEL(binary);
KERNEL(transpose);
