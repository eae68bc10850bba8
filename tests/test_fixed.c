/* The card's arithmetic against hand-computed numbers and against doubles. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sparse/fixed.h"

static uint32_t seed;

static uint32_t next_random(void)
{
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

/* -1..1 */
static float uniform(void)
{
    return (float)next_random() / 8388608.0F - 1.0F;
}

static double sigmoid(double v)
{
    return 1.0 / (1.0 + exp(-v));
}

/* ---------------------------------------------------------------- activations */

/* The bounds that fixed.h promises. */
static void activations_stay_within_their_bound_for_every_code(void **state)
{
    (void)state;
    double worst_sigmoid = 0.0, worst_tanh = 0.0;

    for (int z = INT16_MIN; z <= INT16_MAX; z++) {
        const double v = ldexp(z, -SPACC_GATE_FRAC);
        const double s = ldexp(spacc_fixed_sigmoid((int16_t)z), -SPACC_UNIT_FRAC);
        const double t = ldexp(spacc_fixed_tanh((int16_t)z), -SPACC_UNIT_FRAC);
        if (z > -INT16_MAX && z < INT16_MAX)
            worst_sigmoid = fmax(worst_sigmoid, fabs(s - sigmoid(v)));
        worst_tanh = fmax(worst_tanh, fabs(t - tanh(v)));
    }
    print_message("largest error: sigmoid %.3g (%.2f of 2^-15), tanh %.3g (%.2f of 2^-15)\n",
                  worst_sigmoid, ldexp(worst_sigmoid, 15), worst_tanh, ldexp(worst_tanh, 15));
    assert_true(worst_sigmoid <= SPACC_SIGMOID_ERROR);
    assert_true(worst_tanh <= SPACC_TANH_ERROR);
    /* Past the range of z the last code stands for everything: what the cut costs. */
    const double s_max = ldexp(spacc_fixed_sigmoid(INT16_MAX), -15);
    const double s_end = ldexp(INT16_MAX, -SPACC_GATE_FRAC);
    const double t_max = ldexp(spacc_fixed_tanh(INT16_MAX), -15);
    assert_true(fabs(s_max - sigmoid(s_end)) <= SPACC_SIGMOID_CUT_ERROR);
    assert_true(1.0 - s_max <= SPACC_SIGMOID_ERROR);
    assert_true(1.0 - t_max <= SPACC_TANH_CUT_ERROR);
}

static void activations_are_odd_and_never_fall(void **state)
{
    (void)state;
    assert_int_equal(spacc_fixed_tanh(0), 0);
    assert_int_equal(spacc_fixed_sigmoid(0), 16384);
    assert_int_equal(spacc_fixed_tanh(INT16_MIN), -spacc_fixed_tanh(INT16_MAX));
    for (int z = 1; z <= INT16_MAX; z++) {
        assert_int_equal(spacc_fixed_tanh((int16_t)-z), -spacc_fixed_tanh((int16_t)z));
        assert_int_equal(spacc_fixed_sigmoid((int16_t)-z),
                         32768 - spacc_fixed_sigmoid((int16_t)z));
        assert_true(spacc_fixed_tanh((int16_t)z) >= spacc_fixed_tanh((int16_t)(z - 1)));
        assert_true(spacc_fixed_sigmoid((int16_t)z) >= spacc_fixed_sigmoid((int16_t)(z - 1)));
    }
}

/* ---------------------------------------------------------------- by hand */

static int64_t cut16(int64_t v)
{
    return v > INT16_MAX ? INT16_MAX : v < INT16_MIN ? INT16_MIN : v;
}

static void one_matrix(struct spacc_csb **out, const int16_t *dense, size_t rows, size_t cols,
                       size_t bank_size)
{
    float scale[64];

    for (size_t i = 0; i < rows; i++)
        scale[i] = 1.0F;
    assert_int_equal(
        spacc_csb_pack_int(out, SPACC_CSB_I16, dense, scale, rows, cols, bank_size, NULL),
        SPACC_OK);
}

static struct spacc_fixed_layer *layer_of(enum spacc_cell cell, enum spacc_act act_g,
                                          enum spacc_act act_h, size_t units, size_t x_cols,
                                          const int16_t *x, const int16_t *h)
{
    struct spacc_fixed_layer *l = calloc(1, sizeof(*l));

    assert_non_null(l);
    *l = (struct spacc_fixed_layer){.cell = cell,
                                    .act_g = act_g,
                                    .act_h = act_h,
                                    .units = units,
                                    .outputs = cell == SPACC_CELL_LINEAR ? 4 * units : units,
                                    .x_cols = x_cols,
                                    .x_frac = 12,
                                    .weight_bits = 16,
                                    .act_bits = 16};
    l->h_frac = spacc_fixed_h_frac(cell, act_g, act_h);
    one_matrix(&l->w_x, x, 4 * units, x_cols, 2);
    if (cell != SPACC_CELL_LINEAR)
        one_matrix(&l->w_h, h, 4 * units, units, 2);
    l->row = calloc(4 * units, sizeof(*l->row));
    assert_non_null(l->row);
    for (size_t i = 0; i < 4 * units; i++)
        l->row[i] = (struct spacc_fixed_row){0, 2, 1}; /* v = acc + bias */
    if (cell == SPACC_CELL_LINEAR)
        l->y_scale = calloc(4 * units, sizeof(*l->y_scale));
    return l;
}

/* rnd is half up: 5/2 -> 3, -5/2 -> -2, -3/2 -> -1; 32 bits cut; shift 63 keeps nothing but
 * what rounds up. */
