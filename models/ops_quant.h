/* ops_quant.h - numbers on an integer scale: real = scale * (integer - zero point). */
#ifndef SPACC_OPS_QUANT_H
#define SPACC_OPS_QUANT_H

#include "models/ops_util.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Integer types of 8 bits: those of products and convolutions. */
enum { SPACC_TYPES_BYTE = SPACC_TYPE(U8) | SPACC_TYPE(I8) };

/* scale and zero point of float32 values that reach from `low` to `high`, for uint8. */
void spacc_quant_range(float low, float high, float *scale, uint8_t *zero);

/* x / scale + zero, rounded half to even, within uint8. */
uint8_t spacc_quant_u8(float x, float scale, uint8_t zero);

/* to = from as uint8 on a scale of their own range holds it. `to` may be `from`. */
void spacc_quant_round(float *to, const float *from, size_t count);

/* LSTM on the float32 inputs of LSTM, which rounds each sequence's h in this way before it is
 * multiplied by R. */
enum spacc_status spacc_quant_lstm(struct spacc_op_call *c);

/* New int32 array of t - zero: `zero` (NULL: 0) has one element or, when `entries` is above 1,
 * that many, of which element i of t uses i / each % entries. NULL: no memory. */
int32_t *spacc_quant_widen(const struct spacc_tensor *t, const struct spacc_tensor *zero,
                           size_t each, size_t entries);

/* Store real value `v` on the scale `scale`, `zero` as element i of y (U8 or I8). */
void spacc_quant_store(struct spacc_tensor *y, size_t i, float v, int32_t zero);

/* Input `i`, when given, has one element, or `entries` on one axis. */
enum spacc_status spacc_quant_check(struct spacc_op_call *c, int i, int64_t entries);

#ifdef __cplusplus
}
#endif

#endif
