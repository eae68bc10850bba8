/* lstm_layer.c - a pruned LSTM layer, its reference in doubles, and our runs of it. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sparse/cpu.h"
#include "sparse/prune.h"
#include "tests/bench/lstm.h"

void die(const char *text)
{
    fprintf(stderr, "bench_lstm: %s\n", text);
    lstm_ort_release();
    exit(1);
}

void *must(void *memory)
{
    if (!memory)
        die("out of memory");
    return memory;
}

static float *floats(size_t count)
{
    return must(calloc(count, sizeof(float)));
}

/* ---- contents ---- */

static double uniform(uint64_t *seed) /* 0 < u < 1, splitmix64 */
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return ((double)((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
}

static float *gaussian(size_t count, double deviation, uint64_t *seed)
{
    float *v = floats(count);

    for (size_t i = 0; i < count; i++) {
        const double length = sqrt(-2.0 * log(uniform(seed)));
        v[i] = (float)(deviation * length * cos(6.283185307179586 * uniform(seed)));
    }
    return v;
}

static void prune(const struct lstm_layer *l, float *m, size_t cols)
{
    struct spacc_error err;

    if (spacc_prune_magnitude(m, 4 * l->units, cols, l->bank, l->kept, NULL, &err))
        die(err.text);
}

/* ---- the reference ---- */

static double dot(const float *w, const double *x, size_t count)
{
    double sum = 0.0;

    for (size_t i = 0; i < count; i++)
        sum += (double)w[i] * x[i];
    return sum;
}

static double sigmoid(double z)
{
    return 1.0 / (1.0 + exp(-z));
}

static void step(const struct lstm_layer *l, const double *x, const double *before, double *h,
                 double *c)
{
    const size_t n = l->units;
    double z[4]; /* i o f c */

    for (size_t u = 0; u < n; u++) {
        for (size_t g = 0; g < 4; g++) {
            const size_t row = g * n + u;
            z[g] = (double)l->b[row] + (double)l->b[4 * n + row] +
                   dot(l->w + row * l->inputs, x, l->inputs) + dot(l->r + row * n, before, n);
        }
        c[u] = sigmoid(z[2]) * c[u] + sigmoid(z[0]) * tanh(z[3]);
        h[u] = sigmoid(z[1]) * tanh(c[u]);
    }
}

static void reference(struct lstm_layer *l)
{
    double *zero = must(calloc(l->units, sizeof(double)));
    double *c = must(calloc(l->units, sizeof(double)));
    double *x = must(calloc(l->inputs, sizeof(double)));

    for (size_t t = 0; t < l->steps; t++) {
        double *h = l->h_true + t * l->units;
        for (size_t i = 0; i < l->inputs; i++)
            x[i] = (double)l->x[t * l->inputs + i];
        step(l, x, t ? h - l->units : zero, h, c);
    }
    free(zero);
    free(c);
    free(x);
}

void lstm_layer_make(struct lstm_layer *l, double sparsity)
{
    uint64_t seed = 1;
    struct spacc_error err;

    if (spacc_prune_kept(&l->kept, sparsity, l->bank, &err))
        die(err.text);
    l->w = gaussian(4 * l->units * l->inputs, 1.0 / sqrt((double)l->inputs), &seed);
    l->r = gaussian(4 * l->units * l->units, 1.0 / sqrt((double)l->units), &seed);
    l->b = gaussian(8 * l->units, 0.1, &seed);
    l->x = gaussian(l->steps * l->inputs, 1.0, &seed);
    l->h_true = must(calloc(l->steps * l->units, sizeof(double)));
    prune(l, l->w, l->inputs);
    prune(l, l->r, l->units);
    reference(l);
}

void lstm_layer_release(struct lstm_layer *l)
{
    free(l->w);
    free(l->r);
    free(l->b);
    free(l->x);
    free(l->h_true);
}

double lstm_layer_error(const struct lstm_layer *l, const float *h)
{
    double worst = 0.0;

    for (size_t i = 0; i < l->steps * l->units; i++) {
        const double off = fabs((double)h[i] - l->h_true[i]);
        if (!(off <= worst)) /* NaN stays */
            worst = off;
    }
    return worst;
}

/* ---- ours ---- */

void lstm_ours_make(struct lstm_ours *o, const struct lstm_layer *l, enum spacc_tile_type type)
{
    const struct spacc_rnn_spec spec = {.cell = SPACC_RNN_LSTM,
                                        .units = l->units,
                                        .x_cols = l->inputs,
                                        .w = l->w,
                                        .r = l->r,
                                        .wb = l->b,
                                        .rb = l->b + 4 * l->units,
                                        .precision = type,
                                        .bank_size = l->bank};
    struct spacc_error err;

    if (spacc_rnn_new(&o->rnn, &spec, spacc_cpu_features(), &err))
        die(err.text);
    const size_t bytes = spacc_rnn_scratch_bytes(o->rnn, l->steps);
    o->layer = l;
    o->scratch = must(aligned_alloc(64, (bytes + 127) / 64 * 64));
    o->y = floats(l->steps * l->units);
    o->h = floats(l->units);
    o->c = floats(l->units);
}

void lstm_ours_release(struct lstm_ours *o)
{
    spacc_rnn_free(o->rnn);
    free(o->scratch);
    free(o->y);
    free(o->h);
    free(o->c);
}

void lstm_ours_run(struct lstm_ours *o, bool streaming, const struct spacc_parallel *pool)
{
    const struct lstm_layer *l = o->layer;
    const size_t calls = streaming ? l->steps : 1, steps = streaming ? 1 : l->steps;

    memset(o->h, 0, l->units * sizeof(float));
    memset(o->c, 0, l->units * sizeof(float));
    for (size_t t = 0; t < calls; t++)
        spacc_rnn_run(o->rnn, steps, l->x + t * l->inputs, l->inputs, o->y + t * l->units,
                      l->units, o->h, o->c, false, o->scratch, pool);
}
