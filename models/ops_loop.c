/* Loop and Scan: a body that runs again and again, with states that go round and outputs
 * that pile up. */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "models/ops_util.h"

/* ---- the body ---------------------------------------------------------------- */

/* Room for one run of a body, and for what the runs pile up. */
struct body {
    const struct spacc_graph *graph;
    int states, piles;               /* values that go round; outputs that pile up */
    struct spacc_tensor **in, **out; /* of the body; `in` owned where not NULL */
    struct spacc_tensor **pile;      /* [piles][room], `filled` of each */
    size_t room, filled;
};

static enum spacc_status no_memory(struct spacc_op_call *c)
{
    return spacc_op_fail(c, SPACC_ENOMEM, "no memory to run the body");
}

static enum spacc_status body_init(struct spacc_op_call *c, struct body *b)
{
    const struct spacc_attr *a = spacc_node_attr(c->node, "body");
    *b = (struct body){0};
    if (!a || !a->graph)
        return spacc_op_fail(c, SPACC_EFORMAT, "has no body");
    if (!c->run_subgraph)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED, "a body cannot be run here");
    b->graph = a->graph;
    b->in = calloc((size_t)b->graph->inputs + 1, sizeof(*b->in));
    b->out = calloc((size_t)b->graph->outputs + 1, sizeof(*b->out));
    return b->in && b->out ? SPACC_OK : no_memory(c);
}

static void clear(struct spacc_tensor **t, int count)
{
    for (int i = 0; t && i < count; i++) {
        spacc_tensor_free(t[i]);
        t[i] = NULL;
    }
}

static void body_release(struct body *b)
{
    if (b->graph) {
        clear(b->in, b->graph->inputs);
        clear(b->out, b->graph->outputs);
    }
    for (int p = 0; b->pile && p < b->piles; p++)
        for (size_t i = 0; i < b->filled; i++)
            spacc_tensor_free(b->pile[(size_t)p * b->room + i]);
    free(b->pile);
    free(b->in);
    free(b->out);
}

/* Ins and outs of the body and of the node must go together. */
static enum spacc_status check_body(struct spacc_op_call *c, const struct body *b, int ins,
                                    int outs)
{
    if (b->graph->inputs == ins && b->graph->outputs == outs)
        return SPACC_OK;
    return spacc_op_fail(c, SPACC_ESHAPE,
                         "the body has %d inputs and %d outputs, the node wants %d and %d",
                         b->graph->inputs, b->graph->outputs, ins, outs);
}

/* A tensor of the same type and shape: with its contents, or for shapes only. */
static enum spacc_status take_copy(struct spacc_op_call *c, struct spacc_tensor **to,
                                   const struct spacc_tensor *from)
{
    struct spacc_tensor shape = *from;
    if (c->shape_only)
        shape.data = NULL;
    return spacc_tensor_copy(to, &shape) == SPACC_OK ? SPACC_OK : no_memory(c);
}

/* The body's inputs from 0 on are ready; results are in b->out. */
static enum spacc_status run_body(struct spacc_op_call *c, struct body *b)
{
    const struct spacc_tensor *const *in = (const struct spacc_tensor *const *)b->in;
    clear(b->out, b->graph->outputs);
    TRY(c->run_subgraph(c, b->graph, in, b->out));
    for (int o = 0; o < b->graph->outputs; o++)
        if (!b->out[o])
            return spacc_op_fail(c, SPACC_EINVAL, "output %d of the body was not made", o);
    return SPACC_OK;
}

/* Twice the room in every pile. */
static enum spacc_status grow(struct spacc_op_call *c, struct body *b)
{
    const size_t room = b->room ? 2 * b->room : 8;
    struct spacc_tensor **pile =
        calloc((size_t)b->piles * room + 1, sizeof(struct spacc_tensor *));
    if (!pile)
        return no_memory(c);
    for (int p = 0; p < b->piles; p++)
        for (size_t i = 0; i < b->filled; i++)
            pile[(size_t)p * room + i] = b->pile[(size_t)p * b->room + i];
    free(b->pile);
    b->pile = pile;
    b->room = room;
    return SPACC_OK;
}

