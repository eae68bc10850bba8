#define _GNU_SOURCE /* affinity */
#include "scheduler/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A wake-up by the kernel takes 5 to 50 us; work for a frame follows within that or in
 * milliseconds. */
enum { SPIN_NS = 100000, LINE_BYTES = 64 };

struct worker {
    struct spacc_pool *pool;
    pthread_t thread;
    int part;
    int cpu; /* or -1 */
};

/* `round` counts runs: a worker that sees a new one does its part. Each side that sleeps says
 * so first and then looks again, under the lock, whether there still is a reason; the other
 * changes the reason first and then looks for sleepers: one of them sees the other. */
struct spacc_pool {
    int parts, started;
    long spin_ns;
    struct worker *worker; /* by part; of [0] only cpu is used: the one left to the caller */
    void (*work)(void *arg, int part);
    void *arg;
    bool stop;
    void (*seen)(void *user, int part, double start_us, double end_us);
    void *seen_user;
    pthread_mutex_t turn; /* held by the thread whose run it is */
    pthread_mutex_t lock;
    pthread_cond_t begun, ended;
    _Alignas(LINE_BYTES) atomic_uint round;
    _Alignas(LINE_BYTES) atomic_int left; /* parts that have not returned */
    _Alignas(LINE_BYTES) atomic_int workers_asleep;
    atomic_int caller_asleep;
};

/* The pool whose part this thread is running. */
static _Thread_local const struct spacc_pool *inside;

/* ---- waiting --------------------------------------------------------------------- */

static void pause_a_little(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static long now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec % 1000000 * 1000000000L + t.tv_nsec;
}

/* True when `is_over` came true while spinning. */
static bool spin(struct spacc_pool *p, bool (*is_over)(struct spacc_pool *p, unsigned seen),
                 unsigned seen)
{
    enum { BETWEEN_CLOCKS = 64 };

    if (is_over(p, seen))
        return true;
    for (const long start = now_ns(); p->spin_ns && now_ns() - start < p->spin_ns;)
        for (int i = 0; i < BETWEEN_CLOCKS; i++) {
            if (is_over(p, seen))
                return true;
            pause_a_little();
        }
    return false;
}

static bool has_begun(struct spacc_pool *p, unsigned seen)
{
    return atomic_load(&p->round) != seen;
}

static bool has_ended(struct spacc_pool *p, unsigned seen)
{
    (void)seen;
    return atomic_load(&p->left) == 0;
}

static void wait_for(struct spacc_pool *p, bool (*is_over)(struct spacc_pool *p, unsigned seen),
                     unsigned seen, pthread_cond_t *cond, atomic_int *asleep)
{
    if (spin(p, is_over, seen))
        return;
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(asleep, 1);
    while (!is_over(p, seen))
        pthread_cond_wait(cond, &p->lock);
    atomic_fetch_sub(asleep, 1);
    pthread_mutex_unlock(&p->lock);
}

static void wake(struct spacc_pool *p, pthread_cond_t *cond, atomic_int *asleep)
{
    if (atomic_load(asleep) == 0)
        return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(cond);
    pthread_mutex_unlock(&p->lock);
}

/* ---- processors ------------------------------------------------------------------- */

/* Where pinning is refused the system places the thread. */
static void pin(const struct worker *w)
{
    cpu_set_t set;

    if (w->cpu < 0)
        return;
    CPU_ZERO(&set);
    CPU_SET((size_t)w->cpu, &set);
    (void)pthread_setaffinity_np(w->thread, sizeof(set), &set);
}

/* The system may have put the caller on a worker's processor, because somebody else is busy on
 * its own: the two would run in turn, a slice of milliseconds each. That worker moves to the
 * processor that was the caller's. */
static void make_way(struct spacc_pool *p)
{
    const int here = sched_getcpu();

    for (int part = 1; part < p->parts; part++) {
        struct worker *w = &p->worker[part];
        if (here < 0 || w->cpu != here)
            continue;
        w->cpu = p->worker[0].cpu;
        p->worker[0].cpu = here;
        pin(w);
        return;
    }
}

/* ---- running --------------------------------------------------------------------- */

static void call(const struct spacc_pool *p, void (*work)(void *arg, int part), void *arg,
                 int part)
{
    const struct spacc_pool *outside = inside;

    inside = p;
    work(arg, part);
    inside = outside;
}

static double clock_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void call_watched(const struct spacc_pool *p, int part)
{
    const double start = p->seen ? clock_us() : 0.0;

    call(p, p->work, p->arg, part);
    if (p->seen)
        p->seen(p->seen_user, part, start, clock_us());
}

static void *work_on(void *user)
{
    const struct worker *w = user;
    struct spacc_pool *p = w->pool;

    for (unsigned seen = 0;; seen++) {
        wait_for(p, has_begun, seen, &p->begun, &p->workers_asleep);
        if (p->stop)
            return NULL;
        call_watched(p, w->part);
        if (atomic_fetch_sub(&p->left, 1) == 1)
            wake(p, &p->ended, &p->caller_asleep);
    }
}

