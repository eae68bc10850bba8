/* uart_link.h - requests to a board and their answers, over a serial line.
 *
 * The frames are those of rtl/spacc_bridge.sv, whose header has them. A request that gets
 * no answer, a NAK or a damaged answer is sent again with the same tag; the board does
 * what must be done once only once. */
#ifndef SPACC_HOST_CARD_UART_LINK_H
#define SPACC_HOST_CARD_UART_LINK_H

#include <stdint.h>

#include "host/card/uart.h"
#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPACC_LINK_VERSION = 1, SPACC_LINK_PAYLOAD_MAX = 32768 };

enum spacc_link_command {
    SPACC_LINK_IDENTIFY,
    SPACC_LINK_POLL,
    SPACC_LINK_REG_READ,
    SPACC_LINK_REG_WRITE,
    SPACC_LINK_MEM_READ,
    SPACC_LINK_MEM_WRITE,
    SPACC_LINK_RESET
};

/* `payload`, `length` bytes, is sent along; `result_bytes` of answer go to `result`.
 * Neither is more than SPACC_LINK_PAYLOAD_MAX. */
struct spacc_link_request {
    enum spacc_link_command command;
    uint32_t address;
    uint32_t length;
    const void *payload; /* or NULL */
    void *result;        /* or NULL with 0 bytes */
    uint32_t result_bytes;
};

struct spacc_link;

/* As spacc_uart_open() and spacc_uart_attach(), but nothing is asked yet. */
enum spacc_status spacc_link_open(struct spacc_link **out,
                                  const struct spacc_uart_options *options,
                                  struct spacc_error *err);
enum spacc_status spacc_link_attach(struct spacc_link **out, int fd,
                                    const struct spacc_uart_options *options,
                                    struct spacc_error *err);
/* NULL is allowed. */
void spacc_link_close(struct spacc_link *link);

/* Ask and wait for the answer. SPACC_ETIMEOUT: none after all attempts, or the card did
 * not answer the board; SPACC_EDEVICE bus error, or an answer of the wrong size;
 * SPACC_EINVAL outside of the board's memory; SPACC_EIO the device is gone. */
enum spacc_status spacc_link_ask(struct spacc_link *link,
                                 const struct spacc_link_request *request,
                                 struct spacc_error *err);

const char *spacc_link_device(const struct spacc_link *link);
/* Requests that had to be sent again. */
uint64_t spacc_link_repeats(const struct spacc_link *link);

/* Little-endian numbers of 1 to 4 bytes. */
void spacc_link_put(uint8_t *to, uint32_t value, int bytes);
uint32_t spacc_link_get(const uint8_t *from, int bytes);

#ifdef __cplusplus
}
#endif

#endif
