/* Streams: frames with states fed back give what a loop of runs gives, on the CPU and on
 * every card of this build. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/session.h"
#include "models/run.h"
#include "tests/rnn_maker.h"

#if SPACC_SIM
static const char *const cards[] = {"sim:4x4", "sim", "sim:8x8", NULL};
#else
static const char *const cards[] = {NULL};
#endif

enum { FRAMES = 12, INPUTS = 5, HIDDEN = 6, OUTPUTS = 3 };

static char folder[] = "/tmp/spacc-stream-XXXXXX";
static char file[64];

/* x, h0, c0 -> y0, hn, cn; x frames of [1, 1, INPUTS] */
static const struct rnn_model lstm = {
    .op = "LSTM", .layers = 2, .inputs = INPUTS, .hidden = HIDDEN, .states = true};
static const struct spacc_state pairs[] = {{1, 1}, {2, 2}};

static void ok(enum spacc_status s, const struct spacc_error *err)
{
    if (s != SPACC_OK)
        fail_msg("%s: %s", spacc_status_name(s), err->text);
}

struct work {
    struct spacc_model *model;
    struct spacc_session *session;
    struct spacc_tensor *in[3], *out[OUTPUTS];
    struct spacc_error err;
};

static const struct spacc_tensor *const *in_of(const struct work *w)
{
    return (const struct spacc_tensor *const *)w->in;
}

static void begin(struct work *w, const struct spacc_options *options)
{
    const int64_t x[] = {FRAMES, 1, 1, INPUTS}, h[] = {1, 1, HIDDEN};

    *w = (struct work){0};
    rnn_seed = 7;
    rnn_write(file, &lstm);
    ok(spacc_model_load(&w->model, file, &w->err), &w->err);
    w->in[0] = rnn_tensor(4, x, 1.0f);
    w->in[1] = rnn_tensor(3, h, 0.5f);
    w->in[2] = rnn_tensor(3, h, 1.5f);
    ok(spacc_session_new(&w->session, w->model, options, &w->err), &w->err);
}

static void free_outputs(struct work *w)
{
    for (size_t o = 0; o < OUTPUTS; o++) {
        spacc_tensor_free(w->out[o]);
        w->out[o] = NULL;
    }
}

static void end(struct work *w)
{
    free_outputs(w);
    spacc_session_free(w->session);
    for (size_t i = 0; i < 3; i++)
        spacc_tensor_free(w->in[i]);
    spacc_model_free(w->model);
}

/* The float reference by hand: y[FRAMES][HIDDEN], and the last h, c. */
static void by_hand(const struct work *w, float *y, float *h, float *c)
{
    const int64_t xd[] = {1, 1, INPUTS};
    struct spacc_tensor *state[2], *out[OUTPUTS], x;
    struct spacc_error err = {0};

    assert_int_equal(spacc_tensor_copy(&state[0], w->in[1]), SPACC_OK);
    assert_int_equal(spacc_tensor_copy(&state[1], w->in[2]), SPACC_OK);
    for (size_t f = 0; f < FRAMES; f++) {
        x = (struct spacc_tensor){.dtype = SPACC_F32,
                                  .rank = 3,
                                  .count = INPUTS,
                                  .data = (float *)w->in[0]->data + f * INPUTS};
        memcpy(x.dims, xd, sizeof(xd));
        const struct spacc_tensor *const in[] = {&x, state[0], state[1]};
        ok(spacc_graph_run(spacc_model_graph(w->model), in, out, NULL, &err), &err);
        memcpy(y + f * HIDDEN, out[0]->data, HIDDEN * sizeof(float));
        spacc_tensor_free(out[0]);
        for (int k = 0; k < 2; k++) {
            spacc_tensor_free(state[k]);
            state[k] = out[1 + k];
        }
    }
    memcpy(h, state[0]->data, HIDDEN * sizeof(float));
    memcpy(c, state[1]->data, HIDDEN * sizeof(float));
    spacc_tensor_free(state[0]);
    spacc_tensor_free(state[1]);
}

static void near(const struct spacc_tensor *t, const float *want, size_t count, double bound)
{
    assert_int_equal(t->count, count);
    for (size_t i = 0; i < count; i++)
        if (fabs((double)(((float *)t->data)[i] - want[i])) > bound)
            fail_msg("element %zu: %g, want %g", i, (double)((float *)t->data)[i],
                     (double)want[i]);
}

