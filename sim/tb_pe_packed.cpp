// Four rows of 8 lanes, int8 weights and x of 12 bits: two products a multiplier.
// clang-format off
// verilator: -GLanes=8 -GBeatLanes=8 -GHLanes=4 -GRows=4 -GWeightBits=8 -GActBits=12 -GWeightWords=64 -GXWords=64 -GHWords=32 -GPsumWords=8
// module: spacc_pe
// clang-format on
#include "Vpe_packed.h"
using Vdut = Vpe_packed;
constexpr unsigned kLanes = 8, kBeatLanes = 8, kHLanes = 4, kWeightBits = 8;
constexpr unsigned kRows = 4, kActBits = 12;
#include "sim/pe_bench.h"
