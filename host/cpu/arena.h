/* arena.h - where tensors go in one block of memory, given when each is alive.
 *
 *   bytes ^   +-------+
 *         |   |   B   |   +-----+        A and D do not live at the same time:
 *         |   +---+---+---+  C  |        they share bytes
 *         |   | A |   |   D     |
 *         +---+---+---+---------+--> steps */
#ifndef SPACC_ARENA_H
#define SPACC_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPACC_ARENA_ALIGN = 64 };

struct spacc_arena_item {
    size_t bytes;    /* in; 0 takes no room */
    int first, last; /* in: steps in which it is alive, both included */
    size_t offset;   /* out: a multiple of SPACC_ARENA_ALIGN */
};

/* Give every item an offset so that items alive in one step do not overlap, largest first,
 * each at the lowest place that is free during its life (greedy by size: Pisarchyk and Lee,
 * "Efficient memory management for deep neural net inference", MLSys 2020 workshop, 2020).
 * `*total` gets the bytes of the block. SPACC_ENOMEM; SPACC_EINVAL when the sum of sizes
 * does not fit size_t. */
enum spacc_status spacc_arena_plan(struct spacc_arena_item *item, size_t items, size_t *total);

#ifdef __cplusplus
}
#endif

#endif
