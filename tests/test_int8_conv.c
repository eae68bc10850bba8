/* QLinearConv in the engine: the bits of the reference, whole and MSB first, on every kernel;
 * what few bits may skip; and that it is chosen by what it takes. */
#include "host/seernet_choice.h"
#include "scheduler/pool.h"
#include "tests/engine_maker.h"

enum { U8 = 2, I8 = 3, I32 = 6 }; /* of onnx.proto */

struct conv {
    int64_t batch, channels, height, width, outputs, kernel, stride, dilation, group;
    int64_t pads[4];
    bool bias, a_channel;       /* a scale a channel */
    bool halves;                /* sums are halved seven times: many are just between codes */
    int x_type, w_type, y_type; /* U8, I8 */
    int w_zero;
    float scale; /* of y: how much of the range results fill */
};

static const struct conv plain = {.batch = 1,
                                  .channels = 6,
                                  .height = 11,
                                  .width = 9,
                                  .outputs = 18,
                                  .kernel = 3,
                                  .stride = 1,
                                  .dilation = 1,
                                  .group = 1,
                                  .pads = {1, 1, 1, 1},
                                  .bias = true,
                                  .a_channel = true,
                                  .x_type = U8,
                                  .w_type = I8,
                                  .y_type = U8,
                                  .scale = 0.05f};

static void put_bytes_of(struct maker *g, const char *name, int type, int rank,
                         const int64_t *dims, int low, int high)
{
    uint8_t v[1 << 15];
    size_t count = 1;

    for (int d = 0; d < rank; d++)
        count *= (size_t)dims[d];
    assert_true(count <= sizeof(v));
    for (size_t i = 0; i < count; i++)
        v[i] = (uint8_t)(low + (int)clean_random((uint32_t)(high - low + 1)));
    put_message(g, GRAPH_INITIALISER, make_tensor(name, type, rank, dims, v, count));
}

static void put_scale(struct maker *g, const char *name, float scale, int64_t count, bool exact)
{
    float v[256];

    assert_true(count <= 256);
    for (int64_t i = 0; i < count; i++)
        v[i] = exact ? scale : scale * (1.0f + 0.3f * clean_number());
    put_message(g, GRAPH_INITIALISER,
                make_tensor(name, 1, count > 1, &count, v, (size_t)count * sizeof(*v)));
}

static void put_bias(struct maker *g, const char *name, int64_t count)
{
    int32_t v[256];

    for (int64_t i = 0; i < count; i++)
        v[i] = (int32_t)(2000.0f * clean_number());
    put_message(g, GRAPH_INITIALISER,
                make_tensor(name, I32, 1, &count, v, (size_t)count * sizeof(*v)));
}

/* Zero points in the middle of a signed x, low in an unsigned one: most are. Those of y are
 * low, so that about half of the results are the lowest code. */
static void put_conv(struct maker *g, const struct conv *c, const char *x, const char *y)
{
    const int64_t w[] = {c->outputs, c->channels / c->group, c->kernel, c->kernel};
    const int64_t strides[] = {c->stride, c->stride}, one = 1;
    const int64_t dilations[] = {c->dilation, c->dilation};
    const int w_low = c->w_type == I8 ? -127 : 0, w_high = c->w_type == I8 ? 127 : 255;
    char in[128];

    put_scale(g, "xs", c->halves ? 1.0f : 0.02f, 1, c->halves);
    put_bytes_of(g, "xz", c->x_type, 0, &one, c->x_type == I8 ? -20 : 3,
                 c->x_type == I8 ? 9 : 7);
    put_bytes_of(g, "w", c->w_type, 4, w, w_low, w_high);
    put_scale(g, "ws", c->halves ? 1.0f : 0.01f, c->a_channel ? c->outputs : 1, c->halves);
    put_bytes_of(g, "wz", c->w_type, 0, &one, c->w_zero, c->w_zero);
    put_scale(g, "ys", c->halves ? 128.0f : c->scale, 1, c->halves);
    put_bytes_of(g, "yz", c->y_type, 0, &one, c->y_type == I8 ? -128 : 0,
                 c->y_type == I8 ? -120 : 4);
    if (c->bias)
        put_bias(g, "b", c->outputs);
    snprintf(in, sizeof(in), "%s xs xz w ws wz ys yz%s", x, c->bias ? " b" : "");
    struct maker node = with_ints(make_node("QLinearConv", "conv", in, y), "pads", 4, c->pads);
    node = with_ints(with_ints(node, "strides", 2, strides), "dilations", 2, dilations);
    add(g, with_int(node, "group", c->group));
}

static struct spacc_graph *graph_of_conv(const struct conv *c)
{
    struct maker g = {0};

    put_message(&g, GRAPH_INPUT,
                make_info("x", c->x_type, 4,
                          (const int64_t[]){c->batch, c->channels, c->height, c->width}));
    put_conv(&g, c, "x", "y");
    output(&g, "y");
    return graph_of(g, 13);
}

static struct example example_of_bytes(const struct spacc_graph *g)
{
    struct example x = {.in = {NULL}};
    uint8_t *v;

