/* Masked RUNs in the cycle model: spacc_deal.sv and the queues of the PEs. */
#include <string.h>

#include "scheduler/card_cycles_parts.h"

static bool wanted(const struct deal *d, const struct run_fields *f, uint32_t pe)
{
    const uint64_t row = (uint64_t)d->group * f->pes + pe;
    const uint8_t *mask = f->mask + (int64_t)d->step * f->x_stride;

    return mask[row / 8] >> row % 8 & 1;
}

static uint64_t head(const struct deal *d, uint32_t pe)
{
    return d->queued[pe][d->first[pe]];
}

struct deal_now spacc_deal_look(const struct deal *d, const struct run_fields *f)
{
    const bool able =
        d->dealing && d->there && d->masks.out && d->step - d->oldest != f->window;
    struct deal_now n = {.able = able};
    uint32_t empty = 0;

    for (uint32_t pe = 0; pe < f->pes; pe++) {
        empty += d->waiting[pe] == 0;
        n.stuck = n.stuck || (able && d->waiting[pe] == f->queue && wanted(d, f, pe));
        n.waits = n.waits || (d->waiting[pe] && head(d, pe) == d->oldest);
        n.works = n.works || (d->now[pe] && d->now_step[pe] == d->leave);
    }
    n.ready = empty == 0 ||
              (empty != f->pes &&
               (n.stuck || !d->dealing || (d->step - d->oldest == f->window && n.waits)));
    n.end = !d->dealing && empty == f->pes;
    n.release = d->oldest != d->leave && !n.works && d->lag == 0;
    return n;
}

static void pop(struct deal *d, const struct run_fields *f, bool last)
{
    for (uint32_t pe = 0; pe < f->pes; pe++) {
        const bool has = d->waiting[pe] != 0;
        if (has) {
            d->now_step[pe] = head(d, pe);
            d->first[pe] = (d->first[pe] + 1) % f->queue;
            d->waiting[pe]--;
        }
        d->now[pe] = has && !last;
    }
}

/* Returns how many rows of the group are not wanted. */
static uint32_t push(struct deal *d, const struct run_fields *f)
{
    uint32_t skipped = 0;

    for (uint32_t pe = 0; pe < f->pes; pe++) {
        if (!wanted(d, f, pe)) {
            skipped++;
            continue;
        }
        d->queued[pe][(d->first[pe] + d->waiting[pe]) % f->queue] = d->step;
        d->waiting[pe]++;
    }
    return skipped;
}

static void next_group(struct deal *d, const struct run_fields *f)
{
    if (++d->group != f->groups)
        return;
    d->group = 0;
    d->there--;
    d->dealing = ++d->step != f->steps;
}

void spacc_deal_step(struct deal *d, const struct run_fields *f, const struct deal_now *n,
                     const struct deal_in *in, struct spacc_card_count *count)
{
    const bool deal = n->able && !n->stuck;
    const bool part_end = (d->group + 1) % f->mask_parts == 0 || d->group + 1 == f->groups;
    const bool next_oldest = d->oldest != d->step && !n->waits;
    const bool leave = d->oldest != d->leave && !n->works;

    spacc_fifo_step(&d->masks, in->mask_beat, deal && part_end);
    if (in->pop) {
        pop(d, f, in->last);
        count->issue_saved -= f->k_x;
    } else if (in->last) {
        memset(d->now, 0, sizeof(d->now));
    }
    if (deal) {
        count->rows_skipped += push(d, f);
        count->issue_saved += f->k_x;
    }
    d->oldest += next_oldest;
    d->leave += leave;
    d->lag -= leave && d->lag;
    d->there += in->arrived;
    if (deal)
        next_group(d, f);
}
