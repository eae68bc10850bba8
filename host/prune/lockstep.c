#include "host/prune/lockstep.h"

#include <stdlib.h>
#include <string.h>

#include "host/prune/matrix.h"
#include "models/op.h"
#include "models/run.h"

struct spacc_lockstep {
    const struct spacc_graph *g;
    size_t requests, values;
    int node;
    int *readers; /* by value: reads still to come, the same in every request */
    int *reads;   /* room for the reads of one node */
    int most;
    struct spacc_tensor **out;       /* room for the results of one node */
    const struct spacc_tensor **val; /* [requests][values] */
    struct spacc_tensor **own;       /* [requests][values]: made here, freed here */
};

void spacc_lockstep_free(struct spacc_lockstep *l)
{
    if (!l)
        return;
    for (size_t i = 0; l->own && i < l->requests * l->values; i++)
        spacc_tensor_free(l->own[i]);
    free(l->own);
    free(l->val);
    free(l->out);
    free(l->reads);
    free(l->readers);
    free(l);
}

static enum spacc_status alloc(struct spacc_lockstep **out, const struct spacc_graph *g,
                               size_t requests, struct spacc_error *err)
{
    struct spacc_lockstep *l = calloc(1, sizeof(*l));
    int outs = 1;

    *out = NULL;
    if (!l)
        return spacc_fail(err, SPACC_ENOMEM, "%s: out of memory", g->file);
    *l = (struct spacc_lockstep){
        .g = g, .requests = requests, .values = (size_t)g->values, .most = 1};
    for (int n = 0; n < g->nodes; n++) {
        const int reads = spacc_node_reads(&g->node[n], NULL, 0);
        l->most = reads > l->most ? reads : l->most;
        outs = g->node[n].outputs > outs ? g->node[n].outputs : outs;
    }
    l->readers = calloc(l->values + 1, sizeof(*l->readers));
    l->reads = calloc((size_t)l->most, sizeof(*l->reads));
    l->out = calloc((size_t)outs, sizeof(*l->out));
    l->val = calloc(requests * l->values + 1, sizeof(*l->val));
    l->own = calloc(requests * l->values + 1, sizeof(*l->own));
    if (!l->readers || !l->reads || !l->out || !l->val || !l->own) {
        spacc_lockstep_free(l);
        return spacc_fail(err, SPACC_ENOMEM, "%s: out of memory for %zu requests", g->file,
                          requests);
    }
    *out = l;
    return SPACC_OK;
}

static void count_readers(struct spacc_lockstep *l)
{
    for (int n = 0; n < l->g->nodes; n++) {
        const int reads = spacc_node_reads(&l->g->node[n], l->reads, l->most);
        for (int r = 0; r < reads; r++)
            l->readers[l->reads[r]]++;
    }
    for (int o = 0; o < l->g->outputs; o++)
        l->readers[l->g->output[o]]++;
}

static void load(struct spacc_lockstep *l, size_t r, const struct spacc_tensor *const *input)
{
    const struct spacc_tensor **val = l->val + r * l->values;

    for (int v = 0; v < l->g->values; v++)
        val[v] = spacc_prune_constant(l->g, v);
    for (int i = 0; i < l->g->inputs; i++)
        val[l->g->input[i]] = input[i];
}

enum spacc_status spacc_lockstep_new(struct spacc_lockstep **out, const struct spacc_graph *g,
                                     size_t requests, const struct spacc_tensor *const *input,
                                     struct spacc_error *err)
{
    enum spacc_status s = alloc(out, g, requests, err);

    for (size_t r = 0; r < requests && !s; r++) {
        s = spacc_graph_check_inputs(g, input + r * (size_t)g->inputs, err);
        if (!s)
            load(*out, r, input + r * (size_t)g->inputs);
    }
    if (!s) {
        count_readers(*out);
        return SPACC_OK;
    }
    spacc_lockstep_free(*out);
    *out = NULL;
    return s;
}

enum spacc_status spacc_lockstep_fork(struct spacc_lockstep **out,
                                      const struct spacc_lockstep *from, size_t every,
                                      struct spacc_error *err)
{
    const size_t requests = (from->requests + every - 1) / every;
    enum spacc_status s = alloc(out, from->g, requests, err);

