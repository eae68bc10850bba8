/* The fused layer against the reference operators: cells, precisions, sizes, directions,
 * streaming and sequences, and the same bits for any number of parts. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sparse/cpu.h"
#include "sparse/prune.h"
#include "sparse/rnn.h"
#include "tests/ops_call.h"

static uint32_t seed = 20240930;

static float next_random(float scale)
{
    seed = seed * 1664525u + 1013904223u;
    return scale * ((float)(seed >> 8) / 8388608.0f - 1.0f);
}

static float *randoms(size_t count, float scale)
{
    float *v = malloc((count + 1) * sizeof(*v));
    for (size_t i = 0; i < count; i++)
        v[i] = next_random(scale);
    return v;
}

/* A layer's weights and one sequence with its reference result. */
struct layer {
    struct spacc_rnn_spec spec;
    size_t gates, steps;
    float *w, *r, *b, *x, *h0, *c0;
    float *y, *h, *c; /* of the reference */
};

struct size {
    size_t units, x_cols, steps, bank, k; /* k of each bank are kept */
};

static const struct size sizes[] = {
    {1, 1, 1, 16, 8},    {3, 5, 2, 16, 4},  {8, 16, 1, 16, 2},
    {37, 19, 9, 16, 4},  {64, 64, 5, 8, 2}, {100, 33, 40, 32, 4},
    {129, 70, 7, 64, 8}, {48, 40, 6, 0, 0}, {20, 300, 3, 16, 1}};

enum { SIZES = sizeof(sizes) / sizeof(sizes[0]), CELLS = 3 };

static void prune(float *dense, size_t rows, size_t cols, const struct size *p)
{
    if (p->bank)
        assert_int_equal(spacc_prune_magnitude(dense, rows, cols, p->bank, p->k, NULL, NULL),
                         SPACC_OK);
}

static void make_layer(struct layer *l, enum spacc_rnn_cell cell, const struct size *p)
{
    const size_t gates = cell == SPACC_RNN_LSTM ? 4 : 3, rows = gates * p->units;
    const float scale = 1.5f / sqrtf((float)(p->units + p->x_cols));

    *l = (struct layer){.gates = gates, .steps = p->steps};
    l->w = randoms(rows * p->x_cols, scale);
    l->r = randoms(rows * p->units, scale);
    prune(l->w, rows, p->x_cols, p);
    prune(l->r, rows, p->units, p);
    l->b = randoms(2 * rows, 0.3f);
    l->x = randoms(p->steps * p->x_cols, 2.0f);
    l->h0 = randoms(p->units, 0.9f);
    l->c0 = randoms(p->units, 2.0f);
    l->spec = (struct spacc_rnn_spec){.cell = cell,
                                      .units = p->units,
                                      .x_cols = p->x_cols,
                                      .w = l->w,
                                      .r = l->r,
                                      .wb = l->b,
                                      .rb = l->b + rows,
                                      .bank_size = p->bank};
    l->y = calloc(p->steps * p->units, sizeof(float));
    l->h = calloc(p->units, sizeof(float));
    l->c = calloc(p->units, sizeof(float));
}

static void free_layer(struct layer *l)
{
    float *all[] = {l->w, l->r, l->b, l->x, l->h0, l->c0, l->y, l->h, l->c};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        free(all[i]);
}

static void reference(struct layer *l, bool reverse)
{
    const int64_t units = (int64_t)l->spec.units, rows = (int64_t)l->gates * units;
    const int64_t x_cols = (int64_t)l->spec.x_cols;
    const bool lstm = l->spec.cell == SPACC_RNN_LSTM;
    struct op_call t;

    op_begin(&t, lstm ? "LSTM" : "GRU", 14);
    op_input(&t, SPACC_F32, 3, (int64_t[]){(int64_t)l->steps, 1, x_cols}, l->x);
    op_input(&t, SPACC_F32, 3, (int64_t[]){1, rows, x_cols}, l->w);
    op_input(&t, SPACC_F32, 3, (int64_t[]){1, rows, units}, l->r);
    op_input(&t, SPACC_F32, 2, (int64_t[]){1, 2 * rows}, l->b);
    op_no_input(&t);
    op_input(&t, SPACC_F32, 3, (int64_t[]){1, 1, units}, l->h0);
    if (lstm)
        op_input(&t, SPACC_F32, 3, (int64_t[]){1, 1, units}, l->c0);
    op_attr_int(&t, "linear_before_reset", l->spec.cell == SPACC_RNN_GRU_LINEAR);
    if (reverse)
        op_attr_string(&t, "direction", "reverse");
    assert_int_equal(op_run(&t, lstm ? 3 : 2), SPACC_OK);
    memcpy(l->y, t.out[0]->data, l->steps * l->spec.units * sizeof(float));
    memcpy(l->h, t.out[1]->data, l->spec.units * sizeof(float));
    if (lstm)
        memcpy(l->c, t.out[2]->data, l->spec.units * sizeof(float));
    op_end(&t);
}

