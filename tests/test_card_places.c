/* Which layers stay on a card and where, against all subsets; and which states stay there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/fpga/card_kept.h"
#include "host/fpga/card_places.h"

enum { LAYERS = 8 };

/* A card with room for `words` and `units`, and layers of so many of both; a ring: words that a
 * streamed layer needs at least, 0 for one that is not. */
struct card {
    size_t words, units, layers;
    struct {
        size_t words, params, ring;
    } need[LAYERS];
};

struct placed {
    struct spacc_layout layout[LAYERS];
    struct spacc_card_spot spot[LAYERS];
    size_t away;
};

static size_t window_need(const struct card *c, size_t i)
{
    return c->need[i].ring ? c->need[i].ring : c->need[i].words;
}

static void place(struct placed *p, const struct card *c)
{
    memset(p, 0, sizeof(*p));
    for (size_t i = 0; i < c->layers; i++) {
        p->layout[i].weight_words = c->need[i].words;
        p->layout[i].param_units = c->need[i].params;
        p->layout[i].ring_words = c->need[i].ring ? c->words : 0;
        p->layout[i].ring_least = c->need[i].ring ? c->need[i].ring : 2;
        p->spot[i].layout = &p->layout[i];
    }
    p->away = spacc_card_places(p->spot, c->layers, c->words, c->units);
}

/* Words that stay when the layers of `set` do; 0 when they leave no room for the others. */
static size_t words_of(const struct card *c, unsigned set)
{
    size_t words = 0, params = 0, window = 0, window_params = 0;

    for (size_t i = 0; i < c->layers; i++)
        if (set >> i & 1) {
            if (c->need[i].ring)
                return 0;
            words += c->need[i].words;
            params += c->need[i].params;
        } else {
            window = window_need(c, i) > window ? window_need(c, i) : window;
            window_params =
                c->need[i].params > window_params ? c->need[i].params : window_params;
        }
    return words + window <= c->words && params + window_params <= c->units ? words : 0;
}

static size_t best_of(const struct card *c)
{
    size_t best = 0;

    for (unsigned set = 0; set < 1u << c->layers; set++)
        if (words_of(c, set) > best)
            best = words_of(c, set);
    return best;
}

static bool apart(size_t a, size_t a_size, size_t b, size_t b_size)
{
    return a + a_size <= b || b + b_size <= a;
}

/* Nobody is where a layer that stays is, and all are on the card. Returns the words that stay.
 */
static size_t check_places(const struct card *c, const struct placed *p)
{
    size_t words = 0, away = 0;

    for (size_t i = 0; i < c->layers; i++) {
        const struct spacc_card_spot *s = &p->spot[i];
        const size_t own = s->ring_words ? s->ring_words : c->need[i].words;
        assert_int_equal(s->ring_words != 0, c->need[i].ring != 0);
        assert_true(own >= window_need(c, i));
        assert_true(s->word_base + own <= c->words);
        assert_true(s->param_base + c->need[i].params <= c->units);
        words += s->stays ? c->need[i].words : 0;
        away += !s->stays;
        assert_false(s->stays && c->need[i].ring);
        for (size_t k = 0; k < c->layers && s->stays; k++) {
            const struct spacc_card_spot *o = &p->spot[k];
            if (k == i)
                continue;
            assert_true(apart(s->word_base, own, o->word_base,
                              o->ring_words ? o->ring_words : c->need[k].words));
            assert_true(
                apart(s->param_base, c->need[i].params, o->param_base, c->need[k].params));
        }
    }
    assert_int_equal(away, p->away);
    return words;
}

static void layers_that_fit_all_stay(void **state)
{
    (void)state;
    const struct card c = {100, 50, 3, {{60, 20, 0}, {30, 20, 0}, {10, 10, 0}}};
    struct placed p;

    place(&p, &c);
    assert_int_equal(p.away, 0);
    assert_int_equal(check_places(&c, &p), 100);
    assert_int_equal(p.spot[2].word_base, 90);
    assert_int_equal(p.spot[2].param_base, 40);
}

