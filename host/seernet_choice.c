#include "host/seernet_choice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/median.h"
#include "host/verify.h"
#include "models/op.h"

enum { FRAMES_MOST = 8, ROUNDS_LEAST = 7, ROUNDS_MOST = 41, PASSES = 4 };
static const double trial_us = 0.5e6; /* of both sides together */
static const double pays = 0.98;      /* share of the dense time: gains below are noise */
const double spacc_seernet_slow = 1.02;

struct spacc_seernet_choice {
    struct spacc_report_seernet report;
    struct spacc_report_seer *layer;
    int *conv;        /* [layers]: node */
    double *computed; /* [layers]: share of outputs, in the runs that were timed last */
    bool *node;       /* [nodes of g]: taken */
};

/* What is timed in a round: each layer, and behind the last one the whole run. */
enum side { DENSE, SEER, MASK, SIDES };

struct work {
    const struct spacc_seernet_ask *ask;
    struct spacc_seernet_choice *c;
    struct spacc_engine *dense, *seer;
    size_t layers, frames, rounds;
    int *layer;        /* [nodes]: or -1 */
    int *owner[2];     /* [steps] of DENSE, SEER */
    double *us[SIDES]; /* [layers + 1][ROUNDS_MOST] */
    struct spacc_tensor **output[2];
};

static enum spacc_status no_memory(const struct work *w, struct spacc_error *err)
{
    return spacc_fail(err, SPACC_ENOMEM, "%s: no memory to choose layers", w->ask->g->file);
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : NAN;
}

/* ---- runs ----------------------------------------------------------------------- */

static void free_outputs(const struct work *w, int side)
{
    for (int o = 0; w->output[side] && o < w->ask->g->outputs; o++) {
        spacc_tensor_free(w->output[side][o]);
        w->output[side][o] = NULL;
    }
}

static enum spacc_status run(struct work *w, int side, size_t frame, double *us,
                             struct spacc_error *err)
{
    const struct spacc_seernet_ask *ask = w->ask;

    free_outputs(w, side);
    return ask->run(ask->user, side == DENSE ? w->dense : w->seer,
                    ask->input + frame % w->frames * (size_t)ask->g->inputs, w->output[side],
                    us, err);
}

/* ---- who is timed ---------------------------------------------------------------- */

/* Nodes that run with the layer's Conv in either engine, and a pool that it computes for. */
static void find_layer_nodes(struct work *w)
{
    for (int n = 0; n < w->ask->g->nodes; n++) {
        const int in_seer = spacc_engine_describe(w->seer, n).joined;
        const int in_dense = spacc_engine_describe(w->dense, n).joined;
        w->layer[n] = -1;
        for (size_t l = 0; l < w->layers; l++) {
            const struct spacc_engine_seernet s = spacc_engine_seernet(w->seer, l);
            if (s.node == in_seer || s.pool == n || (w->layer[n] < 0 && s.node == in_dense))
                w->layer[n] = (int)l;
        }
    }
}

static enum spacc_status find_owners(struct work *w, int side, struct spacc_error *err)
{
    const struct spacc_engine *e = side == DENSE ? w->dense : w->seer;

    free(w->owner[side]);
    w->owner[side] = calloc(spacc_engine_steps(e) + 1, sizeof(int));
    if (!w->owner[side])
        return no_memory(w, err);
    spacc_engine_step_owners(e, w->layer, w->owner[side]);
    return SPACC_OK;
}

/* Times of all runs so far, by layer, in us[layer * ROUNDS_MOST]; sign -1 takes them off. */
static void add_layers(const struct work *w, int side, double sign, double *us)
{
    const struct spacc_engine *e = side == DENSE ? w->dense : w->seer;

    for (size_t s = 0; s < spacc_engine_steps(e); s++)
        if (w->owner[side][s] >= 0)
            us[(size_t)w->owner[side][s] * ROUNDS_MOST] += sign * spacc_engine_step_us(e, s);
}

static void add_masks(const struct work *w, double sign, size_t round)
{
    for (size_t i = 0; i < spacc_engine_seernets(w->seer); i++) {
        const struct spacc_engine_seernet s = spacc_engine_seernet(w->seer, i);
        w->us[MASK][(size_t)w->layer[s.node] * ROUNDS_MOST + round] += sign * s.mask_us;
    }
}

