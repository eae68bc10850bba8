/* xrtsim.c - libspacc_xrtsim: calls of XRT's native C interface (xrt_device.h, xrt_bo.h,
 * xrt_kernel.h, 2.13 and later) over the Verilated card, so that the path of a board runs
 * without one: SPACC_XRT_LIB=libspacc_xrtsim.so spacc run MODEL --fpga xrt=FILE.xclbin.
 *
 * One device, one kernel, one bank. SPACC_XRTSIM names the configuration: "16x16" (when it is
 * not set), or "hls:16x16" for the kernel of hls/spacc_card.c: registers from 0x100 are 0 until
 * its first run, and it wants its tenth argument. SPACC_XRTSIM_FAULT is what goes wrong, for
 * tests: device, xclbin, uuid, kernel, bank, alloc, start, hang, removed, state. The time of a
 * wait is the card's. */
#define _GNU_SOURCE /* pthread_timedjoin_np() */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rtl/card_map.h"
#include "sim/kernel_card.h"
#include "sim/sim.h"

typedef void *xrtDeviceHandle, *xrtKernelHandle, *xrtBufferHandle, *xrtRunHandle;

enum { POINTERS = 4, ARGUMENTS = 9, STATE = 9, ARGUMENTS_MAX = 10, BANK = 0 };
enum { STATE_COMPLETED = 4, STATE_ABORT = 6, STATE_TIMEOUT = 8 };
enum { CTRL_START = 1, TO_DEVICE = 0, EVENT_DONE = 1 };
static const char kernel_name[] = "spacc_card";
static const unsigned char the_uuid[16] = {'s', 'p', 'a', 'c', 'c', 's', 'i', 'm'};
static const uint32_t argument[ARGUMENTS_MAX] = {
    SPACC_REG_PROGRAM_PTR,      SPACC_REG_WEIGHTS_PTR,   SPACC_REG_INPUT_PTR,
    SPACC_REG_OUTPUT_PTR,       SPACC_REG_PROGRAM_BYTES, SPACC_REG_WEIGHTS_BYTES,
    SPACC_REG_INPUT_BYTES,      SPACC_REG_OUTPUT_BYTES,  SPACC_REG_WATCHDOG_CYCLES,
    SPACC_KERNEL_REG_STATE_PTR,
};

struct device {
    const struct spacc_card_ops *ops;
    void *card;   /* of ops */
    bool hls;     /* the kernel from C, which has `state` */
    bool running; /* the thread in which that kernel runs has not been joined */
    pthread_t thread;
    bool loaded, open; /* an .xclbin; the kernel */
};

/* Host memory, and the card's beside it: only a sync carries bytes from one to the other. */
struct buffer {
    struct device *device;
    uint64_t address;
    size_t size_bytes;
    unsigned char *host;
};

struct run {
    struct device *device;
    struct buffer *buffer[ARGUMENTS_MAX];
    uint32_t scalar[ARGUMENTS];
    unsigned set; /* a bit an argument */
};

#define API __attribute__((visibility("default")))

/* Declared as XRT's headers do. */
API xrtDeviceHandle xrtDeviceOpen(unsigned int index);
API int xrtDeviceClose(xrtDeviceHandle handle);
API int xrtDeviceLoadXclbinFile(xrtDeviceHandle handle, const char *file);
API int xrtDeviceGetXclbinUUID(xrtDeviceHandle handle, unsigned char uuid[16]);
API xrtKernelHandle xrtPLKernelOpenExclusive(xrtDeviceHandle handle,
                                             const unsigned char uuid[16], const char *name);
API int xrtKernelClose(xrtKernelHandle handle);
API int xrtKernelArgGroupId(xrtKernelHandle handle, int index);
API int xrtKernelReadRegister(xrtKernelHandle handle, uint32_t offset, uint32_t *value);
API int xrtKernelWriteRegister(xrtKernelHandle handle, uint32_t offset, uint32_t value);
API xrtBufferHandle xrtBOAlloc(xrtDeviceHandle handle, size_t size, uint64_t flags,
                               uint32_t group);
API int xrtBOFree(xrtBufferHandle handle);
API uint64_t xrtBOAddress(xrtBufferHandle handle);
API int xrtBOWrite(xrtBufferHandle handle, const void *from, size_t size, size_t seek);
API int xrtBORead(xrtBufferHandle handle, void *to, size_t size, size_t skip);
API int xrtBOSync(xrtBufferHandle handle, int direction, size_t size, size_t offset);
API xrtRunHandle xrtRunOpen(xrtKernelHandle handle);
API int xrtRunSetArg(xrtRunHandle handle, int index, ...);
API int xrtRunStart(xrtRunHandle handle);
API int xrtRunWaitFor(xrtRunHandle handle, unsigned int timeout_ms);
API int xrtRunClose(xrtRunHandle handle);

