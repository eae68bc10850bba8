/* Places in one block: nothing overlaps that lives at the same time. Linked with --wrap: the
 * Nth allocation fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "host/cpu/arena.h"
#include "tests/failing_alloc.h"

enum { ITEMS = 60, ROUNDS = 400 };

static uint32_t seed;

static uint32_t random_below(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

static size_t rounded(size_t bytes)
{
    return (bytes + SPACC_ARENA_ALIGN - 1) / SPACC_ARENA_ALIGN * SPACC_ARENA_ALIGN;
}

static bool overlap(const struct spacc_arena_item *a, const struct spacc_arena_item *b)
{
    return a->first <= b->last && b->first <= a->last && a->offset < b->offset + b->bytes &&
           b->offset < a->offset + a->bytes;
}

/* Most bytes alive in one step: no plan is smaller. */
static size_t most_alive(const struct spacc_arena_item *item, size_t items, int steps)
{
    size_t most = 0;

    for (int s = 0; s < steps; s++) {
        size_t alive = 0;
        for (size_t i = 0; i < items; i++)
            alive += item[i].first <= s && s <= item[i].last ? item[i].bytes : 0;
        most = alive > most ? alive : most;
    }
    return most;
}

static void check(const struct spacc_arena_item *item, size_t items, int steps, size_t total)
{
    size_t sum = 0;

    for (size_t i = 0; i < items; i++) {
        sum += rounded(item[i].bytes);
        assert_int_equal(item[i].offset % SPACC_ARENA_ALIGN, 0);
        assert_true(item[i].offset + item[i].bytes <= total);
        for (size_t k = 0; k < i; k++)
            if (overlap(&item[i], &item[k]))
                fail_msg("items %zu and %zu overlap", k, i);
    }
    assert_true(total <= sum && total >= most_alive(item, items, steps));
}

static void items_alive_together_do_not_overlap(void **state)
{
    struct spacc_arena_item item[ITEMS];
    size_t total;

    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        seed = round;
        const size_t items = random_below(ITEMS + 1);
        const int steps = 1 + (int)random_below(30);
        for (size_t i = 0; i < items; i++) {
            const int first = (int)random_below((uint32_t)steps);
            item[i] = (struct spacc_arena_item){
                .bytes = random_below(4) ? random_below(5000) : 0,
                .first = first,
                .last = first + (int)random_below((uint32_t)(steps - first))};
        }
        if (spacc_arena_plan(item, items, &total) != SPACC_OK)
            fail_msg("seed %u", round);
        check(item, items, steps, total);
    }
}

static void items_that_never_meet_share_one_place(void **state)
{
    struct spacc_arena_item item[] = {{100, 0, 1, 7}, {90, 2, 3, 7}, {80, 4, 9, 7}};
    size_t total;

    (void)state;
    assert_int_equal(spacc_arena_plan(item, 3, &total), SPACC_OK);
    assert_int_equal(total, 128);
    assert_true(item[0].offset == 0 && item[1].offset == 0 && item[2].offset == 0);
}

static void the_lowest_gap_is_used(void **state)
{
    /* 0 and 1 in all steps; 2 dies early, 3 comes into its place */
    struct spacc_arena_item item[] = {
        {640, 0, 9, 0}, {64, 0, 9, 0}, {320, 0, 3, 0}, {256, 4, 9, 0}};
    size_t total;

    (void)state;
    assert_int_equal(spacc_arena_plan(item, 4, &total), SPACC_OK);
    assert_int_equal(total, 640 + 320 + 64);
    assert_int_equal(item[3].offset, item[2].offset);
}

static void no_items_and_empty_ones_take_no_room(void **state)
{
    struct spacc_arena_item item[] = {{0, 0, 5, 1}, {0, 2, 2, 1}, {64, 0, 5, 1}};
    size_t total = 1;

    (void)state;
    assert_int_equal(spacc_arena_plan(NULL, 0, &total), SPACC_OK);
    assert_int_equal(total, 0);
    assert_int_equal(spacc_arena_plan(item, 3, &total), SPACC_OK);
    assert_int_equal(total, 64);
    assert_int_equal(item[2].offset, 0);
}

static void sizes_whose_sum_overflows_are_refused(void **state)
{
    struct spacc_arena_item one = {SIZE_MAX, 0, 1, 0};
    struct spacc_arena_item two[] = {{SIZE_MAX / 3, 0, 1, 0}, {SIZE_MAX / 3, 5, 6, 0}};
    size_t total = 1;

    (void)state;
    assert_int_equal(spacc_arena_plan(&one, 1, &total), SPACC_EINVAL);
    assert_int_equal(total, 0);
    assert_int_equal(spacc_arena_plan(two, 2, &total), SPACC_EINVAL);
    assert_int_equal(spacc_arena_plan(two, 1, &total), SPACC_OK);
}

static void a_failed_allocation_is_reported(void **state)
{
    struct spacc_arena_item item = {64, 0, 1, 0};
    size_t total = 1;

    (void)state;
    calls = fail_at = 0;
    const enum spacc_status s = spacc_arena_plan(&item, 1, &total);
    fail_at = -1;
    assert_int_equal(s, SPACC_ENOMEM);
    assert_int_equal(total, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_alive_together_do_not_overlap),
        cmocka_unit_test(items_that_never_meet_share_one_place),
        cmocka_unit_test(the_lowest_gap_is_used),
        cmocka_unit_test(no_items_and_empty_ones_take_no_room),
        cmocka_unit_test(sizes_whose_sum_overflows_are_refused),
        cmocka_unit_test(a_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
