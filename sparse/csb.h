/* csb.h - CSB, compressed sparse banks: a matrix whose rows are cut in equal banks
 * of `bank_size` columns, every bank of the matrix keeping the same k weights
 * (Cao et al., FPGA 2019). No row pointers, no counts:
 *
 *   value[(row * k + j) * banks + bank], index[same]   0 <= index < bank_size
 *
 * Within a bank kept columns ascend. Columns that do not fill the last bank are
 * padded; a bank with fewer than k weights is filled with zero weights whose index
 * is that of the bank's last kept column (0 in an empty bank). */
#ifndef SPACC_CSB_H
#define SPACC_CSB_H

#include <stddef.h>
#include <stdint.h>

#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum spacc_csb_type { SPACC_CSB_F32, SPACC_CSB_I8, SPACC_CSB_I16 };

struct spacc_csb {
    size_t rows, cols; /* of the matrix; 1..2^24 rows, 1..65536 cols */
    size_t bank_size;  /* 1..65536 columns */
    size_t banks;      /* ceil(cols / bank_size) */
    size_t k;          /* kept weights a bank, 0..bank_size */
    size_t nonzeros;   /* weights that are not zero (padding is) */
    enum spacc_csb_type type;
    void *value;     /* float, int8_t or int16_t [rows][k][banks] */
    uint16_t *index; /* [rows][k][banks] */
    float *scale;    /* I8, I16: weight = value * scale[row]; NULL for F32 */
};

/* Pack a dense float matrix [rows][cols], row-major; read here, not kept. k is the
 * largest number of non-zero weights of any bank (0 for an all-zero matrix).
 * SPACC_EINVAL for sizes out of range or a weight that is not finite (the line
 * says row and column), SPACC_ENOMEM. Free with spacc_csb_free(). */
enum spacc_status spacc_csb_pack(struct spacc_csb **out, const float *dense, size_t rows,
                                 size_t cols, size_t bank_size, struct spacc_error *err);

/* The same with integer weights int16 [rows][cols] and a scale a row (copied); type
 * I8 (values -127..127, else SPACC_EINVAL) or I16. A weight that rounds to zero is not kept. */
enum spacc_status spacc_csb_pack_int(struct spacc_csb **out, enum spacc_csb_type type,
                                     const int16_t *dense, const float *scale, size_t rows,
                                     size_t cols, size_t bank_size, struct spacc_error *err);

/* The same integer matrix for an array that keeps one index for groups of `rows_shared` rows,
 * which stand `stride` apart in blocks as spacc_prune_shared() has them: a group has the same
 * indices, ascending columns that any of its rows keeps; a row without a weight there has a
 * zero between its others (which spacc_csb_check() refuses). k becomes the largest number of
 * columns of a bank: that of m when the rows were pruned together, up to rows_shared times it
 * when not. SPACC_EINVAL: float, or stride or rows_shared not 1 .. rows; SPACC_ENOMEM. */
enum spacc_status spacc_csb_share(struct spacc_csb **out, const struct spacc_csb *m,
                                  size_t stride, size_t rows_shared, struct spacc_error *err);

/* Unpack to dense float [rows][cols] (scales applied). */
void spacc_csb_unpack(const struct spacc_csb *m, float *dense);

/* Bytes of values, indices (1 byte each when bank_size <= 256, else 2) and scales. */
size_t spacc_csb_bytes(const struct spacc_csb *m);

/* y[rows] = m x[cols]; the definition, in float: row by row, j, bank, the scale of the row
 * last. */
void spacc_csb_spmxv(const struct spacc_csb *m, const float *x, float *y);

/* Whether a matrix read from elsewhere keeps the rules above: sizes, indices inside their
 * bank and matrix, kept columns ascending, padding, finite or in-range values and scales.
 * The arrays must have the lengths that rows, k and banks say. SPACC_EFORMAT (where). */
enum spacc_status spacc_csb_check(const struct spacc_csb *m, struct spacc_error *err);

/* NULL is allowed. */
void spacc_csb_free(struct spacc_csb *m);

#ifdef __cplusplus
}
#endif

#endif
