#include "host/profile/meter.h"

#include <math.h>

#include "host/clock.h"

static const double trial_us = 20e3;

void spacc_meter_open(struct spacc_meter *m, const char *directory,
                      const struct spacc_power *power)
{
    *m = (struct spacc_meter){.idle_w = power->idle_w, .why = {.text = ""}};
    if (spacc_energy_open(&m->counter, directory, &m->why) || power->measured)
        return;
    spacc_meter_close(m);
    spacc_fail(&m->why, SPACC_EUNSUPPORTED, "idle watts are not measured (%s)", power->source);
}

void spacc_meter_close(struct spacc_meter *m)
{
    spacc_energy_close(m->counter);
    m->counter = NULL;
}

/* Joules so far, and when that was. */
static bool read_counter(struct spacc_meter *m, double *joules, double *us)
{
    const bool good = !spacc_energy_read(m->counter, joules, &m->why);

    *us = spacc_now_us();
    if (!good)
        spacc_meter_close(m);
    return good;
}

enum spacc_status spacc_meter_watts(struct spacc_meter *m, struct spacc_probe *p, double *watts,
                                    struct spacc_error *err)
{
    double before, after, start, end;

    *watts = (double)NAN;
    if (!m->counter || !read_counter(m, &before, &start))
        return SPACC_OK;
    const enum spacc_status s = spacc_probe_repeat(p, trial_us, err);
    if (s || !read_counter(m, &after, &end))
        return s;
    const double above = (after - before) / ((end - start) * 1e-6) - m->idle_w;
    if (above > 0.0)
        *watts = above;
    return SPACC_OK;
}
