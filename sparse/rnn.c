#include "sparse/rnn.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "sparse/cells.h"
#include "sparse/tile.h"

enum {
    UNITS_MAX = 65536,
    ALIGN = 64,
    UNITS_AT_ONCE = 64, /* at least so many, where there are: cells take several registers */
    UNIT_ROWS_MAX = 3 * SPACC_TILE_ROWS_MAX, /* of their row blocks */
    CHUNK_STEPS = 32,                        /* most steps of one product with x */
    CHUNK_BYTES = 128 << 10,                 /* of its vectors and sums: half of a small L2 */
};

/* Gates whose sums can be made at once. Tile rows: [chunk][gate][lane], and
 * unit = chunk * lanes + lane. `period` row blocks hold whole chunks of units; `at_once`
 * periods are one piece of work. */
struct stage {
    size_t first_gate, gates;
    struct spacc_tile *w, *r;
    float *bias;   /* [rows]: wb + rb, or wb alone when r_bias is there */
    float *r_bias; /* [rows]: GRU_LINEAR, whose sums with h stay apart; else NULL */
    size_t rows;   /* blocks * block_rows */
    size_t period, period_units, at_once;
};

struct spacc_rnn {
    enum spacc_rnn_cell cell;
    size_t units, x_cols;
    size_t stages; /* 2 for a GRU whose candidate needs r * h */
    struct stage stage[2];
    const struct spacc_cell_kernel *cells;
    atomic_uint
        steps_run; /* its lowest bit is the next direction; results do not depend on it */
};

