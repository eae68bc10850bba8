#include "scheduler/card_cycles_parts.h"

#include <string.h>

enum phase { PROLOGUE, HEAD, BODY, EARLY, PASS_B };
enum { IDLE, CHECK, COMMAND, DATA };      /* states of fetch and send */
enum { RESULT = 1, ROWS = 2, FINAL = 4 }; /* what comes, by calendar */
enum { REQUANTISE = 6, TAGS = 16 };
enum cause { ISSUE, LOAD, X_WAIT, DRAIN, CELL, OUT, CONTROL, WEIGHTS };

/* ---- issue ------------------------------------------------------------------- */

struct wants { /* what the next position is and waits for */
    bool pro, x_part, capture, last, first_sequence;
    bool drain, x, weights, apart, room;
    bool pop; /* masked: the first of a row */
};

static struct wants look(const struct run *r, const struct run_fields *f,
                         const struct deal_now *deal)
{
    const struct issue *i = &r->issue;
    struct wants w = {.pro = i->phase == PROLOGUE || i->phase == EARLY,
                      .last = i->left == 1,
                      .first_sequence = i->batch_left == f->batch};
    const bool body_x = i->phase == BODY && !i->h_part;

    w.x_part = w.pro || body_x;
    w.capture = !w.pro && !(body_x && !f->linear);
    w.pop = f->masked && i->left == f->k_x;
    w.drain = !w.x_part && !i->open && i->under_way != 0;
    w.x = f->masked ? w.pop && !deal->ready : w.x_part && r->fetch.ready == 0;
    w.weights = f->stream && w.first_sequence && r->stream.there == 0;
    w.apart = w.capture && w.last && i->apart != 0;
    w.room = w.capture && w.last && !r->room;
    return w;
}

static bool blocked(const struct wants *w)
{
    return w->drain || w->x || w->weights || w->apart || w->room;
}

static int next_step(const struct run_fields *f)
{
    if (f->prologue == 0)
        return BODY;
    return f->two_pass && f->prologue_b == f->prologue ? HEAD : PROLOGUE;
}

static int next_phase(const struct issue *i, const struct run_fields *f)
{
    const int after_a = f->prologue_b && i->steps_left != 1 ? EARLY : PASS_B;

    switch (i->phase) {
    case PROLOGUE: return HEAD;
    case EARLY: return PASS_B;
    case HEAD:
        if (f->prologue != f->groups)
            return BODY;
        return f->two_pass ? after_a : next_step(f);
    case BODY: return f->two_pass ? after_a : next_step(f);
    default: return next_step(f);
    }
}

static uint32_t phase_groups(int phase, const struct run_fields *f)
{
    switch (phase) {
    case PROLOGUE: return f->prologue - f->prologue_b;
    case EARLY: return f->prologue_b;
    case HEAD: return f->prologue;
    case BODY: return f->groups - f->prologue;
    default: return f->groups_b;
    }
}

static uint32_t part_length(int phase, const struct run_fields *f)
{
    return phase == HEAD ? f->k_h : phase == PASS_B ? f->k_b : f->k_x;
}

/* Rows of a group that ends now: when they leave, and what that means. */
static void expect_rows(struct run *r, const struct run_fields *f, uint64_t cycle)
{
    const bool rows = f->linear || (f->lstmp && r->issue.phase == PASS_B);
    const bool slow = f->lstmp && r->issue.phase == PASS_B;
    const bool final = f->two_pass == (r->issue.phase == PASS_B);

    for (uint32_t m = 0; m < f->moves; m++) {
        const uint64_t at =
            cycle + f->array_cycles + m * (slow ? f->row_cycles : 1) + REQUANTISE;
        if (rows) {
            r->coming[at % CALENDAR] |= ROWS;
            r->coming[(at + (slow ? f->row_cycles - 1 : 0)) % CALENDAR] |= RESULT;
        } else {
            r->coming[(at + f->cell_cycles) % CALENDAR] |= final ? RESULT | FINAL : RESULT;
        }
    }
}

static void end_phase(struct run *r, const struct run_fields *f, bool *x_release)
{
    struct issue *i = &r->issue;
    const bool body = f->prologue != f->groups;
    const bool early_is_all = f->two_pass && f->prologue_b == f->prologue;
    const int next = next_phase(i, f);
    const bool step_end = i->phase == PASS_B ||
                          (!f->two_pass && (i->phase == BODY || (i->phase == HEAD && !body)));

    *x_release =
        body ? i->phase == BODY : i->phase == PROLOGUE || (i->phase == EARLY && early_is_all);
    if (step_end && i->steps_left == 1)
        i->busy = false;
    if (step_end)
        i->steps_left--;
    if (step_end || next == PASS_B)
        i->open = false;
    i->phase = next;
    i->groups_left = phase_groups(next, f);
    i->left = part_length(next, f);
}

