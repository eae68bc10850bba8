#include "host/fpga/card_jobs.h"

#include <string.h>

#include "rtl/card_map.h"

enum { ALIGN = 64 };
enum { MARK_BYTES = 128 }; /* rtl/card.toml */

static bool linear(const struct spacc_card_batch *b)
{
    return b->of->layer->cell == SPACC_CELL_LINEAR;
}

/* ---- places ------------------------------------------------------------------ */

static uint32_t take(size_t *used, size_t size_bytes)
{
    const size_t at = *used;

    *used += (size_bytes + ALIGN - 1) / ALIGN * ALIGN;
    return (uint32_t)at;
}

size_t spacc_card_x_bytes(const struct spacc_layout *l, size_t batch)
{
    return batch * l->x_words * l->lanes * sizeof(int16_t);
}

size_t spacc_card_step_bytes(const struct spacc_card_batch *b)
{
    return spacc_card_x_bytes(&b->of->layout, b->size) / (b->masks.overlap + 1) +
           b->masks.mask_bytes;
}

static size_t y_bytes(const struct spacc_card_batch *b, size_t steps)
{
    const struct spacc_layout *l = &b->of->layout;

    return b->masks.on ? b->masks.y_groups * l->pes * sizeof(int32_t)
                       : steps * spacc_layout_y_bytes(l, b->of->layer, b->size);
}

static size_t h_bytes(const struct spacc_layout *l)
{
    return l->h_words * l->lanes * sizeof(int16_t);
}

static size_t state_bytes(const struct spacc_layout *l)
{
    return l->units * sizeof(int32_t);
}

/* The state of a GRU is its h, which is in y; that of an LSTM is stored when a job asks. */
static bool wants_states(const struct spacc_card_batch *b, const struct spacc_job *job)
{
    bool wants = false;

    if (!spacc_card_keeps_c(b->of->layer))
        return false;
    for (size_t s = 0; s < b->size; s++)
        wants = wants || !job[b->first + s].skip_state;
    return wants;
}

static void place_batch(struct spacc_card_batch *b, size_t steps, size_t *in, size_t *out)
{
    const struct spacc_layout *l = &b->of->layout;
    const bool loads = !linear(b) && b->hold.start == SPACC_START_LOAD;

    b->x = take(in, b->from < 0 ? steps * spacc_card_step_bytes(b) : 0);
    b->h = take(in, loads ? b->size * h_bytes(l) : 0);
    b->state = take(in, loads ? b->size * state_bytes(l) : 0);
    b->y = take(out, y_bytes(b, steps));
    b->state_out = take(out, b->stores ? b->size * state_bytes(l) : 0);
    b->first_mark = take(out, MARK_BYTES);
    b->mark_after = take(out, MARK_BYTES);
}

enum spacc_status spacc_card_place_batches(struct spacc_card_batch *batch, size_t batches,
                                           const struct spacc_job *job, size_t *in, size_t *out,
                                           struct spacc_error *err)
{
    *in = *out = 0;
    for (size_t i = 0; i < batches; i++) {
        struct spacc_card_batch *b = &batch[i];
        const size_t steps = job[b->first].steps;
        const size_t step_bytes = spacc_layout_y_bytes(&b->of->layout, b->of->layer, b->size) +
                                  spacc_card_step_bytes(b);

        if (steps > UINT32_MAX / 2 / step_bytes)
            return spacc_fail(err, SPACC_ENOFIT,
                              "node %s: %zu steps of %zu sequences are too many for one run",
                              b->of->name, steps, b->size);
        b->stores = wants_states(b, job);
        place_batch(b, steps, in, out);
        if (*in > UINT32_MAX || *out > UINT32_MAX)
            return spacc_fail(err, SPACC_ENOFIT,
                              "node %s: vectors of one run take %zu and %zu bytes, a region "
                              "has 4 GiB",
                              b->of->name, *in, *out);
    }
    return SPACC_OK;
}

/* ---- inputs ------------------------------------------------------------------ */

