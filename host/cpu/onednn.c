#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "host/cpu/onednn_parts.h"

/* ---- engine and stream --------------------------------------------------------- */

struct onednn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
};

/* A primitive is made for a number of threads and has room for no more, but OpenMP's number
 * belongs to the calling thread: another engine may have set it since. */
static void use_our_threads(const struct spacc_engine *e)
{
    omp_set_num_threads(spacc_parallel_parts(e->options.parallel));
}

enum spacc_status spacc_onednn_open(struct spacc_engine *e, struct spacc_error *err)
{
    struct onednn *d = calloc(1, sizeof(*d));

    if (!d)
        return spacc_fail(err, SPACC_ENOMEM, "%s: no memory for an engine", e->g->file);
    e->onednn = d;
    if (dnnl_engine_create(&d->engine, dnnl_cpu, 0) != dnnl_success ||
        dnnl_stream_create(&d->stream, d->engine, dnnl_stream_default_flags) != dnnl_success)
        return spacc_fail(err, SPACC_EDEVICE, "%s: oneDNN does not start", e->g->file);
    use_our_threads(e);
    return SPACC_OK;
}

void spacc_onednn_close(struct spacc_engine *e)
{
    struct onednn *d = e->onednn;

    if (!d)
        return;
    if (d->stream)
        dnnl_stream_destroy(d->stream);
    if (d->engine)
        dnnl_engine_destroy(d->engine);
    free(d);
    e->onednn = NULL;
}

dnnl_engine_t spacc_onednn_engine(const struct spacc_engine *e)
{
    return ((const struct onednn *)e->onednn)->engine;
}

dnnl_stream_t spacc_onednn_stream(const struct spacc_engine *e)
{
    return ((const struct onednn *)e->onednn)->stream;
}

enum spacc_status spacc_onednn_check(struct spacc_cpu_build *b, int n, dnnl_status_t s)
{
    if (s == dnnl_success)
        return SPACC_OK;
    return spacc_fail(b->err, s == dnnl_out_of_memory ? SPACC_ENOMEM : SPACC_EDEVICE,
                      "%s: node %s: oneDNN status %d", b->g->file, b->g->node[n].name, (int)s);
}

/* ---- layouts ------------------------------------------------------------------- */

static void copy_dims(dnnl_dims_t to, const struct spacc_tensor *t)
{
    for (int d = 0; d < t->rank; d++)
        to[d] = t->dims[d];
}

void spacc_onednn_rows(dnnl_memory_desc_t *md, const struct spacc_tensor *t)
{
    dnnl_dims_t dims = {0};

    copy_dims(dims, t);
    dnnl_memory_desc_init_by_strides(md, t->rank, dims, dnnl_f32, NULL);
}

void spacc_onednn_any(dnnl_memory_desc_t *md, const struct spacc_tensor *t)
{
    dnnl_dims_t dims = {0};

    copy_dims(dims, t);
    dnnl_memory_desc_init_by_tag(md, t->rank, dims, dnnl_f32, dnnl_format_tag_any);
}

void spacc_onednn_vector(dnnl_memory_desc_t *md, int64_t count)
{
    const dnnl_dims_t dims = {count};

    dnnl_memory_desc_init_by_tag(md, 1, dims, dnnl_f32, dnnl_a);
}

bool spacc_onednn_is_blocked(const struct spacc_cpu_build *b, int v)
{
    return b->e->slot[v].layout != NULL;
}

static void slot_layout(dnnl_memory_desc_t *md, const struct spacc_cpu_slot *s)
{
    if (s->layout)
        *md = *(const dnnl_memory_desc_t *)s->layout;
    else
        spacc_onednn_rows(md, &s->t);
}

void spacc_onednn_layout(dnnl_memory_desc_t *md, const struct spacc_cpu_build *b, int v)
{
    slot_layout(md, &b->e->slot[v]);
}

static enum spacc_status set_layout(struct spacc_cpu_build *b, int s,
                                    const dnnl_memory_desc_t *md)
{
    struct spacc_cpu_slot *slot = &b->e->slot[s];
    dnnl_memory_desc_t rows;

    spacc_onednn_rows(&rows, &slot->t);
    if (dnnl_memory_desc_equal(&rows, md))
        return SPACC_OK;
    if (!(slot->layout = malloc(sizeof(*md))))
        return spacc_cpu_no_memory(b);
    memcpy(slot->layout, md, sizeof(*md));
    slot->bytes = dnnl_memory_desc_get_size(md);
    return SPACC_OK;
}

enum spacc_status spacc_onednn_made(struct spacc_cpu_build *b, int v,
                                    const dnnl_memory_desc_t *md)
{
    return set_layout(b, v, md);
}

