/* Joules of kernels, by a counter that is made up: it has what a machine of known power would
 * have taken by the time it is read. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/profiler.h"
#include "scheduler/cost.h"

enum { FEW = 12, MANY = 150, PATH_BYTES = 256 };
#define IDLE_W  3.0
#define TAKEN_W 10.0 /* so a kernel takes 7 W */

/* ---- the counter --------------------------------------------------------------------- */

static char root[64], file[PATH_BYTES];

static struct {
    double watts, busy_watts; /* at all times; for every busy thread */
    uint64_t range_uj;
    bool turns; /* at its end when a trial begins: it goes round in every one */
    double begin_uj;
    long reads, last; /* none is answered after `last`; 0: all are */
} fake;

static double us_of(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);

FILE *__wrap_fopen(const char *path, const char *mode)
{
    static char text[32];

    if (!strstr(path, "/energy_uj") || strncmp(path, root, strlen(root)) != 0)
        return __real_fopen(path, mode);
    if (++fake.reads > fake.last && fake.last > 0)
        return NULL;
    double uj =
        fake.watts * us_of(CLOCK_MONOTONIC) + fake.busy_watts * us_of(CLOCK_PROCESS_CPUTIME_ID);
    if (fake.reads % 2 == 0) /* the first is of nothing, then two a trial */
        fake.begin_uj = uj;
    if (fake.turns)
        uj += (double)fake.range_uj - 1.0 - fake.begin_uj;
    snprintf(text, sizeof(text), "%llu\n", (unsigned long long)((uint64_t)uj % fake.range_uj));
    return fmemopen(text, strlen(text), "r");
}

static void put(const char *name, const char *text)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof(path), "%s/intel-rapl:0/%s", root, name);
    FILE *f = __real_fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void set_range(uint64_t uj)
{
    char text[32];

    fake.range_uj = uj;
    snprintf(text, sizeof(text), "%llu\n", (unsigned long long)uj);
    put("max_energy_range_uj", text);
}

