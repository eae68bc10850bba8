/* SeerNet: predicted masks and the convolution that skips by them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sparse/cpu.h"
#include "sparse/seernet.h"
#include "sparse/seernet_kernels.h"

#ifndef SPACC_TEST_FEATURES
#define SPACC_TEST_FEATURES spacc_cpu_features()
#endif

static uint64_t seed = 20190616;

static uint32_t draw(void)
{
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(seed >> 33);
}

static size_t between(size_t low, size_t high)
{
    return low + draw() % (high - low + 1);
}

/* About normal, variance 1. */
static float normal(void)
{
    double sum = 0.0;
    for (int i = 0; i < 12; i++)
        sum += (double)draw() / 2147483648.0;
    return (float)(sum - 6.0);
}

/* --- a layer with its data --- */

struct layer {
    struct spacc_seer_shape shape;
    struct spacc_seer_options options;
    float *weights, *bias, *x;
    struct spacc_seernet *s;
    size_t size[2], outputs; /* of y, all values */
};

static void *get(size_t bytes)
{
    void *p = malloc(bytes ? bytes : 1);
    assert_non_null(p);
    return p;
}

static size_t products(const struct spacc_seer_shape *h)
{
    return h->channels * h->kernel[0] * h->kernel[1];
}

static void make(struct layer *l)
{
    struct spacc_error err = {.text = ""};
    const enum spacc_status status =
        spacc_seernet_new(&l->s, &l->shape, l->weights, l->bias, &l->options, &err);
    if (status != SPACC_OK)
        fail_msg("%s", err.text);
    spacc_seernet_size(l->s, l->size);
    l->outputs = l->size[0] * l->size[1] * l->shape.outputs;
}

/* `below`: x may be negative. `shift`: of all biases, so that more or fewer outputs are zero.
 */
static void fill(struct layer *l, bool below, float shift)
{
    const struct spacc_seer_shape *h = &l->shape;
    const size_t xs = h->height * h->width * h->channels, count = products(h);

    l->x = get(xs * sizeof(float));
    l->weights = get(count * h->outputs * sizeof(float));
    l->bias = get(h->outputs * sizeof(float));
    for (size_t i = 0; i < xs; i++)
        l->x[i] = below ? normal() : fmaxf(0.0F, normal());
    for (size_t i = 0; i < count * h->outputs; i++)
        l->weights[i] = normal() / sqrtf((float)count);
    for (size_t o = 0; o < h->outputs; o++)
        l->bias[o] = 0.3F * normal() + shift;
}

static void drop(struct layer *l)
{
    spacc_seernet_free(l->s);
    free(l->weights);
    free(l->bias);
    free(l->x);
}

static struct spacc_seer_shape plain(size_t channels, size_t height, size_t width,
                                     size_t outputs, size_t kernel)
{
    const size_t pad = kernel / 2;
    return (struct spacc_seer_shape){channels,         height, width,  outputs,
                                     {kernel, kernel}, {1, 1}, {1, 1}, {pad, pad, pad, pad}};
}

static struct spacc_seer_options with(int bits, enum spacc_seer_after after)
{
    return (struct spacc_seer_options){.bits = bits,
                                       .nearest = true,
                                       .after = after,
                                       .high = 0.7F,
                                       .pool = {{2, 2}, {2, 2}, {0, 0, 0, 0}},
                                       .cpu_features = SPACC_TEST_FEATURES};
}

static struct spacc_seer_shape any_shape(void)
{
    for (;;) {
        struct spacc_seer_shape h = {between(1, 40),
                                     between(1, 21),
                                     between(1, 21),
                                     between(1, 70),
                                     {between(1, 5), between(1, 5)},
                                     {between(1, 3), between(1, 3)},
                                     {between(1, 3), between(1, 3)},
                                     {0, 0, 0, 0}};
        if (draw() % 3 == 0) { /* what may be predicted two columns at a time */
            h.kernel[1] = 3;
            h.stride[1] = h.dilation[1] = 1;
        }
        for (int i = 0; i < 4; i++)
            h.pads[i] = between(0, h.kernel[i % 2] * h.dilation[i % 2]);
        if (draw() % 3 == 0)
            h.dilation[0] = h.dilation[1] = 1;
        if (draw() % 6 == 0)
            h.channels += 150;
        if ((h.kernel[0] - 1) * h.dilation[0] < h.height + h.pads[0] + h.pads[2] &&
            (h.kernel[1] - 1) * h.dilation[1] < h.width + h.pads[1] + h.pads[3])
            return h;
    }
}

