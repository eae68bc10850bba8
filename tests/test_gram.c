#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cblas.h>
#include <cmocka.h>

#include "sparse/gram.h"

static uint32_t seed = 1;

static float draw(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / 8388608.0F - 0.75F; /* with a mean */
}

static float *random_values(size_t count)
{
    float *v = malloc(count * sizeof(*v));
    assert_non_null(v);
    for (size_t i = 0; i < count; i++)
        v[i] = draw();
    return v;
}

static struct spacc_gram *make(size_t cols)
{
    struct spacc_gram *g;
    assert_int_equal(spacc_gram_create(&g, cols, NULL), SPACC_OK);
    return g;
}

/* x of sample s with the constant behind it. */
static double input(const float *x, size_t cols, size_t s, size_t c)
{
    return c == cols ? 1.0 : (double)x[s * cols + c];
}

static void sums_are_those_of_all_samples(void **state)
{
    (void)state;
    enum { COLS = 37, SAMPLES = 700 };
    float *x = random_values(COLS * SAMPLES);
    struct spacc_gram *g = make(COLS);

    assert_int_equal(spacc_gram_add(g, x, 300, NULL), SPACC_OK);
    assert_int_equal(spacc_gram_add(g, x + 300 * COLS, 0, NULL), SPACC_OK);
    assert_int_equal(spacc_gram_add(g, x + 300 * COLS, SAMPLES - 300, NULL), SPACC_OK);
    assert_int_equal(g->samples, SAMPLES);
    for (size_t i = 0; i <= COLS; i++)
        for (size_t j = 0; j <= i; j++) {
            double want = 0.0;
            for (size_t s = 0; s < SAMPLES; s++)
                want += input(x, COLS, s, i) * input(x, COLS, s, j);
            assert_true(fabs((double)g->sum[i * (COLS + 1) + j] - want) < 1e-5 * SAMPLES);
        }
    float norm[COLS];
    spacc_gram_norms(g, norm);
    for (size_t c = 0; c < COLS; c++) {
        double want = 0.0;
        for (size_t s = 0; s < SAMPLES; s++)
            want += input(x, COLS, s, c) * input(x, COLS, s, c);
        assert_true(fabs((double)norm[c] - sqrt(want / SAMPLES)) < 1e-5);
    }
    spacc_gram_free(g);
    free(x);
}

static void errors_are_those_of_the_samples(void **state)
{
    (void)state;
    enum { ROWS = 70, COLS = 131, SAMPLES = 50 }; /* more than a tile each */
    float *x = random_values(COLS * SAMPLES);
    float *w = random_values(ROWS * COLS), *v = random_values(ROWS * COLS);
    float *b = random_values(ROWS), *a = random_values(ROWS);
    struct spacc_gram *g = make(COLS);

    assert_int_equal(spacc_gram_add(g, x, SAMPLES, NULL), SPACC_OK);
    for (int with_bias = 0; with_bias < 2; with_bias++) {
        double lost = 0.0, all = 0.0, whole;
        for (size_t s = 0; s < SAMPLES; s++)
            for (size_t r = 0; r < ROWS; r++) {
                double y = with_bias ? (double)b[r] : 0.0;
                double z = with_bias ? (double)a[r] : 0.0;
                for (size_t c = 0; c < COLS; c++) {
                    y += (double)w[r * COLS + c] * (double)x[s * COLS + c];
                    z += (double)v[r * COLS + c] * (double)x[s * COLS + c];
                }
                lost += (y - z) * (y - z);
                all += y * y;
            }
        const double error =
            spacc_gram_error(g, w, with_bias ? b : NULL, v, with_bias ? a : NULL, ROWS, &whole);
        assert_true(fabs(error * SAMPLES * ROWS / lost - 1.0) < 1e-4);
        assert_true(fabs(whole * SAMPLES * ROWS / all - 1.0) < 1e-4);
    }
    spacc_gram_free(g);
    free(x), free(w), free(v), free(b), free(a);
}

static void nothing_is_zero(void **state)
{
    (void)state;
    struct spacc_gram *g = make(2);
    const float w[2] = {1, 2};
    float norm[2] = {9, 9};
    double whole = 9.0;

    spacc_gram_norms(g, norm);
    assert_true(norm[0] == 0.0F && norm[1] == 0.0F);
    assert_true(spacc_gram_error(g, w, NULL, w, NULL, 1, &whole) == 0.0 && whole == 0.0);
    spacc_gram_free(g);
    spacc_gram_free(NULL);
}

