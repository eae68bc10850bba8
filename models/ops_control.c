/* Contents from attributes (Constant, ConstantOfShape) and the choice of a branch (If). */
#include "models/ops_util.h"

#include <stdlib.h>
#include <string.h>

/* ---- Constant ---------------------------------------------------------------- */

static enum spacc_status constant(struct spacc_op_call *c, enum spacc_dtype dtype, int rank,
                                  const int64_t *dims, const void *contents)
{
    struct spacc_tensor *y;
    TRY(spacc_op_output(c, 0, dtype, rank, dims, &y));
    if (!c->shape_only)
        spacc_ops_memcpy(y->data, contents, y->count * spacc_dtype_bytes(dtype));
    return SPACC_OK;
}

/* The importer makes most of them initialisers; here for those that are run. */
enum spacc_status spacc_op_constant(struct spacc_op_call *c)
{
    const struct spacc_node *n = c->node;
    const struct spacc_attr *a;
    for (size_t i = 0; i < n->attrs; i++) {
        a = &n->attr[i];
        const int64_t count = (int64_t)a->count;
        if (strcmp(a->name, "value") != 0)
            TRY(spacc_ops_attr_opset(c, a->name, 12, INT32_MAX));
        switch (a->kind) {
        case SPACC_ATTR_TENSOR:
            return constant(c, a->tensor->dtype, a->tensor->rank, a->tensor->dims,
                            a->tensor->data);
        case SPACC_ATTR_FLOAT: return constant(c, SPACC_F32, 0, NULL, &a->f);
        case SPACC_ATTR_INT: return constant(c, SPACC_I64, 0, NULL, &a->i);
        case SPACC_ATTR_FLOATS: return constant(c, SPACC_F32, 1, &count, a->floats);
        case SPACC_ATTR_INTS: return constant(c, SPACC_I64, 1, &count, a->ints);
        default: break;
        }
    }
    return spacc_op_fail(c, SPACC_EUNSUPPORTED, "has no value");
}

/* ---- ConstantOfShape --------------------------------------------------------- */

enum spacc_status spacc_op_constant_of_shape(struct spacc_op_call *c)
{
    static const float zero = 0.0f;
    const struct spacc_attr *a = spacc_node_attr(c->node, "value");
    const struct spacc_tensor *value = a ? a->tensor : NULL;
    struct spacc_ops_ints shape;
    struct spacc_tensor *y;
    int64_t dims[SPACC_RANK_MAX];
    TRY(spacc_ops_check(c, 1, SPACC_TYPE(I64)));
    TRY(spacc_ops_ints_input(c, &shape, 0));
    if (shape.count > SPACC_RANK_MAX)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED, "shape has %zu axes, %d are possible",
                             shape.count, SPACC_RANK_MAX);
    if (value && value->count != 1)
        return spacc_op_fail(c, SPACC_ESHAPE, "value has %zu elements, it must have 1",
                             value->count);
    for (size_t i = 0; i < shape.count; i++)
        dims[i] = spacc_ops_int(&shape, i);
    TRY(spacc_op_output(c, 0, value ? value->dtype : SPACC_F32, (int)shape.count, dims, &y));
    if (c->shape_only)
        return SPACC_OK;
    const size_t bytes = spacc_dtype_bytes(y->dtype);
    for (size_t i = 0; i < y->count; i++)
        memcpy((char *)y->data + i * bytes, value ? value->data : &zero, bytes);
    return SPACC_OK;
}

/* ---- If ---------------------------------------------------------------------- */

/* Hand results 0..outs-1 of a branch to the node and free the others. */
static void take_outputs(struct spacc_op_call *c, struct spacc_tensor **result, int results)
{
    for (int i = 0; i < results; i++) {
        if (i < c->outs)
            c->out[i] = result[i];
        else
            spacc_tensor_free(result[i]);
    }
}

static enum spacc_status run_branch(struct spacc_op_call *c, const struct spacc_graph *branch)
{
    if (branch->outputs < c->outs)
        return spacc_op_fail(c, SPACC_ESHAPE, "the branch has %d outputs, the node %d",
                             branch->outputs, c->outs);
    struct spacc_tensor **result =
        calloc((size_t)branch->outputs + 1, sizeof(struct spacc_tensor *));
    if (!result)
        return spacc_op_fail(c, SPACC_ENOMEM, "no memory for %d results", branch->outputs);
    const enum spacc_status status = c->run_subgraph(c, branch, NULL, result);
    take_outputs(c, result, branch->outputs);
    free(result);
    return status;
}

enum spacc_status spacc_op_if(struct spacc_op_call *c)
{
    char text[SPACC_TEXT_BYTES];
    TRY(spacc_ops_check(c, 1, SPACC_TYPE(BOOL)));
    const struct spacc_tensor *condition = c->in[0];
    if (condition->count != 1)
        return spacc_op_fail(c, SPACC_ESHAPE, "the condition has shape %s, not one element",
                             spacc_ops_shape_text(text, condition->rank, condition->dims));
    TRY(spacc_op_needs(c, 0));
    const char *name = *(const uint8_t *)condition->data ? "then_branch" : "else_branch";
    const struct spacc_attr *branch = spacc_node_attr(c->node, name);
    if (!branch || !branch->graph)
        return spacc_op_fail(c, SPACC_EFORMAT, "has no %s", name);
    if (!c->run_subgraph)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED, "branches cannot be run here");
    return run_branch(c, branch->graph);
}
