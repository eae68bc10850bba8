#include "host/prune/observe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "models/op.h"
#include "models/ops_window.h"
#include "models/run.h"

/* Inputs of LSTM and GRU in ONNX's order. */
enum { IN_X, IN_W, IN_R, IN_B, IN_LENS, IN_H };

enum { CHUNK = 256 }; /* vectors added at a time */

/* A recurrent node with its inputs and, for a GRU, what makes r. */
struct steps {
    size_t steps, batch, input, hidden, directions;
    bool batch_first, reverse; /* of direction 0 */
    const float *x, *w, *r, *b, *h0, *y;
    const int32_t *lens;
    size_t gates;
    bool reset_is_one;
};

/* One node being looked at. */
struct look {
    const struct spacc_graph *g;
    const struct spacc_node *node;
    const struct spacc_tensor *const *in;
    struct spacc_conv conv;
    struct steps rnn;
    struct spacc_tensor *y;
    struct spacc_error *err;
};

static enum spacc_status no_memory(const struct look *k)
{
    return spacc_fail(k->err, SPACC_ENOMEM, "%s: node %s: out of memory", k->g->file,
                      k->node->name);
}

static const struct spacc_tensor *input(const struct look *k, int i)
{
    return i < k->node->inputs ? k->in[i] : NULL;
}

/* ---- rows of a product ------------------------------------------------------- */

static bool turned(const struct look *k)
{
    return spacc_node_int(k->node, "transA", 0) != 0;
}

static size_t product_count(const struct look *k, const struct spacc_prune_block *b)
{
    return k->in[0]->count / b->cols;
}

static void product_get(const struct look *k, const struct spacc_prune_block *b, size_t i,
                        float *to)
{
    const float *a = k->in[0]->data;
    const size_t rows = product_count(k, b);

    for (size_t c = 0; c < b->cols; c++)
        to[c] = turned(k) ? a[c * rows + i] : a[i * b->cols + c];
}

/* ---- patches of a convolution ------------------------------------------------ */

static enum spacc_status plan_conv(struct look *k)
{
    struct spacc_tensor *y = NULL;
    struct spacc_op_call c = {.graph = k->g,
                              .node = k->node,
                              .ins = k->node->inputs,
                              .outs = 1,
                              .in = (const struct spacc_tensor **)k->in,
                              .out = &y,
                              .wanted = (const bool[]){true},
                              .shape_only = true,
                              .err = k->err};
    struct spacc_tensor *made;
    const enum spacc_status s = spacc_conv_plan(&c, &k->conv, 0, 1, 2, SPACC_F32, &made);

    spacc_tensor_free(y);
    if (!s)
        spacc_window_steps(&k->conv.window);
    return s;
}

static size_t conv_count(const struct look *k)
{
    return (size_t)(k->in[0]->dims[0] * k->conv.window.out_plane);
}

static void conv_get(const struct look *k, const struct spacc_prune_block *b, size_t i,
                     float *to)
{
    const struct spacc_conv *v = &k->conv;
    const size_t plane = (size_t)v->window.out_plane;
    const size_t image = (size_t)(v->groups * v->in_channels * v->window.in_plane);
    int64_t at[SPACC_WINDOW_AXES];
    int64_t rest = (int64_t)(i % plane);

    for (int a = v->window.axes - 1; a >= 0; a--) {
        at[a] = rest % v->window.out[a];
        rest /= v->window.out[a];
    }
    spacc_conv_patch(v, to, (const float *)k->in[0]->data + i / plane * image,
                     (int64_t)b->group, at);
}

/* ---- steps of a recurrent layer ---------------------------------------------- */

/* Y of the node with the weights it has now, whatever outputs the model asks for. */
static enum spacc_status run_layer(struct look *k)
{
    struct spacc_op_call c = {.graph = k->g,
                              .node = k->node,
                              .ins = k->node->inputs,
                              .outs = 1,
                              .in = (const struct spacc_tensor **)k->in,
                              .out = &k->y,
                              .wanted = (const bool[]){true},
                              .err = k->err};
    const enum spacc_status s = spacc_op_run(&c);

    if (s) {
        spacc_tensor_free(k->y);
        k->y = NULL;
    }
    return s;
}

