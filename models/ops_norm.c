/* Normalisations. Means and variances are sums in double over the elements in row-major
 * order, the variance from the differences to the mean. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/ops_util.h"

/* ---- moments ----------------------------------------------------------------- */

/* Mean and variance over the reduced axes of x, an array of `rank` axes: one pair for each
 * index of the others. */
struct moments {
    int rank;
    int64_t dims[SPACC_RANK_MAX];
    bool reduced[SPACC_RANK_MAX];
    size_t kept;                       /* pairs */
    int64_t stride[2][SPACC_RANK_MAX]; /* in x; among the pairs */
    double *mean, *variance;
};

static struct spacc_walk walk(struct moments *m)
{
    struct spacc_walk w;
    spacc_walk_init(&w, 2, m->rank, m->dims, m->stride, NULL);
    return w;
}

static void take_moments(struct moments *m, const float *x, size_t count)
{
    const double each = m->kept ? (double)(count / m->kept) : 1.0;
    struct spacc_walk w = walk(m);
    for (size_t r = 0; r < w.rows; r++, spacc_walk_next(&w))
        for (int64_t i = 0; i < (int64_t)w.inner; i++)
            m->mean[w.at[1] + i * w.step[1]] += (double)x[w.at[0] + i * w.step[0]];
    for (size_t k = 0; k < m->kept; k++)
        m->mean[k] /= each;
    w = walk(m);
    for (size_t r = 0; r < w.rows; r++, spacc_walk_next(&w))
        for (int64_t i = 0; i < (int64_t)w.inner; i++) {
            const int64_t k = w.at[1] + i * w.step[1];
            const double d = (double)x[w.at[0] + i * w.step[0]] - m->mean[k];
            m->variance[k] += d * d;
        }
    for (size_t k = 0; k < m->kept; k++)
        m->variance[k] /= each;
}

static void moments_release(struct moments *m)
{
    free(m->mean);
    free(m->variance);
}

/* dims and reduced are filled. Release in any case. */
static enum spacc_status moments_of(struct spacc_op_call *c, struct moments *m, const float *x,
                                    size_t count)
{
    int64_t pairs[SPACC_RANK_MAX];
    m->kept = 1;
    for (int i = 0; i < m->rank; i++) {
        pairs[i] = m->reduced[i] ? 1 : m->dims[i];
        m->kept *= (size_t)pairs[i];
    }
    spacc_ops_strides(m->stride[0], m->rank, m->dims);
    spacc_ops_strides(m->stride[1], m->rank, pairs);
    for (int i = 0; i < m->rank; i++)
        if (m->reduced[i])
            m->stride[1][i] = 0;
    m->mean = calloc(m->kept + 1, sizeof(*m->mean));
    m->variance = calloc(m->kept + 1, sizeof(*m->variance));
    if (!m->mean || !m->variance)
        return spacc_op_fail(c, SPACC_ENOMEM, "no memory for %zu means", m->kept);
    take_moments(m, x, count);
    return SPACC_OK;
}

/* y = (x - mean) / sqrt(variance + epsilon) */
static void normalise(struct moments *m, float *y, const float *x, double epsilon)
{
    struct spacc_walk w = walk(m);
    for (size_t r = 0; r < w.rows; r++, spacc_walk_next(&w))
        for (int64_t i = 0; i < (int64_t)w.inner; i++) {
            const int64_t at = w.at[0] + i * w.step[0], k = w.at[1] + i * w.step[1];
            y[at] = (float)(((double)x[at] - m->mean[k]) / sqrt(m->variance[k] + epsilon));
        }
}

/* ---- shared shapes ------------------------------------------------------------ */

/* Elements of the axes first..last-1; an axis of 0 among others makes no overflow. */
static int64_t product(const struct spacc_tensor *t, int first, int last)
{
    uint64_t all = 1;
    for (int i = first; i < last; i++)
        all *= (uint64_t)t->dims[i];
    return (int64_t)all;
}

/* Inputs first..first+count-1 are lists of `want` numbers. */
static enum spacc_status check_lists(struct spacc_op_call *c, int first, int count,
                                     int64_t want)
{
    char text[SPACC_TEXT_BYTES];
    for (int i = first; i < first + count; i++)
        if (c->in[i]->rank != 1 || c->in[i]->dims[0] != want)
            return spacc_op_fail(c, SPACC_ESHAPE,
                                 "input %d has shape %s, [%" PRId64 "] is "
                                 "wanted",
                                 i, spacc_ops_shape_text(text, c->in[i]->rank, c->in[i]->dims),
                                 want);
    return SPACC_OK;
}

