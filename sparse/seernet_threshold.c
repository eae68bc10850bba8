/* One integer a channel. With codes q of x (zero code z) and v of w, acc = sum q v:
 *   y ~ s_x s_w (acc - z sum v) + b.
 * Above zero (less the margin) is then acc > above. And what is surely at `high`:
 *   |x - s_x (q - z)| <= s_x / 2, so |y - that| <= s_x (|w|_1 / 2 + most |w - s_w v|_1),
 * where `most` is the largest |q - z|. The bound needs every x within the scale's reach. */
#include "sparse/seernet_parts.h"

#include <math.h>

/* The largest integer not above t, within int32: above INT32_MAX - 1 nothing passes. */
static int32_t floor_int32(double t)
{
    const double low = INT32_MIN, high = INT32_MAX;
    return t <= low ? INT32_MIN : t >= high ? INT32_MAX : (int32_t)floor(t);
}

static int32_t above_zero(const struct seer_channel *m, const struct seer_state *state,
                          float margin)
{
    const double unit = (double)state->scale * (double)m->scale;
    const double error = (double)state->scale * (double)m->norm2 / sqrt(12.0);
    const double limit = -(double)m->bias - (double)margin * error;

    if (!(unit > 0.0))
        return limit < 0.0 ? INT32_MIN : INT32_MAX;
    return floor_int32(limit / unit + (double)state->zero * m->code_sum);
}

/* Rounding of the f32 sum: 16 lanes of at most `products` / 16 terms, then segments. */
static double rounding(const struct seer_shape *y, const struct seer_channel *m, double largest)
{
    const double steps = (double)(y->taps * y->in.channels) / SPACC_SEER_LANES + 64.0;
    return steps * 0x1p-24 * ((double)m->norm1 * largest + fabs((double)m->bias));
}

static int32_t surely_high(const struct spacc_seernet *s, const struct seer_channel *m,
                           const struct seer_state *state)
{
    const double unit = (double)state->scale * (double)m->scale;
    const double bound = (double)state->scale *
                         ((double)m->norm1 * 0.5001 + state->most * (double)m->error1 * 1.0001);
    const double room = rounding(&s->shape, m, (double)state->scale * (state->most + 1));
    const double least = (double)s->options.high - (double)m->bias + bound + room;

    if (!(unit > 0.0))
        return INT32_MAX; /* nothing to gain */
    return floor_int32(least / unit + (double)state->zero * m->code_sum + 1.0);
}

void seer_thresholds(const struct spacc_seernet *s, const struct seer_state *state,
                     int32_t *above, int32_t *high)
{
    const size_t outputs = s->shape.in.outputs;

    for (size_t o = 0; o < s->shape.blocks * SPACC_SEER_BLOCK; o++) {
        above[o] = high[o] = INT32_MAX;
        if (o < outputs && !state->finite)
            above[o] = INT32_MIN;
        else if (o < outputs) {
            above[o] = above_zero(s->channel + o, state, s->options.margin);
            high[o] = surely_high(s, s->channel + o, state);
        }
    }
}
