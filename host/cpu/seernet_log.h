/* seernet_log.h - what steps that predict zeros note about their runs: the first member of
 * their states. */
#ifndef SPACC_CPU_SEERNET_LOG_H
#define SPACC_CPU_SEERNET_LOG_H

#include "host/cpu/kernels.h"
#include "sparse/seernet.h"

struct spacc_seernet_log {
    const char *with; /* what follows, for the report */
    int pool;         /* node, or -1 */
    double mask_us;
    uint64_t outputs, computed;      /* of all runs */
    struct spacc_seer_counts counts; /* of runs that were watched */
};

/* Of a step; NULL: it does not predict. */
struct spacc_seernet_log *spacc_seernet_log_of(const struct spacc_cpu_step *step);

/* The shape of a convolution whose tensors are x, w and y; false for what sparse/seernet.h does
 * not have. (seernet.c) */
bool spacc_cpu_seer_shape(struct spacc_seer_shape *to, const struct spacc_node *node,
                          const struct spacc_tensor *x, const struct spacc_tensor *w,
                          const struct spacc_tensor *y);

#endif
