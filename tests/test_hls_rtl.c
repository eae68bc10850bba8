/* The kernels of hls/ against the RTL: the same random programs, good and spoiled, on the
 * simulated card and on a kernel end with the same error at the same instruction, and leave
 * the same output region. What the compiler never asks for is asked here.
 * SPACC_TEST_SEED replays a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/card/card.h"
#include "rtl/card_map.h"

#if !SPACC_SIM

static void there_is_no_simulator_in_this_build(void **state)
{
    (void)state;
    printf("skipped: this build has no simulator\n");
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(there_is_no_simulator_in_this_build)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

#include "sim/kernel_card.h"
#include "tests/layer_maker.h"
#if SPACC_OPENCL
#include "tests/kernel_opencl.h"
#endif

enum {
    PROGRAMS = 60,
    WORDS = SPACC_INSTRUCTION_WORDS,
    CODES = 10,
    OUTPUT_BYTES = 1 << 16,
    RESIDENT = 320,  /* words of weights that stay, from 0 */
    RING_BASE = 400, /* of streamed ones */
    RING_WORDS = 200,
    LIMIT_US = 1000000
};

/* ---- two cards with the same memory ------------------------------------------ */

struct side {
    struct spacc_card *card;
    uint64_t program, region[4]; /* 1..3 */
    struct spacc_error err;
    enum spacc_status status;
    struct spacc_card_counters counters;
    uint8_t output[OUTPUT_BYTES];
};

struct duel {
    struct side sim, kernel;
    uint32_t bytes[4];
    uint32_t code[CODES][WORDS];
    uint32_t codes;
    const struct spacc_card_info *info;
};

static void allocate(struct side *s, const uint32_t bytes[4])
{
    ok(spacc_card_alloc(s->card, CODES * WORDS * 4, &s->program, &s->err), &s->err);
    for (int i = 1; i < 4; i++)
        ok(spacc_card_alloc(s->card, bytes[i], &s->region[i], &s->err), &s->err);
}

static void fill(struct duel *d, int region, const void *from)
{
    struct side *sides[] = {&d->sim, &d->kernel};

    for (int i = 0; i < 2; i++)
        ok(spacc_card_write(sides[i]->card, sides[i]->region[region], from, d->bytes[region],
                            &sides[i]->err),
           &sides[i]->err);
}

static void run_side(struct side *s, const struct duel *d)
{
    const struct spacc_card_run run = {s->program,   s->region[1],         s->region[2],
                                       s->region[3], d->codes * WORDS * 4, d->bytes[1],
                                       d->bytes[2],  d->bytes[3]};

    memset(s->output, 0, sizeof(s->output));
    ok(spacc_card_write(s->card, s->region[3], s->output, OUTPUT_BYTES, &s->err), &s->err);
    ok(spacc_card_write(s->card, s->program, d->code, d->codes * WORDS * 4, &s->err), &s->err);
    s->err.text[0] = '\0';
    s->status = spacc_card_run(s->card, &run, LIMIT_US, &s->counters, &s->err);
    ok(spacc_card_read(s->card, s->region[3], s->output, OUTPUT_BYTES, &s->err), &s->err);
}

/* "error 2 at instruction 3", or "". */
static const char *error_of(const struct side *s, char *text, size_t text_bytes)
{
    const char *from = strstr(s->err.text, "error "), *end = from ? strchr(from, ',') : NULL;

    snprintf(text, text_bytes, "%.*s", end ? (int)(end - from) : 0, end ? from : "");
    return s->status == SPACC_OK ? "" : text;
}

/* ---- programs ---------------------------------------------------------------- */

