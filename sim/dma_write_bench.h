// dma_write_bench.h - random write commands against the memory model: what lands in memory,
// done and error pulses, abort, one beat a cycle with a polite memory, to the cycle, and
// that a slow producer never holds the bus. Included once by each bench, behind
// `using Vdut =` Verilator's class for its width.
#ifndef SPACC_SIM_DMA_WRITE_BENCH_H
#define SPACC_SIM_DMA_WRITE_BENCH_H

#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <random>
#include <vector>

#include "sim/memory.h"
#include "sim/port.h"
#include "verilated.h"

namespace
{

constexpr unsigned kBeat = sizeof(Vdut::m_wdata_o); // bytes
constexpr unsigned kWords = kBeat / 8;              // 64-bit words of a beat
constexpr uint64_t kStrobes = kBeat == 64 ? UINT64_MAX : (UINT64_C(1) << kBeat % 64) - 1;
constexpr size_t kBeats = 8192; // in memory
constexpr size_t kBytes = kBeats * kBeat;
constexpr int kBurst = 16;      // MaxBurst of the module
constexpr int kOutstanding = 8; // and its Outstanding

struct bench {
    VerilatedContext ctx;
    Vdut dut{&ctx};
    spacc_memory *memory;
    spacc_pins_in in{};
    std::mt19937_64 rng;
    std::vector<uint64_t> content; // what memory must hold, kWords a beat
    uint64_t base = 0;
    std::deque<uint64_t> to_send; // kWords a beat
    int errors = 0, words = 0, commands = 0, crossings = 0, dones = 0, bus_errors = 0;
    int cycles = 0, first_beat = -1, last_beat = -1; // when W gave words
    int held = 0;                           // cycles in which a begun burst had no word to give
    int owed = 0;                           // words of begun bursts not yet sent
    int producer_per_8 = 8;                 // chance that the producer has a word
    uint64_t error_low = 0, error_high = 0; // where an error may be reported

    explicit bench(uint64_t seed)
        : memory(spacc_memory_new(seed, kBeat)), rng(seed), content(kBytes / 8)
    {
        spacc_memory_alloc(memory, kBytes, &base, nullptr);
        std::memset(content.data(), 0xa5, kBytes);
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
        dut.m_awready_i = in.awready;
        dut.m_wready_i = in.wready;
        dut.m_bvalid_i = in.bvalid;
        dut.m_bresp_i = in.bresp;
        if (!dut.in_valid_i && !to_send.empty() &&
            static_cast<int>(rng() % 8) < producer_per_8) {
            dut.in_valid_i = 1;
            uint64_t data[kWords];
            std::copy_n(to_send.begin(), kWords, data);
            spacc_port_put(dut.in_data_i, data);
        }
    }

    void step_memory()
    {
        spacc_pins_out out{};
        out.awvalid = dut.m_awvalid_o;
        out.awaddr = dut.m_awaddr_o;
        out.awlen = dut.m_awlen_o;
        out.awsize = dut.m_awsize_o;
        out.awburst = dut.m_awburst_o;
        out.wvalid = dut.m_wvalid_o;
        spacc_port_get(out.wdata, dut.m_wdata_o);
        out.wstrb = dut.m_wstrb_o;
        out.wlast = dut.m_wlast_o;
        out.bready = dut.m_bready_o;
        owed += out.awvalid && in.awready ? out.awlen + 1 : 0;
        held += owed > 0 && !out.wvalid;
        owed -= out.wvalid && in.wready;
        if (out.wvalid && out.wstrb != kStrobes)
            fail("a byte is not written");
        if (out.wvalid && in.wready)
            last_beat = cycles;
        if (first_beat < 0)
            first_beat = last_beat;
        spacc_memory_step(memory, &in, &out);
    }

    // One clock cycle; true when the waiting command was taken.
    bool cycle()
    {
        drive();
        dut.eval();
        const bool taken = dut.cmd_valid_i && dut.cmd_ready_o;
        const bool sent = dut.in_valid_i && dut.in_ready_o;
        words += dut.beat_o;
        dones += dut.done_o;
        if (dut.error_o) {
            bus_errors++;
            if (dut.error_address_o < error_low || dut.error_address_o > error_high)
                fail("an error at another address");
        }
        step_memory();
        dut.clk_i = 1;
        dut.eval();
        dut.clk_i = 0;
        dut.eval();
        if (sent) {
            if (!to_send.empty())
                to_send.erase(to_send.begin(), to_send.begin() + kWords);
            dut.in_valid_i = 0;
        }
        cycles++;
        return taken;
    }

