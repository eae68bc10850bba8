/* MaxPool and AveragePool. The Global* ones are rows: rows.c. */
#include <string.h>

#include "host/gpu/parts.h"

static bool volume_of(struct spacc_volume *v, const struct spacc_gpu_node *q)
{
    const struct spacc_tensor *x = spacc_gpu_input(q, 0), *y = spacc_gpu_output(q, 0);
    struct spacc_window w;

    return x->rank >= 3 && x->rank <= SPACC_VOLUME_AXES + 2 &&
           spacc_window_of(&w, q->node, x, y, NULL) && spacc_volume_of(v, &w, x, y);
}

static const char *refuses(const struct spacc_gpu_node *q)
{
    struct spacc_volume v;

    if (!spacc_gpu_output(q, 0) || spacc_gpu_output(q, 1))
        return "indices are asked for";
    if (spacc_node_int(q->node, "count_include_pad", 0) &&
        spacc_node_int(q->node, "ceil_mode", 0))
        return "pads count at windows that ceil_mode adds";
    return volume_of(&v, q) ? NULL : "a window that is not known";
}

static void make(struct spacc_gpu_make *m)
{
    const size_t count = spacc_gpu_output(&m->q, 0)->count;
    struct spacc_volume v;

    volume_of(&v, &m->q);
    const int x = spacc_gpu_in(m, 0), window = spacc_gpu_window(m, &v);
    const int y = spacc_gpu_out(m, 0);
    spacc_gpu_call(m, SPACC_GPU_pool, count, "sssiii", y, x, window, (int)count,
                   spacc_gpu_is_op(&m->q, "AveragePool"),
                   spacc_node_int(m->q.node, "count_include_pad", 0) != 0);
}

static const char *const ops[] = {"MaxPool", "AveragePool", NULL};

const struct spacc_gpu_family spacc_gpu_pool = {
    .kernel = SPACC_GPU_KERNEL("gpu pool"), .ops = ops, .refuses = refuses, .make = make};
