/* contest.h - two allocations of the same number of weights, pruned in full; the one whose
 * outputs lose less stays. Sensitivities are measured one matrix at a time, and their sum is
 * not what all of them lose together. */
#ifndef SPACC_PRUNE_CONTEST_H
#define SPACC_PRUNE_CONTEST_H

#include "host/prune/prune.h"

#ifdef __cplusplus
extern "C" {
#endif

/* spacc_prune_model() with the k of result, then with those of other[count]; the model, result,
 * changed and *outputs_error are those of the better in the end, `result` in a tie. loss[0],
 * [1]: of both. *other_won says which. Takes the memory of all constants twice. Errors of
 * spacc_prune_model(). */
enum spacc_status spacc_prune_contest(struct spacc_pruned *result,
                                      const struct spacc_pruned *other, bool *changed,
                                      struct spacc_graph *g, const struct spacc_prune_matrix *m,
                                      size_t count, const struct spacc_prune_how *how,
                                      const struct spacc_requests *requests,
                                      double *outputs_error, double loss[2], bool *other_won,
                                      struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
