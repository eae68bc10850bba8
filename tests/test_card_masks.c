/* Rows that a card skips: what is dealt is what the masks say, and nothing twice; the card, the
 * arithmetic in C and the cycle model agree on random layers, masks and overlaps, and on
 * convolutions of a real network, whose predicted zeros cost no cycles. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/conv_rows.h"
#include "host/device.h"
#include "models/graph.h"
#include "models/onnx.h"
#include "models/op.h"
#include "scheduler/card_deal.h"

static uint64_t seed = 1;

static uint32_t draw(uint32_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return n ? (uint32_t)(seed >> 33) % n : 0;
}

static float draw_float(float range)
{
    return range * ((float)draw(20001) / 10000.0f - 1.0f);
}

static void ok(enum spacc_status s, const struct spacc_error *err)
{
    if (s != SPACC_OK)
        fail_msg("%s: %s", spacc_status_name(s), err->text);
}

/* ---- dealing ----------------------------------------------------------------- */

struct seen {
    const struct spacc_card_deal *deal;
    unsigned char *times; /* [steps][groups * pes] */
    int64_t last[64];     /* of a PE */
    uint64_t groups, rows;
};

static void see(void *user, const int64_t *row)
{
    struct seen *s = user;
    uint64_t rows = 0;

    for (uint32_t pe = 0; pe < s->deal->pes; pe++) {
        if (row[pe] == SPACC_NO_ROW)
            continue;
        assert_true(row[pe] > s->last[pe]); /* in order */
        s->last[pe] = row[pe];
        s->times[(size_t)row[pe] * s->deal->pes + pe]++;
        rows++;
    }
    assert_true(rows > 0);
    s->rows += rows;
    s->groups++;
}

static void check_deal(const struct spacc_card_deal *d)
{
    const size_t rows = d->steps * d->groups * d->pes;
    struct seen s = {.deal = d, .times = calloc(rows + 1, 1)};
    struct spacc_card_dealt dealt;
    size_t most = 0;

    assert_non_null(s.times);
    for (size_t i = 0; i < 64; i++)
        s.last[i] = -1;
    assert_int_equal(spacc_card_deal(d, see, &s, &dealt), SPACC_OK);
    for (uint32_t pe = 0; pe < d->pes; pe++) {
        size_t own = 0;
        for (size_t i = pe; i < rows; i += d->pes) {
            const size_t t = i / (d->groups * d->pes), row = i % (d->groups * d->pes);
            const int want = d->mask[t * d->mask_stride + row / 8] >> row % 8 & 1;
            assert_int_equal(s.times[i], want);
            own += (size_t)want;
        }
        most = own > most ? own : most;
    }
    assert_int_equal(dealt.groups, s.groups);
    assert_int_equal(dealt.rows, s.rows);
    assert_true(dealt.groups >= most && dealt.groups <= d->steps * d->groups);
    free(s.times);
}

static void deals_every_row_once(void **state)
{
    static const uint32_t pes[] = {4, 8, 16, 64};

    (void)state;
    seed = 5;
    for (int i = 0; i < 300; i++) {
        struct spacc_card_deal d = {.pes = pes[draw(4)],
                                    .groups = 1 + draw(9),
                                    .queue = 1u << draw(5),
                                    .window = 1 + draw(9),
                                    .steps = 1 + draw(30)};
        const uint32_t chance = draw(17);
        uint8_t *mask;
        d.mask_stride = (d.groups * d.pes + 7) / 8 + draw(3);
        mask = calloc(d.steps, d.mask_stride);
        assert_non_null(mask);
        for (size_t k = 0; k < d.steps * d.mask_stride * 8; k++)
            mask[k / 8] |= (uint8_t)((draw(16) < chance) << k % 8);
        d.mask = mask;
        check_deal(&d);
        free(mask);
    }
}

/* A queue that is long enough takes what the busiest PE has; a mask without zeros every group.
 */
