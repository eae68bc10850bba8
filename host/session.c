/* A session: a model prepared for the devices at hand. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/plan_conv.h"
#include "host/session_parts.h"
#include "models/op.h"
#include "sparse/cpu.h"
#if SPACC_SIM
#include "host/sim_fault.h"
#include "sim/sim.h"
#endif

enum { TIME_LIMIT_US = 10000000, SLICES_MAX = 1 << 18 };

void spacc_tensors_free(struct spacc_tensor **t, size_t n)
{
    for (size_t i = 0; t && i < n; i++) {
        spacc_tensor_free(t[i]);
        t[i] = NULL;
    }
}

void spacc_session_note(struct spacc_session *s, const char *format, ...)
{
    char text[512];
    va_list args;
    char **more;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (size_t i = 0; i < s->notes; i++)
        if (strcmp(s->note[i], text) == 0)
            return;
    more = realloc(s->note, (s->notes + 1) * sizeof(*more));
    if (!more)
        return;
    s->note = more;
    if ((s->note[s->notes] = strdup(text)))
        s->notes++;
}

static void note_text(void *user, const char *text)
{
    spacc_session_note(user, "%s", text);
}

/* ---- devices ----------------------------------------------------------------- */

static bool wants_sim_options(const struct spacc_options *o)
{
    return o->waveform_file || o->sim_stall_per_1024 || o->sim_seed;
}

#if SPACC_SIM
static enum spacc_status open_sim(struct spacc_card **out, const struct spacc_options *o,
                                  struct spacc_error *err)
{
    const double clock_hz = 200e6;
    struct spacc_sim_options sim_options = {
        .config = o->fpga[3] == ':' ? o->fpga + 4 : NULL,
        .clock_hz = clock_hz,
        .stall_per_1024 = (uint32_t)o->sim_stall_per_1024,
        .seed = o->sim_seed,
        .trace_file = o->waveform_file,
    };
    struct spacc_sim *sim;
    enum spacc_status s = spacc_sim_fault_set(&sim_options, err);

    if (s)
        return s;
    if ((s = spacc_sim_open(&sim, &sim_options, err)))
        return spacc_fail_in(err, s, "card '%s'", o->fpga);
    return spacc_card_attach(out, spacc_sim_card_ops(), sim, clock_hz, err);
}
#else
static enum spacc_status open_sim(struct spacc_card **out, const struct spacc_options *o,
                                  struct spacc_error *err)
{
    (void)out;
    return spacc_fail(err, SPACC_EUNSUPPORTED,
                      "card '%s': this build has no simulator (SPACC_SIM=OFF)", o->fpga);
}
#endif

static bool is_sim(const char *name)
{
    return strcmp(name, "sim") == 0 || strncmp(name, "sim:", 4) == 0;
}

static enum spacc_status open_card(struct spacc_card **out, const struct spacc_options *o,
                                   struct spacc_error *err)
{
    *out = NULL;
    if (is_sim(o->fpga))
        return open_sim(out, o, err);
    if (wants_sim_options(o))
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "card '%s': waveforms and stalls are those of a simulated card",
                          o->fpga);
    return spacc_card_open(out, o->fpga, err);
}

static enum spacc_status choose_bits(struct spacc_session *s, uint32_t card_bits,
                                     struct spacc_error *err)
{
    s->weight_bits = s->options.precision == SPACC_PRECISION_INT8 ? 8 : 16;
    if (s->weight_bits <= (int)card_bits)
        return SPACC_OK;
    if (s->options.precision == SPACC_PRECISION_INT16)
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "precision int16: card %s multiplies %u-bit weights", s->card,
                          card_bits);
    s->weight_bits = (int)card_bits;
    spacc_session_note(s, "card %s multiplies %u-bit weights: int8 used", s->card, card_bits);
    return SPACC_OK;
}

static enum spacc_status open_card_device(struct spacc_session *s, struct spacc_error *err)
{
    const struct spacc_card_info *info;
    struct spacc_card *card;
    enum spacc_status status = open_card(&card, &s->options, err);

