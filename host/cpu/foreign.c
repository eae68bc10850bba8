/* Nodes that somebody else runs: a card.
 *
 * Where the engine has work of its own between such a node and the first reader of its results,
 * the node is begun on a thread aside and waited for there; else it runs on the spot, because a
 * hand-over costs as much as a small layer. */
#include <stdlib.h>
#include <string.h>

#include "host/clock.h"
#include "host/cpu/aside.h"
#include "host/cpu/kernels.h"

/* Multiply-adds and bytes of some ten microseconds, which is what a hand-over takes. */
static const double worth_it = 2e5;

/* One node; two steps share it: the one that begins it and the one that waits. */
struct job {
    struct spacc_engine *e;
    int node, ins, outs;
    int *in, *out;                      /* slots; behind the struct */
    const struct spacc_tensor **tensor; /* [ins], then room for the results */
    struct spacc_tensor **made;         /* [outs] */
    bool aside;                         /* begun on the thread */
    struct spacc_aside_job on_thread;
    double begun_us, blocked_us;
    enum spacc_status status;
    struct spacc_error err;
};

/* ---- taking --------------------------------------------------------------------- */

static struct job *new_job(struct spacc_engine *e, int n)
{
    const struct spacc_node *node = &e->g->node[n];
    const size_t ins = (size_t)node->inputs, outs = (size_t)node->outputs;
    struct job *j = calloc(1, sizeof(*j));

    if (!j)
        return NULL;
    *j = (struct job){.e = e, .node = n, .ins = node->inputs, .outs = node->outputs};
    j->in = calloc(ins + outs + 1, sizeof(*j->in));
    j->tensor = calloc(ins + 1, sizeof(*j->tensor));
    j->made = calloc(outs + 1, sizeof(*j->made));
    if (j->in && j->tensor && j->made) {
        j->out = j->in + ins;
        return j;
    }
    free(j->in);
    free(j->tensor);
    free(j->made);
    free(j);
    return NULL;
}

static void release(void *state)
{
    struct job *j = state;

    free(j->in);
    free(j->tensor);
    free(j->made);
    free(j);
}

/* Results are being made, and what is read may not be written over; -1: no longer. */
static void set_begun(struct spacc_engine *e, const struct job *j, int step)
{
    for (int o = 0; o < j->outs; o++)
        if (j->out[o] >= 0)
            e->slot[j->out[o]].begun_by = step;
    for (int i = 0; i < j->ins; i++)
        if (j->in[i] >= 0)
            e->slot[e->slot[j->in[i]].root].held_by = step;
}

static enum spacc_status add_begin(struct spacc_cpu_build *b, struct job *j)
{
    const struct spacc_node *node = &b->g->node[j->node];
    enum spacc_status status = SPACC_OK;

    for (int i = 0; i < j->ins && !status; i++)
        j->in[i] = spacc_cpu_input(b, node, i, &status);
    for (int o = 0; o < j->outs; o++)
        j->out[o] = node->output[o];
    struct spacc_cpu_step *s =
        status ? NULL : spacc_cpu_step_new(b, &spacc_cpu_foreign, j->node, j->ins, j->outs);
    if (!s) {
        release(j);
        return status ? status : SPACC_ENOMEM;
    }
    s->state = j;
    memcpy(s->in, j->in, (size_t)j->ins * sizeof(*j->in));
    memcpy(s->out, j->out, (size_t)j->outs * sizeof(*j->out));
    spacc_cpu_step_done(b, s);
    set_begun(b->e, j, b->e->steps - 1);
    return SPACC_OK;
}

static enum spacc_status take(struct spacc_cpu_build *b, int n, bool *taken)
{
    const struct spacc_engine_options *o = &b->e->options;
    enum spacc_status status;

    if (!o->foreign || !o->foreign(o->user, b->g, n))
        return SPACC_OK;
    struct job *j = new_job(b->e, n);
    if (!j)
        return spacc_cpu_no_memory(b);
    if ((status = add_begin(b, j)))
        return status;
    spacc_cpu_taken(b, n, n, spacc_cpu_foreign.name);
    *taken = true;
    return SPACC_OK;
}

/* ---- waiting --------------------------------------------------------------------- */

