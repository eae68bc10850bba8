#include "host/cpu/arena.h"

#include <stdint.h>
#include <stdlib.h>

static size_t aligned(size_t bytes)
{
    return (bytes + SPACC_ARENA_ALIGN - 1) / SPACC_ARENA_ALIGN * SPACC_ARENA_ALIGN;
}

static int by_size(const void *a, const void *b)
{
    const struct spacc_arena_item *x = *(struct spacc_arena_item *const *)a;
    const struct spacc_arena_item *y = *(struct spacc_arena_item *const *)b;

    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return x < y ? -1 : x > y; /* in the order given: the same plan every time */
}

static bool meets(const struct spacc_arena_item *a, const struct spacc_arena_item *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The lowest gap that holds `item` between those of placed[0..n-1], which ascend by offset,
 * that are alive with it. */
static size_t lowest_gap(struct spacc_arena_item *const *placed, size_t n,
                         const struct spacc_arena_item *item)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        if (!meets(placed[i], item))
            continue;
        if (placed[i]->offset >= at + item->bytes)
            break;
        const size_t end = aligned(placed[i]->offset + placed[i]->bytes);
        if (end > at)
            at = end;
    }
    return at;
}

static void insert(struct spacc_arena_item **placed, size_t n, struct spacc_arena_item *item)
{
    for (; n > 0 && placed[n - 1]->offset > item->offset; n--)
        placed[n] = placed[n - 1];
    placed[n] = item;
}

static bool sum_fits(const struct spacc_arena_item *item, size_t items)
{
    size_t sum = 0;

    for (size_t i = 0; i < items; i++) {
        if (item[i].bytes > SIZE_MAX / 2 - SPACC_ARENA_ALIGN ||
            aligned(item[i].bytes) > SIZE_MAX / 2 - sum)
            return false;
        sum += aligned(item[i].bytes);
    }
    return true;
}

enum spacc_status spacc_arena_plan(struct spacc_arena_item *item, size_t items, size_t *total)
{
    struct spacc_arena_item **order, **placed;

    *total = 0;
    if (!sum_fits(item, items))
        return SPACC_EINVAL;
    order = calloc(2 * items + 1, sizeof(struct spacc_arena_item *));
    if (!order)
        return SPACC_ENOMEM;
    placed = order + items;
    for (size_t i = 0; i < items; i++)
        order[i] = &item[i];
    qsort(order, items, sizeof(struct spacc_arena_item *), by_size);
    for (size_t i = 0; i < items; i++) {
        order[i]->offset = order[i]->bytes ? lowest_gap(placed, i, order[i]) : 0;
        insert(placed, i, order[i]);
        const size_t end = aligned(order[i]->offset + order[i]->bytes);
        *total = end > *total ? end : *total;
    }
    free(order);
    return SPACC_OK;
}
