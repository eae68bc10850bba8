#include "scheduler/card_deal.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct pile { /* queued rows of all PEs */
    const struct spacc_card_deal *deal;
    int64_t *row;              /* [pes][queue], rings */
    uint32_t *first, *waiting; /* [pes] */
    int64_t *taken;            /* [pes] */
    uint32_t empty, full;      /* PEs */
};

static bool wanted(const struct spacc_card_deal *d, size_t step, size_t row)
{
    return d->mask[step * d->mask_stride + row / 8] >> row % 8 & 1;
}

static bool fits(const struct pile *p, size_t step, size_t group)
{
    const struct spacc_card_deal *d = p->deal;

    for (uint32_t pe = 0; p->full && pe < d->pes; pe++)
        if (p->waiting[pe] == d->queue && wanted(d, step, group * d->pes + pe))
            return false;
    return true;
}

static uint32_t put(struct pile *p, size_t step, size_t group)
{
    const struct spacc_card_deal *d = p->deal;
    uint32_t rows = 0;

    for (uint32_t pe = 0; pe < d->pes; pe++) {
        if (!wanted(d, step, group * d->pes + pe))
            continue;
        p->row[pe * d->queue + (p->first[pe] + p->waiting[pe]) % d->queue] =
            (int64_t)(step * d->groups + group);
        p->empty -= p->waiting[pe]++ == 0;
        p->full += p->waiting[pe] == d->queue;
        rows++;
    }
    return rows;
}

static void take(struct pile *p)
{
    const uint32_t queue = p->deal->queue;

    for (uint32_t pe = 0; pe < p->deal->pes; pe++) {
        p->taken[pe] = SPACC_NO_ROW;
        if (!p->waiting[pe])
            continue;
        p->taken[pe] = p->row[pe * queue + p->first[pe]];
        p->first[pe] = (p->first[pe] + 1) % queue;
        p->full -= p->waiting[pe] == queue;
        p->empty += --p->waiting[pe] == 0;
    }
}

/* Whether the oldest queued row is `window` steps older than `step`, which comes next. */
static bool held(const struct pile *p, size_t step)
{
    const struct spacc_card_deal *d = p->deal;
    size_t oldest = step;

    for (uint32_t pe = 0; pe < d->pes; pe++)
        if (p->waiting[pe]) {
            const size_t of = (size_t)p->row[pe * d->queue + p->first[pe]] / d->groups;
            oldest = of < oldest ? of : oldest;
        }
    return step - oldest >= d->window;
}

static void take_now(struct pile *p, spacc_dealt_fn fn, void *user,
                     struct spacc_card_dealt *dealt)
{
    take(p);
    dealt->groups++;
    if (fn)
        fn(user, p->taken);
}

/* Take as long as this group of rows has to wait, or all PEs have some. */
static void deal_group(struct pile *p, size_t step, size_t group, spacc_dealt_fn fn, void *user,
                       struct spacc_card_dealt *dealt)
{
    while (p->empty == 0 || !fits(p, step, group) || (group == 0 && held(p, step)))
        take_now(p, fn, user, dealt);
    dealt->rows += put(p, step, group);
}

static void deal_all(struct pile *p, spacc_dealt_fn fn, void *user,
                     struct spacc_card_dealt *dealt)
{
    const struct spacc_card_deal *d = p->deal;

    p->empty = d->pes;
    for (size_t t = 0; t < d->steps; t++)
        for (uint32_t g = 0; g < d->groups; g++)
            deal_group(p, t, g, fn, user, dealt);
    while (p->empty != d->pes)
        take_now(p, fn, user, dealt);
}

enum spacc_status spacc_card_deal(const struct spacc_card_deal *d, spacc_dealt_fn fn,
                                  void *user, struct spacc_card_dealt *dealt)
{
    struct pile p = {.deal = d};
    enum spacc_status s = SPACC_ENOMEM;

    memset(dealt, 0, sizeof(*dealt));
    p.row = calloc((size_t)d->pes * d->queue + 1, sizeof(*p.row));
    p.first = calloc(d->pes, sizeof(*p.first));
    p.waiting = calloc(d->pes, sizeof(*p.waiting));
    p.taken = calloc(d->pes, sizeof(*p.taken));
    if (!p.row || !p.first || !p.waiting || !p.taken)
        goto out;
    deal_all(&p, fn, user, dealt);
    s = SPACC_OK;
out:
    free(p.row);
    free(p.first);
    free(p.waiting);
    free(p.taken);
    return s;
}
