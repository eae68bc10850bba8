/* What a session has done so far, as a report. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/plan_conv.h"
#include "host/session_parts.h"

/* Causes that are not the steps of the layer themselves; see rtl/README.md. */
enum { CAUSE_ISSUE, CAUSE_LOAD, CAUSE_CONTROL = 6 };

_Static_assert((int)SPACC_CAUSES == (int)SPACC_CARD_CAUSES, "report and device");

void spacc_session_report_release(struct spacc_session *s)
{
    free((void *)(uintptr_t)s->report.node);
    free((void *)(uintptr_t)s->report.output);
    memset(&s->report, 0, sizeof(s->report));
}

static size_t real_rows(const struct spacc_fixed_weights *w)
{
    return w->units * (w->cell == SPACC_CELL_LINEAR ? 1 : w->cell == SPACC_CELL_LSTM ? 4 : 3);
}

static size_t layer_nonzeros(const struct spacc_fixed_layer *l)
{
    return l->w_x->nonzeros + (l->w_h ? l->w_h->nonzeros : 0) + (l->w_b ? l->w_b->nonzeros : 0);
}

/* Sizes and fractions; a bidirectional node counts both its layers. */
static void fill_layer(const struct spacc_session *s, const struct spacc_plan_node *n,
                       struct spacc_report_node *r)
{
    size_t cells = 0;

    for (size_t d = 0; d < n->layers; d++) {
        const struct spacc_plan_layer *l = &n->layer[d];
        const struct spacc_layout *lay = spacc_card_device_layout(s->device, l->number);
        r->rows += real_rows(&l->weights);
        r->columns = l->weights.x_cols + (l->r ? l->weights.units : 0);
        cells += real_rows(&l->weights) * r->columns;
        r->bank_size_x = l->fixed->w_x->bank_size;
        r->bank_size_h = l->fixed->w_h ? l->fixed->w_h->bank_size : 0;
        r->k_x = lay->k_x > r->k_x ? lay->k_x : r->k_x;
        r->k_h = lay->k_h > r->k_h ? lay->k_h : r->k_h;
        r->nonzeros += layer_nonzeros(l->fixed);
        r->weight_bytes += lay->weight_bytes;
        r->weight_bits = l->fixed->weight_bits;
        r->x_frac = l->fixed->x_frac;
        r->h_frac = l->fixed->h_frac;
    }
    r->sparsity = cells ? 1.0 - (double)r->nonzeros / (double)cells : 0.0;
}

/* Steps that end a window of a convolution; all others want no row, whatever was predicted. */
static uint64_t windows_of(const struct spacc_plan_node *n, uint64_t steps)
{
    const struct spacc_conv_rows *c = n->conv ? &n->conv->rows : NULL;

    return c ? steps / c->steps * c->size[0] * c->size[1] : steps;
}

/* Of a convolution: what predicted zeros saved, over the same RUN with every window whole. */
static void fill_skipped(const struct spacc_session *s, const struct spacc_plan_node *n,
                         const struct spacc_node_stats *stats, struct spacc_report_node *r)
{
    const struct spacc_layout *l = spacc_card_device_layout(s->device, n->layer[0].number);
    const struct spacc_job_counts *c = &stats->counts;
    const uint64_t windows = windows_of(n, stats->steps), rows = l->units * 4;

    r->wanted = 1.0;
    if (!c->rows_skipped)
        return;
    const uint64_t step_cycles = (c->cause[CAUSE_ISSUE] + c->issue_saved) / stats->steps;
    r->rows_skipped = c->rows_skipped - (stats->steps - windows) * rows;
    r->issue_saved = c->issue_saved - (stats->steps - windows) * step_cycles;
    r->wanted = 1.0 - (double)r->rows_skipped / (double)(rows * windows);
}

static void fill_counts(const struct spacc_session *s, const struct spacc_plan_node *n,
                        const struct spacc_node_stats *stats, struct spacc_report_node *r)
{
    const struct spacc_card_info *info = spacc_card_device_info(s->device);
    const struct spacc_job_counts *c = &stats->counts;

    r->steps = stats->steps;
    r->cycles = c->cycles;
    memcpy(r->cause, c->cause, sizeof(r->cause));
    r->card_us = info->clock_hz > 0.0 ? (double)c->cycles / info->clock_hz * 1e6 : c->us;
    r->gate_saturations = c->gate_saturations;
    r->state_saturations = c->state_saturations;
    r->input_saturations = stats->input_saturations;
    r->bytes_read = c->bytes_read;
    r->bytes_written = c->bytes_written;
    fill_skipped(s, n, stats, r);
    /* each direction sees its own half of the steps, so half of the nonzeros a step */
    const double useful = (double)r->nonzeros / (double)n->layers *
                          (double)windows_of(n, stats->steps) * r->wanted;
    const uint64_t busy = c->cycles - c->cause[CAUSE_LOAD] - c->cause[CAUSE_CONTROL];
    r->utilisation = info->clock_hz > 0.0 ? 0.0 : NAN;
    if (busy)
        r->utilisation = useful / ((double)info->pes * info->lanes * (double)busy);
}

/* What the CPU engine knows of a node of the outermost graph that is its own. */
static void fill_engine_node(const struct spacc_session *s, const struct spacc_plan_node *n,
                             struct spacc_report_node *r)
{
    const struct spacc_engine *e = s->executor.engine;

