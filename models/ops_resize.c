/* Resize and Upsample, one axis after another: each output index of an axis has taps, input
 * indices with weights. Axes that shrink go first, so that nothing between is larger than
 * the input or the output. Coordinates are float32, as ONNX Runtime has them: ties of the
 * nearest element depend on it. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models/ops_util.h"

enum mode { NEAREST, LINEAR, CUBIC };

enum transform {
    HALF_PIXEL,
    PYTORCH_HALF_PIXEL,
    ALIGN_CORNERS,
    ASYMMETRIC,
    TF_CROP_AND_RESIZE,
    TF_HALF_PIXEL_FOR_NN,
    HALF_PIXEL_SYMMETRIC
};

/* BY_SCALE, of opset 10: up when shrinking, else down. */
enum rounding { PREFER_FLOOR, PREFER_CEIL, FLOOR, CEIL, BY_SCALE };

struct resize {
    enum mode mode;
    enum transform transform;
    enum rounding rounding;
    bool exclude_outside, antialias;
    float cubic_a, extrapolation;
    float length[SPACC_RANK_MAX]; /* of the output, before rounding down */
    float scale[SPACC_RANK_MAX], start[SPACC_RANK_MAX], end[SPACC_RANK_MAX];
    int64_t in[SPACC_RANK_MAX], out[SPACC_RANK_MAX];
};

/* Where the outputs of one axis come from: `count` inputs each. */
struct taps {
    int64_t count;
    int64_t *index; /* [out][count]; below 0: the extrapolation value */
    float *weight;
};

/* ---- coordinates ------------------------------------------------------------- */

static float coordinate(const struct resize *r, int axis, int64_t o)
{
    const float x = (float)o, scale = r->scale[axis];
    const float in = (float)r->in[axis], out = (float)r->out[axis];
    switch (r->transform) {
    case HALF_PIXEL: return (x + 0.5f) / scale - 0.5f;
    case PYTORCH_HALF_PIXEL: return r->out[axis] > 1 ? (x + 0.5f) / scale - 0.5f : 0.0f;
    case ALIGN_CORNERS:
        return r->out[axis] > 1 ? x * (in - 1.0f) / (r->length[axis] - 1.0f) : 0.0f;
    case ASYMMETRIC: return x / scale;
    case TF_HALF_PIXEL_FOR_NN: return (x + 0.5f) / scale;
    case HALF_PIXEL_SYMMETRIC:
        return in / 2.0f * (1.0f - out / (scale * in)) + (x + 0.5f) / scale - 0.5f;
    case TF_CROP_AND_RESIZE: break;
    }
    const float start = r->start[axis], end = r->end[axis];
    return r->out[axis] > 1
               ? start * (in - 1.0f) + x * (end - start) * (in - 1.0f) / (out - 1.0f)
               : 0.5f * (start + end) * (in - 1.0f);
}

static int64_t clamp(int64_t v, int64_t high)
{
    return v < 0 ? 0 : v > high ? high : v;
}

/* A coordinate as an index, whatever it is. */
static int64_t index_from(float x)
{
    return x > 1e9f ? 1000000000 : x > -1e9f ? (int64_t)x : -1000000000; /* NaN: far below */
}

static int64_t nearest(const struct resize *r, int axis, float x)
{
    switch (r->rounding) {
    case BY_SCALE: return index_from(r->scale[axis] < 1.0f ? ceilf(x) : floorf(x));
    case PREFER_FLOOR: return index_from(ceilf(x - 0.5f));
    case PREFER_CEIL: return index_from(floorf(x + 0.5f));
    case FLOOR: return index_from(floorf(x));
    case CEIL: break;
    }
    return index_from(ceilf(x));
}

/* ---- weights ----------------------------------------------------------------- */

/* The kernel at distance d: a triangle, or Keys' cubic. */
static float kernel(const struct resize *r, float d)
{
    const float a = r->cubic_a, x = fabsf(d);
    if (r->mode == LINEAR)
        return x < 1.0f ? 1.0f - x : 0.0f;
    if (x <= 1.0f)
        return ((a + 2.0f) * x - (a + 3.0f)) * x * x + 1.0f;
    return x < 2.0f ? ((a * x - 5.0f * a) * x + 8.0f * a) * x - 4.0f * a : 0.0f;
}

/* How much the kernel is stretched: when shrinking with antialias. */
static float squeeze(const struct resize *r, int axis)
{
    return r->antialias && r->scale[axis] < 1.0f ? r->scale[axis] : 1.0f;
}

