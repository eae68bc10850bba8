/* The engine against the reference on graphs that are made for its seams: nodes that run
 * joined, results in the place of another, views of views, values that are given out twice. */
#include "scheduler/pool.h"
#include "tests/engine_maker.h"

/* ---- one graph ------------------------------------------------------------------------- */

/* What is in a graph and who runs it, before a test fails. */
static void print_graph(const struct spacc_engine *e, const struct spacc_graph *g)
{
    for (int n = 0; n < g->nodes; n++) {
        const struct spacc_node *node = &g->node[n];
        const struct spacc_engine_node d = spacc_engine_describe(e, n);
        printf("%3d %-10s %-9s %3d ", n, node->op->name, d.kernel, d.joined);
        for (int i = 0; i < node->inputs; i++)
            printf(" %s", node->input[i] < 0 ? "-" : g->value[node->input[i]].name);
        printf(" ->");
        for (int o = 0; o < node->outputs; o++)
            printf(" %s", node->output[o] < 0 ? "-" : g->value[node->output[o]].name);
        printf("\n");
    }
}

static void expect_outputs(const struct spacc_engine *e, const struct spacc_graph *g,
                           const struct example *x, struct spacc_tensor *const *got,
                           const char *what)
{
    bool same = true;

    for (int o = 0; o < g->outputs; o++)
        if (!is_close(got[o], x->want[o])) {
            printf("%s: output %d (%s) differs\n", what, o, g->value[g->output[o]].name);
            same = false;
        }
    for (int i = 0; i < g->inputs; i++)
        if (!same_bits(x->in[i], x->before[i])) {
            printf("%s: input %d was written to\n", what, i);
            same = false;
        }
    if (same)
        return;
    print_graph(e, g);
    fail_msg("%s", what);
}

static void run_twice(struct spacc_engine *e, const struct spacc_graph *g,
                      const struct example *x, const char *what)
{
    struct spacc_tensor *got[CLEAN_TENSORS_MAX] = {NULL};
    struct spacc_error err = {.text = ""};

    if (spacc_engine_run(e, inputs_of(x), got, NULL, &err))
        fail_msg("%s: %s", what, err.text);
    expect_outputs(e, g, x, got, what);
    struct spacc_tensor *first[CLEAN_TENSORS_MAX];
    for (int o = 0; o < g->outputs; o++) {
        assert_int_equal(spacc_tensor_copy(&first[o], got[o]), SPACC_OK);
        memset(got[o]->data, 0x55, got[o]->count * spacc_dtype_bytes(got[o]->dtype));
    }
    if (spacc_engine_run_into(e, inputs_of(x), got, NULL, &err))
        fail_msg("%s: %s", what, err.text);
    for (int o = 0; o < g->outputs; o++) {
        if (!same_bits(got[o], first[o]))
            fail_msg("%s: output %d has other bits the second time", what, o);
        spacc_tensor_free(first[o]);
        spacc_tensor_free(got[o]);
    }
}

static void run_engine(const struct spacc_graph *g, const struct example *x, int parts,
                       const char *what)
{
    struct spacc_error err = {.text = ""};
    struct spacc_pool *pool;
    struct spacc_engine *e;

    if (spacc_pool_new(&pool, parts, &err))
        fail_msg("%s", err.text);
    const struct spacc_parallel p = spacc_pool_parallel(pool);
    const struct spacc_engine_options options = {.parallel = &p, .cpu = spacc_cpu_features()};
    if (spacc_engine_new(&e, g, inputs_of(x), &options, &err))
        fail_msg("%s: %s", what, err.text);
    run_twice(e, g, x, what);
    spacc_engine_free(e);
    spacc_pool_free(pool);
}

/* Takes `graph` over. As written, and cleaned. */
static void expect_reference(struct maker graph, const char *what)
{
    struct both b = both_of(graph, 13);
    struct example x = example_of(b.plain);

    run_engine(b.plain, &x, 1, what);
    run_engine(b.plain, &x, 3, what);
    run_engine(b.clean, &x, 1, what);
    example_free(&x);
    both_free(&b);
}

