#include "host/executor.h"
#include "host/placing.h"
#include "host/timeline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sparse/cpu.h"

enum { INPUTS_MAX = 8 };

static struct spacc_node_stats *stats_of(struct spacc_executor *x,
                                         const struct spacc_plan_node *n)
{
    return &x->stats[n - x->plan->node];
}

/* ---- values kept for chains -------------------------------------------------- */

static size_t graph_number(const struct spacc_executor *x, const struct spacc_plan_graph *pg)
{
    return (size_t)(pg - x->plan->graph);
}

const struct spacc_tensor *spacc_executor_value(const struct spacc_executor *x,
                                                const struct spacc_graph *g, int value)
{
    const struct spacc_plan_graph *pg = spacc_plan_graph(x->plan, g);
    const struct spacc_value *v = &g->value[value];

    if (v->outer >= 0 && pg->parent >= 0)
        return spacc_executor_value(x, x->plan->graph[pg->parent].graph, v->outer);
    if (v->producer >= 0)
        return x->kept[graph_number(x, pg)][value];
    if (v->init)
        return v->init;
    for (int i = 0; i < g->inputs && pg->parent < 0; i++)
        if (g->input[i] == value)
            return x->input[i];
    return NULL;
}

static void drop_pending(struct spacc_node_stats *s)
{
    for (int i = 0; i < SPACC_NODE_OUTPUTS_MAX; i++) {
        spacc_tensor_free(s->pending[i]);
        s->pending[i] = NULL;
    }
    s->has_pending = false;
}

/* What a run that failed has left behind. */
static void clear_run(struct spacc_executor *x)
{
    for (size_t i = 0; x->stats && i < x->plan->nodes; i++)
        drop_pending(&x->stats[i]);
    for (size_t i = 0; x->kept && i < x->plan->graphs; i++)
        for (int v = 0; x->kept[i] && v < x->plan->graph[i].graph->values; v++) {
            spacc_tensor_free(x->kept[i][v]);
            x->kept[i][v] = NULL;
        }
}

/* ---- who reads the state ----------------------------------------------------- */

static bool reads_value(const struct spacc_node *n, int value)
{
    for (int i = 0; i < n->inputs; i++)
        if (n->input[i] == value)
            return true;
    for (size_t a = 0; a < n->attrs; a++)
        for (int v = 0; n->attr[a].graph && v < n->attr[a].graph->values; v++)
            if (n->attr[a].graph->value[v].outer == value)
                return true;
    return false;
}

static bool is_read(const struct spacc_graph *g, int value)
{
    for (int o = 0; o < g->outputs; o++)
        if (g->output[o] == value)
            return true;
    for (int i = 0; i < g->nodes; i++)
        if (reads_value(&g->node[i], value))
            return true;
    return false;
}

static bool skips_state(const struct spacc_plan_node *n)
{
    const struct spacc_node *node = &n->graph->node[n->node];

    return node->outputs < 3 || node->output[2] < 0 || !is_read(n->graph, node->output[2]);
}

enum spacc_status spacc_executor_init(struct spacc_executor *x, struct spacc_error *err)
{
    x->stats = calloc(x->plan->nodes + 1, sizeof(*x->stats));
    x->kept = calloc(x->plan->graphs + 1, sizeof(*x->kept));
    if (!x->stats || !x->kept)
        return spacc_fail(err, SPACC_ENOMEM, "no memory to run a graph");
    for (size_t i = 0; i < x->plan->graphs; i++) {
        const size_t values = (size_t)x->plan->graph[i].graph->values;
        if (!(x->kept[i] = calloc(values + 1, sizeof(*x->kept[i]))))
            return spacc_fail(err, SPACC_ENOMEM, "no memory to run a graph");
    }
    for (size_t i = 0; i < x->plan->nodes; i++)
        if (x->plan->node[i].candidate)
            x->stats[i].skip_state = skips_state(&x->plan->node[i]);
    return SPACC_OK;
}

void spacc_executor_release(struct spacc_executor *x)
{
    if (!x->plan)
        return;
    clear_run(x);
    for (size_t i = 0; x->kept && i < x->plan->graphs; i++)
        free(x->kept[i]);
    free(x->kept);
    free(x->stats);
    spacc_engine_free(x->engine);
    x->engine = NULL;
    x->kept = NULL;
    x->stats = NULL;
}

/* ---- running a node ---------------------------------------------------------- */

/* The float reference with pruned weights in place of the file's. */
static enum spacc_status run_masked(struct spacc_plan_node *n,
                                    const struct spacc_tensor *const *in,
                                    struct spacc_tensor **out, struct spacc_error *err)
{
    const struct spacc_node *node = &n->graph->node[n->node];
    const struct spacc_tensor *own[INPUTS_MAX] = {NULL};
    enum spacc_status s;

