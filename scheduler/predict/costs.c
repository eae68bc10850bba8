#include <stdlib.h>

#include "scheduler/predict/costs_parts.h"

struct spacc_costs {
    int none;
};

cJSON *spacc_costs_json(const struct spacc_costs *c)
{
    (void)c;
    return cJSON_CreateArray();
}

enum spacc_status spacc_costs_parse(struct spacc_costs **out, const cJSON *list,
                                    struct spacc_error *err)
{
    *out = NULL;
    if (!cJSON_IsArray(list) || list->child)
        return spacc_fail(err, SPACC_EFORMAT, "models is not a list");
    return SPACC_OK;
}

void spacc_costs_free(struct spacc_costs *c)
{
    free(c);
}
