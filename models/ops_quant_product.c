/* Products and convolutions of 8-bit integers: sums in int32, which wrap. A result on a scale
 * of its own is the sum times one float32 factor, rounded half to even. */
#include <inttypes.h>
#include <stdlib.h>

#include "models/ops_product.h"
#include "models/ops_quant.h"
#include "models/ops_window.h"

/* ---- where the inputs are ----------------------------------------------------- */

/* Input numbers; -1: the operator has none. */
struct places {
    int a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero, bias;
};

static const struct places plain = {0, -1, 2, 1, -1, 3, -1, -1, -1};
static const struct places scaled = {0, 1, 2, 3, 4, 5, 6, 7, 8};

static const struct spacc_tensor *input(const struct spacc_op_call *c, int i)
{
    return i < 0 ? NULL : spacc_ops_in(c, i);
}

static enum spacc_status check_types(struct spacc_op_call *c, const struct places *p)
{
    const int scales[] = {p->a_scale, p->b_scale, p->y_scale};
    TRY(spacc_ops_check(c, p->y_zero < 0 ? 2 : 8, SPACC_TYPES_ALL));
    TRY(spacc_ops_types(c, p->a, SPACC_TYPES_BYTE));
    TRY(spacc_ops_types(c, p->b, SPACC_TYPES_BYTE));
    TRY(spacc_ops_same_type(c, p->a, p->a_zero));
    TRY(spacc_ops_same_type(c, p->b, p->b_zero));
    if (p->y_zero < 0)
        return SPACC_OK;
    TRY(spacc_ops_types(c, p->y_zero, SPACC_TYPES_BYTE));
    for (int i = 0; i < 3; i++)
        TRY(spacc_ops_types(c, scales[i], SPACC_TYPE(F32)));
    TRY(spacc_ops_types(c, p->bias, SPACC_TYPE(I32)));
    TRY(spacc_quant_check(c, p->y_scale, 1));
    return spacc_quant_check(c, p->y_zero, 1);
}

static float scale_of(const struct spacc_tensor *t, size_t i)
{
    return ((const float *)t->data)[t->count > 1 ? i : 0];
}

static int32_t zero_of(const struct spacc_tensor *t)
{
    return t->dtype == SPACC_U8 ? *(const uint8_t *)t->data : *(const int8_t *)t->data;
}

/* ---- MatMulInteger, QLinearMatMul --------------------------------------------- */

/* A scale or zero point of input `of`: one number, or one a row of the left side or a column
 * of the right. */
static enum spacc_status check_factor(struct spacc_op_call *c, int i,
                                      const struct spacc_product *p, bool left)
{
    const struct spacc_tensor *t = input(c, i);
    const int64_t entries = left ? p->m : p->n;
    char text[SPACC_TEXT_BYTES];
    if (!t || t->count == 1 ||
        (t->count == (size_t)entries &&
         (t->rank == 1 || (t->rank == 2 && t->dims[left ? 0 : 1] == entries))))
        return SPACC_OK;
    return spacc_op_fail(c, SPACC_EUNSUPPORTED,
                         "input %d of shape %s is not supported, one number or %" PRId64 " are",
                         i, spacc_ops_shape_text(text, t->rank, t->dims), entries);
}

/* sum[rows][n] = (a - zero) . (b - zero) */
static enum spacc_status integer_product(struct spacc_op_call *c, const struct places *at,
                                         struct spacc_product *p, int32_t *sum)
{
    const struct spacc_tensor *a = c->in[at->a], *b = c->in[at->b];
    int32_t *wide_a = spacc_quant_widen(a, input(c, at->a_zero), (size_t)p->k, (size_t)p->m);
    int32_t *wide_b = spacc_quant_widen(b, input(c, at->b_zero), 1, (size_t)p->n);
    if (wide_a && wide_b)
        spacc_product_run(p, SPACC_I32, sum, wide_a, wide_b);
    free(wide_a);
    free(wide_b);
    return wide_a && wide_b ? SPACC_OK
                            : spacc_op_fail(c, SPACC_ENOMEM, "no memory for %zu integers",
                                            a->count + b->count);
}

static enum spacc_status plan_product(struct spacc_op_call *c, const struct places *at,
                                      struct spacc_product *p, enum spacc_dtype dtype,
                                      struct spacc_tensor **y)
{
    TRY(spacc_product_plan(c, p, c->in[at->a], c->in[at->b], dtype, y));
    TRY(check_factor(c, at->a_zero, p, true));
    TRY(check_factor(c, at->a_scale, p, true));
    TRY(check_factor(c, at->b_zero, p, false));
    return check_factor(c, at->b_scale, p, false);
}

enum spacc_status spacc_op_matmul_integer(struct spacc_op_call *c)
{
    struct spacc_product p;
    struct spacc_tensor *y;
    TRY(check_types(c, &plain));
    TRY(plan_product(c, &plain, &p, SPACC_I32, &y));
    if (c->shape_only || y->count == 0 || p.k == 0)
        return SPACC_OK;
    return integer_product(c, &plain, &p, y->data);
}

