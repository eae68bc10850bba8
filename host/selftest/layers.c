/* layers.c - steps that use the array: a layer on the card and in C, the same bits. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/device.h"
#include "host/selftest/parts.h"

/* Far more than any run here takes on a slow card; the card's own watchdog is shorter. */
enum { PATIENCE_US = 10000000 };

/* A layer on both devices, and one job of each. */
struct bench {
    struct spacc_device *card, *cpu;
    struct spacc_card_info info;
    struct spacc_fixed_layer *layer;
    struct spacc_job job[2]; /* card, CPU: same x */
    int16_t *x;
    size_t y_bytes;
};

/* ---- making and freeing ----------------------------------------------------------- */

static void free_jobs(struct bench *b)
{
    for (int i = 0; i < 2; i++) {
        free(b->job[i].y);
        free(b->job[i].h);
        free(b->job[i].state);
    }
    free(b->x);
    memset(b->job, 0, sizeof(b->job));
    b->x = NULL;
}

static void release(struct bench *b)
{
    free_jobs(b);
    spacc_device_free(b->card);
    spacc_device_free(b->cpu);
    spacc_fixed_free(b->layer);
    memset(b, 0, sizeof(*b));
}

/* The card goes to a device of its own, with nothing on it. */
static enum spacc_status begin(struct spacc_ladder *l, struct bench *b, uint64_t limit_us,
                               struct spacc_error *err)
{
    enum spacc_status status = spacc_ladder_reopen(l, err);
    struct spacc_card *card = l->card;

    if (status != SPACC_OK)
        return status;
    l->card = NULL;
    b->info = *spacc_card_info(card);
    status = spacc_card_device_new(&b->card, card, limit_us, err);
    return status == SPACC_OK ? spacc_cpu_device_new(&b->cpu, err) : status;
}

static enum spacc_status load(struct bench *b, const struct spacc_fixed_weights *w,
                              struct spacc_error *err)
{
    const size_t lanes = b->info.lanes;
    size_t number;
    enum spacc_status status = spacc_fixed_quantise(
        &b->layer, w, b->info.weight_bits >= 16 ? 16 : 8, 8, spacc_card_bank(w->x_cols, lanes),
        w->r ? spacc_card_bank(w->units, lanes) : 1, 1, err);
    if (status == SPACC_OK)
        status = spacc_device_add(b->card, "selftest", b->layer, &number, err);
    if (status == SPACC_OK)
        status = spacc_device_add(b->cpu, "selftest", b->layer, &number, err);
    if (status == SPACC_OK)
        status = spacc_device_load(b->card, err);
    return status == SPACC_OK ? spacc_device_load(b->cpu, err) : status;
}

static bool linear(const struct bench *b)
{
    return b->layer->cell == SPACC_CELL_LINEAR;
}

static bool alloc_job(struct bench *b, struct spacc_job *job, size_t steps)
{
    *job = (struct spacc_job){.steps = steps, .x = b->x, .x_job = -1};
    job->y = calloc(1, b->y_bytes);
    if (!linear(b)) {
        job->h = calloc(b->layer->outputs, sizeof(*job->h));
        job->state = calloc(b->layer->units, sizeof(*job->state));
    }
    return job->y && (linear(b) || (job->h && job->state));
}

static enum spacc_status make_jobs(struct spacc_ladder *l, struct bench *b, size_t steps,
                                   struct spacc_error *err)
{
    const size_t count = steps * b->layer->x_cols;

    free_jobs(b);
    b->y_bytes = steps * (linear(b) ? 4 * b->layer->units * sizeof(int32_t)
                                    : b->layer->outputs * sizeof(int16_t));
    b->x = malloc(count * sizeof(*b->x));
    if (!b->x || !alloc_job(b, &b->job[0], steps) || !alloc_job(b, &b->job[1], steps))
        return spacc_fail(err, SPACC_ENOMEM, "out of memory for %zu steps", steps);
    for (size_t i = 0; i < count; i++) /* |x| <= 2 at 8 fraction bits; all bits of the word */
        b->x[i] = (int16_t)((int)(spacc_ladder_draw(l) >> 54) - 512);
    return SPACC_OK;
}

/* ---- comparing -------------------------------------------------------------------- */

static enum spacc_status differ_linear(const struct bench *b, struct spacc_error *err)
{
    const size_t rows = 4 * b->layer->units;
    const int32_t *got = b->job[0].y, *want = b->job[1].y;
    size_t i = 0;

    while (got[i] == want[i])
        i++;
    return spacc_fail(err, SPACC_EDEVICE,
                      "vector %zu, row %zu (PE %zu): %" PRId32 ", in C %" PRId32, i / rows,
                      i % rows, i % rows % b->info.pes, got[i], want[i]);
}

