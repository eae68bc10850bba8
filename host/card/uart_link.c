#define _DEFAULT_SOURCE /* fast bauds, CRTSCTS, TIOCEXCL */
#include "host/card/uart_link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum {
    REQUEST_START = 0xa5,
    ANSWER_START = 0x5a,
    REQUEST_HEAD = 9, /* start, tag, command, address 4, length 2 */
    ANSWER_HEAD = 5,  /* start, tag, status, length 2 */
    CRC_BYTES = 2,
    TIMEOUT_MS_DEFAULT = 1000,
    ATTEMPTS_DEFAULT = 8
};

enum answer { ANSWER_OK, ANSWER_NAK, ANSWER_BUS, ANSWER_TIMEOUT, ANSWER_RANGE, ANSWER_COMMAND };

static const char *const command_names[] = {"identify",       "poll",        "register read",
                                            "register write", "memory read", "memory write",
                                            "reset"};

struct spacc_link {
    int fd;
    char *device;
    uint32_t baud, timeout_ms, attempts;
    uint8_t tag;
    uint64_t repeats;
    uint8_t out[REQUEST_HEAD + SPACC_LINK_PAYLOAD_MAX + CRC_BYTES];
    uint8_t in[ANSWER_HEAD + SPACC_LINK_PAYLOAD_MAX + CRC_BYTES];
};

/* --- bytes ------------------------------------------------------------------ */

void spacc_link_put(uint8_t *to, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

uint32_t spacc_link_get(const uint8_t *from, int bytes)
{
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint32_t)from[i] << 8 * i;
    return value;
}

