/* Real models against outputs that ONNX Runtime computed, on the plain reference. */
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

#include "models/io.h"
#include "models/onnx.h"
#include "models/op.h"
#include "models/run.h"

#define MODELS SPACC_SHARED "/models"
enum { PATH_BYTES = 512, INPUTS_MAX = 16 };

/* Largest error against the stored outputs, relative to max(1, |golden|). */
static const double tolerance = 1e-4;

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
    if (spacc_onnx_load(&g, path, &err) != SPACC_OK)
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

static void check_golden(const char *folder, const char *model, const char *kind)
{
    struct spacc_graph *g = load_model(folder, model);
    struct spacc_tensor *input[INPUTS_MAX], *output[INPUTS_MAX];
    struct spacc_error err = {.text = ""};
    char path[PATH_BYTES];
    int compared = 0;
    double worst = 0;

    assert_true(g->inputs <= INPUTS_MAX && g->outputs <= INPUTS_MAX);
    for (int i = 0; i < g->inputs; i++) {
        snprintf(path, sizeof(path), "%s/%s/golden/%s/%s/in_%d.npy", MODELS, folder, model,
                 kind, i);
        input[i] = load_tensor(path);
    }
    if (spacc_graph_run(g, (const struct spacc_tensor *const *)input, output, NULL, &err) !=
        SPACC_OK)
        fail_msg("%s", err.text);
    const int known =
        check_binding(g, (const struct spacc_tensor *const *)input, output, model);

    bool *random = random_values(g);
    for (int o = 0; o < g->outputs; o++) {
        if (!random[g->output[o]]) {
            snprintf(path, sizeof(path), "%s/%s/golden/%s/%s/out_%d.npy", MODELS, folder, model,
                     kind, o);
            struct spacc_tensor *want = load_tensor(path);
            const double e = distance(output[o], want, 0, 0, path);
            if (!(e <= tolerance))
                fail_msg("%s: error %g", path, e);
            worst = e > worst ? e : worst;
            compared++;
            spacc_tensor_free(want);
        }
        spacc_tensor_free(output[o]);
    }
    printf("%s/%s: %d of %d outputs compared, largest error %.2g, %d shapes known before the "
           "run\n",
           folder, model, compared, g->outputs, worst, known);
    assert_true(compared > 0);
    for (int i = 0; i < g->inputs; i++)
        spacc_tensor_free(input[i]);
    free(random);
    spacc_graph_free(g);
}

static void every_recurrent_model_gives_the_stored_outputs(void **state)
{
    static const struct {
        const char *folder, *model;
    } cases[] = {
        {"dtln", "model_1"},
        {"dtln", "model_2"},
        {"textgenrnn", "textgenrnn"},
        {"g2p_en", "encoder"},
        {"g2p_en", "decoder"},
        {"rnnoise_v01", "rnnoise"},
        {"plc_nsnet2", "nsnetv2_converted"},
        {"silero_vad", "silero_vad_16k_op15"},
        {"silero_vad", "silero_vad_op18_ifless"},
        {"mlagents_hallway", "Hallway"},
        {"ort_cntk", "test_LSTM.tanh.bidirectional"},
        {"ort_cntk", "test_RNN.bidirectional.one_layer.relu"},
        {"tract_byte_bilstm", "model"},
    };
    (void)state;
    need_models();
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
        check_golden(cases[c].folder, cases[c].model, "seed");
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
    struct spacc_error err = {.text = ""};
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
        if (spacc_graph_run(g, (const struct spacc_tensor *const *)input, output, NULL, &err) !=
            SPACC_OK)
            fail_msg("%s", err.text);
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
    };
    (void)state;
    need_models();
    for (size_t s = 0; s < sizeof(streams) / sizeof(streams[0]); s++)
        check_stream(&streams[s]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_recurrent_model_gives_the_stored_outputs),
        cmocka_unit_test(every_stream_follows_the_stored_one_frame_by_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
