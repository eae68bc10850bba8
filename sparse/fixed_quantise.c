/* A row of the card computes z * 2^12 = (sum of x_int * w_int + bias_int) * mult / 2^shift.
 * With x = x_int * 2^-x_frac, one count of that sum is worth `lsb`, and
 *
 *   w_int    = round(w * 2^-x_frac / lsb)      (recurrent part: h_frac)
 *   bias_int = round(b / lsb)
 *   mult / 2^shift = lsb * 2^12
 *
 * lsb is the smallest value at which the row's largest weight fits, raised to the next one
 * whose mult has 15 bits: so the multiplier adds no error of its own. A row of a projection
 * gives r * 2^h_frac in the place of z * 2^12. */
#include "sparse/fixed.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "sparse/fixed_grid.h"

/* Outside of these a row could not be told from zero, or from all bits set. */
static const double lsb_min = 0x1p-100, lsb_max = 0x1p80;

/* What one row of a quad is made of; NULL: that part is zero. */
struct row_source {
    const float *x, *h;
    double bias;
};

/* One pass over the rows of a layer, and its dense integer weights. */
struct pass {
    size_t rows, x_cols, h_cols; /* a multiple of 4; 0 columns: no part */
    int x_frac, h_frac;          /* fraction bits of what the parts multiply, as rounded */
    int out_frac;                /* and of the result */
    int weight_bits;
    int16_t *x, *h;              /* [rows][x_cols], [rows][h_cols]; NULL: no part */
    float *scale_x, *scale_h;    /* [rows] */
    struct spacc_fixed_row *row; /* [rows] */
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

static struct row_source lstm_row(const struct spacc_fixed_weights *w, size_t onnx)
{
    const size_t h_cols = w->cell == SPACC_CELL_LSTMP ? w->outputs : w->units;

    return (struct row_source){w->w + onnx * w->x_cols, w->r + onnx * h_cols,
                               bias_at(w->b_w, onnx) + bias_at(w->b_r, onnx)};
}

/* Row `gate` of a unit of a GRU: n is two rows, from x and from h, and both are the third of
 * the ONNX order. */
static struct row_source gru_row(const struct spacc_fixed_weights *w, size_t unit, size_t gate)
{
    const size_t onnx = (gate == 3 ? 2 : gate) * w->units + unit;
    const float *x = w->w + onnx * w->x_cols, *h = w->r + onnx * w->units;
    const double b_w = bias_at(w->b_w, onnx), b_r = bias_at(w->b_r, onnx);

    if (gate < 2)
        return (struct row_source){x, h, b_w + b_r};
    if (w->cell == SPACC_CELL_GRU)
        return gate == 2 ? (struct row_source){x, NULL, b_w}
                         : (struct row_source){NULL, h, b_r};
    return gate == 2 ? (struct row_source){x, NULL, b_w + b_r}
                     : (struct row_source){NULL, NULL, 0.0};
}

/* Row `row` of pass A in the order of rtl/README.md. */
static struct row_source source_a(const struct spacc_fixed_weights *w, size_t row)
{
    if (w->cell == SPACC_CELL_LINEAR)
        return linear_row(w, row);
    if (w->cell == SPACC_CELL_GRU || w->cell == SPACC_CELL_GRU_RESET)
        return gru_row(w, row / 4, row % 4);
    return lstm_row(w, row % 4 * w->units + row / 4);
}

/* Row `row` of pass B. Rows past the projection's outputs are zero. */
static struct row_source source_b(const struct spacc_fixed_weights *w, size_t row)
{
    const float *none = NULL;

