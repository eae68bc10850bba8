/* The proof of the card: random layers of every cell, activation, size and density on every
 * configuration of this build, through compiler and driver, equal spacc_fixed_run() bit for
 * bit: outputs, states and saturation counts; and cost what the card that only counts says.
 * SPACC_TEST_SEED replays a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/device.h"
#include "rtl/card_map.h"

#if !SPACC_SIM

static void there_is_no_simulator_in_this_build(void **state)
{
    (void)state;
    printf("skipped: this build has no simulator\n");
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(there_is_no_simulator_in_this_build)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

#include "sim/sim.h"
#include "tests/layer_maker.h"

enum { LAYERS = 5, JOBS = 7 };

/* The card's own watchdog ends a run after 1048576 idle cycles, 5243 us. */
enum { LONG_US = 100000, SHORT_US = 2000 };

static uint64_t sum_causes(const struct spacc_job_counts *c)
{
    uint64_t sum = 0;

    for (int i = 0; i < SPACC_CARD_CAUSES; i++)
        sum += c->cause[i];
    return sum;
}

/* Counts of what was exercised, over all tests. */
static uint64_t gate_cuts, state_cuts, jobs_run, jobs_reversed, x_waits;

static void check_job(const struct spacc_fixed_layer *l, const struct spacc_job *got,
                      const struct spacc_job *want)
{
    if (!same_results(l, got, want)) {
        print_layer(l, got);
        fail_msg("other bits than on the CPU");
    }
    assert_int_equal(sum_causes(&got->counts), got->counts.cycles);
    assert_true(got->counts.cycles > 0);
    gate_cuts += want->counts.gate_saturations;
    state_cuts += want->counts.state_saturations;
    jobs_reversed += got->reverse;
    x_waits += got->counts.cause[2];
    jobs_run++;
}

/* ---- a card and the same layers on the CPU ----------------------------------- */

/* The card that only counts goes along when the memory of the simulated one is polite. */
struct pair {
    struct spacc_sim *sim;
    struct spacc_device *card, *cpu, *counter;
    const struct spacc_card_info *info;
    size_t layers;
    struct spacc_fixed_layer *layer[LAYERS];
};

static void open_counter(struct pair *p, const char *config)
{
    char name[32];
    struct spacc_card *card;
    struct spacc_error err = {0};

    snprintf(name, sizeof(name), "model:%s", config);
    ok(spacc_card_open(&card, name, &err), &err);
    ok(spacc_card_device_new(&p->counter, card, LONG_US, &err), &err);
}

static void open_with(struct pair *p, const char *config, uint32_t stalls, uint64_t limit_us)
{
    const struct spacc_sim_options options = {
        .config = config, .stall_per_1024 = stalls, .seed = seed()};
    struct spacc_card *card;
    struct spacc_error err = {0};

    memset(p, 0, sizeof(*p));
    ok(spacc_sim_open(&p->sim, &options, &err), &err);
    ok(spacc_card_attach(&card, spacc_sim_card_ops(), p->sim, 200e6, &err), &err);
    ok(spacc_card_device_new(&p->card, card, limit_us, &err), &err);
    ok(spacc_cpu_device_new(&p->cpu, &err), &err);
    p->info = spacc_card_device_info(p->card);
}

static void open_pair(struct pair *p, const char *config, uint32_t stalls)
{
    open_with(p, config, stalls, LONG_US);
    if (!stalls)
        open_counter(p, config);
}

static void add_layer(struct pair *p, const struct shape *shape)
{
    struct spacc_fixed_layer *layer = make_layer(shape, p->info);
    struct spacc_error err = {0};
    size_t number;

    ok(spacc_device_add(p->card, "layer", layer, &number, &err), &err);
    ok(spacc_device_add(p->cpu, "layer", layer, &number, &err), &err);
    if (p->counter)
        ok(spacc_device_add(p->counter, "layer", layer, &number, &err), &err);
    assert_int_equal(number, p->layers);
    p->layer[p->layers++] = layer;
}

static void load_pair(struct pair *p)
{
    struct spacc_error err = {0};

    ok(spacc_device_load(p->card, &err), &err);
    ok(spacc_device_load(p->cpu, &err), &err);
    if (p->counter)
        ok(spacc_device_load(p->counter, &err), &err);
}

