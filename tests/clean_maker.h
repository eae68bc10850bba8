/* clean_maker.h - small graphs for tests of clean-up, and the two of each: as written, and
 * cleaned. */
#ifndef SPACC_TESTS_CLEAN_MAKER_H
#define SPACC_TESTS_CLEAN_MAKER_H

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

#include "models/clean.h"
#include "models/onnx.h"
#include "models/op.h"
#include "models/run.h"
#include "tests/onnx_maker.h"

enum { CLEAN_TENSORS_MAX = 16 };

#define DIMS(...)                                                                \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]) \
    {                                                                            \
        __VA_ARGS__                                                              \
    }

static uint32_t clean_seed = 1;

static inline uint32_t clean_random(uint32_t below)
{
    clean_seed = clean_seed * 1664525u + 1013904223u;
    return (clean_seed >> 8) % below;
}

static inline float clean_number(void)
{
    return (float)clean_random(2001) / 1000.0f - 1.0f;
}

/* ---- writing ---- */

static inline struct maker with_ints(struct maker node, const char *name, int count,
                                     const int64_t *values)
{
    struct maker a = {0};
    put_text(&a, ATTR_NAME, name);
    for (int i = 0; i < count; i++)
        put_int(&a, 8, values[i]);
    put_int(&a, ATTR_TYPE, 7);
    put_message(&node, NODE_ATTR, a);
    return node;
}

static inline struct maker with_int(struct maker node, const char *name, int64_t value)
{
    put_message(&node, NODE_ATTR, make_attr_int(name, value));
    return node;
}

static inline void add(struct maker *g, struct maker node)
{
    put_message(g, GRAPH_NODE, node);
}

static inline void op(struct maker *g, const char *name, const char *in, const char *out)
{
    add(g, make_node(name, "", in, out));
}

static inline void ints(struct maker *g, const char *name, int count, const int64_t *values)
{
    put_message(g, GRAPH_INITIALISER, make_ints(name, count, values));
}

/* One number for all, or random ones for NAN. */
static inline void floats(struct maker *g, const char *name, float all, int rank,
                          const int64_t *dims)
{
    size_t count = 1;

    for (int d = 0; d < rank; d++)
        count *= (size_t)dims[d];
    float *v = malloc((count + 1) * sizeof(*v));
    for (size_t i = 0; i < count; i++)
        v[i] = isnan(all) ? clean_number() : all;
    put_message(g, GRAPH_INITIALISER, make_tensor(name, 1, rank, dims, v, count * sizeof(*v)));
    free(v);
}

static inline void input(struct maker *g, const char *name, int rank, const int64_t *dims)
{
    put_message(g, GRAPH_INPUT, make_info(name, 1, rank, dims));
}

/* Of a type and shape that the file does not tell. */
static inline void output(struct maker *g, const char *name)
{
    put_message(g, GRAPH_OUTPUT, make_info(name, 0, 0, NULL));
}

/* ---- before and after ---- */

struct both {
    struct spacc_graph *plain, *clean;
    struct spacc_clean_report r;
};

/* Takes `graph` over. */
static inline struct both both_of(struct maker graph, int opset)
{
    struct maker m = make_model(graph, 8, opset);
    struct spacc_error err = {.text = ""};
    struct both b;

    if (spacc_onnx_parse(&b.plain, m.bytes, m.used, "g.onnx", &err) != SPACC_OK ||
        spacc_onnx_parse(&b.clean, m.bytes, m.used, "g.onnx", &err) != SPACC_OK ||
        spacc_graph_clean(b.clean, &b.r, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    free(m.bytes);
    return b;
}

static inline void both_free(struct both *b)
{
    spacc_graph_free(b->plain);
    spacc_graph_free(b->clean);
}

static inline int count_op(const struct spacc_graph *g, const char *name)
{
    int count = 0;

    for (int n = 0; n < g->nodes; n++)
        count += strcmp(g->node[n].op->name, name) == 0;
    return count;
}

/* Random contents; a dimension that is open has 3 elements. */
static inline struct spacc_tensor *random_input(const struct spacc_value *v)
{
    int64_t dims[SPACC_RANK_MAX];
    struct spacc_tensor *t;

    for (int d = 0; d < v->rank; d++)
        dims[d] = v->dims[d] < 0 ? 3 : v->dims[d];
    assert_int_equal(spacc_tensor_new(&t, v->dtype, v->rank, dims), SPACC_OK);
    for (size_t i = 0; i < t->count && t->dtype == SPACC_F32; i++)
        ((float *)t->data)[i] = clean_number();
    return t;
}

static inline void run_graph(const struct spacc_graph *g, struct spacc_tensor *const *in,
                             struct spacc_tensor **out)
{
    struct spacc_error err = {.text = ""};

    assert_true(g->inputs <= CLEAN_TENSORS_MAX && g->outputs <= CLEAN_TENSORS_MAX);
    if (spacc_graph_run(g, (const struct spacc_tensor *const *)in, out, NULL, &err) != SPACC_OK)
        fail_msg("%s", err.text);
}

/* Both give the same within `tolerance` relative to max(1, |y|); 0: bit for bit. */
static inline void expect_same(const struct both *b, double tolerance)
{
    struct spacc_tensor *in[CLEAN_TENSORS_MAX], *x[CLEAN_TENSORS_MAX], *y[CLEAN_TENSORS_MAX];

    assert_int_equal(b->plain->inputs, b->clean->inputs);
    assert_int_equal(b->plain->outputs, b->clean->outputs);
    for (int i = 0; i < b->plain->inputs; i++)
        in[i] = random_input(&b->plain->value[b->plain->input[i]]);
    run_graph(b->plain, in, x);
    run_graph(b->clean, in, y);
    for (int o = 0; o < b->plain->outputs; o++) {
        assert_string_equal(b->plain->value[b->plain->output[o]].name,
                            b->clean->value[b->clean->output[o]].name);
        assert_true(spacc_tensor_same_shape(x[o], y[o]));
        if (tolerance == 0.0)
            assert_memory_equal(x[o]->data, y[o]->data,
                                x[o]->count * spacc_dtype_bytes(x[o]->dtype));
        for (size_t i = 0; i < x[o]->count; i++) {
            const double want = spacc_tensor_element(x[o], i);
            const double e = fabs(spacc_tensor_element(y[o], i) - want);
            if (!(e <= tolerance * fmax(1.0, fabs(want))))
                fail_msg("output %d: element %zu differs by %g (seed %u)", o, i, e, clean_seed);
        }
        spacc_tensor_free(x[o]);
        spacc_tensor_free(y[o]);
    }
    for (int i = 0; i < b->plain->inputs; i++)
        spacc_tensor_free(in[i]);
}

/* A graph that clean-up leaves with `nodes` nodes and the same results. */
static inline struct spacc_clean_report expect_nodes(struct maker graph, int opset, int nodes,
                                                     double tolerance)
{
    struct both b = both_of(graph, opset);
    const struct spacc_clean_report r = b.r;

    for (int n = 0; b.clean->nodes != nodes && n < b.clean->nodes; n++)
        printf("left: %s\n", b.clean->node[n].name);
    assert_int_equal(b.clean->nodes, nodes);
    assert_int_equal(r.nodes_before, b.plain->nodes);
    assert_int_equal(r.nodes_after, nodes);
    expect_same(&b, tolerance);
    both_free(&b);
    return r;
}

#endif
