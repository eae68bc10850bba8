// pe_bench.h - fills the memories of a PE with random words, sends random parts of rows with
// random gaps (from 0, from a partial sum, from what is there; kept or not), and compares every
// sum with plain C arithmetic. x, h and partial sums are written while parts are under way, as
// in a run. Included once by each bench, behind `using Vdut =` Verilator's class and the unit's
// parameters kLanes, kBeatLanes, kHLanes, kRows, kWeightBits, kActBits. Replay a failure:
// ./tb_pe <seed>
#ifndef SPACC_SIM_PE_BENCH_H
#define SPACC_SIM_PE_BENCH_H

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>
#include <vector>

#include "verilated.h"

namespace
{

constexpr unsigned levels(unsigned lanes)
{
    return lanes > 1 ? 1 + levels(lanes / 2) : 0;
}
constexpr unsigned kWords = 64, kXWords = 64, kHWords = 32, kPsums = 8; // as in the benches
constexpr unsigned kStages = levels(kLanes) + 6, kHere = kRows == 1 ? 3 : 12;

// Bits low.. of a port, whatever Verilator makes of its width.
template <typename Port> void put(Port &port, unsigned low, unsigned bits, uint64_t value)
{
    const uint64_t mask = ((uint64_t)1 << bits) - 1;
    port = (Port)((port & ~(mask << low)) | (value & mask) << low);
}
template <std::size_t Words>
void put(VlWide<Words> &port, unsigned low, unsigned bits, uint64_t value)
{
    for (unsigned at = low; at < low + bits; at++) {
        const uint32_t one = 1u << at % 32;
        port[at / 32] = value >> (at - low) & 1 ? port[at / 32] | one : port[at / 32] & ~one;
    }
}

int64_t sum_of(uint64_t port, unsigned)
{
    return (int64_t)(port << 16) >> 16;
}
template <std::size_t Words> int64_t sum_of(const VlWide<Words> &port, unsigned row)
{
    uint64_t sum = 0;
    for (unsigned half = 0; half < 3; half++) // of 16 bits
        sum |= (uint64_t)(port[(48 * row + 16 * half) / 32] >> (48 * row + 16 * half) % 32 &
                          0xffff)
               << 16 * half;
    return sum_of(sum, 0);
}

struct Position {
    bool valid, first, from_psum, store, h, zero;
    unsigned word, base, psum;
};

class PeBench
{
  public:
    explicit PeBench(uint64_t seed) : rng(seed)
    {
        context.assertOn(true);
        for (unsigned row = 0; row < kRows; row++) {
            weight[row].resize(kWords * kLanes);
            psum[row].resize(kPsums);
        }
        pe.clk_i = 0;
        pe.id_i = kHere / kRows;
        pe.ww_valid_i = pe.xw_valid_i = pe.hw_valid_i = pe.psum_write_i = 0;
        pe.enable_i = 0;
        pe.eval();
    }

    void fill()
    {
        for (unsigned row = kRows; row-- > 0;) // the indices of the first one count
            fill_weights(kHere + row);
        // The same for PEs whose number is one bit off, which must change nothing.
        for (unsigned bit = levels(kRows); bit < 16; bit++)
            fill_weights(kHere ^ 1u << bit);
        for (unsigned word = 0; word < kXWords; word++)
            for (unsigned slice = 0; slice < kLanes / kBeatLanes; slice++) {
                write_x(word, slice);
                edge();
            }
        pe.xw_valid_i = 0;
        for (unsigned word = 0; word < kHWords; word++)
            for (unsigned slice = 0; slice < kLanes / kHLanes; slice++) {
                write_h(word, slice, true);
                edge();
            }
        pe.hw_valid_i = 0;
    }

    // True when nothing was wrong and everything was tried.
    bool run(unsigned parts)
    {
        for (int limit = 0; done < parts && limit < 4000000; limit++)
            cycle();
        std::printf("%u lanes, %u rows, %u-bit weights, %u-bit x: %u parts, %u kept, %u from "
                    "kept, %u gaps, %u of h, "
                    "%u zero, %u x and %u h writes meanwhile, %d errors\n",
                    kLanes, kRows, kWeightBits, kActBits, done, kept, taken, gaps, h_positions,
                    zeros, x_writes, h_writes, errors);
        return errors == 0 && done == parts && kept && taken && gaps && h_positions && zeros &&
               x_writes && h_writes;
    }

