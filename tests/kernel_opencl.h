/* kernel_opencl.h - hls/spacc_card.cl on the first OpenCL device, as a kernel_card. */
#ifndef SPACC_TESTS_KERNEL_OPENCL_H
#define SPACC_TESTS_KERNEL_OPENCL_H

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <stdio.h>

#include "hls/spacc_kernel.h"
#include "sim/kernel_card.h"

/* Of the largest configuration; behind the state of 16x16 stands a pattern that must stay. */
enum { OPENCL_STATE_BYTES = 32 << 20, OPENCL_PATTERN = 0x5a };

struct opencl_kernel {
    size_t items;
    cl_context context;
    cl_command_queue queue;
    cl_program program;
    cl_kernel kernel;
    cl_mem state;
};

static inline void opencl_ok(cl_int code, const char *what)
{
    if (code != CL_SUCCESS) {
        printf("%s: OpenCL error %d\n", what, (int)code);
        abort();
    }
}

/* The first device of any platform, or NULL. */
static inline cl_device_id opencl_device(void)
{
    cl_platform_id platform[8];
    cl_device_id device;
    cl_uint platforms = 0;

    if (clGetPlatformIDs(8, platform, &platforms) != CL_SUCCESS)
        return NULL;
    for (cl_uint p = 0; p < platforms && p < 8; p++)
        if (clGetDeviceIDs(platform[p], CL_DEVICE_TYPE_ALL, 1, &device, NULL) == CL_SUCCESS)
            return device;
    return NULL;
}

static inline cl_mem opencl_buffer(struct opencl_kernel *o, const void *from, size_t bytes)
{
    static const uint32_t nothing[16];
    cl_int code;
    cl_mem buffer = clCreateBuffer(o->context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                                   bytes ? bytes : sizeof(nothing),
                                   (void *)(uintptr_t)(bytes ? from : nothing), &code);

    opencl_ok(code, "buffer");
    return buffer;
}

/* The buffers of the regions are made for the run: what counts is that no others are touched.
 */
static inline void opencl_run(struct kernel_card *k)
{
    static const uint32_t pointers[4] = {SPACC_REG_PROGRAM_PTR, SPACC_REG_WEIGHTS_PTR,
                                         SPACC_REG_INPUT_PTR, SPACC_REG_OUTPUT_PTR};
    static const uint32_t scalars[5] = {SPACC_REG_PROGRAM_BYTES, SPACC_REG_WEIGHTS_BYTES,
                                        SPACC_REG_INPUT_BYTES, SPACC_REG_OUTPUT_BYTES,
                                        SPACC_REG_WATCHDOG_CYCLES};
    struct opencl_kernel *o = k->user;
    cl_mem region[4];

    for (cl_uint i = 0; i < 4; i++) {
        region[i] = opencl_buffer(o, kernel_pointer(k, pointers[i]), k->reg[scalars[i] / 4]);
        opencl_ok(clSetKernelArg(o->kernel, i, sizeof(cl_mem), &region[i]), "argument");
    }
    for (cl_uint i = 0; i < 5; i++)
        opencl_ok(clSetKernelArg(o->kernel, 4 + i, 4, &k->reg[scalars[i] / 4]), "argument");
    opencl_ok(clSetKernelArg(o->kernel, 9, sizeof(cl_mem), &o->state), "argument");
    opencl_ok(clEnqueueNDRangeKernel(o->queue, o->kernel, 1, NULL, &o->items, &o->items, 0,
                                     NULL, NULL),
              "kernel");
    if (k->reg[SPACC_REG_OUTPUT_BYTES / 4])
        opencl_ok(clEnqueueReadBuffer(o->queue, region[3], CL_TRUE, 0,
                                      k->reg[SPACC_REG_OUTPUT_BYTES / 4],
                                      kernel_pointer(k, SPACC_REG_OUTPUT_PTR), 0, NULL, NULL),
                  "output");
    opencl_ok(clEnqueueReadBuffer(o->queue, o->state, CL_TRUE, 0, sizeof(k->image), k->image, 0,
                                  NULL, NULL),
              "registers");
    for (cl_uint i = 0; i < 4; i++)
        clReleaseMemObject(region[i]);
}

