/* layer_maker.h - random quantised layers and jobs on them, for tests that hold a card to
 * spacc_fixed_run(). SPACC_TEST_SEED replays a run. */
#ifndef SPACC_TESTS_LAYER_MAKER_H
#define SPACC_TESTS_LAYER_MAKER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "host/device.h"

static uint64_t rng = 1;

static inline uint32_t draw(uint32_t below)
{
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((rng >> 33) % below);
}

static inline float draw_float(float scale)
{
    return scale * ((float)draw(2000001) / 1000000.0f - 1.0f);
}

static inline uint64_t seed(void)
{
    const char *text = getenv("SPACC_TEST_SEED");

    return text ? strtoull(text, NULL, 10) : 20260721;
}

static inline void ok(enum spacc_status s, const struct spacc_error *err)
{
    if (s != SPACC_OK)
        fail_msg("%s: %s", spacc_status_name(s), err->text);
}

/* ---- random layers ----------------------------------------------------------- */

struct shape {
    enum spacc_cell cell;
    enum spacc_act act_g, act_h;
    size_t units, x_cols, outputs; /* outputs: LSTMP */
    double density;
    int bits;
    float scale; /* of weights: large ones saturate */
};

/* Zeros outside of the kept share; density 0 leaves an all-zero part. */
static inline float *random_part(size_t count, double density, float scale)
{
    float *w = calloc(count + 1, sizeof(*w));

    assert_non_null(w);
    for (size_t i = 0; i < count; i++)
        if (draw(1000) < (uint32_t)(density * 1000.0))
            w[i] = draw_float(scale);
    return w;
}

static inline struct spacc_fixed_layer *make_layer(const struct shape *s,
                                                   const struct spacc_card_info *card)
{
    const size_t lanes = card->lanes;
    const bool linear = s->cell == SPACC_CELL_LINEAR, lstmp = s->cell == SPACC_CELL_LSTMP;
    const bool lstm = lstmp || s->cell == SPACC_CELL_LSTM;
    const size_t rows = s->units * (linear ? 1 : lstm ? 4 : 3);
    const size_t h_cols = lstmp ? s->outputs : s->units;
    float *w = random_part(rows * s->x_cols, s->density, s->scale);
    float *r = random_part(rows * h_cols, s->density, s->scale);
    float *p = random_part(s->outputs * s->units, s->density, s->scale);
    float *b_w = random_part(rows, 1.0, s->scale), *b_r = random_part(rows, 1.0, s->scale);
    float *b_p = random_part(s->outputs, 1.0, s->scale);
    const struct spacc_fixed_weights weights = {.cell = s->cell,
                                                .act_g = s->act_g,
                                                .act_h = s->act_h,
                                                .units = s->units,
                                                .x_cols = s->x_cols,
                                                .act_bits = (int)card->act_bits,
                                                .w = w,
                                                .r = linear ? NULL : r,
                                                .b_w = b_w,
                                                .b_r = linear ? NULL : b_r,
                                                .p = p,
                                                .outputs = s->outputs,
                                                .b_p = b_p,
                                                .r_range = s->scale * 3.0f};
    struct spacc_fixed_layer *layer;
    struct spacc_error err = {0};

    ok(spacc_fixed_quantise(
           &layer, &weights, s->bits, 8 + (int)draw(8), spacc_card_bank(s->x_cols, lanes),
           linear ? 1 : spacc_card_bank(h_cols, lanes), spacc_card_bank(s->units, lanes), &err),
       &err);
    free(w);
    free(r);
    free(p);
    free(b_w);
    free(b_r);
    free(b_p);
    return layer;
}

static inline struct shape random_shape(int bits, enum spacc_cell cell, size_t largest)
{
    static const double densities[] = {1.0, 0.5, 0.2, 0.05, 0.0};
    const bool lstm = cell == SPACC_CELL_LSTM || cell == SPACC_CELL_LSTMP;

    return (struct shape){
        .cell = cell,
        .act_g = cell == SPACC_CELL_LINEAR ? SPACC_ACT_TANH : (enum spacc_act)draw(3),
        .act_h = lstm ? (enum spacc_act)draw(3) : SPACC_ACT_TANH,
        .units = 1 + draw((uint32_t)largest),
        .x_cols = 1 + draw((uint32_t)largest),
        .outputs = cell == SPACC_CELL_LSTMP ? 1 + draw((uint32_t)largest) : 0,
        .density = densities[draw(5)],
        .bits = bits == 16 && draw(2) ? 8 : bits,
        .scale = draw(4) ? 0.5f : 6.0f,
    };
}

