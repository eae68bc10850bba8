/* Which nodes are placed together. */
#include <stdlib.h>
#include <string.h>

#include "host/placing.h"

/* ---- sets --------------------------------------------------------------------- */

static int root_of(int *set, int n)
{
    while (set[n] != n) {
        set[n] = set[set[n]];
        n = set[n];
    }
    return n;
}

/* The smaller number stands for both: the first node of a group is where it begins. */
static void unite(int *set, int a, int b)
{
    a = root_of(set, a);
    b = root_of(set, b);
    if (a < b)
        set[b] = a;
    else
        set[a] = b;
}

/* ---- the outermost graph ------------------------------------------------------- */

static bool runs(const struct spacc_engine *e, int n)
{
    const char *kernel = spacc_engine_describe(e, n).kernel;

    return kernel && strcmp(kernel, "dead") != 0 && strcmp(kernel, "constant") != 0;
}

/* The node that makes input 0, when it runs; else -1. */
static int source_of(const struct spacc_graph *g, const struct spacc_engine *e, int n)
{
    const struct spacc_node *node = &g->node[n];
    const int producer =
        node->inputs > 0 && node->input[0] >= 0 ? g->value[node->input[0]].producer : -1;

    return producer >= 0 && runs(e, producer) ? producer : -1;
}

/* A view of one value, not of several side by side (Concat). */
static bool is_view(const struct spacc_graph *g, const struct spacc_engine *e, int n)
{
    const struct spacc_node *node = &g->node[n];

    for (int i = 1; i < node->inputs; i++) {
        const int producer = node->input[i] < 0 ? -1 : g->value[node->input[i]].producer;
        if (producer >= 0 && runs(e, producer))
            return false;
    }
    return strcmp(spacc_engine_describe(e, n).kernel, "view") == 0;
}

/* A card layer with the one that it feeds, and what only reshapes in between. */
static void unite_chain(int *set, const struct spacc_plan *plan, const struct spacc_engine *e,
                        int n)
{
    const struct spacc_plan_node *a = &plan->node[n];
    const struct spacc_graph *g = a->graph;

    if (a->chain_next < 0)
        return;
    for (int b = plan->node[a->chain_next].node; b >= 0 && b != n; b = source_of(g, e, b))
        unite(set, n, b);
}

static void unite_nodes(int *set, const struct spacc_plan *plan, const struct spacc_engine *e)
{
    const struct spacc_graph *g = plan->graph[0].graph;

    for (int n = 0; n < g->nodes; n++) {
        set[n] = n;
        if (!runs(e, n))
            continue;
        const struct spacc_engine_node about = spacc_engine_describe(e, n);
        const int source = source_of(g, e, n);
        if (about.joined < n)
            unite(set, n, about.joined);
        if (source >= 0 && is_view(g, e, n))
            unite(set, n, source);
    }
    for (int n = 0; n < g->nodes; n++)
        if (runs(e, n))
            unite_chain(set, plan, e, n);
}

/* ---- groups --------------------------------------------------------------------- */

static void add_group(struct spacc_placing_groups *out, int graph, int first)
{
    out->graph[out->groups] = graph;
    out->first[out->groups] = first;
    out->groups++;
}

static void number_nodes(struct spacc_placing_groups *out, int *set,
                         const struct spacc_plan *plan, const struct spacc_engine *e)
{
    for (int n = 0; n < plan->graph[0].graph->nodes; n++) {
        if (!runs(e, n))
            continue;
        const int root = root_of(set, n);
        if (root == n) {
            out->group[n] = (int)out->groups;
            add_group(out, 0, n);
        } else {
            out->group[n] = out->group[root];
        }
    }
}

/* A body is one group, behind those of the outermost graph. */
static void number_bodies(struct spacc_placing_groups *out, const struct spacc_plan *plan)
{
    for (size_t i = 1; i < plan->graphs; i++) {
        const size_t first = plan->graph[i].first;
        const size_t nodes = (size_t)plan->graph[i].graph->nodes;
        for (size_t n = first; n < first + nodes; n++)
            out->group[n] = (int)out->groups;
        if (nodes)
            add_group(out, (int)i, (int)first);
    }
}

enum spacc_status spacc_placing_group(struct spacc_placing_groups *out,
                                      const struct spacc_plan *plan,
                                      const struct spacc_engine *e)
{
    int *set = calloc(plan->nodes + 1, sizeof(*set));

    *out = (struct spacc_placing_groups){0};
    out->group = calloc(plan->nodes + 1, sizeof(*out->group));
    out->graph = calloc(plan->nodes + 1, sizeof(*out->graph));
    out->first = calloc(plan->nodes + 1, sizeof(*out->first));
    if (!set || !out->group || !out->graph || !out->first) {
        free(set);
        spacc_placing_groups_release(out);
        return SPACC_ENOMEM;
    }
    for (size_t i = 0; i < plan->nodes; i++)
        out->group[i] = -1;
    unite_nodes(set, plan, e);
    number_nodes(out, set, plan, e);
    number_bodies(out, plan);
    free(set);
    return SPACC_OK;
}

void spacc_placing_groups_release(struct spacc_placing_groups *g)
{
    free(g->group);
    free(g->graph);
    free(g->first);
    *g = (struct spacc_placing_groups){0};
}
