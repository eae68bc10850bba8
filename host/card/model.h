/* model.h - a card that only counts: it answers registers and memory as a card does, and a run
 * takes the cycles that scheduler/card_cycles says, but no data moves: y and states in its
 * memory stay as they were, only MARKs are written. The card device computes the outputs of
 * such a card in C, with the same bits (host/fpga/card_device.c). */
#ifndef SPACC_CARD_MODEL_H
#define SPACC_CARD_MODEL_H

#include "host/card/card.h"

#ifdef __cplusplus
extern "C" {
#endif

/* `config` as in rtl/card.toml ("16x16"; NULL is that), or a board ("ulx3s"). The stated clock
 * is 200 MHz, or the board's, whose memory may be small (SPACC_ENOFIT of an allocation); the
 * memory's latency is that of the simulated one. SPACC_EUNSUPPORTED: no such card (names those
 * there are), or one with the small cell unit; SPACC_ENOMEM. */
enum spacc_status spacc_model_card_open(struct spacc_card **out, const char *config,
                                        struct spacc_error *err);

/* The `config` of a card that says this of itself: it takes the same cycles. NULL: there is
 * none. */
const char *spacc_model_card_like(const struct spacc_card_info *info);

/* Whether a card is of this kind. */
bool spacc_card_only_counts(const struct spacc_card_info *info);

#ifdef __cplusplus
}
#endif

#endif
