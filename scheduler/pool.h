/* pool.h - threads that wait for one piece of work at a time.
 *
 *   caller   part 0 ........ waits for the others     part 0 ...
 *   worker 1 part 1 ....     spins 100 us, then sleeps part 1 ...
 *
 * The number of parts is fixed when the pool is made, and part k is worker k's: what a part
 * computes depends on its number alone, so that a run gives the same bits every time.
 *
 * Workers are pinned, one a processor, to processors that the calling thread may use; the
 * caller itself is not touched: when the system puts it on a worker's processor, that worker
 * moves to the one left over. With more parts than processors nothing is pinned and nobody
 * spins. Workers take no signals. A pool does not outlive a fork(): the child must not use it.
 */
#ifndef SPACC_POOL_H
#define SPACC_POOL_H

#include "sparse/parallel.h"
#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPACC_POOL_PARTS_MAX = 256 };

struct spacc_pool;

/* New pool of `parts` parts, 1 to SPACC_POOL_PARTS_MAX: parts - 1 threads. *out is NULL on
 * failure and no thread is left; free with spacc_pool_free().
 * SPACC_EINVAL; SPACC_ENOMEM: no memory, or the system gives no more threads. */
enum spacc_status spacc_pool_new(struct spacc_pool **out, int parts, struct spacc_error *err);

/* Call work(arg, 0) .. work(arg, parts - 1), part 0 on the caller's thread, and return when
 * all have returned; what they wrote is visible then.
 *
 * Callers on several threads wait for each other: one run at a time. A run from within a part
 * of the same pool runs all its parts on the thread of that part, one after the other. */
void spacc_pool_run(struct spacc_pool *p, void (*work)(void *arg, int part), void *arg);

/* Have seen(user, part, start_us, end_us) called on the worker's thread whenever a worker has
 * done a part of 1 or more (NULL: no longer); times are of CLOCK_MONOTONIC. Not while a run is
 * on. */
void spacc_pool_watch(struct spacc_pool *p,
                      void (*seen)(void *user, int part, double start_us, double end_us),
                      void *user);

int spacc_pool_parts(const struct spacc_pool *p);

/* The pool for code that takes one; valid as long as the pool. NULL gives one part. */
struct spacc_parallel spacc_pool_parallel(struct spacc_pool *p);

/* End the threads and free the pool, while nobody runs anything on it. NULL is allowed. */
void spacc_pool_free(struct spacc_pool *p);

#ifdef __cplusplus
}
#endif

#endif