static void close_pair(struct pair *p)
{
    spacc_device_free(p->card);
    spacc_device_free(p->cpu);
    spacc_device_free(p->counter);
    for (size_t i = 0; i < p->layers; i++)
        spacc_fixed_free(p->layer[i]);
}

/* ---- the same jobs on all of them -------------------------------------------- */

static void check_counter(struct pair *p, const struct spacc_job *got, struct spacc_job *job,
                          size_t jobs)
{
    struct spacc_error err = {0};

    ok(spacc_device_run(p->counter, job, jobs, &err), &err);
    for (size_t i = 0; i < jobs; i++) {
        assert_int_equal(job[i].counts.cycles, got[i].counts.cycles);
        assert_memory_equal(job[i].counts.cause, got[i].counts.cause,
                            sizeof(job[i].counts.cause));
        assert_int_equal(job[i].counts.bytes_read, got[i].counts.bytes_read);
        assert_int_equal(job[i].counts.bytes_written, got[i].counts.bytes_written);
        assert_true(same_results(p->layer[job[i].layer], &job[i], &got[i]));
    }
}

/* Run `got`; `want` and `counted` begin as it does. */
static void compare(struct pair *p, struct spacc_job *got, struct spacc_job *want,
                    struct spacc_job *counted, size_t jobs)
{
    struct spacc_job_counts sum[2] = {{0}};
    struct spacc_error err = {0};

    ok(spacc_device_run(p->card, got, jobs, &err), &err);
    ok(spacc_device_run(p->cpu, want, jobs, &err), &err);
    for (size_t i = 0; i < jobs; i++) {
        check_job(p->layer[got[i].layer], &got[i], &want[i]);
        sum[0].gate_saturations += got[i].counts.gate_saturations;
        sum[0].state_saturations += got[i].counts.state_saturations;
        sum[1].gate_saturations += want[i].counts.gate_saturations;
        sum[1].state_saturations += want[i].counts.state_saturations;
    }
    assert_int_equal(sum[0].gate_saturations, sum[1].gate_saturations);
    assert_int_equal(sum[0].state_saturations, sum[1].state_saturations);
    if (p->counter)
        check_counter(p, got, counted, jobs);
}

/* Run jobs, which are left as they ended. */
static void run_jobs(struct pair *p, struct spacc_job *got, size_t jobs)
{
    struct spacc_job want[JOBS * 4], counted[JOBS * 4];

    for (size_t i = 0; i < jobs; i++) {
        want[i] = copy_job(&got[i], p->layer[got[i].layer]);
        counted[i] = copy_job(&got[i], p->layer[got[i].layer]);
    }
    compare(p, got, want, counted, jobs);
    for (size_t i = 0; i < jobs; i++) {
        free_job(&want[i], false);
        free_job(&counted[i], false);
    }
}

/* Random jobs on random layers, in one list. */
static void run_and_compare(struct pair *p, size_t jobs)
{
    struct spacc_job job[JOBS * 4];

    for (size_t i = 0; i < jobs; i++) {
        const size_t number = i < p->layers ? i : draw((uint32_t)p->layers);
        random_job(&job[i], number, p->layer[number]);
    }
    run_jobs(p, job, jobs);
    for (size_t i = 0; i < jobs; i++)
        free_job(&job[i], true);
}

static size_t largest_of(const struct spacc_card_info *info)
{
    return info->lanes >= 16 ? 70 : 45;
}

static void compare_cells(const char *config, uint32_t stalls, int rounds)
{
    for (int round = 0; round < rounds; round++) {
        struct pair p;
        open_pair(&p, config, stalls);
        for (int cell = 0; cell < 5; cell++) {
            struct shape s = random_shape((int)p.info->weight_bits, (enum spacc_cell)cell,
                                          largest_of(p.info) / 2);
            if (round == 0) /* one that does not divide in any way */
                s.units = 13, s.x_cols = 7, s.outputs = s.outputs ? 9 : 0, s.density = 1.0;
            add_layer(&p, &s);
        }
        load_pair(&p);
        run_and_compare(&p, JOBS);
        run_and_compare(&p, JOBS);
        close_pair(&p);
    }
}

/* Cards that differ from another one in their PEs only ("16x16s") run what is about products.
 */
static bool is_variant(const char *config)
{
    return strchr("0123456789", config[strlen(config) - 1]) == NULL;
}

