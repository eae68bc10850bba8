// core_model.h - the card as rtl/README.md describes it: runs a program on an image of memory.
// Nothing here comes from the RTL or from sparse/.
//
// Memories of the card keep what they had from program to program. Indices past the end of
// a part and fields that the card would refuse are the caller's mistakes.
#ifndef SPACC_SIM_CORE_MODEL_H
#define SPACC_SIM_CORE_MODEL_H

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <vector>

#include "rtl/act_tables.h"
#include "rtl/card_map.h"

namespace
{

struct Card { // what its registers say
    unsigned pes, lanes, weight_bits, weight_words, x_words, h_words, units, instructions;
    unsigned cells, batch, psum_words, beat;
    unsigned y_beat = 0; // bytes that a y is filled up to with zeros; 0: a beat
    unsigned act_bits, shared_rows;
    unsigned queue = 0, mask_beats = 0; // of masked RUNs; 0: none
    unsigned quads() const              // units a group
    {
        return pes / 4;
    }
};

using Code = uint32_t[SPACC_INSTRUCTION_WORDS];

uint32_t get_bits(const uint32_t *code, unsigned word, unsigned low, unsigned bits)
{
    return (code[word] >> low) & (bits == 32 ? ~0u : (1u << bits) - 1u);
}
#define FIELD_OF(code, op, name)                                              \
    get_bits(code, SPACC_F_##op##_##name##_WORD, SPACC_F_##op##_##name##_LOW, \
             SPACC_F_##op##_##name##_BITS)

// ---------------------------------------------------------------- numbers

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

// ---------------------------------------------------------------- masked RUNs

struct DealtRow { // a row that a PE computes
    unsigned step, group;
    bool used;
};

// Which rows leave together, PE by PE: mask[step] is a bit a row.
std::vector<std::vector<DealtRow>> deal_rows(const Card &c,
                                             const std::vector<std::vector<uint8_t>> &mask,
                                             unsigned groups, unsigned window)
{
    std::vector<std::deque<DealtRow>> queue(c.pes);
    std::vector<std::vector<DealtRow>> taken;
    const auto wants = [&](unsigned t, unsigned g, unsigned pe) {
        const unsigned row = g * c.pes + pe;
        return (mask[t][row / 8] >> row % 8 & 1) != 0;
    };
    for (unsigned i = 0;;) {
        // Deal until the next group's rows do not fit, or all PEs have some.
        unsigned oldest = i / groups, have = 0;
        bool full = false;
        for (unsigned pe = 0; pe < c.pes; pe++) {
            have += !queue[pe].empty();
            if (!queue[pe].empty())
                oldest = std::min(oldest, queue[pe].front().step);
            if (i < mask.size() * groups && wants(i / groups, i % groups, pe))
                full |= queue[pe].size() == c.queue;
        }
        const bool end = i == mask.size() * groups;
        if (end && have == 0)
            break;
        if (have == c.pes || end || full || i / groups - oldest >= window) {
            taken.emplace_back(c.pes);
            for (unsigned pe = 0; pe < c.pes; pe++)
                if (!queue[pe].empty()) {
                    taken.back()[pe] = queue[pe].front();
                    queue[pe].pop_front();
                }
            continue;
        }
        for (unsigned pe = 0; pe < c.pes; pe++)
            if (wants(i / groups, i % groups, pe))
                queue[pe].push_back({(unsigned)i / groups, (unsigned)i % groups, true});
        i++;
    }
    return taken;
}

// ---------------------------------------------------------------- the card

struct Counts { // since the start of the program
    uint64_t gate = 0, state = 0, issue = 0, bytes_read = 0, bytes_written = 0;
    uint64_t skipped = 0, saved = 0;
};

struct Mark {
    size_t at; // in memory
    Counts counts;
};

class Model
{
  public:
    explicit Model(const Card &card)
        : c(card), weight((size_t)c.weight_words * c.pes * c.lanes), row(c.units * 4),
          state(c.units), h((size_t)c.h_words * c.lanes)
    {
    }

    // Run a program of 16-word instructions. region[1..3]: where the regions begin in memory.
    void run(std::vector<uint8_t> *image, const size_t region[4],
             const std::vector<uint32_t> &program)
    {
        memory = image->data();
        base = region;
        counts = Counts();
        marks.clear();
        has_stream = false;
        counts.bytes_read = (program.size() * 4 + c.beat - 1) / c.beat * c.beat;
        for (size_t pc = 0;; pc += SPACC_INSTRUCTION_WORDS)
            if (!execute(&program[pc]))
                return;
    }

    Counts counts;
    std::vector<Mark> marks;

  private:
    struct Row {
        int32_t bias;
        uint16_t mult;
        uint8_t shift;
    };
    struct Entry {
        int16_t weight;
        uint8_t index;
    };
    struct Run { // the fields of RUN
        unsigned cell, act_g, act_h, batch, groups, groups_b, k_x, k_h, k_b;
        unsigned weight_base, param_base, state_base, x_words, m_words, h_words, h_base;
        unsigned prologue;
        uint32_t steps, x_offset, x_stride, y_offset, y_stride;
        unsigned x_region, y_region;
        bool zero, half;
        bool masked;
        unsigned overlap, window, y_groups;
        bool linear() const
        {
            return cell == SPACC_CARD_CELL_LINEAR;
        }
        bool lstm() const
        {
            return cell == SPACC_CARD_CELL_LSTM || cell == SPACC_CARD_CELL_LSTMP;
        }
        bool two_pass() const
        {
            return cell == SPACC_CARD_CELL_GRU_RESET || cell == SPACC_CARD_CELL_LSTMP;
        }
    };
    struct Vectors { // of a step, [b][..]
        std::vector<std::vector<int16_t>> x;
        std::vector<const int16_t *> from_h, m;
    };

    const Card c;
    uint8_t *memory = nullptr;
    const size_t *base = nullptr;
    std::vector<Entry> weight; // [words][M][N]
    std::vector<Row> row;      // [units][4]
    std::vector<int32_t> state;
    std::vector<int16_t> h; // [words][N]
    bool has_stream = false;
    size_t stream_at = 0;
    unsigned stream_format = 0;
    // of the RUN under way
    Run r = {};
    const Entry *entries = nullptr; // word 0 of the order of issue
    std::vector<Entry> streamed;
    std::vector<int64_t> update, kept; // GRU_RESET: [b][units]
    std::vector<uint8_t> y;            // of a step

    template <typename T> T read(size_t at) const
    {
        T value;
        std::memcpy(&value, memory + at, sizeof value);
        return value;
    }

    Entry read_entry(size_t at, unsigned format, size_t number) const
    {
        if (format) {
            const uint32_t e = read<uint32_t>(at + 4 * number);
            return {(int16_t)e, (uint8_t)(e >> 16)};
        }
        const uint16_t e = read<uint16_t>(at + 2 * number);
        return {(int8_t)e, (uint8_t)(e >> 8)};
    }

    // Loads and stores keep region, offset, count and base in the same places.
    bool execute(const uint32_t *code)
    {
        const unsigned op = code[0] & 255;
        const size_t at =
            base[FIELD_OF(code, LOAD_STATE, REGION)] + FIELD_OF(code, LOAD_STATE, OFFSET);
        const uint32_t count = FIELD_OF(code, LOAD_STATE, UNITS),
                       to = FIELD_OF(code, LOAD_STATE, UNIT_BASE);
        switch (op) {
        case SPACC_OP_END: return false;
        case SPACC_OP_LOAD_WEIGHTS:
            load_weights(at, FIELD_OF(code, LOAD_WEIGHTS, FORMAT), count, to);
            break;
        case SPACC_OP_LOAD_PARAMS: load_params(at, count, to); break;
        case SPACC_OP_LOAD_VECTOR:
            std::memcpy(&h[(size_t)to * c.lanes], memory + at, (size_t)count * c.lanes * 2);
            counts.bytes_read += (size_t)count * c.lanes * 2;
            break;
        case SPACC_OP_LOAD_STATE: load_state(at, count, to); break;
        case SPACC_OP_STORE_STATE:
            std::memcpy(memory + at, &state[to], (size_t)count * 4);
            counts.bytes_written += count * 4;
            break;
        case SPACC_OP_MARK: // the caller fills in what the card wrote
            marks.push_back({at, counts});
            std::memset(memory + at, 0, 128);
            counts.bytes_written += 128;
            break;
        case SPACC_OP_STREAM:
            has_stream = true;
            stream_at = at;
            stream_format = FIELD_OF(code, STREAM, FORMAT);
            break;
        case SPACC_OP_RUN: run_layer(code); break;
        default: std::abort();
        }
        return true;
    }

    size_t word_entries() const
    {
        return (size_t)c.pes * c.lanes;
    }

    void load_weights(size_t at, unsigned format, uint32_t words, uint32_t to)
    {
        const size_t first = to * word_entries(), many = words * word_entries();
        for (size_t i = 0; i < many; i++)
            weight[first + i] = read_entry(at, format, i);
        counts.bytes_read += many * (format ? 4 : 2);
    }

    void load_params(size_t at, uint32_t units, uint32_t to)
    {
        for (size_t i = 0; i < (size_t)units * 4; i++) {
            const uint64_t v = read<uint64_t>(at + 8 * i);
            row[to * 4 + i] = {(int32_t)v, (uint16_t)(v >> 32), (uint8_t)(v >> 48)};
        }
        counts.bytes_read += (size_t)units * 32;
    }

    void load_state(size_t at, uint32_t units, uint32_t to)
    {
        for (uint32_t i = 0; i < units; i++)
            state[to + i] = (int32_t)(read<uint32_t>(at + 4 * i) << 8) >> 8;
        counts.bytes_read += (size_t)units * 4;
    }

    // ------------------------------------------------------------ RUN

    void decode(const uint32_t *code)
    {
        r.cell = FIELD_OF(code, RUN, CELL);
        r.act_g = FIELD_OF(code, RUN, ACT_G);
        r.act_h = FIELD_OF(code, RUN, ACT_H);
        r.batch = FIELD_OF(code, RUN, BATCH);
        r.steps = FIELD_OF(code, RUN, STEPS);
        r.groups = FIELD_OF(code, RUN, GROUPS);
        r.groups_b = FIELD_OF(code, RUN, GROUPS_B);
        r.k_x = FIELD_OF(code, RUN, K_X);
        r.k_h = FIELD_OF(code, RUN, K_H);
        r.k_b = FIELD_OF(code, RUN, K_B);
        r.weight_base = FIELD_OF(code, RUN, WEIGHT_BASE);
        r.param_base = FIELD_OF(code, RUN, PARAM_BASE);
        r.state_base = FIELD_OF(code, RUN, STATE_BASE);
        r.x_words = FIELD_OF(code, RUN, X_WORDS);
        r.m_words = FIELD_OF(code, RUN, M_WORDS);
        r.h_words = r.cell == SPACC_CARD_CELL_LINEAR ? 0 : FIELD_OF(code, RUN, H_WORDS);
        r.h_base = FIELD_OF(code, RUN, H_BASE);
        r.prologue = FIELD_OF(code, RUN, PROLOGUE);
        r.x_region = FIELD_OF(code, RUN, X_REGION);
        r.y_region = FIELD_OF(code, RUN, Y_REGION);
        r.x_offset = FIELD_OF(code, RUN, X_OFFSET);
        r.x_stride = FIELD_OF(code, RUN, X_STRIDE);
        r.y_offset = FIELD_OF(code, RUN, Y_OFFSET);
        r.y_stride = FIELD_OF(code, RUN, Y_STRIDE);
        r.zero = FIELD_OF(code, RUN, ZERO);
        r.half = FIELD_OF(code, RUN, HALF);
        r.masked = FIELD_OF(code, RUN, MASKED);
        r.overlap = FIELD_OF(code, RUN, OVERLAP);
        r.window = FIELD_OF(code, RUN, WINDOW);
        r.y_groups = FIELD_OF(code, RUN, Y_GROUPS);
    }

    unsigned words() const
    {
        return r.groups * (r.k_x + r.k_h) + r.groups_b * r.k_b;
    }

    // First word of a part in the order of issue.
    unsigned x_part(unsigned group) const
    {
        return group < r.prologue ? group * r.k_x : group * (r.k_x + r.k_h);
    }
    unsigned h_part(unsigned group) const
    {
        return group < r.prologue ? r.prologue * r.k_x + group * r.k_h
                                  : group * (r.k_x + r.k_h) + r.k_x;
    }
    unsigned b_part(unsigned group) const
    {
        return r.groups * (r.k_x + r.k_h) + group * r.k_b;
    }

    void run_layer(const uint32_t *code)
    {
        decode(code);
        entries = &weight[r.weight_base * word_entries()];
        if (has_stream) {
            streamed.clear();
            for (size_t i = 0; i < words() * word_entries(); i++)
                streamed.push_back(read_entry(stream_at, stream_format, i));
            entries = streamed.data();
            counts.bytes_read += (uint64_t)r.steps * streamed.size() * (stream_format ? 4 : 2);
        }
        has_stream = false;
        if (r.masked) {
            run_masked();
            return;
        }
        for (uint32_t t = 0; t < r.steps; t++)
            step(t);
        counts.issue += (uint64_t)words() * r.batch * r.steps;
    }

    // A mask stands behind the x of its step; a step reads the x of `overlap` steps before,
    // too.
    void run_masked()
    {
        const size_t x_bytes = (size_t)r.x_words * c.lanes * 2;
        const size_t bytes = ((r.groups * c.pes + 7) / 8 + c.beat - 1) / c.beat * c.beat;
        std::vector<std::vector<uint8_t>> mask;
        std::vector<std::vector<int16_t>> x;
        uint64_t wanted = 0;
        for (uint32_t t = 0; t < r.steps; t++) {
            const uint8_t *at =
                memory + base[r.x_region] + (uint32_t)(r.x_offset + t * r.x_stride) + x_bytes;
            mask.emplace_back(at, at + bytes);
            for (unsigned row = 0; row < r.groups * c.pes; row++)
                wanted += mask.back()[row / 8] >> row % 8 & 1;
            x.push_back(read_x(t, 0));
        }
        counts.bytes_read += r.steps * bytes;
        const auto taken = deal_rows(c, mask, r.groups, r.window);
        if (taken.size() != r.y_groups)
            std::abort();
        y.clear();
        for (const auto &rows : taken)
            for (unsigned pe = 0; pe < c.pes; pe++)
                put_y(y.size() / 4, rows[pe].used ? masked_row(rows[pe], pe, x) : 0);
        write_y(0);
        const uint64_t all = (uint64_t)r.steps * r.groups;
        counts.issue += taken.size() * r.k_x;
        counts.saved += (all - taken.size()) * r.k_x;
        counts.skipped += all * c.pes - wanted;
    }

    int32_t masked_row(const DealtRow &row, unsigned pe,
                       const std::vector<std::vector<int16_t>> &x)
    {
        std::vector<int16_t> seen;
        for (unsigned t = row.step - r.overlap; t <= row.step; t++)
            seen.insert(seen.end(), x[t].begin(), x[t].end());
        const int64_t acc = sum(row.group * r.k_x, r.k_x, pe, seen.data());
        return (int32_t)requantise(acc, row.group * c.quads() + pe / 4, pe % 4, 32,
                                   &counts.state);
    }

    // Where position s of sequence b stands in a batch of chunks of `chunk` positions.
    size_t place(size_t s, unsigned b, size_t chunk) const
    {
        return (s / chunk * r.batch + b) * chunk + s % chunk;
    }

    int16_t *h_at(unsigned word)
    {
        return &h[(size_t)word * c.lanes];
    }

    void step(uint32_t t)
    {
        const unsigned half_words = r.batch * r.h_words, from = (r.half + t) & 1;
        const bool zero = r.zero && t == 0;
        const std::vector<int16_t> nothing(zero ? (size_t)r.h_words * c.lanes : 0);
        Vectors v;
        for (unsigned b = 0; b < r.batch; b++) {
            v.x.push_back(read_x(t, b));
            v.from_h.push_back(zero ? nothing.data()
                                    : h_at(r.h_base + from * half_words + b * r.h_words));
            v.m.push_back(h_at(r.h_base + 2 * half_words + b * r.m_words));
        }
        const unsigned to = r.h_base + (1 - from) * half_words;
        const size_t units = r.groups * c.quads();
        update.assign(units * r.batch, 0);
        kept = update;
        y.clear();
        for (unsigned g = 0; g < r.groups; g++)
            for (unsigned b = 0; b < r.batch; b++)
                group_a(g, b, v, zero, to);
        for (unsigned g = 0; g < r.groups_b; g++)
            for (unsigned b = 0; b < r.batch; b++)
                group_b(g, b, v, zero, to);
        write_y(t);
    }

    std::vector<int16_t> read_x(uint32_t t, unsigned b)
    {
        const size_t from = base[r.x_region] + (uint32_t)(r.x_offset + t * r.x_stride);
        std::vector<int16_t> x((size_t)r.x_words * c.lanes);
        for (size_t s = 0; s < x.size(); s++)
            x[s] = read<int16_t>(from + 2 * place(s, b, c.quads()));
        counts.bytes_read += 2 * x.size();
        return x;
    }

    void write_y(uint32_t t)
    {
        const unsigned fill = c.y_beat ? c.y_beat : c.beat;
        y.resize((y.size() + fill - 1) / fill * fill);
        std::memcpy(memory + base[r.y_region] + (uint32_t)(r.y_offset + t * r.y_stride),
                    y.data(), y.size());
        counts.bytes_written += y.size();
    }

    template <typename T> void put_y(size_t number, T value)
    {
        if (y.size() < (number + 1) * sizeof value)
            y.resize((number + 1) * sizeof value);
        std::memcpy(&y[number * sizeof value], &value, sizeof value);
    }

    int64_t sum(unsigned word, unsigned k, unsigned pe, const int16_t *vector) const
    {
        int64_t total = 0;
        for (unsigned j = 0; j < k; j++) {
            const Entry *e = &entries[((size_t)(word + j) * c.pes + pe) * c.lanes];
            const Entry *at = e - (size_t)(pe % c.shared_rows) * c.lanes; // whose index counts
            for (unsigned n = 0; n < c.lanes; n++)
                total += product(e, n, pe % 2 != 0, vector[(size_t)at[n].index * c.lanes + n]);
        }
        return total;
    }

    int64_t product(const Entry *e, unsigned n, bool high, int16_t value) const
    {
        if (c.act_bits == 16)
            return (int64_t)e[n].weight * value;
        const int64_t low_weight = (high ? e - c.lanes : e)[n].weight;
        const int64_t high_weight = (high ? e : e + c.lanes)[n].weight;
        // 27 bits of both weights; the low product has 19 bits, the high one begins there.
        const int64_t both = sign_extend(high_weight * (1 << 19) + low_weight, 27);
        const int64_t x =
            std::min(((int64_t)value >> (16 - c.act_bits)) + (value >> (15 - c.act_bits) & 1),
                     ((int64_t)1 << (c.act_bits - 1)) - 1);
        const int64_t p = both * x, low = sign_extend(p, 19);
        return high ? sign_extend((p - low) >> 19, 8 + c.act_bits) : low;
    }

    static int64_t sign_extend(int64_t v, unsigned bits)
    {
        return (int64_t)((uint64_t)v << (64 - bits)) >> (64 - bits);
    }

    // z of a row; `count` is where a cut goes (NULL: a row that is not used).
    int64_t requantise(int64_t acc, unsigned unit, unsigned number, unsigned bits,
                       uint64_t *count) const
    {
        const Row &p = row[(size_t)(r.param_base + unit) * 4 + number];
        return cut(round_shift((acc + p.bias) * p.mult, p.shift), bits, count);
    }

    void group_a(unsigned g, unsigned b, const Vectors &v, bool zero, unsigned to)
    {
        const bool reset = r.cell == SPACC_CARD_CELL_GRU_RESET;
        for (unsigned q = 0; q < c.quads(); q++) {
            const unsigned u = g * c.quads() + q;
            int64_t z[4];
            for (unsigned i = 0; i < 4; i++) {
                const unsigned bits = r.linear() ? 32 : r.lstm() || i < 2 ? 16 : 20;
                const int64_t acc = sum(x_part(g), r.k_x, 4 * q + i, v.x[b].data()) +
                                    sum(h_part(g), r.k_h, 4 * q + i, v.from_h[b]);
                z[i] = requantise(acc, u, i, bits,
                                  r.linear()         ? &counts.state
                                  : !reset || i != 3 ? &counts.gate
                                                     : nullptr);
                if (r.linear())
                    put_y(place(4 * u + i, b, c.pes), (int32_t)z[i]);
            }
            if (!r.linear())
                cell_a(u, b, z, zero, to);
        }
    }

    // h of unit u leaves the cell unit: to m of a first pass, else to h and y.
    void put_h(unsigned u, unsigned b, int64_t value, unsigned to)
    {
        h_at(to + b * r.h_words)[u] = (int16_t)value;
        put_y(place(u, b, c.quads()), (int16_t)value);
    }
    void put_m(unsigned u, unsigned b, int64_t value)
    {
        h_at(r.h_base + 2 * r.batch * r.h_words + b * r.m_words)[u] = (int16_t)value;
    }

    int32_t &state_of(unsigned u, unsigned b)
    {
        return state[r.state_base + b * r.groups * c.quads() + u];
    }

    void cell_a(unsigned u, unsigned b, const int64_t z[4], bool zero, unsigned to)
    {
        const int64_t old = zero ? 0 : state_of(u, b);
        const size_t at = b * r.groups * c.quads() + u;
        if (r.cell == SPACC_CARD_CELL_LSTM)
            put_h(u, b, lstm(z, old, &state_of(u, b)), to);
        if (r.cell == SPACC_CARD_CELL_LSTMP)
            put_m(u, b, lstm(z, old, &state_of(u, b)));
        if (r.cell == SPACC_CARD_CELL_GRU) {
            const int64_t sum = z[2] + round_shift(sigmoid(z[1]) * z[3], 15);
            state_of(u, b) = gru(sigmoid(z[0]), sum, (int16_t)old);
            put_h(u, b, state_of(u, b), to);
        }
        if (r.cell == SPACC_CARD_CELL_GRU_RESET) {
            update[at] = sigmoid(z[0]);
            kept[at] = z[2];
            put_m(u, b, cut(round_shift(sigmoid(z[1]) * (int16_t)old, 15), 16, &counts.state));
        }
    }

    int64_t lstm(const int64_t z[4], int64_t old, int32_t *c_state)
    {
        const int64_t i = sigmoid(z[0]), o = sigmoid(z[1]), f = sigmoid(z[2]);
        const int64_t g = act(r.act_g, z[3]) * (r.act_g == SPACC_CARD_ACT_TANH ? 1 : 8);
        const int64_t next = cut(round_shift(2 * f * old + i * g, 16), 24, &counts.state);
        *c_state = (int32_t)next;
        const int64_t t = act(r.act_h, cut(round_shift(next, 2), 16, nullptr));
        return cut(round_shift(o * t, 15), 16, &counts.state);
    }

    int32_t gru(int64_t gate, int64_t wide, int64_t old)
    {
        const bool bounded = r.act_g == SPACC_CARD_ACT_TANH;
        const int64_t n =
            act(r.act_g, cut(bounded ? wide : round_shift(wide, 2), 16, &counts.gate));
        return (int32_t)cut(n + round_shift(gate * (old - n), 15), 16, &counts.state);
    }

    void group_b(unsigned g, unsigned b, const Vectors &v, bool zero, unsigned to)
    {
        const unsigned units = r.groups * c.quads();
        for (unsigned q = 0; q < c.quads(); q++) {
            const unsigned u = g * c.quads() + q;
            for (unsigned i = 0; i < 4; i++) {
                const bool lstmp = r.cell == SPACC_CARD_CELL_LSTMP;
                if (!lstmp && i != 3)
                    continue;
                const int64_t acc = sum(b_part(g), r.k_b, 4 * q + i, v.m[b]);
                const int64_t z = requantise(acc, units + u, i, lstmp ? 16 : 20,
                                             lstmp ? &counts.state : &counts.gate);
                if (lstmp) {
                    h_at(to + b * r.h_words)[4 * u + i] = (int16_t)z;
                    put_y(place(4 * u + i, b, c.pes), (int16_t)z);
                } else {
                    const size_t at = b * units + u;
                    const int16_t old = zero ? (int16_t)0 : (int16_t)state_of(u, b);
                    state_of(u, b) = gru(update[at], kept[at] + z, old);
                    put_h(u, b, state_of(u, b), to);
                }
            }
        }
    }
};

} // namespace

#endif
