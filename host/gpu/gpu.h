/* gpu.h - an OpenCL device for the engine's nodes: CLBlast for products, our own OpenCL C for
 * the rest.
 *
 * The engine asks spacc_gpu_can() node by node, puts the nodes that it is told to on the device
 * as steps of the same list as its CPU kernels, and adds uploads and downloads where a value
 * changes sides: buffers stay on the device between its nodes. Steps are queued, in order, and
 * the host waits only where it reads a result; meanwhile its own steps go on. */
#ifndef SPACC_GPU_H
#define SPACC_GPU_H

#include "models/run.h"
#include "scheduler/profile.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_gpu;

/* What `spacc devices` prints. */
struct spacc_gpu_info {
    char name[128];     /* "pthread-haswell-AMD EPYC-Milan Processor" */
    char platform[128]; /* "Portable Computing Language" */
    char which[16];     /* "0.0": platform and device, as --gpu takes it */
    char kind[16];      /* "gpu", "cpu", "accelerator", "other" */
    unsigned units;
    size_t memory_bytes, local_bytes;
    unsigned clock_mhz;
};

/* Every OpenCL device of this machine: at most `room` of them into info; returns how many there
 * are. No driver, no platform and no device are 0, never an error. */
size_t spacc_gpu_list(struct spacc_gpu_info *info, size_t room);

/* `which`: "P.D" (any kind of device: PoCL is a CPU), or "auto": the first device of kind gpu.
 * Compiles our kernels. SPACC_EUNSUPPORTED: no such device (with what there is), or a build
 * without OpenCL; SPACC_EDEVICE: the driver said no (its words). */
enum spacc_status spacc_gpu_open(struct spacc_gpu **out, const char *which,
                                 struct spacc_error *err);
void spacc_gpu_close(struct spacc_gpu *gpu);
const struct spacc_gpu_info *spacc_gpu_info(const struct spacc_gpu *gpu);

/* Whether node n of a graph with these shapes can run there; else why not, into `why`. */
bool spacc_gpu_can(const struct spacc_gpu *gpu, const struct spacc_graph *g,
                   const struct spacc_binding *shape, int n, char *why, size_t why_bytes);

/* Launch, synchronisation, transfers at several sizes, peaks: measured now (a second or less).
 */
enum spacc_status spacc_gpu_measure(struct spacc_gpu *gpu, struct spacc_link *out,
                                    struct spacc_error *err);

/* For tests: the n-th command from now on fails with SPACC_EDEVICE, and every later one. 0:
 * none. */
void spacc_gpu_fail_at(struct spacc_gpu *gpu, size_t n);

#ifdef __cplusplus
}
#endif

#endif