/* Put the outputs from `first` on onto their piles. */
static enum spacc_status pile_up(struct spacc_op_call *c, struct body *b, int first)
{
    char one[128], other[128];
    if (b->piles == 0)
        return SPACC_OK;
    for (int p = 0; p < b->piles && b->filled > 0; p++) {
        const struct spacc_tensor *t = b->out[first + p],
                                  *before = b->pile[(size_t)p * b->room];
        if (!spacc_tensor_same_shape(t, before))
            return spacc_op_fail(c, SPACC_ESHAPE, "output %d of the body was %s, now it is %s",
                                 first + p, spacc_tensor_describe(before, one, sizeof(one)),
                                 spacc_tensor_describe(t, other, sizeof(other)));
    }
    if (b->filled == b->room)
        TRY(grow(c, b));
    for (int p = 0; p < b->piles; p++) {
        b->pile[(size_t)p * b->room + b->filled] = b->out[first + p];
        b->out[first + p] = NULL;
    }
    b->filled++;
    return SPACC_OK;
}

/* Shape of a pile of `count` elements like `one` along a new axis. */
static enum spacc_status pile_output(struct spacc_op_call *c, int out,
                                     const struct spacc_tensor *one, int axis, int64_t count,
                                     struct spacc_tensor **y)
{
    int64_t dims[SPACC_RANK_MAX + 1];
    for (int i = 0; i <= one->rank; i++)
        dims[i] = i == axis ? count : one->dims[i < axis ? i : i - 1];
    return spacc_op_output(c, out, one->dtype, one->rank + 1, dims, y);
}

/* What the body declares of its output: all there is to know when it never ran. */
static enum spacc_status declared_shape(struct spacc_op_call *c, const struct body *b, int out,
                                        struct spacc_tensor *shape)
{
    const struct spacc_value *v = &b->graph->value[b->graph->output[out]];
    if (v->rank < 0 || v->dtype == SPACC_DTYPE_NONE)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "the body never ran and does not declare the shape of its output "
                             "%d",
                             out);
    *shape = (struct spacc_tensor){.dtype = v->dtype, .rank = v->rank};
    for (int d = 0; d < v->rank; d++)
        shape->dims[d] = v->dims[d] < 0 ? 0 : v->dims[d];
    return SPACC_OK;
}

/* Element `at` of the new axis of y from the contents of `one`, or the other way. */
static void move_slice(struct spacc_tensor *whole, struct spacc_tensor *one, int axis,
                       int64_t at, bool to_whole)
{
    const size_t bytes = spacc_dtype_bytes(whole->dtype);
    size_t outer = 1, inner = bytes;
    if (one->count == 0)
        return;
    for (int i = 0; i < whole->rank && i < SPACC_RANK_MAX; i++) {
        outer *= i < axis ? (size_t)whole->dims[i] : 1;
        inner *= i > axis ? (size_t)whole->dims[i] : 1;
    }
    for (size_t o = 0; o < outer; o++) {
        char *w = (char *)whole->data + (o * (size_t)whole->dims[axis] + (size_t)at) * inner;
        char *s = (char *)one->data + o * inner;
        memcpy(to_whole ? w : s, to_whole ? s : w, inner);
    }
}

/* Hand the states to the node's outputs 0..states-1. */
static void give_states(struct spacc_op_call *c, struct body *b, int first)
{
    for (int i = 0; i < b->states && i < c->outs; i++) {
        c->out[i] = b->in[first + i];
        b->in[first + i] = NULL;
    }
}

/* Results 0.. of the body that go round become inputs from `to` on. */
static enum spacc_status go_round(struct spacc_op_call *c, struct body *b, int from, int to)
{
    for (int i = 0; i < b->states; i++) {
        if (b->out[from + i]->dtype != b->in[to + i]->dtype)
            return spacc_op_fail(c, SPACC_ESHAPE, "state %d is %s, the body makes it %s", i,
                                 spacc_dtype_name((int)b->in[to + i]->dtype),
                                 spacc_dtype_name((int)b->out[from + i]->dtype));
        spacc_tensor_free(b->in[to + i]);
        b->in[to + i] = b->out[from + i];
        b->out[from + i] = NULL;
    }
    return SPACC_OK;
}

