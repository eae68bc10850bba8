/* plan_parts.h - what the files of the plan share. */
#ifndef SPACC_PLAN_PARTS_H
#define SPACC_PLAN_PARTS_H

#include "host/plan.h"

/* Rules that need no contents: sets candidate and reason. */
void spacc_rule_static(const struct spacc_plan_graph *pg, struct spacc_plan_node *n);

/* Is it one of the operators that only give elements another shape. */
bool spacc_rule_reshapes(const char *op);

#endif
