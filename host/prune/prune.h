/* prune.h - prunes the weights of a model in memory, matrix by matrix in the order of the
 * graph: by magnitude, by magnitude times the norm of the inputs, or with correction of what
 * stays (sparse/prune.h, sparse/prune_obs.h).
 *
 * With calibration requests every matrix is measured on inputs that come out of the matrices
 * pruned before it. */
#ifndef SPACC_PRUNE_MODEL_H
#define SPACC_PRUNE_MODEL_H

#include "host/prune/matrix.h"
#include "host/prune/requests.h"

#ifdef __cplusplus
extern "C" {
#endif

enum spacc_prune_method {
    SPACC_PRUNE_MAGNITUDE,
    SPACC_PRUNE_WANDA, /* needs requests */
    SPACC_PRUNE_OBS    /* needs requests */
};

/* What is done with each matrix. */
struct spacc_prune_how {
    enum spacc_prune_method method;
    size_t bank_size;
    int weight_bits; /* obs: 8 or 16 bits of the card for what stays; 0: floats */
    /* Called before each node that has something to prune; NULL: nobody looks. */
    void (*progress)(void *user, int step, int steps, const char *what);
    void *user;
};

/* One matrix: what is asked for, and what came of it. */
struct spacc_pruned {
    char why[128];  /* left as it is, for this reason; "": it is pruned */
    size_t k;       /* kept a bank, 1..bank_size */
    size_t padding; /* columns that the last bank lacks */
    double sparsity, energy_kept;
    double error;   /* mean square error of the node's sums (all gates, both parts) over their
                       mean   square, on the calibration data; -1 without */
    size_t samples; /* vectors of calibration, of the block that had least; 0 without */
    size_t silent;  /* columns that were zero in all of them; they lose nothing */
    double damp;    /* obs: the largest share of the mean square that had to be added */
    double loss;    /* allocation: what the outputs lose; -1 without */
};

/* Fill why for the `count` matrices that cannot be pruned in banks of bank_size: matrix.why,
 * fewer columns than a bank, a constant that others read too (of two nodes with the same
 * matrix the first is pruned). Others get why = "" and k = bank_size. SPACC_EUNSUPPORTED when
 * nothing is left. */
enum spacc_status spacc_prune_begin(struct spacc_pruned *result, const struct spacc_graph *g,
                                    const struct spacc_prune_matrix *m, size_t count,
                                    size_t bank_size, struct spacc_error *err);

/* Prune every matrix without a why to its k; contents of g's constants change, biases too with
 * obs. changed[g->values] (all false before) says which. Same input, same bits.
 * *outputs_error: spacc_loss() of the outputs, pruned against dense, on a few of the requests;
 * -1 without requests or float32 outputs.
 * SPACC_EINVAL: fewer than 2 samples, values that are not finite; errors of a run;
 * SPACC_ENOMEM. On failure some matrices may be pruned already. */
enum spacc_status spacc_prune_model(struct spacc_pruned *result, bool *changed,
                                    struct spacc_graph *g, const struct spacc_prune_matrix *m,
                                    size_t count, const struct spacc_prune_how *how,
                                    const struct spacc_requests *requests,
                                    double *outputs_error, struct spacc_error *err);

/* Weights that a matrix keeps with k a bank. */
size_t spacc_prune_kept_of(const struct spacc_prune_matrix *m, size_t bank_size, size_t k);

#ifdef __cplusplus
}
#endif

#endif
