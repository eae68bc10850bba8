/* cells.h - what follows the products in a recurrent layer, for `units` units.
 *
 * Sums lie as [chunk][gate][lane], unit = chunk * lanes + lane; the last chunk may have fewer
 * units than lanes. Every kernel gives the same bits: they are one text compiled for several
 * instruction sets, without fused multiply-add.
 * |sigmoid - exact| and |tanh - exact| are at most 2e-6; NaN gives NaN, infinities the limits.
 */
#ifndef SPACC_CELLS_H
#define SPACC_CELLS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_cell_kernel {
    const char *name;
    unsigned needs; /* SPACC_CPU_ features */
    /* i o f g: c = f * c + i * g, h = o * tanh(c) */
    void (*lstm)(const float *sums, size_t lanes, size_t units, float *c, float *h);
    /* z r: z = sigmoid(z), rh = sigmoid(r) * h */
    void (*gru_gates)(const float *sums, size_t lanes, size_t units, const float *h, float *z,
                      float *rh);
    /* g: h = (1 - z) * tanh(g) + z * h */
    void (*gru_state)(const float *sums, size_t lanes, size_t units, const float *z, float *h);
    /* z r g of x and of h: g = tanh(gx + sigmoid(rx + rh) * gh) */
    void (*gru_linear)(const float *x_sums, const float *h_sums, size_t lanes, size_t units,
                       float *h);
    void (*sigmoid)(const float *in, size_t count, float *out); /* in == out is allowed */
    void (*tanh)(const float *in, size_t count, float *out);
};

/* Slowest first; [0] needs nothing. */
extern const struct spacc_cell_kernel spacc_cell_kernels[];
extern const size_t spacc_cell_kernel_count;

/* The last one that these features allow. */
const struct spacc_cell_kernel *spacc_cell_kernel_pick(unsigned cpu_features);

#ifdef __cplusplus
}
#endif

#endif
