#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cblas.h>
#include <cmocka.h>

#include "sparse/fixed.h"
#include "sparse/prune.h"
#include "sparse/prune_obs.h"

enum { ROWS_MAX = 64, COLS_MAX = 256, SAMPLES_MAX = 600 };

static uint32_t seed = 1;

static float draw(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / 8388608.0F - 1.0F;
}

static void fill(float *v, size_t count)
{
    for (size_t i = 0; i < count; i++)
        v[i] = draw();
}

/* A layer and its calibration data. */
struct problem {
    size_t rows, cols, samples;
    float w[ROWS_MAX * COLS_MAX], bias[ROWS_MAX], x[SAMPLES_MAX * COLS_MAX];
    struct spacc_gram *gram;
};

static void add_samples(struct problem *p)
{
    assert_int_equal(spacc_gram_create(&p->gram, p->cols, NULL), SPACC_OK);
    assert_int_equal(spacc_gram_add(p->gram, p->x, p->samples, NULL), SPACC_OK);
}

/* Inputs are mixtures of half as many sources, plus noise and a mean. */
static struct problem *make(size_t rows, size_t cols, size_t samples)
{
    struct problem *p = calloc(1, sizeof(*p));
    float mix[COLS_MAX][4], source[COLS_MAX];

    assert_non_null(p);
    *p = (struct problem){.rows = rows, .cols = cols, .samples = samples};
    fill(p->w, rows * cols);
    fill(p->bias, rows);
    fill(mix[0], cols * 4);
    for (size_t s = 0; s < samples; s++) {
        fill(source, cols);
        for (size_t c = 0; c < cols; c++) {
            float sum = 0.2F * draw() + 0.3F;
            for (size_t i = 0; i < 4; i++)
                sum += mix[c][i] * source[(c * 7 + i * 3) % (cols / 2)];
            p->x[s * cols + c] = sum;
        }
    }
    add_samples(p);
    return p;
}

static void drop(struct problem *p)
{
    spacc_gram_free(p->gram);
    free(p);
}

static struct spacc_prune_result prune(const struct problem *p, float *w, float *bias,
                                       const struct spacc_prune_part *part, size_t parts,
                                       int weight_bits)
{
    const struct spacc_prune_obs how = {parts, part, weight_bits, 0.0};
    struct spacc_prune_result result;
    struct spacc_error err = {.text = ""};

    memcpy(w, p->w, p->rows * p->cols * sizeof(*w));
    if (bias)
        memcpy(bias, p->bias, p->rows * sizeof(*bias));
    spacc_prune_obs(w, bias, p->rows, &how, p->gram, &result, &err);
    assert_string_equal(err.text, "");
    return result;
}

/* Squared error over squared outputs, from the samples themselves. */
static double error_of(const struct problem *p, const float *w, const float *bias)
{
    double lost = 0.0, all = 0.0;

    for (size_t s = 0; s < p->samples; s++)
        for (size_t r = 0; r < p->rows; r++) {
            double y = bias ? (double)p->bias[r] : 0.0, z = bias ? (double)bias[r] : 0.0;
            for (size_t c = 0; c < p->cols; c++) {
                y += (double)p->w[r * p->cols + c] * (double)p->x[s * p->cols + c];
                z += (double)w[r * p->cols + c] * (double)p->x[s * p->cols + c];
            }
            lost += (y - z) * (y - z);
            all += y * y;
        }
    return lost / all;
}

static size_t kept_in(const float *w, size_t count)
{
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        kept += w[i] != 0.0F;
    return kept;
}

static void independent_inputs_make_it_pruning_by_magnitude(void **state)
{
    (void)state;
    enum { ROWS = 9, COLS = 70, BANK = 16, K = 3 };
    static struct problem p;
    static float w[ROWS * COLS], want[ROWS * COLS], bias[ROWS];
    const struct spacc_prune_part part = {COLS, BANK, K, 0};

    p = (struct problem){.rows = ROWS, .cols = COLS, .samples = 2 * COLS};
    for (size_t i = 0; i < ROWS * COLS; i++)
        p.w[i] = roundf(16.0F * draw()) / 16.0F; /* many ties */
    fill(p.bias, ROWS);
    for (size_t c = 0; c < COLS; c++) {
        p.x[2 * c * COLS + c] = 1.0F;
        p.x[(2 * c + 1) * COLS + c] = -1.0F;
    }
    add_samples(&p);
    memcpy(want, p.w, sizeof(want));
    assert_int_equal(spacc_prune_magnitude(want, ROWS, COLS, BANK, K, NULL, NULL), SPACC_OK);
    for (int with_bias = 0; with_bias < 2; with_bias++) {
        prune(&p, w, with_bias ? bias : NULL, &part, 1, 0);
        for (size_t i = 0; i < ROWS * COLS; i++)
            assert_true(w[i] == want[i]);
    }
    assert_memory_equal(bias, p.bias, sizeof(bias));
    spacc_gram_free(p.gram);
}

