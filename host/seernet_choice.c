#include "host/seernet_choice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/seernet_trial.h"
#include "host/verify.h"
#include "models/op.h"

enum { FRAMES_MOST = 8, PASSES = 4 };
static const double pays = 0.95;    /* of a layer's dense time: less gain is noise */
static const double hopeless = 1.5; /* seen in few rounds */
const double spacc_seernet_slow = 1.02;

struct spacc_seernet_choice {
    struct spacc_report_seernet report;
    struct spacc_report_seer *layer;
    int *conv;        /* [layers]: node */
    double *computed; /* [layers]: share of outputs, in the runs that were timed last */
    struct spacc_seernet_how *how; /* [nodes of g] */
};

struct work {
    const struct spacc_seernet_ask *ask;
    struct spacc_seernet_choice *c;
    struct spacc_seernet_trial trial; /* with the engines */
    int *layer;                       /* [nodes]: or -1 */
};

static enum spacc_status no_memory(const struct work *w, struct spacc_error *err)
{
    return spacc_fail(err, SPACC_ENOMEM, "%s: no memory to choose layers", w->ask->g->file);
}

static struct spacc_engine *dense(const struct work *w)
{
    return w->trial.engine[SPACC_SIDE_DENSE];
}

static struct spacc_engine *seer(const struct work *w)
{
    return w->trial.engine[SPACC_SIDE_SEER];
}

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : NAN;
}

/* ---- layers that pay --------------------------------------------------------------- */

/* Nodes that run with the layer's Conv in either engine, and a pool that it computes for. */
static void find_layer_nodes(struct work *w)
{
    for (int n = 0; n < w->ask->g->nodes; n++) {
        const int in_seer = spacc_engine_describe(seer(w), n).joined;
        const int in_dense = spacc_engine_describe(dense(w), n).joined;
        w->layer[n] = -1;
        for (size_t l = 0; l < w->trial.layers; l++) {
            const struct spacc_engine_seernet s = spacc_engine_seernet(seer(w), l);
            if (s.node == in_seer || s.pool == n || (w->layer[n] < 0 && s.node == in_dense))
                w->layer[n] = (int)l;
        }
    }
}

/* Rounds take frames in turn, and shares are those of all runs of the engine. */
static void note_shares(struct work *w)
{
    for (size_t i = 0; i < spacc_engine_seernets(seer(w)); i++) {
        const struct spacc_engine_seernet s = spacc_engine_seernet(seer(w), i);
        w->c->computed[w->layer[s.node]] = share(s.computed, s.outputs);
    }
}

static void note_times(struct work *w)
{
    struct spacc_report_seernet *r = &w->c->report;

    for (size_t l = 0; l < w->trial.layers; l++) {
        struct spacc_report_seer *layer = &w->c->layer[l];
        if (!layer->taken)
            continue;
        layer->dense_us = w->trial.us[SPACC_SIDE_DENSE][l];
        layer->seernet_us = w->trial.us[SPACC_SIDE_SEER][l];
        layer->mask_us = w->trial.mask_us[l];
    }
    note_shares(w);
    r->dense_us = w->trial.us[SPACC_SIDE_DENSE][w->trial.layers];
    r->seernet_us = w->trial.us[SPACC_SIDE_SEER][w->trial.layers];
}

static void drop(struct work *w, size_t l)
{
    w->c->layer[l].taken = false;
    w->c->how[w->c->conv[l]].taken = false;
    w->c->report.taken--;
}

/* Whether there were some. */
static bool drop_slow(struct work *w, double limit)
{
    const size_t taken = w->c->report.taken;

    for (size_t l = 0; l < w->trial.layers; l++) {
        const struct spacc_report_seer *layer = &w->c->layer[l];
        if (layer->taken && layer->seernet_us >= limit * layer->dense_us)
            drop(w, l);
    }
    return w->c->report.taken < taken;
}

static enum spacc_status make_seer(struct work *w, struct spacc_error *err)
{
    struct spacc_engine_options options = w->ask->engine;

    options.seernet = w->ask->bits;
    options.seernet_how = w->c ? w->c->how : NULL;
    spacc_engine_free(seer(w));
    w->trial.engine[SPACC_SIDE_SEER] = NULL;
    return spacc_engine_new(&w->trial.engine[SPACC_SIDE_SEER], w->ask->g, w->ask->input,
                            &options, err);
}

/* Time the layers, and drop those that are slow; *dropped: some were, and another engine is
 * there. */
static enum spacc_status sift(struct work *w, bool quick, bool *dropped,
                              struct spacc_error *err)
{
    const enum spacc_status status = spacc_seernet_trial_hold(&w->trial, quick, err);

    if (status)
        return status;
    note_times(w);
    *dropped = !w->ask->always && drop_slow(w, quick ? hopeless : pays);
    return *dropped && w->c->report.taken > 0 ? make_seer(w, err) : SPACC_OK;
}

static enum spacc_status choose_layers(struct work *w, struct spacc_error *err)
{
    bool dropped = true;
    enum spacc_status status = w->ask->always ? SPACC_OK : sift(w, true, &dropped, err);

    dropped = true;
    for (int pass = 0; pass < PASSES && dropped && w->c->report.taken > 0 && !status; pass++)
        status = sift(w, false, &dropped, err);
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
    if ((status = spacc_seernet_trial_hold(&w->trial, false, err)))
        return status;
    note_times(w);
    r->withdrawn = r->seernet_us >= r->dense_us;
    for (size_t l = 0; l < w->trial.layers && r->withdrawn; l++)
        if (w->c->layer[l].taken)
            drop(w, l);
    return SPACC_OK;
}

/* ---- what the masks are worth ------------------------------------------------------ */

