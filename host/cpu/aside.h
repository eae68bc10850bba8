/* aside.h - one thread beside the engine's: work for a device that blocks whoever waits for it,
 * done in the order in which it is handed over. */
#ifndef SPACC_CPU_ASIDE_H
#define SPACC_CPU_ASIDE_H

#include <stdbool.h>

#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct spacc_aside;

/* A piece of work; its memory is the caller's until it is done. */
struct spacc_aside_job {
    void (*run)(void *arg);
    void *arg;
    /* own */
    bool done;
    struct spacc_aside_job *next;
};

/* SPACC_ENOMEM: no memory, or the system gives no thread. */
enum spacc_status spacc_aside_new(struct spacc_aside **out, struct spacc_error *err);
/* Waits for what was handed over. NULL is allowed. */
void spacc_aside_free(struct spacc_aside *a);

void spacc_aside_begin(struct spacc_aside *a, struct spacc_aside_job *job);
/* What the job has written is visible then. */
void spacc_aside_wait(struct spacc_aside *a, struct spacc_aside_job *job);
/* Wait for everything. */
void spacc_aside_finish(struct spacc_aside *a);

#ifdef __cplusplus
}
#endif

#endif
