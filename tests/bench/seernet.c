/* SeerNet, layer by layer, beside the f32 convolutions of oneDNN and ONNX Runtime:
 * bench_seernet LIBONNXRUNTIME|none [rounds [bits [KERNEL]]].
 *
 * Every layer is 3x3, pad 1; biases are set so that the wanted share of its outputs is zero.
 * All sides run in turn in every round on one thread, each once unmeasured before. Times are
 * the thread's own, so that what else wants the core does not count, and lower quartiles over
 * the rounds: what shares caches and the core's other half only adds. Ratios are medians of
 * those within a round. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sparse/cpu.h"
#include "sparse/seernet.h"
#include "sparse/seernet_int8.h"
#include "sparse/seernet_kernels.h"
#include "tests/bench/measure.h"
#include "tests/bench/ort.h"
#include "tests/bench/seernet_dense.h"
#include "tests/bench/seernet_ort.h"

enum { ROUNDS_MAX = 201 };

static uint32_t seed = 1;

static float normal(void)
{
    float sum = -2.0F;

    for (int i = 0; i < 4; i++) {
        seed = seed * 1664525u + 1013904223u;
        sum += (float)(seed >> 8) / 16777216.0F;
    }
    return sum * 1.7F;
}

static void *get(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!p)
        abort();
    memset(p, 0, bytes);
    return p;
}

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double quartile(double *v, size_t count)
{
    (void)measure_median(v, count); /* sorts */
    return v[count / 4];
}

/* --- the roof --- */

#if defined(__x86_64__)
/* Ten chains of multiply-adds in registers: enough for two a cycle. */
#define MULTIPLY(name, bytes, isa)                                                            \
    typedef float name##_vector __attribute__((vector_size(bytes)));                          \
    __attribute__((target(isa), noinline)) static float name(size_t rounds)                   \
    {                                                                                         \
        name##_vector a = {0}, b = {0}, c = {0}, d = {0}, e = {0}, f = {0}, g = {0}, h = {0}, \
                      i = {0}, j = {0};                                                       \
        const name##_vector v = {0.5F};                                                       \
                                                                                              \
        for (; rounds > 0; rounds--)                                                          \
            __asm__ volatile("vfmadd231ps %10, %10, %0\n vfmadd231ps %10, %10, %1\n"          \
                             "vfmadd231ps %10, %10, %2\n vfmadd231ps %10, %10, %3\n"          \
                             "vfmadd231ps %10, %10, %4\n vfmadd231ps %10, %10, %5\n"          \
                             "vfmadd231ps %10, %10, %6\n vfmadd231ps %10, %10, %7\n"          \
                             "vfmadd231ps %10, %10, %8\n vfmadd231ps %10, %10, %9"            \
                             : "+x"(a), "+x"(b), "+x"(c), "+x"(d), "+x"(e), "+x"(f), "+x"(g), \
                               "+x"(h), "+x"(i), "+x"(j)                                      \
                             : "x"(v));                                                       \
        a += b + c + d + e + f + g + h + i + j;                                               \
        return a[0];                                                                          \
    }

MULTIPLY(multiply8, 32, "avx2,fma")
MULTIPLY(multiply16, 64, "avx512f")

static volatile float sink;

/* GMAC/s of FMAs as wide as the kernel's, best of some. */
static double peak(const struct spacc_seer_kernel *k)
{
    const bool wide = k->needs & SPACC_CPU_AVX512;
    double best = 0.0;

    for (int i = 0; i < 50; i++) {
        const size_t rounds = 50000;
        const double begin = now_us();
        sink = wide ? multiply16(rounds) : multiply8(rounds);
        const double us = now_us() - begin;
        best = fmax(best, (double)(rounds * (wide ? 160 : 80)) / us / 1e3);
    }
    return best;
}
#else
static double peak(const struct spacc_seer_kernel *k)
{
    (void)k;
    return 0.0;
}
#endif

/* --- a layer --- */

