/* LSTM and GRU on the fused layers of sparse/rnn.h: both directions, any batch, streaming or
 * whole sequences. Weights with many zeros become sparse tiles. */
#include "sparse/rnn.h"

#include <stdlib.h>
#include <string.h>

#include "host/cpu/kernels.h"

enum { DIRECTIONS = 2, INPUTS = 8 };

struct layer {
    enum spacc_rnn_cell cell;
    size_t steps, batch, x_cols, units, directions;
    bool reverse[DIRECTIONS];
    bool batch_first;
    struct spacc_rnn *rnn[DIRECTIONS];
    size_t scratch_bytes;   /* of the fused layer, before the states in scratch */
    int x, h0, c0, y, h, c; /* slots or -1 */
};

static void release(void *state)
{
    struct layer *l = state;

    for (int d = 0; d < DIRECTIONS; d++)
        spacc_rnn_free(l->rnn[d]);
    free(l);
}

/* ---- run ------------------------------------------------------------------------- */

/* Elements from one step, and from one sequence of the batch, to the next. */
static size_t step_stride(const struct layer *l, size_t width)
{
    return l->batch_first ? width : l->batch * width;
}

static size_t batch_stride(const struct layer *l, size_t width)
{
    return l->batch_first ? l->steps * width : width;
}

/* States of sequence b in direction d. */
static size_t state_at(const struct layer *l, size_t d, size_t b)
{
    return l->batch_first ? (b * l->directions + d) * l->units : (d * l->batch + b) * l->units;
}

static void start_state(float *to, const float *from, size_t units)
{
    if (from)
        memcpy(to, from, units * sizeof(*to));
    else
        memset(to, 0, units * sizeof(*to));
}

static void run_sequence(const struct spacc_engine *e, const struct layer *l, size_t d,
                         size_t b, float *states, void *scratch)
{
    const size_t units = l->units, at = state_at(l, d, b), y_width = l->directions * units;
    const float *x = spacc_cpu_data(e, l->x), *h0 = spacc_cpu_data(e, l->h0);
    const float *c0 = spacc_cpu_data(e, l->c0);
    float *y = spacc_cpu_data(e, l->y), *h = spacc_cpu_data(e, l->h);
    float *c = spacc_cpu_data(e, l->c);
    float *own_h = h ? h + at : states, *own_c = c ? c + at : states + units;
    /* Y is [steps][directions][batch][units], batch first [batch][steps][directions][units] */
    const size_t y_step = step_stride(l, y_width);
    const size_t y_at =
        l->batch_first ? b * l->steps * y_width + d * units : (d * l->batch + b) * units;

    start_state(own_h, h0 ? h0 + at : NULL, units);
    if (l->cell == SPACC_RNN_LSTM)
        start_state(own_c, c0 ? c0 + at : NULL, units);
    spacc_rnn_run(l->rnn[d], l->steps, x + b * batch_stride(l, l->x_cols),
                  step_stride(l, l->x_cols), y ? y + y_at : NULL, y_step, own_h,
                  l->cell == SPACC_RNN_LSTM ? own_c : NULL, l->reverse[d], scratch,
                  e->options.parallel);
}

static enum spacc_status run(struct spacc_engine *e, struct spacc_cpu_step *s,
                             struct spacc_error *err)
{
    const struct layer *l = s->state;
    char *scratch = spacc_cpu_data(e, s->scratch);
    float *states = (float *)(void *)(scratch + l->scratch_bytes);

    (void)err;
    for (size_t d = 0; d < l->directions; d++)
        for (size_t b = 0; b < l->batch; b++)
            run_sequence(e, l, d, b, states, scratch);
    return SPACC_OK;
}

/* ---- take ------------------------------------------------------------------------ */

static bool defaults_only(const struct spacc_node *node)
{
    static const char *const others[] = {"activation_alpha", "activation_beta", "clip",
                                         "input_forget"};
    const struct spacc_attr *a = spacc_node_attr(node, "activations");
    const bool lstm = strcmp(node->op->name, "LSTM") == 0;
    static const char *const lstm_names[] = {"Sigmoid", "Tanh", "Tanh"};
    const size_t names = lstm ? 3 : 2;

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (spacc_node_attr(node, others[i]))
            return false;
    for (size_t i = 0; a && i < a->count; i++)
        if (strcmp(a->strings[i], lstm_names[i % names]) != 0)
            return false;
    return true;
}

static bool set_cell(struct layer *l, const struct spacc_node *node)
{
    if (strcmp(node->op->name, "LSTM") == 0)
        l->cell = SPACC_RNN_LSTM;
    else if (strcmp(node->op->name, "GRU") == 0)
        l->cell = spacc_node_int(node, "linear_before_reset", 0) ? SPACC_RNN_GRU_LINEAR
                                                                 : SPACC_RNN_GRU;
    else
        return false;
    return true;
}

static void set_directions(struct layer *l, const struct spacc_node *node)
{
    const char *direction = spacc_node_string(node, "direction", "forward");

    l->directions = strcmp(direction, "bidirectional") == 0 ? 2 : 1;
    l->reverse[0] = strcmp(direction, "reverse") == 0;
    l->reverse[1] = true;
}

/* Lengths given must be known and those of the whole sequence. */
static bool full_length(const struct spacc_cpu_build *b, const struct spacc_node *node,
                        size_t steps)
{
    const struct spacc_tensor *t = spacc_cpu_constant(b, node, 4);

    if (node->inputs <= 4 || node->input[4] < 0)
        return true;
    for (size_t i = 0; t && i < t->count; i++)
        if (((const int32_t *)t->data)[i] != (int32_t)steps)
            return false;
    return t != NULL;
}

