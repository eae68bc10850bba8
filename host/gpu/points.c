/* Element-wise operators of one, two or more operands, broadcast. */
#include <string.h>

#include "host/gpu/parts.h"

enum { AXES = 4 };

static const struct {
    const char *op;
    int number;
} binaries[] = {{"Add", GPU_ADD}, {"Sub", GPU_SUB}, {"Mul", GPU_MUL}, {"Div", GPU_DIV},
                {"Pow", GPU_POW}, {"Min", GPU_MIN}, {"Max", GPU_MAX}, {"PRelu", GPU_PRELU},
                {"Sum", GPU_ADD}, {"Mean", GPU_ADD}};

static int binary_of(const struct spacc_gpu_node *q)
{
    for (size_t i = 0; i < sizeof(binaries) / sizeof(binaries[0]); i++)
        if (spacc_gpu_is_op(q, binaries[i].op))
            return binaries[i].number;
    return -1;
}

/* ---- broadcasting ---------------------------------------------------------------------- */

struct axes {
    int count;
    int64_t size[SPACC_RANK_MAX], a[SPACC_RANK_MAX], b[SPACC_RANK_MAX]; /* steps of operands */
};

static int64_t size_of(const struct spacc_tensor *t, int axis, int rank)
{
    const int own = axis - (rank - t->rank);

    return own < 0 ? 1 : t->dims[own];
}

/* Axes of y; neighbours along which both operands go on alike are one. */
static struct axes axes_of(const struct spacc_tensor *y, const struct spacc_tensor *a,
                           const struct spacc_tensor *b)
{
    struct axes x = {.count = 0};
    int64_t a_step = 1, b_step = 1;

    for (int d = y->rank - 1; d >= 0; d--) {
        const int64_t a_size = size_of(a, d, y->rank), b_size = size_of(b, d, y->rank);
        const int64_t a_now = a_size > 1 ? a_step : 0, b_now = b_size > 1 ? b_step : 0;
        const int last = x.count - 1;
        a_step *= a_size;
        b_step *= b_size;
        if (y->dims[d] == 1)
            continue;
        if (last >= 0 && a_now == x.a[last] * x.size[last] &&
            b_now == x.b[last] * x.size[last]) {
            x.size[last] *= y->dims[d];
            continue;
        }
        x.size[x.count] = y->dims[d];
        x.a[x.count] = a_now;
        x.b[x.count++] = b_now;
    }
    return x;
}

static const char *refuses(const struct spacc_gpu_node *q)
{
    const struct spacc_tensor *y = spacc_gpu_output(q, 0);
    struct spacc_gpu_post p;

    if (!y || q->node->outputs != 1)
        return "no result is asked for";
    if (spacc_gpu_is_op(q, "Clip") || binary_of(q) < 0)
        return spacc_gpu_activation(q, &p) ? NULL : "bounds are not constant";
    if (q->node->inputs > SPACC_GPU_ARGS || q->g->opset < 7)
        return "too many operands, or broadcast as before opset 7";
    for (int i = 0; i < q->node->inputs; i++) {
        const struct spacc_tensor *a = spacc_gpu_input(q, i);
        if (!a || a->dtype != SPACC_F32 || a->count == 0)
            return "an operand is not float32";
        if (axes_of(y, i ? y : a, i ? a : spacc_gpu_input(q, 1 % q->node->inputs)).count > AXES)
            return "broadcast over too many axes";
    }
    return NULL;
}

/* ---- make -------------------------------------------------------------------------------- */

static void combine(struct spacc_gpu_make *m, int op, int y, const struct spacc_tensor *y_shape,
                    int a, const struct spacc_tensor *a_shape, int b,
                    const struct spacc_tensor *b_shape)
{
    struct axes x = axes_of(y_shape, a_shape, b_shape);

    for (int d = x.count; d < AXES; d++) /* from the last axis on */
        x.size[d] = 1, x.a[d] = x.b[d] = 0;
    spacc_gpu_call(m, SPACC_GPU_binary, y_shape->count, "sssiiiiiiiiiiiii", y, a, b,
                   (int)y_shape->count, op, (int)x.size[2], (int)x.size[1], (int)x.size[0],
                   (int)x.a[3], (int)x.a[2], (int)x.a[1], (int)x.a[0], (int)x.b[3], (int)x.b[2],
                   (int)x.b[1], (int)x.b[0]);
}

static void make_unary(struct spacc_gpu_make *m)
{
    struct spacc_gpu_post p = spacc_gpu_no_post();
    const int x = spacc_gpu_in(m, 0), y = spacc_gpu_out(m, 0);
    const int count = (int)spacc_gpu_output(&m->q, 0)->count;

    spacc_gpu_activation(&m->q, &p);
    spacc_gpu_call(m, SPACC_GPU_unary, (size_t)count, "ssiiff", y, x, count, p.op,
                   (double)p.alpha, (double)p.beta);
}

/* Sum, Mean, Min, Max of one operand or more than two, one after another. */
static void make_many(struct spacc_gpu_make *m)
{
    const struct spacc_gpu_node *q = &m->q;
    const struct spacc_tensor *shape = spacc_gpu_output(q, 0);
    const int ins = q->node->inputs, op = binary_of(q);
    int in[SPACC_GPU_ARGS] = {-1};

    for (int i = 0; i < ins; i++)
        in[i] = spacc_gpu_in(m, i);
    const int y = spacc_gpu_out(m, 0);
    if (ins == 1)
        spacc_gpu_call(m, SPACC_GPU_copy, shape->count, "ssi", y, in[0], (int)shape->count);
    else
        combine(m, op, y, shape, in[0], spacc_gpu_input(q, 0), in[1], spacc_gpu_input(q, 1));
    for (int i = 2; i < ins; i++)
        combine(m, op, y, shape, y, shape, in[i], spacc_gpu_input(q, i));
    const float share = 1.0f / (float)ins;
    if (spacc_gpu_is_op(q, "Mean")) {
        const int scale = spacc_gpu_data(m, &share, 1);
        const struct spacc_gpu_post none = spacc_gpu_no_post();
        spacc_gpu_finish_with(m, y, y, shape->count, scale, &none);
    }
}

static void make(struct spacc_gpu_make *m)
{
    if (binary_of(&m->q) < 0)
        make_unary(m);
    else
        make_many(m);
}

static const char *const ops[] = {"Add",
                                  "Sub",
                                  "Mul",
                                  "Div",
                                  "Pow",
                                  "Min",
                                  "Max",
                                  "PRelu",
                                  "Sum",
                                  "Mean",
                                  "Clip",
                                  "Relu",
                                  "LeakyRelu",
                                  "Sigmoid",
                                  "Tanh",
                                  "Elu",
                                  "Selu",
                                  "Celu",
                                  "ThresholdedRelu",
                                  "HardSigmoid",
                                  "HardSwish",
                                  "Softplus",
                                  "Softsign",
                                  "Gelu",
                                  "Mish",
                                  "Exp",
                                  "Log",
                                  "Sqrt",
                                  "Reciprocal",
                                  "Abs",
                                  "Neg",
                                  "Floor",
                                  "Ceil",
                                  "Round",
                                  "Sign",
                                  "Erf",
                                  "Sin",
                                  "Cos",
                                  "Tan",
                                  "Asin",
                                  "Acos",
                                  "Atan",
                                  "Sinh",
                                  "Cosh",
                                  "Asinh",
                                  "Acosh",
                                  "Atanh",
                                  NULL};

const struct spacc_gpu_family spacc_gpu_points = {
    .kernel = SPACC_GPU_KERNEL("gpu points"), .ops = ops, .refuses = refuses, .make = make};
