/* place.h - which device runs which task, and when.
 *
 * Tasks are what is placed as a whole: a node with the nodes joined to it, a chain of card
 * layers, the body of a loop. They come in an order in which producers are first. A tensor goes
 * to a device once, however many tasks read it there. Every device runs one task at a time;
 * different devices run at the same time. Device 0 is the host: inputs start there, outputs end
 * there, and every transfer is from or to it (device to device goes by way of the host).
 *
 * The connected tasks of one rate above 1, a loop body, stay together: only where rates differ,
 * and between tasks of rate 1, does a graph come apart. (Pins come first: a body whose tasks
 * have no device in common is placed task by task.)
 *
 * Methods: few assignments are all tried; else a chain by dynamic programming (optimal but for
 * what overlaps), host and one device by minimum cut (likewise; Dinic), HEFT (upward ranks,
 * earliest finish by insertion), and a local search from the best of these. One price judges
 * all of them: place_price.c. A graph of 60 tasks on 3 devices takes 2 to 3 ms. */
#ifndef SPACC_PLACE_H
#define SPACC_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPACC_PLACE_DEVICES = 8 };

enum spacc_objective { SPACC_LATENCY, SPACC_THROUGHPUT, SPACC_ENERGY };

struct spacc_place_device {
    const char *name;          /* "cpu", "gpu", "card" */
    double launch_us, sync_us; /* once a task; once whenever the host, or a task elsewhere,
                                  waits for a result of this device */
    double to_us, from_us;     /* a transfer of no bytes from, to the host; both ways share one
                                  link, which works beside the device */
    double to_bytes_per_us, from_bytes_per_us; /* 0: transfers cost nothing more */
    double idle_w, busy_w;                     /* energy of transfers and waiting */
};

struct spacc_task {
    const char *name;
    double us[SPACC_PLACE_DEVICES];     /* a call; HUGE_VAL: cannot run there */
    double sigma[SPACC_PLACE_DEVICES];  /* relative standard error */
    double joules[SPACC_PLACE_DEVICES]; /* a call */
    double
        rate; /* calls a request, above 0: of loop bodies the measured mean. Launches of a task
                 are paid `rate` times, transfers of a tensor as often as its producer's */
    int pin;  /* device, or -1 */
};

struct spacc_task_tensor {
    int producer; /* task, or -1: an input, or a constant that the host has */
    size_t bytes;
    size_t readers;
    const int *reader; /* tasks behind the producer, ascending */
    bool output;       /* the host wants it */
};

struct spacc_tasks {
    size_t devices;
    struct spacc_place_device device[SPACC_PLACE_DEVICES];
    size_t tasks;
    struct spacc_task *task;
    size_t tensors;
    struct spacc_task_tensor *tensor;
};

/* One bar of the time line. */
struct spacc_place_bar {
    int task;   /* or -1: a transfer */
    int tensor; /* of a transfer, else -1 */
    int device; /* where the task runs; of a transfer the device that is not the host */
    bool to;    /* transfer: to the device */
    double start_us, end_us;
};

struct spacc_placement {
    int *device;        /* [tasks] */
    double us;          /* of one request */
    double sigma_us;    /* standard error of us: root of the sum of squares of the tasks' */
    double interval_us; /* between requests when they follow each other: the busiest device, or
                           link */
    double joules; /* of tasks, launches and transfers, and of every device while it waits */
    const char *method; /* "single", "all", "chain", "min-cut", "heft", "search"; static */
    size_t bars;
    struct spacc_place_bar *bar; /* by start */
    int single; /* the best single device: with the host for what cannot run there */
    double single_us, single_sigma_us, single_interval_us, single_joules;
    bool
        withdrawn; /* a split was found but did not beat the single device by its uncertainty */
    double split_us; /* what it would have taken; NAN when none was found */
};

/* Price a given assignment: bars, us, interval_us, joules, sigma_us; `method` "given", single
 * -1, what belongs to it NAN. Free with spacc_placement_release(). SPACC_EINVAL names a task on
 * a device that cannot run it. SPACC_ENOMEM. */
enum spacc_status spacc_place_price(const struct spacc_tasks *t, const int *device,
                                    struct spacc_placement *out, struct spacc_error *err);

/* Choose. `gate`: standard errors by which a split must beat the best single device (1 is
 * usual; 0 takes any gain). The same tasks give the same placement. SPACC_EINVAL: a task that
 * no device can run, a pin that its task cannot keep (both named), tensors out of order,
 * numbers that are not finite; SPACC_ENOMEM. Free with spacc_placement_release(). */
enum spacc_status spacc_place(const struct spacc_tasks *t, enum spacc_objective objective,
                              double gate, struct spacc_placement *out,
                              struct spacc_error *err);
void spacc_placement_release(struct spacc_placement *p);

#ifdef __cplusplus
}
#endif

#endif
