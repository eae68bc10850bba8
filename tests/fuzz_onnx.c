/* libFuzzer target: any bytes as a model; what is read is bound, cleaned and bound again. */
#include <stddef.h>
#include <stdint.h>

#include "models/clean.h"
#include "models/onnx.h"
#include "models/run.h"

enum { INPUTS_MAX = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

/* Some shape that the declaration allows. */
static struct spacc_tensor shape_for(const struct spacc_value *v)
{
    struct spacc_tensor t = {.dtype = v->dtype ? v->dtype : SPACC_F32,
                             .rank = v->rank < 0 ? 1 : v->rank};
    for (int d = 0; d < v->rank; d++)
        t.dims[d] = v->dims[d] < 0 ? 2 : v->dims[d];
    if (spacc_shape_count(&t.count, t.rank, t.dims) != SPACC_OK)
        t = (struct spacc_tensor){.dtype = SPACC_F32, .count = 1};
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct spacc_tensor shape[INPUTS_MAX], *tensor;
    const struct spacc_tensor *input[INPUTS_MAX];
    struct spacc_graph *g;
    struct spacc_binding *b;

    if (spacc_onnx_tensor_parse(&tensor, bytes, size_bytes, "f.pb", NULL) == SPACC_OK)
        spacc_tensor_free(tensor);
    if (spacc_onnx_parse(&g, bytes, size_bytes, "f.onnx", NULL) != SPACC_OK)
        return 0;
    for (int i = 0; i < g->inputs && i < INPUTS_MAX; i++) {
        shape[i] = shape_for(&g->value[g->input[i]]);
        input[i] = &shape[i];
    }
    for (int cleaned = 0; cleaned < 2; cleaned++) {
        if (g->inputs <= INPUTS_MAX && spacc_graph_bind(&b, g, input, NULL) == SPACC_OK)
            spacc_binding_free(b);
        if (!cleaned && spacc_graph_clean(g, NULL, NULL) != SPACC_OK)
            break;
    }
    spacc_graph_free(g);
    return 0;
}
