/* A swap of two columns changes two banks. Of each row and bank are known the least square that
 * is kept and the largest that is not; so what a row gains by taking x out and y in is
 *
 *   x is kept (x >= least):   max(y, next) - x
 *   else                      max(0, y - least)
 *
 * and a swap is priced without selecting anything again. Squares lie column by column. */
#include "sparse/permute.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "sparse/prune_parts.h"

struct permute {
    size_t rows, cols, bank_size, banks, k;
    float *square;                      /* [cols][rows], columns as they were */
    uint32_t *order;                    /* [cols] */
    float *least, *next;                /* [banks][rows] */
    struct spacc_prune_candidate *rank; /* [cols] */
};

static size_t bank_cols(const struct permute *p, size_t bank)
{
    const size_t left = p->cols - bank * p->bank_size;

    return left < p->bank_size ? left : p->bank_size;
}

static const float *column(const struct permute *p, size_t place)
{
    return p->square + (size_t)p->order[place] * p->rows;
}

/* Least score of the first k, largest of the others, of n > k. */
static void split(const struct spacc_prune_candidate *rank, size_t n, size_t k, float *least,
                  float *next)
{
    double low = rank[0].score, high = rank[k].score;

    for (size_t i = 1; i < k; i++)
        low = fmin(low, rank[i].score);
    for (size_t i = k + 1; i < n; i++)
        high = fmax(high, rank[i].score);
    *least = (float)low;
    *next = (float)high;
}

/* What the row keeps of a bank; sets least and next. */
static double measure_row(struct permute *p, size_t bank, size_t row)
{
    const size_t n = bank_cols(p, bank), at = bank * p->rows + row;
    double kept = 0.0;

    for (size_t c = 0; c < n; c++)
        p->rank[c] = (struct spacc_prune_candidate){
            (double)column(p, bank * p->bank_size + c)[row], (uint32_t)c};
    p->least[at] = p->next[at] = 0.0F; /* all are kept */
    if (n > p->k) {
        spacc_prune_select(p->rank, n, p->k);
        split(p->rank, n, p->k, &p->least[at], &p->next[at]);
    }
    for (size_t c = 0; c < n && c < p->k; c++)
        kept += p->rank[c].score;
    return kept;
}

static double measure_bank(struct permute *p, size_t bank)
{
    double kept = 0.0;

    for (size_t row = 0; row < p->rows; row++)
        kept += measure_row(p, bank, row);
    return kept;
}

static double measure(struct permute *p)
{
    double kept = 0.0;

    for (size_t bank = 0; bank < p->banks; bank++)
        kept += measure_bank(p, bank);
    return kept;
}

/* What a bank gains by `out` leaving and `in` coming, over all rows. */
static double gain_of(const struct permute *p, size_t bank, const float *out, const float *in)
{
    const float *least = p->least + bank * p->rows, *next = p->next + bank * p->rows;
    double sum = 0.0;

    for (size_t row = 0; row < p->rows; row++) {
        const float x = out[row], y = in[row];
        const float stays = y > next[row] ? y : next[row];
        const float comes = y > least[row] ? y - least[row] : 0.0F;
        sum += (double)(x >= least[row] ? stays - x : comes);
    }
    return sum;
}

static double swap_gain(const struct permute *p, size_t a, size_t b)
{
    return gain_of(p, a / p->bank_size, column(p, a), column(p, b)) +
           gain_of(p, b / p->bank_size, column(p, b), column(p, a));
}

static void swap(struct permute *p, size_t a, size_t b)
{
    const uint32_t kept = p->order[a];

    p->order[a] = p->order[b];
    p->order[b] = kept;
}

