/* A row of the card computes z * 2^12 = (sum of x_int * w_int + bias_int) * mult / 2^shift.
 * With x = x_int * 2^-x_frac, one count of that sum is worth `lsb`, and
 *
 *   w_int    = round(w * 2^-x_frac / lsb)      (recurrent part: h_frac)
 *   bias_int = round(b / lsb)
 *   mult / 2^shift = lsb * 2^12
 *
 * lsb is the smallest value at which the row's largest weight fits, raised to the next one
 * whose mult has 15 bits: so the multiplier adds no error of its own. */
#include "sparse/fixed.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { MULT_BITS = 15 };

/* Outside of these a row could not be told from zero, or from all bits set. */
static const double lsb_min = 0x1p-100, lsb_max = 0x1p80;

/* What one row of a quad is made of; NULL: that part is zero. */
struct row_source {
    const float *x, *h;
    double bias;
};

static double bias_at(const float *bias, size_t row)
{
    return bias ? (double)bias[row] : 0.0;
}

static struct row_source linear_row(const struct spacc_fixed_weights *w, size_t row)
{
    if (row >= w->units)
        return (struct row_source){NULL, NULL, 0.0};
    return (struct row_source){w->w + row * w->x_cols, NULL,
                               bias_at(w->b_w, row) + bias_at(w->b_r, row)};
}

/* Row `gate` of a unit in the order of rtl/README.md. GRU_RESET has a second pass. */
static struct row_source source_of(const struct spacc_fixed_weights *w, size_t unit,
                                   size_t gate, bool pass_b)
{
    const bool gru = w->cell == SPACC_CELL_GRU || w->cell == SPACC_CELL_GRU_RESET;
    const size_t onnx = (gru && gate == 3 ? 2 : gate) * w->units + unit;
    const float *none = NULL;

    if (w->cell == SPACC_CELL_LINEAR)
        return linear_row(w, 4 * unit + gate);
    if (pass_b)
        return (struct row_source){none, gate == 3 ? w->r + onnx * w->units : none, 0.0};

    const float *x = w->w + onnx * w->x_cols, *h = w->r + onnx * w->units;
    const double b_w = bias_at(w->b_w, onnx), b_r = bias_at(w->b_r, onnx);
    if (w->cell == SPACC_CELL_LSTM || gate < 2)
        return (struct row_source){x, h, b_w + b_r};
    if (w->cell == SPACC_CELL_GRU)
        return gate == 2 ? (struct row_source){x, none, b_w}
                         : (struct row_source){none, h, b_r};
    return gate == 2 ? (struct row_source){x, none, b_w + b_r}
                     : (struct row_source){none, none, 0.0};
}

static double largest(const float *values, size_t count)
{
    double max = 0.0;

    for (size_t i = 0; values && i < count; i++)
        max = fmax(max, fabs((double)values[i]));
    return max;
}

/* Smallest lsb at which weights and bias of a row fit. */
static double lsb_for(const struct row_source *source, const struct spacc_fixed_layer *l)
{
    const double x = ldexp(largest(source->x, l->x_cols), -l->x_frac);
    const double h = ldexp(largest(source->h, l->units), -l->h_frac);
    const double weight = fmax(x, h) / (l->weight_bits == 8 ? INT8_MAX : INT16_MAX);
    const double bias = fabs(source->bias) / (INT32_MAX - 1);

    if (weight == 0.0 && bias == 0.0)
        return ldexp(1.0, -SPACC_GATE_FRAC); /* an empty row: mult / 2^shift is 1 */
    return fmax(fmax(weight, bias), lsb_min);
}

/* mult / 2^shift = *lsb * 2^12 for a gate; *lsb is raised so that it holds exactly. */
static void gate_multiplier(struct spacc_fixed_row *row, double *lsb)
{
    int exponent;
    const double fraction = frexp(ldexp(*lsb, SPACC_GATE_FRAC), &exponent);
    double mult = ceil(ldexp(fraction, MULT_BITS));
    int shift = MULT_BITS - exponent;

    if (mult >= ldexp(1.0, MULT_BITS)) {
        mult /= 2.0;
        shift--;
    }
    if (shift >= 1 && shift <= 63) {
        *lsb = ldexp(mult, -shift - SPACC_GATE_FRAC);
    } else if (shift > 63) { /* the whole sum rounds to zero */
        mult = round(ldexp(*lsb, SPACC_GATE_FRAC + 63));
        shift = 63;
    } else { /* one count of the sum already cuts the gate */
        mult = fmin(round(ldexp(*lsb, SPACC_GATE_FRAC + 1)), UINT16_MAX);
        shift = 1;
    }
    row->mult = (uint16_t)mult;
    row->shift = (uint8_t)shift;
}

/* The next float up, so that y_scale says exactly what the weights were rounded to. */
static double as_float_above(double lsb)
{
    const float near = (float)lsb;

    return (double)near < lsb ? (double)nextafterf(near, FLT_MAX) : (double)near;
}

