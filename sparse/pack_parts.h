/* pack_parts.h - what writer and reader of packed models share; private to sparse/. */
#ifndef SPACC_PACK_PARTS_H
#define SPACC_PACK_PARTS_H

#include "sparse/pack.h"

enum {
    PACK_LAYERS_MAX = 1024,
    PACK_ALIGN = 64,
    PACK_HEADER_MAX = 8 << 20, /* bytes of JSON; cJSON takes up to 32 times that */
    PACK_DEPTH_MAX = 8,        /* nested JSON values; ours has 4 */
    PACK_NAME_BYTES = 48       /* "1023.w_x.value" and the keys of __metadata__ */
};

/* Format 2 is format 1 with one more cell, LSTMP. A file without one is written as format 1,
 * which older programs read. */
enum { PACK_FORMATS = 2 };
static const char *const pack_format_names[PACK_FORMATS] = {"1", "2"};

/* Spelling of cells and activations in a layer's JSON, in the order of the enums; and how many
 * of the cells a format knows. */
static const char *const pack_cell_names[] = {"LINEAR", "LSTM", "GRU", "GRU_RESET", "LSTMP"};
static const size_t pack_format_cells[PACK_FORMATS] = {4, 5};
static const char *const pack_act_names[] = {"TANH", "RELU", "IDENTITY"};

/* Parts of a layer that are matrices, by the name of their tensors. */
static const char *const pack_matrix_names[] = {"w_x", "w_h", "w_b"};
static const char *const pack_row_names[] = {"row", "row_b"};

#endif