static void deals_evenly(void **state)
{
    uint8_t mask[32] = {0};
    struct spacc_card_deal d = {4, 2, 16, 4, 4, mask, 1};
    struct spacc_card_dealt dealt;

    (void)state;
    mask[0] = 0x21, mask[1] = 0x84, mask[2] = 0x12, mask[3] = 0x48; /* two rows a PE */
    assert_int_equal(spacc_card_deal(&d, NULL, NULL, &dealt), SPACC_OK);
    assert_int_equal(dealt.groups, 2);
    assert_int_equal(dealt.rows, 8);
    memset(mask, 0xff, sizeof(mask));
    assert_int_equal(spacc_card_deal(&d, NULL, NULL, &dealt), SPACC_OK);
    assert_int_equal(dealt.groups, 8);
    memset(mask, 0x11, sizeof(mask)); /* all rows on PE 0: nobody helps */
    assert_int_equal(spacc_card_deal(&d, NULL, NULL, &dealt), SPACC_OK);
    assert_int_equal(dealt.groups, 8);
}

/* ---- devices ----------------------------------------------------------------- */

static struct spacc_device *open_device(const char *name)
{
    struct spacc_device *d;
    struct spacc_error err = {0};

    if (!name) {
        ok(spacc_cpu_device_new(&d, &err), &err);
        return d;
    }
    struct spacc_card *card;
    ok(spacc_card_open(&card, name, &err), &err);
    ok(spacc_card_device_new(&d, card, 60 * 1000 * 1000, &err), &err);
    return d;
}

/* The same job on a device of its own; y is new. */
static struct spacc_job run_on(const char *name, const struct spacc_fixed_layer *l,
                               const struct spacc_job *job)
{
    struct spacc_device *d = open_device(name);
    struct spacc_job own = *job;
    struct spacc_error err = {0};

    ok(spacc_device_add(d, "rows", l, &own.layer, &err), &err);
    ok(spacc_device_load(d, &err), &err);
    own.y = malloc(job->steps * 4 * l->units * sizeof(int32_t));
    assert_non_null(own.y);
    memset(own.y, 0x5a, job->steps * 4 * l->units * sizeof(int32_t));
    ok(spacc_device_run(d, &own, 1, &err), &err);
    spacc_device_free(d);
    return own;
}

static uint64_t wanted_rows(const struct spacc_fixed_layer *l, const struct spacc_job *job)
{
    uint64_t rows = 0;

    for (size_t i = 0; i < job->steps * ((l->outputs + 63) / 64); i++)
        rows += (uint64_t)__builtin_popcountll(job->mask[i]);
    return rows;
}

/* Bits on the card, in C and on the card that only counts; and the counters of both cards. */
static struct spacc_job_counts check_on(const char *card, const struct spacc_fixed_layer *l,
                                        const struct spacc_job *job)
{
    char sim[32], model[32];
    snprintf(sim, sizeof(sim), "sim:%s", card);
    snprintf(model, sizeof(model), "model:%s", card);
    struct spacc_job want = run_on(NULL, l, job), got = run_on(sim, l, job);
    struct spacc_job counted = run_on(model, l, job);
    const size_t bytes = job->steps * 4 * l->units * sizeof(int32_t);

    if (memcmp(got.y, want.y, bytes) != 0 || memcmp(counted.y, want.y, bytes) != 0)
        fail_msg("%s: %zu rows, %zu steps, overlap %zu: other bits than on the CPU", card,
                 l->outputs, job->steps, job->overlap);
    assert_int_equal(got.counts.cycles, counted.counts.cycles);
    assert_memory_equal(got.counts.cause, counted.counts.cause, sizeof(got.counts.cause));
    assert_int_equal(got.counts.rows_skipped, counted.counts.rows_skipped);
    assert_int_equal(got.counts.issue_saved, counted.counts.issue_saved);
    assert_int_equal(got.counts.bytes_read, counted.counts.bytes_read);
    assert_int_equal(got.counts.bytes_written, counted.counts.bytes_written);
    if (got.counts.rows_skipped)
        assert_int_equal(got.counts.state_saturations, want.counts.state_saturations);
    free(want.y);
    free(got.y);
    free(counted.y);
    return got.counts;
}

/* ---- random layers ----------------------------------------------------------- */

