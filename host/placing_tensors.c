/* What goes from task to task. */
#include <stdlib.h>

#include "host/placing_parts.h"

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

static bool node_reads(const struct spacc_node *n, int value)
{
    for (int i = 0; i < n->inputs; i++)
        if (n->input[i] == value)
            return true;
    return false;
}

/* Which tasks read a value, into reads[tasks]. */
static void mark_readers(const struct spacc_placing_making *m, int value, bool *reads)
{
    const size_t tasks = m->p->tasks.tasks;

    for (size_t t = 0; t < tasks; t++) {
        const int graph = m->groups.graph[m->by_task[t]];
        reads[t] = graph != 0 && body_reads(m->ask->plan, graph, value);
    }
    for (int n = 0; n < m->ask->g->nodes; n++)
        if (m->p->task[n] >= 0 && node_reads(&m->ask->g->node[n], value))
            reads[m->p->task[n]] = true;
}

static bool is_output(const struct spacc_graph *g, int value)
{
    for (int o = 0; o < g->outputs; o++)
        if (g->output[o] == value)
            return true;
    return false;
}

static void add_tensor(struct spacc_placing_making *m, int producer, size_t bytes, int *reader,
                       size_t readers, bool output)
{
    if (readers || output)
        m->p->tasks.tensor[m->p->tasks.tensors++] =
            (struct spacc_task_tensor){producer, bytes, readers, reader, output};
}

/* Tasks that read a value, but not the one that makes it. */
static size_t find_readers(const struct spacc_placing_making *m, int value, int producer,
                           bool *reads, int *reader)
{
    size_t readers = 0;

    mark_readers(m, value, reads);
    for (size_t t = 0; t < m->p->tasks.tasks; t++)
        if (reads[t] && (int)t > producer)
            reader[readers++] = (int)t;
    return readers;
}

static size_t bytes_of(const struct spacc_placing_making *m, int value)
{
    const struct spacc_tensor *t = &m->shape->shape[value];

    return t->dtype == SPACC_DTYPE_NONE ? 0 : t->count * spacc_dtype_bytes(t->dtype);
}

/* What a body makes goes to the node that it belongs to, on the host, at every call. */
static void add_body_tensor(struct spacc_placing_making *m, size_t task, int *reader)
{
    const size_t group = (size_t)m->by_task[task];
    const int graph = m->groups.graph[group];
    const struct spacc_graph *g = m->ask->plan->graph[graph].graph;
    double bytes = 0.0;

    for (int o = 0; o < g->outputs; o++)
        bytes += m->bodies.bytes[graph][g->output[o]];
    reader[0] = spacc_placing_task_of(m, (size_t)spacc_placing_owner(m->ask->plan, graph));
    add_tensor(m, (int)task, (size_t)bytes, reader, 1, true);
}

static void add_tensors(struct spacc_placing_making *m, bool *reads)
{
    const struct spacc_graph *g = m->ask->g;
    size_t used = 0;

    for (int v = 0; v < g->values; v++) {
        const int maker = g->value[v].producer;
        const int producer = maker >= 0 ? spacc_placing_task_of(m, (size_t)maker) : -1;
        int *reader = m->p->readers + used;
        if (m->shape->shape[v].data)
            continue; /* a constant: every device has its own */
        const size_t readers = find_readers(m, v, producer, reads, reader);
        add_tensor(m, producer, bytes_of(m, v), reader, readers,
                   producer >= 0 && is_output(g, v));
        used += readers;
    }
    for (size_t t = 0; t < m->p->tasks.tasks; t++)
        if (m->groups.graph[m->by_task[t]] != 0)
            add_body_tensor(m, t, m->p->readers + used++);
}

enum spacc_status spacc_placing_tensors(struct spacc_placing_making *m)
{
    const size_t tasks = m->p->tasks.tasks, values = (size_t)m->ask->g->values + tasks;
    bool *reads = calloc(tasks + 1, sizeof(*reads));

    m->p->tasks.tensor = calloc(values + 1, sizeof(*m->p->tasks.tensor));
    m->p->readers = calloc(values * tasks + 1, sizeof(*m->p->readers));
    const bool good = reads && m->p->tasks.tensor && m->p->readers;
    if (good)
        add_tensors(m, reads);
    free(reads);
    return good ? SPACC_OK : spacc_placing_no_memory(m);
}
