/* board.h - spacc inspect --board B MODEL: does the board's card fit its part, does the model
 * fit the card, and how long does a run take. */
#ifndef SPACC_CLI_BOARD_H
#define SPACC_CLI_BOARD_H

#include "host/board.h"
#include "host/cli/cli.h"

struct cli_board {
    const char *board, *file; /* file: ONNX or packed */
    double sparsity;          /* prune to this first; 0: as it is */
    struct cli_inputs in; /* dims of the caller's; what else it holds is filled and released */
    bool json;
};

/* Print what is known before synthesis: resources as estimated and as yosys said, the clock,
 * and cycles and microseconds of one run on that card, counted by its model
 * (host/card/model.h). CLI_OK also for a card that does not fit the part and a model that does
 * not fit the card: that is an answer. CLI_USAGE: no such board. CLI_FAILED: the file is no
 * model. */
int cli_board(struct cli_board *ask);

#endif