    if (status ||
        (status = spacc_card_device_new(&s->device, card, s->options.time_limit_us, err)))
        return status;
    info = spacc_card_device_info(s->device);
    snprintf(s->card, sizeof(s->card), "%s %ux%u", info->kind, info->pes, info->lanes);
    s->on_card = true;
    s->array = (struct spacc_plan_array){.lanes = info->lanes,
                                         .shared_rows = info->shared_rows,
                                         .act_bits = (int)info->act_bits};
    if (info->shared_rows > 1)
        spacc_session_note(s,
                           "card %s: the rows of a quad share their columns; pruned together "
                           "when this run prunes",
                           s->card);
    if (info->act_bits < 16)
        spacc_session_note(s, "card %s: x and h are rounded to %u bits in every product",
                           s->card, info->act_bits);
    return choose_bits(s, info->weight_bits, err);
}

/* A card; or fixed point on the CPU where that is asked for; or nothing. */
static enum spacc_status open_device(struct spacc_session *s, struct spacc_error *err)
{
    const enum spacc_precision p = s->options.precision;

    spacc_device_free(s->device);
    s->device = NULL;
    s->device_used = false;
    if (s->options.fpga)
        return open_card_device(s, err);
    s->array = (struct spacc_plan_array){
        .lanes = SPACC_LANES_DEFAULT, .shared_rows = 1, .act_bits = 16};
    s->weight_bits = p == SPACC_PRECISION_INT8 ? 8 : 16;
    if (s->model->pack || p == SPACC_PRECISION_INT16)
        return spacc_cpu_device_new(&s->device, err);
    return SPACC_OK;
}

static enum spacc_status open_pool(struct spacc_session *s, struct spacc_error *err)
{
    enum spacc_status status;

    if (s->options.cpu_threads <= 1)
        return SPACC_OK;
    if ((status = spacc_pool_new(&s->pool, s->options.cpu_threads, err)))
        return status;
    s->parallel = spacc_pool_parallel(s->pool);
    return SPACC_OK;
}

/* "auto" without a GPU is no error: most machines have none. */
static enum spacc_status open_gpu(struct spacc_session *s, const char *which,
                                  struct spacc_error *err)
{
    struct spacc_error own = {0};
    enum spacc_status status;

    if (!which || strcmp(which, "off") == 0)
        return SPACC_OK;
    status = spacc_gpu_open(&s->gpu, which, &own);
    if (status == SPACC_EUNSUPPORTED && strcmp(which, "auto") == 0) {
        spacc_session_note(s, "no GPU is used: %s", own.text);
        return SPACC_OK;
    }
    if (status && err)
        *err = own;
    return status;
}

static void seen_part(void *user, int part, double start_us, double end_us)
{
    struct spacc_session *s = user;

    if (s->executor.engine)
        spacc_engine_part(s->executor.engine, s->cpu_track + part, start_us, end_us);
}

static enum spacc_status open_timeline(struct spacc_session *s, struct spacc_error *err)
{
    enum spacc_status status;
    char name[32];

    if (!s->options.trace)
        return SPACC_OK;
    if ((status = spacc_timeline_new(&s->timeline, SLICES_MAX, err)))
        return status;
    s->cpu_track = spacc_timeline_tracks(s->timeline);
    for (int part = 0; part < (s->pool ? spacc_pool_parts(s->pool) : 1); part++) {
        snprintf(name, sizeof(name), "cpu %d", part);
        spacc_timeline_track(s->timeline, name);
    }
    if (s->pool)
        spacc_pool_watch(s->pool, seen_part, s);
    return SPACC_OK;
}

/* ---- new and free ------------------------------------------------------------ */

