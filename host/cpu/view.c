/* Operators that give the same elements in the same order: the result is the input's memory
 * under another shape. */
#include <string.h>

#include "host/cpu/kernels.h"

static bool keeps_elements(const struct spacc_cpu_build *b, const struct spacc_node *node)
{
    static const char *const ops[] = {"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze"};

    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
        if (strcmp(node->op->name, ops[i]) == 0)
            return true;
    /* in inference; a mask that is asked for is somebody else's work */
    return strcmp(node->op->name, "Dropout") == 0 && node->outputs == 1 &&
           (node->inputs < 3 || !spacc_cpu_constant(b, node, 2) ||
            !*(const uint8_t *)spacc_cpu_constant(b, node, 2)->data);
}

static enum spacc_status take(struct spacc_cpu_build *b, int n, bool *taken)
{
    const struct spacc_node *node = &b->g->node[n];

    if (!keeps_elements(b, node) || !spacc_cpu_known(b, node) || node->output[0] < 0)
        return SPACC_OK;
    const struct spacc_tensor *from = spacc_cpu_shape(b, node->input[0]);
    const struct spacc_tensor *to = spacc_cpu_shape(b, node->output[0]);
    if (from->dtype != to->dtype || from->count != to->count)
        return SPACC_OK;
    const int s = spacc_cpu_plain(b, node->input[0]);
    if (s < 0)
        return b->err->status;
    spacc_cpu_share(b, node->output[0], s);
    spacc_cpu_taken(b, n, n, spacc_cpu_view.name);
    *taken = true;
    return SPACC_OK;
}

const struct spacc_cpu_kernel spacc_cpu_view = {.name = "view", .take = take};