/* --- memory of a run --- */

struct space {
    struct spacc_seer_buffers b;
    size_t words;
};

static struct space space_of(const struct layer *l, int parts)
{
    const size_t bytes = spacc_seernet_scratch_bytes(l->s, parts);
    struct space m = {.words = spacc_seernet_mask_words(l->s)};

    m.b.x = l->x;
    m.b.y = get(l->outputs * sizeof(float));
    m.b.mask = get(m.words * sizeof(uint64_t));
    m.b.scratch = aligned_alloc(64, bytes);
    assert_non_null(m.b.scratch);
    assert_int_equal(bytes % 64, 0);
    memset(m.b.scratch, 0xa5, bytes); /* its contents must not matter */
    memset(m.b.y, 0xff, l->outputs * sizeof(float));
    memset(m.b.mask, 0x5a, m.words * sizeof(uint64_t));
    return m;
}

static void give_back(struct space *m)
{
    free(m->b.y);
    free(m->b.mask);
    free(m->b.scratch);
}

static bool bit(const struct layer *l, const uint64_t *mask, size_t pixel, size_t o)
{
    return mask[pixel * ((l->shape.outputs + 63) / 64) + o / 64] >> o % 64 & 1;
}

static const uint64_t *second_mask(const struct layer *l, const uint64_t *mask)
{
    return mask + l->size[0] * l->size[1] * ((l->shape.outputs + 63) / 64);
}

/* --- the definition in doubles --- */

struct term {
    double sum, size; /* size: of |w x| */
};

/* The convolution at one output of any x and w, read through `get_x` and `get_w`. */
static struct term convolve(const struct layer *l, size_t pixel, size_t o, const float *x,
                            const float *weights)
{
    const struct spacc_seer_shape *h = &l->shape;
    struct term t = {0.0, 0.0};

    for (size_t i = 0; i < products(h); i++) {
        const size_t c = i / (h->kernel[0] * h->kernel[1]);
        const size_t ky = i / h->kernel[1] % h->kernel[0], kx = i % h->kernel[1];
        const size_t y = pixel / l->size[1] * h->stride[0] + ky * h->dilation[0] - h->pads[0];
        const size_t q = pixel % l->size[1] * h->stride[1] + kx * h->dilation[1] - h->pads[1];
        if (y >= h->height || q >= h->width)
            continue; /* below 0 wraps round */
        const double v = (double)x[(y * h->width + q) * h->channels + c] *
                         (double)weights[o * products(h) + i];
        t.sum += v;
        t.size += fabs(v);
    }
    return t;
}

static double clamp(const struct layer *l, double v)
{
    v = v > 0.0 ? v : 0.0;
    return l->options.after == SPACC_SEER_CLIP && v > (double)l->options.high
               ? (double)l->options.high
               : v;
}

static void check_dense(struct layer *l)
{
    make(l);
    struct space m = space_of(l, 1);
    spacc_seernet_dense(l->s, &m.b);
    for (size_t i = 0; i < l->outputs; i++) {
        const size_t o = i % l->shape.outputs;
        const struct term t = convolve(l, i / l->shape.outputs, o, l->x, l->weights);
        const double want = clamp(l, t.sum + (double)l->bias[o]);
        const double room = (t.size + fabs((double)l->bias[o]) + 1e-30) * 0x1p-21;
        if (fabs((double)m.b.y[i] - want) > room)
            fail_msg("output %zu is %g, not %g", i, (double)m.b.y[i], want);
    }
    give_back(&m);
    drop(l);
}

static void dense_is_the_convolution(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        struct layer l = {.shape = any_shape(),
                          .options = with(4, i % 2 ? SPACC_SEER_CLIP : SPACC_SEER_RELU)};
        fill(&l, i % 3 == 0, 0.0F);
        check_dense(&l);
    }
}

/* --- the mask by its definition --- */

struct codes {
    float *x, *w;  /* codes as floats, exact; x less its zero */
    double *unit;  /* [outputs] s_w s_x */
    double *error; /* [outputs] */
};

static float quantised(float v, float scale, int most)
{
    const float q = rintf(v / scale);
    return q > (float)most ? (float)most : q < (float)-most ? (float)-most : q;
}

static struct codes codes_of(const struct layer *l)
{
    const struct spacc_seer_shape *h = &l->shape;
    const size_t xs = h->height * h->width * h->channels, count = products(h);
    const int n = l->options.bits, signed_most = (1 << (n - 1)) - 1;
    const int wn = l->options.weight_bits ? l->options.weight_bits : n;
    const int weight_most = (1 << (wn - 1)) - 1;
    struct codes c = {get(xs * sizeof(float)), get(count * h->outputs * sizeof(float)),
                      get(h->outputs * sizeof(double)), get(h->outputs * sizeof(double))};
    float largest = 0.0F, least = 0.0F;

