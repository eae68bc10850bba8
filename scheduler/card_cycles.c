#include "scheduler/card_cycles.h"

#include <string.h>

#include "rtl/card_map.h"
#include "scheduler/card_cycles_parts.h"
#include "scheduler/card_deal.h"

enum state {
    SETTLE,
    PROGRAM,
    FETCH_COMMAND,
    FETCH,
    FETCH_END,
    READ_CODE,
    DECODE,
    CHECK1,
    CHECK2,
    CHECK3,
    LOAD_COMMAND,
    LOAD,
    LOAD_END,
    STORE_COMMAND,
    STORE,
    STORE_END,
    KEEP,
    READY,
    RUN,
    FINISH
};

enum { CAUSE_LOAD = 1, CAUSE_CONTROL = 6 };
enum { MARK_BYTES = 128, CODE_STEPS = 9, CELL_LATENCY = 13, STORE_ROOM = 2 };

struct card {
    struct spacc_card_shape shape;
    const uint32_t (*word)[16];
    size_t instructions, pc;
    const uint64_t *pointers;
    spacc_region_fn region;
    void *user;
    enum state state;
    uint32_t code_step;
    /* a load or store: 64-bit word of the beat, half of the word, what is left */
    uint32_t sel, half, pieces_left, piece, beats_left;
    bool piece_on_its_way;
    struct fifo store;
    struct run_fields fields;
    bool stream;
    struct run run;
    struct bus bus;
    struct spacc_card_count count, *mark;
    size_t marks, marked;
};

