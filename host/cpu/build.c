/* Making an engine: who runs each node, in which slots. */
#include <cblas.h>
#include <stdlib.h>
#include <string.h>

#include "host/cpu/arena.h"
#include "host/cpu/aside.h"
#include "host/cpu/kernels.h"
#include "host/cpu/onednn.h"
#include "host/gpu/slots.h"
#include "host/timeline.h"

enum { NODE_INPUTS = 8 }; /* of nodes whose weights may be changed: LSTM has most */

enum spacc_status spacc_cpu_no_memory(struct spacc_cpu_build *b)
{
    return spacc_fail(b->err, SPACC_ENOMEM, "%s: no memory for an engine", b->g->file);
}

/* ---- slots -------------------------------------------------------------------- */

static bool grow(void **list, int *room, int count, size_t bytes)
{
    if (count < *room)
        return true;
    const int more = *room ? *room * 2 : 64;
    void *p = realloc(*list, (size_t)more * bytes);
    if (!p)
        return false;
    *list = p;
    *room = more;
    return true;
}

int spacc_cpu_slot_new(struct spacc_cpu_build *b, const struct spacc_tensor *like, size_t bytes)
{
    struct spacc_engine *e = b->e;
    const struct spacc_tensor shape = *like; /* may be in the list that moves */

    if (!grow((void **)&e->slot, &e->slots_room, e->slots, sizeof(*e->slot)))
        return -1;
    e->slot[e->slots] = (struct spacc_cpu_slot){.t = shape,
                                                .bytes = bytes,
                                                .root = e->slots,
                                                .first = -1,
                                                .last = -1,
                                                .copy_of = -1,
                                                .plain = -1,
                                                .gpu = -1,
                                                .begun_by = -1,
                                                .held_by = -1};
    e->slot[e->slots].t.data = NULL;
    return e->slots++;
}

static void place_value(struct spacc_cpu_build *b, int v)
{
    struct spacc_cpu_slot *s = &b->e->slot[v];
    const struct spacc_tensor *shape = &b->e->shape->shape[v];

    if (shape->dtype == SPACC_DTYPE_NONE) {
        s->home = SPACC_HOME_HEAP;
    } else if (shape->data) {
        s->home = SPACC_HOME_CONSTANT;
        s->t.data = shape->data;
        s->made = true;
    }
}

static enum spacc_status value_slots(struct spacc_cpu_build *b)
{
    for (int v = 0; v < b->g->values; v++) {
        if (spacc_cpu_slot_new(b, &b->e->shape->shape[v], 0) < 0)
            return spacc_cpu_no_memory(b);
        place_value(b, v);
    }
    for (int i = 0; i < b->g->inputs; i++) {
        struct spacc_cpu_slot *s = &b->e->slot[b->g->input[i]];
        s->home = SPACC_HOME_INPUT;
        s->made = true;
    }
    return SPACC_OK;
}

void spacc_cpu_share(struct spacc_cpu_build *b, int to, int from)
{
    struct spacc_cpu_slot *s = &b->e->slot[to];

    s->root = b->e->slot[from].root;
    s->skip_bytes = b->e->slot[from].skip_bytes;
    s->home = b->e->slot[s->root].home;
    if (s->home == SPACC_HOME_CONSTANT)
        spacc_cpu_follow_root(b->e, to);
    s->made = true;
}

bool spacc_cpu_may_overwrite(const struct spacc_cpu_build *b, int v, int s)
{
    const struct spacc_engine *e = b->e;
    const int root = e->slot[s].root;

    if (b->readers[v] != 1 || e->slot[root].held_by >= 0 ||
        e->slot[root].home != SPACC_HOME_ARENA || e->slot[v].home != SPACC_HOME_ARENA)
        return false;
    for (int i = 0; i < e->slots; i++) /* views on the GPU may share it later */
        if (e->slot[i].root == root && e->slot[i].gpu >= 0)
            return false;
    for (int i = 0; i < e->slots; i++) /* whatever else is there has been read */
        if (i != s && i != v && e->slot[i].root == root && e->slot[i].made &&
            (i >= b->g->values || b->readers[i] > 0))
            return false;
    return true;
}

/* ---- steps -------------------------------------------------------------------- */

