// Sends quads of every cell type through the cell unit with random gaps, two passes where
// the cell has two, and compares h, states and saturation counts with a model written from
// rtl/README.md. Replay a failure: ./tb_cell <seed>
// verilator: -GUnits=64
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "Vcell.h"
#include "rtl/act_tables.h"
#include "rtl/card_map.h"
#include "verilated.h"

namespace
{

const unsigned units = 64; // the unit's parameter
std::mt19937_64 rng;

int64_t shift_round(int64_t v, unsigned s)
{
    return (v + ((int64_t)1 << (s - 1))) >> s;
}
int64_t cut(int64_t v, unsigned bits, unsigned *count)
{
    const int64_t most = ((int64_t)1 << (bits - 1)) - 1, least = -most - 1;
    if (count && (v < least || v > most))
        ++*count;
    return std::clamp(v, least, most);
}
int64_t curve(const uint16_t *base, const uint16_t *slope, int64_t z)
{
    const int64_t m = std::min<int64_t>(std::abs(z), 32767);
    return base[m / 128] + ((slope[m / 128] * (m % 128) + 64) >> 7);
}
int64_t sigmoid(int64_t z)
{
    const bool end = std::abs(z) >= 32767;
    const int64_t y = end ? 32767 : curve(spacc_sigmoid_base, spacc_sigmoid_slope, z);
    return z < 0 ? 32768 - y : y;
}
int64_t act(unsigned kind, int64_t z)
{
    if (kind == SPACC_CARD_ACT_RELU)
        return z > 0 ? z : 0;
    if (kind == SPACC_CARD_ACT_IDENTITY)
        return z;
    const int64_t y = curve(spacc_tanh_base, spacc_tanh_slope, z);
    return z < 0 ? -y : y;
}

struct Model {
    std::vector<int32_t> state = std::vector<int32_t>(units);
    std::vector<int64_t> gate = std::vector<int64_t>(units), x_part = gate;
    unsigned gate_cuts = 0, state_cuts = 0;

    int64_t lstm(unsigned u, const int32_t z[4], unsigned g_kind, unsigned h_kind)
    {
        const int64_t g = act(g_kind, z[3]) * (g_kind == SPACC_CARD_ACT_TANH ? 1 : 8);
        const int64_t c = shift_round(2 * sigmoid(z[2]) * state[u] + sigmoid(z[0]) * g, 16);
        state[u] = (int32_t)cut(c, 24, &state_cuts);
        const int64_t t = act(h_kind, cut(shift_round(state[u], 2), 16, nullptr));
        return cut(shift_round(sigmoid(z[1]) * t, 15), 16, &state_cuts);
    }
    int64_t blend(unsigned u, int64_t z, int64_t wide, unsigned g_kind)
    {
        const int64_t nz = g_kind == SPACC_CARD_ACT_TANH ? wide : shift_round(wide, 2);
        const int64_t n = act(g_kind, cut(nz, 16, &gate_cuts)), old = (int16_t)state[u];
        state[u] = (int32_t)cut(n + shift_round(z * (old - n), 15), 16, &state_cuts);
        return state[u];
    }
    int64_t gru(unsigned u, const int32_t z[4], unsigned g_kind)
    {
        return blend(u, sigmoid(z[0]), z[2] + shift_round(sigmoid(z[1]) * z[3], 15), g_kind);
    }
    int64_t pass_a(unsigned u, const int32_t z[4])
    {
        gate[u] = sigmoid(z[0]);
        x_part[u] = z[2];
        return cut(shift_round(sigmoid(z[1]) * (int16_t)state[u], 15), 16, &state_cuts);
    }
    int64_t pass_b(unsigned u, const int32_t z[4], unsigned g_kind)
    {
        return blend(u, gate[u], x_part[u] + z[3], g_kind);
    }
};

int errors;
void equal(const char *what, int64_t got, int64_t want)
{
    if (got != want && errors++ < 10)
        std::printf("%s: got %lld, want %lld\n", what, (long long)got, (long long)want);
}

int16_t code() // any, often near the ends
{
    switch (rng() % 8) {
    case 0: return -32768;
    case 1: return 32767;
    case 2:
    case 3: return (int16_t)rng();
    default: return (int16_t)(rng() % 16384 - 8192);
    }
}

int32_t wide_code() // 20 bits
{
    return rng() % 4 ? code() : (int32_t)((uint32_t)rng() << 12) >> 12;
}

// Four fields of 20 bits, row 0 lowest.
void put(WData to[3], const int32_t z[4])
{
    uint32_t f[4];
    for (int r = 0; r < 4; r++)
        f[r] = (uint32_t)z[r] & 0xfffff;
    to[0] = f[0] | f[1] << 20;
    to[1] = f[1] >> 12 | f[2] << 8 | f[3] << 28;
    to[2] = f[3] >> 4;
}

} // namespace

