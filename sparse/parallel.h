/* parallel.h - how a pool of threads is handed to code that cuts its work in parts. Parts
 * are cut by their number alone, so that any number of them gives the same bits. */
#ifndef SPACC_PARALLEL_H
#define SPACC_PARALLEL_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* run() calls work(arg, 0) .. work(arg, parts - 1), each once and on whatever thread, and
 * returns when all have returned. A NULL pointer to the struct means one part. */
struct spacc_parallel {
    int parts; /* 1 or more */
    void (*run)(void *pool, void (*work)(void *arg, int part), void *arg);
    void *pool;
};

static inline int spacc_parallel_parts(const struct spacc_parallel *p)
{
    return p && p->parts > 1 ? p->parts : 1;
}

static inline void spacc_parallel_run(const struct spacc_parallel *p,
                                      void (*work)(void *arg, int part), void *arg)
{
    if (spacc_parallel_parts(p) > 1)
        p->run(p->pool, work, arg);
    else
        work(arg, 0);
}

/* First of `count` pieces that belong to `part`; the next part's first is its end. */
static inline size_t spacc_parallel_first(size_t count, int parts, int part)
{
    return count / (size_t)parts * (size_t)part +
           count % (size_t)parts * (size_t)part / (size_t)parts;
}

#ifdef __cplusplus
}
#endif

#endif
