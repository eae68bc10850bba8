/* Convolutions of a real model on a simulated card that skips the rows which SeerNet predicts
 * to be zero: the card that is Verilated and the one that counts give the same bits and cycles,
 * the results are near those of another runtime, and zeros are not paid for. The masks are
 * those of the CPU. */
#include <unistd.h>

#include "host/session.h"
#include "models/io.h"
#include "tests/engine_maker.h"

#define FOLDER SPACC_SHARED "/models/resnet20_cifar/"

static void ok(enum spacc_status s, const struct spacc_error *err)
{
    if (s != SPACC_OK)
        fail_msg("%s: %s", spacc_status_name(s), err->text);
}

static void need(const char *file)
{
    if (access(file, R_OK) != 0) {
        print_message("skipped: no %s\n", file);
        skip();
    }
}

struct work {
    struct spacc_model *model;
    struct spacc_session *session;
    const struct spacc_report *report;
    struct spacc_tensor *in, *out;
};

static void run(struct work *w, const char *card, int seernet)
{
    const struct spacc_options options = {.fpga = card, .seernet = seernet};
    const struct spacc_tensor *in[1];
    struct spacc_error err = {0};

    memset(w, 0, sizeof(*w));
    ok(spacc_tensor_load(&w->in, FOLDER "golden/resnet20/seed/in_0.npy", &err), &err);
    in[0] = w->in;
    ok(spacc_model_load(&w->model, FOLDER "resnet20.onnx", &err), &err);
    ok(spacc_session_new(&w->session, w->model, &options, &err), &err);
    ok(spacc_session_prepare(w->session, 1, in, &err), &err);
    ok(spacc_session_run(w->session, in, &w->out, &err), &err);
    w->report = spacc_session_report(w->session);
    assert_non_null(w->report);
}

static void end(struct work *w)
{
    spacc_tensor_free(w->in);
    spacc_tensor_free(w->out);
    spacc_session_free(w->session);
    spacc_model_free(w->model);
}

static int convolutions(const struct work *w)
{
    int count = 0;

    for (size_t i = 0; i < w->report->nodes; i++)
        count += w->report->node[i].on_card && strcmp(w->report->node[i].op, "Conv") == 0;
    return count;
}

static uint64_t sum_of(const struct work *w, bool saved)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < w->report->nodes; i++)
        sum += saved ? w->report->node[i].issue_saved : w->report->node[i].rows_skipped;
    return sum;
}

static double worst(const struct work *w)
{
    struct spacc_tensor *want;
    struct spacc_error err = {0};
    double off = 0.0;

    ok(spacc_tensor_load(&want, FOLDER "golden/resnet20/seed/out_0.npy", &err), &err);
    assert_int_equal(want->count, w->out->count);
    for (size_t i = 0; i < want->count; i++)
        off = fmax(off,
                   fabs((double)((float *)want->data)[i] - (double)((float *)w->out->data)[i]));
    spacc_tensor_free(want);
    return off;
}

static void both_cards_agree(int seernet, double tolerance)
{
    struct work counted, sim;

    need(FOLDER "resnet20.onnx");
    run(&counted, "model:16x16", seernet);
    assert_int_equal(convolutions(&counted), 10); /* those that a Relu alone reads */
    assert_true(sum_of(&counted, false) > 0 && sum_of(&counted, true) > 0);
    print_message("seernet %d: %llu rows skipped, %llu cycles of ISSUE saved, off by %.3g\n",
                  seernet, (unsigned long long)sum_of(&counted, false),
                  (unsigned long long)sum_of(&counted, true), worst(&counted));
    assert_true(worst(&counted) <= tolerance);
#if SPACC_SIM
    run(&sim, "sim:16x16", seernet);
    assert_memory_equal(sim.out->data, counted.out->data, counted.out->count * sizeof(float));
    for (size_t i = 0; i < sim.report->nodes; i++) {
        const struct spacc_report_node *a = &sim.report->node[i], *b = &counted.report->node[i];
        assert_int_equal(a->cycles, b->cycles);
        assert_int_equal(a->rows_skipped, b->rows_skipped);
        assert_int_equal(a->issue_saved, b->issue_saved);
    }
    end(&sim);
#else
    (void)sim;
#endif
    end(&counted);
}

static void with_an_oracle(void **state)
{
    (void)state;
    both_cards_agree(SPACC_SEERNET_EXACT, 0.05);
}