static void nothing_to_prune_changes_nothing(void **state)
{
    (void)state;
    struct problem *p = make(5, 40, 100);
    const struct spacc_prune_part part[] = {{24, 8, 8, 0}, {16, 16, 16, 0}};
    float w[5 * 40], bias[5];

    const struct spacc_prune_result result = prune(p, w, bias, part, 2, 0);
    assert_memory_equal(w, p->w, sizeof(w));
    assert_memory_equal(bias, p->bias, sizeof(bias));
    assert_true(result.error == 0.0 && result.energy_kept == 1.0);
    drop(p);
}

/* ---- the best there is: every choice of 3 of 6 columns, with least squares ---- */

/* Least w G w of a row when only columns of `set` may change from w to anything. */
static double least_error(const struct problem *p, unsigned set)
{
    double a[6][7], w[6] = {0};
    size_t column[6], n = 0;
    const size_t ld = p->cols + 1;

    for (size_t c = 0; c < 6; c++)
        if (set >> c & 1)
            column[n++] = c;
    for (size_t i = 0; i < n; i++) {
        a[i][n] = 0.0;
        for (size_t j = 0; j < 6; j++) {
            const size_t high = column[i] > j ? column[i] : j, low = column[i] + j - high;
            const double g = (double)p->gram->sum[high * ld + low];
            a[i][n] += g * (double)p->w[j];
            for (size_t t = 0; t < n; t++)
                if (column[t] == j)
                    a[i][t] = g;
        }
    }
    for (size_t i = 0; i < n; i++) /* Gauss-Jordan; the Gram matrix is definite */
        for (size_t r = 0; r < n; r++) {
            const double f = r == i ? 0.0 : a[r][i] / a[i][i];
            for (size_t c = 0; c <= n; c++)
                a[r][c] -= f * a[i][c];
        }
    float v[6];
    for (size_t i = 0; i < n; i++)
        w[column[i]] = a[i][n] / a[i][i];
    for (size_t c = 0; c < 6; c++)
        v[c] = (float)w[c];
    return error_of(p, v, NULL);
}

static void it_comes_near_the_best_choice_of_columns(void **state)
{
    (void)state;
    double ratio = 0.0;
    size_t exact = 0;
    enum { TRIALS = 200 };

    for (int trial = 0; trial < TRIALS; trial++) {
        struct problem *p = make(1, 6, 300);
        const struct spacc_prune_part part = {6, 6, 3, 0};
        float w[6];
        double best = INFINITY;
        for (unsigned set = 0; set < 64; set++)
            if (__builtin_popcount(set) == 3)
                best = fmin(best, least_error(p, set));
        prune(p, w, NULL, &part, 1, 0);
        assert_int_equal(kept_in(w, 6), 3);
        const double error = error_of(p, w, NULL);
        assert_true(error >= best * (1.0 - 1e-4));
        ratio += log(error / best) / TRIALS;
        exact += error < 1.02 * best;
        drop(p);
    }
    print_message("errors are %.3f times those of the best choice (mean of logarithms), %zu of "
                  "%d are it\n",
                  exp(ratio), exact, TRIALS);
    assert_true(exp(ratio) < 1.3);
    assert_true(exact > TRIALS / 2);
}

