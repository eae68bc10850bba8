/* Layers on a card behind the device interface.
 *
 *   card_places    which layers stay on the card          card_load
 *   card_batches   which jobs of a list are one RUN       card_run, from here on
 *   card_kept      which h and states are there still
 *   card_jobs      vectors to the card's memory and back
 *   card_programs  what the card executes */
#include "host/device.h"

#include <stdlib.h>
#include <string.h>

#include "host/card/model.h"
#include "host/clock.h"
#include "host/fpga/card_batches.h"
#include "host/fpga/card_places.h"
#include "host/fpga/card_programs.h"
#include "rtl/card_map.h"

enum { ALIGN = 64 };

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
    struct spacc_card_layer *layer;
    struct spacc_card_kept *kept;
    struct buffer program, weights, input, output;
    struct spacc_card_totals totals;
    bool loaded; /* what should be on the card is, under `generation` */
    uint32_t generation;
    const struct spacc_card_layer *in_window; /* of those that do not stay */
    struct spacc_device *arithmetic;          /* of a card that only counts; else NULL */
};

/* One list of jobs under way. */
struct list {
    struct spacc_job *job;
    size_t jobs, batches;
    struct spacc_card_batch *batch;
    size_t in_bytes, out_bytes;
    uint8_t *in, *out;
};

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

/* Only its matrices are its own. */
static void free_shared(struct spacc_fixed_layer *l)
{
    if (!l)
        return;
    spacc_csb_free(l->w_x);
    spacc_csb_free(l->w_h);
    spacc_csb_free(l->w_b);
    free(l);
}

/* The layer with the same indices in every quad of rows of the array. Rows of a projection
 * stand at the positions of their r, so those of a quad are a bank of r apart. */
static enum spacc_status share_indices(struct spacc_fixed_layer **out,
                                       const struct spacc_fixed_layer *layer,
                                       const struct spacc_card_info *card,
                                       struct spacc_error *err)
{
    const size_t shared = card->shared_rows;
    const size_t apart =
        layer->cell == SPACC_CELL_LSTMP ? spacc_card_bank(layer->outputs, card->lanes) : 1;
    struct spacc_fixed_layer *l = malloc(sizeof(*l));
    enum spacc_status s;

    if (!l)
        return spacc_fail(err, SPACC_ENOMEM, "no memory for a layer");
    *l = *layer;
    l->w_x = l->w_h = l->w_b = NULL;
    if ((s = spacc_csb_share(&l->w_x, layer->w_x, 1, shared, err)) ||
        (layer->w_h && (s = spacc_csb_share(&l->w_h, layer->w_h, 1, shared, err))) ||
        (layer->w_b && (s = spacc_csb_share(&l->w_b, layer->w_b, apart, shared, err)))) {
        free_shared(l);
        return s;
    }
    *out = l;
    return SPACC_OK;
}

static void card_close(struct spacc_device *device)
{
    struct card_device *d = (struct card_device *)device;

    for (size_t i = 0; i < d->layers; i++) {
        free(d->layer[i].name);
        free_shared(d->layer[i].shared);
    }
    free(d->layer);
    spacc_card_kept_free(d->kept);
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
    struct spacc_card_layer *more = realloc(d->layer, (d->layers + 1) * sizeof(*more));
    struct spacc_card_layer *l;
    enum spacc_status s;

    if (!more)
        return spacc_fail(err, SPACC_ENOMEM, "node %s: no memory", name);
    d->layer = more;
    l = &d->layer[d->layers];
    memset(l, 0, sizeof(*l));
    if (d->info->shared_rows > 1 && (s = share_indices(&l->shared, layer, d->info, err)))
        return spacc_fail_in(err, s, "node %s", name);
    l->layer = l->shared ? l->shared : layer;
    if ((s = spacc_layout_make(&l->layout, l->layer, d->info, name, err)) ||
        (d->arithmetic && (s = spacc_device_add(d->arithmetic, name, layer, number, err))))
        goto out;
    s = SPACC_ENOMEM;
    if (!(l->name = strdup(name))) {
        s = spacc_fail(err, s, "node %s: no memory", name);
        goto out;
    }
    *number = d->layers++;
    return SPACC_OK;
out:
    free_shared(l->shared);
    return s;
}

