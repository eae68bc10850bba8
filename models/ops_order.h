/* ops_order.h - comparing and sorting elements of a tensor. */
#ifndef SPACC_OPS_ORDER_H
#define SPACC_OPS_ORDER_H

#include "models/ops_util.h"

#ifdef __cplusplus
extern "C" {
#endif

/* -1, 0 or 1: element `i` against element `j`. Exact in every type; a NaN is above every
 * number and equal to another. */
int spacc_ops_compare(const struct spacc_tensor *t, size_t i, size_t j);

/* Below 0, 0 or above 0: item a before, with or after item b. */
typedef int (*spacc_order_fn)(const void *user, size_t a, size_t b);

/* Sort items index[0..count-1]; equal ones keep their order. `room` has count entries. */
void spacc_ops_sort(size_t *index, size_t *room, size_t count, spacc_order_fn order,
                    const void *user);

#ifdef __cplusplus
}
#endif

#endif
