/* observe.h - what the inputs of a node's blocks are, from calibration requests. */
#ifndef SPACC_PRUNE_OBSERVE_H
#define SPACC_PRUNE_OBSERVE_H

#include "host/prune/block.h"
#include "sparse/gram.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Add what one request gives a node: in[] are the node's inputs, as in spacc_op_call, and
 * was[], NULL or of the same shapes, what they were before anything was pruned; then drifts are
 * added, too. gram[i], of block[i].cols columns, gets at most `limit` vectors, evenly spaced
 * over what there is:
 *
 *   MatMul, Gemm   the rows of A
 *   Conv           the patches of a group, padding as 0
 *   LSTM, GRU      every step of every sequence of a direction: x(t), h(t-1); h as the weights
 *                  of now give it
 *
 * r of a GRU is computed with its own weights; where its activation is not a Sigmoid or is
 * clipped, r counts as 1. SPACC_EINVAL: values that are not finite; errors of the operator;
 * SPACC_ENOMEM. */
enum spacc_status spacc_observe(struct spacc_gram *const *gram,
                                const struct spacc_prune_block *block, size_t blocks,
                                const struct spacc_graph *g, int node,
                                const struct spacc_tensor *const *in,
                                const struct spacc_tensor *const *was, size_t limit,
                                struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
