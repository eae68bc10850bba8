/* The cycle model against the Verilated card: random programs of every cell, some with masks, 0
 * cycles off in every counter of every MARK and of the whole run. And the layers that the card
 * was built for, on both: their cycles are exact, so they are tests. */
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
#include "scheduler/card_cycles.h"
#include "scheduler/card_deal.h"

enum { LATENCY = 20 }; /* of the simulated memory, sim/sim.h */
enum { WORDS = 64, MARKS = 16, MARK_AT = 0x1000, REGION = 24 << 20 };

struct fixture {
    struct spacc_card *card;
    const struct spacc_card_info *info;
    uint64_t pointer[4]; /* program, weights, input, output */
    uint8_t *input;      /* what region 2 holds: masks */
};

struct program {
    uint32_t word[WORDS][16];
    size_t instructions, marks;
    uint32_t input; /* bytes of region 2 that masked RUNs took */
};

struct layer {
    uint32_t cell, steps, groups, groups_b, k_x, k_h, k_b, batch, x_words, h_words, m_words;
    uint32_t prologue, prologue_b, x_slots, stream, ring, zero;
    uint32_t masked, overlap, window, mask_beats;
};

static uint64_t random_state = 1;

static uint32_t below(uint32_t n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return n ? (uint32_t)(random_state >> 33) % n : 0;
}

static void open_card(struct fixture *f, const char *name)
{
    struct spacc_error err = {0};
    static const size_t size[4] = {WORDS * 64, REGION, REGION, REGION};

    if (spacc_card_open(&f->card, name, &err))
        fail_msg("%s: %s", name, err.text);
    f->info = spacc_card_info(f->card);
    for (int i = 0; i < 4; i++)
        assert_int_equal(spacc_card_alloc(f->card, size[i], &f->pointer[i], &err), SPACC_OK);
    f->input = calloc(1, REGION);
    assert_non_null(f->input);
}

static void close_card(struct fixture *f)
{
    spacc_card_close(f->card);
    free(f->input);
}