/* ---- faults ----------------------------------------------------------------------- */

static bool fault(const char *what)
{
    const char *wanted = getenv("SPACC_XRTSIM_FAULT");

    return wanted && !strcmp(wanted, what);
}

/* A refused call: a line as XRT logs them, and its error number. */
static int refuse(int number, const char *call, const char *why)
{
    fprintf(stderr, "[xrtsim] %s: %s\n", call, why);
    errno = number;
    return -1;
}

static int checked(enum spacc_status status, const char *call, const struct spacc_error *err)
{
    return status == SPACC_OK ? 0 : refuse(EIO, call, err->text);
}

/* ---- the kernel from C ------------------------------------------------------------- */

/* NULL: none of that configuration. */
static kernel_fn *find_kernel(const char *config)
{
#define X(token, name, ...)             \
    extern kernel_fn spacc_hls_##token; \
    if (!strcmp(config, name))          \
        return spacc_hls_##token;
    SPACC_CARD_CONFIG_MAP(X);
#undef X
    return NULL;
}

static void run_kernel(struct kernel_card *k)
{
    kernel_call(k, kernel_pointer(k, SPACC_KERNEL_REG_STATE_PTR));
}

static enum spacc_status open_kernel_card(void **out, const char *config,
                                          struct spacc_error *err)
{
    kernel_fn *kernel = find_kernel(config);
    struct kernel_card *k = calloc(1, sizeof(*k));

    if (!kernel || !k) {
        free(k);
        return kernel ? spacc_fail(err, SPACC_ENOMEM, "out of memory")
                      : spacc_fail(err, SPACC_EUNSUPPORTED, "no kernel of configuration '%s'",
                                   config);
    }
    *k = (struct kernel_card){.run = run_kernel, .kernel = kernel};
    *out = k;
    return SPACC_OK;
}

static void *kernel_thread(void *user)
{
    struct device *d = user;

    ((struct kernel_card *)d->card)->run(d->card);
    return NULL;
}

/* It runs beside its host, as on a board. */
static enum spacc_status start_kernel(struct device *d, struct spacc_error *err)
{
    if (d->running)
        return spacc_fail(err, SPACC_EDEVICE, "the run before has not ended");
    if (pthread_create(&d->thread, NULL, kernel_thread, d))
        return spacc_fail(err, SPACC_ENOMEM, "no thread");
    d->running = true;
    return SPACC_OK;
}

static void wait_kernel(struct device *d, unsigned timeout_ms, bool *ended)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    d->running = d->running && pthread_timedjoin_np(d->thread, NULL, &until) != 0;
    *ended = !d->running;
}

/* Before anything that it may use goes. */
static void join_kernel(struct device *d)
{
    if (d->running)
        pthread_join(d->thread, NULL);
    d->running = false;
}

/* ---- device ----------------------------------------------------------------------- */

static enum spacc_status open_card(struct device *d, struct spacc_error *err)
{
    const char *config = getenv("SPACC_XRTSIM");
    struct spacc_sim_options options = {.config = config};
    struct spacc_sim *sim = NULL;

    d->hls = config && !strncmp(config, "hls:", 4);
    d->ops = d->hls ? &kernel_ops : spacc_sim_card_ops();
    if (d->hls)
        return open_kernel_card(&d->card, config + 4, err);
    const enum spacc_status status = spacc_sim_open(&sim, &options, err);
    d->card = sim;
    return status;
}

xrtDeviceHandle xrtDeviceOpen(unsigned int index)
{
    struct device *d = calloc(1, sizeof(*d));
    struct spacc_error err = {0};

    if (d && index == 0 && !fault("device") && !open_card(d, &err))
        return d;
    refuse(ENODEV, "xrtDeviceOpen", err.text[0] ? err.text : "no such device");
    free(d);
    return NULL;
}

int xrtDeviceClose(xrtDeviceHandle handle)
{
    struct device *d = handle;

    join_kernel(d);
    d->ops->close(d->card);
    free(d);
    return 0;
}

int xrtDeviceLoadXclbinFile(xrtDeviceHandle handle, const char *file)
{
    char magic[8] = "";
    FILE *f = fopen(file, "rb");

    if (!f)
        return refuse(errno, "xrtDeviceLoadXclbinFile", file);
    const size_t got = fread(magic, 1, sizeof(magic), f);
    fclose(f);
    if (got != sizeof(magic) || memcmp(magic, "xclbin2", 8) || fault("xclbin"))
        return refuse(EINVAL, "xrtDeviceLoadXclbinFile", "not for this platform");
    ((struct device *)handle)->loaded = true;
    return 0;
}

