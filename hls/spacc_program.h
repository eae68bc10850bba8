/* spacc_program.h - instructions of a program: their fields, and whether the card would take
 * them. The checks are those of rtl/spacc_control.sv, with no masked RUNs. C that is OpenCL C
 * 1.2, too. */
#ifndef SPACC_PROGRAM_H
#define SPACC_PROGRAM_H

#include "hls/spacc_numbers.h"

#define SPACC_FIELD(code, op, field)                                               \
    spacc_field(code[SPACC_F_##op##_##field##_WORD], SPACC_F_##op##_##field##_LOW, \
                SPACC_F_##op##_##field##_BITS)

static u32 spacc_field(u32 word, u32 low, u32 bits)
{
    return bits == 32 ? word : (word >> low) & (((u32)1 << bits) - 1);
}

/* A load, a store, or STREAM: they keep these fields in the same places. */
struct spacc_move {
    u32 op, region, wide, offset, count, base, ring_words;
    u64 bytes;
};

struct spacc_run {
    u32 cell, act_g, act_h, x_region, y_region, batch, steps, groups, groups_b, k_x, k_h, k_b;
    u32 weight_base, param_base, state_base, x_words, m_words, h_words, h_base, x_offset;
    u32 x_stride, y_offset, y_stride, prologue, prologue_b, x_slots, zero, odd, masked;
    u32 units, units_b;   /* quads of a pass, of one sequence */
    u32 x_bytes, y_bytes; /* of a step; y less the zeros that fill its last beat */
};

/* STREAM, for the next RUN. */
struct spacc_stream {
    u32 on, wide, region, offset, words, word_base, ring_words;
};

static struct spacc_move spacc_decode_move(const u32 code[SPACC_INSTRUCTION_WORDS])
{
    struct spacc_move m;
    u32 each = 4;

    m.op = code[0] & 255;
    m.region = SPACC_FIELD(code, LOAD_WEIGHTS, REGION);
    m.wide = (code[0] >> SPACC_F_LOAD_WEIGHTS_FORMAT_LOW) & 15; /* more than 1 is refused */
    m.offset = SPACC_FIELD(code, LOAD_WEIGHTS, OFFSET);
    m.count = SPACC_FIELD(code, LOAD_WEIGHTS, WORDS);
    m.base = SPACC_FIELD(code, LOAD_WEIGHTS, WORD_BASE);
    m.ring_words = SPACC_FIELD(code, STREAM, RING_WORDS);
    if (m.op == SPACC_OP_LOAD_WEIGHTS || m.op == SPACC_OP_STREAM)
        each = SPACC_KERNEL_WORD_ENTRIES * (m.wide ? 4 : 2);
    if (m.op == SPACC_OP_LOAD_PARAMS)
        each = 32;
    if (m.op == SPACC_OP_LOAD_VECTOR)
        each = SPACC_KERNEL_LANES * 2;
    m.bytes = m.op == SPACC_OP_MARK ? 128 : (u64)m.count * each;
    return m;
}

static struct spacc_stream spacc_make_stream(struct spacc_move m)
{
    struct spacc_stream s;

    s.on = 1;
    s.wide = m.wide;
    s.region = m.region;
    s.offset = m.offset;
    s.words = m.count;
    s.word_base = m.base;
    s.ring_words = m.ring_words;
    return s;
}

static struct spacc_run spacc_decode_run(const u32 code[SPACC_INSTRUCTION_WORDS])
{
    struct spacc_run r;

    r.cell = SPACC_FIELD(code, RUN, CELL);
    r.act_g = SPACC_FIELD(code, RUN, ACT_G);
    r.act_h = SPACC_FIELD(code, RUN, ACT_H);
    r.x_region = SPACC_FIELD(code, RUN, X_REGION);
    r.y_region = SPACC_FIELD(code, RUN, Y_REGION);
    r.batch = SPACC_FIELD(code, RUN, BATCH);
    r.steps = SPACC_FIELD(code, RUN, STEPS);
    r.groups = SPACC_FIELD(code, RUN, GROUPS);
    r.groups_b = SPACC_FIELD(code, RUN, GROUPS_B);
    r.k_x = SPACC_FIELD(code, RUN, K_X);
    r.k_h = SPACC_FIELD(code, RUN, K_H);
    r.k_b = SPACC_FIELD(code, RUN, K_B);
    r.weight_base = SPACC_FIELD(code, RUN, WEIGHT_BASE);
    r.param_base = SPACC_FIELD(code, RUN, PARAM_BASE);
    r.state_base = SPACC_FIELD(code, RUN, STATE_BASE);
    r.x_words = SPACC_FIELD(code, RUN, X_WORDS);
    r.m_words = SPACC_FIELD(code, RUN, M_WORDS);
    r.h_words = SPACC_FIELD(code, RUN, H_WORDS);
    r.h_base = SPACC_FIELD(code, RUN, H_BASE);
    r.x_offset = SPACC_FIELD(code, RUN, X_OFFSET);
    r.x_stride = SPACC_FIELD(code, RUN, X_STRIDE);
    r.y_offset = SPACC_FIELD(code, RUN, Y_OFFSET);
    r.y_stride = SPACC_FIELD(code, RUN, Y_STRIDE);
    r.prologue = SPACC_FIELD(code, RUN, PROLOGUE);
    r.prologue_b = SPACC_FIELD(code, RUN, PROLOGUE_B);
    r.x_slots = SPACC_FIELD(code, RUN, X_SLOTS);
    r.zero = SPACC_FIELD(code, RUN, ZERO);
    r.odd = SPACC_FIELD(code, RUN, HALF);
    r.masked = SPACC_FIELD(code, RUN, MASKED);
    r.units = r.groups * SPACC_KERNEL_QUADS;
    r.units_b = r.groups_b * SPACC_KERNEL_QUADS;
    r.x_bytes = r.batch * r.x_words * (SPACC_KERNEL_LANES * 2);
    r.y_bytes = r.batch * (r.cell == SPACC_CARD_CELL_LINEAR  ? r.units * 16
                           : r.cell == SPACC_CARD_CELL_LSTMP ? r.units_b * 8
                                                             : r.units * 2);
    return r;
}

static u32 spacc_two_pass(u32 cell)
{
    return cell == SPACC_CARD_CELL_GRU_RESET || cell == SPACC_CARD_CELL_LSTMP;
}

/* Words that a RUN's weights take, in their order of issue. */
static u64 spacc_run_words(struct spacc_run r)
{
    return (u64)r.groups * (r.k_x + r.k_h) + (u64)r.groups_b * r.k_b;
}

#define SPACC_CHUNK_BYTES 2048 /* of streamed weights, which the card moves at once */
#define SPACC_CHUNK_WORDS                                      \
    (SPACC_KERNEL_WORD_ENTRIES * 2 < SPACC_CHUNK_BYTES         \
         ? SPACC_CHUNK_BYTES / (SPACC_KERNEL_WORD_ENTRIES * 2) \
         : 1)

/* In whole beats of the bus. */
static u32 spacc_whole_beats(u32 bytes)
{
    return (bytes + SPACC_KERNEL_BEAT_BYTES - 1) / SPACC_KERNEL_BEAT_BYTES *
           SPACC_KERNEL_BEAT_BYTES;
}

/* SPACC_ERROR_BAD_FIELD or NONE. */
static u32 spacc_check_move(struct spacc_move m)
{
    const u32 memory = m.op == SPACC_OP_LOAD_WEIGHTS  ? SPACC_KERNEL_WEIGHT_WORDS
                       : m.op == SPACC_OP_LOAD_VECTOR ? SPACC_KERNEL_H_WORDS
                                                      : SPACC_KERNEL_UNITS;
    u32 bad = m.region == 0 || m.region > SPACC_REGION_OUTPUT;

    if (m.op == SPACC_OP_LOAD_WEIGHTS || m.op == SPACC_OP_STREAM)
        bad |= m.wide > (SPACC_KERNEL_WEIGHT_BITS == 16);
    if (m.op == SPACC_OP_STREAM)
        bad |= m.count == 0 || m.count > 0xffffff || m.ring_words > SPACC_KERNEL_WEIGHT_WORDS ||
               m.base > SPACC_KERNEL_WEIGHT_WORDS ||
               m.base + m.ring_words > SPACC_KERNEL_WEIGHT_WORDS ||
               m.ring_words < SPACC_CHUNK_WORDS || m.ring_words < 2;
    else if (m.op != SPACC_OP_MARK)
        bad |= m.count == 0 || m.count > memory || m.base > memory ||
               m.count + m.base > memory || m.bytes % SPACC_KERNEL_BEAT_BYTES != 0;
    if (m.op == SPACC_OP_STORE_STATE || m.op == SPACC_OP_MARK)
        bad |= m.region != SPACC_REGION_OUTPUT;
    return bad ? SPACC_ERROR_BAD_FIELD : SPACC_ERROR_NONE;
}

/* What must hold before anything is multiplied. */
static u32 spacc_run_fields_bad(struct spacc_run r, u32 streamed)
{
    const u32 linear = r.cell == SPACC_CARD_CELL_LINEAR, two_pass = spacc_two_pass(r.cell);
    u32 bad = r.cell > SPACC_CARD_CELL_LSTMP || r.act_g > SPACC_CARD_ACT_IDENTITY ||
              r.act_h > SPACC_CARD_ACT_IDENTITY;

    bad |= r.x_region == 0 || r.x_region > SPACC_REGION_OUTPUT ||
           r.y_region != SPACC_REGION_OUTPUT;
    bad |= r.batch == 0 || r.batch > SPACC_KERNEL_BATCH || r.steps == 0 || r.groups == 0 ||
           r.groups > SPACC_KERNEL_GROUPS;
    bad |= r.k_x == 0 || (linear ? r.k_h != 0 : r.k_h == 0 || r.h_words == 0);
    bad |= r.x_words == 0 || r.x_words > SPACC_KERNEL_X_WORDS || r.x_slots < 2;
    bad |= r.h_words > SPACC_KERNEL_H_WORDS || r.h_base > SPACC_KERNEL_H_WORDS ||
           r.m_words > SPACC_KERNEL_H_WORDS;
    bad |= r.weight_base > SPACC_KERNEL_WEIGHT_WORDS || r.param_base > SPACC_KERNEL_UNITS ||
           r.state_base > SPACC_KERNEL_UNITS;
    bad |= r.param_base % SPACC_KERNEL_CELLS != 0 || r.state_base % SPACC_KERNEL_CELLS != 0;
    bad |= r.prologue > r.groups || r.prologue > SPACC_KERNEL_PSUM_WORDS ||
           r.prologue_b > r.prologue;
    bad |= (r.prologue != 0 && (linear || streamed)) || (r.prologue_b != 0 && !two_pass);
    if (two_pass)
        bad |=
            r.groups_b == 0 || r.groups_b > SPACC_KERNEL_GROUPS || r.k_b == 0 || r.m_words == 0;
    else
        bad |= r.groups_b != 0 || r.k_b != 0 || r.m_words != 0;
    bad |= r.cell == SPACC_CARD_CELL_GRU_RESET && r.groups_b != r.groups;
    return bad || r.masked;
}

/* Whether what they multiply to fits the memories. */
static u32 spacc_run_sizes_bad(struct spacc_run r, struct spacc_stream s)
{
    const u32 slack = r.batch == 1 ? 0 : SPACC_CHUNK_WORDS - 1;
    const u32 psums = r.prologue * r.batch;
    const u32 h_units = r.cell == SPACC_CARD_CELL_LSTMP ? r.units_b * 4 : r.units;
    u32 bad = r.prologue != 0 && (psums < 4 || psums > SPACC_KERNEL_PSUM_WORDS);

    bad |= r.x_words * r.batch * r.x_slots > SPACC_KERNEL_X_WORDS;
    bad |= r.param_base + r.units + r.units_b > SPACC_KERNEL_UNITS;
    if (s.on)
        bad |= spacc_run_words(r) != s.words || r.k_x + r.k_h + slack > s.ring_words ||
               r.k_b + slack > s.ring_words;
    else
        bad |= r.weight_base + spacc_run_words(r) > SPACC_KERNEL_WEIGHT_WORDS;
    if (r.cell != SPACC_CARD_CELL_LINEAR)
        bad |= r.state_base + r.units * r.batch > SPACC_KERNEL_UNITS ||
               (r.h_words * 2 + r.m_words) * r.batch + r.h_base > SPACC_KERNEL_H_WORDS ||
               r.h_words * SPACC_KERNEL_LANES < h_units;
    return bad || (spacc_two_pass(r.cell) && r.m_words * SPACC_KERNEL_LANES < r.units);
}

/* SPACC_ERROR_BAD_FIELD or NONE; addresses are looked at step by step. */
static u32 spacc_check_run(struct spacc_run r, struct spacc_stream s)
{
    return spacc_run_fields_bad(r, s.on) || spacc_run_sizes_bad(r, s) ? SPACC_ERROR_BAD_FIELD
                                                                      : SPACC_ERROR_NONE;
}

/* SPACC_ERROR_NO_END when there is nothing to fetch. */
static u32 spacc_check_program(u32 program_bytes)
{
    return program_bytes == 0 ||
                   program_bytes > SPACC_KERNEL_INSTRUCTIONS * SPACC_INSTRUCTION_BYTES ||
                   program_bytes % SPACC_INSTRUCTION_BYTES != 0
               ? SPACC_ERROR_NO_END
               : SPACC_ERROR_NONE;
}

/* SPACC_ERROR_BAD_ADDRESS when `bytes` from `offset` on are not in a region of `size`. */
static u32 spacc_check_address(u32 offset, u64 bytes, u32 size)
{
    return offset + bytes > size || offset % SPACC_KERNEL_BEAT_BYTES != 0
               ? SPACC_ERROR_BAD_ADDRESS
               : SPACC_ERROR_NONE;
}

/* First word of a group's part in the order of issue (rtl/README.md). */
static u32 spacc_x_part(struct spacc_run r, u32 group)
{
    return group < r.prologue ? group * r.k_x : group * (r.k_x + r.k_h);
}

static u32 spacc_b_part(struct spacc_run r, u32 group)
{
    return r.groups * (r.k_x + r.k_h) + group * r.k_b;
}

/* z bits of row `i` of a quad. */
static u32 spacc_row_bits(u32 cell, u32 i)
{
    if (cell == SPACC_CARD_CELL_LINEAR)
        return 32;
    return i < 2 || cell == SPACC_CARD_CELL_LSTM || cell == SPACC_CARD_CELL_LSTMP ? 16 : 20;
}

/* Registers 0x100..0x1ff that do not depend on the run; others are 0. */
static u32 spacc_register(u32 offset)
{
    switch (offset) {
    case SPACC_REG_IDENTITY: return SPACC_CARD_MAGIC;
    case SPACC_REG_VERSION: return SPACC_CARD_VERSION;
    case SPACC_REG_CONFIG_ARRAY: return (u32)SPACC_KERNEL_LANES << 16 | SPACC_KERNEL_PES;
    case SPACC_REG_CONFIG_WIDTHS:
        return (u32)SPACC_KERNEL_BEAT_BYTES << 24 | (u32)SPACC_CARD_INDEX_BITS << 16 |
               (u32)SPACC_KERNEL_ACT_BITS << 8 | SPACC_KERNEL_WEIGHT_BITS;
    case SPACC_REG_CONFIG_WEIGHT_WORDS: return SPACC_KERNEL_WEIGHT_WORDS;
    case SPACC_REG_CONFIG_VECTOR_WORDS:
        return (u32)SPACC_KERNEL_H_WORDS << 16 | SPACC_KERNEL_X_WORDS;
    case SPACC_REG_CONFIG_UNITS: return SPACC_KERNEL_UNITS;
    case SPACC_REG_CONFIG_INSTRUCTIONS:
        return (SPACC_KERNEL_SHARED_ROWS == 4 ? (u32)1 << 16 : 0) | SPACC_KERNEL_INSTRUCTIONS;
    case SPACC_REG_CONFIG_CELLS:
        return (u32)SPACC_KERNEL_PSUM_WORDS << 16 | (u32)SPACC_KERNEL_BATCH << 8 |
               SPACC_KERNEL_CELLS;
    default: return 0; /* CONFIG_MASKS: no masked RUNs */
    }
}

/* What a run has done so far. */
struct spacc_counts {
    u64 gate_cuts, state_cuts, bytes_read, bytes_written;
};

/* Half `word` (low one even) of the counters; those of cycles are 0. */
static u32 spacc_counter_word(struct spacc_counts c, u32 word)
{
    const u32 counter = word / 2;
    const u64 value = counter == SPACC_COUNTER_GATE_SATURATIONS    ? c.gate_cuts
                      : counter == SPACC_COUNTER_STATE_SATURATIONS ? c.state_cuts
                      : counter == SPACC_COUNTER_BYTES_READ        ? c.bytes_read
                      : counter == SPACC_COUNTER_BYTES_WRITTEN     ? c.bytes_written
                                                                   : 0;

    return (u32)(word % 2 ? value >> 32 : value);
}

/* How a run ended. A kernel does not know its bus addresses: the high half of `address` is the
 * region, the low one the offset in it. */
struct spacc_end {
    u32 error, pc, region, offset;
};

/* Word `i` of the image of registers 0x100..0x1ff; `state_bytes`: what the kernel needs of its
 * memory. */
static u32 spacc_image_word(struct spacc_end end, struct spacc_counts c, u32 state_bytes, u32 i)
{
    const u32 offset = SPACC_KERNEL_IMAGE_BASE + 4 * i;

    if (offset == SPACC_REG_ERROR_CODE)
        return end.error;
    if (offset == SPACC_REG_ERROR_PC)
        return end.pc;
    if (offset == SPACC_REG_ERROR_ADDRESS)
        return end.offset;
    if (offset == SPACC_REG_ERROR_ADDRESS + 4)
        return end.region;
    if (offset >= SPACC_REG_COUNTERS && offset < SPACC_REG_COUNTER(SPACC_CARD_COUNTERS))
        return spacc_counter_word(c, (offset - SPACC_REG_COUNTERS) / 4);
    if (offset == SPACC_KERNEL_REG_STATE_BYTES)
        return state_bytes;
    return spacc_register(offset);
}

/* x and y of step `t`: SPACC_ERROR_BAD_ADDRESS, and where, or NONE. */
static u32 spacc_check_step(struct spacc_run r, u32 t, u32 x_size, u32 y_size,
                            struct spacc_end *end)
{
    const u32 x = r.x_offset + t * r.x_stride, y = r.y_offset + t * r.y_stride;
    const u32 x_bad = spacc_check_address(x, r.x_bytes, x_size);

    end->region = x_bad ? r.x_region : r.y_region;
    end->offset = x_bad ? x : y;
    return x_bad ? x_bad : spacc_check_address(y, spacc_whole_beats(r.y_bytes), y_size);
}

static void spacc_count_step(struct spacc_run r, struct spacc_stream s,
                             struct spacc_counts *counts)
{
    counts->bytes_read += r.x_bytes;
    if (s.on)
        counts->bytes_read += spacc_run_words(r) * SPACC_KERNEL_WORD_ENTRIES * (s.wide ? 4 : 2);
    counts->bytes_written += spacc_whole_beats(r.y_bytes);
}

#endif
