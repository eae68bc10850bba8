#include "models/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/run_parts.h"

/* ---- calling one operator ---- */

const char *spacc_graph_file(const struct spacc_graph *g)
{
    while (g->parent)
        g = g->parent;
    return g->file;
}

static int larger(int a, int b)
{
    return a > b ? a : b;
}

enum spacc_status spacc_call_room_init(struct spacc_call_room *r, const struct spacc_graph *g)
{
    int ins = 1, outs = 1;

    for (int n = 0; n < g->nodes; n++) {
        ins = larger(ins, larger(g->node[n].inputs, g->node[n].op->ins_max));
        outs = larger(outs, larger(g->node[n].outputs, g->node[n].op->outs_max));
    }
    *r = (struct spacc_call_room){.outs = outs};
    r->in = calloc((size_t)ins, sizeof(*r->in));
    r->out = calloc((size_t)outs, sizeof(*r->out));
    r->wanted = calloc((size_t)outs, sizeof(*r->wanted));
    return r->in && r->out && r->wanted ? SPACC_OK : SPACC_ENOMEM;
}

void spacc_call_room_clear(struct spacc_call_room *r)
{
    for (int o = 0; r->out && o < r->outs; o++) {
        spacc_tensor_free(r->out[o]);
        r->out[o] = NULL;
    }
}

void spacc_call_room_release(struct spacc_call_room *r)
{
    spacc_call_room_clear(r);
    free(r->in);
    free(r->out);
    free(r->wanted);
}

enum spacc_status spacc_call_run(struct spacc_op_call *c, struct spacc_error *err)
{
    struct spacc_error own = {.text = ""};
    enum spacc_status status;

    c->err = &own;
    status = spacc_op_run(c);
    for (int o = 0; o < c->outs && status == SPACC_OK; o++)
        if (c->wanted[o] && !c->out[o])
            status = spacc_op_fail(c, SPACC_EINVAL, "output %d was not made", o);
    if (status != SPACC_OK && !c->shape_unknown) {
        if (!own.text[0])
            spacc_op_fail(c, status, "%s", spacc_status_text(status));
        if (err)
            *err = own;
    }
    c->err = err;
    return status;
}

/* ---- running a graph ---- */

/* One graph being run. */
struct frame {
    const struct spacc_graph *g;
    struct frame *parent; /* of the graph outside, or NULL */
    const struct spacc_run_hooks *hooks;
    struct spacc_error *err;
    const struct spacc_tensor **val; /* by value: what readers see, or NULL */
    struct spacc_tensor **own;       /* by value: made here, freed here */
    int *readers;                    /* by value: reads still to come */
    int *reads;                      /* room for the reads of one node */
    struct spacc_call_room room;
};

static enum spacc_status run_frame(struct frame *f, struct spacc_tensor **output);

static enum spacc_status no_memory(const struct frame *f)
{
    return spacc_fail(f->err, SPACC_ENOMEM, "%s: %s", spacc_graph_file(f->g),
                      spacc_status_text(SPACC_ENOMEM));
}

static void frame_release(struct frame *f)
{
    for (int v = 0; f->own && v < f->g->values; v++)
        spacc_tensor_free(f->own[v]);
    free(f->val);
    free(f->own);
    free(f->readers);
    free(f->reads);
    spacc_call_room_release(&f->room);
}

/* Count who reads each value: nodes, branches inside them, the graph's outputs. */
static enum spacc_status count_readers(struct frame *f)
{
    const struct spacc_graph *g = f->g;
    int most = 0;

    for (int n = 0; n < g->nodes; n++)
        most = larger(most, spacc_node_reads(&g->node[n], NULL, 0));
    f->reads = calloc((size_t)most + 1, sizeof(*f->reads));
    if (!f->reads)
        return SPACC_ENOMEM;
    for (int n = 0; n < g->nodes; n++) {
        const int reads = spacc_node_reads(&g->node[n], f->reads, most);
        for (int r = 0; r < reads; r++)
            f->readers[f->reads[r]]++;
    }
    for (int o = 0; o < g->outputs; o++)
        f->readers[g->output[o]]++;
    return SPACC_OK;
}

static enum spacc_status frame_init(struct frame *f, const struct spacc_graph *g,
                                    struct frame *parent,
                                    const struct spacc_tensor *const *input)
{
    const size_t values = (size_t)g->values + 1;

    f->g = g;
    f->parent = parent;
    f->val = calloc(values, sizeof(*f->val));
    f->own = calloc(values, sizeof(*f->own));
    f->readers = calloc(values, sizeof(*f->readers));
    if (!f->val || !f->own || !f->readers || spacc_call_room_init(&f->room, g) != SPACC_OK ||
        count_readers(f) != SPACC_OK)
        return no_memory(f);
    for (int v = 0; v < g->values; v++)
        f->val[v] = g->value[v].outer >= 0 ? parent->val[g->value[v].outer] : g->value[v].init;
    for (int i = 0; i < g->inputs; i++)
        f->val[g->input[i]] = input[i];
    return SPACC_OK;
}