static void the_others_share_a_window(void **state)
{
    (void)state;
    /* 60 stays beside a window of 30 for two of the three others */
    const struct card c = {100, 99, 4, {{30, 9, 0}, {60, 9, 0}, {10, 9, 0}, {30, 9, 0}}};
    struct placed p;

    place(&p, &c);
    assert_int_equal(p.away, 2);
    assert_int_equal(check_places(&c, &p), 70);
    assert_true(p.spot[1].stays && p.spot[2].stays);
    assert_int_equal(p.spot[0].word_base, 70);
    assert_int_equal(p.spot[3].word_base, 70);
}

static void a_layer_of_the_size_of_the_window_may_stay_though_it_is_the_first(void **state)
{
    (void)state;
    const struct card c = {75, 99, 3, {{30, 9, 0}, {30, 9, 0}, {30, 9, 0}}};
    struct placed p;

    place(&p, &c);
    assert_int_equal(p.away, 2);
    assert_int_equal(check_places(&c, &p), 30);
    assert_true(p.spot[0].stays);
}

static void a_ring_takes_what_the_others_leave(void **state)
{
    (void)state;
    const struct card c = {100, 99, 3, {{50, 9, 0}, {900, 9, 20}, {15, 9, 0}}};
    struct placed p;

    place(&p, &c);
    assert_int_equal(p.away, 1);
    assert_int_equal(check_places(&c, &p), 65);
    assert_int_equal(p.spot[1].ring_words, 35);
    assert_int_equal(p.spot[1].word_base, 65);
}

static void parameters_count_as_weights_do(void **state)
{
    (void)state;
    const struct card c = {100, 10, 3, {{10, 6, 0}, {9, 4, 0}, {8, 4, 0}}};
    struct placed p;

    place(&p, &c);
    assert_true(p.away == 2);
    assert_int_equal(check_places(&c, &p), 10);
}

/* ---- random cards ---- */

static uint64_t rng = 20260721;

static size_t draw(size_t below)
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(rng >> 33) % below;
}

/* Every layer fits alone. What stays is all that can in most cases, and never much less. */
static void random_layers_stay_as_far_as_they_can(void **state)
{
    (void)state;
    enum { ROUNDS = 5000 };
    size_t best = 0, all = 0, streamed = 0;

    for (int round = 0; round < ROUNDS; round++) {
        struct card c = {.words = 64 + draw(400), .units = 32 + draw(100)};
        struct placed p;
        c.layers = 1 + draw(LAYERS);
        for (size_t i = 0; i < c.layers; i++) {
            const bool ring = draw(6) == 0;
            c.need[i].words =
                ring ? c.words + 1 + draw(900) : 1 + draw(c.words / (1 + draw(6)));
            c.need[i].ring = ring ? 2 + draw(c.words - 2) : 0;
            c.need[i].params = 1 + draw(c.units / (1 + draw(6)));
            streamed += ring;
        }
        place(&p, &c);
        const size_t got = check_places(&c, &p), most = best_of(&c);
        assert_true(2 * got >= most);
        best += got == most;
        all += p.away == 0;
        if (words_of(&c, (1u << c.layers) - 1) > 0)
            assert_int_equal(p.away, 0);
    }
    printf("%d cards: all layers stay on %zu, the most words that can on %zu; %zu layers are "
           "streamed\n",
           ROUNDS, all, best, streamed);
    assert_true(best > ROUNDS * 9 / 10 && all > 100 && streamed > 100);
}

/* ---- states that stay ---- */

enum { UNITS = 3, SEQUENCES = 4 };

/* h memory of 3 words and 4 states a sequence. */
static const struct spacc_layout layout = {.units = 4, .h_words = 1, .h_memory = 3};
static const struct spacc_fixed_layer layer_a = {
    .cell = SPACC_CELL_GRU, .units = UNITS, .outputs = UNITS};
static const struct spacc_fixed_layer layer_b = {
    .cell = SPACC_CELL_GRU, .units = UNITS, .outputs = UNITS};

struct sequences {
    struct spacc_job job[SEQUENCES];
    int16_t h[SEQUENCES][UNITS];
    int32_t state[SEQUENCES][UNITS];
};

static void begin_at(struct sequences *s, int value, size_t steps)
{
    for (int i = 0; i < SEQUENCES; i++) {
        for (int u = 0; u < UNITS; u++)
            s->state[i][u] = s->h[i][u] = (int16_t)(value ? value + 10 * i + u : 0);
        s->job[i] = (struct spacc_job){.steps = steps, .h = s->h[i], .state = s->state[i]};
    }
}

