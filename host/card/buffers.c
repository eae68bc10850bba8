#include "host/card/buffers.h"

#include <stdlib.h>

const struct spacc_buffer *spacc_buffers_find(const struct spacc_buffer *list, uint64_t address,
                                              size_t size_bytes)
{
    for (const struct spacc_buffer *b = list; b; b = b->next)
        if (address >= b->address && address - b->address <= b->size_bytes &&
            size_bytes <= b->size_bytes - (address - b->address))
            return b;
    return NULL;
}

void *spacc_buffers_take(struct spacc_buffer **list, uint64_t address)
{
    for (struct spacc_buffer **link = list; *link; link = &(*link)->next)
        if ((*link)->address == address) {
            struct spacc_buffer *const gone = *link;
            void *const handle = gone->handle;
            *link = gone->next;
            free(gone);
            return handle;
        }
    return NULL;
}
