/* xrt.h - a board behind Xilinx XRT: the .xclbin loaded, our kernel opened for ourselves alone,
 * runs through XRT's scheduler, everything else through the kernel's registers. A kernel of
 * hls/ (the .xclbin names its argument `state_ptr`) is run once without a program when it is
 * opened, since its registers are empty before. */
#ifndef SPACC_XRT_H
#define SPACC_XRT_H

#include "host/card/card.h"

#ifdef __cplusplus
extern "C" {
#endif

/* `which`: "" (device 0) or ":N", then maybe "=FILE.xclbin"; without it the file is that of
 * $SPACC_XCLBIN. SPACC_EUNSUPPORTED: no XRT here, a kernel with other arguments than the
 * card's or those of hls/. SPACC_EINVAL: no such text, no file named. SPACC_EDEVICE: no such
 * device, .xclbin refused, no kernel, buffers of its arguments in several banks, a kernel of
 * hls/ that wants more state than those from C; SPACC_ETIMEOUT: it does not end. Errors of
 * spacc_xclbin_kernel(), spacc_xclbin_state() and spacc_card_attach().
 * A kernel of hls/ counts no cycles: its clock_hz is 0. */
enum spacc_status spacc_xrt_card_open(struct spacc_card **out, const char *which,
                                      struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
