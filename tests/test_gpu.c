/* Operators on an OpenCL device against the plain reference, values that cross between the two
 * sides, and a device that fails. */
#include <math.h>

#include "host/clock.h"
#include "host/timeline.h"
#include "tests/engine_maker.h"
#include "tests/gpu_maker.h"

/* ---- one graph ----------------------------------------------------------------------------
 */

static void expect_outputs(const struct spacc_graph *g, const struct example *x,
                           struct spacc_tensor *const *got, const char *what)
{
    for (int o = 0; o < g->outputs; o++)
        if (!is_close(got[o], x->want[o]))
            fail_msg("%s: output %d (%s) differs", what, o, g->value[g->output[o]].name);
    for (int i = 0; i < g->inputs; i++)
        if (!same_bits(x->in[i], x->before[i]))
            fail_msg("%s: input %d was written to", what, i);
}

/* Twice: the same bits, and the reference's numbers. */
static void run_twice(struct spacc_engine *e, const struct spacc_graph *g,
                      const struct example *x, const char *what)
{
    struct spacc_tensor *first[CLEAN_TENSORS_MAX] = {NULL}, *second[CLEAN_TENSORS_MAX];
    struct spacc_error err = {.text = ""};

    if (spacc_engine_run(e, inputs_of(x), first, NULL, &err) ||
        spacc_engine_run(e, inputs_of(x), second, NULL, &err))
        fail_msg("%s: %s", what, err.text);
    expect_outputs(g, x, first, what);
    for (int o = 0; o < g->outputs; o++) {
        if (!same_bits(first[o], second[o]))
            fail_msg("%s: output %d has other bits the second time", what, o);
        spacc_tensor_free(first[o]);
        spacc_tensor_free(second[o]);
    }
}

/* Nodes run where they were put, also those that run with another one; a view may be anywhere.
 */
static void expect_placed(const struct spacc_engine *e, const struct spacc_graph *g,
                          const struct placing *p, const char *what)
{
    for (int n = 0; n < g->nodes; n++) {
        const char *kernel = spacc_engine_describe(e, n).kernel;
        const bool is_view = strstr(kernel, "view") != NULL || strcmp(kernel, "dead") == 0 ||
                             strcmp(kernel, "constant") == 0;
        if (!is_view && p->yes[n] != (strncmp(kernel, "gpu ", 4) == 0))
            fail_msg("%s: node %d runs on %s", what, n, kernel);
    }
}

static void run_placed(const struct spacc_graph *g, const struct example *x, struct placing *p,
                       const char *what)
{
    struct spacc_error err = {.text = ""};
    struct spacc_engine *e;

    if (engine_on_gpu(&e, g, inputs_of(x), p, &err))
        fail_msg("%s: %s", what, err.text);
    expect_placed(e, g, p, what);
    run_twice(e, g, x, what);
    spacc_engine_free(e);
}

/* Takes `graph` over. All nodes can run there, and do; then a part of them. */
static void expect_all(struct maker graph, int opset, const char *what)
{
    struct spacc_graph *g = graph_of(graph, opset);
    struct example x = example_of(g);
    struct placing all = {.one_in = 1};

    run_placed(g, &x, &all, what);
    for (int n = 0; n < g->nodes; n++) {
        struct spacc_error err = {.text = ""};
        char why[128];
        assert_int_equal(spacc_graph_bind(&all.shape, g, inputs_of(&x), &err), SPACC_OK);
        if (!spacc_gpu_can(test_gpu, g, all.shape, n, why, sizeof(why)))
            fail_msg("%s: node %d cannot: %s", what, n, why);
        spacc_binding_free(all.shape);
    }
    for (uint32_t seed = 1; seed <= 3 && g->nodes > 1; seed++) {
        struct placing some = {.seed = seed, .one_in = 2};
        run_placed(g, &x, &some, what);
    }
    example_free(&x);
    spacc_graph_free(g);
}

static struct maker with_float(struct maker node, const char *name, float value)
{
    struct maker a = {0};

    put_text(&a, ATTR_NAME, name);
    put_float(&a, ATTR_F, value);
    put_int(&a, ATTR_TYPE, 1);
    put_message(&node, NODE_ATTR, a);
    return node;
}

static struct maker floats_of(struct maker g, const char *name, int64_t count, const float *v)
{
    put_message(&g, GRAPH_INITIALISER, make_floats(name, count, v));
    return g;
}

/* x of these dims into one node that makes y. */
static struct maker one_node(int rank, const int64_t *dims, struct maker node)
{
    struct maker g = {0};

    input(&g, "x", rank, dims);
    add(&g, node);
    output(&g, "y");
    return g;
}

/* ---- element-wise
 * ---------------------------------------------------------------------------- */