/* A copy of value v that is already there in this layout, or -1. */
static int find_copy(const struct spacc_cpu_build *b, int v, const dnnl_memory_desc_t *md)
{
    for (int s = 0; s < b->e->slots; s++) {
        dnnl_memory_desc_t has;
        if (s != v && b->e->slot[s].copy_of != v)
            continue;
        slot_layout(&has, &b->e->slot[s]);
        if (dnnl_memory_desc_equal(&has, md))
            return s;
    }
    return -1;
}

int spacc_onednn_in(struct spacc_cpu_build *b, int v, const dnnl_memory_desc_t *md)
{
    const int s = find_copy(b, v, md);

    return s >= 0 ? s : spacc_onednn_reorder(b, v, md);
}

int spacc_onednn_reorder(struct spacc_cpu_build *b, int v, const void *layout)
{
    return spacc_onednn_reorder_into(b, v, layout, -1, 0);
}

int spacc_onednn_reorder_into(struct spacc_cpu_build *b, int v, const dnnl_memory_desc_t *md,
                              int whole, size_t skip_bytes)
{
    dnnl_memory_desc_t from, to;
    dnnl_primitive_attr_t attr = spacc_onednn_attr();
    dnnl_primitive_desc_t pd = NULL;
    struct spacc_onednn_op *op = NULL;
    const int out = spacc_cpu_slot_new(b, &b->e->slot[v].t, 0);
    int status = -1;

    if (out < 0 || !attr) {
        spacc_cpu_no_memory(b);
        goto out;
    }
    spacc_onednn_layout(&from, b, v);
    if (md)
        to = *md;
    else
        spacc_onednn_rows(&to, &b->e->slot[v].t);
    const dnnl_engine_t engine = spacc_onednn_engine(b->e);
    const int n = b->g->value[v].producer < 0 ? 0 : b->g->value[v].producer;
    if (spacc_onednn_check(
            b, n, dnnl_reorder_primitive_desc_create(&pd, &from, engine, &to, engine, attr)))
        goto out;
    b->e->slot[out].copy_of = v;
    if (whole >= 0) {
        spacc_cpu_share(b, out, whole);
        b->e->slot[out].skip_bytes = skip_bytes;
    }
    op = spacc_onednn_op_new(pd);
    if (!op || !spacc_onednn_arg(b, op, DNNL_ARG_FROM, &from, v, NULL) ||
        !spacc_onednn_arg(b, op, DNNL_ARG_TO, &to, out, NULL) || set_layout(b, out, &to)) {
        spacc_onednn_op_free(op);
        spacc_cpu_no_memory(b);
        goto out;
    }
    if (!spacc_onednn_step(b, n, &spacc_cpu_onednn_reorder, op, pd, &v, 1, out))
        status = out;
out:
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    if (attr)
        dnnl_primitive_attr_destroy(attr);
    return status;
}

/* ---- primitives as steps ------------------------------------------------------- */

dnnl_primitive_attr_t spacc_onednn_attr(void)
{
    dnnl_primitive_attr_t attr;

    if (dnnl_primitive_attr_create(&attr) != dnnl_success)
        return NULL;
    if (dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) !=
        dnnl_success) {
        dnnl_primitive_attr_destroy(attr);
        return NULL;
    }
    return attr;
}

enum spacc_status spacc_onednn_describe(struct spacc_cpu_build *b, int n, dnnl_status_t made,
                                        const_dnnl_op_desc_t d, dnnl_primitive_desc_t *pd)
{
    dnnl_primitive_attr_t attr = spacc_onednn_attr();

    if (!attr)
        return spacc_cpu_no_memory(b);
    if (made == dnnl_success)
        made = dnnl_primitive_desc_create(pd, d, attr, spacc_onednn_engine(b->e), NULL);
    dnnl_primitive_attr_destroy(attr);
    return spacc_onednn_check(b, n, made);
}

struct spacc_onednn_op *spacc_onednn_op_new(const_dnnl_primitive_desc_t pd)
{
    struct spacc_onednn_op *op = calloc(1, sizeof(*op));

    if (op && dnnl_primitive_create(&op->primitive, pd) != dnnl_success) {
        free(op);
        return NULL;
    }
    return op;
}

void spacc_onednn_op_free(void *state)
{
    struct spacc_onednn_op *op = state;

    if (!op)
        return;
    for (int i = 0; i < op->args; i++)
        dnnl_memory_destroy(op->arg[i].memory);
    dnnl_primitive_destroy(op->primitive);
    free(op->own[0]);
    free(op->own[1]);
    free(op);
}

bool spacc_onednn_arg(struct spacc_cpu_build *b, struct spacc_onednn_op *op, int arg,
                      const dnnl_memory_desc_t *md, int slot, void *own)
{
    if (op->args == SPACC_ONEDNN_ARGS ||
        dnnl_memory_create(&op->arg[op->args].memory, md, spacc_onednn_engine(b->e),
                           own ? own : DNNL_MEMORY_NONE) != dnnl_success)
        return false;
    op->arg[op->args].arg = arg;
    op->slot[op->args++] = slot;
    return true;
}

