/* What a bank may count on is the inverse Hessian of its columns and all to their right: that
 * is B = U_b^T U_b, where U_b are the bank's own rows and columns of U. In a row, the weight
 * with the least w^2 / B_qq goes, the others of the bank make up for it, B forgets it
 * (Gaussian elimination), and so on until k are left. What that does to the columns further
 * right follows from the change d of the bank alone: e U_b = d, and -e U there.
 *
 * A long bank is done in blocks. How many weights each keeps is what the single scores of the
 * whole bank say. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cblas.h>

#include "sparse/obs_parts.h"
#include "sparse/prune_parts.h"

enum { BLOCK = 64 }; /* columns: elimination costs their square for every weight that goes */

struct walk {
    struct spacc_obs *o;
    double *change;                     /* [rows][BLOCK] d, then e */
    double *inverse;                    /* [BLOCK][BLOCK] B */
    double *left;                       /* [BLOCK][BLOCK] B of what is left of a row */
    struct spacc_prune_candidate *rank; /* [longest bank] */
    size_t *keep;                       /* [rows][blocks of the longest bank] */
};

/* Weights of a row that may still go. */
struct remaining {
    size_t count;
    size_t column[BLOCK]; /* within the block */
    double w[BLOCK];
    double *b; /* [BLOCK][BLOCK], the first count of each */
};

/* Of equals the last column goes. */
static size_t cheapest(const struct remaining *m)
{
    size_t best = 0;
    double least = INFINITY;

    for (size_t i = 0; i < m->count; i++) {
        const double cost = m->w[i] * m->w[i] / m->b[i * BLOCK + i];
        if (cost < least || (!(cost > least) && m->column[i] > m->column[best])) {
            least = cost;
            best = i;
        }
    }
    return best;
}

/* The others make up for q, and B is that of the others. */
static void eliminate(struct remaining *m, size_t q)
{
    const double *row_q = m->b + q * BLOCK, pivot = row_q[q];
    double factor[BLOCK] = {0};

    for (size_t i = 0; i < m->count; i++)
        factor[i] = row_q[i] / pivot; /* B is symmetric */
    for (size_t i = 0; i < m->count; i++)
        m->w[i] -= factor[i] * m->w[q];
    for (size_t i = 0; i < m->count; i++) {
        double *row = m->b + i * BLOCK;
        if (i == q || !(fabs(factor[i]) > 0.0))
            continue;
        for (size_t j = 0; j < m->count; j++)
            row[j] -= factor[i] * row_q[j];
    }
}

/* The last one takes the place of q. */
static void forget(struct remaining *m, size_t q)
{
    const size_t last = --m->count;

    m->w[q] = m->w[last];
    m->column[q] = m->column[last];
    memcpy(m->b + q * BLOCK, m->b + last * BLOCK, (last + 1) * sizeof(*m->b));
    for (size_t i = 0; i < last; i++)
        m->b[i * BLOCK + q] = m->b[i * BLOCK + last];
    m->b[q * BLOCK + q] = m->b[q * BLOCK + last];
}

/* Leave `keep` of w[cols]. */
static void shrink(struct walk *a, double *w, size_t cols, size_t keep)
{
    struct remaining m = {.count = cols, .b = a->left};

    if (keep >= cols)
        return;
    for (size_t c = 0; c < cols; c++) {
        m.column[c] = c;
        m.w[c] = w[c];
        w[c] = 0.0;
        memcpy(m.b + c * BLOCK, a->inverse + c * BLOCK, cols * sizeof(*m.b));
    }
    while (m.count > keep) {
        const size_t q = cheapest(&m);
        eliminate(&m, q);
        forget(&m, q);
    }
    for (size_t i = 0; i < m.count; i++)
        w[m.column[i]] = m.w[i];
}

/* change -> e, and everything to the right of the block follows. */
static void correct_right(struct walk *a, size_t first, size_t cols)
{
    const struct spacc_obs *o = a->o;
    const blasint n = (blasint)o->n, rows = (blasint)o->rows, c = (blasint)cols;
    const double *u = o->upper + first * o->n + first;

    if (first + cols == o->n)
        return;
    cblas_dtrsm(CblasRowMajor, CblasRight, CblasUpper, CblasNoTrans, CblasNonUnit, rows, c, 1.0,
                u, n, a->change, BLOCK);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, n - (blasint)(first + cols), c,
                -1.0, a->change, BLOCK, u + cols, n, 1.0, o->w + first + cols, n);
}

