/* Every product and cell kernel of the tables against the scalar ones, tiles against the
 * matrices they are made of. Also built for other instruction sets (kernels.cmake), where
 * SPACC_TEST_FEATURES says which ones are emulated. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sparse/activate.h"
#include "sparse/cells.h"
#include "sparse/cpu.h"
#include "sparse/half.h"
#include "sparse/kernels_parts.h"
#include "sparse/prune.h"
#include "sparse/rnn.h"

#ifndef SPACC_TEST_FEATURES
#define SPACC_TEST_FEATURES spacc_cpu_features()
#endif

enum { VECTORS = 7 };

static uint32_t seed = 20250102;

static uint32_t next_random(void)
{
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

static float random_float(float scale)
{
    return scale * ((float)next_random() / 8388608.0f - 1.0f);
}

/* Zeroed, 64-byte aligned. */
static void *aligned(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 127) / 64 * 64);
    memset(p, 0, bytes);
    return p;
}

static const struct spacc_kernel *scalar_product(const struct spacc_kernel *k)
{
    return spacc_kernel_find(k->type == SPACC_TILE_F32   ? "f32/scalar/1"
                             : k->type == SPACC_TILE_F16 ? "f16/scalar/1"
                                                         : "i8/scalar/16");
}

/* ---- matrices ---------------------------------------------------------------- */

/* `fill`: of 16 weights so many are there. bank: pruned so that each bank has k; 0: at random.
 */
static const struct shape {
    size_t rows, cols, fill, bank, k;
} shapes[] = {{1, 1, 16, 0, 0},     {3, 7, 16, 0, 0},     {64, 16, 16, 16, 2},
              {65, 17, 8, 0, 0},    {128, 128, 16, 8, 1}, {200, 100, 16, 32, 4},
              {63, 333, 1, 0, 0},   {130, 64, 16, 64, 8}, {256, 1, 16, 0, 0},
              {70, 257, 16, 16, 1}, {33, 40, 0, 0, 0}};

enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

static float *make_matrix(const struct shape *s)
{
    float *dense = malloc(s->rows * s->cols * sizeof(*dense));
    for (size_t i = 0; i < s->rows * s->cols; i++)
        dense[i] = next_random() % 16 < s->fill ? random_float(1.5f) : 0.0f;
    if (s->bank)
        assert_int_equal(
            spacc_prune_magnitude(dense, s->rows, s->cols, s->bank, s->k, NULL, NULL),
            SPACC_OK);
    return dense;
}

static struct spacc_tile *make_tile(const struct spacc_kernel *k, const float *dense,
                                    const struct shape *s)
{
    const struct spacc_matrix a = {dense, s->rows, s->cols, NULL, 0};
    struct spacc_tile *m;
    struct spacc_error err = {0};

    if (spacc_tile_new(&m, k, &a, NULL, &err) != SPACC_OK)
        fail_msg("%s: %s", k->name, err.text);
    return m;
}

/* ---- tiles ------------------------------------------------------------------- */

/* Largest error of a stored weight, relative to itself (floats) or its row's scale. */
static double storing_error(const struct spacc_tile *m, double weight, size_t tile_row)
{
    const unsigned bits = spacc_tile_bank_bits(m->kernel->bank);
    if (m->kernel->type == SPACC_TILE_I8)
        return 0.5001 * (double)m->scale[tile_row];
    if (m->kernel->type == SPACC_TILE_F16)
        return ldexp(fabs(weight), -11) + 0x1p-25;
    return m->kernel->bank > 1 && m->kernel->layout == SPACC_LAYOUT_F32
               ? ldexp(fabs(weight), (int)bits - 24)
               : 0.0;
}

/* dense[rows][cols] of a tile's weights; a column met twice adds up. */
static float *unpack(const struct spacc_tile *m)
{
    float *dense = calloc(m->rows * m->cols, sizeof(*dense));
    for (size_t block = 0; block < m->blocks; block++) {
        for (size_t s = 0; s < m->block_slot[block + 1] - m->block_slot[block]; s++) {
            for (size_t row = 0; row < m->block_rows; row++) {
                size_t column;
                const float w = spacc_tile_weight(m, block, s, row, &column);
                const uint32_t to = m->order[block * m->block_rows + row];
                if (w == 0.0f)
                    continue;
                assert_true(to < m->rows && column < m->cols);
                dense[to * m->cols + column] += w;
            }
        }
    }
    return dense;
}

