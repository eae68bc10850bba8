/* Terms of the closed form: work in whole blocks, spread over the threads by whole tasks, as
 * CoDL's ceil(work / (block * cores)) * t. Which of them a kernel pays for, and how much, is
 * fitted; a kernel that works in blocks of 16 columns picks that term over the one of 8. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "scheduler/predict/costs_parts.h"

enum { TILE_ROWS = 64, L1_BYTES = 32768 };

struct terms {
    const struct spacc_work *w;
    const struct spacc_machine *m;
    double threads;
    double *term;
    size_t count;
};

static void put(struct terms *t, double value)
{
    assert(t->count < TERMS_MAX);
    t->term[t->count++] = value;
}

/* Tasks of the busiest thread. */
static double share(const struct terms *t, double tasks)
{
    return ceil(tasks / t->threads);
}

/* x in whole blocks. */
static double whole(double x, double block)
{
    return ceil(x / block) * block;
}

static double at_least_1(double x)
{
    return x > 1.0 ? x : 1.0;
}

/* What does not stay in caches of `bytes`. */
static double beyond(double total, uint64_t bytes)
{
    return total > (double)bytes ? total - (double)bytes : 0.0;
}

/* A call, the threads' start, and what moves: the terms that all have. */
static void put_common(struct terms *t)
{
    const struct spacc_work *w = t->w;
    const double moved = w->in_bytes + w->out_bytes;

    put(t, 1.0);
    put(t, t->threads - 1.0);
    put(t, w->cold);
    put(t, w->in_bytes / t->threads);
    put(t, w->out_bytes / t->threads);
    put(t, beyond(moved, t->m->l2_bytes / 16) / t->threads); /* a first level is 32 KiB */
    put(t, beyond(moved, t->m->l2_bytes / 2) / t->threads);
    put(t, beyond(moved, t->m->l2_bytes) / t->threads);
    put(t, beyond(moved + w->weight_bytes, t->m->l3_bytes / 8));
}

static void put_weights(struct terms *t)
{
    put(t, t->w->weight_bytes / t->threads);
    put(t, t->w->cold ? t->w->weight_bytes / t->threads : 0.0);
}

/* ---- windows ------------------------------------------------------------------------ */

enum { N, IC, OC, H, W, KH, KW, SH, SW, DH, GROUPS, JOINED, CONV_HEAVY };

/* A convolution as its kernels see it. */
struct window {
    double images, oc,
        deep; /* groups times images; channels of one group, ic in whole eights */
    double pixels, taps;
    double rows; /* of 8 channels, of the busiest thread */
};

/* Depthwise channels are eights of a group each; of a deconvolution a result sees but every
 * s-th tap. */
static struct window window_of(const struct terms *t)
{
    const double *s = t->w->size;
    const bool each = s[GROUPS] > 1.0 && s[GROUPS] >= s[IC];
    const double groups = each ? ceil(s[OC] / 8.0) : at_least_1(s[GROUPS]);
    const double ic = each ? 1.0 : s[IC] / groups;
    struct window v = {.images = s[N] * groups,
                       .oc = each ? 8.0 : s[OC] / groups,
                       .deep = ic < 8.0 ? ic : whole(ic, 8.0),
                       .pixels = s[H] * s[W],
                       .taps = s[KH] * s[KW]};

    if (t->w->family == SPACC_WORK_DECONV)
        v.taps /= at_least_1(s[SH] * s[SW]);
    v.rows = share(t, v.images * ceil(v.oc / 8.0) * s[H]);
    return v;
}

/* All pixels in a row; weights that leave the second level come again. As many terms as of
 * rows. */
static void put_pixels(struct terms *t, const struct window *v)
{
    const double sums = v->taps * v->deep;

    put(t, v->images * share(t, ceil(v->pixels / 6.0)) * whole(v->oc, 16.0) * sums);
    put(t, v->images * share(t, ceil(v->pixels / 4.0)) * whole(v->oc, 8.0) * sums);
    put(t, share(t, v->images * ceil(v->oc / 8.0)) * v->pixels *
               beyond(v->deep * 96.0, L1_BYTES / 2));
    put(t, v->pixels * beyond(t->w->weight_bytes, t->m->l2_bytes / 2) / t->threads);
    put(t, t->w->size[SW] > 1.0 ? t->w->in_bytes / t->threads : 0.0);
    put(t, t->w->size[N] * v->pixels * v->taps * t->w->size[IC] / t->threads);
}

