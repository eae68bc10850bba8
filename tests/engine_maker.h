/* engine_maker.h - graphs for tests of the CPU engine, and the reference to compare with. */
#ifndef SPACC_TESTS_ENGINE_MAKER_H
#define SPACC_TESTS_ENGINE_MAKER_H

#include "host/cpu/engine.h"
#include "sparse/cpu.h"
#include "tests/clean_maker.h"

/* Random weights of which `sums` many are added up. */
static inline void weights(struct maker *g, const char *name, size_t sums, int rank,
                           const int64_t *dims)
{
    float *v;
    size_t count = 1;

    for (int d = 0; d < rank; d++)
        count *= (size_t)dims[d];
    v = malloc((count + 1) * sizeof(*v));
    for (size_t i = 0; i < count; i++)
        v[i] = clean_number() / sqrtf((float)sums / 3.0f);
    put_message(g, GRAPH_INITIALISER, make_tensor(name, 1, rank, dims, v, count * sizeof(*v)));
    free(v);
}

static inline struct maker with_text(struct maker node, const char *name, const char *text)
{
    struct maker a = {0};

    put_text(&a, ATTR_NAME, name);
    put_text(&a, ATTR_S, text);
    put_int(&a, ATTR_TYPE, 3);
    put_message(&node, NODE_ATTR, a);
    return node;
}

static inline struct spacc_graph *graph_of(struct maker graph, int opset)
{
    struct maker m = make_model(graph, 8, opset);
    struct spacc_error err = {.text = ""};
    struct spacc_graph *g;

    if (spacc_onnx_parse(&g, m.bytes, m.used, "g.onnx", &err) != SPACC_OK)
        fail_msg("%s", err.text);
    free(m.bytes);
    return g;
}

/* Inputs, and outputs of the reference. */
struct example {
    struct spacc_tensor *in[CLEAN_TENSORS_MAX], *before[CLEAN_TENSORS_MAX];
    struct spacc_tensor *want[CLEAN_TENSORS_MAX];
};

static inline struct example example_of(const struct spacc_graph *g)
{
    struct example x = {.in = {NULL}};

    assert_true(g->inputs <= CLEAN_TENSORS_MAX);
    for (int i = 0; i < g->inputs; i++) {
        x.in[i] = random_input(&g->value[g->input[i]]);
        assert_int_equal(spacc_tensor_copy(&x.before[i], x.in[i]), SPACC_OK);
    }
    run_graph(g, x.in, x.want);
    return x;
}

static inline void example_free(struct example *x)
{
    for (int i = 0; i < CLEAN_TENSORS_MAX; i++) {
        spacc_tensor_free(x->in[i]);
        spacc_tensor_free(x->before[i]);
        spacc_tensor_free(x->want[i]);
    }
}

static inline const struct spacc_tensor *const *inputs_of(const struct example *x)
{
    return (const struct spacc_tensor *const *)x->in;
}

/* Within 1e-4 of the largest element of `want`; of 1 when that is less. */
static inline bool is_close(const struct spacc_tensor *got, const struct spacc_tensor *want)
{
    double scale = 1.0;

    if (!spacc_tensor_same_shape(got, want))
        return false;
    for (size_t i = 0; i < want->count; i++)
        scale = fmax(scale, fabs(spacc_tensor_element(want, i)));
    for (size_t i = 0; i < want->count; i++)
        if (!(fabs(spacc_tensor_element(got, i) - spacc_tensor_element(want, i)) <=
              1e-4 * scale))
            return false;
    return true;
}

static inline bool same_bits(const struct spacc_tensor *a, const struct spacc_tensor *b)
{
    return spacc_tensor_same_shape(a, b) &&
           (a->count == 0 ||
            memcmp(a->data, b->data, a->count * spacc_dtype_bytes(a->dtype)) == 0);
}

#endif
