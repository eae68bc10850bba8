#include "host/prune/contest.h"

#include <stdlib.h>
#include <string.h>

/* The contents of every float32 constant of a graph, by value; NULL: no such constant. */
struct contents {
    int values;
    float **of;
};

static void release(struct contents *c)
{
    for (int v = 0; c->of && v < c->values; v++)
        free(c->of[v]);
    free(c->of);
}

static const struct spacc_tensor *floats(const struct spacc_graph *g, int v)
{
    const struct spacc_tensor *t = spacc_prune_constant(g, v);

    return t && t->dtype == SPACC_F32 && t->count ? t : NULL;
}

static bool save(struct contents *c, const struct spacc_graph *g)
{
    c->values = g->values;
    c->of = calloc((size_t)g->values + 1, sizeof(*c->of));
    for (int v = 0; c->of && v < g->values; v++) {
        const struct spacc_tensor *t = floats(g, v);
        if (!t)
            continue;
        c->of[v] = malloc(t->count * sizeof(float));
        if (!c->of[v])
            return false;
        memcpy(c->of[v], t->data, t->count * sizeof(float));
    }
    return c->of != NULL;
}

static void restore(const struct contents *c, struct spacc_graph *g)
{
    for (int v = 0; v < c->values; v++)
        if (c->of[v]) {
            struct spacc_tensor *t = spacc_prune_constant(g, v);
            memcpy(t->data, c->of[v], t->count * sizeof(float));
        }
}

/* One side of the contest, and what it left. */
struct side {
    struct spacc_pruned *result;
    bool *changed;
    double loss;
};

static bool make_side(struct side *s, const struct spacc_pruned *result, size_t count,
                      const bool *changed, size_t values)
{
    s->result = malloc((count + 1) * sizeof(*s->result));
    s->changed = malloc((values + 1) * sizeof(*s->changed));
    if (!s->result || !s->changed)
        return false;
    memcpy(s->result, result, count * sizeof(*result));
    memcpy(s->changed, changed, values * sizeof(*changed));
    return true;
}

enum spacc_status spacc_prune_contest(struct spacc_pruned *result,
                                      const struct spacc_pruned *other, bool *changed,
                                      struct spacc_graph *g, const struct spacc_prune_matrix *m,
                                      size_t count, const struct spacc_prune_how *how,
                                      const struct spacc_requests *requests,
                                      double *outputs_error, double loss[2], bool *other_won,
                                      struct spacc_error *err)
{
    struct contents before = {0}, first = {0};
    struct side side = {0};
    enum spacc_status status = SPACC_ENOMEM;

    *other_won = false;
    if (!save(&before, g) || !make_side(&side, other, count, changed, (size_t)g->values)) {
        spacc_fail(err, status, "%s: out of memory", g->file);
        goto out;
    }
    status = spacc_prune_model(result, changed, g, m, count, how, requests, outputs_error, err);
    if (status)
        goto out;
    if (!save(&first, g)) {
        status = spacc_fail(err, SPACC_ENOMEM, "%s: out of memory", g->file);
        goto out;
    }
    restore(&before, g);
    status = spacc_prune_model(side.result, side.changed, g, m, count, how, requests,
                               &side.loss, err);
    if (status)
        goto out;
    loss[0] = *outputs_error;
    loss[1] = side.loss;
    *other_won = loss[1] >= 0.0 && loss[1] < loss[0];
    if (*other_won) {
        memcpy(result, side.result, count * sizeof(*result));
        memcpy(changed, side.changed, (size_t)g->values * sizeof(*changed));
        *outputs_error = side.loss;
    } else {
        restore(&first, g);
    }
out:
    release(&before);
    release(&first);
    free(side.result);
    free(side.changed);
    return status;
}