    if (n->conv)
        return spacc_node_run(n->graph, n->node, in, out, err);
    if ((s = spacc_plan_mask(n, in, err)))
        return s;
    for (int i = 0; i < node->inputs && i < INPUTS_MAX; i++)
        own[i] = in[i];
    own[1] = n->pruned[0];
    if (n->pruned[1])
        own[2] = n->pruned[1];
    return spacc_node_run(n->graph, n->node, own, out, err);
}

/* Rows of a convolution that are not computed are 0, as a Relu makes them. */
static void as_behind_relu(struct spacc_tensor *want, const struct spacc_tensor *got)
{
    float *w = want->data;
    const float *v = got->data;

    for (size_t i = 0; i < want->count; i++)
        if (w[i] < 0.0f && v[i] >= 0.0f)
            w[i] = 0.0f;
}

static enum spacc_status verify_node(struct spacc_executor *x, struct spacc_plan_node *n,
                                     const struct spacc_tensor *const *in,
                                     struct spacc_tensor *const *out, struct spacc_error *err)
{
    struct spacc_tensor *want[SPACC_NODE_OUTPUTS_MAX] = {NULL};
    const struct spacc_node *node = &n->graph->node[n->node];
    const enum spacc_status s = run_masked(n, in, want, err);

    if (n->conv && !s)
        as_behind_relu(want[0], out[0]);
    for (int i = 0; i < node->outputs && !s; i++)
        if (want[i] && out[i]) /* a state that nobody reads is not given */
            spacc_error_add(&stats_of(x, n)->error, want[i], out[i]);
    for (int i = 0; i < SPACC_NODE_OUTPUTS_MAX; i++)
        spacc_tensor_free(want[i]);
    return s;
}

static void take_pending(struct spacc_node_stats *s, struct spacc_tensor **out, int outputs)
{
    for (int i = 0; i < outputs && i < SPACC_NODE_OUTPUTS_MAX; i++) {
        out[i] = s->pending[i];
        s->pending[i] = NULL;
    }
    drop_pending(s);
}

/* What the device has done in this call, for the layers of a chain one behind the other. A
 * simulated card takes longer to simulate: its slices have the length of its own clock. */
static void add_slices(struct spacc_executor *x, const struct spacc_plan_node *n, double now)
{
    double at = stats_of(x, n)->stamp_us;

    for (; n && x->timeline; n = n->chain_next < 0 ? NULL : &x->plan->node[n->chain_next]) {
        struct spacc_node_stats *s = stats_of(x, n);
        const double cycles = (double)(s->counts.cycles - s->traced_cycles);
        const double end = x->card_hz > 0.0 ? at + cycles / x->card_hz * 1e6 : now;
        s->traced_cycles = s->counts.cycles;
        if (cycles > 0.0 || x->card_hz == 0.0)
            spacc_timeline_add(x->timeline, &(struct spacc_slice){x->card_track, n->name, n->op,
                                                                  at, end, cycles});
        at = end;
    }
}

/* A simulated card makes the host wait for as long as simulating takes: a run counts the card's
 * own time instead, less what the host did meanwhile. */
static void on_waited(void *user, const struct spacc_graph *g, int node, double overlap_us,
                      double blocked_us)
{
    struct spacc_executor *x = user;
    struct spacc_node_stats *s = stats_of(x, spacc_plan_node(x->plan, g, node));
    const double cycles = (double)(s->counts.cycles - s->waited_cycles);
    const double own_us = s->own_us - s->waited_own_us;

    s->waited_cycles = s->counts.cycles;
    s->waited_own_us = s->own_us;
    if (x->card_hz > 0.0)
        x->unreal_us += blocked_us - fmax(0.0, own_us + cycles / x->card_hz * 1e6 - overlap_us);
}

static enum spacc_status run_candidate(struct spacc_executor *x, struct spacc_plan_node *n,
                                       const struct spacc_tensor *const *in,
                                       struct spacc_tensor **out, bool *done,
                                       struct spacc_error *err)
{
    struct spacc_node_stats *stats = stats_of(x, n);
    const bool fits = spacc_layers_can_run(n, in);
    enum spacc_status s;

