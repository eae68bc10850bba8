/* Prices held to a few runs: models of costs may be off by the same factor for all of a model's
 * kernels on a day, and which device is faster hangs on that factor. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/clock.h"
#include "host/median.h"
#include "host/placing_parts.h"

enum { WARM_RUNS = 1, RUNS_MOST = 7 };
static const double limit_us = 0.5e6;

static enum spacc_status run_once(const struct spacc_placing_making *m, struct spacc_engine *e,
                                  struct spacc_tensor **output)
{
    const struct spacc_graph *g = m->ask->g;
    const enum spacc_status status = spacc_engine_run(e, m->ask->input, output, NULL, m->err);

    for (int o = 0; o < g->outputs; o++)
        spacc_tensor_free(output[o]);
    return status;
}

/* Of the steps whose price is a model's. */
static double priced_us(const struct spacc_placing_making *m, const struct spacc_engine *e,
                        bool on_gpu)
{
    double us = 0.0;

    for (size_t i = 0; i < spacc_engine_steps(e); i++) {
        const struct spacc_engine_step s = spacc_engine_step(e, i);
        const int task = spacc_placing_task_of(m, (size_t)s.node);
        if (task >= 0 && s.has_work && s.on_gpu == on_gpu &&
            strcmp(m->p->about[task].source, "measured") != 0)
            us += s.us;
    }
    return us;
}

/* The median of a few runs, as many as there is time for. */
static enum spacc_status measure(const struct spacc_placing_making *m, struct spacc_engine *e,
                                 bool on_gpu, double *us)
{
    struct spacc_tensor **output = calloc((size_t)m->ask->g->outputs + 1, sizeof(*output));
    const double start = spacc_now_us();
    double run[RUNS_MOST];
    size_t runs = 0;
    enum spacc_status status = output ? SPACC_OK : spacc_placing_no_memory(m);

    for (int r = -WARM_RUNS;
         r < RUNS_MOST && !status && (runs < 1 || spacc_now_us() - start < limit_us); r++) {
        spacc_engine_forget(e);
        status = run_once(m, e, output);
        if (r >= 0 && !status)
            run[runs++] = priced_us(m, e, on_gpu);
    }
    free(output);
    if (status)
        return status;
    *us = spacc_median(run, runs);
    return SPACC_OK;
}

static void scale(struct spacc_placing_making *m, int d, double factor)
{
    for (size_t t = 0; t < m->p->tasks.tasks; t++) {
        struct spacc_task *task = &m->p->tasks.task[t];
        if (strcmp(m->p->about[t].source, "measured") == 0 && d == 0)
            continue;
        task->us[d] *= factor;
        task->joules[d] *= factor;
    }
}

static double price_of(const struct spacc_placing_making *m, int d)
{
    double us = 0.0;

    for (size_t t = 0; t < m->p->tasks.tasks; t++)
        if (m->p->tasks.task[t].us[d] < HUGE_VAL &&
            strcmp(m->p->about[t].source, "measured") != 0)
            us += m->p->tasks.task[t].us[d];
    return us;
}

static enum spacc_status correct(struct spacc_placing_making *m, struct spacc_engine *e, int d,
                                 bool on_gpu, double *factor)
{
    const double price = price_of(m, d);
    double us = 0.0;
    const enum spacc_status status = measure(m, e, on_gpu, &us);

    if (status || !(price > 0.0) || !(us > 0.0))
        return status;
    *factor = us / price;
    scale(m, d, *factor);
    return SPACC_OK;
}

enum spacc_status spacc_placing_correct(struct spacc_placing_making *m)
{
    const int gpu = m->device[SPACC_ON_GPU];
    enum spacc_status status = correct(m, m->cpu, 0, false, &m->p->factor[SPACC_ON_CPU]);

    if (status || !m->gpu)
        return status;
    return correct(m, m->gpu, gpu, true, &m->p->factor[SPACC_ON_GPU]);
}