/* What the report says is the error against the reference with its own states. */
static void check_report(struct work *w, const float *y)
{
    const struct spacc_report *r = spacc_session_report(w->session);
    double most = 0.0;

    for (size_t i = 0; i < FRAMES * HIDDEN; i++)
        most = fmax(most, fabs((double)((float *)w->out[0]->data)[i] - (double)y[i]));
    assert_true(fabs(most - r->output[0].max_error) < 1e-12);
}

/* Without a card: roundings and activations of the CPU's kernels. */
static const double cpu_bound = 1e-5;

static void check(struct work *w, double bound)
{
    float y[FRAMES * HIDDEN], h[HIDDEN], c[HIDDEN];
    const int64_t dims[] = {FRAMES, 1, 1, 1, HIDDEN};

    ok(spacc_session_stream(w->session, in_of(w), pairs, 2, w->out, &w->err), &w->err);
    by_hand(w, y, h, c);
    assert_int_equal(w->out[0]->rank, 5);
    assert_memory_equal(w->out[0]->dims, dims, sizeof(dims));
    near(w->out[0], y, FRAMES * HIDDEN, bound);
    near(w->out[1], h, HIDDEN, bound);
    near(w->out[2], c, HIDDEN, 4 * bound);
    if (bound > cpu_bound) /* with verify, on a card */
        check_report(w, y);
}

static void a_stream_on_the_cpu_is_a_loop_of_runs(void **state)
{
    (void)state;
    const struct spacc_options none = {0};
    struct work w;

    begin(&w, &none);
    check(&w, cpu_bound);
    assert_int_equal(spacc_session_report(w.session)->runs, FRAMES);
    end(&w);
}

static void a_stream_on_a_card_stays_near_the_reference(void **state)
{
    (void)state;
    for (const char *const *c = cards; *c; c++) {
        const struct spacc_options options = {.fpga = *c, .verify = true};
        const double bound = strcmp(*c, "sim:8x8") ? 2e-3 : 8e-2;
        struct work w;
        begin(&w, &options);
        check(&w, bound);
        const struct spacc_report *r = spacc_session_report(w.session);
        assert_int_equal(r->outputs, OUTPUTS);
        for (size_t o = 0; o < OUTPUTS; o++)
            assert_true(r->output[o].max_error > 0.0 && r->output[o].max_error < 4 * bound);
        for (size_t i = 0; i < r->nodes; i++)
            if (r->node[i].on_card)
                assert_int_equal(r->node[i].steps, FRAMES);
        end(&w);
    }
}

static void states_that_are_not_given_start_at_zero(void **state)
{
    (void)state;
    const struct spacc_options none = {0};
    struct spacc_tensor *first;
    struct work w;

    begin(&w, &none);
    memset(w.in[1]->data, 0, HIDDEN * sizeof(float));
    memset(w.in[2]->data, 0, HIDDEN * sizeof(float));
    check(&w, cpu_bound);
    first = w.out[0];
    w.out[0] = NULL;
    free_outputs(&w);
    /* the model does not say how many directions and sequences there are: 1 */
    spacc_tensor_free(w.in[1]);
    spacc_tensor_free(w.in[2]);
    w.in[1] = w.in[2] = NULL;
    ok(spacc_session_stream(w.session, in_of(&w), pairs, 2, w.out, &w.err), &w.err);
    assert_memory_equal(first->data, w.out[0]->data, first->count * sizeof(float));
    spacc_tensor_free(first);
    end(&w);
}

static void an_input_of_the_declared_rank_is_the_same_in_every_frame(void **state)
{
    (void)state;
    const struct spacc_options none = {0};
    struct work w;

    begin(&w, &none);
    /* only h is fed back: c0 is constant */
    ok(spacc_session_stream(w.session, in_of(&w), pairs, 1, w.out, &w.err), &w.err);
    assert_int_equal(w.out[1]->rank, 3);
    assert_int_equal(w.out[2]->rank, 4);
    assert_int_equal(w.out[2]->dims[0], FRAMES);
    end(&w);
}

