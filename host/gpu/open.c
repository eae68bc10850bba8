/* A device opened, with our kernels; closed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/gpu/parts.h"

enum spacc_status spacc_gpu_error(const struct spacc_gpu *gpu, cl_int code, const char *what,
                                  struct spacc_error *err)
{
    return spacc_gpu_failed("GPU", &gpu->info, code, what, err);
}

cl_int spacc_gpu_next(struct spacc_gpu *gpu)
{
    if (gpu->until_failure == 1)
        return CL_OUT_OF_RESOURCES;
    gpu->until_failure -= gpu->until_failure > 1;
    return CL_SUCCESS;
}

void spacc_gpu_fail_at(struct spacc_gpu *gpu, size_t n)
{
    gpu->until_failure = n;
}

uint64_t spacc_gpu_time(cl_event event, cl_profiling_info what)
{
    cl_ulong ns = 0;

    return event && clGetEventProfilingInfo(event, what, sizeof(ns), &ns, NULL) == CL_SUCCESS
               ? ns
               : 0;
}

/* ---- open --------------------------------------------------------------------------- */

static bool is_wanted(void *user, const struct spacc_gpu_info *info)
{
    const char *which = user;

    return strcmp(which, info->which) == 0 ||
           (strcmp(which, "auto") == 0 && strcmp(info->kind, "gpu") == 0);
}

static enum spacc_status find_device(struct spacc_gpu *gpu, const char *which,
                                     struct spacc_error *err)
{
    return spacc_gpu_find(&gpu->device, &gpu->info, is_wanted, (void *)(uintptr_t)which,
                          strcmp(which, "auto") == 0 ? "of kind gpu" : which, err);
}

static enum spacc_status make_kernels(struct spacc_gpu *gpu, struct spacc_error *err)
{
    static const char *const name[] = {
#define X(function) #function,
        SPACC_GPU_KERNELS(X)
#undef X
    };
    const char *source = spacc_gpu_source;
    cl_int code;

    gpu->program = clCreateProgramWithSource(gpu->context, 1, &source, NULL, &code);
    if (!gpu->program)
        return spacc_gpu_error(gpu, code, "program", err);
    const enum spacc_status status = spacc_gpu_build(
        "GPU", &gpu->info, gpu->device, gpu->program, "-cl-std=CL1.2", "our kernels", err);
    if (status)
        return status;
    for (int f = 0; f < SPACC_GPU_FUNCTIONS; f++)
        if (!(gpu->function[f] = clCreateKernel(gpu->program, name[f], &code)))
            return spacc_gpu_error(gpu, code, name[f], err);
    return SPACC_OK;
}

static enum spacc_status start(struct spacc_gpu *gpu, struct spacc_error *err)
{
    size_t largest = 0;
    cl_int code;

    spacc_gpu_get(gpu->device, CL_DEVICE_MAX_WORK_GROUP_SIZE, &largest, sizeof(largest));
    if (largest < GPU_COLUMNS * GPU_SLICES)
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "GPU %s (%s): work-groups of %zu items at most, kernels have %d",
                          gpu->info.which, gpu->info.name, largest, GPU_COLUMNS * GPU_SLICES);

    gpu->context = clCreateContext(NULL, 1, &gpu->device, NULL, NULL, &code);
    if (!gpu->context)
        return spacc_gpu_error(gpu, code, "context", err);
    gpu->queue =
        clCreateCommandQueue(gpu->context, gpu->device, CL_QUEUE_PROFILING_ENABLE, &code);
    if (!gpu->queue)
        return spacc_gpu_error(gpu, code, "queue", err);
    return make_kernels(gpu, err);
}

enum spacc_status spacc_gpu_open(struct spacc_gpu **out, const char *which,
                                 struct spacc_error *err)
{
    struct spacc_gpu *gpu = calloc(1, sizeof(*gpu));
    enum spacc_status status;

    *out = NULL;
    if (!gpu)
        return spacc_fail(err, SPACC_ENOMEM, "GPU %s: no memory", which);
    if ((status = find_device(gpu, which, err)) || (status = start(gpu, err))) {
        spacc_gpu_close(gpu);
        return status;
    }
    *out = gpu;
    return SPACC_OK;
}

void spacc_gpu_close(struct spacc_gpu *gpu)
{
    if (!gpu)
        return;
    for (int f = 0; f < SPACC_GPU_FUNCTIONS; f++)
        if (gpu->function[f])
            clReleaseKernel(gpu->function[f]);
    if (gpu->program)
        clReleaseProgram(gpu->program);
    if (gpu->queue)
        clReleaseCommandQueue(gpu->queue);
    if (gpu->context)
        clReleaseContext(gpu->context);
    free(gpu);
}

const struct spacc_gpu_info *spacc_gpu_info(const struct spacc_gpu *gpu)
{
    return &gpu->info;
}