static void bad_samples_are_named_and_change_nothing(void **state)
{
    (void)state;
    struct spacc_gram *g = make(3);
    struct spacc_error err;
    float x[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, before[16];

    assert_int_equal(spacc_gram_add(g, x, 2, NULL), SPACC_OK);
    memcpy(before, g->sum, sizeof(before));
    x[7] = NAN;
    assert_int_equal(spacc_gram_add(g, x, 3, &err), SPACC_EINVAL);
    assert_string_equal(err.text, "sample 2, column 1 is nan, not finite");
    assert_memory_equal(before, g->sum, sizeof(before));
    assert_int_equal(g->samples, 2);
    assert_int_equal(spacc_gram_add(g, x, SIZE_MAX / 2, &err), SPACC_EINVAL);
    spacc_gram_free(g);
    g = (struct spacc_gram *)&err;
    assert_int_equal(spacc_gram_create(&g, 0, &err), SPACC_EINVAL);
    assert_null(g);
    assert_int_equal(spacc_gram_create(&g, 65537, &err), SPACC_EINVAL);
}

static void bits_do_not_depend_on_the_threads(void **state)
{
    (void)state;
    enum { COLS = 200, SAMPLES = 600 };
    float *x = random_values(COLS * SAMPLES);
    struct spacc_gram *g = make(COLS), *other = make(COLS);

    openblas_set_num_threads(1);
    assert_int_equal(spacc_gram_add(g, x, SAMPLES, NULL), SPACC_OK);
    openblas_set_num_threads(2);
    assert_int_equal(spacc_gram_add(other, x, SAMPLES, NULL), SPACC_OK);
    assert_memory_equal(g->sum, other->sum, (COLS + 1) * (COLS + 1) * sizeof(float));
    spacc_gram_free(g);
    spacc_gram_free(other);
    free(x);
}

static void drift_is_what_the_inputs_lack(void **state)
{
    (void)state;
    enum { COLS = 21, SAMPLES = 530 };
    float *x = random_values(COLS * SAMPLES), *was = random_values(COLS * SAMPLES);
    struct spacc_gram *g = make(COLS), *plain = make(COLS);
    struct spacc_error err;

    assert_int_equal(spacc_gram_add_drift(g, was, x, 300, NULL), SPACC_OK);
    assert_int_equal(
        spacc_gram_add_drift(g, was + 300 * COLS, x + 300 * COLS, SAMPLES - 300, NULL),
        SPACC_OK);
    assert_int_equal(spacc_gram_add(plain, x, 300, NULL), SPACC_OK);
    assert_int_equal(spacc_gram_add(plain, x + 300 * COLS, SAMPLES - 300, NULL), SPACC_OK);
    assert_int_equal(g->samples, SAMPLES);
    assert_memory_equal(g->sum, plain->sum, (COLS + 1) * (COLS + 1) * sizeof(float));
    assert_null(plain->drift);
    for (size_t i = 0; i <= COLS; i++)
        for (size_t j = 0; j <= COLS; j++) {
            double want = 0.0;
            for (size_t s = 0; s < SAMPLES; s++)
                want += (input(was, COLS, s, i) - input(x, COLS, s, i)) * input(x, COLS, s, j);
            assert_true(fabs((double)g->drift[i * (COLS + 1) + j] - want) < 1e-5 * SAMPLES);
        }
    was[3 * COLS + 2] = NAN;
    assert_int_equal(spacc_gram_add_drift(g, was, x, SAMPLES, &err), SPACC_EINVAL);
    assert_string_equal(err.text, "sample 3, column 2 is nan, not finite");
    assert_int_equal(g->samples, SAMPLES);
    spacc_gram_free(plain);
    spacc_gram_free(g);
    free(was);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_all_samples),
        cmocka_unit_test(drift_is_what_the_inputs_lack),
        cmocka_unit_test(errors_are_those_of_the_samples),
        cmocka_unit_test(nothing_is_zero),
        cmocka_unit_test(bad_samples_are_named_and_change_nothing),
        cmocka_unit_test(bits_do_not_depend_on_the_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
