#include "host/verify.h"

#include <math.h>

static void add_one(struct spacc_error_sum *e, double want, double got)
{
    const double off = want == got || (isnan(want) && isnan(got)) ? 0.0 : fabs(want - got);

    e->max_error = isnan(off) ? INFINITY : fmax(e->max_error, off);
    if (isfinite(want))
        e->signal += want * want;
    e->noise += isnan(off) ? INFINITY : off * off;
}

void spacc_error_add(struct spacc_error_sum *e, const struct spacc_tensor *reference,
                     const struct spacc_tensor *got)
{
    e->any = true;
    if (!reference || !got || !spacc_tensor_same_shape(reference, got)) {
        e->max_error = e->noise = INFINITY;
        return;
    }
    for (size_t i = 0; i < reference->count; i++)
        add_one(e, spacc_tensor_element(reference, i), spacc_tensor_element(got, i));
}

double spacc_error_max(const struct spacc_error_sum *e)
{
    return e->any ? e->max_error : NAN;
}

double spacc_error_snr(const struct spacc_error_sum *e)
{
    if (!e->any)
        return NAN;
    return e->noise == 0.0 ? INFINITY : 10.0 * log10(e->signal / e->noise);
}
