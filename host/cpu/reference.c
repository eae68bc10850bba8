/* The operators of models/ as the kernel for whatever no faster one takes. */
#include <stdlib.h>
#include <string.h>

#include "host/cpu/aside.h"
#include "host/cpu/kernels.h"
#include "models/run_parts.h"

struct call {
    struct spacc_op_call c;
    const struct spacc_tensor **in;
    struct spacc_tensor **out, **place;
    bool *wanted;
};

static void release(void *state)
{
    struct call *k = state;

    free(k->in);
    free(k->out);
    free(k->wanted);
    free(k);
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

static int plain_of(const struct spacc_engine *e, int v)
{
    return e->slot[v].plain >= 0 ? e->slot[v].plain : v;
}

static struct call *new_call(const struct spacc_cpu_build *b, int n)
{
    const struct spacc_node *node = &b->g->node[n];
    const size_t ins = (size_t)larger(node->inputs, node->op->ins_max) + 1;
    const size_t outs = (size_t)larger(node->outputs, node->op->outs_max) + 1;
    struct call *k = calloc(1, sizeof(*k));

    if (!k)
        return NULL;
    k->in = calloc(ins, sizeof(*k->in));
    k->out = calloc(2 * outs, sizeof(*k->out));
    k->wanted = calloc(outs, sizeof(*k->wanted));
    if (!k->in || !k->out || !k->wanted) {
        release(k);
        return NULL;
    }
    k->place = k->out + outs;
    for (int o = 0; o < node->outputs; o++)
        k->wanted[o] = node->output[o] >= 0 && b->readers[node->output[o]] > 0;
    return k;
}

/* Everything the node reads, row-major; reorders become steps of their own here. */
static enum spacc_status make_plain(struct spacc_cpu_build *b, const struct spacc_node *node)
{
    const int reads = spacc_node_reads(node, NULL, 0);

    spacc_node_reads(node, b->reads, reads);
    for (int r = 0; r < reads; r++)
        if (spacc_cpu_plain(b, b->reads[r]) < 0)
            return b->err->status;
    return SPACC_OK;
}

static enum spacc_status add_step(struct spacc_cpu_build *b, int n,
                                  const struct spacc_cpu_kernel *kernel, void *state)
{
    const struct spacc_node *node = &b->g->node[n];
    const int reads = spacc_node_reads(node, NULL, 0);
    struct spacc_cpu_step *s = spacc_cpu_step_new(b, kernel, n, reads, node->outputs);

    if (!s)
        return SPACC_ENOMEM;
    s->state = state;
    spacc_node_reads(node, s->in, reads);
    for (int i = 0; i < reads; i++)
        s->in[i] = spacc_cpu_plain(b, s->in[i]);
    for (int o = 0; o < node->outputs; o++)
        s->out[o] = node->output[o];
    spacc_cpu_step_done(b, s);
    spacc_cpu_taken(b, n, n, kernel->name);
    return SPACC_OK;
}

static enum spacc_status take(struct spacc_cpu_build *b, int n, bool *taken)
{
    const struct spacc_node *node = &b->g->node[n];
    enum spacc_status status = make_plain(b, node);
    struct call *k = status || spacc_node_has_branches(node) ? NULL : new_call(b, n);

    if (status)
        return status;
    *taken = true;
    if (spacc_node_has_branches(node))
        return add_step(b, n, &spacc_cpu_branches, NULL);
    if (!k)
        return spacc_cpu_no_memory(b);
    if ((status = add_step(b, n, &spacc_cpu_reference, k)))
        release(k);
    return status;
}

/* A result on the heap becomes its slot's, or goes where the slot already is. */
static enum spacc_status keep(struct spacc_engine *e, int slot, struct spacc_tensor *t,
                              struct spacc_error *err)
{
    struct spacc_cpu_slot *s = &e->slot[slot];

    if (s->home == SPACC_HOME_HEAP) {
        s->heap = t;
        s->t = *t;
        return SPACC_OK;
    }
    const bool same = spacc_tensor_same_shape(t, &s->t);
    if (same && t->count)
        memcpy(s->t.data, t->data, t->count * spacc_dtype_bytes(t->dtype));
    spacc_tensor_free(t);
    return same ? SPACC_OK
                : spacc_fail(err, SPACC_EINVAL, "%s: value %s has another shape than planned",
                             e->g->file, e->g->value[slot].name);
}

enum spacc_status spacc_cpu_keep_in(struct spacc_engine *e, const int *slot, int slots,
                                    struct spacc_tensor **out, struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;

    for (int o = 0; o < slots; o++) {
        struct spacc_tensor *t = out[o];
        out[o] = NULL;
        if (!t || (slot[o] >= 0 && t == &e->slot[slot[o]].t))
            continue;
        if (slot[o] < 0 || status)
            spacc_tensor_free(t);
        else
            status = keep(e, slot[o], t, err);
    }
    return status;
}

enum spacc_status spacc_cpu_keep(struct spacc_engine *e, const struct spacc_cpu_step *s,
                                 struct spacc_tensor **out, struct spacc_error *err)
{
    return spacc_cpu_keep_in(e, s->out, s->outs, out, err);
}

static enum spacc_status run(struct spacc_engine *e, struct spacc_cpu_step *s,
                             struct spacc_error *err)
{
    struct call *k = s->state;
    const struct spacc_node *node = &e->g->node[s->node];
    struct spacc_op_call c = {.graph = e->g,
                              .node = node,
                              .ins = node->inputs,
                              .outs = node->outputs,
                              .in = k->in,
                              .out = k->out,
                              .wanted = k->wanted,
                              .place = k->place};

    for (int i = 0; i < node->inputs; i++)
        k->in[i] = node->input[i] >= 0 ? &e->slot[plain_of(e, node->input[i])].t : NULL;
    for (int o = 0; o < s->outs; o++)
        k->place[o] = s->out[o] >= 0 && e->slot[s->out[o]].home != SPACC_HOME_HEAP
                          ? &e->slot[s->out[o]].t
                          : NULL;
    const enum spacc_status status = spacc_call_run(&c, err);
    const enum spacc_status kept = spacc_cpu_keep(e, s, k->out, err);
    return status ? status : kept;
}

/* ---- nodes with branches ------------------------------------------------------------ */

static enum spacc_status run_branches(struct spacc_engine *e, struct spacc_cpu_step *s,
                                      struct spacc_error *err)
{
    const struct spacc_node *node = &e->g->node[s->node];
    const size_t values = (size_t)e->g->values + 1;
    const struct spacc_tensor **value = calloc(values, sizeof(*value));
    struct spacc_tensor **out = calloc((size_t)s->outs + 1, sizeof(*out));
    enum spacc_status status = SPACC_ENOMEM;

    if (!value || !out) {
        spacc_fail(err, status, "%s: no memory for node %s", e->g->file, node->name);
        goto out;
    }
    for (int v = 0; v < e->g->values; v++) {
        const struct spacc_cpu_slot *slot = &e->slot[plain_of(e, v)];
        value[v] = slot->t.data || slot->t.count == 0 ? &slot->t : NULL;
    }
    if (e->aside) /* a body may have foreign nodes of its own */
        spacc_aside_finish(e->aside);
    status = spacc_graph_run_node(e->g, s->node, value, e->hooks, out, err);
    if (!status)
        status = spacc_cpu_keep(e, s, out, err);
out:
    free(value);
    free(out);
    return status;
}

const struct spacc_cpu_kernel spacc_cpu_branches = {.name = "reference", .run = run_branches};
const struct spacc_cpu_kernel spacc_cpu_reference = {
    .name = "reference", .take = take, .run = run, .release = release};
