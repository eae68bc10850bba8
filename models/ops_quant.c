/* QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear. Rounding is half to even and
 * results saturate. */
#include "models/ops_quant.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- shared ------------------------------------------------------------------ */

void spacc_quant_range(float low, float high, float *scale, uint8_t *zero)
{
    low = low < 0.0f ? low : 0.0f;
    high = high > 0.0f ? high : 0.0f;
    *scale = high > low ? (high - low) / 255.0f : 1.0f;
    const float at = nearbyintf(-low / *scale);
    *zero = at > 255.0f ? 255 : at > 0.0f ? (uint8_t)at : 0;
}

uint8_t spacc_quant_u8(float x, float scale, uint8_t zero)
{
    const float v = nearbyintf(x / scale) + (float)zero;
    return v > 255.0f ? 255 : v > 0.0f ? (uint8_t)v : 0;
}

/* Range of the values, 0 included. */
static void range_of(const float *x, size_t count, float *low, float *high)
{
    *low = *high = 0.0f;
    for (size_t i = 0; i < count; i++) {
        *low = x[i] < *low ? x[i] : *low;
        *high = x[i] > *high ? x[i] : *high;
    }
}

void spacc_quant_round(float *to, const float *from, size_t count)
{
    float low, high, scale;
    uint8_t zero;
    range_of(from, count, &low, &high);
    spacc_quant_range(low, high, &scale, &zero);
    for (size_t i = 0; i < count; i++)
        to[i] = (float)((int)spacc_quant_u8(from[i], scale, zero) - (int)zero) * scale;
}

static int32_t integer_at(const struct spacc_tensor *t, size_t i)
{
    switch (t->dtype) {
    case SPACC_U8: return ((const uint8_t *)t->data)[i];
    case SPACC_I8: return ((const int8_t *)t->data)[i];
    case SPACC_U16: return ((const uint16_t *)t->data)[i];
    case SPACC_I16: return ((const int16_t *)t->data)[i];
    default: return ((const int32_t *)t->data)[i];
    }
}

int32_t *spacc_quant_widen(const struct spacc_tensor *t, const struct spacc_tensor *zero,
                           size_t each, size_t entries)
{
    int32_t *to = malloc((t->count + 1) * sizeof(*to));
    for (size_t i = 0; to && i < t->count; i++)
        to[i] = integer_at(t, i) -
                (zero ? integer_at(zero, zero->count > 1 ? i / each % entries : 0) : 0);
    return to;
}

/* Lowest and highest of an integer type. */
static void limits(enum spacc_dtype dtype, double *low, double *high)
{
    *low = dtype == SPACC_I8 ? INT8_MIN : dtype == SPACC_I16 ? INT16_MIN : 0;
    *high = dtype == SPACC_I8    ? INT8_MAX
            : dtype == SPACC_U8  ? UINT8_MAX
            : dtype == SPACC_I16 ? INT16_MAX
                                 : UINT16_MAX;
}

static void store(struct spacc_tensor *y, size_t i, int32_t v)
{
    switch (y->dtype) {
    case SPACC_U8: ((uint8_t *)y->data)[i] = (uint8_t)v; break;
    case SPACC_I8: ((int8_t *)y->data)[i] = (int8_t)v; break;
    case SPACC_U16: ((uint16_t *)y->data)[i] = (uint16_t)v; break;
    default: ((int16_t *)y->data)[i] = (int16_t)v;
    }
}

void spacc_quant_store(struct spacc_tensor *y, size_t i, float v, int32_t zero)
{
    double low, high;
    limits(y->dtype, &low, &high);
    const double r = (double)nearbyintf(v) + (double)zero;
    store(y, i, (int32_t)(r > high ? high : r > low ? r : low)); /* NaN: low */
}

enum spacc_status spacc_quant_check(struct spacc_op_call *c, int i, int64_t entries)
{
    const struct spacc_tensor *t = spacc_ops_in(c, i);
    char text[SPACC_TEXT_BYTES];
    if (!t || t->count == 1 || (t->rank == 1 && t->dims[0] == entries))
        return SPACC_OK;
    return spacc_op_fail(c, SPACC_ESHAPE,
                         "input %d has shape %s, one number or %" PRId64 " are wanted", i,
                         spacc_ops_shape_text(text, t->rank, t->dims), entries);
}

