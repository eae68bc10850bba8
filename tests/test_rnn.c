/* LSTM, GRU and RNN against a second definition in double precision, over a grid of
 * attributes. The second definition is written the other way round: it turns sequences
 * around before and after, keeps gates apart by name and computes unit by unit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <math.h>

#include "ops_call.h"

enum { T = 5, B = 3, I = 11, H = 9, D_MAX = 2, GATES_MAX = 4, SEED = 12345 };

/* ---- a case -------------------------------------------------------------------- */

enum op { OP_LSTM, OP_GRU, OP_RNN };
static const char *const op_names[] = {"LSTM", "GRU", "RNN"};
static const int op_gates[] = {4, 3, 1}, op_acts[] = {3, 2, 1};

struct act {
    const char *name;
    double alpha, beta; /* NAN: does not take it */
};

/* Rows are sets for both directions: f g h, f g h. */
static const struct act act_sets[][6] = {
    {{"Sigmoid", NAN, NAN},
     {"Tanh", NAN, NAN},
     {"Tanh", NAN, NAN},
     {"Sigmoid", NAN, NAN},
     {"Tanh", NAN, NAN},
     {"Tanh", NAN, NAN}},
    {{"HardSigmoid", 0.3, 0.4},
     {"Affine", 0.5, 0.25},
     {"Elu", 0.7, NAN},
     {"Sigmoid", NAN, NAN},
     {"LeakyRelu", 0.2, NAN},
     {"Softsign", NAN, NAN}},
    {{"Softplus", NAN, NAN},
     {"ScaledTanh", 0.9, 0.6},
     {"ThresholdedRelu", 0.15, NAN},
     {"Affine", 0.4, 0.1},
     {"Relu", NAN, NAN},
     {"HardSigmoid", 0.25, 0.45}},
    {{"Elu", 0.6, NAN},
     {"Softsign", NAN, NAN},
     {"LeakyRelu", 0.3, NAN},
     {"ThresholdedRelu", 0.1, NAN},
     {"Softplus", NAN, NAN},
     {"ScaledTanh", 0.8, 1.1}},
};

struct grid {
    enum op op;
    int direction; /* 0 forward, 1 reverse, 2 bidirectional */
    int acts;
    bool layout, lens, clip, option, peephole, bias, initial;
};

static const char *const directions[] = {"forward", "reverse", "bidirectional"};
static const int32_t lens[B] = {3, T, 1};
static const double clip_value = 0.35;

static int sides(const struct grid *g)
{
    return g->direction == 2 ? 2 : 1;
}

/* ---- random contents ------------------------------------------------------------- */

static uint32_t state;

static float next(void)
{
    state = state * 1664525u + 1013904223u;
    return ((float)(state >> 8) / 8388608.0f - 1.0f) * 0.6f;
}

static struct spacc_tensor *random_input(struct op_call *t, int rank, const int64_t *dims)
{
    struct spacc_tensor *x = op_input(t, SPACC_F32, rank, dims, NULL);
    for (size_t i = 0; i < x->count; i++)
        ((float *)x->data)[i] = next();
    return x;
}

/* ---- the second definition ------------------------------------------------------- */

static double apply(const struct act *a, double x, const struct grid *g)
{
    if (g->clip)
        x = fmax(-clip_value, fmin(clip_value, x));
    if (!strcmp(a->name, "Sigmoid"))
        return 0.5 * (1 + tanh(x / 2));
    if (!strcmp(a->name, "Tanh"))
        return (exp(x) - exp(-x)) / (exp(x) + exp(-x));
    if (!strcmp(a->name, "Relu"))
        return fmax(x, 0);
    if (!strcmp(a->name, "Affine"))
        return a->alpha * x + a->beta;
    if (!strcmp(a->name, "LeakyRelu"))
        return x >= 0 ? x : a->alpha * x;
    if (!strcmp(a->name, "ThresholdedRelu"))
        return x > a->alpha ? x : 0;
    if (!strcmp(a->name, "ScaledTanh"))
        return a->alpha * tanh(a->beta * x);
    if (!strcmp(a->name, "HardSigmoid"))
        return fmax(0, fmin(1, a->alpha * x + a->beta));
    if (!strcmp(a->name, "Elu"))
        return x >= 0 ? x : a->alpha * (exp(x) - 1);
    if (!strcmp(a->name, "Softsign"))
        return x / (1 + fabs(x));
    assert_string_equal(a->name, "Softplus");
    return log(1 + exp(x));
}

