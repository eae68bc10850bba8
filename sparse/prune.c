#include "sparse/prune.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sparse/prune_parts.h"

enum { BANK_MAX = 65536 };

/* How near sparsity * bank_size must be to a whole number: people write 0.333333333. */
static const double whole_within = 1e-6;

static double off_whole(double value)
{
    return fabs(value - nearbyint(value));
}

/* The sentence that says what to choose instead. */
static enum spacc_status fail_fraction(struct spacc_error *err, double sparsity,
                                       size_t bank_size)
{
    const double size = (double)bank_size, zeros = sparsity * size;
    char above[48] = "", larger[48] = "";

    if (ceil(zeros) < size)
        snprintf(above, sizeof(above), " or %.9g", ceil(zeros) / size);
    for (size_t other = bank_size + 1; other <= BANK_MAX; other++) {
        if (off_whole(sparsity * (double)other) <= whole_within) {
            snprintf(larger, sizeof(larger), ", or a bank size of %zu", other);
            break;
        }
    }
    return spacc_fail(err, SPACC_EINVAL,
                      "sparsity %.9g of a bank of %zu is %.9g weights: choose %.9g%s%s",
                      sparsity, bank_size, zeros, floor(zeros) / size, above, larger);
}

enum spacc_status spacc_prune_kept(size_t *k, double sparsity, size_t bank_size,
                                   struct spacc_error *err)
{
    *k = 0;
    if (!(sparsity >= 0.0 && sparsity < 1.0))
        return spacc_fail(err, SPACC_EINVAL, "sparsity %g is not 0 or more and below 1",
                          sparsity);
    if (bank_size == 0 || bank_size > BANK_MAX)
        return spacc_fail(err, SPACC_EINVAL, "bank size %zu is not 1 to %d", bank_size,
                          BANK_MAX);
    const double zeros = sparsity * (double)bank_size;
    if (off_whole(zeros) > whole_within)
        return fail_fraction(err, sparsity, bank_size);
    const size_t whole = (size_t)nearbyint(zeros);
    *k = whole < bank_size ? bank_size - whole : 1;
    return SPACC_OK;
}

/* Rows whose kept columns are the same: `count` of them, `apart` weights from one to the next.
 */
struct group {
    float *first;
    size_t count, apart;
};

/* Largest first; ties: lowest column first. */
static bool before(struct spacc_prune_candidate a, struct spacc_prune_candidate b)
{
    return a.score != b.score ? a.score > b.score : a.column < b.column;
}

static void swap(struct spacc_prune_candidate *a, struct spacc_prune_candidate *b)
{
    const struct spacc_prune_candidate kept = *a;

    *a = *b;
    *b = kept;
}

static struct spacc_prune_candidate median(struct spacc_prune_candidate a,
                                           struct spacc_prune_candidate b,
                                           struct spacc_prune_candidate c)
{
    if (before(b, a))
        swap(&a, &b);
    return before(c, a) ? a : before(c, b) ? c : b;
}

/* Hoare's selection. */
void spacc_prune_select(struct spacc_prune_candidate *order, size_t n, size_t k)
{
    for (size_t first = 0, last = n - 1; first < last;) {
        const struct spacc_prune_candidate pivot =
            median(order[first], order[first + (last - first) / 2], order[last]);
        size_t i = first, j = last;
        for (;; i++, j--) {
            while (before(order[i], pivot))
                i++;
            while (before(pivot, order[j]))
                j--;
            if (i >= j)
                break;
            swap(&order[i], &order[j]);
        }
        if (k - 1 <= j)
            last = j;
        else
            first = j + 1;
    }
}

static double column_energy(const struct group *g, size_t column)
{
    double sum = 0.0;

    for (size_t row = 0; row < g->count; row++) {
        const double w = (double)g->first[row * g->apart + column];
        sum += w * w;
    }
    return sum;
}

/* ---- one row alone ---- */

/* Bits of |w|: floats without a sign are ordered as their bits are. */
static int32_t magnitude_bits(float w)
{
    int32_t bits;

    memcpy(&bits, &w, sizeof(bits));
    return bits & INT32_MAX;
}

static size_t count_from(const int32_t *bits, size_t n, int32_t least)
{
    int32_t count = 0; /* as wide as an element: the loop is one of vectors */

    for (size_t i = 0; i < n; i++)
        count += bits[i] >= least;
    return (size_t)count;
}

/* Largest number that k of n or more reach, found bit by bit; when k of them do before the
 * last bit, any number that separates these is as good. */
static int32_t least_kept(const int32_t *bits, size_t n, size_t k)
{
    int32_t least = 0;

    for (int32_t bit = INT32_C(1) << 30; bit; bit >>= 1) {
        const size_t reach = count_from(bits, n, least | bit);
        if (reach >= k)
            least |= bit;
        if (reach == k)
            break;
    }
    return least;
}

/* Keep the k largest, of equals the first ones. Same as the selection below for one row:
 * squares of floats are exact as doubles. */