static size_t align_up(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t gates_of(enum spacc_rnn_cell cell)
{
    return cell == SPACC_RNN_LSTM ? 4 : 3;
}

/* ---- making ------------------------------------------------------------------ */

static enum spacc_status check(const struct spacc_rnn_spec *s, struct spacc_error *err)
{
    if (s->units == 0 || s->units > UNITS_MAX || s->x_cols == 0 || s->x_cols > UNITS_MAX)
        return spacc_fail(err, SPACC_EINVAL,
                          "a layer has 1 to %d units and inputs, this one %zu and %zu",
                          UNITS_MAX, s->units, s->x_cols);
    return SPACC_OK;
}

static size_t common_divisor(size_t a, size_t b)
{
    return b == 0 ? a : common_divisor(b, a % b);
}

static size_t stage_rows(const struct stage *s, size_t units, size_t lanes)
{
    return (units + lanes - 1) / lanes * lanes * s->gates;
}

/* order[rows]: the ONNX row of each tile row. */
static void fill_order(const struct stage *s, size_t units, size_t lanes, uint32_t *order)
{
    const size_t rows = stage_rows(s, units, lanes);

    for (size_t i = 0; i < rows; i++) {
        const size_t gate = i / lanes % s->gates;
        const size_t unit = i / lanes / s->gates * lanes + i % lanes;
        order[i] =
            unit < units ? (uint32_t)((s->first_gate + gate) * units + unit) : SPACC_TILE_EMPTY;
    }
}

static enum spacc_status make_tiles(struct stage *s, const struct spacc_rnn_spec *spec,
                                    const struct spacc_kernel *like, unsigned features,
                                    uint32_t *order, struct spacc_error *err)
{
    const size_t all = gates_of(spec->cell) * spec->units;
    const size_t rows = stage_rows(s, spec->units, like->lanes);
    const struct spacc_matrix w = {spec->w, all, spec->x_cols, order, rows};
    const struct spacc_matrix r = {spec->r, all, spec->units, order, rows};
    const bool dense = spec->bank_size == 0;

    fill_order(s, spec->units, like->lanes, order);
    const enum spacc_status status = spacc_tile_new(
        &s->w, spacc_kernel_pick(spec->precision, features, &w, dense, like), &w, NULL, err);
    if (status != SPACC_OK)
        return spacc_fail_in(err, status, "W");
    const enum spacc_status other = spacc_tile_new(
        &s->r, spacc_kernel_pick(spec->precision, features, &r, dense, like), &r, NULL, err);
    return other == SPACC_OK ? other : spacc_fail_in(err, other, "R");
}

static void fill_bias(struct stage *s, const struct spacc_rnn_spec *spec)
{
    for (size_t i = 0; i < s->rows; i++) {
        const size_t row = s->w->order[i];
        if (row == SPACC_TILE_EMPTY)
            continue;
        const float wb = spec->wb ? spec->wb[row] : 0.0f, rb = spec->rb ? spec->rb[row] : 0.0f;
        s->bias[i] = s->r_bias ? wb : wb + rb;
        if (s->r_bias)
            s->r_bias[i] = rb;
    }
}

static enum spacc_status make_bias(struct stage *s, const struct spacc_rnn_spec *spec,
                                   struct spacc_error *err)
{
    const bool apart = spec->cell == SPACC_RNN_GRU_LINEAR;

    s->rows = s->w->blocks * s->w->block_rows;
    s->bias = calloc(s->rows, sizeof(*s->bias));
    if (apart)
        s->r_bias = calloc(s->rows, sizeof(*s->r_bias));
    if (!s->bias || (apart && !s->r_bias))
        return spacc_fail(err, SPACC_ENOMEM, "out of memory for %zu biases", s->rows);
    fill_bias(s, spec);
    return SPACC_OK;
}

static enum spacc_status make_stage(struct stage *s, const struct spacc_rnn_spec *spec,
                                    const struct spacc_kernel *like, unsigned features,
                                    struct spacc_error *err)
{
    const size_t rows = stage_rows(s, spec->units, like->lanes);
    const size_t shared = common_divisor(s->gates, like->groups);
    uint32_t *order = malloc(rows * sizeof(*order));
    if (!order)
        return spacc_fail(err, SPACC_ENOMEM, "out of memory for %zu rows", rows);
    const enum spacc_status status = make_tiles(s, spec, like, features, order, err);
    free(order);
    s->period = s->gates / shared;
    s->period_units = like->groups / shared * like->lanes;
    s->at_once = s->period_units < UNITS_AT_ONCE ? UNITS_AT_ONCE / s->period_units : 1;
    assert(s->at_once * s->period * like->groups * like->lanes <= UNIT_ROWS_MAX);
    return status == SPACC_OK ? make_bias(s, spec, err) : status;
}

/* The kernel of R as a whole; all others have its shape. */
static const struct spacc_kernel *pick_shape(const struct spacc_rnn_spec *s, unsigned features)
{
    const struct spacc_matrix r = {s->r, gates_of(s->cell) * s->units, s->units, NULL, 0};
    return spacc_kernel_pick(s->precision, features, &r, s->bank_size == 0, NULL);
}

static void set_stages(struct spacc_rnn *m)
{
    m->stages = m->cell == SPACC_RNN_GRU ? 2 : 1;
    m->stage[0].gates = m->cell == SPACC_RNN_GRU ? 2 : gates_of(m->cell);
    m->stage[1].first_gate = 2;
    m->stage[1].gates = 1;
}

enum spacc_status spacc_rnn_new(struct spacc_rnn **out, const struct spacc_rnn_spec *spec,
                                unsigned cpu_features, struct spacc_error *err)
{
    *out = NULL;
    enum spacc_status status = check(spec, err);
    if (status != SPACC_OK)
        return status;

    struct spacc_rnn *m = calloc(1, sizeof(*m));
    if (!m)
        return spacc_fail(err, SPACC_ENOMEM, "out of memory for a layer");
    m->cell = spec->cell;
    m->units = spec->units;
    m->x_cols = spec->x_cols;
    m->cells = spacc_cell_kernel_pick(cpu_features);
    set_stages(m);
    const struct spacc_kernel *like = pick_shape(spec, cpu_features);
    for (size_t i = 0; i < m->stages && status == SPACC_OK; i++)
        status = make_stage(&m->stage[i], spec, like, cpu_features, err);
    if (status == SPACC_OK) {
        *out = m;
        m = NULL;
    }
    spacc_rnn_free(m);
    return status;
}

void spacc_rnn_free(struct spacc_rnn *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < 2; i++) {
        spacc_tile_free(m->stage[i].w);
        spacc_tile_free(m->stage[i].r);
        free(m->stage[i].bias);
        free(m->stage[i].r_bias);
    }
    free(m);
}

size_t spacc_rnn_bytes(const struct spacc_rnn *m)
{
    size_t bytes = 0;
    for (size_t i = 0; i < m->stages; i++)
        bytes += spacc_tile_bytes(m->stage[i].w) + spacc_tile_bytes(m->stage[i].r);
    return bytes;
}

const char *spacc_rnn_kernel(const struct spacc_rnn *m)
{
    return m->stage[0].r->kernel->name;
}

/* ---- scratch ----------------------------------------------------------------- */

