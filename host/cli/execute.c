/* execute.c - model, inputs, session, outputs. */
#include "host/cli/execute.h"

#include <stdlib.h>

#include "host/batch.h"
#include "host/session.h"

enum { STEPS = 4 };

void cli_execution_init(struct cli_execution *e, const struct cli_setup *set)
{
    *e = (struct cli_execution){.set = set, .options = set->session, .in = set->in};
}

enum spacc_status cli_execution_load(struct cli_execution *e, const char *file,
                                     struct spacc_error *err)
{
    cli_progress(0, STEPS, "reading the model");
    const enum spacc_status status = spacc_model_load(&e->model, file, err);
    if (status != SPACC_OK)
        return status;
    e->graph = spacc_model_graph(e->model);
    e->output = calloc((size_t)e->graph->outputs + 1, sizeof(*e->output));
    return e->output ? SPACC_OK : spacc_fail(err, SPACC_ENOMEM, "out of memory");
}

static enum spacc_status run_once(struct cli_execution *e,
                                  const struct spacc_tensor *const *input,
                                  struct spacc_error *err)
{
    cli_progress(2, STEPS, "preparing: reference, quantising, loading the card");
    const enum spacc_status status = spacc_session_prepare(e->session, 1, input, err);

    cli_progress(3, STEPS, "running");
    return status ? status : spacc_session_run(e->session, input, e->output, err);
}

static enum spacc_status run_stream(struct cli_execution *e,
                                    const struct spacc_tensor *const *input,
                                    struct spacc_error *err)
{
    cli_states_tell(&e->states, e->model, e->set->quiet);
    cli_progress(2, STEPS, "preparing and running the stream");
    return spacc_session_stream(e->session, input, e->states.pair, e->states.count, e->output,
                                err);
}

static enum spacc_status run_batch(struct cli_execution *e,
                                   const struct spacc_tensor *const *input,
                                   struct spacc_error *err)
{
    cli_progress(2, STEPS, "preparing and running the frames");
    return spacc_batch_frames(e->batch, input, e->output, err);
}

/* Frames that do not feed each other, wanted as fast as all devices together can, and nothing
 * that one session has to watch. */
static bool is_batch(const struct cli_execution *e)
{
    const struct spacc_options *o = &e->options;

    return e->in.stream && e->states.count == 0 && o->goal == SPACC_GOAL_THROUGHPUT &&
           (o->gpu || o->fpga) && !o->plan_file && o->pins == 0 && !o->verify && !o->trace;
}

static enum spacc_status prepare(struct cli_execution *e, struct spacc_error *err)
{
    const struct cli_setup *set = e->set;
    enum spacc_status status =
        cli_states_find(&e->states, e->model, e->graph, set->states, set->state, err);

    if (status != SPACC_OK)
        return status;
    if (e->in.independent && set->states == 0)
        e->states.count = 0; /* is_state stays: they are zeros in every frame */
    cli_progress(1, STEPS, "reading inputs");
    if ((status = cli_inputs_load(&e->in, e->graph, e->states.is_state, err)) != SPACC_OK)
        return status;
    return is_batch(e) ? spacc_batch_new(&e->batch, e->model, &e->options, err)
                       : spacc_session_new(&e->session, e->model, &e->options, err);
}

enum spacc_status cli_execution_run(struct cli_execution *e, const char *file,
                                    struct spacc_error *err)
{
    enum spacc_status status = prepare(e, err);
    if (status != SPACC_OK)
        return status;
    const struct spacc_tensor *const *input = (const struct spacc_tensor *const *)e->in.tensor;

    status = e->batch       ? run_batch(e, input, err)
             : e->in.stream ? run_stream(e, input, err)
                            : run_once(e, input, err);
    return status ? cli_name_file(err, file) : SPACC_OK;
}

void cli_execution_release(struct cli_execution *e)
{
    for (int i = 0; e->output && i < e->graph->outputs; i++)
        spacc_tensor_free(e->output[i]);
    free(e->output);
    cli_states_release(&e->states);
    spacc_session_free(e->session);
    spacc_batch_free(e->batch);
    spacc_model_free(e->model);
    cli_inputs_release(&e->in);
}
