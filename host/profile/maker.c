#include "host/profile/maker.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/op.h"

enum { OPSET = 13, IR = 8, BANK = 16 };

/* ---- numbers ------------------------------------------------------------------------- */

uint64_t spacc_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15U;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

uint64_t spacc_random_below(uint64_t *state, uint64_t below)
{
    return spacc_random(state) % below;
}

static float random_float(uint64_t *state)
{
    return (float)(spacc_random(state) >> 40) / 8388608.0f - 1.0f;
}

/* ---- values -------------------------------------------------------------------------- */

static int fail(struct spacc_maker *m)
{
    spacc_graph_free(m->g);
    m->g = NULL;
    return -1;
}

static char *numbered(char letter, int number)
{
    char text[16];

    snprintf(text, sizeof(text), "%c%d", letter, number);
    return strdup(text);
}

void spacc_maker_start(struct spacc_maker *m, uint64_t seed)
{
    *m = (struct spacc_maker){.g = calloc(1, sizeof(*m->g)), .random = seed};
    if (!m->g)
        return;
    m->g->opset = OPSET;
    m->g->ir_version = IR;
    m->g->name = strdup("trial");
    m->g->file = strdup("trial");
    if (!m->g->name || !m->g->file)
        fail(m);
}

/* Room for one more in a list. */
static bool grow(void **list, int *room, int count, size_t bytes)
{
    if (count < *room)
        return true;
    const int more = *room ? *room * 2 : 16;
    void *p = realloc(*list, (size_t)more * bytes);
    if (!p)
        return false;
    *list = p;
    *room = more;
    return true;
}

static bool append(int **list, int *count, int value)
{
    int *more = realloc(*list, ((size_t)*count + 1) * sizeof(**list));

    if (!more)
        return false;
    *list = more;
    more[(*count)++] = value;
    return true;
}

/* Takes `init` over. */
static int add_value(struct spacc_maker *m, struct spacc_tensor *init, int producer)
{
    if (!m->g ||
        !grow((void **)&m->g->value, &m->value_room, m->g->values, sizeof(*m->g->value))) {
        spacc_tensor_free(init);
        return fail(m);
    }
    struct spacc_value *v = &m->g->value[m->g->values];
    *v = (struct spacc_value){.name = numbered('v', m->g->values),
                              .init = init,
                              .outer = -1,
                              .producer = producer,
                              .rank = -1};
    m->g->values++;
    return v->name ? m->g->values - 1 : fail(m);
}

int spacc_maker_input(struct spacc_maker *m, enum spacc_dtype type, int rank,
                      const int64_t *dims)
{
    const int v = add_value(m, NULL, -1);

    if (v < 0)
        return v;
    m->g->value[v].dtype = type;
    m->g->value[v].rank = rank;
    memcpy(m->g->value[v].dims, dims, (size_t)rank * sizeof(*dims));
    return append(&m->g->input, &m->g->inputs, v) ? v : fail(m);
}

int spacc_maker_constant(struct spacc_maker *m, const struct spacc_tensor *t)
{
    struct spacc_tensor *copy = NULL;

    return m->g && !spacc_tensor_copy(&copy, t) ? add_value(m, copy, -1) : fail(m);
}

/* `keep` of `count` neighbours, chosen at random, are not zero. */
static void fill_bank(uint64_t *random, float *w, size_t count, size_t keep, float scale)
{
    for (size_t i = 0; i < count; i++) {
        const bool kept = spacc_random_below(random, count - i) < keep;
        w[i] = kept ? scale * random_float(random) : 0.0f;
        if (kept && w[i] == 0.0f)
            w[i] = scale;
        keep -= kept;
    }
}

int spacc_maker_weights(struct spacc_maker *m, int rank, const int64_t *dims, double sums,
                        double density)
{
    struct spacc_tensor *t = NULL;

    if (!m->g || spacc_tensor_new(&t, SPACC_F32, rank, dims))
        return fail(m);
    const size_t row = rank > 0 && t->count ? (size_t)dims[rank - 1] : 1;
    const float scale = (float)(1.0 / sqrt(sums + 1.0));
    float *w = t->data;
    for (size_t r = 0; r < t->count; r += row)
        for (size_t c = 0; c < row; c += BANK) {
            const size_t count = row - c < BANK ? row - c : BANK;
            fill_bank(&m->random, w + r + c, count, (size_t)(density * (double)count + 0.5),
                      scale);
        }
    return add_value(m, t, -1);
}

int spacc_maker_ints(struct spacc_maker *m, int count, const int64_t *values)
{
    const int64_t dims = count;
    struct spacc_tensor *t = NULL;

    if (!m->g || spacc_tensor_new(&t, SPACC_I64, 1, &dims))
        return fail(m);
    memcpy(t->data, values, (size_t)count * sizeof(*values));
    return add_value(m, t, -1);
}

