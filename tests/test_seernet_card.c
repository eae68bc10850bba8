/* Convolutions of a real model on a simulated card that skips the rows which SeerNet predicts
 * to be zero: the card that is Verilated and the one that counts give the same bits and cycles,
 * the results are near those of another runtime, and zeros are not paid for. */
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

#include "host/session.h"
#include "models/io.h"

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
    both_cards_agree(4, 1.0);
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
        cmocka_unit_test(with_an_oracle), cmocka_unit_test(with_four_bits),
        cmocka_unit_test(without_queues), cmocka_unit_test(without_seernet)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
