#include "sparse/prune_obs.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cblas.h>

#include "sparse/obs_parts.h"
#include "sparse/prune_parts.h"

/* LAPACK, which OpenBLAS brings; its own header is in another package. */
void dpotrf_(const char *uplo, const blasint *n, double *a, const blasint *lda, blasint *info);
void dtrtri_(const char *uplo, const char *diag, const blasint *n, double *a,
             const blasint *lda, blasint *info);

/* Of the diagonal of an input that was always zero, as a share of what is added to the others:
 * so its weight is the first to go, and of several the smallest. */
static const double dead_share = 1e-12;

/* How much of the way to the dense model's outputs a matrix goes for those before it: all of it
 * fits the calibration data too well (README.md). */
static const double drift_taken = 0.25;

enum { BANK_MAX = 65536, FRAC_MAX = 64 };

/* ---- arguments ---- */

static enum spacc_status check_part(const struct spacc_prune_part *p, size_t i,
                                    struct spacc_error *err)
{
    if (p->cols == 0)
        return spacc_fail(err, SPACC_EINVAL, "part %zu has no columns", i);
    if (p->bank_size == 0 || p->bank_size > BANK_MAX)
        return spacc_fail(err, SPACC_EINVAL, "part %zu: bank size %zu is not 1 to %d", i,
                          p->bank_size, BANK_MAX);
    if (p->k == 0 || p->k > p->bank_size)
        return spacc_fail(err, SPACC_EINVAL, "part %zu: a bank of %zu cannot keep %zu weights",
                          i, p->bank_size, p->k);
    if (p->frac < -FRAC_MAX || p->frac > FRAC_MAX)
        return spacc_fail(err, SPACC_EINVAL, "part %zu: %d fraction bits are not -%d to %d", i,
                          p->frac, FRAC_MAX, FRAC_MAX);
    return SPACC_OK;
}

static enum spacc_status check_how(const struct spacc_prune_obs *how, size_t cols,
                                   struct spacc_error *err)
{
    size_t sum = 0;

    if (how->weight_bits != 0 && how->weight_bits != 8 && how->weight_bits != 16)
        return spacc_fail(err, SPACC_EINVAL, "weights of %d bits: not 8 or 16, or 0 for floats",
                          how->weight_bits);
    if (!(how->damp >= 0.0 && isfinite(how->damp)))
        return spacc_fail(err, SPACC_EINVAL, "damping %g is not 0 or more", how->damp);
    for (size_t i = 0; i < how->parts; i++) {
        const enum spacc_status status = check_part(&how->part[i], i, err);
        if (status != SPACC_OK)
            return status;
        if (how->part[i].cols > cols - sum)
            return spacc_fail(err, SPACC_EINVAL, "parts have more than the %zu columns", cols);
        sum += how->part[i].cols;
    }
    if (sum != cols)
        return spacc_fail(err, SPACC_EINVAL, "parts have %zu columns, calibration data has %zu",
                          sum, cols);
    return SPACC_OK;
}

/* The diagonal is all that can be beyond floats: |a b| <= max(a a, b b). */
static enum spacc_status check_gram(const struct spacc_gram *g, struct spacc_error *err)
{
    if (g->samples < 2)
        return spacc_fail(err, SPACC_EINVAL, "%zu calibration samples: 2 or more are needed",
                          g->samples);
    for (size_t c = 0; c < g->cols; c++)
        if (!isfinite(g->sum[c * (g->cols + 1) + c]))
            return spacc_fail(err, SPACC_EINVAL,
                              "calibration data: the square of column %zu is beyond floats", c);
    return SPACC_OK;
}

static enum spacc_status check(const float *dense, const float *bias, size_t rows,
                               const struct spacc_prune_obs *how, const struct spacc_gram *gram,
                               struct spacc_error *err)
{
    enum spacc_status status = check_how(how, gram->cols, err);