/* Copy `data` from one layout to another, now. */
static bool reorder_now(struct spacc_cpu_build *b, const dnnl_memory_desc_t *from,
                        const void *data, const dnnl_memory_desc_t *to, void *buffer)
{
    const dnnl_engine_t engine = spacc_onednn_engine(b->e);
    dnnl_memory_t src = NULL, dst = NULL;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t p = NULL;

    bool ok = dnnl_memory_create(&src, from, engine, (void *)(uintptr_t)data) == dnnl_success &&
              dnnl_memory_create(&dst, to, engine, buffer) == dnnl_success &&
              dnnl_reorder_primitive_desc_create(&pd, from, engine, to, engine, NULL) ==
                  dnnl_success &&
              dnnl_primitive_create(&p, pd) == dnnl_success;
    if (ok) {
        const dnnl_exec_arg_t args[2] = {{DNNL_ARG_FROM, src}, {DNNL_ARG_TO, dst}};
        ok = dnnl_primitive_execute(p, spacc_onednn_stream(b->e), 2, args) == dnnl_success &&
             dnnl_stream_wait(spacc_onednn_stream(b->e)) == dnnl_success;
    }
    if (p)
        dnnl_primitive_destroy(p);
    if (pd)
        dnnl_primitive_desc_destroy(pd);
    dnnl_memory_destroy(src);
    dnnl_memory_destroy(dst);
    return ok;
}

bool spacc_onednn_weights(struct spacc_cpu_build *b, struct spacc_onednn_op *op, int arg,
                          int which, const dnnl_memory_desc_t *from, const void *data,
                          const dnnl_memory_desc_t *md)
{
    const size_t bytes = dnnl_memory_desc_get_size(md);
    const size_t whole = (bytes + 63) / 64 * 64 + 64;

    if (!(op->own[which] = aligned_alloc(64, whole)))
        return false;
    memset(op->own[which], 0, whole);
    b->e->weight_bytes += bytes;
    return reorder_now(b, from, data, md, op->own[which]) &&
           spacc_onednn_arg(b, op, arg, md, -1, op->own[which]);
}

/* Scratch memory in the arena as the primitive asks for it. */
static bool add_scratch(struct spacc_cpu_build *b, struct spacc_onednn_op *op,
                        const_dnnl_primitive_desc_t pd, int *slot)
{
    const dnnl_memory_desc_t *md =
        dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    const size_t bytes = md ? dnnl_memory_desc_get_size(md) : 0;
    const struct spacc_tensor none = {.dtype = SPACC_U8, .rank = 1};

    *slot = -1;
    if (bytes == 0)
        return true;
    *slot = spacc_cpu_slot_new(b, &none, bytes);
    return *slot >= 0 && spacc_onednn_arg(b, op, DNNL_ARG_SCRATCHPAD, md, *slot, NULL);
}

enum spacc_status spacc_onednn_step(struct spacc_cpu_build *b, int n,
                                    const struct spacc_cpu_kernel *kernel,
                                    struct spacc_onednn_op *op, const_dnnl_primitive_desc_t pd,
                                    const int *in, int ins, int out)
{
    int scratch;
    struct spacc_cpu_step *s =
        add_scratch(b, op, pd, &scratch) ? spacc_cpu_step_new(b, kernel, n, ins, 1) : NULL;

    if (!s) {
        spacc_onednn_op_free(op);
        return spacc_cpu_no_memory(b);
    }
    s->state = op;
    s->scratch = scratch;
    memcpy(s->in, in, (size_t)ins * sizeof(*in));
    s->out[0] = out;
    spacc_cpu_step_done(b, s);
    return SPACC_OK;
}

enum spacc_status spacc_onednn_run(struct spacc_engine *e, struct spacc_cpu_step *s,
                                   struct spacc_error *err)
{
    struct spacc_onednn_op *op = s->state;

    use_our_threads(e);
    for (int i = 0; i < op->args; i++)
        if (op->slot[i] >= 0)
            dnnl_memory_set_data_handle(op->arg[i].memory, e->slot[op->slot[i]].t.data);
    if (dnnl_primitive_execute(op->primitive, spacc_onednn_stream(e), op->args, op->arg) ==
        dnnl_success)
        return SPACC_OK;
    return spacc_fail(err, SPACC_EDEVICE, "%s: node %s: oneDNN failed", e->g->file,
                      e->g->node[s->node].name);
}

const char *spacc_onednn_code(const struct spacc_cpu_step *s)
{
    const struct spacc_onednn_op *op = s->state;
    const_dnnl_primitive_desc_t pd;
    const char *name = NULL;

    if (s->kernel->release != spacc_onednn_op_free ||
        dnnl_primitive_get_primitive_desc(op->primitive, &pd) != dnnl_success ||
        dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name) != dnnl_success)
        return NULL;
    return name;
}

const struct spacc_cpu_kernel spacc_cpu_onednn_reorder = {
    .name = "onednn", .run = spacc_onednn_run, .release = spacc_onednn_op_free};