/* ---- jobs -------------------------------------------------------------------- */

static inline size_t y_count(const struct spacc_fixed_layer *l, size_t steps)
{
    return steps * (l->cell == SPACC_CELL_LINEAR ? 4 * l->units : l->outputs);
}

static inline int16_t random16(void)
{
    static const int16_t hard[] = {INT16_MIN, INT16_MAX, 0, -1, 1};

    return draw(8) ? (int16_t)((int)draw(65536) - 32768) : hard[draw(5)];
}

static inline int32_t random_state(const struct spacc_fixed_layer *l, int16_t h)
{
    return l->cell == SPACC_CELL_LSTM || l->cell == SPACC_CELL_LSTMP
               ? (int32_t)draw(1u << 24) - (1 << 23)
               : h;
}

static inline void long_job(struct spacc_job *job, size_t number,
                            const struct spacc_fixed_layer *l, size_t steps, bool reverse)
{
    int16_t *x = calloc(steps * l->x_cols, sizeof(*x));
    const bool linear = l->cell == SPACC_CELL_LINEAR;

    assert_non_null(x);
    for (size_t i = 0; i < steps * l->x_cols; i++)
        x[i] = random16();
    *job = (struct spacc_job){
        .layer = number, .steps = steps, .reverse = reverse, .x = x, .x_job = -1};
    job->y = calloc(y_count(l, steps), sizeof(int32_t));
    job->h = linear ? NULL : calloc(l->outputs, sizeof(int16_t));
    job->state = linear ? NULL : calloc(l->units, sizeof(int32_t));
    for (size_t u = 0; u < l->outputs && !linear; u++)
        job->h[u] = random16();
    for (size_t u = 0; u < l->units && !linear; u++)
        job->state[u] = random_state(l, job->h[u < l->outputs ? u : 0]);
}

static inline void random_job(struct spacc_job *job, size_t number,
                              const struct spacc_fixed_layer *l)
{
    const size_t steps = 1 + draw(10);

    long_job(job, number, l, steps, draw(2));
}

static inline struct spacc_job copy_job(const struct spacc_job *job,
                                        const struct spacc_fixed_layer *l)
{
    struct spacc_job c = *job;

    c.y = calloc(y_count(l, job->steps), sizeof(int32_t));
    if (job->h) {
        c.h = calloc(l->outputs, sizeof(int16_t));
        c.state = calloc(l->units, sizeof(int32_t));
        memcpy(c.h, job->h, l->outputs * sizeof(int16_t));
        memcpy(c.state, job->state, l->units * sizeof(int32_t));
    }
    return c;
}

static inline void free_job(struct spacc_job *job, bool with_x)
{
    if (with_x)
        free((void *)(uintptr_t)job->x);
    free(job->y);
    free(job->h);
    free(job->state);
}

static inline void print_layer(const struct spacc_fixed_layer *l, const struct spacc_job *job)
{
    printf("cell %d act %d %d units %zu x %zu bits %d k %zu %zu steps %zu reverse %d\n",
           (int)l->cell, (int)l->act_g, (int)l->act_h, l->units, l->x_cols, l->weight_bits,
           l->w_x->k, l->w_h ? l->w_h->k : 0, job->steps, job->reverse);
}

static inline bool same_results(const struct spacc_fixed_layer *l, const struct spacc_job *got,
                                const struct spacc_job *want)
{
    const size_t bytes =
        y_count(l, got->steps) * (l->cell == SPACC_CELL_LINEAR ? sizeof(int32_t) : 2);

    return memcmp(got->y, want->y, bytes) == 0 &&
           (!got->h || (memcmp(got->h, want->h, l->outputs * 2) == 0 &&
                        memcmp(got->state, want->state, l->units * 4) == 0));
}

#endif