/* Everything of one direction, read through the tensors at each use. */
struct model {
    const struct grid *g;
    const struct op_call *t;
    int d;
    const struct act *act;
};

static double at3(const struct spacc_tensor *x, int64_t i, int64_t j, int64_t k)
{
    return (double)((const float *)x->data)[(i * x->dims[1] + j) * x->dims[2] + k];
}

static double at2(const struct spacc_tensor *x, int64_t i, int64_t j)
{
    return x ? (double)((const float *)x->data)[i * x->dims[1] + j] : 0.0;
}

static double from_x(const struct model *m, int gate, int unit, const double *x)
{
    double v = 0;
    for (int i = 0; i < I; i++)
        v += at3(m->t->in[1], m->d, gate * H + unit, i) * x[i];
    return v + at2(m->t->in[3], m->d, gate * H + unit);
}

static double from_h(const struct model *m, int gate, int unit, const double *h)
{
    double v = 0;
    for (int i = 0; i < H; i++)
        v += at3(m->t->in[2], m->d, gate * H + unit, i) * h[i];
    return v + at2(m->t->in[3], m->d, (op_gates[m->g->op] + gate) * H + unit);
}

static double peep(const struct model *m, int gate, int unit)
{
    return at2(m->t->in[7], m->d, gate * H + unit);
}

static void lstm(const struct model *m, const double *x, double *h, double *c)
{
    double new_h[H];
    for (int k = 0; k < H; k++) {
        const double i = apply(
            &m->act[0], from_x(m, 0, k, x) + from_h(m, 0, k, h) + peep(m, 0, k) * c[k], m->g);
        const double f = apply(
            &m->act[0], from_x(m, 2, k, x) + from_h(m, 2, k, h) + peep(m, 2, k) * c[k], m->g);
        const double g = apply(&m->act[1], from_x(m, 3, k, x) + from_h(m, 3, k, h), m->g);
        c[k] = (m->g->option ? 1 - i : f) * c[k] + i * g;
        const double o = apply(
            &m->act[0], from_x(m, 1, k, x) + from_h(m, 1, k, h) + peep(m, 1, k) * c[k], m->g);
        new_h[k] = o * apply(&m->act[2], c[k], m->g);
    }
    memcpy(h, new_h, sizeof(new_h));
}

static void gru(const struct model *m, const double *x, double *h)
{
    double new_h[H], reset[H], gated[H];
    for (int k = 0; k < H; k++) {
        reset[k] = apply(&m->act[0], from_x(m, 1, k, x) + from_h(m, 1, k, h), m->g);
        gated[k] = reset[k] * h[k];
    }
    for (int k = 0; k < H; k++) {
        const double z = apply(&m->act[0], from_x(m, 0, k, x) + from_h(m, 0, k, h), m->g);
        const double inner =
            m->g->option ? reset[k] * from_h(m, 2, k, h) : from_h(m, 2, k, gated);
        const double n = apply(&m->act[1], from_x(m, 2, k, x) + inner, m->g);
        new_h[k] = n + z * (h[k] - n);
    }
    memcpy(h, new_h, sizeof(new_h));
}

static void simple(const struct model *m, const double *x, double *h)
{
    double new_h[H];
    for (int k = 0; k < H; k++)
        new_h[k] = apply(&m->act[0], from_x(m, 0, k, x) + from_h(m, 0, k, h), m->g);
    memcpy(h, new_h, sizeof(new_h));
}

struct result {
    double y[T][D_MAX][B][H], h[D_MAX][B][H], c[D_MAX][B][H];
};