static void check_tile(const struct spacc_kernel *k, const struct shape *s)
{
    float *dense = make_matrix(s);
    struct spacc_tile *m = make_tile(k, dense, s);
    float *back = unpack(m);

    for (size_t i = 0; i < s->rows * s->cols; i++)
        if (!(fabs((double)back[i] - (double)dense[i]) <=
              storing_error(m, (double)dense[i], i / s->cols)))
            fail_msg("%s: weight %zu is %.9g, not %.9g", k->name, i, (double)back[i],
                     (double)dense[i]);
    free(back);
    spacc_tile_free(m);
    free(dense);
}

static void every_tile_keeps_its_matrix(void **state)
{
    (void)state;
    for (size_t k = 0; k < spacc_kernel_count; k++)
        for (size_t s = 0; s < SHAPES; s++)
            check_tile(&spacc_kernels[k], &shapes[s]);
}

static void rows_follow_the_order_given(void **state)
{
    (void)state;
    const float dense[] = {1, 2, 3, 4, 5, 6};
    const uint32_t order[] = {2, SPACC_TILE_EMPTY, 0};
    const float x[2] = {1, 10};
    const struct spacc_matrix a = {dense, 3, 2, order, 3};

    for (size_t k = 0; k < spacc_kernel_count; k++) {
        struct spacc_tile *m;
        float y[3] = {0, 7, 0};
        assert_int_equal(spacc_tile_new(&m, &spacc_kernels[k], &a, NULL, NULL), SPACC_OK);
        void *scratch = aligned(spacc_tile_scratch_bytes(m));
        if (!(spacc_kernels[k].needs & ~SPACC_TEST_FEATURES)) {
            spacc_tile_spmxv(m, x, y, scratch);
            assert_true(fabsf(y[0] - 21.0f) < 0.3f && y[1] == 7.0f);
            assert_true(fabsf(y[2] - 65.0f) < 0.5f);
        }
        free(scratch);
        spacc_tile_free(m);
    }
}

static void bad_matrices_are_refused(void **state)
{
    (void)state;
    const float dense[] = {1, 2, NAN, 70000};
    const uint32_t order[] = {2};
    struct spacc_tile *m;
    struct spacc_error err;
    struct spacc_matrix a = {dense, 1, 3, NULL, 0};

    assert_int_equal(spacc_tile_new(&m, spacc_kernels, &a, NULL, &err), SPACC_EINVAL);
    assert_string_equal(err.text, "weight at row 0, column 2 is nan, not finite");
    a = (struct spacc_matrix){dense + 3, 1, 1, NULL, 0};
    assert_int_equal(spacc_tile_new(&m, spacc_kernel_find("f16/scalar/16"), &a, NULL, &err),
                     SPACC_EINVAL);
    assert_string_equal(err.text, "weight at row 0, column 0 is 70000, f16 ends at 65504");
    a = (struct spacc_matrix){dense, 2, 1, order, 1};
    assert_int_equal(spacc_tile_new(&m, spacc_kernels, &a, NULL, &err), SPACC_EINVAL);
    assert_string_equal(err.text, "tile row 0 is row 2 of a matrix of 2");
    a = (struct spacc_matrix){dense, 0, 1, NULL, 0};
    assert_int_equal(spacc_tile_new(&m, spacc_kernels, &a, NULL, &err), SPACC_EINVAL);
    assert_null(m);
}

/* The integers of an int8 matrix are those of its tile; float tiles are close. */
static void check_csb(const struct spacc_kernel *k, const struct spacc_csb *csb)
{
    float *dense = malloc(csb->rows * csb->cols * sizeof(*dense));
    struct spacc_tile *m;

    spacc_csb_unpack(csb, dense);
    assert_int_equal(spacc_tile_from_csb(&m, k, csb, NULL), SPACC_OK);
    float *back = unpack(m);
    for (size_t i = 0; i < csb->rows * csb->cols; i++) {
        const double error = storing_error(m, (double)dense[i], i / csb->cols);
        const bool same = k->type == SPACC_TILE_I8 && csb->type == SPACC_CSB_I8;
        assert_true(fabs((double)back[i] - (double)dense[i]) <= (same ? 0.0 : error));
    }
    free(back);
    free(dense);
    spacc_tile_free(m);
}

