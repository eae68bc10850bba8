/* run.h - bind shapes and run a graph on the plain-C float reference. */
#ifndef SPACC_RUN_H
#define SPACC_RUN_H

#include <stdbool.h>

#include "models/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Static shapes of every value of a graph for given inputs. shape[v].dtype is
 * SPACC_DTYPE_NONE where it depends on contents known only at run time.
 * shape[v].data points at constant contents or is NULL: those of an initialiser
 * belong to the graph, which must outlive the binding; folded ones (up to 64 MiB a
 * node) belong to the binding. */
struct spacc_binding {
    int values;
    struct spacc_tensor *shape;
    void **folded; /* by value: contents that are freed with the binding */
};

/* Bind dynamic dimensions by the actual inputs (`input[i]` for graph input i;
 * contents are not used, only type and shape), fold constants, infer shapes.
 * SPACC_ESHAPE names the input and both sides, or the node. Free with
 * spacc_binding_free(). */
enum spacc_status spacc_graph_bind(struct spacc_binding **out, const struct spacc_graph *g,
                                   const struct spacc_tensor *const *input,
                                   struct spacc_error *err);
void spacc_binding_free(struct spacc_binding *b);

/* Check the inputs against what the graph declares: SPACC_ESHAPE with
 * "FILE: input NAME: has float32[1,2], the model wants float32[1,257]". Symbolic
 * dimensions of one name must agree among the inputs. */
enum spacc_status spacc_graph_check_inputs(const struct spacc_graph *g,
                                           const struct spacc_tensor *const *input,
                                           struct spacc_error *err);

/* Who else may run a node, and who wants to see results: both may be NULL. */
struct spacc_run_hooks {
    /* Called for every node. Sets *done when it ran the node itself and put new
     * tensors (handed over) into out[0..outputs-1]; in[] as in spacc_op_call.
     * `*done = false` leaves the node to the reference. */
    enum spacc_status (*node)(void *user, const struct spacc_graph *g, int node,
                              const struct spacc_tensor *const *in, struct spacc_tensor **out,
                              bool *done, struct spacc_error *err);
    /* Called with every value a node made (calibration, shapes, traces). */
    void (*value)(void *user, const struct spacc_graph *g, int value,
                  const struct spacc_tensor *contents);
    void *user;
    /* The node hook may leave results out (done, and out[i] NULL). Then readers of these get
     * NULL and are the hook's as well, and so are outputs of the graph left out: NULL. */
    bool partial;
};

/* Run the graph: output[i] (graph output i) is new and handed to the caller; all
 * NULL on failure. Values die after their last reader. Subgraphs get the same
 * hooks, a body in every trip. */
enum spacc_status spacc_graph_run(const struct spacc_graph *g,
                                  const struct spacc_tensor *const *input,
                                  struct spacc_tensor **output,
                                  const struct spacc_run_hooks *hooks, struct spacc_error *err);

/* Run one node on the reference: in[]/out[] as in spacc_op_call; out[i] new. */
enum spacc_status spacc_node_run(const struct spacc_graph *g, int node,
                                 const struct spacc_tensor *const *in,
                                 struct spacc_tensor **out, struct spacc_error *err);

/* Run one node, with its branches if it has any: value[v] is what value v of g holds, for the
 * values that spacc_node_reads() names. out[i] is new. `hooks` are for the nodes in branches.
 */
enum spacc_status spacc_graph_run_node(const struct spacc_graph *g, int node,
                                       const struct spacc_tensor **value,
                                       const struct spacc_run_hooks *hooks,
                                       struct spacc_tensor **out, struct spacc_error *err);

/* Check what one node is given, types and shapes, without running it. The message and the
 * status are those of spacc_node_run(). */
enum spacc_status spacc_node_check(const struct spacc_graph *g, int node,
                                   const struct spacc_tensor *const *in,
                                   struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
