/* bench_devices.c - spacc bench --devices all: a model on each device alone, and as planned,
 * side by side: run in turn in every round, so that a busy neighbour disturbs all of them. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/batch.h"
#include "host/cli/bench_devices.h"
#include "host/clock.h"
#include "host/median.h"
#include "host/placing.h"
#include "host/session.h"

enum { SIDES = 4, ROUNDS_LEAST = 5, ROUNDS_MOST = 10000, BATCH = 64 };
static const double all_us = 2e6, batch_us = 1e6;

struct side {
    const char *name;
    struct spacc_session *session;
    double *us; /* [rounds] */
    double median, low, high, predicted, per_s;
};

struct devices {
    const struct cli_bench_devices *ask;
    struct side side[SIDES];
    size_t sides, rounds;
    struct spacc_batch *batch;
    double batch_per_s;
    double ratio; /* planned over the best single device, the median of rounds */
    size_t best;  /* single side */
    struct spacc_tensor **output; /* [outputs * BATCH] */
};

static size_t outputs_of(const struct devices *d)
{
    return spacc_model_outputs(d->ask->model);
}

/* ---- sides ----------------------------------------------------------------------- */

static enum spacc_status add_side(struct devices *d, const char *name,
                                  const struct spacc_options *o, struct spacc_error *err)
{
    struct side *s = &d->side[d->sides];
    enum spacc_status status = spacc_session_new(&s->session, d->ask->model, o, err);

    if (status)
        return status;
    s->name = name;
    d->sides++;
    if ((status = spacc_session_prepare(s->session, 1, d->ask->input, err)))
        return status;
    s->predicted = spacc_session_placing(s->session)->chosen.us;
    return SPACC_OK;
}

static enum spacc_status add_sides(struct devices *d, struct spacc_error *err)
{
    const struct cli_bench_devices *a = d->ask;
    struct spacc_options cpu = {
        .cpu_threads = a->threads, .profiles = a->profiles, .plan = true};
    struct spacc_options gpu = cpu, card = cpu, planned = cpu;
    enum spacc_status status;

    gpu.gpu = planned.gpu = a->gpu;
    gpu.all_on = "gpu";
    card.fpga = planned.fpga = a->fpga;
    planned.goal = SPACC_GOAL_LATENCY;
    if ((status = add_side(d, "cpu", &cpu, err)) ||
        (a->gpu && (status = add_side(d, "gpu", &gpu, err))) ||
        (a->fpga && (status = add_side(d, "card", &card, err))) ||
        (status = add_side(d, "planned", &planned, err)))
        return status;
    if ((status = spacc_batch_new(&d->batch, a->model, &planned, err)))
        return status;
    return spacc_batch_prepare(d->batch, 1, a->input, err);
}

/* ---- measuring -------------------------------------------------------------------- */

static double timed(const struct side *s)
{
    return spacc_session_timed_us(s->session);
}

static enum spacc_status run_side(struct devices *d, struct side *s, double *us,
                                  struct spacc_error *err)
{
    const double before = timed(s);
    const enum spacc_status status =
        spacc_session_run(s->session, d->ask->input, d->output, err);

    for (size_t o = 0; o < outputs_of(d); o++)
        spacc_tensor_free(d->output[o]);
    *us = timed(s) - before;
    return status;
}

/* Every side twice: the first run finds its caches as the one before left them. */
static enum spacc_status run_round(struct devices *d, size_t round, struct spacc_error *err)
{
    double unmeasured;

    for (size_t i = 0; i < d->sides; i++) {
        enum spacc_status status;
        if ((status = run_side(d, &d->side[i], &unmeasured, err)) ||
            (status = run_side(d, &d->side[i], &d->side[i].us[round], err)))
            return status;
    }
    return SPACC_OK;
}

static enum spacc_status run_rounds(struct devices *d, struct spacc_error *err)
{
    const size_t most = d->ask->runs ? d->ask->runs : ROUNDS_MOST;
    const double start = spacc_now_us();
    enum spacc_status status;

    for (size_t i = 0; i < d->sides; i++)
        if (!(d->side[i].us = calloc(most + 1, sizeof(double))))
            return spacc_fail(err, SPACC_ENOMEM, "out of memory");
    if ((status = run_round(d, 0, err))) /* warm */
        return status;
    while (d->rounds < most &&
           (d->ask->runs || d->rounds < ROUNDS_LEAST || spacc_now_us() - start < all_us))
        if ((status = run_round(d, d->rounds++, err)))
            return status;
    return SPACC_OK;
}

/* Until that many batches, or that long: by the devices' own clocks, which for a simulated card
 * is less than what passes here. */
static bool is_enough(const struct devices *d, size_t batches, double us, double passed_us)
{
    return batches > 1 && (us >= batch_us || passed_us >= batch_us ||
                           (d->ask->runs && batches > d->ask->runs));
}

static enum spacc_status run_batches(struct devices *d, struct spacc_error *err)
{
    const size_t inputs = spacc_model_inputs(d->ask->model);
    const struct spacc_tensor **input = calloc(BATCH * inputs + 1, sizeof(*input));
    const double start = spacc_now_us();
    double us = 0.0, count = 0.0;
    enum spacc_status status =
        input ? SPACC_OK : spacc_fail(err, SPACC_ENOMEM, "out of memory");