/* ---- hand-made seams --------------------------------------------------------------------- */

static struct maker conv_node(const char *in, const char *out, int64_t pad)
{
    const int64_t pads[] = {pad, pad, pad, pad};

    return with_ints(make_node("Conv", "", in, out), "pads", 4, pads);
}

static void put_alpha(struct maker *g, const char *name, float alpha, const char *in,
                      const char *out)
{
    struct maker node = make_node(name, "", in, out), a = {0};

    put_text(&a, ATTR_NAME, "alpha");
    put_float(&a, ATTR_F, alpha);
    put_int(&a, ATTR_TYPE, 1);
    if (alpha == 0.0f)
        free(a.bytes);
    else
        put_message(&node, NODE_ATTR, a);
    add(g, node);
}

/* x [1][16][6][6] and weights that keep the shape. */
static struct maker start(void)
{
    struct maker g = {0};

    input(&g, "x", DIMS(1, 16, 6, 6));
    weights(&g, "w", 144, DIMS(16, 16, 3, 3));
    weights(&g, "v", 16, DIMS(16, 16, 1, 1));
    weights(&g, "b", 1, DIMS(16));
    return g;
}

/* Two of one kind with parameters of their own, which oneDNN 2.6 takes for one another. */
static void two_activations_follow_a_convolution(void **state)
{
    static const struct {
        const char *op[2];
        float alpha[2]; /* 0: none */
    } pairs[] = {{{"LeakyRelu", "LeakyRelu"}, {0.5f, 0.3f}},
                 {{"LeakyRelu", "Relu"}, {0.5f, 0.0f}},
                 {{"Elu", "Elu"}, {0.5f, 2.0f}},
                 {{"Elu", "LeakyRelu"}, {2.0f, 0.3f}},
                 {{"Tanh", "Sigmoid"}, {0.0f, 0.0f}}};

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct maker g = start();
        add(&g, conv_node("x w b", "a", 1));
        put_alpha(&g, pairs[i].op[0], pairs[i].alpha[0], "a", "c");
        put_alpha(&g, pairs[i].op[1], pairs[i].alpha[1], "c", "y");
        output(&g, "y");
        expect_reference(g, pairs[i].op[1]);
    }
}

static void two_clips_follow_a_convolution(void **state)
{
    struct maker g = start();

    (void)state;
    floats(&g, "p", -0.3f, 0, NULL);
    floats(&g, "q", 0.4f, 0, NULL);
    floats(&g, "r", 0.1f, 0, NULL);
    add(&g, conv_node("x w b", "a", 1));
    op(&g, "Clip", "a p q", "c");
    op(&g, "Clip", "c r", "y");
    output(&g, "y");
    expect_reference(g, "two clips");
}

static void both_sides_of_a_sum_are_convolutions(void **state)
{
    struct maker g = start();

    (void)state;
    add(&g, conv_node("x w b", "a", 1));
    add(&g, conv_node("x v", "c", 0));
    op(&g, "Add", "a c", "s");
    op(&g, "Relu", "s", "y");
    output(&g, "y");
    expect_reference(g, "sum of convolutions");
}

static void a_branch_of_a_sum_is_read_again(void **state)
{
    struct maker g = start();

    (void)state;
    add(&g, conv_node("x w b", "a", 1));
    add(&g, conv_node("x v", "c", 0));
    op(&g, "Add", "c a", "s");
    op(&g, "Relu", "s", "y");
    op(&g, "Mul", "a y", "z"); /* a may not be summed over */
    output(&g, "z");
    expect_reference(g, "branch read again");
}

static void a_convolution_is_added_to_its_own_input(void **state)
{
    struct maker g = start();

    (void)state;
    add(&g, conv_node("x w", "a", 1));
    op(&g, "Relu", "a", "r");
    add(&g, conv_node("r w b", "c", 1));
    op(&g, "Sum", "c r", "s"); /* r is both operand and input */
    add(&g, conv_node("x w", "d", 1));
    op(&g, "Add", "d x", "t"); /* x is the caller's */
    output(&g, "s");
    output(&g, "t");
    expect_reference(g, "added to its input");
}

