/* trace.h - who sees the features of a layer, and whether all of them can take another order.
 */
#ifndef SPACC_PRUNE_TRACE_H
#define SPACC_PRUNE_TRACE_H

#include "host/prune/matrix.h"
#include "models/run.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPACC_TRACE_MAX = 64 };

/* A constant [outer][units][inner] whose middle axis is renumbered. */
struct spacc_trace_axis {
    int value;
    size_t outer, inner;
};

/* Columns of a matrix are the features; `input`: the value that holds them. */
struct spacc_trace_reader {
    const struct spacc_prune_matrix *m;
    int input;
};

/* All that has to change when the `units` features of a node do. */
struct spacc_trace {
    const struct spacc_graph *g;
    const struct spacc_prune_matrix *m; /* all of the graph */
    size_t matrices;
    const struct spacc_binding *shapes;
    size_t units;
    size_t axes, readers, seen;
    struct spacc_trace_axis axis[SPACC_TRACE_MAX];
    struct spacc_trace_reader reader[SPACC_TRACE_MAX];
    int value[SPACC_TRACE_MAX]; /* traced so far */
    char why[192];              /* "": all of them can */
};

/* Whether a node makes features that may have readers: LSTM, GRU, MatMul, Gemm. */
bool spacc_trace_makes(const struct spacc_node *n);

/* Find all that belongs to a node's features into `t`, whose g, m, matrices and shapes are set.
 */
void spacc_trace_node(struct spacc_trace *t, int node);

#ifdef __cplusplus
}
#endif

#endif
