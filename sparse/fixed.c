#include "sparse/fixed.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rtl/act_tables.h"

enum { SUM_COLS_MAX = 65536 }; /* 2^16 products of 2^30: sums stay within 2^46 */

/* ---------------------------------------------------------------- numbers */

/* (v + (1 << (shift - 1))) >> shift, and no carry is lost at the ends of int64. */
static int64_t rnd(int64_t v, unsigned shift)
{
    return (v >> shift) + ((v >> (shift - 1)) & 1);
}

/* Cut to a signed number of `bits`; a cut adds one to *cuts (NULL: not counted). */
static int32_t cut(int64_t v, int bits, uint64_t *cuts)
{
    const int64_t max = ((int64_t)1 << (bits - 1)) - 1;
    const int64_t inside = v > max ? max : v < -max - 1 ? -max - 1 : v;

    if (inside != v && cuts)
        (*cuts)++;
    return (int32_t)inside;
}

static int32_t interpolate(const uint16_t *base, const uint16_t *slope, int32_t z)
{
    const int32_t magnitude = z < 0 ? -z : z;
    const int32_t m = magnitude > INT16_MAX ? INT16_MAX : magnitude;

    return base[m >> 7] + ((slope[m >> 7] * (m & 127) + 64) >> 7);
}

int16_t spacc_fixed_sigmoid(int16_t z)
{
    const bool end = z == INT16_MAX || z <= -INT16_MAX; /* the last magnitude: a cut gate */
    const int32_t y = end ? INT16_MAX : interpolate(spacc_sigmoid_base, spacc_sigmoid_slope, z);

    return (int16_t)(z < 0 ? 32768 - y : y);
}

int16_t spacc_fixed_tanh(int16_t z)
{
    const int32_t y = interpolate(spacc_tanh_base, spacc_tanh_slope, z);

    assert(y <= INT16_MAX);
    return (int16_t)(z < 0 ? -y : y);
}

static int16_t activate(enum spacc_act act, int16_t z)
{
    switch (act) {
    case SPACC_ACT_TANH: return spacc_fixed_tanh(z);
    case SPACC_ACT_RELU: return z > 0 ? z : 0;
    case SPACC_ACT_IDENTITY: break;
    }
    return z;
}

/* i, o, f, c and a cell state c; the others but LINEAR are GRUs. */
static bool has_lstm_cell(enum spacc_cell cell)
{
    return cell == SPACC_CELL_LSTM || cell == SPACC_CELL_LSTMP;
}

size_t spacc_fixed_h_cols(const struct spacc_fixed_layer *layer)
{
    return layer->cell == SPACC_CELL_LINEAR  ? 0
           : layer->cell == SPACC_CELL_LSTMP ? layer->outputs
                                             : layer->units;
}

size_t spacc_fixed_quads_b(const struct spacc_fixed_layer *layer)
{
    if (layer->cell == SPACC_CELL_LSTMP)
        return layer->outputs / 4 + (layer->outputs % 4 != 0);
    return layer->cell == SPACC_CELL_GRU_RESET ? layer->units : 0;
}

int spacc_fixed_h_frac(enum spacc_cell cell, enum spacc_act act_g, enum spacc_act act_h)
{
    if (cell == SPACC_CELL_LINEAR)
        return 0;
    const bool lstm = has_lstm_cell(cell);
    if ((lstm ? act_h : act_g) == SPACC_ACT_TANH)
        return SPACC_UNIT_FRAC;
    return lstm ? SPACC_WIDE_FRAC : SPACC_GRU_WIDE_FRAC;
}

int spacc_fixed_frac_for(float range)
{
    int frac = 30;

    if (!(range > 0.0F))
        return 15;
    while (frac > -15 && ldexp((double)range, frac) > INT16_MAX)
        frac--;
    return frac;
}

/* Whether the value was cut. */
static bool from_float(int32_t *to, float from, int frac, int bits)
{
    const double max = ldexp(1.0, bits - 1) - 1.0;
    const double scaled = round(ldexp((double)from, frac));

    if (isnan(scaled)) {
        *to = 0;
        return true;
    }
    const double inside = scaled > max ? max : scaled < -max - 1.0 ? -max - 1.0 : scaled;
    *to = (int32_t)inside;
    return inside < scaled || inside > scaled;
}

