/* Element-wise operators in float: loops that compilers turn into vectors, broadcasting worked
 * out once, results in place where the input is not needed any more. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/cpu/kernels.h"
#include "host/cpu/pointwise.h"
#include "models/ops_util.h"

/* One row: `count` results; steps of 0 repeat an operand. */
typedef void (*binary_fn)(float *y, const float *a, int64_t a_step, const float *b,
                          int64_t b_step, size_t count);
typedef void (*unary_fn)(const struct spacc_unary *u, float *y, const float *x, size_t count);

struct pointwise {
    binary_fn binary;
    struct spacc_unary unary;
    int a, b, y;            /* slots; b -1 for one input */
    struct spacc_walk walk; /* of a and b over the result */
};

/* ---- rows ------------------------------------------------------------------------- */

#define BINARY(name, op)                                                                       \
    static void name(float *y, const float *a, int64_t a_step, const float *b, int64_t b_step, \
                     size_t count)                                                             \
    {                                                                                          \
        if (a_step == 1 && b_step == 1)                                                        \
            for (size_t i = 0; i < count; i++)                                                 \
                y[i] = a[i] op b[i];                                                           \
        else if (a_step == 1 && b_step == 0)                                                   \
            for (size_t i = 0; i < count; i++)                                                 \
                y[i] = a[i] op * b;                                                            \
        else if (a_step == 0 && b_step == 1)                                                   \
            for (size_t i = 0; i < count; i++)                                                 \
                y[i] = *a op b[i];                                                             \
        else                                                                                   \
            for (size_t i = 0; i < count; i++)                                                 \
                y[i] = a[(int64_t)i * a_step] op b[(int64_t)i * b_step];                       \
    }
BINARY(add, +)
BINARY(sub, -)
BINARY(mul, *)
BINARY(divide, /)

#define UNARY(name, expression)                                                           \
    static void name(const struct spacc_unary *u, float *y, const float *x, size_t count) \
    {                                                                                     \
        const float alpha = u->alpha, beta = u->beta;                                     \
        (void)alpha, (void)beta;                                                          \
        for (size_t i = 0; i < count; i++)                                                \
            y[i] = expression;                                                            \
    }
UNARY(relu, x[i] < 0.0f ? 0.0f : x[i])
UNARY(leaky_relu, (x[i] < 0.0f ? alpha : 1.0f) * x[i]) /* no branch: signs are random */
UNARY(clip, x[i]<alpha ? alpha : x[i]> beta ? beta : x[i])
UNARY(negate, -x[i])
UNARY(absolute, fabsf(x[i]))
UNARY(root, sqrtf(x[i]))
UNARY(square, x[i] * x[i])

static void sigmoid(const struct spacc_unary *u, float *y, const float *x, size_t count)
{
    u->cells->sigmoid(x, count, y);
}

static void tangent(const struct spacc_unary *u, float *y, const float *x, size_t count)
{
    u->cells->tanh(x, count, y);
}

static const struct {
    const char *op;
    binary_fn run;
} binaries[] = {{"Add", add}, {"Sub", sub}, {"Mul", mul}, {"Div", divide}};

static const struct {
    const char *op;
    unary_fn run;
    float alpha; /* default */
} unaries[] = {{"Relu", relu, 0.0f},   {"LeakyRelu", leaky_relu, 0.01f},
               {"Neg", negate, 0.0f},  {"Abs", absolute, 0.0f},
               {"Sqrt", root, 0.0f},   {"Sigmoid", sigmoid, 0.0f},
               {"Tanh", tangent, 0.0f}};

/* ---- run -------------------------------------------------------------------------- */

static enum spacc_status run(struct spacc_engine *e, struct spacc_cpu_step *s,
                             struct spacc_error *err)
{
    const struct pointwise *p = s->state;
    struct spacc_walk w = p->walk;
    const float *a = spacc_cpu_data(e, p->a), *b = spacc_cpu_data(e, p->b);
    float *y = spacc_cpu_data(e, p->y);

    (void)err;
    if (p->unary.run)
        p->unary.run(&p->unary, y, a, e->slot[p->y].t.count);
    else
        for (size_t row = 0; row < w.rows; row++, spacc_walk_next(&w), y += w.inner)
            p->binary(y, a + w.at[0], w.step[0], b + w.at[1], w.step[1], w.inner);
    return SPACC_OK;
}

/* ---- take ------------------------------------------------------------------------- */

static bool clip_bounds(struct spacc_unary *u, const struct spacc_cpu_build *b,
                        const struct spacc_node *node)
{
    const struct spacc_tensor *low = spacc_cpu_constant(b, node, 1);
    const struct spacc_tensor *high = spacc_cpu_constant(b, node, 2);

    if ((low && low->dtype != SPACC_F32) || (high && high->dtype != SPACC_F32))
        return false;
    for (int i = 1; i < node->inputs; i++)
        if (node->input[i] >= 0 && !spacc_cpu_constant(b, node, i))
            return false;
    u->alpha = low ? *(const float *)low->data : spacc_node_float(node, "min", -INFINITY);
    u->beta = high ? *(const float *)high->data : spacc_node_float(node, "max", INFINITY);
    u->run = u->alpha <= u->beta ? clip : NULL;
    return u->run != NULL;
}

