/* The order in which an engine runs nodes that were placed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/placing_parts.h"

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

enum spacc_status spacc_placing_order(struct spacc_placing_making *m)
{
    struct spacc_placing *p = m->p;
    const int nodes = m->ask->g->nodes;
    bool *done = calloc(p->tasks.tasks + 1, sizeof(*done));
    int count = 0;

    p->order = calloc((size_t)nodes + 1, sizeof(*p->order));
    if (!done || !p->order) {
        free(done);
        return spacc_placing_no_memory(m);
    }
    for (int t = next_task(p, done); t >= 0; t = next_task(p, done)) {
        done[t] = true;
        for (int n = 0; n < nodes; n++)
            if (p->task[n] == t)
                p->order[count++] = n;
    }
    for (int n = 0; n < nodes; n++) /* constants, and what nobody reads */
        if (p->task[n] < 0)
            p->order[count++] = n;
    free(done);
    return SPACC_OK;
}