    for (size_t i = 0; input && i < BATCH * inputs; i++)
        input[i] = d->ask->input[i % inputs];
    for (size_t b = 0; !status && !is_enough(d, b, us, spacc_now_us() - start); b++) {
        status = spacc_batch_run(d->batch, BATCH, input, d->output, err);
        for (size_t o = 0; o < BATCH * outputs_of(d) && !status; o++)
            spacc_tensor_free(d->output[o]);
        if (b == 0)
            continue;
        us += spacc_batch_us(d->batch);
        count += BATCH;
    }
    d->batch_per_s = us > 0.0 ? count / us * 1e6 : 0.0;
    free(input);
    return status;
}

/* ---- sums ------------------------------------------------------------------------- */

static void sum_up(struct devices *d)
{
    double *ratio = calloc(d->rounds + 1, sizeof(*ratio));
    struct side *planned = &d->side[d->sides - 1];
    double *sorted = calloc(d->rounds + 1, sizeof(*sorted));

    for (size_t i = 0; sorted && i < d->sides; i++) {
        struct side *s = &d->side[i];
        memcpy(sorted, s->us, d->rounds * sizeof(*sorted));
        spacc_sort_times(sorted, d->rounds);
        s->median = spacc_rank(sorted, d->rounds, 0.5);
        s->low = spacc_rank(sorted, d->rounds, 0.05);
        s->high = spacc_rank(sorted, d->rounds, 0.95);
        s->per_s = 1e6 / s->median;
        if (i + 1 < d->sides && s->median < d->side[d->best].median)
            d->best = i;
    }
    for (size_t r = 0; ratio && r < d->rounds; r++)
        ratio[r] = planned->us[r] / d->side[d->best].us[r];
    if (ratio) {
        spacc_sort_times(ratio, d->rounds);
        d->ratio = spacc_rank(ratio, d->rounds, 0.5);
    }
    free(ratio);
    free(sorted);
}

/* ---- printing --------------------------------------------------------------------- */

static int print_text(const struct devices *d)
{
    printf("%s; %zu round%s, all in turn\n\n%-9s %12s %12s %12s %12s %8s %12s\n", d->ask->file,
           d->rounds, d->rounds > 1 ? "s" : "", "us a run", "median", "5 %", "95 %",
           "predicted", "off", "runs a s");
    for (size_t i = 0; i < d->sides; i++) {
        const struct side *s = &d->side[i];
        printf("%-9s %12.1f %12.1f %12.1f %12.1f %+7.1f%% %12.0f\n", s->name, s->median, s->low,
               s->high, s->predicted, 100.0 * (s->predicted / s->median - 1.0), s->per_s);
    }
    printf("%-9s %12s %12s %12s %12s %8s %12.0f\n", "batches", "", "", "", "", "",
           d->batch_per_s);
    printf("\nplanned / %s, paired: %.3f; batches of %d:", d->side[d->best].name, d->ratio,
           BATCH);
    for (size_t i = 0; i < spacc_batch_shares(d->batch); i++)
        printf(" %s %zu", spacc_batch_share(d->batch, i).device,
               spacc_batch_share(d->batch, i).count);
    putchar('\n');
    const struct spacc_report *r = spacc_session_report(d->side[d->sides - 1].session);
    for (size_t i = 0; i < r->notes; i++)
        printf("note: %s\n", r->note[i]);
    return CLI_OK;
}

static bool add_json(cJSON *list, const struct side *s)
{
    cJSON *o = cJSON_CreateObject();

    return o && cJSON_AddItemToArray(list, o) &&
           cJSON_AddStringToObject(o, "device", s->name) &&
           cJSON_AddNumberToObject(o, "us", s->median) &&
           cJSON_AddNumberToObject(o, "us_p5", s->low) &&
           cJSON_AddNumberToObject(o, "us_p95", s->high) &&
           cJSON_AddNumberToObject(o, "predicted_us", s->predicted) &&
           cJSON_AddNumberToObject(o, "runs_per_s", s->per_s);
}

static int print_json(const struct devices *d)
{
    cJSON *o = cJSON_CreateObject();
    cJSON *list = o ? cJSON_AddArrayToObject(o, "devices") : NULL;
    bool good = list && cJSON_AddStringToObject(o, "model", d->ask->file) &&
                cJSON_AddNumberToObject(o, "rounds", (double)d->rounds) &&
                cJSON_AddStringToObject(o, "best", d->side[d->best].name) &&
                cJSON_AddNumberToObject(o, "planned_over_best", d->ratio) &&
                cJSON_AddNumberToObject(o, "batches_per_s", d->batch_per_s);

    for (size_t i = 0; i < d->sides && good; i++)
        good = add_json(list, &d->side[i]);
    if (good)
        return cli_print_json(o);
    cJSON_Delete(o);
    return cli_fail("out of memory");
}

/* ---- all of it -------------------------------------------------------------------- */

static void release(struct devices *d)
{
    for (size_t i = 0; i < d->sides; i++) {
        spacc_session_free(d->side[i].session);
        free(d->side[i].us);
    }
    spacc_batch_free(d->batch);
    free(d->output);
}

int cli_bench_devices(const struct cli_bench_devices *ask)
{
    struct devices d = {.ask = ask};
    struct spacc_error err = {0};
    int status;

    d.output = calloc(outputs_of(&d) * BATCH + 1, sizeof(*d.output));
    if (!d.output) {
        status = cli_fail("out of memory");
    } else if (add_sides(&d, &err) || run_rounds(&d, &err) || run_batches(&d, &err)) {
        cli_name_file(&err, ask->file);
        status = cli_fail_err(&err);
    } else {
        sum_up(&d);
        status = ask->json ? print_json(&d) : print_text(&d);
    }
    release(&d);
    return status;
}
