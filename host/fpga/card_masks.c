#include "host/fpga/card_masks.h"

#include <stdlib.h>
#include <string.h>

#include "scheduler/card_deal.h"

enum { SLOTS_MAX = 15, WINDOW_MAX = 9 };

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t mask_bytes(const struct spacc_layout *l)
{
    const size_t bits = l->groups * l->pes, beat = l->beat_bytes;

    return (bits + 8 * beat - 1) / (8 * beat) * beat;
}

/* Steps of x, and of masks, that the card holds. */
static size_t slots(const struct spacc_layout *l, const struct spacc_card_info *card,
                    size_t overlap)
{
    const size_t beats = mask_bytes(l) / l->beat_bytes;
    const size_t of_x = l->x_room / (l->x_words / (overlap + 1));

    return min_size(SLOTS_MAX, min_size(of_x, card->mask_beats / beats));
}

bool spacc_card_masks_can(const struct spacc_layout *l, const struct spacc_card_info *card,
                          size_t overlap)
{
    return card->queue != 0 && l->ring_words == 0 && l->x_words % (overlap + 1) == 0 &&
           slots(l, card, overlap) >= overlap + 2;
}

static bool wanted(const struct spacc_fixed_layer *layer, const struct spacc_job *job, size_t t,
                   size_t row)
{
    const size_t words = (layer->outputs + 63) / 64;

    return row < layer->outputs && (job->mask[t * words + row / 64] >> row % 64 & 1);
}

static bool wants_any(const struct spacc_fixed_layer *layer, const struct spacc_job *job,
                      size_t t)
{
    for (size_t row = 0; row < layer->outputs; row++)
        if (wanted(layer, job, t, row))
            return true;
    return false;
}

/* A RUN computes one row at least: the first one of the last step, if nobody wants any. */
static void fill_mask(struct spacc_card_masks *m, const struct spacc_fixed_layer *layer,
                      const struct spacc_job *job)
{
    bool any = false;

    for (size_t t = 0; t < job->steps; t++) {
        const bool all = m->whole && wants_any(layer, job, t);
        for (size_t row = 0; row < layer->outputs; row++)
            if (all || wanted(layer, job, t, row)) {
                m->mask[t * m->mask_bytes + row / 8] |= (uint8_t)(1u << row % 8);
                any = true;
            }
    }
    if (!any)
        m->mask[(job->steps - 1) * m->mask_bytes] |= 1;
}

static struct spacc_card_deal deal_of(const struct spacc_card_masks *m,
                                      const struct spacc_layout *l, const struct spacc_job *job)
{
    return (struct spacc_card_deal){(uint32_t)l->pes, (uint32_t)l->groups, m->queue,
                                    m->window,        job->steps,          m->mask,
                                    m->mask_bytes};
}

/* Without masks: the rows that nobody wants are set to 0 afterwards. */
static enum spacc_status make_input(struct spacc_card_masks *m,
                                    const struct spacc_fixed_layer *layer,
                                    const struct spacc_job *job, struct spacc_error *err)
{
    *m = (struct spacc_card_masks){0};
    if (job->overlap == 0)
        return SPACC_OK;
    if (!(m->x = malloc(job->steps * layer->x_cols * sizeof(*m->x))))
        return spacc_fail(err, SPACC_ENOMEM, "no memory for the input of %zu steps",
                          job->steps);
    spacc_job_input(job, layer, m->x);
    return SPACC_OK;
}

enum spacc_status
spacc_card_masks_make(struct spacc_card_masks *m, const struct spacc_layout *l,
                      const struct spacc_card_info *card, const struct spacc_fixed_layer *layer,
                      const struct spacc_job *job, bool whole, struct spacc_error *err)
{
    struct spacc_card_dealt dealt;
    struct spacc_card_deal deal;
    size_t room, own;

    if (!spacc_card_masks_can(l, card, job->overlap))
        return make_input(m, layer, job, err);
    room = slots(l, card, job->overlap);
    own = room - job->overlap;
    *m = (struct spacc_card_masks){.on = true,
                                   .whole = whole,
                                   .overlap = (uint32_t)job->overlap,
                                   .x_slots = (uint32_t)room,
                                   .queue = card->queue,
                                   .mask_bytes = mask_bytes(l)};
    m->window = (uint32_t)min_size(WINDOW_MAX, own - own / 3); /* the others: x that comes */
    m->window -= m->window == own;
    if (!(m->mask = calloc(job->steps, m->mask_bytes)))
        return spacc_fail(err, SPACC_ENOMEM, "no memory for the masks of %zu steps",
                          job->steps);
    fill_mask(m, layer, job);
    deal = deal_of(m, l, job);
    if (spacc_card_deal(&deal, NULL, NULL, &dealt))
        return spacc_fail(err, SPACC_ENOMEM, "no memory to deal the rows of %zu steps",
                          job->steps);
    m->y_groups = dealt.groups;
    if (m->y_groups >= (UINT64_C(1) << 30) / l->pes - 1)
        return spacc_fail(err, SPACC_ENOFIT, "%zu steps give y of more than 4 GiB", job->steps);
    return SPACC_OK;
}

void spacc_card_masks_free(struct spacc_card_masks *m)
{
    free(m->mask);
    free(m->x);
    m->mask = NULL;
    m->x = NULL;
}

struct scatter {
    const struct spacc_layout *l;
    const struct spacc_fixed_layer *layer;
    struct spacc_job *job;
    const int32_t *y; /* of the next group */
};

static void scatter(void *user, const int64_t *row)
{
    struct scatter *s = user;
    const size_t rows = 4 * s->layer->units;

    for (size_t pe = 0; pe < s->l->pes; pe++) {
        if (row[pe] == SPACC_NO_ROW)
            continue;
        const size_t t = (size_t)row[pe] / s->l->groups;
        const size_t r = (size_t)row[pe] % s->l->groups * s->l->pes + pe;
        if (wanted(s->layer, s->job, t, r))
            ((int32_t *)s->job->y)[t * rows + r] = s->y[pe];
    }
    s->y += s->l->pes;
}

enum spacc_status spacc_card_masks_get(const struct spacc_card_masks *m,
                                       const struct spacc_layout *l,
                                       const struct spacc_fixed_layer *layer,
                                       struct spacc_job *job, const int32_t *y)
{
    const struct spacc_card_deal deal = deal_of(m, l, job);
    struct scatter to = {l, layer, job, y};
    struct spacc_card_dealt dealt;

    memset(job->y, 0, job->steps * 4 * layer->units * sizeof(int32_t));
    return spacc_card_deal(&deal, scatter, &to, &dealt);
}

void spacc_card_masks_clear(const struct spacc_fixed_layer *layer, struct spacc_job *job)
{
    const size_t rows = 4 * layer->units;

    for (size_t t = 0; t < job->steps; t++)
        for (size_t r = 0; r < rows; r++)
            if (!wanted(layer, job, t, r))
                ((int32_t *)job->y)[t * rows + r] = 0;
}
