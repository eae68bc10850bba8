/* Multinomial: samples from a generator of its own. */
#include "models/ops_util.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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
