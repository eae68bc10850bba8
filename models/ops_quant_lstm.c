/* DynamicQuantizeLSTM of ONNX Runtime's com.microsoft: an LSTM whose weights are 8-bit integers
 * and whose X and h are rounded to uint8 when it runs. A product of integers times its scales
 * is the product of the rounded floats, so this is LSTM on rounded inputs. X is rounded as a
 * whole, h for each sequence and step by itself. */
#include "models/ops_quant.h"

#include <inttypes.h>
#include <stdlib.h>

/* Inputs, in the operator's order. */
enum { IN_X, IN_W, IN_R, LSTM_INS = 8, IN_W_SCALE = 8, IN_W_ZERO, IN_R_SCALE, IN_R_ZERO };

/* Scale or zero point `i` is one number for each direction, or one for each gate row. */
static enum spacc_status check_scale(struct spacc_op_call *c, int i,
                                     const struct spacc_tensor *w)
{
    const struct spacc_tensor *t = c->in[i];
    char text[SPACC_TEXT_BYTES];
    const bool each = t->rank == 1 && t->dims[0] == w->dims[0];
    const bool rows = t->rank == 2 && t->dims[0] == w->dims[0] && t->dims[1] == w->dims[2];
    if (each || rows)
        return SPACC_OK;
    return spacc_op_fail(
        c, SPACC_ESHAPE,
        "input %d has shape %s, [%" PRId64 "] or [%" PRId64 ",%" PRId64 "] are wanted", i,
        spacc_ops_shape_text(text, t->rank, t->dims), w->dims[0], w->dims[0], w->dims[2]);
}

static enum spacc_status check_weights(struct spacc_op_call *c, int i, int scale, int zero)
{
    const struct spacc_tensor *w = c->in[i];
    char text[SPACC_TEXT_BYTES];
    TRY(spacc_ops_types(c, i, SPACC_TYPES_BYTE));
    TRY(spacc_ops_types(c, scale, SPACC_TYPE(F32)));
    TRY(spacc_ops_same_type(c, i, zero));
    if (w->rank != 3)
        return spacc_op_fail(c, SPACC_ESHAPE, "weights have shape %s, they need 3 axes",
                             spacc_ops_shape_text(text, w->rank, w->dims));
    TRY(check_scale(c, scale, w));
    return check_scale(c, zero, w);
}

static int32_t integer_at(const struct spacc_tensor *t, size_t i)
{
    return t->dtype == SPACC_U8 ? ((const uint8_t *)t->data)[i] : ((const int8_t *)t->data)[i];
}

/* A float32 tensor; in shape-only mode without contents. */
static enum spacc_status blank(struct spacc_op_call *c, struct spacc_tensor **out, int rank,
                               const int64_t *dims)
{
    struct spacc_tensor shape = {.dtype = SPACC_F32, .rank = rank};
    enum spacc_status status = spacc_shape_count(&shape.count, rank, dims);
    for (int i = 0; i < rank; i++)
        shape.dims[i] = dims[i];
    if (status == SPACC_OK)
        status = c->shape_only ? spacc_tensor_copy(out, &shape)
                               : spacc_tensor_new(out, SPACC_F32, rank, dims);
    if (status == SPACC_OK)
        return status;
    return spacc_op_fail(c, status, "no memory for %zu floats", shape.count);
}

/* Weights [directions][inputs][rows] of integers to [directions][rows][inputs] of floats. */
static enum spacc_status widen(struct spacc_op_call *c, int i, int scale_at, int zero_at,
                               struct spacc_tensor **out)
{
    const struct spacc_tensor *w = c->in[i], *scale = c->in[scale_at], *zero = c->in[zero_at];
    const size_t inputs = (size_t)w->dims[1], rows = (size_t)w->dims[2];
    const int64_t dims[3] = {w->dims[0], w->dims[2], w->dims[1]};
    TRY(blank(c, out, 3, dims));
    for (size_t k = 0; k < w->count && !c->shape_only; k++) {
        const size_t row = k % rows, d = k / rows / inputs, line = d * rows + row;
        const float s = ((const float *)scale->data)[scale->rank == 2 ? line : d];
        const int32_t z = integer_at(zero, zero->rank == 2 ? line : d);
        ((float *)(*out)->data)[line * inputs + k / rows % inputs] =
            (float)(integer_at(w, k) - z) * s;
    }
    return SPACC_OK;
}

static enum spacc_status round_x(struct spacc_op_call *c, struct spacc_tensor **out)
{
    const struct spacc_tensor *x = c->in[IN_X];
    TRY(blank(c, out, x->rank, x->dims));
    if (!c->shape_only)
        spacc_quant_round((*out)->data, x->data, x->count);
    return SPACC_OK;
}

enum spacc_status spacc_op_dynamic_quantize_lstm(struct spacc_op_call *c)
{
    const struct spacc_tensor *in[LSTM_INS] = {NULL};
    struct spacc_tensor *made[3] = {NULL};
    struct spacc_op_call lstm = *c;
    TRY(spacc_ops_types(c, IN_X, SPACC_TYPE(F32)));
    for (int i = IN_X; i <= IN_R_ZERO; i++)
        if (!spacc_ops_in(c, i) && (i <= IN_R || i >= IN_W_SCALE))
            return spacc_op_fail(c, SPACC_ESHAPE, "input %d is left out", i);
    TRY(check_weights(c, IN_W, IN_W_SCALE, IN_W_ZERO));
    TRY(check_weights(c, IN_R, IN_R_SCALE, IN_R_ZERO));
    enum spacc_status status = round_x(c, &made[IN_X]);
    if (status == SPACC_OK)
        status = widen(c, IN_W, IN_W_SCALE, IN_W_ZERO, &made[IN_W]);
    if (status == SPACC_OK)
        status = widen(c, IN_R, IN_R_SCALE, IN_R_ZERO, &made[IN_R]);
    for (int i = 0; i < LSTM_INS; i++)
        in[i] = i <= IN_R ? made[i] : c->in[i];
    lstm.in = in;
    lstm.ins = LSTM_INS;
    if (status == SPACC_OK)
        status = spacc_quant_lstm(&lstm);
    c->shape_unknown = lstm.shape_unknown;
    for (int i = 0; i < 3; i++)
        spacc_tensor_free(made[i]);
    return status;
}
