/* seernet_ort.h - the same convolution with ReLU by ONNX Runtime, f32, on one thread: a model
 * of the two nodes, images in NCHW as it wants them. */
#ifndef SPACC_BENCH_SEERNET_ORT_H
#define SPACC_BENCH_SEERNET_ORT_H

#include "sparse/seernet.h"

struct seer_ort;

/* x in NHWC, weights [outputs][channels][rows][columns]; copied. Square pads and stride 1. Ends
 * the program with a line on stderr when it cannot be had; ort_open() comes before. */
struct seer_ort *seer_ort_new(const struct spacc_seer_shape *shape, const float *x,
                              const float *weights, const float *bias);
void seer_ort_run(struct seer_ort *o);
/* Largest difference from y in NHWC. */
float seer_ort_off(const struct seer_ort *o, const float *y);
/* NULL is allowed. The session stays with ONNX Runtime until the program ends. */
void seer_ort_free(struct seer_ort *o);

#endif
