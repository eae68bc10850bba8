#include "host/placing_bodies.h"

#include <stdlib.h>
#include <string.h>

#include "host/clock.h"

enum { RUNS = 5 };

static struct spacc_plan_graph *graph_of(const struct spacc_bodies *p,
                                         const struct spacc_graph *g)
{
    return spacc_plan_graph((struct spacc_plan *)(uintptr_t)p->plan, g);
}

static enum spacc_status on_node(void *user, const struct spacc_graph *g, int node,
                                 const struct spacc_tensor *const *in,
                                 struct spacc_tensor **out, bool *done, struct spacc_error *err)
{
    struct spacc_bodies *p = user;
    const struct spacc_plan_graph *pg = graph_of(p, g);

    (void)in;
    (void)out;
    (void)err;
    *done = false;
    p->calls[pg->first + (size_t)node]++;
    p->stamp_us = spacc_now_us();
    return SPACC_OK;
}

static void on_value(void *user, const struct spacc_graph *g, int value,
                     const struct spacc_tensor *contents)
{
    struct spacc_bodies *p = user;
    const struct spacc_plan_graph *pg = graph_of(p, g);
    const double bytes = (double)contents->count * (double)spacc_dtype_bytes(contents->dtype);
    const double now = spacc_now_us();

    if (!g->parent || g->value[value].producer < 0)
        return;
    p->us_now[pg->first + (size_t)g->value[value].producer] += now - p->stamp_us;
    p->stamp_us = now;
    double *most = &p->bytes[pg - p->plan->graph][value];
    *most = bytes > *most ? bytes : *most;
}

static bool alloc(struct spacc_bodies *p)
{
    p->us = calloc(p->plan->nodes + 1, sizeof(*p->us));
    p->us_now = calloc(p->plan->nodes + 1, sizeof(*p->us_now));
    p->calls = calloc(p->plan->nodes + 1, sizeof(*p->calls));
    p->bytes = calloc(p->plan->graphs + 1, sizeof(*p->bytes));
    if (!p->us || !p->us_now || !p->calls || !p->bytes)
        return false;
    for (size_t i = 1; i < p->plan->graphs; i++)
        if (!(p->bytes[i] =
                  calloc((size_t)p->plan->graph[i].graph->values + 1, sizeof(**p->bytes))))
            return false;
    return true;
}

static enum spacc_status run_once(struct spacc_bodies *p, struct spacc_engine *e,
                                  const struct spacc_graph *g,
                                  const struct spacc_tensor *const *input,
                                  struct spacc_tensor **output, struct spacc_error *err)
{
    const struct spacc_run_hooks hooks = {.node = on_node, .value = on_value, .user = p};
    const enum spacc_status status = spacc_engine_run(e, input, output, &hooks, err);

    for (int o = 0; o < g->outputs; o++)
        spacc_tensor_free(output[o]);
    return status;
}

enum spacc_status spacc_bodies_run(struct spacc_bodies *p, const struct spacc_plan *plan,
                                   struct spacc_engine *e, const struct spacc_graph *g,
                                   const struct spacc_tensor *const *input,
                                   struct spacc_error *err)
{
    struct spacc_tensor **output = calloc((size_t)g->outputs + 1, sizeof(*output));
    enum spacc_status status = SPACC_OK;

    *p = (struct spacc_bodies){.plan = plan};
    if (!alloc(p) || !output)
        status = spacc_fail(err, SPACC_ENOMEM, "%s: no memory to place nodes", g->file);
    for (int r = 0; r < RUNS && !status; r++) {
        memset(p->calls, 0, plan->nodes * sizeof(*p->calls));
        memset(p->us_now, 0, plan->nodes * sizeof(*p->us_now));
        spacc_engine_forget(e);
        status = run_once(p, e, g, input, output, err);
        for (int n = 0; n < g->nodes; n++)
            p->us_now[n] = spacc_engine_us(e, n);
        for (size_t i = 0; i < plan->nodes; i++)
            p->us[i] = r == 0 || p->us_now[i] < p->us[i] ? p->us_now[i] : p->us[i];
    }
    free(output);
    return status;
}

void spacc_bodies_release(struct spacc_bodies *p)
{
    for (size_t i = 0; p->bytes && i < p->plan->graphs; i++)
        free(p->bytes[i]);
    free(p->bytes);
    free(p->us);
    free(p->us_now);
    free(p->calls);
    *p = (struct spacc_bodies){0};
}
