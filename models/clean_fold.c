/* What is known before the run: shapes of values, and contents that depend on constants only.
 */
#include <stdlib.h>
#include <string.h>

#include "models/clean_parts.h"
#include "models/op.h"
#include "models/run_parts.h"

#define FOLD_BYTES_MAX    ((size_t)64 << 20)
#define WEIGHTS_BYTES_MAX ((size_t)512 << 20) /* of ConstantOfShape */

/* Of all results: a small file must not fill the memory before a run. */
#define TOTAL_BYTES_MAX ((size_t)1 << 30)

/* Larger sizes are not known: sums of sizes stay in range. */
#define SIZE_LIMIT ((int64_t)1 << 40)

struct fold {
    struct spacc_clean *c;
    struct spacc_call_room room;
    struct spacc_tensor *in; /* what room.in points at */
};

/* Dimensions of one name are equal wherever the run checks them: inputs of the top graph. A
 * symbol is -2 less the number of the first (input, dimension) of that name. */
static int64_t symbol(const struct spacc_graph *g, const char *name)
{
    for (int i = 0; i < g->inputs; i++)
        for (int d = 0; d < SPACC_RANK_MAX; d++) {
            const char *other = g->value[g->input[i]].dim_names[d];
            if (other && strcmp(other, name) == 0)
                return -2 - ((int64_t)i * SPACC_RANK_MAX + d);
        }
    return -1;
}

/* An unnamed size is a symbol of its own: equal to itself. */
static void shape_of_input(struct spacc_clean *c, int i)
{
    const struct spacc_value *v = &c->g->value[c->g->input[i]];
    struct spacc_clean_shape *s = &c->shape[c->g->input[i]];

    s->dtype = v->dtype;
    s->rank = v->rank;
    for (int d = 0; d < v->rank; d++)
        s->dims[d] = v->dims[d] >= 0   ? (v->dims[d] > SIZE_LIMIT ? -1 : v->dims[d])
                     : v->dim_names[d] ? symbol(c->g, v->dim_names[d])
                                       : -2 - ((int64_t)i * SPACC_RANK_MAX + d);
}

static void shape_of_tensor(struct spacc_clean_shape *s, const struct spacc_tensor *t)
{
    s->dtype = t->dtype;
    s->rank = t->rank;
    memcpy(s->dims, t->dims, sizeof(s->dims));
}

/* Shapes before any node: constants, inputs of the top graph, values from outside. A body's
 * own inputs are not checked by the run: unknown. */
static void start_shapes(struct spacc_clean *c)
{
    for (int v = 0; v < c->g->values; v++) {
        const struct spacc_value *value = &c->g->value[v];
        c->shape[v] = (struct spacc_clean_shape){.rank = -1};
        if (value->init)
            shape_of_tensor(&c->shape[v], value->init);
        else if (value->outer >= 0)
            c->shape[v] = c->outside->shape[value->outer];
    }
    for (int i = 0; i < c->g->inputs && !c->outside; i++)
        shape_of_input(c, i);
}

/* Type, shape and, of a constant, contents of value v; false when a size is not known. */
static bool full_tensor(const struct spacc_clean *c, int v, struct spacc_tensor *t)
{
    const struct spacc_clean_shape *s = &c->shape[v];
    const struct spacc_tensor *contents = spacc_clean_const(c, v);

    if (contents) {
        *t = *contents;
        return true;
    }
    *t = (struct spacc_tensor){.dtype = s->dtype, .rank = s->rank};
    for (int d = 0; d < s->rank; d++)
        if ((t->dims[d] = s->dims[d]) < 0)
            return false;
    return s->dtype != SPACC_DTYPE_NONE && s->rank >= 0 &&
           spacc_shape_count(&t->count, t->rank, t->dims) == SPACC_OK;
}

static bool has_graph(const struct spacc_node *n)
{
    for (size_t a = 0; a < n->attrs; a++)
        if (n->attr[a].kind == SPACC_ATTR_GRAPH)
            return true;
    return false;
}

static bool fill_call(struct fold *f, const struct spacc_node *n)
{
    for (int i = 0; i < n->inputs || i < n->op->ins_max; i++) {
        const int v = spacc_clean_in(n, i);
        f->room.in[i] = v >= 0 ? &f->in[i] : NULL;
        if (v >= 0 && !full_tensor(f->c, v, &f->in[i]))
            return false;
    }
    for (int o = 0; o < f->room.outs; o++)
        f->room.wanted[o] = o < n->outputs && n->output[o] >= 0;
    return true;
}

