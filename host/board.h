/* board.h - boards with an FPGA: what their parts hold, the card that each one gets, and how
 * much of the part a card of any parameters takes, told before synthesis.
 *
 * The estimate is memories counted by the mapping rules of yosys 0.23 plus, block by
 * block, a sum of terms fitted to its results (boards/fit.py). boards/results.json has
 * what yosys said of the boards' own cards; test_board.c holds both together.
 *
 * Units of a family: lut is a logic cell (iCE40), LUT4 (ECP5), LUT6 (Xilinx), LUTs used as
 * memory included; bram 4 Kbit (iCE40) or 18 Kbit; uram SPRAM (iCE40) or UltraRAM. */
#ifndef SPACC_BOARD_H
#define SPACC_BOARD_H

#include <stdbool.h>
#include <stddef.h>

#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum spacc_family {
    SPACC_FAMILY_ICE40,
    SPACC_FAMILY_ECP5,
    SPACC_FAMILY_XC7,
    SPACC_FAMILY_XCUP,
    SPACC_FAMILIES
};

/* Blocks of a card, each estimated for itself. */
enum spacc_card_block {
    SPACC_BLOCK_PE,
    SPACC_BLOCK_REQUANT,
    SPACC_BLOCK_CELL,
    SPACC_BLOCK_CELL_SMALL,
    SPACC_BLOCK_ARRAY,   /* without the PEs */
    SPACC_BLOCK_CONTROL, /* program, checks, counters */
    SPACC_BLOCK_RUN,     /* sequencer with its fetches and sends */
    SPACC_BLOCK_HOST,    /* registers and DMAs */
    SPACC_BLOCK_CORE,    /* the rest */
    SPACC_BLOCK_QUEUE,   /* a PE's rows of masked RUNs */
    SPACC_BLOCK_DEAL,    /* masks, and rows to PEs */
    SPACC_BLOCK_MICRO,   /* all of spacc_micro */
    SPACC_CARD_BLOCKS
};

enum { SPACC_BLOCK_TERMS = 5 };

/* Parameters of rtl/spacc_card.sv; of spacc_micro.sv, of which most are fixed. */
struct spacc_card_config {
    unsigned pes, lanes, cells, weight_bits, index_bits, axi_bits;
    unsigned weight_words, x_words, h_words, units, psum_words, instructions;
    unsigned shared_rows, act_bits; /* estimated are only 1 and 16 */
    unsigned queue;      /* rows that a PE queues for masked RUNs; 0: none of these */
    unsigned small_cell; /* 1: spacc_cell_small */
    unsigned micro;      /* 1: spacc_micro, 4x4 of 8 bits, one multiplication at a time */
};

struct spacc_board_use {
    double lut, ff, dsp, bram, uram;
};

enum spacc_board_stage { SPACC_BOARD_ESTIMATED, SPACC_BOARD_SYNTHESISED, SPACC_BOARD_ROUTED };

struct spacc_board {
    const char *name, *title, *part, *source; /* source: of the capacity */
    enum spacc_family family;
    struct spacc_board_use capacity;
    struct spacc_card_config card;
    size_t memory_bytes;   /* of the card, inside the part; 0: a host's or a module's, large */
    double clock_mhz;      /* what the card runs at */
    const char *clock_why; /* where that is from */
    bool clock_measured;   /* placed and routed at no less; else assumed */
    double fmax_mhz;       /* of the best placement; 0 when nothing was routed */
    /* What yosys said of this card, and of the design around it with the card in it. Zeros
     * when `stage` is ESTIMATED. */
    enum spacc_board_stage stage;
    struct spacc_board_use measured, design;
};

/* All boards; static. */
const struct spacc_board *spacc_boards(size_t *count);
/* NULL: no board of that name. */
const struct spacc_board *spacc_board_find(const char *name);
/* "LUT4", "RAMB18 (a RAMB36 is two)": the family's names; static. */
const char *spacc_family_lut(enum spacc_family family);
const char *spacc_family_bram(enum spacc_family family);
const char *spacc_family_dsp(enum spacc_family family);

/* SPACC_EINVAL: no such card can be built; names the parameter and its rule. */
enum spacc_status spacc_card_config_check(const struct spacc_card_config *c,
                                          struct spacc_error *err);

/* What yosys would need for the card. The parameters have been checked. */
void spacc_card_estimate(struct spacc_board_use *use, enum spacc_family family,
                         const struct spacc_card_config *c);

/* What the design around a board's card takes (serial port, memory): measured, or 0. */
void spacc_board_around(struct spacc_board_use *use, const struct spacc_board *board);

/* Nothing is above the capacity. */
bool spacc_board_holds(const struct spacc_board *board, const struct spacc_board_use *use);

/* ---- for boards/fit.py ---- */

/* How many of a block a card has. */
unsigned spacc_block_count(enum spacc_card_block block, const struct spacc_card_config *c);
/* Memories of one block: block RAMs, and LUTs and flip-flops of those in LUTs. */
void spacc_block_memories(struct spacc_board_use *use, enum spacc_card_block block,
                          enum spacc_family family, const struct spacc_card_config *c);
/* One block, memories included. */
void spacc_block_estimate(struct spacc_board_use *use, enum spacc_card_block block,
                          enum spacc_family family, const struct spacc_card_config *c);
/* What the fitted coefficients of one block multiply. */
void spacc_block_terms(double term[SPACC_BLOCK_TERMS], enum spacc_card_block block,
                       const struct spacc_card_config *c);

#ifdef __cplusplus
}
#endif

#endif