static void activations_agree(void **state)
{
    static const char *const any[] = {"Relu",     "LeakyRelu",   "Sigmoid",   "Tanh",
                                      "Elu",      "Selu",        "Celu",      "ThresholdedRelu",
                                      "Exp",      "HardSigmoid", "HardSwish", "Softplus",
                                      "Softsign", "Mish",        "Abs",       "Neg",
                                      "Floor",    "Ceil",        "Round",     "Sign",
                                      "Erf",      "Sin",         "Cos",       "Tan",
                                      "Asin",     "Acos",        "Atan",      "Sinh",
                                      "Cosh",     "Asinh",       "Gelu",      "Identity"};
    static const char *const positive[] = {"Log", "Sqrt", "Reciprocal", "Acosh"};
    const float two = 2.0f;

    (void)state;
    need_gpu();
    for (size_t i = 0; i < sizeof(any) / sizeof(any[0]); i++)
        expect_all(one_node(DIMS(3, 37), make_node(any[i], "", "x", "y")), 20, any[i]);
    for (size_t i = 0; i < sizeof(positive) / sizeof(positive[0]); i++) {
        struct maker g = {0};
        input(&g, "x", DIMS(2, 5));
        g = floats_of(g, "two", 1, &two);
        op(&g, "Add", "x two", "h");
        op(&g, positive[i], "h", "y");
        output(&g, "y");
        expect_all(g, 20, positive[i]);
    }
    struct maker g = {0};
    const float low = -0.25f, high = 0.5f;
    input(&g, "x", DIMS(100));
    g = floats_of(floats_of(g, "low", 1, &low), "high", 1, &high);
    put_message(&g, GRAPH_INITIALISER, make_tensor("l", 1, 0, NULL, &low, sizeof(low)));
    put_message(&g, GRAPH_INITIALISER, make_tensor("h", 1, 0, NULL, &high, sizeof(high)));
    op(&g, "Clip", "x l h", "y");
    op(&g, "Clip", "x - h", "z");
    output(&g, "y");
    output(&g, "z");
    expect_all(g, 13, "Clip");
    expect_all(
        one_node(DIMS(40), with_text(make_node("Gelu", "", "x", "y"), "approximate", "tanh")),
        20, "Gelu by tanh");
    expect_all(
        one_node(DIMS(40), with_float(make_node("LeakyRelu", "", "x", "y"), "alpha", 0.3f)), 13,
        "LeakyRelu of 0.3");
}

static void operands_are_broadcast(void **state)
{
    static const char *const ops[] = {"Add", "Sub", "Mul", "Div", "Min", "Max", "Pow", "PRelu"};
    static const struct {
        int rank;
        int64_t dims[5];
    } shapes[] = {{0, {0}},          {1, {5}},          {2, {4, 1}},       {3, {3, 1, 1}},
                  {4, {2, 3, 4, 5}}, {4, {2, 1, 4, 1}}, {4, {1, 3, 1, 5}}, {2, {4, 5}}};

    (void)state;
    need_gpu();
    for (size_t o = 0; o < sizeof(ops) / sizeof(ops[0]); o++)
        for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
            struct maker g = {0};
            input(&g, "x", DIMS(2, 3, 4, 5));
            input(&g, "w", shapes[s].rank, shapes[s].dims);
            if (strcmp(ops[o], "Pow") == 0)
                op(&g, "Exp", "x", "a"); /* positive */
            op(&g, ops[o], strcmp(ops[o], "Pow") == 0 ? "a w" : "x w", "y");
            if (strcmp(ops[o], "PRelu") != 0 && strcmp(ops[o], "Pow") != 0)
                op(&g, ops[o], "w x", "z"), output(&g, "z");
            output(&g, "y");
            if (strcmp(ops[o], "Div") != 0) /* near 0 no tolerance would do */
                expect_all(g, 13, ops[o]);
            else
                free(g.bytes);
        }
    struct maker g = {0};
    const float square = 2.0f;
    input(&g, "x", DIMS(2, 1, 4));
    input(&g, "u", DIMS(3, 1));
    input(&g, "v", DIMS(4));
    put_message(&g, GRAPH_INITIALISER, make_tensor("two", 1, 0, NULL, &square, sizeof(square)));
    op(&g, "Sum", "x u v", "a");
    op(&g, "Mean", "x u v u", "b");
    op(&g, "Max", "v x u", "c");
    op(&g, "Min", "u v x", "d");
    op(&g, "Sum", "x", "e");
    op(&g, "Exp", "u", "positive");
    op(&g, "Div", "x positive", "f");
    op(&g, "Pow", "x two", "h");
    for (const char *o = "abcdefh"; *o; o++)
        output(&g, (const char[]){*o, 0});
    expect_all(g, 13, "several operands");
}

/* ---- convolutions, pools
 * ------------------------------------------------------------------------- */

struct conv {
    const char *what;
    int axes;
    int64_t in[5], w[5];
    int64_t groups, stride, dilation, pad, more; /* more: output_padding */
    bool bias;
};

static struct maker conv_node(const struct conv *c, const char *name)
{
    int64_t stride[3], dilation[3], pads[6], more[3];
    struct maker node = make_node(name, "", c->bias ? "x w b" : "x w", "y");

    for (int i = 0; i < 3; i++) {
        stride[i] = c->stride;
        dilation[i] = c->dilation;
        pads[i] = pads[i + c->axes] = c->pad;
        more[i] = c->more;
    }
    node = with_ints(node, "strides", c->axes, stride);
    node = with_ints(node, "dilations", c->axes, dilation);
    node = with_ints(node, "pads", 2 * c->axes, pads);
    if (c->more)
        node = with_ints(node, "output_padding", c->axes, more);
    return with_int(node, "group", c->groups);
}

