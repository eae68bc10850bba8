#include "host/prune/permute.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/prune/lockstep.h"
#include "host/prune/loss.h"
#include "host/prune/trace.h"
#include "models/op.h"
#include "sparse/permute.h"

/* Pairs of columns that are looked at, a column: where gains have become rare. */
enum { SWAPS = 200, SEED = 1 };

/* A dynamic dimension, when shapes are asked for: one that no layer has, so that what is only
 * the same size by chance is not taken for the same axis. */
enum { OPEN_DIM = 3 };

/* Mean squares of the features of a value; NULL: not measured. */
struct norms {
    int value;
    size_t units;
    double *square;
    size_t vectors;
};

struct job {
    struct spacc_graph *g;
    const struct spacc_prune_matrix *m;
    size_t matrices;
    const struct spacc_pruned *result;
    size_t bank_size;
    bool *changed;
    struct spacc_binding *shapes;
    struct norms *norm;
    size_t norms;
    struct spacc_trace *t;
    struct spacc_error *err;
};

static enum spacc_status no_memory(const struct job *j)
{
    return spacc_fail(j->err, SPACC_ENOMEM, "%s: out of memory", j->g->file);
}

/* ---- shapes ------------------------------------------------------------------ */

/* The input as the file declares it; the dimension called `one` is 1. False: it does not say.
 */
static bool declare(struct spacc_tensor *shape, const struct spacc_value *v, const char *one)
{
    *shape = (struct spacc_tensor){.dtype = v->dtype, .rank = v->rank, .count = 1};
    for (int d = 0; d < v->rank; d++) {
        const bool is_one = one && v->dim_names[d] && !strcmp(v->dim_names[d], one);
        shape->dims[d] = v->dims[d] >= 0 ? v->dims[d] : is_one ? 1 : OPEN_DIM;
        shape->count *= (size_t)shape->dims[d];
    }
    return v->rank >= 0 && v->dtype != SPACC_DTYPE_NONE;
}

/* Leaves shapes NULL where the model does not go with these dimensions. SPACC_ENOMEM. */
static enum spacc_status bind_with(struct job *j, const char *one)
{
    const size_t inputs = (size_t)j->g->inputs;
    struct spacc_tensor *shape = calloc(inputs + 1, sizeof(*shape));
    const struct spacc_tensor **input = calloc(inputs + 1, sizeof(*input));
    bool known = true;
    enum spacc_status s = shape && input ? SPACC_OK : no_memory(j);

    for (size_t i = 0; i < inputs && !s && known; i++) {
        input[i] = &shape[i];
        known = declare(&shape[i], &j->g->value[j->g->input[i]], one);
    }
    if (!s && known)
        s = spacc_graph_bind(&j->shapes, j->g, input, j->err);
    free(input);
    free(shape);
    return s == SPACC_ENOMEM ? s : SPACC_OK;
}

/* Shapes of all values. A model that cannot have OPEN_DIM in one of its dimensions has 1 there
 * (a batch). Without shapes nothing is free. */
static enum spacc_status bind(struct job *j)
{
    enum spacc_status s = bind_with(j, NULL);

    for (int i = 0; i < j->g->inputs; i++) {
        const struct spacc_value *v = &j->g->value[j->g->input[i]];
        for (int d = 0; d < v->rank && !s && !j->shapes; d++)
            if (v->dims[d] < 0 && v->dim_names[d])
                s = bind_with(j, v->dim_names[d]);
    }
    return s;
}

static void trace(struct job *j, int node)
{
    *j->t = (struct spacc_trace){
        .g = j->g, .m = j->m, .matrices = j->matrices, .shapes = j->shapes};
    spacc_trace_node(j->t, node);
}

/* ---- norms ------------------------------------------------------------------- */

static struct norms *norms_of(const struct job *j, int value)
{
    for (size_t i = 0; i < j->norms; i++)
        if (j->norm[i].value == value)
            return &j->norm[i];
    return NULL;
}

