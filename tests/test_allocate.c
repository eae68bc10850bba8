#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sparse/allocate.h"

enum { MATRICES = 4, LEVELS = 5 };

static uint32_t seed = 1;

static uint32_t draw(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

struct problem {
    size_t kept[MATRICES][LEVELS];
    double loss[MATRICES][LEVELS];
    struct spacc_choice choice[MATRICES];
    size_t least, most;
};

/* Convex: what a weight saves falls as more are kept. */
static void make(struct problem *p, bool convex)
{
    memset(p, 0, sizeof(*p));
    for (size_t i = 0; i < MATRICES; i++) {
        size_t kept = 1 + draw(20);
        double loss = 0.0, slope = 10.0 + draw(100);
        double losses[LEVELS];
        size_t keeps[LEVELS];
        for (size_t l = LEVELS; l-- > 0;) {
            const size_t more = 1 + draw(20);
            keeps[l] = kept;
            losses[l] = loss;
            kept += more;
            loss -= convex ? slope * (double)more : (double)draw(200) - 40.0;
            slope *= 0.3 + 0.006 * draw(100);
        }
        double lowest = losses[0];
        for (size_t l = 0; l < LEVELS; l++)
            lowest = fmin(lowest, losses[l]);
        for (size_t l = 0; l < LEVELS; l++) {
            p->kept[i][l] = keeps[l];
            p->loss[i][l] = losses[l] - lowest;
        }
        p->choice[i] = (struct spacc_choice){LEVELS, p->kept[i], p->loss[i]};
        p->least += p->kept[i][LEVELS - 1];
        p->most += p->kept[i][0];
    }
}

static double loss_of(const struct problem *p, const size_t *level, size_t *kept)
{
    double sum = 0.0;

    *kept = 0;
    for (size_t i = 0; i < MATRICES; i++) {
        sum += p->loss[i][level[i]];
        *kept += p->kept[i][level[i]];
    }
    return sum;
}

/* The least loss of all combinations. */
static double best_of_all(const struct problem *p, size_t budget)
{
    double best = INFINITY;
    size_t level[MATRICES] = {0}, kept;

    for (size_t code = 0; code < 625; code++) {
        for (size_t i = 0, rest = code; i < MATRICES; i++, rest /= LEVELS)
            level[i] = rest % LEVELS;
        const double loss = loss_of(p, level, &kept);
        if (kept <= budget && loss < best)
            best = loss;
    }
    return best;
}

static double largest_step(const struct problem *p)
{
    double step = 0.0;

    for (size_t i = 0; i < MATRICES; i++)
        for (size_t l = 1; l < LEVELS; l++)
            step = fmax(step, p->loss[i][l] - p->loss[i][l - 1]);
    return step;
}

static void convex_curves_come_within_one_level_of_the_best(void **state)
{
    (void)state;
    size_t exact = 0;

    for (int trial = 0; trial < 400; trial++) {
        struct problem p;
        size_t level[MATRICES], kept;
        make(&p, true);
        const size_t budget = p.least + draw((uint32_t)(p.most - p.least + 10));
        assert_int_equal(spacc_allocate(level, p.choice, MATRICES, budget, NULL), SPACC_OK);
        const double loss = loss_of(&p, level, &kept), best = best_of_all(&p, budget);
        assert_true(kept <= budget);
        assert_true(loss <= best + largest_step(&p) + 1e-9);
        exact += loss <= best + 1e-9;
    }
    print_message("%zu of 400 are the best there is\n", exact);
    assert_true(exact >= 200);
}

static void any_curve_keeps_the_budget_and_beats_one_level_for_all(void **state)
{
    (void)state;

    for (int trial = 0; trial < 400; trial++) {
        struct problem p;
        size_t level[MATRICES], kept;
        make(&p, false);
        const size_t budget = p.least + draw((uint32_t)(p.most - p.least + 10));
        assert_int_equal(spacc_allocate(level, p.choice, MATRICES, budget, NULL), SPACC_OK);
        const double loss = loss_of(&p, level, &kept);
        assert_true(kept <= budget);
        for (size_t l = 0; l < LEVELS; l++) {
            size_t same[MATRICES] = {l, l, l, l}, all;
            const double uniform = loss_of(&p, same, &all);
            assert_true(all > budget || loss <= uniform + 1e-9);
        }
    }
}

/* The hull takes both of a's steps at once, the best slope, and then has no room for b's. */
static void one_level_for_all_can_be_what_wins(void **state)
{
    (void)state;
    const size_t kept_a[] = {100, 61, 10}, kept_b[] = {100, 60, 10};
    const double loss_a[] = {0, 60, 120}, loss_b[] = {0, 39, 100};
    const struct spacc_choice choice[] = {{3, kept_a, loss_a}, {3, kept_b, loss_b}};
    size_t level[2];

    assert_int_equal(spacc_allocate(level, choice, 2, 121, NULL), SPACC_OK);
    assert_int_equal(level[0], 1);
    assert_int_equal(level[1], 1);
}

/* Both of a's steps are one on the hull, and too many; b cannot move. */
static void what_is_left_goes_to_single_levels(void **state)
{
    (void)state;
    const size_t kept_a[] = {100, 61, 10}, kept_b[] = {20};
    const double loss_a[] = {0, 60, 120}, loss_b[] = {0};
    const struct spacc_choice choice[] = {{3, kept_a, loss_a}, {1, kept_b, loss_b}};
    size_t level[2];

    assert_int_equal(spacc_allocate(level, choice, 2, 90, NULL), SPACC_OK);
    assert_int_equal(level[0], 1);
    assert_int_equal(level[1], 0);
}

static void a_large_budget_takes_the_least_losses(void **state)
{
    (void)state;
    const size_t kept[] = {9, 6, 3};
    const double loss[] = {5, 1, 7}; /* more weights can be worse */
    const struct spacc_choice choice[] = {{3, kept, loss}, {1, kept, loss}};
    size_t level[2];

    assert_int_equal(spacc_allocate(level, choice, 2, SIZE_MAX, NULL), SPACC_OK);
    assert_int_equal(level[0], 1);
    assert_int_equal(level[1], 0);
    assert_int_equal(spacc_allocate(level, NULL, 0, 0, NULL), SPACC_OK);
}

static void bad_curves_and_budgets_are_refused(void **state)
{
    (void)state;
    const size_t kept[] = {9, 6, 3}, flat[] = {9, 9, 3};
    const double loss[] = {0, 1, 2}, endless[] = {0, 1, INFINITY}, below[] = {0, -1, 2};
    struct spacc_choice choice = {3, kept, loss};
    struct spacc_error err;
    size_t level[1];

    assert_int_equal(spacc_allocate(level, &choice, 1, 2, &err), SPACC_EINVAL);
    assert_string_equal(err.text, "a budget of 2 weights: the sparsest levels keep 3");
    choice.kept = flat;
    assert_int_equal(spacc_allocate(level, &choice, 1, 9, &err), SPACC_EINVAL);
    assert_non_null(strstr(err.text, "matrix 0, level 1 keeps 9"));
    choice = (struct spacc_choice){3, kept, endless};
    assert_int_equal(spacc_allocate(level, &choice, 1, 9, &err), SPACC_EINVAL);
    choice.loss = below;
    assert_int_equal(spacc_allocate(level, &choice, 1, 9, &err), SPACC_EINVAL);
    choice = (struct spacc_choice){0, kept, loss};
    assert_int_equal(spacc_allocate(level, &choice, 1, 9, &err), SPACC_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convex_curves_come_within_one_level_of_the_best),
        cmocka_unit_test(any_curve_keeps_the_budget_and_beats_one_level_for_all),
        cmocka_unit_test(one_level_for_all_can_be_what_wins),
        cmocka_unit_test(what_is_left_goes_to_single_levels),
        cmocka_unit_test(a_large_budget_takes_the_least_losses),
        cmocka_unit_test(bad_curves_and_budgets_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