static struct spacc_fixed_layer *make_layer(size_t outputs, size_t x_cols, size_t bank,
                                            const float *w, int x_frac)
{
    float *bias = calloc(outputs, sizeof(*bias));
    struct spacc_fixed_weights weights = {.cell = SPACC_CELL_LINEAR,
                                          .units = outputs,
                                          .x_cols = x_cols,
                                          .act_bits = 16,
                                          .w = w,
                                          .b_w = bias};
    struct spacc_fixed_layer *l;
    struct spacc_error err = {0};

    assert_non_null(bias);
    for (size_t o = 0; o < outputs; o++)
        bias[o] = draw_float(0.5f);
    ok(spacc_fixed_quantise(&l, &weights, 8, x_frac, bank, 1, 1, &err), &err);
    free(bias);
    return l;
}

static struct spacc_job random_job(const struct spacc_fixed_layer *l, size_t overlap,
                                   size_t steps)
{
    const size_t words = (l->outputs + 63) / 64, cols = l->x_cols / (overlap + 1);
    int16_t *x = calloc(steps * cols, sizeof(*x));
    uint64_t *mask = calloc(steps * words, sizeof(*mask));
    const uint32_t chance = draw(5) ? 1 + draw(12) : draw(2) * 16;

    assert_non_null(x);
    assert_non_null(mask);
    for (size_t i = 0; i < steps * cols; i++)
        x[i] = (int16_t)((int)draw(65536) - 32768);
    for (size_t t = overlap; t < steps; t++)
        for (size_t row = 0; row < l->outputs; row++)
            mask[t * words + row / 64] |= (uint64_t)(draw(16) < chance) << row % 64;
    return (struct spacc_job){
        .steps = steps, .x = x, .x_job = -1, .mask = mask, .overlap = overlap};
}

static void free_inputs(struct spacc_job *job)
{
    free((void *)(uintptr_t)job->x);
    free((void *)(uintptr_t)job->mask);
}

/* ---- what takes less ----------------------------------------------------------- */

/* The first RUN has the rows that are wanted, the second all rows of their steps, and then what
 * took less stays; y is the same every time. */
static bool whole_takes_less(size_t outputs, unsigned one_in)
{
    float *w = calloc(outputs * 64, sizeof(*w));
    struct spacc_device *d = open_device("model:16x16");
    struct spacc_error err = {0};
    uint64_t cycles[4];

    assert_non_null(w);
    for (size_t i = 0; i < outputs * 64; i++)
        w[i] = draw_float(1.0f);
    struct spacc_fixed_layer *l = make_layer(outputs, 64, 4, w, 12);
    struct spacc_job job = random_job(l, 0, 30);
    uint64_t *mask = (uint64_t *)(uintptr_t)job.mask;
    for (size_t i = 0; i < 30 * ((outputs + 63) / 64); i++)
        mask[i] = 0;
    for (size_t t = 0; t < 30; t++)
        for (size_t r = 0; r < outputs; r++)
            mask[t * ((outputs + 63) / 64) + r / 64] |= (uint64_t)(draw(one_in) == 0) << r % 64;
    struct spacc_job want = run_on(NULL, l, &job);
    ok(spacc_device_add(d, "rows", l, &job.layer, &err), &err);
    ok(spacc_device_load(d, &err), &err);
    job.y = want.y;
    const size_t bytes = job.steps * 4 * l->units * sizeof(int32_t);
    int32_t *y = malloc(bytes);
    assert_non_null(y);
    memcpy(y, want.y, bytes);
    for (int i = 0; i < 4; i++) {
        memset(job.y, 0xff, bytes);
        ok(spacc_device_run(d, &job, 1, &err), &err);
        assert_memory_equal(job.y, y, bytes);
        cycles[i] = job.counts.cycles;
    }
    assert_int_equal(cycles[2], cycles[1] < cycles[0] ? cycles[1] : cycles[0]);
    assert_int_equal(cycles[3], cycles[2]);
    assert_int_equal(cycles[0] == cycles[1], false);
    print_message("%zu rows, 1 of %u wanted: %llu cycles, whole steps %llu\n", outputs, one_in,
                  (unsigned long long)cycles[0], (unsigned long long)cycles[1]);
    spacc_device_free(d);
    free_inputs(&job);
    free(want.y);
    free(y);
    spacc_fixed_free(l);
    free(w);
    return cycles[1] < cycles[0];
}

