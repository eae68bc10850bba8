/* executor.h - runs a graph by its plan: layers on a device, everything else on the float
 * reference, through the hooks of spacc_graph_run(). */
#ifndef SPACC_EXECUTOR_H
#define SPACC_EXECUTOR_H

#include "host/clock.h"
#include "host/cpu/engine.h"
#include "host/device.h"
#include "host/plan.h"
#include "host/verify.h"
#include "models/run.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What was measured of one plan node over all runs. */
struct spacc_node_stats {
    uint64_t calls, device_calls;
    double host_us, stamp_us;
    uint64_t steps, input_saturations;
    struct spacc_job_counts counts;
    uint64_t traced_cycles; /* of these, those on the time line */
    double device_us;       /* of host_us: in the device's hands */
    double own_us;          /* of host_us: not so: floats to vectors and back */
    uint64_t waited_cycles; /* of the cycles, those that a run has counted */
    double waited_own_us;   /* the same */
    struct spacc_error_sum error;
    struct spacc_tensor *pending[SPACC_NODE_OUTPUTS_MAX]; /* a chain has run ahead */
    bool has_pending;
    bool skip_state; /* nobody reads Y_c */
};

/* Fields in the first part are the caller's. */
struct spacc_executor {
    struct spacc_plan *plan;
    struct spacc_device *device; /* or NULL: all on the reference */
    bool masked; /* the reference uses pruned weights where there is no device */
    bool verify;
    struct spacc_gpu *gpu; /* runs the nodes that `where` says, or NULL */
    const int *where;      /* [plan nodes]: enum spacc_where; NULL: nothing is placed */
    const int *order;      /* of spacc_engine_options */
    struct spacc_timeline *timeline; /* or NULL */
    int seernet;                     /* of spacc_engine_options */
    const struct spacc_seernet_how *seernet_how;
    int card_track;
    double card_hz; /* clock of a card whose time is its cycles, not what passes here; or 0 */
    /* own */
    struct spacc_engine *engine; /* NULL: all on the reference */
    bool learning;
    double unreal_us;  /* in all runs so far: what a simulated card took beyond its own time */
    const bool *learn; /* learning: by node of the graph, whether its results are needed */
    const struct spacc_tensor *const *input;
    struct spacc_node_stats *stats; /* [plan->nodes] */
    struct spacc_tensor ***kept;    /* [plan->graphs][values] */
};

/* plan is set. SPACC_ENOMEM. */
enum spacc_status spacc_executor_init(struct spacc_executor *x, struct spacc_error *err);
void spacc_executor_release(struct spacc_executor *x);

/* How an engine for this plan is made; `user` is x. */
struct spacc_engine_options spacc_executor_options(struct spacc_executor *x,
                                                   const struct spacc_parallel *parallel,
                                                   enum spacc_tile_type precision);

/* Make the engine for inputs of these shapes; after the plan is settled and the device has
 * its layers. Errors of spacc_engine_new(). */
enum spacc_status spacc_executor_ready(struct spacc_executor *x, const struct spacc_graph *g,
                                       const struct spacc_tensor *const *input,
                                       const struct spacc_parallel *parallel,
                                       enum spacc_tile_type precision, struct spacc_error *err);

/* A calibration run on the float reference that shows the plan every node. Only what some
 * candidate reads is computed, and graph outputs with needed[o]; the rest is checked as far
 * as its inputs are there, and its outputs are NULL. */
enum spacc_status spacc_executor_learn(struct spacc_executor *x, const struct spacc_graph *g,
                                       const struct spacc_tensor *const *input,
                                       const bool *needed, struct spacc_tensor **output,
                                       struct spacc_error *err);

/* A run by the plan. */
enum spacc_status spacc_executor_run(struct spacc_executor *x, const struct spacc_graph *g,
                                     const struct spacc_tensor *const *input,
                                     struct spacc_tensor **output, struct spacc_error *err);

/* ---- executor_layers.c: nodes as jobs ---- */

/* Whether the device can take this call: shapes as planned, at least one step, all
 * sequences of full length. */
bool spacc_layers_can_run(const struct spacc_plan_node *n,
                          const struct spacc_tensor *const *in);

/* Run node n on the device, and with it the rest of its chain, whose results become
 * pending. out[] gets new tensors. Errors of the device, SPACC_ENOMEM. */
enum spacc_status spacc_layers_run(struct spacc_executor *x, struct spacc_plan_node *n,
                                   const struct spacc_tensor *const *in,
                                   struct spacc_tensor **out, struct spacc_error *err);

/* Contents of a value before its readers run, or NULL. */
const struct spacc_tensor *spacc_executor_value(const struct spacc_executor *x,
                                                const struct spacc_graph *g, int value);

#ifdef __cplusplus
}
#endif

#endif
