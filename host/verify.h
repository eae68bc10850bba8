/* verify.h - how far a result is from its reference, summed over any number of tensors. */
#ifndef SPACC_VERIFY_H
#define SPACC_VERIFY_H

#include <stdbool.h>

#include "models/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* All zero is the start. */
struct spacc_error_sum {
    bool any;
    double max_error, signal, noise; /* sums of squares */
};

/* Add one tensor. Other shapes or types than the reference, or a NaN on one side only,
 * count as an infinite error. */
void spacc_error_add(struct spacc_error_sum *e, const struct spacc_tensor *reference,
                     const struct spacc_tensor *got);

/* Largest |difference|; NAN when nothing was added. */
double spacc_error_max(const struct spacc_error_sum *e);
/* 10 log10(signal / noise) in dB; INFINITY without noise, NAN when nothing was added. */
double spacc_error_snr(const struct spacc_error_sum *e);

#ifdef __cplusplus
}
#endif

#endif