static struct maker conv_graph(const struct conv *c, const char *name, int64_t channels)
{
    struct maker g = {0};
    size_t taps = 1;

    for (int i = 0; i < c->axes; i++)
        taps *= (size_t)c->w[2 + i];
    input(&g, "x", 2 + c->axes, c->in);
    weights(&g, "w", taps * (size_t)c->w[1], 2 + c->axes, c->w);
    weights(&g, "b", 1, DIMS(channels));
    add(&g, conv_node(c, name));
    return g;
}

static void convolutions_agree(void **state)
{
    static const struct conv cases[] = {
        {"small", 2, {1, 3, 6, 5}, {4, 3, 3, 3}, 1, 1, 1, 1, 0, true},
        {"as a product", 2, {2, 16, 20, 19}, {24, 16, 3, 3}, 1, 1, 1, 1, 0, true},
        {"strides and dilations", 2, {1, 16, 31, 29}, {32, 16, 3, 5}, 1, 2, 2, 3, 0, false},
        {"1x1", 2, {2, 32, 17, 13}, {40, 32, 1, 1}, 1, 1, 1, 0, 0, true},
        {"1x1 with strides", 2, {1, 32, 17, 13}, {40, 32, 1, 1}, 1, 2, 1, 0, 0, true},
        {"two groups", 2, {2, 32, 16, 16}, {48, 16, 3, 3}, 2, 1, 1, 1, 0, true},
        {"depthwise", 2, {2, 24, 15, 15}, {24, 1, 3, 3}, 24, 2, 1, 1, 0, true},
        {"groups of four", 2, {1, 24, 9, 9}, {24, 4, 3, 3}, 6, 1, 1, 1, 0, false},
        {"one axis", 1, {2, 20, 100}, {30, 20, 7}, 1, 3, 1, 2, 0, true},
        {"three axes", 3, {1, 8, 7, 8, 9}, {12, 8, 3, 2, 3}, 1, 1, 1, 1, 0, true},
        {"in panels", 2, {1, 16, 164, 164}, {16, 16, 5, 5}, 1, 1, 1, 0, 0, true},
    };

    (void)state;
    need_gpu();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct maker g = conv_graph(&cases[i], "Conv", cases[i].w[0]);
        output(&g, "y");
        expect_all(g, 13, cases[i].what);
    }
}

static void transposed_convolutions_agree(void **state)
{
    static const struct conv cases[] = {
        {"strides", 2, {2, 6, 5, 7}, {6, 4, 3, 3}, 1, 2, 1, 1, 1, true},
        {"groups", 2, {1, 8, 6, 6}, {8, 3, 4, 4}, 2, 2, 1, 1, 0, true},
        {"dilations", 2, {1, 4, 6, 6}, {4, 5, 3, 3}, 1, 1, 2, 1, 0, false},
        {"one axis", 1, {1, 4, 11}, {4, 5, 5}, 1, 3, 1, 0, 2, true},
    };

    (void)state;
    need_gpu();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct maker g =
            conv_graph(&cases[i], "ConvTranspose", cases[i].w[1] * cases[i].groups);
        output(&g, "y");
        expect_all(g, 13, cases[i].what);
    }
}

/* An Add of something that is there, and an activation, go with a convolution. */
static void what_follows_a_convolution_joins_it(void **state)
{
    static const struct conv small = {"", 2, {1, 8, 8, 8}, {8, 8, 3, 3}, 1, 1, 1, 1, 0, true};
    static const struct conv large = {"", 2,   {1, 16, 24, 24}, {16, 16, 3, 3}, 1, 1, 1, 1,
                                      0,  true};
    const struct conv *sizes[] = {&small, &large};

    (void)state;
    need_gpu();
    for (int size = 0; size < 2; size++) {
        struct maker g = conv_graph(sizes[size], "Conv", sizes[size]->w[0]);
        op(&g, "Add", "x y", "sum");
        op(&g, "Relu", "sum", "z");
        op(&g, "Conv", "z w b", "t"); /* read twice: alone */
        op(&g, "Sigmoid", "t", "s");
        op(&g, "Mul", "t s", "u");
        output(&g, "u");
        output(&g, "z");
        expect_all(g, 13, "joined");
    }
    struct spacc_error err = {.text = ""};
    struct maker m = conv_graph(&large, "Conv", 16);
    op(&m, "Add", "y x", "sum");
    op(&m, "LeakyRelu", "sum", "z");
    output(&m, "z");
    struct spacc_graph *g = graph_of(m, 13);
    struct example x = example_of(g);
    struct placing p = {.one_in = 1};
    struct spacc_engine *e;
    assert_int_equal(engine_on_gpu(&e, g, inputs_of(&x), &p, &err), SPACC_OK);
    int joined = 0;
    for (int n = 0; n < g->nodes; n++)
        joined += spacc_engine_describe(e, n).joined != n;
    assert_int_equal(joined, 2);
    spacc_engine_free(e);
    example_free(&x);
    spacc_graph_free(g);
}

static struct maker pool_node(const char *name, int64_t kernel, int64_t stride, int64_t pad)
{
    struct maker node = make_node(name, "", "x", "y");