/* ---- Loop -------------------------------------------------------------------- */

enum { TRIPS, GOES_ON, LOOP_STATES }; /* inputs of the node; of the body: number, goes on */

static enum spacc_status one_element(struct spacc_op_call *c, const struct spacc_tensor *t,
                                     enum spacc_dtype dtype, const char *what)
{
    char text[128];
    if (!t || (t->dtype == dtype && t->count == 1))
        return SPACC_OK;
    return spacc_op_fail(c, SPACC_ESHAPE, "%s is %s, one %s is wanted", what,
                         spacc_tensor_describe(t, text, sizeof(text)),
                         spacc_dtype_name((int)dtype));
}

static enum spacc_status loop_begin(struct spacc_op_call *c, struct body *b)
{
    TRY(body_init(c, b));
    b->states = c->ins > LOOP_STATES ? c->ins - LOOP_STATES : 0;
    b->piles = b->graph->outputs - 1 - b->states;
    TRY(check_body(c, b, LOOP_STATES + b->states, 1 + b->states + b->piles));
    if (b->piles < 0 || c->outs > b->states + b->piles)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "the body has %d outputs for %d states, the node "
                             "has %d",
                             b->graph->outputs, b->states, c->outs);
    TRY(one_element(c, spacc_ops_in(c, TRIPS), SPACC_I64, "the trip count"));
    TRY(one_element(c, spacc_ops_in(c, GOES_ON), SPACC_BOOL, "the condition"));
    if (!spacc_ops_in(c, TRIPS) && !spacc_ops_in(c, GOES_ON))
        return spacc_op_fail(c, SPACC_EUNSUPPORTED,
                             "has no trip count and no condition: it would never end");
    for (int i = 0; i < b->states; i++) {
        if (!spacc_ops_in(c, LOOP_STATES + i))
            return spacc_op_fail(c, SPACC_ESHAPE, "input %d is left out", LOOP_STATES + i);
        TRY(take_copy(c, &b->in[LOOP_STATES + i], c->in[LOOP_STATES + i]));
    }
    if (spacc_tensor_new(&b->in[TRIPS], SPACC_I64, 0, NULL) != SPACC_OK ||
        spacc_tensor_new(&b->in[GOES_ON], SPACC_BOOL, 0, NULL) != SPACC_OK)
        return no_memory(c);
    *(uint8_t *)b->in[GOES_ON]->data = 1;
    return SPACC_OK;
}

static enum spacc_status loop_pile(struct spacc_op_call *c, struct body *b, int p)
{
    struct spacc_tensor declared, *one = &declared, *y;
    const int out = b->states + p;
    if (!spacc_ops_wanted(c, out))
        return SPACC_OK;
    if (b->filled > 0)
        one = b->pile[(size_t)p * b->room];
    else
        TRY(declared_shape(c, b, 1 + out, &declared));
    TRY(pile_output(c, out, one, 0, (int64_t)b->filled, &y));
    for (size_t i = 0; i < b->filled; i++)
        move_slice(y, b->pile[(size_t)p * b->room + i], 0, (int64_t)i, true);
    return SPACC_OK;
}

static enum spacc_status loop_run(struct spacc_op_call *c, struct body *b)
{
    const struct spacc_tensor *trips = spacc_ops_in(c, TRIPS),
                              *start = spacc_ops_in(c, GOES_ON);
    const int64_t most = trips ? *(const int64_t *)trips->data : INT64_MAX;
    bool goes_on = !start || *(const uint8_t *)start->data;
    for (int64_t i = 0; i < most && goes_on; i++) {
        *(int64_t *)b->in[TRIPS]->data = i;
        TRY(run_body(c, b));
        TRY(one_element(c, b->out[0], SPACC_BOOL, "output 0 of the body"));
        if (start) /* without a condition at the start the body's is not looked at */
            goes_on = *(const uint8_t *)b->out[0]->data;
        TRY(go_round(c, b, 1, LOOP_STATES));
        TRY(pile_up(c, b, 1 + b->states));
    }
    give_states(c, b, LOOP_STATES);
    for (int p = 0; p < b->piles; p++)
        TRY(loop_pile(c, b, p));
    return SPACC_OK;
}

