/* compile.h - from a quantised layer to what the card reads: how a layer lies on the
 * array, its memory images, and programs.
 *
 *   column c of a part with banks of L columns  ->  position (c mod L) * N + c / L
 *   (lane c / L, word c mod L; N lanes)
 *
 * A unit stands at the position of its h (of LSTMP: of its m, and a row of pass B at the
 * position of its r), so that h written by step t is the vector that step t + 1 reads.
 * Positions without a unit hold a unit of zeros: its h stays 0. LINEAR rows keep their
 * natural order. */
#ifndef SPACC_COMPILE_H
#define SPACC_COMPILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "host/card/card.h"
#include "sparse/fixed.h"
#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How one layer lies on a card. */
struct spacc_layout {
    size_t lanes, pes, cells;    /* N, M, E */
    size_t beat_bytes;           /* of the bus: what is moved is a multiple of it */
    size_t x_words, h_words;     /* bank sizes, words a lane; h_words 0 for LINEAR */
    size_t m_words;              /* of the vector that pass B reads; else 0 */
    size_t units, groups;        /* quads of rows with padding = groups * M / 4 */
    size_t groups_b;             /* of pass B: GRU_RESET, LSTMP */
    size_t k_x, k_h, k_b;        /* positions a row */
    size_t prologue, prologue_b; /* groups whose x part hides the recurrence; rtl/README.md */
    size_t x_room;               /* words of the x memory */
    size_t x_slots;              /* steps of x that it holds, of one sequence */
    size_t batch_max;            /* sequences that a RUN can take, 1 or more */
    size_t weight_words;         /* groups * (k_x + k_h) + groups_b * k_b */
    size_t ring_words;           /* 0: weights stay on the card; else they are streamed */
    size_t ring_least;           /* so many words are enough for that, and for batch_max */
    size_t param_units;          /* units, and quads of pass B */
    size_t h_memory;             /* words of the h memory, of one sequence */
    int weight_bits;             /* 8 or 16: format of the image */
    size_t weight_bytes, param_bytes; /* of the images */
};

/* Bank size of a part of `columns` columns on `lanes` lanes: ceil(columns / lanes). */
size_t spacc_card_bank(size_t columns, size_t lanes);

/* Lay out a layer whose parts are packed with spacc_card_bank(). `name` is for messages.
 * A layer with more weights than the card holds is streamed (its ring is the whole weight
 * memory). The prologue is that for one sequence. SPACC_EUNSUPPORTED for int16
 * weights on an int8 card, other act_bits than the card's, or banks beyond the card's index,
 * SPACC_EINVAL for other bank sizes, SPACC_ENOFIT naming need and have of parameters or
 * vectors. */
enum spacc_status spacc_layout_make(struct spacc_layout *out,
                                    const struct spacc_fixed_layer *layer,
                                    const struct spacc_card_info *card, const char *name,
                                    struct spacc_error *err);

/* Cycles from the last position of a step, or of pass A, to the first one that reads its
 * results: rtl/README.md "Timing". */
size_t spacc_layout_drain(const struct spacc_layout *l);

/* Steps of x of `batch` sequences that the card holds, 2 to 8. */
size_t spacc_layout_slots(const struct spacc_layout *l, size_t batch);

/* Position of column (or unit) c. */
size_t spacc_card_position(size_t c, size_t bank, size_t lanes);

/* Where position s of sequence b of a batch lies in memory, in elements: chunks of `chunk`
 * positions, in each the sequences one behind the other. With a batch of 1 it is s. */
size_t spacc_batch_position(size_t s, size_t b, size_t batch, size_t chunk);

/* Memory images; `image` has weight_bytes or param_bytes. */
void spacc_layout_weights(const struct spacc_layout *l, const struct spacc_fixed_layer *layer,
                          uint8_t *image);
void spacc_layout_params(const struct spacc_layout *l, const struct spacc_fixed_layer *layer,
                         uint8_t *image);

/* `count` elements in natural order to words * lanes elements in card order (gaps zero),
 * and back. */
void spacc_to_card16(const int16_t *from, size_t count, size_t bank, size_t lanes, size_t words,
                     int16_t *to);
void spacc_to_card32(const int32_t *from, size_t count, size_t bank, size_t lanes, size_t words,
                     int32_t *to);
void spacc_from_card16(const int16_t *from, size_t count, size_t bank, size_t lanes,
                       int16_t *to);
void spacc_from_card32(const int32_t *from, size_t count, size_t bank, size_t lanes,
                       int32_t *to);

/* ---- programs ---- */

enum { SPACC_PROGRAM_MAX = 64 }; /* instructions that any program here may have */

struct spacc_program {
    size_t instructions;
    uint32_t word[SPACC_PROGRAM_MAX][16];
};

/* Where things of one layer are. */
struct spacc_place {
    uint32_t weight_offset, param_offset; /* bytes in region 1 */
    uint32_t word_base, param_base;       /* on the card */
    uint32_t h_base, state_base;          /* on the card: halves of h (and m), states */
};

/* What a RUN begins with. */
enum spacc_start {
    SPACC_START_LOAD, /* h and state from memory, into half 0 */
    SPACC_START_ZERO, /* zeros, by flag */
    SPACC_START_KEPT  /* what an earlier RUN left: h in half `half` */
};

/* A batch of sequences of a layer. Offsets are bytes in their region. */
struct spacc_run_args {
    uint32_t batch; /* 1 .. batch_max of the layout */
    uint32_t steps;
    bool reverse; /* last vector in memory is the first step */
    enum spacc_start start;
    uint32_t half;               /* KEPT: 0 or 1, else 0 */
    bool want_state;             /* the last state goes to state_out */
    uint32_t x_region, x_offset; /* int16 [steps][chunk][batch][pes / 4]; region 3: another
                                    layer's y */
    uint32_t x_step_bytes;
    uint32_t h_offset, state_offset; /* region 2: int16 [batch][h_words][lanes],
                                        int32 [batch][units] */
    bool masked;                     /* rows of LINEAR are skipped: batch 1, weights stay */
    uint32_t overlap, window;        /* fields of RUN */
    uint32_t x_slots, y_groups;      /* the same; y is int32 [y_groups][pes] */
    uint32_t y_offset, state_out;    /* region 3; y as x, but LINEAR int32 and LSTMP int16
                                        [steps][group][batch][pes] */
};

/* Append instructions; the caller keeps count of the room (load 2, run at most 5). Behind a
 * RUN of `steps` the last h is in half (half + steps) % 2. */
void spacc_program_load(struct spacc_program *p, const struct spacc_layout *l,
                        const struct spacc_place *at);
void spacc_program_run(struct spacc_program *p, const struct spacc_layout *l,
                       const struct spacc_fixed_layer *layer, const struct spacc_place *at,
                       const struct spacc_run_args *args);
void spacc_program_mark(struct spacc_program *p, uint32_t offset);
void spacc_program_end(struct spacc_program *p);

/* Bytes of y of one step of a batch, whole beats; y chunks are of `y_chunk` positions. */
size_t spacc_layout_y_bytes(const struct spacc_layout *l, const struct spacc_fixed_layer *layer,
                            size_t batch);
size_t spacc_layout_y_chunk(const struct spacc_layout *l,
                            const struct spacc_fixed_layer *layer);

/* "12 RUN cell=1 steps=100 ..." a line an instruction. */
void spacc_program_print(const struct spacc_program *p, FILE *to);

#ifdef __cplusplus
}
#endif

#endif