int xrtDeviceGetXclbinUUID(xrtDeviceHandle handle, unsigned char uuid[16])
{
    if (!((struct device *)handle)->loaded)
        return refuse(EINVAL, "xrtDeviceGetXclbinUUID", "nothing is loaded");
    memcpy(uuid, the_uuid, sizeof(the_uuid));
    uuid[15] = fault("uuid");
    return 0;
}

/* ---- kernel ----------------------------------------------------------------------- */

xrtKernelHandle xrtPLKernelOpenExclusive(xrtDeviceHandle handle, const unsigned char uuid[16],
                                         const char *name)
{
    struct device *d = handle;

    errno = 0;
    if (!d->loaded || memcmp(uuid, the_uuid, sizeof(the_uuid)))
        refuse(EINVAL, "xrtPLKernelOpenExclusive", "another xclbin is loaded");
    else if (strcmp(name, kernel_name) || fault("kernel"))
        refuse(ENOENT, "xrtPLKernelOpenExclusive", "no such kernel");
    else if (d->open)
        refuse(EBUSY, "xrtPLKernelOpenExclusive", "in use");
    if (errno)
        return NULL;
    d->open = true;
    return d;
}

int xrtKernelClose(xrtKernelHandle handle)
{
    ((struct device *)handle)->open = false;
    return 0;
}

static bool is_pointer(const struct device *d, int index)
{
    return (index >= 0 && index < POINTERS) || (d->hls && index == STATE);
}

int xrtKernelArgGroupId(xrtKernelHandle handle, int index)
{
    if (!is_pointer(handle, index))
        return refuse(EINVAL, "xrtKernelArgGroupId", "not an argument in memory");
    return (index == 2 && fault("bank")) || (index == STATE && fault("state")) ? BANK + 1
                                                                               : BANK;
}

int xrtKernelReadRegister(xrtKernelHandle handle, uint32_t offset, uint32_t *value)
{
    struct device *d = handle;
    struct spacc_error err = {0};

    if (fault("removed"))
        return refuse(ENODEV, "xrtKernelReadRegister", "no such device");
    return checked(d->ops->reg_read(d->card, offset, value, &err), "xrtKernelReadRegister",
                   &err);
}

int xrtKernelWriteRegister(xrtKernelHandle handle, uint32_t offset, uint32_t value)
{
    struct device *d = handle;
    struct spacc_error err = {0};

    return checked(d->ops->reg_write(d->card, offset, value, &err), "xrtKernelWriteRegister",
                   &err);
}

/* ---- buffers ---------------------------------------------------------------------- */

xrtBufferHandle xrtBOAlloc(xrtDeviceHandle handle, size_t size, uint64_t flags, uint32_t group)
{
    struct device *d = handle;
    struct buffer *b = calloc(1, sizeof(*b));
    struct spacc_error err = {0};

    (void)flags;
    if (b && (b->host = calloc(size ? size : 1, 1)) && group == BANK && !fault("alloc") &&
        !d->ops->alloc(d->card, size, &b->address, &err)) {
        b->device = d;
        b->size_bytes = size;
        return b;
    }
    refuse(ENOMEM, "xrtBOAlloc", err.text[0] ? err.text : "no memory in this bank");
    if (b)
        free(b->host);
    free(b);
    return NULL;
}

int xrtBOFree(xrtBufferHandle handle)
{
    struct buffer *b = handle;

    join_kernel(b->device);
    b->device->ops->release(b->device->card, b->address);
    free(b->host);
    free(b);
    return 0;
}

uint64_t xrtBOAddress(xrtBufferHandle handle)
{
    return ((struct buffer *)handle)->address;
}

static bool inside(const struct buffer *b, size_t size, size_t at)
{
    return at <= b->size_bytes && size <= b->size_bytes - at;
}

int xrtBOWrite(xrtBufferHandle handle, const void *from, size_t size, size_t seek)
{
    struct buffer *b = handle;

    if (!inside(b, size, seek))
        return refuse(EINVAL, "xrtBOWrite", "outside of the buffer");
    memcpy(b->host + seek, from, size);
    return 0;
}

int xrtBORead(xrtBufferHandle handle, void *to, size_t size, size_t skip)
{
    const struct buffer *b = handle;

    if (!inside(b, size, skip))
        return refuse(EINVAL, "xrtBORead", "outside of the buffer");
    memcpy(to, b->host + skip, size);
    return 0;
}

