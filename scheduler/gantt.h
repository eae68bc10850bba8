/* gantt.h - a placement as a picture: SVG 1.1, one lane a device and one for the link of each
 * that tensors go to or from, time in us to the right.
 *
 *          network.onnx: 812 us, min-cut (best single device, gpu: 1040 us)
 *     cpu      [conv1 ][conv2 ]                [softmax]
 *     gpu               [ conv3           ][ conv4  ]
 *     to, from        [>]                            [<]
 *              0       200       400       600       800 us
 *
 * A bar tells its name, time and length when pointed at. */
#ifndef SPACC_GANTT_H
#define SPACC_GANTT_H

#include <stdio.h>

#include "scheduler/place.h"

#ifdef __cplusplus
extern "C" {
#endif

/* `p` is a placement of `t`. Names and title are UTF-8; what XML does not have becomes "?".
 * SPACC_EIO: `to` could not be written. */
enum spacc_status spacc_gantt_write(FILE *to, const struct spacc_tasks *t,
                                    const struct spacc_placement *p, const char *title,
                                    struct spacc_error *err);

/* The same into a new string, which the caller frees; NULL on failure. SPACC_ENOMEM. */
enum spacc_status spacc_gantt_text(char **out, const struct spacc_tasks *t,
                                   const struct spacc_placement *p, const char *title,
                                   struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