/* Whether the steps behind step `begun` are worth a hand-over. */
static bool has_own_work(const struct spacc_engine *e, int begun)
{
    double work = 0.0;

    for (int i = begun + 1; i < e->steps; i++) {
        const struct spacc_engine_step s = spacc_engine_step(e, (size_t)i);
        if (s.has_work)
            work += s.work.macs + s.work.in_bytes + s.work.out_bytes;
    }
    return work > worth_it;
}

/* What was read by the step that began has to stay until here. */
static enum spacc_status add_wait(struct spacc_cpu_build *b, int begun)
{
    struct job *j = b->e->step[begun].state;
    struct spacc_cpu_step *s =
        spacc_cpu_step_new(b, &spacc_cpu_foreign_wait, j->node, j->ins, j->outs);

    if (!s)
        return SPACC_ENOMEM;
    memcpy(s->in, j->in, (size_t)j->ins * sizeof(*j->in));
    memcpy(s->out, j->out, (size_t)j->outs * sizeof(*j->out));
    s->state = j;
    spacc_cpu_step_done(b, s);
    set_begun(b->e, j, -1);
    j->aside = has_own_work(b->e, begun);
    if (j->aside && !b->e->aside)
        return spacc_aside_new(&b->e->aside, b->err);
    return SPACC_OK;
}

enum spacc_status spacc_cpu_settle_all(struct spacc_cpu_build *b)
{
    enum spacc_status status = SPACC_OK;

    for (int s = 0; s < b->e->slots && !status; s++)
        if (b->e->slot[s].begun_by >= 0)
            status = add_wait(b, b->e->slot[s].begun_by);
    return status;
}

enum spacc_status spacc_cpu_settle(struct spacc_cpu_build *b, int v)
{
    const int root = v < 0 ? -1 : b->e->slot[v].root;

    return root >= 0 && b->e->slot[root].begun_by >= 0 ? add_wait(b, b->e->slot[root].begun_by)
                                                       : SPACC_OK;
}

/* ---- run ------------------------------------------------------------------------- */

static void run_node(void *arg)
{
    struct job *j = arg;
    struct spacc_engine *e = j->e;
    const struct spacc_run_hooks *hooks = e->hooks;
    bool done = false;

    for (int i = 0; i < j->ins; i++)
        j->tensor[i] = j->in[i] >= 0 ? &e->slot[j->in[i]].t : NULL;
    for (int o = 0; o < j->outs; o++)
        j->made[o] = NULL;
    j->status = hooks->node(hooks->user, e->g, j->node, j->tensor, j->made, &done, &j->err);
    if (!j->status && !done)
        j->status = spacc_node_run(e->g, j->node, j->tensor, j->made, &j->err);
    if (!j->status)
        j->status = spacc_cpu_keep_in(e, j->out, j->outs, j->made, &j->err);
    for (int o = 0; o < j->outs; o++)
        spacc_tensor_free(j->made[o]);
}

/* On the thread when that makes sense, or when something before it still is there. */
static enum spacc_status begin(struct spacc_engine *e, struct spacc_cpu_step *s,
                               struct spacc_error *err)
{
    struct job *j = s->state;

    (void)err;
    j->begun_us = spacc_now_us();
    if (j->aside) {
        j->on_thread = (struct spacc_aside_job){.run = run_node, .arg = j};
        spacc_aside_begin(e->aside, &j->on_thread);
        return SPACC_OK;
    }
    if (e->aside)
        spacc_aside_finish(e->aside);
    run_node(j);
    j->blocked_us = spacc_now_us() - j->begun_us;
    return SPACC_OK;
}

static enum spacc_status wait(struct spacc_engine *e, struct spacc_cpu_step *s,
                              struct spacc_error *err)
{
    struct job *j = s->state;
    const double now = spacc_now_us();

    if (j->aside) {
        spacc_aside_wait(e->aside, &j->on_thread);
        j->blocked_us = spacc_now_us() - now;
    }
    if (e->options.waited)
        e->options.waited(e->options.user, e->g, j->node, j->aside ? now - j->begun_us : 0.0,
                          j->blocked_us);
    if (j->status && err)
        *err = j->err;
    return j->status;
}

static void leave_state(void *state)
{
    (void)state; /* the step that begins has it */
}

const struct spacc_cpu_kernel spacc_cpu_foreign = {
    .name = "foreign", .take = take, .run = begin, .release = release};
const struct spacc_cpu_kernel spacc_cpu_foreign_wait = {
    .name = "wait", .run = wait, .release = leave_state};
