/* Movers: what goes where is found on numbers (host/cpu/numbers.h) and kept as an index on the
 * device; neighbours that stay together are a copy, or a view. */
#include <stdlib.h>
#include <string.h>

#include "host/cpu/numbers.h"
#include "host/gpu/parts.h"

enum { ELEMENTS_MAX = 1 << 24, FIRST = 1, OTHERS = -2 };

static const char *refuses_moved(const struct spacc_gpu_node *q, int moved)
{
    size_t elements = 0;

    if (q->node->inputs > SPACC_NUMBERS_INPUTS || q->node->outputs > SPACC_NUMBERS_INPUTS)
        return "too many tensors";
    for (int i = 0; i < q->node->inputs; i++) {
        const struct spacc_tensor *t = spacc_gpu_input(q, i);
        if (!t)
            continue;
        if (!spacc_is_moved(moved, i) && !t->data)
            return "where to is not constant";
        if (spacc_is_moved(moved, i) && t->dtype != SPACC_F32)
            return "what is moved is not float32";
        elements += spacc_is_moved(moved, i) ? t->count : 0;
    }
    for (int o = 0; o < q->node->outputs; o++)
        elements += spacc_gpu_output(q, o) ? spacc_gpu_output(q, o)->count : 0;
    return elements > ELEMENTS_MAX ? "too many elements to move" : NULL;
}

static const char *refuses(const struct spacc_gpu_node *q)
{
    const int moved = spacc_moved_inputs(q->node);

    if (moved == 0)
        return "elements are added up";
    if (spacc_node_float(q->node, "value", 0.0f) != 0.0f)
        return "the value of a Pad before opset 11";
    return refuses_moved(q, moved);
}

/* ---- the index of one input in one output ------------------------------------------------ */

struct part {
    int input;
    size_t first, last; /* elements of the result, last one excluded */
    bool together;      /* neighbours, in order */
};

/* What result element `at` reads of input i, or GPU_PADDING, or OTHERS. */
static int32_t index_at(const struct spacc_numbers *m, const int32_t *v, size_t at, int i)
{
    if (v[at] == 0)
        return i == 0 ? GPU_PADDING : OTHERS;
    return (size_t)v[at] > m->first[i] && (size_t)v[at] <= m->first[i + 1]
               ? (int32_t)((size_t)v[at] - m->first[i] - 1)
               : OTHERS;
}

static struct part part_of(const struct spacc_numbers *m, const struct spacc_tensor *t, int i)
{
    struct part p = {.input = i, .together = true};
    int32_t before = 0;

    for (size_t at = 0; at < t->count; at++) {
        const int32_t now = index_at(m, t->data, at, i);
        if (now == OTHERS)
            continue;
        p.together =
            p.together && now >= 0 && (p.last == 0 || (p.last == at && now == before + 1));
        p.first = p.last == 0 ? at : p.first;
        p.last = at + 1;
        before = now;
    }
    return p;
}

static float padding_of(const struct spacc_gpu_node *q)
{
    const struct spacc_tensor *t =
        spacc_is_pad(q->node) ? spacc_gpu_constant(q, SPACC_PAD_VALUE) : NULL;

    return t && t->count ? *(const float *)t->data : 0.0f;
}

static void gather(struct spacc_gpu_make *m, const struct spacc_numbers *numbers,
                   const struct part *p, const int32_t *v, int y, int x)
{
    const size_t count = p->last - p->first;
    int32_t *index = spacc_gpu_room(m, count);

    for (size_t i = 0; index && i < count; i++)
        index[i] = index_at(numbers, v, p->first + i, p->input);
    const int kept = index ? spacc_gpu_data(m, index, count) : -1;
    free(index);
    spacc_gpu_call(m, SPACC_GPU_gather, count, "assif", y, p->first, x, kept, (int)count,
                   (double)padding_of(&m->q));
}

static void move_part(struct spacc_gpu_make *m, const struct spacc_numbers *numbers,
                      const struct part *p, const int32_t *v, int y)
{
    const int x = spacc_gpu_in(m, p->input);
    const size_t count = p->last - p->first;

    if (p->together)
        spacc_gpu_call(m, SPACC_GPU_copy, count, "aai", y, p->first, x,
                       (size_t)index_at(numbers, v, p->first, p->input), (int)count);
    else
        gather(m, numbers, p, v, y, x);
}