    for (size_t i = 0; i < xs; i++) {
        largest = fmaxf(largest, fabsf(l->x[i]));
        least = fminf(least, l->x[i]);
    }
    const int most = least < 0.0F ? signed_most : (1 << n) - 1;
    /* as the header has it: the product with the reciprocal, half up */
    const float scale = largest / (float)most, inverse = 1.0F / scale;
    const float zero = least < 0.0F ? (float)(1 << (n - 1)) : 0.0F;
    for (size_t i = 0; i < xs; i++)
        c.x[i] = largest > 0.0F ? floorf(l->x[i] * inverse + (zero + 0.5F)) - zero : 0.0F;
    for (size_t o = 0; o < h->outputs; o++) {
        const float *w = l->weights + o * count;
        float top = 0.0F;
        for (size_t i = 0; i < count; i++)
            top = fmaxf(top, fabsf(w[i]));
        const float sw = top / (float)weight_most;
        for (size_t i = 0; i < count; i++)
            c.w[o * count + i] = top > 0.0F ? quantised(w[i], sw, weight_most) : 0.0F;
        c.unit[o] = (double)sw * (double)scale;
    }
    return c;
}

static void drop_codes(struct codes *c)
{
    free(c->x);
    free(c->w);
    free(c->unit);
    free(c->error);
}

/* First largest pixel of each pool window whose value is above 0. */
static void pool_marks(const struct layer *l, const double *v, bool *marks)
{
    const struct spacc_seer_pool *p = &l->options.pool;
    const size_t rows =
        (l->size[0] + p->pads[0] + p->pads[2] - p->kernel[0]) / p->stride[0] + 1;
    const size_t cols =
        (l->size[1] + p->pads[1] + p->pads[3] - p->kernel[1]) / p->stride[1] + 1;

    memset(marks, 0, l->outputs * sizeof(*marks));
    for (size_t i = 0; i < rows * cols * l->shape.outputs; i++) {
        const size_t o = i % l->shape.outputs, window = i / l->shape.outputs;
        size_t best = SIZE_MAX;
        for (size_t k = 0; k < p->kernel[0] * p->kernel[1]; k++) {
            const size_t y = window / cols * p->stride[0] + k / p->kernel[1] - p->pads[0];
            const size_t x = window % cols * p->stride[1] + k % p->kernel[1] - p->pads[1];
            const size_t at = (y * l->size[1] + x) * l->shape.outputs + o;
            if (y < l->size[0] && x < l->size[1] && (best == SIZE_MAX || v[at] > v[best]))
                best = at;
        }
        if (best != SIZE_MAX && v[best] > 0.0)
            marks[best] = true;
    }
}

/* What is to be computed, from values before the activation. */
static void marks_of(const struct layer *l, const double *v, bool *marks)
{
    if (l->options.after == SPACC_SEER_POOL)
        pool_marks(l, v, marks);
    else
        for (size_t i = 0; i < l->outputs; i++)
            marks[i] = v[i] > 0.0;
}

/* CLIP: those claimed to be high are left out of the mask, and must be. */
static size_t check_bits(const struct layer *l, const uint64_t *mask, const bool *marks)
{
    const bool clip = l->options.after == SPACC_SEER_CLIP;
    size_t claims = 0;

    for (size_t i = 0; i < l->outputs; i++) {
        const size_t pixel = i / l->shape.outputs, o = i % l->shape.outputs;
        const bool high = clip && bit(l, second_mask(l, mask), pixel, o);
        if ((bit(l, mask, pixel, o) || high) != marks[i])
            fail_msg("bit of pixel %zu, channel %zu is not %d", pixel, o, marks[i]);
        assert_false(high && bit(l, mask, pixel, o));
        if (high) {
            const struct term t = convolve(l, pixel, o, l->x, l->weights);
            assert_true(t.sum + (double)l->bias[o] >= (double)l->options.high);
        }
        claims += high;
    }
    return claims;
}