    if (status == SPACC_OK)
        status = check_gram(gram, err);
    if (status == SPACC_OK && rows > INT_MAX / 2)
        return spacc_fail(err, SPACC_EINVAL, "%zu rows are too many", rows);
    if (status == SPACC_OK)
        status = spacc_prune_check(dense, rows, gram->cols, 1, 1, err);
    for (size_t r = 0; bias && r < rows && status == SPACC_OK; r++)
        if (!isfinite(bias[r]))
            status = spacc_fail(err, SPACC_EINVAL, "bias of row %zu is %g, not finite", r,
                                (double)bias[r]);
    return status;
}

/* ---- the Hessian ---- */

/* The sums, less chance: of covariances of so many inputs much is noise when samples are few,
 * and what is fitted to noise does not hold for other data. Means and squares stay. */
struct hessian {
    const struct spacc_gram *gram;
    double shrink;       /* share of all covariances that is taken off */
    double lambda, dead; /* added to the diagonal; all of it of inputs that were always zero */
};

static double sum_at(const struct spacc_gram *g, size_t i, size_t j)
{
    return (double)g->sum[i * (g->cols + 1) + j];
}

static double covariance(const struct spacc_gram *g, size_t i, size_t j)
{
    const double samples = (double)g->samples;

    return (sum_at(g, i, j) - sum_at(g, g->cols, i) * sum_at(g, g->cols, j) / samples) /
           samples;
}

/* The share that shrinking correlations should take for samples of a normal distribution (Chen
 * et al., "Shrinkage algorithms for MMSE covariance estimation", 2010, equation 23);
 * inverse: see below. */
static double shrinkage(const struct spacc_gram *g, const double *inverse)
{
    double squares = 0.0, p = 0.0;

    for (size_t i = 0; i < g->cols; i++) {
        p += inverse[i] > 0.0 ? 1.0 : 0.0;
        for (size_t j = 0; j < i; j++) {
            const double r = covariance(g, i, j) * inverse[i] * inverse[j];
            squares += 2.0 * r * r;
        }
    }
    squares += p;
    if (!(squares > p))
        return 1.0;
    const double top = (1.0 - 2.0 / p) * squares + p * p;
    const double below = ((double)g->samples - 2.0 / p) * (squares - p);
    return below > top ? fmax(top, 0.0) / below : 1.0;
}

/* 1 over the standard deviation; 0 of what does not vary. */
static void inverse_deviations(const struct spacc_gram *g, double *inverse)
{
    for (size_t c = 0; c < g->cols; c++) {
        const double square = sum_at(g, c, c) / (double)g->samples;
        const double variance = covariance(g, c, c);
        inverse[c] = variance > 1e-6 * square ? 1.0 / sqrt(variance) : 0.0;
    }
}

/* What is added to the diagonal at a damping of 1. */
static double mean_diagonal(const struct spacc_gram *g)
{
    double sum = 0.0;

    for (size_t c = 0; c < g->cols; c++)
        sum += sum_at(g, c, c);
    return sum / (double)g->cols;
}

/* Entry (i, j), j <= i. The constant is not damped: it is as it is whatever the inputs' units.
 */
static double entry(const struct hessian *h, size_t i, size_t j)
{
    const struct spacc_gram *g = h->gram;
    const double sum = sum_at(g, i, j);

    if (i == g->cols)
        return sum;
    if (i == j)
        return sum > 0.0 ? sum + h->lambda : h->dead;
    return sum - h->shrink * (double)g->samples * covariance(g, i, j);
}

/* U, as the Cholesky factor of the Hessian with rows and columns from last to first: with that
 * as L L^T, U is the inverse of L turned round. False: it is not positive definite. */
static bool factorise(struct spacc_obs *o, const struct hessian *h)
{
    const size_t n = o->n, last = n * n - 1;
    const blasint size = (blasint)n;
    blasint info;

    memset(o->upper, 0, n * n * sizeof(*o->upper));
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            o->upper[last - (j * n + i)] = entry(h, i, j);
    dpotrf_("U", &size, o->upper, &size, &info); /* what is upper by columns is lower by rows */
    if (info == 0)
        dtrtri_("U", "N", &size, o->upper, &size, &info);
    for (size_t i = 0; i < n * n / 2; i++) {
        const double kept = o->upper[i];
        o->upper[i] = o->upper[last - i];
        o->upper[last - i] = kept;
    }
    return info == 0;
}

