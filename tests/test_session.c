/* Sessions: models on the CPU and on every card of this build, through the public
 * interface. The card's arithmetic on the CPU is precision int16, or --fpga model. */
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
#include "sparse/pack.h"
#include "tests/rnn_maker.h"

#if SPACC_SIM
static const char *const cards[] = {"sim:4x4", "sim", "sim:8x8", NULL};
#else
static const char *const cards[] = {NULL};
#endif

enum { INPUTS_MAX = 4 };

static char folder[] = "/tmp/spacc-session-XXXXXX";

static const char *path(const char *name)
{
    static char text[2][256];
    static int turn;

    turn = !turn;
    snprintf(text[turn], sizeof(text[turn]), "%s/%s", folder, name);
    return text[turn];
}

static void ok(enum spacc_status s, const struct spacc_error *err)
{
    if (s != SPACC_OK)
        fail_msg("%s: %s", spacc_status_name(s), err->text);
}

/* ---- one model with inputs, sessions and results ---- */

struct work {
    struct rnn_model rnn;
    struct spacc_model *model;
    struct spacc_session *session;
    size_t inputs;
    struct spacc_tensor *in[INPUTS_MAX], *out[INPUTS_MAX];
    struct spacc_error err;
};

static const struct spacc_tensor *const *in_of(const struct work *w)
{
    return (const struct spacc_tensor *const *)w->in;
}

static void begin(struct work *w, const struct rnn_model *rnn, int64_t steps, int64_t batch)
{
    const int64_t a = rnn->layout ? batch : steps, b = rnn->layout ? steps : batch;
    const int64_t d = rnn_directions(rnn);
    const int64_t x[] = {a, b, rnn->inputs};
    const int64_t h[] = {rnn->layout ? batch : d, rnn->layout ? d : batch, rnn->hidden};

    *w = (struct work){.rnn = *rnn};
    rnn_write(path("m.onnx"), rnn);
    ok(spacc_model_load(&w->model, path("m.onnx"), &w->err), &w->err);
    w->in[w->inputs++] = rnn_tensor(3, x, 2.0f);
    if (rnn->lens) {
        assert_int_equal(spacc_tensor_new(&w->in[w->inputs], SPACC_I32, 1, &batch), SPACC_OK);
        for (int64_t i = 0; i < batch; i++)
            ((int32_t *)w->in[w->inputs]->data)[i] = (int32_t)steps;
        w->inputs++;
    }
    if (rnn->states)
        w->in[w->inputs++] = rnn_tensor(3, h, 0.9f);
    if (rnn->states && strcmp(rnn->op, "LSTM") == 0)
        w->in[w->inputs++] = rnn_tensor(3, h, 2.0f);
    if (rnn->late_state)
        w->in[w->inputs++] = rnn_tensor(3, h, 0.9f);
    assert_int_equal(spacc_model_inputs(w->model), w->inputs);
}

static void free_outputs(struct work *w)
{
    for (size_t o = 0; o < INPUTS_MAX; o++) {
        spacc_tensor_free(w->out[o]);
        w->out[o] = NULL;
    }
}

static void end_session(struct work *w)
{
    free_outputs(w);
    spacc_session_free(w->session);
    w->session = NULL;
}

static void end(struct work *w)
{
    end_session(w);
    for (size_t i = 0; i < w->inputs; i++)
        spacc_tensor_free(w->in[i]);
    spacc_model_free(w->model);
}

static void prepare(struct work *w, const struct spacc_options *options)
{
    ok(spacc_session_new(&w->session, w->model, options, &w->err), &w->err);
    ok(spacc_session_prepare(w->session, 1, in_of(w), &w->err), &w->err);
}

static void run(struct work *w, const struct spacc_options *options)
{
    prepare(w, options);
    ok(spacc_session_run(w->session, in_of(w), w->out, &w->err), &w->err);
}

static const struct spacc_report_node *node_named(struct work *w, const char *name)
{
    const struct spacc_report *r = spacc_session_report(w->session);

    for (size_t i = 0; i < r->nodes; i++)
        if (strcmp(r->node[i].name, name) == 0)
            return &r->node[i];
    fail_msg("no node %s", name);
    return NULL;
}

static bool has_note(struct work *w, const char *part)
{
    const struct spacc_report *r = spacc_session_report(w->session);

    for (size_t i = 0; i < r->notes; i++)
        if (strstr(r->note[i], part))
            return true;
    return false;
}

