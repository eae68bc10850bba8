/* plan.h - which nodes of a model go to the card, why, and with what weights.
 *
 *   spacc_plan_new()       static rules over every node of the graph and its branches
 *   spacc_plan_see()       a calibration run passes by: contents of weights, range of x
 *   spacc_plan_take_pack() layers of a packed file, when there is one
 *   spacc_plan_settle()    chains of layers that run without the host in between
 *   spacc_plan_prune(), spacc_plan_quantise(): layers ready for a device
 *
 * A node is known by its graph and its number in it, so that LSTMs in the branches of an
 * If are found as well. */
#ifndef SPACC_PLAN_H
#define SPACC_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "models/graph.h"
#include "sparse/fixed.h"
#include "sparse/pack.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPACC_PLAN_DIRECTIONS = 2, SPACC_NODE_OUTPUTS_MAX = 3 };

/* One direction of one node. */
struct spacc_plan_layer {
    char *name; /* "lstm_4", "lstm_4:reverse", "If_0/then_branch/LSTM_3" */
    bool reverse;
    struct spacc_fixed_weights weights; /* ONNX order; pointers below */
    float *w, *r, *b_w, *b_r;           /* owned; pruned in place */
    struct spacc_fixed_layer *fixed;    /* owned; NULL until quantised */
    size_t number;                      /* on the device */
};

struct spacc_plan_conv; /* host/plan_conv.h */

struct spacc_plan_node {
    const struct spacc_graph *graph;
    int node;
    char *name; /* as layer names, without the direction */
    const char *op;
    bool candidate; /* by the rules so far, a device of layers can run it */
    bool elsewhere; /* but the CPU or a GPU does: it was placed there */
    bool seen;      /* a calibration run came by */
    bool packed;    /* layers come from a packed file */
    char *reason;
    int layout;    /* ONNX attribute: 1 is batch first */
    size_t layers; /* 0, or 1, or 2 for bidirectional */
    struct spacc_plan_layer layer[SPACC_PLAN_DIRECTIONS];
    struct spacc_plan_conv *conv; /* owned; of a convolution on a card, else NULL */
    float x_max;                  /* largest |x| seen */
    int x_frac;
    bool keeps_order;               /* Squeeze, Reshape ..: elements stay in memory order */
    int chain_next, chain_prev;     /* plan nodes run in one card run with this one, or -1 */
    struct spacc_tensor *pruned[2]; /* inputs 1 and 2 with pruned weights zeroed, or NULL */
};

struct spacc_plan_graph {
    const struct spacc_graph *graph;
    int parent;     /* plan graph, or -1 */
    size_t first;   /* plan node of graph node 0 */
    bool *constant; /* a value */
    bool *keep;     /* a value that a chain needs before its node runs */
};

struct spacc_plan {
    size_t graphs;
    struct spacc_plan_graph *graph;
    size_t nodes;
    struct spacc_plan_node *node;
};

/* SPACC_ENOMEM. The graph lives as long as the plan. */
enum spacc_status spacc_plan_new(struct spacc_plan **out, const struct spacc_graph *g,
                                 struct spacc_error *err);
void spacc_plan_free(struct spacc_plan *p);

/* Plan graph of a graph; NULL when it is not of this plan. */
struct spacc_plan_graph *spacc_plan_graph(struct spacc_plan *p, const struct spacc_graph *g);
struct spacc_plan_node *spacc_plan_node(struct spacc_plan *p, const struct spacc_graph *g,
                                        int node);

/* Set a node's reason; keeps the old one when memory is out. */
void spacc_plan_reason(struct spacc_plan_node *n, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Not for a device, for this reason. */
void spacc_plan_refuse(struct spacc_plan_node *n, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A node is about to run with these inputs (as in spacc_op_call). SPACC_EINVAL: a
 * weight of a candidate is not finite: node, input and position. SPACC_ENOMEM. */
enum spacc_status spacc_plan_see(struct spacc_plan *p, struct spacc_plan_node *n,
                                 const struct spacc_tensor *const *in, struct spacc_error *err);

/* What the array of a device wants of the weights. */
struct spacc_plan_array {
    size_t lanes;
    size_t shared_rows; /* 4: the rows of a quad keep the same columns when pruned; else 1 */
    int act_bits;       /* of x and h in a product: spacc_fixed_weights */
};

/* Take packed layers by name instead of quantising, repacked for the lanes: each
 * candidate has exactly one, of the same cell and sizes, else SPACC_EFORMAT naming both.
 * Layers that no candidate asks for are SPACC_EFORMAT. Candidates without one become refused.
 */
enum spacc_status spacc_plan_take_pack(struct spacc_plan *p, const struct spacc_pack *pack,
                                       const struct spacc_plan_array *array,
                                       struct spacc_error *err);

/* After the last calibration run (and spacc_plan_take_pack()): refuse what was not reached,
 * find chains, choose x_frac. */
void spacc_plan_settle(struct spacc_plan *p);

/* Zero weights of every candidate bank by bank. bank_size 0: the bank of the lanes, with
 * the sparsity rounded down to whole weights of such a bank. `note` is called with
 * each remark. Errors of spacc_prune_kept(), spacc_prune_shared(). */
typedef void (*spacc_note_fn)(void *user, const char *text);
enum spacc_status spacc_plan_prune(struct spacc_plan *p, double sparsity, size_t bank_size,
                                   const struct spacc_plan_array *array, spacc_note_fn note,
                                   void *user, struct spacc_error *err);

/* Quantise every candidate that has no layer yet, packed for the lanes. */
enum spacc_status spacc_plan_quantise(struct spacc_plan *p, int weight_bits,
                                      const struct spacc_plan_array *array,
                                      struct spacc_error *err);

/* Copies of the ONNX weights with the pruned ones zeroed into node->pruned, for the float
 * reference. SPACC_ENOMEM. */
enum spacc_status spacc_plan_mask(struct spacc_plan_node *n,
                                  const struct spacc_tensor *const *in,
                                  struct spacc_error *err);

/* ---- plan_order.c ---- */

/* Number of the recurrent node whose Y reaches input 0 of recurrent `node` through
 * Squeeze, Unsqueeze, Reshape, Transpose and Identity only; -1 when there is none. `passes` is
 * asked about each of those in between (NULL: all pass). */
int spacc_chain_source(const struct spacc_graph *g, int node,
                       bool (*passes)(void *user, int node), void *user);

/* Reorder nodes (legally) so that what a recurrent layer needs besides its chain source
 * comes before that source: then both can run in one card run. Same graph, same results.
 * SPACC_ENOMEM leaves a correct order. */
enum spacc_status spacc_graph_order_chains(struct spacc_graph *g, struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