/* A position goes. */
static void issue(struct run *r, const struct run_fields *f, const struct wants *w,
                  uint64_t cycle, bool *x_release)
{
    struct issue *i = &r->issue;

    if (!w->x_part)
        i->open = true;
    if (--i->left)
        return;
    if (!w->capture && !w->pro) {
        i->h_part = true;
        i->left = f->k_h;
        return;
    }
    if (w->capture) {
        expect_rows(r, f, cycle);
        i->apart = f->moves * (f->lstmp && i->phase == PASS_B ? f->row_cycles : 1) - 1;
        i->under_way += f->moves;
    }
    i->h_part = false;
    i->left = part_length(i->phase, f);
    if (f->masked || --i->batch_left)
        return;
    i->batch_left = f->batch;
    if (--i->groups_left == 0)
        end_phase(r, f, x_release);
}

/* ---- x, weights, y ----------------------------------------------------------- */

static void step_fetch(struct fetch *x, const struct run_fields *f, bool cmd_ready,
                       bool arrived, bool release)
{
    const bool take = x->state == IDLE && x->left && x->taken != f->x_slots;

    if (x->state == COMMAND && cmd_ready) {
        x->state = IDLE;
        x->left--;
        x->address += (uint64_t)f->x_stride;
    } else if (x->state == CHECK || take) {
        x->state = take ? CHECK : COMMAND;
    }
    x->taken += (uint32_t)take - release;
    x->ready += (uint32_t)arrived - release;
}

static uint32_t chunk(const struct stream *s, const struct run_fields *f)
{
    return s->words_left < f->chunk_words ? s->words_left : f->chunk_words;
}

static void step_stream(struct stream *s, const struct run_fields *f, bool taken, bool beat,
                        bool take, bool release)
{
    const uint32_t words = chunk(s, f);
    const bool arrives = s->arriving & 4u;

    s->arriving = (s->arriving << 1 | s->word) & 7u;
    s->word = beat && ++s->beats == f->word_beats;
    if (s->word)
        s->beats = 0;
    s->there += (uint32_t)arrives - take;
    s->room += (uint32_t)release - (taken ? words : 0);
    if (!taken)
        return;
    s->words_left -= words;
    s->next += (uint64_t)words * f->word_bytes;
    if (s->words_left)
        return;
    s->words_left = f->stream_words;
    s->next = f->stream_address;
    s->active = --s->steps_left != 0;
}

static void step_send(struct send *y, const struct run_fields *f, bool cmd_ready, bool beat)
{
    switch (y->state) {
    case IDLE:
        if (y->left)
            y->state = CHECK;
        return;
    case CHECK: y->state = COMMAND; return;
    case COMMAND:
        if (!cmd_ready)
            return;
        y->state = DATA;
        y->left--;
        y->address += (uint64_t)f->y_stride;
        y->beats_left = f->y_beats;
        return;
    default:
        if (beat && --y->beats_left == 0)
            y->state = IDLE;
    }
}

/* The command register in front of the bus, and whose beats come back. */
static void step_command(struct run *r, const struct run_fields *f, bool cmd_free, bool pushed,
                         bool popped)
{
    const bool x = r->fetch.state == COMMAND;
    const bool weights = r->stream.active && r->stream.room >= f->chunk_words;

    if (popped)
        r->tags >>= 1, r->tag_count--;
    if (pushed)
        r->tags |= (uint32_t)r->cmd_weights << r->tag_count, r->tag_count++;
    if (!cmd_free)
        return;
    r->cmd_valid = x || weights;
    r->cmd_weights = !x;
    r->cmd_address = x ? r->fetch.address : r->stream.next;
    r->cmd_beats = x ? f->x_beats : chunk(&r->stream, f) * f->word_beats;
}

/* Words that results of this cycle put into the y FIFO. */
static bool put_y(struct run *r, const struct run_fields *f, unsigned coming)
{
    bool end;

    if (coming & ROWS)
        return true;
    if (!(coming & FINAL))
        return false;
    r->step_result++;
    end = ++r->gather == f->gather_results || r->step_result == f->step_results;
    if (r->step_result == f->step_results)
        r->step_result = 0;
    if (end)
        r->gather = 0;
    return end;
}

/* ---- a cycle ----------------------------------------------------------------- */

static int cause_of(const struct run *r, const struct wants *w, bool issued)
{
    if (issued)
        return ISSUE;
    if (!r->issue.busy)
        return r->issue.under_way ? DRAIN : OUT;
    return w->drain ? DRAIN : w->x ? X_WAIT : w->weights ? WEIGHTS : w->apart ? CELL : OUT;
}