/* States that keep their shape have it whatever the trip count; piles depend on it. */
static enum spacc_status loop_shapes(struct spacc_op_call *c, struct body *b)
{
    for (int i = TRIPS; i <= GOES_ON; i++) {
        free(b->in[i]->data);
        b->in[i]->data = NULL;
    }
    const enum spacc_status status = run_body(c, b);
    if (status == SPACC_ENOMEM)
        return status;
    bool known = status == SPACC_OK && b->piles == 0; /* the body may never run */
    for (int i = 0; i < b->states; i++)
        known = known && spacc_tensor_same_shape(b->out[1 + i], b->in[LOOP_STATES + i]);
    if (!known) {
        c->shape_unknown = true;
        return SPACC_ESHAPE;
    }
    give_states(c, b, LOOP_STATES);
    return SPACC_OK;
}

enum spacc_status spacc_op_loop(struct spacc_op_call *c)
{
    struct body b;
    enum spacc_status status = loop_begin(c, &b);
    if (status == SPACC_OK)
        status = c->shape_only ? loop_shapes(c, &b) : loop_run(c, &b);
    body_release(&b);
    return status;
}

/* ---- Scan -------------------------------------------------------------------- */

/* Opset 8 has a batch axis in front of everything, and sequence lengths as input 0. */
struct scan {
    struct body body;
    int scans; /* inputs that are cut into slices */
    int first; /* node input of the first state */
    bool batched;
    int64_t steps, batch;
};

/* Number `i` of list `name`, 0 when it is not given. */
static enum spacc_status list_entry(struct spacc_op_call *c, const char *name, int count, int i,
                                    int64_t *out)
{
    const struct spacc_attr *a = spacc_node_attr(c->node, name);
    *out = 0;
    if (!a)
        return SPACC_OK;
    if (a->count != (size_t)count)
        return spacc_op_fail(c, SPACC_ESHAPE, "%s has %zu numbers, %d are wanted", name,
                             a->count, count);
    *out = a->ints[i];
    return SPACC_OK;
}

static enum spacc_status scan_direction(struct spacc_op_call *c, const struct scan *s,
                                        bool input, int i, bool *backwards)
{
    const char *name = s->batched ? "directions"
                       : input    ? "scan_input_directions"
                                  : "scan_output_directions";
    int64_t v = 0;
    if (input || !s->batched)
        TRY(list_entry(c, name, input ? s->scans : s->body.piles, i, &v));
    if (v != 0 && v != 1)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED, "%s[%d] is %" PRId64 ", not 0 or 1", name,
                             i, v);
    *backwards = v == 1;
    return SPACC_OK;
}

/* Axis that scan input `i` is cut along. */
static enum spacc_status scan_axis(struct spacc_op_call *c, const struct scan *s, int i,
                                   int *axis)
{
    const struct spacc_tensor *x = c->in[s->first + s->body.states + i];
    int64_t v = 1;
    if (!s->batched)
        TRY(list_entry(c, "scan_input_axes", s->scans, i, &v));
    return spacc_ops_axis(c, axis, v, x->rank);
}

/* The part of node input `i` that the body sees: without the batch axis, without `axis`
 * unless it is below 0. New tensor, empty. */
static enum spacc_status slice_of(struct spacc_op_call *c, const struct scan *s, int i,
                                  int axis, struct spacc_tensor **out)
{
    const struct spacc_tensor *x = c->in[s->first + i];
    struct spacc_tensor t = {.dtype = x->dtype};
    for (int d = s->batched ? 1 : 0; d < x->rank; d++)
        if (d != axis)
            t.dims[t.rank++] = x->dims[d];
    if (spacc_shape_count(&t.count, t.rank, t.dims) != SPACC_OK)
        return SPACC_ESHAPE;
    const enum spacc_status status = c->shape_only
                                         ? spacc_tensor_copy(out, &t)
                                         : spacc_tensor_new(out, t.dtype, t.rank, t.dims);
    return status == SPACC_OK ? SPACC_OK : no_memory(c);
}

