/* What calibration sees of a node's inputs, against loops that go over them by hand. */
#include "host/prune/observe.h"
#include "tests/engine_maker.h"

enum { BLOCKS_MAX = 8 };

/* The only node of a graph, with the Grams of its blocks. */
struct seen {
    struct spacc_graph *g;
    struct example x;
    struct spacc_prune_matrix *m;
    size_t matrices;
    struct spacc_prune_block *block;
    size_t blocks;
    struct spacc_gram *gram[BLOCKS_MAX];
};

static void look(struct seen *s, struct maker graph, int opset, bool apart, size_t limit)
{
    struct spacc_error err = {.text = ""};
    const struct spacc_tensor *in[8] = {NULL};
    const bool use[] = {true, true, true, true};

    *s = (struct seen){.g = graph_of(graph, opset)};
    s->x = example_of(s->g);
    const struct spacc_node *n = &s->g->node[0];
    assert_int_equal(spacc_prune_matrices(&s->m, &s->matrices, s->g), SPACC_OK);
    assert_true(s->matrices <= 4);
    assert_int_equal(
        spacc_prune_blocks(&s->block, &s->blocks, s->g, s->m, use, s->matrices, apart, &err),
        SPACC_OK);
    assert_true(s->blocks >= 1 && s->blocks <= BLOCKS_MAX);
    for (size_t b = 0; b < s->blocks; b++)
        assert_int_equal(spacc_gram_create(&s->gram[b], s->block[b].cols, &err), SPACC_OK);
    for (int i = 0; i < n->inputs; i++) {
        in[i] = n->input[i] < 0 ? NULL : s->g->value[n->input[i]].init;
        for (int k = 0; k < s->g->inputs; k++)
            if (s->g->input[k] == n->input[i])
                in[i] = inputs_of(&s->x)[k];
    }
    if (spacc_observe(s->gram, s->block, s->blocks, s->g, 0, in, NULL, limit, &err))
        fail_msg("%s", err.text);
}

static void done(struct seen *s)
{
    for (size_t b = 0; b < s->blocks; b++)
        spacc_gram_free(s->gram[b]);
    free(s->block);
    free(s->m);
    example_free(&s->x);
    spacc_graph_free(s->g);
}

static double close_to(double want)
{
    return 1e-4 * fmax(1.0, fabs(want));
}

/* The entries of x[samples][cols] and the constant. */
static void expect_gram(const struct spacc_gram *g, const float *x, size_t samples, size_t cols)
{
    assert_int_equal(g->cols, cols);
    assert_int_equal(g->samples, samples);
    for (size_t i = 0; i <= cols; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = 0.0;
            for (size_t s = 0; s < samples; s++)
                sum += (i < cols ? (double)x[s * cols + i] : 1.0) *
                       (j < cols ? (double)x[s * cols + j] : 1.0);
            const double got = (double)g->sum[i * (cols + 1) + j];
            if (fabs(got - sum) > close_to(sum))
                fail_msg("entry %zu, %zu is %g, not %g (seed %u)", i, j, got, sum, clean_seed);
        }
}

/* ---- products ---------------------------------------------------------------- */

static void rows_of_a_product_are_its_inputs(void **state)
{
    (void)state;
    struct maker g = {0};
    struct seen s;

    input(&g, "a", DIMS(2, 3, 5));
    floats(&g, "b", NAN, DIMS(5, 7));
    op(&g, "MatMul", "a b", "y");
    output(&g, "y");
    look(&s, g, 13, false, 1000);
    assert_int_equal(s.blocks, 1);
    expect_gram(s.gram[0], inputs_of(&s.x)[0]->data, 6, 5);
    done(&s);
}

static void a_turned_gemm_is_read_by_columns(void **state)
{
    (void)state;
    struct maker g = {0};
    struct seen s;
    float x[4 * 3];

    input(&g, "a", DIMS(3, 4));
    floats(&g, "b", NAN, DIMS(6, 3));
    floats(&g, "c", NAN, DIMS(6));
    add(&g, with_int(with_int(make_node("Gemm", "", "a b c", "y"), "transA", 1), "transB", 1));
    output(&g, "y");
    look(&s, g, 13, false, 1000);
    const float *a = inputs_of(&s.x)[0]->data;
    for (size_t r = 0; r < 4; r++)
        for (size_t c = 0; c < 3; c++)
            x[r * 3 + c] = a[c * 4 + r];
    expect_gram(s.gram[0], x, 4, 3);
    assert_int_equal(s.block[0].bias, spacc_graph_find(s.g, "c"));
    done(&s);
}

