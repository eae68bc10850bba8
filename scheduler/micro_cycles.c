/* micro_cycles.c - the states of spacc_micro, counted. */
#include "scheduler/micro_cycles.h"

#include <stdbool.h>
#include <string.h>

#include "rtl/card_map.h"

/* States of rtl/spacc_micro.sv, in cycles. */
enum {
    BEGIN = 2,            /* Begin, Code */
    FETCH = 34,           /* 33 halves, Decode */
    AROUND = 2,           /* Pointer, Next */
    RUN = 2,              /* OutPointer, OutPlace */
    STEP = 2,             /* Step, StepEnd */
    WEIGHT = 2,           /* Entry, Operand */
    ROW = 1 + 5 + 16 + 1, /* Row, Params, Multiply, Result; Shift besides */
    CELL = 23 + 2,        /* Cells, WriteH, WriteY */
    ROW_RESULT = 2,       /* WriteY, WriteHigh; of r WriteH, WriteY */
    LANES = 4,
    ISSUE = SPACC_COUNTER_ISSUE - 1, /* of cause[] */
    CONTROL = SPACC_COUNTER_CONTROL - 1
};

struct micro {
    spacc_region_fn region;
    void *user;
    uint8_t (*shift)[4];
    uint64_t cycles, issue;
};

static uint32_t low(uint32_t w)
{
    return w & 0xffff;
}

static uint32_t high(uint32_t w)
{
    return w >> 16;
}

/* Words 1, 2 and 3 of every load: offset, count, base. */
static enum spacc_status load_params(struct micro *m, const uint32_t *w, size_t at,
                                     struct spacc_error *err)
{
    const uint32_t count = w[2], base = w[3];
    const uint8_t *p;

    if (count > SPACC_MICRO_UNITS || base > SPACC_MICRO_UNITS - count ||
        !(p = m->region(m->user, w[0] >> 8 & 15, w[1], (size_t)count * 32)))
        return spacc_fail(err, SPACC_EINVAL,
                          "instruction %zu: row parameters %u to %u are not there", at, base,
                          base + count);
    for (uint32_t u = 0; u < count; u++)
        for (unsigned r = 0; r < 4; r++)
            m->shift[base + u][r] = p[u * 32 + r * 8 + 6] & 63;
    return SPACC_OK;
}

static void rows(struct micro *m, uint32_t unit, uint64_t positions, unsigned after)
{
    for (unsigned r = 0; r < 4; r++) {
        const unsigned turns = (m->shift[unit][r] + 63u) % 64;
        m->issue += WEIGHT * LANES * positions;
        m->cycles += WEIGHT * LANES * positions + ROW + turns + 1 + after;
    }
}

static void pass(struct micro *m, uint32_t param_base, uint32_t groups, uint64_t positions,
                 bool row_results)
{
    for (uint32_t g = 0; g < groups; g++) {
        rows(m, param_base + g, positions, row_results ? ROW_RESULT : 0);
        m->cycles += row_results ? 0 : CELL;
    }
}

static enum spacc_status run(struct micro *m, const uint32_t *w, size_t at,
                             struct spacc_error *err)
{
    const uint32_t cell = w[0] >> 8 & 15, groups = low(w[2]), groups_b = high(w[2]),
                   params = w[5];

    if (w[0] >> 24 != 1 || low(w[13]) != 0 || cell > SPACC_CARD_CELL_LSTMP || w[1] == 0 ||
        w[1] > 0xffff || groups == 0 || low(w[3]) == 0)
        return spacc_fail(err, SPACC_EINVAL, "instruction %zu: a field that this card refuses",
                          at);
    if (params > SPACC_MICRO_UNITS || groups + groups_b > SPACC_MICRO_UNITS - params)
        return spacc_fail(err, SPACC_EINVAL, "instruction %zu: row parameters of %u units", at,
                          params + groups + groups_b);
    m->cycles += RUN;
    for (uint32_t t = 0; t < w[1]; t++) {
        m->cycles += STEP;
        pass(m, params, groups, (uint64_t)low(w[3]) + high(w[3]),
             cell == SPACC_CARD_CELL_LINEAR);
        pass(m, params + groups, groups_b, low(w[14]), cell == SPACC_CARD_CELL_LSTMP);
    }
    return SPACC_OK;
}

static enum spacc_status step(struct micro *m, const uint32_t *w, size_t at,
                              struct spacc_error *err)
{
    m->cycles += AROUND;
    switch (w[0] & 0xff) {
    case SPACC_OP_LOAD_WEIGHTS: m->cycles += 2 * 16 * (uint64_t)w[2]; return SPACC_OK;
    case SPACC_OP_LOAD_PARAMS:
        m->cycles += 2 * 16 * (uint64_t)w[2];
        return load_params(m, w, at, err);
    case SPACC_OP_LOAD_VECTOR: m->cycles += 2 * 4 * (uint64_t)w[2]; return SPACC_OK;
    case SPACC_OP_LOAD_STATE: m->cycles += 4 * (uint64_t)w[2]; return SPACC_OK;
    case SPACC_OP_STORE_STATE: m->cycles += 3 * (uint64_t)w[2]; return SPACC_OK;
    case SPACC_OP_RUN: return run(m, w, at, err);
    case SPACC_OP_STREAM: return SPACC_OK;
    default:
        return spacc_fail(err, SPACC_EINVAL, "instruction %zu: opcode %u", at, w[0] & 0xff);
    }
}

static struct spacc_card_count counted(const struct micro *m)
{
    struct spacc_card_count c = {.cycles = m->cycles};

    c.cause[ISSUE] = m->issue;
    c.cause[CONTROL] = m->cycles - m->issue;
    return c;
}

enum spacc_status spacc_micro_cycles(const uint32_t (*word)[16], size_t instructions,
                                     spacc_region_fn region, void *user,
                                     uint8_t shift[SPACC_MICRO_UNITS][4],
                                     struct spacc_card_count *mark, size_t marks,
                                     struct spacc_card_count *total, struct spacc_error *err)
{
    struct micro m = {.region = region, .user = user, .shift = shift, .cycles = BEGIN};
    size_t at = 0, marked = 0;
    enum spacc_status s = SPACC_OK;

    memset(total, 0, sizeof(*total));
    for (; at < instructions && !s && (word[at][0] & 0xff) != SPACC_OP_END; at++) {
        m.cycles += FETCH;
        if ((word[at][0] & 0xff) != SPACC_OP_MARK) {
            s = step(&m, word[at], at, err);
            continue;
        }
        m.cycles += 1; /* Pointer; what is written stands still meanwhile */
        if (marked == marks)
            return spacc_fail(err, SPACC_EINVAL, "instruction %zu: more than %zu marks", at,
                              marks);
        mark[marked++] = counted(&m);
        m.cycles += 1;
    }
    if (s)
        return s;
    if (at == instructions)
        return spacc_fail(err, SPACC_EINVAL, "a program of %zu instructions without an END",
                          instructions);
    m.cycles += FETCH;
    *total = counted(&m);
    return SPACC_OK;
}
