// A PE of 16 lanes and 16-bit weights. Replay a failure: ./tb_pe <seed>
// verilator: -GLanes=16 -GWeightBits=16 -GWeightWords=64 -GXWords=64 -GHWords=32 -GPsumWords=8
#include "Vpe.h"
#include "sim/pe_bench.h"

int main(int argc, char **argv)
{
    const unsigned seed = argc > 1 ? (unsigned)std::atoi(argv[1]) : 1;
    return Bench<Vpe, 16, 16>(seed).run(seed);
}
