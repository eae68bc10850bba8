#define _GNU_SOURCE /* RUSAGE_THREAD */
#include "host/profile/probe.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/median.h"
#include "host/profile/maker.h"
#include "host/profile/trial.h"

enum { STATES = 3, ROUNDS_MAX = 16, RUNS_MAX = 400, LINE = 64, AGAIN = 3 };

/* Medians of the rounds: us[round][step], and the spread in each. */
struct rounds {
    int count;
    unsigned runs;
    double *us, *spread; /* [ROUNDS_MAX][steps] */
};

struct spacc_probe {
    struct spacc_graph *own;
    const struct spacc_graph *g;
    struct spacc_tensor **own_input;
    const struct spacc_tensor *const *input;
    struct spacc_tensor **output;
    struct spacc_engine *e;
    size_t steps;
    double *before; /* [steps] */
    double *run;    /* [steps][RUNS_MAX] of the round under way */
    struct rounds rounds[STATES];
};

/* ---- ruler ---------------------------------------------------------------------------- */

/* One reading, of many in a row. */
static double clock_us(void)
{
    enum { GAPS = 101, READINGS = 20 };
    double gap[GAPS];

    for (int i = 0; i < GAPS; i++) {
        const double start = spacc_now_us();
        double last = start;
        for (int k = 0; k < READINGS; k++)
            last = spacc_now_us();
        gap[i] = (last - start) / READINGS;
    }
    return spacc_median(gap, GAPS);
}

static size_t cache_bytes(int which, size_t otherwise)
{
    const long bytes = sysconf(which);

    return bytes > 0 ? (size_t)bytes : otherwise;
}

/* ---- what runs in between -------------------------------------------------------------- */

static const struct {
    enum spacc_trial_kind kind;
    int64_t size[SPACC_WORK_SIZES];
    const char *op;
} between[] = {
    {SPACC_TRIAL_CONV, {1, 16, 16, 6, 6, 3, 3, 1, 1, 1, 1, 2}, "Relu"},
    {SPACC_TRIAL_POINTS, {1, 4, 8, 16, 2}, "Mul"},
    {SPACC_TRIAL_RNN, {1, 1, 8, 16, 4, 1, 1, 1}, "lstm"},
    {SPACC_TRIAL_MOVE, {1, 4, 6, 8}, "Transpose 0231"},
    {SPACC_TRIAL_POOL, {1, 16, 4, 4, 2, 2, 2, 2, 1}, NULL},
    {SPACC_TRIAL_PRODUCT, {1, 1, 32, 32, 1, 2}, NULL},
    {SPACC_TRIAL_PRODUCT, {1, 16, 16, 16, 1, 1}, NULL},
    {SPACC_TRIAL_POINTS, {1, 1, 4, 16, 0}, "Softmax"},
    {SPACC_TRIAL_POINTS, {1, 1, 1, 64, 0}, "Sigmoid"},
};
enum { OTHERS = sizeof(between) / sizeof(between[0]) };

static enum spacc_status make_others(struct spacc_ruler *r,
                                     const struct spacc_engine_options *options,
                                     struct spacc_error *err)
{
    enum spacc_status s = SPACC_OK;

    r->other = calloc(OTHERS, sizeof(struct spacc_probe *));
    if (!r->other)
        return spacc_fail(err, SPACC_ENOMEM, "no memory to run something in between");
    for (r->others = 0; r->others < OTHERS && !s; r->others++) {
        struct spacc_trial t = {
            .kind = between[r->others].kind, .density = 1.0, .op = between[r->others].op};
        memcpy(t.size, between[r->others].size, sizeof(t.size));
        struct spacc_graph *g = spacc_trial_graph(&t, 1);
        struct spacc_tensor **input = NULL;
        if (!g)
            return spacc_fail(err, SPACC_ENOMEM, "no memory to run something in between");
        if ((s = spacc_probe_inputs(&input, g, 1, err)))
            spacc_graph_free(g);
        else
            s = spacc_probe_new(&r->other[r->others], g, input, options, err);
    }
    return s;
}

enum spacc_status spacc_ruler_new(struct spacc_ruler *r,
                                  const struct spacc_engine_options *options,
                                  struct spacc_error *err)
{
    *r = (struct spacc_ruler){.clock_us = clock_us(),
                              .l1_bytes = cache_bytes(_SC_LEVEL1_DCACHE_SIZE, 32 * 1024),
                              .l2_bytes = cache_bytes(_SC_LEVEL2_CACHE_SIZE, 512 * 1024)};
    r->sweep_bytes = r->l2_bytes;
    r->sweep = malloc(r->sweep_bytes);
    if (!r->sweep)
        return spacc_fail(err, SPACC_ENOMEM, "no memory to sweep a cache");
    memset(r->sweep, 1, r->sweep_bytes);
    return make_others(r, options, err);
}

void spacc_ruler_free(struct spacc_ruler *r)
{
    for (size_t i = 0; i < r->others; i++)
        spacc_probe_free(r->other[i]);
    free(r->other);
    free(r->sweep);
    *r = (struct spacc_ruler){0};
}