struct layer {
    struct spacc_seer_shape shape;
    float *x, *w, *bias, *y;
    struct spacc_seernet *s;
    struct spacc_seer_buffers b;
    struct seer_dense *dense; /* oneDNN; NULL without */
    struct seer_ort *ort;     /* ONNX Runtime; NULL without */
    size_t macs;
    double pay; /* share of outputs computed */
    double accuracy;
};

static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void make(struct layer *l, const struct spacc_seer_kernel *k, int bits)
{
    struct spacc_seer_options o = {.after = SPACC_SEER_RELU, .kernel = k};
    struct spacc_error err = {.text = ""};

    spacc_seernet_set_bits(&o, bits);
    spacc_seernet_free(l->s);
    if (spacc_seernet_new(&l->s, &l->shape, l->w, l->bias, &o, &err) != SPACC_OK) {
        fprintf(stderr, "bench_seernet: %s\n", err.text);
        exit(1);
    }
    free(l->b.mask);
    free(l->b.scratch);
    l->b.mask = get(spacc_seernet_mask_words(l->s) * sizeof(uint64_t));
    l->b.scratch = get(spacc_seernet_scratch_bytes(l->s, 1));
}

/* Biases at the quantile of each channel's own sums: a large one shows them all. */
static void set_biases(struct layer *l, double zeros, const struct spacc_seer_kernel *k)
{
    const size_t pixels = l->shape.height * l->shape.width, outputs = l->shape.outputs;
    const float large = 1000.0F;
    float *v = get(pixels * sizeof(*v));

    for (size_t o = 0; o < outputs; o++)
        l->bias[o] = large;
    make(l, k, 4);
    spacc_seernet_dense(l->s, &l->b);
    for (size_t o = 0; o < outputs; o++) {
        for (size_t p = 0; p < pixels; p++)
            v[p] = l->y[p * outputs + o] - large;
        qsort(v, pixels, sizeof(*v), ascending);
        l->bias[o] = -v[(size_t)(zeros * (double)(pixels - 1))];
    }
    free(v);
}

static struct layer new_layer(size_t channels, size_t side)
{
    struct layer l = {
        .shape = {channels, side, side, channels, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}}};
    const size_t values = channels * side * side, weights = channels * channels * 9;

    l.x = get(values * sizeof(float));
    l.y = get(values * sizeof(float));
    l.w = get(weights * sizeof(float));
    l.bias = get(channels * sizeof(float));
    for (size_t i = 0; i < values; i++)
        l.x[i] = fmaxf(normal(), 0.0F);
    for (size_t i = 0; i < weights; i++)
        l.w[i] = normal() / sqrtf((float)channels * 9.0F);
    l.b = (struct spacc_seer_buffers){.x = l.x, .y = l.y};
    l.macs = weights * side * side;
    return l;
}

static void drop(struct layer *l)
{
    spacc_seernet_free(l->s);
    free(l->x);
    free(l->y);
    free(l->w);
    free(l->bias);
    free(l->b.mask);
    free(l->b.scratch);
}

/* --- what is measured --- */

typedef void phase_fn(const struct spacc_seernet *s, const struct spacc_seer_buffers *b);

enum { QUANTISE, PREDICT, LIST, SKIP, RUN, DENSE, PHASES, ONEDNN = PHASES, ORT, SIDES };
static phase_fn *const phases[PHASES] = {spacc_seernet_quantise, spacc_seernet_predict,
                                         spacc_seernet_list,     spacc_seernet_skip,
                                         spacc_seernet_run,      spacc_seernet_dense};

static double time_phase(const struct layer *l, int phase)
{
    phases[phase](l->s, &l->b);
    const double begin = now_us();
    phases[phase](l->s, &l->b);
    return now_us() - begin;
}

static double time_onednn(const struct layer *l)
{
    if (!l->dense)
        return NAN;
    seer_dense_run(l->dense);
    const double begin = now_us();
    seer_dense_run(l->dense);
    return now_us() - begin;
}

static double time_ort(const struct layer *l)
{
    if (!l->ort)
        return NAN;
    seer_ort_run(l->ort);
    const double begin = now_us();
    seer_ort_run(l->ort);
    return now_us() - begin;
}

