/* What choosing a placement takes: bench_place [tasks [devices [graphs]]]. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/bench/measure.h"
#include "tests/place_maker.h"

enum { GRAPHS_MAX = 1000 };

static const char *const objective_name[] = {"latency", "throughput", "energy"};

struct sums {
    double ms[GRAPHS_MAX];
    double gain; /* single over chosen, geometric */
    int splits;
};

static double value_of(enum spacc_objective o, double us, double interval_us, double joules)
{
    return o == SPACC_LATENCY ? us : o == SPACC_THROUGHPUT ? interval_us : joules;
}

/* Of this thread: a neighbour on the same core does not count. */
static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void measure(struct made *g, enum spacc_objective o, int graph, struct sums *s)
{
    struct spacc_placement p;
    struct spacc_error err = {.text = ""};
    const double start_ms = now_ms();

    if (spacc_place(&g->t, o, 1, &p, &err) != SPACC_OK) {
        fprintf(stderr, "bench_place: %s\n", err.text);
        exit(1);
    }
    s->ms[graph] = now_ms() - start_ms;
    s->splits += p.split_us == p.us;
    s->gain += log(value_of(o, p.single_us, p.single_interval_us, p.single_joules) /
                   value_of(o, p.us, p.interval_us, p.joules));
    spacc_placement_release(&p);
}

static void print_row(enum kind kind, size_t devices, int tasks, int graphs)
{
    static struct made g;

    for (int o = SPACC_LATENCY; o <= SPACC_ENERGY; o++) {
        static struct sums s;
        s = (struct sums){.gain = 0};
        for (int i = 0; i < graphs; i++) {
            random_graph(&g, kind, devices, tasks, (uint32_t)i);
            measure(&g, (enum spacc_objective)o, i, &s);
        }
        const double median = measure_median(s.ms, (size_t)graphs); /* sorts */
        printf("| %s | %s | %.2f | %.2f | %d | %.2f |\n", kind_name[kind], objective_name[o],
               median, s.ms[graphs - 1], s.splits, exp(s.gain / graphs));
    }
}

int main(int argc, char **argv)
{
    const int tasks = argc > 1 ? atoi(argv[1]) : 60, devices = argc > 2 ? atoi(argv[2]) : 3;
    const int graphs = argc > 3 ? atoi(argv[3]) : 50;

    if (tasks < 1 || tasks > MADE_TASKS || devices < 1 || devices > SPACC_PLACE_DEVICES ||
        graphs < 1 || graphs > GRAPHS_MAX) {
        fprintf(stderr, "bench_place: 1 to %d tasks, 1 to %d devices, 1 to %d graphs\n",
                MADE_TASKS, SPACC_PLACE_DEVICES, GRAPHS_MAX);
        return 1;
    }
    printf("%d random graphs a row, %d tasks, %d devices\n\n", graphs, tasks, devices);
    printf("| graph | objective | ms, median | ms, most | split | over the best single |\n");
    printf("| --- | --- | --- | --- | --- | --- |\n");
    for (int kind = 0; kind < KINDS; kind++)
        print_row((enum kind)kind, (size_t)devices, tasks, graphs);
    return 0;
}
