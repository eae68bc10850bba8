/* matrix.h - the weight matrices of a model: what can be pruned, and what cannot and why.
 *
 * A matrix has rows = outputs and columns = inputs, whatever way its tensor is stored:
 *
 *   LSTM, GRU      W and R, one of each a direction
 *   MatMul, Gemm   B, of rank 2
 *   Conv           W as im2col has it: [Cout][Cin / group * kernel]; the rows of a group have
 *                  inputs of their own */
#ifndef SPACC_PRUNE_MATRIX_H
#define SPACC_PRUNE_MATRIX_H

#include "models/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

enum spacc_prune_kind {
    SPACC_KIND_PRODUCT,
    SPACC_KIND_CONV,
    SPACC_KIND_X, /* of a recurrent layer: times x */
    SPACC_KIND_H  /* times h */
};

struct spacc_prune_matrix {
    enum spacc_prune_kind kind;
    const struct spacc_node *node;
    int number;     /* of the node in its graph */
    char label[24]; /* "W", "R", "W backward", "B" */
    int value;      /* number of the value in the graph, -1: see why */
    const struct spacc_tensor *init;
    size_t rows, cols;
    size_t direction; /* of a recurrent layer; 1: backward, beside a forward one */
    size_t groups;    /* of a Conv; else 1 */
    size_t first, row_step,
        col_step;    /* element (r, c) is at first + r * row_step + c * col_step */
    const char *why; /* why it is skipped, or NULL */
};

/* Weight matrices of the graph and of the branches in it (those only to say that they are
 * skipped), in the order of the nodes. *list is freed by the caller. SPACC_ENOMEM. */
enum spacc_status spacc_prune_matrices(struct spacc_prune_matrix **list, size_t *count,
                                       const struct spacc_graph *g);

/* Copy a matrix between `from` (the tensor's elements) and dense [rows][cols]. */
void spacc_prune_matrix_get(const struct spacc_prune_matrix *m, const float *from,
                            float *dense);
void spacc_prune_matrix_put(const struct spacc_prune_matrix *m, const float *dense, float *to);

/* Contents of a constant value, an initialiser or the output of a Constant node; else NULL. */
struct spacc_tensor *spacc_prune_constant(const struct spacc_graph *g, int value);

#ifdef __cplusplus
}
#endif

#endif
