#include "host/card/opencl.h"

#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hls/spacc_kernel.h"
#include "host/card/arguments.h"
#include "host/card/buffers.h"
#include "host/card/opencl_kernel.h"
#include "host/clock.h"

enum {
    PAGE = 4096,
    CTRL_START = 1,
    CTRL_DONE = 2,
    CTRL_IDLE = 4,
    IMAGE_END = SPACC_KERNEL_IMAGE_BASE + 4 * SPACC_KERNEL_IMAGE_WORDS,
    PATIENCE_US = 10000000, /* for a run that should have ended */
    STATE_MAX_BYTES = 1 << 30,
};

struct spacc_opencl {
    struct spacc_opencl_kernel k;
    cl_command_queue queue;
    cl_event run; /* under way, or NULL */
    cl_mem state; /* image of registers, and what the kernel keeps from run to run */
    size_t state_bytes;
    cl_mem none; /* for pointers that nobody reads through */
    bool done;   /* the last run has ended, and nobody has been told */
    uint32_t value[SPACC_ARGUMENTS_END / 4];  /* arguments as last written */
    uint32_t image[SPACC_KERNEL_IMAGE_WORDS]; /* registers as the last run left them */
    uint64_t next_address;
    struct spacc_buffer *buffers;
};

static enum spacc_status failed(const struct spacc_opencl *o, cl_int code, const char *what,
                                struct spacc_error *err)
{
    return spacc_opencl_failed(&o->k, code, what, err);
}

/* ---- memory ----------------------------------------------------------------------- */

/* A board with several banks takes the one of the argument that a buffer was first set as. */
static cl_mem new_memory(struct spacc_opencl *o, size_t size_bytes, cl_uint argument,
                         cl_int *code)
{
    cl_mem memory = clCreateBuffer(o->k.context, CL_MEM_READ_WRITE, size_bytes, NULL, code);

    if (!memory)
        return NULL;
    *code = clSetKernelArg(o->k.kernel, argument, sizeof(memory), &memory);
    if (*code == CL_SUCCESS)
        return memory;
    clReleaseMemObject(memory);
    return NULL;
}

static enum spacc_status alloc(void *self, size_t size_bytes, uint64_t *address,
                               struct spacc_error *err)
{
    struct spacc_opencl *o = self;
    struct spacc_buffer *b;
    cl_int code;
    char text[48];

    *address = 0;
    if (size_bytes == 0)
        return spacc_fail(err, SPACC_EINVAL, "opencl: a buffer of 0 bytes");
    b = calloc(1, sizeof(*b));
    if (!b)
        return spacc_fail(err, SPACC_ENOMEM, "opencl: out of memory");
    b->handle = new_memory(o, size_bytes, 0, &code);
    if (!b->handle) {
        free(b);
        return spacc_fail(err, SPACC_ENOMEM, "opencl %s (%s): no buffer of %zu bytes: %s",
                          o->k.info.which, o->k.info.name, size_bytes,
                          spacc_gpu_code(code, text, sizeof(text)));
    }
    b->address = o->next_address;
    b->size_bytes = size_bytes;
    b->next = o->buffers;
    o->buffers = b;
    o->next_address += (size_bytes / PAGE + 2) * PAGE; /* a page that nobody has in between */
    *address = b->address;
    return SPACC_OK;
}

static void release(void *self, uint64_t address)
{
    struct spacc_opencl *o = self;
    void *const gone = spacc_buffers_take(&o->buffers, address);

    if (gone)
        clReleaseMemObject(gone);
}

static enum spacc_status outside(const char *what, uint64_t address, size_t size_bytes,
                                 struct spacc_error *err)
{
    return spacc_fail(err, SPACC_EINVAL,
                      "opencl: %s of %zu bytes at 0x%" PRIx64 " is in no buffer", what,
                      size_bytes, address);
}

static enum spacc_status write_memory(void *self, uint64_t address, const void *from,
                                      size_t size_bytes, struct spacc_error *err)
{
    struct spacc_opencl *o = self;
    const struct spacc_buffer *b = spacc_buffers_find(o->buffers, address, size_bytes);
    cl_int code = CL_SUCCESS;

    if (!b)
        return outside("write", address, size_bytes, err);
    if (size_bytes)
        code =
            clEnqueueWriteBuffer(o->queue, b->handle, CL_TRUE, (size_t)(address - b->address),
                                 size_bytes, from, 0, NULL, NULL);
    return code ? failed(o, code, "write", err) : SPACC_OK;
}

