// core_program.h - layers of random weights, programs that run them, and their data in the
// memory of a bench.
//
// A Plan owns the words of one program and knows where its data lies; regions are exactly as
// long as what the program uses. A Layer owns nothing: its place in the card's memories comes
// from a Room, so that the layers of a program never share any but the x memory. Included
// behind a Bench: core_bench.h, or board/micro_bench.h.
#ifndef SPACC_SIM_CORE_PROGRAM_H
#define SPACC_SIM_CORE_PROGRAM_H

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "sim/core_model.h"

namespace
{

void put_bits(uint32_t *code, unsigned word, unsigned low, unsigned bits, uint32_t value)
{
    const uint32_t mask = bits == 32 ? ~0u : ((1u << bits) - 1u) << low;
    code[word] = (code[word] & ~mask) | ((value << low) & mask);
}
#define FIELD(code, op, name, value)                                          \
    put_bits(code, SPACC_F_##op##_##name##_WORD, SPACC_F_##op##_##name##_LOW, \
             SPACC_F_##op##_##name##_BITS, (uint32_t)(value))

size_t round_up(size_t v, size_t to)
{
    return (v + to - 1) / to * to;
}

int16_t random16(unsigned bits)
{
    return (int16_t)((int64_t)(rng() << (64 - bits)) >> (64 - bits));
}

// ---------------------------------------------------------------- layers

struct Layer {
    unsigned cell, act_g, act_h, batch, groups, groups_b, k_x, k_h, k_b;
    unsigned x_words, m_words, h_words, x_slots, prologue, prologue_b;
    unsigned weight_base, param_base, state_base, h_base;
    unsigned format;
    bool stream;
    bool masked;
    unsigned overlap, window, y_groups;
    unsigned ring_base, ring_words;
    uint32_t stream_region, stream_offset;
    unsigned half; // of the next RUN

    bool linear() const
    {
        return cell == SPACC_CARD_CELL_LINEAR;
    }
    bool two_pass() const
    {
        return cell == SPACC_CARD_CELL_GRU_RESET || cell == SPACC_CARD_CELL_LSTMP;
    }
    unsigned words() const
    {
        return groups * (k_x + k_h) + groups_b * k_b;
    }
    unsigned units(const Card &c) const
    {
        return groups * c.quads();
    }
    unsigned params(const Card &c) const
    {
        return (groups + groups_b) * c.quads();
    }
    unsigned width(const Card &c) const // of h
    {
        return cell == SPACC_CARD_CELL_LSTMP ? groups_b * c.pes : units(c);
    }
    unsigned states(const Card &c) const // in whole beats; 0: none
    {
        return linear() ? 0 : (unsigned)round_up(batch * units(c), c.beat / 4);
    }
    unsigned h_need() const
    {
        return linear() ? 0 : batch * (2 * h_words + m_words);
    }
    size_t x_bytes(const Card &c) const // of a step
    {
        return (size_t)batch * x_words * c.lanes * 2;
    }
    size_t mask_bytes(const Card &c) const // of a step, behind its x
    {
        return masked ? round_up((groups * c.pes + 7) / 8, c.beat) : 0;
    }
    size_t y_bytes(const Card &c) const
    {
        const size_t outputs = linear() ? 4 * units(c) : width(c);
        return round_up(batch * outputs * (linear() ? 4 : 2), c.beat);
    }
    char part(unsigned word) const // of a word in the order of issue: x, h, b
    {
        if (word >= groups * (k_x + k_h))
            return 'b';
        if (word < prologue * (k_x + k_h))
            return word < prologue * k_x ? 'x' : 'h';
        return word % (k_x + k_h) < k_x ? 'x' : 'h';
    }
};

// Words of a ring: a chunk of 2 KiB and a group at least. The first sequence of a batch uses
// all words of its group before the last one gives any back, and a ring with less than a chunk
// free asks for nothing: with both in less than this a batch would stand still.
unsigned chunk_words(const Card &c)
{
    return std::max(2048 / (c.pes * c.lanes * 2), 1u);
}
unsigned least_ring(const Card &c, const Layer &l)
{
    const unsigned group = std::max(l.k_x + l.k_h, l.k_b);
    return l.batch > 1 ? std::max(group + chunk_words(c) - 1, 2u)
                       : std::max({group, chunk_words(c), 2u});
}

struct Room { // what is taken of the card's memories
    unsigned weights = 0, params = 0, states = 0, h = 0;
};

// A place of `need` words at or behind `*taken`, a multiple of `align`; often right there or at
// the very end of the memory.
bool take_place(unsigned *at, unsigned *taken, unsigned need, unsigned size, unsigned align,
                bool last)
{
    const unsigned first = (unsigned)round_up(*taken, align);
    if (first + need > size)
        return false;
    const unsigned slack = last ? (size - first - need) / align : 0;
    *at = first + align * (one_in(3) ? slack : (unsigned)below(slack + 1));
    *taken = *at + need;
    return true;
}

struct Wish { // -1: whatever comes
    int cell = -1, batch = -1, prologue = -1, stream = -1, masked = -1;
    bool last = true;   // no other layer follows in the program
    bool brief = false; // few words
};

void draw_sizes(const Card &c, const Wish &wish, Layer *l)
{
    const bool large = c.pes >= 64;
    l->batch = 1;
    if (wish.batch > 0)
        l->batch = (unsigned)wish.batch;
    else if (c.batch > 1 && one_in(2))
        l->batch = 1 + (unsigned)below(5);
    l->groups = 1 + (unsigned)below(large ? 4 : 9);
    if (wish.brief)
        l->groups = 1 + (unsigned)below(2);
    l->groups_b = l->cell == SPACC_CARD_CELL_GRU_RESET ? l->groups
                  : l->two_pass()                      ? 1 + (unsigned)below(large ? 2 : 5)
                                                       : 0;
    const unsigned k = wish.brief ? 2 : 5;
    l->k_x = 1 + (unsigned)below(wish.brief ? 2 : large || one_in(2) ? 4 : 20);
    l->k_h = l->linear() ? 0 : 1 + (unsigned)below(k);
    l->k_b = l->two_pass() ? 1 + (unsigned)below(k) : 0;
    const unsigned most = std::min(20u, c.x_words / (2 * l->batch));
    l->x_words = 1 + (unsigned)below(most);
    const unsigned slots = std::min(255u, c.x_words / (l->batch * l->x_words));
    l->x_slots = one_in(4) ? slots : 2 + (unsigned)below(std::min(slots - 1, 4u));
    if (!l->linear())
        l->h_words = (l->width(c) + c.lanes - 1) / c.lanes + (unsigned)below(3);
    else // which has no h: anything that fits the field's limit
        l->h_words = one_in(2) ? c.h_words : (unsigned)below(c.h_words);
    if (l->two_pass())
        l->m_words = (l->units(c) + c.lanes - 1) / c.lanes + (unsigned)below(3);
}

// P: none, or P * batch of 4 or more that the partial sums hold.
void draw_prologue(const Card &c, const Wish &wish, Layer *l)
{
    const unsigned least = (3 + l->batch) / l->batch;
    const unsigned most = std::min(l->groups, c.psum_words / l->batch);
    const bool want = wish.prologue < 0 ? !one_in(3) : wish.prologue > 0;
    if (!want || l->linear() || l->stream || most < least)
        return;
    l->prologue = one_in(3) ? most : least + (unsigned)below(most - least + 1);
    if (l->two_pass())
        l->prologue_b = one_in(4) ? l->prologue : (unsigned)below(l->prologue + 1);
}

// Masks, and slots of x for more steps than a step reads.
void draw_masks(const Card &c, const Wish &wish, Layer *l)
{
    const bool want = wish.masked < 0 ? one_in(2) : wish.masked > 0;
    if (!want || !c.queue || !l->linear() || l->stream || l->batch > 1)
        return;
    l->masked = true;
    l->overlap = one_in(2) ? (unsigned)below(4) : 0;
    const unsigned beats = (unsigned)l->mask_bytes(c) / c.beat;
    const unsigned slots = std::min({15u, c.x_words / l->x_words, c.mask_beats / beats});
    l->overlap = std::min(l->overlap, slots - 2);
    l->x_slots = std::max(l->overlap + 1 + (unsigned)below(slots - l->overlap), 2u);
    const unsigned most = l->x_slots - l->overlap;
    l->window = one_in(3) ? most : 1 + (unsigned)below(most);
}

// False when it does not fit beside what is taken: draw again.
bool draw_layer(const Card &c, const Wish &wish, Room *room, Layer *l)
{
    *l = Layer();
    l->cell = wish.cell < 0 ? (unsigned)below(5) : (unsigned)wish.cell;
    l->act_g = (unsigned)below(3);
    l->act_h = (unsigned)below(3);
    l->half = (unsigned)below(2);
    l->format = c.weight_bits == 16 ? (unsigned)below(2) : 0;
    l->stream = wish.stream < 0 ? one_in(4) : wish.stream > 0;
    draw_sizes(c, wish, l);
    draw_prologue(c, wish, l);
    draw_masks(c, wish, l);
    if (wish.prologue > 0 && !l->prologue)
        return false;
    Room taken = *room;
    const unsigned least = least_ring(c, *l);
    l->ring_words = one_in(2) ? least : least + (unsigned)below(3 * least);
    unsigned *const weights = l->stream ? &l->ring_base : &l->weight_base;
    const unsigned need = l->stream ? l->ring_words : l->words();
    if (!take_place(weights, &taken.weights, need, c.weight_words, 1, wish.last) ||
        !take_place(&l->param_base, &taken.params, l->params(c), c.units, c.cells, wish.last) ||
        !take_place(&l->state_base, &taken.states, l->states(c), c.units, c.cells, wish.last) ||
        !take_place(&l->h_base, &taken.h, l->h_need(), c.h_words, 1, wish.last))
        return false;
    *room = taken;
    return true;
}

// ---------------------------------------------------------------- programs

struct Place { // of x or y, step by step
    uint32_t region, offset;
    int64_t stride;
    unsigned steps;
};

class Plan
{
  public:
    Plan(Bench *bench, const Card &card) : b(bench), c(card)
    {
        program_at = kProgram + 64 * below(8);
        region[1] = kWeights + kBeat * below(64);
        region[2] = kInput + kBeat * below(64);
        region[3] = kOutput + kBeat * below(64);
        // Marks first: an x that is read behind a y must not meet one.
        marks_at = alloc(SPACC_REGION_OUTPUT, 128 * kMarks, "marks");
    }

    Bench *b;
    const Card c;
    std::vector<uint32_t> words;
    size_t program_at, program_bytes = SIZE_MAX; // SIZE_MAX: as many as there are
    size_t region[4] = {}, bytes[4] = {};
    struct Area {
        size_t at, bytes;
        std::string name;
    };
    std::vector<Area> areas;

    uint32_t *add(uint32_t opcode)
    {
        words.resize(words.size() + SPACC_INSTRUCTION_WORDS);
        uint32_t *code = &words[words.size() - SPACC_INSTRUCTION_WORDS];
        code[0] = opcode;
        return code;
    }
    unsigned codes() const
    {
        return (unsigned)(words.size() / SPACC_INSTRUCTION_WORDS);
    }
    // The first instruction of a kind, and its number.
    unsigned find(uint32_t opcode) const
    {
        unsigned pc = 0;
        while (pc < codes() && (words[pc * SPACC_INSTRUCTION_WORDS] & 255) != opcode)
            pc++;
        if (pc == codes())
            b->die("the program has no such instruction");
        return pc;
    }
    uint32_t *code(uint32_t opcode)
    {
        return &words[find(opcode) * SPACC_INSTRUCTION_WORDS];
    }

    // Room in a region; returns its offset. Everything in it is 0xa5 until it is written.
    uint32_t alloc(uint32_t r, size_t size, const std::string &name)
    {
        const size_t offset = round_up(bytes[r], kBeat) + kBeat * (one_in(2) ? below(9) : 0);
        static const size_t end[] = {0, kInput, kOutput, kEnd};
        if (region[r] + offset + size > end[r])
            b->die("the bench's memory is too small");
        bytes[r] = offset + size;
        std::memset(&b->memory[region[r] + offset], 0xa5, size);
        areas.push_back({region[r] + offset, size, name});
        return (uint32_t)offset;
    }
    uint8_t *at(uint32_t r, uint32_t offset)
    {
        return &b->memory[region[r] + offset];
    }
    uint32_t mark_place()
    {
        if (marks == kMarks)
            b->die("too many marks");
        return marks_at + 128 * marks++;
    }

  private:
    static constexpr uint32_t kMarks = 24;
    uint32_t marks_at = 0, marks = 0;
};

uint32_t any_region(uint32_t usual)
{
    return one_in(4) ? 1 + (uint32_t)below(3) : usual;
}

// ---------------------------------------------------------------- data of a layer

void fill_weights(const Card &c, const Layer &l, uint8_t *to)
{
    const unsigned w_bits = l.format ? 16 : 8;
    for (unsigned word = 0; word < l.words(); word++) {
        const char part = l.part(word);
        const unsigned most = part == 'x'   ? (l.overlap + 1) * l.x_words
                              : part == 'h' ? l.h_words
                                            : l.m_words;
        for (unsigned i = 0; i < c.pes * c.lanes; i++) {
            const uint16_t w = one_in(50) ? (uint16_t)(w_bits == 8 ? -128 : -32768)
                                          : (uint16_t)random16(w_bits);
            const uint32_t index = (uint32_t)below(std::min(256u, most));
            const uint32_t entry = l.format ? index << 16 | w : index << 8 | (w & 255);
            std::memcpy(to, &entry, l.format ? 4 : 2);
            to += l.format ? 4 : 2;
        }
    }
}

// Gates mostly within a few units; now and then far outside.
void fill_params(const Card &c, const Layer &l, uint8_t *to)
{
    const unsigned w_bits = l.format ? 16 : 8, wild = (unsigned)below(3);
    for (unsigned i = 0; i < l.params(c) * 4; i++) {
        const uint32_t bias = (uint32_t)random16(16) << below(12);
        const uint64_t mult = 1 + below(65535);
        uint64_t shift =
            (l.linear() ? 8 : w_bits + 13) + below(wild == 0 ? 3 : 8) - (wild == 2 ? 3 : 0);
        if (wild == 1 && one_in(30))
            shift = 1 + below(63);
        const uint64_t param = shift << 48 | mult << 32 | bias;
        std::memcpy(to + 8 * i, &param, 8);
    }
}

void fill16(uint8_t *to, size_t bytes, unsigned bits)
{
    for (size_t i = 0; i < bytes; i += 2) {
        const int16_t v = random16(bits);
        std::memcpy(to + i, &v, 2);
    }
}

void fill_states(uint8_t *to, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const int32_t v = (int32_t)rng() >> (one_in(8) ? 0 : 12); // the card takes 24 bits
        std::memcpy(to + 4 * i, &v, 4);
    }
}

// ---------------------------------------------------------------- instructions

void load_weights(Plan *p, Layer *l)
{
    const uint32_t r = any_region(SPACC_REGION_WEIGHTS);
    const size_t bytes = (size_t)l->words() * p->c.pes * p->c.lanes * (l->format ? 4 : 2);
    const uint32_t offset = p->alloc(r, bytes, "weights");
    fill_weights(p->c, *l, p->at(r, offset));
    l->stream_region = r;
    l->stream_offset = offset;
    if (l->stream)
        return;
    uint32_t *code = p->add(SPACC_OP_LOAD_WEIGHTS);
    FIELD(code, LOAD_WEIGHTS, REGION, r);
    FIELD(code, LOAD_WEIGHTS, FORMAT, l->format);
    FIELD(code, LOAD_WEIGHTS, OFFSET, offset);
    FIELD(code, LOAD_WEIGHTS, WORDS, l->words());
    FIELD(code, LOAD_WEIGHTS, WORD_BASE, l->weight_base);
}

void load_params(Plan *p, const Layer &l)
{
    const uint32_t r = any_region(SPACC_REGION_WEIGHTS);
    const unsigned units = (unsigned)round_up(l.params(p->c), std::max(kBeat / 32, 1u));
    const uint32_t offset = p->alloc(r, (size_t)units * 32, "parameters");
    fill_params(p->c, l, p->at(r, offset));
    uint32_t *code = p->add(SPACC_OP_LOAD_PARAMS);
    FIELD(code, LOAD_PARAMS, REGION, r);
    FIELD(code, LOAD_PARAMS, OFFSET, offset);
    FIELD(code, LOAD_PARAMS, UNITS, units);
    FIELD(code, LOAD_PARAMS, UNIT_BASE, l.param_base);
}

void load_vector(Plan *p, const Layer &l)
{
    const uint32_t r = any_region(SPACC_REGION_INPUT);
    const size_t bytes = (size_t)l.h_need() * p->c.lanes * 2;
    const uint32_t offset = p->alloc(r, bytes, "h");
    fill16(p->at(r, offset), bytes, 16);
    uint32_t *code = p->add(SPACC_OP_LOAD_VECTOR);
    FIELD(code, LOAD_VECTOR, REGION, r);
    FIELD(code, LOAD_VECTOR, OFFSET, offset);
    FIELD(code, LOAD_VECTOR, WORDS, l.h_need());
    FIELD(code, LOAD_VECTOR, WORD_BASE, l.h_base);
}

void load_state(Plan *p, const Layer &l)
{
    const uint32_t r = any_region(SPACC_REGION_INPUT);
    const uint32_t offset = p->alloc(r, (size_t)l.states(p->c) * 4, "states");
    fill_states(p->at(r, offset), l.states(p->c));
    uint32_t *code = p->add(SPACC_OP_LOAD_STATE);
    FIELD(code, LOAD_STATE, REGION, r);
    FIELD(code, LOAD_STATE, OFFSET, offset);
    FIELD(code, LOAD_STATE, UNITS, l.states(p->c));
    FIELD(code, LOAD_STATE, UNIT_BASE, l.state_base);
}

// Everything that a layer needs before its first RUN.
void load_layer(Plan *p, Layer *l)
{
    load_weights(p, l);
    load_params(p, *l);
    if (!l->linear()) {
        load_vector(p, *l);
        load_state(p, *l);
    }
}

void store_state(Plan *p, const Layer &l)
{
    const uint32_t offset = p->alloc(3, (size_t)l.states(p->c) * 4, "stored states");
    uint32_t *code = p->add(SPACC_OP_STORE_STATE);
    FIELD(code, STORE_STATE, REGION, SPACC_REGION_OUTPUT);
    FIELD(code, STORE_STATE, OFFSET, offset);
    FIELD(code, STORE_STATE, UNITS, l.states(p->c));
    FIELD(code, STORE_STATE, UNIT_BASE, l.state_base);
}

uint32_t mark(Plan *p)
{
    const uint32_t offset = p->mark_place();
    uint32_t *code = p->add(SPACC_OP_MARK);
    FIELD(code, MARK, REGION, SPACC_REGION_OUTPUT);
    FIELD(code, MARK, OFFSET, offset);
    return offset;
}

// Room for `steps` vectors, upwards or downwards in memory, gaps between them or, of x,
// overlaps.
Place draw_place(Plan *p, uint32_t r, size_t bytes, unsigned steps, const char *name)
{
    int64_t stride = (int64_t)(bytes + kBeat * below(4));
    if (name[0] == 'x' && one_in(8))
        stride = kBeat * (int64_t)below(bytes / kBeat);
    const bool down = one_in(2);
    const size_t span = (size_t)stride * (steps - 1);
    const uint32_t first = p->alloc(r, span + bytes, name);
    return {r, first + (uint32_t)(down ? span : 0), down ? -stride : stride, steps};
}

void run(Plan *p, Layer *l, const Place &x, const Place &y, unsigned steps, bool zero)
{
    if (l->stream) {
        uint32_t *code = p->add(SPACC_OP_STREAM);
        FIELD(code, STREAM, REGION, l->stream_region);
        FIELD(code, STREAM, FORMAT, l->format);
        FIELD(code, STREAM, OFFSET, l->stream_offset);
        FIELD(code, STREAM, WORDS, l->words());
        FIELD(code, STREAM, WORD_BASE, l->ring_base);
        FIELD(code, STREAM, RING_WORDS, l->ring_words);
    }
    uint32_t *code = p->add(SPACC_OP_RUN);
    FIELD(code, RUN, CELL, l->cell);
    FIELD(code, RUN, ACT_G, l->act_g);
    FIELD(code, RUN, ACT_H, l->act_h);
    FIELD(code, RUN, X_REGION, x.region);
    FIELD(code, RUN, Y_REGION, y.region);
    FIELD(code, RUN, BATCH, l->batch);
    FIELD(code, RUN, STEPS, steps);
    FIELD(code, RUN, GROUPS, l->groups);
    FIELD(code, RUN, GROUPS_B, l->groups_b);
    FIELD(code, RUN, K_X, l->k_x);
    FIELD(code, RUN, K_H, l->k_h);
    FIELD(code, RUN, K_B, l->k_b);
    FIELD(code, RUN, WEIGHT_BASE, l->weight_base);
    FIELD(code, RUN, PARAM_BASE, l->param_base);
    FIELD(code, RUN, STATE_BASE, l->state_base);
    FIELD(code, RUN, X_WORDS, l->x_words);
    FIELD(code, RUN, M_WORDS, l->m_words);
    FIELD(code, RUN, H_WORDS, l->h_words);
    FIELD(code, RUN, H_BASE, l->h_base);
    FIELD(code, RUN, X_OFFSET, x.offset);
    FIELD(code, RUN, X_STRIDE, x.stride);
    FIELD(code, RUN, Y_OFFSET, y.offset);
    FIELD(code, RUN, Y_STRIDE, y.stride);
    FIELD(code, RUN, PROLOGUE, l->prologue);
    FIELD(code, RUN, PROLOGUE_B, l->prologue_b);
    FIELD(code, RUN, X_SLOTS, l->x_slots);
    FIELD(code, RUN, ZERO, zero);
    FIELD(code, RUN, HALF, l->half);
    if (l->masked) {
        FIELD(code, RUN, MASKED, 1);
        FIELD(code, RUN, OVERLAP, l->overlap);
        FIELD(code, RUN, WINDOW, l->window);
        FIELD(code, RUN, Y_GROUPS, l->y_groups);
    }
    l->half = (l->half + steps) & 1;
}

// Masks behind the x of every step, some rows more often than others; those of the first
// `overlap` steps are 0. Returns the groups of y, 1 or more.
unsigned fill_masks(Plan *p, const Layer &l, const Place &x)
{
    std::vector<std::vector<uint8_t>> mask;
    const size_t bytes = l.mask_bytes(p->c);
    const unsigned chance = (unsigned)below(17), odd = (unsigned)below(4);
    for (unsigned t = 0; t < x.steps; t++) {
        mask.emplace_back(bytes);
        for (unsigned row = 0; row < l.groups * p->c.pes; row++) {
            const bool one = below(16) < chance && (odd == 0 || row % 4 < odd || one_in(8));
            mask[t][row / 8] |= (uint8_t)((one && t >= l.overlap) << row % 8);
        }
        if (t + 1 == x.steps)
            mask[t][0] |= 1;
        std::memcpy(p->at(x.region, x.offset + (uint32_t)(t * x.stride)) + l.x_bytes(p->c),
                    mask[t].data(), bytes);
    }
    return (unsigned)deal_rows(p->c, mask, l.groups, l.window).size();
}

Place run_masked(Plan *p, Layer *l, unsigned steps)
{
    steps = std::max(steps, l->overlap + 1);
    const uint32_t r = any_region(SPACC_REGION_INPUT);
    const size_t bytes = l->x_bytes(p->c) + l->mask_bytes(p->c);
    const Place x = draw_place(p, r, bytes, steps, "masked");
    fill16(&p->b->memory[p->areas.back().at], p->areas.back().bytes, 8 + (unsigned)below(9));
    l->y_groups = fill_masks(p, *l, x);
    const size_t y_bytes = (size_t)l->y_groups * p->c.pes * 4;
    const uint32_t offset = p->alloc(SPACC_REGION_OUTPUT, y_bytes, "y");
    const Place y = {SPACC_REGION_OUTPUT, offset, 0, 1};
    run(p, l, x, y, steps, false);
    return y;
}

// A RUN on x of its own; returns where y is.
Place run_on_own_x(Plan *p, Layer *l, unsigned steps, bool zero)
{
    const uint32_t r = any_region(SPACC_REGION_INPUT);
    const Place x = draw_place(p, r, l->x_bytes(p->c), steps, "x");
    fill16(&p->b->memory[p->areas.back().at], p->areas.back().bytes, 8 + (unsigned)below(9));
    const Place y = draw_place(p, SPACC_REGION_OUTPUT, l->y_bytes(p->c), steps, "y");
    run(p, l, x, y, steps, zero);
    return y;
}

// A RUN whose x is what another one wrote, in its order or the other way round.
Place run_on_y(Plan *p, Layer *l, const Place &from, unsigned steps, bool zero)
{
    Place x = from;
    steps = std::min(steps, from.steps);
    if (one_in(2)) {
        x.offset += (uint32_t)(x.stride * (from.steps - 1));
        x.stride = -x.stride;
    }
    // behind the last y there is room for as much as an x takes
    p->alloc(SPACC_REGION_OUTPUT, l->x_bytes(p->c), "room behind x");
    const Place y = draw_place(p, SPACC_REGION_OUTPUT, l->y_bytes(p->c), steps, "y");
    run(p, l, x, y, steps, zero);
    return y;
}

} // namespace

#endif