static size_t check_mask(struct layer *l)
{
    make(l);
    struct codes c = codes_of(l);
    struct space m = space_of(l, 1);
    double *v = get(l->outputs * sizeof(*v));
    bool *marks = get(l->outputs * sizeof(*marks));

    for (size_t i = 0; i < l->outputs; i++) {
        const size_t o = i % l->shape.outputs;
        v[i] =
            convolve(l, i / l->shape.outputs, o, c.x, c.w).sum * c.unit[o] + (double)l->bias[o];
    }
    marks_of(l, v, marks);
    spacc_seernet_quantise(l->s, &m.b);
    spacc_seernet_predict(l->s, &m.b);
    const size_t claims = check_bits(l, m.b.mask, marks);
    free(v);
    free(marks);
    drop_codes(&c);
    give_back(&m);
    drop(l);
    return claims;
}

/* A pool that fits y. */
static void any_pool(struct layer *l)
{
    struct spacc_seer_pool *p = &l->options.pool;

    make(l);
    do {
        for (int i = 0; i < 2; i++) {
            p->kernel[i] = between(1, 4);
            p->stride[i] = between(1, 4);
        }
        for (int i = 0; i < 4; i++)
            p->pads[i] = between(0, p->kernel[i % 2] - 1);
    } while (p->kernel[0] > l->size[0] + p->pads[0] + p->pads[2] ||
             p->kernel[1] > l->size[1] + p->pads[1] + p->pads[3]);
    spacc_seernet_free(l->s);
    l->s = NULL;
}

static struct layer any_layer(int i)
{
    const bool pool = i % 3 == 2;
    struct layer l = {.shape = any_shape(), .options = with(4, SPACC_SEER_RELU)};

    fill(&l, i % 2 == 0, i % 5 ? 0.0F : -0.5F);
    if (pool)
        any_pool(&l);
    l.options.bits = 2 + i % 7;
    l.options.weight_bits = i % 4 == 1 ? 2 + i / 4 % 7 : 0;
    l.options.after = (enum spacc_seer_after)(i % 3);
    return l;
}

static void masks_are_as_defined(void **state)
{
    (void)state;
    for (int i = 0; i < 63; i++) {
        struct layer l = any_layer(i);
        check_mask(&l);
    }
}

static void what_is_claimed_to_be_high_is(void **state)
{
    size_t claims = 0;

    (void)state;
    for (int i = 0; i < 12; i++) {
        struct layer l = {.shape = plain(1 + (size_t)i, 9, 7, 20, 3),
                          .options = with(6 + i % 3, SPACC_SEER_CLIP)};
        l.options.high = 0.3F;
        fill(&l, i % 2, 0.4F);
        claims += check_mask(&l);
    }
    print_message("%zu outputs claimed\n", claims);
    assert_true(claims > 1000);
}

/* --- every kernel --- */

static void compare_kernels(struct layer *l, const struct spacc_seer_kernel *k)
{
    l->options.kernel = spacc_seer_kernels[0];
    make(l);
    struct space want = space_of(l, 1), wall = space_of(l, 1);
    spacc_seernet_run(l->s, &want.b);
    spacc_seernet_dense(l->s, &wall.b);
    spacc_seernet_free(l->s);
    l->options.kernel = k;
    make(l);
    assert_string_equal(spacc_seernet_kernel(l->s), k->name);
    struct space is = space_of(l, 1);
    spacc_seernet_run(l->s, &is.b);
    assert_memory_equal(is.b.mask, want.b.mask, is.words * sizeof(uint64_t));
    assert_memory_equal(is.b.y, want.b.y, l->outputs * sizeof(float));
    spacc_seernet_dense(l->s, &is.b);
    assert_memory_equal(is.b.y, wall.b.y, l->outputs * sizeof(float));
    give_back(&want);
    give_back(&wall);
    give_back(&is);
}

static void every_kernel_gives_the_same_bits(void **state)
{
    (void)state;
    for (size_t k = 1; k < spacc_seer_kernel_count; k++) {
        const struct spacc_seer_kernel *kernel = spacc_seer_kernels[k];
        if ((kernel->needs & SPACC_TEST_FEATURES) != kernel->needs) {
            print_message("skipped: %s is not on this CPU\n", kernel->name);
            continue;
        }
        for (int i = 0; i < 105; i++) {
            struct layer l = any_layer(i);
            compare_kernels(&l, kernel);
            drop(&l);
        }
    }
}

