#include "host/prune/requests.h"

#include <stdlib.h>
#include <string.h>

#include "models/run.h"

static const struct spacc_value *declared(const struct spacc_graph *g, size_t i)
{
    return &g->value[g->input[i]];
}

static bool is_stream(const struct spacc_graph *g, size_t i, const struct spacc_tensor *t)
{
    return declared(g, i)->rank >= 0 && t->rank == declared(g, i)->rank + 1;
}

static bool is_state(const struct spacc_state *state, size_t states, size_t i)
{
    for (size_t s = 0; s < states; s++)
        if (state[s].input == i)
            return true;
    return false;
}

/* Frames of the streams; 1 where there is none. */
static enum spacc_status count_frames(size_t *frames, const struct spacc_graph *g,
                                      const struct spacc_tensor *const *input,
                                      struct spacc_error *err)
{
    size_t first = 0;
    bool any = false;

    *frames = 1;
    for (size_t i = 0; i < (size_t)g->inputs; i++) {
        if (!is_stream(g, i, input[i]))
            continue;
        if (any && *frames != (size_t)input[i]->dims[0])
            return spacc_fail(err, SPACC_ESHAPE,
                              "%s: input %s has %zu frames, input %s has %zu", g->file,
                              declared(g, first)->name, *frames, declared(g, i)->name,
                              (size_t)input[i]->dims[0]);
        if (!any)
            first = i;
        any = true;
        *frames = (size_t)input[i]->dims[0];
    }
    if (*frames == 0)
        return spacc_fail(err, SPACC_ESHAPE, "%s: input %s has no frames", g->file,
                          declared(g, first)->name);
    return SPACC_OK;
}

static void make_view(struct spacc_tensor *to, const struct spacc_tensor *all, size_t frame)
{
    *to = (struct spacc_tensor){.dtype = all->dtype, .rank = all->rank - 1, .count = 1};
    for (int d = 0; d < to->rank; d++) {
        to->dims[d] = all->dims[d + 1];
        to->count *= (size_t)to->dims[d];
    }
    to->data = (char *)all->data + frame * to->count * spacc_dtype_bytes(all->dtype);
}

static void fill(struct spacc_requests *to, const struct spacc_graph *g,
                 const struct spacc_tensor *const *input)
{
    const size_t inputs = (size_t)g->inputs;

    for (size_t r = 0; r < to->count; r++)
        for (size_t i = 0; i < inputs; i++) {
            const size_t at = r * inputs + i;
            to->input[at] = input[i];
            if (!is_stream(g, i, input[i]))
                continue;
            make_view(&to->view[at], input[i], r);
            to->input[at] = &to->view[at];
        }
}

/* Frame r of the model, and what it leaves for the next one. */
static enum spacc_status run_frame(struct spacc_requests *to, const struct spacc_graph *g,
                                   size_t r, const struct spacc_state *state, size_t states,
                                   struct spacc_tensor **output, struct spacc_error *err)
{
    const size_t inputs = (size_t)g->inputs;
    enum spacc_status s = spacc_graph_run(g, to->input + r * inputs, output, NULL, err);

    if (s)
        return spacc_fail_in(err, s, "frame %zu", r);
    for (size_t i = 0; i < states; i++) {
        struct spacc_tensor **made = &to->made[to->states];
        if ((s = spacc_tensor_copy(made, output[state[i].output])))
            spacc_fail(err, s, "%s: out of memory", g->file);
        else
            to->input[(r + 1) * inputs + state[i].input] = to->made[to->states++];
        if (s)
            break;
    }
    for (int o = 0; o < g->outputs; o++)
        spacc_tensor_free(output[o]);
    return s;
}

static enum spacc_status feed_states(struct spacc_requests *to, const struct spacc_graph *g,
                                     const struct spacc_state *state, size_t states,
                                     struct spacc_error *err)
{
    struct spacc_tensor **output =
        calloc((size_t)g->outputs + 1, sizeof(struct spacc_tensor *));
    enum spacc_status s =
        output ? SPACC_OK : spacc_fail(err, SPACC_ENOMEM, "%s: out of memory", g->file);

    for (size_t r = 0; r + 1 < to->count && !s; r++)
        s = run_frame(to, g, r, state, states, output, err);
    free(output);
    return s;
}

enum spacc_status spacc_requests_make(struct spacc_requests *to, const struct spacc_graph *g,
                                      const struct spacc_tensor *const *input,
                                      const struct spacc_state *state, size_t states,
                                      size_t limit, struct spacc_error *err)
{
    enum spacc_status s;

    *to = (struct spacc_requests){0};
    for (size_t i = 0; i < (size_t)g->inputs; i++)
        if (is_state(state, states, i) && is_stream(g, i, input[i]))
            return spacc_fail(err, SPACC_ESHAPE, "%s: input %s is a state and has frames",
                              g->file, declared(g, i)->name);
    if ((s = count_frames(&to->count, g, input, err)))
        return s;
    if (limit && to->count > limit)
        to->count = limit;
    const size_t all = to->count * (size_t)g->inputs + 1;
    to->input = calloc(all, sizeof(const struct spacc_tensor *));
    to->view = calloc(all, sizeof(*to->view));
    to->made = calloc(to->count * states + 1, sizeof(struct spacc_tensor *));
    if (!to->input || !to->view || !to->made)
        return spacc_fail(err, SPACC_ENOMEM, "%s: out of memory for %zu requests", g->file,
                          to->count);
    fill(to, g, input);
    return states ? feed_states(to, g, state, states, err) : SPACC_OK;
}

void spacc_requests_release(struct spacc_requests *r)
{
    for (size_t i = 0; i < r->states; i++)
        spacc_tensor_free(r->made[i]);
    free(r->made);
    free(r->view);
    free(r->input);
    *r = (struct spacc_requests){0};
}
