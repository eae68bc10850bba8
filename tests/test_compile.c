/* The compiler by hand: where weights, parameters and vectors go, what a program says, and
 * what is told when a layer does not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/compile.h"
#include "rtl/card_map.h"

/* A small card: 8 PEs (2 units a group) of 2 lanes. */
static const struct spacc_card_info small = {.kind = "test",
                                             .pes = 8,
                                             .lanes = 2,
                                             .weight_bits = 16,
                                             .act_bits = 16,
                                             .shared_rows = 1,
                                             .index_bits = 8,
                                             .axi_bits = 64,
                                             .weight_words = 64,
                                             .cells = 1,
                                             .x_words = 16,
                                             .h_words = 16,
                                             .batch_max = 1,
                                             .psum_words = 8,
                                             .units = 32,
                                             .instructions = 64};

static struct spacc_csb *pack(const int16_t *dense, size_t rows, size_t cols, size_t bank)
{
    float scale[64];
    struct spacc_csb *m;
    struct spacc_error err = {0};

    for (size_t i = 0; i < rows; i++)
        scale[i] = 1.0f;
    if (spacc_csb_pack_int(&m, SPACC_CSB_I16, dense, scale, rows, cols, bank, &err))
        fail_msg("%s", err.text);
    return m;
}

/* LSTM of 3 units and 3 inputs. Weight of row r, column c: 100 * r + c + 1 in both parts (h
 * part negative); bank size 2, so lane 0 has columns 0, 1 and lane 1 column 2. */
enum { UNITS = 3, COLS = 3, ROWS = 4 * UNITS };

static struct spacc_fixed_layer *make_lstm(void)
{
    struct spacc_fixed_layer *l = calloc(1, sizeof(*l));
    int16_t x[ROWS * COLS], h[ROWS * UNITS];

    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLS; c++) {
            x[r * COLS + c] = (int16_t)(100 * r + c + 1);
            h[r * UNITS + c] = (int16_t)(-100 * r - c - 1);
        }
    l->cell = SPACC_CELL_LSTM;
    l->units = l->outputs = UNITS;
    l->x_cols = COLS;
    l->weight_bits = l->act_bits = 16;
    l->w_x = pack(x, ROWS, COLS, 2);
    l->w_h = pack(h, ROWS, UNITS, 2);
    l->row = calloc(ROWS, sizeof(*l->row));
    for (int r = 0; r < ROWS; r++)
        l->row[r] = (struct spacc_fixed_row){
            .bias = -7 * r, .mult = (uint16_t)(1000 + r), .shift = (uint8_t)(r + 1)};
    return l;
}

static uint32_t get32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Entry at [word][pe][lane]: weight and index. */
static void assert_entry(const uint8_t *image, size_t word, size_t pe, size_t lane, int weight,
                         unsigned index)
{
    const uint32_t e = get32(image + ((word * 8 + pe) * 2 + lane) * 4);

    assert_int_equal((int16_t)(e & 0xffff), weight);
    assert_int_equal(e >> 16, index);
}

static void columns_go_to_lanes_by_bank(void **state)
{
    (void)state;
    /* 5 columns, banks of 3, 2 lanes: lane 0 words 0..2 = columns 0..2, lane 1 = 3, 4 */
    assert_int_equal(spacc_card_bank(5, 2), 3);
    assert_int_equal(spacc_card_position(0, 3, 2), 0);
    assert_int_equal(spacc_card_position(2, 3, 2), 4);
    assert_int_equal(spacc_card_position(3, 3, 2), 1);
    assert_int_equal(spacc_card_position(4, 3, 2), 3);

    const int16_t natural[] = {10, 11, 12, 13, 14};
    int16_t card[6], back[5];
    const int16_t want[] = {10, 13, 11, 14, 12, 0};
    spacc_to_card16(natural, 5, 3, 2, 3, card);
    assert_memory_equal(card, want, sizeof(want));
    spacc_from_card16(card, 5, 3, 2, back);
    assert_memory_equal(back, natural, sizeof(natural));
}