#define FIELD(code, op, name)                                              \
    ((code)[SPACC_F_##op##_##name##_WORD] >> SPACC_F_##op##_##name##_LOW & \
     (SPACC_F_##op##_##name##_BITS == 32                                   \
          ? UINT32_MAX                                                     \
          : (UINT32_C(1) << SPACC_F_##op##_##name##_BITS % 32) - 1))

static const uint32_t *code(const struct card *c)
{
    return c->word[c->pc];
}

static uint32_t opcode(const struct card *c)
{
    return code(c)[0] & 0xff;
}

static uint32_t beat_bytes(const struct card *c)
{
    return c->shape.axi_bits / 8;
}

static uint32_t log2_of(uint32_t v)
{
    uint32_t n = 0;
    while (v >>= 1)
        n++;
    return n;
}

/* ---- what an instruction moves ---------------------------------------------------- */

/* Loads, stores and STREAM keep region, offset and count in the same places. */
static uint64_t address_of(const struct card *c)
{
    return c->pointers[FIELD(code(c), LOAD_WEIGHTS, REGION)] +
           FIELD(code(c), LOAD_WEIGHTS, OFFSET);
}

static uint32_t entry_bytes(const uint32_t *code)
{
    return FIELD(code, LOAD_WEIGHTS, FORMAT) ? 4 : 2;
}

static uint64_t bytes_of(const struct card *c)
{
    const uint64_t count = FIELD(code(c), LOAD_WEIGHTS, WORDS);

    switch (opcode(c)) {
    case SPACC_OP_LOAD_WEIGHTS:
        return count * c->shape.pes * c->shape.lanes * entry_bytes(code(c));
    case SPACC_OP_LOAD_PARAMS: return count * 32;
    case SPACC_OP_LOAD_VECTOR: return count * c->shape.lanes * 2;
    case SPACC_OP_MARK: return MARK_BYTES;
    default: return count * 4;
    }
}

/* Of the mask of a step. */
static uint32_t mask_beats(const struct spacc_card_shape *s, const uint32_t *w)
{
    const uint32_t parts = s->axi_bits / s->pes;
    return (FIELD(w, RUN, GROUPS) + parts - 1) / parts;
}

static uint32_t mask_offset(const struct card *c, const uint32_t *w, uint32_t step)
{
    return FIELD(w, RUN, X_OFFSET) + step * FIELD(w, RUN, X_STRIDE) +
           FIELD(w, RUN, X_WORDS) * c->shape.lanes * 2;
}

/* Words that are streamed at a time. */
static uint32_t chunk_words(const struct spacc_card_shape *s)
{
    const uint32_t word_bytes = s->pes * s->lanes * 2;
    return word_bytes < 2048 ? 2048 / word_bytes : 1;
}

static void keep_stream(struct card *c)
{
    const struct spacc_card_shape *s = &c->shape;
    struct run_fields *f = &c->fields;

    c->stream = true;
    f->stream_words = FIELD(code(c), STREAM, WORDS);
    f->ring_words = FIELD(code(c), STREAM, RING_WORDS);
    f->stream_address = address_of(c);
    f->word_bytes = s->pes * s->lanes * entry_bytes(code(c));
    f->word_beats = f->word_bytes / beat_bytes(c);
    f->chunk_words = chunk_words(s);
}

/* Of a masked RUN; the mask of a step stands behind its x. */
static void read_masks(struct card *c)
{
    const struct spacc_card_shape *s = &c->shape;
    const uint32_t *w = code(c);
    struct run_fields *f = &c->fields;

    f->pes = s->pes;
    f->queue = s->queue;
    f->window = FIELD(w, RUN, WINDOW);
    f->overlap = FIELD(w, RUN, OVERLAP);
    f->mask_parts = s->axi_bits / s->pes;
    f->mask_beats = mask_beats(s, w);
    f->mask = c->region(c->user, FIELD(w, RUN, X_REGION), mask_offset(c, w, 0),
                        f->mask_beats * beat_bytes(c));
    f->x_beats += f->mask_beats;
    f->y_beats = FIELD(w, RUN, Y_GROUPS) * (s->pes * 32 / s->axi_bits);
}

static void read_fields(struct card *c)
{
    const struct spacc_card_shape *s = &c->shape;
    const uint32_t *w = code(c), rows = 4 * s->cells, cell = FIELD(w, RUN, CELL);
    struct run_fields *f = &c->fields;
    uint32_t quads, y_bytes;

    f->linear = cell == SPACC_CARD_CELL_LINEAR;
    f->lstmp = cell == SPACC_CARD_CELL_LSTMP;
    f->two_pass = f->lstmp || cell == SPACC_CARD_CELL_GRU_RESET;
    f->stream = c->stream;
    f->steps = FIELD(w, RUN, STEPS);
    f->groups = FIELD(w, RUN, GROUPS);
    f->groups_b = FIELD(w, RUN, GROUPS_B);
    f->k_x = FIELD(w, RUN, K_X);
    f->k_h = FIELD(w, RUN, K_H);
    f->k_b = FIELD(w, RUN, K_B);
    f->prologue = FIELD(w, RUN, PROLOGUE);
    f->prologue_b = FIELD(w, RUN, PROLOGUE_B);
    f->batch = FIELD(w, RUN, BATCH);
    f->x_slots = FIELD(w, RUN, X_SLOTS);
    f->moves = s->pes / rows;
    f->row_cycles = rows > s->lanes ? rows / s->lanes : 1;
    f->array_cycles = log2_of(s->lanes) + 8;
    f->cell_cycles = CELL_LATENCY;
    f->fifo_depth = 128 + 8 * f->moves;
    f->gather_results = s->axi_bits / (16 * s->cells);
    f->entry_parts = f->linear  ? 128 * s->cells / s->axi_bits
                     : f->lstmp ? 64 * s->cells / s->axi_bits
                                : 1;
    f->step_results = f->batch * (f->lstmp ? f->groups_b : f->groups) * f->moves;
    quads = f->batch * (f->lstmp ? f->groups_b : f->groups) * (s->pes / 4);
    y_bytes = quads * (f->linear ? 16 : f->lstmp ? 8 : 2);
    f->y_beats = (y_bytes + beat_bytes(c) - 1) / beat_bytes(c);
    f->x_beats = f->batch * FIELD(w, RUN, X_WORDS) * s->lanes * 2 / beat_bytes(c);
    f->x_address = c->pointers[FIELD(w, RUN, X_REGION)] + FIELD(w, RUN, X_OFFSET);
    f->y_address = c->pointers[FIELD(w, RUN, Y_REGION)] + FIELD(w, RUN, Y_OFFSET);
    f->x_stride = (int32_t)FIELD(w, RUN, X_STRIDE);
    f->y_stride = (int32_t)FIELD(w, RUN, Y_STRIDE);
    f->masked = FIELD(w, RUN, MASKED);
    if (f->masked)
        read_masks(c);
}

/* ---- checks: what would make the model divide by zero or never end ------------------- */

static enum spacc_status check_shape(const struct spacc_card_shape *s, struct spacc_error *err)
{
    const uint32_t rows = 4 * s->cells;

    if (s->cells == 0 || s->pes == 0 || s->pes % rows != 0 || s->pes / rows > 32 ||
        s->lanes < 4 || s->lanes > 256 || (s->lanes & (s->lanes - 1)) != 0 ||
        s->axi_bits < 64 || s->axi_bits > 512 || (s->axi_bits & (s->axi_bits - 1)) != 0 ||
        16 * s->cells > s->axi_bits || 64 * s->cells < s->axi_bits ||
        16 * s->lanes < s->axi_bits || s->latency_cycles < 2 || s->queue > MASK_QUEUE ||
        (s->queue && (s->pes > s->axi_bits || s->axi_bits % s->pes != 0)))
        return spacc_fail(err, SPACC_EINVAL,
                          "no card has %u PEs, %u lanes, %u cell lanes and a bus of %u bits "
                          "with a latency of %u cycles",
                          s->pes, s->lanes, s->cells, s->axi_bits, s->latency_cycles);
    return SPACC_OK;
}

/* Masks that are there, and as many groups of y as they give: else the RUN would not end. */
static const char *bad_masks(const struct card *c, const uint32_t *w, const uint32_t *stream)
{
    const struct spacc_card_shape *s = &c->shape;
    const uint32_t slots = FIELD(w, RUN, X_SLOTS), window = FIELD(w, RUN, WINDOW);
    const uint32_t steps = FIELD(w, RUN, STEPS);
    const int64_t stride = (int32_t)FIELD(w, RUN, X_STRIDE);
    struct spacc_card_deal d = {s->pes, FIELD(w, RUN, GROUPS), s->queue, window, steps,
                                NULL,   (size_t)stride};
    struct spacc_card_dealt dealt;

    if (!s->queue || !c->region || stride <= 0)
        return "masks";
    if (FIELD(w, RUN, CELL) != SPACC_CARD_CELL_LINEAR || FIELD(w, RUN, BATCH) != 1 || stream)
        return "cell, batch or stream of a masked RUN";
    if (slots > 15 || !window || FIELD(w, RUN, OVERLAP) + window > slots ||
        mask_beats(s, w) * slots > SPACC_CARD_MASK_BEATS)
        return "x_slots, overlap or window";
    for (uint32_t t = 0; t < steps; t++)
        if (!c->region(c->user, FIELD(w, RUN, X_REGION), mask_offset(c, w, t),
                       mask_beats(s, w) * beat_bytes(c)))
            return "place of masks";
    d.mask = c->region(c->user, FIELD(w, RUN, X_REGION), mask_offset(c, w, 0), 1);
    if (spacc_card_deal(&d, NULL, NULL, &dealt))
        return "masks, without memory to count";
    return dealt.groups != FIELD(w, RUN, Y_GROUPS) || !dealt.groups ? "y_groups" : NULL;
}

static const char *bad_run(const struct card *c, const uint32_t *stream)
{
    const uint32_t *w = code(c), chunk = chunk_words(&c->shape);
    const uint32_t cell = FIELD(w, RUN, CELL), p = FIELD(w, RUN, PROLOGUE);
    const bool two = cell == SPACC_CARD_CELL_GRU_RESET || cell == SPACC_CARD_CELL_LSTMP;
    const uint32_t k = FIELD(w, RUN, K_X) + FIELD(w, RUN, K_H), k_b = FIELD(w, RUN, K_B);
    const uint32_t slack = FIELD(w, RUN, BATCH) > 1 ? chunk - 1 : 0;

    if (cell > SPACC_CARD_CELL_LSTMP)
        return "cell";
    if (!FIELD(w, RUN, STEPS) || !FIELD(w, RUN, GROUPS) || !FIELD(w, RUN, BATCH) ||
        !FIELD(w, RUN, K_X) || !FIELD(w, RUN, X_WORDS))
        return "steps, groups, batch, k_x or x_words of 0";
    if ((cell == SPACC_CARD_CELL_LINEAR) != (FIELD(w, RUN, K_H) == 0))
        return "k_h";
    if (two != (k_b != 0) || two != (FIELD(w, RUN, GROUPS_B) != 0))
        return "k_b or groups_b";
    if (FIELD(w, RUN, X_SLOTS) < 2)
        return "x_slots";
    if (p > FIELD(w, RUN, GROUPS) || FIELD(w, RUN, PROLOGUE_B) > (two ? p : 0) ||
        (p && (cell == SPACC_CARD_CELL_LINEAR || stream)))
        return "prologue";
    if (!FIELD(w, RUN, X_REGION) || FIELD(w, RUN, X_REGION) > 3 || FIELD(w, RUN, Y_REGION) != 3)
        return "region";
    if (stream && (FIELD(stream, STREAM, RING_WORDS) < k + slack ||
                   FIELD(stream, STREAM, RING_WORDS) < k_b + slack ||
                   FIELD(stream, STREAM, WORDS) !=
                       FIELD(w, RUN, GROUPS) * k + FIELD(w, RUN, GROUPS_B) * k_b))
        return "streamed words";
    return FIELD(w, RUN, MASKED) ? bad_masks(c, w, stream) : NULL;
}

static const char *bad_move(const struct card *c)
{
    const uint32_t *w = code(c);

    if (!FIELD(w, LOAD_WEIGHTS, REGION) || FIELD(w, LOAD_WEIGHTS, REGION) > 3)
        return "region";
    if (opcode(c) != SPACC_OP_STREAM && (bytes_of(c) == 0 || bytes_of(c) % beat_bytes(c) != 0))
        return "size";
    if (opcode(c) == SPACC_OP_STREAM && FIELD(w, STREAM, RING_WORDS) < 1024)
        return FIELD(w, STREAM, RING_WORDS) * c->shape.pes * c->shape.lanes * 2 < 2048 ? "ring"
                                                                                       : NULL;
    return NULL;
}

static enum spacc_status check_program(struct card *c, struct spacc_error *err)
{
    const uint32_t *stream = NULL;

    for (c->pc = 0; c->pc < c->instructions; c->pc++) {
        const uint32_t op = opcode(c);
        const char *bad = op > SPACC_OP_STREAM ? "opcode"
                          : op == SPACC_OP_RUN ? bad_run(c, stream)
                          : op == SPACC_OP_END ? NULL
                                               : bad_move(c);
        if (bad)
            return spacc_fail(err, SPACC_EINVAL, "instruction %zu: bad %s", c->pc, bad);
        if (op == SPACC_OP_END)
            break;
        stream = op == SPACC_OP_STREAM ? code(c) : op == SPACC_OP_RUN ? NULL : stream;
    }
    if (c->pc == c->instructions)
        return spacc_fail(err, SPACC_EINVAL, "the program has no END");
    c->pc = 0;
    return SPACC_OK;
}

/* ---- a cycle ----------------------------------------------------------------------- */

/* A 64-bit word of the beat that is there is used up; true with the beat's last. */
static bool next_word(struct card *c)
{
    if (++c->sel < beat_bytes(c) / 8)
        return false;
    c->sel = 0;
    return true;
}

/* A beat, or a part of it, of a load: whether the beat is done with. */
static bool take_load(struct card *c)
{
    switch (opcode(c)) {
    case SPACC_OP_LOAD_WEIGHTS:
    case SPACC_OP_LOAD_VECTOR: return true;
    case SPACC_OP_LOAD_STATE: c->half ^= 1u; return c->half == 0 && next_word(c);
    default: return next_word(c);
    }
}

static void step_store(struct card *c, struct bus_in *out)
{
    const bool mark = opcode(c) == SPACC_OP_MARK;
    const bool read = c->state == STORE && c->pieces_left && c->store.level < STORE_ROOM;
    const bool piece = mark ? read : c->piece_on_its_way;
    const bool full = piece && c->piece + 1 == beat_bytes(c) / 4;
    const bool stored = c->store.out && c->state == STORE && spacc_bus_word_ready(&c->bus);

    out->write_valid = c->store.out && c->state == STORE;
    c->piece_on_its_way = read && !mark;
    if (read)
        c->pieces_left--;
    if (piece)
        c->piece = full ? 0 : c->piece + 1;
    spacc_fifo_step(&c->store, full, stored);
    if (stored && --c->beats_left == 0)
        c->state = STORE_END;
}

static void start_store(struct card *c)
{
    c->pieces_left = (uint32_t)(bytes_of(c) / 4);
    c->beats_left = (uint32_t)(bytes_of(c) / beat_bytes(c));
    c->piece = 0;
    c->store = (struct fifo){0};
    if (opcode(c) == SPACC_OP_MARK && c->marked < c->marks)
        c->mark[c->marked] = c->count;
}

static void next_instruction(struct card *c)
{
    c->pc++;
    c->state = READ_CODE;
    c->code_step = 0;
}

static enum state after_checks(const struct card *c)
{
    switch (opcode(c)) {
    case SPACC_OP_RUN: return READY;
    case SPACC_OP_STREAM: return KEEP;
    case SPACC_OP_STORE_STATE:
    case SPACC_OP_MARK: return STORE_COMMAND;
    default: return LOAD_COMMAND;
    }
}

/* The program's commands, one state a cycle. */
static void step_state(struct card *c, struct bus_in *out)
{
    const bool beat = c->bus.rvalid, last = beat && spacc_bus_read_last(&c->bus);

    switch (c->state) {
    case FETCH_COMMAND:
        *out = (struct bus_in){.read_cmd = true,
                               .read_address = c->pointers[0],
                               .read_beats = (uint32_t)(c->instructions * 64 / beat_bytes(c))};
        c->sel = 0;
        if (spacc_bus_read_ready(&c->bus))
            c->state = FETCH;
        break;
    case FETCH:
        out->read_ready = beat && next_word(c);
        if (out->read_ready && last)
            c->state = FETCH_END;
        break;
    case FETCH_END:
    case LOAD_END:
        if (!spacc_bus_read_idle(&c->bus))
            break;
        if (c->state == LOAD_END)
            c->pc++;
        c->state = READ_CODE;
        c->code_step = 0;
        break;
    case READ_CODE:
        if (++c->code_step == CODE_STEPS)
            c->state = DECODE;
        break;
    case DECODE: c->state = opcode(c) == SPACC_OP_END ? FINISH : CHECK1; break;
    case CHECK3: c->state = after_checks(c); break;
    case LOAD_COMMAND:
        *out = (struct bus_in){.read_cmd = true,
                               .read_address = address_of(c),
                               .read_beats = (uint32_t)(bytes_of(c) / beat_bytes(c))};
        c->sel = c->half = 0;
        if (spacc_bus_read_ready(&c->bus))
            c->state = LOAD;
        break;
    case LOAD:
        out->read_ready = beat && take_load(c);
        if (out->read_ready && last)
            c->state = LOAD_END;
        break;
    case STORE_COMMAND:
        start_store(c);
        *out = (struct bus_in){
            .write_cmd = true, .write_address = address_of(c), .write_beats = c->beats_left};
        if (spacc_bus_write_ready(&c->bus)) {
            c->state = STORE;
            c->marked += opcode(c) == SPACC_OP_MARK;
        }
        break;
    case STORE: step_store(c, out); break;
    case STORE_END:
        if (spacc_bus_write_idle(&c->bus))
            next_instruction(c);
        break;
    case KEEP:
        keep_stream(c);
        next_instruction(c);
        break;
    case READY:
        read_fields(c);
        spacc_run_start(&c->run, &c->fields);
        c->state = RUN;
        break;
    default: c->state++; break; /* SETTLE, PROGRAM, CHECK1, CHECK2 */
    }
}

static int cause_of(const struct card *c)
{
    switch (c->state) {
    case LOAD_COMMAND:
    case LOAD:
    case LOAD_END: return CAUSE_LOAD;
    case STORE_COMMAND:
    case STORE:
    case STORE_END: return opcode(c) == SPACC_OP_MARK ? CAUSE_CONTROL : CAUSE_LOAD;
    default: return CAUSE_CONTROL;
    }
}

static void step(struct card *c)
{
    struct bus_in out = {0};
    int cause = cause_of(c);
    const bool running = c->state == RUN, ended = running && c->run.done;

    if (running)
        cause = spacc_run_step(&c->run, &c->fields, &c->bus, &out, &c->count);
    else
        step_state(c, &out);
    if (ended) {
        c->stream = false;
        next_instruction(c);
    }
    c->count.bytes_read += c->bus.rvalid && out.read_ready ? beat_bytes(c) : 0;
    c->count.bytes_written += spacc_bus_wrote(&c->bus) ? beat_bytes(c) : 0;
    spacc_bus_step(&c->bus, &out);
    c->count.cycles++;
    c->count.cause[cause]++;
}

enum spacc_status spacc_card_cycles(const struct spacc_card_shape *shape,
                                    const uint32_t (*word)[16], size_t instructions,
                                    const uint64_t pointers[4], spacc_region_fn region,
                                    void *user, struct spacc_card_count *mark, size_t marks,
                                    struct spacc_card_count *total, struct spacc_error *err)
{
    struct card c = {.shape = *shape,
                     .word = word,
                     .instructions = instructions,
                     .pointers = pointers,
                     .region = region,
                     .user = user,
                     .mark = mark,
                     .marks = marks};
    enum spacc_status s;

    memset(total, 0, sizeof(*total));
    if ((s = check_shape(shape, err)) || (s = check_program(&c, err)))
        return s;
    spacc_bus_start(&c.bus, shape);
    while (c.state != FINISH)
        step(&c);
    c.count.cycles++; /* FINISH itself */
    c.count.cause[CAUSE_CONTROL]++;
    *total = c.count;
    return SPACC_OK;
}