/* Results of the fused layer; y with a stride of its own. */
struct result {
    float *y, *h, *c;
    size_t y_stride;
};

static void *new_scratch(size_t bytes)
{
    void *scratch = aligned_alloc(64, (bytes + 127) / 64 * 64);
    memset(scratch, 0xff, bytes); /* NaN: nothing may be read before it is written */
    return scratch;
}

/* All parts, the last first: order must not matter. */
static void run_parts(void *pool, void (*work)(void *arg, int part), void *arg)
{
    for (int part = *(int *)pool - 1; part >= 0; part--)
        work(arg, part);
}

static struct result run(const struct layer *l, const struct spacc_rnn *m, bool reverse,
                         int parts, bool streaming)
{
    const size_t units = l->spec.units, stride = units + 3;
    struct result out = {calloc(l->steps * stride, sizeof(float)),
                         malloc(units * sizeof(float)), malloc(units * sizeof(float)), stride};
    const struct spacc_parallel pool = {parts, run_parts, &parts};
    const size_t each = streaming ? (size_t)1 : l->steps;
    void *scratch = new_scratch(spacc_rnn_scratch_bytes(m, each));

    memcpy(out.h, l->h0, units * sizeof(float));
    memcpy(out.c, l->c0, units * sizeof(float));
    for (size_t i = 0; i < l->steps; i += each) {
        const size_t t = reverse && streaming ? l->steps - 1 - i : i;
        spacc_rnn_run(m, each, l->x + t * l->spec.x_cols, l->spec.x_cols, out.y + t * stride,
                      stride, out.h, l->spec.cell == SPACC_RNN_LSTM ? out.c : NULL, reverse,
                      scratch, parts > 1 ? &pool : NULL);
    }
    free(scratch);
    return out;
}

static void free_result(struct result *r)
{
    free(r->y);
    free(r->h);
    free(r->c);
}

static double worst(const float *a, const float *b, size_t count)
{
    double most = 0.0;
    for (size_t i = 0; i < count; i++) {
        assert_true(!isnan(a[i]));
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    }
    return most;
}

static double difference(const struct layer *l, const struct result *r)
{
    const size_t units = l->spec.units;
    double most = worst(r->h, l->h, units);
    if (l->spec.cell == SPACC_RNN_LSTM)
        most = fmax(most, worst(r->c, l->c, units));
    for (size_t t = 0; t < l->steps; t++)
        most = fmax(most, worst(r->y + t * r->y_stride, l->y + t * units, units));
    return most;
}

static void assert_same_bits(const struct layer *l, const struct result *a,
                             const struct result *b)
{
    const size_t bytes = l->spec.units * sizeof(float);
    assert_memory_equal(a->y, b->y, l->steps * a->y_stride * sizeof(float));
    assert_memory_equal(a->h, b->h, bytes);
    assert_memory_equal(a->c, b->c, bytes);
}

/* Against the reference, then every other way to run it against the first one. */
static double check_runs(struct layer *l, const struct spacc_rnn *m)
{
    double most = 0.0;

    for (int reverse = 0; reverse < 2; reverse++) {
        reference(l, reverse);
        struct result first = run(l, m, reverse, 1, false);
        most = fmax(most, difference(l, &first));
        for (int parts = 1; parts <= 4; parts++) {
            for (int streaming = 0; streaming < 2; streaming++) {
                struct result other = run(l, m, reverse, parts, streaming);
                assert_same_bits(l, &first, &other);
                free_result(&other);
            }
        }
        free_result(&first);
    }
    return most;
}

