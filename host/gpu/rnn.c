/* LSTM and GRU: the input's part of all steps is one product, then a kernel a step, all of it
 * on the device. */
#include <stdlib.h>
#include <string.h>

#include "host/gpu/parts.h"

enum { PACKED = 4 }; /* gates side by side: a vector of four */

struct layer {
    bool lstm, linear;
    size_t steps, batch, inputs, units, directions, gates;
    int backwards; /* a bit a direction */
};

/* ---- what is taken ---------------------------------------------------------------------- */

static bool has_defaults_only(const struct spacc_gpu_node *q)
{
    static const char *const others[] = {"activation_alpha", "activation_beta", "clip",
                                         "input_forget"};
    static const char *const names[] = {"Sigmoid", "Tanh", "Tanh"};
    const struct spacc_attr *a = spacc_node_attr(q->node, "activations");
    const size_t each = spacc_gpu_is_op(q, "LSTM") ? 3 : 2;

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (spacc_node_attr(q->node, others[i]))
            return false;
    for (size_t i = 0; a && i < a->count; i++)
        if (strcmp(a->strings[i], names[i % each]) != 0)
            return false;
    return true;
}

/* Lengths given must be those of the whole sequence. */
static bool is_full_length(const struct spacc_gpu_node *q)
{
    const struct spacc_tensor *t = spacc_gpu_input(q, 4);
    const int64_t steps = spacc_gpu_input(q, 0)->dims[0];

    for (size_t i = 0; t && t->data && i < t->count; i++)
        if (((const int32_t *)t->data)[i] != (int32_t)steps)
            return false;
    return !t || t->data;
}

static const char *refuses(const struct spacc_gpu_node *q)
{
    if (!has_defaults_only(q))
        return "activations or clip";
    if (spacc_node_int(q->node, "layout", 0))
        return "batch first";
    if (!spacc_gpu_constant(q, 1) || !spacc_gpu_constant(q, 2))
        return "weights are not constant";
    for (int i = 1; i <= 3; i++)
        if (!spacc_gpu_is_weights(q, i))
            return "weights are not constant";
    if (!is_full_length(q))
        return "sequences of different lengths";
    return spacc_gpu_input(q, 7) ? "peepholes" : NULL;
}

static struct layer layer_of(const struct spacc_gpu_node *q)
{
    const struct spacc_tensor *x = spacc_gpu_input(q, 0), *r = spacc_gpu_constant(q, 2);
    const char *direction = spacc_node_string(q->node, "direction", "forward");
    struct layer l = {.lstm = spacc_gpu_is_op(q, "LSTM"),
                      .linear = spacc_node_int(q->node, "linear_before_reset", 0) != 0,
                      .steps = (size_t)x->dims[0],
                      .batch = (size_t)x->dims[1],
                      .inputs = (size_t)x->dims[2],
                      .units = (size_t)r->dims[2],
                      .directions = (size_t)r->dims[0]};

    l.gates = l.lstm ? 4 : 3;
    l.backwards = strcmp(direction, "reverse") == 0 ? 1 : l.directions == 2 ? 2 : 0;
    return l;
}

/* ---- weights ------------------------------------------------------------------------------
 */

/* [direction, gate, unit][input] as [input][direction, gate, unit]. */
static int turned_w(struct spacc_gpu_make *m, const struct layer *l)
{
    const size_t rows = l->directions * l->gates * l->units;
    const float *w = spacc_gpu_constant(&m->q, 1)->data;
    float *to = spacc_gpu_room(m, rows * l->inputs);

    if (to)
        spacc_gpu_turn(to, w, rows, l->inputs, 1.0f);
    const int slot = to ? spacc_gpu_data(m, to, rows * l->inputs) : -1;
    free(to);
    return slot;
}

/* [direction][gate][unit][from] as [direction][from][unit][4 gates]. */
static int packed_r(struct spacc_gpu_make *m, const struct layer *l)
{
    const size_t units = l->units, count = l->directions * units * units * PACKED;
    const float *r = spacc_gpu_constant(&m->q, 2)->data;
    float *to = spacc_gpu_room(m, count);

    for (size_t d = 0; d < l->directions && to; d++)
        for (size_t g = 0; g < l->gates; g++)
            for (size_t u = 0; u < units; u++)
                for (size_t k = 0; k < units; k++)
                    to[((d * units + k) * units + u) * PACKED + g] =
                        r[((d * l->gates + g) * units + u) * units + k];
    const int slot = to ? spacc_gpu_data(m, to, count) : -1;
    free(to);
    return slot;
}

/* [direction][4][unit]: both biases of a gate together; of a GRU's last gate the one of h is
 * apart, in the fourth place. */
static int packed_bias(struct spacc_gpu_make *m, const struct layer *l)
{
    const struct spacc_tensor *t = spacc_gpu_constant(&m->q, 3);
    const size_t units = l->units;
    float *to = spacc_gpu_room(m, l->directions * PACKED * units);

    for (size_t d = 0; d < l->directions && t && to; d++)
        for (size_t i = 0; i < l->gates * units; i++) {
            const float *from = (const float *)t->data + 2 * d * l->gates * units;
            float *at = to + d * PACKED * units;
            const bool apart = !l->lstm && i >= 2 * units;
            at[i] = from[i] + (apart ? 0.0f : from[l->gates * units + i]);
            if (apart)
                at[i + units] = from[l->gates * units + i];
        }
    const int slot = to ? spacc_gpu_data(m, to, l->directions * PACKED * units) : -1;
    free(to);
    return slot;
}

