/* permute.h - columns in another order before they are cut in banks, where that costs nothing
 * at run time: the features that a layer hands on are renumbered, in the layer that makes them
 * and in all that reads them.
 *
 *   LSTM, GRU     hidden units of one direction: rows of every gate of W, R, B and P, columns
 * of R, constant initial states; its state is no output of the model MatMul, Gemm  columns of
 * B, C; they feed another matrix
 *
 * read through nodes that keep the last axis as it is (Identity, Dropout, Squeeze, Unsqueeze,
 * Reshape, Transpose, Gather on another axis, element-wise functions, Add and Mul .. with a
 * constant) by MatMul, Gemm, LSTM or GRU. The model gives the same outputs but for the order in
 * which it adds up. */
#ifndef SPACC_PRUNE_PERMUTE_H
#define SPACC_PRUNE_PERMUTE_H

#include "host/prune/prune.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One layer whose features were looked at. */
struct spacc_permuted {
    const struct spacc_node *node;
    size_t units;
    char why[192];        /* not free, for this reason; "": it is */
    double before, after; /* share of squares that the banks keep; set where it is free */
};

/* Renumber what can be, so that banks of result[].k keep more; scores are |w|, with requests
 * |w| times the root mean square of its input. Only columns of matrices that are pruned
 * (result[].why is empty) count. changed[g->values]: as in spacc_prune_model(). LSTM and GRU
 * are always told of, products where another matrix follows them. *out [*count] is freed by the
 * caller. Errors of a run; SPACC_ENOMEM. On failure some layers may be renumbered. */
enum spacc_status spacc_prune_permute(struct spacc_permuted **out, size_t *count,
                                      struct spacc_graph *g, const struct spacc_prune_matrix *m,
                                      size_t matrices, const struct spacc_pruned *result,
                                      size_t bank_size, const struct spacc_requests *requests,
                                      bool *changed, struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
