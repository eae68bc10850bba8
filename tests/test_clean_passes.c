/* Each pass of clean-up on small graphs: what it takes away, and what it must leave. */
#include "tests/clean_maker.h"

static const int64_t swap3[] = {0, 2, 1}, turn3[] = {1, 2, 0}, back3[] = {2, 0, 1};

static struct maker transpose(const char *in, const char *out, int rank, const int64_t *perm)
{
    return with_ints(make_node("Transpose", "", in, out), "perm", rank, perm);
}

/* ---- fold ---- */

static void constants_of_constants_are_computed_before_the_run(void **state)
{
    struct maker g = {0};

    (void)state;
    floats(&g, "a", NAN, DIMS(2, 3));
    floats(&g, "b", NAN, DIMS(3));
    input(&g, "x", DIMS(-1, 3));
    op(&g, "Mul", "a b", "ab");
    op(&g, "Relu", "ab", "r");
    op(&g, "ReduceSum", "r", "s");
    op(&g, "Sigmoid", "s", "only"); /* an output that is constant */
    op(&g, "Add", "x s", "y");
    output(&g, "y");
    output(&g, "only");
    assert_int_equal(expect_nodes(g, 13, 1, 0.0).folded, 4);
}

/* Shape needs no contents; an open size is not known before the run. */
static void shapes_fold_where_they_are_known(void **state)
{
    struct maker g = {0}, open = {0};
    const int64_t one = 1, flat = -1;

    (void)state;
    for (int k = 0; k < 2; k++) {
        struct maker *m = k ? &open : &g;
        ints(m, "one", 1, &one);
        ints(m, "flat", 1, &flat);
        if (k)
            input(m, "x", DIMS(-1, 6));
        else
            input(m, "x", DIMS(4, 6));
        op(m, "Relu", "x", "r");
        op(m, "Shape", "r", "s");
        op(m, "Gather", "s one", "cols");
        add(m, with_int(make_node("Concat", "", "flat cols", "to"), "axis", 0));
        op(m, "Reshape", "r to", "y");
        output(m, "y");
    }
    expect_nodes(g, 13, 1, 0.0); /* the Reshape keeps the shape: it goes too */
    expect_nodes(open, 13, 5, 0.0);
}

static void weights_of_constant_of_shape_are_constants(void **state)
{
    struct maker g = {0};
    const int64_t dims[] = {6, 5};

    (void)state;
    ints(&g, "dims", 2, dims);
    input(&g, "x", DIMS(-1, 6));
    op(&g, "ConstantOfShape", "dims", "w");
    op(&g, "MatMul", "x w", "y");
    output(&g, "y");
    expect_nodes(g, 13, 1, 0.0);
}

/* 80 MB are too much for an Expand; random numbers are drawn in the run. */
static void large_results_and_random_ones_stay(void **state)
{
    struct maker g = {0};
    const int64_t dims[] = {20000000};

    (void)state;
    ints(&g, "dims", 1, dims);
    floats(&g, "one", 1.0f, DIMS(1));
    floats(&g, "p", 0.5f, DIMS(1, 4));
    op(&g, "Expand", "one dims", "large");
    op(&g, "Multinomial", "p", "drawn");
    output(&g, "large");
    output(&g, "drawn");
    struct both b = both_of(g, 13);
    assert_int_equal(b.clean->nodes, 2);
    both_free(&b);
}

/* ---- move ---- */

static void nodes_that_change_nothing_go(void **state)
{
    struct maker g = {0};
    const int64_t none[] = {0, 0, 0, 0}, same[] = {3, 4};

    (void)state;
    input(&g, "x", DIMS(3, 4));
    ints(&g, "none", 4, none);
    ints(&g, "same", 2, same);
    op(&g, "Identity", "x", "a");
    op(&g, "Relu", "a", "b");
    op(&g, "Dropout", "b", "c");
    add(&g, with_int(make_node("Cast", "", "c", "d"), "to", 1));
    op(&g, "Pad", "d none", "e");
    op(&g, "Expand", "e same", "f");
    add(&g, with_int(make_node("Concat", "", "f", "h"), "axis", 0));
    add(&g, transpose("h", "i", 2, (const int64_t[]){0, 1}));
    add(&g, with_int(make_node("Split", "", "i", "y"), "axis", 0));
    output(&g, "y");
    assert_int_equal(expect_nodes(g, 13, 1, 0.0).removed, 8);
}

/* A given name is kept: the input under another name needs a node, a Cast changes something,
 * and who trains drops. */