enum spacc_status spacc_op_qlinear_matmul(struct spacc_op_call *c)
{
    const struct places *at = &scaled;
    struct spacc_product p;
    struct spacc_tensor *y;
    enum spacc_status status = SPACC_OK;
    TRY(check_types(c, at));
    TRY(plan_product(c, at, &p, c->in[at->y_zero]->dtype, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    int32_t *sum = calloc(y->count, sizeof(*sum));
    if (!sum)
        return spacc_op_fail(c, SPACC_ENOMEM, "no memory for %zu sums", y->count);
    if (p.k > 0)
        status = integer_product(c, at, &p, sum);
    for (size_t i = 0; i < y->count && status == SPACC_OK; i++) {
        const size_t column = i % (size_t)p.n, row = i / (size_t)p.n % (size_t)p.m;
        const float factor = scale_of(c->in[at->a_scale], row) *
                             scale_of(c->in[at->b_scale], column) /
                             scale_of(c->in[at->y_scale], 0);
        spacc_quant_store(y, i, (float)sum[i] * factor, zero_of(c->in[at->y_zero]));
    }
    free(sum);
    return status;
}

/* ---- ConvInteger, QLinearConv ------------------------------------------------- */

static void dot_integer(void *y, const void *w, const void *patch, size_t length,
                        int64_t channel, const void *user)
{
    const int32_t *a = w, *b = patch, *bias = user;
    uint32_t sum = bias ? (uint32_t)bias[channel] : 0; /* unsigned: it may wrap */
    for (size_t i = 0; i < length; i++)
        sum += (uint32_t)a[i] * (uint32_t)b[i];
    *(int32_t *)y = (int32_t)sum;
}

/* y = sums of x - zero by w - zero, pads being 0 after the zero point is taken off. */
static enum spacc_status integer_conv(struct spacc_op_call *c, const struct places *at,
                                      struct spacc_conv *v, int32_t *y)
{
    const struct spacc_tensor *x = c->in[at->a], *w = c->in[at->b], *b = input(c, at->bias);
    const size_t channels = (size_t)w->dims[0], row = channels ? w->count / channels : 0;
    int32_t *wide_x = spacc_quant_widen(x, input(c, at->a_zero), 1, 1);
    int32_t *wide_w = spacc_quant_widen(w, input(c, at->b_zero), row ? row : 1, channels);
    enum spacc_status status = SPACC_ENOMEM;
    if (wide_x && wide_w)
        status = spacc_conv_run(c, v, x->dims[0], y, wide_x, wide_w, dot_integer,
                                b ? b->data : NULL);
    else
        spacc_op_fail(c, status, "no memory for %zu integers", x->count + w->count);
    free(wide_x);
    free(wide_w);
    return status;
}

static enum spacc_status plan_conv(struct spacc_op_call *c, const struct places *at,
                                   struct spacc_conv *v, enum spacc_dtype dtype,
                                   struct spacc_tensor **y)
{
    const int none = c->ins; /* beyond the inputs: there is no bias */
    TRY(spacc_conv_plan(c, v, at->a, at->b, at->bias < 0 ? none : at->bias, dtype, y));
    const int64_t channels = c->in[at->b]->dims[0];
    TRY(spacc_quant_check(c, at->a_zero, 1));
    TRY(spacc_quant_check(c, at->b_zero, channels));
    if (at->a_scale < 0)
        return SPACC_OK;
    TRY(spacc_quant_check(c, at->a_scale, 1));
    return spacc_quant_check(c, at->b_scale, channels);
}

enum spacc_status spacc_op_conv_integer(struct spacc_op_call *c)
{
    struct spacc_conv v;
    struct spacc_tensor *y;
    TRY(check_types(c, &plain));
    TRY(plan_conv(c, &plain, &v, SPACC_I32, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    return integer_conv(c, &plain, &v, y->data);
}

enum spacc_status spacc_op_qlinear_conv(struct spacc_op_call *c)
{
    const struct places *at = &scaled;
    struct spacc_conv v;
    struct spacc_tensor *y;
    TRY(check_types(c, at));
    TRY(plan_conv(c, at, &v, c->in[at->y_zero]->dtype, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    int32_t *sum = calloc(y->count, sizeof(*sum));
    if (!sum)
        return spacc_op_fail(c, SPACC_ENOMEM, "no memory for %zu sums", y->count);
    const enum spacc_status status = integer_conv(c, at, &v, sum);
    const size_t plane = (size_t)v.window.out_plane, channels = (size_t)y->dims[1];
    for (size_t i = 0; i < y->count && status == SPACC_OK; i++) {
        const float factor = scale_of(c->in[at->a_scale], 0) *
                             scale_of(c->in[at->b_scale], i / plane % channels) /
                             scale_of(c->in[at->y_scale], 0);
        spacc_quant_store(y, i, (float)sum[i] * factor, zero_of(c->in[at->y_zero]));
    }
    free(sum);
    return status;
}
