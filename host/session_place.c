/* Nodes given to devices: what each would take, who gets what, and whether it turned out so. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/profiles.h"
#include "host/session_parts.h"

enum { TRIAL_RUNS = 7, SLOW_WINDOWS = 2, PROVED_WINDOWS = 8 };
static const double gate = 1.0;       /* standard errors that a split must gain */
static const double slow_by = 1.05;   /* a window this much above the single device is slow */
static const double trial_us = 0.5e6; /* of one side at most */

/* A card's link: its own transfers are in its cycles. Stated for a board whose host shares the
 * card's memory (Zynq): registers by AXI4-Lite, polling, rounding x and y on one core. */
static const struct spacc_link card_link = {
    .launch_us = 5.0, .sync_us = 2.0, .to_bytes_per_us = 1000.0, .from_bytes_per_us = 1000.0};
/* Stated: a Zynq-7000 with an array of 256 lanes, logic and memory. */
static const struct spacc_power card_power = {
    .idle_w = 1.2, .busy_w = 2.5, .source = "stated: 2.5 W, Zynq-7000 class"};

double spacc_session_virtual_hz(const struct spacc_session *s)
{
    const struct spacc_card_info *info = s->on_card ? spacc_card_device_info(s->device) : NULL;

    return info && (strcmp(info->kind, "sim") == 0 || strcmp(info->kind, "model") == 0)
               ? info->clock_hz
               : 0.0;
}

bool spacc_session_places(const struct spacc_session *s)
{
    const struct spacc_options *o = &s->options;

    return s->gpu || o->plan || o->plan_file || o->all_on || o->pins ||
           (s->on_card && o->goal != SPACC_GOAL_DEFAULT);
}

/* ---- profiles ------------------------------------------------------------------- */

static enum spacc_status open_profiles(struct spacc_session *s, struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;
    char note[640] = "";

    if (!s->cpu_profile)
        status =
            spacc_profiles_cpu(&s->cpu_profile, s->options.profiles, note, sizeof(note), err);
    if (note[0])
        spacc_session_note(s, "%s", note);
    note[0] = '\0';
    if (!status && s->gpu && !s->gpu_profile)
        status = spacc_profiles_gpu(&s->gpu_profile, s->options.profiles, s->gpu, note,
                                    sizeof(note), err);
    if (note[0])
        spacc_session_note(s, "%s", note);
    return status;
}

/* ---- what the card would take ----------------------------------------------------- */

/* The card that only counts, for the one that is open. */
static void model_name(const struct spacc_session *s, char *text, size_t bytes)
{
    const char *config = strchr(s->options.fpga, ':');
    const struct spacc_card_info *info = spacc_card_device_info(s->device);

    if (strncmp(s->options.fpga, "uart:", 5) == 0)
        snprintf(text, bytes, "model:%ux%u%s%s", info->pes, info->lanes,
                 info->shared_rows > 1 ? "s" : "", info->act_bits < 16 ? "p" : "");
    else
        snprintf(text, bytes, "model%s", config ? config : ":16x16");
}

/* A call of each plan node on a card, from a run of a session on the model of the card. */
static void take_cycles(const struct spacc_session *shadow, double *card_us)
{
    const double clock_hz = spacc_card_device_info(shadow->device)->clock_hz;

    for (size_t i = 0; i < shadow->plan->nodes; i++) {
        const struct spacc_node_stats *n = &shadow->executor.stats[i];
        card_us[i] = n->device_calls
                         ? (double)n->counts.cycles / clock_hz * 1e6 / (double)n->device_calls
                         : HUGE_VAL;
    }
}

static enum spacc_status price_card(struct spacc_session *s, size_t frames,
                                    const struct spacc_tensor *const *input,
                                    const struct spacc_state *state, size_t states,
                                    double *card_us, struct spacc_error *err)
{
    const size_t outputs = (size_t)s->model->graph->outputs;
    struct spacc_tensor **output = calloc(outputs + 1, sizeof(*output));
    struct spacc_options o = s->options;
    struct spacc_session *shadow = NULL;
    char name[64];
    enum spacc_status status;

    model_name(s, name, sizeof(name));
    o.fpga = name;
    o.gpu = o.plan_file = o.waveform_file = NULL;
    o.goal = SPACC_GOAL_DEFAULT;
    o.sim_stall_per_1024 = o.sim_seed = 0;
    o.pins = 0;
    o.all_on = NULL;
    o.plan = o.verify = o.trace = false;
    status = output ? spacc_session_new(&shadow, s->model, &o, err)
                    : spacc_fail(err, SPACC_ENOMEM, "no memory for a session");
    if (!status && !(status = spacc_session_learn(shadow, frames, input, state, states, err)) &&
        !(status = spacc_session_run(shadow, input, output, err)))
        take_cycles(shadow, card_us);
    if (output)
        spacc_tensors_free(output, outputs);
    free(output);
    spacc_session_free(shadow);
    return status;
}

