/* Non-negative least squares on relative errors. Outliers (another tenant's burst, a law that
 * is not among the terms) get less weight with every round. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/predict/costs_parts.h"

enum { SWEEPS = 1000, ROUNDS = 4 };
#define RIDGE   1e-6  /* of the diagonal: among terms that are nearly the same, some of each */
#define OUTLIER 0.10  /* relative error at which a sample has half its weight */
#define WORTH   0.004 /* share by which the loss has to grow for a term to stay */

float spacc_short_float(double value)
{
    float f = value > 0.0 ? (float)value : 0.0F;
    uint32_t bits;

    memcpy(&bits, &f, sizeof(bits));
    if (value > 1e30 || bits < (1U << 23)) /* nor any that would not round well */
        bits = value > 1e30 ? 0x71000000U : 0;
    bits = (bits + 0x4000U) & 0xffff8000U;
    memcpy(&f, &bits, sizeof(f));
    return f;
}

/* What a fit works on: A = sum w t t', b = sum w t, with t of a sample divided by its us. */
struct normal {
    size_t terms;
    double a[TERMS_MAX][TERMS_MAX], b[TERMS_MAX], scale[TERMS_MAX];
    double weights; /* the sum of w */
};

static bool taken(const struct closed_data *d, size_t i, int without)
{
    return without < 0 || d->fold[i] != without;
}

static double guess(const struct closed_data *d, size_t i, const double *x)
{
    double us = 0.0;

    for (size_t t = 0; t < d->terms; t++)
        us += d->term[i * d->terms + t] * x[t];
    return us;
}

static double weight_of(const struct closed_data *d, size_t i, const double *x)
{
    if (!x)
        return d->trust[i];
    const double error = (guess(d, i, x) / d->us[i] - 1.0) / OUTLIER;
    return d->trust[i] / (1.0 + error * error);
}

static void add_row(struct normal *n, const double *term, double us, double weight)
{
    for (size_t t = 0; t < n->terms; t++) {
        const double each = term[t] / us * weight;
        if (each <= 0.0)
            continue;
        n->b[t] += each;
        for (size_t k = 0; k <= t; k++)
            n->a[t][k] += each * term[k] / us;
    }
    n->weights += weight;
}

/* Unit diagonal: terms differ by ten orders of magnitude. */
static void normalise(struct normal *n)
{
    for (size_t t = 0; t < n->terms; t++)
        n->scale[t] = n->a[t][t] > 0.0 ? 1.0 / sqrt(n->a[t][t]) : 0.0;
    for (size_t t = 0; t < n->terms; t++) {
        n->b[t] *= n->scale[t];
        for (size_t k = 0; k <= t; k++)
            n->a[k][t] = n->a[t][k] *= n->scale[t] * n->scale[k];
        n->a[t][t] += RIDGE;
    }
}

static void gather(struct normal *n, const struct closed_data *d, int without, const double *x)
{
    memset(n, 0, sizeof(*n));
    n->terms = d->terms;
    for (size_t i = 0; i < d->samples; i++)
        if (taken(d, i, without))
            add_row(n, &d->term[i * d->terms], d->us[i], weight_of(d, i, x));
    normalise(n);
}

static size_t list_of(uint32_t mask, size_t terms, size_t *list)
{
    size_t count = 0;

    for (size_t t = 0; t < terms; t++)
        if (mask >> t & 1U)
            list[count++] = t;
    return count;
}

/* One sweep over the coordinates; gradient (b - A x) follows. Returns the largest change. */
static double sweep(const struct normal *n, const size_t *list, size_t count, double *x,
                    double *gradient)
{
    double change = 0.0;

    for (size_t i = 0; i < count; i++) {
        const size_t t = list[i];
        const double free_ = x[t] + gradient[i] / n->a[t][t];
        const double next = free_ > 0.0 ? free_ : 0.0, by = next - x[t];
        if (!(fabs(by) > 0.0))
            continue;
        for (size_t k = 0; k < count; k++)
            gradient[k] -= n->a[t][list[k]] * by;
        change = fabs(by) > change ? fabs(by) : change;
        x[t] = next;
    }
    return change;
}

/* Minimise x'Ax / 2 - b'x over x >= 0 by coordinates, with terms of `mask` only. Returns the
 * least squares: sum w (1 - t'x)^2. */
