/* Contents from a rule: EyeLike, Range, OneHot, the windows, MelWeightMatrix. */
#include "models/ops_util.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Attribute `name` as one of `types`, or `otherwise`. */
static enum spacc_status read_dtype(struct spacc_op_call *c, const char *name, unsigned types,
                                    enum spacc_dtype otherwise, enum spacc_dtype *dtype)
{
    const int64_t number = spacc_node_int(c->node, name, (int64_t)otherwise);
    const bool known = number > 0 && number < 32 && (types & (1u << number));
    *dtype = otherwise;
    if (!known)
        return spacc_op_fail(
            c, SPACC_EUNSUPPORTED, "%s %s is not supported", name,
            spacc_dtype_name(number < 0 || number > INT32_MAX ? -1 : (int)number));
    *dtype = (enum spacc_dtype)number;
    return SPACC_OK;
}

/* ---- EyeLike -------------------------------------------------------------------- */

enum spacc_status spacc_op_eye_like(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    enum spacc_dtype dtype;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_ALL));
    const struct spacc_tensor *x = c->in[0];
    TRY(read_dtype(c, "dtype", SPACC_TYPES_ALL, x->dtype, &dtype));
    if (x->rank != 2)
        return spacc_op_fail(c, SPACC_ESHAPE, "the input has rank %d, not 2", x->rank);
    TRY(spacc_op_output(c, 0, dtype, 2, x->dims, &y));
    const int64_t k = spacc_node_int(c->node, "k", 0);
    for (size_t i = 0; !c->shape_only && i < y->count; i++)
        if ((int64_t)i % y->dims[1] - (int64_t)i / y->dims[1] == k)
            spacc_ops_put(y, i, 1.0);
    return SPACC_OK;
}

/* ---- Range ---------------------------------------------------------------------- */

/* Numbers of start, start + delta, ... before limit; false when there are too many. */
static bool count_ints(const struct spacc_op_call *c, int64_t *count)
{
    const int64_t start = spacc_ops_integer(c->in[0], 0);
    const int64_t limit = spacc_ops_integer(c->in[1], 0);
    const int64_t delta = spacc_ops_integer(c->in[2], 0);
    const bool up = delta > 0;
    const uint64_t step = up ? (uint64_t)delta : 0 - (uint64_t)delta;
    *count = 0;
    if (step == 0)
        return false;
    if (up ? start >= limit : start <= limit)
        return true;
    const uint64_t way =
        up ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
    const uint64_t steps = (way - 1) / step;
    if (steps < INT64_MAX)
        *count = (int64_t)steps + 1;
    return *count > 0;
}

static bool count_reals(const struct spacc_op_call *c, int64_t *count)
{
    const double start = spacc_tensor_element(c->in[0], 0);
    const double limit = spacc_tensor_element(c->in[1], 0);
    const double numbers = ceil((limit - start) / spacc_tensor_element(c->in[2], 0));
    *count = numbers > 0.0 && numbers < 0x1p53 ? (int64_t)numbers : 0;
    return numbers < 0x1p53; /* false for NaN: 0 / 0 */
}

static void fill_range(struct spacc_tensor *y, const struct spacc_op_call *c)
{
    const size_t bytes = spacc_dtype_bytes(y->dtype);
    const bool real = (SPACC_TYPES_FLOAT & (1u << y->dtype)) != 0;
    for (size_t i = 0; i < y->count; i++) {
        if (real) {
            spacc_ops_put(y, i,
                          spacc_tensor_element(c->in[0], 0) +
                              (double)i * spacc_tensor_element(c->in[2], 0));
            continue;
        }
        const uint64_t v = (uint64_t)spacc_ops_integer(c->in[0], 0) +
                           i * (uint64_t)spacc_ops_integer(c->in[2], 0);
        memcpy((char *)y->data + i * bytes, &v, bytes); /* little endian */
    }
}

