/* spacc_card.c - the card as a kernel for Vitis HLS, in C: executes a program of rtl/card.toml
 * exactly as the card does, with the same memory formats, the same bits, and ports, arguments
 * and registers where the card has them.
 *
 * The memories of the card are static arrays and keep what they hold from run to run. A pass
 * over the groups of a layer is a dataflow region, a process a stage:
 *
 *   weights, x, h -> sums -> requantise -> cells -> pack -> store -> memory
 *                                            |
 *                                            +-> next (h of the next step, m), copied behind it
 *
 * x of a step is loaded before the region: its last element may be wanted by the first row.
 * Streamed weights go through the weight memory in parts of whole groups, a region a part. */
#include "hls/spacc_program.h"

enum {
    PES = SPACC_KERNEL_PES,
    LANES = SPACC_KERNEL_LANES,
    QUADS = SPACC_KERNEL_QUADS,
    GROUPS = SPACC_KERNEL_GROUPS,
    UNITS = SPACC_KERNEL_UNITS,
    WEIGHT_WORDS = SPACC_KERNEL_WEIGHT_WORDS,
    X_WORDS = SPACC_KERNEL_X_WORDS,
    H_WORDS = SPACC_KERNEL_H_WORDS,
    PAIRS = LANES / 2,             /* 32-bit words of a word of a vector */
    CHUNK = QUADS < 2 ? 2 : QUADS, /* positions of a batch that stand together; one: no batch */
    REGISTERS = SPACC_KERNEL_IMAGE_WORDS,
    Y_WORDS = UNITS * 4 + SPACC_KERNEL_BEAT_BYTES / 4 /* of a region */
};

void spacc_card(const u32 *program, const u32 *weights, const u32 *input, u32 *output,
                u32 program_bytes, u32 weights_bytes, u32 input_bytes, u32 output_bytes,
                u32 watchdog_cycles, u32 *state, u32 registers[REGISTERS]);

static s16 weight_memory[WEIGHT_WORDS][PES][LANES];
static u8 index_memory[WEIGHT_WORDS][PES][LANES];
static s16 x_memory[X_WORDS][LANES], h_memory[H_WORDS][LANES];
static s16 next_memory[H_WORDS][LANES]; /* h or m that a pass makes, sequence by sequence */
static u32 bias_memory[UNITS][4], scale_memory[UNITS][4];
static s32 state_memory[UNITS];
static s32 update_memory[UNITS], kept_memory[UNITS]; /* between the passes of GRU_RESET */

/* What a region does: groups `first` .. of one sequence in pass A or B. */
struct pass {
    u32 cell, act_g, act_h;
    u32 second;             /* pass B */
    u32 groups;             /* of this region */
    u32 k_x, k_h;           /* positions on x, and on h or m */
    u32 early;              /* groups whose x parts stand in front of all h parts */
    u32 x_part, h_part;     /* words of weights */
    u32 x_base, h_base;     /* words of vectors */
    u32 h_zero, state_zero; /* these count as 0 */
    u32 unit;               /* number of the first one in its sequence */
    u32 quad, states, kept; /* where its parameters, state, and kept values are */
    u32 elements;           /* that a unit gives: 4 rows or 1 */
    u32 wide;               /* LINEAR: an element is 32 bits of y, not 16 */
    u32 next_base;          /* words of next_memory; LINEAR: not used */
    u32 y_words;            /* all of them, which pack() makes */
    u32 y_fill;             /* and this many zeros behind them */
    u32 y_rows, y_cols;     /* how these words lie in memory */
    u32 y_at, y_stride;     /* 32-bit words: the first, and from row to row */
    u32 y_last;             /* no element follows in this step */
};

/* ---- loads and stores ------------------------------------------------------------- */

static s16 low_half(u32 word)
{
    return (s16)spacc_signed(word, 16);
}

static s16 high_half(u32 word)
{
    return (s16)spacc_signed(word >> 16, 16);
}

static s16 signed_byte(u32 byte)
{
    return (s16)spacc_signed(byte, 8);
}

