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

/* `config` as in rtl/card.toml ("16x16"); NULL is that. SPACC_EUNSUPPORTED names those there
 * are; SPACC_ENOMEM. The stated clock is 200 MHz, the memory's latency that of the simulated
 * one. */
enum spacc_status spacc_model_card_open(struct spacc_card **out, const char *config,
                                        struct spacc_error *err);

/* Whether a card is of this kind. */
bool spacc_card_only_counts(const struct spacc_card_info *info);

#ifdef __cplusplus
}
#endif

#endif
