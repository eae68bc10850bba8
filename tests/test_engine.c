/* The CPU engine against the plain reference and against outputs of ONNX Runtime, on every
 * model; twice in a row, and with another number of threads the same bits. */
#include <math.h>
#include <stdlib.h>

#include "host/cpu/engine.h"
#include "models/op.h"
#include "sparse/cpu.h"
#include "tests/golden_model.h"

/* Relative to max(1, |golden|). */
static const double tolerance = 1e-4;

static double element(const struct spacc_tensor *t, size_t i)
{
    switch (t->dtype) {
    case SPACC_F32: return (double)((const float *)t->data)[i];
    case SPACC_F64: return ((const double *)t->data)[i];
    case SPACC_I64: return (double)((const int64_t *)t->data)[i];
    case SPACC_I32: return (double)((const int32_t *)t->data)[i];
    case SPACC_U8: return (double)((const uint8_t *)t->data)[i];
    default: return (double)((const int8_t *)t->data)[i];
    }
}

/* Largest error relative to max(1, |want|); infinite for another shape. */
static double distance(const struct spacc_tensor *got, const struct spacc_tensor *want)
{
    double worst = 0.0;

    if (!spacc_tensor_same_shape(got, want))
        return INFINITY;
    for (size_t i = 0; i < want->count; i++) {
        const double a = element(got, i), b = element(want, i);
        const double d = fabs(a - b) / fmax(1.0, fabs(b));
        if (isnan(d) && !(isnan(a) && isnan(b)))
            return INFINITY;
        worst = fmax(worst, d);
    }
    return worst;
}

static void free_all(struct spacc_tensor **t)
{
    for (int i = 0; i < TENSORS_MAX; i++) {
        spacc_tensor_free(t[i]);
        t[i] = NULL;
    }
}

/* ---- before a Softmax --------------------------------------------------------------
 *
 * The light models have one number for all weights: their logits are 1000 times the same and
 * around 1e7, so the last bit of a float decides their softmax. What is compared then is what
 * the softmax has got: log(want) is the same up to one number that is added to all. */

struct logits {
    int value;
    struct spacc_tensor *t;
};

static bool sees_logits(void *user, const struct spacc_graph *g, int value)
{
    (void)g;
    return value == ((const struct logits *)user)->value;
}

static void keep_logits(void *user, const struct spacc_graph *g, int value,
                        const struct spacc_tensor *t)
{
    struct logits *l = user;

    if (value == l->value && g->parent == NULL && !l->t && spacc_tensor_copy(&l->t, t))
        fail_msg("no memory");
}

/* What the Softmax that makes output o over all it is given reads, or -1. */
static int logits_of(const struct spacc_graph *g, int o)
{
    const int n = g->value[g->output[o]].producer;

    return n >= 0 && strcmp(g->node[n].op->name, "Softmax") == 0 ? g->node[n].input[0] : -1;
}

/* Largest difference between the two, less that of the first, relative to the largest logit. */
static double logits_distance(const struct spacc_tensor *logits,
                              const struct spacc_tensor *want)
{
    double worst = 0.0, scale = 1.0;

    if (logits->count != want->count || want->dims[0] != 1 ||
        want->count != (size_t)want->dims[1])
        return INFINITY;
    for (size_t i = 0; i < want->count; i++) {
        const double l = element(logits, i) - element(logits, 0);
        const double w = log(element(want, i)) - log(element(want, 0));
        worst = fmax(worst, isfinite(l - w) ? fabs(l - w) : INFINITY);
        scale = fmax(scale, fabs(element(logits, i)));
    }
    return worst / scale;
}

static double distance_before(const struct golden *c, int o)
{
    struct logits l = {.value = logits_of(c->g, o)};
    const struct spacc_engine_options options = {
        .cpu = spacc_cpu_features(), .sees = sees_logits, .user = &l};
    const struct spacc_run_hooks hooks = {.value = keep_logits, .user = &l};
    const struct spacc_tensor *const *in = (const struct spacc_tensor *const *)c->input;
    struct spacc_tensor *out[TENSORS_MAX] = {NULL};
    struct spacc_error err = {.text = ""};
    struct spacc_engine *e;

    if (l.value < 0)
        return INFINITY;
    if (spacc_engine_new(&e, c->g, in, &options, &err) ||
        spacc_engine_run(e, in, out, &hooks, &err))
        fail_msg("%s", err.text);
    const double d = l.t ? logits_distance(l.t, c->want[o]) : INFINITY;
    printf("%s: before the softmax of output %d off by %g\n", c->set + sizeof(MODELS), o, d);
    free_all(out);
    spacc_tensor_free(l.t);
    spacc_engine_free(e);
    return d;
}

static void print_kernels(const struct spacc_engine *e, const struct spacc_graph *g)
{
    const struct spacc_engine_totals t = spacc_engine_totals(e);
    size_t reference = 0, joined = 0, gone = 0;

    for (int n = 0; n < g->nodes; n++) {
        const struct spacc_engine_node d = spacc_engine_describe(e, n);
        reference += strcmp(d.kernel, "reference") == 0;
        joined += d.joined != n;
        gone += strcmp(d.kernel, "view") == 0 || strcmp(d.kernel, "constant") == 0 ||
                strcmp(d.kernel, "dead") == 0;
    }
    printf("%d nodes: %zu steps, %zu reference, %zu joined, %zu need nothing; arena %zu of %zu "
           "bytes, %zu on the heap\n",
           g->nodes, t.steps, reference, joined, gone, t.arena_bytes, t.values_bytes,
           t.heap_values);
}

static void check_golden(struct golden *c, const char *what)
{
    const struct spacc_engine_options options = {.cpu = spacc_cpu_features()};
    struct spacc_tensor *got[TENSORS_MAX] = {NULL}, *again[TENSORS_MAX] = {NULL};
    const struct spacc_tensor *const *in = (const struct spacc_tensor *const *)c->input;
    struct spacc_error err = {.text = ""};
    struct spacc_engine *e;

    if (spacc_engine_new(&e, c->g, in, &options, &err) ||
        spacc_engine_run(e, in, got, NULL, &err) || spacc_engine_run(e, in, again, NULL, &err))
        fail_msg("%s", err.text);
    printf("%s, %s: ", c->set + sizeof(MODELS), what);
    print_kernels(e, c->g);
    for (int o = 0; o < c->g->outputs && !is_random(c->g); o++) {
        const double d = c->want[o] ? distance(got[o], c->want[o]) : 0.0;
        if (!(d <= tolerance) && !(distance_before(c, o) <= tolerance))
            fail_msg("%s: output %d is off by %g", c->set, o, d);
        assert_memory_equal(got[o]->data, again[o]->data,
                            got[o]->count * spacc_dtype_bytes(got[o]->dtype));
    }
    free_all(got);
    free_all(again);
    spacc_engine_free(e);
}

/* As they are; cleaned is test_models.c. */
static void check_raw(struct golden *c)
{
    check_golden(c, "as it is");
}

static void every_model_gives_its_golden_outputs(void **state)
{
    (void)state;
    for_golden(false, check_raw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_model_gives_its_golden_outputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