size_t spacc_fixed_from_float16(int16_t *to, const float *from, size_t count, int frac)
{
    size_t cuts = 0;

    for (size_t i = 0; i < count; i++) {
        int32_t value;
        cuts += from_float(&value, from[i], frac, 16);
        to[i] = (int16_t)value;
    }
    return cuts;
}

size_t spacc_fixed_from_float24(int32_t *to, const float *from, size_t count, int frac)
{
    size_t cuts = 0;

    for (size_t i = 0; i < count; i++)
        cuts += from_float(&to[i], from[i], frac, 24);
    return cuts;
}

/* The low bits of a state memory word, sign-extended: all that the cell unit looks at. */
static int32_t low_bits(int32_t v, int bits)
{
    const uint32_t sign = (uint32_t)1 << (bits - 1);
    const uint32_t low = (uint32_t)v & (2 * sign - 1);

    return (int32_t)((int64_t)(low ^ sign) - (int64_t)sign);
}

/* ---------------------------------------------------------------- rows */

static int64_t sum_i8(const struct spacc_csb *m, size_t row, const int16_t *x)
{
    const size_t first = row * m->k * m->banks;
    int64_t sum = 0;

    for (size_t j = 0, slot = first; j < m->k; j++)
        for (size_t bank = 0; bank < m->banks; bank++, slot++)
            sum += ((const int8_t *)m->value)[slot] * x[bank * m->bank_size + m->index[slot]];
    return sum;
}

/* x where two products share a multiplier: half up, and the top code stays. */
static int32_t round_act(int16_t x, int bits)
{
    const int32_t rounded = (int32_t)rnd(x, 16 - (unsigned)bits), max = (1 << (bits - 1)) - 1;

    return rounded > max ? max : rounded;
}

static int64_t sum_i8_rounded(const struct spacc_csb *m, size_t row, const int16_t *x, int bits)
{
    const size_t first = row * m->k * m->banks;
    int64_t sum = 0;

    for (size_t j = 0, slot = first; j < m->k; j++)
        for (size_t bank = 0; bank < m->banks; bank++, slot++)
            sum += ((const int8_t *)m->value)[slot] *
                   round_act(x[bank * m->bank_size + m->index[slot]], bits);
    return sum;
}

static int64_t sum_i16(const struct spacc_csb *m, size_t row, const int16_t *x)
{
    const size_t first = row * m->k * m->banks;
    int64_t sum = 0;

    for (size_t j = 0, slot = first; j < m->k; j++)
        for (size_t bank = 0; bank < m->banks; bank++, slot++)
            sum += ((const int16_t *)m->value)[slot] * x[bank * m->bank_size + m->index[slot]];
    return sum;
}

static int64_t row_sum(const struct spacc_fixed_layer *l, const struct spacc_csb *m, size_t row,
                       const int16_t *x)
{
    if (l->act_bits < 16)
        return sum_i8_rounded(m, row, x, l->act_bits);
    return m->type == SPACC_CSB_I8 ? sum_i8(m, row, x) : sum_i16(m, row, x);
}

/* The row before its cut to 32 bits. |acc + bias| < 2^47 and mult < 2^16: int64 holds it. */
static int64_t requantise(int64_t acc, const struct spacc_fixed_row *row)
{
    return rnd((acc + row->bias) * row->mult, row->shift);
}

/* The two parts of a GRU's n are added before the activation: they keep four more bits. */
static int row_bits(const struct spacc_fixed_layer *l, int row)
{
    return !has_lstm_cell(l->cell) && row >= 2 ? 20 : 16;
}

/* Pre-activations z of `rows` rows of a unit from `first` on. A value cut twice (32 and 16
 * bits) counts once, and 16 bits lie inside 32. */
static void gates(int32_t *z, const struct spacc_fixed_layer *l, size_t unit, int rows,
                  const int16_t *x, const int16_t *h, struct spacc_fixed_counts *counts)
{
    for (int i = 0; i < rows; i++) {
        const size_t row = 4 * unit + (size_t)i;
        const int64_t acc = row_sum(l, l->w_x, row, x) + row_sum(l, l->w_h, row, h);
        z[i] = cut(requantise(acc, &l->row[row]), row_bits(l, i), &counts->gate_saturations);
    }
}

