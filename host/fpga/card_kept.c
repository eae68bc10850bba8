#include "host/fpga/card_kept.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { AREAS = 64 };

/* A range of both memories; free when `layer` is NULL. */
struct area {
    const struct spacc_fixed_layer *layer;
    size_t batch;
    size_t h_base, h_words, state_base, states;
    uint64_t turn, list; /* of the last use */
    bool valid;          /* h and state say what is there */
    uint32_t half;
    int16_t *h;     /* [batch][h_cols] */
    int32_t *state; /* [batch][units] */
};

struct spacc_card_kept {
    size_t h_words, states;
    uint64_t turn, list;
    struct area area[AREAS];
};

enum spacc_status spacc_card_kept_new(struct spacc_card_kept **out, size_t h_words,
                                      size_t states)
{
    struct spacc_card_kept *k = calloc(1, sizeof(*k));

    *out = k;
    if (!k)
        return SPACC_ENOMEM;
    k->h_words = h_words;
    k->states = states;
    return SPACC_OK;
}

static void drop(struct area *a)
{
    free(a->h);
    free(a->state);
    memset(a, 0, sizeof(*a));
}

void spacc_card_kept_forget(struct spacc_card_kept *k)
{
    for (size_t i = 0; i < AREAS; i++)
        drop(&k->area[i]);
}

void spacc_card_kept_free(struct spacc_card_kept *k)
{
    if (k)
        spacc_card_kept_forget(k);
    free(k);
}

void spacc_card_kept_begin(struct spacc_card_kept *k)
{
    k->list++;
}

bool spacc_card_keeps_c(const struct spacc_fixed_layer *layer)
{
    return layer->cell == SPACC_CELL_LSTM || layer->cell == SPACC_CELL_LSTMP;
}

/* ---- what a batch begins with ------------------------------------------------ */

static bool all_zero(const struct spacc_fixed_layer *layer, const struct spacc_job *job)
{
    const size_t h_cols = spacc_fixed_h_cols(layer);

    for (size_t i = 0; i < h_cols; i++)
        if (job->h[i])
            return false;
    for (size_t u = 0; u < layer->units; u++)
        if (job->state[u])
            return false;
    return true;
}

static bool starts_at_zero(const struct spacc_fixed_layer *layer, const struct spacc_job *job,
                           size_t batch)
{
    for (size_t b = 0; b < batch; b++)
        if (!all_zero(layer, &job[b]))
            return false;
    return true;
}

static bool holds(const struct area *a, const struct spacc_job *job)
{
    const size_t h_cols = spacc_fixed_h_cols(a->layer), units = a->layer->units;

    for (size_t b = 0; b < a->batch; b++)
        if (memcmp(a->h + b * h_cols, job[b].h, h_cols * sizeof(*a->h)) != 0 ||
            memcmp(a->state + b * units, job[b].state, units * sizeof(*a->state)) != 0)
            return false;
    return true;
}

/* ---- areas ------------------------------------------------------------------- */

/* Of the same layer and batch, and not used by this list. */
static bool is_own(const struct spacc_card_kept *k, const struct area *a,
                   const struct spacc_fixed_layer *layer, size_t batch)
{
    return a->layer == layer && a->batch == batch && a->list != k->list;
}

static struct area *find_same(struct spacc_card_kept *k, const struct spacc_fixed_layer *layer,
                              const struct spacc_job *job, size_t batch)
{
    for (size_t i = 0; i < AREAS; i++)
        if (is_own(k, &k->area[i], layer, batch) && k->area[i].valid && holds(&k->area[i], job))
            return &k->area[i];
    return NULL;
}

static struct area *oldest_own(struct spacc_card_kept *k, const struct spacc_fixed_layer *layer,
                               size_t batch)
{
    struct area *oldest = NULL;

    for (size_t i = 0; i < AREAS; i++)
        if (is_own(k, &k->area[i], layer, batch) && (!oldest || k->area[i].turn < oldest->turn))
            oldest = &k->area[i];
    return oldest;
}

/* The lowest address from which `size` words of a memory of `room` are free of all areas; room
 * when there is none. `of_h` says which memory. */
