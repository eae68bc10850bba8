/* Linked with --wrap: the Nth allocation while an engine with nodes on the GPU is made, or
 * while it runs, fails, for every N. What is left then works or is gone; ASan reports what was
 * leaked. */
#include "tests/engine_maker.h"
#include "tests/failing_alloc.h"
#include "tests/gpu_maker.h"

static void put_images(struct maker *g)
{
    static const int64_t two[] = {2, 2}, turn[] = {0, 2, 3, 1};

    input(g, "x", DIMS(1, 16, 10, 10));
    weights(g, "w", 144, DIMS(16, 16, 3, 3));
    weights(g, "b", 1, DIMS(16));
    put_message(g, GRAPH_INITIALISER, make_floats("scales", 4, (const float[]){1, 1, 2, 2}));
    add(g, with_text(make_node("Conv", "", "x w b", "a"), "auto_pad", "SAME_UPPER"));
    op(g, "Add", "a x", "s");
    op(g, "Relu", "s", "r");
    add(g, with_ints(with_ints(make_node("MaxPool", "", "r", "p"), "kernel_shape", 2, two),
                     "strides", 2, two));
    op(g, "Resize", "p - scales", "big");
    add(g, with_int(make_node("Concat", "", "big r", "all"), "axis", 3));
    add(g, with_ints(make_node("Transpose", "", "all", "turned"), "perm", 4, turn));
    op(g, "InstanceNormalization", "r b b", "norm");
    add(g, with_int(make_node("Softmax", "", "norm", "soft"), "axis", 1));
    output(g, "turned");
    output(g, "soft");
}

static void put_layers(struct maker *g)
{
    input(g, "seq", DIMS(3, 1, 6));
    weights(g, "lw", 6, DIMS(2, 16, 6));
    weights(g, "lr", 4, DIMS(2, 16, 4));
    weights(g, "lb", 1, DIMS(2, 32));
    weights(g, "gw", 4, DIMS(8, 20));
    ints(g, "flat", 2, (const int64_t[]){3, 8});
    ints(g, "axis", 1, (const int64_t[]){1});
    add(g, with_int(with_text(make_node("LSTM", "", "seq lw lr lb", "ly lh lc"), "direction",
                              "bidirectional"),
                    "hidden_size", 4));
    op(g, "Reshape", "ly flat", "rows");
    op(g, "MatMul", "rows gw", "m");
    op(g, "CumSum", "m axis", "sums"); /* on the host */
    op(g, "Gemm", "sums gw2", "gemm");
    weights(g, "gw2", 20, DIMS(20, 5));
    output(g, "gemm");
    output(g, "lh");
}

/* True when it was made. */
static bool make_failing(const struct spacc_graph *g, const struct example *x, long n)
{
    struct placing p = {.one_in = 1};
    struct spacc_error err = {.text = ""};
    struct spacc_engine *e;

    calls = 0;
    fail_at = n;
    const enum spacc_status s = engine_on_gpu(&e, g, inputs_of(x), &p, &err);
    fail_at = -1;
    if (s == SPACC_OK) {
        struct spacc_tensor *out[CLEAN_TENSORS_MAX];
        if (spacc_engine_run(e, inputs_of(x), out, NULL, &err))
            fail_msg("allocation %ld: %s", n, err.text);
        for (int o = 0; o < g->outputs; o++) {
            if (!is_close(out[o], x->want[o]))
                fail_msg("allocation %ld: output %d differs", n, o);
            spacc_tensor_free(out[o]);
        }
    } else if (s != SPACC_ENOMEM || !err.text[0]) {
        fail_msg("allocation %ld: %s: %s", n, spacc_status_name(s), err.text);
    }
    spacc_engine_free(e);
    return s == SPACC_OK;
}

static void every_failing_allocation_is_an_error_or_does_no_harm(void **state)
{
    struct maker m = {0};
    int failed = 0, made = 0;

    (void)state;
    need_gpu();
    put_images(&m);
    put_layers(&m);
    struct spacc_graph *g = graph_of(m, 13);
    struct example x = example_of(g);
    assert_true(make_failing(g, &x, -1));
    const long all = calls;
    const unsigned before = gpu_objects();
    for (long n = 0; n < all; n++)
        make_failing(g, &x, n) ? made++ : failed++;
    printf("%ld allocations: %d engines all the same, %d errors\n", all, made, failed);
    assert_true(failed > 100);
    assert_int_equal(gpu_objects(), before);
    example_free(&x);
    spacc_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failing_allocation_is_an_error_or_does_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, close_gpu);
}
