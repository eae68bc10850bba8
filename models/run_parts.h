/* run_parts.h - what the evaluator (run.c) and the binder (bind.c) share. */
#ifndef SPACC_RUN_PARTS_H
#define SPACC_RUN_PARTS_H

#include "models/op.h"

/* Room for the call of any node of one graph. */
struct spacc_call_room {
    const struct spacc_tensor **in;
    struct spacc_tensor **out;
    bool *wanted;
    int outs; /* allocated */
};

/* SPACC_ENOMEM; release in any case. */
enum spacc_status spacc_call_room_init(struct spacc_call_room *r, const struct spacc_graph *g);
/* Frees the room and results still in it. */
void spacc_call_room_release(struct spacc_call_room *r);
/* Free the results that nobody took over. */
void spacc_call_room_clear(struct spacc_call_room *r);

/* Run the operator of `c->node` on filled c->in and c->wanted. On failure err has a
 * line in any case. c->shape_unknown means: no failure, but nothing is known. */
enum spacc_status spacc_call_run(struct spacc_op_call *c, struct spacc_error *err);

/* "FILE" of the outermost graph. */
const char *spacc_graph_file(const struct spacc_graph *g);

#endif
