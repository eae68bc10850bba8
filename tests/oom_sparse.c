/* Every allocation of the format, pruning, quantising and file calls is made to fail once.
 * Linked with -Wl,--wrap for malloc, calloc and realloc; cJSON allocates through hooks, so
 * its allocations are counted, too. ASan reports what a failed call leaks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "sparse/allocate.h"
#include "sparse/csb.h"
#include "sparse/fixed.h"
#include "sparse/pack.h"
#include "sparse/permute.h"
#include "sparse/prune.h"
#include "sparse/prune_obs.h"
#include "sparse/seernet.h"
#include "sparse/seernet_int8.h"
#include "tests/failing_alloc.h"

typedef enum spacc_status case_fn(void);

/* Fail allocation 0, 1, ... until the call gets through. Reading JSON, cJSON cannot tell
 * want of memory from damage: `also` is the other status allowed. */
static void every_allocation_may_fail(case_fn *run, long least, enum spacc_status also)
{
    enum spacc_status status = SPACC_ENOMEM;
    long failures = 0;

    for (long n = 0; status != SPACC_OK; n++) {
        calls = 0;
        fail_at = n;
        status = run();
        fail_at = -1;
        failures += status != SPACC_OK;
        if (status != SPACC_OK && status != also)
            assert_int_equal(status, SPACC_ENOMEM);
        assert_true(n < 100000);
    }
    print_message("%ld allocations failed in turn\n", failures);
    assert_true(failures >= least);
}

static float weights[4 * 3 * (4 + 3) + 3 * 3]; /* units 3, x_cols 4, outputs 3 */

static enum spacc_status run_csb(void)
{
    struct spacc_csb *m;
    const enum spacc_status status = spacc_csb_pack(&m, weights, 7, 12, 4, NULL);
    assert_true((status == SPACC_OK) == (m != NULL));
    spacc_csb_free(m);
    return status;
}

static enum spacc_status run_prune(void)
{
    float copy[84];
    memcpy(copy, weights, sizeof(copy));
    const enum spacc_status status = spacc_prune_magnitude(copy, 7, 12, 4, 2, NULL, NULL);
    assert_true((status == SPACC_OK) == (memcmp(copy, weights, sizeof(copy)) != 0));
    return status;
}

static enum spacc_status run_wanda(void)
{
    const float norm[12] = {1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2};
    float copy[84];
    memcpy(copy, weights, sizeof(copy));
    const enum spacc_status status = spacc_prune_wanda(copy, 7, 12, 4, 2, norm, NULL, NULL);
    assert_true((status == SPACC_OK) == (memcmp(copy, weights, sizeof(copy)) != 0));
    return status;
}

/* 1 row of 84, a bank of which is longer than a block; calibrated with itself. */
static enum spacc_status run_obs(void)
{
    const struct spacc_prune_part part[] = {{72, 72, 5, 0}, {12, 6, 2, 0}};
    const struct spacc_prune_obs how = {2, part, 8, 0.0};
    struct spacc_prune_result result;
    struct spacc_gram *g;
    float copy[84], bias[1] = {1.0F};

    memcpy(copy, weights, sizeof(copy));
    enum spacc_status status = spacc_gram_create(&g, 84, NULL);
    assert_true((status == SPACC_OK) == (g != NULL));
    for (int i = 0; i < 3 && status == SPACC_OK; i++)
        status = spacc_gram_add_drift(g, weights + i + 1, weights + i, 1, NULL);
    if (status == SPACC_OK)
        status = spacc_prune_obs(copy, bias, 1, &how, g, &result, NULL);
    assert_true((status == SPACC_OK) == (memcmp(copy, weights, sizeof(copy)) != 0));
    spacc_gram_free(g);
    return status;
}

static enum spacc_status run_allocate(void)
{
    const size_t kept[2] = {4, 2};
    const double loss[2] = {0.0, 1.0};
    const struct spacc_choice choice = {2, kept, loss};
    size_t level;
    return spacc_allocate(&level, &choice, 1, 4, NULL);
}

static enum spacc_status run_permute(void)
{
    uint32_t order[12];
    return spacc_permute_columns(order, weights, 7, 12, 4, 2, 1, 50, NULL, NULL, NULL);
}

static enum spacc_status quantise(struct spacc_fixed_layer **l, enum spacc_cell cell)
{
    const struct spacc_fixed_weights f = {.cell = cell,
                                          .units = 3,
                                          .x_cols = 4,
                                          .w = weights,
                                          .r = weights + 48,
                                          .p = weights + 84,
                                          .outputs = 3};
    const enum spacc_status status = spacc_fixed_quantise(l, &f, 16, 12, 2, 2, 2, NULL);
    assert_true((status == SPACC_OK) == (*l != NULL));
    return status;
}

