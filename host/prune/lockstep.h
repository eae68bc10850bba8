/* lockstep.h - many requests through a model at once, node by node: when a node's turn comes
 * its inputs are there for every request, made by nodes whose weights may have changed since
 * the model was read. One run of the model an all-layers calibration, however many layers. */
#ifndef SPACC_PRUNE_LOCKSTEP_H
#define SPACC_PRUNE_LOCKSTEP_H

#include "models/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_lockstep; /* fields are private */

/* Begin. input[r * inputs + i] is input i of request r; checked against the graph, and kept:
 * the graph and the inputs live longer. Values are held until their last reader ran.
 * SPACC_ESHAPE names the input and both sides; SPACC_ENOMEM. */
enum spacc_status spacc_lockstep_new(struct spacc_lockstep **out, const struct spacc_graph *g,
                                     size_t requests, const struct spacc_tensor *const *input,
                                     struct spacc_error *err);

/* The rest of `from` for requests 0, every, 2 * every ..: what it holds is read, not taken;
 * `from` must live longer and stay where it is. SPACC_ENOMEM. */
enum spacc_status spacc_lockstep_fork(struct spacc_lockstep **out,
                                      const struct spacc_lockstep *from, size_t every,
                                      struct spacc_error *err);
void spacc_lockstep_free(struct spacc_lockstep *l); /* NULL is allowed */

/* From now on go by copies of the constants as they are now: what becomes of those of the graph
 * does not matter. SPACC_ENOMEM. */
enum spacc_status spacc_lockstep_keep(struct spacc_lockstep *l, struct spacc_error *err);

size_t spacc_lockstep_requests(const struct spacc_lockstep *l);

/* Number of the node whose turn it is; g->nodes at the end. */
int spacc_lockstep_node(const struct spacc_lockstep *l);
bool spacc_lockstep_done(const struct spacc_lockstep *l);

/* Contents of a value of request r; NULL when it is not there (any more). */
const struct spacc_tensor *spacc_lockstep_value(const struct spacc_lockstep *l, size_t r,
                                                int value);

/* Inputs of the node whose turn it is, of request r, as in spacc_op_call: into room for as many
 * as its operator may have, NULL where there is none. _room makes such room, free() it; NULL:
 * no memory. */
const struct spacc_tensor **spacc_lockstep_room(const struct spacc_lockstep *l);
void spacc_lockstep_inputs(const struct spacc_lockstep *l, size_t r,
                           const struct spacc_tensor **in);

/* Run the node whose turn it is, for all requests. Errors of its operator. */
enum spacc_status spacc_lockstep_step(struct spacc_lockstep *l, struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
