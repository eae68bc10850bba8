/* Nodes given to devices: what each would take, and who gets what. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/card/model.h"
#include "host/card/uart.h"
#include "host/profiles.h"
#include "host/session_parts.h"

static const double worth_telling = 0.05; /* of a correction of prices */
static const double gate = 1.0;           /* standard errors that a split must gain */

/* What a card's own cycles and the host's rounding of x and y, both in its price, leave out:
 * nothing for one that is simulated, and one whose price is wall time; for a board registers
 * and polling, stated, and its line. */
enum { BITS_A_BYTE = 10 };

/* Whether there is a card that counts none. */
static bool lacks_cycles(const struct spacc_session *s)
{
    return s->on_card && !(spacc_card_device_info(s->device)->clock_hz > 0.0);
}

static struct spacc_link card_link(const struct spacc_session *s)
{
    const char *at = s->options.fpga ? strchr(s->options.fpga, '@') : NULL;
    const double baud = at ? strtod(at + 1, NULL) : SPACC_UART_BAUD;
    const double bytes_per_us = baud / BITS_A_BYTE / 1e6;

    if (spacc_session_virtual_hz(s) > 0.0 || lacks_cycles(s))
        return (struct spacc_link){0};
    return (struct spacc_link){.launch_us = 5.0,
                               .sync_us = 2.0,
                               .to_bytes_per_us = bytes_per_us,
                               .from_bytes_per_us = bytes_per_us};
}

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

/* The law of a kernel for a number of threads that was never measured is that of ideal ones. */
static void tell_threads(struct spacc_session *s)
{
    const struct spacc_profile *p = s->cpu_profile;
    const int threads = s->pool ? spacc_pool_parts(s->pool) : 1;

    for (size_t i = 0; i < p->samples; i++)
        if (p->sample[i].work.threads == threads)
            return;
    if (p->samples)
        spacc_session_note(s,
                           "cpu: nothing was measured with %d threads: prices are as if each "
                           "helped fully; see spacc profile --cpu-threads %d",
                           threads, threads);
}

static enum spacc_status open_profiles(struct spacc_session *s, struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;
    char note[640] = "";

    if (!s->cpu_profile)
        status =
            spacc_profiles_cpu(&s->cpu_profile, s->options.profiles, note, sizeof(note), err);
    if (note[0])
        spacc_session_note(s, "%s", note);
    if (!status)
        tell_threads(s);
    note[0] = '\0';
    if (!status && s->gpu && !s->gpu_profile)
        status = spacc_profiles_gpu(&s->gpu_profile, s->options.profiles, s->gpu, note,
                                    sizeof(note), err);
    if (note[0])
        spacc_session_note(s, "%s", note);
    return status;
}

/* ---- what the card would take ----------------------------------------------------- */

/* The card that prices are of: the one that only counts, for the one that is open; itself where
 * it has no cycles that could be counted. */
static enum spacc_status price_like(const struct spacc_session *s, char *name, size_t bytes,
                                    struct spacc_error *err)
{
    const char *like = spacc_model_card_like(spacc_card_device_info(s->device));

    if (lacks_cycles(s))
        snprintf(name, bytes, "%s", s->options.fpga);
    else if (like)
        snprintf(name, bytes, "model:%s", like);
    else
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "card '%s': no configuration of this build is like it, so that its "
                          "cycles cannot be told",
                          s->options.fpga);
    return SPACC_OK;
}

/* A call of each plan node on a card, from runs of a shadow: cycles of the model of the card,
 * which are exact, or where the card counts none its own wall time; and rounding floats to
 * vectors and back. */
static void take_times(const struct spacc_session *shadow, double clock_hz,
                       struct spacc_plan *plan, double *card_us)
{
    for (size_t i = 0; i < shadow->plan->nodes; i++) {
        const struct spacc_node_stats *n = &shadow->executor.stats[i];
        const double card =
            clock_hz > 0.0 ? (double)n->counts.cycles / clock_hz * 1e6 : n->counts.us;
        const double us = card + n->own_us;
        card_us[i] = n->device_calls ? us / (double)n->device_calls : HUGE_VAL;
        if (plan->node[i].candidate && !n->device_calls) /* too large for it, say */
            spacc_plan_refuse(&plan->node[i], "%s", shadow->plan->node[i].reason);
    }
}

