/* energy.h - joules that the processor packages have taken, as Linux tells them (powercap,
 * RAPL): one counter of microjoules a package, which starts at 0 again now and then.
 *
 *     /sys/class/powercap/intel-rapl:0/{name, energy_uj, max_energy_range_uj} */
#ifndef SPACC_ENERGY_H
#define SPACC_ENERGY_H

#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_energy;

/* `directory`: NULL for /sys/class/powercap. SPACC_EUNSUPPORTED: no package there that can be
 * read (most systems let root alone read it); SPACC_ENOMEM. */
enum spacc_status spacc_energy_open(struct spacc_energy **out, const char *directory,
                                    struct spacc_error *err);
/* NULL is allowed. */
void spacc_energy_close(struct spacc_energy *e);

/* Joules of all packages since spacc_energy_open(). Right when it is asked more often than a
 * counter goes round: minutes, at the least. SPACC_EIO. */
enum spacc_status spacc_energy_read(struct spacc_energy *e, double *joules,
                                    struct spacc_error *err);

/* "RAPL package-0", "RAPL package-0 and 1 more". */
const char *spacc_energy_source(const struct spacc_energy *e);

#ifdef __cplusplus
}
#endif

#endif
