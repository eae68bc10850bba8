#include "host/profile/plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/profile/maker.h"
#include "host/profile/prior.h"

/* What a trial may take, so that no single one eats the time of a hundred. */
static const double effort_full = 3e8, effort_quick = 4e7, bytes_most = 6.4e7;

/* Trials of each kind, in full and in quick mode; of NODE by kernel of a model. */
static const struct {
    enum spacc_trial_kind kind;
    int full, quick;
} shares[] = {{SPACC_TRIAL_CONV, 2400, 500}, {SPACC_TRIAL_DECONV, 200, 40},
              {SPACC_TRIAL_POOL, 500, 100},  {SPACC_TRIAL_PRODUCT, 1000, 260},
              {SPACC_TRIAL_RNN, 900, 240},   {SPACC_TRIAL_POINTS, 1400, 300},
              {SPACC_TRIAL_MOVE, 800, 160}};
enum { KINDS = sizeof(shares) / sizeof(shares[0]), NODES_FULL = 8, NODES_QUICK = 2 };
enum { ROW_STEP = 37 }; /* no divisor of a list's length: a few rows are from all of it */

/* ---- the list -------------------------------------------------------------------------- */

void spacc_trials_free(struct spacc_trials *t)
{
    free(t->trial);
    *t = (struct spacc_trials){0};
}

static bool is_there(const struct spacc_trials *list, const struct spacc_trial *t)
{
    for (size_t i = 0; i < list->count; i++)
        if (spacc_trial_same(&list->trial[i], t))
            return true;
    return false;
}

static enum spacc_status add(struct spacc_trials *to, const struct spacc_trial *t,
                             double effort_most, struct spacc_error *err)
{
    if (spacc_trial_effort(t) > effort_most || spacc_trial_bytes(t) > bytes_most ||
        is_there(to, t))
        return SPACC_OK;
    if (to->count == to->room) {
        const size_t room = to->room ? 2 * to->room : 256;
        struct spacc_trial *more = realloc(to->trial, room * sizeof(*more));
        if (!more)
            return spacc_fail(err, SPACC_ENOMEM, "no memory for %zu trials", room);
        to->trial = more;
        to->room = room;
    }
    to->trial[to->count++] = *t;
    return SPACC_OK;
}

static void shuffle(struct spacc_trials *list, uint64_t *random)
{
    for (size_t i = list->count; i > 1; i--) {
        const size_t k = (size_t)spacc_random_below(random, i);
        const struct spacc_trial t = list->trial[i - 1];
        list->trial[i - 1] = list->trial[k];
        list->trial[k] = t;
    }
}

/* ---- variations ------------------------------------------------------------------------ */

static bool one_in(uint64_t *random, uint64_t n)
{
    return spacc_random_below(random, n) == 0;
}

/* 0.5 to 1.2 times as many; as networks have them (whole eights) in half of the cases. Few
 * channels (colours, classes) stay. */
static int64_t other_channels(uint64_t *random, int64_t c)
{
    if (c <= 4)
        return c;
    const int64_t low = (c + 1) / 2, high = c + c / 5 + 1;
    const int64_t n = low + (int64_t)spacc_random_below(random, (uint64_t)(high - low));
    return n >= 8 && one_in(random, 2) ? (n + 4) / 8 * 8 : n;
}

static int64_t other_image(uint64_t *random, int64_t size)
{
    return size <= 1 ? size : spacc_prior_image(size, (int)spacc_random_below(random, 5) - 2);
}

/* A whole number from half to twice as large, each factor as likely. */
static int64_t other_length(uint64_t *random, int64_t n)
{
    const double factor = exp2((double)spacc_random_below(random, 2001) / 1000.0 - 1.0);

    return n <= 1 ? n : (int64_t)fmax(1.0, (double)n * factor + 0.5);
}

/* Channels fit into the groups again. */
static void vary_channels(uint64_t *random, int64_t *size)
{
    const int64_t groups = size[10];

    if (groups > 1 && groups == size[1]) { /* a channel each: filters for each stay */
        const int64_t filters = size[2] / groups;
        size[1] = size[10] = other_channels(random, size[1]);
        size[2] = filters * size[1];
        return;
    }
    size[1] = other_channels(random, size[1] / groups) * groups;
    size[2] = other_channels(random, size[2] / groups) * groups;
}

