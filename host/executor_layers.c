/* Nodes as jobs: float tensors in ONNX's order to fixed-point vectors and back. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/executor.h"
#include "host/plan_conv.h"

enum { IN_X, IN_W, IN_R, IN_B, IN_LENS, IN_H, IN_C, INPUTS = 8 };
enum { CHAIN_MAX = 8 };

static bool linear(const struct spacc_plan_node *n)
{
    return n->layer[0].weights.cell == SPACC_CELL_LINEAR;
}

/* ---- can it run -------------------------------------------------------------- */

static bool full_length(const struct spacc_tensor *lens, size_t steps)
{
    const int32_t *v = lens ? lens->data : NULL;

    for (size_t i = 0; lens && i < lens->count; i++)
        if (lens->dtype != SPACC_I32 || v[i] < 0 || (size_t)v[i] != steps)
            return false;
    return true;
}

static bool matrix_can_run(const struct spacc_plan_node *n, const struct spacc_tensor *a)
{
    return a->count > 0 && a->rank > 0 &&
           (size_t)a->dims[a->rank - 1] == n->layer[0].weights.x_cols;
}

bool spacc_layers_can_run(const struct spacc_plan_node *n, const struct spacc_tensor *const *in)
{
    const struct spacc_tensor *x = in[IN_X];

    if (x->dtype != SPACC_F32)
        return false;
    if (n->conv)
        return spacc_plan_conv_can_run(n->conv, x);
    if (linear(n))
        return matrix_can_run(n, x);
    return x->rank == 3 && x->count > 0 && (size_t)x->dims[2] == n->layer[0].weights.x_cols &&
           full_length(in[IN_LENS], (size_t)x->dims[n->layout ? 1 : 0]);
}

/* ---- one call ---------------------------------------------------------------- */

/* A node's vectors. Directions D, batch B, steps T, inputs I, units H. */
struct call {
    struct spacc_plan_node *n;
    const struct spacc_tensor *in[INPUTS];
    size_t directions, batch, steps, inputs, units;
    int16_t *x;     /* [B][T][I]; NULL when it comes from another layer's y */
    uint64_t *mask; /* of a convolution; struct spacc_job */
    int16_t *h;     /* [D][B][H] */
    int32_t *state; /* [D][B][H] */
    void *y;        /* int16 [D][B][T][H]; LINEAR int32 [T][4 * quads] */
    size_t first_job;
    bool skip_state; /* of struct spacc_job */
    uint64_t cut;    /* inputs that did not fit int16 */
};

static void release_call(struct call *c)
{
    free(c->x);
    free(c->mask);
    free(c->h);
    free(c->state);
    free(c->y);
}

static size_t x_at(const struct call *c, size_t b, size_t t)
{
    return c->n->layout ? b * c->steps + t : t * c->batch + b;
}

static size_t state_at(const struct call *c, size_t d, size_t b)
{
    return c->n->layout ? b * c->directions + d : d * c->batch + b;
}

static bool alloc_call(struct call *c, bool own_x)
{
    const size_t states = c->directions * c->batch * c->units;
    const size_t y = linear(c->n) ? c->steps * c->n->layer[0].fixed->units * 4 * sizeof(int32_t)
                                  : states * c->steps * sizeof(int16_t);

    c->x = own_x ? malloc(c->batch * c->steps * c->inputs * sizeof(*c->x)) : NULL;
    c->h = calloc(states + 1, sizeof(*c->h));
    c->state = calloc(states + 1, sizeof(*c->state));
    c->y = malloc(y);
    return (!own_x || c->x) && c->h && c->state && c->y;
}

static void fill_x(struct call *c)
{
    const float *x = c->in[IN_X]->data;

    for (size_t b = 0; b < c->batch; b++)
        for (size_t t = 0; t < c->steps; t++)
            c->cut += spacc_fixed_from_float16(c->x + (b * c->steps + t) * c->inputs,
                                               x + x_at(c, b, t) * c->inputs, c->inputs,
                                               c->n->x_frac);
}