static void a_layer_runs_the_way_that_takes_less(void **state)
{
    (void)state;
    seed = 5;
    assert_false(whole_takes_less(128, 4));
    assert_true(whole_takes_less(16, 2));
}

static void check_random(const char *card, size_t lanes, int layers, bool skips)
{
    uint64_t skipped = 0;

    for (int i = 0; i < layers; i++) {
        const size_t overlap = draw(2) ? draw(4) : 0, words = 1 + draw(5);
        const size_t x_cols = lanes * words * (overlap + 1), outputs = 1 + draw(150);
        float *w = calloc(outputs * x_cols, sizeof(*w));
        assert_non_null(w);
        for (size_t k = 0; k < outputs * x_cols; k++)
            w[k] = draw(3) ? draw_float(1.0f) : 0.0f;
        struct spacc_fixed_layer *l =
            make_layer(outputs, x_cols, words * (overlap + 1), w, 8 + (int)draw(8));
        struct spacc_job job = random_job(l, overlap, overlap + 1 + draw(25));
        skipped += check_on(card, l, &job).rows_skipped;
        free_inputs(&job);
        spacc_fixed_free(l);
        free(w);
    }
    assert_int_equal(skipped > 0, skips);
}

static void cards_agree(void **state)
{
    (void)state;
#ifndef SPACC_SIM
    print_message("skipped: built without the simulated card\n");
    skip();
#endif
    seed = 20261122;
    check_random("4x4", 4, 25, true);
    check_random("8x8", 8, 15, true);
    check_random("16x16", 16, 20, true);
    check_random("128x32", 32, 3, false); /* has no queues: computes all */
}

static void refuses_bad_masks(void **state)
{
    float w[8 * 12] = {0};
    uint64_t mask[4] = {1, 1, 1, 1};
    int16_t x[4 * 12] = {0};
    int32_t y[4 * 8];
    struct spacc_fixed_layer *l = make_layer(8, 12, 3, w, 8);
    struct spacc_job job = {
        .steps = 4, .x = x, .x_job = -1, .mask = mask, .overlap = 2, .y = y};
    struct spacc_error err = {0};
    struct spacc_device *d = open_device(NULL);

    (void)state;
    ok(spacc_device_add(d, "rows", l, &job.layer, &err), &err);
    assert_int_equal(spacc_device_run(d, &job, 1, &err), SPACC_EINVAL); /* step 0 wants a row */
    mask[0] = mask[1] = 0;
    ok(spacc_device_run(d, &job, 1, &err), &err);
    job.overlap = 1; /* banks of 3 are not two equal parts */
    assert_int_equal(spacc_device_run(d, &job, 1, &err), SPACC_EINVAL);
    spacc_device_free(d);
    spacc_fixed_free(l);
}

/* ---- convolutions ------------------------------------------------------------ */

/* Plain, in double. */
static double conv_at(const struct spacc_conv_shape *s, const float *x, const float *w,
                      size_t o, size_t row, size_t col)
{
    double sum = 0.0;

    for (size_t c = 0; c < s->channels; c++)
        for (size_t i = 0; i < s->kernel[0]; i++)
            for (size_t k = 0; k < s->kernel[1]; k++) {
                const size_t y = row * s->stride[0] + i, z = col * s->stride[1] + k;
                if (y < s->pads[0] || z < s->pads[1] || y - s->pads[0] >= s->height ||
                    z - s->pads[1] >= s->width)
                    continue;
                sum +=
                    (double)w[((o * s->channels + c) * s->kernel[0] + i) * s->kernel[1] + k] *
                    (double)x[(c * s->height + y - s->pads[0]) * s->width + z - s->pads[1]];
            }
    return sum;
}

struct conv {
    struct spacc_conv_rows rows;
    struct spacc_fixed_layer *layer;
    struct spacc_job job;
    float *image, *want; /* [outputs][pixels] without bias */
    uint64_t *mask;      /* by pixel: outputs above 0 */
};

