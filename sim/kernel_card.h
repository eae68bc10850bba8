/* kernel_card.h - cards whose registers and memory are those of a kernel of hls/ that runs in
 * this process: the C one, one function a configuration, and the OpenCL C one. For xrtsim.c and
 * for tests. */
#ifndef SPACC_SIM_KERNEL_CARD_H
#define SPACC_SIM_KERNEL_CARD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/card/card.h"
#include "rtl/card_map.h"

enum { KERNEL_PAGE = 4096, KERNEL_IMAGE = 0x100 };

/* hls/spacc_card.c: the arguments of a kernel, the tenth being `state`. */
typedef void kernel_fn(const uint32_t *program, const uint32_t *weights, const uint32_t *input,
                       uint32_t *output, uint32_t program_bytes, uint32_t weights_bytes,
                       uint32_t input_bytes, uint32_t output_bytes, uint32_t watchdog_cycles,
                       uint32_t *state, uint32_t *registers);

struct kernel_buffer {
    void *bytes; /* its address on the card, too */
    size_t size_bytes;
    struct kernel_buffer *next;
};

struct kernel_card {
    /* Runs the kernel on the arguments in `reg`, leaves registers 0x100..0x1ff in `image`. */
    void (*run)(struct kernel_card *k);
    void (*close)(struct kernel_card *k);
    kernel_fn *kernel; /* of a card in C */
    void *user;        /* of another one */
    uint32_t reg[KERNEL_IMAGE / 4], image[KERNEL_IMAGE / 4];
    unsigned resets;
    struct kernel_buffer *buffers;
};

/* A 64-bit argument; addresses of the card are those of this process. */
static inline uint32_t *kernel_pointer(const struct kernel_card *k, uint32_t offset)
{
    return (uint32_t *)(uintptr_t)(k->reg[offset / 4] | (uint64_t)k->reg[offset / 4 + 1] << 32);
}

/* Run the C kernel with the arguments in `reg`; `state` has room for the image. */
static inline void kernel_call(struct kernel_card *k, uint32_t *state)
{
    k->kernel(kernel_pointer(k, SPACC_REG_PROGRAM_PTR),
              kernel_pointer(k, SPACC_REG_WEIGHTS_PTR), kernel_pointer(k, SPACC_REG_INPUT_PTR),
              kernel_pointer(k, SPACC_REG_OUTPUT_PTR), k->reg[SPACC_REG_PROGRAM_BYTES / 4],
              k->reg[SPACC_REG_WEIGHTS_BYTES / 4], k->reg[SPACC_REG_INPUT_BYTES / 4],
              k->reg[SPACC_REG_OUTPUT_BYTES / 4], k->reg[SPACC_REG_WATCHDOG_CYCLES / 4], state,
              k->image);
    if (memcmp(state, k->image, sizeof(k->image)) != 0)
        abort(); /* what an OpenCL host sees is what registers read */
}

/* `run` of a C kernel whose host gives it no state. */
static inline void kernel_run_c(struct kernel_card *k)
{
    uint32_t state[KERNEL_IMAGE / 4];

    kernel_call(k, state);
}

static inline void kernel_release(void *self, uint64_t address)
{
    struct kernel_card *k = self;

    for (struct kernel_buffer **at = &k->buffers; *at; at = &(*at)->next)
        if ((uintptr_t)(*at)->bytes == address) {
            struct kernel_buffer *gone = *at;
            *at = gone->next;
            free(gone->bytes);
            free(gone);
            return;
        }
}

static inline void kernel_card_close(void *self)
{
    struct kernel_card *k = self;

    while (k->buffers)
        kernel_release(k, (uintptr_t)k->buffers->bytes);
    if (k->close)
        k->close(k);
    free(k);
}

static inline enum spacc_status kernel_alloc(void *self, size_t size_bytes, uint64_t *address,
                                             struct spacc_error *err)
{
    const size_t whole = (size_bytes + KERNEL_PAGE - 1) / KERNEL_PAGE * KERNEL_PAGE;
    struct kernel_buffer *b = calloc(1, sizeof(*b));
    struct kernel_card *k = self;

