/* immintrin.h - stands in for the compiler's when AVX-512 kernels are compiled for tests on
 * CPUs without it: SIMDe's portable AVX-512, and in plain C the intrinsics that SIMDe 0.7
 * does not have, FP16 among them. */
#ifndef SPACC_TESTS_IMMINTRIN_H
#define SPACC_TESTS_IMMINTRIN_H

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <math.h>
#include <simde/x86/avx512.h>
#include <string.h>

#include "sparse/half.h"

#define __m512    simde__m512
#define __m512i   simde__m512i
#define __m256i   simde__m256i
#define __m128i   simde__m128i
#define __mmask16 uint16_t

typedef struct {
    uint16_t lane[32];
} __m512h;

#undef _MM_FROUND_TO_NEAREST_INT
#define _MM_FROUND_TO_NEAREST_INT 0

#undef _mm512_cvtph_ps
#undef _mm512_cvtps_ph
#undef _mm512_cvtepi32_ps
#undef _mm512_cvtps_epi32
#undef _mm512_maskz_loadu_ps
#undef _mm512_cvtepi32_epi8
#define _mm512_cvtph_ps       emulated_cvtph_ps
#define _mm512_cvtps_ph       emulated_cvtps_ph
#define _mm512_cvtepi32_ps    emulated_cvtepi32_ps
#define _mm512_cvtps_epi32    emulated_cvtps_epi32
#define _mm512_maskz_loadu_ps emulated_maskz_loadu_ps
#define _mm512_cvtepi32_epi8  emulated_cvtepi32_epi8
#define _mm512_castsi512_ph   emulated_castsi512_ph
#define _mm512_castph_si512   emulated_castph_si512
#define _mm512_fmadd_ph       emulated_fmadd_ph

static inline __m512 emulated_cvtph_ps(__m256i halves)
{
    uint16_t in[16];
    float out[16];
    memcpy(in, &halves, sizeof(in));
    for (int i = 0; i < 16; i++)
        out[i] = spacc_half_to_float(in[i]);
    return simde_mm512_loadu_ps(out);
}

static inline __m256i emulated_cvtps_ph(__m512 floats, int rounding)
{
    float in[16];
    uint16_t out[16];
    __m256i halves;
    (void)rounding;
    memcpy(in, &floats, sizeof(in));
    for (int i = 0; i < 16; i++)
        out[i] = spacc_half_from_float(in[i]);
    memcpy(&halves, out, sizeof(halves));
    return halves;
}

static inline __m512 emulated_cvtepi32_ps(__m512i integers)
{
    int32_t in[16];
    float out[16];
    memcpy(in, &integers, sizeof(in));
    for (int i = 0; i < 16; i++)
        out[i] = (float)in[i];
    return simde_mm512_loadu_ps(out);
}

static inline __m512i emulated_cvtps_epi32(__m512 floats)
{
    float in[16];
    int32_t out[16];
    memcpy(in, &floats, sizeof(in));
    for (int i = 0; i < 16; i++)
        out[i] = (int32_t)rintf(in[i]);
    return simde_mm512_loadu_si512(out);
}

static inline __m128i emulated_cvtepi32_epi8(__m512i integers)
{
    int32_t in[16];
    uint8_t out[16];
    __m128i bytes;
    memcpy(in, &integers, sizeof(in));
    for (int i = 0; i < 16; i++)
        out[i] = (uint8_t)in[i];
    memcpy(&bytes, out, sizeof(bytes));
    return bytes;
}

static inline __m512 emulated_maskz_loadu_ps(__mmask16 mask, const void *p)
{
    float out[16] = {0};
    for (int i = 0; i < 16; i++)
        if (mask >> i & 1)
            memcpy(out + i, (const float *)p + i, sizeof(*out));
    return simde_mm512_loadu_ps(out);
}

static inline __m512h emulated_castsi512_ph(__m512i v)
{
    __m512h out;
    memcpy(&out, &v, sizeof(out));
    return out;
}

static inline __m512i emulated_castph_si512(__m512h v)
{
    __m512i out;
    memcpy(&out, &v, sizeof(out));
    return out;
}

/* One rounding, as the instruction does: products and sums of halves are exact in double. */
static inline __m512h emulated_fmadd_ph(__m512h a, __m512h b, __m512h c)
{
    __m512h out;
    for (int i = 0; i < 32; i++) {
        const double product =
            (double)spacc_half_to_float(a.lane[i]) * (double)spacc_half_to_float(b.lane[i]);
        const double sum = product + (double)spacc_half_to_float(c.lane[i]);
        out.lane[i] = spacc_half_from_float((float)sum); /* twice rounded at worst: 2^-24 */
    }
    return out;
}

#endif