/* LINEAR keeps the sum, less as many low bits as its largest possible value has above 31:
 * v cannot be cut. Returns the value of one count of v. */
static double linear_multiplier(struct spacc_fixed_row *row, double lsb, const int16_t *weights,
                                size_t count)
{
    int64_t bound = llabs((long long)row->bias);
    int drop = 0;

    for (size_t i = 0; i < count; i++)
        bound += (int64_t)abs(weights[i]) * -INT16_MIN;
    while ((bound >> drop) + 1 > INT32_MAX)
        drop++;
    row->mult = 1 << (MULT_BITS - 1);
    row->shift = (uint8_t)(MULT_BITS - 1 + drop);
    return ldexp(lsb, drop);
}

static void quantise_part(int16_t *to, const float *from, size_t count, double value_of_one)
{
    for (size_t i = 0; from && i < count; i++)
        to[i] = (int16_t)lround((double)from[i] / value_of_one);
}

/* ---------------------------------------------------------------- a pass */

/* Dense integer weights of one pass over the rows. */
struct pass {
    int16_t *x, *h;              /* [4 * units][x_cols], [4 * units][units]; NULL: no part */
    float *scale_x, *scale_h;    /* [4 * units] */
    struct spacc_fixed_row *row; /* [4 * units] */
};

static void pass_release(struct pass *p)
{
    free(p->x);
    free(p->h);
    free(p->scale_x);
    free(p->scale_h);
    free(p->row);
}

/* Zeroed, so that rows and parts without weights need no further care. */
static bool pass_init(struct pass *p, const struct spacc_fixed_layer *l, bool has_x, bool has_h)
{
    const size_t rows = 4 * l->units;

    *p = (struct pass){0};
    p->row = calloc(rows, sizeof(*p->row));
    p->scale_x = calloc(rows, sizeof(*p->scale_x));
    p->scale_h = calloc(rows, sizeof(*p->scale_h));
    p->x = has_x ? calloc(rows, l->x_cols * sizeof(*p->x)) : NULL;
    p->h = has_h ? calloc(rows, l->units * sizeof(*p->h)) : NULL;
    return p->row && p->scale_x && p->scale_h && (p->x || !has_x) && (p->h || !has_h);
}

static enum spacc_status quantise_row(struct pass *p, struct spacc_fixed_layer *l, size_t r,
                                      const struct row_source *source, struct spacc_error *err)
{
    struct spacc_fixed_row *row = &p->row[r];
    double lsb = lsb_for(source, l);

    if (lsb > lsb_max)
        return spacc_fail(err, SPACC_EINVAL,
                          "unit %zu, row %zu: weights of up to %g and bias %g "
                          "are beyond fixed point",
                          r / 4, r % 4,
                          fmax(largest(source->x, l->x_cols), largest(source->h, l->units)),
                          source->bias);
    if (l->cell == SPACC_CELL_LINEAR)
        lsb = as_float_above(lsb);
    else
        gate_multiplier(row, &lsb);
    if (p->x)
        quantise_part(p->x + r * l->x_cols, source->x, l->x_cols, ldexp(lsb, l->x_frac));
    if (p->h)
        quantise_part(p->h + r * l->units, source->h, l->units, ldexp(lsb, l->h_frac));
    row->bias = (int32_t)lround(source->bias / lsb);
    p->scale_x[r] = (float)ldexp(lsb, l->x_frac);
    p->scale_h[r] = (float)ldexp(lsb, l->h_frac);
    if (l->cell == SPACC_CELL_LINEAR)
        l->y_scale[r] = (float)linear_multiplier(row, lsb, p->x + r * l->x_cols, l->x_cols);
    return SPACC_OK;
}

static enum spacc_status quantise_pass(struct pass *p, struct spacc_fixed_layer *l,
                                       const struct spacc_fixed_weights *w, bool pass_b,
                                       struct spacc_error *err)
{
    for (size_t r = 0; r < 4 * l->units; r++) {
        const struct row_source source = source_of(w, r / 4, r % 4, pass_b);
        const enum spacc_status status = quantise_row(p, l, r, &source, err);
        if (status != SPACC_OK)
            return status;
    }
    return SPACC_OK;
}

static enum spacc_status pack_part(struct spacc_csb **out, const struct spacc_fixed_layer *l,
                                   const int16_t *dense, const float *scale, size_t cols,
                                   size_t bank_size, struct spacc_error *err)
{
    const enum spacc_csb_type type = l->weight_bits == 8 ? SPACC_CSB_I8 : SPACC_CSB_I16;

    return spacc_csb_pack_int(out, type, dense, scale, 4 * l->units, cols, bank_size, err);
}