#define SET(word, op, field, value) \
    ((word)[SPACC_F_##op##_##field##_WORD] |= (uint32_t)(value) << SPACC_F_##op##_##field##_LOW)

static uint32_t *add(struct duel *d, uint32_t opcode)
{
    uint32_t *word = d->code[d->codes++];

    assert_true(d->codes <= CODES);
    memset(word, 0, sizeof(d->code[0]));
    word[0] = opcode;
    return word;
}

/* Loads and stores keep region, offset, count and base in the same places. */
static void add_move(struct duel *d, uint32_t opcode, uint32_t region, uint32_t offset,
                     uint32_t count, uint32_t base)
{
    uint32_t *word = add(d, opcode);

    SET(word, LOAD_STATE, REGION, region);
    SET(word, LOAD_STATE, OFFSET, offset);
    SET(word, LOAD_STATE, UNITS, count);
    SET(word, LOAD_STATE, UNIT_BASE, base);
}

static void add_stream(struct duel *d, uint32_t words, bool wide)
{
    uint32_t *word = add(d, SPACC_OP_STREAM);

    SET(word, STREAM, REGION, SPACC_REGION_WEIGHTS);
    SET(word, STREAM, FORMAT, wide);
    SET(word, STREAM, WORDS, words);
    SET(word, STREAM, WORD_BASE, RING_BASE);
    SET(word, STREAM, RING_WORDS, RING_WORDS);
}

/* A RUN that the card takes, of any kind; STREAM before it, perhaps. */
static void add_run(struct duel *d, uint32_t cell, bool streamed)
{
    const uint32_t pes = d->info->pes, lanes = d->info->lanes;
    const bool linear = cell == SPACC_CARD_CELL_LINEAR, lstmp = cell == SPACC_CARD_CELL_LSTMP;
    const bool two = lstmp || cell == SPACC_CARD_CELL_GRU_RESET;
    const uint32_t batch = d->info->batch_max > 1 && draw(2) ? 1 + draw(3) : 1;
    const uint32_t fit = 4 * lanes / pes; /* groups of r of 4 words */
    const uint32_t groups = 1 + draw(4 * fit < 6 ? 4 * fit : 6);
    const uint32_t groups_b = !two ? 0 : lstmp ? 1 + draw(fit < 3 ? fit : 3) : groups;
    const uint32_t k_x = 1 + draw(3), k_h = linear ? 0 : 1 + draw(3),
                   k_b = !two       ? 0
                         : streamed ? k_x + k_h + 1
                                    : 1 + draw(6);
    const uint32_t most = groups < 8 ? groups : 8;
    const uint32_t prologue = linear || streamed ? 0 : draw(most + 1);
    const uint32_t x_words = 4 + draw(2), h_words = linear ? draw(3) : 4 + draw(2);
    uint32_t *word;

    if (streamed)
        add_stream(d, groups * (k_x + k_h) + groups_b * k_b,
                   d->info->weight_bits == 16 && draw(2));
    word = add(d, SPACC_OP_RUN);
    SET(word, RUN, CELL, cell);
    SET(word, RUN, ACT_G, draw(3));
    SET(word, RUN, ACT_H, draw(3));
    SET(word, RUN, X_REGION, 1 + draw(2)); /* the card reads x ahead: not what it writes */
    SET(word, RUN, Y_REGION, SPACC_REGION_OUTPUT);
    SET(word, RUN, BATCH, batch);
    SET(word, RUN, STEPS, 1 + draw(3));
    SET(word, RUN, GROUPS, groups);
    SET(word, RUN, GROUPS_B, groups_b);
    SET(word, RUN, K_X, k_x);
    SET(word, RUN, K_H, k_h);
    SET(word, RUN, K_B, k_b);
    SET(word, RUN, WEIGHT_BASE, draw(100));
    SET(word, RUN, PARAM_BASE, draw(3) * d->info->cells);
    SET(word, RUN, STATE_BASE, draw(3) * d->info->cells);
    SET(word, RUN, X_WORDS, x_words);
    SET(word, RUN, M_WORDS, two ? 4 : 0);
    SET(word, RUN, H_WORDS, h_words);
    SET(word, RUN, H_BASE, draw(20));
    SET(word, RUN, X_OFFSET, draw(20) * 64);
    SET(word, RUN, X_STRIDE, draw(2) ? 1024 : 0 - 64u * draw(3));
    SET(word, RUN, Y_OFFSET, 1024 + draw(20) * 64);
    SET(word, RUN, Y_STRIDE, 4096);
    SET(word, RUN, PROLOGUE, prologue * batch < 4 ? 0 : prologue);
    SET(word, RUN, PROLOGUE_B, two && prologue * batch >= 4 ? draw(prologue + 1) : 0);
    SET(word, RUN, X_SLOTS, 2 + draw(3));
    SET(word, RUN, ZERO, draw(2));
    SET(word, RUN, HALF, draw(2));
}

/* Where region 2 has states and vectors for the loads. */
enum { STATES_AT = 0, VECTOR_AT = 1 << 15 };

static void make_program(struct duel *d, uint32_t cell, bool streamed)
{
    d->codes = 0;
    add_move(d, SPACC_OP_LOAD_VECTOR, SPACC_REGION_INPUT, VECTOR_AT, d->info->h_words, 0);
    add_move(d, SPACC_OP_LOAD_STATE, SPACC_REGION_INPUT, STATES_AT, d->info->units, 0);
    add_run(d, cell, streamed);
    if (draw(4) == 0)
        add_run(d, draw(5), draw(4) == 0);
    add_move(d, SPACC_OP_STORE_STATE, SPACC_REGION_OUTPUT, OUTPUT_BYTES / 2, d->info->units, 0);
    add_move(d, SPACC_OP_MARK, SPACC_REGION_OUTPUT, 0, 0, 0);
    if (draw(20))
        add(d, SPACC_OP_END);
}

struct field {
    uint32_t opcode;
    const char *name;
    uint32_t word, low, bits;
};

static const struct field fields[] = {
#define X(op, field, word, low, bits) {SPACC_OP_##op, #field, word, low, bits},
    SPACC_CARD_FIELD_MAP(X)
#undef X
};

/* A value that is likely to matter. */
static uint32_t odd_value(const struct duel *d)
{
    const uint32_t sizes[] = {d->info->units,   d->info->weight_words, d->info->h_words,
                              d->info->x_words, d->info->psum_words,   OUTPUT_BYTES};

    switch (draw(5)) {
    case 0: return 0;
    case 1: return draw(8);
    case 2: return UINT32_MAX - draw(3);
    case 3: return draw(1000);
    default: return sizes[draw(6)] + draw(3) - 1;
    }
}

static bool one_of(const char *name, const char *names)
{
    const char *at = strstr(names, name);

    return at && at[strlen(name)] == ' ' && (at == names || at[-1] == ' ');
}

/* Left alone: what keeps the simulator busy for long, and what makes a good program read memory
 * that nobody wrote. A kernel has no masked RUNs, and parts of a ring where it likes;
 * marks are looked at. */
static bool left_alone(const struct field *f, uint32_t value)
{
    if (f->opcode == SPACC_OP_MARK)
        return true;
    if (f->opcode != SPACC_OP_RUN)
        return f->opcode == SPACC_OP_STREAM &&
               (one_of(f->name, "WORD_BASE ") || (one_of(f->name, "REGION ") && value - 1 < 3));
    return (one_of(f->name, "STEPS BATCH ") && value > 3) ||
           (one_of(f->name, "GROUPS GROUPS_B K_X K_H K_B ") && value > 8 && value <= 16384) ||
           (one_of(f->name, "WEIGHT_BASE ") && value > 100 && value <= 16384) ||
           (one_of(f->name, "X_WORDS H_WORDS M_WORDS ") && value > 0 && value < 4) ||
           (one_of(f->name, "X_REGION ") && value == SPACC_REGION_OUTPUT) ||
           one_of(f->name, "MASKED ");
}

/* A field of the instruction, or NULL: it has none. */
static const struct field *random_field(uint32_t opcode)
{
    const struct field *found = NULL;
    uint32_t seen = 0;

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (fields[i].opcode == opcode && draw(++seen) == 0)
            found = &fields[i];
    return found;
}

static void spoil(struct duel *d)
{
    uint32_t *word = d->code[draw(d->codes)];
    const struct field *f = random_field(word[0] & 255);

    if (draw(30) == 0)
        word[0] = (word[0] & ~255u) | draw(256);
    if (!f)
        return;
    const uint32_t mask = f->bits == 32 ? UINT32_MAX : (1u << f->bits) - 1;
    const uint32_t value = odd_value(d) & mask;
    if (!left_alone(f, value))
        word[f->word] = (word[f->word] & ~(mask << f->low)) | value << f->low;
}

/* ---- memory ------------------------------------------------------------------- */

/* Weights: bytes that are an index in either format are one of vectors of 4 words. The row
 * parameters behind. */
static void fill_memory(struct duel *d)
{
    uint32_t *words = calloc(d->bytes[1] > d->bytes[2] ? d->bytes[1] : d->bytes[2], 1);
    const uint32_t params = d->info->units * 8;

    assert_non_null(words);
    for (uint32_t i = 0; i < d->bytes[1] / 4; i++)
        words[i] = draw(256);
    for (uint32_t i = 0; i < (d->bytes[1] - params * 4) / 4; i++)
        words[i] |= (draw(1u << 24) & 0x030303) << 8;
    for (uint32_t i = 0; i < params; i += 2) {
        uint32_t *p = words + d->bytes[1] / 4 - params + i;
        p[0] = draw(1u << 20) - (1u << 19);
        p[1] = draw(1u << 16) | (8 + draw(20)) << 16;
    }
    fill(d, 1, words);
    for (uint32_t i = 0; i < d->bytes[2] / 4; i++)
        words[i] = draw(1u << 16) << 16 | draw(1u << 16);
    fill(d, 2, words);
    free(words);
}

static void run_both(struct duel *d)
{
    run_side(&d->sim, d);
    run_side(&d->kernel, d);
}

/* What stays: weights and row parameters. */
static void load_weights(struct duel *d)
{
    d->codes = 0;
    add_move(d, SPACC_OP_LOAD_WEIGHTS, SPACC_REGION_WEIGHTS, 0, RESIDENT, 0);
    add_move(d, SPACC_OP_LOAD_PARAMS, SPACC_REGION_WEIGHTS, d->bytes[1] - d->info->units * 32,
             d->info->units, 0);
    add(d, SPACC_OP_END);
    run_both(d);
    ok(d->sim.status, &d->sim.err);
    ok(d->kernel.status, &d->kernel.err);
}

/* A run that failed has left these in its own way. */
static void load_states(struct duel *d)
{
    d->codes = 0;
    add_move(d, SPACC_OP_LOAD_VECTOR, SPACC_REGION_INPUT, VECTOR_AT, d->info->h_words, 0);
    add_move(d, SPACC_OP_LOAD_STATE, SPACC_REGION_INPUT, STATES_AT, d->info->units, 0);
    add(d, SPACC_OP_END);
    run_both(d);
    ok(d->sim.status, &d->sim.err);
    ok(d->kernel.status, &d->kernel.err);
}

static void open_duel(struct duel *d, const char *config, struct kernel_card *k)
{
    struct spacc_error err = {0};
    char name[32];

    assert_non_null(k);
    snprintf(name, sizeof(name), "sim:%s", config);
    ok(spacc_card_open(&d->sim.card, name, &err), &err);
    ok(kernel_attach(&d->kernel.card, k, &err), &err);
    d->info = spacc_card_info(d->kernel.card);
    const uint32_t word_bytes = d->info->pes * d->info->lanes * 2;
    d->bytes[1] = RESIDENT * word_bytes + d->info->units * 32;
    d->bytes[2] = 1 << 17;
    d->bytes[3] = OUTPUT_BYTES;
    allocate(&d->sim, d->bytes);
    allocate(&d->kernel, d->bytes);
    fill_memory(d);
    load_weights(d);
    load_states(d);
}

static void tell_difference(const struct duel *d, const char *config, int program)
{
    for (uint32_t c = 0; c < d->codes; c++)
        for (size_t f = 0; f < sizeof(fields) / sizeof(fields[0]); f++)
            if (fields[f].opcode == (d->code[c][0] & 255))
                printf("%s%s %u", fields[f].low == 8 && fields[f].word == 0 ? "\n" : " ",
                       fields[f].name,
                       d->code[c][fields[f].word] >> fields[f].low &
                           (uint32_t)((UINT64_C(1) << fields[f].bits) - 1));
    printf("\n");
    for (size_t i = 0, told = 0; i < OUTPUT_BYTES && told < 16; i++)
        if (d->sim.output[i] != d->kernel.output[i] && ++told)
            printf("byte %zu: RTL %02x, kernel %02x\n", i, d->sim.output[i],
                   d->kernel.output[i]);
    fail_msg("%s, program %d: other outputs than the RTL's", config, program);
}

static bool is_event(int counter)
{
    return counter >= SPACC_COUNTER_GATE_SATURATIONS && counter <= SPACC_COUNTER_BYTES_WRITTEN;
}

/* Events in registers are the RTL's, everything else is 0; in the mark, too. Takes what the RTL
 * counts of cycles out of its mark. */
static void check_counters(struct duel *d, const char *config, int program)
{
    for (int i = 0; i < SPACC_CARD_COUNTERS; i++) {
        const uint64_t want = is_event(i) ? d->sim.counters.value[i] : 0;
        if (d->kernel.counters.value[i] != want) {
            printf("counter %d: RTL %llu, kernel %llu", i, (unsigned long long)want,
                   (unsigned long long)d->kernel.counters.value[i]);
            tell_difference(d, config, program);
        }
        if (!is_event(i))
            memset(d->sim.output + 8 * i, 0, 8);
    }
}

static void check_registers(struct duel *d)
{
    static const uint32_t offsets[] = {SPACC_REG_IDENTITY,
                                       SPACC_REG_VERSION,
                                       SPACC_REG_CONFIG_ARRAY,
                                       SPACC_REG_CONFIG_WIDTHS,
                                       SPACC_REG_CONFIG_WEIGHT_WORDS,
                                       SPACC_REG_CONFIG_VECTOR_WORDS,
                                       SPACC_REG_CONFIG_UNITS,
                                       SPACC_REG_CONFIG_INSTRUCTIONS,
                                       SPACC_REG_CONFIG_CELLS,
                                       SPACC_REG_CONFIG_MASKS};

    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        uint32_t sim, kernel;
        ok(spacc_card_reg_read(d->sim.card, offsets[i], &sim, &d->sim.err), &d->sim.err);
        ok(spacc_card_reg_read(d->kernel.card, offsets[i], &kernel, &d->sim.err), &d->sim.err);
        /* of masked RUNs the kernels know nothing, and say so */
        assert_int_equal(kernel, offsets[i] == SPACC_REG_CONFIG_MASKS ? 0 : sim);
    }
}

/* ---- the duel ----------------------------------------------------------------- */

/* The same end on both; whether it was a good one. Leaves states that both have. */
static bool run_and_compare(struct duel *d, const char *config, int program)
{
    char text[2][64];

    run_both(d);
    const bool good = d->sim.status == SPACC_OK;
    const char *want = error_of(&d->sim, text[0], sizeof(text[0]));
    const char *got = error_of(&d->kernel, text[1], sizeof(text[1]));
    if (strcmp(want, got) != 0) {
        printf("%s\n", d->sim.err.text);
        fail_msg("%s, program %d: RTL '%s', kernel '%s'", config, program, want, got);
    }
    if (good)
        check_counters(d, config, program);
    if (good && memcmp(d->sim.output, d->kernel.output, OUTPUT_BYTES) != 0)
        tell_difference(d, config, program);
    if (!good)
        load_states(d);
    return good;
}

/* Every field of RUN and STREAM alone, with values about the limits of small numbers. */
static void sweep(struct duel *d, const char *config, uint32_t cell, bool streamed)
{
    static const uint32_t values[] = {0, 1, 2, 3, 4, 5, 6, UINT32_MAX};
    struct duel *base = malloc(sizeof(*base));
    unsigned good = 0, all = 0;

    assert_non_null(base);
    make_program(d, cell, streamed);
    memcpy(base->code, d->code, sizeof(d->code));
    base->codes = d->codes;
    for (size_t f = 0; f < sizeof(fields) / sizeof(fields[0]); f++)
        for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
            const uint32_t mask =
                fields[f].bits == 32 ? UINT32_MAX : (1u << fields[f].bits) - 1;
            uint32_t at = 0;
            memcpy(d->code, base->code, sizeof(d->code));
            d->codes = base->codes;
            while (at < d->codes && (d->code[at][0] & 255) != fields[f].opcode)
                at++;
            if (at == d->codes || left_alone(&fields[f], values[v] & mask) ||
                (fields[f].opcode != SPACC_OP_RUN && fields[f].opcode != SPACC_OP_STREAM))
                continue;
            uint32_t *word = &d->code[at][fields[f].word];
            *word = (*word & ~(mask << fields[f].low)) | (values[v] & mask) << fields[f].low;
            good += run_and_compare(d, config, (int)(100 * f + v));
            all++;
        }
    printf("%s, cell %u%s: %u fields and values, %u good\n", config, cell,
           streamed ? " streamed" : "", all, good);
    assert_true(good > 0 && good < all);
    free(base);
}

