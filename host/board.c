/* board.c - the table of boards, and the resource estimate. */
#include "host/board.h"

#include <string.h>

#include "boards/board_table.h"
#include "rtl/card_map.h"

enum { ACC_BITS = 48, PARAM_BITS = 54, STATE_BITS = 24, KEEP_BITS = 36, CODE_BITS = 64 };
enum {
    TABLE_WORDS = 256,
    TABLE_BITS = 24,
    TABLES = 5,
    TABLES_SMALL = 2,
    STORE_WORDS = 4,
    WRITE_WORDS = 32, /* that a DMA holds */
    STEP_BITS = 4,
    KEPT_ROWS = 16, /* of a masked RUN, on their way through the array */
    BURSTS = 8,     /* that a DMA knows of; their addresses */
    ADDRESS_BITS = 64
};

/* ---- small sums ---- */

static unsigned log2_up(unsigned v)
{
    unsigned bits = 0;

    while (bits < 31 && (1u << bits) < v)
        bits++;
    return bits;
}

static unsigned parts(unsigned whole, unsigned part)
{
    return (whole + part - 1) / part;
}

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static bool power_of_two(unsigned v)
{
    return v > 0 && (v & (v - 1)) == 0;
}

static void add(struct spacc_board_use *to, double times, const struct spacc_board_use *use)
{
    to->lut += times * use->lut;
    to->ff += times * use->ff;
    to->dsp += times * use->dsp;
    to->bram += times * use->bram;
    to->uram += times * use->uram;
}

/* ---- the table ---- */

const struct spacc_board *spacc_boards(size_t *count)
{
    *count = sizeof(board_table) / sizeof(board_table[0]);
    return board_table;
}

const struct spacc_board *spacc_board_find(const char *name)
{
    for (size_t b = 0; b < sizeof(board_table) / sizeof(board_table[0]); b++)
        if (!strcmp(board_table[b].name, name))
            return &board_table[b];
    return NULL;
}

const char *spacc_family_lut(enum spacc_family family)
{
    return board_family[family].lut;
}

const char *spacc_family_bram(enum spacc_family family)
{
    return board_family[family].bram;
}

const char *spacc_family_dsp(enum spacc_family family)
{
    return board_family[family].dsp;
}

/* ---- which cards there can be ---- */

static const struct limit {
    const char *name;
    size_t offset;
    unsigned least, most;
    bool power; /* of two */
} limits[] = {
#define LIMIT(field, least, most, power)                                      \
    {                                                                         \
#field, offsetof(struct spacc_card_config, field), least, most, power \
    }
    LIMIT(pes, 4, 1024, false),
    LIMIT(lanes, 4, 256, true),
    LIMIT(cells, 1, 256, true),
    LIMIT(weight_bits, 8, 16, true),
    LIMIT(index_bits, 1, 16, false),
    LIMIT(axi_bits, 64, 512, true),
    LIMIT(weight_words, 2, 1u << 20, false),
    LIMIT(x_words, 2, 1u << 16, false),
    LIMIT(h_words, 2, 1u << 16, false),
    LIMIT(units, 2, 1u << 20, false),
    LIMIT(psum_words, 1, 1u << 12, false),
    LIMIT(instructions, 2, 1u << 12, false),
    LIMIT(shared_rows, 1, 1, false),
    LIMIT(act_bits, 16, 16, false),
    LIMIT(queue, 0, 64, false),
    LIMIT(small_cell, 0, 1, false),
    LIMIT(micro, 0, 1, false),
#undef LIMIT
};