static void it_loses_less_than_magnitude_and_wanda(void **state)
{
    (void)state;
    double sum[3] = {0};
    enum { ROWS = 16, COLS = 64 };

    for (int trial = 0; trial < 30; trial++) {
        struct problem *p = make(ROWS, COLS, 200);
        const struct spacc_prune_part part = {COLS, 16, 1 + (size_t)trial % 8, 0};
        float w[3][ROWS * COLS], bias[ROWS], norm[COLS];
        double error[3];
        for (size_t i = 0; i < 2; i++)
            memcpy(w[i], p->w, sizeof(w[i]));
        spacc_gram_norms(p->gram, norm);
        assert_int_equal(spacc_prune_magnitude(w[0], ROWS, COLS, 16, part.k, NULL, NULL),
                         SPACC_OK);
        assert_int_equal(spacc_prune_wanda(w[1], ROWS, COLS, 16, part.k, norm, NULL, NULL),
                         SPACC_OK);
        const struct spacc_prune_result result = prune(p, w[2], bias, &part, 1, 0);
        for (size_t i = 0; i < 3; i++) {
            error[i] = error_of(p, w[i], i == 2 ? bias : p->bias);
            sum[i] += error[i] / 30.0;
        }
        assert_true(fabs(result.error / error[2] - 1.0) < 1e-3);
        assert_true(error[2] < error[0]);
        drop(p);
    }
    print_message("mean error: magnitude %.4f, wanda %.4f, obs %.4f\n", sum[0], sum[1], sum[2]);
    assert_true(sum[2] < 0.4 * sum[0] && sum[2] < 0.5 * sum[1]);
}

/* 40 samples of 128 inputs: what fits them exactly is no good elsewhere. */
static void few_samples_do_not_mislead(void **state)
{
    (void)state;
    double sum[2] = {0};
    enum { ROWS = 16, COLS = 128, FEW = 40 };

    for (int trial = 0; trial < 10; trial++) {
        struct problem *p = make(ROWS, COLS, 400);
        const struct spacc_prune_part part = {COLS, 16, 4, 0};
        static float w[ROWS * COLS], magnitude[ROWS * COLS];
        float bias[ROWS];
        spacc_gram_free(p->gram);
        p->samples = FEW;
        add_samples(p);
        assert_true(prune(p, w, bias, &part, 1, 0).shrink > 0.2);
        memcpy(magnitude, p->w, sizeof(magnitude));
        assert_int_equal(spacc_prune_magnitude(magnitude, ROWS, COLS, 16, 4, NULL, NULL),
                         SPACC_OK);
        memmove(p->x, p->x + FEW * COLS, 360 * COLS * sizeof(*p->x));
        p->samples = 360; /* others */
        sum[0] += error_of(p, magnitude, p->bias) / 10.0;
        sum[1] += error_of(p, w, bias) / 10.0;
        drop(p);
    }
    print_message("held-out error: magnitude %.4f, obs %.4f\n", sum[0], sum[1]);
    assert_true(sum[1] < 0.7 * sum[0]);
}

static void banks_keep_what_their_part_says(void **state)
{
    (void)state;
    enum { ROWS = 20, COLS = 243 };
    struct problem *p = make(ROWS, COLS, 150);
    /* 2 of 10 and a bank of 3; 5 of 60; 7 of 150, longer than a block */
    const struct spacc_prune_part part[] = {{33, 10, 2, 0}, {60, 60, 5, 0}, {150, 200, 7, 0}};
    static float w[ROWS * COLS];
    float bias[ROWS];

    prune(p, w, bias, part, 3, 0);
    for (size_t r = 0; r < ROWS; r++) {
        const float *row = w + r * COLS;
        for (size_t c = 0; c < 30; c += 10)
            assert_int_equal(kept_in(row + c, 10), 2);
        assert_int_equal(kept_in(row + 30, 3), 2);
        assert_int_equal(kept_in(row + 33, 60), 5);
        assert_int_equal(kept_in(row + 93, 150), 7);
    }
    drop(p);
}

static void a_long_bank_keeps_its_weights_where_inputs_are_large(void **state)
{
    (void)state;
    enum { ROWS = 6, COLS = 128 };
    struct problem *p = make(ROWS, COLS, 150);
    const struct spacc_prune_part part = {COLS, COLS, 12, 0};
    float w[ROWS * COLS];

    for (size_t i = 0; i < p->samples * COLS; i++)
        p->x[i] *= i % COLS < 64 ? 0.001F : 1.0F;
    spacc_gram_free(p->gram);
    add_samples(p);
    prune(p, w, NULL, &part, 1, 0);
    for (size_t r = 0; r < ROWS; r++) {
        assert_int_equal(kept_in(w + r * COLS, 64), 0);
        assert_int_equal(kept_in(w + r * COLS + 64, 64), 12);
    }
    drop(p);
}

