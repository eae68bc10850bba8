/* lstm.h - the parts of bench_lstm: a pruned layer with its reference, our runs of it, and
 * ONNX Runtime's. Everything here ends the program with a line on stderr when it fails. */
#ifndef SPACC_BENCH_LSTM_H
#define SPACC_BENCH_LSTM_H

#include <stdbool.h>
#include <stddef.h>

#include "sparse/parallel.h"
#include "sparse/rnn.h"

/* A layer and a sequence for it. Arrays are of malloc(); ONNX order of gates. */
struct lstm_layer {
    size_t inputs, units, steps, bank, kept;
    float *w, *r;   /* [4 units][inputs], [4 units][units], pruned */
    float *b;       /* [8 units]: Wb, Rb */
    float *x;       /* [steps][inputs] */
    double *h_true; /* [steps][units], in doubles */
};

void die(const char *text);
void *must(void *memory); /* NULL ends the program */

/* Fill in everything from the sizes: Gaussian weights, pruned by magnitude in banks. */
void lstm_layer_make(struct lstm_layer *l, double sparsity);
void lstm_layer_release(struct lstm_layer *l);
/* Largest |h - h_true| of all steps and units of h[steps][units]. */
double lstm_layer_error(const struct lstm_layer *l, const float *h);

/* One of our layers, with the memory that a run of it needs. */
struct lstm_ours {
    const struct lstm_layer *layer;
    struct spacc_rnn *rnn;
    void *scratch;
    float *y, *h, *c; /* [steps][units], [units], [units] */
};

void lstm_ours_make(struct lstm_ours *o, const struct lstm_layer *l, enum spacc_tile_type type);
void lstm_ours_release(struct lstm_ours *o);
/* All steps from a state of zeros: in one call, or in one a step. */
void lstm_ours_run(struct lstm_ours *o, bool streaming, const struct spacc_parallel *pool);

/* ONNX models of the layer in a temporary folder, which lstm_ort_release() takes away. */
void lstm_ort_models(const struct lstm_layer *l);
void lstm_ort_release(void);

struct lstm_ort;
struct lstm_ort *lstm_ort_new(const struct lstm_layer *l, bool quantised, bool streaming,
                              int threads);
void lstm_ort_run(struct lstm_ort *o);
/* [steps][units] of the last run. */
float *lstm_ort_y(struct lstm_ort *o);
void lstm_ort_free(struct lstm_ort *o);

#endif
