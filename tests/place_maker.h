/* place_maker.h - small task graphs for tests of placement: by hand, and random with a seed. */
#ifndef SPACC_TESTS_PLACE_MAKER_H
#define SPACC_TESTS_PLACE_MAKER_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "scheduler/place.h"

enum { MADE_TASKS = 64, MADE_TENSORS = 160, MADE_READERS = 16 };

struct made {
    struct spacc_tasks t;
    struct spacc_task task[MADE_TASKS];
    struct spacc_task_tensor tensor[MADE_TENSORS];
    int reader[MADE_TENSORS][MADE_READERS];
    char name[MADE_TASKS][8];
    uint32_t random;
};

static const char *const made_devices[] = {"cpu", "gpu", "card", "d3", "d4", "d5", "d6", "d7"};

/* `g` stays where it is: the graph points into it. */
static void start(struct made *g, size_t devices)
{
    memset(g, 0, sizeof(*g));
    g->t.devices = devices;
    g->t.task = g->task;
    g->t.tensor = g->tensor;
    for (size_t d = 0; d < devices; d++)
        g->t.device[d].name = made_devices[d];
}

/* A task at rate 1 that takes us[devices]; its number. */
static int add_task(struct made *g, const double *us)
{
    const int i = (int)g->t.tasks++;

    snprintf(g->name[i], sizeof(g->name[i]), "t%d", i);
    g->task[i] = (struct spacc_task){.name = g->name[i], .rate = 1, .pin = -1};
    for (size_t d = 0; d < g->t.devices; d++)
        g->task[i].us[d] = us[d];
    return i;
}

#define US(...) ((const double[]){__VA_ARGS__})

static struct spacc_task_tensor *add_tensor(struct made *g, int producer, size_t bytes)
{
    const size_t x = g->t.tensors++;

    g->tensor[x] = (struct spacc_task_tensor){
        .producer = producer, .bytes = bytes, .reader = g->reader[x]};
    return &g->tensor[x];
}

static void add_reader(struct made *g, struct spacc_task_tensor *x, int task)
{
    g->reader[x - g->tensor][x->readers++] = task;
}

/* A tensor with one reader. */
static void add_edge(struct made *g, int from, int to, size_t bytes)
{
    add_reader(g, add_tensor(g, from, bytes), to);
}

static void add_output(struct made *g, int from, size_t bytes)
{
    add_tensor(g, from, bytes)->output = true;
}

/* ---- random -------------------------------------------------------------------------------
 */

static uint32_t draw(struct made *g, uint32_t below)
{
    g->random = g->random * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)g->random * below >> 32);
}

static double between(struct made *g, double low, double high)
{
    return low + (high - low) * draw(g, 10001) / 10000.0;
}

static void random_devices(struct made *g)
{
    for (size_t d = 0; d < g->t.devices; d++) {
        struct spacc_place_device *dev = &g->t.device[d];
        dev->idle_w = between(g, 0, 5);
        dev->busy_w = dev->idle_w + between(g, 0, 20);
        dev->launch_us = d ? between(g, 0, 20) : 0.2;
        dev->sync_us = d ? between(g, 0, 20) : 0;
        dev->to_us = between(g, 0, 20);
        dev->from_us = between(g, 0, 20);
        dev->to_bytes_per_us = draw(g, 5) ? between(g, 100, 10000) : 0;
        dev->from_bytes_per_us = draw(g, 5) ? between(g, 100, 10000) : 0;
    }
}

/* Some tasks cannot run on some device; few only on one. */
static int random_task(struct made *g)
{
    double us[SPACC_PLACE_DEVICES];
    const double size = exp(between(g, 0, 6));

    for (size_t d = 0; d < g->t.devices; d++)
        us[d] = size * exp(between(g, -1.5, 1.5));
    if (g->t.devices > 1 && draw(g, 8) == 0)
        us[draw(g, (uint32_t)g->t.devices)] = HUGE_VAL;
    const int i = add_task(g, us);
    for (size_t d = 0; d < g->t.devices; d++) {
        g->task[i].sigma[d] = between(g, 0, 0.1);
        g->task[i].joules[d] = us[d] == HUGE_VAL ? 0 : us[d] * between(g, 1, 30) * 1e-6;
    }
    return i;
}

static size_t random_bytes(struct made *g)
{
    return (size_t)exp(between(g, 2, 13));
}

/* Read by `to`, from the last tensor of `from` or by one of its own. */
static void random_edge(struct made *g, int from, int to)
{
    for (size_t x = g->t.tensors; x-- > 0;)
        if (g->tensor[x].producer == from && draw(g, 3) &&
            g->tensor[x].readers < MADE_READERS &&
            (!g->tensor[x].readers || g->reader[x][g->tensor[x].readers - 1] < to)) {
            add_reader(g, &g->tensor[x], to);
            return;
        }
    add_edge(g, from, to, random_bytes(g));
}

enum kind { CHAIN, DAG, TOWERS, FORK_JOIN, RATES, LOOPS, KINDS };

static const char *const kind_name[KINDS] = {"chain", "dag",   "towers",
                                             "forks", "rates", "loops"};

/* Who a task reads from, by kind. */
static void random_edges(struct made *g, enum kind kind, int i, int tasks)
{
    const int half = tasks / 2;

    switch (kind) {
    case TOWERS:
        if (i == tasks - 1 && half > 0)
            random_edge(g, half - 1, i);
        if (i > 0 && i != half)
            random_edge(g, i - 1, i);
        break;
    case FORK_JOIN: /* groups of four: one, two or three that read it, one that joins them */
        if (i % 4 == 0)
            for (int k = i > 3 ? i - 3 : 0; k < i; k++)
                random_edge(g, k, i);
        else
            random_edge(g, i / 4 * 4, i);
        break;
    case DAG:
    case LOOPS:
        for (int k = i > 4 ? i - 4 : 0; k < i; k++)
            if (draw(g, 3) == 0)
                random_edge(g, k, i);
        break;
    default:
        if (i > 0)
            random_edge(g, i - 1, i);
    }
}

/* One rate, three rates in a row, or loops in between. */
static double random_rate(struct made *g, enum kind kind, int i, int tasks)
{
    static const double rates[] = {1, 7, 30.5};

    if (kind == RATES)
        return rates[i * 3 / tasks];
    return kind == LOOPS ? rates[draw(g, 3)] : 1;
}

static void random_graph(struct made *g, enum kind kind, size_t devices, int tasks,
                         uint32_t seed)
{
    start(g, devices);
    g->random = seed;
    random_devices(g);
    for (int i = 0; i < tasks; i++) {
        random_task(g);
        g->task[i].rate = random_rate(g, kind, i, tasks);
        random_edges(g, kind, i, tasks);
        if (draw(g, 4) == 0)
            add_edge(g, -1, i, random_bytes(g));
        if (i == tasks - 1 || draw(g, 6) == 0)
            add_output(g, i, random_bytes(g));
    }
}

#endif