static void csb_of_any_bank_and_type_can_be_tiled(void **state)
{
    (void)state;
    static const size_t banks[] = {1, 3, 8, 16, 24, 32, 64, 100};
    enum { ROWS = 70, COLS = 100 };
    int16_t dense[ROWS * COLS];
    float real[ROWS * COLS], scale[ROWS];

    for (size_t i = 0; i < ROWS * COLS; i++) {
        dense[i] = (int16_t)(next_random() % 5 ? 0 : (int)(next_random() % 255) - 127);
        real[i] = (float)dense[i] * 0.37f;
    }
    for (size_t i = 0; i < ROWS; i++)
        scale[i] = fabsf(random_float(0.1f)) + 0.001f;
    for (size_t b = 0; b < sizeof(banks) / sizeof(banks[0]); b++) {
        struct spacc_csb *csb[3];
        spacc_csb_pack(&csb[0], real, ROWS, COLS, banks[b], NULL);
        spacc_csb_pack_int(&csb[1], SPACC_CSB_I8, dense, scale, ROWS, COLS, banks[b], NULL);
        spacc_csb_pack_int(&csb[2], SPACC_CSB_I16, dense, scale, ROWS, COLS, banks[b], NULL);
        for (size_t i = 0; i < 3; i++) {
            for (size_t k = 0; k < spacc_kernel_count; k++)
                check_csb(&spacc_kernels[k], csb[i]);
            spacc_csb_free(csb[i]);
        }
    }
}

/* ---- products ---------------------------------------------------------------- */

/* A product's input and two results, of the kernel and of the scalar one. */
struct trial {
    const struct spacc_tile *m;
    size_t vectors, y_stride;
    float *x;          /* [vectors][cols], off by one float from alignment */
    float *start;      /* [vectors][y_stride]: what y holds before */
    float *got, *want; /* [vectors][y_stride], unaligned */
    double *sum;       /* [vectors][y_stride]: sum of |w x| */
};

static void make_trial(struct trial *t, const struct spacc_tile *m, size_t vectors)
{
    const size_t rows = m->blocks * m->block_rows;

    *t = (struct trial){.m = m, .vectors = vectors, .y_stride = rows + 5};
    t->x = (float *)aligned((vectors * m->cols + 1) * sizeof(float)) + 1;
    t->start = aligned(vectors * t->y_stride * sizeof(float));
    t->got = (float *)aligned((vectors * t->y_stride + 1) * sizeof(float)) + 1;
    t->want = aligned(vectors * t->y_stride * sizeof(float));
    t->sum = calloc(vectors * t->y_stride, sizeof(double));
    for (size_t i = 0; i < vectors * m->cols; i++)
        t->x[i] = random_float(2.0f);
    for (size_t i = 0; i < vectors * t->y_stride; i++)
        t->start[i] = random_float(1.0f);
}

static void free_trial(struct trial *t)
{
    free(t->x - 1);
    free(t->start);
    free(t->got - 1);
    free(t->want);
    free(t->sum);
}

static void run_product(const struct trial *t, const struct spacc_kernel *k, float *y,
                        size_t vectors, struct spacc_blocks blocks)
{
    const size_t x_bytes = spacc_tile_x_bytes(t->m);
    const size_t from = blocks.first * t->m->block_rows;
    unsigned char *prepared = aligned(vectors * x_bytes);

    for (size_t v = 0; v < vectors; v++)
        k->prepare(t->m, t->x + v * t->m->cols, prepared + v * x_bytes);
    k->product(t->m, prepared, vectors, y + from, t->y_stride, blocks);
    free(prepared);
}

static void start(const struct trial *t, float *y)
{
    memcpy(y, t->start, t->vectors * t->y_stride * sizeof(*y));
}