static enum spacc_status read_memory(void *self, uint64_t address, void *to, size_t size_bytes,
                                     struct spacc_error *err)
{
    struct spacc_opencl *o = self;
    const struct spacc_buffer *b = spacc_buffers_find(o->buffers, address, size_bytes);
    cl_int code = CL_SUCCESS;

    if (!b)
        return outside("read", address, size_bytes, err);
    if (size_bytes)
        code = clEnqueueReadBuffer(o->queue, b->handle, CL_TRUE, (size_t)(address - b->address),
                                   size_bytes, to, 0, NULL, NULL);
    return code ? failed(o, code, "read", err) : SPACC_OK;
}

/* ---- runs ------------------------------------------------------------------------- */

static enum spacc_status set_pointer(struct spacc_opencl *o, cl_uint index,
                                     struct spacc_error *err)
{
    const uint64_t address = spacc_argument_pointer(o->value, spacc_argument[index]);
    const struct spacc_buffer *b = address ? spacc_buffers_find(o->buffers, address, 1) : NULL;
    const cl_mem memory = b ? b->handle : o->none;
    cl_int code;

    if (address && (!b || b->address != address))
        return spacc_fail(err, SPACC_EINVAL,
                          "opencl: argument %u is 0x%" PRIx64
                          ", which is the start of no buffer",
                          (unsigned)index, address);
    code = clSetKernelArg(o->k.kernel, index, sizeof(memory), &memory);
    return code ? failed(o, code, "argument", err) : SPACC_OK;
}

static enum spacc_status set_arguments(struct spacc_opencl *o, struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;
    cl_int code = CL_SUCCESS;

    for (cl_uint i = 0; i < SPACC_POINTERS && !status; i++)
        status = set_pointer(o, i, err);
    for (cl_uint i = SPACC_POINTERS; i < SPACC_ARGUMENTS && !status && !code; i++)
        code =
            clSetKernelArg(o->k.kernel, i, sizeof(cl_uint), &o->value[spacc_argument[i] / 4]);
    if (!status && !code)
        code = clSetKernelArg(o->k.kernel, SPACC_ARGUMENT_STATE, sizeof(o->state), &o->state);
    return code ? failed(o, code, "argument", err) : status;
}

static enum spacc_status start(struct spacc_opencl *o, struct spacc_error *err)
{
    const size_t items = o->k.items;
    enum spacc_status status;
    cl_int code;

    o->done = false;
    if (o->run)
        return spacc_fail(err, SPACC_EDEVICE,
                          "opencl %s (%s): the run before has not ended, and OpenCL has no "
                          "call that stops a kernel",
                          o->k.info.which, o->k.info.name);
    status = set_arguments(o, err);
    if (status)
        return status;
    code = clEnqueueNDRangeKernel(o->queue, o->k.kernel, 1, NULL, &items, &items, 0, NULL,
                                  &o->run);
    if (!code)
        code = clFlush(o->queue);
    return code ? failed(o, code, "run", err) : SPACC_OK;
}

/* OpenCL waits without end or not at all: looked at more rarely the longer it takes, so that
 * what looking adds stays below a sixteenth. */
static void nap(double waited_us)
{
    const long most_us = 1000, us = (long)(waited_us / 16.0);

    if (us < 5)
        sched_yield();
    else
        nanosleep(&(struct timespec){.tv_nsec = 1000 * (us < most_us ? us : most_us)}, NULL);
}

/* Wait for the run under way; *ended: it has, and its registers are here. */
static enum spacc_status wait_run(struct spacc_opencl *o, uint64_t limit_us, bool *ended,
                                  struct spacc_error *err)
{
    const double begin = spacc_now_us();
    cl_int state = CL_QUEUED, code;

