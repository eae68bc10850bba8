#include "host/profiler.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/profiles.h"
#include "host/profile/maker.h"
#include "host/profile/meter.h"
#include "host/profile/plan.h"
#include "host/profile/probe.h"
#include "host/profile/refine.h"
#include "host/profile/target.h"
#include "sparse/cpu.h"

enum { GROUP = 64, GPU_GROUP = 8, MODEL_ROUNDS = 9, MODEL_RUNS = 20 };
static const double group_bytes = 4e8, quick_seconds = 42.0;

/* How a trial is measured: in full and in quick mode. */
struct pace {
    int rounds, runs; /* at least, a round */
    double us;        /* a round */
};
static const struct pace full_pace = {5, 3, 1500.0}, quick_pace = {4, 2, 500.0};

struct profiler {
    const struct spacc_profiler_options *o;
    struct spacc_profiler_report *report;
    struct spacc_target target;
    char device[SPACC_PROFILES_DEVICE];
    struct spacc_engine_options engine;
    struct spacc_ruler ruler;
    struct spacc_meter meter;
    struct pace pace;
    enum spacc_probe_state state; /* in which trials are measured first */
    struct spacc_profile *p;
    struct spacc_plan_model *model;
    struct spacc_probe **model_probe; /* [models] */
    size_t done, all;                 /* trials, for who wants to know */
    double start_us;
    struct spacc_error *err;
};

static bool is_late(const struct profiler *f)
{
    return f->o->quick && (spacc_now_us() - f->start_us) * 1e-6 > quick_seconds;
}

static void tell(const struct profiler *f, const char *what)
{
    if (f->o->tell)
        f->o->tell(f->o->user, f->done, f->all, what);
}

static enum spacc_status no_memory(const struct profiler *f)
{
    return spacc_fail(f->err, SPACC_ENOMEM, "no memory to profile %s", f->o->device);
}

/* ---- the file ---------------------------------------------------------------------------- */

/* The profile that is there has to be of this device and series of numbers. */
static enum spacc_status check_old(const struct profiler *f)
{
    const struct spacc_profiler_options *o = f->o;

    if (strcmp(f->p->device, f->device) != 0)
        return spacc_fail(f->err, SPACC_EINVAL,
                          "%s: a profile of %s, not of %s: write another file", o->file,
                          f->p->device, f->device);
    if (f->p->seed != o->seed)
        return spacc_fail(f->err, SPACC_EINVAL,
                          "%s: made with seed %llu, not %llu: write another file", o->file,
                          (unsigned long long)f->p->seed, (unsigned long long)o->seed);
    return SPACC_OK;
}

static enum spacc_status new_profile(struct profiler *f, const struct spacc_machine *machine)
{
    f->p = calloc(1, sizeof(*f->p));
    if (!f->p)
        return no_memory(f);
    f->p->machine = *machine;
    f->p->seed = f->o->seed;
    snprintf(f->p->device, sizeof(f->p->device), "%s", f->device);
    return spacc_target_link(&f->target, &f->ruler, &f->engine, f->o->powercap, &f->p->link,
                             &f->p->power, f->err);
}

static enum spacc_status open_profile(struct profiler *f)
{
    struct spacc_machine machine;
    enum spacc_status s = spacc_machine_read(&machine, f->err);

    if (s)
        return s;
    if (access(f->o->file, F_OK) != 0)
        return new_profile(f, &machine);
    if ((s = spacc_profile_load(&f->p, f->o->file, &machine, f->err)) || (s = check_old(f)))
        return s;
    f->report->kept = f->p->samples;
    return SPACC_OK;
}

static enum spacc_status save(const struct profiler *f)
{
    return spacc_profile_save(f->p, f->o->file, f->err);
}

/* ---- samples ------------------------------------------------------------------------------
 */

/* Measured as often as this mode does. */
static bool has(const struct profiler *f, const struct spacc_work *w)
{
    const struct spacc_sample *s = spacc_profile_find(f->p, w);

    return s && s->runs >= (unsigned)(f->pace.rounds * f->pace.runs);
}

