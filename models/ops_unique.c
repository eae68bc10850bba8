/* Unique: the different elements, or slices along an axis, and where they are. */
#include "models/ops_order.h"

#include <stdlib.h>
#include <string.h>

/* Items that are compared: x[outer][items][inner]. */
struct items {
    const struct spacc_tensor *x;
    size_t outer, count, inner;
};

static int by_contents(const void *user, size_t a, size_t b)
{
    const struct items *s = user;
    for (size_t o = 0; o < s->outer; o++)
        for (size_t k = 0; k < s->inner; k++) {
            const int order = spacc_ops_compare(s->x, (o * s->count + a) * s->inner + k,
                                                (o * s->count + b) * s->inner + k);
            if (order != 0)
                return order;
        }
    return 0;
}

/* Groups of equal items. */
struct groups {
    size_t count;
    size_t *first;   /* by group: its first item */
    size_t *members; /* by group: how many */
    size_t *of;      /* by item: its group */
    size_t *room;    /* 2 * items */
};

static int by_number(const void *user, size_t a, size_t b)
{
    const size_t *v = user;
    return (v[a] > v[b]) - (v[a] < v[b]);
}

/* Groups in the order of their contents: equal items stay in order, so that the first of
 * a run is the first item of its group. */
static void group(struct groups *g, const struct items *s)
{
    size_t *index = g->room;
    for (size_t i = 0; i < s->count; i++)
        index[i] = i;
    spacc_ops_sort(index, g->room + s->count, s->count, by_contents, s);
    for (size_t i = 0; i < s->count; i++) {
        if (i == 0 || by_contents(s, index[i - 1], index[i]) != 0)
            g->first[g->count++] = index[i];
        g->members[g->count - 1]++;
        g->of[index[i]] = g->count - 1;
    }
}

/* Groups in the order of their first items instead. */
static void unsort(struct groups *g, size_t items)
{
    size_t *order = g->room, *rank = g->room + items;
    for (size_t i = 0; i < g->count; i++)
        order[i] = i;
    spacc_ops_sort(order, rank, g->count, by_number, g->first);
    for (size_t i = 0; i < g->count; i++)
        rank[order[i]] = i;
    for (size_t i = 0; i < items; i++)
        g->of[i] = rank[g->of[i]];
    memset(g->members, 0, g->count * sizeof(*g->members));
    for (size_t i = items; i-- > 0;) {
        g->first[g->of[i]] = i;
        g->members[g->of[i]]++;
    }
}

static enum spacc_status numbers(struct spacc_op_call *c, int i, const size_t *from,
                                 size_t count)
{
    struct spacc_tensor *y;
    if (!spacc_ops_wanted(c, i))
        return SPACC_OK;
    TRY(spacc_op_output(c, i, SPACC_I64, 1, (const int64_t[]){(int64_t)count}, &y));
    for (size_t k = 0; !c->shape_only && k < count; k++)
        ((int64_t *)y->data)[k] = (int64_t)from[k];
    return SPACC_OK;
}

static enum spacc_status elements(struct spacc_op_call *c, const struct groups *g,
                                  const struct items *s, int axis)
{
    struct spacc_tensor *y;
    const struct spacc_tensor *x = s->x;
    int64_t dims[SPACC_RANK_MAX] = {0};
    if (!spacc_ops_wanted(c, 0))
        return SPACC_OK;
    if (axis >= 0)
        memcpy(dims, x->dims, sizeof(dims));
    dims[axis >= 0 ? axis : 0] = (int64_t)g->count;
    TRY(spacc_op_output(c, 0, x->dtype, axis >= 0 ? x->rank : 1, dims, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    const size_t block = s->inner * spacc_dtype_bytes(x->dtype);
    for (size_t o = 0; o < s->outer; o++)
        for (size_t k = 0; k < g->count; k++)
            memcpy((char *)y->data + (o * g->count + k) * block,
                   (const char *)x->data + (o * s->count + g->first[k]) * block, block);
    return SPACC_OK;
}

static enum spacc_status outputs(struct spacc_op_call *c, struct groups *g,
                                 const struct items *s, int axis)
{
    if (s->count > 0)
        group(g, s);
    if (spacc_node_int(c->node, "sorted", 1) == 0)
        unsort(g, s->count);
    TRY(elements(c, g, s, axis));
    TRY(numbers(c, 1, g->first, g->count));
    TRY(numbers(c, 2, g->of, s->count));
    return numbers(c, 3, g->members, g->count);
}

/* The shape of the outputs hangs on the contents. */
enum spacc_status spacc_op_unique(struct spacc_op_call *c)
{
    int axis = -1;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_ALL));
    const struct spacc_tensor *x = c->in[0];
    struct items s = {x, 1, x->count, 1};
    if (spacc_node_attr(c->node, "axis")) {
        TRY(spacc_ops_axis(c, &axis, spacc_node_int(c->node, "axis", 0), x->rank));
        s.outer = spacc_ops_product(x->dims, 0, axis);
        s.count = (size_t)x->dims[axis];
        s.inner = spacc_ops_product(x->dims, axis + 1, x->rank);
        if (x->count == 0 && s.count > 0)
            return spacc_op_fail(c, SPACC_ESHAPE, "slices of axis %d have no elements", axis);
    }
    TRY(spacc_op_needs(c, 0));
    size_t *room = calloc(5 * s.count + 1, sizeof(*room));
    if (!room)
        return spacc_op_fail(c, SPACC_ENOMEM, "no memory for %zu items", s.count);
    struct groups g = {.first = room,
                       .members = room + s.count,
                       .of = room + 2 * s.count,
                       .room = room + 3 * s.count};
    const enum spacc_status status = outputs(c, &g, &s, axis);
    free(room);
    return status;
}
