/* Threads of a pool: every part runs once, whatever the pauses, callers and numbers. Linked
 * with
 * --wrap=pthread_create: the Nth thread fails. */
#define _GNU_SOURCE /* affinity */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "scheduler/pool.h"

static int created, fail_at = -1;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *),
                          void *arg)
{
    return created++ == fail_at ? EAGAIN : __real_pthread_create(thread, attr, start, arg);
}

static struct spacc_pool *new_pool(int parts)
{
    struct spacc_error err = {.text = ""};
    struct spacc_pool *p;

    if (spacc_pool_new(&p, parts, &err) != SPACC_OK)
        fail_msg("%s", err.text);
    assert_int_equal(spacc_pool_parts(p), parts);
    return p;
}

static void sleep_us(long us)
{
    const struct timespec t = {us / 1000000, us % 1000000 * 1000};

    nanosleep(&t, NULL);
}

/* ---- work ---- */

enum { COUNT = 10007 };

struct job {
    const struct spacc_parallel *how;
    float in[COUNT], out[COUNT];
    int calls[SPACC_POOL_PARTS_MAX];
};

static void scale(void *arg, int part)
{
    struct job *j = arg;
    const int parts = spacc_parallel_parts(j->how);
    const size_t end = spacc_parallel_first(COUNT, parts, part + 1);

    j->calls[part]++;
    for (size_t i = spacc_parallel_first(COUNT, parts, part); i < end; i++)
        j->out[i] = j->in[i] * 1.7f + (float)i / 3.0f;
}

static void each_part_runs_once_and_bits_do_not_depend_on_the_number(void **state)
{
    static struct job one, many;
    static const int parts[] = {2, 3, 4, 7, 64}; /* 64: more than most machines have */
    const struct spacc_parallel alone = spacc_pool_parallel(NULL);

    (void)state;
    for (size_t i = 0; i < COUNT; i++)
        one.in[i] = many.in[i] = (float)((i * 7919) % 1009) / 13.0f;
    one.how = &alone;
    spacc_parallel_run(&alone, scale, &one);
    for (size_t k = 0; k < sizeof(parts) / sizeof(*parts); k++) {
        struct spacc_pool *p = new_pool(parts[k]);
        const struct spacc_parallel how = spacc_pool_parallel(p);
        memset(many.out, 0, sizeof(many.out));
        memset(many.calls, 0, sizeof(many.calls));
        many.how = &how;
        spacc_parallel_run(&how, scale, &many);
        for (int part = 0; part < SPACC_POOL_PARTS_MAX; part++)
            assert_int_equal(many.calls[part], part < parts[k]);
        assert_memory_equal(many.out, one.out, sizeof(one.out));
        spacc_pool_free(p);
    }
}

/* A number for each part, changed in every run; each part reads what another one wrote in the
 * run before, which only a complete hand-over makes right. */
struct ring {
    int parts;
    uint64_t value[2][SPACC_POOL_PARTS_MAX];
    int from;
};

static void pass_on(void *arg, int part)
{
    struct ring *r = arg;

    r->value[1 - r->from][part] =
        r->value[r->from][(part + 1) % r->parts] * 6364136223846793005u + (uint64_t)part;
}

static void follow(struct ring *r, struct spacc_pool *p, int runs, long pause_us)
{
    struct ring want = *r;

    for (int i = 0; i < runs; i++) {
        spacc_pool_run(p, pass_on, r);
        r->from = 1 - r->from;
        for (int part = 0; part < want.parts; part++)
            pass_on(&want, part);
        want.from = 1 - want.from;
        assert_memory_equal(r->value[r->from], want.value[want.from],
                            (size_t)r->parts * sizeof(uint64_t));
        if (pause_us)
            sleep_us(pause_us);
    }
}

static void thousands_of_runs_follow_each_other(void **state)
{
    static const int parts[] = {1, 2, 3, 8};

    (void)state;
    for (size_t k = 0; k < sizeof(parts) / sizeof(*parts); k++) {
        struct ring r = {.parts = parts[k], .value = {{1, 2, 3}}};
        struct spacc_pool *p = new_pool(parts[k]);
        follow(&r, p, 5000, 0);
        spacc_pool_free(p);
    }
}

