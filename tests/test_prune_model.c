/* Pruning of whole models: what is kept, what is measured, what may be renumbered. */
#include <unistd.h>

#include "host/include/spacc.h"
#include "host/prune/lockstep.h"
#include "host/prune/loss.h"
#include "host/prune/permute.h"
#include "host/prune/sensitivity.h"
#include "host/session.h"
#include "models/io.h"
#include "sparse/nm.h"
#include "sparse/pack.h"
#include "sparse/prune.h"
#include "tests/engine_maker.h"

enum { MATRICES_MAX = 64 };

/* A model, its matrices, and requests. */
struct job {
    struct spacc_graph *g;
    struct spacc_prune_matrix *m;
    size_t matrices;
    struct spacc_pruned result[MATRICES_MAX];
    bool *changed;
    struct spacc_tensor *in[CLEAN_TENSORS_MAX];
    struct spacc_requests requests;
    double outputs_error;
};

static void begin(struct job *j, struct spacc_graph *g)
{
    *j = (struct job){.g = g};
    assert_int_equal(spacc_prune_matrices(&j->m, &j->matrices, g), SPACC_OK);
    assert_true(j->matrices <= MATRICES_MAX);
    j->changed = calloc((size_t)g->values + 1, sizeof(*j->changed));
    assert_non_null(j->changed);
}

static const struct spacc_tensor *const *inputs(const struct job *j)
{
    return (const struct spacc_tensor *const *)j->in;
}

static void random_requests(struct job *j)
{
    struct spacc_error err = {.text = ""};

    for (int i = 0; i < j->g->inputs; i++)
        j->in[i] = random_input(&j->g->value[j->g->input[i]]);
    if (spacc_requests_make(&j->requests, j->g, inputs(j), NULL, 0, 0, &err))
        fail_msg("%s", err.text);
}

static void end(struct job *j)
{
    spacc_requests_release(&j->requests);
    for (int i = 0; i < j->g->inputs; i++)
        spacc_tensor_free(j->in[i]);
    free(j->changed);
    free(j->m);
    spacc_graph_free(j->g);
}

