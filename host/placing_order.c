/* The order in which an engine runs nodes that were placed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/placing_parts.h"

/* Room for the walk, by task. */
struct order {
    const struct spacc_placing *p;
    double *start;  /* as planned */
    size_t *misses; /* tensors that it reads and that are not made yet */
    bool *done;
};

static enum spacc_status new_order(struct order *o, const struct spacc_placing *p)
{
    const struct spacc_tasks *t = &p->tasks;

    *o = (struct order){.p = p,
                        .start = calloc(t->tasks + 1, sizeof(*o->start)),
                        .misses = calloc(t->tasks + 1, sizeof(*o->misses)),
                        .done = calloc(t->tasks + 1, sizeof(*o->done))};
    if (!o->start || !o->misses || !o->done)
        return SPACC_ENOMEM;
    for (size_t i = 0; i < p->chosen.bars; i++)
        if (p->chosen.bar[i].task >= 0)
            o->start[p->chosen.bar[i].task] = p->chosen.bar[i].start_us;
    for (size_t i = 0; i < t->tensors; i++)
        for (size_t r = 0; r < t->tensor[i].readers && t->tensor[i].producer >= 0; r++)
            o->misses[t->tensor[i].reader[r]]++;
    return SPACC_OK;
}

static void free_order(struct order *o)
{
    free(o->start);
    free(o->misses);
    free(o->done);
}

/* What another device can begin comes first: the host only hands it over. */
static int next_task(const struct order *o)
{
    int best = -1;
    bool best_away = false;

    for (size_t t = 0; t < o->p->tasks.tasks; t++) {
        if (o->done[t] || o->misses[t])
            continue;
        const bool away = o->p->chosen.device[t] != 0;
        if (best >= 0 &&
            (best_away > away || (best_away == away && o->start[t] >= o->start[best])))
            continue;
        best = (int)t;
        best_away = away;
    }
    return best;
}

static void set_done(struct order *o, int task)
{
    const struct spacc_tasks *t = &o->p->tasks;

    o->done[task] = true;
    for (size_t i = 0; i < t->tensors; i++)
        for (size_t r = 0; r < t->tensor[i].readers && t->tensor[i].producer == task; r++)
            o->misses[t->tensor[i].reader[r]]--;
}

enum spacc_status spacc_placing_order(struct spacc_placing_making *m)
{
    struct spacc_placing *p = m->p;
    const int nodes = m->ask->g->nodes;
    struct order o;
    int count = 0;

    p->order = calloc((size_t)nodes + 1, sizeof(*p->order));
    if (new_order(&o, p) || !p->order) {
        free_order(&o);
        return spacc_placing_no_memory(m);
    }
    for (int t = next_task(&o); t >= 0; t = next_task(&o)) {
        set_done(&o, t);
        for (int n = 0; n < nodes; n++)
            if (p->task[n] == t)
                p->order[count++] = n;
    }
    for (int n = 0; n < nodes; n++) /* constants, and what nobody reads */
        if (p->task[n] < 0)
            p->order[count++] = n;
    free_order(&o);
    return SPACC_OK;
}