static void each_config(bool variants, void (*run)(const char *config))
{
    printf("seed %llu\n", (unsigned long long)seed());
    for (const char *const *c = spacc_sim_configs(); *c; c++) {
        if (is_variant(*c) && !variants)
            continue;
        rng = seed();
        run(*c);
    }
}

/* ---- tests ------------------------------------------------------------------- */

static void polite(const char *config)
{
    compare_cells(config, 0, 6);
}

static void every_cell_equals_the_model_bit_for_bit(void **state)
{
    (void)state;
    gate_cuts = state_cuts = jobs_run = jobs_reversed = 0;
    each_config(true, polite);
    printf("%llu jobs, %llu reversed, %llu gate and %llu state saturations\n",
           (unsigned long long)jobs_run, (unsigned long long)jobs_reversed,
           (unsigned long long)gate_cuts, (unsigned long long)state_cuts);
    assert_true(gate_cuts > 0 && state_cuts > 0 && jobs_reversed > 0);
}

static void stalled(const char *config)
{
    compare_cells(config, 300, 3);
}

static void stalls_on_the_buses_change_nothing(void **state)
{
    (void)state;
    x_waits = 0;
    each_config(true, stalled);
    assert_true(x_waits > 0);
}

/* One cell, larger than the small random ones, one step and many. */
static void large(const char *config)
{
    struct pair p;
    open_pair(&p, config, 0);
    const int bits = (int)p.info->weight_bits;
    const size_t size = largest_of(p.info);
    const struct shape lstm = {.cell = SPACC_CELL_LSTM,
                               .units = size,
                               .x_cols = size + 3,
                               .density = 0.3,
                               .bits = bits,
                               .scale = 0.3f};
    const struct shape reset = {.cell = SPACC_CELL_GRU_RESET,
                                .units = size - 5,
                                .x_cols = 9,
                                .density = 1.0,
                                .bits = 8,
                                .scale = 0.3f,
                                .act_g = SPACC_ACT_RELU};
    add_layer(&p, &lstm);
    if (p.info->lanes >= 8)
        add_layer(&p, &reset);
    load_pair(&p);
    run_and_compare(&p, 3);
    close_pair(&p);
}

static void larger_layers_equal_the_model(void **state)
{
    (void)state;
    each_config(false, large);
}

/* y of one job is x of the next, without the host: LSTM, LSTMP, GRU, LINEAR, `batch` sequences
 * of each. */
static void chain(const char *config, uint32_t stalls, size_t batch)
{
    static const enum spacc_cell cells[] = {SPACC_CELL_LSTM, SPACC_CELL_LSTMP, SPACC_CELL_GRU,
                                            SPACC_CELL_LINEAR};
    const size_t steps = 1 + draw(7);
    struct spacc_job job[4 * 4];
    struct shape s = {.units = 19, .x_cols = 11, .density = 0.7, .scale = 0.8f};
    struct pair p;

    open_pair(&p, config, stalls);
    s.bits = (int)p.info->weight_bits;
    for (size_t i = 0; i < 4; i++) {
        s.cell = cells[i];
        s.outputs = cells[i] == SPACC_CELL_LSTMP ? 13 : 0;
        add_layer(&p, &s);
        s.x_cols = cells[i] == SPACC_CELL_LSTMP ? 13 : 19;
    }
    load_pair(&p);
    for (size_t i = 0; i < 4 * batch; i++) {
        long_job(&job[i], i / batch, p.layer[i / batch], steps, i / batch % 2);
        if (i < batch)
            continue;
        free((void *)(uintptr_t)job[i].x);
        job[i].x = NULL;
        job[i].x_job = (int)(i - batch);
    }
    run_jobs(&p, job, 4 * batch);
    for (size_t i = 0; i < 4 * batch; i++)
        free_job(&job[i], true);
    close_pair(&p);
}

static void chained(const char *config)
{
    chain(config, 100, 1);
    chain(config, 0, 1);
    chain(config, 0, 3);
    chain(config, 200, 4);
}

static void a_layer_reads_the_results_of_another_on_the_card(void **state)
{
    (void)state;
    each_config(false, chained);
}

