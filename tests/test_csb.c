/* CSB packing: every weight comes back, on shapes that do not divide, and padding keeps
 * the documented rules. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sparse/csb.h"

static uint32_t seed = 20240611;

static uint32_t next_random(void)
{
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

static const struct shape {
    size_t rows, cols, bank_size;
} shapes[] = {{1, 1, 1},   {3, 7, 3},     {2, 5, 65536}, {5, 16, 16},    {4, 17, 16},
              {1, 256, 1}, {2, 600, 257}, {7, 64, 8},    {3, 65536, 300}};

static void every_weight_comes_back_on_hard_shapes(void **state)
{
    (void)state;
    for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
        const struct shape *p = &shapes[s];
        const size_t count = p->rows * p->cols;
        float *dense = calloc(count, sizeof(*dense)), *back = calloc(count, sizeof(*back));
        size_t nonzeros = 0;
        for (size_t i = 0; i < count; i++) {
            dense[i] = next_random() % 4 ? 0.0F : (float)next_random() / 1e6F - 8.0F;
            nonzeros += dense[i] != 0.0F;
        }
        struct spacc_csb *m;
        struct spacc_error err;
        assert_int_equal(spacc_csb_pack(&m, dense, p->rows, p->cols, p->bank_size, &err),
                         SPACC_OK);
        assert_int_equal(spacc_csb_check(m, &err), SPACC_OK);
        assert_int_equal(m->banks, (p->cols + p->bank_size - 1) / p->bank_size);
        assert_int_equal(m->nonzeros, nonzeros);
        memset(back, 0xff, count * sizeof(*back));
        spacc_csb_unpack(m, back);
        assert_memory_equal(back, dense, count * sizeof(*back));
        spacc_csb_free(m);
        free(dense);
        free(back);
    }
}

static void an_all_zero_matrix_has_k_zero(void **state)
{
    (void)state;
    const float dense[6] = {0.0F, -0.0F, 0.0F, 0.0F, 0.0F, 0.0F};
    const float x[3] = {1.0F, 2.0F, 3.0F};
    float y[2] = {9.0F, 9.0F}, back[6] = {1.0F, 1.0F, 1.0F, 1.0F, 1.0F, 1.0F};
    struct spacc_csb *m;

    assert_int_equal(spacc_csb_pack(&m, dense, 2, 3, 2, NULL), SPACC_OK);
    assert_int_equal(m->k, 0);
    assert_int_equal(m->nonzeros, 0);
    assert_int_equal(spacc_csb_bytes(m), 0);
    spacc_csb_spmxv(m, x, y);
    spacc_csb_unpack(m, back);
    assert_true(y[0] == 0.0F && y[1] == 0.0F);
    for (int i = 0; i < 6; i++)
        assert_true(back[i] == 0.0F);
    spacc_csb_free(m);
}

/* Banks {0 5 0 | 7 8 9 | 0}: k = 3; index of padding is that of the last kept column. */
static void padding_repeats_the_last_kept_column(void **state)
{
    (void)state;
    const float dense[7] = {0, 5, 0, 7, 8, 9, 0};
    const uint16_t index[9] = {1, 0, 0, 1, 1, 0, 1, 2, 0};
    const float value[9] = {5, 7, 0, 0, 8, 0, 0, 9, 0};
    struct spacc_csb *m;

    assert_int_equal(spacc_csb_pack(&m, dense, 1, 7, 3, NULL), SPACC_OK);
    assert_int_equal(m->k, 3);
    assert_int_equal(m->banks, 3);
    assert_memory_equal(m->index, index, sizeof(index));
    assert_memory_equal(m->value, value, sizeof(value));
    assert_int_equal(spacc_csb_bytes(m), 9 * 5);
    spacc_csb_free(m);
}

