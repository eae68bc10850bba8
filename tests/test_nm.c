#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sparse/nm.h"
#include "sparse/prune.h"

enum { ROWS = 16, COLS = 64 };

static uint32_t seed = 1;

static float draw(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(int32_t)(seed | 1u) / 2147483648.0F; /* never 0 */
}

static void expect(const float *w, size_t rows, size_t cols, size_t n, size_t m)
{
    const struct spacc_nm found = spacc_nm_find(w, rows, cols);

    assert_int_equal(found.n, n);
    assert_int_equal(found.m, m);
}

static void pruned_matrices_are_found_again(void **state)
{
    (void)state;
    static const struct spacc_nm all[] = {{2, 4}, {1, 4}, {3, 8}, {1, 8}, {5, 16}, {3, 32}};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        float w[ROWS * COLS];
        for (size_t j = 0; j < ROWS * COLS; j++)
            w[j] = draw();
        assert_int_equal(spacc_prune_magnitude(w, ROWS, COLS, all[i].m, all[i].n, NULL, NULL),
                         SPACC_OK);
        expect(w, ROWS, COLS, all[i].n, all[i].m);
    }
}

/* A row of 32 that repeats 8. */
static void expect_repeated(const float *eight, size_t n, size_t m)
{
    float w[32];

    for (size_t i = 0; i < 32; i++)
        w[i] = eight[i % 8];
    expect(w, 1, 32, n, m);
}

static void one_weight_more_is_another_pattern(void **state)
{
    (void)state;
    float w[8] = {1, 0, 0, 2, 0, 3, 0, 0};

    expect_repeated(w, 3, 8); /* fewer than 2 of 4 */
    w[4] = 4.0F;
    expect_repeated(w, 2, 4); /* which is 4 of 8 */
    w[0] = 0.0F;
    w[6] = 5.0F;
    expect_repeated(w, 4, 8);
    w[0] = 1.0F;
    expect_repeated(w, 0, 0);
}

static void no_pattern_is_none(void **state)
{
    (void)state;
    float w[64] = {0};

    expect(w, 1, 64, 0, 0);
    expect(w, 0, 0, 0, 0);
    for (size_t i = 0; i < 64; i++)
        w[i] = 1.0F;
    expect(w, 1, 64, 0, 0);
    expect(w, 1, 1, 1, 32); /* a short row is padded, so this is sparse */
}

static void a_short_last_group_counts_as_padded(void **state)
{
    (void)state;
    const float w[6] = {1, 0, 0, 2, 3, 4};

    expect(w, 1, 6, 4, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pruned_matrices_are_found_again),
        cmocka_unit_test(one_weight_more_is_another_pattern),
        cmocka_unit_test(no_pattern_is_none),
        cmocka_unit_test(a_short_last_group_counts_as_padded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
