/* Activation functions with parameters, element by element. They are worked out in
 * double and rounded once. */
#include "models/ops_util.h"

#include <math.h>
#include <string.h>

/* y = f(x, a, b) */
static enum spacc_status activate(struct spacc_op_call *c, double (*f)(double, double, double),
                                  double a, double b)
{
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_FLOAT));
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_op_output(c, 0, x->dtype, x->rank, x->dims, &y));
    for (size_t i = 0; !c->shape_only && i < y->count; i++) {
        if (y->dtype == SPACC_F32)
            ((float *)y->data)[i] = (float)f((double)((const float *)x->data)[i], a, b);
        else
            ((double *)y->data)[i] = f(((const double *)x->data)[i], a, b);
    }
    return SPACC_OK;
}

/* Attribute `name`; the defaults are floats in the definition as well. */
static double parameter(const struct spacc_op_call *c, const char *name, float otherwise)
{
    return (double)spacc_node_float(c->node, name, otherwise);
}

static double leaky_relu(double x, double alpha, double none)
{
    (void)none;
    return x < 0.0 ? alpha * x : x;
}

enum spacc_status spacc_op_leaky_relu(struct spacc_op_call *c)
{
    return activate(c, leaky_relu, parameter(c, "alpha", 0.01f), 0.0);
}

static double elu(double x, double alpha, double none)
{
    (void)none;
    return x < 0.0 ? alpha * expm1(x) : x;
}

enum spacc_status spacc_op_elu(struct spacc_op_call *c)
{
    return activate(c, elu, parameter(c, "alpha", 1.0f), 0.0);
}

static double selu(double x, double alpha, double gamma)
{
    return gamma * (x > 0.0 ? x : alpha * expm1(x));
}

enum spacc_status spacc_op_selu(struct spacc_op_call *c)
{
    return activate(c, selu, parameter(c, "alpha", 1.67326319217681884765625f),
                    parameter(c, "gamma", 1.05070102214813232421875f));
}

static double celu(double x, double alpha, double none)
{
    (void)none;
    return x < 0.0 ? alpha * expm1(x / alpha) : x;
}

enum spacc_status spacc_op_celu(struct spacc_op_call *c)
{
    return activate(c, celu, parameter(c, "alpha", 1.0f), 0.0);
}

static double thresholded_relu(double x, double alpha, double none)
{
    (void)none;
    return x <= alpha ? 0.0 : x;
}

enum spacc_status spacc_op_thresholded_relu(struct spacc_op_call *c)
{
    return activate(c, thresholded_relu, parameter(c, "alpha", 1.0f), 0.0);
}

static double hard_sigmoid(double x, double alpha, double beta)
{
    const double v = alpha * x + beta;
    return v < 0.0 ? 0.0 : v > 1.0 ? 1.0 : v;
}

enum spacc_status spacc_op_hard_sigmoid(struct spacc_op_call *c)
{
    return activate(c, hard_sigmoid, parameter(c, "alpha", 0.2f), parameter(c, "beta", 0.5f));
}

static double hard_swish(double x, double alpha, double beta)
{
    return x * hard_sigmoid(x, alpha, beta);
}

enum spacc_status spacc_op_hard_swish(struct spacc_op_call *c)
{
    return activate(c, hard_swish, 1.0 / 6.0, 0.5);
}

/* log(1 + e^x) without overflow. */
static double softplus(double x, double none, double nothing)
{
    (void)none, (void)nothing;
    return x > 0.0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

enum spacc_status spacc_op_softplus(struct spacc_op_call *c)
{
    return activate(c, softplus, 0.0, 0.0);
}

static double softsign(double x, double none, double nothing)
{
    (void)none, (void)nothing;
    return isinf(x) ? copysign(1.0, x) : x / (1.0 + fabs(x));
}

enum spacc_status spacc_op_softsign(struct spacc_op_call *c)
{
    return activate(c, softsign, 0.0, 0.0);
}

static double mish(double x, double none, double nothing)
{
    return x * tanh(softplus(x, none, nothing));
}

enum spacc_status spacc_op_mish(struct spacc_op_call *c)
{
    return activate(c, mish, 0.0, 0.0);
}

static double gelu(double x, double none, double nothing)
{
    (void)none, (void)nothing;
    return 0.5 * x * (1.0 + erf(x * 0.70710678118654752440));
}

static double gelu_tanh(double x, double none, double nothing)
{
    (void)none, (void)nothing;
    const double root = 0.79788456080286535588; /* of 2 / pi */
    return 0.5 * x * (1.0 + tanh(root * (x + 0.044715 * x * x * x)));
}

enum spacc_status spacc_op_gelu(struct spacc_op_call *c)
{
    const struct spacc_attr *a = spacc_node_attr(c->node, "approximate");
    const char *how = a ? a->s : "none";
    if (strcmp(how, "none") == 0)
        return activate(c, gelu, 0.0, 0.0);
    if (strcmp(how, "tanh") == 0)
        return activate(c, gelu_tanh, 0.0, 0.0);
    return spacc_op_fail(c, SPACC_EUNSUPPORTED, "approximate '%s' is not none or tanh", how);
}

static double shrink(double x, double lambda, double bias)
{
    return x < -lambda ? x + bias : x > lambda ? x - bias : x != x ? x : 0.0;
}

/* Integers go by way of double and back towards zero. */
enum spacc_status spacc_op_shrink(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    const double lambda = parameter(c, "lambd", 0.5f), bias = parameter(c, "bias", 0.0f);
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_NUMBER));
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_op_output(c, 0, x->dtype, x->rank, x->dims, &y));
    for (size_t i = 0; !c->shape_only && i < y->count; i++)
        spacc_ops_put(y, i, shrink(spacc_tensor_element(x, i), lambda, bias));
    return SPACC_OK;
}