static enum spacc_status add_step(const struct profiler *f, const struct spacc_probe *probe,
                                  enum spacc_probe_state state, size_t i)
{
    const struct spacc_engine_step step = spacc_engine_step(spacc_probe_engine(probe), i);
    struct spacc_sample s = {.work = step.work, .joules = NAN};

    s.work.cold = s.work.cold || state == SPACC_PROBE_COLD;
    if (!spacc_target_has(&f->target, &step) || has(f, &s.work) ||
        !spacc_probe_step(probe, state, i, &s.us, &s.spread, &s.runs))
        return SPACC_OK;
    return spacc_profile_add(f->p, &s, f->err);
}

static enum spacc_status add_steps(const struct profiler *f, const struct spacc_probe *probe,
                                   enum spacc_probe_state state)
{
    enum spacc_status s = SPACC_OK;

    for (size_t i = 0; i < spacc_engine_steps(spacc_probe_engine(probe)) && !s; i++)
        s = add_step(f, probe, state, i);
    return s;
}

/* ---- joules --------------------------------------------------------------------------------
 */

static void open_meter(struct profiler *f)
{
    const char *why_not = f->o->quick         ? "not in the quick mode"
                          : f->o->only_models ? "not of steps of models"
                          : f->target.gpu     ? "not on a GPU"
                                              : NULL;

    if (why_not)
        spacc_fail(&f->meter.why, SPACC_EUNSUPPORTED, "%s", why_not);
    else
        spacc_meter_open(&f->meter, f->o->powercap, &f->p->power);
}

/* The sample of the step that takes half a trial's time or more: it alone gets the trial's
 * power. NULL: there is none, or no samples yet. */
static const struct spacc_sample *main_sample(const struct profiler *f,
                                              const struct spacc_engine *e)
{
    const struct spacc_sample *longest = NULL;
    double us = 0.0;

    for (size_t i = 0; i < spacc_engine_steps(e); i++) {
        const struct spacc_engine_step step = spacc_engine_step(e, i);
        const struct spacc_sample *s =
            step.has_work ? spacc_profile_find(f->p, &step.work) : NULL;
        us += s ? s->us : 0.0;
        if (s && (!longest || s->us > longest->us))
            longest = s;
    }
    return longest && longest->us * 2.0 >= us ? longest : NULL;
}

static bool wants_joules(const struct profiler *f, const struct spacc_engine *e)
{
    const struct spacc_sample *s = f->meter.counter ? main_sample(f, e) : NULL;

    return s && isnan(s->joules);
}

static enum spacc_status add_joules(struct profiler *f, struct spacc_probe *probe)
{
    const struct spacc_engine *e = spacc_probe_engine(probe);
    double watts;

    if (!wants_joules(f, e))
        return SPACC_OK;
    const enum spacc_status s = spacc_meter_watts(&f->meter, probe, &watts, f->err);
    if (s || isnan(watts))
        return s;
    struct spacc_sample more = *main_sample(f, e);
    more.joules = watts * more.us * 1e-6;
    return spacc_profile_add(f->p, &more, f->err);
}

static void count_joules(struct profiler *f)
{
    for (size_t i = 0; i < f->p->samples; i++)
        f->report->joules += isnan(f->p->sample[i].joules) ? 0 : 1;
    f->report->no_more = f->meter.why;
}

/* ---- trials --------------------------------------------------------------------------------
 */

struct group {
    size_t count;
    struct spacc_probe *probe[GROUP]; /* NULL: nothing to measure */
    bool warm[GROUP]; /* its weights fit the L2: it is measured both ways. Of larger
           ones a part stays there from run to run, as it does in a model */
};

/* A device has its own memory: there is but one way. */
static bool is_known(const struct profiler *f, const struct spacc_engine *e, bool *warm)
{
    bool known = true;

    *warm = f->target.gpu == NULL;
    for (size_t i = 0; i < spacc_engine_steps(e); i++)
        *warm = *warm && !spacc_engine_step(e, i).work.cold;
    for (size_t i = 0; i < spacc_engine_steps(e); i++) {
        struct spacc_engine_step step = spacc_engine_step(e, i);
        if (!spacc_target_has(&f->target, &step))
            continue;
        known = known && has(f, &step.work);
        step.work.cold = step.work.cold || *warm;
        known = known && has(f, &step.work);
    }
    return known && !wants_joules(f, e);
}

