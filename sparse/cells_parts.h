/* cells_parts.h - the functions of cells_*.c, for cells.c. */
#ifndef SPACC_CELLS_PARTS_H
#define SPACC_CELLS_PARTS_H

#include <stddef.h>

#define SPACC_CELLS_OF(set)                                                                  \
    void spacc_cells_lstm_##set(const float *restrict sums, size_t lanes, size_t units,      \
                                float *restrict c, float *restrict h);                       \
    void spacc_cells_gru_gates_##set(const float *restrict sums, size_t lanes, size_t units, \
                                     const float *restrict h, float *restrict z,             \
                                     float *restrict rh);                                    \
    void spacc_cells_gru_state_##set(const float *restrict sums, size_t lanes, size_t units, \
                                     const float *restrict z, float *restrict h);            \
    void spacc_cells_gru_linear_##set(const float *restrict x_sums,                          \
                                      const float *restrict h_sums, size_t lanes,            \
                                      size_t units, float *restrict h);                      \
    void spacc_cells_sigmoid_##set(const float *in, size_t count, float *out);               \
    void spacc_cells_tanh_##set(const float *in, size_t count, float *out);

SPACC_CELLS_OF(scalar)
SPACC_CELLS_OF(avx2)
SPACC_CELLS_OF(avx512)
SPACC_CELLS_OF(neon)

#endif
