// A PE of 32 lanes and int16 weights that a bus of 512 bits fills a word at a time.
// clang-format off
// verilator: -GLanes=32 -GBeatLanes=32 -GHLanes=32 -GWeightBits=16 -GWeightWords=64 -GXWords=64 -GHWords=32 -GPsumWords=8
// module: spacc_pe
// clang-format on
#include "Vpe_wide.h"
using Vdut = Vpe_wide;
constexpr unsigned kLanes = 32, kBeatLanes = 32, kHLanes = 32, kWeightBits = 16;
constexpr unsigned kRows = 1, kActBits = 16;
#include "sim/pe_bench.h"
