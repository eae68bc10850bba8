#include "sparse/cells.h"

#include "sparse/cells_parts.h"
#include "sparse/cpu.h"

#define CELLS(set, needs)                                                 \
    {                                                                     \
#set, needs, spacc_cells_lstm_##set, spacc_cells_gru_gates_##set, \
            spacc_cells_gru_state_##set, spacc_cells_gru_linear_##set,    \
            spacc_cells_sigmoid_##set, spacc_cells_tanh_##set             \
    }

const struct spacc_cell_kernel spacc_cell_kernels[] = {
    CELLS(scalar, 0),
#if defined(__x86_64__)
    CELLS(avx2, SPACC_CPU_AVX2),
    CELLS(avx512, SPACC_CPU_AVX512),
#elif defined(__aarch64__)
    CELLS(neon, SPACC_CPU_NEON),
#endif
};
const size_t spacc_cell_kernel_count =
    sizeof(spacc_cell_kernels) / sizeof(spacc_cell_kernels[0]);

const struct spacc_cell_kernel *spacc_cell_kernel_pick(unsigned cpu_features)
{
    size_t i = spacc_cell_kernel_count - 1;
    while (spacc_cell_kernels[i].needs & ~cpu_features) /* [0] needs nothing: it ends */
        i--;
    return &spacc_cell_kernels[i];
}
