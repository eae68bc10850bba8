// verilator: -GDataBits=64
// spacc_dma_read on a bus of 64 bits. Replay a failure: ./tb_dma_read <seed>
#include "Vspacc_dma_read.h"
using Vdut = Vspacc_dma_read;
#include "sim/dma_read_bench.h"
