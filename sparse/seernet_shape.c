/* Sizes: of y, of tiles, of pool windows, and which values of x a window reads. */
#include "sparse/seernet_parts.h"

#include <stdlib.h>

/* a * b, or 0 when either is or the product is above 2^31 - 1. */
static size_t product(size_t a, size_t b)
{
    const size_t most = INT32_MAX;
    return b > 0 && a <= most / b ? a * b : 0;
}

/* Pixels of y along one axis; 0: none, or sizes out of range. */
static size_t extent(size_t in, size_t kernel, size_t stride, size_t dilation,
                     const size_t pad[2])
{
    const size_t most = INT32_MAX / 4;
    if (kernel < 1 || stride < 1 || dilation < 1 || in < 1 || in > most || pad[0] > most ||
        pad[1] > most || stride > most || product(kernel, dilation) == 0)
        return 0;
    const size_t reach = (kernel - 1) * dilation + 1, padded = in + pad[0] + pad[1];
    return reach <= padded ? (padded - reach) / stride + 1 : 0;
}

enum spacc_status seer_shape_check(struct seer_shape *to, const struct spacc_seer_shape *in,
                                   struct spacc_error *err)
{
    const size_t down[2] = {in->pads[0], in->pads[2]}, across[2] = {in->pads[1], in->pads[3]};

    *to = (struct seer_shape){.in = *in};
    to->rows = extent(in->height, in->kernel[0], in->stride[0], in->dilation[0], down);
    to->cols = extent(in->width, in->kernel[1], in->stride[1], in->dilation[1], across);
    if (!to->rows || !to->cols || !in->channels || !in->outputs)
        return spacc_fail(
            err, SPACC_EINVAL,
            "seernet: x [%zu, %zu, %zu] with a %zu x %zu kernel has no %zu outputs", in->height,
            in->width, in->channels, in->kernel[0], in->kernel[1], in->outputs);
    to->taps = product(in->kernel[0], in->kernel[1]);
    to->pixels = product(to->rows, to->cols);
    const size_t products = product(to->taps, in->channels);
    const size_t padded =
        product(in->height + down[0] + down[1], in->width + across[0] + across[1]);
    if (!products || products > 65536)
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "seernet: %zu channels and %zu x %zu taps; at most 65536 products",
                          in->channels, in->kernel[0], in->kernel[1]);
    if (!product(to->pixels, seer_round_up(in->outputs, 64)) ||
        !product(padded, seer_round_up(in->channels, 16)) || !product(products, in->outputs))
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "seernet: x [%zu, %zu, %zu] to %zu outputs: more than 2^31 values",
                          in->height, in->width, in->channels, in->outputs);
    to->words = (in->outputs + SEER_MASK_BITS - 1) / SEER_MASK_BITS;
    to->blocks = (in->outputs + SPACC_SEER_BLOCK - 1) / SPACC_SEER_BLOCK;
    return SPACC_OK;
}

void seer_pool_size(const struct seer_shape *y, const struct spacc_seer_pool *pool,
                    size_t size[2])
{
    const size_t down[2] = {pool->pads[0], pool->pads[2]};
    const size_t across[2] = {pool->pads[1], pool->pads[3]};

    size[0] = extent(y->rows, pool->kernel[0], pool->stride[0], 1, down);
    size[1] = extent(y->cols, pool->kernel[1], pool->stride[1], 1, across);
}

void seer_pool_span(const struct seer_shape *y, const struct spacc_seer_pool *pool, int axis,
                    size_t at, size_t span[2])
{
    const size_t first = at * pool->stride[axis], pad = pool->pads[axis];
    const size_t size = axis ? y->cols : y->rows;

    span[0] = seer_min(first > pad ? first - pad : 0, size);
    const size_t end = first + pool->kernel[axis];
    span[1] = seer_min(end > pad ? end - pad : 0, size);
}

void seer_pool_windows(const struct seer_shape *y, const struct spacc_seer_pool *pool,
                       const size_t rows[2], size_t windows[2])
{
    const size_t stride = pool->stride[0], first = rows[0] + pool->pads[0] + 1;
    size_t size[2];

    seer_pool_size(y, pool, size);
    windows[0] = first > pool->kernel[0] ? (first - pool->kernel[0] + stride - 1) / stride : 0;
    windows[1] = (rows[1] + pool->pads[0] + stride - 1) / stride;
    windows[1] = seer_min(windows[1], size[0]);
}

/* `pixel` and `row`: values from a pixel to the next, and from a row to the next. */
enum spacc_status seer_runs_new(struct seer_runs *r, const struct spacc_seer_shape *in,
                                size_t channels, size_t pixel, size_t row, size_t multiple)
{
    const size_t taps = in->dilation[1] == 1 ? 1 : in->kernel[1];

    r->count = in->kernel[0] * taps;
    r->values = taps == 1 ? (in->kernel[1] - 1) * pixel + channels : channels;
    r->padded = seer_round_up(r->values, multiple);
    r->offset = malloc(r->count * sizeof(*r->offset));
    if (!r->offset)
        return SPACC_ENOMEM;
    for (size_t i = 0; i < r->count; i++)
        r->offset[i] =
            (uint32_t)(i / taps * in->dilation[0] * row + i % taps * in->dilation[1] * pixel);
    return SPACC_OK;
}

/* Tiles of about height x width, as even as they can be. */
static struct seer_tiles cut(const struct seer_shape *y, size_t height, size_t width)
{
    const struct spacc_seer_shape *in = &y->in;
    struct seer_tiles t = {.down = (y->rows + height - 1) / height,
                           .across = (y->cols + width - 1) / width};

    t.height = (y->rows + t.down - 1) / t.down;
    t.width = (y->cols + t.across - 1) / t.across;
    t.count = t.down * t.across;
    t.patch_height = (t.height - 1) * in->stride[0] + (in->kernel[0] - 1) * in->dilation[0] + 1;
    t.patch_width = (t.width - 1) * in->stride[1] + (in->kernel[1] - 1) * in->dilation[1] + 1;
    return t;
}

/* The fewest tiles of at most 64 pixels whose patches stay in a first-level cache of 32 KiB,
 * beside two rows of weights and the outputs of 16 channels; of those the smallest patch. 16
 * pixels are always allowed: fewer share too little of a channel's weights. */
struct seer_tiles seer_tiles(const struct seer_shape *y, size_t channels, size_t value_bytes)
{
    const size_t budget = 24 * 1024 / (channels * value_bytes);
    struct seer_tiles best = cut(y, 1, 1);

    for (size_t i = 0; i < SPACC_SEER_TILE * SPACC_SEER_TILE; i++) {
        const size_t height = i / SPACC_SEER_TILE + 1, width = i % SPACC_SEER_TILE + 1;
        const struct seer_tiles t = cut(y, height, width);
        const size_t patch = t.patch_height * t.patch_width;
        if (height * width > (patch <= budget ? SPACC_SEER_TILE : 16))
            continue;
        if (t.count < best.count ||
            (t.count == best.count && patch < best.patch_height * best.patch_width))
            best = t;
    }
    return best;
}