    x.in[0] = random_input(&g->value[g->input[0]]);
    v = x.in[0]->data;
    for (size_t i = 0; i < x.in[0]->count; i++)
        v[i] = (uint8_t)clean_random(256);
    run_graph(g, x.in, x.want);
    return x;
}

static struct spacc_engine *engine_of(const struct spacc_graph *g, const struct example *x,
                                      int seernet, unsigned cpu,
                                      const struct spacc_parallel *parallel)
{
    const struct spacc_engine_options options = {
        .cpu = cpu, .seernet = seernet, .parallel = parallel};
    struct spacc_error err = {.text = ""};
    struct spacc_engine *e;

    if (spacc_engine_new(&e, g, inputs_of(x), &options, &err))
        fail_msg("%s", err.text);
    return e;
}

static struct spacc_tensor *result(struct spacc_engine *e, const struct example *x)
{
    struct spacc_tensor *got[CLEAN_TENSORS_MAX] = {NULL};
    struct spacc_error err = {.text = ""};

    if (spacc_engine_run(e, inputs_of(x), got, NULL, &err))
        fail_msg("%s", err.text);
    return got[0];
}

/* The bits of the reference, by the kernel that is asked for. */
static void expect_bits(const struct spacc_graph *g, const struct example *x, int seernet,
                        int parts, unsigned cpu, const char *kernel)
{
    struct spacc_error err = {.text = ""};
    struct spacc_pool *pool;

    if (spacc_pool_new(&pool, parts, &err))
        fail_msg("%s", err.text);
    const struct spacc_parallel p = spacc_pool_parallel(pool);
    struct spacc_engine *e = engine_of(g, x, seernet, cpu, &p);
    assert_string_equal(spacc_engine_describe(e, g->nodes - 1).kernel, kernel);
    struct spacc_tensor *got = result(e, x);
    if (!same_bits(got, x->want[0]))
        fail_msg("%s, %d parts: other bits than the reference (seed %u)", kernel, parts,
                 clean_seed);
    spacc_tensor_free(got);
    spacc_engine_free(e);
    spacc_pool_free(pool);
}

static void expect_conv(const struct conv *c)
{
    struct spacc_graph *g = graph_of_conv(c);
    struct example x = example_of_bytes(g);
    const unsigned cpu[] = {0, SPACC_CPU_AVX2 & spacc_cpu_features(), spacc_cpu_features()};

    for (size_t i = 0; i < sizeof(cpu) / sizeof(*cpu); i++) {
        expect_bits(g, &x, 0, 1, cpu[i], "int8 conv");
        expect_bits(g, &x, SPACC_ENGINE_SEERNET_FULL, 1, cpu[i], "int8 conv");
        expect_bits(g, &x, SPACC_ENGINE_SEERNET_EXACT, 1, cpu[i], "seernet int8");
    }
    expect_bits(g, &x, 0, 3, cpu[2], "int8 conv");
    expect_bits(g, &x, SPACC_ENGINE_SEERNET_EXACT, 3, cpu[2], "seernet int8");
    example_free(&x);
    spacc_graph_free(g);
}

static void it_has_the_bits_of_the_reference(void **state)
{
    struct conv c;

    (void)state;
    expect_conv(&plain);
    for (int type = 0; type < 4; type++) {
        c = plain;
        c.x_type = type & 1 ? I8 : U8;
        c.y_type = type & 2 ? I8 : U8;
        c.a_channel = type & 1;
        c.bias = type & 2;
        expect_conv(&c);
    }
    for (int64_t kernel = 1; kernel <= 5; kernel += 2)
        for (int64_t stride = 1; stride <= 2; stride++) {
            c = plain;
            c.kernel = kernel;
            c.stride = stride;
            c.pads[0] = c.pads[3] = kernel - 1;
            expect_conv(&c);
        }
    c = plain;
    c.batch = 3;
    c.channels = 1;
    c.outputs = 67;
    c.dilation = 2;
    expect_conv(&c);
}

/* Results that are all cut at one end or the other. */
static void scales_of_any_size_do(void **state)
{
    const float scale[] = {1e-6f, 1e-3f, 1.0f, 1e4f};

    (void)state;
    for (size_t i = 0; i < sizeof(scale) / sizeof(*scale); i++) {
        struct conv c = plain;
        c.scale = scale[i];
        expect_conv(&c);
    }
}

static void halves_round_to_even(void **state)
{
    struct conv c = plain;

    (void)state;
    c.halves = true;
    c.channels = c.kernel = 1;
    memset(c.pads, 0, sizeof(c.pads));
    for (c.y_type = U8; c.y_type <= I8; c.y_type++)
        expect_conv(&c);
}

static void what_it_does_not_fit_is_left(void **state)
{
    struct conv c[3] = {plain, plain, plain};

    (void)state;
    c[0].group = 2;
    c[1].w_type = U8;
    c[2].w_zero = 5;
    for (size_t i = 0; i < 3; i++) {
        struct spacc_graph *g = graph_of_conv(&c[i]);
        struct example x = example_of_bytes(g);
        expect_bits(g, &x, SPACC_ENGINE_SEERNET_EXACT, 1, spacc_cpu_features(), "reference");
        example_free(&x);
        spacc_graph_free(g);
    }
}

