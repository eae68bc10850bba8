/* NonMaxSuppression: of boxes that overlap, the ones with the best scores. */
#include "models/ops_order.h"

#include <inttypes.h>
#include <stdlib.h>

enum { BOXES, SCORES, MOST, OVERLAP, THRESHOLD, INPUTS };

struct nms {
    const float *boxes, *scores; /* [batches][count][4], [batches][classes][count] */
    size_t batches, classes, count;
    int64_t most; /* per class */
    float overlap, threshold;
    bool has_threshold, centers; /* boxes are centre x, y, width, height */
    size_t *index, *room, *kept; /* count entries each */
    int64_t *found;              /* batch, class, box of every one that is kept */
    size_t found_count;
};

struct box {
    float top, left, bottom, right;
};

static float least(float a, float b)
{
    return a < b ? a : b;
}

static float most(float a, float b)
{
    return a > b ? a : b;
}

static struct box box_of(const struct nms *n, size_t batch, size_t i)
{
    const float *b = n->boxes + (batch * n->count + i) * 4;
    if (n->centers)
        return (struct box){b[1] - b[3] / 2, b[0] - b[2] / 2, b[1] + b[3] / 2, b[0] + b[2] / 2};
    return (struct box){least(b[0], b[2]), least(b[1], b[3]), most(b[0], b[2]),
                        most(b[1], b[3])};
}

static float area(const struct box *b)
{
    return (b->bottom - b->top) * (b->right - b->left);
}

/* Intersection over union above the limit. */
static bool overlaps(const struct nms *n, const struct box *a, const struct box *b)
{
    const float height = least(a->bottom, b->bottom) - most(a->top, b->top);
    const float width = least(a->right, b->right) - most(a->left, b->left);
    if (height <= 0.0f || width <= 0.0f)
        return false;
    const float both = height * width, either = area(a) + area(b) - both;
    return either > 0.0f && both / either > n->overlap;
}

static int by_score(const void *user, size_t a, size_t b)
{
    const float *score = user;
    return (score[a] < score[b]) - (score[a] > score[b]);
}

static bool is_suppressed(const struct nms *n, size_t batch, size_t i, size_t kept)
{
    const struct box box = box_of(n, batch, i);
    for (size_t k = 0; k < kept; k++) {
        const struct box other = box_of(n, batch, n->kept[k]);
        if (overlaps(n, &box, &other))
            return true;
    }
    return false;
}

static void run_class(struct nms *n, size_t batch, size_t class)
{
    const float *score = n->scores + (batch * n->classes + class) * n->count;
    size_t candidates = 0, kept = 0;
    for (size_t i = 0; i < n->count; i++)
        if (score[i] == score[i] && (!n->has_threshold || score[i] > n->threshold))
            n->index[candidates++] = i;
    spacc_ops_sort(n->index, n->room, candidates, by_score, score);
    for (size_t i = 0; i < candidates && (int64_t)kept < n->most; i++) {
        if (is_suppressed(n, batch, n->index[i], kept))
            continue;
        int64_t *to = n->found + 3 * n->found_count++;
        to[0] = (int64_t)batch;
        to[1] = (int64_t) class;
        to[2] = (int64_t)n->index[i];
        n->kept[kept++] = n->index[i];
    }
}

static enum spacc_status give_found(struct spacc_op_call *c, const struct nms *n)
{
    struct spacc_tensor *y;
    TRY(spacc_op_output(c, 0, SPACC_I64, 2, (const int64_t[]){(int64_t)n->found_count, 3}, &y));
    if (!c->shape_only)
        spacc_ops_memcpy(y->data, n->found, 3 * n->found_count * sizeof(*n->found));
    return SPACC_OK;
}

static enum spacc_status run_classes(struct spacc_op_call *c, struct nms *n)
{
    enum spacc_status status = SPACC_ENOMEM;
    n->index = calloc(3 * n->count + 1, sizeof(*n->index));
    n->found = calloc(3 * c->in[SCORES]->count + 1, sizeof(*n->found));
    if (!n->index || !n->found) {
        spacc_op_fail(c, status, "no memory for %zu boxes", n->count);
        goto out;
    }
    n->room = n->index + n->count;
    n->kept = n->room + n->count;
    for (size_t batch = 0; batch < n->batches; batch++)
        for (size_t class = 0; class < n->classes; class ++)
            run_class(n, batch, class);
    status = give_found(c, n);
out:
    free(n->index);
    free(n->found);
    return status;
}

static enum spacc_status check_shapes(struct spacc_op_call *c)
{
    char has[SPACC_TEXT_BYTES], other[SPACC_TEXT_BYTES];
    const struct spacc_tensor *b = c->in[BOXES], *s = c->in[SCORES];
    if (b->rank == 3 && s->rank == 3 && b->dims[2] == 4 && b->dims[0] == s->dims[0] &&
        b->dims[1] == s->dims[2])
        return SPACC_OK;
    return spacc_op_fail(c, SPACC_ESHAPE,
                         "boxes %s and scores %s are not [batch,count,4] and "
                         "[batch,class,count]",
                         spacc_ops_shape_text(has, b->rank, b->dims),
                         spacc_ops_shape_text(other, s->rank, s->dims));
}

static enum spacc_status check_inputs(struct spacc_op_call *c)
{
    TRY(spacc_ops_check(c, 2, SPACC_TYPE(F32) | SPACC_TYPE(I64)));
    for (int i = 0; i < INPUTS; i++)
        TRY(spacc_ops_types(c, i, i == MOST ? SPACC_TYPE(I64) : SPACC_TYPE(F32)));
    for (int i = MOST; i < INPUTS; i++)
        TRY(spacc_ops_scalar(c, i));
    TRY(check_shapes(c));
    for (int i = 0; i < INPUTS; i++)
        if (spacc_ops_in(c, i))
            TRY(spacc_op_needs(c, i));
    return SPACC_OK;
}

/* Without a limit of boxes there are none. The shape hangs on all contents. */
enum spacc_status spacc_op_non_max_suppression(struct spacc_op_call *c)
{
    TRY(check_inputs(c));
    const struct spacc_tensor *limit = spacc_ops_in(c, MOST);
    const struct spacc_tensor *overlap = spacc_ops_in(c, OVERLAP);
    const struct spacc_tensor *threshold = spacc_ops_in(c, THRESHOLD);
    struct nms n = {
        .boxes = c->in[BOXES]->data,
        .scores = c->in[SCORES]->data,
        .batches = (size_t)c->in[SCORES]->dims[0],
        .classes = (size_t)c->in[SCORES]->dims[1],
        .count = (size_t)c->in[SCORES]->dims[2],
        .most = limit ? *(const int64_t *)limit->data : 0,
        .overlap = overlap ? *(const float *)overlap->data : 0.0f,
        .has_threshold = threshold != NULL,
        .threshold = threshold ? *(const float *)threshold->data : 0.0f,
        .centers = spacc_node_int(c->node, "center_point_box", 0) != 0,
    };
    return run_classes(c, &n);
}
