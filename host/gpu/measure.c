/* What the device costs besides its kernels, and what it does at most. */
#include <stdlib.h>
#include <string.h>

#include "host/clock.h"
#include "host/gpu/parts.h"

enum {
    BYTES_MAX = 32 << 20,
    SMALL = 4 << 10,
    TIMES = 9, /* the middle one counts */
    LAUNCHES = 64,
    ITEMS = 1 << 14,
    ROUNDS = 4096,
    MACS_A_ROUND = 16
};

struct bench {
    struct spacc_gpu *gpu;
    cl_mem a, b;
    char *host;
    cl_int code; /* of the first failure */
};

/* ---- one measurement each: microseconds ---------------------------------------------------
 */

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double middle(struct bench *m, double (*once)(struct bench *m, size_t bytes),
                     size_t bytes)
{
    double us[TIMES];

    once(m, bytes); /* pages and code are there */
    for (int i = 0; i < TIMES; i++)
        us[i] = once(m, bytes);
    qsort(us, TIMES, sizeof(us[0]), by_size);
    return us[TIMES / 2];
}

static void note(struct bench *m, cl_int code)
{
    m->code = m->code ? m->code : code;
}

static void copy(struct bench *m, size_t bytes, cl_event *event)
{
    const cl_kernel k = m->gpu->function[SPACC_GPU_copy];
    const cl_uint at = 0;
    const cl_int count = (cl_int)(bytes / sizeof(float));
    const size_t global = (bytes / sizeof(float) + 63) / 64 * 64, local = 64;

    note(m, spacc_gpu_next(m->gpu));
    note(m, clSetKernelArg(k, 0, sizeof(m->b), &m->b));
    note(m, clSetKernelArg(k, 1, sizeof(at), &at));
    note(m, clSetKernelArg(k, 2, sizeof(m->a), &m->a));
    note(m, clSetKernelArg(k, 3, sizeof(at), &at));
    note(m, clSetKernelArg(k, 4, sizeof(count), &count));
    if (!m->code)
        note(m, clEnqueueNDRangeKernel(m->gpu->queue, k, 1, NULL, &global, &local, 0, NULL,
                                       event));
}

static double take_us(struct bench *m, cl_event event)
{
    note(m, clFinish(m->gpu->queue));
    const uint64_t start = spacc_gpu_time(event, CL_PROFILING_COMMAND_START);
    const uint64_t end = spacc_gpu_time(event, CL_PROFILING_COMMAND_END);
    if (event)
        clReleaseEvent(event);
    return end > start ? (double)(end - start) / 1e3 : 0.0;
}

static double write_once(struct bench *m, size_t bytes)
{
    const double before = spacc_now_us();

    note(m,
         clEnqueueWriteBuffer(m->gpu->queue, m->a, CL_TRUE, 0, bytes, m->host, 0, NULL, NULL));
    return spacc_now_us() - before;
}

static double read_once(struct bench *m, size_t bytes)
{
    const double before = spacc_now_us();

    note(m,
         clEnqueueReadBuffer(m->gpu->queue, m->a, CL_TRUE, 0, bytes, m->host, 0, NULL, NULL));
    return spacc_now_us() - before;
}

/* Handing over one of many kernels. */
static double launch_once(struct bench *m, size_t bytes)
{
    const double before = spacc_now_us();

    for (int i = 0; i < LAUNCHES && !m->code; i++)
        copy(m, bytes, NULL);
    const double us = (spacc_now_us() - before) / LAUNCHES;
    note(m, clFinish(m->gpu->queue));
    return us;
}

/* From handing one over until the host knows that it has ended, less the kernel. */
static double sync_once(struct bench *m, size_t bytes)
{
    const double before = spacc_now_us();
    cl_event event = NULL;

    copy(m, bytes, &event);
    note(m, clFinish(m->gpu->queue));
    const double us = spacc_now_us() - before - take_us(m, event);
    return us > 0.0 ? us : 0.0;
}

