/* What one run of a pool costs when its parts do nothing: bench_pool [parts [runs]]. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "host/clock.h"
#include "scheduler/pool.h"
#include "tests/bench/measure.h"

enum { BATCHES = 20 };

static void nothing(void *arg, int part)
{
    (void)arg;
    (void)part;
}

static double now_ns(void)
{
    return spacc_now_us() * 1e3;
}

/* ns a run, batch by batch, smallest first. */
static void measure(struct spacc_pool *p, int runs, double ns[BATCHES])
{
    for (int b = 0; b < BATCHES; b++) {
        const double start = now_ns();
        for (int i = 0; i < runs; i++)
            spacc_pool_run(p, nothing, NULL);
        ns[b] = (now_ns() - start) / runs;
    }
    (void)measure_median(ns, BATCHES); /* sorts */
}

/* One run after the workers have gone to sleep. */
static void measure_cold(struct spacc_pool *p, double ns[BATCHES])
{
    const struct timespec pause = {0, 2000000};

    for (int b = 0; b < BATCHES; b++) {
        nanosleep(&pause, NULL);
        const double start = now_ns();
        spacc_pool_run(p, nothing, NULL);
        ns[b] = now_ns() - start;
    }
    (void)measure_median(ns, BATCHES); /* sorts */
}

int main(int argc, char **argv)
{
    const int parts = argc > 1 ? atoi(argv[1]) : 2, runs = argc > 2 ? atoi(argv[2]) : 10000;
    struct spacc_error err = {.text = ""};
    struct spacc_pool *p;
    double ns[BATCHES];

    if (runs < 1 || spacc_pool_new(&p, parts, &err) != SPACC_OK) {
        fprintf(stderr, "bench_pool: %s\n", runs < 1 ? "runs must be 1 or more" : err.text);
        return 1;
    }
    measure(p, runs, ns);
    printf("%d parts, empty run: %.0f ns (best of %d batches of %d), median %.0f ns\n", parts,
           ns[0], BATCHES, runs, ns[BATCHES / 2]);
    measure_cold(p, ns);
    printf("%d parts, empty run 2 ms after the last: %.0f ns, median %.0f ns\n", parts, ns[0],
           ns[BATCHES / 2]);
    spacc_pool_free(p);
    return 0;
}