    if (!b || !(b->bytes = aligned_alloc(KERNEL_PAGE, whole))) {
        free(b);
        return spacc_fail(err, SPACC_ENOMEM, "no buffer of %zu bytes", size_bytes);
    }
    memset(b->bytes, 0, whole);
    b->size_bytes = size_bytes;
    b->next = k->buffers;
    k->buffers = b;
    *address = (uintptr_t)b->bytes;
    return SPACC_OK;
}

/* Whether a buffer has all of it. */
static inline enum spacc_status kernel_holds(const struct kernel_card *k, uint64_t address,
                                             size_t size_bytes, struct spacc_error *err)
{
    for (const struct kernel_buffer *b = k->buffers; b; b = b->next) {
        const uint64_t at = address - (uintptr_t)b->bytes;
        if (address >= (uintptr_t)b->bytes && at <= b->size_bytes &&
            size_bytes <= b->size_bytes - (size_t)at)
            return SPACC_OK;
    }
    return spacc_fail(err, SPACC_EINVAL, "no buffer has %zu bytes there", size_bytes);
}

static inline enum spacc_status kernel_write(void *self, uint64_t address, const void *from,
                                             size_t size_bytes, struct spacc_error *err)
{
    const enum spacc_status status = kernel_holds(self, address, size_bytes, err);

    if (status == SPACC_OK && size_bytes)
        memcpy((void *)(uintptr_t)address, from, size_bytes);
    return status;
}

static inline enum spacc_status kernel_read(void *self, uint64_t address, void *to,
                                            size_t size_bytes, struct spacc_error *err)
{
    const enum spacc_status status = kernel_holds(self, address, size_bytes, err);

    if (status == SPACC_OK && size_bytes)
        memcpy(to, (const void *)(uintptr_t)address, size_bytes);
    return status;
}

static inline enum spacc_status kernel_reg_write(void *self, uint32_t offset, uint32_t value,
                                                 struct spacc_error *err)
{
    struct kernel_card *k = self;

    (void)err;
    if (offset == SPACC_REG_AP_CTRL) {
        k->run(k);
        k->reg[0] = 2; /* done */
    } else if (offset == SPACC_REG_IP_ISR) {
        k->reg[offset / 4] = 0;
    } else if (offset < KERNEL_IMAGE) {
        k->reg[offset / 4] = value;
    }
    return SPACC_OK;
}

static inline enum spacc_status kernel_reg_read(void *self, uint32_t offset, uint32_t *value,
                                                struct spacc_error *err)
{
    struct kernel_card *k = self;

    (void)err;
    *value =
        offset < KERNEL_IMAGE ? k->reg[offset / 4] : k->image[offset / 4 - KERNEL_IMAGE / 4];
    if (offset == SPACC_REG_AP_CTRL)
        k->reg[0] = 0;
    return SPACC_OK;
}

static inline enum spacc_status kernel_wait(void *self, uint64_t limit_us, bool *interrupted,
                                            struct spacc_error *err)
{
    (void)self;
    (void)limit_us;
    (void)err;
    *interrupted = true;
    return SPACC_OK;
}

static inline enum spacc_status kernel_reset(void *self, struct spacc_error *err)
{
    (void)err;
    ((struct kernel_card *)self)->resets++;
    return SPACC_OK;
}

static const struct spacc_card_ops kernel_ops = {
    .kind = "kernel",
    .close = kernel_card_close,
    .alloc = kernel_alloc,
    .release = kernel_release,
    .write = kernel_write,
    .read = kernel_read,
    .reg_write = kernel_reg_write,
    .reg_read = kernel_reg_read,
    .wait = kernel_wait,
    .reset = kernel_reset,
};

/* A run without a program fills in the registers: how a host learns who is there. */
static inline enum spacc_status kernel_attach(struct spacc_card **out, struct kernel_card *k,
                                              struct spacc_error *err)
{
    k->run(k);
    return spacc_card_attach(out, &kernel_ops, k, 200e6, err);
}

#endif
