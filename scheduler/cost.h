/* cost.h - what a kernel will take, from what was measured.
 *
 *     table      the median of this very kernel and sizes, when it was measured
 *     fit        closed form ceil(work / (block * cores)) * t (CoDL, MobiSys'22, section 4)
 *                with a boosted residual
 *     roofline   before anything was measured: Paleo (ICLR'17), compute and bytes at a share
 *                of peak
 *
 * asked in this order. A kernel of which no profile knows anything has no cost: an error, never
 * 0.
 */
#ifndef SPACC_COST_H
#define SPACC_COST_H

#include "scheduler/profile.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where the power of a kernel comes from, the least certain first. */
enum spacc_power_from {
    SPACC_POWER_BUSY,    /* that of a busy thread: spacc_power, measured or stated */
    SPACC_POWER_FITTED,  /* a polynomial of its kernel's samples with joules */
    SPACC_POWER_MEASURED /* the joules of this very sample */
};

struct spacc_cost {
    double us;
    double sigma;       /* standard error relative to us, from residuals; 0 when exact */
    double joules;      /* power times time, above what the device takes when idle */
    const char *source; /* "table", "fit", "roofline"; static */
    enum spacc_power_from power;
};

/* How a cost is found: every model of costs alone, for the scoring bench, and the stack. */
enum spacc_cost_model {
    SPACC_COST_STACK, /* the first of these that knows the kernel */
    SPACC_COST_TABLE,
    SPACC_COST_BOOSTED,    /* closed form and residual */
    SPACC_COST_CLOSED,     /* closed form alone */
    SPACC_COST_POLYNOMIAL, /* sparse polynomial (NeuralPower, ACML'17) */
    SPACC_COST_ROOFLINE,
    SPACC_COST_MODELS
};

/* Fit costs to p's samples: p->costs is new (an old one is freed). The same samples give the
 * same bits. SPACC_EINVAL: no samples; SPACC_ENOMEM. */
enum spacc_status spacc_costs_fit(struct spacc_profile *p, struct spacc_error *err);
void spacc_costs_free(struct spacc_costs *c);

/* What `w` will take on the device of p, by `model`. At most 1 us for all but a first call.
 * SPACC_EUNSUPPORTED names the kernel that is not known (by this model), or the profile's
 * roofline numbers that are missing. */
enum spacc_status spacc_cost_of(const struct spacc_profile *p, enum spacc_cost_model model,
                                const struct spacc_work *w, struct spacc_cost *out,
                                struct spacc_error *err);

/* Bytes of the fitted model as stored, without the table of samples. */
size_t spacc_costs_bytes(const struct spacc_profile *p, enum spacc_cost_model model);

/* "stack", "table", ...; NULL out of range. */
const char *spacc_cost_model_name(enum spacc_cost_model model);

#ifdef __cplusplus
}
#endif

#endif
