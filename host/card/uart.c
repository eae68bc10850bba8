#include "host/card/uart.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "host/card/pages.h"
#include "host/card/uart_link.h"

enum { IDENTITY_BYTES = 16, PAGE = 4096 };

struct spacc_uart {
    struct spacc_link *link;
    uint32_t payload_max, memory_base, memory_bytes, clock_hz;
    struct spacc_pages pages;
};

static enum spacc_status ask(const struct spacc_uart *u, const struct spacc_link_request *r,
                             struct spacc_error *err)
{
    return spacc_link_ask(u->link, r, err);
}

/* --- the card interface: registers, time, reset ------------------------------ */

static enum spacc_status reg_write(void *self, uint32_t offset, uint32_t value,
                                   struct spacc_error *err)
{
    uint8_t bytes[4];
    spacc_link_put(bytes, value, 4);
    const struct spacc_link_request r = {
        .command = SPACC_LINK_REG_WRITE, .address = offset, .length = 4, .payload = bytes};
    return ask(self, &r, err);
}

static enum spacc_status reg_read(void *self, uint32_t offset, uint32_t *value,
                                  struct spacc_error *err)
{
    uint8_t bytes[4] = {0};
    const struct spacc_link_request r = {.command = SPACC_LINK_REG_READ,
                                         .address = offset,
                                         .length = 4,
                                         .result = bytes,
                                         .result_bytes = 4};
    const enum spacc_status status = ask(self, &r, err);
    *value = spacc_link_get(bytes, 4);
    return status;
}

static enum spacc_status poll_card(struct spacc_uart *u, bool *interrupted, uint32_t *clocks,
                                   struct spacc_error *err)
{
    uint8_t bytes[4] = {0};
    const struct spacc_link_request r = {
        .command = SPACC_LINK_POLL, .result = bytes, .result_bytes = 4};
    const enum spacc_status status = ask(u, &r, err);
    *interrupted = bytes[3] >> 7;
    *clocks = spacc_link_get(bytes, 4) & 0x7fffffff;
    return status;
}

static enum spacc_status wait_interrupt(void *self, uint64_t limit_us, bool *interrupted,
                                        struct spacc_error *err)
{
    struct spacc_uart *u = self;
    const double limit = (double)limit_us * 1e-6 * u->clock_hz;
    double passed = 0;
    uint32_t last, now;
    enum spacc_status status = poll_card(u, interrupted, &last, err);

    while (status == SPACC_OK && !*interrupted && passed < limit) {
        status = poll_card(u, interrupted, &now, err);
        passed += (now - last) & 0x7fffffff;
        last = now;
    }
    return status;
}

static enum spacc_status reset(void *self, struct spacc_error *err)
{
    const struct spacc_link_request r = {.command = SPACC_LINK_RESET};
    return ask(self, &r, err);
}

/* --- the card interface: memory ----------------------------------------------- */

static enum spacc_status alloc(void *self, size_t size_bytes, uint64_t *address,
                               struct spacc_error *err)
{
    struct spacc_uart *u = self;
    return spacc_pages_alloc(&u->pages, spacc_link_device(u->link), size_bytes, address, err);
}

static void release(void *self, uint64_t address)
{
    struct spacc_uart *u = self;
    spacc_pages_free(&u->pages, address);
}

static enum spacc_status check_buffer(const struct spacc_uart *u, const char *what,
                                      uint64_t address, size_t size_bytes,
                                      struct spacc_error *err)
{
    return spacc_pages_check(&u->pages, spacc_link_device(u->link), what, address, size_bytes,
                             err);
}

static enum spacc_status write_memory(void *self, uint64_t address, const void *from,
                                      size_t size_bytes, struct spacc_error *err)
{
    struct spacc_uart *u = self;
    const uint8_t *bytes = from;
    enum spacc_status status = check_buffer(u, "write", address, size_bytes, err);

    for (size_t at = 0; at < size_bytes && status == SPACC_OK; at += u->payload_max) {
        const size_t left = size_bytes - at;
        const struct spacc_link_request r = {.command = SPACC_LINK_MEM_WRITE,
                                             .address = (uint32_t)(address + at),
                                             .length = left < u->payload_max ? (uint32_t)left
                                                                             : u->payload_max,
                                             .payload = bytes + at};
        status = ask(u, &r, err);
    }
    return status;
}

static enum spacc_status read_memory(void *self, uint64_t address, void *to, size_t size_bytes,
                                     struct spacc_error *err)
{
    struct spacc_uart *u = self;
    uint8_t *bytes = to;
    enum spacc_status status = check_buffer(u, "read", address, size_bytes, err);

    for (size_t at = 0; at < size_bytes && status == SPACC_OK; at += u->payload_max) {
        const size_t left = size_bytes - at;
        const uint32_t length = left < u->payload_max ? (uint32_t)left : u->payload_max;
        const struct spacc_link_request r = {.command = SPACC_LINK_MEM_READ,
                                             .address = (uint32_t)(address + at),
                                             .length = length,
                                             .result = bytes + at,
                                             .result_bytes = length};
        status = ask(u, &r, err);
    }
    return status;
}

static void close_uart(void *self)
{
    spacc_uart_close(self);
}

static uint64_t memory_bytes(const void *self)
{
    return ((const struct spacc_uart *)self)->memory_bytes;
}