static void integer_weights_keep_their_scale(void **state)
{
    (void)state;
    const int16_t dense[8] = {127, 0, -127, 1, 0, 0, 3, 0};
    const float scale[2] = {0.5F, -2.0F}, x[4] = {1, 1, 2, 4};
    const float want[8] = {63.5F, 0, -63.5F, 0.5F, 0, 0, -6.0F, 0};
    const enum spacc_csb_type types[2] = {SPACC_CSB_I8, SPACC_CSB_I16};
    float back[8], y[2];

    for (size_t t = 0; t < 2; t++) {
        struct spacc_csb *m;
        assert_int_equal(spacc_csb_pack_int(&m, types[t], dense, scale, 2, 4, 2, NULL),
                         SPACC_OK);
        assert_int_equal(m->k, 2);
        assert_int_equal(spacc_csb_bytes(m), 8 * (t + 1) + 8 + 8);
        spacc_csb_unpack(m, back);
        for (int i = 0; i < 8; i++)
            assert_true(back[i] == want[i]);
        spacc_csb_spmxv(m, x, y);
        assert_true(y[0] == (127 - 254 + 4) * 0.5F && y[1] == -12.0F);
        spacc_csb_free(m);
    }
}

static void bad_arguments_are_named(void **state)
{
    (void)state;
    const float dense[6] = {1, 2, 3, 4, NAN, 6};
    const float scale[2] = {1, 1};
    const int16_t wide[6] = {0, 0, 0, 0, 0, -128}, widest[6] = {INT16_MIN};
    struct spacc_csb *m = (struct spacc_csb *)&m;
    struct spacc_error err;

    assert_int_equal(spacc_csb_pack(&m, dense, 2, 3, 2, &err), SPACC_EINVAL);
    assert_null(m);
    assert_non_null(strstr(err.text, "row 1, column 1"));
    assert_int_equal(spacc_csb_pack(&m, dense, 0, 3, 2, &err), SPACC_EINVAL);
    assert_int_equal(spacc_csb_pack(&m, dense, 1, 0, 2, &err), SPACC_EINVAL);
    assert_int_equal(spacc_csb_pack(&m, dense, 1, 65537, 2, &err), SPACC_EINVAL);
    assert_int_equal(spacc_csb_pack(&m, dense, ((size_t)1 << 24) + 1, 1, 2, &err),
                     SPACC_EINVAL);
    assert_int_equal(spacc_csb_pack(&m, dense, 1, 3, 0, &err), SPACC_EINVAL);
    assert_int_equal(spacc_csb_pack(&m, dense, 1, 3, 65537, &err), SPACC_EINVAL);
    assert_int_equal(spacc_csb_pack_int(&m, SPACC_CSB_I8, wide, scale, 2, 3, 2, &err),
                     SPACC_EINVAL);
    assert_non_null(strstr(err.text, "row 1, column 2 is -128"));
    assert_int_equal(spacc_csb_pack_int(&m, SPACC_CSB_I16, widest, scale, 2, 3, 2, &err),
                     SPACC_EINVAL);
    assert_int_equal(spacc_csb_pack_int(&m, SPACC_CSB_F32, wide, scale, 2, 3, 2, &err),
                     SPACC_EINVAL);
    spacc_csb_free(NULL);
}

/* What a damaged file could hold; each breaks one rule. */
static void check_refuses_every_broken_rule(void **state)
{
    (void)state;
    const float dense[8] = {1, 2, 0, 3, 0, 0, 4, 0};

    for (int fault = 0; fault < 7; fault++) {
        struct spacc_csb *m;
        struct spacc_error err;
        assert_int_equal(spacc_csb_pack(&m, dense, 1, 8, 3, NULL), SPACC_OK); /* banks 3,3,2 */
        assert_int_equal(spacc_csb_check(m, &err), SPACC_OK);
        switch (fault) {
        case 0: m->index[2] = m->index[5] = 2; break; /* past the short bank */
        case 1: m->index[0] = 1; break;               /* the same column twice */
        case 2: m->index[4] = 1; break;               /* padding at another column */
        case 3: ((float *)m->value)[0] = INFINITY; break;
        case 4: m->banks = 2; break;
        case 5: m->k = 4; break;
        case 6: ((float *)m->value)[0] = 0.0F; break; /* a weight after padding */
        }
        const enum spacc_status status = spacc_csb_check(m, &err);
        if (status != SPACC_EFORMAT)
            fail_msg("fault %d was not seen", fault);
        spacc_csb_free(m);
    }
}

/* Of a group: the same indices, ascending, every weight where it was, and no column that nobody
 * keeps. */
