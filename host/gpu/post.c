/* Activations, and what joins a convolution or a product: an Add, an activation. */
#include <math.h>
#include <string.h>

#include "host/gpu/parts.h"

/* ---- activations ------------------------------------------------------------------------ */

static const struct {
    const char *op;
    int number;
    const char *alpha, *beta; /* attributes */
    float a, b;               /* when they are not there */
} activations[] = {
    {"Relu", GPU_RELU, NULL, NULL, 0.0f, 0.0f},
    {"LeakyRelu", GPU_LEAKY_RELU, "alpha", NULL, 0.01f, 0.0f},
    {"Sigmoid", GPU_SIGMOID, NULL, NULL, 0.0f, 0.0f},
    {"Tanh", GPU_TANH, NULL, NULL, 0.0f, 0.0f},
    {"Elu", GPU_ELU, "alpha", NULL, 1.0f, 0.0f},
    {"Selu", GPU_SELU, "alpha", "gamma", 1.67326319217681884765625f,
     1.05070102214813232421875f},
    {"Celu", GPU_CELU, "alpha", NULL, 1.0f, 0.0f},
    {"ThresholdedRelu", GPU_THRESHOLDED_RELU, "alpha", NULL, 1.0f, 0.0f},
    {"HardSigmoid", GPU_HARD_SIGMOID, "alpha", "beta", 0.2f, 0.5f},
    {"HardSwish", GPU_HARD_SWISH, NULL, NULL, 0.0f, 0.0f},
    {"Softplus", GPU_SOFTPLUS, NULL, NULL, 0.0f, 0.0f},
    {"Softsign", GPU_SOFTSIGN, NULL, NULL, 0.0f, 0.0f},
    {"Gelu", GPU_GELU, NULL, NULL, 0.0f, 0.0f},
    {"Mish", GPU_MISH, NULL, NULL, 0.0f, 0.0f},
    {"Exp", GPU_EXP, NULL, NULL, 0.0f, 0.0f},
    {"Log", GPU_LOG, NULL, NULL, 0.0f, 0.0f},
    {"Sqrt", GPU_SQRT, NULL, NULL, 0.0f, 0.0f},
    {"Reciprocal", GPU_RECIPROCAL, NULL, NULL, 0.0f, 0.0f},
    {"Abs", GPU_ABS, NULL, NULL, 0.0f, 0.0f},
    {"Neg", GPU_NEG, NULL, NULL, 0.0f, 0.0f},
    {"Floor", GPU_FLOOR, NULL, NULL, 0.0f, 0.0f},
    {"Ceil", GPU_CEIL, NULL, NULL, 0.0f, 0.0f},
    {"Round", GPU_ROUND, NULL, NULL, 0.0f, 0.0f},
    {"Sign", GPU_SIGN, NULL, NULL, 0.0f, 0.0f},
    {"Erf", GPU_ERF, NULL, NULL, 0.0f, 0.0f},
    {"Sin", GPU_SIN, NULL, NULL, 0.0f, 0.0f},
    {"Cos", GPU_COS, NULL, NULL, 0.0f, 0.0f},
    {"Tan", GPU_TAN, NULL, NULL, 0.0f, 0.0f},
    {"Asin", GPU_ASIN, NULL, NULL, 0.0f, 0.0f},
    {"Acos", GPU_ACOS, NULL, NULL, 0.0f, 0.0f},
    {"Atan", GPU_ATAN, NULL, NULL, 0.0f, 0.0f},
    {"Sinh", GPU_SINH, NULL, NULL, 0.0f, 0.0f},
    {"Cosh", GPU_COSH, NULL, NULL, 0.0f, 0.0f},
    {"Asinh", GPU_ASINH, NULL, NULL, 0.0f, 0.0f},
    {"Acosh", GPU_ACOSH, NULL, NULL, 0.0f, 0.0f},
    {"Atanh", GPU_ATANH, NULL, NULL, 0.0f, 0.0f},
};

static float bound(const struct spacc_gpu_node *q, int i, const char *attr, float otherwise)
{
    const struct spacc_tensor *t = spacc_gpu_constant(q, i);

    return t ? *(const float *)t->data : spacc_node_float(q->node, attr, otherwise);
}

