/* spacc_card.cl - the card as an OpenCL C 1.2 kernel: executes a program of rtl/card.toml
 * exactly as the card does, with the same memory formats and the same bits.
 *
 * One work-group of any size up to SPACC_KERNEL_ITEMS_MAX: 1 suits CPUs and FPGAs, as many as
 * there are units GPUs. Every work-item follows the program; a layer's units are dealt out, so
 * that items meet once a pass. What stays on the chip of a card stays in `state`
 * (spacc_kernel.h), which the host fills with zeros once. */
#include "hls/spacc_program.h"

struct card {
    __global u32 *region[4]; /* 1..3 */
    u32 bytes[4];
    __global u32 *state;
    __global s16 *x, *h; /* vector memories */
    u32 item, items;
};

/* Weights: of the card's memory and streamed format 1 in 32 bits, of format 0 in 16. */
struct weights {
    __global const u32 *wide;
    __global const u16 *narrow; /* NULL: wide */
};

/* ---- memories ------------------------------------------------------------------- */

static void meet(void)
{
    barrier(CLK_GLOBAL_MEM_FENCE);
}

/* An entry of format 0 as one of format 1. */
static u32 widen(u16 entry)
{
    return (u32)(entry >> 8) << 16 | ((u32)(s32)(char)(entry & 255) & 0xffff);
}

static void load_weights(struct card *c, struct spacc_move m)
{
    __global u32 *to = c->state + SPACC_KERNEL_AT_WEIGHTS + m.base * SPACC_KERNEL_WORD_ENTRIES;
    __global const u32 *wide = c->region[m.region] + m.offset / 4;
    __global const u16 *narrow = (__global const u16 *)wide;

    for (u32 i = c->item; i < m.count * SPACC_KERNEL_WORD_ENTRIES; i += c->items)
        to[i] = m.wide ? wide[i] : widen(narrow[i]);
}

static void load_vector(struct card *c, struct spacc_move m)
{
    __global s16 *to = c->h + m.base * SPACC_KERNEL_LANES;
    __global const s16 *from = (__global const s16 *)(c->region[m.region] + m.offset / 4);

    for (u32 i = c->item; i < m.count * SPACC_KERNEL_LANES; i += c->items)
        to[i] = spacc_enter(from[i]);
}

static void copy_words(struct card *c, __global u32 *to, __global const u32 *from, u32 words)
{
    for (u32 i = c->item; i < words; i += c->items)
        to[i] = from[i];
}

static void store_states(struct card *c, struct spacc_move m)
{
    __global const u32 *from = c->state + SPACC_KERNEL_AT_STATES + m.base;
    __global u32 *to = c->region[m.region] + m.offset / 4;

    for (u32 i = c->item; i < m.count; i += c->items)
        to[i] = (u32)spacc_signed(from[i], 24);
}

static void store_mark(struct card *c, struct spacc_move m, struct spacc_counts counts)
{
    __global u32 *to = c->region[m.region] + m.offset / 4;

    for (u32 i = c->item; i < 32; i += c->items)
        to[i] = spacc_counter_word(counts, i);
}

static void move(struct card *c, struct spacc_move m, struct spacc_counts *counts)
{
    __global const u32 *from = c->region[m.region] + m.offset / 4;

    switch (m.op) {
    case SPACC_OP_LOAD_WEIGHTS: load_weights(c, m); break;
    case SPACC_OP_LOAD_PARAMS:
        copy_words(c, c->state + SPACC_KERNEL_AT_PARAMS + 8 * m.base, from, 8 * m.count);
        break;
    case SPACC_OP_LOAD_VECTOR: load_vector(c, m); break;
    case SPACC_OP_LOAD_STATE:
        copy_words(c, c->state + SPACC_KERNEL_AT_STATES + m.base, from, m.count);
        break;
    case SPACC_OP_STORE_STATE: store_states(c, m); break;
    case SPACC_OP_MARK: store_mark(c, m, *counts); break;
    }
    if (m.op == SPACC_OP_STORE_STATE || m.op == SPACC_OP_MARK)
        counts->bytes_written += m.bytes;
    else
        counts->bytes_read += m.bytes;
    meet();
}

/* ---- rows ------------------------------------------------------------------------ */

/* A sum over `k` positions of PE `pe` from word `word` on. Vectors begin at word `base` of a
 * memory of `words`; an index past its end wraps. */
