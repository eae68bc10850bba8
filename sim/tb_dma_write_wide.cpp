// module: spacc_dma_write
// verilator: -GDataBits=512
// spacc_dma_write on a bus of 512 bits. Replay a failure: ./tb_dma_write_wide <seed>
#include "Vspacc_dma_write_wide.h"
using Vdut = Vspacc_dma_write_wide;
#include "sim/dma_write_bench.h"