/* One sequence as rows in the order in which they are eaten; returns its length. */
static int sequence(const struct model *m, int b, double rows[T][I])
{
    const int count = m->g->lens ? lens[b] : T;
    const bool backwards = m->g->direction == 1 || m->d == 1;
    for (int t = 0; t < count; t++)
        for (int i = 0; i < I; i++) {
            const int from = backwards ? count - 1 - t : t;
            rows[t][i] =
                m->g->layout ? at3(m->t->in[0], b, from, i) : at3(m->t->in[0], from, b, i);
        }
    return count;
}

static double initial(const struct model *m, int input, int b, int k)
{
    const struct spacc_tensor *s = m->t->in[input];
    if (!s)
        return 0;
    return m->g->layout ? at3(s, b, m->d, k) : at3(s, m->d, b, k);
}

static void reference_sequence(const struct model *m, int b, struct result *r)
{
    double rows[T][I], *h = r->h[m->d][b], *c = r->c[m->d][b];
    const int count = sequence(m, b, rows);
    for (int k = 0; k < H; k++) {
        h[k] = initial(m, 5, b, k);
        c[k] = m->g->op == OP_LSTM ? initial(m, 6, b, k) : 0;
    }
    for (int t = 0; t < count; t++) {
        if (m->g->op == OP_LSTM)
            lstm(m, rows[t], h, c);
        else if (m->g->op == OP_GRU)
            gru(m, rows[t], h);
        else
            simple(m, rows[t], h);
        const bool backwards = m->g->direction == 1 || m->d == 1;
        memcpy(r->y[backwards ? count - 1 - t : t][m->d][b], h, sizeof(double) * H);
    }
}

static void reference(const struct grid *g, const struct op_call *t, struct result *r)
{
    memset(r, 0, sizeof(*r));
    for (int d = 0; d < sides(g); d++)
        for (int b = 0; b < B; b++) {
            const int tanh_first = g->op == OP_RNN && g->acts == 0; /* RNN's default */
            const struct model m = {g, t, d, &act_sets[g->acts][d * 3 + tanh_first]};
            reference_sequence(&m, b, r);
        }
}

/* ---- building and comparing ------------------------------------------------------- */

struct lists {
    char *names[6];
    float alpha[6], beta[6];
};

static void add_activations(struct op_call *t, const struct grid *g, struct lists *l)
{
    size_t names = 0, alphas = 0, betas = 0;
    if (g->acts == 0)
        return; /* the defaults */
    for (int d = 0; d < sides(g); d++)
        for (int i = 0; i < op_acts[g->op]; i++) {
            const struct act *a = &act_sets[g->acts][d * 3 + i];
            l->names[names++] = (char *)(uintptr_t)a->name;
            if (!isnan(a->alpha))
                l->alpha[alphas++] = (float)a->alpha;
            if (!isnan(a->beta))
                l->beta[betas++] = (float)a->beta;
        }
    op_attr_strings(t, "activations", names, l->names);
    op_attr_floats(t, "activation_alpha", alphas, l->alpha);
    op_attr_floats(t, "activation_beta", betas, l->beta);
}

static void add_state(struct op_call *t, const struct grid *g)
{
    const int64_t d = sides(g);
    if (!g->initial)
        op_no_input(t);
    else if (g->layout)
        random_input(t, 3, (int64_t[]){B, d, H});
    else
        random_input(t, 3, (int64_t[]){d, B, H});
}

static void build(struct op_call *t, const struct grid *g, struct lists *l)
{
    const int64_t d = sides(g), rows = op_gates[g->op] * H;
    op_begin(t, op_names[g->op], 14);
    random_input(t, 3, g->layout ? (int64_t[]){B, T, I} : (int64_t[]){T, B, I});
    random_input(t, 3, (int64_t[]){d, rows, I});
    random_input(t, 3, (int64_t[]){d, rows, H});
    if (g->bias)
        random_input(t, 2, (int64_t[]){d, 2 * rows});
    else
        op_no_input(t);
    if (g->lens)
        op_input(t, SPACC_I32, 1, (int64_t[]){B}, lens);
    else
        op_no_input(t);
    add_state(t, g);
    if (g->op == OP_LSTM) {
        add_state(t, g);
        if (g->peephole)
            random_input(t, 2, (int64_t[]){d, 3 * H});
    }
    op_attr_string(t, "direction", directions[g->direction]);
    op_attr_int(t, "hidden_size", H);
    op_attr_int(t, "layout", g->layout);
    if (g->clip)
        op_attr_float(t, "clip", (float)clip_value);
    if (g->option && g->op != OP_RNN)
        op_attr_int(t, g->op == OP_LSTM ? "input_forget" : "linear_before_reset", 1);
    add_activations(t, g, l);
}

