/* Fitting all models of a device: kernel by kernel, then trees are given out over all of them,
 * to whom they help most by byte on samples held out, until the model is as large as it may be.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/predict/costs_parts.h"

enum { TREES_FROM = 12 /* samples, for any tree */ };
#define WIDE          0.05 /* spread at which a sample has half its weight */
#define UNKNOWN_SIGMA 0.5  /* of kernels with too few samples to hold any out */
#define LEAST_GAIN    0.01 /* samples that come near, a byte: a tree that helps less is noise */

/* One kernel while it is fitted; arrays of `samples`. */
struct bench {
    struct kernel_costs *k;
    size_t samples, terms, features, trees_max;
    const struct spacc_sample **sample;
    double *term, *us, *trust, *watts, *residual, *held; /* residuals: of the fit; held out */
    uint8_t *feature, *fold;
    double *left;                /* [trees + 1][samples]: held out, after so many trees */
    double loss[TREES_MAX + 1];  /* the sum of that */
    struct tree tree[TREES_MAX]; /* grown on all samples */
    size_t given;
};

static void release(struct bench *b)
{
    free(b->sample);
    free(b->term);
    free(b->us);
    free(b->trust);
    free(b->watts);
    free(b->residual);
    free(b->held);
    free(b->feature);
    free(b->fold);
    free(b->left);
}

/* ---------------------------------------------------------------- samples by kernel */

static int by_hash(const void *a, const void *b)
{
    const struct spacc_sample *const *left = a, *const *right = b;
    const uint32_t x = spacc_kernel_hash(&(*left)->work),
                   y = spacc_kernel_hash(&(*right)->work);

    if (x != y)
        return x < y ? -1 : 1;
    return *left < *right ? -1 : *left > *right; /* in the order of the profile */
}

/* Sorted pointers to all samples; NULL: out of memory. */
static const struct spacc_sample **sort_samples(const struct spacc_profile *p)
{
    const struct spacc_sample **list = calloc(p->samples, sizeof(const struct spacc_sample *));

    for (size_t i = 0; list && i < p->samples; i++)
        list[i] = &p->sample[i];
    if (list)
        qsort(list, p->samples, sizeof(const struct spacc_sample *), by_hash);
    return list;
}

static size_t run_of(const struct spacc_sample **list, size_t count)
{
    const uint32_t hash = spacc_kernel_hash(&list[0]->work);
    size_t run = 1;

    while (run < count && spacc_kernel_hash(&list[run]->work) == hash)
        run++;
    return run;
}

/* What differs in threads or cold only is known from its twin. */
static bool twins(const struct spacc_work *a, const struct spacc_work *b)
{
    return a->family == b->family && strcmp(a->kernel, b->kernel) == 0 &&
           memcmp(a->size, b->size, sizeof(a->size)) == 0;
}

/* The first sample with the sizes of number i. */
static size_t first_of(const struct spacc_sample *const *sample, size_t i)
{
    size_t first = 0;

    while (!twins(&sample[first]->work, &sample[i]->work))
        first++;
    return first;
}

void spacc_folds(uint8_t *fold, const struct spacc_sample *const *sample, size_t samples,
                 unsigned folds, uint64_t seed)
{
    uint64_t state = 2 * seed + 1;
    unsigned next = 0, taken = 0; /* folds of this round, as bits */

    for (size_t i = 0; i < samples; i++) {
        const size_t first = first_of(sample, i);
        if (first < i) {
            fold[i] = fold[first];
            continue;
        }
        if (taken + 1 == 1U << folds)
            taken = 0;
        state = state * 6364136223846793005U + 1442695040888963407U;
        for (next = (unsigned)(state >> 33) % folds; taken >> next & 1U;)
            next = (next + 1) % folds;
        taken |= 1U << next;
        fold[i] = (uint8_t)next;
    }
}

static bool allocate(struct bench *b)
{
    const size_t n = b->samples;

    b->sample = calloc(n, sizeof(const struct spacc_sample *));
    b->term = calloc(n * b->terms, sizeof(*b->term));
    b->us = calloc(n, sizeof(*b->us));
    b->trust = calloc(n, sizeof(*b->trust));
    b->watts = calloc(n, sizeof(*b->watts));
    b->residual = calloc(n, sizeof(*b->residual));
    b->held = calloc(n, sizeof(*b->held));
    b->feature = calloc(n * b->features, 1);
    b->fold = calloc(n, 1);
    b->left = calloc(n * (b->trees_max + 1), sizeof(*b->left));
    return b->sample && b->term && b->us && b->trust && b->watts && b->residual && b->held &&
           b->feature && b->fold && b->left;
}

/* A median of runs that spread widely tells little: the machine was not alone. */
static double trust_of(const struct spacc_sample *s)
{
    const double spread = s->spread / WIDE;

    return 1.0 / (1.0 + spread * spread);
}