static void one_value_is_both_inputs(void **state)
{
    struct maker g = start();

    (void)state;
    add(&g, conv_node("x w b", "a", 1));
    op(&g, "Add", "a a", "s");
    op(&g, "Mul", "s s", "m");
    add(&g, with_int(make_node("Concat", "", "m m", "c"), "axis", 1));
    op(&g, "Sub", "x x", "z");
    output(&g, "c");
    output(&g, "z");
    expect_reference(g, "one value twice");
}

static void slices_of_a_concat_are_read_elsewhere(void **state)
{
    struct maker g = start();

    (void)state;
    add(&g, conv_node("x w b", "a", 1));
    add(&g, conv_node("x v", "c", 0));
    op(&g, "Relu", "c", "d");
    add(&g, with_int(make_node("Concat", "", "a d x", "all"), "axis", 1));
    op(&g, "Relu", "all", "y");
    add(&g, with_int(make_node("Split", "", "all", "p q r"), "axis", 1));
    op(&g, "Add", "p r", "z");
    output(&g, "y");
    output(&g, "z");
    output(&g, "d"); /* also a slice */
    expect_reference(g, "slices of a concat");
}

static void slices_of_a_concat_are_of_several_sizes(void **state)
{
    struct maker g = start();

    (void)state;
    weights(&g, "w32", 144, DIMS(32, 16, 3, 3));
    weights(&g, "w48", 16, DIMS(48, 16, 1, 1));
    weights(&g, "last", 112, DIMS(16, 112, 1, 1));
    add(&g, conv_node("x w32", "a", 1));
    add(&g, conv_node("x w b", "c", 1));
    add(&g, conv_node("x w48", "d", 0));
    op(&g, "Relu", "d", "e");
    op(&g, "Add", "x x", "f"); /* copied in */
    add(&g, with_int(make_node("Concat", "", "a c e f", "all"), "axis", 1));
    add(&g, conv_node("all last", "y", 0));
    op(&g, "Relu", "all", "z");
    output(&g, "y");
    output(&g, "z");
    expect_reference(g, "slices of several sizes");
}

/* Chains of results in place whose first operand somebody reads at the end. */
static void an_operand_of_a_chain_is_read_later(void **state)
{
    struct maker g = {0};

    (void)state;
    input(&g, "x", DIMS(3, 5));
    op(&g, "Tanh", "x", "a");
    op(&g, "Relu", "a", "b");
    op(&g, "Neg", "b", "c");
    op(&g, "Add", "c a", "d");
    op(&g, "Abs", "d", "e");
    op(&g, "Mul", "e b", "y");
    output(&g, "y");
    expect_reference(g, "operand read later");
}

static void views_of_views_keep_their_place(void **state)
{
    struct maker g = {0};

    (void)state;
    input(&g, "x", DIMS(4, 6));
    ints(&g, "flat", 1, (const int64_t[]){24});
    ints(&g, "square", 2, (const int64_t[]){3, 4});
    op(&g, "Tanh", "x", "t");
    op(&g, "Reshape", "t flat", "v");
    add(&g, with_int(make_node("Split", "", "v", "lo hi"), "axis", 0));
    op(&g, "Reshape", "hi square", "h");
    op(&g, "Relu", "h", "r"); /* may not be written over t: lo is given out */
    add(&g, with_int(make_node("Split", "", "h", "h0 h1 h2"), "axis", 0));
    op(&g, "Add", "h2 h0", "z");
    output(&g, "r");
    output(&g, "lo");
    output(&g, "z");
    output(&g, "h1");
    expect_reference(g, "views of views");
}