static void the_same_input_gives_the_same_bits(void **state)
{
    (void)state;
    enum { ROWS = 33, COLS = 200 };
    struct problem *p = make(ROWS, COLS, 90);
    const struct spacc_prune_part part[] = {{120, 16, 4, 12}, {80, 80, 9, 15}};
    static float w[3][ROWS * COLS], one[ROWS * COLS];
    float bias[3][ROWS];

    for (size_t i = 0; i < 3; i++) {
        openblas_set_num_threads(i == 2 ? 2 : 1);
        prune(p, w[i], bias[i], part, 2, 8);
    }
    for (size_t i = 1; i < 3; i++) {
        assert_memory_equal(w[0], w[i], sizeof(w[0]));
        assert_memory_equal(bias[0], bias[i], sizeof(bias[0]));
    }
    p->rows = 1; /* a row alone: near, since products of other sizes round differently */
    prune(p, one, bias[1], part, 2, 0);
    p->rows = ROWS;
    prune(p, w[1], bias[2], part, 2, 0);
    for (size_t c = 0; c < COLS; c++)
        assert_true(fabsf(one[c] - w[1][c]) < 1e-3F);
    drop(p);
}

static void constant_inputs_go_into_the_bias(void **state)
{
    (void)state;
    enum { ROWS = 4, COLS = 32 };
    struct problem *p = make(ROWS, COLS, 50);
    const struct spacc_prune_part part = {COLS, 16, 1, 0};
    float w[ROWS * COLS], bias[ROWS];

    for (size_t i = 0; i < p->samples * COLS; i++)
        p->x[i] = (float)(i % COLS) / 8.0F - 1.0F;
    spacc_gram_free(p->gram);
    add_samples(p);
    prune(p, w, bias, &part, 1, 0);
    assert_true(error_of(p, w, bias) < 1e-6);
    assert_memory_not_equal(bias, p->bias, sizeof(bias));
    assert_true(error_of(p, w, p->bias) > 0.01); /* without the change: not so */
    drop(p);
}

static void inputs_that_are_always_zero_go_first(void **state)
{
    (void)state;
    enum { ROWS = 8, COLS = 32 };
    struct problem *p = make(ROWS, COLS, 50);
    const struct spacc_prune_part half = {COLS, 16, 8, 0}, more = {COLS, 16, 10, 0};
    float w[ROWS * COLS], bias[ROWS];

    for (size_t i = 0; i < p->samples * COLS; i++)
        p->x[i] = i % 2 ? p->x[i] : 0.0F;
    for (size_t i = 0; i < ROWS * COLS; i++)
        p->w[i] += i % 2 ? 0.0F : 5.0F;
    spacc_gram_free(p->gram);
    add_samples(p);
    assert_true(prune(p, w, bias, &half, 1, 0).error < 1e-10);
    for (size_t i = 0; i < ROWS * COLS; i++)
        assert_true(i % 2 ? fabsf(w[i] - p->w[i]) < 1e-5F : w[i] == 0.0F);
    prune(p, w, bias, &more, 1, 0);
    for (size_t i = 0; i < ROWS * COLS; i += 16) { /* the 2 largest of them stay as they were */
        assert_int_equal(kept_in(w + i, 16), 10);
        for (size_t c = i; c < i + 16; c += 2)
            for (size_t d = i; d < i + 16; d += 2)
                assert_false(w[c] != 0.0F &&
                             (w[c] != p->w[c] || (w[d] == 0.0F && p->w[d] > p->w[c])));
    }
    drop(p);
}

static void a_singular_hessian_is_damped_and_that_is_said(void **state)
{
    (void)state;
    enum { ROWS = 4, COLS = 16 };
    struct problem *p = make(ROWS, COLS, 50);
    const struct spacc_prune_part part = {COLS, 8, 2, 0};
    struct spacc_prune_obs how = {1, &part, 0, 1e-40};
    struct spacc_prune_result result;

    for (size_t i = 0; i < p->samples * COLS; i++)
        p->x[i] = 1.0F; /* every column is the constant once more */
    spacc_gram_free(p->gram);
    add_samples(p);
    assert_int_equal(spacc_prune_obs(p->w, p->bias, ROWS, &how, p->gram, &result, NULL),
                     SPACC_OK);
    print_message("damping of 1e-40 became %g\n", result.damp);
    assert_true(result.damp > 1e-30 && result.damp < 1e-6);
    for (size_t i = 0; i < ROWS * COLS; i++)
        assert_true(isfinite(p->w[i]));
    how.damp = 0.5;
    assert_int_equal(spacc_prune_obs(p->w, NULL, ROWS, &how, p->gram, &result, NULL), SPACC_OK);
    assert_true(result.damp == 0.5);
    drop(p);
}

