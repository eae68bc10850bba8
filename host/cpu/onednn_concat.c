/* Concat of tensors in blocked layouts. Where the axis is that of channels, of a batch of one,
 * and they come in whole blocks, whoever makes an input makes it in its place in the result,
 * and Concat itself has nothing left to do; inputs from elsewhere are copied in. */
#include <string.h>

#include "host/cpu/onednn_parts.h"

static int64_t block_of_cpu(void)
{
    return dnnl_get_effective_cpu_isa() >= dnnl_cpu_isa_avx512_core ? 16 : 8;
}

static int axis_of(const struct spacc_cpu_build *b, const struct spacc_node *node)
{
    const int64_t axis = spacc_node_int(node, "axis", 1);

    return (int)(axis < 0 ? axis + spacc_cpu_shape(b, node->output[0])->rank : axis);
}

static bool is_float_concat(const struct spacc_cpu_build *b, const struct spacc_node *node)
{
    if (strcmp(node->op->name, "Concat") != 0 || !spacc_cpu_known(b, node) ||
        !spacc_cpu_is(b, node->output[0], SPACC_F32))
        return false;
    for (int i = 0; i < node->inputs; i++)
        if (spacc_cpu_shape(b, node->input[i])->count == 0)
            return false;
    return true;
}

/* Whole blocks of channels from every input. */
static bool has_slices(const struct spacc_cpu_build *b, const struct spacc_node *node)
{
    const struct spacc_tensor *out = spacc_cpu_shape(b, node->output[0]);

    if (!is_float_concat(b, node) || axis_of(b, node) != 1 || out->rank < 3 || out->rank > 5 ||
        out->dims[0] != 1)
        return false;
    for (int i = 0; i < node->inputs; i++)
        if (spacc_cpu_shape(b, node->input[i])->dims[1] % block_of_cpu() != 0)
            return false;
    return true;
}

static void blocked(dnnl_memory_desc_t *md, const struct spacc_tensor *t)
{
    static const dnnl_format_tag_t tags[2][3] = {{dnnl_aBc8b, dnnl_aBcd8b, dnnl_aBcde8b},
                                                 {dnnl_aBc16b, dnnl_aBcd16b, dnnl_aBcde16b}};
    dnnl_dims_t dims = {0};

    for (int d = 0; d < t->rank; d++)
        dims[d] = t->dims[d];
    dnnl_memory_desc_init_by_tag(md, t->rank, dims, dnnl_f32,
                                 tags[block_of_cpu() == 16][t->rank - 3]);
}

/* Bytes of the result before those of input i: a batch of one is one run of blocks. */
static size_t start_of(const struct spacc_cpu_build *b, const struct spacc_node *node,
                       int input)
{
    size_t elements = 0;

    for (int i = 0; i < input; i++)
        elements += spacc_cpu_shape(b, node->input[i])->count;
    return elements * sizeof(float);
}

/* The one input of a node that is value v, or -1. */
static int input_of(const struct spacc_node *node, int v)
{
    for (int i = 0; i < node->inputs; i++)
        if (node->input[i] == v)
            return i;
    return -1;
}

int spacc_onednn_slice(struct spacc_cpu_build *b, int v, dnnl_memory_desc_t *md)
{
    const int n = spacc_cpu_only_reader(b, v);
    const struct spacc_node *node = n < 0 ? NULL : &b->g->node[n];

    if (!node || !has_slices(b, node))
        return -1;
    blocked(md, spacc_cpu_shape(b, v));
    return node->output[0];
}

enum spacc_status spacc_onednn_made_slice(struct spacc_cpu_build *b, int v, int whole,
                                          const dnnl_memory_desc_t *md)
{
    dnnl_memory_desc_t layout;
    enum spacc_status s = SPACC_OK;

    blocked(&layout, spacc_cpu_shape(b, whole));
    if (!spacc_onednn_is_blocked(b, whole))
        s = spacc_onednn_made(b, whole, &layout);
    if (s || (s = spacc_onednn_made(b, v, md)))
        return s;
    const struct spacc_node *node = &b->g->node[b->reader[v]];
    spacc_cpu_share(b, v, whole);
    b->e->slot[v].skip_bytes = start_of(b, node, input_of(node, v));
    return SPACC_OK;
}

/* ---- some input is already in its place -------------------------------------------- */