    node = with_ints(node, "kernel_shape", 2, (const int64_t[]){kernel, kernel});
    node = with_ints(node, "strides", 2, (const int64_t[]){stride, stride});
    return with_ints(node, "pads", 4, (const int64_t[]){pad, pad, pad, pad});
}

static void pools_agree(void **state)
{
    (void)state;
    need_gpu();
    for (int64_t kernel = 2; kernel <= 3; kernel++)
        for (int64_t pad = 0; pad < 2; pad++) {
            expect_all(one_node(DIMS(2, 3, 11, 10), pool_node("MaxPool", kernel, 2, pad)), 13,
                       "MaxPool");
            expect_all(one_node(DIMS(2, 3, 11, 10), pool_node("AveragePool", kernel, 2, pad)),
                       13, "AveragePool");
        }
    expect_all(one_node(DIMS(1, 4, 9, 9),
                        with_int(pool_node("AveragePool", 3, 1, 1), "count_include_pad", 1)),
               13, "AveragePool with pads");
    expect_all(
        one_node(DIMS(1, 4, 10, 10), with_int(pool_node("MaxPool", 3, 2, 0), "ceil_mode", 1)),
        13, "MaxPool with ceil_mode");
    expect_all(one_node(DIMS(2, 5, 7, 9), make_node("GlobalAveragePool", "", "x", "y")), 13,
               "GlobalAveragePool");
    expect_all(one_node(DIMS(2, 5, 7, 9), make_node("GlobalMaxPool", "", "x", "y")), 13,
               "GlobalMaxPool");
}

/* ---- products
 * --------------------------------------------------------------------------------------- */

static void products_agree(void **state)
{
    static const struct {
        int a_rank, b_rank;
        int64_t a[4], b[4];
    } shapes[] = {{2, 2, {1, 100}, {100, 70}},
                  {2, 2, {3, 33}, {33, 1}},
                  {2, 2, {40, 50}, {50, 60}},
                  {3, 2, {4, 10, 32}, {32, 17}},
                  {3, 3, {3, 9, 16}, {3, 16, 20}},
                  {2, 3, {9, 16}, {3, 16, 20}},
                  {4, 4, {2, 3, 8, 5}, {2, 3, 5, 7}},
                  {1, 2, {30}, {30, 20}},
                  {2, 1, {12, 30}, {30}}};

    (void)state;
    need_gpu();
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        for (int constant = 0; constant < 2; constant++) {
            struct maker g = {0};
            input(&g, "x", shapes[i].a_rank, shapes[i].a);
            if (constant)
                weights(&g, "w", 30, shapes[i].b_rank, shapes[i].b);
            else
                input(&g, "w", shapes[i].b_rank, shapes[i].b);
            op(&g, "MatMul", "x w", "y");
            output(&g, "y");
            expect_all(g, 13, "MatMul");
        }
    for (int64_t rows = 2; rows < 20; rows += 10) {
        struct maker g = {0};
        input(&g, "x", DIMS(rows, 40));
        weights(&g, "w", 40, DIMS(40, 30));
        weights(&g, "b", 1, DIMS(30));
        op(&g, "MatMul", "x w", "h");
        op(&g, "Add", "h b", "i");
        op(&g, "Tanh", "i", "y");
        output(&g, "y");
        expect_all(g, 13, "MatMul, Add, Tanh");
    }
}

static struct maker gemm_graph(int turn_a, int turn_b, int64_t rows, int c_rank,
                               const int64_t *c, bool constant)
{
    const int64_t a[2][2] = {{rows, 24}, {24, rows}}, b[2][2] = {{24, 18}, {18, 24}};
    struct maker g = {0}, node = make_node("Gemm", "", c_rank < 0 ? "x w" : "x w c", "y");

    input(&g, "x", 2, a[turn_a]);
    if (constant)
        weights(&g, "w", 24, 2, b[turn_b]);
    else
        input(&g, "w", 2, b[turn_b]);
    if (c_rank >= 0)
        floats(&g, "c", NAN, c_rank, c);
    node = with_int(with_int(node, "transA", turn_a), "transB", turn_b);
    if (constant)
        node = with_float(with_float(node, "alpha", 0.5f), "beta", 2.0f);
    add(&g, node);
    output(&g, "y");
    return g;
}

static void gemm_agrees_however_it_is_turned(void **state)
{
    (void)state;
    need_gpu();
    for (int turns = 0; turns < 4; turns++)
        for (int constant = 0; constant < 2; constant++)
            for (int64_t rows = 1; rows <= 13; rows += 6) {
                const int64_t c[3][2] = {{18}, {rows, 1}, {rows, 18}};
                for (int rank = -1; rank <= 2; rank++)
                    expect_all(gemm_graph(turns & 1, turns >> 1, rows, rank,
                                          rank == 2 ? c[1] : c[0], constant),
                               13, "Gemm");
                expect_all(gemm_graph(turns & 1, turns >> 1, rows, 2, c[2], constant), 13,
                           "Gemm with a bias of all");
            }
}

/* ---- recurrent layers
 * ------------------------------------------------------------------------------- */

