/* What every task takes on every device. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/placing_parts.h"
#include "host/plan_parts.h"

/* Variances of tasks by device, in us squared, until finish_prices(). */
static void add_price(struct spacc_task *t, int d, const struct spacc_cost *c)
{
    const double off = c->sigma * c->us;

    t->us[d] += c->us;
    t->joules[d] += c->joules;
    t->sigma[d] += off * off;
}

/* What tables say of a task's price on the CPU; a time that was measured stays one. */
static void describe(struct spacc_placing_task *about, const struct spacc_cost *c)
{
    if (strcmp(about->source, "measured") != 0)
        about->source = c->source;
    if (c->power < about->power)
        about->power = c->power;
}

static enum spacc_status price_engine(struct spacc_placing_making *m,
                                      const struct spacc_engine *e,
                                      const struct spacc_profile *profile, int d, bool on_gpu)
{
    for (size_t i = 0; i < spacc_engine_steps(e); i++) {
        const struct spacc_engine_step s = spacc_engine_step(e, i);
        const int task = spacc_placing_task_of(m, (size_t)s.node);
        struct spacc_cost cost;
        enum spacc_status status;
        if (task < 0 || !s.has_work || s.on_gpu != on_gpu)
            continue;
        if ((status = spacc_cost_of(profile, SPACC_COST_STACK, &s.work, &cost, m->err)))
            return spacc_fail_in(m->err, status, "%s: %s", m->ask->g->file,
                                 m->ask->g->node[s.node].name);
        add_price(&m->p->tasks.task[task], d, &cost);
        if (d == 0)
            describe(&m->p->about[task], &cost);
    }
    return SPACC_OK;
}

/* What was seen of the nodes of a body, a call of it. */
static void price_body(struct spacc_placing_making *m, int task, size_t group)
{
    const struct spacc_plan_graph *pg = &m->ask->plan->graph[m->groups.graph[group]];
    struct spacc_task *t = &m->p->tasks.task[task];
    double us = 0.0;

    for (size_t n = pg->first; n < pg->first + (size_t)pg->graph->nodes; n++)
        us += m->bodies.us[n];
    t->rate = m->bodies.calls[pg->first];
    us /= t->rate;
    add_price(t, 0,
              &(struct spacc_cost){
                  .us = us, .sigma = 0.05, .joules = us * m->ask->cpu->power.busy_w * 1e-6});
    m->p->about[task].source = "measured";
    m->p->about[task].power = SPACC_POWER_BUSY;
}

/* Layers on the card; what else is in a body stays with the host, and each layer waits for its
 * x. */
static void price_card_node(struct spacc_placing_making *m, size_t n, int d, bool in_body)
{
    const struct spacc_placing_ask *a = m->ask;
    const int task = spacc_placing_task_of(m, n);
    const double us = a->card_us[n];

    if (task < 0 || !(us < HUGE_VAL))
        return;
    struct spacc_task *t = &m->p->tasks.task[task];
    const double calls = in_body ? m->bodies.calls[n] / t->rate : 1.0;
    t->us[d] += us * calls;
    t->joules[d] += us * calls * a->card_power.busy_w * 1e-6;
    if (in_body) {
        const double own_us = fmin(m->bodies.us[n] / t->rate, t->us[0]);
        t->us[d] +=
            calls * (a->card_link.launch_us + a->card_link.to_us + a->card_link.from_us) -
            own_us;
        t->joules[d] -= own_us * a->cpu->power.busy_w * 1e-6;
    }
}

static bool on_card(const struct spacc_placing_making *m, size_t n)
{
    return m->ask->card_us && m->ask->card_us[n] < HUGE_VAL;
}

/* A task of the outermost graph can go to the card when all its layers can; what the CPU joins
 * to them (a bias, an activation) is then the host's. */
static bool card_can(const struct spacc_placing_making *m, size_t group)
{
    const struct spacc_plan *plan = m->ask->plan;
    bool any = false;

    for (size_t n = 0; n < plan->nodes; n++) {
        if (m->groups.group[n] != (int)group)
            continue;
        any = any || on_card(m, n);
        if (m->groups.graph[group] == 0 && !on_card(m, n) && plan->node[n].candidate)
            return false;
    }
    return any;
}