/* ---- by given scales --------------------------------------------------------- */

/* Which scale an element uses: all one, one an index of an axis, or one a block of it. */
struct scales {
    size_t entries;            /* along the axis */
    size_t size, inner, block; /* elements of the axis; after it; that share a scale */
};

static size_t scale_at(const struct scales *s, size_t i)
{
    if (s->entries == 1 && s->block == 0)
        return 0;
    const size_t along = i / s->inner % s->size;
    if (s->block == 0)
        return along;
    return (i / s->inner / s->size * s->entries + along / s->block) * s->inner + i % s->inner;
}

/* One scale a block: the scales have x's shape but for the axis. */
static enum spacc_status plan_blocks(struct spacc_op_call *c, struct scales *s, int axis,
                                     int64_t block)
{
    const struct spacc_tensor *x = c->in[0], *scale = c->in[1];
    char left[SPACC_TEXT_BYTES], right[SPACC_TEXT_BYTES];
    bool fits = scale->rank == x->rank && block > 0;
    for (int i = 0; fits && i < x->rank; i++) {
        const int64_t blocks = (x->dims[i] - 1) / block + 1;
        fits = scale->dims[i] == (i == axis && x->dims[i] > 0 ? blocks : x->dims[i]);
    }
    if (!fits)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "scales of shape %s for blocks of %" PRId64 " of %s",
                             spacc_ops_shape_text(left, scale->rank, scale->dims), block,
                             spacc_ops_shape_text(right, x->rank, x->dims));
    s->block = (size_t)block;
    s->entries = (size_t)scale->dims[axis];
    return SPACC_OK;
}

static enum spacc_status plan_scales(struct spacc_op_call *c, struct scales *s)
{
    const struct spacc_tensor *x = c->in[0], *scale = c->in[1], *zero = spacc_ops_in(c, 2);
    const int64_t block = spacc_node_int(c->node, "block_size", 0);
    int axis = 0;
    char text[SPACC_TEXT_BYTES];
    *s = (struct scales){.entries = 1, .size = 1, .inner = 1};
    TRY(spacc_ops_attr_opset(c, "axis", 13, INT32_MAX));
    TRY(spacc_ops_attr_opset(c, "block_size", 21, INT32_MAX));
    if (zero && (zero->count != scale->count || zero->rank != scale->rank))
        return spacc_op_fail(c, SPACC_ESHAPE, "%zu scales and %zu zero points", scale->count,
                             zero->count);
    if (scale->rank == 0 || (scale->count == 1 && block == 0))
        return SPACC_OK;
    if (spacc_ops_opset(c) < 13)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED,
                             "a scale of shape %s exists from opset 13 on",
                             spacc_ops_shape_text(text, scale->rank, scale->dims));
    TRY(spacc_ops_axis(c, &axis, spacc_node_int(c->node, "axis", 1), x->rank));
    s->size = x->dims[axis] > 0 ? (size_t)x->dims[axis] : 1;
    for (int i = axis + 1; i < x->rank; i++)
        s->inner *= x->dims[i] > 0 ? (size_t)x->dims[i] : 1;
    if (block != 0)
        return plan_blocks(c, s, axis, block);
    s->entries = scale->count;
    return scale->rank == 1
               ? spacc_quant_check(c, 1, x->dims[axis])
               : spacc_op_fail(c, SPACC_ESHAPE, "scales have shape %s",
                               spacc_ops_shape_text(text, scale->rank, scale->dims));
}

/* Integer types that the opset quantises to. */
static unsigned integers(const struct spacc_op_call *c)
{
    return SPACC_TYPES_BYTE | (spacc_ops_opset(c) < 21 ? 0 : SPACC_TYPE(U16) | SPACC_TYPE(I16));
}