static struct maker rnn_graph(const char *name, const char *direction, int64_t steps,
                              int64_t batch, bool states, int linear)
{
    const int64_t d = strcmp(direction, "bidirectional") == 0 ? 2 : 1, units = 21, inputs = 10;
    const int64_t gates = strcmp(name, "LSTM") == 0 ? 4 : 3;
    const bool lstm = gates == 4;
    struct maker g = {0};

    input(&g, "x", DIMS(steps, batch, inputs));
    weights(&g, "w", 10, DIMS(d, gates * units, inputs));
    weights(&g, "r", 21, DIMS(d, gates * units, units));
    weights(&g, "b", 3, DIMS(d, 2 * gates * units));
    if (states)
        input(&g, "h", DIMS(d, batch, units));
    if (states && lstm)
        input(&g, "c", DIMS(d, batch, units));
    struct maker node = make_node(name, "",
                                  !states ? "x w r b"
                                  : lstm  ? "x w r b - h c"
                                          : "x w r b - h",
                                  lstm ? "y yh yc" : "y yh");
    node = with_int(with_text(node, "direction", direction), "hidden_size", units);
    add(&g, linear ? with_int(node, "linear_before_reset", 1) : node);
    output(&g, "y");
    output(&g, "yh");
    if (lstm)
        output(&g, "yc");
    return g;
}

static void recurrent_layers_agree(void **state)
{
    static const char *const directions[] = {"forward", "reverse", "bidirectional"};

    (void)state;
    need_gpu();
    for (int d = 0; d < 3; d++)
        for (int64_t steps = 1; steps <= 7; steps += 3)
            for (int states = 0; states < 2; states++) {
                const int64_t batch = 1 + (steps + d) % 3;
                expect_all(rnn_graph("LSTM", directions[d], steps, batch, states, 0), 14,
                           "LSTM");
                expect_all(rnn_graph("GRU", directions[d], steps, batch, states, 0), 14, "GRU");
                expect_all(rnn_graph("GRU", directions[d], steps, batch, states, 1), 14,
                           "GRU, linear");
            }
}

/* ---- rows
 * --------------------------------------------------------------------------------------------
 */

static void softmax_and_reductions_agree(void **state)
{
    static const char *const reductions[] = {"ReduceMean",     "ReduceMax", "ReduceMin",
                                             "ReduceProd",     "ReduceL1",  "ReduceL2",
                                             "ReduceSumSquare"};
    static const int64_t axes[][2] = {{0, 0}, {-1, -1}, {1, 2}, {2, 3}};

    (void)state;
    need_gpu();
    for (int axis = 0; axis < 3; axis++)
        for (int opset = 11; opset <= 13; opset += 2) {
            expect_all(one_node(DIMS(3, 70, 5),
                                with_int(make_node("Softmax", "", "x", "y"), "axis", axis)),
                       opset, "Softmax");
            expect_all(one_node(DIMS(3, 70, 5),
                                with_int(make_node("LogSoftmax", "", "x", "y"), "axis", axis)),
                       opset, "LogSoftmax");
        }
    for (size_t i = 0; i < sizeof(reductions) / sizeof(reductions[0]); i++)
        for (int a = 0; a < 4; a++) {
            struct maker node = with_ints(make_node(reductions[i], "", "x", "y"), "axes",
                                          axes[a][0] == axes[a][1] ? 1 : 2, axes[a]);
            expect_all(one_node(DIMS(2, 3, 80, 5), with_int(node, "keepdims", a % 2)), 13,
                       reductions[i]);
        }
    expect_all(one_node(DIMS(2, 3, 80), make_node("ReduceMean", "", "x", "y")), 13, "all axes");
    struct maker g = {0};
    input(&g, "x", DIMS(2, 70, 3));
    ints(&g, "axes", 1, (const int64_t[]){1});
    op(&g, "ReduceSum", "x axes", "y");
    output(&g, "y");
    expect_all(g, 13, "ReduceSum");
}

static void normalisations_agree(void **state)
{
    struct maker g = {0};

    (void)state;
    need_gpu();
    input(&g, "x", DIMS(2, 6, 9, 7));
    floats(&g, "s", NAN, DIMS(6));
    floats(&g, "b", NAN, DIMS(6));
    floats(&g, "m", NAN, DIMS(6));
    floats(&g, "v", 0.7f, DIMS(6));
    floats(&g, "ls", NAN, DIMS(9, 7));
    floats(&g, "lb", NAN, DIMS(9, 7));
    op(&g, "BatchNormalization", "x s b m v", "a");
    op(&g, "Relu", "a", "aa");
    op(&g, "InstanceNormalization", "x s b", "c");
    add(&g, with_int(make_node("LayerNormalization", "", "x ls lb", "d"), "axis", 2));
    add(&g, with_int(make_node("LayerNormalization", "", "x ls", "e"), "axis", -2));
    struct maker lrn = with_int(make_node("LRN", "", "x", "f"), "size", 5);
    add(&g, with_float(with_float(lrn, "alpha", 0.5f), "bias", 2.0f));
    add(&g, with_int(make_node("LRN", "", "x", "h"), "size", 2));
    output(&g, "aa");
    for (const char *o = "cdefh"; *o; o++)
        output(&g, (const char[]){*o, 0});
    expect_all(g, 17, "normalisations");
}

/* ---- movers
 * --------------------------------------------------------------------------------------------
 */

