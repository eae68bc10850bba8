/* Recurrent cells written out, as exporters do it, and what only looks like them. */
#include "tests/clean_maker.h"

/* How a cell is written. Sizes: batch n (open), inputs 5, hidden 4. */
struct style {
    const char *gates;  /* order of the packed gates: "ifgo", "ifog" .., "zrn" .. */
    bool gemm;          /* Gemm with transB over MatMul and Add */
    bool joined;        /* x and h beside each other, one product */
    bool apart;         /* weights of each gate by themselves */
    bool slices;        /* Slice over Split */
    bool sigmoid_first; /* one Sigmoid over all gates but the last, then cut */
    bool swapped;       /* the operands of Mul and Add the other way round */
    bool bias_last;     /* x.W + h.R + b over (x.W + b) + h.R */
    /* GRU: */
    bool reset_after; /* r * (h.R + b) over (r * h).R */
    bool difference;  /* n + z * (h - n) over z * h + (1 - z) * n */
    bool turned;      /* 1 - z in place of z */
    int opset;
    /* What must not match: */
    bool gate_read;    /* a gate is an output too */
    bool open_weights; /* weights are an input */
    bool wrong_axis;   /* cut along the batch */
    bool relu;         /* Relu for the Tanh of the candidate */
    bool middle_read;  /* the product of a gate is read outside */
    bool batch_of_one; /* the state has batch 1 and is broadcast */
    bool state_of_one; /* only c has batch 1 */
    bool two_less;     /* 2 - z */
};

enum { INPUTS = 5, HIDDEN = 4 };

static const char *pair_text(char *to, const struct style *s, const char *a, const char *b)
{
    snprintf(to, 64, "%s %s", s->swapped ? b : a, s->swapped ? a : b);
    return to;
}

static void two(struct maker *g, const struct style *s, const char *name, const char *a,
                const char *b, const char *out)
{
    char in[64];

    op(g, name, pair_text(in, s, a, b), out);
}

/* out = source . W + bias, `wide` columns. */
static void product(struct maker *g, const struct style *s, const char *source, int64_t rows,
                    int64_t wide, const char *tag, const char *out, bool bias)
{
    char w[16], b[16], in[64], sum[16];

    snprintf(w, sizeof(w), "W%s", tag);
    snprintf(b, sizeof(b), "b%s", tag);
    snprintf(sum, sizeof(sum), "p%s", tag);
    if (s->open_weights && tag[0] == 'x')
        input(g, w, DIMS(rows, wide));
    else
        floats(g, w, NAN, DIMS(s->gemm ? wide : rows, s->gemm ? rows : wide));
    if (bias)
        floats(g, b, NAN, DIMS(wide));
    if (s->gemm) {
        snprintf(in, sizeof(in), bias ? "%s %s %s" : "%s %s", source, w, b);
        add(g, with_int(make_node("Gemm", "", in, out), "transB", 1));
        return;
    }
    snprintf(in, sizeof(in), "%s %s", source, w);
    op(g, "MatMul", in, bias ? sum : out);
    if (bias)
        two(g, s, "Add", sum, b, out);
}

/* `count` equal parts of `from`: <to>0 .. */
static void cut(struct maker *g, const struct style *s, const char *from, const char *to,
                int count)
{
    char names[128] = "", in[128], axes[24];

    for (int k = 0; k < count; k++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s%d", k ? " " : "",
                 to, k);
    if (!s->slices) {
        struct maker n = make_node("Split", "", from, names);
        if (s->opset >= 18)
            n = with_int(n, "num_outputs", count);
        add(g, with_int(n, "axis", s->swapped ? -1 : 1));
        return;
    }
    for (int k = 0; k < count; k++) {
        const int64_t first = k * HIDDEN, end = k + 1 < count ? first + HIDDEN : INT64_MAX;
        snprintf(axes, sizeof(axes), "%sa%d", to, k);
        snprintf(names, sizeof(names), "%ss%d", to, k);
        ints(g, names, 1, &first);
        snprintf(in, sizeof(in), "%se%d", to, k);
        ints(g, in, 1, &end);
        ints(g, axes, 1, (const int64_t[]){1});
        snprintf(in, sizeof(in), "%s %ss%d %se%d %s", from, to, k, to, k, axes);
        snprintf(names, sizeof(names), "%s%d", to, k);
        op(g, "Slice", in, names);
    }
}

