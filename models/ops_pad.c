/* Pad: add elements around each axis, or, by a negative pad, take some away. */
#include "models/ops_util.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum mode { MODE_CONSTANT, MODE_REFLECT, MODE_EDGE, MODE_WRAP };

/* Input index of every output index, axis after axis; OUTSIDE takes the constant. */
enum { OUTSIDE = -1 };

struct pad {
    enum mode mode;
    int64_t begin[SPACC_RANK_MAX], end[SPACC_RANK_MAX], dims[SPACC_RANK_MAX];
};

static enum spacc_status read_mode(struct spacc_op_call *c, enum mode *mode)
{
    static const char *const names[] = {"constant", "reflect", "edge", "wrap"};
    const char *name = spacc_node_string(c->node, "mode", "constant");
    const int count = spacc_ops_opset(c) >= 19 ? 4 : 3;
    for (int i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0) {
            *mode = (enum mode)i;
            return SPACC_OK;
        }
    return spacc_op_fail(c, SPACC_EUNSUPPORTED, "mode %s is not supported in opset %d", name,
                         spacc_ops_opset(c));
}

/* pads: all begins, then all ends, for the listed axes (all when none are listed). */
static enum spacc_status read_pads(struct spacc_op_call *c, struct pad *p)
{
    struct spacc_ops_ints pads, axes;
    bool flags[SPACC_RANK_MAX];
    const int rank = c->in[0]->rank;
    TRY(spacc_ops_ints(c, &pads, "pads", 1, 11));
    TRY(spacc_ops_input_opset(c, 3, 18, INT32_MAX));
    TRY(spacc_ops_ints_input(c, &axes, 3));
    TRY(spacc_ops_axes(c, flags, &axes, rank));
    const size_t count = axes.given ? axes.count : (size_t)rank;
    if (!pads.given || pads.count != 2 * count)
        return spacc_op_fail(c, SPACC_ESHAPE, "%zu pads for %zu axes, %zu are needed",
                             pads.count, count, 2 * count);
    for (size_t i = 0; i < count; i++) {
        int axis = (int)i;
        if (axes.given)
            TRY(spacc_ops_axis(c, &axis, spacc_ops_int(&axes, i), rank));
        p->begin[axis] = spacc_ops_int(&pads, i);
        p->end[axis] = spacc_ops_int(&pads, count + i);
    }
    return SPACC_OK;
}

/* Elements that stay of an axis are low..high-1 once negative pads are taken off. */
static void kept_range(const struct pad *p, int axis, int64_t size, int64_t *low, int64_t *high)
{
    *low = p->begin[axis] < 0 ? -p->begin[axis] : 0;
    *high = p->end[axis] < 0 ? size + p->end[axis] : size;
}

static enum spacc_status output_shape(struct spacc_op_call *c, struct pad *p)
{
    const struct spacc_tensor *x = c->in[0];
    for (int i = 0; i < x->rank; i++) {
        const int64_t begin = p->begin[i], end = p->end[i], size = x->dims[i];
        int64_t low, high;
        const bool far = begin < -INT32_MAX || begin > INT32_MAX || end < -INT32_MAX ||
                         end > INT32_MAX || size > INT64_MAX / 2;
        if (!far)
            kept_range(p, i, size, &low, &high);
        if (far || size + begin + end < 0 || low > size || high < 0)
            return spacc_op_fail(c, SPACC_ESHAPE,
                                 "axis %d of %" PRId64 " elements with pads %" PRId64
                                 " and %" PRId64,
                                 i, size, begin, end);
        p->dims[i] = size + begin + end;
        if (p->mode != MODE_CONSTANT && low >= high && p->dims[i] > 0)
            return spacc_op_fail(c, SPACC_ESHAPE,
                                 "axis %d has no elements to fill %" PRId64 " from", i,
                                 p->dims[i]);
    }
    return SPACC_OK;
}

/* Remainder that is 0..divisor-1 for negative values as well. */
static int64_t modulo(int64_t v, int64_t divisor)
{
    const int64_t r = v % divisor;
    return r < 0 ? r + divisor : r;
}

/* Input index for position `at`, counted from the first kept element of `count`. */
static int64_t source(enum mode mode, int64_t at, int64_t count)
{
    if (at >= 0 && at < count)
        return at;
    switch (mode) {
    case MODE_EDGE: return at < 0 ? 0 : count - 1;
    case MODE_WRAP: return modulo(at, count);
    case MODE_REFLECT: {
        const int64_t period = count > 1 ? 2 * (count - 1) : 1;
        const int64_t r = modulo(at, period);
        return r < count ? r : period - r;
    }
    default: return OUTSIDE;
    }
}

/* map[axis] points at dims[axis] input indices within the array that is returned. */
static int64_t *make_map(const struct pad *p, const struct spacc_tensor *x,
                         const struct spacc_tensor *y, int64_t *map[SPACC_RANK_MAX])
{
    size_t all = 1;
    for (int i = 0; i < y->rank; i++)
        all += (size_t)y->dims[i];
    int64_t *indices = malloc(all * sizeof(*indices)), *to = indices;
    for (int i = 0; indices && i < y->rank; i++) {
        int64_t low, high;
        kept_range(p, i, x->dims[i], &low, &high);
        map[i] = to;
        for (int64_t o = 0; o < y->dims[i]; o++) {
            const int64_t from =
                source(p->mode, o - (p->begin[i] > 0 ? p->begin[i] : 0), high - low);
            *to++ = from == OUTSIDE ? OUTSIDE : from + low;
        }
    }
    return indices;
}

