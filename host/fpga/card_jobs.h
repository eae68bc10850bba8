/* card_jobs.h - the vectors of a list of jobs in the card's memory: where they are, and how
 * they get there and back.
 *
 *   region 2   x of every batch that has its own; h and states of those that load them
 *   region 3   y, last states and counter marks of every batch
 */
#ifndef SPACC_CARD_JOBS_H
#define SPACC_CARD_JOBS_H

#include "host/fpga/card_kept.h"
#include "host/fpga/card_masks.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_card_layer {
    char *name;
    const struct spacc_fixed_layer *layer;
    struct spacc_fixed_layer *shared; /* owned; what `layer` is on a card that shares indices */
    struct spacc_layout layout;
    struct spacc_place place; /* h_base and state_base are those of a batch */
    bool stays;
    double step_cycles[2]; /* of its first masked RUN, and of the first with whole steps; 0:
                              none */
};

/* Jobs first .. first + size - 1 of a list, which are one RUN. */
struct spacc_card_batch {
    size_t first, size;
    const struct spacc_card_layer *of;
    int from; /* batch whose y is x, or -1 */
    struct spacc_card_hold hold;
    struct spacc_card_masks masks;                 /* of one job */
    bool stores;                                   /* the last states go to region 3 */
    uint32_t x, h, state;                          /* bytes in region 2 */
    uint32_t y, state_out, first_mark, mark_after; /* bytes in region 3 */
    uint32_t mark_before;                          /* set by who makes the programs */
};

/* Bytes of x of one step of a batch; and of one with its mask. */
size_t spacc_card_x_bytes(const struct spacc_layout *l, size_t batch);
size_t spacc_card_step_bytes(const struct spacc_card_batch *b);

/* Give every batch its place; `in` and `out` become the sizes of regions 2 and 3. SPACC_ENOFIT
 * beyond 4 GiB. */
enum spacc_status spacc_card_place_batches(struct spacc_card_batch *batch, size_t batches,
                                           const struct spacc_job *job, size_t *in, size_t *out,
                                           struct spacc_error *err);

/* Copy x, h and states into region 2, which is all zeros. */
void spacc_card_put_inputs(const struct spacc_card_batch *batch, size_t batches,
                           const struct spacc_job *job, uint8_t *in);

/* Copy y, h and states out of region 3. SPACC_ENOMEM. */
enum spacc_status spacc_card_get_outputs(const struct spacc_card_batch *batch, size_t batches,
                                         struct spacc_job *job, const uint8_t *out);

/* Share what the marks in region 3 say out to the jobs, as host/device.h has it. Without
 * `saturations` these stay what they are. */
void spacc_card_get_counts(const struct spacc_card_batch *batch, size_t batches,
                           struct spacc_job *job, const uint8_t *out, bool saturations);

#ifdef __cplusplus
}
#endif

#endif