static void make_conv(struct conv *c, const struct spacc_conv_shape *shape, const float *w,
                      size_t lanes, int bits)
{
    struct spacc_error err = {0};
    const size_t words = (shape->outputs + 63) / 64;
    float *rows;
    int16_t *x;
    uint64_t *mask;

    ok(spacc_conv_rows_make(&c->rows, shape, lanes, &err), &err);
    const size_t pixels = c->rows.size[0] * c->rows.size[1];
    c->image = calloc(shape->channels * shape->height * shape->width, sizeof(float));
    c->want = calloc(shape->outputs * pixels, sizeof(float));
    c->mask = calloc(pixels * words, sizeof(uint64_t));
    rows = calloc(shape->outputs * c->rows.x_cols, sizeof(float));
    x = calloc(c->rows.steps * lanes * c->rows.words, sizeof(*x));
    mask = calloc(c->rows.steps * words, sizeof(*mask));
    assert_true(c->image && c->want && c->mask && rows && x && mask);
    for (size_t i = 0; i < shape->channels * shape->height * shape->width; i++)
        c->image[i] = draw(2) ? draw_float(1.0f) : 0.0f;
    spacc_conv_rows_weights(&c->rows, w, rows);
    const struct spacc_fixed_weights weights = {.cell = SPACC_CELL_LINEAR,
                                                .units = shape->outputs,
                                                .x_cols = c->rows.x_cols,
                                                .act_bits = 16,
                                                .w = rows};
    ok(spacc_fixed_quantise(&c->layer, &weights, bits, 14, c->rows.bank, 1, 1, &err), &err);
    assert_int_equal(spacc_conv_rows_x(&c->rows, c->image, 14, x), 0);
    for (size_t p = 0; p < pixels; p++)
        for (size_t o = 0; o < shape->outputs; o++) {
            const double v =
                conv_at(shape, c->image, w, o, p / c->rows.size[1], p % c->rows.size[1]);
            c->want[o * pixels + p] = (float)v;
            c->mask[p * words + o / 64] |= (uint64_t)(v > 0.0) << o % 64;
        }
    spacc_conv_rows_mask(&c->rows, c->mask, mask);
    c->job = (struct spacc_job){
        .steps = c->rows.steps, .x = x, .x_job = -1, .mask = mask, .overlap = c->rows.overlap};
    free(rows);
}

static void free_conv(struct conv *c)
{
    free_inputs(&c->job);
    spacc_fixed_free(c->layer);
    free(c->image);
    free(c->want);
    free(c->mask);
}

/* y of the job in C against the plain convolution behind a ReLU. */
static void check_conv(const struct conv *c, double tolerance)
{
    const size_t pixels = c->rows.size[0] * c->rows.size[1];
    const size_t count = c->rows.shape.outputs * pixels;
    struct spacc_job own = run_on(NULL, c->layer, &c->job);
    float *y = calloc(count, sizeof(*y));
    double largest = 0.0, error = 0.0;

    assert_non_null(y);
    spacc_conv_rows_y(&c->rows, own.y, 4 * c->layer->units, c->layer->y_scale, y);
    for (size_t i = 0; i < count; i++) {
        const double want = c->want[i] > 0.0f ? (double)c->want[i] : 0.0;
        const double off = fabs((double)y[i] - want);
        if (c->want[i] <= 0.0f)
            assert_true(y[i] == 0.0f);
        error = off > error ? off : error;
        largest = fabs((double)c->want[i]) > largest ? fabs((double)c->want[i]) : largest;
    }
    if (error > tolerance * largest)
        fail_msg("off by %g, the largest is %g", error, largest);
    free(own.y);
    free(y);
}

static void convolutions_are_rows(void **state)
{
    (void)state;
    seed = 9;
    for (int i = 0; i < 40; i++) {
        const size_t lanes = (size_t)4 << draw(3);
        struct spacc_conv_shape s = {.channels = 1 + draw(9),
                                     .height = 5 + draw(5),
                                     .width = 5 + draw(5),
                                     .outputs = 1 + draw(70),
                                     .kernel = {1 + draw(3), 1 + draw(4)},
                                     .stride = {1 + draw(2), 1 + draw(2)},
                                     .pads = {draw(2), draw(2), draw(2), draw(2)}};
        const size_t count = s.outputs * s.channels * s.kernel[0] * s.kernel[1];
        float *w = calloc(count, sizeof(*w));
        struct conv c;
        assert_non_null(w);
        for (size_t k = 0; k < count; k++)
            w[k] = draw_float(1.0f);
        make_conv(&c, &s, w, lanes, 16);
        check_conv(&c, 1e-3);
        free_conv(&c);
        free(w);
    }
}

