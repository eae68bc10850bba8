/* A copy of a tensor with zeros around it. */
#include <string.h>

#include "host/cpu/onednn_parts.h"

static enum spacc_status run(struct spacc_engine *e, struct spacc_cpu_step *s,
                             struct spacc_error *err)
{
    struct spacc_cpu_slot *out = &e->slot[s->out[0]];

    memset(out->t.data, 0, out->bytes ? out->bytes : out->t.count * sizeof(float));
    return spacc_onednn_run(e, s, err);
}

/* Where the tensor lies in the padded one. */
static bool inside(dnnl_memory_desc_t *md, const dnnl_memory_desc_t *padded,
                   const struct spacc_tensor *t, const struct spacc_window *w)
{
    dnnl_dims_t dims = {0}, offsets = {0};

    for (int d = 0; d < t->rank; d++)
        dims[d] = t->dims[d];
    for (int i = 0; i < w->axes; i++)
        offsets[i + 2] = w->begin[i];
    return dnnl_memory_desc_init_submemory(md, padded, dims, offsets) == dnnl_success;
}

int spacc_onednn_padded(struct spacc_cpu_build *b, int n, int v, const struct spacc_window *w,
                        const struct spacc_tensor *shape, const dnnl_memory_desc_t *layout)
{
    const dnnl_engine_t engine = spacc_onednn_engine(b->e);
    dnnl_memory_desc_t from, to;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_attr_t attr = spacc_onednn_attr();
    struct spacc_onednn_op *op = NULL;
    const int out = spacc_cpu_slot_new(b, shape, 0);
    int result = -1;

    spacc_onednn_layout(&from, b, v);
    if (out < 0 || !attr || spacc_onednn_made(b, out, layout) ||
        !inside(&to, layout, spacc_cpu_shape(b, v), w)) {
        spacc_cpu_no_memory(b);
        goto out;
    }
    if (spacc_onednn_check(
            b, n, dnnl_reorder_primitive_desc_create(&pd, &from, engine, &to, engine, attr)))
        goto out;
    op = spacc_onednn_op_new(pd);
    if (!op || !spacc_onednn_arg(b, op, DNNL_ARG_FROM, &from, v, NULL) ||
        !spacc_onednn_arg(b, op, DNNL_ARG_TO, &to, out, NULL)) {
        spacc_onednn_op_free(op);
        spacc_cpu_no_memory(b);
        goto out;
    }
    if (!spacc_onednn_step(b, n, &spacc_cpu_onednn_pad, op, pd, &v, 1, out))
        result = out;
out:
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    return result;
}

const struct spacc_cpu_kernel spacc_cpu_onednn_pad = {
    .name = "onednn", .run = run, .release = spacc_onednn_op_free};