static enum spacc_status run_branch(struct spacc_op_call *c, const struct spacc_graph *branch,
                                    const struct spacc_tensor *const *in,
                                    struct spacc_tensor **out)
{
    struct frame *outside = c->evaluator;
    struct frame f = {.hooks = outside->hooks, .err = c->err};

    enum spacc_status status = frame_init(&f, branch, outside, in);
    if (status == SPACC_OK)
        status = run_frame(&f, out);
    frame_release(&f);
    return status;
}

static void drop_value(struct frame *f, int v)
{
    if (--f->readers[v] > 0)
        return;
    spacc_tensor_free(f->own[v]);
    if (f->own[v])
        f->val[v] = NULL;
    f->own[v] = NULL;
}

/* Ask the hook, then the reference. Results are in f->room.out. */
static enum spacc_status call_node(struct frame *f, int n)
{
    const struct spacc_node *node = &f->g->node[n];
    bool done = false;

    if (f->hooks && f->hooks->node) {
        const enum spacc_status status =
            f->hooks->node(f->hooks->user, f->g, n, f->room.in, f->room.out, &done, f->err);
        if (status != SPACC_OK || done)
            return status;
    }
    struct spacc_op_call c = {
        .graph = f->g,
        .node = node,
        .ins = node->inputs,
        .outs = node->outputs,
        .in = f->room.in,
        .out = f->room.out,
        .wanted = f->room.wanted,
        .run_subgraph = run_branch,
        .evaluator = f,
    };
    return spacc_call_run(&c, f->err);
}

static void fill_call(struct frame *f, const struct spacc_node *node)
{
    const int ins = larger(node->inputs, node->op->ins_max);

    for (int i = 0; i < ins; i++)
        f->room.in[i] = i < node->inputs && node->input[i] >= 0 ? f->val[node->input[i]] : NULL;
    for (int o = 0; o < f->room.outs; o++)
        f->room.wanted[o] =
            o < node->outputs && node->output[o] >= 0 && f->readers[node->output[o]] > 0;
}

static bool is_partial(const struct frame *f)
{
    return f->hooks && f->hooks->partial;
}

/* Take over the results of a node; what nobody reads dies at once. */
static enum spacc_status keep_results(struct frame *f, const struct spacc_node *node)
{
    for (int o = 0; o < node->outputs; o++) {
        const int v = node->output[o];
        struct spacc_tensor *t = f->room.out[o];

        if (f->room.wanted[o] && !t && !is_partial(f))
            return spacc_fail(f->err, SPACC_EINVAL, "%s: node %s (%s): output %d was not made",
                              spacc_graph_file(f->g), node->name, node->op->name, o);
        if (v < 0 || !t)
            continue;
        if (f->hooks && f->hooks->value)
            f->hooks->value(f->hooks->user, f->g, v, t);
        if (!f->room.wanted[o])
            continue;
        f->own[v] = t;
        f->val[v] = t;
        f->room.out[o] = NULL;
    }
    spacc_call_room_clear(&f->room);
    return SPACC_OK;
}

static enum spacc_status run_node(struct frame *f, int n)
{
    const struct spacc_node *node = &f->g->node[n];

    fill_call(f, node);
    enum spacc_status status = call_node(f, n);
    if (status != SPACC_OK || (status = keep_results(f, node)) != SPACC_OK)
        return status;
    const int most = spacc_node_reads(node, NULL, 0);
    spacc_node_reads(node, f->reads, most);
    for (int r = 0; r < most; r++)
        drop_value(f, f->reads[r]);
    return SPACC_OK;
}

/* Hand over what was made here and copy what was not (an input, a constant, a
 * value that is given out twice). */
static enum spacc_status give_outputs(struct frame *f, struct spacc_tensor **output)
{
    for (int o = 0; o < f->g->outputs; o++) {
        const int v = f->g->output[o];
        if (f->own[v]) { /* f->val[v] still points at it for a second time */
            output[o] = f->own[v];
            f->own[v] = NULL;
        } else if (!f->val[v] && is_partial(f)) {
            output[o] = NULL;
        } else if (spacc_tensor_copy(&output[o], f->val[v]) != SPACC_OK) {
            return no_memory(f);
        }
    }
    return SPACC_OK;
}

static enum spacc_status run_frame(struct frame *f, struct spacc_tensor **output)
{
    enum spacc_status status = SPACC_OK;

