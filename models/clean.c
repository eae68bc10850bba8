/* The passes one after the other, until none finds anything. */
#include <stdlib.h>
#include <string.h>

#include "models/clean_parts.h"

/* ---- dead nodes and values ---- */

static bool is_read(const struct spacc_clean *c, const struct spacc_node *n)
{
    for (int o = 0; o < n->outputs; o++)
        if (n->output[o] >= 0 && c->readers[n->output[o]] > 0)
            return true;
    return false;
}

static enum spacc_status drop_dead(struct spacc_clean *c)
{
    for (int n = c->g->nodes - 1; n >= 0; n--) {
        if (is_read(c, &c->g->node[n]))
            continue;
        spacc_clean_drop(c, n);
        c->report->dead++;
    }
    return spacc_clean_sort(c);
}

static void number(int *list, int count, const int *to)
{
    for (int i = 0; i < count; i++)
        if (list[i] >= 0)
            list[i] = to[list[i]];
}

static void number_node(struct spacc_node *n, const int *to)
{
    number(n->input, n->inputs, to);
    number(n->output, n->outputs, to);
    for (size_t a = 0; a < n->attrs; a++) {
        struct spacc_graph *branch = n->attr[a].graph;
        for (int v = 0; branch && v < branch->values; v++)
            if (branch->value[v].outer >= 0)
                branch->value[v].outer = to[branch->value[v].outer];
    }
}

static void free_value(struct spacc_value *v)
{
    free(v->name);
    spacc_tensor_free(v->init);
    for (int d = 0; d < SPACC_RANK_MAX; d++)
        free(v->dim_names[d]);
}

/* Values that nobody reads or makes, inputs apart, go; the others move up. */
static void close_values(struct spacc_clean *c, int *to)
{
    struct spacc_graph *g = c->g;
    int kept = 0;

    for (int i = 0; i < g->inputs; i++)
        c->readers[g->input[i]]++;
    for (int v = 0; v < g->values; v++) {
        to[v] = c->readers[v] > 0 || g->value[v].producer >= 0 ? kept++ : -1;
        if (to[v] >= 0) {
            g->value[to[v]] = g->value[v];
            continue;
        }
        c->report->constants += g->value[v].init != NULL;
        free_value(&g->value[v]);
    }
    g->values = kept;
    number(g->input, g->inputs, to);
    number(g->output, g->outputs, to);
    for (int n = 0; n < g->nodes; n++)
        number_node(&g->node[n], to);
}

static enum spacc_status drop_values(struct spacc_clean *c)
{
    int *to = malloc(((size_t)c->g->values + 1) * sizeof(*to));

    if (!to)
        return spacc_clean_no_memory(c);
    close_values(c, to);
    free(to);
    spacc_clean_count(c);
    return SPACC_OK;
}

/* ---- a graph and its branches ---- */

typedef enum spacc_status (*pass_fn)(struct spacc_clean *c);

/* Before opset 7 operators broadcast and drop out in ways of their own: these passes do not
 * know them. */
enum { OPSET_FIRST = 7 };

static enum spacc_status run_passes(struct spacc_clean *c)
{
    static const pass_fn pass[] = {spacc_clean_fold, drop_dead,        spacc_clean_move,
                                   spacc_clean_push, spacc_clean_norm, spacc_clean_cell,
                                   drop_dead};
    const size_t passes = spacc_clean_opset(c) < OPSET_FIRST ? 2 : sizeof(pass) / sizeof(*pass);
    enum spacc_status s = SPACC_OK;

    do {
        c->changed = false;
        for (size_t k = 0; k < passes && !s; k++)
            s = pass[k](c);
    } while (c->changed && !s);
    return s;
}

static enum spacc_status clean_graph(struct spacc_graph *g, struct spacc_clean *outside,
                                     struct spacc_clean_report *report,
                                     struct spacc_error *err);

static enum spacc_status clean_branches(struct spacc_clean *c)
{
    enum spacc_status s = SPACC_OK;

    for (int n = 0; n < c->g->nodes; n++)
        for (size_t a = 0; a < c->g->node[n].attrs && !s; a++)
            if (c->g->node[n].attr[a].graph)
                s = clean_graph(c->g->node[n].attr[a].graph, c, c->report, c->err);
    return s;
}

/* Branches read constants of the graph outside, and read less of it when they are clean. */
static enum spacc_status clean_all(struct spacc_clean *c)
{
    enum spacc_status s = run_passes(c);

    if (!s)
        s = clean_branches(c);
    spacc_clean_count(c);
    if (!s)
        s = drop_dead(c);
    return s ? s : drop_values(c);
}

static enum spacc_status clean_graph(struct spacc_graph *g, struct spacc_clean *outside,
                                     struct spacc_clean_report *report, struct spacc_error *err)
{
    const size_t values = (size_t)g->values + 1;
    struct spacc_clean c = {.g = g, .outside = outside, .report = report, .err = err};
    enum spacc_status s = SPACC_ENOMEM;

    report->nodes_before += g->nodes;
    c.value_room = g->values;
    c.node_room = g->nodes;
    c.shape = calloc(values, sizeof(*c.shape));
    c.readers = calloc(values, sizeof(*c.readers));
    if (c.shape && c.readers) {
        spacc_clean_count(&c);
        s = clean_all(&c);
    } else {
        s = spacc_clean_no_memory(&c);
    }
    report->nodes_after += g->nodes;
    free(c.shape);
    free(c.readers);
    return s;
}

enum spacc_status spacc_graph_clean(struct spacc_graph *g, struct spacc_clean_report *report,
                                    struct spacc_error *err)
{
    struct spacc_clean_report own = {0};

    report = report ? report : &own;
    *report = (struct spacc_clean_report){0};
    return clean_graph(g, NULL, report, err);
}
