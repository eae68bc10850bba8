/* Convolutions that predict their zeros, in the engine: which it takes, the same bits as its
 * own kernels without skipping, and what is counted. */
#include "host/session_parts.h"
#include "scheduler/pool.h"
#include "tests/engine_maker.h"

/* ---- graphs ---- */

struct conv {
    int64_t batch, channels, height, width, outputs, kernel, stride, dilation;
    int64_t pads[4]; /* top, left, bottom, right */
    int64_t group;
    bool bias;
};

static const struct conv plain = {.batch = 1,
                                  .channels = 5,
                                  .height = 11,
                                  .width = 9,
                                  .outputs = 7,
                                  .kernel = 3,
                                  .stride = 1,
                                  .dilation = 1,
                                  .pads = {1, 1, 1, 1},
                                  .group = 1,
                                  .bias = true};

/* Conv from x to y with weights "w_y". */
static void put_conv(struct maker *g, const struct conv *c, const char *x, const char *y)
{
    const int64_t strides[] = {c->stride, c->stride};
    const int64_t dilations[] = {c->dilation, c->dilation};
    const int64_t channels = c->channels / c->group;
    char in[64], w[32], b[32];

    snprintf(w, sizeof(w), "w_%s", y);
    snprintf(b, sizeof(b), "b_%s", y);
    snprintf(in, sizeof(in), c->bias ? "%s %s %s" : "%s %s", x, w, b);
    weights(g, w, (size_t)(channels * c->kernel * c->kernel), 4,
            (const int64_t[]){c->outputs, channels, c->kernel, c->kernel});
    if (c->bias)
        weights(g, b, 12, 1, &c->outputs);
    struct maker node = with_ints(make_node("Conv", y, in, y), "pads", 4, c->pads);
    node = with_ints(with_ints(node, "strides", 2, strides), "dilations", 2, dilations);
    add(g, with_int(node, "group", c->group));
}

static void put_clip(struct maker *g, float low, float high, const char *x, const char *y)
{
    char in[64];

    put_message(g, GRAPH_INITIALISER, make_tensor("low", 1, 0, NULL, &low, sizeof(low)));
    put_message(g, GRAPH_INITIALISER, make_tensor("high", 1, 0, NULL, &high, sizeof(high)));
    snprintf(in, sizeof(in), "%s low high", x);
    op(g, "Clip", in, y);
}

static void put_pool(struct maker *g, int64_t kernel, int64_t stride, int64_t pad,
                     const char *x, const char *y)
{
    const int64_t kernels[] = {kernel, kernel}, strides[] = {stride, stride};
    const int64_t pads[] = {pad, pad, pad, pad};
    struct maker node = with_ints(make_node("MaxPool", "", x, y), "kernel_shape", 2, kernels);

    add(g, with_ints(with_ints(node, "strides", 2, strides), "pads", 4, pads));
}

static void put_norm(struct maker *g, int64_t channels, const char *x, const char *y)
{
    char in[64];

    floats(g, "scale", NAN, 1, &channels);
    floats(g, "shift", NAN, 1, &channels);
    floats(g, "mean", NAN, 1, &channels);
    floats(g, "var", 0.7f, 1, &channels);
    snprintf(in, sizeof(in), "%s scale shift mean var", x);
    op(g, "BatchNormalization", in, y);
}

static void put_input(struct maker *g, const struct conv *c)
{
    input(g, "x", 4, (const int64_t[]){c->batch, c->channels, c->height, c->width});
}

/* x -> Conv "c" -> what `after` says -> y. */
static struct maker make_chain(const struct conv *c, const char *after)
{
    struct maker g = {0};
    const char *from = "c";

    put_input(&g, c);
    put_conv(&g, c, "x", after[0] ? "c" : "y");
    if (strstr(after, "norm")) {
        put_norm(&g, c->outputs, from, "n");
        from = "n";
    }
    if (strstr(after, "relu6"))
        put_clip(&g, 0.0f, 0.4f, from, strstr(after, "pool") ? "r" : "y");
    else if (strstr(after, "relu"))
        op(&g, "Relu", from, strstr(after, "relu pool") ? "r" : "y");
    if (strstr(after, "relu pool"))
        put_pool(&g, 3, 2, 1, "r", "y");
    output(&g, "y");
    return g;
}