static void groups_of_rows_share_indices_and_keep_their_weights(void **state)
{
    (void)state;
    static const struct {
        size_t rows, cols, bank, stride, shared;
    } cases[] = {{8, 30, 7, 1, 4},  {12, 16, 4, 3, 4}, {9, 20, 5, 2, 4},
                 {4, 64, 64, 1, 4}, {6, 10, 3, 1, 1},  {21, 33, 16, 7, 3}};

    for (size_t t = 0; t < sizeof(cases) / sizeof(cases[0]); t++) {
        const size_t rows = cases[t].rows, cols = cases[t].cols;
        int16_t *dense = calloc(rows * cols, sizeof(*dense));
        float *scale = calloc(rows, sizeof(*scale));
        float *want = calloc(rows * cols, sizeof(*want)), *got = calloc(rows * cols, 4);
        size_t largest = 0;
        struct spacc_csb *m, *s;

        for (size_t i = 0; i < rows * cols; i++)
            dense[i] = next_random() % 3 ? 0 : (int16_t)(next_random() % 255 - 127);
        for (size_t i = 0; i < rows; i++)
            scale[i] = (float)(i + 1);
        assert_int_equal(
            spacc_csb_pack_int(&m, SPACC_CSB_I8, dense, scale, rows, cols, cases[t].bank, NULL),
            SPACC_OK);
        assert_int_equal(spacc_csb_share(&s, m, cases[t].stride, cases[t].shared, NULL),
                         SPACC_OK);
        spacc_csb_unpack(m, want);
        spacc_csb_unpack(s, got);
        assert_memory_equal(got, want, rows * cols * sizeof(*got));
        assert_true(s->k >= m->k && s->nonzeros == m->nonzeros);
        const size_t block = cases[t].stride * cases[t].shared;
        for (size_t row = 0; row < rows; row++) {
            const size_t first = row / block * block + row % block % cases[t].stride;
            for (size_t bank = 0; bank < s->banks; bank++) {
                size_t columns = 0;
                for (size_t c = bank * cases[t].bank;
                     c < (bank + 1) * cases[t].bank && c < cols; c++) {
                    bool any = false;
                    for (size_t r = first; r < first / block * block + block && r < rows;
                         r += cases[t].stride)
                        any |= dense[r * cols + c] != 0;
                    if (any)
                        assert_int_equal(s->index[(row * s->k + columns++) * s->banks + bank],
                                         c - bank * cases[t].bank);
                }
                largest = columns > largest ? columns : largest;
            }
        }
        assert_int_equal(s->k, largest);
        spacc_csb_free(m);
        spacc_csb_free(s);
        free(dense);
        free(scale);
        free(want);
        free(got);
    }
}

static void bad_groups_are_refused(void **state)
{
    (void)state;
    static const float real[4] = {1.0F, 0.0F, 2.0F, 3.0F};
    static const int16_t integer[4] = {1, 0, 2, 3};
    static const float scale[2] = {1.0F, 1.0F};
    struct spacc_csb *f, *i, *s;
    struct spacc_error err;

    assert_int_equal(spacc_csb_pack(&f, real, 2, 2, 2, NULL), SPACC_OK);
    assert_int_equal(spacc_csb_pack_int(&i, SPACC_CSB_I16, integer, scale, 2, 2, 2, NULL),
                     SPACC_OK);
    assert_int_equal(spacc_csb_share(&s, f, 1, 2, &err), SPACC_EINVAL);
    assert_non_null(strstr(err.text, "float"));
    assert_int_equal(spacc_csb_share(&s, i, 0, 2, &err), SPACC_EINVAL);
    assert_int_equal(spacc_csb_share(&s, i, 3, 1, &err), SPACC_EINVAL);
    assert_int_equal(spacc_csb_share(&s, i, 1, 0, &err), SPACC_EINVAL);
    assert_int_equal(spacc_csb_share(&s, i, 1, SIZE_MAX, &err), SPACC_EINVAL);
    assert_null(s);
    spacc_csb_free(f);
    spacc_csb_free(i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_weight_comes_back_on_hard_shapes),
        cmocka_unit_test(an_all_zero_matrix_has_k_zero),
        cmocka_unit_test(padding_repeats_the_last_kept_column),
        cmocka_unit_test(integer_weights_keep_their_scale),
        cmocka_unit_test(bad_arguments_are_named),
        cmocka_unit_test(check_refuses_every_broken_rule),
        cmocka_unit_test(groups_of_rows_share_indices_and_keep_their_weights),
        cmocka_unit_test(bad_groups_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
