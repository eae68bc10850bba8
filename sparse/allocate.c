/* Every matrix begins at its last level, the fewest weights. Steps along the lower convex hulls
 * of all curves are taken in the order of what they gain a weight, until one does not fit; what
 * is left of the budget goes to single levels. The same level for all is tried beside that, so
 * that the choice never loses against it. */
#include "sparse/allocate.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct search {
    const struct spacc_choice *choice;
    size_t matrices, budget;
    size_t *level;
    size_t kept; /* of all levels together */
};

/* A move of one matrix to a level with more weights. */
struct move {
    size_t matrix, to, cost;
    double slope; /* loss that it saves a weight; 0: no move */
};

static struct move move_to(const struct search *s, size_t matrix, size_t to)
{
    const struct spacc_choice *c = &s->choice[matrix];
    const size_t from = s->level[matrix], cost = c->kept[to] - c->kept[from];

    return (struct move){matrix, to, cost, (c->loss[from] - c->loss[to]) / (double)cost};
}

/* The next corner of the hull: the steepest of all levels above, of equals the farthest. */
static struct move hull_move(const struct search *s, size_t matrix)
{
    struct move best = {.slope = 0.0};

    for (size_t to = s->level[matrix]; to-- > 0;) {
        const struct move m = move_to(s, matrix, to);
        if (m.slope > 0.0 && m.slope >= best.slope)
            best = m;
    }
    return best;
}

static struct move best_hull_move(const struct search *s)
{
    struct move best = {.slope = 0.0};

    for (size_t i = 0; i < s->matrices; i++) {
        const struct move m = hull_move(s, i);
        best = m.slope > best.slope ? m : best;
    }
    return best;
}

/* Of all moves that fit what is left, the one that saves the most a weight. */
static struct move best_move_that_fits(const struct search *s)
{
    struct move best = {.slope = 0.0};

    for (size_t i = 0; i < s->matrices; i++)
        for (size_t to = 0; to < s->level[i]; to++) {
            const struct move m = move_to(s, i, to);
            best = m.slope > best.slope && m.cost <= s->budget - s->kept ? m : best;
        }
    return best;
}

static void take(struct search *s, const struct move *m)
{
    s->level[m->matrix] = m->to;
    s->kept += m->cost;
}

static void fill(struct search *s)
{
    struct move m = best_move_that_fits(s);

    for (; m.slope > 0.0; m = best_move_that_fits(s))
        take(s, &m);
}

static void climb_hulls(struct search *s)
{
    struct move m = best_hull_move(s);

    for (; m.slope > 0.0 && m.cost <= s->budget - s->kept; m = best_hull_move(s))
        take(s, &m);
    fill(s);
}

static double loss_of(const struct search *s)
{
    double sum = 0.0;

    for (size_t i = 0; i < s->matrices; i++)
        sum += s->choice[i].loss[s->level[i]];
    return sum;
}

/* Level `to` for all; false: a matrix has no such level, or it does not fit. */
static bool set_all(struct search *s, size_t to)
{
    s->kept = 0;
    for (size_t i = 0; i < s->matrices; i++) {
        if (to >= s->choice[i].count || s->choice[i].kept[to] > s->budget - s->kept)
            return false;
        s->level[i] = to;
        s->kept += s->choice[i].kept[to];
    }
    return true;
}

/* Whatever level that is the same for all, and what it leaves spent, is better. */
static void try_uniform(struct search *s, size_t *level)
{
    size_t levels = s->matrices ? s->choice[0].count : 0;
    double best = loss_of(s);

    memcpy(level, s->level, s->matrices * sizeof(*level));
    for (size_t to = 0; to < levels; to++) {
        if (!set_all(s, to))
            continue;
        fill(s);
        if (loss_of(s) < best) {
            best = loss_of(s);
            memcpy(level, s->level, s->matrices * sizeof(*level));
        }
    }
}

static enum spacc_status check_choice(const struct spacc_choice *c, size_t matrix,
                                      struct spacc_error *err)
{
    if (c->count == 0)
        return spacc_fail(err, SPACC_EINVAL, "matrix %zu has no level", matrix);
    for (size_t i = 0; i < c->count; i++) {
        if (!(c->loss[i] >= 0.0 && isfinite(c->loss[i])))
            return spacc_fail(err, SPACC_EINVAL,
                              "matrix %zu, level %zu: a loss of %g is not finite or not 0 or "
                              "more",
                              matrix, i, c->loss[i]);
        if (i > 0 && c->kept[i] >= c->kept[i - 1])
            return spacc_fail(err, SPACC_EINVAL,
                              "matrix %zu, level %zu keeps %zu weights, the one before it %zu: "
                              "they must descend",
                              matrix, i, c->kept[i], c->kept[i - 1]);
    }
    return SPACC_OK;
}

/* Begin with the last level of each; *least is what they keep. */
static enum spacc_status begin(struct search *s, struct spacc_error *err)
{
    for (size_t i = 0; i < s->matrices; i++) {
        const enum spacc_status status = check_choice(&s->choice[i], i, err);
        if (status != SPACC_OK)
            return status;
        s->level[i] = s->choice[i].count - 1;
        if (__builtin_add_overflow(s->kept, s->choice[i].kept[s->level[i]], &s->kept))
            return spacc_fail(err, SPACC_EINVAL, "matrix %zu: too many weights", i);
    }
    if (s->kept > s->budget)
        return spacc_fail(err, SPACC_EINVAL,
                          "a budget of %zu weights: the sparsest levels keep %zu", s->budget,
                          s->kept);
    return SPACC_OK;
}

enum spacc_status spacc_allocate(size_t *level, const struct spacc_choice *choice,
                                 size_t matrices, size_t budget, struct spacc_error *err)
{
    struct search s = {.choice = choice, .matrices = matrices, .budget = budget};

    s.level = calloc(matrices + 1, sizeof(*s.level)); /* + 1: there may be none */
    if (!s.level)
        return spacc_fail(err, SPACC_ENOMEM, "out of memory for %zu matrices", matrices);
    const enum spacc_status status = begin(&s, err);
    if (status == SPACC_OK) {
        climb_hulls(&s);
        try_uniform(&s, level);
    }
    free(s.level);
    return status;
}
