/* numbers.h - which element of which input ends up where, for operators that only move
 * elements: found by running the reference on numbered elements. */
#ifndef SPACC_CPU_NUMBERS_H
#define SPACC_CPU_NUMBERS_H

#include "host/cpu/engine_parts.h"

enum {
    SPACC_NUMBERS_INPUTS = 32,
    SPACC_PAD_VALUE = 2 /* input of a Pad */
};

/* Elements are numbered from 1 on; 0 is what Pad puts around them. */
struct spacc_numbers {
    struct spacc_tensor *in[SPACC_NUMBERS_INPUTS]; /* owned */
    const struct spacc_tensor *given[SPACC_NUMBERS_INPUTS];
    size_t first[SPACC_NUMBERS_INPUTS + 1]; /* number of an input's first element, less 1 */
    struct spacc_tensor *out[SPACC_NUMBERS_INPUTS]; /* int32; owned */
};

/* Bits of the inputs that are moved (the others say where to); 0: no mover. */
int spacc_moved_inputs(const struct spacc_node *node);
bool spacc_is_moved(int moved, int input);
bool spacc_is_pad(const struct spacc_node *node);

/* Run the reference on numbers in place of the elements of the inputs `moved`; all others are
 * constant, at most SPACC_NUMBERS_INPUTS inputs and outputs. SPACC_ENOMEM, or the reference's
 * status when it does not take them. Release in any case; zero before. */
enum spacc_status spacc_numbers_of(struct spacc_numbers *m, const struct spacc_cpu_build *b,
                                   int n, int moved);
void spacc_numbers_release(struct spacc_numbers *m);

/* The input that the element with this number (1 or more) is from. */
int spacc_numbers_input(const struct spacc_numbers *m, size_t number);

#endif