/* Where every layer is on the card. */
static enum spacc_status place_on_card(struct card_device *d)
{
    struct spacc_card_spot *spot = calloc(d->layers + 1, sizeof(*spot));

    if (!spot)
        return SPACC_ENOMEM;
    for (size_t i = 0; i < d->layers; i++)
        spot[i].layout = &d->layer[i].layout;
    d->totals.layers = d->layers;
    d->totals.away = spacc_card_places(spot, d->layers, d->info->weight_words, d->info->units);
    for (size_t i = 0; i < d->layers; i++) {
        struct spacc_card_layer *l = &d->layer[i];
        l->stays = spot[i].stays;
        l->place.word_base = spot[i].word_base;
        l->place.param_base = spot[i].param_base;
        l->layout.ring_words = spot[i].ring_words;
    }
    free(spot);
    return SPACC_OK;
}

/* Where every image is in region 1; returns its size. */
static size_t place_images(struct card_device *d)
{
    size_t bytes = 0;

    for (size_t i = 0; i < d->layers; i++) {
        struct spacc_card_layer *l = &d->layer[i];
        l->place.weight_offset = (uint32_t)bytes;
        bytes = aligned(bytes + l->layout.weight_bytes);
        l->place.param_offset = (uint32_t)bytes;
        bytes = aligned(bytes + l->layout.param_bytes);
    }
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
        const struct spacc_card_layer *l = &d->layer[i];
        spacc_layout_weights(&l->layout, l->layer, image + l->place.weight_offset);
        spacc_layout_params(&l->layout, l->layer, image + l->place.param_offset);
    }
    if (!(s = grow(d, &d->weights, bytes, err)))
        s = spacc_card_write(d->card, d->weights.address, image, bytes, err);
    free(image);
    return s;
}

/* ---- running a program ------------------------------------------------------- */

/* Half a program may have run: nothing that was on the card can be trusted. */
static void distrust(struct card_device *d)
{
    d->loaded = false;
    d->in_window = NULL;
    spacc_card_kept_forget(d->kept);
}

static enum spacc_status run_program(struct card_device *d, const struct spacc_program *p,
                                     size_t input_bytes, size_t output_bytes, uint64_t *cycles,
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
    struct spacc_card_counters counters;
    uint8_t bytes[sizeof(p->word)];
    enum spacc_status s;

    for (size_t i = 0; i < program_bytes; i++)
        bytes[i] = (uint8_t)(p->word[i / 64][i / 4 % 16] >> i % 4 * 8);
    if ((s = spacc_card_write(d->card, d->program.address, bytes, program_bytes, err)))
        return s;
    d->totals.runs++;
    if ((s = spacc_card_run(d->card, &run, d->time_limit_us, &counters, err))) {
        distrust(d);
        return s;
    }
    *cycles += counters.value[SPACC_COUNTER_CYCLES];
    return SPACC_OK;
}

/* Layers that stay, and one that has the window for itself. */
static bool preloaded(const struct card_device *d, size_t layer)
{
    return d->layer[layer].stays || d->totals.away == 1;
}

/* Load them, as many programs as that takes. */
static enum spacc_status load_layers(struct card_device *d, struct spacc_error *err)
{
    const size_t room = (d->info->instructions - 1) / 2;
    enum spacc_status s = SPACC_OK;
    size_t i = 0;

    while (i < d->layers && !s) {
        struct spacc_program p = {0};
        for (; i < d->layers && p.instructions + 2 <= 2 * room; i++)
            if (preloaded(d, i))
                spacc_program_load(&p, &d->layer[i].layout, &d->layer[i].place);
        spacc_program_end(&p);
        if (p.instructions > 1)
            s = run_program(d, &p, 0, 0, &d->totals.load_cycles, err);
    }
    for (i = 0; i < d->layers && !s; i++)
        if (preloaded(d, i) && !d->layer[i].stays)
            d->in_window = &d->layer[i];
    return s;
}

/* Bring back what a reset took. */
static enum spacc_status make_loaded(struct card_device *d, struct spacc_error *err)
{
    const uint32_t generation = spacc_card_generation(d->card);
    enum spacc_status s;

