/* SeerNet on int8, MSB first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sparse/cpu.h"
#include "sparse/seernet_int8.h"
#include "sparse/seernet_kernels.h"

#ifndef SPACC_TEST_FEATURES
#define SPACC_TEST_FEATURES spacc_cpu_features()
#endif

static uint64_t seed = 20190617;

static uint32_t draw(void)
{
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(seed >> 33);
}

static size_t between(size_t low, size_t high)
{
    return low + draw() % (high - low + 1);
}

static void *get(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 64) / 64 * 64);
    assert_non_null(p);
    memset(p, 0xa5, (bytes + 64) / 64 * 64);
    return p;
}

struct layer {
    struct spacc_seer_shape shape;
    struct spacc_seer8_options options;
    int8_t *weights;
    int32_t *bias;
    uint8_t *x;
    size_t size[2], outputs;
};

static size_t products(const struct spacc_seer_shape *h)
{
    return h->channels * h->kernel[0] * h->kernel[1];
}

static struct layer any_layer(int i)
{
    struct layer l = {.options = {.x_zero = (uint8_t)(i % 3 ? between(0, 255) : 0),
                                  .caution = (float)(i % 5) / 4.0F,
                                  .cpu_features = SPACC_TEST_FEATURES}};
    struct spacc_seer_shape *h = &l.shape;

    do {
        *h = (struct spacc_seer_shape){
            between(1, 40),
            between(1, 17),
            between(1, 17),
            between(1, 70),
            {between(1, 4), between(1, 4)},
            {between(1, 3), between(1, 3)},
            {between(1, 2), between(1, 2)},
            {between(0, 3), between(0, 3), between(0, 3), between(0, 3)}};
    } while ((h->kernel[0] - 1) * h->dilation[0] >= h->height + h->pads[0] + h->pads[2] ||
             (h->kernel[1] - 1) * h->dilation[1] >= h->width + h->pads[1] + h->pads[3]);
    l.x = get(h->channels * h->height * h->width);
    l.weights = get(products(h) * h->outputs);
    l.bias = get(h->outputs * sizeof(int32_t));
    for (size_t j = 0; j < h->channels * h->height * h->width; j++)
        l.x[j] = (uint8_t)(i % 7 == 6 ? 255 : draw());
    for (size_t j = 0; j < products(h) * h->outputs; j++)
        l.weights[j] =
            (int8_t)(i % 7 == 6 ? (draw() & 1 ? 127 : -128) : (int)(draw() % 256) - 128);
    for (size_t o = 0; o < h->outputs; o++)
        l.bias[o] = (int32_t)(draw() % 20000) - 10000;
    return l;
}

static void drop(struct layer *l)
{
    free(l->x);
    free(l->weights);
    free(l->bias);
}

static struct spacc_seer8 *make(struct layer *l)
{
    struct spacc_error err = {.text = ""};
    struct spacc_seer8 *s;

    if (spacc_seer8_new(&s, &l->shape, l->weights, l->bias, &l->options, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    spacc_seer8_size(s, l->size);
    l->outputs = l->size[0] * l->size[1] * l->shape.outputs;
    return s;
}

struct space {
    struct spacc_seer8_buffers b;
    size_t words;
};

static struct space space_of(const struct layer *l, const struct spacc_seer8 *s, int parts)
{
    struct space m = {.words = spacc_seer8_mask_words(s)};

    m.b.x = l->x;
    m.b.y = get(l->outputs * sizeof(int32_t));
    m.b.mask = get(m.words * sizeof(uint64_t));
    m.b.scratch = aligned_alloc(64, spacc_seer8_scratch_bytes(s, parts));
    assert_non_null(m.b.scratch);
    memset(m.b.scratch, 0x5a, spacc_seer8_scratch_bytes(s, parts));
    return m;
}

static void give_back(struct space *m)
{
    free(m->b.y);
    free(m->b.mask);
    free(m->b.scratch);
}

/* --- the definition --- */

struct sums {
    int64_t whole, high;        /* with the bias */
    int64_t positive, negative; /* weights of the channel */
};

static struct sums sum_of(const struct layer *l, size_t pixel, size_t o)
{
    const struct spacc_seer_shape *h = &l->shape;
    struct sums s = {l->bias[o], l->bias[o], 0, 0};

    for (size_t i = 0; i < products(h); i++) {
        const size_t c = i / (h->kernel[0] * h->kernel[1]);
        const size_t ky = i / h->kernel[1] % h->kernel[0], kx = i % h->kernel[1];
        const size_t y = pixel / l->size[1] * h->stride[0] + ky * h->dilation[0] - h->pads[0];
        const size_t q = pixel % l->size[1] * h->stride[1] + kx * h->dilation[1] - h->pads[1];
        const int zero = l->options.x_zero, w = l->weights[o * products(h) + i];
        const int x =
            y < h->height && q < h->width ? l->x[(y * h->width + q) * h->channels + c] : zero;
        s.whole += (x - zero) * w;
        s.high += ((x & 0xf0) - zero) * w;
        *(w > 0 ? &s.positive : &s.negative) += w;
    }
    return s;
}

