/* NeuralPower's form: a sum of products of sizes, and of bytes and multiply-adds; which of them
 * is chosen by Lasso, how strictly by what is held out. The error is relative to the value. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/predict/costs_parts.h"

enum { LAMBDAS = 8, LASSO_SWEEPS = 100, LEAST_SAMPLES = 8, FEW_FEATURES = 5 };

/* ---------------------------------------------------------------- monomials */

/* 1, products of up to 3 (of many features: 2) in a fixed order, then bytes and macs. */
size_t spacc_monomials_of(const struct spacc_work *w, double monomial[MONOMIALS_MAX])
{
    const size_t sizes = spacc_work_sizes(w->family);
    const double special[] = {w->macs, w->in_bytes, w->weight_bytes, w->out_bytes};
    double x[SPACC_WORK_SIZES + 1];
    size_t count = 0;

    memcpy(x, w->size, sizes * sizeof(x[0]));
    x[sizes] = w->threads;
    monomial[count++] = 1.0;
    for (size_t a = 0; a <= sizes; a++) {
        monomial[count++] = x[a];
        for (size_t b = a; b <= sizes; b++) {
            monomial[count++] = x[a] * x[b];
            for (size_t c = b; c <= sizes && sizes <= FEW_FEATURES; c++)
                monomial[count++] = x[a] * x[b] * x[c];
        }
    }
    for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
        monomial[count++] = special[i];
        monomial[count++] = special[i] / w->threads;
    }
    return count;
}

size_t spacc_monomials(enum spacc_work_family f)
{
    const struct spacc_work w = {.family = f, .threads = 1};
    double monomial[MONOMIALS_MAX];

    return spacc_monomials_of(&w, monomial);
}

double spacc_polynomial_of(const struct polynomial *p, const struct spacc_work *w)
{
    double monomial[MONOMIALS_MAX], value = 0.0;

    spacc_monomials_of(w, monomial);
    for (size_t i = 0; i < p->terms; i++)
        value += (double)p->each[i] * monomial[p->monomial[i]];
    return value > (double)p->least ? value : (double)p->least; /* not NAN either */
}

/* ---------------------------------------------------------------- Lasso */

struct lasso {
    size_t terms;
    double a[MONOMIALS_MAX][MONOMIALS_MAX], b[MONOMIALS_MAX], scale[MONOMIALS_MAX];
    double x[MONOMIALS_MAX], gradient[MONOMIALS_MAX];
};

static bool taken(const struct polynomial_data *d, size_t i, int without)
{
    return !isnan(d->value[i]) && (without < 0 || d->fold[i] != without);
}

static void add_row(struct lasso *l, const struct polynomial_data *d, size_t i)
{
    double row[MONOMIALS_MAX];

    l->terms = spacc_monomials_of(&d->sample[i]->work, row);
    for (size_t t = 0; t < l->terms; t++) {
        row[t] /= d->value[i];
        l->b[t] += row[t];
        for (size_t k = 0; k <= t; k++)
            l->a[t][k] += row[t] * row[k];
    }
}

/* Columns of length 1, and `l->b` as if there were one row: then a lambda means the same for
 * many rows and few. */
static void normalise(struct lasso *l, double rows)
{
    for (size_t t = 0; t < l->terms; t++)
        l->scale[t] = l->a[t][t] > 0.0 ? 1.0 / sqrt(l->a[t][t]) : 0.0;
    for (size_t t = 0; t < l->terms; t++) {
        l->b[t] *= l->scale[t] / sqrt(rows);
        for (size_t k = 0; k <= t; k++)
            l->a[k][t] = l->a[t][k] *= l->scale[t] * l->scale[k];
    }
}

static void gather(struct lasso *l, const struct polynomial_data *d, int without)
{
    double rows = 0.0;

    memset(l, 0, sizeof(*l));
    for (size_t i = 0; i < d->samples; i++) {
        if (!taken(d, i, without))
            continue;
        add_row(l, d, i);
        rows += 1.0;
    }
    normalise(l, rows > 0.0 ? rows : 1.0);
    for (size_t t = 0; t < l->terms; t++)
        l->scale[t] *= sqrt(rows); /* from x back to a coefficient */
}

/* Move x[t] and what depends on it. */
static void move(struct lasso *l, size_t t, double next)
{
    const double by = next - l->x[t];

    for (size_t k = 0; k < l->terms; k++)
        l->gradient[k] -= l->a[t][k] * by;
    l->x[t] = next;
}