static int node_of(const struct spacc_graph *g, const char *op_name)
{
    for (int n = 0; n < g->nodes; n++)
        if (strcmp(g->node[n].op->name, op_name) == 0)
            return n;
    fail_msg("no %s in the graph", op_name);
    return -1;
}

/* ---- engines ---- */

static struct spacc_engine *engine_of(const struct spacc_graph *g, const struct example *x,
                                      int bits, const struct spacc_seernet_how *how,
                                      unsigned cpu, const struct spacc_parallel *parallel)
{
    const struct spacc_engine_options options = {
        .cpu = cpu, .seernet = bits, .seernet_how = how, .parallel = parallel};
    struct spacc_error err = {.text = ""};
    struct spacc_engine *e;

    if (spacc_engine_new(&e, g, inputs_of(x), &options, &err))
        fail_msg("%s", err.text);
    return e;
}

static struct spacc_engine *simple_engine(const struct spacc_graph *g, const struct example *x,
                                          int bits)
{
    return engine_of(g, x, bits, NULL, spacc_cpu_features(), NULL);
}

static void run(struct spacc_engine *e, const struct example *x, struct spacc_tensor **got)
{
    struct spacc_error err = {.text = ""};

    if (spacc_engine_run(e, inputs_of(x), got, NULL, &err))
        fail_msg("%s", err.text);
}

static void free_all(struct spacc_tensor **t)
{
    for (int i = 0; i < CLEAN_TENSORS_MAX; i++) {
        spacc_tensor_free(t[i]);
        t[i] = NULL;
    }
}

static void results(const struct spacc_graph *g, const struct example *x, int bits, int parts,
                    unsigned cpu, struct spacc_tensor **got)
{
    struct spacc_pool *pool;
    struct spacc_error err = {.text = ""};

    if (spacc_pool_new(&pool, parts, &err))
        fail_msg("%s", err.text);
    const struct spacc_parallel p = spacc_pool_parallel(pool);
    struct spacc_engine *e = engine_of(g, x, bits, NULL, cpu, &p);
    run(e, x, got);
    spacc_engine_free(e);
    spacc_pool_free(pool);
}

/* ---- the same bits ---- */

static void expect_bits(const struct spacc_graph *g, struct spacc_tensor *const *a,
                        struct spacc_tensor *const *b, const char *what)
{
    for (int o = 0; o < g->outputs; o++)
        if (!same_bits(a[o], b[o]))
            fail_msg("%s: output %d has other bits", what, o);
}

/* Exact, on one thread and on three, gives the bits of the full run, which is near the
 * reference. */
static void expect_exact(const struct spacc_graph *g, const struct example *x, const char *what)
{
    struct spacc_tensor *full[CLEAN_TENSORS_MAX] = {NULL}, *got[CLEAN_TENSORS_MAX] = {NULL};
    const unsigned cpu = spacc_cpu_features();

    results(g, x, SPACC_ENGINE_SEERNET_FULL, 1, cpu, full);
    for (int o = 0; o < g->outputs; o++)
        if (!is_close(full[o], x->want[o]))
            fail_msg("%s: output %d is not that of the reference", what, o);
    for (int parts = 1; parts <= 3; parts += 2) {
        results(g, x, SPACC_ENGINE_SEERNET_EXACT, parts, cpu, got);
        expect_bits(g, got, full, what);
        free_all(got);
    }
    free_all(full);
}

/* What 4 bits give is a result of the full run, or 0 (or where the clip ends); the same on any
 * number of threads. */
static void expect_skips(const struct spacc_graph *g, const struct example *x, float high,
                         const char *what)
{
    struct spacc_tensor *full[CLEAN_TENSORS_MAX] = {NULL}, *got[CLEAN_TENSORS_MAX] = {NULL};
    struct spacc_tensor *three[CLEAN_TENSORS_MAX] = {NULL};

    results(g, x, SPACC_ENGINE_SEERNET_FULL, 1, spacc_cpu_features(), full);
    results(g, x, 4, 1, spacc_cpu_features(), got);
    results(g, x, 4, 3, spacc_cpu_features(), three);
    expect_bits(g, got, three, what);
    const float *a = got[0]->data, *b = full[0]->data;
    for (size_t i = 0; i < full[0]->count; i++)
        if (memcmp(&a[i], &b[i], sizeof(*a)) != 0 && a[i] != 0.0f && a[i] != high)
            fail_msg("%s: element %zu is %g, the full run has %g", what, i, (double)a[i],
                     (double)b[i]);
    free_all(full);
    free_all(got);
    free_all(three);
}

