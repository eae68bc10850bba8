/* clean_cell.h - a recurrent cell while it is being recognised: clean_cell.c finds its shape,
 * clean_gate.c takes the gates apart into weights, clean_cell_make.c writes the new node. */
#ifndef SPACC_CLEAN_CELL_H
#define SPACC_CLEAN_CELL_H

#include "models/clean_parts.h"

enum { SPACC_CELL_GATES = 4, SPACC_CELL_PIECES = 6, SPACC_CELL_DEPTH = 32 };

/* source [N][rows] . w[row0 .. row0 + rows)[col0 ..), times alpha; `turned`: w is [cols][rows].
 * Or a bias: source -1, w has one number or one a column. */
struct spacc_cell_piece {
    int source;
    int weights; /* value of w */
    const struct spacc_tensor *w;
    int64_t row0, rows, col0;
    bool turned;
    double alpha;
};

/* The input of one activation as a sum of pieces. */
struct spacc_cell_gate {
    int pieces;
    struct spacc_cell_piece piece[SPACC_CELL_PIECES];
    bool negated; /* the cell uses one less the gate: weights change sign */
};

/* Gates in ONNX's order: LSTM i o f c; GRU z r h, and the part of h that r multiplies. */
struct spacc_cell {
    struct spacc_clean *c;
    bool lstm, linear_before_reset;
    bool joined;      /* a Concat in front of weights is x beside h, not x alone */
    int h_new, c_new; /* values made */
    int x, h, state;  /* values read; state: the LSTM's c */
    int r;            /* GRU: value of the reset gate */
    int64_t inputs, hidden;
    struct spacc_cell_gate gate[SPACC_CELL_GATES];
    bool *mark; /* by node: belongs to the cell */
    int marks;
    int depth; /* nodes on the way to the pieces of a gate */
};

enum { SPACC_GRU_Z, SPACC_GRU_R, SPACC_GRU_H, SPACC_GRU_RH };

void spacc_cell_mark(struct spacc_cell *m, const struct spacc_node *n);

/* Columns col .. col + hidden of `value` into gate `g`. False: not such a sum. */
bool spacc_cell_gate(struct spacc_cell *m, int g, int value, int64_t col);

/* The value that an activation `act` makes `value` from, also where a Split or Slice of its
 * results lies between; *col moves with that. -1: none. */
int spacc_cell_before(struct spacc_cell *m, const char *act, int value, int64_t *col);

/* Replace the marked nodes. SPACC_ENOMEM. */
enum spacc_status spacc_cell_make(struct spacc_cell *m);

#endif
