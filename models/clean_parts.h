/* clean_parts.h - what the passes of clean.c share.
 *
 * A pass changes the graph through the calls below, so that it is correct after every step.
 * Every change takes a node away (or makes one a constant), so that the passes end. */
#ifndef SPACC_CLEAN_PARTS_H
#define SPACC_CLEAN_PARTS_H

#include "models/clean.h"

/* What is known of a value before a run. A dimension below -1 is a symbol: equal ones have the
 * same size in every run. -1 is any size. */
struct spacc_clean_shape {
    enum spacc_dtype dtype;
    int rank; /* -1: not known */
    int64_t dims[SPACC_RANK_MAX];
};

struct spacc_clean {
    struct spacc_graph *g;
    struct spacc_clean *outside; /* of the graph this one is a branch of, or NULL */
    struct spacc_clean_report *report;
    struct spacc_error *err;
    struct spacc_clean_shape *shape; /* by value; of the last spacc_clean_fold() */
    int *readers;                    /* by value: nodes, branches and outputs that read it */
    int value_room, node_room;
    size_t folded_bytes; /* of the top graph: of it and its branches */
    bool changed;
};

/* ---- looking ---- */

bool spacc_clean_is(const struct spacc_node *n, const char *op);
/* The op is one of a NULL-terminated list. */
bool spacc_clean_is_any(const struct spacc_node *n, const char *const *ops);
/* What is known of a value; of -1, that nothing is. */
const struct spacc_clean_shape *spacc_clean_shape_of(const struct spacc_clean *c, int value);
/* The node that makes a value, NULL when none of this graph does. */
struct spacc_node *spacc_clean_maker(const struct spacc_clean *c, int value);
/* Contents of a constant (of an outer graph too), or NULL. */
const struct spacc_tensor *spacc_clean_const(const struct spacc_clean *c, int value);
/* Input `i` of a node or -1. */
int spacc_clean_in(const struct spacc_node *n, int i);
bool spacc_clean_is_output(const struct spacc_clean *c, int value);
int spacc_clean_opset(const struct spacc_clean *c);

/* Integers from attribute `name` or constant input `i` (-1: none): how many, or -1 when there
 * is neither, they are not constant, or more than SPACC_RANK_MAX. */
int spacc_clean_ints(const struct spacc_clean *c, const struct spacc_node *n, const char *name,
                     int i, int64_t out[SPACC_RANK_MAX]);
/* Axes as flags, negative ones counted from `rank`; false when not known or out of range. */
bool spacc_clean_axes(const struct spacc_clean *c, const struct spacc_node *n, int rank,
                      bool flags[SPACC_RANK_MAX]);
/* Permutation of a Transpose: its rank, or -1. */
int spacc_clean_perm(const struct spacc_clean *c, const struct spacc_node *n,
                     int perm[SPACC_RANK_MAX]);
/* A Slice with step 1 of one axis of known size: where it starts and how long it is. */
bool spacc_clean_slice(const struct spacc_clean *c, const struct spacc_node *n, int *axis,
                       int64_t *start, int64_t *size);

/* Both sizes are known to be equal. */
bool spacc_clean_same_dim(int64_t a, int64_t b);
bool spacc_clean_same_shape(const struct spacc_clean_shape *a,
                            const struct spacc_clean_shape *b);

/* SPACC_ENOMEM, with the file's name. */
enum spacc_status spacc_clean_no_memory(const struct spacc_clean *c);

/* ---- changing ---- */

/* A new value "<base><suffix>"; with contents (taken over in any case) a constant. */
enum spacc_status spacc_clean_value(struct spacc_clean *c, int *out, const char *base,
                                    const char *suffix, struct spacc_tensor *init);
/* A new constant of 1 dimension. */
enum spacc_status spacc_clean_value_ints(struct spacc_clean *c, int *out, const char *base,
                                         const char *suffix, int count, const int64_t *from);

/* A new node at the end; spacc_clean_sort() puts it where it belongs. Its outputs must have no
 * other producer by then. Nothing is left behind on failure. */
struct spacc_clean_call {
    const char *op, *base, *suffix;
    int inputs, outputs;
    const int *input, *output;
    const char *attr_int[2]; /* names, or NULL */
    int64_t attr_value[2];
    const char *attr_ints; /* name, or NULL */
    int ints;
    const int64_t *values;
};
enum spacc_status spacc_clean_node(struct spacc_clean *c, const struct spacc_clean_call *call);
/* Squeeze or Unsqueeze of `axes`, as the model's opset wants them. */
enum spacc_status spacc_clean_squeeze(struct spacc_clean *c, const char *op, const char *base,
                                      int from, int to, int axes, const int64_t *axis);

/* Nodes and branches that read `from` read `to`; outputs of the graph stay. */
void spacc_clean_redirect(struct spacc_clean *c, int from, int to);
/* Node `n` makes the same as value `same` in output 0 (its only one that is read): remove it.
 * False when it must stay, because an input or constant is given out under another name. */
bool spacc_clean_bypass(struct spacc_clean *c, int n, int same);
/* Take a node out and its reads with it; op is NULL until spacc_clean_sort(). */
void spacc_clean_drop(struct spacc_clean *c, int n);
/* Count readers and producers anew. */
void spacc_clean_count(struct spacc_clean *c);
/* Close the gaps of dropped nodes and put new ones in order. */
enum spacc_status spacc_clean_sort(struct spacc_clean *c);

/* ---- passes: each leaves the graph sorted and counted ---- */

enum spacc_status spacc_clean_fold(struct spacc_clean *c);
/* The shapes of a node's outputs from those of its inputs, where not all are known. */
void spacc_clean_infer(struct spacc_clean *c, const struct spacc_node *n);
enum spacc_status spacc_clean_move(struct spacc_clean *c);
enum spacc_status spacc_clean_push(struct spacc_clean *c);
enum spacc_status spacc_clean_norm(struct spacc_clean *c);
enum spacc_status spacc_clean_cell(struct spacc_clean *c);

#endif
