// A PE of 4 lanes and int8 weights.
// clang-format off
// verilator: -GLanes=4 -GBeatLanes=4 -GHLanes=4 -GWeightBits=8 -GWeightWords=64 -GXWords=64 -GHWords=32 -GPsumWords=8
// module: spacc_pe
// clang-format on
#include "Vpe_narrow.h"
using Vdut = Vpe_narrow;
constexpr unsigned kLanes = 4, kBeatLanes = 4, kHLanes = 4, kWeightBits = 8;
constexpr unsigned kRows = 1, kActBits = 16;
#include "sim/pe_bench.h"
