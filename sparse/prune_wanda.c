/* Magnitude times the norm of the input (prune_obs.h). */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "sparse/prune_obs.h"
#include "sparse/prune_parts.h"

static enum spacc_status check_norms(const float *norm, size_t cols, struct spacc_error *err)
{
    for (size_t c = 0; c < cols; c++)
        if (!(norm[c] >= 0.0F && isfinite(norm[c])))
            return spacc_fail(err, SPACC_EINVAL,
                              "norm of column %zu is %g, not a number of 0 or more", c,
                              (double)norm[c]);
    return SPACC_OK;
}

static bool all_zero(const float *norm, size_t count)
{
    for (size_t c = 0; c < count; c++)
        if (norm[c] > 0.0F)
            return false;
    return true;
}

static void prune_bank(float *w, const float *norm, size_t columns, size_t k,
                       struct spacc_prune_candidate *order)
{
    const bool plain = all_zero(norm, columns);

    if (columns <= k)
        return;
    for (size_t c = 0; c < columns; c++) /* exact: both factors have 24 bits */
        order[c] = (struct spacc_prune_candidate){
            fabs((double)w[c]) * (plain ? 1.0 : (double)norm[c]), (uint32_t)c};
    spacc_prune_select(order, columns, k);
    for (size_t i = k; i < columns; i++)
        w[order[i].column] = 0.0F;
}

enum spacc_status spacc_prune_wanda(float *dense, size_t rows, size_t cols, size_t bank_size,
                                    size_t k, const float *norm, double *energy_kept,
                                    struct spacc_error *err)
{
    enum spacc_status status = spacc_prune_check(dense, rows, cols, bank_size, k, err);

    if (energy_kept)
        *energy_kept = 0.0;
    if (status == SPACC_OK)
        status = check_norms(norm, cols, err);
    if (status != SPACC_OK)
        return status;
    struct spacc_prune_candidate *order = malloc(bank_size * sizeof(*order));
    if (!order)
        return spacc_fail(err, SPACC_ENOMEM, "out of memory for a bank of %zu", bank_size);

    const double before = spacc_prune_energy(dense, rows * cols);
    for (size_t row = 0; row < rows; row++)
        for (size_t c = 0; c < cols; c += bank_size)
            prune_bank(dense + row * cols + c, norm + c,
                       cols - c < bank_size ? cols - c : bank_size, k, order);
    if (energy_kept)
        *energy_kept = before > 0.0 ? spacc_prune_energy(dense, rows * cols) / before : 1.0;
    free(order);
    return SPACC_OK;
}