/* Taps below and with the element left of a coordinate; as many are right of it. */
static int64_t reach(const struct resize *r, int axis)
{
    const float radius = r->mode == LINEAR ? 1.0f : 2.0f;
    return r->mode == NEAREST ? 0 : (int64_t)ceilf(radius / squeeze(r, axis));
}

/* Divide by the sum, where weights were left out or the kernel was stretched. */
static void normalise(float *weight, int64_t count)
{
    float sum = 0.0f;
    for (int64_t i = 0; i < count; i++)
        sum += weight[i];
    for (int64_t i = 0; i < count && sum != 0.0f; i++)
        weight[i] /= sum;
}

static void fill_taps(const struct resize *r, int axis, float x, int64_t *index, float *weight)
{
    const int64_t each = reach(r, axis), last = r->in[axis] - 1;
    const float step = squeeze(r, axis);
    const int64_t left = index_from(floorf(x));
    for (int64_t i = 0; i < 2 * each; i++) {
        const int64_t at = left - each + 1 + i;
        const bool outside = at < 0 || at > last;
        weight[i] = outside && r->exclude_outside
                        ? 0.0f
                        : kernel(r, ((float)(at - left) - (x - floorf(x))) * step);
        index[i] = clamp(at, last);
    }
    if (r->exclude_outside || step < 1.0f)
        normalise(weight, 2 * each);
}

static void taps_release(struct taps *t)
{
    free(t->index);
    free(t->weight);
}

/* Release in any case. */
static enum spacc_status make_taps(struct spacc_op_call *c, const struct resize *r, int axis,
                                   struct taps *t)
{
    const int64_t each = reach(r, axis);
    *t = (struct taps){.count = each ? 2 * each : 1};
    t->index = calloc((size_t)r->out[axis], (size_t)t->count * sizeof(*t->index));
    t->weight = calloc((size_t)r->out[axis], (size_t)t->count * sizeof(*t->weight));
    if (!t->index || !t->weight)
        return spacc_op_fail(c, SPACC_ENOMEM, "no memory for %" PRId64 " x %" PRId64 " taps",
                             r->out[axis], t->count);
    for (int64_t o = 0; o < r->out[axis]; o++) {
        const float x = coordinate(r, axis, o);
        int64_t *index = t->index + o * t->count;
        if (each == 0)
            *index = clamp(nearest(r, axis, x), r->in[axis] - 1);
        else
            fill_taps(r, axis, isfinite(x) ? x : 0.0f, index, t->weight + o * t->count);
        if (r->transform == TF_CROP_AND_RESIZE && !(x >= 0.0f && x <= (float)(r->in[axis] - 1)))
            *index = -1;
    }
    return SPACC_OK;
}

/* ---- one axis ---------------------------------------------------------------- */

/* y[inner] from the rows of x that the taps name, each `inner` elements. */
static void mix_row(const struct taps *t, int64_t o, float *y, const float *x, int64_t inner)
{
    const int64_t *index = t->index + o * t->count;
    const float *weight = t->weight + o * t->count;
    for (int64_t i = 0; i < inner; i++) {
        float sum = 0.0f;
        for (int64_t k = 0; k < t->count; k++)
            sum += weight[k] * x[index[k] * inner + i];
        y[i] = sum;
    }
}

/* `dims` are those of x; `to` has out[axis] in place of dims[axis]. */
static void resize_axis(const struct resize *r, const struct taps *t, int rank, int axis,
                        const int64_t *dims, size_t bytes, char *to, const char *from)
{
    int64_t outer = 1, inner = 1;
    for (int i = 0; i < rank; i++) {
        outer *= i < axis ? dims[i] : 1;
        inner *= i > axis ? dims[i] : 1;
    }
    const size_t row = (size_t)inner * bytes;
    for (int64_t n = 0; n < outer; n++, from += (size_t)dims[axis] * row)
        for (int64_t o = 0; o < r->out[axis]; o++, to += row) {
            const int64_t first = t->index[o * t->count];
            if (first < 0)
                for (int64_t i = 0; i < inner; i++)
                    memcpy(to + (size_t)i * bytes, &r->extrapolation, sizeof(float));
            else if (r->mode == NEAREST)
                memcpy(to, from + (size_t)first * row, row);
            else
                mix_row(t, o, (float *)(void *)to, (const float *)(const void *)from, inner);
        }
}

