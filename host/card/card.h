/* card.h - the seam between spacc and a card: the Verilated one, a board.
 *
 * An implementation gives memory on the card's side, registers, and a way to let
 * time pass; everything else (arguments, start, time limit, errors, counters) is the
 * driver below, the same for all of them. */
#ifndef SPACC_CARD_H
#define SPACC_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_card;

/* What an implementation provides. Every call returns SPACC_OK or fills err. */
struct spacc_card_ops {
    const char *kind; /* "sim" */
    /* Argument registers are kept by the host and go with every run: nothing of the card. */
    bool keeps_arguments;
    void (*close)(void *self);
    /* Memory the card can reach; the address is 4096-byte aligned. SPACC_ENOMEM. */
    enum spacc_status (*alloc)(void *self, size_t size_bytes, uint64_t *address,
                               struct spacc_error *err);
    void (*release)(void *self, uint64_t address);
    /* Copy to and from a buffer; SPACC_EINVAL outside of what alloc() gave. */
    enum spacc_status (*write)(void *self, uint64_t address, const void *from,
                               size_t size_bytes, struct spacc_error *err);
    enum spacc_status (*read)(void *self, uint64_t address, void *to, size_t size_bytes,
                              struct spacc_error *err);
    /* AXI4-Lite registers. SPACC_EDEVICE bus error, SPACC_ETIMEOUT no answer. */
    enum spacc_status (*reg_write)(void *self, uint32_t offset, uint32_t value,
                                   struct spacc_error *err);
    enum spacc_status (*reg_read)(void *self, uint32_t offset, uint32_t *value,
                                  struct spacc_error *err);
    /* Let time pass until the card interrupts or limit_us (of card time) is over;
     * *interrupted says which. */
    enum spacc_status (*wait)(void *self, uint64_t limit_us, bool *interrupted,
                              struct spacc_error *err);
    /* Bytes of the card's own memory, for all buffers; NULL: it is the host's, or not known. */
    uint64_t (*memory_bytes)(const void *self);
    /* Reset the card; memory contents outside it stay. */
    enum spacc_status (*reset)(void *self, struct spacc_error *err);
};

/* What the card says of itself (registers IDENTITY..CONFIG_INSTRUCTIONS). */
struct spacc_card_info {
    const char *kind;
    uint32_t version;    /* major << 16 | minor */
    uint32_t pes, lanes; /* M, N */
    uint32_t cells;      /* units a cycle */
    uint32_t batch_max;  /* sequences that a RUN takes at once */
    uint32_t weight_bits, index_bits, axi_bits;
    uint32_t act_bits;         /* to which it rounds x and h: 16, or 10 to 12 */
    uint32_t shared_rows;      /* rows that share their indices: 1, or the 4 of a quad */
    uint32_t weight_words;     /* words of N weights, a PE */
    uint32_t x_words, h_words; /* of the two vector memories, a bank (lane) */
    uint32_t units, psum_words, instructions;
    uint32_t queue;      /* rows that a PE queues for masked RUNs; 0: none of these */
    uint32_t mask_beats; /* of the bus: masks of steps that it holds ahead */
    double clock_hz;     /* stated clock: cycles become microseconds by it; 0: it counts none */
    bool keeps_arguments;  /* of struct spacc_card_ops */
    uint64_t memory_bytes; /* of its own, for all buffers; 0: the host's, or not known */
};

/* Counters of the last run, in the order of rtl/card.toml (card_map.h has names and
 * SPACC_CARD_COUNTERS). */
enum { SPACC_CARD_COUNTERS_MAX = 16 };
struct spacc_card_counters {
    uint64_t value[SPACC_CARD_COUNTERS_MAX];
};

/* Arguments of a run. Addresses from spacc_card_alloc(). */
struct spacc_card_run {
    uint64_t program, weights, input, output; /* addresses; 0 with 0 bytes is allowed */
    uint32_t program_bytes, weights_bytes, input_bytes, output_bytes;
};

/* Take over an implementation (`self` is closed with the card, also on failure),
 * read its identity before anything else and refuse one that is not ours, one of another
 * major version, and one whose sizes make no sense: SPACC_EDEVICE with both values. */
enum spacc_status spacc_card_attach(struct spacc_card **out, const struct spacc_card_ops *ops,
                                    void *self, double clock_hz, struct spacc_error *err);

/* Open by name: "sim" (16x16), "sim:4x4", "sim:8x8", "sim:128x32", "model:CONFIG",
 * "uart:DEVICE[@BAUD]", "mmio:uioN", "mmio:ADDRESS" (mmio.h), "xrt[:N][=FILE.xclbin]",
 * "opencl[:P.D][=FILE]" (opencl.h). SPACC_EUNSUPPORTED names what this build has. */
enum spacc_status spacc_card_open(struct spacc_card **out, const char *name,
                                  struct spacc_error *err);
void spacc_card_close(struct spacc_card *card);

const struct spacc_card_info *spacc_card_info(const struct spacc_card *card);
enum spacc_status spacc_card_alloc(struct spacc_card *card, size_t size_bytes,
                                   uint64_t *address, struct spacc_error *err);
void spacc_card_release(struct spacc_card *card, uint64_t address);
enum spacc_status spacc_card_write(struct spacc_card *card, uint64_t address, const void *from,
                                   size_t size_bytes, struct spacc_error *err);
enum spacc_status spacc_card_read(struct spacc_card *card, uint64_t address, void *to,
                                  size_t size_bytes, struct spacc_error *err);

/* Write arguments, start, wait at most limit_us of card time, read error and
 * counters. SPACC_EDEVICE: the card's error code, its text, instruction number and
 * address, in words. SPACC_ETIMEOUT: no answer; the card has been reset, the next run
 * is correct, but on-chip weights must be loaded again (spacc_card_generation()). */
enum spacc_status spacc_card_run(struct spacc_card *card, const struct spacc_card_run *run,
                                 uint64_t limit_us, struct spacc_card_counters *counters,
                                 struct spacc_error *err);

/* Goes up with every reset: what was loaded under another number is gone. */
uint32_t spacc_card_generation(const struct spacc_card *card);

/* Registers, for tests and `spacc selftest`. */
enum spacc_status spacc_card_reg_read(struct spacc_card *card, uint32_t offset, uint32_t *value,
                                      struct spacc_error *err);
enum spacc_status spacc_card_reg_write(struct spacc_card *card, uint32_t offset, uint32_t value,
                                       struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
