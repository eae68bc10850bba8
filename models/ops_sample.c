/* Values between the elements of an image: GridSample and RoiAlign. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "models/ops_util.h"

/* ---- GridSample -------------------------------------------------------------- */

enum { GRID_AXES_MAX = 3, TAPS_MAX = 4 };
enum mode { LINEAR, NEAREST, CUBIC };
enum padding { ZEROS, BORDER, REFLECTION };

struct grid {
    int axes; /* 2 or 3 */
    enum mode mode;
    enum padding padding;
    bool align;
    int64_t in[GRID_AXES_MAX], step[GRID_AXES_MAX], plane; /* of one channel of x */
};

/* The elements along one axis that make a value; index -1 counts as 0. */
struct taps {
    int count;
    int64_t index[TAPS_MAX];
    float weight[TAPS_MAX];
};

/* x folded back into low..high. */
static float reflect(float x, float low, float high)
{
    const float range = high - low;
    if (!(range > 0.0f))
        return low;
    const float far = x < low ? low - x : x > high ? x - high : -1.0f;
    if (far < 0.0f)
        return x;
    const float turns = floorf(far / range), rest = far - turns * range;
    const bool even = fmodf(turns, 2.0f) == 0.0f;
    return (x < low) == even ? low + rest : high - rest;
}

/* Ends between which a coordinate is inside. */
static float low_end(const struct grid *g)
{
    return g->align ? 0.0f : -0.5f;
}

static float high_end(const struct grid *g, int axis)
{
    return (float)g->in[axis] - (g->align ? 1.0f : 0.5f);
}

/* -1..1 to a coordinate, moved inside where the padding mode says so. */
static float coordinate(const struct grid *g, int axis, float v)
{
    const float size = (float)g->in[axis];
    float x = g->align ? (v + 1.0f) / 2.0f * (size - 1.0f) : ((v + 1.0f) * size - 1.0f) / 2.0f;
    if (!(fabsf(x) < 1e9f))
        x = x > 0.0f ? 1e9f : -1e9f; /* NaN: far outside */
    if (g->mode == NEAREST)
        x = nearbyintf(x);
    if (x >= low_end(g) && x <= high_end(g, axis))
        return x;
    if (g->padding == BORDER && g->mode != CUBIC)
        return x < 0.0f ? 0.0f : x > size - 1.0f ? size - 1.0f : x;
    return g->padding == REFLECTION ? reflect(x, low_end(g), high_end(g, axis)) : x;
}

static int64_t inside(const struct grid *g, int axis, int64_t at)
{
    const int64_t last = g->in[axis] - 1;
    if (at >= 0 && at <= last)
        return at;
    if (g->padding == ZEROS)
        return -1;
    if (g->padding == REFLECTION)
        at = (int64_t)reflect((float)at, low_end(g), high_end(g, axis));
    return at < 0 ? 0 : at > last ? last : at;
}

static float keys(float d)
{
    const float a = -0.75f, x = fabsf(d);
    if (x <= 1.0f)
        return ((a + 2.0f) * x - (a + 3.0f)) * x * x + 1.0f;
    return ((a * x - 5.0f * a) * x + 8.0f * a) * x - 4.0f * a;
}

static void fill_taps(const struct grid *g, int axis, float x, struct taps *t)
{
    const int64_t left = (int64_t)floorf(x);
    const float part = x - floorf(x);
    t->count = g->mode == NEAREST ? 1 : g->mode == LINEAR ? 2 : 4;
    for (int k = 0; k < t->count; k++) {
        const int64_t offset = g->mode == CUBIC ? k - 1 : k;
        t->index[k] = inside(g, axis, left + offset);
        t->weight[k] = g->mode == NEAREST  ? 1.0f
                       : g->mode == LINEAR ? (k == 0 ? 1.0f - part : part)
                                           : keys((float)offset - part);
    }
}

/* Sum over the taps of all axes from `axis` on, at element `base` of x. */
static float mix(const struct grid *g, const struct taps *t, const float *x, int64_t base,
                 int axis)
{
    float sum = 0.0f;
    for (int k = 0; k < t[axis].count; k++) {
        if (t[axis].index[k] < 0)
            continue;
        const int64_t at = base + t[axis].index[k] * g->step[axis];
        const bool last = axis + 1 == g->axes || axis + 1 == GRID_AXES_MAX;
        sum += t[axis].weight[k] * (last ? x[at] : mix(g, t, x, at, axis + 1));
    }
    return sum;
}