static enum spacc_status check_options(const struct spacc_options *o,
                                       const struct spacc_model *m, struct spacc_error *err)
{
    if (!(o->sparsity >= 0.0 && o->sparsity < 1.0))
        return spacc_fail(err, SPACC_EINVAL, "sparsity %g is not 0 or more and below 1",
                          o->sparsity);
    if (o->precision < SPACC_PRECISION_DEFAULT || o->precision > SPACC_PRECISION_INT16)
        return spacc_fail(err, SPACC_EINVAL, "precision %d is unknown", (int)o->precision);
    if (o->fpga && (o->precision == SPACC_PRECISION_F32 || o->precision == SPACC_PRECISION_F16))
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "precision %s: card '%s' computes in int8 or int16",
                          o->precision == SPACC_PRECISION_F32 ? "f32" : "f16", o->fpga);
    if (o->cpu_threads < 0 || o->cpu_threads > SPACC_POOL_PARTS_MAX)
        return spacc_fail(err, SPACC_EINVAL, "%d threads: 1 to %d are possible", o->cpu_threads,
                          SPACC_POOL_PARTS_MAX);
    if (m->pack && o->sparsity > 0.0)
        return spacc_fail(err, SPACC_EINVAL, "%s is packed: its sparsity is settled", m->file);
    if (m->pack && o->precision != SPACC_PRECISION_DEFAULT)
        return spacc_fail(err, SPACC_EINVAL, "%s is packed: its precision is settled", m->file);
    if (!o->fpga && wants_sim_options(o))
        return spacc_fail(err, SPACC_EINVAL, "waveforms and stalls need a simulated card");
    if (o->seernet && o->seernet != SPACC_SEERNET_EXACT &&
        (o->seernet < SPACC_SEERNET_BITS_MIN || o->seernet > SPACC_SEERNET_BITS_MAX))
        return spacc_fail(err, SPACC_EINVAL, "seernet with %d bits: %d to %d, or exact",
                          o->seernet, SPACC_SEERNET_BITS_MIN, SPACC_SEERNET_BITS_MAX);
    if (o->seernet && !o->fpga &&
        (o->precision == SPACC_PRECISION_INT8 || o->precision == SPACC_PRECISION_INT16))
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "seernet with precision %s: its layers predict in few bits and "
                          "compute in f32",
                          o->precision == SPACC_PRECISION_INT8 ? "int8" : "int16");
    if (o->sim_stall_per_1024 > 1023)
        return spacc_fail(err, SPACC_EINVAL, "stalls of %llu in 1024 cycles leave no time",
                          (unsigned long long)o->sim_stall_per_1024);
    return SPACC_OK;
}

static bool copy_pins(struct spacc_session *s, const struct spacc_options *o)
{
    for (size_t i = 0; i < o->pins; i++) {
        s->pin[i] = (struct spacc_pin){strdup(o->pin[i].node), strdup(o->pin[i].device)};
        if (!s->pin[i].node || !s->pin[i].device)
            return false;
    }
    return true;
}

static enum spacc_status copy_options(struct spacc_session *s, const struct spacc_options *o,
                                      struct spacc_error *err)
{
    s->options = *o;
    s->options.fpga = o->fpga ? strdup(o->fpga) : NULL;
    s->options.waveform_file = o->waveform_file ? strdup(o->waveform_file) : NULL;
    s->options.plan_file = o->plan_file ? strdup(o->plan_file) : NULL;
    s->options.profiles = o->profiles ? strdup(o->profiles) : NULL;
    s->options.all_on = o->all_on ? strdup(o->all_on) : NULL;
    s->options.gpu = NULL; /* the device is opened once */
    s->pin = calloc(o->pins + 1, sizeof(*s->pin));
    s->options.pin = s->pin;
    if ((o->fpga && !s->options.fpga) || (o->waveform_file && !s->options.waveform_file) ||
        (o->plan_file && !s->options.plan_file) || (o->all_on && !s->options.all_on) ||
        (o->profiles && !s->options.profiles) || !s->pin || !copy_pins(s, o))
        return spacc_fail(err, SPACC_ENOMEM, "no memory for a session");
    if (!s->options.time_limit_us)
        s->options.time_limit_us = TIME_LIMIT_US;
    return SPACC_OK;
}

enum spacc_status spacc_session_new(struct spacc_session **out, struct spacc_model *model,
                                    const struct spacc_options *options,
                                    struct spacc_error *err)
{
    struct spacc_options own = options ? *options : (struct spacc_options){0};
    struct spacc_session *s = calloc(1, sizeof(*s));
    enum spacc_status status;

    *out = NULL;
    if (!s)
        return spacc_fail(err, SPACC_ENOMEM, "no memory for a session");
    s->model = model;
    if (own.fpga && strcmp(own.fpga, "off") == 0)
        own.fpga = NULL;
    if ((status = copy_options(s, &own, err)) || (status = check_options(&own, model, err)) ||
        (status = spacc_cpu_check(err)) || (status = open_pool(s, err)) ||
        (status = open_device(s, err)) || (status = open_gpu(s, own.gpu, err)) ||
        (status = open_timeline(s, err))) {
        spacc_session_free(s);
        return status;
    }
    *out = s;
    return SPACC_OK;
}