static void fill_states(struct call *c)
{
    const struct spacc_fixed_layer *l = c->n->layer[0].fixed;
    const float *h0 = c->in[IN_H] ? c->in[IN_H]->data : NULL;
    const bool lstm = l->cell == SPACC_CELL_LSTM;
    const float *c0 = lstm && c->in[IN_C] ? c->in[IN_C]->data : NULL;

    for (size_t d = 0; d < c->directions; d++)
        for (size_t b = 0; b < c->batch; b++) {
            int16_t *h = c->h + (d * c->batch + b) * c->units;
            int32_t *state = c->state + (d * c->batch + b) * c->units;
            if (h0)
                c->cut += spacc_fixed_from_float16(h, h0 + state_at(c, d, b) * c->units,
                                                   c->units, c->n->layer[d].fixed->h_frac);
            if (c0)
                c->cut += spacc_fixed_from_float24(state, c0 + state_at(c, d, b) * c->units,
                                                   c->units, SPACC_CELL_FRAC);
            for (size_t u = 0; u < c->units && !lstm; u++)
                state[u] = h[u];
        }
}

static void shape_matrix(struct call *c)
{
    const struct spacc_tensor *a = c->in[IN_X];

    c->directions = c->batch = 1;
    c->inputs = (size_t)a->dims[a->rank - 1];
    c->steps = a->count / c->inputs;
    c->units = c->n->layer[0].weights.units;
}

/* Steps are columns of the image. */
static void shape_conv(struct call *c)
{
    const struct spacc_conv_rows *r = &c->n->conv->rows;

    c->directions = c->batch = 1;
    c->inputs = r->lanes * r->words;
    c->steps = r->steps;
    c->units = r->shape.outputs;
}

static enum spacc_status fill_conv(struct call *c, struct spacc_error *err)
{
    const struct spacc_plan_conv *conv = c->n->conv;

    c->mask = malloc(c->steps * ((c->units + 63) / 64) * sizeof(*c->mask));
    if (!c->mask ||
        spacc_plan_conv_fill(conv, c->in[IN_X]->data, c->n->x_frac, c->x, c->mask, &c->cut))
        return spacc_fail(err, SPACC_ENOMEM, "node %s: no memory for its masks", c->n->name);
    return SPACC_OK;
}

static void shape_recurrent(struct call *c, const struct call *from)
{
    const struct spacc_tensor *x = c->in[IN_X];

    c->directions = c->n->layers;
    c->inputs = c->n->layer[0].weights.x_cols;
    c->units = c->n->layer[0].weights.units;
    c->steps = from ? from->steps : (size_t)x->dims[c->n->layout ? 1 : 0];
    c->batch = from ? from->batch : (size_t)x->dims[c->n->layout ? 0 : 1];
}

/* States have [D, B, H] elements; the reference has checked it in every run so far. */
static bool states_fit(const struct call *c)
{
    const size_t want = c->directions * c->batch * c->units;

    return (!c->in[IN_H] || (c->in[IN_H]->dtype == SPACC_F32 && c->in[IN_H]->count == want)) &&
           (c->n->layer[0].fixed->cell != SPACC_CELL_LSTM || !c->in[IN_C] ||
            (c->in[IN_C]->dtype == SPACC_F32 && c->in[IN_C]->count == want));
}

/* `from` is the call whose y is this one's x, or NULL. */
static enum spacc_status fill_call(struct call *c, const struct call *from,
                                   struct spacc_error *err)
{
    if (c->n->conv)
        shape_conv(c);
    else if (linear(c->n))
        shape_matrix(c);
    else
        shape_recurrent(c, from);
    if (!linear(c->n) && !states_fit(c))
        return spacc_fail(err, SPACC_ESHAPE,
                          "node %s: initial states are not float32 of %zu x %zu x %zu",
                          c->n->name, c->directions, c->batch, c->units);
    if (!alloc_call(c, !from))
        return spacc_fail(err, SPACC_ENOMEM, "node %s: no memory for its vectors", c->n->name);
    if (c->n->conv)
        return fill_conv(c, err);
    if (!from)
        fill_x(c);
    if (!linear(c->n))
        fill_states(c);
    return SPACC_OK;
}

static void fill_jobs(const struct call *c, const struct call *from, struct spacc_job *job)
{
    for (size_t d = 0; d < c->directions; d++)
        for (size_t b = 0; b < c->batch; b++) {
            const size_t i = d * c->batch + b;
            job[i] = (struct spacc_job){
                .layer = c->n->layer[d].number,
                .steps = c->steps,
                .reverse = c->n->layer[d].reverse,
                .x = from ? NULL : c->x + b * c->steps * c->inputs,
                .x_job = from ? (int)(from->first_job + b) : -1,
                .mask = c->mask,
                .overlap = c->n->conv ? c->n->conv->rows.overlap : 0,
                .h = linear(c->n) ? NULL : c->h + i * c->units,
                .state = linear(c->n) ? NULL : c->state + i * c->units,
                .skip_state = c->skip_state,
                .y = linear(c->n) ? c->y : (int16_t *)c->y + i * c->steps * c->units,
            };
        }
}