/* ---------------------------------------------------------------- cells */

/* A gate: z was cut to 16 bits. */
static int64_t gate(int32_t z)
{
    return spacc_fixed_sigmoid((int16_t)z);
}

static int16_t lstm_cell(const struct spacc_fixed_layer *l, const int32_t z[4], int32_t *c,
                         struct spacc_fixed_counts *counts)
{
    const int64_t i = gate(z[0]), o = gate(z[1]), f = gate(z[2]);
    const int64_t g = activate(l->act_g, (int16_t)z[3]);
    const int64_t align = l->act_g == SPACC_ACT_TANH ? 1 : 1 << 3; /* to 30 fraction bits */

    *c = cut(rnd(2 * f * *c + i * g * align, 16), 24, &counts->state_saturations);
    const int64_t t = activate(l->act_h, (int16_t)cut(rnd(*c, 2), 16, NULL));
    return (int16_t)cut(rnd(o * t, 15), 16, &counts->state_saturations);
}

/* h' from the update gate, the candidate's pre-activation and the old h in *state. */
static int16_t gru_update(const struct spacc_fixed_layer *l, int64_t zg, int64_t nz,
                          int32_t *state, struct spacc_fixed_counts *counts)
{
    const bool bounded = l->act_g == SPACC_ACT_TANH;
    const int16_t z =
        (int16_t)cut(bounded ? nz : rnd(nz, SPACC_GATE_FRAC - SPACC_GRU_WIDE_FRAC), 16,
                     &counts->gate_saturations);
    const int64_t n = activate(l->act_g, z);

    *state = cut(n + rnd(zg * (*state - n), 15), 16, &counts->state_saturations);
    return (int16_t)*state;
}

static int16_t gru_cell(const struct spacc_fixed_layer *l, const int32_t z[4], int32_t *state,
                        struct spacc_fixed_counts *counts)
{
    return gru_update(l, gate(z[0]), z[2] + rnd(gate(z[1]) * z[3], 15), state, counts);
}

/* ---------------------------------------------------------------- steps */

struct scratch {
    int16_t *h_next; /* [units]; LSTMP: m */
    int16_t *rh;     /* GRU_RESET: r * h [units] */
    int16_t *zg;     /* GRU_RESET: sigmoid(z_z) [units] */
    int32_t *z_nx;   /* GRU_RESET: x part of n [units] */
};

static void linear_step(const struct spacc_fixed_layer *l, const int16_t *x, int32_t *y,
                        struct spacc_fixed_counts *counts)
{
    for (size_t row = 0; row < 4 * l->units; row++)
        y[row] = cut(requantise(row_sum(l, l->w_x, row, x), &l->row[row]), 32,
                     &counts->state_saturations);
}

static void reset_pass_a(const struct spacc_fixed_layer *l, const struct scratch *s,
                         const int16_t *x, const int16_t *h, const int32_t *state,
                         struct spacc_fixed_counts *counts)
{
    for (size_t unit = 0; unit < l->units; unit++) {
        int32_t z[3];
        gates(z, l, unit, 3, x, h, counts);
        s->zg[unit] = (int16_t)gate(z[0]);
        s->z_nx[unit] = z[2];
        s->rh[unit] =
            (int16_t)cut(rnd(gate(z[1]) * state[unit], 15), 16, &counts->state_saturations);
    }
}

static void reset_pass_b(const struct spacc_fixed_layer *l, const struct scratch *s,
                         int32_t *state, struct spacc_fixed_counts *counts)
{
    for (size_t unit = 0; unit < l->units; unit++) {
        const size_t row = 4 * unit + 3;
        const int64_t v = requantise(row_sum(l, l->w_b, row, s->rh), &l->row_b[row]);
        const int32_t z_nh = cut(v, row_bits(l, 3), &counts->gate_saturations);
        s->h_next[unit] =
            gru_update(l, s->zg[unit], (int64_t)s->z_nx[unit] + z_nh, &state[unit], counts);
    }
}

