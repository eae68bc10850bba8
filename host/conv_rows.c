#include "host/conv_rows.h"

#include <stdbool.h>
#include <string.h>

#include "sparse/fixed.h"

static bool has_size(const struct spacc_conv_shape *s)
{
    return s->channels && s->height && s->width && s->outputs && s->kernel[0] && s->kernel[1] &&
           s->stride[0] && s->stride[1] &&
           s->height + s->pads[0] + s->pads[2] >= s->kernel[0] &&
           s->width + s->pads[1] + s->pads[3] >= s->kernel[1];
}

enum spacc_status spacc_conv_rows_make(struct spacc_conv_rows *out,
                                       const struct spacc_conv_shape *s, size_t lanes,
                                       struct spacc_error *err)
{
    struct spacc_conv_rows *r = out;

    memset(out, 0, sizeof(*out));
    if (!has_size(s))
        return spacc_fail(err, SPACC_EINVAL, "a convolution of %zux%zu over %zux%zu pixels",
                          s->kernel[0], s->kernel[1], s->height, s->width);
    r->shape = *s;
    r->lanes = lanes;
    r->size[0] = (s->height + s->pads[0] + s->pads[2] - s->kernel[0]) / s->stride[0] + 1;
    r->size[1] = (s->width + s->pads[1] + s->pads[3] - s->kernel[1]) / s->stride[1] + 1;
    r->overlap = s->kernel[1] - 1;
    r->words = (s->kernel[0] * s->channels + lanes - 1) / lanes;
    r->bank = s->kernel[1] * r->words;
    r->x_cols = lanes * r->bank;
    r->row_steps = r->overlap ? (r->size[1] - 1) * s->stride[1] + s->kernel[1] : r->size[1];
    r->steps = r->size[0] * r->row_steps;
    return SPACC_OK;
}

/* ---- weights ----------------------------------------------------------------- */

/* Column of the layer where value j of the column at kernel column k stands. */
static size_t column_of(const struct spacc_conv_rows *r, size_t k, size_t j)
{
    return j / r->words * r->bank + k * r->words + j % r->words;
}

void spacc_conv_rows_weights(const struct spacc_conv_rows *r, const float *weights, float *to)
{
    const struct spacc_conv_shape *s = &r->shape;
    const float *w = weights;

    memset(to, 0, s->outputs * r->x_cols * sizeof(*to));
    for (size_t o = 0; o < s->outputs; o++)
        for (size_t c = 0; c < s->channels; c++)
            for (size_t i = 0; i < s->kernel[0]; i++)
                for (size_t k = 0; k < s->kernel[1]; k++)
                    to[o * r->x_cols + column_of(r, k, i * s->channels + c)] = *w++;
}

/* ---- x ----------------------------------------------------------------------- */

/* Column of the image that a step brings, with pads before it: true when it is no pad. */
static bool image_column(const struct spacc_conv_rows *r, size_t step, size_t *column)
{
    const size_t at = step % r->row_steps * (r->overlap ? 1 : r->shape.stride[1]);

    *column = at - r->shape.pads[1];
    return at >= r->shape.pads[1] && *column < r->shape.width;
}

static size_t put_column(const struct spacc_conv_rows *r, const float *x, size_t step, int frac,
                         int16_t *to)
{
    const struct spacc_conv_shape *s = &r->shape;
    const size_t first = step / r->row_steps * s->stride[0];
    size_t cuts = 0, column;

    if (!image_column(r, step, &column))
        return 0;
    for (size_t i = 0; i < s->kernel[0]; i++) {
        const size_t row = first + i - s->pads[0];
        if (first + i < s->pads[0] || row >= s->height)
            continue;
        for (size_t c = 0; c < s->channels; c++)
            cuts += spacc_fixed_from_float16(&to[i * s->channels + c],
                                             &x[(c * s->height + row) * s->width + column], 1,
                                             frac);
    }
    return cuts;
}

size_t spacc_conv_rows_x(const struct spacc_conv_rows *r, const float *x, int frac, int16_t *to)
{
    const size_t cols = r->lanes * r->words;
    size_t cuts = 0;

    memset(to, 0, r->steps * cols * sizeof(*to));
    for (size_t t = 0; t < r->steps; t++)
        cuts += put_column(r, x, t, frac, to + t * cols);
    return cuts;
}

/* ---- pixels ------------------------------------------------------------------ */

/* Step that ends the window of a pixel. */
static size_t step_of(const struct spacc_conv_rows *r, size_t pixel)
{
    const size_t column = pixel % r->size[1];

    return pixel / r->size[1] * r->row_steps +
           (r->overlap ? column * r->shape.stride[1] + r->overlap : column);
}

void spacc_conv_rows_mask(const struct spacc_conv_rows *r, const uint64_t *mask, uint64_t *to)
{
    const size_t outputs = r->shape.outputs, words = (outputs + 63) / 64;

    memset(to, 0, r->steps * words * sizeof(*to));
    for (size_t p = 0; p < r->size[0] * r->size[1]; p++)
        for (size_t w = 0; w < words; w++) {
            const size_t bits = outputs - 64 * w;
            const uint64_t all = bits < 64 ? (UINT64_C(1) << bits) - 1 : UINT64_MAX;
            to[step_of(r, p) * words + w] = mask ? mask[p * words + w] & all : all;
        }
}

void spacc_conv_rows_y(const struct spacc_conv_rows *r, const int32_t *y, size_t width,
                       const float *scale, float *to)
{
    const size_t pixels = r->size[0] * r->size[1];

    for (size_t p = 0; p < pixels; p++)
        for (size_t o = 0; o < r->shape.outputs; o++)
            to[o * pixels + p] = (float)y[step_of(r, p) * width + o] * scale[o];
}