static enum spacc_status gather(struct bench *b, struct kernel_costs *k,
                                const struct spacc_machine *m, const struct spacc_sample **list,
                                size_t samples)
{
    double term[TERMS_MAX];
    uint8_t feature[FEATURES_MAX];
    const enum spacc_work_family family = list[0]->work.family;

    *b = (struct bench){.k = k, .samples = samples};
    k->family = family;
    k->hash = spacc_kernel_hash(&list[0]->work);
    b->terms = spacc_terms(family);
    b->features = spacc_features(family);
    b->trees_max = samples < TREES_FROM ? 0 : TREES_MAX;
    if (!allocate(b))
        return SPACC_ENOMEM;
    memcpy(b->sample, list, samples * sizeof(*list));
    spacc_folds(b->fold, b->sample, samples, FOLDS, 20261121);
    for (size_t i = 0; i < samples; i++) {
        const struct spacc_sample *s = list[i];
        spacc_terms_of(&s->work, m, term);
        memcpy(&b->term[i * b->terms], term, b->terms * sizeof(*term));
        spacc_features_of(&s->work, feature);
        memcpy(&b->feature[i * b->features], feature, b->features);
        b->us[i] = s->us;
        b->trust[i] = trust_of(s);
        b->watts[i] = s->joules > 0.0 ? s->joules / (s->us * 1e-6) : (double)NAN;
    }
    return SPACC_OK;
}

/* ---------------------------------------------------------------- closed form, curves */

static void residuals_of(const struct bench *b, const struct closed *c, double *residual)
{
    for (size_t i = 0; i < b->samples; i++) {
        const double *term = &b->term[i * b->terms];
        double us = 0.0;
        for (size_t t = 0, at = 0; t < b->terms; t++)
            if (c->mask >> t & 1U)
                us += (double)c->each[at++] * term[t];
        residual[i] = log(b->us[i] / fmax(us, 1e-3));
    }
}

static struct boosted_data boosted_data_of(const struct bench *b, double *left)
{
    return (struct boosted_data){b->samples, b->features, b->feature, b->residual,
                                 b->trust,   b->fold,     left};
}

/* Everything without fold `fold`: held[] and left[] of its samples. */
static enum spacc_status hold_out(struct bench *b, const struct closed_data *d, int fold)
{
    const struct boosted_data grown = boosted_data_of(b, b->left);
    struct closed closed;
    enum spacc_status status = spacc_closed_fit(&closed, d, fold);

    if (status != SPACC_OK)
        return status;
    residuals_of(b, &closed, b->residual);
    for (size_t i = 0; i < b->samples; i++)
        if (b->fold[i] == fold)
            b->held[i] = b->residual[i];
    return b->trees_max > 0 ? spacc_boosted_fit(b->tree, b->trees_max, &grown, fold) : status;
}

static double sigma_of(const struct bench *b, const double *residual)
{
    double sum = 0.0;

    if (b->samples < FOLDS)
        return UNKNOWN_SIGMA;
    for (size_t i = 0; i < b->samples; i++)
        sum += fmin(residual[i] * residual[i], 4.0);
    return sqrt(sum / (double)b->samples);
}

static enum spacc_status fit_kernel(struct bench *b)
{
    const struct closed_data d = {b->samples, b->terms, b->term, b->us, b->trust, b->fold};
    const struct boosted_data grown = boosted_data_of(b, NULL);
    enum spacc_status status = SPACC_OK;

    for (int fold = 0; fold < FOLDS && b->samples >= FOLDS && status == SPACC_OK; fold++)
        status = hold_out(b, &d, fold);
    if (status == SPACC_OK)
        status = spacc_closed_fit(&b->k->closed, &d, -1);
    if (status != SPACC_OK)
        return status;
    b->k->closed_sigma = spacc_short_sigma(sigma_of(b, b->held));
    residuals_of(b, &b->k->closed, b->residual);
    for (size_t t = 0; t <= b->trees_max && b->trees_max > 0; t++)
        for (size_t i = 0; i < b->samples; i++)
            b->loss[t] += b->trust[i] * spacc_residual_loss(b->left[t * b->samples + i]);
    return b->trees_max > 0 ? spacc_boosted_fit(b->tree, b->trees_max, &grown, -1) : status;
}

static enum spacc_status fit_polynomials(struct bench *b)
{
    const struct polynomial_data us = {b->samples, b->sample, b->us, b->fold};
    const struct polynomial_data watts = {b->samples, b->sample, b->watts, b->fold};
    double sigma, unused;

    enum spacc_status status = spacc_polynomial_fit(&b->k->latency, &sigma, &us);
    b->k->latency_sigma = spacc_short_sigma(sigma);
    if (status == SPACC_OK)
        status = spacc_polynomial_fit(&b->k->power, &unused, &watts);
    return status;
}

/* ---------------------------------------------------------------- giving out trees */

/* The best number of trees more for b, by gain a byte; 0: none that fits and helps. */
static size_t best_step(const struct bench *b, size_t room, double *rate)
{
    size_t best = 0, bytes = 0;

    *rate = LEAST_GAIN;
    for (size_t t = b->given; t < b->trees_max; t++) {
        bytes += spacc_tree_bytes(&b->tree[t]);
        const double gain = (b->loss[b->given] - b->loss[t + 1]) / (double)bytes;
        if (bytes > room)
            break;
        if (gain > *rate) {
            *rate = gain;
            best = t + 1 - b->given;
        }
    }
    return best;
}

