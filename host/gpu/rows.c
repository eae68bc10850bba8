/* Operators on rows: Softmax, the reductions, Global* pools; normalisations. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/gpu/parts.h"

/* [outer][length][inner]: rows go along the middle. */
struct rows {
    size_t outer, length, inner;
};

static void set_row_groups(struct spacc_gpu_make *m, size_t rows)
{
    spacc_gpu_groups(m, (const size_t[3]){rows * GPU_ROW, 1, 1},
                     (const size_t[3]){GPU_ROW, 1, 1});
}

/* ---- reductions -------------------------------------------------------------------------- */

static const struct {
    const char *op;
    int number;
} reductions[] = {{"ReduceSum", GPU_SUM},
                  {"ReduceMean", GPU_MEAN},
                  {"ReduceMax", GPU_LARGEST},
                  {"ReduceMin", GPU_SMALLEST},
                  {"ReduceProd", GPU_PRODUCT},
                  {"ReduceL1", GPU_L1},
                  {"ReduceL2", GPU_L2},
                  {"ReduceSumSquare", GPU_SUM_SQUARE},
                  {"GlobalAveragePool", GPU_MEAN},
                  {"GlobalMaxPool", GPU_LARGEST}};

static int reduction_of(const struct spacc_gpu_node *q)
{
    for (size_t i = 0; i < sizeof(reductions) / sizeof(reductions[0]); i++)
        if (spacc_gpu_is_op(q, reductions[i].op))
            return reductions[i].number;
    return -1;
}

/* Which axes go away; false when that is not known now. */
static bool reduced_axes(const struct spacc_gpu_node *q, bool *reduced)
{
    const int rank = spacc_gpu_input(q, 0)->rank;
    const struct spacc_attr *attr = spacc_node_attr(q->node, "axes");
    const struct spacc_tensor *input = spacc_gpu_input(q, 1);
    const int64_t *list = attr ? attr->ints : input ? input->data : NULL;
    const size_t count = attr ? attr->count : input ? input->count : 0;
    const bool pool = strncmp(q->node->op->name, "Global", 6) == 0;

    if (input && (!input->data || input->dtype != SPACC_I64))
        return false;
    for (int d = 0; d < rank; d++)
        reduced[d] = pool ? d >= 2 : count == 0;
    for (size_t i = 0; i < count; i++)
        reduced[spacc_gpu_axis(list[i], rank)] = true;
    return count > 0 || pool || !spacc_node_int(q->node, "noop_with_empty_axes", 0);
}

/* The axes that go away are neighbours, axes of one element aside. */
static bool reduced_rows(const struct spacc_gpu_node *q, struct rows *r)
{
    const struct spacc_tensor *x = spacc_gpu_input(q, 0);
    bool reduced[SPACC_RANK_MAX];

    *r = (struct rows){.outer = 1, .length = 1, .inner = 1};
    if (!reduced_axes(q, reduced))
        return false;
    for (int d = 0; d < x->rank; d++) {
        if (x->dims[d] == 1)
            continue;
        if (reduced[d] && r->inner > 1)
            return false;
        if (reduced[d])
            r->length *= (size_t)x->dims[d];
        else if (r->length > 1)
            r->inner *= (size_t)x->dims[d];
        else
            r->outer *= (size_t)x->dims[d];
    }
    return true;
}

static void make_reduction(struct spacc_gpu_make *m)
{
    const int x = spacc_gpu_in(m, 0), y = spacc_gpu_out(m, 0);
    struct rows r;

    reduced_rows(&m->q, &r);
    spacc_gpu_call(m, SPACC_GPU_reduce, 1, "ssiii", y, x, (int)r.length, (int)r.inner,
                   reduction_of(&m->q));
    set_row_groups(m, r.outer * r.inner);
}

/* ---- softmax --------------------------------------------------------------------------------
 */

/* Before opset 13 all axes from `axis` on are one row. */
static struct rows softmax_rows(const struct spacc_gpu_node *q)
{
    const struct spacc_tensor *x = spacc_gpu_input(q, 0);
    const bool flat = q->g->opset < 13;
    const int axis = spacc_gpu_axis(spacc_node_int(q->node, "axis", flat ? 1 : -1), x->rank);

    return (struct rows){.outer = spacc_gpu_size(x, 0, axis),
                         .length = spacc_gpu_size(x, axis, flat ? x->rank : axis + 1),
                         .inner = flat ? 1 : spacc_gpu_size(x, axis + 1, x->rank)};
}

static void make_softmax(struct spacc_gpu_make *m)
{
    const struct rows r = softmax_rows(&m->q);
    const int x = spacc_gpu_in(m, 0), y = spacc_gpu_out(m, 0);

    spacc_gpu_call(m, SPACC_GPU_softmax, 1, "ssiii", y, x, (int)r.length, (int)r.inner,
                   spacc_gpu_is_op(&m->q, "LogSoftmax"));
    set_row_groups(m, r.outer * r.inner);
}

static const char *refuses_rows(const struct spacc_gpu_node *q)
{
    struct rows r;

    if (!spacc_gpu_output(q, 0) || spacc_gpu_input(q, 0)->rank == 0)
        return "one number";
    if (reduction_of(q) >= 0 && !reduced_rows(q, &r))
        return "axes that are not neighbours, or not known";
    return NULL;
}

static void make_rows(struct spacc_gpu_make *m)
{
    if (reduction_of(&m->q) >= 0)
        make_reduction(m);
    else
        make_softmax(m);
}

static const char *const row_ops[] = {
    "Softmax",           "LogSoftmax",    "ReduceSum", "ReduceMean", "ReduceMax",
    "ReduceMin",         "ReduceProd",    "ReduceL1",  "ReduceL2",   "ReduceSumSquare",
    "GlobalAveragePool", "GlobalMaxPool", NULL};

