#include "host/cpu/aside.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct spacc_aside {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more, done;
    struct spacc_aside_job *first, *last;
    bool busy, stop;
};

/* The next job, or NULL when there will be none. With the lock held. */
static struct spacc_aside_job *next_job(struct spacc_aside *a)
{
    while (!a->first && !a->stop)
        pthread_cond_wait(&a->more, &a->lock);
    struct spacc_aside_job *job = a->first;
    if (job) {
        a->first = job->next;
        a->last = a->first ? a->last : NULL;
    }
    return job;
}

static void *work(void *user)
{
    struct spacc_aside *a = user;

    pthread_mutex_lock(&a->lock);
    for (struct spacc_aside_job *job = next_job(a); job; job = next_job(a)) {
        a->busy = true;
        pthread_mutex_unlock(&a->lock);
        job->run(job->arg);
        pthread_mutex_lock(&a->lock);
        a->busy = false;
        job->done = true;
        pthread_cond_broadcast(&a->done);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

enum spacc_status spacc_aside_new(struct spacc_aside **out, struct spacc_error *err)
{
    struct spacc_aside *a = calloc(1, sizeof(*a));
    sigset_t all, old;
    int failed = -1;

    *out = NULL;
    if (a) {
        pthread_mutex_init(&a->lock, NULL);
        pthread_cond_init(&a->more, NULL);
        pthread_cond_init(&a->done, NULL);
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        failed = pthread_create(&a->thread, NULL, work, a);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
    }
    if (failed) {
        free(a);
        return spacc_fail(err, SPACC_ENOMEM, "no memory, or no thread, to wait for a device");
    }
    *out = a;
    return SPACC_OK;
}

void spacc_aside_free(struct spacc_aside *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->stop = true;
    pthread_cond_broadcast(&a->more);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->thread, NULL);
    pthread_cond_destroy(&a->more);
    pthread_cond_destroy(&a->done);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

void spacc_aside_begin(struct spacc_aside *a, struct spacc_aside_job *job)
{
    pthread_mutex_lock(&a->lock);
    job->done = false;
    job->next = NULL;
    if (a->last)
        a->last->next = job;
    else
        a->first = job;
    a->last = job;
    pthread_cond_broadcast(&a->more);
    pthread_mutex_unlock(&a->lock);
}

void spacc_aside_wait(struct spacc_aside *a, struct spacc_aside_job *job)
{
    pthread_mutex_lock(&a->lock);
    while (!job->done)
        pthread_cond_wait(&a->done, &a->lock);
    pthread_mutex_unlock(&a->lock);
}

void spacc_aside_finish(struct spacc_aside *a)
{
    pthread_mutex_lock(&a->lock);
    while (a->first || a->busy)
        pthread_cond_wait(&a->done, &a->lock);
    pthread_mutex_unlock(&a->lock);
}
