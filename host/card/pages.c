#include "host/card/pages.h"

#include <inttypes.h>
#include <stdlib.h>

enum { PAGE = 4096 };

struct spacc_pages_block {
    struct spacc_pages_block *next;
    uint64_t address;
    uint64_t size_bytes; /* as asked for; it takes whole pages */
};

void spacc_pages_init(struct spacc_pages *p, uint64_t base, uint64_t size_bytes)
{
    *p = (struct spacc_pages){.base = base, .size_bytes = size_bytes};
}

void spacc_pages_release(struct spacc_pages *p)
{
    while (p->first)
        spacc_pages_free(p, p->first->address);
}

static uint64_t whole(uint64_t bytes)
{
    return (bytes + PAGE - 1) / PAGE * PAGE;
}

enum spacc_status spacc_pages_alloc(struct spacc_pages *p, const char *who, size_t size_bytes,
                                    uint64_t *address, struct spacc_error *err)
{
    struct spacc_pages_block **link = &p->first, *block;
    uint64_t at = p->base, largest = 0;
    const uint64_t end = p->base + p->size_bytes;

    *address = 0;
    if (size_bytes == 0)
        return spacc_fail(err, SPACC_EINVAL, "%s: a buffer of 0 bytes", who);
    for (;; link = &(*link)->next) {
        const uint64_t next = *link ? (*link)->address : end;
        const uint64_t room = next > at ? next - at : 0; /* the last page may be a part */
        if (size_bytes <= room)
            break;
        largest = room > largest ? room : largest;
        if (!*link)
            return spacc_fail(err, SPACC_ENOMEM,
                              "%s: no room for %zu bytes on the board: largest gap is %" PRIu64
                              " of %" PRIu64,
                              who, size_bytes, largest, p->size_bytes);
        at = (*link)->address + whole((*link)->size_bytes);
    }
    block = malloc(sizeof(*block));
    if (!block)
        return spacc_fail(err, SPACC_ENOMEM, "%s: no memory for a list entry", who);
    *block = (struct spacc_pages_block){*link, at, size_bytes};
    *link = block;
    *address = at;
    return SPACC_OK;
}

void spacc_pages_free(struct spacc_pages *p, uint64_t address)
{
    for (struct spacc_pages_block **link = &p->first; *link; link = &(*link)->next)
        if ((*link)->address == address) {
            struct spacc_pages_block *gone = *link;
            *link = gone->next;
            free(gone);
            return;
        }
}

enum spacc_status spacc_pages_check(const struct spacc_pages *p, const char *who,
                                    const char *what, uint64_t address, size_t size_bytes,
                                    struct spacc_error *err)
{
    for (const struct spacc_pages_block *b = p->first; b; b = b->next)
        if (address >= b->address && address - b->address <= b->size_bytes &&
            size_bytes <= b->size_bytes - (address - b->address))
            return SPACC_OK;
    return spacc_fail(err, SPACC_EINVAL,
                      "%s: %s of %zu bytes at 0x%" PRIx64 ": outside of every buffer", who,
                      what, size_bytes, address);
}