/* Every unit in one pass: LSTM, GRU, and pass A of LSTMP. */
static void whole_pass(const struct spacc_fixed_layer *l, const struct scratch *s,
                       const int16_t *x, const int16_t *h, int32_t *state,
                       struct spacc_fixed_counts *counts)
{
    const bool lstm = has_lstm_cell(l->cell);

    for (size_t unit = 0; unit < l->units; unit++) {
        int32_t z[4];
        gates(z, l, unit, 4, x, h, counts);
        s->h_next[unit] =
            lstm ? lstm_cell(l, z, &state[unit], counts) : gru_cell(l, z, &state[unit], counts);
    }
}

/* Pass B of LSTMP: r from m. Rows past outputs have no weights and no bias: they cut nothing.
 */
static void project(const struct spacc_fixed_layer *l, const int16_t *m, int16_t *r,
                    struct spacc_fixed_counts *counts)
{
    for (size_t row = 0; row < l->outputs; row++)
        r[row] = (int16_t)cut(requantise(row_sum(l, l->w_b, row, m), &l->row_b[row]), 16,
                              &counts->state_saturations);
}

/* One step of a recurrent layer: h and state are replaced. */
static void step(const struct spacc_fixed_layer *l, const struct scratch *s, const int16_t *x,
                 int16_t *h, int32_t *state, struct spacc_fixed_counts *counts)
{
    if (l->cell == SPACC_CELL_GRU_RESET) {
        reset_pass_a(l, s, x, h, state, counts);
        reset_pass_b(l, s, state, counts);
    } else {
        whole_pass(l, s, x, h, state, counts);
    }
    if (l->cell == SPACC_CELL_LSTMP)
        project(l, s->h_next, h, counts);
    else
        memcpy(h, s->h_next, l->units * sizeof(*h));
}

void spacc_fixed_run_masked(const struct spacc_fixed_layer *l, size_t steps, const int16_t *x,
                            const uint64_t *mask, int32_t *y, struct spacc_fixed_counts *counts)
{
    const size_t rows = 4 * l->units, words = (l->outputs + 63) / 64;
    uint64_t cuts = 0;

    memset(y, 0, steps * rows * sizeof(*y));
    for (size_t t = 0; t < steps; t++)
        for (size_t row = 0; row < l->outputs; row++)
            if (mask[t * words + row / 64] >> row % 64 & 1)
                y[t * rows + row] =
                    cut(requantise(row_sum(l, l->w_x, row, x + t * l->x_cols), &l->row[row]),
                        32, &cuts);
    if (counts)
        counts->state_saturations += cuts;
}

enum spacc_status spacc_fixed_run(const struct spacc_fixed_layer *layer, size_t steps,
                                  const int16_t *x, int16_t *h, int32_t *state, void *y,
                                  struct spacc_fixed_counts *counts)
{
    struct spacc_fixed_counts local = {0, 0};

    if (layer->cell == SPACC_CELL_LINEAR) {
        for (size_t t = 0; t < steps; t++)
            linear_step(layer, x + t * layer->x_cols, (int32_t *)y + t * 4 * layer->units,
                        &local);
    } else {
        const size_t units = layer->units, outputs = layer->outputs;
        int32_t *memory = malloc(3 * units * sizeof(*memory)); /* z_nx, then 4 x int16 */
        if (!memory)
            return SPACC_ENOMEM;
        int16_t *half = (int16_t *)(memory + units);
        const struct scratch s = {half, half + units, half + 2 * units, memory};
        for (size_t unit = 0; unit < units; unit++)
            state[unit] = low_bits(state[unit], has_lstm_cell(layer->cell) ? 24 : 16);
        for (size_t t = 0; t < steps; t++) {
            step(layer, &s, x + t * layer->x_cols, h, state, &local);
            memcpy((int16_t *)y + t * outputs, h, outputs * sizeof(*h));
        }
        free(memory);
    }
    if (counts) {
        counts->gate_saturations += local.gate_saturations;
        counts->state_saturations += local.state_saturations;
    }
    return SPACC_OK;
}

/* ---------------------------------------------------------------- checks */

