/* seernet.h - a convolution that predicts which of its outputs an activation will zero, and
 * computes only the others (Cao et al., SeerNet, CVPR 2019).
 *
 *   x f32 --quantise--> codes --predict--> mask --list--> tiles --skip--> y f32
 *                       n bits  integers,  bits          64 pixels,       0 where the mask is 0
 *                               no scales                a word a channel
 *
 * One image, group 1, x and y in NHWC: x[row][col][channel]. BatchNormalization is folded into
 * weights and bias by the caller before, so that nothing is quantised twice.
 *
 * Predicting. Weights have n bits or more, symmetric, one scale an output channel; x has n
 * bits, one scale a call: unsigned where no x is negative, else symmetric about the middle
 * code. Pads are the code of zero. y = acc * s_w * s_x + b, so y > 0 is acc > T: one integer a
 * channel. Sums are exact: every kernel makes the same mask.
 *
 * Computing. Every output is summed in one order, whatever the mask, tiles, threads or kernel:
 * channels in segments, each summed in 16 lanes with fused multiply-adds, a tree over the
 * lanes, then bias + segment + segment ... So all kernels give the same bits, and a skipping
 * run gives those of spacc_seernet_dense() wherever the mask is right.
 *
 * Mask: uint64_t [pixels][ceil(outputs / 64)], channel c of a pixel is bit c % 64 of word
 * c / 64; bits behind the last channel are 0. 1: to be computed. With SPACC_SEER_CLIP a second
 * such array follows the first: 1: known to be `high`; never set where the first is. */
#ifndef SPACC_SEERNET_H
#define SPACC_SEERNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sparse/parallel.h"
#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SPACC_SEER_BITS_MIN = 2,
    SPACC_SEER_BITS_MAX = 8,
    SPACC_SEER_EXACT = 0, /* as bits: no prediction, the mask is the truth of a dense run */
};

/* Pairs are rows, columns. */
struct spacc_seer_shape {
    size_t channels, height, width; /* of x */
    size_t outputs;                 /* channels of y */
    size_t kernel[2], stride[2], dilation[2];
    size_t pads[4]; /* top, left, bottom, right; zeros */
};

/* A window of a max-pool; its pads are below every value. No dilation; for ceil_mode give
 * larger bottom and right pads. */
struct spacc_seer_pool {
    size_t kernel[2], stride[2], pads[4];
};

/* What follows the convolution, and so which outputs matter. */
enum spacc_seer_after {
    SPACC_SEER_RELU, /* y = max(0, y): those above 0 */
    SPACC_SEER_CLIP, /* y = min(high, max(0, y)): those above 0 and below high */
    /* ReLU, then a max-pool that the caller runs on y: of each window the first largest, when
     * it is above 0. The pool of a y with zeros elsewhere is then the pool of y. */
    SPACC_SEER_POOL,
};

struct spacc_seer_kernel; /* sparse/seernet_kernels.h */

struct spacc_seer_options {
    int bits; /* of x's codes, 2 .. 8, or SPACC_SEER_EXACT */
    enum spacc_seer_after after;
    float high;                  /* CLIP: above 0 */
    struct spacc_seer_pool pool; /* POOL */

    /* Bits of the weights' codes, 2 .. 8; 0: as many as `bits`. They are made off line, so that
     * more of them cost little: fewer products fit into 16 bits where a kernel adds there. */
    int weight_bits;
    /* As in the paper: each weight to the nearest code, scales of the largest magnitudes. Else
     * codes are made for inputs that a ReLU has left: see seernet_round.c. */
    bool nearest;

    /* Compute what is predicted above -margin times the channel's expected rounding error,
     * s_x * |w|_2 / sqrt(12): more outputs computed, fewer missed. 0 is the paper. */
    float margin;

    unsigned cpu_features;                  /* of spacc_cpu_features() */
    const struct spacc_seer_kernel *kernel; /* NULL: the fastest that cpu_features allow */
};

/* What "a prediction with so many bits" is on every device, so that its masks are the same
 * everywhere: sets bits, weight_bits, nearest and margin. o->after comes before.
 *
 *   bits  2 .. 8, or SPACC_SEER_EXACT; others are for spacc_seernet_new() to refuse */
void spacc_seernet_set_bits(struct spacc_seer_options *o, int bits);

struct spacc_seernet; /* fields are private; read only once made */