/* Takes `graph` over. */
static void expect_layer(struct maker graph, const char *with, float high)
{
    struct both b = both_of(graph, 13);
    struct example x = example_of(b.clean);
    struct spacc_engine *e = simple_engine(b.clean, &x, 4);
    const int conv = node_of(b.clean, "Conv");

    if (spacc_engine_seernets(e) != 1)
        fail_msg("%s: %zu layers, want 1", with, spacc_engine_seernets(e));
    assert_int_equal(spacc_engine_seernet(e, 0).node, conv);
    assert_string_equal(spacc_engine_seernet(e, 0).with, with);
    assert_string_equal(spacc_engine_describe(e, conv).kernel, "seernet");
    spacc_engine_free(e);
    expect_exact(b.clean, &x, with);
    if (!strstr(with, "MaxPool"))
        expect_skips(b.clean, &x, high, with);
    example_free(&x);
    both_free(&b);
}

static void activations_and_pools_run_with_their_convolution(void **state)
{
    (void)state;
    expect_layer(make_chain(&plain, "relu"), "Relu", 0.0f);
    expect_layer(make_chain(&plain, "norm relu"), "Relu", 0.0f);
    expect_layer(make_chain(&plain, "relu6"), "Clip", 0.4f);
    expect_layer(make_chain(&plain, "norm relu6"), "Clip", 0.4f);
    expect_layer(make_chain(&plain, "relu pool"), "Relu MaxPool", 0.0f);
    expect_layer(make_chain(&plain, "norm relu pool"), "Relu MaxPool", 0.0f);
}

static void a_pool_before_its_relu_is_as_good(void **state)
{
    struct maker g = {0};

    (void)state;
    put_input(&g, &plain);
    put_conv(&g, &plain, "x", "c");
    put_pool(&g, 2, 2, 0, "c", "p");
    op(&g, "Relu", "p", "y");
    output(&g, "y");
    expect_layer(g, "MaxPool Relu", 0.0f);
}

static void any_window_stride_pad_and_batch_fits(void **state)
{
    struct conv c;

    (void)state;
    for (int64_t kernel = 1; kernel <= 5; kernel += 2)
        for (int64_t stride = 1; stride <= 2; stride++)
            for (int64_t pad = 0; pad <= 2; pad++) {
                c = plain;
                c.kernel = kernel;
                c.stride = stride;
                for (int i = 0; i < 4; i++)
                    c.pads[i] = pad;
                expect_layer(make_chain(&c, "relu"), "Relu", 0.0f);
            }
    c = plain;
    c.batch = 3;
    expect_layer(make_chain(&c, "relu"), "Relu", 0.0f);
    expect_layer(make_chain(&c, "relu pool"), "Relu MaxPool", 0.0f);
    c.pads[0] = c.pads[3] = 2;
    c.dilation = 2;
    expect_layer(make_chain(&c, "relu6"), "Clip", 0.4f);
    c.channels = 1;
    c.outputs = 70;
    c.bias = false;
    expect_layer(make_chain(&c, "relu"), "Relu", 0.0f);
}

/* ---- neighbours ---- */

/* A reorder before the first and behind the last; none between. */
static void neighbours_exchange_images_as_they_are(void **state)
{
    struct conv second = plain;
    struct maker g = {0};

    (void)state;
    second.channels = plain.outputs;
    put_input(&g, &plain);
    put_conv(&g, &plain, "x", "c");
    op(&g, "Relu", "c", "r");
    put_conv(&g, &second, "r", "d");
    op(&g, "Relu", "d", "y");
    output(&g, "y");
    struct spacc_graph *graph = graph_of(g, 13);
    struct example x = example_of(graph);
    struct spacc_engine *e = simple_engine(graph, &x, 4);
    assert_int_equal(spacc_engine_seernets(e), 2);
    assert_true(spacc_engine_totals(e).steps <= 4);
    spacc_engine_free(e);
    expect_exact(graph, &x, "two");
    example_free(&x);
    spacc_graph_free(graph);
}