/* ---- tests ---- */

static const struct rnn_model small_lstm = {
    .op = "LSTM", .layers = 1, .inputs = 5, .hidden = 7};

static void without_a_card_results_are_those_of_the_reference(void **state)
{
    (void)state;
    struct work w;
    struct spacc_tensor *want[1];
    const struct spacc_options none = {0};

    begin(&w, &small_lstm, 4, 2);
    run(&w, &none);
    ok(spacc_graph_run(spacc_model_graph(w.model), in_of(&w), want, NULL, &w.err), &w.err);
    assert_true(spacc_tensor_same_shape(want[0], w.out[0]));
    for (size_t i = 0; i < want[0]->count; i++)
        assert_float_equal(((float *)want[0]->data)[i], ((float *)w.out[0]->data)[i], 1e-5);
    assert_string_equal(node_named(&w, "rnn0")->device, "cpu");
    spacc_tensor_free(want[0]);
    end(&w);
}

static bool is_sim(const char *card)
{
    return card && strncmp(card, "sim", 3) == 0;
}

/* The CPU's own kernels: whole outputs within this of the reference. */
static void check_cpu(struct work *w, enum spacc_precision precision, int threads, double bound)
{
    const struct spacc_options options = {
        .precision = precision, .cpu_threads = threads, .verify = true};

    run(w, &options);
    const struct spacc_report *r = spacc_session_report(w->session);
    for (size_t o = 0; o < r->outputs; o++)
        if (!(r->output[o].max_error <= bound))
            fail_msg("output %zu in precision %d: error %g", o, (int)precision,
                     r->output[o].max_error);
    for (size_t i = 0; i < r->nodes; i++)
        assert_string_equal(r->node[i].device, "cpu");
    end_session(w);
}

/* Run with verify; every candidate ran on the device with at most this error. */
static void check_device(struct work *w, const char *card, enum spacc_precision precision,
                         double bound)
{
    const struct spacc_options options = {.fpga = card,
                                          .precision = precision,
                                          .verify = true,
                                          .sim_stall_per_1024 = is_sim(card) ? 50 : 0};
    run(w, &options);
    const struct spacc_report *r = spacc_session_report(w->session);
    for (size_t i = 0; i < r->nodes; i++) {
        const struct spacc_report_node *n = &r->node[i];
        if (strcmp(n->op, "Squeeze") == 0 || strcmp(n->op, "Identity") == 0)
            continue;
        assert_int_equal(n->on_card, card != NULL);
        if (!(n->max_error <= bound))
            fail_msg("%s %s on %s: error %g (%s layout %d lbr %d)", n->op, n->name,
                     card ? card : "cpu", n->max_error,
                     w->rnn.direction ? w->rnn.direction : "forward", w->rnn.layout,
                     w->rnn.linear_before_reset);
        if (card) {
            assert_true(n->cycles > 0 && n->steps > 0 && n->utilisation > 0.0 &&
                        n->utilisation <= 1.0);
            assert_true(n->bytes_read > 0 && n->bytes_written > 0);
        }
    }
    for (size_t o = 0; o < r->outputs; o++)
        assert_true(r->output[o].max_error <= 2 * bound);
    end_session(w);
}

static void on_all(const struct rnn_model *rnn, int64_t steps, int64_t batch)
{
    struct work w;

    begin(&w, rnn, steps, batch);
    check_device(&w, NULL, SPACC_PRECISION_INT16, 2e-3);
    check_device(&w, "model:8x8", SPACC_PRECISION_INT8, 5e-2);
    check_cpu(&w, SPACC_PRECISION_F32, 1, 2e-5);
    check_cpu(&w, SPACC_PRECISION_F16, 2, 5e-3);
    check_cpu(&w, SPACC_PRECISION_INT8, 3, 0.1);
    for (const char *const *c = cards; *c; c++)
        check_device(&w, *c, SPACC_PRECISION_DEFAULT, strcmp(*c, "sim:8x8") ? 2e-3 : 5e-2);
    end(&w);
}

static void every_form_of_a_recurrent_node_runs_on_the_card(void **state)
{
    (void)state;
    static const char *const directions[] = {NULL, "reverse", "bidirectional"};
    static const char *const ops[] = {"LSTM", "GRU", "GRU"};

    for (int op = 0; op < 3; op++)
        for (int d = 0; d < 3; d++)
            for (int layout = 0; layout < 2; layout++) {
                const struct rnn_model rnn = {.op = ops[op],
                                              .layers = 1,
                                              .inputs = 6,
                                              .hidden = 9,
                                              .direction = directions[d],
                                              .layout = layout,
                                              .linear_before_reset = op == 2,
                                              .states = (d + layout) % 2,
                                              .lens = layout,
                                              .matmul = d == 1 ? 3 : 0};
                on_all(&rnn, 3, 2);
            }
}