static void forget_prepare(struct spacc_session *s)
{
    spacc_session_report_release(s);
    spacc_timeline_forget(s->timeline); /* names of slices are the plan's */
    spacc_executor_release(&s->executor);
    spacc_engine_free(s->watch.single);
    s->watch = (struct spacc_watch){0};
    spacc_seernet_choice_free(s->seernet);
    s->seernet = NULL;
    spacc_placing_free(s->placing);
    s->placing = NULL;
    free(s->where);
    s->where = NULL;
    spacc_plan_free(s->plan);
    free(s->shapes);
    free(s->error);
    s->executor = (struct spacc_executor){0};
    s->plan = NULL;
    s->shapes = NULL;
    s->error = NULL;
    s->prepared = false;
    s->runs = 0;
    s->run_us = s->timed_us = 0.0;
}

void spacc_session_free(struct spacc_session *s)
{
    if (!s)
        return;
    forget_prepare(s);
    spacc_device_free(s->device);
    spacc_pool_free(s->pool);
    spacc_gpu_close(s->gpu);
    spacc_profile_free(s->cpu_profile);
    spacc_profile_free(s->gpu_profile);
    spacc_timeline_free(s->timeline);
    for (size_t i = 0; i < s->notes; i++)
        free(s->note[i]);
    free(s->note);
    for (size_t i = 0; s->pin && i < s->options.pins; i++) {
        free((char *)(uintptr_t)s->pin[i].node);
        free((char *)(uintptr_t)s->pin[i].device);
    }
    free(s->pin);
    free((char *)(uintptr_t)s->options.plan_file);
    free((char *)(uintptr_t)s->options.profiles);
    free((char *)(uintptr_t)s->options.all_on);
    free((char *)(uintptr_t)s->options.fpga);
    free((char *)(uintptr_t)s->options.waveform_file);
    free(s);
}

/* ---- prepare ----------------------------------------------------------------- */

/* Inputs of frame f: those given, or the last outputs for states. */
static void frame_inputs(const struct spacc_session *s, size_t f,
                         const struct spacc_tensor *const *input,
                         const struct spacc_state *state, size_t states,
                         struct spacc_tensor *const *last, const struct spacc_tensor **to)
{
    const size_t inputs = (size_t)s->model->graph->inputs;

    for (size_t i = 0; i < inputs; i++)
        to[i] = input[f * inputs + i];
    for (size_t k = 0; k < states && f > 0; k++)
        to[state[k].input] = last[state[k].output];
}

static enum spacc_status learn_frames(struct spacc_session *s, size_t frames,
                                      const struct spacc_tensor *const *input,
                                      const struct spacc_state *state, size_t states,
                                      struct spacc_error *err)
{
    const struct spacc_graph *g = s->model->graph;
    const size_t outputs = (size_t)g->outputs;
    const struct spacc_tensor **in = calloc((size_t)g->inputs + 1, sizeof(*in));
    struct spacc_tensor **out = calloc(2 * outputs + 1, sizeof(*out)), **last = out + outputs;
    bool *needed = calloc(outputs + 1, sizeof(*needed)); /* by the frame that follows */
    enum spacc_status status = in && out && needed ? SPACC_OK : SPACC_ENOMEM;

    for (size_t f = 0; f < frames && !status; f++) {
        frame_inputs(s, f, input, state, states, last, in);
        for (size_t k = 0; k < states; k++)
            needed[state[k].output] = f + 1 < frames;
        status = spacc_executor_learn(&s->executor, g, in, needed, out, err);
        spacc_tensors_free(last, outputs);
        memcpy(last, out, outputs * sizeof(*out));
        memset(out, 0, outputs * sizeof(*out));
    }
    if (out)
        spacc_tensors_free(last, outputs);
    free(in);
    free(out);
    free(needed);
    return status == SPACC_ENOMEM ? spacc_fail(err, status, "%s: no memory", g->file) : status;
}

