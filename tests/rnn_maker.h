/* rnn_maker.h - small recurrent ONNX models with random weights, for tests of sessions. */
#ifndef SPACC_TESTS_RNN_MAKER_H
#define SPACC_TESTS_RNN_MAKER_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "models/io.h"
#include "models/tensor.h"
#include "tests/onnx_maker.h"

struct rnn_model {
    const char *op; /* "LSTM" or "GRU" */
    int layers;     /* one after the other, by Squeeze */
    int64_t inputs, hidden;
    const char *direction; /* NULL: forward */
    int layout, linear_before_reset;
    bool states;     /* inputs h0 (and c0) of the first layer, outputs hn (and cn) */
    bool lens;       /* input lens: int32[1] */
    bool handover;   /* the second layer starts with the last h of the first */
    bool late_state; /* the second layer starts with input h1, by a node in between */
    float peephole;  /* LSTM: all peepholes, when not 0 */
    bool nan;        /* W[0,1,2] of the first layer */
    const char *act; /* of the candidate (and LSTM output), or NULL */
    int64_t matmul;  /* columns of a MatMul behind, or 0 */
};

static uint32_t rnn_seed = 7;

static float rnn_random(float scale)
{
    rnn_seed = rnn_seed * 1664525u + 1013904223u;
    return scale * ((float)(rnn_seed >> 8) / 8388608.0f - 1.0f);
}

static float *rnn_randoms(size_t count, float scale)
{
    float *v = malloc((count + 1) * sizeof(*v));

    for (size_t i = 0; i < count; i++)
        v[i] = rnn_random(scale);
    return v;
}

static void rnn_weights(struct maker *g, const char *name, int layer, int rank,
                        const int64_t *dims, float scale, float nan_at_2)
{
    size_t count = 1;
    char full[48];

    for (int d = 0; d < rank; d++)
        count *= (size_t)dims[d];
    float *v = rnn_randoms(count, scale);
    if (isnan(nan_at_2))
        v[dims[2] + 2] = nan_at_2;
    snprintf(full, sizeof(full), "%s%d", name, layer);
    put_message(g, GRAPH_INITIALISER, make_tensor(full, 1, rank, dims, v, count * sizeof(*v)));
    free(v);
}

static struct maker rnn_attr_text(const char *name, const char *text)
{
    struct maker m = {0};
    put_text(&m, ATTR_NAME, name);
    put_text(&m, ATTR_S, text);
    put_int(&m, ATTR_TYPE, 3);
    return m;
}

static struct maker rnn_attr_acts(const struct rnn_model *r, int directions)
{
    struct maker m = {0};
    put_text(&m, ATTR_NAME, "activations");
    for (int d = 0; d < directions; d++) {
        put_text(&m, 9, "Sigmoid");
        put_text(&m, 9, r->act);
        if (strcmp(r->op, "LSTM") == 0)
            put_text(&m, 9, r->act);
    }
    put_int(&m, ATTR_TYPE, 8);
    return m;
}

static int rnn_directions(const struct rnn_model *r)
{
    return r->direction && strcmp(r->direction, "bidirectional") == 0 ? 2 : 1;
}

static void rnn_layer(struct maker *g, const struct rnn_model *r, int layer)
{
    const bool lstm = strcmp(r->op, "LSTM") == 0, first = layer == 0;
    const int64_t d = rnn_directions(r), gates = lstm ? 4 : 3, h = r->hidden;
    const int64_t inputs = first ? r->inputs : h;
    const int64_t w[] = {d, gates * h, inputs}, rr[] = {d, gates * h, h},
                  b[] = {d, 2 * gates * h};
    const float scale = 1.5f / sqrtf((float)(inputs + h));
    char in[160], out[96], name[24];

    rnn_weights(g, "W", layer, 3, w, scale, first && r->nan ? NAN : 0.0f);
    rnn_weights(g, "R", layer, 3, rr, scale, 0.0f);
    rnn_weights(g, "B", layer, 2, b, 0.3f, 0.0f);
    char x[16] = "x";
    if (!first)
        snprintf(x, sizeof(x), "s%d", layer);
    const bool other = layer == 1 && (r->handover || r->late_state);
    snprintf(in, sizeof(in), "%s W%d R%d B%d %s %s%s", x, layer, layer, layer,
             r->lens ? "lens" : "-",
             first && r->states ? "h0"
             : other            ? "hh"
                                : "-",
             !lstm                ? ""
             : first && r->states ? " c0"
                                  : " -");
    if (lstm && r->peephole != 0.0f) {
        const int64_t p[] = {d, 3 * h};
        rnn_weights(g, "P", layer, 2, p, r->peephole, 0.0f);
        snprintf(in + strlen(in), sizeof(in) - strlen(in), " P%d", layer);
    }
    snprintf(out, sizeof(out), "y%d%s%s", layer,
             first && (r->states || r->handover) ? " hn" : "",
             first && r->states && lstm ? " cn" : "");
    snprintf(name, sizeof(name), "rnn%d", layer);
    struct maker n = make_node(r->op, name, in, out);
    put_message(&n, NODE_ATTR, make_attr_int("hidden_size", h));
    if (r->direction)
        put_message(&n, NODE_ATTR, rnn_attr_text("direction", r->direction));
    if (r->layout)
        put_message(&n, NODE_ATTR, make_attr_int("layout", 1));
    if (r->linear_before_reset)
        put_message(&n, NODE_ATTR, make_attr_int("linear_before_reset", 1));
    if (r->act)
        put_message(&n, NODE_ATTR, rnn_attr_acts(r, (int)d));
    put_message(g, GRAPH_NODE, n);
}