/* Replace `*now` (owned unless it is x's data) by itself resized along `axis`. */
static enum spacc_status step(struct spacc_op_call *c, const struct resize *r, int axis,
                              int64_t *dims, char **now)
{
    const struct spacc_tensor *x = c->in[0];
    const size_t bytes = spacc_dtype_bytes(x->dtype);
    struct taps t;
    size_t count;
    enum spacc_status status = make_taps(c, r, axis, &t);
    int64_t next[SPACC_RANK_MAX];
    char *made = NULL;

    memcpy(next, dims, sizeof(next));
    next[axis] = r->out[axis];
    if (status == SPACC_OK && spacc_shape_count(&count, x->rank, next) == SPACC_OK)
        made = malloc(count * bytes + 1);
    if (status == SPACC_OK && !made)
        status = spacc_op_fail(c, SPACC_ENOMEM, "no memory for axis %d", axis);
    if (status == SPACC_OK) {
        resize_axis(r, &t, x->rank, axis, dims, bytes, made, *now);
        if (*now != x->data)
            free(*now);
        *now = made;
        dims[axis] = next[axis];
    }
    taps_release(&t);
    return status;
}

static bool changes(const struct resize *r, int axis)
{
    return r->in[axis] != r->out[axis] || r->scale[axis] != 1.0f ||
           r->transform == TF_CROP_AND_RESIZE;
}

static enum spacc_status run(struct spacc_op_call *c, const struct resize *r,
                             struct spacc_tensor *y)
{
    const struct spacc_tensor *x = c->in[0];
    int64_t dims[SPACC_RANK_MAX];
    char *now = x->data;
    enum spacc_status status = SPACC_OK;

    memcpy(dims, x->dims, sizeof(dims));
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < x->rank && status == SPACC_OK; i++)
            if (changes(r, i) && (r->out[i] <= r->in[i]) == (pass == 0))
                status = step(c, r, i, dims, &now);
    if (status == SPACC_OK)
        memcpy(y->data, now, y->count * spacc_dtype_bytes(y->dtype));
    if (now != x->data)
        free(now);
    return status;
}

/* ---- attributes -------------------------------------------------------------- */

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
    return spacc_op_fail(c, SPACC_EUNSUPPORTED, "%s %s is not supported", name, word);
}

static enum spacc_status read_words(struct spacc_op_call *c, struct resize *r)
{
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    static const char *const transforms[] = {
        "half_pixel",         "pytorch_half_pixel",   "align_corners",       "asymmetric",
        "tf_crop_and_resize", "tf_half_pixel_for_nn", "half_pixel_symmetric"};
    static const char *const roundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                            "ceil"};
    static const char *const from_11[] = {"coordinate_transformation_mode", "cubic_coeff_a",
                                          "exclude_outside", "extrapolation_value",
                                          "nearest_mode"};
    const bool old = spacc_ops_opset(c) < 11; /* Upsample too */
    int mode = 0, transform = 0, rounding = 0;
    for (size_t i = 0; i < sizeof(from_11) / sizeof(from_11[0]); i++)
        TRY(spacc_ops_attr_opset(c, from_11[i], 11, INT32_MAX));
    TRY(choose(c, "mode", modes, old ? 2 : 3, "nearest", &mode));
    TRY(choose(c, "coordinate_transformation_mode", transforms, 7,
               old ? "asymmetric" : "half_pixel", &transform));
    TRY(choose(c, "nearest_mode", roundings, 4, "round_prefer_floor", &rounding));
    r->mode = (enum mode)mode;
    r->transform = (enum transform)transform;
    r->rounding = old ? BY_SCALE : (enum rounding)rounding;
    return SPACC_OK;
}

static enum spacc_status read_attributes(struct spacc_op_call *c, struct resize *r)
{
    TRY(read_words(c, r));
    TRY(spacc_ops_attr_opset(c, "antialias", 18, INT32_MAX));
    TRY(spacc_ops_attr_opset(c, "axes", 18, INT32_MAX));
    TRY(spacc_ops_attr_opset(c, "keep_aspect_ratio_policy", 18, INT32_MAX));
    r->antialias = spacc_node_int(c->node, "antialias", 0) != 0;
    r->exclude_outside = spacc_node_int(c->node, "exclude_outside", 0) != 0;
    r->cubic_a = spacc_node_float(c->node, "cubic_coeff_a", -0.75f);
    r->extrapolation = spacc_node_float(c->node, "extrapolation_value", 0.0f);
    const bool floats = r->mode != NEAREST || r->transform == TF_CROP_AND_RESIZE;
    return spacc_ops_types(c, 0, floats ? SPACC_TYPE(F32) : SPACC_TYPES_ALL);
}

