/* Layers on a card: where they lie in its memories, and lists of jobs as programs.
 *
 * When all layers fit side by side they are loaded once (`resident`). Else each layer is
 * loaded at the same place before it runs, unless it is the one that is there already.
 * Vector and state memory belong to one RUN at a time, since every RUN loads its own h
 * and state. */
#include "host/device.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "host/card/model.h"
#include "rtl/card_map.h"

enum { ALIGN = 64, LAYER_NONE = -1 };
enum { JOB_INSTRUCTIONS = 8 }; /* load 2, run 5, mark 1 */
enum { MARK_BYTES = 128 };     /* rtl/card.toml */

struct card_layer {
    char *name;
    const struct spacc_fixed_layer *layer;
    struct spacc_layout layout;
    struct spacc_place place;
};

/* Memory on the card's side that grows. */
struct buffer {
    uint64_t address;
    size_t size_bytes;
};

struct card_device {
    struct spacc_device base;
    struct spacc_card *card;
    const struct spacc_card_info *info;
    uint64_t time_limit_us;
    size_t layers;
    struct card_layer *layer;
    struct buffer program, weights, input, output;
    struct spacc_card_totals totals;
    bool loaded; /* what should be on the card is, under `generation` */
    uint32_t generation;
    int on_card;                     /* layer that is on the card when not resident */
    struct spacc_device *arithmetic; /* of a card that only counts; else NULL */
};

/* Where one job's vectors are: bytes in region 2 (x, h, state) and 3. */
struct job_place {
    uint32_t x, h, state, y, state_out, first_mark, mark_before, mark_after;
};

/* ---- memory ------------------------------------------------------------------ */