static void samples_are_evenly_spaced_and_no_more_than_asked_for(void **state)
{
    (void)state;
    struct maker g = {0};
    struct seen s;
    float x[3 * 2];

    input(&g, "a", DIMS(10, 2));
    floats(&g, "b", NAN, DIMS(2, 2));
    op(&g, "MatMul", "a b", "y");
    output(&g, "y");
    look(&s, g, 13, false, 3);
    const float *a = inputs_of(&s.x)[0]->data;
    const size_t at[] = {0, 3, 6};
    for (size_t i = 0; i < 3; i++)
        memcpy(x + 2 * i, a + 2 * at[i], 2 * sizeof(*x));
    expect_gram(s.gram[0], x, 3, 2);
    done(&s);
}

/* ---- convolutions ------------------------------------------------------------ */

struct window {
    int64_t channels, out, group, size[2], kernel[2], stride[2], dilation[2], pad[4];
    const char *auto_pad;
};

static struct window random_window(void)
{
    static const char *const pads[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"};
    struct window w = {.group = 1 + clean_random(3), .auto_pad = pads[clean_random(4)]};

    w.channels = w.group * (1 + clean_random(3));
    w.out = w.group * (1 + clean_random(4));
    for (int i = 0; i < 2; i++) {
        w.kernel[i] = 1 + clean_random(3);
        w.stride[i] = 1 + clean_random(2);
        w.dilation[i] = 1 + clean_random(2);
        w.size[i] = (w.kernel[i] - 1) * w.dilation[i] + 1 + clean_random(5);
    }
    for (int i = 0; i < 4; i++)
        w.pad[i] = clean_random(3);
    return w;
}

static struct maker conv_graph(const struct window *w)
{
    struct maker g = {0}, n = make_node("Conv", "", "x w b", "y");