static void prune(struct job *j, enum spacc_prune_method method, size_t bank, size_t k,
                  int bits)
{
    const struct spacc_prune_how how = {
        .method = method, .bank_size = bank, .weight_bits = bits};
    struct spacc_error err = {.text = ""};

    if (spacc_prune_begin(j->result, j->g, j->m, j->matrices, bank, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < j->matrices; i++)
        j->result[i].k = k;
    if (spacc_prune_model(j->result, j->changed, j->g, j->m, j->matrices, &how,
                          j->requests.count ? &j->requests : NULL, &j->outputs_error, &err))
        fail_msg("%s", err.text);
}

static float *floats_of(const struct spacc_graph *g, const char *name)
{
    return g->value[spacc_graph_find(g, name)].init->data;
}

/* ---- lockstep ---------------------------------------------------------------- */

static struct spacc_graph *real_model(const char *file)
{
    char path[512];
    struct spacc_error err = {.text = ""};
    struct spacc_graph *g;

    snprintf(path, sizeof(path), "%s/models/%s", SPACC_SHARED, file);
    if (access(path, R_OK)) {
        printf("skipped: %s is not there\n", path);
        return NULL;
    }
    if (spacc_onnx_load(&g, path, &err))
        fail_msg("%s", err.text);
    return g;
}

/* Input i of a golden case. */
static struct spacc_tensor *golden_input(const char *folder, int i)
{
    char path[512];
    struct spacc_error err = {.text = ""};
    struct spacc_tensor *t;

    snprintf(path, sizeof(path), "%s/models/%s/in_%d.npy", SPACC_SHARED, folder, i);
    if (spacc_tensor_load(&t, path, &err))
        fail_msg("%s", err.text);
    return t;
}

/* Request 1 is request 0 with its first input halved. */
static void expect_lockstep(const struct spacc_graph *g, const char *folder)
{
    struct spacc_tensor *in[2][CLEAN_TENSORS_MAX], *want[2][CLEAN_TENSORS_MAX];
    const struct spacc_tensor *input[2 * CLEAN_TENSORS_MAX];
    struct spacc_lockstep *l;
    struct spacc_error err = {.text = ""};

    for (int r = 0; r < 2; r++) {
        for (int i = 0; i < g->inputs; i++)
            input[r * g->inputs + i] = in[r][i] = golden_input(folder, i);
        for (size_t e = 0; r && e < in[r][0]->count; e++)
            ((float *)in[r][0]->data)[e] *= 0.5f;
        run_graph(g, in[r], want[r]);
    }
    if (spacc_lockstep_new(&l, g, 2, input, &err) || spacc_loss_finish(l, &err))
        fail_msg("%s", err.text);
    for (int r = 0; r < 2; r++)
        for (int o = 0; o < g->outputs; o++) {
            assert_true(
                same_bits(spacc_lockstep_value(l, (size_t)r, g->output[o]), want[r][o]));
            spacc_tensor_free(want[r][o]);
        }
    spacc_lockstep_free(l);
    for (int r = 0; r < 2; r++)
        for (int i = 0; i < g->inputs; i++)
            spacc_tensor_free(in[r][i]);
}

/* Bit for bit what spacc_graph_run() gives, in every request; with branches (silero). */
static void lockstep_is_the_same_as_runs(void **state)
{
    static const char *const cases[][2] = {
        {"dtln/model_1.onnx", "dtln/golden/model_1/seed"},
        {"gtcrn/gtcrn_simple.onnx", "gtcrn/golden/gtcrn_simple/seed"},
        {"silero_vad/silero_vad_16k_op15.onnx", "silero_vad/golden/silero_vad_16k_op15/seed"}};
    (void)state;

    for (size_t f = 0; f < sizeof(cases) / sizeof(*cases); f++) {
        struct spacc_graph *g = real_model(cases[f][0]);
        if (g)
            expect_lockstep(g, cases[f][1]);
        spacc_graph_free(g);
    }
}

/* ---- what is pruned ---------------------------------------------------------- */

static struct maker two_products(const char *first, const char *second)
{
    struct maker g = {0};

    input(&g, "x", DIMS(40, 16));
    floats(&g, "a", NAN, DIMS(16, 16));
    floats(&g, "b", NAN, DIMS(16, 16));
    add(&g, make_node("MatMul", "one", first, "p"));
    add(&g, make_node("MatMul", "two", second, "y"));
    output(&g, "y");
    return g;
}

/* Constants that change behind its back do not matter to a lockstep that keeps its own. */
static void a_kept_lockstep_goes_by_what_was(void **state)
{
    (void)state;
    struct spacc_error err = {.text = ""};
    struct spacc_lockstep *l = NULL, *kept = NULL, *dense = NULL;
    double loss, ruined;
    struct job j;

    begin(&j, graph_of(two_products("x a", "p b"), 13));
    random_requests(&j);
    assert_int_equal(spacc_lockstep_new(&l, j.g, j.requests.count, j.requests.input, &err),
                     SPACC_OK);
    assert_int_equal(spacc_lockstep_fork(&dense, l, 1, &err), SPACC_OK);
    assert_int_equal(spacc_loss_finish(dense, &err), SPACC_OK);
    assert_int_equal(spacc_lockstep_fork(&kept, l, 1, &err), SPACC_OK);
    assert_int_equal(spacc_lockstep_keep(kept, &err), SPACC_OK);
    prune(&j, SPACC_PRUNE_MAGNITUDE, 8, 1, 0);
    assert_int_equal(spacc_loss_finish(kept, &err), SPACC_OK);
    assert_int_equal(spacc_loss_finish(l, &err), SPACC_OK);
    assert_int_equal(spacc_loss(&loss, j.g, dense, kept, 1, &err), SPACC_OK);
    assert_int_equal(spacc_loss(&ruined, j.g, dense, l, 1, &err), SPACC_OK);
    assert_true(loss == 0.0);
    assert_true(ruined > 0.1);
    spacc_lockstep_free(kept);
    spacc_lockstep_free(dense);
    spacc_lockstep_free(l);
    end(&j);
}

static void weights_of_two_nodes_are_pruned_once(void **state)
{
    (void)state;
    struct job j;

    begin(&j, graph_of(two_products("x a", "p a"), 13));
    random_requests(&j);
    prune(&j, SPACC_PRUNE_OBS, 8, 4, 0);
    assert_string_equal(j.result[0].why, "");
    assert_string_equal(j.result[1].why, "has the weights of node one");
    end(&j);
}

static void weights_that_others_read_stay(void **state)
{
    (void)state;
    struct maker g = two_products("x a", "p b");
    struct job j;

    op(&g, "Relu", "a", "z");
    output(&g, "z");
    begin(&j, graph_of(g, 13));
    random_requests(&j);
    float *before = malloc(256 * sizeof(*before));
    memcpy(before, floats_of(j.g, "a"), 256 * sizeof(*before));
    prune(&j, SPACC_PRUNE_MAGNITUDE, 8, 4, 0);
    assert_string_equal(j.result[0].why, "its weights are read by other nodes too");
    assert_memory_equal(before, floats_of(j.g, "a"), 256 * sizeof(*before));
    assert_string_equal(j.result[1].why, "");
    free(before);
    end(&j);
}

/* The errors that are told are those of the sums. */
static void the_error_told_is_that_of_the_outputs(void **state)
{
    (void)state;
    struct maker g = {0};
    struct job j;
    struct spacc_tensor *dense, *sparse;

    input(&g, "x", DIMS(2, 6, 9, 9));
    floats(&g, "w", NAN, DIMS(8, 3, 3, 3));
    floats(&g, "b", NAN, DIMS(8));
    add(&g, with_int(make_node("Conv", "", "x w b", "y"), "group", 2));
    output(&g, "y");
    begin(&j, graph_of(g, 13));
    random_requests(&j);
    run_graph(j.g, j.in, &dense);
    for (int method = 0; method < 3; method++) {
        float *w = floats_of(j.g, "w"), old[8 * 27], bias[8];
        memcpy(old, w, sizeof(old));
        memcpy(bias, floats_of(j.g, "b"), sizeof(bias));
        prune(&j, (enum spacc_prune_method)method, 9, 4, 0);
        run_graph(j.g, j.in, &sparse);
        double error = 0.0, whole = 0.0;
        for (size_t i = 0; i < dense->count; i++) {
            const double a = (double)((float *)dense->data)[i];
            const double d = (double)((float *)sparse->data)[i] - a;
            error += d * d;
            whole += a * a;
        }
        assert_true(error > 0.0);
        assert_true(fabs(j.result[0].error - error / whole) < 1e-4 * error / whole);
        assert_true(fabs(j.outputs_error - error / whole) < 1e-9);
        assert_true(fabs(j.result[0].sparsity - 5.0 / 9.0) < 1e-9);
        assert_int_equal(j.result[0].samples, 2 * 7 * 7);
        spacc_tensor_free(sparse);
        memcpy(w, old, sizeof(old));
        memcpy(floats_of(j.g, "b"), bias, sizeof(bias));
    }
    spacc_tensor_free(dense);
    end(&j);
}

/* 2:4 weights have 2 of every 4, so half of any bank that 4 divides. */
static void a_2_4_model_loses_nothing(void **state)
{
    static const size_t banks[] = {4, 8, 16, 32};
    (void)state;
    struct maker g = {0};
    struct job j;
    float dense[24 * 64], before[24 * 64];

    input(&g, "x", DIMS(200, 64));
    floats(&g, "w", NAN, DIMS(24, 64));
    add(&g, with_int(make_node("Gemm", "", "x w", "y"), "transB", 1));
    output(&g, "y");
    begin(&j, graph_of(g, 13));
    random_requests(&j);
    memcpy(dense, floats_of(j.g, "w"), sizeof(dense));
    assert_int_equal(spacc_prune_magnitude(dense, 24, 64, 4, 2, NULL, NULL), SPACC_OK);
    const struct spacc_nm nm = spacc_nm_find(dense, 24, 64);
    assert_true(nm.n == 2 && nm.m == 4);
    memcpy(before, dense, sizeof(dense));
    for (int method = 0; method < 3; method++)
        for (size_t b = 0; b < 4; b++) {
            memcpy(floats_of(j.g, "w"), dense, sizeof(dense));
            prune(&j, (enum spacc_prune_method)method, banks[b], banks[b] / 2, 0);
            assert_memory_equal(floats_of(j.g, "w"), before, sizeof(before));
            assert_true(j.result[0].error == 0.0 && j.result[0].energy_kept == 1.0);
            assert_true(j.outputs_error == 0.0);
        }
    end(&j);
}

/* ---- the card's grid --------------------------------------------------------- */

/* LSTM, GRU (r * h apart) and a product, with biases. */
static struct maker card_layers(void)
{
    struct maker g = {0};

    input(&g, "x", DIMS(60, 1, 24));
    floats(&g, "w", NAN, DIMS(1, 128, 24));
    floats(&g, "r", NAN, DIMS(1, 128, 32));
    floats(&g, "b", NAN, DIMS(1, 256));
    floats(&g, "gw", NAN, DIMS(1, 48, 32));
    floats(&g, "gr", NAN, DIMS(1, 48, 16));
    floats(&g, "gb", NAN, DIMS(1, 96));
    floats(&g, "m", NAN, DIMS(16, 20));
    ints(&g, "one", DIMS(1));
    add(&g, with_int(make_node("LSTM", "lstm", "x w r b", "h"), "hidden_size", 32));
    op(&g, "Squeeze", "h one", "s");
    add(&g, with_int(make_node("GRU", "gru", "s gw gr gb", "v"), "hidden_size", 16));
    op(&g, "Squeeze", "v one", "t");
    add(&g, make_node("MatMul", "product", "t m", "y"));
    output(&g, "y");
    return g;
}

/* Every weight of a packed part is the model's, to the last bit: gates stand one behind the
 * other in quads of rows, from row `first` on; a product is turned and has none. */
static void expect_same_weights(const struct spacc_csb *packed, const float *model,
                                size_t gates, size_t units, bool turned, size_t first)
{
    float *dense = calloc(packed->rows * packed->cols, sizeof(*dense));
    size_t kept = 0;

    spacc_csb_unpack(packed, dense);
    for (size_t g = 0; g < gates; g++)
        for (size_t u = 0; u < units; u++)
            for (size_t c = 0; c < packed->cols; c++) {
                const size_t row = turned ? u : 4 * u + first + g;
                const float have = dense[row * packed->cols + c];
                const float want =
                    turned ? model[c * units + u] : model[(g * units + u) * packed->cols + c];
                if (have != want)
                    fail_msg("gate %zu, unit %zu, column %zu: packed %.9g, pruned %.9g", g, u,
                             c, (double)have, (double)want);
                kept += have != 0.0f;
            }
    assert_true(kept > 0);
    size_t odd = 0; /* of a grid twice as coarse all would be even */
    for (size_t i = 0; i < packed->rows * packed->k * packed->banks; i++)
        odd += ((const int8_t *)packed->value)[i] & 1;
    assert_true(odd > 0);
    free(dense);
}

static const struct spacc_fixed_layer *packed_layer(const struct spacc_pack *p,
                                                    const char *name)
{
    for (size_t i = 0; i < p->layers; i++)
        if (!strcmp(p->layer[i].name, name))
            return p->layer[i].layer;
    fail_msg("no layer %s", name);
    return NULL;
}

static void obs_on_the_grid_is_what_a_session_packs(void **state)
{
    (void)state;
    struct maker m = make_model(card_layers(), 8, 13);
    struct spacc_error err = {.text = ""};
    struct spacc_graph *g;
    struct job j;

    assert_int_equal(spacc_onnx_parse(&g, m.bytes, m.used, "made.onnx", &err), SPACC_OK);
    begin(&j, g);
    random_requests(&j);
    prune(&j, SPACC_PRUNE_OBS, 8, 4, 8);

    char folder[] = "/tmp/spacc_grid_XXXXXX", from[64], to[64], packed[64];
    assert_non_null(mkdtemp(folder));
    snprintf(from, sizeof(from), "%s/from.onnx", folder);
    snprintf(to, sizeof(to), "%s/to.onnx", folder);
    snprintf(packed, sizeof(packed), "%s/to.safetensors", folder);
    assert_int_equal(spacc_file_write(from, m.bytes, m.used, &err), SPACC_OK);
    const char *names[16];
    const struct spacc_tensor *contents[16];
    size_t changes = 0;
    for (int v = 0; v < g->values; v++)
        if (j.changed[v]) {
            names[changes] = g->value[v].name;
            contents[changes++] = g->value[v].init;
        }
    assert_true(changes >= 5);
    if (spacc_onnx_rewrite(from, to, changes, names, contents, 0, NULL, NULL, &err))
        fail_msg("%s", err.text);

    const struct spacc_options options = {.precision = SPACC_PRECISION_INT8, .fpga = "model"};
    struct spacc_model *model = NULL;
    struct spacc_session *session = NULL;
    struct spacc_pack *p = NULL;
    if (spacc_model_load(&model, to, &err) ||
        spacc_session_new(&session, model, &options, &err) ||
        spacc_session_prepare(session, 1, inputs(&j), &err) ||
        spacc_session_pack(session, packed, &err) || spacc_pack_load(&p, packed, &err))
        fail_msg("%s", err.text);
    const struct spacc_fixed_layer *l = packed_layer(p, "lstm");
    expect_same_weights(l->w_x, floats_of(g, "w"), 4, 32, false, 0);
    expect_same_weights(l->w_h, floats_of(g, "r"), 4, 32, false, 0);
    l = packed_layer(p, "gru");
    expect_same_weights(l->w_x, floats_of(g, "gw"), 3, 16, false, 0);
    expect_same_weights(l->w_h, floats_of(g, "gr"), 2, 16, false, 0);
    expect_same_weights(l->w_b, floats_of(g, "gr") + 2 * 16 * 16, 1, 16, false, 3);
    l = packed_layer(p, "product");
    expect_same_weights(l->w_x, floats_of(g, "m"), 1, 20, true, 0);

    spacc_pack_free(p);
    spacc_session_free(session);
    spacc_model_free(model);
    unlink(from);
    unlink(to);
    unlink(packed);
    rmdir(folder);
    free(m.bytes);
    end(&j);
}

/* ---- allocation -------------------------------------------------------------- */

/* Two products, the second of which makes nearly nothing of the output. */
static void what_hardly_matters_is_pruned_first(void **state)
{
    (void)state;
    struct maker g = {0};
    struct job j;
    struct spacc_error err = {.text = ""};
    const struct spacc_prune_how how = {.method = SPACC_PRUNE_OBS, .bank_size = 8};

    input(&g, "x", DIMS(100, 16));
    floats(&g, "a", NAN, DIMS(16, 16));
    floats(&g, "b", NAN, DIMS(16, 16));
    floats(&g, "little", 1e-3f, DIMS(1));
    add(&g, make_node("MatMul", "much", "x a", "p"));
    add(&g, make_node("MatMul", "less", "x b", "q"));
    op(&g, "Mul", "q little", "r");
    op(&g, "Add", "p r", "y");
    output(&g, "y");
    begin(&j, graph_of(g, 13));
    random_requests(&j);
    float before[256];
    memcpy(before, floats_of(j.g, "a"), sizeof(before));
    assert_int_equal(spacc_prune_begin(j.result, j.g, j.m, 2, 8, &err), SPACC_OK);
    if (spacc_prune_allocate(j.result, j.g, j.m, 2, &how, 0.4, &j.requests, &err))
        fail_msg("%s", err.text);
    assert_memory_equal(before, floats_of(j.g, "a"), sizeof(before));
    assert_int_equal(j.result[0].k, 8);
    assert_true(j.result[1].k <= 1);
    assert_true(j.result[0].loss == 0.0 && j.result[1].loss < 1e-5);
    assert_int_equal(spacc_prune_allocate(j.result, j.g, j.m, 2, &how, 0.95, &j.requests, &err),
                     SPACC_EINVAL);
    end(&j);
}

/* ---- renumbering ------------------------------------------------------------- */

/* All that can be renumbered, one behind the other. */
static struct maker chain(bool linear)
{
    struct maker g = {0};

    input(&g, "x", DIMS(7, 2, 12));
    floats(&g, "w", NAN, DIMS(1, 4 * 16, 12));
    floats(&g, "r", NAN, DIMS(1, 4 * 16, 16));
    floats(&g, "b", NAN, DIMS(1, 8 * 16));
    floats(&g, "h0", NAN, DIMS(1, 2, 16));
    floats(&g, "c0", NAN, DIMS(1, 2, 16));
    floats(&g, "peep", NAN, DIMS(1, 3 * 16));
    floats(&g, "gw", NAN, DIMS(1, 3 * 12, 16));
    floats(&g, "gr", NAN, DIMS(1, 3 * 12, 12));
    floats(&g, "gb", NAN, DIMS(1, 6 * 12));
    floats(&g, "m", NAN, DIMS(12, 24));
    floats(&g, "mb", NAN, DIMS(24));
    floats(&g, "n", NAN, DIMS(20, 24));
    floats(&g, "nb", NAN, DIMS(1, 20));
    floats(&g, "half", 0.5f, DIMS(1));
    floats(&g, "last", NAN, DIMS(20, 5));
    ints(&g, "one", DIMS(1));
    ints(&g, "flat", 2, (const int64_t[]){-1, 24});
    add(&g,
        with_int(make_node("LSTM", "lstm", "x w r b - h0 c0 peep", "y"), "hidden_size", 16));
    op(&g, "Squeeze", "y one", "s");
    add(&g, with_int(with_int(make_node("GRU", "gru", "s gw gr gb", "v"), "hidden_size", 12),
                     "linear_before_reset", linear));
    add(&g, with_ints(make_node("Transpose", "", "v", "v2"), "perm", 4,
                      (const int64_t[]){2, 0, 1, 3}));
    add(&g, make_node("MatMul", "first", "v2 m", "p"));
    op(&g, "Add", "mb p", "p2");
    op(&g, "Relu", "p2", "p3");
    op(&g, "Reshape", "p3 flat", "p4");
    add(&g, with_int(make_node("Gemm", "second", "p4 n nb", "q"), "transB", 1));
    op(&g, "Mul", "q half", "q2");
    op(&g, "Tanh", "q2", "q3");
    add(&g, make_node("MatMul", "third", "q3 last", "z"));
    output(&g, "z");
    return g;
}

static void permute(struct job *j, struct spacc_permuted **told, size_t *count, bool seen)
{
    struct spacc_error err = {.text = ""};

    assert_int_equal(spacc_prune_begin(j->result, j->g, j->m, j->matrices, 4, &err), SPACC_OK);
    for (size_t i = 0; i < j->matrices; i++)
        j->result[i].k = 1;
    if (spacc_prune_permute(told, count, j->g, j->m, j->matrices, j->result, 4,
                            seen ? &j->requests : NULL, j->changed, &err))
        fail_msg("%s", err.text);
}

static void a_renumbered_model_gives_the_same(void **state)
{
    static const char *const names[] = {"lstm", "gru", "first", "second"};
    (void)state;

    for (int round = 0; round < 4; round++) {
        struct job j;
        struct spacc_tensor *before, *after;
        struct spacc_permuted *told;
        size_t count;

        begin(&j, graph_of(chain(round & 1), 13));
        random_requests(&j);
        run_graph(j.g, j.in, &before);
        permute(&j, &told, &count, round & 2);
        run_graph(j.g, j.in, &after);
        assert_int_equal(count, 4);
        for (size_t i = 0; i < count; i++) {
            assert_string_equal(told[i].node->name, names[i]);
            if (told[i].why[0])
                fail_msg("%s: %s", names[i], told[i].why);
            assert_true(told[i].after > told[i].before && told[i].after < 1.0);
        }
        assert_true(j.changed[spacc_graph_find(j.g, "peep")]);
        assert_true(is_close(after, before));
        spacc_tensor_free(before);
        spacc_tensor_free(after);
        free(told);
        end(&j);
    }
}

/* The share that is told is the one that pruning then finds. */
static void the_gain_told_is_the_one_there_is(void **state)
{
    (void)state;
    struct job j;
    struct spacc_permuted *told;
    size_t count;

    begin(&j, graph_of(two_products("x a", "p b"), 13));
    permute(&j, &told, &count, false);
    prune(&j, SPACC_PRUNE_MAGNITUDE, 4, 1, 0);
    assert_int_equal(count, 1);
    assert_true(fabs(told[0].after - j.result[1].energy_kept) < 1e-6);
    assert_true(told[0].after > told[0].before);
    free(told);
    end(&j);
}

/* One LSTM, with something that keeps its units where they are. */
static struct maker bound(const char *how)
{
    struct maker g = {0};
    const bool two = !strcmp(how, "two");

    input(&g, "x", DIMS(5, 1, 8));
    if (!strcmp(how, "state"))
        input(&g, "h0", DIMS(1, 1, 8));
    floats(&g, "w", NAN, DIMS(1 + two, 32, 8));
    floats(&g, "r", NAN, DIMS(1 + two, 32, 8));
    floats(&g, "m", NAN, DIMS(8, 6));
    floats(&g, "c", NAN, DIMS(8));
    ints(&g, "flat", 2, (const int64_t[]){1, -1});
    struct maker n =
        make_node("LSTM", "lstm", !strcmp(how, "state") ? "x w r - - h0" : "x w r", "y yh");
    add(&g, with_text(with_int(n, "hidden_size", 8), "direction",
                      two ? "bidirectional" : "forward"));
    if (!strcmp(how, "softmax"))
        op(&g, "Softmax", "y", "q");
    else if (!strcmp(how, "flatten"))
        op(&g, "Reshape", "y flat", "q");
    else if (!strcmp(how, "twice"))
        op(&g, "Mul", "y y", "q");
    else if (!strcmp(how, "shared"))
        op(&g, "Add", "y c", "q"), op(&g, "Relu", "c", "also"), output(&g, "also");
    else
        op(&g, "Relu", "y", "q");
    if (!strcmp(how, "flatten"))
        op(&g, "Relu", "q", "z");
    else
        op(&g, "MatMul", "q m", "z");
    output(&g, "z");
    if (!strcmp(how, "output"))
        output(&g, "yh");
    return g;
}

static void what_cannot_be_renumbered_says_why(void **state)
{
    static const char *const cases[][2] = {
        {"state", "its state h0 is no constant"},
        {"output", "yh is an output of the model"},
        {"two", "it has two directions"},
        {"softmax", "node Softmax_1 reads it"},
        {"flatten", "the shape of q is another one, or known only at run time"},
        {"twice", "node Mul_1 reads it in two ways"},
        {"shared", "c is read by others too"},
        {"free", ""},
    };
    (void)state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct job j;
        struct spacc_permuted *told;
        size_t count;
        begin(&j, graph_of(bound(cases[i][0]), 13));
        permute(&j, &told, &count, false);
        assert_int_equal(count, 1);
        assert_string_equal(told[0].why, cases[i][1]);
        if (cases[i][1][0])
            for (int v = 0; v < j.g->values; v++)
                assert_false(j.changed[v]);
        free(told);
        end(&j);
    }
}

