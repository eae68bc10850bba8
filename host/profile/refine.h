/* refine.h - where a profile's costs are still wrong, and what to measure there. */
#ifndef SPACC_PROFILE_REFINE_H
#define SPACC_PROFILE_REFINE_H

#include "host/profile/plan.h"
#include "scheduler/cost.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPACC_REFINE_ROUNDS = 2, SPACC_REFINE_FOLDS = 5 };

/* error[i]: of models fitted to the samples of the other folds on sample i, relative to what
 * was measured, for the first `folds` of SPACC_REFINE_FOLDS; NAN for those of other folds and
 * where a model has none. Folds go by kernel and sizes, from `shift` on. A fit a fold.
 * SPACC_ENOMEM. */
enum spacc_status spacc_held_out_errors(const struct spacc_profile *p, size_t folds,
                                        size_t shift, double *error, struct spacc_error *err);

/* New trials around samples that a model has not seen and is off by more than 10 %; those of
 * families that can be made again from a work. A few hundred at most. Every round looks at
 * another fifth. */
enum spacc_status spacc_refine(struct spacc_trials *to, const struct spacc_profile *p,
                               size_t round, uint64_t seed, struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
