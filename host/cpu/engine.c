/* Running an engine. */
#include "host/clock.h"
#include "host/cpu/aside.h"
#include "host/cpu/kernels.h"
#include "host/gpu/slots.h"
#include "host/timeline.h"

#include <stdlib.h>
#include <string.h>

static enum spacc_status check_inputs(const struct spacc_engine *e,
                                      const struct spacc_tensor *const *input,
                                      struct spacc_error *err)
{
    char has[128], wants[128];

    for (int i = 0; i < e->g->inputs; i++) {
        const struct spacc_tensor *made_for = &e->slot[e->g->input[i]].t;
        if (!input[i])
            return spacc_fail(err, SPACC_ESHAPE, "%s: input %s is missing", e->g->file,
                              e->g->value[e->g->input[i]].name);
        if (!spacc_tensor_same_shape(input[i], made_for))
            return spacc_fail(err, SPACC_ESHAPE, "%s: input %s: has %s, the engine is for %s",
                              e->g->file, e->g->value[e->g->input[i]].name,
                              spacc_tensor_describe(input[i], has, sizeof(has)),
                              spacc_tensor_describe(made_for, wants, sizeof(wants)));
    }
    return SPACC_OK;
}

/* Tensors of the caller, and the views of them. */
static void set_outside(struct spacc_engine *e, const struct spacc_tensor *const *input,
                        struct spacc_tensor *const *output)
{
    for (int i = 0; i < e->g->inputs; i++)
        e->slot[e->g->input[i]].t.data = input[i]->data;
    for (int o = 0; o < e->g->outputs; o++)
        if (e->direct[o])
            e->slot[e->slot[e->output[o]].root].t.data = output[o]->data;
    for (int s = 0; s < e->slots; s++)
        if ((e->slot[s].home == SPACC_HOME_INPUT || e->slot[s].home == SPACC_HOME_OUTPUT) &&
            e->slot[s].root != s)
            spacc_cpu_follow_root(e, s);
}

static void drop_heap(struct spacc_engine *e)
{
    for (int s = 0; s < e->slots && e->heap_values; s++) {
        if (!e->slot[s].heap)
            continue;
        spacc_tensor_free(e->slot[s].heap);
        e->slot[s].heap = NULL;
        e->slot[s].t.data = NULL;
    }
}

/* Show the values that a step has made. */
static void show(struct spacc_engine *e, const struct spacc_cpu_step *s)
{
    const struct spacc_engine_options *o = &e->options;

    for (int i = 0; i < s->outs && o->sees && e->hooks && e->hooks->value; i++)
        if (s->kernel != &spacc_cpu_foreign && s->out[i] >= 0 && s->out[i] < e->g->values &&
            !e->slot[s->out[i]].layout && o->sees(o->user, e->g, s->out[i]))
            e->hooks->value(e->hooks->user, e->g, s->out[i], &e->slot[s->out[i]].t);
}

static void add_slice(const struct spacc_engine *e, int track, double start_us, double end_us)
{
    const struct spacc_node *node = &e->g->node[e->now->node];

    spacc_timeline_add(
        e->options.timeline,
        &(struct spacc_slice){track, node->name,
                              e->now->kernel->take ? node->op->name : e->now->kernel->name,
                              start_us, end_us, 0.0});
}

void spacc_engine_part(struct spacc_engine *e, int track, double start_us, double end_us)
{
    if (e->now)
        add_slice(e, track, start_us, end_us);
}

static enum spacc_status run_steps(struct spacc_engine *e, struct spacc_error *err)
{
    double before = spacc_now_us();

    for (int i = 0; i < e->steps; i++) {
        struct spacc_cpu_step *s = &e->step[i];
        if (i > 0 && e->step[i - 1].kernel->on_gpu && !s->kernel->on_gpu)
            spacc_gpu_flush(e);
        e->now = s;
        const enum spacc_status status = s->kernel->run(e, s, err);
        if (status) {
            if (e->aside)
                spacc_aside_finish(e->aside);
            return status;
        }
        const double after = spacc_now_us();
        s->us += s->kernel->on_gpu ? 0.0 : after - before;
        if (e->options.timeline)
            add_slice(e, e->host_track, before, after);
        before = after;
        show(e, s);
    }
    return SPACC_OK;
}

/* Results that are not made in the caller's tensor: inputs, constants, views; into new tensors
 * where there is none (their shapes hang on contents). */
static enum spacc_status give_output(const struct spacc_engine *e, int o,
                                     struct spacc_tensor *to, struct spacc_tensor **made,
                                     struct spacc_error *err)
{
    const struct spacc_tensor *t = &e->slot[e->output[o]].t;
    const char *name = e->g->value[e->g->output[o]].name;

