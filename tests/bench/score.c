#include "tests/bench/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/predict/costs_parts.h"

struct score spacc_score(const double *predicted_us, const double *measured_us,
                         const bool *which, size_t samples)
{
    struct score s = {0};

    for (size_t i = 0; i < samples; i++) {
        if (which && !which[i])
            continue;
        s.samples++;
        if (isnan(predicted_us[i]))
            continue;
        const double error = predicted_us[i] - measured_us[i];
        const double share = fabs(error) / measured_us[i];
        s.known++;
        s.within_5 += share <= 0.05;
        s.within_10 += share <= 0.10;
        s.rmse_us += error * error;
        s.rmspe += share * share;
    }
    if (s.known == 0)
        return s;
    s.within_5 /= (double)s.samples;
    s.within_10 /= (double)s.samples;
    s.rmse_us = sqrt(s.rmse_us / (double)s.known);
    s.rmspe = sqrt(s.rmspe / (double)s.known);
    return s;
}

struct spacc_profile *spacc_score_empty(const struct spacc_profile *p)
{
    struct spacc_profile *empty = calloc(1, sizeof(*empty));

    if (!empty)
        return NULL;
    empty->machine = p->machine;
    memcpy(empty->device, p->device, sizeof(p->device));
    empty->link = p->link;
    empty->power = p->power;
    return empty;
}

/* A new array; NULL: out of memory. */
static uint8_t *folds_of(const struct spacc_profile *p, int folds, uint64_t seed)
{
    uint8_t *fold = calloc(p->samples + 1, 1);
    const struct spacc_sample **sample = calloc(p->samples + 1, sizeof(*sample));

    for (size_t i = 0; sample && i < p->samples; i++)
        sample[i] = &p->sample[i];
    if (fold && sample)
        spacc_folds(fold, sample, p->samples, (unsigned)folds, seed);
    else {
        free(fold);
        fold = NULL;
    }
    free(sample);
    return fold;
}

static enum spacc_status predict_fold(const struct spacc_profile *p, const uint8_t *fold,
                                      int which, double *predicted[SPACC_COST_MODELS],
                                      struct spacc_error *err)
{
    struct spacc_profile *rest = spacc_score_empty(p);
    enum spacc_status status = rest ? SPACC_OK : SPACC_ENOMEM;
    struct spacc_cost cost;

    for (size_t i = 0; i < p->samples && status == SPACC_OK; i++)
        if (fold[i] != which)
            status = spacc_profile_add(rest, &p->sample[i], err);
    if (status == SPACC_OK)
        status = spacc_costs_fit(rest, err);
    for (size_t i = 0; i < p->samples && status == SPACC_OK; i++)
        for (int m = 0; m < SPACC_COST_MODELS && fold[i] == which; m++)
            if (m != SPACC_COST_STACK && m != SPACC_COST_TABLE &&
                spacc_cost_of(rest, (enum spacc_cost_model)m, &p->sample[i].work, &cost,
                              NULL) == SPACC_OK)
                predicted[m][i] = cost.us;
    spacc_profile_free(rest);
    return status;
}

enum spacc_status spacc_score_held_out(const struct spacc_profile *p, int folds, uint64_t seed,
                                       double *predicted[SPACC_COST_MODELS],
                                       struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;
    uint8_t *fold = folds_of(p, folds, seed);

    for (int m = 0; m < SPACC_COST_MODELS; m++) {
        predicted[m] = malloc((p->samples + 1) * sizeof(double));
        for (size_t i = 0; predicted[m] && i < p->samples; i++)
            predicted[m][i] = (double)NAN;
        if (!predicted[m])
            status = SPACC_ENOMEM;
    }
    if (!fold)
        status = SPACC_ENOMEM;
    for (int which = 0; which < folds && status == SPACC_OK; which++)
        status = predict_fold(p, fold, which, predicted, err);
    free(fold);
    for (int m = 0; m < SPACC_COST_MODELS && status != SPACC_OK; m++) {
        free(predicted[m]);
        predicted[m] = NULL;
    }
    return status;
}
