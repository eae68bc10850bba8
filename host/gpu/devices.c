/* OpenCL's devices: listed, found; its codes as words; programs built. */
#include "host/gpu/devices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLATFORMS_MAX = 16, DEVICES_MAX = 16, LOG_BYTES = 1 << 20 };

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

enum spacc_status spacc_gpu_failed(const char *who, const struct spacc_gpu_info *info,
                                   cl_int code, const char *what, struct spacc_error *err)
{
    char text[48];

    return spacc_fail(err, SPACC_EDEVICE, "%s %s (%s): %s: %s", who, info->which, info->name,
                      what, spacc_gpu_code(code, text, sizeof(text)));
}

/* ---- the list ----------------------------------------------------------------------- */

static const char *kind_name(cl_device_type type)
{
    return type & CL_DEVICE_TYPE_GPU           ? "gpu"
           : type & CL_DEVICE_TYPE_CPU         ? "cpu"
           : type & CL_DEVICE_TYPE_ACCELERATOR ? "accelerator"
                                               : "other";
}

void spacc_gpu_get(cl_device_id d, cl_device_info what, void *to, size_t bytes)
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

    spacc_gpu_get(device, CL_DEVICE_NAME, info.name, sizeof(info.name) - 1);
    spacc_gpu_get(device, CL_DEVICE_TYPE, &type, sizeof(type));
    spacc_gpu_get(device, CL_DEVICE_MAX_COMPUTE_UNITS, &units, sizeof(units));
    spacc_gpu_get(device, CL_DEVICE_GLOBAL_MEM_SIZE, &memory, sizeof(memory));
    spacc_gpu_get(device, CL_DEVICE_LOCAL_MEM_SIZE, &local, sizeof(local));
    spacc_gpu_get(device, CL_DEVICE_MAX_CLOCK_FREQUENCY, &mhz, sizeof(mhz));
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

/* ---- one device --------------------------------------------------------------------- */

struct search {
    bool (*wanted)(void *user, const struct spacc_gpu_info *info);
    void *user;
    cl_device_id device;
    struct spacc_gpu_info info;
    char seen[256];
};

static bool is_wanted(void *user, cl_device_id device, const struct spacc_gpu_info *info)
{
    struct search *s = user;
    const size_t used = strlen(s->seen);

    if (s->wanted(s->user, info)) {
        s->device = device;
        s->info = *info;
        return true;
    }
    snprintf(s->seen + used, sizeof(s->seen) - used, "%s%s %s (%s)", used ? ", " : "",
             info->which, info->name, info->kind);
    return false;
}

enum spacc_status spacc_gpu_find(cl_device_id *device, struct spacc_gpu_info *info,
                                 bool (*wanted)(void *user, const struct spacc_gpu_info *info),
                                 void *user, const char *what, struct spacc_error *err)
{
    struct search s = {.wanted = wanted, .user = user};

    if (each_device(is_wanted, &s)) {
        *device = s.device;
        *info = s.info;
        return SPACC_OK;
    }
    if (!s.seen[0])
        return spacc_fail(err, SPACC_EUNSUPPORTED, "no OpenCL device here");
    return spacc_fail(err, SPACC_EUNSUPPORTED, "no OpenCL device %s here, but %s", what,
                      s.seen);
}

/* ---- programs ----------------------------------------------------------------------- */

/* The compiler's first words, on one line. */
static void first_line(cl_device_id device, cl_program program, char *text, size_t text_bytes)
{
    char *log = calloc(1, LOG_BYTES);

    text[0] = '\0';
    if (log && clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, LOG_BYTES - 1, log,
                                     NULL) == CL_SUCCESS) {
        log[strcspn(log, "\n")] = '\0';
        snprintf(text, text_bytes, "%s", log);
    }
    free(log);
}

enum spacc_status spacc_gpu_build(const char *who, const struct spacc_gpu_info *info,
                                  cl_device_id device, cl_program program, const char *options,
                                  const char *what, struct spacc_error *err)
{
    const cl_int code = clBuildProgram(program, 1, &device, options, NULL, NULL);
    char line[256];

    if (code == CL_SUCCESS)
        return SPACC_OK;
    first_line(device, program, line, sizeof(line));
    return line[0] ? spacc_fail(err, SPACC_EDEVICE, "%s %s (%s): %s: %s", who, info->which,
                                info->name, what, line)
                   : spacc_gpu_failed(who, info, code, what, err);
}
