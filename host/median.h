/* median.h - ranks of measured times. */
#ifndef SPACC_MEDIAN_H
#define SPACC_MEDIAN_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Sort, ascending. */
void spacc_sort_times(double *us, size_t count);

/* Of sorted times the one with this share (0 to 1) of them before it. count >= 1. */
double spacc_rank(const double *sorted, size_t count, double share);

/* Sorts. count >= 1. */
double spacc_median(double *us, size_t count);

#ifdef __cplusplus
}
#endif

#endif