    if (!x->device || n->elsewhere || !fits) {
        *done = x->device || x->masked;
        return *done ? run_masked(n, in, out, err) : SPACC_OK;
    }
    *done = true;
    const double device_us = stats->device_us;
    if (stats->has_pending)
        take_pending(stats, out, n->graph->node[n->node].outputs);
    else if ((s = spacc_layers_run(x, n, in, out, err)))
        return s;
    stats->device_calls++;
    const double now = spacc_now_us();
    add_slices(x, n, now);
    stats->host_us += now - stats->stamp_us;
    stats->own_us += now - stats->stamp_us - (stats->device_us - device_us);
    if (n->graph->parent) /* of other nodes the engine tells */
        on_waited(x, n->graph, n->node, 0.0, now - stats->stamp_us);
    s = x->verify ? verify_node(x, n, in, out, err) : SPACC_OK;
    stats->stamp_us = spacc_now_us();
    return s;
}

/* ---- learning ---------------------------------------------------------------- */

/* What the plan looks at: x and weights of candidates, shapes of a Transpose. */
static bool looks_at_inputs(struct spacc_plan *p, const struct spacc_graph *g, int node)
{
    const struct spacc_plan_node *n = spacc_plan_node(p, g, node);

    return n->candidate || strcmp(n->op, "Transpose") == 0;
}

/* From the last node to the first: which ones have to run, given the values that are needed
 * behind them. Branches are not looked into: all of them run. `value` has room for every value
 * and `reads` for the reads of any node. */
static void find_learned(struct spacc_plan *p, const struct spacc_graph *g, bool *value,
                         int *reads, bool *learn)
{
    for (int i = g->nodes - 1; i >= 0; i--) {
        const struct spacc_node *n = &g->node[i];
        learn[i] = spacc_node_has_branches(n);
        for (int o = 0; o < n->outputs; o++)
            learn[i] = learn[i] || (n->output[o] >= 0 && value[n->output[o]]);
        if (!learn[i] && !looks_at_inputs(p, g, i))
            continue;
        const int count = spacc_node_reads(n, NULL, 0);
        spacc_node_reads(n, reads, count);
        for (int r = 0; r < count; r++)
            value[reads[r]] = true;
    }
}

static bool inputs_are_there(const struct spacc_node *n, const struct spacc_tensor *const *in)
{
    for (int i = 0; i < n->inputs; i++)
        if (n->input[i] >= 0 && !in[i])
            return false;
    return true;
}

/* Check before the plan looks: it trusts the shapes. */
static enum spacc_status learn_node(struct spacc_executor *x, struct spacc_plan_node *n,
                                    const struct spacc_tensor *const *in, bool *done,
                                    struct spacc_error *err)
{
    const bool runs = n->graph->parent || x->learn[n->node];
    enum spacc_status s = SPACC_OK;

    *done = !runs;
    if (!inputs_are_there(&n->graph->node[n->node], in))
        return SPACC_OK;
    if (!runs || n->candidate)
        s = spacc_node_check(n->graph, n->node, in, err);
    return s ? s : spacc_plan_see(x->plan, n, in, err);
}

/* ---- the CPU engine ---------------------------------------------------------- */

/* Whether the device runs it, and not the engine. */
static bool is_foreign(void *user, const struct spacc_graph *g, int node)
{
    const struct spacc_executor *x = user;

    const struct spacc_plan_node *n = spacc_plan_node(x->plan, g, node);

    return x->device && n->candidate && !n->elsewhere;
}

static bool is_on_gpu(void *user, const struct spacc_graph *g, int node)
{
    const struct spacc_executor *x = user;

    return !g->parent && x->where && x->where[node] == SPACC_ON_GPU;
}

static bool is_kept(void *user, const struct spacc_graph *g, int value)
{
    const struct spacc_executor *x = user;

    return spacc_plan_graph(x->plan, g)->keep[value];
}

/* Without a device that has them, pruned weights are the engine's. */
static enum spacc_status pruned_weights(void *user, const struct spacc_graph *g, int node,
                                        int input, const struct spacc_tensor *const *in,
                                        const struct spacc_tensor **instead,
                                        struct spacc_error *err)
{
    const struct spacc_executor *x = user;
    struct spacc_plan_node *n = spacc_plan_node(x->plan, g, node);
    enum spacc_status s;

    if (!x->masked || !n->candidate || n->conv || input > 2 || is_foreign(user, g, node))
        return SPACC_OK;
    if ((s = spacc_plan_mask(n, in, err)))
        return s;
    *instead = n->pruned[input - 1];
    return SPACC_OK;
}

struct spacc_engine_options spacc_executor_options(struct spacc_executor *x,
                                                   const struct spacc_parallel *parallel,
                                                   enum spacc_tile_type precision)
{
    return (struct spacc_engine_options){.parallel = parallel,
                                         .cpu = spacc_cpu_features(),
                                         .precision = precision,
                                         .foreign = is_foreign,
                                         .sees = is_kept,
                                         .waited = on_waited,
                                         .weights = pruned_weights,
                                         .gpu = x->gpu,
                                         .on_gpu = is_on_gpu,
                                         .order = x->order,
                                         .timeline = x->timeline,
                                         .seernet = x->seernet,
                                         .seernet_how = x->seernet_how,
                                         .user = x};
}