static void nodes_that_change_something_stay(void **state)
{
    struct maker g = {0};
    const int64_t some[] = {0, 0, 0, 1};

    (void)state;
    input(&g, "x", DIMS(3, 4));
    ints(&g, "some", 4, some);
    op(&g, "Identity", "x", "y");
    add(&g, with_int(make_node("Cast", "", "x", "wide"), "to", 11));
    op(&g, "Pad", "x some", "padded");
    add(&g, with_ints(make_node("Transpose", "", "x", "turned"), "perm", 2,
                      (const int64_t[]){1, 0}));
    output(&g, "y");
    output(&g, "wide");
    output(&g, "padded");
    output(&g, "turned");
    expect_nodes(g, 13, 4, 0.0);
}

static void pairs_that_cancel_go(void **state)
{
    struct maker g = {0};
    const int64_t axes[] = {0, -1}, to[] = {2, 12}, there[] = {2, 3, 4};

    (void)state;
    input(&g, "x", DIMS(2, 3, 4));
    ints(&g, "axes", 2, axes);
    ints(&g, "to", 2, to);
    ints(&g, "there", 3, there);
    op(&g, "Relu", "x", "a");
    add(&g, transpose("a", "b", 3, turn3));
    add(&g, transpose("b", "c", 3, back3));
    op(&g, "Unsqueeze", "c axes", "d");
    op(&g, "Squeeze", "d axes", "e");
    op(&g, "Reshape", "e to", "f");
    op(&g, "Reshape", "f there", "h");
    op(&g, "Tanh", "h", "y");
    output(&g, "y");
    expect_nodes(g, 13, 2, 0.0);
}

/* With sizes that are not known, by the axes alone; and before opset 13 by attributes. */
static void pairs_cancel_for_any_batch(void **state)
{
    for (int opset = 11; opset <= 13; opset += 2) {
        struct maker g = {0};
        const int64_t axis = 1;
        input(&g, "x", DIMS(-1, -2));
        ints(&g, "axis", 1, &axis);
        op(&g, "Relu", "x", "a");
        if (opset < 13) {
            add(&g, with_ints(make_node("Unsqueeze", "", "a", "b"), "axes", 1, &axis));
            add(&g, with_ints(make_node("Squeeze", "", "b", "y"), "axes", 1, &axis));
        } else {
            op(&g, "Unsqueeze", "a axis", "b");
            op(&g, "Squeeze", "b axis", "y");
        }
        output(&g, "y");
        expect_nodes(g, opset, 1, 0.0);
    }
    (void)state;
}

static void pairs_that_do_not_cancel_stay(void **state)
{
    struct maker g = {0};
    const int64_t first = 0, second = 1;

    (void)state;
    input(&g, "x", DIMS(1, 1, 4));
    ints(&g, "first", 1, &first);
    ints(&g, "second", 1, &second);
    op(&g, "Relu", "x", "a");
    add(&g, transpose("a", "b", 3, turn3));
    op(&g, "Relu", "b", "c");
    output(&g, "b"); /* so that the two transposes do not become one */
    add(&g, transpose("c", "y", 3, turn3));
    op(&g, "Unsqueeze", "a first", "d");
    op(&g, "Relu", "d", "e");
    op(&g, "Squeeze", "e second", "f");
    output(&g, "y");
    output(&g, "f");
    expect_nodes(g, 13, 7, 0.0);
}

static void two_transposes_become_one(void **state)
{
    struct maker g = {0};

    (void)state;
    input(&g, "x", DIMS(2, 3, 4));
    op(&g, "Relu", "x", "a");
    add(&g, transpose("a", "b", 3, turn3));
    add(&g, transpose("b", "y", 3, swap3));
    output(&g, "y");
    expect_nodes(g, 13, 2, 0.0);
}

static void a_zero_in_a_shape_looks_at_the_shape_before(void **state)
{
    struct maker g = {0};
    const int64_t to[] = {4, 6}, copy[] = {0, 3, 2};

    (void)state;
    input(&g, "x", DIMS(2, 3, 4));
    ints(&g, "to", 2, to);
    ints(&g, "copy", 3, copy);
    op(&g, "Reshape", "x to", "a");
    op(&g, "Reshape", "a copy", "y");
    output(&g, "y");
    expect_nodes(g, 13, 2, 0.0);
}

/* ---- push ---- */