const struct spacc_card_ops *spacc_uart_card_ops(void)
{
    static const struct spacc_card_ops ops = {
        .kind = "uart",
        .close = close_uart,
        .alloc = alloc,
        .release = release,
        .write = write_memory,
        .read = read_memory,
        .reg_write = reg_write,
        .reg_read = reg_read,
        .wait = wait_interrupt,
        .memory_bytes = memory_bytes,
        .reset = reset,
    };
    return &ops;
}

/* --- open and close ------------------------------------------------------------ */

static enum spacc_status identify(struct spacc_uart *u, struct spacc_error *err)
{
    uint8_t who[IDENTITY_BYTES] = {0};
    const struct spacc_link_request r = {
        .command = SPACC_LINK_IDENTIFY, .result = who, .result_bytes = IDENTITY_BYTES};
    const enum spacc_status status = ask(u, &r, err);

    if (status != SPACC_OK)
        return status;
    if (spacc_link_get(who, 2) != SPACC_LINK_VERSION)
        return spacc_fail(err, SPACC_EDEVICE,
                          "%s: the board speaks version %u of the protocol, this driver %d",
                          spacc_link_device(u->link), spacc_link_get(who, 2),
                          SPACC_LINK_VERSION);
    u->payload_max = spacc_link_get(who + 2, 2);
    u->memory_base = spacc_link_get(who + 4, 4);
    u->memory_bytes = spacc_link_get(who + 8, 4);
    u->clock_hz = spacc_link_get(who + 12, 4);
    if (u->payload_max == 0 || u->payload_max > SPACC_LINK_PAYLOAD_MAX ||
        u->memory_base % PAGE != 0 || u->memory_bytes % PAGE != 0 || u->memory_bytes == 0 ||
        u->memory_bytes > UINT32_MAX - u->memory_base || u->clock_hz == 0)
        return spacc_fail(
            err, SPACC_EDEVICE,
            "%s: the board says it takes %u bytes at once, has %u bytes at 0x%08x "
            "and a clock of %u Hz",
            spacc_link_device(u->link), u->payload_max, u->memory_bytes, u->memory_base,
            u->clock_hz);
    spacc_pages_init(&u->pages, u->memory_base, u->memory_bytes);
    return SPACC_OK;
}

/* Ask over `link` who is there; the link is closed with the uart, also on failure. */
static enum spacc_status begin(struct spacc_uart **out, struct spacc_link *link,
                               struct spacc_error *err)
{
    enum spacc_status status;
    struct spacc_uart *u = calloc(1, sizeof(*u));

    if (!u) {
        status =
            spacc_fail(err, SPACC_ENOMEM, "%s: no memory for a card", spacc_link_device(link));
        spacc_link_close(link);
        return status;
    }
    u->link = link;
    status = identify(u, err);
    if (status == SPACC_OK)
        status = reset(u, err); /* from whatever another host has left it in */
    if (status != SPACC_OK)
        goto out;
    *out = u;
    u = NULL;
out:
    spacc_uart_close(u);
    return status;
}

enum spacc_status spacc_uart_attach(struct spacc_uart **out, int fd,
                                    const struct spacc_uart_options *options,
                                    struct spacc_error *err)
{
    struct spacc_link *link;
    *out = NULL;
    const enum spacc_status status = spacc_link_attach(&link, fd, options, err);
    return status == SPACC_OK ? begin(out, link, err) : status;
}

enum spacc_status spacc_uart_open(struct spacc_uart **out,
                                  const struct spacc_uart_options *options,
                                  struct spacc_error *err)
{
    struct spacc_link *link;
    *out = NULL;
    const enum spacc_status status = spacc_link_open(&link, options, err);
    return status == SPACC_OK ? begin(out, link, err) : status;
}

void spacc_uart_close(struct spacc_uart *u)
{
    if (!u)
        return;
    spacc_pages_release(&u->pages);
    spacc_link_close(u->link);
    free(u);
}

double spacc_uart_clock_hz(const struct spacc_uart *u)
{
    return u->clock_hz;
}

uint32_t spacc_uart_memory_bytes(const struct spacc_uart *u)
{
    return u->memory_bytes;
}

uint64_t spacc_uart_repeats(const struct spacc_uart *u)
{
    return spacc_link_repeats(u->link);
}

/* "DEV@BAUD" in two; *device is the caller's to free. */
static enum spacc_status split_name(const char *name, char **device, uint32_t *baud,
                                    struct spacc_error *err)
{
    const char *at = strrchr(name, '@');
    *baud = 0;
    if (at) {
        char *end;
        const unsigned long value = strtoul(at + 1, &end, 10);
        if (at[1] < '0' || at[1] > '9' || *end || value == 0 || value > 100000000)
            return spacc_fail(err, SPACC_EINVAL, "card 'uart:%s': no baud: '%s'", name, at + 1);
        *baud = (uint32_t)value;
    }
    *device = strndup(name, at ? (size_t)(at - name) : strlen(name));
    return *device ? SPACC_OK : spacc_fail(err, SPACC_ENOMEM, "no memory for a card");
}

enum spacc_status spacc_uart_card_open(struct spacc_card **out, const char *name,
                                       struct spacc_error *err)
{
    struct spacc_uart_options options = {0};
    struct spacc_uart *uart;
    char *device;

    *out = NULL;
    enum spacc_status status = split_name(name, &device, &options.baud, err);
    if (status != SPACC_OK)
        return status;
    options.device = device;
    status = spacc_uart_open(&uart, &options, err);
    free(device);
    if (status != SPACC_OK)
        return status;
    return spacc_card_attach(out, spacc_uart_card_ops(), uart, uart->clock_hz, err);
}
