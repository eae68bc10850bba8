/* placing_parts.h - what the files that make a placing share. */
#ifndef SPACC_PLACING_PARTS_H
#define SPACC_PLACING_PARTS_H

#include "host/placing.h"
#include "host/placing_bodies.h"

/* What a placing is made with. */
struct spacc_placing_making {
    const struct spacc_placing_ask *ask;
    struct spacc_placing *p;
    struct spacc_engine *cpu, *gpu;
    struct spacc_binding *shape;
    struct spacc_placing_groups groups;
    struct spacc_bodies bodies;
    int *task;                /* [groups]: its task */
    int *by_task;             /* [tasks]: its group */
    bool *gpu_can;            /* [groups] */
    int device[SPACC_WHERES]; /* of tasks, or -1 */
    struct spacc_error *err;
};

/* SPACC_ENOMEM, with the file's name. */
enum spacc_status spacc_placing_no_memory(const struct spacc_placing_making *m);

/* The task of a plan node, or -1. */
int spacc_placing_task_of(const struct spacc_placing_making *m, size_t plan_node);

/* The node of the outermost graph in whose branches a plan graph lies. */
int spacc_placing_owner(const struct spacc_plan *plan, int graph);

/* Fill in us, sigma, joules and rates of all tasks. (placing_price.c) */
enum spacc_status spacc_placing_price(struct spacc_placing_making *m);

/* Hold the prices of CPU and GPU to a few runs: every price of a device by one factor, also in
 * m->p->factor. Errors of the runs. (placing_correct.c) */
enum spacc_status spacc_placing_correct(struct spacc_placing_making *m);

/* Find the tensors between tasks. (placing_tensors.c) */
enum spacc_status spacc_placing_tensors(struct spacc_placing_making *m);

/* Order nodes by what was chosen. (placing_order.c) */
enum spacc_status spacc_placing_order(struct spacc_placing_making *m);

#endif