/* All gates of x and h summed into `out`, packed. */
static void packed(struct maker *g, const struct style *s, const char *x, const char *h,
                   int64_t wide, const char *tag, const char *out)
{
    char tx[16], th[16], px[16], ph[16], in[64], sum[16];

    snprintf(tx, sizeof(tx), "x%s", tag);
    snprintf(th, sizeof(th), "h%s", tag);
    snprintf(px, sizeof(px), "gx%s", tag);
    snprintf(ph, sizeof(ph), "gh%s", tag);
    snprintf(sum, sizeof(sum), "gs%s", tag);
    if (s->joined) {
        snprintf(in, sizeof(in), "%s %s", x, h);
        add(g, with_int(make_node("Concat", "", in, ph), "axis", 1));
        product(g, s, ph, INPUTS + HIDDEN, wide, tx, out, true);
        return;
    }
    product(g, s, x, INPUTS, wide, tx, px, !s->bias_last);
    product(g, s, h, HIDDEN, wide, th, ph, false);
    two(g, s, "Add", px, ph, s->bias_last ? sum : out);
    if (!s->bias_last)
        return;
    floats(g, tag[0] ? tag : "bias", NAN, DIMS(wide));
    two(g, s, "Add", sum, tag[0] ? tag : "bias", out);
}

/* The input of each gate as p0 .. in the order of s->gates. */
static void gate_inputs(struct maker *g, const struct style *s, int count)
{
    char tag[16], out[16];

    if (!s->apart) {
        packed(g, s, "x", "h", count * HIDDEN, "", "all");
        cut(g, s, "all", "p", count);
    }
    for (int k = 0; s->apart && k < count; k++) {
        snprintf(tag, sizeof(tag), "g%d", k);
        snprintf(out, sizeof(out), "p%d", k);
        packed(g, s, "x", "h", HIDDEN, tag, out);
    }
}

static void ends(struct maker *g, const struct style *s)
{
    put_text(g, GRAPH_NAME, "g");
    input(g, "x", DIMS(-1, INPUTS));
    input(g, "h", DIMS(s->batch_of_one ? 1 : -1, HIDDEN));
    output(g, "hn");
    if (s->gate_read)
        output(g, "gate");
    if (s->middle_read)
        output(g, "all");
}

static void activation(struct maker *g, const struct style *s, char gate, const char *act,
                       const char *out)
{
    char in[32];

    snprintf(in, sizeof(in), "p%d", (int)(strchr(s->gates, gate) - s->gates));
    op(g, act, in, out);
}

static struct maker lstm(const struct style *s)
{
    struct maker g = {0};

    gate_inputs(&g, s, 4);
    activation(&g, s, 'i', "Sigmoid", "i");
    activation(&g, s, 'f', "Sigmoid", s->gate_read ? "gate" : "f");
    activation(&g, s, 'o', "Sigmoid", "o");
    activation(&g, s, 'g', s->relu ? "Relu" : "Tanh", "cand");
    two(&g, s, "Mul", s->gate_read ? "gate" : "f", "c", "kept");
    two(&g, s, "Mul", "i", "cand", "new");
    two(&g, s, "Add", "kept", "new", "cn");
    op(&g, "Tanh", "cn", "ct");
    two(&g, s, "Mul", "o", "ct", "hn");
    ends(&g, s);
    input(&g, "c", DIMS(s->batch_of_one || s->state_of_one ? 1 : -1, HIDDEN));
    output(&g, "cn");
    return g;
}