    if (d->loaded && d->generation == generation)
        return SPACC_OK;
    distrust(d);
    d->generation = generation;
    const double begin = spacc_now_us();
    if ((s = load_layers(d, err)))
        return s;
    d->totals.load_us += spacc_now_us() - begin;
    d->loaded = true;
    return SPACC_OK;
}

static enum spacc_status card_load(struct spacc_device *device, struct spacc_error *err)
{
    struct card_device *d = (struct card_device *)device;
    const size_t bytes = place_images(d);
    enum spacc_status s;

    if (bytes > UINT32_MAX)
        return spacc_fail(err, SPACC_ENOFIT, "weights take %zu bytes, a region has 4 GiB",
                          bytes);
    if (d->layers == 0)
        return SPACC_OK;
    if ((s = place_on_card(d)))
        return spacc_fail(err, s, "no memory for the places of %zu layers", d->layers);
    if ((s = grow(d, &d->program, sizeof(((struct spacc_program *)0)->word), err)) ||
        (s = write_images(d, bytes, err)))
        return s;
    d->loaded = false;
    return make_loaded(d, err);
}

/* ---- a list of jobs ---------------------------------------------------------- */

static enum spacc_status check_job(const struct card_device *d, const struct spacc_job *job,
                                   size_t i, struct spacc_error *err)
{
    const struct spacc_job *j = &job[i];
    const struct spacc_fixed_layer *l, *from;

    if (j->layer >= d->layers || j->steps == 0 || (j->x_job < 0 && !j->x) || j->x_job >= (int)i)
        return spacc_fail(err, SPACC_EINVAL, "job %zu: layer %zu of %zu, %zu steps, x from %d",
                          i, j->layer, d->layers, j->steps, j->x_job);
    l = d->layer[j->layer].layer;
    if (!spacc_job_mask_fits(j, l))
        return spacc_fail(err, SPACC_EINVAL, "job %zu: its mask does not fit", i);
    if (j->x_job < 0)
        return SPACC_OK;
    from = d->layer[job[j->x_job].layer].layer;
    if (from->cell == SPACC_CELL_LINEAR || from->outputs != l->x_cols ||
        job[j->x_job].steps != j->steps)
        return spacc_fail(err, SPACC_EINVAL,
                          "job %zu takes %zu x %zu from a job that gives %zu x %zu", i,
                          j->steps, l->x_cols, job[j->x_job].steps, from->outputs);
    return SPACC_OK;
}

/* Sequences that the layer of a job takes at once. y of a batch of LSTMP is not in the order in
 * which a batch reads x. */
static size_t most_of(const struct card_device *d, const struct list *list, size_t i)
{
    const struct spacc_job *j = &list->job[i];
    const struct spacc_card_layer *from =
        j->x_job < 0 ? NULL : &d->layer[list->job[j->x_job].layer];

    return j->mask || (from && from->layer->cell == SPACC_CELL_LSTMP)
               ? 1
               : d->layer[j->layer].layout.batch_max;
}

static void fill_batches(const struct card_device *d, struct list *list, const size_t *size)
{
    for (size_t i = 0; i < list->jobs; i += size[i]) {
        struct spacc_card_batch *b = &list->batch[list->batches++];
        b->first = i;
        b->size = size[i];
        b->of = &d->layer[list->job[i].layer];
        b->from = -1;
        for (size_t k = 0; k + 1 < list->batches; k++)
            if (list->job[i].x_job >= 0 && list->batch[k].first == (size_t)list->job[i].x_job)
                b->from = (int)k;
    }
}

static enum spacc_status make_batches(struct card_device *d, struct list *list)
{
    size_t *most = calloc(list->jobs + 1, sizeof(*most));
    size_t *size = calloc(list->jobs + 1, sizeof(*size));
    enum spacc_status s = SPACC_ENOMEM;

    list->batch = calloc(list->jobs + 1, sizeof(*list->batch));
    if (!most || !size || !list->batch)
        goto out;
    for (size_t i = 0; i < list->jobs; i++)
        most[i] = most_of(d, list, i);
    if ((s = spacc_card_batches(list->job, list->jobs, most, size)))
        goto out;
    fill_batches(d, list, size);
out:
    free(most);
    free(size);
    return s;
}

/* Where the batches run, and what they begin with. */
static enum spacc_status take_states(struct card_device *d, struct list *list)
{
    enum spacc_status s = SPACC_OK;

