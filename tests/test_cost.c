/* Cost models on kernels whose laws are known. Seeds are fixed and printed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>
#include <zlib.h>

#include "scheduler/cost.h"
#include "scheduler/profile_parts.h"
#include "scheduler/predict/costs_parts.h"
#include "tests/bench/score.h"
#include "tests/failing_alloc.h"

static char file[] = "/tmp/spacc_cost_XXXXXX";
static uint64_t state_ = 20261121;

static double uniform(double low, double high)
{
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return low + (high - low) * (double)(state_ >> 40) / (double)(1U << 24);
}

static double size_between(double low, double high) /* evenly in the logarithm */
{
    return floor(exp(uniform(log(low), log(high + 1.0))));
}

static struct spacc_profile *make(void)
{
    struct spacc_profile *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    p->machine =
        (struct spacc_machine){"CPU of the test", "avx2", 2, 1 << 19, 1 << 25, 1 << 30};
    strcpy(p->device, "cpu");
    p->power = (struct spacc_power){4.0, 12.0, false, "stated: 12 W a core"};
    return p;
}

/* ---------------------------------------------------------------- kernels with laws */

static struct spacc_work product(const char *kernel)
{
    struct spacc_work w = {.family = SPACC_WORK_PRODUCT, .threads = 1};
    snprintf(w.kernel, sizeof(w.kernel), "%s", kernel);
    const double m = size_between(1, 16), n = size_between(8, 1024), k = size_between(16, 1024);
    const double size[] = {1, m, n, k, 0.25, 1};
    memcpy(w.size, size, sizeof(size));
    w.macs = m * n * k * 0.25;
    w.in_bytes = 4 * m * k;
    w.weight_bytes = n * k * 1.5;
    w.out_bytes = 4 * m * n;
    return w;
}

/* Rows in tiles of 64, the kept weights of each, four vectors at once; terms of the closed
 * form. */
static double tiles_us(const struct spacc_work *w)
{
    const double *s = w->size;
    const double fours = floor(s[1] / 4.0), ones = s[1] - 4.0 * fours;
    const double twos = floor(ones / 2.0);
    const double slots = s[3] * s[4] * ceil(s[2] / 64.0);
    return 1.5 + 0.16 * s[1] * ceil(s[2] / 64.0) +
           slots * (0.016 * fours + 0.01 * twos + 0.0064 * (ones - 2.0 * twos));
}

static struct spacc_work conv(const char *kernel)
{
    struct spacc_work w = {.family = SPACC_WORK_CONV, .threads = uniform(0, 1) < 0.5 ? 1 : 2};
    snprintf(w.kernel, sizeof(w.kernel), "%s", kernel);
    const double ic = size_between(3, 256), oc = size_between(4, 256);
    const double h = size_between(4, 64), k = uniform(0, 1) < 0.5 ? 1.0 : 3.0;
    const double size[] = {1, ic, oc, h, h, k, k, 1, 1, 1, 1, 1};
    memcpy(w.size, size, sizeof(size));
    w.macs = oc * h * h * k * k * ic;
    w.in_bytes = 4 * ic * h * h;
    w.weight_bytes = 4 * oc * ic * k * k;
    w.out_bytes = 4 * oc * h * h;
    return w;
}

/* A law of steps, times what no term has: caches, and another code for few channels. */
static double steps_us(const struct spacc_work *w)
{
    const double *s = w->size;
    const double rows = ceil(ceil(s[2] / 8.0) * s[3] / w->threads);
    const double ic = s[1] < 8.0 ? s[1] : ceil(s[1] / 8.0) * 8.0;
    double us = 3.0 + rows * (0.05 + s[4] * s[5] * s[6] * ic * 0.0006);
    us *= s[1] < 16 ? 1.5 : 1.0;
    us *= w->in_bytes + w->weight_bytes > 200e3 ? 1.35 : 1.0;
    return us;
}

static void add(struct spacc_profile *p, const struct spacc_work *w, double us, double joules)
{
    const struct spacc_sample s = {*w, us, 0.01, joules, 5};
    assert_int_equal(spacc_profile_add(p, &s, NULL), SPACC_OK);
}