static void a_layer_is_padded_to_whole_groups_and_vectors(void **state)
{
    (void)state;
    struct spacc_fixed_layer *l = make_lstm();
    struct spacc_layout lay;

    assert_int_equal(spacc_layout_make(&lay, l, &small, "n", NULL), SPACC_OK);
    assert_int_equal(lay.x_words, 2);
    assert_int_equal(lay.units, 4); /* 3 units, vectors of 2 words of 2, groups of 2 */
    assert_int_equal(lay.h_words, 2);
    assert_int_equal(lay.groups, 2);
    assert_int_equal(lay.k_x, 2);
    assert_int_equal(lay.k_h, 2);
    assert_int_equal(lay.weight_words, 8);
    assert_int_equal(lay.param_units, 4);
    assert_int_equal(lay.h_memory, 4);
    assert_int_equal(lay.batch_max, 1);
    assert_int_equal(lay.x_slots, 8);
    assert_int_equal(lay.ring_words, 0);
    assert_int_equal(lay.prologue, 0); /* two groups: too few to be kept as partial sums */
    assert_int_equal(lay.weight_bytes, 8 * 8 * 2 * 4);
    spacc_fixed_free(l);
}

/* Unit 0 stands at 0, unit 1 at 2, unit 2 at 1: group 0 has units 0 and 2, group 1 unit 1
 * and nothing. */
static void weights_stand_in_the_order_of_issue(void **state)
{
    (void)state;
    struct spacc_fixed_layer *l = make_lstm();
    struct spacc_layout lay;
    assert_int_equal(spacc_layout_make(&lay, l, &small, "n", NULL), SPACC_OK);
    uint8_t *image = malloc(lay.weight_bytes);
    spacc_layout_weights(&lay, l, image);

    /* group 0, PE 0 = row 0 of unit 0: x positions 0, 1, then h positions 0, 1 */
    assert_entry(image, 0, 0, 0, 1, 0);
    assert_entry(image, 0, 0, 1, 3, 0);
    assert_entry(image, 1, 0, 0, 2, 1);
    assert_entry(image, 1, 0, 1, 0, 0);
    assert_entry(image, 2, 0, 0, -1, 0);
    assert_entry(image, 3, 0, 0, -2, 1);
    assert_entry(image, 2, 0, 1, -3, 0);
    /* PE 5 = row 1 of unit 2 = row 9 */
    assert_entry(image, 0, 5, 0, 901, 0);
    assert_entry(image, 2, 5, 1, -903, 0);
    /* group 1, PE 3 = row 3 of unit 1 = row 7; PE 4..7 nothing */
    assert_entry(image, 4, 3, 0, 701, 0);
    assert_entry(image, 7, 3, 0, -702, 1);
    for (size_t word = 4; word < 8; word++)
        for (size_t pe = 4; pe < 8; pe++)
            assert_entry(image, word, pe, 0, 0, 0);
    free(image);
    spacc_fixed_free(l);
}

static void parameters_stand_by_unit_and_row(void **state)
{
    (void)state;
    struct spacc_fixed_layer *l = make_lstm();
    struct spacc_layout lay;
    assert_int_equal(spacc_layout_make(&lay, l, &small, "n", NULL), SPACC_OK);
    uint8_t *image = malloc(lay.param_bytes);
    spacc_layout_params(&lay, l, image);

    const uint8_t *p = image + (1 * 4 + 2) * 8; /* unit 2 at position 1: its row 2 = row 10 */
    assert_int_equal((int32_t)get32(p), -70);
    assert_int_equal(p[4] | p[5] << 8, 1010);
    assert_int_equal(p[6], 11);
    assert_int_equal(p[7], 0);
    p = image + 3 * 4 * 8; /* nobody: a legal row of zeros */
    assert_int_equal(get32(p), 0);
    assert_int_equal(p[4] | p[5] << 8, 0);
    assert_int_equal(p[6], 1);
    free(image);
    spacc_fixed_free(l);
}

