/* card_places.h - which layers stay on a card, and where.
 *
 *   weight words     [ layers that stay, side by side | window ]
 *   row parameters   [ the same                       | window ]
 *
 * Layers that do not stay are loaded into the window before they run, unless it is theirs
 * already. A streamed layer has its ring there. The window is at least as large as its largest
 * layer needs; of the others, the largest ones that leave room for it stay. */
#ifndef SPACC_CARD_PLACES_H
#define SPACC_CARD_PLACES_H

#include "host/compile.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_card_spot {
    const struct spacc_layout *layout; /* in */
    bool stays;                        /* out, as all below */
    uint32_t word_base, param_base;
    size_t ring_words; /* 0: not streamed; else the window, layout->ring_least or more */
};

/* Every layer fits the card alone (spacc_layout_make()). Returns how many do not stay. */
size_t spacc_card_places(struct spacc_card_spot *spot, size_t layers, size_t weight_words,
                         size_t units);

#ifdef __cplusplus
}
#endif

#endif