/* Concat, sums and plain convolutions beside it take its results. */
static struct maker make_branches(void)
{
    struct conv a = plain, b = plain, last = plain;
    struct maker g = {0};

    a.channels = b.channels = 8;
    a.outputs = b.outputs = 16;
    b.kernel = 1;
    memset(b.pads, 0, sizeof(b.pads));
    last.channels = 32;
    last.outputs = 16;
    put_input(&g, &a);
    put_conv(&g, &a, "x", "c");
    op(&g, "Relu", "c", "left");
    put_conv(&g, &b, "x", "d");
    op(&g, "Relu", "d", "right");
    add(&g, with_int(make_node("Concat", "", "left right", "both"), "axis", 1));
    put_conv(&g, &last, "both", "e");
    op(&g, "Add", "e left", "s");
    op(&g, "Relu", "s", "y");
    output(&g, "y");
    output(&g, "both");
    return g;
}

static void other_kernels_take_its_results(void **state)
{
    struct spacc_graph *g = graph_of(make_branches(), 13);
    struct example x = example_of(g);

    (void)state;
    expect_exact(g, &x, "branches");
    for (int which = 1; which < 4; which++) { /* one beside a dense one, too */
        struct spacc_seernet_how nodes[16] = {{.taken = false}};
        struct spacc_tensor *got[CLEAN_TENSORS_MAX] = {NULL};
        nodes[0].taken = which & 1;
        nodes[2].taken = which & 2;
        struct spacc_engine *e =
            engine_of(g, &x, SPACC_ENGINE_SEERNET_EXACT, nodes, spacc_cpu_features(), NULL);
        assert_int_equal(spacc_engine_seernets(e), which == 3 ? 2 : 1);
        run(e, &x, got);
        for (int o = 0; o < g->outputs; o++)
            assert_true(is_close(got[o], x.want[o]));
        free_all(got);
        spacc_engine_free(e);
    }
    example_free(&x);
    spacc_graph_free(g);
}

/* ---- what it leaves alone ---- */

/* Takes `graph` over: no layer, and the bits of an engine that does not know of it. */
static void expect_dense(struct maker graph, const char *what)
{
    struct spacc_graph *g = graph_of(graph, 13);
    struct example x = example_of(g);
    struct spacc_tensor *with[CLEAN_TENSORS_MAX] = {NULL}, *without[CLEAN_TENSORS_MAX] = {NULL};
    struct spacc_engine *e = simple_engine(g, &x, 4), *dense = simple_engine(g, &x, 0);

    if (spacc_engine_seernets(e) != 0)
        fail_msg("%s: taken", what);
    run(e, &x, with);
    run(dense, &x, without);
    expect_bits(g, with, without, what);
    free_all(with);
    free_all(without);
    spacc_engine_free(e);
    spacc_engine_free(dense);
    example_free(&x);
    spacc_graph_free(g);
}

static void what_it_does_not_fit_runs_dense(void **state)
{
    struct conv c = plain;
    struct maker g;

    (void)state;
    expect_dense(make_chain(&plain, ""), "no activation");
    c.channels = c.outputs = 8;
    c.group = 2;
    expect_dense(make_chain(&c, "relu"), "groups");
    c.group = 8;
    expect_dense(make_chain(&c, "relu"), "a group a channel");
    g = (struct maker){0};
    put_input(&g, &plain);
    put_conv(&g, &plain, "x", "c");
    put_clip(&g, -0.5f, 0.5f, "c", "y");
    output(&g, "y");
    expect_dense(g, "a clip that makes no zeros");
    g = (struct maker){0};
    put_input(&g, &plain);
    put_conv(&g, &plain, "x", "c");
    op(&g, "Sigmoid", "c", "y");
    output(&g, "y");
    expect_dense(g, "another activation");
    g = (struct maker){0};
    put_input(&g, &plain);
    put_conv(&g, &plain, "x", "c");
    op(&g, "Relu", "c", "y");
    op(&g, "Sigmoid", "c", "z");
    output(&g, "y");
    output(&g, "z");
    expect_dense(g, "a convolution that is read twice");
    g = (struct maker){0};
    put_input(&g, &plain);
    put_conv(&g, &plain, "x", "c");
    put_pool(&g, 2, 2, 0, "c", "y");
    output(&g, "y");
    expect_dense(g, "a pool that keeps what is below zero");
}

