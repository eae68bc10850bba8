/* fixed.h - the arithmetic of the card, bit for bit: what rtl/README.md "Numbers"
 * defines. The RTL must equal this model on every output, state and saturation count.
 *
 * Vectors and rows are in natural order here (unit 0, 1, ...; the compiler's card order
 * does not change any result, since sums are exact). A layer is quads of rows, four rows
 * a unit, as in rtl/README.md. */
#ifndef SPACC_FIXED_H
#define SPACC_FIXED_H

#include <stddef.h>
#include <stdint.h>

#include "sparse/csb.h"
#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum spacc_cell {
    SPACC_CELL_LINEAR,
    SPACC_CELL_LSTM,
    SPACC_CELL_GRU,
    SPACC_CELL_GRU_RESET,
    SPACC_CELL_LSTMP /* LSTM whose output is projected: r = W_p m + b_p, m = o * act_h(c) */
};
enum spacc_act { SPACC_ACT_TANH, SPACC_ACT_RELU, SPACC_ACT_IDENTITY };

enum {
    SPACC_GATE_FRAC = 12,     /* z: Q3.12 */
    SPACC_UNIT_FRAC = 15,     /* sigmoid, tanh, and h behind tanh: Q0.15 */
    SPACC_WIDE_FRAC = 12,     /* h of an LSTM behind RELU or IDENTITY: Q3.12 */
    SPACC_GRU_WIDE_FRAC = 10, /* h of a GRU behind them: Q5.10 */
    SPACC_CELL_FRAC = 14      /* c: Q9.14 in 24 bits */
};

/* One row: v = sat32(rnd((acc + bias) * mult, shift)). */
struct spacc_fixed_row {
    int32_t bias;
    uint16_t mult;
    uint8_t shift; /* 1..63 */
};

/* A quantised layer. Pointers are owned by the layer (spacc_fixed_free).
 *
 *              recurrent input, h_cols   pass A      pass B, quads_b
 *   LINEAR     none, 0                   units       none, 0
 *   LSTM, GRU  h, units                  units       none, 0
 *   GRU_RESET  h, units                  units       on r * h, units
 *   LSTMP      r, outputs                units       on m, ceil(outputs / 4); row s is r[s]
 */
struct spacc_fixed_layer {
    enum spacc_cell cell;
    enum spacc_act act_g, act_h;
    size_t units;          /* quads; LINEAR: ceil(outputs / 4), rows past outputs are zero */
    size_t outputs;        /* LINEAR: rows asked for; LSTMP: width of r; else = units */
    size_t x_cols;         /* width of x */
    int x_frac, h_frac;    /* fraction bits of x and h (LSTMP: r): x_int = x * 2^x_frac */
    int weight_bits;       /* 8 or 16 */
    int act_bits;          /* 16; with weight_bits 8 also 10 to 12: spacc_fixed_weights */
    struct spacc_csb *w_x; /* int [4 * units][x_cols] */
    struct spacc_csb *w_h; /* int [4 * units][h_cols]; NULL for LINEAR */
    struct spacc_csb *w_b; /* pass B, int [4 * quads_b][units] on r*h (GRU_RESET, rows 4u+3) or
                            * m (LSTMP, rows past outputs are zero); else NULL */
    struct spacc_fixed_row *row;   /* [4 * units] */
    struct spacc_fixed_row *row_b; /* [4 * quads_b]; NULL without a pass B */
    float *y_scale; /* LINEAR: output = v * y_scale[row], [4 * units]; else NULL */
};

/* Width of the recurrent input: units; LSTMP: outputs; LINEAR: 0. */
size_t spacc_fixed_h_cols(const struct spacc_fixed_layer *layer);

/* Quads of pass B: GRU_RESET: units; LSTMP: ceil(outputs / 4); else 0. */
size_t spacc_fixed_quads_b(const struct spacc_fixed_layer *layer);

/* Float weights of a layer in ONNX order, for spacc_fixed_quantise(). */
struct spacc_fixed_weights {
    enum spacc_cell cell;
    enum spacc_act act_g, act_h;
    size_t units; /* hidden size (LSTMP: of the cell); LINEAR: outputs */
    size_t x_cols;
    const float *w;   /* LSTM, LSTMP [4H][I] iofc; GRU [3H][I] zrn; LINEAR [outputs][I] */
    const float *r;   /* LSTM [4H][H]; LSTMP [4H][P]; GRU [3H][H]; LINEAR NULL */
    const float *b_w; /* LSTM, LSTMP [4H], GRU [3H], LINEAR [outputs]; NULL: zero */
    const float *b_r; /* the same for the recurrent bias; NULL: zero */
    int act_bits;     /* 0 or 16; 10 to 12 with weights of 8 bits: x, h, m and r*h are rounded
                       * to so many bits (half up, the top code stays) where they are
                       * multiplied, as a card with two products a multiplier does (dsp_pack.h) */
    /* LSTMP only; other cells do not look at these. */
    const float *p;   /* [P][H] */
    size_t outputs;   /* P, width of r */
    const float *b_p; /* [P]; NULL: zero */
    float r_range;    /* |r| stays within it, which gives r its fraction bits as
                       * spacc_fixed_frac_for() says; <= 0: 15 of them */
};