/* The case that is at work, for the line of a failure. */
static char now[160];

static void describe(const struct grid *g)
{
    snprintf(now, sizeof(now),
             "%s %s acts %d layout %d lens %d clip %d option %d peephole %d bias %d initial %d",
             op_names[g->op], directions[g->direction], g->acts, g->layout, g->lens, g->clip,
             g->option, g->peephole, g->bias, g->initial);
}

static bool is_close(double got, double want)
{
    return fabs(got - want) <= 2e-5 * (1 + fabs(want));
}

static void close_to(const struct spacc_tensor *got, size_t at, double want)
{
    const double v = (double)((const float *)got->data)[at];
    if (!is_close(v, want))
        fail_msg("element %zu is %.9g, want %.9g (%s)", at, v, want, now);
}

static void compare(const struct grid *g, const struct op_call *t, const struct result *r)
{
    const size_t d_count = (size_t)sides(g);
    for (size_t d = 0; d < d_count; d++)
        for (size_t b = 0; b < B; b++)
            for (size_t k = 0; k < H; k++) {
                const size_t s = (g->layout ? b * d_count + d : d * B + b) * H + k;
                close_to(t->out[1], s, r->h[d][b][k]);
                if (g->op == OP_LSTM)
                    close_to(t->out[2], s, r->c[d][b][k]);
                for (size_t i = 0; i < T; i++)
                    close_to(
                        t->out[0],
                        (g->layout ? (b * T + i) * d_count + d : (i * d_count + d) * B + b) *
                                H +
                            k,
                        r->y[i][d][b][k]);
            }
}

static void check(const struct grid *g)
{
    struct op_call t;
    struct lists l;
    static struct result r;
    describe(g);
    build(&t, g, &l);
    if (op_run(&t, g->op == OP_LSTM ? 3 : 2) != SPACC_OK)
        fail_msg("%s", t.err.text);
    reference(g, &t, &r);
    compare(g, &t, &r);
    op_end(&t);
}

/* `bits` picks the switches. */
static struct grid grid_at(enum op op, int direction, int acts, unsigned bits)
{
    return (struct grid){.op = op,
                         .direction = direction,
                         .acts = acts,
                         .layout = bits & 1,
                         .lens = bits & 2,
                         .clip = bits & 4,
                         .option = bits & 8,
                         .peephole = bits & 16,
                         .bias = bits & 32,
                         .initial = bits & 64};
}

static void grid(enum op op)
{
    const int sets = (int)(sizeof(act_sets) / sizeof(act_sets[0]));
    state = SEED;
    for (int direction = 0; direction < 3; direction++)
        for (int acts = 0; acts < sets; acts++)
            for (unsigned bits = 0; bits < 128; bits++) {
                const struct grid g = grid_at(op, direction, acts, bits);
                check(&g);
            }
}

static void lstm_matches_the_equations_over_all_attributes(void **unused)
{
    (void)unused;
    grid(OP_LSTM);
}

static void gru_matches_the_equations_over_all_attributes(void **unused)
{
    (void)unused;
    grid(OP_GRU);
}

static void rnn_matches_the_equations_over_all_attributes(void **unused)
{
    (void)unused;
    grid(OP_RNN);
}

/* ---- single properties ------------------------------------------------------------ */

/* A one-unit RNN: h' = act(x + h). */
static void tiny(struct op_call *t, int64_t steps, const float *x)
{
    const float one = 1.0f;
    op_begin(t, "RNN", 14);
    op_input(t, SPACC_F32, 3, (int64_t[]){steps, 1, 1}, x);
    op_input(t, SPACC_F32, 3, (int64_t[]){1, 1, 1}, &one);
    op_input(t, SPACC_F32, 3, (int64_t[]){1, 1, 1}, &one);
}