/* Of every row of vector v. */
static void sum_magnitudes(struct trial *t, size_t v)
{
    const struct spacc_tile *m = t->m;
    for (size_t i = 0; i < m->blocks * m->block_rows; i++) {
        const size_t block = i / m->block_rows;
        double *sum = &t->sum[v * t->y_stride + i];
        *sum = fabs((double)t->start[v * t->y_stride + i]);
        for (size_t s = 0; s < m->block_slot[block + 1] - m->block_slot[block]; s++) {
            size_t column;
            const float w = spacc_tile_weight(m, block, s, i % m->block_rows, &column);
            if (column < m->cols)
                *sum += fabs((double)w * (double)t->x[v * m->cols + column]);
        }
    }
}

static void compare(struct trial *t, const struct spacc_kernel *k)
{
    const size_t rows = t->m->blocks * t->m->block_rows;

    if (k->tolerance == 0.0f) {
        assert_memory_equal(t->got, t->want, t->vectors * t->y_stride * sizeof(float));
        return;
    }
    for (size_t v = 0; v < t->vectors; v++) {
        sum_magnitudes(t, v);
        for (size_t i = 0; i < rows; i++) {
            const size_t at = v * t->y_stride + i, block = i / t->m->block_rows;
            const double slots = t->m->block_slot[block + 1] - t->m->block_slot[block];
            const double limit = (double)k->tolerance * slots * t->sum[at];
            const double off = fabs((double)t->got[at] - (double)t->want[at]);
            if (!(off <= limit))
                fail_msg("%s: vector %zu, row %zu: %g, scalar %g", k->name, v, i,
                         (double)t->got[at], (double)t->want[at]);
        }
    }
}

static void check_product(const struct spacc_kernel *k, const struct shape *s)
{
    float *dense = make_matrix(s);
    struct spacc_tile *m = make_tile(k, dense, s);
    const struct spacc_blocks all = {0, m->blocks, false}, back = {0, m->blocks, true};
    struct trial t;

    make_trial(&t, m, VECTORS);
    start(&t, t.want);
    start(&t, t.got);
    run_product(&t, scalar_product(k), t.want, VECTORS, all);
    run_product(&t, k, t.got, VECTORS, all);
    compare(&t, k);

    /* All other ways give the same bits: one vector, backward, block by block. */
    memcpy(t.want, t.got, VECTORS * t.y_stride * sizeof(float));
    for (size_t vectors = 1; vectors <= VECTORS; vectors++) {
        start(&t, t.got);
        run_product(&t, k, t.got, vectors, vectors % 2 ? back : all);
        assert_memory_equal(t.got, t.want, vectors * t.y_stride * sizeof(float));
    }
    start(&t, t.got);
    for (size_t b = 0; b < m->blocks; b++)
        run_product(&t, k, t.got, VECTORS, (struct spacc_blocks){b, b + 1, b % 2 == 1});
    assert_memory_equal(t.got, t.want, VECTORS * t.y_stride * sizeof(float));
    free_trial(&t);
    spacc_tile_free(m);
    free(dense);
}

static bool can_run(const struct spacc_kernel *k)
{
    return !(k->needs & ~SPACC_TEST_FEATURES);
}

static void every_product_matches_the_scalar_one(void **state)
{
    (void)state;
    size_t ran = 0;

    for (size_t k = 0; k < spacc_kernel_count; k++) {
        char text[80];
        if (!can_run(&spacc_kernels[k])) {
            print_message("skipped: %s: this CPU lacks %s\n", spacc_kernels[k].name,
                          spacc_cpu_text(spacc_kernels[k].needs & ~SPACC_TEST_FEATURES, text,
                                         sizeof(text)));
            continue;
        }
        for (size_t s = 0; s < SHAPES; s++)
            check_product(&spacc_kernels[k], &shapes[s]);
        ran++;
    }
    print_message("%zu of %zu kernels ran\n", ran, spacc_kernel_count);
    assert_true(ran >= 6);
}