    input(&g, "x", DIMS(2, w->channels, w->size[0], w->size[1]));
    floats(&g, "w", NAN, DIMS(w->out, w->channels / w->group, w->kernel[0], w->kernel[1]));
    floats(&g, "b", NAN, DIMS(w->out));
    n = with_ints(with_ints(n, "strides", 2, w->stride), "dilations", 2, w->dilation);
    n = with_text(with_int(n, "group", w->group), "auto_pad", w->auto_pad);
    if (!strcmp(w->auto_pad, "NOTSET"))
        n = with_ints(n, "pads", 4, w->pad);
    add(&g, n);
    output(&g, "y");
    return g;
}

/* Element of x at kernel position k of output position `at`; first: where the window of output
 * 0 starts, from the definition of the pads. */
static float tap(const struct window *w, const float *x, int64_t image, int64_t channel,
                 const int64_t *at, const int64_t *k, const int64_t *first)
{
    int64_t i[2];

    for (int a = 0; a < 2; a++) {
        i[a] = first[a] + at[a] * w->stride[a] + k[a] * w->dilation[a];
        if (i[a] < 0 || i[a] >= w->size[a])
            return 0.0f;
    }
    return x[((image * w->channels + channel) * w->size[0] + i[0]) * w->size[1] + i[1]];
}

/* Where windows start and how many there are, by ONNX's text. */
static void plan(const struct window *w, int64_t *first, int64_t *out)
{
    for (int a = 0; a < 2; a++) {
        const int64_t reach = (w->kernel[a] - 1) * w->dilation[a] + 1;
        first[a] = 0;
        out[a] = (w->size[a] - reach) / w->stride[a] + 1;
        if (!strcmp(w->auto_pad, "NOTSET")) {
            first[a] = -w->pad[a];
            out[a] = (w->size[a] + w->pad[a] + w->pad[a + 2] - reach) / w->stride[a] + 1;
        } else if (strcmp(w->auto_pad, "VALID")) {
            out[a] = (w->size[a] + w->stride[a] - 1) / w->stride[a];
            int64_t all = (out[a] - 1) * w->stride[a] + reach - w->size[a];
            all = all < 0 ? 0 : all;
            first[a] = -(strcmp(w->auto_pad, "SAME_UPPER") ? all - all / 2 : all / 2);
        }
    }
}

static size_t gather(float *to, const struct window *w, const float *x, int64_t group)
{
    const int64_t channels = w->channels / w->group;
    int64_t first[2], out[2], at[2], k[2];
    size_t n = 0;

    plan(w, first, out);
    for (int64_t image = 0; image < 2; image++)
        for (at[0] = 0; at[0] < out[0]; at[0]++)
            for (at[1] = 0; at[1] < out[1]; at[1]++)
                for (int64_t c = 0; c < channels; c++)
                    for (k[0] = 0; k[0] < w->kernel[0]; k[0]++)
                        for (k[1] = 0; k[1] < w->kernel[1]; k[1]++)
                            to[n++] = tap(w, x, image, group * channels + c, at, k, first);
    return n;
}

static void patches_of_any_convolution_are_its_inputs(void **state)
{
    static float x[1 << 16];
    (void)state;

    for (int round = 0; round < 60; round++) {
        const struct window w = random_window();
        struct seen s;
        look(&s, conv_graph(&w), 13, false, 100000);
        assert_int_equal(s.blocks, w.group);
        for (size_t b = 0; b < s.blocks; b++) {
            const size_t n = gather(x, &w, inputs_of(&s.x)[0]->data, (int64_t)b);
            assert_true(n <= sizeof(x) / sizeof(*x));
            expect_gram(s.gram[b], x, n / s.gram[b]->cols, s.gram[b]->cols);
            assert_int_equal(s.block[b].first_row, b * (size_t)(w.out / w.group));
        }
        done(&s);
    }
}

/* ---- recurrent layers -------------------------------------------------------- */

enum { STEPS = 5, BATCH = 3, INPUTS = 4, UNITS = 3 };

struct layer {
    const char *op, *direction;
    bool batch_first, lens, first, linear;
};

static const int32_t lengths[BATCH] = {5, 2, 0};

/* Asks for Y, or for the last h alone; the same weights for the same seed. */
static struct maker layer_graph(const struct layer *l, const char *outputs)
{
    const int64_t gates = strcmp(l->op, "GRU") ? 4 : 3;
    const int64_t d = strcmp(l->direction, "bidirectional") ? 1 : 2;
    char inputs[64];
    struct maker g = {0};

