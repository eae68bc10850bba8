#include "host/prune/sensitivity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/prune/loss.h"
#include "host/prune/prune_parts.h"
#include "sparse/allocate.h"

/* Tried as far as the bank has them: steps that halve what stays, and half way between. */
static const double tried[] = {0.0,    0.25,  0.5,     0.625,  0.75,
                               0.8125, 0.875, 0.90625, 0.9375, 0.96875};
enum { LEVELS = sizeof(tried) / sizeof(*tried), SAMPLES = 1024 };

/* One matrix. */
struct curve {
    size_t levels, k[LEVELS], kept[LEVELS];
    double loss[LEVELS];
};

struct sense {
    struct spacc_prune_work work;
    const struct spacc_prune_how *asked;
    struct spacc_prune_how how;
    const struct spacc_lockstep *dense; /* at its end */
    size_t count, bank_size;
    struct curve *curve;
    struct spacc_pruned *result; /* of a trial */
};

static void make_levels(struct curve *c, const struct spacc_prune_matrix *m, size_t bank_size)
{
    for (size_t i = 0; i < LEVELS; i++) {
        const double stays = (1.0 - tried[i]) * (double)bank_size;
        const size_t k = (size_t)floor(stays + 1e-9);
        if (k < 1 || stays != floor(stays))
            continue;
        c->k[c->levels] = k;
        c->kept[c->levels++] = spacc_prune_kept_of(m, bank_size, k);
    }
    if (c->k[c->levels - 1] > 1) { /* a bank that no power of two divides */
        c->k[c->levels] = 1;
        c->kept[c->levels++] = spacc_prune_kept_of(m, bank_size, 1);
    }
}

/* What the outputs lose with the weights that are there now. */
static enum spacc_status measure(double *loss, const struct sense *s,
                                 const struct spacc_lockstep *here)
{
    struct spacc_lockstep *l = NULL;
    enum spacc_status status = spacc_lockstep_fork(&l, here, 1, s->work.err);

    if (!status)
        status = spacc_loss_finish(l, s->work.err);
    if (!status)
        status = spacc_loss(loss, s->work.g, s->dense, l, 1, s->work.err);
    spacc_lockstep_free(l);
    return status;
}

static enum spacc_status try_levels(struct sense *s, const struct spacc_prune_node *n, size_t i,
                                    const struct spacc_lockstep *here, const float *saved)
{
    struct spacc_tensor *weights = spacc_prune_constant(s->work.g, s->work.m[i].value);
    struct curve *c = &s->curve[i];
    enum spacc_status status = SPACC_OK;

    for (size_t level = 0; level < c->levels && !status; level++) {
        if (c->k[level] == s->bank_size)
            continue; /* nothing is lost */
        s->result[i].k = c->k[level];
        status = spacc_prune_node_run(n, &s->work);
        if (!status)
            status = measure(&c->loss[level], s, here);
        memcpy(weights->data, saved, weights->count * sizeof(*saved));
    }
    return status;
}

/* Only matrix i of the node takes part. */
static enum spacc_status try_matrix(struct sense *s, size_t first, size_t count, size_t i,
                                    const struct spacc_lockstep *here)
{
    const struct spacc_tensor *weights = s->work.m[i].init;
    struct spacc_prune_node n = {0};
    float *saved = malloc(weights->count * sizeof(*saved));
    enum spacc_status status = SPACC_ENOMEM;

    if (!saved) {
        spacc_fail(s->work.err, status, "%s: out of memory", s->work.g->file);
        goto out;
    }
    memcpy(saved, weights->data, weights->count * sizeof(*saved));
    for (size_t j = first; j < first + count; j++)
        snprintf(s->result[j].why, sizeof(s->result[j].why), "%s", j == i ? "" : "not now");
    make_levels(&s->curve[i], &s->work.m[i], s->bank_size);
    status = spacc_prune_node_look(&n, &s->work, first, count,
                                   s->how.method == SPACC_PRUNE_MAGNITUDE ? NULL : here, NULL,
                                   SAMPLES);
    if (!status)
        status = try_levels(s, &n, i, here, saved);
out:
    spacc_prune_node_release(&n);
    free(saved);
    return status;
}

static enum spacc_status try_all(struct sense *s, const struct spacc_pruned *result,
                                 struct spacc_lockstep *here)
{
    enum spacc_status status = SPACC_OK;

