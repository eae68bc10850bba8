#include "host/prune/prune.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/prune/loss.h"
#include "host/prune/observe.h"
#include "host/prune/prune_parts.h"
#include "sparse/prune.h"
#include "sparse/prune_obs.h"

/* Vectors a block is measured on, all requests together, where there is that much; fewer than a
 * request has are evenly spaced. Eight times the columns of a large layer. */
enum { SAMPLES = 8192, MATRICES_MAX = 4 }; /* W and R of two directions */

/* ---- what can be pruned ------------------------------------------------------ */

static bool same_weights(const struct spacc_prune_matrix *a, const struct spacc_prune_matrix *b)
{
    return a->value >= 0 && a->value == b->value && a->first == b->first;
}

/* Matrices that read the constant of m[i], each direction of a node counted once. */
static int matrix_readers(const struct spacc_prune_matrix *m, size_t count, size_t i)
{
    int readers = 0;

    for (size_t j = 0; j < count; j++)
        readers += m[j].value == m[i].value && m[j].first == 0;
    return readers;
}

static void look(struct spacc_pruned *r, const struct spacc_graph *g,
                 const struct spacc_prune_matrix *m, size_t count, size_t i, size_t bank_size)
{
    size_t twin = 0;

    r->k = bank_size;
    r->error = r->loss = -1.0;
    if (m[i].why) {
        snprintf(r->why, sizeof(r->why), "%s", m[i].why);
        return;
    }
    while (!same_weights(&m[twin], &m[i]))
        twin++;
    if (m[i].cols < bank_size)
        snprintf(r->why, sizeof(r->why), "%zu columns are less than a bank of %zu", m[i].cols,
                 bank_size);
    else if (spacc_value_readers(g, m[i].value) > matrix_readers(m, count, i))
        snprintf(r->why, sizeof(r->why), "its weights are read by other nodes too");
    else if (twin < i)
        snprintf(r->why, sizeof(r->why), "has the weights of node %s", m[twin].node->name);
    r->padding = (bank_size - m[i].cols % bank_size) % bank_size;
}

enum spacc_status spacc_prune_begin(struct spacc_pruned *result, const struct spacc_graph *g,
                                    const struct spacc_prune_matrix *m, size_t count,
                                    size_t bank_size, struct spacc_error *err)
{
    size_t left = 0;

    for (size_t i = 0; i < count; i++) {
        result[i] = (struct spacc_pruned){0};
        look(&result[i], g, m, count, i, bank_size);
        left += !result[i].why[0];
    }
    if (left)
        return SPACC_OK;
    if (count)
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "%s: nothing to prune: node %s, the first of %zu matrices: %s",
                          g->file, m[0].node->name, count, result[0].why);
    return spacc_fail(err, SPACC_EUNSUPPORTED,
                      "%s: no constant weights of LSTM, GRU, MatMul, Gemm or Conv to prune",
                      g->file);
}

size_t spacc_prune_kept_of(const struct spacc_prune_matrix *m, size_t bank_size, size_t k)
{
    const size_t rest = m->cols % bank_size;

    return m->rows * (m->cols / bank_size * k + (rest < k ? rest : k));
}

/* ---- one block --------------------------------------------------------------- */

/* Sums by matrix, over its blocks. */
struct sums {
    double before, after, error, whole;
};

/* Weights of a block before and after. */
struct pair {
    float *dense, *pruned; /* [rows][cols] */
    float *bias, *changed; /* [rows]; NULL: none */
};

static struct spacc_pruned *result_of(const struct spacc_prune_work *w,
                                      const struct spacc_prune_matrix *m)
{
    return &w->result[m - w->m];
}

static void release(struct pair *p)
{
    free(p->dense);
    free(p->pruned);
    free(p->bias);
    free(p->changed);
}

static size_t part_at(const struct spacc_prune_block *b, int part)
{
    return part && b->part[0] ? b->part[0]->cols : 0;
}

