/* gram.h - what calibration tells of the inputs of a matrix: the sum of x x^T over samples.
 *
 * Its diagonal holds the squared norms of the inputs (Sun et al., "A simple and effective
 * pruning approach", 2023), all of it is the Hessian of the squared error of the outputs up to
 * a factor of 2 (Frantar and Alistarh, "SparseGPT", 2023, section 3). */
#ifndef SPACC_GRAM_H
#define SPACC_GRAM_H

#include <stddef.h>

#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Sums over x and an input that is always 1, which stands for the bias. Entry (i, j), j <= i,
 * is at sum[i * (cols + 1) + j]; what lies above the diagonal is not used. */
struct spacc_gram {
    size_t cols;    /* of the matrix, 1..65536; the constant is column `cols` */
    size_t samples; /* vectors added */
    float *sum;     /* [cols + 1][cols + 1], the lower triangle */
    float *drift; /* [cols + 1][cols + 1], all of it: see spacc_gram_add_drift(); NULL: none */
};

/* SPACC_EINVAL for cols, SPACC_ENOMEM. Free with spacc_gram_free(). */
enum spacc_status spacc_gram_create(struct spacc_gram **out, size_t cols,
                                    struct spacc_error *err);
void spacc_gram_free(struct spacc_gram *g); /* NULL is allowed */

/* Add x float [samples][cols]. SPACC_EINVAL for a value that is not finite (sample, column);
 * the sums are then as before. SPACC_ENOMEM. */
enum spacc_status spacc_gram_add(struct spacc_gram *g, const float *x, size_t samples,
                                 struct spacc_error *err);

/* Add x as above, and to `drift` the sum of (was - x) x^T: was float [samples][cols] is what x
 * would be if nothing before the matrix had been changed. Samples of spacc_gram_add() have not
 * drifted. */
enum spacc_status spacc_gram_add_drift(struct spacc_gram *g, const float *was, const float *x,
                                       size_t samples, struct spacc_error *err);

/* norm[cols] = sqrt of the mean square of every input; 0 samples: all 0. */
void spacc_gram_norms(const struct spacc_gram *g, float *norm);

/* Mean over samples and rows of ((w - v) x + b - a)^2, and, in *whole, of (w x + b)^2:
 * dense and pruned [rows][cols]; b and a [rows] or both NULL. */
double spacc_gram_error(const struct spacc_gram *g, const float *w, const float *b,
                        const float *v, const float *a, size_t rows, double *whole);

#ifdef __cplusplus
}
#endif

#endif
