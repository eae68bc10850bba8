/* Devices: listed, opened, closed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/gpu/parts.h"

enum { PLATFORMS_MAX = 16, DEVICES_MAX = 16, LOG_BYTES = 1024 };

/* ---- words ------------------------------------------------------------------------ */

const char *spacc_gpu_code(cl_int code, char *text, size_t text_bytes)
{
    static const struct {
        cl_int code;
        const char *name;
    } names[] = {{CL_DEVICE_NOT_AVAILABLE, "CL_DEVICE_NOT_AVAILABLE"},
                 {CL_COMPILER_NOT_AVAILABLE, "CL_COMPILER_NOT_AVAILABLE"},
                 {CL_MEM_OBJECT_ALLOCATION_FAILURE, "CL_MEM_OBJECT_ALLOCATION_FAILURE"},
                 {CL_OUT_OF_RESOURCES, "CL_OUT_OF_RESOURCES"},
                 {CL_OUT_OF_HOST_MEMORY, "CL_OUT_OF_HOST_MEMORY"},
                 {CL_BUILD_PROGRAM_FAILURE, "CL_BUILD_PROGRAM_FAILURE"},
                 {CL_INVALID_BUFFER_SIZE, "CL_INVALID_BUFFER_SIZE"},
                 {CL_INVALID_WORK_GROUP_SIZE, "CL_INVALID_WORK_GROUP_SIZE"},
                 {CL_INVALID_KERNEL_ARGS, "CL_INVALID_KERNEL_ARGS"},
                 {CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST,
                  "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST"}};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].code == code)
            return names[i].name;
    snprintf(text, text_bytes, "OpenCL error %d", (int)code);
    return text;
}

enum spacc_status spacc_gpu_error(const struct spacc_gpu *gpu, cl_int code, const char *what,
                                  struct spacc_error *err)
{
    char text[48];

    return spacc_fail(err, SPACC_EDEVICE, "GPU %s (%s): %s: %s", gpu->info.which,
                      gpu->info.name, what, spacc_gpu_code(code, text, sizeof(text)));
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

/* ---- the list ----------------------------------------------------------------------- */

static const char *kind_name(cl_device_type type)
{
    return type & CL_DEVICE_TYPE_GPU           ? "gpu"
           : type & CL_DEVICE_TYPE_CPU         ? "cpu"
           : type & CL_DEVICE_TYPE_ACCELERATOR ? "accelerator"
                                               : "other";
}

static void get(cl_device_id d, cl_device_info what, void *to, size_t bytes)
{
    char text[1024] = ""; /* longer ones give nothing */

    if (clGetDeviceInfo(d, what, sizeof(text), text, NULL) == CL_SUCCESS)
        memcpy(to, text, bytes);
}

static struct spacc_gpu_info describe(cl_platform_id platform, unsigned p, cl_device_id device,
                                      unsigned d)
{
    struct spacc_gpu_info info = {.units = 0};
    cl_device_type type = 0;
    cl_ulong memory = 0, local = 0;
    cl_uint units = 0, mhz = 0;
    char text[1024] = "";

    get(device, CL_DEVICE_NAME, info.name, sizeof(info.name) - 1);
    get(device, CL_DEVICE_TYPE, &type, sizeof(type));
    get(device, CL_DEVICE_MAX_COMPUTE_UNITS, &units, sizeof(units));
    get(device, CL_DEVICE_GLOBAL_MEM_SIZE, &memory, sizeof(memory));
    get(device, CL_DEVICE_LOCAL_MEM_SIZE, &local, sizeof(local));
    get(device, CL_DEVICE_MAX_CLOCK_FREQUENCY, &mhz, sizeof(mhz));
    if (clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof(text), text, NULL) == CL_SUCCESS)
        memcpy(info.platform, text, sizeof(info.platform) - 1);
    snprintf(info.which, sizeof(info.which), "%u.%u", p, d);
    snprintf(info.kind, sizeof(info.kind), "%s", kind_name(type));
    info.units = units;
    info.memory_bytes = (size_t)memory;
    info.local_bytes = (size_t)local;
    info.clock_mhz = mhz;
    return info;
}