static void make_weights_of_the_run(struct maker *g)
{
    put_input(g, &plain);
    input(g, "w", 4, (const int64_t[]){7, 5, 3, 3});
    add(g, with_ints(make_node("Conv", "", "x w", "c"), "pads", 4, plain.pads));
    op(g, "Relu", "c", "y");
    output(g, "y");
}

static void weights_that_are_made_in_the_run_run_dense(void **state)
{
    struct maker g = {0};

    (void)state;
    make_weights_of_the_run(&g);
    expect_dense(g, "weights of the run");
}

static void a_relu_that_others_read_has_no_pool(void **state)
{
    struct maker g = {0};

    (void)state;
    put_input(&g, &plain);
    put_conv(&g, &plain, "x", "c");
    op(&g, "Relu", "c", "r");
    put_pool(&g, 3, 2, 1, "r", "p");
    op(&g, "GlobalAveragePool", "r", "z");
    op(&g, "Relu", "p", "y");
    output(&g, "y");
    output(&g, "z");
    struct spacc_graph *graph = graph_of(g, 13);
    struct example x = example_of(graph);
    struct spacc_engine *e = simple_engine(graph, &x, 4);
    assert_int_equal(spacc_engine_seernets(e), 1);
    assert_string_equal(spacc_engine_seernet(e, 0).with, "Relu");
    spacc_engine_free(e);
    expect_exact(graph, &x, "pool beside");
    example_free(&x);
    spacc_graph_free(graph);
}

/* ---- counts ---- */

static struct spacc_seer_counts counts_of(const struct spacc_graph *g, const struct example *x,
                                          int bits)
{
    struct spacc_tensor *got[CLEAN_TENSORS_MAX] = {NULL};
    struct spacc_engine *e = simple_engine(g, x, bits);

    run(e, x, got); /* not watched: does not count */
    free_all(got);
    spacc_engine_watch_seernet(e, true);
    for (int i = 0; i < 2; i++) {
        run(e, x, got);
        free_all(got);
    }
    spacc_engine_watch_seernet(e, false);
    const struct spacc_seer_counts counts = spacc_engine_seernet(e, 0).counts;
    spacc_engine_free(e);
    return counts;
}

static void watched_runs_count_what_masks_get_right(void **state)
{
    struct conv c = plain;
    c.height = c.width = 24;
    struct spacc_graph *g = graph_of(make_chain(&c, "relu"), 13);
    struct example x = example_of(g);
    uint64_t live = 0;
    const float *want = x.want[0]->data;

    (void)state;
    for (size_t i = 0; i < x.want[0]->count; i++)
        live += want[i] > 0.0f;
    const struct spacc_seer_counts exact = counts_of(g, &x, SPACC_ENGINE_SEERNET_EXACT);
    assert_int_equal(exact.outputs, 2 * x.want[0]->count);
    assert_true(llabs((long long)exact.needed - 2 * (long long)live) <= 4); /* near zero */
    assert_int_equal(exact.computed, exact.needed);
    assert_int_equal(exact.equal, exact.outputs);
    const struct spacc_seer_counts two = counts_of(g, &x, 2), eight = counts_of(g, &x, 8);
    assert_int_equal(two.needed, exact.needed);
    assert_int_equal(eight.needed, exact.needed);
    assert_true(eight.equal > two.equal);
    assert_true((double)eight.equal > 0.97 * (double)eight.outputs);
    assert_true(two.equal < two.outputs);
    example_free(&x);
    spacc_graph_free(g);
}

/* ---- the choice ---- */

struct fake {
    double seernet_us; /* what runs are said to take, of 1e7 without */
    int runs, fail_at; /* 0: never */
};

static enum spacc_status fake_run(void *user, struct spacc_engine *e,
                                  const struct spacc_tensor *const *in,
                                  struct spacc_tensor **out, double *us,
                                  struct spacc_error *err)
{
    struct fake *f = user;

    *us = spacc_engine_seernets(e) > 0 ? f->seernet_us : 1e7;
    if (++f->runs == f->fail_at)
        return spacc_fail(err, SPACC_EDEVICE, "run %d failed", f->runs);
    return spacc_engine_run(e, in, out, NULL, err);
}

