/* op.h - the operator list and how one operator is run.
 *
 * `ops.def` has one line an operator. From it come the import table, shape
 * inference, the reference kernels, the coverage table and the tests.
 *
 * An operator is one plain-C function that first works out the type and shape
 * of every output with spacc_op_output(), then, unless only shapes were asked
 * for, computes them:
 *
 *     enum spacc_status spacc_op_relu(struct spacc_op_call *c)
 *     {
 *         const struct spacc_tensor *x = c->in[0];
 *         struct spacc_tensor *y;
 *         TRY(spacc_op_output(c, 0, x->dtype, x->rank, x->dims, &y));
 *         if (c->shape_only)
 *             return SPACC_OK;
 *         ...
 *     }
 *
 * In shape-only mode an input tensor has data == NULL unless its contents are
 * constant. An operator whose output shape depends on contents it does not have
 * (Reshape by a computed shape) fails through
 * spacc_op_needs(), and the binder leaves the shape to the run. */
#ifndef SPACC_OP_H
#define SPACC_OP_H

#include "models/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_op_call {
    const struct spacc_graph *graph; /* opset, file name for messages */
    const struct spacc_node *node;
    int ins, outs;
    const struct spacc_tensor **in; /* NULL for an optional input left out */
    struct spacc_tensor **out;      /* NULL until spacc_op_output() */
    const bool *wanted;             /* outs flags: false when nobody reads it */
    struct spacc_tensor **place;    /* NULL, or by output: a tensor of the caller's to fill in
                                       instead of a new one, or NULL */
    bool shape_only;
    bool shape_unknown; /* set by spacc_op_needs() */
    bool widen;         /* set by spacc_ops_types(): call again with float32 for float16 */
    struct spacc_error *err;
    /* Runs a branch of If or a body of Loop or Scan; set by the evaluator. `in` has one
     * tensor for each of its inputs; results in `out` are owned by the caller. */
    enum spacc_status (*run_subgraph)(struct spacc_op_call *c, const struct spacc_graph *branch,
                                      const struct spacc_tensor *const *in,
                                      struct spacc_tensor **out);
    void *evaluator;
};

typedef enum spacc_status (*spacc_op_fn)(struct spacc_op_call *c);

/* One line of ops.def. */
struct spacc_op {
    const char *name;                         /* ONNX operator type; "com.microsoft.X" for
                                                 one of another domain */
    int opset_first, opset_last;              /* of the model, 1..21 */
    int ins_min, ins_max, outs_min, outs_max; /* -1: any number */
    const char *attrs;                        /* "axis:i perm:I alpha:f mode:s value:t": every
                                                 attribute that is honoured; any other
                                                 attribute is refused by name */
    spacc_op_fn run;
    bool random; /* results are not reproducible by others */
};

extern const struct spacc_op spacc_ops[];
extern const size_t spacc_op_count;

/* Run the operator of c->node. One that knows float32 but not float16 or bfloat16 is
 * run on float32 copies of its inputs, and every float32 output is rounded once to the
 * type of the first floating-point input. */
enum spacc_status spacc_op_run(struct spacc_op_call *c);

/* Operator by name as in the table, or NULL. */
const struct spacc_op *spacc_op_find(const char *name);

/* Allocate output `i` (SPACC_ENOMEM, SPACC_ESHAPE with a message that names the
 * node); shape-only: without data. The call's caller owns it. Contents are zero. When the
 * caller has given a place of that type and shape, it is the output. */
enum spacc_status spacc_op_output(struct spacc_op_call *c, int i, enum spacc_dtype dtype,
                                  int rank, const int64_t *dims, struct spacc_tensor **out);

/* SPACC_OK when the contents of input `i` are there; in shape-only mode without
 * them sets c->shape_unknown and returns SPACC_ESHAPE: just return it. */
enum spacc_status spacc_op_needs(struct spacc_op_call *c, int i);

/* Fail with "FILE: node NAME (Op): " in front. */
enum spacc_status spacc_op_fail(struct spacc_op_call *c, enum spacc_status status,
                                const char *format, ...) __attribute__((format(printf, 3, 4)));

#ifdef __cplusplus
}
#endif

#endif