    // Words for a command, for the producer to send.
    void queue(uint64_t address, uint32_t count)
    {
        const size_t first = (address - base) / 8;
        for (size_t i = 0; i < size_t{count} * kWords; i++) {
            const uint64_t value = rng();
            to_send.push_back(value);
            if (first + i < content.size())
                content[first + i] = value;
        }
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

    void command(uint64_t address, uint32_t count)
    {
        queue(address, count);
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
        if (dones != commands)
            fail("idle, but dones are missing");
        dones = commands;
    }

    void compare()
    {
        std::vector<uint64_t> got(content.size());
        spacc_memory_read(memory, base, got.data(), kBytes, nullptr);
        for (size_t i = 0; i < got.size(); i++)
            if (got[i] != content[i]) {
                fail("memory differs");
                return;
            }
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
        compare();
    }
};

struct order {
    uint64_t address;
    uint32_t count;
};

// Cycles from the first word on W to the last, all words of all commands being ready.
int span(bench &b, const std::vector<order> &orders)
{
    for (const order &o : orders)
        b.queue(o.address, o.count);
    b.first_beat = b.last_beat = -1;
    for (const order &o : orders)
        b.give(o.address, o.count);
    b.drain();
    return b.last_beat - b.first_beat + 1;
}

void set_latency(bench &b, uint32_t cycles)
{
    spacc_memory_knobs knobs{};
    knobs.latency_cycles = cycles;
    spacc_memory_set(b.memory, &knobs);
}

// To the cycle: a word every one where the bursts under way cover the latency; where they
// do not, so many bursts in the time that one is under way.
void commands_in_a_row_are_written_without_a_gap(bench &b)
{
    enum { COMMANDS = 6 * kOutstanding };
    int covered = 0, starved = 0;
    for (uint32_t latency : {1u, 20u, 30u})
        for (uint32_t count = 2; count <= 64; count += count < 20 ? 1 : 4) {
            const int n = static_cast<int>(count), burst = std::min(n, kBurst);
            const int turn = burst + static_cast<int>(latency) + 1;
            const bool covers = kOutstanding * burst >= turn;
            std::vector<order> orders;
            for (unsigned i = 0; i < COMMANDS; i++)
                orders.push_back({b.base + 4096 * (i % 16), count});
            set_latency(b, latency);
            const int got = span(b, orders);
            const int want = (COMMANDS / kOutstanding - 1) * std::max(kOutstanding * n, turn) +
                             kOutstanding * n;
            (covers ? covered : starved)++;
            if (got != want) {
                std::printf("latency %u, commands of %u: %d cycles, want %d\n", latency, count,
                            got, want);
                b.fail("commands in a row lost cycles");
            }
        }
    if (covered < 50 || starved < 3)
        b.fail("too few cases");
    b.compare();
}

// Short before long: a burst waits until all its words are there, less than MaxBurst cycles
// in all, however many commands there are.
void mixed_commands_lose_less_than_a_burst(bench &b)
{
    set_latency(b, 30);
    for (int i = 0; i < 20; i++) {
        std::vector<order> orders;
        int sum = 0;
        for (unsigned n = 0; n < 100; n++) {
            const uint32_t count = 8 + static_cast<uint32_t>(b.rng() % 57);
            const uint64_t room = 4096 / kBeat - std::min(4096 / kBeat, count);
            orders.push_back(
                {b.base + 4096 * (b.rng() % 16) + kBeat * (b.rng() % (room + 1)), count});
            sum += static_cast<int>(count);
        }
        const int lost = span(b, orders) - sum;
        if (lost < 0 || lost >= kBurst)
            b.fail("mixed commands lost cycles");
    }
    b.compare();
}

// All of memory in one command: the first word goes once a burst is there.
void a_long_command_is_written_without_a_gap(bench &b)
{
    const int before = b.cycles;
    const int got = span(b, {{b.base, kBeats}});
    if (b.first_beat - before != kBurst + 1 || got != kBeats)
        b.fail("a long command lost cycles");
    std::printf("long command: first word after %d cycles, %d words in %d\n",
                b.first_beat - before, static_cast<int>(kBeats), got);
    b.compare();
}

// The word that SLVERR spoils keeps its old value; one report a command.
void a_bad_burst_is_reported_once_a_command(bench &b)
{
    for (int i = 0; i < 200; i++) {
        const uint32_t count = 1 + b.rng() % 200;
        const uint64_t address = b.random_address(count);
        spacc_memory_knobs knobs{};
        knobs.stall_per_1024 = 200;
        knobs.slverr_address = address + b.rng() % (1ull * kBeat * count);
        spacc_memory_set(b.memory, &knobs);
        const size_t bad = (knobs.slverr_address - b.base) / kBeat * kWords;
        const std::vector<uint64_t> old(b.content.begin() + static_cast<ptrdiff_t>(bad),
                                        b.content.begin() +
                                            static_cast<ptrdiff_t>(bad + kWords));
        b.error_high = knobs.slverr_address;
        b.error_low = knobs.slverr_address - kBeat * kBurst + 1;
        const int before = b.bus_errors;
        b.command(address, count);
        std::copy(old.begin(), old.end(), b.content.begin() + static_cast<ptrdiff_t>(bad));
        b.drain();
        if (b.bus_errors != before + 1)
            b.fail("not exactly one error");
    }
    b.error_low = b.error_high = b.base + kBytes; // beyond the buffer: many bad bursts
    b.command(b.base + kBytes - 16 * kBeat, 16 + 100);
    b.drain();
    b.compare();
}

void abort_ends_begun_bursts_and_leaves_it_usable(bench &b)
{
    for (int i = 0; i < 100; i++) {
        const uint32_t count = 1 + b.rng() % 300;
        b.command(b.random_address(count), count);
        for (uint64_t n = b.rng() % 200; n > 0; n--)
            b.cycle();
        b.dut.abort_i = 1;
        int cycles = 0;
        do {
            b.cycle();
        } while ((!b.dut.idle_o || !b.to_send.empty()) && ++cycles < 20000);
        if (!b.dut.idle_o)
            b.fail("abort never became idle");
        b.cycle();
        b.dut.abort_i = 0;
        b.dones = b.commands;
        // An aborted command has written a part: write everything anew.
        b.command(b.base, kBeats);
        b.drain();
        b.compare();
    }
}

} // namespace

int main(int argc, char **argv)
{
    const uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 0) : 1;
    bench b(seed);
    b.reset();