static void transposes_meet_through_elementwise_operators(void **state)
{
    struct maker g = {0};

    (void)state;
    input(&g, "x", DIMS(2, 3, 4));
    input(&g, "z", DIMS(2, 3, 4));
    floats(&g, "k", NAN, DIMS(3));    /* the last axis between the transposes */
    floats(&g, "m", NAN, DIMS(4, 1)); /* the one before */
    floats(&g, "s", NAN, 0, NULL);
    add(&g, transpose("x", "a", 3, swap3));
    add(&g, transpose("z", "w", 3, swap3));
    op(&g, "Mul", "a k", "b");
    op(&g, "Add", "m b", "c");
    op(&g, "Sub", "c w", "d");
    op(&g, "Sigmoid", "d", "e");
    op(&g, "Mul", "s e", "f");
    add(&g, transpose("f", "y", 3, swap3));
    output(&g, "y");
    assert_int_equal(expect_nodes(g, 13, 5, 0.0).moved, 1);
}

static void a_turn_by_one_axis_meets_its_way_back(void **state)
{
    struct maker g = {0};

    (void)state;
    input(&g, "x", DIMS(2, 3, 4));
    floats(&g, "k", NAN, DIMS(3, 4, 2));
    add(&g, transpose("x", "a", 3, turn3));
    op(&g, "Add", "a k", "b");
    add(&g, transpose("b", "c", 3, back3));
    op(&g, "Relu", "c", "y");
    output(&g, "y");
    expect_nodes(g, 13, 2, 0.0);
}

/* Something in between is read outside, mixes places, or is not transposed on its way. */
static void transposes_that_cannot_meet_stay(void **state)
{
    for (int k = 0; k < 3; k++) {
        struct maker g = {0};
        input(&g, "x", DIMS(2, 3, 4));
        input(&g, "z", DIMS(2, 4, 3));
        add(&g, transpose("x", "a", 3, swap3));
        if (k == 1)
            add(&g, with_int(make_node("Softmax", "", "a", "b"), "axis", 1));
        else if (k == 2)
            op(&g, "Add", "a z", "b");
        else
            op(&g, "Relu", "a", "b");
        add(&g, transpose("b", "y", 3, swap3));
        output(&g, "y");
        if (k == 0)
            output(&g, "b");
        assert_int_equal(expect_nodes(g, 13, 3, 0.0).moved, 0);
    }
    (void)state;
}

/* ---- norm ---- */

static void norm_constants(struct maker *g, int64_t channels)
{
    floats(g, "scale", NAN, DIMS(channels));
    floats(g, "shift", NAN, DIMS(channels));
    floats(g, "mean", NAN, DIMS(channels));
    floats(g, "var", 0.7f, DIMS(channels));
}

static void a_norm_goes_into_convolutions_of_every_kind(void **state)
{
    static const struct {
        const char *op;
        int64_t group, w[4];
        bool bias;
    } cases[] = {
        {"Conv", 1, {6, 4, 3, 3}, false},
        {"Conv", 2, {6, 2, 3, 1}, true},
        {"ConvTranspose", 1, {4, 6, 3, 3}, false},
        {"ConvTranspose", 2, {4, 3, 2, 2}, true},
    };

    (void)state;
    for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++) {
        struct maker g = {0};
        input(&g, "x", DIMS(-1, 4, 7, 7));
        floats(&g, "w", NAN, 4, cases[k].w);
        floats(&g, "b", NAN, DIMS(6));
        norm_constants(&g, 6);
        add(&g, with_int(make_node(cases[k].op, "", cases[k].bias ? "x w b" : "x w", "a"),
                         "group", cases[k].group));
        op(&g, "BatchNormalization", "a scale shift mean var", "c");
        floats(&g, "m", NAN, DIMS(6, 1, 1));
        floats(&g, "p", NAN, DIMS(1, 6, 1, 1));
        floats(&g, "q", 1.5f, 0, NULL);
        op(&g, "Mul", "m c", "d");
        op(&g, "Add", "d p", "e");
        op(&g, "Div", "e q", "f");
        op(&g, "Sub", "f m", "y");
        output(&g, "y");
        assert_int_equal(expect_nodes(g, 13, 1, 1e-5).fused, 5);
    }
}