    for (int o = 0; o < f->g->outputs; o++)
        output[o] = NULL;
    for (int n = 0; n < f->g->nodes && status == SPACC_OK; n++)
        status = run_node(f, n);
    if (status == SPACC_OK)
        status = give_outputs(f, output);
    if (status != SPACC_OK) {
        for (int o = 0; o < f->g->outputs; o++) {
            spacc_tensor_free(output[o]);
            output[o] = NULL;
        }
    }
    return status;
}

enum spacc_status spacc_graph_run(const struct spacc_graph *g,
                                  const struct spacc_tensor *const *input,
                                  struct spacc_tensor **output,
                                  const struct spacc_run_hooks *hooks, struct spacc_error *err)
{
    struct frame f = {.g = g, .hooks = hooks, .err = err};

    for (int o = 0; o < g->outputs; o++)
        output[o] = NULL;
    enum spacc_status status = spacc_graph_check_inputs(g, input, err);
    if (status != SPACC_OK)
        return status;
    status = frame_init(&f, g, NULL, input);
    if (status == SPACC_OK)
        status = run_frame(&f, output);
    frame_release(&f);
    return status;
}

static enum spacc_status no_branches(struct spacc_op_call *c, const struct spacc_graph *branch,
                                     const struct spacc_tensor *const *in,
                                     struct spacc_tensor **out)
{
    (void)branch;
    (void)in;
    (void)out;
    return spacc_op_fail(c, SPACC_EUNSUPPORTED, "a node with branches cannot run on its own");
}

/* One node in its own room; with `shape_only` nothing is left in out[]. */
static enum spacc_status run_alone(const struct spacc_graph *g, int node,
                                   const struct spacc_tensor *const *in, bool shape_only,
                                   struct spacc_tensor **out, struct spacc_error *err)
{
    const struct spacc_node *n = &g->node[node];
    struct spacc_call_room r;
    enum spacc_status status = SPACC_ENOMEM;

    if (spacc_call_room_init(&r, g) != SPACC_OK) {
        spacc_fail(err, status, "%s: %s", spacc_graph_file(g), spacc_status_text(status));
        goto out;
    }
    for (int i = 0; i < n->inputs; i++)
        r.in[i] = in[i];
    for (int o = 0; o < n->outputs; o++)
        r.wanted[o] = n->output[o] >= 0;
    struct spacc_op_call c = {
        .graph = g,
        .node = n,
        .ins = n->inputs,
        .outs = n->outputs,
        .in = r.in,
        .out = r.out,
        .wanted = r.wanted,
        .shape_only = shape_only,
        .run_subgraph = no_branches,
    };
    status = spacc_call_run(&c, err);
    if (shape_only && c.shape_unknown)
        status = SPACC_OK;
    for (int o = 0; o < n->outputs && status == SPACC_OK && !shape_only; o++) {
        if (!r.wanted[o])
            continue;
        out[o] = r.out[o];
        r.out[o] = NULL;
    }
out:
    spacc_call_room_release(&r);
    return status;
}

enum spacc_status spacc_node_run(const struct spacc_graph *g, int node,
                                 const struct spacc_tensor *const *in,
                                 struct spacc_tensor **out, struct spacc_error *err)
{
    for (int o = 0; o < g->node[node].outputs; o++)
        out[o] = NULL;
    return run_alone(g, node, in, false, out, err);
}

enum spacc_status spacc_node_check(const struct spacc_graph *g, int node,
                                   const struct spacc_tensor *const *in,
                                   struct spacc_error *err)
{
    return run_alone(g, node, in, true, NULL, err);
}

enum spacc_status spacc_graph_run_node(const struct spacc_graph *g, int node,
                                       const struct spacc_tensor **value,
                                       const struct spacc_run_hooks *hooks,
                                       struct spacc_tensor **out, struct spacc_error *err)
{
    const struct spacc_node *n = &g->node[node];
    struct frame f = {.g = g, .hooks = hooks, .err = err, .val = value};
    enum spacc_status status = spacc_call_room_init(&f.room, g);

    for (int o = 0; o < n->outputs; o++)
        out[o] = NULL;
    if (status) {
        spacc_call_room_release(&f.room);
        return no_memory(&f);
    }
    for (int i = 0; i < n->inputs; i++)
        f.room.in[i] = n->input[i] >= 0 ? value[n->input[i]] : NULL;
    for (int o = 0; o < n->outputs; o++)
        f.room.wanted[o] = n->output[o] >= 0;
    struct spacc_op_call c = {
        .graph = g,
        .node = n,
        .ins = n->inputs,
        .outs = n->outputs,
        .in = f.room.in,
        .out = f.room.out,
        .wanted = f.room.wanted,
        .run_subgraph = run_branch,
        .evaluator = &f,
    };
    status = spacc_call_run(&c, err);
    for (int o = 0; o < n->outputs && !status; o++) {
        out[o] = f.room.out[o];
        f.room.out[o] = NULL;
    }
    spacc_call_room_release(&f.room);
    return status;
}