/* Codes and weights at their ends: 16-bit sums of pairs reach as far as they can. */
static void sums_do_not_overflow(void **state)
{
    (void)state;
    for (int i = 0; i < 28; i++) {
        struct layer l = {.shape = plain(i % 4 ? 96 : 301, 3, 6, 17, 3),
                          .options = with(2 + i % 7, SPACC_SEER_RELU)};
        l.options.weight_bits = i % 3 ? 0 : 8;
        fill(&l, false, 0.0F);
        for (size_t j = 0; j < 3 * 6 * l.shape.channels; j++)
            l.x[j] = i < 14 ? 1.0F : (float)(j % 2);
        for (size_t j = 0; j < 17 * products(&l.shape); j++)
            l.weights[j] = j / products(&l.shape) % 2 ? -1.0F : 1.0F;
        for (size_t o = 0; o < 17; o++) /* half of all products: what wraps shows */
            l.bias[o] = (o % 2 ? 0.5F : -0.5F) * (float)products(&l.shape) * 0.6F;
        for (size_t k = 1; k < spacc_seer_kernel_count; k++)
            if ((spacc_seer_kernels[k]->needs & ~SPACC_TEST_FEATURES) == 0)
                compare_kernels(&l, spacc_seer_kernels[k]), spacc_seernet_free(l.s), l.s = NULL;
        l.options.kernel = NULL;
        check_mask(&l);
    }
}

/* --- skipping --- */

/* y is the dense one where the mask says so, `high` where that is claimed, 0 elsewhere. */
static void check_skip(struct layer *l)
{
    make(l);
    struct space m = space_of(l, 1), full = space_of(l, 1);
    spacc_seernet_run(l->s, &m.b);
    spacc_seernet_dense(l->s, &full.b);
    for (size_t i = 0; i < l->outputs; i++) {
        const size_t pixel = i / l->shape.outputs, o = i % l->shape.outputs;
        float want = bit(l, m.b.mask, pixel, o) ? full.b.y[i] : 0.0F;
        if (l->options.after == SPACC_SEER_CLIP && bit(l, second_mask(l, m.b.mask), pixel, o))
            want = l->options.high;
        assert_memory_equal(&m.b.y[i], &want, sizeof(want));
    }
    give_back(&m);
    give_back(&full);
    drop(l);
}

static void skipped_outputs_are_zero_and_others_as_dense(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        struct layer l = any_layer(i);
        check_skip(&l);
    }
}

static void max_pool(const struct layer *l, const float *y, float *to, size_t *count)
{
    const struct spacc_seer_pool *p = &l->options.pool;
    const size_t rows =
        (l->size[0] + p->pads[0] + p->pads[2] - p->kernel[0]) / p->stride[0] + 1;
    const size_t cols =
        (l->size[1] + p->pads[1] + p->pads[3] - p->kernel[1]) / p->stride[1] + 1;

    *count = rows * cols * l->shape.outputs;
    for (size_t i = 0; i < *count; i++) {
        const size_t o = i % l->shape.outputs, window = i / l->shape.outputs;
        to[i] = 0.0F; /* windows beside y hold nothing; others are not below 0 */
        for (size_t k = 0; k < p->kernel[0] * p->kernel[1]; k++) {
            const size_t r = window / cols * p->stride[0] + k / p->kernel[1] - p->pads[0];
            const size_t c = window % cols * p->stride[1] + k % p->kernel[1] - p->pads[1];
            if (r < l->size[0] && c < l->size[1])
                to[i] = fmaxf(to[i], y[(r * l->size[1] + c) * l->shape.outputs + o]);
        }
    }
}

static void check_exact(struct layer *l)
{
    l->options.bits = SPACC_SEER_EXACT;
    make(l);
    struct space m = space_of(l, 1), full = space_of(l, 1);
    spacc_seernet_run(l->s, &m.b);
    spacc_seernet_dense(l->s, &full.b);
    if (l->options.after == SPACC_SEER_POOL) {
        float *a = get(4 * l->outputs * sizeof(float) + 4096),
              *b = get(4 * l->outputs * sizeof(float) + 4096);
        size_t count = 0;
        max_pool(l, m.b.y, a, &count);
        max_pool(l, full.b.y, b, &count);
        assert_memory_equal(a, b, count * sizeof(float));
        free(a);
        free(b);
    } else
        assert_memory_equal(m.b.y, full.b.y, l->outputs * sizeof(float));
    const uint64_t computed = spacc_seernet_computed(l->s, m.b.mask);
    size_t positive = 0;
    for (size_t i = 0; i < l->outputs; i++)
        positive += full.b.y[i] > 0.0F;
    assert_true(computed <= positive);
    if (l->options.after == SPACC_SEER_RELU)
        assert_int_equal(computed, positive);
    give_back(&m);
    give_back(&full);
    drop(l);
}

static void exact_mode_gives_the_bits_of_the_dense_kernel(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        struct layer l = any_layer(i);
        check_exact(&l);
    }
}

/* --- threads, by hand --- */

