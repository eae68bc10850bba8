// Runs random programs of small layers of every cell on a whole card through AXI4-Lite and a
// memory that stalls at random, and compares all of memory, saturation counts, bytes and cycle
// causes with a model written from rtl/README.md. Then provokes every error and checks that the
// next run is right.
//
//   tb_core [seed [programs]]    replay a failure with its seed; fewer than 20: no errors
//   tb_core targets              cycles a step of the layers that the card is made for; fails
//                                when one takes longer than it should
//   tb_core speed STEPS          one LSTM: cycles a step and simulated cycles a second
//
// core_bench.h   card and memory          core_random.h   random programs
// core_model.h   what a program does      core_errors.h   errors, interruptions
// core_program.h layers and programs      core_targets.h  cycles
// core_check.h   card against model
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "Vcard.h" // built once a configuration: see CMakeLists.txt
#include "sim/core_bench.h"
#include "sim/core_errors.h"
#include "sim/core_targets.h"

namespace
{

int speed(Bench &b, const Card &c, unsigned steps)
{
    unsigned units = 1024; // or what fits
    while (units > c.units || units / c.quads() * (2 * units / 8 / c.lanes) > c.weight_words)
        units /= 2;
    const unsigned k = std::max(units / 8 / c.lanes, 1u);
    const Shape shape = {"LSTM", SPACC_CARD_CELL_LSTM, units, units, 1, units, k, k, 0, 8, 0,
                         false};
    std::printf("%u units, %u + %u weights a bank, %u steps on %ux%u\n", units, k, k, steps,
                c.pes, c.lanes);
    const uint64_t from = b.now;
    const auto begin = std::chrono::steady_clock::now();
    step_cycles(b, c, {shape}, steps);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::printf("%.0f kcycles/s with the model, %.2f ms a step\n",
                (double)(b.now - from) / seconds / 1e3, seconds * 1e3 / steps);
    return errors != 0;
}

constexpr unsigned kErrorsFrom = 20; // a netlist of gates is too slow for the errors

// Nothing that the bench is for may be missing in what it drew.
void check_coverage(const Bench &b, const Card &c, const Coverage &seen)
{
    for (uint64_t stall : b.stalls)
        expect(stall > 0, "stalls", stall, 1);
    for (int i = 0; i < kCauses; i++) // rows of 4 * cells PEs never hold the array back
        if (c.pes > 4 * c.cells || i != SPACC_COUNTER_CELL - SPACC_COUNTER_ISSUE)
            expect(seen.cause[i] > 0, "runs with a cause", seen.cause[i], 1);
    for (uint64_t runs : seen.cell)
        expect(runs > 0, "runs of a cell", runs, 1);
    expect(seen.gate > 0 && seen.state > 0, "saturations", seen.gate, 1);
    expect(c.batch == 1 || seen.batch > 0, "batches", seen.batch, 1);
    expect(c.weight_bits == 8 || seen.wide > 0, "int16 weights", seen.wide, 1);
    expect(seen.prologue > 0 && seen.prologue_b > 0, "prologues", seen.prologue_b, 1);
    expect(!c.queue || (seen.masked > 0 && seen.overlap > 0), "masks", seen.masked, 1);
    expect(seen.streams > 0, "streams", seen.streams, 1);
    expect(seen.slots > 0 && seen.zero > 0, "slots, zeros", seen.slots, 1);
    expect(seen.chained > 0 && seen.continued > 0, "RUNs on others", seen.chained, 1);
}

void print_coverage(const Bench &b, const Coverage &seen)
{
    const auto n = [](uint64_t v) { return (unsigned long long)v; };
    std::printf("%llu layers, %llu runs: cells", n(seen.layers), n(seen.runs));
    for (uint64_t runs : seen.cell)
        std::printf(" %llu", n(runs));
    std::printf(
        "; batch %llu, prologue %llu, b %llu, streams %llu, int16 %llu, slots %llu, masked "
        "%llu, overlap %llu, zero %llu, chained %llu, continued %llu; %llu aborts\n",
        n(seen.batch), n(seen.prologue), n(seen.prologue_b), n(seen.streams), n(seen.wide),
        n(seen.slots), n(seen.masked), n(seen.overlap), n(seen.zero), n(seen.chained),
        n(seen.continued), n(seen.aborts));
    std::printf("saturations: gate %llu, state %llu; stalls AR %llu R %llu AW %llu W %llu B "
                "%llu; programs with each cause",
                n(seen.gate), n(seen.state), n(b.stalls[0]), n(b.stalls[1]), n(b.stalls[2]),
                n(b.stalls[3]), n(b.stalls[4]));
    for (uint64_t cause : seen.cause)
        std::printf(" %llu", n(cause));
    std::printf("; %d errors\ntrail %016llx after %llu cycles\n", errors, n(b.trail), n(b.now));
}

// Stalls and latency for program number i: none, some, many; now and then slow writes.
void draw_bus(Bench &b, unsigned i)
{
    b.stall_per_16 = i % 3 == 0 ? 0 : i % 3 == 1 ? 4 : 14;
    b.write_stall_per_16 = i % 7 == 3 ? 15 : 0;
    b.latency = (unsigned)below(i % 5 ? 40 : 400);
}

void random_programs(Bench &b, const Card &c, unsigned count, Coverage *seen)
{
    for (unsigned i = 0; i < count && errors == 0; i++) {
        draw_bus(b, i);
        const int cell = i % 7 == 3 ? SPACC_CARD_CELL_LINEAR : (int)(i % 5);
        const Plan p = random_program(b, c, cell, seen);
        run_and_check(b, p, seen);
        if (errors)
            std::printf("program %u, first cell %d\n", i, cell);
    }
}

int random_tests(Bench &b, const Card &c, unsigned programs, bool drew_enough)
{
    Coverage seen;
    random_programs(b, c, programs, &seen);
    b.stall_per_16 = 2;
    b.write_stall_per_16 = 0;
    b.latency = 20;
    if (errors == 0 && programs >= kErrorsFrom)
        check_errors(b, c, &seen);
    clear_faults(b);
    check_drain(b, c);
    print_coverage(b, seen);
    if (errors == 0 && drew_enough)
        check_coverage(b, c, seen);
    return errors != 0;
}

} // namespace

int main(int argc, char **argv)
{
    const std::string mode = argc > 1 ? argv[1] : "";
    const unsigned seed = argc > 1 ? (unsigned)std::atoi(argv[1]) : 1;
    rng.seed(seed);
    Bench b;
    const Card c = identify(b);
    if (mode == "targets")
        return targets(b, c);
    if (mode == "speed" && argc == 3)
        return speed(b, c, (unsigned)std::atoi(argv[2]));
    const unsigned usual = c.pes >= 64 ? 20 : 70;
    std::printf("seed %u, card %ux%u\n", seed, c.pes, c.lanes);
    const unsigned programs = argc > 2 ? (unsigned)std::atoi(argv[2]) : usual;
    return random_tests(b, c, programs, programs >= usual);
}
