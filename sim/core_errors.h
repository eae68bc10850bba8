// core_errors.h - every error that a program, its addresses or the bus can cause: the code,
// where the card says it was, and that the next run is right.
#ifndef SPACC_SIM_CORE_ERRORS_H
#define SPACC_SIM_CORE_ERRORS_H

#include <cstdint>
#include <vector>

#include "sim/core_random.h"

namespace
{

struct Bad {
    Bench &b;
    Plan &p;
    const Layer &l;
    const Card &c;
    uint32_t *code;       // of the fault's instruction
    uint64_t address = 0; // what ERROR_ADDRESS must say; 0 is not looked at
};

struct Fault {
    const char *name;
    uint32_t error;
    uint32_t op; // ERROR_PC is the first of these
    Wish wish;
    bool (*can)(const Card &c, const Layer &l); // NULL: every layer shows it
    void (*spoil)(Bad &f);
};

Wish wish(unsigned cell, int batch = -1, int prologue = -1, int stream = 0)
{
    Wish w;
    w.cell = (int)cell;
    w.batch = batch;
    w.prologue = prologue;
    w.stream = stream;
    w.masked = 0;
    return w;
}

Wish wish_masked()
{
    Wish w = wish(SPACC_CARD_CELL_LINEAR, 1);
    w.masked = 1;
    return w;
}

enum : unsigned {
    LINEAR = SPACC_CARD_CELL_LINEAR,
    LSTM = SPACC_CARD_CELL_LSTM,
    GRU = SPACC_CARD_CELL_GRU,
    GRU_RESET = SPACC_CARD_CELL_GRU_RESET,
    LSTMP = SPACC_CARD_CELL_LSTMP
};

bool batches(const Card &c, const Layer &)
{
    return c.batch > 1;
}

// Without states for so many; the field has 8 bits.
bool batches_past_states(const Card &c, const Layer &l)
{
    return c.batch > 1 && c.units / l.units(c) + 1 <= c.batch;
}
bool no_batches(const Card &c, const Layer &)
{
    return c.batch == 1;
}
bool masks(const Card &c, const Layer &)
{
    return c.queue != 0;
}
bool no_masks(const Card &c, const Layer &)
{
    return c.queue == 0;
}
bool cell_lanes(const Card &c, const Layer &)
{
    return c.cells > 1;
}

// A field of RUN that the card must refuse.
#define REFUSED(name, wish, can, field, value)                \
    {                                                         \
        name, SPACC_ERROR_BAD_FIELD, SPACC_OP_RUN, wish, can, \
            [](Bad &f) { FIELD(f.code, RUN, field, value); }  \
    }
// The same of a load, a store or STREAM.
#define REFUSED_OF(op, name, wish, can, field, value)          \
    {                                                          \
        name, SPACC_ERROR_BAD_FIELD, SPACC_OP_##op, wish, can, \
            [](Bad &f) { FIELD(f.code, op, field, value); }    \
    }

const Fault kRunFaults[] = {
    REFUSED("steps 0", wish(LSTM), nullptr, STEPS, 0),
    REFUSED("batch 0", wish(LSTM), nullptr, BATCH, 0),
    REFUSED("batch on a card that has none", wish(LSTM), no_batches, BATCH, 2),
    REFUSED("batch beyond the states", wish(LSTM, -1, 0), batches_past_states, BATCH,
            f.c.units / f.l.units(f.c) + 1),
    REFUSED("groups 0", wish(LSTM), nullptr, GROUPS, 0),
    REFUSED("groups huge", wish(LSTM), nullptr, GROUPS, 0xffff),
    REFUSED("k_x 0", wish(LSTM), nullptr, K_X, 0),
    REFUSED("k_x huge", wish(LSTM), nullptr, K_X, 0xffff),
    REFUSED("k_h 0", wish(GRU), nullptr, K_H, 0),
    REFUSED("k_h huge", wish(GRU), nullptr, K_H, 0xffff),
    REFUSED("k_h of LINEAR", wish(LINEAR), nullptr, K_H, 1),
    REFUSED("weights past the end", wish(LSTM), nullptr, WEIGHT_BASE,
            f.c.weight_words - f.l.words() + 1),
    REFUSED("weight base huge", wish(LSTM), nullptr, WEIGHT_BASE, 0xffffffff),
    REFUSED("parameters past the end", wish(LSTM), nullptr, PARAM_BASE,
            f.c.units - f.l.params(f.c) + f.c.cells),
    REFUSED("parameters of pass B past the end", wish(LSTMP), nullptr, PARAM_BASE,
            f.c.units - f.l.params(f.c) + f.c.cells),
    REFUSED("parameter base huge", wish(LSTM), nullptr, PARAM_BASE, 0x80000000),
    REFUSED("parameter base between cell lanes", wish(LSTM), cell_lanes, PARAM_BASE,
            f.l.param_base ^ 1),
    REFUSED("states past the end", wish(LSTM), nullptr, STATE_BASE,
            f.c.units - f.l.batch * f.l.units(f.c) + f.c.cells),
    REFUSED("state base huge", wish(LSTM), nullptr, STATE_BASE, 0xffffff00),
    REFUSED("state base between cell lanes", wish(LSTM), cell_lanes, STATE_BASE,
            f.l.state_base ^ 1),
    REFUSED("x_words 0", wish(LINEAR), nullptr, X_WORDS, 0),
    REFUSED("x_words huge", wish(LINEAR), nullptr, X_WORDS, 0xffff),
    REFUSED("x ring past the x memory", wish(LSTM), nullptr, X_WORDS,
            f.c.x_words / (f.l.batch * f.l.x_slots) + 1),
    REFUSED("x_slots 0", wish(LSTM), nullptr, X_SLOTS, 0),
    REFUSED("x_slots 1", wish(LSTM), nullptr, X_SLOTS, 1),
    REFUSED("h_words 0", wish(LSTM), nullptr, H_WORDS, 0),
    {"h_words too few for the units", SPACC_ERROR_BAD_FIELD, SPACC_OP_RUN, wish(GRU),
     [](const Card &c, const Layer &l) { return l.units(c) > c.lanes; },
     [](Bad &f) { FIELD(f.code, RUN, H_WORDS, (f.l.width(f.c) - 1) / f.c.lanes); }},
    {"h_words too few for r", SPACC_ERROR_BAD_FIELD, SPACC_OP_RUN, wish(LSTMP),
     [](const Card &c, const Layer &l) { return l.width(c) > c.lanes; },
     [](Bad &f) { FIELD(f.code, RUN, H_WORDS, (f.l.width(f.c) - 1) / f.c.lanes); }},
    REFUSED("h past the h memory", wish(LSTM), nullptr, H_BASE, f.c.h_words - f.l.h_need() + 1),
    REFUSED("m past the h memory", wish(LSTMP), nullptr, H_BASE,
            f.c.h_words - f.l.h_need() + 1),
    REFUSED("r*h past the h memory", wish(GRU_RESET), nullptr, M_WORDS,
            (f.c.h_words - f.l.h_base) / f.l.batch - 2 * f.l.h_words + 1),
    REFUSED("h base huge", wish(LSTM), nullptr, H_BASE, 0xffff),
    REFUSED("groups_b 0", wish(LSTMP), nullptr, GROUPS_B, 0),
    REFUSED("k_b 0", wish(LSTMP), nullptr, K_B, 0),
    REFUSED("k_b 0 of GRU_RESET", wish(GRU_RESET), nullptr, K_B, 0),
    REFUSED("m_words 0", wish(LSTMP), nullptr, M_WORDS, 0),
    {"m_words too few", SPACC_ERROR_BAD_FIELD, SPACC_OP_RUN, wish(LSTMP),
     [](const Card &c, const Layer &l) { return l.units(c) > c.lanes; },
     [](Bad &f) { FIELD(f.code, RUN, M_WORDS, (f.l.units(f.c) - 1) / f.c.lanes); }},
    REFUSED("groups_b of one pass", wish(LSTM), nullptr, GROUPS_B, 1),
    REFUSED("k_b of one pass", wish(GRU), nullptr, K_B, 1),
    REFUSED("groups_b of LINEAR", wish(LINEAR), nullptr, GROUPS_B, 1),
    REFUSED("groups_b huge", wish(LSTMP), nullptr, GROUPS_B, 0xffff),
    REFUSED("prologue past the groups", wish(LSTM, 1, 1), nullptr, PROLOGUE, f.l.groups + 1),
    REFUSED("prologue of one word", wish(LSTM, 1, 1), nullptr, PROLOGUE, 1),
    REFUSED("prologue of three words", wish(LSTM, 1, 1), nullptr, PROLOGUE, 3),
    REFUSED("prologue past the partial sums", wish(LSTM, -1, 1), batches, BATCH,
            f.c.psum_words / f.l.prologue + 1),
    REFUSED("prologue of LINEAR", wish(LINEAR), nullptr, PROLOGUE, f.l.groups),
    REFUSED("prologue_b past the prologue", wish(LSTMP, -1, 1), nullptr, PROLOGUE_B,
            f.l.prologue + 1),
    REFUSED("prologue with streamed weights", wish(LSTM, -1, -1, 1), nullptr, PROLOGUE,
            f.l.groups),
    REFUSED("masks on a card without", wish(LINEAR), no_masks, MASKED, 1),
    REFUSED("masks of LSTM", wish(LSTM), masks, MASKED, 1),
    {"masks with streamed weights", SPACC_ERROR_BAD_FIELD, SPACC_OP_RUN, wish(LINEAR, 1, 0, 1),
     masks,
     [](Bad &f) {
         FIELD(f.code, RUN, MASKED, 1);
         FIELD(f.code, RUN, WINDOW, 1);
         FIELD(f.code, RUN, Y_GROUPS, 1);
     }},
    REFUSED("masks of no y", wish_masked(), masks, Y_GROUPS, 0),
    REFUSED("window 0", wish_masked(), masks, WINDOW, 0),
    REFUSED("window past the slots", wish_masked(),
            [](const Card &c, const Layer &l) {
                return c.queue != 0 && l.x_slots - l.overlap < 15;
            },
            WINDOW, f.l.x_slots - f.l.overlap + 1),
    REFUSED("overlap past the slots", wish_masked(), masks, OVERLAP, f.l.x_slots),
    REFUSED("slots past what a step's number tells apart", wish_masked(),
            [](const Card &c, const Layer &l) { return c.queue != 0 && l.x_words * 16 <= c.x_words; },
            X_SLOTS, 16),
    {"more masks than the card holds", SPACC_ERROR_BAD_FIELD, SPACC_OP_RUN, wish_masked(),
     [](const Card &c, const Layer &l) { // groups that memories would hold
         const unsigned groups = c.units / c.quads(), most = c.weight_words - l.weight_base;
         const unsigned beats = (groups * c.pes + 8 * c.beat - 1) / (8 * c.beat);
         return c.queue != 0 && l.param_base == 0 && groups * l.k_x <= most &&
                beats * l.x_slots > c.mask_beats;
     },
     [](Bad &f) { FIELD(f.code, RUN, GROUPS, f.c.units / f.c.quads()); }},
    REFUSED("act_g 3", wish(LSTM), nullptr, ACT_G, 3),
    REFUSED("act_h 3", wish(LSTM), nullptr, ACT_H, 3),
    REFUSED("cell 5", wish(LSTM), nullptr, CELL, 5),
    REFUSED("cell 15", wish(LSTM), nullptr, CELL, 15),
    REFUSED("x from region 0", wish(LSTM), nullptr, X_REGION, 0),
    REFUSED("x from region 4", wish(LSTM), nullptr, X_REGION, 4),
    REFUSED("y to region 0", wish(LSTM), nullptr, Y_REGION, 0),
    REFUSED("y to the weights", wish(LSTM), nullptr, Y_REGION, 1),
    REFUSED("y to the inputs", wish(LSTM), nullptr, Y_REGION, 2),
    {"words of the RUN are not those of STREAM", SPACC_ERROR_BAD_FIELD, SPACC_OP_RUN,
     wish(LSTM, -1, 0, 1), nullptr,
     [](Bad &f) { FIELD(f.p.code(SPACC_OP_STREAM), STREAM, WORDS, f.l.words() - 1); }},
    {"ring smaller than a group", SPACC_ERROR_BAD_FIELD, SPACC_OP_RUN, wish(LSTM, 1, 0, 1),
     [](const Card &c, const Layer &l) { return l.k_x + l.k_h > chunk_words(c); },
     [](Bad &f) {
         FIELD(f.p.code(SPACC_OP_STREAM), STREAM, RING_WORDS, f.l.k_x + f.l.k_h - 1);
     }},
    {"ring smaller than a group of 65536 words", SPACC_ERROR_BAD_FIELD, SPACC_OP_RUN,
     wish(LSTM, 1, 0, 1),
     [](const Card &c, const Layer &l) { // a region of 4 GiB has room for them
         return l.groups * 65536.0 * c.pes * c.lanes * (l.format ? 4 : 2) < 0xf0000000;
     },
     [](Bad &f) {
         FIELD(f.p.code(SPACC_OP_STREAM), STREAM, WORDS, f.l.groups * 65536);
         f.p.bytes[f.l.stream_region] = 0xfffff000;
         FIELD(f.code, RUN, K_X, 65535);
         FIELD(f.code, RUN, K_H, 1);
     }},
    {"ring in which a batch would stand still", SPACC_ERROR_BAD_FIELD, SPACC_OP_RUN,
     wish(LSTM, -1, 0, 1),
     [](const Card &c, const Layer &l) { return l.batch > 1 && chunk_words(c) > 1; },
     [](Bad &f) {
         const unsigned words = f.l.k_x + f.l.k_h + chunk_words(f.c) - 2;
         FIELD(f.p.code(SPACC_OP_STREAM), STREAM, RING_WORDS, words);
     }},
};

const Fault kMemoryFaults[] = {
    REFUSED_OF(STREAM, "ring smaller than a chunk", wish(LSTM, 1, 0, 1), nullptr, RING_WORDS,
               chunk_words(f.c) - 1),
    REFUSED_OF(STREAM, "ring past the weight memory", wish(LSTM, -1, 0, 1), nullptr, WORD_BASE,
               f.c.weight_words - f.l.ring_words + 1),
    REFUSED_OF(STREAM, "ring huge", wish(LSTM, -1, 0, 1), nullptr, RING_WORDS, 0xffffffff),
    REFUSED_OF(STREAM, "stream of 0 words", wish(LSTM, -1, 0, 1), nullptr, WORDS, 0),
    REFUSED_OF(STREAM, "stream from region 0", wish(LSTM, -1, 0, 1), nullptr, REGION, 0),
    REFUSED_OF(LOAD_WEIGHTS, "load of 0 words", wish(LSTM), nullptr, WORDS, 0),
    REFUSED_OF(LOAD_WEIGHTS, "load of too many words", wish(LSTM), nullptr, WORDS, 0xffffffff),
    REFUSED_OF(LOAD_WEIGHTS, "load past the weight memory", wish(LSTM), nullptr, WORD_BASE,
               f.c.weight_words - f.l.words() + 1),
    REFUSED_OF(LOAD_WEIGHTS, "load from region 0", wish(LSTM), nullptr, REGION, 0),
    REFUSED_OF(LOAD_WEIGHTS, "load from region 4", wish(LSTM), nullptr, REGION, 4),
    REFUSED_OF(LOAD_PARAMS, "load past the parameters", wish(LSTM), nullptr, UNIT_BASE,
               f.c.units - f.l.params(f.c) + 1),
    REFUSED_OF(LOAD_VECTOR, "load past the h memory", wish(LSTM), nullptr, WORD_BASE,
               f.c.h_words - f.l.h_need() + 1),
    REFUSED_OF(LOAD_STATE, "load past the states", wish(LSTM), nullptr, UNIT_BASE,
               f.c.units - f.l.states(f.c) + 1),
    REFUSED_OF(LOAD_STATE, "states of half a word of the bus", wish(LSTM), nullptr, UNITS,
               f.l.states(f.c) - 1),
    REFUSED_OF(STORE_STATE, "store to the inputs", wish(LSTM), nullptr, REGION, 2),
    REFUSED_OF(STORE_STATE, "store past the states", wish(LSTM), nullptr, UNIT_BASE,
               f.c.units - f.l.states(f.c) + 1),
    REFUSED_OF(MARK, "mark to the weights", wish(LSTM), nullptr, REGION, 1),
    {"int16 weights on a card of int8", SPACC_ERROR_BAD_FIELD, SPACC_OP_LOAD_WEIGHTS,
     wish(LSTM), [](const Card &c, const Layer &) { return c.weight_bits == 8; },
     [](Bad &f) { FIELD(f.code, LOAD_WEIGHTS, FORMAT, 1); }},
    {"int16 stream on a card of int8", SPACC_ERROR_BAD_FIELD, SPACC_OP_STREAM,
     wish(LSTM, -1, 0, 1), [](const Card &c, const Layer &) { return c.weight_bits == 8; },
     [](Bad &f) { FIELD(f.code, STREAM, FORMAT, 1); }},
};

// ---------------------------------------------------------------- addresses

uint64_t bus_address(const Bad &f, uint32_t region, uint64_t offset)
{
    return kMemory + f.p.region[region] + offset;
}

// Half a beat further on, which no transfer of the card may begin at.
#define BETWEEN(op, name, wish)                                                   \
    {                                                                             \
        name, SPACC_ERROR_BAD_ADDRESS, SPACC_OP_##op, wish, nullptr, [](Bad &f) { \
            const uint32_t offset = FIELD_OF(f.code, op, OFFSET) + kBeat / 2;     \
            FIELD(f.code, op, OFFSET, offset);                                    \
            f.p.bytes[FIELD_OF(f.code, op, REGION)] += kBeat;                     \
            f.address = bus_address(f, FIELD_OF(f.code, op, REGION), offset);     \
        }                                                                         \
    }