static void with_four_bits(void **state)
{
    (void)state;
    both_cards_agree(4, 0.25);
}

/* A card without queues computes all rows: the same bits, no cycle saved. */
static void without_queues(void **state)
{
    struct work all, some;

    (void)state;
    need(FOLDER "resnet20.onnx");
    run(&all, "model:16x16s", 4);
    run(&some, "model:16x16", 4);
    assert_int_equal(convolutions(&all), 10);
    assert_int_equal(sum_of(&all, false), 0);
    assert_memory_equal(all.out->data, some.out->data, some.out->count * sizeof(float));
    end(&all);
    end(&some);
}

/* ---- the same masks as the CPU's ----------------------------------------------- */

enum { CHANNELS = 16, SIDE = 12, OUTPUTS = 40, TAPS = 9, PIXELS = (SIDE - 2) * (SIDE - 2) };

struct one {
    float w[OUTPUTS * CHANNELS * TAPS], bias[OUTPUTS], x[CHANNELS * SIDE * SIDE];
    float y[OUTPUTS * PIXELS];
    uint64_t computed; /* results */
};

static void fill_one(struct one *l)
{
    for (int i = 0; i < OUTPUTS * CHANNELS * TAPS; i++)
        l->w[i] = clean_number() / 12.0f;
    for (int i = 0; i < CHANNELS * SIDE * SIDE; i++)
        l->x[i] = fmaxf(0.0f, clean_number());
    for (int o = 0; o < OUTPUTS; o++)
        l->bias[o] = 0.1f * clean_number();
}

/* `then_dilated`: and a second one behind it, which no card does. */
static void save_one(const struct one *l, const char *file, bool then_dilated)
{
    const int64_t w[] = {OUTPUTS, CHANNELS, 3, 3}, x[] = {1, CHANNELS, SIDE, SIDE};
    const int64_t v[] = {CHANNELS, OUTPUTS, 3, 3}, two[] = {2, 2};
    struct maker g = {0};

    put_message(&g, GRAPH_INPUT, make_info("x", 1, 4, x));
    put_message(&g, GRAPH_INITIALISER, make_tensor("w", 1, 4, w, l->w, sizeof(l->w)));
    put_message(&g, GRAPH_INITIALISER, make_tensor("b", 1, 1, w, l->bias, sizeof(l->bias)));
    op(&g, "Conv", "x w b", "c");
    op(&g, "Relu", "c", then_dilated ? "r" : "y");
    if (then_dilated) {
        put_message(&g, GRAPH_INITIALISER, make_tensor("v", 1, 4, v, l->w, sizeof(l->w)));
        add(&g, with_ints(make_node("Conv", "dilated", "r v", "d"), "dilations", 2, two));
        op(&g, "Relu", "d", "y");
    }
    put_message(&g, GRAPH_OUTPUT, make_info("y", 0, 0, NULL));
    struct maker m = make_model(g, 8, 13);
    FILE *f = fopen(file, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(m.bytes, 1, m.used, f), m.used);
    fclose(f);
    free(m.bytes);
}

static uint64_t computed_on_cpu(const struct work *w)
{
    const double skipped = w->report->seernet->layer[0].predicted;

    assert_int_equal(w->report->seernet->layers, 1);
    return (uint64_t)llround((1.0 - skipped) * OUTPUTS * PIXELS);
}

/* As many rows as fill groups of 16. */
static uint64_t computed_on_card(const struct work *w)
{
    const uint64_t rows = (OUTPUTS + 15) / 16 * 16;

    return PIXELS * rows - sum_of(w, false);
}

static struct work work_of(const struct one *l, const char *file, const char *card, int bits)
{
    const struct spacc_options options = {
        .fpga = card, .seernet = bits, .seernet_always = true};
    const int64_t dims[] = {1, CHANNELS, SIDE, SIDE};
    struct work w = {0};
    const struct spacc_tensor *in[1];
    struct spacc_error err = {0};

    assert_int_equal(spacc_tensor_new(&w.in, SPACC_F32, 4, dims), SPACC_OK);
    memcpy(w.in->data, l->x, sizeof(l->x));
    in[0] = w.in;
    ok(spacc_model_load(&w.model, file, &err), &err);
    ok(spacc_session_new(&w.session, w.model, &options, &err), &err);
    ok(spacc_session_prepare(w.session, 1, in, &err), &err);
    ok(spacc_session_run(w.session, in, &w.out, &err), &err);
    w.report = spacc_session_report(w.session);
    assert_int_equal(convolutions(&w), card != NULL);
    return w;
}

