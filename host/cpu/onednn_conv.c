/* Conv on oneDNN, with what follows it joined in: BatchNormalization is folded into weights
 * before (models/clean), the sum with another branch and an activation are post-ops here. */
#include <stdlib.h>
#include <string.h>

#include "host/cpu/onednn_parts.h"
#include "host/cpu/window.h"

enum { JOINED_MAX = 4 };

/* Conv and the nodes that run with it. */
struct chain {
    int node[JOINED_MAX + 1], nodes;
    int value; /* the result so far */
    int sum;   /* value that is added, or -1 */
    int whole; /* value of the Concat in which the result has its place, or -1 */
    dnnl_memory_desc_t slice;
    dnnl_post_ops_t post;
    dnnl_alg_kind_t kind[JOINED_MAX]; /* of activations */
    int kinds;
};

static bool join(struct chain *c, int n, int value)
{
    c->node[c->nodes++] = n;
    c->value = value;
    return true;
}

/* Add of the chain's value and one that is there, of the same shape, that only this Add still
 * reads: the convolution then adds to it where it lies. */
static bool join_sum(struct spacc_cpu_build *b, struct chain *c, int n)
{
    const struct spacc_node *node = &b->g->node[n];
    const bool is_sum = strcmp(node->op->name, "Add") == 0 ||
                        (strcmp(node->op->name, "Sum") == 0 && node->inputs == 2);

    if (!is_sum || c->sum >= 0)
        return false;
    const int other = node->input[0] == c->value ? node->input[1] : node->input[0];
    const struct spacc_cpu_slot *s = &b->e->slot[other];
    if (other == c->value || !s->made || !spacc_cpu_may_overwrite(b, other, other) ||
        !spacc_tensor_same_shape(&s->t, spacc_cpu_shape(b, c->value)))
        return false;
    if (dnnl_post_ops_append_sum(c->post, 1.0f) != dnnl_success)
        return false;
    c->sum = other;
    return join(c, n, node->output[0]);
}

/* oneDNN 2.6 mixes up the parameters of two activations of one kind in one primitive. */
static bool has_kind(const struct chain *c, dnnl_alg_kind_t kind)
{
    for (int i = 0; i < c->kinds; i++)
        if (c->kind[i] == kind)
            return true;
    return false;
}

static bool join_eltwise(struct spacc_cpu_build *b, struct chain *c, int n)
{
    const struct spacc_node *node = &b->g->node[n];
    struct spacc_onednn_eltwise f;

    if (node->input[0] != c->value || !spacc_onednn_eltwise_of(&f, b, node) ||
        has_kind(c, f.kind) ||
        dnnl_post_ops_append_eltwise(c->post, 1.0f, f.kind, f.alpha, f.beta) != dnnl_success)
        return false;
    c->kind[c->kinds++] = f.kind;
    return join(c, n, node->output[0]);
}

/* x * sigmoid(x), as exports write it, reads x twice and is left alone. */
static void find_chain(struct spacc_cpu_build *b, struct chain *c)
{
    for (;;) {
        const int n = c->nodes > JOINED_MAX ? -1 : spacc_cpu_only_reader(b, c->value);
        if (n < 0 || b->g->node[n].output[0] < 0 ||
            (!join_sum(b, c, n) && !join_eltwise(b, c, n)))
            return;
    }
}

/* ---- the primitive --------------------------------------------------------------- */

struct conv {
    const struct spacc_node *node;
    const struct spacc_tensor *w, *bias, *in, *out;
    struct spacc_window window;
    int64_t groups;
    bool padded; /* the input is padded by a step of its own */
    struct spacc_tensor padded_in;
    dnnl_memory_desc_t weights; /* row-major as ONNX has them, group axis split off */
};

static void describe_weights(struct conv *c)
{
    dnnl_dims_t dims = {0};
    int rank = 0;

    if (c->groups > 1)
        dims[rank++] = c->groups;
    dims[rank++] = c->w->dims[0] / c->groups;
    for (int d = 1; d < c->w->rank; d++)
        dims[rank++] = c->w->dims[d];
    dnnl_memory_desc_init_by_strides(&c->weights, rank, dims, dnnl_f32, NULL);
}