static enum spacc_status check_rank(struct spacc_op_call *c, int least)
{
    char text[SPACC_TEXT_BYTES];
    const struct spacc_tensor *x = c->in[0];
    if (x->rank >= least)
        return SPACC_OK;
    return spacc_op_fail(c, SPACC_ESHAPE, "input has shape %s, it needs %d axes or more",
                         spacc_ops_shape_text(text, x->rank, x->dims), least);
}

/* y[.., k, ..] = y * scale[k] + bias[k] for y of `planes` rows of `plane` elements, where
 * row r belongs to entry r / each % entries. */
static void scale_rows(float *y, int64_t planes, int64_t plane, const float *scale,
                       const float *bias, int64_t each, int64_t entries)
{
    for (int64_t r = 0; r < planes; r++) {
        const int64_t k = r / each % entries;
        for (int64_t i = 0; i < plane; i++)
            y[r * plane + i] = y[r * plane + i] * scale[k] + bias[k];
    }
}

/* ---- BatchNormalization ------------------------------------------------------ */

static enum spacc_status check_batch_norm(struct spacc_op_call *c, bool training)
{
    TRY(spacc_ops_attr_opset(c, "training_mode", 14, INT32_MAX));
    TRY(spacc_ops_attr_opset(c, "spatial", 1, 8));
    TRY(spacc_ops_attr_opset(c, "is_test", 1, 6));
    if (spacc_ops_opset(c) < 7 && spacc_node_int(c->node, "is_test", 0) == 0)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED,
                             "attribute 'is_test' of 0 is not supported");
    if (spacc_node_int(c->node, "spatial", 1) != 1)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED,
                             "attribute 'spatial' of 0 is not supported");
    for (int i = 1; i < c->outs; i++)
        if (spacc_ops_wanted(c, i) && (!training || i > 2))
            return spacc_op_fail(c, SPACC_EUNSUPPORTED,
                                 "output %d is of training only: it is not supported", i);
    return SPACC_OK;
}

/* Running mean or variance: old * momentum + new * (1 - momentum). */
static enum spacc_status running(struct spacc_op_call *c, int out, int in, const double *now)
{
    const double momentum = (double)spacc_node_float(c->node, "momentum", 0.9f);
    struct spacc_tensor *t;
    if (!spacc_ops_wanted(c, out))
        return SPACC_OK;
    TRY(spacc_op_output(c, out, SPACC_F32, 1, c->in[in]->dims, &t));
    for (size_t k = 0; k < t->count && !c->shape_only; k++)
        ((float *)t->data)[k] = (float)((double)((const float *)c->in[in]->data)[k] * momentum +
                                        now[k] * (1.0 - momentum));
    return SPACC_OK;
}

static enum spacc_status train(struct spacc_op_call *c, struct moments *m,
                               struct spacc_tensor *y)
{
    const float *x = c->in[0]->data;
    enum spacc_status status = SPACC_OK;
    if (!c->shape_only)
        status = moments_of(c, m, x, c->in[0]->count);
    if (status == SPACC_OK)
        status = running(c, 1, 3, m->mean);
    if (status == SPACC_OK)
        status = running(c, 2, 4, m->variance);
    if (status == SPACC_OK && !c->shape_only)
        normalise(m, y->data, x, (double)spacc_node_float(c->node, "epsilon", 1e-5f));
    moments_release(m);
    return status;
}

/* By the stored mean and variance: one factor and one addend a channel. */
static void infer(const struct spacc_op_call *c, const struct moments *m, float *y)
{
    const float *x = c->in[0]->data, *scale = c->in[1]->data, *bias = c->in[2]->data;
    const float *mean = c->in[3]->data, *variance = c->in[4]->data;
    const float epsilon = spacc_node_float(c->node, "epsilon", 1e-5f);
    for (int64_t r = 0; r < m->dims[0] * m->dims[1]; r++) {
        const int64_t k = r % m->dims[1], plane = m->dims[2];
        const float factor = scale[k] / sqrtf(variance[k] + epsilon);
        for (int64_t i = 0; i < plane; i++)
            y[r * plane + i] = (x[r * plane + i] - mean[k]) * factor + bias[k];
    }
}