/* Largest score first; of equals the lowest column. */
static int by_score(const void *a, const void *b)
{
    const struct spacc_prune_candidate *x = a, *y = b;

    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

/* Columns by their sums of squares, dealt one to each bank in turn. */
static void deal(struct permute *p)
{
    for (size_t c = 0; c < p->cols; c++) {
        double sum = 0.0;
        for (size_t row = 0; row < p->rows; row++)
            sum += (double)p->square[c * p->rows + row];
        p->rank[c] = (struct spacc_prune_candidate){sum, (uint32_t)c};
    }
    qsort(p->rank, p->cols, sizeof(*p->rank), by_score);
    size_t next = 0;
    for (size_t place = 0; place < p->bank_size; place++)
        for (size_t bank = 0; bank < p->banks; bank++)
            if (place < bank_cols(p, bank))
                p->order[bank * p->bank_size + place] = p->rank[next++].column;
}

static void in_order(struct permute *p)
{
    for (size_t c = 0; c < p->cols; c++)
        p->order[c] = (uint32_t)c;
}

/* splitmix64 */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Two places of different banks. */
static void draw_pair(const struct permute *p, uint64_t *seed, size_t *a, size_t *b)
{
    *a = (size_t)(draw(seed) % p->cols);
    const size_t bank = *a / p->bank_size, own = bank_cols(p, bank);
    *b = (size_t)(draw(seed) % (p->cols - own));
    *b += *b >= bank * p->bank_size ? own : 0;
}

static void swap_while_it_gains(struct permute *p, uint64_t seed, size_t swaps, double whole)
{
    for (size_t i = 0; i < swaps && p->banks > 1; i++) {
        size_t a, b;
        draw_pair(p, &seed, &a, &b);
        if (swap_gain(p, a, b) <= 1e-9 * whole) /* more than rounding */
            continue;
        swap(p, a, b);
        measure_bank(p, a / p->bank_size);
        measure_bank(p, b / p->bank_size);
    }
}

static void search(struct permute *p, uint64_t seed, size_t swaps, double whole, double *before,
                   double *after)
{
    in_order(p);
    const double first = measure(p);
    deal(p);
    if (measure(p) < first)
        in_order(p);
    measure(p);
    swap_while_it_gains(p, seed, swaps, whole);
    double last = measure(p);
    if (last <= first) {
        in_order(p);
        last = first;
    }
    if (before)
        *before = whole > 0.0 ? first / whole : 1.0;
    if (after)
        *after = whole > 0.0 ? last / whole : 1.0;
}

static double load(struct permute *p, const float *score)
{
    double whole = 0.0;

    for (size_t row = 0; row < p->rows; row++)
        for (size_t c = 0; c < p->cols; c++) {
            const float v = score[row * p->cols + c];
            p->square[c * p->rows + row] = v * v;
            whole += (double)(v * v);
        }
    return whole;
}

static enum spacc_status alloc(struct permute *p, struct spacc_error *err)
{
    p->square = calloc(p->cols, p->rows * sizeof(*p->square));
    p->least = calloc(p->banks, p->rows * sizeof(*p->least));
    p->next = calloc(p->banks, p->rows * sizeof(*p->next));
    p->rank = calloc(p->cols, sizeof(*p->rank));
    if (p->square && p->least && p->next && p->rank)
        return SPACC_OK;
    return spacc_fail(err, SPACC_ENOMEM, "out of memory for an order of %zu columns", p->cols);
}

static void release(struct permute *p)
{
    free(p->square);
    free(p->least);
    free(p->next);
    free(p->rank);
}

/* Squares are floats and have to stay finite. */
static enum spacc_status check_squares(const float *score, size_t count,
                                       struct spacc_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(score[i] * score[i]))
            return spacc_fail(err, SPACC_EINVAL, "score %g is too large", (double)score[i]);
    return SPACC_OK;
}

enum spacc_status spacc_permute_columns(uint32_t *order, const float *score, size_t rows,
                                        size_t cols, size_t bank_size, size_t k, uint64_t seed,
                                        size_t swaps, double *before, double *after,
                                        struct spacc_error *err)
{
    enum spacc_status status = spacc_prune_check(score, rows, cols, bank_size, k, err);

    if (status == SPACC_OK)
        status = check_squares(score, rows * cols, err);
    if (status != SPACC_OK)
        return status;
    struct permute p = {.rows = rows,
                        .cols = cols,
                        .bank_size = bank_size,
                        .banks = (cols + bank_size - 1) / bank_size,
                        .k = k,
                        .order = order};
    status = alloc(&p, err);
    if (status == SPACC_OK)
        search(&p, seed, swaps, load(&p, score), before, after);
    release(&p);
    return status;
}
