/* seernet_int8.h - MSB first: a convolution of uint8 x and int8 weights whose prediction is
 * half of the work itself, so that none of it is thrown away.
 *
 *   x = 16 * high + low      y = max(0, sum (x - x_zero) w + bias), int32
 *
 * The high nibbles of x are multiplied first, A = 16 * sum high w - x_zero * sum w + bias, and
 * A is kept in y. What the low nibbles can add lies between 15 times the channel's negative and
 * 15 times its positive weights; on average it is 7.5 times their sum. An output goes on when
 *   A + reach > 0,   reach = average + caution * (most - average)
 * and its low nibbles are then added; others are 0. With caution 1 that is proved and y is
 * exact; with 0 an output that is as likely below 0 as above it stops. Sums are exact in every
 * kernel.
 *
 * x, y and the mask are laid out as in seernet.h; pads are x_zero. */
#ifndef SPACC_SEERNET_INT8_H
#define SPACC_SEERNET_INT8_H

#include "sparse/seernet.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_seer8_options {
    uint8_t x_zero;
    float caution;                          /* 0 .. 1 */
    unsigned cpu_features;                  /* of spacc_cpu_features() */
    const struct spacc_seer_kernel *kernel; /* NULL: the fastest that cpu_features allow */
};

struct spacc_seer8; /* fields are private; read only once made */

/*   out      free with spacc_seer8_free(); NULL on failure
 *   weights  [outputs][channels][kernel rows][kernel columns], read here, not kept
 *   bias     [outputs], or NULL: zeros
 *
 * SPACC_EINVAL: sizes of 0, an output of no pixels, caution out of range. SPACC_EUNSUPPORTED:
 * more than 65536 products an output, more than 2^31 - 1 values, a channel whose sums can leave
 * int32. SPACC_ENOMEM. */
enum spacc_status spacc_seer8_new(struct spacc_seer8 **out,
                                  const struct spacc_seer_shape *shape, const int8_t *weights,
                                  const int32_t *bias,
                                  const struct spacc_seer8_options *options,
                                  struct spacc_error *err);

/* NULL is allowed. */
void spacc_seer8_free(struct spacc_seer8 *s);

/* Rows and columns of y. */
void spacc_seer8_size(const struct spacc_seer8 *s, size_t size[2]);
/* uint64_t of a mask. */
size_t spacc_seer8_mask_words(const struct spacc_seer8 *s);
/* Bytes of scratch for runs with up to this many parts. */
size_t spacc_seer8_scratch_bytes(const struct spacc_seer8 *s, int parts);
/* Outputs that a mask finishes. */
uint64_t spacc_seer8_finished(const struct spacc_seer8 *s, const uint64_t *mask);

/* The caller's memory of a run; nothing is allocated. */
struct spacc_seer8_buffers {
    const uint8_t *x; /* [height][width][channels] */
    int32_t *y;       /* [rows][columns][outputs] */
    uint64_t *mask;
    void *scratch;                         /* 64-byte aligned; kept from phase to phase */
    const struct spacc_parallel *parallel; /* NULL: one part */
};

/* The three phases below. */
void spacc_seer8_run(const struct spacc_seer8 *s, const struct spacc_seer8_buffers *b);

void spacc_seer8_high(const struct spacc_seer8 *s,
                      const struct spacc_seer8_buffers *b); /* x -> scratch, y (A or 0), mask */
void spacc_seer8_list(const struct spacc_seer8 *s,
                      const struct spacc_seer8_buffers *b); /* mask -> scratch */
void spacc_seer8_low(const struct spacc_seer8 *s,
                     const struct spacc_seer8_buffers *b); /* scratch, y -> y */

/* Every output in full, undivided where the kernel can. The mask is not touched. */
void spacc_seer8_dense(const struct spacc_seer8 *s, const struct spacc_seer8_buffers *b);

#ifdef __cplusplus
}
#endif

#endif