static enum spacc_status choose(struct spacc_op_call *c, const char *name,
                                const char *const *words, int count, const char *otherwise,
                                int *out)
{
    const char *word = spacc_node_string(c->node, name, otherwise);
    for (int i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0) {
            *out = i;
            return SPACC_OK;
        }
    return spacc_op_fail(c, SPACC_EUNSUPPORTED, "%s %s is not supported in opset %d", name,
                         word, spacc_ops_opset(c));
}

static enum spacc_status read_grid(struct spacc_op_call *c, struct grid *g)
{
    static const char *const old[] = {"bilinear", "nearest", "bicubic"};
    static const char *const modes[] = {"linear", "nearest", "cubic"};
    static const char *const paddings[] = {"zeros", "border", "reflection"};
    const bool is_old = spacc_ops_opset(c) < 20;
    int mode = 0, padding = 0;
    TRY(choose(c, "mode", is_old ? old : modes, 3, is_old ? old[0] : modes[0], &mode));
    TRY(choose(c, "padding_mode", paddings, 3, paddings[0], &padding));
    g->mode = (enum mode)mode;
    g->padding = (enum padding)padding;
    g->align = spacc_node_int(c->node, "align_corners", 0) != 0;
    return SPACC_OK;
}

static enum spacc_status plan_grid(struct spacc_op_call *c, struct grid *g,
                                   int64_t dims[SPACC_RANK_MAX])
{
    const struct spacc_tensor *x = c->in[0], *grid = c->in[1];
    char left[SPACC_TEXT_BYTES], right[SPACC_TEXT_BYTES];
    const int most = spacc_ops_opset(c) < 20 ? 4 : 5;
    g->axes = x->rank - 2;
    if (x->rank < 4 || x->rank > most || grid->rank != x->rank || grid->dims[0] != x->dims[0] ||
        grid->dims[grid->rank - 1] != g->axes)
        return spacc_op_fail(c, SPACC_ESHAPE, "a grid of shape %s for an image of %s",
                             spacc_ops_shape_text(left, grid->rank, grid->dims),
                             spacc_ops_shape_text(right, x->rank, x->dims));
    dims[0] = x->dims[0];
    dims[1] = x->dims[1];
    for (int i = 0; i < g->axes; i++) {
        g->in[i] = x->dims[i + 2];
        dims[i + 2] = grid->dims[i + 1];
        if (g->in[i] < 1 || g->in[i] > INT32_MAX)
            return spacc_op_fail(c, SPACC_ESHAPE, "axis %d has %" PRId64 " elements", i + 2,
                                 g->in[i]);
    }
    return SPACC_OK;
}

/* One image: `points` coordinates, `channels` planes. */
static void sample(const struct grid *g, float *y, const float *x, const float *at,
                   int64_t channels, int64_t points)
{
    for (int64_t p = 0; p < points; p++) {
        struct taps t[GRID_AXES_MAX];
        for (int i = 0; i < g->axes; i++) /* the grid has the last axis first */
            fill_taps(g, i, coordinate(g, i, at[p * g->axes + g->axes - 1 - i]), &t[i]);
        for (int64_t k = 0; k < channels; k++)
            y[k * points + p] = mix(g, t, x + k * g->plane, 0, 0);
    }
}