/* A PE's entries of a word at a time: what the weight memories are written by. */
static void load_narrow(const u32 *from, u32 at, u32 words, u32 base)
{
    for (u32 w = 0; w < words; w++) {
        for (u32 pe = 0; pe < PES; pe++) {
#pragma HLS PIPELINE
            for (u32 n = 0; n < PAIRS; n++) {
#pragma HLS UNROLL
                const u32 two = from[at + (w * PES + pe) * PAIRS + n];
                weight_memory[base + w][pe][2 * n] = signed_byte(two & 255);
                index_memory[base + w][pe][2 * n] = (u8)(two >> 8 & 255);
                weight_memory[base + w][pe][2 * n + 1] = signed_byte(two >> 16 & 255);
                index_memory[base + w][pe][2 * n + 1] = (u8)(two >> 24);
            }
        }
    }
}

static void load_wide(const u32 *from, u32 at, u32 words, u32 base)
{
    for (u32 w = 0; w < words; w++) {
        for (u32 pe = 0; pe < PES; pe++) {
#pragma HLS PIPELINE
            for (u32 n = 0; n < LANES; n++) {
#pragma HLS UNROLL
                const u32 entry = from[at + (w * PES + pe) * LANES + n];
                weight_memory[base + w][pe][n] = low_half(entry);
                index_memory[base + w][pe][n] = (u8)(entry >> 16 & 255);
            }
        }
    }
}

static void load_weights(const u32 *from, u32 at, u32 wide, u32 words, u32 base)
{
    if (wide)
        load_wide(from, at, words, base);
    else
        load_narrow(from, at, words, base);
}

static void load_params(const u32 *from, u32 at, u32 units, u32 base)
{
    for (u32 i = 0; i < units * 4; i++) {
#pragma HLS PIPELINE
        bias_memory[base + i / 4][i % 4] = from[at + 2 * i];
        scale_memory[base + i / 4][i % 4] = from[at + 2 * i + 1];
    }
}

static void load_vector(const u32 *from, u32 at, u32 words, u32 base)
{
    for (u32 i = 0; i < words * PAIRS; i++) {
#pragma HLS PIPELINE II = 1
        const u32 two = from[at + i];
        h_memory[base + i / PAIRS][i % PAIRS * 2] = spacc_enter(low_half(two));
        h_memory[base + i / PAIRS][i % PAIRS * 2 + 1] = spacc_enter(high_half(two));
    }
}

static void load_states(const u32 *from, u32 at, u32 units, u32 base)
{
    for (u32 i = 0; i < units; i++) {
#pragma HLS PIPELINE II = 1
        state_memory[base + i] = spacc_signed(from[at + i], 24);
    }
}

static void store_states(u32 *to, u32 at, u32 units, u32 base)
{
    for (u32 i = 0; i < units; i++) {
#pragma HLS PIPELINE II = 1
        to[at + i] = (u32)state_memory[base + i];
    }
}

static void store_mark(u32 *to, u32 at, struct spacc_counts counts)
{
    for (u32 i = 0; i < 32; i++) {
#pragma HLS PIPELINE II = 1
        to[at + i] = spacc_counter_word(counts, i);
    }
}

static void load(const u32 *from, struct spacc_move m)
{
    const u32 at = m.offset / 4;

    switch (m.op) {
    case SPACC_OP_LOAD_WEIGHTS: load_weights(from, at, m.wide, m.count, m.base); break;
    case SPACC_OP_LOAD_PARAMS: load_params(from, at, m.count, m.base); break;
    case SPACC_OP_LOAD_VECTOR: load_vector(from, at, m.count, m.base); break;
    default: load_states(from, at, m.count, m.base); break;
    }
}

/* x of a step; of a batch it comes [chunk][b] and is kept sequence by sequence. The card has a
 * ring of steps here, since it reads ahead. */
