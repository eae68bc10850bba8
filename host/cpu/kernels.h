/* kernels.h - the kernels of the CPU engine; kernels.c has them in the order in which they are
 * asked. Each is one file that says what it takes. */
#ifndef SPACC_CPU_KERNELS_H
#define SPACC_CPU_KERNELS_H

#include "host/cpu/engine_parts.h"

extern const struct spacc_cpu_kernel spacc_cpu_foreign;      /* foreign.c */
extern const struct spacc_cpu_kernel spacc_cpu_view;         /* view.c */
extern const struct spacc_cpu_kernel spacc_cpu_rnn;          /* rnn.c */
extern const struct spacc_cpu_kernel spacc_cpu_product;      /* product.c */
extern const struct spacc_cpu_kernel spacc_cpu_seernet;      /* seernet.c */
extern const struct spacc_cpu_kernel spacc_cpu_int8_seernet; /* int8_conv.c */
extern const struct spacc_cpu_kernel spacc_cpu_int8_conv;
extern const struct spacc_cpu_kernel spacc_cpu_move;      /* move.c */
extern const struct spacc_cpu_kernel spacc_cpu_pointwise; /* pointwise.c */
extern const struct spacc_cpu_kernel spacc_cpu_gemm;      /* gemm.c */
extern const struct spacc_cpu_kernel spacc_cpu_conv;      /* conv.c */
extern const struct spacc_cpu_kernel spacc_cpu_pool;      /* pool.c */
extern const struct spacc_cpu_kernel spacc_cpu_reference; /* reference.c */
extern const struct spacc_cpu_kernel spacc_cpu_branches;
extern const struct spacc_cpu_kernel spacc_cpu_foreign_wait; /* foreign.c */
extern const struct spacc_cpu_kernel spacc_cpu_onednn_conv;  /* onednn_*.c */
extern const struct spacc_cpu_kernel spacc_cpu_onednn_deconv;
extern const struct spacc_cpu_kernel spacc_cpu_onednn_maxpool;
extern const struct spacc_cpu_kernel spacc_cpu_onednn_pool;
extern const struct spacc_cpu_kernel spacc_cpu_onednn_resize;
extern const struct spacc_cpu_kernel spacc_cpu_onednn_eltwise;
extern const struct spacc_cpu_kernel spacc_cpu_onednn_binary;
extern const struct spacc_cpu_kernel spacc_cpu_onednn_concat;
extern const struct spacc_cpu_kernel spacc_cpu_onednn_transpose;

/* The runs so far of a step that predicts zeros count no more. */
void spacc_cpu_seernet_forget(struct spacc_cpu_step *s);

/* Runs of elements that a step of spacc_cpu_move copies; whether some are not neighbours. */
size_t spacc_cpu_move_runs(const struct spacc_cpu_step *s, bool *strided);

#endif