static void move_output(struct spacc_gpu_make *m, const struct spacc_numbers *numbers, int o,
                        int moved)
{
    const struct spacc_tensor *t = numbers->out[o];
    int y = -1;

    for (int i = 0; i < m->q.node->inputs; i++) {
        if (!spacc_is_moved(moved, i) || !spacc_gpu_input(&m->q, i))
            continue;
        const struct part p = part_of(numbers, t, i);
        if (p.together && p.last - p.first == t->count) {
            spacc_gpu_look(m, o, i, (size_t)index_at(numbers, t->data, 0, i));
            return;
        }
        if (p.last == 0)
            continue;
        y = y < 0 ? spacc_gpu_out(m, o) : y;
        move_part(m, numbers, &p, t->data, y);
    }
}

static void make_moved(struct spacc_gpu_make *m, int moved)
{
    const struct spacc_node *node = m->q.node;
    struct spacc_numbers numbers = {.first = {0}};

    m->status = spacc_numbers_of(&numbers, m->b, m->n, moved);
    if (m->status == SPACC_ENOMEM)
        spacc_cpu_no_memory(m->b);
    else if (m->status)
        m->status = spacc_fail(m->b->err, SPACC_EUNSUPPORTED,
                               "%s: node %s (%s): not known what moves where", m->q.g->file,
                               node->name, node->op->name);
    for (int o = 0; o < node->outputs && !m->status; o++)
        if (node->output[o] >= 0 && m->b->e->slot[node->output[o]].home != SPACC_HOME_CONSTANT)
            move_output(m, &numbers, o, moved);
    spacc_numbers_release(&numbers);
}

static void make(struct spacc_gpu_make *m)
{
    make_moved(m, spacc_moved_inputs(m->q.node));
}

static const char *const ops[] = {
    "Slice",     "Split",           "Concat", "Transpose",    "Gather",       "GatherElements",
    "GatherND",  "Expand",          "Tile",   "DepthToSpace", "SpaceToDepth", "Pad",
    "ScatterND", "ScatterElements", NULL};

const struct spacc_gpu_family spacc_gpu_move = {
    .kernel = SPACC_GPU_KERNEL("gpu move"), .ops = ops, .refuses = refuses, .make = make};

/* ---- Resize: nearest is a move, linear has two neighbours on each of three axes -------------
 */

enum { AXES = 3 };

struct stretch {
    int64_t in[AXES], out[AXES]; /* the last axes */
    double scale[AXES], length[AXES];
};

static bool is_nearest(const struct spacc_gpu_node *q)
{
    return strcmp(spacc_node_string(q->node, "mode", "nearest"), "nearest") == 0;
}

/* Scales, or sizes, of all axes; false when they are no constants. */
static bool scales_of(const struct spacc_gpu_node *q, double *scale, double *length)
{
    const struct spacc_tensor *x = spacc_gpu_input(q, 0), *y = spacc_gpu_output(q, 0);
    const int at = q->node->inputs == 2 ? 1 : 2; /* before opset 11 */
    const struct spacc_tensor *scales = spacc_gpu_constant(q, at);
    const bool by_scale = scales && scales->count > 0;

    if (by_scale && (scales->dtype != SPACC_F32 || scales->count != (size_t)x->rank))
        return false;
    for (int d = 0; d < x->rank; d++) {
        const float s =
            by_scale ? ((const float *)scales->data)[d] : (float)y->dims[d] / (float)x->dims[d];
        scale[d] = (double)s;
        length[d] = by_scale ? (double)(s * (float)x->dims[d]) : (double)y->dims[d];
    }
    return true;
}

static bool stretch_of(const struct spacc_gpu_node *q, struct stretch *s)
{
    const struct spacc_tensor *x = spacc_gpu_input(q, 0), *y = spacc_gpu_output(q, 0);
    double scale[SPACC_RANK_MAX], length[SPACC_RANK_MAX];

    if (!scales_of(q, scale, length))
        return false;
    for (int d = 0; d < x->rank - AXES; d++)
        if (x->dims[d] != y->dims[d] || scale[d] != 1.0)
            return false;
    for (int i = 0; i < AXES; i++) {
        const int d = x->rank - AXES + i;
        s->in[i] = d < 0 ? 1 : x->dims[d];
        s->out[i] = d < 0 ? 1 : y->dims[d];
        s->scale[i] = d < 0 ? 1.0 : scale[d];
        s->length[i] = d < 0 ? 1.0 : length[d];
    }
    return true;
}