// One beat further on than the region has room for: `bytes` are those of the transfer.
#define OUTSIDE(op, name, wish, bytes_of_it)                                      \
    {                                                                             \
        name, SPACC_ERROR_BAD_ADDRESS, SPACC_OP_##op, wish, nullptr, [](Bad &f) { \
            const uint32_t region = FIELD_OF(f.code, op, REGION);                 \
            const size_t size = round_up(f.p.bytes[region], kBeat);               \
            const uint32_t offset = (uint32_t)(size - (bytes_of_it) + kBeat);     \
            FIELD(f.code, op, OFFSET, offset);                                    \
            f.address = bus_address(f, region, offset);                           \
        }                                                                         \
    }

size_t weight_bytes(const Bad &f)
{
    return (size_t)f.l.words() * f.c.pes * f.c.lanes * (f.l.format ? 4 : 2);
}

// x or y of step t, as RUN says.
uint64_t x_at(const Bad &f, unsigned t)
{
    const uint32_t *run = f.p.code(SPACC_OP_RUN);
    return bus_address(
        f, FIELD_OF(run, RUN, X_REGION),
        (uint32_t)(FIELD_OF(run, RUN, X_OFFSET) + t * FIELD_OF(run, RUN, X_STRIDE)));
}
uint64_t y_at(const Bad &f, unsigned t)
{
    const uint32_t *run = f.p.code(SPACC_OP_RUN);
    return bus_address(
        f, SPACC_REGION_OUTPUT,
        (uint32_t)(FIELD_OF(run, RUN, Y_OFFSET) + t * FIELD_OF(run, RUN, Y_STRIDE)));
}