/* A trial that nobody can run is left out, and counted; memory is not. */
static enum spacc_status make_probe(struct profiler *f, const struct spacc_trial *t,
                                    struct spacc_probe **out)
{
    struct spacc_error own = {.text = ""};
    struct spacc_graph *g = spacc_trial_graph(t, f->o->seed);
    struct spacc_tensor **input = NULL;

    *out = NULL;
    if (!g)
        return SPACC_OK;
    if (spacc_probe_inputs(&input, g, f->o->seed, f->err)) {
        spacc_graph_free(g);
        return SPACC_ENOMEM;
    }
    if (spacc_target_probe(&f->target, out, g, input, &f->engine, &own) != SPACC_ENOMEM)
        return SPACC_OK;
    *f->err = own;
    return SPACC_ENOMEM;
}

static enum spacc_status start_trial(struct profiler *f, const struct spacc_trial *t,
                                     struct group *to)
{
    struct spacc_probe **probe = &to->probe[to->count];
    const enum spacc_status s = make_probe(f, t, probe);

    if (s)
        return s;
    f->report->skipped += *probe == NULL;
    if (*probe && is_known(f, spacc_probe_engine(*probe), &to->warm[to->count])) {
        spacc_probe_free(*probe);
        *probe = NULL;
    }
    to->count++;
    return SPACC_OK;
}

static enum spacc_status measure(struct profiler *f, const struct group *g, size_t i)
{
    enum spacc_status s = SPACC_OK;

    if (!g->probe[i])
        return s;
    s = spacc_probe_round(g->probe[i], &f->ruler, f->state, f->pace.us, f->pace.runs, f->err);
    if (!s && g->warm[i])
        s = spacc_probe_round(g->probe[i], &f->ruler, SPACC_PROBE_COLD, f->pace.us,
                              f->pace.runs, f->err);
    return s;
}

/* As many trials as a group has, or fewer when they are large. Returns how many. */
static size_t next_group(const struct profiler *f, const struct spacc_trials *list,
                         size_t first)
{
    const size_t most =
        f->target.gpu ? GPU_GROUP : GROUP; /* drivers compile a trial's kernels */
    double bytes = 0.0;
    size_t i = first;

    while (i < list->count && i - first < most && (i == first || bytes < group_bytes))
        bytes += 4.0 * spacc_trial_bytes(&list->trial[i++]);
    return i - first;
}

static enum spacc_status run_group(struct profiler *f, const struct spacc_trial *trial,
                                   size_t count)
{
    struct group g = {0};
    enum spacc_status s = SPACC_OK;

    for (size_t i = 0; i < count && !s; i++)
        s = start_trial(f, &trial[i], &g);
    for (int round = 0; round < f->pace.rounds && !s && !(round && is_late(f)); round++)
        for (size_t i = 0; i < g.count && !s; i++)
            s = measure(f, &g, i);
    for (size_t i = 0; i < g.count && !s; i++)
        if (g.probe[i] && !(s = add_steps(f, g.probe[i], f->state)))
            s = add_steps(f, g.probe[i], SPACC_PROBE_COLD);
    for (size_t i = 0; i < g.count && !s; i++)
        if (g.probe[i])
            s = add_joules(f, g.probe[i]);
    for (size_t i = 0; i < g.count; i++)
        spacc_probe_free(g.probe[i]);
    return s;
}

static enum spacc_status run_trials(struct profiler *f, const struct spacc_trials *list)
{
    enum spacc_status s = SPACC_OK;

    f->all += list->count;
    for (size_t i = 0; i < list->count && !s && f->report->on_time;) {
        const size_t count = next_group(f, list, i);
        tell(f, "kernels");
        if ((s = run_group(f, &list->trial[i], count)) || (s = save(f)))
            return s;
        i += count;
        f->done += count;
        f->report->on_time = !is_late(f);
    }
    return s;
}

