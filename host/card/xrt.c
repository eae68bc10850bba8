#include "host/card/xrt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hls/spacc_kernel.h"
#include "host/card/arguments.h"
#include "host/card/buffers.h"
#include "host/card/xclbin.h"
#include "host/card/xrt_api.h"

enum {
    CTRL_START = 1,
    CTRL_DONE = 2,
    CTRL_IDLE = 4,
    RESET_LIMIT_US = 1000000,
    PATIENCE_US = 10000000, /* for a kernel without a watchdog, whose programs all end */
    STATE_BYTES = 4 * SPACC_KERNEL_IMAGE_WORDS /* that a kernel from C writes */
};

struct spacc_xrt {
    struct spacc_xrt_api api;
    void *device, *kernel, *run;
    unsigned char uuid[16];
    uint32_t group;                          /* bank of all buffers */
    uint64_t bank_bytes;                     /* of it; 0: the file does not say */
    uint32_t value[SPACC_ARGUMENTS_END / 4]; /* arguments as last written */
    bool done; /* the last run has ended, and nobody has been told */
    bool running;
    bool has_state; /* a kernel of hls/: registers empty before its first run, no cycles */
    uint64_t state; /* the buffer that every run of it is given */
    struct spacc_buffer *buffers;
};

/* ---- memory ----------------------------------------------------------------------- */

/* Whole pages: XRT takes its copy by aligned_alloc(), to which C gives no other sizes. */
static size_t in_pages(size_t size_bytes)
{
    const size_t page = 4096;

    return size_bytes > SIZE_MAX - page ? size_bytes : (size_bytes + page - 1) / page * page;
}

static enum spacc_status alloc(void *self, size_t size_bytes, uint64_t *address,
                               struct spacc_error *err)
{
    struct spacc_xrt *x = self;
    struct spacc_buffer *b = calloc(1, sizeof(*b));

    *address = 0;
    if (!b || size_bytes == 0) {
        free(b);
        return size_bytes ? spacc_fail(err, SPACC_ENOMEM, "xrt: out of memory")
                          : spacc_fail(err, SPACC_EINVAL, "xrt: a buffer of 0 bytes");
    }
    b->handle = x->api.BOAlloc(x->device, in_pages(size_bytes), 0, x->group);
    if (!b->handle) {
        free(b);
        return spacc_fail(err, SPACC_ENOMEM,
                          "xrt: no buffer of %zu bytes in bank %" PRIu32 " of the board",
                          size_bytes, x->group);
    }
    b->address = x->api.BOAddress(b->handle);
    b->size_bytes = size_bytes;
    b->next = x->buffers;
    x->buffers = b;
    *address = b->address;
    return SPACC_OK;
}

static void release(void *self, uint64_t address)
{
    struct spacc_xrt *x = self;
    void *const gone = spacc_buffers_take(&x->buffers, address);

    if (gone)
        x->api.BOFree(gone);
}

static enum spacc_status outside(const char *what, uint64_t address, size_t size_bytes,
                                 struct spacc_error *err)
{
    return spacc_fail(err, SPACC_EINVAL,
                      "xrt: %s of %zu bytes at 0x%" PRIx64 " is in no buffer", what, size_bytes,
                      address);
}

static enum spacc_status write_memory(void *self, uint64_t address, const void *from,
                                      size_t size_bytes, struct spacc_error *err)
{
    struct spacc_xrt *x = self;
    const struct spacc_buffer *b = spacc_buffers_find(x->buffers, address, size_bytes);

    if (!b)
        return outside("write", address, size_bytes, err);
    const size_t at = (size_t)(address - b->address);
    if (x->api.BOWrite(b->handle, from, size_bytes, at) ||
        x->api.BOSync(b->handle, SPACC_XRT_TO_DEVICE, size_bytes, at))
        return spacc_fail(err, SPACC_EDEVICE, "xrt: %zu bytes to 0x%" PRIx64 ": %s", size_bytes,
                          address, strerror(errno));
    return SPACC_OK;
}

static enum spacc_status read_memory(void *self, uint64_t address, void *to, size_t size_bytes,
                                     struct spacc_error *err)
{
    struct spacc_xrt *x = self;
    const struct spacc_buffer *b = spacc_buffers_find(x->buffers, address, size_bytes);