/* Far from the scalar kernel's sums: the dense product in double. */
static void every_product_is_near_the_dense_one(void **state)
{
    (void)state;
    for (size_t k = 0; k < spacc_kernel_count; k++) {
        const struct shape s = {100, 90, 16, 16, 2};
        float *dense = make_matrix(&s), y[100], x[90];
        struct spacc_tile *m = make_tile(&spacc_kernels[k], dense, &s);
        void *scratch = aligned(spacc_tile_scratch_bytes(m));
        for (size_t c = 0; c < 90; c++)
            x[c] = random_float(1.0f);
        if (can_run(&spacc_kernels[k])) {
            spacc_tile_spmxv(m, x, y, scratch);
            for (size_t r = 0; r < 100; r++) {
                double want = 0.0;
                for (size_t c = 0; c < 90; c++)
                    want += (double)dense[r * 90 + c] * (double)x[c];
                const double off = fabs((double)y[r] - want);
                assert_true(off < (m->kernel->type == SPACC_TILE_F32   ? 1e-5
                                   : m->kernel->type == SPACC_TILE_F16 ? 1e-2
                                                                       : 0.1));
            }
        }
        free(scratch);
        spacc_tile_free(m);
        free(dense);
    }
}

static int kind(float v)
{
    return isnan(v) ? 0 : isinf(v) ? (v > 0 ? 1 : 2) : 3;
}

/* Infinities, NaN, the smallest and largest numbers in x: what is not finite is so in both. */
static void strange_vectors_give_what_scalar_gives(void **state)
{
    (void)state;
    static const float strange[] = {INFINITY, -INFINITY, NAN,      1e-45f,
                                    -1e-40f,  1e-38f,    0x1p-121f};
    const struct shape s = {100, 80, 16, 16, 4};

    for (size_t k = 0; k < spacc_kernel_count; k++) {
        float *dense = make_matrix(&s);
        struct spacc_tile *m = make_tile(&spacc_kernels[k], dense, &s);
        for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
            struct trial t;
            if (!can_run(&spacc_kernels[k]))
                continue;
            make_trial(&t, m, 2);
            for (size_t c = 0; i > 2 && c < 2 * m->cols; c++)
                t.x[c] = next_random() % 3 ? strange[i] : 0.0f;
            t.x[next_random() % m->cols] = strange[i];
            start(&t, t.want);
            start(&t, t.got);
            run_product(&t, scalar_product(m->kernel), t.want, 2,
                        (struct spacc_blocks){0, m->blocks, false});
            run_product(&t, m->kernel, t.got, 2, (struct spacc_blocks){0, m->blocks, false});
            for (size_t r = 0; r < 2 * t.y_stride; r++)
                assert_int_equal(kind(t.got[r]), kind(t.want[r]));
            if (i > 2)
                compare(&t, m->kernel);
            free_trial(&t);
        }
        spacc_tile_free(m);
        free(dense);
    }
}

static void tiny_and_huge_weights_keep_their_value(void **state)
{
    (void)state;
    const float dense[] = {1e-45f, -1e-40f, 3.4028235e38f, -3.4028235e38f, 1e-20f, 0.0f};
    const struct spacc_matrix a = {dense, 1, 6, NULL, 0};

    for (size_t k = 0; k < spacc_kernel_count; k++) {
        struct spacc_tile *m;
        if (spacc_kernels[k].type != SPACC_TILE_F32)
            continue;
        assert_int_equal(spacc_tile_new(&m, &spacc_kernels[k], &a, NULL, NULL), SPACC_OK);
        float *back = unpack(m);
        for (size_t i = 0; i < 6; i++)
            assert_true(fabs((double)back[i] - (double)dense[i]) <=
                        fabs((double)dense[i]) * 0x1p-18 + 32 * 0x1p-149);
        free(back);
        spacc_tile_free(m);
    }
}

static void a_kernel_is_picked_for_each_type(void **state)
{
    (void)state;
    const struct shape s = {128, 128, 16, 16, 2};
    float *dense = make_matrix(&s);
    const struct spacc_matrix a = {dense, s.rows, s.cols, NULL, 0};

    for (int type = 0; type < 3; type++) {
        for (unsigned cpu = 0; cpu <= SPACC_CPU_ALL; cpu++) {
            const enum spacc_tile_type t = (enum spacc_tile_type)type;
            const struct spacc_kernel *k = spacc_kernel_pick(t, cpu, &a, false, NULL);
            const struct spacc_kernel *d = spacc_kernel_pick(t, cpu, &a, true, k);
            assert_true(k->type == t && d->type == t && !(k->needs & ~cpu));
            assert_true(d->dense && !k->dense && d->lanes == k->lanes &&
                        d->groups == k->groups);
        }
    }
    free(dense);
}