static void frame_counts_must_agree_and_exist(void **state)
{
    (void)state;
    const struct spacc_options none = {0};
    const int64_t dims[] = {FRAMES - 1, 1, 1, HIDDEN}, flat[] = {1, 1, INPUTS};
    struct spacc_tensor *given;
    struct work w;

    begin(&w, &none);
    given = w.in[2];
    w.in[2] = rnn_tensor(4, dims, 1.0f);
    assert_int_equal(spacc_session_stream(w.session, in_of(&w), pairs, 1, w.out, &w.err),
                     SPACC_ESHAPE);
    assert_non_null(strstr(w.err.text, "has 11 frames, others have 12"));
    spacc_tensor_free(w.in[2]);
    w.in[2] = given;
    given = w.in[0];
    w.in[0] = rnn_tensor(3, flat, 1.0f);
    assert_int_equal(spacc_session_stream(w.session, in_of(&w), pairs, 2, w.out, &w.err),
                     SPACC_ESHAPE);
    assert_non_null(strstr(w.err.text, "no input has frames"));
    const struct spacc_state bad = {7, 0};
    assert_int_equal(spacc_session_stream(w.session, in_of(&w), &bad, 1, w.out, &w.err),
                     SPACC_EINVAL);
    spacc_tensor_free(given);
    end(&w);
}

static void states_are_guessed_by_name_and_shape(void **state)
{
    (void)state;
    const struct spacc_options none = {0};
    struct spacc_state got[4];
    struct work w;

    begin(&w, &none);
    assert_int_equal(spacc_model_guess_states(w.model, got, 4), 2);
    assert_memory_equal(got, pairs, sizeof(pairs));
    assert_int_equal(spacc_model_guess_states(w.model, got, 1), 1);
    end(&w);
}

/* What real files call them. */
static void expect_states(const char *name, size_t states, const struct spacc_state *want)
{
    struct spacc_model *model;
    struct spacc_state got[8];
    struct spacc_error err = {0};
    char full[512];

    snprintf(full, sizeof(full), SPACC_SHARED "/models/%s", name);
    if (access(full, R_OK) != 0) {
        printf("skipped: no %s\n", full);
        skip();
    }
    ok(spacc_model_load(&model, full, &err), &err);
    assert_int_equal(spacc_model_guess_states(model, got, 8), states);
    for (size_t i = 0; i < states; i++) {
        assert_int_equal(got[i].input, want[i].input);
        assert_int_equal(got[i].output, want[i].output);
    }
    spacc_model_free(model);
}

static void states_of_real_models_are_guessed(void **state)
{
    (void)state;
    const struct spacc_state second[] = {{1, 1}}, three[] = {{1, 2}, {2, 3}, {3, 4}};
    const struct spacc_state four[] = {{1, 1}, {2, 2}, {3, 3}, {4, 4}};
    const struct spacc_state silero18[] = {{2, 1}}, hallway[] = {{3, 4}};

    expect_states("dtln/model_1.onnx", 1, second);
    expect_states("dtln/model_2.onnx", 1, second);
    expect_states("silero_vad/silero_vad_16k_op15.onnx", 1, second);
    expect_states("silero_vad/silero_vad_op18_ifless.onnx", 1, silero18);
    expect_states("rnnoise_v01/rnnoise.onnx", 3, three);
    expect_states("textgenrnn/textgenrnn.onnx", 4, four);
    expect_states("mlagents_hallway/Hallway.onnx", 1, hallway);
    expect_states("g2p_en/decoder.onnx", 1, second);
    expect_states("g2p_en/encoder.onnx", 0, NULL);
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return 1;
    snprintf(file, sizeof(file), "%s/m.onnx", folder);
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    unlink(file);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_on_the_cpu_is_a_loop_of_runs),
        cmocka_unit_test(a_stream_on_a_card_stays_near_the_reference),
        cmocka_unit_test(states_that_are_not_given_start_at_zero),
        cmocka_unit_test(an_input_of_the_declared_rank_is_the_same_in_every_frame),
        cmocka_unit_test(frame_counts_must_agree_and_exist),
        cmocka_unit_test(states_are_guessed_by_name_and_shape),
        cmocka_unit_test(states_of_real_models_are_guessed),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
