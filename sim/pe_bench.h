// The bench of spacc_pe for any number of lanes and weight bits; tb_pe*.cpp set them.
//
// Fills the memories with random words, sends random parts of rows (from 0, or from a partial
// sum; to be given out, or kept) with random gaps, and compares every sum with plain C
// arithmetic; x and h change while rows are under way, as in a run.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>
#include <vector>

#include "verilated.h"

namespace
{

constexpr unsigned WORDS = 64, X_WORDS = 64, H_WORDS = 32, PSUM_WORDS = 8; // as in the options

struct Position {
    bool valid, first, last, from_psum, store, h, zero;
    unsigned word, base, psum;
    int64_t start; // what a part begins with
};

template <class Pe, unsigned lanes, unsigned weight_bits> class Bench
{
  public:
    explicit Bench(unsigned seed) : rng(seed), pe(&context)
    {
        context.assertOn(true);
        pe.clk_i = 0;
        pe.id_i = 3;
        pe.xw_valid_i = pe.hw_valid_i = pe.psum_write_i = 0;
        pe.enable_i = 0;
        pe.eval();
    }

    int run(unsigned seed)
    {
        fill_weights();
        for (unsigned i = 0; i < 64 * lanes; i++) {
            write_x(i / (lanes / 4) % X_WORDS, i % (lanes / 4));
            write_h(i % H_WORDS, i / H_WORDS % (lanes / 4), 15);
            edge();
        }
        for (int cycle = 0; cycle < 400000 && rows < 20000; cycle++)
            step();
        std::printf(
            "seed %u: %u lanes, %u-bit weights: %d rows, %d of them kept, %d from partial "
            "sums, %d gaps, %d vector writes meanwhile, %d errors\n",
            seed, lanes, weight_bits, rows, kept, resumed, gaps, writes, errors);
        return errors != 0 || rows < 20000 || gaps == 0 || kept == 0 || resumed == 0;
    }

  private:
    static constexpr unsigned levels = lanes == 4 ? 2 : lanes == 8 ? 3 : lanes == 16 ? 4 : 5;
    static constexpr unsigned stages = levels + 6;

    std::mt19937_64 rng;
    VerilatedContext context;
    Pe pe;
    std::vector<int16_t> weight = std::vector<int16_t>(WORDS * lanes),
                         x = std::vector<int16_t>(X_WORDS * lanes),
                         h = std::vector<int16_t>(H_WORDS * lanes);
    std::vector<uint8_t> index = std::vector<uint8_t>(WORDS * lanes);
    int64_t psum[PSUM_WORDS] = {}, row_sum = 0;
    std::deque<Position> pipe = std::deque<Position>(stages, Position{});
    std::deque<int64_t> sums; // by position, in the order of stage 2
    unsigned left = 0;
    Position next = {};
    int rows = 0, kept = 0, resumed = 0, gaps = 0, errors = 0, writes = 0;

    void edge()
    {
        pe.clk_i = 1;
        pe.eval();
        pe.clk_i = 0;
        pe.eval();
    }

    void write_x(unsigned word, unsigned quad)
    {
        const uint64_t data = rng();
        pe.xw_valid_i = 1;
        pe.xw_word_i = (uint8_t)word;
        pe.xw_slice_i = (uint8_t)quad;
        pe.xw_data_i = data;
        for (unsigned l = 0; l < 4; l++)
            x[word * lanes + 4 * quad + l] = (int16_t)(data >> 16 * l);
    }

    void write_h(unsigned word, unsigned quad, unsigned mask)
    {
        const uint64_t data = rng();
        pe.hw_valid_i = 1;
        pe.hw_word_i = (uint8_t)word;
        pe.hw_slice_i = (uint8_t)quad;
        pe.hw_mask_i = (uint8_t)mask;
        pe.hw_data_i = data;
        for (unsigned l = 0; l < 4; l++)
            if (mask >> l & 1)
                h[word * lanes + 4 * quad + l] = (int16_t)(data >> 16 * l);
    }

    // Every word for this PE; then the same for another PE, which must change nothing.
    void fill_weights()
    {
        for (unsigned other = 0; other < 2; other++)
            for (unsigned word = 0; word < WORDS; word++)
                for (unsigned quad = 0; quad < lanes / 4; quad++)
                    write_weights(other != 0, word, quad);
    }

    void write_weights(bool other, unsigned word, unsigned quad)
    {
        uint64_t w = 0;
        uint32_t at = 0;
        pe.ww_valid_i = 1;
        pe.ww_pe_i = other ? 2 : 3;
        edge();
        pe.ww_valid_i = 0;
        for (unsigned l = 0; l < 4; l++) {
            const int64_t least = -((int64_t)1 << (weight_bits - 1));
            const int16_t value =
                (int16_t)(rng() % 16
                              ? (int64_t)(rng() << (64 - weight_bits)) >> (64 - weight_bits)
                              : least);
            const uint8_t to = (uint8_t)(rng() % 32);
            w |= (uint64_t)((uint16_t)value & ((1u << weight_bits) - 1)) << weight_bits * l;
            at |= (uint32_t)to << 8 * l;
            if (!other) {
                weight[word * lanes + 4 * quad + l] = value;
                index[word * lanes + 4 * quad + l] = to;
            }
        }
        pe.ww_word_i = (uint8_t)word;
        pe.ww_slice_i = (uint8_t)quad;
        pe.ww_weight_i = w;
        pe.ww_index_i = at;
        edge();
    }

    void draw()
    {
        next.valid = rng() % 5 != 0;
        gaps += !next.valid;
        if (!next.valid)
            return;
        next.first = left == 0;
        if (next.first) {
            left = 1 + (unsigned)(rng() % 12);
            next.from_psum = rng() % 3 == 0;
            next.store = rng() % 3 == 0;
            next.psum = (unsigned)(rng() % PSUM_WORDS);
        }
        left--;
        next.last = left == 0;
        next.h = rng() % 2;
        next.zero = rng() % 8 == 0;
        next.word = (unsigned)(rng() % WORDS);
        next.base = (unsigned)(rng() % 32);
    }

    // The sum of a row stands in the cycle after its last position's last stage.
    void check(const Position &done)
    {
        pe.psum_write_i = 0;
        if (!done.valid)
            return;
        const int64_t got = (int64_t)((uint64_t)pe.sum_o << 16) >> 16;
        row_sum = (done.first ? done.start : row_sum) + sums.front();
        sums.pop_front();
        if (got != row_sum && errors++ < 10)
            std::printf("row %d: got %lld, want %lld\n", rows, (long long)got,
                        (long long)row_sum);
        rows += done.last;
        pe.psum_write_i = done.last && done.store;
        pe.psum_write_word_i = (uint8_t)done.psum;
    }

    // Stage 2 reads in this cycle, before the writes of this cycle.
    void read(const Position &p)
    {
        int64_t sum = 0;
        if (!p.valid)
            return;
        for (unsigned n = 0; n < lanes; n++) {
            const unsigned at = p.word * lanes + n, word = p.base + index[at];
            const int16_t v = !p.h     ? x[word % X_WORDS * lanes + n]
                              : p.zero ? 0
                                       : h[word % H_WORDS * lanes + n];
            sum += (int64_t)weight[at] * v;
        }
        sums.push_back(sum);
    }

    // pipe[s] is the position that moves in stage s in this cycle.
    void step()
    {
        unsigned enable = 0;
        draw();
        pipe.push_front(next);
        const Position done = pipe.back();
        pipe.pop_back();
        for (unsigned s = 0; s < stages; s++)
            enable |= (unsigned)pipe[s].valid << s;
        check(done);
        read(pipe[2]);
        Position &early = pipe[stages - 2];
        if (early.valid && early.first) {
            early.start = early.from_psum ? psum[early.psum] : 0;
            resumed += early.from_psum;
        }
        if (pe.psum_write_i) { // read before written
            psum[done.psum] = row_sum;
            kept++;
        }
        pe.enable_i = (uint16_t)enable;
        pe.index_word_i = (uint8_t)pipe[0].word;
        pe.base_i = (uint8_t)pipe[1].base;
        pe.weight_word_i = (uint8_t)pipe[2].word;
        pe.h_read_i = pipe[2].h;
        pe.h_use_i = pipe[3].h;
        pe.h_zero_i = pipe[3].zero;
        pe.psum_read_i = early.first && early.from_psum;
        pe.psum_read_word_i = (uint8_t)early.psum;
        pe.first_i = pipe[stages - 1].first;
        pe.from_psum_i = pipe[stages - 1].from_psum;
        pe.xw_valid_i = pe.hw_valid_i = 0;
        if (rng() % 3 == 0)
            write_x((unsigned)(rng() % X_WORDS), (unsigned)(rng() % (lanes / 4))), writes++;
        if (rng() % 3 == 0)
            write_h((unsigned)(rng() % H_WORDS), (unsigned)(rng() % (lanes / 4)),
                    (unsigned)(rng() % 16)),
                writes++;
        edge();
    }
};

} // namespace