    input(&g, "x", l->batch_first ? 3 : 3,
          l->batch_first ? (const int64_t[]){BATCH, STEPS, INPUTS}
                         : (const int64_t[]){STEPS, BATCH, INPUTS});
    floats(&g, "w", NAN, DIMS(d, gates * UNITS, INPUTS));
    floats(&g, "r", NAN, DIMS(d, gates * UNITS, UNITS));
    floats(&g, "b", NAN, DIMS(d, 2 * gates * UNITS));
    floats(&g, "h0", NAN, 3,
           l->batch_first ? (const int64_t[]){BATCH, d, UNITS}
                          : (const int64_t[]){d, BATCH, UNITS});
    put_message(&g, GRAPH_INITIALISER,
                make_tensor("lens", 6, DIMS(BATCH), lengths, sizeof(lengths)));
    snprintf(inputs, sizeof(inputs), "x w r b %s %s", l->lens ? "lens" : "-",
             l->first ? "h0" : "-");
    struct maker n =
        with_text(make_node(l->op, "", inputs, outputs), "direction", l->direction);
    n = with_int(with_int(n, "layout", l->batch_first), "hidden_size", UNITS);
    if (!strcmp(l->op, "GRU"))
        n = with_int(n, "linear_before_reset", l->linear);
    add(&g, n);
    output(&g, strcmp(outputs, "y") ? "yh" : "y");
    return g;
}

/* What a hand loop finds. */
struct walk {
    const struct layer *l;
    size_t directions;
    const float *x, *y, *h0, *w, *r, *b;
};

static const float *x_of(const struct walk *k, size_t t, size_t b)
{
    return k->x + (k->l->batch_first ? b * STEPS + t : t * BATCH + b) * INPUTS;
}

static float h_of(const struct walk *k, size_t t, size_t d, size_t b, size_t u)
{
    const size_t at = k->l->batch_first ? (b * STEPS + t) * k->directions + d
                                        : (t * k->directions + d) * BATCH + b;
    return k->y[at * UNITS + u];
}

static float first_h(const struct walk *k, size_t d, size_t b, size_t u)
{
    const size_t at = k->l->batch_first ? b * k->directions + d : d * BATCH + b;
    return k->l->first ? k->h0[at * UNITS + u] : 0.0f;
}

/* r of a GRU: its second gate. */
static float reset_of(const struct walk *k, size_t d, const float *x, const float *h, size_t u)
{
    const size_t row = UNITS + u, rows = 3 * UNITS;
    double z = (double)k->b[d * 2 * rows + row] + (double)k->b[d * 2 * rows + rows + row];

    for (size_t c = 0; c < INPUTS; c++)
        z += (double)k->w[(d * rows + row) * INPUTS + c] * (double)x[c];
    for (size_t c = 0; c < UNITS; c++)
        z += (double)k->r[(d * rows + row) * UNITS + c] * (double)h[c];
    return (float)(1.0 / (1.0 + exp(-z)));
}

/* x and h of all steps of a direction; r * h with `reset`. Returns how many. */
static size_t walk(const struct walk *k, size_t d, bool reset, float to[][INPUTS + UNITS])
{
    const bool back = d == 1 || !strcmp(k->l->direction, "reverse");
    size_t n = 0;

    for (size_t b = 0; b < BATCH; b++) {
        const size_t steps = k->l->lens ? (size_t)lengths[b] : STEPS;
        for (size_t t = 0; t < steps; t++, n++) {
            const bool begins = t == (back ? steps - 1 : 0);
            float *h = to[n] + INPUTS;
            memcpy(to[n], x_of(k, t, b), INPUTS * sizeof(float));
            for (size_t u = 0; u < UNITS; u++)
                h[u] = begins ? first_h(k, d, b, u) : h_of(k, back ? t + 1 : t - 1, d, b, u);
            float r[UNITS];
            for (size_t u = 0; u < UNITS; u++)
                r[u] = reset ? reset_of(k, d, to[n], h, u) : 1.0f;
            for (size_t u = 0; u < UNITS; u++)
                h[u] *= r[u];
        }
    }
    return n;
}

/* Columns from..to-1 of the joint vectors. */
static void expect_part(const struct spacc_gram *g, float x[][INPUTS + UNITS], size_t samples,
                        size_t from, size_t to)
{
    float part[STEPS * BATCH * (INPUTS + UNITS)];
    const size_t cols = to - from;

    for (size_t s = 0; s < samples; s++)
        memcpy(part + s * cols, x[s] + from, cols * sizeof(*part));
    expect_gram(g, part, samples, cols);
}

static const float *contents(const struct spacc_graph *g, const char *name)
{
    return g->value[spacc_graph_find(g, name)].init->data;
}

static void check_block(const struct seen *s, size_t b, const struct walk *k)
{
    const struct spacc_prune_block *block = &s->block[b];
    float x[STEPS * BATCH][INPUTS + UNITS];
    const size_t n = walk(k, block->direction, block->reset, x);

    expect_part(s->gram[b], x, n, block->part[0] ? 0 : INPUTS,
                block->part[1] ? INPUTS + UNITS : INPUTS);
}

static void check_layer(const struct layer *l, bool apart)
{
    const uint32_t seed = clean_seed;
    struct seen s;
    struct spacc_tensor *y;
    struct spacc_error err = {.text = ""};

    look(&s, layer_graph(l, "- yh"), 14, apart, 1000);
    const uint32_t after = clean_seed;
    clean_seed = seed;
    struct spacc_graph *whole = graph_of(layer_graph(l, "y"), 14);
    clean_seed = after;
    if (spacc_graph_run(whole, inputs_of(&s.x), &y, NULL, &err))
        fail_msg("%s", err.text);
    const struct walk k = {.l = l,
                           .directions = strcmp(l->direction, "bidirectional") ? 1 : 2,
                           .x = inputs_of(&s.x)[0]->data,
                           .y = y->data,
                           .h0 = contents(whole, "h0"),
                           .w = contents(whole, "w"),
                           .r = contents(whole, "r"),
                           .b = contents(whole, "b")};
    const size_t each = strcmp(l->op, "GRU") ? 1 : l->linear || apart ? 3 : 2;
    assert_int_equal(s.blocks, each * k.directions);
    for (size_t b = 0; b < s.blocks; b++)
        check_block(&s, b, &k);
    spacc_tensor_free(y);
    spacc_graph_free(whole);
    done(&s);
}

static void steps_of_every_kind_of_layer_are_its_inputs(void **state)
{
    static const char *const directions[] = {"forward", "reverse", "bidirectional"};
    (void)state;

    for (int kind = 0; kind < 4; kind++)
        for (int d = 0; d < 3; d++)
            for (int bits = 0; bits < 8; bits++)
                check_layer(&(struct layer){.op = kind ? "GRU" : "LSTM",
                                            .direction = directions[d],
                                            .batch_first = bits & 1,
                                            .lens = bits & 2,
                                            .first = bits & 4,
                                            .linear = kind == 2},
                            kind == 3);
}

/* ---- biases ------------------------------------------------------------------ */

static void a_constant_row_behind_a_matmul_is_its_bias(void **state)
{
    (void)state;
    struct maker g = {0};
    struct seen s;

    input(&g, "a", DIMS(2, 5));
    floats(&g, "b", NAN, DIMS(5, 7));
    floats(&g, "c", NAN, DIMS(7));
    op(&g, "MatMul", "a b", "p");
    op(&g, "Add", "c p", "y");
    output(&g, "y");
    look(&s, g, 13, false, 1000);
    float bias[7];
    spacc_prune_block_bias(&s.block[0], s.g, bias);
    assert_memory_equal(bias, contents(s.g, "c"), sizeof(bias));
    done(&s);
}

static void a_row_that_somebody_else_reads_is_no_bias(void **state)
{
    (void)state;
    struct maker g = {0};
    struct seen s;

    input(&g, "a", DIMS(2, 5));
    floats(&g, "b", NAN, DIMS(5, 7));
    floats(&g, "c", NAN, DIMS(7));
    op(&g, "MatMul", "a b", "p");
    op(&g, "Add", "p c", "y");
    op(&g, "Add", "y c", "z");
    output(&g, "z");
    look(&s, g, 13, false, 1000);
    assert_int_equal(s.block[0].bias, -1);
    done(&s);
}

/* Wb and Rb of the rows of a block; what changes goes into Wb. */
static void a_gate_has_two_biases_and_the_first_one_changes(void **state)
{
    (void)state;
    const struct layer l = {.op = "GRU", .direction = "bidirectional"};
    struct seen s;

    look(&s, layer_graph(&l, "y"), 14, false, 1000);
    const size_t rows = 3 * UNITS;
    float *b = s.g->value[spacc_graph_find(s.g, "b")].init->data;
    const struct spacc_prune_block *block = &s.block[3]; /* candidates, backward */
    assert_int_equal(block->direction, 1);
    assert_int_equal(block->first_row, 2 * UNITS);
    float *wb = b + 2 * rows + 2 * UNITS, *rb = wb + rows, bias[UNITS], old[UNITS];
    spacc_prune_block_bias(block, s.g, bias);
    for (size_t u = 0; u < UNITS; u++)
        assert_true(bias[u] == wb[u] + rb[u]);
    memcpy(old, rb, sizeof(old));
    for (size_t u = 0; u < UNITS; u++)
        bias[u] += 1.0f;
    spacc_prune_block_set_bias(block, s.g, bias);
    assert_memory_equal(rb, old, sizeof(old));
    for (size_t u = 0; u < UNITS; u++)
        assert_true(fabsf(wb[u] + rb[u] - bias[u]) < 1e-6f);
    done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_a_product_are_its_inputs),
        cmocka_unit_test(a_turned_gemm_is_read_by_columns),
        cmocka_unit_test(samples_are_evenly_spaced_and_no_more_than_asked_for),
        cmocka_unit_test(patches_of_any_convolution_are_its_inputs),
        cmocka_unit_test(steps_of_every_kind_of_layer_are_its_inputs),
        cmocka_unit_test(a_constant_row_behind_a_matmul_is_its_bias),
        cmocka_unit_test(a_row_that_somebody_else_reads_is_no_bias),
        cmocka_unit_test(a_gate_has_two_biases_and_the_first_one_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
