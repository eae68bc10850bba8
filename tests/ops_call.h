/* ops_call.h - call one operator from a test without a model file.
 *
 *     struct op_call t;
 *     op_begin(&t, "Slice", 13);
 *     op_input(&t, SPACC_F32, 2, (int64_t[]){2, 3}, values);
 *     op_attr_int(&t, "axis", 1);
 *     assert_int_equal(op_run(&t, 1), SPACC_OK);
 *     ... t.out[0], t.err.text
 *     op_end(&t);
 */
#ifndef SPACC_TESTS_OPS_CALL_H
#define SPACC_TESTS_OPS_CALL_H

#include <stdlib.h>
#include <string.h>

#include "models/op.h"

enum { OP_CALL_INS = 12, OP_CALL_OUTS = 4, OP_CALL_ATTRS = 12 };

struct op_call {
    struct spacc_graph graph;
    struct spacc_node node;
    struct spacc_attr attr[OP_CALL_ATTRS];
    struct spacc_op_call call;
    struct spacc_tensor *in[OP_CALL_INS];
    const struct spacc_tensor *in_const[OP_CALL_INS];
    struct spacc_tensor *out[OP_CALL_OUTS];
    bool wanted[OP_CALL_OUTS]; /* all true until a test clears one */
    struct spacc_error err;
};

static inline void op_begin(struct op_call *t, const char *op, int opset)
{
    static char file[] = "test.onnx", node[] = "n";
    memset(t, 0, sizeof(*t));
    t->graph.file = file;
    t->graph.opset = opset;
    t->node.name = node;
    t->node.op = spacc_op_find(op);
    t->node.attr = t->attr;
    for (int i = 0; i < OP_CALL_OUTS; i++)
        t->wanted[i] = true;
}

/* The next input; the contents are copied, NULL leaves zeros. */
static inline struct spacc_tensor *op_input(struct op_call *t, enum spacc_dtype dtype, int rank,
                                            const int64_t *dims, const void *contents)
{
    struct spacc_tensor **in = &t->in[t->call.ins++];
    if (spacc_tensor_new(in, dtype, rank, dims) != SPACC_OK)
        abort();
    if (contents && (*in)->count > 0)
        memcpy((*in)->data, contents, (*in)->count * spacc_dtype_bytes(dtype));
    return *in;
}

/* The next input is left out. */
static inline void op_no_input(struct op_call *t)
{
    t->call.ins++;
}

/* A new attribute; `name` and lists must outlive the call. */
static inline struct spacc_attr *op_attr(struct op_call *t, const char *name,
                                         enum spacc_attr_kind kind)
{
    struct spacc_attr *a = &t->attr[t->node.attrs++];
    a->name = (char *)(uintptr_t)name;
    a->kind = kind;
    return a;
}

static inline void op_attr_int(struct op_call *t, const char *name, int64_t i)
{
    op_attr(t, name, SPACC_ATTR_INT)->i = i;
}

static inline void op_attr_float(struct op_call *t, const char *name, float f)
{
    op_attr(t, name, SPACC_ATTR_FLOAT)->f = f;
}

static inline void op_attr_string(struct op_call *t, const char *name, const char *s)
{
    op_attr(t, name, SPACC_ATTR_STRING)->s = (char *)(uintptr_t)s;
}

static inline void op_attr_ints(struct op_call *t, const char *name, size_t count,
                                int64_t *ints)
{
    struct spacc_attr *a = op_attr(t, name, SPACC_ATTR_INTS);
    a->count = count;
    a->ints = ints;
}

static inline void op_attr_floats(struct op_call *t, const char *name, size_t count, float *f)
{
    struct spacc_attr *a = op_attr(t, name, SPACC_ATTR_FLOATS);
    a->count = count;
    a->floats = f;
}

static inline void op_attr_strings(struct op_call *t, const char *name, size_t count, char **s)
{
    struct spacc_attr *a = op_attr(t, name, SPACC_ATTR_STRINGS);
    a->count = count;
    a->strings = s;
}

/* Free the results of a run, so that the operator can run again. */
static inline void op_clear(struct op_call *t)
{
    for (int i = 0; i < OP_CALL_OUTS; i++) {
        spacc_tensor_free(t->out[i]);
        t->out[i] = NULL;
    }
}

static inline enum spacc_status op_run(struct op_call *t, int outs)
{
    op_clear(t);
    for (int i = 0; i < OP_CALL_INS; i++)
        t->in_const[i] = t->in[i];
    memset(&t->err, 0, sizeof(t->err));
    t->call.graph = &t->graph;
    t->call.node = &t->node;
    t->call.outs = outs;
    t->call.in = t->in_const;
    t->call.out = t->out;
    t->call.wanted = t->wanted;
    t->call.err = &t->err;
    return spacc_op_run(&t->call);
}

static inline void op_end(struct op_call *t)
{
    op_clear(t);
    for (int i = 0; i < OP_CALL_INS; i++)
        spacc_tensor_free(t->in[i]);
}

#endif