    for (size_t i = 0, n; i < s->count && !status; i += n) {
        n = spacc_prune_node_matrices(s->work.m, s->count, i);
        for (size_t j = i; j < i + n && !status; j++) {
            if (result[j].why[0])
                continue;
            if (s->asked->progress)
                s->asked->progress(s->asked->user, (int)j, (int)s->count,
                                   s->work.m[j].node->name);
            status = spacc_prune_reach(here, s->work.m[i].number, s->work.err);
            if (!status)
                status = try_matrix(s, i, n, j, here);
        }
    }
    return status;
}

/* Curves of the matrices that are pruned, one after the other. */
static enum spacc_status allocate(struct spacc_pruned *result, const struct sense *s,
                                  double sparsity)
{
    struct spacc_choice *choice = calloc(s->count + 1, sizeof(*choice));
    size_t *level = calloc(s->count + 1, sizeof(*level));
    size_t used = 0, all = 0, least = 0;
    enum spacc_status status = SPACC_ENOMEM;

    if (!choice || !level) {
        spacc_fail(s->work.err, status, "%s: out of memory", s->work.g->file);
        goto out;
    }
    for (size_t i = 0; i < s->count; i++) {
        const struct curve *c = &s->curve[i];
        if (result[i].why[0])
            continue;
        choice[used++] = (struct spacc_choice){c->levels, c->kept, c->loss};
        all += s->work.m[i].rows * s->work.m[i].cols;
        least += c->kept[c->levels - 1];
    }
    const size_t budget = (size_t)floor((1.0 - sparsity) * (double)all + 1e-6);
    if (budget < least) {
        status = spacc_fail(s->work.err, SPACC_EINVAL,
                            "%s: sparsity %g leaves %zu of %zu weights, banks of %zu keep %zu "
                            "at least",
                            s->work.g->file, sparsity, budget, all, s->bank_size, least);
        goto out;
    }
    status = spacc_allocate(level, choice, used, budget, s->work.err);
    used = 0;
    for (size_t i = 0; i < s->count && !status; i++) {
        if (result[i].why[0])
            continue;
        const size_t chosen = level[used++];
        result[i].k = s->curve[i].k[chosen];
        result[i].loss = s->curve[i].loss[chosen];
    }
out:
    free(choice);
    free(level);
    return status;
}

/* Every `every`th request. */
static const struct spacc_tensor **thin(const struct spacc_requests *r, size_t inputs,
                                        size_t every, size_t *count)
{
    const struct spacc_tensor **input = calloc(r->count * inputs + 1, sizeof(*input));

    *count = (r->count + every - 1) / every;
    for (size_t i = 0; input && i < *count; i++)
        memcpy(input + i * inputs, r->input + i * every * inputs, inputs * sizeof(*input));
    return input;
}

enum spacc_status spacc_prune_allocate(struct spacc_pruned *result, struct spacc_graph *g,
                                       const struct spacc_prune_matrix *m, size_t count,
                                       const struct spacc_prune_how *how, double sparsity,
                                       const struct spacc_requests *requests,
                                       struct spacc_error *err)
{
    struct sense s = {.asked = how, .how = *how, .count = count, .bank_size = how->bank_size};
    struct spacc_lockstep *here = NULL, *dense = NULL;
    size_t some = 0;
    const struct spacc_tensor **input =
        thin(requests, (size_t)g->inputs, spacc_loss_every(requests->count), &some);
    bool *changed = calloc((size_t)g->values + 1, sizeof(*changed));
    enum spacc_status status = SPACC_ENOMEM;

    s.curve = calloc(count + 1, sizeof(*s.curve));
    s.result = calloc(count + 1, sizeof(*s.result));
    if (!input || !changed || !s.curve || !s.result) {
        spacc_fail(err, status, "%s: out of memory", g->file);
        goto out;
    }
    memcpy(s.result, result, count * sizeof(*result));
    if (how->method == SPACC_PRUNE_OBS)
        s.how.method = SPACC_PRUNE_WANDA;
    s.how.weight_bits = 0;
    s.work = (struct spacc_prune_work){
        .g = g, .m = m, .result = s.result, .changed = changed, .how = &s.how, .err = err};
    if ((status = spacc_lockstep_new(&here, g, some, input, err)) ||
        (status = spacc_lockstep_fork(&dense, here, 1, err)) ||
        (status = spacc_loss_finish(dense, err)))
        goto out;
    s.dense = dense;
    if (!(status = try_all(&s, result, here)))
        status = allocate(result, &s, sparsity);
out:
    spacc_lockstep_free(dense);
    spacc_lockstep_free(here);
    free(input);
    free(changed);
    free(s.curve);
    free(s.result);
    return status;
}
