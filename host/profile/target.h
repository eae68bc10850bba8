/* target.h - whose kernels are profiled: CPU cores, or an OpenCL device with every node that it
 * can run. */
#ifndef SPACC_PROFILE_TARGET_H
#define SPACC_PROFILE_TARGET_H

#include "host/gpu/gpu.h"
#include "host/profile/probe.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_target {
    struct spacc_gpu *gpu;             /* NULL: the CPU */
    const struct spacc_binding *shape; /* of the graph that an engine is being made for */
};

/* `device`: "cpu", or an OpenCL device as "P.D". SPACC_EUNSUPPORTED names it and what there
 * is; errors of spacc_gpu_open(). */
enum spacc_status spacc_target_open(struct spacc_target *t, const char *device,
                                    struct spacc_error *err);
void spacc_target_close(struct spacc_target *t);

/* Launch, transfers and peaks; power by the counters under `powercap` (NULL: the system's). A
 * second. */
enum spacc_status spacc_target_link(struct spacc_target *t, const struct spacc_ruler *r,
                                    const struct spacc_engine_options *options,
                                    const char *powercap, struct spacc_link *link,
                                    struct spacc_power *power, struct spacc_error *err);

/* spacc_probe_new() and spacc_probe_of() with its nodes on this device. */
enum spacc_status spacc_target_probe(struct spacc_target *t, struct spacc_probe **out,
                                     struct spacc_graph *g, struct spacc_tensor **input,
                                     const struct spacc_engine_options *options,
                                     struct spacc_error *err);
enum spacc_status spacc_target_probe_of(struct spacc_target *t, struct spacc_probe **out,
                                        const struct spacc_graph *g,
                                        const struct spacc_tensor *const *input,
                                        const struct spacc_engine_options *options,
                                        struct spacc_error *err);

/* Whether a step is one of this device's kernels. */
bool spacc_target_has(const struct spacc_target *t, const struct spacc_engine_step *step);

#ifdef __cplusplus
}
#endif

#endif