static void begin(struct spacc_pool *p)
{
    atomic_fetch_add(&p->round, 1);
    wake(p, &p->begun, &p->workers_asleep);
}

void spacc_pool_run(struct spacc_pool *p, void (*work)(void *arg, int part), void *arg)
{
    if (p->parts == 1 || inside == p) {
        for (int part = 0; part < p->parts; part++)
            call(p, work, arg, part);
        return;
    }
    pthread_mutex_lock(&p->turn);
    make_way(p);
    p->work = work;
    p->arg = arg;
    atomic_store(&p->left, p->parts - 1);
    begin(p);
    call(p, work, arg, 0);
    wait_for(p, has_ended, 0, &p->ended, &p->caller_asleep);
    pthread_mutex_unlock(&p->turn);
}

static void run_parallel(void *pool, void (*work)(void *arg, int part), void *arg)
{
    spacc_pool_run(pool, work, arg);
}

void spacc_pool_watch(struct spacc_pool *p,
                      void (*seen)(void *user, int part, double start_us, double end_us),
                      void *user)
{
    pthread_mutex_lock(&p->turn);
    p->seen_user = user;
    p->seen = seen;
    pthread_mutex_unlock(&p->turn);
}

int spacc_pool_parts(const struct spacc_pool *p)
{
    return p->parts;
}

struct spacc_parallel spacc_pool_parallel(struct spacc_pool *p)
{
    return (struct spacc_parallel){p ? p->parts : 1, run_parallel, p};
}

/* ---- new and free ---------------------------------------------------------------- */

/* Processors this thread may use, in `cpu`, starting behind the one it is on. */
static int allowed_cpus(int cpu[CPU_SETSIZE])
{
    const int here = sched_getcpu();
    cpu_set_t set;
    int count = 0;

    if (sched_getaffinity(0, sizeof(set), &set) != 0)
        return 0; /* more processors than the set has room for: nothing is pinned */
    for (int k = 1; k <= CPU_SETSIZE; k++) {
        const int c = ((here < 0 ? 0 : here) + k) % CPU_SETSIZE;
        if (CPU_ISSET((size_t)c, &set))
            cpu[count++] = c;
    }
    return count;
}

/* The last one allowed is the caller's own. */
static void choose_cpus(struct spacc_pool *p)
{
    int cpu[CPU_SETSIZE];
    const int cpus = allowed_cpus(cpu);
    const bool enough = cpus >= p->parts;

    p->spin_ns = enough ? SPIN_NS : 0;
    for (int part = 1; part < p->parts; part++)
        p->worker[part].cpu = enough ? cpu[part - 1] : -1;
    p->worker[0].cpu = enough ? cpu[cpus - 1] : -1;
}

/* 0 or an errno. */
static int start_workers(struct spacc_pool *p)
{
    sigset_t all, old;
    int failed = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (int part = 1; part < p->parts && !failed; part++) {
        struct worker *w = &p->worker[part];
        w->pool = p;
        w->part = part;
        failed = pthread_create(&w->thread, NULL, work_on, w);
        if (failed)
            break;
        pin(w);
        p->started++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return failed;
}

enum spacc_status spacc_pool_new(struct spacc_pool **out, int parts, struct spacc_error *err)
{
    *out = NULL;
    if (parts < 1 || parts > SPACC_POOL_PARTS_MAX)
        return spacc_fail(err, SPACC_EINVAL, "a pool of %d parts: 1 to %d are possible", parts,
                          SPACC_POOL_PARTS_MAX);
    struct spacc_pool *p = aligned_alloc(LINE_BYTES, sizeof(*p));
    struct worker *worker = calloc((size_t)parts, sizeof(*worker));
    if (!p || !worker) {
        free(p);
        free(worker);
        return spacc_fail(err, SPACC_ENOMEM, "no memory for a pool of %d threads", parts);
    }
    memset(p, 0, sizeof(*p));
    p->parts = parts;
    p->worker = worker;
    pthread_mutex_init(&p->turn, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->begun, NULL);
    pthread_cond_init(&p->ended, NULL);
    choose_cpus(p);
    const int failed = start_workers(p);
    if (failed) {
        const int started = p->started;
        spacc_pool_free(p);
        return spacc_fail(err, SPACC_ENOMEM, "thread %d of a pool of %d: %s", started + 2,
                          parts, strerror(failed));
    }
    *out = p;
    return SPACC_OK;
}

void spacc_pool_free(struct spacc_pool *p)
{
    if (!p)
        return;
    p->stop = true;
    begin(p);
    for (int part = 1; part <= p->started; part++)
        pthread_join(p->worker[part].thread, NULL);
    pthread_cond_destroy(&p->ended);
    pthread_cond_destroy(&p->begun);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->turn);
    free(p->worker);
    free(p);
}
