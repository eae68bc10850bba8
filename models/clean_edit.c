/* Looking at a graph and changing it step by step. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/clean_parts.h"
#include "models/onnx_parts.h"
#include "models/op.h"

/* ---- looking ---- */

bool spacc_clean_is(const struct spacc_node *n, const char *op)
{
    return n && n->op && strcmp(n->op->name, op) == 0;
}

bool spacc_clean_is_any(const struct spacc_node *n, const char *const *ops)
{
    for (; *ops; ops++)
        if (spacc_clean_is(n, *ops))
            return true;
    return false;
}

const struct spacc_clean_shape *spacc_clean_shape_of(const struct spacc_clean *c, int value)
{
    static const struct spacc_clean_shape unknown = {.rank = -1};

    return value < 0 ? &unknown : &c->shape[value];
}

struct spacc_node *spacc_clean_maker(const struct spacc_clean *c, int value)
{
    const int n = value < 0 ? -1 : c->g->value[value].producer;

    return n < 0 ? NULL : &c->g->node[n];
}

const struct spacc_tensor *spacc_clean_const(const struct spacc_clean *c, int value)
{
    while (value >= 0 && c->g->value[value].outer >= 0 && c->outside) {
        value = c->g->value[value].outer;
        c = c->outside;
    }
    return value < 0 ? NULL : c->g->value[value].init;
}

int spacc_clean_in(const struct spacc_node *n, int i)
{
    return i >= 0 && i < n->inputs ? n->input[i] : -1;
}

bool spacc_clean_is_output(const struct spacc_clean *c, int value)
{
    for (int o = 0; o < c->g->outputs; o++)
        if (c->g->output[o] == value)
            return true;
    return false;
}

int spacc_clean_opset(const struct spacc_clean *c)
{
    while (c->outside)
        c = c->outside;
    return c->g->opset;
}

int spacc_clean_ints(const struct spacc_clean *c, const struct spacc_node *n, const char *name,
                     int i, int64_t out[SPACC_RANK_MAX])
{
    const struct spacc_attr *a = spacc_node_attr(n, name);
    const struct spacc_tensor *t = spacc_clean_const(c, spacc_clean_in(n, i));
    const size_t count = a ? a->count : t ? t->count : 0;

    if ((!a && !t) || count > SPACC_RANK_MAX)
        return -1;
    if (!a && t->dtype != SPACC_I64 && t->dtype != SPACC_I32)
        return -1;
    for (size_t k = 0; k < count; k++)
        out[k] = a                       ? a->ints[k]
                 : t->dtype == SPACC_I64 ? ((const int64_t *)t->data)[k]
                                         : ((const int32_t *)t->data)[k];
    return (int)count;
}

bool spacc_clean_axes(const struct spacc_clean *c, const struct spacc_node *n, int rank,
                      bool flags[SPACC_RANK_MAX])
{
    int64_t axes[SPACC_RANK_MAX];
    const int count = spacc_clean_ints(c, n, "axes", 1, axes);

    memset(flags, 0, SPACC_RANK_MAX * sizeof(*flags));
    for (int k = 0; k < count; k++) {
        const int64_t axis = axes[k] < 0 ? axes[k] + rank : axes[k];
        if (rank < 0 || rank > SPACC_RANK_MAX || axis < 0 || axis >= rank)
            return false;
        flags[axis] = true;
    }
    return count >= 0;
}

int spacc_clean_perm(const struct spacc_clean *c, const struct spacc_node *n,
                     int perm[SPACC_RANK_MAX])
{
    int64_t axes[SPACC_RANK_MAX];
    const int given = spacc_clean_ints(c, n, "perm", -1, axes);
    const int rank = given >= 0 ? given : spacc_clean_shape_of(c, n->input[0])->rank;
    unsigned seen = 0;

    for (int d = 0; d < rank; d++) {
        const int64_t axis = given >= 0 ? axes[d] : rank - 1 - d;
        if (axis < 0 || axis >= rank)
            return -1;
        perm[d] = (int)axis;
        seen |= 1u << axis;
    }
    return rank >= 0 && seen == (1u << rank) - 1 ? rank : -1;
}

static int64_t clamp(int64_t at, int64_t size)
{
    at += at < 0 ? size : 0;
    return at < 0 ? 0 : at > size ? size : at;
}

