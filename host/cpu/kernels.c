#include "host/cpu/kernels.h"
#include "host/gpu/slots.h"

/* clang-format off */
const struct spacc_cpu_kernel *const spacc_cpu_kernels[] = {
    &spacc_cpu_foreign,
    &spacc_gpu_kernel,
    &spacc_cpu_view,
    &spacc_cpu_move,
    &spacc_cpu_rnn,
    &spacc_cpu_product,
    &spacc_cpu_seernet,
    &spacc_cpu_int8_seernet,
    &spacc_cpu_int8_conv,
#if SPACC_ONEDNN
    &spacc_cpu_onednn_conv,
    &spacc_cpu_onednn_deconv,
    &spacc_cpu_onednn_maxpool,
    &spacc_cpu_onednn_pool,
    &spacc_cpu_onednn_resize,
    &spacc_cpu_onednn_eltwise,
    &spacc_cpu_onednn_binary,
    &spacc_cpu_onednn_concat,
    &spacc_cpu_onednn_transpose,
#endif
    &spacc_cpu_conv,
    &spacc_cpu_pool,
    &spacc_cpu_gemm,
    &spacc_cpu_pointwise,
    &spacc_cpu_reference,
};
/* clang-format on */
const size_t spacc_cpu_kernel_count = sizeof(spacc_cpu_kernels) / sizeof(spacc_cpu_kernels[0]);
