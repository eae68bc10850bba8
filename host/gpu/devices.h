/* devices.h - OpenCL itself, for those who make something of a device: the engine's GPU, and
 * cards behind OpenCL (host/card/opencl.h). Only in builds that have OpenCL. */
#ifndef SPACC_GPU_DEVICES_H
#define SPACC_GPU_DEVICES_H

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#include <CL/cl.h>

#include "host/gpu/gpu.h"

/* The first device that `wanted` says yes to. SPACC_EUNSUPPORTED: there is none; the text is
 * "no OpenCL device WHAT here, but " and a list of what there is. */
enum spacc_status spacc_gpu_find(cl_device_id *device, struct spacc_gpu_info *info,
                                 bool (*wanted)(void *user, const struct spacc_gpu_info *info),
                                 void *user, const char *what, struct spacc_error *err);

/* "CL_OUT_OF_RESOURCES", or its number. */
const char *spacc_gpu_code(cl_int code, char *text, size_t text_bytes);

/* SPACC_EDEVICE: "WHO P.D (name): what: OpenCL's words for code". */
enum spacc_status spacc_gpu_failed(const char *who, const struct spacc_gpu_info *info,
                                   cl_int code, const char *what, struct spacc_error *err);

/* Build a program that was made, from source or binary. SPACC_EDEVICE: as above, with the first
 * line of the compiler where it says one. */
enum spacc_status spacc_gpu_build(const char *who, const struct spacc_gpu_info *info,
                                  cl_device_id device, cl_program program, const char *options,
                                  const char *what, struct spacc_error *err);

/* A property of a device; `to` stays as it was when there is none. */
void spacc_gpu_get(cl_device_id device, cl_device_info what, void *to, size_t bytes);

#endif
