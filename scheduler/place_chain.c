/* place_chain.c - units one behind the other, by dynamic programming over (unit, device).
 *
 *     best[u][d] = cost(u, d) + min over e of best[u - 1][e] + transfers(u, e -> d)
 *
 * Optimal where nothing but results of the unit before is transferred late: inputs and
 * constants are charged in full, though their transfers may overlap with earlier tasks. */
#include "scheduler/place_parts.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static bool joins_neighbours(const struct spacc_placer *p, int unit)
{
    for (int k = p->near.at[unit]; k < p->near.at[unit + 1]; k++)
        if (p->near.item[k] == unit + 1)
            return true;
    return false;
}

bool spacc_place_is_chain(const struct spacc_placer *p)
{
    for (int u = 0; u < p->units; u++)
        for (int k = p->near.at[u]; k < p->near.at[u + 1]; k++)
            if (abs(p->near.item[k] - u) != 1)
                return false;
    for (int u = 0; u + 1 < p->units; u++)
        if (!joins_neighbours(p, u))
            return false;
    return p->units > 0;
}

/* The first unit that reads x, or -1. */
static int first_reader(const struct spacc_placer *p, int x)
{
    const struct spacc_task_tensor *tensor = &p->t->tensor[x];

    return tensor->readers ? p->unit[tensor->reader[0]] : -1;
}

/* x, read by the unit that is moved to `d` and before it `e`. */
static double transfer(const struct spacc_placer *p, int x, int unit, int e, int d)
{
    const struct spacc_task_tensor *tensor = &p->t->tensor[x];
    double cost = 0;

    if (tensor->producer < 0)
        return d != 0 && (d != e || first_reader(p, x) == unit) ? spacc_placer_up_cost(p, x, d)
                                                                : 0;
    if (d == e)
        return 0;
    if (e != 0 && !tensor->output) /* an output is fetched in any case */
        cost += spacc_placer_down_cost(p, x, e);
    return cost + (d != 0 ? spacc_placer_up_cost(p, x, d) : 0);
}

/* An earlier member reads x as well, or made it. */
static bool is_inside(const struct spacc_placer *p, int x, int task)
{
    const struct spacc_task_tensor *tensor = &p->t->tensor[x];

    if (tensor->producer >= 0 && p->unit[tensor->producer] == p->unit[task])
        return true;
    for (size_t r = 0; tensor->reader[r] < task; r++)
        if (p->unit[tensor->reader[r]] == p->unit[task])
            return true;
    return false;
}

static double transfers(const struct spacc_placer *p, int unit, int e, int d)
{
    double cost = 0;

    for (int m = p->members.at[unit]; m < p->members.at[unit + 1]; m++) {
        const int task = p->members.item[m];
        for (int k = p->reads.at[task]; k < p->reads.at[task + 1]; k++)
            if (!is_inside(p, p->reads.item[k], task))
                cost += transfer(p, p->reads.item[k], unit, e, d);
    }
    return cost;
}

/* Running the unit, and fetching those of its results that are outputs. */
static double run_cost(const struct spacc_placer *p, int unit, int d)
{
    double cost = 0;

    for (int m = p->members.at[unit]; m < p->members.at[unit + 1]; m++) {
        const int task = p->members.item[m];
        cost += spacc_placer_task_cost(p, task, d);
        for (int k = p->makes.at[task]; d && k < p->makes.at[task + 1]; k++)
            if (p->t->tensor[p->makes.item[k]].output)
                cost += spacc_placer_down_cost(p, p->makes.item[k], d);
    }
    return cost;
}

static void extend(const struct spacc_placer *p, int unit, int d, double *best, int *from)
{
    const double *before = best + (unit - 1) * p->devices;
    double least = DBL_MAX;

    from[unit * p->devices + d] = 0;
    for (int e = 0; e < p->devices; e++) {
        const double cost =
            unit ? before[e] + transfers(p, unit, e, d) : transfers(p, unit, d, d);
        if (cost < least) {
            least = cost;
            from[unit * p->devices + d] = e;
        }
    }
    best[unit * p->devices + d] = least + run_cost(p, unit, d);
}

static int best_end(const struct spacc_placer *p, const double *best)
{
    const double *last = best + (p->units - 1) * p->devices;
    int d = 0;

    for (int e = 1; e < p->devices; e++)
        if (last[e] < last[d])
            d = e;
    return d;
}

bool spacc_place_chain(const struct spacc_placer *p, int *device)
{
    const size_t states = (size_t)p->units * (size_t)p->devices;
    double *best = calloc(states + 1, sizeof(*best));
    int *from = calloc(states + 1, sizeof(*from));
    const bool ok = best && from;

    for (int u = 0; ok && u < p->units; u++)
        for (int d = 0; d < p->devices; d++)
            if (p->can[u * p->devices + d])
                extend(p, u, d, best, from);
            else
                best[u * p->devices + d] = HUGE_VAL;
    for (int u = p->units - 1, d = ok ? best_end(p, best) : 0; ok && u >= 0; u--) {
        spacc_placer_move(p, device, u, d);
        d = from[u * p->devices + d];
    }
    free(best);
    free(from);
    return ok;
}