static enum spacc_status differ_cell(const struct bench *b, struct spacc_error *err)
{
    const int16_t *got = b->job[0].y, *want = b->job[1].y;
    size_t i = 0;

    while (got[i] == want[i])
        i++;
    return spacc_fail(err, SPACC_EDEVICE, "step %zu, unit %zu: h is %d, in C %d",
                      i / b->layer->outputs, i % b->layer->outputs, got[i], want[i]);
}

static enum spacc_status compare(const struct bench *b, struct spacc_error *err)
{
    const struct spacc_job *got = &b->job[0], *want = &b->job[1];

    if (memcmp(got->y, want->y, b->y_bytes))
        return linear(b) ? differ_linear(b, err) : differ_cell(b, err);
    if (linear(b))
        return SPACC_OK;
    if (memcmp(got->h, want->h, b->layer->outputs * sizeof(*got->h)) ||
        memcmp(got->state, want->state, b->layer->units * sizeof(*got->state)))
        return spacc_fail(err, SPACC_EDEVICE, "all h are right, the last states are not");
    return SPACC_OK;
}

static enum spacc_status run_both(struct bench *b, struct spacc_error *err)
{
    enum spacc_status status = spacc_device_run(b->card, &b->job[0], 1, err);

    if (status == SPACC_OK)
        status = spacc_device_run(b->cpu, &b->job[1], 1, err);
    return status == SPACC_OK ? compare(b, err) : status;
}

/* What the card's job took: its own cycles where it counts them. */
static const char *took(const struct bench *b, char *text, size_t bytes)
{
    if (b->info.clock_hz > 0.0)
        snprintf(text, bytes, "%" PRIu64 " cycles", b->job[0].counts.cycles);
    else
        snprintf(text, bytes, "%.0f us here", b->job[0].counts.us);
    return text;
}

static double took_us(const struct bench *b)
{
    const struct spacc_job_counts *c = &b->job[0].counts;

    return b->info.clock_hz > 0.0 ? (double)c->cycles * 1e6 / b->info.clock_hz : c->us;
}

/* ---- layers ----------------------------------------------------------------------- */

static float weight(struct spacc_ladder *l)
{
    return (float)((double)(spacc_ladder_draw(l) >> 11) * 0x1p-53 - 0.5);
}

/* As many rows as fit the card's parameters, up to `most`. */
static size_t rows_of(const struct bench *b, size_t most)
{
    const size_t room = 4 * (size_t)b->info.units;

    return room < most ? room : most;
}

static enum spacc_status run_linear(struct spacc_ladder *l, struct bench *b, const float *w,
                                    size_t rows, size_t cols, size_t steps,
                                    struct spacc_error *err)
{
    const struct spacc_fixed_weights weights = {.cell = SPACC_CELL_LINEAR,
                                                .act_g = SPACC_ACT_TANH,
                                                .act_h = SPACC_ACT_TANH,
                                                .units = rows,
                                                .x_cols = cols,
                                                .act_bits = (int)b->info.act_bits,
                                                .w = w};
    enum spacc_status status = load(b, &weights, err);

    if (status == SPACC_OK)
        status = make_jobs(l, b, steps, err);
    return status == SPACC_OK ? run_both(b, err) : status;
}

/* ---- dma -------------------------------------------------------------------------- */

/* Row c takes column c alone: what comes back is what went out. */
enum spacc_status spacc_ladder_dma(struct spacc_ladder *l, struct spacc_error *err)
{
    enum { STEPS = 40 };
    struct bench b = {0};
    enum spacc_status status = begin(l, &b, PATIENCE_US, err);
    const size_t size = status == SPACC_OK ? rows_of(&b, 4 * (size_t)b.info.lanes) : 0;
    float *w = calloc(size * size + 1, sizeof(*w));

    if (status == SPACC_OK && !w)
        status = spacc_fail(err, SPACC_ENOMEM, "out of memory");
    for (size_t i = 0; i < size && w; i++)
        w[i * size + i] = 0.5f;
    if (status == SPACC_OK)
        status = run_linear(l, &b, w, size, size, STEPS, err);
    if (status == SPACC_OK)
        spacc_ladder_found(
            l, "%d vectors of %zu numbers, %" PRIu64 " bytes in, %" PRIu64 " out", STEPS, size,
            b.job[0].counts.bytes_read, b.job[0].counts.bytes_written);
    free(w);
    release(&b);
    return status;
}

/* ---- one PE ----------------------------------------------------------------------- */

/* Only the rows of PE p have weights: in every lane one, and all different. */
static enum spacc_status one_pe(struct spacc_ladder *l, size_t p, struct spacc_error *err)
{
    struct bench b = {0};
    enum spacc_status status = begin(l, &b, PATIENCE_US, err);
    const size_t cols = 2 * (size_t)b.info.lanes, rows = rows_of(&b, 2 * (size_t)b.info.pes);
    float *w = calloc(cols * rows + 1, sizeof(*w));