/* Rows by windows: their ends, and inputs that are read by every 32 channels. */
static void put_windows(struct terms *t, const struct window *v)
{
    const double *s = t->w->size;
    const double sums = v->taps * v->deep;

    put(t, share(t, v->images * ceil(v->oc / 24.0) * s[H]) * whole(s[W], 4.0) * sums);
    put(t, v->images * ceil(v->oc / 8.0) * (s[H] + s[W]) * sums / t->threads);
    put(t, s[W] <= s[KW] ? v->rows : 0.0);
    put(t, s[H] * beyond(t->w->weight_bytes, t->m->l2_bytes / 2) / t->threads);
    put(t, ceil(v->oc / 32.0) * t->w->in_bytes / t->threads);
    put(t, s[SW] > 1.0 ? v->rows * s[W] * sums : 0.0);
}

static void put_conv(struct terms *t)
{
    const double *s = t->w->size;
    const struct window v = window_of(t);
    const double sums = v.taps * v.deep;

    put_common(t);
    put_weights(t);
    put(t, t->w->macs / t->threads);
    /* direct: rows of 8 channels (4 such blocks by 3 pixels, 2 by 6) */
    put(t, v.rows);
    put(t, v.rows * s[KH] * ceil(v.deep / 8.0));
    put(t, v.rows * s[W]);
    put(t, v.rows * s[W] * (s[SW] > 1.0));
    put(t, v.rows * s[W] * s[CONV_HEAVY]);
    put(t, v.rows * s[W] * (s[JOINED] > 1.0));
    put(t, v.rows * s[W] * sums);
    put(t, share(t, v.images * ceil(v.oc / 32.0) * s[H]) * whole(s[W], 3.0) * sums);
    put(t, share(t, v.images * ceil(v.oc / 16.0) * s[H]) * whole(s[W], 6.0) * sums);
    put(t, v.rows * whole(s[W], 4.0) * v.taps);
    if (strstr(t->w->kernel, "jit:")) /* "onednn conv jit:avx2" */
        put_windows(t, &v);
    else
        put_pixels(t, &v);
    put(t, v.images * ceil(v.oc / 8.0));
    /* Winograd, tiles of 4 x 4: products, transforms */
    const double tiles = s[N] * share(t, ceil(s[H] / 4.0) * ceil(s[W] / 4.0));
    put(t, tiles * whole(v.oc, 16.0) * v.deep);
    put(t, tiles * (v.oc + v.deep));
}

enum { POOL_N, POOL_C, POOL_H, POOL_W, POOL_KH, POOL_KW, POOL_SH, POOL_SW };

static void put_pool(struct terms *t)
{
    const double *s = t->w->size;
    const double taps = s[POOL_KH] * s[POOL_KW];

    put_common(t);
    put(t, share(t, s[POOL_N] * s[POOL_C]));
    put(t, share(t, s[POOL_N] * s[POOL_C]) * s[POOL_H]);
    put(t, share(t, s[POOL_N] * s[POOL_C]) * s[POOL_H] * s[POOL_W]);
    put(t, share(t, s[POOL_N] * s[POOL_C]) * s[POOL_H] * s[POOL_W] * taps);
    put(t, share(t, s[POOL_N] * s[POOL_C]) * s[POOL_H] * ceil(s[POOL_W] / 8.0) * taps);
    put(t, share(t, s[POOL_N] * ceil(s[POOL_C] / 8.0) * s[POOL_H]));
    put(t, share(t, s[POOL_N] * ceil(s[POOL_C] / 8.0) * s[POOL_H]) * s[POOL_W] * taps);
    put(t, share(t, s[POOL_N] * ceil(s[POOL_C] / 8.0) * s[POOL_H]) * s[POOL_W]);
    put(t, s[POOL_N] * s[POOL_C] * s[POOL_H] * s[POOL_W] * taps);
}

/* ---- products ----------------------------------------------------------------------- */

enum { BATCH, M, PN, K, DENSITY, PRODUCT_JOINED };

/* Weights that a column of a tile's block keeps: of banks of one, all as soon as one of 64 rows
 * keeps it. */
static double kept_of(const struct spacc_work *w, double density)
{
    return strstr(w->kernel, "/1 ") ? 1.0 : density;
}

