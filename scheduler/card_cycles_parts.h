/* card_cycles_parts.h - the pieces of the cycle model. Registers are those of the RTL module of
 * the same name; a step first reads everything it needs of this cycle, then changes it to the
 * next. */
#ifndef SPACC_CARD_CYCLES_PARTS_H
#define SPACC_CARD_CYCLES_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "scheduler/card_cycles.h"

/* ---- bus: spacc_dma_read, spacc_dma_write and the memory behind them ---- */

enum { BURST_SLOTS = 16, READ_SLOTS = 8, WRITE_SLOTS = 8, WRITE_BURST = 16, MEMORY_WORDS = 64 };

struct burst {
    uint32_t beats;
    bool last; /* of its command */
    uint64_t due;
};

struct bursts {
    struct burst burst[BURST_SLOTS];
    uint32_t first, count;
};

struct fifo { /* spacc_fifo: words held, and whether one is at the output */
    uint32_t level;
    bool out;
};

/* A spacc_fifo into which a word is put or not, whose reader is ready or not. */
void spacc_fifo_step(struct fifo *fifo, bool put, bool out_ready);

struct dma {
    bool busy;      /* a command is being cut */
    uint64_t next;  /* beat address of the next burst */
    uint32_t left;  /* beats not yet in a burst */
    bool valid;     /* AR or AW is raised */
    uint32_t beats; /* of that burst */
    struct bursts slots;
    uint32_t beat; /* R, or W, of the burst under way */
};

struct bus {
    uint64_t cycle;
    uint32_t beat_bytes, latency, line_beats;
    struct dma read, write;
    struct fifo queue; /* of writes */
    uint32_t owed;

    /* memory */
    struct bursts reads, writes, answers;
    uint32_t writes_beat, words;
    bool rvalid, bvalid, arready, awready, wready;
};

/* What the core does to the bus in a cycle. */
struct bus_in {
    bool read_cmd, read_ready, write_cmd, write_valid;
    uint64_t read_address, write_address;
    uint32_t read_beats, write_beats;
};

void spacc_bus_start(struct bus *bus, const struct spacc_card_shape *shape);
bool spacc_bus_read_ready(const struct bus *bus); /* takes a command */
bool spacc_bus_write_ready(const struct bus *bus);
bool spacc_bus_word_ready(const struct bus *bus); /* takes a beat to write */
bool spacc_bus_read_last(const struct bus *bus);  /* the beat that is there ends its command */
bool spacc_bus_read_idle(const struct bus *bus);
bool spacc_bus_write_idle(const struct bus *bus);
bool spacc_bus_wrote(const struct bus *bus); /* a beat goes over W in this cycle */
void spacc_bus_step(struct bus *bus, const struct bus_in *in);

/* ---- a RUN: spacc_run and what follows the array ---- */

/* Fields of RUN and STREAM, and what spacc_control makes of them. */
struct run_fields {
    bool linear, lstmp, two_pass, stream, masked;
    uint32_t pes, queue, window, overlap, mask_parts; /* masked: groups of a beat */
    uint32_t mask_beats;                              /* of x_beats, the last ones */
    const uint8_t *mask;                              /* of step 0 */
    uint32_t steps, groups, groups_b, k_x, k_h, k_b, prologue, prologue_b, batch, x_slots;
    uint32_t x_beats, y_beats, entry_parts, gather_results, step_results;
    uint64_t x_address, y_address, stream_address;
    int64_t x_stride, y_stride;
    uint32_t stream_words, ring_words, word_beats, word_bytes, chunk_words;
    uint32_t moves, row_cycles, array_cycles, cell_cycles; /* latencies */
    uint32_t fifo_depth;
};

enum { CALENDAR = 256 };

struct issue {
    bool busy, h_part, open;
    int phase;
    uint32_t steps_left, groups_left, left, batch_left, apart, under_way;
};

struct fetch {
    int state;
    uint32_t left, taken, ready;
    uint64_t address;
};

struct stream {
    bool active;
    uint32_t steps_left, words_left, room, there;
    unsigned arriving; /* bits: words on their way to be readable */
    uint64_t next;
    uint32_t beats; /* of the word that arrives */
    bool word;      /* it is complete */
};

struct send {
    int state;
    uint32_t left, beats_left;
    uint64_t address;
};

/* A masked RUN. Steps are counted from 0 on. */
enum { MASK_PES = 512, MASK_QUEUE = 64 };

struct deal {
    bool dealing;
    uint32_t there, group, lag;
    uint64_t step, oldest, leave;
    struct fifo masks;
    uint64_t queued[MASK_PES][MASK_QUEUE], now_step[MASK_PES];
    uint32_t first[MASK_PES], waiting[MASK_PES];
    bool now[MASK_PES];
};

struct deal_now { /* what this cycle is like */
    bool able, stuck, waits, works, ready, end, release;
};

struct deal_in {
    bool mask_beat, arrived, pop, last; /* last: position of a row */
};

struct deal_now spacc_deal_look(const struct deal *deal, const struct run_fields *f);
void spacc_deal_step(struct deal *deal, const struct run_fields *f, const struct deal_now *now,
                     const struct deal_in *in, struct spacc_card_count *count);

struct run {
    bool running, rest, done, room;
    unsigned char coming[CALENDAR]; /* what leaves requantisers and cell unit in a cycle */
    struct issue issue;
    struct fetch fetch;
    struct stream stream;
    struct send send;
    struct deal deal;
    uint32_t x_beat; /* of the step that arrives; masked */
    struct fifo y;
    uint32_t y_part, gather, step_result;
    bool cmd_valid, cmd_weights; /* the command that waits for the bus */
    uint64_t cmd_address;
    uint32_t cmd_beats;
    uint32_t tags, tag_count;
};

void spacc_run_start(struct run *run, const struct run_fields *f);
/* One cycle with the bus as it is; fills `out` for the bus, returns the cause (0: ISSUE). */
int spacc_run_step(struct run *run, const struct run_fields *f, const struct bus *bus,
                   struct bus_in *out, struct spacc_card_count *count);

#endif
