/* hooks.h - where Verilator's messages go. Included in front of Verilator's own
 * run-time sources, which are built with VL_PRINTF=spacc_model_printf and VL_USER_STOP,
 * VL_USER_FATAL, VL_USER_FINISH, so that a failed assertion neither prints nor aborts. */
#ifndef SPACC_SIM_HOOKS_H
#define SPACC_SIM_HOOKS_H

#include <cstddef>

#include "sim/model.h"

/* What the model that is being evaluated on this thread has said. */
struct spacc_model_log {
    char line[SPACC_MODEL_TEXT];    /* the last message */
    char failure[SPACC_MODEL_TEXT]; /* the first message that came with a stop, or "" */
};

/* Log of the model now evaluated; NULL: messages go to stderr. */
extern thread_local spacc_model_log *spacc_model_current;

int spacc_model_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
