/* place_heft.c - heterogeneous earliest finish time (Topcuoglu, TPDS'02): tasks by their
 * distance from the end in mean costs, each on the device on which its unit ends first, in the
 * first gap that is long enough. Links are taken as free here. */
#include "scheduler/place_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct span {
    double start, end;
};

struct heft {
    double *rank, *end; /* [tasks]; end: HUGE_VAL before it is placed */
    int *order;         /* [tasks] */
    struct span *span;  /* [devices][tasks], ascending */
    int spans[SPACC_PLACE_DEVICES];
    int *device;
};

/* ---- ranks --------------------------------------------------------------------------------
 */

static double mean_task(const struct spacc_placer *p, int task)
{
    double sum = 0;
    int places = 0;

    for (int d = 0; d < p->devices; d++)
        if (p->us[task * p->devices + d] < HUGE_VAL) {
            sum += p->us[task * p->devices + d];
            places++;
        }
    return sum / places;
}

static double move_us(const struct spacc_placer *p, int x, int from, int to)
{
    const int row = x * p->devices;
    double us = 0;

    if (from == to)
        return 0;
    if (from != 0)
        us += p->down[row + from] + p->sync[row + from];
    return us + (to != 0 ? p->up[row + to] : 0);
}

static double mean_move(const struct spacc_placer *p, int x)
{
    double sum = 0;

    for (int from = 0; from < p->devices; from++)
        for (int to = 0; to < p->devices; to++)
            sum += move_us(p, x, from, to);
    return sum / (p->devices * p->devices);
}

static double rank_behind(const struct spacc_placer *p, const struct heft *h, int x)
{
    const struct spacc_task_tensor *t = &p->t->tensor[x];
    double most = 0;

    for (size_t r = 0; r < t->readers; r++)
        most = fmax(most, h->rank[t->reader[r]]);
    return t->readers || t->output ? most + mean_move(p, x) : 0;
}

static void rank_tasks(const struct spacc_placer *p, struct heft *h)
{
    for (int i = p->tasks - 1; i >= 0; i--) {
        double behind = 0;
        for (int k = p->makes.at[i]; k < p->makes.at[i + 1]; k++)
            behind = fmax(behind, rank_behind(p, h, p->makes.item[k]));
        h->rank[i] = mean_task(p, i) + behind;
    }
}

/* Ranks never rise along a tensor, and equal ones keep their order: producers stay first. */
static void sort_by_rank(const struct spacc_placer *p, struct heft *h)
{
    for (int i = 0; i < p->tasks; i++) {
        int k = i;
        for (; k > 0 && h->rank[h->order[k - 1]] < h->rank[i]; k--)
            h->order[k] = h->order[k - 1];
        h->order[k] = i;
    }
}

/* ---- placing ------------------------------------------------------------------------------
 */

/* When what the unit's members read from others is on d, as far as it is known. */
static double ready_at(const struct spacc_placer *p, const struct heft *h, int unit, int d)
{
    double ready = 0;

    for (int m = p->members.at[unit]; m < p->members.at[unit + 1]; m++) {
        const int task = p->members.item[m];
        for (int k = p->reads.at[task]; k < p->reads.at[task + 1]; k++) {
            const int x = p->reads.item[k], from = p->t->tensor[x].producer;
            const bool known = from < 0 || h->end[from] < HUGE_VAL;
            if (known)
                ready = fmax(ready, (from < 0 ? 0 : h->end[from]) +
                                        move_us(p, x, from < 0 ? 0 : h->device[from], d));
        }
    }
    return ready;
}

/* The first gap of `us` at or behind `ready`; its index among d's spans in *index. */
static double find_gap(const struct spacc_placer *p, const struct heft *h, int d, double ready,
                       double us, int *index)
{
    const struct span *s = h->span + (size_t)d * (size_t)p->tasks;
    int k = 0;

    for (; k < h->spans[d]; k++) {
        if (ready + us <= s[k].start)
            break;
        ready = fmax(ready, s[k].end);
    }
    *index = k;
    return ready;
}

static double unit_us(const struct spacc_placer *p, int unit, int d)
{
    double us = 0;

    for (int m = p->members.at[unit]; m < p->members.at[unit + 1]; m++)
        us += p->us[p->members.item[m] * p->devices + d];
    return us;
}

static void take_gap(const struct spacc_placer *p, struct heft *h, int unit, int d,
                     struct span span, int index)
{
    struct span *s = h->span + (size_t)d * (size_t)p->tasks;

    memmove(s + index + 1, s + index, (size_t)(h->spans[d] - index) * sizeof(*s));
    s[index] = span;
    h->spans[d]++;
    for (int m = p->members.at[unit]; m < p->members.at[unit + 1]; m++)
        h->end[p->members.item[m]] = span.end;
    spacc_placer_move(p, h->device, unit, d);
}

static void place_unit(const struct spacc_placer *p, struct heft *h, int unit)
{
    struct span best = {0, HUGE_VAL};
    int on = 0, at = 0;

    for (int d = 0; d < p->devices; d++) {
        int index;
        if (!p->can[unit * p->devices + d])
            continue;
        const double us = unit_us(p, unit, d);
        const double start = find_gap(p, h, d, ready_at(p, h, unit, d), us, &index);
        if (start + us < best.end) {
            best = (struct span){start, start + us};
            on = d;
            at = index;
        }
    }
    take_gap(p, h, unit, on, best, at);
}

bool spacc_place_heft(const struct spacc_placer *p, int *device)
{
    const size_t tasks = (size_t)p->tasks;
    struct heft h = {.device = device,
                     .rank = calloc(tasks + 1, sizeof(*h.rank)),
                     .end = calloc(tasks + 1, sizeof(*h.end)),
                     .order = calloc(tasks + 1, sizeof(*h.order)),
                     .span = calloc(tasks * (size_t)p->devices + 1, sizeof(*h.span))};
    const bool ok = h.rank && h.end && h.order && h.span;

    for (int i = 0; ok && i < p->tasks; i++)
        h.end[i] = HUGE_VAL;
    if (ok) {
        rank_tasks(p, &h);
        sort_by_rank(p, &h);
    }
    for (int i = 0; ok && i < p->tasks; i++)
        if (h.end[h.order[i]] == HUGE_VAL)
            place_unit(p, &h, p->unit[h.order[i]]);
    free(h.rank);
    free(h.end);
    free(h.order);
    free(h.span);
    return ok;
}