/* A matrix that does not fit stays on the CPU; a recurrent layer is asked for. */
static enum spacc_status add_layer(struct spacc_session *s, struct spacc_plan_node *n, size_t d,
                                   struct spacc_error *err)
{
    struct spacc_plan_layer *l = &n->layer[d];
    struct spacc_error own = {0};
    enum spacc_status status = spacc_device_add(s->device, l->name, l->fixed, &l->number, &own);

    if ((status == SPACC_ENOFIT || status == SPACC_EUNSUPPORTED) &&
        l->weights.cell == SPACC_CELL_LINEAR) {
        spacc_plan_refuse(n, "%s", own.text);
        return SPACC_OK;
    }
    if (status && err)
        *err = own;
    return status;
}

static void tell_reason(struct spacc_session *s, struct spacc_plan_node *n)
{
    const char *where = s->on_card ? "fits the card" : "fixed point on the CPU";

    if (n->chain_prev >= 0 && s->on_card)
        spacc_plan_reason(n, "in one card run with %s", s->plan->node[n->chain_prev].name);
    else
        spacc_plan_reason(n, "%s weights, %s %s", n->packed ? "packed" : "constant", n->op,
                          where);
}

static void tell_places(struct spacc_session *s)
{
    const struct spacc_card_totals t = spacc_card_device_totals(s->device);

    if (t.away > 1)
        spacc_session_note(s,
                           "the layers do not fit the card together: %zu of %zu are loaded "
                           "before they run (their LOAD cycles)",
                           t.away, t.layers);
}

static enum spacc_status load_device(struct spacc_session *s, struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;

    for (size_t i = 0; i < s->plan->nodes && !status; i++) {
        struct spacc_plan_node *n = &s->plan->node[i];
        for (size_t d = 0; d < n->layers && n->candidate && !n->elsewhere && !status; d++)
            status = add_layer(s, n, d, err);
        if (n->candidate && !n->elsewhere)
            tell_reason(s, n);
    }
    if (status || (status = spacc_device_load(s->device, err)))
        return status;
    if (s->on_card)
        tell_places(s);
    return SPACC_OK;
}

static void tell_random(struct spacc_session *s)
{
    for (size_t i = 0; i < s->plan->nodes; i++)
        if (s->plan->node[i].graph->node[s->plan->node[i].node].op->random)
            spacc_session_note(s,
                               "%s draws random numbers: what it makes differs from run to run",
                               s->plan->node[i].name);
}

static enum spacc_status keep_shapes(struct spacc_session *s,
                                     const struct spacc_tensor *const *input,
                                     struct spacc_error *err)
{
    const size_t inputs = (size_t)s->model->graph->inputs;

    s->shapes = calloc(inputs + 1, sizeof(*s->shapes));
    s->error = calloc((size_t)s->model->graph->outputs + 1, sizeof(*s->error));
    if (!s->shapes || !s->error)
        return spacc_fail(err, SPACC_ENOMEM, "no memory for a session");
    for (size_t i = 0; i < inputs; i++) {
        s->shapes[i] = *input[i];
        s->shapes[i].data = NULL;
    }
    return SPACC_OK;
}

/* With a card, or its arithmetic, what is left to the CPU stays float. */
enum spacc_tile_type spacc_session_precision(const struct spacc_session *s)
{
    if (s->device)
        return SPACC_TILE_F32;
    return s->options.precision == SPACC_PRECISION_F16    ? SPACC_TILE_F16
           : s->options.precision == SPACC_PRECISION_INT8 ? SPACC_TILE_I8
                                                          : SPACC_TILE_F32;
}

/* Weights for a card, or to prune, are looked at in a run of the reference; plain float on the
 * CPU needs none of that. */
static bool needs_learning(const struct spacc_session *s)
{
    const enum spacc_precision p = s->options.precision;

    return s->device || s->options.sparsity > 0.0 || p == SPACC_PRECISION_INT8;
}

static enum spacc_status plan_frames(struct spacc_session *s, size_t frames,
                                     const struct spacc_tensor *const *input,
                                     const struct spacc_state *state, size_t states,
                                     struct spacc_error *err)
{
    const struct spacc_options *o = &s->options;
    enum spacc_status status;