static void inputs_constants_and_twins_are_given_out(void **state)
{
    struct maker g = {0};

    (void)state;
    input(&g, "x", DIMS(2, 3));
    floats(&g, "k", NAN, DIMS(2, 3));
    op(&g, "Identity", "x", "same");
    op(&g, "Identity", "k", "const");
    op(&g, "Sqrt", "k2", "root");
    floats(&g, "k2", 4.0f, DIMS(3));
    op(&g, "Relu", "x", "r");
    op(&g, "Identity", "r", "r1");
    op(&g, "Identity", "r1", "r2");
    op(&g, "Neg", "r2", "n");
    output(&g, "same");
    output(&g, "const");
    output(&g, "root");
    output(&g, "r");
    output(&g, "r1");
    output(&g, "r2");
    output(&g, "n");
    expect_reference(g, "given out");
}

static void a_batch_and_three_axes_are_convolved(void **state)
{
    struct maker g = {0};
    static const int64_t pads[] = {1, 0, 2, 0, 1, 0}, strides[] = {2, 1, 1};

    (void)state;
    input(&g, "x", DIMS(2, 4, 5, 6, 7));
    weights(&g, "w", 36, DIMS(6, 2, 3, 2, 3));
    input(&g, "u", DIMS(6, 2, 3, 2, 3)); /* weights made outside */
    add(&g, with_ints(with_ints(with_int(make_node("Conv", "", "x w", "y"), "group", 2), "pads",
                                6, pads),
                      "strides", 3, strides));
    add(&g, with_ints(with_ints(with_int(make_node("Conv", "", "x u", "z"), "group", 2), "pads",
                                6, pads),
                      "strides", 3, strides));
    output(&g, "y");
    output(&g, "z");
    expect_reference(g, "three axes");
}

/* More pixels than one panel of conv.c, the last one short; weights made outside. */
static void an_image_of_several_panels_is_convolved(void **state)
{
    struct maker g = {0};

    (void)state;
    input(&g, "x", DIMS(2, 6, 37, 41));
    input(&g, "w", DIMS(9, 6, 3, 3));
    input(&g, "v", DIMS(5, 6, 1, 1));
    input(&g, "b", DIMS(9));
    add(&g, conv_node("x w b", "c", 1));
    op(&g, "Relu", "c", "y");
    add(&g, conv_node("x v", "z", 0));
    output(&g, "y");
    output(&g, "z");
    expect_reference(g, "several panels");
}

/* ---- random convolutions and pools ----------------------------------------------------- */

static int64_t between(int64_t low, int64_t high)
{
    return low + (int64_t)clean_random((uint32_t)(high - low + 1));
}

struct geometry {
    int64_t kernel[3], pads[6], strides[3], dilations[3], size[3];
};

/* Windows over `axes` axes with at least one output. */
static struct geometry random_geometry(int axes, bool dilated, bool pool)
{
    struct geometry w;

    for (int i = 0; i < axes; i++) {
        w.kernel[i] = between(1, 4);
        w.strides[i] = between(1, 3);
        w.dilations[i] = dilated ? between(1, 3) : 1;
        w.pads[i] = between(0, pool ? w.kernel[i] - 1 : 4);
        w.pads[axes + i] = between(0, pool ? w.kernel[i] - 1 : 4);
        w.size[i] = between(1, 4) + (w.kernel[i] - 1) * w.dilations[i] + between(0, 20) / 3;
    }
    return w;
}

static struct maker with_geometry(struct maker node, const struct geometry *w, int axes,
                                  bool dilated)
{
    node = with_ints(node, "kernel_shape", axes, w->kernel);
    node = with_ints(node, "strides", axes, w->strides);
    if (dilated)
        node = with_ints(node, "dilations", axes, w->dilations);
    if (clean_random(4) == 0)
        return with_text(node, "auto_pad", clean_random(2) ? "SAME_UPPER" : "SAME_LOWER");
    return with_ints(node, "pads", 2 * axes, w->pads);
}

static const char *put_activation(struct maker *g, const char *in)
{
    static const char *const names[] = {"Relu", "Sigmoid", "LeakyRelu", "Tanh"};

    if (clean_random(3) == 0)
        return in;
    if (clean_random(4) == 0) {
        floats(g, "low", -0.25f, 0, NULL);
        floats(g, "high", 0.5f, 0, NULL);
        op(g, "Clip", clean_random(2) ? "c low high" : "c - high", "act");
    } else {
        add(g, make_node(names[clean_random(4)], "", in, "act"));
    }
    return "act";
}