static bool is_ours(struct spacc_cpu_build *b, const struct spacc_node *node, struct layer *l)
{
    *l = (struct layer){.x = -1, .h0 = -1, .c0 = -1, .y = -1, .h = -1, .c = -1};
    if (!set_cell(l, node) || !spacc_cpu_known(b, node) || !defaults_only(node) ||
        !spacc_cpu_is(b, node->input[0], SPACC_F32) || !spacc_cpu_constant(b, node, 1) ||
        !spacc_cpu_constant(b, node, 2) || (node->inputs > 7 && node->input[7] >= 0))
        return false;
    if (node->inputs > 3 && node->input[3] >= 0 && !spacc_cpu_constant(b, node, 3))
        return false;
    const struct spacc_tensor *x = spacc_cpu_shape(b, node->input[0]);
    const struct spacc_tensor *r = spacc_cpu_constant(b, node, 2);
    l->batch_first = spacc_node_int(node, "layout", 0) != 0;
    l->steps = (size_t)x->dims[l->batch_first];
    l->batch = (size_t)x->dims[!l->batch_first];
    l->x_cols = (size_t)x->dims[2];
    l->units = (size_t)r->dims[2];
    set_directions(l, node);
    return x->count > 0 && r->count > 0 && full_length(b, node, l->steps);
}

static enum spacc_status make_direction(struct spacc_cpu_build *b, int n, struct layer *l,
                                        size_t d)
{
    const struct spacc_node *node = &b->g->node[n];
    const size_t rows = (l->cell == SPACC_RNN_LSTM ? 4 : 3) * l->units;
    const float *w = spacc_cpu_constant(b, node, 1)->data;
    const float *r = spacc_cpu_constant(b, node, 2)->data;
    const struct spacc_tensor *bias = spacc_cpu_constant(b, node, 3);
    struct spacc_rnn_spec spec = {.cell = l->cell,
                                  .units = l->units,
                                  .x_cols = l->x_cols,
                                  .w = w + d * rows * l->x_cols,
                                  .r = r + d * rows * l->units,
                                  .precision = b->e->options.precision};

    if (bias) {
        spec.wb = (const float *)bias->data + d * 2 * rows;
        spec.rb = spec.wb + rows;
    }
    spec.bank_size = spacc_cpu_is_sparse(spec.r, rows * l->units) ? 16 : 0;
    const enum spacc_status s = spacc_rnn_new(&l->rnn[d], &spec, b->e->options.cpu, b->err);
    if (s)
        return spacc_fail_in(b->err, s, "%s: node %s", b->g->file, node->name);
    b->e->weight_bytes += spacc_rnn_bytes(l->rnn[d]);
    return SPACC_OK;
}

static enum spacc_status fill_slots(struct spacc_cpu_build *b, const struct spacc_node *node,
                                    struct layer *l)
{
    enum spacc_status s;

    if ((l->x = spacc_cpu_input(b, node, 0, &s), s) ||
        (l->h0 = spacc_cpu_input(b, node, 5, &s), s) ||
        (l->c0 = spacc_cpu_input(b, node, 6, &s), s))
        return s;
    l->y = node->outputs > 0 ? node->output[0] : -1;
    l->h = node->outputs > 1 ? node->output[1] : -1;
    l->c = node->outputs > 2 ? node->output[2] : -1;
    return SPACC_OK;
}

static enum spacc_status add(struct spacc_cpu_build *b, int n, struct layer *l)
{
    const struct spacc_tensor none = {.dtype = SPACC_U8, .rank = 1};

    for (size_t d = 0; d < l->directions; d++) {
        const size_t bytes = spacc_rnn_scratch_bytes(l->rnn[d], l->steps);
        l->scratch_bytes = bytes > l->scratch_bytes ? bytes : l->scratch_bytes;
    }
    l->scratch_bytes = (l->scratch_bytes + 63) / 64 * 64;
    const int scratch =
        spacc_cpu_slot_new(b, &none, l->scratch_bytes + 2 * l->units * sizeof(float));
    struct spacc_cpu_step *s =
        scratch < 0 ? NULL : spacc_cpu_step_new(b, &spacc_cpu_rnn, n, 3, 3);
    if (!s)
        return spacc_cpu_no_memory(b);
    s->state = l;
    s->scratch = scratch;
    memcpy(s->in, (const int[]){l->x, l->h0, l->c0}, 3 * sizeof(int));
    memcpy(s->out, (const int[]){l->y, l->h, l->c}, 3 * sizeof(int));
    spacc_cpu_step_done(b, s);
    spacc_cpu_taken(b, n, n, spacc_rnn_kernel(l->rnn[0]));
    return SPACC_OK;
}

static enum spacc_status take(struct spacc_cpu_build *b, int n, bool *taken)
{
    const struct spacc_node *node = &b->g->node[n];
    enum spacc_status status = SPACC_OK;
    struct layer shape, *l;

    if (!is_ours(b, node, &shape))
        return SPACC_OK;
    if (!(l = malloc(sizeof(*l))))
        return spacc_cpu_no_memory(b);
    *l = shape;
    for (size_t d = 0; d < l->directions && !status; d++)
        status = make_direction(b, n, l, d);
    if (status == SPACC_EINVAL && b->e->options.precision == SPACC_TILE_F32) {
        release(l); /* infinities among the weights: the reference's */
        return SPACC_OK;
    }
    if (status || (status = fill_slots(b, node, l)) || (status = add(b, n, l)))
        release(l);
    *taken = !status;
    return status;
}

const struct spacc_cpu_kernel spacc_cpu_rnn = {
    .name = "fused", .take = take, .run = run, .release = release};
