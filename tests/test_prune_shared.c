/* Pruning in which the gates of a unit keep the same columns, and what it costs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "models/onnx.h"
#include "models/op.h"
#include "sparse/csb.h"
#include "sparse/prune.h"

static uint32_t seed;

static uint32_t next_random(void)
{
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

/* Sum of squares of column c over the rows that share with `row`. */
static double group_energy(const float *w, size_t rows, size_t cols, size_t stride,
                           size_t shared, size_t row, size_t c)
{
    const size_t block = row / (stride * shared) * stride * shared;
    double sum = 0.0;

    for (size_t other = block; other < rows && other < block + stride * shared; other++)
        if (other % stride == row % stride)
            sum += (double)w[other * cols + c] * (double)w[other * cols + c];
    return sum;
}

/* The k strongest columns of a bank, by counting instead of sorting. */
static void check_one(size_t rows, size_t cols, size_t stride, size_t shared, size_t bank,
                      size_t k)
{
    const size_t count = rows * cols, beyond = 4 * stride * cols; /* not part of the matrix */
    float *before = calloc(count + beyond, sizeof(*before));
    float *w = calloc(count + beyond, sizeof(*w));
    double all = 0.0, left = 0.0, kept;

    assert_true(before && w);
    for (size_t i = 0; i < count + beyond; i++) /* many ties */
        w[i] = before[i] = i < count ? (float)((int)(next_random() % 9) - 4) / 2.0F : 50.0F;
    assert_int_equal(spacc_prune_shared(w, rows, cols, stride, shared, bank, k, &kept, NULL),
                     SPACC_OK);
    for (size_t row = 0; row < rows; row++) {
        for (size_t c = 0; c < cols; c++) {
            const double mine = group_energy(before, rows, cols, stride, shared, row, c);
            const float weight = before[row * cols + c];
            size_t stronger = 0;
            for (size_t o = c - c % bank; o < cols && o < c - c % bank + bank; o++) {
                const double other = group_energy(before, rows, cols, stride, shared, row, o);
                stronger += other > mine || (!(other < mine) && o < c);
            }
            assert_true(w[row * cols + c] == (stronger < k ? weight : 0.0F));
            all += (double)weight * (double)weight;
            left += stronger < k ? (double)weight * (double)weight : 0.0;
        }
    }
    assert_true(fabs(kept - left / all) < 1e-12);
    assert_memory_equal(w + count, before + count, beyond * sizeof(*w));
    free(before);
    free(w);
}

static void the_strongest_columns_of_a_group_stay_in_all_its_rows(void **state)
{
    (void)state;
    seed = 3;
    check_one(12, 40, 3, 4, 16, 4); /* gates of three units; a short bank */
    check_one(12, 40, 1, 4, 16, 4); /* quads in a row */
    check_one(15, 33, 5, 3, 8, 1);  /* a GRU */
    check_one(10, 20, 1, 4, 5, 2);  /* the last quad has two rows */
    check_one(18, 7, 3, 4, 3, 2);   /* the last block has two of four */
    check_one(6, 9, 3, 100, 9, 3);  /* more than there are: all */
    check_one(5, 9, 1, 1, 4, 2);    /* one by one */
}

/* So all rows of a group have the same indices: what one read of the vector can feed. */
static void the_packed_indices_of_a_unit_are_the_same(void **state)
{
    (void)state;
    enum { UNITS = 5, COLS = 32, BANK = 8, K = 2 };
    static float w[4 * UNITS * COLS];
    struct spacc_csb *m;

    seed = 4;
    for (size_t i = 0; i < 4 * UNITS * COLS; i++)
        w[i] = (float)next_random() / 16777216.0F - 0.49F;
    assert_int_equal(spacc_prune_shared(w, 4 * UNITS, COLS, UNITS, 4, BANK, K, NULL, NULL),
                     SPACC_OK);
    assert_int_equal(spacc_csb_pack(&m, w, 4 * UNITS, COLS, BANK, NULL), SPACC_OK);
    assert_int_equal(m->k, K);
    const size_t slots = m->k * m->banks;
    for (size_t row = UNITS; row < 4 * UNITS; row++)
        assert_memory_equal(&m->index[row * slots], &m->index[row % UNITS * slots],
                            slots * sizeof(*m->index));
    spacc_csb_free(m);
}