/* Bytes that one more step of a chunk needs: prepared x, and sums when there are several. */
static size_t step_bytes(const struct spacc_rnn *m)
{
    size_t bytes = 0;
    for (size_t i = 0; i < m->stages; i++)
        bytes += spacc_tile_x_bytes(m->stage[i].w) + align_up(m->stage[i].rows * sizeof(float));
    return bytes;
}

static size_t chunk_steps(const struct spacc_rnn *m, size_t steps)
{
    size_t most = CHUNK_BYTES / step_bytes(m) / 4 * 4;
    most = most < 4 ? 4 : most > CHUNK_STEPS ? CHUNK_STEPS : most;
    return steps < most ? steps : most;
}

static size_t state_bytes(const struct spacc_rnn *m)
{
    return align_up(m->units * sizeof(float));
}

static size_t h_bytes(const struct spacc_rnn *m)
{
    const size_t a = spacc_tile_x_bytes(m->stage[0].r);
    const size_t b = m->stages > 1 ? spacc_tile_x_bytes(m->stage[1].r) : 0;
    return a > b ? a : b;
}

size_t spacc_rnn_scratch_bytes(const struct spacc_rnn *m, size_t steps)
{
    return h_bytes(m) + 2 * state_bytes(m) + chunk_steps(m, steps) * step_bytes(m);
}

/* One run, as its parts see it. */
struct run {
    const struct spacc_rnn *m;
    int parts;
    void *hx;            /* prepared h, or r * h */
    float *z, *rh;       /* GRU: [units] */
    unsigned char *x[2]; /* of each stage: prepared x [chunk] */
    float *sums[2];      /* [chunk][rows]; not used by chunks of one step */
    float *h, *c;
    size_t chunk; /* steps of this chunk */
    size_t at;    /* step within it */
    size_t stage;
    bool backward;
};

static void lay_out(struct run *k, unsigned char *scratch, size_t steps)
{
    const struct spacc_rnn *m = k->m;
    const size_t chunk = chunk_steps(m, steps);

    k->hx = scratch;
    scratch += h_bytes(m);
    k->z = (float *)(void *)scratch;
    scratch += state_bytes(m);
    k->rh = (float *)(void *)scratch;
    scratch += state_bytes(m);
    for (size_t i = 0; i < m->stages; i++) {
        k->x[i] = scratch;
        scratch += chunk * spacc_tile_x_bytes(m->stage[i].w);
        k->sums[i] = (float *)(void *)scratch;
        scratch += chunk * align_up(m->stage[i].rows * sizeof(float));
    }
}

/* ---- running ----------------------------------------------------------------- */

/* Sums of x for all steps of the chunk: this part's row blocks. */
static void x_part(void *arg, int part)
{
    const struct run *k = arg;
    const struct stage *s = &k->m->stage[k->stage];
    const struct spacc_blocks blocks = {spacc_parallel_first(s->w->blocks, k->parts, part),
                                        spacc_parallel_first(s->w->blocks, k->parts, part + 1),
                                        k->backward};
    const size_t from = blocks.first * s->w->block_rows;
    const size_t rows = (blocks.last - blocks.first) * s->w->block_rows;

    for (size_t t = 0; t < k->chunk; t++)
        memcpy(k->sums[k->stage] + t * s->rows + from, s->bias + from, rows * sizeof(float));
    s->w->kernel->product(s->w, k->x[k->stage], k->chunk, k->sums[k->stage] + from, s->rows,
                          blocks);
}

/* Units from `unit`, whose sums are there: new state. */
static void update(const struct run *k, const float *sums, const float *h_sums, size_t unit,
                   size_t units)
{
    const struct spacc_cell_kernel *cells = k->m->cells;
    const size_t lanes = k->m->stage[0].w->kernel->lanes;

    if (k->m->cell == SPACC_RNN_LSTM)
        cells->lstm(sums, lanes, units, k->c + unit, k->h + unit);
    else if (k->m->cell == SPACC_RNN_GRU_LINEAR)
        cells->gru_linear(sums, h_sums, lanes, units, k->h + unit);
    else if (k->stage == 0)
        cells->gru_gates(sums, lanes, units, k->h + unit, k->z + unit, k->rh + unit);
    else
        cells->gru_state(sums, lanes, units, k->z + unit, k->h + unit);
}