enum spacc_status spacc_card_config_check(const struct spacc_card_config *c,
                                          struct spacc_error *err)
{
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        const struct limit *l = &limits[i];
        unsigned v;
        memcpy(&v, (const char *)c + l->offset, sizeof(v));
        if (v < l->least || v > l->most || (l->power && !power_of_two(v)))
            return spacc_fail(err, SPACC_EINVAL, "card: %s = %u: %u to %u%s", l->name, v,
                              l->least, l->most, l->power ? ", a power of two" : "");
    }
    if (c->micro && (c->pes != 4 || c->lanes != 4 || c->weight_bits != 8 || !c->small_cell))
        return spacc_fail(err, SPACC_EINVAL,
                          "card: the micro card is 4x4 of 8 bits with the small cell unit");
    if (c->pes % (4 * c->cells) || c->cells > c->lanes)
        return spacc_fail(err, SPACC_EINVAL,
                          "card: %u cell lanes do not fit %u PEs of %u lanes: a quarter of "
                          "the PEs is a multiple of them, and lanes are no fewer",
                          c->cells, c->pes, c->lanes);
    if (c->axi_bits < 16 * c->cells || c->axi_bits > 16 * smaller(c->lanes, 4 * c->cells))
        return spacc_fail(err, SPACC_EINVAL,
                          "card: a bus of %u bits does not fit %u cell lanes and %u lanes",
                          c->axi_bits, c->cells, c->lanes);
    if (c->queue && (c->queue < 2 || !power_of_two(c->queue) || !power_of_two(c->pes) ||
                     c->axi_bits % c->pes || !power_of_two(c->x_words)))
        return spacc_fail(
            err, SPACC_EINVAL,
            "card: a queue of %u rows (2 or more), %u PEs, %u words of x: powers of two, and "
            "a bus of %u bits a multiple of the PEs",
            c->queue, c->pes, c->x_words, c->axi_bits);
    return SPACC_OK;
}

/* ---- memories ---- */

/* A way to build a memory: so many bits wide and words deep a piece. */
struct piece {
    unsigned bits, words, cost, units; /* cost as yosys weighs it; units of bram */
};

/* What a family has, widest first. `lutram` are LUTs, one piece filling `luts` of them. */
static const struct memories {
    struct piece block[10];
    struct piece lutram[2];
    unsigned luts;
    bool table_in_block; /* activation tables go to block RAM */
} memories[SPACC_FAMILIES] = {
    [SPACC_FAMILY_ICE40] =
        {.block = {{16, 256, 64, 1}, {8, 512, 64, 1}, {4, 1024, 64, 1}, {2, 2048, 64, 1}},
         .table_in_block = true},
    [SPACC_FAMILY_ECP5] = {.block = {{36, 512, 128, 1},
                                     {18, 1024, 128, 1},
                                     {9, 2048, 128, 1},
                                     {4, 4096, 128, 1},
                                     {2, 8192, 128, 1},
                                     {1, 16384, 128, 1}},
                           .lutram = {{4, 16, 4, 0}},
                           .luts = 6,
                           .table_in_block = true},
#define XILINX_BLOCKS                                                                     \
    {                                                                                     \
        {36, 512, 129, 1}, {18, 1024, 129, 1}, {9, 2048, 129, 1}, {4, 4096, 129, 1},      \
            {72, 512, 257, 2}, {36, 1024, 257, 2}, {18, 2048, 257, 2}, {9, 4096, 257, 2}, \
            {4, 8192, 257, 2}, {2, 16384, 257, 2},                                        \
    }
    [SPACC_FAMILY_XC7] = {.block = XILINX_BLOCKS,
                          .lutram = {{3, 64, 8, 0}, {6, 32, 8, 0}},
                          .luts = 4},
    [SPACC_FAMILY_XCUP] = {.block = XILINX_BLOCKS,
                           .lutram = {{7, 64, 16, 0}, {14, 32, 16, 0}},
                           .luts = 8},
#undef XILINX_BLOCKS
};

static unsigned pieces(const struct piece *p, unsigned bits, unsigned words)
{
    return parts(bits, p->bits) * parts(words, p->words);
}

/* The cheapest of `count`; NULL when there is none. */
static const struct piece *cheapest(const struct piece *p, size_t count, unsigned bits,
                                    unsigned words)
{
    const struct piece *best = NULL;

    for (size_t i = 0; i < count && p[i].bits; i++)
        if (!best ||
            pieces(&p[i], bits, words) * p[i].cost < pieces(best, bits, words) * best->cost)
            best = &p[i];
    return best;
}

/* LUTs that choose one of the pieces of a deep LUT RAM. */
static unsigned choosers(const struct memories *m, const struct piece *p, unsigned bits,
                         unsigned words)
{
    const unsigned deep = parts(words, p->words);

    if (deep < 2)
        return 0;
    return m->luts == 6 ? (deep - 1) * bits             /* a LUT4 chooses from two */
                        : parts(deep, 4) * bits + deep; /* a LUT6 from four */
}

/* `count` memories of one shape, one port to read and one to write. One that would fill
 * less than a MIN_SHARE-th of block RAMs, where there are no LUT RAMs, becomes flip-flops;
 * these are in the fitted terms. */
enum { MIN_SHARE = 50 };