static void vary_conv(uint64_t *random, struct spacc_trial *t)
{
    static const int64_t kernels[] = {1, 3, 3, 5, 7};
    int64_t *s = t->size;

    vary_channels(random, s);
    if (one_in(random, 2)) {
        s[4] = other_image(random, s[4]);
        s[3] = s[3] > 1 ? s[4] : 1;
    }
    if (one_in(random, 8) && s[3] > 1)
        s[5] = s[6] = kernels[spacc_random_below(random, 5)];
    if (one_in(random, 10) && s[3] > 1)
        s[7] = s[8] = 1 + (int64_t)spacc_random_below(random, 2);
    if (t->kind == SPACC_TRIAL_CONV) {
        s[11] = one_in(random, 8) ? 3 : one_in(random, 3) ? 1 : 2;
        t->op = s[11] == 1 ? NULL : one_in(random, 6) ? "Sigmoid" : "Relu";
    }
    if (s[10] > 1 || s[6] > 7) /* the other path is for plain ones */
        s[11] = s[11] > 2 ? 2 : s[11];
}

static void vary_pool(uint64_t *random, struct spacc_trial *t)
{
    t->size[1] = other_channels(random, t->size[1]);
    if (t->size[2] > 1)
        t->size[2] = t->size[3] = other_image(random, t->size[2]);
    else if (t->size[4] == t->size[5] && one_in(random, 2)) /* of the whole image */
        t->size[4] = t->size[5] = t->size[6] = t->size[7] = other_image(random, t->size[4]);
}

static void vary_product(uint64_t *random, struct spacc_trial *t)
{
    int64_t *s = t->size;

    s[1] = s[1] > 8                             ? other_length(random, s[1])
           : t->two_inputs || one_in(random, 2) ? s[1]
                                                : 1 + (int64_t)spacc_random_below(random, 8);
    s[2] = other_length(random, s[2]);
    s[3] = other_length(random, s[3]);
    s[5] = 1 + (int64_t)spacc_random_below(random, 2);
    if (t->density < 1.0)
        t->density = (double)(1 + spacc_random_below(random, 9)) / 16.0;
}

static void vary_rnn(uint64_t *random, struct spacc_trial *t)
{
    int64_t *s = t->size;

    s[0] = other_length(random, s[0]);
    s[1] = other_length(random, s[1]);
    s[2] = other_length(random, s[2]);
    s[3] = other_length(random, s[3]);
    if (t->density < 1.0)
        t->density = (double)(1 + spacc_random_below(random, 9)) / 16.0;
}

static void vary_image(uint64_t *random, struct spacc_trial *t)
{
    for (int d = 1; d < 4; d++)
        t->size[d] = one_in(random, 3) ? t->size[d] : other_length(random, t->size[d]);
}

static void vary_node(uint64_t *random, struct spacc_trial *t)
{
    const struct spacc_node *n = &t->g->node[t->node];
    const struct spacc_tensor *x = n->input[0] < 0 ? NULL : &t->shape->shape[n->input[0]];
    const int axis = (int)spacc_random_below(random, 3);

    if (!x || x->dtype == SPACC_DTYPE_NONE || axis >= x->rank)
        return;
    t->size[0] = axis;
    t->size[1] = x->dims[x->rank - 1 - axis];
    t->size[2] = other_length(random, t->size[1]);
}

static void vary(uint64_t *random, struct spacc_trial *t)
{
    switch (t->kind) {
    case SPACC_TRIAL_CONV:
    case SPACC_TRIAL_DECONV: vary_conv(random, t); break;
    case SPACC_TRIAL_POOL: vary_pool(random, t); break;
    case SPACC_TRIAL_PRODUCT: vary_product(random, t); break;
    case SPACC_TRIAL_RNN: vary_rnn(random, t); break;
    case SPACC_TRIAL_POINTS:
    case SPACC_TRIAL_MOVE: vary_image(random, t); break;
    case SPACC_TRIAL_NODE: vary_node(random, t); break;
    }
}

enum spacc_status spacc_trials_around(struct spacc_trials *to, const struct spacc_trial *t,
                                      int count, uint64_t *random, struct spacc_error *err)
{
    enum spacc_status s = SPACC_OK;

    for (int i = 0; i < count && !s; i++) {
        struct spacc_trial other = *t;
        if (t->kind == SPACC_TRIAL_CONV || t->kind == SPACC_TRIAL_DECONV)
            vary_channels(random, other.size);
        else
            vary(random, &other);
        s = add(to, &other, effort_full, err);
    }
    return s;
}

