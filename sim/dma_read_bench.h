// dma_read_bench.h - random read commands against the memory model: data, order, last
// flags, errors, abort, and one beat a cycle with a polite memory, to the cycle. Included
// once by each bench, behind `using Vdut =` Verilator's class for its width.
#ifndef SPACC_SIM_DMA_READ_BENCH_H
#define SPACC_SIM_DMA_READ_BENCH_H

#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>
#include <vector>

#include "sim/memory.h"
#include "sim/port.h"
#include "verilated.h"

namespace
{

constexpr unsigned kBeat = sizeof(Vdut::m_rdata_i); // bytes
constexpr unsigned kWords = kBeat / 8;              // 64-bit words of a beat
constexpr size_t kBeats = 8192;                     // in memory
constexpr size_t kBytes = kBeats * kBeat;
constexpr int kOutstanding = 8; // of the module
constexpr uint64_t kBad = UINT64_C(0xbadbadbadbadbad0);

struct beat {
    size_t at; // in memory
    bool bad, last;
};

struct bench {
    VerilatedContext ctx;
    Vdut dut{&ctx};
    spacc_memory *memory;
    spacc_pins_in in{};
    std::mt19937_64 rng;
    std::vector<uint64_t> content;
    uint64_t base = 0;
    std::deque<beat> want;
    std::deque<uint64_t> want_error; // address of the first bad word of a command
    int errors = 0, words = 0, commands = 0, crossings = 0, bus_errors = 0, beats = 0;
    int cycles = 0, first_beat = -1, last_beat = -1; // when the stream gave words
    int ready_per_8 = 8;                             // chance that the consumer takes a word

    explicit bench(uint64_t seed)
        : memory(spacc_memory_new(seed, kBeat)), rng(seed), content(kBytes / 8)
    {
        for (uint64_t &w : content)
            w = rng();
        spacc_memory_alloc(memory, kBytes, &base, nullptr);
        spacc_memory_write(memory, base, content.data(), kBytes, nullptr);
    }
    ~bench()
    {
        spacc_memory_free(memory);
    }
    bench(const bench &) = delete;
    bench &operator=(const bench &) = delete;

    void fail(const char *what)
    {
        if (errors++ < 10)
            std::printf("word %d, command %d: %s\n", words, commands, what);
    }

    void drive()
    {
        dut.m_arready_i = in.arready;
        dut.m_rvalid_i = in.rvalid;
        spacc_port_put(dut.m_rdata_i, in.rdata);
        dut.m_rresp_i = in.rresp;
        dut.m_rlast_i = in.rlast;
    }

    void step_memory()
    {
        spacc_pins_out out{};
        out.arvalid = dut.m_arvalid_o;
        out.araddr = dut.m_araddr_o;
        out.arlen = dut.m_arlen_o;
        out.arsize = dut.m_arsize_o;
        out.arburst = dut.m_arburst_o;
        out.rready = dut.m_rready_o;
        spacc_memory_step(memory, &in, &out);
    }

    void take_word()
    {
        if (want.empty()) {
            fail("a word that nobody asked for");
            return;
        }
        uint64_t data[kWords];
        spacc_port_get(data, dut.out_data_o);
        for (unsigned w = 0; w < kWords; w++)
            if (data[w] != (want.front().bad ? kBad : content[want.front().at * kWords + w]))
                fail("wrong data");
        if (dut.out_last_o != want.front().last)
            fail("wrong last flag");
        want.pop_front();
        words++;
        last_beat = cycles;
        if (first_beat < 0)
            first_beat = cycles;
    }

    void take_error()
    {
        bus_errors++;
        if (want_error.empty() || dut.error_address_o != want_error.front())
            fail("an error that is not there, or at another address");
        if (!want_error.empty())
            want_error.pop_front();
    }

    // One clock cycle; true when the waiting command was taken.
    bool cycle()
    {
        drive();
        dut.out_ready_i = static_cast<int>(rng() % 8) < ready_per_8;
        dut.eval();
        const bool taken = dut.cmd_valid_i && dut.cmd_ready_o;
        beats += dut.beat_o;
        if (dut.out_valid_o && dut.out_ready_i)
            take_word();
        if (dut.error_o)
            take_error();
        step_memory();
        dut.clk_i = 1;
        dut.eval();
        dut.clk_i = 0;
        dut.eval();
        cycles++;
        return taken;
    }