static void activation_defaults_apply_and_case_does_not_matter(void **unused)
{
    (void)unused;
    static const struct {
        const char *name;
        float x, want;
    } cases[] = {
        {"leakyrelu", -1.0f, -0.01f},    {"THRESHOLDEDRELU", 0.9f, 0.0f},
        {"ThresholdedRelu", 1.5f, 1.5f}, {"hardsigmoid", 1.0f, 0.7f},
        {"HardSigmoid", 9.0f, 1.0f},     {"elu", -1.0f, -0.63212056f},
        {"affine", 2.0f, 2.0f},          {"ScaledTanh", 0.5f, 0.46211716f},
        {"Softplus", 100.0f, 100.0f},    {"Softplus", -100.0f, 0.0f},
        {"Relu", -3.0f, 0.0f},           {"Sigmoid", -200.0f, 0.0f},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct op_call t;
        char *names[] = {(char *)(uintptr_t)cases[i].name};
        tiny(&t, 1, &cases[i].x);
        op_attr_strings(&t, "activations", 1, names);
        assert_int_equal(op_run(&t, 1), SPACC_OK);
        close_to(t.out[0], 0, (double)cases[i].want);
        op_end(&t);
    }
}

static void a_sequence_of_no_steps_keeps_the_initial_state(void **unused)
{
    (void)unused;
    struct op_call t;
    const float x[3] = {1, 2, 3}, h0 = 0.5f;
    const int32_t none = 0;
    tiny(&t, 3, x);
    op_no_input(&t);
    op_input(&t, SPACC_I32, 1, (int64_t[]){1}, &none);
    op_input(&t, SPACC_F32, 3, (int64_t[]){1, 1, 1}, &h0);
    assert_int_equal(op_run(&t, 2), SPACC_OK);
    for (size_t i = 0; i < 3; i++)
        close_to(t.out[0], i, 0.0);
    close_to(t.out[1], 0, 0.5);
    op_end(&t);
}

static void outputs_nobody_reads_are_not_made(void **unused)
{
    (void)unused;
    struct op_call t;
    const float x[3] = {1, 2, 3};
    tiny(&t, 3, x);
    t.wanted[0] = false;
    assert_int_equal(op_run(&t, 2), SPACC_OK);
    assert_null(t.out[0]);
    assert_non_null(t.out[1]);
    op_end(&t);
}

static void shapes_come_without_contents(void **unused)
{
    (void)unused;
    struct op_call t;
    struct lists l;
    const struct grid g = grid_at(OP_LSTM, 2, 0, 1 | 2 | 64);
    build(&t, &g, &l);
    t.call.shape_only = true;
    for (int i = 0; i < t.call.ins; i++)
        if (t.in[i]) {
            free(t.in[i]->data);
            t.in[i]->data = NULL;
        }
    assert_int_equal(op_run(&t, 3), SPACC_OK);
    const int64_t want[] = {B, T, 2, H};
    assert_memory_equal(t.out[0]->dims, want, sizeof(want));
    assert_int_equal(t.out[2]->dims[0], B);
    assert_null(t.out[0]->data);
    op_end(&t);
}

static void the_same_call_gives_the_same_bits(void **unused)
{
    (void)unused;
    struct op_call t;
    struct lists l;
    const struct grid g = grid_at(OP_GRU, 2, 1, 127);
    build(&t, &g, &l);
    assert_int_equal(op_run(&t, 2), SPACC_OK);
    struct spacc_tensor *first = t.out[0];
    t.out[0] = NULL;
    assert_int_equal(op_run(&t, 2), SPACC_OK);
    assert_memory_equal(first->data, t.out[0]->data, first->count * sizeof(float));
    spacc_tensor_free(first);
    op_end(&t);
}