static void add_products(struct spacc_profile *p, const char *kernel, int samples, double noise)
{
    for (int i = 0; i < samples; i++) {
        const struct spacc_work w = product(kernel);
        add(p, &w, tiles_us(&w) * uniform(1.0 - noise, 1.0 + noise), (double)NAN);
    }
}

static void add_convs(struct spacc_profile *p, const char *kernel, int samples, double noise)
{
    for (int i = 0; i < samples; i++) {
        const struct spacc_work w = conv(kernel);
        add(p, &w, steps_us(&w) * uniform(1.0 - noise, 1.0 + noise), (double)NAN);
    }
}

static void fit(struct spacc_profile *p)
{
    struct spacc_error err;
    if (spacc_costs_fit(p, &err) != SPACC_OK)
        fail_msg("%s", err.text);
}

static double us_of(const struct spacc_profile *p, enum spacc_cost_model model,
                    const struct spacc_work *w)
{
    struct spacc_error err;
    struct spacc_cost cost;
    if (spacc_cost_of(p, model, w, &cost, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    assert_true(cost.us > 0.0 && isfinite(cost.us));
    assert_true(cost.sigma >= 0.0 && isfinite(cost.sigma));
    assert_true(cost.joules >= 0.0 && isfinite(cost.joules));
    return cost.us;
}

/* ---------------------------------------------------------------- closed form */

static void closed_form_finds_the_law_it_has_terms_for(void **state)
{
    (void)state;
    struct spacc_profile *p = make();
    add_products(p, "f32/test/16 tiles", 120, 0.0);
    fit(p);
    for (int i = 0; i < 200; i++) {
        const struct spacc_work w = product("f32/test/16 tiles");
        const double us = us_of(p, SPACC_COST_CLOSED, &w);
        if (fabs(us / tiles_us(&w) - 1.0) > 0.01)
            fail_msg("%g x %g x %g: %g us, law %g", w.size[1], w.size[2], w.size[3], us,
                     tiles_us(&w));
    }
    const struct closed *c = &p->costs->kernel[0].closed;
    assert_true(c->mask & 1U); /* a call takes 1.5 us */
    assert_true(fabs((double)c->each[0] - 1.5) < 0.05);
    spacc_profile_free(p);
}

static void steps_are_those_of_the_blocks(void **state)
{
    (void)state;
    struct spacc_profile *p = make();
    add_products(p, "f32/test/16 tiles", 150, 0.02);
    fit(p);
    struct spacc_work w = product("f32/test/16 tiles");
    w.size[1] = 4;
    w.size[3] = 512;
    double us[257];
    for (int n = 1; n <= 256; n++) {
        w.size[2] = n;
        w.macs = 4 * n * 512 * 0.25;
        w.in_bytes = 4 * 4 * 512;
        w.weight_bytes = n * 512 * 1.5;
        w.out_bytes = 4 * 4 * n;
        us[n] = us_of(p, SPACC_COST_CLOSED, &w);
    }
    assert_true(us[64] < us[1] * 1.05); /* within a block nothing is paid */
    assert_true(us[65] > us[64] * 1.2);
    assert_true(us[256] < us[193] * 1.05);
    spacc_profile_free(p);
}

static void closed_form_goes_on_beyond_what_was_sampled(void **state)
{
    (void)state;
    struct spacc_profile *p = make();
    add_products(p, "f32/test/16 tiles", 120, 0.01);
    fit(p);
    struct spacc_work w = product("f32/test/16 tiles");
    const double size[] = {1, 64, 8192, 8192, 0.25, 1};
    memcpy(w.size, size, sizeof(size));
    w.macs = 64.0 * 8192 * 8192 * 0.25;
    w.in_bytes = 4 * 64.0 * 8192;
    w.weight_bytes = 8192.0 * 8192 * 1.5;
    w.out_bytes = 4 * 64.0 * 8192;
    const double law = tiles_us(&w);
    const double us = us_of(p, SPACC_COST_BOOSTED, &w);
    assert_true(us > law / 2 && us < law * 2);
    spacc_profile_free(p);
}

static void few_samples_take_few_terms(void **state)
{
    (void)state;
    for (int samples = 1; samples < 8; samples++) {
        struct spacc_profile *p = make();
        add_products(p, "f32/test/16 tiles", samples, 0.0);
        fit(p);
        size_t terms = 0;
        for (uint32_t mask = p->costs->kernel[0].closed.mask; mask; mask &= mask - 1)
            terms++;
        assert_true(terms >= 1 && terms <= (size_t)(samples < 6 ? 1 : 2));
        if (samples == 1) /* it is at least right about the one it saw */
            assert_true(fabs(us_of(p, SPACC_COST_CLOSED, &p->sample[0].work) / p->sample[0].us -
                             1.0) < 0.01);
        spacc_profile_free(p);
    }
}

/* ---------------------------------------------------------------- boosted, held out */

static struct score held_out(const struct spacc_profile *p, enum spacc_cost_model model)
{
    double *predicted[SPACC_COST_MODELS], *us = calloc(p->samples, sizeof(*us));
    assert_non_null(us);
    for (size_t i = 0; i < p->samples; i++)
        us[i] = p->sample[i].us;
    assert_int_equal(spacc_score_held_out(p, 5, 7, predicted, NULL), SPACC_OK);
    const struct score s = spacc_score(predicted[model], us, NULL, p->samples);
    for (int m = 0; m < SPACC_COST_MODELS; m++)
        free(predicted[m]);
    free(us);
    return s;
}

static void residual_learns_what_no_term_has(void **state)
{
    (void)state;
    struct spacc_profile *p = make();
    add_convs(p, "steps", 400, 0.02);
    const struct score closed = held_out(p, SPACC_COST_CLOSED);
    const struct score boosted = held_out(p, SPACC_COST_BOOSTED);
    print_message("held out, within 10 %%: closed %.2f, boosted %.2f\n", closed.within_10,
                  boosted.within_10);
    assert_true(boosted.within_10 > 0.85);
    assert_true(boosted.within_10 > closed.within_10 + 0.1);
    assert_true(boosted.rmspe < closed.rmspe);
    fit(p);
    const struct kernel_costs *k = &p->costs->kernel[0];
    assert_true(k->boosted.trees > 0);
    assert_true(k->boosted_sigma < k->closed_sigma); /* sigma is what was held out */
    assert_true(fabs((double)k->boosted_sigma / boosted.rmspe - 1.0) < 0.5);
    spacc_profile_free(p);
}

static void trees_are_not_grown_on_noise(void **state)
{
    (void)state;
    struct spacc_profile *p = make();
    add_products(p, "f32/test/16 tiles", 300, 0.08);
    fit(p);
    assert_true(p->costs->kernel[0].boosted.trees <= 3);
    spacc_profile_free(p);
}

static void a_device_of_many_kernels_stays_within_4096_bytes(void **state)
{
    (void)state;
    struct spacc_profile *p = make();
    char name[SPACC_WORK_NAME];
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "conv %d", i);
        add_convs(p, name, 100, 0.05);
        snprintf(name, sizeof(name), "f32/test/16 tiles %d", i);
        add_products(p, name, 60, 0.05);
    }
    fit(p);
    const size_t bytes = spacc_costs_bytes(p, SPACC_COST_STACK);
    assert_true(bytes > 3000 && bytes <= 4096);
    assert_int_equal(bytes, spacc_costs_bytes(p, SPACC_COST_BOOSTED));
    assert_true(spacc_costs_bytes(p, SPACC_COST_CLOSED) < bytes);
    cJSON *list = spacc_costs_json(p->costs); /* what is stored says the same */
    assert_non_null(list);
    assert_int_equal(cJSON_GetObjectItem(list->child, "bytes")->valueint, bytes);
    assert_int_equal(strlen(cJSON_GetObjectItem(list->child, "base64")->valuestring),
                     (bytes + 2) / 3 * 4);
    assert_int_equal(cJSON_GetObjectItem(list->child->next, "bytes")->valueint,
                     spacc_costs_bytes(p, SPACC_COST_POLYNOMIAL));
    cJSON_Delete(list);
    spacc_profile_free(p);
}