/* ---- halves ------------------------------------------------------------------ */

static void halves_are_exact_and_nearest(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        const float f = spacc_half_to_float((uint16_t)h);
        if ((h & 0x7fff) > 0x7c00)
            assert_true(isnan(f) && isnan(spacc_half_to_float(spacc_half_from_float(f))));
        else
            assert_int_equal(spacc_half_from_float(f), h);
        if ((h & 0x7fff) < 0x7bff) { /* between it and the next: nearest, ties to even */
            const float next = spacc_half_to_float((uint16_t)(h + 1));
            const float middle = (f + next) / 2.0f;
            assert_int_equal(spacc_half_from_float(middle), h + (h & 1));
            assert_int_equal(spacc_half_from_float(nextafterf(middle, f)), h);
            assert_int_equal(spacc_half_from_float(nextafterf(middle, next)), h + 1);
        }
    }
    assert_int_equal(spacc_half_from_float(65519.99f), 0x7bff);
    assert_int_equal(spacc_half_from_float(65520.0f), 0x7c00);
    assert_int_equal(spacc_half_from_float(-1e-30f), 0x8000);
    assert_true(spacc_half_to_float(0x3c00) == 1.0f && spacc_half_to_float(1) == 0x1p-24f);
}

/* ---- cells ------------------------------------------------------------------- */

static void activations_are_within_2e_6(void **state)
{
    (void)state;
    double worst_sigmoid = 0.0, worst_tanh = 0.0;

    for (double x = -100.0; x <= 100.0; x += x > -20.0 && x < 20.0 ? 1e-4 : 1e-2) {
        const float f = (float)x;
        const double s = 1.0 / (1.0 + exp(-(double)f)), t = tanh((double)f);
        worst_sigmoid = fmax(worst_sigmoid, fabs((double)spacc_sigmoid(f) - s));
        worst_tanh = fmax(worst_tanh, fabs((double)spacc_tanh(f) - t));
    }
    print_message("largest error: sigmoid %.2g, tanh %.2g\n", worst_sigmoid, worst_tanh);
    assert_true(worst_sigmoid <= 2e-6 && worst_tanh <= 2e-6);
    assert_true(isnan(spacc_sigmoid(NAN)) && isnan(spacc_tanh(NAN)));
    assert_true(spacc_tanh(INFINITY) == 1.0f && spacc_tanh(-INFINITY) == -1.0f);
    assert_true(spacc_sigmoid(INFINITY) == 1.0f && spacc_sigmoid(-INFINITY) < 1e-30f);
    assert_true(spacc_tanh(3e38f) == 1.0f && spacc_tanh(-3e38f) == -1.0f);
    assert_true(spacc_tanh(0.0f) == 0.0f && spacc_sigmoid(0.0f) == 0.5f);
    assert_true(fabsf(spacc_tanh(1e-40f)) < 1e-7f);
}

enum { CELL_LANES = 16, CELL_UNITS = 77, CELL_SUMS = 4 * 80 };

/* c, h, z, rh of all four functions on the same sums. */
struct cell_result {
    float lstm[2 * CELL_UNITS], gates[2 * CELL_UNITS], state[CELL_UNITS], linear[CELL_UNITS];
    float sigmoid[CELL_SUMS], tanh[CELL_SUMS];
};

static void run_cells(const struct spacc_cell_kernel *k, size_t lanes, size_t units,
                      const float *sums, const float *h, struct cell_result *r)
{
    memset(r, 0, sizeof(*r));
    memcpy(r->lstm, h, units * sizeof(float));
    k->lstm(sums, lanes, units, r->lstm, r->lstm + CELL_UNITS);
    k->gru_gates(sums, lanes, units, h, r->gates, r->gates + CELL_UNITS);
    memcpy(r->state, h, units * sizeof(float));
    k->gru_state(sums, lanes, units, r->gates, r->state);
    memcpy(r->linear, h, units * sizeof(float));
    k->gru_linear(sums, sums + 8, lanes, units, r->linear);
    k->sigmoid(sums, CELL_SUMS, r->sigmoid);
    k->tanh(sums, CELL_SUMS, r->tanh);
}

