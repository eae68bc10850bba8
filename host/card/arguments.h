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
    SPACC_ARGUMENTS_END = SPACC_REG_WATCHDOG_CYCLES + 4, /* behind the last register */
    SPACC_ARGUMENT_STATE = SPACC_ARGUMENTS /* of kernels of hls/: one more pointer */
};
#define SPACC_STATE_NAME "state_ptr" /* of that argument in kernel.xml and .xclbin */

/* The register of each. */
static const uint32_t spacc_argument[SPACC_ARGUMENTS] = {
    SPACC_REG_PROGRAM_PTR, SPACC_REG_WEIGHTS_PTR,   SPACC_REG_INPUT_PTR,
    SPACC_REG_OUTPUT_PTR,  SPACC_REG_PROGRAM_BYTES, SPACC_REG_WEIGHTS_BYTES,
    SPACC_REG_INPUT_BYTES, SPACC_REG_OUTPUT_BYTES,  SPACC_REG_WATCHDOG_CYCLES,
};

/* A 64-bit argument of `value`, the registers below SPACC_ARGUMENTS_END. */
static inline uint64_t spacc_argument_pointer(const uint32_t *value, uint32_t offset)
{
    return value[offset / 4] | (uint64_t)value[offset / 4 + 1] << 32;
}

/* Kernels of hls/ see no bus addresses: their ERROR_ADDRESS has an offset in the low word and
 * the number of its region in the high one. */
static inline uint64_t spacc_kernel_error_address(const uint32_t *value, uint32_t offset,
                                                  uint32_t region)
{
    return offset + (region < SPACC_POINTERS
                         ? spacc_argument_pointer(value, spacc_argument[region])
                         : 0);
}

#endif