#define SET(w, op, name, value) \
    ((w)[SPACC_F_##op##_##name##_WORD] |= (uint32_t)(value) << SPACC_F_##op##_##name##_LOW)

static uint32_t *add(struct program *p, uint32_t opcode)
{
    uint32_t *w = p->word[p->instructions++];
    memset(w, 0, 64);
    w[0] = opcode;
    return w;
}

static void add_mark(struct program *p)
{
    uint32_t *w = add(p, SPACC_OP_MARK);
    SET(w, MARK, REGION, 3);
    SET(w, MARK, OFFSET, MARK_AT + 128 * p->marks++);
}

static void add_move(struct program *p, uint32_t opcode, uint32_t region, uint32_t offset,
                     uint32_t count, uint32_t base)
{
    uint32_t *w = add(p, opcode); /* loads and stores have their fields in the same places */
    SET(w, LOAD_STATE, REGION, region);
    SET(w, LOAD_STATE, OFFSET, offset);
    SET(w, LOAD_STATE, UNITS, count);
    SET(w, LOAD_STATE, UNIT_BASE, base);
}

static int two_pass(const struct layer *l)
{
    return l->cell == SPACC_CARD_CELL_GRU_RESET || l->cell == SPACC_CARD_CELL_LSTMP;
}

static uint32_t words(const struct layer *l)
{
    return l->groups * (l->k_x + l->k_h) + l->groups_b * l->k_b;
}

static void add_stream(struct program *p, const struct layer *l)
{
    uint32_t *w = add(p, SPACC_OP_STREAM);
    SET(w, STREAM, REGION, 1);
    SET(w, STREAM, FORMAT, l->stream - 1);
    SET(w, STREAM, OFFSET, 0x40 * below(100));
    SET(w, STREAM, WORDS, words(l));
    SET(w, STREAM, RING_WORDS, l->ring);
}

static const uint8_t *region_bytes(void *user, unsigned region, uint32_t offset,
                                   size_t size_bytes)
{
    const struct fixture *f = user;
    return region == 2 && offset + size_bytes <= REGION ? f->input + offset : NULL;
}

/* Masks behind the x of every step; y_groups that they give. */
static void add_masks(uint32_t *w, const struct layer *l, struct fixture *f, uint32_t x_offset,
                      uint32_t x_bytes)
{
    const uint32_t beat = f->info->axi_bits / 8, stride = x_bytes + l->mask_beats * beat;
    const struct spacc_card_deal deal = {f->info->pes, l->groups, f->info->queue,
                                         l->window,    l->steps,  f->input + x_offset + x_bytes,
                                         stride};
    const uint32_t chance = below(17), often = below(5);
    struct spacc_card_dealt dealt;
    struct spacc_error err = {0};

    for (uint32_t t = 0; t < l->steps; t++) {
        uint8_t *mask = f->input + x_offset + x_bytes + t * stride;
        memset(mask, 0, l->mask_beats * beat);
        for (uint32_t row = 0; row < l->groups * f->info->pes; row++)
            if (below(16) < chance || row % 5 < often)
                mask[row / 8] |= (uint8_t)(1u << row % 8);
        mask[0] |= 1;
    }
    assert_int_equal(spacc_card_deal(&deal, NULL, NULL, &dealt), SPACC_OK);
    SET(w, RUN, X_STRIDE, stride);
    SET(w, RUN, MASKED, 1);
    SET(w, RUN, OVERLAP, l->overlap);
    SET(w, RUN, WINDOW, l->window);
    SET(w, RUN, Y_GROUPS, dealt.groups);
    assert_int_equal(spacc_card_write(f->card, f->pointer[2] + x_offset, f->input + x_offset,
                                      (size_t)stride * l->steps, &err),
                     SPACC_OK);
}

static void add_run(struct program *p, const struct layer *l, struct fixture *f)
{
    const uint32_t beat = f->info->axi_bits / 8;
    const uint32_t x_bytes = l->batch * l->x_words * f->info->lanes * 2;
    const uint32_t rows =
        (l->cell == SPACC_CARD_CELL_LSTMP ? l->groups_b : l->groups) * l->batch * f->info->pes;
    const uint32_t y_bytes = l->cell == SPACC_CARD_CELL_LINEAR  ? rows * 4
                             : l->cell == SPACC_CARD_CELL_LSTMP ? rows * 2
                                                                : rows / 2;
    const uint32_t x_offset = l->masked ? (p->input += 0x40000) : beat * below(64);
    uint32_t *w = add(p, SPACC_OP_RUN);

    SET(w, RUN, CELL, l->cell);
    SET(w, RUN, X_REGION, 2);
    SET(w, RUN, Y_REGION, 3);
    SET(w, RUN, BATCH, l->batch);
    SET(w, RUN, STEPS, l->steps);
    SET(w, RUN, GROUPS, l->groups);
    SET(w, RUN, GROUPS_B, l->groups_b);
    SET(w, RUN, K_X, l->k_x);
    SET(w, RUN, K_H, l->k_h);
    SET(w, RUN, K_B, l->k_b);
    SET(w, RUN, X_WORDS, l->x_words);
    SET(w, RUN, M_WORDS, l->m_words);
    SET(w, RUN, H_WORDS, l->h_words);
    SET(w, RUN, X_OFFSET, x_offset);
    if (l->masked)
        add_masks(w, l, f, x_offset, x_bytes);
    else
        SET(w, RUN, X_STRIDE, x_bytes);
    SET(w, RUN, Y_OFFSET, 0x2000 + beat * below(64));
    SET(w, RUN, Y_STRIDE, (y_bytes + beat - 1) / beat * beat);
    SET(w, RUN, PROLOGUE, l->prologue);
    SET(w, RUN, PROLOGUE_B, l->prologue_b);
    SET(w, RUN, X_SLOTS, l->x_slots);
    SET(w, RUN, ZERO, l->zero);
}

static void run_both(struct fixture *f, struct program *p, const char *what,
                     struct spacc_card_count *mark, struct spacc_card_count *total)
{
    const struct spacc_card_info *info = f->info;
    const struct spacc_card_shape shape = {info->pes,      info->lanes, info->cells,
                                           info->axi_bits, LATENCY,     info->queue};
    const struct spacc_card_run run = {f->pointer[0],
                                       f->pointer[1],
                                       f->pointer[2],
                                       f->pointer[3],
                                       (uint32_t)p->instructions * 64,
                                       REGION,
                                       REGION,
                                       REGION};
    struct spacc_card_counters counters;
    uint64_t got[16];
    struct spacc_error err = {0};

    spacc_card_write(f->card, f->pointer[0], p->word, p->instructions * 64, &err);
    if (spacc_card_run(f->card, &run, 100000000, &counters, &err))
        fail_msg("%s: %s", what, err.text);
    if (spacc_card_cycles(&shape, (const uint32_t(*)[16])p->word, p->instructions, f->pointer,
                          region_bytes, f, mark, p->marks, total, &err))
        fail_msg("%s: model: %s", what, err.text);
    for (size_t m = 0; m <= p->marks; m++) {
        const struct spacc_card_count *want = m < p->marks ? &mark[m] : total;
        const uint64_t *v = got;
        if (m < p->marks)
            spacc_card_read(f->card, f->pointer[3] + MARK_AT + 128 * m, got, 128, &err);
        else
            v = counters.value;
        if (getenv("SPACC_TEST_VERBOSE") && v[0] != want->cycles)
            for (int i = 0; i < SPACC_CYCLE_CAUSES; i++)
                print_message("cause %d: card %llu model %llu\n", i,
                              (unsigned long long)v[SPACC_COUNTER_ISSUE + i],
                              (unsigned long long)want->cause[i]);
        for (int i = 0; i < SPACC_CYCLE_CAUSES; i++)
            if (v[SPACC_COUNTER_ISSUE + i] != want->cause[i])
                fail_msg("%s: mark %zu, cause %d: card %llu, model %llu (cycles %llu, %llu)",
                         what, m, i, (unsigned long long)v[SPACC_COUNTER_ISSUE + i],
                         (unsigned long long)want->cause[i],
                         (unsigned long long)v[SPACC_COUNTER_CYCLES],
                         (unsigned long long)want->cycles);
        assert_int_equal(v[SPACC_COUNTER_CYCLES], want->cycles);
        assert_int_equal(v[SPACC_COUNTER_BYTES_READ], want->bytes_read);
        assert_int_equal(v[SPACC_COUNTER_BYTES_WRITTEN], want->bytes_written);
        assert_int_equal(v[SPACC_COUNTER_ROWS_SKIPPED], want->rows_skipped);
        assert_int_equal(v[SPACC_COUNTER_ISSUE_SAVED], want->issue_saved);
    }
}

/* ---- random programs --------------------------------------------------------- */

static uint32_t up(uint32_t a, uint32_t b)
{
    return (a + b - 1) / b;
}

/* A layer of rows, some of which are not computed. */
static void draw_masks(struct layer *l, const struct spacc_card_info *c)
{
    uint32_t slots;

    l->masked = 1;
    l->batch = 1;
    l->steps += below(20);
    l->mask_beats = up(l->groups * c->pes, c->axi_bits);
    slots = c->x_words / l->x_words;
    slots = slots < 15 ? slots : 15;
    slots = slots < c->mask_beats / l->mask_beats ? slots : c->mask_beats / l->mask_beats;
    l->overlap = below(2) ? 0 : below(slots - 1);
    l->x_slots = l->overlap + 1 + below(slots - l->overlap);
    l->x_slots += l->x_slots < 2;
    l->window = 1 + below(l->x_slots - l->overlap);
}

static struct layer draw(const struct spacc_card_info *c)
{
    struct layer l = {.cell = below(5), .steps = 1 + below(7), .groups = 1 + below(12)};
    const uint32_t quads = c->pes / 4;

    l.batch = c->batch_max > 1 && below(2) ? 1 + below(4) : 1;
    l.k_x = 1 + below(below(3) ? 4 : 24);
    l.k_h = l.cell == SPACC_CARD_CELL_LINEAR ? 0 : 1 + below(6);
    l.x_words = 1 + below(10);
    l.x_slots = 2 + below(3);
    if (l.cell == SPACC_CARD_CELL_LINEAR)
        l.steps += below(3) ? 0 : below(40);
    else
        l.h_words = up(l.groups * quads, c->lanes) + below(2);
    if (two_pass(&l)) {
        l.groups_b = l.cell == SPACC_CARD_CELL_LSTMP ? 1 + below(4) : l.groups;
        l.k_b = 1 + below(5);
        l.m_words = l.h_words;
        if (l.cell == SPACC_CARD_CELL_LSTMP)
            l.h_words = up(l.groups_b * c->pes, c->lanes);
    }
    l.stream = below(4) ? 0 : 1 + below(c->weight_bits == 16 ? 2 : 1);
    l.zero = below(2);
    if (l.stream) {
        const uint32_t chunk = up(2048, c->pes * c->lanes * 2);
        const uint32_t k = l.k_x + l.k_h > l.k_b ? l.k_x + l.k_h : l.k_b;
        l.ring = (l.batch > 1 ? k + chunk - 1 : k > chunk ? k : chunk) + below(40);
        if (l.ring < 2)
            l.ring = 2;
    } else if (l.cell != SPACC_CARD_CELL_LINEAR && l.groups * l.batch >= 4 && below(4)) {
        const uint32_t least = up(4, l.batch);
        l.prologue = least + below(l.groups - least + 1);
        if (l.prologue * l.batch > c->psum_words)
            l.prologue = c->psum_words / l.batch;
        l.prologue_b = two_pass(&l) ? below(l.prologue + 1) : 0;
    }
    if (c->queue && l.cell == SPACC_CARD_CELL_LINEAR && !l.stream && below(3))
        draw_masks(&l, c);
    return l;
}

static void add_layer(struct program *p, const struct layer *l, struct fixture *f)
{
    const uint32_t units = l->groups * (f->info->pes / 4) * l->batch;
    const uint32_t states = up(units, 16) * 16;

    if (l->stream)
        add_stream(p, l);
    else if (words(l) < 200)
        add_move(p, SPACC_OP_LOAD_WEIGHTS, 1, 0x40 * below(64), words(l), 0);
    if (below(2))
        add_move(p, SPACC_OP_LOAD_PARAMS, 1, 0x40 * below(64), states, 0);
    if (l->cell != SPACC_CARD_CELL_LINEAR && !l->zero) {
        add_move(p, SPACC_OP_LOAD_VECTOR, 2, 0x40 * below(64), l->h_words, 0);
        add_move(p, SPACC_OP_LOAD_STATE, 2, 0x40 * below(64), states, 0);
    }
    add_run(p, l, f);
    add_mark(p);
    if (below(2))
        add_move(p, SPACC_OP_STORE_STATE, 3, 0x40 * below(64) + 0x400000, states, 0);
}

static void check_random(const char *name, int programs)
{
    struct fixture f;
    char what[64];

    open_card(&f, name);
    for (int i = 0; i < programs; i++) {
        struct program p = {0};
        struct spacc_card_count mark[MARKS], total;
        const uint64_t seed = random_state;
        const uint32_t layers = 1 + below(3);
        for (uint32_t k = 0; k < layers; k++) {
            const struct layer l = draw(f.info);
            if (getenv("SPACC_TEST_VERBOSE"))
                print_message("program %d: cell %u steps %u groups %u/%u k %u/%u/%u batch %u "
                              "words %u/%u/%u "
                              "prologue %u/%u slots %u stream %u ring %u\n",
                              i, l.cell, l.steps, l.groups, l.groups_b, l.k_x, l.k_h, l.k_b,
                              l.batch, l.x_words, l.h_words, l.m_words, l.prologue,
                              l.prologue_b, l.x_slots, l.stream, l.ring);
            add_layer(&p, &l, &f);
        }
        add(&p, SPACC_OP_END);
        snprintf(what, sizeof(what), "%s, program %d, seed %llu", name, i,
                 (unsigned long long)seed);
        run_both(&f, &p, what, mark, &total);
    }
    close_card(&f);
}

static void test_random(void **state)
{
    (void)state;
#ifndef SPACC_SIM
    print_message("skipped: built without the simulated card\n");
    skip();
#endif
    random_state = 20261121;
    check_random("sim:4x4", 60);
    check_random("sim:8x8", 40);
    check_random("sim:16x16", 40);
    check_random("sim:128x32", 15);
}

/* ---- the layers that the card was built for ------------------------------------ */

/* Cycles a step of a whole run of the card, from start to done; weights are on chip. */
static double cycles_a_step(struct fixture *f, const struct layer *l, size_t layers,
                            struct spacc_card_count *total)
{
    struct program p = {0};

    for (size_t i = 0; i < layers; i++) {
        if (l[i].stream)
            add_stream(&p, &l[i]);
        add_run(&p, &l[i], f);
    }
    add(&p, SPACC_OP_END);
    run_both(f, &p, "target", NULL, total);
    if (getenv("SPACC_TEST_VERBOSE"))
        for (int i = 0; i < SPACC_CYCLE_CAUSES; i++)
            print_message("cause %d: %llu\n", i, (unsigned long long)total->cause[i]);
    return (double)total->cycles / l[0].steps;
}

static void test_targets(void **state)
{
    const struct layer square16 = {.cell = SPACC_CARD_CELL_LSTM,
                                   .steps = 100,
                                   .groups = 256,
                                   .k_x = 8,
                                   .k_h = 8,
                                   .batch = 1,
                                   .x_words = 64,
                                   .h_words = 64,
                                   .prologue = 5,
                                   .x_slots = 4,
                                   .zero = 1};
    const struct layer square128 = {.cell = SPACC_CARD_CELL_LSTM,
                                    .steps = 100,
                                    .groups = 32,
                                    .k_x = 4,
                                    .k_h = 4,
                                    .batch = 1,
                                    .x_words = 32,
                                    .h_words = 32,
                                    .prologue = 9,
                                    .x_slots = 4,
                                    .zero = 1};
    const struct layer small = {.cell = SPACC_CARD_CELL_LSTM,
                                .steps = 100,
                                .groups = 8,
                                .k_x = 1,
                                .k_h = 1,
                                .batch = 4,
                                .x_words = 8,
                                .h_words = 8,
                                .prologue = 8,
                                .x_slots = 4,
                                .zero = 1};
    const struct layer timit = {.cell = SPACC_CARD_CELL_LSTMP,
                                .steps = 100,
                                .groups = 32,
                                .groups_b = 4,
                                .k_x = 1,
                                .k_h = 2,
                                .k_b = 4,
                                .batch = 1,
                                .x_words = 5,
                                .h_words = 16,
                                .m_words = 32,
                                .prologue = 32,
                                .prologue_b = 20,
                                .x_slots = 4,
                                .zero = 1};
    const struct layer ptb[2] = {{.cell = SPACC_CARD_CELL_LSTM,
                                  .steps = 100,
                                  .groups = 8,
                                  .k_x = 1,
                                  .k_h = 2,
                                  .batch = 1,
                                  .x_words = 4,
                                  .h_words = 8,
                                  .prologue = 8,
                                  .x_slots = 8,
                                  .zero = 1},
                                 {.cell = SPACC_CARD_CELL_LSTM,
                                  .steps = 100,
                                  .groups = 8,
                                  .k_x = 2,
                                  .k_h = 2,
                                  .batch = 1,
                                  .x_words = 8,
                                  .h_words = 8,
                                  .prologue = 8,
                                  .x_slots = 8,
                                  .zero = 1}};
    struct layer streamed = {.cell = SPACC_CARD_CELL_LSTM,
                             .steps = 4,
                             .groups = 256,
                             .k_x = 8,
                             .k_h = 8,
                             .batch = 1,
                             .x_words = 64,
                             .h_words = 64,
                             .x_slots = 2,
                             .stream = 1,
                             .ring = 8192,
                             .zero = 1};
    struct spacc_card_count n;
    struct fixture f16, f128;
    double cycles;

    (void)state;
#ifndef SPACC_SIM
    print_message("skipped: built without the simulated card\n");
    skip();
#endif
    open_card(&f16, "sim:16x16");
    open_card(&f128, "sim:128x32");
    cycles = cycles_a_step(&f16, &square16, 1, &n);
    print_message("16x16, LSTM 1024/1024, 87.5 %%: %.1f cycles a step\n", cycles);
    assert_true(cycles <= 4101);
    cycles = cycles_a_step(&f16, &streamed, 1, &n);
    print_message("16x16, the same, weights streamed: %.1f %% of the bus\n",
                  100.0 * (double)n.bytes_read / 8 / (double)n.cycles);
    assert_true((double)n.bytes_read / 8 / (double)n.cycles >= 0.95);
    cycles = cycles_a_step(&f128, &square128, 1, &n);
    print_message("128x32, LSTM 1024/1024: %.1f cycles a step\n", cycles);
    assert_true(cycles <= 258);
    cycles = cycles_a_step(&f128, &small, 1, &n);
    print_message(
        "128x32, LSTM 256/256, 4 sequences: %.1f cycles a step, utilisation %.1f %%\n", cycles,
        100.0 * (double)n.cause[0] / (double)n.cycles);
    assert_true((double)n.cause[0] / (double)n.cycles >= 0.90);
    cycles = cycles_a_step(&f128, &timit, 1, &n);
    print_message("128x32, LSTMP 153/1024/512: %.1f cycles a step\n", cycles);
    assert_true(cycles <= 150);
    cycles = cycles_a_step(&f128, ptb, 2, &n);
    print_message("128x32, PTB 128-256-256: %.1f cycles a frame\n", cycles);
    assert_true(cycles <= 110);
    close_card(&f16);
    close_card(&f128);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random),
                                       cmocka_unit_test(test_targets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