    if (e->direct[o])
        return SPACC_OK;
    if (!to && made)
        return spacc_tensor_copy(&made[o], t)
                   ? spacc_fail(err, SPACC_ENOMEM, "%s: no memory for output %s", e->g->file,
                                name)
                   : SPACC_OK;
    if (!to || !spacc_tensor_same_shape(t, to))
        return spacc_fail(err, SPACC_ESHAPE,
                          "%s: output %s has another shape than the tensor "
                          "for it",
                          e->g->file, name);
    if (t->count)
        memcpy(to->data, t->data, t->count * spacc_dtype_bytes(t->dtype));
    return SPACC_OK;
}

/* Inputs are checked. `made`: output[] again where tensors may be made, or NULL. */
static enum spacc_status run(struct spacc_engine *e, const struct spacc_tensor *const *input,
                             struct spacc_tensor *const *output, struct spacc_tensor **made,
                             const struct spacc_run_hooks *hooks, struct spacc_error *err)
{
    e->hooks = hooks;
    set_outside(e, input, output);
    enum spacc_status status = run_steps(e, err);
    status = spacc_gpu_finish(e, status, err);
    for (int o = 0; o < e->g->outputs && !status; o++)
        status = give_output(e, o, output[o], made, err);
    drop_heap(e);
    return status;
}

enum spacc_status spacc_engine_run_into(struct spacc_engine *e,
                                        const struct spacc_tensor *const *input,
                                        struct spacc_tensor *const *output,
                                        const struct spacc_run_hooks *hooks,
                                        struct spacc_error *err)
{
    const enum spacc_status status = check_inputs(e, input, err);

    return status ? status : run(e, input, output, NULL, hooks, err);
}

static enum spacc_status new_outputs(const struct spacc_engine *e, struct spacc_tensor **output,
                                     struct spacc_error *err)
{
    for (int o = 0; o < e->g->outputs; o++) {
        const struct spacc_cpu_slot *s = &e->slot[e->output[o]];
        if (s->home != SPACC_HOME_HEAP &&
            spacc_tensor_new(&output[o], s->t.dtype, s->t.rank, s->t.dims))
            return spacc_fail(err, SPACC_ENOMEM, "%s: no memory for output %s", e->g->file,
                              e->g->value[e->g->output[o]].name);
    }
    return SPACC_OK;
}

enum spacc_status spacc_engine_run(struct spacc_engine *e,
                                   const struct spacc_tensor *const *input,
                                   struct spacc_tensor **output,
                                   const struct spacc_run_hooks *hooks, struct spacc_error *err)
{
    enum spacc_status status;

    for (int o = 0; o < e->g->outputs; o++)
        output[o] = NULL;
    if (!(status = check_inputs(e, input, err)) && !(status = new_outputs(e, output, err)))
        status = run(e, input, output, output, hooks, err);
    for (int o = 0; o < e->g->outputs && status; o++) {
        spacc_tensor_free(output[o]);
        output[o] = NULL;
    }
    return status;
}

/* ---- what became of it ----------------------------------------------------------- */

struct spacc_engine_node spacc_engine_describe(const struct spacc_engine *e, int node)
{
    return e->about[node];
}

double spacc_engine_us(const struct spacc_engine *e, int node)
{
    double us = 0.0;

    for (int s = 0; s < e->steps; s++)
        us += e->step[s].node == node ? e->step[s].us : 0.0;
    return us;
}

/* The layer of the step that reads slot s; -1: no step, or no layer. */
static int reading_layer(const struct spacc_engine *e, const int *layer, int slot)
{
    for (int s = 0; s < e->steps; s++)
        for (int i = 0; i < e->step[s].ins; i++)
            if (e->step[s].in[i] == slot && layer[e->step[s].node] >= 0)
                return layer[e->step[s].node];
    return -1;
}

void spacc_engine_step_owners(const struct spacc_engine *e, const int *layer, int *owner)
{
    for (int s = 0; s < e->steps; s++) {
        const struct spacc_cpu_step *step = &e->step[s];
        const int out = step->outs ? step->out[0] : -1;
        const int copied = out < 0 ? -1 : e->slot[out].copy_of;
        owner[s] = copied < 0 ? layer[step->node] : reading_layer(e, layer, out);
        if (copied >= 0 && owner[s] < 0 && e->g->value[copied].producer >= 0)
            owner[s] = layer[e->g->value[copied].producer];
    }
}

void spacc_engine_forget(struct spacc_engine *e)
{
    for (int s = 0; s < e->steps; s++) {
        e->step[s].us = 0.0;
        spacc_cpu_seernet_forget(&e->step[s]);
    }
}

struct spacc_engine_totals spacc_engine_totals(const struct spacc_engine *e)
{
    return (struct spacc_engine_totals){.steps = (size_t)e->steps,
                                        .arena_bytes = e->arena_bytes,
                                        .values_bytes = e->values_bytes,
                                        .weight_bytes = e->weight_bytes,
                                        .heap_values = e->heap_values};
}
