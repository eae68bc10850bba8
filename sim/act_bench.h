// act_bench.h - all 65536 codes through an activation unit, with random gaps, compared with
// the generated tables bit for bit and with exp() and tanh() in double. Prints the largest
// errors. Each bench defines SIGMOID and Unit, Verilator's class, first.
#ifndef SPACC_ACT_BENCH_H
#define SPACC_ACT_BENCH_H

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>

#include "rtl/act_tables.h"
#include "rtl/card_map.h"
#include "verilated.h"

static int table(const uint16_t *base, const uint16_t *slope, int z)
{
    const int m = std::abs(z) > 32767 ? 32767 : std::abs(z);
    return base[m >> 7] + ((slope[m >> 7] * (m & 127) + 64) >> 7);
}

static int want(unsigned kind, int z)
{
    if (SIGMOID) {
        const bool end = std::abs(z) >= 32767;
        const int y = end ? 32767 : table(spacc_sigmoid_base, spacc_sigmoid_slope, z);
        return z < 0 ? 32768 - y : y;
    }
    if (kind == SPACC_CARD_ACT_RELU)
        return z < 0 ? 0 : z;
    if (kind == SPACC_CARD_ACT_IDENTITY)
        return z;
    const int y = table(spacc_tanh_base, spacc_tanh_slope, z);
    return z < 0 ? -y : y;
}

static int run_act_bench(int argc, char **argv)
{
    const unsigned seed = argc > 1 ? (unsigned)std::atoi(argv[1]) : 1;
    std::mt19937 rng(seed);
    VerilatedContext context;
    Unit unit(&context);
    unit.clk_i = 0;
    unit.eval(); // an edge needs a cycle before it
    int errors = 0, gaps = 0;
    const unsigned kinds = SIGMOID ? 1 : 3;
    double worst[3] = {}, worst_inside = 0;

    for (unsigned kind = 0; kind < kinds; kind++) {
        std::deque<int> asked; // codes in the pipeline
        unsigned valid = 0;
        int checked = 0, last = -40000;
        for (int code = -32768; checked < 65536;) {
            const bool enter = code <= 32767 && rng() % 4 != 0;
            gaps += !enter && code <= 32767;
            if (valid & 4) { // it has passed three stages
                const int z = asked.front(), y = (int16_t)unit.y_o;
                asked.pop_front();
                if (y != want(kind, z) && errors++ < 10)
                    std::printf("kind %u z %d: got %d, want %d\n", kind, z, y, want(kind, z));
                if (y < last && errors++ < 10)
                    std::printf("kind %u falls at z %d\n", kind, z);
                last = y;
                const double x = z / 4096.0;
                const double exact = SIGMOID ? 1 / (1 + std::exp(-x)) : std::tanh(x);
                const double off = std::fabs(y / 32768.0 - exact);
                if (kind == 0 && off > worst[0])
                    worst[0] = off;
                if (kind == 0 && std::abs(z) < 32767 && off > worst_inside)
                    worst_inside = off;
                checked++;
            }
#if !SIGMOID
            unit.act_i = (uint8_t)kind;
#endif
            unit.z_i = (uint16_t)(enter ? code : (int)rng());
            unit.enable_i = (uint8_t)((valid << 1 | enter) & 7);
            valid = (valid << 1 | enter) & 15;
            if (enter)
                asked.push_back(code++);
            unit.clk_i = 1;
            unit.eval();
            unit.clk_i = 0;
            unit.eval();
        }
    }
    std::printf("seed %u: %u functions, 65536 codes each, %d gaps, %d errors; largest error of "
                "%s %.3g (below the last code: %.3g)\n",
                seed, kinds, gaps, errors, SIGMOID ? "sigmoid" : "tanh", worst[0],
                worst_inside);
    return errors != 0 || gaps == 0 || worst_inside >= 1.2e-4;
}

#endif