struct spacc_cpu_step *spacc_cpu_step_new(struct spacc_cpu_build *b,
                                          const struct spacc_cpu_kernel *kernel, int n, int ins,
                                          int outs)
{
    struct spacc_engine *e = b->e;
    int *slots = malloc((size_t)(ins + outs + 1) * sizeof(*slots));

    if (!slots || !grow((void **)&e->step, &e->steps_room, e->steps, sizeof(*e->step))) {
        free(slots);
        spacc_cpu_no_memory(b);
        return NULL;
    }
    for (int i = 0; i < ins + outs; i++)
        slots[i] = -1;
    e->step[e->steps] = (struct spacc_cpu_step){.kernel = kernel,
                                                .node = n,
                                                .ins = ins,
                                                .outs = outs,
                                                .in = slots,
                                                .out = slots + ins,
                                                .scratch = -1};
    return &e->step[e->steps++];
}

static void touch(struct spacc_engine *e, int s, int step)
{
    if (s < 0)
        return;
    struct spacc_cpu_slot *root = &e->slot[e->slot[s].root];
    if (root->first < 0)
        root->first = step;
    root->last = step;
}

void spacc_cpu_step_done(struct spacc_cpu_build *b, struct spacc_cpu_step *s)
{
    const int number = (int)(s - b->e->step);

    for (int i = 0; i < s->ins; i++)
        touch(b->e, s->in[i], number);
    for (int o = 0; o < s->outs; o++) {
        touch(b->e, s->out[o], number);
        if (s->out[o] >= 0)
            b->e->slot[s->out[o]].made = true;
    }
    touch(b->e, s->scratch, number);
}

/* ---- what kernels ask ---------------------------------------------------------- */

const struct spacc_tensor *spacc_cpu_shape(const struct spacc_cpu_build *b, int v)
{
    return &b->e->shape->shape[v];
}

const struct spacc_tensor *spacc_cpu_constant(const struct spacc_cpu_build *b,
                                              const struct spacc_node *node, int i)
{
    if (i >= node->inputs || node->input[i] < 0)
        return NULL;
    const struct spacc_tensor *t = spacc_cpu_shape(b, node->input[i]);
    return t->dtype != SPACC_DTYPE_NONE && t->data ? t : NULL;
}

bool spacc_cpu_is(const struct spacc_cpu_build *b, int v, enum spacc_dtype type)
{
    return v >= 0 && spacc_cpu_shape(b, v)->dtype == type;
}

bool spacc_cpu_known(const struct spacc_cpu_build *b, const struct spacc_node *node)
{
    for (int i = 0; i < node->inputs; i++)
        if (node->input[i] >= 0 && b->e->slot[node->input[i]].home == SPACC_HOME_HEAP)
            return false;
    for (int o = 0; o < node->outputs; o++)
        if (node->output[o] >= 0 && b->e->slot[node->output[o]].home == SPACC_HOME_HEAP)
            return false;
    return true;
}

int spacc_cpu_only_reader(const struct spacc_cpu_build *b, int v)
{
    const int n = b->reader[v], maker = b->g->value[v].producer;

    if (b->readers[v] != 1 || n < 0 || b->taken[n])
        return -1;
    return b->on_gpu[n] == (maker >= 0 && b->on_gpu[maker]) ? n : -1;
}

bool spacc_cpu_is_sparse(const float *w, size_t count)
{
    size_t zeros = 0;

    for (size_t i = 0; i < count; i++)
        zeros += w[i] == 0.0f;
    return zeros * 5 >= count * 2;
}

int spacc_cpu_vector_add(const struct spacc_cpu_build *b, const struct spacc_node *node,
                         size_t width, const float **vector, bool *is_scalar)
{
    const int n = spacc_cpu_only_reader(b, node->output[0]);
    const struct spacc_node *add = n < 0 ? NULL : &b->g->node[n];

    if (!add || strcmp(add->op->name, "Add") != 0)
        return -1;
    const struct spacc_tensor *c =
        spacc_cpu_constant(b, add, add->input[0] == node->output[0] ? 1 : 0);
    if (!c ||
        !spacc_tensor_same_shape(spacc_cpu_shape(b, node->output[0]),
                                 spacc_cpu_shape(b, add->output[0])) ||
        (c->count != 1 && (c->count != width || (size_t)c->dims[c->rank - 1] != width)))
        return -1;
    *vector = c->data;
    *is_scalar = c->count == 1;
    return n;
}

