// module: spacc_dma_read
// verilator: -GDataBits=512
// spacc_dma_read on a bus of 512 bits. Replay a failure: ./tb_dma_read_wide <seed>
#include "Vspacc_dma_read_wide.h"
using Vdut = Vspacc_dma_read_wide;
#include "sim/dma_read_bench.h"
