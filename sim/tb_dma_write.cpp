// Random write commands against the memory model: what lands in memory, done and error
// pulses, abort, one beat a cycle with a polite memory, and that a slow producer never
// holds the bus. Replay a failure: ./tb_dma_write <seed>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <random>
#include <vector>

#include "Vspacc_dma_write.h"
#include "sim/memory.h"
#include "verilated.h"

namespace
{

constexpr size_t kBytes = 64 * 1024;
constexpr int kBurst = 16; // MaxBurst of the module

struct bench {
    VerilatedContext ctx;
    Vspacc_dma_write dut{&ctx};
    spacc_memory *memory;
    spacc_pins_in in{};
    std::mt19937_64 rng;
    std::vector<uint64_t> content; // what memory must hold
    uint64_t base = 0;
    std::deque<uint64_t> to_send;
    int errors = 0, words = 0, commands = 0, crossings = 0, dones = 0, bus_errors = 0;
    int held = 0;                           // cycles in which a begun burst had no word to give
    int owed = 0;                           // words of begun bursts not yet sent
    int producer_per_8 = 8;                 // chance that the producer has a word
    uint64_t error_low = 0, error_high = 0; // where an error may be reported

    explicit bench(uint64_t seed)
        : memory(spacc_memory_new(seed)), rng(seed), content(kBytes / 8)
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
            dut.in_data_i = to_send.front();
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
        out.wdata = dut.m_wdata_o;
        out.wstrb = dut.m_wstrb_o;
        out.wlast = dut.m_wlast_o;
        out.bready = dut.m_bready_o;
        owed += out.awvalid && in.awready ? out.awlen + 1 : 0;
        held += owed > 0 && !out.wvalid;
        owed -= out.wvalid && in.wready;
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
                to_send.pop_front();
            dut.in_valid_i = 0;
        }
        return taken;
    }

    void command(uint64_t address, uint32_t count)
    {
        for (uint32_t i = 0; i < count; i++) {
            const uint64_t value = rng();
            to_send.push_back(value);
            const uint64_t at = (address - base) / 8 + i;
            if (at < content.size())
                content[at] = value;
        }
        crossings += address / 4096 != (address + 8ull * count - 1) / 4096;
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

    int drain()
    {
        int cycles = 0;
        do {
            cycle();
            if (++cycles > 200000) {
                fail("never idle");
                break;
            }
        } while (!dut.idle_o);
        if (dones != commands)
            fail("idle, but dones are missing");
        dones = commands;
        return cycles;
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
        return base + 8 * (rng() % (kBytes / 8 - count + 1));
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

void polite_memory_takes_a_beat_a_cycle(bench &b)
{
    b.command(b.base, kBytes / 8);
    const int slack = b.drain() - static_cast<int>(kBytes / 8);
    if (slack > kBurst + 40)
        b.fail("a long command lost cycles");
    std::printf("long command: %d cycles over its beats\n", slack);
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
        knobs.slverr_address = address + b.rng() % (8ull * count);
        spacc_memory_set(b.memory, &knobs);
        const size_t bad = (knobs.slverr_address - b.base) / 8;
        const uint64_t old = b.content[bad];
        b.error_high = knobs.slverr_address;
        b.error_low = knobs.slverr_address - 8 * kBurst + 1;
        const int before = b.bus_errors;
        b.command(address, count);
        b.content[bad] = old;
        b.drain();
        if (b.bus_errors != before + 1)
            b.fail("not exactly one error");
    }
    b.error_low = b.error_high = b.base + kBytes; // beyond the buffer: many bad bursts
    b.command(b.base + kBytes - 16 * 8, 16 + 100);
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
        b.command(b.base, kBytes / 8);
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

    polite_memory_takes_a_beat_a_cycle(b);
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
    std::printf("%s seed=%" PRIu64 " words=%d commands=%d crossings=%d bus_errors=%d "
                "stalls=%" PRIu64 "/%" PRIu64 "/%" PRIu64 " errors=%d\n",
                b.errors == 0 && exercised ? "PASS" : "FAIL", seed, b.words, b.commands,
                b.crossings, b.bus_errors, stalls[SPACC_AW], stalls[SPACC_W], stalls[SPACC_B],
                b.errors);
    return b.errors == 0 && exercised ? 0 : 1;
}