/* Block of x for the row of output blocks at `index` (the last of `axes` left out), or
 * OUTSIDE. */
static int64_t row_start(const struct spacc_tensor *x, int axes,
                         int64_t *const map[SPACC_RANK_MAX], const int64_t *index)
{
    int64_t at = 0;
    for (int i = 0; i + 1 < axes; i++) {
        const int64_t from = map[i][index[i]];
        if (from == OUTSIDE)
            return OUTSIDE;
        at = at * x->dims[i] + from;
    }
    return at * x->dims[axes - 1];
}

static void repeat(char *to, const void *value, size_t bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        memcpy(to + i * bytes, value, bytes);
}

/* How many entries from `o` on follow each other, or are all OUTSIDE. */
static int64_t run_length(const int64_t *map, int64_t o, int64_t count)
{
    const int64_t step = map[o] == OUTSIDE ? 0 : 1;
    int64_t n = 1;
    while (o + n < count && map[o + n] == map[o] + n * step)
        n++;
    return n;
}

/* What the walk of fill() needs. */
struct walk {
    size_t bytes, block; /* of an element; elements that stay together */
    int axes;            /* the others */
    const void *value;
};

static void fill_row(char *to, const char *from, const int64_t *map, int64_t count,
                     const struct walk *w)
{
    const size_t block_bytes = w->block * w->bytes;
    for (int64_t o = 0; o < count;) {
        const int64_t n = run_length(map, o, count);
        if (map[o] == OUTSIDE || !from)
            repeat(to, w->value, w->bytes, (size_t)n * w->block);
        else
            memcpy(to, from + (size_t)map[o] * block_bytes, (size_t)n * block_bytes);
        to += (size_t)n * block_bytes;
        o += n;
    }
}

/* The last axes that stay as they are move as blocks. */
static struct walk walk_of(const struct pad *p, const struct spacc_tensor *x,
                           const struct spacc_tensor *y, const void *value)
{
    struct walk w = {spacc_dtype_bytes(y->dtype), 1, y->rank, value};
    while (w.axes > 1 && p->begin[w.axes - 1] == 0 && p->end[w.axes - 1] == 0)
        w.block *= (size_t)x->dims[--w.axes];
    return w;
}

static void fill(struct spacc_tensor *y, const struct spacc_tensor *x, const struct pad *p,
                 int64_t *const map[SPACC_RANK_MAX], const void *value)
{
    const struct walk w = walk_of(p, x, y, value);
    const int last = w.axes - 1;
    const size_t row = (size_t)y->dims[last] * w.block;
    int64_t index[SPACC_RANK_MAX] = {0};
    for (size_t o = 0; o < y->count; o += row) {
        const int64_t at = row_start(x, w.axes, map, index);
        const char *from =
            at == OUTSIDE ? NULL : (const char *)x->data + (size_t)at * w.block * w.bytes;
        fill_row((char *)y->data + o * w.bytes, from, map[last], y->dims[last], &w);
        for (int i = last - 1; i >= 0 && ++index[i] == y->dims[i]; i--)
            index[i] = 0;
    }
}

/* The constant in x's type: a float attribute before opset 11, else input 2, else 0. */
static enum spacc_status read_value(struct spacc_op_call *c, int64_t storage[1])
{
    const struct spacc_tensor *x = c->in[0], *t = spacc_ops_in(c, 2);
    const float f = spacc_node_float(c->node, "value", 0.0f);
    const double d = (double)f;
    storage[0] = 0;
    TRY(spacc_ops_attr_opset(c, "value", 1, 10));
    TRY(spacc_ops_input_opset(c, 2, 11, INT32_MAX));
    TRY(spacc_ops_same_type(c, 0, 2));
    if (t && t->count != 1)
        return spacc_op_fail(c, SPACC_ESHAPE, "the constant has %zu elements, it must have 1",
                             t->count);
    if (t && t->data)
        memcpy(storage, t->data, spacc_dtype_bytes(t->dtype));
    else if (x->dtype == SPACC_F32)
        memcpy(storage, &f, sizeof(f));
    else if (x->dtype == SPACC_F64)
        memcpy(storage, &d, sizeof(d));
    return SPACC_OK;
}

enum spacc_status spacc_op_pad(struct spacc_op_call *c)
{
    struct pad p = {0};
    struct spacc_tensor *y;
    int64_t value[1], *map[SPACC_RANK_MAX];
    const unsigned types = spacc_ops_opset(c) < 11 ? SPACC_TYPES_FLOAT : SPACC_TYPES_ALL;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_ALL));
    TRY(spacc_ops_types(c, 0, types));
    TRY(read_mode(c, &p.mode));
    TRY(read_pads(c, &p));
    TRY(read_value(c, value));
    TRY(output_shape(c, &p));
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_op_output(c, 0, x->dtype, x->rank, p.dims, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    if (x->rank == 0) {
        memcpy(y->data, x->data, spacc_dtype_bytes(x->dtype));
        return SPACC_OK;
    }
    int64_t *indices = make_map(&p, x, y, map);
    if (!indices)
        return spacc_op_fail(c, SPACC_ENOMEM, "no memory for the index of %zu elements",
                             y->count);
    fill(y, x, &p, map, value);
    free(indices);
    return SPACC_OK;
}
