/* The contract of a card: what every implementation and configuration must do behind
 * host/card/card.h. Here: the simulated card, all configurations, once with a polite
 * memory and once with seeded stalls on all channels. */
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

/* --- a card whose registers say what the test wants ------------------------- */

struct fake {
    uint32_t spoiled, value; /* this register reads as this value */
    bool closed;
};

static void fake_close(void *self)
{
    ((struct fake *)self)->closed = true;
}

static enum spacc_status fake_read(void *self, uint32_t offset, uint32_t *value,
                                   struct spacc_error *err)
{
    const struct fake *fake = self;
    (void)err;
    switch (offset) {
    case SPACC_REG_IDENTITY: *value = SPACC_CARD_MAGIC; break;
    case SPACC_REG_VERSION: *value = SPACC_CARD_VERSION; break;
    case SPACC_REG_CONFIG_ARRAY: *value = 32 | 16 << 16; break;
    case SPACC_REG_CONFIG_WIDTHS: *value = 16 | 16 << 8 | 8 << 16 | 32u << 24; break;
    case SPACC_REG_CONFIG_WEIGHT_WORDS: *value = 2048; break;
    case SPACC_REG_CONFIG_VECTOR_WORDS: *value = 256 | 512 << 16; break;
    case SPACC_REG_CONFIG_UNITS: *value = 1024; break;
    case SPACC_REG_CONFIG_INSTRUCTIONS: *value = 64; break;
    case SPACC_REG_CONFIG_CELLS: *value = 4 | 255 << 8 | 48 << 16; break;
    default: *value = 0; break;
    }
    if (offset == fake->spoiled)
        *value = fake->value;
    return SPACC_OK;
}

static const struct spacc_card_ops fake_ops = {
    .kind = "fake", .close = fake_close, .reg_read = fake_read};

static void the_registers_of_a_card_become_its_facts(void **state)
{
    (void)state;
    struct fake fake = {0};
    struct spacc_card *card;
    struct spacc_error err;
    assert_int_equal(spacc_card_attach(&card, &fake_ops, &fake, 1e8, &err), SPACC_OK);
    const struct spacc_card_info *info = spacc_card_info(card);
    assert_int_equal(info->pes, 32);
    assert_int_equal(info->lanes, 16);
    assert_int_equal(info->cells, 4);
    assert_int_equal(info->batch_max, 255);
    assert_int_equal(info->weight_bits, 16);
    assert_int_equal(info->act_bits, 16);
    assert_int_equal(info->index_bits, 8);
    assert_int_equal(info->axi_bits, 256);
    assert_int_equal(info->weight_words, 2048);
    assert_int_equal(info->x_words, 256);
    assert_int_equal(info->h_words, 512);
    assert_int_equal(info->units, 1024);
    assert_int_equal(info->psum_words, 48);
    assert_int_equal(info->instructions, 64);
    spacc_card_close(card);
    assert_true(fake.closed);
}

/* Every rule once, by a register that breaks it alone. */
static void a_card_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t offset, value;
        const char *says;
    } wrong[] = {
        {SPACC_REG_IDENTITY, 0xffffffff, "0xffffffff"},
        {SPACC_REG_IDENTITY, 0, "or a kernel made from C, whose registers are empty before"},
        {SPACC_REG_VERSION, 0x00010000, "0x00010000"},
        {SPACC_REG_VERSION, 0x00030000, "0x00030000"},
        {SPACC_REG_CONFIG_ARRAY, 0xffffffff, "65535 PEs"},
        {SPACC_REG_CONFIG_ARRAY, 16 << 16, "0 PEs"},
        {SPACC_REG_CONFIG_ARRAY, 32, "0 lanes"},
        {SPACC_REG_CONFIG_ARRAY, 32 | 24 << 16, "24 lanes"},
        {SPACC_REG_CONFIG_WIDTHS, 4 | 16 << 8 | 8 << 16 | 32u << 24, "4 weight bits"},
        {SPACC_REG_CONFIG_WIDTHS, 16 | 8 << 8 | 8 << 16 | 32u << 24, "8 bits of x and h"},
        {SPACC_REG_CONFIG_WIDTHS, 16 | 16 << 8 | 32u << 24, "0 index bits"},
        {SPACC_REG_CONFIG_WIDTHS, 16 | 16 << 8 | 8 << 16, "0 AXI data bits"},
        {SPACC_REG_CONFIG_WIDTHS, 16 | 16 << 8 | 8 << 16 | 4u << 24, "32 AXI data bits"},
        {SPACC_REG_CONFIG_WIDTHS, 16 | 16 << 8 | 8 << 16 | 24u << 24, "192 AXI data bits"},
        {SPACC_REG_CONFIG_WIDTHS, 16 | 16 << 8 | 8 << 16 | 128u << 24, "1024 AXI data bits"},
        {SPACC_REG_CONFIG_WEIGHT_WORDS, 0, "0 weight words"},
        {SPACC_REG_CONFIG_WEIGHT_WORDS, 0xffffffff, "4294967295 weight words"},
        {SPACC_REG_CONFIG_VECTOR_WORDS, 512 << 16, "0 x words"},
        {SPACC_REG_CONFIG_VECTOR_WORDS, 512, "0 h words"},
        {SPACC_REG_CONFIG_UNITS, 0, "0 units"},
        {SPACC_REG_CONFIG_UNITS, 0xffffffff, "4294967295 units"},
        {SPACC_REG_CONFIG_INSTRUCTIONS, 0, "0 instructions"},
        {SPACC_REG_CONFIG_INSTRUCTIONS, 0x10000, "0 instructions"},
        {SPACC_REG_CONFIG_CELLS, 255 << 8 | 48 << 16, "0 cell lanes"},
        {SPACC_REG_CONFIG_CELLS, 3 | 255 << 8 | 48 << 16, "3 cell lanes"},
        {SPACC_REG_CONFIG_CELLS, 16 | 255 << 8 | 48 << 16, "16 cell lanes"},
        {SPACC_REG_CONFIG_CELLS, 4 | 48 << 16, "0 sequences"},
        {SPACC_REG_CONFIG_CELLS, 4 | 255 << 8, "0 partial sums"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct fake fake = {.spoiled = wrong[i].offset, .value = wrong[i].value};
        struct spacc_card *card;
        struct spacc_error err = {SPACC_OK, ""};
        assert_int_equal(spacc_card_attach(&card, &fake_ops, &fake, 1e8, &err), SPACC_EDEVICE);
        assert_null(card);
        assert_true(fake.closed);
        if (!strstr(err.text, wrong[i].says) || !strstr(err.text, "fake card"))
            fail_msg("want '%s', got '%s'", wrong[i].says, err.text);
    }
}

