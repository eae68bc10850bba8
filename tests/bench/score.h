/* score.h - how far predictions are from what was measured. */
#ifndef SPACC_TESTS_BENCH_SCORE_H
#define SPACC_TESTS_BENCH_SCORE_H

#include "scheduler/cost.h"

struct score {
    size_t samples, known;      /* a prediction that is missing counts as wrong in within_* */
    double within_5, within_10; /* shares of samples */
    double rmse_us, rmspe;      /* of those known; rmspe is a share */
};

/* Predictions (NAN: none) against what was measured; samples for which `which` is false (NULL:
 * none) are passed over. */
struct score spacc_score(const double *predicted_us, const double *measured_us,
                         const bool *which, size_t samples);

/* Every sample of p is predicted by models fitted to the other folds: predicted[model][i] is a
 * new array, NAN where a model does not know the kernel. The table and the stack have no
 * predictions: held out, a sample is in no table. Samples of the same sizes are held out
 * together. 2 to 20 folds; the seed says which. SPACC_ENOMEM, those of spacc_costs_fit(). */
enum spacc_status spacc_score_held_out(const struct spacc_profile *p, int folds, uint64_t seed,
                                       double *predicted[SPACC_COST_MODELS],
                                       struct spacc_error *err);

/* A profile of what p has but samples: its machine, link and power. NULL: out of memory. */
struct spacc_profile *spacc_score_empty(const struct spacc_profile *p);

#endif
