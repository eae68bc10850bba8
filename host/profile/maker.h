/* maker.h - small graphs made in memory, to be measured.
 *
 *     struct spacc_maker m;
 *     spacc_maker_start(&m, seed);
 *     int x = spacc_maker_input(&m, 4, dims);
 *     int y = spacc_maker_node(&m, "Relu", 1, &x);
 *     spacc_maker_output(&m, y);
 *     struct spacc_graph *g = spacc_maker_end(&m);   NULL: something has failed
 *
 * A call after one that failed does nothing. */
#ifndef SPACC_PROFILE_MAKER_H
#define SPACC_PROFILE_MAKER_H

#include "models/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_maker {
    struct spacc_graph *g; /* NULL: failed */
    int value_room, node_room;
    uint64_t random;
};

/* The next of a series of numbers that `state` alone decides; one below `below` (1 or more). */
uint64_t spacc_random(uint64_t *state);
uint64_t spacc_random_below(uint64_t *state, uint64_t below);

void spacc_maker_start(struct spacc_maker *m, uint64_t seed);

/* All return a value number, -1 on failure. */
int spacc_maker_input(struct spacc_maker *m, enum spacc_dtype type, int rank,
                      const int64_t *dims);
/* Random floats of the size that keeps sums over `sums` of them small. In every 16 of the last
 * axis a share of `density` is not zero, as in pruned weights. */
int spacc_maker_weights(struct spacc_maker *m, int rank, const int64_t *dims, double sums,
                        double density);
int spacc_maker_ints(struct spacc_maker *m, int count, const int64_t *values);
/* A copy of a constant. */
int spacc_maker_constant(struct spacc_maker *m, const struct spacc_tensor *t);
/* A node with one output, which is returned; inputs of -1 are left out. */
int spacc_maker_node(struct spacc_maker *m, const char *op, int inputs, const int *input);
/* Attributes of the last node. */
void spacc_maker_int(struct spacc_maker *m, const char *name, int64_t value);
void spacc_maker_list(struct spacc_maker *m, const char *name, int count,
                      const int64_t *values);
void spacc_maker_text(struct spacc_maker *m, const char *name, const char *text);
/* The attributes of another node but for those with graphs. */
void spacc_maker_attributes(struct spacc_maker *m, const struct spacc_node *from);
/* One more output of the last node. */
int spacc_maker_more(struct spacc_maker *m);
/* The value is a result of the graph. */
void spacc_maker_output(struct spacc_maker *m, int value);

/* Hand the graph over; NULL when memory ran out or an operator is not known. */
struct spacc_graph *spacc_maker_end(struct spacc_maker *m);

#ifdef __cplusplus
}
#endif

#endif