/* ---- a trial --------------------------------------------------------------------- */

static void clear_round(const struct work *w, size_t round)
{
    for (int side = 0; side < SIDES; side++)
        for (size_t l = 0; l <= w->layers; l++)
            w->us[side][l * ROUNDS_MOST + round] = 0.0;
}

static enum spacc_status time_round(struct work *w, size_t round, struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;

    clear_round(w, round);
    add_masks(w, -1.0, round);
    for (int side = DENSE; side <= SEER && !status; side++) {
        double *us = w->us[side] + round;
        add_layers(w, side, -1.0, us);
        status = run(w, side, round, &us[w->layers * ROUNDS_MOST], err);
        add_layers(w, side, 1.0, us);
    }
    add_masks(w, 1.0, round);
    return status;
}

/* Both sides in turn, the first round unmeasured. */
static enum spacc_status hold_trial(struct work *w, struct spacc_error *err)
{
    const double *dense = w->us[DENSE] + w->layers * ROUNDS_MOST;
    const double *seer = w->us[SEER] + w->layers * ROUNDS_MOST;
    double spent = 0.0;
    enum spacc_status status = find_owners(w, SEER, err);

    if (status || (status = time_round(w, 0, err)))
        return status;
    for (w->rounds = 0;
         w->rounds < ROUNDS_MOST && (w->rounds < ROUNDS_LEAST || spent < trial_us) && !status;
         w->rounds++) {
        status = time_round(w, w->rounds, err);
        spent += dense[w->rounds] + seer[w->rounds];
    }
    return status;
}

/* Lower quartiles: neighbours only ever add time. Sorts. */
static double time_of(const struct work *w, int side, size_t layer)
{
    double *us = w->us[side] + layer * ROUNDS_MOST;

    spacc_sort_times(us, w->rounds);
    return spacc_rank(us, w->rounds, 0.25);
}

/* Rounds take frames in turn, and shares are those of all runs of the engine. */
static void note_shares(struct work *w)
{
    for (size_t i = 0; i < spacc_engine_seernets(w->seer); i++) {
        const struct spacc_engine_seernet s = spacc_engine_seernet(w->seer, i);
        w->c->computed[w->layer[s.node]] = share(s.computed, s.outputs);
    }
}

static void note_times(struct work *w)
{
    struct spacc_report_seernet *r = &w->c->report;

    for (size_t l = 0; l < w->layers; l++) {
        struct spacc_report_seer *layer = &w->c->layer[l];
        if (!layer->taken)
            continue;
        layer->dense_us = time_of(w, DENSE, l);
        layer->seernet_us = time_of(w, SEER, l);
        layer->mask_us = time_of(w, MASK, l);
    }
    note_shares(w);
    r->dense_us = time_of(w, DENSE, w->layers);
    r->seernet_us = time_of(w, SEER, w->layers);
}

/* ---- layers that pay --------------------------------------------------------------- */

static void drop(struct work *w, size_t l)
{
    w->c->layer[l].taken = false;
    w->c->node[w->c->conv[l]] = false;
    w->c->report.taken--;
}

static bool drop_slow(struct work *w)
{
    const size_t taken = w->c->report.taken;

    for (size_t l = 0; l < w->layers; l++) {
        const struct spacc_report_seer *layer = &w->c->layer[l];
        if (layer->taken && layer->seernet_us >= pays * layer->dense_us)
            drop(w, l);
    }
    return w->c->report.taken < taken;
}

static enum spacc_status make_seer(struct work *w, struct spacc_error *err)
{
    struct spacc_engine_options options = w->ask->engine;

    options.seernet = w->ask->bits;
    options.seernet_node = w->c ? w->c->node : NULL;
    spacc_engine_free(w->seer);
    w->seer = NULL;
    return spacc_engine_new(&w->seer, w->ask->g, w->ask->input, &options, err);
}

static enum spacc_status choose_layers(struct work *w, struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;

    for (int pass = 0; pass < PASSES && !status; pass++) {
        if ((status = hold_trial(w, err)))
            return status;
        note_times(w);
        if (w->ask->always || !drop_slow(w) || w->c->report.taken == 0)
            return SPACC_OK;
        status = make_seer(w, err);
    }
    return status;
}

