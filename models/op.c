#include "models/op.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SPACC_OP(name, first, last, ins_min, ins_max, outs_min, outs_max, attrs, run, random) \
    enum spacc_status run(struct spacc_op_call *c);
#include "models/ops.def"
#undef SPACC_OP

const struct spacc_op spacc_ops[] = {
#define SPACC_OP(name, first, last, ins_min, ins_max, outs_min, outs_max, attrs, run, random) \
    {#name, first, last, ins_min, ins_max, outs_min, outs_max, attrs, run, random},
#include "models/ops.def"
#undef SPACC_OP
};

const size_t spacc_op_count = sizeof(spacc_ops) / sizeof(spacc_ops[0]);

const struct spacc_op *spacc_op_find(const char *name)
{
    for (size_t i = 0; i < spacc_op_count; i++)
        if (strcmp(spacc_ops[i].name, name) == 0)
            return &spacc_ops[i];
    return NULL;
}

/* The file's name is kept by the outermost graph only. */
static const char *file_of(const struct spacc_graph *g)
{
    while (g->parent)
        g = g->parent;
    return g->file;
}

enum spacc_status spacc_op_fail(struct spacc_op_call *c, enum spacc_status status,
                                const char *format, ...)
{
    char text[sizeof(c->err->text)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return spacc_fail(c->err, status, "%s: node %s (%s): %s", file_of(c->graph), c->node->name,
                      c->node->op->name, text);
}

/* A tensor with a type and shape but no contents. */
static enum spacc_status shape_tensor(struct spacc_tensor **out, enum spacc_dtype dtype,
                                      int rank, const int64_t *dims)
{
    struct spacc_tensor t = {.dtype = dtype, .rank = rank};

    *out = NULL;
    if (spacc_dtype_bytes(dtype) == 0 || spacc_shape_count(&t.count, rank, dims) != SPACC_OK)
        return SPACC_ESHAPE;
    for (int d = 0; d < rank; d++)
        t.dims[d] = dims[d];
    return spacc_tensor_copy(out, &t);
}

enum spacc_status spacc_op_output(struct spacc_op_call *c, int i, enum spacc_dtype dtype,
                                  int rank, const int64_t *dims, struct spacc_tensor **out)
{
    *out = NULL;
    const enum spacc_status status = c->shape_only
                                         ? shape_tensor(&c->out[i], dtype, rank, dims)
                                         : spacc_tensor_new(&c->out[i], dtype, rank, dims);
    if (status != SPACC_OK && rank >= 0 && rank <= SPACC_RANK_MAX) {
        struct spacc_tensor shown = {.dtype = dtype, .rank = rank};
        char text[256];
        for (int d = 0; d < rank; d++)
            shown.dims[d] = dims[d];
        return spacc_op_fail(c, status, "output %d would be %s: %s", i,
                             spacc_tensor_describe(&shown, text, sizeof(text)),
                             status == SPACC_ENOMEM ? "out of memory" : "impossible");
    }
    if (status != SPACC_OK)
        return spacc_op_fail(c, status, "output %d would have rank %d, 0 to %d are possible", i,
                             rank, SPACC_RANK_MAX);
    *out = c->out[i];
    return SPACC_OK;
}

enum spacc_status spacc_op_needs(struct spacc_op_call *c, int i)
{
    if (c->in[i] && c->in[i]->data)
        return SPACC_OK;
    if (c->shape_only)
        c->shape_unknown = true;
    return spacc_op_fail(c, SPACC_ESHAPE, "input %d has no contents", i);
}
