/* prune_obs.h - bank-balanced pruning that corrects what it leaves: the optimal brain surgeon,
 * one column block after the other (SparseGPT, Frantar and Alistarh 2023), with a bank as the
 * block and k weights kept in each; then what is left is fitted once more, all columns
 * together.
 */
#ifndef SPACC_PRUNE_OBS_H
#define SPACC_PRUNE_OBS_H

#include "sparse/gram.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Columns of a matrix that stand together, with banks of their own: x and h of a recurrent
 * layer (dual ratio: each its own k), or all columns. */
struct spacc_prune_part {
    size_t cols;
    size_t bank_size; /* 1..65536; the last bank of a part may be short */
    size_t k;         /* kept a bank, 1..bank_size; bank_size: nothing is pruned */
    int frac;         /* fraction bits of its inputs on the card; read when weight_bits > 0 */
};

struct spacc_prune_obs {
    size_t parts;
    const struct spacc_prune_part *part; /* their cols sum up to those of the matrix */
    int weight_bits; /* 8 or 16: survivors are put on the grid of the card's integers, each
                      * making up for the others' rounding; spacc_fixed_quantise() then finds
                      * these integers exactly. 0: floats */
    double damp;     /* added to the diagonal, as a share of its mean; 0: 0.01 */
};

/* What came of it. */
struct spacc_prune_result {
    double energy_kept; /* sum of squares after / before (obs may go beyond 1) */
    double error;       /* mean square error of the outputs over their mean square; both are of
                         * the calibration data; -1 without */
    double damp;   /* share that was needed: a matrix that is not positive definite gets ten
                    * times more until it is */
    double shrink; /* share of the covariances that so few samples leave to chance, and that was
                    * not counted on: 1 of 2 samples, towards 0 of many */
};

/* Scores |w| * norm[column]: as spacc_prune_magnitude() otherwise; norm [cols], 0 or more. A
 * bank whose norms are all zero goes by |w|. */
enum spacc_status spacc_prune_wanda(float *dense, size_t rows, size_t cols, size_t bank_size,
                                    size_t k, const float *norm, double *energy_kept,
                                    struct spacc_error *err);

/* Prune dense float [rows][cols] in place; bias [rows] takes up what a constant can correct,
 * NULL: there is none. Rows do not depend on each other; the same input gives the same bits.
 * Weights of inputs that were always zero are the first to go, and do not change otherwise.
 * SPACC_EINVAL: sizes, parts that do not sum up, k, weight_bits, damp, fewer than 2 samples, a
 * weight that is not finite; SPACC_ENOMEM. On failure dense and bias are as they were. */
enum spacc_status spacc_prune_obs(float *dense, float *bias, size_t rows,
                                  const struct spacc_prune_obs *how,
                                  const struct spacc_gram *gram,
                                  struct spacc_prune_result *result, struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