struct chosen {
    struct spacc_graph *g;
    struct example x;
    struct spacc_engine *engine;
    struct spacc_seernet_choice *choice;
    enum spacc_status status;
};

static struct chosen choose(struct maker graph, int bits, bool always, struct fake *f)
{
    struct chosen c = {.g = graph_of(graph, 13)};
    struct spacc_error err = {.text = ""};

    c.x = example_of(c.g);
    c.engine = simple_engine(c.g, &c.x, 0);
    const struct spacc_seernet_ask ask = {.g = c.g,
                                          .engine = {.cpu = spacc_cpu_features()},
                                          .bits = bits,
                                          .always = always,
                                          .frames = 1,
                                          .input = inputs_of(&c.x),
                                          .run = fake_run,
                                          .user = f};
    c.status = spacc_seernet_choose(&c.choice, &ask, &c.engine, &err);
    assert_true(c.status == SPACC_OK || c.choice == NULL);
    return c;
}

static void chosen_free(struct chosen *c)
{
    spacc_seernet_choice_free(c->choice);
    spacc_engine_free(c->engine);
    example_free(&c->x);
    spacc_graph_free(c->g);
}

static void a_layer_is_taken_when_it_gets_faster(void **state)
{
    struct fake f = {.seernet_us = 50.0};
    struct chosen c = choose(make_branches(), 4, false, &f);
    const struct spacc_report_seernet *r = spacc_seernet_choice_report(c.choice);
    size_t taken = 0;

    (void)state;
    assert_int_equal(r->layers, 2);
    for (size_t i = 0; i < r->layers; i++) {
        const struct spacc_report_seer *l = &r->layer[i];
        assert_true(l->dense_us > 0.0 && l->seernet_us > 0.0);
        assert_true(l->mask_us > 0.0 && l->mask_us <= l->seernet_us);
        if (l->taken)
            assert_true(l->seernet_us < l->dense_us || !r->withdrawn);
        taken += l->taken;
    }
    assert_int_equal(r->taken, taken);
    assert_int_equal(spacc_engine_seernets(c.engine), taken);
    assert_false(r->withdrawn);
    chosen_free(&c);
}

static void a_model_that_gets_no_faster_has_no_layers(void **state)
{
    struct fake f = {.seernet_us = 1e9};
    struct chosen c = choose(make_branches(), 4, false, &f);

    (void)state;
    assert_int_equal(spacc_seernet_choice_report(c.choice)->taken, 0);
    assert_int_equal(spacc_engine_seernets(c.engine), 0);
    for (int n = 0; n < c.g->nodes; n++)
        assert_false(spacc_seernet_choice_how(c.choice)[n].taken);
    chosen_free(&c);
}

static void always_takes_what_fits_whatever_it_costs(void **state)
{
    struct fake f = {.seernet_us = 1e9};
    struct chosen c = choose(make_branches(), SPACC_SEERNET_EXACT, true, &f);
    const struct spacc_report_seernet *r = spacc_seernet_choice_report(c.choice);

    (void)state;
    assert_int_equal(r->taken, 2);
    assert_false(r->withdrawn);
    assert_true(fabs(r->seernet_us - 1e9) < 1e7 && fabs(r->dense_us - 1e7) < 1e6);
    assert_true(r->max_error < 1e-4 && r->snr_db > 80.0);
    for (size_t i = 0; i < r->layers; i++)
        assert_true(r->layer[i].precision == 1.0 && r->layer[i].recall == 1.0 &&
                    r->layer[i].accuracy == 1.0 && r->layer[i].zeros == r->layer[i].predicted);
    assert_int_equal(spacc_engine_seernets(c.engine), 2);
    chosen_free(&c);
}

static void a_model_without_layers_has_none(void **state)
{
    struct fake f = {.seernet_us = 1.0};
    struct chosen c = choose(make_chain(&plain, ""), 4, true, &f);

    (void)state;
    assert_int_equal(c.status, SPACC_OK);
    assert_int_equal(spacc_seernet_choice_report(c.choice)->layers, 0);
    assert_int_equal(f.runs, 0);
    chosen_free(&c);
}

