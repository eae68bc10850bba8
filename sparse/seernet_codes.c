/* Weights as n-bit codes, one scale an output channel, in the order the kernels read them. */
#include "sparse/seernet_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void measure(struct seer_channel *m, const float *w, const int8_t *q, size_t count)
{
    double square = 0.0, sum = 0.0, error = 0.0;

    for (size_t i = 0; i < count; i++) {
        square += (double)w[i] * (double)w[i];
        sum += fabs((double)w[i]);
        error += fabs((double)w[i] - (double)m->scale * (double)q[i]);
        m->code_sum += q[i];
    }
    m->norm2 = (float)sqrt(square);
    m->norm1 = (float)sum;
    m->error1 = (float)error;
}

/* q: [channels][taps], to work in. */
static void quantise_channel(struct spacc_seernet *s, const float *weights, size_t o, int8_t *q)
{
    const size_t taps = s->shape.taps, count = s->shape.in.channels * taps;
    const size_t block = s->code_runs.count * s->code_runs.padded * SPACC_SEER_BLOCK;
    const float *w = weights + o * count;
    struct seer_channel *m = s->channel + o;
    int8_t *codes = s->codes + o / SPACC_SEER_BLOCK * block;

    m->scale = seer_round(&s->shape, w, seer_weight_most(&s->options), s->options.nearest, q);
    measure(m, w, q, count);
    if (s->pairs) {
        seer_pairs_pack(s, o, q);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const size_t at =
            seer_run_at(&s->shape, &s->code_runs, s->code_channels, i / taps, i % taps);
        codes[seer_code_at(at, o % SPACC_SEER_BLOCK)] = q[i];
    }
}

enum { PAIRS = 2 * SPACC_SEER_BLOCK };

static void add_pairs(int32_t sum[PAIRS], const int8_t *w, int factor)
{
    for (size_t lane = 0; lane < PAIRS; lane++)
        sum[lane] += factor * (abs(w[2 * lane]) + abs(w[2 * lane + 1]));
}

/* Whether any `steps` quads side by side stay within 16 bits in every lane. */
static bool fit(const int8_t *w, size_t quads, size_t steps, int most)
{
    int32_t sum[PAIRS] = {0};

    for (size_t i = 0; i < quads; i++) {
        add_pairs(sum, w + i * 2 * PAIRS, most);
        if (i >= steps)
            add_pairs(sum, w + (i - steps) * 2 * PAIRS, -most);
        for (size_t lane = 0; lane < PAIRS; lane++)
            if (sum[lane] > INT16_MAX)
                return false;
    }
    return true;
}

size_t seer_steps(const int8_t *weights, size_t blocks, size_t quads, int most)
{
    size_t steps = seer_min(quads, 256);

    for (size_t b = 0; b < blocks && steps > 1; b++)
        while (steps > 1 &&
               !fit(weights + b * quads * 4 * SPACC_SEER_BLOCK, quads, steps, most))
            steps -= (steps + 7) / 8;
    return steps;
}

/* Kernels read whole runs at pixels beyond a row's end: that much is kept behind the image. */
static void size_image(struct spacc_seernet *s)
{
    const struct spacc_seer_shape *in = &s->shape.in;

    s->code_height = in->height + in->pads[0] + in->pads[2];
    s->code_width = in->width + in->pads[1] + in->pads[3];
    s->two_planes = s->options.bits > s->kernel->most_bits;
    const size_t width = s->pairs ? s->pairs : s->code_width;
    const size_t beyond = s->kernel->pixels * in->stride[1] * s->code_channels;
    s->plane_bytes = seer_round_up(s->code_height * width * s->code_channels + beyond +
                                       s->kernel->run_multiple,
                                   SEER_ALIGN);
    s->code_bytes = s->pairs ? SEER_PAIR_PLANES * s->plane_bytes : s->plane_bytes;
}

static enum spacc_status new_runs(struct spacc_seernet *s)
{
    s->code_channels = seer_round_up(s->shape.in.channels, 4);
    s->band = 1;
    if (seer_pairs_suit(s))
        return seer_pairs_new(s);
    const size_t width = s->shape.in.width + s->shape.in.pads[1] + s->shape.in.pads[3];
    return seer_runs_new(&s->code_runs, &s->shape.in, s->code_channels, s->code_channels,
                         width * s->code_channels, s->kernel->run_multiple);
}

enum spacc_status seer_codes_new(struct spacc_seernet *s, const float *weights)
{
    const struct seer_shape *y = &s->shape;

    if (s->options.bits == SPACC_SEER_EXACT)
        return SPACC_OK;
    const enum spacc_status status = new_runs(s);
    if (status != SPACC_OK)
        return status;
    size_image(s);
    const size_t blocks = y->blocks * (s->pairs ? SEER_PAIR_PLANES : 1);
    const size_t bytes = blocks * SPACC_SEER_BLOCK * s->code_runs.count * s->code_runs.padded;
    int8_t *q = malloc(y->in.channels * y->taps);
    s->codes = aligned_alloc(SEER_ALIGN, seer_round_up(bytes, SEER_ALIGN));
    if (s->codes && q) {
        memset(s->codes, 0, bytes);
        for (size_t o = 0; o < y->in.outputs; o++)
            quantise_channel(s, weights, o, q);
        const int most = s->two_planes ? 15 : (1 << s->options.bits) - 1;
        s->steps = seer_steps(s->codes, blocks, s->code_runs.count * s->code_runs.padded / 4,
                              s->pairs ? 2 * most : most);
    }
    const bool made = s->codes && q;
    free(q);
    return made ? SPACC_OK : SPACC_ENOMEM;
}