#if !SPACC_SIM

static void a_build_without_a_simulator_says_so(void **state)
{
    (void)state;
    struct spacc_card *card;
    struct spacc_error err;
    assert_int_equal(spacc_card_open(&card, "sim", &err), SPACC_EUNSUPPORTED);
    assert_null(card);
    assert_non_null(strstr(err.text, "no simulator"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_registers_of_a_card_become_its_facts),
        cmocka_unit_test(a_card_that_makes_no_sense_is_refused),
        cmocka_unit_test(a_build_without_a_simulator_says_so)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

#include "sim/sim.h"

enum {
    LIMIT_US = 20000, /* 4 M cycles: no test here needs more */
    SEED = 20250117,
    STALLS = 300, /* of 1024 cycles, each channel */
    OUTPUT_BYTES = 8192,
    MARK_BYTES = 128,
    WORDS = SPACC_INSTRUCTION_WORDS
};

static const double CLOCK_HZ = 200e6;

/* A card with its memory: a program, an input region and an output region. */
struct setup {
    struct spacc_sim_options options;
    struct spacc_sim *sim;
    struct spacc_card *card;
    uint64_t program, weights, input, output;
    uint32_t program_bytes, input_bytes;
    uint32_t beat_bytes;  /* of the bus: addresses are multiples of it */
    uint32_t beat_states; /* states are moved in multiples of so many */
    struct spacc_card_counters counters;
    struct spacc_error err;
};

/* What cmocka's groups vary. */
struct variant {
    const char *config;
    uint32_t stalls;
};

static void ok(const struct setup *s, enum spacc_status status)
{
    if (status != SPACC_OK)
        fail_msg("%s: %s", spacc_status_name(status), s->err.text);
}

static uint64_t buffer(struct setup *s, size_t size)
{
    uint64_t address;
    ok(s, spacc_card_alloc(s->card, size, &address, &s->err));
    return address;
}

static void open_with(struct setup *s, const struct variant *v,
                      struct spacc_sim_options options)
{
    memset(s, 0, sizeof(*s));
    s->options = options;
    s->options.config = v->config;
    s->options.stall_per_1024 = v->stalls;
    s->options.seed = SEED;
    s->options.clock_hz = CLOCK_HZ;
    ok(s, spacc_sim_open(&s->sim, &s->options, &s->err));
    ok(s, spacc_card_attach(&s->card, spacc_sim_card_ops(), s->sim, CLOCK_HZ, &s->err));
    s->beat_bytes = spacc_card_info(s->card)->axi_bits / 8;
    s->beat_states = s->beat_bytes / 4;
    s->input_bytes = 4096;
    s->program = buffer(s, 4096);
    s->weights = buffer(s, 4096);
    s->input = buffer(s, s->input_bytes);
    s->output = buffer(s, OUTPUT_BYTES);
}

static void open_card(struct setup *s, void **state)
{
    open_with(s, *state, (struct spacc_sim_options){0});
}

static void close_card(struct setup *s)
{
    spacc_card_close(s->card); /* and the sim with it */
}

/* --- programs -------------------------------------------------------------- */

struct program {
    uint32_t word[16][WORDS];
    uint32_t count;
};

static uint32_t *add(struct program *p, uint32_t opcode)
{
    assert_true(p->count < 16);
    uint32_t *word = p->word[p->count++];
    memset(word, 0, sizeof(p->word[0]));
    word[0] = opcode;
    return word;
}

#define SET(word, op, field, value) \
    ((word)[SPACC_F_##op##_##field##_WORD] |= (uint32_t)(value) << SPACC_F_##op##_##field##_LOW)

static void add_load_state(struct program *p, uint32_t region, uint32_t offset, uint32_t units,
                           uint32_t base)
{
    uint32_t *word = add(p, SPACC_OP_LOAD_STATE);
    SET(word, LOAD_STATE, REGION, region);
    SET(word, LOAD_STATE, OFFSET, offset);
    SET(word, LOAD_STATE, UNITS, units);
    SET(word, LOAD_STATE, UNIT_BASE, base);
}

static void add_store_state(struct program *p, uint32_t region, uint32_t offset, uint32_t units,
                            uint32_t base)
{
    uint32_t *word = add(p, SPACC_OP_STORE_STATE);
    SET(word, STORE_STATE, REGION, region);
    SET(word, STORE_STATE, OFFSET, offset);
    SET(word, STORE_STATE, UNITS, units);
    SET(word, STORE_STATE, UNIT_BASE, base);
}

static void add_mark(struct program *p, uint32_t region, uint32_t offset)
{
    uint32_t *word = add(p, SPACC_OP_MARK);
    SET(word, MARK, REGION, region);
    SET(word, MARK, OFFSET, offset);
}

/* Put the program into the card's memory and run it. */
static enum spacc_status run_limited(struct setup *s, const struct program *p,
                                     uint64_t limit_us)
{
    const uint32_t bytes = p->count * SPACC_INSTRUCTION_BYTES;
    ok(s, spacc_card_write(s->card, s->program, p->word, bytes, &s->err));
    const struct spacc_card_run run = {.program = s->program,
                                       .weights = s->weights,
                                       .input = s->input,
                                       .output = s->output,
                                       .program_bytes = bytes,
                                       .weights_bytes = 4096,
                                       .input_bytes = s->input_bytes,
                                       .output_bytes = OUTPUT_BYTES};
    return spacc_card_run(s->card, &run, limit_us, &s->counters, &s->err);
}

static enum spacc_status run(struct setup *s, const struct program *p)
{
    return run_limited(s, p, LIMIT_US);
}

/* Causes of cycles add up to the cycles, always. */
static void check_causes(const struct setup *s)
{
    const uint64_t *v = s->counters.value;
    uint64_t sum = 0;
    for (int i = SPACC_COUNTER_ISSUE; i <= SPACC_COUNTER_WEIGHTS; i++)
        sum += v[i];
    assert_true(v[SPACC_COUNTER_CYCLES] > 0);
    assert_int_equal(sum, v[SPACC_COUNTER_CYCLES]);
}

static void fill_states(struct setup *s, int32_t *states, uint32_t count, int salt)
{
    for (uint32_t i = 0; i < count; i++) /* 24 bits, signed, with both ends */
        states[i] = i == 0   ? -(1 << 23)
                    : i == 1 ? (1 << 23) - 1
                             : (int32_t)((i * 2654435761u + (uint32_t)salt) >> 8) - (1 << 23);
    ok(s, spacc_card_write(s->card, s->input, states, count * sizeof(*states), &s->err));
}

/* A program that moves states through the card: the way to see that it works. Writes the
 * bytes that it returns, from 64 on. */
static uint32_t check_round_trip(struct setup *s, int salt)
{
    enum { COUNT_MAX = 256 + 16 };
    int32_t sent[COUNT_MAX], got[COUNT_MAX];
    const uint32_t count = 256 + s->beat_states;
    struct program p = {.count = 0};
    assert_true(count <= COUNT_MAX);
    add_load_state(&p, SPACC_REGION_INPUT, 0, count, 4);
    add_store_state(&p, SPACC_REGION_OUTPUT, 64, count, 4);
    add(&p, SPACC_OP_END);
    fill_states(s, sent, count, salt);
    ok(s, run(s, &p));
    ok(s, spacc_card_read(s->card, s->output + 64, got, count * 4, &s->err));
    assert_memory_equal(got, sent, count * 4);
    check_causes(s);
    return count * 4;
}

/* The run failed with this error of the card, and the card is still usable. */
static void check_error(struct setup *s, enum spacc_status status, uint32_t code, uint32_t pc)
{
    char want[64];
    if (status != SPACC_EDEVICE)
        fail_msg("%s: %s", spacc_status_name(status), s->err.text);
    snprintf(want, sizeof(want), "error %u at instruction %u,", code, pc);
    if (!strstr(s->err.text, want))
        fail_msg("want '%s', got '%s'", want, s->err.text);
    if (code != SPACC_ERROR_WATCHDOG)
        check_causes(s);
    check_round_trip(s, (int)code);
}

/* --- the tests ------------------------------------------------------------- */

static void says_who_it_is(void **state)
{
    const struct variant *v = *state;
    static const struct {
        const char *name;
        uint32_t pes, lanes, cells, weight_bits, index_bits, axi_bits, weight_words, x_words,
            h_words, units, psum_words, instructions, shared_rows, act_bits, queue;
    } configs[] = {
#define X(token, ...) {__VA_ARGS__},
        SPACC_CARD_CONFIG_MAP(X)
#undef X
    };
    struct setup s;
    open_card(&s, state);
    const struct spacc_card_info *info = spacc_card_info(s.card);
    size_t found = 0;
    for (size_t i = 0; i < sizeof(configs) / sizeof(configs[0]); i++) {
        if (strcmp(configs[i].name, v->config) != 0)
            continue;
        found++;
        assert_string_equal(info->kind, "sim");
        assert_int_equal(info->version, SPACC_CARD_VERSION);
        assert_int_equal(info->pes, configs[i].pes);
        assert_int_equal(info->lanes, configs[i].lanes);
        assert_int_equal(info->cells, configs[i].cells);
        assert_int_equal(info->batch_max,
                         configs[i].pes / 4 * 16 == configs[i].axi_bits ? 255 : 1);
        assert_int_equal(info->weight_bits, configs[i].weight_bits);
        assert_int_equal(info->act_bits, configs[i].act_bits);
        assert_int_equal(info->queue, configs[i].queue);
        assert_int_equal(info->mask_beats, info->queue ? SPACC_CARD_MASK_BEATS : 0);
        assert_int_equal(info->shared_rows, configs[i].shared_rows);
        assert_int_equal(info->index_bits, configs[i].index_bits);
        assert_int_equal(info->axi_bits, configs[i].axi_bits);
        assert_int_equal(info->weight_words, configs[i].weight_words);
        assert_int_equal(info->x_words, configs[i].x_words);
        assert_int_equal(info->h_words, configs[i].h_words);
        assert_int_equal(info->units, configs[i].units);
        assert_int_equal(info->psum_words, configs[i].psum_words);
        assert_int_equal(info->instructions, configs[i].instructions);
        assert_true(info->clock_hz == CLOCK_HZ);
    }
    assert_int_equal(found, 1);
    close_card(&s);
}

static void a_stranger_is_refused_with_both_values(void **state)
{
    const struct variant *v = *state;
    const struct spacc_sim_options options = {.config = v->config, .fault_identity = true};
    struct spacc_sim *sim;
    struct spacc_card *card;
    struct spacc_error err;
    assert_int_equal(spacc_sim_open(&sim, &options, &err), SPACC_OK);
    assert_int_equal(spacc_card_attach(&card, spacc_sim_card_ops(), sim, CLOCK_HZ, &err),
                     SPACC_EDEVICE);
    assert_null(card);
    assert_non_null(strstr(err.text, "0xdeadbeef"));
    assert_non_null(strstr(err.text, "0x43415053"));
}

static void silent_registers_are_a_clear_error(void **state)
{
    const struct variant *v = *state;
    const struct spacc_sim_options options = {.config = v->config, .fault_no_lite = true};
    struct spacc_sim *sim;
    struct spacc_card *card;
    struct spacc_error err;
    assert_int_equal(spacc_sim_open(&sim, &options, &err), SPACC_OK);
    assert_int_equal(spacc_card_attach(&card, spacc_sim_card_ops(), sim, CLOCK_HZ, &err),
                     SPACC_ETIMEOUT);
    assert_null(card);
    assert_non_null(strstr(err.text, "no answer"));
    assert_non_null(strstr(err.text, "0x100"));
}

static void memory_keeps_what_is_written_and_knows_its_bounds(void **state)
{
    struct setup s;
    unsigned char sent[5000], got[5000];
    open_card(&s, state);
    const uint64_t a = buffer(&s, sizeof(sent)), b = buffer(&s, 8);
    assert_int_equal(a % 4096, 0);
    assert_int_equal(b % 4096, 0);
    assert_true(a > UINT32_MAX);
    for (size_t i = 0; i < sizeof(sent); i++)
        sent[i] = (unsigned char)(i * 7 + i / 256);
    ok(&s, spacc_card_write(s.card, a, sent, sizeof(sent), &s.err));
    ok(&s, spacc_card_read(s.card, a + 1, got, sizeof(got) - 1, &s.err));
    assert_memory_equal(got, sent + 1, sizeof(got) - 1);
    assert_int_equal(spacc_card_write(s.card, a + 1, sent, sizeof(sent), &s.err), SPACC_EINVAL);
    assert_int_equal(spacc_card_read(s.card, b - 1, got, 1, &s.err), SPACC_EINVAL);
    assert_int_equal(spacc_card_read(s.card, b, got, 9, &s.err), SPACC_EINVAL);
    spacc_card_release(s.card, a);
    assert_int_equal(spacc_card_read(s.card, a, got, 1, &s.err), SPACC_EINVAL);
    uint64_t none;
    assert_int_equal(spacc_card_alloc(s.card, 0, &none, &s.err), SPACC_EINVAL);
    close_card(&s);
}

static void registers_read_back(void **state)
{
    static const uint32_t offsets[] = {
        SPACC_REG_PROGRAM_PTR,     SPACC_REG_PROGRAM_PTR + 4, SPACC_REG_WEIGHTS_PTR,
        SPACC_REG_WEIGHTS_PTR + 4, SPACC_REG_INPUT_PTR,       SPACC_REG_INPUT_PTR + 4,
        SPACC_REG_OUTPUT_PTR,      SPACC_REG_OUTPUT_PTR + 4,  SPACC_REG_PROGRAM_BYTES,
        SPACC_REG_WEIGHTS_BYTES,   SPACC_REG_INPUT_BYTES,     SPACC_REG_OUTPUT_BYTES,
        SPACC_REG_WATCHDOG_CYCLES};
    const size_t count = sizeof(offsets) / sizeof(offsets[0]);
    struct setup s;
    open_card(&s, state);
    for (uint32_t i = 0; i < count; i++)
        ok(&s, spacc_card_reg_write(s.card, offsets[i], i * 0x9e3779b9u, &s.err));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t value;
        ok(&s, spacc_card_reg_read(s.card, offsets[i], &value, &s.err));
        assert_int_equal(value, i * 0x9e3779b9u);
    }
    close_card(&s);
}

static void an_empty_program_of_one_end_is_done(void **state)
{
    struct setup s;
    struct program p = {.count = 0};
    open_card(&s, state);
    add(&p, SPACC_OP_END);
    for (int i = 0; i < 3; i++) {
        uint32_t pending, control;
        ok(&s, run(&s, &p));
        check_causes(&s);
        ok(&s, spacc_card_reg_read(s.card, SPACC_REG_IP_ISR, &pending, &s.err));
        assert_int_equal(pending, 0); /* the driver took its interrupt back */
        ok(&s, spacc_card_reg_read(s.card, SPACC_REG_AP_CTRL, &control, &s.err));
        assert_int_equal(control, 4); /* idle; done was cleared when the driver read it */
        assert_true(s.counters.value[SPACC_COUNTER_BYTES_READ] >= SPACC_INSTRUCTION_BYTES);
        assert_int_equal(s.counters.value[SPACC_COUNTER_BYTES_WRITTEN], 0);
        assert_int_equal(s.counters.value[SPACC_COUNTER_ISSUE], 0);
    }
    assert_int_equal(spacc_card_generation(s.card), 0);
    close_card(&s);
}

static void states_go_in_and_out(void **state)
{
    struct setup s;
    open_card(&s, state);
    for (int i = 0; i < 4; i++)
        check_round_trip(&s, i);
    /* The whole memory, in pieces that overlap. */
    const uint32_t units = spacc_card_info(s.card)->units;
    const uint32_t part = units / 2;
    int32_t *sent = calloc(units, sizeof(*sent)), *got = calloc(units, sizeof(*got));
    assert_non_null(sent);
    assert_non_null(got);
    struct program p = {.count = 0};
    s.input_bytes = units * 4;
    s.input = buffer(&s, s.input_bytes);
    fill_states(&s, sent, units, 77);
    add_load_state(&p, SPACC_REGION_INPUT, 0, part, 0);
    add_load_state(&p, SPACC_REGION_INPUT, part * 4, part, part);
    add_store_state(&p, SPACC_REGION_OUTPUT, 0,
                    units > OUTPUT_BYTES / 4 ? OUTPUT_BYTES / 4 : units, 0);
    add(&p, SPACC_OP_END);
    ok(&s, run(&s, &p));
    const uint32_t stored = units > OUTPUT_BYTES / 4 ? OUTPUT_BYTES / 4 : units;
    ok(&s, spacc_card_read(s.card, s.output, got, stored * 4, &s.err));
    assert_memory_equal(got, sent, stored * 4);
    assert_int_equal(s.counters.value[SPACC_COUNTER_BYTES_WRITTEN], stored * 4);
    check_causes(&s);
    free(sent);
    free(got);
    close_card(&s);
}

/* In and out at addresses that make a burst meet the 4096-byte line in its middle. */
static void transfers_go_across_4096_byte_lines(void **state)
{
    enum { COUNT = 512 };
    struct setup s;
    int32_t sent[COUNT], got[COUNT];
    struct program p = {.count = 0};
    open_card(&s, state);
    const uint32_t offset = 4096 - 1000 / s.beat_bytes * s.beat_bytes;
    s.input_bytes = 8192;
    s.input = buffer(&s, s.input_bytes);
    for (int i = 0; i < COUNT; i++)
        sent[i] = i * 16001 - (1 << 22);
    ok(&s, spacc_card_write(s.card, s.input + offset, sent, sizeof(sent), &s.err));
    add_load_state(&p, SPACC_REGION_INPUT, offset, COUNT, 0);
    add_store_state(&p, SPACC_REGION_OUTPUT, offset, COUNT, 0);
    add(&p, SPACC_OP_END);
    ok(&s, run(&s, &p));
    ok(&s, spacc_card_read(s.card, s.output + offset, got, sizeof(got), &s.err));
    assert_memory_equal(got, sent, sizeof(sent));
    check_causes(&s);
    close_card(&s);
}

/* Nothing but the bytes asked for is written. */
static void a_store_writes_nothing_else(void **state)
{
    struct setup s;
    unsigned char got[OUTPUT_BYTES], before[OUTPUT_BYTES];
    open_card(&s, state);
    memset(before, 0x3c, sizeof(before));
    ok(&s, spacc_card_write(s.card, s.output, before, sizeof(before), &s.err));
    const uint32_t end = 64 + check_round_trip(&s, 5);
    ok(&s, spacc_card_read(s.card, s.output, got, sizeof(got), &s.err));
    assert_memory_equal(got, before, 64);
    assert_memory_equal(got + end, before, OUTPUT_BYTES - end);
    close_card(&s);
}

static void marks_hold_the_counters_of_their_moment(void **state)
{
    struct setup s;
    struct program p = {.count = 0};
    uint64_t mark[3][MARK_BYTES / 8];
    open_card(&s, state);
    add_mark(&p, SPACC_REGION_OUTPUT, 0);
    add_load_state(&p, SPACC_REGION_INPUT, 0, 64, 0);
    add_mark(&p, SPACC_REGION_OUTPUT, sizeof(mark[0]));
    add_store_state(&p, SPACC_REGION_OUTPUT, 4096, 64, 0);
    add_mark(&p, SPACC_REGION_OUTPUT, 2 * sizeof(mark[0]));
    add(&p, SPACC_OP_END);
    ok(&s, run(&s, &p));
    check_causes(&s);
    ok(&s, spacc_card_read(s.card, s.output, mark, sizeof(mark), &s.err));
    for (int i = 0; i < 3; i++) {
        const uint64_t *next = i < 2 ? mark[i + 1] : s.counters.value;
        assert_true(mark[i][SPACC_COUNTER_CYCLES] > 0);
        assert_true(mark[i][SPACC_COUNTER_CYCLES] < next[SPACC_COUNTER_CYCLES]);
        for (int c = 0; c < SPACC_CARD_COUNTERS; c++)
            assert_true(mark[i][c] <= next[c]);
        for (int c = SPACC_CARD_COUNTERS; c < MARK_BYTES / 8; c++)
            assert_int_equal(mark[i][c], 0);
    }
    assert_true(mark[1][SPACC_COUNTER_BYTES_READ] >= mark[0][SPACC_COUNTER_BYTES_READ] + 256);
    assert_true(mark[1][SPACC_COUNTER_LOAD] > mark[0][SPACC_COUNTER_LOAD]);
    assert_int_equal(s.counters.value[SPACC_COUNTER_BYTES_WRITTEN],
                     3 * sizeof(mark[0]) + 64 * 4);
    close_card(&s);
}

static void bad_programs_end_with_their_error(void **state)
{
    struct setup s;
    open_card(&s, state);
    const uint32_t units = spacc_card_info(s.card)->units, part = s.beat_states;

    struct program p = {.count = 0};
    add_load_state(&p, SPACC_REGION_INPUT, 0, part, 0);
    add(&p, 0xee);
    add(&p, SPACC_OP_END);
    check_error(&s, run(&s, &p), SPACC_ERROR_BAD_OPCODE, 1);

    p.count = 0;
    add_load_state(&p, SPACC_REGION_INPUT, 0, 2 * part, units - part); /* a beat too many */
    add(&p, SPACC_OP_END);
    check_error(&s, run(&s, &p), SPACC_ERROR_BAD_FIELD, 0);

    p.count = 0;
    add_load_state(&p, SPACC_REGION_INPUT, 0, part + 1, 0); /* not whole beats */
    add(&p, SPACC_OP_END);
    check_error(&s, run(&s, &p), SPACC_ERROR_BAD_FIELD, 0);

    p.count = 0;
    add_load_state(&p, SPACC_REGION_INPUT, s.input_bytes - s.beat_bytes, 2 * part,
                   0); /* a beat too far */
    add(&p, SPACC_OP_END);
    check_error(&s, run(&s, &p), SPACC_ERROR_BAD_ADDRESS, 0);

    p.count = 0;
    add_load_state(&p, SPACC_REGION_INPUT, s.beat_bytes / 2, part, 0); /* not aligned */
    add(&p, SPACC_OP_END);
    check_error(&s, run(&s, &p), SPACC_ERROR_BAD_ADDRESS, 0);

    p.count = 0;
    add_load_state(&p, SPACC_REGION_INPUT, 0, part, 0);
    add_store_state(&p, SPACC_REGION_OUTPUT, OUTPUT_BYTES, part, 0);
    add(&p, SPACC_OP_END);
    check_error(&s, run(&s, &p), SPACC_ERROR_BAD_ADDRESS, 1);

    p.count = 0;
    add_mark(&p, SPACC_REGION_OUTPUT, OUTPUT_BYTES - MARK_BYTES + s.beat_bytes);
    add(&p, SPACC_OP_END);
    check_error(&s, run(&s, &p), SPACC_ERROR_BAD_ADDRESS, 0);

    p.count = 0;
    add_mark(&p, SPACC_REGION_OUTPUT, OUTPUT_BYTES - MARK_BYTES);
    check_error(&s, run(&s, &p), SPACC_ERROR_NO_END, 1);

    p.count = 0;
    check_error(&s, run(&s, &p), SPACC_ERROR_NO_END, 0);
    assert_int_equal(spacc_card_generation(s.card), 0); /* nothing needed a reset */
    close_card(&s);
}

static void a_bus_error_names_its_address(void **state)
{
    struct setup s;
    struct program p = {.count = 0};
    char want[40];
    open_card(&s, state);
    add_load_state(&p, SPACC_REGION_INPUT, 0, 128, 0);
    add_store_state(&p, SPACC_REGION_OUTPUT, 0, 128, 0);
    add(&p, SPACC_OP_END);

    s.options.fault_slverr_address = s.input + 248;
    spacc_sim_set(s.sim, &s.options);
    enum spacc_status status = run(&s, &p);
    snprintf(want, sizeof(want), "0x%llx",
             (unsigned long long)s.input + 248 / s.beat_bytes * s.beat_bytes);
    assert_non_null(strstr(s.err.text, want));
    s.options.fault_slverr_address = 0;
    spacc_sim_set(s.sim, &s.options);
    check_error(&s, status, SPACC_ERROR_READ_BUS, 0);

    s.options.fault_slverr_address = s.output + 8;
    spacc_sim_set(s.sim, &s.options);
    status = run(&s, &p);
    snprintf(want, sizeof(want), "0x%llx", (unsigned long long)s.output); /* of the burst */
    assert_non_null(strstr(s.err.text, want));
    s.options.fault_slverr_address = 0;
    spacc_sim_set(s.sim, &s.options);
    check_error(&s, status, SPACC_ERROR_WRITE_BUS, 1);

    /* The program itself: memory that is not there. */
    const struct spacc_card_run nowhere = {.program = 64, .program_bytes = 64};
    status = spacc_card_run(s.card, &nowhere, LIMIT_US, &s.counters, &s.err);
    check_error(&s, status, SPACC_ERROR_READ_BUS, 0);
    close_card(&s);
}

static void a_hanging_bus_ends_with_the_watchdog(void **state)
{
    for (int direction = 0; direction < 2; direction++) {
        struct setup s;
        struct program p = {.count = 0};
        open_card(&s, state);
        add_load_state(&p, SPACC_REGION_INPUT, 0, 128, 0);
        add_store_state(&p, SPACC_REGION_OUTPUT, 0, 128, 0);
        add(&p, SPACC_OP_END);
        ok(&s, spacc_card_reg_write(s.card, SPACC_REG_WATCHDOG_CYCLES, 5000, &s.err));
        s.options.fault_no_read = direction == 0;
        s.options.fault_no_write = direction == 1;
        spacc_sim_set(s.sim, &s.options);
        const enum spacc_status status = run(&s, &p);
        s.options.fault_no_read = s.options.fault_no_write = false;
        spacc_sim_set(s.sim, &s.options);
        assert_int_equal(spacc_card_generation(s.card), 1); /* the bus owed answers */
        check_error(&s, status, SPACC_ERROR_WATCHDOG, direction == 0 ? 0 : 1);
        close_card(&s);
    }
}

static void a_time_out_is_reported_and_the_next_run_is_right(void **state)
{
    struct setup s;
    struct program p = {.count = 0};
    open_card(&s, state);
    add(&p, SPACC_OP_END);
    ok(&s, spacc_card_reg_write(s.card, SPACC_REG_WATCHDOG_CYCLES, 0, &s.err)); /* off */
    s.options.fault_no_read = true;
    spacc_sim_set(s.sim, &s.options);
    assert_int_equal(run_limited(&s, &p, 100), SPACC_ETIMEOUT);
    assert_non_null(strstr(s.err.text, "100 us"));
    assert_int_equal(spacc_card_generation(s.card), 1);
    s.options.fault_no_read = false;
    spacc_sim_set(s.sim, &s.options);
    for (int i = 0; i < 3; i++)
        check_round_trip(&s, i);
    assert_int_equal(spacc_card_generation(s.card), 1);
    close_card(&s);
}

static void a_slow_memory_changes_time_only(void **state)
{
    struct setup s;
    open_card(&s, state);
    check_round_trip(&s, 1);
    const uint64_t fast = s.counters.value[SPACC_COUNTER_CYCLES];
    s.options.latency_cycles = 1000;
    s.options.beats_per_1024 = 64;
    spacc_sim_set(s.sim, &s.options);
    check_round_trip(&s, 2);
    assert_true(s.counters.value[SPACC_COUNTER_CYCLES] > 2 * fast);
    close_card(&s);
}

static void stalls_happen_on_all_five_channels_or_on_none(void **state)
{
    const struct variant *v = *state;
    struct setup s;
    uint64_t stalls[5];
    open_card(&s, state);
    for (int i = 0; i < 20; i++)
        check_round_trip(&s, i);
    spacc_sim_stalls(s.sim, stalls);
    for (int i = 0; i < 5; i++)
        assert_true((stalls[i] > 0) == (v->stalls > 0));
    close_card(&s);
}

static void the_same_seed_gives_the_same_cycles(void **state)
{
    uint64_t cycles[2];
    for (int i = 0; i < 2; i++) {
        struct setup s;
        open_card(&s, state);
        check_round_trip(&s, 9);
        cycles[i] = spacc_sim_cycles(s.sim);
        close_card(&s);
    }
    assert_int_equal(cycles[0], cycles[1]);
}

/* --- by name --------------------------------------------------------------- */

static void cards_open_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint32_t pes;
    } names[] = {
        {"sim", 16}, {"sim:4x4", 4}, {"sim:8x8", 8}, {"sim:16x16", 16}, {"sim:128x32", 128}};
    struct spacc_error err;
    struct spacc_card *card;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(spacc_card_open(&card, names[i].name, &err), SPACC_OK);
        assert_int_equal(spacc_card_info(card)->pes, names[i].pes);
        spacc_card_close(card);
    }
    assert_int_equal(spacc_card_open(&card, "sim:3x3", &err), SPACC_EUNSUPPORTED);
    assert_null(card);
    assert_non_null(strstr(err.text, "4x4"));
    assert_non_null(strstr(err.text, "16x16"));
    assert_int_equal(spacc_card_open(&card, "simulator", &err), SPACC_EUNSUPPORTED);
    assert_int_equal(spacc_card_open(&card, "board", &err), SPACC_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "board"));
}

