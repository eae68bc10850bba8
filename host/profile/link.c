#include "host/profile/link.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/clock.h"
#include "host/profile/maker.h"
#include "scheduler/energy.h"

enum {
    CHAIN = 64,
    TRIES = 40,
    PRODUCT = 384,
    READ_BYTES = 64 << 20,
    READ_TRIES = 8,
    POWER_MS = 400
};

/* A server's core at work and its share of a package that does nothing. */
static const double stated_busy_w = 12.0, stated_idle_w = 3.0;

/* ---- launch ------------------------------------------------------------------------------ */

/* Steps on one number each. */
static struct spacc_graph *chain_of_steps(void)
{
    const int64_t one = 1;
    struct spacc_maker m;

    spacc_maker_start(&m, 1);
    if (!m.g)
        return NULL;
    int v = spacc_maker_input(&m, SPACC_F32, 1, &one);
    for (int i = 0; i < CHAIN; i++)
        v = spacc_maker_node(&m, i % 2 ? "Abs" : "Neg", 1, &v);
    spacc_maker_output(&m, v);
    return spacc_maker_end(&m);
}

static double sum_of_steps(const struct spacc_engine *e)
{
    double us = 0.0;

    for (size_t i = 0; i < spacc_engine_steps(e); i++)
        us += spacc_engine_step_us(e, i);
    return us;
}

/* What a run takes beyond its steps, a step: the loop around them and the clock. */
static enum spacc_status launch_of(struct spacc_engine *e, struct spacc_tensor **input,
                                   const struct spacc_ruler *r, double *us,
                                   struct spacc_error *err)
{
    const struct spacc_tensor *const *in = (const struct spacc_tensor *const *)input;
    struct spacc_tensor *output[1] = {NULL};
    const double steps = (double)spacc_engine_steps(e);
    enum spacc_status s = spacc_engine_run(e, in, output, NULL, err);

    *us = 1e9;
    for (int i = 0; i < TRIES && !s; i++) {
        const double before = sum_of_steps(e), start = spacc_now_us();
        s = spacc_engine_run_into(e, in, output, NULL, err);
        const double all = spacc_now_us() - start;
        const double kernels = sum_of_steps(e) - before - steps * r->clock_us;
        const double each = (all - kernels) / steps;
        *us = each < *us ? each : *us;
    }
    spacc_tensor_free(output[0]);
    return s;
}

static enum spacc_status measure_launch(double *us, const struct spacc_ruler *r,
                                        const struct spacc_engine_options *options,
                                        struct spacc_error *err)
{
    struct spacc_graph *g = chain_of_steps();
    struct spacc_tensor **input = NULL;
    struct spacc_engine *e = NULL;
    enum spacc_status s = SPACC_ENOMEM;

    *us = 0.0;
    if (!g) {
        spacc_fail(err, s, "no memory for a chain of steps");
        goto out;
    }
    if (!(s = spacc_probe_inputs(&input, g, 1, err)) &&
        !(s = spacc_engine_new(&e, g, (const struct spacc_tensor *const *)input, options, err)))
        s = launch_of(e, input, r, us, err);
out:
    spacc_engine_free(e);
    if (g)
        spacc_probe_inputs_free(input, g->inputs);
    spacc_graph_free(g);
    return s;
}

/* ---- peaks ---------------------------------------------------------------------------------
 */

static bool peak_macs(double *macs_per_us)
{
    const size_t count = (size_t)PRODUCT * PRODUCT;
    float *a = calloc(3 * count, sizeof(*a));

    *macs_per_us = 0.0;
    for (size_t i = 0; a && i < 2 * count; i++)
        a[i] = (float)(i % 7) - 3.0f;
    for (int i = 0; a && i < TRIES; i++) {
        const double start = spacc_now_us();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, PRODUCT, PRODUCT, PRODUCT, 1.0f,
                    a, PRODUCT, a + count, PRODUCT, 0.0f, a + 2 * count, PRODUCT);
        const double rate = (double)count * PRODUCT / (spacc_now_us() - start);
        *macs_per_us = rate > *macs_per_us ? rate : *macs_per_us;
    }
    free(a);
    return a != NULL;
}

/* What is read goes here, so that it has to be. */
static volatile uint64_t sum_read;

static bool peak_bytes(double *bytes_per_us)
{
    const size_t words = READ_BYTES / sizeof(uint64_t);
    uint64_t *w = malloc(READ_BYTES);

    *bytes_per_us = 0.0;
    if (!w)
        return false;
    memset(w, 1, READ_BYTES);
    for (int i = 0; i < READ_TRIES; i++) {
        uint64_t sum[4] = {0};
        const double start = spacc_now_us();
        for (size_t k = 0; k < words; k += 4)
            for (size_t j = 0; j < 4; j++)
                sum[j] += w[k + j];
        const double rate = READ_BYTES / (spacc_now_us() - start);
        sum_read = sum[0] + sum[1] + sum[2] + sum[3];
        *bytes_per_us = rate > *bytes_per_us ? rate : *bytes_per_us;
    }
    free(w);
    return true;
}

enum spacc_status spacc_link_cpu(struct spacc_link *out, const struct spacc_ruler *r,
                                 const struct spacc_engine_options *options,
                                 struct spacc_error *err)
{
    *out = (struct spacc_link){0};
    if (!peak_macs(&out->peak_macs_per_us) || !peak_bytes(&out->peak_bytes_per_us))
        return spacc_fail(err, SPACC_ENOMEM, "no memory to measure the peaks");
    return measure_launch(&out->launch_us, r, options, err);
}

/* ---- power
 * ----------------------------------------------------------------------------------- */

static void sleep_ms(long ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&t, NULL);
}

static void be_busy_ms(double ms)
{
    const double start = spacc_now_us();
    double macs;

    while (spacc_now_us() - start < ms * 1e3 && peak_macs(&macs))
        ;
}

/* Watts while asleep, or at work. */
static bool watts(struct spacc_energy *e, bool busy, double *w)
{
    double before, after;
    const double start = spacc_now_us();

    if (spacc_energy_read(e, &before, NULL))
        return false;
    if (busy)
        be_busy_ms(POWER_MS);
    else
        sleep_ms(POWER_MS);
    if (spacc_energy_read(e, &after, NULL))
        return false;
    *w = (after - before) / ((spacc_now_us() - start) * 1e-6);
    return true;
}

void spacc_power_cpu(struct spacc_power *out, const char *directory)
{
    struct spacc_energy *e = NULL;
    double idle_w, busy_w;

    *out = (struct spacc_power){.idle_w = stated_idle_w, .busy_w = stated_busy_w};
    snprintf(out->source, sizeof(out->source), "stated: %g W a busy core, %g W idle",
             stated_busy_w, stated_idle_w);
    if (spacc_energy_open(&e, directory, NULL) == SPACC_OK && watts(e, false, &idle_w) &&
        watts(e, true, &busy_w) && busy_w > idle_w) {
        *out =
            (struct spacc_power){.idle_w = idle_w, .busy_w = busy_w - idle_w, .measured = true};
        snprintf(out->source, sizeof(out->source), "%.60s", spacc_energy_source(e));
    }
    spacc_energy_close(e);
}