    *ended = false;
    for (;;) {
        const double waited_us = spacc_now_us() - begin;
        code = clGetEventInfo(o->run, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof(state), &state,
                              NULL);
        if (code || state <= CL_COMPLETE)
            break;
        if (waited_us >= (double)limit_us)
            return SPACC_OK;
        nap(waited_us);
    }
    clReleaseEvent(o->run);
    o->run = NULL;
    if (code || state < 0)
        return failed(o, code ? code : state, "run", err);
    code = clEnqueueReadBuffer(o->queue, o->state, CL_TRUE, 0, sizeof(o->image), o->image, 0,
                               NULL, NULL);
    *ended = code == CL_SUCCESS;
    return code ? failed(o, code, "registers", err) : SPACC_OK;
}

static enum spacc_status wait_done(void *self, uint64_t limit_us, bool *interrupted,
                                   struct spacc_error *err)
{
    struct spacc_opencl *o = self;
    enum spacc_status status = SPACC_OK;

    *interrupted = false;
    if (o->run)
        status = wait_run(o, limit_us, interrupted, err);
    o->done = o->done || *interrupted;
    return status;
}

/* ---- registers -------------------------------------------------------------------- */

static enum spacc_status reg_write(void *self, uint32_t offset, uint32_t value,
                                   struct spacc_error *err)
{
    struct spacc_opencl *o = self;

    if (offset == SPACC_REG_AP_CTRL)
        return value & CTRL_START ? start(o, err) : SPACC_OK;
    if (offset >= SPACC_REG_PROGRAM_PTR && offset < SPACC_ARGUMENTS_END)
        o->value[offset / 4] = value;
    return SPACC_OK; /* interrupts are OpenCL's; the others cannot be written on any card */
}

static uint32_t image(const struct spacc_opencl *o, uint32_t offset)
{
    return o->image[(offset - SPACC_KERNEL_IMAGE_BASE) / 4];
}

static uint64_t error_address(const struct spacc_opencl *o)
{
    return spacc_kernel_error_address(o->value, image(o, SPACC_REG_ERROR_ADDRESS),
                                      image(o, SPACC_REG_ERROR_ADDRESS + 4));
}

static uint32_t control(struct spacc_opencl *o)
{
    const uint32_t value = (o->run ? 0 : CTRL_IDLE) | (o->done ? CTRL_DONE : 0);

    o->done = false;
    return value;
}

static enum spacc_status reg_read(void *self, uint32_t offset, uint32_t *value,
                                  struct spacc_error *err)
{
    struct spacc_opencl *o = self;

    (void)err;
    *value = 0;
    if (offset == SPACC_REG_AP_CTRL)
        *value = control(o);
    else if (offset == SPACC_REG_ERROR_ADDRESS)
        *value = (uint32_t)error_address(o);
    else if (offset == SPACC_REG_ERROR_ADDRESS + 4)
        *value = (uint32_t)(error_address(o) >> 32);
    else if (offset >= SPACC_REG_PROGRAM_PTR && offset < SPACC_ARGUMENTS_END)
        *value = o->value[offset / 4];
    else if (offset >= SPACC_KERNEL_IMAGE_BASE && offset < IMAGE_END)
        *value = image(o, offset);
    return SPACC_OK;
}

/* ---- opening, resetting, closing -------------------------------------------------- */

static enum spacc_status clear_state(struct spacc_opencl *o, struct spacc_error *err)
{
    void *zeros = calloc(1, o->state_bytes);
    cl_int code;

    if (!zeros)
        return spacc_fail(err, SPACC_ENOMEM, "opencl: out of memory");
    code = clEnqueueWriteBuffer(o->queue, o->state, CL_TRUE, 0, o->state_bytes, zeros, 0, NULL,
                                NULL);
    free(zeros);
    return code ? failed(o, code, "state", err) : SPACC_OK;
}

/* Nothing stops a kernel, but every program ends: the run is waited for, and what it left on
 * the chip is cleared. Giving up queue and kernel instead would leave it on the device's only
 * compute unit, writing to buffers that are in use again. */
static enum spacc_status reset(void *self, struct spacc_error *err)
{
    struct spacc_opencl *o = self;
    bool ended = true;
    enum spacc_status status = o->run ? wait_run(o, PATIENCE_US, &ended, err) : SPACC_OK;

    o->done = false;
    if (status)
        return status;
    if (!ended)
        return spacc_fail(err, SPACC_ETIMEOUT,
                          "opencl %s (%s): the run has not ended %d s later, and OpenCL has no "
                          "call that stops a kernel",
                          o->k.info.which, o->k.info.name, PATIENCE_US / 1000000);
    return clear_state(o, err);
}