static struct spacc_card_hold take(struct spacc_card_kept *k,
                                   const struct spacc_fixed_layer *layer, struct sequences *s,
                                   size_t batch)
{
    struct spacc_card_hold hold;

    assert_int_equal(spacc_card_kept_take(k, &layout, layer, s->job, batch, &hold), SPACC_OK);
    return hold;
}

/* A list of one batch that begins at `from` and ends at `to`. */
static struct spacc_card_hold run_one(struct spacc_card_kept *k,
                                      const struct spacc_fixed_layer *layer, size_t batch,
                                      int from, int to, size_t steps)
{
    struct sequences s;

    spacc_card_kept_begin(k);
    begin_at(&s, from, steps);
    const struct spacc_card_hold hold = take(k, layer, &s, batch);
    begin_at(&s, to, steps);
    spacc_card_kept_put(k, &hold, s.job);
    return hold;
}

static void a_run_goes_on_from_the_half_where_the_last_one_ended(void **state)
{
    (void)state;
    struct spacc_card_kept *k;
    struct spacc_card_hold hold;

    assert_int_equal(spacc_card_kept_new(&k, 30, 40), SPACC_OK);
    assert_int_equal(run_one(k, &layer_a, 2, 0, 100, 3).start, SPACC_START_ZERO);
    hold = run_one(k, &layer_a, 2, 100, 200, 2);
    assert_int_equal(hold.start, SPACC_START_KEPT);
    assert_int_equal(hold.half, 1); /* 3 steps from half 0 */
    hold = run_one(k, &layer_a, 2, 200, 300, 1);
    assert_int_equal(hold.half, 1); /* 2 steps from half 1 */
    hold = run_one(k, &layer_a, 2, 300, 400, 1);
    assert_int_equal(hold.half, 0);
    hold = run_one(k, &layer_a, 2, 401, 500, 1); /* other bits */
    assert_int_equal(hold.start, SPACC_START_LOAD);
    assert_int_equal(hold.half, 0);
    assert_int_equal(run_one(k, &layer_b, 2, 500, 600, 1).start, SPACC_START_LOAD);
    assert_int_equal(run_one(k, &layer_a, 3, 500, 600, 1).start, SPACC_START_LOAD);
    assert_int_equal(run_one(k, &layer_a, 2, 500, 600, 1).start, SPACC_START_KEPT);
    spacc_card_kept_free(k);
}

static void one_other_state_is_enough_to_load(void **state)
{
    (void)state;
    struct spacc_card_kept *k;
    struct sequences s;

    assert_int_equal(spacc_card_kept_new(&k, 30, 40), SPACC_OK);
    run_one(k, &layer_a, SEQUENCES, 100, 100, 1);
    spacc_card_kept_begin(k);
    begin_at(&s, 100, 1);
    s.state[SEQUENCES - 1][UNITS - 1] ^= 1;
    assert_int_equal(take(k, &layer_a, &s, SEQUENCES).start, SPACC_START_LOAD);
    spacc_card_kept_forget(k);

    run_one(k, &layer_a, SEQUENCES, 100, 100, 1);
    spacc_card_kept_begin(k);
    begin_at(&s, 100, 1);
    s.h[SEQUENCES - 1][UNITS - 1] ^= 1;
    assert_int_equal(take(k, &layer_a, &s, SEQUENCES).start, SPACC_START_LOAD);
    spacc_card_kept_free(k);
}

static void what_was_forgotten_or_is_under_way_is_not_kept(void **state)
{
    (void)state;
    struct spacc_card_kept *k;
    struct sequences s;

    assert_int_equal(spacc_card_kept_new(&k, 30, 40), SPACC_OK);
    run_one(k, &layer_a, 1, 100, 100, 1);
    spacc_card_kept_forget(k);
    assert_int_equal(run_one(k, &layer_a, 1, 100, 100, 1).start, SPACC_START_LOAD);
    spacc_card_kept_begin(k);
    begin_at(&s, 100, 1);
    const struct spacc_card_hold first = take(k, &layer_a, &s, 1),
                                 second = take(k, &layer_a, &s, 1);
    assert_int_equal(first.start, SPACC_START_KEPT);
    assert_int_equal(second.start, SPACC_START_LOAD); /* the first one runs on from there */
    assert_true(apart(first.h_base, 3, second.h_base, 3));
    assert_true(apart(first.state_base, 4, second.state_base, 4));
    /* that list fails: nothing was put, nothing is kept */
    spacc_card_kept_begin(k);
    assert_int_equal(take(k, &layer_a, &s, 1).start, SPACC_START_LOAD);
    spacc_card_kept_free(k);
}

