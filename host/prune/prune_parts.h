/* prune_parts.h - what pruning (prune.c) and measuring what it costs (sensitivity.c) share. */
#ifndef SPACC_PRUNE_PARTS_H
#define SPACC_PRUNE_PARTS_H

#include "host/prune/block.h"
#include "host/prune/grid.h"
#include "host/prune/lockstep.h"
#include "host/prune/prune.h"
#include "sparse/gram.h"

struct spacc_prune_work {
    struct spacc_graph *g;
    const struct spacc_prune_matrix *m; /* all of them */
    struct spacc_pruned *result;
    bool *changed;
    const struct spacc_prune_how *how;
    struct spacc_grid *grid; /* NULL: what stays is float */
    struct spacc_error *err;
};

/* The matrices of one node, and what their inputs are. */
struct spacc_prune_node {
    size_t first, count; /* matrices */
    struct spacc_prune_block *block;
    size_t blocks;
    struct spacc_gram **gram; /* [blocks]; NULL without calibration */
};

/* Matrices of the node that m[first] is of; they stand together. */
size_t spacc_prune_node_matrices(const struct spacc_prune_matrix *m, size_t count,
                                 size_t first);

/* Blocks of the matrices without a why and, with `l`, whose turn is this node's, about
 * `samples` vectors of their inputs; with `was`, the same requests through the model as it was,
 * how far they have drifted. Release in any case. */
enum spacc_status spacc_prune_node_look(struct spacc_prune_node *n,
                                        const struct spacc_prune_work *w, size_t first,
                                        size_t count, const struct spacc_lockstep *l,
                                        const struct spacc_lockstep *was, size_t samples);
void spacc_prune_node_release(struct spacc_prune_node *n);

/* Prune them as w->result says, and fill in what came of it. */
enum spacc_status spacc_prune_node_run(const struct spacc_prune_node *n,
                                       const struct spacc_prune_work *w);

/* Step until it is the turn of `node`; NULL: nothing happens. */
enum spacc_status spacc_prune_reach(struct spacc_lockstep *l, int node,
                                    struct spacc_error *err);

#endif
