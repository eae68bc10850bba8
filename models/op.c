#include "models/op.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sparse/half.h"

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

/* The caller's tensor for output i, when it has this type and shape; else NULL. */
static struct spacc_tensor *place_of(const struct spacc_op_call *c, int i,
                                     enum spacc_dtype dtype, int rank, const int64_t *dims)
{
    struct spacc_tensor *t = c->place && !c->shape_only ? c->place[i] : NULL;

    if (!t || t->dtype != dtype || t->rank != rank)
        return NULL;
    for (int d = 0; d < rank; d++)
        if (t->dims[d] != dims[d])
            return NULL;
    if (t->count)
        memset(t->data, 0, t->count * spacc_dtype_bytes(dtype));
    return t;
}

enum spacc_status spacc_op_output(struct spacc_op_call *c, int i, enum spacc_dtype dtype,
                                  int rank, const int64_t *dims, struct spacc_tensor **out)
{
    *out = place_of(c, i, dtype, rank, dims);
    if (*out) {
        c->out[i] = *out;
        return SPACC_OK;
    }
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

/* ---- float16 and bfloat16 by way of float32 ---- */

static bool is_half(const struct spacc_tensor *t)
{
    return t && (t->dtype == SPACC_F16 || t->dtype == SPACC_BF16);
}

/* `t` as float32; without contents when it has none. */
static enum spacc_status widened(struct spacc_tensor **out, const struct spacc_tensor *t)
{
    if (!t->data)
        return shape_tensor(out, SPACC_F32, t->rank, t->dims);
    const enum spacc_status status = spacc_tensor_new(out, SPACC_F32, t->rank, t->dims);
    if (status != SPACC_OK)
        return status;
    const uint16_t *from = t->data;
    float *to = (*out)->data;
    for (size_t i = 0; i < t->count; i++)
        to[i] = t->dtype == SPACC_F16 ? spacc_half_to_float(from[i])
                                      : spacc_bfloat_to_float(from[i]);
    return SPACC_OK;
}

/* Make a float32 tensor one of `dtype`, in place: an element never grows. */
static void narrow(struct spacc_tensor *t, enum spacc_dtype dtype)
{
    const float *from = t->data;
    uint16_t *to = t->data;
    t->dtype = dtype;
    for (size_t i = 0; t->data && i < t->count; i++) {
        const float f = from[i];
        to[i] = dtype == SPACC_F16 ? spacc_half_from_float(f) : spacc_bfloat_from_float(f);
    }
}

/* Type of the first floating-point input. */
static enum spacc_dtype float_type(const struct spacc_op_call *c)
{
    for (int i = 0; i < c->ins; i++)
        if (is_half(c->in[i]) ||
            (c->in[i] && (c->in[i]->dtype == SPACC_F32 || c->in[i]->dtype == SPACC_F64)))
            return c->in[i]->dtype;
    return SPACC_F32;
}

static void drop_outputs(struct spacc_op_call *c)
{
    for (int i = 0; i < c->outs; i++) {
        spacc_tensor_free(c->out[i]);
        c->out[i] = NULL;
    }
}

/* The call again, with float32 in the place of every float16 and bfloat16 input. */
static enum spacc_status run_widened(struct spacc_op_call *c)
{
    const enum spacc_dtype dtype = float_type(c);
    const bool rounds = dtype == SPACC_F16 || dtype == SPACC_BF16;
    const struct spacc_tensor **in = c->in;
    enum spacc_status status = SPACC_OK;
    const int most = c->node->op->ins_max;
    const size_t room = (size_t)(c->ins > most ? c->ins : most > 0 ? most : 1);
    struct spacc_tensor **own = calloc(room, sizeof(struct spacc_tensor *));
    c->in = calloc(room, sizeof(const struct spacc_tensor *));
    if (!own || !c->in)
        status = SPACC_ENOMEM;
    for (int i = 0; i < c->ins && status == SPACC_OK; i++) {
        if (is_half(in[i]))
            status = widened(&own[i], in[i]);
        c->in[i] = own[i] ? own[i] : in[i];
    }
    status = status == SPACC_OK ? c->node->op->run(c)
                                : spacc_op_fail(c, status, "%s", spacc_status_text(status));
    for (int i = 0; i < c->outs && status == SPACC_OK; i++)
        if (rounds && c->out[i] && c->out[i]->dtype == SPACC_F32)
            narrow(c->out[i], dtype);
    for (int i = 0; own && i < c->ins; i++)
        spacc_tensor_free(own[i]);
    free(own);
    free(c->in);
    c->in = in;
    return status;
}

enum spacc_status spacc_op_run(struct spacc_op_call *c)
{
    c->widen = false;
    const enum spacc_status status = c->node->op->run(c);
    if (status == SPACC_OK || !c->widen)
        return status;
    drop_outputs(c);
    memset(c->err, 0, sizeof(*c->err));
    return run_widened(c);
}