static void movers_agree(void **state)
{
    const float padding = 3.5f;
    struct maker g = {0};

    (void)state;
    need_gpu();
    input(&g, "x", DIMS(2, 4, 6, 5));
    input(&g, "u", DIMS(2, 4, 6, 2));
    put_message(&g, GRAPH_INITIALISER, make_tensor("p", 1, 0, NULL, &padding, sizeof(padding)));
    ints(&g, "one", 1, (const int64_t[]){1});
    ints(&g, "starts", 2, (const int64_t[]){5, 1});
    ints(&g, "ends", 2, (const int64_t[]){-100, 4});
    ints(&g, "axes", 2, (const int64_t[]){2, 3});
    ints(&g, "steps", 2, (const int64_t[]){-2, 2});
    ints(&g, "pads", 8, (const int64_t[]){0, 1, 2, 0, 1, 0, 1, 3});
    ints(&g, "around", 8, (const int64_t[]){0, 0, 2, 1, 0, 0, 1, 2});
    ints(&g, "pick", 3, (const int64_t[]){3, 0, 3});
    ints(&g, "wide", 5, (const int64_t[]){3, 2, 4, 6, 5});
    ints(&g, "twice", 4, (const int64_t[]){1, 2, 1, 3});
    ints(&g, "halves", 2, (const int64_t[]){1, 3});
    ints(&g, "flat", 1, (const int64_t[]){-1});
    add(&g, with_ints(make_node("Transpose", "", "x", "a"), "perm", 4,
                      (const int64_t[]){2, 0, 3, 1}));
    op(&g, "Slice", "x starts ends axes steps", "b");
    op(&g, "Pad", "x pads p", "c");
    add(&g, with_text(make_node("Pad", "", "x around", "d"), "mode", "reflect"));
    add(&g, with_int(make_node("Concat", "", "x u x", "e"), "axis", 3));
    add(&g, with_int(make_node("Concat", "", "x x", "f"), "axis", 0));
    add(&g, with_int(make_node("Gather", "", "x pick", "h"), "axis", 1));
    op(&g, "Expand", "x wide", "i");
    op(&g, "Tile", "x twice", "j");
    add(&g, with_int(make_node("Split", "", "x halves", "k l"), "axis", 1));
    add(&g, with_int(make_node("DepthToSpace", "", "x", "m"), "blocksize", 2));
    op(&g, "Reshape", "x flat", "n");
    for (const char *o = "abcdefhijklmn"; *o; o++)
        output(&g, (const char[]){*o, 0});
    expect_all(g, 13, "movers");
}

static void resizes_agree(void **state)
{
    static const char *const transforms[] = {"half_pixel", "pytorch_half_pixel",
                                             "align_corners", "asymmetric"};
    static const float scales[][4] = {{1, 1, 2, 3}, {1, 1, 0.6f, 1.7f}, {1, 1, 1, 0.4f}};

    (void)state;
    need_gpu();
    for (int t = 0; t < 4; t++)
        for (int s = 0; s < 3; s++)
            for (int linear = 0; linear < 2; linear++) {
                struct maker g = {0}, node = make_node("Resize", "", "x - s", "y");
                input(&g, "x", DIMS(2, 3, 8, 7));
                g = floats_of(g, "s", 4, scales[s]);
                node = with_text(node, "coordinate_transformation_mode", transforms[t]);
                add(&g, with_text(node, "mode", linear ? "linear" : "nearest"));
                output(&g, "y");
                expect_all(g, 13, transforms[t]);
            }
}

/* ---- two sides
 * -------------------------------------------------------------------------------------------
 */

/* Values that both sides read, views of them on both sides, outputs given twice, and results
 * that the host would write over what is still to be uploaded. */
static void values_cross_between_the_sides(void **state)
{
    struct maker m = {0};

    (void)state;
    need_gpu();
    input(&m, "x", DIMS(4, 30));
    ints(&m, "as", 2, (const int64_t[]){30, 4});
    ints(&m, "first", 1, (const int64_t[]){1});
    ints(&m, "last", 1, (const int64_t[]){3});
    op(&m, "Sigmoid", "x", "a");
    op(&m, "Reshape", "a as", "b");
    op(&m, "Relu", "a", "c");
    op(&m, "Tanh", "b", "d");
    op(&m, "Slice", "c first last", "e");
    op(&m, "Neg", "e", "f");
    op(&m, "Exp", "c", "h");
    op(&m, "Reshape", "h as", "i");
    op(&m, "Mul", "i d", "j");
    op(&m, "Softplus", "i", "k");
    op(&m, "Add", "j k", "l");
    op(&m, "Reshape", "x as", "n");
    op(&m, "Sub", "l n", "o");
    op(&m, "Identity", "o", "p");
    for (const char *o = "bfjop"; *o; o++)
        output(&m, (const char[]){*o, 0});
    struct spacc_graph *g = graph_of(m, 13);
    struct example x = example_of(g);
    for (uint32_t seed = 0; seed < 60; seed++) {
        struct placing some = {.seed = seed, .one_in = 2 + seed % 2};
        char what[64];
        snprintf(what, sizeof(what), "seed %u, one in %u", seed, some.one_in);
        run_placed(g, &x, &some, what);
    }
    example_free(&x);
    spacc_graph_free(g);
}