/* ---- new and free ----------------------------------------------------------------------- */

enum spacc_status spacc_probe_inputs(struct spacc_tensor ***out, const struct spacc_graph *g,
                                     uint64_t seed, struct spacc_error *err)
{
    struct spacc_tensor **t = calloc((size_t)g->inputs + 1, sizeof(struct spacc_tensor *));
    bool good = t != NULL;

    for (int i = 0; good && i < g->inputs; i++) {
        const struct spacc_value *v = &g->value[g->input[i]];
        if (!(good = !spacc_tensor_new(&t[i], v->dtype, v->rank, v->dims)))
            break;
        float *x = t[i]->data;
        for (size_t k = 0; k < t[i]->count && v->dtype == SPACC_F32; k++)
            x[k] = (float)((spacc_random(&seed) >> 40) + 1) / 16777216.0f;
    }
    if (!good)
        spacc_probe_inputs_free(t, g->inputs);
    *out = good ? t : NULL;
    return good ? SPACC_OK
                : spacc_fail(err, SPACC_ENOMEM, "no memory for the inputs of a trial");
}

void spacc_probe_inputs_free(struct spacc_tensor **input, int count)
{
    for (int i = 0; i < count && input; i++)
        spacc_tensor_free(input[i]);
    free(input);
}

void spacc_probe_free(struct spacc_probe *p)
{
    if (!p)
        return;
    spacc_engine_free(p->e);
    if (p->output)
        spacc_probe_inputs_free(p->output, p->g->outputs);
    if (p->own) {
        spacc_probe_inputs_free(p->own_input, p->own->inputs);
        spacc_graph_free(p->own);
    }
    for (int s = 0; s < STATES; s++) {
        free(p->rounds[s].us);
        free(p->rounds[s].spread);
    }
    free(p->before);
    free(p->run);
    free(p);
}

static enum spacc_status no_memory(struct spacc_error *err)
{
    return spacc_fail(err, SPACC_ENOMEM, "no memory for a measurement");
}

static bool make_room(struct spacc_probe *p)
{
    bool ok = true;

    p->steps = spacc_engine_steps(p->e);
    p->before = calloc(p->steps + 1, sizeof(double));
    p->run = calloc((p->steps + 1) * RUNS_MAX, sizeof(double));
    for (int s = 0; s < STATES; s++) {
        p->rounds[s].us = calloc((p->steps + 1) * ROUNDS_MAX, sizeof(double));
        p->rounds[s].spread = calloc((p->steps + 1) * ROUNDS_MAX, sizeof(double));
        ok = ok && p->rounds[s].us && p->rounds[s].spread;
    }
    return ok && p->before && p->run;
}

static enum spacc_status start(struct spacc_probe *p, const struct spacc_engine_options *o,
                               struct spacc_error *err)
{
    enum spacc_status s;

    p->output = calloc((size_t)p->g->outputs + 1, sizeof(*p->output));
    if (!p->output)
        return no_memory(err);
    if ((s = spacc_engine_new(&p->e, p->g, p->input, o, err)) ||
        (s = spacc_engine_run(p->e, p->input, p->output, NULL, err)))
        return s;
    return make_room(p) ? SPACC_OK : no_memory(err);
}

static enum spacc_status new_probe(struct spacc_probe **out, struct spacc_graph *own,
                                   struct spacc_tensor **own_input, const struct spacc_graph *g,
                                   const struct spacc_tensor *const *input,
                                   const struct spacc_engine_options *options,
                                   struct spacc_error *err)
{
    struct spacc_probe *p = calloc(1, sizeof(*p));

    *out = NULL;
    if (!p) {
        if (own)
            spacc_probe_inputs_free(own_input, own->inputs);
        spacc_graph_free(own);
        return no_memory(err);
    }
    *p = (struct spacc_probe){.own = own, .own_input = own_input, .g = g, .input = input};
    const enum spacc_status s = start(p, options, err);
    if (s)
        spacc_probe_free(p);
    else
        *out = p;
    return s;
}

enum spacc_status spacc_probe_new(struct spacc_probe **out, struct spacc_graph *g,
                                  struct spacc_tensor **input,
                                  const struct spacc_engine_options *options,
                                  struct spacc_error *err)
{
    return new_probe(out, g, input, g, (const struct spacc_tensor *const *)input, options, err);
}

enum spacc_status spacc_probe_of(struct spacc_probe **out, const struct spacc_graph *g,
                                 const struct spacc_tensor *const *input,
                                 const struct spacc_engine_options *options,
                                 struct spacc_error *err)
{
    return new_probe(out, NULL, NULL, g, input, options, err);
}

const struct spacc_engine *spacc_probe_engine(const struct spacc_probe *p)
{
    return p->e;
}

/* ---- a round ------------------------------------------------------------------------------
 */

static unsigned read_lines(const unsigned char *from, size_t bytes)
{
    unsigned sum = 0;

    for (size_t i = 0; i < bytes; i += LINE)
        sum += from[i];
    return sum;
}