/* Tiles of 64 rows, walked once for every 4, 2 or 1 vectors; records of a block come from
 * beyond the first level again if they do not stay in it. */
static void put_tiles(struct terms *t)
{
    const double *s = t->w->size;
    const double slots = s[K] * kept_of(t->w, s[DENSITY]);
    const double blocks = s[BATCH] * share(t, ceil(s[PN] / TILE_ROWS));
    const double fours = floor(s[M] / 4.0), rest = s[M] - 4.0 * fours;
    const double twos = floor(rest / 2.0), ones = rest - 2.0 * twos;
    const double block_bytes = slots * 4 * TILE_ROWS;
    const double bytes = blocks * block_bytes;

    put(t, blocks * s[M]);
    put(t, blocks * s[M] * s[K]); /* columns, kept or not */
    put(t, blocks * slots * fours);
    put(t, blocks * slots * twos);
    put(t, blocks * slots * ones);
    put(t, bytes);
    put(t, t->w->cold ? bytes : 0.0);
    put(t, beyond(bytes, L1_BYTES));
    put(t, t->w->cold ? beyond(bytes, t->m->l3_bytes / 4) : 0.0);
    put(t, blocks * (fours + twos + ones) * beyond(block_bytes, L1_BYTES));
}

/* Rows of weights as they are: ends that fill no register, rows that start off its bounds. As
 * many terms as of tiles. */
static void put_rows(struct terms *t)
{
    const double *s = t->w->size;
    const double rows = s[BATCH] * s[M] * s[K] / t->threads;

    put(t, rows * floor(s[PN] / 4.0));
    put(t, rows * fmod(s[PN], 4.0));
    put(t, rows * fmod(s[PN], 8.0));
    put(t, rows * s[PN] * (fmod(s[PN], 2.0) > 0.0));
    put(t, rows * s[PN] * (fmod(s[PN], 4.0) > 0.0));
    put(t, rows * s[PN] * (fmod(s[PN], 8.0) > 0.0));
    put(t, s[BATCH] * s[M] * s[PN] * fmod(s[K], 4.0));
    put(t, s[BATCH] * s[M] * fmod(s[PN], 4.0));
    put(t, s[BATCH] * s[K] * ceil(s[PN] / 8.0)); /* as panels */
    put(t, t->w->cold ? s[BATCH] * s[K] * s[PN] * 4.0 : 0.0);
}

static void put_product(struct terms *t)
{
    const double *s = t->w->size;

    put_common(t);
    put_weights(t);
    put(t, t->w->macs / t->threads);
    if (strchr(t->w->kernel, '/')) /* "f32/avx2/16 product" */
        put_tiles(t);
    else
        put_rows(t);
    put(t, s[BATCH] * share(t, ceil(s[M] / 6.0)) * whole(s[PN], 16.0) * s[K]);
    put(t, share(t, s[BATCH]) * ceil(s[M] / 4.0) * whole(s[PN], 16.0) * s[K]);
    put(t, s[BATCH] * share(t, ceil(s[M] / 12.0)) * whole(s[PN], 4.0) * s[K]);
    put(t, s[BATCH] * s[M] * s[K] / t->threads); /* packing of either side */
    put(t, s[BATCH] * s[K] * s[PN] / t->threads);
    put(t, s[BATCH] * s[M] * s[PN] * s[PRODUCT_JOINED] / t->threads);
    put(t, s[BATCH] * s[M]);
    put(t, at_least_1(s[BATCH]) - 1.0);
    put(t, t->w->macs);
}

enum { STEPS, RNN_BATCH, INPUTS, UNITS, GATES, DIRECTIONS, DENSE_X, DENSE_H };

/* Blocks of rows of one step: units in eights, a register a gate. The gates of a GRU that is
 * not of the linear kind are two products. */
static double step_blocks(const struct terms *t)
{
    const double *s = t->w->size;
    const double eights = ceil(s[UNITS] / 8.0);

    if (s[GATES] > 3.0 || strstr(t->w->kernel, "linear"))
        return share(t, ceil(eights * s[GATES] / 8.0));
    return share(t, ceil(eights / 4.0)) + share(t, ceil(eights / 8.0));
}

/* Steps whose x is multiplied at once: what fits into 128 KiB. */
static double chunk_of(const struct terms *t, double blocks)
{
    const double *s = t->w->size;
    const double step = s[INPUTS] * 4.0 + blocks * t->threads * TILE_ROWS * 4.0;
    const double most = fmin(floor(131072.0 / step / 4.0) * 4.0, 32.0);

    return at_least_1(fmin(s[STEPS], fmax(most, 4.0)));
}