/* All scan inputs have as many steps, all batched inputs as many entries. */
static enum spacc_status scan_sizes(struct spacc_op_call *c, struct scan *s)
{
    s->steps = s->batch = -1;
    for (int i = 0; i < s->body.states + s->scans; i++) {
        const struct spacc_tensor *x = spacc_ops_in(c, s->first + i);
        int axis;
        if (!x || (s->batched && x->rank < 1))
            return spacc_op_fail(c, SPACC_ESHAPE, "input %d has no elements to scan",
                                 s->first + i);
        if (s->batch >= 0 && s->batched && x->dims[0] != s->batch)
            return spacc_op_fail(c, SPACC_ESHAPE,
                                 "input %d has a batch of %" PRId64 ", the others %" PRId64,
                                 s->first + i, x->dims[0], s->batch);
        s->batch = s->batched ? x->dims[0] : 1;
        if (i < s->body.states)
            continue;
        TRY(scan_axis(c, s, i - s->body.states, &axis));
        if (s->batched && axis == 0)
            return spacc_op_fail(c, SPACC_ESHAPE, "input %d has a batch axis only",
                                 s->first + i);
        if (s->steps >= 0 && x->dims[axis] != s->steps)
            return spacc_op_fail(c, SPACC_ESHAPE,
                                 "input %d has %" PRId64 " steps, the others %" PRId64,
                                 s->first + i, x->dims[axis], s->steps);
        s->steps = x->dims[axis];
    }
    return SPACC_OK;
}

static enum spacc_status scan_begin(struct spacc_op_call *c, struct scan *s)
{
    const int64_t scans = spacc_node_int(c->node, "num_scan_inputs", 0);
    TRY(body_init(c, &s->body));
    s->batched = spacc_ops_opset(c) < 9;
    s->first = s->batched ? 1 : 0;
    TRY(spacc_ops_attr_opset(c, "directions", 8, 8));
    TRY(spacc_ops_attr_opset(c, "scan_input_axes", 9, INT32_MAX));
    TRY(spacc_ops_attr_opset(c, "scan_output_axes", 9, INT32_MAX));
    TRY(spacc_ops_attr_opset(c, "scan_input_directions", 9, INT32_MAX));
    TRY(spacc_ops_attr_opset(c, "scan_output_directions", 9, INT32_MAX));
    if (scans < 1 || scans > c->ins - s->first)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "num_scan_inputs is %" PRId64 ", the node has %d inputs", scans,
                             c->ins);
    s->scans = (int)scans;
    s->body.states = c->ins - s->first - s->scans;
    s->body.piles = s->body.graph->outputs - s->body.states;
    TRY(check_body(c, &s->body, c->ins - s->first, c->outs));
    if (s->body.piles < 0)
        return spacc_op_fail(c, SPACC_ESHAPE, "%d outputs for %d states", c->outs,
                             s->body.states);
    return scan_sizes(c, s);
}

/* Entry `b` of a batched tensor, or all of one that is not. */
static struct spacc_tensor entry_of(const struct scan *s, const struct spacc_tensor *x,
                                    int64_t b)
{
    struct spacc_tensor t = *x;
    if (!s->batched)
        return t;
    t.rank--;
    memmove(t.dims, t.dims + 1, (size_t)t.rank * sizeof(*t.dims));
    t.count = x->dims[0] ? x->count / (size_t)x->dims[0] : 0;
    if (t.data)
        t.data = (char *)x->data + (size_t)b * t.count * spacc_dtype_bytes(t.dtype);
    return t;
}

/* Room for all of the body's inputs. */
static enum spacc_status scan_inputs(struct spacc_op_call *c, struct scan *s)
{
    for (int i = 0; i < s->body.states + s->scans; i++) {
        int axis = -1;
        if (i >= s->body.states)
            TRY(scan_axis(c, s, i - s->body.states, &axis));
        TRY(slice_of(c, s, i, axis, &s->body.in[i]));
    }
    return SPACC_OK;
}

