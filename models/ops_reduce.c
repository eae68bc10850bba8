/* Softmax, sums and means along axes, and Multinomial. Floats are summed in double,
 * in row-major order of the input. */
#include "models/ops_util.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Softmax ----------------------------------------------------------------- */

/* One softmax over `count` elements that are `step` apart. */
#define SOFTMAX_LINE(function, type, exponential)                           \
    static void function(type *y, const type *x, size_t count, size_t step) \
    {                                                                       \
        double sum = 0.0;                                                   \
        type highest = x[0];                                                \
        for (size_t i = 1; i < count; i++)                                  \
            if (x[i * step] > highest)                                      \
                highest = x[i * step];                                      \
        for (size_t i = 0; i < count; i++) {                                \
            y[i * step] = exponential(x[i * step] - highest);               \
            sum += (double)y[i * step];                                     \
        }                                                                   \
        for (size_t i = 0; i < count; i++)                                  \
            y[i * step] = (type)((double)y[i * step] / sum);                \
    }

SOFTMAX_LINE(softmax_f32, float, expf)
SOFTMAX_LINE(softmax_f64, double, exp)

static size_t product(const int64_t *dims, int first, int last)
{
    size_t count = 1;
    for (int i = first; i < last; i++)
        count *= (size_t)dims[i];
    return count;
}

/* Before opset 13 all axes from `axis` on are one; from then on only `axis`. */
enum spacc_status spacc_op_softmax(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    int axis;
    const bool one_axis = spacc_ops_opset(c) >= 13;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_FLOAT));
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_ops_axis(c, &axis, spacc_node_int(c->node, "axis", one_axis ? -1 : 1), x->rank));
    TRY(spacc_op_output(c, 0, x->dtype, x->rank, x->dims, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    const size_t outer = product(x->dims, 0, axis);
    const size_t count = product(x->dims, axis, one_axis ? axis + 1 : x->rank);
    const size_t step = y->count / outer / count;
    for (size_t i = 0; i < outer * step; i++) {
        const size_t at = i / step * count * step + i % step;
        if (y->dtype == SPACC_F32)
            softmax_f32((float *)y->data + at, (const float *)x->data + at, count, step);
        else
            softmax_f64((double *)y->data + at, (const double *)x->data + at, count, step);
    }
    return SPACC_OK;
}

/* ---- ReduceSum and ReduceMean ------------------------------------------------ */

struct reduction {
    bool axes[SPACC_RANK_MAX];
    int rank; /* of the output */
    int64_t dims[SPACC_RANK_MAX];
    int64_t stride[SPACC_RANK_MAX]; /* input axis to output elements; 0: summed */
    bool nothing;                   /* no axes, and none asked for */
};

static void output_shape(struct reduction *r, const struct spacc_tensor *x, bool keep)
{
    int64_t kept[SPACC_RANK_MAX], step[SPACC_RANK_MAX];
    r->rank = 0;
    for (int i = 0; i < x->rank; i++) {
        kept[i] = r->axes[i] ? 1 : x->dims[i];
        if (keep || !r->axes[i])
            r->dims[r->rank++] = kept[i];
    }
    spacc_ops_strides(step, x->rank, kept);
    for (int i = 0; i < x->rank; i++)
        r->stride[i] = r->axes[i] ? 0 : step[i];
}

/* axes are an attribute before opset `input_from`, an input from then on. */
static enum spacc_status plan_reduction(struct spacc_op_call *c, struct reduction *r,
                                        int input_from)
{
    struct spacc_ops_ints axes;
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_ops_attr_opset(c, "noop_with_empty_axes", input_from, INT32_MAX));
    TRY(spacc_ops_ints(c, &axes, "axes", 1, input_from));
    TRY(spacc_ops_axes(c, r->axes, &axes, x->rank));
    r->nothing = axes.count == 0 && spacc_node_int(c->node, "noop_with_empty_axes", 0) != 0;
    for (int i = 0; i < x->rank; i++)
        if (axes.count == 0)
            r->axes[i] = !r->nothing;
    output_shape(r, x, spacc_node_int(c->node, "keepdims", 1) != 0);
    return SPACC_OK;
}

/* sums[out] += x over every element of x; float types in double, others in 64 bits. */
static void sum_all(const struct reduction *r, const struct spacc_tensor *x, double *sums,
                    uint64_t *int_sums)
{
    struct spacc_walk w;
    int64_t stride[2][SPACC_RANK_MAX];
    spacc_ops_strides(stride[0], x->rank, x->dims);
    memcpy(stride[1], r->stride, sizeof(stride[1]));
    spacc_walk_init(&w, 2, x->rank, x->dims, stride, NULL);
    for (size_t row = 0; row < w.rows; row++, spacc_walk_next(&w))
        for (size_t i = 0; i < w.inner; i++) {
            const int64_t from = w.at[0] + (int64_t)i * w.step[0];
            const int64_t to = w.at[1] + (int64_t)i * w.step[1];
            switch (x->dtype) {
            case SPACC_F32: sums[to] += (double)((const float *)x->data)[from]; break;
            case SPACC_F64: sums[to] += ((const double *)x->data)[from]; break;
            case SPACC_I32: int_sums[to] += (uint64_t)((const int32_t *)x->data)[from]; break;
            default: int_sums[to] += (uint64_t)((const int64_t *)x->data)[from]; break;
            }
        }
}