static void relu_candidates_run_on_the_card(void **state)
{
    (void)state;
    const struct rnn_model gru = {
        .op = "GRU", .layers = 1, .inputs = 4, .hidden = 5, .act = "Relu"};
    const struct rnn_model lstm = {
        .op = "LSTM", .layers = 1, .inputs = 4, .hidden = 5, .act = "Relu"};
    on_all(&gru, 3, 1);
    on_all(&lstm, 3, 1);
}

static void layers_that_feed_each_other_run_in_one_card_run(void **state)
{
    (void)state;
    const struct rnn_model rnn = {
        .op = "LSTM", .layers = 3, .inputs = 6, .hidden = 8, .states = true};
    struct work w;

    on_all(&rnn, 4, 2);
    for (const char *const *c = cards; *c; c++) {
        const struct spacc_options options = {.fpga = *c, .verify = true};
        begin(&w, &rnn, 4, 2);
        run(&w, &options);
        assert_non_null(strstr(node_named(&w, "rnn1")->reason, "in one card run with rnn0"));
        assert_non_null(strstr(node_named(&w, "rnn2")->reason, "in one card run with rnn1"));
        assert_int_equal(node_named(&w, "rnn2")->x_frac, 15);
        end(&w);
    }
}

static void a_layer_that_starts_with_the_last_h_of_another_waits_for_it(void **state)
{
    (void)state;
    const struct rnn_model rnn = {
        .op = "GRU", .layers = 2, .inputs = 6, .hidden = 8, .handover = true};
    struct work w;

    on_all(&rnn, 3, 2);
    for (const char *const *c = cards; *c; c++) {
        const struct spacc_options options = {.fpga = *c};
        begin(&w, &rnn, 3, 2);
        run(&w, &options);
        assert_null(strstr(node_named(&w, "rnn1")->reason, "in one card run"));
        end(&w);
    }
}

/* The file has the node that makes the second layer's state behind the first layer. */
static void a_state_made_between_two_layers_does_not_part_them(void **state)
{
    (void)state;
    const struct rnn_model rnn = {
        .op = "LSTM", .layers = 2, .inputs = 6, .hidden = 8, .late_state = true};
    struct work w;

    on_all(&rnn, 3, 2);
    for (const char *const *c = cards; *c; c++) {
        const struct spacc_options options = {.fpga = *c};
        begin(&w, &rnn, 3, 2);
        run(&w, &options);
        assert_non_null(strstr(node_named(&w, "rnn1")->reason, "in one card run with rnn0"));
        end(&w);
    }
}

static void what_the_card_cannot_do_stays_on_the_cpu_with_a_reason(void **state)
{
    (void)state;
    struct rnn_model rnn = small_lstm;
    struct work w;

    for (const char *const *c = cards; *c; c++) {
        const struct spacc_options options = {.fpga = *c};
        rnn.peephole = 0.5f;
        begin(&w, &rnn, 2, 1);
        run(&w, &options);
        assert_string_equal(node_named(&w, "rnn0")->device, "cpu");
        assert_string_equal(node_named(&w, "rnn0")->reason, "peepholes are not on the card");
        end(&w);
        rnn.peephole = 0.0f;
        rnn.act = "Softsign";
        begin(&w, &rnn, 2, 1);
        run(&w, &options);
        assert_string_equal(node_named(&w, "rnn0")->reason,
                            "activation Softsign is not on the card");
        end(&w);
        rnn.act = NULL;
    }
}

static void a_shorter_sequence_falls_back_to_the_reference(void **state)
{
    (void)state;
    struct rnn_model rnn = small_lstm;
    const struct spacc_options options = {.precision = SPACC_PRECISION_INT16};
    struct spacc_tensor *want[1];
    struct work w;

    rnn.lens = true;
    begin(&w, &rnn, 4, 2);
    prepare(&w, &options);
    ((int32_t *)w.in[1]->data)[1] = 2;
    ok(spacc_session_run(w.session, in_of(&w), w.out, &w.err), &w.err);
    ok(spacc_graph_run(spacc_model_graph(w.model), in_of(&w), want, NULL, &w.err), &w.err);
    assert_memory_equal(want[0]->data, w.out[0]->data, want[0]->count * sizeof(float));
    assert_true(has_note(&w, "rnn0: 1 of 1 calls ran on the CPU"));
    spacc_tensor_free(want[0]);
    end(&w);
}