/* Run a call that must fail with `want` in its line. */
static void must_fail(struct op_call *t, enum spacc_status status, const char *want)
{
    const enum spacc_status got = op_run(t, 2);
    if (got != status || !strstr(t->err.text, want))
        fail_msg("status %s, \"%s\"; want \"%s\"", spacc_status_name(got), t->err.text, want);
    op_end(t);
}

static void wrong_shapes_are_refused_with_both_sides(void **unused)
{
    (void)unused;
    struct op_call t;
    struct lists l;
    const struct grid g = grid_at(OP_GRU, 0, 0, 32);
    build(&t, &g, &l);
    t.in[1]->dims[1]++;
    must_fail(&t, SPACC_ESHAPE, "test.onnx: node n (GRU): W has shape [1,28,11]");
    build(&t, &g, &l);
    t.in[3]->dims[1]--;
    must_fail(&t, SPACC_ESHAPE,
              "B has shape [1,53], 1 direction(s), input 11 and hidden size 9 "
              "want [1,54]");
    build(&t, &g, &l);
    t.attr[1].i = 10;
    must_fail(&t, SPACC_ESHAPE, "hidden_size is 10, R has shape [1,27,9]");
    build(&t, &g, &l);
    t.in[0]->rank = 2;
    must_fail(&t, SPACC_ESHAPE, "X has shape [5,3], it needs 3 axes");
}

static void sequence_lens_are_checked(void **unused)
{
    (void)unused;
    struct op_call t;
    struct lists l;
    const struct grid g = grid_at(OP_LSTM, 1, 0, 2);
    for (int32_t bad = -1; bad <= T + 1; bad += T + 2) {
        char want[80];
        build(&t, &g, &l);
        ((int32_t *)t.in[4]->data)[2] = bad;
        snprintf(want, sizeof(want), "sequence_lens[2] is %d, X has 5 steps", (int)bad);
        must_fail(&t, SPACC_ESHAPE, want);
    }
}

static void wrong_attributes_are_refused_by_name(void **unused)
{
    (void)unused;
    struct op_call t;
    const float x = 1;
    char *unknown[] = {(char[]){"Swish"}}, *two[] = {(char[]){"Tanh"}, (char[]){"Tanh"}};
    tiny(&t, 1, &x);
    op_attr_strings(&t, "activations", 1, unknown);
    must_fail(&t, SPACC_EUNSUPPORTED, "activation Swish is not known");
    tiny(&t, 1, &x);
    op_attr_strings(&t, "activations", 2, two);
    must_fail(&t, SPACC_ESHAPE, "has 2 activations, 1 directions want 1");
    tiny(&t, 1, &x);
    op_attr_string(&t, "direction", "sideways");
    must_fail(&t, SPACC_EUNSUPPORTED, "direction is sideways");
    tiny(&t, 1, &x);
    op_attr_float(&t, "clip", 0.0f);
    must_fail(&t, SPACC_EUNSUPPORTED, "clip is 0, it must be above 0");
    tiny(&t, 1, &x);
    op_attr_int(&t, "layout", 1);
    t.graph.opset = 13;
    must_fail(&t, SPACC_EUNSUPPORTED,
              "attribute layout exists from opset 14 on, the model has opset 13");
    tiny(&t, 1, &x);
    t.in[0]->dtype = SPACC_F64;
    must_fail(&t, SPACC_EUNSUPPORTED, "type float64 of input 0 is not supported by RNN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lstm_matches_the_equations_over_all_attributes),
        cmocka_unit_test(gru_matches_the_equations_over_all_attributes),
        cmocka_unit_test(rnn_matches_the_equations_over_all_attributes),
        cmocka_unit_test(activation_defaults_apply_and_case_does_not_matter),
        cmocka_unit_test(a_sequence_of_no_steps_keeps_the_initial_state),
        cmocka_unit_test(outputs_nobody_reads_are_not_made),
        cmocka_unit_test(shapes_come_without_contents),
        cmocka_unit_test(the_same_call_gives_the_same_bits),
        cmocka_unit_test(wrong_shapes_are_refused_with_both_sides),
        cmocka_unit_test(sequence_lens_are_checked),
        cmocka_unit_test(wrong_attributes_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
