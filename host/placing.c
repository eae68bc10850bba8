
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/placing_parts.h"

static const char *const where_names[SPACC_WHERES] = {"cpu", "gpu", "card"};

const char *spacc_where_name(enum spacc_where w)
{
    return w < SPACC_WHERES ? where_names[w] : NULL;
}

enum spacc_where spacc_where_find(const char *name)
{
    for (int w = 0; w < SPACC_WHERES; w++)
        if (strcmp(where_names[w], name) == 0)
            return (enum spacc_where)w;
    return SPACC_WHERES;
}

enum spacc_status spacc_placing_no_memory(const struct spacc_placing_making *m)
{
    return spacc_fail(m->err, SPACC_ENOMEM, "%s: no memory to place nodes", m->ask->g->file);
}

/* ---- devices -------------------------------------------------------------------- */

static int add_device(struct spacc_placing_making *m, enum spacc_where where,
                      const struct spacc_link *link, const struct spacc_power *power)
{
    struct spacc_tasks *t = &m->p->tasks;
    struct spacc_place_device *d = &t->device[t->devices];

    *d = (struct spacc_place_device){.name = where_names[where],
                                     .launch_us = link->launch_us,
                                     .sync_us = link->sync_us,
                                     .to_us = link->to_us,
                                     .from_us = link->from_us,
                                     .to_bytes_per_us = link->to_bytes_per_us,
                                     .from_bytes_per_us = link->from_bytes_per_us,
                                     .idle_w = power->idle_w,
                                     .busy_w = power->busy_w};
    m->p->where[t->devices] = where;
    return (int)t->devices++;
}

static void add_devices(struct spacc_placing_making *m)
{
    const struct spacc_placing_ask *a = m->ask;
    const struct spacc_link host = {.launch_us = a->cpu->link.launch_us};

    m->device[SPACC_ON_CPU] = add_device(m, SPACC_ON_CPU, &host, &a->cpu->power);
    m->device[SPACC_ON_GPU] =
        a->gpu ? add_device(m, SPACC_ON_GPU, &a->gpu_profile->link, &a->gpu_profile->power)
               : -1;
    m->device[SPACC_ON_CARD] =
        a->card_us ? add_device(m, SPACC_ON_CARD, &a->card_link, &a->card_power) : -1;
}

/* ---- order of tasks ------------------------------------------------------------- */

int spacc_placing_owner(const struct spacc_plan *plan, int graph)
{
    const struct spacc_graph *inner = plan->graph[graph].graph;

    while (plan->graph[graph].parent > 0) {
        graph = plan->graph[graph].parent;
        inner = plan->graph[graph].graph;
    }
    const struct spacc_graph *g = plan->graph[0].graph;
    for (int n = 0; n < g->nodes; n++)
        for (size_t a = 0; a < g->node[n].attrs; a++)
            if (g->node[n].attr[a].graph == inner)
                return n;
    return -1;
}

/* A body that is never reached, or belongs to a node that never runs, is no task. */
static bool is_task(const struct spacc_placing_making *m, size_t group)
{
    const int graph = m->groups.graph[group];

    if (graph == 0)
        return true;
    const int owner = spacc_placing_owner(m->ask->plan, graph);
    return owner >= 0 && m->groups.group[owner] >= 0 &&
           m->bodies.calls[m->groups.first[group]] > 0.0;
}

/* Bodies come right before the node that they belong to. */
static int position(const struct spacc_placing_making *m, size_t group)
{
    const int graph = m->groups.graph[group];

    return graph == 0
               ? 2 * m->groups.first[group] + 1
               : 2 * m->groups.first[m->groups.group[spacc_placing_owner(m->ask->plan, graph)]];
}

/* Groups are in the order of the graph already, bodies behind: one pass of insertion. */
static enum spacc_status order_tasks(struct spacc_placing_making *m)
{
    const size_t groups = m->groups.groups;
    int *at = calloc(groups + 1, sizeof(*at));
    size_t count = 0;

    m->task = calloc(groups + 1, sizeof(*m->task));
    m->by_task = calloc(groups + 1, sizeof(*m->by_task));
    if (!at || !m->task || !m->by_task) {
        free(at);
        return spacc_placing_no_memory(m);
    }
    for (size_t g = 0; g < groups; g++) {
        m->task[g] = -1;
        if (!is_task(m, g))
            continue;
        size_t i = count++;
        const int here = position(m, g);
        for (; i > 0 && at[i - 1] > here; i--) {
            at[i] = at[i - 1];
            m->by_task[i] = m->by_task[i - 1];
        }
        at[i] = here;
        m->by_task[i] = (int)g;
    }
    for (size_t t = 0; t < count; t++)
        m->task[m->by_task[t]] = (int)t;
    m->p->tasks.tasks = count;
    free(at);
    return SPACC_OK;
}

int spacc_placing_task_of(const struct spacc_placing_making *m, size_t plan_node)
{
    const int group = m->groups.group[plan_node];

    return group < 0 ? -1 : m->task[group];
}