/* ---- models --------------------------------------------------------------------------------
 */

static enum spacc_status run_model(struct profiler *f, size_t m)
{
    const struct timespec pause = {.tv_nsec = f->o->quick ? 1000000 : 50000000};
    enum spacc_status s = SPACC_OK;

    for (int round = 0; round < MODEL_ROUNDS && !s; round++) {
        nanosleep(&pause, NULL); /* rounds lie apart */
        s = spacc_probe_round(f->model_probe[m], &f->ruler, SPACC_PROBE_REPEAT,
                              f->pace.us * MODEL_RUNS, f->pace.runs, f->err);
    }
    return s;
}

/* Works and nodes of the model's steps. */
static enum spacc_status read_model(struct profiler *f, size_t m)
{
    const struct spacc_engine *e = spacc_probe_engine(f->model_probe[m]);
    struct spacc_plan_model *to = &f->model[m];
    const size_t steps = spacc_engine_steps(e);
    struct spacc_work *work = calloc(steps + 1, sizeof(*work));
    int *node = calloc(steps + 1, sizeof(*node));
    struct spacc_binding *shape = NULL;
    const enum spacc_status s =
        spacc_graph_bind(&shape, f->o->model[m].g, f->o->model[m].input, f->err);

    *to = (struct spacc_plan_model){
        .g = f->o->model[m].g, .shape = shape, .work = work, .node = node};
    if (s || !work || !node)
        return s ? s : no_memory(f);
    for (size_t i = 0; i < steps; i++) {
        const struct spacc_engine_step step = spacc_engine_step(e, i);
        if (!spacc_target_has(&f->target, &step))
            continue;
        work[to->works] = step.work;
        node[to->works++] = step.node;
    }
    return SPACC_OK;
}

static bool is_model_known(const struct profiler *f, size_t m)
{
    for (size_t i = 0; i < f->model[m].works; i++)
        if (!has(f, &f->model[m].work[i]))
            return false;
    return true;
}

/* Steps of one work of a model as one sample: their mean, and how many. */
static enum spacc_status add_counted(struct profiler *f, size_t m)
{
    const struct spacc_probe *probe = f->model_probe[m];
    enum spacc_status s = SPACC_OK;

    for (size_t i = 0; i < spacc_engine_steps(spacc_probe_engine(probe)) && !s; i++) {
        const struct spacc_engine_step step = spacc_engine_step(spacc_probe_engine(probe), i);
        struct spacc_sample one = {.work = step.work, .joules = NAN};
        const struct spacc_sample *old = spacc_profile_find(f->p, &one.work);
        if (!spacc_target_has(&f->target, &step) ||
            !spacc_probe_step(probe, SPACC_PROBE_REPEAT, i, &one.us, &one.spread, &one.runs))
            continue;
        one.runs = old ? old->runs + 1 : 1;
        if (old)
            one.us = old->us + (one.us - old->us) / one.runs;
        s = spacc_profile_add(f->p, &one, f->err);
    }
    return s;
}

static enum spacc_status run_models(struct profiler *f)
{
    enum spacc_status s = SPACC_OK;

    for (size_t m = 0; m < f->o->models && !s; m++) {
        tell(f, f->o->model[m].g->file);
        if ((s = spacc_target_probe_of(&f->target, &f->model_probe[m], f->o->model[m].g,
                                       f->o->model[m].input, &f->engine, f->err)) ||
            (s = read_model(f, m)) || (!f->o->only_models && is_model_known(f, m)) ||
            (s = run_model(f, m)))
            continue;
        s = f->o->only_models ? add_counted(f, m)
                              : add_steps(f, f->model_probe[m], SPACC_PROBE_REPEAT);
        spacc_probe_free(f->model_probe[m]);
        f->model_probe[m] = NULL;
    }
    return s ? s : save(f);
}

/* ---- all of it ------------------------------------------------------------------------------
 */

