/* seernet_dense.h - the same convolution with ReLU by oneDNN, f32, on one thread: the layouts
 * it likes best, reorders left out. */
#ifndef SPACC_BENCH_SEERNET_DENSE_H
#define SPACC_BENCH_SEERNET_DENSE_H

#include "sparse/seernet.h"

struct seer_dense;

/* "oneDNN 2.6.3", or that it is missing. */
const char *seer_dense_name(void);
/* x in NHWC, weights [outputs][channels][rows][columns]; copied. NULL without oneDNN. */
struct seer_dense *seer_dense_new(const struct spacc_seer_shape *shape, const float *x,
                                  const float *weights, const float *bias);
void seer_dense_run(struct seer_dense *d);
/* NULL is allowed. */
void seer_dense_free(struct seer_dense *d);

#endif
