/* place_parts.h - what the methods of place.h share: costs of a request in flat arrays, who
 * reads and makes what, units, and the one price of an assignment.
 *
 * A unit is what is assigned as a whole: one task, or the connected tasks of one rate above 1
 * (a loop body). */
#ifndef SPACC_PLACE_PARTS_H
#define SPACC_PLACE_PARTS_H

#include "scheduler/place.h"

struct spacc_placer_list { /* of i: item[at[i]] .. item[at[i + 1] - 1] */
    int *at, *item;
};

/* Where every device and link stands. */
struct spacc_placer_clock {
    double free[SPACC_PLACE_DEVICES], link[SPACC_PLACE_DEVICES]; /* us */
    double busy[SPACC_PLACE_DEVICES], moved[SPACC_PLACE_DEVICES];
    double joules; /* of tasks */
};

struct spacc_placer_bars {
    struct spacc_place_bar *bar;
    size_t count;
};

struct spacc_placer {
    const struct spacc_tasks *t;
    enum spacc_objective objective;
    int devices, tasks, tensors, units;
    double *us, *joules;      /* [tasks][devices] of a request: launches and rate are in */
    double *up, *down, *sync; /* [tensors][devices] of a request */
    double idle_w;            /* of all devices */
    struct spacc_placer_list reads, makes; /* tensors of a task */
    struct spacc_placer_list members;      /* tasks of a unit, ascending */
    struct spacc_placer_list near;         /* units that share a tensor with a unit */
    int *unit;                             /* [tasks] */
    bool *can;                             /* [units][devices]: members, and their pins */
    /* The last pricing: tasks before `steps` of `device` need not be priced again. */
    struct spacc_placer_clock *clock; /* [tasks + 1]: before task i */
    double *at;                       /* [tensors][devices] us when it is there, or -1 */
    int *log, *log_at;                /* entries of `at` set so far; before task i */
    int logged, steps, *device;
    long priced;                    /* tasks, of all pricings: the effort so far */
    struct spacc_placer_bars *bars; /* filled by a pricing; NULL: not */
};

struct spacc_placer_price {
    double us, interval_us, joules;
};

/* SPACC_EINVAL as spacc_place() says. */
enum spacc_status spacc_place_check(const struct spacc_tasks *t, struct spacc_error *err);

/* `t` passed the check and outlives p. p is released on failure. SPACC_ENOMEM. */
enum spacc_status spacc_placer_init(struct spacc_placer *p, const struct spacc_tasks *t,
                                    enum spacc_objective objective, struct spacc_error *err);
void spacc_placer_release(struct spacc_placer *p);

/* at[i + 1] holds how many items i has, and then where they start; `item[at[i + 1]++] = `
 * fills the list and leaves at[] as it has to be. */
void spacc_placer_start_list(struct spacc_placer_list *l, int count);

/* place_unit.c: units, members, can, near. */
enum spacc_status spacc_placer_find_units(struct spacc_placer *p);
void spacc_placer_move(const struct spacc_placer *p, int *device, int unit, int to);

/* The price of an assignment that every task can keep. False: some end lies behind `limit_us`,
 * and *out is not set. Starts from the first task whose device differs from the last pricing's:
 * the same bits as from the first. */
bool spacc_placer_price(struct spacc_placer *p, const int *device, double limit_us,
                        struct spacc_placer_price *out);

/* True when a is better for p's objective: by it, then by us. */
bool spacc_placer_is_better(const struct spacc_placer *p, const struct spacc_placer_price *a,
                            const struct spacc_placer_price *b);

/* Costs by p's objective when nothing overlaps, for the chain and the cut: us, or joules with
 * all other devices waiting. Of throughput us. */
double spacc_placer_task_cost(const struct spacc_placer *p, int task, int device);
double spacc_placer_up_cost(const struct spacc_placer *p, int tensor, int device);
double spacc_placer_down_cost(const struct spacc_placer *p, int tensor, int device);

/* Few assignments are there: take the best of all if it is better than device[], of price
 * *price. `trial`: [tasks], overwritten. */
bool spacc_place_is_small(const struct spacc_placer *p);
void spacc_place_all(struct spacc_placer *p, int *trial, int *device,
                     struct spacc_placer_price *price);

/* Methods: each fills device[tasks]. False: no memory. */
bool spacc_place_is_chain(const struct spacc_placer *p);
bool spacc_place_chain(const struct spacc_placer *p, int *device);
/* Between the host and `other`. *fits: every unit can run on one of them. */
bool spacc_place_cut(const struct spacc_placer *p, int other, int *device, bool *fits);
bool spacc_place_heft(const struct spacc_placer *p, int *device);
/* Improve device[], of price *price. */
bool spacc_place_search(struct spacc_placer *p, int *device, struct spacc_placer_price *price);

#endif
