/* clean.h - make a graph smaller before it runs: the same results by fewer nodes.
 *
 *   fold    nodes of constants only become constants; Shape of a known shape too
 *   move    Identity, Dropout, Cast to the same type, shape changes and transposes that
 *           cancel go away
 *   norm    BatchNormalization and constant Mul, Add .. per channel go into the weights of
 *           the Conv, ConvTranspose, Gemm or MatMul before them
 *   cell    an LSTM or GRU cell written out as MatMul, Sigmoid, Tanh, Mul .. becomes one node
 *   dead    nodes and constants that nobody reads go away
 *
 * The passes repeat until none finds anything. Names play no part in what is found. */
#ifndef SPACC_CLEAN_H
#define SPACC_CLEAN_H

#include "models/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What was done, branches included. */
struct spacc_clean_report {
    int nodes_before, nodes_after;
    int folded;    /* nodes that became constants */
    int removed;   /* nodes that changed nothing: Identity, a pair that cancels .. */
    int moved;     /* pairs of transposes that met by moving through elementwise operators */
    int fused;     /* nodes taken into the weights before them: results differ by rounding */
    int cells;     /* LSTM and GRU cells found: results differ by rounding */
    int dead;      /* nodes nobody read */
    int constants; /* initialised values nobody read */
};

/* Clean `g` in place; what is not understood stays as it is. The graph's inputs and outputs
 * keep their names, types and order; value and node numbers change. Branches (and bodies of
 * loops) are cleaned as graphs of their own.
 *
 * With fused == cells == 0 in the report the results keep every bit.
 *
 * Results above 64 MiB are not folded, except those of ConstantOfShape: weights, up to 512 MiB.
 * All results together: up to 1 GiB.
 *
 * New names: weights of Conv .. that took something in: "<weights>/norm", "<weights>/bias";
 * of a cell: "<weights of x>/W", "<weights of h>/R", "<weights of x>/B" after the first gate's
 * source; the node "<node that made h>/LSTM" or ".../GRU". A number follows where the name is
 * taken.
 *
 * report   may be NULL; filled in any case
 * SPACC_ENOMEM: the graph may only be freed. */
enum spacc_status spacc_graph_clean(struct spacc_graph *g, struct spacc_clean_report *report,
                                    struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