    r->kernel = "reference";
    if (!e || n->graph->parent)
        return;
    r->kernel = spacc_engine_describe(e, n->node).kernel;
    const bool runs = strcmp(r->kernel, "dead") != 0 && strcmp(r->kernel, "constant") != 0;
    r->calls = runs ? s->runs : 0;
    r->host_us = spacc_engine_us(e, n->node);
}

static const char *device_of(const struct spacc_session *s, size_t i)
{
    const struct spacc_plan_node *n = &s->plan->node[i];

    if (s->on_card && n->candidate && !n->elsewhere)
        return "card";
    return s->where && s->where[i] == SPACC_ON_GPU ? "gpu" : "cpu";
}

static void fill_node(const struct spacc_session *s, size_t i, struct spacc_report_node *r)
{
    const struct spacc_plan_node *n = &s->plan->node[i];
    const struct spacc_node_stats *stats = &s->executor.stats[i];
    const bool on_card = s->on_card && n->candidate && !n->elsewhere;

    *r = (struct spacc_report_node){
        .name = n->name,
        .op = n->op,
        .device = device_of(s, i),
        .reason = s->device || s->placing ? n->reason : "no card is used",
        .calls = stats->calls,
        .host_us = stats->host_us,
        .on_card = on_card,
        .max_error = spacc_error_max(&stats->error),
        .snr_db = spacc_error_snr(&stats->error),
    };
    if (!(n->candidate && s->device && !n->elsewhere))
        fill_engine_node(s, n, r);
    else
        r->kernel = s->on_card ? "card" : "fixed point";
    if (!r->on_card)
        return;
    fill_layer(s, n, r);
    fill_counts(s, n, stats, r);
}

static void fill_output(const struct spacc_session *s, size_t o, struct spacc_report_output *r)
{
    r->name = spacc_model_output_name(s->model, o);
    r->max_error = spacc_error_max(&s->error[o]);
    r->snr_db = spacc_error_snr(&s->error[o]);
}

static void fill_card(const struct spacc_session *s, struct spacc_report *r)
{
    const struct spacc_card_info *info = spacc_card_device_info(s->device);
    const struct spacc_card_totals totals = spacc_card_device_totals(s->device);

    r->pes = info->pes;
    r->lanes = info->lanes;
    r->clock_hz = info->clock_hz;
    r->load_cycles = totals.load_cycles;
    r->run_cycles = totals.run_cycles;
    r->card_load_us = totals.load_us;
    r->card_run_us = totals.run_us;
    if (info->clock_hz > 0.0) {
        r->card_load_us = (double)totals.load_cycles / info->clock_hz * 1e6;
        r->card_run_us = (double)totals.run_cycles / info->clock_hz * 1e6;
    }
}

/* A call that came past the plan (a shorter sequence, say). */
static void note_fallbacks(struct spacc_session *s)
{
    for (size_t i = 0; i < s->plan->nodes; i++) {
        const struct spacc_node_stats *stats = &s->executor.stats[i];
        if (s->device && s->plan->node[i].candidate && !s->plan->node[i].elsewhere &&
            stats->calls > stats->device_calls)
            spacc_session_note(s,
                               "%s: %llu of %llu calls ran on the CPU: sequence lengths or "
                               "shapes are not those of prepare",
                               s->plan->node[i].name,
                               (unsigned long long)(stats->calls - stats->device_calls),
                               (unsigned long long)stats->calls);
    }
}

/* Numbers outside of the card's range, which the user should know of. */
static void note_cuts(struct spacc_session *s)
{
    for (size_t i = 0; i < s->plan->nodes; i++) {
        const struct spacc_node_stats *stats = &s->executor.stats[i];
        if (stats->input_saturations)
            spacc_session_note(s,
                               "%s: inputs or initial states beyond the card's range were cut",
                               s->plan->node[i].name);
        if (stats->counts.state_saturations)
            spacc_session_note(s, "%s: cell states or outputs beyond the card's range were cut",
                               s->plan->node[i].name);
    }
}

double spacc_session_timed_us(const struct spacc_session *s)
{
    return s->timed_us;
}

const struct spacc_report *spacc_session_report(struct spacc_session *s)
{
    const size_t outputs = (size_t)s->model->graph->outputs;
    struct spacc_report *r = &s->report;
    struct spacc_report_node *node = NULL;
    struct spacc_report_output *output = NULL;

    spacc_session_report_release(s);
    if (s->prepared) {
        note_fallbacks(s);
        note_cuts(s);
        node = calloc(s->plan->nodes + 1, sizeof(*node));
        output = calloc(outputs + 1, sizeof(*output));
        for (size_t i = 0; node && i < s->plan->nodes; i++)
            fill_node(s, i, &node[i]);
        for (size_t o = 0; output && o < outputs; o++)
            fill_output(s, o, &output[o]);
    }
    *r = (struct spacc_report){
        .model = s->model->file,
        .card = s->card,
        .gpu = s->gpu && !s->gpu_failed ? spacc_gpu_info(s->gpu)->name : "",
        .runs = s->runs,
        .prepare_us = s->prepare_us,
        .run_us = s->run_us,
        .timed_us = s->timed_us,
        .notes = s->notes,
        .note = (const char *const *)s->note,
        .nodes = node ? s->plan->nodes : 0,
        .node = node,
        .outputs = output ? outputs : 0,
        .output = output,
        .seernet = s->seernet ? spacc_seernet_choice_report(s->seernet) : NULL,
    };
    if (s->on_card && s->device)
        fill_card(s, r);
    return r;
}
