/* report.h - the report as a cJSON object, for callers that add to it. */
#ifndef SPACC_REPORT_H
#define SPACC_REPORT_H

#include "host/include/spacc.h"

struct cJSON;

/* Names of the causes of spacc_report_node.cause, in its order. */
extern const char *const spacc_cause_names[SPACC_CAUSES];

/* The whole report as a new object, freed with cJSON_Delete(); NULL without memory.
 * What was not measured (NAN) is null. */
struct cJSON *spacc_report_json(const struct spacc_report *report);

#endif