    if ((status = spacc_plan_new(&s->plan, s->model->graph, err)))
        return status;
    s->executor = (struct spacc_executor){.plan = s->plan};
    if (s->on_card && o->seernet &&
        (status = spacc_plan_take_convolutions(
             s->plan, o->seernet == SPACC_SEERNET_EXACT ? SPACC_SEER_EXACT : o->seernet,
             s->array.lanes, err)))
        return status;
    if ((status = spacc_executor_init(&s->executor, err)) ||
        (status = keep_shapes(s, input, err)) ||
        (needs_learning(s) && (status = learn_frames(s, frames, input, state, states, err))) ||
        (s->model->pack &&
         (status = spacc_plan_take_pack(s->plan, s->model->pack, &s->array, err))))
        return status;
    spacc_plan_settle(s->plan);
    tell_random(s);
    if (o->sparsity > 0.0 && (status = spacc_plan_prune(s->plan, o->sparsity, o->bank_size,
                                                        &s->array, note_text, s, err)))
        return status;
    s->executor.masked = o->sparsity > 0.0;
    if (spacc_session_places(s) &&
        (status = spacc_session_place(s, frames, input, state, states, err)))
        return status;
    s->executor.card_hz = spacc_session_virtual_hz(s);
    s->executor.device = s->device;
    s->executor.verify = o->verify;
    if (s->timeline) {
        s->executor.timeline = s->timeline;
        s->executor.card_track = s->on_card ? spacc_timeline_track(s->timeline, "card") : -1;
    }
    if (s->device) {
        if ((status = spacc_plan_quantise(s->plan, s->weight_bits, &s->array, err)))
            return status;
        s->device_used = true;
        if ((status = load_device(s, err)))
            return status;
    }
    if ((status = spacc_session_ready(s, input, err)) || !o->seernet)
        return status;
    return spacc_session_seernet(s, frames, input, err);
}

enum spacc_status spacc_session_learn(struct spacc_session *s, size_t frames,
                                      const struct spacc_tensor *const *input,
                                      const struct spacc_state *state, size_t states,
                                      struct spacc_error *err)
{
    const double start = spacc_now_us();
    enum spacc_status status;

    forget_prepare(s);
    if (frames == 0)
        return spacc_fail(err, SPACC_EINVAL, "prepare needs at least one set of inputs");
    if (s->device_used && (status = open_device(s, err)))
        return status;
    if ((status = plan_frames(s, frames, input, state, states, err))) {
        forget_prepare(s);
        return status;
    }
    s->prepared = true;
    s->prepare_us = spacc_now_us() - start;
    return SPACC_OK;
}

enum spacc_status spacc_session_prepare(struct spacc_session *s, size_t frames,
                                        const struct spacc_tensor *const *input,
                                        struct spacc_error *err)
{
    return spacc_session_learn(s, frames, input, NULL, 0, err);
}

/* ---- run --------------------------------------------------------------------- */

static enum spacc_status check_shapes(const struct spacc_session *s,
                                      const struct spacc_tensor *const *input,
                                      struct spacc_error *err)
{
    char has[128], wants[128];

    for (int i = 0; i < s->model->graph->inputs; i++)
        if (!spacc_tensor_same_shape(input[i], &s->shapes[i]))
            return spacc_fail(err, SPACC_ESHAPE, "%s: input %s: has %s, prepared for %s",
                              s->model->graph->file,
                              spacc_model_input_name(s->model, (size_t)i),
                              spacc_tensor_describe(input[i], has, sizeof(has)),
                              spacc_tensor_describe(&s->shapes[i], wants, sizeof(wants)));
    return SPACC_OK;
}

static enum spacc_status verify_step(struct spacc_session *s,
                                     const struct spacc_tensor *const *input,
                                     struct spacc_tensor **reference,
                                     struct spacc_tensor *const *output,
                                     struct spacc_error *err)
{
    const enum spacc_status status =
        spacc_graph_run(s->model->graph, input, reference, NULL, err);

    for (int o = 0; o < s->model->graph->outputs && !status; o++)
        spacc_error_add(&s->error[o], reference[o], output[o]);
    return status;
}

enum spacc_status spacc_session_step(struct spacc_session *s,
                                     const struct spacc_tensor *const *input,
                                     struct spacc_tensor **output,
                                     const struct spacc_tensor *const *reference_input,
                                     struct spacc_tensor **reference_output,
                                     struct spacc_error *err)
{
    const double start = spacc_now_us();
    enum spacc_status status;

