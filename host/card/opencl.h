/* opencl.h - a card behind OpenCL: the kernel of hls/ as a binary for an accelerator (.xclbin,
 * .aocx), or from its source on any other device.
 *
 * A host of OpenCL writes and reads no registers: arguments are kept here and go with every
 * run, and the kernel leaves registers 0x100..0x1ff in a buffer of its own, its tenth argument.
 * That kernel counts no cycles: clock_hz of such a card is 0. */
#ifndef SPACC_CARD_OPENCL_H
#define SPACC_CARD_OPENCL_H

#include "host/card/card.h"

#ifdef __cplusplus
extern "C" {
#endif

/* `which` is [:P.D][=FILE], P.D as `spacc devices` numbers them. Without it: the first
 * accelerator when there is a FILE (or $SPACC_XCLBIN), else the first device of another kind.
 * An accelerator takes FILE or $SPACC_XCLBIN; other devices take FILE, or build the source.
 *
 * SPACC_EINVAL: no such text; an accelerator and no file. SPACC_EIO: the file.
 * SPACC_EUNSUPPORTED: no such device (with what there is), a build without OpenCL, a kernel
 * with other arguments than ours. SPACC_EDEVICE: the driver said no (its words). SPACC_ENOMEM.
 * Errors of spacc_xclbin_kernel() (Xilinx's platform) and spacc_card_attach(). */
enum spacc_status spacc_opencl_card_open(struct spacc_card **out, const char *which,
                                         struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