static void look_at_mask(struct layer *l)
{
    struct spacc_seer_counts c;
    const size_t words = spacc_seernet_mask_words(l->s);
    uint64_t *mask = get(words * sizeof(*mask));

    spacc_seernet_run(l->s, &l->b);
    memcpy(mask, l->b.mask, words * sizeof(*mask));
    spacc_seernet_dense(l->s, &l->b);
    spacc_seernet_truth(l->s, &l->b);
    spacc_seernet_count(l->s, mask, l->b.mask, &c);
    l->pay = (double)c.computed / (double)c.outputs;
    l->accuracy = (double)c.equal / (double)c.outputs;
    free(mask);
}

static void print_cell(const char *form, double v)
{
    if (isnan(v))
        printf("        -");
    else
        printf(form, v);
}

static void print_row(const struct layer *l, const double mid[SIDES], const double x[2],
                      double roof)
{
    const double gmac = (double)l->macs / 1e3, one = roof > 0.0 ? 100.0 / roof : 0.0;
    static const int order[] = {ONEDNN, ORT, DENSE, QUANTISE, PREDICT, LIST, SKIP, RUN};

    printf("  %4.0f %%  %5.1f", 100.0 * (1.0 - l->pay), 100.0 * l->accuracy);
    for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++)
        print_cell(" %8.0f", mid[order[i]]);
    print_cell(" %8.2f", x[0]);
    print_cell(" %8.2f", x[1]);
    print_cell(" %8.0f", gmac / mid[ONEDNN] * one);
    printf(" %3.0f %3.0f\n", gmac / mid[DENSE] * one, gmac * l->pay / mid[SKIP] * one);
    fflush(stdout);
}

static void bench(struct layer *l, int rounds, double roof)
{
    static double us[SIDES][ROUNDS_MAX], ratio[2][ROUNDS_MAX];
    double mid[SIDES], x[2];

    look_at_mask(l);
    for (int i = 0; i < rounds; i++) {
        us[ONEDNN][i] = time_onednn(l);
        us[ORT][i] = time_ort(l);
        for (int p = 0; p < PHASES; p++)
            us[p][i] = time_phase(l, p);
        for (int side = 0; side < 2; side++)
            ratio[side][i] = us[ONEDNN + side][i] / us[RUN][i];
    }
    for (int p = 0; p < SIDES; p++)
        mid[p] = quartile(us[p], (size_t)rounds);
    for (int side = 0; side < 2; side++)
        x[side] = measure_median(ratio[side], (size_t)rounds);
    print_row(l, mid, x, roof);
}

/* --- int8, MSB first: high nibbles, lists, low nibbles, all, and the dense run --- */

typedef void phase8_fn(const struct spacc_seer8 *s, const struct spacc_seer8_buffers *b);

enum { RUN8 = 3, DENSE8, PHASES8 };
static phase8_fn *const phases8[PHASES8] = {spacc_seer8_high, spacc_seer8_list, spacc_seer8_low,
                                            spacc_seer8_run, spacc_seer8_dense};

struct layer8 {
    struct spacc_seer_shape shape;
    int8_t *w;
    int32_t *bias;
    struct spacc_seer8_buffers b;
};

