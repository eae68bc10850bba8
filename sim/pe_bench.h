// pe_bench.h - fills the memories of a PE with random words, sends random parts of rows with
// random gaps (from 0, from a partial sum, from what is there; kept or not), and compares every
// sum with plain C arithmetic. x, h and partial sums are written while parts are under way, as
// in a run. Included once by each bench, behind `using Vdut =` Verilator's class and the unit's
// parameters kLanes, kBeatLanes, kHLanes, kWeightBits. Replay a failure: ./tb_pe <seed>
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
constexpr unsigned kStages = levels(kLanes) + 6, kHere = 3;

// Bits low.. of a port, whatever Verilator makes of its width.
template <typename Port> void put(Port &port, unsigned low, unsigned bits, uint64_t value)
{
    const uint64_t mask = ((uint64_t)1 << bits) - 1;
    port = (Port)((port & ~(mask << low)) | (value & mask) << low);
}
template <std::size_t Words>
void put(VlWide<Words> &port, unsigned low, unsigned bits, uint64_t value)
{
    // fields never cross a word: 8 or 16 bits at multiples of these
    const uint32_t mask = (1u << bits) - 1;
    uint32_t word = port[low / 32] & ~(mask << low % 32);
    port[low / 32] = word | ((uint32_t)value & mask) << low % 32;
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
        pe.clk_i = 0;
        pe.id_i = kHere;
        pe.ww_valid_i = pe.xw_valid_i = pe.hw_valid_i = pe.psum_write_i = 0;
        pe.enable_i = 0;
        pe.eval();
    }

    void fill()
    {
        // Every word for this PE; then the same for others, which must change nothing.
        for (unsigned pe_id : {kHere, 2u, kHere + 256, 0u})
            for (unsigned word = 0; word < kWords; word++)
                for (unsigned slice = 0; slice < kLanes / kBeatLanes; slice++)
                    write_weights(pe_id, word, slice);
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
        std::printf("%u lanes, %u-bit weights: %u parts, %u kept, %u from kept, %u gaps, %u of h, "
                    "%u zero, %u x and %u h writes meanwhile, %d errors\n",
                    kLanes, kWeightBits, done, kept, taken, gaps, h_positions, zeros, x_writes,
                    h_writes, errors);
        return errors == 0 && done == parts && kept && taken && gaps && h_positions && zeros &&
               x_writes && h_writes;
    }

  private:
    std::mt19937_64 rng;
    VerilatedContext context;
    Vdut pe{&context};
    std::vector<int16_t> weight = std::vector<int16_t>(kWords * kLanes);
    std::vector<uint8_t> index = std::vector<uint8_t>(kWords * kLanes);
    std::vector<int16_t> x = std::vector<int16_t>(kXWords * kLanes);
    std::vector<int16_t> h = std::vector<int16_t>(kHWords * kLanes);
    std::vector<int64_t> psum = std::vector<int64_t>(kPsums);
    std::vector<int> psum_age = std::vector<int>(kPsums, -1); // cycles since kept; -1: never
    std::deque<Position> pipe = std::deque<Position>(kStages + 1, Position());
    std::deque<int64_t> sums; // of positions that are past stage 2
    int64_t acc = 0;          // of the part whose position was last in the last stage
    unsigned left = 0;        // positions of the part that is being sent
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

    void write_weights(unsigned pe_id, unsigned word, unsigned slice)
    {
        pe.ww_valid_i = 1;
        pe.ww_pe_i = (uint16_t)pe_id;
        edge();
        pe.ww_valid_i = 0;
        pe.ww_word_i = (uint8_t)word;
        pe.ww_slice_i = (uint8_t)slice;
        for (unsigned l = 0; l < kBeatLanes; l++) {
            const int16_t w = kWeightBits == 16 ? any16() : below(16) ? (int8_t)rng() : -128;
            const uint8_t at = (uint8_t)below(32);
            put(pe.ww_weight_i, kWeightBits * l, kWeightBits, (uint16_t)w);
            put(pe.ww_index_i, 8 * l, 8, at);
            if (pe_id == kHere) {
                weight[word * kLanes + slice * kBeatLanes + l] = w;
                index[word * kLanes + slice * kBeatLanes + l] = at;
            }
        }
        edge();
    }

    void write_x(unsigned word, unsigned slice)
    {
        pe.xw_valid_i = 1;
        pe.xw_word_i = (uint8_t)word;
        pe.xw_slice_i = (uint8_t)slice;
        for (unsigned l = 0; l < kBeatLanes; l++) {
            const int16_t v = any16();
            put(pe.xw_data_i, 16 * l, 16, (uint16_t)v);
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
            const int16_t v = any16();
            put(pe.hw_mask_i, l, 1, here);
            put(pe.hw_data_i, 16 * l, 16, (uint16_t)v);
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
        int64_t sum = 0;
        for (unsigned n = 0; n < kLanes; n++) {
            const unsigned at = p.word * kLanes + n;
            sum += (int64_t)weight[at] * from[(p.base + index[at]) % words * kLanes + n];
        }
        sums.push_back(p.zero ? 0 : sum);
    }

    // A sum stands in the cycle after its position was in the last stage, and is kept then.
    void check_sum()
    {
        const Position &p = pipe[kStages];
        pe.psum_write_i = p.valid && p.store;
        pe.psum_write_word_i = (uint8_t)p.psum;
        if (!p.valid)
            return;
        acc = (p.from_psum ? psum[p.psum] : p.first ? 0 : acc) + sums.front();
        sums.pop_front();
        const int64_t got = (int64_t)((uint64_t)pe.sum_o << 16) >> 16;
        if (got != acc && errors++ < 10)
            std::printf("part %u: got %lld, want %lld\n", done, (long long)got, (long long)acc);
        if (p.store)
            psum[p.psum] = acc;
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