/* ---------------------------------------------------------------- polynomial, energy */

static void polynomial_finds_time_and_power(void **state)
{
    (void)state;
    struct spacc_profile *p = make();
    for (int i = 0; i < 150; i++) {
        const struct spacc_work w = product("poly");
        const double us = 4.0 + 0.01 * w.size[1] * w.size[2] + 2e-4 * w.macs;
        const double watts = 9.0 + 0.005 * w.size[3];
        add(p, &w, us, watts * us * 1e-6);
    }
    fit(p);
    for (int i = 0; i < 100; i++) {
        const struct spacc_work w = product("poly");
        const double us = 4.0 + 0.01 * w.size[1] * w.size[2] + 2e-4 * w.macs;
        const double watts = 9.0 + 0.005 * w.size[3];
        struct spacc_cost cost;
        assert_int_equal(spacc_cost_of(p, SPACC_COST_POLYNOMIAL, &w, &cost, NULL), SPACC_OK);
        assert_true(fabs(cost.us / us - 1.0) < 0.03);
        assert_true(fabs(cost.joules / (watts * us * 1e-6) - 1.0) < 0.04);
    }
    spacc_profile_free(p);
}

/* 9 W and more for longer rows: what a row a thousand times as long takes is not seen in it. */
static void power_far_from_what_was_measured_stays_possible(void **state)
{
    (void)state;
    struct spacc_profile *p = make();
    struct spacc_work w;
    for (int i = 0; i < 150; i++) {
        w = product("poly");
        add(p, &w, 50.0, (9.0 + 0.005 * w.size[3]) * 50e-6);
    }
    fit(p);
    w.size[3] *= 1000.0;
    struct spacc_cost cost;
    assert_int_equal(spacc_cost_of(p, SPACC_COST_POLYNOMIAL, &w, &cost, NULL), SPACC_OK);
    assert_int_equal(cost.power, SPACC_POWER_FITTED);
    const double watts = cost.joules / (cost.us * 1e-6), busy = p->power.busy_w * w.threads;
    if (!(watts > 9.0 && watts <= 3.0 * busy * (1.0 + 1e-9)))
        fail_msg("%g W, a busy thread takes %g", watts, busy);
    spacc_profile_free(p);
}