static void load_x(const u32 *from, u32 at, u32 batch, u32 x_words)
{
    u32 chunk = 0, b = 0, in_chunk = 0;

    for (u32 i = 0; i < batch * x_words * PAIRS; i++) {
#pragma HLS PIPELINE II = 1
        const u32 position = chunk * CHUNK + in_chunk;
        const u32 word = b * x_words + position / LANES, two = from[at + i];
        x_memory[word][position % LANES] = spacc_enter(low_half(two));
        x_memory[word][position % LANES + 1] = spacc_enter(high_half(two));
        in_chunk += 2;
        if (in_chunk == CHUNK) {
            in_chunk = 0;
            b++;
        }
        if (b == batch) {
            b = 0;
            chunk++;
        }
    }
}

/* ---- the processes of a region ---------------------------------------------------- */

/* The array: one position of all PEs a cycle. Parts follow each other in memory, but the x
 * parts of the first groups, which stand before everything. */
static void sum_groups(struct pass p, s64 sums[GROUPS][PES])
{
    const u32 positions = p.groups * (p.k_x + p.k_h);
    u32 group = 0, j = 0, x_at = p.x_part, h_at = p.h_part;
    s64 acc[PES];
#pragma HLS ARRAY_PARTITION variable = acc complete

    for (u32 i = 0; i < positions; i++) {
#pragma HLS PIPELINE II = 1
        const u32 on_x = j < p.k_x, early = on_x && group < p.early;
        const u32 word = early ? x_at : h_at, last = j + 1 == p.k_x + p.k_h;

        for (u32 pe = 0; pe < PES; pe++) {
#pragma HLS UNROLL
            s64 sum = 0;
            for (u32 n = 0; n < LANES; n++) {
#pragma HLS UNROLL
                const u32 index = index_memory[word][pe - pe % SPACC_KERNEL_SHARED_ROWS][n];
                const s32 x = x_memory[(p.x_base + index) % X_WORDS][n];
                const s32 h = h_memory[(p.h_base + index) % H_WORDS][n];
                const s32 value = on_x ? x : p.h_zero ? 0 : h;
                sum += (s32)weight_memory[word][pe][n] * value;
            }
            acc[pe] = j == 0 ? sum : acc[pe] + sum;
            if (last)
                sums[group][pe] = acc[pe];
        }
        if (early)
            x_at++;
        else
            h_at++;
        group += last;
        j = last ? 0 : j + 1;
    }
}

/* Whether row `i` of a quad is one. */
static u32 row_used(u32 cell, u32 second, u32 i)
{
    return cell != SPACC_CARD_CELL_GRU_RESET || (second ? i == 3 : i != 3);
}

/* A unit a cycle: four rows. `gates` and `states`: cuts. */
static void requantise(struct pass p, s64 sums[GROUPS][PES], s32 z[UNITS][4], u32 *gates,
                       u32 *states)
{
    const u32 to_states =
        p.cell == SPACC_CARD_CELL_LINEAR || (p.second && p.cell == SPACC_CARD_CELL_LSTMP);
    s64 row[PES];
    u32 cuts = 0;
#pragma HLS ARRAY_PARTITION variable = row complete

    for (u32 i = 0; i < p.groups * QUADS; i++) {
#pragma HLS PIPELINE II = 1
        for (u32 pe = 0; pe < PES; pe++) {
#pragma HLS UNROLL
            if (i % QUADS == 0)
                row[pe] = sums[i / QUADS][pe];
        }
        for (u32 r = 0; r < 4; r++) {
#pragma HLS UNROLL
            u32 cut = 0;
            z[i][r] =
                spacc_requantise(row[i % QUADS * 4 + r], bias_memory[p.quad + i][r],
                                 scale_memory[p.quad + i][r], spacc_row_bits(p.cell, r), &cut);
            cuts += row_used(p.cell, p.second, r) ? cut : 0;
        }
    }
    *gates = to_states ? 0 : cuts;
    *states = to_states ? cuts : 0;
}

