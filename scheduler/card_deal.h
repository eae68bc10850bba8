/* card_deal.h - which rows of a masked RUN leave the card together: rtl/spacc_deal.sv in words
 * of masks, without time.
 *
 * Row r of a step belongs to PE r mod M, group r / M. Step by step, group by group, every PE
 * whose mask bit is set queues the row of that group, all of them or none. The array takes a
 * row of every PE that has one: when all have one, when the next group does not fit because
 * one of its queues is full, when the next step is `window` steps younger than the oldest
 * queued row, and at the end. */
#ifndef SPACC_CARD_DEAL_H
#define SPACC_CARD_DEAL_H

#include <stddef.h>
#include <stdint.h>

#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_card_deal {
    uint32_t pes, groups; /* M; groups of a step */
    uint32_t queue;       /* rows that a PE queues */
    uint32_t window;      /* steps that queued rows may belong to, 1 or more */
    size_t steps;
    const uint8_t *mask; /* bit r % 8 of byte r / 8 of a step: row r is computed */
    size_t mask_stride;  /* bytes from step to step, at least groups * pes / 8, rounded up */
};

struct spacc_card_dealt {
    uint64_t groups; /* taken: groups of y */
    uint64_t rows;   /* computed */
};

enum { SPACC_NO_ROW = -1 };

/* What is taken at a time: row[PE] is step * groups + group, or SPACC_NO_ROW. */
typedef void (*spacc_dealt_fn)(void *user, const int64_t *row);

/* Deal all steps; `take` may be NULL. SPACC_ENOMEM. */
enum spacc_status spacc_card_deal(const struct spacc_card_deal *deal, spacc_dealt_fn take,
                                  void *user, struct spacc_card_dealt *dealt);

#ifdef __cplusplus
}
#endif

#endif
