// A PE of 4 lanes and 8-bit weights. Replay a failure: ./tb_pe_narrow <seed>
// verilator: -GLanes=4 -GWeightBits=8 -GWeightWords=64 -GXWords=64 -GHWords=32 -GPsumWords=8
// module: spacc_pe
#include "Vpe_narrow.h"
#include "sim/pe_bench.h"

int main(int argc, char **argv)
{
    const unsigned seed = argc > 1 ? (unsigned)std::atoi(argv[1]) : 1;
    return Bench<Vpe_narrow, 4, 8>(seed).run(seed);
}
