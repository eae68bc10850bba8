/* Linked with --wrap: the Nth allocation while an engine is made, or while it runs, fails, for
 * every N. What is left then works or is gone; ASan reports what was leaked. */
#include "host/seernet_choice.h"
#include "tests/engine_maker.h"
#include "tests/failing_alloc.h"

/* ---- something for every kernel ---------------------------------------------------------- */

static struct maker conv_node(const char *in, const char *out, int64_t pad)
{
    const int64_t pads[] = {pad, pad, pad, pad};

    return with_ints(make_node("Conv", "", in, out), "pads", 4, pads);
}

static void put_convolutions(struct maker *g)
{
    static const int64_t two[] = {2, 2}, swap[] = {0, 1, 3, 2};

    input(g, "x", DIMS(1, 16, 6, 6));
    input(g, "u", DIMS(8, 16, 3, 3));
    weights(g, "w", 144, DIMS(16, 16, 3, 3));
    weights(g, "v", 16, DIMS(16, 16, 1, 1));
    weights(g, "far", 16, DIMS(16, 16, 3, 3));
    weights(g, "b", 1, DIMS(16));
    add(g, conv_node("x w b", "a", 1));
    add(g, conv_node("x v", "c", 0));
    op(g, "Add", "a c", "s");
    op(g, "Relu", "s", "r");
    add(g, conv_node("r w", "p", 1));
    add(g, conv_node("r far", "q", 6)); /* pads wider than oneDNN's direct kernels take */
    add(g, with_int(make_node("Concat", "", "p r", "all"), "axis", 1));
    add(g,
        with_ints(with_ints(make_node("MaxPool", "", "all", "small"), "kernel_shape", 2, two),
                  "strides", 2, two));
    op(g, "Tanh", "small", "t");
    op(g, "Mul", "t small", "m");
    add(g, with_ints(make_node("Transpose", "", "m", "turned"), "perm", 4, swap));
    add(g, conv_node("x u", "made", 1)); /* weights made outside */
    floats(g, "scales", 2.0f, DIMS(4));
    output(g, "turned");
    output(g, "made");
    output(g, "q");
}

static void put_products(struct maker *g)
{
    input(g, "y", DIMS(2, 12));
    input(g, "rows", DIMS(9, 12));
    weights(g, "W", 12, DIMS(12, 20));
    weights(g, "B", 1, DIMS(20));
    op(g, "MatMul", "y W", "few");
    op(g, "Add", "few B", "fewb");
    op(g, "Relu", "fewb", "fewr");
    op(g, "MatMul", "rows W", "many");
    op(g, "Add", "many B", "manyb");
    op(g, "Gemm", "rows W B", "gemm");
    op(g, "Add", "manyb gemm", "both");
    op(g, "CumSum", "both one", "sums"); /* on the reference */
    ints(g, "one", 1, (const int64_t[]){1});
    output(g, "fewr");
    output(g, "sums");
}

static void put_layers(struct maker *g)
{
    input(g, "seq", DIMS(3, 1, 6));
    weights(g, "lw", 6, DIMS(2, 16, 6));
    weights(g, "lr", 4, DIMS(2, 16, 4));
    weights(g, "lb", 1, DIMS(2, 32));
    add(g, with_int(with_text(make_node("LSTM", "", "seq lw lr lb", "ly lh lc"), "direction",
                              "bidirectional"),
                    "hidden_size", 4));
    ints(g, "axis1", 1, (const int64_t[]){1});
    add(g, with_int(make_node("Split", "", "ly", "l0 l1"), "axis", 1));
    op(g, "Squeeze", "l0 axis1", "fwd");
    output(g, "fwd");
    output(g, "lh");
    output(g, "l1");
}

static struct maker branch(const char *in, const char *out)
{
    struct maker g = {0};

    op(&g, "Tanh", in, out);
    output(&g, out);
    return g;
}