    // `bad`: address of a byte that SLVERR spoils, or 0.
    void expect(uint64_t address, uint32_t count, uint64_t bad)
    {
        const bool spoilt = bad >= address && bad - address < 1ull * kBeat * count;
        const size_t first = (address - base) / kBeat;
        if (spoilt)
            want_error.push_back(bad / kBeat * kBeat);
        for (uint32_t i = 0; i < count; i++)
            want.push_back(
                {first + i, spoilt && first + i == (bad - base) / kBeat, i + 1 == count});
        crossings += address / 4096 != (address + 1ull * kBeat * count - 1) / 4096;
    }

    // Offer a command until it is taken.
    void give(uint64_t address, uint32_t count)
    {
        dut.cmd_valid_i = 1;
        dut.cmd_address_i = address;
        dut.cmd_beats_i = count;
        for (int i = 0; !cycle(); i++)
            if (i > 200000) {
                fail("command never taken");
                break;
            }
        dut.cmd_valid_i = 0;
        commands++;
    }

    void command(uint64_t address, uint32_t count, uint64_t bad = 0)
    {
        expect(address, count, bad);
        give(address, count);
    }

    void drain()
    {
        int i = 0;
        do {
            cycle();
            if (++i > 200000) {
                fail("never idle");
                break;
            }
        } while (!dut.idle_o);
        if (!want.empty() || !want_error.empty())
            fail("idle, but words or errors are missing");
    }

    void reset()
    {
        spacc_memory_reset(memory, &in);
        dut.rst_ni = 0;
        drive();
        for (int i = 0; i < 4; i++) {
            dut.clk_i = 1;
            dut.eval();
            dut.clk_i = 0;
            dut.eval();
        }
        dut.rst_ni = 1;
    }

    uint64_t random_address(uint32_t count)
    {
        return base + kBeat * (rng() % (kBeats - count + 1));
    }

