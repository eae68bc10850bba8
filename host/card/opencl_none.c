/* A build without OpenCL. */
#include "host/card/opencl.h"

enum spacc_status spacc_opencl_card_open(struct spacc_card **out, const char *which,
                                         struct spacc_error *err)
{
    *out = NULL;
    return spacc_fail(err, SPACC_EUNSUPPORTED, "card 'opencl%s': this build has no OpenCL",
                      which);
}
