/* card_cycles.h - how many cycles a program takes on the card, without the card: exactly
 * what its counters say, when its memory answers as stated here.
 *
 * The sequencers of rtl/ (controller, issue, x fetch, weight stream, y, both DMAs) are
 * stepped cycle by cycle from the fields of the instructions; of data only masks are needed,
 * since nothing else that the card does depends on it. tests/test_card_cycles.c holds it equal
 * to the Verilated card, counter by counter. About 20 million cycles a second. */
#ifndef SPACC_CARD_CYCLES_H
#define SPACC_CARD_CYCLES_H

#include <stddef.h>
#include <stdint.h>

#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The card and its memory. */
struct spacc_card_shape {
    uint32_t pes, lanes, cells; /* M, N, E */
    uint32_t axi_bits;
    uint32_t latency_cycles; /* from AR to the first R, from the last W to B; 2 or more */
    uint32_t queue;          /* rows that a PE queues; 0: no masked RUNs */
};

enum { SPACC_CYCLE_CAUSES = 8 };

/* Counters of the card, as rtl/card.toml orders them. */
struct spacc_card_count {
    uint64_t cycles;
    uint64_t cause[SPACC_CYCLE_CAUSES]; /* ISSUE LOAD X_WAIT DRAIN CELL OUT CONTROL WEIGHTS */
    uint64_t bytes_read, bytes_written;
    uint64_t rows_skipped, issue_saved; /* of masked RUNs */
};

/* Bytes of a region (1 weights, 2 input, 3 output), or NULL: outside of it. */
typedef const uint8_t *(*spacc_region_fn)(void *user, unsigned region, uint32_t offset,
                                          size_t size_bytes);

/* Run a program of 64-byte instructions.
 *   pointers   region base addresses (program, weights, input, output); bursts split at
 *              their 4 KiB lines
 *   region     where masked RUNs find their masks; NULL without such
 *   mark       [marks] filled with what each MARK writes, in order; NULL with 0
 *   total      counters when done
 * The program has to be one that the card accepts: SPACC_EINVAL (instruction and field) for
 * shapes, opcodes and sizes on which this model could not end; what the card itself
 * checks against its memories is not checked again. */
enum spacc_status spacc_card_cycles(const struct spacc_card_shape *shape,
                                    const uint32_t (*word)[16], size_t instructions,
                                    const uint64_t pointers[4], spacc_region_fn region,
                                    void *user, struct spacc_card_count *mark, size_t marks,
                                    struct spacc_card_count *total, struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
