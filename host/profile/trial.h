/* trial.h - one thing to be measured: a kind of small graph, and its sizes.
 *
 * A trial becomes a graph, an engine, and a sample for every step of that engine: a convolution
 * in blocked layouts brings its reorders with it. */
#ifndef SPACC_PROFILE_TRIAL_H
#define SPACC_PROFILE_TRIAL_H

#include "models/run.h"
#include "scheduler/work.h"

#ifdef __cplusplus
extern "C" {
#endif

/* size[] as the family's in scheduler/work.def, but for the last four:
 *   POINTS           n c h w broadcast; op reads one or two of [n][c][h][w]; the second one
 *                    is 0: of the same shape, 1: one number, 2: [c][1][1], 3: [w]
 *   MOVE             n c h w part; op on [n][c][h][w]
 *   NODE             which axis from the end, its size now, its size in the trial */
enum spacc_trial_kind {
    SPACC_TRIAL_CONV,
    SPACC_TRIAL_DECONV,
    SPACC_TRIAL_POOL,
    SPACC_TRIAL_PRODUCT,
    SPACC_TRIAL_RNN,
    SPACC_TRIAL_POINTS,
    SPACC_TRIAL_MOVE,
    SPACC_TRIAL_NODE
};

struct spacc_trial {
    enum spacc_trial_kind kind;
    int64_t size[SPACC_WORK_SIZES];
    double density;  /* of weights: PRODUCT, RNN */
    const char *op;  /* of a convolution: the activation joined to it, or NULL; static */
    bool blocked;    /* behind a convolution, so in its layout */
    bool two_inputs; /* PRODUCT: neither is constant */
    /* NODE: a node of somebody's graph, with constants and shapes as bound. They outlive it */
    const struct spacc_graph *g;
    const struct spacc_binding *shape;
    int node;
};

/* The trial that gives this work again, of a family whose sizes tell all; false when there is
 * none. */
bool spacc_trial_of_work(struct spacc_trial *t, const struct spacc_work *w);

/* Its graph; NULL: no memory, or sizes that make none. */
struct spacc_graph *spacc_trial_graph(const struct spacc_trial *t, uint64_t seed);

/* About how many multiply-adds, or elements touched, a run has; and bytes of its tensors. */
double spacc_trial_effort(const struct spacc_trial *t);
double spacc_trial_bytes(const struct spacc_trial *t);

bool spacc_trial_same(const struct spacc_trial *a, const struct spacc_trial *b);

#ifdef __cplusplus
}
#endif

#endif