/* A unit of a cell in one pass: h. */
static s32 whole_cell(struct pass p, const s32 z[4], u32 at, struct spacc_cuts *cuts)
{
    const u32 lstm = p.cell == SPACC_CARD_CELL_LSTM || p.cell == SPACC_CARD_CELL_LSTMP;
    const u32 word = (u32)state_memory[p.states + at];
    s32 old = p.state_zero ? 0 : spacc_signed(word, lstm ? 24 : 16);
    const s32 h =
        lstm ? spacc_lstm(p.act_g, p.act_h, z, &old, cuts) : spacc_gru(p.act_g, z, old, cuts);

    state_memory[p.states + at] = lstm ? old : h;
    return h;
}

/* GRU_RESET: r * h, then h. */
static s32 reset_cell(struct pass p, const s32 z[4], u32 at, struct spacc_cuts *cuts)
{
    const s32 old = p.state_zero ? 0 : spacc_signed((u32)state_memory[p.states + at], 16);

    if (!p.second) {
        update_memory[p.kept + at] = spacc_sigmoid(z[0]);
        kept_memory[p.kept + at] = z[2];
        return spacc_cut(spacc_round((s64)spacc_sigmoid(z[1]) * old, 15), 16, &cuts->states);
    }
    const s32 h = spacc_gru_update(p.act_g, update_memory[p.kept + at],
                                   (s64)kept_memory[p.kept + at] + z[3], old, cuts);
    state_memory[p.states + at] = h;
    return h;
}

/* An element of h, r or m to where the next step or pass will find it. */
static void put_next(struct pass p, u32 i, u32 r, s32 value)
{
    const u32 position = (p.unit + i) * p.elements + r;

    next_memory[p.next_base + position / LANES][position % LANES] = spacc_enter((s16)value);
}

/* A unit a cycle: its elements in out[unit][0..]. */
static void cells(struct pass p, s32 z[UNITS][4], s32 out[UNITS][4], u32 *gates, u32 *states)
{
    const u32 reset = p.cell == SPACC_CARD_CELL_GRU_RESET;
    const u32 rows = p.elements == 4; /* LINEAR, or r of LSTMP: no cell */
    struct spacc_cuts cuts = {0, 0};

    for (u32 i = 0; i < p.groups * QUADS; i++) {
#pragma HLS PIPELINE II = 1
#pragma HLS DEPENDENCE variable = state_memory inter false
#pragma HLS DEPENDENCE variable = update_memory inter false
#pragma HLS DEPENDENCE variable = kept_memory inter false
        s32 row[4], h = 0;
        for (u32 r = 0; r < 4; r++) {
#pragma HLS UNROLL
            row[r] = z[i][r];
        }
        if (!rows)
            h = reset ? reset_cell(p, row, i, &cuts) : whole_cell(p, row, i, &cuts);
        for (u32 r = 0; r < 4; r++) {
#pragma HLS UNROLL
            out[i][r] = rows ? row[r] : h;
            if (r < p.elements && !p.wide)
                put_next(p, i, r, out[i][r]);
        }
    }
    *gates = cuts.gates;
    *states = cuts.states;
}

/* Elements to words of memory, zeros behind them. A half word that a region leaves waits for
 * the next one. */
static void pack(struct pass p, s32 out[UNITS][4], u32 words[Y_WORDS])
{
    static u32 low;
    const u32 elements = p.y_words ? p.groups * QUADS * p.elements : 0;
    u32 unit = 0, r = 0, odd = p.unit * p.elements % 2, word = 0;

    for (u32 e = 0; e < elements; e++) {
#pragma HLS PIPELINE II = 1
        const u32 value = (u32)out[unit][r], end = p.y_last && e + 1 == elements;
        const u32 half = value & 0xffff;

        if (p.wide || odd || end) {
            words[word] = p.wide ? value : odd ? half << 16 | low : half;
            word++;
        }
        low = half;
        odd = !odd;
        unit += r + 1 == p.elements;
        r = r + 1 == p.elements ? 0 : r + 1;
    }
    for (u32 i = 0; i < p.y_fill; i++) {
#pragma HLS PIPELINE II = 1
        words[word + i] = 0;
    }
}

