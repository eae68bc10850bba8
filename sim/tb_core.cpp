// Runs random small layers of every cell type on a whole card through AXI4-Lite and a
// memory that stalls at random, and compares outputs, states, saturation counts and cycle
// causes with a model written here from rtl/README.md. Then provokes every error and
// checks that the next run is right.
//
//   tb_core [seed [layers]]      replay a failure with its seed
//   tb_core speed STEPS          one LSTM of 1024 units, 8 + 8 weights a bank: cycles a
//                                step and simulated cycles a second
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "Vcard.h"
#include "rtl/act_tables.h"
#include "rtl/card_map.h"
#include "verilated.h"

namespace
{

std::mt19937_64 rng;
uint64_t below(uint64_t n)
{
    return n ? rng() % n : 0;
}

// ---------------------------------------------------------------- the card and its memory

struct Burst {
    uint64_t address;
    unsigned beats;
    uint64_t ready_at; // cycle of the first beat
};

class Bench
{
  public:
    Bench()
    {
        context.assertOn(true);
        context.randReset(2);
        context.randSeed(1234);
        card = new Vcard(&context);
        card->ap_clk = card->ap_rst_n = 0; // inputs begin with random values, too
        card->s_axi_control_awvalid = card->s_axi_control_wvalid = card->s_axi_control_bready =
            0;
        card->s_axi_control_arvalid = card->s_axi_control_rready = 0;
        for (int i = 0; i < 4; i++)
            cycle();
        reads.clear(); // what registers with random contents asked for
        writes.clear();
        words.clear();
        answers.clear();
        r_held = b_held = false;
        std::fill(stalls, stalls + 5, 0);
        card->ap_rst_n = 1;
        cycle();
    }
    ~Bench()
    {
        card->final();
        delete card;
    }

    std::vector<uint8_t> memory = std::vector<uint8_t>(32u << 20);
    unsigned stall_per_16 = 0;       // chance that a channel stalls in a cycle
    unsigned write_stall_per_16 = 0; // the same for AW, W, B when it is more
    uint64_t error_address = 0;      // SLVERR for this 8-byte word
    bool dead_reads = false, dead_writes = false;
    uint64_t stalls[5] = {}; // AR R AW W B
    uint64_t now = 0;
    uint64_t trail = 14695981039346656037u; // of every valid output, with its cycle

    template <typename T> void put(uint64_t at, const std::vector<T> &data)
    {
        std::memcpy(&memory[at], data.data(), data.size() * sizeof(T));
    }

    void write_reg(uint32_t offset, uint32_t value)
    {
        bool aw = false, w = false;
        card->s_axi_control_awaddr = (uint16_t)offset;
        card->s_axi_control_wdata = value;
        card->s_axi_control_wstrb = 15;
        card->s_axi_control_bready = 1;
        for (int limit = 0;; limit++) {
            card->s_axi_control_awvalid = !aw;
            card->s_axi_control_wvalid = !w;
            card->eval();
            const bool take_aw = !aw && card->s_axi_control_awready;
            const bool take_w = !w && card->s_axi_control_wready;
            const bool end = card->s_axi_control_bvalid;
            cycle();
            aw |= take_aw;
            w |= take_w;
            if (end)
                break;
            if (limit > 100)
                die("AXI4-Lite write hangs");
        }
        card->s_axi_control_awvalid = card->s_axi_control_wvalid = card->s_axi_control_bready =
            0;
    }

    uint32_t read_reg(uint32_t offset)
    {
        uint32_t value = 0;
        bool ar = false;
        card->s_axi_control_araddr = (uint16_t)offset;
        card->s_axi_control_rready = 1;
        for (int limit = 0;; limit++) {
            card->s_axi_control_arvalid = !ar;
            card->eval();
            const bool take = !ar && card->s_axi_control_arready;
            const bool end = card->s_axi_control_rvalid;
            value = card->s_axi_control_rdata;
            cycle();
            ar |= take;
            if (end)
                break;
            if (limit > 100)
                die("AXI4-Lite read hangs");
        }
        card->s_axi_control_arvalid = card->s_axi_control_rready = 0;
        return value;
    }

    void write_ptr(uint32_t offset, uint64_t value)
    {
        write_reg(offset, (uint32_t)value);
        write_reg(offset + 4, (uint32_t)(value >> 32));
    }

    uint64_t counter(int i)
    {
        const uint64_t low = read_reg(SPACC_REG_COUNTER((uint32_t)i));
        return low | (uint64_t)read_reg(SPACC_REG_COUNTER((uint32_t)i) + 4) << 32;
    }

    // Start, wait for the interrupt, return the error code.
    uint32_t run(uint64_t limit)
    {
        write_reg(SPACC_REG_IP_IER, 1);
        write_reg(SPACC_REG_GIER, 1);
        write_reg(SPACC_REG_AP_CTRL, 1);
        for (uint64_t i = 0; !interrupt(); i++) {
            if (i > limit)
                die("the card does not end");
            cycle();
        }
        write_reg(SPACC_REG_IP_ISR, 1);
        (void)read_reg(SPACC_REG_AP_CTRL);
        return read_reg(SPACC_REG_ERROR_CODE);
    }

    [[noreturn]] void die(const char *why)
    {
        std::printf("cycle %llu: %s\n", (unsigned long long)now, why);
        std::exit(1);
    }

