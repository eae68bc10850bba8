/* Engines for a placement: whether a split keeps its promise, and what happens when it does
 * not. */
#include <stdlib.h>
#include <string.h>

#include "host/median.h"
#include "host/session_parts.h"

enum { TRIAL_RUNS = 9, SLOW_WINDOWS = 2, PROVED_WINDOWS = 8 };
static const double slow_by = 1.05;   /* a window this much above the single device is slow */
static const double trial_us = 0.5e6; /* of both sides together */

/* ---- engines -------------------------------------------------------------------- */

static bool uses(const struct spacc_session *s, enum spacc_where where)
{
    for (size_t t = 0; s->placing && t < s->placing->tasks.tasks; t++)
        if (s->placing->where[s->placing->chosen.device[t]] == where)
            return true;
    return false;
}

/* A user has said so: no trial. */
static bool is_asked_for(const struct spacc_session *s, enum spacc_where where)
{
    for (size_t t = 0; t < s->placing->tasks.tasks; t++)
        if (s->placing->tasks.task[t].pin >= 0 &&
            s->placing->where[s->placing->tasks.task[t].pin] == where)
            return true;
    return s->options.plan_file != NULL;
}

static void set_where(struct spacc_session *s, enum spacc_where without)
{
    for (size_t i = 0; i < s->plan->nodes; i++) {
        const enum spacc_where where =
            s->placing ? spacc_placing_where(s->placing, i) : SPACC_ON_CPU;
        s->where[i] = (int)(where == without ? SPACC_ON_CPU : where);
    }
}

/* Engines are to be made without a device; SPACC_WHERES: with all. */
static void leave_out(struct spacc_session *s, enum spacc_where without)
{
    struct spacc_executor *x = &s->executor;

    set_where(s, without);
    x->where = s->where;
    x->gpu = without == SPACC_ON_GPU ? NULL : s->gpu;
    x->order = s->placing && without == SPACC_WHERES ? s->placing->order : NULL;
}

struct spacc_engine_options spacc_session_engine(struct spacc_session *s)
{
    leave_out(s, s->gpu_failed ? SPACC_ON_GPU : SPACC_WHERES);
    return spacc_executor_options(&s->executor, s->pool ? &s->parallel : NULL,
                                  spacc_session_precision(s));
}

/* One that leaves a device out, into x->engine. */
static enum spacc_status new_engine(struct spacc_session *s,
                                    const struct spacc_tensor *const *input,
                                    enum spacc_where without, struct spacc_error *err)
{
    struct spacc_executor *x = &s->executor;
    struct spacc_device *device = x->device;

    leave_out(s, without);
    x->device = without == SPACC_ON_CARD ? NULL : device;
    const enum spacc_status status =
        spacc_executor_ready(x, s->model->graph, input, s->pool ? &s->parallel : NULL,
                             spacc_session_precision(s), err);
    x->device = device;
    return status;
}

/* The price of what is left, for reports; without memory the old one stays. */
static void price_again(struct spacc_placing *p)
{
    struct spacc_placement old = p->chosen, new;

    if (spacc_place_price(&p->tasks, old.device, &new, NULL))
        return;
    new.method = old.method;
    new.withdrawn = old.withdrawn;
    new.split_us = old.us;
    new.single = old.single;
    new.single_us = old.single_us;
    new.single_sigma_us = old.single_sigma_us;
    new.single_interval_us = old.single_interval_us;
    new.single_joules = old.single_joules;
    p->chosen = new;
    spacc_placement_release(&old);
}

/* What a device had is the CPU's from now on, also in what the report says. */
static void leave(struct spacc_session *s, enum spacc_where device)
{
    for (size_t i = 0; i < s->plan->nodes && device == SPACC_ON_CARD; i++)
        s->plan->node[i].elsewhere = s->plan->node[i].candidate;
    for (size_t t = 0; t < s->placing->tasks.tasks; t++)
        if (s->placing->where[s->placing->chosen.device[t]] == device)
            s->placing->chosen.device[t] = 0;
    price_again(s->placing);
    set_where(s, SPACC_WHERES);
}

/* ---- a trial -------------------------------------------------------------------- */

enum spacc_status spacc_session_time(struct spacc_session *s, struct spacc_engine *e,
                                     bool with_device, const struct spacc_tensor *const *input,
                                     struct spacc_tensor **output, double *us,
                                     struct spacc_error *err)
{
    struct spacc_executor *x = &s->executor;
    struct spacc_engine *engine = x->engine;
    struct spacc_device *device = x->device;
    const bool verify = x->verify;
    enum spacc_status status;

    x->verify = false; /* of what is on a card only */
    x->engine = e;
    x->device = with_device ? device : NULL;
    const double start = spacc_now_us(), before = x->unreal_us;
    status = spacc_executor_run(x, s->model->graph, input, output, err);
    *us = spacc_now_us() - start - (x->unreal_us - before);
    x->engine = engine;
    x->device = device;
    x->verify = verify;
    return status;
}

static enum spacc_status time_engine(struct spacc_session *s, struct spacc_engine *e,
                                     bool with_device, const struct spacc_tensor *const *input,
                                     double *us, struct spacc_error *err)
{
    const size_t outputs = (size_t)s->model->graph->outputs;
    struct spacc_tensor **output = calloc(outputs + 1, sizeof(*output));

    if (!output)
        return spacc_fail(err, SPACC_ENOMEM, "no memory for a run");
    const enum spacc_status status =
        spacc_session_time(s, e, with_device, input, output, us, err);
    spacc_tensors_free(output, outputs);
    free(output);
    return status;
}

