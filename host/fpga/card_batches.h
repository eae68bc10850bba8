/* card_batches.h - which jobs of a list run as one RUN of the card, a sequence each.
 *
 *   layer A:  job 0  1  2 | 3  4      jobs 0..2 and 3..4 as far as A and B take
 *   layer B:  job 5  6  7 | 8  9      x_job 0 1 2 3 4: batches of B read those of A
 *
 * Jobs stand together when they follow each other in the list, are of the same layer, steps and
 * direction, and take x from the host, or from jobs that stand together as well: y of a batch
 * lies in memory as the batch that reads it wants x. */
#ifndef SPACC_CARD_BATCHES_H
#define SPACC_CARD_BATCHES_H

#include "host/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Cut a list of jobs into batches.
 *
 *   size   [jobs] out: at the first job of a batch how many it has, 0 at the others
 *   most   [jobs] in: sequences that the job's layer takes at once, 1 or more; changed: what
 *          readers of its y leave of them
 *
 * x_job of every job is an earlier one or -1. SPACC_ENOMEM.
 */
enum spacc_status spacc_card_batches(const struct spacc_job *job, size_t jobs, size_t *most,
                                     size_t *size);

#ifdef __cplusplus
}
#endif

#endif
