// core_check.h - starts a Plan on the card, and compares all of memory and every counter with
// the model.
#ifndef SPACC_SIM_CORE_CHECK_H
#define SPACC_SIM_CORE_CHECK_H

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "sim/core_program.h"

namespace
{

int errors;
void expect(bool good, const char *what, uint64_t got, uint64_t want)
{
    if (good)
        return;
    if (errors++ < 20)
        std::printf("%s: got %lld, want %lld\n", what, (long long)got, (long long)want);
}
void equal(const char *what, uint64_t got, uint64_t want)
{
    expect(got == want, what, got, want);
}

constexpr int kCauses = SPACC_COUNTER_WEIGHTS - SPACC_COUNTER_ISSUE + 1;

struct Coverage {
    uint64_t gate = 0, state = 0, cause[kCauses] = {};
    uint64_t cell[5] = {}, batch = 0, prologue = 0, prologue_b = 0, streams = 0, wide = 0;
    uint64_t masked = 0, overlap = 0;
    uint64_t slots = 0, zero = 0, chained = 0, continued = 0, layers = 0, runs = 0, aborts = 0;
};

Card identify(Bench &b)
{
    equal("identity", b.read_reg(SPACC_REG_IDENTITY), SPACC_CARD_MAGIC);
    equal("version", b.read_reg(SPACC_REG_VERSION), SPACC_CARD_VERSION);
    const uint32_t array = b.read_reg(SPACC_REG_CONFIG_ARRAY),
                   widths = b.read_reg(SPACC_REG_CONFIG_WIDTHS),
                   vectors = b.read_reg(SPACC_REG_CONFIG_VECTOR_WORDS),
                   cells = b.read_reg(SPACC_REG_CONFIG_CELLS);
    Card c;
    c.pes = array & 0xffff;
    c.lanes = array >> 16;
    c.weight_bits = widths & 0xff;
    c.act_bits = widths >> 8 & 0xff;
    c.weight_words = b.read_reg(SPACC_REG_CONFIG_WEIGHT_WORDS);
    c.x_words = vectors & 0xffff;
    c.h_words = vectors >> 16;
    c.units = b.read_reg(SPACC_REG_CONFIG_UNITS);
    c.instructions = b.read_reg(SPACC_REG_CONFIG_INSTRUCTIONS) & 0xffff;
    c.shared_rows = b.read_reg(SPACC_REG_CONFIG_INSTRUCTIONS) >> 16 & 1 ? 4 : 1;
    c.cells = cells & 0xff;
    c.batch = cells >> 8 & 0xff;
    c.psum_words = cells >> 16;
    c.queue = b.read_reg(SPACC_REG_CONFIG_MASKS) & 0xff;
    c.mask_beats = b.read_reg(SPACC_REG_CONFIG_MASKS) >> 16;
    c.beat = kBeat;
    equal("bytes of the bus", widths >> 24, kBeat);
    expect((c.batch > 1) == (c.pes / 4 * 2 == kBeat), "largest batch", c.batch, 1);
    return c;
}

// Registers and program into the card.
void prepare(Bench &b, const Plan &p)
{
    std::memcpy(&b.memory[p.program_at], p.words.data(), p.words.size() * 4);
    b.write_ptr(SPACC_REG_PROGRAM_PTR, kMemory + p.program_at);
    b.write_ptr(SPACC_REG_WEIGHTS_PTR, kMemory + p.region[1]);
    b.write_ptr(SPACC_REG_INPUT_PTR, kMemory + p.region[2]);
    b.write_ptr(SPACC_REG_OUTPUT_PTR, kMemory + p.region[3]);
    b.write_reg(SPACC_REG_PROGRAM_BYTES,
                (uint32_t)(p.program_bytes != SIZE_MAX ? p.program_bytes : p.words.size() * 4));
    b.write_reg(SPACC_REG_WEIGHTS_BYTES, (uint32_t)p.bytes[1]);
    b.write_reg(SPACC_REG_INPUT_BYTES, (uint32_t)p.bytes[2]);
    b.write_reg(SPACC_REG_OUTPUT_BYTES, (uint32_t)p.bytes[3]);
    b.write_from = kMemory + p.region[3];
    b.write_to = b.write_from + p.bytes[3];
}

uint32_t launch(Bench &b, const Plan &p, uint64_t limit)
{
    prepare(b, p);
    b.start();
    return b.finish(limit);
}

struct Counters {
    uint64_t value[SPACC_CARD_COUNTERS];
    uint64_t operator[](int i) const
    {
        return value[i];
    }
};

Counters counters(Bench &b)
{
    Counters all;
    for (int i = 0; i < SPACC_CARD_COUNTERS; i++)
        all.value[i] = b.counter(i);
    return all;
}

Counters marked(const Bench &b, size_t at)
{
    Counters all;
    std::memcpy(all.value, &b.memory[at], sizeof all.value);
    return all;
}

uint64_t causes(const Counters &all)
{
    uint64_t sum = 0;
    for (int i = SPACC_COUNTER_ISSUE; i <= SPACC_COUNTER_WEIGHTS; i++)
        sum += all[i];
    return sum;
}

// `owed`: bytes of a run before that may have come in this one.
void check_counts(const Counters &got, const Counts &want, uint64_t owed)
{
    const uint64_t more = got[SPACC_COUNTER_BYTES_READ] - want.bytes_read;
    equal("sum of causes", causes(got), got[SPACC_COUNTER_CYCLES]);
    equal("issue cycles", got[SPACC_COUNTER_ISSUE], want.issue);
    equal("gate saturations", got[SPACC_COUNTER_GATE_SATURATIONS], want.gate);
    equal("state saturations", got[SPACC_COUNTER_STATE_SATURATIONS], want.state);
    equal("rows skipped", got[SPACC_COUNTER_ROWS_SKIPPED], want.skipped);
    equal("positions saved", got[SPACC_COUNTER_ISSUE_SAVED], want.saved);
    expect(more <= owed, "bytes read", got[SPACC_COUNTER_BYTES_READ], want.bytes_read);
    equal("bytes written", got[SPACC_COUNTER_BYTES_WRITTEN], want.bytes_written);
}

// Every byte of memory; names the areas that differ.
void check_memory(const Bench &b, const Plan &p, const std::vector<uint8_t> &want)
{
    if (std::memcmp(b.memory.data(), want.data(), want.size()) == 0)
        return;
    size_t other = 0;
    for (size_t i = 0; i < want.size(); i++)
        other += b.memory[i] != want[i];
    for (const Plan::Area &area : p.areas) {
        size_t wrong = 0, first = 0;
        for (size_t i = area.bytes; i-- > 0;)
            if (b.memory[area.at + i] != want[area.at + i]) {
                wrong++;
                first = i;
            }
        other -= wrong;
        if (wrong && errors++ < 20)
            std::printf("%s at %zu: %zu of %zu bytes are wrong, from byte %zu on: got 0x%02x, "
                        "want 0x%02x\n",
                        area.name.c_str(), area.at, wrong, area.bytes, first,
                        b.memory[area.at + first], want[area.at + first]);
    }
    expect(other == 0, "bytes that are nobody's and changed", other, 0);
}

// What the card left behind, against the model on `before`, the memory at the start, which
// becomes what it should be.
void check_run(Bench &b, const Plan &p, std::vector<uint8_t> &before, uint64_t owed,
               uint32_t error, Coverage *seen)
{
    equal("error code", error, SPACC_ERROR_NONE);
    if (error) {
        std::printf("pc %u address 0x%llx\n", b.read_reg(SPACC_REG_ERROR_PC),
                    (unsigned long long)b.read_pair(SPACC_REG_ERROR_ADDRESS));
        return;
    }
    equal("pc without an error", b.read_reg(SPACC_REG_ERROR_PC), 0);
    equal("address without an error", b.read_pair(SPACC_REG_ERROR_ADDRESS), 0);
    Model model(p.c);
    model.run(&before, p.region, p.words);
    const Counters last = counters(b);
    uint64_t cycles = 0;
    for (const Mark &mark : model.marks) {
        const Counters then = marked(b, mark.at);
        check_counts(then, mark.counts, owed);
        expect(then[0] > cycles && then[0] < last[0], "cycles go on", then[0], cycles);
        cycles = then[0];
        std::memcpy(&before[mark.at], &b.memory[mark.at], sizeof then.value);
    }
    check_counts(last, model.counts, owed);
    check_memory(b, p, before);
    for (int i = 0; i < kCauses; i++)
        seen->cause[i] += last[SPACC_COUNTER_ISSUE + i] != 0;
    seen->gate += model.counts.gate;
    seen->state += model.counts.state;
}

void run_and_check(Bench &b, const Plan &p, Coverage *seen)
{
    const uint64_t owed = b.owed() * kBeat;
    prepare(b, p);
    static std::vector<uint8_t> before; // kept: it is large
    before = b.memory;
    b.start();
    check_run(b, p, before, owed, b.finish(20000000), seen);
}

} // namespace

#endif
