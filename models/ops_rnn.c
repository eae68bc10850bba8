/* LSTM, GRU and RNN as ONNX defines them, one sequence and one step at a time.
 *
 * Order of sums, for every gate row: (Wb + Rb) + W.x + R.h, each dot product by
 * spacc_ops_dot(); a peephole is added last. Every input of an activation is
 * clipped, the cell state on its way into h() included; the stored cell is not. */
#include "models/ops_quant.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { ACTIVATIONS_MAX = 3, DIRECTIONS_MAX = 2 };

/* Inputs, in ONNX's order. */
enum { IN_X, IN_W, IN_R, IN_B, IN_LENS, IN_H, IN_C, IN_P };

struct activation {
    float (*run)(float x, float alpha, float beta);
    float alpha, beta;
};

/* Weights of one direction. Rows of w and r are in ONNX's gate order. */
struct side {
    const float *w, *r;   /* [gates * hidden][input], [gates * hidden][hidden] */
    const float *wb, *rb; /* [gates * hidden], or NULL */
    const float *p;       /* [3 * hidden] for i, o, f, or NULL */
    struct activation act[ACTIVATIONS_MAX];
    bool reverse;
};

struct rnn {
    const struct kind *kind;
    size_t steps, batch, input, hidden, directions;
    bool batch_first, input_forget, linear_before_reset;
    float clip;
    struct side side[DIRECTIONS_MAX];
    const float *x, *h0, *c0;
    const int32_t *lens;
    float *y, *yh, *yc; /* NULL when nobody reads it */
};

/* What makes the three operators different. */
struct kind {
    size_t gates, activations;
    const char *defaults[ACTIVATIONS_MAX];
    /* One step for one sequence: x[input] and the old h, c to the new h, c.
     * scratch has (gates + 1) * hidden elements. */
    void (*step)(const struct rnn *m, const struct side *s, const float *x, float *h, float *c,
                 float *scratch);
};

/* ---- activations ------------------------------------------------------------- */

static float act_affine(float x, float alpha, float beta)
{
    return alpha * x + beta;
}

static float act_relu(float x, float alpha, float beta)
{
    (void)alpha, (void)beta;
    return x < 0.0f ? 0.0f : x;
}

static float act_leaky_relu(float x, float alpha, float beta)
{
    (void)beta;
    return x < 0.0f ? alpha * x : x;
}

static float act_thresholded_relu(float x, float alpha, float beta)
{
    (void)beta;
    return x > alpha ? x : 0.0f;
}

static float act_tanh(float x, float alpha, float beta)
{
    (void)alpha, (void)beta;
    return tanhf(x);
}

static float act_scaled_tanh(float x, float alpha, float beta)
{
    return alpha * tanhf(beta * x);
}

static float act_sigmoid(float x, float alpha, float beta)
{
    (void)alpha, (void)beta;
    return 1.0f / (1.0f + expf(-x));
}

static float act_hard_sigmoid(float x, float alpha, float beta)
{
    const float v = alpha * x + beta;
    return v < 0.0f ? 0.0f : v > 1.0f ? 1.0f : v;
}

static float act_elu(float x, float alpha, float beta)
{
    (void)beta;
    return x < 0.0f ? alpha * expm1f(x) : x;
}

static float act_softsign(float x, float alpha, float beta)
{
    (void)alpha, (void)beta;
    return x / (1.0f + fabsf(x));
}

/* log(1 + e^x) without overflow */
static float act_softplus(float x, float alpha, float beta)
{
    (void)alpha, (void)beta;
    return (x > 0.0f ? x : 0.0f) + log1pf(expf(-fabsf(x)));
}