/* A place for the features of every value that a matrix reads. */
static enum spacc_status want_norms(struct job *j)
{
    for (size_t i = 0; i < j->t->readers; i++) {
        const int value = j->t->reader[i].input;
        if (value < 0 || norms_of(j, value))
            continue;
        struct norms *grown = realloc(j->norm, (j->norms + 1) * sizeof(*grown));
        if (!grown)
            return no_memory(j);
        j->norm = grown;
        grown[j->norms] = (struct norms){.value = value, .units = j->t->units};
        grown[j->norms].square = calloc(j->t->units, sizeof(double));
        if (!grown[j->norms++].square)
            return no_memory(j);
    }
    return SPACC_OK;
}

static void add_norms(struct norms *to, const struct spacc_tensor *t)
{
    const float *x = t && t->dtype == SPACC_F32 ? t->data : NULL;

    if (!x || t->rank == 0 || t->dims[t->rank - 1] != (int64_t)to->units)
        return;
    for (size_t i = 0; i < t->count; i++)
        to->square[i % to->units] += (double)x[i] * (double)x[i];
    to->vectors += t->count / to->units;
}

/* Run a few requests and look at each wanted value as soon as it is there. */
static enum spacc_status measure(struct job *j, const struct spacc_requests *requests)
{
    struct spacc_lockstep *all = NULL, *l = NULL;
    enum spacc_status s;

    for (int n = 0; n < j->g->nodes; n++)
        if (spacc_trace_makes(&j->g->node[n])) {
            trace(j, n);
            if (!j->t->why[0] && (s = want_norms(j)))
                return s;
        }
    if ((s = spacc_lockstep_new(&all, j->g, requests->count, requests->input, j->err)) ||
        (s = spacc_lockstep_fork(&l, all, spacc_loss_every(requests->count), j->err)))
        goto out;
    while (!s && !spacc_lockstep_done(l)) {
        const int node = spacc_lockstep_node(l);
        s = spacc_lockstep_step(l, j->err);
        for (size_t i = 0; i < j->norms && !s; i++)
            for (size_t r = 0; r < spacc_lockstep_requests(l); r++)
                if (j->g->value[j->norm[i].value].producer == node)
                    add_norms(&j->norm[i], spacc_lockstep_value(l, r, j->norm[i].value));
    }
out:
    spacc_lockstep_free(l);
    spacc_lockstep_free(all);
    return s;
}

/* ---- one layer --------------------------------------------------------------- */

/* The matrix is pruned and its banks are more than one. */
static bool counts(const struct job *j, const struct spacc_trace_reader *r)
{
    return !j->result[r->m - j->m].why[0] && r->m->cols > j->bank_size;
}

/* Rows of all matrices that count, and k of the one with most of them. */
static size_t rows_of(const struct job *j, size_t *k)
{
    size_t rows = 0, most = 0;

    for (size_t i = 0; i < j->t->readers; i++) {
        const struct spacc_trace_reader *r = &j->t->reader[i];
        if (!counts(j, r))
            continue;
        rows += r->m->rows;
        if (r->m->rows > most) {
            most = r->m->rows;
            *k = j->result[r->m - j->m].k;
        }
    }
    return rows;
}

static void fill_scores(const struct job *j, float *score)
{
    const size_t units = j->t->units;

    for (size_t i = 0; i < j->t->readers; i++) {
        const struct spacc_trace_reader *r = &j->t->reader[i];
        const struct norms *n = norms_of(j, r->input);
        if (!counts(j, r))
            continue;
        spacc_prune_matrix_get(r->m, r->m->init->data, score);
        for (size_t e = 0; n && n->vectors && e < r->m->rows * units; e++)
            score[e] *= (float)sqrt(n->square[e % units] / (double)n->vectors);
        score += r->m->rows * units;
    }
}