enum spacc_status spacc_op_range(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    int64_t count;
    TRY(spacc_ops_check(c, 3, SPACC_TYPES_WIDE | SPACC_TYPE(I16)));
    for (int i = 0; i < 3; i++) {
        TRY(spacc_ops_same_type(c, 0, i));
        TRY(spacc_ops_scalar(c, i));
    }
    for (int i = 0; i < 3; i++)
        TRY(spacc_op_needs(c, i));
    const enum spacc_dtype dtype = c->in[0]->dtype;
    const bool real = (SPACC_TYPES_FLOAT & (1u << dtype)) != 0;
    if (!(real ? count_reals(c, &count) : count_ints(c, &count)))
        return spacc_op_fail(
            c, SPACC_EINVAL, "no range from %g to %g by %g", spacc_tensor_element(c->in[0], 0),
            spacc_tensor_element(c->in[1], 0), spacc_tensor_element(c->in[2], 0));
    TRY(spacc_op_output(c, 0, dtype, 1, &count, &y));
    if (!c->shape_only)
        fill_range(y, c);
    return SPACC_OK;
}

/* ---- OneHot --------------------------------------------------------------------- */

/* Element `i` as 0..depth-1, or -1 when it is outside -depth..depth-1. */
static int64_t hot_index(const struct spacc_tensor *indices, size_t i, int64_t depth)
{
    const double v = spacc_tensor_element(indices, i);
    if (!(v >= -(double)depth && v < (double)depth))
        return -1;
    const int64_t index = (int64_t)v;
    return index < 0 ? index + depth : index;
}

/* y[outer][depth][inner]: `off` everywhere, then `on`. */
static void fill_one_hot(struct spacc_tensor *y, const struct spacc_tensor *indices,
                         const struct spacc_tensor *values, int64_t depth, size_t inner)
{
    const size_t bytes = spacc_dtype_bytes(y->dtype);
    const char *off = values->data, *on = off + bytes;
    char *to = y->data;
    for (size_t i = 0; i < y->count; i++)
        memcpy(to + i * bytes, off, bytes);
    for (size_t i = 0; y->count > 0 && i < indices->count; i++) {
        const int64_t index = hot_index(indices, i, depth);
        if (index >= 0)
            memcpy(to + ((i / inner * (size_t)depth + (size_t)index) * inner + i % inner) *
                            bytes,
                   on, bytes);
    }
}

static enum spacc_status read_depth(struct spacc_op_call *c, int64_t *depth)
{
    *depth = 0;
    TRY(spacc_ops_scalar(c, 1));
    TRY(spacc_op_needs(c, 1));
    const double v = spacc_tensor_element(c->in[1], 0);
    if (!(v >= 0.0 && v < 0x1p53))
        return spacc_op_fail(c, SPACC_ESHAPE, "depth is %g", v);
    *depth = (int64_t)v;
    return SPACC_OK;
}

enum spacc_status spacc_op_one_hot(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    int64_t dims[SPACC_RANK_MAX + 1], depth;
    int axis;
    TRY(spacc_ops_check(c, 3, SPACC_TYPES_ALL));
    for (int i = 0; i < 2; i++)
        TRY(spacc_ops_types(c, i, SPACC_TYPES_NUMBER | SPACC_TYPES_HALF));
    const struct spacc_tensor *x = c->in[0], *values = c->in[2];
    if (values->count != 2)
        return spacc_op_fail(c, SPACC_ESHAPE, "%zu values, they are off and on", values->count);
    TRY(spacc_ops_axis(c, &axis, spacc_node_int(c->node, "axis", -1), x->rank + 1));
    TRY(read_depth(c, &depth));
    for (int i = 0; i <= x->rank; i++)
        dims[i] = i == axis ? depth : x->dims[i < axis ? i : i - 1];
    TRY(spacc_op_output(c, 0, values->dtype, x->rank + 1, dims, &y));
    if (!c->shape_only)
        fill_one_hot(y, x, values, depth, spacc_ops_product(x->dims, axis, x->rank));
    return SPACC_OK;
}

/* ---- HannWindow, HammingWindow, BlackmanWindow ------------------------------------ */