/* x of sequence s of a batch: column c of step t is in chunks between those of the others. */
static void put_x(const struct spacc_card_batch *b, size_t s, const struct spacc_job *job,
                  uint8_t *in)
{
    const struct spacc_layout *l = &b->of->layout;
    const struct spacc_card_masks *m = &b->masks;
    const size_t parts = m->overlap + 1, words = l->x_words / parts;
    const size_t cols = b->of->layer->x_cols / parts, chunk = l->pes / 4;
    const int16_t *x = m->x ? m->x : job->x;

    for (size_t t = 0; t < job->steps; t++) {
        uint8_t *at = in + b->x + t * spacc_card_step_bytes(b);
        int16_t *to = (int16_t *)(void *)at;
        for (size_t c = 0; c < cols; c++)
            to[spacc_batch_position(spacc_card_position(c, words, l->lanes), s, b->size,
                                    chunk)] = x[t * cols + c];
        if (m->on)
            memcpy(at + words * l->lanes * sizeof(*to), m->mask + t * m->mask_bytes,
                   m->mask_bytes);
    }
}

static void put_states(const struct spacc_card_batch *b, size_t s, const struct spacc_job *job,
                       uint8_t *in)
{
    const struct spacc_layout *l = &b->of->layout;
    const size_t h_cols = spacc_fixed_h_cols(b->of->layer), units = b->of->layer->units;

    spacc_to_card16(job->h, h_cols, spacc_card_bank(h_cols, l->lanes), l->lanes, l->h_words,
                    (int16_t *)(void *)(in + b->h + s * h_bytes(l)));
    spacc_to_card32(job->state, units, spacc_card_bank(units, l->lanes), l->lanes,
                    l->units / l->lanes,
                    (int32_t *)(void *)(in + b->state + s * state_bytes(l)));
}

void spacc_card_put_inputs(const struct spacc_card_batch *batch, size_t batches,
                           const struct spacc_job *job, uint8_t *in)
{
    for (size_t i = 0; i < batches; i++)
        for (size_t s = 0; s < batch[i].size; s++) {
            const struct spacc_card_batch *b = &batch[i];
            if (b->from < 0)
                put_x(b, s, &job[b->first + s], in);
            if (!linear(b) && b->hold.start == SPACC_START_LOAD)
                put_states(b, s, &job[b->first + s], in);
        }
}

/* ---- outputs ----------------------------------------------------------------- */

static void get_linear(const struct spacc_card_batch *b, size_t s, struct spacc_job *job,
                       const uint8_t *out)
{
    const struct spacc_layout *l = &b->of->layout;
    const size_t rows = 4 * b->of->layer->units;
    const size_t bytes = spacc_layout_y_bytes(l, b->of->layer, b->size);

    for (size_t t = 0; t < job->steps; t++) {
        const int32_t *from = (const int32_t *)(const void *)(out + b->y + t * bytes);
        for (size_t r = 0; r < rows; r++)
            ((int32_t *)job->y)[t * rows + r] =
                from[spacc_batch_position(r, s, b->size, l->pes)];
    }
}

static void get_y(const struct spacc_card_batch *b, size_t s, struct spacc_job *job,
                  const uint8_t *out)
{
    const struct spacc_layout *l = &b->of->layout;
    const size_t width = b->of->layer->outputs, bank = spacc_card_bank(width, l->lanes);
    const size_t bytes = spacc_layout_y_bytes(l, b->of->layer, b->size);
    const size_t chunk = spacc_layout_y_chunk(l, b->of->layer);

    for (size_t t = 0; t < job->steps; t++) {
        const int16_t *from = (const int16_t *)(const void *)(out + b->y + t * bytes);
        for (size_t c = 0; c < width; c++)
            ((int16_t *)job->y)[t * width + c] = from[spacc_batch_position(
                spacc_card_position(c, bank, l->lanes), s, b->size, chunk)];
    }
}

