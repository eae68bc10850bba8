#include "sparse/prune.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

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

struct candidate {
    float magnitude;
    uint32_t column;
};

/* Largest first; ties: lowest column first. */
static int by_magnitude(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;

    if (a->magnitude != b->magnitude)
        return a->magnitude > b->magnitude ? -1 : 1;
    return a->column < b->column ? -1 : 1;
}

static void prune_bank(float *bank, size_t columns, size_t k, struct candidate *order)
{
    if (columns <= k)
        return;
    for (size_t c = 0; c < columns; c++)
        order[c] = (struct candidate){fabsf(bank[c]), (uint32_t)c};
    qsort(order, columns, sizeof(*order), by_magnitude);
    for (size_t i = k; i < columns; i++)
        bank[order[i].column] = 0.0F;
}

static double energy(const float *dense, size_t count)
{
    double sum = 0.0;

    for (size_t i = 0; i < count; i++)
        sum += (double)dense[i] * (double)dense[i];
    return sum;
}

static enum spacc_status check(const float *dense, size_t rows, size_t cols, size_t bank_size,
                               size_t k, struct spacc_error *err)
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

enum spacc_status spacc_prune_magnitude(float *dense, size_t rows, size_t cols,
                                        size_t bank_size, size_t k, double *energy_kept,
                                        struct spacc_error *err)
{
    const enum spacc_status status = check(dense, rows, cols, bank_size, k, err);

    if (energy_kept)
        *energy_kept = 0.0;
    if (status != SPACC_OK)
        return status;
    struct candidate *order = malloc(bank_size * sizeof(*order));
    if (!order)
        return spacc_fail(err, SPACC_ENOMEM, "out of memory for a bank of %zu", bank_size);

    const double before = energy(dense, rows * cols);
    for (size_t row = 0; row < rows; row++)
        for (size_t c = 0; c < cols; c += bank_size)
            prune_bank(dense + row * cols + c, cols - c < bank_size ? cols - c : bank_size, k,
                       order);
    if (energy_kept)
        *energy_kept = before > 0.0 ? energy(dense, rows * cols) / before : 1.0;
    free(order);
    return SPACC_OK;
}
