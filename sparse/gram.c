#include "sparse/gram.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cblas.h>

enum {
    COLS_MAX = 65536,
    CHUNK = 256, /* samples that are added at once */
    TILE = 64    /* rows and columns of a block of gram_error */
};

enum spacc_status spacc_gram_create(struct spacc_gram **out, size_t cols,
                                    struct spacc_error *err)
{
    *out = NULL;
    if (cols == 0 || cols > COLS_MAX)
        return spacc_fail(err, SPACC_EINVAL, "a gram matrix of %zu columns: not 1 to %d", cols,
                          COLS_MAX);
    struct spacc_gram *g = calloc(1, sizeof(*g));
    float *sum = calloc(cols + 1, (cols + 1) * sizeof(*sum));
    if (!g || !sum) {
        free(g);
        free(sum);
        return spacc_fail(err, SPACC_ENOMEM, "out of memory for a gram matrix of %zu columns",
                          cols);
    }
    *g = (struct spacc_gram){.cols = cols, .sum = sum};
    *out = g;
    return SPACC_OK;
}

void spacc_gram_free(struct spacc_gram *g)
{
    if (g) {
        free(g->sum);
        free(g->drift);
    }
    free(g);
}

static enum spacc_status check_samples(const float *x, size_t samples, size_t cols,
                                       struct spacc_error *err)
{
    for (size_t i = 0; i < samples * cols; i++)
        if (!isfinite(x[i]))
            return spacc_fail(err, SPACC_EINVAL, "sample %zu, column %zu is %g, not finite",
                              i / cols, i % cols, (double)x[i]);
    return SPACC_OK;
}

/* The samples with their constant behind them. */
static void copy_samples(float *to, const float *x, size_t samples, size_t cols)
{
    for (size_t s = 0; s < samples; s++) {
        memcpy(to + s * (cols + 1), x + s * cols, cols * sizeof(*x));
        to[s * (cols + 1) + cols] = 1.0F;
    }
}

enum spacc_status spacc_gram_add(struct spacc_gram *g, const float *x, size_t samples,
                                 struct spacc_error *err)
{
    const size_t n = g->cols + 1, most = samples < CHUNK ? samples : CHUNK;
    size_t bytes;

    if (__builtin_mul_overflow(samples, g->cols * sizeof(*x), &bytes))
        return spacc_fail(err, SPACC_EINVAL, "%zu samples of %zu columns", samples, g->cols);
    const enum spacc_status status = check_samples(x, samples, g->cols, err);
    if (status != SPACC_OK || samples == 0)
        return status;
    float *chunk = malloc(most * n * sizeof(*chunk));
    if (!chunk)
        return spacc_fail(err, SPACC_ENOMEM, "out of memory for %zu samples", most);

    openblas_set_num_threads(1); /* as in host/: bits must not depend on their number */
    for (size_t s = 0; s < samples; s += most) {
        const size_t count = samples - s < most ? samples - s : most;
        copy_samples(chunk, x + s * g->cols, count, g->cols);
        cblas_ssyrk(CblasRowMajor, CblasLower, CblasTrans, (blasint)n, (blasint)count, 1.0F,
                    chunk, (blasint)n, 1.0F, g->sum, (blasint)n);
    }
    g->samples += samples;
    free(chunk);
    return SPACC_OK;
}

/* d = was - x, nothing for the constant. */
static void copy_drift(float *to, const float *was, const float *x, size_t samples, size_t cols)
{
    for (size_t s = 0; s < samples; s++) {
        for (size_t c = 0; c < cols; c++)
            to[s * (cols + 1) + c] = was[s * cols + c] - x[s * cols + c];
        to[s * (cols + 1) + cols] = 0.0F;
    }
}

static void sum_drift(struct spacc_gram *g, float *d, float *chunk, const float *was,
                      const float *x, size_t samples)
{
    const size_t n = g->cols + 1;

    for (size_t s = 0; s < samples; s += CHUNK) {
        const size_t count = samples - s < CHUNK ? samples - s : CHUNK;
        copy_samples(chunk, x + s * g->cols, count, g->cols);
        copy_drift(d, was + s * g->cols, x + s * g->cols, count, g->cols);
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)n, (blasint)n,
                    (blasint)count, 1.0F, d, (blasint)n, chunk, (blasint)n, 1.0F, g->drift,
                    (blasint)n);
    }
}