/* name, function, takes alpha, takes beta, their defaults */
static const struct {
    const char *name;
    float (*run)(float x, float alpha, float beta);
    bool alpha, beta;
    float alpha_default, beta_default;
} known_activations[] = {
    {"Affine", act_affine, true, true, 1.0f, 0.0f},
    {"Relu", act_relu, false, false, 0.0f, 0.0f},
    {"LeakyRelu", act_leaky_relu, true, false, 0.01f, 0.0f},
    {"ThresholdedRelu", act_thresholded_relu, true, false, 1.0f, 0.0f},
    {"Tanh", act_tanh, false, false, 0.0f, 0.0f},
    {"ScaledTanh", act_scaled_tanh, true, true, 1.0f, 1.0f},
    {"Sigmoid", act_sigmoid, false, false, 0.0f, 0.0f},
    {"HardSigmoid", act_hard_sigmoid, true, true, 0.2f, 0.5f},
    {"Elu", act_elu, true, false, 1.0f, 0.0f},
    {"Softsign", act_softsign, false, false, 0.0f, 0.0f},
    {"Softplus", act_softplus, false, false, 0.0f, 0.0f},
};

static float activate(const struct rnn *m, const struct activation *a, float x)
{
    const float v = x > m->clip ? m->clip : x < -m->clip ? -m->clip : x;
    return a->run(v, a->alpha, a->beta);
}

/* ---- one step ---------------------------------------------------------------- */

static float bias(const float *b, size_t row)
{
    return b ? b[row] : 0.0f;
}

/* out[row] = (Wb + Rb) + W.x + R.h for gate rows first..last-1 */
static void gate_rows(const struct rnn *m, const struct side *s, const float *x, const float *h,
                      float *out, size_t first, size_t last)
{
    for (size_t row = first; row < last; row++)
        out[row] = (bias(s->wb, row) + bias(s->rb, row)) +
                   spacc_ops_dot(s->w + row * m->input, x, m->input) +
                   spacc_ops_dot(s->r + row * m->hidden, h, m->hidden);
}

/* Peephole `gate` (0 i, 1 o, 2 f) of unit `k` on cell state c. */
static float peephole(const struct rnn *m, const struct side *s, size_t gate, size_t k, float c)
{
    return s->p ? s->p[gate * m->hidden + k] * c : 0.0f;
}

/* i = f(Wi.x + Ri.h + Pi*c + bi)     c' = f*c + i*g
 * f = f(Wf.x + Rf.h + Pf*c + bf)     o  = f(Wo.x + Ro.h + Po*c' + bo)
 * g = g(Wc.x + Rc.h + bc)            h' = o*h(c')          rows: i o f c */
static void lstm_cell(const struct rnn *m, const struct side *s, float *h, float *c,
                      const float *gates)
{
    const size_t n = m->hidden;
    const float *i = gates, *o = i + n, *f = o + n, *g = f + n;

    for (size_t k = 0; k < n; k++) {
        const float it = activate(m, &s->act[0], i[k] + peephole(m, s, 0, k, c[k]));
        const float ft = m->input_forget
                             ? 1.0f - it
                             : activate(m, &s->act[0], f[k] + peephole(m, s, 2, k, c[k]));
        const float gt = activate(m, &s->act[1], g[k]);
        c[k] = ft * c[k] + it * gt;
        const float ot = activate(m, &s->act[0], o[k] + peephole(m, s, 1, k, c[k]));
        h[k] = ot * activate(m, &s->act[2], c[k]);
    }
}

static void lstm_step(const struct rnn *m, const struct side *s, const float *x, float *h,
                      float *c, float *scratch)
{
    gate_rows(m, s, x, h, scratch, 0, 4 * m->hidden);
    lstm_cell(m, s, h, c, scratch);
}

/* The same, with R times h as 8 bits hold it. */
static void rounding_step(const struct rnn *m, const struct side *s, const float *x, float *h,
                          float *c, float *scratch)
{
    float *rounded = scratch + 4 * m->hidden;
    spacc_quant_round(rounded, h, m->hidden);
    gate_rows(m, s, x, rounded, scratch, 0, 4 * m->hidden);
    lstm_cell(m, s, h, c, scratch);
}