/* Pass A: everything but the second pass of GRU_RESET. */
static enum spacc_status make_pass_a(struct spacc_fixed_layer *l,
                                     const struct spacc_fixed_weights *w, size_t bank_x,
                                     size_t bank_h, struct spacc_error *err)
{
    struct pass p;
    enum spacc_status status = SPACC_OK;

    if (!pass_init(&p, l, true, l->cell != SPACC_CELL_LINEAR))
        status = spacc_fail(err, SPACC_ENOMEM, "out of memory for %zu rows", 4 * l->units);
    if (status == SPACC_OK)
        status = quantise_pass(&p, l, w, false, err);
    if (status == SPACC_OK)
        status = pack_part(&l->w_x, l, p.x, p.scale_x, l->x_cols, bank_x, err);
    if (status == SPACC_OK && p.h)
        status = pack_part(&l->w_h, l, p.h, p.scale_h, l->units, bank_h, err);
    if (status == SPACC_OK) {
        l->row = p.row;
        p.row = NULL;
    }
    pass_release(&p);
    return status;
}

static enum spacc_status make_pass_b(struct spacc_fixed_layer *l,
                                     const struct spacc_fixed_weights *w, size_t bank_h,
                                     struct spacc_error *err)
{
    struct pass p;
    enum spacc_status status = SPACC_OK;

    if (!pass_init(&p, l, false, true))
        status = spacc_fail(err, SPACC_ENOMEM, "out of memory for %zu rows", 4 * l->units);
    if (status == SPACC_OK)
        status = quantise_pass(&p, l, w, true, err);
    if (status == SPACC_OK)
        status = pack_part(&l->w_b, l, p.h, p.scale_h, l->units, bank_h, err);
    if (status == SPACC_OK) {
        l->row_b = p.row;
        p.row = NULL;
    }
    pass_release(&p);
    return status;
}

/* ---------------------------------------------------------------- arguments */

static enum spacc_status check_finite(const float *values, const char *part, size_t rows,
                                      size_t cols, struct spacc_error *err)
{
    for (size_t i = 0; values && i < rows * cols; i++)
        if (!isfinite(values[i]))
            return spacc_fail(err, SPACC_EINVAL, "%s row %zu, column %zu is %g, not finite",
                              part, i / cols, i % cols, (double)values[i]);
    return SPACC_OK;
}

static enum spacc_status check_weights(const struct spacc_fixed_weights *w,
                                       struct spacc_error *err)
{
    const size_t gates = w->cell == SPACC_CELL_LINEAR ? 1 : w->cell == SPACC_CELL_LSTM ? 4 : 3;
    const size_t rows = gates * w->units;
    enum spacc_status status = SPACC_OK;

    if (!w->w || (w->cell != SPACC_CELL_LINEAR && !w->r))
        return spacc_fail(err, SPACC_EINVAL, "%s is missing", w->w ? "R" : "W");
    status = check_finite(w->w, "W", rows, w->x_cols, err);
    if (status == SPACC_OK && w->cell != SPACC_CELL_LINEAR)
        status = check_finite(w->r, "R", rows, w->units, err);
    if (status == SPACC_OK)
        status = check_finite(w->b_w, "Wb", rows, 1, err);
    return status == SPACC_OK ? check_finite(w->b_r, "Rb", rows, 1, err) : status;
}

enum spacc_status spacc_fixed_quantise(struct spacc_fixed_layer **out,
                                       const struct spacc_fixed_weights *weights,
                                       int weight_bits, int x_frac, size_t bank_x,
                                       size_t bank_h, struct spacc_error *err)
{
    const struct spacc_fixed_weights *w = weights;
    const bool linear = w->cell == SPACC_CELL_LINEAR;
    struct spacc_fixed_layer *l = NULL;
    enum spacc_status status;

    *out = NULL;
    l = calloc(1, sizeof(*l));
    if (!l)
        return spacc_fail(err, SPACC_ENOMEM, "out of memory for a layer");
    l->cell = w->cell;
    l->act_g = w->act_g;
    l->act_h = w->act_h;
    l->units = linear ? w->units / 4 + (w->units % 4 != 0) : w->units;
    l->outputs = w->units;
    l->x_cols = w->x_cols;
    l->x_frac = x_frac;
    l->h_frac = spacc_fixed_h_frac(w->cell, w->act_g, w->act_h);
    l->weight_bits = weight_bits;
    status = spacc_fixed_check_sizes(l, err);
    if (status != SPACC_OK) {
        status = spacc_fail_in(err, SPACC_EINVAL, "layer");
        goto out;
    }
    if ((status = check_weights(w, err)) != SPACC_OK)
        goto out;
    if (linear) {
        l->y_scale = calloc(4 * l->units, sizeof(*l->y_scale));
        if (!l->y_scale) {
            status = spacc_fail(err, SPACC_ENOMEM, "out of memory for %zu rows", 4 * l->units);
            goto out;
        }
    }
    if ((status = make_pass_a(l, w, bank_x, bank_h, err)) != SPACC_OK)
        goto out;
    if (l->cell == SPACC_CELL_GRU_RESET)
        status = make_pass_b(l, w, bank_h, err);
    if (status != SPACC_OK)
        goto out;
    *out = l;
    l = NULL;
out:
    spacc_fixed_free(l);
    return status;
}