int xrtBOSync(xrtBufferHandle handle, int direction, size_t size, size_t offset)
{
    struct buffer *b = handle;
    const struct device *d = b->device;
    struct spacc_error err = {0};

    if (!inside(b, size, offset))
        return refuse(EINVAL, "xrtBOSync", "outside of the buffer");
    return checked(
        direction == TO_DEVICE
            ? d->ops->write(d->card, b->address + offset, b->host + offset, size, &err)
            : d->ops->read(d->card, b->address + offset, b->host + offset, size, &err),
        "xrtBOSync", &err);
}

/* ---- runs ------------------------------------------------------------------------- */

xrtRunHandle xrtRunOpen(xrtKernelHandle handle)
{
    struct run *r = calloc(1, sizeof(*r));

    if (r)
        r->device = handle;
    return r;
}

static int arguments(const struct device *d)
{
    return d->hls ? ARGUMENTS_MAX : ARGUMENTS;
}

int xrtRunSetArg(xrtRunHandle handle, int index, ...)
{
    struct run *r = handle;
    va_list args;

    if (index < 0 || index >= arguments(r->device))
        return refuse(EINVAL, "xrtRunSetArg", "no such argument");
    va_start(args, index);
    if (is_pointer(r->device, index))
        r->buffer[index] = va_arg(args, void *);
    else
        r->scalar[index] = va_arg(args, uint32_t);
    va_end(args);
    r->set |= 1u << index;
    return 0;
}

static enum spacc_status write_argument(const struct run *r, int i, struct spacc_error *err)
{
    const struct device *d = r->device;

    if (!is_pointer(d, i))
        return d->ops->reg_write(d->card, argument[i], r->scalar[i], err);
    const uint64_t address = r->buffer[i]->address;
    const enum spacc_status status =
        d->ops->reg_write(d->card, argument[i], (uint32_t)address, err);
    return status == SPACC_OK
               ? d->ops->reg_write(d->card, argument[i] + 4, (uint32_t)(address >> 32), err)
               : status;
}

int xrtRunStart(xrtRunHandle handle)
{
    struct run *r = handle;
    struct device *d = r->device;
    struct spacc_error err = {0};
    enum spacc_status status = SPACC_OK;

    if (r->set != (1u << arguments(d)) - 1 || fault("start"))
        return refuse(EINVAL, "xrtRunStart", "not all arguments are set");
    for (int i = 0; i < arguments(d) && status == SPACC_OK; i++)
        status = write_argument(r, i, &err);
    if (status == SPACC_OK)
        status = d->ops->reg_write(d->card, SPACC_REG_GIER, EVENT_DONE, &err);
    if (status == SPACC_OK)
        status = d->ops->reg_write(d->card, SPACC_REG_IP_IER, EVENT_DONE, &err);
    if (status == SPACC_OK)
        status = d->hls ? start_kernel(d, &err)
                        : d->ops->reg_write(d->card, SPACC_REG_AP_CTRL, CTRL_START, &err);
    return checked(status, "xrtRunStart", &err);
}

/* The scheduler of XRT takes done and the interrupt back before it tells. */
static enum spacc_status acknowledge(const struct device *d, struct spacc_error *err)
{
    uint32_t value;
    enum spacc_status status = d->ops->reg_read(d->card, SPACC_REG_AP_CTRL, &value, err);

    if (status == SPACC_OK)
        status = d->ops->reg_read(d->card, SPACC_REG_IP_ISR, &value, err);
    return status == SPACC_OK ? d->ops->reg_write(d->card, SPACC_REG_IP_ISR, value, err)
                              : status;
}

int xrtRunWaitFor(xrtRunHandle handle, unsigned int timeout_ms)
{
    const struct run *r = handle;
    struct device *d = r->device;
    struct spacc_error err = {0};
    enum spacc_status status = SPACC_OK;
    bool interrupted = false;

    if (fault("removed"))
        return STATE_ABORT;
    if (fault("hang"))
        return STATE_TIMEOUT;
    if (d->hls)
        wait_kernel(d, timeout_ms, &interrupted);
    else
        status = d->ops->wait(d->card, (uint64_t)timeout_ms * 1000, &interrupted, &err);
    if (status == SPACC_OK && interrupted)
        status = acknowledge(d, &err);
    if (checked(status, "xrtRunWaitFor", &err))
        return STATE_ABORT;
    return interrupted ? STATE_COMPLETED : STATE_TIMEOUT;
}

int xrtRunClose(xrtRunHandle handle)
{
    free(handle);
    return 0;
}