enum spacc_status spacc_op_grid_sample(struct spacc_op_call *c)
{
    struct grid g = {0};
    struct spacc_tensor *y;
    int64_t dims[SPACC_RANK_MAX];
    TRY(spacc_ops_check(c, 2, SPACC_TYPE(F32)));
    TRY(read_grid(c, &g));
    TRY(plan_grid(c, &g, dims));
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_op_output(c, 0, SPACC_F32, x->rank, dims, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    spacc_ops_strides(g.step, g.axes, g.in);
    g.plane = g.step[0] * g.in[0];
    const int64_t channels = dims[1], points = (int64_t)y->count / dims[0] / channels;
    for (int64_t n = 0; n < dims[0]; n++)
        sample(&g, (float *)y->data + n * channels * points,
               (const float *)x->data + n * channels * g.plane,
               (const float *)c->in[1]->data + n * points * g.axes, channels, points);
    return SPACC_OK;
}

/* ---- RoiAlign ---------------------------------------------------------------- */

enum { SAMPLES_MAX = 4096 }; /* along one side of a bin */

struct align {
    bool half_pixel, is_max;
    int64_t height, width; /* of the output */
    int64_t samples;       /* along a side of a bin; 0: as many as it has elements */
    float scale;
    int64_t in_height, in_width, channels;
};

/* A region: where it starts, how large a bin is, samples in it. */
struct region {
    float y, x, bin_height, bin_width;
    int64_t rows, columns;
};

/* The four elements around one place along an axis. */
static void corners(float v, int64_t size, int64_t at[2], float weight[2])
{
    if (v <= 0.0f)
        v = 0.0f;
    at[0] = (int64_t)v;
    at[1] = at[0] + 1;
    if (at[0] >= size - 1) {
        at[0] = at[1] = size - 1;
        v = (float)at[0];
    }
    weight[1] = v - (float)at[0];
    weight[0] = 1.0f - weight[1];
}

/* One sample: what its four neighbours give, added up or the largest of them. */
static float sample_at(const struct align *a, const float *plane, float y, float x)
{
    int64_t row[2], column[2];
    float rows[2], columns[2], sum = 0.0f, largest = 0.0f;
    if (!(y >= -1.0f && y <= (float)a->in_height && x >= -1.0f && x <= (float)a->in_width))
        return 0.0f;
    corners(y, a->in_height, row, rows);
    corners(x, a->in_width, column, columns);
    for (int i = 0; i < 4; i++) {
        const float v =
            rows[i / 2] * columns[i % 2] * plane[row[i / 2] * a->in_width + column[i % 2]];
        sum += v;
        largest = i == 0 || v > largest ? v : largest;
    }
    return a->is_max ? largest : sum;
}

static float bin(const struct align *a, const struct region *r, const float *plane, int64_t row,
                 int64_t column)
{
    float sum = 0.0f, largest = 0.0f;
    for (int64_t i = 0; i < r->rows; i++)
        for (int64_t j = 0; j < r->columns; j++) {
            const float y = r->y + (float)row * r->bin_height +
                            ((float)i + 0.5f) * r->bin_height / (float)r->rows;
            const float x = r->x + (float)column * r->bin_width +
                            ((float)j + 0.5f) * r->bin_width / (float)r->columns;
            const float v = sample_at(a, plane, y, x);
            sum += v;
            largest = (i == 0 && j == 0) || v > largest ? v : largest;
        }
    const int64_t count = r->rows * r->columns;
    return a->is_max ? largest : sum / (float)(count > 0 ? count : 1);
}

static enum spacc_status read_region(struct spacc_op_call *c, const struct align *a,
                                     const float *roi, struct region *r)
{
    const float offset = a->half_pixel ? 0.5f : 0.0f;
    r->x = roi[0] * a->scale - offset;
    r->y = roi[1] * a->scale - offset;
    float width = roi[2] * a->scale - offset - r->x, height = roi[3] * a->scale - offset - r->y;
    if (!a->half_pixel) {
        width = width < 1.0f ? 1.0f : width;
        height = height < 1.0f ? 1.0f : height;
    }
    r->bin_width = width / (float)a->width;
    r->bin_height = height / (float)a->height;
    if (!(fabsf(r->bin_width) <= (float)SAMPLES_MAX) ||
        !(fabsf(r->bin_height) <= (float)SAMPLES_MAX))
        return spacc_op_fail(c, SPACC_EUNSUPPORTED, "a region of %g x %g", (double)width,
                             (double)height);
    r->rows = a->samples ? a->samples : (int64_t)ceilf(r->bin_height);
    r->columns = a->samples ? a->samples : (int64_t)ceilf(r->bin_width);
    return SPACC_OK;
}

static enum spacc_status read_align(struct spacc_op_call *c, struct align *a)
{
    static const char *const modes[] = {"avg", "max"};
    static const char *const transforms[] = {"output_half_pixel", "half_pixel"};
    int mode = 0, half = 0;
    TRY(spacc_ops_attr_opset(c, "coordinate_transformation_mode", 16, INT32_MAX));
    TRY(choose(c, "mode", modes, 2, modes[0], &mode));
    if (spacc_ops_opset(c) >= 16)
        TRY(choose(c, "coordinate_transformation_mode", transforms, 2, transforms[1], &half));
    a->is_max = mode == 1;
    a->half_pixel = half == 1;
    a->height = spacc_node_int(c->node, "output_height", 1);
    a->width = spacc_node_int(c->node, "output_width", 1);
    a->samples = spacc_node_int(c->node, "sampling_ratio", 0);
    a->scale = spacc_node_float(c->node, "spatial_scale", 1.0f);
    if (a->height < 1 || a->width < 1 || a->height > INT32_MAX || a->width > INT32_MAX ||
        a->samples < 0 || a->samples > SAMPLES_MAX)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED,
                             "an output of %" PRId64 " x %" PRId64 " with %" PRId64 " samples",
                             a->height, a->width, a->samples);
    return SPACC_OK;
}

