/* dsp_pack.h - two int8 weights times one activation in one multiplication of a DSP48E2
 * (27 x 18 bits, signed, 48-bit accumulator): the arithmetic of rtl/spacc_pe.sv with ActBits
 * below 16, which unpacks every product, and its limits.
 *
 *   operand A, 27 bits   | weight high | 0 0 0 ... 0 0 0 |  +  weight low (sign-extended)
 *                         26         19 18              0
 *   accumulator P        |   sum of high * x    |   sum of low * x    |
 *                         47                  19 18                  0
 *
 * A negative low sum borrows one from the high one. Unpacking adds bit 18, the sign of the
 * low sum, back: that is the whole correction, and it is right as long as the low sum fits
 * its 19 bits. So many products may be added up before they must be unpacked:
 *
 *   bits of x                8    9   10   11   12   more
 *   products                16    8    4    2    1      0
 *
 * The accumulator's upper field has 29 bits and is never what limits.
 *
 * Weights are -127..127, as spacc_fixed_quantise() makes them: with a high weight of -128 and
 * a negative low one A needs 28 bits, and -128 * -2048 as low product 20. Shifting by 18 for
 * their sake leaves 7, 3 and 1 products at 8, 9 and 10 bits, none above. */
#ifndef SPACC_DSP_PACK_H
#define SPACC_DSP_PACK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SPACC_DSP_SHIFT = 19,       /* of the high weight */
    SPACC_DSP_WEIGHT_MAX = 127, /* and -127 */
    SPACC_DSP_X_BITS_MAX = 12   /* signed activations */
};

/* Products that may be added up at `x_bits` bits of activation, 2 or more: the largest number
 * at which every sum comes back. 0: none. */
unsigned spacc_dsp_products(int x_bits);

/* Operand A. Weights -127..127 (anything else gives what the hardware would: wrong sums). */
int32_t spacc_dsp_pack(int8_t low, int8_t high);

/* P + A * B as the DSP does it: the low 27 bits of a, 18 of x, 48 of the result, signed. */
int64_t spacc_dsp_add(int64_t p, int32_t a, int32_t x);

/* Both sums of an accumulator. */
void spacc_dsp_unpack(int64_t p, int32_t *low, int32_t *high);

/* Two rows of weights, -127..127 [count], on the same activations [count] of `x_bits` bits, 2
 * to SPACC_DSP_X_BITS_MAX: unpacks as often as it has to. sum[0] of low, sum[1] of high;
 * exact. */
void spacc_dsp_rows(int64_t sum[2], const int8_t *low, const int8_t *high, const int16_t *x,
                    size_t count, int x_bits);

#ifdef __cplusplus
}
#endif

#endif