/* A sequence of element-wise nodes, each reading any two values before it. */
static void random_graphs_agree(void **state)
{
    static const char *const ops[] = {"Add", "Mul", "Sub", "Max", "Min"};

    (void)state;
    need_gpu();
    for (uint32_t seed = 1; seed <= 20; seed++) {
        struct maker m = {0};
        clean_seed = seed;
        input(&m, "v0", DIMS(3, 20));
        for (int n = 1; n < 16; n++) {
            char in[32], out[16];
            snprintf(in, sizeof(in), "v%u v%u", clean_random((uint32_t)n),
                     clean_random((uint32_t)n));
            snprintf(out, sizeof(out), "v%d", n);
            if (clean_random(4) == 0)
                *strchr(in, ' ') = '\0', op(&m, "Tanh", in, out);
            else
                op(&m, ops[clean_random(5)], in, out);
        }
        output(&m, "v15");
        output(&m, "v9");
        struct spacc_graph *g = graph_of(m, 13);
        struct example x = example_of(g);
        char what[64];
        snprintf(what, sizeof(what), "random graph %u", seed);
        for (uint32_t s = 0; s < 4; s++) {
            struct placing some = {.seed = seed * 4 + s, .one_in = 1 + s};
            run_placed(g, &x, &some, what);
        }
        example_free(&x);
        spacc_graph_free(g);
    }
}

/* A pair of engines would run one after the other; their steps say where and how long. */
static void steps_have_times_and_slices(void **state)
{
    struct spacc_error err = {.text = ""};
    struct spacc_timeline *t;
    struct maker m = {0};
    struct spacc_engine *e;

    (void)state;
    need_gpu();
    input(&m, "x", DIMS(64, 64));
    weights(&m, "w", 64, DIMS(64, 64));
    op(&m, "MatMul", "x w", "a");
    op(&m, "Softmax", "a", "y");
    output(&m, "y");
    struct spacc_graph *g = graph_of(m, 13);
    struct example x = example_of(g);
    struct placing p = {.one_in = 1};
    assert_int_equal(spacc_timeline_new(&t, 100, &err), SPACC_OK);
    assert_int_equal(spacc_graph_bind(&p.shape, g, inputs_of(&x), &err), SPACC_OK);
    const struct spacc_engine_options options = {
        .gpu = test_gpu, .on_gpu = place_on_gpu, .user = &p, .timeline = t};
    assert_int_equal(spacc_engine_new(&e, g, inputs_of(&x), &options, &err), SPACC_OK);
    spacc_binding_free(p.shape);
    const double before = spacc_now_us();
    run_twice(e, g, &x, "with a time line");
    const double after = spacc_now_us();
    double last = 0.0;
    size_t slices = 0;
    const char *const works[] = {NULL, "gpu product gemm", "gpu rows softmax", NULL};
    assert_int_equal(spacc_engine_steps(e), 4);
    for (size_t i = 0; i < 4; i++) {
        const struct spacc_engine_step s = spacc_engine_step(e, i);
        assert_true(s.on_gpu && s.us > 0.0);
        assert_int_equal(s.has_work, works[i] != NULL);
        if (s.has_work)
            assert_string_equal(s.work.kernel, works[i]);
    }
    assert_true(spacc_engine_step(e, 1).work.macs == 64.0 * 64.0 * 64.0);
    for (size_t i = 0; i < spacc_timeline_slices(t); i++) {
        const struct spacc_slice s = spacc_timeline_slice(t, i);
        if (strcmp(spacc_timeline_track_name(t, s.track), "gpu queue") != 0)
            continue;
        if (slices == spacc_engine_steps(e))
            last = 0.0; /* the clocks meet anew in every run */
        assert_true(s.start_us >= last && s.start_us <= s.end_us);
        assert_true(s.start_us > before - 1e6 && s.end_us < after + 1e6); /* the same clock */
        last = s.end_us;
        slices++;
    }
    assert_int_equal(slices, 2 * spacc_engine_steps(e));
    spacc_engine_free(e);
    spacc_timeline_free(t);
    example_free(&x);
    spacc_graph_free(g);
}

/* ---- faults
 * ------------------------------------------------------------------------------------------------
 */