/* z = f(Wz.x + Rz.h + bz)            h' = (1 - z)*g + z*h
 * r = f(Wr.x + Rr.h + br)
 * g = g(Wh.x + Rh.(r*h) + bh)        or, with linear_before_reset,
 * g = g(Wh.x + r*(Rh.h + Rbh) + Wbh)                       rows: z r h */
static void gru_step(const struct rnn *m, const struct side *s, const float *x, float *h,
                     float *c, float *scratch)
{
    const size_t n = m->hidden;
    float *z = scratch, *r = z + n, *g = r + n, *rh = g + n;
    (void)c;

    gate_rows(m, s, x, h, scratch, 0, 2 * n);
    for (size_t k = 0; k < n; k++) {
        z[k] = activate(m, &s->act[0], z[k]);
        r[k] = activate(m, &s->act[0], r[k]);
        rh[k] = r[k] * h[k];
    }
    if (!m->linear_before_reset)
        gate_rows(m, s, x, rh, scratch, 2 * n, 3 * n);
    else
        for (size_t k = 0; k < n; k++) {
            const size_t row = 2 * n + k;
            g[k] = bias(s->wb, row) + spacc_ops_dot(s->w + row * m->input, x, m->input) +
                   r[k] * (bias(s->rb, row) + spacc_ops_dot(s->r + row * n, h, n));
        }
    for (size_t k = 0; k < n; k++)
        h[k] = (1.0f - z[k]) * activate(m, &s->act[1], g[k]) + z[k] * h[k];
}

/* h' = f(Wi.x + Ri.h + bi) */
static void rnn_step(const struct rnn *m, const struct side *s, const float *x, float *h,
                     float *c, float *scratch)
{
    (void)c;
    gate_rows(m, s, x, h, scratch, 0, m->hidden);
    for (size_t k = 0; k < m->hidden; k++)
        h[k] = activate(m, &s->act[0], scratch[k]);
}

static const struct kind lstm_kind = {4, 3, {"Sigmoid", "Tanh", "Tanh"}, lstm_step};
static const struct kind rounding_kind = {4, 3, {"Sigmoid", "Tanh", "Tanh"}, rounding_step};
static const struct kind gru_kind = {3, 2, {"Sigmoid", "Tanh", NULL}, gru_step};
static const struct kind rnn_kind = {1, 1, {"Tanh", NULL, NULL}, rnn_step};

/* ---- sequences --------------------------------------------------------------- */

static size_t x_at(const struct rnn *m, size_t t, size_t b)
{
    return (m->batch_first ? b * m->steps + t : t * m->batch + b) * m->input;
}

static size_t y_at(const struct rnn *m, size_t t, size_t d, size_t b)
{
    return (m->batch_first ? (b * m->steps + t) * m->directions + d
                           : (t * m->directions + d) * m->batch + b) *
           m->hidden;
}

static size_t state_at(const struct rnn *m, size_t d, size_t b)
{
    return (m->batch_first ? b * m->directions + d : d * m->batch + b) * m->hidden;
}

/* Zeros when there is no `from`. */
static void load_state(float *to, const float *from, size_t at, size_t count)
{
    for (size_t k = 0; k < count; k++)
        to[k] = from ? from[at + k] : 0.0f;
}

static void store_state(float *to, size_t at, const float *from, size_t count)
{
    if (to)
        memcpy(to + at, from, count * sizeof(*to));
}

/* One direction over one sequence. The reverse one starts at the sequence's own last
 * step; outputs from its length on stay 0, and the final state is that of its last
 * step (the initial one when its length is 0). `work`: h, c, scratch. */