static void failure_leaves_everything_as_it_was(void **state)
{
    (void)state;
    enum { ROWS = 3, COLS = 16 };
    struct problem *p = make(ROWS, COLS, 20);
    const struct spacc_prune_part good = {COLS, 8, 2, 0};
    static const struct spacc_prune_part bad[] = {
        {COLS, 8, 0, 0}, {COLS, 8, 9, 0}, {COLS, 0, 1, 0},     {COLS, 65537, 1, 0},
        {0, 8, 2, 0},    {15, 8, 2, 0},   {COLS + 1, 8, 2, 0}, {COLS, 8, 2, 99}};
    struct spacc_prune_result result;
    struct spacc_error err;
    float w[ROWS * COLS], bias[ROWS];

    memcpy(w, p->w, sizeof(w));
    memcpy(bias, p->bias, sizeof(bias));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct spacc_prune_obs how = {1, &bad[i], 0, 0.0};
        assert_int_equal(spacc_prune_obs(w, bias, ROWS, &how, p->gram, &result, &err),
                         SPACC_EINVAL);
    }
    const struct spacc_prune_obs all[] = {
        {1, &good, 4, 0.0}, {1, &good, 0, -1.0}, {1, &good, 0, NAN}, {0, &good, 0, 0.0}};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(spacc_prune_obs(w, bias, ROWS, &all[i], p->gram, &result, &err),
                         SPACC_EINVAL);
    const struct spacc_prune_obs how = {1, &good, 8, 0.0};
    assert_int_equal(spacc_prune_obs(w, bias, 0, &how, p->gram, &result, &err), SPACC_EINVAL);
    assert_memory_equal(w, p->w, sizeof(w));
    assert_memory_equal(bias, p->bias, sizeof(bias));
    bias[1] = INFINITY;
    assert_int_equal(spacc_prune_obs(w, bias, ROWS, &how, p->gram, &result, &err),
                     SPACC_EINVAL);
    assert_string_equal(err.text, "bias of row 1 is inf, not finite");
    w[17] = NAN;
    assert_int_equal(spacc_prune_obs(w, NULL, ROWS, &how, p->gram, &result, &err),
                     SPACC_EINVAL);
    assert_non_null(strstr(err.text, "row 1, column 1"));
    p->gram->samples = 1;
    assert_int_equal(spacc_prune_obs(p->w, NULL, ROWS, &how, p->gram, &result, &err),
                     SPACC_EINVAL);
    assert_string_equal(err.text, "1 calibration samples: 2 or more are needed");
    p->gram->samples = 20;
    p->gram->sum[COLS + 2] = INFINITY;
    assert_int_equal(spacc_prune_obs(p->w, NULL, ROWS, &how, p->gram, &result, &err),
                     SPACC_EINVAL);
    drop(p);
}

/* ---- quantised ---- */

enum { UNITS = 12, INPUTS = 20, GATES = 4 * UNITS, WIDTH = INPUTS + UNITS };

static void split(float *x, float *h, const float *w)
{
    for (size_t r = 0; r < GATES; r++) {
        memcpy(x + r * INPUTS, w + r * WIDTH, INPUTS * sizeof(*x));
        memcpy(h + r * UNITS, w + r * WIDTH + INPUTS, UNITS * sizeof(*h));
    }
}

static struct spacc_fixed_layer *quantise(const float *x, const float *h, const float *bias,
                                          enum spacc_cell cell, size_t units, size_t inputs,
                                          int bits, int x_frac)
{
    const struct spacc_fixed_weights w = {
        .cell = cell, .units = units, .x_cols = inputs, .w = x, .r = h, .b_w = bias};
    struct spacc_fixed_layer *l;

    assert_int_equal(spacc_fixed_quantise(&l, &w, bits, x_frac, 8, 8, 8, NULL), SPACC_OK);
    return l;
}

/* The layer's weights are the floats it was made of; the largest integer of row r. */
static double expect_same(const struct spacc_csb *m, size_t r, const float *want, int bits)
{
    static float dense[ROWS_MAX * 2 * COLS_MAX];
    double most = 0.0;

    spacc_csb_unpack(m, dense);
    for (size_t c = 0; c < m->cols; c++) {
        const float found = dense[r * m->cols + c];
        if (bits == 8) /* 7 bits of weight, 15 of the row's scale */
            assert_true(found == want[c]);
        else
            assert_true(fabsf(found - want[c]) <= 2.4e-7F * fabsf(want[c]));
        most = fmax(most, fabs((double)found / (double)m->scale[r]));
    }
    return most;
}