enum spacc_status spacc_op_batch_normalization(struct spacc_op_call *c)
{
    const bool training = spacc_node_int(c->node, "training_mode", 0) != 0;
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 5, SPACC_TYPE(F32)));
    TRY(check_batch_norm(c, training));
    TRY(check_rank(c, 1));
    const struct spacc_tensor *x = c->in[0];
    const int64_t channels = x->rank > 1 ? x->dims[1] : 1;
    TRY(check_lists(c, 1, 4, channels));
    TRY(spacc_op_output(c, 0, SPACC_F32, x->rank, x->dims, &y));
    struct moments m = {.rank = 3,
                        .dims = {x->dims[0], channels, product(x, 2, x->rank)},
                        .reduced = {true, false, true}};
    if (training) {
        TRY(train(c, &m, y));
        if (!c->shape_only)
            scale_rows(y->data, y->count ? m.dims[0] * channels : 0, m.dims[2], c->in[1]->data,
                       c->in[2]->data, 1, channels);
    } else if (!c->shape_only && y->count > 0) {
        infer(c, &m, y->data);
    }
    return SPACC_OK;
}

/* ---- InstanceNormalization, GroupNormalization -------------------------------- */

/* x as [rows][row]: each row is normalised by itself. */
static enum spacc_status normalise_rows(struct spacc_op_call *c, struct spacc_tensor *y,
                                        int64_t rows, int64_t row)
{
    struct moments m = {.rank = 2, .dims = {rows, row}, .reduced = {false, true}};
    const enum spacc_status status = moments_of(c, &m, c->in[0]->data, y->count);
    if (status == SPACC_OK)
        normalise(&m, y->data, c->in[0]->data,
                  (double)spacc_node_float(c->node, "epsilon", 1e-5f));
    moments_release(&m);
    return status;
}

