/* prune.h - bank-balanced pruning by magnitude, each row by itself or gates together. */
#ifndef SPACC_PRUNE_H
#define SPACC_PRUNE_H

#include <stddef.h>

#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Weights a bank keeps: bank_size less the whole number nearest sparsity * bank_size, at
 * least 1. SPACC_EINVAL unless 0 <= sparsity < 1, bank_size >= 1, and sparsity * bank_size is a
 * whole number within 1e-6 ("sparsity 0.8 of a bank of 16 is 12.8 weights: choose 0.75
 * or 0.8125, or a bank size of 20"). */
enum spacc_status spacc_prune_kept(size_t *k, double sparsity, size_t bank_size,
                                   struct spacc_error *err);

/* Zero all but the k largest |w| of every bank of every row of dense float
 * [rows][cols], in place; ties keep the lowest column. The last bank may be short
 * (cols not a multiple of bank_size): it counts as padded with zeros, so it keeps min(k, its
 * columns). *energy_kept (NULL is allowed) is the share of the sum of squares that stays
 * (1 when all weights are zero). SPACC_EINVAL for sizes, k not 1..bank_size, or a weight that
 * is not finite (row, column); SPACC_ENOMEM. On failure dense is as it was. */
enum spacc_status spacc_prune_magnitude(float *dense, size_t rows, size_t cols,
                                        size_t bank_size, size_t k, double *energy_kept,
                                        struct spacc_error *err);

/* The same with columns shared by groups of rows: `rows_shared` rows that stand `stride` apart
 * keep the same k columns of a bank, those with the largest sum of squares over the group.
 *
 *   ONNX order, gates of a unit:  stride = units, rows_shared = 4 (LSTM) or 3 (GRU)
 *   quads of rows in a row:       stride = 1, rows_shared = 4
 *
 * Rows are in blocks of rows_shared * stride, the last of which may be short: what it lacks
 * counts as zeros. It keeps less of the sum of squares than spacc_prune_magnitude(), and only
 * an array that feeds several rows from one read of the vector gains by it (cards 16x16s and
 * 16x16p; README.md has numbers). Errors as there, and SPACC_EINVAL unless rows_shared is 1
 * or more and rows a multiple of stride. */
enum spacc_status spacc_prune_shared(float *dense, size_t rows, size_t cols, size_t stride,
                                     size_t rows_shared, size_t bank_size, size_t k,
                                     double *energy_kept, struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