static void run_one(struct one *l, const char *file, const char *card, int bits)
{
    struct work w = work_of(l, file, card, bits);

    l->computed = card ? computed_on_card(&w) : computed_on_cpu(&w);
    assert_int_equal(w.out->count, OUTPUTS * PIXELS);
    memcpy(l->y, w.out->data, sizeof(l->y));
    end(&w);
}

/* A result that is not 0 was computed, and one of `full` that came out as 0 was not; the rest
 * of the masks is in their counts. */
static void expect_same_masks(struct one *cpu, struct one *card, const float *full,
                              const char *file, int bits)
{
    const float least = 0.01f; /* the card's smallest results are 0 */
    int missed = 0;

    run_one(cpu, file, NULL, bits);
    run_one(card, file, "model:16x16", bits);
    for (int i = 0; i < OUTPUTS * PIXELS; i++) {
        if (full[i] > least && (cpu->y[i] > 0.0f) != (card->y[i] > 0.0f))
            fail_msg("%d bits, result %d: %g on the CPU, %g on the card, %g in full", bits, i,
                     (double)cpu->y[i], (double)card->y[i], (double)full[i]);
        missed += full[i] > least && cpu->y[i] == 0.0f;
    }
    print_message("%d bits: %d missed, %llu of %d computed\n", bits, missed,
                  (unsigned long long)cpu->computed, OUTPUTS * PIXELS);
    assert_int_equal(cpu->computed, card->computed);
    assert_in_range(cpu->computed, OUTPUTS * PIXELS / 4, OUTPUTS * PIXELS * 3 / 4);
    assert_true(bits == SPACC_SEERNET_EXACT ? missed == 0 : missed > 0);
}

static void make_file(char *name)
{
    const int f = mkstemp(name);

    assert_true(f >= 0);
    close(f);
}

static void the_cpu_has_the_same_masks(void **state)
{
    static struct one cpu, card, full;
    char file[] = "/tmp/spacc-seernet-XXXXXX";

    (void)state;
    clean_seed = 11;
    fill_one(&cpu);
    card = full = cpu;
    make_file(file);
    save_one(&cpu, file, false);
    run_one(&full, file, NULL, SPACC_SEERNET_EXACT);
    for (int bits = 2; bits <= 5; bits++)
        expect_same_masks(&cpu, &card, full.y, file, bits);
    expect_same_masks(&cpu, &card, full.y, file, SPACC_SEERNET_EXACT);
    unlink(file);
}

/* The time of a run has the card's own in it, whatever simulating it takes here. */
static void layers_beside_a_card_are_timed_with_its_cycles(void **state)
{
    static struct one l;
    char file[] = "/tmp/spacc-seernet-XXXXXX";
    double card_us = 0.0;

    (void)state;
    clean_seed = 11;
    fill_one(&l);
    make_file(file);
    save_one(&l, file, true);
    struct work w = work_of(&l, file, "model:4x4", 4);
    const struct spacc_report_seernet *seer = w.report->seernet;
    for (size_t i = 0; i < w.report->nodes; i++)
        card_us += w.report->node[i].on_card ? w.report->node[i].card_us : 0.0;
    print_message("%.1f us on the card, a run %.1f without SeerNet, %.1f with\n", card_us,
                  seer->dense_us, seer->seernet_us);
    assert_int_equal(seer->layers, 1);
    assert_true(card_us > 0.0 && seer->dense_us >= card_us && seer->seernet_us >= card_us);
    end(&w);
    unlink(file);
}

/* Not asked for: convolutions stay on the CPU. */
static void without_seernet(void **state)
{
    struct work w;

    (void)state;
    need(FOLDER "resnet20.onnx");
    run(&w, "model:16x16", 0);
    assert_int_equal(convolutions(&w), 0);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_an_oracle),
        cmocka_unit_test(with_four_bits),
        cmocka_unit_test(without_queues),
        cmocka_unit_test(the_cpu_has_the_same_masks),
        cmocka_unit_test(layers_beside_a_card_are_timed_with_its_cycles),
        cmocka_unit_test(without_seernet)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
