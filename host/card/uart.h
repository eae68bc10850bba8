/* uart.h - a card on a small board, behind a serial line: struct spacc_card_ops over a tty.
 *
 * The board's end is rtl/spacc_bridge.sv, whose header has the frames. The host asks, the
 * board answers. A request that gets no answer, a NAK or a damaged answer is sent again, at
 * most `attempts` times; the tag in it makes the board do it once. The board's memory is
 * shared out here, first fit; its contents stay through a reset of the card.
 *
 * Limits are kept in card time: the bridge counts clocks. Calls block; one thread at a
 * time may use a card. */
#ifndef SPACC_HOST_CARD_UART_H
#define SPACC_HOST_CARD_UART_H

#include <stdint.h>

#include "host/card/card.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_uart;

enum { SPACC_UART_BAUD = 1000000 }; /* default, as rtl/boards/spacc_board.sv has it */

/* 0 takes the default. */
struct spacc_uart_options {
    const char *device;  /* of a tty: "/dev/ttyUSB1"; with spacc_uart_attach() for messages */
    uint32_t baud;       /* default SPACC_UART_BAUD */
    uint32_t timeout_ms; /* without an answer, on top of the time on the line; default 1000 */
    uint32_t attempts;   /* of a request; default 8 */
};

/* Open a tty (raw, 8N1), ask who is there and reset the card. Others cannot open the device
 * meanwhile (TIOCEXCL).
 * SPACC_EINVAL bad options, SPACC_EIO it cannot be opened or set, SPACC_ETIMEOUT nobody
 * answers, SPACC_EDEVICE another protocol version. */
enum spacc_status spacc_uart_open(struct spacc_uart **out,
                                  const struct spacc_uart_options *options,
                                  struct spacc_error *err);

/* The same over an open descriptor, which is closed with the uart, also on failure.
 * It is set to O_NONBLOCK. */
enum spacc_status spacc_uart_attach(struct spacc_uart **out, int fd,
                                    const struct spacc_uart_options *options,
                                    struct spacc_error *err);

/* NULL is allowed. */
void spacc_uart_close(struct spacc_uart *uart);

/* `self` is a struct spacc_uart, which close() closes. */
const struct spacc_card_ops *spacc_uart_card_ops(void);

/* What the board says of itself. */
double spacc_uart_clock_hz(const struct spacc_uart *uart);
uint32_t spacc_uart_memory_bytes(const struct spacc_uart *uart);
/* Requests that had to be sent again. */
uint64_t spacc_uart_repeats(const struct spacc_uart *uart);

/* Open the card "DEV" or "DEV@BAUD". Errors as above, and of spacc_card_attach(). */
enum spacc_status spacc_uart_card_open(struct spacc_card **out, const char *name,
                                       struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