/* More jobs than the instruction memory takes: several programs. */
static void many(const char *config)
{
    struct pair p;
    open_pair(&p, config, 0);
    const struct shape s = {.cell = SPACC_CELL_LSTM,
                            .units = 5,
                            .x_cols = 6,
                            .density = 1.0,
                            .bits = (int)p.info->weight_bits,
                            .scale = 0.5f};
    add_layer(&p, &s);
    load_pair(&p);
    run_and_compare(&p, JOBS * 4);
    assert_true(spacc_card_device_totals(p.card).runs > 2);
    close_pair(&p);
}

static void long_lists_of_jobs_become_several_programs(void **state)
{
    (void)state;
    each_config(false, many);
}

/* Layers that fit alone but not together are loaded one after the other. */
static void crowded(const char *config)
{
    struct pair p;
    open_pair(&p, config, 0);
    /* 0.45 of the row parameters each, and a quarter of that */
    const size_t units = (size_t)p.info->units * 9 / 20;
    const struct shape s = {.cell = SPACC_CELL_LSTM,
                            .units = units,
                            .x_cols = 3,
                            .density = 0.0,
                            .bits = (int)p.info->weight_bits,
                            .scale = 0.5f};
    const struct shape linear = {.cell = SPACC_CELL_LINEAR,
                                 .units = units,
                                 .x_cols = 17,
                                 .density = 0.5,
                                 .bits = (int)p.info->weight_bits,
                                 .scale = 0.5f};
    add_layer(&p, &s);
    add_layer(&p, &linear);
    add_layer(&p, &s);
    load_pair(&p);
    assert_int_equal(spacc_card_device_totals(p.card).away, 2);
    run_and_compare(&p, 4);
    run_and_compare(&p, 4);
    close_pair(&p);
}

static void layers_that_do_not_fit_together_are_loaded_in_turn(void **state)
{
    (void)state;
    each_config(false, crowded);
}

/* ---- batches ---- */

/* Sequences that are alike become RUNs of as many as the card takes. */
static void alike(const char *config)
{
    enum { ALIKE = 5 };
    struct spacc_job job[LAYERS * ALIKE];
    struct pair p;

    open_pair(&p, config, 0);
    for (int cell = 0; cell < LAYERS; cell++) {
        struct shape s = random_shape((int)p.info->weight_bits, (enum spacc_cell)cell, 30);
        add_layer(&p, &s);
    }
    load_pair(&p);
    for (int round = 0; round < 3; round++) {
        const uint64_t before = spacc_card_device_totals(p.card).batches;
        const size_t steps = 1 + draw(5);
        for (size_t i = 0; i < LAYERS * ALIKE; i++)
            long_job(&job[i], i / ALIKE, p.layer[i / ALIKE], steps, i / ALIKE % 2);
        run_jobs(&p, job, LAYERS * ALIKE);
        assert_int_equal(spacc_card_device_totals(p.card).batches - before,
                         p.info->batch_max > 1 ? LAYERS : LAYERS * ALIKE);
        for (size_t i = 0; i < LAYERS * ALIKE; i++)
            free_job(&job[i], true);
    }
    close_pair(&p);
}

static void alike_jobs_run_together(void **state)
{
    (void)state;
    each_config(false, alike);
}

/* A batch of four costs less than two of its sequences alone. */
static void shared_weights(const char *config)
{
    const struct shape s = {.cell = SPACC_CELL_LSTM,
                            .units = 64,
                            .x_cols = 64,
                            .density = 0.125,
                            .bits = 8,
                            .scale = 0.3f};
    uint64_t cycles[2] = {0, 0};
    struct spacc_job job[4];
    struct pair p;

    open_pair(&p, config, 0);
    add_layer(&p, &s);
    load_pair(&p);
    for (int n = 0; n < 2; n++) {
        for (size_t i = 0; i < (n ? 4 : 1); i++)
            long_job(&job[i], 0, p.layer[0], 10, false);
        run_jobs(&p, job, n ? 4 : 1);
        for (size_t i = 0; i < (n ? 4 : 1); i++) {
            cycles[n] += job[i].counts.cycles;
            assert_true(job[i].counts.cycles <= job[0].counts.cycles &&
                        job[i].counts.cycles + SPACC_CARD_CAUSES >= job[0].counts.cycles);
            free_job(&job[i], true);
        }
    }
    printf("%s: one sequence %llu cycles, four %llu\n", config, (unsigned long long)cycles[0],
           (unsigned long long)cycles[1]);
    if (p.info->batch_max > 1 && p.info->lanes > 16)
        assert_true(cycles[1] < 2 * cycles[0]);
    assert_true(cycles[1] <= 4 * cycles[0]);
    close_pair(&p);
}

