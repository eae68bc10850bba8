/* half.h - float16 (IEEE 754 binary16) and bfloat16 to float and back.
 *
 *            sign  exponent  fraction
 *   float16    1      5         10
 *   bfloat16   1      8          7      the upper half of a float
 *
 * To float is exact. From float rounds to nearest, ties to even; too large becomes
 * infinity; a NaN stays a (quiet) NaN with its sign and upper fraction bits. */
#ifndef SPACC_HALF_H
#define SPACC_HALF_H

#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline float spacc_float_of_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof(f));
    return f;
}

static inline uint32_t spacc_bits_of_float(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof(bits));
    return bits;
}

static inline float spacc_half_to_float(uint16_t half)
{
    const uint32_t sign = (uint32_t)(half >> 15) << 31;
    const uint32_t exponent = half >> 10 & 31u, fraction = half & 1023u;
    if (exponent == 31)
        return spacc_float_of_bits(sign | 0x7f800000u | fraction << 13);
    if (exponent > 0)
        return spacc_float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
    const float tiny = (float)fraction * 0x1p-24f; /* zero or subnormal */
    return sign ? -tiny : tiny;
}

static inline uint16_t spacc_half_from_float(float f)
{
    const uint32_t bits = spacc_bits_of_float(f), magnitude = bits & 0x7fffffffu;
    const uint32_t sign = bits >> 31 << 15;
    if (magnitude > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 1023u));
    if (magnitude >= 0x477ff000u) /* 65520, half way from 65504 to the next */
        return (uint16_t)(sign | 0x7c00u);
    if (magnitude < 0x33000001u) /* up to 2^-25, half of the least */
        return (uint16_t)sign;
    const uint32_t exponent = magnitude >> 23;
    const uint32_t fraction =
        exponent >= 113 ? magnitude & 0x7fffffu : (magnitude & 0x7fffffu) | 0x800000u;
    const uint32_t drop = exponent >= 113 ? 13 : 126 - exponent; /* bits that go */
    const uint32_t high = exponent >= 113 ? (exponent - 112) << 10 : 0;
    const uint32_t kept = fraction >> drop, lost = fraction & ((1u << drop) - 1);
    const uint32_t tie = 1u << (drop - 1);
    const uint32_t up = lost > tie || (lost == tie && (kept & 1u));
    return (uint16_t)(sign | (high + kept + up)); /* a carry goes on to the exponent */
}

static inline float spacc_bfloat_to_float(uint16_t bfloat)
{
    return spacc_float_of_bits((uint32_t)bfloat << 16);
}

static inline uint16_t spacc_bfloat_from_float(float f)
{
    const uint32_t bits = spacc_bits_of_float(f);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

#ifdef __cplusplus
}
#endif

#endif