    spacc_card_kept_begin(d->kept);
    for (size_t i = 0; i < list->batches && !s; i++) {
        struct spacc_card_batch *b = &list->batch[i];
        if (b->of->layer->cell != SPACC_CELL_LINEAR)
            s = spacc_card_kept_take(d->kept, &b->of->layout, b->of->layer,
                                     &list->job[b->first], b->size, &b->hold);
    }
    return s;
}

/* Few rows a step may take longer than all of them, when PEs wait for each other and y is
 * scattered: the first RUN of a layer has the rows that are wanted, the second one all of their
 * steps', and the others what took less. Results are the same. */
static bool takes_whole_steps(const struct spacc_card_layer *l)
{
    return l->step_cycles[false] > 0.0 &&
           !(l->step_cycles[true] > 0.0 && l->step_cycles[true] >= l->step_cycles[false]);
}

static void note_cycles(struct card_device *d, const struct list *list)
{
    for (size_t i = 0; i < list->batches; i++) {
        const struct spacc_card_batch *b = &list->batch[i];
        const struct spacc_job *j = &list->job[b->first];
        double *cycles = d->layer[j->layer].step_cycles + b->masks.whole;
        if (b->masks.on && *cycles == 0.0)
            *cycles = (double)j->counts.cycles / (double)j->steps;
    }
}

static enum spacc_status make_masks(struct card_device *d, struct list *list,
                                    struct spacc_error *err)
{
    enum spacc_status s = SPACC_OK;

    for (size_t i = 0; i < list->batches && !s; i++) {
        struct spacc_card_batch *b = &list->batch[i];
        if (list->job[b->first].mask)
            s = spacc_card_masks_make(&b->masks, &b->of->layout, d->info, b->of->layer,
                                      &list->job[b->first], takes_whole_steps(b->of), err);
    }
    return s;
}

static void keep_states(struct card_device *d, const struct list *list)
{
    for (size_t i = 0; i < list->batches; i++) {
        const struct spacc_card_batch *b = &list->batch[i];
        if (b->of->layer->cell == SPACC_CELL_LINEAR)
            continue;
        spacc_card_kept_put(d->kept, &b->hold, &list->job[b->first]);
        d->totals.kept += b->hold.start == SPACC_START_KEPT;
    }
    d->totals.batches += list->batches;
}

static enum spacc_status run_programs(struct card_device *d, struct list *list,
                                      struct spacc_error *err)
{
    struct spacc_program p;
    uint64_t cycles = 0;
    size_t next = 0;
    enum spacc_status s;

    while (next < list->batches) {
        spacc_card_program(&p, list->batch, list->batches, list->job, d->info->instructions,
                           &next, &d->in_window);
        if ((s = run_program(d, &p, list->in_bytes, list->out_bytes, &cycles, err)))
            return s;
    }
    d->totals.run_cycles += cycles;
    return SPACC_OK;
}

/* Results; those of a card that only counts come from the same arithmetic in C. */
static enum spacc_status get_results(struct card_device *d, struct list *list,
                                     struct spacc_error *err)
{
    enum spacc_status s = SPACC_OK;

    if (d->arithmetic)
        s = spacc_device_run(d->arithmetic, list->job, list->jobs, err);
    else
        s = spacc_card_get_outputs(list->batch, list->batches, list->job, list->out);
    if (!s)
        spacc_card_get_counts(list->batch, list->batches, list->job, list->out, !d->arithmetic);
    return s;
}

static double work_of(const struct card_device *d, const struct spacc_job *job)
{
    const struct spacc_fixed_layer *l = d->layer[job->layer].layer;
    const size_t nonzeros =
        l->w_x->nonzeros + (l->w_h ? l->w_h->nonzeros : 0) + (l->w_b ? l->w_b->nonzeros : 0);

    return (double)(nonzeros + 1) * (double)job->steps;
}

/* Jobs of a list run as one: each gets a part of what it took. */
static void share_time(const struct card_device *d, const struct list *list, double us)
{
    double work = 0.0;

    for (size_t i = 0; i < list->jobs; i++)
        work += work_of(d, &list->job[i]);
    for (size_t i = 0; i < list->jobs; i++)
        list->job[i].counts.us = us * work_of(d, &list->job[i]) / work;
}