static void memory(struct spacc_board_use *use, enum spacc_family family, double count,
                   unsigned bits, unsigned words)
{
    const struct memories *m = &memories[family];
    const struct piece *block = cheapest(m->block, 10, bits, words);
    const struct piece *lut = cheapest(m->lutram, 2, bits, words);
    const unsigned blocks = pieces(block, bits, words);

    /* half a LUT a bit stands for each further choice in a deep one */
    const unsigned choice = lut ? (parts(words, lut->words) - 1) * bits / 2 : 0;

    if (lut && pieces(lut, bits, words) * lut->cost + choice < blocks * block->cost) {
        use->lut +=
            count * (pieces(lut, bits, words) * m->luts + choosers(m, lut, bits, words));
        use->ff += count * bits;
    } else if (lut || MIN_SHARE * bits * words >= blocks * block->bits * block->words) {
        use->bram += count * blocks * block->units;
    }
}

/* One that is read in the cycle of its address: LUT RAM without a register behind it; where
 * there is none, flip-flops, which are in the fitted terms. */
static void memory_at_once(struct spacc_board_use *use, enum spacc_family family, unsigned bits,
                           unsigned words)
{
    const struct memories *m = &memories[family];
    const struct piece *lut = cheapest(m->lutram, 2, bits, words);

    if (lut)
        use->lut += pieces(lut, bits, words) * m->luts + choosers(m, lut, bits, words);
}

/* Bits of a queued row: weight and x word, step, index of results. */
static unsigned row_bits(const struct spacc_card_config *c)
{
    return log2_up(c->weight_words) + log2_up(c->x_words) + STEP_BITS +
           log2_up(parts(c->units, c->cells));
}

void spacc_block_memories(struct spacc_board_use *use, enum spacc_card_block block,
                          enum spacc_family family, const struct spacc_card_config *c)
{
    const unsigned quads = c->lanes / 4, units = parts(c->units, c->cells);
    struct spacc_board_use cell;

    memset(use, 0, sizeof(*use));
    switch (block) {
    case SPACC_BLOCK_PE:
        memory(use, family, quads, 4 * c->index_bits, c->weight_words);
        memory(use, family, quads, 4 * c->weight_bits, c->weight_words);
        memory(use, family, c->lanes, 16, c->x_words);
        memory(use, family, c->lanes, 16, c->h_words);
        memory(use, family, 1, ACC_BITS, c->psum_words);
        break;
    case SPACC_BLOCK_REQUANT: memory(use, family, 1, PARAM_BITS, units); break;
    case SPACC_BLOCK_CELL:
    case SPACC_BLOCK_CELL_SMALL:
        memory(use, family, 1, STATE_BITS, units);
        memory(use, family, 1, KEEP_BITS, units);
        if (memories[family].table_in_block)
            memory(use, family, block == SPACC_BLOCK_CELL ? TABLES : TABLES_SMALL, TABLE_BITS,
                   TABLE_WORDS);
        break;
    case SPACC_BLOCK_CONTROL:
        memory(use, family, 1, CODE_BITS, 8 * c->instructions);
        memory(use, family, 1, c->axi_bits, STORE_WORDS);
        break;
    case SPACC_BLOCK_HOST:
        memory(use, family, 1, c->axi_bits, WRITE_WORDS);
        if (family == SPACC_FAMILY_ICE40) /* elsewhere few LUTs, in the fitted terms */
            memory(use, family, 2, ADDRESS_BITS, BURSTS);
        break;
    case SPACC_BLOCK_CORE:
        memory(use, family, 1, 128 * c->cells, 128 + 8 * (c->pes / (4 * c->cells)));
        break;
    case SPACC_BLOCK_QUEUE:
        if (memories[family].luts)
            memory_at_once(use, family, row_bits(c), c->queue);
        else /* the register that addresses it becomes that of a block RAM */
            memory(use, family, 1, row_bits(c), c->queue);
        memory_at_once(use, family, log2_up(units) + 1, KEPT_ROWS);
        break;
    case SPACC_BLOCK_DEAL: memory(use, family, 1, c->axi_bits, SPACC_CARD_MASK_BEATS); break;
    case SPACC_BLOCK_MICRO:
        use->uram = 4; /* all of an UP5K */
        memory(use, family, 1, 16, 256);
        spacc_block_memories(&cell, SPACC_BLOCK_CELL_SMALL, family, c);
        add(use, 1, &cell);
        break;
    default: break;
    }
}

/* ---- the rest ---- */

