// verilator: -GDataBits=64
// spacc_dma_write on a bus of 64 bits. Replay a failure: ./tb_dma_write <seed>
#include "Vspacc_dma_write.h"
using Vdut = Vspacc_dma_write;
#include "sim/dma_write_bench.h"
