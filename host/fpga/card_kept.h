/* card_kept.h - h and states that stay on a card between runs.
 *
 *   h memory   [ 0 | 1 | m ][ 0 | 1 | m ] ...    halves of h and m: a batch of a layer each
 *   states     [ batch * units ][ ... ] ...
 *
 * A batch whose sequences begin with exactly the h and states that an earlier batch of its
 * layer ended with runs where that one ran, and loads nothing. Others get free words, else the
 * area of a batch of their layer that this list has not used, else those used longest ago. */
#ifndef SPACC_CARD_KEPT_H
#define SPACC_CARD_KEPT_H

#include "host/device.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_card_kept;

/* What a batch begins with, and where. */
struct spacc_card_hold {
    enum spacc_start start;
    uint32_t half; /* KEPT: where the last h is */
    uint32_t h_base, state_base;
    size_t area; /* private, as the next */
    uint64_t turn;
};

/* Whether its state says more than its h: the c of an LSTM. */
bool spacc_card_keeps_c(const struct spacc_fixed_layer *layer);

/* Of a card with so many words of h a lane and cell states. SPACC_ENOMEM. */
enum spacc_status spacc_card_kept_new(struct spacc_card_kept **out, size_t h_words,
                                      size_t states);
void spacc_card_kept_free(struct spacc_card_kept *k); /* NULL is allowed */

/* A list of jobs begins: what it takes is kept until it ends, as far as there is room. */
void spacc_card_kept_begin(struct spacc_card_kept *k);

/* Where jobs job[0..batch), which are one batch of a layer, run: one that spacc_layout_make()
 * let through, not more than its batch_max, not LINEAR. SPACC_ENOMEM. */
enum spacc_status spacc_card_kept_take(struct spacc_card_kept *k, const struct spacc_layout *l,
                                       const struct spacc_fixed_layer *layer,
                                       const struct spacc_job *job, size_t batch,
                                       struct spacc_card_hold *out);

/* The list is over: the batch has run and left h and states as job[] now has them, unless its
 * state was skipped: then nothing is kept. In the order of the batches. */
void spacc_card_kept_put(struct spacc_card_kept *k, const struct spacc_card_hold *hold,
                         const struct spacc_job *job);

/* Nothing that was on the card can be trusted. */
void spacc_card_kept_forget(struct spacc_card_kept *k);

#ifdef __cplusplus
}
#endif

#endif
