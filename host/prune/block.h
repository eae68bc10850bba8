/* block.h - what is pruned in one go: rows of a node's matrices that are multiplied by the same
 * inputs.
 *
 *   MatMul, Gemm   all rows, on the rows of A
 *   Conv           the rows of a group, on its patches
 *   LSTM           all rows of a direction, W and R side by side, on [x(t) ; h(t-1)]: a gate
 *                  adds up both, so what one part loses the other can take up
 *   GRU            z and r as LSTM; the candidate on [x ; r * h], or, with linear_before_reset
 *                  (r comes behind the sum) or apart, W on x and R on h (r * h) */
#ifndef SPACC_PRUNE_BLOCK_H
#define SPACC_PRUNE_BLOCK_H

#include "host/prune/matrix.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_prune_block {
    const struct spacc_prune_matrix *part[2]; /* x or all columns; h. NULL: not there */
    bool reset;                               /* h is r * h */
    size_t group;                             /* Conv */
    size_t direction;                         /* LSTM, GRU */
    size_t first_row, rows;                   /* of the matrices */
    size_t cols;                              /* of the parts together */
    int frac[2]; /* of the inputs of the parts on a card; set by others */
    /* The constant that is added to the sums: element row of `bias` from bias_at, and of a
     * recurrent layer the one of R beside it (from bias_r_at). bias -1: there is none, or
     * somebody else reads it too. */
    int bias;
    size_t bias_at, bias_r_at;
};

enum { SPACC_PRUNE_BLOCKS_MAX = 6 }; /* of a node without groups */

/* Blocks of a node from those of its matrices that take part: use[i] of the `count` matrices at
 * `m`, all of one node. `apart`: x and h of a GRU's candidate are two rows, as on a card.
 * *out [*blocks] is freed by the caller. SPACC_ENOMEM. */
enum spacc_status spacc_prune_blocks(struct spacc_prune_block **out, size_t *blocks,
                                     const struct spacc_graph *g,
                                     const struct spacc_prune_matrix *m, const bool *use,
                                     size_t count, bool apart, struct spacc_error *err);

/* How often a value is read: by nodes, branches in them, and as an output of the graph. */
int spacc_value_readers(const struct spacc_graph *g, int value);

/* Copy part 0 or 1 of a block out of its tensor, dense [rows][part cols], and back. `stride`:
 * floats from row to row of dense. */
void spacc_prune_block_get(const struct spacc_prune_block *b, int part, float *dense,
                           size_t stride);
void spacc_prune_block_put(const struct spacc_prune_block *b, int part, const float *dense,
                           size_t stride, float *to);

/* bias[rows] of a block that has one: the sum of what is added. _set puts another sum in: the
 * change goes into the one of W. */
void spacc_prune_block_bias(const struct spacc_prune_block *b, const struct spacc_graph *g,
                            float *bias);
void spacc_prune_block_set_bias(const struct spacc_prune_block *b, const struct spacc_graph *g,
                                const float *bias);

#ifdef __cplusplus
}
#endif

#endif
