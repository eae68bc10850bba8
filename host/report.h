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

/* ---- report_seernet.c ---- */

enum { SPACC_SEERNET_NAME = 16 };
/* "exact", "4 bits"; returns text. */
const char *spacc_seernet_name(int bits, char text[SPACC_SEERNET_NAME]);
/* Why a layer runs as it does. */
const char *spacc_seernet_reason(const struct spacc_report_seernet *r, size_t layer);
/* A table. */
void spacc_seernet_print(const struct spacc_report_seernet *r, FILE *to);
/* Add "seernet" to an object; nothing for NULL. False without memory. */
bool spacc_seernet_add_json(struct cJSON *to, const struct spacc_report_seernet *r);

#endif