/* CRC-16, polynomial 0x1021, from 0xffff, high bit first. */
static uint16_t crc16(const uint8_t *data, size_t count)
{
    uint32_t crc = 0xffff;
    for (size_t i = 0; i < count; i++) {
        crc ^= (uint32_t)data[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = crc << 1 ^ (crc & 0x8000 ? 0x11021u : 0u);
    }
    return (uint16_t)crc;
}

/* --- the line --------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static enum spacc_status io_error(const struct spacc_link *link, const char *what,
                                  struct spacc_error *err)
{
    return spacc_fail(err, SPACC_EIO, "%s: cannot %s: %s", link->device, what, strerror(errno));
}

/* Wait for POLLIN or POLLOUT. SPACC_ETIMEOUT (err is left alone) after `deadline`. */
static enum spacc_status await(struct spacc_link *link, short events, int64_t deadline,
                               struct spacc_error *err)
{
    for (;;) {
        struct pollfd p = {.fd = link->fd, .events = events};
        const int64_t left = deadline - now_ms();
        if (left < 0)
            return SPACC_ETIMEOUT;
        const int n = poll(&p, 1, (int)left);
        if (n < 0 && errno != EINTR)
            return io_error(link, "wait for it", err);
        if (n > 0 && (p.revents & events))
            return SPACC_OK;
        if (n > 0)
            return spacc_fail(err, SPACC_EIO, "%s: the device is gone", link->device);
    }
}

static enum spacc_status send_bytes(struct spacc_link *link, const uint8_t *from, size_t count,
                                    int64_t deadline, struct spacc_error *err)
{
    while (count > 0) {
        const ssize_t n = write(link->fd, from, count);
        if (n > 0) {
            from += n;
            count -= (size_t)n;
            continue;
        }
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return io_error(link, "write to it", err);
        const enum spacc_status status = await(link, POLLOUT, deadline, err);
        if (status != SPACC_OK)
            return status;
    }
    return SPACC_OK;
}

static enum spacc_status receive_bytes(struct spacc_link *link, uint8_t *to, size_t count,
                                       int64_t deadline, struct spacc_error *err)
{
    while (count > 0) {
        const enum spacc_status status = await(link, POLLIN, deadline, err);
        if (status != SPACC_OK)
            return status;
        const ssize_t n = read(link->fd, to, count);
        if (n == 0)
            return spacc_fail(err, SPACC_EIO, "%s: the device is gone", link->device);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return io_error(link, "read from it", err);
        if (n > 0) {
            to += n;
            count -= (size_t)n;
        }
    }
    return SPACC_OK;
}

/* What is left of an answer that nobody waits for any more; of a device that never ends
 * only a part. */
static enum spacc_status drop_input(struct spacc_link *link, struct spacc_error *err)
{
    uint8_t dropped[1024];
    for (int i = 0; i < 256; i++) {
        const ssize_t n = read(link->fd, dropped, sizeof(dropped));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return SPACC_OK;
        if (n < 0)
            return io_error(link, "read from it", err);
        if (n == 0)
            return spacc_fail(err, SPACC_EIO, "%s: the device is gone", link->device);
    }
    return SPACC_OK;
}

/* --- requests and answers --------------------------------------------------- */

/* Build the frame in link->out; its size. */
static size_t build_request(struct spacc_link *link, const struct spacc_link_request *r)
{
    const size_t payload = r->payload ? r->length : 0;
    const size_t used = REQUEST_HEAD + payload;
    link->out[0] = REQUEST_START;
    link->out[1] = link->tag;
    link->out[2] = (uint8_t)r->command;
    spacc_link_put(link->out + 3, r->address, 4);
    spacc_link_put(link->out + 7, r->length, 2);
    if (payload)
        memcpy(link->out + REQUEST_HEAD, r->payload, payload);
    const uint16_t crc = crc16(link->out + 1, used - 1);
    link->out[used] = (uint8_t)(crc >> 8);
    link->out[used + 1] = (uint8_t)crc;
    return used + CRC_BYTES;
}

/* One whole answer into link->in. SPACC_EFORMAT (err is left alone): it is damaged. */
static enum spacc_status receive_answer(struct spacc_link *link, int64_t deadline,
                                        struct spacc_error *err)
{
    enum spacc_status status;
    do {
        status = receive_bytes(link, link->in, 1, deadline, err);
        if (status != SPACC_OK)
            return status;
    } while (link->in[0] != ANSWER_START);
    status = receive_bytes(link, link->in + 1, ANSWER_HEAD - 1, deadline, err);
    if (status != SPACC_OK)
        return status;
    const uint32_t length = spacc_link_get(link->in + 3, 2);
    if (length > SPACC_LINK_PAYLOAD_MAX)
        return SPACC_EFORMAT;
    status = receive_bytes(link, link->in + ANSWER_HEAD, length + CRC_BYTES, deadline, err);
    if (status != SPACC_OK)
        return status;
    return crc16(link->in + 1, ANSWER_HEAD - 1 + length + CRC_BYTES) == 0 ? SPACC_OK
                                                                          : SPACC_EFORMAT;
}

/* Send the request of `size` bytes in link->out and wait for its answer. What comes with
 * another tag answers an older request. SPACC_EFORMAT: NAK or a damaged answer. */
static enum spacc_status attempt(struct spacc_link *link, size_t size, uint32_t result_bytes,
                                 struct spacc_error *err)
{
    const uint64_t line_bits = 10 * (uint64_t)(size + ANSWER_HEAD + result_bytes + CRC_BYTES);
    const int64_t deadline =
        now_ms() + (int64_t)(2 * line_bits * 1000 / link->baud) + link->timeout_ms;
    enum spacc_status status = drop_input(link, err);
    if (status == SPACC_OK)
        status = send_bytes(link, link->out, size, deadline, err);
    do {
        if (status == SPACC_OK)
            status = receive_answer(link, deadline, err);
    } while (status == SPACC_OK && link->in[2] != ANSWER_NAK && link->in[1] != link->tag);
    if (status == SPACC_OK && link->in[2] == ANSWER_NAK)
        status = SPACC_EFORMAT;
    return status;
}

static enum spacc_status answer_failed(const struct spacc_link *link,
                                       const struct spacc_link_request *r,
                                       struct spacc_error *err)
{
    const char *what = command_names[r->command];
    switch (link->in[2]) {
    case ANSWER_BUS:
        return spacc_fail(err, SPACC_EDEVICE, "%s: %s at 0x%03x: bus error", link->device, what,
                          r->address);
    case ANSWER_TIMEOUT:
        return spacc_fail(err, SPACC_ETIMEOUT, "%s: %s at 0x%03x: the card does not answer",
                          link->device, what, r->address);
    case ANSWER_RANGE:
        return spacc_fail(err, SPACC_EINVAL,
                          "%s: %s of %u bytes at 0x%08x: outside of the board's memory",
                          link->device, what, r->length, r->address);
    default:
        return spacc_fail(err, SPACC_EDEVICE, "%s: %s was answered with status %u",
                          link->device, what, link->in[2]);
    }
}

static enum spacc_status take_answer(const struct spacc_link *link,
                                     const struct spacc_link_request *r,
                                     struct spacc_error *err)
{
    const uint32_t length = spacc_link_get(link->in + 3, 2);
    if (link->in[2] != ANSWER_OK)
        return answer_failed(link, r, err);
    if (length != r->result_bytes)
        return spacc_fail(err, SPACC_EDEVICE, "%s: %s was answered with %u bytes, %u expected",
                          link->device, command_names[r->command], length, r->result_bytes);
    if (length)
        memcpy(r->result, link->in + ANSWER_HEAD, length);
    return SPACC_OK;
}

enum spacc_status spacc_link_ask(struct spacc_link *link, const struct spacc_link_request *r,
                                 struct spacc_error *err)
{
    enum spacc_status status = SPACC_EFORMAT;
    link->tag++;
    const size_t size = build_request(link, r);
    for (uint32_t i = 0; i < link->attempts; i++) {
        link->repeats += i > 0;
        status = attempt(link, size, r->result_bytes, err);
        if (status == SPACC_OK)
            return take_answer(link, r, err);
        if (status != SPACC_ETIMEOUT && status != SPACC_EFORMAT)
            return status;
    }
    return spacc_fail(err, SPACC_ETIMEOUT,
                      "%s: no %s to the request '%s' (%u attempts, %u baud)", link->device,
                      status == SPACC_ETIMEOUT ? "answer" : "undamaged answer",
                      command_names[r->command], link->attempts, link->baud);
}

/* --- open and close ------------------------------------------------------------ */

static enum spacc_status find_speed(uint32_t baud, speed_t *speed, struct spacc_error *err)
{
    static const struct {
        uint32_t baud;
        speed_t speed;
    } speeds[] = {
#define S(baud) {baud, B##baud}
        S(9600),   S(19200),  S(38400),   S(57600),   S(115200),  S(230400),
#ifdef B4000000 /* Linux */
        S(460800), S(921600), S(1000000), S(1500000), S(2000000), S(3000000), S(4000000),
#endif
#undef S
    };
    for (size_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++)
        if (speeds[i].baud == baud) {
            *speed = speeds[i].speed;
            return SPACC_OK;
        }
    return spacc_fail(err, SPACC_EINVAL,
                      "%u baud: this system has 9600 .. 230400, 460800, 921600, 1000000, "
                      "1500000, 2000000, 3000000, 4000000",
                      baud);
}

static void make_raw(struct termios *t, speed_t speed)
{
    t->c_iflag = 0;
    t->c_oflag = 0;
    t->c_lflag = 0;
    t->c_cflag &= ~(tcflag_t)(CSIZE | PARENB | CSTOPB);
#ifdef CRTSCTS
    t->c_cflag &= ~(tcflag_t)CRTSCTS;
#endif
    t->c_cflag |= CS8 | CREAD | CLOCAL;
    t->c_cc[VMIN] = 1; /* 0 would make an idle line look like its end */
    t->c_cc[VTIME] = 0;
    cfsetispeed(t, speed);
    cfsetospeed(t, speed);
}

static enum spacc_status open_tty(int *fd, const char *device, uint32_t baud,
                                  struct spacc_error *err)
{
    struct termios t;
    speed_t speed = B9600;
    enum spacc_status status = find_speed(baud, &speed, err);

    if (status != SPACC_OK)
        return spacc_fail_in(err, status, "%s", device);
    *fd = open(device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (*fd < 0)
        return spacc_fail(err, SPACC_EIO, "%s: cannot open: %s", device, strerror(errno));
    if (tcgetattr(*fd, &t) != 0) {
        status =
            spacc_fail(err, SPACC_EIO, "%s: not a serial line: %s", device, strerror(errno));
        goto out;
    }
    make_raw(&t, speed);
    if (tcsetattr(*fd, TCSANOW, &t) != 0) {
        status = spacc_fail(err, SPACC_EIO, "%s: cannot set %u baud 8N1: %s", device, baud,
                            strerror(errno));
        goto out;
    }
#ifdef TIOCEXCL
    (void)ioctl(*fd, TIOCEXCL); /* for others; not every driver has it */
#endif
    return SPACC_OK;
out:
    close(*fd);
    *fd = -1;
    return status;
}

/* `given`, with the defaults filled in. */
static struct spacc_uart_options filled(const struct spacc_uart_options *given)
{
    struct spacc_uart_options o = *given;
    if (!o.device)
        o.device = "serial line";
    if (!o.baud)
        o.baud = SPACC_UART_BAUD;
    if (!o.timeout_ms)
        o.timeout_ms = TIMEOUT_MS_DEFAULT;
    if (!o.attempts)
        o.attempts = ATTEMPTS_DEFAULT;
    return o;
}

enum spacc_status spacc_link_attach(struct spacc_link **out, int fd,
                                    const struct spacc_uart_options *options,
                                    struct spacc_error *err)
{
    const struct spacc_uart_options o = filled(options);
    struct spacc_link *link = calloc(1, sizeof(*link));
    enum spacc_status status;

    *out = NULL;
    if (!link) {
        close(fd);
        return spacc_fail(err, SPACC_ENOMEM, "%s: no memory for a card", o.device);
    }
    link->fd = fd;
    link->baud = o.baud;
    link->timeout_ms = o.timeout_ms;
    link->attempts = o.attempts;
    link->device = strdup(o.device);
    if (!link->device) {
        status = spacc_fail(err, SPACC_ENOMEM, "%s: no memory for a card", o.device);
        goto out;
    }
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        status = io_error(link, "set it to non-blocking", err);
        goto out;
    }
    *out = link;
    link = NULL;
    status = SPACC_OK;
out:
    spacc_link_close(link);
    return status;
}

enum spacc_status spacc_link_open(struct spacc_link **out,
                                  const struct spacc_uart_options *options,
                                  struct spacc_error *err)
{
    const struct spacc_uart_options o = filled(options);
    int fd = -1;

    *out = NULL;
    if (!options->device || !options->device[0])
        return spacc_fail(err, SPACC_EINVAL, "no serial device named");
    const enum spacc_status status = open_tty(&fd, o.device, o.baud, err);
    if (status != SPACC_OK)
        return status;
    return spacc_link_attach(out, fd, &o, err);
}

void spacc_link_close(struct spacc_link *link)
{
    if (!link)
        return;
#ifdef TIOCNXCL
    (void)ioctl(link->fd, TIOCNXCL); /* somebody else may hold it open, too */
#endif
    close(link->fd);
    free(link->device);
    free(link);
}

const char *spacc_link_device(const struct spacc_link *link)
{
    return link->device;
}

uint64_t spacc_link_repeats(const struct spacc_link *link)
{
    return link->repeats;
}