static int ascending8(const void *a, const void *b)
{
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static struct spacc_seer8 *make8(struct layer8 *l, const struct spacc_seer_kernel *k,
                                 float caution)
{
    const struct spacc_seer8_options o = {.kernel = k, .caution = caution};
    struct spacc_error err = {.text = ""};
    struct spacc_seer8 *s;

    if (spacc_seer8_new(&s, &l->shape, l->w, l->bias, &o, &err) == SPACC_OK) {
        free(l->b.mask);
        free(l->b.scratch);
        l->b.mask = get(spacc_seer8_mask_words(s) * sizeof(uint64_t));
        l->b.scratch = get(spacc_seer8_scratch_bytes(s, 1));
        return s;
    }
    fprintf(stderr, "bench_seernet: %s\n", err.text);
    exit(1);
}

static void set_biases8(struct layer8 *l, double zeros, const struct spacc_seer_kernel *k)
{
    const size_t pixels = l->shape.height * l->shape.width, outputs = l->shape.outputs;
    const int32_t large = 1 << 28;
    int32_t *v = get(pixels * sizeof(*v));

    for (size_t o = 0; o < outputs; o++)
        l->bias[o] = large;
    struct spacc_seer8 *s = make8(l, k, 0.0F);
    spacc_seer8_dense(s, &l->b);
    for (size_t o = 0; o < outputs; o++) {
        for (size_t p = 0; p < pixels; p++)
            v[p] = l->b.y[p * outputs + o] - large;
        qsort(v, pixels, sizeof(*v), ascending8);
        l->bias[o] = -v[(size_t)(zeros * (double)(pixels - 1))];
    }
    spacc_seer8_free(s);
    free(v);
}

/* Of the outputs above 0, how many are not 0 in the run. */
static double recall8(const struct spacc_seer8 *s, const struct layer8 *l)
{
    const size_t values = l->shape.height * l->shape.width * l->shape.outputs;
    int32_t *full = get(values * sizeof(*full));
    size_t kept = 0, all = 0;

    spacc_seer8_dense(s, &l->b);
    memcpy(full, l->b.y, values * sizeof(*full));
    spacc_seer8_run(s, &l->b);
    for (size_t i = 0; i < values; i++) {
        all += full[i] > 0;
        kept += full[i] > 0 && l->b.y[i] > 0;
    }
    free(full);
    return (double)kept / (double)all;
}

static void bench8(const struct spacc_seer8 *s, const struct layer8 *l, double zeros,
                   float caution, int rounds)
{
    static double us[PHASES8][ROUNDS_MAX], ratio[ROUNDS_MAX];
    const size_t values = l->shape.height * l->shape.width * l->shape.outputs;
    double mid[PHASES8];

    const double recall = recall8(s, l);
    const double done = (double)spacc_seer8_finished(s, l->b.mask) / (double)values;
    for (int i = 0; i < rounds; i++) {
        for (int p = 0; p < PHASES8; p++) {
            phases8[p](s, &l->b);
            const double begin = now_us();
            phases8[p](s, &l->b);
            us[p][i] = now_us() - begin;
        }
        ratio[i] = us[DENSE8][i] / us[RUN8][i];
    }
    for (int p = 0; p < PHASES8; p++)
        mid[p] = quartile(us[p], (size_t)rounds);
    printf("  %4.0f %%  %5.2f %5.1f %5.1f  %8.0f %8.0f %8.0f %8.0f %8.0f   %5.2f\n",
           100.0 * zeros, (double)caution, 100.0 * (1.0 - done), 100.0 * recall, mid[DENSE8],
           mid[0], mid[1], mid[2], mid[RUN8], measure_median(ratio, (size_t)rounds));
    fflush(stdout);
}

static void bench_int8(const struct spacc_seer_kernel *k, size_t channels, size_t side,
                       int rounds)
{
    static const double zeros[] = {0.5, 0.7, 0.9};
    static const float caution[] = {0.0F, 0.1F, 1.0F};
    struct layer8 l = {
        .shape = {channels, side, side, channels, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}}};
    const size_t values = channels * side * side, weights = channels * channels * 9;
    uint8_t *x = get(values);

    l.w = get(weights);
    l.bias = get(channels * sizeof(int32_t));
    for (size_t i = 0; i < values; i++)
        x[i] = (uint8_t)fminf(fmaxf(normal(), 0.0F) * 80.0F, 255.0F);
    for (size_t i = 0; i < weights; i++)
        l.w[i] = (int8_t)fmaxf(fminf(normal() * 32.0F, 127.0F), -127.0F);
    l.b = (struct spacc_seer8_buffers){.x = x, .y = get(values * sizeof(int32_t))};
    printf(
        "int8, MSB first, %zu channels, %zu x %zu; x: dense over run\n"
        "   zeros   caut. skip  recall     dense     high    lists      low      run       x\n",
        channels, side, side);
    for (size_t i = 0; i < 9; i++) {
        if (i % 3 == 0)
            set_biases8(&l, zeros[i / 3], k);
        struct spacc_seer8 *s = make8(&l, k, caution[i % 3]);
        bench8(s, &l, zeros[i / 3], caution[i % 3], rounds);
        spacc_seer8_free(s);
    }
    free(x);
    free(l.w);
    free(l.bias);
    free(l.b.y);
    free(l.b.mask);
    free(l.b.scratch);
}