static s64 sum_wide(__global const u32 *weights, u32 word, u32 k, u32 pe,
                    __global const s16 *vector, u32 base, u32 words)
{
    const u32 to_index = (pe % SPACC_KERNEL_SHARED_ROWS) * SPACC_KERNEL_LANES;
    __global const u32 *at = weights + (word * SPACC_KERNEL_PES + pe) * SPACC_KERNEL_LANES;
    s64 sum = 0;

    for (u32 j = 0; j < k; j++) {
        for (u32 n = 0; n < SPACC_KERNEL_LANES; n++) {
            const u32 index = ((at - to_index)[n] >> 16) & 255;
            const s32 value = vector[((base + index) & (words - 1)) * SPACC_KERNEL_LANES + n];
            sum += (s32)(s16)(at[n] & 0xffff) * value;
        }
        at += SPACC_KERNEL_WORD_ENTRIES;
    }
    return sum;
}

static s64 sum_narrow(__global const u16 *weights, u32 word, u32 k, u32 pe,
                      __global const s16 *vector, u32 base, u32 words)
{
    const u32 to_index = (pe % SPACC_KERNEL_SHARED_ROWS) * SPACC_KERNEL_LANES;
    __global const u16 *at = weights + (word * SPACC_KERNEL_PES + pe) * SPACC_KERNEL_LANES;
    s64 sum = 0;

    for (u32 j = 0; j < k; j++) {
        for (u32 n = 0; n < SPACC_KERNEL_LANES; n++) {
            const u32 index = (at - to_index)[n] >> 8;
            const s32 value = vector[((base + index) & (words - 1)) * SPACC_KERNEL_LANES + n];
            sum += (s32)(char)(at[n] & 255) * value;
        }
        at += SPACC_KERNEL_WORD_ENTRIES;
    }
    return sum;
}

static s64 sum_row(struct weights w, u32 word, u32 k, u32 pe, __global const s16 *vector,
                   u32 base, u32 words)
{
    return w.narrow ? sum_narrow(w.narrow, word, k, pe, vector, base, words)
                    : sum_wide(w.wide, word, k, pe, vector, base, words);
}

/* z of row `i` of the quad whose parameters are number `quad`. */
static s32 requantise(struct card *c, s64 sum, u32 quad, u32 i, u32 bits, u32 *cuts)
{
    __global const u32 *p = c->state + SPACC_KERNEL_AT_PARAMS + 8 * quad + 2 * i;

    return spacc_requantise(sum, p[0], p[1], bits, cuts);
}

static u32 h_part(struct spacc_run r, u32 group)
{
    return group < r.prologue ? r.prologue * r.k_x + group * r.k_h
                              : group * (r.k_x + r.k_h) + r.k_x;
}

/* Where position `s` of sequence `b` stands in a batch of chunks of `chunk` positions. */
static u32 place_in(u32 s, u32 b, u32 batch, u32 chunk)
{
    return (s / chunk * batch + b) * chunk + s % chunk;
}

/* ---- a step ---------------------------------------------------------------------- */

struct step {
    struct spacc_run r;
    struct weights weights;
    u32 from, to, m; /* words of the vector memories where those of sequence 0 begin */
    u32 zero;        /* nothing came before this step */
    __global u32 *y;
};

static u32 unit_of(const struct step *s, u32 u, u32 b)
{
    return SPACC_KERNEL_AT_STATES + s->r.state_base + b * s->r.units + u;
}

/* z of the rows of unit `u`. The fourth row of GRU_RESET's first pass is not used. */
static void quad_a(struct card *c, const struct step *s, u32 u, u32 b, s32 z[4],
                   struct spacc_cuts *cuts)
{
    const u32 group = u / SPACC_KERNEL_QUADS, q = u % SPACC_KERNEL_QUADS;
    const u32 linear = s->r.cell == SPACC_CARD_CELL_LINEAR;
    const u32 rows = s->r.cell == SPACC_CARD_CELL_GRU_RESET ? 3 : 4;

    for (u32 i = 0; i < rows; i++) {
        s64 sum = sum_row(s->weights, spacc_x_part(s->r, group), s->r.k_x, 4 * q + i, c->x,
                          b * s->r.x_words, SPACC_KERNEL_X_WORDS);
        if (!linear && !s->zero)
            sum += sum_row(s->weights, h_part(s->r, group), s->r.k_h, 4 * q + i, c->h,
                           s->from + b * s->r.h_words, SPACC_KERNEL_H_WORDS);
        z[i] = requantise(c, sum, s->r.param_base + u, i, spacc_row_bits(s->r.cell, i),
                          linear ? &cuts->states : &cuts->gates);
    }
}