static void linear_rows_keep_their_order(void **state)
{
    (void)state;
    struct spacc_fixed_layer l = {.cell = SPACC_CELL_LINEAR,
                                  .units = 3,
                                  .outputs = 9,
                                  .x_cols = 2,
                                  .weight_bits = 16,
                                  .act_bits = 16};
    int16_t x[12 * 2] = {0};
    struct spacc_layout lay;

    for (int r = 0; r < 9; r++)
        x[2 * r] = (int16_t)(r + 1), x[2 * r + 1] = (int16_t)(-r - 1);
    l.w_x = pack(x, 12, 2, 1);
    assert_int_equal(spacc_layout_make(&lay, &l, &small, "n", NULL), SPACC_OK);
    assert_int_equal(lay.groups, 2);
    assert_int_equal(lay.units, 4);
    assert_int_equal(lay.h_words, 0);
    uint8_t *image = malloc(lay.weight_bytes);
    spacc_layout_weights(&lay, &l, image);
    assert_entry(image, 0, 5, 0, 6, 0);
    assert_entry(image, 1, 0, 1, -9, 0);
    free(image);
    spacc_csb_free(l.w_x);
}

/* ---- programs ---- */

static uint32_t field(const uint32_t *w, unsigned word, unsigned low, unsigned bits)
{
    return w[word] >> low & (bits == 32 ? UINT32_MAX : (UINT32_C(1) << bits) - 1);
}
#define GET(w, op, name)                                                \
    field(w, SPACC_F_##op##_##name##_WORD, SPACC_F_##op##_##name##_LOW, \
          SPACC_F_##op##_##name##_BITS)

static void programs_read_back_as_they_were_written(void **state)
{
    (void)state;
    struct spacc_fixed_layer *l = make_lstm();
    struct spacc_layout lay;
    struct spacc_program p = {0};
    const struct spacc_place at = {
        .weight_offset = 128, .param_offset = 640, .word_base = 9, .param_base = 6};
    const struct spacc_run_args args = {.batch = 1,
                                        .steps = 5,
                                        .reverse = true,
                                        .want_state = true,
                                        .x_region = SPACC_REGION_OUTPUT,
                                        .x_offset = 64,
                                        .x_step_bytes = 8,
                                        .h_offset = 16,
                                        .state_offset = 32,
                                        .y_offset = 1024,
                                        .state_out = 2048};

    l->act_g = SPACC_ACT_RELU;
    l->act_h = SPACC_ACT_IDENTITY;
    assert_int_equal(spacc_layout_make(&lay, l, &small, "n", NULL), SPACC_OK);
    spacc_program_load(&p, &lay, &at);
    spacc_program_run(&p, &lay, l, &at, &args);
    spacc_program_mark(&p, 96);
    spacc_program_end(&p);

    const uint32_t opcodes[] = {
        SPACC_OP_LOAD_WEIGHTS, SPACC_OP_LOAD_PARAMS, SPACC_OP_LOAD_VECTOR, SPACC_OP_LOAD_STATE,
        SPACC_OP_RUN,          SPACC_OP_STORE_STATE, SPACC_OP_MARK,        SPACC_OP_END};
    assert_int_equal(p.instructions, 8);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(p.word[i][0] & 0xff, opcodes[i]);
    assert_int_equal(GET(p.word[0], LOAD_WEIGHTS, FORMAT), 1);
    assert_int_equal(GET(p.word[0], LOAD_WEIGHTS, REGION), SPACC_REGION_WEIGHTS);
    assert_int_equal(GET(p.word[0], LOAD_WEIGHTS, OFFSET), 128);
    assert_int_equal(GET(p.word[0], LOAD_WEIGHTS, WORDS), 8);
    assert_int_equal(GET(p.word[0], LOAD_WEIGHTS, WORD_BASE), 9);
    assert_int_equal(GET(p.word[1], LOAD_PARAMS, UNITS), 4);
    assert_int_equal(GET(p.word[1], LOAD_PARAMS, UNIT_BASE), 6);
    assert_int_equal(GET(p.word[2], LOAD_VECTOR, WORD_BASE), 0);
    assert_int_equal(GET(p.word[2], LOAD_VECTOR, WORDS), 2);
    assert_int_equal(GET(p.word[3], LOAD_STATE, OFFSET), 32);
    const uint32_t *run = p.word[4];
    assert_int_equal(GET(run, RUN, CELL), SPACC_CARD_CELL_LSTM);
    assert_int_equal(GET(run, RUN, ACT_G), SPACC_CARD_ACT_RELU);
    assert_int_equal(GET(run, RUN, ACT_H), SPACC_CARD_ACT_IDENTITY);
    assert_int_equal(GET(run, RUN, X_REGION), SPACC_REGION_OUTPUT);
    assert_int_equal(GET(run, RUN, STEPS), 5);
    assert_int_equal(GET(run, RUN, GROUPS), 2);
    assert_int_equal(GET(run, RUN, K_X), 2);
    assert_int_equal(GET(run, RUN, K_H), 2);
    assert_int_equal(GET(run, RUN, BATCH), 1);
    assert_int_equal(GET(run, RUN, X_SLOTS), 8);
    assert_int_equal(GET(run, RUN, ZERO), 0);
    assert_int_equal(GET(run, RUN, WEIGHT_BASE), 9);
    assert_int_equal(GET(run, RUN, PARAM_BASE), 6);
    assert_int_equal(GET(run, RUN, X_OFFSET), 64 + 4 * 8); /* last first */
    assert_int_equal(GET(run, RUN, X_STRIDE), (uint32_t)-8);
    assert_int_equal(GET(run, RUN, Y_OFFSET), 1024 + 4 * 8);
    assert_int_equal(GET(run, RUN, Y_STRIDE), (uint32_t)-8);
    assert_int_equal(GET(p.word[5], STORE_STATE, OFFSET), 2048);
    assert_int_equal(GET(p.word[6], MARK, OFFSET), 96);

    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    spacc_program_print(&p, to);
    fclose(to);
    assert_non_null(strstr(text, "4 RUN CELL=1 ACT_G=1 ACT_H=2"));
    assert_non_null(strstr(text, "7 END"));
    free(text);
    spacc_fixed_free(l);
}

static void zero_states_are_not_loaded_and_unwanted_ones_not_stored(void **state)
{
    (void)state;
    struct spacc_fixed_layer *l = make_lstm();
    struct spacc_layout lay;
    struct spacc_program p = {0};
    const struct spacc_place at = {0};
    const struct spacc_run_args args = {
        .steps = 1, .batch = 1, .start = SPACC_START_ZERO, .x_region = 2};

    assert_int_equal(spacc_layout_make(&lay, l, &small, "n", NULL), SPACC_OK);
    spacc_program_run(&p, &lay, l, &at, &args);
    assert_int_equal(p.instructions, 1);
    assert_int_equal(GET(p.word[0], RUN, ZERO), 1);
    spacc_fixed_free(l);
}

/* 16 units of 1 + 1 weights a bank on 8 PEs: 8 groups, and the drain is long enough for the
 * x parts of all of them. */
static void the_prologue_comes_first(void **state)
{
    (void)state;
    enum { H = 16, R = 4 * H };
    struct spacc_fixed_layer *l = calloc(1, sizeof(*l));
    static int16_t x[R * 2], h[R * H];
    struct spacc_card_info card = small;
    struct spacc_layout lay;

    card.cells = 2; /* a group leaves in one cycle */
    for (int r = 0; r < R; r++) {
        x[2 * r] = x[2 * r + 1] = (int16_t)(r + 1);
        h[r * H] = h[r * H + 8] = (int16_t)(-r - 1);
    }
    l->cell = SPACC_CELL_LSTM;
    l->units = l->outputs = H;
    l->x_cols = 2;
    l->weight_bits = l->act_bits = 16;
    l->w_x = pack(x, R, 2, 1);
    l->w_h = pack(h, R, H, 8);
    l->row = calloc(R, sizeof(*l->row));
    assert_int_equal(spacc_layout_make(&lay, l, &card, "n", NULL), SPACC_OK);
    assert_int_equal(lay.groups, 8);
    assert_int_equal(lay.prologue, 8);
    uint8_t *image = malloc(lay.weight_bytes);
    spacc_layout_weights(&lay, l, image);
    for (size_t g = 0; g < 8; g++) { /* PE 0: row 0 of the unit at position 2 g, unit g */
        assert_entry(image, g, 0, 0, (int)(4 * g + 1), 0);
        assert_entry(image, 8 + g, 0, 0, -(int)(4 * g + 1), 0);
    }
    free(image);

    card.psum_words = 6; /* groups 6 and 7 come whole, behind the six */
    assert_int_equal(spacc_layout_make(&lay, l, &card, "n", NULL), SPACC_OK);
    assert_int_equal(lay.prologue, 6);
    image = malloc(lay.weight_bytes);
    spacc_layout_weights(&lay, l, image);
    assert_entry(image, 5, 0, 0, 21, 0);
    assert_entry(image, 6, 0, 0, -1, 0);
    assert_entry(image, 12, 0, 0, 25, 0);
    assert_entry(image, 13, 0, 0, -25, 0);
    assert_entry(image, 15, 0, 0, -29, 0);
    free(image);
    spacc_fixed_free(l);
}

static void weights_that_do_not_fit_are_streamed(void **state)
{
    (void)state;
    struct spacc_fixed_layer *l = make_lstm();
    struct spacc_card_info card = small;
    struct spacc_layout lay;
    struct spacc_program p = {0};
    const struct spacc_place at = {.weight_offset = 192};
    const struct spacc_run_args args = {
        .steps = 3, .batch = 1, .start = SPACC_START_ZERO, .x_region = 2};

    card.weight_words = 64;
    assert_int_equal(spacc_layout_make(&lay, l, &card, "n", NULL), SPACC_OK);
    assert_int_equal(lay.ring_words, 0);
    lay.ring_words = 64; /* as if they did not fit */
    spacc_program_load(&p, &lay, &at);
    assert_int_equal(p.instructions, 1); /* parameters only */
    spacc_program_run(&p, &lay, l, &at, &args);
    assert_int_equal(p.word[1][0] & 0xff, SPACC_OP_STREAM);
    assert_int_equal(GET(p.word[1], STREAM, OFFSET), 192);
    assert_int_equal(GET(p.word[1], STREAM, WORDS), 8);
    assert_int_equal(GET(p.word[1], STREAM, RING_WORDS), 64);
    assert_int_equal(p.word[2][0] & 0xff, SPACC_OP_RUN);
    spacc_fixed_free(l);
}

/* ---- batches ---- */

static void sequences_of_a_batch_lie_between_each_other(void **state)
{
    (void)state;
    /* chunks of 2 positions of 3 sequences: 0a 0b 0c 1a .. */
    assert_int_equal(spacc_batch_position(0, 0, 3, 2), 0);
    assert_int_equal(spacc_batch_position(1, 0, 3, 2), 1);
    assert_int_equal(spacc_batch_position(0, 1, 3, 2), 2);
    assert_int_equal(spacc_batch_position(1, 2, 3, 2), 5);
    assert_int_equal(spacc_batch_position(2, 0, 3, 2), 6);
    assert_int_equal(spacc_batch_position(5, 1, 3, 2), 15);
    for (size_t s = 0; s < 9; s++)
        assert_int_equal(spacc_batch_position(s, 0, 1, 4), s);
}

static size_t batch_max_with(struct spacc_card_info card)
{
    struct spacc_fixed_layer *l = make_lstm();
    struct spacc_layout lay;

    assert_int_equal(spacc_layout_make(&lay, l, &card, "n", NULL), SPACC_OK);
    spacc_fixed_free(l);
    return lay.batch_max;
}

/* The layer: 2 words of x, 4 of h, 4 units. */
static void a_batch_is_as_large_as_every_memory_allows(void **state)
{
    (void)state;
    struct spacc_card_info card = small;

    card.batch_max = 255;
    card.x_words = card.h_words = card.units = 400;
    assert_int_equal(batch_max_with(card), 100);
    card.batch_max = 99;
    assert_int_equal(batch_max_with(card), 99);
    card.x_words = 39;
    assert_int_equal(batch_max_with(card), 9);
    card.h_words = 35;
    assert_int_equal(batch_max_with(card), 8);
    card.units = 31;
    assert_int_equal(batch_max_with(card), 7);
}

/* Chunks of 64 words and groups of 4, of a batch both at once. */
static void a_batch_needs_a_longer_ring(void **state)
{
    (void)state;
    struct spacc_fixed_layer *l = make_lstm();
    struct spacc_card_info card = small;
    struct spacc_layout lay;

    assert_int_equal(spacc_layout_make(&lay, l, &card, "n", NULL), SPACC_OK);
    assert_int_equal(lay.ring_least, 64);
    card.batch_max = 2;
    card.weight_words = 67;
    assert_int_equal(spacc_layout_make(&lay, l, &card, "n", NULL), SPACC_OK);
    assert_int_equal(lay.ring_least, 67);
    card.weight_words = 66;
    assert_int_equal(spacc_layout_make(&lay, l, &card, "n", NULL), SPACC_OK);
    assert_int_equal(lay.ring_least, 64);
    spacc_fixed_free(l);
}

static void a_batch_loads_runs_and_stores_all_its_sequences(void **state)
{
    (void)state;
    struct spacc_fixed_layer *l = make_lstm();
    struct spacc_card_info card = small;
    struct spacc_layout lay;
    struct spacc_program p = {0};
    const struct spacc_place at = {.h_base = 12, .state_base = 8};
    struct spacc_run_args args = {
        .batch = 3, .steps = 2, .want_state = true, .x_region = 2, .reverse = true};

    card.batch_max = 8;
    assert_int_equal(spacc_layout_make(&lay, l, &card, "n", NULL), SPACC_OK);
    assert_int_equal(spacc_layout_y_bytes(&lay, l, 1), 8);
    assert_int_equal(spacc_layout_y_bytes(&lay, l, 3), 24);
    spacc_program_run(&p, &lay, l, &at, &args);
    assert_int_equal(p.instructions, 4);
    assert_int_equal(GET(p.word[0], LOAD_VECTOR, WORDS), 3 * 2);
    assert_int_equal(GET(p.word[0], LOAD_VECTOR, WORD_BASE), 12);
    assert_int_equal(GET(p.word[1], LOAD_STATE, UNITS), 3 * 4);
    assert_int_equal(GET(p.word[1], LOAD_STATE, UNIT_BASE), 8);
    assert_int_equal(GET(p.word[2], RUN, BATCH), 3);
    assert_int_equal(GET(p.word[2], RUN, X_SLOTS), 2); /* of 16 words, 6 each */
    assert_int_equal(GET(p.word[2], RUN, H_BASE), 12);
    assert_int_equal(GET(p.word[2], RUN, STATE_BASE), 8);
    assert_int_equal(GET(p.word[2], RUN, Y_OFFSET), 24);
    assert_int_equal(GET(p.word[2], RUN, Y_STRIDE), (uint32_t)-24);
    assert_int_equal(GET(p.word[3], STORE_STATE, UNITS), 3 * 4);
    assert_int_equal(GET(p.word[3], STORE_STATE, UNIT_BASE), 8);

    p.instructions = 0;
    args.start = SPACC_START_KEPT;
    args.half = 1;
    spacc_program_run(&p, &lay, l, &at, &args);
    assert_int_equal(p.instructions, 2);
    assert_int_equal(GET(p.word[0], RUN, HALF), 1);
    assert_int_equal(GET(p.word[0], RUN, ZERO), 0);
    assert_int_equal(p.word[1][0] & 0xff, SPACC_OP_STORE_STATE);
    spacc_fixed_free(l);
}

/* ---- projection ---- */

/* The LSTM with r of 5 outputs, which is its h: banks of 3. Weight of row r, column c of the
 * projection: 10 r + c + 1. */
static struct spacc_fixed_layer *make_lstmp(void)
{
    enum { P = 5, ROWS_B = 8 };
    struct spacc_fixed_layer *l = make_lstm();
    int16_t h[ROWS * P] = {0}, b[ROWS_B * UNITS] = {0};

    for (int r = 0; r < ROWS; r++)
        h[r * P + 3] = (int16_t)(r + 1); /* lane 1, word 0 */
    for (int r = 0; r < P; r++)
        for (int c = 0; c < UNITS; c++)
            b[r * UNITS + c] = (int16_t)(10 * r + c + 1);
    l->cell = SPACC_CELL_LSTMP;
    l->outputs = P;
    spacc_csb_free(l->w_h);
    l->w_h = pack(h, ROWS, P, 3);
    l->w_b = pack(b, ROWS_B, UNITS, 2);
    l->row_b = calloc(ROWS_B, sizeof(*l->row_b));
    for (int r = 0; r < ROWS_B; r++)
        l->row_b[r] = (struct spacc_fixed_row){.bias = r + 1, .mult = 1, .shift = 1};
    return l;
}

static void rows_of_a_projection_stand_where_h_reads_them(void **state)
{
    (void)state;
    /* r[0], r[1], r[2] at 0, 2, 4; r[3], r[4] at 1, 3 */
    static const size_t place[] = {0, 2, 4, 1, 3};
    struct spacc_fixed_layer *l = make_lstmp();
    struct spacc_layout lay;

    assert_int_equal(spacc_layout_make(&lay, l, &small, "n", NULL), SPACC_OK);
    assert_int_equal(lay.groups, 2);
    assert_int_equal(lay.groups_b, 1); /* 6 positions of r on 8 PEs */
    assert_int_equal(lay.m_words, 2);  /* of 4 units */
    assert_int_equal(lay.h_words, 4);  /* 8 rows */
    assert_int_equal(lay.h_memory, 2 * 4 + 2);
    assert_int_equal(lay.k_h, 1);
    assert_int_equal(lay.k_b, 2);
    assert_int_equal(lay.weight_words, 2 * (2 + 1) + 2);
    assert_int_equal(lay.param_units, 4 + 2);
    assert_int_equal(spacc_layout_y_bytes(&lay, l, 1), 16);
    assert_int_equal(spacc_layout_y_chunk(&lay, l), 8);

    uint8_t *image = malloc(lay.weight_bytes), *params = malloc(lay.param_bytes);
    spacc_layout_weights(&lay, l, image);
    spacc_layout_params(&lay, l, params);
    assert_entry(image, 2, 0, 1, 1, 0); /* h part of unit 0: column 3 */
    for (size_t r = 0; r < 5; r++) {
        assert_entry(image, 6, place[r], 0, (int)(10 * r + 1), 0);
        assert_entry(image, 7, place[r], 0, (int)(10 * r + 2), 1);
        assert_entry(image, 6, place[r], 1, (int)(10 * r + 3), 0);
        assert_int_equal(get32(params + 4 * 4 * 8 + place[r] * 8), r + 1);
    }
    assert_entry(image, 6, 5, 0, 0, 0); /* no row */
    assert_int_equal(get32(params + 4 * 4 * 8 + 5 * 8), 0);
    free(image);
    free(params);
    spacc_fixed_free(l);
}

static void a_projection_is_a_second_pass_of_the_run(void **state)
{
    (void)state;
    struct spacc_fixed_layer *l = make_lstmp();
    struct spacc_layout lay;
    struct spacc_program p = {0};
    const struct spacc_place at = {.word_base = 3};
    const struct spacc_run_args args = {
        .batch = 1, .steps = 1, .want_state = true, .x_region = 2};

    assert_int_equal(spacc_layout_make(&lay, l, &small, "n", NULL), SPACC_OK);
    spacc_program_run(&p, &lay, l, &at, &args);
    assert_int_equal(GET(p.word[0], LOAD_VECTOR, WORDS), 4); /* r */
    assert_int_equal(GET(p.word[1], LOAD_STATE, UNITS), 4);  /* c */
    assert_int_equal(GET(p.word[2], RUN, CELL), SPACC_CARD_CELL_LSTMP);
    assert_int_equal(GET(p.word[2], RUN, GROUPS_B), 1);
    assert_int_equal(GET(p.word[2], RUN, K_B), 2);
    assert_int_equal(GET(p.word[2], RUN, M_WORDS), 2);
    assert_int_equal(GET(p.word[2], RUN, H_WORDS), 4);
    spacc_fixed_free(l);
}

/* ---- what does not fit ---- */

static void expect(const struct spacc_fixed_layer *l, const struct spacc_card_info *card,
                   enum spacc_status status, const char *text)
{
    struct spacc_layout lay;
    struct spacc_error err = {0};

    assert_int_equal(spacc_layout_make(&lay, l, card, "lstm_4", &err), status);
    if (!strstr(err.text, text))
        fail_msg("'%s' is not in '%s'", text, err.text);
}

static void a_layer_that_does_not_fit_is_told_what_would(void **state)
{
    (void)state;
    struct spacc_fixed_layer *l = make_lstm();
    struct spacc_card_info card = small;

    card.weight_words = 7;
    expect(
        l, &card, SPACC_ENOFIT,
        "node lstm_4: needs 8 weight words a PE, the card has 7 and cannot stream them: that "
        "takes 64");
    card = small;
    card.units = 3;
    expect(l, &card, SPACC_ENOFIT, "needs 4 row parameters (quads of rows), the card has 3");
    card = small;
    card.x_words = 3;
    expect(l, &card, SPACC_ENOFIT, "needs 4 words of x a lane, the card has 3");
    card = small;
    card.h_words = 3;
    expect(l, &card, SPACC_ENOFIT, "needs 4 words of h a lane, the card has 3");
    card = small;
    card.weight_bits = 8;
    expect(l, &card, SPACC_EUNSUPPORTED, "weights have 16 bits, the card multiplies 8 bits");
    card = small;
    card.act_bits = 12;
    expect(l, &card, SPACC_EUNSUPPORTED, "x and h of 16 bits, the card rounds them to 12");
    card = small;
    card.index_bits = 0;
    expect(l, &card, SPACC_EUNSUPPORTED,
           "banks of 2 on 2 lanes; an index of the card reaches 1");
    card = small;
    card.lanes = 4;
    expect(l, &card, SPACC_EINVAL, "packed in banks of 2, the card wants 1");
    spacc_fixed_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_go_to_lanes_by_bank),
        cmocka_unit_test(a_layer_is_padded_to_whole_groups_and_vectors),
        cmocka_unit_test(weights_stand_in_the_order_of_issue),
        cmocka_unit_test(parameters_stand_by_unit_and_row),
        cmocka_unit_test(linear_rows_keep_their_order),
        cmocka_unit_test(programs_read_back_as_they_were_written),
        cmocka_unit_test(zero_states_are_not_loaded_and_unwanted_ones_not_stored),
        cmocka_unit_test(the_prologue_comes_first),
        cmocka_unit_test(weights_that_do_not_fit_are_streamed),
        cmocka_unit_test(sequences_of_a_batch_lie_between_each_other),
        cmocka_unit_test(a_batch_is_as_large_as_every_memory_allows),
        cmocka_unit_test(a_batch_needs_a_longer_ring),
        cmocka_unit_test(a_batch_loads_runs_and_stores_all_its_sequences),
        cmocka_unit_test(rows_of_a_projection_stand_where_h_reads_them),
        cmocka_unit_test(a_projection_is_a_second_pass_of_the_run),
        cmocka_unit_test(a_layer_that_does_not_fit_is_told_what_would),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