static void linear_rounds_half_up_and_cuts_at_32_bits(void **state)
{
    (void)state;
    const int16_t w[16] = {1, 0, -1, 0, 1, 1, 0, 0, 32767, 0, -32767, 0, 1, 0, 1, 0};
    const int16_t x[2] = {5, -2};
    int32_t y[8];
    struct spacc_fixed_counts counts = {10, 20};
    struct spacc_fixed_layer *l =
        layer_of(SPACC_CELL_LINEAR, SPACC_ACT_TANH, SPACC_ACT_TANH, 2, 2, w, NULL);

    l->row[0] = (struct spacc_fixed_row){0, 1, 1};         /* 5 / 2 */
    l->row[1] = (struct spacc_fixed_row){0, 1, 1};         /* -5 / 2 */
    l->row[2] = (struct spacc_fixed_row){-6, 1, 1};        /* (3 - 6) / 2 */
    l->row[3] = (struct spacc_fixed_row){INT32_MIN, 2, 1}; /* bias alone */
    l->row[4] = (struct spacc_fixed_row){0, 65535, 1};     /* 163835 * 65535 / 2: cut */
    l->row[5] = (struct spacc_fixed_row){0, 65535, 1};
    l->row[6] = (struct spacc_fixed_row){INT32_MAX, 65535, 63};
    l->row[7] = (struct spacc_fixed_row){-6, 65535, 63};
    assert_int_equal(spacc_fixed_run(l, 1, x, NULL, NULL, y, &counts), SPACC_OK);
    const int32_t want[8] = {3, -2, -1, INT32_MIN, INT32_MAX, INT32_MIN, 0, 0};
    for (int i = 0; i < 8; i++)
        assert_int_equal(y[i], want[i]);
    assert_int_equal(counts.state_saturations, 22);
    assert_int_equal(counts.gate_saturations, 10);
    spacc_fixed_free(l);
}

/* x = 1 gives z = bias + weight. One unit; i, o, f saturate open (z past 8 counts as a cut):
 * sigmoid(32767) = 32767. */
static void lstm_follows_the_formula_by_hand(void **state)
{
    (void)state;
    const int16_t w[4] = {0, 0, 0, 1000}, r[4] = {0, 0, 0, 0}, x[1] = {1};
    int16_t h[1] = {0}, y[1];
    int32_t c[1] = {1 << SPACC_CELL_FRAC}; /* 1.0 */
    struct spacc_fixed_counts counts = {0, 0};
    struct spacc_fixed_layer *l =
        layer_of(SPACC_CELL_LSTM, SPACC_ACT_IDENTITY, SPACC_ACT_RELU, 1, 1, w, r);

    l->row[0].bias = 0;           /* i = 16384 */
    l->row[1].bias = 40000;       /* o: z is cut to 32767 */
    l->row[2].bias = -2000000000; /* f: z is cut to -32768 */
    const int64_t o = spacc_fixed_sigmoid(32767), f = spacc_fixed_sigmoid(-32768);
    assert_int_equal(o, 32767);
    assert_int_equal(f, 1);
    assert_int_equal(spacc_fixed_run(l, 1, x, h, c, y, &counts), SPACC_OK);
    /* ((f * 16384 << 1) + (16384 * 1000 << 3) + 32768) >> 16 */
    const int64_t want_c = (f * 32768 + 131072000 + 32768) / 65536;
    assert_int_equal(c[0], want_c);
    assert_int_equal(h[0], (o * ((want_c + 2) / 4) + 16384) / 32768);
    assert_int_equal(y[0], h[0]);
    assert_int_equal(counts.gate_saturations, 2);
    assert_int_equal(counts.state_saturations, 0);
    spacc_fixed_free(l);
}

/* c close to its end: 24 bits are cut and counted; the cut in front of act_h is not. */
static void lstm_cell_state_is_cut_at_24_bits(void **state)
{
    (void)state;
    const int16_t w[4] = {0, 0, 0, 32767}, r[4] = {0, 0, 0, 0}, x[1] = {1};
    int16_t h[1] = {0}, y[2];
    int32_t c[1] = {8388607};
    struct spacc_fixed_counts counts = {0, 0};
    struct spacc_fixed_layer *l =
        layer_of(SPACC_CELL_LSTM, SPACC_ACT_IDENTITY, SPACC_ACT_IDENTITY, 1, 1, w, r);

    l->row[0].bias = l->row[1].bias = l->row[2].bias = 32767;
    assert_int_equal(spacc_fixed_run(l, 1, x, h, c, y, &counts), SPACC_OK);
    assert_int_equal(c[0], 8388607);
    assert_int_equal(counts.state_saturations, 1);
    assert_int_equal(counts.gate_saturations, 0);
    assert_int_equal(h[0], (spacc_fixed_sigmoid(32767) * 32767 + 16384) >> 15);
    spacc_fixed_free(l);
}

/* The state memory has 24 bits a unit, of which a GRU's h takes 16. */
static void only_the_low_bits_of_a_state_count(void **state)
{
    (void)state;
    static const struct {
        enum spacc_cell cell;
        int32_t wild, tame;
    } cases[] = {{SPACC_CELL_LSTM, 0x7f800001, -0x7fffff},
                 {SPACC_CELL_LSTM, 0x01000005, 5},
                 {SPACC_CELL_GRU, 0x00018001, -0x7fff},
                 {SPACC_CELL_GRU, -0x10000 + 7, 7}};
    const int16_t w[4] = {3, 5, 7, 9}, x[1] = {100};

    for (size_t i = 0; i < 4; i++) {
        int32_t s[2][1] = {{cases[i].wild}, {cases[i].tame}};
        int16_t h[2][1] = {{11}, {11}}, y[1];
        struct spacc_fixed_layer *l =
            layer_of(cases[i].cell, SPACC_ACT_TANH, SPACC_ACT_TANH, 1, 1, w, w);
        for (size_t k = 0; k < 2; k++)
            assert_int_equal(spacc_fixed_run(l, 1, x, h[k], s[k], y, NULL), SPACC_OK);
        assert_int_equal(s[0][0], s[1][0]);
        assert_int_equal(h[0][0], h[1][0]);
        spacc_fixed_free(l);
    }
}