#define RUN_ADDRESS(name, field, value, at)                                            \
    {                                                                                  \
        name, SPACC_ERROR_BAD_ADDRESS, SPACC_OP_RUN, wish(LSTM), nullptr, [](Bad &f) { \
            FIELD(f.code, RUN, field, value);                                          \
            f.address = at;                                                            \
        }                                                                              \
    }

const Fault kAddressFaults[] = {
    BETWEEN(LOAD_WEIGHTS, "weights between beats", wish(LSTM)),
    BETWEEN(LOAD_PARAMS, "parameters between beats", wish(LSTM)),
    BETWEEN(LOAD_VECTOR, "h between beats", wish(LSTM)),
    BETWEEN(LOAD_STATE, "states between beats", wish(LSTM)),
    BETWEEN(STORE_STATE, "stored states between beats", wish(LSTM)),
    BETWEEN(MARK, "mark between beats", wish(LSTM)),
    BETWEEN(STREAM, "stream between beats", wish(LSTM, -1, 0, 1)),
    OUTSIDE(LOAD_WEIGHTS, "weights outside", wish(LSTM), weight_bytes(f)),
    OUTSIDE(LOAD_PARAMS, "parameters outside", wish(LSTM), f.l.params(f.c) * 32),
    OUTSIDE(LOAD_VECTOR, "h outside", wish(LSTM), (size_t)f.l.h_need() * f.c.lanes * 2),
    OUTSIDE(LOAD_STATE, "states outside", wish(LSTM), f.l.states(f.c) * 4),
    OUTSIDE(STORE_STATE, "stored states outside", wish(LSTM), f.l.states(f.c) * 4),
    OUTSIDE(MARK, "mark outside", wish(LSTM), 128),
    OUTSIDE(STREAM, "stream outside", wish(LSTM, -1, 0, 1), weight_bytes(f)),
    RUN_ADDRESS("x between beats", X_OFFSET, FIELD_OF(f.code, RUN, X_OFFSET) + kBeat / 2,
                x_at(f, 0)),
    RUN_ADDRESS("x between beats from step 1 on", X_STRIDE, (uint32_t) - (int)(kBeat / 2), 0),
    RUN_ADDRESS("x outside from step 1 on", X_STRIDE, 0x60000000, x_at(f, 1)),
    RUN_ADDRESS("x outside at the last step", X_STRIDE, 0x80000000, x_at(f, 1)),
    RUN_ADDRESS("y between beats", Y_OFFSET, FIELD_OF(f.code, RUN, Y_OFFSET) + kBeat / 2,
                y_at(f, 0)),
    RUN_ADDRESS("y between beats from step 1 on", Y_STRIDE, kBeat / 2, y_at(f, 1)),
    RUN_ADDRESS("y outside from step 1 on", Y_STRIDE, 0x60000000, y_at(f, 1)),
    RUN_ADDRESS("y outside", Y_OFFSET, round_up(f.p.bytes[3], kBeat) - f.l.y_bytes(f.c) + kBeat,
                y_at(f, 0)),
    {"the program's end outside its 64 bytes", SPACC_ERROR_BAD_ADDRESS, SPACC_OP_END,
     wish(LSTM), nullptr, [](Bad &f) { f.p.program_at += kBeat / 2; }},
};