/* A NaN's sign and payload are not kept. */
static void assert_same_floats(const float *a, const float *b, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_true((isnan(a[i]) && isnan(b[i])) || memcmp(a + i, b + i, sizeof(*a)) == 0);
}

static void every_cell_kernel_gives_the_same_bits(void **state)
{
    (void)state;
    static const size_t lanes[] = {4, 8, 16, 32};
    float sums[CELL_SUMS + 8 * 80], h[CELL_UNITS];
    struct cell_result want, got;

    for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++)
        sums[i] = random_float(i % 7 ? 6.0f : 200.0f);
    for (size_t i = 0; i < CELL_UNITS; i++)
        h[i] = random_float(1.0f);
    sums[3] = INFINITY, sums[11] = -INFINITY, sums[20] = 1e-42f;
    for (size_t k = 0; k < spacc_cell_kernel_count; k++) {
        if (spacc_cell_kernels[k].needs & ~SPACC_TEST_FEATURES) {
            print_message("skipped: cells of %s\n", spacc_cell_kernels[k].name);
            continue;
        }
        for (size_t l = 0; l < 4; l++) {
            for (size_t units = 1; units <= CELL_UNITS; units += 4) {
                run_cells(&spacc_cell_kernels[0], lanes[l], units, sums, h, &want);
                run_cells(&spacc_cell_kernels[k], lanes[l], units, sums, h, &got);
                assert_same_floats(want.lstm, got.lstm, sizeof(want) / sizeof(float));
            }
        }
    }
}

static void nan_in_one_sum_stays_in_its_unit(void **state)
{
    (void)state;
    float sums[4 * 8] = {0}, c[8] = {0}, h[8] = {0};

    sums[2 * 8 + 3] = NAN;
    for (size_t k = 0; k < spacc_cell_kernel_count; k++) {
        if (spacc_cell_kernels[k].needs & ~SPACC_TEST_FEATURES)
            continue;
        memset(c, 0, sizeof(c));
        spacc_cell_kernels[k].lstm(sums, 8, 8, c, h);
        for (size_t i = 0; i < 8; i++)
            assert_true((bool)isnan(h[i]) == (i == 3) && (bool)isnan(c[i]) == (i == 3));
    }
}

/* ---- fused layers ------------------------------------------------------------ */

enum { UNITS = 45, INPUTS = 37, STEPS = 6 };

static void run_layer(const struct spacc_rnn_spec *s, unsigned cpu, const float *x, float *y)
{
    float h[UNITS] = {0}, c[UNITS] = {0};
    struct spacc_rnn *m;

    assert_int_equal(spacc_rnn_new(&m, s, cpu, NULL), SPACC_OK);
    void *scratch = aligned(spacc_rnn_scratch_bytes(m, STEPS));
    spacc_rnn_run(m, STEPS, x, INPUTS, y, UNITS, h, c, false, scratch, NULL);
    free(scratch);
    spacc_rnn_free(m);
}

static void check_layer(struct spacc_rnn_spec *s, const float *x)
{
    static const double limits[] = {5e-6, 5e-3, 1e-2};
    float want[STEPS * UNITS], got[STEPS * UNITS];

    run_layer(s, 0, x, want);
    for (unsigned cpu = 1; cpu <= SPACC_CPU_ALL; cpu++) {
        if (cpu & ~SPACC_TEST_FEATURES)
            continue;
        run_layer(s, cpu, x, got);
        for (size_t i = 0; i < STEPS * UNITS; i++)
            assert_true(fabs((double)got[i] - (double)want[i]) < limits[s->precision]);
    }
}