static void random_convolutions_give_what_the_reference_gives(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 300; seed++) {
        struct maker g = {0};
        char what[64];
        clean_seed = seed * 7919u;
        const int axes = (int)between(1, 3);
        const bool fixed = clean_random(2), biased = clean_random(2);
        const int64_t groups = between(1, 4), per_group = between(1, 6);
        const int64_t filters = groups * between(1, 9);
        const struct geometry w = random_geometry(axes, true, false);
        int64_t x[5] = {between(1, 2), groups * per_group}, k[5] = {filters, per_group};
        memcpy(x + 2, w.size, (size_t)axes * sizeof(*x));
        memcpy(k + 2, w.kernel, (size_t)axes * sizeof(*k));
        input(&g, "x", axes + 2, x);
        if (fixed)
            weights(&g, "w", (size_t)per_group * 9, axes + 2, k);
        else
            input(&g, "w", axes + 2, k);
        if (biased && fixed)
            weights(&g, "b", 1, 1, &filters);
        else if (biased)
            input(&g, "b", 1, &filters);
        struct maker node = make_node("Conv", "", biased ? "x w b" : "x w", "c");
        node = with_int(node, "group", groups);
        add(&g, with_geometry(node, &w, axes, true));
        output(&g, put_activation(&g, "c"));
        snprintf(what, sizeof(what), "convolution, seed %u", seed);
        expect_reference(g, what);
    }
}

static void random_pools_give_what_the_reference_gives(void **state)
{
    static const char *const names[] = {"MaxPool", "AveragePool", "GlobalMaxPool",
                                        "GlobalAveragePool"};

    (void)state;
    for (uint32_t seed = 1; seed <= 300; seed++) {
        struct maker g = {0};
        char what[64];
        clean_seed = seed * 104729u;
        const int axes = (int)between(1, 3);
        const uint32_t kind = clean_random(4);
        const struct geometry w = random_geometry(axes, kind == 0, true);
        int64_t x[5] = {between(1, 2), between(1, 9)};
        memcpy(x + 2, w.size, (size_t)axes * sizeof(*x));
        input(&g, "x", axes + 2, x);
        struct maker node = make_node(names[kind], "", "x", "y");
        if (kind < 2)
            node = with_geometry(node, &w, axes, kind == 0);
        if (kind < 2)
            node = with_int(node, "ceil_mode", clean_random(2));
        if (kind == 1)
            node = with_int(node, "count_include_pad", clean_random(2));
        add(&g, node);
        output(&g, "y");
        snprintf(what, sizeof(what), "%s, seed %u", names[kind], seed);
        expect_reference(g, what);
    }
}

/* ---- random graphs --------------------------------------------------------------------- */

enum { VALUES_MAX = 64, AXES = 4 };

struct made {
    struct maker g;
    int values, nodes;
    int64_t dims[VALUES_MAX][AXES];
};

static void name_of(char *text, int v)
{
    sprintf(text, "t%d", v);
}

/* The newest ones most of the time: chains are what is joined. */
static int some_value(const struct made *m)
{
    const int back = (int)(clean_random(3) ? clean_random(3) : clean_random(VALUES_MAX));

    return back < m->values ? m->values - 1 - back : 0;
}

static int new_value(struct made *m, const int64_t dims[AXES])
{
    memcpy(m->dims[m->values], dims, AXES * sizeof(*dims));
    return m->values++;
}

/* A value of the shape of v, perhaps v itself. */
static int twin_of(const struct made *m, int v)
{
    int twins[VALUES_MAX], count = 0;

    for (int i = 0; i < m->values; i++)
        if (memcmp(m->dims[i], m->dims[v], sizeof(m->dims[v])) == 0)
            twins[count++] = i;
    return twins[clean_random((uint32_t)count)];
}

