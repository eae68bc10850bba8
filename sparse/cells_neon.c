#define SPACC_CELLS(name) spacc_cells_##name##_neon
#include "sparse/cells_body.h"
