#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sparse/csb.h"
#include "sparse/prune.h"

static void sparsity_becomes_whole_weights(void **state)
{
    (void)state;
    static const struct {
        double sparsity;
        size_t bank_size, k;
    } good[] = {{0.0, 16, 16},       {0.5, 16, 8},        {0.875, 64, 8},    {0.9375, 16, 1},
                {0.8, 20, 4},        {0.333333333, 3, 2}, {0.6666669, 3, 1}, {0.0, 1, 1},
                {0.99999999, 16, 1}, {0.7, 10, 3}};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        size_t k = 99;
        assert_int_equal(spacc_prune_kept(&k, good[i].sparsity, good[i].bank_size, NULL),
                         SPACC_OK);
        assert_int_equal(k, good[i].k);
    }
}

static void a_fraction_of_a_weight_is_refused_with_a_way_out(void **state)
{
    (void)state;
    struct spacc_error err;
    size_t k;

    assert_int_equal(spacc_prune_kept(&k, 0.8, 16, &err), SPACC_EINVAL);
    assert_string_equal(err.text,
                        "sparsity 0.8 of a bank of 16 is 12.8 weights: choose 0.75 or "
                        "0.8125, or a bank size of 20");
    assert_int_equal(spacc_prune_kept(&k, 0.97, 16, &err), SPACC_EINVAL); /* 1 is no choice */
    assert_string_equal(err.text,
                        "sparsity 0.97 of a bank of 16 is 15.52 weights: choose 0.9375, "
                        "or a bank size of 100");
    const double bad[] = {-0.1, 1.0, 1.5, NAN, INFINITY};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(spacc_prune_kept(&k, bad[i], 16, &err), SPACC_EINVAL);
    assert_int_equal(spacc_prune_kept(&k, 0.5, 0, &err), SPACC_EINVAL);
}

static void ties_keep_the_lowest_column(void **state)
{
    (void)state;
    float w[8] = {1, -1, 1, -1, 2, -3, 3, 2};
    const float want[8] = {1, -1, 0, 0, 0, -3, 3, 0};
    double kept;

    assert_int_equal(spacc_prune_magnitude(w, 1, 8, 4, 2, &kept, NULL), SPACC_OK);
    assert_memory_equal(w, want, sizeof(w));
    assert_true(fabs(kept - 20.0 / 30.0) < 1e-12);
}

/* Columns 4, 5 are the short bank of each row: it keeps min(2, 2) of them. */
static void a_short_last_bank_keeps_what_it_has(void **state)
{
    (void)state;
    float w[12] = {1, 2, 3, 4, 0.1F, 0.2F, -9, 8, -7, 6, 5, -4};
    const float want[12] = {0, 0, 3, 4, 0.1F, 0.2F, -9, 8, 0, 0, 5, -4};
    struct spacc_csb *m;

    assert_int_equal(spacc_prune_magnitude(w, 2, 6, 4, 2, NULL, NULL), SPACC_OK);
    assert_memory_equal(w, want, sizeof(w));
    assert_int_equal(spacc_csb_pack(&m, w, 2, 6, 4, NULL), SPACC_OK);
    assert_int_equal(m->k, 2);
    spacc_csb_free(m);
}

/* The k-th largest magnitude of a bank, by counting instead of sorting. */
static void every_kept_weight_beats_every_dropped_one(void **state)
{
    (void)state;
    enum { ROWS = 9, COLS = 70, BANK = 16, K = 3 };
    static float w[ROWS * COLS], before[ROWS * COLS];
    uint32_t seed = 7;

    for (size_t i = 0; i < ROWS * COLS; i++) {
        seed = seed * 1664525u + 1013904223u;
        w[i] = before[i] = (float)((int)(seed >> 24) - 128) / 16.0F; /* many ties */
    }
    assert_int_equal(spacc_prune_magnitude(w, ROWS, COLS, BANK, K, NULL, NULL), SPACC_OK);
    for (size_t i = 0; i < ROWS * COLS; i++) {
        const size_t row = i / COLS, c = i % COLS, first = c - c % BANK;
        size_t stronger = 0;
        for (size_t o = first; o < COLS && o < first + BANK; o++) {
            const float mine = fabsf(before[i]), other = fabsf(before[row * COLS + o]);
            stronger += other > mine || (!(other < mine) && o < c);
        }
        assert_true(w[i] == (stronger < K ? before[i] : 0.0F));
    }
}

static void weights_that_are_not_finite_are_named_and_nothing_changes(void **state)
{
    (void)state;
    float w[4] = {1, 2, 3, NAN};
    struct spacc_error err;
    double kept;

    assert_int_equal(spacc_prune_magnitude(w, 2, 2, 2, 1, &kept, &err), SPACC_EINVAL);
    assert_non_null(strstr(err.text, "row 1, column 1"));
    assert_true(w[0] == 1.0F && w[1] == 2.0F && w[2] == 3.0F);
    w[3] = -INFINITY;
    assert_int_equal(spacc_prune_magnitude(w, 2, 2, 2, 1, &kept, &err), SPACC_EINVAL);
    w[3] = 0.0F;
    assert_int_equal(spacc_prune_magnitude(w, 2, 2, 2, 0, &kept, &err), SPACC_EINVAL);
    assert_int_equal(spacc_prune_magnitude(w, 2, 2, 2, 3, &kept, &err), SPACC_EINVAL);
    assert_int_equal(spacc_prune_magnitude(w, 0, 2, 2, 1, &kept, &err), SPACC_EINVAL);
    assert_int_equal(spacc_prune_magnitude(w, SIZE_MAX, 2, 2, 1, &kept, &err), SPACC_EINVAL);
    assert_int_equal(spacc_prune_magnitude(w, 2, 2, 0, 1, &kept, &err), SPACC_EINVAL);
}

static void an_all_zero_matrix_keeps_all_its_energy(void **state)
{
    (void)state;
    float w[4] = {0, 0, 0, 0};
    double kept = -1.0;

    assert_int_equal(spacc_prune_magnitude(w, 1, 4, 4, 1, &kept, NULL), SPACC_OK);
    assert_true(kept == 1.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sparsity_becomes_whole_weights),
        cmocka_unit_test(a_fraction_of_a_weight_is_refused_with_a_way_out),
        cmocka_unit_test(ties_keep_the_lowest_column),
        cmocka_unit_test(a_short_last_bank_keeps_what_it_has),
        cmocka_unit_test(every_kept_weight_beats_every_dropped_one),
        cmocka_unit_test(weights_that_are_not_finite_are_named_and_nothing_changes),
        cmocka_unit_test(an_all_zero_matrix_keeps_all_its_energy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