    void cycle()
    {
        drive();
        card->eval();
        const bool ar = card->m_axi_gmem_arvalid && card->m_axi_gmem_arready;
        const bool aw = card->m_axi_gmem_awvalid && card->m_axi_gmem_awready;
        const bool w = card->m_axi_gmem_wvalid && card->m_axi_gmem_wready;
        const bool r = card->m_axi_gmem_rvalid && card->m_axi_gmem_rready;
        const bool b = card->m_axi_gmem_bvalid && card->m_axi_gmem_bready;
        stalls[0] += card->m_axi_gmem_arvalid && !ar;
        stalls[1] += card->m_axi_gmem_rready && !card->m_axi_gmem_rvalid && !reads.empty();
        stalls[2] += card->m_axi_gmem_awvalid && !aw;
        stalls[3] += card->m_axi_gmem_wvalid && !w;
        stalls[4] += card->m_axi_gmem_bready && !card->m_axi_gmem_bvalid && !answers.empty();
        if (ar)
            reads.push_back(
                {card->m_axi_gmem_araddr, card->m_axi_gmem_arlen + 1u, now + latency});
        if (aw)
            writes.push_back({card->m_axi_gmem_awaddr, card->m_axi_gmem_awlen + 1u, 0});
        if (w)
            words.push_back({card->m_axi_gmem_wdata, card->m_axi_gmem_wstrb});
        if (r) {
            r_held = false;
            reads.front().address += 8;
            if (--reads.front().beats == 0)
                reads.pop_front();
        }
        if (b) {
            b_held = false;
            answers.pop_front();
        }
        if (card->ap_rst_n)
            follow();
        finish_writes();
        card->ap_clk = 1;
        card->eval();
        card->ap_clk = 0;
        card->eval();
        now++;
    }

    unsigned latency = 20;

  private:
    VerilatedContext context;
    Vcard *card;
    std::deque<Burst> reads, writes;
    struct Word {
        uint64_t data;
        unsigned strobes;
    };
    std::deque<Word> words;
    std::deque<unsigned> answers; // BRESP
    bool r_held = false, b_held = false;

    bool interrupt()
    {
        return card->__SYM__interrupt;
    }
    bool stall()
    {
        return stall_per_16 && below(16) < stall_per_16;
    }
    bool write_stall()
    {
        return below(16) < std::max(stall_per_16, write_stall_per_16);
    }

    void check(uint64_t address)
    {
        if (address % 8 || address + 8 > memory.size())
            die("the card left its memory");
    }

    // Two builds of a card do the same when their trails are equal.
    void mix(uint64_t v)
    {
        trail = (trail ^ v) * 1099511628211u;
    }
    void follow()
    {
        const unsigned valid =
            (unsigned)(card->m_axi_gmem_arvalid | card->m_axi_gmem_awvalid << 1 |
                       card->m_axi_gmem_wvalid << 2 | card->m_axi_gmem_rready << 3 |
                       card->m_axi_gmem_bready << 4 | card->s_axi_control_rvalid << 5 |
                       card->s_axi_control_bvalid << 6 | interrupt() << 7);
        mix(valid);
        if (valid & 1)
            mix(card->m_axi_gmem_araddr << 8 | card->m_axi_gmem_arlen);
        if (valid & 2)
            mix(card->m_axi_gmem_awaddr << 8 | card->m_axi_gmem_awlen);
        if (valid & 4)
            mix(card->m_axi_gmem_wdata ^ (uint64_t)card->m_axi_gmem_wlast << 63);
        if (valid & 32)
            mix(card->s_axi_control_rdata);
    }

    // What the memory shows in this cycle; valid signals stay until taken.
    void drive()
    {
        card->m_axi_gmem_arready = !stall() && reads.size() < 8;
        card->m_axi_gmem_awready = !write_stall() && writes.size() < 8;
        card->m_axi_gmem_wready = !write_stall();
        if (!r_held)
            r_held = !reads.empty() && reads.front().ready_at <= now && !dead_reads && !stall();
        card->m_axi_gmem_rvalid = r_held;
        if (r_held) {
            const uint64_t at = reads.front().address;
            uint64_t data;
            check(at);
            std::memcpy(&data, &memory[at], 8);
            card->m_axi_gmem_rdata = data;
            card->m_axi_gmem_rlast = reads.front().beats == 1;
            card->m_axi_gmem_rresp = error_address && at == error_address ? 2 : 0;
        }
        if (!b_held)
            b_held = !answers.empty() && !dead_writes && !write_stall();
        card->m_axi_gmem_bvalid = b_held;
        if (b_held)
            card->m_axi_gmem_bresp = answers.front() & 3;
    }