/* ---- sizes ------------------------------------------------------------------- */

/* The axes that scales, sizes and roi speak of, in their order. */
struct axes {
    int count, axis[SPACC_RANK_MAX];
};

static enum spacc_status read_axes(struct spacc_op_call *c, struct axes *a)
{
    const struct spacc_attr *list = spacc_node_attr(c->node, "axes");
    const int rank = c->in[0]->rank;
    bool flags[SPACC_RANK_MAX];
    a->count = rank;
    for (int i = 0; i < rank; i++)
        a->axis[i] = i;
    if (!list)
        return SPACC_OK;
    const struct spacc_ops_ints ints = {true, list->count, list->ints, NULL};
    TRY(spacc_ops_axes(c, flags, &ints, rank)); /* each axis once: no more than rank */
    a->count = (int)list->count;
    for (int i = 0; i < a->count; i++)
        TRY(spacc_ops_axis(c, &a->axis[i], list->ints[i], rank));
    return SPACC_OK;
}

static enum spacc_status wrong_count(struct spacc_op_call *c, const char *what, size_t count,
                                     int want)
{
    return spacc_op_fail(c, SPACC_ESHAPE, "%zu %s, %d are wanted", count, what, want);
}

static enum spacc_status size_from_scale(struct spacc_op_call *c, struct resize *r, int axis,
                                         float scale)
{
    const double size = floor((double)r->in[axis] * (double)scale);
    if (!(scale > 0.0f) || !(size <= (double)INT32_MAX))
        return spacc_op_fail(c, SPACC_ESHAPE, "axis %d of %" PRId64 " elements scaled by %g",
                             axis, r->in[axis], (double)scale);
    r->scale[axis] = scale;
    r->length[axis] = scale * (float)r->in[axis];
    r->out[axis] = (int64_t)size;
    return SPACC_OK;
}

static enum spacc_status take_scales(struct spacc_op_call *c, struct resize *r,
                                     const struct axes *a, const float *scales, size_t count)
{
    if (count != (size_t)a->count)
        return wrong_count(c, "scales", count, a->count);
    for (int i = 0; i < a->count; i++)
        TRY(size_from_scale(c, r, a->axis[i], scales[i]));
    return SPACC_OK;
}

/* One scale for all axes, so that none is larger (or none smaller) than asked for. */
static enum spacc_status keep_ratio(struct spacc_op_call *c, struct resize *r,
                                    const struct axes *a, bool larger)
{
    float scale = 0.0f;
    for (int i = 0; i < a->count; i++) {
        const float s = r->scale[a->axis[i]];
        if (i == 0 || (larger ? s > scale : s < scale))
            scale = s;
    }
    for (int i = 0; i < a->count; i++) {
        const double size = floor((double)scale * (double)r->in[a->axis[i]] + 0.5);
        if (!(size <= (double)INT32_MAX))
            return spacc_op_fail(c, SPACC_ESHAPE, "axis %d would have %g elements", a->axis[i],
                                 size);
        r->scale[a->axis[i]] = scale;
        r->length[a->axis[i]] = (float)size;
        r->out[a->axis[i]] = (int64_t)size;
    }
    return SPACC_OK;
}

static enum spacc_status take_sizes(struct spacc_op_call *c, struct resize *r,
                                    const struct axes *a, const struct spacc_ops_ints *sizes)
{
    static const char *const policies[] = {"stretch", "not_larger", "not_smaller"};
    int policy = 0;
    TRY(choose(c, "keep_aspect_ratio_policy", policies, 3, "stretch", &policy));
    if (sizes->count != (size_t)a->count)
        return wrong_count(c, "sizes", sizes->count, a->count);
    for (int i = 0; i < a->count; i++) {
        const int64_t size = spacc_ops_int(sizes, (size_t)i);
        const int axis = a->axis[i];
        if (size < 0 || size > INT32_MAX || (size > 0 && r->in[axis] == 0))
            return spacc_op_fail(c, SPACC_ESHAPE,
                                 "axis %d of %" PRId64 " elements to size %" PRId64, axis,
                                 r->in[axis], size);
        r->out[axis] = size;
        r->length[axis] = (float)size;
        r->scale[axis] = r->in[axis] ? (float)size / (float)r->in[axis] : 1.0f;
    }
    return policy == 0 ? SPACC_OK : keep_ratio(c, r, a, policy == 2);
}

