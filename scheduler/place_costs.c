#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/place_parts.h"

/* ---- costs --------------------------------------------------------------------------------
 */

static void fill_task(struct spacc_placer *p, int i)
{
    const struct spacc_task *task = &p->t->task[i];

    for (int d = 0; d < p->devices; d++) {
        const struct spacc_place_device *dev = &p->t->device[d];
        const double launch_joules = dev->launch_us * dev->busy_w * 1e-6;
        p->us[i * p->devices + d] = task->rate * (task->us[d] + dev->launch_us);
        p->joules[i * p->devices + d] = task->rate * (task->joules[d] + launch_joules);
    }
}

static double transfer_us(double start_us, size_t bytes, double bytes_per_us)
{
    return start_us + (bytes_per_us > 0 ? (double)bytes / bytes_per_us : 0);
}

static void fill_tensor(struct spacc_placer *p, int x)
{
    const struct spacc_task_tensor *tensor = &p->t->tensor[x];
    const double times = tensor->producer < 0 ? 1 : p->t->task[tensor->producer].rate;

    for (int d = 1; d < p->devices; d++) {
        const struct spacc_place_device *dev = &p->t->device[d];
        const int i = x * p->devices + d;
        p->up[i] = times * transfer_us(dev->to_us, tensor->bytes, dev->to_bytes_per_us);
        p->down[i] = times * transfer_us(dev->from_us, tensor->bytes, dev->from_bytes_per_us);
        p->sync[i] = times * dev->sync_us;
    }
}

/* ---- who reads and makes what -------------------------------------------------------------
 */

static int count_reads(const struct spacc_tasks *t)
{
    size_t reads = 0;

    for (size_t x = 0; x < t->tensors; x++)
        reads += t->tensor[x].readers;
    return reads > 1 << 27 ? -1 : (int)reads;
}

void spacc_placer_start_list(struct spacc_placer_list *l, int count)
{
    int next = 0;

    for (int i = 1; i <= count; i++) {
        const int items = l->at[i];
        l->at[i] = next;
        next += items;
    }
}

static void count_tensors(struct spacc_placer *p)
{
    for (int x = 0; x < p->tensors; x++) {
        const struct spacc_task_tensor *tensor = &p->t->tensor[x];
        if (tensor->producer >= 0)
            p->makes.at[tensor->producer + 1]++;
        for (size_t r = 0; r < tensor->readers; r++)
            p->reads.at[tensor->reader[r] + 1]++;
    }
}

static void list_tensors(struct spacc_placer *p)
{
    count_tensors(p);
    spacc_placer_start_list(&p->makes, p->tasks);
    spacc_placer_start_list(&p->reads, p->tasks);
    for (int x = 0; x < p->tensors; x++) {
        const struct spacc_task_tensor *tensor = &p->t->tensor[x];
        if (tensor->producer >= 0)
            p->makes.item[p->makes.at[tensor->producer + 1]++] = x;
        for (size_t r = 0; r < tensor->readers; r++)
            p->reads.item[p->reads.at[tensor->reader[r] + 1]++] = x;
    }
}

/* ---- new and free -------------------------------------------------------------------------
 */

static void *room(bool *ok, int count, size_t size)
{
    void *made = calloc((size_t)count + 1, size);

    *ok = *ok && made;
    return made;
}

static bool make_room(struct spacc_placer *p, int reads)
{
    const int costs = p->tasks * p->devices, moves = p->tensors * p->devices;
    bool ok = true;

    p->us = room(&ok, costs, sizeof(*p->us));
    p->joules = room(&ok, costs, sizeof(*p->joules));
    p->up = room(&ok, moves, sizeof(*p->up));
    p->down = room(&ok, moves, sizeof(*p->down));
    p->sync = room(&ok, moves, sizeof(*p->sync));
    p->reads.at = room(&ok, p->tasks + 1, sizeof(int));
    p->reads.item = room(&ok, reads, sizeof(int));
    p->makes.at = room(&ok, p->tasks + 1, sizeof(int));
    p->makes.item = room(&ok, p->tensors, sizeof(int));
    p->clock = room(&ok, p->tasks + 1, sizeof(*p->clock));
    p->at = room(&ok, moves, sizeof(*p->at));
    p->log = room(&ok, moves, sizeof(int));
    p->log_at = room(&ok, p->tasks + 1, sizeof(int));
    p->device = room(&ok, p->tasks, sizeof(int));
    return ok;
}

static void fill(struct spacc_placer *p)
{
    for (int d = 0; d < p->devices; d++)
        p->idle_w += p->t->device[d].idle_w;
    for (int i = 0; i < p->tasks; i++)
        fill_task(p, i);
    for (int x = 0; x < p->tensors; x++)
        fill_tensor(p, x);
    list_tensors(p);
    for (int i = 0; i < p->tensors * p->devices; i++)
        p->at[i] = -1;
    for (int x = 0; x < p->tensors; x++)
        if (p->t->tensor[x].producer < 0)
            p->at[x * p->devices] = 0; /* never in the log: stays */
}

enum spacc_status spacc_placer_init(struct spacc_placer *p, const struct spacc_tasks *t,
                                    enum spacc_objective objective, struct spacc_error *err)
{
    *p = (struct spacc_placer){.t = t,
                               .objective = objective,
                               .devices = (int)t->devices,
                               .tasks = (int)t->tasks,
                               .tensors = (int)t->tensors};
    const int reads = count_reads(t);
    if (reads >= 0 && make_room(p, reads)) {
        fill(p);
        if (spacc_placer_find_units(p) == SPACC_OK)
            return SPACC_OK;
    }
    spacc_placer_release(p);
    return spacc_fail(err, SPACC_ENOMEM, "no memory to place %zu tasks", t->tasks);
}

static void release_list(struct spacc_placer_list *l)
{
    free(l->at);
    free(l->item);
}

void spacc_placer_release(struct spacc_placer *p)
{
    release_list(&p->reads);
    release_list(&p->makes);
    release_list(&p->members);
    release_list(&p->near);
    free(p->us);
    free(p->joules);
    free(p->up);
    free(p->down);
    free(p->sync);
    free(p->unit);
    free(p->can);
    free(p->clock);
    free(p->at);
    free(p->log);
    free(p->log_at);
    free(p->device);
    *p = (struct spacc_placer){0};
}
