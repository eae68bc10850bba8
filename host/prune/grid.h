/* grid.h - where the card's fixed point will lie: the fraction bits of a layer's inputs, by the
 * rules by which a session finds them (host/plan.h) when it is calibrated with the same data.
 */
#ifndef SPACC_PRUNE_GRID_H
#define SPACC_PRUNE_GRID_H

#include "host/prune/requests.h"
#include "models/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_grid; /* fields are private */

/* Runs the model as it is over a few of the requests, to see which layers run behind each other
 * on a card. Errors of a run and of spacc_plan_see(); SPACC_ENOMEM. The graph lives longer. */
enum spacc_status spacc_grid_new(struct spacc_grid **out, const struct spacc_graph *g,
                                 const struct spacc_requests *requests,
                                 struct spacc_error *err);
void spacc_grid_free(struct spacc_grid *grid); /* NULL is allowed */

/* What node `node` is given, in[] as in spacc_op_call with room for all that the operator may
 * have: of all requests, before spacc_grid_frac(). */
enum spacc_status spacc_grid_see(struct spacc_grid *grid, int node,
                                 const struct spacc_tensor *const *in, struct spacc_error *err);

/* Fraction bits of x and h (unset for a product) of a node; false: no card runs it. */
bool spacc_grid_frac(const struct spacc_grid *grid, int node, int *x_frac, int *h_frac);

#ifdef __cplusplus
}
#endif

#endif