static void a_norm_goes_into_products_with_matrices(void **state)
{
    for (int k = 0; k < 4; k++) {
        struct maker g = {0};
        input(&g, "x", DIMS(-1, 4));
        floats(&g, "w", NAN, DIMS(k == 2 ? 5 : 4, k == 2 ? 4 : 5));
        floats(&g, "b", NAN, DIMS(5));
        norm_constants(&g, 5);
        if (k == 0) {
            op(&g, "MatMul", "x w", "a");
        } else {
            struct maker n = make_node("Gemm", "", "x w b", "a");
            put_message(&n, NODE_ATTR, make_attr_int("transB", k == 2));
            struct maker beta = {0};
            put_text(&beta, ATTR_NAME, "beta");
            put_float(&beta, ATTR_F, k == 3 ? 0.5f : 1.0f);
            put_int(&beta, ATTR_TYPE, 1);
            put_message(&n, NODE_ATTR, beta);
            add(&g, n);
        }
        op(&g, "BatchNormalization", "a scale shift mean var", "c");
        op(&g, "Mul", "c b", "y");
        output(&g, "y");
        assert_int_equal(expect_nodes(g, 13, 1, 1e-5).fused, 2);
    }
    (void)state;
}

/* Of rank 3 a MatMul takes a factor, but there is no bias to add to. */
static void a_product_of_rank_3_takes_factors_only(void **state)
{
    struct maker g = {0};

    (void)state;
    input(&g, "x", DIMS(2, 3, 4));
    floats(&g, "w", NAN, DIMS(4, 5));
    floats(&g, "b", NAN, DIMS(5));
    op(&g, "MatMul", "x w", "a");
    op(&g, "Mul", "a b", "c");
    op(&g, "Add", "c b", "y");
    output(&g, "y");
    expect_nodes(g, 13, 2, 1e-5);
}

/* The kinds of near misses, one each. */
enum { READ_TWICE, GIVEN_OUT, OPEN_SCALE, WRONG_AXIS, WIDER, INFINITE, OPEN_WEIGHTS, MISSES };

static void norms_that_do_not_fit_stay(void **state)
{
    for (int k = 0; k < MISSES; k++) {
        struct maker g = {0};
        input(&g, "x", DIMS(2, 3, 5, 5));
        if (k == OPEN_WEIGHTS)
            input(&g, "w", DIMS(5, 3, 1, 1));
        else
            floats(&g, "w", NAN, DIMS(5, 3, 1, 1));
        if (k == OPEN_SCALE)
            input(&g, "m", DIMS(5, 1, 1));
        else if (k == WRONG_AXIS)
            floats(&g, "m", NAN, DIMS(5, 1));
        else if (k == WIDER)
            floats(&g, "m", NAN, DIMS(1, 1, 5, 1, 1));
        else
            floats(&g, "m", k == INFINITE ? INFINITY : NAN, DIMS(5, 1, 1));
        op(&g, "Conv", "x w", "a");
        op(&g, k == INFINITE ? "Add" : "Mul", "a m", "y");
        output(&g, "y");
        if (k == READ_TWICE) {
            op(&g, "Relu", "a", "z");
            output(&g, "z");
        }
        if (k == GIVEN_OUT)
            output(&g, "a");
        struct both b = both_of(g, 13);
        assert_int_equal(b.r.fused, 0);
        if (k != INFINITE)
            expect_same(&b, 0.0);
        both_free(&b);
    }
    (void)state;
}

/* A norm that gives out a batch's own mean is training. */
static void a_norm_in_training_stays(void **state)
{
    struct maker g = {0};

    (void)state;
    input(&g, "x", DIMS(2, 3, 5, 5));
    floats(&g, "w", NAN, DIMS(5, 3, 1, 1));
    norm_constants(&g, 5);
    op(&g, "Conv", "x w", "a");
    add(&g, with_int(make_node("BatchNormalization", "", "a scale shift mean var", "y m v"),
                     "training_mode", 1));
    output(&g, "y");
    struct maker m = make_model(g, 8, 15);
    struct spacc_graph *graph;
    if (spacc_onnx_parse(&graph, m.bytes, m.used, "g.onnx", NULL) == SPACC_OK) {
        assert_int_equal(spacc_graph_clean(graph, NULL, NULL), SPACC_OK);
        assert_int_equal(graph->nodes, 2);
    }
    spacc_graph_free(graph);
    free(m.bytes);
}

/* ---- dead ---- */

static void what_nobody_reads_goes(void **state)
{
    struct maker g = {0};

    (void)state;
    input(&g, "x", DIMS(2, 3));
    input(&g, "unused", DIMS(7)); /* inputs are the caller's: they stay */
    floats(&g, "k", NAN, DIMS(3));
    floats(&g, "lost", NAN, DIMS(300));
    op(&g, "Relu", "x", "y");
    op(&g, "Add", "x k", "a");
    op(&g, "Tanh", "a", "b");
    output(&g, "y");
    struct both b = both_of(g, 13);
    assert_int_equal(b.r.dead, 2);
    assert_int_equal(b.r.constants, 2);
    assert_int_equal(b.clean->nodes, 1);
    assert_int_equal(b.clean->values, 3);
    assert_int_equal(b.clean->inputs, 2);
    expect_same(&b, 0.0);
    both_free(&b);
}