static void store(struct pass p, u32 words[Y_WORDS], u32 *output)
{
    u32 word = 0;

    for (u32 row = 0; row < p.y_rows; row++) {
        for (u32 i = 0; i < p.y_cols; i++) {
#pragma HLS PIPELINE II = 1
            output[p.y_at + row * p.y_stride + i] = words[word];
            word++;
        }
    }
}

static void region(struct pass p, u32 *output, u32 *row_gates, u32 *row_states, u32 *cell_gates,
                   u32 *cell_states)
{
#pragma HLS DATAFLOW
    s64 sums[GROUPS][PES];
    s32 z[UNITS][4], out[UNITS][4];
    u32 words[Y_WORDS];
#pragma HLS ARRAY_PARTITION variable = sums dim = 2 complete
#pragma HLS ARRAY_PARTITION variable = z dim = 2 complete
#pragma HLS ARRAY_PARTITION variable = out dim = 2 complete
#pragma HLS STREAM variable = sums depth = 4
#pragma HLS STREAM variable = z depth = 64
#pragma HLS STREAM variable = words depth = 64

    sum_groups(p, sums);
    requantise(p, sums, z, row_gates, row_states);
    cells(p, z, out, cell_gates, cell_states);
    pack(p, out, words);
    store(p, words, output);
}

/* ---- a step ----------------------------------------------------------------------- */

/* A step of a RUN: what its passes have in common. */
struct step {
    struct spacc_run r;
    struct spacc_stream stream;
    u32 from, to, m; /* words of the vector memories where those of sequence 0 begin */
    u32 zero, y;     /* y: 32-bit words of the output */
};

static void step_region_y(struct step s, struct pass *p, u32 first, u32 b)
{
    const u32 group = QUADS * p->elements, elements = p->groups * group;
    const u32 before = s.r.batch == 1 ? first * group : (first * s.r.batch + b) * group;
    const u32 end = before + elements;

    p->y_words = p->wide ? elements : (end + (p->y_last && s.r.batch == 1)) / 2 - before / 2;
    p->y_fill = p->y_last && s.r.batch == 1
                    ? (spacc_whole_beats(s.r.y_bytes) - (s.r.y_bytes + 3) / 4 * 4) / 4
                    : 0;
    p->y_rows = s.r.batch == 1 ? 1 : p->groups;
    p->y_cols = s.r.batch == 1 ? p->y_words + p->y_fill : p->y_words / p->groups;
    p->y_at = s.y + (p->wide ? before : before / 2);
    p->y_stride = s.r.batch * group / (p->wide ? 1 : 2);
}

/* Groups first .. first + groups - 1 of sequence b. */
static struct pass make_pass(struct step s, u32 second, u32 first, u32 groups, u32 b)
{
    const u32 last = first + groups == (second ? s.r.groups_b : s.r.groups);
    const u32 units = first * QUADS, linear = s.r.cell == SPACC_CARD_CELL_LINEAR;
    const u32 makes_m = spacc_two_pass(s.r.cell) && !second;
    struct pass p = {.cell = s.r.cell, .act_g = s.r.act_g, .act_h = s.r.act_h};

    p.second = second;
    p.groups = groups;
    p.k_x = second ? 0 : s.r.k_x;
    p.k_h = second ? s.r.k_b : s.r.k_h;
    p.early = second ? 0 : s.r.prologue;
    p.x_part = s.r.weight_base;
    p.h_part = s.r.weight_base + (second ? spacc_b_part(s.r, first) : s.r.prologue * s.r.k_x);
    if (s.stream.on)
        p.x_part = p.h_part = s.stream.word_base;
    p.x_base = b * s.r.x_words;
    p.h_base = second ? s.m + b * s.r.m_words : s.from + b * s.r.h_words;
    p.h_zero = !second && s.zero;
    p.state_zero = s.zero;
    p.unit = units;
    p.quad = s.r.param_base + (second ? s.r.units : 0) + units;
    p.states = s.r.state_base + b * s.r.units + units;
    p.kept = b * s.r.units + units;
    p.wide = linear;
    p.elements = linear || (second && s.r.cell == SPACC_CARD_CELL_LSTMP) ? 4 : 1;
    p.next_base = b * (makes_m ? s.r.m_words : s.r.h_words);
    p.y_last = last;
    if (!makes_m)
        step_region_y(s, &p, first, b);
    return p;
}