static inline void opencl_close(struct kernel_card *k)
{
    struct opencl_kernel *o = k->user;

    clReleaseMemObject(o->state);
    clReleaseKernel(o->kernel);
    clReleaseProgram(o->program);
    clReleaseCommandQueue(o->queue);
    clReleaseContext(o->context);
    free(o);
}

static inline void opencl_build(struct opencl_kernel *o, cl_device_id device,
                                const char *config)
{
    const char *const text = "#include \"hls/spacc_card.cl\"\n";
    char options[1024], log[4096] = "";
    cl_int code;

    o->program =
        clCreateProgramWithSource(o->context, 1, (const char **)(uintptr_t)&text, NULL, &code);
    opencl_ok(code, "program");
    snprintf(options, sizeof(options), "-cl-std=CL1.2 -I%s -I%s -DSPACC_KERNEL_CONFIG=%s",
             SPACC_SOURCE, SPACC_BUILD, config);
    code = clBuildProgram(o->program, 1, &device, options, NULL, NULL);
    clGetProgramBuildInfo(o->program, device, CL_PROGRAM_BUILD_LOG, sizeof(log) - 1, log, NULL);
    if (code != CL_SUCCESS)
        printf("%s\n", log);
    opencl_ok(code, "build");
    o->kernel = clCreateKernel(o->program, "spacc_card", &code);
    opencl_ok(code, "kernel");
}

/* `state` is all zeros up to `state_bytes`, where the pattern begins. */
static inline void opencl_state(struct opencl_kernel *o, size_t state_bytes)
{
    const unsigned char zero = 0, pattern = OPENCL_PATTERN;
    cl_int code;

    o->state = clCreateBuffer(o->context, CL_MEM_READ_WRITE, OPENCL_STATE_BYTES, NULL, &code);
    opencl_ok(code, "state");
    opencl_ok(clEnqueueFillBuffer(o->queue, o->state, &pattern, 1, 0, OPENCL_STATE_BYTES, 0,
                                  NULL, NULL),
              "pattern");
    opencl_ok(clEnqueueFillBuffer(o->queue, o->state, &zero, 1, 0, state_bytes, 0, NULL, NULL),
              "zeros");
}

/* Whether nobody wrote behind the state. */
static inline bool opencl_kept_pattern(struct opencl_kernel *o, size_t state_bytes)
{
    unsigned char *all = malloc(OPENCL_STATE_BYTES);
    bool kept = all != NULL;

    opencl_ok(clEnqueueReadBuffer(o->queue, o->state, CL_TRUE, 0, OPENCL_STATE_BYTES, all, 0,
                                  NULL, NULL),
              "state");
    for (size_t i = state_bytes; i < OPENCL_STATE_BYTES && kept; i++)
        kept = all[i] == OPENCL_PATTERN;
    free(all);
    return kept;
}

/* One work-group of `items`; NULL without a device. */
static inline struct kernel_card *opencl_new(const char *config, size_t state_bytes,
                                             size_t items)
{
    cl_device_id device = opencl_device();
    struct kernel_card *k = calloc(1, sizeof(*k));
    struct opencl_kernel *o = calloc(1, sizeof(*o));
    cl_int code;

    if (!device || !k || !o) {
        free(k);
        free(o);
        return NULL;
    }
    o->items = items;
    o->context = clCreateContext(NULL, 1, &device, NULL, NULL, &code);
    opencl_ok(code, "context");
    o->queue = clCreateCommandQueue(o->context, device, 0, &code);
    opencl_ok(code, "queue");
    opencl_build(o, device, config);
    opencl_state(o, state_bytes);
    *k = (struct kernel_card){.run = opencl_run, .close = opencl_close, .user = o};
    return k;
}

#endif
