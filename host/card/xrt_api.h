/* xrt_api.h - the calls of XRT's native C interface (libxrt_coreutil, 2.13 to 2.26 alike) that
 * a card needs, found when a board is asked for: spacc is built and runs without XRT. */
#ifndef SPACC_XRT_API_H
#define SPACC_XRT_API_H

#include <stddef.h>
#include <stdint.h>

#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Values of XRT's headers: ert.h, xrt/detail/xrt_mem.h. */
enum { SPACC_XRT_TO_DEVICE = 0, SPACC_XRT_FROM_DEVICE = 1 };
enum spacc_xrt_state {
    SPACC_XRT_NEW = 1,
    SPACC_XRT_QUEUED = 2,
    SPACC_XRT_RUNNING = 3,
    SPACC_XRT_COMPLETED = 4,
    SPACC_XRT_ERROR = 5,
    SPACC_XRT_ABORT = 6,
    SPACC_XRT_SUBMITTED = 7,
    SPACC_XRT_TIMEOUT = 8,
    SPACC_XRT_NORESPONSE = 9,
};

/* Member names are the calls without "xrt"; handles are pointers, 0 is success. */
struct spacc_xrt_api {
    void *library;
    void *(*DeviceOpen)(unsigned int index);
    int (*DeviceClose)(void *device);
    int (*DeviceLoadXclbinFile)(void *device, const char *file);
    int (*DeviceGetXclbinUUID)(void *device, unsigned char uuid[16]);
    void *(*PLKernelOpenExclusive)(void *device, const unsigned char uuid[16],
                                   const char *name);
    int (*KernelClose)(void *kernel);
    int (*KernelArgGroupId)(void *kernel, int argument);
    int (*KernelReadRegister)(void *kernel, uint32_t offset, uint32_t *value);
    int (*KernelWriteRegister)(void *kernel, uint32_t offset, uint32_t value);
    void *(*BOAlloc)(void *device, size_t size_bytes, uint64_t flags, uint32_t group);
    int (*BOFree)(void *buffer);
    uint64_t (*BOAddress)(void *buffer);
    int (*BOWrite)(void *buffer, const void *from, size_t size_bytes, size_t seek);
    int (*BORead)(void *buffer, void *to, size_t size_bytes, size_t skip);
    int (*BOSync)(void *buffer, int direction, size_t size_bytes, size_t offset);
    void *(*RunOpen)(void *kernel);
    int (*RunSetArg)(void *run, int index, ...);
    int (*RunStart)(void *run);
    int (*RunWaitFor)(void *run, unsigned int timeout_ms);
    int (*RunClose)(void *run);
};

/* Load the library named by SPACC_XRT_LIB, else libxrt_coreutil.so.2. SPACC_EUNSUPPORTED: it is
 * not here, or lacks a call (both named), or XILINX_XRT is not set. */
enum spacc_status spacc_xrt_api_load(struct spacc_xrt_api *api, struct spacc_error *err);
void spacc_xrt_api_unload(struct spacc_xrt_api *api);

#ifdef __cplusplus
}
#endif

#endif