static enum spacc_status take_roi(struct spacc_op_call *c, struct resize *r,
                                  const struct axes *a)
{
    const struct spacc_tensor *roi = spacc_ops_in(c, 1);
    if (r->transform != TF_CROP_AND_RESIZE || c->shape_only)
        return SPACC_OK;
    if (!roi || roi->count != 2 * (size_t)a->count)
        return wrong_count(c, "numbers in roi", roi ? roi->count : 0, 2 * a->count);
    for (int i = 0; i < a->count; i++) {
        r->start[a->axis[i]] = ((const float *)roi->data)[i];
        r->end[a->axis[i]] = ((const float *)roi->data)[a->count + i];
    }
    return SPACC_OK;
}

/* Scales from input `i`. */
static enum spacc_status scales_input(struct spacc_op_call *c, struct resize *r,
                                      const struct axes *a, int i)
{
    TRY(spacc_ops_types(c, i, SPACC_TYPE(F32)));
    TRY(spacc_op_needs(c, i));
    return take_scales(c, r, a, c->in[i]->data, c->in[i]->count);
}

static enum spacc_status take_input_sizes(struct spacc_op_call *c, struct resize *r,
                                          const struct axes *a)
{
    const struct spacc_tensor *scales = spacc_ops_in(c, 2), *sizes = spacc_ops_in(c, 3);
    struct spacc_ops_ints list;
    const bool by_scale = scales && scales->count > 0;
    if (by_scale == (sizes && sizes->count > 0))
        return spacc_op_fail(c, SPACC_ESHAPE, "needs scales or sizes, not both");
    TRY(spacc_ops_types(c, 1, SPACC_TYPE(F32)));
    if (by_scale)
        TRY(scales_input(c, r, a, 2));
    else {
        TRY(spacc_ops_ints_input(c, &list, 3));
        TRY(take_sizes(c, r, a, &list));
    }
    return take_roi(c, r, a);
}

static enum spacc_status finish(struct spacc_op_call *c, const struct resize *r)
{
    const struct spacc_tensor *x = c->in[0];
    struct spacc_tensor *y;
    TRY(spacc_op_output(c, 0, x->dtype, x->rank, r->out, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    return run(c, r, y);
}

static enum spacc_status begin(struct spacc_op_call *c, struct resize *r, struct axes *a)
{
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_ALL));
    const struct spacc_tensor *x = c->in[0];
    for (int i = 0; i < x->rank; i++) {
        if (x->dims[i] > INT32_MAX)
            return spacc_op_fail(c, SPACC_ESHAPE, "axis %d has %" PRId64 " elements", i,
                                 x->dims[i]);
        r->in[i] = r->out[i] = x->dims[i];
        r->scale[i] = 1.0f;
        r->length[i] = (float)x->dims[i];
        r->end[i] = 1.0f;
    }
    TRY(read_axes(c, a));
    return read_attributes(c, r);
}

enum spacc_status spacc_op_resize(struct spacc_op_call *c)
{
    struct resize r = {0};
    struct axes a;
    TRY(begin(c, &r, &a));
    if (spacc_ops_opset(c) < 11) {
        if (c->ins != 2 || !c->in[1])
            return spacc_op_fail(c, SPACC_ESHAPE, "needs 2 inputs up to opset 10");
        TRY(scales_input(c, &r, &a, 1));
    } else {
        TRY(take_input_sizes(c, &r, &a));
    }
    return finish(c, &r);
}

enum spacc_status spacc_op_upsample(struct spacc_op_call *c)
{
    const struct spacc_attr *scales = spacc_node_attr(c->node, "scales");
    struct resize r = {0};
    struct axes a;
    TRY(begin(c, &r, &a));
    TRY(spacc_ops_attr_opset(c, "scales", 7, 8));
    TRY(spacc_ops_input_opset(c, 1, 9, 9));
    if (scales)
        TRY(take_scales(c, &r, &a, scales->floats, scales->count));
    else if (!spacc_ops_in(c, 1))
        return spacc_op_fail(c, SPACC_ESHAPE, "has no scales");
    else
        TRY(scales_input(c, &r, &a, 1));
    return finish(c, &r);
}
