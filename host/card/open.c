#include <string.h>

#include "host/card/card.h"
#include "host/card/mmio.h"
#include "host/card/model.h"
#include "host/card/opencl.h"
#include "host/card/uart.h"
#include "host/card/xrt.h"
#if SPACC_SIM
#include "sim/sim.h"

/* "sim" or "sim:CONFIG": the part after the colon, NULL for the default. */
static const char *sim_config(const char *name)
{
    return name[3] == ':' ? name + 4 : NULL;
}

static enum spacc_status open_sim(struct spacc_card **out, const char *name,
                                  struct spacc_error *err)
{
    const double clock_hz = 200e6;
    const struct spacc_sim_options options = {.config = sim_config(name), .clock_hz = clock_hz};
    struct spacc_sim *sim;
    const enum spacc_status status = spacc_sim_open(&sim, &options, err);
    if (status != SPACC_OK)
        return spacc_fail_in(err, status, "card '%s'", name);
    return spacc_card_attach(out, spacc_sim_card_ops(), sim, clock_hz, err);
}
#else
static enum spacc_status open_sim(struct spacc_card **out, const char *name,
                                  struct spacc_error *err)
{
    (void)out;
    return spacc_fail(err, SPACC_EUNSUPPORTED,
                      "card '%s': this build has no simulator (SPACC_SIM=OFF)", name);
}
#endif

enum spacc_status spacc_card_open(struct spacc_card **out, const char *name,
                                  struct spacc_error *err)
{
    *out = NULL;
    if (strcmp(name, "sim") == 0 || strncmp(name, "sim:", 4) == 0)
        return open_sim(out, name, err);
    if (strcmp(name, "model") == 0 || strncmp(name, "model:", 6) == 0)
        return spacc_model_card_open(out, name[5] == ':' ? name + 6 : NULL, err);
    if (strncmp(name, "uart:", 5) == 0)
        return spacc_uart_card_open(out, name + 5, err);
    if (strncmp(name, "mmio:", 5) == 0)
        return spacc_mmio_card_open(out, name + 5, err);
    if (strcmp(name, "xrt") == 0 || strncmp(name, "xrt:", 4) == 0 ||
        strncmp(name, "xrt=", 4) == 0)
        return spacc_xrt_card_open(out, name + 3, err);
    if (strcmp(name, "opencl") == 0 || strncmp(name, "opencl:", 7) == 0 ||
        strncmp(name, "opencl=", 7) == 0)
        return spacc_opencl_card_open(out, name + 6, err);
    return spacc_fail(err, SPACC_EUNSUPPORTED,
                      "no card '%s'; this build has: sim, sim:CONFIG, model:CONFIG, "
                      "uart:DEVICE[@BAUD], mmio:uioN, mmio:ADDRESS, xrt[:N][=FILE.xclbin], "
                      "opencl[:P.D][=FILE]",
                      name);
}