/* Bytes of what a node reads and makes, constants as well. */
static double bytes_of(const struct spacc_placing_making *m, const struct spacc_node *node)
{
    double bytes = 0.0;

    for (int i = 0; i < node->inputs + node->outputs; i++) {
        const int v = i < node->inputs ? node->input[i] : node->output[i - node->inputs];
        const struct spacc_tensor *t = v < 0 ? NULL : &m->shape->shape[v];
        if (t && t->dtype != SPACC_DTYPE_NONE)
            bytes += (double)t->count * (double)spacc_dtype_bytes(t->dtype);
    }
    return bytes;
}

/* The host does node n by itself, which it has no price for: as fast as memory is. */
static void price_left_over(struct spacc_placing_making *m, size_t n, int d)
{
    const struct spacc_profile *cpu = m->ask->cpu;
    const struct spacc_plan_node *node = &m->ask->plan->node[n];
    struct spacc_cost cost = {.us = cpu->link.launch_us, .sigma = 0.5};

    if (spacc_rule_reshapes(node->op) ||
        strcmp(spacc_engine_describe(m->cpu, (int)n).kernel, "view") == 0)
        return;
    if (cpu->link.peak_bytes_per_us > 0.0)
        cost.us += bytes_of(m, &m->ask->g->node[n]) / cpu->link.peak_bytes_per_us;
    cost.joules = cost.us * cpu->power.busy_w * 1e-6;
    add_price(&m->p->tasks.task[spacc_placing_task_of(m, n)], d, &cost);
}

static void price_card(struct spacc_placing_making *m)
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
        tasks->task[t].joules[d] = body ? tasks->task[t].joules[0] : 0.0;
        for (size_t n = 0; n < m->ask->plan->nodes; n++) {
            if (m->groups.group[n] != (int)group)
                continue;
            price_card_node(m, n, d, body);
            if (!body && !on_card(m, n))
                price_left_over(m, n, d);
        }
    }
}

static void finish_prices(struct spacc_tasks *tasks)
{
    for (size_t i = 0; i < tasks->tasks; i++)
        for (size_t d = 0; d < tasks->devices; d++) {
            struct spacc_task *t = &tasks->task[i];
            t->sigma[d] =
                t->us[d] > 0.0 && t->us[d] < HUGE_VAL ? sqrt(t->sigma[d]) / t->us[d] : 0.0;
        }
}

/* What the branches of node n took in a run. */
static double branches_us(const struct spacc_placing_making *m, int n)
{
    double us = 0.0;

    for (size_t i = 1; i < m->ask->plan->graphs; i++) {
        const struct spacc_plan_graph *pg = &m->ask->plan->graph[i];
        const size_t nodes = (size_t)pg->graph->nodes;
        if (spacc_placing_owner(m->ask->plan, (int)i) != n)
            continue;
        for (size_t k = pg->first; k < pg->first + nodes; k++)
            us += m->bodies.us[k];
    }
    return us;
}

/* The time of a node with branches is what is left without theirs: running them round. */
static void price_owners(struct spacc_placing_making *m)
{
    for (int n = 0; n < m->ask->g->nodes; n++) {
        const int task = spacc_placing_task_of(m, (size_t)n);
        if (task < 0 || !spacc_node_has_branches(&m->ask->g->node[n]))
            continue;
        const double us = m->bodies.us[n] - branches_us(m, n);
        struct spacc_task *t = &m->p->tasks.task[task];
        t->us[0] = fmax(us, m->ask->cpu->link.launch_us);
        t->joules[0] = t->us[0] * m->ask->cpu->power.busy_w * 1e-6;
        t->sigma[0] = 0.0;
        m->p->about[task].source = "measured";
        m->p->about[task].power = SPACC_POWER_BUSY;
    }
}

enum spacc_status spacc_placing_price(struct spacc_placing_making *m)
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