static s64 sum_b(struct card *c, const struct step *s, u32 u, u32 b, u32 i)
{
    const u32 group = u / SPACC_KERNEL_QUADS, pe = 4 * (u % SPACC_KERNEL_QUADS) + i;

    return sum_row(s->weights, spacc_b_part(s->r, group), s->r.k_b, pe, c->h,
                   s->m + b * s->r.m_words, SPACC_KERNEL_H_WORDS);
}

/* h of a unit (or r of a row) leaves: to the half of the next step and to y. */
static void put_h(struct card *c, const struct step *s, u32 position, u32 b, u32 chunk, s32 h)
{
    __global s16 *y = (__global s16 *)s->y;

    c->h[(s->to + b * s->r.h_words) * SPACC_KERNEL_LANES + position] = spacc_enter((s16)h);
    y[place_in(position, b, s->r.batch, chunk)] = (s16)h;
}

static void put_m(struct card *c, const struct step *s, u32 u, u32 b, s32 m)
{
    c->h[(s->m + b * s->r.m_words) * SPACC_KERNEL_LANES + u] = spacc_enter((s16)m);
}

static void put_rows(const struct step *s, u32 u, u32 b, const s32 z[4])
{
    for (u32 i = 0; i < 4; i++)
        s->y[place_in(4 * u + i, b, s->r.batch, SPACC_KERNEL_PES)] = (u32)z[i];
}

static void cell_a(struct card *c, const struct step *s, u32 u, u32 b, const s32 z[4],
                   struct spacc_cuts *cuts)
{
    __global u32 *state = c->state + unit_of(s, u, b);
    const u32 lstm = s->r.cell == SPACC_CARD_CELL_LSTM || s->r.cell == SPACC_CARD_CELL_LSTMP;
    s32 old = s->zero ? 0 : spacc_signed(*state, lstm ? 24 : 16);

    if (s->r.cell == SPACC_CARD_CELL_GRU_RESET) {
        c->state[SPACC_KERNEL_AT_UPDATE + b * s->r.units + u] = (u32)spacc_sigmoid(z[0]);
        c->state[SPACC_KERNEL_AT_KEPT + b * s->r.units + u] = (u32)z[2];
        put_m(c, s, u, b,
              spacc_cut(spacc_round((s64)spacc_sigmoid(z[1]) * old, 15), 16, &cuts->states));
        return;
    }
    const s32 h = lstm ? spacc_lstm(s->r.act_g, s->r.act_h, z, &old, cuts)
                       : spacc_gru(s->r.act_g, z, old, cuts);
    *state = (u32)(lstm ? old : h);
    if (s->r.cell == SPACC_CARD_CELL_LSTMP)
        put_m(c, s, u, b, h);
    else
        put_h(c, s, u, b, SPACC_KERNEL_QUADS, h);
}

static void pass_a(struct card *c, const struct step *s, struct spacc_cuts *cuts)
{
    for (u32 u = c->item; u < s->r.units; u += c->items)
        for (u32 b = 0; b < s->r.batch; b++) {
            s32 z[4] = {0, 0, 0, 0};
            quad_a(c, s, u, b, z, cuts);
            if (s->r.cell == SPACC_CARD_CELL_LINEAR)
                put_rows(s, u, b, z);
            else
                cell_a(c, s, u, b, z, cuts);
        }
}

static void cell_b(struct card *c, const struct step *s, u32 u, u32 b, struct spacc_cuts *cuts)
{
    const u32 quad = s->r.param_base + s->r.units + u, at = b * s->r.units + u;
    __global u32 *state = c->state + unit_of(s, u, b);
    const s32 z = requantise(c, sum_b(c, s, u, b, 3), quad, 3, 20, &cuts->gates);
    const s32 old = s->zero ? 0 : spacc_signed(*state, 16);
    const s32 h =
        spacc_gru_update(s->r.act_g, (s32)c->state[SPACC_KERNEL_AT_UPDATE + at],
                         (s64)(s32)c->state[SPACC_KERNEL_AT_KEPT + at] + z, old, cuts);

    *state = (u32)h;
    put_h(c, s, u, b, SPACC_KERNEL_QUADS, h);
}

