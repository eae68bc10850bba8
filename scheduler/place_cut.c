/* place_cut.c - the host and one device by minimum cut: optimal when nothing overlaps.
 *
 * A unit on the source's side runs on the host. It is tied to the sink by what it costs there,
 * and to the source by what it costs on the device. A tensor has a node of its own for each
 * direction, so that it is charged once however many units read it:
 *
 *     producer --upload--> node --endless--> each reader
 *     each reader --endless--> node --download--> producer
 *
 * Maximum flow by Dinic's algorithm, in whole parts of the largest sum, so that it ends. */
#include "scheduler/place_parts.h"

#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const int64_t endless = INT64_MAX / 4;
static const double scale_to = 1e15;

struct arc {
    int to, next; /* arc i ^ 1 is the way back */
    int64_t room;
};

struct net {
    int nodes, arcs;
    struct arc *arc;
    int *first, *level, *turn, *queue, *path; /* [nodes]; turn: the next arc to try */
    double unit_cost;                         /* of room 1 */
};

enum { SOURCE, SINK, UNITS };

/* ---- maximum flow -------------------------------------------------------------------------
 */

/* False: the sink cannot be reached. */
static bool find_levels(struct net *n)
{
    int head = 0, tail = 0;

    for (int v = 0; v < n->nodes; v++)
        n->level[v] = -1;
    n->level[SOURCE] = 0;
    n->queue[tail++] = SOURCE;
    while (head < tail) {
        const int v = n->queue[head++];
        for (int a = n->first[v]; a >= 0; a = n->arc[a].next)
            if (n->arc[a].room > 0 && n->level[n->arc[a].to] < 0) {
                n->level[n->arc[a].to] = n->level[v] + 1;
                n->queue[tail++] = n->arc[a].to;
            }
    }
    return n->level[SINK] >= 0;
}

static bool goes_on(const struct net *n, int v, int a)
{
    return n->arc[a].room > 0 && n->level[n->arc[a].to] == n->level[v] + 1;
}

/* Arcs of one path to the sink in n->path; how many, or 0. */
static int find_path(struct net *n)
{
    int length = 0, v = SOURCE;

    while (v != SINK) {
        while (n->turn[v] >= 0 && !goes_on(n, v, n->turn[v]))
            n->turn[v] = n->arc[n->turn[v]].next;
        if (n->turn[v] >= 0) {
            n->path[length++] = n->turn[v];
            v = n->arc[n->turn[v]].to;
            continue;
        }
        if (length == 0)
            return 0;
        v = n->arc[n->path[--length] ^ 1].to; /* a dead end: back, and on with the next arc */
        n->turn[v] = n->arc[n->turn[v]].next;
    }
    return length;
}

static void push_along(struct net *n, int length)
{
    int64_t least = endless;

    for (int i = 0; i < length; i++)
        if (n->arc[n->path[i]].room < least)
            least = n->arc[n->path[i]].room;
    for (int i = 0; i < length; i++) {
        n->arc[n->path[i]].room -= least;
        n->arc[n->path[i] ^ 1].room += least;
    }
}

static void fill_net(struct net *n)
{
    while (find_levels(n)) {
        memcpy(n->turn, n->first, (size_t)n->nodes * sizeof(*n->turn));
        for (int length = find_path(n); length; length = find_path(n))
            push_along(n, length);
    }
}

/* ---- the net of a graph -------------------------------------------------------------------
 */

static void add_arc(struct net *n, int from, int to, int64_t room)
{
    n->arc[n->arcs] = (struct arc){to, n->first[from], room};
    n->first[from] = n->arcs++;
    n->arc[n->arcs] = (struct arc){from, n->first[to], 0};
    n->first[to] = n->arcs++;
}

static int64_t room_of(const struct net *n, double cost)
{
    return (int64_t)llround(cost / n->unit_cost);
}

static int64_t unit_room(const struct spacc_placer *p, const struct net *n, int unit, int d)
{
    double cost = 0;

    if (!p->can[unit * p->devices + d])
        return endless;
    for (int m = p->members.at[unit]; m < p->members.at[unit + 1]; m++)
        cost += spacc_placer_task_cost(p, p->members.item[m], d);
    return room_of(n, cost);
}

