/* The plan of trials hangs on its seed alone, trials make engines whose steps have the sizes
 * asked for, and a profile that was cut off is gone on with. Nothing here judges time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/profile/maker.h"
#include "host/profile/plan.h"
#include "host/profile/probe.h"
#include "host/profiler.h"
#include "sparse/cpu.h"
#include "tests/failing_alloc.h"

enum { FEW = 5, TRIED = 80 };

/* ---- the plan ------------------------------------------------------------------------------
 */

static struct spacc_trials plan(uint64_t seed, bool quick)
{
    struct spacc_trials t;

    assert_int_equal(spacc_trials_plan(&t, seed, quick, 0, NULL, NULL), SPACC_OK);
    return t;
}

static void the_plan_hangs_on_the_seed_alone(void **state)
{
    (void)state;
    struct spacc_trials a = plan(1, false), b = plan(1, false), c = plan(2, false);
    size_t same = 0;

    assert_int_equal(a.count, b.count);
    for (size_t i = 0; i < a.count; i++)
        assert_true(spacc_trial_same(&a.trial[i], &b.trial[i]));
    for (size_t i = 0; i < a.count && i < c.count; i++)
        same += spacc_trial_same(&a.trial[i], &c.trial[i]);
    assert_true(same < a.count / 10);
    spacc_trials_free(&a);
    spacc_trials_free(&b);
    spacc_trials_free(&c);
}

static void no_trial_comes_twice(void **state)
{
    (void)state;
    struct spacc_trials t = plan(3, true);

    for (size_t i = 0; i < t.count; i++)
        for (size_t k = 0; k < i; k++)
            assert_false(spacc_trial_same(&t.trial[i], &t.trial[k]));
    spacc_trials_free(&t);
}

static void the_quick_plan_is_a_fraction_of_the_full_one(void **state)
{
    (void)state;
    struct spacc_trials quick = plan(1, true), full = plan(1, false);
    int kinds[SPACC_TRIAL_NODE + 1] = {0};

    for (size_t i = 0; i < quick.count; i++)
        kinds[quick.trial[i].kind]++;
    for (int k = 0; k < SPACC_TRIAL_NODE; k++)
        assert_true(kinds[k] > 10);
    assert_true(quick.count * 3 < full.count);
    spacc_trials_free(&quick);
    spacc_trials_free(&full);
}

/* ---- trials
 * ---------------------------------------------------------------------------------- */

static struct spacc_probe *probe_of(const struct spacc_trial *t)
{
    const struct spacc_engine_options options = {.cpu = spacc_cpu_features()};
    struct spacc_graph *g = spacc_trial_graph(t, 1);
    struct spacc_tensor **input;
    struct spacc_probe *p;
    struct spacc_error err = {.text = ""};

    assert_non_null(g);
    assert_int_equal(spacc_probe_inputs(&input, g, 1, NULL), SPACC_OK);
    if (spacc_probe_new(&p, g, input, &options, &err))
        print_message("kind %d: %s\n", t->kind, err.text);
    return p;
}

/* Neighbours of a few trials may be impossible (an image smaller than the kernel); most of a
 * plan are not. */
static void trials_of_the_plan_run(void **state)
{
    (void)state;
    struct spacc_trials t = plan(1, true);
    int made = 0;

    for (size_t i = 0; i < TRIED; i++) {
        struct spacc_probe *p = probe_of(&t.trial[i]);
        made += p != NULL;
        spacc_probe_free(p);
    }
    assert_true(made >= TRIED * 95 / 100);
    spacc_trials_free(&t);
}

/* A step of the trial has just this work. */
static bool has_step(const struct spacc_engine *e, const struct spacc_work *w)
{
    for (size_t i = 0; i < spacc_engine_steps(e); i++) {
        struct spacc_engine_step s = spacc_engine_step(e, i);
        if (spacc_work_same(&s.work, w))
            return true;
    }
    return false;
}

static void check_again(const struct spacc_work *w, int *tried)
{
    struct spacc_trial t;

    if (!spacc_trial_of_work(&t, w))
        return;
    struct spacc_probe *p = probe_of(&t);
    assert_non_null(p);
    if (!has_step(spacc_probe_engine(p), w))
        fail_msg("%s: the trial made of it has no such step", w->kernel);
    spacc_probe_free(p);
    (*tried)++;
}