/* The packed form has z and r; the candidate's part of x stands by itself unless r comes after
 * the product: then all three are packed, x and h apart. */
static struct maker gru(const struct style *s)
{
    struct maker g = {0};
    char at[3][16];

    for (int k = 0; k < 3; k++)
        snprintf(at[k], sizeof(at[k]), "%d", (int)(strchr(s->gates, "zrn"[k]) - s->gates));
    if (s->reset_after) {
        char a[32], b[32];
        product(&g, s, "x", INPUTS, 3 * HIDDEN, "x", "gi", true);
        product(&g, s, "h", HIDDEN, 3 * HIDDEN, "h", "gh", true);
        cut(&g, s, "gi", "i", 3);
        cut(&g, s, "gh", "k", 3);
        for (int k = 0; k < 2; k++) {
            snprintf(a, sizeof(a), "i%s", at[k]);
            snprintf(b, sizeof(b), "k%s", at[k]);
            two(&g, s, "Add", a, b, k ? "pr" : "pz");
            op(&g, "Sigmoid", k ? "pr" : "pz", k ? "r" : "z");
        }
        snprintf(a, sizeof(a), "k%s", at[2]);
        two(&g, s, "Mul", "r", a, "rh");
        snprintf(a, sizeof(a), "i%s", at[2]);
        two(&g, s, "Add", a, "rh", "pn");
    } else {
        packed(&g, s, "x", "h", 2 * HIDDEN, "", "all");
        if (s->sigmoid_first) {
            op(&g, "Sigmoid", "all", "act");
            cut(&g, s, "act", "a", 2);
        } else {
            cut(&g, s, "all", "p", 2);
            op(&g, "Sigmoid", "p0", "a0");
            op(&g, "Sigmoid", "p1", "a1");
        }
        const bool z_first = s->gates[0] == 'z';
        op(&g, "Identity", z_first ? "a0" : "a1", "z");
        op(&g, "Identity", z_first ? "a1" : "a0", "r");
        two(&g, s, "Mul", "r", "h", "rh");
        packed(&g, s, "x", "rh", HIDDEN, "n", "pn");
    }
    op(&g, s->relu ? "Relu" : "Tanh", "pn", "cand");
    const char *a = s->turned ? "cand" : "h", *b = s->turned ? "h" : "cand";
    if (s->difference) {
        char in[32];
        snprintf(in, sizeof(in), "%s %s", a, b);
        op(&g, "Sub", in, "less");
        two(&g, s, "Mul", "z", "less", "part");
        two(&g, s, "Add", b, "part", "hn");
    } else {
        floats(&g, "one", s->two_less ? 2.0f : 1.0f, 0, NULL);
        op(&g, "Sub", "one z", "less");
        two(&g, s, "Mul", "z", a, "left");
        two(&g, s, "Mul", "less", b, "right");
        two(&g, s, "Add", "left", "right", "hn");
    }
    ends(&g, s);
    if (s->gate_read) /* the middle of the cell under another name */
        op(&g, "Neg", "z", "gate");
    return g;
}

static void expect_cells(struct maker graph, const struct style *s, const char *name, int cells)
{
    struct both b = both_of(graph, s->opset);

    if (b.r.cells != cells)
        for (int n = 0; n < b.clean->nodes; n++)
            printf("left: %s\n", b.clean->node[n].name);
    assert_int_equal(b.r.cells, cells);
    assert_int_equal(count_op(b.clean, name), cells);
    if (cells) {
        assert_int_equal(count_op(b.clean, "Sigmoid"), 0);
        assert_int_equal(count_op(b.clean, "MatMul") + count_op(b.clean, "Gemm"), 0);
    }
    expect_same(&b, cells ? 1e-5 : 1e-6);
    both_free(&b);
}