    if (!b)
        return outside("read", address, size_bytes, err);
    const size_t at = (size_t)(address - b->address);
    if (x->api.BOSync(b->handle, SPACC_XRT_FROM_DEVICE, size_bytes, at) ||
        x->api.BORead(b->handle, to, size_bytes, at))
        return spacc_fail(err, SPACC_EDEVICE, "xrt: %zu bytes from 0x%" PRIx64 ": %s",
                          size_bytes, address, strerror(errno));
    return SPACC_OK;
}

/* ---- runs ------------------------------------------------------------------------- */

static enum spacc_status set_buffer(struct spacc_xrt *x, int index, uint64_t address,
                                    struct spacc_error *err)
{
    const struct spacc_buffer *b = spacc_buffers_find(x->buffers, address, 1);

    if (!b || b->address != address)
        return spacc_fail(err, SPACC_EINVAL,
                          "xrt: argument %d is 0x%" PRIx64 ", which is the start of no buffer",
                          index, address);
    return x->api.RunSetArg(x->run, index, b->handle)
               ? spacc_fail(err, SPACC_EDEVICE, "xrt: argument %d was refused: %s", index,
                            strerror(errno))
               : SPACC_OK;
}

/* A pointer nobody reads through (0 bytes) still has to be a buffer for XRT: the program's. */
static enum spacc_status set_pointer(struct spacc_xrt *x, int index, struct spacc_error *err)
{
    const uint64_t address = spacc_argument_pointer(x->value, spacc_argument[index]);
    const uint64_t program = spacc_argument_pointer(x->value, spacc_argument[0]);

    return set_buffer(x, index, address ? address : program, err);
}

static enum spacc_status start(struct spacc_xrt *x, struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;

    x->done = false;
    for (int i = 0; i < SPACC_POINTERS && status == SPACC_OK; i++)
        status = set_pointer(x, i, err);
    for (int i = SPACC_POINTERS; i < SPACC_ARGUMENTS && status == SPACC_OK; i++)
        if (x->api.RunSetArg(x->run, i, x->value[spacc_argument[i] / 4]))
            status = spacc_fail(err, SPACC_EDEVICE, "xrt: argument %d was refused: %s", i,
                                strerror(errno));
    if (status == SPACC_OK && x->has_state)
        status = set_buffer(x, SPACC_ARGUMENT_STATE, x->state, err);
    if (status == SPACC_OK && x->api.RunStart(x->run))
        status =
            spacc_fail(err, SPACC_EDEVICE, "xrt: the run was refused: %s", strerror(errno));
    x->running = status == SPACC_OK;
    return status;
}

static const char *state_text(int state)
{
    switch (state) {
    case SPACC_XRT_ERROR: return "error: the kernel could not be started";
    case SPACC_XRT_ABORT: return "aborted: the board was reset or removed";
    case SPACC_XRT_NORESPONSE: return "no response: the kernel or the board hangs";
    default: return "a state that XRT's headers do not have";
    }
}

/* XRT counts milliseconds; the card's limit is rounded up. */
static enum spacc_status wait_done(void *self, uint64_t limit_us, bool *interrupted,
                                   struct spacc_error *err)
{
    struct spacc_xrt *x = self;
    const uint64_t ms = (limit_us + 999) / 1000;
    const int state = x->api.RunWaitFor(x->run, ms == 0          ? 1
                                                : ms > INT32_MAX ? INT32_MAX
                                                                 : (unsigned)ms);

    *interrupted = x->done = state == SPACC_XRT_COMPLETED;
    x->running = x->running && !x->done;
    switch (state) {
    case SPACC_XRT_COMPLETED:
    case SPACC_XRT_NEW:
    case SPACC_XRT_QUEUED:
    case SPACC_XRT_RUNNING:
    case SPACC_XRT_SUBMITTED:
    case SPACC_XRT_TIMEOUT: return SPACC_OK;
    default:
        return spacc_fail(err, SPACC_EDEVICE, "xrt: the run ended with state %d, %s", state,
                          state_text(state));
    }
}

/* ---- registers -------------------------------------------------------------------- */