/* Calls `f` for every device until it says true. */
static bool each_device(bool (*f)(void *user, cl_device_id device,
                                  const struct spacc_gpu_info *info),
                        void *user)
{
    cl_platform_id platform[PLATFORMS_MAX];
    cl_device_id device[DEVICES_MAX];
    cl_uint platforms = 0;

    if (clGetPlatformIDs(PLATFORMS_MAX, platform, &platforms) != CL_SUCCESS)
        return false; /* no driver at all */
    for (unsigned p = 0; p < platforms && p < PLATFORMS_MAX; p++) {
        cl_uint devices = 0;
        if (clGetDeviceIDs(platform[p], CL_DEVICE_TYPE_ALL, DEVICES_MAX, device, &devices) !=
            CL_SUCCESS)
            continue;
        for (unsigned d = 0; d < devices && d < DEVICES_MAX; d++) {
            const struct spacc_gpu_info info = describe(platform[p], p, device[d], d);
            if (f(user, device[d], &info))
                return true;
        }
    }
    return false;
}

struct listing {
    struct spacc_gpu_info *info;
    size_t room, count;
};

static bool add_to_list(void *user, cl_device_id device, const struct spacc_gpu_info *info)
{
    struct listing *l = user;

    (void)device;
    if (l->count < l->room)
        l->info[l->count] = *info;
    l->count++;
    return false;
}

size_t spacc_gpu_list(struct spacc_gpu_info *info, size_t room)
{
    struct listing l = {.info = info, .room = room};

    each_device(add_to_list, &l);
    return l.count;
}

/* ---- open --------------------------------------------------------------------------- */

struct search {
    const char *which;
    struct spacc_gpu *gpu;
    char seen[256];
};

static bool is_wanted(void *user, cl_device_id device, const struct spacc_gpu_info *info)
{
    struct search *s = user;
    const size_t used = strlen(s->seen);

    if (strcmp(s->which, info->which) == 0 ||
        (strcmp(s->which, "auto") == 0 && strcmp(info->kind, "gpu") == 0)) {
        s->gpu->device = device;
        s->gpu->info = *info;
        return true;
    }
    snprintf(s->seen + used, sizeof(s->seen) - used, "%s%s %s (%s)", used ? ", " : "",
             info->which, info->name, info->kind);
    return false;
}

static enum spacc_status find_device(struct spacc_gpu *gpu, const char *which,
                                     struct spacc_error *err)
{
    struct search s = {.which = which, .gpu = gpu};

    if (each_device(is_wanted, &s))
        return SPACC_OK;
    if (!s.seen[0])
        return spacc_fail(err, SPACC_EUNSUPPORTED, "no OpenCL device here");
    return spacc_fail(err, SPACC_EUNSUPPORTED, "no OpenCL device %s here, but %s",
                      strcmp(which, "auto") == 0 ? "of kind gpu" : which, s.seen);
}

/* The compiler's first words, on one line. */
static enum spacc_status build_failed(const struct spacc_gpu *gpu, cl_int code,
                                      struct spacc_error *err)
{
    char *log = calloc(1, LOG_BYTES * LOG_BYTES);
    enum spacc_status status = spacc_gpu_error(gpu, code, "our kernels", err);

    if (log && clGetProgramBuildInfo(gpu->program, gpu->device, CL_PROGRAM_BUILD_LOG,
                                     LOG_BYTES * LOG_BYTES - 1, log, NULL) == CL_SUCCESS) {
        log[strcspn(log, "\n")] = '\0';
        status = spacc_fail(err, SPACC_EDEVICE, "GPU %s (%s): our kernels: %s", gpu->info.which,
                            gpu->info.name, log);
    }
    free(log);
    return status;
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
    if ((code = clBuildProgram(gpu->program, 1, &gpu->device, "-cl-std=CL1.2", NULL, NULL)))
        return build_failed(gpu, code, err);
    for (int f = 0; f < SPACC_GPU_FUNCTIONS; f++)
        if (!(gpu->function[f] = clCreateKernel(gpu->program, name[f], &code)))
            return spacc_gpu_error(gpu, code, name[f], err);
    return SPACC_OK;
}

static enum spacc_status start(struct spacc_gpu *gpu, struct spacc_error *err)
{
    size_t largest = 0;
    cl_int code;

    get(gpu->device, CL_DEVICE_MAX_WORK_GROUP_SIZE, &largest, sizeof(largest));
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