/* Around the 100 us of spinning, and far behind: workers fall asleep in between. */
static void runs_with_pauses_wake_the_workers(void **state)
{
    static const long pauses_us[] = {20, 90, 100, 110, 150, 2000, 30000};
    struct spacc_pool *p = new_pool(2);
    struct ring r = {.parts = 2, .value = {{5, 7}}};

    (void)state;
    for (size_t k = 0; k < sizeof(pauses_us) / sizeof(*pauses_us); k++)
        follow(&r, p, pauses_us[k] < 1000 ? 500 : 20, pauses_us[k]);
    spacc_pool_free(p);
}

/* ---- processors ---- */

static void where(void *arg, int part)
{
    ((int *)arg)[part] = sched_getcpu();
}

/* Wherever the caller is put, the worker makes way: soon no two parts share a processor. */
static void a_worker_makes_way_for_the_caller(void **state)
{
    (void)state;
    cpu_set_t all, one;
    struct spacc_pool *p = new_pool(2);

    assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
    if (CPU_COUNT(&all) < 2) {
        spacc_pool_free(p);
        printf("skipped: one processor\n");
        skip();
    }
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        int at[2] = {-1, -1};
        if (!CPU_ISSET((size_t)cpu, &all))
            continue;
        CPU_ZERO(&one);
        CPU_SET((size_t)cpu, &one);
        assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
        for (int run = 0; run < 100; run++)
            spacc_pool_run(p, where, at);
        assert_int_equal(at[0], cpu);
        assert_int_not_equal(at[1], cpu);
    }
    assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
    spacc_pool_free(p);
}

static void slow_part(void *arg, int part)
{
    int *done = arg;

    if (part > 0)
        sleep_us(3000);
    done[part] = 1;
}

static void a_caller_sleeps_until_the_slowest_part_returns(void **state)
{
    struct spacc_pool *p = new_pool(3);

    (void)state;
    for (int i = 0; i < 20; i++) {
        int done[3] = {0, 0, 0};
        spacc_pool_run(p, slow_part, done);
        assert_true(done[0] && done[1] && done[2]);
    }
    spacc_pool_free(p);
}

/* ---- callers ---- */

struct nest {
    struct spacc_pool *pool;
    int inner[4][4];
};

struct inner {
    struct nest *nest;
    int part;
};

static void inner_part(void *arg, int part)
{
    const struct inner *i = arg;

    i->nest->inner[i->part][part]++;
}

static void outer_part(void *arg, int part)
{
    struct inner i = {arg, part};

    spacc_pool_run(i.nest->pool, inner_part, &i);
}

static void a_run_within_a_run_stays_on_its_thread(void **state)
{
    struct nest n = {.pool = new_pool(4)};

    (void)state;
    spacc_pool_run(n.pool, outer_part, &n);
    for (int a = 0; a < 4; a++)
        for (int b = 0; b < 4; b++)
            assert_int_equal(n.inner[a][b], 1);
    spacc_pool_free(n.pool);
}

struct caller {
    struct spacc_pool *pool;
    int *in_flight; /* not atomic: only one run at a time may touch it */
    uint64_t sum;
    uint64_t part_sum[2];
};

static void add_part(void *arg, int part)
{
    struct caller *c = arg;

    if (part == 0)
        ++*c->in_flight;
    c->part_sum[part] += (uint64_t)part + 1;
}

static void *call_often(void *arg)
{
    struct caller *c = arg;

    for (int i = 0; i < 2000; i++)
        spacc_pool_run(c->pool, add_part, c);
    c->sum = c->part_sum[0] + c->part_sum[1];
    return NULL;
}

static void callers_on_several_threads_take_turns(void **state)
{
    struct spacc_pool *p = new_pool(2);
    int in_flight = 0;
    struct caller c[3];
    pthread_t thread[3];

    (void)state;
    for (int k = 0; k < 3; k++) {
        c[k] = (struct caller){.pool = p, .in_flight = &in_flight};
        assert_int_equal(pthread_create(&thread[k], NULL, call_often, &c[k]), 0);
    }
    for (int k = 0; k < 3; k++) {
        pthread_join(thread[k], NULL);
        assert_int_equal(c[k].sum, 3 * 2000);
    }
    assert_int_equal(in_flight, 3 * 2000);
    spacc_pool_free(p);
}

/* ---- making and ending ---- */