static void weights_that_are_not_numbers_are_named(void **state)
{
    (void)state;
    struct rnn_model rnn = small_lstm;
    const struct spacc_options none = {.precision = SPACC_PRECISION_INT16};
    struct work w;

    rnn.nan = true;
    begin(&w, &rnn, 2, 1);
    ok(spacc_session_new(&w.session, w.model, &none, &w.err), &w.err);
    assert_int_equal(spacc_session_prepare(w.session, 1, in_of(&w), &w.err), SPACC_EINVAL);
    assert_non_null(strstr(w.err.text, "node rnn0 (LSTM): W[0,1,2] is nan"));
    end(&w);
}

static void expect_new(struct work *w, struct spacc_options options, enum spacc_status status,
                       const char *text)
{
    assert_int_equal(spacc_session_new(&w->session, w->model, &options, &w->err), status);
    assert_null(w->session);
    if (!strstr(w->err.text, text))
        fail_msg("'%s' is not in '%s'", text, w->err.text);
}

static void options_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    struct work w;

    begin(&w, &small_lstm, 2, 1);
    expect_new(&w, (struct spacc_options){.fpga = "sim", .precision = SPACC_PRECISION_F32},
               SPACC_EUNSUPPORTED, "precision f32");
    expect_new(&w, (struct spacc_options){.sparsity = 1.5}, SPACC_EINVAL, "sparsity 1.5");
    expect_new(&w, (struct spacc_options){.fpga = "nowhere"}, SPACC_EUNSUPPORTED, "nowhere");
    expect_new(&w, (struct spacc_options){.waveform_file = "x.fst"}, SPACC_EINVAL, "waveforms");
#if SPACC_SIM
    expect_new(&w,
               (struct spacc_options){.fpga = "sim:8x8", .precision = SPACC_PRECISION_INT16},
               SPACC_EUNSUPPORTED, "multiplies 8-bit weights");
#endif
    end(&w);
}

static void runs_need_prepare_and_its_shapes(void **state)
{
    (void)state;
    const struct spacc_options none = {0};
    const int64_t other[] = {3, 1, 5};
    struct spacc_tensor *given;
    struct work w;

    begin(&w, &small_lstm, 2, 1);
    ok(spacc_session_new(&w.session, w.model, &none, &w.err), &w.err);
    assert_int_equal(spacc_session_run(w.session, in_of(&w), w.out, &w.err), SPACC_EINVAL);
    assert_int_equal(spacc_session_prepare(w.session, 0, in_of(&w), &w.err), SPACC_EINVAL);
    ok(spacc_session_prepare(w.session, 1, in_of(&w), &w.err), &w.err);
    given = w.in[0];
    w.in[0] = rnn_tensor(3, other, 1.0f);
    assert_int_equal(spacc_session_run(w.session, in_of(&w), w.out, &w.err), SPACC_ESHAPE);
    assert_non_null(
        strstr(w.err.text, "input x: has float32[3,1,5], prepared for float32[2,1,5]"));
    /* a new prepare takes the new shape */
    ok(spacc_session_prepare(w.session, 1, in_of(&w), &w.err), &w.err);
    ok(spacc_session_run(w.session, in_of(&w), w.out, &w.err), &w.err);
    spacc_tensor_free(given);
    end(&w);
}

static void pruning_leaves_what_was_asked_for(void **state)
{
    (void)state;
    const struct rnn_model rnn = {
        .op = "GRU", .layers = 1, .inputs = 32, .hidden = 32, .linear_before_reset = 1};
    struct work w;

    begin(&w, &rnn, 3, 1);
    for (const char *const *c = cards; *c; c++) {
        const struct spacc_options options = {
            .fpga = *c, .sparsity = 0.75, .bank_size = 8, .verify = true};
        run(&w, &options);
        const struct spacc_report_node *n = node_named(&w, "rnn0");
        assert_true(n->sparsity >= 0.75 && n->sparsity < 0.76);
        assert_int_equal(n->rows, 96);
        assert_int_equal(n->columns, 64);
        assert_true(n->max_error < 5e-2);
        assert_true(n->snr_db > 20.0);
        /* against the float weights the error is that of pruning */
        const double node_error = n->max_error;
        assert_true(spacc_session_report(w.session)->output[0].max_error > node_error);
        end_session(&w);
    }
    const struct spacc_options odd = {
        .precision = SPACC_PRECISION_INT16, .sparsity = 0.8, .bank_size = 16};
    ok(spacc_session_new(&w.session, w.model, &odd, &w.err), &w.err);
    assert_int_equal(spacc_session_prepare(w.session, 1, in_of(&w), &w.err), SPACC_EINVAL);
    assert_non_null(strstr(w.err.text, "sparsity 0.8 of a bank of 16"));
    end(&w);
}