/* Products with x, by 4, 2 or 1 of a chunk's steps. */
static void put_x(struct terms *t, double blocks, double sequences)
{
    const double *s = t->w->size;
    const double chunk = chunk_of(t, blocks), chunks = floor(s[STEPS] / chunk);
    const double last = s[STEPS] - chunks * chunk;
    const double fours = chunks * floor(chunk / 4.0) + floor(last / 4.0);
    const double ones = chunks * fmod(chunk, 2.0) + fmod(last, 2.0);
    const double twos = fmax(0.0, (s[STEPS] - 4.0 * fours - ones) / 2.0);
    const double slots = sequences * blocks * s[INPUTS] * kept_of(t->w, s[DENSE_X]);

    put(t, sequences * (chunks + (last > 0.0)));
    put(t, slots * fours);
    put(t, slots * twos);
    put(t, slots * ones);
    put(t, sequences * blocks * (fours + twos + ones) *
               beyond(s[INPUTS] * kept_of(t->w, s[DENSE_X]) * 4 * TILE_ROWS, L1_BYTES));
}

/* New state: whole eights, then a four, then unit by unit. */
static void put_cells(struct terms *t, double vectors)
{
    const double units = t->w->size[UNITS];

    put(t, vectors * floor(units / 8.0));
    put(t, vectors * (fmod(units, 8.0) >= 4.0));
    put(t, vectors * fmod(units, 4.0));
}

static void put_rnn(struct terms *t)
{
    const double *s = t->w->size;
    const double sequences = s[RNN_BATCH] * s[DIRECTIONS], vectors = s[STEPS] * sequences;
    const double blocks = step_blocks(t);
    const double h_bytes = blocks * 4 * TILE_ROWS * s[UNITS] * kept_of(t->w, s[DENSE_H]);
    const double x_bytes = blocks * 4 * TILE_ROWS * s[INPUTS] * kept_of(t->w, s[DENSE_X]);
    const double bytes = (h_bytes + x_bytes) * s[DIRECTIONS];

    put_common(t);
    put(t, t->w->macs / t->threads);
    put(t, sequences);
    put(t, vectors);
    put(t, vectors * s[INPUTS]);
    put(t, vectors * s[UNITS]);
    put_cells(t, vectors);
    put_x(t, blocks, sequences);
    put(t, vectors * blocks);
    put(t, vectors * h_bytes);
    put(t, vectors * beyond(h_bytes, L1_BYTES)); /* read again in every step */
    put(t, vectors * beyond(h_bytes, t->m->l2_bytes));
    put(t, vectors * beyond(h_bytes + x_bytes, L1_BYTES));
    put(t, bytes);
    put(t, t->w->cold ? bytes : 0.0);
    put(t, t->w->cold ? beyond(bytes, t->m->l3_bytes / 4) : 0.0);
}

/* ---- elements ----------------------------------------------------------------------- */

enum { COUNT, INS, LOOPS, HEAVY, RUN, ROW };

static void put_points(struct terms *t)
{
    const double *s = t->w->size;
    const double blocks = share(t, ceil(s[COUNT] / 8.0));
    const double channels = s[COUNT] / at_least_1(s[RUN]);

    put_common(t);
    put(t, s[LOOPS]);
    put(t, blocks);
    put(t, blocks * s[LOOPS]);
    put(t, blocks * s[HEAVY]);
    put(t, s[COUNT]);
    put(t, s[COUNT] * s[LOOPS]);
    put(t, share(t, channels)); /* or pieces */
    put(t, channels);
    put(t, share(t, ceil(channels / 8.0) * s[RUN])); /* blocks of 8 channels */
    put(t, share(t, ceil(channels / 8.0) * s[RUN] / at_least_1(s[ROW])));
    put(t, fmod(channels, 8.0) > 0.0 ? s[RUN] / t->threads : 0.0);
}

enum { MOVE_COUNT, MOVE_RUN, MOVE_INS, MOVE_IN_ROW, MOVE_OUT_ROW };

/* Bytes of 8 channels that are gone through once a channel, 8 elements apart: they are read
 * from the level that holds them. Large images are cut. */