// ---------------------------------------------------------------- program, bus

#define BUS(name, error, op, wish, at)                                                \
    {                                                                                 \
        name, error, op, wish, nullptr, [](Bad &f) { f.b.error_at = f.address = at; } \
    }
#define SILENT(name, op, wish, at)                                                      \
    {                                                                                   \
        name, SPACC_ERROR_WATCHDOG, op, wish, nullptr, [](Bad &f) { f.b.dead_at = at; } \
    }
#define LAST_BEAT(op, bytes) \
    (bus_address(f, FIELD_OF(f.code, op, REGION), FIELD_OF(f.code, op, OFFSET)) + (bytes)-kBeat)
#define FIRST_BEAT(op) \
    bus_address(f, FIELD_OF(f.code, op, REGION), FIELD_OF(f.code, op, OFFSET))

const Fault kOtherFaults[] = {
    {"unknown opcode", SPACC_ERROR_BAD_OPCODE, SPACC_OP_MARK, wish(LSTM), nullptr,
     [](Bad &f) { f.code[0] = (f.code[0] & ~255u) | 9; }},
    {"opcode 255", SPACC_ERROR_BAD_OPCODE, SPACC_OP_MARK, wish(LSTM), nullptr,
     [](Bad &f) { f.code[0] |= 255; }},
    {"no END", SPACC_ERROR_NO_END, SPACC_OP_END, wish(LSTM), nullptr,
     [](Bad &f) { f.p.program_bytes = f.p.words.size() * 4 - 64; }},
    {"empty program", SPACC_ERROR_NO_END, SPACC_OP_LOAD_WEIGHTS, wish(LSTM), nullptr,
     [](Bad &f) { f.p.program_bytes = 0; }},
    {"program too long", SPACC_ERROR_NO_END, SPACC_OP_LOAD_WEIGHTS, wish(LSTM), nullptr,
     [](Bad &f) { f.p.program_bytes = 64 * (f.c.instructions + 1); }},
    {"program of half an instruction", SPACC_ERROR_NO_END, SPACC_OP_LOAD_WEIGHTS, wish(LSTM),
     nullptr, [](Bad &f) { f.p.program_bytes = f.p.words.size() * 4 - 32; }},
    BUS("error on the program", SPACC_ERROR_READ_BUS, SPACC_OP_LOAD_WEIGHTS, wish(LSTM),
        kMemory + f.p.program_at + 64),
    BUS("error on weights", SPACC_ERROR_READ_BUS, SPACC_OP_LOAD_WEIGHTS, wish(LSTM),
        LAST_BEAT(LOAD_WEIGHTS, weight_bytes(f))),
    BUS("error on parameters", SPACC_ERROR_READ_BUS, SPACC_OP_LOAD_PARAMS, wish(LSTM),
        FIRST_BEAT(LOAD_PARAMS)),
    BUS("error on h", SPACC_ERROR_READ_BUS, SPACC_OP_LOAD_VECTOR, wish(LSTM),
        FIRST_BEAT(LOAD_VECTOR)),
    BUS("error on states", SPACC_ERROR_READ_BUS, SPACC_OP_LOAD_STATE, wish(LSTM),
        LAST_BEAT(LOAD_STATE, f.l.states(f.c) * 4)),
    BUS("error on the first x", SPACC_ERROR_READ_BUS, SPACC_OP_RUN, wish(LSTM), x_at(f, 0)),
    BUS("error on the last x", SPACC_ERROR_READ_BUS, SPACC_OP_RUN, wish(LSTM),
        x_at(f, 2) + f.l.x_bytes(f.c) - kBeat),
    BUS("error on streamed weights", SPACC_ERROR_READ_BUS, SPACC_OP_RUN, wish(LSTM, -1, 0, 1),
        bus_address(f, f.l.stream_region, f.l.stream_offset) + weight_bytes(f) - kBeat),
    BUS("error on the first y", SPACC_ERROR_WRITE_BUS, SPACC_OP_RUN, wish(LSTM), y_at(f, 0)),
    BUS("error on the last y", SPACC_ERROR_WRITE_BUS, SPACC_OP_RUN, wish(LINEAR),
        y_at(f, 2) + f.l.y_bytes(f.c) - kBeat),
    BUS("error on stored states", SPACC_ERROR_WRITE_BUS, SPACC_OP_STORE_STATE, wish(GRU),
        FIRST_BEAT(STORE_STATE)),
    BUS("error on the mark", SPACC_ERROR_WRITE_BUS, SPACC_OP_MARK, wish(LSTM),
        FIRST_BEAT(MARK)),
    {"more groups of y than the masks give", SPACC_ERROR_WATCHDOG, SPACC_OP_RUN, wish_masked(),
     masks,
     [](Bad &f) {
         FIELD(f.code, RUN, Y_GROUPS, f.l.y_groups + 1);
         f.p.bytes[3] += 4 * f.c.pes;
     }},
    {"error on the last y of masked rows", SPACC_ERROR_WRITE_BUS, SPACC_OP_RUN, wish_masked(),
     masks,
     [](Bad &f) {
         f.b.error_at = f.address = y_at(f, 0) + (size_t)f.l.y_groups * f.c.pes * 4 - kBeat;
     }},
    {"no answer to a mask", SPACC_ERROR_WATCHDOG, SPACC_OP_RUN, wish_masked(), masks,
     [](Bad &f) { f.b.dead_at = x_at(f, 0) + f.l.x_bytes(f.c); }},
    SILENT("no answer to the program", SPACC_OP_LOAD_WEIGHTS, wish(LSTM),
           kMemory + f.p.program_at),
    SILENT("no answer to weights", SPACC_OP_LOAD_WEIGHTS, wish(LSTM),
           FIRST_BEAT(LOAD_WEIGHTS) + kBeat),
    SILENT("no answer to x", SPACC_OP_RUN, wish(GRU_RESET), x_at(f, 1)),
    SILENT("no answer to streamed weights", SPACC_OP_RUN, wish(LSTM, -1, 0, 1),
           bus_address(f, f.l.stream_region, f.l.stream_offset) + weight_bytes(f) - kBeat),
    SILENT("no answer to y", SPACC_OP_RUN, wish(LSTMP), y_at(f, 1)),
    SILENT("no answer to the store", SPACC_OP_STORE_STATE, wish(LSTM), FIRST_BEAT(STORE_STATE)),
};

