/* What the steps of an engine say they have to do: exact for known graphs, and something valid
 * for every step of every model. */
#include <stdlib.h>

#include "host/cpu/engine.h"
#include "models/clean.h"
#include "tests/engine_maker.h"
#include "tests/golden_model.h"

/* ---- known graphs ---------------------------------------------------------------------- */

struct made {
    struct spacc_graph *g;
    struct example x;
    struct spacc_engine *e;
};

/* Takes `graph` over. */
static struct made make(struct maker graph)
{
    const struct spacc_engine_options options = {.cpu = spacc_cpu_features()};
    struct spacc_error err = {.text = ""};
    struct made m = {.g = graph_of(graph, 13)};

    m.x = example_of(m.g);
    if (spacc_engine_new(&m.e, m.g, inputs_of(&m.x), &options, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    return m;
}

static void drop(struct made *m)
{
    spacc_engine_free(m->e);
    example_free(&m->x);
    spacc_graph_free(m->g);
}

/* The one step of a family. */
static struct spacc_work only(const struct made *m, enum spacc_work_family family)
{
    struct spacc_work found = {.family = SPACC_WORK_FAMILIES};

    for (size_t i = 0; i < spacc_engine_steps(m->e); i++) {
        const struct spacc_engine_step s = spacc_engine_step(m->e, i);
        if (!s.has_work || s.work.family != family)
            continue;
        assert_int_equal(found.family, SPACC_WORK_FAMILIES);
        found = s.work;
    }
    assert_int_equal(found.family, family);
    return found;
}

static void assert_sizes(const struct spacc_work *w, int count, const double *want)
{
    for (int i = 0; i < SPACC_WORK_SIZES; i++)
        if (w->size[i] != (i < count ? want[i] : 0.0))
            fail_msg("%s: size %d is %g, not %g", w->kernel, i, w->size[i],
                     i < count ? want[i] : 0.0);
}

#define SIZES(...)                                                            \
    (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), (const double[]) \
    {                                                                         \
        __VA_ARGS__                                                           \
    }

static void a_convolution_counts_groups_strides_and_what_is_joined(void **state)
{
    (void)state;
    struct maker g = {0};

    input(&g, "x", DIMS(2, 16, 20, 30));
    weights(&g, "w", 72, DIMS(32, 8, 3, 5));
    floats(&g, "b", NAN, DIMS(32));
    add(&g, with_ints(with_ints(with_int(make_node("Conv", "", "x w b", "c"), "group", 2),
                                "strides", 2, (const int64_t[]){1, 2}),
                      "pads", 4, (const int64_t[]){1, 2, 1, 2}));
    op(&g, "Relu", "c", "y");
    output(&g, "y");

    struct made m = make(g);
    const struct spacc_work w = only(&m, SPACC_WORK_CONV);
    assert_sizes(&w, SIZES(2, 16, 32, 20, 15, 3, 5, 1, 2, 1, 2, 2, 0));
    assert_true(w.macs == 2.0 * 32 * 20 * 15 * 8 * 15);
    assert_true(w.in_bytes == 4.0 * 2 * 16 * 20 * 30);
    assert_true(w.weight_bytes == 4.0 * (32 * 8 * 15 + 32));
    assert_true(w.out_bytes == 4.0 * 2 * 32 * 20 * 15);
    assert_int_equal(w.threads, 1);
    drop(&m);
}

static void a_convolution_adds_to_what_is_there(void **state)
{
    (void)state;
    struct maker g = {0};

    input(&g, "x", DIMS(1, 16, 8, 8));
    weights(&g, "v", 16, DIMS(16, 16, 1, 1));
    weights(&g, "w", 16, DIMS(16, 16, 1, 1));
    op(&g, "Conv", "x v", "a");
    op(&g, "Conv", "a w", "c");
    op(&g, "Sigmoid", "c", "d");
    op(&g, "Add", "d a", "y");
    output(&g, "y");

    struct made m = make(g);
    size_t nodes = 0;
    for (size_t i = 0; i < spacc_engine_steps(m.e); i++) {
        const struct spacc_work w = spacc_engine_step(m.e, i).work;
        if (w.family == SPACC_WORK_CONV)
            nodes += (size_t)w.size[11];
        if (w.family == SPACC_WORK_CONV && w.size[11] == 3.0) /* Conv, Sigmoid and Add */
            assert_true(w.in_bytes == 2 * 4.0 * 16 * 64 && w.size[12] == 1.0);
        if (w.family == SPACC_WORK_POINTS)
            nodes += (size_t)w.size[2];
    }
    assert_int_equal(nodes, m.g->nodes);
    drop(&m);
}

static void a_transposed_convolution_counts_by_its_input(void **state)
{
    (void)state;
    struct maker g = {0};

    input(&g, "x", DIMS(1, 8, 6, 6));
    weights(&g, "w", 32, DIMS(8, 16, 2, 2));
    add(&g, with_ints(make_node("ConvTranspose", "", "x w", "y"), "strides", 2,
                      (const int64_t[]){2, 2}));
    output(&g, "y");

    struct made m = make(g);
    double macs = 0.0;
    for (size_t i = 0; i < spacc_engine_steps(m.e); i++)
        macs += spacc_engine_step(m.e, i).work.macs;
    assert_true(macs == 8.0 * 36 * 16 * 4); /* also when it is the reference's */
    drop(&m);
}

static void a_pool_tells_its_window(void **state)
{
    (void)state;
    struct maker g = {0};

    input(&g, "x", DIMS(1, 5, 9, 12));
    add(&g, with_ints(with_ints(make_node("MaxPool", "", "x", "y"), "kernel_shape", 2,
                                (const int64_t[]){3, 2}),
                      "strides", 2, (const int64_t[]){3, 2}));
    output(&g, "y");

    struct made m = make(g);
    const struct spacc_work w = only(&m, SPACC_WORK_POOL);
    assert_sizes(&w, SIZES(1, 5, 3, 6, 3, 2, 3, 2, 1));
    drop(&m);
}

static void a_product_of_few_vectors_counts_kept_weights(void **state)
{
    (void)state;
    struct maker g = {0};
    float v[64 * 24];

    for (int i = 0; i < 64 * 24; i++) /* three of four are zero */
        v[i] = i % 4 == 1 ? 0.5f : 0.0f;
    input(&g, "x", DIMS(2, 64));
    put_message(&g, GRAPH_INITIALISER,
                make_tensor("w", 1, 2, (const int64_t[]){64, 24}, v, sizeof(v)));
    floats(&g, "b", NAN, DIMS(24));
    op(&g, "MatMul", "x w", "p");
    op(&g, "Add", "p b", "y");
    output(&g, "y");

    struct made m = make(g);
    const struct spacc_work w = only(&m, SPACC_WORK_PRODUCT);
    assert_sizes(&w, SIZES(1, 2, 24, 64, 0.25, 2));
    assert_true(w.macs == 2.0 * 64 * 24 / 4);
    assert_non_null(strstr(w.kernel, " product"));
    drop(&m);
}

static void a_batch_of_products_is_one(void **state)
{
    (void)state;
    struct maker g = {0};

    input(&g, "a", DIMS(3, 4, 20, 30));
    input(&g, "b", DIMS(3, 4, 30, 10));
    op(&g, "MatMul", "a b", "y");
    output(&g, "y");

    struct made m = make(g);
    const struct spacc_work w = only(&m, SPACC_WORK_PRODUCT);
    assert_sizes(&w, SIZES(12, 20, 10, 30, 1, 1));
    assert_true(w.macs == 12.0 * 20 * 10 * 30);
    assert_string_equal(w.kernel, "openblas product");
    drop(&m);
}

static void gemm_takes_transposes_into_account(void **state)
{
    (void)state;
    struct maker g = {0};

    input(&g, "a", DIMS(30, 20));
    input(&g, "b", DIMS(10, 30));
    add(&g, with_int(with_int(make_node("Gemm", "", "a b", "y"), "transA", 1), "transB", 1));
    output(&g, "y");

    struct made m = make(g);
    const struct spacc_work w = only(&m, SPACC_WORK_PRODUCT);
    assert_sizes(&w, SIZES(1, 20, 10, 30, 1, 1));
    drop(&m);
}

static void a_cell_counts_steps_directions_and_shares(void **state)
{
    (void)state;
    struct maker g = {0};
    float r[2 * 64 * 16];

    for (int i = 0; i < 2 * 64 * 16; i++)
        r[i] = i % 2 ? 0.125f : 0.0f;
    input(&g, "x", DIMS(7, 3, 10));
    weights(&g, "w", 10, DIMS(2, 64, 10));
    put_message(&g, GRAPH_INITIALISER,
                make_tensor("r", 1, 3, (const int64_t[]){2, 64, 16}, r, sizeof(r)));
    add(&g, with_text(with_int(make_node("LSTM", "", "x w r", "y"), "hidden_size", 16),
                      "direction", "bidirectional"));
    output(&g, "y");

    struct made m = make(g);
    const struct spacc_work w = only(&m, SPACC_WORK_RNN);
    assert_true(w.size[6] > 0.99);
    assert_true(w.size[7] == 0.5);
    assert_true(w.size[0] == 7 && w.size[1] == 3 && w.size[2] == 10 && w.size[3] == 16);
    assert_true(w.size[4] == 4 && w.size[5] == 2);
    assert_true(fabs(w.macs - 21.0 * 2 * 64 * (10 * w.size[6] + 8)) < 1e-6 * w.macs);
    assert_non_null(strstr(w.kernel, " lstm"));
    drop(&m);
}

static void a_row_ends_where_an_operand_starts_anew(void **state)
{
    (void)state;
    struct maker g = {0};

    input(&g, "x", DIMS(2, 6, 5, 4));
    input(&g, "c", DIMS(6, 1, 1));
    op(&g, "Mul", "x c", "y");
    output(&g, "y");

    struct made m = make(g);
    const struct spacc_work w = only(&m, SPACC_WORK_POINTS);
    assert_sizes(&w, SIZES(240, 1, 1, 0, 20, 4));
    assert_string_equal(w.kernel, "loop add");
    drop(&m);
}

static void the_reference_is_known_by_operator(void **state)
{
    (void)state;
    struct maker g = {0};

    input(&g, "x", DIMS(4, 25));
    add(&g, with_int(make_node("Softmax", "", "x", "y"), "axis", 1));
    output(&g, "y");

    struct made m = make(g);
    const struct spacc_work w = only(&m, SPACC_WORK_OTHER);
    assert_sizes(&w, SIZES(100, 100, 25));
    assert_string_equal(w.kernel, "reference/Softmax");
    drop(&m);
}

static void moves_count_runs(void **state)
{
    (void)state;
    struct maker g = {0};

    input(&g, "a", DIMS(4, 10));
    input(&g, "b", DIMS(4, 30));
    add(&g, with_int(make_node("Concat", "", "a b", "y"), "axis", 1));
    output(&g, "y");

    struct made m = make(g);
    const struct spacc_work w = only(&m, SPACC_WORK_MOVE);
    assert_sizes(&w, SIZES(160, 20, 2, 10, 40));
    assert_string_equal(w.kernel, "move runs");
    drop(&m);
}

/* 64 KiB of weights are warm, 16 MiB are cold, whatever the machine. */
static void many_weights_are_cold(void **state)
{
    (void)state;
    static const int64_t columns[] = {128, 32768};

    for (int cold = 0; cold < 2; cold++) {
        struct maker g = {0};
        input(&g, "x", DIMS(1, 128));
        weights(&g, "w", 128, DIMS(128, columns[cold]));
        op(&g, "MatMul", "x w", "y");
        output(&g, "y");
        struct made m = make(g);
        assert_int_equal(only(&m, SPACC_WORK_PRODUCT).cold, cold);
        drop(&m);
    }
}

static bool is_mine(void *user, const struct spacc_graph *g, int node)
{
    (void)user, (void)g;
    return node == 0;
}

static void somebody_elses_node_has_no_work(void **state)
{
    (void)state;
    const struct spacc_engine_options options = {.cpu = spacc_cpu_features(),
                                                 .foreign = is_mine};
    struct maker maker = {0};
    struct spacc_engine *e;

    input(&maker, "x", DIMS(4, 25));
    op(&maker, "Relu", "x", "a");
    op(&maker, "Tanh", "a", "y");
    output(&maker, "y");
    struct spacc_graph *g = graph_of(maker, 13);
    struct example x = example_of(g);
    assert_int_equal(spacc_engine_new(&e, g, inputs_of(&x), &options, NULL), SPACC_OK);
    assert_int_equal(spacc_engine_steps(e), 3); /* begin, wait, Tanh */
    assert_false(spacc_engine_step(e, 0).has_work);
    assert_string_equal(spacc_engine_step(e, 0).kernel, "foreign");
    assert_false(spacc_engine_step(e, 1).has_work);
    assert_true(spacc_engine_step(e, 2).has_work);
    spacc_engine_free(e);
    example_free(&x);
    spacc_graph_free(g);
}

/* ---- models ------------------------------------------------------------------------------ */

static size_t steps_seen;

static void check_work(const struct golden *c, const struct spacc_work *w)
{
    bool valid = w->family < SPACC_WORK_FAMILIES && w->kernel[0] &&
                 strlen(w->kernel) + 1 < SPACC_WORK_NAME && w->threads == 1 && w->macs >= 0.0 &&
                 isfinite(w->macs) && w->in_bytes >= 0.0 && w->weight_bytes >= 0.0 &&
                 w->out_bytes >= 0.0;

    for (int i = 0; i < SPACC_WORK_SIZES; i++)
        valid = valid && isfinite(w->size[i]) && w->size[i] >= 0.0;
    if (w->family != SPACC_WORK_OTHER) /* whatever it is, it is not empty */
        valid = valid && w->size[0] > 0.0 && w->in_bytes > 0.0 && w->out_bytes > 0.0;
    if (w->family <= SPACC_WORK_DECONV || w->family == SPACC_WORK_PRODUCT ||
        w->family == SPACC_WORK_RNN)
        valid = valid && w->macs > 0.0;
    if (!valid)
        fail_msg("%s: no valid work: %s", c->model, w->kernel);
    steps_seen++;
}

static void check_model(struct golden *c)
{
    const struct spacc_engine_options options = {.cpu = spacc_cpu_features()};
    struct spacc_error err = {.text = ""};
    struct spacc_engine *e;

    if (spacc_graph_clean(c->g, NULL, &err) ||
        spacc_engine_new(&e, c->g, (const struct spacc_tensor *const *)c->input, &options,
                         &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < spacc_engine_steps(e); i++) {
        const struct spacc_engine_step s = spacc_engine_step(e, i);
        assert_true(s.has_work);
        check_work(c, &s.work);
    }
    spacc_engine_free(e);
}

static void every_step_of_every_model_has_a_valid_work(void **state)
{
    (void)state;
    for_golden(true, check_model);
    printf("%zu steps\n", steps_seen);
    assert_true(steps_seen > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_convolution_counts_groups_strides_and_what_is_joined),
        cmocka_unit_test(a_convolution_adds_to_what_is_there),
        cmocka_unit_test(a_transposed_convolution_counts_by_its_input),
        cmocka_unit_test(a_pool_tells_its_window),
        cmocka_unit_test(a_product_of_few_vectors_counts_kept_weights),
        cmocka_unit_test(a_batch_of_products_is_one),
        cmocka_unit_test(gemm_takes_transposes_into_account),
        cmocka_unit_test(a_cell_counts_steps_directions_and_shares),
        cmocka_unit_test(a_row_ends_where_an_operand_starts_anew),
        cmocka_unit_test(the_reference_is_known_by_operator),
        cmocka_unit_test(moves_count_runs),
        cmocka_unit_test(many_weights_are_cold),
        cmocka_unit_test(somebody_elses_node_has_no_work),
        cmocka_unit_test(every_step_of_every_model_has_a_valid_work)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
