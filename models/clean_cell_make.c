/* The one node that stands for a cell: weights in ONNX's order, and a sequence of one step
 * around it. */
#include <stdlib.h>
#include <string.h>

#include "models/clean_cell.h"
#include "models/op.h"

static size_t gates(const struct spacc_cell *m)
{
    return m->lstm ? 4 : 3;
}

static double sign(const struct spacc_cell *m, size_t g)
{
    return m->gate[g].negated ? -1.0 : 1.0;
}

/* ---- weights ---- */

static double weight(const struct spacc_cell_piece *p, size_t row, size_t col)
{
    const float *w = p->w->data;
    const size_t r = (size_t)p->row0 + row, k = (size_t)p->col0 + col;

    return p->alpha * (double)(p->turned ? w[k * (size_t)p->w->dims[1] + r]
                                         : w[r * (size_t)p->w->dims[1] + k]);
}

/* Sum of the pieces of `from` with `source`, as rows of gate g: to[unit][cols]. */
static void fill_gate(const struct spacc_cell *m, float *to, size_t g, size_t from, int source,
                      size_t cols)
{
    const struct spacc_cell_gate *gate = &m->gate[from];

    for (size_t u = 0; u < (size_t)m->hidden; u++)
        for (size_t k = 0; k < cols; k++) {
            double sum = 0.0;
            for (int p = 0; p < gate->pieces; p++)
                if (gate->piece[p].source == source)
                    sum += weight(&gate->piece[p], k, u);
            to[(g * (size_t)m->hidden + u) * cols + k] = (float)(sign(m, g) * sum);
        }
}

static void fill_bias(const struct spacc_cell *m, float *to, size_t g)
{
    const struct spacc_cell_gate *gate = &m->gate[g];

    for (size_t u = 0; u < (size_t)m->hidden; u++) {
        double sum = 0.0;
        for (int p = 0; p < gate->pieces; p++) {
            const struct spacc_cell_piece *b = &gate->piece[p];
            if (b->source < 0)
                sum +=
                    b->alpha *
                    (double)((const float *)b->w->data)[b->col0 < 0 ? 0 : (size_t)b->col0 + u];
        }
        to[u] = (float)(sign(m, g) * sum);
    }
}

/* A gate that h feeds: GRU's candidate keeps that part by itself. */
static size_t recurrent(const struct spacc_cell *m, size_t g)
{
    return !m->lstm && g == SPACC_GRU_H ? SPACC_GRU_RH : g;
}

/* W [1,G H,I], R [1,G H,H], B [1,2 G H]. */
static enum spacc_status new_weights(const struct spacc_cell *m, struct spacc_tensor *t[3])
{
    const int64_t rows = (int64_t)gates(m) * m->hidden;

    if (spacc_tensor_new(&t[0], SPACC_F32, 3, (int64_t[]){1, rows, m->inputs}) ||
        spacc_tensor_new(&t[1], SPACC_F32, 3, (int64_t[]){1, rows, m->hidden}) ||
        spacc_tensor_new(&t[2], SPACC_F32, 2, (int64_t[]){1, 2 * rows}))
        return SPACC_ENOMEM;
    float *b = t[2]->data;
    for (size_t g = 0; g < gates(m); g++) {
        fill_gate(m, t[0]->data, g, g, m->x, (size_t)m->inputs);
        fill_gate(m, t[1]->data, g, recurrent(m, g), m->h, (size_t)m->hidden);
        fill_bias(m, b + g * (size_t)m->hidden, g);
    }
    if (!m->lstm)
        fill_bias(m, b + rows + 2 * m->hidden, SPACC_GRU_RH);
    return SPACC_OK;
}

/* Name of the first weights that `source` is multiplied with. */
static const char *name_of(const struct spacc_cell *m, int source)
{
    for (size_t g = 0; g < SPACC_CELL_GATES; g++)
        for (int p = 0; p < m->gate[g].pieces; p++)
            if (m->gate[g].piece[p].source == source)
                return m->c->g->value[m->gate[g].piece[p].weights].name;
    return "cell";
}