// ---------------------------------------------------------------- the checks

Plan plain_program(Bench &b, const Card &c, Layer *l)
{
    Plan p(&b, c);
    load_layer(&p, l);
    if (l->masked)
        run_masked(&p, l, 3);
    else
        run_on_own_x(&p, l, 3, one_in(3));
    if (!l->linear())
        store_state(&p, *l);
    mark(&p);
    p.add(SPACC_OP_END);
    return p;
}

void clear_faults(Bench &b)
{
    b.error_at = b.error_after = b.dead_at = UINT64_MAX;
    b.error_answer = 2 + (unsigned)below(2);
}

void check_error(Bench &b, const Bad &f, const Fault &fault, unsigned pc)
{
    const uint64_t at = b.read_pair(SPACC_REG_ERROR_ADDRESS);
    const Counters last = counters(b);
    equal("sum of causes", causes(last), last[0]);
    equal("pc of the error", b.read_reg(SPACC_REG_ERROR_PC), pc);
    // a write is answered as a whole
    if (f.address && fault.error == SPACC_ERROR_WRITE_BUS)
        expect(at <= f.address && at / 4096 == f.address / 4096, "address of a burst", at,
               f.address);
    else if (f.address)
        equal("address of the error", at, f.address);
}

bool draw_for(const Card &c, const Fault &fault, Layer *l)
{
    for (int tries = 0; tries < 300; tries++) {
        Room room;
        Wish w = fault.wish;
        // a prologue needs its words
        w.brief = c.pes >= 64 && w.prologue <= 0;
        *l = must_draw(c, w, &room);
        if (!fault.can || fault.can(c, *l))
            return true;
    }
    return false;
}