/* What a pass has made, from next_memory to where it is read. Only elements that there are. */
static void commit(struct step s, u32 second)
{
    const u32 makes_m = spacc_two_pass(s.r.cell) && !second;
    const u32 rows = second && s.r.cell == SPACC_CARD_CELL_LSTMP;
    const u32 count = rows ? s.r.units_b * 4 : s.r.units;
    const u32 each = makes_m ? s.r.m_words : s.r.h_words, to = makes_m ? s.m : s.to;

    for (u32 b = 0; b < s.r.batch; b++) {
        for (u32 w = 0; w < (count + LANES - 1) / LANES; w++) {
#pragma HLS PIPELINE II = 1
            for (u32 n = 0; n < LANES; n++) {
#pragma HLS UNROLL
                if (w * LANES + n < count)
                    h_memory[to + b * each + w][n] = next_memory[b * each + w][n];
            }
        }
    }
}

/* A part of the streamed weights into the ring. */
static void load_part(const u32 *from, struct step s, u32 word, u32 words)
{
    const u32 each = s.stream.wide ? SPACC_KERNEL_WORD_ENTRIES : SPACC_KERNEL_WORD_ENTRIES / 2;

    load_weights(from, s.stream.offset / 4 + word * each, s.stream.wide, words,
                 s.stream.word_base);
}

static void stream_part(struct step s, const u32 *weights, const u32 *input, const u32 *output,
                        u32 word, u32 words)
{
    switch (s.stream.region) {
    case SPACC_REGION_WEIGHTS: load_part(weights, s, word, words); break;
    case SPACC_REGION_INPUT: load_part(input, s, word, words); break;
    default: load_part(output, s, word, words); break;
    }
}

static void run_pass(struct step s, u32 second, const u32 *weights, const u32 *input,
                     u32 *output, struct spacc_counts *counts)
{
    const u32 groups = second ? s.r.groups_b : s.r.groups;
    const u32 k = second ? s.r.k_b : s.r.k_x + s.r.k_h;
    const u32 fit = s.stream.on ? s.stream.ring_words / k : groups;

    for (u32 first = 0; first < groups; first += fit) {
        const u32 now = groups - first < fit ? groups - first : fit;

        if (s.stream.on)
            stream_part(s, weights, input, output,
                        second ? spacc_b_part(s.r, first) : spacc_x_part(s.r, first), now * k);
        for (u32 b = 0; b < s.r.batch; b++) {
            u32 row_gates = 0, row_states = 0, cell_gates = 0, cell_states = 0;
            region(make_pass(s, second, first, now, b), output, &row_gates, &row_states,
                   &cell_gates, &cell_states);
            counts->gate_cuts += (u64)row_gates + cell_gates;
            counts->state_cuts += (u64)row_states + cell_states;
        }
    }
    if (s.r.cell != SPACC_CARD_CELL_LINEAR)
        commit(s, second);
}

static void fetch_x(struct step s, u32 offset, const u32 *weights, const u32 *input,
                    const u32 *output)
{
    switch (s.r.x_region) {
    case SPACC_REGION_WEIGHTS: load_x(weights, offset / 4, s.r.batch, s.r.x_words); break;
    case SPACC_REGION_INPUT: load_x(input, offset / 4, s.r.batch, s.r.x_words); break;
    default: load_x(output, offset / 4, s.r.batch, s.r.x_words); break;
    }
}

/* ---- instructions ----------------------------------------------------------------- */

/* Sizes of the regions; [0] is not used. */
struct sizes {
    u32 bytes[4];
};

static u32 run_layer(struct spacc_run r, struct spacc_stream stream, const u32 *weights,
                     const u32 *input, u32 *output, struct sizes sizes,
                     struct spacc_counts *counts, struct spacc_end *end)
{
    const u32 half_words = r.batch * r.h_words;
    struct step s = {.r = r, .stream = stream, .m = r.h_base + 2 * half_words};
    u32 error = SPACC_ERROR_NONE, odd = r.odd;