static void rnn_info(struct maker *g, int field, const char *name, int type, int rank,
                     const int64_t *dims)
{
    put_message(g, field, make_info(name, type, rank, dims));
}

/* Write the model; input x is float32[?,?,inputs]. */
static void rnn_write(const char *file, const struct rnn_model *r)
{
    const bool lstm = strcmp(r->op, "LSTM") == 0;
    const int64_t axis = 1, x[] = {-2, -2, r->inputs}, y[] = {-2, -2, -2, -2};
    const int64_t state[] = {-2, -2, r->hidden}, lens[] = {-2};
    struct maker g = {0}, m;
    struct spacc_error err = {0};
    char last[16], from[16];

    put_message(&g, GRAPH_INITIALISER, make_ints("axis", 1, &axis));
    for (int i = 0; i < r->layers; i++) {
        rnn_layer(&g, r, i);
        snprintf(from, sizeof(from), "y%d", i);
        snprintf(last, sizeof(last), "s%d", i + 1);
        if (i == 0 && (r->handover || r->late_state))
            put_message(&g, GRAPH_NODE,
                        make_node("Identity", "", r->handover ? "hn" : "h1", "hh"));
        if (i + 1 < r->layers) {
            char in[40];
            snprintf(in, sizeof(in), "%s axis", from);
            put_message(&g, GRAPH_NODE, make_node("Squeeze", "", in, last));
        }
    }
    if (r->matmul) {
        const int64_t dims[] = {r->hidden, r->matmul};
        char in[40];
        rnn_weights(&g, "M", 0, 2, dims, 0.4f, 0.0f);
        snprintf(in, sizeof(in), "%s M0", from);
        put_message(&g, GRAPH_NODE, make_node("MatMul", "dense", in, "out"));
    }
    put_text(&g, GRAPH_NAME, "g");
    rnn_info(&g, GRAPH_INPUT, "x", 1, 3, x);
    if (r->lens)
        rnn_info(&g, GRAPH_INPUT, "lens", 6, 1, lens);
    if (r->states)
        rnn_info(&g, GRAPH_INPUT, "h0", 1, 3, state);
    if (r->states && lstm)
        rnn_info(&g, GRAPH_INPUT, "c0", 1, 3, state);
    if (r->late_state)
        rnn_info(&g, GRAPH_INPUT, "h1", 1, 3, state);
    rnn_info(&g, GRAPH_OUTPUT, r->matmul ? "out" : from, 1, 4, y);
    if (r->states)
        rnn_info(&g, GRAPH_OUTPUT, "hn", 1, 3, state);
    if (r->states && lstm)
        rnn_info(&g, GRAPH_OUTPUT, "cn", 1, 3, state);
    m = make_model(g, 8, 14);
    if (spacc_file_write(file, m.bytes, m.used, &err)) {
        printf("%s\n", err.text);
        abort();
    }
    free(m.bytes);
}

static struct spacc_tensor *rnn_tensor(int rank, const int64_t *dims, float scale)
{
    struct spacc_tensor *t;

    if (spacc_tensor_new(&t, SPACC_F32, rank, dims))
        abort();
    for (size_t i = 0; i < t->count; i++)
        ((float *)t->data)[i] = rnn_random(scale);
    return t;
}

#endif
