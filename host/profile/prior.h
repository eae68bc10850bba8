/* prior.h - sizes that networks have, by kind of trial: what random variations start from. */
#ifndef SPACC_PROFILE_PRIOR_H
#define SPACC_PROFILE_PRIOR_H

#include "host/profile/trial.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Entry `pick` (any number: it wraps) of the list of this kind. NODE has none. */
struct spacc_trial spacc_prior(enum spacc_trial_kind kind, uint64_t pick);
/* How many a list has. */
size_t spacc_prior_count(enum spacc_trial_kind kind);

/* The size of images next to this one, `steps` up or down a list of usual ones. */
int64_t spacc_prior_image(int64_t size, int steps);

#ifdef __cplusplus
}
#endif

#endif