/* What is compared computes the same. */
static void check_dense(struct layer *l)
{
    if (!l->ort)
        return;
    spacc_seernet_dense(l->s, &l->b);
    seer_ort_run(l->ort);
    if (seer_ort_off(l->ort, l->y) < 1e-3F)
        return;
    fprintf(stderr, "bench_seernet: ONNX Runtime is off by %g\n",
            (double)seer_ort_off(l->ort, l->y));
    exit(1);
}

static void bench_layer(const struct spacc_seer_kernel *k, size_t channels, size_t side,
                        int rounds, int bits, double roof)
{
    static const double zeros[] = {0.5, 0.7, 0.9};
    struct layer l = new_layer(channels, side);

    printf("%zu channels, %zu x %zu\n", channels, side, side);
    for (size_t i = 0; i < sizeof(zeros) / sizeof(zeros[0]); i++) {
        set_biases(&l, zeros[i], k);
        make(&l, k, bits);
        l.dense = seer_dense_new(&l.shape, l.x, l.w, l.bias);
        l.ort = ort_version()[0] ? seer_ort_new(&l.shape, l.x, l.w, l.bias) : NULL;
        check_dense(&l);
        bench(&l, rounds, roof);
        seer_dense_free(l.dense);
        seer_ort_free(l.ort);
    }
    drop(&l);
}

static void bench_kernel(const struct spacc_seer_kernel *k, int rounds, int bits)
{
    static const size_t layer[][2] = {{64, 56}, {128, 28}, {256, 14}, {512, 7}};

    if ((k->needs & spacc_cpu_features()) != k->needs) {
        printf("\n%s: not on this CPU\n", k->name);
        return;
    }
    const double roof = peak(k);
    printf("\n%s, %d bits; us; x: oneDNN and ONNX Runtime over run; %%: share of the peak "
           "of its FMAs, %.1f GMAC/s\n   zeros   mask   oneDNN      ORT    dense quantise  "
           "predict    lists     skip"
           "      run x oneDNN    x ORT %% oneDNN dense skip\n",
           k->name, bits, roof);
    for (size_t i = 0; i < sizeof(layer) / sizeof(layer[0]); i++)
        bench_layer(k, layer[i][0], layer[i][1], rounds, bits, roof);
    for (size_t i = 0; i < 3; i++)
        bench_int8(k, layer[i][0], layer[i][1], rounds);
}

int main(int argc, char **argv)
{
    const int rounds = argc > 2 ? atoi(argv[2]) : 31, bits = argc > 3 ? atoi(argv[3]) : 4;
    const char *only = argc > 4 ? argv[4] : NULL;

    if (argc < 2 || argc > 5 || rounds < 1 || rounds > ROUNDS_MAX || bits < 2 || bits > 8) {
        fprintf(stderr,
                "usage: bench_seernet LIBONNXRUNTIME|none [rounds, 1 to %d [bits, 2 to 8 "
                "[kernel]]]\n",
                ROUNDS_MAX);
        return 1;
    }
    if (strcmp(argv[1], "none") != 0 && !ort_open(argv[1]))
        return 1;
    printf("one thread; %s; ONNX Runtime %s\n", seer_dense_name(),
           ort_version()[0] ? ort_version() : "none");
    for (size_t i = spacc_seer_kernel_count; i > 1; i--)
        if (!only || strcmp(only, spacc_seer_kernels[i - 1]->name) == 0)
            bench_kernel(spacc_seer_kernels[i - 1], rounds, bits);
    return 0;
}
