/* seernet_choice.h - which convolutions run as SeerNet (sparse/seernet.h): measured, not hoped.
 *
 * An engine with every layer that SeerNet can run and one without run in turn on the same
 * inputs. Layers that do not get faster, reorders around them included, are dropped and the
 * rest is timed again; what is left has to make the whole model faster, else SeerNet is
 * withdrawn altogether. */
#ifndef SPACC_SEERNET_CHOICE_H
#define SPACC_SEERNET_CHOICE_H

#include "host/cpu/engine.h"
#include "host/include/spacc.h"
#include "host/seernet_trial.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_seernet_ask {
    const struct spacc_graph *g;
    struct spacc_engine_options engine;      /* without SeerNet: what it is held against */
    int bits;                                /* 2 to 8, or SPACC_SEERNET_EXACT */
    bool always;                             /* take every layer, whatever it costs */
    size_t frames;                           /* 1 or more; a few are looked at */
    const struct spacc_tensor *const *input; /* [frames][inputs] */
    spacc_seernet_run_fn run;
    void *user;
};

struct spacc_seernet_choice; /* private */

/* *engine is one made with ask->engine. It is freed and another put in its place where
 * SeerNet pays. Its times so far are forgotten. The choice lives as long as the engine, and g
 * as long as the choice. SPACC_EINVAL for other bits; SPACC_ENOMEM; errors of
 * spacc_engine_new() and run(). */
enum spacc_status spacc_seernet_choose(struct spacc_seernet_choice **out,
                                       const struct spacc_seernet_ask *ask,
                                       struct spacc_engine **engine, struct spacc_error *err);
/* NULL is allowed. */
void spacc_seernet_choice_free(struct spacc_seernet_choice *c);

/* [nodes of g]: which convolutions were taken, and how; for engines made later. */
const struct spacc_seernet_how *spacc_seernet_choice_how(const struct spacc_seernet_choice *c);

/* What a run by these layers takes, when `e` is the engine that was chosen: as measured, and
 * corrected by what its runs had to compute more or less than those measured. */
double spacc_seernet_choice_us(const struct spacc_seernet_choice *c,
                               const struct spacc_engine *e);

/* Of the dense time: where a run takes more, SeerNet is to be withdrawn. */
extern const double spacc_seernet_slow;

/* It is: `us` is what a run takes now. No layer is taken from here on. */
void spacc_seernet_choice_withdraw(struct spacc_seernet_choice *c, double us);

/* What was measured, and why. Lives as long as the choice. */
const struct spacc_report_seernet *
spacc_seernet_choice_report(const struct spacc_seernet_choice *c);

#ifdef __cplusplus
}
#endif

#endif