int spacc_cpu_plain(struct spacc_cpu_build *b, int v)
{
    if (b->e->slot[v].home == SPACC_HOME_GPU && spacc_gpu_bring(b, v))
        return -1;
    if (!b->e->slot[v].layout)
        return v;
    if (b->e->slot[v].plain < 0) {
        const int s = spacc_onednn_reorder(b, v, NULL); /* moves the list of slots */
        b->e->slot[v].plain = s;
    }
    return b->e->slot[v].plain;
}

int spacc_cpu_input(struct spacc_cpu_build *b, const struct spacc_node *node, int i,
                    enum spacc_status *status)
{
    *status = SPACC_OK;
    if (i >= node->inputs || node->input[i] < 0)
        return -1;
    const int s = spacc_cpu_plain(b, node->input[i]);
    if (s < 0)
        *status = b->err ? b->err->status : SPACC_ENOMEM;
    return s;
}

void spacc_cpu_taken(struct spacc_cpu_build *b, int n, int with, const char *kernel)
{
    const struct spacc_node *node = &b->g->node[n];
    const int reads = spacc_node_reads(node, NULL, 0);

    spacc_node_reads(node, b->reads, reads);
    for (int r = 0; r < reads; r++)
        b->readers[b->reads[r]]--;
    b->taken[n] = true;
    b->e->about[n] = (struct spacc_engine_node){.kernel = kernel, .joined = with};
}

/* ---- the walk ------------------------------------------------------------------ */

static bool all_constant(const struct spacc_cpu_build *b, const struct spacc_node *node)
{
    for (int o = 0; o < node->outputs; o++)
        if (node->output[o] >= 0 && b->e->slot[node->output[o]].home != SPACC_HOME_CONSTANT)
            return false;
    return true;
}

/* From the last node to the first: which ones make something that is read. */
static enum spacc_status find_needed(struct spacc_cpu_build *b)
{
    const struct spacc_graph *g = b->g;
    bool *value = calloc((size_t)g->values + 1, sizeof(*value));

    if (!value)
        return spacc_cpu_no_memory(b);
    for (int o = 0; o < g->outputs; o++)
        value[g->output[o]] = true;
    for (int n = g->nodes - 1; n >= 0; n--) {
        const struct spacc_node *node = &g->node[n];
        for (int o = 0; o < node->outputs; o++)
            b->needed[n] = b->needed[n] || (node->output[o] >= 0 && value[node->output[o]]);
        if (!b->needed[n] || all_constant(b, node))
            continue;
        const int reads = spacc_node_reads(node, NULL, 0);
        spacc_node_reads(node, b->reads, reads);
        for (int r = 0; r < reads; r++)
            value[b->reads[r]] = true;
    }
    free(value);
    return SPACC_OK;
}

static void count_readers(struct spacc_cpu_build *b)
{
    for (int v = 0; v < b->g->values; v++)
        b->reader[v] = -1;
    for (int n = 0; n < b->g->nodes; n++) {
        const struct spacc_node *node = &b->g->node[n];
        const int reads = spacc_node_reads(node, NULL, 0);
        if (!b->needed[n] || all_constant(b, node))
            continue;
        spacc_node_reads(node, b->reads, reads);
        for (int r = 0; r < reads; r++) {
            b->readers[b->reads[r]]++;
            b->reader[b->reads[r]] = n;
        }
    }
    for (int o = 0; o < b->g->outputs; o++)
        b->readers[b->g->output[o]] += 2; /* never the only one */
}

/* Foreign nodes run in turn, and a view reads nothing. */
static bool waits_itself(const struct spacc_cpu_build *b, const struct spacc_cpu_kernel *k,
                         int n)
{
    return k == &spacc_cpu_foreign || k == &spacc_cpu_view ||
           (k == &spacc_gpu_kernel && !b->on_gpu[n]);
}

