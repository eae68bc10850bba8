/* parallel.h - how layers below the scheduler use its threads. */
#ifndef SPACC_PARALLEL_H
#define SPACC_PARALLEL_H

#ifdef __cplusplus
extern "C" {
#endif

/* `run` calls work(arg, part) once for every part 0..parts-1, each possibly on a thread of
 * its own, and returns when all are done. What a part does is known before: the same parts do
 * the same work in every run. A NULL pointer to this struct means one part. */
struct spacc_parallel {
    int parts;
    void (*run)(void *pool, void (*work)(void *arg, int part), void *arg);
    void *pool;
};

#ifdef __cplusplus
}
#endif

#endif