static void run_sequence(const struct rnn *m, size_t d, size_t b, float *work)
{
    const size_t n = m->hidden;
    const size_t steps = m->lens ? (size_t)m->lens[b] : m->steps;
    const struct side *s = &m->side[d];
    float *h = work, *c = h + n, *scratch = c + n;

    load_state(h, m->h0, state_at(m, d, b), n);
    load_state(c, m->c0, state_at(m, d, b), n);
    for (size_t i = 0; i < steps; i++) {
        const size_t t = s->reverse ? steps - 1 - i : i;
        m->kind->step(m, s, m->x + x_at(m, t, b), h, c, scratch);
        store_state(m->y, y_at(m, t, d, b), h, n);
    }
    store_state(m->yh, state_at(m, d, b), h, n);
    store_state(m->yc, state_at(m, d, b), c, n);
}

/* ---- attributes and shapes --------------------------------------------------- */

/* The next number of an activation_alpha or activation_beta list. */
static float next_number(const struct spacc_attr *list, size_t *used, float otherwise)
{
    return list && *used < list->count ? list->floats[(*used)++] : otherwise;
}

static enum spacc_status find_activation(struct spacc_op_call *c, struct activation *out,
                                         const char *name, size_t *alphas, size_t *betas)
{
    const struct spacc_attr *alpha = spacc_node_attr(c->node, "activation_alpha");
    const struct spacc_attr *beta = spacc_node_attr(c->node, "activation_beta");
    const size_t count = sizeof(known_activations) / sizeof(known_activations[0]);
    for (size_t i = 0; i < count; i++) {
        if (strcasecmp(known_activations[i].name, name) != 0)
            continue;
        out->run = known_activations[i].run;
        if (known_activations[i].alpha)
            out->alpha = next_number(alpha, alphas, known_activations[i].alpha_default);
        if (known_activations[i].beta)
            out->beta = next_number(beta, betas, known_activations[i].beta_default);
        return SPACC_OK;
    }
    return spacc_op_fail(c, SPACC_EUNSUPPORTED, "activation %s is not known", name);
}

/* One list for all directions; alpha and beta are used up by those that take them. */
static enum spacc_status read_activations(struct spacc_op_call *c, struct rnn *m)
{
    const struct spacc_attr *names = spacc_node_attr(c->node, "activations");
    const size_t each = m->kind->activations, want = each * m->directions;
    size_t alphas = 0, betas = 0;
    if (names && names->count != want)
        return spacc_op_fail(c, SPACC_ESHAPE, "has %zu activations, %zu directions want %zu",
                             names->count, m->directions, want);
    for (size_t i = 0; i < want; i++)
        TRY(find_activation(c, &m->side[i / each].act[i % each],
                            names ? names->strings[i] : m->kind->defaults[i % each], &alphas,
                            &betas));
    return SPACC_OK;
}

static enum spacc_status read_direction(struct spacc_op_call *c, struct rnn *m)
{
    const char *direction = spacc_node_string(c->node, "direction", "forward");
    m->directions = 1;
    if (strcmp(direction, "reverse") == 0)
        m->side[0].reverse = true;
    else if (strcmp(direction, "bidirectional") == 0)
        m->directions = 2, m->side[1].reverse = true;
    else if (strcmp(direction, "forward") != 0)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED,
                             "direction is %s, not forward, reverse or bidirectional",
                             direction);
    return SPACC_OK;
}

static enum spacc_status read_attributes(struct spacc_op_call *c, struct rnn *m)
{
    const int64_t layout = spacc_node_int(c->node, "layout", 0);
    const struct spacc_attr *clip = spacc_node_attr(c->node, "clip");
    TRY(spacc_ops_attr_opset(c, "layout", 14, INT32_MAX));
    if (layout != 0 && layout != 1)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED, "layout is %" PRId64 ", not 0 or 1",
                             layout);
    m->batch_first = layout == 1;
    m->clip = clip ? clip->f : INFINITY;
    if (!(m->clip > 0.0f))
        return spacc_op_fail(c, SPACC_EUNSUPPORTED, "clip is %g, it must be above 0",
                             (double)m->clip);
    m->input_forget = spacc_node_int(c->node, "input_forget", 0) != 0;
    m->linear_before_reset = spacc_node_int(c->node, "linear_before_reset", 0) != 0;
    TRY(read_direction(c, m));
    return read_activations(c, m);
}