static void bad_groups_are_refused_and_nothing_changes(void **state)
{
    (void)state;
    float w[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, same[12];
    const size_t bad[][2] = {{0, 4}, {1, 0}, {4, 2}, {12, 1}, {SIZE_MAX, SIZE_MAX}};
    struct spacc_error err;
    double kept;

    memcpy(same, w, sizeof(w));
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(spacc_prune_shared(w, 6, 2, bad[i][0], bad[i][1], 2, 1, &kept, &err),
                         SPACC_EINVAL);
        assert_non_null(strstr(err.text, "6 rows cannot share columns"));
        assert_memory_equal(w, same, sizeof(w));
    }
    w[5] = NAN;
    assert_int_equal(spacc_prune_shared(w, 6, 2, 3, 2, 2, 1, &kept, &err), SPACC_EINVAL);
    assert_non_null(strstr(err.text, "row 2, column 1"));
    w[5] = 6.0F;
    assert_int_equal(spacc_prune_shared(w, 6, 2, 3, SIZE_MAX, 2, 1, &kept, NULL), SPACC_OK);
}

/* ---------------------------------------------------------------- what it costs */

/* Shares of energy that banks of 16 keep, each row by itself and `gates` together. */
static void compare(const char *name, const float *w, size_t rows, size_t cols, size_t gates)
{
    static const size_t k[] = {4, 2};
    const size_t bytes = rows * cols * sizeof(*w);
    float *copy = malloc(bytes);
    double alone[2], together[2];

    assert_non_null(copy);
    for (size_t i = 0; i < 2; i++) {
        memcpy(copy, w, bytes);
        assert_int_equal(spacc_prune_magnitude(copy, rows, cols, 16, k[i], &alone[i], NULL),
                         SPACC_OK);
        memcpy(copy, w, bytes);
        assert_int_equal(spacc_prune_shared(copy, rows, cols, rows / gates, gates, 16, k[i],
                                            &together[i], NULL),
                         SPACC_OK);
        assert_true(together[i] < alone[i]);
        assert_true(together[i] > (double)k[i] / 16.0); /* better than any k columns */
    }
    print_message("%-22s %4zu x %3zu: 75 %%: %.1f %% alone, %.1f %% shared; "
                  "87.5 %%: %.1f %%, %.1f %%\n",
                  name, rows, cols, 100.0 * alone[0], 100.0 * together[0], 100.0 * alone[1],
                  100.0 * together[1]);
    free(copy);
}

/* Sum of twelve uniforms: near enough to normal. */
static void random_weights_keep_less_when_shared(void **state)
{
    (void)state;
    enum { ROWS = 512, COLS = 128 };
    static float w[ROWS * COLS];

    seed = 5;
    for (size_t i = 0; i < ROWS * COLS; i++)
        for (int n = 0; n < 12; n++)
            w[i] += (float)next_random() / 16777216.0F - 0.5F;
    compare("random normal", w, ROWS, COLS, 4);
}

/* W and R of every LSTM and GRU of a model. */
static void compare_model(const char *file, const char *name)
{
    struct spacc_graph *g;
    struct spacc_error err;
    size_t layers = 0;

    if (spacc_onnx_load(&g, file, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    for (int i = 0; i < g->nodes; i++) {
        const struct spacc_node *n = &g->node[i];
        const int lstm = strcmp(n->op->name, "LSTM") == 0;
        if (!lstm && strcmp(n->op->name, "GRU") != 0)
            continue;
        for (int input = 1; input <= 2; input++) {
            const struct spacc_tensor *t = g->value[n->input[input]].init;
            char label[64];
            assert_true(t && t->rank == 3 && t->dtype == SPACC_F32);
            snprintf(label, sizeof(label), "%s %s %c", name, n->op->name,
                     input == 1 ? 'W' : 'R');
            compare(label, t->data, (size_t)t->dims[1], (size_t)t->dims[2], lstm ? 4 : 3);
        }
        layers++;
    }
    assert_true(layers > 0);
    spacc_graph_free(g);
}

static void real_weights_keep_less_when_shared(void **state)
{
    (void)state;
    static const char *const shared[][2] = {
        {SPACC_SHARED "/models/dtln/model_1.onnx", "dtln"},
        {SPACC_SHARED "/models/textgenrnn/textgenrnn.onnx", "textgenrnn"},
        {SPACC_SHARED "/models/g2p_en/encoder.onnx", "g2p_en"}};

    compare_model(SPACC_SOURCE "/models/demo/charlm_dense.onnx", "demo");
    for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++) {
        if (access(shared[i][0], R_OK) == 0)
            compare_model(shared[i][0], shared[i][1]);
        else
            print_message("skipped: no %s\n", shared[i][0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_strongest_columns_of_a_group_stay_in_all_its_rows),
        cmocka_unit_test(the_packed_indices_of_a_unit_are_the_same),
        cmocka_unit_test(bad_groups_are_refused_and_nothing_changes),
        cmocka_unit_test(random_weights_keep_less_when_shared),
        cmocka_unit_test(real_weights_keep_less_when_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
