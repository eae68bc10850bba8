/* Which nodes the GPU can run, and taking them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/gpu/parts.h"

static const struct spacc_gpu_family *const families[] = {
    &spacc_gpu_view, &spacc_gpu_points, &spacc_gpu_move, &spacc_gpu_resize,
    &spacc_gpu_conv, &spacc_gpu_deconv, &spacc_gpu_pool, &spacc_gpu_product,
    &spacc_gpu_rnn,  &spacc_gpu_rows,   &spacc_gpu_norm};

static const struct spacc_gpu_family *family_of(const struct spacc_gpu_node *q)
{
    for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++)
        for (const char *const *op = families[f]->ops; *op; op++)
            if (spacc_gpu_is_op(q, *op))
                return families[f];
    return NULL;
}

/* Known, and not so large that a kernel's ints would not do. */
static const char *refuses_value(const struct spacc_tensor *t)
{
    if (t->dtype == SPACC_DTYPE_NONE)
        return "a shape hangs on contents";
    if (t->count == 0 || t->count > INT32_MAX / 2)
        return t->count ? "a tensor is too large" : "a tensor has no elements";
    return NULL;
}

static const char *refuses_values(const struct spacc_gpu_node *q)
{
    const char *why = NULL;

    for (int i = 0; i < q->node->inputs && !why; i++)
        if (spacc_gpu_input(q, i) &&
            (!spacc_gpu_constant(q, i) || spacc_gpu_input(q, i)->count))
            why = refuses_value(spacc_gpu_input(q, i)); /* an empty constant may be */
    for (int o = 0; o < q->node->outputs && !why; o++) {
        const struct spacc_tensor *t = spacc_gpu_output(q, o);
        why = t ? refuses_value(t) : NULL;
        if (!why && t && t->dtype != SPACC_F32)
            why = "a result is not float32";
    }
    if (!why && (!spacc_gpu_input(q, 0) || spacc_gpu_input(q, 0)->dtype != SPACC_F32))
        why = "the first input is not float32";
    return why;
}

/* Why not, or NULL. */
static const char *refuses(const struct spacc_gpu_node *q)
{
    const struct spacc_gpu_family *f = family_of(q);
    const char *why = f ? refuses_values(q) : "the GPU has no kernel for this operator";

    return why ? why : f->refuses(q);
}

bool spacc_gpu_can(const struct spacc_gpu *gpu, const struct spacc_graph *g,
                   const struct spacc_binding *shape, int n, char *why, size_t why_bytes)
{
    const struct spacc_gpu_node q = {.g = g, .shape = shape, .node = &g->node[n]};
    const char *reason = refuses(&q);

    (void)gpu;
    snprintf(why, why_bytes, "%s", reason ? reason : "");
    return !reason;
}

/* ---- views ------------------------------------------------------------------------------ */

static const char *refuses_view(const struct spacc_gpu_node *q)
{
    const struct spacc_tensor *x = spacc_gpu_input(q, 0), *y = spacc_gpu_output(q, 0);

    if (!y || x->count != y->count)
        return "more than a view";
    for (int o = 1; o < q->node->outputs; o++)
        if (spacc_gpu_output(q, o))
            return "a mask is asked for";
    if (spacc_gpu_is_op(q, "Dropout") && spacc_gpu_input(q, 2) &&
        (!spacc_gpu_constant(q, 2) || *(const uint8_t *)spacc_gpu_constant(q, 2)->data))
        return "training";
    return NULL;
}

static void make_view(struct spacc_gpu_make *m)
{
    spacc_gpu_look(m, 0, 0, 0);
}

static const char *const views[] = {"Identity",  "Reshape", "Flatten", "Squeeze",
                                    "Unsqueeze", "Dropout", "Cast",    NULL};

const struct spacc_gpu_family spacc_gpu_view = {.kernel = SPACC_GPU_KERNEL("gpu view"),
                                                .ops = views,
                                                .refuses = refuses_view,
                                                .make = make_view};