/* Row r keeps keep[r * step] of the columns first .. first + cols. */
static void prune_block(struct walk *a, size_t first, size_t cols, const size_t *keep,
                        size_t step)
{
    const struct spacc_obs *o = a->o;
    const double *u = o->upper + first * o->n + first;

    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)cols, (blasint)cols,
                (blasint)cols, 1.0, u, (blasint)o->n, u, (blasint)o->n, 0.0, a->inverse, BLOCK);
    for (size_t r = 0; r < o->rows; r++) {
        double *w = o->w + r * o->n + first, *d = a->change + r * BLOCK;
        memcpy(d, w, cols * sizeof(*d));
        shrink(a, w, cols, keep[r * step]);
        for (size_t c = 0; c < cols; c++)
            d[c] -= w[c];
    }
    correct_right(a, first, cols);
}

/* w^2 / B_cc of a row's bank. */
static void score_row(struct walk *a, const double *w, const double *diagonal, size_t cols)
{
    for (size_t c = 0; c < cols; c++)
        a->rank[c] = (struct spacc_prune_candidate){w[c] * w[c] / diagonal[c], (uint32_t)c};
}

/* Diagonal of B, of all columns of a long bank. */
static void diagonal_of(const struct spacc_obs *o, size_t first, size_t cols, double *diagonal)
{
    memset(diagonal, 0, cols * sizeof(*diagonal));
    for (size_t i = 0; i < cols; i++) {
        const double *u = o->upper + (first + i) * o->n + first;
        for (size_t c = i; c < cols; c++)
            diagonal[c] += u[c] * u[c];
    }
}

/* How many of the k best of each row stand in each block. */
static void share_out(struct walk *a, size_t first, size_t cols, size_t k, size_t blocks,
                      const double *diagonal)
{
    const struct spacc_obs *o = a->o;

    for (size_t r = 0; r < o->rows; r++) {
        size_t *keep = a->keep + r * blocks;
        score_row(a, o->w + r * o->n + first, diagonal, cols);
        spacc_prune_select(a->rank, cols, k);
        memset(keep, 0, blocks * sizeof(*keep));
        for (size_t i = 0; i < k; i++)
            keep[a->rank[i].column / BLOCK]++;
    }
}

static enum spacc_status prune_bank(struct walk *a, size_t first, size_t cols, size_t k,
                                    struct spacc_error *err)
{
    const size_t blocks = (cols + BLOCK - 1) / BLOCK;

    if (k >= cols)
        return SPACC_OK;
    if (cols <= BLOCK) {
        prune_block(a, first, cols, &k, 0);
        return SPACC_OK;
    }
    double *diagonal = malloc(cols * sizeof(*diagonal));
    if (!diagonal)
        return spacc_fail(err, SPACC_ENOMEM, "out of memory for a bank of %zu", cols);
    diagonal_of(a->o, first, cols, diagonal);
    share_out(a, first, cols, k, blocks, diagonal);
    free(diagonal);
    for (size_t b = 0; b < blocks; b++)
        prune_block(a, first + b * BLOCK, b + 1 < blocks ? BLOCK : cols - b * BLOCK,
                    a->keep + b, blocks);
    return SPACC_OK;
}

static enum spacc_status prune_part(struct walk *a, size_t first,
                                    const struct spacc_prune_part *part,
                                    struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;

    for (size_t c = 0; c < part->cols && status == SPACC_OK; c += part->bank_size) {
        const size_t left = part->cols - c;
        status = prune_bank(a, first + c, left < part->bank_size ? left : part->bank_size,
                            part->k, err);
    }
    return status;
}

static enum spacc_status alloc(struct walk *a, struct spacc_error *err)
{
    const size_t rows = a->o->rows, cols = a->o->cols;

    a->change = calloc(rows, BLOCK * sizeof(*a->change));
    a->inverse = calloc(BLOCK, BLOCK * sizeof(*a->inverse));
    a->left = calloc(BLOCK, BLOCK * sizeof(*a->left));
    a->rank = calloc(cols, sizeof(*a->rank));
    a->keep = calloc(rows, (cols / BLOCK + 1) * sizeof(*a->keep));
    if (a->change && a->inverse && a->left && a->rank && a->keep)
        return SPACC_OK;
    return spacc_fail(err, SPACC_ENOMEM, "out of memory for pruning %zu rows", rows);
}

enum spacc_status spacc_obs_walk(struct spacc_obs *o, struct spacc_error *err)
{
    struct walk a = {.o = o};
    enum spacc_status status = alloc(&a, err);
    size_t first = 0;

    for (size_t i = 0; i < o->how->parts && status == SPACC_OK; i++) {
        status = prune_part(&a, first, &o->how->part[i], err);
        first += o->how->part[i].cols;
    }
    free(a.change);
    free(a.inverse);
    free(a.left);
    free(a.rank);
    free(a.keep);
    return status;
}