    if (status == SPACC_OK && !w)
        status = spacc_fail(err, SPACC_ENOMEM, "out of memory");
    for (size_t r = p; r < rows && w; r += b.info.pes)
        for (size_t c = r / b.info.pes; c < cols; c += 2)
            w[r * cols + c] = weight(l);
    if (status == SPACC_OK)
        status = run_linear(l, &b, w, rows, cols, 3, err);
    free(w);
    release(&b);
    return status == SPACC_OK ? status : spacc_fail_in(err, status, "PE %zu alone", p);
}

enum spacc_status spacc_ladder_pes(struct spacc_ladder *l, struct spacc_error *err)
{
    enum spacc_status status = spacc_ladder_reopen(l, err);
    const size_t pes = status == SPACC_OK ? spacc_card_info(l->card)->pes : 0;

    for (size_t p = 0; p < pes && status == SPACC_OK; p++)
        status = one_pe(l, p, err);
    spacc_ladder_found(l, "%zu PEs, one after the other", pes);
    return status;
}

/* ---- sparse product --------------------------------------------------------------- */

enum spacc_status spacc_ladder_spmxv(struct spacc_ladder *l, struct spacc_error *err)
{
    enum { STEPS = 25 };
    struct bench b = {0};
    char text[32];
    enum spacc_status status = begin(l, &b, PATIENCE_US, err);
    const size_t cols = 8 * (size_t)b.info.lanes, rows = rows_of(&b, 5 * (size_t)b.info.pes);
    float *w = calloc(cols * rows + 1, sizeof(*w));

    if (status == SPACC_OK && !w)
        status = spacc_fail(err, SPACC_ENOMEM, "out of memory");
    for (size_t i = 0; i < cols * rows && w; i++) /* a quarter of them stays */
        w[i] = spacc_ladder_draw(l) >> 62 ? 0.0f : weight(l);
    if (status == SPACC_OK)
        status = run_linear(l, &b, w, rows, cols, STEPS, err);
    if (status == SPACC_OK)
        spacc_ladder_found(l, "%zu x %zu, %d vectors, %s", rows, cols, STEPS,
                           took(&b, text, sizeof(text)));
    free(w);
    release(&b);
    return status;
}

/* ---- LSTM ------------------------------------------------------------------------- */

struct cell {
    size_t units, x_cols;
    float *w, *r, *b; /* [4H][I], [4H][H], [4H] */
};

static bool random_cell(struct spacc_ladder *l, struct cell *c)
{
    const size_t rows = 4 * c->units;

    c->w = calloc(rows * c->x_cols, sizeof(float));
    c->r = calloc(rows * c->units, sizeof(float));
    c->b = calloc(rows, sizeof(float));
    if (!c->w || !c->r || !c->b)
        return false;
    for (size_t i = 0; i < rows * c->x_cols; i++)
        c->w[i] = spacc_ladder_draw(l) >> 62 ? 0.0f : weight(l);
    for (size_t i = 0; i < rows * c->units; i++)
        c->r[i] = spacc_ladder_draw(l) >> 62 ? 0.0f : weight(l);
    for (size_t i = 0; i < rows; i++)
        c->b[i] = weight(l);
    return true;
}

static void free_cell(struct cell *c)
{
    free(c->w);
    free(c->r);
    free(c->b);
}

/* A random LSTM that fits, loaded on both. */
static enum spacc_status load_lstm(struct spacc_ladder *l, struct bench *b,
                                   struct spacc_error *err)
{
    const size_t wanted = 3 * (size_t)b->info.lanes;
    struct cell c = {.units = b->info.units < wanted ? b->info.units : wanted,
                     .x_cols = b->info.lanes};
    enum spacc_status status;

    if (random_cell(l, &c)) {
        const struct spacc_fixed_weights weights = {.cell = SPACC_CELL_LSTM,
                                                    .act_g = SPACC_ACT_TANH,
                                                    .act_h = SPACC_ACT_TANH,
                                                    .units = c.units,
                                                    .x_cols = c.x_cols,
                                                    .act_bits = (int)b->info.act_bits,
                                                    .w = c.w,
                                                    .r = c.r,
                                                    .b_w = c.b};
        status = load(b, &weights, err);
    } else {
        status = spacc_fail(err, SPACC_ENOMEM, "out of memory");
    }
    free_cell(&c);
    return status;
}

enum spacc_status spacc_ladder_lstm(struct spacc_ladder *l, struct spacc_error *err)
{
    enum { STEPS = 30 };
    struct bench b = {0};
    char text[32];
    enum spacc_status status = begin(l, &b, PATIENCE_US, err);

