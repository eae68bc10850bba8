/* xclbin.h - what is asked of an .xclbin (container of a bitstream, "axlf" of XRT) before it
 * goes to a board: that it is one, that our kernel is in it, and its clock. */
#ifndef SPACC_XCLBIN_H
#define SPACC_XCLBIN_H

#include <stdbool.h>
#include <stdint.h>

#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of the kernel named `kernel` how many arguments it has, and its clock. SPACC_EIO (file,
 * reason), SPACC_EFORMAT: not an xclbin, cut off, a section outside of the file, no kernel of
 * that name (names those there are), no clock. */
enum spacc_status spacc_xclbin_kernel(const char *file, const char *kernel, unsigned *arguments,
                                      double *clock_hz, struct spacc_error *err);

/* Whether the kernel has the argument that kernels of hls/ have behind those of the card
 * (SPACC_ARGUMENT_STATE of arguments.h). Errors as above; SPACC_EFORMAT also when an argument
 * of that number has another name or offset: both are named. */
enum spacc_status spacc_xclbin_state(const char *file, const char *kernel, bool *has,
                                     struct spacc_error *err);

/* Bytes of memory bank `bank`; 0: it is no memory of that file (a group of banks, host memory).
 * Errors as above. */
enum spacc_status spacc_xclbin_bank(const char *file, uint32_t bank, uint64_t *bytes,
                                    struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
