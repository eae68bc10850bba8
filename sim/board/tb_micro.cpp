// Runs random programs of small layers of every cell on the micro card, and compares all of its
// memory, the saturations and the multiplications with the model of tb_core. Then every error
// that it knows, with a good run behind each, registers, interrupts, and a reset in the middle.
// Replay a failure: ./tb_micro <seed> [programs]
// The parts of core_*.h that are about AXI4 are of no use here.
#pragma GCC diagnostic ignored "-Wunused-function"
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>

#include "Vspacc_micro.h"
#include "sim/board/micro_bench.h"
#include "sim/core_random.h"

namespace
{

constexpr unsigned kWeightCycles = 2; // of a multiplication

void check_counters(const Counters &got, const Counts &want)
{
    equal("gate saturations", got[SPACC_COUNTER_GATE_SATURATIONS], want.gate);
    equal("state saturations", got[SPACC_COUNTER_STATE_SATURATIONS], want.state);
    equal("multiplications", got[SPACC_COUNTER_ISSUE], want.issue * 4 * 4 * kWeightCycles);
    equal("cycles", got[SPACC_COUNTER_CYCLES],
          got[SPACC_COUNTER_ISSUE] + got[SPACC_COUNTER_CONTROL]);
    uint64_t sum = 0;
    for (int i = 0; i < SPACC_CARD_COUNTERS; i++)
        sum += got[i];
    equal("other counters", sum,
          2 * got[SPACC_COUNTER_CYCLES] + got[SPACC_COUNTER_GATE_SATURATIONS] +
              got[SPACC_COUNTER_STATE_SATURATIONS]);
}

void start(Bench &b, const Plan &p)
{
    prepare(b, p);
    b.start();
    equal("AP_CTRL of a run", b.read_reg(SPACC_REG_AP_CTRL), 1);
    b.ask_meanwhile();
}

// A program without errors, against the model.
void run_micro(Bench &b, const Plan &p, Coverage *seen)
{
    start(b, p);
    std::vector<uint8_t> want = b.memory;
    equal("error code", b.finish(20000000), SPACC_ERROR_NONE);
    equal("pc of the end", b.read_reg(SPACC_REG_ERROR_PC), p.codes() - 1);
    Model model(p.c);
    model.run(&want, p.region, p.words);
    uint64_t cycles = 0;
    for (const Mark &mark : model.marks) {
        const Counters then = marked(b, mark.at);
        check_counters(then, mark.counts);
        expect(then[0] > cycles, "cycles go on", then[0], cycles);
        cycles = then[0];
        std::memcpy(&want[mark.at], then.value, sizeof then.value);
    }
    const Counters last = counters(b);
    check_counters(last, model.counts);
    expect(last[0] > cycles, "cycles at the end", last[0], cycles);
    check_memory(b, p, want);
    seen->gate += model.counts.gate;
    seen->state += model.counts.state;
}

// The draw may need more memory than there is.
Plan draw_program(Bench &b, const Card &c, int cell, Coverage *seen)
{
    for (int tries = 0; tries < 100; tries++)
        try {
            Coverage drawn = *seen;
            const Plan p = random_program(b, c, cell, &drawn);
            *seen = drawn;
            return p;
        } catch (const std::runtime_error &) {
        }
    throw std::runtime_error("no program fits");
}

void check_programs(Bench &b, const Card &c, unsigned programs, Coverage *seen)
{
    for (unsigned i = 0; i < programs && errors == 0; i++) {
        run_micro(b, draw_program(b, c, (int)(i % 5), seen), seen);
        if (errors)
            std::printf("program %u\n", i);
    }
}

// ---------------------------------------------------------------- errors

struct Spoilt {
    const char *name;
    uint32_t error, op; // ERROR_PC is the first of these
    void (*spoil)(uint32_t *code);
};
#define SPOILT(op, name, field, value)                            \
    {                                                             \
        name, SPACC_ERROR_BAD_FIELD, SPACC_OP_##op,               \
            [](uint32_t *code) { FIELD(code, op, field, value); } \
    }

const Spoilt kSpoilt[] = {
    {"opcode 9", SPACC_ERROR_BAD_OPCODE, SPACC_OP_MARK,
     [](uint32_t *code) { code[0] = (code[0] & ~255u) | 9; }},
    {"opcode 255", SPACC_ERROR_BAD_OPCODE, SPACC_OP_MARK,
     [](uint32_t *code) { code[0] |= 255; }},
    SPOILT(RUN, "batch 0", BATCH, 0),
    SPOILT(RUN, "batch 2", BATCH, 2),
    SPOILT(RUN, "batch 129", BATCH, 129),
    SPOILT(RUN, "cell 5", CELL, 5),
    SPOILT(RUN, "cell 8", CELL, 8),
    SPOILT(RUN, "prologue 1", PROLOGUE, 1),
    SPOILT(RUN, "prologue 0x8000", PROLOGUE, 0x8000),
    SPOILT(RUN, "steps 0", STEPS, 0),
    SPOILT(RUN, "groups 0", GROUPS, 0),
    SPOILT(RUN, "k_x 0", K_X, 0),
    SPOILT(LOAD_WEIGHTS, "int16 weights", FORMAT, 1),
    SPOILT(LOAD_WEIGHTS, "no weights", WORDS, 0),
    SPOILT(LOAD_PARAMS, "no parameters", UNITS, 0),
    SPOILT(LOAD_VECTOR, "no vector", WORDS, 0),
    SPOILT(LOAD_STATE, "no states to load", UNITS, 0),
    SPOILT(STORE_STATE, "no states to store", UNITS, 0),
};

Plan plain_program(Bench &b, const Card &c)
{
    Wish wish;
    wish.cell = SPACC_CARD_CELL_LSTM;
    wish.brief = true;
    wish.stream = 0;
    Room room;
    Layer l = must_draw(c, wish, &room);
    Plan p(&b, c);
    load_layer(&p, &l);
    run_on_own_x(&p, &l, 2, false);
    store_state(&p, l);
    mark(&p);
    p.add(SPACC_OP_END);
    return p;
}

void check_errors(Bench &b, const Card &c, Coverage *seen)
{
    for (const Spoilt &fault : kSpoilt) {
        const int before = errors;
        const Plan good = plain_program(b, c);
        Plan bad = good;
        const unsigned pc = bad.find(fault.op);
        fault.spoil(&bad.words[pc * SPACC_INSTRUCTION_WORDS]);
        start(b, bad);
        equal("error code", b.finish(1000000), fault.error);
        equal("pc of the error", b.read_reg(SPACC_REG_ERROR_PC), pc);
        run_micro(b, good, seen);
        if (errors != before)
            std::printf("fault: %s\n", fault.name);
    }
}

// The card is usable after a reset at any time; its memory stays.
void check_resets(Bench &b, const Card &c, Coverage *seen)
{
    for (int i = 0; i < 4; i++) {
        const Plan p = plain_program(b, c);
        start(b, p);
        for (uint64_t reads = below(20); reads > 0; reads--)
            b.read_reg(SPACC_REG_VERSION);
        b.reset();
        equal("AP_CTRL after a reset", b.read_reg(SPACC_REG_AP_CTRL), 4);
        run_micro(b, p, seen);
    }
}

// ---------------------------------------------------------------- registers

void check_arguments(Bench &b)
{
    std::vector<uint32_t> written;
    for (uint32_t at = SPACC_REG_PROGRAM_PTR; at <= SPACC_REG_WATCHDOG_CYCLES; at += 4) {
        written.push_back((uint32_t)rng());
        b.write_reg(at, written.back());
    }
    for (uint32_t at = 0x100; at < 0x1000; at += at < 0x200 ? 4 : 0x100)
        b.write_reg(at, (uint32_t)rng()); // these are not written
    uint32_t at = SPACC_REG_PROGRAM_PTR;
    for (uint32_t value : written) {
        equal("an argument", b.read_reg(at), value);
        at += 4;
    }
    equal("identity", b.read_reg(SPACC_REG_IDENTITY), SPACC_CARD_MAGIC);
    for (at = 0x200; at < 0x1000; at += 0x100)
        equal("a register that is none", b.read_reg(at), 0);
}

// AP_CTRL's done and ready, and the interrupt of each.
void check_interrupts(Bench &b, const Card &c)
{
    const Plan p = plain_program(b, c);
    for (uint32_t enabled = 0; enabled < 8; enabled++) {
        b.write_reg(SPACC_REG_GIER, enabled >> 2);
        b.write_reg(SPACC_REG_IP_IER, enabled & 3);
        equal("GIER", b.read_reg(SPACC_REG_GIER), enabled >> 2);
        equal("IP_IER", b.read_reg(SPACC_REG_IP_IER), enabled & 3);
        prepare(b, p);
        b.start();
        equal("an interrupt too early", b.interrupt(), 0);
        b.finish(1000000);
        equal("IP_ISR", b.read_reg(SPACC_REG_IP_ISR), enabled & 3);
        equal("interrupt", b.interrupt(), enabled > 4);
        for (uint32_t bit = 1; bit < 4; bit++) { // a toggle each: 1 ^ 2 ^ 3 = 0
            const uint32_t isr = b.read_reg(SPACC_REG_IP_ISR);
            b.write_reg(SPACC_REG_IP_ISR, bit);
            equal("IP_ISR toggled", b.read_reg(SPACC_REG_IP_ISR), isr ^ bit);
            equal("interrupt", b.interrupt(), enabled > 3 && isr != bit);
        }
        b.write_reg(SPACC_REG_IP_ISR, enabled & 3);
    }
    b.write_reg(SPACC_REG_IP_ISR, 3);
    b.write_reg(SPACC_REG_GIER, 1);
    b.reset();
    equal("interrupt after a reset", b.interrupt(), 0);
}

int run(unsigned seed, unsigned programs)
{
    rng.seed(seed);
    Bench b;
    equal("watchdog", b.read_reg(SPACC_REG_WATCHDOG_CYCLES), SPACC_RESET_WATCHDOG_CYCLES);
    check_arguments(b);
    Card c = identify(b);
    const unsigned instructions = c.instructions;
    c.instructions = 16; // small programs: there are 64 KiB
    c.y_beat = 2;        // what is behind a y stays
    Coverage seen;
    check_interrupts(b, c);
    check_programs(b, c, programs, &seen);
    check_errors(b, c, &seen);
    check_resets(b, c, &seen);
    for (uint64_t runs : seen.cell)
        expect(runs > 0, "runs of a cell", runs, 1);
    expect(seen.gate && seen.state && seen.streams && seen.zero && seen.chained,
           "kinds of runs", seen.streams, 1);
    equal("instructions", instructions, 64);
    equal("bytes during a run", b.ready_early, 0);
    expect(b.delays && b.reads_meanwhile, "delays", b.delays, 1);
    std::printf("%s seed=%u: %llu layers, %llu runs, %llu streams, %llu gate and %llu state "
                "saturations, %d errors\n",
                errors ? "FAIL" : "PASS", seed, (unsigned long long)seen.layers,
                (unsigned long long)seen.runs, (unsigned long long)seen.streams,
                (unsigned long long)seen.gate, (unsigned long long)seen.state, errors);
    return errors != 0;
}

} // namespace

int main(int argc, char **argv)
{
    const unsigned seed = argc > 1 ? (unsigned)std::atoi(argv[1]) : 1;
    try {
        return run(seed, argc > 2 ? (unsigned)std::atoi(argv[2]) : 40);
    } catch (const std::exception &problem) {
        std::printf("FAIL seed=%u: %s\n", seed, problem.what());
        return 1;
    }
}