// One good run after each fault shows that the card is usable. False: the card cannot show it.
bool check_fault(Bench &b, const Card &c, const Fault &fault, Coverage *seen)
{
    Layer l;
    if (!draw_for(c, fault, &l))
        return false;
    const Plan good = plain_program(b, c, &l);
    Plan bad = good;
    const int before = errors;
    const unsigned pc = fault.error == SPACC_ERROR_NO_END && fault.op != SPACC_OP_END ? 0
                        : fault.op == SPACC_OP_END && fault.error == SPACC_ERROR_BAD_ADDRESS
                            ? 0
                            : bad.find(fault.op);
    clear_faults(b);
    b.write_reg(SPACC_REG_WATCHDOG_CYCLES, 2500);
    Bad f = {b, bad, l, c, &bad.words[pc * SPACC_INSTRUCTION_WORDS]};
    fault.spoil(f);
    equal("error code", launch(b, bad, 1000000), fault.error);
    check_error(b, f, fault, pc);
    clear_faults(b);
    run_and_check(b, good, seen);
    seen->aborts++;
    if (errors != before)
        std::printf("fault: %s\n", fault.name);
    return true;
}

// A STREAM that no RUN took is forgotten with its program.
void check_stream_left_over(Bench &b, const Card &c, Coverage *seen)
{
    Room room;
    Layer l = must_draw(c, wish(LSTM, -1, 0, 1), &room);
    Plan p = plain_program(b, c, &l);
    p.code(SPACC_OP_RUN)[0] = SPACC_OP_END;
    run_and_check(b, p, seen);
    room = Room();
    l = must_draw(c, wish(LSTM), &room);
    run_and_check(b, plain_program(b, c, &l), seen);
}

