/* What trees look at: sizes and what follows from them, eight bins an octave, and what is left
 * over from blocks. */
#include <assert.h>
#include <string.h>

#include "scheduler/predict/costs_parts.h"

struct features {
    uint8_t *feature;
    size_t count;
};

/* 8 * log2(1 + x), rounded down, between powers of two as if straight: from the bits alone, so
 * that every machine has the same bins. */
static uint8_t bin_of(double x)
{
    const double y = 1.0 + x;
    uint64_t bits;

    memcpy(&bits, &y, sizeof(bits));
    const uint64_t bin = (bits >> 49) - (1023U << 3);
    return bin < 255 ? (uint8_t)bin : 255;
}

static void put(struct features *f, double x)
{
    assert(f->count < FEATURES_MAX);
    f->feature[f->count++] = bin_of(x);
}

/* Of x to the end of its block; 0 when it ends there. */
static void put_rest(struct features *f, double x, double block)
{
    const double blocks = x / block;
    const double whole = (double)(uint64_t)(blocks < 1e15 ? blocks : 1e15);

    assert(f->count < FEATURES_MAX);
    f->feature[f->count++] = (uint8_t)((blocks - whole) * 32.0);
}

static double ratio(double a, double b)
{
    return b > 0.0 ? a / b : 0.0;
}

static void put_common(struct features *f, const struct spacc_work *w)
{
    put(f, w->macs);
    put(f, w->in_bytes);
    put(f, w->weight_bytes);
    put(f, w->out_bytes);
    put(f, w->in_bytes + w->out_bytes + w->weight_bytes);
    put(f, 8.0 * ratio(w->macs, w->in_bytes + w->out_bytes + w->weight_bytes));
    put(f, w->threads);
    put(f, w->cold);
}

size_t spacc_features_of(const struct spacc_work *w, uint8_t feature[FEATURES_MAX])
{
    struct features f = {feature, 0};
    const size_t sizes = spacc_work_sizes(w->family);
    const double *s = w->size;

    put_common(&f, w);
    for (size_t i = 0; i < sizes; i++) /* shares, 0 to 1, have bins of their own */
        put(&f, (w->family == SPACC_WORK_PRODUCT && i == 4) ||
                        (w->family == SPACC_WORK_RNN && i >= 6)
                    ? 255.0 * s[i]
                    : s[i]);
    if (w->family == SPACC_WORK_CONV || w->family == SPACC_WORK_DECONV) {
        put_rest(&f, s[1], 8.0);
        put_rest(&f, s[2], 8.0);
        put_rest(&f, s[2], 32.0);
        put_rest(&f, s[4], 8.0);
        put(&f, s[3] * s[4]);
        put(&f, ratio(s[1], s[10]));
        put(&f, s[1] * s[5] * s[6]);
        put(&f, s[2] * s[3]);
    } else if (w->family == SPACC_WORK_PRODUCT) {
        put_rest(&f, s[2], 64.0);
        put_rest(&f, s[1], 4.0);
        put(&f, s[1] * s[2]);
        put(&f, s[2] * s[3]);
    } else if (w->family == SPACC_WORK_MOVE) {
        put(&f, ratio(s[0], s[1]));
        put_rest(&f, ratio(s[0], s[1]), 8.0);
        put_rest(&f, s[1], 8.0);
        put_rest(&f, s[1], 1024.0); /* runs a page apart share lines of the cache */
        put_rest(&f, s[4], 8.0);
        put(&f, ratio(s[0], s[4]));
    } else if (w->family == SPACC_WORK_POINTS) {
        put(&f, ratio(s[0], s[4]));
        put_rest(&f, ratio(s[0], s[4]), 8.0);
        put(&f, ratio(s[0], s[5]));
    } else if (w->family == SPACC_WORK_POOL) {
        put_rest(&f, s[3], 8.0);
        put(&f, s[2] * s[3]);
        put(&f, s[4] * s[5]);
    } else if (w->family == SPACC_WORK_RNN) {
        put(&f, s[2] * s[3]);
        put_rest(&f, s[3], 8.0);
    }
    return f.count;
}

size_t spacc_features(enum spacc_work_family f)
{
    const struct spacc_work w = {.family = f, .threads = 1};
    uint8_t feature[FEATURES_MAX];

    return spacc_features_of(&w, feature);
}