/* ---- where they start -------------------------------------------------------------------- */

/* Trials of models that have a kind: what variations of that kind start from. */
static enum spacc_status of_models(struct spacc_trials *to, size_t models,
                                   const struct spacc_plan_model *model,
                                   struct spacc_error *err)
{
    enum spacc_status s = SPACC_OK;

    for (size_t m = 0; m < models; m++)
        for (size_t i = 0; i < model[m].works && !s; i++) {
            struct spacc_trial t;
            if (spacc_trial_of_work(&t, &model[m].work[i]))
                s = add(to, &t, INFINITY, err);
        }
    return s;
}

/* Entry `pick` of those of a kind; false when there is none. */
static bool pick_kind(const struct spacc_trials *from, enum spacc_trial_kind kind,
                      uint64_t pick, struct spacc_trial *t)
{
    size_t count = 0;

    for (size_t i = 0; i < from->count; i++)
        count += from->trial[i].kind == kind;
    for (size_t i = 0, at = 0; i < from->count; i++)
        if (from->trial[i].kind == kind && at++ == pick % count) {
            *t = from->trial[i];
            return true;
        }
    return false;
}

static enum spacc_status add_kind(struct spacc_trials *to, const struct spacc_trials *seen,
                                  enum spacc_trial_kind kind, int count, double effort_most,
                                  uint64_t *random, struct spacc_error *err)
{
    enum spacc_status s = SPACC_OK;

    for (int i = 0; i < count && !s; i++) {
        const uint64_t pick = spacc_random(random);
        struct spacc_trial t = spacc_prior(kind, (uint64_t)i * ROW_STEP);
        const bool as_is = (size_t)i < spacc_prior_count(kind) && (count > 400 || i % 3 == 0);
        if (i % 2 && !as_is)
            pick_kind(seen, kind, pick, &t);
        if (!as_is)
            vary(random, &t);
        s = add(to, &t, effort_most, err);
    }
    return s;
}

/* Whether an earlier step of the model is of the same kernel: a few of each are enough. */
static int earlier_of_kernel(const struct spacc_plan_model *m, size_t i)
{
    int count = 0;

    for (size_t k = 0; k < i; k++)
        count += strcmp(m->work[k].kernel, m->work[i].kernel) == 0;
    return count;
}

/* Nodes whose works do not tell how to make them again. */
static enum spacc_status add_nodes(struct spacc_trials *to, const struct spacc_plan_model *m,
                                   int count, double effort_most, uint64_t *random,
                                   struct spacc_error *err)
{
    enum spacc_status s = SPACC_OK;

    for (size_t i = 0; i < m->works; i++) {
        struct spacc_trial t;
        if (spacc_trial_of_work(&t, &m->work[i]) || earlier_of_kernel(m, i) >= count)
            continue;
        for (int k = 0; k < count && !s; k++) {
            t = (struct spacc_trial){.kind = SPACC_TRIAL_NODE,
                                     .density = 1.0,
                                     .g = m->g,
                                     .shape = m->shape,
                                     .node = m->node[i]};
            if (k > 0)
                vary_node(random, &t);
            s = add(to, &t, effort_most, err);
        }
    }
    return s;
}

enum spacc_status spacc_trials_plan(struct spacc_trials *to, uint64_t seed, bool quick,
                                    size_t models, const struct spacc_plan_model *model,
                                    struct spacc_error *err)
{
    const double effort_most = quick ? effort_quick : effort_full;
    struct spacc_trials seen = {0};
    uint64_t random = seed;

    *to = (struct spacc_trials){0};
    enum spacc_status s = of_models(&seen, models, model, err);
    for (int k = 0; k < KINDS && !s; k++)
        s = add_kind(to, &seen, shares[k].kind, quick ? shares[k].quick : shares[k].full,
                     effort_most, &random, err);
    for (size_t m = 0; m < models && !s; m++)
        s = add_nodes(to, &model[m], quick ? NODES_QUICK : NODES_FULL, effort_most, &random,
                      err);
    shuffle(to, &random);
    spacc_trials_free(&seen);
    return s;
}
