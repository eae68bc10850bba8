// Sends sums and parameters, the largest ones too, through a requantiser with random gaps
// and compares with arithmetic in 128 bits. Replay a failure: ./tb_requant <seed>
// verilator: -GUnits=64
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>

#include "Vrequant.h"
#include "verilated.h"

struct Param {
    int32_t bias;
    uint16_t mult;
    unsigned shift;
};

struct Want {
    int32_t v;
    int32_t z;
    bool cut32, cut_z;
};

static Want model(int64_t sum, const Param &p, bool narrow)
{
    __extension__ typedef __int128 wide;
    const wide total = ((wide)sum + p.bias) * p.mult;
    // a shift of 0 is one of 64
    const unsigned s = p.shift ? p.shift : 64;
    const wide v = (total + ((wide)1 << (s - 1))) >> s;
    Want w;
    w.cut32 = v != (int32_t)v;
    const int32_t most = narrow ? INT16_MAX : (1 << 19) - 1;
    w.cut_z = v > most || v < -most - 1;
    w.v = w.cut32 ? (v < 0 ? INT32_MIN : INT32_MAX) : (int32_t)v;
    w.z = w.cut_z ? (v < 0 ? -most - 1 : most) : (int32_t)v;
    return w;
}

int main(int argc, char **argv)
{
    const unsigned seed = argc > 1 ? (unsigned)std::atoi(argv[1]) : 1, units = 64;
    std::mt19937_64 rng(seed);
    VerilatedContext context;
    Vrequant unit(&context);
    Param params[units];
    int errors = 0, gaps = 0, rows = 0, cuts[3] = {};
    auto edge = [&] {
        unit.clk_i = 1;
        unit.eval();
        unit.clk_i = 0;
        unit.eval();
    };
    unit.clk_i = 0;
    unit.enable_i = 0;
    unit.eval();
    for (int round = 0; round < 200; round++) {
        for (unsigned u = 0; u < units; u++) {
            params[u].bias = rng() % 8 ? (int32_t)rng() : rng() % 2 ? INT32_MIN : INT32_MAX;
            params[u].mult = rng() % 8 ? (uint16_t)rng() : 65535;
            params[u].shift = (unsigned)(rng() % 64);
            unit.pw_valid_i = 1;
            unit.pw_unit_i = (uint8_t)u;
            unit.pw_data_i = (uint64_t)params[u].shift << 48 | (uint64_t)params[u].mult << 32 |
                             (uint32_t)params[u].bias;
            edge();
        }
        unit.pw_valid_i = 0;
        std::deque<Want> want;
        unit.narrow_i = round % 2;
        unsigned valid = 0;
        for (int sent = 0; sent < 500 || valid;) {
            if (valid & 32) {
                const Want w = want.front();
                want.pop_front();
                if ((int32_t)unit.v_o != w.v || (int32_t)(unit.z_o << 12) >> 12 != w.z ||
                    unit.cut32_o != w.cut32 || unit.cut_z_o != w.cut_z)
                    if (errors++ < 10)
                        std::printf("got v %d z %d, want %d %d\n", (int32_t)unit.v_o,
                                    (int32_t)(unit.z_o << 12) >> 12, w.v, w.z);
                cuts[w.cut_z + w.cut32]++;
                rows++;
            }
            const bool enter = sent < 500 && rng() % 3 != 0;
            gaps += !enter;
            const unsigned u = (unsigned)(rng() % units);
            // 48 bits signed, all magnitudes, both ends
            int64_t sum = (int64_t)rng() >> (16 + rng() % 48);
            if (rng() % 16 == 0)
                sum = rng() % 2 ? -((int64_t)1 << 47) : ((int64_t)1 << 47) - 1;
            unit.unit_i = (uint8_t)u;
            unit.sum_i = (uint64_t)sum & 0xffffffffffffull;
            unit.enable_i = (uint8_t)((valid << 1 | enter) & 63);
            valid = (valid << 1 | enter) & 63;
            if (enter) {
                want.push_back(model(sum, params[u], unit.narrow_i));
                sent++;
            }
            edge();
        }
    }
    std::printf("seed %u: %d rows, %d gaps; cut not %d, z only %d, to 32 bits %d; %d errors\n",
                seed, rows, gaps, cuts[0], cuts[1], cuts[2], errors);
    return errors != 0 || gaps == 0 || !cuts[0] || !cuts[1] || !cuts[2];
}
