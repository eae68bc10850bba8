/* seernet_parts.h - what the files of seernet share. */
#ifndef SPACC_SEERNET_PARTS_H
#define SPACC_SEERNET_PARTS_H

#include "sparse/seernet.h"
#include "sparse/seernet_kernels.h"

enum { SEER_ALIGN = 64, SEER_MASK_BITS = 64, SEER_PAIR_PLANES = 4 };

/* Sizes of a layer, checked. */
struct seer_shape {
    struct spacc_seer_shape in;
    size_t rows, cols, pixels; /* of y */
    size_t words;              /* of a pixel's mask */
    size_t blocks;             /* of output channels */
    size_t taps;
};

/* The window of an output as runs of values that lie side by side: whole kernel rows, or
 * single taps when the columns are dilated. */
struct seer_runs {
    size_t count, values; /* values of a run: taps side by side times their channels */
    size_t padded;        /* values of a run as stored, zeros behind the last */
    uint32_t *offset;     /* [count], values from the first tap */
};

/* y is cut in tiles; a tile's x, pads included, is copied to a patch. */
struct seer_tiles {
    size_t height, width;             /* pixels of a tile, at most 64 together */
    size_t down, across, count;       /* tiles of y */
    size_t patch_height, patch_width; /* pixels of x */
};

/* Input channels first .. first + channels - 1 of all full weights. */
struct seer_segment {
    size_t first, channels;
    size_t patch_row; /* values of a row of a patch */
    struct seer_runs runs;
    const float *weights; /* [outputs][runs.count][runs.padded] */
};

/* What is known of an output channel's weights; see seernet_threshold.c. */
struct seer_channel {
    float bias, scale; /* s_w; 0: no weights */
    float norm2;       /* square root of the sum of squares */
    float norm1;       /* sum of |w| */
    float error1;      /* sum of |w - s_w code| */
    int32_t code_sum;
};

struct spacc_seernet {
    struct seer_shape shape;
    struct spacc_seer_options options;
    const struct spacc_seer_kernel *kernel;

    /* Prediction. Codes of x are an image with pads, `code_channels` bytes a pixel. */
    size_t code_channels, code_height, code_width;
    size_t code_bytes; /* of a plane, with what kernels read behind it; all four of pairs */
    bool two_planes;
    size_t steps; /* of struct spacc_seer_sums */
    struct seer_runs code_runs;
    int8_t *codes; /* [blocks][runs][padded / 4][16][4]; of pairs 4 of these */
    size_t band;   /* rows of y that are summed together */

    /* Columns of y are predicted two by two, so many pairs a row; 0: one by one. */
    size_t pairs, plane_bytes;
    int32_t *pair_base; /* [blocks][2][16], what is added to doubled sums */

    struct seer_channel *channel;

    struct seer_tiles tiles;
    size_t patch_values; /* of a part's patch */
    size_t segments;
    struct seer_segment *segment;
    float *weights;
    size_t weight_values;
};

/* The largest code of a weight. */
int seer_weight_most(const struct spacc_seer_options *o);

/* seernet_round.c: codes of an output channel's weights [channels][taps], not above `most`, and
 * their scale; 0 when all weights are 0. */
float seer_round(const struct seer_shape *y, const float *w, int most, bool nearest,
                 int8_t *codes);
/* What the scale of x is made for, of the largest magnitude: larger values are cut. */
float seer_x_share(const struct spacc_seer_options *o);

/* What quantising found out. */
struct seer_state {
    float scale; /* s_x; 0: x is all zero */
    int zero;    /* code of 0 */
    int most;    /* largest distance of a code from it */
    bool finite;
};

/* Where things are in the scratch. */
struct seer_scratch {
    struct seer_state *state;
    int32_t *above, *high; /* [blocks * 16] */
    uint8_t *code, *low;   /* planes of codes; low is NULL when one does */
    uint64_t *tile;        /* [tiles][words * 64] pixels to compute */
    float *partial;        /* [tiles][outputs][64] with several segments */
    char *parts;           /* each part's own memory */
    size_t part_bytes;
    size_t products; /* of pairs: where they are in a part's memory */
};

