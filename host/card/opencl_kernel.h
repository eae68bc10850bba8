/* opencl_kernel.h - of a card behind OpenCL: which device, and our kernel on it. */
#ifndef SPACC_CARD_OPENCL_KERNEL_H
#define SPACC_CARD_OPENCL_KERNEL_H

#include "host/gpu/devices.h"

struct spacc_opencl_kernel {
    cl_device_id device;
    struct spacc_gpu_info info;
    cl_context context;
    cl_program program;
    cl_kernel kernel;
    size_t items; /* of its one work-group */
};

/* spacc_opencl_card_open() says what `which` is, and the errors. Released also on failure. */
enum spacc_status spacc_opencl_kernel_open(struct spacc_opencl_kernel *k, const char *which,
                                           struct spacc_error *err);
void spacc_opencl_kernel_release(struct spacc_opencl_kernel *k);

/* SPACC_EDEVICE: "opencl P.D (name): what: OpenCL's words". */
enum spacc_status spacc_opencl_failed(const struct spacc_opencl_kernel *k, cl_int code,
                                      const char *what, struct spacc_error *err);

#endif