static enum spacc_status new_state(struct spacc_opencl *o, size_t size_bytes,
                                   struct spacc_error *err)
{
    cl_int code;

    if (o->state)
        clReleaseMemObject(o->state);
    o->state_bytes = size_bytes;
    o->state = new_memory(o, size_bytes, SPACC_ARGUMENT_STATE, &code);
    return o->state ? clear_state(o, err) : failed(o, code, "state", err);
}

/* A run without a program leaves the registers that say what the card is. */
static enum spacc_status read_identity(struct spacc_opencl *o, struct spacc_error *err)
{
    bool ended = false;
    enum spacc_status status = start(o, err);

    if (!status)
        status = wait_run(o, PATIENCE_US, &ended, err);
    if (!status && !ended)
        status = spacc_fail(err, SPACC_ETIMEOUT, "opencl %s (%s): no answer in %d s",
                            o->k.info.which, o->k.info.name, PATIENCE_US / 1000000);
    o->image[(SPACC_REG_ERROR_CODE - SPACC_KERNEL_IMAGE_BASE) / 4] = SPACC_ERROR_NONE;
    return status;
}

/* A binary may be of another configuration than the source here: it says what it needs. */
static enum spacc_status fit_state(struct spacc_opencl *o, struct spacc_error *err)
{
    const uint32_t needed = image(o, SPACC_KERNEL_REG_STATE_BYTES);

    if (needed <= o->state_bytes)
        return SPACC_OK;
    if (needed > STATE_MAX_BYTES)
        return spacc_fail(err, SPACC_EDEVICE,
                          "opencl %s (%s): the kernel says it needs %" PRIu32
                          " bytes for itself, %d are the most",
                          o->k.info.which, o->k.info.name, needed, STATE_MAX_BYTES);
    return new_state(o, needed, err);
}

static void close_card(void *self)
{
    struct spacc_opencl *o = self;

    while (o->buffers)
        release(o, o->buffers->address);
    if (o->run)
        clReleaseEvent(o->run);
    if (o->none)
        clReleaseMemObject(o->none);
    if (o->state)
        clReleaseMemObject(o->state);
    if (o->queue)
        clReleaseCommandQueue(o->queue);
    spacc_opencl_kernel_release(&o->k);
    free(o);
}

static uint64_t memory_bytes(const void *self)
{
    return ((const struct spacc_opencl *)self)->k.info.memory_bytes;
}

static const struct spacc_card_ops ops = {
    .kind = "opencl",
    .keeps_arguments = true,
    .close = close_card,
    .alloc = alloc,
    .release = release,
    .write = write_memory,
    .read = read_memory,
    .reg_write = reg_write,
    .reg_read = reg_read,
    .wait = wait_done,
    .memory_bytes = memory_bytes,
    .reset = reset,
};

static enum spacc_status prepare(struct spacc_opencl *o, struct spacc_error *err)
{
    cl_int code;
    enum spacc_status status;

    o->next_address = PAGE;
    o->value[SPACC_REG_WATCHDOG_CYCLES / 4] = SPACC_RESET_WATCHDOG_CYCLES;
    o->queue = clCreateCommandQueue(o->k.context, o->k.device, 0, &code);
    if (!o->queue)
        return failed(o, code, "queue", err);
    o->none = new_memory(o, PAGE, 0, &code);
    if (!o->none)
        return failed(o, code, "buffer", err);
    status = new_state(o, SPACC_KERNEL_STATE_BYTES, err);
    if (!status)
        status = read_identity(o, err);
    return status ? status : fit_state(o, err);
}

enum spacc_status spacc_opencl_card_open(struct spacc_card **out, const char *which,
                                         struct spacc_error *err)
{
    struct spacc_opencl *o = calloc(1, sizeof(*o));
    enum spacc_status status;

    *out = NULL;
    if (!o)
        return spacc_fail(err, SPACC_ENOMEM, "opencl: out of memory");
    status = spacc_opencl_kernel_open(&o->k, which, err);
    if (!status)
        status = prepare(o, err);
    if (!status)
        return spacc_card_attach(out, &ops, o, 0.0, err);
    close_card(o);
    return status;
}