static void bits_out_of_range_and_failing_runs_are_errors(void **state)
{
    const int bits[] = {-1, 0, 9, 100};

    (void)state;
    for (size_t i = 0; i < sizeof(bits) / sizeof(*bits); i++) {
        struct fake f = {.seernet_us = 1.0};
        struct chosen c = choose(make_branches(), bits[i], false, &f);
        assert_int_equal(c.status, SPACC_EINVAL);
        chosen_free(&c);
    }
    for (int at = 1; at < 12; at++) {
        struct fake f = {.seernet_us = 1.0, .fail_at = at};
        struct chosen c = choose(make_branches(), 4, true, &f);
        assert_int_equal(c.status, SPACC_EDEVICE);
        assert_int_equal(spacc_engine_seernets(c.engine), 0);
        chosen_free(&c);
    }
}

/* ---- inputs with fewer zeros than those of the choice ---- */

static void fill(struct spacc_tensor *t, float value)
{
    for (size_t i = 0; i < t->count; i++)
        ((float *)t->data)[i] = value;
}

/* Weights above 0: nothing is live when x is below 0, everything when it is above. */
static struct maker make_one_sided(void)
{
    struct conv c = plain;
    struct maker g = {0};

    c.bias = false;
    put_input(&g, &c);
    floats(&g, "w", 0.1f, 4, (const int64_t[]){7, 5, 3, 3});
    add(&g, with_ints(make_node("Conv", "c", "x w", "c"), "pads", 4, c.pads));
    op(&g, "Relu", "c", "y");
    output(&g, "y");
    return g;
}

static void run_times(struct chosen *c, int times)
{
    struct spacc_tensor *got[CLEAN_TENSORS_MAX] = {NULL};

    for (int i = 0; i < times; i++) {
        run(c->engine, &c->x, got);
        free_all(got);
    }
}

static void more_to_compute_takes_longer(void **state)
{
    struct fake f = {.seernet_us = 1e6};
    struct chosen c = choose(make_one_sided(), 4, true, &f);
    const struct spacc_report_seernet *r = spacc_seernet_choice_report(c.choice);
    const double us = r->seernet_us;

    (void)state;
    spacc_engine_forget(c.engine);
    assert_true(spacc_seernet_choice_us(c.choice, c.engine) == us); /* nothing ran */
    fill(c.x.in[0], -1.0f);
    run_times(&c, 1);
    assert_int_equal(spacc_engine_seernet(c.engine, 0).computed, 0);
    assert_true(spacc_seernet_choice_us(c.choice, c.engine) < us);
    fill(c.x.in[0], 1.0f);
    run_times(&c, 100);
    const struct spacc_engine_seernet s = spacc_engine_seernet(c.engine, 0);
    assert_true(s.computed * 101 == s.outputs * 100);
    assert_true(spacc_seernet_choice_us(c.choice, c.engine) > us);
    spacc_seernet_choice_withdraw(c.choice, 2.0 * us);
    assert_true(r->withdrawn && r->taken == 0 && !r->layer[0].taken);
    chosen_free(&c);
}

static void run_session(struct spacc_session *s, const struct example *x, int outputs,
                        int times)
{
    struct spacc_tensor *got[CLEAN_TENSORS_MAX] = {NULL};
    struct spacc_error err = {.text = ""};
    const bool seernet = spacc_engine_seernets(s->executor.engine) > 0;

    for (int i = 0; i < times; i++) {
        if (spacc_session_run(s, inputs_of(x), got, &err))
            fail_msg("%s", err.text);
        for (int o = 0; o < outputs && !seernet; o++)
            assert_true(is_close(got[o], x->want[o]));
        free_all(got);
    }
}