/* ---- real models ------------------------------------------------------------- */

struct real {
    const char *model, *data;
    int64_t images; /* of a batch; 0: all */
};

static void load_real(struct job *j, const struct real *r)
{
    char path[512];
    struct spacc_error err = {.text = ""};
    struct spacc_state pair[1];
    size_t states = 0;

    snprintf(path, sizeof(path), "%s/models/%s", SPACC_SHARED, r->data);
    if (spacc_tensor_load(&j->in[0], path, &err))
        fail_msg("%s", err.text);
    if (r->images) {
        j->in[0]->count = j->in[0]->count / (size_t)j->in[0]->dims[0] * (size_t)r->images;
        j->in[0]->dims[0] = r->images;
    }
    for (int i = 1; i < j->g->inputs; i++) {
        const struct spacc_value *v = &j->g->value[j->g->input[i]];
        assert_int_equal(spacc_tensor_new(&j->in[i], v->dtype, v->rank, v->dims), SPACC_OK);
        pair[states++] = (struct spacc_state){(size_t)i, 1};
    }
    if (spacc_requests_make(&j->requests, j->g, inputs(j), pair, states, 0, &err))
        fail_msg("%s", err.text);
}

static double error_of(const struct real *r, enum spacc_prune_method method, double *worst)
{
    struct spacc_graph *g = real_model(r->model);
    struct job j;

    if (!g)
        return -1.0;
    begin(&j, g);
    load_real(&j, r);
    prune(&j, method, 16, 8, 0);
    for (size_t i = 0; i < j.matrices; i++)
        worst[i] = j.result[i].why[0] ? 0.0 : j.result[i].error;
    const double error = j.outputs_error;
    end(&j);
    return error;
}