static bool is_ours(struct spacc_cpu_build *b, const struct spacc_node *node, struct conv *c)
{
    if (strcmp(node->op->name, "Conv") != 0 || !spacc_cpu_known(b, node) ||
        !spacc_cpu_is(b, node->input[0], SPACC_F32))
        return false;
    *c = (struct conv){.node = node,
                       .w = spacc_cpu_constant(b, node, 1),
                       .bias = spacc_cpu_constant(b, node, 2),
                       .in = spacc_cpu_shape(b, node->input[0]),
                       .out = spacc_cpu_shape(b, node->output[0]),
                       .groups = spacc_node_int(node, "group", 1)};
    const bool has_bias = node->inputs > 2 && node->input[2] >= 0;
    if (!c->w || (has_bias && !c->bias) || c->in->rank < 3 || c->in->rank > 5 ||
        c->in->count == 0 || c->out->count == 0 || c->groups < 1 ||
        !spacc_window_of(&c->window, node, c->in, c->out, c->w->dims + 2))
        return false;
    describe_weights(c);
    return true;
}

static enum spacc_status describe(struct spacc_cpu_build *b, int n, const struct conv *c,
                                  const struct chain *chain, dnnl_primitive_desc_t *pd)
{
    dnnl_memory_desc_t src, weights, bias, dst;
    dnnl_convolution_desc_t d;
    dnnl_dims_t dilates = {0};
    const dnnl_dims_t no_pads = {0};
    dnnl_primitive_attr_t attr = spacc_onednn_attr();

    if (!attr)
        return spacc_cpu_no_memory(b);
    spacc_onednn_any(&src, c->padded ? &c->padded_in : c->in);
    spacc_onednn_any(&dst, c->out);
    if (chain->sum >= 0)
        spacc_onednn_layout(&dst, b, chain->sum);
    else if (chain->whole >= 0)
        dst = chain->slice;
    weights = c->weights;
    dnnl_memory_desc_init_by_tag(&weights, c->weights.ndims, c->weights.dims, dnnl_f32,
                                 dnnl_format_tag_any);
    spacc_onednn_vector(&bias, c->out->dims[1]);
    for (int i = 0; i < c->window.axes; i++)
        dilates[i] = c->window.dilation[i] - 1;
    dnnl_status_t s = dnnl_primitive_attr_set_post_ops(attr, chain->post);
    if (s == dnnl_success)
        s = dnnl_dilated_convolution_forward_desc_init(
            &d, dnnl_forward_inference, dnnl_convolution_direct, &src, &weights,
            c->bias ? &bias : NULL, &dst, c->window.stride, dilates,
            c->padded ? no_pads : c->window.begin, c->padded ? no_pads : c->window.end);
    if (s == dnnl_success)
        s = dnnl_primitive_desc_create(pd, &d, attr, spacc_onednn_engine(b->e), NULL);
    dnnl_primitive_attr_destroy(attr);
    return spacc_onednn_check(b, n, s);
}

/* The op with its arguments; the result goes to slot `out`. NULL without memory. */
static struct spacc_onednn_op *make_op(struct spacc_cpu_build *b, const struct conv *c,
                                       dnnl_primitive_desc_t pd, int in, int out)
{
    struct spacc_onednn_op *op = spacc_onednn_op_new(pd);
    dnnl_memory_desc_t bias;

    spacc_onednn_vector(&bias, c->out->dims[1]);
    if (op &&
        spacc_onednn_arg(b, op, DNNL_ARG_SRC,
                         dnnl_primitive_desc_query_md(pd, dnnl_query_src_md, 0), in, NULL) &&
        spacc_onednn_arg(b, op, DNNL_ARG_DST,
                         dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0), out, NULL) &&
        spacc_onednn_weights(b, op, DNNL_ARG_WEIGHTS, 0, &c->weights, c->w->data,
                             dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0)) &&
        (!c->bias ||
         spacc_onednn_weights(b, op, DNNL_ARG_BIAS, 1, &bias, c->bias->data, &bias)))
        return op;
    spacc_onednn_op_free(op);
    return NULL;
}