    void finish_writes()
    {
        while (!writes.empty() && words.size() >= writes.front().beats) {
            unsigned answer = 0;
            for (unsigned i = 0; i < writes.front().beats; i++) {
                const uint64_t at = writes.front().address + 8 * i;
                check(at);
                for (unsigned byte = 0; byte < 8; byte++)
                    if (words.front().strobes >> byte & 1)
                        memory[at + byte] = (uint8_t)(words.front().data >> 8 * byte);
                if (error_address && at == error_address)
                    answer = 2;
                words.pop_front();
            }
            writes.pop_front();
            answers.push_back(answer);
        }
    }
};

// ---------------------------------------------------------------- the model

struct Card {
    unsigned pes, lanes, weight_bits, weight_words, vector_words, units, instructions;
};

struct Counts {
    uint64_t gate = 0, state = 0;
};

int64_t round_shift(int64_t v, unsigned s)
{
    return (v >> s) + ((v >> (s - 1)) & 1);
}

int64_t cut(int64_t v, unsigned bits, uint64_t *count)
{
    const int64_t most = ((int64_t)1 << (bits - 1)) - 1;
    if (v > most || v < -most - 1) {
        if (count)
            ++*count;
        return v < 0 ? -most - 1 : most;
    }
    return v;
}

int64_t table(const uint16_t *base, const uint16_t *slope, int64_t z)
{
    const int64_t m = std::min<int64_t>(z < 0 ? -z : z, 32767);
    return base[m >> 7] + ((slope[m >> 7] * (m & 127) + 64) >> 7);
}
int64_t sigmoid(int64_t z)
{
    const bool end = z >= 32767 || z <= -32767;
    const int64_t y = end ? 32767 : table(spacc_sigmoid_base, spacc_sigmoid_slope, z);
    return z < 0 ? 32768 - y : y;
}
int64_t act(unsigned kind, int64_t z)
{
    if (kind == SPACC_CARD_ACT_RELU)
        return std::max<int64_t>(z, 0);
    if (kind == SPACC_CARD_ACT_IDENTITY)
        return z;
    const int64_t y = table(spacc_tanh_base, spacc_tanh_slope, z);
    return z < 0 ? -y : y;
}

struct Row {
    int32_t bias;
    uint16_t mult;
    uint8_t shift;
};

struct Layer {
    unsigned cell, act_g, act_h;
    unsigned steps, groups, k_x, k_h, weight_base, param_base, state_base;
    unsigned x_words, x_base, h_words, h_base;
    unsigned format;
    std::vector<int16_t> weight, index; // [words][M][N]
    std::vector<Row> row;               // [units or 2 * units][4]
    std::vector<int32_t> state;         // [units rounded up to even]
    std::vector<int16_t> x, h;          // [steps][x_words * N], [h_words * N]
    int32_t x_stride;
    unsigned units(const Card &c) const
    {
        return groups * c.pes / 4;
    }
    unsigned words(void) const
    {
        return groups * (k_x + k_h + (cell == SPACC_CARD_CELL_GRU_RESET ? k_h : 0));
    }
};

struct Result {
    std::vector<int32_t> linear;
    std::vector<int16_t> h;
    std::vector<int32_t> state;
    Counts counts;
};

int64_t row_sum(const Card &c, const Layer &l, unsigned word, unsigned pe, unsigned positions,
                const int16_t *vector)
{
    int64_t sum = 0;
    for (unsigned j = 0; j < positions; j++)
        for (unsigned n = 0; n < c.lanes; n++) {
            const size_t at = ((size_t)(word + j) * c.pes + pe) * c.lanes + n;
            sum += (int64_t)l.weight[at] * vector[(size_t)l.index[at] * c.lanes + n];
        }
    return sum;
}

// `bits` of the result: 32 linear, 16 a gate, 20 a part of a GRU's n.
int64_t requantise(int64_t sum, const Row &row, unsigned bits, bool used, Counts *counts)
{
    const int64_t v = round_shift((sum + row.bias) * row.mult, row.shift);
    uint64_t cuts = 0;
    const int64_t z = cut(v, bits, &cuts);
    if (cuts && used)
        (bits == 32 ? counts->state : counts->gate)++;
    return z;
}

Result model(const Card &c, const Layer &l)
{
    Result out;
    const unsigned units = l.units(c), quads = c.pes / 4;
    const bool linear = l.cell == SPACC_CARD_CELL_LINEAR,
               reset = l.cell == SPACC_CARD_CELL_GRU_RESET;
    std::vector<int16_t> h = l.h;
    out.state = l.state;
    h.resize((size_t)std::max(l.h_words, 1u) * c.lanes);
    for (unsigned t = 0; t < l.steps; t++) {
        const int16_t *x = &l.x[(size_t)t * l.x_words * c.lanes];
        std::vector<int16_t> h_next = h, rh(h.size());
        std::vector<int64_t> update(units), kept(units);
        for (unsigned pass = 0; pass < (reset ? 2u : 1u); pass++)
            for (unsigned u = 0; u < units; u++) {
                int64_t z[4];
                for (unsigned r = 0; r < 4; r++) {
                    const unsigned g = u / quads, pe = 4 * (u % quads) + r;
                    const unsigned k = l.k_x + l.k_h;
                    int64_t sum;
                    if (pass == 0) {
                        sum = row_sum(c, l, g * k, pe, l.k_x, x);
                        sum += row_sum(c, l, g * k + l.k_x, pe, l.k_h, h.data());
                    } else {
                        sum = row_sum(c, l, l.groups * k + g * l.k_h, pe, l.k_h, rh.data());
                    }
                    const unsigned bits = linear                                     ? 32
                                          : l.cell != SPACC_CARD_CELL_LSTM && r >= 2 ? 20
                                                                                     : 16;
                    const bool used = !reset || (pass == 0 ? r < 3 : r == 3);
                    z[r] = requantise(sum, l.row[(size_t)(pass * units + u) * 4 + r], bits,
                                      used, &out.counts);
                }
                int64_t old = out.state[u % out.state.size()], h_new;
                if (linear) {
                    for (unsigned r = 0; r < 4; r++)
                        out.linear.push_back((int32_t)z[r]);
                    continue;
                }
                if (l.cell == SPACC_CARD_CELL_LSTM) {
                    const int64_t i = sigmoid(z[0]), o = sigmoid(z[1]), f = sigmoid(z[2]),
                                  g = act(l.act_g, z[3]);
                    const int64_t wide =
                        2 * f * old + i * g * (l.act_g == SPACC_CARD_ACT_TANH ? 1 : 8);
                    const int64_t c_new = cut(round_shift(wide, 16), 24, &out.counts.state);
                    const int64_t tt = act(l.act_h, cut(round_shift(c_new, 2), 16, nullptr));
                    h_new = cut(round_shift(o * tt, 15), 16, &out.counts.state);
                    out.state[u] = (int32_t)c_new;
                } else if (reset && pass == 0) {
                    update[u] = sigmoid(z[0]);
                    kept[u] = z[2];
                    rh[u] = (int16_t)cut(round_shift(sigmoid(z[1]) * old, 15), 16,
                                         &out.counts.state);
                    continue;
                } else {
                    const int64_t zg = reset ? update[u] : sigmoid(z[0]);
                    const int64_t sum =
                        reset ? kept[u] + z[3] : z[2] + round_shift(sigmoid(z[1]) * z[3], 15);
                    const bool bounded = l.act_g == SPACC_CARD_ACT_TANH;
                    const int64_t nz =
                        cut(bounded ? sum : round_shift(sum, 2), 16, &out.counts.gate);
                    const int64_t n = act(l.act_g, nz);
                    h_new = cut(n + round_shift(zg * (old - n), 15), 16, &out.counts.state);
                    out.state[u] = (int32_t)h_new;
                }
                h_next[u] = (int16_t)h_new;
                out.h.push_back((int16_t)h_new);
            }
        h = h_next;
    }
    return out;
}

// ---------------------------------------------------------------- random layers

int16_t random16(unsigned bits)
{
    return (int16_t)((int64_t)(rng() << (64 - bits)) >> (64 - bits));
}

Layer random_layer(const Card &c, unsigned cell)
{
    Layer l = {};
    const bool linear = cell == SPACC_CARD_CELL_LINEAR,
               reset = cell == SPACC_CARD_CELL_GRU_RESET;
    l.cell = cell;
    l.act_g = (unsigned)below(3);
    l.act_h = (unsigned)below(3);
    // Long linear runs with few weights a row fill the y FIFO and hold the array back.
    l.steps = 1 + (unsigned)below(linear && below(2) ? 80 : 6);
    l.groups = 1 + (unsigned)below(9);
    l.k_x = 1 + (unsigned)below(l.steps > 6 ? 2 : below(3) ? 4 : 20);
    l.k_h = linear ? 0 : 1 + (unsigned)below(5);
    const unsigned units = l.units(c);
    l.x_words = 1 + (unsigned)below(20);
    l.h_words = linear ? 0 : (units + c.lanes - 1) / c.lanes + (unsigned)below(3);
    l.weight_base = (unsigned)below(c.weight_words - l.words() + 1);
    l.param_base = (unsigned)below(c.units - units * (reset ? 2 : 1) + 1);
    l.state_base = (unsigned)below(c.units - (units + 1) / 2 * 2 + 1);
    // x and h regions anywhere, h behind or before x
    const unsigned x_need = 2 * l.x_words, h_need = l.h_words * (reset ? 3 : 2);
    const unsigned slack = c.vector_words - x_need - h_need;
    const unsigned gap = (unsigned)below(slack + 1), start = (unsigned)below(slack - gap + 1);
    const bool x_first = below(2);
    l.x_base = x_first ? start : start + h_need + gap;
    l.h_base = x_first ? start + x_need + gap : start;
    l.format = c.weight_bits == 16 ? (unsigned)below(2) : 0;
    const unsigned w_bits = l.format ? 16 : 8;
    const size_t entries = (size_t)l.words() * c.pes * c.lanes;
    for (size_t i = 0; i < entries; i++) {
        const unsigned word = (unsigned)(i / ((size_t)c.pes * c.lanes));
        const unsigned in_group =
            word < l.groups * (l.k_x + l.k_h) ? word % (l.k_x + l.k_h) : l.k_x; // pass B: h
        l.weight.push_back(below(50) == 0 ? (int16_t)(w_bits == 8 ? -128 : -32768)
                                          : random16(w_bits));
        l.index.push_back(
            (int16_t)below(std::min(256u, in_group < l.k_x ? l.x_words : l.h_words)));
        // h has no positions behind the last unit
        const bool h_part = in_group >= l.k_x;
        if (h_part && (unsigned)l.index[i] * c.lanes + i % c.lanes >= units)
            l.weight[i] = 0;
    }
    // Gates mostly within a few units; now and then far outside.
    const unsigned wild = (unsigned)below(3);
    for (unsigned u = 0; u < units * (reset ? 2 : 1); u++)
        for (unsigned r = 0; r < 4; r++) {
            Row row;
            row.bias = (int32_t)random16(16) * (1 << below(12));
            row.mult = (uint16_t)(1 + below(65535));
            row.shift = (uint8_t)((linear ? 8 : w_bits + 13) + below(wild == 0 ? 3 : 8) -
                                  (wild == 2 ? 3 : 0));
            if (wild == 1 && below(30) == 0)
                row.shift = (uint8_t)(1 + below(63));
            if (reset && (u < units) == (r == 3))
                row.bias = 0;
            l.row.push_back(row);
        }
    // Rows that a GRU_RESET pass does not use have zero weights.
    if (reset)
        for (size_t i = 0; i < entries; i++) {
            const unsigned word = (unsigned)(i / ((size_t)c.pes * c.lanes)),
                           r = (unsigned)(i / c.lanes % 4);
            if ((word < l.groups * (l.k_x + l.k_h)) == (r == 3) && below(2))
                l.weight[i] = 0;
        }
    const unsigned x_bits = 8 + (unsigned)below(9);
    for (size_t i = 0; i < (size_t)l.steps * l.x_words * c.lanes; i++)
        l.x.push_back(random16(x_bits));
    for (size_t i = 0; i < (size_t)l.h_words * c.lanes; i++)
        l.h.push_back(random16(16));
    for (unsigned u = 0; u < (units + 1) / 2 * 2; u++)
        l.state.push_back(cell == SPACC_CARD_CELL_LSTM
                              ? (int32_t)((int64_t)(rng() << 40) >> (below(8) ? 44 : 40))
                          : u < l.h.size() ? l.h[u]
                                           : 0);
    return l;
}

// ---------------------------------------------------------------- programs

using Code = std::vector<uint32_t>; // 16 words

struct Program {
    std::vector<uint32_t> words;
    uint32_t *add(uint32_t opcode)
    {
        words.resize(words.size() + SPACC_INSTRUCTION_WORDS);
        uint32_t *code = &words[words.size() - SPACC_INSTRUCTION_WORDS];
        code[0] = opcode;
        return code;
    }
};

void put_bits(uint32_t *code, unsigned word, unsigned low, unsigned bits, uint32_t value)
{
    const uint32_t mask = bits == 32 ? ~0u : ((1u << bits) - 1u) << low;
    code[word] = (code[word] & ~mask) | ((value << low) & mask);
}
#define FIELD(code, op, name, value)                                          \
    put_bits(code, SPACC_F_##op##_##name##_WORD, SPACC_F_##op##_##name##_LOW, \
             SPACC_F_##op##_##name##_BITS, (uint32_t)(value))

enum : uint64_t { PROGRAM = 0x1000, WEIGHTS = 0x100000, INPUT = 0x1000000, OUTPUT = 0x1800000 };
enum : uint32_t {
    Y_OFFSET = 0x100,
    STATE_OFFSET = 0x600000,
    MARK_OFFSET = 0x700000,
    REGION = 0x800000
};

struct Plan {
    Program program;
    uint32_t run_code = 0; // word where RUN begins
    uint32_t y_stride = 0, y_bytes = 0;
    uint32_t weights_bytes = 0, input_bytes = 0;
};

uint64_t align8(uint64_t v)
{
    return (v + 7) / 8 * 8;
}

// Data into memory and the program that runs the layer.
Plan prepare(Bench &b, const Card &c, const Layer &l)
{
    Plan p;
    const unsigned units = l.units(c);
    const bool linear = l.cell == SPACC_CARD_CELL_LINEAR;

    uint64_t at = WEIGHTS;
    uint32_t *code = p.program.add(SPACC_OP_LOAD_WEIGHTS);
    FIELD(code, LOAD_WEIGHTS, REGION, SPACC_REGION_WEIGHTS);
    FIELD(code, LOAD_WEIGHTS, FORMAT, l.format);
    FIELD(code, LOAD_WEIGHTS, OFFSET, 0);
    FIELD(code, LOAD_WEIGHTS, WORDS, l.words());
    FIELD(code, LOAD_WEIGHTS, WORD_BASE, l.weight_base);
    for (size_t i = 0; i < l.weight.size(); i++) {
        const uint32_t w = (uint16_t)l.weight[i], x = (uint16_t)l.index[i];
        const uint32_t entry = l.format ? x << 16 | w : (x & 255) << 8 | (w & 255);
        std::memcpy(&b.memory[at], &entry, l.format ? 4 : 2);
        at += l.format ? 4 : 2;
    }
    at = align8(at);
    code = p.program.add(SPACC_OP_LOAD_PARAMS);
    FIELD(code, LOAD_PARAMS, REGION, SPACC_REGION_WEIGHTS);
    FIELD(code, LOAD_PARAMS, OFFSET, at - WEIGHTS);
    FIELD(code, LOAD_PARAMS, UNITS, l.row.size() / 4);
    FIELD(code, LOAD_PARAMS, UNIT_BASE, l.param_base);
    for (const Row &row : l.row) {
        const uint64_t word =
            (uint64_t)row.shift << 48 | (uint64_t)row.mult << 32 | (uint32_t)row.bias;
        std::memcpy(&b.memory[at], &word, 8);
        at += 8;
    }
    p.weights_bytes = (uint32_t)(at - WEIGHTS);

    at = INPUT;
    if (!linear) {
        code = p.program.add(SPACC_OP_LOAD_VECTOR);
        FIELD(code, LOAD_VECTOR, REGION, SPACC_REGION_INPUT);
        FIELD(code, LOAD_VECTOR, OFFSET, at - INPUT);
        FIELD(code, LOAD_VECTOR, WORDS, l.h_words);
        FIELD(code, LOAD_VECTOR, WORD_BASE, l.h_base);
        b.put(at, l.h);
        at += 2 * l.h.size();
        code = p.program.add(SPACC_OP_LOAD_STATE);
        FIELD(code, LOAD_STATE, REGION, SPACC_REGION_INPUT);
        FIELD(code, LOAD_STATE, OFFSET, at - INPUT);
        FIELD(code, LOAD_STATE, UNITS, l.state.size());
        FIELD(code, LOAD_STATE, UNIT_BASE, l.state_base);
        b.put(at, l.state);
        at += 4 * l.state.size();
    }
    at = align8(at);
    // x of the steps upwards or downwards in memory
    const uint32_t x_bytes = l.x_words * c.lanes * 2;
    const bool down = l.x_stride < 0;
    const uint32_t stride = x_bytes + 8 * (uint32_t)below(4);
    const uint32_t x_offset = (uint32_t)(at - INPUT) + (down ? stride * (l.steps - 1) : 0);
    for (unsigned t = 0; t < l.steps; t++) {
        const uint64_t to = INPUT + x_offset + (down ? -(int64_t)stride : (int64_t)stride) * t;
        std::memcpy(&b.memory[to], &l.x[(size_t)t * l.x_words * c.lanes], x_bytes);
    }
    at += (uint64_t)stride * (l.steps - 1) + x_bytes;
    p.input_bytes = (uint32_t)(at - INPUT);

    p.y_bytes = (uint32_t)align8(linear ? units * 16 : units * 2);
    p.y_stride = p.y_bytes + 8 * (uint32_t)below(3);
    p.run_code = (uint32_t)p.program.words.size();
    code = p.program.add(SPACC_OP_RUN);
    FIELD(code, RUN, CELL, l.cell);
    FIELD(code, RUN, ACT_G, l.act_g);
    FIELD(code, RUN, ACT_H, l.act_h);
    FIELD(code, RUN, X_REGION, SPACC_REGION_INPUT);
    FIELD(code, RUN, Y_REGION, SPACC_REGION_OUTPUT);
    FIELD(code, RUN, STEPS, l.steps);
    FIELD(code, RUN, GROUPS, l.groups);
    FIELD(code, RUN, K_X, l.k_x);
    FIELD(code, RUN, K_H, l.k_h);
    FIELD(code, RUN, WEIGHT_BASE, l.weight_base);
    FIELD(code, RUN, PARAM_BASE, l.param_base);
    FIELD(code, RUN, STATE_BASE, l.state_base);
    FIELD(code, RUN, X_WORDS, l.x_words);
    FIELD(code, RUN, X_BASE, l.x_base);
    FIELD(code, RUN, H_WORDS, l.h_words);
    FIELD(code, RUN, H_BASE, l.h_base);
    FIELD(code, RUN, X_OFFSET, x_offset);
    FIELD(code, RUN, X_STRIDE, down ? -(int64_t)stride : (int64_t)stride);
    FIELD(code, RUN, Y_OFFSET, Y_OFFSET);
    FIELD(code, RUN, Y_STRIDE, p.y_stride);
    if (!linear) {
        code = p.program.add(SPACC_OP_STORE_STATE);
        FIELD(code, STORE_STATE, REGION, SPACC_REGION_OUTPUT);
        FIELD(code, STORE_STATE, OFFSET, STATE_OFFSET);
        FIELD(code, STORE_STATE, UNITS, l.state.size());
        FIELD(code, STORE_STATE, UNIT_BASE, l.state_base);
    }
    code = p.program.add(SPACC_OP_MARK);
    FIELD(code, MARK, REGION, SPACC_REGION_OUTPUT);
    FIELD(code, MARK, OFFSET, MARK_OFFSET);
    p.program.add(SPACC_OP_END);
    return p;
}

uint32_t launch(Bench &b, const Plan &p, uint64_t limit)
{
    b.put(PROGRAM, p.program.words);
    b.write_ptr(SPACC_REG_PROGRAM_PTR, PROGRAM);
    b.write_ptr(SPACC_REG_WEIGHTS_PTR, WEIGHTS);
    b.write_ptr(SPACC_REG_INPUT_PTR, INPUT);
    b.write_ptr(SPACC_REG_OUTPUT_PTR, OUTPUT);
    b.write_reg(SPACC_REG_PROGRAM_BYTES, (uint32_t)p.program.words.size() * 4);
    b.write_reg(SPACC_REG_WEIGHTS_BYTES, p.weights_bytes);
    b.write_reg(SPACC_REG_INPUT_BYTES, p.input_bytes);
    b.write_reg(SPACC_REG_OUTPUT_BYTES, REGION);
    return b.run(limit);
}

// ---------------------------------------------------------------- checks

int errors;
void expect(bool good, const char *what, uint64_t got, uint64_t want)
{
    if (good)
        return;
    if (errors++ < 20)
        std::printf("%s: got %lld, want %lld\n", what, (long long)got, (long long)want);
}
void equal(const char *what, uint64_t got, uint64_t want)
{
    expect(got == want, what, got, want);
}

struct Coverage {
    uint64_t gate = 0, state = 0, cause[7] = {};
};

void check_run(Bench &b, const Card &c, const Layer &l, const Plan &p, uint32_t error,
               Coverage *seen)
{
    const Result want = model(c, l);
    const bool linear = l.cell == SPACC_CARD_CELL_LINEAR;
    const unsigned units = l.units(c);
    equal("error code", error, SPACC_ERROR_NONE);
    if (error) {
        std::printf("pc %u address 0x%llx\n", b.read_reg(SPACC_REG_ERROR_PC),
                    (unsigned long long)b.read_reg(SPACC_REG_ERROR_ADDRESS));
        return;
    }
    for (unsigned t = 0; t < l.steps; t++) {
        const uint8_t *y = &b.memory[OUTPUT + Y_OFFSET + (uint64_t)t * p.y_stride];
        for (unsigned i = 0; i < (linear ? 4 * units : units); i++) {
            int32_t got = 0;
            if (linear) {
                std::memcpy(&got, y + 4 * i, 4);
                equal("linear output", (uint64_t)got,
                      (uint64_t)want.linear[(size_t)t * 4 * units + i]);
            } else {
                int16_t h;
                std::memcpy(&h, y + 2 * i, 2);
                equal("h", (uint64_t)h, (uint64_t)want.h[(size_t)t * units + i]);
            }
        }
    }
    if (!linear)
        for (size_t u = 0; u < l.state.size(); u++) {
            int32_t got;
            std::memcpy(&got, &b.memory[OUTPUT + STATE_OFFSET + 4 * u], 4);
            if (u < units)
                equal("state", (uint64_t)got, (uint64_t)want.state[u]);
        }
    uint64_t count[SPACC_CARD_COUNTERS], mark[SPACC_CARD_COUNTERS], causes = 0, marked = 0;
    std::memcpy(mark, &b.memory[OUTPUT + MARK_OFFSET], sizeof mark);
    for (int i = 0; i < SPACC_CARD_COUNTERS; i++)
        count[i] = b.counter(i);
    for (int i = SPACC_COUNTER_ISSUE; i <= SPACC_COUNTER_CONTROL; i++) {
        causes += count[i];
        marked += mark[i];
        seen->cause[i - SPACC_COUNTER_ISSUE] += count[i] != 0;
    }
    equal("sum of causes", causes, count[SPACC_COUNTER_CYCLES]);
    equal("sum of causes in the mark", marked, mark[SPACC_COUNTER_CYCLES]);
    expect(mark[0] < count[0], "mark before the end", mark[0], count[0]);
    equal("issue cycles", count[SPACC_COUNTER_ISSUE], (uint64_t)l.words() * l.steps);
    // rtl/README.md "Timing": the drain of every pass, and once of a linear run.
    uint64_t drain = 8 + c.pes / 4 - 1 + 6 + (linear ? 0 : 13);
    for (unsigned lanes = c.lanes; lanes > 1; lanes /= 2)
        drain++;
    const unsigned passes = l.cell == SPACC_CARD_CELL_GRU_RESET ? 2 : 1;
    equal("drain cycles", count[SPACC_COUNTER_DRAIN],
          linear ? drain : drain * passes * l.steps);
    equal("gate saturations", count[SPACC_COUNTER_GATE_SATURATIONS], want.counts.gate);
    equal("state saturations", count[SPACC_COUNTER_STATE_SATURATIONS], want.counts.state);
    equal("bytes written", count[SPACC_COUNTER_BYTES_WRITTEN],
          (uint64_t)p.y_bytes * l.steps + 4 * l.state.size() * !linear +
              8 * SPACC_CARD_COUNTERS);
    seen->gate += want.counts.gate;
    seen->state += want.counts.state;
}

Card identify(Bench &b)
{
    equal("identity", b.read_reg(SPACC_REG_IDENTITY), SPACC_CARD_MAGIC);
    equal("version", b.read_reg(SPACC_REG_VERSION), SPACC_CARD_VERSION);
    const uint32_t array = b.read_reg(SPACC_REG_CONFIG_ARRAY);
    return {array & 0xffff,
            array >> 16,
            b.read_reg(SPACC_REG_CONFIG_WIDTHS) & 0xff,
            b.read_reg(SPACC_REG_CONFIG_WEIGHT_WORDS),
            b.read_reg(SPACC_REG_CONFIG_VECTOR_WORDS),
            b.read_reg(SPACC_REG_CONFIG_UNITS),
            b.read_reg(SPACC_REG_CONFIG_INSTRUCTIONS)};
}

// One good layer after each fault shows that the card is usable.
void check_errors(Bench &b, const Card &c, Coverage *seen)
{
    struct Fault {
        const char *name;
        uint32_t code;
        void (*spoil)(Bench &b, Plan &p);
    };
#define RUN_CODE(p) (&(p).program.words[(p).run_code])
    const Fault faults[] = {
        {"unknown opcode", SPACC_ERROR_BAD_OPCODE,
         [](Bench &, Plan &p) { p.program.words[0] = 99; }},
        {"no END", SPACC_ERROR_NO_END,
         [](Bench &, Plan &p) { p.program.words.resize(p.program.words.size() - 16); }},
        {"empty program", SPACC_ERROR_NO_END,
         [](Bench &, Plan &p) { p.program.words.clear(); }},
        {"steps 0", SPACC_ERROR_BAD_FIELD,
         [](Bench &, Plan &p) { FIELD(RUN_CODE(p), RUN, STEPS, 0); }},
        {"groups huge", SPACC_ERROR_BAD_FIELD,
         [](Bench &, Plan &p) { FIELD(RUN_CODE(p), RUN, GROUPS, 0xffffffff); }},
        {"weights past the end", SPACC_ERROR_BAD_FIELD,
         [](Bench &, Plan &p) { FIELD(RUN_CODE(p), RUN, K_X, 0xffff); }},
        {"x past the vector memory", SPACC_ERROR_BAD_FIELD,
         [](Bench &, Plan &p) { FIELD(RUN_CODE(p), RUN, X_BASE, 511); }},
        {"h too small", SPACC_ERROR_BAD_FIELD,
         [](Bench &, Plan &p) { FIELD(RUN_CODE(p), RUN, H_WORDS, 0); }},
        {"state base", SPACC_ERROR_BAD_FIELD,
         [](Bench &, Plan &p) { FIELD(RUN_CODE(p), RUN, STATE_BASE, 0xffffffff); }},
        {"param base", SPACC_ERROR_BAD_FIELD,
         [](Bench &, Plan &p) { FIELD(RUN_CODE(p), RUN, PARAM_BASE, 0x7fffffff); }},
        {"activation 3", SPACC_ERROR_BAD_FIELD,
         [](Bench &, Plan &p) { FIELD(RUN_CODE(p), RUN, ACT_G, 3); }},
        {"cell 7", SPACC_ERROR_BAD_FIELD,
         [](Bench &, Plan &p) { FIELD(RUN_CODE(p), RUN, CELL, 7); }},
        {"y not to the output region", SPACC_ERROR_BAD_FIELD,
         [](Bench &, Plan &p) { FIELD(RUN_CODE(p), RUN, Y_REGION, 2); }},
        {"load too many words", SPACC_ERROR_BAD_FIELD,
         [](Bench &, Plan &p) { FIELD(&p.program.words[0], LOAD_WEIGHTS, WORDS, 0xffffffff); }},
        {"region 0", SPACC_ERROR_BAD_FIELD,
         [](Bench &, Plan &p) { FIELD(&p.program.words[0], LOAD_WEIGHTS, REGION, 0); }},
        {"weights outside the region", SPACC_ERROR_BAD_ADDRESS,
         [](Bench &, Plan &p) { p.weights_bytes = 8; }},
        {"odd address", SPACC_ERROR_BAD_ADDRESS,
         [](Bench &, Plan &p) { FIELD(&p.program.words[16], LOAD_PARAMS, OFFSET, 4); }},
        {"x outside the region at a later step", SPACC_ERROR_BAD_ADDRESS,
         [](Bench &, Plan &p) { FIELD(RUN_CODE(p), RUN, X_STRIDE, REGION / 4 * 3); }},
        {"y outside the region", SPACC_ERROR_BAD_ADDRESS,
         [](Bench &, Plan &p) { FIELD(RUN_CODE(p), RUN, Y_OFFSET, REGION - 8); }},
        {"SLVERR on weights", SPACC_ERROR_READ_BUS,
         [](Bench &b, Plan &) { b.error_address = WEIGHTS + 16; }},
        {"SLVERR on the program", SPACC_ERROR_READ_BUS,
         [](Bench &b, Plan &) { b.error_address = PROGRAM + 64; }},
        {"SLVERR on y", SPACC_ERROR_WRITE_BUS,
         [](Bench &b, Plan &) { b.error_address = OUTPUT + Y_OFFSET; }},
        {"SLVERR on the mark", SPACC_ERROR_WRITE_BUS,
         [](Bench &b, Plan &) { b.error_address = OUTPUT + MARK_OFFSET; }},
        {"no read answers", SPACC_ERROR_WATCHDOG,
         [](Bench &b, Plan &) { b.dead_reads = true; }},
        {"no write answers", SPACC_ERROR_WATCHDOG,
         [](Bench &b, Plan &) { b.dead_writes = true; }},
    };
    for (const Fault &fault : faults) {
        Layer l = random_layer(c, SPACC_CARD_CELL_LSTM);
        l.steps = 3;
        l.x.resize((size_t)l.steps * l.x_words * c.lanes);
        Plan good = prepare(b, c, l), bad = good;
        fault.spoil(b, bad);
        b.write_reg(SPACC_REG_WATCHDOG_CYCLES, 1500);
        equal(fault.name, launch(b, bad, 200000), fault.code);
        b.error_address = 0;
        b.dead_reads = b.dead_writes = false;
        const uint32_t code = launch(b, good, 1000000);
        equal("the run after it", code, 0);
        check_run(b, c, l, good, code, seen);
    }
}

int speed(unsigned steps)
{
    Bench b;
    const Card c = identify(b);
    Layer l = {};
    l.cell = SPACC_CARD_CELL_LSTM;
    l.steps = steps;
    l.groups = 4096 / c.pes;
    l.k_x = l.k_h = 8 * 16 / c.lanes;
    l.x_words = l.h_words = 1024 / c.lanes;
    l.h_base = 2 * l.x_words;
    const size_t entries = (size_t)l.words() * c.pes * c.lanes;
    for (size_t i = 0; i < entries; i++) {
        l.weight.push_back(random16(8));
        l.index.push_back((int16_t)below(std::min(256u, l.x_words)));
    }
    for (unsigned r = 0; r < 4096; r++)
        l.row.push_back({0, 32768, 27});
    l.x.resize((size_t)steps * 1024);
    for (int16_t &v : l.x)
        v = random16(16);
    l.h.assign(1024, 0);
    l.state.assign(1024, 0);
    const Plan p = prepare(b, c, l);
    const auto begin = std::chrono::steady_clock::now();
    const uint64_t from = b.now;
    const uint32_t error = launch(b, p, (uint64_t)steps * 20000 + 4000000);
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    uint64_t count[SPACC_CARD_COUNTERS];
    for (int i = 0; i < SPACC_CARD_COUNTERS; i++)
        count[i] = b.counter(i);
    const uint64_t in_steps = count[SPACC_COUNTER_ISSUE] + count[SPACC_COUNTER_DRAIN] +
                              count[SPACC_COUNTER_X_WAIT] + count[SPACC_COUNTER_CELL] +
                              count[SPACC_COUNTER_OUT];
    static const char *const names[] = {
#define NAME(name, text) #name,
        SPACC_CARD_COUNTER_MAP(NAME)
#undef NAME
    };
    for (int i = 0; i < SPACC_CARD_COUNTERS; i++)
        std::printf("%-18s %llu\n", names[i], (unsigned long long)count[i]);
    std::printf("%u steps on %ux%u: %.1f cycles a step, %.2f %% of them issue; %.0f kcycles/s, "
                "%.2f ms a step\n",
                steps, c.pes, c.lanes, (double)in_steps / steps,
                100.0 * (double)count[SPACC_COUNTER_ISSUE] / (double)in_steps,
                (double)(b.now - from) / seconds / 1e3, seconds * 1e3 / steps);
    if (steps <= 4) {
        Layer copy = l;
        const Result want = model(c, copy);
        for (size_t i = 0; i < want.h.size(); i++) {
            int16_t h;
            std::memcpy(
                &h, &b.memory[OUTPUT + Y_OFFSET + (i / 1024) * p.y_stride + 2 * (i % 1024)], 2);
            equal("h", (uint64_t)h, (uint64_t)want.h[i]);
        }
    }
    return error || errors;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc == 3 && std::string(argv[1]) == "speed")
        return speed((unsigned)std::atoi(argv[2]));
    const unsigned seed = argc > 1 ? (unsigned)std::atoi(argv[1]) : 1;
    const unsigned layers = argc > 2 ? (unsigned)std::atoi(argv[2]) : 120;
    rng.seed(seed);
    Bench b;
    const Card c = identify(b);
    Coverage seen;
    std::printf("seed %u, card %ux%u\n", seed, c.pes, c.lanes);
    for (unsigned i = 0; i < layers && errors == 0; i++) {
        b.stall_per_16 = i % 3 == 0 ? 0 : i % 3 == 1 ? 4 : 14;
        b.write_stall_per_16 = i % 7 == 3 ? 15 : 0;
        b.latency = (unsigned)below(i % 5 ? 40 : 400);
        Layer l = random_layer(c, i % 7 == 3 ? SPACC_CARD_CELL_LINEAR : i % 4);
        l.x_stride = below(2) ? -1 : 1;
        const Plan p = prepare(b, c, l);
        check_run(b, c, l, p, launch(b, p, 4000000), &seen);
        if (errors)
            std::printf("layer %u: cell %u\n", i, l.cell);
    }
    b.stall_per_16 = 2;
    b.write_stall_per_16 = 0;
    b.latency = 20;
    if (errors == 0)
        check_errors(b, c, &seen);

    std::printf("saturations: gate %llu, state %llu; stalls AR %llu R %llu AW %llu W %llu B "
                "%llu; runs with each cause",
                (unsigned long long)seen.gate, (unsigned long long)seen.state,
                (unsigned long long)b.stalls[0], (unsigned long long)b.stalls[1],
                (unsigned long long)b.stalls[2], (unsigned long long)b.stalls[3],
                (unsigned long long)b.stalls[4]);
    for (uint64_t cause : seen.cause)
        std::printf(" %llu", (unsigned long long)cause);
    std::printf("; %d errors\ntrail %016llx after %llu cycles\n", errors,
                (unsigned long long)b.trail, (unsigned long long)b.now);
    for (uint64_t stall : b.stalls)
        expect(stall > 0, "stalls", stall, 1);
    for (unsigned i = 0; i < 7; i++) // a card of 4 PEs is never held back by its cell unit
        if (c.pes > 4 || i != SPACC_COUNTER_CELL - SPACC_COUNTER_ISSUE)
            expect(seen.cause[i] > 0, "runs with a cause", seen.cause[i], 1);
    expect(seen.gate > 0 && seen.state > 0, "saturations", seen.gate, 1);
    return errors != 0;
}