static void lstm_cells_of_every_style_become_one_node(void **state)
{
    static const char *const orders[] = {"ifgo", "iofg", "gofi", "fiog", "ogif"};
    static const int opsets[] = {11, 13, 18};
    struct style s = {0};

    (void)state;
    for (unsigned k = 0; k < 64; k++)
        for (size_t o = 0; o < 5; o++) {
            s = (struct style){.gates = orders[o],
                               .gemm = k & 1,
                               .joined = k & 2,
                               .apart = k & 4,
                               .slices = k & 8,
                               .swapped = k & 16,
                               .bias_last = k & 32,
                               .opset = opsets[(k + o) % 3]};
            expect_cells(lstm(&s), &s, "LSTM", 1);
        }
}

static void gru_cells_of_every_style_become_one_node(void **state)
{
    static const char *const orders[] = {"zrn", "rzn"};
    static const int opsets[] = {11, 13, 18};
    struct style s = {0};

    (void)state;
    for (unsigned k = 0; k < 512; k++)
        for (size_t o = 0; o < 2; o++) {
            s = (struct style){.gates = orders[o],
                               .gemm = k & 1,
                               .joined = k & 2,
                               .slices = k & 8,
                               .swapped = k & 16,
                               .bias_last = k & 32,
                               .reset_after = k & 64,
                               .difference = k & 128,
                               .turned = k & 256,
                               .sigmoid_first = k & 4,
                               .opset = opsets[(k + o) % 3]};
            expect_cells(gru(&s), &s, "GRU", 1);
        }
}

static void what_only_looks_like_a_cell_stays(void **state)
{
    const struct style lstms[] = {
        {.gates = "ifgo", .opset = 13, .gate_read = true},
        {.gates = "ifgo", .opset = 13, .open_weights = true},
        {.gates = "ifgo", .opset = 13, .relu = true},
        {.gates = "ifgo", .opset = 13, .middle_read = true},
        {.gates = "ifgo", .opset = 13, .batch_of_one = true},
        {.gates = "ifgo", .opset = 13, .state_of_one = true},
    };
    const struct style grus[] = {
        {.gates = "zrn", .opset = 13, .gate_read = true},
        {.gates = "zrn", .opset = 13, .open_weights = true},
        {.gates = "zrn", .opset = 13, .relu = true},
        {.gates = "zrn", .opset = 13, .middle_read = true},
        {.gates = "zrn", .opset = 13, .batch_of_one = true},
        {.gates = "zrn", .opset = 13, .two_less = true},
        {.gates = "zrn", .opset = 13, .two_less = true, .reset_after = true},
    };

    (void)state;
    for (size_t k = 0; k < sizeof(lstms) / sizeof(*lstms); k++)
        expect_cells(lstm(&lstms[k]), &lstms[k], "LSTM", 0);
    for (size_t k = 0; k < sizeof(grus) / sizeof(*grus); k++)
        expect_cells(gru(&grus[k]), &grus[k], "GRU", 0);
}

/* Parts of the batch in place of gates: 4 rows of 16 columns become 4 gates of one row. */
static void parts_of_the_batch_are_no_gates(void **state)
{
    struct maker g = {0};

    (void)state;
    floats(&g, "W", NAN, DIMS(5, 16));
    floats(&g, "R", NAN, DIMS(16, 16));
    op(&g, "MatMul", "x W", "gx");
    op(&g, "MatMul", "h R", "gh");
    op(&g, "Add", "gx gh", "all");
    add(&g, with_int(make_node("Split", "", "all", "p0 p1 p2 p3"), "axis", 0));
    op(&g, "Sigmoid", "p0", "i");
    op(&g, "Sigmoid", "p1", "f");
    op(&g, "Sigmoid", "p2", "o");
    op(&g, "Tanh", "p3", "n");
    op(&g, "Mul", "f c", "kept");
    op(&g, "Mul", "i n", "new");
    op(&g, "Add", "kept new", "cn");
    op(&g, "Tanh", "cn", "ct");
    op(&g, "Mul", "o ct", "hn");
    input(&g, "x", DIMS(4, 5));
    input(&g, "h", DIMS(4, 16));
    input(&g, "c", DIMS(1, 16));
    output(&g, "hn");
    expect_nodes(g, 13, 13, 0.0);
}

