#include "models/graph.h"

#include <stdlib.h>
#include <string.h>

static void free_attr(struct spacc_attr *a)
{
    free(a->name);
    free(a->s);
    spacc_tensor_free(a->tensor);
    spacc_graph_free(a->graph);
    free(a->floats);
    free(a->ints);
    if (a->strings)
        for (size_t i = 0; i < a->count; i++)
            free(a->strings[i]);
    free(a->strings);
}

void spacc_node_release(struct spacc_node *n)
{
    free(n->name);
    free(n->input);
    free(n->output);
    if (n->attr)
        for (size_t i = 0; i < n->attrs; i++)
            free_attr(&n->attr[i]);
    free(n->attr);
}

static void free_value(struct spacc_value *v)
{
    free(v->name);
    spacc_tensor_free(v->init);
    for (int d = 0; d < SPACC_RANK_MAX; d++)
        free(v->dim_names[d]);
}

void spacc_graph_free(struct spacc_graph *g)
{
    if (!g)
        return;
    for (int v = 0; v < g->values; v++)
        free_value(&g->value[v]);
    free(g->value);
    for (int n = 0; n < g->nodes; n++)
        spacc_node_release(&g->node[n]);
    free(g->node);
    for (size_t i = 0; i < g->metadata; i++) {
        free(g->metadata_key[i]);
        free(g->metadata_text[i]);
    }
    free(g->metadata_key);
    free(g->metadata_text);
    free(g->input);
    free(g->output);
    free(g->name);
    free(g->file);
    free(g);
}

int spacc_graph_find(const struct spacc_graph *g, const char *name)
{
    for (int v = 0; v < g->values; v++)
        if (strcmp(g->value[v].name, name) == 0)
            return v;
    return -1;
}

int spacc_node_reads(const struct spacc_node *n, int *reads, int room)
{
    int count = 0;

    for (int i = 0; i < n->inputs; i++) {
        if (n->input[i] < 0)
            continue;
        if (count < room)
            reads[count] = n->input[i];
        count++;
    }
    for (size_t a = 0; a < n->attrs; a++) {
        const struct spacc_graph *branch = n->attr[a].graph;
        for (int v = 0; branch && v < branch->values; v++) {
            if (branch->value[v].outer < 0)
                continue;
            if (count < room)
                reads[count] = branch->value[v].outer;
            count++;
        }
    }
    return count;
}

bool spacc_node_has_branches(const struct spacc_node *n)
{
    for (size_t a = 0; a < n->attrs; a++)
        if (n->attr[a].graph)
            return true;
    return false;
}

const struct spacc_attr *spacc_node_attr(const struct spacc_node *n, const char *name)
{
    for (size_t i = 0; i < n->attrs; i++)
        if (strcmp(n->attr[i].name, name) == 0)
            return &n->attr[i];
    return NULL;
}

int64_t spacc_node_int(const struct spacc_node *n, const char *name, int64_t otherwise)
{
    const struct spacc_attr *a = spacc_node_attr(n, name);
    return a ? a->i : otherwise;
}

float spacc_node_float(const struct spacc_node *n, const char *name, float otherwise)
{
    const struct spacc_attr *a = spacc_node_attr(n, name);
    return a ? a->f : otherwise;
}

const char *spacc_node_string(const struct spacc_node *n, const char *name,
                              const char *otherwise)
{
    const struct spacc_attr *a = spacc_node_attr(n, name);
    return a ? a->s : otherwise;
}

const char *spacc_graph_metadata(const struct spacc_graph *g, const char *key)
{
    for (size_t i = 0; i < g->metadata; i++)
        if (strcmp(g->metadata_key[i], key) == 0)
            return g->metadata_text[i];
    return NULL;
}