static void put_conv(struct made *m, int v)
{
    static const int64_t filters[] = {8, 16, 16, 32, 5};
    const int64_t k = clean_random(2) ? 3 : 1, *in = m->dims[v];
    const bool deep = clean_random(4) == 0;
    int64_t out[AXES] = {in[0], filters[clean_random(5)], in[2], in[3]};
    char names[64];

    out[1] = deep || clean_random(2) ? in[1] : out[1];
    const int64_t w[AXES] = {out[1], deep ? 1 : in[1], k, k};
    snprintf(names, sizeof(names), "w%d", m->nodes);
    weights(&m->g, names, (size_t)(w[1] * k * k), AXES, w);
    snprintf(names, sizeof(names), "b%d", m->nodes);
    weights(&m->g, names, 1, 1, &w[0]);
    snprintf(names, sizeof(names), clean_random(2) ? "t%d w%d b%d" : "t%d w%d", v, m->nodes,
             m->nodes);
    char to[16];
    name_of(to, new_value(m, out));
    add(&m->g, with_int(conv_node(names, to, k / 2), "group", deep ? in[1] : 1));
}

static void put_unary(struct made *m, int v)
{
    static const char *const names[] = {"Relu",     "LeakyRelu", "Sigmoid", "Tanh",
                                        "Identity", "Abs",       "Neg",     "HardSigmoid"};
    char from[16], to[16];

    name_of(from, v);
    name_of(to, new_value(m, m->dims[v]));
    op(&m->g, names[clean_random(8)], from, to);
}

static void put_binary(struct made *m, int v)
{
    static const char *const names[] = {"Add", "Add", "Sum", "Sub", "Mul"};
    char from[32], to[16];

    snprintf(from, sizeof(from), "t%d t%d", v, twin_of(m, v));
    name_of(to, new_value(m, m->dims[v]));
    op(&m->g, names[clean_random(5)], from, to);
}

static void put_constant(struct made *m, int v)
{
    static const char *const names[] = {"Add", "Mul", "Sub"};
    char from[32], to[16];
    const int64_t c[AXES] = {1, clean_random(2) ? m->dims[v][1] : 1, 1, 1};

    snprintf(from, sizeof(from), "k%d", m->nodes);
    floats(&m->g, from, NAN, AXES, c);
    if (clean_random(2))
        snprintf(from, sizeof(from), "t%d k%d", v, m->nodes);
    else
        snprintf(from, sizeof(from), "k%d t%d", m->nodes, v);
    name_of(to, new_value(m, m->dims[v]));
    op(&m->g, names[clean_random(3)], from, to);
}

static void put_concat(struct made *m, int v)
{
    char from[48], to[16];
    const int a = twin_of(m, v), b = twin_of(m, v);
    const bool three = clean_random(2);
    int64_t out[AXES];

    memcpy(out, m->dims[v], sizeof(out));
    out[1] *= three ? 3 : 2;
    if (out[1] > 64)
        return;
    snprintf(from, sizeof(from), three ? "t%d t%d t%d" : "t%d t%d", a, v, b);
    name_of(to, new_value(m, out));
    add(&m->g, with_int(make_node("Concat", "", from, to), "axis", 1));
}

static void put_split(struct made *m, int v)
{
    char from[16], to[32];
    const int axis = (int)clean_random(3) + 1;
    int64_t out[AXES];

    memcpy(out, m->dims[v], sizeof(out));
    if (out[axis] % 2 != 0 || m->values + 2 > VALUES_MAX)
        return;
    out[axis] /= 2;
    name_of(from, v);
    const int a = new_value(m, out), b = new_value(m, out);
    snprintf(to, sizeof(to), "t%d t%d", a, b);
    add(&m->g, with_int(make_node("Split", "", from, to), "axis", axis));
}

static void put_transpose(struct made *m, int v)
{
    static const int64_t perms[][AXES] = {{0, 1, 3, 2}, {0, 2, 3, 1}, {1, 0, 2, 3}};
    const int64_t *perm = perms[clean_random(3)];
    int64_t out[AXES];
    char from[16], to[16];

    for (int d = 0; d < AXES; d++)
        out[d] = m->dims[v][perm[d]];
    name_of(from, v);
    name_of(to, new_value(m, out));
    add(&m->g, with_ints(make_node("Transpose", "", from, to), "perm", AXES, perm));
}

