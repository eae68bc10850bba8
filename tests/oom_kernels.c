/* Every allocation of tiles and fused layers is made to fail once. Linked with -Wl,--wrap;
 * ASan reports what a failed call leaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sparse/cpu.h"
#include "sparse/rnn.h"
#include "sparse/tile.h"
#include "tests/failing_alloc.h"

typedef enum spacc_status case_fn(int which);

static void every_allocation_may_fail(case_fn *run, int which, long failures_wanted)
{
    enum spacc_status status = SPACC_ENOMEM;
    long n = 0;

    for (; status != SPACC_OK; n++) {
        calls = 0;
        fail_at = n;
        status = run(which);
        fail_at = -1;
        assert_true(status == SPACC_OK || status == SPACC_ENOMEM);
    }
    assert_true(n - 1 >= failures_wanted);
}

static float weights[4 * 5 * 7];

static enum spacc_status run_tile(int type)
{
    const struct spacc_matrix a = {weights, 20, 7, NULL, 0};
    struct spacc_tile *m;
    const enum spacc_status status = spacc_tile_new(
        &m,
        spacc_kernel_pick((enum spacc_tile_type)type, spacc_cpu_features(), &a, false, NULL),
        &a, NULL, NULL);
    assert_true((status == SPACC_OK) == (m != NULL));
    spacc_tile_free(m);
    return status;
}

static struct spacc_csb *csb;

static enum spacc_status run_from_csb(int type)
{
    struct spacc_tile *m;
    const enum spacc_status status = spacc_tile_from_csb(
        &m, spacc_kernel_find(type ? "i8/scalar/16" : "f32/scalar/16"), csb, NULL);
    assert_true((status == SPACC_OK) == (m != NULL));
    spacc_tile_free(m);
    return status;
}

static enum spacc_status run_layer(int cell)
{
    const struct spacc_rnn_spec s = {.cell = (enum spacc_rnn_cell)cell,
                                     .units = 5,
                                     .x_cols = 7,
                                     .w = weights,
                                     .r = weights,
                                     .precision = SPACC_TILE_I8,
                                     .bank_size = 16};
    struct spacc_rnn *m;
    const enum spacc_status status = spacc_rnn_new(&m, &s, spacc_cpu_features(), NULL);
    assert_true((status == SPACC_OK) == (m != NULL));
    spacc_rnn_free(m);
    return status;
}

static void tiles_survive(void **state)
{
    (void)state;
    every_allocation_may_fail(run_tile, SPACC_TILE_F32, 5);
    every_allocation_may_fail(run_tile, SPACC_TILE_I8, 7);
    assert_int_equal(spacc_csb_pack(&csb, weights, 20, 7, 4, NULL), SPACC_OK);
    every_allocation_may_fail(run_from_csb, 0, 6);
    every_allocation_may_fail(run_from_csb, 1, 8);
    spacc_csb_free(csb);
}

static void layers_survive(void **state)
{
    (void)state;
    every_allocation_may_fail(run_layer, SPACC_RNN_LSTM, 17);
    every_allocation_may_fail(run_layer, SPACC_RNN_GRU, 33);
    every_allocation_may_fail(run_layer, SPACC_RNN_GRU_LINEAR, 18);
}

static void a_run_allocates_nothing(void **state)
{
    (void)state;
    const struct spacc_rnn_spec s = {.cell = SPACC_RNN_GRU,
                                     .units = 5,
                                     .x_cols = 7,
                                     .w = weights,
                                     .r = weights,
                                     .bank_size = 16};
    float h[5] = {0}, y[3 * 5];
    struct spacc_rnn *m;

    assert_int_equal(spacc_rnn_new(&m, &s, spacc_cpu_features(), NULL), SPACC_OK);
    void *scratch = aligned_alloc(64, (spacc_rnn_scratch_bytes(m, 3) + 63) / 64 * 64);
    calls = 0;
    spacc_rnn_run(m, 3, weights, 7, y, 5, h, NULL, false, scratch, NULL);
    assert_int_equal(calls, 0);
    free(scratch);
    spacc_rnn_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_survive),
        cmocka_unit_test(layers_survive),
        cmocka_unit_test(a_run_allocates_nothing),
    };
    for (size_t i = 0; i < sizeof(weights) / sizeof(weights[0]); i++)
        weights[i] = (float)(i % 7) - 3.0f;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