static void a_failing_device_is_an_error_that_names_it(void **state)
{
    struct spacc_tensor *got[CLEAN_TENSORS_MAX];
    struct spacc_error err = {.text = ""};
    struct spacc_gpu *gpu = need_gpu();
    struct placing p = {.one_in = 1};
    struct maker m = {0};
    struct spacc_engine *e;
    size_t n = 0;

    (void)state;
    input(&m, "x", DIMS(4, 100));
    weights(&m, "w", 100, DIMS(100, 50));
    op(&m, "MatMul", "x w", "a");
    op(&m, "Softmax", "a", "b");
    op(&m, "Tanh", "b", "y");
    output(&m, "y");
    struct spacc_graph *g = graph_of(m, 13);
    struct example x = example_of(g);
    const unsigned before = gpu_objects();
    assert_int_equal(engine_on_gpu(&e, g, inputs_of(&x), &p, &err), SPACC_OK);
    const unsigned with_engine = gpu_objects();
    assert_true(with_engine > before || !SPACC_OPENCL); /* memory for values, weights */
    for (;;) {
        spacc_gpu_fail_at(gpu, ++n);
        const enum spacc_status s = spacc_engine_run(e, inputs_of(&x), got, NULL, &err);
        if (s == SPACC_OK)
            break;
        assert_int_equal(s, SPACC_EDEVICE);
        assert_null(got[0]);
        assert_non_null(strstr(err.text, "g.onnx: node "));
        assert_non_null(strstr(err.text, spacc_gpu_info(gpu)->name));
        assert_int_equal(spacc_engine_run(e, inputs_of(&x), got, NULL, &err), SPACC_EDEVICE);
    }
    spacc_tensor_free(got[0]);
    assert_int_equal(n, 6); /* up, three nodes, down: five commands */
    assert_int_equal(gpu_objects(), with_engine);
    spacc_gpu_fail_at(gpu, 0);
    run_twice(e, g, &x, "after faults");
    spacc_gpu_fail_at(gpu, 1);
    struct spacc_link link;
    assert_int_equal(spacc_gpu_measure(gpu, &link, &err), SPACC_EDEVICE);
    spacc_gpu_fail_at(gpu, 0);
    spacc_engine_free(e);
    assert_int_equal(gpu_objects(), before);
    example_free(&x);
    spacc_graph_free(g);
}

static bool always(void *user, const struct spacc_graph *g, int node)
{
    (void)user, (void)g, (void)node;
    return true;
}

static void what_cannot_run_there_is_refused_by_name(void **state)
{
    const struct spacc_engine_options options = {.gpu = need_gpu(), .on_gpu = always};
    struct spacc_error err = {.text = ""};
    struct spacc_engine *e;
    struct maker m = {0};

    (void)state;
    input(&m, "x", DIMS(4, 100));
    add(&m, make_node("CumSum", "sums", "x axis", "y"));
    put_message(&m, GRAPH_INITIALISER, make_ints("axis", 1, (const int64_t[]){1}));
    output(&m, "y");
    struct spacc_graph *g = graph_of(m, 13);
    struct example x = example_of(g);
    assert_int_equal(spacc_engine_new(&e, g, inputs_of(&x), &options, &err),
                     SPACC_EUNSUPPORTED);
    assert_null(e);
    assert_string_equal(err.text, "g.onnx: node sums (CumSum) cannot run on GPU 0.0: the GPU "
                                  "has no kernel for this operator");
    example_free(&x);
    spacc_graph_free(g);
}

static void devices_are_found_by_name(void **state)
{
    struct spacc_gpu_info info;
    struct spacc_error err = {.text = ""};
    struct spacc_link l;
    struct spacc_gpu *gpu = need_gpu(), *other;

    (void)state;
    assert_true(spacc_gpu_list(&info, 1) >= 1);
    assert_string_equal(info.which, spacc_gpu_info(gpu)->which);
    assert_true(info.name[0] && info.platform[0] && info.units > 0 && info.memory_bytes > 0);
    assert_int_equal(spacc_gpu_open(&other, "77.1", &err), SPACC_EUNSUPPORTED);
    assert_null(other);
    assert_non_null(strstr(err.text, "77.1"));
    assert_non_null(strstr(err.text, info.which));
    assert_int_equal(spacc_gpu_measure(gpu, &l, &err), SPACC_OK);
    printf("%s: launch %.1f us, sync %.1f us, to %.1f us + %.0f bytes/us, from %.1f us + %.0f "
           "bytes/us, %.0f macs/us, %.0f bytes/us\n",
           info.name, l.launch_us, l.sync_us, l.to_us, l.to_bytes_per_us, l.from_us,
           l.from_bytes_per_us, l.peak_macs_per_us, l.peak_bytes_per_us);
    assert_true(l.launch_us > 0.0 && l.sync_us >= 0.0 && l.to_us >= 0.0 && l.from_us >= 0.0);
    assert_true(l.to_bytes_per_us > 0.0 && l.from_bytes_per_us > 0.0);
    assert_true(l.peak_macs_per_us > 0.0 && l.peak_bytes_per_us > 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_agree),
        cmocka_unit_test(operands_are_broadcast),
        cmocka_unit_test(convolutions_agree),
        cmocka_unit_test(transposed_convolutions_agree),
        cmocka_unit_test(what_follows_a_convolution_joins_it),
        cmocka_unit_test(pools_agree),
        cmocka_unit_test(products_agree),
        cmocka_unit_test(gemm_agrees_however_it_is_turned),
        cmocka_unit_test(recurrent_layers_agree),
        cmocka_unit_test(softmax_and_reductions_agree),
        cmocka_unit_test(normalisations_agree),
        cmocka_unit_test(movers_agree),
        cmocka_unit_test(resizes_agree),
        cmocka_unit_test(values_cross_between_the_sides),
        cmocka_unit_test(random_graphs_agree),
        cmocka_unit_test(steps_have_times_and_slices),
        cmocka_unit_test(a_failing_device_is_an_error_that_names_it),
        cmocka_unit_test(what_cannot_run_there_is_refused_by_name),
        cmocka_unit_test(devices_are_found_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, close_gpu);
}