static void a_session_withdraws_what_does_not_pay_any_more(void **state)
{
    const struct spacc_options options = {.seernet = 4, .seernet_always = true};
    struct spacc_graph *g = graph_of(make_branches(), 13);
    struct spacc_model model = {.graph = g, .file = (char *)(uintptr_t) "g.onnx"};
    struct example x = example_of(g);
    struct spacc_error err = {.text = ""};
    struct spacc_session *s;

    (void)state;
    if (spacc_session_new(&s, &model, &options, &err) ||
        spacc_session_prepare(s, 1, inputs_of(&x), &err))
        fail_msg("%s", err.text);
    struct spacc_report_seernet *r = (void *)(uintptr_t)spacc_seernet_choice_report(s->seernet);
    s->options.seernet_always = false;
    r->dense_us = 1.5 * r->seernet_us; /* it pays */
    run_session(s, &x, g->outputs, 2 * SPACC_WATCH_RUNS);
    assert_int_equal(spacc_engine_seernets(s->executor.engine), 2);
    r->dense_us = 0.5 * r->seernet_us;
    run_session(s, &x, g->outputs, SPACC_WATCH_RUNS);
    assert_int_equal(spacc_engine_seernets(s->executor.engine), 0);
    run_session(s, &x, g->outputs, SPACC_WATCH_RUNS);
    const struct spacc_report *report = spacc_session_report(s);
    assert_true(report->seernet->withdrawn && report->seernet->taken == 0);
    assert_int_equal(report->notes, 1);
    assert_non_null(strstr(report->note[0], "seernet is withdrawn"));
    spacc_session_free(s);
    example_free(&x);
    spacc_graph_free(g);
}

/* ---- real models ---- */

static const struct {
    const char *file;
    size_t layers; /* at least */
} models[] = {{"resnet20_cifar/resnet20.onnx", 5},
              {"squeezenet11/squeezenet11_fp32.onnx", 20},
              {"ultraface_slim320/version-slim-320_simplified.onnx", 10},
              {"super_resolution10/model.onnx", 2}};

/* Nothing random about it; contents do not matter for the bits. */
static void expect_exact_model(const char *file, size_t layers)
{
    struct spacc_tensor *full[CLEAN_TENSORS_MAX] = {NULL}, *got[CLEAN_TENSORS_MAX] = {NULL};
    struct spacc_error err = {.text = ""};
    struct spacc_graph *g;

    if (spacc_onnx_load(&g, file, &err) || spacc_graph_clean(g, NULL, &err))
        fail_msg("%s", err.text);
    struct example x = {.in = {NULL}};
    assert_int_equal(g->inputs, 1);
    x.in[0] = random_input(&g->value[g->input[0]]);
    struct spacc_engine *e = simple_engine(g, &x, SPACC_ENGINE_SEERNET_FULL);
    if (spacc_engine_seernets(e) < layers)
        fail_msg("%s: %zu layers, want %zu", file, spacc_engine_seernets(e), layers);
    run(e, &x, full);
    spacc_engine_free(e);
    e = simple_engine(g, &x, SPACC_ENGINE_SEERNET_EXACT);
    run(e, &x, got);
    expect_bits(g, got, full, file);
    spacc_engine_free(e);
    free_all(full);
    free_all(got);
    example_free(&x);
    spacc_graph_free(g);
}

static void exact_is_exact_on_real_models(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(models) / sizeof(*models); i++) {
        char file[512];
        snprintf(file, sizeof(file), "%s/models/%s", SPACC_SHARED, models[i].file);
        FILE *f = fopen(file, "rb");
        if (!f) {
            printf("skipped: no %s\n", file);
            continue;
        }
        fclose(f);
        expect_exact_model(file, models[i].layers);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations_and_pools_run_with_their_convolution),
        cmocka_unit_test(a_pool_before_its_relu_is_as_good),
        cmocka_unit_test(any_window_stride_pad_and_batch_fits),
        cmocka_unit_test(neighbours_exchange_images_as_they_are),
        cmocka_unit_test(other_kernels_take_its_results),
        cmocka_unit_test(what_it_does_not_fit_runs_dense),
        cmocka_unit_test(weights_that_are_made_in_the_run_run_dense),
        cmocka_unit_test(a_relu_that_others_read_has_no_pool),
        cmocka_unit_test(watched_runs_count_what_masks_get_right),
        cmocka_unit_test(a_layer_is_taken_when_it_gets_faster),
        cmocka_unit_test(a_model_that_gets_no_faster_has_no_layers),
        cmocka_unit_test(always_takes_what_fits_whatever_it_costs),
        cmocka_unit_test(a_model_without_layers_has_none),
        cmocka_unit_test(bits_out_of_range_and_failing_runs_are_errors),
        cmocka_unit_test(more_to_compute_takes_longer),
        cmocka_unit_test(a_session_withdraws_what_does_not_pay_any_more),
        cmocka_unit_test(exact_is_exact_on_real_models),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