static enum spacc_status check_align(struct spacc_op_call *c, struct align *a)
{
    const struct spacc_tensor *x = c->in[0], *rois = c->in[1], *batch = c->in[2];
    char one[SPACC_TEXT_BYTES], two[SPACC_TEXT_BYTES], three[SPACC_TEXT_BYTES];
    if (x->rank != 4 || rois->rank != 2 || rois->dims[1] != 4 || batch->rank != 1 ||
        batch->dims[0] != rois->dims[0] || x->dims[2] < 1 || x->dims[3] < 1)
        return spacc_op_fail(c, SPACC_ESHAPE, "image %s, regions %s, batch indices %s",
                             spacc_ops_shape_text(one, x->rank, x->dims),
                             spacc_ops_shape_text(two, rois->rank, rois->dims),
                             spacc_ops_shape_text(three, batch->rank, batch->dims));
    a->channels = x->dims[1];
    a->in_height = x->dims[2];
    a->in_width = x->dims[3];
    return SPACC_OK;
}

static enum spacc_status align_region(struct spacc_op_call *c, const struct align *a, int64_t n,
                                      float *y)
{
    const struct spacc_tensor *x = c->in[0];
    const int64_t image = ((const int64_t *)c->in[2]->data)[n];
    const int64_t plane = a->in_height * a->in_width;
    struct region r = {0};
    if (image < 0 || image >= x->dims[0])
        return spacc_op_fail(c, SPACC_ESHAPE, "batch index %" PRId64 " of a batch of %" PRId64,
                             image, x->dims[0]);
    TRY(read_region(c, a, (const float *)c->in[1]->data + n * 4, &r));
    for (int64_t k = 0; k < a->channels; k++)
        for (int64_t i = 0; i < a->height; i++)
            for (int64_t j = 0; j < a->width; j++)
                *y++ = bin(a, &r, (const float *)x->data + (image * a->channels + k) * plane, i,
                           j);
    return SPACC_OK;
}

enum spacc_status spacc_op_roi_align(struct spacc_op_call *c)
{
    struct align a = {0};
    struct spacc_tensor *y;
    TRY(spacc_ops_types(c, 0, SPACC_TYPE(F32)));
    TRY(spacc_ops_types(c, 1, SPACC_TYPE(F32)));
    TRY(spacc_ops_types(c, 2, SPACC_TYPE(I64)));
    TRY(spacc_ops_check(c, 3, SPACC_TYPES_ALL));
    TRY(read_align(c, &a));
    TRY(check_align(c, &a));
    const int64_t regions = c->in[1]->dims[0];
    TRY(spacc_op_output(c, 0, SPACC_F32, 4,
                        (const int64_t[]){regions, a.channels, a.height, a.width}, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    const int64_t each = a.channels * a.height * a.width;
    for (int64_t n = 0; n < regions; n++)
        TRY(align_region(c, &a, n, (float *)y->data + n * each));
    return SPACC_OK;
}