static void a_quantised_lstm_is_found_again(void **state)
{
    (void)state;
    const struct spacc_prune_part part[] = {{INPUTS, 8, 3, 11}, {UNITS, 6, 2, 15}};

    for (int trial = 0; trial < 20; trial++) {
        struct problem *p = make(GATES, WIDTH, 200);
        const int bits = trial % 2 ? 16 : 8;
        float w[GATES * WIDTH], x[GATES * INPUTS], h[GATES * UNITS], bias[GATES];
        p->bias[5] = 3e6F; /* int32 has no room for it at the weights' lsb */
        memset(p->w + 7 * WIDTH, 0, WIDTH * sizeof(*p->w));
        prune(p, w, bias, part, 2, bits);
        split(x, h, w);
        struct spacc_fixed_layer *l =
            quantise(x, h, bias, SPACC_CELL_LSTM, UNITS, INPUTS, bits, 11);
        assert_int_equal(l->h_frac, 15);
        for (size_t r = 0; r < GATES; r++) {
            const size_t row = r % UNITS * 4 + r / UNITS;
            const double most_x = expect_same(l->w_x, row, x + r * INPUTS, bits);
            const double most_h = expect_same(l->w_h, row, h + r * UNITS, bits);
            if (r != 5 && r != 7)
                assert_true(fabs(fmax(most_x, most_h) - (bits == 8 ? 127.0 : 32767.0)) < 0.01);
            else
                assert_true(fmax(most_x, most_h) < 127.0);
        }
        spacc_fixed_free(l);
        drop(p);
    }
}

static void a_quantised_linear_layer_is_found_again(void **state)
{
    (void)state;
    enum { ROWS = 24, COLS = 64 };
    const struct spacc_prune_part part = {COLS, 8, 2, 13};

    for (int trial = 0; trial < 20; trial++) {
        struct problem *p = make(ROWS, COLS, 200);
        const int bits = trial % 2 ? 16 : 8;
        float w[ROWS * COLS], bias[ROWS];
        prune(p, w, bias, &part, 1, bits);
        struct spacc_fixed_layer *l =
            quantise(w, NULL, bias, SPACC_CELL_LINEAR, ROWS, COLS, bits, 13);
        for (size_t r = 0; r < ROWS; r++)
            assert_true(fabs(expect_same(l->w_x, r, w + r * COLS, bits) -
                             (bits == 8 ? 127.0 : 32767.0)) < 0.01);
        spacc_fixed_free(l);
        drop(p);
    }
}

/* Rounding weights that were pruned in floats, as spacc_fixed_quantise() does. */
static void knowing_the_outputs_quantises_better_than_rounding(void **state)
{
    (void)state;
    enum { ROWS = 24, COLS = 64 };
    const struct spacc_prune_part part = {COLS, 8, 4, 13};
    double rounded = 0.0, walked = 0.0;

    for (int trial = 0; trial < 20; trial++) {
        struct problem *p = make(ROWS, COLS, 400);
        static float w[ROWS * COLS], v[ROWS * COLS], q[2 * ROWS * COLS];
        float bias[ROWS], other[ROWS];
        const double floats = prune(p, w, bias, &part, 1, 0).error;
        walked += prune(p, v, other, &part, 1, 8).error - floats;
        struct spacc_fixed_layer *l =
            quantise(w, NULL, bias, SPACC_CELL_LINEAR, ROWS, COLS, 8, 13);
        spacc_csb_unpack(l->w_x, q);
        rounded += error_of(p, q, bias) - floats;
        spacc_fixed_free(l);
        drop(p);
    }
    print_message("int8 adds %.3g by rounding, %.3g by descent\n", rounded / 20.0,
                  walked / 20.0);
    assert_true(walked < 0.7 * rounded);
}

/* ---- magnitude times norm ---- */

