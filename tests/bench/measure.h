/* measure.h - what the benchmarks beside it measure with. */
#ifndef SPACC_BENCH_MEASURE_H
#define SPACC_BENCH_MEASURE_H

#include <stddef.h>

#include "sparse/parallel.h"

/* The middle one of v[count], which is sorted on the way. count is 1 or more. */
double measure_median(double *v, size_t count);

/* Read `bytes` at `from` once and do next to nothing with them, cut in the parts of the pool
 * (NULL: one part): the time that a product with weights of as many bytes cannot beat.
 * `from` is 64-byte aligned; up to 255 bytes at the end of a part are left out. */
void measure_read(const void *from, size_t bytes, const struct spacc_parallel *pool);

#endif
