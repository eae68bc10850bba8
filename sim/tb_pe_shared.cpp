// Four rows of 8 lanes and int16 weights that share indices and vector banks.
// clang-format off
// verilator: -GLanes=8 -GBeatLanes=4 -GHLanes=8 -GRows=4 -GWeightBits=16 -GWeightWords=64 -GXWords=64 -GHWords=32 -GPsumWords=8
// module: spacc_pe
// clang-format on
#include "Vpe_shared.h"
using Vdut = Vpe_shared;
constexpr unsigned kLanes = 8, kBeatLanes = 4, kHLanes = 8, kWeightBits = 16;
constexpr unsigned kRows = 4, kActBits = 16;
#include "sim/pe_bench.h"