static enum spacc_status load(struct pair *p, const struct spacc_prune_work *w,
                              const struct spacc_prune_block *b)
{
    const size_t count = b->rows * b->cols;

    p->dense = malloc(count * sizeof(float));
    p->pruned = malloc(count * sizeof(float));
    p->bias = b->bias >= 0 ? malloc(b->rows * sizeof(float)) : NULL;
    p->changed = b->bias >= 0 ? malloc(b->rows * sizeof(float)) : NULL;
    if (!p->dense || !p->pruned || (b->bias >= 0 && (!p->bias || !p->changed)))
        return spacc_fail(w->err, SPACC_ENOMEM, "out of memory");
    for (int part = 0; part < 2; part++)
        if (b->part[part])
            spacc_prune_block_get(b, part, p->dense + part_at(b, part), b->cols);
    memcpy(p->pruned, p->dense, count * sizeof(float));
    if (b->bias >= 0) {
        spacc_prune_block_bias(b, w->g, p->bias);
        memcpy(p->changed, p->bias, b->rows * sizeof(float));
    }
    return SPACC_OK;
}

static void store(const struct pair *p, const struct spacc_prune_work *w,
                  const struct spacc_prune_block *b)
{
    for (int part = 0; part < 2; part++) {
        if (!b->part[part])
            continue;
        spacc_prune_block_put(b, part, p->pruned + part_at(b, part), b->cols,
                              spacc_prune_constant(w->g, b->part[part]->value)->data);
        w->changed[b->part[part]->value] = true;
    }
    if (b->bias < 0 || !memcmp(p->bias, p->changed, b->rows * sizeof(float)))
        return;
    spacc_prune_block_set_bias(b, w->g, p->changed);
    w->changed[b->bias] = true;
}

/* Columns from..from + cols - 1 of [rows][stride] <-> [rows][cols]. */
static void columns(float *to, size_t to_stride, const float *from, size_t from_stride,
                    size_t rows, size_t cols)
{
    for (size_t r = 0; r < rows; r++)
        memcpy(to + r * to_stride, from + r * from_stride, cols * sizeof(float));
}

/* A part by scores alone; norm of all columns of the block, NULL: by magnitude. */
static enum spacc_status prune_part(struct pair *p, const struct spacc_prune_work *w,
                                    const struct spacc_prune_block *b, int part,
                                    const float *norm)
{
    const size_t cols = b->part[part]->cols, at = part_at(b, part);
    const size_t bank = w->how->bank_size, k = result_of(w, b->part[part])->k;
    float *dense = malloc(b->rows * cols * sizeof(*dense));
    enum spacc_status s;

    if (!dense)
        return spacc_fail(w->err, SPACC_ENOMEM, "out of memory");
    columns(dense, cols, p->pruned + at, b->cols, b->rows, cols);
    if (norm)
        s = spacc_prune_wanda(dense, b->rows, cols, bank, k, norm + at, NULL, w->err);
    else
        s = spacc_prune_magnitude(dense, b->rows, cols, bank, k, NULL, w->err);
    columns(p->pruned + at, b->cols, dense, cols, b->rows, cols);
    free(dense);
    return s ? spacc_fail_in(w->err, s, "%s", b->part[part]->label) : s;
}

static enum spacc_status prune_scores(struct pair *p, const struct spacc_prune_work *w,
                                      const struct spacc_prune_block *b,
                                      const struct spacc_gram *gram)
{
    float *norm = NULL;
    enum spacc_status s = SPACC_OK;

    if (w->how->method == SPACC_PRUNE_WANDA) {
        norm = malloc(b->cols * sizeof(*norm));
        if (!norm)
            return spacc_fail(w->err, SPACC_ENOMEM, "out of memory");
        spacc_gram_norms(gram, norm);
    }
    for (int part = 0; part < 2 && !s; part++)
        if (b->part[part])
            s = prune_part(p, w, b, part, norm);
    free(norm);
    return s;
}

static int number_of(const struct spacc_prune_block *b)
{
    return (b->part[0] ? b->part[0] : b->part[1])->number;
}

