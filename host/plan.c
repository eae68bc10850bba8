#include "host/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/plan_conv.h"
#include "host/plan_parts.h"
#include "models/op.h"

/* ---- reasons ----------------------------------------------------------------- */

static void set_reason(struct spacc_plan_node *n, const char *format, va_list args)
{
    char text[512];
    char *copy;

    vsnprintf(text, sizeof(text), format, args);
    if (!(copy = strdup(text)))
        return;
    free(n->reason);
    n->reason = copy;
}

void spacc_plan_reason(struct spacc_plan_node *n, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set_reason(n, format, args);
    va_end(args);
}

void spacc_plan_refuse(struct spacc_plan_node *n, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set_reason(n, format, args);
    va_end(args);
    n->candidate = false;
}

/* ---- the graphs -------------------------------------------------------------- */

static int add_graph(struct spacc_plan *p, const struct spacc_graph *g, int parent)
{
    struct spacc_plan_graph *more = realloc(p->graph, (p->graphs + 1) * sizeof(*more));
    struct spacc_plan_graph *pg;

    if (!more)
        return -1;
    p->graph = more;
    pg = &p->graph[p->graphs];
    *pg = (struct spacc_plan_graph){.graph = g, .parent = parent, .first = p->nodes};
    pg->constant = calloc((size_t)g->values + 1, sizeof(*pg->constant));
    pg->keep = calloc((size_t)g->values + 1, sizeof(*pg->keep));
    p->graphs++; /* spacc_plan_free() frees what there is */
    return pg->constant && pg->keep ? (int)(p->graphs - 1) : -1;
}

/* Constant: an initialiser, or made of constants only by a node that is not random. What If,
 * Loop and Scan give hangs on more than their inputs. */
static void find_constants(struct spacc_plan *p, int number)
{
    struct spacc_plan_graph *pg = &p->graph[number];
    const struct spacc_graph *g = pg->graph;

    for (int v = 0; v < g->values; v++)
        pg->constant[v] =
            g->value[v].init || (g->value[v].outer >= 0 && pg->parent >= 0 &&
                                 p->graph[pg->parent].constant[g->value[v].outer]);
    for (int i = 0; i < g->nodes; i++) {
        const struct spacc_node *n = &g->node[i];
        bool all = !n->op->random && !spacc_node_has_branches(n);
        for (int k = 0; k < n->inputs && all; k++)
            all = n->input[k] < 0 || pg->constant[n->input[k]];
        for (int k = 0; k < n->outputs; k++)
            if (n->output[k] >= 0)
                pg->constant[n->output[k]] = all;
    }
}

/* "If_0/then_branch/LSTM_3" */
static char *node_name(const char *path, const char *name)
{
    const size_t size = strlen(path) + strlen(name) + 1;
    char *text = malloc(size);

    if (text)
        snprintf(text, size, "%s%s", path, name);
    return text;
}

static enum spacc_status add_nodes(struct spacc_plan *p, int number, const char *path)
{
    const struct spacc_graph *g = p->graph[number].graph;
    struct spacc_plan_node *more =
        realloc(p->node, (p->nodes + (size_t)g->nodes + 1) * sizeof(*more));

    if (!more)
        return SPACC_ENOMEM;
    p->node = more;
    for (int i = 0; i < g->nodes; i++) {
        struct spacc_plan_node *n = &p->node[p->nodes++];
        *n = (struct spacc_plan_node){.graph = g,
                                      .node = i,
                                      .op = g->node[i].op->name,
                                      .keeps_order = true,
                                      .chain_next = -1,
                                      .chain_prev = -1};
        n->name = node_name(path, g->node[i].name);
        n->reason = strdup("");
        if (!n->name || !n->reason)
            return SPACC_ENOMEM;
        spacc_rule_static(&p->graph[number], n);
    }
    return SPACC_OK;
}

static enum spacc_status walk(struct spacc_plan *p, const struct spacc_graph *g, int parent,
                              const char *path)
{
    const int number = add_graph(p, g, parent);
    enum spacc_status s;

    if (number < 0)
        return SPACC_ENOMEM;
    find_constants(p, number);
    if ((s = add_nodes(p, number, path)))
        return s;
    for (int i = 0; i < g->nodes; i++)
        for (size_t a = 0; a < g->node[i].attrs; a++) {
            const struct spacc_attr *attr = &g->node[i].attr[a];
            char inner[1024];
            if (attr->kind != SPACC_ATTR_GRAPH || !attr->graph)
                continue;
            snprintf(inner, sizeof(inner), "%s%s/%s/", path, g->node[i].name, attr->name);
            if ((s = walk(p, attr->graph, number, inner)))
                return s;
        }
    return SPACC_OK;
}

enum spacc_status spacc_plan_new(struct spacc_plan **out, const struct spacc_graph *g,
                                 struct spacc_error *err)
{
    struct spacc_plan *p = calloc(1, sizeof(*p));
    enum spacc_status s = p ? walk(p, g, -1, "") : SPACC_ENOMEM;

    *out = NULL;
    if (s) {
        spacc_plan_free(p);
        return spacc_fail(err, s, "%s: no memory for a plan", g->file);
    }
    *out = p;
    return SPACC_OK;
}