/* ---- tasks ---------------------------------------------------------------------- */

static size_t nodes_of(const struct spacc_placing_making *m, size_t group)
{
    size_t nodes = 0;

    for (size_t n = 0; n < m->ask->plan->nodes; n++)
        nodes += m->groups.group[n] == (int)group;
    return nodes;
}

/* "loop_3/body/LSTM_1" is of "loop_3/body". */
static char *name_of(const struct spacc_placing_making *m, size_t group)
{
    const char *name = m->ask->plan->node[m->groups.first[group]].name;
    const char *slash = m->groups.graph[group] ? strrchr(name, '/') : NULL;

    return slash ? strndup(name, (size_t)(slash - name)) : strdup(name);
}

static enum spacc_status new_tasks(struct spacc_placing_making *m)
{
    struct spacc_placing *p = m->p;
    const size_t tasks = p->tasks.tasks;

    p->tasks.task = calloc(tasks + 1, sizeof(*p->tasks.task));
    p->about = calloc(tasks + 1, sizeof(*p->about));
    p->task = calloc(m->ask->plan->nodes + 1, sizeof(*p->task));
    if (!p->tasks.task || !p->about || !p->task)
        return spacc_placing_no_memory(m);
    for (size_t t = 0; t < tasks; t++) {
        const size_t group = (size_t)m->by_task[t];
        p->about[t] = (struct spacc_placing_task){
            .name = name_of(m, group),
            .op = m->groups.graph[group] ? "(body)"
                                         : m->ask->plan->node[m->groups.first[group]].op,
            .nodes = nodes_of(m, group),
            .source = "",
            .power = SPACC_POWER_MEASURED};
        if (!p->about[t].name)
            return spacc_placing_no_memory(m);
        p->tasks.task[t] =
            (struct spacc_task){.name = p->about[t].name, .rate = 1.0, .pin = -1};
    }
    for (size_t n = 0; n < m->ask->plan->nodes; n++)
        p->task[n] = spacc_placing_task_of(m, n);
    return SPACC_OK;
}

/* ---- engines to look at ----------------------------------------------------------- */

static bool is_on_gpu(void *user, const struct spacc_graph *g, int node)
{
    const struct spacc_placing_making *m = user;
    const int group = m->groups.group[node];

    (void)g;
    return group >= 0 && m->gpu_can[group];
}

static enum spacc_status find_gpu_nodes(struct spacc_placing_making *m, bool *any)
{
    const struct spacc_graph *g = m->ask->g;
    char why[256];

    m->gpu_can = calloc(m->groups.groups + 1, sizeof(*m->gpu_can));
    if (!m->gpu_can)
        return spacc_placing_no_memory(m);
    for (size_t i = 0; i < m->groups.groups; i++)
        m->gpu_can[i] = m->groups.graph[i] == 0;
    for (int n = 0; n < g->nodes; n++)
        if (m->groups.group[n] >= 0 &&
            !spacc_gpu_can(m->ask->gpu, g, m->shape, n, why, sizeof(why)))
            m->gpu_can[m->groups.group[n]] = false;
    *any = false;
    for (size_t i = 0; i < m->groups.groups; i++)
        *any = *any || m->gpu_can[i];
    return SPACC_OK;
}

static enum spacc_status make_engines(struct spacc_placing_making *m)
{
    const struct spacc_placing_ask *a = m->ask;
    struct spacc_engine_options o = a->engine;
    enum spacc_status status;
    bool any = false;

    if ((status = spacc_graph_bind(&m->shape, a->g, a->input, m->err)) ||
        (status = spacc_engine_new(&m->cpu, a->g, a->input, &o, m->err)) ||
        (status = spacc_placing_group(&m->groups, a->plan, m->cpu)) ||
        (a->gpu && (status = find_gpu_nodes(m, &any))))
        return status == SPACC_ENOMEM ? spacc_placing_no_memory(m) : status;
    o.gpu = a->gpu;
    o.on_gpu = is_on_gpu;
    o.foreign = NULL;
    o.sees = NULL;
    o.waited = NULL;
    o.weights =
        NULL; /* contents do not matter for a price on the GPU, but for sparse kernels */
    o.user = m;
    if (any && (status = spacc_engine_new(&m->gpu, a->g, a->input, &o, m->err)))
        return status;
    return a->plan->graphs > 1
               ? spacc_bodies_run(&m->bodies, a->plan, m->cpu, a->g, a->input, m->err)
               : SPACC_OK;
}

/* ---- pins ----------------------------------------------------------------------- */

static enum spacc_status pin_node(struct spacc_placing_making *m, const int *pin, size_t n)
{
    const int where = pin[n], task = spacc_placing_task_of(m, n);
    const char *name = m->ask->plan->node[n].name;

