/* arguments.h - what a run is given, by the numbers that hosts of kernels (XRT, OpenCL) have
 * for it: the order of rtl/card.toml. */
#ifndef SPACC_CARD_ARGUMENTS_H
#define SPACC_CARD_ARGUMENTS_H

#include <stdint.h>

#include "rtl/card_map.h"

#define SPACC_KERNEL_NAME "spacc_card" /* in kernel.xml, .xclbin and OpenCL C */

enum {
    SPACC_POINTERS = 4, /* come first */
    SPACC_ARGUMENTS = 9,
    SPACC_ARGUMENTS_END = SPACC_REG_WATCHDOG_CYCLES + 4 /* behind the last register */
};

/* The register of each. */
static const uint32_t spacc_argument[SPACC_ARGUMENTS] = {
    SPACC_REG_PROGRAM_PTR, SPACC_REG_WEIGHTS_PTR,   SPACC_REG_INPUT_PTR,
    SPACC_REG_OUTPUT_PTR,  SPACC_REG_PROGRAM_BYTES, SPACC_REG_WEIGHTS_BYTES,
    SPACC_REG_INPUT_BYTES, SPACC_REG_OUTPUT_BYTES,  SPACC_REG_WATCHDOG_CYCLES,
};

#endif
