/* Operators that only move elements, with parameters known now: which element goes where is
 * found by running the reference on numbered elements, and kept as runs of equal steps. One
 * run of neighbours from one input is no work at all: the result is a view. */
#include <stdlib.h>
#include <string.h>

#include "host/cpu/kernels.h"
#include "host/cpu/numbers.h"

enum {
    ELEMENTS_MAX = 1 << 20, /* numbered elements */
    RUNS_MAX = 64,          /* short runs than these many are left to others */
    RUN_MIN = 8,            /* mean length, with more of them */
    PADDING = -1
};

/* `count` elements, `step` apart from element `from` of input `in` on, to element `to` and
 * those after it; or the constant of a Pad. */
struct run {
    int in; /* PADDING: the constant */
    size_t from, to, count;
    int64_t step;
};

struct move {
    size_t runs;
    int slot[SPACC_NUMBERS_INPUTS];
    int y;
    size_t bytes;    /* an element */
    char padding[8]; /* one */
    struct run run[];
};

/* ---- run -------------------------------------------------------------------------- */

static void copy(char *y, const char *x, const struct run *r, size_t bytes)
{
    const int64_t step_bytes = r->step * (int64_t)bytes;

    if (r->step == 1)
        memcpy(y, x, r->count * bytes);
    else if (bytes == sizeof(uint32_t))
        for (size_t i = 0; i < r->count; i++)
            memcpy(y + i * sizeof(uint32_t), x + (int64_t)i * step_bytes, sizeof(uint32_t));
    else
        for (size_t i = 0; i < r->count; i++)
            memcpy(y + i * bytes, x + (int64_t)i * step_bytes, bytes);
}

static void fill(char *y, const struct run *r, const struct move *m)
{
    static const char zero[sizeof(m->padding)];

    if (memcmp(m->padding, zero, sizeof(zero)) == 0)
        memset(y, 0, r->count * m->bytes);
    else
        for (size_t i = 0; i < r->count; i++)
            memcpy(y + i * m->bytes, m->padding, m->bytes);
}

static enum spacc_status run(struct spacc_engine *e, struct spacc_cpu_step *s,
                             struct spacc_error *err)
{
    const struct move *m = s->state;
    char *y = spacc_cpu_data(e, m->y);

    (void)err;
    for (size_t i = 0; i < m->runs; i++) {
        const struct run *r = &m->run[i];
        char *to = y + r->to * m->bytes;
        if (r->in == PADDING) {
            fill(to, r, m);
            continue;
        }
        const char *x = spacc_cpu_data(e, m->slot[r->in]);
        copy(to, x + r->from * m->bytes, r, m->bytes);
    }
    return SPACC_OK;
}

/* ---- which nodes ------------------------------------------------------------------------ */

/* What oneDNN does better on tensors in its own layouts. */
static bool is_left_to_onednn(const struct spacc_cpu_build *b, const struct spacc_node *node,
                              int v)
{
    return b->e->slot[v].layout &&
           (strcmp(node->op->name, "Concat") == 0 || strcmp(node->op->name, "Transpose") == 0);
}

static bool is_ours(const struct spacc_cpu_build *b, const struct spacc_node *node)
{
    const int moved = spacc_moved_inputs(node);
    size_t elements = 0;

    if (moved == 0 || node->inputs > SPACC_NUMBERS_INPUTS || !spacc_cpu_known(b, node) ||
        spacc_node_float(node, "value", 0.0f) != 0.0f) /* of a Pad before opset 11 */
        return false;
    for (int i = 0; i < node->inputs; i++) {
        if (node->input[i] < 0)
            continue;
        if (!spacc_is_moved(moved, i) && !spacc_cpu_constant(b, node, i))
            return false;
        if (is_left_to_onednn(b, node, node->input[i]))
            return false;
        elements += spacc_is_moved(moved, i) ? spacc_cpu_shape(b, node->input[i])->count : 0;
    }
    for (int o = 0; o < node->outputs; o++)
        elements += node->output[o] < 0 ? 0 : spacc_cpu_shape(b, node->output[o])->count;
    return elements <= ELEMENTS_MAX;
}

/* ---- runs ----------------------------------------------------------------------------------
 */

static size_t padding_at(const struct spacc_tensor *t, size_t at, struct run *r)
{
    const int32_t *v = t->data;
    size_t count = 1;

    while (at + count < t->count && v[at + count] == 0)
        count++;
    *r = (struct run){.in = PADDING, .to = at, .count = count};
    return count;
}

static size_t run_at(const struct spacc_numbers *m, const struct spacc_tensor *t, size_t at,
                     struct run *r)
{
    const int32_t *v = t->data;

    if (v[at] == 0)
        return padding_at(t, at, r);
    const int in = spacc_numbers_input(m, (size_t)v[at]);
    const int64_t step = at + 1 < t->count ? (int64_t)v[at + 1] - v[at] : 1;
    size_t count = 1;

