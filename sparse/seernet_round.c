/* Weights to codes so that their errors cancel. The mask hangs on the sign of sum(x w), so what
 * counts is the error d of the weights as x sees it, d^T H d with H = E[x x^T]. Behind a ReLU
 * x is not negative and neighbours are alike; with no data at hand
 *   H = 1 + ALL + ALIKE within an input channel (its taps) + ALONE on the diagonal.
 * Codes are chosen weight by weight; the error e of each goes on to those after it, in the
 * proportion that makes up for it best: by v e, v = H_FF^-1 H_Fj with F the weights to come. H
 * is constant on channels, so v is too: `same` on the rest of the channel, `others` on the
 * channels after it, and no matrix is needed. */
#include "sparse/seernet_parts.h"

#include <math.h>
#include <string.h>

static const double all = 1.0, alike = 3.0; /* beside 1 on the diagonal */
/* Scales that are tried: for the largest weight, and for ever less of it. */
enum { SCALES = 5 };
static const float narrower = 0.1F;

int seer_weight_most(const struct spacc_seer_options *o)
{
    return (1 << ((o->weight_bits ? o->weight_bits : o->bits) - 1)) - 1;
}

/* Measured on four networks (models/README.md): what cutting costs is less than what finer
 * steps are worth. A bound (CLIP) needs all of x. */
float seer_x_share(const struct spacc_seer_options *o)
{
    static const float share[SPACC_SEER_BITS_MAX + 1] = {1.0F, 1.0F, 0.4F, 0.55F, 0.7F,
                                                         0.8F, 0.9F, 1.0F, 1.0F};
    return o->nearest || o->after == SPACC_SEER_CLIP ? 1.0F : share[o->bits];
}

static float largest_of(const float *w, size_t count)
{
    float largest = 0.0F;

    for (size_t i = 0; i < count; i++)
        largest = fmaxf(largest, fabsf(w[i]));
    return largest;
}

static double code_of(double w, double scale, int most)
{
    return fmin(fmax(rint(w / scale), (double)-most), (double)most);
}

/* Where an error goes when `taps` weights of its channel and `channels` channels follow. */
struct share {
    double same, others;
};

static struct share share_of(const struct seer_shape *y, size_t channels, size_t taps)
{
    const double whole = 1.0 + alike * (double)y->taps, part = 1.0 + alike * (double)taps;
    const double spread = (double)taps / part + (double)(channels * y->taps) / whole;
    const double sum = (all * spread + alike * (double)taps / part) / (1.0 + all * spread);

    return (struct share){.same = (all * (1.0 - sum) + alike) / part,
                          .others = all * (1.0 - sum) / whole};
}

/* Fills codes; d^T H d. */
static double round_with(const struct seer_shape *y, const float *w, double scale, int most,
                         int8_t *codes)
{
    double later = 0.0, total = 0.0, cost = 0.0;

    for (size_t c = 0; c < y->in.channels; c++) {
        double carry = later, channel = 0.0;
        for (size_t t = 0; t < y->taps; t++, w++, codes++) {
            const struct share v = share_of(y, y->in.channels - 1 - c, y->taps - 1 - t);
            const double want = (double)*w + carry, q = code_of(want, scale, most);
            const double d = q * scale - (double)*w;
            *codes = (int8_t)q;
            carry += v.same * (want - q * scale);
            later += v.others * (want - q * scale);
            channel += d;
            cost += d * d;
        }
        cost += alike * channel * channel;
        total += channel;
    }
    return cost + all * total * total;
}

static float round_nearest(const float *w, size_t count, int most, int8_t *codes)
{
    const float scale = largest_of(w, count) / (float)most;

    for (size_t i = 0; i < count && scale > 0.0F; i++)
        codes[i] = (int8_t)fminf(fmaxf(rintf(w[i] / scale), (float)-most), (float)most);
    return scale;
}

float seer_round(const struct seer_shape *y, const float *w, int most, bool nearest,
                 int8_t *codes)
{
    const size_t count = y->in.channels * y->taps;
    const float largest = largest_of(w, count) / (float)most;
    double best = INFINITY;
    float scale = largest;

    memset(codes, 0, count);
    if (nearest)
        return round_nearest(w, count, most, codes);
    for (int i = 0; i < SCALES && largest > 0.0F; i++) {
        const float s = (1.0F - narrower * (float)i) * largest;
        const double cost = s > 0.0F ? round_with(y, w, (double)s, most, codes) : INFINITY;
        if (cost < best) {
            best = cost;
            scale = s;
        }
    }
    if (largest > 0.0F)
        round_with(y, w, (double)scale, most, codes);
    return scale;
}