/* Lines read that nothing else is done with. */
static volatile unsigned swept;

static enum spacc_status prepare(const struct spacc_probe *p, const struct spacc_ruler *r,
                                 enum spacc_probe_state state, struct spacc_error *err)
{
    enum spacc_status s = SPACC_OK;

    if (state == SPACC_PROBE_REPEAT)
        return s;
    for (size_t i = 0; i < r->others && !s; i++)
        s = spacc_engine_run_into(r->other[i]->e, r->other[i]->input, r->other[i]->output, NULL,
                                  err);
    swept += read_lines(r->sweep, state == SPACC_PROBE_COLD ? r->sweep_bytes : r->l1_bytes * 2);
    for (int i = 0; i < p->g->inputs; i++) {
        const struct spacc_tensor *t = p->input[i];
        const size_t bytes = t->count * spacc_dtype_bytes(t->dtype);
        if (bytes <= r->l2_bytes)
            swept += read_lines(t->data, bytes);
    }
    return s;
}

/* How often somebody else has had this thread's processor. */
static long times_put_aside(void)
{
    struct rusage u;

    return getrusage(RUSAGE_THREAD, &u) ? 0 : u.ru_nivcsw;
}

static enum spacc_status run_once(struct spacc_probe *p, const struct spacc_ruler *r,
                                  enum spacc_probe_state state, int run,
                                  struct spacc_error *err)
{
    enum spacc_status s = prepare(p, r, state, err);
    if (s)
        return s;
    for (size_t i = 0; i < p->steps; i++)
        p->before[i] = spacc_engine_step_us(p->e, i);
    s = spacc_engine_run_into(p->e, p->input, p->output, NULL, err);
    for (size_t i = 0; i < p->steps && !s; i++)
        p->run[i * RUNS_MAX + (size_t)run] =
            spacc_engine_step_us(p->e, i) - p->before[i] - r->clock_us;
    return s;
}

static double quantile(const double *sorted, int count, double share)
{
    const double at = share * (count - 1);
    const int low = (int)at;

    return low + 1 < count ? sorted[low] + (at - low) * (sorted[low + 1] - sorted[low])
                           : sorted[low];
}

/* Mean of the middle half: as steady as the median, and finer than the clock's tick. */
static double middle_mean(const double *sorted, int count)
{
    const int low = count / 4, high = count - low;
    double sum = 0.0;

    for (int i = low; i < high; i++)
        sum += sorted[i];
    return sum / (high - low);
}

static void sum_up(struct spacc_probe *p, struct rounds *r, int runs)
{
    for (size_t i = 0; i < p->steps; i++) {
        double *us = p->run + i * RUNS_MAX;
        const size_t at = (size_t)r->count * p->steps + i;
        spacc_sort_times(us, (size_t)runs);
        r->us[at] = middle_mean(us, runs);
        r->spread[at] = (quantile(us, runs, 0.75) - quantile(us, runs, 0.25)) / 2.0;
    }
    r->runs += (unsigned)runs;
    r->count++;
}

enum spacc_status spacc_probe_round(struct spacc_probe *p, const struct spacc_ruler *r,
                                    enum spacc_probe_state state, double us, int least,
                                    struct spacc_error *err)
{
    struct rounds *to = &p->rounds[state];
    const double start = spacc_now_us();
    enum spacc_status s = run_once(p, r, state, 0, err); /* warms up; overwritten */
    int runs = 0, again = AGAIN * least;

    if (to->count == ROUNDS_MAX)
        return s;
    while (!s && runs < RUNS_MAX && (runs < least || spacc_now_us() - start < us)) {
        const long aside = times_put_aside();
        s = run_once(p, r, state, runs, err);
        if (times_put_aside() == aside || again-- <= 0) /* else it is not what it takes */
            runs++;
    }
    if (!s)
        sum_up(p, to, runs);
    return s;
}

enum spacc_status spacc_probe_repeat(struct spacc_probe *p, double us, struct spacc_error *err)
{
    const double start = spacc_now_us();
    enum spacc_status s;

    do {
        s = spacc_engine_run_into(p->e, p->input, p->output, NULL, err);
    } while (!s && spacc_now_us() - start < us);
    return s;
}

bool spacc_probe_step(const struct spacc_probe *p, enum spacc_probe_state state, size_t i,
                      double *us, double *spread, unsigned *runs)
{
    const struct rounds *r = &p->rounds[state];
    double median[ROUNDS_MAX], width[ROUNDS_MAX];

    for (int k = 0; k < r->count; k++) {
        median[k] = r->us[(size_t)k * p->steps + i];
        width[k] = r->spread[(size_t)k * p->steps + i];
    }
    if (r->count == 0)
        return false;
    spacc_sort_times(median, (size_t)r->count);
    spacc_sort_times(width, (size_t)r->count);
    *us = quantile(median, r->count, 0.25); /* others only ever add time */
    *us = *us > 1e-3 ? *us : 1e-3;          /* less than the clock can tell */
    *spread = quantile(width, r->count, 0.5) / *us;
    *runs = r->runs;
    return true;
}
