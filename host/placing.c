#include "host/placing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/placing_probe.h"

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

/* What a placing is made with. */
struct making {
    const struct spacc_placing_ask *ask;
    struct spacc_placing *p;
    struct spacc_engine *cpu, *gpu;
    struct spacc_binding *shape;
    struct spacc_placing_groups groups;
    struct spacc_probe probe;
    int *task;       /* [groups]: its task */
    int *by_task;    /* [tasks]: its group */
    bool *gpu_can;   /* [groups] */
    int device[SPACC_WHERES]; /* of tasks, or -1 */
    struct spacc_error *err;
};

static enum spacc_status no_memory(const struct making *m)
{
    return spacc_fail(m->err, SPACC_ENOMEM, "%s: no memory to place nodes", m->ask->g->file);
}

/* ---- devices -------------------------------------------------------------------- */

static int add_device(struct making *m, enum spacc_where where, const struct spacc_link *link,
                      const struct spacc_power *power)
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

static void add_devices(struct making *m)
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

/* The node of the outermost graph in whose branches a plan graph lies. */
static int owner_of(const struct spacc_plan *plan, int graph)
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
static bool is_task(const struct making *m, size_t group)
{
    const int graph = m->groups.graph[group];

    if (graph == 0)
        return true;
    const int owner = owner_of(m->ask->plan, graph);
    return owner >= 0 && m->groups.group[owner] >= 0 &&
           m->probe.calls[m->groups.first[group]] > 0.0;
}

/* Bodies come right before the node that they belong to. */
static int position(const struct making *m, size_t group)
{
    const int graph = m->groups.graph[group];

    return graph == 0 ? 2 * m->groups.first[group] + 1
                      : 2 * m->groups.first[m->groups.group[owner_of(m->ask->plan, graph)]];
}

/* Groups are in the order of the graph already, bodies behind: one pass of insertion. */
static enum spacc_status order_tasks(struct making *m)
{
    const size_t groups = m->groups.groups;
    int *at = calloc(groups + 1, sizeof(*at));
    size_t count = 0;