static void project(struct card *c, const struct step *s, u32 u, u32 b, struct spacc_cuts *cuts)
{
    const u32 quad = s->r.param_base + s->r.units + u;

    for (u32 i = 0; i < 4; i++)
        put_h(c, s, 4 * u + i, b, SPACC_KERNEL_PES,
              requantise(c, sum_b(c, s, u, b, i), quad, i, 16, &cuts->states));
}

static void pass_b(struct card *c, const struct step *s, struct spacc_cuts *cuts)
{
    for (u32 u = c->item; u < s->r.units_b; u += c->items)
        for (u32 b = 0; b < s->r.batch; b++) {
            if (s->r.cell == SPACC_CARD_CELL_LSTMP)
                project(c, s, u, b, cuts);
            else
                cell_b(c, s, u, b, cuts);
        }
}

/* x of a step, [chunk][b] in memory, sequence by sequence. The card has a ring of steps here,
 * since it reads ahead. */
static void fetch_x(struct card *c, const struct step *s, u32 offset)
{
    __global const s16 *from = (__global const s16 *)(c->region[s->r.x_region] + offset / 4);
    const u32 many = s->r.x_words * SPACC_KERNEL_LANES;

    for (u32 b = 0; b < s->r.batch; b++)
        for (u32 i = c->item; i < many; i += c->items)
            c->x[b * many + i] =
                spacc_enter(from[place_in(i, b, s->r.batch, SPACC_KERNEL_QUADS)]);
}

static void fill_beat(struct card *c, const struct step *s)
{
    __global s16 *y = (__global s16 *)s->y;

    for (u32 i = s->r.y_bytes / 2 + c->item; i < spacc_whole_beats(s->r.y_bytes) / 2;
         i += c->items)
        y[i] = 0;
}

static void run_step(struct card *c, struct step *s, u32 t, struct spacc_cuts *cuts)
{
    const u32 words = s->r.batch * s->r.h_words, from = (s->r.odd + t) & 1;

    s->from = s->r.h_base + from * words;
    s->to = s->r.h_base + (1 - from) * words;
    s->m = s->r.h_base + 2 * words;
    s->zero = s->r.zero && t == 0;
    s->y = c->region[SPACC_REGION_OUTPUT] + (s->r.y_offset + t * s->r.y_stride) / 4;
    fetch_x(c, s, s->r.x_offset + t * s->r.x_stride);
    meet();
    pass_a(c, s, cuts);
    meet();
    pass_b(c, s, cuts);
    fill_beat(c, s);
    meet();
}

/* ---- RUN ------------------------------------------------------------------------- */

/* Where the weights of a RUN begin, in order of issue. */
static struct weights weights_of(struct card *c, struct spacc_run r, struct spacc_stream s)
{
    struct weights w = {0, 0};

    w.wide =
        s.on ? c->region[s.region] + s.offset / 4
             : c->state + SPACC_KERNEL_AT_WEIGHTS + r.weight_base * SPACC_KERNEL_WORD_ENTRIES;
    if (s.on && !s.wide)
        w.narrow = (__global const u16 *)w.wide;
    return w;
}

/* Adds what all items have counted in a RUN. */
static void add_cuts(struct card *c, u64 gates, u64 states, struct spacc_counts *counts)
{
    __global u64 *cuts = (__global u64 *)(c->state + SPACC_KERNEL_AT_CUTS);

    cuts[2 * c->item] = gates;
    cuts[2 * c->item + 1] = states;
    meet();
    for (u32 i = 0; i < c->items; i++) {
        counts->gate_cuts += cuts[2 * i];
        counts->state_cuts += cuts[2 * i + 1];
    }
    meet();
}

/* Runs the steps up to one whose x or y is not in its region. */
static u32 run_layer(struct card *c, struct spacc_run r, struct spacc_stream stream,
                     struct spacc_counts *counts, struct spacc_end *end)
{
    struct step s;
    u64 gates = 0, states = 0;
    u32 error = SPACC_ERROR_NONE;

