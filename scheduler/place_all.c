/* place_all.c - small graphs: every assignment there is. The last unit changes fastest, so that
 * most of a price is the last one's. */
#include "scheduler/place_parts.h"

#include <math.h>
#include <string.h>

/* 9 units on 3 devices, 14 on 2: at most 3 ms. */
enum { ASSIGNMENTS_MAX = 20000 };

bool spacc_place_is_small(const struct spacc_placer *p)
{
    long assignments = 1;

    for (int u = 0; u < p->units && assignments <= ASSIGNMENTS_MAX; u++) {
        int devices = 0;
        for (int d = 0; d < p->devices; d++)
            devices += p->can[u * p->devices + d];
        assignments *= devices;
    }
    return assignments <= ASSIGNMENTS_MAX;
}

/* The unit's first device behind `d`, or -1. */
static int next_device(const struct spacc_placer *p, int unit, int d)
{
    for (d++; d < p->devices; d++)
        if (p->can[unit * p->devices + d])
            return d;
    return -1;
}

/* False: `device` was the last assignment. */
static bool count_up(const struct spacc_placer *p, int *device)
{
    for (int u = p->units - 1; u >= 0; u--) {
        const int d = next_device(p, u, device[p->members.item[p->members.at[u]]]);
        spacc_placer_move(p, device, u, d >= 0 ? d : next_device(p, u, -1));
        if (d >= 0)
            return true;
    }
    return false;
}

void spacc_place_all(struct spacc_placer *p, int *trial, int *device,
                     struct spacc_placer_price *price)
{
    struct spacc_placer_price got;

    for (int u = 0; u < p->units; u++)
        spacc_placer_move(p, trial, u, next_device(p, u, -1));
    do {
        const double limit_us = p->objective == SPACC_LATENCY ? price->us : HUGE_VAL;
        if (!spacc_placer_price(p, trial, limit_us, &got) ||
            !spacc_placer_is_better(p, &got, price))
            continue;
        memcpy(device, trial, (size_t)p->tasks * sizeof(*device));
        *price = got;
    } while (count_up(p, trial));
}