int main(int argc, char **argv)
{
    const unsigned seed = argc > 1 ? (unsigned)std::atoi(argv[1]) : 1;
    rng.seed(seed);
    VerilatedContext context;
    context.assertOn(true);
    Vcell cell(&context);
    unsigned gate_cuts = 0, state_cuts = 0, gaps = 0, quads = 0;
    Model model;
    cell.clk_i = 0;
    cell.eval();
    auto edge = [&] {
        gate_cuts += cell.gate_cut_o;
        state_cuts += cell.state_cuts_o;
        cell.clk_i = 1;
        cell.eval();
        cell.clk_i = 0;
        cell.eval();
    };
    cell.in_valid_i = cell.sw_valid_i = cell.sr_valid_i = cell.flush_i = 0;
    cell.rst_ni = 0;
    edge();
    gate_cuts = state_cuts = 0;
    cell.rst_ni = 1;

    for (unsigned run = 0; run < 400; run++) {
        const unsigned kind = SPACC_CARD_CELL_LSTM + run % 3;
        const unsigned g_kind = (unsigned)(rng() % 3), h_kind = (unsigned)(rng() % 3);
        const unsigned count = 1 + (unsigned)(rng() % units);
        cell.config_cell_i = (uint8_t)kind;
        cell.config_act_g_i = (uint8_t)g_kind;
        cell.config_act_h_i = (uint8_t)h_kind;
        for (unsigned u = 0; u < units; u++) {
            int32_t s = code();
            if (kind == SPACC_CARD_CELL_LSTM)
                s = (int32_t)((uint32_t)rng() << 8) >> (rng() % 4 ? 12 : 8);
            if (kind == SPACC_CARD_CELL_LSTM && rng() % 8 == 0)
                s = rng() % 2 ? 0x7fffff : -0x800000;
            model.state[u] = s;
            cell.sw_valid_i = 1;
            cell.sw_unit_i = (uint8_t)u;
            cell.sw_data_i = (uint32_t)s & 0xffffff;
            edge();
        }
        cell.sw_valid_i = 0;
        for (unsigned pass = 0; pass < (kind == SPACC_CARD_CELL_GRU_RESET ? 2u : 1u); pass++) {
            cell.config_pass_b_i = pass == 1;
            std::vector<int64_t> want;
            unsigned sent = 0, got = 0;
            for (unsigned limit = 0; got < count && limit < 4000; limit++) {
                if (cell.out_valid_o) {
                    equal("h", (int16_t)cell.out_h_o, want[got]);
                    got++;
                    quads++;
                }
                const bool enter = sent < count && rng() % 3 != 0;
                gaps += sent < count && !enter;
                cell.in_valid_i = enter;
                const bool wide = kind != SPACC_CARD_CELL_LSTM; // the parts of n
                const int32_t z[4] = {code(), code(), wide ? wide_code() : code(),
                                      wide ? wide_code() : code()};
                put(cell.in_z_i, z);
                cell.in_unit_i = (uint8_t)sent;
                if (enter) {
                    want.push_back(kind == SPACC_CARD_CELL_LSTM
                                       ? model.lstm(sent, z, g_kind, h_kind)
                                   : kind == SPACC_CARD_CELL_GRU ? model.gru(sent, z, g_kind)
                                   : pass == 0                   ? model.pass_a(sent, z)
                                               : model.pass_b(sent, z, g_kind));
                    sent++;
                }
                cell.eval();
                edge();
            }
            equal("quads out", got, count);
        }
        cell.in_valid_i = 0;
        edge();
        for (unsigned u = 0; u < units; u++) {
            cell.sr_valid_i = 1;
            cell.sr_unit_i = (uint8_t)u;
            edge();
            equal("state", (int32_t)(cell.sr_data_o << 8) >> 8, model.state[u]);
        }
        cell.sr_valid_i = 0;
    }
    equal("gate saturations", gate_cuts, model.gate_cuts);
    equal("state saturations", state_cuts, model.state_cuts);
    std::printf("seed %u: %u quads, %u gaps, %u gate and %u state saturations, %d errors\n",
                seed, quads, gaps, model.gate_cuts, model.state_cuts, errors);
    return errors != 0 || gaps == 0 || model.gate_cuts == 0 || model.state_cuts == 0;
}
