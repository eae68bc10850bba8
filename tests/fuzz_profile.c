/* libFuzzer target: any bytes as a profile; what is taken gives costs. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/cost.h"
#include "scheduler/profile_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct spacc_profile *p;
    struct spacc_cost cost;
    char *text = malloc(size_bytes + 1);

    if (!text)
        return 0;
    memcpy(text, bytes, size_bytes);
    text[size_bytes] = '\0';
    if (spacc_profile_parse(&p, text, size_bytes, "f.json", NULL, NULL) == SPACC_OK) {
        for (size_t i = 0; i < p->samples; i++)
            for (int m = 0; m < SPACC_COST_MODELS; m++)
                if (spacc_cost_of(p, (enum spacc_cost_model)m, &p->sample[i].work, &cost,
                                  NULL) == SPACC_OK &&
                    !(cost.us > 0.0))
                    abort();
        spacc_profile_free(p);
    }
    free(text);
    return 0;
}