static void count_masks(struct work *w)
{
    for (size_t l = 0; l < w->trial.layers; l++) {
        const struct spacc_seer_counts n = spacc_engine_seernet(seer(w), l).counts;
        struct spacc_report_seer *r = &w->c->layer[l];
        r->zeros = 1.0 - share(n.needed, n.outputs);
        r->predicted = 1.0 - share(n.computed, n.outputs);
        r->precision = share(n.both, n.computed);
        r->recall = share(n.both, n.needed);
        r->accuracy = share(n.equal, n.outputs);
    }
}

/* Run frames with every mask counted; of the runs before nothing is left. */
static enum spacc_status look(struct work *w, size_t frames, struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;
    double us;

    spacc_engine_forget(seer(w));
    spacc_engine_watch_seernet(seer(w), true);
    for (size_t f = 0; f < frames && !status; f++)
        status = spacc_seernet_trial_run(&w->trial, SPACC_SIDE_SEER, f, &us, err);
    spacc_engine_watch_seernet(seer(w), false);
    return status;
}

/* Results with what was chosen against those without. */
static enum spacc_status compare(struct work *w, struct spacc_error *err)
{
    struct spacc_error_sum sum = {0};
    enum spacc_status status = SPACC_OK;
    double us;

    for (size_t f = 0; f < w->trial.frames && w->c->report.taken && !status; f++) {
        if ((status = spacc_seernet_trial_run(&w->trial, SPACC_SIDE_DENSE, f, &us, err)) ||
            (status = spacc_seernet_trial_run(&w->trial, SPACC_SIDE_SEER, f, &us, err)))
            return status;
        for (int o = 0; o < w->ask->g->outputs; o++)
            spacc_error_add(&sum, w->trial.output[SPACC_SIDE_DENSE][o],
                            w->trial.output[SPACC_SIDE_SEER][o]);
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

    w->trial.layers = spacc_engine_seernets(seer(w));
    if (!c || !(c->layer = calloc(w->trial.layers + 1, sizeof(*c->layer))) ||
        !(c->conv = calloc(w->trial.layers + 1, sizeof(*c->conv))) ||
        !(c->computed = calloc(w->trial.layers + 1, sizeof(*c->computed))) ||
        !(c->how = calloc((size_t)g->nodes + 1, sizeof(*c->how))))
        return no_memory(w, err);
    for (size_t l = 0; l < w->trial.layers; l++) {
        const struct spacc_engine_seernet s = spacc_engine_seernet(seer(w), l);
        c->layer[l] = (struct spacc_report_seer){
            .name = g->node[s.node].name, .with = s.with, .taken = true};
        c->conv[l] = s.node;
        c->how[s.node].taken = true;
    }
    c->report = (struct spacc_report_seernet){.bits = w->ask->bits,
                                              .always = w->ask->always,
                                              .frames = w->trial.frames,
                                              .layers = w->trial.layers,
                                              .taken = w->trial.layers,
                                              .layer = c->layer,
                                              .dense_us = NAN,
                                              .seernet_us = NAN,
                                              .max_error = NAN,
                                              .snr_db = NAN};
    return SPACC_OK;
}

static enum spacc_status choose(struct work *w, struct spacc_error *err)
{
    enum spacc_status status;

    if ((status = make_seer(w, err)) || (status = new_choice(w, err)) || w->trial.layers == 0)
        return status;
    if (!(w->layer = calloc((size_t)w->ask->g->nodes + 1, sizeof(*w->layer))))
        return no_memory(w, err);
    w->trial.layer = w->layer;
    find_layer_nodes(w);
    if ((status = look(w, w->trial.frames, err)))
        return status;
    count_masks(w);
    if ((status = choose_layers(w, err)) || (status = judge_whole(w, err)))
        return status;
    return compare(w, err);
}

/* The engine that is to be used, and the other one is gone. */
static void give_engine(struct work *w, struct spacc_engine **engine)
{
    if (w->c->report.taken > 0) {
        spacc_engine_free(*engine);
        *engine = seer(w);
    } else {
        spacc_engine_free(seer(w));
    }
    spacc_engine_forget(*engine);
}

enum spacc_status spacc_seernet_choose(struct spacc_seernet_choice **out,
                                       const struct spacc_seernet_ask *ask,
                                       struct spacc_engine **engine, struct spacc_error *err)
{
    struct work w = {.ask = ask,
                     .trial = {.g = ask->g,
                               .engine = {*engine},
                               .run = ask->run,
                               .user = ask->user,
                               .frames = ask->frames < FRAMES_MOST ? ask->frames : FRAMES_MOST,
                               .input = ask->input}};

    *out = NULL;
    if (ask->bits != SPACC_SEERNET_EXACT &&
        (ask->bits < SPACC_SEERNET_BITS_MIN || ask->bits > SPACC_SEERNET_BITS_MAX))
        return spacc_fail(err, SPACC_EINVAL, "seernet with %d bits: %d to %d, or exact",
                          ask->bits, SPACC_SEERNET_BITS_MIN, SPACC_SEERNET_BITS_MAX);
    const enum spacc_status status = choose(&w, err);
    spacc_seernet_trial_release(&w.trial);
    free(w.layer);
    if (status) {
        spacc_engine_free(w.trial.engine[SPACC_SIDE_SEER]);
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
    free(c->how);
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
        c->how[c->conv[l]].taken = false;
    }
    c->report.taken = 0;
    c->report.withdrawn = true;
    c->report.seernet_us = us;
}

const struct spacc_seernet_how *spacc_seernet_choice_how(const struct spacc_seernet_choice *c)
{
    return c->how;
}

const struct spacc_report_seernet *
spacc_seernet_choice_report(const struct spacc_seernet_choice *c)
{
    return &c->report;
}