static void prune_row(float *w, size_t columns, size_t k, int32_t *bits)
{
    for (size_t c = 0; c < columns; c++)
        bits[c] = magnitude_bits(w[c]);
    const int32_t least = least_kept(bits, columns, k);
    size_t over = count_from(bits, columns, least) - k; /* equals that go, the last ones */

    for (size_t c = 0; c < columns; c++)
        w[c] = bits[c] >= least ? w[c] : 0.0F;
    for (size_t c = columns; over > 0; c--)
        if (bits[c - 1] == least) {
            w[c - 1] = 0.0F;
            over--;
        }
}

/* ---- rows that share columns ---- */

static void prune_bank(const struct group *g, size_t columns, size_t k,
                       struct spacc_prune_candidate *order)
{
    if (columns <= k)
        return;
    if (g->count == 1) {
        prune_row(g->first, columns, k, (int32_t *)(void *)order);
        return;
    }
    for (size_t c = 0; c < columns; c++)
        order[c] = (struct spacc_prune_candidate){column_energy(g, c), (uint32_t)c};
    spacc_prune_select(order, columns, k);
    for (size_t i = k; i < columns; i++)
        for (size_t row = 0; row < g->count; row++)
            g->first[row * g->apart + order[i].column] = 0.0F;
}

double spacc_prune_energy(const float *dense, size_t count)
{
    double sum = 0.0;

    for (size_t i = 0; i < count; i++)
        sum += (double)dense[i] * (double)dense[i];
    return sum;
}

enum spacc_status spacc_prune_check(const float *dense, size_t rows, size_t cols,
                                    size_t bank_size, size_t k, struct spacc_error *err)
{
    size_t bytes;

    if (rows == 0 || cols == 0 || __builtin_mul_overflow(rows, cols, &bytes) ||
        __builtin_mul_overflow(bytes, sizeof(*dense), &bytes))
        return spacc_fail(err, SPACC_EINVAL, "matrix of %zu x %zu cannot be pruned", rows,
                          cols);
    if (bank_size == 0 || bank_size > BANK_MAX)
        return spacc_fail(err, SPACC_EINVAL, "bank size %zu is not 1 to %d", bank_size,
                          BANK_MAX);
    if (k == 0 || k > bank_size)
        return spacc_fail(err, SPACC_EINVAL, "a bank of %zu cannot keep %zu weights", bank_size,
                          k);
    for (size_t i = 0; i < rows * cols; i++)
        if (!isfinite(dense[i]))
            return spacc_fail(err, SPACC_EINVAL,
                              "weight at row %zu, column %zu is %g, not finite", i / cols,
                              i % cols, (double)dense[i]);
    return SPACC_OK;
}

/* Bank by bank; `first` and `count` are those of a group's rows. */
static void prune_group(float *first, size_t count, size_t stride, size_t cols,
                        size_t bank_size, size_t k, struct spacc_prune_candidate *order)
{
    for (size_t c = 0; c < cols; c += bank_size) {
        const struct group bank = {first + c, count, stride * cols};
        prune_bank(&bank, cols - c < bank_size ? cols - c : bank_size, k, order);
    }
}

enum spacc_status spacc_prune_shared(float *dense, size_t rows, size_t cols, size_t stride,
                                     size_t rows_shared, size_t bank_size, size_t k,
                                     double *energy_kept, struct spacc_error *err)
{
    const enum spacc_status status = spacc_prune_check(dense, rows, cols, bank_size, k, err);

    if (energy_kept)
        *energy_kept = 0.0;
    if (status != SPACC_OK)
        return status;
    if (rows_shared == 0 || stride == 0 || rows % stride != 0)
        return spacc_fail(err, SPACC_EINVAL,
                          "%zu rows cannot share columns by %zu, %zu rows apart", rows,
                          rows_shared, stride);
    struct spacc_prune_candidate *order = malloc(bank_size * sizeof(*order));
    if (!order)
        return spacc_fail(err, SPACC_ENOMEM, "out of memory for a bank of %zu", bank_size);

    const double dense_energy = energy_kept ? spacc_prune_energy(dense, rows * cols) : 0.0;
    const size_t left = rows / stride, most = rows_shared < left ? rows_shared : left;
    for (size_t row = 0; row < left; row += most)
        for (size_t unit = 0; unit < stride; unit++)
            prune_group(dense + (row * stride + unit) * cols,
                        left - row < most ? left - row : most, stride, cols, bank_size, k,
                        order);
    if (energy_kept)
        *energy_kept =
            dense_energy > 0.0 ? spacc_prune_energy(dense, rows * cols) / dense_energy : 1.0;
    free(order);
    return SPACC_OK;
}

enum spacc_status spacc_prune_magnitude(float *dense, size_t rows, size_t cols,
                                        size_t bank_size, size_t k, double *energy_kept,
                                        struct spacc_error *err)
{
    return spacc_prune_shared(dense, rows, cols, 1, 1, bank_size, k, energy_kept, err);
}