/* ---- few bits ---- */

static struct conv large(void)
{
    struct conv c = plain;

    c.channels = 32;
    c.outputs = 48;
    c.scale = 0.3f;
    return c;
}

static void few_bits_skip_and_say_what(void **state)
{
    const struct conv c = large();
    struct spacc_graph *g = graph_of_conv(&c);
    struct example x = example_of_bytes(g);
    struct spacc_engine *e = engine_of(g, &x, 4, spacc_cpu_features(), NULL);

    (void)state;
    spacc_engine_watch_seernet(e, true);
    struct spacc_tensor *got = result(e, &x);
    const uint8_t *a = got->data, *b = x.want[0]->data;
    uint64_t zeros = 0, lost = 0;
    uint8_t lowest = 255;
    for (size_t i = 0; i < got->count; i++)
        lowest = b[i] < lowest ? b[i] : lowest;
    for (size_t i = 0; i < got->count; i++) {
        assert_true(a[i] == b[i] || a[i] == lowest);
        zeros += b[i] == lowest;
        lost += a[i] != b[i];
    }
    const struct spacc_engine_seernet s = spacc_engine_seernet(e, 0);
    print_message("of %zu: %d lowest, %d skipped, %d lost\n", got->count, (int)zeros,
                  (int)(s.outputs - s.computed), (int)lost);
    assert_int_equal(spacc_engine_seernets(e), 1);
    assert_string_equal(s.with, "MSB first");
    assert_int_equal(s.outputs, got->count);
    assert_int_equal(s.counts.outputs, got->count);
    assert_int_equal(s.counts.computed, s.computed);
    assert_int_equal(s.counts.needed, got->count - zeros);
    assert_int_equal(s.counts.needed - s.counts.both, lost);
    assert_int_equal(s.counts.equal, got->count - (s.counts.needed - s.counts.both) -
                                         (s.counts.computed - s.counts.both));
    assert_true(s.mask_us > 0.0 && zeros > got->count / 4);
    assert_true(s.outputs - s.computed > zeros / 3 && lost * 200 < s.counts.needed);
    spacc_engine_forget(e);
    assert_int_equal(spacc_engine_seernet(e, 0).outputs, 0);
    spacc_tensor_free(got);
    spacc_engine_free(e);
    example_free(&x);
    spacc_graph_free(g);
}

/* ---- chosen ---- */

/* Runs take what is said: of engines with predicting layers, and of others. */
struct fake {
    double seernet_us;
};

static enum spacc_status fake_run(void *user, struct spacc_engine *e,
                                  const struct spacc_tensor *const *in,
                                  struct spacc_tensor **out, double *us,
                                  struct spacc_error *err)
{
    const struct fake *f = user;

    *us = spacc_engine_seernets(e) ? f->seernet_us : 1e7;
    return spacc_engine_run(e, in, out, NULL, err);
}

static void choose(double seernet_us, bool always, bool taken)
{
    const struct conv c = large();
    struct spacc_graph *g = graph_of_conv(&c);
    struct example x = example_of_bytes(g);
    struct fake f = {.seernet_us = seernet_us};
    struct spacc_engine *e = engine_of(g, &x, 0, spacc_cpu_features(), NULL);
    const struct spacc_seernet_ask ask = {.g = g,
                                          .engine = {.cpu = spacc_cpu_features()},
                                          .bits = SPACC_SEERNET_EXACT,
                                          .always = always,
                                          .frames = 1,
                                          .input = inputs_of(&x),
                                          .run = fake_run,
                                          .user = &f};
    struct spacc_seernet_choice *choice;
    struct spacc_error err = {.text = ""};

    if (spacc_seernet_choose(&choice, &ask, &e, &err))
        fail_msg("%s", err.text);
    const struct spacc_report_seernet *r = spacc_seernet_choice_report(choice);
    assert_int_equal(r->layers, 1);
    assert_int_equal(r->taken, taken);
    assert_string_equal(r->layer[0].with, "MSB first");
    assert_true(r->layer[0].recall == 1.0 && r->layer[0].dense_us > 0.0);
    assert_true(r->layer[0].mask_us > 0.0 && r->layer[0].mask_us < r->layer[0].seernet_us);
    if (taken)
        assert_true(r->max_error == 0.0);
    assert_int_equal(spacc_engine_seernets(e), taken);
    spacc_seernet_choice_free(choice);
    spacc_engine_free(e);
    example_free(&x);
    spacc_graph_free(g);
}

static void it_is_chosen_like_other_layers(void **state)
{
    (void)state;
    choose(1e9, true, true);
    choose(1e9, false, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_has_the_bits_of_the_reference),
                                       cmocka_unit_test(scales_of_any_size_do),
                                       cmocka_unit_test(halves_round_to_even),
                                       cmocka_unit_test(what_it_does_not_fit_is_left),
                                       cmocka_unit_test(few_bits_skip_and_say_what),
                                       cmocka_unit_test(it_is_chosen_like_other_layers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