static void obs_loses_less_than_magnitude_on_real_models(void **state)
{
    static const struct real cases[] = {
        {.model = "dtln/model_1.onnx", .data = "dtln/golden_stream/m1_in_mag.npy"},
        {.model = "dtln/model_2.onnx", .data = "dtln/golden_stream/m2_in_frames.npy"},
        {.model = "resnet20_cifar/resnet20.onnx",
         .data = "resnet20_cifar/golden_cifar/in.npy",
         .images = 12},
    };
    (void)state;

    for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); c++) {
        double by[3][MATRICES_MAX] = {{0}}, error[3];
        for (int method = 0; method < 3; method++)
            error[method] = error_of(&cases[c], (enum spacc_prune_method)method, by[method]);
        printf("%s: outputs off by %.3f %% (magnitude), %.3f %% (wanda), %.3f %% (obs)\n",
               cases[c].model, 100.0 * error[0], 100.0 * error[1], 100.0 * error[2]);
        if (error[0] < 0.0)
            continue;
        assert_true(error[2] < 0.5 * error[0]);
        for (size_t i = 0; i < MATRICES_MAX; i++)
            assert_true(by[2][i] <= by[0][i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lockstep_is_the_same_as_runs),
        cmocka_unit_test(a_kept_lockstep_goes_by_what_was),
        cmocka_unit_test(weights_of_two_nodes_are_pruned_once),
        cmocka_unit_test(weights_that_others_read_stay),
        cmocka_unit_test(the_error_told_is_that_of_the_outputs),
        cmocka_unit_test(a_2_4_model_loses_nothing),
        cmocka_unit_test(obs_on_the_grid_is_what_a_session_packs),
        cmocka_unit_test(what_hardly_matters_is_pruned_first),
        cmocka_unit_test(a_renumbered_model_gives_the_same),
        cmocka_unit_test(the_gain_told_is_the_one_there_is),
        cmocka_unit_test(what_cannot_be_renumbered_says_why),
        cmocka_unit_test(obs_loses_less_than_magnitude_on_real_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