static const float *floats(const struct look *k, int i)
{
    const struct spacc_tensor *t = input(k, i);

    return t ? t->data : NULL;
}

/* r = Sigmoid(..) in every direction, and nothing is clipped. */
static bool plain_reset(const struct spacc_node *n)
{
    const struct spacc_attr *a = spacc_node_attr(n, "activations");

    for (size_t i = 0; a && i < a->count; i += 2)
        if (strcasecmp(a->strings[i], "Sigmoid"))
            return false;
    return !spacc_node_attr(n, "clip");
}

/* The operator has checked every shape when it ran. */
static void read_steps(struct look *k)
{
    const bool first = spacc_node_int(k->node, "layout", 0) == 1;
    const struct spacc_tensor *x = k->in[IN_X], *r = k->in[IN_R];
    const struct spacc_tensor *lens = input(k, IN_LENS);

    k->rnn = (struct steps){
        .steps = (size_t)x->dims[first],
        .batch = (size_t)x->dims[!first],
        .input = (size_t)x->dims[2],
        .hidden = (size_t)r->dims[2],
        .directions = (size_t)r->dims[0],
        .batch_first = first,
        .reverse = !strcmp(spacc_node_string(k->node, "direction", "forward"), "reverse"),
        .x = x->data,
        .w = floats(k, IN_W),
        .r = r->data,
        .b = floats(k, IN_B),
        .h0 = floats(k, IN_H),
        .y = k->y->data,
        .lens = lens ? lens->data : NULL,
        .gates = strcmp(k->node->op->name, "GRU") ? 4 : 3,
        .reset_is_one = !plain_reset(k->node)};
}

static size_t length_of(const struct steps *m, size_t b)
{
    return m->lens ? (size_t)m->lens[b] : m->steps;
}

static size_t steps_count(const struct look *k)
{
    size_t count = 0;

    for (size_t b = 0; b < k->rnn.batch; b++)
        count += length_of(&k->rnn, b);
    return count;
}

static const float *x_at(const struct steps *m, size_t t, size_t b)
{
    return m->x + (m->batch_first ? b * m->steps + t : t * m->batch + b) * m->input;
}

static const float *y_at(const struct steps *m, size_t t, size_t d, size_t b)
{
    return m->y + (m->batch_first ? (b * m->steps + t) * m->directions + d
                                  : (t * m->directions + d) * m->batch + b) *
                      m->hidden;
}

/* h before step `i` of a direction, NULL: zeros. */
static const float *h_before(const struct steps *m, size_t i, size_t d, size_t b)
{
    const bool reverse = m->reverse || d == 1;
    const size_t state = m->batch_first ? b * m->directions + d : d * m->batch + b;

    if (i == 0)
        return m->h0 ? m->h0 + state * m->hidden : NULL;
    return y_at(m, reverse ? length_of(m, b) - i : i - 1, d, b);
}