static void fight(const char *config, struct kernel_card *kernel, bool swept)
{
    struct duel *d = calloc(1, sizeof(*d));
    unsigned good = 0;

    assert_non_null(d);
    rng = seed();
    open_duel(d, config, kernel);
    check_registers(d);
    for (int i = 0; i < PROGRAMS; i++) {
        make_program(d, draw(5), draw(4) == 0);
        for (uint32_t spoils = draw(2) ? 0 : 1 + draw(3); spoils; spoils--)
            spoil(d);
        good += run_and_compare(d, config, i);
    }
    printf("%s: %u good programs, %u errors\n", config, good, PROGRAMS - good);
    assert_true(good > PROGRAMS / 4 && good < PROGRAMS * 7 / 8);
    if (swept) {
        sweep(d, config, SPACC_CARD_CELL_LSTMP, false);
        sweep(d, config, SPACC_CARD_CELL_GRU_RESET, true);
    }
    spacc_card_close(d->sim.card);
    spacc_card_close(d->kernel.card);
    free(d);
}

/* Shared indices; wide beats and 32 cell lanes; groups that are no whole beats. */
kernel_fn spacc_hls_16x16s, spacc_hls_128x32, spacc_hls_8x8;

static struct kernel_card *new_c(kernel_fn *kernel)
{
    struct kernel_card *k = calloc(1, sizeof(*k));

    assert_non_null(k);
    *k = (struct kernel_card){.run = kernel_run_c, .kernel = kernel};
    return k;
}

static void the_c_kernel_is_the_rtl(void **state)
{
    (void)state;
    printf("seed %llu\n", (unsigned long long)seed());
    fight("16x16s", new_c(spacc_hls_16x16s), true);
    fight("128x32", new_c(spacc_hls_128x32), false);
    fight("8x8", new_c(spacc_hls_8x8), false);
}

static void the_opencl_kernel_is_the_rtl(void **state)
{
    (void)state;
#if SPACC_OPENCL
    if (opencl_device()) {
        fight("16x16s", opencl_new("16x16s", OPENCL_STATE_BYTES, 5), false);
        fight("8x8", opencl_new("8x8", OPENCL_STATE_BYTES, 1), false);
        return;
    }
#endif
    printf("skipped: no OpenCL device\n");
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_c_kernel_is_the_rtl),
                                       cmocka_unit_test(the_opencl_kernel_is_the_rtl)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
