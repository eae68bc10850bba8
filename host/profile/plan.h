/* plan.h - which trials a profile has: typical sizes and those of given models, and random
 * variations of both. The list hangs on seed, mode and models alone. */
#ifndef SPACC_PROFILE_PLAN_H
#define SPACC_PROFILE_PLAN_H

#include "host/profile/trial.h"
#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_trials {
    size_t count, room;
    struct spacc_trial *trial;
};

/* Works and nodes of a model that has been made ready; they outlive the trials. */
struct spacc_plan_model {
    const struct spacc_graph *g;
    const struct spacc_binding *shape;
    size_t works;
    const struct spacc_work *work; /* [works] of its steps */
    const int *node;               /* [works] of each step */
};

/* SPACC_ENOMEM. Free the list with spacc_trials_free(), also on failure. */
enum spacc_status spacc_trials_plan(struct spacc_trials *to, uint64_t seed, bool quick,
                                    size_t models, const struct spacc_plan_model *model,
                                    struct spacc_error *err);

/* `count` random neighbours of a trial: channels of 0.5 to 1.2 times its own, all else kept.
 * What is too large, or there already, is left out. */
enum spacc_status spacc_trials_around(struct spacc_trials *to, const struct spacc_trial *t,
                                      int count, uint64_t *random, struct spacc_error *err);

void spacc_trials_free(struct spacc_trials *t);

#ifdef __cplusplus
}
#endif

#endif