bool spacc_clean_slice(const struct spacc_clean *c, const struct spacc_node *n, int *axis,
                       int64_t *start, int64_t *size)
{
    const struct spacc_clean_shape *x = spacc_clean_shape_of(c, n->input[0]);
    int64_t axes[SPACC_RANK_MAX], from[SPACC_RANK_MAX], to[SPACC_RANK_MAX],
        step[SPACC_RANK_MAX];

    if (x->rank < 1 || spacc_clean_ints(c, n, "axes", 3, axes) != 1 ||
        spacc_clean_ints(c, n, "starts", 1, from) != 1 ||
        spacc_clean_ints(c, n, "ends", 2, to) != 1)
        return false;
    if (spacc_clean_in(n, 4) >= 0 && (spacc_clean_ints(c, n, "", 4, step) != 1 || step[0] != 1))
        return false;
    axes[0] += axes[0] < 0 ? x->rank : 0;
    if (axes[0] < 0 || axes[0] >= x->rank || x->dims[axes[0]] < 0)
        return false;
    *axis = (int)axes[0];
    *start = clamp(from[0], x->dims[*axis]);
    *size = clamp(to[0], x->dims[*axis]) - *start;
    return *size >= 0;
}

bool spacc_clean_same_dim(int64_t a, int64_t b)
{
    return a == b && a != -1;
}

bool spacc_clean_same_shape(const struct spacc_clean_shape *a,
                            const struct spacc_clean_shape *b)
{
    if (a->rank < 0 || a->rank != b->rank)
        return false;
    for (int d = 0; d < a->rank; d++)
        if (!spacc_clean_same_dim(a->dims[d], b->dims[d]))
            return false;
    return true;
}

/* ---- new values and nodes ---- */

enum spacc_status spacc_clean_no_memory(const struct spacc_clean *c)
{
    while (c->outside)
        c = c->outside;
    return spacc_fail(c->err, SPACC_ENOMEM, "%s: %s", c->g->file,
                      spacc_status_text(SPACC_ENOMEM));
}

static bool node_has_name(const struct spacc_graph *g, const char *name)
{
    for (int n = 0; n < g->nodes; n++)
        if (g->node[n].op && strcmp(g->node[n].name, name) == 0)
            return true;
    return false;
}

/* "<base><suffix>", with a number behind it where a value or node has that name. */
static char *new_name(const struct spacc_graph *g, const char *base, const char *suffix)
{
    const size_t room = strlen(base) + strlen(suffix) + 16;
    char *name = malloc(room);

    if (!name)
        return NULL;
    snprintf(name, room, "%s%s", base, suffix);
    for (int k = 1; spacc_graph_find(g, name) >= 0 || node_has_name(g, name); k++)
        snprintf(name, room, "%s%s%d", base, suffix, k);
    return name;
}

/* Each array is replaced as soon as its larger copy is there. */
static enum spacc_status more_values(struct spacc_clean *c)
{
    const size_t room = 2 * (size_t)c->g->values + 16;
    void *more;

    if (c->g->values < c->value_room)
        return SPACC_OK;
    if (!(more = realloc(c->g->value, room * sizeof(*c->g->value))))
        return spacc_clean_no_memory(c);
    c->g->value = more;
    if (!(more = realloc(c->shape, room * sizeof(*c->shape))))
        return spacc_clean_no_memory(c);
    c->shape = more;
    if (!(more = realloc(c->readers, room * sizeof(*c->readers))))
        return spacc_clean_no_memory(c);
    c->readers = more;
    c->value_room = (int)room;
    return SPACC_OK;
}

static struct spacc_clean_shape shape_of(const struct spacc_tensor *t)
{
    struct spacc_clean_shape s = {.rank = -1};

    if (!t)
        return s;
    s.dtype = t->dtype;
    s.rank = t->rank;
    memcpy(s.dims, t->dims, sizeof(s.dims));
    return s;
}

enum spacc_status spacc_clean_value(struct spacc_clean *c, int *out, const char *base,
                                    const char *suffix, struct spacc_tensor *init)
{
    char *name = new_name(c->g, base, suffix);

    if (!name || more_values(c) != SPACC_OK) {
        free(name);
        spacc_tensor_free(init);
        return spacc_clean_no_memory(c);
    }
    *out = c->g->values++;
    c->g->value[*out] = (struct spacc_value){
        .name = name, .init = init, .outer = -1, .producer = -1, .rank = -1};
    c->shape[*out] = shape_of(init);
    c->readers[*out] = 0;
    return SPACC_OK;
}

