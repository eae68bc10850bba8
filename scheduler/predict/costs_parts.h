/* costs_parts.h - what the files of the cost models share. */
#ifndef SPACC_COSTS_PARTS_H
#define SPACC_COSTS_PARTS_H

#include <cjson/cJSON.h>

#include "scheduler/cost.h"

/* The list "models" of a profile; NULL: out of memory. `c` NULL gives an empty list. */
cJSON *spacc_costs_json(const struct spacc_costs *c);
/* The reverse; *out is NULL for an empty list. SPACC_EFORMAT, SPACC_ENOMEM. */
enum spacc_status spacc_costs_parse(struct spacc_costs **out, const cJSON *list,
                                    struct spacc_error *err);

#endif