static void a_batch_costs_less_than_its_sequences(void **state)
{
    (void)state;
    each_config(false, shared_weights);
}

/* ---- states that stay ---- */

static uint64_t kept_of(const struct pair *p)
{
    return spacc_card_device_totals(p->card).kept;
}

/* A step at a time from where the last one ended: nothing is loaded, whatever is the number of
 * steps, whoever runs in between; but all is when a bit was changed. */
static void kept(const char *config)
{
    enum { SEQUENCES = 3 };
    struct spacc_job job[LAYERS * SEQUENCES];
    struct pair p;
    size_t recurrent = 0;
    uint64_t first = 0;

    open_pair(&p, config, 0);
    for (int cell = 0; cell < LAYERS; cell++) {
        const struct shape s = {.cell = (enum spacc_cell)cell,
                                .units = 9,
                                .x_cols = 6,
                                .outputs = cell == SPACC_CELL_LSTMP ? 7 : 0,
                                .density = 0.6,
                                .bits = (int)p.info->weight_bits,
                                .scale = 0.5f};
        add_layer(&p, &s);
    }
    load_pair(&p);
    for (size_t i = 0; i < LAYERS * SEQUENCES; i++) {
        const size_t layer = p.info->batch_max > 1 ? i / SEQUENCES : i % LAYERS;
        long_job(&job[i], layer, p.layer[layer], 1 + layer % 2, false);
        recurrent += job[i].h != NULL;
    }
    if (p.info->batch_max > 1)
        recurrent /= SEQUENCES;
    for (int step = 0; step < 5; step++) {
        const uint64_t before = kept_of(&p);
        uint64_t load = 0;
        if (step == 3)
            job[LAYERS * SEQUENCES - 1].state[0] ^= 1;
        run_jobs(&p, job, LAYERS * SEQUENCES);
        assert_int_equal(kept_of(&p) - before, step == 0   ? 0
                                               : step == 3 ? recurrent - 1
                                                           : recurrent);
        for (size_t i = 0; i < LAYERS * SEQUENCES; i++)
            load += job[i].counts.cause[1];
        first = step == 0 ? load : first;
        assert_true(step == 0 || load < first);
    }
    for (size_t i = 0; i < LAYERS * SEQUENCES; i++)
        free_job(&job[i], true);
    close_pair(&p);
}

static void states_stay_on_the_card_between_runs(void **state)
{
    (void)state;
    each_config(false, kept);
}

/* A layer that is streamed has its ring beside one that stays. */
static void streamed_beside(const char *config)
{
    struct pair p;
    open_pair(&p, config, 0);
    const size_t words = p.info->weight_words, lanes = p.info->lanes, pes = p.info->pes;
    const struct shape small = {.cell = SPACC_CELL_GRU,
                                .units = 12,
                                .x_cols = 12,
                                .density = 1.0,
                                .bits = 8,
                                .scale = 0.5f};
    struct shape large = small;

    /* a little more than the weight memory: groups of rows times words of x */
    large.cell = SPACC_CELL_LINEAR;
    large.x_cols = lanes * (p.info->x_words / 4);
    large.units = (words / (p.info->x_words / 4) + 2) * pes;
    add_layer(&p, &small);
    add_layer(&p, &large);
    load_pair(&p);
    assert_int_equal(spacc_card_device_totals(p.card).away, 1);
    const uint64_t loads = spacc_card_device_totals(p.card).load_cycles;
    struct spacc_job job[4];
    for (size_t i = 0; i < 4; i++) { /* small, large, large, small */
        const size_t layer = i == 1 || i == 2;
        long_job(&job[i], layer, p.layer[layer], 1, false);
    }
    run_jobs(&p, job, 4);
    assert_true(job[1].counts.cause[7] > 0);   /* waits for weights */
    assert_true(job[3].counts.cause[1] < 200); /* the other one is not loaded again */
    assert_int_equal(spacc_card_device_totals(p.card).load_cycles, loads);
    assert_int_equal(spacc_card_device_totals(p.card).batches, p.info->batch_max > 1 ? 3 : 4);
    for (size_t i = 0; i < 4; i++)
        free_job(&job[i], true);
    close_pair(&p);
}

