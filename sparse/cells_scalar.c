#define SPACC_CELLS(name) spacc_cells_##name##_scalar
#include "sparse/cells_body.h"
