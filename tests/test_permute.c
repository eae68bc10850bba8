#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sparse/permute.h"
#include "sparse/prune.h"

enum { ROWS_MAX = 48, COLS_MAX = 70 };

static uint32_t seed = 1;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static float draw_float(void)
{
    return (float)draw(1 << 20) / (float)(1 << 19) - 1.0F;
}

static void expect_permutation(const uint32_t *order, size_t cols)
{
    bool seen[COLS_MAX] = {false};

    for (size_t c = 0; c < cols; c++) {
        assert_true(order[c] < cols && !seen[order[c]]);
        seen[order[c]] = true;
    }
}

/* Share of squares that pruning keeps of the columns in this order. */
static double kept_share(const float *w, const uint32_t *order, size_t rows, size_t cols,
                         size_t bank, size_t k)
{
    float copy[ROWS_MAX * COLS_MAX];
    double kept;

    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            copy[r * cols + c] = w[r * cols + order[c]];
    assert_int_equal(spacc_prune_magnitude(copy, rows, cols, bank, k, &kept, NULL), SPACC_OK);
    return kept;
}

static void an_order_is_never_worse_and_says_what_it_keeps(void **state)
{
    (void)state;

    for (int trial = 0; trial < 200; trial++) {
        const size_t rows = 1 + draw(ROWS_MAX), cols = 1 + draw(COLS_MAX);
        const size_t bank = 1 + draw(20), k = 1 + draw((uint32_t)bank);
        float w[ROWS_MAX * COLS_MAX];
        uint32_t order[COLS_MAX], same[COLS_MAX];
        double before, after;
        for (size_t i = 0; i < rows * cols; i++)
            w[i] = draw(3) ? draw_float() : 0.5F; /* ties */
        for (uint32_t c = 0; c < cols; c++)
            same[c] = c;
        assert_int_equal(spacc_permute_columns(order, w, rows, cols, bank, k, draw(99), 500,
                                               &before, &after, NULL),
                         SPACC_OK);
        expect_permutation(order, cols);
        assert_true(after >= before);
        assert_true(fabs(before - kept_share(w, same, rows, cols, bank, k)) < 1e-6);
        assert_true(fabs(after - kept_share(w, order, rows, cols, bank, k)) < 1e-6);
        if (!(after > before))
            assert_memory_equal(order, same, cols * sizeof(*order));
    }
}

/* Every row has as many large weights as it may keep; in some order they are spread evenly. */
static void a_planted_order_is_found_again(void **state)
{
    (void)state;
    enum { ROWS = 16, COLS = 32, BANK = 8, K = 2 };
    float w[ROWS * COLS];
    uint32_t hidden[COLS], order[COLS];
    double before, after;

    for (uint32_t c = 0; c < COLS; c++)
        hidden[c] = c;
    for (uint32_t c = COLS - 1; c > 0; c--) {
        const uint32_t other = draw(c + 1), kept = hidden[c];
        hidden[c] = hidden[other];
        hidden[other] = kept;
    }
    for (size_t i = 0; i < ROWS * COLS; i++)
        w[i] = 0.01F * draw_float();
    for (size_t r = 0; r < ROWS; r++) /* rows of a kind keep the same columns of each bank */
        for (size_t bank = 0; bank < COLS / BANK; bank++)
            for (size_t j = 0; j < K; j++)
                w[r * COLS + hidden[bank * BANK + r % 4 * K + j]] = 1.0F;
    assert_int_equal(
        spacc_permute_columns(order, w, ROWS, COLS, BANK, K, 3, 20000, &before, &after, NULL),
        SPACC_OK);
    print_message("kept before %.3f, after %.5f\n", before, after);
    assert_true(before < 0.9);
    assert_true(after > 0.999);
}

static void the_same_seed_gives_the_same_order(void **state)
{
    (void)state;
    enum { ROWS = 20, COLS = 40 };
    float w[ROWS * COLS];
    uint32_t order[3][COLS];

    for (size_t i = 0; i < ROWS * COLS; i++)
        w[i] = draw_float();
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(
            spacc_permute_columns(order[i], w, ROWS, COLS, 8, 2, i / 2, 2000, NULL, NULL, NULL),
            SPACC_OK);
    assert_memory_equal(order[0], order[1], sizeof(order[0]));
    assert_memory_not_equal(order[0], order[2], sizeof(order[0]));
}

static void bad_scores_are_refused(void **state)
{
    (void)state;
    float w[4] = {1, 2, 3, NAN};
    uint32_t order[4];

    assert_int_equal(spacc_permute_columns(order, w, 1, 4, 2, 1, 1, 9, NULL, NULL, NULL),
                     SPACC_EINVAL);
    w[3] = 1e30F; /* its square is infinite */
    assert_int_equal(spacc_permute_columns(order, w, 1, 4, 2, 1, 1, 9, NULL, NULL, NULL),
                     SPACC_EINVAL);
    w[3] = 4.0F;
    assert_int_equal(spacc_permute_columns(order, w, 1, 4, 2, 3, 1, 9, NULL, NULL, NULL),
                     SPACC_EINVAL);
    assert_int_equal(spacc_permute_columns(order, w, 0, 4, 2, 1, 1, 9, NULL, NULL, NULL),
                     SPACC_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_is_never_worse_and_says_what_it_keeps),
        cmocka_unit_test(a_planted_order_is_found_again),
        cmocka_unit_test(the_same_seed_gives_the_same_order),
        cmocka_unit_test(bad_scores_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
