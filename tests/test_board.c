/* The resource estimate against what yosys said of the boards' cards (boards/results.json),
 * and the table of boards. tests/synth.cmake runs yosys itself. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "host/board.h"

static cJSON *results;

static int read_results(void **state)
{
    FILE *f = fopen(SPACC_SOURCE "/boards/results.json", "rb");
    char *text = NULL;
    long bytes;

    (void)state;
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    bytes = ftell(f);
    assert_true(bytes > 0);
    rewind(f);
    text = calloc(1, (size_t)bytes + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)bytes, f), bytes);
    fclose(f);
    results = cJSON_Parse(text);
    free(text);
    return results ? 0 : -1;
}

static int free_results(void **state)
{
    (void)state;
    cJSON_Delete(results);
    return 0;
}

static double number(const cJSON *o, const char *part, const char *key)
{
    const cJSON *n = cJSON_GetObjectItem(cJSON_GetObjectItem(o, part), key);

    assert_true(cJSON_IsNumber(n));
    return n->valuedouble;
}

/* A parameter that a card without it leaves out. */
static unsigned optional(const cJSON *result, const char *key)
{
    const bool there = cJSON_HasObjectItem(cJSON_GetObjectItem(result, "config"), key);

    return there ? (unsigned)number(result, "config", key) : 0;
}

static struct spacc_card_config recorded_card(const cJSON *result)
{
    return (struct spacc_card_config){
        .pes = (unsigned)number(result, "config", "pes"),
        .lanes = (unsigned)number(result, "config", "lanes"),
        .cells = (unsigned)number(result, "config", "cells"),
        .weight_bits = (unsigned)number(result, "config", "weight_bits"),
        .index_bits = (unsigned)number(result, "config", "index_bits"),
        .axi_bits = (unsigned)number(result, "config", "axi_bits"),
        .weight_words = (unsigned)number(result, "config", "weight_words"),
        .x_words = (unsigned)number(result, "config", "x_words"),
        .h_words = (unsigned)number(result, "config", "h_words"),
        .units = (unsigned)number(result, "config", "units"),
        .psum_words = (unsigned)number(result, "config", "psum_words"),
        .instructions = (unsigned)number(result, "config", "instructions"),
        .shared_rows = 1,
        .act_bits = 16,
        .queue = optional(result, "queue"),
        .small_cell = (unsigned)number(result, "config", "small_cell"),
        .micro = optional(result, "micro")};
}

static void near(const char *board, const char *what, double got, double want, double share)
{
    if (fabs(got - want) <= share * want)
        return;
    fail_msg("%s: %s: estimate %.0f, yosys %.0f, more than %.0f %% apart", board, what, got,
             want, 100 * share);
}

static void estimate_is_within_5_percent_of_yosys(void **state)
{
    int seen = 0;

    (void)state;
    for (const cJSON *r = results->child; r; r = r->next, seen++) {
        const struct spacc_board *b = spacc_board_find(r->string);
        const struct spacc_card_config card = recorded_card(r);
        struct spacc_board_use use;
        assert_non_null(b);
        spacc_card_estimate(&use, b->family, &card);
        near(b->name, "LUTs", use.lut, number(r, "card", "lut"), 0.05);
        near(b->name, "flip-flops", use.ff, number(r, "card", "ff"), 0.05);
        near(b->name, "multipliers", use.dsp, number(r, "card", "dsp"), 0.05);
        near(b->name, "block RAMs", use.bram, number(r, "card", "bram"), 0.05);
        near(b->name, "large RAMs", use.uram, number(r, "card", "uram"), 0.05);
    }
    assert_true(seen >= 6);
}

static void table_has_what_was_recorded(void **state)
{
    (void)state;
    for (const cJSON *r = results->child; r; r = r->next) {
        const struct spacc_board *b = spacc_board_find(r->string);
        const struct spacc_card_config card = recorded_card(r);
        assert_non_null(b);
        /* A card that was changed in boards.toml and not synthesised again counts as an
         * estimate. */
        if (memcmp(&card, &b->card, sizeof(card))) {
            assert_int_equal(b->stage, SPACC_BOARD_ESTIMATED);
            continue;
        }
        assert_int_not_equal(b->stage, SPACC_BOARD_ESTIMATED);
        assert_float_equal(b->measured.lut, number(r, "card", "lut"), 0);
        assert_float_equal(b->design.bram, number(r, "design", "bram"), 0);
        assert_int_equal(b->stage == SPACC_BOARD_ROUTED, cJSON_HasObjectItem(r, "fmax_mhz"));
        assert_true(!b->clock_measured || b->fmax_mhz >= b->clock_mhz);
    }
}

static void boards_are_sound(void **state)
{
    size_t count;
    const struct spacc_board *boards = spacc_boards(&count);

    (void)state;
    assert_true(count >= 6);
    for (size_t i = 0; i < count; i++) {
        struct spacc_error err = {0};
        assert_ptr_equal(spacc_board_find(boards[i].name), &boards[i]);
        if (spacc_card_config_check(&boards[i].card, &err) != SPACC_OK)
            fail_msg("%s: %s", boards[i].name, err.text);
        assert_true(boards[i].clock_mhz > 0 && boards[i].clock_why[0] && boards[i].source[0]);
        assert_true(boards[i].clock_measured == (boards[i].fmax_mhz > 0));
    }
    assert_null(spacc_board_find("breadboard"));
}

