/* place_search.c - improve an assignment by moving units, alone or with those around them.
 *
 * A move takes a unit, or the 2, 3, 4, 6 ... units of its device that are nearest to it through
 * tensors, to another device; it stays when the price is better. When no move is, a few random
 * ones are made and undone again unless they led to something better. Effort is counted in
 * priced tasks, not in time: the same tasks give the same placement. */
#include "scheduler/place_parts.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* About 2 ms; all the improvement seen in practice comes much earlier. */
enum { PRICED_MAX = 60000, IDLE_KICKS_MAX = 120, KICK_MOVES = 4 };

struct search {
    struct spacc_placer *p;
    int *best, *now, *trial;                     /* [tasks] */
    struct spacc_placer_price best_price, price; /* of best; of now */
    int *group;                                  /* [units] */
    int *seen, round;                            /* [units] */
    int grouped;
    long priced_before;
    uint32_t random;
};

static void copy(const struct search *s, int *to, const int *from)
{
    memcpy(to, from, (size_t)s->p->tasks * sizeof(*to));
}

static bool has_effort_left(const struct search *s)
{
    return s->p->priced - s->priced_before < PRICED_MAX;
}

static bool is_trial_better(struct search *s, struct spacc_placer_price *price)
{
    const double limit_us = s->p->objective == SPACC_LATENCY ? s->price.us : HUGE_VAL;

    return spacc_placer_price(s->p, s->trial, limit_us, price) &&
           spacc_placer_is_better(s->p, price, &s->price);
}

/* ---- groups -------------------------------------------------------------------------------
 */

static int device_of(const struct search *s, int unit)
{
    return s->now[s->p->members.item[s->p->members.at[unit]]];
}

static void see(struct search *s, int unit)
{
    if (s->seen[unit] == s->round)
        return;
    s->seen[unit] = s->round;
    s->group[s->grouped++] = unit;
}

/* The units of unit's device around it, nearest first. */
static void find_group(struct search *s, int unit)
{
    const struct spacc_placer_list *near = &s->p->near;
    const int on = device_of(s, unit);

    s->round++;
    s->grouped = 0;
    see(s, unit);
    for (int g = 0; g < s->grouped; g++)
        for (int k = near->at[s->group[g]]; k < near->at[s->group[g] + 1]; k++)
            if (device_of(s, near->item[k]) == on)
                see(s, near->item[k]);
}

/* False: none of group[from..to) can run there. */
static bool move_group(struct search *s, int from, int to, int device)
{
    bool moved = false;

    for (int g = from; g < to; g++)
        if (s->p->can[s->group[g] * s->p->devices + device]) {
            spacc_placer_move(s->p, s->trial, s->group[g], device);
            moved = true;
        }
    return moved;
}

static int next_size(int size)
{
    return size + 1 + size / 4;
}

/* ---- climbing -----------------------------------------------------------------------------
 */

/* Take the group, in growing parts, to `device`; true when some part stayed there. */
static bool try_device(struct search *s, int device)
{
    struct spacc_placer_price price;

    for (int from = 0, to = 1; from < s->grouped && has_effort_left(s); from = to) {
        to = from ? next_size(from) : 1;
        to = to < s->grouped ? to : s->grouped;
        if (!move_group(s, from, to, device) || !is_trial_better(s, &price))
            continue;
        copy(s, s->now, s->trial);
        s->price = price;
        return true;
    }
    copy(s, s->trial, s->now);
    return false;
}

static bool try_unit(struct search *s, int unit)
{
    bool better = false;

    find_group(s, unit);
    for (int d = 0; d < s->p->devices && !better; d++)
        better = d != device_of(s, unit) && try_device(s, d);
    return better;
}

static void climb(struct search *s)
{
    int unit = 0;

    for (int idle = 0; idle < s->p->units && has_effort_left(s); unit++) {
        idle = try_unit(s, unit % s->p->units) ? 0 : idle + 1;
    }
}

/* ---- kicks --------------------------------------------------------------------------------
 */

/* 0 .. below - 1; Numerical Recipes' constants. */
static int draw(struct search *s, int below)
{
    s->random = s->random * 1664525u + 1013904223u;
    return (int)((uint64_t)s->random * (uint64_t)below >> 32);
}

static void kick(struct search *s)
{
    for (int i = 0; i < KICK_MOVES; i++) {
        find_group(s, draw(s, s->p->units));
        const int size = 1 + draw(s, draw(s, 2) ? 1 : s->grouped);
        move_group(s, 0, size, draw(s, s->p->devices));
        copy(s, s->now, s->trial);
    }
    (void)spacc_placer_price(s->p, s->now, HUGE_VAL, &s->price);
}

static bool keep_if_better(struct search *s)
{
    const bool better = spacc_placer_is_better(s->p, &s->price, &s->best_price);

    if (better) {
        copy(s, s->best, s->now);
        s->best_price = s->price;
    }
    copy(s, s->now, s->best);
    copy(s, s->trial, s->best);
    s->price = s->best_price;
    return better;
}

static void search(struct search *s)
{
    climb(s);
    (void)keep_if_better(s);
    for (int idle = 0; idle < IDLE_KICKS_MAX && has_effort_left(s); idle++) {
        kick(s);
        climb(s);
        if (keep_if_better(s))
            idle = 0;
    }
}

bool spacc_place_search(struct spacc_placer *p, int *device, struct spacc_placer_price *price)
{
    const size_t tasks = (size_t)p->tasks, units = (size_t)p->units;
    struct search s = {.p = p,
                       .best = device,
                       .best_price = *price,
                       .price = *price,
                       .now = calloc(tasks + 1, sizeof(int)),
                       .trial = calloc(tasks + 1, sizeof(int)),
                       .group = calloc(units + 1, sizeof(int)),
                       .seen = calloc(units + 1, sizeof(int)),
                       .priced_before = p->priced,
                       .random = 1};
    const bool ok = s.now && s.trial && s.group && s.seen;

    if (ok && p->units > 0 && p->devices > 1) {
        copy(&s, s.now, device);
        copy(&s, s.trial, device);
        search(&s);
        *price = s.best_price;
    }
    free(s.now);
    free(s.trial);
    free(s.group);
    free(s.seen);
    return ok;
}
