/* link.h - what a device costs besides its kernels, and what it takes from the socket. */
#ifndef SPACC_PROFILE_LINK_H
#define SPACC_PROFILE_LINK_H

#include "host/profile/probe.h"
#include "scheduler/profile.h"

#ifdef __cplusplus
extern "C" {
#endif

/* CPU cores: launch is what the engine adds to a step that does next to nothing; the peaks are
 * those of one thread, on a product of matrices and on reading memory. Half a second. */
enum spacc_status spacc_link_cpu(struct spacc_link *out, const struct spacc_ruler *r,
                                 const struct spacc_engine_options *options,
                                 struct spacc_error *err);

/* Watts idle, and more for a busy thread: by the counters under `directory` (NULL: the
 * system's), a second; where none can be read a stated model, said in out->source. */
void spacc_power_cpu(struct spacc_power *out, const char *directory);

#ifdef __cplusplus
}
#endif

#endif
