/* sensitivity.h - how many weights each matrix keeps, under one budget, by what the outputs
 * lose without them. */
#ifndef SPACC_PRUNE_SENSITIVITY_H
#define SPACC_PRUNE_SENSITIVITY_H

#include "host/prune/prune.h"

#ifdef __cplusplus
extern "C" {
#endif

/* result[count], from spacc_prune_begin(), gets k and loss: each matrix is pruned alone to up
 * to ten levels, the model's outputs compared with those of the dense model (spacc_loss()), and
 * the levels with the least sum of losses taken that leave at most (1 - sparsity) of all
 * weights that can be pruned (spacc_allocate()). W and R of a layer are two matrices. With obs
 * the levels are tried by wanda's scores, which need no factorisation a level: the order of
 * sensitivities is theirs. Nothing in g is changed at the end. SPACC_EINVAL: banks cannot be
 * that sparse; errors of a run; SPACC_EUNSUPPORTED: no float32 output; SPACC_ENOMEM. */
enum spacc_status spacc_prune_allocate(struct spacc_pruned *result, struct spacc_graph *g,
                                       const struct spacc_prune_matrix *m, size_t count,
                                       const struct spacc_prune_how *how, double sparsity,
                                       const struct spacc_requests *requests,
                                       struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