unsigned spacc_block_count(enum spacc_card_block block, const struct spacc_card_config *c)
{
    if (c->micro || block == SPACC_BLOCK_MICRO)
        return c->micro && block == SPACC_BLOCK_MICRO;
    switch (block) {
    case SPACC_BLOCK_PE: return c->pes;
    case SPACC_BLOCK_REQUANT: return 4 * c->cells;
    case SPACC_BLOCK_CELL: return c->small_cell ? 0 : c->cells;
    case SPACC_BLOCK_CELL_SMALL: return c->small_cell ? c->cells : 0;
    case SPACC_BLOCK_QUEUE: return c->queue ? c->pes : 0;
    case SPACC_BLOCK_DEAL: return c->queue ? 1 : 0;
    default: return 1;
    }
}

void spacc_block_terms(double term[SPACC_BLOCK_TERMS], enum spacc_card_block block,
                       const struct spacc_card_config *c)
{
    const unsigned words = log2_up(c->weight_words), x = log2_up(c->x_words),
                   h = log2_up(c->h_words), base = x > h ? x : h,
                   units = log2_up(parts(c->units, c->cells));

    memset(term, 0, SPACC_BLOCK_TERMS * sizeof(*term));
    term[0] = 1;
    switch (block) {
    case SPACC_BLOCK_PE:
        term[1] = c->lanes;
        term[2] = (double)c->lanes * c->weight_bits;
        term[3] = (double)c->lanes * base;
        term[4] = words;
        break;
    case SPACC_BLOCK_REQUANT:
    case SPACC_BLOCK_CELL:
    case SPACC_BLOCK_CELL_SMALL:
    case SPACC_BLOCK_MICRO: term[1] = units; break;
    case SPACC_BLOCK_ARRAY:
        term[1] = c->pes;
        term[2] = (double)(c->axi_bits / 16) * (c->weight_bits + c->index_bits);
        term[3] = c->queue ? (double)c->pes * units : 0; /* rows move with their sums */
        break;
    case SPACC_BLOCK_CONTROL:
    case SPACC_BLOCK_RUN:
        term[1] = c->axi_bits;
        term[2] = words + x + h + units;
        term[3] = !power_of_two(c->pes * c->lanes); /* products by it are no shifts */
        term[4] = c->queue > 0;
        break;
    case SPACC_BLOCK_HOST: term[1] = c->axi_bits; break;
    case SPACC_BLOCK_CORE:
        term[1] = c->cells;
        term[2] = c->axi_bits;
        term[3] = smaller(4 * c->cells, c->lanes);
        term[4] = c->queue ? 4.0 * c->cells * units : 0; /* parameters by row */
        break;
    case SPACC_BLOCK_QUEUE:
        term[1] = row_bits(c);
        term[2] = base;
        term[3] = log2_up(c->queue);
        term[4] = units; /* rows on their way: flip-flops on iCE40 */
        break;
    case SPACC_BLOCK_DEAL:
        term[1] = c->pes;
        term[2] = c->axi_bits;
        term[3] = row_bits(c);
        break;
    default: break;
    }
}

void spacc_block_estimate(struct spacc_board_use *use, enum spacc_card_block block,
                          enum spacc_family family, const struct spacc_card_config *c)
{
    const struct board_model *m = &board_model[family][block];
    double term[SPACC_BLOCK_TERMS];

    spacc_block_memories(use, block, family, c);
    spacc_block_terms(term, block, c);
    for (int t = 0; t < SPACC_BLOCK_TERMS; t++) {
        use->lut += m->lut[t] * term[t];
        use->ff += m->ff[t] * term[t];
        use->dsp += m->dsp[t] * term[t];
    }
}

void spacc_card_estimate(struct spacc_board_use *use, enum spacc_family family,
                         const struct spacc_card_config *c)
{
    memset(use, 0, sizeof(*use));
    for (int b = 0; b < SPACC_CARD_BLOCKS; b++) {
        const enum spacc_card_block block = (enum spacc_card_block)b;
        struct spacc_board_use one;
        spacc_block_estimate(&one, block, family, c);
        add(use, spacc_block_count(block, c), &one);
    }
}

void spacc_board_around(struct spacc_board_use *use, const struct spacc_board *board)
{
    *use = board->design;
    add(use, -1, &board->measured);
}

bool spacc_board_holds(const struct spacc_board *board, const struct spacc_board_use *use)
{
    const struct spacc_board_use *most = &board->capacity;

    return use->lut <= most->lut && use->ff <= most->ff && use->dsp <= most->dsp &&
           use->bram <= most->bram && use->uram <= most->uram;
}
