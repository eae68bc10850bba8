// Random read commands against the memory model: data, order, last flags, errors, abort,
// and one beat a cycle with a polite memory. Replay a failure: ./tb_dma_read <seed>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>
#include <vector>

#include "Vspacc_dma_read.h"
#include "sim/memory.h"
#include "verilated.h"

namespace
{

constexpr size_t kBytes = 64 * 1024;

struct word {
    uint64_t data;
    bool last;
};

struct bench {
    VerilatedContext ctx;
    Vspacc_dma_read dut{&ctx};
    spacc_memory *memory;
    spacc_pins_in in{};
    std::mt19937_64 rng;
    std::vector<uint64_t> content;
    uint64_t base = 0;
    std::deque<word> want;
    std::deque<uint64_t> want_error; // address of the first bad word of a command
    int errors = 0, words = 0, commands = 0, crossings = 0, bus_errors = 0, beats = 0;
    int ready_per_8 = 8; // chance that the consumer takes a word

    explicit bench(uint64_t seed)
        : memory(spacc_memory_new(seed)), rng(seed), content(kBytes / 8)
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
        dut.m_rdata_i = in.rdata;
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
        if (dut.out_data_o != want.front().data)
            fail("wrong data");
        if (dut.out_last_o != want.front().last)
            fail("wrong last flag");
        want.pop_front();
        words++;
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
        return taken;
    }

    void expect(uint64_t address, uint32_t count, uint64_t bad)
    {
        const bool spoilt = bad >= address && bad - address < 8ull * count;
        if (spoilt)
            want_error.push_back(bad / 8 * 8);
        for (uint32_t i = 0; i < count; i++) {
            const uint64_t at = address + 8ull * i;
            const bool this_one = spoilt && at == bad / 8 * 8;
            want.push_back({this_one ? UINT64_C(0xbadbadbadbadbad0) : content[(at - base) / 8],
                            i + 1 == count});
        }
        crossings += address / 4096 != (address + 8ull * count - 1) / 4096;
    }

    void command(uint64_t address, uint32_t count, uint64_t bad = 0)
    {
        dut.cmd_valid_i = 1;
        dut.cmd_address_i = address;
        dut.cmd_beats_i = count;
        expect(address, count, bad);
        for (int i = 0; !cycle(); i++)
            if (i > 200000) {
                fail("command never taken");
                break;
            }
        dut.cmd_valid_i = 0;
        commands++;
    }

    // Cycles until idle.
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
        if (!want.empty() || !want_error.empty())
            fail("idle, but words or errors are missing");
        return cycles;
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
    }
};

// Cycles over beats for one long command, then for many short ones in a row.
void polite_memory_gives_a_beat_a_cycle(bench &b)
{
    b.ready_per_8 = 8;
    b.command(b.base, kBytes / 8);
    const int slack = b.drain() - static_cast<int>(kBytes / 8);
    if (slack > 40)
        b.fail("a long command lost cycles");
    int cycles = 0;
    const int before = b.words;
    for (int i = 0; i < 100; i++) {
        b.dut.cmd_valid_i = 1;
        b.dut.cmd_address_i = b.base + 4096ull * static_cast<unsigned>(i % 16);
        b.dut.cmd_beats_i = 16;
        b.expect(b.dut.cmd_address_i, 16, 0);
        for (bool taken = false; !taken; cycles++)
            taken = b.cycle();
        b.dut.cmd_valid_i = 0;
    }
    cycles += b.drain();
    if (b.words - before != 1600 || cycles > 1700)
        b.fail("short commands in a row lost cycles");
    std::printf("long command: %d cycles over its beats; 100 commands of 16: %d cycles\n",
                slack, cycles);
}

void a_bad_word_is_reported_once_a_command(bench &b)
{
    for (int i = 0; i < 200; i++) {
        const uint32_t count = 1 + b.rng() % 600;
        const uint64_t address = b.random_address(count);
        spacc_memory_knobs knobs{};
        knobs.stall_per_1024 = 200;
        knobs.slverr_address = address + b.rng() % (8ull * count);
        spacc_memory_set(b.memory, &knobs);
        b.command(address, count, knobs.slverr_address);
        b.drain();
    }
    // Beyond the buffer: many bad words, one report.
    const uint64_t end = b.base + kBytes;
    b.want_error.push_back(end);
    b.dut.cmd_valid_i = 1;
    b.dut.cmd_address_i = end - 16;
    b.dut.cmd_beats_i = 300;
    b.want.clear();
    for (int i = 0; i < 2; i++)
        b.want.push_back({b.content[b.content.size() - 2 + static_cast<unsigned>(i)], false});
    for (int i = 0; i < 298; i++)
        b.want.push_back({UINT64_C(0xbadbadbadbadbad0), i == 297});
    while (!b.cycle()) {
    }
    b.dut.cmd_valid_i = 0;
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
        b.command(b.base + 8, 700);
        b.drain();
    }
}

} // namespace

int main(int argc, char **argv)
{
    const uint64_t seed = argc > 1 ? std::strtoull(argv[1], nullptr, 0) : 1;
    bench b(seed);
    b.reset();

    polite_memory_gives_a_beat_a_cycle(b);
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
    std::printf("%s seed=%" PRIu64 " words=%d beats=%d commands=%d crossings=%d bus_errors=%d "
                "stalls=%" PRIu64 "/%" PRIu64 " errors=%d\n",
                b.errors == 0 && exercised ? "PASS" : "FAIL", seed, b.words, b.beats,
                b.commands, b.crossings, b.bus_errors, stalls[SPACC_AR], stalls[SPACC_R],
                b.errors);
    return b.errors == 0 && exercised ? 0 : 1;
}
