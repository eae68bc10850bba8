/* Paleo's form (ICLR'17): compute and every transfer of memory by its peak, one after the
 * other, none below a clock. */
#include <math.h>

#include "scheduler/predict/costs_parts.h"

/* Shares of peak, Paleo's "platform percent of peak"; there measured once a platform. Stated
 * here, for what was never measured: our kernels of products reach half of the peak of a loop
 * of multiply-adds, and moves nearly that of a plain read. */
#define COMPUTE_SHARE 0.5
#define MEMORY_SHARE  0.8
#define CLOCK_US      0.001

static double at_least_a_clock(double us)
{
    return us > CLOCK_US ? us : CLOCK_US;
}

double spacc_roofline_us(const struct spacc_link *l, const struct spacc_work *w)
{
    const double macs = l->peak_macs_per_us * COMPUTE_SHARE * w->threads;
    const double bytes = l->peak_bytes_per_us * MEMORY_SHARE;

    if (!(macs > 0.0) || !(bytes > 0.0))
        return 0.0;
    return at_least_a_clock(w->macs / macs) + at_least_a_clock(w->in_bytes / bytes) +
           at_least_a_clock(w->weight_bytes / bytes) + at_least_a_clock(w->out_bytes / bytes) +
           l->launch_us;
}