/* Quantise: one scale a row over all parts, in units of the contribution to the sum
 * (w_x * 2^-x_frac and w_h * 2^-h_frac share it, so each part is as fine as its share of the
 * sum needs), symmetric, weights -127..127 or -32767..32767, round half away from zero.
 *   bank_x, bank_h  bank sizes in columns of the packed parts; GRU_RESET: bank_h of pass B, too
 *   bank_b          LSTMP: bank size of the projection's columns; others do not look at it
 *   x_frac          fraction bits of x, -15..30; h_frac follows from the activations (LSTMP:
 *                   from r_range)
 * A row's scale is raised to the next one that its 15-bit multiplier gives exactly. A kept
 * weight that rounds to zero is dropped. LINEAR: v is the sum less so many low bits that it
 * cannot be cut.
 * SPACC_EINVAL: sizes, weight_bits not 8 or 16, act_bits, a weight that is not finite (part,
 * row, column) or beyond fixed point; SPACC_ENOMEM. */
enum spacc_status spacc_fixed_quantise(struct spacc_fixed_layer **out,
                                       const struct spacc_fixed_weights *weights,
                                       int weight_bits, int x_frac, size_t bank_x,
                                       size_t bank_h, size_t bank_b, struct spacc_error *err);
void spacc_fixed_free(struct spacc_fixed_layer *layer); /* NULL is allowed */

/* Whether a layer read from elsewhere keeps every rule that spacc_fixed_run() counts on:
 * cell, sizes (a row sums at most 65536 columns of all its parts), fractions, presence and
 * shape of parts and rows, shifts, every index. SPACC_EFORMAT (what and where).
 * _sizes looks at the plain fields only, so before the arrays are there. */
enum spacc_status spacc_fixed_check(const struct spacc_fixed_layer *layer,
                                    struct spacc_error *err);
enum spacc_status spacc_fixed_check_sizes(const struct spacc_fixed_layer *layer,
                                          struct spacc_error *err);

/* Fraction bits of h for a cell and its activations; of LSTMP: of m, what it projects. */
int spacc_fixed_h_frac(enum spacc_cell cell, enum spacc_act act_g, enum spacc_act act_h);

/* Largest x_frac (at most 15 + 15) at which |x| <= range fits int16. range <= 0: 15. */
int spacc_fixed_frac_for(float range);

/* float -> fixed with saturation (int16, or 24 bits for c), round half away from zero;
 * NaN becomes 0 and counts as cut. Returns how many were cut. */
size_t spacc_fixed_from_float16(int16_t *to, const float *from, size_t count, int frac);
size_t spacc_fixed_from_float24(int32_t *to, const float *from, size_t count, int frac);

struct spacc_fixed_counts {
    uint64_t gate_saturations, state_saturations; /* as the card counts them */
};

/* Run `steps` steps. x int16 [steps][x_cols]; h int16 [h_cols] in, out (last h; LSTMP: r);
 * state int32 [units] in, out (c, or h of a GRU: the caller sets both h and state; the low 24
 * or 16 bits count); y: LINEAR int32 [steps][4 * units], else int16 [steps][outputs]. h, state
 * unused for LINEAR (NULL). counts (NULL is allowed) are added to. SPACC_ENOMEM. */
enum spacc_status spacc_fixed_run(const struct spacc_fixed_layer *layer, size_t steps,
                                  const int16_t *x, int16_t *h, int32_t *state, void *y,
                                  struct spacc_fixed_counts *counts);

/* A LINEAR layer of which some rows are not wanted: these are 0 and count no saturation, the
 * others are those of spacc_fixed_run().
 *   x     [steps][x_cols]
 *   mask  [steps][ceil(outputs / 64)]: bit r % 64 of word r / 64 is 1 where row r is wanted
 *   y     [steps][4 * units] */
void spacc_fixed_run_masked(const struct spacc_fixed_layer *layer, size_t steps,
                            const int16_t *x, const uint64_t *mask, int32_t *y,
                            struct spacc_fixed_counts *counts);

/* The activation units, for every input code z. They are off by at most the first two bounds
 * inside the range; a z at or beyond the last code, +-8, stands for everything past it: the
 * sigmoid is then 0 or 1 to the last place, the tanh what it is at 8, off by at most the last
 * two. */
#define SPACC_SIGMOID_ERROR     3.3e-5
#define SPACC_TANH_ERROR        6.6e-5
#define SPACC_SIGMOID_CUT_ERROR 3.1e-4
#define SPACC_TANH_CUT_ERROR    3.1e-5
int16_t spacc_fixed_sigmoid(int16_t z);
int16_t spacc_fixed_tanh(int16_t z);

#ifdef __cplusplus
}
#endif

#endif