/* The sums of pass A and, of LSTMP, of pass B on all units. GRU_RESET's are shorter than A's.
 */
static enum spacc_status check_widths(const struct spacc_fixed_layer *l,
                                      struct spacc_error *err)
{
    const size_t h_cols = spacc_fixed_h_cols(l);

    if (l->units == 0 || l->units > (1 << 22) || l->x_cols == 0 || l->x_cols > SUM_COLS_MAX ||
        h_cols > SUM_COLS_MAX - l->x_cols)
        return spacc_fail(err, SPACC_EFORMAT,
                          "%zu units with %zu inputs and %zu recurrent ones: a row sums "
                          "1 to %d columns",
                          l->units, l->x_cols, h_cols, SUM_COLS_MAX);
    if (l->cell == SPACC_CELL_LSTMP && l->units > SUM_COLS_MAX)
        return spacc_fail(err, SPACC_EFORMAT,
                          "a projection of %zu units: a row sums 1 to %d columns", l->units,
                          SUM_COLS_MAX);
    return SPACC_OK;
}

static bool outputs_fit(const struct spacc_fixed_layer *l)
{
    if (l->cell == SPACC_CELL_LINEAR)
        return l->outputs != 0 && l->outputs / 4 + (l->outputs % 4 != 0) == l->units;
    return l->cell == SPACC_CELL_LSTMP ? l->outputs != 0 : l->outputs == l->units;
}

static enum spacc_status check_fractions(const struct spacc_fixed_layer *l,
                                         struct spacc_error *err)
{
    const int h_frac = spacc_fixed_h_frac(l->cell, l->act_g, l->act_h);

    if (l->x_frac < -15 || l->x_frac > 30)
        return spacc_fail(err, SPACC_EFORMAT, "x has %d fraction bits, not -15 to 30",
                          l->x_frac);
    if (l->cell == SPACC_CELL_LSTMP)
        return l->h_frac >= -15 && l->h_frac <= 30
                   ? SPACC_OK
                   : spacc_fail(err, SPACC_EFORMAT, "r has %d fraction bits, not -15 to 30",
                                l->h_frac);
    if (l->h_frac != h_frac)
        return spacc_fail(err, SPACC_EFORMAT, "h has %d fraction bits, its activation needs %d",
                          l->h_frac, h_frac);
    return SPACC_OK;
}

enum spacc_status spacc_fixed_check_sizes(const struct spacc_fixed_layer *l,
                                          struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;

    if ((unsigned)l->cell > SPACC_CELL_LSTMP || (unsigned)l->act_g > SPACC_ACT_IDENTITY ||
        (unsigned)l->act_h > SPACC_ACT_IDENTITY)
        return spacc_fail(err, SPACC_EFORMAT, "cell %d with activations %d, %d is not known",
                          (int)l->cell, (int)l->act_g, (int)l->act_h);
    if ((status = check_widths(l, err)) != SPACC_OK)
        return status;
    if (!outputs_fit(l))
        return spacc_fail(err, SPACC_EFORMAT, "%zu outputs do not go with %zu units",
                          l->outputs, l->units);
    if ((status = check_fractions(l, err)) != SPACC_OK)
        return status;
    if (l->weight_bits != 8 && l->weight_bits != 16)
        return spacc_fail(err, SPACC_EFORMAT, "weights of %d bits, not 8 or 16",
                          l->weight_bits);
    if (l->act_bits != 16 && (l->weight_bits != 8 || l->act_bits < 10 || l->act_bits > 12))
        return spacc_fail(err, SPACC_EFORMAT,
                          "x and h of %d bits with weights of %d, not 16, or 10 to 12 with 8",
                          l->act_bits, l->weight_bits);
    return SPACC_OK;
}

/* rows 0: the part must not be there. */
static enum spacc_status check_part(const struct spacc_csb *m, const char *part,
                                    const struct spacc_fixed_layer *l, size_t rows, size_t cols,
                                    struct spacc_error *err)
{
    const enum spacc_csb_type type = l->weight_bits == 8 ? SPACC_CSB_I8 : SPACC_CSB_I16;

