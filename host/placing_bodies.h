/* placing_bodies.h - nodes in branches and bodies: how often they are called in a request, how
 * long a call takes and how large their values are, seen in runs. */
#ifndef SPACC_PLACING_BODIES_H
#define SPACC_PLACING_BODIES_H

#include "host/cpu/engine.h"
#include "host/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_bodies {
    const struct spacc_plan *plan;
    double *us;    /* [plan nodes]: of all calls of a run, the least of the runs; of outermost
                      nodes    their steps of the engine */
    double *calls; /* [plan nodes]: in a run */
    double *
        *bytes; /* [plan graphs][values]: the largest that was seen; NULL for the outermost */
    /* own */
    double *us_now;
    double stamp_us;
};

/* Run the engine a few times with these inputs. Errors of the run, SPACC_ENOMEM. */
enum spacc_status spacc_bodies_run(struct spacc_bodies *p, const struct spacc_plan *plan,
                                   struct spacc_engine *e, const struct spacc_graph *g,
                                   const struct spacc_tensor *const *input,
                                   struct spacc_error *err);
void spacc_bodies_release(struct spacc_bodies *p);

#ifdef __cplusplus
}
#endif

#endif