    for (u32 t = 0; t < r.steps && !error; t++) {
        error = spacc_check_step(r, t, sizes.bytes[r.x_region], sizes.bytes[r.y_region], end);
        if (error)
            break;
        s.from = r.h_base + (odd ? half_words : 0);
        s.to = r.h_base + (odd ? 0 : half_words);
        s.zero = r.zero && t == 0;
        s.y = (r.y_offset + t * r.y_stride) / 4;
        fetch_x(s, r.x_offset + t * r.x_stride, weights, input, output);
        run_pass(s, 0, weights, input, output, counts);
        if (r.groups_b)
            run_pass(s, 1, weights, input, output, counts);
        spacc_count_step(r, stream, counts);
        odd = !odd;
    }
    return error;
}

static void move(struct spacc_move m, const u32 *weights, const u32 *input, u32 *output,
                 struct spacc_counts *counts)
{
    if (m.op == SPACC_OP_MARK) {
        store_mark(output, m.offset / 4, *counts);
        counts->bytes_written += m.bytes;
    } else if (m.op == SPACC_OP_STORE_STATE) {
        store_states(output, m.offset / 4, m.count, m.base);
        counts->bytes_written += m.bytes;
    } else {
        switch (m.region) {
        case SPACC_REGION_WEIGHTS: load(weights, m); break;
        case SPACC_REGION_INPUT: load(input, m); break;
        default: load(output, m); break;
        }
        counts->bytes_read += m.bytes;
    }
}

static u32 execute_move(const u32 code[SPACC_INSTRUCTION_WORDS], struct spacc_stream *stream,
                        const u32 *weights, const u32 *input, u32 *output, struct sizes sizes,
                        struct spacc_counts *counts, struct spacc_end *end)
{
    const struct spacc_move m = spacc_decode_move(code);
    u32 error = spacc_check_move(m);

    if (!error) {
        error = spacc_check_address(m.offset, m.bytes, sizes.bytes[m.region]);
        end->region = m.region;
        end->offset = m.offset;
    }
    if (error)
        return error;
    if (m.op == SPACC_OP_STREAM)
        *stream = spacc_make_stream(m);
    else
        move(m, weights, input, output, counts);
    return SPACC_ERROR_NONE;
}

static u32 execute(const u32 code[SPACC_INSTRUCTION_WORDS], struct spacc_stream *stream,
                   const u32 *weights, const u32 *input, u32 *output, struct sizes sizes,
                   struct spacc_counts *counts, struct spacc_end *end)
{
    const u32 op = code[0] & 255;

    if (op > SPACC_OP_STREAM)
        return SPACC_ERROR_BAD_OPCODE;
    if (op != SPACC_OP_RUN)
        return execute_move(code, stream, weights, input, output, sizes, counts, end);
    const struct spacc_run r = spacc_decode_run(code);
    const struct spacc_stream now = *stream;
    const u32 error = spacc_check_run(r, now);
    stream->on = 0;
    return error ? error : run_layer(r, now, weights, input, output, sizes, counts, end);
}

static struct spacc_end run_program(const u32 *program, const u32 *weights, const u32 *input,
                                    u32 *output, struct sizes sizes,
                                    struct spacc_counts *counts)
{
    struct spacc_end end = {SPACC_ERROR_NONE, 0, 0, 0};
    struct spacc_stream stream = {0};
    u32 code[SPACC_INSTRUCTION_WORDS];
#pragma HLS ARRAY_PARTITION variable = code complete

    end.error = spacc_check_program(sizes.bytes[0]);
    if (end.error)
        return end;
    counts->bytes_read = sizes.bytes[0];
    for (end.pc = 0; end.pc < sizes.bytes[0] / SPACC_INSTRUCTION_BYTES; end.pc++) {
        for (u32 i = 0; i < SPACC_INSTRUCTION_WORDS; i++) {
#pragma HLS PIPELINE II = 1
            code[i] = program[end.pc * SPACC_INSTRUCTION_WORDS + i];
        }
        if ((code[0] & 255) == SPACC_OP_END)
            return end;
        end.error = execute(code, &stream, weights, input, output, sizes, counts, &end);
        if (end.error)
            return end;
    }
    end.error = SPACC_ERROR_NO_END;
    return end;
}