/* A value whose shape hangs on contents, and branches. */
static void put_unplanned(struct maker *g)
{
    struct maker choose = make_node("If", "", "flag", "chosen");

    put_message(g, GRAPH_INPUT, make_info("flag", 9, 0, NULL));
    op(g, "NonZero", "fewr", "where");
    op(g, "Shape", "where", "found");
    put_message(&choose, NODE_ATTR,
                make_attr_message("then_branch", ATTR_G, 5, branch("turned", "i0")));
    put_message(&choose, NODE_ATTR,
                make_attr_message("else_branch", ATTR_G, 5, branch("m", "i1")));
    add(g, choose);
    output(g, "found");
    output(g, "chosen");
}

static struct maker everything(void)
{
    struct maker g = {0};

    put_convolutions(&g);
    put_products(&g);
    put_layers(&g);
    put_unplanned(&g);
    return g;
}

/* ---- the Nth fails -------------------------------------------------------------------------
 */

static void check_outputs(const struct spacc_graph *g, const struct example *x,
                          struct spacc_tensor **out)
{
    for (int o = 0; o < g->outputs; o++) {
        if (!is_close(out[o], x->want[o]))
            fail_msg("output %s differs", g->value[g->output[o]].name);
        spacc_tensor_free(out[o]);
    }
}

static void check_engine(struct spacc_engine *e, const struct spacc_graph *g,
                         const struct example *x)
{
    struct spacc_tensor *out[CLEAN_TENSORS_MAX];
    struct spacc_error err = {.text = ""};

    if (spacc_engine_run(e, inputs_of(x), out, NULL, &err))
        fail_msg("%s", err.text);
    check_outputs(g, x, out);
}

/* Some node, of operator `op` when it is not NULL, runs on a kernel of that name. */
static void expect_kernel(const struct spacc_engine *e, const struct spacc_graph *g,
                          const char *op, const char *kernel)
{
    for (int n = 0; n < g->nodes; n++)
        if ((!op || strcmp(g->node[n].op->name, op) == 0) &&
            strncmp(spacc_engine_describe(e, n).kernel, kernel, strlen(kernel)) == 0)
            return;
    fail_msg("no %s on %s", op ? op : "node", kernel);
}

static void every_kernel_is_there(void **state)
{
    static const char *const kernels[] = {"openblas", "move", "im2col",
                                          "view",     "loop", "reference"};
    struct spacc_graph *g = graph_of(everything(), 13);
    struct example x = example_of(g);
    const struct spacc_engine_options options = {.cpu = spacc_cpu_features()};
    struct spacc_error err = {.text = ""};
    struct spacc_engine *e;

    (void)state;
    assert_int_equal(spacc_engine_new(&e, g, inputs_of(&x), &options, &err), SPACC_OK);
    for (size_t k = 0; k < sizeof(kernels) / sizeof(kernels[0]); k++)
        expect_kernel(e, g, NULL, kernels[k]);
    expect_kernel(e, g, "LSTM", "f32/");
    expect_kernel(e, g, "MatMul", "f32/");
    spacc_engine_free(e);
    example_free(&x);
    spacc_graph_free(g);
}

static void making_an_engine_survives_every_failed_allocation(void **state)
{
    struct spacc_graph *g = graph_of(everything(), 13);
    struct example x = example_of(g);
    const struct spacc_engine_options options = {.cpu = spacc_cpu_features()};
    int failures = 0, refused = 0;

    (void)state;
    for (bool reached = true; reached; failures++) {
        struct spacc_error err = {.text = ""};
        struct spacc_engine *e;
        calls = 0;
        fail_at = failures;
        const enum spacc_status s = spacc_engine_new(&e, g, inputs_of(&x), &options, &err);
        reached = calls > fail_at;
        fail_at = -1;
        refused += s != SPACC_OK;
        if (s != SPACC_OK && (s != SPACC_ENOMEM || e || !err.text[0]))
            fail_msg("allocation %d: status %d, \"%s\"", failures, (int)s, err.text);
        if (s == SPACC_OK && failures % 7 == 0) /* done some other way: as right */
            check_engine(e, g, &x);
        spacc_engine_free(e);
    }
    printf("%d allocations, %d end the making\n", failures - 1, refused);
    assert_true(refused > 150);
    example_free(&x);
    spacc_graph_free(g);
}

