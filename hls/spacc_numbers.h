/* spacc_numbers.h - the arithmetic of the card (rtl/README.md "Numbers") for both kernels: C
 * that is OpenCL C 1.2, too. sparse/fixed.c is the definition; tests/test_hls.c holds them
 * equal. Shifts of negative numbers are arithmetic, as in every compiler that is meant. */
#ifndef SPACC_NUMBERS_H
#define SPACC_NUMBERS_H

#include "rtl/act_tables.h"
#include "hls/spacc_kernel.h"

#ifdef __OPENCL_C_VERSION__
typedef short s16;
typedef int s32;
typedef long s64;
typedef uchar u8;
typedef ushort u16;
typedef uint u32;
typedef ulong u64;
#else
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
#endif

/* Cuts of a RUN, or of a part of one. */
struct spacc_cuts {
    u32 gates, states;
};

/* Half up; shift 1..63. */
static s64 spacc_round(s64 v, u32 shift)
{
    return (v >> shift) + ((v >> (shift - 1)) & 1);
}

/* Cut to a signed number of `bits`, 32 at most; a cut adds one to *cuts. */
static s32 spacc_cut(s64 v, u32 bits, u32 *cuts)
{
    const s64 most = ((s64)1 << (bits - 1)) - 1;

    if (v >= -most - 1 && v <= most)
        return (s32)v;
    *cuts += 1;
    return (s32)(v < 0 ? -most - 1 : most);
}

/* One row's sum; its parameters in two words: bias, then {0, shift 8, mult 16}. */
static s32 spacc_requantise(s64 sum, u32 bias, u32 scale, u32 bits, u32 *cuts)
{
    const s64 wide = (sum + (s64)(s32)bias) * (s64)(scale & 0xffff);
    const u32 shift = (scale >> 16) & 63;

    /* A shift of 0 means 64: all that is left is the half, and that of a sum is below it. */
    return spacc_cut(shift == 0 ? 0 : spacc_round(wide, shift), bits, cuts);
}

static s32 spacc_sigmoid(s32 z)
{
    const s32 m = z < 0 ? -z : z;
    const s32 at = m > 32767 ? 32767 : m;
    const s32 slope = (s32)spacc_sigmoid_slope[at >> 7] * (at & 127);
    const s32 y = at == 32767 ? 32767 : (s32)spacc_sigmoid_base[at >> 7] + ((slope + 64) >> 7);

    return z < 0 ? 32768 - y : y;
}

static s32 spacc_tanh(s32 z)
{
    const s32 m = z < 0 ? -z : z;
    const s32 at = m > 32767 ? 32767 : m;
    const s32 slope = (s32)spacc_tanh_slope[at >> 7] * (at & 127);
    const s32 y = (s32)spacc_tanh_base[at >> 7] + ((slope + 64) >> 7);

    return z < 0 ? -y : y;
}

static s32 spacc_activate(u32 act, s32 z)
{
    if (act == SPACC_CARD_ACT_TANH)
        return spacc_tanh(z);
    return act == SPACC_CARD_ACT_RELU && z < 0 ? 0 : z;
}

/* A vector's element as the multipliers see it: of cards with ActBits < 16 its high bits,
 * half up, the top code stays. */
static s16 spacc_enter(s16 v)
{
#if SPACC_KERNEL_ACT_BITS < 16
    const s32 most = (1 << (SPACC_KERNEL_ACT_BITS - 1)) - 1;
    const s32 rounded = (s32)spacc_round(v, 16 - SPACC_KERNEL_ACT_BITS);

    return (s16)(rounded > most ? most : rounded);
#else
    return v;
#endif
}

/* The low `bits` of a word of the state memory, signed. */
static s32 spacc_signed(u32 word, u32 bits)
{
    const u32 sign = (u32)1 << (bits - 1);

    return (s32)((word & (2 * sign - 1)) ^ sign) - (s32)sign;
}

/* h from z of rows i, o, f, c and the cell state, which becomes the next one. */
static s32 spacc_lstm(u32 act_g, u32 act_h, const s32 z[4], s32 *state, struct spacc_cuts *cuts)
{
    const s64 i = spacc_sigmoid(z[0]), o = spacc_sigmoid(z[1]), f = spacc_sigmoid(z[2]);
    const s64 g = (s64)spacc_activate(act_g, z[3]) * (act_g == SPACC_CARD_ACT_TANH ? 1 : 8);
    u32 not_counted = 0;

    *state = spacc_cut(spacc_round(2 * f * *state + i * g, 16), 24, &cuts->states);
    const s64 t = spacc_activate(act_h, spacc_cut(spacc_round(*state, 2), 16, &not_counted));
    return spacc_cut(spacc_round(o * t, 15), 16, &cuts->states);
}

/* h of a GRU from its update gate, the candidate's pre-activation and the old h. */
static s32 spacc_gru_update(u32 act_g, s32 update, s64 candidate, s32 old,
                            struct spacc_cuts *cuts)
{
    const s64 z = act_g == SPACC_CARD_ACT_TANH ? candidate : spacc_round(candidate, 2);
    const s64 n = spacc_activate(act_g, spacc_cut(z, 16, &cuts->gates));

    return spacc_cut(n + spacc_round(update * (old - n), 15), 16, &cuts->states);
}

static s32 spacc_gru(u32 act_g, const s32 z[4], s32 old, struct spacc_cuts *cuts)
{
    const s64 reset = spacc_sigmoid(z[1]);

    return spacc_gru_update(act_g, spacc_sigmoid(z[0]), z[2] + spacc_round(reset * z[3], 15),
                            old, cuts);
}

#endif
