/* Which jobs of a list become one RUN: by hand, and random lists against the rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/fpga/card_batches.h"

enum { JOBS = 40 };

static void cut(const struct spacc_job *job, size_t jobs, const size_t *layer_most,
                size_t *size)
{
    size_t most[JOBS];

    for (size_t i = 0; i < jobs; i++)
        most[i] = layer_most[job[i].layer];
    assert_int_equal(spacc_card_batches(job, jobs, most, size), SPACC_OK);
}

static void expect(const struct spacc_job *job, size_t jobs, const size_t *layer_most,
                   const size_t *want)
{
    size_t size[JOBS];

    cut(job, jobs, layer_most, size);
    for (size_t i = 0; i < jobs; i++)
        if (size[i] != want[i])
            fail_msg("job %zu: a batch of %zu, not %zu", i, size[i], want[i]);
}

static void fill(struct spacc_job *job, size_t jobs, size_t layer, int x_job)
{
    for (size_t i = 0; i < jobs; i++)
        job[i] = (struct spacc_job){
            .layer = layer, .steps = 4, .x_job = x_job < 0 ? -1 : x_job + (int)i};
}

static void alike_neighbours_run_together_as_far_as_the_layer_takes(void **state)
{
    (void)state;
    struct spacc_job job[7];
    const size_t three[] = {3}, one[] = {1}, many[] = {255};

    fill(job, 7, 0, -1);
    expect(job, 7, three, (size_t[]){3, 0, 0, 3, 0, 0, 1});
    expect(job, 7, one, (size_t[]){1, 1, 1, 1, 1, 1, 1});
    expect(job, 7, many, (size_t[]){7, 0, 0, 0, 0, 0, 0});
}

static void another_layer_length_or_direction_begins_a_batch(void **state)
{
    (void)state;
    struct spacc_job job[6];
    const size_t most[] = {9, 9};

    fill(job, 6, 0, -1);
    job[1].layer = 1;
    expect(job, 6, most, (size_t[]){1, 1, 4, 0, 0, 0});
    job[1].layer = 0;
    job[2].steps = 5;
    expect(job, 6, most, (size_t[]){2, 0, 1, 3, 0, 0});
    job[2].steps = 4;
    job[5].reverse = true;
    expect(job, 6, most, (size_t[]){5, 0, 0, 0, 0, 1});
}

static void readers_are_cut_where_their_sources_are(void **state)
{
    (void)state;
    struct spacc_job job[15];
    const size_t a_less[] = {3, 9}, b_less[] = {9, 3}, a_least[] = {2, 4};

    fill(job, 5, 0, -1);
    fill(job + 5, 5, 1, 0);
    expect(job, 10, a_less, (size_t[]){3, 0, 0, 2, 0, 3, 0, 0, 2, 0});
    expect(job, 10, b_less, (size_t[]){3, 0, 0, 2, 0, 3, 0, 0, 2, 0});
    /* the reader of a reader counts as well */
    fill(job + 10, 5, 0, 5);
    expect(job, 15, a_least, (size_t[]){2, 0, 2, 0, 1, 2, 0, 2, 0, 1, 2, 0, 2, 0, 1});
}

static void sources_part_where_their_readers_do(void **state)
{
    (void)state;
    struct spacc_job job[8];
    const size_t most[] = {9, 9};

    fill(job, 4, 0, -1);
    fill(job + 4, 4, 1, 0);
    job[6].reverse = job[7].reverse = true;
    expect(job, 8, most, (size_t[]){2, 0, 2, 0, 2, 0, 2, 0});
    /* a source that only one reads stands alone: its reader could not part them again */
    fill(job + 4, 4, 1, 0);
    expect(job, 7, most, (size_t[]){3, 0, 0, 1, 3, 0, 0});
    expect(job, 5, most, (size_t[]){1, 3, 0, 0, 1});
    /* sources in another order than their readers */
    fill(job + 4, 4, 1, 0);
    job[4].x_job = 1;
    job[5].x_job = 0;
    expect(job, 8, most, (size_t[]){1, 1, 2, 0, 1, 1, 2, 0});
}

static void both_directions_read_the_same_batch(void **state)
{
    (void)state;
    struct spacc_job job[9];
    const size_t most[] = {9, 9, 2};

    fill(job, 3, 0, -1);
    fill(job + 3, 3, 1, 0);
    fill(job + 6, 3, 2, 0);
    for (int i = 6; i < 9; i++)
        job[i].reverse = true;
    expect(job, 9, most, (size_t[]){2, 0, 1, 2, 0, 1, 2, 0, 1});
}

/* ---- random lists ---- */

static uint64_t rng = 20260721;

static size_t draw(size_t below)
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(rng >> 33) % below;
}

/* First job of the batch of a job. */
static size_t head_of(const size_t *size, size_t i)
{
    while (size[i] == 0)
        i--;
    return i;
}

static void check_rules(const struct spacc_job *job, size_t jobs, const size_t *layer_most,
                        const size_t *size)
{
    for (size_t i = 0; i < jobs; i++) {
        const size_t head = head_of(size, i);
        assert_true(i - head < size[head] && size[head] <= layer_most[job[i].layer]);
        assert_true(job[i].layer == job[head].layer && job[i].steps == job[head].steps &&
                    job[i].reverse == job[head].reverse);
        assert_int_equal(job[i].x_job < 0, job[head].x_job < 0);
        if (job[i].x_job < 0)
            continue;
        const size_t source = (size_t)job[i].x_job, first = head_of(size, source);
        assert_int_equal(size[first], size[head]);
        assert_int_equal(source - first, i - head);
    }
}

static void random_lists_keep_every_rule(void **state)
{
    (void)state;
    size_t together = 0, size[JOBS];

    for (int round = 0; round < 3000; round++) {
        struct spacc_job job[JOBS];
        const size_t layer_most[] = {1 + draw(6), 1 + draw(6), 1 + draw(6)};
        const size_t jobs = 1 + draw(JOBS);
        for (size_t i = 0; i < jobs; i++) {
            job[i] = (struct spacc_job){.layer = draw(3), .steps = 1, .x_job = -1};
            if (i > 0 && draw(5)) { /* mostly like its neighbour */
                job[i] = job[i - 1];
                job[i].x_job += job[i].x_job >= 0 && (size_t)job[i].x_job + 1 < i;
            } else if (i > 0 && draw(2)) {
                job[i].x_job = (int)draw(i);
            }
        }
        cut(job, jobs, layer_most, size);
        check_rules(job, jobs, layer_most, size);
        for (size_t i = 0; i < jobs; i++)
            together += size[i] > 1;
    }
    printf("%zu batches of more than one\n", together);
    assert_true(together > 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alike_neighbours_run_together_as_far_as_the_layer_takes),
        cmocka_unit_test(another_layer_length_or_direction_begins_a_batch),
        cmocka_unit_test(readers_are_cut_where_their_sources_are),
        cmocka_unit_test(sources_part_where_their_readers_do),
        cmocka_unit_test(both_directions_read_the_same_batch),
        cmocka_unit_test(random_lists_keep_every_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