    if (status == SPACC_OK)
        status = load_lstm(l, &b, err);
    if (status == SPACC_OK)
        status = make_jobs(l, &b, STEPS, err);
    if (status == SPACC_OK)
        status = run_both(&b, err);
    if (status == SPACC_OK)
        spacc_ladder_found(l, "%zu units, %d steps, %s", b.layer->units, STEPS,
                           took(&b, text, sizeof(text)));
    release(&b);
    return status;
}

/* ---- time-out --------------------------------------------------------------------- */

enum { SHORT = 4, LONG_STEPS = 1 << 15 };

/* A quarter of it has to be enough for a short run, on a busy host where time is the host's. */
static double long_us(const struct bench *b)
{
    return b->info.clock_hz > 0.0 ? 800000.0 / b->info.clock_hz * 1e6 : 400e3;
}

/* The card's time of the job, the shortest of a few where others take time of the same clock.
 */
static enum spacc_status time_job(struct bench *b, double *us, struct spacc_error *err)
{
    const int runs = b->info.clock_hz > 0.0 ? 1 : 3;
    enum spacc_status status = SPACC_OK;

    *us = HUGE_VAL;
    for (int i = 0; i < runs && status == SPACC_OK; i++) {
        status = spacc_device_run(b->card, &b->job[0], 1, err);
        *us = fmin(*us, took_us(b));
    }
    return status;
}

/* A run of so many steps, of fewer where memory is short. */
static enum spacc_status time_long(struct spacc_ladder *l, struct bench *b, size_t *steps,
                                   double *us, struct spacc_error *err)
{
    enum spacc_status status;

    for (;; *steps /= 2) {
        status = make_jobs(l, b, *steps, err);
        if (status == SPACC_OK)
            status = time_job(b, us, err);
        if ((status != SPACC_ENOMEM && status != SPACC_ENOFIT) || *steps < 64 * SHORT)
            return status;
    }
}

/* Steps of about long_us(), and what a run of so many takes. */
static enum spacc_status find_long(struct spacc_ladder *l, struct bench *b, size_t *steps,
                                   double *us, struct spacc_error *err)
{
    enum spacc_status status = make_jobs(l, b, SHORT, err);

    if (status == SPACC_OK)
        status = run_both(b, err);
    if (status != SPACC_OK)
        return status;
    *us = took_us(b);
    *steps = SHORT;
    for (int tries = 0; tries < 3 && *us < long_us(b) / 2 && *steps < LONG_STEPS; tries++) {
        /* A short run is mostly beginning and end, where a host's time is the measure. */
        *steps = (size_t)fmin(long_us(b) * (double)*steps / *us, LONG_STEPS) + SHORT;
        status = time_long(l, b, steps, us, err);
        if (status != SPACC_OK)
            return status;
    }
    return SPACC_OK;
}

/* The long run has a quarter of its time; the short one behind it then has more than enough. */
static enum spacc_status give_up(struct spacc_ladder *l, struct bench *b, size_t steps,
                                 uint64_t limit_us, struct spacc_error *err)
{
    struct spacc_error expected = {0};
    enum spacc_status status = load_lstm(l, b, err);

    if (status == SPACC_OK)
        status = make_jobs(l, b, steps, err);
    if (status != SPACC_OK)
        return status;
    status = spacc_device_run(b->card, &b->job[0], 1, &expected);
    if (status == SPACC_OK)
        return spacc_fail(err, SPACC_EDEVICE,
                          "a run of %zu steps was not given up after %" PRIu64 " us", steps,
                          limit_us);
    if (status != SPACC_ETIMEOUT) {
        *err = expected;
        return status;
    }
    status = make_jobs(l, b, SHORT, err);
    if (status == SPACC_OK)
        status = run_both(b, err);
    return status == SPACC_OK ? status : spacc_fail_in(err, status, "run after the time-out");
}

enum spacc_status spacc_ladder_timeout(struct spacc_ladder *l, struct spacc_error *err)
{
    struct bench b = {0};
    size_t steps = 0;
    double us = 0.0;
    enum spacc_status status = begin(l, &b, PATIENCE_US, err);

    if (status == SPACC_OK)
        status = load_lstm(l, &b, err);
    if (status == SPACC_OK)
        status = find_long(l, &b, &steps, &us, err);
    release(&b);
    if (status != SPACC_OK)
        return status;
    const uint64_t limit_us = (uint64_t)(us / 4.0) + 1;
    status = begin(l, &b, limit_us, err);
    if (status == SPACC_OK)
        status = give_up(l, &b, steps, limit_us, err);
    release(&b);
    spacc_ladder_found(l, "%.0f us of work given up after %" PRIu64, us, limit_us);
    return status;
}
