/* slots.h - values on the GPU, for the engine that they are part of.
 *
 * Slot v of a value is its place on the host, as ever; slot[v].gpu is another slot, with home
 * SPACC_HOME_GPU, in memory of the device. A value that the GPU makes has home SPACC_HOME_GPU
 * itself until somebody on the host wants it: then one download step fills slot v. A value of
 * the host gets slot[v].gpu and one upload step when the first GPU node reads it. The build
 * without OpenCL has none of these. */
#ifndef SPACC_GPU_SLOTS_H
#define SPACC_GPU_SLOTS_H

#include "host/cpu/engine_parts.h"

/* Takes the nodes that options.on_gpu() names, and whatever only looks at a value there. What
 * any other node reads is brought to the host, before the kernels behind this one are asked. */
extern const struct spacc_cpu_kernel spacc_gpu_kernel;

/* Value v, which only the GPU has, is in its slot from now on: adds a download, or shares one.
 * Status as in b->err. */
enum spacc_status spacc_gpu_bring(struct spacc_cpu_build *b, int v);

/* All steps are there: give the slots on the GPU their places. SPACC_ENOMEM, SPACC_EDEVICE. */
enum spacc_status spacc_gpu_place(struct spacc_engine *e, struct spacc_error *err);

/* Start what is queued; the host goes on. */
void spacc_gpu_flush(struct spacc_engine *e);

/* End of a run, whatever became of it: waits until nothing is queued, reads the times of all
 * steps. Returns `status`, or SPACC_EDEVICE when that was SPACC_OK and a command has failed. */
enum spacc_status spacc_gpu_finish(struct spacc_engine *e, enum spacc_status status,
                                   struct spacc_error *err);

/* What a step on the GPU spends its time in: "gemm" (CLBlast), or the first of our kernels
 * ("direct", "few", "gather" ..); NULL for a transfer. */
const char *spacc_gpu_law(const struct spacc_cpu_step *s);

/* What the engine has there. NULL memory is allowed. */
void spacc_gpu_free_memory(void *memory);
void spacc_gpu_leave(struct spacc_engine *e);

#endif