/* Quantise, pack and set up.
 *
 *   out      free with spacc_seernet_free(); NULL on failure
 *   weights  [outputs][channels][kernel rows][kernel columns], read here, not kept
 *   bias     [outputs], or NULL: zeros
 *
 * SPACC_EINVAL: sizes of 0, an output of no pixels, bits, high, margin out of range,
 * a pool that is wider than y with its pads or whose pads reach its kernel, weights or bias
 * that are not finite. SPACC_EUNSUPPORTED: more than 65536 products an output, x or y of more
 * than 2^31 - 1 values. SPACC_ENOMEM. */
enum spacc_status spacc_seernet_new(struct spacc_seernet **out,
                                    const struct spacc_seer_shape *shape, const float *weights,
                                    const float *bias, const struct spacc_seer_options *options,
                                    struct spacc_error *err);

/* NULL is allowed. */
void spacc_seernet_free(struct spacc_seernet *s);

/* Rows and columns of y. */
void spacc_seernet_size(const struct spacc_seernet *s, size_t size[2]);

/* uint64_t of a mask, the second array of CLIP included. */
size_t spacc_seernet_mask_words(const struct spacc_seernet *s);

/* Bytes of scratch for runs with up to this many parts. */
size_t spacc_seernet_scratch_bytes(const struct spacc_seernet *s, int parts);

/* Name of the kernel, "avx2". */
const char *spacc_seernet_kernel(const struct spacc_seernet *s);

/* Bytes of weights: those of the prediction, and the full ones. */
size_t spacc_seernet_code_bytes(const struct spacc_seernet *s);
size_t spacc_seernet_weight_bytes(const struct spacc_seernet *s);

/* The caller's memory of a run. Nothing is allocated. Several threads may run the same layer,
 * each with buffers of its own. */
struct spacc_seer_buffers {
    const float *x; /* [height][width][channels], any alignment; finite: see below */
    float *y;       /* [rows][columns][outputs] of spacc_seernet_size(), any alignment */
    uint64_t *mask; /* spacc_seernet_mask_words() */
    void *scratch;  /* 64-byte aligned; kept from phase to phase */
    const struct spacc_parallel *parallel; /* NULL: one part */
};

/* All phases below in their order, exact mode included: there it is dense, truth, list, skip.
 * x with a value that is not finite: everything is computed; outputs whose windows end within
 * 15 values of that one may become NaN as well. */
void spacc_seernet_run(const struct spacc_seernet *s, const struct spacc_seer_buffers *b);

/* The phases, to be timed or joined with a mask from elsewhere. */
void spacc_seernet_quantise(const struct spacc_seernet *s,
                            const struct spacc_seer_buffers *b); /* x -> scratch */
void spacc_seernet_predict(const struct spacc_seernet *s,
                           const struct spacc_seer_buffers *b); /* scratch -> mask */
void spacc_seernet_list(const struct spacc_seernet *s,
                        const struct spacc_seer_buffers *b); /* mask -> scratch */
void spacc_seernet_skip(const struct spacc_seernet *s,
                        const struct spacc_seer_buffers *b); /* x, scratch -> y */

/* y in full, with the activation (POOL: ReLU): what the skipping run is measured against. Uses
 * the scratch; mask is not touched. */
void spacc_seernet_dense(const struct spacc_seernet *s, const struct spacc_seer_buffers *b);

/* The mask that is right, from a full y (of spacc_seernet_dense() or of any other kernel). An
 * output that is NaN is to be computed. */
void spacc_seernet_truth(const struct spacc_seernet *s, const struct spacc_seer_buffers *b);

/* Counts of outputs. `computed` means by the mask, `needed` by the truth. */
struct spacc_seer_counts {
    uint64_t outputs;
    uint64_t needed;       /* 1 - needed / outputs: the true sparsity */
    uint64_t computed;     /* 1 - computed / outputs: the predicted sparsity */
    uint64_t both;         /* precision: both / computed; recall: both / needed */
    uint64_t equal;        /* mask accuracy: equal / outputs */
    uint64_t high_claimed; /* CLIP: taken for `high` without computing */
};

/* Two masks of the same layer. */
void spacc_seernet_count(const struct spacc_seernet *s, const uint64_t *mask,
                         const uint64_t *truth, struct spacc_seer_counts *counts);

/* Outputs that a mask computes. */
uint64_t spacc_seernet_computed(const struct spacc_seernet *s, const uint64_t *mask);

#ifdef __cplusplus
}
#endif

#endif