static void power_is_stated_where_no_joules_were_measured(void **state)
{
    (void)state;
    struct spacc_profile *p = make();
    add_products(p, "f32/test/16 tiles", 40, 0.01);
    fit(p);
    struct spacc_work w = product("f32/test/16 tiles");
    struct spacc_cost cost;
    w.threads = 2;
    assert_int_equal(spacc_cost_of(p, SPACC_COST_CLOSED, &w, &cost, NULL), SPACC_OK);
    assert_true(fabs(cost.joules - 2 * 12.0 * cost.us * 1e-6) < 1e-12);
    spacc_profile_free(p);
}

/* ---------------------------------------------------------------- the stack */

static void a_measured_kernel_is_its_median_then_fit_then_roofline(void **state)
{
    (void)state;
    struct spacc_profile *p = make();
    struct spacc_cost cost;
    add_products(p, "f32/test/16 tiles", 60, 0.05);
    p->link.peak_macs_per_us = 1000.0;
    p->link.peak_bytes_per_us = 5000.0;
    const struct spacc_work seen = p->sample[13].work, other = product("never seen");
    struct spacc_work unseen = product("f32/test/16 tiles");
    unseen.size[2] += 0.5; /* no sample has it */

    /* before anything is fitted */
    assert_int_equal(spacc_cost_of(p, SPACC_COST_STACK, &unseen, &cost, NULL), SPACC_OK);
    assert_string_equal(cost.source, "roofline");
    fit(p);
    assert_int_equal(spacc_cost_of(p, SPACC_COST_STACK, &seen, &cost, NULL), SPACC_OK);
    assert_string_equal(cost.source, "table");
    assert_memory_equal(&cost.us, &p->sample[13].us, sizeof(cost.us));
    assert_int_equal(spacc_cost_of(p, SPACC_COST_STACK, &unseen, &cost, NULL), SPACC_OK);
    assert_string_equal(cost.source, "fit");
    assert_true(cost.sigma < 0.2);
    assert_int_equal(spacc_cost_of(p, SPACC_COST_STACK, &other, &cost, NULL), SPACC_OK);
    assert_string_equal(cost.source, "roofline");
    assert_true(cost.sigma >= 0.5);
    spacc_profile_free(p);
}