static void free_layer(struct spacc_plan_layer *l)
{
    free(l->name);
    free(l->w);
    free(l->r);
    free(l->b_w);
    free(l->b_r);
    spacc_fixed_free(l->fixed);
}

void spacc_plan_free(struct spacc_plan *p)
{
    for (size_t i = 0; p && i < p->graphs; i++) {
        free(p->graph[i].constant);
        free(p->graph[i].keep);
    }
    for (size_t i = 0; p && i < p->nodes; i++) {
        struct spacc_plan_node *n = &p->node[i];
        free(n->name);
        free(n->reason);
        for (size_t d = 0; d < SPACC_PLAN_DIRECTIONS; d++)
            free_layer(&n->layer[d]);
        spacc_plan_conv_free(n->conv);
        spacc_tensor_free(n->pruned[0]);
        spacc_tensor_free(n->pruned[1]);
    }
    if (p) {
        free(p->graph);
        free(p->node);
    }
    free(p);
}

struct spacc_plan_graph *spacc_plan_graph(struct spacc_plan *p, const struct spacc_graph *g)
{
    for (size_t i = 0; i < p->graphs; i++)
        if (p->graph[i].graph == g)
            return &p->graph[i];
    return NULL;
}

struct spacc_plan_node *spacc_plan_node(struct spacc_plan *p, const struct spacc_graph *g,
                                        int node)
{
    const struct spacc_plan_graph *pg = spacc_plan_graph(p, g);

    return pg && node >= 0 && node < g->nodes ? &p->node[pg->first + (size_t)node] : NULL;
}

/* ---- chains ------------------------------------------------------------------ */

struct pass_user {
    struct spacc_plan *p;
    const struct spacc_graph *g;
};

static bool keeps_order(void *user, int node)
{
    const struct pass_user *u = user;
    const struct spacc_plan_node *n = spacc_plan_node(u->p, u->g, node);

    return n->seen && n->keeps_order;
}

static bool forward_only(const struct spacc_plan_node *n)
{
    return n->candidate && n->layers == 1 && !n->layer[0].reverse;
}

/* Everything that `b` reads besides X is there before node `a` runs. */
static bool inputs_are_early(const struct spacc_graph *g, int a, int b)
{
    const struct spacc_node *n = &g->node[b];

    for (int i = 1; i < n->inputs; i++)
        if (n->input[i] >= 0 && g->value[n->input[i]].producer >= a)
            return false;
    return true;
}

/* Value hooks keep these until the chain runs: the parent's value for an outer one. */
static void keep_value(struct spacc_plan *p, const struct spacc_graph *g, int value)
{
    struct spacc_plan_graph *pg = spacc_plan_graph(p, g);

    if (g->value[value].outer >= 0 && pg->parent >= 0)
        keep_value(p, p->graph[pg->parent].graph, g->value[value].outer);
    else if (g->value[value].producer >= 0)
        pg->keep[value] = true;
}

static int h_frac_of(const struct spacc_plan_node *n)
{
    const struct spacc_fixed_weights *w = &n->layer[0].weights;

    return spacc_fixed_h_frac(w->cell, w->act_g, w->act_h);
}

/* In the body of a Loop or Scan: its inputs change from run to run and are not kept. */
static bool in_body(const struct spacc_graph *g)
{
    for (; g->parent; g = g->parent)
        if (g->inputs > 0)
            return true;
    return false;
}

static void link_chain(struct spacc_plan *p, struct spacc_plan_node *b)
{
    struct pass_user user = {p, b->graph};
    const int from = spacc_chain_source(b->graph, b->node, keeps_order, &user);
    struct spacc_plan_node *a = from < 0 ? NULL : spacc_plan_node(p, b->graph, from);
    const struct spacc_node *node = &b->graph->node[b->node];

    if (!a || in_body(b->graph) || !forward_only(a) || !forward_only(b) ||
        a->layout != b->layout || a->chain_next >= 0 ||
        a->layer[0].weights.units != b->layer[0].weights.x_cols ||
        !inputs_are_early(b->graph, a->node, b->node) ||
        (b->layer[0].fixed && b->layer[0].fixed->x_frac != h_frac_of(a)))
        return;
    a->chain_next = (int)(b - p->node);
    b->chain_prev = (int)(a - p->node);
    for (int i = 4; i < node->inputs; i++) /* lengths and initial states */
        if (node->input[i] >= 0)
            keep_value(p, b->graph, node->input[i]);
}

static bool is_recurrent(const struct spacc_plan_node *n)
{
    return n->candidate && n->layers > 0 && n->layer[0].weights.cell != SPACC_CELL_LINEAR;
}

static void settle_node(struct spacc_plan *p, struct spacc_plan_node *n)
{
    if (n->candidate && !n->seen)
        spacc_plan_refuse(n, "not reached while the ranges were learned");
    if (!n->candidate)
        return;
    if (is_recurrent(n))
        link_chain(p, n);
    if (n->layer[0].fixed)
        n->x_frac = n->layer[0].fixed->x_frac;
    else if (n->chain_prev >= 0)
        n->x_frac = h_frac_of(&p->node[n->chain_prev]);
    else
        n->x_frac = spacc_fixed_frac_for(2.0f * n->x_max);
}

void spacc_plan_settle(struct spacc_plan *p)
{
    for (size_t i = 0; i < p->nodes; i++)
        settle_node(p, &p->node[i]);
}
