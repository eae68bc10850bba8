/* model.h - one Verilated configuration behind a C interface. model.cpp is compiled
 * once for each; sim.c picks one from spacc_models. */
#ifndef SPACC_SIM_MODEL_H
#define SPACC_SIM_MODEL_H

#include <stdint.h>

#include "sim/pins.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPACC_MODEL_TEXT = 400 };

struct spacc_model_ops {
    const char *config; /* "4x4" */
    int traces;         /* 1: takes a trace file, slower */
    unsigned axi_bytes; /* width of the AXI4 data bus */
    /* `seed` makes the values that registers and memories start with. NULL: no memory,
     * or the trace file cannot be written. */
    void *(*open)(uint32_t seed, const char *trace_file);
    void (*close)(void *model);
    /* One clock cycle: drive `in`, read `out` before the rising edge, then the edge.
     * time_ps >= 0 writes the cycle to the trace; the period is that of the cycle. */
    void (*tick)(void *model, const struct spacc_pins_in *in, struct spacc_pins_out *out,
                 int64_t time_ps, int64_t period_ps);
    /* First failed assertion since clear, as text, or NULL. */
    const char *(*failure)(const void *model);
    void (*clear)(void *model);
};

/* NULL-terminated; plain models first. */
extern const struct spacc_model_ops *const spacc_models[];

#ifdef __cplusplus
}
#endif

#endif
