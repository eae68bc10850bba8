/* placing.h - a model's nodes as tasks of the scheduler, priced on every device, and placed.
 *
 * A task is what is placed as a whole: nodes that the CPU engine joins, layers that a card runs
 * in one go, a view with what it looks at. The nodes in a branch or a body are one task with a
 * call rate: fast and slow are cut where the rates differ and nowhere else. Prices: kernels of
 * a CPU engine and of a GPU engine by the cost models of their profiles, card layers by exact
 * cycles, nodes in bodies by a run (their shapes are known only then). */
#ifndef SPACC_PLACING_H
#define SPACC_PLACING_H

#include "host/cpu/engine.h"
#include "host/gpu/gpu.h"
#include "host/plan.h"
#include "scheduler/cost.h"
#include "scheduler/place.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers of devices; those that are not there are left out of a plan. */
enum spacc_where { SPACC_ON_CPU, SPACC_ON_GPU, SPACC_ON_CARD, SPACC_WHERES };
/* "cpu", "gpu", "card" */
const char *spacc_where_name(enum spacc_where w);
/* SPACC_WHERES when there is none of that name. */
enum spacc_where spacc_where_find(const char *name);

struct spacc_placing_ask {
    struct spacc_plan *plan; /* candidates found, weights pruned */
    const struct spacc_graph *g;
    const struct spacc_tensor *const *input;
    struct spacc_engine_options engine; /* of the CPU; without foreign nodes and GPU */
    const struct spacc_profile *cpu;
    struct spacc_gpu *gpu;                   /* or NULL */
    const struct spacc_profile *gpu_profile; /* when gpu is there */
    const double *card_us; /* [plan nodes]: a call; HUGE_VAL: not there. NULL: no card */
    struct spacc_link card_link;
    struct spacc_power card_power;
    int all_on;          /* enum spacc_where: it runs what it can and is not pinned; or -1 */
    const int *pin;      /* [plan nodes]: enum spacc_where, or -1 */
    const int *plan_pin; /* the same of a plan file, for tasks without a pin; or NULL */
    bool correct;        /* hold the prices of CPU and GPU to a few runs with these inputs */
    enum spacc_objective objective;
    double gate; /* of spacc_place() */
};

/* One task, for tables: strings live as long as the placing. */
struct spacc_placing_task {
    char *name;     /* of its first node; of a body "NODE/body" */
    const char *op; /* of its first node */
    size_t nodes;
    const char *source; /* of its price on the CPU: "table", "fit", "roofline", "measured" */
    enum spacc_power_from power; /* of its joules there: that of its least certain step */
};

struct spacc_placing {
    struct spacc_tasks tasks;
    struct spacc_placing_task *about; /* [tasks.tasks] */
    struct spacc_placement chosen;
    enum spacc_where where[SPACC_PLACE_DEVICES]; /* of device d of tasks */
    double factor[SPACC_WHERES]; /* by which prices were corrected after a few runs; 1: not */
    int *task;                   /* [plan nodes]: or -1: nothing runs */
    int *order;                  /* [nodes of g]: as spacc_engine_options wants it */
    int *readers;                /* behind tasks.tensor[].reader */
};

/* Errors of spacc_engine_new(), spacc_place(), spacc_cost_of(); SPACC_ENOMEM. */
enum spacc_status spacc_placing_new(struct spacc_placing **out,
                                    const struct spacc_placing_ask *ask,
                                    struct spacc_error *err);
/* NULL is allowed. */
void spacc_placing_free(struct spacc_placing *p);

/* Where a plan node runs. */
enum spacc_where spacc_placing_where(const struct spacc_placing *p, size_t plan_node);

/* ---- placing_tasks.c: groups of nodes ---- */

struct spacc_placing_groups {
    size_t groups;
    int *group; /* [plan nodes] or -1 */
    int *graph; /* [groups] plan graph: 0 is the outermost one; others are bodies */
    int *first; /* [groups] plan node */
};

/* Of outermost nodes as `e` runs them, and of bodies. SPACC_ENOMEM. */
enum spacc_status spacc_placing_group(struct spacc_placing_groups *out,
                                      const struct spacc_plan *plan,
                                      const struct spacc_engine *e);
void spacc_placing_groups_release(struct spacc_placing_groups *g);

/* ---- placing_file.c: plans in files ---- */

/* Write which node runs where, as JSON (a temporary file, then renamed). `sha256` is the
 * model's. SPACC_EIO, SPACC_ENOMEM. */
enum spacc_status spacc_placing_save(const struct spacc_placing *p,
                                     const struct spacc_plan *plan, const char *sha256,
                                     const char *file, struct spacc_error *err);

/* Read such a file into pin[plan nodes]. SPACC_EIO, SPACC_EFORMAT, SPACC_EUNSUPPORTED (a newer
 * version), SPACC_EINVAL: of another model, or a node that the model does not have. */
enum spacc_status spacc_placing_load(const char *file, const struct spacc_plan *plan,
                                     const char *sha256, int *pin, struct spacc_error *err);

#ifdef __cplusplus
}
#endif

#endif