static enum spacc_status call(struct fold *f, const struct spacc_node *n, bool shape_only)
{
    struct spacc_op_call c = {
        .graph = f->c->g,
        .node = n,
        .ins = n->inputs,
        .outs = n->outputs,
        .in = f->room.in,
        .out = f->room.out,
        .wanted = f->room.wanted,
        .shape_only = shape_only,
    };
    return spacc_call_run(&c, NULL);
}

static bool is_constant(const struct fold *f, const struct spacc_node *n)
{
    if (spacc_clean_is(n, "Shape") || spacc_clean_is(n, "Size"))
        return true;
    for (int i = 0; i < n->inputs; i++)
        if (n->input[i] >= 0 && !f->in[i].data)
            return false;
    return !n->op->random;
}

static struct spacc_clean *top(struct spacc_clean *c)
{
    while (c->outside)
        c = c->outside;
    return c;
}

static bool is_small(const struct fold *f, const struct spacc_node *n)
{
    const size_t most =
        spacc_clean_is(n, "ConstantOfShape") ? WEIGHTS_BYTES_MAX : FOLD_BYTES_MAX;
    size_t bytes = 0;

    for (int o = 0; o < n->outputs; o++) {
        const struct spacc_tensor *t = f->room.out[o];
        if (t && t->count > most)
            return false;
        bytes += t ? t->count * spacc_dtype_bytes(t->dtype) : 0;
    }
    return bytes <= most && bytes <= TOTAL_BYTES_MAX - top(f->c)->folded_bytes;
}

/* The results become constants and the node goes. */
static void take_contents(struct fold *f, int n)
{
    struct spacc_node *node = &f->c->g->node[n];

    for (int o = 0; o < node->outputs; o++) {
        if (node->output[o] < 0)
            continue;
        f->c->g->value[node->output[o]].init = f->room.out[o];
        top(f->c)->folded_bytes +=
            f->room.out[o]->count * spacc_dtype_bytes(f->room.out[o]->dtype);
        f->room.out[o] = NULL;
    }
    spacc_clean_drop(f->c, n);
    f->c->report->folded++;
}

static void take_shapes(struct fold *f, const struct spacc_node *n)
{
    for (int o = 0; o < n->outputs; o++)
        if (n->output[o] >= 0 && f->room.out[o])
            shape_of_tensor(&f->c->shape[n->output[o]], f->room.out[o]);
}

/* An operator that fails here fails in the run as well, and says so there. */
static enum spacc_status fold_node(struct fold *f, int n)
{
    const struct spacc_node *node = &f->c->g->node[n];
    enum spacc_status s = SPACC_OK;

    if (has_graph(node))
        return SPACC_OK;
    if (!fill_call(f, node)) {
        spacc_clean_infer(f->c, node);
        return SPACC_OK;
    }
    if ((s = call(f, node, true)) == SPACC_OK) {
        take_shapes(f, node);
        if (is_constant(f, node) && is_small(f, node)) {
            spacc_call_room_clear(&f->room);
            if ((s = call(f, node, false)) == SPACC_OK)
                take_contents(f, n);
        }
    }
    spacc_call_room_clear(&f->room);
    return s == SPACC_ENOMEM ? spacc_clean_no_memory(f->c) : SPACC_OK;
}

static int most_inputs(const struct spacc_graph *g)
{
    int most = 1;

    for (int n = 0; n < g->nodes; n++) {
        const int ins = g->node[n].inputs, max = g->node[n].op->ins_max;
        most = ins > most ? ins : most;
        most = max > most ? max : most;
    }
    return most;
}

enum spacc_status spacc_clean_fold(struct spacc_clean *c)
{
    struct fold f = {.c = c};
    enum spacc_status s = spacc_call_room_init(&f.room, c->g);

    f.in = calloc((size_t)most_inputs(c->g), sizeof(*f.in));
    if (s || !f.in) {
        s = spacc_clean_no_memory(c);
        goto out;
    }
    start_shapes(c);
    for (int n = 0; n < c->g->nodes && !s; n++)
        s = fold_node(&f, n);
    if (!s)
        s = spacc_clean_sort(c);
out:
    free(f.in);
    spacc_call_room_release(&f.room);
    return s;
}
