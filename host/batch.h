/* batch.h - independent requests over all devices at once: each device runs a share of them by
 * itself, in proportion to how fast it has been.
 *
 * Shares are corrected after every batch by what each device took (performance ratios with a
 * filter). What a card computes is in fixed point, so a result hangs on who computed it within
 * the errors of the devices; spacc_batch_share() tells. */
#ifndef SPACC_BATCH_H
#define SPACC_BATCH_H

#include "host/include/spacc.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_batch;

enum { SPACC_BATCH_DEVICES = 3 };

/* The CPU, and what options.gpu and options.fpga name. options.goal, pins and plan_file are not
 * used. Errors of spacc_session_new(). */
enum spacc_status spacc_batch_new(struct spacc_batch **out, struct spacc_model *model,
                                  const struct spacc_options *options, struct spacc_error *err);
/* NULL is allowed. */
void spacc_batch_free(struct spacc_batch *b);

/* Prepare every device over `frames` sets of inputs as spacc_session_prepare() does, and run
 * the first set a few times on each to learn how fast it is. */
enum spacc_status spacc_batch_prepare(struct spacc_batch *b, size_t frames,
                                      const struct spacc_tensor *const *input,
                                      struct spacc_error *err);

/* `count` requests: input[r * inputs + i] and output[r * outputs + o], new tensors that the
 * caller frees, all NULL on failure. Errors of spacc_session_run(). */
enum spacc_status spacc_batch_run(struct spacc_batch *b, size_t count,
                                  const struct spacc_tensor *const *input,
                                  struct spacc_tensor **output, struct spacc_error *err);

/* The frames of inputs that have one more leading dimension than the model declares (others are
 * the same in every frame), all independent: output[o] is [frames, ...]. Prepares first, over
 * 64 frames at most. SPACC_ESHAPE when frame counts differ, or there are none. */
enum spacc_status spacc_batch_frames(struct spacc_batch *b,
                                     const struct spacc_tensor *const *input,
                                     struct spacc_tensor **output, struct spacc_error *err);

/* What a device did in the last batch. */
struct spacc_batch_share {
    const char *device;  /* "cpu", "gpu", "card" */
    size_t first, count; /* its requests */
    double us;           /* it took, by its own clock when it is simulated */
};
size_t spacc_batch_shares(const struct spacc_batch *b);
struct spacc_batch_share spacc_batch_share(const struct spacc_batch *b, size_t i);
/* The report of device i, as spacc_session_report(): a user must see its notes. */
const struct spacc_report *spacc_batch_report(const struct spacc_batch *b, size_t i);
/* Of the last batch: the longest share. */
double spacc_batch_us(const struct spacc_batch *b);

/* Numbers of requests by speeds (requests a us), so that the last device ends as early as
 * possible; a device of speed 0 gets none. */
void spacc_batch_split(size_t count, size_t devices, const double *speed, size_t *share);

#ifdef __cplusplus
}
#endif

#endif