static void gru_follows_the_formula_by_hand(void **state)
{
    (void)state;
    const int16_t w[4] = {0, 0, 0, 0}, r[4] = {0, 0, 0, 0}, x[1] = {0};
    int16_t h[1] = {-3000}, y[1];
    int32_t s[1] = {-3000};
    struct spacc_fixed_counts counts = {0, 0};
    struct spacc_fixed_layer *l =
        layer_of(SPACC_CELL_GRU, SPACC_ACT_RELU, SPACC_ACT_TANH, 1, 1, w, r);

    l->row[2].bias = 101;
    l->row[3].bias = -101; /* r is one half: rnd(-50.5) = -50 */
    assert_int_equal(spacc_fixed_run(l, 1, x, h, s, y, &counts), SPACC_OK);
    /* n = rnd(51 / 4) = 13; 13 + rnd((-3000 - 13) / 2), and rnd(-1506.5) = -1506 */
    assert_int_equal(h[0], 13 - 1506);
    assert_int_equal(s[0], h[0]);
    assert_int_equal(y[0], h[0]);
    assert_int_equal(counts.gate_saturations, 0);

    l->row[2].bias = 400000;
    l->row[3].bias = 400000; /* 400000 + 200000, a quarter of it is cut, a GATE saturation */
    assert_int_equal(spacc_fixed_run(l, 1, x, h, s, y, &counts), SPACC_OK);
    assert_int_equal(counts.gate_saturations, 1);
    spacc_fixed_free(l);
}

/* Rows that no unit uses are never looked at, whatever they hold. */
static void unused_rows_of_gru_reset_do_not_count(void **state)
{
    (void)state;
    const int16_t w[4] = {0, 0, 0, 32767}, r[4] = {0, 0, 0, 32767}, x[1] = {32767};
    int16_t h[1] = {32767}, y[1];
    int32_t s[1] = {32767};
    struct spacc_fixed_counts counts = {0, 0};
    struct spacc_fixed_layer *l =
        layer_of(SPACC_CELL_GRU_RESET, SPACC_ACT_TANH, SPACC_ACT_TANH, 1, 1, w, r);
    const int16_t w_b[4] = {32767, 32767, 32767, 1};

    one_matrix(&l->w_b, w_b, 4, 1, 2);
    l->row_b = calloc(4, sizeof(*l->row_b));
    for (int i = 0; i < 4; i++)
        l->row_b[i] = (struct spacc_fixed_row){0, 2, 1};
    assert_int_equal(spacc_fixed_run(l, 1, x, h, s, y, &counts), SPACC_OK);
    assert_int_equal(counts.gate_saturations, 0);
    /* rh = rnd(16384 * 32767, 15) = 16384, n = tanh(16384), h' = n + rnd((h - n) / 2) */
    const int n = spacc_fixed_tanh(16384);
    assert_int_equal(h[0], n + ((16384 * (32767 - n) + 16384) >> 15));
    spacc_fixed_free(l);
}

/* An LSTM of two units whose m is projected to five outputs: rows 5 to 7 are not used. */
static struct spacc_fixed_layer *projected(void)
{
    static const int16_t w[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const int16_t r[40] = {[0] = 2, [5] = -2, [19] = 100, [35] = 2};
    static const int16_t p[16] = {1, 0, 0, -1, 2, 3, 32767, 32767, -32767, -32767};
    struct spacc_fixed_layer *l = calloc(1, sizeof(*l));

    assert_non_null(l);
    *l = (struct spacc_fixed_layer){.cell = SPACC_CELL_LSTMP,
                                    .act_g = SPACC_ACT_TANH,
                                    .act_h = SPACC_ACT_TANH,
                                    .units = 2,
                                    .outputs = 5,
                                    .x_cols = 1,
                                    .x_frac = 12,
                                    .h_frac = 13,
                                    .weight_bits = 16,
                                    .act_bits = 16};
    one_matrix(&l->w_x, w, 8, 1, 1);
    one_matrix(&l->w_h, r, 8, 5, 3);
    one_matrix(&l->w_b, p, 8, 2, 1);
    l->row = calloc(8, sizeof(*l->row));
    l->row_b = calloc(8, sizeof(*l->row_b));
    assert_true(l->row && l->row_b);
    for (size_t i = 0; i < 8; i++)
        l->row[i] = l->row_b[i] = (struct spacc_fixed_row){0, 2, 1}; /* v = acc + bias */
    return l;
}

/* Pass B multiplies m, not h; r is what comes out and what the next step reads; a cut of r
 * counts as a STATE saturation, once. */
static void a_projection_follows_the_formula_by_hand(void **state)
{
    (void)state;
    const int16_t x[2] = {100, 0};
    int16_t h[5] = {0}, y[10], m[2];
    int32_t alone[2] = {3 << SPACC_CELL_FRAC, -(1 << SPACC_CELL_FRAC)};
    int32_t c[2] = {alone[0] | 0x40000000, alone[1]}; /* 24 bits of it count */
    struct spacc_fixed_counts counts = {0, 0};
    struct spacc_fixed_layer *l = projected();

    l->row_b[0] = (struct spacc_fixed_row){5, 1, 1}; /* rnd((m0 + 5) / 2) */
    assert_int_equal(spacc_fixed_check(l, NULL), SPACC_OK);
    for (int u = 0; u < 2; u++) { /* h is 0: z = (4 u + i + 1) * 100 */
        const int64_t i = spacc_fixed_sigmoid((int16_t)(400 * u + 100)),
                      o = spacc_fixed_sigmoid((int16_t)(400 * u + 200)),
                      f = spacc_fixed_sigmoid((int16_t)(400 * u + 300)),
                      g = spacc_fixed_tanh((int16_t)(400 * u + 400));
        alone[u] = (int32_t)((2 * f * alone[u] + i * g + 32768) >> 16);
        m[u] = (int16_t)((o * spacc_fixed_tanh((int16_t)((alone[u] + 2) >> 2)) + 16384) >> 15);
    }
    assert_int_equal(spacc_fixed_run(l, 1, x, h, c, y, &counts), SPACC_OK);
    assert_memory_equal(c, alone, sizeof(c));
    const int64_t both = 32767 * ((int64_t)m[0] + m[1]);
    assert_true(both > 32767 || both < -32768);
    const int64_t want[5] = {(m[0] + 6) >> 1, -m[1], 2 * m[0] + 3 * m[1],
                             both > 0 ? 32767 : -32768, both > 0 ? -32768 : 32767};
    for (int row = 0; row < 5; row++) {
        assert_int_equal(y[row], want[row]);
        assert_int_equal(h[row], want[row]);
    }
    assert_int_equal(counts.state_saturations, 2);
    assert_int_equal(counts.gate_saturations, 0);

    /* The next step reads r: rows 0 and 3 of unit 0 have 2 on r[0] and 100 on r[4], which cuts.
     */
    const int64_t z = cut16(100 * (int64_t)h[4]);
    assert_true(z == 32767 || z == -32768);
    counts.state_saturations = 0;
    const int32_t before = c[0];
    assert_int_equal(spacc_fixed_run(l, 1, x + 1, h, c, y + 5, &counts), SPACC_OK);
    assert_int_equal(counts.gate_saturations, 1);
    const int64_t i = spacc_fixed_sigmoid((int16_t)cut16(2 * want[0])),
                  f = spacc_fixed_sigmoid(0), g = spacc_fixed_tanh((int16_t)z);
    assert_int_equal(c[0], (2 * f * before + i * g + 32768) >> 16);
    spacc_fixed_free(l);
}

static void floats_are_cut_and_rounded_away_from_zero(void **state)
{
    (void)state;
    const float from[8] = {0.5F, -0.5F, 1.5F, 40000.0F, -40000.0F, NAN, -32768.0F, INFINITY};
    const int16_t want[8] = {1, -1, 2, 32767, -32768, 0, -32768, 32767};
    int16_t to[8];
    int32_t wide[8];

    assert_int_equal(spacc_fixed_from_float16(to, from, 8, 0), 4);
    assert_memory_equal(to, want, sizeof(to));
    assert_int_equal(spacc_fixed_from_float24(wide, from, 8, 0), 2);
    assert_int_equal(wide[3], 40000);
    assert_int_equal(wide[7], 8388607);
    assert_int_equal(spacc_fixed_from_float16(to, from, 1, -1), 0);
    assert_int_equal(to[0], 0);
    assert_int_equal(spacc_fixed_frac_for(1.0F), 14);
    assert_int_equal(spacc_fixed_frac_for(0.99F), 15);
    assert_int_equal(spacc_fixed_frac_for(7.9F), 12);
    assert_int_equal(spacc_fixed_frac_for(0.0F), 15);
    assert_int_equal(spacc_fixed_frac_for(-1.0F), 15);
    assert_int_equal(spacc_fixed_frac_for(1e-20F), 30);
    assert_int_equal(spacc_fixed_frac_for(INFINITY), -15);
    assert_int_equal(spacc_fixed_frac_for(32767.0F), 0);
    assert_int_equal(spacc_fixed_frac_for(65534.0F), -1);
}

/* ---------------------------------------------------------------- against doubles */

/* A random float layer, pruned to half of its weights. */
struct model {
    struct spacc_fixed_weights f;
    float *memory;
};

/* Width of the recurrent input; of a projection, of r. */
static size_t h_width(const struct spacc_fixed_weights *f)
{
    return f->cell == SPACC_CELL_LSTMP ? f->outputs : f->units;
}

static bool lstm_cell(enum spacc_cell cell)
{
    return cell == SPACC_CELL_LSTM || cell == SPACC_CELL_LSTMP;
}

/* outputs: of an LSTMP. */
static void model_make(struct model *m, enum spacc_cell cell, enum spacc_act act_g,
                       enum spacc_act act_h, size_t units, size_t cols, size_t outputs)
{
    const size_t gates = cell == SPACC_CELL_LINEAR ? 1 : lstm_cell(cell) ? 4 : 3;

