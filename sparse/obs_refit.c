/* Conjugate gradients, a row each, with the diagonal as preconditioner: for all rows together
 * an iteration is one product with the Hessian. From wherever it begins every step lessens
 * (w - before) H (w - before), so what is cut short is still no worse.
 *
 * Steps and residuals are floats, as the Hessian is; what they add to is not. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cblas.h>

#include "sparse/obs_parts.h"

enum { ITERATIONS = 16 }; /* README.md has what more gain */

struct refit {
    struct spacc_obs *o;
    float *residual, *step, *product; /* [rows][n] */
    double *scale;                    /* [rows] residual * preconditioned residual */
};

static bool is_free(const struct spacc_obs *o, size_t row, size_t c)
{
    return c >= o->cols || fabs(o->w[row * o->n + c]) > 0.0;
}

static void multiply(const struct refit *f, const float *with)
{
    const struct spacc_obs *o = f->o;
    const blasint n = (blasint)o->n;

    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)o->rows, n, n, 1.0F, with,
                n, o->hessian, n, 0.0F, f->product, n);
}

/* Residual of what is free, and the first step. */
static void begin(struct refit *f)
{
    const struct spacc_obs *o = f->o;

    for (size_t i = 0; i < o->rows * o->n; i++)
        f->step[i] = (float)(o->w[i] - o->before[i]);
    multiply(f, f->step);
    for (size_t r = 0; r < o->rows; r++) {
        double sum = 0.0;
        for (size_t c = 0; c < o->n; c++) {
            const size_t i = r * o->n + c;
            f->residual[i] = is_free(o, r, c) ? -f->product[i] : 0.0F;
            f->step[i] = f->residual[i] / o->hessian[c * o->n + c];
            sum += (double)f->residual[i] * (double)f->step[i];
        }
        f->scale[r] = sum;
    }
}

/* One row goes along its step; residuals of columns that are not free stay 0. False: it is
 * there. */
static bool advance(struct refit *f, size_t r)
{
    const struct spacc_obs *o = f->o;
    float *residual = f->residual + r * o->n, *step = f->step + r * o->n;
    const float *product = f->product + r * o->n;
    double *w = o->w + r * o->n, curve = 0.0, next = 0.0;

    for (size_t c = 0; c < o->n; c++)
        curve += (double)step[c] * (double)product[c];
    if (!(curve > 0.0 && f->scale[r] > 0.0))
        return false;
    const double length = f->scale[r] / curve;
    for (size_t c = 0; c < o->n; c++) {
        if (!is_free(o, r, c))
            continue;
        w[c] += length * (double)step[c];
        residual[c] -= (float)length * product[c];
        next += (double)(residual[c] * residual[c] / o->hessian[c * o->n + c]);
    }
    const float turn = (float)(next / f->scale[r]);
    for (size_t c = 0; c < o->n; c++)
        step[c] = residual[c] / o->hessian[c * o->n + c] + turn * step[c];
    f->scale[r] = next;
    return true;
}

static bool advance_all(struct refit *f)
{
    bool moved = false;

    multiply(f, f->step);
    for (size_t r = 0; r < f->o->rows; r++)
        moved |= advance(f, r);
    return moved;
}

static enum spacc_status alloc(struct refit *f, struct spacc_error *err)
{
    const size_t rows = f->o->rows, n = f->o->n;

    f->residual = calloc(rows, n * sizeof(*f->residual));
    f->step = calloc(rows, n * sizeof(*f->step));
    f->product = calloc(rows, n * sizeof(*f->product));
    f->scale = calloc(rows, sizeof(*f->scale));
    if (f->residual && f->step && f->product && f->scale)
        return SPACC_OK;
    return spacc_fail(err, SPACC_ENOMEM, "out of memory for refitting %zu rows", rows);
}

enum spacc_status spacc_obs_refit(struct spacc_obs *o, struct spacc_error *err)
{
    struct refit f = {.o = o};
    const enum spacc_status status = alloc(&f, err);

    if (status == SPACC_OK) {
        begin(&f);
        for (int i = 0; i < ITERATIONS && advance_all(&f);)
            i++;
    }
    free(f.residual);
    free(f.step);
    free(f.product);
    free(f.scale);
    return status;
}
