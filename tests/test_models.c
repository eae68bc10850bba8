/* Real models against outputs that ONNX Runtime computed, on the plain reference. */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/cpu/engine.h"
#include "models/clean.h"
#include "models/io.h"
#include "models/onnx.h"
#include "models/op.h"
#include "models/run.h"
#include "sparse/cpu.h"

#define MODELS SPACC_SHARED "/models"
enum { PATH_BYTES = 1024, INPUTS_MAX = 16, MODELS_ALL = 29 };

/* Largest error against the stored outputs, relative to max(1, |golden|). */
static const double tolerance = 1e-4;

/* Twice: on the plain reference, and the cleaned graph on the CPU engine. */
static bool on_engine;
static struct spacc_engine *engine; /* of the graph being run, made at its first run */

static void need_models(void)
{
    if (access(MODELS "/README.md", R_OK) != 0) {
        printf("skipped: %s is not here\n", MODELS);
        skip();
    }
}

static struct spacc_graph *load_model(const char *folder, const char *file)
{
    char path[PATH_BYTES];
    struct spacc_error err = {.text = ""};
    struct spacc_graph *g;

    snprintf(path, sizeof(path), "%s/%s/%s.onnx", MODELS, folder, file);
    if (spacc_onnx_load(&g, path, &err) != SPACC_OK ||
        (on_engine && spacc_graph_clean(g, NULL, &err) != SPACC_OK))
        fail_msg("%s", err.text);
    return g;
}

static struct spacc_tensor *load_tensor(const char *path)
{
    struct spacc_error err = {.text = ""};
    struct spacc_tensor *t;