    m->f = (struct spacc_fixed_weights){.cell = cell,
                                        .act_g = act_g,
                                        .act_h = act_h,
                                        .units = units,
                                        .x_cols = cols,
                                        .outputs = outputs,
                                        .r_range = 4.0F};
    const size_t w = gates * units * cols, r = gates * units * h_width(&m->f);
    const size_t p = outputs * units, b = gates * units;
    m->memory = calloc(w + r + p + 2 * b + outputs, sizeof(float));
    assert_non_null(m->memory);
    for (size_t i = 0; i < w + r + p + 2 * b + outputs; i++)
        m->memory[i] = i >= w + r + p      ? 0.3F * uniform()
                       : next_random() % 2 ? 2.0F * uniform() / sqrtf((float)units)
                                           : 0.0F;
    m->f.w = m->memory;
    m->f.r = cell == SPACC_CELL_LINEAR ? NULL : m->memory + w;
    m->f.p = m->memory + w + r;
    m->f.b_w = m->memory + w + r + p;
    m->f.b_r = m->f.b_w + b;
    m->f.b_p = m->f.b_r + b;
}

static double act(enum spacc_act a, double v)
{
    return a == SPACC_ACT_TANH ? tanh(v) : a == SPACC_ACT_RELU ? fmax(v, 0.0) : v;
}

static double row_x(const struct model *m, size_t row, const double *x)
{
    double sum = m->f.b_w[row];
    for (size_t c = 0; c < m->f.x_cols; c++)
        sum += (double)m->f.w[row * m->f.x_cols + c] * x[c];
    return sum;
}

static double row_h(const struct model *m, size_t row, const double *h)
{
    double sum = m->f.b_r[row];
    for (size_t c = 0; c < h_width(&m->f); c++)
        sum += (double)m->f.r[row * h_width(&m->f) + c] * h[c];
    return sum;
}

static void project_double(const struct model *m, const double *from, double *r)
{
    for (size_t row = 0; row < m->f.outputs; row++) {
        r[row] = (double)m->f.b_p[row];
        for (size_t u = 0; u < m->f.units; u++)
            r[row] += (double)m->f.p[row * m->f.units + u] * from[u];
    }
}

static void lstm_double(const struct model *m, const double *x, double *h, double *c)
{
    const size_t n = m->f.units;
    double next[256];

    for (size_t u = 0; u < n; u++) {
        double z[4];
        for (size_t g = 0; g < 4; g++)
            z[g] = row_x(m, g * n + u, x) + row_h(m, g * n + u, h);
        c[u] = sigmoid(z[2]) * c[u] + sigmoid(z[0]) * act(m->f.act_g, z[3]);
        next[u] = sigmoid(z[1]) * act(m->f.act_h, c[u]);
    }
    if (m->f.cell == SPACC_CELL_LSTMP)
        project_double(m, next, h);
    else
        memcpy(h, next, n * sizeof(*h));
}

static void gru_double(const struct model *m, const double *x, double *h)
{
    const size_t n = m->f.units;
    double next[256], rh[256];

    for (size_t u = 0; u < n; u++)
        rh[u] = h[u] * sigmoid(row_x(m, n + u, x) + row_h(m, n + u, h));
    for (size_t u = 0; u < n; u++) {
        const double z = sigmoid(row_x(m, u, x) + row_h(m, u, h));
        const double r = sigmoid(row_x(m, n + u, x) + row_h(m, n + u, h));
        const double recurrent =
            m->f.cell == SPACC_CELL_GRU ? r * row_h(m, 2 * n + u, h) : row_h(m, 2 * n + u, rh);
        const double g = act(m->f.act_g, row_x(m, 2 * n + u, x) + recurrent);
        next[u] = (1.0 - z) * g + z * h[u];
    }
    memcpy(h, next, n * sizeof(*h));
}

/* Signal to noise in dB of `steps` steps of a recurrent layer from zero states. */
static double snr_of(struct model *m, int bits, int act_bits, size_t steps)
{
    enum { UNITS = 256, COLS = 256 };
    const size_t n = h_width(&m->f);
    const int x_frac = 14;
    double h[UNITS] = {0}, c[UNITS] = {0}, x[COLS], signal = 0.0, noise = 0.0;
    int16_t h_int[UNITS] = {0}, x_int[COLS], y[UNITS];
    int32_t state[UNITS] = {0};
    struct spacc_fixed_layer *l;
    struct spacc_fixed_counts counts = {0, 0};
    struct spacc_error err = {.text = ""};

    m->f.act_bits = act_bits;
    if (spacc_fixed_quantise(&l, &m->f, bits, x_frac, 16, 8, 5, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    assert_int_equal(spacc_fixed_check(l, &err), SPACC_OK);
    for (size_t t = 0; t < steps; t++) {
        for (size_t i = 0; i < m->f.x_cols; i++) {
            const float v = uniform();
            spacc_fixed_from_float16(&x_int[i], &v, 1, x_frac);
            x[i] = ldexp(x_int[i], -x_frac);
        }
        assert_int_equal(spacc_fixed_run(l, 1, x_int, h_int, state, y, &counts), SPACC_OK);
        if (lstm_cell(m->f.cell))
            lstm_double(m, x, h, c);
        else
            gru_double(m, x, h);
        for (size_t u = 0; u < n; u++) {
            const double error = ldexp(y[u], -l->h_frac) - h[u];
            signal += h[u] * h[u];
            noise += error * error;
        }
    }
    assert_int_equal(counts.gate_saturations + counts.state_saturations, 0);
    spacc_fixed_free(l);
    return 10.0 * log10(signal / noise);
}

static void recurrent_layers_follow_doubles(void **state)
{
    (void)state;
    static const struct {
        enum spacc_cell cell;
        enum spacc_act act_g, act_h;
        const char *name;
    } cases[] = {
        {SPACC_CELL_LSTM, SPACC_ACT_TANH, SPACC_ACT_TANH, "LSTM"},
        {SPACC_CELL_LSTM, SPACC_ACT_RELU, SPACC_ACT_TANH, "LSTM relu, tanh"},
        {SPACC_CELL_LSTM, SPACC_ACT_TANH, SPACC_ACT_IDENTITY, "LSTM tanh, identity"},
        {SPACC_CELL_GRU, SPACC_ACT_TANH, SPACC_ACT_TANH, "GRU"},
        {SPACC_CELL_GRU, SPACC_ACT_RELU, SPACC_ACT_TANH, "GRU relu"},
        {SPACC_CELL_GRU_RESET, SPACC_ACT_TANH, SPACC_ACT_TANH, "GRU_RESET"},
        {SPACC_CELL_GRU_RESET, SPACC_ACT_RELU, SPACC_ACT_TANH, "GRU_RESET relu"},
        {SPACC_CELL_LSTMP, SPACC_ACT_TANH, SPACC_ACT_TANH, "LSTMP"},
        {SPACC_CELL_LSTMP, SPACC_ACT_TANH, SPACC_ACT_IDENTITY, "LSTMP tanh, identity"}};

    seed = 42;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct model m;
        model_make(&m, cases[i].cell, cases[i].act_g, cases[i].act_h, 37, 29,
                   cases[i].cell == SPACC_CELL_LSTMP ? 22 : 0);
        const double wide = snr_of(&m, 16, 16, 20), narrow = snr_of(&m, 8, 0, 20);
        const double packed = snr_of(&m, 8, 12, 20), least = snr_of(&m, 8, 10, 20);
        print_message(
            "%-20s int16 %.1f dB, int8 %.1f dB, x and h of 12 bits %.1f dB, of 10 %.1f\n",
            cases[i].name, wide, narrow, packed, least);
        assert_true(wide > 55.0);
        assert_true(narrow > 25.0);
        assert_true(packed > 25.0 && packed > narrow - 3.0);
        assert_true(least > 20.0);
        free(m.memory);
    }
}

static double linear_snr(int bits, float bias_scale)
{
    enum { ROWS = 30, COLS = 100 };
    struct model m;
    struct spacc_fixed_layer *l;
    struct spacc_fixed_counts counts = {0, 0};
    int16_t x_int[COLS];
    double x[COLS], signal = 0.0, noise = 0.0;
    int32_t y[32];

    model_make(&m, SPACC_CELL_LINEAR, SPACC_ACT_TANH, SPACC_ACT_TANH, ROWS, COLS, 0);
    for (size_t i = 0; i < 2 * ROWS; i++) /* both biases */
        m.memory[ROWS * COLS + ROWS * ROWS + i] *= bias_scale;
    assert_int_equal(spacc_fixed_quantise(&l, &m.f, bits, 10, 16, 1, 1, NULL), SPACC_OK);
    assert_int_equal(spacc_fixed_check(l, NULL), SPACC_OK);
    assert_int_equal(l->units, 8);
    assert_int_equal(l->outputs, ROWS);
    for (size_t i = 0; i < COLS; i++) {
        x_int[i] = (int16_t)(next_random() & 0xffff);
        x[i] = ldexp(x_int[i], -10);
    }
    assert_int_equal(spacc_fixed_run(l, 1, x_int, NULL, NULL, y, &counts), SPACC_OK);
    for (size_t row = 0; row < ROWS; row++) {
        const double want = row_x(&m, row, x) + (double)m.f.b_r[row];
        const double error = (double)y[row] * (double)l->y_scale[row] - want;
        signal += want * want;
        noise += error * error;
    }
    assert_int_equal(y[30], 0);
    assert_int_equal(y[31], 0);
    assert_int_equal(counts.state_saturations, 0);
    spacc_fixed_free(l);
    free(m.memory);
    return 10.0 * log10(signal / noise);
}

static void linear_layers_follow_doubles(void **state)
{
    (void)state;
    seed = 43;
    const double wide = linear_snr(16, 1.0F), narrow = linear_snr(8, 1.0F);
    print_message("LINEAR int16 %.1f dB, int8 %.1f dB\n", wide, narrow);
    assert_true(wide > 80.0);
    assert_true(narrow > 35.0);
    /* A bias that needs a larger lsb than the weights: it must not wrap. */
    assert_true(linear_snr(16, 1e9F) > 55.0);
}

/* The largest |x| against weights all at their limit: v must not be cut. */
static void linear_cannot_saturate(void **state)
{
    (void)state;
    enum { COLS = 2048 };
    static float w[2 * COLS];
    static int16_t x[COLS];
    const float bias[2] = {10.0F, -10.0F};
    struct spacc_fixed_weights f = {
        .cell = SPACC_CELL_LINEAR, .units = 2, .x_cols = COLS, .w = w, .b_w = bias};
    struct spacc_fixed_layer *l;
    struct spacc_fixed_counts counts = {0, 0};
    int32_t y[4];

    for (size_t i = 0; i < COLS; i++) {
        w[i] = -1.0F;
        w[COLS + i] = 1.0F;
        x[i] = INT16_MIN;
    }
    assert_int_equal(spacc_fixed_quantise(&l, &f, 16, 12, 16, 1, 1, NULL), SPACC_OK);
    assert_int_equal(spacc_fixed_run(l, 1, x, NULL, NULL, y, &counts), SPACC_OK);
    assert_int_equal(counts.state_saturations, 0);
    assert_true(y[0] > INT32_MAX / 2 && y[1] < INT32_MIN / 2); /* all 31 bits are used */
    assert_true(fabs((double)y[0] * (double)l->y_scale[0] / (8.0 * COLS + 10.0) - 1.0) < 1e-4);
    spacc_fixed_free(l);
}

/* ---------------------------------------------------------------- quantising */

/* Weights of one row in value, from integers and scale. */
static void quantised_weights_are_half_a_unit_off_at_most(void **state)
{
    (void)state;
    struct model m;
    struct spacc_fixed_layer *l;
    static float back[4 * 20 * 20];

    seed = 44;
    model_make(&m, SPACC_CELL_LSTM, SPACC_ACT_TANH, SPACC_ACT_TANH, 20, 20, 0);
    for (int bits = 8; bits <= 16; bits += 8) {
        assert_int_equal(spacc_fixed_quantise(&l, &m.f, bits, 9, 4, 7, 1, NULL), SPACC_OK);
        assert_int_equal(l->w_x->bank_size, 4);
        assert_int_equal(l->w_h->bank_size, 7);
        spacc_csb_unpack(l->w_h, back);
        for (size_t row = 0; row < 80; row++) {
            const size_t onnx = row % 4 * 20 + row / 4; /* quads of rows -> gates of units */
            const struct spacc_fixed_row *p = &l->row[row];
            const double lsb = ldexp(p->mult, -p->shift - SPACC_GATE_FRAC);
            assert_true((double)l->w_h->scale[row] == ldexp(lsb, 15));
            assert_true((double)l->w_x->scale[row] == ldexp(lsb, 9));
            assert_in_range(p->mult, 1 << 14, (1 << 15) - 1);
            assert_true(fabs(p->bias * lsb - (double)m.f.b_w[onnx] - (double)m.f.b_r[onnx]) <=
                        0.5001 * lsb);
            for (size_t c = 0; c < 20; c++) {
                const double error = (double)back[row * 20 + c] - (double)m.f.r[onnx * 20 + c];
                assert_true(fabs(error) <= 0.5001 * (double)l->w_h->scale[row]);
            }
        }
        spacc_fixed_free(l);
    }
    free(m.memory);
}

/* Rows of a projection give r in its own format; rows past the outputs are empty. */
static void a_quantised_projection_is_half_a_unit_off_at_most(void **state)
{
    (void)state;
    enum { UNITS = 11, OUTPUTS = 6 };
    struct model m;
    struct spacc_fixed_layer *l;
    float back[8 * UNITS];

    seed = 46;
    model_make(&m, SPACC_CELL_LSTMP, SPACC_ACT_TANH, SPACC_ACT_RELU, UNITS, 4, OUTPUTS);
    m.f.r_range = 30.0F;
    for (int bits = 8; bits <= 16; bits += 8) {
        assert_int_equal(spacc_fixed_quantise(&l, &m.f, bits, 9, 4, 3, 5, NULL), SPACC_OK);
        assert_int_equal(spacc_fixed_check(l, NULL), SPACC_OK);
        assert_true(l->w_h->cols == OUTPUTS && l->w_h->bank_size == 3);
        assert_true(l->w_b->cols == UNITS && l->w_b->rows == 8 && l->w_b->bank_size == 5);
        assert_int_equal(l->h_frac, 10);
        spacc_csb_unpack(l->w_b, back);
        for (size_t row = 0; row < OUTPUTS; row++) {
            const struct spacc_fixed_row *p = &l->row_b[row];
            const double lsb = ldexp(p->mult, -p->shift - 10);
            /* m of a RELU has 12 fraction bits */
            assert_true((double)l->w_b->scale[row] == ldexp(lsb, SPACC_WIDE_FRAC));
            assert_true(fabs(p->bias * lsb - (double)m.f.b_p[row]) <= 0.5001 * lsb);
            for (size_t u = 0; u < UNITS; u++)
                assert_true(
                    fabs((double)back[row * UNITS + u] - (double)m.f.p[row * UNITS + u]) <=
                    0.5001 * (double)l->w_b->scale[row]);
        }
        for (size_t i = OUTPUTS * UNITS; i < 8 * UNITS; i++)
            assert_true(back[i] == 0.0F);
        assert_true(l->row_b[6].bias == 0 && l->row_b[7].bias == 0);
        spacc_fixed_free(l);
    }
    free(m.memory);
}

/* Rows of zero weights with a bias, no bias, and weights so far apart that some round off. */
static void odd_rows_are_still_represented(void **state)
{
    (void)state;
    const float w[12] = {0, 0, 0, 0, 0, 0, 1, 1e-9F, 0, 1e-20F, 2e-20F, 0};
    const float b[4] = {2.5F, 0.0F, 0.0F, 0.0F}, r[4] = {0, 0, 0, 0};
    const struct spacc_fixed_weights f = {
        .cell = SPACC_CELL_LSTM, .units = 1, .x_cols = 3, .w = w, .r = r, .b_w = b};
    const int16_t x[3] = {4096, 4096, 4096};
    int16_t h[1] = {0}, y[1];
    int32_t c[1] = {0};
    struct spacc_fixed_layer *l;

    assert_int_equal(spacc_fixed_quantise(&l, &f, 16, 12, 3, 1, 1, NULL), SPACC_OK);
    assert_int_equal(spacc_fixed_check(l, NULL), SPACC_OK);
    assert_int_equal(l->w_x->k, 2);
    assert_int_equal(l->w_x->nonzeros, 3); /* 1e-9 beside 1 is dropped */
    const double z = ldexp((double)l->row[0].bias * l->row[0].mult, -l->row[0].shift);
    assert_true(fabs(z - 2.5 * 4096) < 0.01);
    assert_int_equal(l->row[1].bias, 0);
    assert_int_equal(spacc_fixed_run(l, 1, x, h, c, y, NULL), SPACC_OK);
    assert_int_equal(h[0], 0); /* g = tanh(0) */
    spacc_fixed_free(l);
}

static void bad_layers_are_refused(void **state)
{
    (void)state;
    float w[16] = {0}, r[16] = {0};
    struct spacc_fixed_weights f = {
        .cell = SPACC_CELL_LSTM, .units = 2, .x_cols = 2, .w = w, .r = r};
    struct spacc_fixed_layer *l;
    struct spacc_error err;

    assert_int_equal(spacc_fixed_quantise(&l, &f, 16, 12, 2, 2, 1, &err), SPACC_OK);
    spacc_fixed_free(l);
    assert_int_equal(spacc_fixed_quantise(&l, &f, 12, 12, 2, 2, 1, &err), SPACC_EINVAL);
    assert_int_equal(spacc_fixed_quantise(&l, &f, 16, 31, 2, 2, 1, &err), SPACC_EINVAL);
    assert_int_equal(spacc_fixed_quantise(&l, &f, 16, -16, 2, 2, 1, &err), SPACC_EINVAL);
    assert_int_equal(spacc_fixed_quantise(&l, &f, 16, 12, 0, 2, 1, &err), SPACC_EINVAL);
    r[7] = NAN;
    assert_int_equal(spacc_fixed_quantise(&l, &f, 16, 12, 2, 2, 1, &err), SPACC_EINVAL);
    assert_null(l);
    assert_non_null(strstr(err.text, "R row 3, column 1"));
    r[7] = 3e38F;
    assert_int_equal(spacc_fixed_quantise(&l, &f, 16, 12, 2, 2, 1, &err), SPACC_EINVAL);
    r[7] = 0.0F;
    f.x_cols = 65535;
    assert_int_equal(spacc_fixed_quantise(&l, &f, 16, 12, 2, 2, 1, &err), SPACC_EINVAL);
    f.x_cols = 2;
    f.r = NULL;
    assert_int_equal(spacc_fixed_quantise(&l, &f, 16, 12, 2, 2, 1, &err), SPACC_EINVAL);
    f.r = r;
    f.units = 0;
    assert_int_equal(spacc_fixed_quantise(&l, &f, 16, 12, 2, 2, 1, &err), SPACC_EINVAL);
}

static void expect_refused(const struct spacc_fixed_weights *f, const char *text)
{
    struct spacc_fixed_layer *l;
    struct spacc_error err = {.text = ""};

    assert_int_equal(spacc_fixed_quantise(&l, f, 16, 12, 2, 2, 2, &err), SPACC_EINVAL);
    assert_null(l);
    if (!strstr(err.text, text))
        fail_msg("'%s' does not say '%s'", err.text, text);
}

static void bad_projections_are_refused(void **state)
{
    (void)state;
    float w[16] = {0}, r[24] = {0}, p[6] = {0}, b_p[3] = {0};
    const struct spacc_fixed_weights good = {.cell = SPACC_CELL_LSTMP,
                                             .units = 2,
                                             .x_cols = 2,
                                             .w = w,
                                             .r = r,
                                             .p = p,
                                             .outputs = 3,
                                             .b_p = b_p};
    struct spacc_fixed_weights f = good;
    struct spacc_fixed_layer *l;
    struct spacc_error err;

    assert_int_equal(spacc_fixed_quantise(&l, &f, 16, 12, 2, 2, 2, &err), SPACC_OK);
    assert_int_equal(l->h_frac, 15);
    /* what the card would write behind the last row of r */
    l->row_b[3].bias = 1;
    assert_int_equal(spacc_fixed_check(l, &err), SPACC_EFORMAT);
    assert_non_null(strstr(err.text, "row 3 of 3 is not zero"));
    spacc_fixed_free(l);
    f.p = NULL;
    expect_refused(&f, "P is missing");
    f = good;
    f.outputs = 0;
    expect_refused(&f, "0 outputs");
    f.outputs = 65535;
    expect_refused(&f, "65535 recurrent");
    f = good;
    f.r_range = NAN;
    expect_refused(&f, "range of r");
    f = good;
    p[5] = INFINITY;
    expect_refused(&f, "P row 2, column 1");
    p[5] = 3e38F;
    expect_refused(&f, "projection: unit 0, row 2");
    p[5] = 0.0F;
    b_p[1] = NAN;
    expect_refused(&f, "Pb row 1");
    b_p[1] = 0.0F;
    assert_int_equal(spacc_fixed_quantise(&l, &f, 16, 12, 2, 2, 0, &err), SPACC_EINVAL);
}

/* Bank sizes change the order of the sums, and nothing else; steps at once or one by one. */
static void results_do_not_depend_on_order(void **state)
{
    (void)state;
    enum { N = 24, I = 19, P = 10, STEPS = 5 };
    static const enum spacc_cell cells[] = {SPACC_CELL_LSTM, SPACC_CELL_GRU,
                                            SPACC_CELL_GRU_RESET, SPACC_CELL_LSTMP};
    static const size_t banks[][3] = {{1, 1, 1}, {16, 8, 3}, {19, 24, 24}, {300, 5, 7}};

    seed = 45;
    for (size_t k = 0; k < 4; k++) {
        const size_t out = cells[k] == SPACC_CELL_LSTMP ? P : N;
        struct model m;
        int16_t x[STEPS * I], first[STEPS * N] = {0};
        model_make(&m, cells[k], SPACC_ACT_TANH, SPACC_ACT_TANH, N, I, N == out ? 0 : P);
        for (size_t i = 0; i < STEPS * I; i++)
            x[i] = (int16_t)(next_random() & 0xffff);
        for (size_t b = 0; b < 4; b++) {
            int16_t h[N] = {0}, y[STEPS * N] = {0};
            int32_t s[N] = {0};
            struct spacc_fixed_layer *l;
            assert_int_equal(spacc_fixed_quantise(&l, &m.f, 16, 14, banks[b][0], banks[b][1],
                                                  banks[b][2], NULL),
                             SPACC_OK);
            for (size_t t = 0; t < STEPS; t += b % 2 ? 1 : STEPS)
                assert_int_equal(
                    spacc_fixed_run(l, b % 2 ? 1 : STEPS, x + t * I, h, s, y + t * out, NULL),
                    SPACC_OK);
            if (b == 0)
                memcpy(first, y, sizeof(y));
            assert_memory_equal(y, first, sizeof(y));
            assert_memory_equal(h, y + (STEPS - 1) * out, out * sizeof(*h));
            spacc_fixed_free(l);
        }
        free(m.memory);
    }
}

/* x of 12 bits: half up, the top code stays, and bias and scale are those of the rounded x. */
static void x_is_rounded_where_two_products_share_a_multiplier(void **state)
{
    (void)state;
    static const int16_t x[] = {7, 8, -8, -9, 32760, 32767, -32768, 23};
    static const int want[] = {0, 1, 0, -1, 2047, 2047, -2048, 1};
    const float w[1] = {1.0F}, bias[1] = {3.0F};
    struct spacc_fixed_weights f = {.cell = SPACC_CELL_LINEAR,
                                    .units = 1,
                                    .x_cols = 1,
                                    .w = w,
                                    .b_w = bias,
                                    .act_bits = 12};
    struct spacc_fixed_layer *l;
    struct spacc_error err;

    assert_int_equal(spacc_fixed_quantise(&l, &f, 8, 12, 1, 1, 1, &err), SPACC_OK);
    for (size_t i = 0; i < sizeof(x) / sizeof(x[0]); i++) {
        int32_t y[4];
        assert_int_equal(spacc_fixed_run(l, 1, &x[i], NULL, NULL, y, NULL), SPACC_OK);
        const double got = (double)y[0] * (double)l->y_scale[0] - 3.0;
        assert_true(fabs(got * 256.0 - want[i]) < 0.02); /* 12 - 4 fraction bits */
    }
    spacc_fixed_free(l);
    for (int bits = 1; bits < 20; bits++) {
        const bool good = bits == 16 || (bits >= 10 && bits <= 12);
        f.act_bits = bits;
        assert_int_equal(spacc_fixed_quantise(&l, &f, 8, 12, 1, 1, 1, &err),
                         good ? SPACC_OK : SPACC_EINVAL);
        spacc_fixed_free(l);
    }
    f.act_bits = 12;
    assert_int_equal(spacc_fixed_quantise(&l, &f, 16, 12, 1, 1, 1, &err), SPACC_EINVAL);
    assert_non_null(strstr(err.text, "12 bits with weights of 16"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(x_is_rounded_where_two_products_share_a_multiplier),
        cmocka_unit_test(activations_stay_within_their_bound_for_every_code),
        cmocka_unit_test(activations_are_odd_and_never_fall),
        cmocka_unit_test(linear_rounds_half_up_and_cuts_at_32_bits),
        cmocka_unit_test(lstm_follows_the_formula_by_hand),
        cmocka_unit_test(lstm_cell_state_is_cut_at_24_bits),
        cmocka_unit_test(only_the_low_bits_of_a_state_count),
        cmocka_unit_test(gru_follows_the_formula_by_hand),
        cmocka_unit_test(unused_rows_of_gru_reset_do_not_count),
        cmocka_unit_test(a_projection_follows_the_formula_by_hand),
        cmocka_unit_test(floats_are_cut_and_rounded_away_from_zero),
        cmocka_unit_test(recurrent_layers_follow_doubles),
        cmocka_unit_test(linear_layers_follow_doubles),
        cmocka_unit_test(linear_cannot_saturate),
        cmocka_unit_test(quantised_weights_are_half_a_unit_off_at_most),
        cmocka_unit_test(a_quantised_projection_is_half_a_unit_off_at_most),
        cmocka_unit_test(odd_rows_are_still_represented),
        cmocka_unit_test(bad_layers_are_refused),
        cmocka_unit_test(bad_projections_are_refused),
        cmocka_unit_test(results_do_not_depend_on_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