/* Both sides in turn, the first round unmeasured. */
static enum spacc_status try_both(struct spacc_session *s,
                                  const struct spacc_tensor *const *input,
                                  struct spacc_error *err)
{
    const bool with_device = s->watch.without != SPACC_ON_CARD;
    double us[2][TRIAL_RUNS], spent = 0.0;
    size_t runs = 0;

    for (int r = -1; r < TRIAL_RUNS && (runs < 3 || spent < trial_us); r++) {
        const double start = spacc_now_us();
        double now[2];
        enum spacc_status status;
        if ((status = time_engine(s, s->executor.engine, true, input, &now[0], err)) ||
            (status = time_engine(s, s->watch.single, with_device, input, &now[1], err)))
            return status;
        spent += spacc_now_us() - start;
        for (int side = 0; side < 2 && r >= 0; side++)
            us[side][runs] = now[side];
        runs += r >= 0;
    }
    s->watch.split_us = spacc_median(us[0], runs);
    s->watch.single_us = spacc_median(us[1], runs);
    return SPACC_OK;
}

static void withdraw(struct spacc_session *s, double split_us)
{
    struct spacc_watch *w = &s->watch;

    spacc_engine_free(s->executor.engine);
    s->executor.engine = w->single;
    w->single = NULL;
    if (w->without == SPACC_ON_CARD)
        s->executor.device = NULL;
    leave(s, w->without);
    spacc_session_note(s, "the %s is not used: a run took %.1f us with it and %.1f us without",
                       spacc_where_name(w->without), split_us, w->single_us);
}

void spacc_session_forget_runs(struct spacc_session *s)
{
    for (size_t i = 0; i < s->plan->nodes; i++) {
        struct spacc_node_stats *n = &s->executor.stats[i];
        *n = (struct spacc_node_stats){.skip_state = n->skip_state};
    }
    spacc_engine_forget(s->executor.engine);
    spacc_timeline_forget(s->timeline);
    if (s->on_card)
        spacc_card_device_forget(s->device);
}

static enum spacc_status hold_trial(struct spacc_session *s, enum spacc_where without,
                                    const struct spacc_tensor *const *input,
                                    struct spacc_error *err)
{
    struct spacc_engine *split = s->executor.engine;
    enum spacc_status status = new_engine(s, input, without, err);

    s->watch.without = without;
    s->watch.single = s->executor.engine;
    s->executor.engine = split;
    set_where(s, SPACC_WHERES);
    if (status || (status = try_both(s, input, err)))
        return status;
    if (s->watch.split_us > s->watch.single_us)
        withdraw(s, s->watch.split_us);
    spacc_session_forget_runs(s);
    return SPACC_OK;
}

enum spacc_status spacc_session_ready(struct spacc_session *s,
                                      const struct spacc_tensor *const *input,
                                      struct spacc_error *err)
{
    enum spacc_status status;

    if (!(s->where = calloc(s->plan->nodes + 1, sizeof(*s->where))))
        return spacc_fail(err, SPACC_ENOMEM, "%s: no memory to place nodes", s->model->file);
    s->watch = (struct spacc_watch){0};
    if (s->gpu_failed && s->placing)
        leave(s, SPACC_ON_GPU);
    if ((status = new_engine(s, input, s->gpu_failed ? SPACC_ON_GPU : SPACC_WHERES, err)))
        return status;
    if (uses(s, SPACC_ON_GPU) && !is_asked_for(s, SPACC_ON_GPU)) {
        status = hold_trial(s, SPACC_ON_GPU, input, err);
        if (status == SPACC_EDEVICE && !(status = spacc_session_drop_gpu(s, input, err)))
            spacc_session_forget_runs(s);
        if (status || s->watch.single)
            return status;
    }
    if (uses(s, SPACC_ON_CARD) && !is_asked_for(s, SPACC_ON_CARD))
        return hold_trial(s, SPACC_ON_CARD, input, err);
    return SPACC_OK;
}

/* ---- while it runs ---------------------------------------------------------------- */

void spacc_session_watch(struct spacc_session *s, double us)
{
    struct spacc_watch *w = &s->watch;

    if (!w->single)
        return;
    w->us[w->runs++ % SPACC_WATCH_RUNS] = us;
    if (w->runs % SPACC_WATCH_RUNS != 0)
        return;
    const double median = spacc_median(w->us, SPACC_WATCH_RUNS);
    w->slow = median > slow_by * w->single_us ? w->slow + 1 : 0;
    if (w->slow >= SLOW_WINDOWS) {
        withdraw(s, median);
    } else if (++w->windows >= PROVED_WINDOWS && w->slow == 0) {
        spacc_engine_free(w->single);
        w->single = NULL;
    }
}

enum spacc_status spacc_session_drop_gpu(struct spacc_session *s,
                                         const struct spacc_tensor *const *input,
                                         struct spacc_error *err)
{
    struct spacc_watch *w = &s->watch;

    if (!uses(s, SPACC_ON_GPU))
        return SPACC_EDEVICE;
    spacc_session_note(s, "the GPU failed (%s): the rest runs without it", err->text);
    s->gpu_failed = true;
    leave(s, SPACC_ON_GPU);
    spacc_engine_free(s->executor.engine);
    if (w->without == SPACC_ON_GPU) {
        s->executor.engine = w->single;
    } else {
        s->executor.engine = NULL;
        spacc_engine_free(w->single); /* without the card, but with the GPU */
    }
    w->single = NULL;
    return s->executor.engine ? SPACC_OK : new_engine(s, input, SPACC_ON_GPU, err);
}