static void wanda_is_magnitude_where_norms_are_equal(void **state)
{
    (void)state;
    enum { ROWS = 9, COLS = 70, BANK = 16, K = 3 };
    float w[ROWS * COLS], want[ROWS * COLS], norm[COLS];
    double kept, kept_want;

    for (size_t c = 0; c < COLS; c++)
        norm[c] = c < 32 ? 0.7F : c < 48 ? 0.0F : 3.0F; /* equal within a bank */
    for (size_t i = 0; i < ROWS * COLS; i++)
        w[i] = want[i] = roundf(16.0F * draw()) / 16.0F;
    assert_int_equal(spacc_prune_wanda(w, ROWS, COLS, BANK, K, norm, &kept, NULL), SPACC_OK);
    assert_int_equal(spacc_prune_magnitude(want, ROWS, COLS, BANK, K, &kept_want, NULL),
                     SPACC_OK);
    for (size_t i = 0; i < ROWS * COLS; i++)
        assert_true(w[i] == want[i]);
    assert_true(kept == kept_want);
}

static void wanda_goes_by_weight_times_norm(void **state)
{
    (void)state;
    float w[8] = {4, 3, 2, 1, 1, 2, 3, 4};
    const float norm[8] = {0, 1, 2, 3, 1, 1, 1, 0.1F}, want[8] = {0, 3, 2, 0, 0, 2, 3, 0};
    const float bad[3] = {-1.0F, NAN, INFINITY};
    struct spacc_error err;

    assert_int_equal(spacc_prune_wanda(w, 1, 8, 4, 2, norm, NULL, NULL), SPACC_OK);
    for (size_t i = 0; i < 8; i++)
        assert_true(w[i] == want[i]);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(spacc_prune_wanda(w, 1, 1, 4, 2, bad + i, NULL, &err), SPACC_EINVAL);
        assert_non_null(strstr(err.text, "norm of column 0"));
    }
}

/* Every input lost half of how it varied and 0.7 of its mean: a quarter of that is made up for.
 */
static void what_was_lost_before_is_made_up_for(void **state)
{
    (void)state;
    enum { ROWS = 5, COLS = 12, SAMPLES = SAMPLES_MAX };
    static float was[SAMPLES * COLS], w[ROWS * COLS], bias[ROWS];
    const struct spacc_prune_part part = {COLS, 4, 4, 0};
    struct problem *p = make(ROWS, COLS, SAMPLES);

    spacc_gram_free(p->gram);
    fill(p->x, SAMPLES * COLS);
    for (size_t i = 0; i < SAMPLES * COLS; i++)
        was[i] = 2.0F * p->x[i] + 0.7F;
    assert_int_equal(spacc_gram_create(&p->gram, COLS, NULL), SPACC_OK);
    assert_int_equal(spacc_gram_add_drift(p->gram, was, p->x, SAMPLES, NULL), SPACC_OK);
    prune(p, w, bias, &part, 1, 0);
    for (size_t r = 0; r < ROWS; r++) {
        double sum = 0.0;
        for (size_t c = 0; c < COLS; c++) {
            const double before = (double)p->w[r * COLS + c];
            assert_true(fabs((double)w[r * COLS + c] - 1.25 * before) < 0.03);
            sum += before;
        }
        assert_true(fabs((double)bias[r] - (double)p->bias[r] - 0.175 * sum) < 0.1);
    }
    drop(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_lost_before_is_made_up_for),
        cmocka_unit_test(independent_inputs_make_it_pruning_by_magnitude),
        cmocka_unit_test(nothing_to_prune_changes_nothing),
        cmocka_unit_test(it_comes_near_the_best_choice_of_columns),
        cmocka_unit_test(it_loses_less_than_magnitude_and_wanda),
        cmocka_unit_test(few_samples_do_not_mislead),
        cmocka_unit_test(banks_keep_what_their_part_says),
        cmocka_unit_test(a_long_bank_keeps_its_weights_where_inputs_are_large),
        cmocka_unit_test(the_same_input_gives_the_same_bits),
        cmocka_unit_test(constant_inputs_go_into_the_bias),
        cmocka_unit_test(inputs_that_are_always_zero_go_first),
        cmocka_unit_test(a_singular_hessian_is_damped_and_that_is_said),
        cmocka_unit_test(failure_leaves_everything_as_it_was),
        cmocka_unit_test(a_quantised_lstm_is_found_again),
        cmocka_unit_test(a_quantised_linear_layer_is_found_again),
        cmocka_unit_test(knowing_the_outputs_quantises_better_than_rounding),
        cmocka_unit_test(wanda_is_magnitude_where_norms_are_equal),
        cmocka_unit_test(wanda_goes_by_weight_times_norm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