static void roofline_adds_what_each_transfer_takes(void **state)
{
    (void)state;
    struct spacc_profile *p = make();
    struct spacc_work w = product("any");
    p->link.peak_macs_per_us = 1000.0;
    p->link.peak_bytes_per_us = 5000.0;
    w.macs = w.in_bytes = w.weight_bytes = w.out_bytes = 0.0;
    const double none = us_of(p, SPACC_COST_ROOFLINE, &w); /* a clock each */
    assert_true(none > 0.0 && none < 0.1);
    w.macs = 1e6;
    const double compute = us_of(p, SPACC_COST_ROOFLINE, &w);
    assert_true(compute >= 1000.0 && compute <= 10000.0);
    w.weight_bytes = 5e6;
    assert_true(us_of(p, SPACC_COST_ROOFLINE, &w) >= compute + 1000.0);
    w.threads = 2;
    assert_true(us_of(p, SPACC_COST_ROOFLINE, &w) < compute / 2 + 2000.0);
    spacc_profile_free(p);
}

static void an_unknown_kernel_is_an_error_never_0(void **state)
{
    (void)state;
    struct spacc_profile *p = make();
    struct spacc_error err;
    add_products(p, "f32/test/16 tiles", 40, 0.01);
    fit(p);
    const struct spacc_work w = product("another kernel");
    struct spacc_work same_name = p->sample[0].work; /* in another family */
    same_name.family = SPACC_WORK_OTHER;
    for (int m = 0; m < SPACC_COST_MODELS; m++) {
        struct spacc_cost cost = {0};
        assert_int_equal(spacc_cost_of(p, (enum spacc_cost_model)m, &w, &cost, &err),
                         SPACC_EUNSUPPORTED);
        assert_true(isnan(cost.us));
        assert_non_null(strstr(err.text, "'another kernel'"));
        assert_non_null(strstr(err.text, "cpu"));
        assert_int_equal(spacc_cost_of(p, (enum spacc_cost_model)m, &same_name, &cost, &err),
                         SPACC_EUNSUPPORTED);
    }
    assert_string_equal(spacc_cost_model_name(SPACC_COST_BOOSTED), "boosted");
    assert_null(spacc_cost_model_name(SPACC_COST_MODELS));
    spacc_profile_free(p);
    p = make();
    assert_int_equal(spacc_costs_fit(p, &err), SPACC_EINVAL);
    spacc_profile_free(p);
}

static void whatever_the_sizes_costs_are_positive_and_finite(void **state)
{
    (void)state;
    struct spacc_profile *p = make();
    p->link.peak_macs_per_us = 1000.0;
    p->link.peak_bytes_per_us = 5000.0;
    for (int f = 0; f < SPACC_WORK_FAMILIES; f++)
        for (int i = 0; i < 40; i++) {
            struct spacc_work w = {.family = (enum spacc_work_family)f, .threads = 1 + i % 2};
            snprintf(w.kernel, sizeof(w.kernel), "kernel");
            for (size_t k = 0; k < spacc_work_sizes(w.family); k++)
                w.size[k] = size_between(1, 64);
            w.macs = size_between(1, 1e6);
            w.in_bytes = size_between(1, 1e5);
            w.weight_bytes = size_between(1, 1e5);
            w.out_bytes = size_between(1, 1e5);
            add(p, &w, uniform(0.5, 500.0), uniform(0, 1));
        }
    fit(p);
    const double extreme[] = {0.0, 1e-9, 1.0, 1e9, 1e18};
    for (int f = 0; f < SPACC_WORK_FAMILIES; f++)
        for (size_t e = 0; e < sizeof(extreme) / sizeof(extreme[0]); e++) {
            struct spacc_work w = {.family = (enum spacc_work_family)f, .threads = 3};
            snprintf(w.kernel, sizeof(w.kernel), "kernel");
            for (size_t k = 0; k < spacc_work_sizes(w.family); k++)
                w.size[k] = extreme[e];
            w.macs = w.in_bytes = w.weight_bytes = w.out_bytes = extreme[e];
            for (int m = 0; m < SPACC_COST_MODELS; m++)
                if (m != SPACC_COST_TABLE)
                    us_of(p, (enum spacc_cost_model)m, &w);
        }
    spacc_profile_free(p);
}

