/* loss.h - how far the outputs of a changed model are from those of the model as it was. */
#ifndef SPACC_PRUNE_LOSS_H
#define SPACC_PRUNE_LOSS_H

#include "host/prune/lockstep.h"
#include "host/prune/requests.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPACC_LOSS_REQUESTS = 8 }; /* that losses are measured on, evenly spaced, at most */

/* Every `spacc_loss_every`th request is one of them. */
size_t spacc_loss_every(size_t requests);

/* Run the rest of a lockstep. */
enum spacc_status spacc_loss_finish(struct spacc_lockstep *l, struct spacc_error *err);

/* Square error of all float32 outputs of `b` over the squares of those of `a`, both at their
 * end; request r of `a` is request r * every of `b`. What is not finite counts as 1e30.
 * SPACC_EUNSUPPORTED: no output is float32. */
enum spacc_status spacc_loss(double *loss, const struct spacc_graph *g,
                             const struct spacc_lockstep *a, const struct spacc_lockstep *b,
                             size_t every, struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
