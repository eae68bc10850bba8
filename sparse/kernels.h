/* kernels.h - the table of products with a sparse or dense matrix, and how to choose.
 *
 * Every kernel works on matrices in its own layout (tile.h). A row is summed by one chain,
 * in the order of its slots, in every kernel:
 *   F32, F16: y += sum of w * x. Against the scalar kernel of the same tile:
 *             |y - scalar| <= slots * 2^-22 * sum of |w x| (FMA skips roundings).
 *   fp16 arithmetic (names with "fp16"): x is rounded to half and sums of 8 products are
 *             halves: slots * 2^-10 * sum of |w x|; |x| and such sums must stay below 65504.
 *   I8:       x is quantised per vector, the sum is exact: same bits as the scalar kernel. */
#ifndef SPACC_KERNELS_H
#define SPACC_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_tile;

enum spacc_tile_type { SPACC_TILE_F32, SPACC_TILE_F16, SPACC_TILE_I8 };

/* Row blocks first .. last - 1, taken from last to first when `backward`: with alternating
 * directions the part of the matrix that was read last is still in the cache. */
struct spacc_blocks {
    size_t first, last;
    bool backward;
};

/* y[v][r] += (M x[v])[r] for the rows of the blocks. x: `vectors` prepared vectors,
 * spacc_tile_x_bytes() apart and 64-byte aligned. y[v * y_stride + r]: r = 0 is the first
 * row of block `first`; rows in tile order. y may be unaligned. Nothing is allocated. */
typedef void spacc_product_fn(const struct spacc_tile *m, const void *x, size_t vectors,
                              float *y, size_t y_stride, struct spacc_blocks blocks);

/* Make a vector x[cols] what the product wants: pad it, convert it, or quantise it. */
typedef void spacc_prepare_fn(const struct spacc_tile *m, const float *x, void *prepared);

struct spacc_kernel {
    const char *name;
    enum spacc_tile_type type;
    unsigned needs;  /* SPACC_CPU_ features */
    unsigned lanes;  /* rows of a group */
    unsigned groups; /* groups of a row block */
    unsigned bank;   /* columns a slot can choose from */
    bool dense;      /* all columns of a bank in order, no index */
    unsigned layout; /* of tile.h */
    unsigned cost;   /* estimated time of one weight, for spacc_kernel_pick() */
    float tolerance; /* a slot: |y - scalar| <= tolerance * slots * sum |w x|; 0: same bits */
    spacc_prepare_fn *prepare;
    spacc_product_fn *product;
};

/* Slowest first within a type; the first of each type needs no feature. */
extern const struct spacc_kernel spacc_kernels[];
extern const size_t spacc_kernel_count;

/* By name; NULL when there is none. */
const struct spacc_kernel *spacc_kernel_find(const char *name);

/* What spacc_kernel_pick() chooses for. */
struct spacc_matrix {
    const float *dense; /* [rows][cols], zeros included */
    size_t rows, cols;
    const uint32_t *order; /* see spacc_tile_new(); NULL: as they are */
    size_t order_rows;
};

/* The kernel of a type that should take the least time on this matrix (slots * cost) with
 * these features. only_dense: among dense ones. like: only those with its lanes and groups,
 * or NULL. Never NULL: the scalar kernel of `like`'s shape is always there. */
const struct spacc_kernel *spacc_kernel_pick(enum spacc_tile_type type, unsigned cpu_features,
                                             const struct spacc_matrix *m, bool only_dense,
                                             const struct spacc_kernel *like);

#ifdef __cplusplus
}
#endif

#endif
