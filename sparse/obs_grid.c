/* The largest weight of a row is put at the end of the grid and stays there, so that
 * quantising the row again finds the same grid. The others begin at the nearest integers; then
 * each in turn moves to the integer that is best for the outputs, given all others (coordinate
 * descent): no move adds to the error, and two sweeps get nearly all of what there is. */
#include <math.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cblas.h>

#include "sparse/fixed_grid.h"
#include "sparse/obs_parts.h"

enum {
    SWEEPS = 2,
    TOGETHER = 64 /* rows whose first gradients are one product */
};

struct row {
    const struct spacc_obs *o;
    const double *before;
    double *w, *one;  /* [n]; [cols] value of an integer 1, shared by all rows */
    float *lost;      /* [n] w - before, as it begins */
    float *gradient;  /* [n] Hessian * (w - before) */
    bool *kept;       /* [cols] */
    double lsb, most; /* most: largest integer */
    size_t fixed;     /* column of the largest; cols: there is none */
};

/* Value of one count of the sum as a weight of each column, less the lsb. */
static void fill_one(struct row *row, double lsb)
{
    size_t c = 0;

    for (size_t i = 0; i < row->o->how->parts; i++)
        for (size_t end = c + row->o->how->part[i].cols; c < end; c++)
            row->one[c] = ldexp(lsb, row->o->how->part[i].frac);
}

static double bias_of(const struct row *row)
{
    return row->o->n > row->o->cols ? (double)(float)row->w[row->o->cols] : 0.0;
}

/* lsb, and the column that stands at the end of the grid. */
static void choose_grid(struct row *row)
{
    double largest = 0.0;

    fill_one(row, 1.0);
    row->fixed = row->o->cols;
    for (size_t c = 0; c < row->o->cols; c++)
        if (fabs(row->w[c]) / row->one[c] > largest) {
            largest = fabs(row->w[c]) / row->one[c];
            row->fixed = c;
        }
    const double lsb = spacc_fixed_lsb(largest, bias_of(row), row->o->how->weight_bits);
    if (lsb > largest / row->most)
        row->fixed = row->o->cols; /* the bias, or the least lsb there is, sets the grid */
    row->lsb = lsb > 0.0 ? spacc_fixed_lsb_raise(lsb) : 0.0;
    fill_one(row, row->lsb);
}

static double nearest(const struct row *row, size_t c, double w)
{
    const double limit = row->most;

    return fmin(fmax(round(w / row->one[c]), -limit), limit) * row->one[c];
}

/* The nearest integers. */
static void begin(struct row *row)
{
    const struct spacc_obs *o = row->o;

    for (size_t c = 0; c < o->cols; c++)
        row->kept[c] = fabs(row->w[c]) > 0.0;
    choose_grid(row);
    for (size_t c = 0; c < o->cols && row->lsb > 0.0; c++)
        row->w[c] = c == row->fixed ? copysign(row->most * row->one[c], row->w[c])
                                    : nearest(row, c, row->w[c]);
    for (size_t c = 0; c < o->n; c++)
        row->lost[c] = (float)(row->w[c] - row->before[c]);
}

static void move(struct row *row, size_t c, double to)
{
    const float *h = row->o->hessian + c * row->o->n, d = (float)(to - row->w[c]);

    row->w[c] = to;
    for (size_t j = 0; j < row->o->n; j++)
        row->gradient[j] += d * h[j];
}

/* Where the error is least with all others as they are. */
static double wish(const struct row *row, size_t c)
{
    return row->w[c] - (double)row->gradient[c] / (double)row->o->hessian[c * row->o->n + c];
}

/* The bias is no integer; but it must not become what sets the grid. */
static void move_bias(struct row *row)
{
    const size_t c = row->o->cols;
    const double to = wish(row, c);

    if (row->fixed < c && spacc_fixed_lsb(0.0, to, row->o->how->weight_bits) <= row->lsb / 2)
        move(row, c, (double)(float)to);
}

static void sweep(struct row *row)
{
    for (size_t c = 0; c < row->o->cols; c++) {
        if (!row->kept[c] || c == row->fixed)
            continue;
        const double to = nearest(row, c, wish(row, c));
        if (fabs(to - row->w[c]) > 0.5 * row->one[c])
            move(row, c, to);
    }
    if (row->o->n > row->o->cols)
        move_bias(row);
}

/* The float towards zero, so that the largest weight does not ask for the next grid. */
static double as_float(double w)
{
    const float near = (float)w;

    return (double)(fabs((double)near) > fabs(w) ? nextafterf(near, 0.0F) : near);
}

static void improve(struct row *row)
{
    if (!(row->lsb > 0.0))
        return; /* no weight and no bias */
    fill_one(row, row->lsb);
    for (int i = 0; i < SWEEPS; i++)
        sweep(row);
    for (size_t c = 0; c < row->o->cols; c++)
        row->w[c] = as_float(row->w[c]);
}

static void quantise_rows(struct row *row, size_t first, size_t count)
{
    const struct spacc_obs *o = row->o;
    const blasint n = (blasint)o->n;

    for (size_t i = 0; i < count; i++) {
        row[i].w = o->w + (first + i) * o->n;
        row[i].before = o->before + (first + i) * o->n;
        begin(&row[i]);
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)count, n, n, 1.0F,
                row->lost, n, o->hessian, n, 0.0F, row->gradient, n);
    for (size_t i = 0; i < count; i++)
        improve(&row[i]);
}

enum spacc_status spacc_obs_grid(struct spacc_obs *o, struct spacc_error *err)
{
    const double most = o->how->weight_bits == 8 ? INT8_MAX : INT16_MAX;
    double *one = malloc(o->cols * sizeof(*one));
    float *lost = malloc(TOGETHER * o->n * sizeof(*lost));
    float *gradient = malloc(TOGETHER * o->n * sizeof(*gradient));
    bool *kept = malloc(TOGETHER * o->cols * sizeof(*kept));
    enum spacc_status status = SPACC_OK;
    struct row row[TOGETHER];

    if (one && lost && gradient && kept) {
        for (size_t i = 0; i < TOGETHER; i++)
            row[i] = (struct row){.o = o,
                                  .one = one,
                                  .lost = lost + i * o->n,
                                  .gradient = gradient + i * o->n,
                                  .kept = kept + i * o->cols,
                                  .most = most};
        for (size_t r = 0; r < o->rows; r += TOGETHER)
            quantise_rows(row, r, o->rows - r < TOGETHER ? o->rows - r : TOGETHER);
    } else {
        status = spacc_fail(err, SPACC_ENOMEM, "out of memory for rows of %zu", o->cols);
    }
    free(one);
    free(lost);
    free(gradient);
    free(kept);
    return status;
}