/* Ten times more until it is positive definite. */
static enum spacc_status damp_enough(struct spacc_obs *o, struct hessian *h, double *damp,
                                     struct spacc_error *err)
{
    for (*damp = o->how->damp > 0.0 ? o->how->damp : 0.01; *damp <= 1e6; *damp *= 10.0) {
        h->lambda = fmax(*damp * mean_diagonal(h->gram), (double)FLT_MIN);
        h->dead = h->lambda * dead_share;
        if (factorise(o, h))
            return SPACC_OK;
    }
    return spacc_fail(err, SPACC_EINVAL,
                      "calibration data: no damping makes the Hessian positive definite");
}

static void fill_hessian(struct spacc_obs *o, struct hessian *h)
{
    h->dead = h->lambda; /* a float has no room for its share */
    for (size_t i = 0; i < o->n; i++)
        for (size_t j = 0; j <= i; j++)
            o->hessian[i * o->n + j] = o->hessian[j * o->n + i] = (float)entry(h, i, j);
}

/* ---- what pruning before this matrix did to its inputs ---- */

/* Entry (i, j) of the drift, its covariances shrunk as those of the inputs are. The mean of
 * what was taken from input i stands in the column of the constant. */
static double drift_at(const struct hessian *h, size_t i, size_t j)
{
    const struct spacc_gram *g = h->gram;
    const size_t n = g->cols + 1;
    const double all = (double)g->drift[i * n + j], mean = (double)g->drift[i * n + g->cols];
    const double by_means = mean * sum_at(g, g->cols, j) / (double)g->samples;

    return i == j || j == g->cols ? all : by_means + (1.0 - h->shrink) * (all - by_means);
}

/* before += before D H^-1, with which (before x) would come nearest to (dense was): the least
 * squares of the outputs that the model had, by the inputs that it now has; damped as the
 * Hessian. Only part of it is taken. */
static enum spacc_status aim(struct spacc_obs *o, const struct hessian *h,
                             struct spacc_error *err)
{
    const blasint n = (blasint)o->n, rows = (blasint)o->rows;
    double *drift = malloc(o->n * o->n * sizeof(*drift));
    double *step = malloc(o->rows * o->n * sizeof(*step));
    enum spacc_status status = SPACC_OK;

    if (!drift || !step) {
        status = spacc_fail(err, SPACC_ENOMEM, "out of memory for %zu columns", o->n);
        goto out;
    }
    for (size_t i = 0; i < o->n; i++)
        for (size_t j = 0; j < o->n; j++)
            drift[i * o->n + j] = drift_at(h, i, j);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, n, n, 1.0, o->before, n, drift,
                n, 0.0, step, n);
    cblas_dtrmm(CblasRowMajor, CblasRight, CblasUpper, CblasTrans, CblasNonUnit, rows, n, 1.0,
                o->upper, n, step, n);
    cblas_dtrmm(CblasRowMajor, CblasRight, CblasUpper, CblasNoTrans, CblasNonUnit, rows, n, 1.0,
                o->upper, n, step, n);
    cblas_daxpy(rows * n, drift_taken, step, 1, o->before, 1);
out:
    free(step);
    free(drift);
    return status;
}

/* ---- the whole ---- */

static enum spacc_status alloc(struct spacc_obs *o, struct spacc_error *err)
{
    size_t bytes;

    if (!__builtin_mul_overflow(o->rows, o->n * sizeof(double), &bytes)) {
        o->before = malloc(bytes);
        o->w = malloc(bytes);
        o->upper = malloc(o->n * o->n * sizeof(*o->upper));
        o->hessian = malloc(o->n * o->n * sizeof(*o->hessian));
    }
    if (o->before && o->w && o->upper && o->hessian)
        return SPACC_OK;
    return spacc_fail(err, SPACC_ENOMEM, "out of memory for pruning %zu x %zu weights", o->rows,
                      o->cols);
}