/* ---- results ----------------------------------------------------------------- */

static enum spacc_status give_matrix(const struct call *c, struct spacc_tensor **out)
{
    const struct spacc_tensor *a = c->in[IN_X];
    const struct spacc_fixed_layer *l = c->n->layer[0].fixed;
    int64_t dims[SPACC_RANK_MAX];
    enum spacc_status s;

    memcpy(dims, a->dims, sizeof(dims));
    dims[a->rank - 1] = (int64_t)c->units;
    if ((s = spacc_tensor_new(&out[0], SPACC_F32, a->rank, dims)))
        return s;
    for (size_t t = 0; t < c->steps; t++)
        for (size_t o = 0; o < c->units; o++)
            ((float *)out[0]->data)[t * c->units + o] =
                (float)((const int32_t *)c->y)[t * 4 * l->units + o] * l->y_scale[o];
    return SPACC_OK;
}

static float from_fixed(int32_t v, int frac)
{
    return ldexpf((float)v, -frac);
}

static enum spacc_status new_state(const struct call *c, struct spacc_tensor **out)
{
    const int64_t d = (int64_t)c->directions, b = (int64_t)c->batch, h = (int64_t)c->units;
    const int64_t dims[] = {c->n->layout ? b : d, c->n->layout ? d : b, h};

    return spacc_tensor_new(out, SPACC_F32, 3, dims);
}

static enum spacc_status give_y(const struct call *c, struct spacc_tensor **out)
{
    const int64_t t = (int64_t)c->steps, b = (int64_t)c->batch, d = (int64_t)c->directions;
    const int64_t h = (int64_t)c->units;
    const int64_t time_first[] = {t, d, b, h}, batch_first[] = {b, t, d, h};
    const enum spacc_status s =
        spacc_tensor_new(out, SPACC_F32, 4, c->n->layout ? batch_first : time_first);
    const int16_t *from = c->y;

    for (size_t i = 0; i < c->directions && !s; i++)
        for (size_t k = 0; k < c->batch; k++)
            for (size_t j = 0; j < c->steps; j++) {
                const size_t at = c->n->layout ? (k * c->steps + j) * c->directions + i
                                               : (j * c->directions + i) * c->batch + k;
                for (size_t u = 0; u < c->units; u++)
                    ((float *)(*out)->data)[at * c->units + u] =
                        from_fixed(*from++, c->n->layer[i].fixed->h_frac);
            }
    return s;
}

static enum spacc_status give_state(const struct call *c, bool cell, struct spacc_tensor **out)
{
    const enum spacc_status s = new_state(c, out);

    for (size_t d = 0; d < c->directions && !s; d++)
        for (size_t b = 0; b < c->batch; b++) {
            const size_t from = (d * c->batch + b) * c->units;
            float *to = (float *)(*out)->data + state_at(c, d, b) * c->units;
            for (size_t u = 0; u < c->units; u++)
                to[u] = cell ? from_fixed(c->state[from + u], SPACC_CELL_FRAC)
                             : from_fixed(c->h[from + u], c->n->layer[d].fixed->h_frac);
        }
    return s;
}

/* Tensors for outputs that the node has: Y, Y_h, Y_c. */
static enum spacc_status give(const struct call *c, struct spacc_tensor **out)
{
    const struct spacc_node *node = &c->n->graph->node[c->n->node];
    enum spacc_status s = SPACC_OK;

    if (c->n->conv)
        return spacc_plan_conv_give(c->n->conv, c->n->layer[0].fixed, c->y, &out[0]);
    if (linear(c->n))
        return give_matrix(c, out);
    if (node->outputs > 0 && node->output[0] >= 0)
        s = give_y(c, &out[0]);
    if (!s && node->outputs > 1 && node->output[1] >= 0)
        s = give_state(c, false, &out[1]);
    if (!s && node->outputs > 2 && node->output[2] >= 0 && !c->skip_state)
        s = give_state(c, true, &out[2]);
    return s;
}

