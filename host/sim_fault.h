/* sim_fault.h - SPACC_SIM_FAULT: how tests make a simulated card misbehave.
 *
 * identity  IDENTITY reads 0xdeadbeef       no-lite   AXI4-Lite never answers
 * no-read   read data never comes           no-write  write answers never come
 * slverr    the first buffer answers with a bus error */
#ifndef SPACC_SIM_FAULT_H
#define SPACC_SIM_FAULT_H

#include <stdlib.h>
#include <string.h>

#include "sim/sim.h"

/* Where the simulated memory's first buffer lies: see sim/README.md. */
#define SPACC_SIM_FIRST_ADDRESS (UINT64_C(1) << 36)

/* SPACC_EINVAL for a word that is not above. */
static inline enum spacc_status spacc_sim_fault_set(struct spacc_sim_options *o,
                                                    struct spacc_error *err)
{
    const char *text = getenv("SPACC_SIM_FAULT");

    if (!text)
        return SPACC_OK;
    o->fault_identity = !strcmp(text, "identity");
    o->fault_no_lite = !strcmp(text, "no-lite");
    o->fault_no_read = !strcmp(text, "no-read");
    o->fault_no_write = !strcmp(text, "no-write");
    o->fault_slverr_address = strcmp(text, "slverr") ? 0 : SPACC_SIM_FIRST_ADDRESS;
    if (o->fault_identity || o->fault_no_lite || o->fault_no_read || o->fault_no_write ||
        o->fault_slverr_address)
        return SPACC_OK;
    return spacc_fail(err, SPACC_EINVAL,
                      "SPACC_SIM_FAULT=%s: identity, no-lite, no-read, no-write or slverr",
                      text);
}

#endif