static enum spacc_status copy_in(struct spacc_cpu_build *b, int n, int input)
{
    const struct spacc_node *node = &b->g->node[n];
    const int v = node->input[input], whole = node->output[0];
    dnnl_memory_desc_t md;

    if (b->e->slot[v].root == whole)
        return SPACC_OK;
    blocked(&md, spacc_cpu_shape(b, v));
    const int s = spacc_onednn_reorder_into(b, v, &md, whole, start_of(b, node, input));
    return s < 0 ? b->err->status : SPACC_OK;
}

static enum spacc_status join_slices(struct spacc_cpu_build *b, int n)
{
    const struct spacc_node *node = &b->g->node[n];
    enum spacc_status s = SPACC_OK;

    for (int i = 0; i < node->inputs && !s; i++)
        s = copy_in(b, n, i);
    if (!s) {
        b->e->slot[node->output[0]].made = true;
        spacc_cpu_taken(b, n, n, "view");
    }
    return s;
}

/* ---- all copied -------------------------------------------------------------------- */

static bool some_blocked(const struct spacc_cpu_build *b, const struct spacc_node *node)
{
    for (int i = 0; i < node->inputs; i++)
        if (spacc_onednn_is_blocked(b, node->input[i]))
            return true;
    return false;
}

static enum spacc_status add_concat(struct spacc_cpu_build *b, int n, dnnl_primitive_desc_t pd,
                                    const dnnl_memory_desc_t *src)
{
    const struct spacc_node *node = &b->g->node[n];
    const dnnl_memory_desc_t *dst = dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0);
    int in[SPACC_ONEDNN_ARGS];
    struct spacc_onednn_op *op;

    for (int i = 0; i < node->inputs; i++)
        if ((in[i] = spacc_onednn_in(b, node->input[i], &src[i])) < 0)
            return b->err->status;
    op = spacc_onednn_op_new(pd);
    bool ok = op && !spacc_onednn_made(b, node->output[0], dst) &&
              spacc_onednn_arg(b, op, DNNL_ARG_DST, dst, node->output[0], NULL);
    for (int i = 0; i < node->inputs && ok; i++)
        ok = spacc_onednn_arg(b, op, DNNL_ARG_MULTIPLE_SRC + i, &src[i], in[i], NULL);
    if (!ok) {
        spacc_onednn_op_free(op);
        return spacc_cpu_no_memory(b);
    }
    return spacc_onednn_step(b, n, &spacc_cpu_onednn_concat, op, pd, in, node->inputs,
                             node->output[0]);
}

static enum spacc_status copy_all(struct spacc_cpu_build *b, int n)
{
    const struct spacc_node *node = &b->g->node[n];
    dnnl_memory_desc_t src[SPACC_ONEDNN_ARGS];
    dnnl_primitive_attr_t attr = spacc_onednn_attr();
    dnnl_primitive_desc_t pd = NULL;

    if (!attr)
        return spacc_cpu_no_memory(b);
    for (int i = 0; i < node->inputs; i++)
        spacc_onednn_layout(&src[i], b, node->input[i]);
    enum spacc_status s = spacc_onednn_check(
        b, n,
        dnnl_concat_primitive_desc_create(&pd, NULL, node->inputs, axis_of(b, node), src, attr,
                                          spacc_onednn_engine(b->e)));
    if (!s)
        s = add_concat(b, n, pd, src);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    dnnl_primitive_attr_destroy(attr);
    if (!s)
        spacc_cpu_taken(b, n, n, spacc_cpu_onednn_concat.name);
    return s;
}

static enum spacc_status take(struct spacc_cpu_build *b, int n, bool *taken)
{
    const struct spacc_node *node = &b->g->node[n];
    enum spacc_status s;

    if (!is_float_concat(b, node) || !some_blocked(b, node))
        return SPACC_OK;
    if (spacc_onednn_is_blocked(b, node->output[0]))
        s = join_slices(b, n);
    else if (node->inputs <= SPACC_ONEDNN_ARGS - 2)
        s = copy_all(b, n);
    else
        return SPACC_OK;
    *taken = !s;
    return s;
}

const struct spacc_cpu_kernel spacc_cpu_onednn_concat = {
    .name = "onednn", .take = take, .run = spacc_onednn_run, .release = spacc_onednn_op_free};