static void in_turn(void *pool, void (*work)(void *arg, int part), void *arg)
{
    for (int part = *(const int *)pool - 1; part >= 0; part--)
        work(arg, part);
}

static void any_number_of_parts_gives_the_same_bits(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++) {
        struct layer l = any_layer(i);
        int parts = 2 + i % 6;
        const struct spacc_parallel pool = {parts, in_turn, &parts};
        if (i % 10 == 9)
            l.options.bits = SPACC_SEER_EXACT;
        make(&l);
        struct space one = space_of(&l, 1), many = space_of(&l, parts);
        many.b.parallel = &pool;
        spacc_seernet_run(l.s, &one.b);
        spacc_seernet_run(l.s, &many.b);
        assert_memory_equal(one.b.mask, many.b.mask, one.words * sizeof(uint64_t));
        assert_memory_equal(one.b.y, many.b.y, l.outputs * sizeof(float));
        give_back(&one);
        give_back(&many);
        drop(&l);
    }
}

/* --- options --- */

static size_t predicted(struct layer *l, uint64_t *mask)
{
    make(l);
    struct space m = space_of(l, 1);
    spacc_seernet_run(l->s, &m.b);
    const size_t count = (size_t)spacc_seernet_computed(l->s, m.b.mask);
    memcpy(mask, m.b.mask, m.words * sizeof(uint64_t));
    give_back(&m);
    spacc_seernet_free(l->s);
    l->s = NULL;
    return count;
}

static void a_margin_computes_more_and_misses_less(void **state)
{
    struct layer l = {.shape = plain(24, 12, 11, 64, 3), .options = with(4, SPACC_SEER_RELU)};
    uint64_t mask[3][12 * 11];
    size_t count[3];

    (void)state;
    fill(&l, false, -0.2F);
    for (int i = 0; i < 3; i++) {
        l.options.margin = (float)i;
        count[i] = predicted(&l, mask[i]);
    }
    assert_true(count[0] < count[1] && count[1] < count[2]);
    for (size_t i = 0; i < 12 * 11; i++)
        assert_true((mask[0][i] & ~mask[1][i]) == 0 && (mask[1][i] & ~mask[2][i]) == 0);
    drop(&l);
}

static void expect_bits(enum spacc_seer_after after, int asked, int bits, int weight_bits)
{
    struct spacc_seer_options o = {.after = after, .nearest = true};

    spacc_seernet_set_bits(&o, asked);
    assert_int_equal(o.bits, bits);
    assert_int_equal(o.weight_bits, weight_bits);
    assert_false(o.nearest);
    assert_true(o.margin > 0.0F);
}

static void weights_and_pools_have_finer_codes(void **state)
{
    (void)state;
    expect_bits(SPACC_SEER_RELU, 4, 4, 6);
    expect_bits(SPACC_SEER_CLIP, 7, 7, 8);
    expect_bits(SPACC_SEER_POOL, 4, 6, 8);
    expect_bits(SPACC_SEER_POOL, 8, 8, 8);
    expect_bits(SPACC_SEER_POOL, SPACC_SEER_EXACT, SPACC_SEER_EXACT, 0);
}

/* --- codes for inputs that a ReLU has left --- */

/* Not negative, and neighbours alike: pixels of waves, a channel each. */
static void fill_waves(struct layer *l)
{
    const struct spacc_seer_shape *h = &l->shape;

    fill(l, false, 0.0F);
    for (size_t i = 0; i < h->height * h->width * h->channels; i++) {
        const float c = (float)(i % h->channels), x = (float)(i / h->channels % h->width),
                    y = (float)(i / h->channels / h->width);
        l->x[i] = fmaxf(0.0F, 0.5F + sinf(0.3F * x + c) + cosf(0.4F * y - 2.0F * c));
    }
}

static double right_share(struct layer *l)
{
    struct spacc_seer_counts counts;

    make(l);
    struct space m = space_of(l, 1), full = space_of(l, 1);
    spacc_seernet_run(l->s, &m.b);
    spacc_seernet_dense(l->s, &full.b);
    spacc_seernet_truth(l->s, &full.b);
    spacc_seernet_count(l->s, m.b.mask, full.b.mask, &counts);
    give_back(&m);
    give_back(&full);
    spacc_seernet_free(l->s);
    l->s = NULL;
    return (double)counts.equal / (double)counts.outputs;
}