static size_t aligned(size_t size_bytes)
{
    return (size_bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static enum spacc_status grow(struct card_device *d, struct buffer *b, size_t size_bytes,
                              struct spacc_error *err)
{
    enum spacc_status s;

    if (size_bytes <= b->size_bytes)
        return SPACC_OK;
    if (b->size_bytes)
        spacc_card_release(d->card, b->address);
    *b = (struct buffer){0};
    if ((s = spacc_card_alloc(d->card, aligned(size_bytes), &b->address, err)))
        return s;
    b->size_bytes = aligned(size_bytes);
    return SPACC_OK;
}

static void card_close(struct spacc_device *device)
{
    struct card_device *d = (struct card_device *)device;

    for (size_t i = 0; i < d->layers; i++)
        free(d->layer[i].name);
    free(d->layer);
    spacc_device_free(d->arithmetic);
    spacc_card_close(d->card); /* its memory goes with it */
    free(d);
}

/* ---- layers ------------------------------------------------------------------ */

static enum spacc_status card_add(struct spacc_device *device, const char *name,
                                  const struct spacc_fixed_layer *layer, size_t *number,
                                  struct spacc_error *err)
{
    struct card_device *d = (struct card_device *)device;
    struct card_layer *more = realloc(d->layer, (d->layers + 1) * sizeof(*more));
    struct card_layer *l;
    enum spacc_status s;

    if (!more)
        return spacc_fail(err, SPACC_ENOMEM, "node %s: no memory", name);
    d->layer = more;
    l = &d->layer[d->layers];
    memset(l, 0, sizeof(*l));
    if ((s = spacc_layout_make(&l->layout, layer, d->info, name, err)))
        return s;
    if (d->arithmetic && (s = spacc_device_add(d->arithmetic, name, layer, number, err)))
        return s;
    l->layer = layer;
    if (!(l->name = strdup(name)))
        return spacc_fail(err, SPACC_ENOMEM, "node %s: no memory", name);
    *number = d->layers++;
    return SPACC_OK;
}

/* Side by side when that fits, else all at 0. Returns the size of region 1. */
static size_t place_layers(struct card_device *d)
{
    size_t words = 0, params = 0, bytes = 0;
    bool streams = false; /* a streamed layer takes all of the weight memory */

    for (size_t i = 0; i < d->layers; i++) {
        struct card_layer *l = &d->layer[i];
        l->place.word_base = (uint32_t)words;
        l->place.param_base = (uint32_t)params;
        words += l->layout.weight_words;
        params += l->layout.param_units;
        streams |= l->layout.ring_words != 0;
        l->place.weight_offset = (uint32_t)bytes;
        bytes = aligned(bytes + l->layout.weight_bytes);
        l->place.param_offset = (uint32_t)bytes;
        bytes = aligned(bytes + l->layout.param_bytes);
    }
    d->totals.resident = !streams && words <= d->info->weight_words && params <= d->info->units;
    for (size_t i = 0; i < d->layers && !d->totals.resident; i++)
        d->layer[i].place.word_base = d->layer[i].place.param_base = 0;
    return bytes;
}

static enum spacc_status write_images(struct card_device *d, size_t bytes,
                                      struct spacc_error *err)
{
    uint8_t *image = calloc(1, bytes);
    enum spacc_status s;

    if (!image)
        return spacc_fail(err, SPACC_ENOMEM, "no memory for %zu bytes of weights", bytes);
    for (size_t i = 0; i < d->layers; i++) {
        const struct card_layer *l = &d->layer[i];
        spacc_layout_weights(&l->layout, l->layer, image + l->place.weight_offset);
        spacc_layout_params(&l->layout, l->layer, image + l->place.param_offset);
    }
    if (!(s = grow(d, &d->weights, bytes, err)))
        s = spacc_card_write(d->card, d->weights.address, image, bytes, err);
    free(image);
    return s;
}

/* ---- running a program ------------------------------------------------------- */

static enum spacc_status run_program(struct card_device *d, const struct spacc_program *p,
                                     size_t input_bytes, size_t output_bytes,
                                     struct spacc_card_counters *counters,
                                     struct spacc_error *err)
{
    const size_t program_bytes = p->instructions * SPACC_INSTRUCTION_BYTES;
    const struct spacc_card_run run = {
        .program = d->program.address,
        .weights = d->weights.address,
        .input = d->input.address,
        .output = d->output.address,
        .program_bytes = (uint32_t)program_bytes,
        .weights_bytes = (uint32_t)d->weights.size_bytes,
        .input_bytes = (uint32_t)input_bytes,
        .output_bytes = (uint32_t)output_bytes,
    };
    uint8_t bytes[sizeof(p->word)];
    enum spacc_status s;

    for (size_t i = 0; i < program_bytes; i++)
        bytes[i] = (uint8_t)(p->word[i / 64][i / 4 % 16] >> i % 4 * 8);
    if ((s = spacc_card_write(d->card, d->program.address, bytes, program_bytes, err)))
        return s;
    d->totals.runs++;
    s = spacc_card_run(d->card, &run, d->time_limit_us, counters, err);
    if (s) /* half a program may have run: trust nothing that was on the card */
        d->loaded = false, d->on_card = LAYER_NONE;
    return s;
}

/* Load all layers, as many programs as that takes. */
static enum spacc_status load_resident(struct card_device *d, struct spacc_error *err)
{
    const size_t room = (d->info->instructions - 1) / 2;
    struct spacc_card_counters counters;
    enum spacc_status s;

    for (size_t first = 0; first < d->layers; first += room) {
        struct spacc_program p = {0};
        for (size_t i = first; i < d->layers && i < first + room; i++)
            spacc_program_load(&p, &d->layer[i].layout, &d->layer[i].place);
        spacc_program_end(&p);
        if ((s = run_program(d, &p, 0, 0, &counters, err)))
            return s;
        d->totals.load_cycles += counters.value[SPACC_COUNTER_CYCLES];
    }
    return SPACC_OK;
}

/* Bring back what a reset took. */
static enum spacc_status make_loaded(struct card_device *d, struct spacc_error *err)
{
    const uint32_t generation = spacc_card_generation(d->card);
    enum spacc_status s;

    if (d->loaded && d->generation == generation)
        return SPACC_OK;
    d->on_card = LAYER_NONE;
    d->generation = generation;
    if (d->totals.resident && (s = load_resident(d, err)))
        return s;
    d->loaded = true;
    return SPACC_OK;
}

static enum spacc_status card_load(struct spacc_device *device, struct spacc_error *err)
{
    struct card_device *d = (struct card_device *)device;
    const size_t bytes = place_layers(d);
    enum spacc_status s;

    if (bytes > UINT32_MAX)
        return spacc_fail(err, SPACC_ENOFIT, "weights take %zu bytes, a region has 4 GiB",
                          bytes);
    if (d->layers == 0)
        return SPACC_OK;
    if ((s = grow(d, &d->program, sizeof(((struct spacc_program *)0)->word), err)) ||
        (s = write_images(d, bytes, err)))
        return s;
    d->loaded = false;
    return make_loaded(d, err);
}

/* ---- jobs -------------------------------------------------------------------- */

static size_t take(size_t *used, size_t size_bytes)
{
    const size_t at = *used;
    *used += aligned(size_bytes);
    return at;
}

static size_t x_bytes(const struct spacc_layout *l)
{
    return l->x_words * l->lanes * sizeof(int16_t);
}

/* Give every job its place. Sizes of regions 2 and 3 into *in, *out. */
static enum spacc_status place_jobs(const struct card_device *d, const struct spacc_job *job,
                                    size_t jobs, struct job_place *at, size_t *in, size_t *out,
                                    struct spacc_error *err)
{
    *in = *out = 0;
    for (size_t i = 0; i < jobs; i++) {
        const struct card_layer *l = &d->layer[job[i].layer];
        const size_t y_bytes = spacc_layout_y_bytes(&l->layout, l->layer);

        if (job[i].steps > UINT32_MAX / 2 / (y_bytes + x_bytes(&l->layout)))
            return spacc_fail(err, SPACC_ENOFIT, "node %s: %zu steps are too many for one run",
                              l->name, job[i].steps);
        at[i].x = (uint32_t)take(in, job[i].x_job < 0 ? job[i].steps * x_bytes(&l->layout) : 0);
        at[i].h = (uint32_t)take(in, l->layout.h_words * l->layout.lanes * 2);
        at[i].state = (uint32_t)take(in, l->layout.units * 4);
        at[i].y = (uint32_t)take(out, job[i].steps * y_bytes);
        at[i].state_out = (uint32_t)take(out, l->layout.units * 4);
        at[i].first_mark = (uint32_t)take(out, MARK_BYTES);
        at[i].mark_after = (uint32_t)take(out, MARK_BYTES);
        if (*in > UINT32_MAX || *out > UINT32_MAX)
            return spacc_fail(err, SPACC_ENOFIT,
                              "node %s: vectors of one run take %zu and %zu bytes, a region "
                              "has 4 GiB",
                              l->name, *in, *out);
    }
    return SPACC_OK;
}

static void put_inputs(const struct card_device *d, const struct spacc_job *job, size_t jobs,
                       const struct job_place *at, uint8_t *in)
{
    for (size_t i = 0; i < jobs; i++) {
        const struct card_layer *l = &d->layer[job[i].layer];
        const struct spacc_layout *lay = &l->layout;
        const size_t cols = l->layer->x_cols, units = l->layer->units;

        for (size_t t = 0; t < job[i].steps && job[i].x_job < 0; t++)
            spacc_to_card16(job[i].x + t * cols, cols, lay->x_words, lay->lanes, lay->x_words,
                            (int16_t *)(void *)(in + at[i].x + t * x_bytes(lay)));
        if (l->layer->cell == SPACC_CELL_LINEAR)
            continue;
        const size_t bank = spacc_card_bank(units, lay->lanes);
        spacc_to_card16(job[i].h, units, bank, lay->lanes, lay->h_words,
                        (int16_t *)(void *)(in + at[i].h));
        spacc_to_card32(job[i].state, units, bank, lay->lanes, lay->h_words,
                        (int32_t *)(void *)(in + at[i].state));
    }
}

static void get_y(const struct card_layer *l, struct spacc_job *job, const uint8_t *out)
{
    const size_t units = l->layer->units, bytes = spacc_layout_y_bytes(&l->layout, l->layer);
    const size_t bank = spacc_card_bank(units, l->layout.lanes);

    for (size_t t = 0; t < job->steps; t++)
        if (l->layer->cell == SPACC_CELL_LINEAR)
            memcpy((int32_t *)job->y + t * 4 * units, out + t * bytes, units * 16);
        else
            spacc_from_card16((const int16_t *)(const void *)(out + t * bytes), units, bank,
                              l->layout.lanes, (int16_t *)job->y + t * units);
}

static void get_counts(struct spacc_job_counts *c, const uint8_t *before, const uint8_t *after)
{
    uint64_t a[SPACC_CARD_COUNTERS], b[SPACC_CARD_COUNTERS];

    memcpy(b, before, sizeof(b));
    memcpy(a, after, sizeof(a));
    for (int i = 0; i < SPACC_CARD_COUNTERS; i++)
        a[i] -= b[i];
    c->cycles = a[SPACC_COUNTER_CYCLES];
    for (int i = 0; i < SPACC_CARD_CAUSES; i++)
        c->cause[i] = a[SPACC_COUNTER_ISSUE + i]; /* card.toml keeps causes together */
    c->gate_saturations = a[SPACC_COUNTER_GATE_SATURATIONS];
    c->state_saturations = a[SPACC_COUNTER_STATE_SATURATIONS];
    c->bytes_read = a[SPACC_COUNTER_BYTES_READ];
    c->bytes_written = a[SPACC_COUNTER_BYTES_WRITTEN];
}

/* What a card that only counts would have given, from the same arithmetic in C. */
static enum spacc_status compute_outputs(const struct card_device *d, struct spacc_job *job,
                                         size_t jobs, const struct job_place *at,
                                         const uint8_t *out, struct spacc_error *err)
{
    const enum spacc_status s = spacc_device_run(d->arithmetic, job, jobs, err);

    for (size_t i = 0; i < jobs && !s; i++) {
        const struct spacc_job_counts cut = job[i].counts;
        get_counts(&job[i].counts, out + at[i].mark_before, out + at[i].mark_after);
        job[i].counts.gate_saturations = cut.gate_saturations;
        job[i].counts.state_saturations = cut.state_saturations;
    }
    return s;
}

static void get_outputs(const struct card_device *d, struct spacc_job *job, size_t jobs,
                        const struct job_place *at, const uint8_t *out)
{
    for (size_t i = 0; i < jobs; i++) {
        const struct card_layer *l = &d->layer[job[i].layer];
        const size_t units = l->layer->units;

        get_y(l, &job[i], out + at[i].y);
        get_counts(&job[i].counts, out + at[i].mark_before, out + at[i].mark_after);
        if (l->layer->cell == SPACC_CELL_LINEAR)
            continue;
        spacc_from_card32((const int32_t *)(const void *)(out + at[i].state_out), units,
                          spacc_card_bank(units, l->layout.lanes), l->layout.lanes,
                          job[i].state);
        memcpy(job[i].h, (int16_t *)job[i].y + (job[i].reverse ? 0 : job[i].steps - 1) * units,
               units * sizeof(int16_t));
    }
}

/* Whether a recurrent job begins with h and state of 0. */
static bool starts_at_zero(const struct spacc_job *job, const struct spacc_fixed_layer *layer)
{
    if (layer->cell == SPACC_CELL_LINEAR)
        return false;
    for (size_t u = 0; u < layer->units; u++)
        if (job->h[u] || job->state[u])
            return false;
    return true;
}

/* Job i's instructions. When its layer has to be loaded first, that counts as its LOAD. */
static void add_job(struct card_device *d, struct spacc_program *p, const struct spacc_job *job,
                    const struct job_place *place, size_t i)
{
    const struct card_layer *l = &d->layer[job[i].layer];
    const struct job_place *at = &place[i];
    const int from = job[i].x_job;
    const struct card_layer *x_layer = from < 0 ? NULL : &d->layer[job[from].layer];
    const struct spacc_run_args args = {
        .steps = (uint32_t)job[i].steps,
        .reverse = job[i].reverse,
        .zero = starts_at_zero(&job[i], l->layer),
        .want_state = true,
        .x_region = x_layer ? SPACC_REGION_OUTPUT : SPACC_REGION_INPUT,
        .x_offset = x_layer ? place[from].y : at->x,
        .x_step_bytes =
            (uint32_t)(x_layer ? spacc_layout_y_bytes(&x_layer->layout, x_layer->layer)
                               : x_bytes(&l->layout)),
        .h_offset = at->h,
        .state_offset = at->state,
        .y_offset = at->y,
        .state_out = at->state_out,
    };

    if (!d->totals.resident && d->on_card != (int)job[i].layer) {
        spacc_program_load(p, &l->layout, &l->place);
        d->on_card = (int)job[i].layer;
    }
    spacc_program_run(p, &l->layout, l->layer, &l->place, &args);
    spacc_program_mark(p, at->mark_after);
}

/* Programs of as many jobs as the instruction memory takes. A mark stands at the start of
 * a program and behind every job. */
static enum spacc_status run_programs(struct card_device *d, const struct spacc_job *job,
                                      size_t jobs, struct job_place *at, size_t in_bytes,
                                      size_t out_bytes, uint64_t *cycles,
                                      struct spacc_error *err)
{
    const size_t room = (d->info->instructions < SPACC_PROGRAM_MAX ? d->info->instructions
                                                                   : SPACC_PROGRAM_MAX) -
                        1;
    struct spacc_card_counters counters;
    size_t i = 0;
    enum spacc_status s;

    while (i < jobs) {
        struct spacc_program p = {0};
        at[i].mark_before = at[i].first_mark;
        spacc_program_mark(&p, at[i].mark_before);
        do {
            add_job(d, &p, job, at, i);
            if (i + 1 < jobs)
                at[i + 1].mark_before = at[i].mark_after;
            i++;
        } while (i < jobs && p.instructions + JOB_INSTRUCTIONS <= room);
        spacc_program_end(&p);
        if ((s = run_program(d, &p, in_bytes, out_bytes, &counters, err)))
            return s;
        *cycles += counters.value[SPACC_COUNTER_CYCLES];
    }
    return SPACC_OK;
}

static enum spacc_status check_job(const struct card_device *d, const struct spacc_job *job,
                                   size_t i, struct spacc_error *err)
{
    const struct spacc_job *j = &job[i];
    const struct spacc_fixed_layer *l, *from;

    if (j->layer >= d->layers || j->steps == 0 || (j->x_job < 0 && !j->x) || j->x_job >= (int)i)
        return spacc_fail(err, SPACC_EINVAL, "job %zu: layer %zu of %zu, %zu steps, x from %d",
                          i, j->layer, d->layers, j->steps, j->x_job);
    if (j->x_job < 0)
        return SPACC_OK;
    l = d->layer[j->layer].layer;
    from = d->layer[job[j->x_job].layer].layer;
    if (from->cell == SPACC_CELL_LINEAR || from->units != l->x_cols ||
        job[j->x_job].steps != j->steps)
        return spacc_fail(err, SPACC_EINVAL,
                          "job %zu takes %zu x %zu from a job that gives %zu x %zu", i,
                          j->steps, l->x_cols, job[j->x_job].steps, from->units);
    return SPACC_OK;
}

static enum spacc_status run_placed(struct card_device *d, struct spacc_job *job, size_t jobs,
                                    struct job_place *at, size_t in_bytes, size_t out_bytes,
                                    uint8_t *in, uint8_t *out, struct spacc_error *err)
{
    uint64_t cycles = 0;
    enum spacc_status s;

    put_inputs(d, job, jobs, at, in);
    if ((s = grow(d, &d->input, in_bytes, err)) || (s = grow(d, &d->output, out_bytes, err)) ||
        (s = spacc_card_write(d->card, d->input.address, in, in_bytes, err)) ||
        (s = run_programs(d, job, jobs, at, in_bytes, out_bytes, &cycles, err)) ||
        (s = spacc_card_read(d->card, d->output.address, out, out_bytes, err)))
        return s;
    if (d->arithmetic)
        s = compute_outputs(d, job, jobs, at, out, err);
    else
        get_outputs(d, job, jobs, at, out);
    d->totals.run_cycles += cycles;
    return s;
}

static enum spacc_status card_run(struct spacc_device *device, struct spacc_job *job,
                                  size_t jobs, struct spacc_error *err)
{
    struct card_device *d = (struct card_device *)device;
    struct job_place *at = calloc(jobs + 1, sizeof(*at));
    size_t in_bytes, out_bytes;
    uint8_t *in = NULL, *out = NULL;
    enum spacc_status s = SPACC_ENOMEM;

    if (!at)
        goto out;
    for (size_t i = 0; i < jobs; i++)
        if ((s = check_job(d, job, i, err)))
            goto out;
    if ((s = make_loaded(d, err)) ||
        (s = place_jobs(d, job, jobs, at, &in_bytes, &out_bytes, err)))
        goto out;
    s = SPACC_ENOMEM;
    in = calloc(1, in_bytes + 1);
    out = malloc(out_bytes + 1);
    if (in && out)
        s = run_placed(d, job, jobs, at, in_bytes, out_bytes, in, out, err);
out:
    free(at);
    free(in);
    free(out);
    return s == SPACC_ENOMEM ? spacc_fail(err, s, "no memory for the vectors of a run") : s;
}

/* ---- the device -------------------------------------------------------------- */

static const struct spacc_device_ops card_ops = {
    .kind = "card", .close = card_close, .add = card_add, .load = card_load, .run = card_run};

enum spacc_status spacc_card_device_new(struct spacc_device **out, struct spacc_card *card,
                                        uint64_t time_limit_us, struct spacc_error *err)
{
    struct card_device *d = calloc(1, sizeof(*d));
    enum spacc_status s;

    *out = NULL;
    if (!d) {
        spacc_card_close(card);
        return spacc_fail(err, SPACC_ENOMEM, "no memory for a device");
    }
    d->base.ops = &card_ops;
    d->card = card;
    d->info = spacc_card_info(card);
    d->time_limit_us = time_limit_us;
    d->on_card = LAYER_NONE;
    if (spacc_card_only_counts(d->info) && (s = spacc_cpu_device_new(&d->arithmetic, err))) {
        card_close(&d->base);
        return s;
    }
    *out = &d->base;
    return SPACC_OK;
}

const struct spacc_layout *spacc_card_device_layout(const struct spacc_device *d, size_t layer)
{
    return &((const struct card_device *)d)->layer[layer].layout;
}

const struct spacc_card_info *spacc_card_device_info(const struct spacc_device *d)
{
    return ((const struct card_device *)d)->info;
}

struct spacc_card_totals spacc_card_device_totals(const struct spacc_device *d)
{
    return ((const struct card_device *)d)->totals;
}
