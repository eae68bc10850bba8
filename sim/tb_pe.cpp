// A PE of 16 lanes and int16 weights that a bus of 64 bits fills.
// clang-format off
// verilator: -GLanes=16 -GBeatLanes=4 -GHLanes=4 -GWeightBits=16 -GWeightWords=64 -GXWords=64 -GHWords=32 -GPsumWords=8
// clang-format on
#include "Vpe.h"
using Vdut = Vpe;
constexpr unsigned kLanes = 16, kBeatLanes = 4, kHLanes = 4, kWeightBits = 16;
constexpr unsigned kRows = 1, kActBits = 16;
#include "sim/pe_bench.h"