static void banks_that_do_not_divide_are_padded_and_told(void **state)
{
    (void)state;
    const struct rnn_model rnn = {.op = "LSTM", .layers = 1, .inputs = 13, .hidden = 16};
    const struct spacc_options options = {
        .precision = SPACC_PRECISION_INT16, .sparsity = 0.5, .bank_size = 4};
    struct work w;

    begin(&w, &rnn, 2, 1);
    run(&w, &options);
    assert_true(has_note(&w, "rnn0: input part: 13 columns are padded to 16, 4 banks of 4"));
    end(&w);
}

static void pack_and_compare(const char *op, int linear_before_reset)
{
    const struct rnn_model rnn = {.op = op,
                                  .layers = 2,
                                  .inputs = 24,
                                  .hidden = 20,
                                  .linear_before_reset = linear_before_reset,
                                  .matmul = 6};
    const struct spacc_options first = {
        .fpga = "model", .precision = SPACC_PRECISION_INT8, .sparsity = 0.5, .bank_size = 4};
    struct spacc_model *packed;
    struct work w;

    begin(&w, &rnn, 3, 2);
    run(&w, &first);
    ok(spacc_session_pack(w.session, path("m.safetensors"), &w.err), &w.err);
    struct spacc_tensor *want = w.out[0];
    w.out[0] = NULL;
    end_session(&w);

    ok(spacc_model_load(&packed, path("m.safetensors"), &w.err), &w.err);
    spacc_model_free(w.model);
    w.model = packed;
    const struct spacc_options off = {0};
    run(&w, &off);
    assert_memory_equal(want->data, w.out[0]->data, want->count * sizeof(float));
    end_session(&w);
    for (const char *const *c = cards; *c; c++) {
        const struct spacc_options options = {.fpga = *c, .verify = true};
        run(&w, &options);
        assert_memory_equal(want->data, w.out[0]->data, want->count * sizeof(float));
        assert_int_equal(node_named(&w, "rnn0")->weight_bits, 8);
        assert_true(node_named(&w, "rnn0")->max_error < 5e-2);
        end_session(&w);
    }
    expect_new(&w, (struct spacc_options){.sparsity = 0.5}, SPACC_EINVAL, "is packed");
    spacc_tensor_free(want);
    end(&w);
}

static void a_packed_model_gives_the_same_bits(void **state)
{
    (void)state;
    pack_and_compare("LSTM", 0);
    pack_and_compare("GRU", 0);
    pack_and_compare("GRU", 1);
}

static void a_packed_file_of_another_model_is_refused(void **state)
{
    (void)state;
    const struct spacc_options int16 = {.precision = SPACC_PRECISION_INT16};
    struct spacc_model *packed;
    struct work w;

    begin(&w, &small_lstm, 2, 1);
    run(&w, &int16);
    ok(spacc_session_pack(w.session, path("m.safetensors"), &w.err), &w.err);
    rnn_write(path("m.onnx"), &small_lstm); /* other random weights */
    assert_int_equal(spacc_model_load(&packed, path("m.safetensors"), &w.err), SPACC_EFORMAT);
    assert_null(packed);
    assert_non_null(strstr(w.err.text, "SHA-256"));
    end(&w);
}

