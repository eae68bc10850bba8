/* graph.h - a network as spacc sees it: values, and nodes in an order in which
 * every node comes after the nodes that make its inputs.
 *
 * Values and nodes are numbered within their graph. A subgraph (a branch of If, a
 * body of Loop or Scan) is a graph of its own; a name that it takes from outside is a value
 * with `outer >= 0`: the number of that value in the parent graph. */
#ifndef SPACC_GRAPH_H
#define SPACC_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "models/tensor.h"
#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_op; /* models/op.h */
struct spacc_graph;

enum spacc_attr_kind {
    SPACC_ATTR_FLOAT,
    SPACC_ATTR_INT,
    SPACC_ATTR_STRING,
    SPACC_ATTR_TENSOR,
    SPACC_ATTR_GRAPH,
    SPACC_ATTR_FLOATS,
    SPACC_ATTR_INTS,
    SPACC_ATTR_STRINGS
};

/* One attribute; only the fields of its kind are set. Owned by its node. */
struct spacc_attr {
    char *name;
    enum spacc_attr_kind kind;
    float f;
    int64_t i;
    char *s;
    struct spacc_tensor *tensor;
    struct spacc_graph *graph;
    size_t count; /* of floats, ints or strings */
    float *floats;
    int64_t *ints;
    char **strings;
};

struct spacc_value {
    char *name;                /* unique in its graph */
    struct spacc_tensor *init; /* constant contents (initialiser), or NULL */
    int outer;                 /* value number in the parent graph, or -1 */
    int producer;              /* node that makes it, or -1 */
    /* As declared by the file (graph inputs and outputs; value_info): */
    enum spacc_dtype dtype;          /* SPACC_DTYPE_NONE when the file does not say */
    int rank;                        /* -1 when the file does not say */
    int64_t dims[SPACC_RANK_MAX];    /* -1: bound by the actual input */
    char *dim_names[SPACC_RANK_MAX]; /* "batch", or NULL */
};

struct spacc_node {
    char *name; /* the file's name, or "<op>_<number>" where it gives none */
    const struct spacc_op *op;
    int inputs, outputs;
    int *input;  /* value numbers; -1 for an optional input left out */
    int *output; /* value numbers; -1 for an output that is not asked for */
    size_t attrs;
    struct spacc_attr *attr;
};

struct spacc_graph {
    char *name;
    char *file; /* as given to the importer; "" for a subgraph */
    int opset;  /* of the default domain, 1..21 */
    int ir_version;
    struct spacc_graph *parent; /* NULL at the top; not owned */
    int values;
    struct spacc_value *value;
    int nodes;
    struct spacc_node *node; /* in execution order */
    int inputs;              /* without initialisers */
    int *input;              /* value numbers */
    int outputs;
    int *output;
    size_t metadata; /* metadata_props of the model */
    char **metadata_key, **metadata_text;
};

/* Free a graph with all it holds. NULL is allowed. */
void spacc_graph_free(struct spacc_graph *g);

/* Free what a node holds, not the node itself. Members not set are 0. */
void spacc_node_release(struct spacc_node *n);

/* Value number by name, or -1. */
int spacc_graph_find(const struct spacc_graph *g, const char *name);

/* Numbers of the values a node reads: its inputs, and what its subgraphs
 * take from the graph the node is in. Writes at most `room` of them to `reads`
 * (NULL when room is 0) and returns how many there are; a value may come twice. */
int spacc_node_reads(const struct spacc_node *n, int *reads, int room);

/* Some attribute is a graph: a branch of an If, the body of a Loop or Scan. */
bool spacc_node_has_branches(const struct spacc_node *n);

/* Attribute by name, or NULL. */
const struct spacc_attr *spacc_node_attr(const struct spacc_node *n, const char *name);

/* Attribute contents with a default when it is absent. The importer has checked
 * that a listed attribute has the kind that ops.def gives. */
int64_t spacc_node_int(const struct spacc_node *n, const char *name, int64_t otherwise);
float spacc_node_float(const struct spacc_node *n, const char *name, float otherwise);
const char *spacc_node_string(const struct spacc_node *n, const char *name,
                              const char *otherwise);

/* Metadata text by key, or NULL. */
const char *spacc_graph_metadata(const struct spacc_graph *g, const char *key);

#ifdef __cplusplus
}
#endif

#endif