/* ---- branches ---- */

/* then: a * k + own constant; else: a after an Identity. */
static struct maker choose(void)
{
    struct maker then = {0}, other = {0}, n = make_node("If", "", "c", "y");

    floats(&then, "own", NAN, DIMS(3));
    op(&then, "Sqrt", "k", "deep"); /* of a constant outside */
    op(&then, "Mul", "a deep", "t");
    op(&then, "Identity", "t", "u");
    op(&then, "Add", "u own", "out");
    op(&then, "Tanh", "out", "dead");
    output(&then, "out");
    op(&other, "Relu", "a", "r");
    op(&other, "Identity", "r", "out2");
    output(&other, "out2");
    put_message(&n, NODE_ATTR, make_attr_message("then_branch", ATTR_G, 5, then));
    put_message(&n, NODE_ATTR, make_attr_message("else_branch", ATTR_G, 5, other));
    return n;
}

/* `a` is read in the branches only: its convolution keeps it, and what stands before it moves
 * along. */
static void branches_are_read_and_cleaned(void **state)
{
    struct maker g = {0};

    (void)state;
    put_message(&g, GRAPH_INPUT, make_info("c", 9, 0, NULL));
    input(&g, "x", DIMS(2, 3));
    floats(&g, "k", 2.0f, DIMS(3));
    floats(&g, "w", NAN, DIMS(3, 3));
    op(&g, "Identity", "x", "x2");
    op(&g, "MatMul", "x2 w", "p");
    op(&g, "Identity", "p", "a");
    op(&g, "Mul", "a k", "scaled");
    output(&g, "scaled");
    add(&g, choose());
    output(&g, "y");
    struct both b = both_of(g, 13);
    assert_int_equal(b.clean->nodes, 3); /* MatMul, Mul, If: p is read in the branches too */
    assert_int_equal(b.r.fused, 0);
    assert_int_equal(b.r.nodes_before, 5 + 5 + 2);
    assert_int_equal(b.r.nodes_after, 3 + 2 + 1);
    for (uint8_t c = 0; c < 2; c++) {
        struct spacc_tensor *in[2], *u[2], *v[2];
        assert_int_equal(spacc_tensor_new(&in[0], SPACC_BOOL, 0, NULL), SPACC_OK);
        *(uint8_t *)in[0]->data = c;
        in[1] = random_input(&b.plain->value[b.plain->input[1]]);
        run_graph(b.plain, in, u);
        run_graph(b.clean, in, v);
        for (int o = 0; o < 2; o++) {
            assert_memory_equal(u[o]->data, v[o]->data, u[o]->count * sizeof(float));
            spacc_tensor_free(u[o]);
            spacc_tensor_free(v[o]);
            spacc_tensor_free(in[o]);
        }
    }
    both_free(&b);
}

/* ---- at random ---- */

struct net {
    struct maker g;
    char value[64][8]; /* rank 3, 3 elements on every axis */
    int values, constants;
};

/* Mostly the last one: chains in which passes find something. */
static const char *any(const struct net *n)
{
    return n->value[clean_random(8) ? n->values - 1 : (int)clean_random((uint32_t)n->values)];
}

static void constant(struct net *n, char *name)
{
    static const int64_t dims[][3] = {{3, 3, 3}, {1, 3, 3}, {3, 1, 1}, {1, 1, 3}, {1, 3, 1}};
    const int skip = (int)clean_random(3);

    snprintf(name, 8, "k%d", n->constants++);
    floats(&n->g, name, clean_random(4) ? NAN : 1.0f, 3 - skip, dims[clean_random(5)] + skip);
}