/* a - b cos(2 pi i / size) + d cos(4 pi i / size); a window of one element is 1. */
static enum spacc_status window(struct spacc_op_call *c, double a, double b, double d)
{
    const double turn = 6.28318530717958647693;
    struct spacc_tensor *y;
    enum spacc_dtype dtype;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_INDEX));
    TRY(spacc_ops_scalar(c, 0));
    TRY(read_dtype(c, "output_datatype", SPACC_TYPES_NUMBER | SPACC_TYPES_HALF, SPACC_F32,
                   &dtype));
    TRY(spacc_op_needs(c, 0));
    const int64_t count = spacc_ops_integer(c->in[0], 0);
    TRY(spacc_op_output(c, 0, dtype, 1, &count, &y));
    const bool periodic = spacc_node_int(c->node, "periodic", 1) != 0;
    const double size = (double)(periodic ? count : count - 1);
    for (size_t i = 0; !c->shape_only && i < y->count; i++) {
        const double part = turn * (double)i / size;
        spacc_ops_put(y, i, size > 0.0 ? a - b * cos(part) + d * cos(2.0 * part) : 1.0);
    }
    return SPACC_OK;
}

enum spacc_status spacc_op_hann_window(struct spacc_op_call *c)
{
    return window(c, 0.5, 0.5, 0.0);
}

enum spacc_status spacc_op_hamming_window(struct spacc_op_call *c)
{
    return window(c, 25.0 / 46.0, 21.0 / 46.0, 0.0);
}

enum spacc_status spacc_op_blackman_window(struct spacc_op_call *c)
{
    return window(c, 0.42, 0.5, 0.08);
}

/* ---- MelWeightMatrix ------------------------------------------------------------ */

enum { MEL_BINS, DFT_LENGTH, SAMPLE_RATE, LOWER_HZ, UPPER_HZ, MEL_INPUTS };

static double to_mel(double hz)
{
    return 2595.0 * log10(1.0 + hz / 700.0);
}

/* Spectrum bin of mel edge `i` of bins + 2. */
static double edge(const double v[MEL_INPUTS], int64_t i)
{
    const double low = to_mel(v[LOWER_HZ]), high = to_mel(v[UPPER_HZ]);
    const double mel = low + (double)i * (high - low) / (v[MEL_BINS] + 2.0);
    const double hz = 700.0 * (pow(10.0, mel / 2595.0) - 1.0);
    return floor((v[DFT_LENGTH] + 1.0) * hz / v[SAMPLE_RATE]);
}

/* Weight of spectrum bin `j` in a triangle; `center` itself has 1. */
static double triangle(double j, double lower, double center, double upper)
{
    if (j < lower || j > upper || (j == upper && j != center))
        return 0.0;
    if (j == center)
        return 1.0;
    return j < center ? (j - lower) / (center - lower) : (upper - j) / (upper - center);
}

enum spacc_status spacc_op_mel_weight_matrix(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    enum spacc_dtype dtype;
    double v[MEL_INPUTS];
    TRY(spacc_ops_check(c, MEL_INPUTS, SPACC_TYPES_WIDE));
    TRY(read_dtype(c, "output_datatype", SPACC_TYPES_NUMBER | SPACC_TYPES_HALF, SPACC_F32,
                   &dtype));
    for (int i = 0; i < MEL_INPUTS; i++) {
        TRY(spacc_ops_types(c, i, i < LOWER_HZ ? SPACC_TYPES_INDEX : SPACC_TYPES_FLOAT));
        TRY(spacc_ops_scalar(c, i));
    }
    for (int i = 0; i < MEL_INPUTS; i++) {
        TRY(spacc_op_needs(c, i));
        v[i] = spacc_tensor_element(c->in[i], 0);
    }
    const int64_t bins = spacc_ops_integer(c->in[MEL_BINS], 0);
    const int64_t length = spacc_ops_integer(c->in[DFT_LENGTH], 0);
    if (bins < 0 || length < 0 || v[SAMPLE_RATE] <= 0.0)
        return spacc_op_fail(c, SPACC_ESHAPE,
                             "%" PRId64 " bins of a spectrum of %" PRId64 " at %g Hz", bins,
                             length, v[SAMPLE_RATE]);
    TRY(spacc_op_output(c, 0, dtype, 2, (const int64_t[]){length / 2 + 1, bins}, &y));
    for (size_t i = 0; !c->shape_only && i < y->count; i++) {
        const int64_t bin = (int64_t)i % bins;
        spacc_ops_put(y, i,
                      triangle((double)((int64_t)i / bins), edge(v, bin), edge(v, bin + 1),
                               edge(v, bin + 2)));
    }
    return SPACC_OK;
}