static double reread_bytes(double run)
{
    const bool cut = run >= 5000.0 && fmod(run, 32.0) < 1.0;

    return cut ? 0.0 : 8.0 * sizeof(float) * run;
}

static void put_reread(struct terms *t)
{
    const double l1 = (double)t->m->l2_bytes / 16.0;
    const double part = reread_bytes(t->w->size[MOVE_RUN]) / l1;
    const double count = t->w->size[MOVE_COUNT];

    put(t, count * fmin(part, 1.0));
    put(t, count * fmin(part, 0.125));
    put(t, part > 0.94 ? count : 0.0); /* with what else is in the first level */
    put(t, part > 2.60 ? count : 0.0);
}

/* Runs by vectors of 8, and what is left of them. */
static void put_runs(struct terms *t, double pieces, double run)
{
    const double rest = fmod(run, 8.0), blocks = ceil(pieces / 8.0);

    put(t, rest > 0.0 ? pieces : 0.0);
    put(t, rest > 0.0 ? pieces * run : 0.0);             /* every other row is not aligned */
    put(t, fmod(run, 512.0) > 0.0 ? 0.0 : pieces * run); /* rows share lines of the cache */
    put(t, pieces * floor(run / 8.0));
    put(t, pieces * rest);
    put(t, run > 1.0 ? pieces : 0.0);
    put(t, fmod(pieces, 8.0) > 0.0 ? pieces : 0.0);
    put(t, blocks * floor(run / 8.0));
    put(t, blocks * rest);
    put(t, fmod(pieces, 4.0) * run);
    put(t, pieces * fmin(run, run * run / 32.0)); /* the length of a call of the inner loop */
}

/* Channels from blocks of 8 to the last axis: vectors of 8, of 4 and single ones. */
static void put_channels(struct terms *t)
{
    const double *s = t->w->size;
    const double channels = s[MOVE_OUT_ROW], pixels = s[MOVE_COUNT] / at_least_1(channels);
    const bool blocks = s[MOVE_RUN] > 7.5 && s[MOVE_RUN] < 8.5;
    const bool rest = blocks && fmod(channels, 8.0) > 0.0;

    put(t, rest ? pixels * ceil(channels / 8.0) : 0.0);
    put(t, rest ? pixels * fmod(channels, 4.0) : 0.0);
}

static void put_move(struct terms *t)
{
    const double *s = t->w->size;
    const double pieces = s[MOVE_COUNT] / at_least_1(s[MOVE_RUN]);

    put_common(t);
    put(t, s[MOVE_INS]);
    put(t, pieces);
    put(t, s[MOVE_COUNT]);
    put(t, s[MOVE_COUNT] / t->threads);
    put(t, pieces > 8.0 ? s[MOVE_COUNT] / t->threads : 0.0); /* more than one block */
    put_reread(t);
    put_runs(t, pieces, s[MOVE_RUN]);
    put_channels(t);
}

static void put_other(struct terms *t)
{
    put_common(t);
    put(t, t->w->size[0]);
    put(t, t->w->size[1]);
    put(t, t->w->size[0] / at_least_1(t->w->size[2])); /* lines */
    put(t, t->w->size[2] > 1.0 ? 0.0 : t->w->size[0]);
    put(t, t->w->macs);
    put(t, t->w->macs / t->threads);
}

/* -------------------------------------------------------------------------------------- */

size_t spacc_terms_of(const struct spacc_work *w, const struct spacc_machine *m,
                      double term[TERMS_MAX])
{
    struct terms t = {w, m, at_least_1(w->threads), term, 0};

    switch (w->family) {
    case SPACC_WORK_CONV:
    case SPACC_WORK_DECONV: put_conv(&t); break;
    case SPACC_WORK_POOL: put_pool(&t); break;
    case SPACC_WORK_PRODUCT: put_product(&t); break;
    case SPACC_WORK_RNN: put_rnn(&t); break;
    case SPACC_WORK_POINTS: put_points(&t); break;
    case SPACC_WORK_MOVE: put_move(&t); break;
    case SPACC_WORK_OTHER:
    case SPACC_WORK_FAMILIES: put_other(&t); break;
    }
    return t.count;
}

size_t spacc_terms(enum spacc_work_family f)
{
    static const struct spacc_machine none;
    const struct spacc_work w = {.family = f, .threads = 1};
    double term[TERMS_MAX];

    return spacc_terms_of(&w, &none, term);
}