static enum spacc_status add(struct spacc_cpu_build *b, int n, const struct conv *c,
                             const struct chain *chain, dnnl_primitive_desc_t pd)
{
    const dnnl_memory_desc_t *src = dnnl_primitive_desc_query_md(pd, dnnl_query_src_md, 0);
    const dnnl_memory_desc_t *dst = dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0);
    const int in =
        c->padded ? spacc_onednn_padded(b, n, c->node->input[0], &c->window, &c->padded_in, src)
                  : spacc_onednn_in(b, c->node->input[0], src);
    const int slots[2] = {in, chain->sum};
    enum spacc_status status;

    if (in < 0)
        return b->err->status;
    status = chain->whole >= 0 ? spacc_onednn_made_slice(b, chain->value, chain->whole, dst)
                               : spacc_onednn_made(b, chain->value, dst);
    if (status)
        return status;
    if (chain->sum >= 0)
        spacc_cpu_share(b, chain->value, chain->sum);
    struct spacc_onednn_op *op = make_op(b, c, pd, in, chain->value);
    if (!op)
        return spacc_cpu_no_memory(b);
    status = spacc_onednn_step(b, n, &spacc_cpu_onednn_conv, op, pd, slots,
                               chain->sum >= 0 ? 2 : 1, chain->value);
    for (int i = 0; i < chain->nodes && !status; i++)
        spacc_cpu_taken(b, chain->node[i], n, spacc_cpu_onednn_conv.name);
    return status;
}

/* Code made for the shape: jit:avx2, jit_1x1:avx512_core; brgconv:avx512_core, brdgmm_dw:... on
 * CPUs with AVX-512. Not x64:gemm:jit, ref:any. */
static bool is_direct(dnnl_primitive_desc_t pd)
{
    static const char *const begin[] = {"jit", "brgconv", "brdgmm"};
    const char *name = NULL;

    if (dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name) != dnnl_success)
        return true;
    for (size_t i = 0; i < sizeof(begin) / sizeof(*begin); i++)
        if (strncmp(name, begin[i], strlen(begin[i])) == 0)
            return true;
    return false;
}

/* The direct kernels refuse pads wider than their register block. Where they take the same
 * window over a padded input, it is padded. What is left (groups of few channels) falls to
 * loops that are 40 times slower than conv.c, and is left to that. */
static enum spacc_status describe_best(struct spacc_cpu_build *b, int n, struct conv *c,
                                       const struct chain *chain, dnnl_primitive_desc_t *pd)
{
    enum spacc_status s = describe(b, n, c, chain, pd);
    dnnl_primitive_desc_t other = NULL;

    if (s || is_direct(*pd))
        return s;
    c->padded = true;
    c->padded_in = *c->in;
    c->padded_in.count = 1;
    for (int i = 0; i < c->window.axes; i++)
        c->padded_in.dims[i + 2] += c->window.begin[i] + c->window.end[i];
    for (int d = 0; d < c->padded_in.rank; d++)
        c->padded_in.count *= (size_t)c->padded_in.dims[d];
    if (!describe(b, n, c, chain, &other) && is_direct(other)) {
        dnnl_primitive_desc_destroy(*pd);
        *pd = other;
        return SPACC_OK;
    }
    if (other)
        dnnl_primitive_desc_destroy(other);
    c->padded = false;
    return SPACC_OK;
}

static enum spacc_status take(struct spacc_cpu_build *b, int n, bool *taken)
{
    const struct spacc_node *node = &b->g->node[n];
    struct chain chain = {.node = {n}, .nodes = 1, .value = node->output[0], .sum = -1};
    dnnl_primitive_desc_t pd = NULL;
    struct conv c;
    enum spacc_status status;

    if (!is_ours(b, node, &c))
        return SPACC_OK;
    if (dnnl_post_ops_create(&chain.post) != dnnl_success)
        return spacc_cpu_no_memory(b);
    find_chain(b, &chain);
    chain.whole = chain.sum < 0 ? spacc_onednn_slice(b, chain.value, &chain.slice) : -1;
    status = describe_best(b, n, &c, &chain, &pd);
    if (status == SPACC_EDEVICE) /* it has none at all: others do */
        status = SPACC_OK;
    if (!status && pd && is_direct(pd)) {
        status = add(b, n, &c, &chain, pd);
        *taken = !status;
    }
    dnnl_post_ops_destroy(chain.post);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    return status;
}

const struct spacc_cpu_kernel spacc_cpu_onednn_conv = {
    .name = "onednn", .take = take, .run = spacc_onednn_run, .release = spacc_onednn_op_free};