static void a_pool_ends_at_any_time_it_is_idle(void **state)
{
    struct ring r = {.parts = 4, .value = {{1}}};

    (void)state;
    spacc_pool_free(NULL);
    for (int i = 0; i < 200; i++) {
        struct spacc_pool *p = new_pool(4);
        if (i % 2)
            spacc_pool_run(p, pass_on, &r);
        if (i % 20 == 0)
            sleep_us(500); /* asleep by then */
        spacc_pool_free(p);
    }
}

static void a_thread_that_cannot_be_made_leaves_none(void **state)
{
    struct spacc_error err;
    struct spacc_pool *p;

    (void)state;
    for (int n = 0; n < 5; n++) {
        created = 0;
        fail_at = n;
        const enum spacc_status s = spacc_pool_new(&p, 5, &err);
        fail_at = -1;
        assert_int_equal(s, n < 4 ? SPACC_ENOMEM : SPACC_OK);
        assert_true((s == SPACC_OK) == (p != NULL));
        if (n == 1)
            assert_non_null(strstr(err.text, "thread 3 of a pool of 5: "));
        spacc_pool_free(p);
    }
}

static void a_number_of_parts_out_of_range_is_refused(void **state)
{
    static const int parts[] = {-1, 0, SPACC_POOL_PARTS_MAX + 1};
    struct spacc_error err;
    struct spacc_pool *p;

    (void)state;
    for (size_t k = 0; k < sizeof(parts) / sizeof(*parts); k++) {
        assert_int_equal(spacc_pool_new(&p, parts[k], &err), SPACC_EINVAL);
        assert_null(p);
        assert_non_null(strstr(err.text, "1 to 256 are possible"));
    }
}

/* ---- watching --------------------------------------------------------------------- */

enum { WATCHED = 4 };

struct watched {
    pthread_t thread[WATCHED];
    int calls[WATCHED];
    double start_us[WATCHED], end_us[WATCHED];
    pthread_t worked[WATCHED];
};

static void nap(void *arg, int part)
{
    struct watched *w = arg;

    w->worked[part] = pthread_self();
    sleep_us(1000);
}

static void see(void *user, int part, double start_us, double end_us)
{
    struct watched *w = user;

    w->thread[part] = pthread_self();
    w->calls[part]++;
    w->start_us[part] = start_us;
    w->end_us[part] = end_us;
}

static double clock_now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void a_watcher_sees_what_workers_do(void **state)
{
    struct watched w = {.calls = {0}};
    struct spacc_pool *p = new_pool(WATCHED);

    (void)state;
    spacc_pool_run(p, nap, &w); /* nobody watches */
    spacc_pool_watch(p, see, &w);
    for (int r = 1; r <= 3; r++) {
        const double before = clock_now_us();
        spacc_pool_run(p, nap, &w);
        const double after = clock_now_us();
        assert_int_equal(w.calls[0], 0); /* the caller knows by itself */
        for (int part = 1; part < WATCHED; part++) {
            assert_int_equal(w.calls[part], r);
            assert_true(pthread_equal(w.thread[part], w.worked[part]));
            assert_true(w.start_us[part] >= before && w.end_us[part] <= after);
            assert_true(w.end_us[part] - w.start_us[part] >= 999.0);
        }
    }
    spacc_pool_watch(p, NULL, NULL);
    spacc_pool_run(p, nap, &w);
    for (int part = 1; part < WATCHED; part++)
        assert_int_equal(w.calls[part], 3);
    spacc_pool_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_part_runs_once_and_bits_do_not_depend_on_the_number),
        cmocka_unit_test(thousands_of_runs_follow_each_other),
        cmocka_unit_test(runs_with_pauses_wake_the_workers),
        cmocka_unit_test(a_worker_makes_way_for_the_caller),
        cmocka_unit_test(a_caller_sleeps_until_the_slowest_part_returns),
        cmocka_unit_test(a_run_within_a_run_stays_on_its_thread),
        cmocka_unit_test(callers_on_several_threads_take_turns),
        cmocka_unit_test(a_pool_ends_at_any_time_it_is_idle),
        cmocka_unit_test(a_thread_that_cannot_be_made_leaves_none),
        cmocka_unit_test(a_number_of_parts_out_of_range_is_refused),
        cmocka_unit_test(a_watcher_sees_what_workers_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