static enum spacc_status settle_reads(struct spacc_cpu_build *b, int n)
{
    const int reads = spacc_node_reads(&b->g->node[n], NULL, 0);
    enum spacc_status status = SPACC_OK;

    spacc_node_reads(&b->g->node[n], b->reads, reads);
    for (int r = 0; r < reads && !status; r++)
        status = spacc_cpu_settle(b, b->reads[r]);
    return status;
}

static enum spacc_status take_node(struct spacc_cpu_build *b, int n)
{
    if (!b->needed[n] || all_constant(b, &b->g->node[n])) {
        b->taken[n] = true;
        b->e->about[n] = (struct spacc_engine_node){
            .kernel = b->needed[n] ? "constant" : "dead", .joined = n};
        return SPACC_OK;
    }
    for (size_t k = 0; k < spacc_cpu_kernel_count && !b->taken[n]; k++) {
        bool taken = false;
        enum spacc_status s;
        if (!spacc_cpu_kernels[k]->take)
            continue;
        if ((!waits_itself(b, spacc_cpu_kernels[k], n) && (s = settle_reads(b, n))) ||
            (s = spacc_cpu_kernels[k]->take(b, n, &taken)))
            return s;
    }
    return SPACC_OK;
}

/* Which nodes the caller wants on the GPU. */
static void ask_for_gpu(struct spacc_cpu_build *b)
{
    const struct spacc_engine_options *o = &b->e->options;

    for (int n = 0; n < b->g->nodes && o->gpu && o->on_gpu; n++)
        b->on_gpu[n] = o->on_gpu(o->user, b->g, n);
}

/* ---- graph outputs, memory ------------------------------------------------------- */

static bool is_earlier_output(const struct spacc_engine *e, int o)
{
    for (int p = 0; p < o; p++)
        if (e->output[p] == e->output[o])
            return true;
    return false;
}

static size_t slot_bytes(const struct spacc_cpu_slot *s)
{
    const size_t plain = s->t.count * spacc_dtype_bytes(s->t.dtype);

    return s->bytes > plain ? s->bytes : plain;
}

/* A result that is all of its place is made in the caller's tensor at once. */
static enum spacc_status settle_outputs(struct spacc_cpu_build *b)
{
    struct spacc_engine *e = b->e;
    const enum spacc_status status = spacc_cpu_settle_all(b);

    if (status)
        return status;
    for (int o = 0; o < b->g->outputs; o++) {
        e->output[o] = spacc_cpu_plain(b, b->g->output[o]);
        if (e->output[o] < 0)
            return b->err ? b->err->status : SPACC_ENOMEM;
    }
    for (int o = 0; o < b->g->outputs; o++) {
        struct spacc_cpu_slot *s = &e->slot[e->output[o]];
        struct spacc_cpu_slot *root = &e->slot[s->root];
        e->direct[o] = root->home == SPACC_HOME_ARENA && !is_earlier_output(e, o) &&
                       s->skip_bytes == 0 && slot_bytes(root) <= slot_bytes(s);
        if (e->direct[o])
            root->home = SPACC_HOME_OUTPUT;
        else
            root->last = e->steps; /* copied behind the last step */
    }
    for (int s = 0; s < e->slots; s++)
        e->slot[s].home = e->slot[e->slot[s].root].home;
    return SPACC_OK;
}

static bool is_in_arena(const struct spacc_engine *e, int s)
{
    return e->slot[s].home == SPACC_HOME_ARENA && e->slot[s].root == s && e->slot[s].first >= 0;
}

static void set_places(struct spacc_engine *e)
{
    for (int s = 0; s < e->slots; s++)
        if (is_in_arena(e, s))
            e->slot[s].t.data = e->arena + e->slot[s].offset;
    for (int s = 0; s < e->slots; s++)
        if (e->slot[s].home == SPACC_HOME_ARENA && e->slot[s].root != s)
            spacc_cpu_follow_root(e, s);
}

static void keep_uploaded(struct spacc_engine *e)
{
    for (int s = 0; s < e->slots; s++)
        if (e->slot[s].kept)
            e->slot[e->slot[s].root].last = e->steps;
}