static void add_upload(const struct spacc_placer *p, struct net *n, int x, int node, int d)
{
    const struct spacc_task_tensor *t = &p->t->tensor[x];
    const int from = t->producer < 0 ? SOURCE : UNITS + p->unit[t->producer];

    add_arc(n, from, node, room_of(n, spacc_placer_up_cost(p, x, d)));
    for (size_t r = 0; r < t->readers; r++)
        add_arc(n, node, UNITS + p->unit[t->reader[r]], endless);
}

static void add_download(const struct spacc_placer *p, struct net *n, int x, int node, int d)
{
    const struct spacc_task_tensor *t = &p->t->tensor[x];

    if (t->producer < 0)
        return;
    add_arc(n, node, UNITS + p->unit[t->producer], room_of(n, spacc_placer_down_cost(p, x, d)));
    for (size_t r = 0; r < t->readers; r++)
        add_arc(n, UNITS + p->unit[t->reader[r]], node, endless);
    if (t->output)
        add_arc(n, SOURCE, node, endless);
}

static void add_all(const struct spacc_placer *p, struct net *n, int d)
{
    for (int v = 0; v < n->nodes; v++)
        n->first[v] = -1;
    for (int u = 0; u < p->units; u++) {
        add_arc(n, UNITS + u, SINK, unit_room(p, n, u, 0));
        add_arc(n, SOURCE, UNITS + u, unit_room(p, n, u, d));
    }
    for (int x = 0; x < p->tensors; x++) {
        const int node = UNITS + p->units + 2 * x;
        add_upload(p, n, x, node, d);
        add_download(p, n, x, node + 1, d);
    }
}

/* No finite cut costs more. */
static double sum_of_costs(const struct spacc_placer *p, int d)
{
    double sum = 0;

    for (int i = 0; i < p->tasks; i++)
        for (int side = 0; side <= d; side += d)
            if (p->us[i * p->devices + side] < HUGE_VAL)
                sum += fabs(spacc_placer_task_cost(p, i, side));
    for (int x = 0; x < p->tensors; x++)
        sum += spacc_placer_up_cost(p, x, d) + spacc_placer_down_cost(p, x, d);
    return sum;
}

static bool make_net(struct net *n, const struct spacc_placer *p, int d)
{
    const size_t nodes = (size_t)UNITS + (size_t)p->units + 2 * (size_t)p->tensors;
    const size_t arcs =
        2 * (2 * (size_t)p->units + 3 * (size_t)p->tensors + 2 * (size_t)p->reads.at[p->tasks]);
    const double sum = sum_of_costs(p, d);

    n->nodes = (int)nodes;
    n->unit_cost = sum > 0 ? sum / scale_to : 1;
    n->arc = calloc(arcs + 1, sizeof(*n->arc));
    n->first = calloc(nodes, sizeof(int));
    n->level = calloc(nodes, sizeof(int));
    n->turn = calloc(nodes, sizeof(int));
    n->queue = calloc(nodes, sizeof(int));
    n->path = calloc(nodes, sizeof(int));
    if (!n->arc || !n->first || !n->level || !n->turn || !n->queue || !n->path)
        return false;
    add_all(p, n, d);
    return true;
}

static bool fits(const struct spacc_placer *p, int other)
{
    for (int u = 0; u < p->units; u++)
        if (!p->can[u * p->devices] && !p->can[u * p->devices + other])
            return false;
    return true;
}

bool spacc_place_cut(const struct spacc_placer *p, int other, int *device, bool *all_fit)
{
    struct net n = {0};
    bool ok = true;

    *all_fit = fits(p, other);
    if (!*all_fit)
        return true;
    ok = make_net(&n, p, other);
    if (ok)
        fill_net(&n); /* units that the source still reaches are on its side */
    for (int u = 0; ok && u < p->units; u++)
        spacc_placer_move(p, device, u, n.level[UNITS + u] >= 0 ? 0 : other);
    free(n.arc);
    free(n.first);
    free(n.level);
    free(n.turn);
    free(n.queue);
    free(n.path);
    return ok;
}
