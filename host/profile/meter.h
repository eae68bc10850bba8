/* meter.h - the power of a trial: what the packages take while it runs again and again, above
 * what they take when idle.
 *
 * A trial runs back to back for at least 20 ms: counters are brought up to date about once a
 * millisecond, so the energy of so long a time is off by at most 5 %. Other work on the machine
 * is counted with it. */
#ifndef SPACC_PROFILE_METER_H
#define SPACC_PROFILE_METER_H

#include "host/profile/probe.h"
#include "scheduler/energy.h"
#include "scheduler/profile.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_meter {
    struct spacc_energy *counter; /* NULL: nothing is measured */
    double idle_w;
    struct spacc_error why; /* text: why nothing, or nothing more, is measured; else "" */
};

/* By the counters under `directory` (NULL: the system's), over the idle watts of `power`. Where
 * they cannot be read, or idle watts are only stated, nothing is measured. Never fails. */
void spacc_meter_open(struct spacc_meter *m, const char *directory,
                      const struct spacc_power *power);
void spacc_meter_close(struct spacc_meter *m);

/* NAN where nothing is measured, and where no more than idle watts were seen (noise: a busy
 * core takes something). A counter that cannot be read any more ends all measuring, and is no
 * error. Errors of spacc_probe_repeat(). */
enum spacc_status spacc_meter_watts(struct spacc_meter *m, struct spacc_probe *p, double *watts,
                                    struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