enum spacc_status spacc_op_instance_normalization(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 3, SPACC_TYPE(F32)));
    TRY(check_rank(c, 3));
    const struct spacc_tensor *x = c->in[0];
    const int64_t plane = product(x, 2, x->rank), planes = product(x, 0, 2);
    TRY(check_lists(c, 1, 2, x->dims[1]));
    TRY(spacc_op_output(c, 0, SPACC_F32, x->rank, x->dims, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    TRY(normalise_rows(c, y, planes, plane));
    scale_rows(y->data, planes, plane, c->in[1]->data, c->in[2]->data, 1, x->dims[1]);
    return SPACC_OK;
}

enum spacc_status spacc_op_group_normalization(struct spacc_op_call *c)
{
    const int64_t groups = spacc_node_int(c->node, "num_groups", 0);
    const bool by_group = spacc_ops_opset(c) < 21; /* whose scale and bias */
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 3, SPACC_TYPE(F32)));
    TRY(spacc_ops_attr_opset(c, "stash_type", 21, INT32_MAX));
    TRY(check_rank(c, 3));
    const struct spacc_tensor *x = c->in[0];
    if (groups < 1 || x->dims[1] % groups)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "%" PRId64 " channels do not split in %" PRId64 " groups",
                             x->dims[1], groups);
    TRY(check_lists(c, 1, 2, by_group ? groups : x->dims[1]));
    TRY(spacc_op_output(c, 0, SPACC_F32, x->rank, x->dims, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    const int64_t plane = product(x, 2, x->rank), each = x->dims[1] / groups;
    TRY(normalise_rows(c, y, x->dims[0] * groups, each * plane));
    scale_rows(y->data, x->dims[0] * x->dims[1], plane, c->in[1]->data, c->in[2]->data,
               by_group ? each : 1, by_group ? groups : x->dims[1]);
    return SPACC_OK;
}

/* ---- LayerNormalization ------------------------------------------------------ */

/* Input `i` must broadcast to the shape of x, and not the other way. */
static enum spacc_status check_addend(struct spacc_op_call *c, int i)
{
    const struct spacc_tensor *x = c->in[0], *t = spacc_ops_in(c, i);
    int64_t dims[SPACC_RANK_MAX];
    int rank = x->rank;
    char has[SPACC_TEXT_BYTES], wants[SPACC_TEXT_BYTES];
    if (!t)
        return SPACC_OK;
    memcpy(dims, x->dims, sizeof(dims));
    TRY(spacc_ops_broadcast(c, &rank, dims, i, 1));
    if (rank == x->rank && memcmp(dims, x->dims, (size_t)rank * sizeof(*dims)) == 0)
        return SPACC_OK;
    return spacc_op_fail(c, SPACC_ESHAPE, "input %d of shape %s does not broadcast to %s", i,
                         spacc_ops_shape_text(has, t->rank, t->dims),
                         spacc_ops_shape_text(wants, x->rank, x->dims));
}

/* y = y * scale, then y + bias, each broadcast. */
static void scale_and_add(const struct spacc_op_call *c, struct spacc_tensor *y)
{
    float *to = y->data;
    for (int k = 1; k <= 2 && spacc_ops_in(c, k); k++) {
        const float *from = c->in[k]->data;
        struct spacc_walk w;
        spacc_walk_broadcast(&w, c, k, 1, y->rank, y->dims);
        for (size_t r = 0; r < w.rows; r++, spacc_walk_next(&w))
            for (size_t i = 0; i < w.inner; i++) {
                const float v = from[w.at[0] + (int64_t)i * w.step[0]];
                float *at = &to[r * w.inner + i];
                *at = k == 1 ? *at * v : *at + v;
            }
    }
}

/* Mean and 1 / standard deviation as outputs 1 and 2. */
static enum spacc_status give_moments(struct spacc_op_call *c, const struct moments *m,
                                      int axis, double epsilon)
{
    const struct spacc_tensor *x = c->in[0];
    int64_t dims[SPACC_RANK_MAX];
    struct spacc_tensor *t;
    for (int i = 0; i < x->rank; i++)
        dims[i] = i < axis ? x->dims[i] : 1;
    for (int o = 1; o <= 2; o++) {
        if (!spacc_ops_wanted(c, o))
            continue;
        TRY(spacc_op_output(c, o, SPACC_F32, x->rank, dims, &t));
        for (size_t k = 0; k < t->count && !c->shape_only; k++)
            ((float *)t->data)[k] =
                (float)(o == 1 ? m->mean[k] : 1.0 / sqrt(m->variance[k] + epsilon));
    }
    return SPACC_OK;
}

enum spacc_status spacc_op_layer_normalization(struct spacc_op_call *c)
{
    const double epsilon = (double)spacc_node_float(c->node, "epsilon", 1e-5f);
    struct spacc_tensor *y;
    enum spacc_status status = SPACC_OK;
    int axis;
    TRY(spacc_ops_check(c, 2, SPACC_TYPE(F32)));
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_ops_axis(c, &axis, spacc_node_int(c->node, "axis", -1), x->rank));
    if (spacc_node_int(c->node, "stash_type", 1) != 1)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED, "attribute 'stash_type' is not float32");
    TRY(check_addend(c, 1));
    TRY(check_addend(c, 2));
    TRY(spacc_op_output(c, 0, SPACC_F32, x->rank, x->dims, &y));
    struct moments m = {.rank = 2,
                        .dims = {product(x, 0, axis), product(x, axis, x->rank)},
                        .reduced = {false, true}};
    if (!c->shape_only)
        status = moments_of(c, &m, x->data, x->count);
    if (status == SPACC_OK)
        status = give_moments(c, &m, axis, epsilon);
    if (status == SPACC_OK && !c->shape_only) {
        normalise(&m, y->data, x->data, epsilon);
        scale_and_add(c, y);
    }
    moments_release(&m);
    return status;
}

/* ---- MeanVarianceNormalization ------------------------------------------------ */

