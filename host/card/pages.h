/* pages.h - one range of memory that a card reaches, handed out first fit.
 *
 * Buffers begin at pages of 4096 bytes, so that no two share a cache line or a burst. */
#ifndef SPACC_PAGES_H
#define SPACC_PAGES_H

#include <stddef.h>
#include <stdint.h>

#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_pages_block;

/* Fields are private; all zero is a range of 0 bytes. */
struct spacc_pages {
    uint64_t base, size_bytes;
    struct spacc_pages_block *first; /* sorted by address */
};

/* The range: base a multiple of 4096, base + size_bytes no more than 2^64. */
void spacc_pages_init(struct spacc_pages *p, uint64_t base, uint64_t size_bytes);
/* Forget all buffers. */
void spacc_pages_release(struct spacc_pages *p);

/* A buffer; its address, or 0 on failure. `who` begins the message. SPACC_EINVAL: 0 bytes.
 * SPACC_ENOMEM: no gap is large enough; names the largest. */
enum spacc_status spacc_pages_alloc(struct spacc_pages *p, const char *who, size_t size_bytes,
                                    uint64_t *address, struct spacc_error *err);
/* Addresses that no buffer begins at are let be. */
void spacc_pages_free(struct spacc_pages *p, uint64_t address);
/* SPACC_EINVAL unless all these bytes lie in one buffer; `what` is "read" or "write". */
enum spacc_status spacc_pages_check(const struct spacc_pages *p, const char *who,
                                    const char *what, uint64_t address, size_t size_bytes,
                                    struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