enum spacc_status spacc_gram_add_drift(struct spacc_gram *g, const float *was, const float *x,
                                       size_t samples, struct spacc_error *err)
{
    const size_t n = g->cols + 1;
    float *d = NULL, *chunk = NULL;
    enum spacc_status status = check_samples(was, samples, g->cols, err);

    if (status != SPACC_OK)
        return status;
    if (!g->drift)
        g->drift = calloc(n, n * sizeof(*g->drift));
    d = malloc(CHUNK * n * sizeof(*d));
    chunk = malloc(CHUNK * n * sizeof(*chunk));
    if (!g->drift || !d || !chunk) {
        status = spacc_fail(err, SPACC_ENOMEM, "out of memory for %zu columns", n);
        goto out;
    }
    status = spacc_gram_add(g, x, samples, err);
    if (status == SPACC_OK)
        sum_drift(g, d, chunk, was, x, samples);
out:
    free(chunk);
    free(d);
    return status;
}

void spacc_gram_norms(const struct spacc_gram *g, float *norm)
{
    for (size_t c = 0; c < g->cols; c++) {
        const double sum = (double)g->sum[c * (g->cols + 1) + c];
        norm[c] = g->samples ? (float)sqrt(sum / (double)g->samples) : 0.0F;
    }
}

/* ---- error: the sum of d G d over rows, in tiles small enough for the stack ---- */

/* The rows d = (w - v, b - a); v NULL: zeros, b and a NULL: zeros. */
struct difference {
    const float *w, *b, *v, *a;
    size_t rows, cols;
};

static double difference_at(const struct difference *d, size_t row, size_t c)
{
    if (c == d->cols)
        return (d->b ? (double)d->b[row] : 0.0) - (d->a ? (double)d->a[row] : 0.0);
    const size_t i = row * d->cols + c;
    return (double)d->w[i] - (d->v ? (double)d->v[i] : 0.0);
}

static size_t at_most(size_t left)
{
    return left < TILE ? left : TILE;
}

static void load_rows(double to[TILE][TILE], const struct difference *d, size_t row, size_t c)
{
    memset(to, 0, TILE * sizeof(*to));
    for (size_t r = 0; r < at_most(d->rows - row); r++)
        for (size_t i = 0; i < at_most(d->cols + 1 - c); i++)
            to[r][i] = difference_at(d, row + r, c + i);
}

/* Rows i.., columns j.. of the lower triangle; what is below the diagonal counts twice. */
static void load_gram(double to[TILE][TILE], const struct spacc_gram *g, size_t i, size_t j)
{
    const size_t n = g->cols + 1;

    memset(to, 0, TILE * sizeof(*to));
    for (size_t r = i; r < i + at_most(n - i); r++)
        for (size_t c = j; c <= r && c < j + at_most(n - j); c++)
            to[r - i][c - j] = (c < r ? 2.0 : 1.0) * (double)g->sum[r * n + c];
}

static double tile_sum(double at_i[TILE][TILE], double gram[TILE][TILE],
                       double at_j[TILE][TILE])
{
    double product[TILE][TILE];

    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, TILE, TILE, TILE, 1.0, at_i[0], TILE,
                gram[0], TILE, 0.0, product[0], TILE);
    return cblas_ddot(TILE * TILE, product[0], 1, at_j[0], 1);
}

static double mean_square(const struct spacc_gram *g, const struct difference *d)
{
    double at_i[TILE][TILE], at_j[TILE][TILE], gram[TILE][TILE], sum = 0.0;

    for (size_t row = 0; row < d->rows; row += TILE)
        for (size_t i = 0; i <= g->cols; i += TILE) {
            load_rows(at_i, d, row, i);
            for (size_t j = 0; j <= i; j += TILE) {
                load_rows(at_j, d, row, j);
                load_gram(gram, g, i, j);
                sum += tile_sum(at_i, gram, at_j);
            }
        }
    return fmax(sum, 0.0) / ((double)g->samples * (double)d->rows);
}

double spacc_gram_error(const struct spacc_gram *g, const float *w, const float *b,
                        const float *v, const float *a, size_t rows, double *whole)
{
    const struct difference lost = {w, b, v, a, rows, g->cols};
    const struct difference all = {w, b, NULL, NULL, rows, g->cols};

    *whole = 0.0;
    if (g->samples == 0 || rows == 0)
        return 0.0;
    openblas_set_num_threads(1);
    *whole = mean_square(g, &all);
    return mean_square(g, &lost);
}