    void random_commands(int how_many)
    {
        for (int i = 0; i < how_many; i++) {
            const uint32_t count = rng() % 4 == 0 ? 1 + rng() % 1500 : 1 + rng() % 40;
            command(random_address(count), count);
            if (rng() % 4 == 0)
                drain();
        }
        drain();
    }
};

// Cycles from the first word to the last of `commands` commands of `count` words each, of
// which none crosses a 4 KiB line.
int span(bench &b, int commands, uint32_t count)
{
    b.first_beat = -1;
    for (int i = 0; i < commands; i++)
        b.command(b.base + 4096 * (static_cast<unsigned>(i) % 16), count);
    b.drain();
    return b.last_beat - b.first_beat + 1;
}

void set_latency(bench &b, uint32_t cycles)
{
    spacc_memory_knobs knobs{};
    knobs.latency_cycles = cycles;
    spacc_memory_set(b.memory, &knobs);
}

// To the cycle: a beat every one where the bursts under way cover the latency; where they
// do not, so many bursts in the time that one is under way.
void commands_in_a_row_are_read_without_a_gap(bench &b)
{
    enum { COMMANDS = 10 * kOutstanding };
    int covered = 0, starved = 0;
    b.ready_per_8 = 8;
    for (uint32_t latency : {1u, 20u, 30u, 60u})
        for (uint32_t count = 2; count <= std::min(64u, 4096 / kBeat); count++) {
            set_latency(b, latency);
            const int n = static_cast<int>(count), turn = n + static_cast<int>(latency) + 1;
            const bool covers = kOutstanding * n >= turn;
            const int want = (COMMANDS / kOutstanding - 1) * std::max(kOutstanding * n, turn) +
                             kOutstanding * n;
            const int got = span(b, COMMANDS, count);
            (covers ? covered : starved)++;
            if (got != want) {
                std::printf("latency %u, commands of %u: %d cycles, want %d\n", latency, count,
                            got, want);
                b.fail("commands in a row lost cycles");
            }
        }
    if (covered < 100 || starved < 10)
        b.fail("too few cases");
}

// All of memory in one command: the first word comes two cycles and the latency after the
// command is offered; then one a cycle.
void a_long_command_is_read_without_a_gap(bench &b)
{
    set_latency(b, 30);
    b.first_beat = -1;
    const int before = b.cycles;
    b.command(b.base, kBeats);
    b.drain();
    if (b.first_beat - before != 32 || b.last_beat - b.first_beat + 1 != kBeats)
        b.fail("a long command lost cycles");
    std::printf("long command: first word after %d cycles, %d words in %d\n",
                b.first_beat - before, static_cast<int>(kBeats),
                b.last_beat - b.first_beat + 1);
}

void a_bad_word_is_reported_once_a_command(bench &b)
{
    for (int i = 0; i < 200; i++) {
        const uint32_t count = 1 + b.rng() % 600;
        const uint64_t address = b.random_address(count);
        spacc_memory_knobs knobs{};
        knobs.stall_per_1024 = 200;
        knobs.slverr_address = address + b.rng() % (1ull * kBeat * count);
        spacc_memory_set(b.memory, &knobs);
        b.command(address, count, knobs.slverr_address);
        b.drain();
    }
    // Beyond the buffer: many bad words, one report.
    const uint64_t end = b.base + kBytes;
    b.want_error.push_back(end);
    for (size_t i = 0; i < 300; i++)
        b.want.push_back({kBeats - 2 + i, i >= 2, i == 299});
    b.give(end - 2 * kBeat, 300);
    b.drain();
}

void abort_swallows_and_leaves_it_usable(bench &b)
{
    for (int i = 0; i < 100; i++) {
        const uint32_t count = 1 + b.rng() % 3000;
        b.command(b.random_address(count), count);
        for (uint64_t n = b.rng() % 200; n > 0; n--)
            b.cycle();
        b.dut.abort_i = 1;
        b.want.clear();
        int cycles = 0;
        do {
            b.cycle();
        } while (!b.dut.idle_o && ++cycles < 20000);
        if (!b.dut.idle_o)
            b.fail("abort never became idle");
        b.dut.abort_i = 0;
        b.command(b.base + kBeat, 700);
        b.drain();
    }
}

} // namespace

int main(int argc, char **argv)
{
    const uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 0) : 1;
    bench b(seed);
    b.reset();

    commands_in_a_row_are_read_without_a_gap(b);
    a_long_command_is_read_without_a_gap(b);
    set_latency(b, 0);
    b.random_commands(200);
    spacc_memory_knobs knobs{};
    knobs.stall_per_1024 = 300;
    spacc_memory_set(b.memory, &knobs);
    b.ready_per_8 = 5;
    b.random_commands(200);
    knobs.latency_cycles = 1;
    spacc_memory_set(b.memory, &knobs);
    b.random_commands(100);
    a_bad_word_is_reported_once_a_command(b);
    knobs.latency_cycles = 50;
    spacc_memory_set(b.memory, &knobs);
    abort_swallows_and_leaves_it_usable(b);

    const char *violation = spacc_memory_violation(b.memory);
    if (violation)
        b.fail(violation);
    uint64_t stalls[5];
    spacc_memory_stalls(b.memory, stalls);
    const bool exercised = b.words > 100000 && b.crossings > 50 && b.bus_errors == 201 &&
                           stalls[SPACC_AR] > 0 && stalls[SPACC_R] > 0;
    std::printf(
        "%s bits=%u seed=%" PRIu64 " words=%d beats=%d commands=%d crossings=%d bus_errors=%d "
        "stalls=%" PRIu64 "/%" PRIu64 " errors=%d\n",
        b.errors == 0 && exercised ? "PASS" : "FAIL", 8 * kBeat, seed, b.words, b.beats,
        b.commands, b.crossings, b.bus_errors, stalls[SPACC_AR], stalls[SPACC_R], b.errors);
    return b.errors == 0 && exercised ? 0 : 1;
}

#endif