static enum spacc_status reg_read_real(struct spacc_xrt *x, uint32_t offset, uint32_t *value,
                                       struct spacc_error *err)
{
    *value = 0;
    return x->api.KernelReadRegister(x->kernel, offset, value)
               ? spacc_fail(err, SPACC_EDEVICE,
                            "xrt: register 0x%03" PRIx32 " cannot be read: %s", offset,
                            strerror(errno))
               : SPACC_OK;
}

static enum spacc_status reg_write_real(struct spacc_xrt *x, uint32_t offset, uint32_t value,
                                        struct spacc_error *err)
{
    return x->api.KernelWriteRegister(x->kernel, offset, value)
               ? spacc_fail(err, SPACC_EDEVICE,
                            "xrt: register 0x%03" PRIx32 " cannot be written: %s", offset,
                            strerror(errno))
               : SPACC_OK;
}

/* Control and interrupts belong to XRT's scheduler: a start becomes a run. Arguments are kept
 * for it, and written as well, so that what is read back is what the card has. */
static enum spacc_status reg_write(void *self, uint32_t offset, uint32_t value,
                                   struct spacc_error *err)
{
    struct spacc_xrt *x = self;

    if (offset == SPACC_REG_AP_CTRL)
        return value & CTRL_START ? start(x, err) : SPACC_OK;
    if (offset < SPACC_REG_PROGRAM_PTR)
        return SPACC_OK;
    if (offset < SPACC_ARGUMENTS_END)
        x->value[offset / 4] = value;
    return reg_write_real(x, offset, value, err);
}

/* Of a kernel of hls/: half of the address. */
static enum spacc_status read_error_address(struct spacc_xrt *x, bool high, uint32_t *value,
                                            struct spacc_error *err)
{
    uint32_t offset, region;
    enum spacc_status status = reg_read_real(x, SPACC_REG_ERROR_ADDRESS, &offset, err);

    if (status == SPACC_OK)
        status = reg_read_real(x, SPACC_REG_ERROR_ADDRESS + 4, &region, err);
    const uint64_t address =
        status == SPACC_OK ? spacc_kernel_error_address(x->value, offset, region) : 0;
    *value = (uint32_t)(high ? address >> 32 : address);
    return status;
}

static enum spacc_status reg_read(void *self, uint32_t offset, uint32_t *value,
                                  struct spacc_error *err)
{
    struct spacc_xrt *x = self;
    const bool high = offset == SPACC_REG_ERROR_ADDRESS + 4;

    if (x->has_state && (high || offset == SPACC_REG_ERROR_ADDRESS))
        return read_error_address(x, high, value, err);
    if (offset >= SPACC_REG_PROGRAM_PTR)
        return reg_read_real(x, offset, value, err);
    *value = offset == SPACC_REG_AP_CTRL && x->done ? CTRL_DONE | CTRL_IDLE : 0;
    if (offset == SPACC_REG_AP_CTRL)
        x->done = false;
    return SPACC_OK;
}

/* A run that is known to end. */
static enum spacc_status finish(struct spacc_xrt *x, uint32_t limit_us, struct spacc_error *err)
{
    bool ended = false;
    const enum spacc_status status = wait_done(x, limit_us, &ended, err);

    x->done = false;
    if (status == SPACC_OK && !ended)
        return spacc_fail(err, SPACC_ETIMEOUT,
                          "xrt: the card is still busy after %u s; `xbutil reset` helps",
                          (unsigned)(limit_us / 1000000));
    return status;
}

/* XRT has no call that stops a kernel. A watchdog of one cycle makes the card end the run
 * itself at the first cycle without progress, and XRT's scheduler sees it end: its done bit is
 * cleared by reading, so nobody else may look for it. Kernels of hls/ have no watchdog, and end
 * with their program. */
static enum spacc_status reset(void *self, struct spacc_error *err)
{
    struct spacc_xrt *x = self;
    enum spacc_status status;