    if (spacc_tensor_load(&t, path, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    return t;
}

/* Largest error of `got` against `want`, whose first `skip_dims` dimensions are
 * left out and which starts at element `start`. */
static double distance(const struct spacc_tensor *got, const struct spacc_tensor *want,
                       int skip_dims, size_t start, const char *what)
{
    char a[128], b[128];
    double worst = 0;
    bool same = got->dtype == want->dtype && got->rank == want->rank - skip_dims;

    for (int d = 0; same && d < got->rank; d++)
        same = got->dims[d] == want->dims[d + skip_dims];
    if (!same)
        fail_msg("%s: got %s, stored is %s", what, spacc_tensor_describe(got, a, sizeof(a)),
                 spacc_tensor_describe(want, b, sizeof(b)));
    assert_true(start + got->count <= want->count);
    for (size_t i = 0; i < got->count; i++) {
        const double w = spacc_tensor_element(want, start + i);
        const double e = fabs(spacc_tensor_element(got, i) - w) / fmax(1.0, fabs(w));
        if (!(e <= worst))
            worst = e; /* a NaN ends up here and stays */
    }
    return worst;
}

/* ---- single runs ---- */

/* Mark what depends on a random operator: nobody else can reproduce it. */
static bool *random_values(const struct spacc_graph *g)
{
    bool *random = calloc((size_t)g->values + 1, sizeof(*random));

    for (int n = 0; n < g->nodes; n++) {
        bool is = g->node[n].op->random;
        for (int i = 0; i < g->node[n].inputs; i++)
            is = is || (g->node[n].input[i] >= 0 && random[g->node[n].input[i]]);
        for (int o = 0; is && o < g->node[n].outputs; o++)
            if (g->node[n].output[o] >= 0)
                random[g->node[n].output[o]] = true;
    }
    return random;
}

/* The binder must foretell what the run makes. */
static int check_binding(const struct spacc_graph *g, const struct spacc_tensor *const *input,
                         struct spacc_tensor *const *output, const char *what)
{
    struct spacc_error err = {.text = ""};
    struct spacc_binding *b;
    char x[128], y[128];
    int known = 0;

    if (spacc_graph_bind(&b, g, input, &err) != SPACC_OK)
        fail_msg("%s: bind: %s", what, err.text);
    for (int o = 0; o < g->outputs; o++) {
        const struct spacc_tensor *shape = &b->shape[g->output[o]];
        if (shape->dtype == SPACC_DTYPE_NONE)
            continue;
        known++;
        if (!spacc_tensor_same_shape(shape, output[o]))
            fail_msg("%s: output %d is bound as %s, the run gives %s", what, o,
                     spacc_tensor_describe(shape, x, sizeof(x)),
                     spacc_tensor_describe(output[o], y, sizeof(y)));
    }
    spacc_binding_free(b);
    return known;
}

/* One run: where the inputs and the stored outputs are. An output whose file is not there is
 * not compared. */
struct set {
    const char *folder, *model; /* folder and stem of the model's file */
    const char *name;           /* for messages */
    char in[INPUTS_MAX][PATH_BYTES], out[INPUTS_MAX][PATH_BYTES];
};

static void check_outputs(const struct set *s, const struct spacc_graph *g,
                          struct spacc_tensor *const *output, int known)
{
    bool *random = random_values(g);
    int compared = 0, left_out = 0;
    double worst = 0;

    for (int o = 0; o < g->outputs; o++) {
        if (random[g->output[o]] || access(s->out[o], R_OK) != 0) {
            left_out++;
            continue;
        }
        struct spacc_tensor *want = load_tensor(s->out[o]);
        const double e = distance(output[o], want, 0, 0, s->out[o]);
        if (!(e <= tolerance))
            fail_msg("%s: error %g", s->out[o], e);
        worst = e > worst ? e : worst;
        compared++;
        spacc_tensor_free(want);
    }
    printf(
        "%s/%s, %s: %d outputs compared, %d not (random or not stored), largest error %.2g, %d "
        "shapes known before the run\n",
        s->folder, s->model, s->name, compared, left_out, worst, known);
    assert_true(compared > 0);
    free(random);
}

/* Input `i` of the set. cnn_light stores none: ONNX runs these on 0/n, 1/n, 2/n ... */
static struct spacc_tensor *load_input(const struct set *s, const struct spacc_graph *g, int i)
{
    const struct spacc_value *v = &g->value[g->input[i]];
    struct spacc_tensor *t;

    if (access(s->in[i], R_OK) == 0 || strcmp(s->folder, "cnn_light") != 0)
        return load_tensor(s->in[i]);
    assert_int_equal(spacc_tensor_new(&t, SPACC_F32, v->rank, v->dims), SPACC_OK);
    for (size_t k = 0; k < t->count; k++)
        ((float *)t->data)[k] = (float)((double)k / (double)t->count);
    return t;
}

static void run_graph(const struct spacc_graph *g, struct spacc_tensor *const *tensors,
                      struct spacc_tensor **output)
{
    const struct spacc_engine_options options = {.cpu = spacc_cpu_features()};
    const struct spacc_tensor *const *input = (const struct spacc_tensor *const *)tensors;
    struct spacc_error err = {.text = ""};
    enum spacc_status status;

    if (!on_engine)
        status = spacc_graph_run(g, input, output, NULL, &err);
    else if (engine || !(status = spacc_engine_new(&engine, g, input, &options, &err)))
        status = spacc_engine_run(engine, input, output, NULL, &err);
    if (status != SPACC_OK)
        fail_msg("%s", err.text);
}

static void forget_engine(void)
{
    spacc_engine_free(engine);
    engine = NULL;
}

static void check_set(const struct set *s)
{
    struct spacc_graph *g = load_model(s->folder, s->model);
    struct spacc_tensor *input[INPUTS_MAX], *output[INPUTS_MAX];

    assert_true(g->inputs <= INPUTS_MAX && g->outputs <= INPUTS_MAX);
    for (int i = 0; i < g->inputs; i++)
        input[i] = load_input(s, g, i);
    run_graph(g, input, output);
    const int known =
        check_binding(g, (const struct spacc_tensor *const *)input, output, s->model);
    check_outputs(s, g, output, known);
    for (int i = 0; i < g->inputs; i++)
        spacc_tensor_free(input[i]);
    for (int o = 0; o < g->outputs; o++)
        spacc_tensor_free(output[o]);
    forget_engine();
    spacc_graph_free(g);
}

/* golden/MODEL/KIND of a folder; false when it is not there. */
static bool check_golden(const char *folder, const char *model, const char *kind)
{
    static struct set s;
    char path[PATH_BYTES / 2];

    snprintf(path, sizeof(path), "%s/%s/golden/%s/%s", MODELS, folder, model, kind);
    snprintf(s.out[0], PATH_BYTES, "%s/out_0.npy", path);
    if (access(s.out[0], R_OK) != 0)
        return false;
    s.folder = folder;
    s.model = model;
    s.name = kind;
    for (int k = 0; k < INPUTS_MAX; k++) {
        snprintf(s.in[k], PATH_BYTES, "%s/in_%d.npy", path, k);
        snprintf(s.out[k], PATH_BYTES, "%s/out_%d.npy", path, k);
    }
    check_set(&s);
    return true;
}

static int visible(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

/* Models of one folder; each has a seed or a real set. */
static int check_folder(const char *folder)
{
    char path[PATH_BYTES], stem[PATH_BYTES];
    struct dirent **names;
    int models = 0;

    snprintf(path, sizeof(path), "%s/%s", MODELS, folder);
    const int count = scandir(path, &names, visible, alphasort);
    for (int i = 0; i < count; i++) {
        const size_t length = strlen(names[i]->d_name);
        if (length > 5 && strcmp(names[i]->d_name + length - 5, ".onnx") == 0) {
            snprintf(stem, sizeof(stem), "%.*s", (int)length - 5, names[i]->d_name);
            const bool seed = check_golden(folder, stem, "seed");
            const bool real = check_golden(folder, stem, "real");
            if (!seed && !real && strcmp(folder, "super_resolution10") == 0)
                printf("%s/%s: outputs are stored upstream only, see below\n", folder, stem);
            else if (!seed && !real)
                fail_msg("%s/%s has no stored outputs", folder, stem);
            models++;
        }
        free(names[i]);
    }
    if (count >= 0)
        free(names);
    return models;
}

static void every_model_gives_the_stored_outputs(void **state)
{
    struct dirent **names;
    int models = 0;

    (void)state;
    need_models();
    const int count = scandir(MODELS, &names, visible, alphasort);
    for (int i = 0; i < count; i++) {
        models += check_folder(names[i]->d_name);
        free(names[i]);
    }
    free(names);
    printf("%d models\n", models);
    assert_true(models >= MODELS_ALL);
}

static void add_file(char to[PATH_BYTES], const char *folder, const char *file)
{
    snprintf(to, PATH_BYTES, "%s/%s/%s", MODELS, folder, file);
}

static void words_images_and_upstream_data_give_the_stored_outputs(void **state)
{
    static const struct {
        const char *folder, *model, *in[5], *out[5];
    } cases[] = {
        {"textgenrnn",
         "textgenrnn",
         {"golden_text/chars.npy", "golden_text/h0.npy", "golden_text/h0.npy",
          "golden_text/h0.npy", "golden_text/h0.npy"},
         {"golden_text/out_0.npy", "golden_text/out_1.npy", "golden_text/out_2.npy",
          "golden_text/out_3.npy", "golden_text/out_4.npy"}},
        {"resnet20_cifar", "resnet20", {"golden_cifar/in.npy"}, {"golden_cifar/out_0.npy"}},
        {"mnist8",
         "model",
         {"upstream/mnist_8/test_data_set_0/input_0.pb"},
         {"upstream/mnist_8/test_data_set_0/output_0.pb"}},
        {"mnist8",
         "model",
         {"upstream/mnist_8/test_data_set_1/input_0.pb"},
         {"upstream/mnist_8/test_data_set_1/output_0.pb"}},
        {"mnist8",
         "model",
         {"upstream/mnist_8/test_data_set_2/input_0.pb"},
         {"upstream/mnist_8/test_data_set_2/output_0.pb"}},
        {"super_resolution10",
         "model",
         {"upstream/super_resolution_10/test_data_set_0/input_0.pb"},
         {"upstream/super_resolution_10/test_data_set_0/output_0.pb"}},
        {"ort_cntk",
         "test_LSTM.tanh.bidirectional",
         {"upstream/test_LSTM.tanh.bidirectional/test_data_set_0/input_0.pb"},
         {"upstream/test_LSTM.tanh.bidirectional/test_data_set_0/output_0.pb"}},
        {"ort_cntk",
         "test_RNN.bidirectional.one_layer.relu",
         {"upstream/test_RNN.bidirectional.one_layer.relu/test_data_set_0/input_0.pb"},
         {"upstream/test_RNN.bidirectional.one_layer.relu/test_data_set_0/output_0.pb"}},
        {"g2p_en",
         "encoder",
         {"golden_words/heterogeneous/graphemes.npy"},
         {"golden_words/heterogeneous/out_0.npy"}},
        {"g2p_en",
         "encoder",
         {"golden_words/gate/graphemes.npy"},
         {"golden_words/gate/out_0.npy"}},
    };
    static struct set s;
    (void)state;
    need_models();
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        memset(&s, 0, sizeof(s));
        s.folder = cases[c].folder;
        s.model = cases[c].model;
        s.name = cases[c].in[0];
        for (int k = 0; k < 5; k++) {
            if (cases[c].in[k])
                add_file(s.in[k], s.folder, cases[c].in[k]);
            if (cases[c].out[k])
                add_file(s.out[k], s.folder, cases[c].out[k]);
        }
        check_set(&s);
    }
}

/* ---- streams: frame by frame, states fed back ---- */

struct link {
    const char *input, *output; /* of the graph */
    const char *first, *last;   /* files: the state before and after the stream */
};
struct stream {
    const char *folder, *model;
    const char *frames, *frames_input;
    const char *fixed, *fixed_input; /* an input that never changes, or NULL */
    struct link state[3];
    int states;
    const char *outputs[2][2]; /* graph output, file */
};

static int input_number(const struct spacc_graph *g, const char *name)
{
    for (int i = 0; i < g->inputs; i++)
        if (strcmp(g->value[g->input[i]].name, name) == 0)
            return i;
    fail_msg("%s has no input %s", g->file, name);
    return -1;
}

static int output_number(const struct spacc_graph *g, const char *name)
{
    for (int o = 0; o < g->outputs; o++)
        if (strcmp(g->value[g->output[o]].name, name) == 0)
            return o;
    fail_msg("%s has no output %s", g->file, name);
    return -1;
}

static struct spacc_tensor *stream_file(const struct stream *s, const char *name)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/%s/golden_stream/%s.npy", MODELS, s->folder, name);
    return load_tensor(path);
}

/* Frame f of `all` [frames, ...] as a tensor of its own. */
static struct spacc_tensor *frame_of(const struct spacc_tensor *all, size_t f)
{
    struct spacc_tensor *t;
    assert_int_equal(spacc_tensor_new(&t, all->dtype, all->rank - 1, all->dims + 1), SPACC_OK);
    const size_t bytes = t->count * spacc_dtype_bytes(t->dtype);
    memcpy(t->data, (const char *)all->data + f * bytes, bytes);
    return t;
}

static void check_frame(const struct stream *s, const struct spacc_graph *g, size_t frame,
                        struct spacc_tensor *const *output, struct spacc_tensor *const *want,
                        double *worst)
{
    for (int k = 0; k < 2 && s->outputs[k][0]; k++) {
        const struct spacc_tensor *got = output[output_number(g, s->outputs[k][0])];
        const double e = distance(got, want[k], 1, frame * got->count, s->outputs[k][0]);
        if (!(e <= tolerance))
            fail_msg("%s: %s: frame %zu: error %g", g->file, s->outputs[k][0], frame, e);
        *worst = e > *worst ? e : *worst;
    }
}

static void check_stream(const struct stream *s)
{
    struct spacc_graph *g = load_model(s->folder, s->model);
    struct spacc_tensor *frames = stream_file(s, s->frames), *want[2] = {NULL, NULL};
    struct spacc_tensor *input[INPUTS_MAX] = {NULL}, *output[INPUTS_MAX];
    const size_t count = (size_t)frames->dims[0];
    double worst = 0;

    for (int k = 0; k < 2 && s->outputs[k][0]; k++)
        want[k] = stream_file(s, s->outputs[k][1]);
    for (int k = 0; k < s->states; k++)
        input[input_number(g, s->state[k].input)] = stream_file(s, s->state[k].first);
    if (s->fixed)
        input[input_number(g, s->fixed_input)] = stream_file(s, s->fixed);
    const int at = input_number(g, s->frames_input);

    for (size_t f = 0; f < count; f++) {
        input[at] = frame_of(frames, f);
        run_graph(g, input, output);
        check_frame(s, g, f, output, want, &worst);
        for (int k = 0; k < s->states; k++) {
            struct spacc_tensor **from = &output[output_number(g, s->state[k].output)];
            struct spacc_tensor **to = &input[input_number(g, s->state[k].input)];
            spacc_tensor_free(*to);
            *to = *from;
            *from = NULL;
        }
        spacc_tensor_free(input[at]);
        for (int o = 0; o < g->outputs; o++)
            spacc_tensor_free(output[o]);
    }
    for (int k = 0; k < s->states; k++) {
        struct spacc_tensor *last = stream_file(s, s->state[k].last);
        const double e =
            distance(input[input_number(g, s->state[k].input)], last, 0, 0, s->state[k].input);
        if (!(e <= tolerance))
            fail_msg("%s: final %s: error %g", g->file, s->state[k].input, e);
        spacc_tensor_free(last);
    }
    printf("%s/%s: %zu frames with states fed back, largest error %.2g\n", s->folder, s->model,
           count, worst);
    assert_true(count >= 50);
    input[at] = NULL;
    for (int i = 0; i < g->inputs; i++)
        spacc_tensor_free(input[i]);
    spacc_tensor_free(want[0]);
    spacc_tensor_free(want[1]);
    spacc_tensor_free(frames);
    forget_engine();
    spacc_graph_free(g);
}

static void every_stream_follows_the_stored_one_frame_by_frame(void **state)
{
    static const struct stream streams[] = {
        {"dtln",
         "model_1",
         "m1_in_mag",
         "input_2",
         NULL,
         NULL,
         {{"input_3", "tf_op_layer_stack_2", "m1_state0", "final_tf_op_layer_stack_2"}},
         1,
         {{"activation_2", "activation_2"}}},
        {"dtln",
         "model_2",
         "m2_in_frames",
         "input_4",
         NULL,
         NULL,
         {{"input_5", "tf_op_layer_stack_5", "m2_state0", "final_tf_op_layer_stack_5"}},
         1,
         {{"conv1d_3", "conv1d_3"}}},
        {"silero_vad",
         "silero_vad_16k_op15",
         "silero_vad_16k_op15/frames",
         "input",
         "silero_vad_16k_op15/sr",
         "sr",
         {{"state", "stateN", "silero_vad_16k_op15/state0",
           "silero_vad_16k_op15/final_stateN"}},
         1,
         {{"output", "silero_vad_16k_op15/output"}}},
        {"silero_vad",
         "silero_vad_op18_ifless",
         "silero_vad_16k_op15/frames",
         "input",
         "silero_vad_op18_ifless/sr",
         "sr",
         {{"state", "stateN", "silero_vad_op18_ifless/state0",
           "silero_vad_op18_ifless/final_stateN"}},
         1,
         {{"output", "silero_vad_op18_ifless/output"}}},
        {"rnnoise_v01",
         "rnnoise",
         "features",
         "features",
         NULL,
         NULL,
         {{"vad_gru_h", "vad_gru_hn", "vad_gru_h0", "final_vad_gru_hn"},
          {"noise_gru_h", "noise_gru_hn", "noise_gru_h0", "final_noise_gru_hn"},
          {"denoise_gru_h", "denoise_gru_hn", "denoise_gru_h0", "final_denoise_gru_hn"}},
         3,
         {{"gains", "gains"}, {"vad", "vad"}}},
        {"gtcrn",
         "gtcrn",
         "mix",
         "mix",
         NULL,
         NULL,
         {{"conv_cache", "conv_cache_out", "cc0", "final_conv_cache_out"},
          {"tra_cache", "tra_cache_out", "tc0", "final_tra_cache_out"},
          {"inter_cache", "inter_cache_out", "ic0", "final_inter_cache_out"}},
         3,
         {{"enh", "enh"}}},
        {"gtcrn",
         "gtcrn_simple",
         "mix",
         "mix",
         NULL,
         NULL,
         {{"conv_cache", "conv_cache_out", "cc0", "final_conv_cache_out"},
          {"tra_cache", "tra_cache_out", "tc0", "final_tra_cache_out"},
          {"inter_cache", "inter_cache_out", "ic0", "final_inter_cache_out"}},
         3,
         {{"enh", "enh"}}},
    };
    (void)state;
    need_models();
    for (size_t s = 0; s < sizeof(streams) / sizeof(streams[0]); s++)
        check_stream(&streams[s]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_gives_the_stored_outputs),
        cmocka_unit_test(words_images_and_upstream_data_give_the_stored_outputs),
        cmocka_unit_test(every_stream_follows_the_stored_one_frame_by_frame),
    };
    const int failed = cmocka_run_group_tests_name("the reference", tests, NULL, NULL);
    on_engine = true;
    return failed + cmocka_run_group_tests_name("the CPU engine", tests, NULL, NULL);
}
