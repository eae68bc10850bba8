/* Second-order pruning of one layer: seconds, and the error of the outputs on the calibration
 * data beside that of pruning by magnitude and by magnitude times norm (wanda). Inputs are
 * correlated: mixtures of a few sources, as the outputs of a layer are.
 *
 *     bench_obs [runs] */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/clock.h"
#include "sparse/prune.h"
#include "sparse/prune_obs.h"
#include "tests/bench/measure.h"

enum { SAMPLES = 128, RUNS_MAX = 21 };

static uint32_t seed = 1;

/* Nearly normal: the sum of four uniform numbers. */
static float normal(void)
{
    float sum = -2.0F;

    for (int i = 0; i < 4; i++) {
        seed = seed * 1664525u + 1013904223u;
        sum += (float)(seed >> 8) / 16777216.0F;
    }
    return sum;
}

static float *alloc(size_t count)
{
    float *v = malloc(count * sizeof(*v));

    if (!v)
        abort();
    return v;
}

static float *normals(size_t count)
{
    float *v = alloc(count);

    for (size_t i = 0; i < count; i++)
        v[i] = normal();
    return v;
}

/* cols / 8 sources; each column is a mixture of 8 of them and noise, cut at 0 as by a ReLU. */
struct inputs {
    size_t cols, sources;
    float *mix, *source, *x;
};

static struct spacc_gram *calibrate(const struct inputs *in, size_t samples)
{
    struct spacc_gram *g;

    if (spacc_gram_create(&g, in->cols, NULL))
        abort();
    for (size_t s = 0; s < samples; s++) {
        for (size_t i = 0; i < in->sources; i++)
            in->source[i] = normal();
        for (size_t c = 0; c < in->cols; c++) {
            float sum = 0.3F * normal();
            for (size_t i = 0; i < 8; i++)
                sum += in->mix[c * 8 + i] * in->source[(c * 37 + i * i * 11) % in->sources];
            in->x[c] = fmaxf(sum, 0.0F);
        }
        if (spacc_gram_add(g, in->x, 1, NULL))
            abort();
    }
    return g;
}

struct layer {
    size_t rows, cols, bank_size, k;
    float *w, *bias;
    struct spacc_gram *gram, *held_out;
};

static double share(const struct layer *l, const struct spacc_gram *g, const float *w,
                    const float *bias)
{
    double whole;
    const double lost = spacc_gram_error(g, l->w, l->bias, w, bias, l->rows, &whole);

    return 100.0 * lost / whole;
}

static void say(const struct layer *l, const char *name, const float *w, const float *bias,
                double seconds)
{
    printf("  %-10s %9.3f s   error %7.3f %% of calibration, %7.3f %% of held-out data\n", name,
           seconds, share(l, l->gram, w, bias), share(l, l->held_out, w, bias));
    fflush(stdout);
}

static void run_plain(const struct layer *l, float *w, const float *norm)
{
    const size_t bytes = l->rows * l->cols * sizeof(*w);
    double begin = spacc_now_us();

    memcpy(w, l->w, bytes);
    spacc_prune_magnitude(w, l->rows, l->cols, l->bank_size, l->k, NULL, NULL);
    say(l, "magnitude", w, l->bias, (spacc_now_us() - begin) / 1e6);
    memcpy(w, l->w, bytes);
    begin = spacc_now_us();
    spacc_prune_wanda(w, l->rows, l->cols, l->bank_size, l->k, norm, NULL, NULL);
    say(l, "wanda", w, l->bias, (spacc_now_us() - begin) / 1e6);
}

static void run_obs(const struct layer *l, float *w, float *bias, int weight_bits, int runs)
{
    const struct spacc_prune_part part = {l->cols, l->bank_size, l->k, 15};
    const struct spacc_prune_obs how = {1, &part, weight_bits, 0.0};
    struct spacc_prune_result result;
    double seconds[RUNS_MAX];

    for (int i = 0; i < runs; i++) {
        memcpy(w, l->w, l->rows * l->cols * sizeof(*w));
        memcpy(bias, l->bias, l->rows * sizeof(*bias));
        const double begin = spacc_now_us();
        if (spacc_prune_obs(w, bias, l->rows, &how, l->gram, &result, NULL))
            abort();
        seconds[i] = (spacc_now_us() - begin) / 1e6;
    }
    say(l, weight_bits ? "obs, int8" : "obs", w, bias, measure_median(seconds, (size_t)runs));
}

static void bench(size_t rows, size_t cols, size_t bank_size, size_t k, int runs)
{
    struct layer l = {rows,          cols, bank_size, k, normals(rows * cols),
                      normals(rows), NULL, NULL};
    float *w = alloc(rows * cols), *bias = alloc(rows), *norm = alloc(cols);

    const struct inputs in = {cols, cols / 8, normals(cols * 8), alloc(cols / 8), alloc(cols)};

    l.gram = calibrate(&in, SAMPLES);
    l.held_out = calibrate(&in, 2 * SAMPLES);
    spacc_gram_norms(l.gram, norm);
    printf("%zu x %zu, %zu of %zu kept\n", rows, cols, k, bank_size);
    run_plain(&l, w, norm);
    run_obs(&l, w, bias, 0, runs);
    run_obs(&l, w, bias, 8, runs);
    spacc_gram_free(l.gram);
    spacc_gram_free(l.held_out);
    free(in.mix), free(in.source), free(in.x);
    free(l.w), free(l.bias), free(w), free(bias), free(norm);
}

int main(int argc, char **argv)
{
    const int asked = argc > 1 ? atoi(argv[1]) : 3;
    const int runs = asked < 1 ? 1 : asked > RUNS_MAX ? RUNS_MAX : asked;

    bench(1024, 1024, 32, 16, runs);
    bench(1024, 1024, 32, 4, runs);
    bench(1024, 1024, 64, 8, runs);
    bench(1024, 1024, 16, 2, runs);
    bench(4096, 1024, 32, 4, runs);
    bench(512, 4608, 32, 4, runs);
    return 0;
}
