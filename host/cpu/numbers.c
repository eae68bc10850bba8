#include "host/cpu/numbers.h"

#include <string.h>

enum { FIRST = 1, DATA_AND_UPDATES = 1 | 1 << 2, ALL = -1 };

static const struct {
    const char *op;
    int inputs; /* bits: those that are moved; the others say where to */
} movers[] = {{"Slice", FIRST},
              {"Split", FIRST},
              {"Concat", ALL},
              {"Transpose", FIRST},
              {"Gather", FIRST},
              {"GatherElements", FIRST},
              {"GatherND", FIRST},
              {"Expand", FIRST},
              {"Tile", FIRST},
              {"DepthToSpace", FIRST},
              {"SpaceToDepth", FIRST},
              {"Pad", FIRST},
              {"ScatterND", DATA_AND_UPDATES},
              {"ScatterElements", DATA_AND_UPDATES}};

int spacc_moved_inputs(const struct spacc_node *node)
{
    if (strcmp(spacc_node_string(node, "reduction", "none"), "none") != 0)
        return 0; /* sums, not moves */
    for (size_t i = 0; i < sizeof(movers) / sizeof(movers[0]); i++)
        if (strcmp(node->op->name, movers[i].op) == 0)
            return movers[i].inputs;
    return 0;
}

bool spacc_is_moved(int moved, int input)
{
    return moved == ALL || (moved >> input & 1) != 0;
}

bool spacc_is_pad(const struct spacc_node *node)
{
    return strcmp(node->op->name, "Pad") == 0;
}

void spacc_numbers_release(struct spacc_numbers *m)
{
    for (int i = 0; i < SPACC_NUMBERS_INPUTS; i++) {
        spacc_tensor_free(m->in[i]);
        spacc_tensor_free(m->out[i]);
    }
}

enum spacc_status spacc_numbers_of(struct spacc_numbers *m, const struct spacc_cpu_build *b,
                                   int n, int moved)
{
    const struct spacc_node *node = &b->g->node[n];

    for (int i = 0; i < node->inputs; i++) {
        const struct spacc_tensor *t =
            node->input[i] < 0 ? NULL : spacc_cpu_shape(b, node->input[i]);
        m->given[i] = t;
        const bool is_value = spacc_is_pad(node) && i == SPACC_PAD_VALUE;
        m->first[i + 1] = m->first[i];
        if ((!spacc_is_moved(moved, i) && !is_value) || !t)
            continue;
        if (spacc_tensor_new(&m->in[i], SPACC_I32, t->rank, t->dims))
            return SPACC_ENOMEM;
        m->given[i] = m->in[i];
        if (is_value)
            continue; /* zero */
        for (size_t k = 0; k < t->count; k++)
            ((int32_t *)m->in[i]->data)[k] = (int32_t)(m->first[i] + k + 1);
        m->first[i + 1] += t->count;
    }
    return spacc_node_run(b->g, n, m->given, m->out, NULL);
}

int spacc_numbers_input(const struct spacc_numbers *m, size_t number)
{
    int i = 0;

    while (number > m->first[i + 1])
        i++;
    return i;
}