/* ---- nodes --------------------------------------------------------------------------- */

static bool fill_node(struct spacc_node *n, int number, const char *op, int inputs,
                      const int *input)
{
    *n = (struct spacc_node){.name = numbered('n', number), .op = spacc_op_find(op)};
    n->input = malloc(((size_t)inputs + 1) * sizeof(*n->input));
    if (!n->name || !n->op || !n->input)
        return false;
    memcpy(n->input, input, (size_t)inputs * sizeof(*input));
    n->inputs = inputs;
    return true;
}

int spacc_maker_node(struct spacc_maker *m, const char *op, int inputs, const int *input)
{
    if (!m->g || !grow((void **)&m->g->node, &m->node_room, m->g->nodes, sizeof(*m->g->node)))
        return fail(m);
    m->g->nodes++;
    if (!fill_node(&m->g->node[m->g->nodes - 1], m->g->nodes - 1, op, inputs, input))
        return fail(m);
    return spacc_maker_more(m);
}

int spacc_maker_more(struct spacc_maker *m)
{
    const int v = add_value(m, NULL, m->g ? m->g->nodes - 1 : -1);
    struct spacc_node *n = m->g ? &m->g->node[m->g->nodes - 1] : NULL;

    return n && append(&n->output, &n->outputs, v) ? v : fail(m);
}

static void *copy_of(const void *from, size_t bytes)
{
    void *p = malloc(bytes + 1);

    if (p && from)
        memcpy(p, from, bytes);
    return p;
}

static char **texts_of(char *const *from, size_t count)
{
    char **to = calloc(count + 1, sizeof(*to));

    for (size_t i = 0; to && i < count; i++)
        to[i] = strdup(from[i]);
    return to;
}

/* Copies what `from` points at. */
static void add_attr(struct spacc_maker *m, const struct spacc_attr *from)
{
    struct spacc_node *n = m->g ? &m->g->node[m->g->nodes - 1] : NULL;
    struct spacc_attr *more = n ? realloc(n->attr, (n->attrs + 1) * sizeof(*more)) : NULL;

    if (!more) {
        fail(m);
        return;
    }
    n->attr = more;
    struct spacc_attr *a = &more[n->attrs++];
    *a = (struct spacc_attr){.kind = from->kind, .f = from->f, .i = from->i};
    a->name = strdup(from->name);
    a->s = from->s ? strdup(from->s) : NULL;
    a->count = from->count;
    a->floats = from->floats ? copy_of(from->floats, from->count * sizeof(float)) : NULL;
    a->ints = from->ints ? copy_of(from->ints, from->count * sizeof(int64_t)) : NULL;
    a->strings = from->strings ? texts_of(from->strings, from->count) : NULL;
    const bool copied = !from->tensor || !spacc_tensor_copy(&a->tensor, from->tensor);
    if (!copied || !a->name || (from->s && !a->s) || (from->floats && !a->floats) ||
        (from->ints && !a->ints) || (from->strings && !a->strings))
        fail(m);
}

void spacc_maker_int(struct spacc_maker *m, const char *name, int64_t value)
{
    const struct spacc_attr a = {
        .name = (char *)(uintptr_t)name, .kind = SPACC_ATTR_INT, .i = value};

    add_attr(m, &a);
}

void spacc_maker_list(struct spacc_maker *m, const char *name, int count, const int64_t *values)
{
    const struct spacc_attr a = {.name = (char *)(uintptr_t)name,
                                 .kind = SPACC_ATTR_INTS,
                                 .count = (size_t)count,
                                 .ints = (int64_t *)(uintptr_t)values};

    add_attr(m, &a);
}

void spacc_maker_text(struct spacc_maker *m, const char *name, const char *text)
{
    const struct spacc_attr a = {.name = (char *)(uintptr_t)name,
                                 .kind = SPACC_ATTR_STRING,
                                 .s = (char *)(uintptr_t)text};

    add_attr(m, &a);
}

void spacc_maker_attributes(struct spacc_maker *m, const struct spacc_node *from)
{
    for (size_t i = 0; i < from->attrs; i++)
        if (!from->attr[i].graph)
            add_attr(m, &from->attr[i]);
}

void spacc_maker_output(struct spacc_maker *m, int value)
{
    if (!m->g || value < 0 || !append(&m->g->output, &m->g->outputs, value))
        fail(m);
}

struct spacc_graph *spacc_maker_end(struct spacc_maker *m)
{
    struct spacc_graph *g = m->g;

    m->g = NULL;
    return g;
}