const struct spacc_gpu_family spacc_gpu_rows = {.kernel = SPACC_GPU_KERNEL("gpu rows"),
                                                .ops = row_ops,
                                                .refuses = refuses_rows,
                                                .make = make_rows};

/* ---- normalisations
 * --------------------------------------------------------------------------- */

static bool is_weights_of(const struct spacc_gpu_node *q, int i, size_t count)
{
    const struct spacc_tensor *t = spacc_gpu_constant(q, i);

    return t && t->dtype == SPACC_F32 && t->count == count;
}

static int layer_axis(const struct spacc_gpu_node *q)
{
    return spacc_gpu_axis(spacc_node_int(q->node, "axis", -1), spacc_gpu_input(q, 0)->rank);
}

static const char *refuses_norm(const struct spacc_gpu_node *q)
{
    const struct spacc_tensor *x = spacc_gpu_input(q, 0);
    const bool batch = spacc_gpu_is_op(q, "BatchNormalization");
    const bool layer = spacc_gpu_is_op(q, "LayerNormalization");
    const size_t count = layer         ? spacc_gpu_size(x, layer_axis(q), x->rank)
                         : x->rank > 1 ? (size_t)x->dims[1]
                                       : 0;

    for (int o = 1; o < q->node->outputs; o++)
        if (spacc_gpu_output(q, o))
            return "more than one result";
    if (!spacc_gpu_output(q, 0) || x->rank < 2)
        return "too few axes";
    if (spacc_gpu_is_op(q, "LRN"))
        return NULL;
    for (int i = 1; i < q->node->inputs && (i < 3 || batch); i++)
        if (!(layer && i == 2 && !spacc_gpu_input(q, i)) && !is_weights_of(q, i, count))
            return "scale or bias is not constant, or broadcast";
    if (batch && (q->g->opset < 7 || spacc_node_int(q->node, "training_mode", 0)))
        return "training";
    return NULL;
}

/* y = x * scale + shift by channel. */
static void make_batch_norm(struct spacc_gpu_make *m)
{
    const struct spacc_tensor *x_shape = spacc_gpu_input(&m->q, 0);
    const size_t channels = (size_t)x_shape->dims[1];
    const float epsilon = spacc_node_float(m->q.node, "epsilon", 1e-5f);
    const float *in[4];
    struct spacc_gpu_post post = spacc_gpu_no_post();
    float *room = spacc_gpu_room(m, 2 * channels);

    for (int i = 0; i < 4; i++)
        in[i] = spacc_gpu_constant(&m->q, i + 1)->data;
    for (size_t c = 0; c < channels && room; c++) {
        room[c] = (float)((double)in[0][c] / sqrt((double)in[3][c] + (double)epsilon));
        room[channels + c] = in[1][c] - in[2][c] * room[c];
    }
    const int list = room ? spacc_gpu_data(m, room, 2 * channels) : -1;
    free(room);
    post.bias = list;
    post.bias_at = channels;
    post.inner = (int)spacc_gpu_size(x_shape, 2, x_shape->rank);
    post.channels = (int)channels;
    const int x = spacc_gpu_in(m, 0);
    const int y =
        m->status ? -1 : spacc_gpu_makes(m, spacc_gpu_join(m, m->q.node->output[0], &post));
    spacc_gpu_finish_with(m, y, x, x_shape->count, list, &post);
}

static void make_moments(struct spacc_gpu_make *m)
{
    const struct spacc_tensor *x_shape = spacc_gpu_input(&m->q, 0);
    const bool layer = spacc_gpu_is_op(&m->q, "LayerNormalization");
    const int axis = layer ? layer_axis(&m->q) : 2;
    const size_t length = spacc_gpu_size(x_shape, axis, x_shape->rank);
    const int x = spacc_gpu_in(m, 0), scale = spacc_gpu_in(m, 1), bias = spacc_gpu_in(m, 2);

    spacc_gpu_call(m, SPACC_GPU_normalise, 1, "ssissiif", spacc_gpu_out(m, 0), x, (int)length,
                   scale, bias, bias >= 0, layer ? 0 : (int)x_shape->dims[1],
                   (double)spacc_node_float(m->q.node, "epsilon", 1e-5f));
    set_row_groups(m, x_shape->count / length);
}

static void make_lrn(struct spacc_gpu_make *m)
{
    const struct spacc_tensor *t = spacc_gpu_input(&m->q, 0);
    const struct spacc_node *node = m->q.node;
    const int x = spacc_gpu_in(m, 0);

    spacc_gpu_call(m, SPACC_GPU_neighbours, t->count, "ssiiiifff", spacc_gpu_out(m, 0), x,
                   (int)t->count, (int)t->dims[1], (int)spacc_gpu_size(t, 2, t->rank),
                   (int)spacc_node_int(node, "size", 1),
                   (double)spacc_node_float(node, "alpha", 1e-4f),
                   (double)spacc_node_float(node, "beta", 0.75f),
                   (double)spacc_node_float(node, "bias", 1.0f));
}

static void make_norm(struct spacc_gpu_make *m)
{
    if (spacc_gpu_is_op(&m->q, "BatchNormalization"))
        make_batch_norm(m);
    else if (spacc_gpu_is_op(&m->q, "LRN"))
        make_lrn(m);
    else
        make_moments(m);
}

static const char *const norm_ops[] = {"BatchNormalization", "InstanceNormalization",
                                       "LayerNormalization", "LRN", NULL};

const struct spacc_gpu_family spacc_gpu_norm = {.kernel = SPACC_GPU_KERNEL("gpu norm"),
                                                .ops = norm_ops,
                                                .refuses = refuses_norm,
                                                .make = make_norm};
