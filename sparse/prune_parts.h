/* prune_parts.h - what the ways of pruning share: arguments, energy, the k best of a bank. */
#ifndef SPACC_PRUNE_PARTS_H
#define SPACC_PRUNE_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include "sparse/status.h"

/* As spacc_prune_magnitude() says: sizes, k, weights that are not finite. */
enum spacc_status spacc_prune_check(const float *dense, size_t rows, size_t cols,
                                    size_t bank_size, size_t k, struct spacc_error *err);

/* Sum of squares. */
double spacc_prune_energy(const float *dense, size_t count);

struct spacc_prune_candidate {
    double score;
    uint32_t column;
};

/* Bring the k with the largest scores to the front, in any order; of equals those with the
 * lowest columns. 0 < k < n. */
void spacc_prune_select(struct spacc_prune_candidate *order, size_t n, size_t k);

#endif
