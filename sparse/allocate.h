/* allocate.h - how many weights each matrix keeps, under one budget for all. */
#ifndef SPACC_ALLOCATE_H
#define SPACC_ALLOCATE_H

#include <stddef.h>

#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a matrix loses at each number of kept weights that it may have. */
struct spacc_choice {
    size_t count;       /* of levels, 1 or more */
    const size_t *kept; /* [count] weights that stay, descending */
    const double *loss; /* [count] 0 or more, finite; need not ascend */
};

/* level[matrices]: the choice with the least sum of losses among those that keep at most
 * `budget` weights together, as far as the lower convex hull of each curve gives it (Shoham
 * and Gersho 1988): the bound is met from below, and what is left over is spent greedily on
 * single levels. SPACC_EINVAL: a level out of order, a loss that is not finite, a budget below
 * the sum of the least; SPACC_ENOMEM. */
enum spacc_status spacc_allocate(size_t *level, const struct spacc_choice *choice,
                                 size_t matrices, size_t budget, struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