    s.r = r;
    s.weights = weights_of(c, r, stream);
    for (u32 t = 0; t < r.steps && !error; t++) {
        struct spacc_cuts cuts = {0, 0};

        error = spacc_check_step(r, t, c->bytes[r.x_region], c->bytes[r.y_region], end);
        if (!error) {
            run_step(c, &s, t, &cuts);
            spacc_count_step(r, stream, counts);
        }
        gates += cuts.gates;
        states += cuts.states;
    }
    add_cuts(c, gates, states, counts);
    return error;
}

/* ---- the program ------------------------------------------------------------------- */

/* One load, store or STREAM. */
static u32 execute_move(struct card *c, const u32 code[SPACC_INSTRUCTION_WORDS],
                        struct spacc_stream *stream, struct spacc_counts *counts,
                        struct spacc_end *end)
{
    const struct spacc_move m = spacc_decode_move(code);
    u32 error = spacc_check_move(m);

    if (!error) {
        error = spacc_check_address(m.offset, m.bytes, c->bytes[m.region]);
        end->region = m.region;
        end->offset = m.offset;
    }
    if (error)
        return error;
    if (m.op == SPACC_OP_STREAM)
        *stream = spacc_make_stream(m);
    else
        move(c, m, counts);
    return SPACC_ERROR_NONE;
}

static u32 execute(struct card *c, const u32 code[SPACC_INSTRUCTION_WORDS],
                   struct spacc_stream *stream, struct spacc_counts *counts,
                   struct spacc_end *end)
{
    const u32 op = code[0] & 255;

    if (op > SPACC_OP_STREAM)
        return SPACC_ERROR_BAD_OPCODE;
    if (op != SPACC_OP_RUN)
        return execute_move(c, code, stream, counts, end);
    const struct spacc_run r = spacc_decode_run(code);
    const struct spacc_stream now = *stream;
    const u32 error = spacc_check_run(r, now);
    stream->on = 0;
    return error ? error : run_layer(c, r, now, counts, end);
}

static struct spacc_end run_program(struct card *c, __global const u32 *program,
                                    u32 program_bytes, struct spacc_counts *counts)
{
    struct spacc_end end = {SPACC_ERROR_NONE, 0, 0, 0};
    struct spacc_stream stream = {0, 0, 0, 0, 0, 0, 0};

    end.error = spacc_check_program(program_bytes);
    if (end.error)
        return end;
    counts->bytes_read = program_bytes;
    for (end.pc = 0; end.pc < program_bytes / SPACC_INSTRUCTION_BYTES; end.pc++) {
        u32 code[SPACC_INSTRUCTION_WORDS];
        for (u32 i = 0; i < SPACC_INSTRUCTION_WORDS; i++)
            code[i] = program[end.pc * SPACC_INSTRUCTION_WORDS + i];
        if ((code[0] & 255) == SPACC_OP_END)
            return end;
        end.error = execute(c, code, &stream, counts, &end);
        if (end.error)
            return end;
    }
    end.error = SPACC_ERROR_NO_END;
    return end;
}

__kernel void spacc_card(__global uint *program, __global uint *weights, __global uint *input,
                         __global uint *output, uint program_bytes, uint weights_bytes,
                         uint input_bytes, uint output_bytes, uint watchdog_cycles,
                         __global uint *state)
{
    struct spacc_counts counts = {0, 0, 0, 0};
    struct card c;

    c.region[0] = program;
    c.region[SPACC_REGION_WEIGHTS] = weights;
    c.region[SPACC_REGION_INPUT] = input;
    c.region[SPACC_REGION_OUTPUT] = output;
    c.bytes[0] = program_bytes;
    c.bytes[SPACC_REGION_WEIGHTS] = weights_bytes;
    c.bytes[SPACC_REGION_INPUT] = input_bytes;
    c.bytes[SPACC_REGION_OUTPUT] = output_bytes;
    c.state = state;
    c.x = (__global s16 *)(state + SPACC_KERNEL_AT_X);
    c.h = (__global s16 *)(state + SPACC_KERNEL_AT_H);
    c.item = get_local_id(0);
    c.items = get_local_size(0);
    struct spacc_end end = run_program(&c, program, program_bytes, &counts);
    if (end.error != SPACC_ERROR_BAD_ADDRESS)
        end.region = end.offset = 0;
    meet();
    for (u32 i = c.item; i < SPACC_KERNEL_IMAGE_WORDS; i += c.items)
        state[i] = spacc_image_word(end, counts, SPACC_KERNEL_STATE_BYTES, i);
}