    m->task = calloc(groups + 1, sizeof(*m->task));
    m->by_task = calloc(groups + 1, sizeof(*m->by_task));
    if (!at || !m->task || !m->by_task) {
        free(at);
        return no_memory(m);
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

static int task_of(const struct making *m, size_t plan_node)
{
    const int group = m->groups.group[plan_node];

    return group < 0 ? -1 : m->task[group];
}

/* ---- prices --------------------------------------------------------------------- */

/* Variances of tasks by device, in us squared, until finish_prices(). */
static void add_price(struct spacc_task *t, int d, const struct spacc_cost *c)
{
    const double off = c->sigma * c->us;

    t->us[d] += c->us;
    t->joules[d] += c->joules;
    t->sigma[d] += off * off;
}

static enum spacc_status price_engine(struct making *m, const struct spacc_engine *e,
                                      const struct spacc_profile *profile, int d, bool on_gpu)
{
    for (size_t i = 0; i < spacc_engine_steps(e); i++) {
        const struct spacc_engine_step s = spacc_engine_step(e, i);
        const int task = task_of(m, (size_t)s.node);
        struct spacc_cost cost;
        enum spacc_status status;
        if (task < 0 || !s.has_work || s.on_gpu != on_gpu)
            continue;
        if ((status = spacc_cost_of(profile, SPACC_COST_STACK, &s.work, &cost, m->err)))
            return spacc_fail_in(m->err, status, "%s: %s", m->ask->g->file,
                                 m->ask->g->node[s.node].name);
        add_price(&m->p->tasks.task[task], d, &cost);
        if (d == 0 && strcmp(m->p->about[task].source, "measured") != 0)
            m->p->about[task].source = cost.source;
    }
    return SPACC_OK;
}

/* What was seen of the nodes of a body, a call of it. */
static void price_body(struct making *m, int task, size_t group)
{
    const struct spacc_plan_graph *pg = &m->ask->plan->graph[m->groups.graph[group]];
    struct spacc_task *t = &m->p->tasks.task[task];
    double us = 0.0;

    for (size_t n = pg->first; n < pg->first + (size_t)pg->graph->nodes; n++)
        us += m->probe.us[n];
    t->rate = m->probe.calls[pg->first];
    us /= t->rate;
    add_price(t, 0, &(struct spacc_cost){us, 0.05, us * m->ask->cpu->power.busy_w * 1e-6, ""});
    m->p->about[task].source = "measured";
}

/* Layers on the card; what else is in a body stays with the host, and each layer waits for its
 * x. */
static void price_card_node(struct making *m, size_t n, int d, bool in_body)
{
    const struct spacc_placing_ask *a = m->ask;
    const int task = task_of(m, n);
    const double us = a->card_us[n];

    if (task < 0 || !(us < HUGE_VAL))
        return;
    struct spacc_task *t = &m->p->tasks.task[task];
    const double calls = in_body ? m->probe.calls[n] / t->rate : 1.0;
    t->us[d] += us * calls;
    t->joules[d] += us * calls * a->card_power.busy_w * 1e-6;
    if (in_body) {
        t->us[d] += calls * (a->card_link.launch_us + a->card_link.to_us + a->card_link.from_us) -
                    m->probe.us[n] / t->rate;
    }
}

static bool on_card(const struct making *m, size_t n)
{
    return m->ask->card_us && m->ask->card_us[n] < HUGE_VAL;
}

/* A task of the outermost graph can go to the card when all that computes in it can. */
static bool card_can(const struct making *m, size_t group)
{
    const struct spacc_plan *plan = m->ask->plan;
    bool any = false;

    for (size_t n = 0; n < plan->nodes; n++) {
        if (m->groups.group[n] != (int)group)
            continue;
        any = any || on_card(m, n);
        if (m->groups.graph[group] == 0 && !on_card(m, n) &&
            strcmp(spacc_engine_describe(m->cpu, (int)n).kernel, "view") != 0 &&
            !plan->node[n].keeps_order)
            return false;
    }
    return any;
}

static void price_card(struct making *m)
{
    const int d = m->device[SPACC_ON_CARD];
    struct spacc_tasks *tasks = &m->p->tasks;

    for (size_t t = 0; t < tasks->tasks && d >= 0; t++) {
        const size_t group = (size_t)m->by_task[t];
        const bool body = m->groups.graph[group] != 0;
        if (!card_can(m, group)) {
            tasks->task[t].us[d] = HUGE_VAL;
            continue;
        }
        tasks->task[t].us[d] = body ? tasks->task[t].us[0] : 0.0;
        for (size_t n = 0; n < m->ask->plan->nodes; n++)
            if (m->groups.group[n] == (int)group)
                price_card_node(m, n, d, body);
        tasks->task[t].us[d] = fmax(tasks->task[t].us[d], 0.0);
    }
}

static void finish_prices(struct spacc_tasks *tasks)
{
    for (size_t i = 0; i < tasks->tasks; i++)
        for (size_t d = 0; d < tasks->devices; d++) {
            struct spacc_task *t = &tasks->task[i];
            t->sigma[d] = t->us[d] > 0.0 && t->us[d] < HUGE_VAL
                              ? sqrt(t->sigma[d]) / t->us[d]
                              : 0.0;
        }
}

/* The time of a node with branches is what is left without theirs. */
static void price_owners(struct making *m)
{
    for (size_t t = 0; t < m->p->tasks.tasks; t++) {
        const size_t group = (size_t)m->by_task[t];
        const struct spacc_plan_node *n = &m->ask->plan->node[m->groups.first[group]];
        bool branches = false;
        for (size_t a = 0; a < n->graph->node[n->node].attrs; a++)
            branches = branches || n->graph->node[n->node].attr[a].graph;
        if (m->groups.graph[group] != 0 || !branches)
            continue;
        m->p->tasks.task[t].us[0] = m->ask->cpu->link.launch_us;
        m->p->tasks.task[t].sigma[0] = 0.0;
        m->p->about[t].source = "measured";
    }
}

static enum spacc_status price(struct making *m)
{
    const int gpu = m->device[SPACC_ON_GPU];
    enum spacc_status status;

    if ((status = price_engine(m, m->cpu, m->ask->cpu, 0, false)) ||
        (m->gpu && (status = price_engine(m, m->gpu, m->ask->gpu_profile, gpu, true))))
        return status;
    price_owners(m);
    for (size_t t = 0; t < m->p->tasks.tasks; t++) {
        const size_t group = (size_t)m->by_task[t];
        if (m->groups.graph[group] != 0)
            price_body(m, (int)t, group);
        if (gpu >= 0 && (!m->gpu_can[group] || !m->gpu))
            m->p->tasks.task[t].us[gpu] = HUGE_VAL;
    }
    price_card(m);
    finish_prices(&m->p->tasks);
    return SPACC_OK;
}

/* ---- pins ----------------------------------------------------------------------- */

static enum spacc_status pin_node(struct making *m, size_t n)
{
    const int where = m->ask->pin ? m->ask->pin[n] : -1, task = task_of(m, n);
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

/* ---- tensors -------------------------------------------------------------------- */

/* The value of the outermost graph that a value of an inner one is, or -1. */
static int outermost(const struct spacc_plan *plan, int graph, int value)
{
    while (graph > 0 && value >= 0) {
        value = plan->graph[graph].graph->value[value].outer;
        graph = plan->graph[graph].parent;
    }
    return value;
}

static bool body_reads(const struct spacc_plan *plan, int graph, int value)
{
    const struct spacc_graph *g = plan->graph[graph].graph;

    for (int v = 0; v < g->values; v++)
        if (g->value[v].outer >= 0 && outermost(plan, graph, v) == value)
            return true;
    return false;
}

static bool task_reads(const struct making *m, size_t task, int value)
{
    const struct spacc_plan *plan = m->ask->plan;
    const size_t group = (size_t)m->by_task[task];
    const struct spacc_graph *g = m->ask->g;

    if (m->groups.graph[group] != 0)
        return body_reads(plan, m->groups.graph[group], value);
    for (int n = 0; n < g->nodes; n++) {
        if (m->groups.group[n] != (int)group)
            continue;
        for (int i = 0; i < g->node[n].inputs; i++)
            if (g->node[n].input[i] == value)
                return true;
    }
    return false;
}

static bool is_output(const struct spacc_graph *g, int value)
{
    for (int o = 0; o < g->outputs; o++)
        if (g->output[o] == value)
            return true;
    return false;
}

static void add_tensor(struct making *m, int producer, size_t bytes, int *reader,
                       size_t readers, bool output)
{
    if (readers || output)
        m->p->tasks.tensor[m->p->tasks.tensors++] =
            (struct spacc_task_tensor){producer, bytes, readers, reader, output};
}

/* Tasks that read a value, but not the one that makes it. */
static size_t find_readers(const struct making *m, int value, int producer, int *reader)
{
    size_t readers = 0;

    for (size_t t = 0; t < m->p->tasks.tasks; t++)
        if ((int)t != producer && (int)t > producer && task_reads(m, t, value))
            reader[readers++] = (int)t;
    return readers;
}

static size_t bytes_of(const struct making *m, int value)
{
    const struct spacc_tensor *t = &m->shape->shape[value];

    return t->dtype == SPACC_DTYPE_NONE ? 0 : t->count * spacc_dtype_bytes(t->dtype);
}

/* What a body makes goes to the node that it belongs to, on the host, at every call. */
static void add_body_tensor(struct making *m, size_t task, int *reader)
{
    const size_t group = (size_t)m->by_task[task];
    const int graph = m->groups.graph[group];
    const struct spacc_graph *g = m->ask->plan->graph[graph].graph;
    double bytes = 0.0;

    for (int o = 0; o < g->outputs; o++)
        bytes += m->probe.bytes[graph][g->output[o]];
    reader[0] = task_of(m, (size_t)owner_of(m->ask->plan, graph));
    add_tensor(m, (int)task, (size_t)bytes, reader, 1, true);
}

static enum spacc_status add_tensors(struct making *m)
{
    const struct spacc_graph *g = m->ask->g;
    const size_t tasks = m->p->tasks.tasks, values = (size_t)g->values + tasks;
    size_t used = 0;

    m->p->tasks.tensor = calloc(values + 1, sizeof(*m->p->tasks.tensor));
    m->p->readers = calloc(values * tasks + 1, sizeof(*m->p->readers));
    if (!m->p->tasks.tensor || !m->p->readers)
        return no_memory(m);
    for (int v = 0; v < g->values; v++) {
        const int maker = g->value[v].producer;
        const int producer = maker >= 0 ? task_of(m, (size_t)maker) : -1;
        int *reader = m->p->readers + used;
        if (m->shape->shape[v].data)
            continue; /* a constant: every device has its own */
        const size_t readers = find_readers(m, v, producer, reader);
        add_tensor(m, producer, bytes_of(m, v), reader, readers,
                   producer >= 0 && is_output(g, v));
        used += readers;
    }
    for (size_t t = 0; t < tasks; t++)
        if (m->groups.graph[m->by_task[t]] != 0)
            add_body_tensor(m, t, m->p->readers + used++);
    return SPACC_OK;
}

/* ---- tasks ---------------------------------------------------------------------- */

static size_t nodes_of(const struct making *m, size_t group)
{
    size_t nodes = 0;

    for (size_t n = 0; n < m->ask->plan->nodes; n++)
        nodes += m->groups.group[n] == (int)group;
    return nodes;
}

/* "loop_3/body/LSTM_1" is of "loop_3/body". */
static char *name_of(const struct making *m, size_t group)
{
    const char *name = m->ask->plan->node[m->groups.first[group]].name;
    const char *slash = m->groups.graph[group] ? strrchr(name, '/') : NULL;

    return slash ? strndup(name, (size_t)(slash - name)) : strdup(name);
}

static enum spacc_status new_tasks(struct making *m)
{
    struct spacc_placing *p = m->p;
    const size_t tasks = p->tasks.tasks;

    p->tasks.task = calloc(tasks + 1, sizeof(*p->tasks.task));
    p->about = calloc(tasks + 1, sizeof(*p->about));
    p->task = calloc(m->ask->plan->nodes + 1, sizeof(*p->task));
    if (!p->tasks.task || !p->about || !p->task)
        return no_memory(m);
    for (size_t t = 0; t < tasks; t++) {
        const size_t group = (size_t)m->by_task[t];
        p->about[t] = (struct spacc_placing_task){
            .name = name_of(m, group),
            .op = m->groups.graph[group] ? "(body)"
                                         : m->ask->plan->node[m->groups.first[group]].op,
            .nodes = nodes_of(m, group),
            .source = ""};
        if (!p->about[t].name)
            return no_memory(m);
        p->tasks.task[t] =
            (struct spacc_task){.name = p->about[t].name, .rate = 1.0, .pin = -1};
    }
    for (size_t n = 0; n < m->ask->plan->nodes; n++)
        p->task[n] = task_of(m, n);
    return SPACC_OK;
}

/* ---- engines to look at ----------------------------------------------------------- */

static bool is_on_gpu(void *user, const struct spacc_graph *g, int node)
{
    const struct making *m = user;
    const int group = m->groups.group[node];

    (void)g;
    return group >= 0 && m->gpu_can[group];
}

static enum spacc_status find_gpu_nodes(struct making *m, bool *any)
{
    const struct spacc_graph *g = m->ask->g;
    char why[256];

    m->gpu_can = calloc(m->groups.groups + 1, sizeof(*m->gpu_can));
    if (!m->gpu_can)
        return no_memory(m);
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

static enum spacc_status make_engines(struct making *m)
{
    const struct spacc_placing_ask *a = m->ask;
    struct spacc_engine_options o = a->engine;
    enum spacc_status status;
    bool any = false;

    if ((status = spacc_graph_bind(&m->shape, a->g, a->input, m->err)) ||
        (status = spacc_engine_new(&m->cpu, a->g, a->input, &o, m->err)) ||
        (status = spacc_placing_group(&m->groups, a->plan, m->cpu)) ||
        (a->gpu && (status = find_gpu_nodes(m, &any))))
        return status == SPACC_ENOMEM ? no_memory(m) : status;
    o.gpu = a->gpu;
    o.on_gpu = is_on_gpu;
    o.foreign = NULL;
    o.weights = NULL; /* contents do not matter for a price on the GPU, but for sparse kernels */
    o.user = m;
    if (any && (status = spacc_engine_new(&m->gpu, a->g, a->input, &o, m->err)))
        return status;
    return a->plan->graphs > 1
               ? spacc_probe_run(&m->probe, a->plan, m->cpu, a->g, a->input, m->err)
               : SPACC_OK;
}

/* ---- order of nodes --------------------------------------------------------------- */

static double start_of(const struct spacc_placement *c, int task)
{
    for (size_t i = 0; i < c->bars; i++)
        if (c->bar[i].task == task)
            return c->bar[i].start_us;
    return 0.0;
}

/* Whether every task whose tensors it reads has been ordered. */
static bool is_ready(const struct spacc_tasks *t, const bool *done, int task)
{
    for (size_t i = 0; i < t->tensors; i++) {
        const struct spacc_task_tensor *x = &t->tensor[i];
        if (x->producer < 0 || done[x->producer])
            continue;
        for (size_t r = 0; r < x->readers; r++)
            if (x->reader[r] == task)
                return false;
    }
    return true;
}

/* What another device can begin comes first: the host only hands it over. */
static int next_task(const struct spacc_placing *p, const bool *done)
{
    int best = -1;
    double best_start = HUGE_VAL;
    bool best_away = false;

    for (size_t t = 0; t < p->tasks.tasks; t++) {
        if (done[t] || !is_ready(&p->tasks, done, (int)t))
            continue;
        const bool away = p->chosen.device[t] != 0;
        const double start = start_of(&p->chosen, (int)t);
        if (best >= 0 && (best_away > away || (best_away == away && start >= best_start)))
            continue;
        best = (int)t;
        best_start = start;
        best_away = away;
    }
    return best;
}

static enum spacc_status order_nodes(struct making *m)
{
    struct spacc_placing *p = m->p;
    const int nodes = m->ask->g->nodes;
    bool *done = calloc(p->tasks.tasks + 1, sizeof(*done));
    int count = 0;

    p->order = calloc((size_t)nodes + 1, sizeof(*p->order));
    if (!done || !p->order) {
        free(done);
        return no_memory(m);
    }
    for (int n = 0; n < nodes; n++) /* constants */
        if (p->task[n] < 0 && strcmp(spacc_engine_describe(m->cpu, n).kernel, "constant") == 0)
            p->order[count++] = n;
    for (int t = next_task(p, done); t >= 0; t = next_task(p, done)) {
        done[t] = true;
        for (int n = 0; n < nodes; n++)
            if (p->task[n] == t)
                p->order[count++] = n;
    }
    for (int n = 0; n < nodes; n++) /* what nobody reads */
        if (p->task[n] < 0 && strcmp(spacc_engine_describe(m->cpu, n).kernel, "constant") != 0)
            p->order[count++] = n;
    free(done);
    return SPACC_OK;
}

/* ---- all of it -------------------------------------------------------------------- */

static enum spacc_status make(struct making *m)
{
    enum spacc_status status;

    if ((status = make_engines(m)) || (status = order_tasks(m)) || (status = new_tasks(m)))
        return status;
    add_devices(m);
    if ((status = price(m)) || (status = add_tensors(m)))
        return status;
    for (size_t n = 0; n < m->ask->plan->nodes; n++)
        if ((status = pin_node(m, n)))
            return status;
    if ((status = spacc_place(&m->p->tasks, m->ask->objective, m->ask->gate, &m->p->chosen,
                              m->err)))
        return spacc_fail_in(m->err, status, "%s", m->ask->g->file);
    return order_nodes(m);
}

static void release(struct making *m)
{
    spacc_engine_free(m->cpu);
    spacc_engine_free(m->gpu);
    spacc_binding_free(m->shape);
    spacc_placing_groups_release(&m->groups);
    spacc_probe_release(&m->probe);
    free(m->task);
    free(m->by_task);
    free(m->gpu_can);
}

enum spacc_status spacc_placing_new(struct spacc_placing **out,
                                    const struct spacc_placing_ask *ask,
                                    struct spacc_error *err)
{
    struct spacc_error own = {0};
    struct making m = {.ask = ask, .err = &own};
    enum spacc_status status;

    *out = NULL;
    m.p = calloc(1, sizeof(*m.p));
    status = m.p ? make(&m) : no_memory(&m);
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
