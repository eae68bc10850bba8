/* pointwise.h - functions of one element, for kernels that join one to what they do. */
#ifndef SPACC_CPU_POINTWISE_H
#define SPACC_CPU_POINTWISE_H

#include "host/cpu/engine_parts.h"
#include "sparse/cells.h"

struct spacc_unary {
    void (*run)(const struct spacc_unary *u, float *y, const float *x, size_t count);
    const struct spacc_cell_kernel *cells;
    float alpha, beta;
};

/* The function of a node, when it is Relu, LeakyRelu, Clip between constants, Neg, Abs, Sqrt,
 * Sigmoid or Tanh; its input may be of any type. u->run(u, y, x, count) then gives
 * y[i] = f(x[i]); y == x is allowed. */
bool spacc_unary_of(struct spacc_unary *u, const struct spacc_cpu_build *b,
                    const struct spacc_node *node);

#endif
