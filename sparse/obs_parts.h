/* obs_parts.h - the steps of spacc_prune_obs() and what they share.
 *
 * With a bias the matrix has one column more, of an input that is always 1: it is the last one
 * and is never pruned. n is the columns with it. */
#ifndef SPACC_OBS_PARTS_H
#define SPACC_OBS_PARTS_H

#include "sparse/prune_obs.h"

struct spacc_obs {
    size_t rows, cols, n;
    const struct spacc_prune_obs *how;
    double *before; /* [rows][n] */
    double *w;      /* [rows][n], what it becomes */
    double *upper;  /* [n][n] U: U^T U is the inverse of the Hessian; zero below the diagonal */
    float *hessian; /* [n][n], damped; both triangles */
};

/* Prune bank after bank, from left to right: the weights of a bank that go are those that cost
 * least, given that all others of the bank and everything to the right of it may still follow.
 * SPACC_ENOMEM. */
enum spacc_status spacc_obs_walk(struct spacc_obs *o, struct spacc_error *err);

/* Bring what is not zero, and the bias, towards the least squares of `before`, all rows at
 * once: the walk could not correct what stood to the left. Never ends with a larger error.
 * SPACC_ENOMEM. */
enum spacc_status spacc_obs_refit(struct spacc_obs *o, struct spacc_error *err);

/* Put what is not zero on the card's grid, and let each weight make up for what rounding the
 * others did. SPACC_ENOMEM. */
enum spacc_status spacc_obs_grid(struct spacc_obs *o, struct spacc_error *err);

#endif