    if (w->cell == SPACC_CELL_LSTMP && row < w->outputs)
        return (struct row_source){none, w->p + row * w->units, bias_at(w->b_p, row)};
    if (w->cell == SPACC_CELL_GRU_RESET && row % 4 == 3)
        return (struct row_source){none, w->r + (2 * w->units + row / 4) * w->units, 0.0};
    return (struct row_source){none, none, 0.0};
}

static double largest(const float *values, size_t count)
{
    float max = 0.0F;

    for (size_t i = 0; values && i < count; i++)
        max = fabsf(values[i]) > max ? fabsf(values[i]) : max;
    return (double)max;
}

double spacc_fixed_lsb(double weight, double bias, int weight_bits)
{
    const double most = weight_bits == 8 ? INT8_MAX : INT16_MAX;

    if (weight == 0.0 && bias == 0.0)
        return 0.0;
    return fmax(fmax(weight / most, fabs(bias) / (INT32_MAX - 1)), lsb_min);
}

double spacc_fixed_lsb_raise(double lsb)
{
    int exponent;
    const double fraction = frexp(lsb, &exponent);

    return ldexp(ceil(ldexp(fraction, SPACC_FIXED_MULT_BITS)),
                 exponent - SPACC_FIXED_MULT_BITS);
}

static double lsb_for(const struct row_source *source, const struct pass *p)
{
    const double x = ldexp(largest(source->x, p->x_cols), -p->x_frac);
    const double h = ldexp(largest(source->h, p->h_cols), -p->h_frac);
    const double lsb = spacc_fixed_lsb(fmax(x, h), source->bias, p->weight_bits);

    return lsb > 0.0 ? lsb : ldexp(1.0, -p->out_frac); /* empty: mult / 2^shift is 1 */
}

/* mult / 2^shift = *lsb * 2^out_frac; *lsb is raised so that it holds exactly. */
static void set_multiplier(struct spacc_fixed_row *row, double *lsb, int out_frac)
{
    int exponent;
    const double raised = spacc_fixed_lsb_raise(*lsb);
    const double fraction = frexp(ldexp(raised, out_frac), &exponent);
    double mult = ldexp(fraction, SPACC_FIXED_MULT_BITS);
    int shift = SPACC_FIXED_MULT_BITS - exponent;

    if (shift >= 1 && shift <= 63) {
        *lsb = raised;
    } else if (shift > 63) { /* the whole sum rounds to zero */
        mult = round(ldexp(*lsb, out_frac + 63));
        shift = 63;
    } else { /* a few counts of the sum already cut the result */
        mult = fmin(round(ldexp(*lsb, out_frac + 1)), UINT16_MAX);
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
    row->mult = 1 << (SPACC_FIXED_MULT_BITS - 1);
    row->shift = (uint8_t)(SPACC_FIXED_MULT_BITS - 1 + drop);
    return ldexp(lsb, drop);
}

static void quantise_part(int16_t *to, const float *from, size_t count, double value_of_one)
{
    for (size_t i = 0; from && i < count; i++)
        if (from[i] != 0.0F) /* most are, and `to` is zeros */
            to[i] = (int16_t)lround((double)from[i] / value_of_one);
}

/* ---------------------------------------------------------------- a pass */

/* Zeroed, so that rows and parts without weights need no further care. */
static enum spacc_status pass_alloc(struct pass *p, bool has_x, struct spacc_error *err)
{
    p->row = calloc(p->rows, sizeof(*p->row));
    p->scale_x = calloc(p->rows, sizeof(*p->scale_x));
    p->scale_h = calloc(p->rows, sizeof(*p->scale_h));
    p->x = has_x ? calloc(p->rows, p->x_cols * sizeof(*p->x)) : NULL;
    p->h = p->h_cols ? calloc(p->rows, p->h_cols * sizeof(*p->h)) : NULL;
    if (p->row && p->scale_x && p->scale_h && (p->x || !has_x) && (p->h || !p->h_cols))
        return SPACC_OK;
    return spacc_fail(err, SPACC_ENOMEM, "out of memory for %zu rows", p->rows);
}

static void pass_release(struct pass *p)
{
    free(p->x);
    free(p->h);
    free(p->scale_x);
    free(p->scale_h);
    free(p->row);
}

/* y_scale: LINEAR's, else NULL. */
static enum spacc_status quantise_row(struct pass *p, size_t r, const struct row_source *source,
                                      float *y_scale, struct spacc_error *err)
{
    struct spacc_fixed_row *row = &p->row[r];
    double lsb = lsb_for(source, p);

    if (lsb > lsb_max)
        return spacc_fail(err, SPACC_EINVAL,
                          "unit %zu, row %zu: weights of up to %g and bias %g "
                          "are beyond fixed point",
                          r / 4, r % 4,
                          fmax(largest(source->x, p->x_cols), largest(source->h, p->h_cols)),
                          source->bias);
    if (y_scale)
        lsb = as_float_above(lsb);
    else
        set_multiplier(row, &lsb, p->out_frac);
    if (p->x)
        quantise_part(p->x + r * p->x_cols, source->x, p->x_cols, ldexp(lsb, p->x_frac));
    if (p->h)
        quantise_part(p->h + r * p->h_cols, source->h, p->h_cols, ldexp(lsb, p->h_frac));
    row->bias = (int32_t)lround(source->bias / lsb);
    p->scale_x[r] = (float)ldexp(lsb, p->x_frac);
    p->scale_h[r] = (float)ldexp(lsb, p->h_frac);
    if (y_scale)
        y_scale[r] = (float)linear_multiplier(row, lsb, p->x + r * p->x_cols, p->x_cols);
    return SPACC_OK;
}

static enum spacc_status pack_part(struct spacc_csb **out, const struct pass *p,
                                   const int16_t *dense, const float *scale, size_t cols,
                                   size_t bank_size, struct spacc_error *err)
{
    const enum spacc_csb_type type = p->weight_bits == 8 ? SPACC_CSB_I8 : SPACC_CSB_I16;

    return spacc_csb_pack_int(out, type, dense, scale, p->rows, cols, bank_size, err);
}

/* Everything but the second pass of GRU_RESET and LSTMP. */
static enum spacc_status make_pass_a(struct spacc_fixed_layer *l,
                                     const struct spacc_fixed_weights *w, size_t bank_x,
                                     size_t bank_h, struct spacc_error *err)
{
    struct pass p = {.rows = 4 * l->units,
                     .x_cols = l->x_cols,
                     .h_cols = spacc_fixed_h_cols(l),
                     .x_frac = l->x_frac - (16 - l->act_bits),
                     .h_frac = l->h_frac - (16 - l->act_bits),
                     .out_frac = SPACC_GATE_FRAC,
                     .weight_bits = l->weight_bits};
    enum spacc_status status = pass_alloc(&p, true, err);

    for (size_t r = 0; r < p.rows && status == SPACC_OK; r++) {
        const struct row_source source = source_a(w, r);
        status = quantise_row(&p, r, &source, l->y_scale, err);
    }
    if (status == SPACC_OK)
        status = pack_part(&l->w_x, &p, p.x, p.scale_x, p.x_cols, bank_x, err);
    if (status == SPACC_OK && p.h)
        status = pack_part(&l->w_h, &p, p.h, p.scale_h, p.h_cols, bank_h, err);
    if (status == SPACC_OK) {
        l->row = p.row;
        p.row = NULL;
    }
    pass_release(&p);
    return status;
}

/* GRU_RESET: a gate from r * h, in the format of h. LSTMP: r from m. */
static enum spacc_status make_pass_b(struct spacc_fixed_layer *l,
                                     const struct spacc_fixed_weights *w, size_t bank_size,
                                     struct spacc_error *err)
{
    const bool project = l->cell == SPACC_CELL_LSTMP;
    struct pass p = {.rows = 4 * spacc_fixed_quads_b(l),
                     .h_cols = l->units,
                     .h_frac =
                         spacc_fixed_h_frac(l->cell, l->act_g, l->act_h) - (16 - l->act_bits),
                     .out_frac = project ? l->h_frac : SPACC_GATE_FRAC,
                     .weight_bits = l->weight_bits};
    enum spacc_status status = pass_alloc(&p, false, err);

    for (size_t r = 0; r < p.rows && status == SPACC_OK; r++) {
        const struct row_source source = source_b(w, r);
        status = quantise_row(&p, r, &source, NULL, err);
        if (status != SPACC_OK)
            status = spacc_fail_in(err, status, project ? "projection" : "pass B");
    }
    if (status == SPACC_OK)
        status = pack_part(&l->w_b, &p, p.h, p.scale_h, p.h_cols, bank_size, err);
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

static enum spacc_status check_projection(const struct spacc_fixed_weights *w,
                                          struct spacc_error *err)
{
    if (!w->p)
        return spacc_fail(err, SPACC_EINVAL, "P is missing");
    if (isnan(w->r_range))
        return spacc_fail(err, SPACC_EINVAL, "the range of r is not a number");
    const enum spacc_status status = check_finite(w->p, "P", w->outputs, w->units, err);
    return status == SPACC_OK ? check_finite(w->b_p, "Pb", w->outputs, 1, err) : status;
}

static enum spacc_status check_weights(const struct spacc_fixed_weights *w, size_t h_cols,
                                       struct spacc_error *err)
{
    const size_t gates = w->cell == SPACC_CELL_LINEAR                                ? 1
                         : w->cell == SPACC_CELL_LSTM || w->cell == SPACC_CELL_LSTMP ? 4
                                                                                     : 3;
    const size_t rows = gates * w->units;
    enum spacc_status status = SPACC_OK;

    if (!w->w || (h_cols && !w->r))
        return spacc_fail(err, SPACC_EINVAL, "%s is missing", w->w ? "R" : "W");
    status = check_finite(w->w, "W", rows, w->x_cols, err);
    if (status == SPACC_OK && h_cols)
        status = check_finite(w->r, "R", rows, h_cols, err);
    if (status == SPACC_OK)
        status = check_finite(w->b_w, "Wb", rows, 1, err);
    if (status == SPACC_OK)
        status = check_finite(w->b_r, "Rb", rows, 1, err);
    if (status == SPACC_OK && w->cell == SPACC_CELL_LSTMP)
        status = check_projection(w, err);
    return status;
}

/* The plain fields; the caller looks whether they can be. */
static void set_fields(struct spacc_fixed_layer *l, const struct spacc_fixed_weights *w,
                       int weight_bits, int x_frac)
{
    const bool linear = w->cell == SPACC_CELL_LINEAR, project = w->cell == SPACC_CELL_LSTMP;

    l->cell = w->cell;
    l->act_g = w->act_g;
    l->act_h = w->act_h;
    l->units = linear ? w->units / 4 + (w->units % 4 != 0) : w->units;
    l->outputs = project ? w->outputs : w->units;
    l->x_cols = w->x_cols;
    l->x_frac = x_frac;
    l->h_frac = project ? spacc_fixed_frac_for(w->r_range)
                        : spacc_fixed_h_frac(w->cell, w->act_g, w->act_h);
    l->weight_bits = weight_bits;
    l->act_bits = w->act_bits ? w->act_bits : 16;
}

enum spacc_status spacc_fixed_quantise(struct spacc_fixed_layer **out,
                                       const struct spacc_fixed_weights *weights,
                                       int weight_bits, int x_frac, size_t bank_x,
                                       size_t bank_h, size_t bank_b, struct spacc_error *err)
{
    const struct spacc_fixed_weights *w = weights;
    enum spacc_status status;

    *out = NULL;
    struct spacc_fixed_layer *l = calloc(1, sizeof(*l));
    if (!l)
        return spacc_fail(err, SPACC_ENOMEM, "out of memory for a layer");
    set_fields(l, w, weight_bits, x_frac);
    status = spacc_fixed_check_sizes(l, err);
    if (status != SPACC_OK) {
        status = spacc_fail_in(err, SPACC_EINVAL, "layer");
        goto out;
    }
    if ((status = check_weights(w, spacc_fixed_h_cols(l), err)) != SPACC_OK)
        goto out;
    if (l->cell == SPACC_CELL_LINEAR) {
        l->y_scale = calloc(4 * l->units, sizeof(*l->y_scale));
        if (!l->y_scale) {
            status = spacc_fail(err, SPACC_ENOMEM, "out of memory for %zu rows", 4 * l->units);
            goto out;
        }
    }
    if ((status = make_pass_a(l, w, bank_x, bank_h, err)) != SPACC_OK)
        goto out;
    if (spacc_fixed_quads_b(l))
        status = make_pass_b(l, w, l->cell == SPACC_CELL_LSTMP ? bank_b : bank_h, err);
    if (status != SPACC_OK)
        goto out;
    *out = l;
    l = NULL;
out:
    spacc_fixed_free(l);
    return status;
}
