/* plan_conv.h - convolutions behind which a ReLU stands, on a card: rows that SeerNet predicts
 * to be zero are turned off (sparse/seernet.h makes the mask, the same one as for the CPU). */
#ifndef SPACC_PLAN_CONV_H
#define SPACC_PLAN_CONV_H

#include "host/conv_rows.h"
#include "host/plan.h"
#include "sparse/seernet.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_plan_conv {
    size_t lanes;
    int bits; /* of the prediction, 2 to 8, or SPACC_SEER_EXACT */
    struct spacc_conv_rows rows;
    struct spacc_seernet *seer;
};

/* Make candidates of the convolutions that fit: group 1, no dilation, constant weights, one
 * reader, which is a Relu. The others get their reason. SPACC_ENOMEM. */
enum spacc_status spacc_plan_take_convolutions(struct spacc_plan *p, int bits, size_t lanes,
                                               struct spacc_error *err);
void spacc_plan_conv_free(struct spacc_plan_conv *c); /* NULL is allowed */

/* Weights and shape, seen by the first calibration run; refuses what rows cannot be.
 * SPACC_ENOMEM. */
enum spacc_status spacc_plan_conv_see(struct spacc_plan_node *n,
                                      const struct spacc_tensor *const *in,
                                      struct spacc_error *err);

bool spacc_plan_conv_can_run(const struct spacc_plan_conv *c, const struct spacc_tensor *x);

/* x of the job, and its mask ([steps][ceil(outputs / 64)], written here); adds to cut how many
 * values did not fit. SPACC_ENOMEM. */
enum spacc_status spacc_plan_conv_fill(const struct spacc_plan_conv *c, const float *image,
                                       int x_frac, int16_t *x, uint64_t *mask, uint64_t *cut);

/* y of the job as the node's output. SPACC_ENOMEM. */
enum spacc_status spacc_plan_conv_give(const struct spacc_plan_conv *c,
                                       const struct spacc_fixed_layer *layer, const int32_t *y,
                                       struct spacc_tensor **out);

#ifdef __cplusplus
}
#endif

#endif