static void codes_whose_errors_cancel_predict_better(void **state)
{
    (void)state;
    for (int bits = 2; bits <= 3; bits++) {
        struct layer l = {.shape = plain(24, 20, 20, 64, 3),
                          .options = with(bits, SPACC_SEER_RELU)};
        fill_waves(&l);
        const double nearest = right_share(&l);
        l.options.nearest = false;
        const double cancelling = right_share(&l);
        l.options.weight_bits = bits + 2;
        const double finer = right_share(&l);
        print_message("%d bits: %.4f nearest, %.4f cancelling, %.4f with finer weights\n", bits,
                      nearest, cancelling, finer);
        assert_true(nearest + 0.01 < cancelling && cancelling < finer);
        drop(&l);
    }
}

/* The sum of a channel's errors hits what every input has in common. One weight is 1 and the
 * others 0.4 steps: all would be rounded down. */
static void errors_of_a_channel_cancel(void **state)
{
    struct layer l = {.shape = plain(24, 4, 4, 16, 1), .options = with(4, SPACC_SEER_RELU)};

    (void)state;
    fill(&l, false, 0.0F);
    for (size_t i = 0; i < 24 * 16; i++)
        l.weights[i] = i % 24 ? -0.4F / 7.0F : 1.0F;
    memset(l.bias, 0, 16 * sizeof(float));
    for (size_t i = 0; i < 24 * 16; i++)
        l.x[i] = 1.0F; /* 1 - 23 * 0.4 / 7 < 0 */
    assert_true(right_share(&l) < 0.5);
    l.options.nearest = false;
    assert_true(right_share(&l) >= 1.0);
    drop(&l);
}

/* --- odd values --- */

static void a_value_that_is_not_finite_has_everything_computed(void **state)
{
    const float odd[] = {NAN, INFINITY, -INFINITY};

    (void)state;
    for (int i = 0; i < 6; i++) {
        struct layer l = {.shape = plain(16, 9, 8, 40, 3),
                          .options = with(i < 3 ? 4 : SPACC_SEER_EXACT, SPACC_SEER_RELU)};
        fill(&l, false, 0.0F);
        l.x[100] = odd[i % 3];
        make(&l);
        struct space m = space_of(&l, 1), full = space_of(&l, 1);
        spacc_seernet_run(l.s, &m.b);
        spacc_seernet_dense(l.s, &full.b);
        assert_memory_equal(m.b.y, full.b.y, l.outputs * sizeof(float));
        if (i < 3)
            assert_int_equal(spacc_seernet_computed(l.s, m.b.mask), l.outputs);
        give_back(&m);
        give_back(&full);
        drop(&l);
    }
}

static void zeros_leave_the_bias(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct layer l = {.shape = plain(5, 6, 7, 20, 3), .options = with(4, SPACC_SEER_RELU)};
        fill(&l, i == 0, 0.0F);
        for (size_t j = 0; j < 5 * 6 * 7 && i < 2; j++)
            l.x[j] = i ? -0.0F : 0.0F;
        for (size_t j = 0; j < 20 * products(&l.shape) && i == 2; j++)
            l.weights[j] = 0.0F;
        make(&l);
        struct space m = space_of(&l, 1);
        spacc_seernet_run(l.s, &m.b);
        for (size_t j = 0; j < l.outputs; j++) {
            const float want = fmaxf(0.0F, l.bias[j % 20]);
            assert_memory_equal(&m.b.y[j], &want, sizeof(want));
        }
        give_back(&m);
        drop(&l);
    }
}

/* --- counts --- */

static void counts_are_those_of_the_masks(void **state)
{
    struct layer l = {.shape = plain(12, 10, 9, 70, 3), .options = with(3, SPACC_SEER_RELU)};
    struct spacc_seer_counts c, want = {0};

    (void)state;
    fill(&l, false, 0.1F);
    make(&l);
    struct space m = space_of(&l, 1), full = space_of(&l, 1);
    spacc_seernet_run(l.s, &m.b);
    spacc_seernet_dense(l.s, &full.b);
    spacc_seernet_truth(l.s, &full.b);
    spacc_seernet_count(l.s, m.b.mask, full.b.mask, &c);
    for (size_t i = 0; i < l.outputs; i++) {
        const bool is = bit(&l, m.b.mask, i / 70, i % 70), need = full.b.y[i] > 0.0F;
        want.outputs++;
        want.needed += need;
        want.computed += is;
        want.both += is && need;
        want.equal += is == need;
    }
    assert_memory_equal(&c, &want, sizeof(c));
    assert_true(c.both < c.needed && c.both < c.computed && c.both > c.needed / 2);
    assert_int_equal(spacc_seernet_computed(l.s, m.b.mask), c.computed);
    give_back(&m);
    give_back(&full);
    drop(&l);
}