static void every_instruction_set_runs_the_fused_layers_alike(void **state)
{
    (void)state;
    float *w = malloc(4 * UNITS * INPUTS * sizeof(*w)),
          *r = malloc(4 * UNITS * UNITS * sizeof(*r));
    float b[8 * UNITS], x[STEPS * INPUTS];

    for (size_t i = 0; i < 4 * UNITS * INPUTS; i++)
        w[i] = next_random() % 6 ? 0.0f : random_float(0.5f);
    for (size_t i = 0; i < 4 * UNITS * UNITS; i++)
        r[i] = next_random() % 6 ? 0.0f : random_float(0.5f);
    for (size_t i = 0; i < 8 * UNITS; i++)
        b[i] = random_float(0.2f);
    for (size_t i = 0; i < STEPS * INPUTS; i++)
        x[i] = random_float(1.0f);
    for (int cell = 0; cell < 3; cell++) {
        for (int type = 0; type < 3; type++) {
            for (size_t bank = 0; bank <= 16; bank += 16) {
                struct spacc_rnn_spec s = {.cell = (enum spacc_rnn_cell)cell,
                                           .units = UNITS,
                                           .x_cols = INPUTS,
                                           .w = w,
                                           .r = r,
                                           .wb = b,
                                           .rb = b + 4 * UNITS,
                                           .precision = (enum spacc_tile_type)type,
                                           .bank_size = bank};
                check_layer(&s, x);
            }
        }
    }
    free(w);
    free(r);
}

/* ---- features ---------------------------------------------------------------- */

static void features_are_masked_by_name(void **state)
{
    (void)state;
    unsigned allowed;
    char text[80];
    struct spacc_error err;

    assert_int_equal(spacc_cpu_parse(NULL, SPACC_CPU_ALL, &allowed, &err), SPACC_OK);
    assert_int_equal(allowed, SPACC_CPU_ALL);
    assert_int_equal(spacc_cpu_parse("scalar", SPACC_CPU_ALL, &allowed, &err), SPACC_OK);
    assert_int_equal(allowed, 0);
    assert_int_equal(spacc_cpu_parse("avx2,neon", SPACC_CPU_ALL, &allowed, &err), SPACC_OK);
    assert_int_equal(allowed, SPACC_CPU_AVX2 | SPACC_CPU_NEON);
    assert_int_equal(spacc_cpu_parse("vnni", SPACC_CPU_AVX2, &allowed, &err), SPACC_OK);
    assert_int_equal(allowed, SPACC_CPU_AVX2);
    assert_int_equal(spacc_cpu_parse("avx2,avx3", SPACC_CPU_ALL, &allowed, &err), SPACC_EINVAL);
    assert_int_equal(allowed, 0);
    assert_string_equal(err.text, "SPACC_CPU: 'avx3' is not known; names are scalar, avx2, "
                                  "avx512, vnni, fp16, amx, neon");
    assert_int_equal(spacc_cpu_parse("", SPACC_CPU_ALL, &allowed, &err), SPACC_EINVAL);
    assert_string_equal(spacc_cpu_text(0, text, sizeof(text)), "scalar");
    assert_string_equal(spacc_cpu_text(SPACC_CPU_AVX2 | SPACC_CPU_FP16, text, sizeof(text)),
                        "avx2 fp16");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tile_keeps_its_matrix),
        cmocka_unit_test(rows_follow_the_order_given),
        cmocka_unit_test(bad_matrices_are_refused),
        cmocka_unit_test(csb_of_any_bank_and_type_can_be_tiled),
        cmocka_unit_test(every_product_matches_the_scalar_one),
        cmocka_unit_test(every_product_is_near_the_dense_one),
        cmocka_unit_test(strange_vectors_give_what_scalar_gives),
        cmocka_unit_test(tiny_and_huge_weights_keep_their_value),
        cmocka_unit_test(a_kernel_is_picked_for_each_type),
        cmocka_unit_test(halves_are_exact_and_nearest),
        cmocka_unit_test(activations_are_within_2e_6),
        cmocka_unit_test(every_cell_kernel_gives_the_same_bits),
        cmocka_unit_test(nan_in_one_sum_stays_in_its_unit),
        cmocka_unit_test(every_instruction_set_runs_the_fused_layers_alike),
        cmocka_unit_test(features_are_masked_by_name),
    };
    printf("seed %u\n", seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