    if (s)
        return s;
    (*out)->node = from->node;
    memcpy((*out)->readers, from->readers, from->values * sizeof(*from->readers));
    for (size_t r = 0; r < requests; r++)
        memcpy((*out)->val + r * from->values, from->val + r * every * from->values,
               from->values * sizeof(*from->val));
    return SPACC_OK;
}

/* The copy belongs to request 0. */
static enum spacc_status keep(struct spacc_lockstep *l, size_t v, const struct spacc_tensor *t)
{
    const enum spacc_status s = spacc_tensor_copy(&l->own[v], t);

    for (size_t r = 0; r < l->requests && !s; r++)
        l->val[r * l->values + v] = l->own[v];
    return s;
}

enum spacc_status spacc_lockstep_keep(struct spacc_lockstep *l, struct spacc_error *err)
{
    for (size_t v = 0; v < l->values; v++) {
        const struct spacc_tensor *t = spacc_prune_constant(l->g, (int)v);
        if (t && l->readers[v] && l->val[v] == t && keep(l, v, t))
            return spacc_fail(err, SPACC_ENOMEM, "%s: out of memory", l->g->file);
    }
    return SPACC_OK;
}

size_t spacc_lockstep_requests(const struct spacc_lockstep *l)
{
    return l->requests;
}

int spacc_lockstep_node(const struct spacc_lockstep *l)
{
    return l->node;
}

bool spacc_lockstep_done(const struct spacc_lockstep *l)
{
    return l->node == l->g->nodes;
}

const struct spacc_tensor *spacc_lockstep_value(const struct spacc_lockstep *l, size_t r,
                                                int value)
{
    return value < 0 ? NULL : l->val[r * l->values + (size_t)value];
}

const struct spacc_tensor **spacc_lockstep_room(const struct spacc_lockstep *l)
{
    const struct spacc_node *n = &l->g->node[l->node];
    const int most = n->inputs > n->op->ins_max ? n->inputs : n->op->ins_max;

    return calloc((size_t)most + 1, sizeof(const struct spacc_tensor *));
}

void spacc_lockstep_inputs(const struct spacc_lockstep *l, size_t r,
                           const struct spacc_tensor **in)
{
    const struct spacc_node *n = &l->g->node[l->node];

    for (int i = 0; i < n->inputs; i++)
        in[i] = spacc_lockstep_value(l, r, n->input[i]);
}

/* Its contents were there from the start. */
static bool is_constant(const struct spacc_graph *g, const struct spacc_node *n)
{
    return n->outputs == 1 && n->output[0] >= 0 &&
           spacc_prune_constant(g, n->output[0]) != NULL;
}

static enum spacc_status run_request(struct spacc_lockstep *l, size_t r,
                                     struct spacc_error *err)
{
    const struct spacc_node *n = &l->g->node[l->node];
    const struct spacc_tensor **val = l->val + r * l->values;
    const enum spacc_status s = spacc_graph_run_node(l->g, l->node, val, NULL, l->out, err);

    for (int o = 0; o < n->outputs; o++) {
        const int v = n->output[o];
        if (v < 0 || s || l->readers[v] == 0) {
            spacc_tensor_free(l->out[o]);
            continue;
        }
        l->own[r * l->values + (size_t)v] = l->out[o];
        val[v] = l->out[o];
    }
    return s;
}

static void drop(struct spacc_lockstep *l, size_t v)
{
    for (size_t r = 0; r < l->requests; r++) {
        struct spacc_tensor **own = &l->own[r * l->values + v];
        spacc_tensor_free(*own);
        *own = NULL;
        l->val[r * l->values + v] = NULL;
    }
}

enum spacc_status spacc_lockstep_step(struct spacc_lockstep *l, struct spacc_error *err)
{
    const struct spacc_node *n = &l->g->node[l->node];
    const bool run = !is_constant(l->g, n);

    for (size_t r = 0; r < l->requests && run; r++) {
        const enum spacc_status s = run_request(l, r, err);
        if (s)
            return s;
    }
    const int reads = spacc_node_reads(n, l->reads, l->most);
    for (int i = 0; i < reads; i++)
        if (--l->readers[l->reads[i]] == 0)
            drop(l, (size_t)l->reads[i]);
    l->node++;
    return SPACC_OK;
}
