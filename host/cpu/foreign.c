/* Nodes that somebody else runs: a card. */
#include <stdlib.h>
#include <string.h>

#include "host/cpu/kernels.h"

static enum spacc_status take(struct spacc_cpu_build *b, int n, bool *taken)
{
    const struct spacc_engine_options *o = &b->e->options;
    const struct spacc_node *node = &b->g->node[n];
    enum spacc_status status = SPACC_OK;

    if (!o->foreign || !o->foreign(o->user, b->g, n))
        return SPACC_OK;
    for (int i = 0; i < node->inputs && !status; i++)
        spacc_cpu_input(b, node, i, &status);
    if (status)
        return status;
    struct spacc_cpu_step *s =
        spacc_cpu_step_new(b, &spacc_cpu_foreign, n, node->inputs, node->outputs);
    if (!s)
        return SPACC_ENOMEM;
    for (int i = 0; i < node->inputs; i++)
        s->in[i] = spacc_cpu_input(b, node, i, &status);
    for (int i = 0; i < node->outputs; i++)
        s->out[i] = node->output[i];
    spacc_cpu_step_done(b, s);
    spacc_cpu_taken(b, n, n, spacc_cpu_foreign.name);
    *taken = true;
    return SPACC_OK;
}

static enum spacc_status run(struct spacc_engine *e, struct spacc_cpu_step *s,
                             struct spacc_error *err)
{
    const size_t ins = (size_t)s->ins, outs = (size_t)s->outs;
    const struct spacc_tensor **in = calloc(ins + 1, sizeof(*in));
    struct spacc_tensor **out = calloc(outs + 1, sizeof(*out));
    enum spacc_status status = SPACC_ENOMEM;
    bool done = false;

    if (!in || !out) {
        spacc_fail(err, status, "%s: no memory for a node", e->g->file);
        goto out;
    }
    for (size_t i = 0; i < ins; i++)
        in[i] = s->in[i] >= 0 ? &e->slot[s->in[i]].t : NULL;
    status = e->hooks->node(e->hooks->user, e->g, s->node, in, out, &done, err);
    if (!status && !done)
        status = spacc_node_run(e->g, s->node, in, out, err);
    if (!status)
        status = spacc_cpu_keep(e, s, out, err);
out:
    for (size_t o = 0; o < outs && out; o++)
        spacc_tensor_free(out[o]);
    free(in);
    free(out);
    return status;
}

const struct spacc_cpu_kernel spacc_cpu_foreign = {.name = "foreign", .take = take, .run = run};
