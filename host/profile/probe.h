/* probe.h - an engine with its inputs, and how long its steps take.
 *
 * A round is a number of runs in a row; the mean of the middle half of them is one number.
 * Rounds of one probe should lie apart in time: the lower quartile over rounds is then what the
 * step takes when nobody disturbs. */
#ifndef SPACC_PROFILE_PROBE_H
#define SPACC_PROFILE_PROBE_H

#include "host/cpu/engine.h"
#include "scheduler/profile.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_probe;

/* What is in the way of a measurement, found out once, and what is run in between. */
struct spacc_ruler {
    double clock_us; /* what reading the clock adds to a step */
    size_t l1_bytes, l2_bytes;
    size_t sweep_bytes;
    unsigned char *sweep; /* [sweep_bytes], as much as an L2 holds */
    /* Small graphs of other kernels: a step of a model does not follow itself either. They
     * take the code, the nearest cache and what the core has guessed of branches. */
    size_t others;
    struct spacc_probe **other;
};
/* SPACC_ENOMEM, errors of spacc_engine_new(). */
enum spacc_status spacc_ruler_new(struct spacc_ruler *r,
                                  const struct spacc_engine_options *options,
                                  struct spacc_error *err);
void spacc_ruler_free(struct spacc_ruler *r);

/* What lies in the caches when a run starts: all that was there after the run before (of a
 * whole model); weights in the L2 but not the L1; or in neither. Inputs are in the nearest one
 * in any case, since a model has just made them. */
enum spacc_probe_state { SPACC_PROBE_REPEAT, SPACC_PROBE_WARM, SPACC_PROBE_COLD };

/* Take g and its inputs over (freed in any case). Errors of spacc_engine_new(), and of one
 * run, which is made. */
enum spacc_status spacc_probe_new(struct spacc_probe **out, struct spacc_graph *g,
                                  struct spacc_tensor **input,
                                  const struct spacc_engine_options *options,
                                  struct spacc_error *err);
/* The same with a graph and inputs that stay the caller's and outlive the probe. */
enum spacc_status spacc_probe_of(struct spacc_probe **out, const struct spacc_graph *g,
                                 const struct spacc_tensor *const *input,
                                 const struct spacc_engine_options *options,
                                 struct spacc_error *err);
void spacc_probe_free(struct spacc_probe *p);
const struct spacc_engine *spacc_probe_engine(const struct spacc_probe *p);

/* One round: runs until `us` have gone by, at least `least`. */
enum spacc_status spacc_probe_round(struct spacc_probe *p, const struct spacc_ruler *r,
                                    enum spacc_probe_state state, double us, int least,
                                    struct spacc_error *err);

/* Runs in a row, with nothing in between, until `us` have gone by; at least one. No round. */
enum spacc_status spacc_probe_repeat(struct spacc_probe *p, double us, struct spacc_error *err);

/* Of step i over the rounds in that state: lower quartile, half the distance of the quartiles
 * relative to it, runs. False when there were none. */
bool spacc_probe_step(const struct spacc_probe *p, enum spacc_probe_state state, size_t i,
                      double *us, double *spread, unsigned *runs);

/* Random numbers above 0, up to 1, for every input as the graph declares it; of integers
 * zeros. SPACC_ENOMEM. */
enum spacc_status spacc_probe_inputs(struct spacc_tensor ***out, const struct spacc_graph *g,
                                     uint64_t seed, struct spacc_error *err);
void spacc_probe_inputs_free(struct spacc_tensor **input, int count);

#ifdef __cplusplus
}
#endif

#endif
