/* spacc_kernel.h - what the kernels of this folder are: one configuration of rtl/card.toml,
 * and how their `state` memory is laid out. For C and OpenCL C; a host that opens such a
 * kernel includes it for SPACC_KERNEL_STATE_BYTES.
 *
 * -DSPACC_KERNEL_CONFIG=8x8 makes another configuration than 16x16. */
#ifndef SPACC_KERNEL_H
#define SPACC_KERNEL_H

#include "rtl/card_map.h"

#ifndef SPACC_KERNEL_CONFIG
#define SPACC_KERNEL_CONFIG 16x16
#endif

#define SPACC_KERNEL_PASTE(config, what) SPACC_CONFIG_##config##_##what
#define SPACC_KERNEL_OF(config, what)    SPACC_KERNEL_PASTE(config, what)
#define SPACC_KERNEL(what)               SPACC_KERNEL_OF(SPACC_KERNEL_CONFIG, what)

#define SPACC_KERNEL_PES          SPACC_KERNEL(PES)
#define SPACC_KERNEL_LANES        SPACC_KERNEL(LANES)
#define SPACC_KERNEL_CELLS        SPACC_KERNEL(CELLS)
#define SPACC_KERNEL_SHARED_ROWS  SPACC_KERNEL(SHARED_ROWS)
#define SPACC_KERNEL_WEIGHT_BITS  SPACC_KERNEL(WEIGHT_BITS)
#define SPACC_KERNEL_ACT_BITS     SPACC_KERNEL(ACT_BITS)
#define SPACC_KERNEL_BEAT_BYTES   (SPACC_KERNEL(AXI_BITS) / 8)
#define SPACC_KERNEL_WEIGHT_WORDS SPACC_KERNEL(WEIGHT_WORDS)
#define SPACC_KERNEL_X_WORDS      SPACC_KERNEL(X_WORDS)
#define SPACC_KERNEL_H_WORDS      SPACC_KERNEL(H_WORDS)
#define SPACC_KERNEL_UNITS        SPACC_KERNEL(UNITS)
#define SPACC_KERNEL_PSUM_WORDS   SPACC_KERNEL(PSUM_WORDS)
#define SPACC_KERNEL_INSTRUCTIONS SPACC_KERNEL(INSTRUCTIONS)

#define SPACC_KERNEL_QUADS        (SPACC_KERNEL_PES / 4)                    /* units a group */
#define SPACC_KERNEL_WORD_ENTRIES (SPACC_KERNEL_PES * SPACC_KERNEL_LANES)   /* weights a word */
#define SPACC_KERNEL_GROUPS       (SPACC_KERNEL_UNITS / SPACC_KERNEL_QUADS) /* of a RUN */
/* A batch needs the units of a group to be one beat of the bus. */
#define SPACC_KERNEL_BATCH (SPACC_KERNEL_QUADS * 2 == SPACC_KERNEL_BEAT_BYTES ? 255 : 1)

/* `state`, in 32-bit words: the image of registers 0x100..0x1ff, and behind it the memories of
 * the OpenCL C kernel. The C kernel has these on the chip and uses the image only. */
#define SPACC_KERNEL_IMAGE_WORDS 64
#define SPACC_KERNEL_IMAGE_BASE  0x100
#define SPACC_KERNEL_AT_WEIGHTS  SPACC_KERNEL_IMAGE_WORDS /* {index 16, weight 16} */
#define SPACC_KERNEL_AT_PARAMS \
    (SPACC_KERNEL_AT_WEIGHTS + SPACC_KERNEL_WEIGHT_WORDS * SPACC_KERNEL_WORD_ENTRIES)
#define SPACC_KERNEL_AT_STATES (SPACC_KERNEL_AT_PARAMS + SPACC_KERNEL_UNITS * 8)
#define SPACC_KERNEL_AT_UPDATE                                    \
    (SPACC_KERNEL_AT_STATES + SPACC_KERNEL_UNITS) /* of GRU_RESET \
                                                   */
#define SPACC_KERNEL_AT_KEPT (SPACC_KERNEL_AT_UPDATE + SPACC_KERNEL_UNITS)
#define SPACC_KERNEL_AT_X    (SPACC_KERNEL_AT_KEPT + SPACC_KERNEL_UNITS)
#define SPACC_KERNEL_AT_H    (SPACC_KERNEL_AT_X + SPACC_KERNEL_X_WORDS * SPACC_KERNEL_LANES / 2)
#define SPACC_KERNEL_AT_CUTS (SPACC_KERNEL_AT_H + SPACC_KERNEL_H_WORDS * SPACC_KERNEL_LANES / 2)
/* Cuts that a work-item counted, 64 bits each: gates, states. */
#define SPACC_KERNEL_ITEMS_MAX   1024
#define SPACC_KERNEL_STATE_BYTES ((SPACC_KERNEL_AT_CUTS + 4 * SPACC_KERNEL_ITEMS_MAX) * 4u)

#endif