/* There is no such ONNX operator, so no node can ask for it. */
static void a_packed_layer_with_projection_is_refused(void **state)
{
    (void)state;
    static float ones[4 * 7 * 7];
    const struct spacc_fixed_weights weights = {.cell = SPACC_CELL_LSTMP,
                                                .units = 7,
                                                .x_cols = 5,
                                                .outputs = 3,
                                                .w = ones,
                                                .r = ones,
                                                .p = ones};
    const struct spacc_options none = {0};
    struct spacc_pack_layer layer = {.name = (char[]){"rnn0"}};
    struct spacc_pack pack = {.source = (char[]){"m.onnx"}, .layers = 1, .layer = &layer};
    struct work w;

    begin(&w, &small_lstm, 2, 1);
    for (size_t i = 0; i < sizeof(ones) / sizeof(*ones); i++)
        ones[i] = 1.0f;
    ok(spacc_fixed_quantise(&layer.layer, &weights, 8, 12, 5, 3, 7, &w.err), &w.err);
    ok(spacc_sha256_file(pack.source_sha256, path("m.onnx"), &w.err), &w.err);
    ok(spacc_pack_save(&pack, path("m.safetensors"), &w.err), &w.err);
    spacc_fixed_free(layer.layer);
    spacc_model_free(w.model);
    ok(spacc_model_load(&w.model, path("m.safetensors"), &w.err), &w.err);
    ok(spacc_session_new(&w.session, w.model, &none, &w.err), &w.err);
    assert_int_equal(spacc_session_prepare(w.session, 1, in_of(&w), &w.err),
                     SPACC_EUNSUPPORTED);
    assert_non_null(
        strstr(w.err.text, "node rnn0: the packed layer is an LSTM with projection"));
    end(&w);
}

#if SPACC_SIM
/* ---- several sequences, several runs, several layers on a card ---- */

enum { LOAD = 1 }; /* cause */

static const char *const batch_card = "sim"; /* of cards[] the one that takes batches */

/* The card's arithmetic without its hardware. */
static struct spacc_options arithmetic_of(const char *card)
{
    if (strcmp(card, "sim:8x8") == 0)
        return (struct spacc_options){.fpga = "model:8x8"};
    return (struct spacc_options){.precision = SPACC_PRECISION_INT16};
}

/* Outputs of a session without a card in its arithmetic, and those of `w`. */
static void same_bits(const struct work *w, const struct work *cpu)
{
    for (size_t o = 0; o < INPUTS_MAX && w->out[o]; o++)
        assert_memory_equal(w->out[o]->data, cpu->out[o]->data,
                            w->out[o]->count * sizeof(float));
}

static uint64_t card_cycles(const struct work *w)
{
    return spacc_session_report(w->session)->run_cycles;
}

/* Bits as on the CPU; returns the cycles. */
static uint64_t cycles_of(const struct rnn_model *rnn, const char *card, int64_t steps,
                          int64_t batch)
{
    const struct spacc_options options = {.fpga = card};
    const struct spacc_options arithmetic = arithmetic_of(card);
    struct work w, cpu;
    uint64_t cycles;

    begin(&w, rnn, steps, batch);
    cpu = w;
    run(&w, &options);
    run(&cpu, &arithmetic);
    same_bits(&w, &cpu);
    cycles = card_cycles(&w);
    assert_int_equal(node_named(&w, "rnn0")->steps,
                     (uint64_t)(steps * batch * rnn_directions(rnn)));
    end_session(&cpu);
    end(&w);
    return cycles;
}

static void sequences_of_a_node_run_together(void **state)
{
    (void)state;
    static const char *const directions[] = {NULL, "reverse", "bidirectional"};

    for (const char *const *c = cards; *c; c++)
        for (int i = 0; i < 6; i++) {
            const struct rnn_model rnn = {.op = i < 3 ? "LSTM" : "GRU",
                                          .layers = i == 0 ? 2 : 1,
                                          .inputs = 6,
                                          .hidden = 8,
                                          .direction = directions[i % 3],
                                          .layout = i == 4,
                                          .states = i % 2};
            const uint64_t one = cycles_of(&rnn, *c, 5, 1), three = cycles_of(&rnn, *c, 5, 3);
            if (strcmp(*c, batch_card) == 0)
                assert_true(three < 2 * one);
            else
                assert_true(three > 2 * one);
        }
}

/* The last outputs become the next first states. */
static void feed_back(struct work *w)
{
    for (size_t i = 1; i < w->inputs; i++) {
        spacc_tensor_free(w->in[i]);
        w->in[i] = w->out[i];
        w->out[i] = NULL;
    }
    free_outputs(w);
}

/* Cycles of one more run. */
static uint64_t step(struct work *w)
{
    const uint64_t before = card_cycles(w);

    ok(spacc_session_run(w->session, in_of(w), w->out, &w->err), &w->err);
    return card_cycles(w) - before;
}

