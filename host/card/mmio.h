/* mmio.h - a card whose registers and memory are mapped into this process: the fabric of a
 * Zynq, without XRT. Registers by /dev/uioN (with its interrupt) or /dev/mem (polled), memory
 * by u-dma-buf or a reserved range of /dev/mem. */
#ifndef SPACC_MMIO_H
#define SPACC_MMIO_H

#include "host/card/card.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A card that is mapped already. The mappings have to be uncached, or coherent with the card.
 */
struct spacc_mmio_map {
    const char *name;               /* begins messages; copied */
    volatile uint32_t *registers;   /* 4096 bytes */
    volatile unsigned char *memory; /* memory_bytes of it, 8-byte aligned */
    uint64_t memory_base;           /* where the card sees them: a multiple of 4096 */
    uint64_t memory_bytes;          /* 1 or more */
    int interrupt; /* as /dev/uioN: 4 bytes written enable it, 4 read take it; -1: polled */
    void (*unmap)(void *user); /* when the card is closed, or not made; NULL: nothing to do */
    void *user;
};

/* A card on it; what is mapped has to live as long as the card.
 * SPACC_ENOMEM, and the errors of spacc_card_attach() and of a card that does not come to rest
 * when it is found running: SPACC_ETIMEOUT. */
enum spacc_status spacc_mmio_card_attach(struct spacc_card **out,
                                         const struct spacc_mmio_map *map, double clock_hz,
                                         struct spacc_error *err);

/* `which` is REGISTERS[@MHZ][,MEMORY]:
 *
 *     uio0                             /dev/uio0, memory of /dev/udmabuf0
 *     0x43c00000@125                   /dev/mem there, a clock of 125 MHz
 *     uio1,udmabuf1                    another buffer of u-dma-buf
 *     0x43c00000,0x18000000+0x4000000  /dev/mem for both: 64 MiB that Linux leaves alone
 *
 * Without @MHZ the clock is clock-frequency of the UIO device's tree node, else 100 MHz, what
 * boards/ sets the fabric's clock to. Registers and memory are locked against other processes
 * that open them like this. SPACC_EINVAL: no such text, not page-aligned. SPACC_EIO: cannot be
 * opened or mapped, too short, in use. Errors of spacc_mmio_card_attach().
 *
 * $SPACC_MMIO_ROOT is put before /dev and /sys: a card that another process serves in files. */
enum spacc_status spacc_mmio_card_open(struct spacc_card **out, const char *which,
                                       struct spacc_error *err);

/* UIO devices that their tree node calls "spacc", as names for spacc_card_open(), by number:
 * "mmio:uio0". At most `most`; how many were written. Opens nothing. */
enum { SPACC_MMIO_NAME_BYTES = 24 };
size_t spacc_mmio_card_list(char (*names)[SPACC_MMIO_NAME_BYTES], size_t most);

#ifdef __cplusplus
}
#endif

#endif
