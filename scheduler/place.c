/* place.c - the choice: the best single device, the best split that some method finds, and
 * whether the split is worth it. */
#include "scheduler/place.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scheduler/place_parts.h"

/* An assignment and what it takes. */
struct choice {
    int *device; /* [tasks] */
    const char *method;
    struct spacc_placer_price price;
};

struct chooser {
    struct spacc_placer p;
    struct choice single, split, trial;
    int single_device;
};

/* ---- uncertainty --------------------------------------------------------------------------
 */

static double cost_of(const struct spacc_placer *p, int task, int device)
{
    const int i = task * p->devices + device;

    return p->objective == SPACC_ENERGY ? p->joules[i] : p->us[i];
}

static double square(double v)
{
    return v * v;
}

/* Errors of tasks are taken as independent. */
static double sigma_us(const struct spacc_placer *p, const int *device)
{
    double sum = 0;

    for (int i = 0; i < p->tasks; i++)
        sum += square(p->us[i * p->devices + device[i]] * p->t->task[i].sigma[device[i]]);
    return sqrt(sum);
}

/* Of the difference between two assignments: a task that stays where it is errs alike in both.
 */
static double sigma_between(const struct spacc_placer *p, const int *a, const int *b)
{
    double sum = 0;

    for (int i = 0; i < p->tasks; i++)
        if (a[i] != b[i])
            sum += square(cost_of(p, i, a[i]) * p->t->task[i].sigma[a[i]]) +
                   square(cost_of(p, i, b[i]) * p->t->task[i].sigma[b[i]]);
    return sqrt(sum);
}

static double value_of(const struct spacc_placer *p, const struct spacc_placer_price *a)
{
    return p->objective == SPACC_LATENCY      ? a->us
           : p->objective == SPACC_THROUGHPUT ? a->interval_us
                                              : a->joules;
}

/* ---- candidates ---------------------------------------------------------------------------
 */

static void take(struct chooser *c, struct choice *into, const char *method)
{
    (void)spacc_placer_price(&c->p, c->trial.device, HUGE_VAL, &c->trial.price);
    if (into->method && !spacc_placer_is_better(&c->p, &c->trial.price, &into->price))
        return;
    memcpy(into->device, c->trial.device, (size_t)c->p.tasks * sizeof(int));
    into->price = c->trial.price;
    into->method = method;
}

/* Unit u on d where it can, else on the host, else on the first device that it has. */
static int single_of(const struct spacc_placer *p, int u, int d)
{
    const bool *can = p->can + u * p->devices;
    int first = 0;

    if (can[d])
        return d;
    while (!can[first])
        first++;
    return first;
}

static void find_single(struct chooser *c)
{
    for (int d = 0; d < c->p.devices; d++) {
        const struct spacc_placer_price before = c->single.price;
        const bool first = !c->single.method;
        for (int u = 0; u < c->p.units; u++)
            spacc_placer_move(&c->p, c->trial.device, u, single_of(&c->p, u, d));
        take(c, &c->single, "single");
        if (first || spacc_placer_is_better(&c->p, &c->single.price, &before))
            c->single_device = d;
    }
}

static bool find_by_chain(struct chooser *c)
{
    if (!spacc_place_is_chain(&c->p))
        return true;
    if (!spacc_place_chain(&c->p, c->trial.device))
        return false;
    take(c, &c->split, "chain");
    return true;
}

static bool find_by_cut(struct chooser *c)
{
    for (int d = 1; d < c->p.devices; d++) {
        bool fits;
        if (!spacc_place_cut(&c->p, d, c->trial.device, &fits))
            return false;
        if (fits)
            take(c, &c->split, "min-cut");
    }
    return true;
}

static bool find_by_heft(struct chooser *c)
{
    if (!spacc_place_heft(&c->p, c->trial.device))
        return false;
    take(c, &c->split, "heft");
    return true;
}

static bool improve(struct chooser *c)
{
    const struct spacc_placer_price before = c->split.price;

    if (!spacc_place_search(&c->p, c->split.device, &c->split.price))
        return false;
    if (spacc_placer_is_better(&c->p, &c->split.price, &before))
        c->split.method = "search";
    return true;
}

static bool find_by_all(struct chooser *c)
{
    const struct spacc_placer_price before = c->split.price;

    spacc_place_all(&c->p, c->trial.device, c->split.device, &c->split.price);
    if (spacc_placer_is_better(&c->p, &c->split.price, &before))
        c->split.method = "all";
    return true;
}

/* False: no memory. The split is the single device's when nothing is better. */
static bool find_all(struct chooser *c)
{
    const size_t bytes = (size_t)c->p.tasks * sizeof(int);

    find_single(c);
    memcpy(c->split.device, c->single.device, bytes);
    c->split.price = c->single.price;
    c->split.method = c->single.method;
    if (spacc_place_is_small(&c->p))
        return find_by_all(c);
    return find_by_chain(c) && find_by_cut(c) && find_by_heft(c) && improve(c);
}

/* ---- what is handed out -------------------------------------------------------------------
 */

static int compare_bars(const void *a, const void *b)
{
    const struct spacc_place_bar *x = a, *y = b;

    if (x->start_us != y->start_us)
        return x->start_us < y->start_us ? -1 : 1;
    if (x->device != y->device)
        return x->device < y->device ? -1 : 1;
    if (x->end_us != y->end_us)
        return x->end_us < y->end_us ? -1 : 1;
    return x->task != y->task ? (x->task < y->task ? -1 : 1) : x->tensor - y->tensor;
}

static size_t count_bars(const struct spacc_placer *p)
{
    return (size_t)p->tasks + (size_t)p->tensors * (size_t)p->devices;
}