static void release(struct spacc_obs *o)
{
    free(o->before);
    free(o->w);
    free(o->upper);
    free(o->hessian);
}

static void load(struct spacc_obs *o, const float *dense, const float *bias)
{
    for (size_t r = 0; r < o->rows; r++) {
        double *w = o->before + r * o->n;
        for (size_t c = 0; c < o->cols; c++)
            w[c] = (double)dense[r * o->cols + c];
        if (bias)
            w[o->cols] = (double)bias[r];
    }
}

static void store(const struct spacc_obs *o, float *dense, float *bias)
{
    for (size_t r = 0; r < o->rows; r++) {
        const double *w = o->w + r * o->n;
        for (size_t c = 0; c < o->cols; c++)
            dense[r * o->cols + c] = (float)w[c];
        if (bias)
            bias[r] = (float)w[o->cols];
    }
}

static enum spacc_status prune(struct spacc_obs *o, const struct spacc_gram *gram,
                               struct spacc_prune_result *result, struct spacc_error *err)
{
    struct hessian h = {.gram = gram};

    inverse_deviations(gram, o->w); /* as scratch: n of it */
    result->shrink = h.shrink = shrinkage(gram, o->w);
    enum spacc_status status = damp_enough(o, &h, &result->damp, err);
    if (status == SPACC_OK && gram->drift)
        status = aim(o, &h, err);
    memcpy(o->w, o->before, o->rows * o->n * sizeof(*o->w));
    if (status == SPACC_OK)
        status = spacc_obs_walk(o, err);
    if (status != SPACC_OK)
        return status;
    fill_hessian(o, &h);
    status = spacc_obs_refit(o, err);
    if (status == SPACC_OK && o->how->weight_bits)
        status = spacc_obs_grid(o, err);
    return status;
}

/* Compare with what dense and bias were, and replace them. */
static void finish(float *dense, float *bias, const struct spacc_obs *o,
                   const struct spacc_gram *gram, float *new_dense, float *new_bias,
                   struct spacc_prune_result *result)
{
    const double energy = spacc_prune_energy(dense, o->rows * o->cols);
    double whole;

    store(o, new_dense, bias ? new_bias : NULL);
    const double error =
        spacc_gram_error(gram, dense, bias, new_dense, bias ? new_bias : NULL, o->rows, &whole);
    result->error = whole > 0.0 ? error / whole : 0.0;
    memcpy(dense, new_dense, o->rows * o->cols * sizeof(*dense));
    if (bias)
        memcpy(bias, new_bias, o->rows * sizeof(*bias));
    result->energy_kept =
        energy > 0.0 ? spacc_prune_energy(dense, o->rows * o->cols) / energy : 1.0;
}

enum spacc_status spacc_prune_obs(float *dense, float *bias, size_t rows,
                                  const struct spacc_prune_obs *how,
                                  const struct spacc_gram *gram,
                                  struct spacc_prune_result *result, struct spacc_error *err)
{
    struct spacc_obs o = {
        .rows = rows, .cols = gram->cols, .n = gram->cols + (bias != NULL), .how = how};
    float *new_dense = NULL, *new_bias = NULL;

    *result = (struct spacc_prune_result){.error = -1.0};
    enum spacc_status status = check(dense, bias, rows, how, gram, err);
    if (status != SPACC_OK)
        return status;
    openblas_set_num_threads(1); /* as in host/: bits must not depend on their number */
    status = alloc(&o, err);
    if (status != SPACC_OK)
        goto out;
    new_dense = malloc(rows * o.cols * sizeof(*new_dense));
    new_bias = malloc(rows * sizeof(*new_bias));
    if (!new_dense || !new_bias) {
        status = spacc_fail(err, SPACC_ENOMEM, "out of memory for %zu rows", rows);
        goto out;
    }
    load(&o, dense, bias);
    status = prune(&o, gram, result, err);
    if (status == SPACC_OK)
        finish(dense, bias, &o, gram, new_dense, new_bias, result);
out:
    free(new_dense);
    free(new_bias);
    release(&o);
    return status;
}
