/* NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss: x[batch][classes][inner] against
 * target[batch][inner]. Sums are in double, in row-major order. */
#include "models/ops_util.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

struct loss {
    const struct spacc_tensor *x, *target, *weight; /* weight may be NULL */
    size_t classes, inner;
    bool softmax; /* x are scores, not logarithms of probabilities */
    const char *reduction;
    bool ignores;
    int64_t ignored; /* class */
};

static enum spacc_status read_shapes(struct spacc_op_call *c, struct loss *l)
{
    char has[SPACC_TEXT_BYTES], wants[SPACC_TEXT_BYTES];
    const struct spacc_tensor *x = l->x, *t = l->target, *w = l->weight;
    bool fits = x->rank >= 2 && t->rank == x->rank - 1 && t->dims[0] == x->dims[0];
    for (int i = 2; fits && i < x->rank; i++)
        fits = t->dims[i - 1] == x->dims[i];
    if (!fits)
        return spacc_op_fail(c, SPACC_ESHAPE, "the target has shape %s, the input %s",
                             spacc_ops_shape_text(has, t->rank, t->dims),
                             spacc_ops_shape_text(wants, x->rank, x->dims));
    if (w && (w->rank != 1 || w->dims[0] != x->dims[1]))
        return spacc_op_fail(c, SPACC_ESHAPE, "weights of shape %s for %" PRId64 " classes",
                             spacc_ops_shape_text(has, w->rank, w->dims), x->dims[1]);
    l->classes = (size_t)x->dims[1];
    l->inner = spacc_ops_product(x->dims, 2, x->rank);
    return SPACC_OK;
}

static enum spacc_status read_loss(struct spacc_op_call *c, struct loss *l)
{
    const struct spacc_attr *reduction = spacc_node_attr(c->node, "reduction");
    TRY(spacc_ops_check(c, 2, SPACC_TYPES_WIDE));
    TRY(spacc_ops_types(c, 0, SPACC_TYPES_FLOAT));
    TRY(spacc_ops_types(c, 1, SPACC_TYPES_INDEX));
    TRY(spacc_ops_same_type(c, 0, 2));
    l->x = c->in[0];
    l->target = c->in[1];
    l->weight = spacc_ops_in(c, 2);
    l->reduction = reduction ? reduction->s : "mean";
    l->ignores = spacc_node_attr(c->node, "ignore_index") != NULL;
    l->ignored = spacc_node_int(c->node, "ignore_index", 0);
    if (strcmp(l->reduction, "none") != 0 && strcmp(l->reduction, "sum") != 0 &&
        strcmp(l->reduction, "mean") != 0)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED, "reduction '%s' is not none, sum or mean",
                             l->reduction);
    return read_shapes(c, l);
}

/* Where class 0 of target `i` is in x; its other classes are `inner` apart. */
static size_t first_class(const struct loss *l, size_t i)
{
    return i / l->inner * l->classes * l->inner + i % l->inner;
}

/* log(sum of e^x) over the classes of target `i`, as offset + *rest: 0 + 0 when x are
 * logarithms already. */
static double normaliser(const struct loss *l, size_t i, double *rest)
{
    double highest = -INFINITY, sum = 0.0;
    *rest = 0.0;
    if (!l->softmax)
        return 0.0;
    for (size_t k = 0; k < l->classes; k++) {
        const double v = spacc_tensor_element(l->x, first_class(l, i) + k * l->inner);
        highest = v > highest ? v : highest;
    }
    for (size_t k = 0; k < l->classes; k++)
        sum += exp(spacc_tensor_element(l->x, first_class(l, i) + k * l->inner) - highest);
    *rest = log(sum);
    return highest;
}

static void store_log_prob(const struct loss *l, struct spacc_tensor *y)
{
    for (size_t i = 0; y->count > 0 && i < l->target->count; i++) {
        double rest;
        const double highest = normaliser(l, i, &rest);
        for (size_t k = 0; k < l->classes; k++) {
            const size_t at = first_class(l, i) + k * l->inner;
            spacc_ops_put(y, at, spacc_tensor_element(l->x, at) - highest - rest);
        }
    }
}

/* Loss and weight of target `i`; both 0 when it is ignored. */
static enum spacc_status one_loss(struct spacc_op_call *c, const struct loss *l, size_t i,
                                  double *loss, double *weight)
{
    const int64_t target = spacc_ops_integer(l->target, i);
    double rest;
    *loss = *weight = 0.0;
    if (l->ignores && target == l->ignored)
        return SPACC_OK;
    if (target < 0 || (uint64_t)target >= l->classes)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "target %" PRId64 " at element %zu is outside %zu classes", target,
                             i, l->classes);
    const double highest = normaliser(l, i, &rest);
    const double x = spacc_tensor_element(l->x, first_class(l, i) + (size_t)target * l->inner);
    *weight = l->weight ? spacc_tensor_element(l->weight, (size_t)target) : 1.0;
    *loss = -(x - highest - rest) * *weight;
    return SPACC_OK;
}

static enum spacc_status store_loss(struct spacc_op_call *c, const struct loss *l,
                                    struct spacc_tensor *y)
{
    double sum = 0.0, weights = 0.0;
    const bool none = strcmp(l->reduction, "none") == 0;
    for (size_t i = 0; i < l->target->count; i++) {
        double loss, weight;
        TRY(one_loss(c, l, i, &loss, &weight));
        sum += loss;
        weights += weight;
        if (none)
            spacc_ops_put(y, i, loss);
    }
    if (!none)
        spacc_ops_put(y, 0, strcmp(l->reduction, "mean") == 0 ? sum / weights : sum);
    return SPACC_OK;
}

static enum spacc_status run_loss(struct spacc_op_call *c, bool softmax)
{
    struct loss l = {.softmax = softmax};
    struct spacc_tensor *loss, *log_prob = NULL;
    TRY(read_loss(c, &l));
    const bool none = strcmp(l.reduction, "none") == 0;
    TRY(spacc_op_output(c, 0, l.x->dtype, none ? l.target->rank : 0, l.target->dims, &loss));
    if (spacc_ops_wanted(c, 1))
        TRY(spacc_op_output(c, 1, l.x->dtype, l.x->rank, l.x->dims, &log_prob));
    if (c->shape_only)
        return SPACC_OK;
    if (log_prob)
        store_log_prob(&l, log_prob);
    return store_loss(c, &l, loss);
}

enum spacc_status spacc_op_nll_loss(struct spacc_op_call *c)
{
    return run_loss(c, false);
}

enum spacc_status spacc_op_softmax_cross_entropy_loss(struct spacc_op_call *c)
{
    return run_loss(c, true);
}