/* Pow by a constant 2, which the library's pow takes fifty times as long for. */
static bool is_square(const struct spacc_cpu_build *b, const struct spacc_node *node)
{
    const struct spacc_tensor *e = spacc_cpu_constant(b, node, 1);

    return strcmp(node->op->name, "Pow") == 0 && e && e->dtype == SPACC_F32 && e->count == 1 &&
           *(const float *)e->data == 2.0f &&
           spacc_tensor_same_shape(spacc_cpu_shape(b, node->input[0]),
                                   spacc_cpu_shape(b, node->output[0]));
}

bool spacc_unary_of(struct spacc_unary *u, const struct spacc_cpu_build *b,
                    const struct spacc_node *node)
{
    *u = (struct spacc_unary){.cells = spacc_cell_kernel_pick(b->e->options.cpu)};
    if (strcmp(node->op->name, "Clip") == 0)
        return clip_bounds(u, b, node);
    if (is_square(b, node)) {
        u->run = square;
        return true;
    }
    for (size_t i = 0; i < sizeof(unaries) / sizeof(unaries[0]); i++)
        if (strcmp(node->op->name, unaries[i].op) == 0) {
            u->run = unaries[i].run;
            u->alpha = spacc_node_float(node, "alpha", unaries[i].alpha);
        }
    return u->run != NULL;
}

static bool find(const struct spacc_cpu_build *b, const struct spacc_node *node,
                 struct pointwise *p)
{
    for (size_t i = 0; i < sizeof(binaries) / sizeof(binaries[0]); i++)
        if (strcmp(node->op->name, binaries[i].op) == 0)
            p->binary = binaries[i].run;
    return p->binary || spacc_unary_of(&p->unary, b, node);
}

/* Numpy's broadcasting only: an old axis attribute is the reference's. */
static bool is_ours(const struct spacc_cpu_build *b, const struct spacc_node *node,
                    struct pointwise *p)
{
    *p = (struct pointwise){.b = -1};
    if (!find(b, node, p) || !spacc_cpu_known(b, node) || node->outputs != 1 ||
        node->output[0] < 0 || spacc_node_attr(node, "broadcast"))
        return false;
    for (int i = 0; i < node->inputs; i++)
        if (node->input[i] >= 0 && !spacc_cpu_is(b, node->input[i], SPACC_F32))
            return false;
    return spacc_cpu_is(b, node->output[0], SPACC_F32) &&
           spacc_cpu_shape(b, node->output[0])->count > 0;
}

static void broadcast(int64_t stride[SPACC_RANK_MAX], const struct spacc_tensor *t,
                      const struct spacc_tensor *y)
{
    int64_t own[SPACC_RANK_MAX];

    spacc_ops_strides(own, t->rank, t->dims);
    for (int d = 0; d < y->rank; d++) {
        const int from = d - (y->rank - t->rank);
        stride[d] = from < 0 || t->dims[from] == 1 ? 0 : own[from];
    }
}

static void make_walk(const struct spacc_cpu_build *b, const struct spacc_node *node,
                      struct pointwise *p)
{
    const struct spacc_tensor *y = spacc_cpu_shape(b, node->output[0]);
    int64_t stride[SPACC_WALK_MAX][SPACC_RANK_MAX] = {{0}};
    const int64_t start[SPACC_WALK_MAX] = {0};

    broadcast(stride[0], spacc_cpu_shape(b, node->input[0]), y);
    broadcast(stride[1], spacc_cpu_shape(b, node->input[1]), y);
    spacc_walk_init(&p->walk, 2, y->rank, y->dims, stride, start);
}

/* The result over an operand of its own shape that nobody reads later. */
static void choose_place(struct spacc_cpu_build *b, const struct spacc_node *node,
                         const struct pointwise *p)
{
    const int slots[2] = {p->a, p->b};
    const struct spacc_tensor *y = spacc_cpu_shape(b, node->output[0]);

    for (int i = 0; i < (p->binary ? 2 : 1); i++) {
        const int v = node->input[i];
        if (slots[i] != v || (i == 1 && v == node->input[0]) ||
            !spacc_tensor_same_shape(spacc_cpu_shape(b, v), y) ||
            !spacc_cpu_may_overwrite(b, v, v))
            continue;
        spacc_cpu_share(b, node->output[0], v);
        return;
    }
}

static enum spacc_status take(struct spacc_cpu_build *b, int n, bool *taken)
{
    const struct spacc_node *node = &b->g->node[n];
    struct pointwise p, *state;
    enum spacc_status s;

    if (!is_ours(b, node, &p))
        return SPACC_OK;
    if (p.binary)
        make_walk(b, node, &p);
    if ((p.a = spacc_cpu_input(b, node, 0, &s), s) ||
        (p.binary && (p.b = spacc_cpu_input(b, node, 1, &s), s)))
        return s;
    p.y = node->output[0];
    choose_place(b, node, &p);
    struct spacc_cpu_step *step = spacc_cpu_step_new(b, &spacc_cpu_pointwise, n, 2, 1);
    if (!step || !(state = malloc(sizeof(*state))))
        return spacc_cpu_no_memory(b);
    *state = p;
    step->state = state;
    step->in[0] = p.a;
    step->in[1] = p.b;
    step->out[0] = p.y;
    spacc_cpu_step_done(b, step);
    spacc_cpu_taken(b, n, n, spacc_cpu_pointwise.name);
    *taken = true;
    return SPACC_OK;
}

const struct spacc_cpu_kernel spacc_cpu_pointwise = {.name = "loop", .take = take, .run = run};