/* ---------------------------------------------------------------- stored */

static struct spacc_profile *small(void)
{
    struct spacc_profile *p = make();
    add_convs(p, "steps", 120, 0.03);
    add_products(p, "f32/test/16 tiles", 60, 0.03);
    for (int i = 0; i < 20; i++) {
        const struct spacc_work w = product("power");
        add(p, &w, tiles_us(&w), tiles_us(&w) * 1e-5);
    }
    return p;
}

static void same_costs(const struct spacc_profile *a, const struct spacc_profile *b)
{
    for (int m = 0; m < SPACC_COST_MODELS; m++)
        for (int i = 0; i < 60; i++) {
            const struct spacc_work w = m == SPACC_COST_TABLE ? a->sample[i].work
                                        : i % 3 == 0          ? conv("steps")
                                        : i % 3 == 1          ? product("f32/test/16 tiles")
                                                              : product("power");
            struct spacc_cost x, y;
            if (m == SPACC_COST_ROOFLINE)
                continue;
            assert_int_equal(spacc_cost_of(a, (enum spacc_cost_model)m, &w, &x, NULL),
                             SPACC_OK);
            assert_int_equal(spacc_cost_of(b, (enum spacc_cost_model)m, &w, &y, NULL),
                             SPACC_OK);
            assert_memory_equal(&x.us, &y.us, sizeof(x.us));
            assert_memory_equal(&x.sigma, &y.sigma, sizeof(x.sigma));
            assert_memory_equal(&x.joules, &y.joules, sizeof(x.joules));
        }
}