    while (at + count < t->count && v[at + count] == v[at] + (int64_t)count * step &&
           (size_t)v[at + count] > m->first[in] && (size_t)v[at + count] <= m->first[in + 1])
        count++;
    *r = (struct run){.in = in,
                      .from = (size_t)v[at] - m->first[in] - 1,
                      .to = at,
                      .count = count,
                      .step = count > 1 ? step : 1};
    return count;
}

static size_t count_runs(const struct spacc_numbers *m, const struct spacc_tensor *t)
{
    struct run r;
    size_t runs = 0;

    for (size_t at = 0; at < t->count; runs++)
        at += run_at(m, t, at, &r);
    return runs;
}

/* ---- take -------------------------------------------------------------------------- */

/* Every output worth keeping as runs. */
static bool is_worth_it(const struct spacc_numbers *m, const struct spacc_node *node)
{
    for (int o = 0; o < node->outputs; o++) {
        if (node->output[o] < 0)
            continue;
        const size_t runs = count_runs(m, m->out[o]);
        if (runs > RUNS_MAX && m->out[o]->count < runs * RUN_MIN)
            return false;
    }
    return true;
}

static enum spacc_status add_view(struct spacc_cpu_build *b, int to, int v, const struct run *r,
                                  size_t bytes)
{
    const int s = spacc_cpu_plain(b, v);

    if (s < 0)
        return b->err->status;
    spacc_cpu_share(b, to, s);
    b->e->slot[to].skip_bytes += r->from * bytes;
    if (b->e->slot[to].home == SPACC_HOME_CONSTANT)
        spacc_cpu_follow_root(b->e, to);
    return SPACC_OK;
}

static enum spacc_status add_copy(struct spacc_cpu_build *b, int n,
                                  const struct spacc_numbers *m, int o, size_t runs,
                                  size_t bytes)
{
    const struct spacc_node *node = &b->g->node[n];
    const struct spacc_tensor *value =
        spacc_is_pad(node) ? spacc_cpu_constant(b, node, SPACC_PAD_VALUE) : NULL;
    struct move *state = malloc(sizeof(*state) + runs * sizeof(state->run[0]));
    const int moved = spacc_moved_inputs(node);
    enum spacc_status status = state ? SPACC_OK : spacc_cpu_no_memory(b);

    if (!status) {
        *state = (struct move){.runs = runs, .y = node->output[o], .bytes = bytes};
        if (value)
            memcpy(state->padding, value->data, bytes);
    }
    for (int i = 0; i < node->inputs && !status; i++)
        state->slot[i] = spacc_is_moved(moved, i) ? spacc_cpu_input(b, node, i, &status) : -1;
    struct spacc_cpu_step *s =
        status ? NULL : spacc_cpu_step_new(b, &spacc_cpu_move, n, node->inputs, 1);
    if (!s) {
        free(state);
        return b->err->status;
    }
    memcpy(s->in, state->slot, (size_t)node->inputs * sizeof(*s->in));
    for (size_t i = 0, at = 0; i < runs; i++)
        at += run_at(m, m->out[o], at, &state->run[i]);
    s->state = state;
    s->out[0] = node->output[o];
    spacc_cpu_step_done(b, s);
    return SPACC_OK;
}

static enum spacc_status add_output(struct spacc_cpu_build *b, int n,
                                    const struct spacc_numbers *m, int o)
{
    const struct spacc_node *node = &b->g->node[n];
    const size_t bytes = spacc_dtype_bytes(spacc_cpu_shape(b, node->output[o])->dtype);
    const size_t runs = count_runs(m, m->out[o]);
    struct run r = {.in = PADDING};

    if (runs == 1) /* none: no elements */
        run_at(m, m->out[o], 0, &r);
    if (runs != 1 || r.in == PADDING || r.step != 1)
        return add_copy(b, n, m, o, runs, bytes);
    return add_view(b, node->output[o], node->input[r.in], &r, bytes);
}

static enum spacc_status take(struct spacc_cpu_build *b, int n, bool *taken)
{
    const struct spacc_node *node = &b->g->node[n];
    const int moved = spacc_moved_inputs(node);
    struct spacc_numbers m = {.first = {0}};
    enum spacc_status s = SPACC_OK;

    if (!is_ours(b, node) || node->outputs > SPACC_NUMBERS_INPUTS)
        return SPACC_OK;
    if (!spacc_numbers_of(&m, b, n, moved) && is_worth_it(&m, node)) {
        for (int o = 0; o < node->outputs && !s; o++)
            if (node->output[o] >= 0 && b->e->slot[node->output[o]].home != SPACC_HOME_CONSTANT)
                s = add_output(b, n, &m, o);
        if (!s)
            spacc_cpu_taken(b, n, n, spacc_cpu_move.name);
        *taken = !s;
    }
    spacc_numbers_release(&m);
    return s;
}

size_t spacc_cpu_move_runs(const struct spacc_cpu_step *s, bool *strided)
{
    const struct move *m = s->state;

    *strided = false;
    for (size_t i = 0; i < m->runs; i++)
        *strided = *strided || (m->run[i].in != PADDING && m->run[i].step != 1);
    return m->runs;
}

const struct spacc_cpu_kernel spacc_cpu_move = {.name = "move", .take = take, .run = run};
