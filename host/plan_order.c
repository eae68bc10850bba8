/* Recurrent layers that feed each other: finding them, and moving what stands between. */
#include <stdlib.h>
#include <string.h>

#include "host/plan_parts.h"
#include "models/op.h"

static bool recurrent(const struct spacc_node *n)
{
    return strcmp(n->op->name, "LSTM") == 0 || strcmp(n->op->name, "GRU") == 0;
}

int spacc_chain_source(const struct spacc_graph *g, int node,
                       bool (*passes)(void *user, int node), void *user)
{
    const struct spacc_node *b = &g->node[node];
    int value = recurrent(b) && b->inputs > 0 ? b->input[0] : -1;

    while (value >= 0 && g->value[value].producer >= 0) {
        const int from = g->value[value].producer;
        const struct spacc_node *n = &g->node[from];
        if (recurrent(n))
            return n->outputs > 0 && n->output[0] == value ? from : -1;
        if (!spacc_rule_reshapes(n->op->name) || (passes && !passes(user, from)))
            return -1;
        value = n->inputs > 0 ? n->input[0] : -1;
    }
    return -1;
}

/* Room for reads of any node, and flags by node. */
struct order {
    struct spacc_graph *g;
    int *reads;
    bool *needed;  /* must come before a */
    bool *depends; /* on a */
};

static void need_value(struct order *o, int value, int a)
{
    const int from = o->g->value[value].producer;

    if (from > a)
        o->needed[from] = true;
}

/* Needed by b besides its X, back to a. */
static void find_needed(struct order *o, int a, int b)
{
    const struct spacc_node *n = &o->g->node[b];

    memset(o->needed, 0, (size_t)o->g->nodes * sizeof(bool));
    for (int i = 1; i < n->inputs; i++)
        if (n->input[i] >= 0)
            need_value(o, n->input[i], a);
    for (int i = b - 1; i > a; i--) {
        if (!o->needed[i])
            continue;
        const int count = spacc_node_reads(&o->g->node[i], NULL, 0);
        spacc_node_reads(&o->g->node[i], o->reads, count);
        for (int r = 0; r < count; r++)
            need_value(o, o->reads[r], a);
    }
}

static void find_depends(struct order *o, int a, int b)
{
    memset(o->depends, 0, (size_t)o->g->nodes * sizeof(bool));
    o->depends[a] = true;
    for (int i = a + 1; i < b; i++) {
        const int count = spacc_node_reads(&o->g->node[i], NULL, 0);
        spacc_node_reads(&o->g->node[i], o->reads, count);
        for (int r = 0; r < count && !o->depends[i]; r++) {
            const int from = o->g->value[o->reads[r]].producer;
            o->depends[i] = from >= 0 && from < i && o->depends[from];
        }
    }
}

static bool can_move(const struct order *o, int a, int b)
{
    for (int i = a + 1; i < b; i++)
        if (o->needed[i] && o->depends[i])
            return false;
    return true;
}

/* Move node `from` to `to`, the ones between one up. */
static void move_node(struct spacc_graph *g, int from, int to)
{
    const struct spacc_node moved = g->node[from];

    memmove(&g->node[to + 1], &g->node[to], (size_t)(from - to) * sizeof(moved));
    g->node[to] = moved;
}

static void number_producers(struct spacc_graph *g)
{
    for (int i = 0; i < g->nodes; i++)
        for (int k = 0; k < g->node[i].outputs; k++)
            if (g->node[i].output[k] >= 0)
                g->value[g->node[i].output[k]].producer = i;
}

static void order_pair(struct order *o, int a, int b)
{
    int to = a;

    find_needed(o, a, b);
    find_depends(o, a, b);
    if (!can_move(o, a, b))
        return;
    for (int i = a + 1; i < b; i++)
        if (o->needed[i])
            move_node(o->g, i, to++);
    number_producers(o->g);
}

static enum spacc_status order_graph(struct spacc_graph *g)
{
    struct order o = {.g = g};
    enum spacc_status s = SPACC_ENOMEM;
    int most = 0;

    for (int i = 0; i < g->nodes; i++) {
        const int count = spacc_node_reads(&g->node[i], NULL, 0);
        most = count > most ? count : most;
    }
    o.reads = calloc((size_t)most + 1, sizeof(*o.reads));
    o.needed = calloc((size_t)g->nodes + 1, sizeof(*o.needed));
    o.depends = calloc((size_t)g->nodes + 1, sizeof(*o.depends));
    if (!o.reads || !o.needed || !o.depends)
        goto out;
    for (int b = 0; b < g->nodes; b++) {
        const int a = spacc_chain_source(g, b, NULL, NULL);
        if (a >= 0)
            order_pair(&o, a, b);
    }
    s = SPACC_OK;
out:
    free(o.reads);
    free(o.needed);
    free(o.depends);
    return s;
}

enum spacc_status spacc_graph_order_chains(struct spacc_graph *g, struct spacc_error *err)
{
    enum spacc_status s = order_graph(g);

    if (s)
        return spacc_fail(err, s, "%s: no memory to order nodes", g->file);
    for (int i = 0; i < g->nodes; i++)
        for (size_t a = 0; a < g->node[i].attrs; a++)
            if (g->node[i].attr[a].kind == SPACC_ATTR_GRAPH && g->node[i].attr[a].graph &&
                (s = spacc_graph_order_chains(g->node[i].attr[a].graph, err)))
                return s;
    return SPACC_OK;
}
