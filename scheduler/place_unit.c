/* place_unit.c - which tasks are assigned as a whole: those of one rate above 1 that tensors
 * connect. A loop body is cut nowhere inside, since every cut would be paid at every call. A
 * unit that no device can run whole, its members' pins kept, falls apart into its tasks. */
#include "scheduler/place_parts.h"

#include <math.h>
#include <stdlib.h>

static int root_of(int *root, int i)
{
    while (root[i] != i) {
        root[i] = root[root[i]];
        i = root[i];
    }
    return i;
}

/* The first task of a unit is its root. */
static void join(int *root, int a, int b)
{
    const int ra = root_of(root, a), rb = root_of(root, b);

    root[ra > rb ? ra : rb] = ra > rb ? rb : ra;
}

static bool is_one_body(const struct spacc_tasks *t, int a, int b)
{
    return t->task[a].rate > 1 && t->task[a].rate == t->task[b].rate;
}

static void join_bodies(const struct spacc_placer *p, int *root)
{
    for (int i = 0; i < p->tasks; i++)
        root[i] = i;
    for (int x = 0; x < p->tensors; x++) {
        const struct spacc_task_tensor *tensor = &p->t->tensor[x];
        for (size_t r = 0; tensor->producer >= 0 && r < tensor->readers; r++)
            if (is_one_body(p->t, tensor->producer, tensor->reader[r]))
                join(root, tensor->producer, tensor->reader[r]);
    }
    for (int i = 0; i < p->tasks; i++)
        root[i] = root_of(root, i);
}

/* ---- where a unit can run -----------------------------------------------------------------
 */

static bool may_run(const struct spacc_task *task, int device)
{
    return task->us[device] != HUGE_VAL && (task->pin < 0 || task->pin == device);
}

/* Of groups by root: can[root][device]. */
static void find_devices(const struct spacc_placer *p, const int *root, bool *can)
{
    for (int i = 0; i < p->tasks * p->devices; i++)
        can[i] = true;
    for (int i = 0; i < p->tasks; i++)
        for (int d = 0; d < p->devices; d++)
            can[root[i] * p->devices + d] &= may_run(&p->t->task[i], d);
}

static bool has_device(const struct spacc_placer *p, const bool *can, int unit)
{
    for (int d = 0; d < p->devices; d++)
        if (can[unit * p->devices + d])
            return true;
    return false;
}

static void take_apart(const struct spacc_placer *p, int *root, const bool *can)
{
    for (int i = 0; i < p->tasks; i++)
        if (!has_device(p, can, root[i]))
            root[i] = -1;
    for (int i = 0; i < p->tasks; i++)
        if (root[i] < 0)
            root[i] = i;
}

/* ---- numbers and members ------------------------------------------------------------------
 */

/* unit[i] is the root of i before, a number after. Rows of `can` move down. */
static void number_units(struct spacc_placer *p)
{
    for (int i = 0; i < p->tasks; i++) {
        if (p->unit[i] != i) {
            p->unit[i] = p->unit[p->unit[i]];
            continue;
        }
        for (int d = 0; d < p->devices; d++)
            p->can[p->units * p->devices + d] = p->can[i * p->devices + d];
        p->unit[i] = p->units++;
    }
}

static void list_members(struct spacc_placer *p)
{
    for (int i = 0; i < p->tasks; i++)
        p->members.at[p->unit[i] + 1]++;
    spacc_placer_start_list(&p->members, p->units);
    for (int i = 0; i < p->tasks; i++)
        p->members.item[p->members.at[p->unit[i] + 1]++] = i;
}

/* ---- neighbours ---------------------------------------------------------------------------
 */

static bool are_near(const struct spacc_placer *p, int x, size_t r)
{
    const struct spacc_task_tensor *tensor = &p->t->tensor[x];

    return tensor->producer >= 0 && p->unit[tensor->producer] != p->unit[tensor->reader[r]];
}

static int count_near(struct spacc_placer *p)
{
    int pairs = 0;

    for (int x = 0; x < p->tensors; x++)
        for (size_t r = 0; r < p->t->tensor[x].readers; r++)
            if (are_near(p, x, r)) {
                p->near.at[p->unit[p->t->tensor[x].producer] + 1]++;
                p->near.at[p->unit[p->t->tensor[x].reader[r]] + 1]++;
                pairs++;
            }
    return pairs;
}

static void add_near(struct spacc_placer *p, int a, int b)
{
    p->near.item[p->near.at[a + 1]++] = b;
    p->near.item[p->near.at[b + 1]++] = a;
}

static void list_near(struct spacc_placer *p)
{
    spacc_placer_start_list(&p->near, p->units);
    for (int x = 0; x < p->tensors; x++)
        for (size_t r = 0; r < p->t->tensor[x].readers; r++)
            if (are_near(p, x, r))
                add_near(p, p->unit[p->t->tensor[x].producer],
                         p->unit[p->t->tensor[x].reader[r]]);
}

enum spacc_status spacc_placer_find_units(struct spacc_placer *p)
{
    const size_t tasks = (size_t)p->tasks;

    p->unit = calloc(tasks + 1, sizeof(*p->unit));
    p->can = calloc(tasks * (size_t)p->devices + 1, sizeof(*p->can));
    p->members.at = calloc(tasks + 2, sizeof(int));
    p->members.item = calloc(tasks + 1, sizeof(int));
    p->near.at = calloc(tasks + 2, sizeof(int));
    if (!p->unit || !p->can || !p->members.at || !p->members.item || !p->near.at)
        return SPACC_ENOMEM;
    join_bodies(p, p->unit);
    find_devices(p, p->unit, p->can);
    take_apart(p, p->unit, p->can);
    find_devices(p, p->unit, p->can);
    number_units(p);
    list_members(p);
    p->near.item = calloc(2 * (size_t)count_near(p) + 1, sizeof(int));
    if (!p->near.item)
        return SPACC_ENOMEM;
    list_near(p);
    return SPACC_OK;
}

void spacc_placer_move(const struct spacc_placer *p, int *device, int unit, int to)
{
    for (int k = p->members.at[unit]; k < p->members.at[unit + 1]; k++)
        device[p->members.item[k]] = to;
}