/* Unit u of the constant becomes unit order[u] of the old one. */
static enum spacc_status renumber(struct job *j, const struct spacc_trace_axis *a,
                                  const uint32_t *order)
{
    float *to = spacc_prune_constant(j->g, a->value)->data;
    const size_t units = j->t->units, block = units * a->inner;
    float *old = malloc(block * sizeof(*old));

    if (!old)
        return no_memory(j);
    for (size_t o = 0; o < a->outer; o++, to += block) {
        memcpy(old, to, block * sizeof(*old));
        for (size_t u = 0; u < units; u++)
            memcpy(to + u * a->inner, old + order[u] * a->inner, a->inner * sizeof(*old));
    }
    j->changed[a->value] = true;
    free(old);
    return SPACC_OK;
}

static bool in_order(const uint32_t *order, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (order[i] != i)
            return false;
    return true;
}

static enum spacc_status permute(struct job *j, struct spacc_permuted *to, size_t rows,
                                 size_t k)
{
    const size_t units = j->t->units;
    float *score = malloc(rows * units * sizeof(*score));
    uint32_t *order = malloc(units * sizeof(*order));
    enum spacc_status s = score && order ? SPACC_OK : no_memory(j);

    if (!s) {
        fill_scores(j, score);
        s = spacc_permute_columns(order, score, rows, units, j->bank_size, k, SEED,
                                  SWAPS * units, &to->before, &to->after, j->err);
        if (s)
            spacc_fail_in(j->err, s, "%s: node %s", j->g->file, to->node->name);
    }
    for (size_t i = 0; i < j->t->axes && !s && !in_order(order, units); i++)
        s = renumber(j, &j->t->axis[i], order);
    free(score);
    free(order);
    return s;
}

/* *told: it belongs in the list. */
static enum spacc_status permute_node(struct job *j, int node, struct spacc_permuted *to,
                                      bool *told)
{
    size_t k = 0;

    trace(j, node);
    const size_t rows = rows_of(j, &k);
    *to = (struct spacc_permuted){.node = &j->g->node[node], .units = j->t->units};
    *told =
        rows > 0 || !strcmp(to->node->op->name, "LSTM") || !strcmp(to->node->op->name, "GRU");
    if (!j->t->why[0] && rows > 0 && k < j->bank_size)
        return permute(j, to, rows, k);
    if (j->t->why[0])
        snprintf(to->why, sizeof(to->why), "%s", j->t->why);
    else
        snprintf(to->why, sizeof(to->why), "nothing that reads it is pruned in several banks");
    return SPACC_OK;
}

static void release(struct job *j)
{
    for (size_t i = 0; i < j->norms; i++)
        free(j->norm[i].square);
    free(j->norm);
    free(j->t);
    spacc_binding_free(j->shapes);
}

enum spacc_status spacc_prune_permute(struct spacc_permuted **out, size_t *count,
                                      struct spacc_graph *g, const struct spacc_prune_matrix *m,
                                      size_t matrices, const struct spacc_pruned *result,
                                      size_t bank_size, const struct spacc_requests *requests,
                                      bool *changed, struct spacc_error *err)
{
    struct job j = {.g = g,
                    .m = m,
                    .matrices = matrices,
                    .result = result,
                    .bank_size = bank_size,
                    .changed = changed,
                    .err = err};
    enum spacc_status s = SPACC_OK;

    *count = 0;
    *out = calloc((size_t)g->nodes + 1, sizeof(**out));
    j.t = malloc(sizeof(*j.t));
    if (!*out || !j.t)
        s = no_memory(&j);
    if (!s)
        s = bind(&j);
    if (!s && requests)
        s = measure(&j, requests);
    for (int n = 0; n < g->nodes && !s; n++) {
        bool told = false;
        if (spacc_trace_makes(&g->node[n]))
            s = permute_node(&j, n, &(*out)[*count], &told);
        *count += told;
    }
    release(&j);
    if (s) {
        free(*out);
        *out = NULL;
        *count = 0;
    }
    return s;
}
