#include "host/seernet_trial.h"

#include <stdlib.h>
#include <string.h>

#include "host/median.h"

enum { QUICK_ROUNDS = 3, ROUNDS_LEAST = 15, ROUNDS_MOST = 41 };
static const double trial_us = 1e6; /* of both sides together */
static const double rank = 0.25;

/* Samples of one side: of each step, and behind the last one what a run takes besides. */
struct samples {
    size_t steps;
    int *owner; /* [steps]: layer, or -1 */
    double *us; /* [steps + 1][ROUNDS_MOST] */
};

struct work {
    struct spacc_seernet_trial *t;
    struct samples side[SPACC_SIDES];
    double *mask; /* [layers][ROUNDS_MOST] */
};

static enum spacc_status no_memory(const struct spacc_seernet_trial *t, struct spacc_error *err)
{
    return spacc_fail(err, SPACC_ENOMEM, "%s: no memory to time layers", t->g->file);
}

/* ---- runs ----------------------------------------------------------------------- */

static void free_outputs(const struct spacc_seernet_trial *t, int side)
{
    for (int o = 0; t->output[side] && o < t->g->outputs; o++) {
        spacc_tensor_free(t->output[side][o]);
        t->output[side][o] = NULL;
    }
}

enum spacc_status spacc_seernet_trial_run(struct spacc_seernet_trial *t, int side, size_t frame,
                                          double *us, struct spacc_error *err)
{
    if (!t->output[side] &&
        !(t->output[side] = calloc((size_t)t->g->outputs + 1, sizeof(*t->output[side]))))
        return no_memory(t, err);
    free_outputs(t, side);
    return t->run(t->user, t->engine[side], t->input + frame % t->frames * (size_t)t->g->inputs,
                  t->output[side], us, err);
}

/* ---- rounds --------------------------------------------------------------------- */

static enum spacc_status time_side(struct work *w, int side, size_t round,
                                   struct spacc_error *err)
{
    const struct spacc_engine *e = w->t->engine[side];
    const struct samples *s = &w->side[side];
    double *us = s->us + round, *rest = us + s->steps * ROUNDS_MOST;

    for (size_t i = 0; i < s->steps; i++)
        us[i * ROUNDS_MOST] = -spacc_engine_step_us(e, i);
    const enum spacc_status status = spacc_seernet_trial_run(w->t, side, round, rest, err);
    for (size_t i = 0; i < s->steps; i++) {
        us[i * ROUNDS_MOST] += spacc_engine_step_us(e, i);
        *rest -= us[i * ROUNDS_MOST];
    }
    return status;
}

/* `sign` -1 before the run, 1 behind it. */
static void add_masks(const struct work *w, double sign, size_t round)
{
    const struct spacc_engine *e = w->t->engine[SPACC_SIDE_SEER];

    for (size_t i = 0; i < spacc_engine_seernets(e); i++) {
        const struct spacc_engine_seernet s = spacc_engine_seernet(e, i);
        double *us = w->mask + (size_t)w->t->layer[s.node] * ROUNDS_MOST + round;
        *us = (sign < 0.0 ? 0.0 : *us) + sign * s.mask_us;
    }
}

static enum spacc_status time_round(struct work *w, size_t round, struct spacc_error *err)
{
    enum spacc_status status = time_side(w, SPACC_SIDE_DENSE, round, err);

    add_masks(w, -1.0, round);
    if (!status)
        status = time_side(w, SPACC_SIDE_SEER, round, err);
    add_masks(w, 1.0, round);
    return status;
}

static double spent_in(const struct work *w, size_t round)
{
    double us = 0.0;

    for (int side = 0; side < SPACC_SIDES; side++)
        for (size_t i = 0; i <= w->side[side].steps; i++)
            us += w->side[side].us[i * ROUNDS_MOST + round];
    return us;
}

/* The first round is not counted. */
static enum spacc_status time_rounds(struct work *w, bool quick, struct spacc_error *err)
{
    const size_t least = quick ? QUICK_ROUNDS : ROUNDS_LEAST;
    const size_t most = quick ? QUICK_ROUNDS : ROUNDS_MOST;
    enum spacc_status status = time_round(w, 0, err);
    double spent = 0.0;
    size_t r = 0;

    for (; r < most && (r < least || spent < trial_us) && !status; r++) {
        status = time_round(w, r, err);
        spent += spent_in(w, r);
    }
    w->t->rounds = r;
    return status;
}

/* ---- sums ----------------------------------------------------------------------- */

/* Sorts. */
static double quartile(double *us, size_t rounds)
{
    spacc_sort_times(us, rounds);
    return spacc_rank(us, rounds, rank);
}

static void sum_side(const struct work *w, int side)
{
    const struct samples *s = &w->side[side];
    double *to = w->t->us[side];

    memset(to, 0, (w->t->layers + 1) * sizeof(*to));
    for (size_t i = 0; i <= s->steps; i++) {
        const double us = quartile(s->us + i * ROUNDS_MOST, w->t->rounds);
        if (i < s->steps && s->owner[i] >= 0)
            to[s->owner[i]] += us;
        to[w->t->layers] += us;
    }
}

static void sum_up(const struct work *w)
{
    for (int side = 0; side < SPACC_SIDES; side++)
        sum_side(w, side);
    for (size_t l = 0; l < w->t->layers; l++)
        w->t->mask_us[l] = quartile(w->mask + l * ROUNDS_MOST, w->t->rounds);
}

/* ---- room ----------------------------------------------------------------------- */

static bool new_samples(struct work *w, int side)
{
    struct samples *s = &w->side[side];
    struct spacc_seernet_trial *t = w->t;

    s->steps = spacc_engine_steps(t->engine[side]);
    s->owner = calloc(s->steps + 1, sizeof(*s->owner));
    s->us = calloc((s->steps + 1) * ROUNDS_MOST, sizeof(*s->us));
    if (!t->us[side])
        t->us[side] = calloc(t->layers + 1, sizeof(*t->us[side]));
    if (!s->owner || !s->us || !t->us[side])
        return false;
    spacc_engine_step_owners(t->engine[side], t->layer, s->owner);
    return true;
}

static bool new_masks(struct work *w)
{
    w->mask = calloc((w->t->layers + 1) * ROUNDS_MOST, sizeof(*w->mask));
    if (!w->t->mask_us)
        w->t->mask_us = calloc(w->t->layers + 1, sizeof(*w->t->mask_us));
    return w->mask && w->t->mask_us;
}

enum spacc_status spacc_seernet_trial_hold(struct spacc_seernet_trial *t, bool quick,
                                           struct spacc_error *err)
{
    struct work w = {.t = t};
    enum spacc_status status = SPACC_ENOMEM;

    if (!new_samples(&w, SPACC_SIDE_DENSE) || !new_samples(&w, SPACC_SIDE_SEER) ||
        !new_masks(&w))
        no_memory(t, err);
    else if (!(status = time_rounds(&w, quick, err)))
        sum_up(&w);
    for (int side = 0; side < SPACC_SIDES; side++) {
        free(w.side[side].owner);
        free(w.side[side].us);
    }
    free(w.mask);
    return status;
}

void spacc_seernet_trial_release(struct spacc_seernet_trial *t)
{
    for (int side = 0; side < SPACC_SIDES; side++) {
        free_outputs(t, side);
        free(t->output[side]);
        free(t->us[side]);
    }
    free(t->mask_us);
}