/* So that what is measured around a work of a model is near it. */
static void a_work_becomes_a_trial_with_a_step_of_it(void **state)
{
    (void)state;
    static const struct spacc_trial trial[] = {
        {.kind = SPACC_TRIAL_CONV,
         .op = "Relu",
         .density = 1.0,
         .size = {1, 16, 24, 14, 14, 3, 3, 2, 2, 1, 1, 2}},
        {.kind = SPACC_TRIAL_CONV,
         .density = 1.0,
         .size = {2, 32, 32, 9, 7, 5, 3, 1, 1, 1, 32, 1}},
        {.kind = SPACC_TRIAL_CONV,
         .op = "Relu",
         .density = 1.0,
         .size = {1, 16, 16, 12, 12, 3, 3, 1, 1, 2, 1, 3}},
        {.kind = SPACC_TRIAL_POOL,
         .density = 1.0,
         .blocked = true,
         .size = {1, 16, 7, 7, 3, 3, 2, 2, 1}},
        {.kind = SPACC_TRIAL_PRODUCT, .density = 0.25, .size = {1, 3, 64, 96, 1, 2}},
        {.kind = SPACC_TRIAL_PRODUCT, .density = 1.0, .size = {1, 40, 64, 96, 1, 1}},
        {.kind = SPACC_TRIAL_PRODUCT,
         .density = 1.0,
         .two_inputs = true,
         .size = {4, 40, 20, 30, 1, 1}},
        {.kind = SPACC_TRIAL_RNN,
         .op = "lstm",
         .density = 0.5,
         .size = {5, 2, 32, 48, 4, 2, 1, 1}},
        {.kind = SPACC_TRIAL_RNN,
         .op = "gru linear",
         .density = 1.0,
         .size = {3, 1, 20, 24, 3, 1, 1, 1}},
    };
    int tried = 0;

    for (size_t i = 0; i < sizeof(trial) / sizeof(trial[0]); i++) {
        struct spacc_probe *p = probe_of(&trial[i]);
        assert_non_null(p);
        const struct spacc_engine *e = spacc_probe_engine(p);
        for (size_t s = 0; s < spacc_engine_steps(e); s++) {
            struct spacc_engine_step step = spacc_engine_step(e, s);
            check_again(&step.work, &tried);
        }
        spacc_probe_free(p);
    }
    assert_true(tried >= 9);
}

static void weights_are_as_dense_as_asked_for(void **state)
{
    (void)state;
    const struct spacc_trial t = {
        .kind = SPACC_TRIAL_PRODUCT, .density = 0.25, .size = {1, 1, 64, 128, 1, 1}};
    struct spacc_probe *p = probe_of(&t);
    const struct spacc_work w = spacc_engine_step(spacc_probe_engine(p), 0).work;

    assert_int_equal(w.family, SPACC_WORK_PRODUCT);
    assert_true(w.size[4] == 0.25);
    spacc_probe_free(p);
}

static void graphs_survive_every_failed_allocation(void **state)
{
    (void)state;
    const struct spacc_trial t = {.kind = SPACC_TRIAL_CONV,
                                  .op = "Relu",
                                  .density = 1.0,
                                  .size = {1, 8, 8, 4, 4, 3, 3, 1, 1, 1, 1, 3}};
    struct spacc_graph *g = NULL;

    for (fail_at = 0; !g; fail_at++) {
        calls = 0;
        g = spacc_trial_graph(&t, 1);
    }
    assert_true(fail_at > 20);
    fail_at = -1;
    spacc_graph_free(g);
}

/* ---- profiles
 * -------------------------------------------------------------------------------- */

static char file[64];

static int no_file(void **state)
{
    (void)state;
    snprintf(file, sizeof(file), "/tmp/spacc-profile-XXXXXX");
    const int fd = mkstemp(file);

    return fd < 0 || close(fd) || unlink(file);
}

static int remove_file(void **state)
{
    (void)state;
    unlink(file);
    return 0;
}

static struct spacc_profiler_options few(void)
{
    return (struct spacc_profiler_options){
        .device = "cpu", .file = file, .quick = true, .seed = 1, .trials_most = FEW};
}

static struct spacc_profile *profile(const struct spacc_profiler_options *o,
                                     struct spacc_profiler_report *r)
{
    struct spacc_profile *p;
    struct spacc_error err = {.text = ""};