static enum spacc_status put_weights(const struct spacc_cell *m, int value[3])
{
    const char *const suffix[] = {"/W", "/R", "/B"};
    struct spacc_tensor *t[3] = {NULL, NULL, NULL};
    enum spacc_status s = new_weights(m, t);

    if (s)
        spacc_clean_no_memory(m->c);
    for (int k = 0; k < 3; k++) {
        if (s)
            spacc_tensor_free(t[k]);
        else
            s = spacc_clean_value(m->c, &value[k], name_of(m, k == 1 ? m->h : m->x), suffix[k],
                                  t[k]);
    }
    return s;
}

/* ---- nodes ---- */

/* [N,K] to [1,N,K] in front of the cell. */
static enum spacc_status widen(const struct spacc_cell *m, int from, int *to)
{
    const char *base = m->c->g->value[from].name;
    const enum spacc_status s = spacc_clean_value(m->c, to, base, "/step", NULL);

    base = m->c->g->value[from].name;
    return s ? s
             : spacc_clean_squeeze(m->c, "Unsqueeze", base, from, *to, 1, (const int64_t[]){0});
}

static enum spacc_status make_node(const struct spacc_cell *m, const char *base, int x, int h,
                                   int state, const int w[3], const int out[3])
{
    const int input[] = {x, w[0], w[1], w[2], -1, h, state};
    struct spacc_clean_call call = {.op = m->lstm ? "LSTM" : "GRU",
                                    .base = base,
                                    .suffix = m->lstm ? "/LSTM" : "/GRU",
                                    .inputs = m->lstm ? 7 : 6,
                                    .outputs = out[2] >= 0 ? 3 : 1,
                                    .input = input,
                                    .output = out,
                                    .attr_int = {"hidden_size", NULL},
                                    .attr_value = {m->hidden, 1}};

    if (m->linear_before_reset)
        call.attr_int[1] = "linear_before_reset";
    return spacc_clean_node(m->c, &call);
}

/* c' is asked for by somebody outside. */
static bool state_is_read(const struct spacc_cell *m)
{
    int inside = 0;

    if (!m->lstm)
        return false;
    for (int n = 0; n < m->marks; n++)
        for (int i = 0; m->mark[n] && i < m->c->g->node[n].inputs; i++)
            inside += m->c->g->node[n].input[i] == m->c_new;
    return m->c->readers[m->c_new] > inside;
}

static enum spacc_status make_outputs(const struct spacc_cell *m, const char *base,
                                      const int out[3])
{
    enum spacc_status s = spacc_clean_squeeze(m->c, "Squeeze", base, out[0], m->h_new, 2,
                                              (const int64_t[]){0, 1});

    if (!s && out[2] >= 0)
        s = spacc_clean_squeeze(m->c, "Squeeze", base, out[2], m->c_new, 1,
                                (const int64_t[]){0});
    return s;
}

enum spacc_status spacc_cell_make(struct spacc_cell *m)
{
    struct spacc_clean *c = m->c;
    const char *base = spacc_clean_maker(c, m->h_new)->name; /* dropped at the end */
    const bool state_read = state_is_read(m);
    int w[3], x, h, state = -1, out[3] = {-1, -1, -1};
    enum spacc_status s;

    if ((s = put_weights(m, w)) || (s = widen(m, m->x, &x)) || (s = widen(m, m->h, &h)) ||
        (m->lstm && (s = widen(m, m->state, &state))) ||
        (s = spacc_clean_value(c, &out[0], base, "/Y", NULL)) ||
        (state_read && (s = spacc_clean_value(c, &out[2], base, "/Y_c", NULL))) ||
        (s = make_node(m, base, x, h, state, w, out)) || (s = make_outputs(m, base, out)))
        return s;
    for (int n = 0; n < m->marks; n++)
        if (m->mark[n])
            spacc_clean_drop(c, n);
    spacc_clean_count(c);
    return SPACC_OK;
}