static const struct spacc_card_config small = {.pes = 8,
                                               .lanes = 8,
                                               .cells = 2,
                                               .weight_bits = 8,
                                               .index_bits = 8,
                                               .axi_bits = 64,
                                               .weight_words = 512,
                                               .x_words = 64,
                                               .h_words = 64,
                                               .units = 128,
                                               .psum_words = 16,
                                               .instructions = 16,
                                               .shared_rows = 1,
                                               .act_bits = 16};

static void bad_cards_are_refused(void **state)
{
    static const struct {
        size_t offset;
        unsigned value;
        const char *word; /* in the message */
    } bad[] = {
        {offsetof(struct spacc_card_config, pes), 0, "pes"},
        {offsetof(struct spacc_card_config, pes), 12, "12 PEs"},
        {offsetof(struct spacc_card_config, lanes), 6, "power of two"},
        {offsetof(struct spacc_card_config, cells), 16, "cell lanes"},
        {offsetof(struct spacc_card_config, weight_bits), 12, "weight_bits"},
        {offsetof(struct spacc_card_config, axi_bits), 256, "bus of 256"},
        {offsetof(struct spacc_card_config, x_words), 1, "x_words"},
        {offsetof(struct spacc_card_config, units), 1u << 30, "units"},
        {offsetof(struct spacc_card_config, queue), 1, "queue of 1"},
        {offsetof(struct spacc_card_config, queue), 12, "queue of 12"},
        {offsetof(struct spacc_card_config, queue), 128, "queue"},
    };
    struct spacc_error err = {0};

    (void)state;
    assert_int_equal(spacc_card_config_check(&small, &err), SPACC_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct spacc_card_config c = small;
        memcpy((char *)&c + bad[i].offset, &bad[i].value, sizeof(unsigned));
        assert_int_equal(spacc_card_config_check(&c, &err), SPACC_EINVAL);
        assert_non_null(strstr(err.text, bad[i].word));
    }
}

/* Every parameter that is doubled costs something, and nothing gets cheaper by much. */
static void more_costs_more(void **state)
{
    static const size_t doubled[] = {offsetof(struct spacc_card_config, pes),
                                     offsetof(struct spacc_card_config, lanes),
                                     offsetof(struct spacc_card_config, weight_bits)};

    (void)state;
    for (int f = 0; f < SPACC_FAMILIES; f++)
        for (size_t d = 0; d < sizeof(doubled) / sizeof(doubled[0]); d++) {
            struct spacc_card_config c = small;
            struct spacc_board_use before, after;
            unsigned v;
            memcpy(&v, (const char *)&c + doubled[d], sizeof(v));
            v *= 2;
            spacc_card_estimate(&before, (enum spacc_family)f, &c);
            memcpy((char *)&c + doubled[d], &v, sizeof(v));
            spacc_card_estimate(&after, (enum spacc_family)f, &c);
            assert_true(after.lut > before.lut && after.ff > before.ff);
            assert_true(after.dsp >= before.dsp && after.bram >= before.bram);
        }
}

/* Queues cost LUTs and flip-flops in every family. Where there are LUT RAMs of 64 words, masks
 * and rows take no block RAM. */
static void queues_are_counted(void **state)
{
    (void)state;
    for (int f = 0; f < SPACC_FAMILIES; f++) {
        struct spacc_card_config c = small;
        struct spacc_board_use none, some;
        spacc_card_estimate(&none, (enum spacc_family)f, &c);
        c.queue = 16;
        spacc_card_estimate(&some, (enum spacc_family)f, &c);
        assert_true(some.lut > none.lut + 60.0 * c.pes + 300.0);
        assert_true(some.ff > none.ff + 60.0 * c.pes + 100.0);
        if (f == SPACC_FAMILY_XC7 || f == SPACC_FAMILY_XCUP)
            assert_float_equal(some.bram, none.bram, 0.0);
        else
            assert_true(some.bram > none.bram);
    }
}

static void holds_looks_at_every_resource(void **state)
{
    const struct spacc_board *b = spacc_board_find("arty-a7-100t");
    struct spacc_board_use use;

    (void)state;
    assert_non_null(b);
    use = b->capacity;
    assert_true(spacc_board_holds(b, &use));
    for (size_t r = 0; r < sizeof(use) / sizeof(double); r++) {
        double more;
        use = b->capacity;
        memcpy(&more, (char *)&use + r * sizeof(double), sizeof(more));
        more += 1;
        memcpy((char *)&use + r * sizeof(double), &more, sizeof(more));
        assert_false(spacc_board_holds(b, &use));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(estimate_is_within_5_percent_of_yosys),
        cmocka_unit_test(table_has_what_was_recorded),
        cmocka_unit_test(boards_are_sound),
        cmocka_unit_test(bad_cards_are_refused),
        cmocka_unit_test(more_costs_more),
        cmocka_unit_test(queues_are_counted),
        cmocka_unit_test(holds_looks_at_every_resource),
    };

    return cmocka_run_group_tests(tests, read_results, free_results);
}
