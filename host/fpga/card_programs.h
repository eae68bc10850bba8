/* card_programs.h - batches as programs of a card.
 *
 *   MARK | [load] RUN .. MARK | [load] RUN .. MARK | END       as many as the card takes
 */
#ifndef SPACC_CARD_PROGRAMS_H
#define SPACC_CARD_PROGRAMS_H

#include "host/fpga/card_jobs.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A program of the next batches of a list, of at most `instructions`.
 *
 *   next       in: the first of them, one of `batches`; out: the first one behind them
 *   in_window  the layer that is in the window (card_places.h) or NULL; changed
 *
 * A layer that has to be loaded into the window first is, behind the mark before its batch:
 * that counts as the batch's LOAD. Sets mark_before of its batches. */
void spacc_card_program(struct spacc_program *p, struct spacc_card_batch *batch, size_t batches,
                        const struct spacc_job *job, size_t instructions, size_t *next,
                        const struct spacc_card_layer **in_window);

#ifdef __cplusplus
}
#endif

#endif
