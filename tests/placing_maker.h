/* placing_maker.h - graphs with what it takes to place them: a plan, profiles that were made up
 * and, where this machine has one, an OpenCL device. */
#ifndef SPACC_TESTS_PLACING_MAKER_H
#define SPACC_TESTS_PLACING_MAKER_H

#include "host/placing.h"
#include "tests/engine_maker.h"

/* A graph to be placed; `ask` is the test's to change. */
struct placed {
    struct spacc_graph *g;
    struct example x;
    struct spacc_plan *plan;
    struct spacc_profile *cpu, *gpu;
    int *pin;
    struct spacc_placing_ask ask;
    struct spacc_placing *p;
    struct spacc_error err;
};

/* Nothing was measured: prices are a roofline of these peaks. */
static inline struct spacc_profile *made_up_profile(double macs_per_us, double bytes_per_us)
{
    struct spacc_profile *p = calloc(1, sizeof(*p));

    assert_non_null(p);
    p->link = (struct spacc_link){.launch_us = 1.0,
                                  .sync_us = 1.0,
                                  .to_us = 1.0,
                                  .from_us = 1.0,
                                  .to_bytes_per_us = 1000.0,
                                  .from_bytes_per_us = 1000.0,
                                  .peak_macs_per_us = macs_per_us,
                                  .peak_bytes_per_us = bytes_per_us};
    p->power = (struct spacc_power){.idle_w = 1.0, .busy_w = 10.0, .source = "made up"};
    return p;
}

/* Takes `graph` over. gpu may be NULL. */
static inline struct placed placed_of(struct maker graph, struct spacc_gpu *gpu)
{
    struct placed w = {.g = graph_of(graph, 13)};

    w.x = example_of(w.g);
    assert_int_equal(spacc_plan_new(&w.plan, w.g, &w.err), SPACC_OK);
    w.cpu = made_up_profile(1e4, 1e4);
    w.gpu = made_up_profile(1e5, 1e5);
    w.pin = malloc((w.plan->nodes + 1) * sizeof(*w.pin));
    assert_non_null(w.pin);
    for (size_t i = 0; i < w.plan->nodes; i++)
        w.pin[i] = -1;
    w.ask = (struct spacc_placing_ask){.plan = w.plan,
                                       .g = w.g,
                                       .input = NULL,
                                       .engine = {.cpu = spacc_cpu_features()},
                                       .cpu = w.cpu,
                                       .gpu = gpu,
                                       .gpu_profile = gpu ? w.gpu : NULL,
                                       .all_on = -1,
                                       .pin = w.pin,
                                       .gate = 1.0};
    return w;
}

static inline enum spacc_status try_to_place(struct placed *w)
{
    spacc_placing_free(w->p);
    w->ask.input = inputs_of(&w->x);
    w->err.text[0] = '\0';
    return spacc_placing_new(&w->p, &w->ask, &w->err);
}

static inline void place(struct placed *w)
{
    if (try_to_place(w) != SPACC_OK)
        fail_msg("%s", w->err.text);
}

static inline void placed_free(struct placed *w)
{
    spacc_placing_free(w->p);
    spacc_plan_free(w->plan);
    spacc_profile_free(w->cpu);
    spacc_profile_free(w->gpu);
    free(w->pin);
    example_free(&w->x);
    spacc_graph_free(w->g);
}

/* The number of the node that makes this value. */
static inline int maker_of(const struct placed *w, const char *value)
{
    for (int v = 0; v < w->g->values; v++)
        if (w->g->value[v].name && strcmp(w->g->value[v].name, value) == 0)
            return w->g->value[v].producer;
    fail_msg("no value %s", value);
    return -1;
}

static inline int task_of(const struct placed *w, const char *value)
{
    return w->p->task[maker_of(w, value)];
}

static inline enum spacc_where where_of(const struct placed *w, const char *value)
{
    return spacc_placing_where(w->p, (size_t)maker_of(w, value));
}

/* x float32[16,32] through MatMul and Tanh, and through another MatMul and Relu; their sum. */
static inline struct maker two_towers(void)
{
    struct maker g = {0};

    input(&g, "x", DIMS(16, 32));
    weights(&g, "w", 32, DIMS(32, 32));
    weights(&g, "v", 32, DIMS(32, 32));
    add(&g, make_node("MatMul", "left", "x w", "a"));
    add(&g, make_node("Softmax", "soft", "a", "b"));
    add(&g, make_node("MatMul", "right", "x v", "c"));
    add(&g, make_node("Softmax", "softer", "c", "d"));
    add(&g, make_node("Add", "sum", "b d", "y"));
    output(&g, "y");
    return g;
}

/* Element-wise nodes v1 .. v15, each reading any two values before it, one in eight a view. */
static inline struct maker random_nodes(uint32_t seed)
{
    static const char *const ops[] = {"Add", "Mul", "Sub", "Max", "Min"};
    const int64_t shape[] = {3, 20};
    struct maker m = {0};

    clean_seed = seed;
    input(&m, "v0", DIMS(3, 20));
    ints(&m, "shape", 2, shape);
    for (int n = 1; n < 16; n++) {
        char in[32], out[16];
        const uint32_t kind = clean_random(8);
        const uint32_t a = clean_random((uint32_t)n), b = clean_random((uint32_t)n);
        snprintf(out, sizeof(out), "v%d", n);
        if (kind == 0)
            snprintf(in, sizeof(in), "v%u shape", a);
        else if (kind == 1)
            snprintf(in, sizeof(in), "v%u", a);
        else
            snprintf(in, sizeof(in), "v%u v%u", a, b);
        op(&m, kind == 0 ? "Reshape" : kind == 1 ? "Tanh" : ops[clean_random(5)], in, out);
    }
    output(&m, "v15");
    output(&m, "v9");
    return m;
}

#endif