  private:
    std::mt19937_64 rng;
    VerilatedContext context;
    Vdut pe{&context};
    std::vector<int16_t> weight[kRows];
    std::vector<uint8_t> index = std::vector<uint8_t>(kWords * kLanes);
    std::vector<int16_t> x = std::vector<int16_t>(kXWords * kLanes);
    std::vector<int16_t> h = std::vector<int16_t>(kHWords * kLanes);
    std::vector<int64_t> psum[kRows];
    std::vector<int> psum_age = std::vector<int>(kPsums, -1); // cycles since kept; -1: never
    std::deque<Position> pipe = std::deque<Position>(kStages + 1, Position());
    std::deque<int64_t> sums[kRows]; // of positions that are past stage 2
    int64_t acc[kRows] = {};         // of the part whose position was last in the last stage
    unsigned left = 0;               // positions of the part that is being sent
    bool ends_kept = false;
    Position next = {};
    unsigned done = 0, kept = 0, taken = 0, gaps = 0, h_positions = 0, zeros = 0;
    unsigned x_writes = 0, h_writes = 0;
    int errors = 0;

    unsigned below(unsigned n)
    {
        return (unsigned)(rng() % n);
    }

    void edge()
    {
        pe.clk_i = 1;
        pe.eval();
        pe.clk_i = 0;
        pe.eval();
    }

    int16_t any16()
    {
        return below(16) ? (int16_t)rng() : (int16_t)INT16_MIN;
    }

    int16_t any_x()
    {
        return (int16_t)(any16() >> (16 - kActBits));
    }

    // Two in a multiplier are exact up to 127; extremes are often drawn.
    int16_t any_weight()
    {
        if (kWeightBits == 16)
            return any16();
        if (kActBits == 16)
            return below(16) ? (int8_t)rng() : -128;
        return (int16_t)(below(4) ? (int)below(255) - 127 : below(2) ? 127 : -127);
    }

    void fill_weights(unsigned pe_id)
    {
        for (unsigned word = 0; word < kWords; word++)
            for (unsigned slice = 0; slice < kLanes / kBeatLanes; slice++)
                write_weights(pe_id, word, slice);
    }

    void write_weights(unsigned pe_id, unsigned word, unsigned slice)
    {
        pe.ww_valid_i = 1;
        pe.ww_pe_i = (uint16_t)pe_id;
        edge();
        pe.ww_valid_i = 0;
        pe.ww_word_i = (uint8_t)word;
        pe.ww_slice_i = (uint8_t)slice;
        for (unsigned l = 0; l < kBeatLanes; l++) {
            const int16_t w = any_weight();
            const uint8_t at = (uint8_t)rng(); // past the end it wraps
            put(pe.ww_weight_i, kWeightBits * l, kWeightBits, (uint16_t)w);
            put(pe.ww_index_i, 8 * l, 8, at);
            if (pe_id >= kHere && pe_id < kHere + kRows)
                weight[pe_id - kHere][word * kLanes + slice * kBeatLanes + l] = w;
            if (pe_id == kHere)
                index[word * kLanes + slice * kBeatLanes + l] = at;
        }
        edge();
    }

    void write_x(unsigned word, unsigned slice)
    {
        pe.xw_valid_i = 1;
        pe.xw_word_i = (uint8_t)word;
        pe.xw_slice_i = (uint8_t)slice;
        for (unsigned l = 0; l < kBeatLanes; l++) {
            const int16_t v = any_x();
            put(pe.xw_data_i, kActBits * l, kActBits, (uint16_t)v);
            x[word * kLanes + slice * kBeatLanes + l] = v;
        }
    }

    void write_h(unsigned word, unsigned slice, bool all)
    {
        pe.hw_valid_i = 1;
        pe.hw_word_i = (uint8_t)word;
        pe.hw_slice_i = (uint8_t)slice;
        for (unsigned l = 0; l < kHLanes; l++) {
            const bool here = all || below(2);
            const int16_t v = any_x();
            put(pe.hw_mask_i, l, 1, here);
            put(pe.hw_data_i, kActBits * l, kActBits, (uint16_t)v);
            if (here)
                h[word * kLanes + slice * kHLanes + l] = v;
        }
    }

