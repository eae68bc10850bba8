#include <stdlib.h>

#include "models/onnx_parts.h"

/* Depth-first walk from each node to the nodes it waits for. */
struct walk {
    const struct spacc_graph *g;
    size_t *first; /* reads of node n: read[first[n]] .. read[first[n + 1] - 1] */
    int *read;
    unsigned char *state; /* of a node: NEW, OPEN (on the stack), DONE */
    int *stack;
    size_t *next; /* per node: the next read to look at */
    int *order;   /* result: node numbers */
    int ordered;
};
enum { NEW, OPEN, DONE };

static void walk_release(struct walk *w)
{
    free(w->first);
    free(w->read);
    free(w->state);
    free(w->stack);
    free(w->next);
    free(w->order);
}

static enum spacc_status walk_init(struct walk *w, const struct spacc_graph *g)
{
    const size_t nodes = (size_t)g->nodes + 1;
    size_t reads = 0;

    *w = (struct walk){.g = g};
    w->first = calloc(nodes, sizeof(*w->first));
    w->state = calloc(nodes, 1);
    w->stack = calloc(nodes, sizeof(*w->stack));
    w->next = calloc(nodes, sizeof(*w->next));
    w->order = calloc(nodes, sizeof(*w->order));
    if (!w->first || !w->state || !w->stack || !w->next || !w->order)
        return SPACC_ENOMEM;
    for (int n = 0; n < g->nodes; n++) {
        w->first[n] = reads;
        w->next[n] = reads;
        reads += (size_t)spacc_node_reads(&g->node[n], NULL, 0);
    }
    w->first[g->nodes] = reads;
    w->read = calloc(reads + 1, sizeof(*w->read));
    if (!w->read)
        return SPACC_ENOMEM;
    for (int n = 0; n < g->nodes; n++)
        spacc_node_reads(&g->node[n], w->read + w->first[n],
                         (int)(w->first[n + 1] - w->first[n]));
    return SPACC_OK;
}

/* The next unfinished node that `n` waits for, or -1. */
static int waits_for(struct walk *w, int n)
{
    while (w->next[n] < w->first[n + 1]) {
        const int producer = w->g->value[w->read[w->next[n]++]].producer;
        if (producer >= 0 && w->state[producer] != DONE)
            return producer;
    }
    return -1;
}

/* Finish `start` and all it waits for. False on a cycle: *stuck is in it. */
static bool visit(struct walk *w, int start, int *stuck)
{
    int depth = 0;

    w->stack[depth++] = start;
    w->state[start] = OPEN;
    while (depth > 0) {
        const int n = w->stack[depth - 1];
        const int before = waits_for(w, n);
        if (before < 0) {
            w->state[n] = DONE;
            w->order[w->ordered++] = n;
            depth--;
        } else if (w->state[before] == OPEN) {
            *stuck = before;
            return false;
        } else {
            w->state[before] = OPEN;
            w->stack[depth++] = before;
        }
    }
    return true;
}

static enum spacc_status apply(struct spacc_graph *g, const int *order)
{
    struct spacc_node *moved = calloc((size_t)g->nodes + 1, sizeof(*moved));

    if (!moved)
        return SPACC_ENOMEM;
    for (int n = 0; n < g->nodes; n++) {
        moved[n] = g->node[order[n]];
        for (int o = 0; o < moved[n].outputs; o++)
            if (moved[n].output[o] >= 0)
                g->value[moved[n].output[o]].producer = n;
    }
    free(g->node);
    g->node = moved;
    return SPACC_OK;
}

enum spacc_status spacc_onnx_sort(struct spacc_graph *g, int *stuck)
{
    struct walk w;
    enum spacc_status status = walk_init(&w, g);

    *stuck = -1;
    if (status != SPACC_OK)
        goto out;
    for (int n = 0; n < g->nodes; n++) {
        if (w.state[n] == NEW && !visit(&w, n, stuck)) {
            status = SPACC_EFORMAT;
            goto out;
        }
    }
    status = apply(g, w.order);
out:
    walk_release(&w);
    return status;
}
