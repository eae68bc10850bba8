/* card_masks.h - a job with a mask as a masked RUN: its masks in the card's memory, and where
 * the rows are in y.
 *
 *   x of a step   words * lanes int16, then its mask: a bit a row, whole beats
 *   y             int32 [y_groups][pes], rows as scheduler/card_deal.h says */
#ifndef SPACC_CARD_MASKS_H
#define SPACC_CARD_MASKS_H

#include "host/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a masked RUN needs; all zeros for other batches. */
struct spacc_card_masks {
    bool on;
    bool whole; /* steps with a row that is wanted have them all: y is masked here */
    uint32_t overlap, window, x_slots, queue;
    size_t mask_bytes; /* of a step, in the card's memory */
    uint64_t y_groups;
    uint8_t *mask; /* [steps][mask_bytes]; owned: spacc_card_masks_free() */
    int16_t *x;    /* of a job with overlap that no masked RUN takes: its whole input; owned */
};

/* Whether the card can skip rows of this layer: it queues rows, streams no weights for it, and
 * has room for x and masks of more steps than one reads. */
bool spacc_card_masks_can(const struct spacc_layout *l, const struct spacc_card_info *card,
                          size_t overlap);

/* Make those of a job, `whole` or not, or x of one that the card cannot run so. SPACC_ENOMEM;
 * SPACC_ENOFIT: y beyond what a RUN counts. */
enum spacc_status
spacc_card_masks_make(struct spacc_card_masks *m, const struct spacc_layout *l,
                      const struct spacc_card_info *card, const struct spacc_fixed_layer *layer,
                      const struct spacc_job *job, bool whole, struct spacc_error *err);
void spacc_card_masks_free(struct spacc_card_masks *m);

/* Copy the rows of y that the job wants, zeros elsewhere. SPACC_ENOMEM. */
enum spacc_status spacc_card_masks_get(const struct spacc_card_masks *m,
                                       const struct spacc_layout *l,
                                       const struct spacc_fixed_layer *layer,
                                       struct spacc_job *job, const int32_t *y);

/* Set rows of y that the job does not want to 0. */
void spacc_card_masks_clear(const struct spacc_fixed_layer *layer, struct spacc_job *job);

#ifdef __cplusplus
}
#endif

#endif