/* The last h is the y of the last step. */
static void get_states(const struct spacc_card_batch *b, size_t s, struct spacc_job *job,
                       const uint8_t *out)
{
    const struct spacc_layout *l = &b->of->layout;
    const size_t width = b->of->layer->outputs, units = b->of->layer->units;

    if (b->stores)
        spacc_from_card32(
            (const int32_t *)(const void *)(out + b->state_out + s * state_bytes(l)), units,
            spacc_card_bank(units, l->lanes), l->lanes, job->state);
    memcpy(job->h, (const int16_t *)job->y + (job->reverse ? 0 : job->steps - 1) * width,
           width * sizeof(int16_t));
    for (size_t u = 0; u < units && !spacc_card_keeps_c(b->of->layer); u++)
        job->state[u] = job->h[u];
}

static enum spacc_status get_rows(const struct spacc_card_batch *b, size_t s,
                                  struct spacc_job *job, const uint8_t *out)
{
    if (b->masks.on)
        return spacc_card_masks_get(&b->masks, &b->of->layout, b->of->layer, job,
                                    (const int32_t *)(const void *)(out + b->y));
    get_linear(b, s, job, out);
    if (job->mask)
        spacc_card_masks_clear(b->of->layer, job);
    return SPACC_OK;
}

enum spacc_status spacc_card_get_outputs(const struct spacc_card_batch *batch, size_t batches,
                                         struct spacc_job *job, const uint8_t *out)
{
    enum spacc_status status = SPACC_OK;

    for (size_t i = 0; i < batches && !status; i++)
        for (size_t s = 0; s < batch[i].size && !status; s++) {
            struct spacc_job *j = &job[batch[i].first + s];
            if (linear(&batch[i])) {
                status = get_rows(&batch[i], s, j, out);
                continue;
            }
            get_y(&batch[i], s, j, out);
            get_states(&batch[i], s, j, out);
        }
    return status;
}

/* ---- counts ------------------------------------------------------------------ */

/* What the card counted during a batch, in order of its counters. */
static void count_batch(const struct spacc_card_batch *b, const uint8_t *out,
                        uint64_t count[SPACC_CARD_COUNTERS])
{
    uint64_t before[SPACC_CARD_COUNTERS];

    memcpy(before, out + b->mark_before, sizeof(before));
    memcpy(count, out + b->mark_after, sizeof(before));
    for (int i = 0; i < SPACC_CARD_COUNTERS; i++)
        count[i] -= before[i];
}

/* Share s of n: equal ones, the first ones one more. */
static uint64_t share(uint64_t whole, size_t s, size_t n)
{
    return whole / n + (s < whole % n);
}

static struct spacc_job_counts share_counts(const uint64_t count[SPACC_CARD_COUNTERS], size_t s,
                                            size_t n)
{
    struct spacc_job_counts c = {0};

    for (int i = 0; i < SPACC_CARD_CAUSES; i++) { /* card.toml keeps causes together */
        c.cause[i] = share(count[SPACC_COUNTER_ISSUE + i], s, n);
        c.cycles += c.cause[i];
    }
    c.gate_saturations = share(count[SPACC_COUNTER_GATE_SATURATIONS], s, n);
    c.state_saturations = share(count[SPACC_COUNTER_STATE_SATURATIONS], s, n);
    c.bytes_read = share(count[SPACC_COUNTER_BYTES_READ], s, n);
    c.bytes_written = share(count[SPACC_COUNTER_BYTES_WRITTEN], s, n);
    c.rows_skipped = share(count[SPACC_COUNTER_ROWS_SKIPPED], s, n);
    c.issue_saved = share(count[SPACC_COUNTER_ISSUE_SAVED], s, n);
    return c;
}

void spacc_card_get_counts(const struct spacc_card_batch *batch, size_t batches,
                           struct spacc_job *job, const uint8_t *out, bool saturations)
{
    uint64_t count[SPACC_CARD_COUNTERS];

    for (size_t i = 0; i < batches; i++) {
        count_batch(&batch[i], out, count);
        for (size_t s = 0; s < batch[i].size; s++) {
            struct spacc_job_counts *c = &job[batch[i].first + s].counts;
            const struct spacc_job_counts own = *c;
            *c = share_counts(count, s, batch[i].size);
            if (!saturations) {
                c->gate_saturations = own.gate_saturations;
                c->state_saturations = own.state_saturations;
            }
        }
    }
}
