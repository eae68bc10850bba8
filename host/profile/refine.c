#include "host/profile/refine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/profile/maker.h"
#include "host/profiler.h"

enum { TRIALS_MOST = 400, NEIGHBOURS = 3 };
static const double error_most = 0.1;

/* ---- held out --------------------------------------------------------------------------- */

/* By kernel and sizes alone: samples of one kernel that differ in what the caches hold, or in
 * threads, know too much of each other to be in different folds. */
static size_t fold_of(const struct spacc_work *w, size_t shift)
{
    uint64_t hash = (uint64_t)w->family;

    for (const char *c = w->kernel; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3U;
    for (size_t i = 0; i < SPACC_WORK_SIZES; i++)
        hash = (hash ^ (uint64_t)(w->size[i] * 64.0)) * 0x100000001b3U;
    return (size_t)((hash >> 20) + shift) % SPACC_REFINE_FOLDS;
}

/* The samples outside of a fold. */
static enum spacc_status others(struct spacc_profile **out, const struct spacc_profile *p,
                                size_t fold, size_t shift, struct spacc_error *err)
{
    struct spacc_profile *q = calloc(1, sizeof(*q));
    enum spacc_status s = SPACC_OK;

    *out = q;
    if (!q)
        return spacc_fail(err, SPACC_ENOMEM, "no memory for %zu samples", p->samples);
    q->machine = p->machine;
    memcpy(q->device, p->device, sizeof(q->device));
    q->link = p->link;
    q->power = p->power;
    for (size_t i = 0; i < p->samples && !s; i++)
        if (fold_of(&p->sample[i].work, shift) != fold)
            s = spacc_profile_add(q, &p->sample[i], err);
    return s;
}

static enum spacc_status score_fold(const struct spacc_profile *p, size_t fold, size_t shift,
                                    double *error, struct spacc_error *err)
{
    struct spacc_profile *q = NULL;
    enum spacc_status s = others(&q, p, fold, shift, err);

    if (!s)
        s = spacc_costs_fit(q, err);
    for (size_t i = 0; i < p->samples && !s; i++) {
        const struct spacc_sample *at = &p->sample[i];
        struct spacc_cost c;
        if (fold_of(&at->work, shift) == fold &&
            !spacc_cost_of(q, SPACC_COST_BOOSTED, &at->work, &c, NULL))
            error[i] = (c.us - at->us) / at->us;
    }
    spacc_profile_free(q);
    return s;
}

enum spacc_status spacc_held_out_errors(const struct spacc_profile *p, size_t folds,
                                        size_t shift, double *error, struct spacc_error *err)
{
    enum spacc_status s = SPACC_OK;

    for (size_t i = 0; i < p->samples; i++)
        error[i] = NAN;
    for (size_t fold = 0; fold < folds && p->samples > SPACC_REFINE_FOLDS && !s; fold++)
        s = score_fold(p, fold, shift, error, err);
    return s;
}

/* ---- refinement ---------------------------------------------------------------------------
 */

/* More around the worst: `order` is samples by error, largest first. */
static int by_error(const void *a, const void *b)
{
    const double x = ((const double *)a)[0], y = ((const double *)b)[0];

    return (x < y) - (x > y);
}

static enum spacc_status around_worst(struct spacc_trials *to, const struct spacc_profile *p,
                                      const double (*worst)[2], size_t count, uint64_t *random,
                                      struct spacc_error *err)
{
    enum spacc_status s = SPACC_OK;

    for (size_t i = 0; i < count && to->count < TRIALS_MOST && !s; i++) {
        struct spacc_trial t;
        if (worst[i][0] > error_most &&
            spacc_trial_of_work(&t, &p->sample[(size_t)worst[i][1]].work))
            s = spacc_trials_around(to, &t, NEIGHBOURS, random, err);
    }
    return s;
}

enum spacc_status spacc_refine(struct spacc_trials *to, const struct spacc_profile *p,
                               size_t round, uint64_t seed, struct spacc_error *err)
{
    double *error = calloc(p->samples + 1, sizeof(*error));
    double(*worst)[2] = calloc(p->samples + 1, sizeof(*worst));
    uint64_t random = seed + round + 1;
    size_t count = 0;
    enum spacc_status s =
        error && worst ? spacc_held_out_errors(p, 1, round, error, err)
                       : spacc_fail(err, SPACC_ENOMEM, "no memory for %zu errors", p->samples);

    *to = (struct spacc_trials){0};
    for (size_t i = 0; i < p->samples && !s; i++)
        if (!isnan(error[i])) {
            worst[count][0] = fabs(error[i]);
            worst[count++][1] = (double)i;
        }
    if (!s) {
        qsort(worst, count, sizeof(*worst), by_error);
        s = around_worst(to, p, (const double(*)[2])worst, count, &random, err);
    }
    free(error);
    free(worst);
    return s;
}

/* ---- by kernel ----------------------------------------------------------------------------
 */

static int by_kernel(const void *a, const void *b)
{
    const struct spacc_accuracy *x = a, *y = b;

    return strcmp(x->kernel, y->kernel);
}

/* Neighbours of one kernel become one entry; returns how many are left. */
static size_t merge(struct spacc_accuracy *list, size_t count)
{
    size_t kernels = 0;

    for (size_t i = 0; i < count; i++) {
        if (kernels == 0 || strcmp(list[kernels - 1].kernel, list[i].kernel) != 0) {
            list[kernels++] = list[i];
            continue;
        }
        list[kernels - 1].samples++;
        list[kernels - 1].held_out += list[i].held_out;
        list[kernels - 1].within += list[i].within;
    }
    for (size_t k = 0; k < kernels; k++)
        list[k].within = list[k].held_out ? list[k].within / (double)list[k].held_out : NAN;
    return kernels;
}

enum spacc_status spacc_profiler_accuracy(const struct spacc_profile *p, size_t folds,
                                          struct spacc_accuracy **list, size_t *count,
                                          struct spacc_error *err)
{
    double *error = calloc(p->samples + 1, sizeof(*error));
    struct spacc_accuracy *to = calloc(p->samples + 1, sizeof(*to));
    enum spacc_status s =
        error && to ? spacc_held_out_errors(p, folds, 0, error, err)
                    : spacc_fail(err, SPACC_ENOMEM, "no memory for %zu errors", p->samples);

    *list = NULL;
    *count = 0;
    for (size_t i = 0; i < p->samples && !s; i++) {
        memcpy(to[i].kernel, p->sample[i].work.kernel, sizeof(to[i].kernel));
        to[i].samples = 1;
        to[i].held_out = fold_of(&p->sample[i].work, 0) < folds;
        to[i].within = fabs(error[i]) <= error_most; /* none is not within */
    }
    if (!s) {
        qsort(to, p->samples, sizeof(*to), by_kernel);
        *count = merge(to, p->samples);
        *list = to;
        to = NULL;
    }
    free(error);
    free(to);
    return s;
}
