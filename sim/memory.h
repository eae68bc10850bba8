/* memory.h - the memory behind the card's AXI4 port: buffers, latency, bandwidth,
 * stalls, faults, and a check of the AXI rules on everything the card does.
 *
 * It knows nothing of Verilator: it turns the card's pins of one cycle into the inputs
 * of the next. Reads are answered in order, writes take effect when their last word and
 * their address have come. Buffers lie far apart: an access beyond the end of one is
 * answered with DECERR. Addresses are never used twice and start above 2^32. */
#ifndef SPACC_SIM_MEMORY_H
#define SPACC_SIM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/pins.h"
#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Knobs; meanings as in struct spacc_sim_options (0 takes the default there). */
struct spacc_memory_knobs {
    uint32_t latency_cycles; /* AR to first R, and last W to B */
    uint32_t beats_per_1024; /* of reads, and as many of writes */
    uint32_t stall_per_1024;
    bool no_read, no_write;
    uint64_t slverr_address;
};

enum spacc_memory_channel { SPACC_AR, SPACC_R, SPACC_AW, SPACC_W, SPACC_B };

struct spacc_memory;

/* NULL: out of memory. `seed` is that of the stalls; beat_bytes the width of the bus:
 * 8, 16, 32 or 64. */
struct spacc_memory *spacc_memory_new(uint64_t seed, unsigned beat_bytes);
void spacc_memory_free(struct spacc_memory *memory);

/* A buffer of size_bytes (1 or more), 4096-byte aligned; its bytes are 0xa5.
 * SPACC_EINVAL, SPACC_ENOMEM. */
enum spacc_status spacc_memory_alloc(struct spacc_memory *memory, size_t size_bytes,
                                     uint64_t *address, struct spacc_error *err);
/* The caller's bytes as a buffer at an address of the caller's: whole pages below 2^36, behind
 * all buffers that there are, before the first alloc(). They stay the caller's. SPACC_EINVAL,
 * SPACC_ENOMEM. */
enum spacc_status spacc_memory_map(struct spacc_memory *memory, uint64_t address, void *bytes,
                                   size_t size_bytes, struct spacc_error *err);
/* Unknown addresses are let be. */
void spacc_memory_release(struct spacc_memory *memory, uint64_t address);
/* SPACC_EINVAL unless all bytes lie in one buffer. */
enum spacc_status spacc_memory_write(struct spacc_memory *memory, uint64_t address,
                                     const void *from, size_t size_bytes,
                                     struct spacc_error *err);
enum spacc_status spacc_memory_read(struct spacc_memory *memory, uint64_t address, void *to,
                                    size_t size_bytes, struct spacc_error *err);

void spacc_memory_set(struct spacc_memory *memory, const struct spacc_memory_knobs *knobs);

/* Drop what is under way and take all valid and ready down; buffers stay. */
void spacc_memory_reset(struct spacc_memory *memory, struct spacc_pins_in *in);

/* One cycle: `in` and `out` are the pins at a clock edge; leaves in `in` the inputs of
 * the next cycle. */
void spacc_memory_step(struct spacc_memory *memory, struct spacc_pins_in *in,
                       const struct spacc_pins_out *out);

/* The first AXI rule that the card broke since reset, as a sentence, or NULL. */
const char *spacc_memory_violation(const struct spacc_memory *memory);
/* Cycles in which AR, R, AW, W, B were held back by chance, since new. */
void spacc_memory_stalls(const struct spacc_memory *memory, uint64_t stalls[5]);

#ifdef __cplusplus
}
#endif

#endif