static enum spacc_status prune_obs(struct pair *p, const struct spacc_prune_work *w,
                                   const struct spacc_prune_block *b,
                                   const struct spacc_gram *gram)
{
    struct spacc_prune_part part[2];
    struct spacc_prune_obs how = {.part = part, .weight_bits = w->how->weight_bits};
    struct spacc_prune_result result;
    int frac[2] = {0, 0};

    if (!w->grid || !spacc_grid_frac(w->grid, number_of(b), &frac[0], &frac[1]))
        how.weight_bits = 0;
    for (int i = 0; i < 2; i++)
        if (b->part[i])
            part[how.parts++] = (struct spacc_prune_part){.cols = b->part[i]->cols,
                                                          .bank_size = w->how->bank_size,
                                                          .k = result_of(w, b->part[i])->k,
                                                          .frac = frac[i]};
    const enum spacc_status s =
        spacc_prune_obs(p->pruned, p->changed, b->rows, &how, gram, &result, w->err);
    for (int i = 0; i < 2 && !s; i++)
        if (b->part[i])
            result_of(w, b->part[i])->damp = fmax(result_of(w, b->part[i])->damp, result.damp);
    return s;
}

static double squares(const float *w, size_t rows, size_t cols, size_t stride)
{
    double sum = 0.0;

    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            sum += (double)w[r * stride + c] * (double)w[r * stride + c];
    return sum;
}

/* Columns from..from + cols - 1 of a Gram that are zero. */
static size_t silent_of(const struct spacc_gram *g, size_t from, size_t cols)
{
    size_t silent = 0;

    for (size_t c = from; c < from + cols; c++)
        silent += g->sum[c * (g->cols + 1) + c] == 0.0F;
    return silent;
}

/* sums: of the node's matrices. */
static void measure(struct sums *sums, const struct spacc_prune_node *n, const struct pair *p,
                    const struct spacc_prune_work *w, const struct spacc_prune_block *b,
                    const struct spacc_gram *gram)
{
    double whole = 0.0, error = 0.0;

    if (gram)
        error =
            spacc_gram_error(gram, p->dense, p->bias, p->pruned, p->changed, b->rows, &whole);
    for (int i = 0; i < 2; i++) {
        if (!b->part[i])
            continue;
        struct sums *to = &sums[(size_t)(b->part[i] - w->m) - n->first];
        struct spacc_pruned *r = result_of(w, b->part[i]);
        const size_t at = part_at(b, i), cols = b->part[i]->cols;
        to->before += squares(p->dense + at, b->rows, cols, b->cols);
        to->after += squares(p->pruned + at, b->rows, cols, b->cols);
        to->error += error * (double)b->rows;
        to->whole += whole * (double)b->rows;
        if (gram && (!r->samples || gram->samples < r->samples))
            r->samples = gram->samples;
        if (gram && silent_of(gram, at, cols) > r->silent)
            r->silent = silent_of(gram, at, cols);
    }
}

static enum spacc_status prune_block(struct sums *sums, const struct spacc_prune_node *n,
                                     const struct spacc_prune_work *w,
                                     const struct spacc_prune_block *b,
                                     const struct spacc_gram *gram)
{
    struct pair p = {0};
    enum spacc_status s = load(&p, w, b);

    if (!s)
        s = w->how->method == SPACC_PRUNE_OBS ? prune_obs(&p, w, b, gram)
                                              : prune_scores(&p, w, b, gram);
    if (!s) {
        measure(sums, n, &p, w, b, gram);
        store(&p, w, b);
    }
    release(&p);
    return s;
}

/* ---- one node ---------------------------------------------------------------- */

static double zeros_of(const struct spacc_prune_matrix *m)
{
    const float *at = m->init->data;
    size_t zeros = 0;

    for (size_t r = 0; r < m->rows; r++)
        for (size_t c = 0; c < m->cols; c++)
            zeros += at[m->first + r * m->row_step + c * m->col_step] == 0.0F;
    return (double)zeros / ((double)m->rows * (double)m->cols);
}

static void conclude(const struct spacc_prune_work *w, size_t i, const struct sums *sums,
                     bool measured)
{
    struct spacc_pruned *r = &w->result[i];

    if (r->why[0])
        return;
    r->sparsity = zeros_of(&w->m[i]);
    r->energy_kept = sums->before > 0.0 ? sums->after / sums->before : 1.0;
    if (measured)
        r->error = sums->whole > 0.0 ? sums->error / sums->whole : 0.0;
}

/* Shapes may hang on contents, and so on pruning. */
static bool same_shapes(const struct spacc_node *n, const struct spacc_tensor *const *a,
                        const struct spacc_tensor *const *b)
{
    for (int i = 0; i < n->inputs; i++)
        if (!a[i] != !b[i] || (a[i] && !spacc_tensor_same_shape(a[i], b[i])))
            return false;
    return true;
}