static void a_trace_is_an_fst_file(void **state)
{
    (void)state;
    static const char file[] = "card_contract.fst";
    const struct variant v = {"4x4", 0};
    struct setup s;
    open_with(&s, &v, (struct spacc_sim_options){.trace_file = file});
    check_round_trip(&s, 1);
    close_card(&s);
    FILE *f = fopen(file, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    assert_true(ftell(f) > 1000);
    fclose(f);
    assert_int_equal(remove(file), 0);

    const struct spacc_sim_options bad = {.config = "4x4",
                                          .trace_file = "no/such/folder/x.fst"};
    struct spacc_sim *sim;
    struct spacc_error err;
    assert_int_equal(spacc_sim_open(&sim, &bad, &err), SPACC_EIO);
    const struct spacc_sim_options none = {.config = "8x8", .trace_file = file};
    assert_int_equal(spacc_sim_open(&sim, &none, &err), SPACC_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "4x4"));
}

/* --- every configuration, polite and stalling ------------------------------ */

int main(void)
{
    static const struct {
        const char *name;
        CMUnitTestFunction run;
    } contract[] = {
#define T(test)     \
    {               \
#test, test \
    }
        T(says_who_it_is),
        T(a_stranger_is_refused_with_both_values),
        T(silent_registers_are_a_clear_error),
        T(memory_keeps_what_is_written_and_knows_its_bounds),
        T(registers_read_back),
        T(an_empty_program_of_one_end_is_done),
        T(states_go_in_and_out),
        T(transfers_go_across_4096_byte_lines),
        T(a_store_writes_nothing_else),
        T(marks_hold_the_counters_of_their_moment),
        T(bad_programs_end_with_their_error),
        T(a_bus_error_names_its_address),
        T(a_hanging_bus_ends_with_the_watchdog),
        T(a_time_out_is_reported_and_the_next_run_is_right),
        T(a_slow_memory_changes_time_only),
        T(stalls_happen_on_all_five_channels_or_on_none),
        T(the_same_seed_gives_the_same_cycles),
#undef T
    };
    enum { TESTS = sizeof(contract) / sizeof(contract[0]) };
    const struct CMUnitTest by_name[] = {
        cmocka_unit_test(the_registers_of_a_card_become_its_facts),
        cmocka_unit_test(a_card_that_makes_no_sense_is_refused),
        cmocka_unit_test(cards_open_by_name), cmocka_unit_test(a_trace_is_an_fst_file)};
    int failed = 0;

    printf("seed %d\n", SEED);
    for (const char *const *config = spacc_sim_configs(); *config; config++)
        for (int stalling = 0; stalling < 2; stalling++) {
            struct variant v = {*config, stalling ? STALLS : 0};
            struct CMUnitTest tests[TESTS];
            char group[64];
            for (int i = 0; i < TESTS; i++)
                tests[i] =
                    (struct CMUnitTest){contract[i].name, contract[i].run, NULL, NULL, &v};
            snprintf(group, sizeof(group), "card %s, %s memory", *config,
                     stalling ? "stalling" : "polite");
            failed += _cmocka_run_group_tests(group, tests, TESTS, NULL, NULL);
        }
    failed += cmocka_run_group_tests(by_name, NULL, NULL);
    return failed;
}

#endif