    if (spacc_profiler_run(&p, o, r, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    return p;
}

static void assert_same_sample(const struct spacc_sample *a, const struct spacc_sample *b)
{
    assert_non_null(a);
    assert_non_null(b);
    assert_true(spacc_work_same(&a->work, &b->work));
    assert_int_equal(a->runs, b->runs);
    assert_true(a->us <= b->us * (1 + 1e-9) && b->us <= a->us * (1 + 1e-9));
}

static void a_profile_that_was_cut_off_is_gone_on_with(void **state)
{
    (void)state;
    const struct spacc_profiler_options o = few();
    struct spacc_profiler_report r;
    struct spacc_profile *all = profile(&o, &r), *half, *again;

    assert_int_equal(r.kept, 0);
    assert_int_equal(r.trials, FEW);
    assert_true(all->samples > FEW);
    assert_false(all->complete); /* the plan has more */
    assert_int_equal(spacc_profile_load(&half, file, NULL, NULL), SPACC_OK);
    assert_int_equal(half->samples, all->samples);
    half->samples /= 2;
    assert_int_equal(spacc_profile_save(half, file, NULL), SPACC_OK);

    again = profile(&o, &r);
    assert_int_equal(r.kept, half->samples);
    assert_int_equal(again->samples, all->samples);
    for (size_t i = 0; i < half->samples; i++) /* not measured again */
        assert_same_sample(spacc_profile_find(again, &half->sample[i].work), &half->sample[i]);
    for (size_t i = 0; i < all->samples; i++)
        assert_non_null(spacc_profile_find(again, &all->sample[i].work));
    spacc_profile_free(all);
    spacc_profile_free(half);
    spacc_profile_free(again);
}

static void samples_are_times_of_steps(void **state)
{
    (void)state;
    const struct spacc_profiler_options o = few();
    struct spacc_profiler_report r;
    struct spacc_profile *p = profile(&o, &r);
    bool hot = false, cold = false;

    for (size_t i = 0; i < p->samples; i++) {
        const struct spacc_sample *s = &p->sample[i];
        assert_true(s->us > 0.0 && s->spread >= 0.0 && s->runs >= 2);
        hot = hot || !s->work.cold;
        cold = cold || s->work.cold;
    }
    assert_true(hot && cold);
    assert_true(p->link.launch_us > 0.0 && p->link.peak_macs_per_us > 0.0);
    assert_true(p->link.peak_bytes_per_us > 0.0 && p->power.busy_w > 0.0);
    assert_true(p->power.source[0] != '\0');
    spacc_profile_free(p);
}

static void refuse(const struct spacc_profiler_options *o, enum spacc_status want,
                   const char *text)
{
    struct spacc_profile *p;
    struct spacc_profiler_report r;
    struct spacc_error err = {.text = ""};

    assert_int_equal(spacc_profiler_run(&p, o, &r, &err), want);
    assert_null(p);
    if (!strstr(err.text, text))
        fail_msg("'%s' does not say '%s'", err.text, text);
}

static void files_that_are_others_are_refused(void **state)
{
    (void)state;
    struct spacc_profiler_options o = few();
    struct spacc_profiler_report r;
    struct spacc_profile *p = profile(&o, &r);

    o.seed = 2;
    refuse(&o, SPACC_EINVAL, "made with seed 1, not 2");
    o.seed = 1;
    snprintf(p->device, sizeof(p->device), "gpu 0.0");
    assert_int_equal(spacc_profile_save(p, file, NULL), SPACC_OK);
    refuse(&o, SPACC_EINVAL, "a profile of gpu 0.0, not of cpu");
    snprintf(p->device, sizeof(p->device), "cpu");
    p->machine.cores += 1;
    assert_int_equal(spacc_profile_save(p, file, NULL), SPACC_OK);
    refuse(&o, SPACC_EUNSUPPORTED, file);
    spacc_profile_free(p);
    o.device = "toaster";
    refuse(&o, SPACC_EUNSUPPORTED, "device toaster");
}

static void a_file_that_cannot_be_written_is_an_error(void **state)
{
    (void)state;
    struct spacc_profiler_options o = few();

    o.file = "/nowhere/profile.json";
    refuse(&o, SPACC_EIO, "/nowhere/profile.json");
}

/* ---- models
 * ------------------------------------------------------------------------------------ */

/* x -> Neg -> Neg -> Neg: one work three times. */
static void steps_of_one_work_are_one_sample_with_their_number(void **state)
{
    (void)state;
    struct spacc_profiler_options o = few();
    const int64_t dims = 100;
    struct spacc_profiler_report r;
    struct spacc_tensor **input;
    struct spacc_maker m;

    spacc_maker_start(&m, 1);
    int v = spacc_maker_input(&m, SPACC_F32, 1, &dims);
    for (int i = 0; i < 3; i++)
        v = spacc_maker_node(&m, "Neg", 1, &v);
    spacc_maker_output(&m, v);
    struct spacc_graph *g = spacc_maker_end(&m);
    assert_int_equal(spacc_probe_inputs(&input, g, 1, NULL), SPACC_OK);
    const struct spacc_profiler_model model = {
        .g = g, .input = (const struct spacc_tensor *const *)input};
    o.only_models = true;
    o.models = 1;
    o.model = &model;

    struct spacc_profile *p = profile(&o, &r);
    assert_int_equal(r.trials, 0);
    double steps = 0.0;
    for (size_t i = 0; i < p->samples; i++)
        steps +=
            p->sample[i].runs * p->sample[i].work.size[2]; /* nodes joined count as loops */
    assert_true(steps == 3.0);
    spacc_profile_free(p);
    spacc_probe_inputs_free(input, g->inputs);
    spacc_graph_free(g);
}

int main(void)
{
#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, no_file, remove_file)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_plan_hangs_on_the_seed_alone),
        cmocka_unit_test(no_trial_comes_twice),
        cmocka_unit_test(the_quick_plan_is_a_fraction_of_the_full_one),
        cmocka_unit_test(trials_of_the_plan_run),
        cmocka_unit_test(a_work_becomes_a_trial_with_a_step_of_it),
        cmocka_unit_test(weights_are_as_dense_as_asked_for),
        cmocka_unit_test(graphs_survive_every_failed_allocation),
        WITH_FILE(a_profile_that_was_cut_off_is_gone_on_with),
        WITH_FILE(samples_are_times_of_steps),
        WITH_FILE(files_that_are_others_are_refused),
        WITH_FILE(a_file_that_cannot_be_written_is_an_error),
        WITH_FILE(steps_of_one_work_are_one_sample_with_their_number)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