static double copy_once(struct bench *m, size_t bytes)
{
    cl_event event = NULL;

    copy(m, bytes, &event);
    return take_us(m, event);
}

static double macs_once(struct bench *m, size_t bytes)
{
    const cl_kernel k = m->gpu->function[SPACC_GPU_peak_macs];
    const size_t global = ITEMS, local = 64;
    const cl_int rounds = ROUNDS;
    const cl_uint at = 0;
    cl_event event = NULL;

    (void)bytes;
    note(m, clSetKernelArg(k, 0, sizeof(m->a), &m->a));
    note(m, clSetKernelArg(k, 1, sizeof(at), &at));
    note(m, clSetKernelArg(k, 2, sizeof(rounds), &rounds));
    if (!m->code)
        note(m, clEnqueueNDRangeKernel(m->gpu->queue, k, 1, NULL, &global, &local, 0, NULL,
                                       &event));
    return take_us(m, event);
}

/* ---- a line through them --------------------------------------------------------------------
 */

/* Latency and rate of a transfer: the line of least squares relative to what was measured, so
 * that small ones count as much as large ones. */
static void fit(struct bench *m, double (*once)(struct bench *m, size_t bytes), double *us,
                double *bytes_per_us)
{
    double w = 0.0, wx = 0.0, wy = 0.0, wxx = 0.0, wxy = 0.0;

    for (size_t bytes = SMALL; bytes <= BYTES_MAX && !m->code; bytes *= 8) {
        const double x = (double)bytes, y = middle(m, once, bytes), s = 1.0 / (y * y + 1e-9);
        w += s, wx += s * x, wy += s * y, wxx += s * x * x, wxy += s * x * y;
    }
    const double d = w * wxx - wx * wx, slope = d > 0.0 ? (w * wxy - wx * wy) / d : 0.0;
    *bytes_per_us = slope > 1e-9 ? 1.0 / slope : 1e9;
    *us = w > 0.0 ? (wy - slope * wx) / w : 0.0;
    *us = *us > 0.0 ? *us : 0.0;
}

static void measure(struct bench *m, struct spacc_link *out)
{
    out->launch_us = middle(m, launch_once, SMALL);
    out->sync_us = middle(m, sync_once, SMALL);
    fit(m, write_once, &out->to_us, &out->to_bytes_per_us);
    fit(m, read_once, &out->from_us, &out->from_bytes_per_us);
    const double macs = middle(m, macs_once, 0), moved = middle(m, copy_once, BYTES_MAX);
    out->peak_macs_per_us = (double)ITEMS * ROUNDS * MACS_A_ROUND / (macs > 0.0 ? macs : 1e9);
    out->peak_bytes_per_us = 2.0 * BYTES_MAX / (moved > 0.0 ? moved : 1e9);
}

enum spacc_status spacc_gpu_measure(struct spacc_gpu *gpu, struct spacc_link *out,
                                    struct spacc_error *err)
{
    struct bench m = {.gpu = gpu, .host = malloc(BYTES_MAX)};
    enum spacc_status status = SPACC_OK;

    memset(out, 0, sizeof(*out));
    if (!m.host)
        return spacc_fail(err, SPACC_ENOMEM, "GPU %s: no memory to measure", gpu->info.which);
    memset(m.host, 0, BYTES_MAX);
    m.a = clCreateBuffer(gpu->context, CL_MEM_READ_WRITE, BYTES_MAX, NULL, &m.code);
    if (m.a)
        m.b = clCreateBuffer(gpu->context, CL_MEM_READ_WRITE, BYTES_MAX, NULL, &m.code);
    if (m.a && m.b)
        measure(&m, out);
    if (m.code)
        status = spacc_gpu_error(gpu, m.code, "measuring", err);
    if (m.a)
        clReleaseMemObject(m.a);
    if (m.b)
        clReleaseMemObject(m.b);
    free(m.host);
    return status;
}
