/* immintrin.h - stands in for the compiler's when AVX-512 kernels are compiled for tests on
 * CPUs without it: SIMDe's portable AVX-512, and in plain C the intrinsics that SIMDe 0.7
 * does not have, FP16 and the tiles of AMX among them. */
#ifndef SPACC_TESTS_IMMINTRIN_H
#define SPACC_TESTS_IMMINTRIN_H

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <math.h>
#include <simde/x86/avx512.h>
#include <string.h>

#include "sparse/half.h"

#define __m512    simde__m512
#define __m512i   simde__m512i
#define __m256    simde__m256
#define __m256i   simde__m256i
#define __m128    simde__m128
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
#undef _mm512_fmadd_ps
#define _mm512_cvtph_ps        emulated_cvtph_ps
#define _mm512_cvtps_ph        emulated_cvtps_ph
#define _mm512_cvtepi32_ps     emulated_cvtepi32_ps
#define _mm512_cvtps_epi32     emulated_cvtps_epi32
#define _mm512_maskz_loadu_ps  emulated_maskz_loadu_ps
#define _mm512_cvtepi32_epi8   emulated_cvtepi32_epi8
#define _mm512_fmadd_ps        emulated_fmadd_ps
#define _mm512_shuffle_f32x4   emulated_shuffle_f32x4
#define _mm512_maskz_expand_ps emulated_maskz_expand_ps
#define _mm512_mask_storeu_ps  emulated_mask_storeu_ps
#define _mm512_srai_epi32      emulated_srai_epi32
#define _mm512_castsi512_ph    emulated_castsi512_ph
#define _mm512_castph_si512    emulated_castph_si512
#define _mm512_fmadd_ph        emulated_fmadd_ph

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

static inline __m512i emulated_srai_epi32(__m512i v, unsigned by)
{
    int32_t lane[16];
    memcpy(lane, &v, sizeof(lane));
    for (int i = 0; i < 16; i++)
        lane[i] >>= by;
    return simde_mm512_loadu_si512(lane);
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

/* Quarters of four floats: two of a, then two of b. */
static inline __m512 emulated_shuffle_f32x4(__m512 a, __m512 b, int which)
{
    float in[2][16], out[16];
    memcpy(in[0], &a, sizeof(in[0]));
    memcpy(in[1], &b, sizeof(in[1]));
    for (int q = 0; q < 4; q++)
        memcpy(out + 4 * q, in[q / 2] + 4 * (which >> 2 * q & 3), 4 * sizeof(*out));
    return simde_mm512_loadu_ps(out);
}

static inline __m512 emulated_maskz_expand_ps(__mmask16 mask, __m512 packed)
{
    float in[16], out[16] = {0};
    memcpy(in, &packed, sizeof(in));
    for (int i = 0, next = 0; i < 16; i++)
        if (mask >> i & 1)
            out[i] = in[next++];
    return simde_mm512_loadu_ps(out);
}

static inline void emulated_mask_storeu_ps(void *p, __mmask16 mask, __m512 v)
{
    float in[16];
    memcpy(in, &v, sizeof(in));
    for (int i = 0; i < 16; i++)
        if (mask >> i & 1)
            memcpy((float *)p + i, in + i, sizeof(*in));
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

/* SIMDe's rounds twice. */
static inline __m512 emulated_fmadd_ps(__m512 a, __m512 b, __m512 c)
{
    float x[16], y[16], z[16];
    memcpy(x, &a, sizeof(x));
    memcpy(y, &b, sizeof(y));
    memcpy(z, &c, sizeof(z));
    for (int i = 0; i < 16; i++)
        z[i] = fmaf(x[i], y[i], z[i]);
    return simde_mm512_loadu_ps(z);
}

/* ---- AMX: eight tiles of up to 16 rows of 64 bytes, as the configuration has them ---- */

struct emulated_tile {
    uint8_t rows;
    uint16_t bytes;
    uint8_t at[16][64];
};
static struct emulated_tile emulated_tiles[8];

#define _tile_loadconfig emulated_tile_loadconfig
#define _tile_release    emulated_tile_release
#define _tile_zero       emulated_tile_zero
#define _tile_loadd      emulated_tile_loadd
#define _tile_stored     emulated_tile_stored
#define _tile_dpbusd     emulated_tile_dpbusd

/* Byte 0: the palette; from 16: bytes of a row, two bytes a tile; from 48: rows. */
static inline void emulated_tile_loadconfig(const void *config)
{
    const uint8_t *from = config;
    for (int t = 0; t < 8; t++) {
        memset(&emulated_tiles[t], 0xa5, sizeof(emulated_tiles[t]));
        memcpy(&emulated_tiles[t].bytes, from + 16 + 2 * t, 2);
        emulated_tiles[t].rows = from[0] == 1 ? from[48 + t] : 0;
    }
}

static inline void emulated_tile_release(void)
{
    memset(emulated_tiles, 0, sizeof(emulated_tiles));
}

static inline void emulated_tile_zero(int t)
{
    memset(emulated_tiles[t].at, 0, sizeof(emulated_tiles[t].at));
}

static inline void emulated_tile_loadd(int t, const void *from, long stride)
{
    for (int r = 0; r < emulated_tiles[t].rows; r++)
        memcpy(emulated_tiles[t].at[r], (const char *)from + r * stride,
               emulated_tiles[t].bytes);
}

static inline void emulated_tile_stored(int t, void *to, long stride)
{
    for (int r = 0; r < emulated_tiles[t].rows; r++)
        memcpy((char *)to + r * stride, emulated_tiles[t].at[r], emulated_tiles[t].bytes);
}

/* sum[m][n] += four bytes of a's row m, unsigned, times four of b's column n, signed. */
static inline void emulated_tile_dpbusd(int sum, int a, int b)
{
    for (int m = 0; m < emulated_tiles[sum].rows; m++)
        for (int n = 0; n < emulated_tiles[sum].bytes / 4; n++) {
            int32_t v;
            memcpy(&v, emulated_tiles[sum].at[m] + 4 * n, sizeof(v));
            for (int k = 0; k < emulated_tiles[a].bytes; k++)
                v += emulated_tiles[a].at[m][k] *
                     (int8_t)emulated_tiles[b].at[k / 4][4 * n + k % 4];
            memcpy(emulated_tiles[sum].at[m] + 4 * n, &v, sizeof(v));
        }
}

#endif