static double solve(const struct normal *n, uint32_t mask, double *x)
{
    size_t list[TERMS_MAX];
    const size_t count = list_of(mask, n->terms, list);
    const double enough = 1e-5 * sqrt(n->weights);
    double loss = n->weights, gradient[TERMS_MAX];

    for (size_t t = 0; t < n->terms; t++)
        x[t] = mask >> t & 1U ? x[t] : 0.0;
    for (size_t i = 0; i < count; i++) {
        gradient[i] = n->b[list[i]];
        for (size_t k = 0; k < count; k++)
            gradient[i] -= n->a[list[i]][list[k]] * x[list[k]];
    }
    for (int i = 0; i < SWEEPS && sweep(n, list, count, x, gradient) > enough; i++)
        continue;
    for (size_t i = 0; i < count; i++) {
        loss -= 2.0 * n->b[list[i]] * x[list[i]];
        for (size_t k = 0; k < count; k++)
            loss += n->a[list[i]][list[k]] * x[list[i]] * x[list[k]];
    }
    return fmax(loss, 0.0);
}

static uint32_t used(const double *x, size_t terms)
{
    uint32_t mask = 0;

    for (size_t t = 0; t < terms; t++)
        if (x[t] > 0.0)
            mask |= 1U << t;
    return mask;
}

static size_t bits_of(uint32_t mask)
{
    size_t count = 0;

    for (; mask; mask &= mask - 1)
        count++;
    return count;
}

/* Leave out terms, the least missed first, while there are too many or one is not worth it. */
static void drop_terms(const struct normal *n, size_t most, double *x)
{
    double loss = solve(n, used(x, n->terms), x);
    const double floor_ = 1e-6 * n->weights; /* a fit to 0.1 % is as good as exact */

    for (;;) {
        double least = HUGE_VAL, best[TERMS_MAX], trial[TERMS_MAX];
        const uint32_t mask = used(x, n->terms);
        if (bits_of(mask) < 2)
            return;
        for (size_t t = 0; t < n->terms; t++) {
            if (!(mask >> t & 1U))
                continue;
            memcpy(trial, x, sizeof(trial));
            const double without = solve(n, mask & ~(1U << t), trial);
            if (without < least) {
                least = without;
                memcpy(best, trial, sizeof(best));
            }
        }
        if (bits_of(mask) <= most && least > (1.0 + WORTH) * loss + floor_)
            return;
        loss = fmax(least, loss);
        memcpy(x, best, sizeof(best));
    }
}

static void keep(struct closed *out, const struct normal *n, const double *x)
{
    size_t count = 0;

    memset(out, 0, sizeof(*out));
    for (size_t t = 0; t < n->terms; t++) {
        const float each = spacc_short_float(x[t] * n->scale[t]);
        if (each > 0.0F) {
            out->mask |= 1U << t;
            out->each[count++] = each;
        }
    }
}

enum spacc_status spacc_closed_fit(struct closed *out, const struct closed_data *d, int without)
{
    struct normal *n = malloc(sizeof(*n));
    double x[TERMS_MAX] = {0}, real[TERMS_MAX];
    size_t samples = 0;

    memset(out, 0, sizeof(*out));
    if (!n)
        return SPACC_ENOMEM;
    for (size_t i = 0; i < d->samples; i++)
        samples += taken(d, i, without);
    for (int round = 0; round < ROUNDS && samples > 0; round++) {
        gather(n, d, without, round > 0 ? real : NULL);
        memset(x, 0, sizeof(x));
        solve(n, ~0U, x);
        if (round + 1 == ROUNDS)
            drop_terms(n, samples / 3 > 0 ? samples / 3 : 1, x);
        for (size_t t = 0; t < n->terms; t++)
            real[t] = x[t] * n->scale[t];
    }
    keep(out, n, x);
    free(n);
    return SPACC_OK;
}

double spacc_closed_us(const struct closed *c, const struct spacc_work *w,
                       const struct spacc_machine *m)
{
    double term[TERMS_MAX], us = 0.0;
    const size_t terms = spacc_terms_of(w, m, term);
    size_t at = 0;

    for (size_t t = 0; t < terms; t++)
        if (c->mask >> t & 1U)
            us += (double)c->each[at++] * term[t];
    return us;
}