static void a_run_survives_every_failed_allocation(void **state)
{
    struct spacc_graph *g = graph_of(everything(), 13);
    struct example x = example_of(g);
    const struct spacc_engine_options options = {.cpu = spacc_cpu_features()};
    struct spacc_error err = {.text = ""};
    struct spacc_tensor *out[CLEAN_TENSORS_MAX];
    struct spacc_engine *e;
    int failures = 0;

    (void)state;
    assert_int_equal(spacc_engine_new(&e, g, inputs_of(&x), &options, &err), SPACC_OK);
    for (bool reached = true; reached; failures++) {
        calls = 0;
        fail_at = failures;
        const enum spacc_status s = spacc_engine_run(e, inputs_of(&x), out, NULL, &err);
        reached = calls > fail_at;
        fail_at = -1;
        if (s == SPACC_OK) {
            check_outputs(g, &x, out);
            continue;
        }
        assert_int_equal(s, SPACC_ENOMEM);
        assert_true(err.text[0] != 0);
        for (int o = 0; o < g->outputs; o++)
            assert_null(out[o]);
    }
    printf("%d allocations\n", failures - 1);
    check_engine(e, g, &x);
    spacc_engine_free(e);
    example_free(&x);
    spacc_graph_free(g);
}

/* ---- layers that predict their zeros ---- */

static struct maker two_convolutions(void)
{
    static const int64_t two[] = {2, 2};
    struct maker g = {0};

    input(&g, "x", DIMS(1, 8, 6, 6));
    weights(&g, "w", 72, DIMS(16, 8, 3, 3));
    weights(&g, "v", 16, DIMS(16, 16, 1, 1));
    add(&g, conv_node("x w", "a", 1));
    op(&g, "Relu", "a", "r");
    add(&g, with_ints(make_node("MaxPool", "", "r", "p"), "kernel_shape", 2, two));
    add(&g, conv_node("p v", "b", 0));
    op(&g, "Relu", "b", "y");
    output(&g, "y");
    return g;
}

/* Said to take long: no more rounds than there must be. */
static enum spacc_status run_slowly(void *user, struct spacc_engine *e,
                                    const struct spacc_tensor *const *in,
                                    struct spacc_tensor **out, double *us,
                                    struct spacc_error *err)
{
    (void)user;
    *us = 1e7;
    return spacc_engine_run(e, in, out, NULL, err);
}

static void choosing_layers_survives_every_failed_allocation(void **state)
{
    struct spacc_graph *g = graph_of(two_convolutions(), 13);
    struct example x = example_of(g);
    const struct spacc_seernet_ask ask = {.g = g,
                                          .engine = {.cpu = spacc_cpu_features()},
                                          .bits = 4,
                                          .always = true,
                                          .frames = 1,
                                          .input = inputs_of(&x),
                                          .run = run_slowly};
    int failures = 0, refused = 0;

    (void)state;
    for (bool reached = true; reached; failures++) {
        struct spacc_error err = {.text = ""};
        struct spacc_seernet_choice *c;
        struct spacc_engine *e;
        assert_int_equal(spacc_engine_new(&e, g, inputs_of(&x), &ask.engine, &err), SPACC_OK);
        calls = 0;
        fail_at = failures;
        const enum spacc_status s = spacc_seernet_choose(&c, &ask, &e, &err);
        reached = calls > fail_at;
        fail_at = -1;
        refused += s != SPACC_OK;
        if (s != SPACC_OK && (s != SPACC_ENOMEM || c || !err.text[0]))
            fail_msg("allocation %d: status %d, \"%s\"", failures, (int)s, err.text);
        if (s != SPACC_OK)
            check_engine(e, g, &x); /* the one that was there */
        spacc_seernet_choice_free(c);
        spacc_engine_free(e);
    }
    printf("%d allocations, %d end the choice\n", failures - 1, refused);
    assert_true(refused > 50);
    example_free(&x);
    spacc_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_is_there),
        cmocka_unit_test(making_an_engine_survives_every_failed_allocation),
        cmocka_unit_test(a_run_survives_every_failed_allocation),
        cmocka_unit_test(choosing_layers_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
