#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/run.h"
#include "models/run_parts.h"

/* A folded constant larger than this is left to the run. */
#define FOLD_BYTES_MAX ((size_t)64 << 20)

/* ---- inputs against declarations ---- */

/* "float32[batch,257]" as the file declares it, into `text`. */
static void describe_declared(const struct spacc_value *v, char *text, size_t room)
{
    size_t used = (size_t)snprintf(text, room, "%s[", spacc_dtype_name((int)v->dtype));

    for (int d = 0; d < v->rank && used < room; d++) {
        const char *comma = d ? "," : "";
        if (v->dims[d] >= 0)
            used += (size_t)snprintf(text + used, room - used, "%s%lld", comma,
                                     (long long)v->dims[d]);
        else
            used += (size_t)snprintf(text + used, room - used, "%s%s", comma,
                                     v->dim_names[d] ? v->dim_names[d] : "?");
    }
    if (used < room)
        snprintf(text + used, room - used, "]");
}

static bool fits(const struct spacc_value *v, const struct spacc_tensor *t)
{
    if (v->dtype != SPACC_DTYPE_NONE && v->dtype != t->dtype)
        return false;
    if (v->rank < 0)
        return true;
    if (v->rank != t->rank)
        return false;
    for (int d = 0; d < v->rank; d++)
        if (v->dims[d] >= 0 && v->dims[d] != t->dims[d])
            return false;
    return true;
}

static enum spacc_status check_input(const struct spacc_graph *g, int i,
                                     const struct spacc_tensor *t, struct spacc_error *err)
{
    const struct spacc_value *v = &g->value[g->input[i]];
    char has[128], wants[256];

    if (!t)
        return spacc_fail(err, SPACC_ESHAPE, "%s: input %s is missing", g->file, v->name);
    if (fits(v, t))
        return SPACC_OK;
    describe_declared(v, wants, sizeof(wants));
    return spacc_fail(err, SPACC_ESHAPE, "%s: input %s: has %s, the model wants %s", g->file,
                      v->name, spacc_tensor_describe(t, has, sizeof(has)), wants);
}

/* The first place among inputs 0..i whose dimension has the name of dimension d of
 * input i, and its size there. */
static int64_t first_of_name(const struct spacc_graph *g, int i, int d,
                             const struct spacc_tensor *const *input, const char **where)
{
    const char *name = g->value[g->input[i]].dim_names[d];

    for (int j = 0; j <= i; j++) {
        const struct spacc_value *v = &g->value[g->input[j]];
        for (int e = 0; e < v->rank; e++) {
            if (v->dim_names[e] && strcmp(v->dim_names[e], name) == 0) {
                *where = v->name;
                return input[j]->dims[e];
            }
        }
    }
    return -1; /* not reached: (i, d) itself has the name */
}

static enum spacc_status check_names(const struct spacc_graph *g, int i,
                                     const struct spacc_tensor *const *input,
                                     struct spacc_error *err)
{
    const struct spacc_value *v = &g->value[g->input[i]];

    for (int d = 0; d < v->rank; d++) {
        const char *where = v->name;
        if (!v->dim_names[d])
            continue;
        const int64_t size = first_of_name(g, i, d, input, &where);
        if (size != input[i]->dims[d])
            return spacc_fail(err, SPACC_ESHAPE,
                              "%s: input %s: dimension %d (%s) is %lld, input %s has %lld",
                              g->file, v->name, d, v->dim_names[d],
                              (long long)input[i]->dims[d], where, (long long)size);
    }
    return SPACC_OK;
}

enum spacc_status spacc_graph_check_inputs(const struct spacc_graph *g,
                                           const struct spacc_tensor *const *input,
                                           struct spacc_error *err)
{
    for (int i = 0; i < g->inputs; i++) {
        enum spacc_status status = check_input(g, i, input[i], err);
        if (status == SPACC_OK)
            status = check_names(g, i, input, err);
        if (status != SPACC_OK)
            return status;
    }
    return SPACC_OK;
}

/* ---- shapes of all values ---- */

/* One graph being bound. A value whose shape is not known has val NULL; one whose
 * contents are constant has val->data. */
struct frame {
    const struct spacc_graph *g;
    struct frame *parent;
    struct spacc_error *err;
    const struct spacc_tensor **val;
    struct spacc_tensor **own;
    struct spacc_call_room room;
};

static enum spacc_status bind_frame(struct frame *f);

static enum spacc_status no_memory(const struct frame *f)
{
    return spacc_fail(f->err, SPACC_ENOMEM, "%s: %s", spacc_graph_file(f->g),
                      spacc_status_text(SPACC_ENOMEM));
}

static void frame_release(struct frame *f)
{
    for (int v = 0; f->own && v < f->g->values; v++)
        spacc_tensor_free(f->own[v]);
    free(f->val);
    free(f->own);
    spacc_call_room_release(&f->room);
}