/* The states of batch entry `b` as they are before the first step. */
static enum spacc_status first_states(struct spacc_op_call *c, struct scan *s, int64_t b)
{
    for (int i = 0; i < s->body.states; i++) {
        const struct spacc_tensor entry = entry_of(s, c->in[s->first + i], b);
        spacc_tensor_free(s->body.in[i]);
        if (spacc_tensor_copy(&s->body.in[i], &entry) != SPACC_OK)
            return no_memory(c);
    }
    return SPACC_OK;
}

/* What the body sees of the scan inputs at step `t` of `steps`. */
static enum spacc_status cut_step(struct spacc_op_call *c, struct scan *s, int64_t b, int64_t t,
                                  int64_t steps)
{
    for (int i = 0; i < s->scans; i++) {
        struct spacc_tensor entry = entry_of(s, c->in[s->first + s->body.states + i], b);
        bool backwards = false;
        int axis;
        TRY(scan_axis(c, s, i, &axis));
        TRY(scan_direction(c, s, true, i, &backwards));
        move_slice(&entry, s->body.in[s->body.states + i], axis - (s->batched ? 1 : 0),
                   backwards ? steps - 1 - t : t, false);
    }
    return SPACC_OK;
}

/* Output `out` of the node, made of `one` a step (or a batch entry alone when `axis` is below
 * 0), unless it exists. */
static enum spacc_status scan_output(struct spacc_op_call *c, struct scan *s, int out,
                                     const struct spacc_tensor *one, int axis)
{
    struct spacc_tensor piled = *one, *y;
    if (c->out[out])
        return SPACC_OK;
    if (axis >= 0) {
        if (one->rank + 1 > SPACC_RANK_MAX)
            return spacc_op_fail(c, SPACC_ESHAPE, "output %d would have rank %d", out,
                                 one->rank + 1);
        memmove(piled.dims + axis + 1, piled.dims + axis,
                (size_t)(one->rank - axis) * sizeof(*piled.dims));
        piled.dims[axis] = s->steps;
        piled.rank++;
    }
    if (s->batched)
        return pile_output(c, out, &piled, 0, s->batch, &y);
    return spacc_op_output(c, out, piled.dtype, piled.rank, piled.dims, &y);
}

/* Axis of scan output `p` along which `one` a step is piled up. */
static enum spacc_status output_axis(struct spacc_op_call *c, const struct scan *s, int p,
                                     const struct spacc_tensor *one, int *axis)
{
    int64_t v;
    TRY(list_entry(c, "scan_output_axes", s->body.piles, p, &v));
    return spacc_ops_axis(c, axis, v, one->rank + 1);
}

/* Put the body's scan outputs where they belong. */
static enum spacc_status store_step(struct spacc_op_call *c, struct scan *s, int64_t b,
                                    int64_t t)
{
    char has[SPACC_TEXT_BYTES];
    for (int p = 0; p < s->body.piles; p++) {
        struct spacc_tensor *one = s->body.out[s->body.states + p];
        const int out = s->body.states + p;
        bool backwards = false;
        int axis;
        if (!spacc_ops_wanted(c, out))
            continue;
        TRY(output_axis(c, s, p, one, &axis));
        TRY(scan_direction(c, s, false, p, &backwards));
        TRY(scan_output(c, s, out, one, axis));
        struct spacc_tensor entry = entry_of(s, c->out[out], b);
        bool same = entry.dtype == one->dtype && entry.rank == one->rank + 1;
        for (int d = 0; same && d < one->rank; d++)
            same = entry.dims[d < axis ? d : d + 1] == one->dims[d];
        if (!same)
            return spacc_op_fail(c, SPACC_ESHAPE,
                                 "scan output %d has another shape at step %" PRId64 ": %s", p,
                                 t, spacc_ops_shape_text(has, one->rank, one->dims));
        move_slice(&entry, one, axis, backwards ? s->steps - 1 - t : t, true);
    }
    return SPACC_OK;
}

/* Final states of batch entry `b`. */
static enum spacc_status store_states(struct spacc_op_call *c, struct scan *s, int64_t b)
{
    for (int i = 0; i < s->body.states; i++) {
        const struct spacc_tensor *one = s->body.in[i];
        if (!spacc_ops_wanted(c, i))
            continue;
        TRY(scan_output(c, s, i, one, -1));
        struct spacc_tensor entry = entry_of(s, c->out[i], b);
        spacc_ops_memcpy(entry.data, one->data, one->count * spacc_dtype_bytes(one->dtype));
    }
    return SPACC_OK;
}

