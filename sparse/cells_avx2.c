#define SPACC_CELLS(name) spacc_cells_##name##_avx2
#include "sparse/cells_body.h"
