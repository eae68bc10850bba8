/* conv_rows.h - a convolution as a LINEAR layer with masks (struct spacc_job): im2col without
 * its copies.
 *
 * A step brings one column of the image, kernel rows high: [kernel rows][channels], which
 * stands lane by lane in `words` words. A window is its own column and the `overlap` ones
 * before, so x crosses the bus once a kernel row and not once a kernel position. Where a step's
 * columns are no window (the first ones of a row of y, or between strides) no row is wanted: it
 * costs its x and nothing else. A kernel one column wide has a step a pixel.
 *
 * One image, group 1, no dilation. */
#ifndef SPACC_CONV_ROWS_H
#define SPACC_CONV_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_conv_shape {
    size_t channels, height, width, outputs; /* of x; channels of y */
    size_t kernel[2], stride[2];             /* rows, columns */
    size_t pads[4];                          /* top, left, bottom, right */
};

struct spacc_conv_rows {
    struct spacc_conv_shape shape;
    size_t lanes;
    size_t size[2];      /* rows and columns of y */
    size_t overlap;      /* of the job */
    size_t words;        /* of a column, a lane */
    size_t bank, x_cols; /* of the layer: (overlap + 1) * words; lanes * bank */
    size_t row_steps;    /* of a row of y */
    size_t steps;        /* of an image */
};

/* SPACC_EINVAL: a size of 0, or y without pixels. */
enum spacc_status spacc_conv_rows_make(struct spacc_conv_rows *out,
                                       const struct spacc_conv_shape *shape, size_t lanes,
                                       struct spacc_error *err);

/* Weights [outputs][channels][kernel rows][kernel columns] -> rows of the layer
 * [outputs][x_cols], zeros where lanes are filled up. */
void spacc_conv_rows_weights(const struct spacc_conv_rows *r, const float *weights, float *to);

/* An image [channels][height][width] -> x of the job, [steps][lanes * words], with `frac`
 * fraction bits. Returns how many values were cut. */
size_t spacc_conv_rows_x(const struct spacc_conv_rows *r, const float *x, int frac,
                         int16_t *to);

/* A mask [pixels][ceil(outputs / 64)] -> that of the job, [steps][the same]; NULL: all. */
void spacc_conv_rows_mask(const struct spacc_conv_rows *r, const uint64_t *mask, uint64_t *to);

/* y of the job, [steps][width] -> [outputs][rows][columns], times scale[output]. */
void spacc_conv_rows_y(const struct spacc_conv_rows *r, const int32_t *y, size_t width,
                       const float *scale, float *to);

#ifdef __cplusplus
}
#endif

#endif