static void stream_of(const struct rnn_model *rnn, const char *card, int64_t batch)
{
    enum { STEPS = 5 };
    const struct spacc_options options = {.fpga = card};
    const struct spacc_options arithmetic = arithmetic_of(card);
    uint64_t cycles[STEPS];
    struct work w, cpu;

    begin(&w, rnn, 1, batch);
    cpu = w;
    cpu.in[1] = cpu.in[2] = NULL;
    for (size_t i = 1; i < w.inputs; i++)
        assert_int_equal(spacc_tensor_copy(&cpu.in[i], w.in[i]), SPACC_OK);
    prepare(&w, &options);
    prepare(&cpu, &arithmetic);
    for (int i = 0; i < STEPS; i++) {
        if (i == 3) /* not what the card has */
            for (size_t k = 1; k < w.inputs; k++)
                ((float *)w.in[k]->data)[0] = ((float *)cpu.in[k]->data)[0] = 0.25f;
        cycles[i] = step(&w);
        ok(spacc_session_run(cpu.session, in_of(&cpu), cpu.out, &cpu.err), &cpu.err);
        same_bits(&w, &cpu);
        feed_back(&w);
        feed_back(&cpu);
    }
    assert_true(cycles[1] < cycles[0]);
    assert_int_equal(cycles[2], cycles[1]);
    assert_true(cycles[3] > cycles[2]);
    assert_int_equal(cycles[4], cycles[1]);
    end_session(&cpu);
    for (size_t i = 1; i < cpu.inputs; i++)
        spacc_tensor_free(cpu.in[i]);
    end(&w);
}

static void a_step_at_a_time_loads_no_states(void **state)
{
    (void)state;
    struct rnn_model rnn = {
        .op = "LSTM", .layers = 1, .inputs = 6, .hidden = 20, .states = true};

    for (const char *const *c = cards; *c; c++) {
        rnn.op = "LSTM";
        stream_of(&rnn, *c, 1);
        stream_of(&rnn, *c, 3);
        rnn.op = "GRU";
        stream_of(&rnn, *c, 2);
    }
}

/* 2048 words a PE each, on a card of 4096. */
static void of_layers_that_do_not_fit_together_the_largest_set_stays(void **state)
{
    (void)state;
    const struct rnn_model rnn = {.op = "LSTM", .layers = 3, .inputs = 64, .hidden = 64};
    const struct spacc_options card = {.fpga = "sim:4x4"};
    const struct spacc_options arithmetic = {.precision = SPACC_PRECISION_INT16};
    struct work w, cpu;

    begin(&w, &rnn, 1, 1);
    cpu = w;
    run(&w, &card);
    run(&cpu, &arithmetic);
    same_bits(&w, &cpu);
    assert_true(
        has_note(&w, "do not fit the card together: 2 of 3 are loaded before they run"));
    assert_true(node_named(&w, "rnn0")->cause[LOAD] < 2048);
    assert_true(node_named(&w, "rnn1")->cause[LOAD] > 2048 * 4 * 4 * 4 / 8);
    assert_true(node_named(&w, "rnn2")->cause[LOAD] > 2048 * 4 * 4 * 4 / 8);
    end_session(&cpu);
    end(&w);
}

/* 8192 words of an LSTM through the ring, a matrix beside it. */
static void a_streamed_layer_does_not_drive_out_the_others(void **state)
{
    (void)state;
    const struct rnn_model rnn = {
        .op = "LSTM", .layers = 1, .inputs = 128, .hidden = 128, .matmul = 6};
    const struct spacc_options card = {.fpga = "sim:4x4"};
    const struct spacc_options arithmetic = {.precision = SPACC_PRECISION_INT16};
    struct work w, cpu;

    begin(&w, &rnn, 1, 1);
    cpu = w;
    run(&w, &card);
    free_outputs(&w);
    ok(spacc_session_run(w.session, in_of(&w), w.out, &w.err), &w.err);
    run(&cpu, &arithmetic);
    same_bits(&w, &cpu);
    assert_false(has_note(&w, "do not fit the card together"));
    assert_true(node_named(&w, "rnn0")->cause[7] > 8192);
    assert_true(node_named(&w, "rnn0")->cause[LOAD] < 512); /* parameters alone are that */
    assert_int_equal(node_named(&w, "dense")->cause[LOAD], 0);
    end_session(&cpu);
    end(&w);
}

/* 8192 words a PE on a card of 4096: streamed, with the same numbers as a card that holds
 * them. */