static bool make_room(struct spacc_placement *out, const struct spacc_placer *p)
{
    out->device = calloc((size_t)p->tasks + 1, sizeof(*out->device));
    out->bar = calloc(count_bars(p) + 1, sizeof(*out->bar));
    return out->device && out->bar;
}

/* out has room. */
static void draw(struct spacc_placer *p, const int *device, const char *method,
                 struct spacc_placement *out)
{
    struct spacc_placer_bars bars = {out->bar, 0};
    struct spacc_placer_price price;

    p->bars = &bars;
    (void)spacc_placer_price(p, device, HUGE_VAL, &price);
    p->bars = NULL;
    memcpy(out->device, device, (size_t)p->tasks * sizeof(*device));
    qsort(out->bar, bars.count, sizeof(*out->bar), compare_bars);
    out->bars = bars.count;
    out->us = price.us;
    out->interval_us = price.interval_us;
    out->joules = price.joules;
    out->sigma_us = sigma_us(p, device);
    out->method = method;
}

static bool is_split(const struct chooser *c)
{
    return spacc_placer_is_better(&c->p, &c->split.price, &c->single.price) &&
           memcmp(c->split.device, c->single.device, (size_t)c->p.tasks * sizeof(int)) != 0;
}

static void hand_out(struct chooser *c, double gate, struct spacc_placement *out)
{
    const bool split = is_split(c);
    const double margin = gate * sigma_between(&c->p, c->split.device, c->single.device);
    const bool worth =
        split && value_of(&c->p, &c->split.price) + margin < value_of(&c->p, &c->single.price);
    const struct choice *best = worth ? &c->split : &c->single;

    draw(&c->p, best->device, best->method, out);
    out->single = c->single_device;
    out->single_us = c->single.price.us;
    out->single_interval_us = c->single.price.interval_us;
    out->single_joules = c->single.price.joules;
    out->single_sigma_us = sigma_us(&c->p, c->single.device);
    out->withdrawn = split && !worth;
    out->split_us = split ? c->split.price.us : NAN;
}

/* ---- the calls ----------------------------------------------------------------------------
 */

static const struct spacc_placement nothing = {.single = -1,
                                               .single_us = NAN,
                                               .single_sigma_us = NAN,
                                               .single_interval_us = NAN,
                                               .single_joules = NAN,
                                               .split_us = NAN,
                                               .method = "given"};

static enum spacc_status check_given(const struct spacc_tasks *t, const int *device,
                                     struct spacc_error *err)
{
    for (size_t i = 0; i < t->tasks; i++) {
        if (device[i] < 0 || device[i] >= (int)t->devices)
            return spacc_fail(err, SPACC_EINVAL, "task %s is given to device %d of %zu",
                              t->task[i].name, device[i], t->devices);
        if (t->task[i].us[device[i]] == HUGE_VAL)
            return spacc_fail(err, SPACC_EINVAL, "task %s is given to %s, which cannot run it",
                              t->task[i].name, t->device[device[i]].name);
    }
    return SPACC_OK;
}

enum spacc_status spacc_place_price(const struct spacc_tasks *t, const int *device,
                                    struct spacc_placement *out, struct spacc_error *err)
{
    struct spacc_placer p = {0};
    enum spacc_status s = spacc_place_check(t, err);

    *out = nothing;
    if (!s)
        s = check_given(t, device, err);
    if (!s)
        s = spacc_placer_init(&p, t, SPACC_LATENCY, err);
    if (!s && !make_room(out, &p))
        s = spacc_fail(err, SPACC_ENOMEM, "no memory for the time line of %zu tasks", t->tasks);
    if (s)
        spacc_placement_release(out);
    else
        draw(&p, device, "given", out);
    spacc_placer_release(&p);
    return s;
}

static bool make_choices(struct chooser *c)
{
    const size_t tasks = (size_t)c->p.tasks + 1;

    c->single.device = calloc(tasks, sizeof(int));
    c->split.device = calloc(tasks, sizeof(int));
    c->trial.device = calloc(tasks, sizeof(int));
    return c->single.device && c->split.device && c->trial.device;
}

static enum spacc_status choose(struct chooser *c, double gate, struct spacc_placement *out,
                                struct spacc_error *err)
{
    if (!make_choices(c) || !make_room(out, &c->p) || !find_all(c))
        return spacc_fail(err, SPACC_ENOMEM, "no memory to place %d tasks", c->p.tasks);
    if (!isfinite(c->single.price.us) || !isfinite(c->single.price.joules))
        return spacc_fail(err, SPACC_EINVAL, "%d tasks take %g us and %g joules: too large",
                          c->p.tasks, c->single.price.us, c->single.price.joules);
    hand_out(c, gate, out);
    return SPACC_OK;
}

enum spacc_status spacc_place(const struct spacc_tasks *t, enum spacc_objective objective,
                              double gate, struct spacc_placement *out, struct spacc_error *err)
{
    struct chooser c = {.single_device = 0};
    enum spacc_status s = spacc_place_check(t, err);

    *out = nothing;
    if (!s && !(isfinite(gate) && gate >= 0))
        s = spacc_fail(err, SPACC_EINVAL, "a gate of %g standard errors, not 0 or more", gate);
    if (!s)
        s = spacc_placer_init(&c.p, t, objective, err);
    if (!s)
        s = choose(&c, gate, out, err);
    if (s)
        spacc_placement_release(out);
    spacc_placer_release(&c.p);
    free(c.single.device);
    free(c.split.device);
    free(c.trial.device);
    return s;
}

void spacc_placement_release(struct spacc_placement *p)
{
    free(p->device);
    free(p->bar);
    *p = (struct spacc_placement){0};
}