/* ---- pins ----------------------------------------------------------------------- */

static enum spacc_status take_pin(const struct spacc_session *s, const struct spacc_pin *pin,
                                  int *to, struct spacc_error *err)
{
    const enum spacc_where where = spacc_where_find(pin->device);
    bool found = false;

    if (where == SPACC_WHERES)
        return spacc_fail(err, SPACC_EINVAL, "%s: %s is pinned to '%s': cpu, gpu or card",
                          s->model->file, pin->node, pin->device);
    for (size_t i = 0; i < s->plan->nodes; i++)
        if (strcmp(s->plan->node[i].name, pin->node) == 0) {
            to[i] = (int)where;
            found = true;
        }
    return found ? SPACC_OK
                 : spacc_fail(err, SPACC_EINVAL, "%s: no node %s to pin to the %s",
                              s->model->file, pin->node, pin->device);
}

/* A card that is named runs what it can; packed layers are the card's in any case. */
static void pin_card(const struct spacc_session *s, int *pin)
{
    for (size_t i = 0; i < s->plan->nodes; i++)
        if (s->on_card && s->plan->node[i].candidate && pin[i] < 0 &&
            (s->options.goal == SPACC_GOAL_DEFAULT || s->model->pack))
            pin[i] = SPACC_ON_CARD;
}

static enum spacc_status find_pins(struct spacc_session *s, int *pin, struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;

    for (size_t i = 0; i < s->plan->nodes; i++)
        pin[i] = -1;
    if (s->options.plan_file) {
        if ((status = spacc_model_sha256(s->model, err)) ||
            (status =
                 spacc_placing_load(s->options.plan_file, s->plan, s->model->sha256, pin, err)))
            return status;
    }
    for (size_t i = 0; i < s->options.pins && !status; i++)
        status = take_pin(s, &s->options.pin[i], pin, err);
    pin_card(s, pin);
    return status;
}

/* ---- placing -------------------------------------------------------------------- */

static enum spacc_objective objective_of(enum spacc_goal goal)
{
    return goal == SPACC_GOAL_THROUGHPUT ? SPACC_THROUGHPUT
           : goal == SPACC_GOAL_ENERGY   ? SPACC_ENERGY
                                         : SPACC_LATENCY;
}

static enum spacc_status place(struct spacc_session *s, const struct spacc_tensor *const *input,
                               const double *card_us, const int *pin, struct spacc_error *err)
{
    struct spacc_placing_ask ask = {
        .plan = s->plan,
        .g = s->model->graph,
        .input = input,
        .engine =
            spacc_executor_options(&s->executor, s->pool ? &s->parallel : NULL, SPACC_TILE_F32),
        .cpu = s->cpu_profile,
        .gpu = s->gpu,
        .gpu_profile = s->gpu_profile,
        .card_us = s->on_card ? card_us : NULL,
        .card_link = card_link,
        .card_power = card_power,
        .all_on = -1,
        .pin = pin,
        .objective = objective_of(s->options.goal),
        .gate = s->options.plan_file ? 0.0 : gate};

    if (s->options.all_on) {
        ask.all_on = (int)spacc_where_find(s->options.all_on);
        if (ask.all_on == SPACC_WHERES)
            return spacc_fail(err, SPACC_EINVAL, "all on '%s': cpu, gpu or card",
                              s->options.all_on);
    }
    ask.engine.gpu = NULL;
    ask.engine.timeline = NULL;
    return spacc_placing_new(&s->placing, &ask, err);
}

static const char *why(const struct spacc_session *s, size_t n, char *text, size_t bytes)
{
    const struct spacc_placing *p = s->placing;
    const struct spacc_task *t = &p->tasks.task[p->task[n]];
    const int d = p->chosen.device[p->task[n]];

    if (t->pin >= 0)
        snprintf(text, bytes, "asked for");
    else
        snprintf(text, bytes, "plan: %s %.1f us", p->tasks.device[d].name, t->us[d]);
    for (size_t o = 0; o < p->tasks.devices && t->pin < 0; o++)
        if ((int)o != d && t->us[o] < HUGE_VAL) {
            const size_t used = strlen(text);
            snprintf(text + used, bytes - used, ", %s %.1f us", p->tasks.device[o].name,
                     t->us[o]);
        }
    return text;
}