static bool goes_on(const struct layer *l, const struct sums *s)
{
    const double average = 7.5 * (double)(s->positive + s->negative);
    const double most = 15.0 * (double)s->positive, caution = (double)l->options.caution;
    return (double)s->high + average + caution * (most - average) > 0.0;
}

static void check(struct layer *l)
{
    struct spacc_seer8 *s = make(l);
    struct space m = space_of(l, s, 1), full = space_of(l, s, 1);
    const size_t words = (l->shape.outputs + 63) / 64;
    uint64_t finished = 0;

    spacc_seer8_run(s, &m.b);
    spacc_seer8_dense(s, &full.b);
    for (size_t i = 0; i < l->outputs; i++) {
        const size_t pixel = i / l->shape.outputs, o = i % l->shape.outputs;
        const struct sums t = sum_of(l, pixel, o);
        const int64_t want = t.whole > 0 ? t.whole : 0;
        const bool on = goes_on(l, &t);
        assert_int_equal(full.b.y[i], want);
        assert_int_equal(m.b.mask[pixel * words + o / 64] >> o % 64 & 1, on);
        assert_int_equal(m.b.y[i], on ? want : 0);
        assert_true(l->options.caution < 1.0F || m.b.y[i] == want);
        finished += on;
    }
    assert_int_equal(spacc_seer8_finished(s, m.b.mask), finished);
    give_back(&m);
    give_back(&full);
    spacc_seer8_free(s);
}

static void every_kernel_follows_the_definition(void **state)
{
    (void)state;
    for (size_t k = 0; k < spacc_seer_kernel_count; k++) {
        const struct spacc_seer_kernel *kernel = spacc_seer_kernels[k];
        if ((kernel->needs & SPACC_TEST_FEATURES) != kernel->needs) {
            print_message("skipped: %s is not on this CPU\n", kernel->name);
            continue;
        }
        for (int i = 0; i < 70; i++) {
            struct layer l = any_layer(i);
            l.options.kernel = kernel;
            check(&l);
            drop(&l);
        }
    }
}

static void in_turn(void *pool, void (*work)(void *arg, int part), void *arg)
{
    for (int part = *(const int *)pool - 1; part >= 0; part--)
        work(arg, part);
}

static void any_number_of_parts_gives_the_same(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct layer l = any_layer(i);
        struct spacc_seer8 *s = make(&l);
        int parts = 2 + i % 5;
        const struct spacc_parallel pool = {parts, in_turn, &parts};
        struct space one = space_of(&l, s, 1), many = space_of(&l, s, parts);
        many.b.parallel = &pool;
        spacc_seer8_run(s, &one.b);
        spacc_seer8_run(s, &many.b);
        assert_memory_equal(one.b.y, many.b.y, l.outputs * sizeof(int32_t));
        assert_memory_equal(one.b.mask, many.b.mask, one.words * sizeof(uint64_t));
        give_back(&one);
        give_back(&many);
        spacc_seer8_free(s);
        drop(&l);
    }
}

static void caution_finishes_more_and_in_full_is_exact(void **state)
{
    struct layer l = any_layer(1);
    uint64_t last = 0;

    (void)state;
    drop(&l);
    do /* one with enough products */
        l = any_layer(1);
    while (products(&l.shape) < 100 && (drop(&l), true));
    for (int i = 0; i <= 4; i++) {
        l.options.caution = (float)i / 4.0F;
        struct spacc_seer8 *s = make(&l);
        struct space m = space_of(&l, s, 1);
        spacc_seer8_run(s, &m.b);
        const uint64_t finished = spacc_seer8_finished(s, m.b.mask);
        assert_true(finished >= last && finished <= l.outputs);
        last = finished;
        give_back(&m);
        spacc_seer8_free(s);
    }
    drop(&l);
}

static void refuse(struct layer *l, enum spacc_status status, const char *word)
{
    struct spacc_seer8 *s = (struct spacc_seer8 *)(void *)&s;
    struct spacc_error err = {.text = ""};

    assert_int_equal(spacc_seer8_new(&s, &l->shape, l->weights, l->bias, &l->options, &err),
                     status);
    assert_null(s);
    if (!strstr(err.text, word))
        fail_msg("'%s' has no '%s'", err.text, word);
}

static void bad_arguments_are_refused(void **state)
{
    struct layer l = any_layer(3);

    (void)state;
    l.options.caution = 1.5F;
    refuse(&l, SPACC_EINVAL, "caution 1.5");
    l.options.caution = 0.0F;
    l.bias[l.shape.outputs - 1] = INT32_MIN;
    refuse(&l, SPACC_EUNSUPPORTED, "beyond int32");
    l.shape.width = 0;
    refuse(&l, SPACC_EINVAL, "outputs");
    drop(&l);
    spacc_seer8_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_follows_the_definition),
        cmocka_unit_test(any_number_of_parts_gives_the_same),
        cmocka_unit_test(caution_finishes_more_and_in_full_is_exact),
        cmocka_unit_test(bad_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