/* Input `i`, when it is there, must have the shape that the others imply. */
static enum spacc_status want_shape(struct spacc_op_call *c, const struct rnn *m, int i,
                                    const char *name, int rank, const size_t *want)
{
    const struct spacc_tensor *t = spacc_ops_in(c, i);
    int64_t dims[SPACC_RANK_MAX];
    char has[SPACC_TEXT_BYTES], wants[SPACC_TEXT_BYTES];
    if (!t)
        return SPACC_OK;
    bool same = t->rank == rank;
    for (int k = 0; k < rank; k++) {
        dims[k] = (int64_t)want[k];
        same = same && t->dims[k] == dims[k];
    }
    if (same)
        return SPACC_OK;
    return spacc_op_fail(c, SPACC_ESHAPE,
                         "%s has shape %s, %zu direction(s), input %zu and hidden size %zu "
                         "want %s",
                         name, spacc_ops_shape_text(has, t->rank, t->dims), m->directions,
                         m->input, m->hidden, spacc_ops_shape_text(wants, rank, dims));
}

static enum spacc_status check_weights(struct spacc_op_call *c, const struct rnn *m)
{
    const size_t d = m->directions, n = m->hidden, rows = m->kind->gates * n;
    TRY(want_shape(c, m, IN_W, "W", 3, (const size_t[]){d, rows, m->input}));
    TRY(want_shape(c, m, IN_R, "R", 3, (const size_t[]){d, rows, n}));
    TRY(want_shape(c, m, IN_B, "B", 2, (const size_t[]){d, 2 * rows}));
    return want_shape(c, m, IN_P, "P", 2, (const size_t[]){d, 3 * n});
}

static enum spacc_status check_states(struct spacc_op_call *c, const struct rnn *m)
{
    const size_t first = m->batch_first ? m->batch : m->directions;
    const size_t second = m->batch_first ? m->directions : m->batch;
    const size_t state[] = {first, second, m->hidden};
    TRY(want_shape(c, m, IN_LENS, "sequence_lens", 1, &m->batch));
    TRY(want_shape(c, m, IN_H, "initial_h", 3, state));
    return want_shape(c, m, IN_C, "initial_c", 3, state);
}

static enum spacc_status check_types(struct spacc_op_call *c)
{
    for (int i = 0; i < c->ins; i++)
        TRY(spacc_ops_types(c, i, i == IN_LENS ? SPACC_TYPE(I32) : SPACC_TYPE(F32)));
    return spacc_ops_check(c, 3, SPACC_TYPES_ALL);
}

/* Sizes from X and R, checked against everything else. */
static enum spacc_status read_shapes(struct spacc_op_call *c, struct rnn *m)
{
    const struct spacc_tensor *x = c->in[IN_X], *r = c->in[IN_R];
    char text[SPACC_TEXT_BYTES];
    if (x->rank != 3)
        return spacc_op_fail(c, SPACC_ESHAPE, "X has shape %s, it needs 3 axes",
                             spacc_ops_shape_text(text, x->rank, x->dims));
    if (r->rank != 3 || r->dims[2] < 1 || r->dims[2] > INT32_MAX)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "R has shape %s, it needs 3 axes, the last of 1 or more",
                             spacc_ops_shape_text(text, r->rank, r->dims));
    const int64_t hidden = spacc_node_int(c->node, "hidden_size", r->dims[2]);
    if (hidden != r->dims[2])
        return spacc_op_fail(c, SPACC_ESHAPE, "hidden_size is %" PRId64 ", R has shape %s",
                             hidden, spacc_ops_shape_text(text, r->rank, r->dims));
    m->hidden = (size_t)hidden;
    m->steps = (size_t)x->dims[m->batch_first ? 1 : 0];
    m->batch = (size_t)x->dims[m->batch_first ? 0 : 1];
    m->input = (size_t)x->dims[2];
    TRY(check_weights(c, m));
    return check_states(c, m);
}

