/* Linked with --wrap: the Nth allocation of a clean-up fails, for every N. */
#include "tests/clean_maker.h"
#include "tests/failing_alloc.h"

/* h' = o * Tanh(f * c + i * g) */
static void put_cell(struct maker *g)
{
    floats(g, "W", NAN, DIMS(4, 12));
    floats(g, "R", NAN, DIMS(3, 12));
    op(g, "MatMul", "x W", "gx");
    op(g, "MatMul", "h R", "gh");
    op(g, "Add", "gx gh", "all");
    add(g, with_int(make_node("Split", "", "all", "p0 p1 p2 p3"), "axis", 1));
    op(g, "Sigmoid", "p0", "i");
    op(g, "Sigmoid", "p1", "f");
    op(g, "Sigmoid", "p2", "o");
    op(g, "Tanh", "p3", "n");
    op(g, "Mul", "f c", "kept");
    op(g, "Mul", "i n", "new");
    op(g, "Add", "kept new", "cn");
    op(g, "Tanh", "cn", "ct");
    op(g, "Mul", "o ct", "hn");
    input(g, "x", DIMS(2, 4));
    input(g, "h", DIMS(2, 3));
    input(g, "c", DIMS(2, 3));
    output(g, "hn");
    output(g, "cn");
}

static void put_norm(struct maker *g)
{
    floats(g, "cw", NAN, DIMS(3, 2, 1));
    floats(g, "cs", NAN, DIMS(3, 1));
    input(g, "z", DIMS(2, 2, 5));
    op(g, "Conv", "z cw", "conv");
    op(g, "Mul", "conv cs", "scaled");
    op(g, "Add", "scaled cs", "normed");
}

static struct maker branch(const char *in, const char *out)
{
    struct maker g = {0};

    op(&g, "Identity", in, "t");
    op(&g, "Tanh", "t", out);
    output(&g, out);
    return g;
}

/* Something for every pass. */
static struct maker everything(void)
{
    static const int64_t swap[] = {0, 2, 1};
    struct maker g = {0}, choose = make_node("If", "", "flag", "chosen");

    put_cell(&g);
    put_norm(&g);
    add(&g, with_ints(make_node("Transpose", "", "normed", "t1"), "perm", 3, swap));
    floats(&g, "k", NAN, DIMS(5, 3));
    op(&g, "Add", "t1 k", "t2");
    add(&g, with_ints(make_node("Transpose", "", "t2", "t3"), "perm", 3, swap));
    op(&g, "Sqrt", "k", "k2"); /* folds, and dies */
    op(&g, "Tanh", "k2", "k3");
    output(&g, "t3");
    put_message(&g, GRAPH_INPUT, make_info("flag", 9, 0, NULL));
    put_message(&choose, NODE_ATTR,
                make_attr_message("then_branch", ATTR_G, 5, branch("z", "a")));
    put_message(&choose, NODE_ATTR,
                make_attr_message("else_branch", ATTR_G, 5, branch("t3", "b")));
    add(&g, choose);
    output(&g, "chosen");
    return g;
}

static void cleaning_survives_every_failed_allocation(void **state)
{
    struct maker m = make_model(everything(), 8, 13);
    enum spacc_status status = SPACC_ENOMEM;
    int failures = 0;

    (void)state;
    for (; status == SPACC_ENOMEM; failures++) {
        struct spacc_error err = {.text = ""};
        struct spacc_clean_report r;
        struct spacc_graph *g;
        if (spacc_onnx_parse(&g, m.bytes, m.used, "f.onnx", &err) != SPACC_OK)
            fail_msg("%s", err.text);
        calls = 0;
        fail_at = failures;
        status = spacc_graph_clean(g, &r, &err);
        fail_at = -1;
        assert_true(status == SPACC_OK ||
                    (status == SPACC_ENOMEM && strcmp(err.text, "f.onnx: out of memory") == 0));
        if (status == SPACC_OK) {
            assert_true(r.cells == 1 && r.fused == 2 && r.moved == 1 && r.folded > 0);
            assert_true(r.removed >= 2 && r.dead > 0);
        }
        spacc_graph_free(g); /* ASan reports what was leaked */
    }
    assert_int_equal(status, SPACC_OK);
    printf("%d allocations\n", failures - 1);
    assert_true(failures > 100);
    free(m.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cleaning_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