static void one_convolution(const char *card, size_t lanes, const char *name,
                            const struct spacc_conv_shape *s, const float *w)
{
    struct spacc_job_counts masked, dense;
    struct conv c;

    make_conv(&c, s, w, lanes, 8);
    check_conv(&c, 0.02);
    const double wanted = (double)wanted_rows(c.layer, &c.job);
    masked = check_on(card, c.layer, &c.job);
    spacc_conv_rows_mask(&c.rows, NULL, (uint64_t *)(uintptr_t)c.job.mask);
    dense = check_on(card, c.layer, &c.job);
    print_message(
        "%s %s: %zu to %zu channels, %zux%zu: %.1f %% zeros, %llu cycles of %llu "
        "(%.2fx), %llu of ISSUE saved\n",
        card, name, s->channels, s->outputs, s->kernel[0], s->kernel[1],
        100.0 - 100.0 * wanted / (double)(c.rows.size[0] * c.rows.size[1] * s->outputs),
        (unsigned long long)masked.cycles, (unsigned long long)dense.cycles,
        (double)dense.cycles / (double)masked.cycles, (unsigned long long)masked.issue_saved);
    assert_true(masked.cause[0] < dense.cause[0]);
    assert_true(masked.cycles <= dense.cycles + dense.cycles / 20); /* some wait for x */
    free_conv(&c);
}

/* Every fifth convolution of a network, on a piece of an image. */
static void real_model(const char *card, size_t lanes, const char *file)
{
    struct spacc_graph *g;
    struct spacc_error err = {0};
    char path[512];
    int seen = 0;

    snprintf(path, sizeof(path), "%s/models/%s", SPACC_SHARED, file);
    FILE *f = fopen(path, "rb");
    if (!f) {
        print_message("skipped: %s is not there\n", path);
        return;
    }
    fclose(f);
    ok(spacc_onnx_load(&g, path, &err), &err);
    for (int i = 0; i < g->nodes; i++) {
        const struct spacc_node *n = &g->node[i];
        if (strcmp(n->op->name, "Conv") != 0 || seen++ % 5 != 1)
            continue;
        const struct spacc_tensor *w = g->value[n->input[1]].init;
        if (!w || w->rank != 4 || w->dtype != SPACC_F32)
            continue;
        const struct spacc_conv_shape s = {
            .channels = (size_t)w->dims[1],
            .height = 6,
            .width = 10,
            .outputs = (size_t)w->dims[0],
            .kernel = {(size_t)w->dims[2], (size_t)w->dims[3]},
            .stride = {1, 1},
            .pads = {(size_t)w->dims[2] / 2, (size_t)w->dims[3] / 2, (size_t)w->dims[2] / 2,
                     (size_t)w->dims[3] / 2}};
        one_convolution(card, lanes, n->name, &s, w->data);
    }
    assert_true(seen > 1);
    spacc_graph_free(g);
}

static void real_convolutions(void **state)
{
    (void)state;
#ifndef SPACC_SIM
    print_message("skipped: built without the simulated card\n");
    skip();
#endif
    seed = 77;
    real_model("16x16", 16, "resnet20_cifar/resnet20.onnx");
    real_model("4x4", 4, "resnet20_cifar/resnet20.onnx");
    real_model("16x16", 16, "squeezenet11/squeezenet11_fp32.onnx");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(deals_every_row_once),
                                       cmocka_unit_test(deals_evenly),
                                       cmocka_unit_test(refuses_bad_masks),
                                       cmocka_unit_test(convolutions_are_rows),
                                       cmocka_unit_test(cards_agree),
                                       cmocka_unit_test(real_convolutions),
                                       cmocka_unit_test(a_layer_runs_the_way_that_takes_less)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