static void give_out(struct bench *bench, size_t kernels, size_t room)
{
    for (;;) {
        double best_rate = 0.0, rate;
        size_t best = 0, trees = 0;
        for (size_t i = 0; i < kernels; i++) {
            const size_t step = best_step(&bench[i], room, &rate);
            if (step > 0 && rate > best_rate) {
                best_rate = rate;
                best = i;
                trees = step;
            }
        }
        if (trees == 0)
            return;
        for (; trees > 0; trees--)
            room -= spacc_tree_bytes(&bench[best].tree[bench[best].given++]);
    }
}

static enum spacc_status take_trees(struct bench *b)
{
    struct boosted *out = &b->k->boosted;

    b->k->boosted_sigma = b->k->closed_sigma;
    if (b->given == 0)
        return SPACC_OK;
    out->tree = calloc(b->given, sizeof(*out->tree));
    if (!out->tree)
        return SPACC_ENOMEM;
    memcpy(out->tree, b->tree, b->given * sizeof(*out->tree));
    out->trees = b->given;
    b->k->boosted_sigma = spacc_short_sigma(sigma_of(b, &b->left[b->given * b->samples]));
    return SPACC_OK;
}

/* ---------------------------------------------------------------- all */

static size_t count_kernels(const struct spacc_sample **list, size_t samples)
{
    size_t kernels = 0;

    for (size_t at = 0; at < samples; at += run_of(&list[at], samples - at))
        kernels++;
    return kernels;
}

/* Two kernels of one hash would be one law. */
static enum spacc_status check_names(const struct spacc_sample **list, size_t samples,
                                     struct spacc_error *err)
{
    for (size_t i = 1; i < samples; i++) {
        const struct spacc_work *a = &list[0]->work, *b = &list[i]->work;
        if (a->family != b->family || strcmp(a->kernel, b->kernel) != 0)
            return spacc_fail(err, SPACC_EUNSUPPORTED,
                              "kernels '%.39s' and '%.39s' have the same hash", a->kernel,
                              b->kernel);
    }
    return SPACC_OK;
}

static enum spacc_status fit_all(struct spacc_costs *c, struct bench *bench,
                                 const struct spacc_profile *p,
                                 const struct spacc_sample **list, struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;

    for (size_t i = 0, at = 0; i < c->kernels && status == SPACC_OK; i++) {
        const size_t run = run_of(&list[at], p->samples - at);
        status = check_names(&list[at], run, err);
        if (status == SPACC_OK)
            status = gather(&bench[i], &c->kernel[i], &p->machine, &list[at], run);
        if (status == SPACC_OK)
            status = fit_kernel(&bench[i]);
        if (status == SPACC_OK)
            status = fit_polynomials(&bench[i]);
        at += run;
    }
    if (status != SPACC_OK)
        return status;
    const size_t bytes = spacc_costs_part_bytes(c, COSTS_FIT, true);
    give_out(bench, c->kernels, bytes < FIT_BYTES_MAX ? FIT_BYTES_MAX - bytes : 0);
    for (size_t i = 0; i < c->kernels && status == SPACC_OK; i++)
        status = take_trees(&bench[i]);
    return status;
}

/* A new model of `kernels` kernels; NULL: out of memory. */
static struct spacc_costs *costs_new(size_t kernels)
{
    struct spacc_costs *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->kernels = kernels;
    c->kernel = calloc(kernels, sizeof(*c->kernel));
    if (c->kernel)
        return c;
    free(c);
    return NULL;
}

enum spacc_status spacc_costs_fit(struct spacc_profile *p, struct spacc_error *err)
{
    enum spacc_status status = SPACC_ENOMEM;
    struct spacc_costs *c = NULL;
    struct bench *bench = NULL;
    size_t kernels = 0;

    if (p->samples == 0)
        return spacc_fail(err, SPACC_EINVAL, "no samples of %.63s to fit costs to", p->device);
    const struct spacc_sample **list = sort_samples(p);
    if (!list)
        goto out;
    kernels = count_kernels(list, p->samples);
    if (kernels > KERNELS_MAX) {
        status = spacc_fail(err, SPACC_EINVAL, "samples of %zu kernels, at most %d have costs",
                            kernels, (int)KERNELS_MAX);
        goto out;
    }
    c = costs_new(kernels);
    bench = calloc(kernels, sizeof(*bench));
    if (!c || !bench)
        goto out;
    status = fit_all(c, bench, p, list, err);
    if (status != SPACC_OK)
        goto out;
    spacc_costs_free(p->costs);
    p->costs = c;
    c = NULL;
out:
    for (size_t i = 0; bench && i < kernels; i++)
        release(&bench[i]);
    free(bench);
    free(list);
    spacc_costs_free(c);
    if (status == SPACC_ENOMEM)
        spacc_fail(err, status, "out of memory for costs of %.63s", p->device);
    return status;
}
