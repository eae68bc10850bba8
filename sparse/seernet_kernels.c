#include "sparse/seernet_kernels.h"

extern const struct spacc_seer_kernel spacc_seer_scalar;
#if defined(__x86_64__)
extern const struct spacc_seer_kernel spacc_seer_avx2;
extern const struct spacc_seer_kernel spacc_seer_vnni;
extern const struct spacc_seer_kernel spacc_seer_amx;
#endif

const struct spacc_seer_kernel *const spacc_seer_kernels[] = {
    &spacc_seer_scalar,
#if defined(__x86_64__)
    &spacc_seer_avx2,
    &spacc_seer_vnni,
    &spacc_seer_amx,
#endif
};
const size_t spacc_seer_kernel_count =
    sizeof(spacc_seer_kernels) / sizeof(spacc_seer_kernels[0]);

const struct spacc_seer_kernel *spacc_seer_kernel_best(unsigned cpu_features)
{
    size_t best = 0;

    for (size_t i = 0; i < spacc_seer_kernel_count; i++)
        if ((spacc_seer_kernels[i]->needs & cpu_features) == spacc_seer_kernels[i]->needs)
            best = i;
    return spacc_seer_kernels[best];
}