/* Periods first .. last - 1: their row blocks, sums and new state. */
static void run_periods(const struct run *k, const struct stage *s, size_t first, size_t last)
{
    float local[UNIT_ROWS_MAX], apart[UNIT_ROWS_MAX];
    const size_t end = last * s->period;
    const struct spacc_blocks blocks = {first * s->period,
                                        end < s->w->blocks ? end : s->w->blocks, k->backward};
    const size_t from = blocks.first * s->w->block_rows;
    const size_t rows = (blocks.last - blocks.first) * s->w->block_rows;
    const size_t unit = first * s->period_units, left = k->m->units - unit;
    const size_t units = (last - first) * s->period_units;
    float *sums = k->sums[k->stage] + k->at * s->rows + from, *h_sums = sums;

    if (k->chunk == 1) {
        sums = h_sums = local;
        memcpy(sums, s->bias + from, rows * sizeof(*sums));
        s->w->kernel->product(s->w, k->x[k->stage], 1, sums, rows, blocks);
    }
    if (s->r_bias) {
        h_sums = apart;
        memcpy(h_sums, s->r_bias + from, rows * sizeof(*h_sums));
    }
    s->r->kernel->product(s->r, k->hx, 1, h_sums, rows, blocks);
    update(k, sums, h_sums, unit, left < units ? left : units);
}

static void step_part(void *arg, int part)
{
    const struct run *k = arg;
    const struct stage *s = &k->m->stage[k->stage];
    const size_t periods = (s->w->blocks + s->period - 1) / s->period;
    const size_t first = spacc_parallel_first(periods, k->parts, part);
    const size_t last = spacc_parallel_first(periods, k->parts, part + 1);

    for (size_t done = 0; done < last - first; done += s->at_once) {
        const size_t left = last - first - done, count = left < s->at_once ? left : s->at_once;
        const size_t from = k->backward ? last - done - count : first + done;
        run_periods(k, s, from, from + count);
    }
}

/* One step of the chunk: h and c become the new ones. */
static void run_step(struct run *k, const struct spacc_parallel *pool)
{
    for (k->stage = 0; k->stage < k->m->stages; k->stage++) {
        const struct spacc_tile *r = k->m->stage[k->stage].r;
        r->kernel->prepare(r, k->stage == 0 ? k->h : k->rh, k->hx);
        spacc_parallel_run(pool, step_part, k);
    }
    k->backward = !k->backward;
}

/* x of the chunk's step t is at x + t * x_stride, or before x when `reverse`. */
static void run_x(struct run *k, const float *x, size_t x_stride, bool reverse,
                  const struct spacc_parallel *pool)
{
    for (k->stage = 0; k->stage < k->m->stages; k->stage++) {
        const struct spacc_tile *w = k->m->stage[k->stage].w;
        const size_t bytes = spacc_tile_x_bytes(w);
        for (size_t t = 0; t < k->chunk; t++)
            w->kernel->prepare(w, reverse ? x - t * x_stride : x + t * x_stride,
                               k->x[k->stage] + t * bytes);
        if (k->chunk > 1)
            spacc_parallel_run(pool, x_part, k);
    }
}

/* The direction that the layer's last step did not take. The counter is the one thing of a
 * layer that changes; results are the same whatever it says. */
static bool next_direction(const struct spacc_rnn *m, size_t steps)
{
    struct spacc_rnn *counted = (struct spacc_rnn *)(uintptr_t)m;
    const unsigned before =
        atomic_fetch_add_explicit(&counted->steps_run, (unsigned)steps, memory_order_relaxed);
    return before % 2 == 1;
}

void spacc_rnn_run(const struct spacc_rnn *m, size_t steps, const float *x, size_t x_stride,
                   float *y, size_t y_stride, float *h, float *c, bool reverse, void *scratch,
                   const struct spacc_parallel *pool)
{
    struct run k = {.m = m, .parts = spacc_parallel_parts(pool), .h = h, .c = c};

    lay_out(&k, scratch, steps);
    k.backward = next_direction(m, steps);
    for (size_t done = 0; done < steps; done += k.chunk) {
        k.chunk = chunk_steps(m, steps - done);
        run_x(&k, x + (reverse ? steps - 1 - done : done) * x_stride, x_stride, reverse, pool);
        for (k.at = 0; k.at < k.chunk; k.at++) {
            const size_t i = done + k.at, t = reverse ? steps - 1 - i : i;
            run_step(&k, pool);
            if (y)
                memcpy(y + t * y_stride, h, m->units * sizeof(*y));
        }
    }
}
