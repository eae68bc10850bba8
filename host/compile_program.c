#include "host/compile.h"

#include <assert.h>
#include <inttypes.h>

#include "rtl/card_map.h"

_Static_assert(SPACC_INSTRUCTION_WORDS == 16, "struct spacc_program");

static void set(uint32_t *words, unsigned word, unsigned low, unsigned bits, uint32_t value)
{
    const uint32_t mask = bits == 32 ? UINT32_MAX : (UINT32_C(1) << bits) - 1;

    assert((value & mask) == value);
    words[word] |= (value & mask) << low;
}

#define SET(words, op, field, value)                                        \
    set(words, SPACC_F_##op##_##field##_WORD, SPACC_F_##op##_##field##_LOW, \
        SPACC_F_##op##_##field##_BITS, (uint32_t)(value))

static uint32_t *add(struct spacc_program *p, uint32_t opcode)
{
    assert(p->instructions < SPACC_PROGRAM_MAX);
    uint32_t *words = p->word[p->instructions++];
    for (int i = 0; i < SPACC_INSTRUCTION_WORDS; i++)
        words[i] = 0;
    words[0] = opcode;
    return words;
}

static void load_weights(struct spacc_program *p, const struct spacc_layout *l,
                         const struct spacc_place *at)
{
    uint32_t *w = add(p, SPACC_OP_LOAD_WEIGHTS);
    SET(w, LOAD_WEIGHTS, REGION, SPACC_REGION_WEIGHTS);
    SET(w, LOAD_WEIGHTS, FORMAT, l->weight_bits == 8 ? 0 : 1);
    SET(w, LOAD_WEIGHTS, OFFSET, at->weight_offset);
    SET(w, LOAD_WEIGHTS, WORDS, l->weight_words);
    SET(w, LOAD_WEIGHTS, WORD_BASE, at->word_base);
}

/* For the RUN that follows. */
static void add_stream(struct spacc_program *p, const struct spacc_layout *l,
                       const struct spacc_place *at)
{
    uint32_t *w = add(p, SPACC_OP_STREAM);
    SET(w, STREAM, REGION, SPACC_REGION_WEIGHTS);
    SET(w, STREAM, FORMAT, l->weight_bits == 8 ? 0 : 1);
    SET(w, STREAM, OFFSET, at->weight_offset);
    SET(w, STREAM, WORDS, l->weight_words);
    SET(w, STREAM, WORD_BASE, at->word_base);
    SET(w, STREAM, RING_WORDS, l->ring_words);
}

void spacc_program_load(struct spacc_program *p, const struct spacc_layout *l,
                        const struct spacc_place *at)
{
    uint32_t *w;

    if (!l->ring_words)
        load_weights(p, l, at);
    w = add(p, SPACC_OP_LOAD_PARAMS);
    SET(w, LOAD_PARAMS, REGION, SPACC_REGION_WEIGHTS);
    SET(w, LOAD_PARAMS, OFFSET, at->param_offset);
    SET(w, LOAD_PARAMS, UNITS, l->param_units);
    SET(w, LOAD_PARAMS, UNIT_BASE, at->param_base);
}

static void add_initial(struct spacc_program *p, const struct spacc_layout *l,
                        const struct spacc_place *at, const struct spacc_run_args *args)
{
    uint32_t *w = add(p, SPACC_OP_LOAD_VECTOR);
    SET(w, LOAD_VECTOR, REGION, SPACC_REGION_INPUT);
    SET(w, LOAD_VECTOR, OFFSET, args->h_offset);
    SET(w, LOAD_VECTOR, WORDS, args->batch * l->h_words);
    SET(w, LOAD_VECTOR, WORD_BASE, at->h_base);

    w = add(p, SPACC_OP_LOAD_STATE);
    SET(w, LOAD_STATE, REGION, SPACC_REGION_INPUT);
    SET(w, LOAD_STATE, OFFSET, args->state_offset);
    SET(w, LOAD_STATE, UNITS, args->batch * l->units);
    SET(w, LOAD_STATE, UNIT_BASE, at->state_base);
}

static void add_final(struct spacc_program *p, const struct spacc_layout *l,
                      const struct spacc_place *at, const struct spacc_run_args *args)
{
    uint32_t *w = add(p, SPACC_OP_STORE_STATE);
    SET(w, STORE_STATE, REGION, SPACC_REGION_OUTPUT);
    SET(w, STORE_STATE, OFFSET, args->state_out);
    SET(w, STORE_STATE, UNITS, args->batch * l->units);
    SET(w, STORE_STATE, UNIT_BASE, at->state_base);
}

static const uint32_t card_cell[] = {
    [SPACC_CELL_LINEAR] = SPACC_CARD_CELL_LINEAR,
    [SPACC_CELL_LSTM] = SPACC_CARD_CELL_LSTM,
    [SPACC_CELL_GRU] = SPACC_CARD_CELL_GRU,
    [SPACC_CELL_GRU_RESET] = SPACC_CARD_CELL_GRU_RESET,
    [SPACC_CELL_LSTMP] = SPACC_CARD_CELL_LSTMP,
};

static const uint32_t card_act[] = {
    [SPACC_ACT_TANH] = SPACC_CARD_ACT_TANH,
    [SPACC_ACT_RELU] = SPACC_CARD_ACT_RELU,
    [SPACC_ACT_IDENTITY] = SPACC_CARD_ACT_IDENTITY,
};

static void add_run(struct spacc_program *p, const struct spacc_layout *l,
                    const struct spacc_fixed_layer *layer, const struct spacc_place *at,
                    const struct spacc_run_args *args)
{
    const uint32_t x_step = args->x_step_bytes;
    const uint32_t y_step = (uint32_t)spacc_layout_y_bytes(l, layer, args->batch);
    const uint32_t back = args->reverse ? args->steps - 1 : 0;
    uint32_t *w = add(p, SPACC_OP_RUN);

    SET(w, RUN, CELL, card_cell[layer->cell]);
    SET(w, RUN, ACT_G, card_act[layer->act_g]);
    SET(w, RUN, ACT_H, card_act[layer->act_h]);
    SET(w, RUN, BATCH, args->batch);
    SET(w, RUN, ZERO, args->start == SPACC_START_ZERO);
    SET(w, RUN, HALF, args->half);
    SET(w, RUN, X_REGION, args->x_region);
    SET(w, RUN, Y_REGION, SPACC_REGION_OUTPUT);
    SET(w, RUN, STEPS, args->steps);
    SET(w, RUN, GROUPS, l->groups);
    SET(w, RUN, GROUPS_B, l->groups_b);
    SET(w, RUN, K_X, l->k_x);
    SET(w, RUN, K_H, l->k_h);
    SET(w, RUN, K_B, l->k_b);
    SET(w, RUN, PROLOGUE, l->prologue);
    SET(w, RUN, PROLOGUE_B, l->prologue_b);
    SET(w, RUN, X_SLOTS, args->masked ? args->x_slots : spacc_layout_slots(l, args->batch));
    SET(w, RUN, M_WORDS, l->m_words);
    SET(w, RUN, WEIGHT_BASE, at->word_base);
    SET(w, RUN, PARAM_BASE, at->param_base);
    SET(w, RUN, STATE_BASE, at->state_base);
    SET(w, RUN, X_WORDS, l->x_words / (args->overlap + 1));
    SET(w, RUN, H_WORDS, l->h_words);
    SET(w, RUN, H_BASE, at->h_base);
    SET(w, RUN, X_OFFSET, args->x_offset + back * x_step);
    SET(w, RUN, X_STRIDE, args->reverse ? 0u - x_step : x_step);
    SET(w, RUN, Y_OFFSET, args->y_offset + back * y_step);
    SET(w, RUN, Y_STRIDE, args->reverse ? 0u - y_step : y_step);
    SET(w, RUN, MASKED, args->masked);
    SET(w, RUN, OVERLAP, args->overlap);
    SET(w, RUN, WINDOW, args->window);
    SET(w, RUN, Y_GROUPS, args->y_groups);
}

void spacc_program_run(struct spacc_program *p, const struct spacc_layout *l,
                       const struct spacc_fixed_layer *layer, const struct spacc_place *at,
                       const struct spacc_run_args *args)
{
    const bool recurrent = layer->cell != SPACC_CELL_LINEAR;

    if (recurrent && args->start == SPACC_START_LOAD)
        add_initial(p, l, at, args);
    if (l->ring_words)
        add_stream(p, l, at);
    add_run(p, l, layer, at, args);
    if (recurrent && args->want_state)
        add_final(p, l, at, args);
}

void spacc_program_mark(struct spacc_program *p, uint32_t offset)
{
    uint32_t *w = add(p, SPACC_OP_MARK);
    SET(w, MARK, REGION, SPACC_REGION_OUTPUT);
    SET(w, MARK, OFFSET, offset);
}

void spacc_program_end(struct spacc_program *p)
{
    add(p, SPACC_OP_END);
}

/* ---- print ------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint32_t opcode;
} opcodes[] = {
#define X(name, code) {#name, code},
    SPACC_CARD_OP_MAP(X)
#undef X
};

static const struct {
    uint32_t opcode;
    const char *name;
    unsigned word, low, bits;
} fields[] = {
#define X(op, field, word, low, bits) {SPACC_OP_##op, #field, word, low, bits},
    SPACC_CARD_FIELD_MAP(X)
#undef X
};

static const char *opcode_name(uint32_t opcode)
{
    for (size_t i = 0; i < sizeof(opcodes) / sizeof(*opcodes); i++)
        if (opcodes[i].opcode == opcode)
            return opcodes[i].name;
    return "?";
}

static void print_fields(const uint32_t *words, uint32_t opcode, FILE *to)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        if (fields[i].opcode == opcode) {
            const uint32_t mask =
                fields[i].bits == 32 ? UINT32_MAX : (UINT32_C(1) << fields[i].bits) - 1;
            fprintf(to, " %s=%" PRIu32, fields[i].name,
                    words[fields[i].word] >> fields[i].low & mask);
        }
}

void spacc_program_print(const struct spacc_program *p, FILE *to)
{
    for (size_t i = 0; i < p->instructions; i++) {
        const uint32_t opcode = p->word[i][0] & 0xff;
        fprintf(to, "%zu %s", i, opcode_name(opcode));
        print_fields(p->word[i], opcode, to);
        fputc('\n', to);
    }
}