static enum spacc_status make_outputs(struct spacc_op_call *c, struct rnn *m)
{
    const int64_t t = (int64_t)m->steps, d = (int64_t)m->directions, b = (int64_t)m->batch,
                  n = (int64_t)m->hidden;
    const int64_t y_dims[2][4] = {{t, d, b, n}, {b, t, d, n}};
    const int64_t state_dims[2][3] = {{d, b, n}, {b, d, n}};
    float **data[3] = {&m->y, &m->yh, &m->yc};
    for (int i = 0; i < c->outs; i++) {
        struct spacc_tensor *out;
        if (!spacc_ops_wanted(c, i))
            continue;
        TRY(spacc_op_output(c, i, SPACC_F32, i == 0 ? 4 : 3,
                            i == 0 ? y_dims[m->batch_first] : state_dims[m->batch_first],
                            &out));
        *data[i] = out->data;
    }
    return SPACC_OK;
}

/* ---- contents ---------------------------------------------------------------- */

static const float *floats(const struct spacc_op_call *c, int i)
{
    const struct spacc_tensor *t = spacc_ops_in(c, i);
    return t ? t->data : NULL;
}

static void read_contents(struct spacc_op_call *c, struct rnn *m)
{
    const size_t rows = m->kind->gates * m->hidden;
    const float *w = floats(c, IN_W), *r = floats(c, IN_R), *b = floats(c, IN_B),
                *p = floats(c, IN_P);
    m->x = floats(c, IN_X);
    m->h0 = floats(c, IN_H);
    m->c0 = floats(c, IN_C);
    for (size_t d = 0; d < m->directions; d++) {
        struct side *s = &m->side[d];
        s->w = w + d * rows * m->input;
        s->r = r + d * rows * m->hidden;
        s->wb = b ? b + d * 2 * rows : NULL;
        s->rb = b ? s->wb + rows : NULL;
        s->p = p ? p + d * 3 * m->hidden : NULL;
    }
}

static enum spacc_status read_lens(struct spacc_op_call *c, struct rnn *m)
{
    const struct spacc_tensor *t = spacc_ops_in(c, IN_LENS);
    m->lens = t ? t->data : NULL;
    for (size_t b = 0; m->lens && b < m->batch; b++)
        if (m->lens[b] < 0 || (size_t)m->lens[b] > m->steps)
            return spacc_op_fail(c, SPACC_ESHAPE,
                                 "sequence_lens[%zu] is %" PRId32 ", X has %zu steps", b,
                                 m->lens[b], m->steps);
    return SPACC_OK;
}

static enum spacc_status run(struct spacc_op_call *c, const struct kind *kind)
{
    struct rnn m = {.kind = kind};
    TRY(check_types(c));
    TRY(read_attributes(c, &m));
    TRY(read_shapes(c, &m));
    TRY(make_outputs(c, &m));
    if (c->shape_only)
        return SPACC_OK;
    TRY(read_lens(c, &m));
    read_contents(c, &m);

    float *work = calloc((kind->gates + 3) * m.hidden, sizeof(*work));
    if (!work)
        return spacc_op_fail(c, SPACC_ENOMEM, "no memory for hidden size %zu", m.hidden);
    for (size_t d = 0; d < m.directions; d++)
        for (size_t b = 0; b < m.batch; b++)
            run_sequence(&m, d, b, work);
    free(work);
    return SPACC_OK;
}

enum spacc_status spacc_op_lstm(struct spacc_op_call *c)
{
    return run(c, &lstm_kind);
}

enum spacc_status spacc_quant_lstm(struct spacc_op_call *c)
{
    return run(c, &rounding_kind);
}

enum spacc_status spacc_op_gru(struct spacc_op_call *c)
{
    return run(c, &gru_kind);
}

enum spacc_status spacc_op_rnn(struct spacc_op_call *c)
{
    return run(c, &rnn_kind);
}