static enum spacc_status run_plan(struct profiler *f)
{
    struct spacc_trials list = {0};
    enum spacc_status s =
        spacc_trials_plan(&list, f->o->seed, f->o->quick, f->o->models, f->model, f->err);

    if (f->o->trials_most > 0 && list.count > f->o->trials_most)
        list.count = f->o->trials_most;
    f->report->trials = list.count;
    if (!s)
        s = run_trials(f, &list);
    spacc_trials_free(&list);
    return s;
}

static enum spacc_status refine(struct profiler *f)
{
    enum spacc_status s = SPACC_OK;

    for (int round = 0; round < SPACC_REFINE_ROUNDS && !s; round++) {
        struct spacc_trials list = {0};
        tell(f, "where the error is large");
        s = spacc_refine(&list, f->p, (size_t)round, f->o->seed, f->err);
        f->report->refined += list.count;
        if (!s)
            s = run_trials(f, &list);
        spacc_trials_free(&list);
    }
    f->report->trials += f->report->refined;
    return s;
}

static enum spacc_status run(struct profiler *f)
{
    const bool trials = !f->o->only_models;
    enum spacc_status s = open_profile(f);

    if (f->p)
        f->p->complete = false;
    if (s || (s = save(f))) /* a file that cannot be written is known now */
        return s;
    open_meter(f);
    if ((s = run_models(f)) || (trials && (s = run_plan(f))))
        return s;
    if (trials && !f->o->quick && f->o->trials_most == 0 && (s = refine(f)))
        return s;
    count_joules(f);
    f->p->complete = f->report->on_time && f->o->trials_most == 0;
    if (trials && (s = spacc_costs_fit(f->p, f->err)))
        return s;
    return save(f);
}

static void release(struct profiler *f)
{
    for (size_t m = 0; m < f->o->models && f->model; m++) {
        spacc_binding_free((struct spacc_binding *)(uintptr_t)f->model[m].shape);
        free((void *)(uintptr_t)f->model[m].work);
        free((void *)(uintptr_t)f->model[m].node);
    }
    for (size_t m = 0; m < f->o->models && f->model_probe; m++)
        spacc_probe_free(f->model_probe[m]);
    free(f->model);
    free(f->model_probe);
    spacc_meter_close(&f->meter);
    spacc_ruler_free(&f->ruler);
    spacc_profile_free(f->p);
    spacc_target_close(&f->target);
}

static enum spacc_status start(struct profiler *f)
{
    enum spacc_status s = spacc_target_open(&f->target, f->o->device, f->err);

    spacc_profiles_device(f->target.gpu, f->device);
    if (!s)
        s = spacc_ruler_new(&f->ruler, &f->engine, f->err);
    if (f->target.gpu)
        f->ruler.clock_us = 0.0; /* it has its own */
    f->state = f->target.gpu ? SPACC_PROBE_REPEAT : SPACC_PROBE_WARM;
    return s;
}

enum spacc_status spacc_profiler_run(struct spacc_profile **out,
                                     const struct spacc_profiler_options *options,
                                     struct spacc_profiler_report *report,
                                     struct spacc_error *err)
{
    struct spacc_error own = {.text = ""};
    struct profiler f = {.o = options,
                         .report = report,
                         .engine = {.parallel = options->parallel, .cpu = spacc_cpu_features()},
                         .pace = options->quick ? quick_pace : full_pace,
                         .start_us = spacc_now_us(),
                         .err = err ? err : &own};

    *out = NULL;
    *report = (struct spacc_profiler_report){.on_time = true};
    f.model = calloc(options->models + 1, sizeof(*f.model));
    f.model_probe = calloc(options->models + 1, sizeof(struct spacc_probe *));
    enum spacc_status s = f.model && f.model_probe ? start(&f) : no_memory(&f);
    if (!s)
        s = run(&f);
    report->seconds = (spacc_now_us() - f.start_us) * 1e-6;
    if (!s) {
        *out = f.p;
        f.p = NULL;
    }
    release(&f);
    return s;
}