static double dot(const float *a, const float *b, size_t count)
{
    double sum = 0.0;

    for (size_t i = 0; b && i < count; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* h *= r(x, h before), of a GRU. */
static void times_reset(const struct steps *m, size_t d, const float *x, const float *h,
                        float *to)
{
    const size_t rows = m->gates * m->hidden;

    for (size_t u = 0; u < m->hidden && !m->reset_is_one; u++) {
        const size_t row = m->hidden + u, at = d * rows + row;
        double z =
            dot(m->w + at * m->input, x, m->input) + dot(m->r + at * m->hidden, h, m->hidden);
        if (m->b)
            z += (double)m->b[d * 2 * rows + row] + (double)m->b[d * 2 * rows + rows + row];
        to[u] = (float)((double)to[u] / (1.0 + exp(-z)));
    }
}

/* Step number `i` of all sequences one after the other, each in its direction's order. */
static void steps_get(const struct look *k, const struct spacc_prune_block *b, size_t i,
                      float *to)
{
    const struct steps *m = &k->rnn;
    const bool reverse = m->reverse || b->direction == 1;
    size_t sequence = 0;

    for (; i >= length_of(m, sequence); sequence++)
        i -= length_of(m, sequence);
    const size_t t = reverse ? length_of(m, sequence) - 1 - i : i;
    const float *x = x_at(m, t, sequence), *h = h_before(m, i, b->direction, sequence);
    float *h_to = to + (b->part[0] ? m->input : 0);

    if (b->part[0])
        memcpy(to, x, m->input * sizeof(*to));
    if (!b->part[1])
        return;
    if (h)
        memcpy(h_to, h, m->hidden * sizeof(*to));
    else
        memset(h_to, 0, m->hidden * sizeof(*to));
    if (b->reset && h)
        times_reset(m, b->direction, x, h, h_to);
}

/* ---- any of them ------------------------------------------------------------- */

static enum spacc_prune_kind kind_of(const struct spacc_prune_block *b)
{
    return (b->part[0] ? b->part[0] : b->part[1])->kind;
}

static size_t count_of(const struct look *k, const struct spacc_prune_block *b)
{
    switch (kind_of(b)) {
    case SPACC_KIND_PRODUCT: return product_count(k, b);
    case SPACC_KIND_CONV: return conv_count(k);
    default: return steps_count(k);
    }
}

static void get(const struct look *k, const struct spacc_prune_block *b, size_t i, float *to)
{
    switch (kind_of(b)) {
    case SPACC_KIND_PRODUCT: product_get(k, b, i, to); return;
    case SPACC_KIND_CONV: conv_get(k, b, i, to); return;
    default: steps_get(k, b, i, to); return;
    }
}

/* All of `limit` that are chosen are i * count / limit: evenly spaced. was: NULL, or the same
 * node in the model as it was. */
static enum spacc_status observe_block(struct look *k, const struct look *was,
                                       struct spacc_gram *gram,
                                       const struct spacc_prune_block *b, size_t limit)
{
    const size_t count = count_of(k, b), take = count < limit ? count : limit;
    const size_t room = take < CHUNK ? take : CHUNK;
    float *x = malloc((room * b->cols + 1) * 2 * sizeof(*x)), *before = x + room * b->cols;
    enum spacc_status s = x ? SPACC_OK : no_memory(k);

    for (size_t at = 0; at < take && !s; at += room) {
        const size_t now = take - at < room ? take - at : room;
        for (size_t i = 0; i < now; i++) {
            get(k, b, (at + i) * count / take, x + i * b->cols);
            if (was)
                get(was, b, (at + i) * count / take, before + i * b->cols);
        }
        s = was ? spacc_gram_add_drift(gram, before, x, now, k->err)
                : spacc_gram_add(gram, x, now, k->err);
        if (s)
            s = spacc_fail_in(k->err, s, "%s: node %s: its inputs", k->g->file, k->node->name);
    }
    free(x);
    return s;
}

/* What all blocks of a node share. */
static enum spacc_status begin(struct look *k, int node, enum spacc_prune_kind kind)
{
    enum spacc_status s = spacc_node_check(k->g, node, k->in, k->err);

    if (s || kind == SPACC_KIND_PRODUCT)
        return s;
    if (kind == SPACC_KIND_CONV)
        return plan_conv(k);
    if (!(s = run_layer(k)))
        read_steps(k);
    return s;
}

enum spacc_status spacc_observe(struct spacc_gram *const *gram,
                                const struct spacc_prune_block *block, size_t blocks,
                                const struct spacc_graph *g, int node,
                                const struct spacc_tensor *const *in,
                                const struct spacc_tensor *const *was, size_t limit,
                                struct spacc_error *err)
{
    struct spacc_error own = {.text = ""};
    struct look k = {.g = g, .node = &g->node[node], .in = in, .err = &own};
    struct look before = {.g = g, .node = &g->node[node], .in = was, .err = &own};
    enum spacc_status s = blocks ? begin(&k, node, kind_of(&block[0])) : SPACC_OK;

    if (blocks && was && !s)
        s = begin(&before, node, kind_of(&block[0]));
    for (size_t i = 0; i < blocks && !s; i++)
        s = observe_block(&k, was ? &before : NULL, gram[i], &block[i], limit);
    spacc_tensor_free(before.y);
    spacc_tensor_free(k.y);
    if (s && err)
        *err = own;
    return s;
}