static void count(struct spacc_node_stats *s, const struct call *c, const struct spacc_job *job)
{
    s->input_saturations += c->cut;
    for (size_t i = 0; i < c->directions * c->batch; i++) {
        const struct spacc_job_counts *k = &job[i].counts;
        s->steps += c->steps;
        s->counts.cycles += k->cycles;
        for (int n = 0; n < SPACC_CARD_CAUSES; n++)
            s->counts.cause[n] += k->cause[n];
        s->counts.gate_saturations += k->gate_saturations;
        s->counts.state_saturations += k->state_saturations;
        s->counts.bytes_read += k->bytes_read;
        s->counts.bytes_written += k->bytes_written;
        s->counts.rows_skipped += k->rows_skipped;
        s->counts.issue_saved += k->issue_saved;
        s->counts.us += k->us;
    }
}

/* ---- chains ------------------------------------------------------------------ */

/* The rest of a chain whose inputs are there; returns the number of calls with the head. */
static size_t gather_chain(const struct spacc_executor *x, struct call *call)
{
    size_t calls = 1;

    while (calls < CHAIN_MAX && call[calls - 1].n->chain_next >= 0) {
        struct spacc_plan_node *n = &x->plan->node[call[calls - 1].n->chain_next];
        const struct spacc_node *node = &n->graph->node[n->node];
        struct call *c = &call[calls];
        bool all = n->candidate;

        c->n = n;
        for (int i = IN_LENS; i < node->inputs && i < INPUTS; i++)
            if (node->input[i] >= 0) {
                c->in[i] = spacc_executor_value(x, n->graph, node->input[i]);
                all = all && c->in[i];
            }
        if (!all || !full_length(c->in[IN_LENS], call[0].steps))
            break;
        calls++;
    }
    return calls;
}

static enum spacc_status run_calls(struct spacc_executor *x, struct call *call, size_t calls,
                                   struct spacc_tensor **out, struct spacc_error *err)
{
    size_t jobs = 0;
    enum spacc_status s;

    for (size_t i = 0; i < calls; i++) {
        call[i].first_job = jobs;
        call[i].skip_state = x->stats[call[i].n - x->plan->node].skip_state;
        jobs += call[i].directions * call[i].batch;
    }
    struct spacc_job *job = calloc(jobs, sizeof(*job));
    if (!job)
        return spacc_fail(err, SPACC_ENOMEM, "node %s: no memory for a run", call[0].n->name);
    for (size_t i = 0; i < calls; i++)
        fill_jobs(&call[i], i ? &call[i - 1] : NULL, job + call[i].first_job);
    const double start = spacc_now_us();
    s = spacc_device_run(x->device, job, jobs, err);
    x->stats[call[0].n - x->plan->node].device_us += spacc_now_us() - start;
    if (s) {
        spacc_fail_in(err, s, "node %s (%s)", call[0].n->name, call[0].n->op);
        goto out;
    }
    for (size_t i = 0; i < calls && !s; i++) {
        struct spacc_node_stats *stats = &x->stats[call[i].n - x->plan->node];
        count(stats, &call[i], job + call[i].first_job);
        s = give(&call[i], i ? stats->pending : out);
        stats->has_pending = i > 0;
    }
    if (s)
        spacc_fail(err, s, "node %s: no memory for its results", call[0].n->name);
out:
    free(job);
    return s;
}

enum spacc_status spacc_layers_run(struct spacc_executor *x, struct spacc_plan_node *n,
                                   const struct spacc_tensor *const *in,
                                   struct spacc_tensor **out, struct spacc_error *err)
{
    struct call call[CHAIN_MAX] = {{.n = n}};
    const struct spacc_node *node = &n->graph->node[n->node];
    size_t calls = 1;
    enum spacc_status s;

    for (int i = 0; i < node->inputs && i < INPUTS; i++)
        call[0].in[i] = in[i];
    if ((s = fill_call(&call[0], NULL, err)))
        goto out;
    calls = gather_chain(x, call);
    for (size_t i = 1; i < calls; i++)
        if ((s = fill_call(&call[i], &call[i - 1], err)))
            goto out;
    s = run_calls(x, call, calls, out, err);
out:
    for (size_t i = 0; i < CHAIN_MAX; i++)
        release_call(&call[i]);
    return s;
}