    commands_in_a_row_are_written_without_a_gap(b);
    mixed_commands_lose_less_than_a_burst(b);
    a_long_command_is_written_without_a_gap(b);
    set_latency(b, 0);
    b.random_commands(200);
    spacc_memory_knobs knobs{};
    knobs.stall_per_1024 = 300;
    spacc_memory_set(b.memory, &knobs);
    b.random_commands(200);
    knobs.latency_cycles = 1;
    spacc_memory_set(b.memory, &knobs);
    b.producer_per_8 = 2;
    b.random_commands(100);
    const int held = b.held;
    if (held != 0)
        b.fail("a slow producer held the bus");
    a_bad_burst_is_reported_once_a_command(b);
    b.producer_per_8 = 6;
    knobs.latency_cycles = 50;
    spacc_memory_set(b.memory, &knobs);
    abort_ends_begun_bursts_and_leaves_it_usable(b);

    const char *violation = spacc_memory_violation(b.memory);
    if (violation)
        b.fail(violation);
    uint64_t stalls[5];
    spacc_memory_stalls(b.memory, stalls);
    const bool exercised = b.words > 100000 && b.crossings > 50 && b.bus_errors == 201 &&
                           stalls[SPACC_AW] > 0 && stalls[SPACC_W] > 0 && stalls[SPACC_B] > 0;
    std::printf("%s bits=%u seed=%" PRIu64 " words=%d commands=%d crossings=%d bus_errors=%d "
                "stalls=%" PRIu64 "/%" PRIu64 "/%" PRIu64 " errors=%d\n",
                b.errors == 0 && exercised ? "PASS" : "FAIL", 8 * kBeat, seed, b.words,
                b.commands, b.crossings, b.bus_errors, stalls[SPACC_AW], stalls[SPACC_W],
                stalls[SPACC_B], b.errors);
    return b.errors == 0 && exercised ? 0 : 1;
}

#endif