/* The layers were chosen because their times were good: whether they are is seen in new ones.
 */
static enum spacc_status judge_whole(struct work *w, struct spacc_error *err)
{
    struct spacc_report_seernet *r = &w->c->report;
    enum spacc_status status;

    if (w->ask->always)
        return SPACC_OK;
    if (r->taken == 0) {
        r->dense_us = r->seernet_us = NAN;
        return SPACC_OK;
    }
    if ((status = hold_trial(w, err)))
        return status;
    note_times(w);
    r->withdrawn = r->seernet_us >= pays * r->dense_us;
    for (size_t l = 0; l < w->layers && r->withdrawn; l++)
        if (w->c->layer[l].taken)
            drop(w, l);
    return SPACC_OK;
}

/* ---- what the masks are worth ------------------------------------------------------ */

static void count_masks(struct work *w)
{
    for (size_t l = 0; l < w->layers; l++) {
        const struct spacc_seer_counts n = spacc_engine_seernet(w->seer, l).counts;
        struct spacc_report_seer *r = &w->c->layer[l];
        r->zeros = 1.0 - share(n.needed, n.outputs);
        r->predicted = 1.0 - share(n.computed, n.outputs);
        r->precision = share(n.both, n.computed);
        r->recall = share(n.both, n.needed);
        r->accuracy = share(n.equal, n.outputs);
    }
}

static enum spacc_status look(struct work *w, struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;
    double us;

    spacc_engine_watch_seernet(w->seer, true);
    for (size_t f = 0; f < w->frames && !status; f++)
        status = run(w, SEER, f, &us, err);
    spacc_engine_watch_seernet(w->seer, false);
    count_masks(w);
    return status;
}

/* Results with what was chosen against those without. */
static enum spacc_status compare(struct work *w, struct spacc_error *err)
{
    struct spacc_error_sum sum = {0};
    enum spacc_status status = SPACC_OK;
    double us;

    for (size_t f = 0; f < w->frames && w->c->report.taken && !status; f++) {
        if ((status = run(w, DENSE, f, &us, err)) || (status = run(w, SEER, f, &us, err)))
            return status;
        for (int o = 0; o < w->ask->g->outputs; o++)
            spacc_error_add(&sum, w->output[DENSE][o], w->output[SEER][o]);
    }
    w->c->report.max_error = spacc_error_max(&sum);
    w->c->report.snr_db = spacc_error_snr(&sum);
    return status;
}

/* ---- the choice -------------------------------------------------------------------- */

static enum spacc_status new_choice(struct work *w, struct spacc_error *err)
{
    const struct spacc_graph *g = w->ask->g;
    struct spacc_seernet_choice *c = w->c = calloc(1, sizeof(*c));

    w->layers = spacc_engine_seernets(w->seer);
    if (!c || !(c->layer = calloc(w->layers + 1, sizeof(*c->layer))) ||
        !(c->conv = calloc(w->layers + 1, sizeof(*c->conv))) ||
        !(c->computed = calloc(w->layers + 1, sizeof(*c->computed))) ||
        !(c->node = calloc((size_t)g->nodes + 1, sizeof(*c->node))))
        return no_memory(w, err);
    for (size_t l = 0; l < w->layers; l++) {
        const struct spacc_engine_seernet s = spacc_engine_seernet(w->seer, l);
        c->layer[l] = (struct spacc_report_seer){
            .name = g->node[s.node].name, .with = s.with, .taken = true};
        c->conv[l] = s.node;
        c->node[s.node] = true;
    }
    c->report = (struct spacc_report_seernet){.bits = w->ask->bits,
                                              .always = w->ask->always,
                                              .frames = w->frames,
                                              .layers = w->layers,
                                              .taken = w->layers,
                                              .layer = c->layer,
                                              .dense_us = NAN,
                                              .seernet_us = NAN,
                                              .max_error = NAN,
                                              .snr_db = NAN};
    return SPACC_OK;
}

static enum spacc_status new_room(struct work *w, struct spacc_error *err)
{
    const size_t nodes = (size_t)w->ask->g->nodes + 1;
    const size_t outputs = (size_t)w->ask->g->outputs + 1;