static enum spacc_status run_quantise(void)
{
    static const enum spacc_cell cells[] = {SPACC_CELL_GRU_RESET, SPACC_CELL_LSTMP,
                                            SPACC_CELL_LINEAR};
    enum spacc_status status = SPACC_OK;

    for (size_t i = 0; i < 3 && status == SPACC_OK; i++) {
        struct spacc_fixed_layer *l;
        status = quantise(&l, cells[i]);
        spacc_fixed_free(l);
    }
    return status;
}

/* Two segments of channels. */
static enum spacc_status run_seernet(void)
{
    static const struct spacc_seer_shape shape = {80,     2,      2,      1,
                                                  {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}};
    static const struct spacc_seer_options options = {.bits = 4};
    static float w[80 * 9];
    struct spacc_seernet *s;

    const enum spacc_status status = spacc_seernet_new(&s, &shape, w, NULL, &options, NULL);
    assert_true((status == SPACC_OK) == (s != NULL));
    spacc_seernet_free(s);
    return status;
}

static enum spacc_status run_seer8(void)
{
    static const struct spacc_seer_shape shape = {4,      2,      2,      1,
                                                  {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}};
    static const struct spacc_seer8_options options = {.x_zero = 3};
    static int8_t w[4 * 9];
    struct spacc_seer8 *s;

    const enum spacc_status status = spacc_seer8_new(&s, &shape, w, NULL, &options, NULL);
    assert_true((status == SPACC_OK) == (s != NULL));
    spacc_seer8_free(s);
    return status;
}

static struct spacc_fixed_layer *layer;

static enum spacc_status run_steps(void)
{
    const int16_t x[4] = {1, 2, 3, 4};
    int16_t h[3] = {0}, y[3];
    int32_t state[3] = {0};
    return spacc_fixed_run(layer, 1, x, h, state, y, NULL);
}

static char file[] = "/tmp/spacc_oom_sparse_XXXXXX";

static enum spacc_status run_save(void)
{
    struct spacc_pack_layer one = {(char *)"node", layer};
    const struct spacc_pack pack = {(char *)"m.onnx", "", 1, &one};
    return spacc_pack_save(&pack, file, NULL);
}

static enum spacc_status run_load(void)
{
    struct spacc_pack *p;
    const enum spacc_status status = spacc_pack_load(&p, file, NULL);
    assert_true((status == SPACC_OK) == (p != NULL));
    spacc_pack_free(p);
    return status;
}

static void csb_pack_survives(void **state)
{
    (void)state;
    every_allocation_may_fail(run_csb, 3, SPACC_ENOMEM);
}

static void prune_survives(void **state)
{
    (void)state;
    every_allocation_may_fail(run_prune, 1, SPACC_ENOMEM);
}

static void other_ways_of_pruning_survive(void **state)
{
    (void)state;
    every_allocation_may_fail(run_wanda, 1, SPACC_ENOMEM);
    every_allocation_may_fail(run_obs, 20, SPACC_ENOMEM);
    every_allocation_may_fail(run_allocate, 1, SPACC_ENOMEM);
    every_allocation_may_fail(run_permute, 4, SPACC_ENOMEM);
}

static void quantise_survives(void **state)
{
    (void)state;
    every_allocation_may_fail(run_quantise, 40, SPACC_ENOMEM);
}

static void seernet_survives(void **state)
{
    (void)state;
    every_allocation_may_fail(run_seernet, 8, SPACC_ENOMEM);
    every_allocation_may_fail(run_seer8, 6, SPACC_ENOMEM);
}

static void run_survives(void **state)
{
    (void)state;
    every_allocation_may_fail(run_steps, 1, SPACC_ENOMEM);
}

/* fopen() and fdopen() allocate inside libc, which is not wrapped. */
static void save_survives(void **state)
{
    (void)state;
    every_allocation_may_fail(run_save, 100, SPACC_ENOMEM);
}

static void load_survives(void **state)
{
    (void)state;
    every_allocation_may_fail(run_load, 100, SPACC_EFORMAT);
}

static void *hook_malloc(size_t size)
{
    return malloc(size);
}

static int set_up(void **state)
{
    (void)state;
    cJSON_Hooks hooks = {hook_malloc, free};
    for (size_t i = 0; i < sizeof(weights) / sizeof(weights[0]); i++)
        weights[i] = (float)(i % 7) - 3.0F;
    cJSON_InitHooks(&hooks);
    const int fd = mkstemp(file);
    if (fd < 0 || close(fd) != 0)
        return -1;
    return quantise(&layer, SPACC_CELL_GRU_RESET) == SPACC_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    spacc_fixed_free(layer);
    return unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csb_pack_survives),
        cmocka_unit_test(prune_survives),
        cmocka_unit_test(other_ways_of_pruning_survive),
        cmocka_unit_test(quantise_survives),
        cmocka_unit_test(seernet_survives),
        cmocka_unit_test(run_survives),
        cmocka_unit_test(save_survives),
        cmocka_unit_test(load_survives),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