/* Steps of batch entry `b`. */
static enum spacc_status entry_steps(struct spacc_op_call *c, const struct scan *s, int64_t b,
                                     int64_t *steps)
{
    const struct spacc_tensor *lens = s->batched ? c->in[0] : NULL;
    *steps = s->steps;
    if (!lens)
        return SPACC_OK;
    TRY(spacc_ops_types(c, 0, SPACC_TYPE(I64)));
    if (lens->count != (size_t)s->batch)
        return spacc_op_fail(c, SPACC_ESHAPE, "%zu sequence lengths for a batch of %" PRId64,
                             lens->count, s->batch);
    *steps = ((const int64_t *)lens->data)[b];
    if (*steps < 0 || *steps > s->steps)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "sequence length %" PRId64 " of %" PRId64 " steps", *steps,
                             s->steps);
    return SPACC_OK;
}

/* Outputs that no step has made: empty, or zeros. */
static enum spacc_status empty_outputs(struct spacc_op_call *c, struct scan *s)
{
    for (int o = 0; o < c->outs; o++) {
        struct spacc_tensor one;
        int axis = -1;
        if (!spacc_ops_wanted(c, o) || c->out[o])
            continue;
        TRY(declared_shape(c, &s->body, o, &one));
        if (o >= s->body.states)
            TRY(output_axis(c, s, o - s->body.states, &one, &axis));
        TRY(scan_output(c, s, o, &one, axis));
    }
    return SPACC_OK;
}

/* What a body gives for a state has the state's shape: else the binder's shapes are wrong. */
static enum spacc_status check_states(struct spacc_op_call *c, const struct scan *s)
{
    char was[128], is[128];
    for (int i = 0; i < s->body.states; i++) {
        const struct spacc_tensor *a = s->body.in[i], *b = s->body.out[i];
        if (!spacc_tensor_same_shape(a, b))
            return spacc_op_fail(c, SPACC_ESHAPE, "state %d is %s, the body makes it %s", i,
                                 spacc_tensor_describe(a, was, sizeof(was)),
                                 spacc_tensor_describe(b, is, sizeof(is)));
    }
    return SPACC_OK;
}

static enum spacc_status scan_run(struct spacc_op_call *c, struct scan *s)
{
    TRY(scan_inputs(c, s));
    for (int64_t b = 0; b < s->batch; b++) {
        int64_t steps;
        TRY(entry_steps(c, s, b, &steps));
        TRY(first_states(c, s, b));
        for (int64_t t = 0; t < steps; t++) {
            TRY(cut_step(c, s, b, t, steps));
            TRY(run_body(c, &s->body));
            TRY(check_states(c, s));
            TRY(go_round(c, &s->body, 0, 0));
            TRY(store_step(c, s, b, t));
        }
        TRY(store_states(c, s, b));
    }
    return empty_outputs(c, s);
}

static enum spacc_status scan_shapes(struct spacc_op_call *c, struct scan *s)
{
    if (s->steps == 0 || (s->batched && c->in[0])) { /* no step: then all is as declared */
        c->shape_unknown = true;
        return SPACC_ESHAPE;
    }
    TRY(scan_inputs(c, s));
    TRY(run_body(c, &s->body));
    TRY(check_states(c, s));
    for (int o = 0; o < c->outs; o++) {
        const struct spacc_tensor *one = s->body.out[o];
        int axis = -1;
        if (o >= s->body.states)
            TRY(output_axis(c, s, o - s->body.states, one, &axis));
        TRY(scan_output(c, s, o, one, axis));
    }
    return SPACC_OK;
}

enum spacc_status spacc_op_scan(struct spacc_op_call *c)
{
    struct scan s = {0};
    enum spacc_status status = scan_begin(c, &s);
    if (status == SPACC_OK)
        status = c->shape_only ? scan_shapes(c, &s) : scan_run(c, &s);
    body_release(&s.body);
    return status;
}