void spacc_card(const u32 *program, const u32 *weights, const u32 *input, u32 *output,
                u32 program_bytes, u32 weights_bytes, u32 input_bytes, u32 output_bytes,
                u32 watchdog_cycles, u32 *state, u32 registers[REGISTERS])
{
#pragma HLS INTERFACE m_axi port = program offset = slave bundle = gmem depth = 1024
#pragma HLS INTERFACE m_axi port = weights offset = slave bundle = gmem depth = 1048576
#pragma HLS INTERFACE m_axi port = input offset = slave bundle = gmem depth = 1048576
#pragma HLS INTERFACE m_axi port = output offset = slave bundle = gmem depth = 1048576
#pragma HLS INTERFACE m_axi port = state offset = slave bundle = gmem depth = 64
#pragma HLS INTERFACE s_axilite port = program bundle = control offset = 0x010
#pragma HLS INTERFACE s_axilite port = weights bundle = control offset = 0x01c
#pragma HLS INTERFACE s_axilite port = input bundle = control offset = 0x028
#pragma HLS INTERFACE s_axilite port = output bundle = control offset = 0x034
#pragma HLS INTERFACE s_axilite port = program_bytes bundle = control offset = 0x040
#pragma HLS INTERFACE s_axilite port = weights_bytes bundle = control offset = 0x048
#pragma HLS INTERFACE s_axilite port = input_bytes bundle = control offset = 0x050
#pragma HLS INTERFACE s_axilite port = output_bytes bundle = control offset = 0x058
#pragma HLS INTERFACE s_axilite port = watchdog_cycles bundle = control offset = 0x060
#pragma HLS INTERFACE s_axilite port = state bundle = control offset = 0x068
#pragma HLS INTERFACE s_axilite port = registers bundle = control offset = 0x100
#pragma HLS INTERFACE s_axilite port = return bundle = control
#pragma HLS ARRAY_PARTITION variable = weight_memory dim = 2 complete
#pragma HLS ARRAY_PARTITION variable = index_memory dim = 2 complete
#pragma HLS ARRAY_RESHAPE variable = weight_memory dim = 3 complete
#pragma HLS ARRAY_RESHAPE variable = index_memory dim = 3 complete
#pragma HLS BIND_STORAGE variable = weight_memory type = ram_2p impl = bram
#pragma HLS BIND_STORAGE variable = index_memory type = ram_2p impl = bram
#pragma HLS ARRAY_PARTITION variable = x_memory dim = 2 complete
#pragma HLS ARRAY_PARTITION variable = h_memory dim = 2 complete
#pragma HLS ARRAY_PARTITION variable = next_memory dim = 2 complete
#pragma HLS BIND_STORAGE variable = x_memory type = ram_1wnr impl = bram
#pragma HLS BIND_STORAGE variable = h_memory type = ram_1wnr impl = bram
#pragma HLS ARRAY_PARTITION variable = bias_memory dim = 2 complete
#pragma HLS ARRAY_PARTITION variable = scale_memory dim = 2 complete
    const struct sizes sizes = {{program_bytes, weights_bytes, input_bytes, output_bytes}};
    struct spacc_counts counts = {0, 0, 0, 0};
    struct spacc_end end = run_program(program, weights, input, output, sizes, &counts);

    (void)watchdog_cycles; /* nothing here waits for anything */
    if (end.error != SPACC_ERROR_BAD_ADDRESS)
        end.region = end.offset = 0;
    for (u32 i = 0; i < REGISTERS; i++) {
#pragma HLS PIPELINE II = 1
        const u32 word = spacc_image_word(end, counts, 4 * REGISTERS, i);
        state[i] = word;
        registers[i] = word;
    }
}