static void models_read_back_predict_the_same_bits(void **state)
{
    (void)state;
    struct spacc_profile *p = small(), *q;
    fit(p);
    assert_true(p->costs->kernels == 3);
    assert_int_equal(spacc_profile_save(p, file, NULL), SPACC_OK);
    struct spacc_error err;
    if (spacc_profile_load(&q, file, NULL, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    assert_non_null(q->costs);
    assert_int_equal(q->costs->kernels, 3);
    same_costs(p, q);
    spacc_profile_free(q);
    spacc_profile_free(p);
}

static void the_same_samples_give_the_same_model(void **state)
{
    (void)state;
    struct spacc_profile *p = small();
    cJSON *list[2];
    char *text[2];
    for (int i = 0; i < 2; i++) {
        fit(p);
        list[i] = spacc_costs_json(p->costs);
        text[i] = cJSON_PrintUnformatted(list[i]);
    }
    assert_string_equal(text[0], text[1]);
    for (int i = 0; i < 2; i++) {
        cJSON_Delete(list[i]);
        cJSON_free(text[i]);
    }
    spacc_profile_free(p);
}

static size_t decode(uint8_t *bytes, const char *text)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t count = 0;
    uint32_t bits = 0;
    for (size_t i = 0; text[i] && text[i] != '='; i++) {
        bits = bits << 6 | (uint32_t)(strchr(digits, text[i]) - digits);
        if (i % 4 != 0)
            bytes[count++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    return count;
}

static void encode(char *text, const uint8_t *bytes, size_t count)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < count; i += 3) {
        uint32_t three = 0;
        for (size_t k = 0; k < 3; k++)
            three = three << 8 | (i + k < count ? bytes[i + k] : 0U);
        for (size_t k = 0; k < 4; k++)
            *text++ = i + k > count ? '=' : digits[three >> (18 - 6 * k) & 63];
    }
    *text = '\0';
}

/* Every byte of a stored model is changed, its checksum made right: it is refused, or it still
 * gives costs. */
static void damaged_models_are_refused_or_harmless(void **state)
{
    (void)state;
    struct spacc_profile *p = small();
    fit(p);
    long refused = 0, taken = 0;
    for (int part = 0; part < COSTS_PARTS; part++) {
        uint8_t bytes[1 << 13];
        char text[1 << 14], crc[9];
        cJSON *list = spacc_costs_json(p->costs), *o = cJSON_GetArrayItem(list, part);
        const size_t count = decode(bytes, cJSON_GetObjectItem(o, "base64")->valuestring);
        assert_int_equal(count, cJSON_GetObjectItem(o, "bytes")->valueint);
        for (size_t i = 0; i < count; i++) {
            const uint8_t right = bytes[i];
            struct spacc_profile broken = *p;
            bytes[i] = (uint8_t)uniform(0, 256);
            encode(text, bytes, count);
            snprintf(crc, sizeof(crc), "%08lx", crc32_z(0, bytes, count));
            cJSON_SetValuestring(cJSON_GetObjectItem(o, "base64"), text);
            cJSON_SetValuestring(cJSON_GetObjectItem(o, "crc32"), crc);
            const enum spacc_status status = spacc_costs_parse(&broken.costs, list, NULL);
            bytes[i] = right;
            refused += status != SPACC_OK;
            taken += status == SPACC_OK;
            for (size_t k = 0; status == SPACC_OK && k < p->samples; k += 10) {
                struct spacc_cost cost;
                for (int m = 0; m < SPACC_COST_MODELS; m++)
                    if (spacc_cost_of(&broken, (enum spacc_cost_model)m, &p->sample[k].work,
                                      &cost, NULL) == SPACC_OK)
                        assert_true(cost.us > 0.0 && isfinite(cost.us));
            }
            spacc_costs_free(broken.costs);
        }
        cJSON_Delete(list);
    }
    print_message("%ld changed bytes refused, %ld taken\n", refused, taken);
    assert_true(refused > 50 && taken > 100);
    spacc_profile_free(p);
}

static void expect_refused(struct spacc_profile *p, const char *key, const char *value,
                           const char *why)
{
    cJSON *list = spacc_costs_json(p->costs);
    struct spacc_costs *c;
    struct spacc_error err;
    cJSON_ReplaceItemInObject(list->child, key, cJSON_CreateString(value));
    assert_int_equal(spacc_costs_parse(&c, list, &err), SPACC_EFORMAT);
    assert_null(c);
    if (!strstr(err.text, why))
        fail_msg("%s", err.text);
    cJSON_Delete(list);
}

static void what_is_wrong_with_a_model_is_said(void **state)
{
    (void)state;
    struct spacc_profile *p = small();
    fit(p);
    expect_refused(p, "model", "fat", "'fat' where 'fit' belongs");
    expect_refused(p, "bytes", "12", "bytes are no number");
    expect_refused(p, "base64", "????", "not");
    expect_refused(p, "base64", "AAAA", "base 64");
    expect_refused(p, "crc32", "00000000", "checksum");
    cJSON *list = spacc_costs_json(p->costs);
    struct spacc_costs *c;
    cJSON_DeleteItemFromArray(list, 1);
    assert_int_equal(spacc_costs_parse(&c, list, NULL), SPACC_EFORMAT);
    cJSON_Delete(list);
    spacc_profile_free(p);
}

/* ---------------------------------------------------------------- out of memory */

static void a_fit_that_fails_leaves_the_old_one(void **state)
{
    (void)state;
    struct spacc_profile *p = make();
    add_products(p, "f32/test/16 tiles", 30, 0.02);
    add_convs(p, "steps", 20, 0.02);
    fit(p);
    const struct spacc_work w = product("f32/test/16 tiles");
    const double before = us_of(p, SPACC_COST_BOOSTED, &w);
    enum spacc_status status = SPACC_ENOMEM;
    long n;
    for (n = 0; status != SPACC_OK; n++) {
        calls = 0;
        fail_at = n;
        status = spacc_costs_fit(p, NULL);
        fail_at = -1;
        assert_true(status == SPACC_OK || status == SPACC_ENOMEM);
        const double after = us_of(p, SPACC_COST_BOOSTED, &w);
        assert_memory_equal(&before, &after, sizeof(before));
    }
    print_message("%ld allocations failed in turn\n", n - 1);
    assert_true(n > 40);
    spacc_profile_free(p);
}

static void a_profile_with_models_survives_every_failed_allocation(void **state)
{
    (void)state;
    struct spacc_profile *p = make(), *q = NULL;
    add_convs(p, "steps", 30, 0.02);
    fit(p);
    enum spacc_status status = SPACC_ENOMEM;
    for (long n = 0; status != SPACC_OK; n++) {
        calls = 0;
        fail_at = n;
        status = spacc_profile_save(p, file, NULL);
        fail_at = -1;
        assert_true(status == SPACC_OK || status == SPACC_ENOMEM);
    }
    status = SPACC_ENOMEM;
    for (long n = 0; status != SPACC_OK; n++) {
        calls = 0;
        fail_at = n;
        status = spacc_profile_load(&q, file, NULL, NULL);
        fail_at = -1;
        assert_true((status == SPACC_OK) == (q != NULL));
    }
    assert_non_null(q->costs);
    spacc_profile_free(q);
    spacc_profile_free(p);
}

/* ---------------------------------------------------------------- score */

static void scores_count_what_is_missing_as_wrong(void **state)
{
    (void)state;
    const double measured[] = {100, 100, 100, 100, 100};
    const double predicted[] = {104, 92, 130, (double)NAN, 500};
    const bool which[] = {true, true, true, true, false};
    const struct score s = spacc_score(predicted, measured, which, 5);
    assert_int_equal(s.samples, 4);
    assert_int_equal(s.known, 3);
    assert_true(fabs(s.within_5 - 0.25) < 1e-12);
    assert_true(fabs(s.within_10 - 0.5) < 1e-12);
    assert_true(fabs(s.rmse_us - sqrt((16.0 + 64.0 + 900.0) / 3.0)) < 1e-9);
    assert_true(fabs(s.rmspe - sqrt((16.0 + 64.0 + 900.0) / 3.0) / 100.0) < 1e-9);
}

static void *hook_malloc(size_t size)
{
    return malloc(size);
}

static int set_up(void **state)
{
    (void)state;
    cJSON_Hooks hooks = {hook_malloc, free};
    cJSON_InitHooks(&hooks);
    print_message("seed %llu\n", (unsigned long long)state_);
    const int fd = mkstemp(file);
    return fd < 0 || close(fd) != 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_form_finds_the_law_it_has_terms_for),
        cmocka_unit_test(steps_are_those_of_the_blocks),
        cmocka_unit_test(closed_form_goes_on_beyond_what_was_sampled),
        cmocka_unit_test(few_samples_take_few_terms),
        cmocka_unit_test(residual_learns_what_no_term_has),
        cmocka_unit_test(trees_are_not_grown_on_noise),
        cmocka_unit_test(a_device_of_many_kernels_stays_within_4096_bytes),
        cmocka_unit_test(polynomial_finds_time_and_power),
        cmocka_unit_test(power_far_from_what_was_measured_stays_possible),
        cmocka_unit_test(power_is_stated_where_no_joules_were_measured),
        cmocka_unit_test(a_measured_kernel_is_its_median_then_fit_then_roofline),
        cmocka_unit_test(roofline_adds_what_each_transfer_takes),
        cmocka_unit_test(an_unknown_kernel_is_an_error_never_0),
        cmocka_unit_test(whatever_the_sizes_costs_are_positive_and_finite),
        cmocka_unit_test(models_read_back_predict_the_same_bits),
        cmocka_unit_test(the_same_samples_give_the_same_model),
        cmocka_unit_test(damaged_models_are_refused_or_harmless),
        cmocka_unit_test(what_is_wrong_with_a_model_is_said),
        cmocka_unit_test(a_fit_that_fails_leaves_the_old_one),
        cmocka_unit_test(a_profile_with_models_survives_every_failed_allocation),
        cmocka_unit_test(scores_count_what_is_missing_as_wrong),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