enum spacc_status spacc_executor_ready(struct spacc_executor *x, const struct spacc_graph *g,
                                       const struct spacc_tensor *const *input,
                                       const struct spacc_parallel *parallel,
                                       enum spacc_tile_type precision, struct spacc_error *err)
{
    const struct spacc_engine_options options = spacc_executor_options(x, parallel, precision);

    return spacc_engine_new(&x->engine, g, input, &options, err);
}

static enum spacc_status on_node(void *user, const struct spacc_graph *g, int node,
                                 const struct spacc_tensor *const *in,
                                 struct spacc_tensor **out, bool *done, struct spacc_error *err)
{
    struct spacc_executor *x = user;
    struct spacc_plan_node *n = spacc_plan_node(x->plan, g, node);
    struct spacc_node_stats *stats = stats_of(x, n);

    if (x->learning)
        return learn_node(x, n, in, done, err);
    stats->calls++;
    stats->stamp_us = spacc_now_us();
    return n->candidate ? run_candidate(x, n, in, out, done, err) : SPACC_OK;
}

/* The engine times the nodes that are its own, run_candidate() those of a device. */
static bool is_timed_here(const struct spacc_executor *x, const struct spacc_graph *g, int node)
{
    return !x->engine || (g->parent && !spacc_plan_node(x->plan, g, node)->candidate);
}

/* Ends a node's time; the hook of its next output goes on from here. */
static void on_value(void *user, const struct spacc_graph *g, int value,
                     const struct spacc_tensor *contents)
{
    struct spacc_executor *x = user;
    const struct spacc_plan_graph *pg = spacc_plan_graph(x->plan, g);
    struct spacc_node_stats *stats =
        stats_of(x, spacc_plan_node(x->plan, g, g->value[value].producer));
    const double now = spacc_now_us();

    if (x->learning)
        return;
    if (is_timed_here(x, g, g->value[value].producer)) {
        stats->host_us += now - stats->stamp_us;
        stats->stamp_us = now;
    }
    if (!pg->keep[value])
        return;
    struct spacc_tensor **kept = &x->kept[graph_number(x, pg)][value];
    spacc_tensor_free(*kept);
    if (spacc_tensor_copy(kept, contents))
        *kept = NULL; /* then the chain runs layer by layer */
}

static enum spacc_status run(struct spacc_executor *x, const struct spacc_graph *g,
                             const struct spacc_tensor *const *input,
                             struct spacc_tensor **output, const bool *learn,
                             struct spacc_error *err)
{
    const struct spacc_run_hooks hooks = {
        .node = on_node, .value = on_value, .user = x, .partial = learn != NULL};

    x->learning = learn != NULL;
    x->learn = learn;
    x->input = input;
    const enum spacc_status s = x->engine && !learn
                                    ? spacc_engine_run(x->engine, input, output, &hooks, err)
                                    : spacc_graph_run(g, input, output, &hooks, err);
    x->learn = NULL;
    clear_run(x);
    return s;
}

static int most_reads(const struct spacc_graph *g)
{
    int most = 0;

    for (int n = 0; n < g->nodes; n++)
        if (spacc_node_reads(&g->node[n], NULL, 0) > most)
            most = spacc_node_reads(&g->node[n], NULL, 0);
    return most;
}

enum spacc_status spacc_executor_learn(struct spacc_executor *x, const struct spacc_graph *g,
                                       const struct spacc_tensor *const *input,
                                       const bool *needed, struct spacc_tensor **output,
                                       struct spacc_error *err)
{
    bool *value = calloc((size_t)g->values + 1, sizeof(*value));
    bool *learn = calloc((size_t)g->nodes + 1, sizeof(*learn));
    int *reads = calloc((size_t)most_reads(g) + 1, sizeof(*reads));
    enum spacc_status s = SPACC_ENOMEM;

    if (!value || !learn || !reads) {
        spacc_fail(err, s, "no memory to run a graph");
        goto out;
    }
    for (int o = 0; o < g->outputs; o++)
        value[g->output[o]] = value[g->output[o]] || needed[o];
    find_learned(x->plan, g, value, reads, learn);
    s = run(x, g, input, output, learn, err);
out:
    free(value);
    free(learn);
    free(reads);
    return s;
}

enum spacc_status spacc_executor_run(struct spacc_executor *x, const struct spacc_graph *g,
                                     const struct spacc_tensor *const *input,
                                     struct spacc_tensor **output, struct spacc_error *err)
{
    return run(x, g, input, output, NULL, err);
}