/* Once for the caches, and then what counts. */
static enum spacc_status run_shadow(struct spacc_session *shadow,
                                    const struct spacc_tensor *const *input,
                                    struct spacc_tensor **output, struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;

    for (int r = 0; r < 2 && !status; r++) {
        for (size_t i = 0; i < shadow->plan->nodes; i++) {
            struct spacc_node_stats *n = &shadow->executor.stats[i];
            n->device_calls = 0;
            n->counts = (struct spacc_job_counts){0};
            n->waited_cycles = n->traced_cycles = 0;
            n->own_us = n->waited_own_us = 0.0;
        }
        status = spacc_session_run(shadow, input, output, err);
        spacc_tensors_free(output, (size_t)shadow->model->graph->outputs);
    }
    return status;
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
    char name[4096];
    enum spacc_status status;

    o.fpga = name;
    o.gpu = o.plan_file = o.waveform_file = NULL;
    o.goal = SPACC_GOAL_DEFAULT;
    o.sim_stall_per_1024 = o.sim_seed = 0;
    o.pins = 0;
    o.all_on = NULL;
    o.plan = o.verify = o.trace = false;
    status = output ? price_like(s, name, sizeof(name), err)
                    : spacc_fail(err, SPACC_ENOMEM, "no memory for a session");
    if (!status)
        status = spacc_session_new(&shadow, s->model, &o, err);
    if (!status && !(status = spacc_session_learn(shadow, frames, input, state, states, err)) &&
        !(status = run_shadow(shadow, input, output, err)))
        take_times(shadow, spacc_card_device_info(s->device)->clock_hz, s->plan, card_us);
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
static void pin_card(const struct spacc_session *s, const double *card_us, int *pin)
{
    for (size_t i = 0; i < s->plan->nodes; i++)
        if (s->on_card && card_us[i] < HUGE_VAL && pin[i] < 0 &&
            (s->model->pack ||
             (s->options.goal == SPACC_GOAL_DEFAULT && !s->options.plan_file)))
            pin[i] = SPACC_ON_CARD;
}

/* Fixed point without a card is computed on the CPU. */
static enum spacc_status pin_fixed(const struct spacc_session *s, int *pin,
                                   struct spacc_error *err)
{
    for (size_t i = 0; i < s->plan->nodes && s->device && !s->on_card; i++) {
        if (!s->plan->node[i].candidate)
            continue;
        if (pin[i] >= 0 && pin[i] != SPACC_ON_CPU)
            return spacc_fail(err, SPACC_EINVAL,
                              "%s: %s is pinned to the %s, but is fixed point on the CPU",
                              s->model->file, s->plan->node[i].name,
                              spacc_where_name((enum spacc_where)pin[i]));
        pin[i] = SPACC_ON_CPU;
    }
    return SPACC_OK;
}

static enum spacc_status find_pins(struct spacc_session *s, const double *card_us, int *pin,
                                   int *plan_pin, struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;

    for (size_t i = 0; i < s->plan->nodes; i++)
        pin[i] = plan_pin[i] = -1;
    if (s->options.plan_file) {
        if ((status = spacc_model_sha256(s->model, err)) ||
            (status = spacc_placing_load(s->options.plan_file, s->plan, s->model->sha256,
                                         plan_pin, err)))
            return status;
    }
    for (size_t i = 0; i < s->options.pins && !status; i++)
        status = take_pin(s, &s->options.pin[i], pin, err);
    pin_card(s, card_us, pin);
    return status ? status : pin_fixed(s, pin, err);
}

/* ---- placing -------------------------------------------------------------------- */

static enum spacc_objective objective_of(enum spacc_goal goal)
{
    return goal == SPACC_GOAL_THROUGHPUT ? SPACC_THROUGHPUT
           : goal == SPACC_GOAL_ENERGY   ? SPACC_ENERGY
                                         : SPACC_LATENCY;
}

static enum spacc_status place(struct spacc_session *s, const struct spacc_tensor *const *input,
                               const double *card_us, const int *pin, const int *plan_pin,
                               struct spacc_error *err)
{
    struct spacc_placing_ask ask = {
        .plan = s->plan,
        .g = s->model->graph,
        .input = input,
        .engine =
            spacc_executor_options(&s->executor, s->pool ? &s->parallel : NULL, SPACC_TILE_F32),
        .cpu = s->cpu_profile,
        .gpu = s->gpu_failed ? NULL : s->gpu,
        .gpu_profile = s->gpu_profile,
        .card_us = s->on_card ? card_us : NULL,
        .card_link = card_link(s),
        .card_power = card_power,
        .all_on = -1,
        .pin = pin,
        .plan_pin = plan_pin,
        .correct = !s->as_priced && !s->options.plan_file && !s->options.all_on &&
                   (s->on_card || (s->gpu && !s->gpu_failed)),
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
    struct spacc_error own = {0};
    const enum spacc_status status = spacc_placing_new(&s->placing, &ask, &own);
    if (status == SPACC_EDEVICE && ask.gpu) {
        spacc_session_note(s, "the gpu failed (%s): nothing is placed on it", own.text);
        s->gpu_failed = true;
        ask.gpu = NULL;
        return spacc_placing_new(&s->placing, &ask, err);
    }
    if (status && err)
        *err = own;
    return status;
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

/* Where the joules of an energy plan come from. */
static void tell_energy(struct spacc_session *s)
{
    const struct spacc_placing *p = s->placing;
    const struct spacc_power *cpu = &s->cpu_profile->power;
    size_t by[SPACC_POWER_MEASURED + 1] = {0};

    for (size_t t = 0; t < p->tasks.tasks; t++)
        by[p->about[t].power] += p->tasks.task[t].joules[0] > 0.0 ? 1 : 0;
    spacc_session_note(
        s,
        "energy on the cpu: %zu tasks by joules that were measured, %zu by power "
        "fitted to such, %zu by %.1f W a busy thread (%s)",
        by[SPACC_POWER_MEASURED], by[SPACC_POWER_FITTED], by[SPACC_POWER_BUSY], cpu->busy_w,
        cpu->source);
    for (size_t d = 1; d < p->tasks.devices; d++) {
        const struct spacc_power *w =
            p->where[d] == SPACC_ON_GPU ? &s->gpu_profile->power : &card_power;
        spacc_session_note(s, "energy on the %s: by %.1f W when it is busy (%s)",
                           p->tasks.device[d].name, w->busy_w, w->source);
    }
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
    for (int w = 0; w < SPACC_WHERES; w++)
        if (fabs(s->placing->factor[w] - 1.0) > worth_telling)
            spacc_session_note(s, "prices of the %s times %.2f: that is what runs on it took",
                               spacc_where_name((enum spacc_where)w), s->placing->factor[w]);
    if (s->options.goal == SPACC_GOAL_ENERGY)
        tell_energy(s);
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
    int *plan_pin = calloc(s->plan->nodes + 1, sizeof(*plan_pin));
    enum spacc_status status = SPACC_ENOMEM;

    if (!card_us || !pin || !plan_pin)
        spacc_fail(err, status, "%s: no memory to place nodes", s->model->file);
    else if (!(status = open_profiles(s, err)) &&
             (!s->on_card ||
              !(status = price_card(s, frames, input, state, states, card_us, err))) &&
             !(status = find_pins(s, card_us, pin, plan_pin, err)) &&
             !(status = place(s, input, card_us, pin, plan_pin, err)))
        tell(s);
    free(card_us);
    free(pin);
    free(plan_pin);
    return status;
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
