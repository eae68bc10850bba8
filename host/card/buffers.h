/* buffers.h - the buffers of a card whose memory belongs to somebody's runtime (XRT, OpenCL):
 * which of them has an address. A list, newest first: a card has few. */
#ifndef SPACC_CARD_BUFFERS_H
#define SPACC_CARD_BUFFERS_H

#include <stddef.h>
#include <stdint.h>

struct spacc_buffer {
    struct spacc_buffer *next;
    uint64_t address; /* where the driver sees it begin */
    size_t size_bytes;
    void *handle; /* the runtime's */
};

/* The buffer that has all of size_bytes at address, or NULL. */
const struct spacc_buffer *spacc_buffers_find(const struct spacc_buffer *list, uint64_t address,
                                              size_t size_bytes);

/* Take the buffer that begins at address off the list and free its entry; its handle, which is
 * the caller's now, or NULL where none begins there. */
void *spacc_buffers_take(struct spacc_buffer **list, uint64_t address);

#endif