    if ((status = check_shapes(s, input, err)))
        return status;
    const double unreal_us = s->executor.unreal_us;
    struct spacc_error own = {0};
    status = spacc_executor_run(&s->executor, s->model->graph, input, output, &own);
    if (status == SPACC_EDEVICE && s->gpu && !s->gpu_failed &&
        !(status = spacc_session_drop_gpu(s, input, &own)))
        status = spacc_executor_run(&s->executor, s->model->graph, input, output, &own);
    if (status && err)
        *err = own;
    s->runs++;
    s->run_us += spacc_now_us() - start;
    const double us = spacc_now_us() - start - (s->executor.unreal_us - unreal_us);
    s->timed_us += us;
    if (!status && !s->options.verify) /* the reference runs within nodes of a card */
        spacc_session_watch(s, us);
    if (!status)
        status = spacc_session_watch_seernet(s, input, err);
    if (!status && s->options.verify)
        status = verify_step(s, reference_input, reference_output, output, err);
    if (status)
        spacc_tensors_free(output, (size_t)s->model->graph->outputs);
    return status;
}

enum spacc_status spacc_session_run(struct spacc_session *s,
                                    const struct spacc_tensor *const *input,
                                    struct spacc_tensor **output, struct spacc_error *err)
{
    const size_t outputs = (size_t)s->model->graph->outputs;
    struct spacc_tensor **reference = calloc(outputs + 1, sizeof(*reference));
    enum spacc_status status;

    for (size_t o = 0; o < outputs; o++)
        output[o] = NULL;
    if (!reference)
        return spacc_fail(err, SPACC_ENOMEM, "no memory for a run");
    status = s->prepared ? spacc_session_step(s, input, output, input, reference, err)
                         : spacc_fail(err, SPACC_EINVAL, "the session is not prepared");
    spacc_tensors_free(reference, outputs);
    free(reference);
    return status;
}

/* ---- pack -------------------------------------------------------------------- */

static size_t packable(const struct spacc_plan *p)
{
    size_t layers = 0;

    for (size_t i = 0; i < p->nodes; i++)
        layers += p->node[i].candidate ? p->node[i].layers : 0;
    return layers;
}

static const char *base_name(const char *file)
{
    const char *slash = strrchr(file, '/');

    return slash ? slash + 1 : file;
}

enum spacc_status spacc_session_pack(struct spacc_session *s, const char *file,
                                     struct spacc_error *err)
{
    struct spacc_pack pack = {0};
    enum spacc_status status;

    if (!s->prepared)
        return spacc_fail(err, SPACC_EINVAL, "%s: the session is not prepared", file);
    if (s->placing)
        return spacc_fail(
            err, SPACC_EINVAL,
            "%s: the session has given layers to devices: a packed model needs all", file);
    if (!needs_learning(s))
        return spacc_fail(err, SPACC_EINVAL,
                          "%s: the session was prepared for float: a packed model needs one of "
                          "int8 or int16",
                          file);
    if (packable(s->plan) == 0)
        return spacc_fail(err, SPACC_EUNSUPPORTED, "%s: no layer that a card can run",
                          s->model->graph->file);
    if ((status = spacc_plan_quantise(s->plan, s->weight_bits, &s->array, err)) ||
        (status = spacc_model_sha256(s->model, err)))
        return status;
    pack.source = (char *)(uintptr_t)base_name(s->model->graph->file);
    memcpy(pack.source_sha256, s->model->sha256, sizeof(pack.source_sha256));
    pack.layer = calloc(packable(s->plan), sizeof(*pack.layer));
    if (!pack.layer)
        return spacc_fail(err, SPACC_ENOMEM, "%s: no memory", file);
    for (size_t i = 0; i < s->plan->nodes; i++) {
        struct spacc_plan_node *n = &s->plan->node[i];
        for (size_t d = 0; d < n->layers && n->candidate; d++)
            pack.layer[pack.layers++] =
                (struct spacc_pack_layer){n->layer[d].name, n->layer[d].fixed};
    }
    status = spacc_pack_save(&pack, file, err);
    free(pack.layer);
    return status;
}