    if (where < 0 || task < 0)
        return SPACC_OK;
    struct spacc_task *t = &m->p->tasks.task[task];
    const int d = m->device[where];
    if (d < 0)
        return spacc_fail(m->err, SPACC_EINVAL, "%s: %s is pinned to the %s, which is not used",
                          m->ask->g->file, name, where_names[where]);
    if (!(t->us[d] < HUGE_VAL))
        return spacc_fail(m->err, SPACC_EINVAL,
                          "%s: %s is pinned to the %s, which cannot run it (%s with %zu nodes)",
                          m->ask->g->file, name, where_names[where], m->p->about[task].op,
                          m->p->about[task].nodes);
    if (t->pin >= 0 && t->pin != d)
        return spacc_fail(m->err, SPACC_EINVAL,
                          "%s: %s is pinned to the %s, but runs as one with %s on the %s",
                          m->ask->g->file, name, where_names[where], t->name,
                          where_names[m->p->where[t->pin]]);
    t->pin = d;
    return SPACC_OK;
}

/* Pins of nodes first; a plan file's where these have left a task alone. */
static enum spacc_status pin_nodes(struct spacc_placing_making *m)
{
    const size_t nodes = m->ask->plan->nodes;
    enum spacc_status status = SPACC_OK;
    bool *pinned = calloc(m->p->tasks.tasks + 1, sizeof(*pinned));

    if (!pinned)
        return spacc_placing_no_memory(m);
    for (size_t n = 0; n < nodes && m->ask->pin && !status; n++)
        status = pin_node(m, m->ask->pin, n);
    for (size_t t = 0; t < m->p->tasks.tasks; t++)
        pinned[t] = m->p->tasks.task[t].pin >= 0;
    for (size_t n = 0; n < nodes && m->ask->plan_pin && !status; n++) {
        const int task = spacc_placing_task_of(m, n);
        if (task >= 0 && !pinned[task])
            status = pin_node(m, m->ask->plan_pin, n);
    }
    free(pinned);
    return status;
}

/* Whatever the device can run is pinned to it, behind the pins of nodes. */
static void pin_all(struct spacc_placing_making *m)
{
    const int d = m->ask->all_on < 0 ? -1 : m->device[m->ask->all_on];

    for (size_t t = 0; t < m->p->tasks.tasks && d >= 0; t++)
        if (m->p->tasks.task[t].pin < 0)
            m->p->tasks.task[t].pin = m->p->tasks.task[t].us[d] < HUGE_VAL ? d : 0;
}

/* ---- all of it -------------------------------------------------------------------- */

static enum spacc_status make(struct spacc_placing_making *m)
{
    enum spacc_status status;

    if ((status = make_engines(m)) || (status = order_tasks(m)) || (status = new_tasks(m)))
        return status;
    add_devices(m);
    for (int w = 0; w < SPACC_WHERES; w++)
        m->p->factor[w] = 1.0;
    if ((status = spacc_placing_price(m)) ||
        (m->ask->correct && (status = spacc_placing_correct(m))) ||
        (status = spacc_placing_tensors(m)))
        return status;
    if ((status = pin_nodes(m)))
        return status;
    pin_all(m);
    if ((status =
             spacc_place(&m->p->tasks, m->ask->objective, m->ask->gate, &m->p->chosen, m->err)))
        return spacc_fail_in(m->err, status, "%s", m->ask->g->file);
    return spacc_placing_order(m);
}

static void release(struct spacc_placing_making *m)
{
    spacc_engine_free(m->cpu);
    spacc_engine_free(m->gpu);
    spacc_binding_free(m->shape);
    spacc_placing_groups_release(&m->groups);
    spacc_bodies_release(&m->bodies);
    free(m->task);
    free(m->by_task);
    free(m->gpu_can);
}

enum spacc_status spacc_placing_new(struct spacc_placing **out,
                                    const struct spacc_placing_ask *ask,
                                    struct spacc_error *err)
{
    struct spacc_error own = {0};
    struct spacc_placing_making m = {.ask = ask, .err = &own};
    enum spacc_status status;

    *out = NULL;
    m.p = calloc(1, sizeof(*m.p));
    status = m.p ? make(&m) : spacc_placing_no_memory(&m);
    release(&m);
    if (status) {
        spacc_placing_free(m.p);
        if (err)
            *err = own;
        return status;
    }
    *out = m.p;
    return SPACC_OK;
}

void spacc_placing_free(struct spacc_placing *p)
{
    if (!p)
        return;
    for (size_t t = 0; p->about && t < p->tasks.tasks; t++)
        free(p->about[t].name);
    free(p->about);
    free(p->tasks.task);
    free(p->tasks.tensor);
    free(p->readers);
    free(p->task);
    free(p->order);
    spacc_placement_release(&p->chosen);
    free(p);
}

enum spacc_where spacc_placing_where(const struct spacc_placing *p, size_t plan_node)
{
    const int task = p->task[plan_node];

    return task < 0 ? SPACC_ON_CPU : p->where[p->chosen.device[task]];
}