static enum spacc_status plan_memory(struct spacc_cpu_build *b)
{
    struct spacc_engine *e = b->e;
    struct spacc_arena_item *item = calloc((size_t)e->slots + 1, sizeof(*item));
    enum spacc_status status;

    if (!item)
        return spacc_cpu_no_memory(b);
    keep_uploaded(e);
    for (int s = 0; s < e->slots; s++) {
        const struct spacc_cpu_slot *slot = &e->slot[s];
        e->heap_values += slot->home == SPACC_HOME_HEAP && slot->made;
        if (!is_in_arena(e, s))
            continue;
        item[s] = (struct spacc_arena_item){
            .bytes = slot_bytes(slot), .first = slot->first, .last = slot->last};
        e->values_bytes += item[s].bytes;
    }
    status = spacc_arena_plan(item, (size_t)e->slots, &e->arena_bytes);
    for (int s = 0; s < e->slots; s++)
        e->slot[s].offset = item[s].offset;
    free(item);
    if (status ||
        !(e->arena = aligned_alloc(SPACC_ARENA_ALIGN, e->arena_bytes + SPACC_ARENA_ALIGN)))
        return spacc_cpu_no_memory(b);
    memset(e->arena, 0, e->arena_bytes); /* pages are there before the first run */
    set_places(e);
    return spacc_gpu_place(e, b->err);
}

/* ---- new and free ---------------------------------------------------------------- */

/* Contents of input i of node n where they are somebody else's. */
static enum spacc_status change_weights(struct spacc_cpu_build *b, int n, int i,
                                        const struct spacc_tensor **in)
{
    const struct spacc_engine_options *o = &b->e->options;
    const struct spacc_node *node = &b->g->node[n];
    const struct spacc_tensor *instead = NULL;
    enum spacc_status s;

    for (int k = 0; k < node->inputs && k < NODE_INPUTS; k++)
        in[k] = spacc_cpu_constant(b, node, k);
    if (!in[i])
        return SPACC_OK;
    if ((s = o->weights(o->user, b->g, n, i, in, &instead, b->err)))
        return s;
    if (instead && spacc_tensor_same_shape(instead, in[i]))
        b->e->shape->shape[node->input[i]].data = instead->data;
    return SPACC_OK;
}

static enum spacc_status take_weights(struct spacc_cpu_build *b)
{
    const struct spacc_tensor *in[NODE_INPUTS] = {NULL};
    enum spacc_status s = SPACC_OK;

    for (int n = 0; n < b->g->nodes && b->e->options.weights && !s; n++)
        for (int i = 1; i < b->g->node[n].inputs && i < NODE_INPUTS && !s; i++)
            s = change_weights(b, n, i, in);
    return s;
}

/* Whether node n comes before something that it reads and that is made in a run. */
static bool is_too_early(struct spacc_cpu_build *b, int n, const bool *seen)
{
    const struct spacc_node *node = &b->g->node[n];
    const int reads = spacc_node_reads(node, NULL, 0);

    if (!b->needed[n] || all_constant(b, node))
        return false;
    spacc_node_reads(node, b->reads, reads);
    for (int r = 0; r < reads; r++) {
        const int producer = b->g->value[b->reads[r]].producer;
        if (producer >= 0 && !seen[producer] &&
            b->e->slot[b->reads[r]].home != SPACC_HOME_CONSTANT)
            return true;
    }
    return false;
}

/* The order that was asked for: every node once, behind the producers of what it reads. */
static enum spacc_status check_order(struct spacc_cpu_build *b)
{
    const int *order = b->e->options.order, nodes = b->g->nodes;
    bool *seen = calloc((size_t)nodes + 1, sizeof(*seen));
    bool good = seen != NULL;

    for (int i = 0; i < nodes && good; i++) {
        const int n = order[i];
        good = n >= 0 && n < nodes && !seen[n] && !is_too_early(b, n, seen);
        if (good)
            seen[n] = true;
    }
    free(seen);
    return good ? SPACC_OK
                : spacc_fail(b->err, SPACC_EINVAL,
                             "%s: the order of nodes has some twice, or before what they read",
                             b->g->file);
}

static enum spacc_status build(struct spacc_cpu_build *b)
{
    enum spacc_status status;

