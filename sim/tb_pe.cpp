// Fills the memories of a PE with random words, sends random rows with random gaps, and
// compares every sum with plain C arithmetic; vector words change while rows are under
// way, as in a run. Replay a failure: ./tb_pe <seed>
// verilator: -GLanes=16 -GWeightBits=16 -GWeightWords=64 -GVectorWords=64
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>
#include <vector>

#include "Vpe.h"
#include "verilated.h"

// The unit's parameters, as above.
static const unsigned lanes = 16, weight_bits = 16, weight_words = 64, vector_words = 64,
                      stages = 10;

struct Position {
    bool valid, first, last;
    unsigned word, base;
};

int main(int argc, char **argv)
{
    const unsigned seed = argc > 1 ? (unsigned)std::atoi(argv[1]) : 1;
    std::mt19937_64 rng(seed);
    VerilatedContext context;
    context.assertOn(true);
    Vpe pe(&context);
    std::vector<int16_t> weight(weight_words * lanes), vector(vector_words * lanes);
    std::vector<uint8_t> index(weight_words * lanes);
    std::deque<Position> pipe(stages, Position{false, false, false, 0, 0});
    auto edge = [&] {
        pe.clk_i = 1;
        pe.eval();
        pe.clk_i = 0;
        pe.eval();
    };
    pe.clk_i = 0;
    pe.id_i = 3;
    pe.eval();

    auto write_vector = [&](unsigned word, unsigned quad) {
        pe.vw_valid_i = 1;
        pe.vw_word_i = (uint8_t)word;
        pe.vw_quad_i = (uint8_t)quad;
        pe.vw_data_i = rng();
        for (unsigned l = 0; l < 4; l++)
            vector[word * lanes + 4 * quad + l] = (int16_t)(pe.vw_data_i >> 16 * l);
    };
    // Every word for this PE; then the same for another PE, which must change nothing.
    pe.enable_i = 0;
    for (unsigned other = 0; other < 2; other++)
        for (unsigned word = 0; word < weight_words; word++)
            for (unsigned quad = 0; quad < lanes / 4; quad++) {
                pe.ww_valid_i = 1;
                pe.ww_pe_i = other ? 2 : 3;
                edge();
                pe.ww_valid_i = 0;
                uint64_t w = 0;
                uint32_t x = 0;
                for (unsigned l = 0; l < 4; l++) {
                    const int16_t value =
                        rng() % 16 ? (int16_t)((int64_t)(rng() << (64 - weight_bits)) >>
                                               (64 - weight_bits))
                                   : (int16_t)INT16_MIN;
                    const uint8_t at = (uint8_t)(rng() % 32);
                    w |= (uint64_t)((uint64_t)(uint16_t)value & ((1u << weight_bits) - 1))
                         << weight_bits * l;
                    x |= (uint32_t)at << 8 * l;
                    if (!other) {
                        weight[word * lanes + 4 * quad + l] = value;
                        index[word * lanes + 4 * quad + l] = at;
                    }
                }
                pe.ww_word_i = (uint8_t)word;
                pe.ww_quad_i = (uint8_t)quad;
                pe.ww_weight_i = w;
                pe.ww_index_i = x;
                edge();
            }
    for (unsigned word = 0; word < vector_words; word++)
        for (unsigned quad = 0; quad < lanes / 4; quad++) {
            write_vector(word, quad);
            edge();
        }
    pe.vw_valid_i = 0;

    int rows = 0, gaps = 0, errors = 0, writes = 0;
    int64_t row_sum = 0;
    std::deque<int64_t> sums; // by position, in the order of stage 2
    unsigned left = 0;
    Position next = {false, false, false, 0, 0};
    for (int cycle = 0; cycle < 400000 && rows < 20000; cycle++) {
        // pipe[s] is the position that moves in stage s in this cycle
        const bool enter = rng() % 5 != 0;
        gaps += !enter;
        next.valid = enter;
        if (enter) {
            next.first = left == 0;
            if (left == 0)
                left = 1 + (unsigned)(rng() % 12);
            left--;
            next.last = left == 0;
            next.word = (unsigned)(rng() % weight_words);
            next.base = (unsigned)(rng() % 32);
        }
        pipe.push_front(next);
        const Position done = pipe.back();
        pipe.pop_back();
        unsigned enable = 0;
        for (unsigned s = 0; s < stages; s++)
            enable |= (unsigned)pipe[s].valid << s;
        // The sum of a row stands in the cycle after its last position's last stage.
        if (done.valid) {
            const int64_t got = (int64_t)((uint64_t)pe.sum_o << 16) >> 16;
            row_sum = (done.first ? 0 : row_sum) + sums.front();
            sums.pop_front();
            if (got != row_sum && errors++ < 10)
                std::printf("row %d: got %lld, want %lld\n", rows, (long long)got,
                            (long long)row_sum);
            rows += done.last;
        }
        // Stage 2 reads in this cycle, before the write of this cycle.
        if (pipe[2].valid) {
            int64_t sum = 0;
            for (unsigned n = 0; n < lanes; n++) {
                const unsigned at = pipe[2].word * lanes + n;
                sum += (int64_t)weight[at] *
                       vector[((pipe[2].base + index[at]) % vector_words) * lanes + n];
            }
            sums.push_back(sum);
        }
        pe.enable_i = (uint16_t)enable;
        pe.index_word_i = (uint8_t)pipe[0].word;
        pe.base_i = (uint8_t)pipe[1].base;
        pe.weight_word_i = (uint8_t)pipe[2].word;
        pe.first_i = pipe[stages - 1].first;
        pe.vw_valid_i = 0;
        if (rng() % 3 == 0) {
            write_vector((unsigned)(rng() % vector_words), (unsigned)(rng() % (lanes / 4)));
            writes++;
        }
        edge();
    }
    std::printf("seed %u: %u lanes, %u-bit weights: %d rows, %d gaps, %d vector writes "
                "meanwhile, %d errors\n",
                seed, lanes, weight_bits, rows, gaps, writes, errors);
    return errors != 0 || rows < 20000 || gaps == 0;
}
