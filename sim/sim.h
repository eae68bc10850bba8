/* sim.h - the Verilated card as a library with a C interface.
 *
 * A sim is one card (registers, AXI4 master) and one memory behind it. Nothing else
 * reaches into the model: registers go through AXI4-Lite, data through the memory that
 * the card fetches from. */
#ifndef SPACC_SIM_H
#define SPACC_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/card/card.h"
#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How the memory and the card behave. All zero is a fast, polite memory. */
struct spacc_sim_options {
    const char *config;      /* "16x16" (NULL), "4x4", "8x8", "128x32" */
    double clock_hz;         /* 0: 200e6, the clock that reports state */
    uint32_t latency_cycles; /* read: AR to first R; 0: 20 */
    uint32_t beats_per_1024; /* bandwidth: data beats in 1024 cycles; 0: 1024 */
    uint32_t stall_per_1024; /* chance that a channel stalls in a cycle, each of the
                                five channels and AXI4-Lite on its own; 0: never */
    uint64_t seed;           /* of the stalls and of random initial values */
    const char *trace_file;  /* FST waveform, or NULL. SPACC_EUNSUPPORTED when this
                                build has no tracing model */
    uint64_t trace_from_cycle, trace_cycles; /* window; 0 cycles: all */
    /* Faults, for tests. */
    bool fault_identity; /* IDENTITY reads 0xdeadbeef */
    bool fault_no_lite;  /* AXI4-Lite never answers */
    bool fault_no_read;  /* R never comes */
    bool fault_no_write; /* B never comes */
    uint64_t
        fault_slverr_address; /* reads and writes that touch this byte get SLVERR; 0: off */
};

struct spacc_sim;

/* SPACC_EUNSUPPORTED names the configurations of this build. */
enum spacc_status spacc_sim_open(struct spacc_sim **out,
                                 const struct spacc_sim_options *options,
                                 struct spacc_error *err);
void spacc_sim_close(struct spacc_sim *sim);

/* The card interface of a sim: attach with spacc_card_attach(). */
const struct spacc_card_ops *spacc_sim_card_ops(void);
/* Memory of the caller's, at addresses of the caller's: spacc_memory_map(). For cards that are
 * not driven by spacc_sim_card_ops() alone. */
enum spacc_status spacc_sim_map(struct spacc_sim *sim, uint64_t address, void *bytes,
                                size_t size_bytes, struct spacc_error *err);
/* Change fault and stall knobs between runs; config, clock and trace stay. */
void spacc_sim_set(struct spacc_sim *sim, const struct spacc_sim_options *options);
/* Cycles since open; stalls that the memory made on AR, R, AW, W, B. */
uint64_t spacc_sim_cycles(const struct spacc_sim *sim);
void spacc_sim_stalls(const struct spacc_sim *sim, uint64_t stalls[5]);
/* NULL-terminated names of the configurations in this build. */
const char *const *spacc_sim_configs(void);

#ifdef __cplusplus
}
#endif

#endif