/* x and h are equally wide: h is what comes from where c comes from. Two steps in a row. */
static void an_unrolled_cell_hands_its_states_on(void **state)
{
    struct maker g = {0};
    char a[4][32];

    (void)state;
    floats(&g, "W", NAN, DIMS(4, 16));
    floats(&g, "R", NAN, DIMS(4, 16));
    floats(&g, "b", NAN, DIMS(16));
    for (int t = 0; t < 2; t++) {
        const char *const acts[] = {"Sigmoid", "Sigmoid", "Tanh", "Sigmoid"};
        snprintf(a[0], 32, "h%d R", t);
        snprintf(a[1], 32, "gh%d", t);
        op(&g, "MatMul", a[0], a[1]);
        snprintf(a[0], 32, "x%d W", t);
        snprintf(a[2], 32, "gx%d", t);
        op(&g, "MatMul", a[0], a[2]);
        snprintf(a[0], 32, "gh%d gx%d", t, t);
        snprintf(a[1], 32, "gs%d", t);
        op(&g, "Add", a[0], a[1]);
        snprintf(a[0], 32, "gs%d b", t);
        snprintf(a[1], 32, "ga%d", t);
        op(&g, "Add", a[0], a[1]);
        char parts[64];
        snprintf(parts, sizeof(parts), "p%d0 p%d1 p%d2 p%d3", t, t, t, t);
        add(&g, with_int(make_node("Split", "", a[1], parts), "axis", 1));
        for (int k = 0; k < 4; k++) {
            snprintf(a[0], 32, "p%d%d", t, k);
            snprintf(a[1], 32, "a%d%d", t, k);
            op(&g, acts[k], a[0], a[1]);
        }
        snprintf(a[0], 32, "a%d1 c%d", t, t);
        snprintf(a[1], 32, "kept%d", t);
        op(&g, "Mul", a[0], a[1]);
        snprintf(a[0], 32, "a%d0 a%d2", t, t);
        snprintf(a[2], 32, "new%d", t);
        op(&g, "Mul", a[0], a[2]);
        snprintf(a[0], 32, "kept%d new%d", t, t);
        snprintf(a[1], 32, "c%d", t + 1);
        op(&g, "Add", a[0], a[1]);
        snprintf(a[2], 32, "ct%d", t);
        op(&g, "Tanh", a[1], a[2]);
        snprintf(a[0], 32, "a%d3 ct%d", t, t);
        snprintf(a[1], 32, "h%d", t + 1);
        op(&g, "Mul", a[0], a[1]);
    }
    input(&g, "x0", DIMS(-1, 4));
    input(&g, "x1", DIMS(-1, 4));
    input(&g, "h0", DIMS(-1, 4));
    input(&g, "c0", DIMS(-1, 4));
    output(&g, "h2");
    struct both b = both_of(g, 13);
    assert_int_equal(b.r.cells, 2);
    const struct spacc_node *second = NULL;
    for (int n = 0; n < b.clean->nodes; n++)
        if (strcmp(b.clean->node[n].op->name, "LSTM") == 0)
            second = &b.clean->node[n];
    assert_non_null(second);
    assert_string_equal(b.clean->value[second->input[1]].name, "W/W");
    assert_string_equal(b.clean->value[second->input[2]].name, "R/R");
    expect_same(&b, 1e-5);
    both_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lstm_cells_of_every_style_become_one_node),
        cmocka_unit_test(gru_cells_of_every_style_become_one_node),
        cmocka_unit_test(what_only_looks_like_a_cell_stays),
        cmocka_unit_test(parts_of_the_batch_are_no_gates),
        cmocka_unit_test(an_unrolled_cell_hands_its_states_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