static int start(void **state)
{
    char folder[PATH_BYTES];

    (void)state;
    snprintf(root, sizeof(root), "/tmp/spacc-meter-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    snprintf(folder, sizeof(folder), "%s/intel-rapl:0", root);
    snprintf(file, sizeof(file), "%s/profile.json", root);
    memset(&fake, 0, sizeof(fake));
    fake.watts = TAKEN_W;
    if (mkdir(folder, 0700))
        return -1;
    put("name", "package-0\n");
    set_range(262143328850);
    return 0;
}

static int end(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", root);
    return system(command);
}

/* ---- profiles ------------------------------------------------------------------------ */

/* One without samples, of this machine: its watts need not be measured. */
static void begin_profile(bool measured)
{
    struct spacc_profile *p = calloc(1, sizeof(*p));

    assert_non_null(p);
    assert_int_equal(spacc_machine_read(&p->machine, NULL), SPACC_OK);
    snprintf(p->device, sizeof(p->device), "cpu");
    p->seed = 1;
    p->power = (struct spacc_power){
        .idle_w = IDLE_W, .busy_w = 20.0, .measured = measured, .source = "made up"};
    p->link.peak_macs_per_us = p->link.peak_bytes_per_us = 1e4;
    assert_int_equal(spacc_profile_save(p, file, NULL), SPACC_OK);
    spacc_profile_free(p);
}

static struct spacc_profiler_options few(void)
{
    return (struct spacc_profiler_options){
        .device = "cpu", .file = file, .seed = 1, .trials_most = FEW, .powercap = root};
}

static struct spacc_profile *profile(const struct spacc_profiler_options *o,
                                     struct spacc_profiler_report *r)
{
    struct spacc_error err = {.text = ""};
    struct spacc_profile *p, *again;
    size_t joules = 0;

    if (spacc_profiler_run(&p, o, r, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    spacc_profile_free(p);
    assert_int_equal(spacc_profile_load(&again, file, NULL, NULL), SPACC_OK);
    for (size_t i = 0; i < again->samples; i++)
        joules += isnan(again->sample[i].joules) ? 0 : 1;
    assert_int_equal(joules, r->joules);
    return again;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The median over samples with joules: one trial may be held up between clock and counter. */
static double watts_of(const struct spacc_profile *p)
{
    double *watts = calloc(p->samples + 1, sizeof(*watts));
    size_t count = 0;

    assert_non_null(watts);
    for (size_t i = 0; i < p->samples; i++)
        if (!isnan(p->sample[i].joules))
            watts[count++] = p->sample[i].joules / (p->sample[i].us * 1e-6);
    assert_true(count >= FEW / 2);
    qsort(watts, count, sizeof(*watts), by_size);
    const double median = watts[count / 2];
    free(watts);
    return median;
}

static void expect_watts(const struct spacc_profile *p, double watts)
{
    if (!(fabs(watts_of(p) / watts - 1.0) < 0.25))
        fail_msg("kernels take %g W, not %g", watts_of(p), watts);
}

static void expect_no_more(const struct spacc_profiler_report *r, const char *why)
{
    if (!strstr(r->no_more.text, why))
        fail_msg("'%s' does not say '%s'", r->no_more.text, why);
}

/* ---- joules -------------------------------------------------------------------------- */

/* What ran again and again had its weights in the caches. */
static void expect_none_of_cold_twins(const struct spacc_profile *p)
{
    size_t twins = 0;

    for (size_t i = 0; i < p->samples; i++) {
        struct spacc_work warm = p->sample[i].work;
        warm.cold = false;
        if (!p->sample[i].work.cold || !spacc_profile_find(p, &warm))
            continue;
        assert_true(isnan(p->sample[i].joules));
        twins++;
    }
    assert_true(twins > 0);
}

static void joules_are_those_above_idle(void **state)
{
    const struct spacc_profiler_options o = few();
    struct spacc_profiler_report r;

    (void)state;
    begin_profile(true);
    struct spacc_profile *p = profile(&o, &r);
    expect_watts(p, TAKEN_W - IDLE_W);
    assert_string_equal(r.no_more.text, "");
    expect_none_of_cold_twins(p);
    spacc_profile_free(p);
}

static void a_counter_may_go_round_in_a_trial(void **state)
{
    const struct spacc_profiler_options o = few();
    struct spacc_profiler_report r;

    (void)state;
    begin_profile(true);
    fake.turns = true;
    struct spacc_profile *p = profile(&o, &r);
    expect_watts(p, TAKEN_W - IDLE_W);
    spacc_profile_free(p);
}

static void idle_watts_are_measured_as_well(void **state)
{
    const struct spacc_profiler_options o = few();
    struct spacc_profiler_report r;

    (void)state;
    fake.watts = 5.0;
    fake.busy_watts = 8.0;
    struct spacc_profile *p = profile(&o, &r);
    assert_true(p->power.measured);
    assert_string_equal(p->power.source, "RAPL package-0");
    assert_true(fabs(p->power.idle_w - 5.0) < 1.0);
    assert_true(p->power.busy_w > 0.0 && p->power.busy_w < 10.0);
    assert_true(watts_of(p) > 0.0 && watts_of(p) < 10.0);
    spacc_profile_free(p);
}

static void less_than_idle_is_no_measurement(void **state)
{
    const struct spacc_profiler_options o = few();
    struct spacc_profiler_report r;

    (void)state;
    fake.watts = IDLE_W / 3.0;
    begin_profile(true);
    struct spacc_profile *p = profile(&o, &r);
    assert_int_equal(r.joules, 0);
    assert_true(fake.reads > 2);
    spacc_profile_free(p);
}

/* ---- none ---------------------------------------------------------------------------- */

/* Once when it is opened, two a trial: the fourth one's end is not known. */
static void a_counter_that_goes_away_ends_it(void **state)
{
    const struct spacc_profiler_options o = few();
    struct spacc_profiler_report r;

    (void)state;
    fake.last = 1 + 2 * 3 + 1;
    begin_profile(true);
    struct spacc_profile *p = profile(&o, &r);
    assert_true(r.joules >= 1 && r.joules <= 3);
    assert_int_equal(fake.reads, fake.last + 1);
    assert_int_equal(r.trials, FEW);
    expect_no_more(&r, "/intel-rapl:0/energy_uj: the energy counter cannot be read");
    spacc_profile_free(p);
}

static void the_quick_mode_leaves_it(void **state)
{
    struct spacc_profiler_options o = few();
    struct spacc_profiler_report r;

    (void)state;
    o.quick = true;
    begin_profile(true);
    struct spacc_profile *p = profile(&o, &r);
    assert_int_equal(r.joules, 0);
    assert_int_equal(fake.reads, 0);
    expect_no_more(&r, "quick mode");
    spacc_profile_free(p);
}

static void without_counters_power_is_stated(void **state)
{
    struct spacc_profiler_options o = few();
    struct spacc_profiler_report r;

    (void)state;
    o.powercap = "/nowhere";
    struct spacc_profile *p = profile(&o, &r);
    assert_int_equal(r.joules, 0);
    assert_false(p->power.measured);
    expect_no_more(&r, "/nowhere: no energy counter can be read");
    spacc_profile_free(p);
}

static void over_a_stated_idle_nothing_is_measured(void **state)
{
    const struct spacc_profiler_options o = few();
    struct spacc_profiler_report r;

    (void)state;
    begin_profile(false);
    struct spacc_profile *p = profile(&o, &r);
    assert_int_equal(r.joules, 0);
    expect_no_more(&r, "idle watts are not measured (made up)");
    spacc_profile_free(p);
}

/* ---- more of it ---------------------------------------------------------------------- */

/* Times that are there stay, and joules are added, once. */
static void what_has_no_joules_yet_gets_some(void **state)
{
    struct spacc_profiler_options o = few();
    struct spacc_profiler_report r;

    (void)state;
    begin_profile(true);
    o.powercap = "/nowhere";
    struct spacc_profile *times = profile(&o, &r);
    assert_int_equal(r.joules, 0);
    o.powercap = root;
    struct spacc_profile *p = profile(&o, &r), *again;
    expect_watts(p, TAKEN_W - IDLE_W);
    assert_int_equal(p->samples, times->samples);
    for (size_t i = 0; i < p->samples; i++)
        assert_true(p->sample[i].us <= times->sample[i].us &&
                    p->sample[i].us >= times->sample[i].us);
    const size_t joules = r.joules;
    fake.reads = 0;
    again = profile(&o, &r);
    assert_int_equal(r.joules, joules);
    assert_int_equal(fake.reads, 1); /* when it was opened */
    spacc_profile_free(times);
    spacc_profile_free(p);
    spacc_profile_free(again);
}

/* From the counter to the cost of a kernel: its own joules, else those of its likes. */
static void costs_go_by_joules(void **state)
{
    struct spacc_profiler_options o = few();
    struct spacc_profiler_report r;
    struct spacc_cost cost;
    int fitted = 0, parts = 0; /* parts: measured warm, but only with something longer */

    (void)state;
    begin_profile(true);
    o.trials_most = MANY;
    struct spacc_profile *p = profile(&o, &r);
    for (size_t i = 0; i < p->samples; i++) {
        const struct spacc_sample *s = &p->sample[i];
        parts += isnan(s->joules) && !s->work.cold;
        assert_int_equal(spacc_cost_of(p, SPACC_COST_STACK, &s->work, &cost, NULL), SPACC_OK);
        if (!isnan(s->joules)) {
            assert_int_equal(cost.power, SPACC_POWER_MEASURED);
            assert_true(fabs(cost.joules - s->joules) < 1e-12);
        } else if (cost.power == SPACC_POWER_FITTED) {
            const double watts = cost.joules / (s->us * 1e-6);
            fitted += watts > 0.5 * (TAKEN_W - IDLE_W) && watts < 2.0 * (TAKEN_W - IDLE_W);
        } else {
            assert_int_equal(cost.power, SPACC_POWER_BUSY);
            assert_true(fabs(cost.joules - 20.0 * s->us * 1e-6) < 1e-12);
        }
    }
    assert_true(fitted >= FEW);
    assert_true(parts > 0);
    spacc_profile_free(p);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)
    const struct CMUnitTest tests[] = {
        TEST(joules_are_those_above_idle),      TEST(a_counter_may_go_round_in_a_trial),
        TEST(idle_watts_are_measured_as_well),  TEST(less_than_idle_is_no_measurement),
        TEST(a_counter_that_goes_away_ends_it), TEST(the_quick_mode_leaves_it),
        TEST(without_counters_power_is_stated), TEST(over_a_stated_idle_nothing_is_measured),
        TEST(what_has_no_joules_yet_gets_some), TEST(costs_go_by_joules)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
