/* selftest.h - a card brought up step by step: each step needs no more than those before it
 * have shown to work, so the first that fails says where to look. Every result of the array is
 * compared with the C definition (sparse/fixed.h), bit for bit.
 *
 *     identity -> registers -> memory -> dma -> pes -> spmxv -> lstm -> timeout */
#ifndef SPACC_SELFTEST_H
#define SPACC_SELFTEST_H

#include <stdbool.h>
#include <stdint.h>

#include "host/card/card.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Opens the card afresh, as often as it is called; the one before has been closed. */
typedef enum spacc_status (*spacc_selftest_open)(void *user, struct spacc_card **out,
                                                 struct spacc_error *err);

struct spacc_selftest_step {
    const char *name;   /* "registers" */
    const char *proves; /* what works when it passes */
    const char *means;  /* where to look when it is the first that fails */
    bool passed;        /* or skipped */
    bool skipped;       /* there is nothing of this card to test: found says why */
    const char *found;  /* numbers of a pass, or what went wrong; until the next step */
    double ms;          /* of the host's clock */
};

/* Called behind every step that ran. */
typedef void (*spacc_selftest_tell)(void *user, const struct spacc_selftest_step *step);

/* All steps, until one fails. The same seed gives the same data. Nothing of the card is used
 * but what host/card/card.h has. SPACC_OK: all passed; else the status of the step that failed
 * (SPACC_EDEVICE for wrong bits), err its text. SPACC_ENOMEM. */
enum spacc_status spacc_selftest_run(spacc_selftest_open open, spacc_selftest_tell tell,
                                     void *user, uint64_t seed, struct spacc_error *err);

/* How many steps there are. */
int spacc_selftest_steps(void);

#ifdef __cplusplus
}
#endif

#endif
