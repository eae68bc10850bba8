/* Gradient boosting with oblivious trees, a few bytes each. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/predict/costs_parts.h"

#define LEAF_UNIT (1.0 / 160.0)
#define LOG_MAX   2.0
#define OUTLIER   0.10 /* log of a ratio from which a residual counts linearly */
#define TOLERANCE 0.08 /* of a loss of one half */
#define SHRINK    1.5  /* samples of no residual in every leaf */
#define RATE      0.7

enum { BINS = 256, LEAVES = 1 << DEPTH_MAX };

size_t spacc_tree_bytes(const struct tree *t)
{
    return 2U * t->depth + ((size_t)1 << t->depth);
}

double spacc_residual_loss(double residual)
{
    const double size = residual * residual / (TOLERANCE * TOLERANCE);

    return size / (1.0 + size);
}

static size_t leaf_of(const struct tree *t, const uint8_t *feature)
{
    size_t leaf = 0;

    for (size_t level = 0; level < DEPTH_MAX && level < t->depth; level++)
        leaf |= (size_t)(feature[t->feature[level]] >= t->least[level]) << level;
    return leaf;
}

double spacc_boosted_log(const struct boosted *b, const struct spacc_work *w)
{
    uint8_t feature[FEATURES_MAX];
    int sum = 0;

    if (b->trees == 0)
        return 0.0;
    spacc_features_of(w, feature);
    for (size_t i = 0; i < b->trees; i++)
        sum += b->tree[i].leaf[leaf_of(&b->tree[i], feature)];
    return fmax(-LOG_MAX, fmin(LOG_MAX, sum * LEAF_UNIT));
}

/* ---------------------------------------------------------------- growing */

struct grower {
    const struct boosted_data *d;
    int without;
    double *left;  /* [samples]: what the trees so far leave */
    uint8_t *leaf; /* [samples]: of the tree that grows */
    double sum[LEAVES][BINS], count[LEAVES][BINS];
};

static bool taken(const struct grower *g, size_t i)
{
    return g->without < 0 || g->d->fold[i] != g->without;
}

static double clipped(double x)
{
    return fmax(-OUTLIER, fmin(OUTLIER, x));
}

/* By leaf and bin of this feature. */
static void gather(struct grower *g, size_t feature, size_t leaves)
{
    memset(g->sum, 0, leaves * sizeof(g->sum[0]));
    memset(g->count, 0, leaves * sizeof(g->count[0]));
    for (size_t i = 0; i < g->d->samples; i++) {
        if (!taken(g, i))
            continue;
        const uint8_t bin = g->d->feature[i * g->d->features + feature];
        g->sum[g->leaf[i]][bin] += g->d->trust[i] * clipped(g->left[i]);
        g->count[g->leaf[i]][bin] += g->d->trust[i];
    }
}

static double score(double sum, double count)
{
    return sum * sum / (count + SHRINK);
}

/* The best `least` of this feature; its gain, 0: it tells nothing. */
static double best_bin(const struct grower *g, size_t leaves, uint8_t *least)
{
    double below_sum[LEAVES] = {0}, below[LEAVES] = {0}, sum[LEAVES] = {0}, count[LEAVES] = {0};
    double best = 0.0;

    for (size_t l = 0; l < leaves; l++)
        for (size_t bin = 0; bin < BINS; bin++) {
            sum[l] += g->sum[l][bin];
            count[l] += g->count[l][bin];
        }
    for (size_t bin = 1; bin < BINS; bin++) {
        double gain = 0.0, moved = 0.0;
        for (size_t l = 0; l < leaves; l++) {
            moved += g->count[l][bin - 1];
            below_sum[l] += g->sum[l][bin - 1];
            below[l] += g->count[l][bin - 1];
        }
        if (!(moved > 0.0)) /* the same question as one bin before */
            continue;
        for (size_t l = 0; l < leaves; l++)
            gain += score(below_sum[l], below[l]) +
                    score(sum[l] - below_sum[l], count[l] - below[l]);
        if (gain > best + 1e-12) {
            best = gain;
            *least = (uint8_t)bin;
        }
    }
    return best;
}

static void add_level(struct grower *g, struct tree *t)
{
    const size_t leaves = (size_t)1 << t->depth;
    uint8_t feature = 0, least = 255;
    double best = 0.0;

    for (size_t f = 0; f < g->d->features; f++) {
        uint8_t bin = 255;
        gather(g, f, leaves);
        const double gain = best_bin(g, leaves, &bin);
        if (gain > best + 1e-12) {
            best = gain;
            feature = (uint8_t)f;
            least = bin;
        }
    }
    t->feature[t->depth] = feature;
    t->least[t->depth] = least;
    for (size_t i = 0; i < g->d->samples; i++)
        if (g->d->feature[i * g->d->features + feature] >= least)
            g->leaf[i] = (uint8_t)(g->leaf[i] | 1U << t->depth);
    t->depth++;
}

static void set_leaves(struct grower *g, struct tree *t)
{
    double sum[LEAVES] = {0}, count[LEAVES] = {0};

    for (size_t i = 0; i < g->d->samples; i++) {
        if (!taken(g, i))
            continue;
        sum[g->leaf[i]] += g->d->trust[i] * clipped(g->left[i]);
        count[g->leaf[i]] += g->d->trust[i];
    }
    for (size_t l = 0; l < (size_t)1 << t->depth; l++) {
        const double value = RATE * sum[l] / (count[l] + SHRINK) / LEAF_UNIT;
        t->leaf[l] = (int8_t)lround(fmax(-127.0, fmin(127.0, value)));
    }
    for (size_t i = 0; i < g->d->samples; i++)
        g->left[i] -= t->leaf[g->leaf[i]] * LEAF_UNIT;
}

/* Few samples cannot fill many leaves. */
static size_t depth_for(size_t samples)
{
    return samples < 30 ? 1 : samples < 80 ? 2 : 3;
}

static void grow(struct grower *g, struct tree *t, size_t depth)
{
    memset(t, 0, sizeof(*t));
    memset(g->leaf, 0, g->d->samples);
    while (t->depth < depth)
        add_level(g, t);
    set_leaves(g, t);
}

static void report(const struct grower *g, size_t trees)
{
    for (size_t i = 0; i < g->d->samples; i++)
        if (g->d->left && !taken(g, i))
            g->d->left[trees * g->d->samples + i] = g->left[i];
}

enum spacc_status spacc_boosted_fit(struct tree *tree, size_t trees,
                                    const struct boosted_data *d, int without)
{
    struct grower *g = malloc(sizeof(*g));
    enum spacc_status status = SPACC_ENOMEM;

    if (!g)
        return status;
    g->d = d;
    g->without = without;
    g->left = malloc((d->samples + 1) * sizeof(*g->left));
    g->leaf = malloc(d->samples + 1);
    if (!g->left || !g->leaf)
        goto out;
    memcpy(g->left, d->residual, d->samples * sizeof(*g->left));
    report(g, 0);
    for (size_t t = 0; t < trees; t++) {
        grow(g, &tree[t], depth_for(d->samples));
        report(g, t + 1);
    }
    status = SPACC_OK;
out:
    free(g->left);
    free(g->leaf);
    free(g);
    return status;
}