static const char *transform_of(const struct spacc_gpu_node *q)
{
    return spacc_node_string(q->node, "coordinate_transformation_mode",
                             q->g->opset < 11 ? "asymmetric" : "half_pixel");
}

static const char *refuses_linear(const struct spacc_gpu_node *q)
{
    static const char *const known[] = {"half_pixel", "pytorch_half_pixel", "align_corners",
                                        "asymmetric"};
    struct stretch s;
    bool is_known = false;

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        is_known = is_known || strcmp(transform_of(q), known[i]) == 0;
    if (strcmp(spacc_node_string(q->node, "mode", "nearest"), "linear") != 0 || !is_known)
        return "a mode of Resize";
    if (spacc_node_int(q->node, "antialias", 0) ||
        spacc_node_int(q->node, "exclude_outside", 0))
        return "antialias or exclude_outside";
    return stretch_of(q, &s) ? NULL : "more than the last three axes change";
}

static const char *refuses_resize(const struct spacc_gpu_node *q)
{
    if (strcmp(transform_of(q), "tf_crop_and_resize") == 0)
        return "crop and resize";
    if (spacc_node_attr(q->node, "axes") ||
        spacc_node_attr(q->node, "keep_aspect_ratio_policy"))
        return "axes or an aspect ratio";
    const char *why = refuses_moved(q, FIRST);
    return why || is_nearest(q) ? why : refuses_linear(q);
}

static double coordinate(const struct stretch *s, const char *transform, int axis, int64_t o)
{
    const double x = (double)o, out = (double)s->out[axis];

    if (strcmp(transform, "asymmetric") == 0)
        return x / s->scale[axis];
    if (strcmp(transform, "align_corners") == 0)
        return out > 1.0 ? x * (double)(s->in[axis] - 1) / (s->length[axis] - 1.0) : 0.0;
    if (strcmp(transform, "pytorch_half_pixel") == 0 && out <= 1.0)
        return 0.0;
    return (x + 0.5) / s->scale[axis] - 0.5;
}

/* low[], high[] and the share of high, for the outputs of an axis. */
static void fill_axis(const struct stretch *s, const char *transform, int axis, int32_t *low,
                      int32_t *high, float *share)
{
    const int64_t last = s->in[axis] - 1;

    for (int64_t o = 0; o < s->out[axis]; o++) {
        const double x = coordinate(s, transform, axis, o);
        const double inside = x < 0.0 ? 0.0 : x > (double)last ? (double)last : x;
        low[o] = (int32_t)inside;
        high[o] = low[o] < last ? low[o] + 1 : low[o];
        share[o] = (float)(inside - (double)low[o]);
    }
}

static void make_linear(struct spacc_gpu_make *m)
{
    const size_t count = spacc_gpu_output(&m->q, 0)->count;
    struct stretch s;

    stretch_of(&m->q, &s);
    const size_t each = (size_t)(s.out[0] + s.out[1] + s.out[2]);
    void *room = spacc_gpu_room(m, 3 * each);
    int32_t *low = room, *high = room ? low + each : NULL;
    float *share = room;
    for (int i = 0, at = 0; i < AXES && room; at += (int)s.out[i++])
        fill_axis(&s, transform_of(&m->q), i, low + at, high + at, share + 2 * each + at);
    const int x = spacc_gpu_in(m, 0), lists = room ? spacc_gpu_data(m, room, 3 * each) : -1;
    free(room);
    const int y = spacc_gpu_out(m, 0);
    spacc_gpu_call(m, SPACC_GPU_stretch, count, "ssisaaiiiiii", y, x, (int)count, lists, lists,
                   each, lists, 2 * each, (int)s.in[0], (int)s.in[1], (int)s.in[2],
                   (int)s.out[0], (int)s.out[1], (int)s.out[2]);
}

static void make_resize(struct spacc_gpu_make *m)
{
    if (is_nearest(&m->q))
        make_moved(m, FIRST);
    else
        make_linear(m);
}

static const char *const resizes[] = {"Resize", "Upsample", NULL};

const struct spacc_gpu_family spacc_gpu_resize = {.kernel = SPACC_GPU_KERNEL("gpu resize"),
                                                  .ops = resizes,
                                                  .refuses = refuses_resize,
                                                  .make = make_resize};
