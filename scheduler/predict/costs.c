/* Asking the models. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/predict/costs_parts.h"

#define ROOFLINE_SIGMA 1.0  /* caches are not in it: off by several times is usual */
#define LEAST_US       1e-3 /* a few clocks: nothing takes less */
#define MOST_BUSY      3.0
#define SPREAD_SIGMA   1.4826 /* from half the distance of the quartiles */

static const char *const names[SPACC_COST_MODELS] = {"stack",  "table",      "boosted",
                                                     "closed", "polynomial", "roofline"};

const char *spacc_cost_model_name(enum spacc_cost_model model)
{
    return (unsigned)model < SPACC_COST_MODELS ? names[model] : NULL;
}

void spacc_costs_free(struct spacc_costs *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->kernels; i++)
        free(c->kernel[i].boosted.tree);
    free(c->kernel);
    free(c);
}

uint32_t spacc_kernel_hash(const struct spacc_work *w)
{
    uint32_t hash = (2166136261U ^ (uint32_t)w->family) * 16777619U;

    for (const char *c = w->kernel; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619U;
    return hash;
}

static const struct kernel_costs *find(const struct spacc_costs *c, const struct spacc_work *w)
{
    const uint32_t hash = spacc_kernel_hash(w);
    size_t low = 0, high = c ? c->kernels : 0;

    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (c->kernel[mid].hash == hash)
            return c->kernel[mid].family == w->family ? &c->kernel[mid] : NULL;
        if (c->kernel[mid].hash < hash)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* Power is that of the threads at work; what the device takes when idle, it takes anyhow. A
 * polynomial says anything of sizes far from those it was fitted to: no kernel takes several
 * times what a busy thread does. */
static void add_joules(struct spacc_cost *out, const struct spacc_profile *p,
                       const struct kernel_costs *k, const struct spacc_work *w)
{
    const double busy_w = p->power.busy_w * w->threads;
    const bool fitted = k && k->power.terms > 0;
    const double watts =
        fitted ? fmin(spacc_polynomial_of(&k->power, w), MOST_BUSY * busy_w) : busy_w;

    out->joules = watts * out->us * 1e-6;
    out->power = fitted ? SPACC_POWER_FITTED : SPACC_POWER_BUSY;
}

static bool from_table(const struct spacc_profile *p, const struct spacc_work *w,
                       struct spacc_cost *out)
{
    const struct spacc_sample *s = spacc_profile_find(p, w);

    if (!s)
        return false;
    *out = (struct spacc_cost){s->us, SPREAD_SIGMA * s->spread, s->joules, "table",
                               SPACC_POWER_MEASURED};
    if (isnan(s->joules))
        add_joules(out, p, find(p->costs, w), w);
    return true;
}

static bool from_closed(const struct spacc_profile *p, const struct spacc_work *w, bool boosted,
                        struct spacc_cost *out)
{
    const struct kernel_costs *k = find(p->costs, w);

    if (!k || k->closed.mask == 0)
        return false;
    double us = fmax(spacc_closed_us(&k->closed, w, &p->machine), LEAST_US);
    if (boosted)
        us = fmax(us * exp(spacc_boosted_log(&k->boosted, w)), LEAST_US);
    *out = (struct spacc_cost){.us = us,
                               .sigma = (double)(boosted ? k->boosted_sigma : k->closed_sigma),
                               .source = "fit"};
    add_joules(out, p, k, w);
    return true;
}

static bool from_polynomial(const struct spacc_profile *p, const struct spacc_work *w,
                            struct spacc_cost *out)
{
    const struct kernel_costs *k = find(p->costs, w);

    if (!k || k->latency.terms == 0)
        return false;
    const double us = spacc_polynomial_of(&k->latency, w);
    *out = (struct spacc_cost){.us = us, .sigma = (double)k->latency_sigma, .source = "fit"};
    add_joules(out, p, k, w);
    return true;
}

static bool from_roofline(const struct spacc_profile *p, const struct spacc_work *w,
                          struct spacc_cost *out)
{
    const double us = spacc_roofline_us(&p->link, w);

    if (!(us > 0.0))
        return false;
    *out = (struct spacc_cost){.us = us, .sigma = ROOFLINE_SIGMA, .source = "roofline"};
    add_joules(out, p, find(p->costs, w), w);
    return true;
}

static bool ask(const struct spacc_profile *p, enum spacc_cost_model model,
                const struct spacc_work *w, struct spacc_cost *out)
{
    switch (model) {
    case SPACC_COST_STACK:
        return from_table(p, w, out) || from_closed(p, w, true, out) ||
               from_roofline(p, w, out);
    case SPACC_COST_TABLE: return from_table(p, w, out);
    case SPACC_COST_BOOSTED: return from_closed(p, w, true, out);
    case SPACC_COST_CLOSED: return from_closed(p, w, false, out);
    case SPACC_COST_POLYNOMIAL: return from_polynomial(p, w, out);
    case SPACC_COST_ROOFLINE: return from_roofline(p, w, out);
    case SPACC_COST_MODELS: break;
    }
    return false;
}

enum spacc_status spacc_cost_of(const struct spacc_profile *p, enum spacc_cost_model model,
                                const struct spacc_work *w, struct spacc_cost *out,
                                struct spacc_error *err)
{
    const bool peaks = p->link.peak_macs_per_us > 0.0 && p->link.peak_bytes_per_us > 0.0;

    if (ask(p, model, w, out) && isfinite(out->us))
        return SPACC_OK;
    memset(out, 0, sizeof(*out));
    out->us = out->sigma = out->joules = (double)NAN;
    if ((unsigned)model >= SPACC_COST_MODELS)
        return spacc_fail(err, SPACC_EINVAL, "cost model %d, there are %d", (int)model,
                          (int)SPACC_COST_MODELS);
    return spacc_fail(err, SPACC_EUNSUPPORTED,
                      "kernel '%.39s' has no cost on %.63s by %s: its profile %s", w->kernel,
                      p->device, names[model],
                      model == SPACC_COST_ROOFLINE ? "has no peaks"
                      : peaks                      ? "has not measured it"
                                                   : "has neither measured it nor peaks");
}

size_t spacc_costs_bytes(const struct spacc_profile *p, enum spacc_cost_model model)
{
    switch (model) {
    case SPACC_COST_STACK:
    case SPACC_COST_BOOSTED:
    case SPACC_COST_CLOSED:
        return p->costs
                   ? spacc_costs_part_bytes(p->costs, COSTS_FIT, model == SPACC_COST_CLOSED)
                   : 0;
    case SPACC_COST_POLYNOMIAL:
        return p->costs ? spacc_costs_part_bytes(p->costs, COSTS_POLYNOMIAL, false) : 0;
    case SPACC_COST_ROOFLINE: return 2 * sizeof(double);
    case SPACC_COST_TABLE:
    case SPACC_COST_MODELS: break;
    }
    return 0;
}
