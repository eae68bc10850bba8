#include "host/prune/loss.h"

#include <math.h>

static const double beyond = 1e30;

size_t spacc_loss_every(size_t requests)
{
    return (requests + SPACC_LOSS_REQUESTS - 1) / SPACC_LOSS_REQUESTS;
}

enum spacc_status spacc_loss_finish(struct spacc_lockstep *l, struct spacc_error *err)
{
    enum spacc_status s = SPACC_OK;

    while (!s && !spacc_lockstep_done(l))
        s = spacc_lockstep_step(l, err);
    return s;
}

/* False when it is not a pair of float tensors of one shape. */
static bool add(double *error, double *whole, const struct spacc_tensor *a,
                const struct spacc_tensor *b)
{
    if (!a || !b || a->dtype != SPACC_F32 || b->dtype != SPACC_F32 || a->count != b->count)
        return false;
    const float *from = a->data, *to = b->data;
    for (size_t i = 0; i < a->count; i++) {
        const double d = (double)to[i] - (double)from[i];
        *error += d * d;
        *whole += (double)from[i] * (double)from[i];
    }
    return true;
}

enum spacc_status spacc_loss(double *loss, const struct spacc_graph *g,
                             const struct spacc_lockstep *a, const struct spacc_lockstep *b,
                             size_t every, struct spacc_error *err)
{
    double error = 0.0, whole = 0.0;
    size_t found = 0;

    for (size_t r = 0; r < spacc_lockstep_requests(a); r++)
        for (int o = 0; o < g->outputs; o++)
            found += add(&error, &whole, spacc_lockstep_value(a, r, g->output[o]),
                         spacc_lockstep_value(b, r * every, g->output[o]));
    if (!found)
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "%s: no output is float32: what they lose cannot be measured",
                          g->file);
    *loss = whole > 0.0 ? error / whole : error > 0.0 ? beyond : 0.0;
    if (!isfinite(*loss) || *loss > beyond)
        *loss = beyond;
    return SPACC_OK;
}
