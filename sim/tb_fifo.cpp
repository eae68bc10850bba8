// verilator: -GWidth=16 -GDepth=5
// Random puts and takes against a std::deque, in phases that fill and that drain it.
// Replay a failure: ./tb_fifo <seed>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>

#include "Vspacc_fifo.h"
#include "verilated.h"

int main(int argc, char **argv)
{
    const unsigned depth = 5;
    const unsigned seed = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 1;
    std::mt19937 rng(seed);
    VerilatedContext ctx;
    Vspacc_fifo dut(&ctx);
    std::deque<uint16_t> want;
    int errors = 0, taken = 0, full = 0, empty = 0, streamed = 0, idle_gap = 0;

    auto edge = [&] {
        dut.clk_i = 1;
        dut.eval();
        dut.clk_i = 0;
        dut.eval();
    };
    dut.rst_ni = 0;
    edge();
    dut.rst_ni = 1;
    dut.in_valid_i = 0;

    for (int cycle = 0; cycle < 40000; cycle++) {
        const int phase = cycle / 100 % 4; // fill, drain, both slow, both always
        if (!dut.in_valid_i) {
            dut.in_valid_i = phase == 0 || phase == 3 || rng() % 3 == 0;
            dut.in_data_i = static_cast<uint16_t>(rng());
        }
        dut.out_ready_i = phase == 1 || phase == 3 || rng() % 3 == 0;
        dut.eval();
        if (dut.level_o != want.size() || dut.in_ready_o != (want.size() < depth))
            errors++;
        full += want.size() == depth;
        empty += want.empty();
        // A word may take two cycles to show, no more.
        idle_gap = !want.empty() && !dut.out_valid_o ? idle_gap + 1 : 0;
        errors += idle_gap > 1;
        const bool put = dut.in_valid_i && dut.in_ready_o;
        if (dut.out_valid_o && dut.out_ready_i) {
            if (want.empty() || dut.out_data_o != want.front())
                errors++;
            if (!want.empty())
                want.pop_front();
            taken++;
            streamed += put && phase == 3;
        }
        if (put)
            want.push_back(dut.in_data_i);
        edge();
        if (put)
            dut.in_valid_i = 0;
    }
    // 100 phases of 100 cycles in which both sides are always ready.
    const bool exercised = taken > 10000 && full > 100 && empty > 100 && streamed > 9000;
    std::printf("%s seed=%u taken=%d full=%d empty=%d streamed=%d errors=%d\n",
                errors == 0 && exercised ? "PASS" : "FAIL", seed, taken, full, empty, streamed,
                errors);
    return errors == 0 && exercised ? 0 : 1;
}