static size_t find_room(const struct spacc_card_kept *k, size_t room, size_t size, bool of_h)
{
    size_t at = 0, i = 0;

    while (i < AREAS && at + size <= room) {
        const struct area *a = &k->area[i++];
        const size_t base = of_h ? a->h_base : a->state_base;
        const size_t end = base + (of_h ? a->h_words : a->states);
        if (a->layer && base < at + size && at < end) {
            at = end; /* behind it, and once more past all the others */
            i = 0;
        }
    }
    return at + size <= room ? at : room;
}

static void drop_oldest(struct spacc_card_kept *k)
{
    struct area *oldest = NULL;

    for (size_t i = 0; i < AREAS; i++)
        if (k->area[i].layer && (!oldest || k->area[i].turn < oldest->turn))
            oldest = &k->area[i];
    assert(oldest); /* one batch fits an empty card */
    drop(oldest);
}

/* A new area in free words; NULL when there are none. *no_memory is of the host. */
static struct area *make_area(struct spacc_card_kept *k, const struct spacc_layout *l,
                              const struct spacc_fixed_layer *layer, size_t batch,
                              bool *no_memory)
{
    const size_t h_words = batch * l->h_memory, states = batch * l->units;
    const size_t h_base = find_room(k, k->h_words, h_words, true);
    const size_t state_base = find_room(k, k->states, states, false);
    size_t i = 0;

    while (i < AREAS && k->area[i].layer)
        i++;
    if (i == AREAS || h_base == k->h_words || state_base == k->states)
        return NULL;
    k->area[i] = (struct area){.layer = layer,
                               .batch = batch,
                               .h_base = h_base,
                               .h_words = h_words,
                               .state_base = state_base,
                               .states = states,
                               .h = calloc(batch * spacc_fixed_h_cols(layer) + 1, 2),
                               .state = calloc(batch * layer->units + 1, 4)};
    *no_memory = !k->area[i].h || !k->area[i].state;
    return &k->area[i];
}

static enum spacc_status find_area(struct spacc_card_kept *k, const struct spacc_layout *l,
                                   const struct spacc_fixed_layer *layer, size_t batch,
                                   struct area **out)
{
    bool no_memory = false;

    if (!(*out = make_area(k, l, layer, batch, &no_memory)))
        *out = oldest_own(k, layer, batch);
    while (!*out) {
        drop_oldest(k);
        *out = make_area(k, l, layer, batch, &no_memory);
    }
    if (no_memory)
        drop(*out);
    return no_memory ? SPACC_ENOMEM : SPACC_OK;
}

enum spacc_status spacc_card_kept_take(struct spacc_card_kept *k, const struct spacc_layout *l,
                                       const struct spacc_fixed_layer *layer,
                                       const struct spacc_job *job, size_t batch,
                                       struct spacc_card_hold *out)
{
    const bool zero = starts_at_zero(layer, job, batch);
    struct area *a = zero ? NULL : find_same(k, layer, job, batch);
    const bool same = a != NULL;
    enum spacc_status s;

    if (!same && (s = find_area(k, l, layer, batch, &a)))
        return s;
    if (!same)
        a->half = 0;
    a->valid = false; /* until the list is over */
    a->turn = ++k->turn;
    a->list = k->list;
    *out = (struct spacc_card_hold){.start = zero   ? SPACC_START_ZERO
                                             : same ? SPACC_START_KEPT
                                                    : SPACC_START_LOAD,
                                    .half = a->half,
                                    .h_base = (uint32_t)a->h_base,
                                    .state_base = (uint32_t)a->state_base,
                                    .area = (size_t)(a - k->area),
                                    .turn = a->turn};
    return SPACC_OK;
}

void spacc_card_kept_put(struct spacc_card_kept *k, const struct spacc_card_hold *hold,
                         const struct spacc_job *job)
{
    struct area *a = &k->area[hold->area];

    if (!a->layer || a->turn != hold->turn) /* given to a later batch of the list */
        return;
    for (size_t b = 0; b < a->batch; b++)
        if (job[b].skip_state && spacc_card_keeps_c(a->layer))
            return; /* its c is not known: nobody will ask for it */
    const size_t h_cols = spacc_fixed_h_cols(a->layer), units = a->layer->units;
    for (size_t b = 0; b < a->batch; b++) {
        memcpy(a->h + b * h_cols, job[b].h, h_cols * sizeof(*a->h));
        memcpy(a->state + b * units, job[b].state, units * sizeof(*a->state));
    }
    a->half = (a->half + (uint32_t)(job[0].steps % 2)) % 2;
    a->valid = true;
}
