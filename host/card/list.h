/* list.h - the cards that this machine has, for `spacc devices`. */
#ifndef SPACC_CARD_LIST_H
#define SPACC_CARD_LIST_H

#include "host/card/card.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_card_entry {
    const char *name; /* as spacc_card_open() takes it: "sim:4x4", "opencl:0.0" */
    /* What the card says of itself (of a kernel that is still to be built: what it will say),
     * or NULL: `note` has why there is nothing. */
    const struct spacc_card_info *info;
    const char *note; /* what it is, or ""; until the call returns */
};

typedef void (*spacc_card_tell)(void *user, const struct spacc_card_entry *entry);

/* Every card: the simulated ones, boards behind XRT, devices of OpenCL, mapped ones. Cards are
 * opened, which loads the file of $SPACC_XCLBIN where there is one; nothing is compiled. A card
 * that does not open, and a kind whose library or build is missing, is one entry with a note.
 */
void spacc_card_list(spacc_card_tell tell, void *user);

/* The same of one kind. */
void spacc_xrt_card_list(spacc_card_tell tell, void *user);
void spacc_opencl_card_list(spacc_card_tell tell, void *user);

/* Open a card by name, tell what it says or why not, close it. A card that is known to be there
 * has a note of its own. */
void spacc_card_list_opened(const char *name, const char *note, spacc_card_tell tell,
                            void *user);

#ifdef __cplusplus
}
#endif

#endif