static void a_streamed_layer_leaves_the_others_where_they_are(void **state)
{
    (void)state;
    each_config(false, streamed_beside);
}

/* The card is lost in the middle of a run; the next run is right again. */
static void break_and_repeat(const char *config, const struct spacc_sim_options *fault,
                             uint64_t limit_us, enum spacc_status expected)
{
    struct pair p;
    struct spacc_job job, other;
    struct spacc_error err = {0};
    struct spacc_sim_options good = {.config = config, .seed = seed()}, bad = *fault;

    open_with(&p, config, 0, limit_us);
    const struct shape s = {.cell = SPACC_CELL_GRU,
                            .units = 9,
                            .x_cols = 10,
                            .density = 1.0,
                            .bits = (int)p.info->weight_bits,
                            .scale = 0.5f};
    add_layer(&p, &s);
    load_pair(&p);
    random_job(&job, 0, p.layer[0]);
    random_job(&other, 0, p.layer[0]);
    run_jobs(&p, &job, 1);
    run_jobs(&p, &other, 1);
    const uint64_t loads = spacc_card_device_totals(p.card).load_cycles;

    bad.config = config;
    spacc_sim_set(p.sim, &bad);
    assert_int_equal(spacc_device_run(p.card, &job, 1, &err), expected);
    assert_true(strlen(err.text) > 0);
    printf("%s: %s\n", config, err.text);

    spacc_sim_set(p.sim, &good);
    run_jobs(&p, &other, 1); /* it begins where its last run ended, which is lost now */
    run_jobs(&p, &job, 1);
    assert_int_equal(kept_of(&p), 0);
    run_jobs(&p, &other, 1);
    assert_int_equal(kept_of(&p), 1);
    free_job(&other, true);
    free_job(&job, true);
    run_and_compare(&p, 2);
    assert_true(spacc_card_device_totals(p.card).load_cycles > loads);
    close_pair(&p);
}

static void hang(const char *config)
{
    const struct spacc_sim_options no_read = {.fault_no_read = true};
    const struct spacc_sim_options no_write = {.fault_no_write = true};

    break_and_repeat(config, &no_read, SHORT_US, SPACC_ETIMEOUT);
    break_and_repeat(config, &no_write, SHORT_US, SPACC_ETIMEOUT);
    break_and_repeat(config, &no_read, LONG_US, SPACC_EDEVICE);
    break_and_repeat(config, &no_write, LONG_US, SPACC_EDEVICE);
}

static void a_run_after_a_time_out_or_a_bite_of_the_watchdog_is_right(void **state)
{
    (void)state;
    each_config(false, hang);
}

static void slverr(const char *config)
{
    /* the first buffer of a device is its program, at the first page of memory */
    struct pair p;
    struct spacc_card *card;
    struct spacc_error err = {0};
    uint64_t first;

    open_pair(&p, config, 0);
    close_pair(&p);
    ok(spacc_card_open(&card, "sim", &err), &err);
    ok(spacc_card_alloc(card, 4096, &first, &err), &err);
    spacc_card_close(card);
    const struct spacc_sim_options fault = {.fault_slverr_address = first + 64};
    break_and_repeat(config, &fault, LONG_US, SPACC_EDEVICE);
}

static void a_run_after_a_bus_error_is_right(void **state)
{
    (void)state;
    each_config(false, slverr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_equals_the_model_bit_for_bit),
        cmocka_unit_test(stalls_on_the_buses_change_nothing),
        cmocka_unit_test(larger_layers_equal_the_model),
        cmocka_unit_test(a_layer_reads_the_results_of_another_on_the_card),
        cmocka_unit_test(long_lists_of_jobs_become_several_programs),
        cmocka_unit_test(layers_that_do_not_fit_together_are_loaded_in_turn),
        cmocka_unit_test(alike_jobs_run_together),
        cmocka_unit_test(a_batch_costs_less_than_its_sequences),
        cmocka_unit_test(states_stay_on_the_card_between_runs),
        cmocka_unit_test(a_streamed_layer_leaves_the_others_where_they_are),
        cmocka_unit_test(a_run_after_a_time_out_or_a_bite_of_the_watchdog_is_right),
        cmocka_unit_test(a_run_after_a_bus_error_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