/* (x - mean) / (standard deviation + 1e-9) over `axes`. */
enum spacc_status spacc_op_mean_variance_normalization(struct spacc_op_call *c)
{
    static const int64_t usual[] = {0, 2, 3};
    const struct spacc_attr *a = spacc_node_attr(c->node, "axes");
    const struct spacc_ops_ints axes = {true, a ? a->count : 3, a ? a->ints : usual, NULL};
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 1, SPACC_TYPE(F32)));
    const struct spacc_tensor *x = c->in[0];
    struct moments m = {.rank = x->rank};
    memcpy(m.dims, x->dims, sizeof(m.dims));
    TRY(spacc_ops_axes(c, m.reduced, &axes, x->rank));
    TRY(spacc_op_output(c, 0, SPACC_F32, x->rank, x->dims, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    const enum spacc_status status = moments_of(c, &m, x->data, x->count);
    for (size_t k = 0; k < m.kept && status == SPACC_OK; k++) {
        const double deviation = sqrt(m.variance[k]) + 1e-9;
        m.variance[k] = deviation * deviation;
    }
    if (status == SPACC_OK)
        normalise(&m, y->data, x->data, 0.0);
    moments_release(&m);
    return status;
}

/* ---- LRN --------------------------------------------------------------------- */

/* Squares of the channels around `channel`, at one place of every plane. */
static double squares(const float *x, int64_t channels, int64_t plane, int64_t channel,
                      int64_t size)
{
    const int64_t low = channel - (size - 1) / 2, high = channel + size / 2;
    double sum = 0;
    for (int64_t k = low < 0 ? 0 : low; k <= high && k < channels; k++)
        sum += (double)x[k * plane] * (double)x[k * plane];
    return sum;
}

enum spacc_status spacc_op_lrn(struct spacc_op_call *c)
{
    const float alpha = spacc_node_float(c->node, "alpha", 1e-4f);
    const float beta = spacc_node_float(c->node, "beta", 0.75f);
    const float bias = spacc_node_float(c->node, "bias", 1.0f);
    const int64_t size = spacc_node_int(c->node, "size", 0);
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 1, SPACC_TYPE(F32)));
    TRY(check_rank(c, 3));
    if (size < 1 || size > INT32_MAX)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED, "size is %" PRId64 ", 1..%d is possible",
                             size, INT32_MAX);
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_op_output(c, 0, SPACC_F32, x->rank, x->dims, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    const int64_t plane = product(x, 2, x->rank), channels = x->dims[1];
    for (int64_t i = 0; i < (int64_t)y->count; i++) {
        const int64_t channel = i / plane % channels, image = i / plane / channels;
        const float *at = (const float *)x->data + image * channels * plane + i % plane;
        const double sum = squares(at, channels, plane, channel, size);
        ((float *)y->data)[i] =
            (float)((double)((const float *)x->data)[i] /
                    pow((double)bias + (double)alpha / (double)size * sum, (double)beta));
    }
    return SPACC_OK;
}

/* ---- PRelu ------------------------------------------------------------------- */

/* Before opset 7 a slope of one axis is one number a channel, or one for all. */
static enum spacc_status old_prelu(struct spacc_op_call *c)
{
    const struct spacc_tensor *x = c->in[0], *slope = c->in[1];
    struct spacc_tensor *y;
    const int64_t channels = x->rank > 1 ? x->dims[1] : 1;
    if (slope->count != 1)
        TRY(check_lists(c, 1, 1, channels));
    TRY(spacc_op_output(c, 0, SPACC_F32, x->rank, x->dims, &y));
    const int64_t plane = product(x, 2, x->rank);
    for (size_t i = 0; i < y->count && !c->shape_only; i++) {
        const size_t k = slope->count == 1 ? 0 : i / (size_t)plane % (size_t)channels;
        const float v = ((const float *)x->data)[i];
        ((float *)y->data)[i] = v < 0.0f ? v * ((const float *)slope->data)[k] : v;
    }
    return SPACC_OK;
}

enum spacc_status spacc_op_prelu(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    struct spacc_walk w;
    TRY(spacc_ops_check(c, 2, SPACC_TYPE(F32)));
    if (spacc_ops_opset(c) < 7)
        return old_prelu(c);
    TRY(check_addend(c, 1));
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_op_output(c, 0, SPACC_F32, x->rank, x->dims, &y));
    if (c->shape_only)
        return SPACC_OK;
    const float *from = x->data, *slope = c->in[1]->data;
    float *to = y->data;
    spacc_walk_broadcast(&w, c, 1, 1, x->rank, x->dims);
    for (size_t r = 0; r < w.rows; r++, spacc_walk_next(&w))
        for (size_t i = 0; i < w.inner; i++) {
            const size_t at = r * w.inner + i;
            to[at] =
                from[at] < 0.0f ? from[at] * slope[w.at[0] + (int64_t)i * w.step[0]] : from[at];
        }
    return SPACC_OK;
}