enum spacc_status spacc_clean_value_ints(struct spacc_clean *c, int *out, const char *base,
                                         const char *suffix, int count, const int64_t *from)
{
    const int64_t dims[] = {count};
    struct spacc_tensor *t;

    if (spacc_tensor_new(&t, SPACC_I64, 1, dims) != SPACC_OK)
        return spacc_clean_no_memory(c);
    memcpy(t->data, from, (size_t)count * sizeof(*from));
    return spacc_clean_value(c, out, base, suffix, t);
}

static int *copy_ints(const int *from, int count)
{
    int *to = malloc(((size_t)count + 1) * sizeof(*to));

    if (to && count > 0)
        memcpy(to, from, (size_t)count * sizeof(*to));
    return to;
}

static bool add_int(struct spacc_node *n, const char *name, int64_t value)
{
    struct spacc_attr *a = &n->attr[n->attrs++];

    a->kind = SPACC_ATTR_INT;
    a->i = value;
    return (a->name = strdup(name)) != NULL;
}

static bool add_ints(struct spacc_node *n, const struct spacc_clean_call *call)
{
    struct spacc_attr *a = &n->attr[n->attrs++];

    a->kind = SPACC_ATTR_INTS;
    a->count = (size_t)call->ints;
    a->ints = malloc((a->count + 1) * sizeof(*a->ints));
    if (a->ints)
        memcpy(a->ints, call->values, a->count * sizeof(*a->ints));
    return a->ints && (a->name = strdup(call->attr_ints));
}

static bool fill_node(const struct spacc_graph *g, struct spacc_node *n,
                      const struct spacc_clean_call *call)
{
    bool good;

    n->op = spacc_op_find(call->op);
    n->inputs = call->inputs;
    n->outputs = call->outputs;
    n->name = new_name(g, call->base, call->suffix);
    n->input = copy_ints(call->input, call->inputs);
    n->output = copy_ints(call->output, call->outputs);
    n->attr = calloc(4, sizeof(*n->attr));
    good = n->name && n->input && n->output && n->attr;
    for (int k = 0; k < 2 && good && call->attr_int[k]; k++)
        good = add_int(n, call->attr_int[k], call->attr_value[k]);
    return good && (!call->attr_ints || add_ints(n, call));
}

static enum spacc_status more_nodes(struct spacc_clean *c)
{
    const size_t room = 2 * (size_t)c->g->nodes + 16;
    struct spacc_node *more;

    if (c->g->nodes < c->node_room)
        return SPACC_OK;
    if (!(more = realloc(c->g->node, room * sizeof(*more))))
        return spacc_clean_no_memory(c);
    c->g->node = more;
    c->node_room = (int)room;
    return SPACC_OK;
}

enum spacc_status spacc_clean_node(struct spacc_clean *c, const struct spacc_clean_call *call)
{
    struct spacc_node n = {0};

    if (!fill_node(c->g, &n, call) || more_nodes(c) != SPACC_OK) {
        spacc_node_release(&n);
        return spacc_clean_no_memory(c);
    }
    for (int o = 0; o < n.outputs; o++)
        if (n.output[o] >= 0)
            c->g->value[n.output[o]].producer = c->g->nodes;
    c->g->node[c->g->nodes++] = n;
    return SPACC_OK;
}

enum spacc_status spacc_clean_squeeze(struct spacc_clean *c, const char *op, const char *base,
                                      int from, int to, int axes, const int64_t *axis)
{
    int input[2] = {from, -1};
    struct spacc_clean_call call = {
        .op = op, .base = base, .suffix = "/", .outputs = 1, .input = input, .output = &to};
    const bool by_input = spacc_clean_opset(c) >= 13;

    if (by_input) {
        const enum spacc_status s =
            spacc_clean_value_ints(c, &input[1], base, "/axes", axes, axis);
        if (s)
            return s;
    } else {
        call.attr_ints = "axes";
        call.ints = axes;
        call.values = axis;
    }
    call.suffix = strcmp(op, "Squeeze") == 0 ? "/Squeeze" : "/Unsqueeze";
    call.inputs = by_input ? 2 : 1;
    return spacc_clean_node(c, &call);
}

