/* seernet_kernels.h - the inner loops of seernet.h and how to choose them. The first is the
 * definition; all give the same bits. */
#ifndef SPACC_SEERNET_KERNELS_H
#define SPACC_SEERNET_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SPACC_SEER_BLOCK = 16, /* output channels that are predicted together */
    SPACC_SEER_LANES = 16, /* partial sums of an output */
    SPACC_SEER_TILE = 64,  /* most pixels of a tile: bits of a word */
};

/* Sums of codes for `pixels` pixels of one row and one block of channels:
 *   sums[p][c] = sum over runs r and bytes i of
 *                pixel[p * step + offset[r] + i] * weights[(r * quads + i / 4) * 64 + 4 c + i %
 * 4] A run is 4 * quads bytes that lie side by side. `low` is NULL, or pixel's twin: then codes
 * are 16 * pixel + low. `blocks`: so many blocks of channels, at most the kernel's, whose
 * weights follow each other; their sums stand `apart` values apart. Products of any `steps`
 * quads side by side, added two by two (bytes 0 and 1, 2 and 3), stay within 16 bits. */
struct spacc_seer_sums {
    const uint8_t *pixel, *low;
    size_t step, pixels;
    const uint32_t *offset; /* [runs] */
    size_t runs, quads;
    const int8_t *weights;
    size_t steps; /* 1 or more, over all runs */
    int32_t *sums;
    size_t blocks, apart;
};

/* bits[p]: bit c is sums[p][c] > above[c]. */
typedef void spacc_seer_compare_fn(const int32_t *sums, size_t pixels, const int32_t *above,
                                   uint16_t *bits);
/* Bit c of bits[i]: at[i][c] is the first largest of at[0 .. count - 1][c], and is above. */
typedef void spacc_seer_window_fn(const int32_t *const *at, size_t count, const int32_t *above,
                                  uint16_t *bits);

/* Some channels of a tile, each at some pixels, f32: for entry i of `at`, lanes l = 0 .. 15,
 *   lane[l] = fma(x[at[i] + offset[r] + l + 16 j], w[...], lane[l]) over runs r, then j;
 *   sum[i] = the tree: 8 + 8 lanes, 4 + 4, then (0 + 1) + (2 + 3).
 * Of channel c are count[c] entries, 0 to 64, behind those of channel c - 1; its weights are
 * w[c][runs][length], 64-byte aligned; length is a multiple of 16. */
struct spacc_seer_dots {
    const float *x, *w;
    const uint32_t *offset; /* [runs] */
    size_t runs, length;
    size_t channels; /* 1 .. 16 */
    const uint8_t *count;
    const uint32_t *at;
    float *sum; /* room for what `at` has and 15 more */
};
typedef void spacc_seer_dots_fn(const struct spacc_seer_dots *job);

/* to[i] = from[b], b the i-th bit that is set; returns how many. `to` has room for all 64. */
typedef size_t spacc_seer_pick_fn(uint64_t bits, const uint32_t *from, uint32_t *to);
/* The other way: to[b] = from[i], and 0 where no bit is set. to[64] is 64-byte aligned; from
 * has room for 64. */
typedef void spacc_seer_spread_fn(uint64_t bits, const float *from, float *to);
/* rows[16][64], 64-byte aligned, by channel to y by pixel: y[to[b] + c] = rows[c][b] for every
 * bit b and c below `channels`, 1 .. 16. */
typedef void spacc_seer_turn_fn(uint64_t bits, const float *rows, const uint32_t *to,
                                size_t channels, float *y);

/* The same as a dot in integers: x codes of at most 15 each times w, exact. length a multiple
 * of 64. */
struct spacc_seer_dot8 {
    const uint8_t *x;
    const int8_t *w;
    const uint32_t *offset;
    size_t runs, length;
};
typedef void spacc_seer_dot8_fn(const struct spacc_seer_dot8 *d, const uint32_t *at,
                                size_t count, int32_t *sum);

/* Largest of the bits of |x|, and of the bits of x as they are, merged into range[2]. */
typedef void spacc_seer_range_fn(const float *x, size_t count, uint32_t range[2]);
/* code = (int)clamp(x * scale + (zero + 0.5), lowest, most + 0.5), each operation rounded. With
 * `low`: code >> 4 and code & 15. */
struct spacc_seer_code {
    float scale, zero, lowest, most;
};
typedef void spacc_seer_quantise_fn(const struct spacc_seer_code *q, const float *x,
                                    size_t count, uint8_t *code, uint8_t *low);

/* Two columns at a time, see seernet_pairs.c. Of a row of `width` pixels of codes to four
 * planes `apart` bytes apart, for pairs p with d0 = codes[2 p], d1 ...: d0 - d2 + most, d1 +
 * d2, d2 - d1 + most, d1 - d3 + most; where there is no d3 anything below 256. width is 3 or
 * more, and the pairs (width - 1) / 2. */
typedef void spacc_seer_split_fn(const uint8_t *codes, size_t width, size_t channels, int most,
                                 uint8_t *planes, size_t apart);
/* And back: m[p][16], and three more `apart` values apart, to sums[cols][16]: of columns 2 p
 * (m0 + m1 + m2 + base[c]) / 2, of 2 p + 1 (m1 - m2 - m3 + base[16 + c]) / 2. */
typedef void spacc_seer_join_fn(const int32_t *m, size_t apart, size_t cols,
                                const int32_t *base, int32_t *sums);

struct spacc_seer_kernel {
    const char *name;
    unsigned needs;        /* SPACC_CPU_ features */
    unsigned run_multiple; /* bytes of a run are rounded up to this */
    unsigned pixels;       /* pixels of a row that are read beyond its end */
    unsigned blocks;       /* of channels that are summed together, at most */
    int most_bits;         /* more bits than these need two planes of codes */
    void (*sums)(const struct spacc_seer_sums *job);
    spacc_seer_split_fn *split; /* with join; NULL: columns one by one */
    spacc_seer_join_fn *join;
    spacc_seer_compare_fn *compare;
    spacc_seer_window_fn *window;
    spacc_seer_dots_fn *dots;
    spacc_seer_pick_fn *pick;
    spacc_seer_spread_fn *spread;
    spacc_seer_turn_fn *turn;
    spacc_seer_dot8_fn *dot8;
    spacc_seer_range_fn *range;
    spacc_seer_quantise_fn *quantise;
};

/* Slowest first; the first needs no feature. */
extern const struct spacc_seer_kernel *const spacc_seer_kernels[];
extern const size_t spacc_seer_kernel_count;

/* The last that these features allow. Never NULL. */
const struct spacc_seer_kernel *spacc_seer_kernel_best(unsigned cpu_features);

#ifdef __cplusplus
}
#endif

#endif