static void step_end(struct run *r, bool bus_idle)
{
    const bool quiet = !r->issue.busy && r->issue.under_way == 0 && r->send.state == IDLE &&
                       r->send.left == 0 && bus_idle && !r->cmd_valid;

    r->done = r->running && r->rest && bus_idle;
    if (r->done)
        r->running = false;
    r->rest = r->running && quiet;
}

int spacc_run_step(struct run *r, const struct run_fields *f, const struct bus *bus,
                   struct bus_in *out, struct spacc_card_count *count)
{
    struct deal_now deal = {0};
    if (f->masked)
        deal = spacc_deal_look(&r->deal, f);
    const struct wants w = look(r, f, &deal);
    const bool issued = r->issue.busy && !blocked(&w);
    const int cause = cause_of(r, &w, issued);
    const unsigned coming = r->coming[bus->cycle % CALENDAR];
    const bool beat = bus->rvalid, last = beat && spacc_bus_read_last(bus);
    const bool weight_beat = beat && (r->tags & 1u), x_last = last && !(r->tags & 1u);
    const bool pushed = r->cmd_valid && r->tag_count != TAGS && spacc_bus_read_ready(bus);
    const bool cmd_free = !r->cmd_valid || pushed;
    const bool x_cmd = r->fetch.state == COMMAND;
    const bool w_taken =
        r->stream.active && r->stream.room >= f->chunk_words && cmd_free && !x_cmd;
    const bool y_valid = r->send.state == DATA && r->y.out;
    const bool y_beat = y_valid && spacc_bus_word_ready(bus);
    const bool y_pop = y_beat && r->y_part + 1 == f->entry_parts;
    const bool last_sequence = r->issue.batch_left == 1, apart = r->issue.apart != 0;
    const bool bus_idle = spacc_bus_read_idle(bus) && spacc_bus_write_idle(bus);
    const bool room = r->y.level + r->issue.under_way + 2 * f->moves + 4 <= f->fifo_depth;
    const bool x_beat = beat && !weight_beat;
    const struct deal_in deal_in = {.mask_beat =
                                        x_beat && r->x_beat + f->mask_beats >= f->x_beats,
                                    .arrived = x_last,
                                    .pop = issued && w.pop,
                                    .last = issued && w.last};
    bool x_release = deal.release;

    *out = (struct bus_in){.read_cmd = r->cmd_valid && r->tag_count != TAGS,
                           .read_ready = true,
                           .read_address = r->cmd_address,
                           .read_beats = r->cmd_beats,
                           .write_cmd = r->send.state == COMMAND,
                           .write_address = r->send.address,
                           .write_beats = f->y_beats,
                           .write_valid = y_valid};
    step_end(r, bus_idle);
    r->coming[bus->cycle % CALENDAR] = 0;
    if (apart)
        r->issue.apart--;
    if (issued)
        issue(r, f, &w, bus->cycle, &x_release);
    if (f->masked && w.pop && deal.end)
        r->issue.busy = false;
    if (f->masked)
        spacc_deal_step(&r->deal, f, &deal, &deal_in, count);
    r->x_beat = x_last ? 0 : r->x_beat + x_beat;
    if (coming & RESULT)
        r->issue.under_way--;
    spacc_fifo_step(&r->y, put_y(r, f, coming), y_pop);
    if (y_beat)
        r->y_part = y_pop ? 0 : r->y_part + 1;
    r->room = room;
    step_command(r, f, cmd_free, pushed, last);
    step_stream(&r->stream, f, w_taken, weight_beat, issued && f->stream && w.first_sequence,
                issued && f->stream && last_sequence);
    step_fetch(&r->fetch, f, cmd_free, x_last, x_release);
    step_send(&r->send, f, spacc_bus_write_ready(bus), y_beat);
    return cause;
}

void spacc_run_start(struct run *r, const struct run_fields *f)
{
    memset(r, 0, sizeof(*r));
    r->running = r->room = true;
    r->issue = (struct issue){.busy = true,
                              .phase = f->prologue ? PROLOGUE : BODY,
                              .steps_left = f->steps,
                              .groups_left = f->prologue ? f->prologue : f->groups,
                              .left = f->k_x,
                              .batch_left = f->batch};
    r->fetch = (struct fetch){.left = f->steps, .address = f->x_address};
    r->stream = (struct stream){.active = f->stream,
                                .steps_left = f->steps,
                                .words_left = f->stream_words,
                                .room = f->ring_words,
                                .next = f->stream_address};
    r->deal.dealing = true;
    r->deal.lag = f->overlap;
    r->send = (struct send){.left = f->masked ? 1 : f->steps, .address = f->y_address};
}