/* ---- take ---------------------------------------------------------------------------------
 */

/* What somebody wants to see has to come to the host. */
static void bring_seen(struct spacc_gpu_make *m)
{
    const struct spacc_engine_options *o = &m->b->e->options;
    const struct spacc_graph *g = m->q.g;

    for (int j = -1; j < m->joints && o->sees; j++) {
        const struct spacc_node *node = &g->node[j < 0 ? m->n : m->joined[j]];
        for (int i = 0; i < node->outputs && !m->status; i++)
            if (node->output[i] >= 0 && m->b->e->slot[node->output[i]].gpu >= 0 &&
                m->b->e->slot[node->output[i]].home == SPACC_HOME_GPU &&
                o->sees(o->user, g, node->output[i]))
                m->status = spacc_gpu_bring(m->b, node->output[i]);
    }
}

/* The job as a step; a job without commands is none. Takes it over. */
static void add_step(struct spacc_gpu_make *m)
{
    struct spacc_gpu_job *job = m->job;

    m->job = NULL;
    if (job->commands > 0)
        m->status = spacc_gpu_add_step(m->b, m->n, m->kernel, job, m->out, m->outs);
    else
        spacc_gpu_job_free(job);
    spacc_cpu_taken(m->b, m->n, m->n, m->kernel->name);
    for (int j = 0; j < m->joints; j++)
        spacc_cpu_taken(m->b, m->joined[j], m->n, m->kernel->name);
}

static enum spacc_status make_step(struct spacc_cpu_build *b, int n,
                                   const struct spacc_gpu_node *q)
{
    const struct spacc_gpu_family *f = family_of(q);
    struct spacc_gpu_make m = {.q = *q, .b = b, .kernel = &f->kernel, .n = n};

    if (spacc_gpu_join_engine(b) || !(m.job = calloc(1, sizeof(*m.job))))
        return spacc_cpu_no_memory(b);
    f->make(&m);
    if (!m.status)
        add_step(&m);
    if (!m.status)
        bring_seen(&m);
    spacc_gpu_job_free(m.job);
    return m.status;
}

/* A view of a value that only the GPU has stays there, whoever was asked for. */
static bool is_view_there(const struct spacc_cpu_build *b, const struct spacc_gpu_node *q)
{
    return family_of(q) == &spacc_gpu_view && q->node->input[0] >= 0 &&
           b->e->slot[q->node->input[0]].home == SPACC_HOME_GPU && !refuses(q);
}

/* What a node of the host reads. */
static enum spacc_status bring_reads(struct spacc_cpu_build *b, int n)
{
    const int reads = spacc_node_reads(&b->g->node[n], NULL, 0);
    enum spacc_status status = SPACC_OK;

    spacc_node_reads(&b->g->node[n], b->reads, reads);
    for (int r = 0; r < reads && !status; r++)
        if (b->e->slot[b->reads[r]].home == SPACC_HOME_GPU)
            status = spacc_gpu_bring(b, b->reads[r]);
    return status;
}

static enum spacc_status take(struct spacc_cpu_build *b, int n, bool *taken)
{
    const struct spacc_gpu_node q = {.g = b->g, .shape = b->e->shape, .node = &b->g->node[n]};
    const char *why;

    if (!b->on_gpu[n] && !is_view_there(b, &q))
        return bring_reads(b, n);
    if ((why = refuses(&q)))
        return spacc_fail(b->err, SPACC_EUNSUPPORTED,
                          "%s: node %s (%s) cannot run on GPU %s: %s", b->g->file, q.node->name,
                          q.node->op->name, b->e->options.gpu->info.which, why);
    *taken = true;
    return make_step(b, n, &q);
}

const struct spacc_cpu_kernel spacc_gpu_kernel = {.name = "gpu", .take = take, .on_gpu = true};