static void put_reshape(struct made *m, int v)
{
    const int64_t *in = m->dims[v], out[AXES] = {in[0], in[1] * in[2], 1, in[3]};
    char from[32], to[16];

    if (out[1] > 64)
        return;
    snprintf(from, sizeof(from), "s%d", m->nodes);
    ints(&m->g, from, AXES, out);
    snprintf(from, sizeof(from), "t%d s%d", v, m->nodes);
    name_of(to, new_value(m, out));
    op(&m->g, "Reshape", from, to);
}

static void put_pool(struct made *m, int v)
{
    static const char *const names[] = {"MaxPool", "AveragePool"};
    const int64_t kernel[] = {3, 3}, strides[] = {2, 2}, pads[] = {1, 1, 1, 1};
    int64_t out[AXES];
    char from[16], to[16];

    memcpy(out, m->dims[v], sizeof(out));
    out[2] = (out[2] - 1) / 2 + 1;
    out[3] = (out[3] - 1) / 2 + 1;
    name_of(from, v);
    name_of(to, new_value(m, out));
    struct maker node = make_node(names[clean_random(2)], "", from, to);
    node = with_ints(node, "kernel_shape", 2, kernel);
    add(&m->g, with_ints(with_ints(node, "strides", 2, strides), "pads", 4, pads));
}

static void put_some_node(struct made *m)
{
    static void (*const put[])(struct made *, int) = {
        put_conv,     put_conv,  put_conv,      put_unary,   put_unary, put_binary, put_binary,
        put_constant, put_split, put_transpose, put_reshape, put_pool,  put_concat, put_concat};

    put[clean_random((uint32_t)(sizeof(put) / sizeof(put[0])))](m, some_value(m));
    m->nodes++;
}

static void put_outputs(struct made *m)
{
    const int count = (int)between(1, 5);
    bool given[VALUES_MAX] = {false};
    char name[16];

    for (int o = 0; o < count; o++) {
        const int v = o == 0 ? m->values - 1 : some_value(m);
        if (given[v])
            continue;
        given[v] = true;
        name_of(name, v);
        output(&m->g, name);
    }
}

static struct maker random_graph(uint32_t seed)
{
    static const int64_t shapes[][AXES] = {
        {1, 16, 6, 6}, {1, 8, 5, 4}, {2, 16, 4, 4}, {1, 3, 8, 8}};
    struct made m = {.values = 0};

    clean_seed = seed;
    const int64_t *shape = shapes[clean_random(4)];
    input(&m.g, "t0", AXES, shape);
    new_value(&m, shape);
    if (clean_random(2)) {
        input(&m.g, "t1", AXES, shape);
        new_value(&m, shape);
    }
    const int nodes = (int)between(2, 22);
    while (m.nodes < nodes && m.values < VALUES_MAX)
        put_some_node(&m);
    put_outputs(&m);
    return m.g;
}

static void random_graphs_give_what_the_reference_gives(void **state)
{
    const char *only = getenv("SPACC_TEST_SEED");

    (void)state;
    for (uint32_t seed = 1; seed <= 2000; seed++) {
        char what[32];
        if (only && strtoul(only, NULL, 10) != seed)
            continue;
        snprintf(what, sizeof(what), "graph, seed %u", seed);
        expect_reference(random_graph(seed * 2654435761u), what);
    }
}

/* ---- what is refused -------------------------------------------------------------------- */

static struct maker gather(void)
{
    struct maker g = {0};

    input(&g, "x", DIMS(3, 4));
    put_message(&g, GRAPH_INPUT, make_info("i", 7, 1, (const int64_t[]){2}));
    add(&g, with_int(make_node("Gather", "", "x i", "y"), "axis", 0));
    op(&g, "Relu", "y", "z");
    output(&g, "z");
    return g;
}

