/* place_price.c - what an assignment takes: its time line, task by task.
 *
 * In the order of the tasks each gets what it reads and then runs, as soon as its device is
 * free. Transfers of a device, to and from, are queued on one link in the order in which tasks
 * ask for them; a tensor that the host reads is there sync_us behind its transfer. A tensor is
 * transferred as often as it changes: at the rate of its producer, once when it is an input. So
 * what is made once is sent to a loop once, and what a loop makes is sent at every call.
 * Outputs are fetched at the end. */
#include "scheduler/place_parts.h"

#include <math.h>
#include <string.h>

static const double joules_of_w_us = 1e-6;

static double later(double a, double b)
{
    return a > b ? a : b;
}

static void add_bar(struct spacc_placer *p, struct spacc_place_bar bar)
{
    if (p->bars)
        p->bars->bar[p->bars->count++] = bar;
}

static double set_at(struct spacc_placer *p, int tensor, int device, double us)
{
    const int i = tensor * p->devices + device;

    p->at[i] = us;
    p->log[p->logged++] = i;
    return us;
}

/* ---- transfers ----------------------------------------------------------------------------
 */

static double move_tensor(struct spacc_placer *p, struct spacc_placer_clock *c, int tensor,
                          int device, bool to, double ready)
{
    const double took = (to ? p->up : p->down)[tensor * p->devices + device];
    const double start = later(ready, c->link[device]);

    c->link[device] = start + took;
    c->moved[device] += took;
    add_bar(p, (struct spacc_place_bar){-1, tensor, device, to, start, start + took});
    return start + took;
}

static double at_host(struct spacc_placer *p, struct spacc_placer_clock *c, int tensor)
{
    const double *at = p->at + tensor * p->devices;

    if (at[0] >= 0)
        return at[0];
    const int from = p->device[p->t->tensor[tensor].producer];
    const double end = move_tensor(p, c, tensor, from, false, at[from]);
    return set_at(p, tensor, 0, end + p->sync[tensor * p->devices + from]);
}

static double at_device(struct spacc_placer *p, struct spacc_placer_clock *c, int tensor,
                        int device)
{
    const double at = p->at[tensor * p->devices + device];

    if (at >= 0)
        return at;
    const double ready = at_host(p, c, tensor);
    if (device == 0)
        return ready;
    return set_at(p, tensor, device, move_tensor(p, c, tensor, device, true, ready));
}

/* ---- tasks --------------------------------------------------------------------------------
 */

/* When it ends. */
static double run_task(struct spacc_placer *p, struct spacc_placer_clock *c, int task)
{
    const int d = p->device[task], cost = task * p->devices + d;
    double start = 0;

    for (int k = p->reads.at[task]; k < p->reads.at[task + 1]; k++)
        start = later(start, at_device(p, c, p->reads.item[k], d));
    start = later(start, c->free[d]);
    const double end = start + p->us[cost];
    c->free[d] = end;
    c->busy[d] += p->us[cost];
    c->joules += p->joules[cost];
    for (int k = p->makes.at[task]; k < p->makes.at[task + 1]; k++)
        set_at(p, p->makes.item[k], d, end);
    add_bar(p, (struct spacc_place_bar){task, -1, d, false, start, end});
    return end;
}

static void forget_behind(struct spacc_placer *p, int task)
{
    while (p->logged > p->log_at[task])
        p->at[p->log[--p->logged]] = -1;
}

/* The first task that is to be priced again. */
static int rewind_to_change(struct spacc_placer *p, const int *device)
{
    int first = 0;

    while (!p->bars && first < p->steps && p->device[first] == device[first])
        first++;
    memcpy(p->device + first, device + first, (size_t)(p->tasks - first) * sizeof(*p->device));
    forget_behind(p, first);
    return first;
}

/* ---- the whole ----------------------------------------------------------------------------
 */