    if ((status = take_weights(b)) || (status = value_slots(b)) || (status = find_needed(b)) ||
        (b->e->options.order && (status = check_order(b))))
        return status;
    count_readers(b);
    ask_for_gpu(b);
    for (int i = 0; i < b->g->nodes; i++)
        if ((status = take_node(b, b->e->options.order ? b->e->options.order[i] : i)))
            return status;
    if ((status = settle_outputs(b)))
        return status;
    return plan_memory(b);
}

static int most_reads(const struct spacc_graph *g)
{
    int most = 0;

    for (int n = 0; n < g->nodes; n++) {
        const int reads = spacc_node_reads(&g->node[n], NULL, 0);
        most = reads > most ? reads : most;
    }
    return most;
}

static enum spacc_status build_with_room(struct spacc_engine *e, struct spacc_error *err)
{
    const size_t values = (size_t)e->g->values + 1, nodes = (size_t)e->g->nodes + 1;
    struct spacc_cpu_build b = {.e = e, .g = e->g, .err = err};
    enum spacc_status status;

    b.readers = calloc(values, sizeof(*b.readers));
    b.reader = calloc(values, sizeof(*b.reader));
    b.reads = calloc((size_t)most_reads(e->g) + 1, sizeof(*b.reads));
    b.needed = calloc(nodes, sizeof(*b.needed));
    b.taken = calloc(nodes, sizeof(*b.taken));
    b.on_gpu = calloc(nodes, sizeof(*b.on_gpu));
    if (b.readers && b.reader && b.reads && b.needed && b.taken && b.on_gpu)
        status = build(&b);
    else
        status = spacc_cpu_no_memory(&b);
    free(b.readers);
    free(b.reader);
    free(b.reads);
    free(b.needed);
    free(b.taken);
    free(b.on_gpu);
    return status;
}

enum spacc_status spacc_engine_new(struct spacc_engine **out, const struct spacc_graph *g,
                                   const struct spacc_tensor *const *input,
                                   const struct spacc_engine_options *options,
                                   struct spacc_error *err)
{
    struct spacc_engine *e = calloc(1, sizeof(*e));
    struct spacc_error own = {.text = ""};
    enum spacc_status status = SPACC_ENOMEM;

    *out = NULL;
    if (!e)
        return spacc_fail(err, status, "%s: no memory for an engine", g->file);
    e->g = g;
    e->options = *options;
    e->host_track =
        e->options.timeline ? spacc_timeline_track(e->options.timeline, "cpu 0") : -1;
    e->about = calloc((size_t)g->nodes + 1, sizeof(*e->about));
    e->output = calloc((size_t)g->outputs + 1, sizeof(*e->output));
    e->direct = calloc((size_t)g->outputs + 1, sizeof(*e->direct));
    if (!e->about || !e->output || !e->direct)
        spacc_fail(&own, status, "%s: no memory for an engine", g->file);
    else if (!(status = spacc_graph_check_inputs(g, input, &own)) &&
             !(status = spacc_graph_bind(&e->shape, g, input, &own)) &&
             !(status = spacc_onednn_open(e, &own))) {
        openblas_set_num_threads(1); /* our threads share its calls: gemm.c */
        status = build_with_room(e, &own);
    }
    if (status) {
        spacc_engine_free(e);
        if (err)
            *err = own;
        return status;
    }
    *out = e;
    return SPACC_OK;
}

static void free_step(struct spacc_cpu_step *s)
{
    if (s->kernel->release && s->state)
        s->kernel->release(s->state);
    else
        free(s->state);
    free(s->in);
}

void spacc_engine_free(struct spacc_engine *e)
{
    if (!e)
        return;
    spacc_aside_free(e->aside);
    for (int s = 0; s < e->steps; s++)
        free_step(&e->step[s]);
    for (int s = 0; s < e->slots; s++) {
        free(e->slot[s].layout);
        spacc_gpu_free_memory(e->slot[s].memory);
        spacc_tensor_free(e->slot[s].heap);
    }
    spacc_onednn_close(e);
    spacc_gpu_leave(e);
    free(e->step);
    free(e->slot);
    free(e->about);
    free(e->output);
    free(e->direct);
    free(e->arena);
    spacc_binding_free(e->shape);
    free(e);
}