    // A position a cycle, mostly; parts of 1..12 positions. One that begins with a partial sum
    // takes one that was kept 3 cycles before or longer.
    void draw()
    {
        for (int &age : psum_age)
            age += age >= 0;
        next = Position();
        if (below(5) == 0) {
            gaps++;
            return;
        }
        next.valid = true;
        next.first = left == 0;
        next.psum = below(kPsums);
        if (left == 0) {
            left = 1 + below(12);
            ends_kept = below(3) == 0;
            next.from_psum = below(2) && psum_age[next.psum] >= 3;
        }
        left--;
        next.store = left == 0 && ends_kept;
        if (next.store && next.from_psum)
            next.store = false; // one word address a position
        if (next.store)
            psum_age[next.psum] = 0;
        next.word = below(kWords);
        next.h = below(2);
        next.zero = next.h && below(3) == 0;
        next.base = below(next.h ? kHWords : kXWords);
        taken += next.from_psum;
        kept += next.store;
        done += left == 0;
        h_positions += next.h;
        zeros += next.zero;
    }

    // Stage 2 reads in this cycle, before the writes of this cycle.
    void read_vectors()
    {
        const Position &p = pipe[2];
        if (!p.valid)
            return;
        const std::vector<int16_t> &from = p.h ? h : x;
        const unsigned words = p.h ? kHWords : kXWords;
        for (unsigned row = 0; row < kRows; row++) {
            int64_t sum = 0;
            for (unsigned n = 0; n < kLanes; n++) {
                const unsigned at = p.word * kLanes + n;
                sum +=
                    (int64_t)weight[row][at] * from[(p.base + index[at]) % words * kLanes + n];
            }
            sums[row].push_back(p.zero ? 0 : sum);
        }
    }

    // A sum stands in the cycle after its position was in the last stage, and is kept then.
    void check_sum()
    {
        const Position &p = pipe[kStages];
        pe.psum_write_i = p.valid && p.store;
        pe.psum_write_word_i = (uint8_t)p.psum;
        if (!p.valid)
            return;
        for (unsigned row = 0; row < kRows; row++) {
            acc[row] = (p.from_psum ? psum[row][p.psum]
                        : p.first   ? 0
                                    : acc[row]) +
                       sums[row].front();
            sums[row].pop_front();
            const int64_t got = sum_of(pe.sums_o, row);
            if (got != acc[row] && errors++ < 10)
                std::printf("part %u, row %u: got %lld, want %lld\n", done, row, (long long)got,
                            (long long)acc[row]);
            if (p.store)
                psum[row][p.psum] = acc[row];
        }
    }

    void drive()
    {
        uint32_t enable = 0;
        for (unsigned s = 0; s < kStages; s++)
            enable |= (uint32_t)pipe[s].valid << s;
        pe.enable_i = (uint16_t)enable;
        pe.index_word_i = (uint8_t)pipe[0].word;
        pe.base_i = (uint8_t)pipe[1].base;
        pe.weight_word_i = (uint8_t)pipe[2].word;
        pe.h_read_i = pipe[2].h;
        pe.h_use_i = pipe[3].h;
        pe.h_zero_i = pipe[3].zero;
        pe.psum_read_i = pipe[kStages - 2].from_psum;
        pe.psum_read_word_i = (uint8_t)pipe[kStages - 2].psum;
        pe.first_i = pipe[kStages - 1].first;
        pe.from_psum_i = pipe[kStages - 1].from_psum;
        pe.xw_valid_i = pe.hw_valid_i = 0;
        if (below(3) == 0) {
            write_x(below(kXWords), below(kLanes / kBeatLanes));
            x_writes++;
        }
        if (below(3) == 0) {
            write_h(below(kHWords), below(kLanes / kHLanes), false);
            h_writes++;
        }
    }

    void cycle()
    {
        draw();
        pipe.push_front(next); // pipe[s] moves in stage s in this cycle
        pipe.pop_back();
        check_sum();
        read_vectors();
        drive();
        edge();
    }
};

} // namespace

int main(int argc, char **argv)
{
    const unsigned seed = argc > 1 ? (unsigned)std::atoi(argv[1]) : 1;
    PeBench bench(seed);
    std::printf("seed %u: ", seed);
    bench.fill();
    return !bench.run(20000);
}

#endif