static double end_of(const struct spacc_placer *p, const struct spacc_placer_clock *c)
{
    double end = 0;

    for (int d = 0; d < p->devices; d++)
        end = later(end, c->free[d]);
    return end;
}

static double fetch_outputs(struct spacc_placer *p, struct spacc_placer_clock *c)
{
    double end = end_of(p, c);

    for (int x = 0; x < p->tensors; x++)
        if (p->t->tensor[x].output)
            end = later(end, at_host(p, c, x));
    return end;
}

/* Tasks have their own joules; for the rest of the time devices wait. A transfer takes what a
 * busy device takes above a waiting one. */
static double joules_of(const struct spacc_placer *p, const struct spacc_placer_clock *c,
                        double us)
{
    double w_us = 0;

    for (int d = 0; d < p->devices; d++) {
        const struct spacc_place_device *dev = &p->t->device[d];
        w_us += dev->idle_w * (us - c->busy[d]);
        w_us += later(dev->busy_w - dev->idle_w, 0) * c->moved[d];
    }
    return c->joules + w_us * joules_of_w_us;
}

static double busiest(const struct spacc_placer *p, const struct spacc_placer_clock *c)
{
    double us = 0;

    for (int d = 0; d < p->devices; d++)
        us = later(us, later(c->busy[d], c->moved[d]));
    return us;
}

bool spacc_placer_price(struct spacc_placer *p, const int *device, double limit_us,
                        struct spacc_placer_price *out)
{
    for (int i = rewind_to_change(p, device); i < p->tasks; i++) {
        p->clock[i + 1] = p->clock[i];
        const double end = run_task(p, &p->clock[i + 1], i);
        p->log_at[i + 1] = p->logged;
        p->steps = i + 1;
        p->priced++;
        if (end > limit_us)
            return false;
    }
    struct spacc_placer_clock c = p->clock[p->tasks];
    const double us = fetch_outputs(p, &c);
    forget_behind(p, p->tasks);
    *out = (struct spacc_placer_price){us, busiest(p, &c), joules_of(p, &c, us)};
    return us <= limit_us;
}

static double value_of(const struct spacc_placer *p, const struct spacc_placer_price *a)
{
    return p->objective == SPACC_LATENCY      ? a->us
           : p->objective == SPACC_THROUGHPUT ? a->interval_us
                                              : a->joules;
}

/* Differences that rounding makes are none: a search would go round in circles. */
bool spacc_placer_is_better(const struct spacc_placer *p, const struct spacc_placer_price *a,
                            const struct spacc_placer_price *b)
{
    const double va = value_of(p, a), vb = value_of(p, b), noise = 1e-12 * fabs(vb);

    if (fabs(va - vb) > noise)
        return va < vb;
    return a->us < b->us - 1e-12 * b->us;
}

/* ---- costs without overlap ----------------------------------------------------------------
 */

static double cost_of(const struct spacc_placer *p, double us, double above_idle_w)
{
    return p->objective == SPACC_ENERGY ? us * (p->idle_w + above_idle_w) * joules_of_w_us : us;
}

static double above_idle_w(const struct spacc_placer *p, int device)
{
    return later(p->t->device[device].busy_w - p->t->device[device].idle_w, 0);
}

double spacc_placer_task_cost(const struct spacc_placer *p, int task, int device)
{
    const int i = task * p->devices + device;

    if (p->objective != SPACC_ENERGY)
        return p->us[i];
    return p->joules[i] + cost_of(p, p->us[i], -p->t->device[device].idle_w);
}

double spacc_placer_up_cost(const struct spacc_placer *p, int tensor, int device)
{
    return cost_of(p, p->up[tensor * p->devices + device], above_idle_w(p, device));
}

double spacc_placer_down_cost(const struct spacc_placer *p, int tensor, int device)
{
    const int i = tensor * p->devices + device;

    return cost_of(p, p->down[i], above_idle_w(p, device)) + cost_of(p, p->sync[i], 0);
}