static enum spacc_status observe_all(const struct spacc_prune_node *n,
                                     const struct spacc_prune_work *w,
                                     const struct spacc_lockstep *l,
                                     const struct spacc_lockstep *was, size_t samples)
{
    const size_t requests = spacc_lockstep_requests(l);
    const size_t limit = samples > requests ? (samples + requests - 1) / requests : 1;
    const int node = spacc_lockstep_node(l);
    const struct spacc_tensor **in = spacc_lockstep_room(l), **before = spacc_lockstep_room(l);
    enum spacc_status s =
        in && before ? SPACC_OK
                     : spacc_fail(w->err, SPACC_ENOMEM, "%s: out of memory", w->g->file);

    for (size_t r = 0; r < requests && !s; r++) {
        spacc_lockstep_inputs(l, r, in);
        if (was)
            spacc_lockstep_inputs(was, r, before);
        const bool both = was && same_shapes(&w->g->node[node], in, before);
        s = spacc_observe(n->gram, n->block, n->blocks, w->g, node, in, both ? before : NULL,
                          limit, w->err);
        if (!s && w->grid)
            s = spacc_grid_see(w->grid, node, in, w->err);
    }
    free(before);
    free(in);
    return s;
}

static enum spacc_status make_grams(struct spacc_prune_node *n,
                                    const struct spacc_prune_work *w,
                                    const struct spacc_lockstep *l,
                                    const struct spacc_lockstep *was, size_t samples)
{
    const char *name = w->g->node[spacc_lockstep_node(l)].name;
    enum spacc_status s = SPACC_OK;

    n->gram = calloc(n->blocks + 1, sizeof(struct spacc_gram *));
    if (!n->gram)
        return spacc_fail(w->err, SPACC_ENOMEM, "%s: node %s: out of memory", w->g->file, name);
    for (size_t i = 0; i < n->blocks && !s; i++)
        if ((s = spacc_gram_create(&n->gram[i], n->block[i].cols, w->err)))
            s = spacc_fail_in(w->err, s, "%s: node %s", w->g->file, name);
    if (!s)
        s = observe_all(n, w, l, was, samples);
    for (size_t i = 0; i < n->blocks && !s; i++)
        if (n->gram[i]->samples < 2)
            s = spacc_fail(w->err, SPACC_EINVAL,
                           "%s: node %s: %zu sample%s to calibrate by, 2 or more are needed",
                           w->g->file, name, n->gram[i]->samples,
                           n->gram[i]->samples == 1 ? "" : "s");
    return s;
}

enum spacc_status spacc_prune_node_look(struct spacc_prune_node *n,
                                        const struct spacc_prune_work *w, size_t first,
                                        size_t count, const struct spacc_lockstep *l,
                                        const struct spacc_lockstep *was, size_t samples)
{
    bool use[MATRICES_MAX];

    *n = (struct spacc_prune_node){.first = first, .count = count};
    for (size_t i = 0; i < count; i++)
        use[i] = !w->result[first + i].why[0];
    const enum spacc_status s = spacc_prune_blocks(&n->block, &n->blocks, w->g, w->m + first,
                                                   use, count, w->grid != NULL, w->err);
    return s || !l ? s : make_grams(n, w, l, was, samples);
}

void spacc_prune_node_release(struct spacc_prune_node *n)
{
    for (size_t i = 0; n->gram && i < n->blocks; i++)
        spacc_gram_free(n->gram[i]);
    free(n->gram);
    free(n->block);
    *n = (struct spacc_prune_node){0};
}

enum spacc_status spacc_prune_node_run(const struct spacc_prune_node *n,
                                       const struct spacc_prune_work *w)
{
    struct sums sums[MATRICES_MAX] = {{0}};
    enum spacc_status s = SPACC_OK;

    for (size_t i = 0; i < n->blocks && !s; i++)
        s = prune_block(sums, n, w, &n->block[i], n->gram ? n->gram[i] : NULL);
    if (s)
        return spacc_fail_in(w->err, s, "%s: node %s", w->g->file, w->m[n->first].node->name);
    for (size_t i = 0; i < n->count; i++)
        conclude(w, n->first + i, &sums[i], n->gram != NULL);
    return SPACC_OK;
}

