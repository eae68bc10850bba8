/* device.h - what the executor sees of a device that runs quantised layers: the card, or
 * the same arithmetic in C on the CPU. Both give the same bits.
 *
 *     add every layer -> load once -> run lists of jobs
 *
 * A job is one sequence of one layer, vectors in natural order. A job may take the y of an
 * earlier job of the same list as its x: the card then never asks the host in between. */
#ifndef SPACC_DEVICE_H
#define SPACC_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/card/card.h"
#include "host/compile.h"
#include "sparse/fixed.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPACC_CARD_CAUSES = 8 };

/* What one job cost; zeros for times and bytes on the CPU.
 *
 * A card runs jobs that are alike as one batch (host/fpga/card_batches.h) and counts them
 * together: each gets an equal share of every cause, of the bytes and of the saturations, the
 * first ones one more where that leaves a rest. So the sums over jobs are what the card
 * counted, and the causes of a job add up to its cycles. Saturations of a single job of a
 * batch are known only on the CPU and on a card that only counts. */
struct spacc_job_counts {
    uint64_t cycles, cause[SPACC_CARD_CAUSES];
    uint64_t gate_saturations, state_saturations;
    uint64_t bytes_read, bytes_written;
    uint64_t rows_skipped; /* of masked RUNs, rows that fill the last group included */
    uint64_t issue_saved;  /* cycles of ISSUE that these would have taken without masks */
    double us; /* wall time of its list on this side, shared out by weights times steps */
};

/* Widths are those of spacc_fixed_layer: outputs of an LSTMP is the width of its r, else units;
 * h is as wide as outputs. */
struct spacc_job {
    size_t layer;     /* number from spacc_device_add() */
    size_t steps;     /* 1 or more */
    bool reverse;     /* last step first; x and y stay in natural order */
    const int16_t *x; /* [steps][x_cols]; NULL with x_job */
    /* LINEAR without reverse only: rows that are wanted, uint64_t [steps][ceil(outputs / 64)]
     * as spacc_fixed_run_masked() takes them; the others are 0. NULL: all. */
    const uint64_t *mask;
    /* With a mask: x is [steps][x_cols / (overlap + 1)], and the input of a step is that of the
     * `overlap` steps before and its own, bank by bank: of a bank of L columns (those of w_x)
     * the first L / (overlap + 1) are the oldest step's. The banks have x_cols exactly, L is a
     * multiple of overlap + 1, and no row of the first `overlap` steps is wanted. */
    size_t overlap;
    int x_job;       /* earlier job of the list whose y is x, else -1: as many outputs as
                        x_cols, the same steps, not LINEAR */
    int16_t *h;      /* [outputs], in: initial, out: last. NULL for LINEAR */
    int32_t *state;  /* [units], in: initial c (h of a GRU), out: last. NULL for LINEAR */
    bool skip_state; /* nobody asks for the last c: of an LSTM, state may be left as it was */
    void *y;         /* out: LINEAR int32 [steps][4 * units], else int16 [steps][outputs] */
    struct spacc_job_counts counts; /* out */
};

struct spacc_device;

struct spacc_device_ops {
    const char *kind; /* "cpu" or "card" */
    void (*close)(struct spacc_device *device);
    enum spacc_status (*add)(struct spacc_device *device, const char *name,
                             const struct spacc_fixed_layer *layer, size_t *number,
                             struct spacc_error *err);
    enum spacc_status (*load)(struct spacc_device *device, struct spacc_error *err);
    enum spacc_status (*run)(struct spacc_device *device, struct spacc_job *job, size_t jobs,
                             struct spacc_error *err);
};

/* First member of every implementation. */
struct spacc_device {
    const struct spacc_device_ops *ops;
};

/* Fixed-point layers on the CPU. SPACC_ENOMEM. */
enum spacc_status spacc_cpu_device_new(struct spacc_device **out, struct spacc_error *err);

/* Layers on a card, which is taken over (closed with the device, also on failure). */
enum spacc_status spacc_card_device_new(struct spacc_device **out, struct spacc_card *card,
                                        uint64_t time_limit_us, struct spacc_error *err);

/* The layer is used, not copied: it lives as long as the device. Errors of
 * spacc_layout_make(), SPACC_ENOMEM. */
static inline enum spacc_status spacc_device_add(struct spacc_device *d, const char *name,
                                                 const struct spacc_fixed_layer *layer,
                                                 size_t *number, struct spacc_error *err)
{
    return d->ops->add(d, name, layer, number, err);
}

/* After the last add, before the first run. */
static inline enum spacc_status spacc_device_load(struct spacc_device *d,
                                                  struct spacc_error *err)
{
    return d->ops->load(d, err);
}

/* The whole input of every step of a job with overlap: [steps][x_cols]. */
void spacc_job_input(const struct spacc_job *job, const struct spacc_fixed_layer *layer,
                     int16_t *x);
/* Whether mask and overlap are as said above. */
bool spacc_job_mask_fits(const struct spacc_job *job, const struct spacc_fixed_layer *layer);

/* SPACC_EDEVICE, SPACC_ETIMEOUT: nothing in the jobs is valid, the device stays usable.
 * SPACC_ENOFIT when vectors of one list pass 4 GiB.
 *
 * h and states of a job stay on a card when it has room for those of all jobs: a later job of
 * the layer that begins with exactly what an earlier one ended with then loads nothing. */
static inline enum spacc_status spacc_device_run(struct spacc_device *d, struct spacc_job *job,
                                                 size_t jobs, struct spacc_error *err)
{
    return d->ops->run(d, job, jobs, err);
}

/* NULL is allowed. */
void spacc_device_free(struct spacc_device *d);

/* ---- of a card device only ---- */

struct spacc_card_totals {
    uint64_t load_cycles;   /* loading weights: prepare, and again after resets */
    uint64_t run_cycles;    /* everything else */
    double load_us, run_us; /* the same, wall time on this side */
    uint64_t runs;          /* card runs */
    size_t layers, away;    /* of all layers those that share one place, loaded in turn */
    uint64_t batches;       /* RUNs: a batch of jobs each */
    uint64_t kept;          /* of these began with what the card still had of h and states */
};

const struct spacc_layout *spacc_card_device_layout(const struct spacc_device *d, size_t layer);

/* Cycles a step of a layer's first masked RUN, and of the first one that had all rows of the
 * steps with a row that was wanted: whichever took less is how it runs from then on, with the
 * same results. 0: there was none. */
const double *spacc_card_device_step_cycles(const struct spacc_device *d, size_t layer);
const struct spacc_card_info *spacc_card_device_info(const struct spacc_device *d);
struct spacc_card_totals spacc_card_device_totals(const struct spacc_device *d);
/* The runs so far count no more; what loading took does. */
void spacc_card_device_forget(struct spacc_device *d);

#ifdef __cplusplus
}
#endif

#endif