    w->layer = calloc(nodes, sizeof(*w->layer));
    for (int side = 0; side < SIDES; side++)
        if (!(w->us[side] = calloc((w->layers + 1) * ROUNDS_MOST, sizeof(double))))
            return no_memory(w, err);
    for (int side = 0; side < 2; side++)
        if (!(w->output[side] = calloc(outputs, sizeof(*w->output[side]))))
            return no_memory(w, err);
    return w->layer ? SPACC_OK : no_memory(w, err);
}

static enum spacc_status choose(struct work *w, struct spacc_error *err)
{
    enum spacc_status status;

    if ((status = make_seer(w, err)) || (status = new_choice(w, err)) || w->layers == 0 ||
        (status = new_room(w, err)))
        return status;
    find_layer_nodes(w);
    if ((status = find_owners(w, DENSE, err)) || (status = look(w, err)) ||
        (status = choose_layers(w, err)) || (status = judge_whole(w, err)))
        return status;
    return compare(w, err);
}

static void release(struct work *w)
{
    for (int side = 0; side < 2; side++) {
        free_outputs(w, side);
        free(w->output[side]);
        free(w->owner[side]);
    }
    for (int side = 0; side < SIDES; side++)
        free(w->us[side]);
    free(w->layer);
}

/* The engine that is to be used, and the other one is gone. */
static void give_engine(struct work *w, struct spacc_engine **engine)
{
    if (w->c->report.taken > 0) {
        spacc_engine_free(*engine);
        *engine = w->seer;
    } else {
        spacc_engine_free(w->seer);
    }
    spacc_engine_forget(*engine);
}

enum spacc_status spacc_seernet_choose(struct spacc_seernet_choice **out,
                                       const struct spacc_seernet_ask *ask,
                                       struct spacc_engine **engine, struct spacc_error *err)
{
    struct work w = {.ask = ask,
                     .dense = *engine,
                     .frames = ask->frames < FRAMES_MOST ? ask->frames : FRAMES_MOST};

    *out = NULL;
    if (ask->bits != SPACC_SEERNET_EXACT &&
        (ask->bits < SPACC_SEERNET_BITS_MIN || ask->bits > SPACC_SEERNET_BITS_MAX))
        return spacc_fail(err, SPACC_EINVAL, "seernet with %d bits: %d to %d, or exact",
                          ask->bits, SPACC_SEERNET_BITS_MIN, SPACC_SEERNET_BITS_MAX);
    const enum spacc_status status = choose(&w, err);
    release(&w);
    if (status) {
        spacc_engine_free(w.seer);
        spacc_seernet_choice_free(w.c);
        return status;
    }
    give_engine(&w, engine);
    *out = w.c;
    return SPACC_OK;
}

void spacc_seernet_choice_free(struct spacc_seernet_choice *c)
{
    if (!c)
        return;
    free(c->layer);
    free(c->conv);
    free(c->computed);
    free(c->node);
    free(c);
}

static size_t layer_of(const struct spacc_seernet_choice *c, int node)
{
    size_t l = 0;

    while (c->conv[l] != node)
        l++;
    return l;
}

double spacc_seernet_choice_us(const struct spacc_seernet_choice *c,
                               const struct spacc_engine *e)
{
    double us = c->report.seernet_us;

    for (size_t i = 0; i < spacc_engine_seernets(e); i++) {
        const struct spacc_engine_seernet s = spacc_engine_seernet(e, i);
        const size_t l = layer_of(c, s.node);
        const double skip_us = c->layer[l].seernet_us - c->layer[l].mask_us;
        if (s.outputs > 0 && c->computed[l] > 0.0)
            us += skip_us * (share(s.computed, s.outputs) / c->computed[l] - 1.0);
    }
    return us;
}

void spacc_seernet_choice_withdraw(struct spacc_seernet_choice *c, double us)
{
    for (size_t l = 0; l < c->report.layers; l++) {
        c->layer[l].taken = false;
        c->node[c->conv[l]] = false;
    }
    c->report.taken = 0;
    c->report.withdrawn = true;
    c->report.seernet_us = us;
}

const bool *spacc_seernet_choice_nodes(const struct spacc_seernet_choice *c)
{
    return c->node;
}

const struct spacc_report_seernet *
spacc_seernet_choice_report(const struct spacc_seernet_choice *c)
{
    return &c->report;
}