/* Candidates that the card was not given, and reasons. */
static void tell(struct spacc_session *s)
{
    char text[256];

    for (size_t i = 0; i < s->plan->nodes; i++) {
        struct spacc_plan_node *n = &s->plan->node[i];
        n->elsewhere =
            s->on_card && n->candidate && spacc_placing_where(s->placing, i) != SPACC_ON_CARD;
        if (s->placing->task[i] >= 0 && (!n->candidate || !s->on_card || n->elsewhere))
            spacc_plan_reason(n, "%s", why(s, i, text, sizeof(text)));
    }
    if (s->placing->chosen.withdrawn)
        spacc_session_note(s,
                           "a split would take %.1f us, which does not beat %.1f us on the %s "
                           "alone by the error of the prices: not split",
                           s->placing->chosen.split_us, s->placing->chosen.single_us,
                           s->placing->tasks.device[s->placing->chosen.single].name);
}

enum spacc_status spacc_session_place(struct spacc_session *s, size_t frames,
                                      const struct spacc_tensor *const *input,
                                      const struct spacc_state *state, size_t states,
                                      struct spacc_error *err)
{
    double *card_us = calloc(s->plan->nodes + 1, sizeof(*card_us));
    int *pin = calloc(s->plan->nodes + 1, sizeof(*pin));
    enum spacc_status status = SPACC_ENOMEM;

    if (!card_us || !pin)
        spacc_fail(err, status, "%s: no memory to place nodes", s->model->file);
    else if (!(status = open_profiles(s, err)) && !(status = find_pins(s, pin, err)) &&
             (!s->on_card ||
              !(status = price_card(s, frames, input, state, states, card_us, err))) &&
             !(status = place(s, input, card_us, pin, err)))
        tell(s);
    free(card_us);
    free(pin);
    return status;
}

/* ---- engines -------------------------------------------------------------------- */

static void set_where(struct spacc_session *s, int *where, bool with_gpu)
{
    for (size_t i = 0; i < s->plan->nodes; i++) {
        where[i] = s->placing ? (int)spacc_placing_where(s->placing, i) : SPACC_ON_CPU;
        if (where[i] == SPACC_ON_GPU && !with_gpu)
            where[i] = SPACC_ON_CPU;
    }
}

static enum spacc_status new_engine(struct spacc_session *s,
                                    const struct spacc_tensor *const *input, bool with_gpu,
                                    struct spacc_error *err)
{
    struct spacc_executor *x = &s->executor;

    set_where(s, s->where, with_gpu);
    x->where = s->where;
    x->gpu = with_gpu ? s->gpu : NULL;
    x->order = s->placing && with_gpu ? s->placing->order : NULL;
    return spacc_executor_ready(x, s->model->graph, input, s->pool ? &s->parallel : NULL,
                                spacc_session_precision(s), err);
}

/* Every GPU task that can goes to the CPU, in what the report says. */
static void place_on_cpu(struct spacc_session *s)
{
    for (size_t t = 0; t < s->placing->tasks.tasks; t++)
        if (s->placing->where[s->placing->chosen.device[t]] == SPACC_ON_GPU)
            s->placing->chosen.device[t] = 0;
}

static bool uses_gpu(const struct spacc_session *s)
{
    for (size_t t = 0; s->placing && t < s->placing->tasks.tasks; t++)
        if (s->placing->where[s->placing->chosen.device[t]] == SPACC_ON_GPU)
            return true;
    return false;
}

static bool is_asked_for(const struct spacc_session *s)
{
    for (size_t t = 0; t < s->placing->tasks.tasks; t++)
        if (s->placing->tasks.task[t].pin >= 0 &&
            s->placing->where[s->placing->tasks.task[t].pin] == SPACC_ON_GPU)
            return true;
    return s->options.plan_file != NULL;
}

/* ---- a trial -------------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median_of(double *us, size_t count)
{
    qsort(us, count, sizeof(*us), ascending);
    return us[count / 2];
}

static enum spacc_status time_engine(struct spacc_session *s, struct spacc_engine *e,
                                     const struct spacc_tensor *const *input, double *us,
                                     struct spacc_error *err)
{
    const size_t outputs = (size_t)s->model->graph->outputs;
    struct spacc_tensor **output = calloc(outputs + 1, sizeof(*output));
    struct spacc_engine *own = s->executor.engine;
    enum spacc_status status;

    if (!output)
        return spacc_fail(err, SPACC_ENOMEM, "no memory for a run");
    s->executor.engine = e;
    const double start = spacc_now_us(), before = s->executor.unreal_us;
    status = spacc_executor_run(&s->executor, s->model->graph, input, output, err);
    *us = spacc_now_us() - start - (s->executor.unreal_us - before);
    s->executor.engine = own;
    spacc_tensors_free(output, outputs);
    free(output);
    return status;
}

/* Both sides in turn, the first round unmeasured. */
static enum spacc_status try_both(struct spacc_session *s, struct spacc_engine *single,
                                  const struct spacc_tensor *const *input,
                                  struct spacc_error *err)
{
    double us[2][TRIAL_RUNS], spent = 0.0;
    int runs = 0;
    enum spacc_status status = SPACC_OK;