/* y = sums / divisor; integers towards zero. */
static void store_sums(struct spacc_tensor *y, const double *sums, const uint64_t *int_sums,
                       size_t divisor)
{
    for (size_t i = 0; i < y->count; i++)
        switch (y->dtype) {
        case SPACC_F32: ((float *)y->data)[i] = (float)(sums[i] / (double)divisor); break;
        case SPACC_F64: ((double *)y->data)[i] = sums[i] / (double)divisor; break;
        case SPACC_I32:
            ((int32_t *)y->data)[i] = (int32_t)((int64_t)int_sums[i] / (int64_t)divisor);
            break;
        default: ((int64_t *)y->data)[i] = (int64_t)int_sums[i] / (int64_t)divisor; break;
        }
}

static enum spacc_status reduce(struct spacc_op_call *c, int input_from, bool mean)
{
    struct reduction r = {0};
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_WIDE));
    TRY(plan_reduction(c, &r, input_from));
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_op_output(c, 0, x->dtype, r.rank, r.dims, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    if (r.nothing) {
        spacc_ops_memcpy(y->data, x->data, x->count * spacc_dtype_bytes(x->dtype));
        return SPACC_OK;
    }
    const size_t each = x->count / y->count; /* 0: an empty sum; a mean of it is NaN */
    if (mean && each == 0 && !(SPACC_TYPES_FLOAT & (1u << x->dtype)))
        return spacc_op_fail(c, SPACC_EINVAL, "integer mean of no elements");
    void *sums = calloc(y->count, sizeof(double));
    if (!sums)
        return spacc_op_fail(c, SPACC_ENOMEM, "no memory for %zu sums", y->count);
    sum_all(&r, x, sums, sums);
    store_sums(y, sums, sums, mean ? each : 1);
    free(sums);
    return SPACC_OK;
}

enum spacc_status spacc_op_reduce_sum(struct spacc_op_call *c)
{
    return reduce(c, 13, false);
}

enum spacc_status spacc_op_reduce_mean(struct spacc_op_call *c)
{
    return reduce(c, 18, true);
}

/* ---- Multinomial ------------------------------------------------------------- */

/* A generator of our own (xorshift64*), so that a seed gives the same samples on every
 * machine; they are not those of other runtimes. Without `seed` it is 0. */
static double next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (double)((*state * UINT64_C(2685821657736338717)) >> 11) * 0x1p-53;
}

static uint64_t first_state(float seed)
{
    uint32_t bits;
    memcpy(&bits, &seed, sizeof(bits));
    return bits * UINT64_C(0x9E3779B97F4A7C15) ^ UINT64_C(0xD1B54A32D192ED03);
}

/* weight[i] = e^(x[i] - max x); returns their sum. */
static double weigh(double *weight, const struct spacc_tensor *x, size_t row, size_t classes)
{
    double highest = -INFINITY, sum = 0.0;
    for (size_t i = 0; i < classes; i++) {
        const size_t at = row * classes + i;
        weight[i] = x->dtype == SPACC_F32 ? (double)((const float *)x->data)[at]
                                          : ((const double *)x->data)[at];
        highest = weight[i] > highest ? weight[i] : highest;
    }
    for (size_t i = 0; i < classes; i++) {
        weight[i] = exp(weight[i] - highest);
        sum += weight[i];
    }
    return sum;
}

static size_t draw(const double *weight, size_t classes, double point)
{
    size_t i = 0;
    for (; i + 1 < classes; i++) {
        point -= weight[i];
        if (point < 0.0)
            break;
    }
    return i;
}

static void sample(const struct spacc_op_call *c, struct spacc_tensor *y, double *weight)
{
    const size_t classes = (size_t)c->in[0]->dims[1], samples = (size_t)y->dims[1];
    uint64_t state = first_state(spacc_node_float(c->node, "seed", 0.0f));
    double sum = 0.0;
    for (size_t i = 0; i < y->count; i++) {
        if (i % samples == 0)
            sum = weigh(weight, c->in[0], i / samples, classes);
        const size_t pick = draw(weight, classes, next_random(&state) * sum);
        if (y->dtype == SPACC_I32)
            ((int32_t *)y->data)[i] = (int32_t)pick;
        else
            ((int64_t *)y->data)[i] = (int64_t)pick;
    }
}

enum spacc_status spacc_op_multinomial(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    char text[SPACC_TEXT_BYTES];
    const int64_t dtype = spacc_node_int(c->node, "dtype", SPACC_I32);
    const int64_t samples = spacc_node_int(c->node, "sample_size", 1);
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_FLOAT));
    const struct spacc_tensor *x = c->in[0];
    if (dtype != SPACC_I32 && dtype != SPACC_I64)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED, "dtype is %" PRId64 ", not int32 or int64",
                             dtype);
    if (x->rank != 2 || x->dims[1] < 1 || x->dims[1] > INT32_MAX || samples < 0)
        return spacc_op_fail(c, SPACC_ESHAPE, "cannot draw %" PRId64 " samples from shape %s",
                             samples, spacc_ops_shape_text(text, x->rank, x->dims));
    TRY(spacc_op_output(c, 0, (enum spacc_dtype)dtype, 2,
                        (const int64_t[]){x->dims[0], samples}, &y));
    if (c->shape_only)
        return SPACC_OK;
    double *weight = calloc((size_t)x->dims[1], sizeof(*weight));
    if (!weight)
        return spacc_op_fail(c, SPACC_ENOMEM, "no memory for %" PRId64 " classes", x->dims[1]);
    sample(c, y, weight);
    free(weight);
    return SPACC_OK;
}
