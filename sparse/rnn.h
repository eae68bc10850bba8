/* rnn.h - a fused LSTM or GRU layer of one direction and one sequence: products, gates,
 * activations and state, row block by row block.
 *
 * Streaming (one step a call): the sums of a few units' gates are made and used at once.
 * Sequence: the x part of several steps is one product, so that weights are read once for
 * all of them; the recurrent part follows step by step. Both give the same bits, for any
 * number of parts.
 * Against a float reference: F32 differs by rounding and by activations of 2e-6. F16 rounds
 * weights to halves. I8 quantises weights per row and x and h per step; with a value in x
 * or h that is not finite every gate of that step is NaN. */
#ifndef SPACC_RNN_H
#define SPACC_RNN_H

#include <stdbool.h>
#include <stddef.h>

#include "sparse/kernels.h"
#include "sparse/parallel.h"
#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum spacc_rnn_cell {
    SPACC_RNN_LSTM,       /* rows: i o f c */
    SPACC_RNN_GRU,        /* rows: z r h */
    SPACC_RNN_GRU_LINEAR, /* linear_before_reset */
};

/* As in ONNX, with sigmoid and tanh. Everything is read while making a layer, not kept. */
struct spacc_rnn_spec {
    enum spacc_rnn_cell cell;
    size_t units, x_cols; /* 1 .. 65536 each */
    const float *w;       /* [gates * units][x_cols] */
    const float *r;       /* [gates * units][units] */
    const float *wb, *rb; /* [gates * units], or NULL: zeros */
    enum spacc_tile_type precision;
    size_t bank_size; /* sparse weights; 0: dense ones */
};

struct spacc_rnn; /* fields are private */

/* SPACC_EINVAL: sizes, weights that are not finite or too large for the precision;
 * SPACC_ENOMEM. Free with spacc_rnn_free(). */
enum spacc_status spacc_rnn_new(struct spacc_rnn **out, const struct spacc_rnn_spec *spec,
                                unsigned cpu_features, struct spacc_error *err);

/* Bytes of scratch that a run of `steps` steps needs; more steps do not need less. */
size_t spacc_rnn_scratch_bytes(const struct spacc_rnn *m, size_t steps);

/* Run `steps` steps (0: nothing happens).
 *
 *   x        step t's inputs [x_cols] at x + t * x_stride
 *   y        step t's h [units] at y + t * y_stride, or NULL
 *   h, c     [units], state in and out; c is NULL for a GRU
 *   reverse  from the last step to the first; y[t] still belongs to x[t]
 *   scratch  64-byte aligned; its contents do not matter before or after
 *   pool     NULL: one part
 *
 * Nothing is allocated. Several threads may run the same layer, each with its own scratch. */
void spacc_rnn_run(const struct spacc_rnn *m, size_t steps, const float *x, size_t x_stride,
                   float *y, size_t y_stride, float *h, float *c, bool reverse, void *scratch,
                   const struct spacc_parallel *pool);

/* Bytes of weights that one step reads. */
size_t spacc_rnn_bytes(const struct spacc_rnn *m);

/* Name of the kernel of the recurrent weights, "f32/avx2/16". */
const char *spacc_rnn_kernel(const struct spacc_rnn *m);

/* NULL is allowed. */
void spacc_rnn_free(struct spacc_rnn *m);

#ifdef __cplusplus
}
#endif

#endif