    for (int r = -1; r < TRIAL_RUNS && (runs < 3 || spent < trial_us); r++) {
        double now[2];
        if ((status = time_engine(s, s->executor.engine, input, &now[0], err)) ||
            (status = time_engine(s, single, input, &now[1], err)))
            return status;
        spent += now[0] + now[1];
        for (int side = 0; side < 2 && r >= 0; side++)
            us[side][runs] = now[side];
        runs += r >= 0;
    }
    s->watch.split_us = median_of(us[0], (size_t)runs);
    s->watch.single_us = median_of(us[1], (size_t)runs);
    return SPACC_OK;
}

static void withdraw(struct spacc_session *s, double split_us, double single_us)
{
    struct spacc_engine *split = s->executor.engine;

    s->executor.engine = s->watch.single;
    s->watch.single = NULL;
    spacc_engine_free(split);
    place_on_cpu(s);
    set_where(s, s->where, false);
    spacc_session_note(s, "the GPU is not used: a run took %.1f us with it and %.1f us without",
                       split_us, single_us);
}

static enum spacc_status hold_trial(struct spacc_session *s,
                                    const struct spacc_tensor *const *input,
                                    struct spacc_error *err)
{
    struct spacc_engine *split = s->executor.engine;
    enum spacc_status status = new_engine(s, input, false, err);

    s->watch.single = s->executor.engine;
    s->executor.engine = split;
    set_where(s, s->where, true);
    if (status || (status = try_both(s, s->watch.single, input, err)))
        return status;
    if (s->watch.split_us > s->watch.single_us)
        withdraw(s, s->watch.split_us, s->watch.single_us);
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
    status = new_engine(s, input, s->gpu && !s->gpu_failed, err);
    if (status || !uses_gpu(s) || is_asked_for(s))
        return status;
    status = hold_trial(s, input, err);
    if (status == SPACC_EDEVICE && !s->executor.device)
        status = spacc_session_drop_gpu(s, input, err);
    return status;
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
    const double median = median_of(w->us, SPACC_WATCH_RUNS);
    w->slow = median > slow_by * w->single_us ? w->slow + 1 : 0;
    if (w->slow >= SLOW_WINDOWS) {
        withdraw(s, median, w->single_us);
    } else if (++w->windows >= PROVED_WINDOWS && w->slow == 0) {
        spacc_engine_free(w->single);
        w->single = NULL;
    }
}

enum spacc_status spacc_session_drop_gpu(struct spacc_session *s,
                                         const struct spacc_tensor *const *input,
                                         struct spacc_error *err)
{
    struct spacc_error reason = err ? *err : (struct spacc_error){0};

    if (!uses_gpu(s))
        return SPACC_EDEVICE;
    spacc_session_note(s, "the GPU failed (%s): the rest runs without it", reason.text);
    s->gpu_failed = true;
    place_on_cpu(s);
    spacc_engine_free(s->executor.engine);
    s->executor.engine = s->watch.single;
    s->watch.single = NULL;
    if (s->executor.engine) {
        set_where(s, s->where, false);
        return SPACC_OK;
    }
    return new_engine(s, input, false, err);
}

const struct spacc_placing *spacc_session_placing(const struct spacc_session *s)
{
    return s->prepared ? s->placing : NULL;
}

/* ---- files ---------------------------------------------------------------------- */

enum spacc_status spacc_session_save_plan(struct spacc_session *s, const char *file,
                                          struct spacc_error *err)
{
    enum spacc_status status;

    if (!s->prepared || !s->placing)
        return spacc_fail(err, SPACC_EINVAL, "%s: nothing was placed: no plan to write", file);
    if ((status = spacc_model_sha256(s->model, err)))
        return status;
    return spacc_placing_save(s->placing, s->plan, s->model->sha256, file, err);
}

enum spacc_status spacc_session_trace(struct spacc_session *s, const char *file,
                                      struct spacc_error *err)
{
    if (!s->timeline)
        return spacc_fail(err, SPACC_EINVAL, "%s: the session keeps no time line", file);
    if (spacc_timeline_dropped(s->timeline))
        spacc_session_note(s, "%s: the last %zu slices had no room", file,
                           spacc_timeline_dropped(s->timeline));
    return spacc_timeline_save(s->timeline, file, err);
}