/* ---- the model --------------------------------------------------------------- */

size_t spacc_prune_node_matrices(const struct spacc_prune_matrix *m, size_t count, size_t first)
{
    size_t n = 1;

    while (first + n < count && m[first + n].node == m[first].node)
        n++;
    return n;
}

static bool any_left(const struct spacc_pruned *r, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!r[i].why[0])
            return true;
    return false;
}

enum spacc_status spacc_prune_reach(struct spacc_lockstep *l, int node, struct spacc_error *err)
{
    enum spacc_status s = SPACC_OK;

    while (l && !s && spacc_lockstep_node(l) < node)
        s = spacc_lockstep_step(l, err);
    return s;
}

static enum spacc_status prune_node(const struct spacc_prune_work *w, size_t first,
                                    size_t count, struct spacc_lockstep *l,
                                    struct spacc_lockstep *was)
{
    struct spacc_prune_node n = {0};
    enum spacc_status s = spacc_prune_reach(l, w->m[first].number, w->err);

    if (!s)
        s = spacc_prune_reach(was, w->m[first].number, w->err);
    if (!s)
        s = spacc_prune_node_look(&n, w, first, count, l, was, SAMPLES);
    if (!s)
        s = spacc_prune_node_run(&n, w);
    spacc_prune_node_release(&n);
    return s;
}

static enum spacc_status prune_all(const struct spacc_prune_work *w, size_t count,
                                   struct spacc_lockstep *l, struct spacc_lockstep *was)
{
    enum spacc_status s = SPACC_OK;

    for (size_t i = 0, n; i < count && !s; i += n) {
        n = spacc_prune_node_matrices(w->m, count, i);
        if (!any_left(w->result + i, n))
            continue;
        if (w->how->progress)
            w->how->progress(w->how->user, (int)i, (int)count, w->m[i].node->name);
        s = prune_node(w, i, n, l, was);
    }
    return s;
}

/* The requests through the model as it is now; NULL when the method does not ask for it. */
static enum spacc_status follow(struct spacc_lockstep **was, const struct spacc_prune_work *w,
                                const struct spacc_lockstep *l)
{
    if (w->how->method != SPACC_PRUNE_OBS)
        return SPACC_OK;
    const enum spacc_status s = spacc_lockstep_fork(was, l, 1, w->err);

    return s ? s : spacc_lockstep_keep(*was, w->err);
}

/* The same over calibration requests, and what the outputs lost by it; -1 where none of them
 * can be compared. */
static enum spacc_status prune_measured(const struct spacc_prune_work *w, size_t count,
                                        const struct spacc_requests *requests,
                                        double *outputs_error)
{
    const size_t every = spacc_loss_every(requests->count);
    struct spacc_lockstep *l = NULL, *dense = NULL, *was = NULL;
    enum spacc_status s;

    if ((s = spacc_lockstep_new(&l, w->g, requests->count, requests->input, w->err)) ||
        (s = spacc_lockstep_fork(&dense, l, every, w->err)) ||
        (s = spacc_loss_finish(dense, w->err)) || (s = follow(&was, w, l)) ||
        (s = prune_all(w, count, l, was)) || (s = spacc_loss_finish(l, w->err)))
        goto out;
    if (spacc_loss(outputs_error, w->g, dense, l, every, NULL))
        *outputs_error = -1.0;
out:
    spacc_lockstep_free(was);
    spacc_lockstep_free(dense);
    spacc_lockstep_free(l);
    return s;
}

enum spacc_status spacc_prune_model(struct spacc_pruned *result, bool *changed,
                                    struct spacc_graph *g, const struct spacc_prune_matrix *m,
                                    size_t count, const struct spacc_prune_how *how,
                                    const struct spacc_requests *requests,
                                    double *outputs_error, struct spacc_error *err)
{
    struct spacc_prune_work w = {
        .g = g, .m = m, .result = result, .changed = changed, .how = how, .err = err};
    enum spacc_status s = SPACC_OK;

    *outputs_error = -1.0;
    if (!requests)
        return prune_all(&w, count, NULL, NULL);
    if (how->weight_bits)
        s = spacc_grid_new(&w.grid, g, requests, err);
    if (!s)
        s = prune_measured(&w, count, requests, outputs_error);
    spacc_grid_free(w.grid);
    return s;
}