    if ((rows == 0) != !m)
        return spacc_fail(err, SPACC_EFORMAT, "%s is %s", part, m ? "not expected" : "missing");
    if (!m)
        return SPACC_OK;
    if (m->rows != rows || m->cols != cols || m->type != type || !m->scale)
        return spacc_fail(err, SPACC_EFORMAT,
                          "%s is %zu x %zu, the layer needs int%d %zu x %zu", part, m->rows,
                          m->cols, l->weight_bits, rows, cols);
    return spacc_csb_check(m, err) == SPACC_OK ? SPACC_OK
                                               : spacc_fail_in(err, SPACC_EFORMAT, "%s", part);
}

static enum spacc_status check_rows(const struct spacc_fixed_row *row, const char *part,
                                    size_t rows, struct spacc_error *err)
{
    if ((rows == 0) != !row)
        return spacc_fail(err, SPACC_EFORMAT, "%s is %s", part,
                          row ? "not expected" : "missing");
    for (size_t i = 0; row && i < rows; i++)
        if (row[i].shift < 1 || row[i].shift > 63)
            return spacc_fail(err, SPACC_EFORMAT, "%s %zu: shift %u is not 1 to 63", part, i,
                              row[i].shift);
    return SPACC_OK;
}

static enum spacc_status check_y_scale(const struct spacc_fixed_layer *l,
                                       struct spacc_error *err)
{
    if ((l->cell == SPACC_CELL_LINEAR) != (l->y_scale != NULL))
        return spacc_fail(err, SPACC_EFORMAT, "y_scale is %s",
                          l->y_scale ? "not expected" : "missing");
    for (size_t i = 0; l->y_scale && i < 4 * l->units; i++)
        if (!isfinite(l->y_scale[i]))
            return spacc_fail(err, SPACC_EFORMAT, "y_scale of row %zu is not finite", i);
    return SPACC_OK;
}

/* What the card writes behind the rows of r is then zero, and cuts nothing. */
static enum spacc_status check_spare_rows(const struct spacc_fixed_layer *l,
                                          struct spacc_error *err)
{
    for (size_t row = l->outputs; row < 4 * spacc_fixed_quads_b(l); row++) {
        int64_t any = l->row_b[row].bias;
        for (size_t slot = row * l->w_b->k * l->w_b->banks;
             slot < (row + 1) * l->w_b->k * l->w_b->banks; slot++)
            any |= l->weight_bits == 8 ? ((const int8_t *)l->w_b->value)[slot]
                                       : ((const int16_t *)l->w_b->value)[slot];
        if (any)
            return spacc_fail(err, SPACC_EFORMAT, "w_b: row %zu of %zu is not zero", row,
                              l->outputs);
    }
    return SPACC_OK;
}

enum spacc_status spacc_fixed_check(const struct spacc_fixed_layer *l, struct spacc_error *err)
{
    enum spacc_status status = spacc_fixed_check_sizes(l, err);

    if (status != SPACC_OK)
        return status;
    const size_t rows = 4 * l->units, h_cols = spacc_fixed_h_cols(l),
                 rows_b = 4 * spacc_fixed_quads_b(l);
    if ((status = check_part(l->w_x, "w_x", l, rows, l->x_cols, err)) != SPACC_OK ||
        (status = check_part(l->w_h, "w_h", l, h_cols ? rows : 0, h_cols, err)) != SPACC_OK ||
        (status = check_part(l->w_b, "w_b", l, rows_b, l->units, err)) != SPACC_OK ||
        (status = check_rows(l->row, "row", rows, err)) != SPACC_OK ||
        (status = check_rows(l->row_b, "row_b", rows_b, err)) != SPACC_OK)
        return status;
    if (l->cell == SPACC_CELL_LSTMP && (status = check_spare_rows(l, err)) != SPACC_OK)
        return status;
    return check_y_scale(l, err);
}

void spacc_fixed_free(struct spacc_fixed_layer *layer)
{
    if (!layer)
        return;
    spacc_csb_free(layer->w_x);
    spacc_csb_free(layer->w_h);
    spacc_csb_free(layer->w_b);
    free(layer->row);
    free(layer->row_b);
    free(layer->y_scale);
    free(layer);
}