static enum spacc_status frame_init(struct frame *f, const struct spacc_graph *g,
                                    struct frame *parent)
{
    f->g = g;
    f->parent = parent;
    f->val = calloc((size_t)g->values + 1, sizeof(*f->val));
    f->own = calloc((size_t)g->values + 1, sizeof(*f->own));
    if (!f->val || !f->own || spacc_call_room_init(&f->room, g) != SPACC_OK)
        return no_memory(f);
    for (int v = 0; v < g->values; v++)
        f->val[v] = g->value[v].outer >= 0 ? parent->val[g->value[v].outer] : g->value[v].init;
    return SPACC_OK;
}

/* Shapes (and constants) that a branch gives out; NULL where not known. */
static enum spacc_status branch_outputs(struct frame *outside, struct spacc_error *err,
                                        const struct spacc_graph *branch,
                                        const struct spacc_tensor *const *in,
                                        struct spacc_tensor **out)
{
    struct frame f = {.err = err};
    enum spacc_status status = frame_init(&f, branch, outside);

    for (int i = 0; i < branch->inputs && status == SPACC_OK; i++)
        f.val[branch->input[i]] = in[i];
    for (int o = 0; o < branch->outputs; o++)
        out[o] = NULL;
    if (status == SPACC_OK)
        status = bind_frame(&f);
    for (int o = 0; o < branch->outputs && status == SPACC_OK; o++) {
        const struct spacc_tensor *t = f.val[branch->output[o]];
        if (t && spacc_tensor_copy(&out[o], t) != SPACC_OK)
            status = no_memory(&f);
    }
    if (status != SPACC_OK) {
        for (int o = 0; o < branch->outputs; o++) {
            spacc_tensor_free(out[o]);
            out[o] = NULL;
        }
    }
    frame_release(&f);
    return status;
}

static enum spacc_status bind_branch(struct spacc_op_call *c, const struct spacc_graph *branch,
                                     const struct spacc_tensor *const *in,
                                     struct spacc_tensor **out)
{
    const enum spacc_status status = branch_outputs(c->evaluator, c->err, branch, in, out);
    bool known = status == SPACC_OK;

    for (int o = 0; o < branch->outputs; o++)
        known = known && out[o];
    if (known || status != SPACC_OK)
        return status;
    for (int o = 0; o < branch->outputs; o++) {
        spacc_tensor_free(out[o]);
        out[o] = NULL;
    }
    c->shape_unknown = true;
    return SPACC_ESHAPE;
}

/* Put an output's shape into the room's list; forget it where branches differ. */
static void merge(struct spacc_tensor **into, struct spacc_tensor *t, bool first)
{
    if (first) {
        *into = t;
        return;
    }
    if (*into && t && spacc_tensor_same_shape(*into, t)) {
        free((*into)->data); /* which branch's contents is not known */
        (*into)->data = NULL;
    } else {
        spacc_tensor_free(*into);
        *into = NULL;
    }
    spacc_tensor_free(t);
}

/* An If whose condition is not known: a shape that both branches agree on is the
 * shape. A branch that cannot be bound is no failure: it may never be taken. */
static enum spacc_status bind_both(struct frame *f, const struct spacc_node *node)
{
    bool first = true;

    for (size_t a = 0; a < node->attrs; a++) {
        const struct spacc_graph *branch = node->attr[a].graph;
        if (!branch || branch->outputs != node->outputs)
            continue;
        struct spacc_tensor **out = calloc((size_t)branch->outputs + 1, sizeof(*out));
        if (!out)
            return no_memory(f);
        const enum spacc_status status = branch_outputs(f, NULL, branch, NULL, out);
        for (int o = 0; o < node->outputs; o++)
            merge(&f->room.out[o], out[o], first);
        free(out);
        if (status == SPACC_ENOMEM)
            return no_memory(f);
        first = false;
    }
    for (int o = 0; o < node->outputs; o++) {
        struct spacc_tensor *t = f->room.out[o];
        if (t) {
            free(t->data);
            t->data = NULL;
        }
    }
    return SPACC_OK;
}

/* True when the results depend on nothing but constants: worth folding. Shape and
 * Size look at no contents at all. */
static bool is_constant(const struct frame *f, const struct spacc_node *node)
{
    if (strcmp(node->op->name, "Shape") == 0 || strcmp(node->op->name, "Size") == 0)
        return true;
    if (node->op->random)
        return false;
    for (size_t a = 0; a < node->attrs; a++)
        if (node->attr[a].kind == SPACC_ATTR_GRAPH)
            return false; /* constant branches come back with contents anyway */
    for (int i = 0; i < node->inputs; i++)
        if (f->room.in[i] && !f->room.in[i]->data)
            return false;
    return true;
}