static enum spacc_status run_list(struct card_device *d, struct list *list,
                                  struct spacc_error *err)
{
    const double begin = spacc_now_us();
    enum spacc_status s;

    spacc_card_put_inputs(list->batch, list->batches, list->job, list->in);
    if ((s = grow(d, &d->input, list->in_bytes, err)) ||
        (s = grow(d, &d->output, list->out_bytes, err)) ||
        (s = spacc_card_write(d->card, d->input.address, list->in, list->in_bytes, err)) ||
        (s = run_programs(d, list, err)) ||
        (s = spacc_card_read(d->card, d->output.address, list->out, list->out_bytes, err)) ||
        (s = get_results(d, list, err)))
        return s;
    note_cycles(d, list);
    const double us = spacc_now_us() - begin;
    d->totals.run_us += us;
    share_time(d, list, us);
    return SPACC_OK;
}

static enum spacc_status plan_list(struct card_device *d, struct list *list,
                                   struct spacc_error *err)
{
    enum spacc_status s;

    if ((s = make_batches(d, list)) || (s = take_states(d, list)) ||
        (s = make_masks(d, list, err)))
        return s;
    if ((s = spacc_card_place_batches(list->batch, list->batches, list->job, &list->in_bytes,
                                      &list->out_bytes, err)))
        return s;
    list->in = calloc(1, list->in_bytes + 1);
    list->out = malloc(list->out_bytes + 1);
    return list->in && list->out ? SPACC_OK : SPACC_ENOMEM;
}

static enum spacc_status card_run(struct spacc_device *device, struct spacc_job *job,
                                  size_t jobs, struct spacc_error *err)
{
    struct card_device *d = (struct card_device *)device;
    struct list list = {.job = job, .jobs = jobs};
    enum spacc_status s;

    for (size_t i = 0; i < jobs; i++)
        if ((s = check_job(d, job, i, err)))
            return s;
    if ((s = make_loaded(d, err)))
        return s;
    if (!(s = plan_list(d, &list, err)))
        s = run_list(d, &list, err);
    if (s == SPACC_OK)
        keep_states(d, &list);
    else
        spacc_card_kept_forget(d->kept);
    for (size_t i = 0; i < list.batches; i++)
        spacc_card_masks_free(&list.batch[i].masks);
    free(list.batch);
    free(list.in);
    free(list.out);
    return s == SPACC_ENOMEM ? spacc_fail(err, s, "no memory for the vectors of a run") : s;
}

/* ---- the device -------------------------------------------------------------- */

static const struct spacc_device_ops card_ops = {
    .kind = "card", .close = card_close, .add = card_add, .load = card_load, .run = card_run};

enum spacc_status spacc_card_device_new(struct spacc_device **out, struct spacc_card *card,
                                        uint64_t time_limit_us, struct spacc_error *err)
{
    struct card_device *d = calloc(1, sizeof(*d));
    enum spacc_status s = SPACC_OK;

    *out = NULL;
    if (!d) {
        spacc_card_close(card);
        return spacc_fail(err, SPACC_ENOMEM, "no memory for a device");
    }
    d->base.ops = &card_ops;
    d->card = card;
    d->info = spacc_card_info(card);
    d->time_limit_us = time_limit_us;
    if (spacc_card_kept_new(&d->kept, d->info->h_words, d->info->units))
        s = spacc_fail(err, SPACC_ENOMEM, "no memory for a device");
    if (!s && spacc_card_only_counts(d->info))
        s = spacc_cpu_device_new(&d->arithmetic, err);
    if (s) {
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

const double *spacc_card_device_step_cycles(const struct spacc_device *d, size_t layer)
{
    return ((const struct card_device *)d)->layer[layer].step_cycles;
}

const struct spacc_card_info *spacc_card_device_info(const struct spacc_device *d)
{
    return ((const struct card_device *)d)->info;
}

struct spacc_card_totals spacc_card_device_totals(const struct spacc_device *d)
{
    return ((const struct card_device *)d)->totals;
}

void spacc_card_device_forget(struct spacc_device *device)
{
    struct spacc_card_totals *t = &((struct card_device *)device)->totals;

    t->run_cycles = t->runs = t->batches = t->kept = 0;
    t->run_us = 0.0;
}