static double check_all(enum spacc_tile_type precision, unsigned features)
{
    double most = 0.0;

    for (size_t i = 0; i < SIZES; i++) {
        for (int cell = 0; cell < CELLS; cell++) {
            struct layer l;
            struct spacc_rnn *m;
            struct spacc_error err = {0};
            make_layer(&l, (enum spacc_rnn_cell)cell, &sizes[i]);
            l.spec.precision = precision;
            if (spacc_rnn_new(&m, &l.spec, features, &err) != SPACC_OK)
                fail_msg("%s", err.text);
            most = fmax(most, check_runs(&l, m));
            spacc_rnn_free(m);
            free_layer(&l);
        }
    }
    return most;
}

static void check_precision(enum spacc_tile_type precision, const char *name, double limit)
{
    const unsigned have = spacc_cpu_features(), sets[] = {0, have & SPACC_CPU_AVX2, have};

    for (size_t i = 0; i < 3; i++) {
        char text[80];
        if (i > 0 && sets[i] == sets[i - 1])
            continue;
        const double most = check_all(precision, sets[i]);
        print_message("%s, %s: largest difference %.2g\n", name,
                      spacc_cpu_text(sets[i], text, sizeof(text)), most);
        assert_true(most < limit);
    }
}

static void f32_is_the_reference_up_to_rounding(void **state)
{
    (void)state;
    check_precision(SPACC_TILE_F32, "f32", 5e-6);
}

static void f16_stays_near_the_reference(void **state)
{
    (void)state;
    check_precision(SPACC_TILE_F16, "f16", 2e-3);
}

static void int8_stays_near_the_reference(void **state)
{
    (void)state;
    check_precision(SPACC_TILE_I8, "int8", 0.03);
}

static void biases_may_be_left_out(void **state)
{
    (void)state;
    struct layer l;
    struct spacc_rnn *m;

    for (int cell = 0; cell < CELLS; cell++) {
        make_layer(&l, (enum spacc_rnn_cell)cell, &sizes[3]);
        memset(l.b, 0, 2 * l.gates * l.spec.units * sizeof(float));
        l.spec.wb = l.spec.rb = NULL;
        assert_int_equal(spacc_rnn_new(&m, &l.spec, spacc_cpu_features(), NULL), SPACC_OK);
        assert_true(check_runs(&l, m) < 5e-6);
        spacc_rnn_free(m);
        free_layer(&l);
    }
}

static void bad_specs_are_refused(void **state)
{
    (void)state;
    struct layer l;
    struct spacc_rnn *m;
    struct spacc_error err;

    make_layer(&l, SPACC_RNN_LSTM, &sizes[1]);
    struct spacc_rnn_spec bad = l.spec;
    bad.units = 0;
    assert_int_equal(spacc_rnn_new(&m, &bad, 0, &err), SPACC_EINVAL);
    assert_null(m);
    bad = l.spec;
    l.w[7] = NAN;
    assert_int_equal(spacc_rnn_new(&m, &bad, 0, &err), SPACC_EINVAL);
    assert_string_equal(err.text, "W: weight at row 1, column 2 is nan, not finite");
    l.w[7] = 1e6f;
    bad.precision = SPACC_TILE_F16;
    assert_int_equal(spacc_rnn_new(&m, &bad, 0, &err), SPACC_EINVAL);
    assert_null(m);
    free_layer(&l);
}

static void no_steps_change_nothing(void **state)
{
    (void)state;
    struct layer l;
    struct spacc_rnn *m;

    make_layer(&l, SPACC_RNN_GRU, &sizes[3]);
    assert_int_equal(spacc_rnn_new(&m, &l.spec, 0, NULL), SPACC_OK);
    float *h = malloc(l.spec.units * sizeof(*h));
    void *scratch = new_scratch(spacc_rnn_scratch_bytes(m, 0));
    memcpy(h, l.h0, l.spec.units * sizeof(*h));
    spacc_rnn_run(m, 0, l.x, 0, NULL, 0, h, NULL, true, scratch, NULL);
    assert_memory_equal(h, l.h0, l.spec.units * sizeof(*h));
    free(scratch);
    free(h);
    spacc_rnn_free(m);
    free_layer(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f32_is_the_reference_up_to_rounding),
        cmocka_unit_test(f16_stays_near_the_reference),
        cmocka_unit_test(int8_stays_near_the_reference),
        cmocka_unit_test(biases_may_be_left_out),
        cmocka_unit_test(bad_specs_are_refused),
        cmocka_unit_test(no_steps_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