static bool is_small(const struct frame *f, const struct spacc_node *node)
{
    size_t bytes = 0;

    for (int o = 0; o < node->outputs; o++) {
        const struct spacc_tensor *t = f->room.out[o];
        if (!t)
            continue;
        if (t->count > FOLD_BYTES_MAX)
            return false;
        bytes += t->count * spacc_dtype_bytes(t->dtype);
    }
    return bytes <= FOLD_BYTES_MAX;
}

static enum spacc_status call_node(struct frame *f, const struct spacc_node *node)
{
    struct spacc_op_call c = {
        .graph = f->g,
        .node = node,
        .ins = node->inputs,
        .outs = node->outputs,
        .in = f->room.in,
        .out = f->room.out,
        .wanted = f->room.wanted,
        .shape_only = true,
        .run_subgraph = bind_branch,
        .evaluator = f,
    };
    enum spacc_status status = spacc_call_run(&c, f->err);
    if (status != SPACC_OK && c.shape_unknown) {
        spacc_call_room_clear(&f->room);
        if (strcmp(node->op->name, "If") != 0)
            return SPACC_OK;
        return bind_both(f, node);
    }
    if (status != SPACC_OK || !is_constant(f, node) || !is_small(f, node))
        return status;
    spacc_call_room_clear(&f->room);
    c.shape_only = false;
    return spacc_call_run(&c, f->err);
}

/* True when all inputs are known; fills the call's room. */
static bool fill_call(struct frame *f, const struct spacc_node *node)
{
    bool known = true;

    for (int i = 0; i < node->inputs || i < node->op->ins_max; i++) {
        const int v = i < node->inputs ? node->input[i] : -1;
        f->room.in[i] = v >= 0 ? f->val[v] : NULL;
        known = known && (v < 0 || f->val[v]);
    }
    for (int o = 0; o < f->room.outs; o++)
        f->room.wanted[o] = o < node->outputs && node->output[o] >= 0;
    return known;
}

static enum spacc_status bind_frame(struct frame *f)
{
    for (int n = 0; n < f->g->nodes; n++) {
        const struct spacc_node *node = &f->g->node[n];
        if (!fill_call(f, node))
            continue;
        const enum spacc_status status = call_node(f, node);
        if (status != SPACC_OK)
            return status;
        for (int o = 0; o < node->outputs; o++) {
            const int v = node->output[o];
            if (v < 0)
                continue;
            f->own[v] = f->room.out[o];
            f->val[v] = f->room.out[o];
            f->room.out[o] = NULL;
        }
        spacc_call_room_clear(&f->room);
    }
    return SPACC_OK;
}

/* Move what is known into a new binding. */
static enum spacc_status hand_over(struct spacc_binding **out, struct frame *f)
{
    struct spacc_binding *b = calloc(1, sizeof(*b));

    if (!b)
        return no_memory(f);
    b->shape = calloc((size_t)f->g->values + 1, sizeof(*b->shape));
    b->folded = calloc((size_t)f->g->values + 1, sizeof(*b->folded));
    if (!b->shape || !b->folded) {
        spacc_binding_free(b);
        return no_memory(f);
    }
    b->values = f->g->values;
    for (int v = 0; v < b->values; v++) {
        if (!f->val[v])
            continue;
        b->shape[v] = *f->val[v];
        if (f->own[v]) {
            b->folded[v] = f->own[v]->data;
            f->own[v]->data = NULL;
        }
    }
    *out = b;
    return SPACC_OK;
}

enum spacc_status spacc_graph_bind(struct spacc_binding **out, const struct spacc_graph *g,
                                   const struct spacc_tensor *const *input,
                                   struct spacc_error *err)
{
    struct frame f = {.g = g, .err = err};

    *out = NULL;
    enum spacc_status status = spacc_graph_check_inputs(g, input, err);
    if (status != SPACC_OK)
        return status;
    status = frame_init(&f, g, NULL);
    for (int i = 0; i < g->inputs && status == SPACC_OK; i++) {
        struct spacc_tensor shape = *input[i];
        shape.data = NULL;
        const int v = g->input[i];
        if (spacc_tensor_copy(&f.own[v], &shape) != SPACC_OK)
            status = no_memory(&f);
        f.val[v] = f.own[v];
    }
    if (status == SPACC_OK)
        status = bind_frame(&f);
    if (status == SPACC_OK)
        status = hand_over(out, &f);
    frame_release(&f);
    return status;
}

void spacc_binding_free(struct spacc_binding *b)
{
    if (!b)
        return;
    for (int v = 0; b->folded && v < b->values; v++)
        free(b->folded[v]);
    free(b->folded);
    free(b->shape);
    free(b);
}
