/* SeerNet in a session: the layers that the placing has left to the CPU. */
#include <stdlib.h>

#include "host/plan_conv.h"
#include "host/session_parts.h"

static enum spacc_status run(void *user, struct spacc_engine *e,
                             const struct spacc_tensor *const *input,
                             struct spacc_tensor **output, double *us, struct spacc_error *err)
{
    struct spacc_session *s = user;

    return spacc_session_time(s, e, true, input, output, us, err);
}

static void tell(struct spacc_session *s, const struct spacc_report_seernet *r)
{
    if (r->layers == 0)
        spacc_session_note(s, "seernet: no convolution on the CPU with constant weights and an "
                              "activation that makes zeros: nothing to skip there");
    else if (r->withdrawn)
        spacc_session_note(s,
                           "seernet is withdrawn: a run took %.1f us with its layers and %.1f "
                           "us without",
                           r->seernet_us, r->dense_us);
    else if (r->taken == 0)
        spacc_session_note(s, "seernet: none of %zu layers gets faster: all run dense",
                           r->layers);
}

static bool may_skip(const struct spacc_session *s, const struct spacc_plan_node *n)
{
    return s->on_card && n->conv && n->candidate && !n->elsewhere;
}

/* Which way took less, with both figures, where both were tried. */
static void tell_card(struct spacc_session *s)
{
    for (size_t i = 0; i < s->plan->nodes; i++) {
        struct spacc_plan_node *n = &s->plan->node[i];
        if (!may_skip(s, n))
            continue;
        const double *cycles = spacc_card_device_step_cycles(s->device, n->layer[0].number);
        const double steps = (double)n->conv->rows.steps;
        if (cycles[false] > 0.0 && cycles[true] > 0.0)
            spacc_plan_reason(n, "%s: %.0f cycles by rows that are wanted, %.0f by whole steps",
                              cycles[true] < cycles[false] ? "zeros are computed"
                                                           : "zeros are skipped",
                              cycles[false] * steps, cycles[true] * steps);
    }
}

static enum spacc_status try_run(struct spacc_session *s,
                                 const struct spacc_tensor *const *input,
                                 struct spacc_tensor **output, struct spacc_error *err)
{
    double us;
    enum spacc_status status =
        spacc_session_time(s, s->executor.engine, true, input, output, &us, err);

    if (status == SPACC_EDEVICE && s->gpu && !s->gpu_failed &&
        !(status = spacc_session_drop_gpu(s, input, err)))
        status = spacc_session_time(s, s->executor.engine, true, input, output, &us, err);
    spacc_tensors_free(output, (size_t)s->model->graph->outputs);
    return status;
}

/* Whether a layer has not run so yet, on a card that can skip. */
static bool is_untried(const struct spacc_session *s, bool whole)
{
    for (size_t i = 0; i < s->plan->nodes; i++) {
        const struct spacc_plan_node *n = &s->plan->node[i];
        if (!may_skip(s, n) || !spacc_card_device_info(s->device)->queue)
            continue;
        const double *cycles = spacc_card_device_step_cycles(s->device, n->layer[0].number);
        if (cycles[whole] == 0.0 && (!whole || cycles[false] > 0.0))
            return true;
    }
    return false;
}

/* A card tries both ways to run a layer that it may skip rows of in its first two runs, which
 * do not count (host/fpga/card_device.c); a trial of layers on the CPU may have been these. */
static enum spacc_status let_card_try(struct spacc_session *s,
                                      const struct spacc_tensor *const *input,
                                      struct spacc_error *err)
{
    struct spacc_tensor **output =
        calloc((size_t)s->model->graph->outputs + 1, sizeof(*output));
    enum spacc_status status = SPACC_OK;

    if (!output)
        status = spacc_fail(err, SPACC_ENOMEM, "%s: no memory to try the card",
                            s->model->graph->file);
    for (int whole = 0; whole < 2 && !status; whole++)
        if (is_untried(s, whole))
            status = try_run(s, input, output, err);
    free(output);
    tell_card(s);
    return status;
}

enum spacc_status spacc_session_seernet(struct spacc_session *s, size_t frames,
                                        const struct spacc_tensor *const *input,
                                        struct spacc_error *err)
{
    struct spacc_executor *x = &s->executor;
    const struct spacc_seernet_ask ask = {.g = s->model->graph,
                                          .engine = spacc_session_engine(s),
                                          .bits = s->options.seernet,
                                          .always = s->options.seernet_always,
                                          .frames = frames,
                                          .input = input,
                                          .run = run,
                                          .user = s};
    enum spacc_status status = spacc_seernet_choose(&s->seernet, &ask, &x->engine, err);

    if (!status)
        status = let_card_try(s, input, err);
    if (status)
        return status;
    if (spacc_seernet_choice_report(s->seernet)->taken > 0) {
        x->seernet = s->options.seernet;
        x->seernet_how = spacc_seernet_choice_how(s->seernet);
    }
    tell(s, spacc_seernet_choice_report(s->seernet));
    spacc_session_forget_runs(s);
    return SPACC_OK;
}

/* ---- while it runs ---------------------------------------------------------------- */

static enum spacc_status withdraw(struct spacc_session *s, double us,
                                  const struct spacc_tensor *const *input,
                                  struct spacc_error *err)
{
    struct spacc_executor *x = &s->executor;
    struct spacc_engine *dense;
    enum spacc_status status;

    x->seernet = 0;
    x->seernet_how = NULL;
    const struct spacc_engine_options options = spacc_session_engine(s);
    if ((status = spacc_engine_new(&dense, s->model->graph, input, &options, err)))
        return status;
    spacc_engine_free(x->engine);
    x->engine = dense;
    spacc_seernet_choice_withdraw(s->seernet, us);
    tell(s, spacc_seernet_choice_report(s->seernet));
    return SPACC_OK;
}

enum spacc_status spacc_session_watch_seernet(struct spacc_session *s,
                                              const struct spacc_tensor *const *input,
                                              struct spacc_error *err)
{
    if (!s->executor.seernet || s->options.seernet_always || s->runs % SPACC_WATCH_RUNS != 0)
        return SPACC_OK;
    const double us = spacc_seernet_choice_us(s->seernet, s->executor.engine);
    const double dense_us = spacc_seernet_choice_report(s->seernet)->dense_us;
    return us > spacc_seernet_slow * dense_us ? withdraw(s, us, input, err) : SPACC_OK;
}