/* Three batches of 3 words on 8: the third drives out the first, and a batch that was driven
 * out within its own list is not put. */
static void the_oldest_make_room(void **state)
{
    (void)state;
    struct spacc_card_kept *k;
    struct sequences s[3], end;
    struct spacc_card_hold hold[3];

    assert_int_equal(spacc_card_kept_new(&k, 8, 40), SPACC_OK);
    spacc_card_kept_begin(k);
    for (int i = 0; i < 3; i++) {
        begin_at(&s[i], 100 * (i + 1), 1);
        hold[i] = take(k, i == 1 ? &layer_b : &layer_a, &s[i], 1);
    }
    assert_int_equal(hold[2].h_base, hold[0].h_base);
    assert_true(apart(hold[1].h_base, 3, hold[2].h_base, 3));
    for (int i = 0; i < 3; i++) {
        begin_at(&end, 100 * (i + 1), 1);
        spacc_card_kept_put(k, &hold[i], end.job);
    }
    spacc_card_kept_begin(k);
    assert_int_equal(take(k, &layer_b, &s[1], 1).start, SPACC_START_KEPT);
    hold[2] = take(k, &layer_a, &s[2], 1);
    assert_int_equal(hold[2].start, SPACC_START_KEPT);
    assert_int_equal(hold[2].half, 1);
    assert_int_equal(take(k, &layer_a, &s[0], 1).start, SPACC_START_LOAD);
    spacc_card_kept_free(k);
}

/* Random lists: areas of one list do not overlap as long as there is room for all, and lie on
 * the card always. */
static void random_areas_lie_apart(void **state)
{
    (void)state;
    enum { ROUNDS = 2000, BATCHES = 4 };
    struct spacc_card_kept *k;
    size_t kept = 0;

    assert_int_equal(spacc_card_kept_new(&k, 3 * 9, 4 * 9), SPACC_OK);
    for (int round = 0; round < ROUNDS; round++) {
        struct spacc_card_hold hold[BATCHES];
        size_t batch[BATCHES], sum = 0;
        struct sequences s[BATCHES];
        spacc_card_kept_begin(k);
        for (int i = 0; i < BATCHES; i++) {
            batch[i] = 1 + draw(2);
            sum += batch[i];
            begin_at(&s[i], (int)draw(3) * 100, 1);
            hold[i] = take(k, draw(2) ? &layer_a : &layer_b, &s[i], batch[i]);
            kept += hold[i].start == SPACC_START_KEPT;
            assert_true(hold[i].h_base + 3 * batch[i] <= 3 * 9);
            assert_true(hold[i].state_base + 4 * batch[i] <= 4 * 9);
            for (int j = 0; j < i && sum <= 4; j++) {
                assert_true(apart(hold[i].h_base, 3 * batch[i], hold[j].h_base, 3 * batch[j]));
                assert_true(
                    apart(hold[i].state_base, 4 * batch[i], hold[j].state_base, 4 * batch[j]));
            }
        }
        for (int i = 0; i < BATCHES; i++)
            spacc_card_kept_put(k, &hold[i], s[i].job);
    }
    printf("%d lists, %zu of %d batches went on\n", ROUNDS, kept, ROUNDS * BATCHES);
    assert_true(kept > ROUNDS / 2);
    spacc_card_kept_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_that_fit_all_stay),
        cmocka_unit_test(the_others_share_a_window),
        cmocka_unit_test(a_layer_of_the_size_of_the_window_may_stay_though_it_is_the_first),
        cmocka_unit_test(a_ring_takes_what_the_others_leave),
        cmocka_unit_test(parameters_count_as_weights_do),
        cmocka_unit_test(random_layers_stay_as_far_as_they_can),
        cmocka_unit_test(a_run_goes_on_from_the_half_where_the_last_one_ended),
        cmocka_unit_test(one_other_state_is_enough_to_load),
        cmocka_unit_test(what_was_forgotten_or_is_under_way_is_not_kept),
        cmocka_unit_test(the_oldest_make_room),
        cmocka_unit_test(random_areas_lie_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
