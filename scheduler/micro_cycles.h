/* micro_cycles.h - how many cycles a program takes on rtl/spacc_micro.sv, exactly, without it.
 *
 * Only the shifts of the row parameters decide besides the fields of the instructions: a
 * product is shifted by a place a cycle. */
#ifndef SPACC_MICRO_CYCLES_H
#define SPACC_MICRO_CYCLES_H

#include "scheduler/card_cycles.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPACC_MICRO_UNITS = 256 };

/* As spacc_card_cycles(). Counted are cycles, ISSUE and CONTROL. SPACC_EINVAL: an instruction
 * that this card refuses, or parameters outside of their region or of the card.
 *   shift    of the row parameters on the card, 4 a unit: zeros at first; what this program
 *            loads stays for the next one */
enum spacc_status spacc_micro_cycles(const uint32_t (*word)[16], size_t instructions,
                                     spacc_region_fn region, void *user,
                                     uint8_t shift[SPACC_MICRO_UNITS][4],
                                     struct spacc_card_count *mark, size_t marks,
                                     struct spacc_card_count *total, struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
