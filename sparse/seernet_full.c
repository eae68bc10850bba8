/* Full weights in segments of input channels: a segment's patch of x stays in the first-level
 * cache while all output channels pass over it. */
#include "sparse/seernet_parts.h"

#include <stdlib.h>
#include <string.h>

/* About 576 products (9 taps of 64 channels), evenly cut, in steps of 16 channels. It sets the
 * order of every sum, and so knows nothing of kernels, tiles or caches. */
static size_t segment_channels(const struct seer_shape *y)
{
    const size_t channels = seer_round_up(y->in.channels, SPACC_SEER_LANES);
    size_t most = 576 / y->taps / SPACC_SEER_LANES * SPACC_SEER_LANES;

    most = most < 16 ? 16 : seer_min(most, 256);
    const size_t count = (channels + most - 1) / most;
    return seer_round_up((channels + count - 1) / count, SPACC_SEER_LANES);
}

static enum spacc_status segment_new(struct spacc_seernet *s, struct seer_segment *g)
{
    const size_t row = s->tiles.patch_width * g->channels;

    g->patch_row = seer_round_up(row, SPACC_SEER_LANES);
    return seer_runs_new(&g->runs, &s->shape.in, g->channels, g->channels, g->patch_row,
                         SPACC_SEER_LANES);
}

/* A segment's run of taps, from [channel][tap] to [tap][channel]. */
static void pack(const struct spacc_seernet *s, const struct seer_segment *g,
                 const float *weights, size_t o, float *to)
{
    const size_t taps = s->shape.taps, side = taps / g->runs.count;

    for (size_t t = 0; t < taps; t++)
        for (size_t c = 0; c < g->channels; c++)
            to[t / side * g->runs.padded + t % side * g->channels + c] =
                weights[(o * s->shape.in.channels + g->first + c) * taps + t];
}

/* Fills segments until `channels`; s->segments counts those made, so that they can be freed. */
static enum spacc_status cut(struct spacc_seernet *s, size_t width)
{
    const struct seer_shape *y = &s->shape;
    enum spacc_status status = SPACC_OK;

    for (size_t first = 0; first < y->in.channels && status == SPACC_OK; first += width) {
        struct seer_segment *g = s->segment + s->segments;
        g->first = first;
        g->channels = seer_min(width, y->in.channels - first);
        status = segment_new(s, g);
        s->segments += status == SPACC_OK;
        s->weight_values += y->in.outputs * g->runs.count * g->runs.padded;
        const size_t patch = s->tiles.patch_height * g->patch_row + g->runs.padded;
        s->patch_values = patch > s->patch_values ? patch : s->patch_values;
    }
    return status;
}

enum spacc_status seer_full_new(struct spacc_seernet *s, const float *weights)
{
    const struct seer_shape *y = &s->shape;
    const size_t width = segment_channels(y);

    s->tiles = seer_tiles(y, seer_min(width, y->in.channels), sizeof(float));
    s->segment = calloc((y->in.channels + width - 1) / width, sizeof(*s->segment));
    if (!s->segment || cut(s, width) != SPACC_OK)
        return SPACC_ENOMEM;
    const size_t bytes = seer_round_up(s->weight_values * sizeof(float), SEER_ALIGN);
    s->weights = aligned_alloc(SEER_ALIGN, bytes);
    if (!s->weights)
        return SPACC_ENOMEM;
    memset(s->weights, 0, bytes);
    float *to = s->weights;
    for (size_t i = 0; i < s->segments; i++) {
        struct seer_segment *g = s->segment + i;
        g->weights = to;
        for (size_t o = 0; o < y->in.outputs; o++, to += g->runs.count * g->runs.padded)
            pack(s, g, weights, o, to);
    }
    return SPACC_OK;
}
