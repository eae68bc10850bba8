/* tile.h - tile-CSB: a matrix cut in blocks of rows so that one vector register holds one
 * weight of as many rows. Made at load time, for one kernel of kernels.h.
 *
 *   block      lanes * groups rows
 *   slot       a bank of x and, of every row of the block, one weight of that bank and
 *              which column it is. A bank has as many slots as its fullest row of the
 *              block needs (none when all are empty), so any matrix is accepted
 *   record     one slot (F32, F16) or four (I8; slots are filled up to that), groups
 *              behind each other, indices behind the weights:
 *
 *   F32        float [group][lane]; the column is in the lowest bits of the mantissa, the
 *              value the nearest with these bits; or (F32_PLANES) columns follow behind and
 *              weights are exact, as those of a dense tile are
 *   F16        half [group][lane]; columns follow
 *   I8         int8 [group][lane][4] (I8_ROWS, I8_VNNI) or [group][4][lane] (I8_SLOTS); then
 *              4-bit columns
 *
 * Rows and columns that do not fill a block or bank are zeros. A weight left out counts as 0
 * times a column of its bank, as it does in a dense product: with an infinity or NaN in x
 * rows may become NaN that have no weight there. */
#ifndef SPACC_TILE_H
#define SPACC_TILE_H

#include "sparse/csb.h"
#include "sparse/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SPACC_TILE_ROWS_MAX = 128, /* of a block */
    SPACC_TILE_X_HEAD = 64,    /* I8: bytes before the integers of a prepared vector */
};

#define SPACC_TILE_EMPTY UINT32_MAX /* in order[]: a row of zeros */

enum spacc_tile_layout {
    SPACC_LAYOUT_F32,          /* columns in the mantissa, or none */
    SPACC_LAYOUT_F32_PLANES_4, /* 64 rows, columns of 4 bits for byte unpacking */
    SPACC_LAYOUT_F32_PLANES_8, /* of 8 bits */
    SPACC_LAYOUT_F16_PLANES_4,
    SPACC_LAYOUT_F16_PLANES_8,
    SPACC_LAYOUT_F16_WORDS_32, /* words of 32 bits: 8-bit columns of 4 groups */
    SPACC_LAYOUT_F16_WORDS_16, /* of 2 groups */
    SPACC_LAYOUT_F16_DENSE,
    SPACC_LAYOUT_I8_ROWS, /* 32 lanes, for byte unpacking within 128 bits */
    SPACC_LAYOUT_I8_VNNI, /* 16 lanes, low nibbles are lanes 0-7, high ones 8-15 */
    SPACC_LAYOUT_I8_SLOTS,
    SPACC_LAYOUT_I8_DENSE, /* as I8_ROWS without columns */
};

struct spacc_tile {
    const struct spacc_kernel *kernel;
    size_t rows, cols;
    size_t banks;        /* ceil(cols / kernel->bank) */
    size_t blocks;       /* of block_rows rows */
    size_t block_rows;   /* lanes * groups */
    size_t slots;        /* of all blocks */
    size_t record_bytes; /* of one record */
    size_t record_slots; /* 1, or 4 for I8 */
    size_t nonzeros;
    uint32_t *block_slot; /* [blocks + 1]: first slot of a block */
    uint16_t *slot_bank;  /* [slots] */
    unsigned char *data;  /* records, 64-byte aligned */
    float *scale;         /* I8: [blocks * block_rows]: weight = integer * scale */
    int32_t *row_sum;     /* I8: [blocks * block_rows]: sum of a row's integers */
    uint32_t *order;      /* [blocks * block_rows]: matrix row of a tile row, or EMPTY */
};

/* Make a tile of a dense matrix [rows][cols]; zeros are left out. Read here, not kept.
 *
 *   order   [order_rows]: matrix row of each tile row, or SPACC_TILE_EMPTY; NULL: 0 .. rows-1
 *   scale   I8: [rows], weight / scale rounds to -127 .. 127; NULL: largest weight / 127
 *
 * SPACC_EINVAL: sizes (1 .. 2^24 rows, 1 .. 65536 columns), an order that names no row, a
 * weight that is not finite or too large for its type; SPACC_ENOMEM. Free with
 * spacc_tile_free(). */
enum spacc_status spacc_tile_new(struct spacc_tile **out, const struct spacc_kernel *kernel,
                                 const struct spacc_matrix *matrix, const float *scale,
                                 struct spacc_error *err);

/* The same from canonical CSB of any bank size and type. Integers of an I8 matrix stay what
 * they are in an I8 tile. */
enum spacc_status spacc_tile_from_csb(struct spacc_tile **out,
                                      const struct spacc_kernel *kernel,
                                      const struct spacc_csb *csb, struct spacc_error *err);

/* Slots that such a tile would have. The kernel's time is about slots * rows of a block. */
size_t spacc_tile_count_slots(const struct spacc_kernel *kernel,
                              const struct spacc_matrix *matrix);

/* Bytes that a product reads: weights, columns, banks of slots. */
size_t spacc_tile_bytes(const struct spacc_tile *m);

/* Bytes of one prepared vector, a multiple of 64. */
size_t spacc_tile_x_bytes(const struct spacc_tile *m);

/* Weights and columns of slot `slot` of `block` in tile row `row` of that block: the weight's
 * value and its column in the matrix (it may lie behind the last one in padding). */
float spacc_tile_weight(const struct spacc_tile *m, size_t block, size_t slot, size_t row,
                        size_t *column);

/* y[rows] = M x[cols], rows of the matrix; vectors, blocks and directions made simple.
 * scratch: spacc_tile_scratch_bytes(), 64-byte aligned. */
size_t spacc_tile_scratch_bytes(const struct spacc_tile *m);
void spacc_tile_spmxv(const struct spacc_tile *m, const float *x, float *y, void *scratch);

/* NULL is allowed. */
void spacc_tile_free(struct spacc_tile *m);

#ifdef __cplusplus
}
#endif

#endif