// An error on any word that is read, and a reset at any time.
void check_interruptions(Bench &b, const Card &c, unsigned count, Coverage *seen)
{
    for (unsigned i = 0; i < count && errors == 0; i++) {
        Room room;
        Layer l = must_draw(c, wish((unsigned)below(5), -1, -1, -1), &room);
        const Plan p = plain_program(b, c, &l);
        clear_faults(b);
        const uint64_t from = b.now;
        run_and_check(b, p, seen);
        const uint64_t took = b.now - from;
        if (i % 2) {
            b.error_after = below(b.counter(SPACC_COUNTER_BYTES_READ) / kBeat);
            equal("an error on any word", launch(b, p, 1000000), SPACC_ERROR_READ_BUS);
        } else {
            prepare(b, p);
            b.start();
            for (uint64_t wait = below(took); wait > 0; wait--)
                b.cycle();
            b.reset();
            b.write_reg(SPACC_REG_WATCHDOG_CYCLES, 2500);
        }
        clear_faults(b);
        run_and_check(b, p, seen);
        seen->aborts++;
    }
}

void check_errors(Bench &b, const Card &c, Coverage *seen)
{
    unsigned skipped = 0;
    for (const Fault &fault : kRunFaults)
        skipped += !check_fault(b, c, fault, seen);
    for (const Fault &fault : kMemoryFaults)
        skipped += !check_fault(b, c, fault, seen);
    for (const Fault &fault : kAddressFaults)
        skipped += !check_fault(b, c, fault, seen);
    for (const Fault &fault : kOtherFaults)
        skipped += !check_fault(b, c, fault, seen);
    expect(skipped <= 16, "faults that this card cannot show", skipped, 16);
    check_stream_left_over(b, c, seen);
    check_interruptions(b, c, c.pes >= 64 ? 6 : 20, seen);
}

} // namespace

#endif