static void a_run_after_a_failed_one_works(void **state)
{
    struct spacc_graph *g = graph_of(gather(), 13);
    struct example x = example_of(g); /* indices 0 0 */
    const struct spacc_engine_options options = {.cpu = spacc_cpu_features()};
    struct spacc_error err = {.text = ""};
    struct spacc_tensor *out[1];
    struct spacc_engine *e;
    int64_t *index = x.in[1]->data;

    (void)state;
    assert_int_equal(spacc_engine_new(&e, g, inputs_of(&x), &options, &err), SPACC_OK);
    index[1] = 3;
    assert_int_not_equal(spacc_engine_run(e, inputs_of(&x), out, NULL, &err), SPACC_OK);
    assert_null(out[0]);
    assert_non_null(strstr(err.text, "g.onnx"));
    index[1] = 0;
    run_twice(e, g, &x, "after a failed run");
    spacc_engine_free(e);
    example_free(&x);
    spacc_graph_free(g);
}

static void other_shapes_than_planned_are_refused(void **state)
{
    struct spacc_graph *g = graph_of(gather(), 13);
    struct example x = example_of(g);
    const struct spacc_engine_options options = {.cpu = spacc_cpu_features()};
    struct spacc_tensor *wide, *out[1], *given = NULL;
    struct spacc_error err = {.text = ""};
    struct spacc_engine *e;

    (void)state;
    assert_int_equal(spacc_engine_new(&e, g, inputs_of(&x), &options, &err), SPACC_OK);
    assert_int_equal(spacc_tensor_new(&wide, SPACC_F32, 2, (const int64_t[]){3, 5}), SPACC_OK);
    const struct spacc_tensor *wrong[] = {wide, x.in[1]}, *missing[] = {x.in[0], NULL};
    const struct spacc_tensor *typed[] = {x.in[1], x.in[1]};
    assert_int_equal(spacc_engine_run(e, wrong, out, NULL, &err), SPACC_ESHAPE);
    assert_string_equal(err.text,
                        "g.onnx: input x: has float32[3,5], the engine is for float32[3,4]");
    assert_int_equal(spacc_engine_run(e, missing, out, NULL, &err), SPACC_ESHAPE);
    assert_string_equal(err.text, "g.onnx: input i is missing");
    assert_int_equal(spacc_engine_run(e, typed, out, NULL, &err), SPACC_ESHAPE);
    assert_int_equal(spacc_tensor_copy(&given, x.want[0]), SPACC_OK);
    assert_int_equal(spacc_engine_run_into(e, wrong, &given, NULL, &err), SPACC_ESHAPE);
    assert_true(same_bits(given, x.want[0]));
    spacc_engine_free(e);
    assert_int_not_equal(spacc_engine_new(&e, g, wrong, &options, &err), SPACC_OK);
    assert_null(e);
    run_engine(g, &x, 1, "right shapes");
    spacc_tensor_free(given);
    spacc_tensor_free(wide);
    example_free(&x);
    spacc_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_activations_follow_a_convolution),
        cmocka_unit_test(two_clips_follow_a_convolution),
        cmocka_unit_test(both_sides_of_a_sum_are_convolutions),
        cmocka_unit_test(a_branch_of_a_sum_is_read_again),
        cmocka_unit_test(a_convolution_is_added_to_its_own_input),
        cmocka_unit_test(one_value_is_both_inputs),
        cmocka_unit_test(slices_of_a_concat_are_read_elsewhere),
        cmocka_unit_test(slices_of_a_concat_are_of_several_sizes),
        cmocka_unit_test(an_operand_of_a_chain_is_read_later),
        cmocka_unit_test(views_of_views_keep_their_place),
        cmocka_unit_test(inputs_constants_and_twins_are_given_out),
        cmocka_unit_test(a_batch_and_three_axes_are_convolved),
        cmocka_unit_test(an_image_of_several_panels_is_convolved),
        cmocka_unit_test(random_convolutions_give_what_the_reference_gives),
        cmocka_unit_test(random_pools_give_what_the_reference_gives),
        cmocka_unit_test(random_graphs_give_what_the_reference_gives),
        cmocka_unit_test(a_run_after_a_failed_one_works),
        cmocka_unit_test(other_shapes_than_planned_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