static void weights_that_the_card_does_not_hold_are_streamed(void **state)
{
    (void)state;
    const struct rnn_model rnn = {.op = "LSTM", .layers = 1, .inputs = 128, .hidden = 128};
    const struct spacc_options dense = {.fpga = "sim:4x4", .verify = true};
    struct work w;

    begin(&w, &rnn, 1, 1);
    run(&w, &dense);
    assert_true(node_named(&w, "rnn0")->on_card);
    assert_true(node_named(&w, "rnn0")->max_error < 2e-3);
    assert_true(node_named(&w, "rnn0")->cause[7] > 0); /* waited for weights */
    end(&w);
}

static void a_matrix_too_large_for_the_card_stays_on_the_cpu(void **state)
{
    (void)state;
    const struct rnn_model rnn = {
        .op = "LSTM", .layers = 1, .inputs = 4, .hidden = 64, .matmul = 2100};
    const struct spacc_options options = {.fpga = "sim:4x4"};
    struct work w;

    begin(&w, &rnn, 1, 1);
    run(&w, &options);
    assert_true(node_named(&w, "rnn0")->on_card);
    assert_false(node_named(&w, "dense")->on_card);
    assert_non_null(strstr(node_named(&w, "dense")->reason, "the card has"));
    end(&w);
}

static void a_time_limit_too_short_is_a_time_out(void **state)
{
    (void)state;
    const struct spacc_options options = {.fpga = "sim", .time_limit_us = 1};
    struct work w;

    begin(&w, &small_lstm, 2, 1);
    ok(spacc_session_new(&w.session, w.model, &options, &w.err), &w.err);
    assert_int_equal(spacc_session_prepare(w.session, 1, in_of(&w), &w.err), SPACC_ETIMEOUT);
    assert_true(strlen(w.err.text) > 0);
    end(&w);
}

static void a_waveform_is_written(void **state)
{
    (void)state;
    struct spacc_options options = {.fpga = "sim:4x4"};
    char file[256];
    struct work w;
    FILE *wave;

    snprintf(file, sizeof(file), "%s", path("w.fst"));
    options.waveform_file = file;
    begin(&w, &small_lstm, 2, 1);
    run(&w, &options);
    end(&w);
    assert_non_null(wave = fopen(file, "rb"));
    assert_true(fgetc(wave) != EOF);
    fclose(wave);
}
#endif

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : 1;
}

static int drop_folder(void **state)
{
    (void)state;
    unlink(path("m.onnx"));
    unlink(path("m.safetensors"));
    unlink(path("w.fst"));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_card_results_are_those_of_the_reference),
        cmocka_unit_test(every_form_of_a_recurrent_node_runs_on_the_card),
        cmocka_unit_test(relu_candidates_run_on_the_card),
        cmocka_unit_test(layers_that_feed_each_other_run_in_one_card_run),
        cmocka_unit_test(a_layer_that_starts_with_the_last_h_of_another_waits_for_it),
        cmocka_unit_test(a_state_made_between_two_layers_does_not_part_them),
        cmocka_unit_test(what_the_card_cannot_do_stays_on_the_cpu_with_a_reason),
        cmocka_unit_test(a_shorter_sequence_falls_back_to_the_reference),
        cmocka_unit_test(weights_that_are_not_numbers_are_named),
        cmocka_unit_test(options_that_make_no_sense_are_refused),
        cmocka_unit_test(runs_need_prepare_and_its_shapes),
        cmocka_unit_test(pruning_leaves_what_was_asked_for),
        cmocka_unit_test(banks_that_do_not_divide_are_padded_and_told),
        cmocka_unit_test(a_packed_model_gives_the_same_bits),
        cmocka_unit_test(a_packed_file_of_another_model_is_refused),
        cmocka_unit_test(a_packed_layer_with_projection_is_refused),
#if SPACC_SIM
        cmocka_unit_test(sequences_of_a_node_run_together),
        cmocka_unit_test(a_step_at_a_time_loads_no_states),
        cmocka_unit_test(of_layers_that_do_not_fit_together_the_largest_set_stays),
        cmocka_unit_test(a_streamed_layer_does_not_drive_out_the_others),
        cmocka_unit_test(weights_that_the_card_does_not_hold_are_streamed),
        cmocka_unit_test(a_matrix_too_large_for_the_card_stays_on_the_cpu),
        cmocka_unit_test(a_time_limit_too_short_is_a_time_out),
        cmocka_unit_test(a_waveform_is_written),
#endif
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