/* ---- changing what is there ---- */

static void redirect_branches(struct spacc_node *n, int from, int to)
{
    for (size_t a = 0; a < n->attrs; a++) {
        struct spacc_graph *branch = n->attr[a].graph;
        for (int v = 0; branch && v < branch->values; v++)
            if (branch->value[v].outer == from)
                branch->value[v].outer = to;
    }
}

void spacc_clean_redirect(struct spacc_clean *c, int from, int to)
{
    for (int n = 0; n < c->g->nodes; n++) {
        struct spacc_node *node = &c->g->node[n];
        for (int i = 0; i < node->inputs; i++)
            if (node->input[i] == from)
                node->input[i] = to;
        redirect_branches(node, from, to);
    }
}

/* The maker of `same` makes the graph's output `v` in its place. */
static bool swap_output(struct spacc_clean *c, int v, int same)
{
    struct spacc_node *maker = spacc_clean_maker(c, same);

    if (!maker || spacc_clean_is_output(c, same))
        return false;
    for (int o = 0; o < maker->outputs; o++)
        if (maker->output[o] == same)
            maker->output[o] = v;
    c->g->value[v].producer = c->g->value[same].producer;
    c->g->value[same].producer = -1;
    spacc_clean_redirect(c, same, v);
    return true;
}

bool spacc_clean_bypass(struct spacc_clean *c, int n, int same)
{
    const int v = c->g->node[n].output[0];

    if (spacc_clean_is_output(c, v)) {
        struct spacc_node *node = &c->g->node[n];
        node->output[0] = -1; /* or the swap would see two makers */
        if (!swap_output(c, v, same)) {
            node->output[0] = v;
            return false;
        }
    } else {
        spacc_clean_redirect(c, v, same);
        c->g->value[v].producer = -1;
        c->g->node[n].output[0] = -1;
    }
    spacc_clean_drop(c, n);
    spacc_clean_count(c);
    return true;
}

static void count_reads(struct spacc_clean *c, const struct spacc_node *n, int by)
{
    for (int i = 0; i < n->inputs; i++)
        if (n->input[i] >= 0)
            c->readers[n->input[i]] += by;
    for (size_t a = 0; a < n->attrs; a++) {
        const struct spacc_graph *branch = n->attr[a].graph;
        for (int v = 0; branch && v < branch->values; v++)
            if (branch->value[v].outer >= 0)
                c->readers[branch->value[v].outer] += by;
    }
}

void spacc_clean_drop(struct spacc_clean *c, int n)
{
    struct spacc_node *node = &c->g->node[n];

    count_reads(c, node, -1);
    for (int o = 0; o < node->outputs; o++)
        if (node->output[o] >= 0 && c->g->value[node->output[o]].producer == n)
            c->g->value[node->output[o]].producer = -1;
    spacc_node_release(node);
    *node = (struct spacc_node){0};
    c->changed = true;
}

void spacc_clean_count(struct spacc_clean *c)
{
    memset(c->readers, 0, (size_t)c->value_room * sizeof(*c->readers));
    for (int n = 0; n < c->g->nodes; n++)
        count_reads(c, &c->g->node[n], 1);
    for (int o = 0; o < c->g->outputs; o++)
        c->readers[c->g->output[o]]++;
}

static void close_gaps(struct spacc_graph *g)
{
    int kept = 0;

    for (int n = 0; n < g->nodes; n++) {
        if (!g->node[n].op)
            continue;
        for (int o = 0; o < g->node[n].outputs; o++)
            if (g->node[n].output[o] >= 0)
                g->value[g->node[n].output[o]].producer = kept;
        g->node[kept++] = g->node[n];
    }
    g->nodes = kept;
}

enum spacc_status spacc_clean_sort(struct spacc_clean *c)
{
    int stuck;

    close_gaps(c->g);
    if (spacc_onnx_sort(c->g, &stuck) != SPACC_OK)
        return spacc_clean_no_memory(c);
    c->node_room = c->g->nodes;
    spacc_clean_count(c);
    return SPACC_OK;
}