/* --- refusals --- */

struct refusal {
    enum spacc_status status;
    struct spacc_seer_shape shape;
    struct spacc_seer_options options;
    const char *word;
};

static void refuse(const struct refusal *r, const float *weights, const float *bias)
{
    struct spacc_seernet *s = (struct spacc_seernet *)(void *)&s;
    struct spacc_error err = {.text = ""};

    assert_int_equal(spacc_seernet_new(&s, &r->shape, weights, bias, &r->options, &err),
                     r->status);
    assert_null(s);
    if (!strstr(err.text, r->word))
        fail_msg("'%s' has no '%s'", err.text, r->word);
}

static void bad_arguments_are_refused(void **state)
{
    static float weights[70 * 9], bias[8];
    const struct spacc_seer_shape good = plain(2, 5, 5, 8, 3);
    struct refusal r = {SPACC_EINVAL, good, with(4, SPACC_SEER_RELU), "9 bits"};

    (void)state;
    r.options.bits = 9;
    refuse(&r, weights, bias);
    r.options.bits = 1;
    r.word = "1 bits";
    refuse(&r, weights, bias);
    r.options = with(4, SPACC_SEER_CLIP);
    r.options.high = 0.0F;
    r.word = "clip to 0";
    refuse(&r, weights, bias);
    r.options = with(4, (enum spacc_seer_after)7);
    r.word = "activation 7";
    refuse(&r, weights, bias);
    r.options = with(4, SPACC_SEER_POOL);
    r.options.pool.kernel[0] = 6;
    r.word = "6 x 2 max-pool";
    refuse(&r, weights, bias);
    r.options.pool = (struct spacc_seer_pool){{2, 2}, {2, 2}, {2, 0, 0, 0}};
    r.word = "2 x 2 max-pool";
    refuse(&r, weights, bias);
    r.options = with(4, SPACC_SEER_RELU);
    r.options.weight_bits = 9;
    r.word = "weights of 9 bits";
    refuse(&r, weights, bias);
    r.options.weight_bits = 1;
    r.word = "weights of 1 bits";
    refuse(&r, weights, bias);
    r.options = with(4, SPACC_SEER_RELU);
    r.options.margin = -1.0F;
    r.word = "margin -1";
    refuse(&r, weights, bias);
    r.options = with(4, SPACC_SEER_RELU);
    r.shape.kernel[0] = 8;
    r.word = "8 x 3 kernel";
    refuse(&r, weights, bias);
    for (int i = 0; i < 7; i++) {
        r.shape = good;
        r.word = "outputs";
        size_t *const zero[] = {&r.shape.channels,   &r.shape.height,    &r.shape.width,
                                &r.shape.outputs,    &r.shape.kernel[1], &r.shape.stride[0],
                                &r.shape.dilation[1]};
        *zero[i] = 0;
        refuse(&r, weights, bias);
        *zero[i] = SIZE_MAX;
        r.status = i == 0 || i == 3 ? SPACC_EUNSUPPORTED : SPACC_EINVAL;
        r.word = "seernet";
        if (i != 5)
            refuse(&r, weights, bias);
        r.status = SPACC_EINVAL;
    }
    r.shape = good;
    weights[7] = NAN;
    r.word = "weight 7";
    refuse(&r, weights, bias);
    weights[7] = 0.0F;
    bias[3] = INFINITY;
    r.word = "bias 3";
    refuse(&r, weights, bias);
    spacc_seernet_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dense_is_the_convolution),
        cmocka_unit_test(masks_are_as_defined),
        cmocka_unit_test(what_is_claimed_to_be_high_is),
        cmocka_unit_test(every_kernel_gives_the_same_bits),
        cmocka_unit_test(sums_do_not_overflow),
        cmocka_unit_test(skipped_outputs_are_zero_and_others_as_dense),
        cmocka_unit_test(exact_mode_gives_the_bits_of_the_dense_kernel),
        cmocka_unit_test(any_number_of_parts_gives_the_same_bits),
        cmocka_unit_test(a_margin_computes_more_and_misses_less),
        cmocka_unit_test(weights_and_pools_have_finer_codes),
        cmocka_unit_test(codes_whose_errors_cancel_predict_better),
        cmocka_unit_test(errors_of_a_channel_cancel),
        cmocka_unit_test(a_value_that_is_not_finite_has_everything_computed),
        cmocka_unit_test(zeros_leave_the_bias),
        cmocka_unit_test(counts_are_those_of_the_masks),
        cmocka_unit_test(bad_arguments_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