/* ---- steps
 * ----------------------------------------------------------------------------------- */

struct slots {
    int xw, r, bias, h0, c0, y, last_h, last_c;
    int h[2], c; /* states between steps */
    int z, rh;   /* of a GRU in two passes */
};

/* A column a unit, a layer of groups for each sequence of a direction. */
static void set_groups(struct spacc_gpu_make *m, const struct layer *l)
{
    const size_t wide = (l->units + GPU_COLUMNS - 1) / GPU_COLUMNS * GPU_COLUMNS;

    spacc_gpu_groups(m, (const size_t[3]){wide, GPU_SLICES, l->directions * l->batch},
                     (const size_t[3]){GPU_COLUMNS, GPU_SLICES, 1});
}

static void put_sizes(struct spacc_gpu_make *m, const struct layer *l, size_t t)
{
    spacc_gpu_more(m, "iiiiii", (int)t, (int)l->steps, (int)l->batch, (int)l->units,
                   (int)l->directions, l->backwards);
    set_groups(m, l);
}

static void lstm_step(struct spacc_gpu_make *m, const struct layer *l, const struct slots *s,
                      size_t t)
{
    const bool is_last = t + 1 == l->steps;
    const int h = t ? s->h[(t - 1) % 2] : s->h0, c = t ? s->c : s->c0;

    spacc_gpu_call(m, SPACC_GPU_lstm, l->units, "ssssisisssi", s->xw, s->r, s->bias, h, h >= 0,
                   c, c >= 0, is_last && s->last_h >= 0 ? s->last_h : s->h[t % 2],
                   is_last && s->last_c >= 0 ? s->last_c : s->c, s->y, s->y >= 0);
    put_sizes(m, l, t);
}

static void gru_pass(struct spacc_gpu_make *m, const struct layer *l, const struct slots *s,
                     size_t t, int mode)
{
    const int h = t ? s->h[(t - 1) % 2] : s->h0, vec = mode == GPU_GRU_REST ? s->rh : h;
    const int new_h = t + 1 == l->steps && s->last_h >= 0 ? s->last_h : s->h[t % 2];

    spacc_gpu_call(m, SPACC_GPU_gru, l->units, "sssssissssii", s->xw, s->r, s->bias, vec, h,
                   h >= 0, s->z, s->rh, new_h, s->y, s->y >= 0, mode);
    put_sizes(m, l, t);
}

static void gru_step(struct spacc_gpu_make *m, const struct layer *l, const struct slots *s,
                     size_t t)
{
    if (l->linear) {
        gru_pass(m, l, s, t, GPU_GRU_LINEAR);
        return;
    }
    gru_pass(m, l, s, t, GPU_GRU_GATES);
    gru_pass(m, l, s, t, GPU_GRU_REST);
}

static struct slots make_slots(struct spacc_gpu_make *m, const struct layer *l)
{
    const size_t states = l->directions * l->batch * l->units;
    struct slots s = {.r = packed_r(m, l),
                      .bias = packed_bias(m, l),
                      .h0 = spacc_gpu_in(m, 5),
                      .c0 = spacc_gpu_in(m, 6),
                      .c = -1,
                      .z = -1,
                      .rh = -1};

    s.xw = spacc_gpu_scratch(m, l->steps * l->batch * l->directions * l->gates * l->units);
    for (int i = 0; i < 2; i++)
        s.h[i] = spacc_gpu_scratch(m, states);
    if (l->lstm)
        s.c = spacc_gpu_scratch(m, states);
    else if (!l->linear)
        s.z = spacc_gpu_scratch(m, states), s.rh = spacc_gpu_scratch(m, states);
    s.y = spacc_gpu_out(m, 0);
    s.last_h = spacc_gpu_out(m, 1);
    s.last_c = spacc_gpu_out(m, 2);
    return s;
}

static void make(struct spacc_gpu_make *m)
{
    const struct layer l = layer_of(&m->q);
    const struct spacc_gpu_post none = spacc_gpu_no_post();
    const int x = spacc_gpu_in(m, 0), w = turned_w(m, &l);
    const struct slots s = make_slots(m, &l);

    spacc_gpu_multiply(m, s.xw, x, w, false, l.steps * l.batch,
                       l.directions * l.gates * l.units, l.inputs, &none);
    for (size_t t = 0; t < l.steps && !m->status; t++)
        (l.lstm ? lstm_step : gru_step)(m, &l, &s, t);
}

static const char *const ops[] = {"LSTM", "GRU", NULL};

const struct spacc_gpu_family spacc_gpu_rnn = {
    .kernel = SPACC_GPU_KERNEL("gpu rnn"), .ops = ops, .refuses = refuses, .make = make};