    if (!x->running)
        return SPACC_OK;
    if (x->has_state)
        return finish(x, PATIENCE_US, err);
    status = reg_write_real(x, SPACC_REG_WATCHDOG_CYCLES, 1, err);
    if (status == SPACC_OK)
        status = finish(x, RESET_LIMIT_US, err);
    return status == SPACC_OK ? reg_write_real(x, SPACC_REG_WATCHDOG_CYCLES,
                                               x->value[SPACC_REG_WATCHDOG_CYCLES / 4], err)
                              : status;
}

/* ---- opening and closing ---------------------------------------------------------- */

static void close_card(void *self)
{
    struct spacc_xrt *x = self;

    while (x->buffers)
        release(x, x->buffers->address);
    if (x->run)
        x->api.RunClose(x->run);
    if (x->kernel)
        x->api.KernelClose(x->kernel);
    if (x->device)
        x->api.DeviceClose(x->device);
    spacc_xrt_api_unload(&x->api);
    free(x);
}

static uint64_t memory_bytes(const void *self)
{
    return ((const struct spacc_xrt *)self)->bank_bytes;
}

static const struct spacc_card_ops ops = {
    .kind = "xrt",
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

static enum spacc_status open_device(struct spacc_xrt *x, unsigned index, const char *xclbin,
                                     struct spacc_error *err)
{
    x->device = x->api.DeviceOpen(index);
    if (!x->device)
        return spacc_fail(err, SPACC_EDEVICE, "xrt: no device %u (`xbutil examine` lists them)",
                          index);
    if (x->api.DeviceLoadXclbinFile(x->device, xclbin))
        return spacc_fail(err, SPACC_EDEVICE,
                          "xrt: device %u refuses %s: %s (made for another platform?)", index,
                          xclbin, strerror(errno));
    if (x->api.DeviceGetXclbinUUID(x->device, x->uuid))
        return spacc_fail(err, SPACC_EDEVICE,
                          "xrt: device %u does not say what it has loaded: %s", index,
                          strerror(errno));
    return SPACC_OK;
}

/* All pointers leave by one AXI master, so a buffer serves for any. */
static enum spacc_status find_bank(struct spacc_xrt *x, const char *xclbin,
                                   struct spacc_error *err)
{
    const int pointers = SPACC_POINTERS + x->has_state;
    int first = -1;

    for (int i = 0; i < pointers; i++) {
        const int argument = i < SPACC_POINTERS ? i : SPACC_ARGUMENT_STATE;
        const int bank = x->api.KernelArgGroupId(x->kernel, argument);
        first = i ? first : bank;
        if (bank < 0)
            return spacc_fail(err, SPACC_EDEVICE, "xrt: %s: kernel '%s' has no argument %d",
                              xclbin, SPACC_KERNEL_NAME, argument);
        if (bank != first)
            return spacc_fail(err, SPACC_EDEVICE,
                              "xrt: %s: argument 0 is in bank %d, argument %d in bank %d; link "
                              "them to one (v++ --sp)",
                              xclbin, first, argument, bank);
    }
    x->group = (uint32_t)first;
    return spacc_xclbin_bank(xclbin, x->group, &x->bank_bytes, err);
}

/* A run without a program fills in the registers that say what the kernel is. All pointers are
 * that to its state then: nobody reads through them. */
static enum spacc_status introduce(struct spacc_xrt *x, struct spacc_error *err)
{
    static const unsigned char zeros[STATE_BYTES];
    uint32_t needed = 0;
    enum spacc_status status = alloc(x, STATE_BYTES, &x->state, err);

    if (status == SPACC_OK)
        status = write_memory(x, x->state, zeros, sizeof(zeros), err);
    x->value[SPACC_REG_PROGRAM_PTR / 4] = (uint32_t)x->state;
    x->value[SPACC_REG_PROGRAM_PTR / 4 + 1] = (uint32_t)(x->state >> 32);
    if (status == SPACC_OK)
        status = start(x, err);
    if (status == SPACC_OK)
        status = finish(x, PATIENCE_US, err);
    if (status == SPACC_OK)
        status = reg_read_real(x, SPACC_KERNEL_REG_STATE_BYTES, &needed, err);
    if (status == SPACC_OK && needed > STATE_BYTES)
        status = spacc_fail(err, SPACC_EDEVICE,
                            "xrt: the kernel wants %" PRIu32 " bytes as argument %d, those "
                            "from C want %d",
                            needed, SPACC_ARGUMENT_STATE, STATE_BYTES);
    return status;
}

static enum spacc_status open_kernel(struct spacc_xrt *x, const char *xclbin,
                                     struct spacc_error *err)
{
    x->kernel = x->api.PLKernelOpenExclusive(x->device, x->uuid, SPACC_KERNEL_NAME);
    if (!x->kernel)
        return spacc_fail(err, SPACC_EDEVICE,
                          "xrt: kernel '%s' of %s cannot be opened: %s (in use?)",
                          SPACC_KERNEL_NAME, xclbin, strerror(errno));
    x->run = x->api.RunOpen(x->kernel);
    if (!x->run)
        return spacc_fail(err, SPACC_EDEVICE, "xrt: no run of kernel '%s': %s",
                          SPACC_KERNEL_NAME, strerror(errno));
    const enum spacc_status status = find_bank(x, xclbin, err);
    if (status != SPACC_OK)
        return status;
    if (x->has_state)
        return introduce(x, err);
    return reg_read_real(x, SPACC_REG_WATCHDOG_CYCLES, &x->value[SPACC_REG_WATCHDOG_CYCLES / 4],
                         err);
}

/* ":2=FILE" to 2 and FILE. */
static enum spacc_status parse(const char *which, unsigned *index, const char **xclbin,
                               struct spacc_error *err)
{
    char *end = (char *)(uintptr_t)which;

    *index = 0;
    *xclbin = getenv("SPACC_XCLBIN");
    if (*end == ':')
        *index = (unsigned)strtoul(which + 1, &end, 10);
    if (end == which + 1 || (*end && *end != '='))
        return spacc_fail(err, SPACC_EINVAL, "card 'xrt%s': xrt, xrt:N or xrt:N=FILE.xclbin",
                          which);
    if (*end == '=')
        *xclbin = end + 1;
    if (!*xclbin || !**xclbin)
        return spacc_fail(
            err, SPACC_EINVAL,
            "card 'xrt%s': no .xclbin named (xrt:%u=FILE.xclbin, or SPACC_XCLBIN)", which,
            *index);
    return SPACC_OK;
}

/* Which kernel it is. One that is neither would be started with arguments that nobody gave. */
static enum spacc_status check_file(struct spacc_xrt *x, const char *xclbin, double *clock_hz,
                                    struct spacc_error *err)
{
    unsigned arguments = 0;
    enum spacc_status status =
        spacc_xclbin_kernel(xclbin, SPACC_KERNEL_NAME, &arguments, clock_hz, err);

    if (status == SPACC_OK)
        status = spacc_xclbin_state(xclbin, SPACC_KERNEL_NAME, &x->has_state, err);
    if (status == SPACC_OK && arguments != SPACC_ARGUMENTS + (unsigned)x->has_state)
        status = spacc_fail(err, SPACC_EUNSUPPORTED,
                            "xrt: %s: kernel '%s' has %u arguments, the card of rtl/ has %d, "
                            "that of hls/ %d",
                            xclbin, SPACC_KERNEL_NAME, arguments, SPACC_ARGUMENTS,
                            SPACC_ARGUMENT_STATE + 1);
    return status;
}

enum spacc_status spacc_xrt_card_open(struct spacc_card **out, const char *which,
                                      struct spacc_error *err)
{
    struct spacc_xrt *x = calloc(1, sizeof(*x));
    double clock_hz = 0.0;
    const char *xclbin;
    unsigned index;
    enum spacc_status status;

    *out = NULL;
    if (!x)
        return spacc_fail(err, SPACC_ENOMEM, "xrt: out of memory");
    status = parse(which, &index, &xclbin, err);
    if (status == SPACC_OK)
        status = check_file(x, xclbin, &clock_hz, err);
    if (status == SPACC_OK)
        status = spacc_xrt_api_load(&x->api, err);
    if (status == SPACC_OK)
        status = open_device(x, index, xclbin, err);
    if (status == SPACC_OK)
        status = open_kernel(x, xclbin, err);
    if (status == SPACC_OK)
        return spacc_card_attach(out, &ops, x, x->has_state ? 0.0 : clock_hz, err);
    close_card(x);
    return status;
}
