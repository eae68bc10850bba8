/* seernet_trial.h - two engines of one graph, without SeerNet and with, in turn on the same
 * inputs: what every layer takes in either.
 *
 * A step's time is the lower quartile of its rounds, a layer's the sum over its steps, and a
 * run's the sum over all, with what runs take besides: a neighbour on the machine that stops a
 * run for a while then spoils one step of one round. */
#ifndef SPACC_SEERNET_TRIAL_H
#define SPACC_SEERNET_TRIAL_H

#include "host/cpu/engine.h"

enum spacc_seernet_side { SPACC_SIDE_DENSE, SPACC_SIDE_SEER, SPACC_SIDES };

/* One run of `e`: output[o] new tensors, *us what it took. */
typedef enum spacc_status (*spacc_seernet_run_fn)(void *user, struct spacc_engine *e,
                                                  const struct spacc_tensor *const *input,
                                                  struct spacc_tensor **output, double *us,
                                                  struct spacc_error *err);

/* The first part is the caller's. All zero before the first call. */
struct spacc_seernet_trial {
    const struct spacc_graph *g;
    struct spacc_engine *engine[SPACC_SIDES];
    spacc_seernet_run_fn run;
    void *user;
    size_t frames;
    const struct spacc_tensor *const *input; /* [frames][inputs] */
    size_t layers;
    const int *layer; /* [nodes of g]: or -1 */
    /* own */
    struct spacc_tensor **output[SPACC_SIDES]; /* of the last run */
    double *us[SPACC_SIDES]; /* [layers + 1]: the last is a run of the model */
    double *mask_us;         /* [layers] of the seer side */
    size_t rounds;
};

/* One run of a side (enum spacc_seernet_side) on frame `frame`; its output[] until its next
 * one. */
enum spacc_status spacc_seernet_trial_run(struct spacc_seernet_trial *t, int side, size_t frame,
                                          double *us, struct spacc_error *err);

/* Fill us[] and mask_us[]; `quick`: roughly, by three rounds. SPACC_ENOMEM; errors of run(). */
enum spacc_status spacc_seernet_trial_hold(struct spacc_seernet_trial *t, bool quick,
                                           struct spacc_error *err);

/* What is its own; engines are the caller's. */
void spacc_seernet_trial_release(struct spacc_seernet_trial *t);

#endif