/* One sweep; the largest change. Zeros stay zeros when `chosen`. */
static double sweep(struct lasso *l, double lambda, bool chosen)
{
    double change = 0.0;

    for (size_t t = 0; t < l->terms; t++) {
        if (!(l->scale[t] > 0.0) || (chosen && !(fabs(l->x[t]) > 0.0)))
            continue;
        const double gradient = l->gradient[t] + l->a[t][t] * l->x[t];
        const double size = fmax(fabs(gradient) - lambda, 0.0);
        const double next = copysign(size, gradient) / (l->a[t][t] * (1.0 + 1e-6));
        const double by = fabs(next - l->x[t]);
        if (by > 0.0)
            move(l, t, next);
        change = by > change ? by : change;
    }
    return change;
}

/* b - A x: kept up to date from here on. */
static void set_gradient(struct lasso *l)
{
    for (size_t t = 0; t < l->terms; t++) {
        l->gradient[t] = l->b[t];
        for (size_t k = 0; k < l->terms; k++)
            l->gradient[t] -= l->a[t][k] * l->x[k];
    }
}

static void solve(struct lasso *l, double lambda, bool chosen)
{
    set_gradient(l);
    for (int i = 0; i < LASSO_SWEEPS && sweep(l, lambda, chosen) > 1e-5; i++)
        continue;
}

/* The largest terms stay, as many as are stored. */
static void keep_largest(struct lasso *l, size_t most)
{
    for (;;) {
        size_t count = 0, least = 0;
        for (size_t t = 0; t < l->terms; t++) {
            if (!(fabs(l->x[t]) > 0.0))
                continue;
            if (count++ == 0 || fabs(l->x[t]) < fabs(l->x[least]))
                least = t;
        }
        if (count <= most)
            return;
        l->x[least] = 0.0;
    }
}

/* With the terms that lambda leaves, fitted again without it. */
static void fit(struct lasso *l, double lambda, size_t most, struct polynomial *out)
{
    solve(l, lambda, false);
    keep_largest(l, most);
    solve(l, lambda * 0.01, true);
    out->terms = 0;
    for (size_t t = 0; t < l->terms && out->terms < MONOMIALS_KEPT; t++) {
        const float each = (float)(l->x[t] * l->scale[t]);
        if (!(fabsf(each) > 0.0F) || !isfinite(each))
            continue;
        out->monomial[out->terms] = (uint8_t)t;
        out->each[out->terms++] = each;
    }
}

/* Squared relative error of fold `without`. */
static double error_of(const struct polynomial *p, const struct polynomial_data *d, int without)
{
    double sum = 0.0;

    for (size_t i = 0; i < d->samples; i++) {
        if (isnan(d->value[i]) || d->fold[i] != without)
            continue;
        const double value = spacc_polynomial_of(p, &d->sample[i]->work);
        const double error = fmin(fabs(value / d->value[i] - 1.0), 3.0);
        sum += error * error;
    }
    return sum;
}

static double lambda_of(size_t i)
{
    return 0.1 * pow(0.3, (double)i);
}

/* Lambda by what the folds say, from the strictest down; *error is the sum over them. */
static double choose(struct lasso *l, struct polynomial *p, const struct polynomial_data *d,
                     size_t most, double *error)
{
    double sum[LAMBDAS] = {0};
    size_t best = 0;

    for (int fold = 0; fold < FOLDS; fold++) {
        gather(l, d, fold);
        for (size_t i = 0; i < LAMBDAS; i++) {
            fit(l, lambda_of(i), most, p);
            sum[i] += error_of(p, d, fold);
        }
    }
    for (size_t i = 1; i < LAMBDAS; i++)
        if (sum[i] < sum[best])
            best = i;
    *error = sum[best];
    return lambda_of(best);
}

enum spacc_status spacc_polynomial_fit(struct polynomial *out, double *sigma,
                                       const struct polynomial_data *d)
{
    struct lasso *l;
    size_t values = 0;
    double least = HUGE_VAL, error;

    memset(out, 0, sizeof(*out));
    *sigma = 0.0;
    for (size_t i = 0; i < d->samples; i++) {
        values += isnan(d->value[i]) ? 0 : 1;
        least = fmin(least, d->value[i]); /* fmin passes over NAN */
    }
    if (values < LEAST_SAMPLES)
        return SPACC_OK;
    l = malloc(sizeof(*l));
    if (!l)
        return SPACC_ENOMEM;
    const size_t most = values / 3 < MONOMIALS_KEPT ? values / 3 : MONOMIALS_KEPT;
    out->least = (float)(least / 2.0);
    const double lambda = choose(l, out, d, most, &error);
    gather(l, d, -1);
    fit(l, lambda, most, out);
    *sigma = sqrt(error / (double)values);
    free(l);
    return SPACC_OK;
}