/* One node, or a few, from what is there to a new value. */
static void grow(struct net *n)
{
    static const char *const unary[] = {"Relu", "Tanh", "Sigmoid", "Identity", "Dropout"};
    static const char *const binary[] = {"Add", "Mul", "Sub"};
    static const int64_t perms[][3] = {{0, 2, 1}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}, {0, 1, 2}};
    char in[32], k[8], inner[16];
    char *out = n->value[n->values];
    const char *from = any(n);

    snprintf(out, 8, "v%d", n->values);
    snprintf(inner, sizeof(inner), "u%d", n->values);
    snprintf(in, sizeof(in), "%s %s", from, any(n));
    switch (clean_random(9)) {
    case 0:
    case 1: op(&n->g, unary[clean_random(5)], from, out); break;
    case 2: op(&n->g, binary[clean_random(3)], in, out); break;
    case 3:
        constant(n, k);
        if (clean_random(2))
            snprintf(in, sizeof(in), "%s %s", from, k);
        else
            snprintf(in, sizeof(in), "%s %s", k, from);
        op(&n->g, binary[clean_random(3)], in, out);
        break;
    case 4:
    case 5: add(&n->g, transpose(from, out, 3, perms[clean_random(5)])); break;
    case 6:
        snprintf(in, sizeof(in), "%s %s", from, clean_random(2) ? "flat" : "cube");
        op(&n->g, "Reshape", in, inner);
        snprintf(in, sizeof(in), "%s cube", inner);
        op(&n->g, "Reshape", in, out);
        break;
    case 7:
        snprintf(in, sizeof(in), "%s %s", from, clean_random(2) ? "first" : "last");
        op(&n->g, "Unsqueeze", in, inner);
        snprintf(in, sizeof(in), "%s cube", inner);
        op(&n->g, "Reshape", in, out);
        break;
    default:
        constant(n, k);
        floats(&n->g, inner, NAN, DIMS(3, 3, 1));
        snprintf(in, sizeof(in), "%s %s", from, inner);
        op(&n->g, "Conv", in, out);
        break;
    }
    n->values++;
}

static void graphs_at_random_keep_their_results(void **state)
{
    static const int64_t flat[] = {9, -1}, cube[] = {3, 3, 3}, first = 0, last = -1;
    int smaller = 0, fused = 0, moved = 0;

    (void)state;
    for (uint32_t seed = 1; seed <= 400; seed++) {
        struct net n = {.value = {"x"}, .values = 1};
        clean_seed = seed;
        input(&n.g, "x", DIMS(3, 3, 3));
        ints(&n.g, "flat", 2, flat);
        ints(&n.g, "cube", 3, cube);
        ints(&n.g, "first", 1, &first);
        ints(&n.g, "last", 1, &last);
        for (int k = 0; k < 24; k++)
            grow(&n);
        output(&n.g, n.value[n.values - 1]);
        for (int k = 1; k < n.values - 1; k++)
            if (clean_random(24) == 0)
                output(&n.g, n.value[k]);
        struct both b = both_of(n.g, 13);
        expect_same(&b, b.r.fused ? 1e-5 : 0.0);
        smaller += b.clean->nodes < b.plain->nodes;
        fused += b.r.fused;
        moved += b.r.moved;
        both_free(&b);
    }
    printf("400 graphs: %d smaller, %d nodes taken into weights, %d transposes met\n", smaller,
           fused, moved);
    assert_true(smaller > 300 && fused > 10 && moved > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants_of_constants_are_computed_before_the_run),
        cmocka_unit_test(shapes_fold_where_they_are_known),
        cmocka_unit_test(weights_of_constant_of_shape_are_constants),
        cmocka_unit_test(large_results_and_random_ones_stay),
        cmocka_unit_test(nodes_that_change_nothing_go),
        cmocka_unit_test(nodes_that_change_something_stay),
        cmocka_unit_test(pairs_that_cancel_go),
        cmocka_unit_test(pairs_cancel_for_any_batch),
        cmocka_unit_test(pairs_that_do_not_cancel_stay),
        cmocka_unit_test(two_transposes_become_one),
        cmocka_unit_test(a_zero_in_a_shape_looks_at_the_shape_before),
        cmocka_unit_test(transposes_meet_through_elementwise_operators),
        cmocka_unit_test(a_turn_by_one_axis_meets_its_way_back),
        cmocka_unit_test(transposes_that_cannot_meet_stay),
        cmocka_unit_test(a_norm_goes_into_convolutions_of_every_kind),
        cmocka_unit_test(a_norm_goes_into_products_with_matrices),
        cmocka_unit_test(a_product_of_rank_3_takes_factors_only),
        cmocka_unit_test(norms_that_do_not_fit_stay),
        cmocka_unit_test(a_norm_in_training_stays),
        cmocka_unit_test(what_nobody_reads_goes),
        cmocka_unit_test(branches_are_read_and_cleaned),
        cmocka_unit_test(graphs_at_random_keep_their_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