/* Bytes up to the parts' memory. With scratch NULL only that. */
size_t seer_scratch(const struct spacc_seernet *s, void *scratch, struct seer_scratch *at);

enum spacc_status seer_shape_check(struct seer_shape *to, const struct spacc_seer_shape *in,
                                   struct spacc_error *err);
/* Rows and columns of the pool's output. */
void seer_pool_size(const struct seer_shape *y, const struct spacc_seer_pool *pool,
                    size_t size[2]);
/* Pixels of window `at` along one axis (0 rows, 1 columns): first .. end - 1. */
void seer_pool_span(const struct seer_shape *y, const struct spacc_seer_pool *pool, int axis,
                    size_t at, size_t span[2]);
/* Windows whose rows touch rows[0] .. rows[1] - 1 of y. */
void seer_pool_windows(const struct seer_shape *y, const struct spacc_seer_pool *pool,
                       const size_t rows[2], size_t windows[2]);

enum spacc_status seer_runs_new(struct seer_runs *r, const struct spacc_seer_shape *in,
                                size_t channels, size_t pixel, size_t row, size_t multiple);
struct seer_tiles seer_tiles(const struct seer_shape *y, size_t channels, size_t value_bytes);

/* The steps of struct spacc_seer_sums for weights [blocks][quads][16][4] and codes up to
 * `most`: the most that were found, at least 1 while 2 * 128 * most fits 16 bits. */
size_t seer_steps(const int8_t *weights, size_t blocks, size_t quads, int most);

/* seernet_codes.c and seernet_full.c: the weights of each half. */
enum spacc_status seer_codes_new(struct spacc_seernet *s, const float *weights);
enum spacc_status seer_full_new(struct spacc_seernet *s, const float *weights);

/* Put a block's 16 bits of `count` pixels into the mask; the first block of a word clears. */
void seer_put_bits(const struct seer_shape *y, uint64_t *mask, size_t pixel, size_t block,
                   const uint16_t *bits, size_t count);

/* seernet_pairs.c: whether columns can be summed two by two, and all of it. `planes`: codes of
 * struct seer_scratch. */
bool seer_pairs_suit(const struct spacc_seernet *s);
enum spacc_status seer_pairs_new(struct spacc_seernet *s);
/* Codes [channels][taps] of output o's weights. */
void seer_pairs_pack(struct spacc_seernet *s, size_t o, const int8_t *q);
/* A row of codes with its pads, row y of the image. */
void seer_pairs_split(const struct spacc_seernet *s, const uint8_t *row, size_t y,
                      uint8_t *planes);
/* Products of a band of rows of so many blocks. */
size_t seer_pairs_values(const struct spacc_seernet *s, size_t blocks);
/* Sums of blocks block[0] .. block[1] - 1, `apart` values apart, each [rows][cols][16]. */
void seer_pairs_sum(const struct spacc_seernet *s, const uint8_t *planes, const size_t block[2],
                    const size_t rows[2], int32_t *products, int32_t *sums, size_t apart);

/* seernet_mask.c: tiles tiles[0] .. tiles[1] - 1 of a mask, [tiles][words * 64] by channel. */
void seer_list(const struct seer_shape *y, const struct seer_tiles *t, const uint64_t *mask,
               const size_t tiles[2], uint64_t *to);

/* seernet_threshold.c */
void seer_thresholds(const struct spacc_seernet *s, const struct seer_state *state,
                     int32_t *above, int32_t *high);

static inline size_t seer_round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* Where channel c of tap t stands in the runs of an output. */
static inline size_t seer_run_at(const struct seer_shape *y, const struct seer_runs *r,
                                 size_t pixel, size_t c, size_t t)
{
    const size_t side = y->taps / r->count; /* taps of a run */
    return t / side * r->padded + t % side * pixel + c;
}

/* The same in a block of 16 outputs, of which this is `lane`: fours of channels side by side.
 */
static inline size_t seer_code_at(size_t at, size_t lane)
{
    return at / 4 * 4 * SPACC_SEER_BLOCK + lane * 4 + at % 4;
}

static inline size_t seer_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

#endif