static bool clip(const struct spacc_gpu_node *q, struct spacc_gpu_post *p)
{
    if (!spacc_gpu_is_weights(q, 1) || !spacc_gpu_is_weights(q, 2))
        return false;
    p->op = GPU_CLIP;
    p->alpha = bound(q, 1, "min", -INFINITY);
    p->beta = bound(q, 2, "max", INFINITY);
    if (p->alpha > p->beta) /* both bounds then give the upper one */
        p->alpha = p->beta;
    return true;
}

bool spacc_gpu_activation(const struct spacc_gpu_node *q, struct spacc_gpu_post *p)
{
    if (spacc_gpu_is_op(q, "Clip"))
        return clip(q, p);
    for (size_t i = 0; i < sizeof(activations) / sizeof(activations[0]); i++) {
        if (!spacc_gpu_is_op(q, activations[i].op))
            continue;
        p->op = activations[i].number;
        p->alpha = activations[i].a;
        p->beta = activations[i].b;
        if (activations[i].alpha)
            p->alpha = spacc_node_float(q->node, activations[i].alpha, p->alpha);
        if (activations[i].beta)
            p->beta = spacc_node_float(q->node, activations[i].beta, p->beta);
        if (p->op == GPU_GELU &&
            strcmp(spacc_node_string(q->node, "approximate", "none"), "tanh") == 0)
            p->op = GPU_GELU_TANH;
        return true;
    }
    return false;
}

/* ---- joining -------------------------------------------------------------------------------
 */

struct spacc_gpu_post spacc_gpu_no_post(void)
{
    return (struct spacc_gpu_post){
        .bias = -1, .other = -1, .inner = 1, .channels = 1, .op = GPU_SAME};
}

bool spacc_gpu_has_post(const struct spacc_gpu_post *p)
{
    return p->bias >= 0 || p->other >= 0 || p->op != GPU_SAME;
}

/* The other operand of an Add of value v, of the same shape and there already; or -1. */
static int addend(const struct spacc_gpu_make *m, const struct spacc_node *add, int v)
{
    const struct spacc_cpu_build *b = m->b;
    const bool adds = strcmp(add->op->name, "Add") == 0 ||
                      (strcmp(add->op->name, "Sum") == 0 && add->inputs == 2);
    const int other = adds ? add->input[add->input[0] == v] : -1;

    if (other < 0 || other == v || b->e->slot[other].gpu < 0 ||
        !spacc_tensor_same_shape(spacc_cpu_shape(b, other), spacc_cpu_shape(b, v)))
        return -1;
    return b->e->slot[other].gpu;
}

static int reader_of(const struct spacc_gpu_make *m, int v, struct spacc_gpu_node *q)
{
    const int n = spacc_cpu_only_reader(m->b, v);

    if (n < 0 || m->b->g->node[n].outputs != 1 || m->b->g->node[n].output[0] < 0)
        return -1;
    *q = m->q;
    q->node = &m->b->g->node[n];
    return spacc_tensor_same_shape(spacc_cpu_shape(m->b, v),
                                   spacc_cpu_shape(m->b, q->node->output[0]))
               ? n
               : -1;
}

int spacc_gpu_join(struct spacc_gpu_make *m, int v, struct spacc_gpu_post *p)
{
    struct spacc_gpu_node q;
    int n = reader_of(m, v, &q);
    const int other = n < 0 ? -1 : addend(m, q.node, v);

    if (other >= 0) {
        p->other = other;
        m->joined[m->joints++] = n;
        v = q.node->output[0];
        n = reader_of(m, v, &q);
    }
    if (n >= 0 && q.node->input[0] == v && spacc_gpu_activation(&q, p)) {
        m->joined[m->joints++] = n;
        v = q.node->output[0];
    }
    return v;
}

void spacc_gpu_put_post(struct spacc_gpu_make *m, const struct spacc_gpu_post *p)
{
    spacc_gpu_more(m, "asiiiiiff", p->bias, p->bias_at, p->other, p->inner, p->channels,
                   p->bias >= 0, p->other >= 0, p->op, (double)p->alpha, (double)p->beta);
}

void spacc_gpu_finish_with(struct spacc_gpu_make *m, int y, int x, size_t count, int scale,
                           const struct spacc_gpu_post *p)
{
    spacc_gpu_call(m, SPACC_GPU_finish, count, "ssisi", y, x, (int)count, scale, scale >= 0);
    spacc_gpu_put_post(m, p);
}