/* The type of y: that of the zero point, else output_dtype, else uint8. */
static enum spacc_status quantised_type(struct spacc_op_call *c, enum spacc_dtype *dtype)
{
    const struct spacc_tensor *zero = spacc_ops_in(c, 2);
    const int64_t asked = spacc_node_int(c->node, "output_dtype", 0);
    TRY(spacc_ops_attr_opset(c, "output_dtype", 21, INT32_MAX));
    TRY(spacc_ops_types(c, 2, integers(c)));
    *dtype = zero ? zero->dtype : asked ? (enum spacc_dtype)asked : SPACC_U8;
    if (zero && asked && asked != (int64_t)zero->dtype)
        return spacc_op_fail(c, SPACC_ESHAPE, "output_dtype is not the zero point's type %s",
                             spacc_dtype_name((int)zero->dtype));
    if (asked < 0 || asked > 31 || !(integers(c) & (1u << *dtype)))
        return spacc_op_fail(c, SPACC_EUNSUPPORTED, "output type %s is not supported",
                             spacc_dtype_name((int)(asked < 0 || asked > 31 ? -1 : asked)));
    return SPACC_OK;
}

enum spacc_status spacc_op_quantize_linear(struct spacc_op_call *c)
{
    struct scales s;
    struct spacc_tensor *y;
    enum spacc_dtype dtype;
    TRY(spacc_ops_check(c, 2, SPACC_TYPES_ALL));
    TRY(spacc_ops_types(c, 0, SPACC_TYPE(F32) | SPACC_TYPE(I32)));
    TRY(spacc_ops_types(c, 1, SPACC_TYPE(F32)));
    TRY(spacc_ops_attr_opset(c, "saturate", 19, INT32_MAX)); /* of float8 only */
    TRY(quantised_type(c, &dtype));
    TRY(plan_scales(c, &s));
    const struct spacc_tensor *x = c->in[0], *zero = spacc_ops_in(c, 2);
    TRY(spacc_op_output(c, 0, dtype, x->rank, x->dims, &y));
    for (size_t i = 0; i < y->count && !c->shape_only; i++) {
        const size_t k = scale_at(&s, i);
        const float v = x->dtype == SPACC_F32 ? ((const float *)x->data)[i]
                                              : (float)((const int32_t *)x->data)[i];
        spacc_quant_store(y, i, v / ((const float *)c->in[1]->data)[k],
                          zero ? integer_at(zero, k) : 0);
    }
    return SPACC_OK;
}

enum spacc_status spacc_op_dequantize_linear(struct spacc_op_call *c)
{
    struct scales s;
    struct spacc_tensor *y;
    TRY(spacc_ops_check(c, 2, SPACC_TYPES_ALL));
    TRY(spacc_ops_types(c, 0, integers(c) | SPACC_TYPE(I32)));
    TRY(spacc_ops_types(c, 1, SPACC_TYPE(F32)));
    TRY(spacc_ops_same_type(c, 0, 2));
    TRY(plan_scales(c, &s));
    const struct spacc_tensor *x = c->in[0], *zero = spacc_ops_in(c, 2);
    TRY(spacc_op_output(c, 0, SPACC_F32, x->rank, x->dims, &y));
    for (size_t i = 0; i < y->count && !c->shape_only; i++) {
        const size_t k = scale_at(&s, i);
        const int64_t v = (int64_t)integer_at(x, i) - (zero ? integer_at(zero, k) : 0);
        ((float *)y->data)[i] = (float)v * ((const float *)c->in[1]->data)[k];
    }
    return SPACC_OK;
}

/* ---- by the values' own range ------------------------------------------------- */

enum spacc_status spacc_op_dynamic_quantize_linear(struct spacc_op_call *c)
{
    struct spacc_tensor *y, *scale, *zero;
    float low, high;
    TRY(spacc_ops_check(c, 1, SPACC_TYPE(F32)));
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_op_output(c, 0, SPACC_U8, x->rank, x->dims, &y));
    TRY(spacc_op_output(c, 1, SPACC_F32, 0, NULL, &scale));
    TRY(spacc_op_output(c, 2, SPACC_U8, 0, NULL, &zero));
    if (c->shape_only)
        return SPACC_OK;
    const float *from = x->data;
    range_of(from, x->count, &low, &high);
    spacc_quant_range(low, high, scale->data, zero->data);
    for (size_t i = 0; i < x->count; i++)
        ((uint8_t *)y->data)[i] =
            spacc_quant_u8(from[i], *(const float *)scale->data, *(const uint8_t *)zero->data);
    return SPACC_OK;
}
