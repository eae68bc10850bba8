/* permute.h - which columns share a bank: an order of columns before pruning that keeps more
 * (Pool and Yu, "Channel permutations for N:M sparsity", 2021, for banks). */
#ifndef SPACC_PERMUTE_H
#define SPACC_PERMUTE_H

#include <stddef.h>
#include <stdint.h>

#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* order[cols]: column order[c] is to stand at c so that keeping k of every bank keeps more of
 * the sum of squares of score float [rows][cols] (w, or w times the norm of its input). Columns
 * are dealt by their norms, then pairs of two banks are swapped while that gains; `seed` picks
 * the pairs; at most `swaps` are looked at. Never worse than the order there was: then order is
 * 0, 1, 2... *before and *after (NULL is allowed) are the shares of squares kept. SPACC_EINVAL:
 * sizes, k, a score that is not finite; SPACC_ENOMEM. */
enum spacc_status spacc_permute_columns(uint32_t *order, const float *score, size_t rows,
                                        size_t cols, size_t bank_size, size_t k, uint64_t seed,
                                        size_t swaps, double *before, double *after,
                                        struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
