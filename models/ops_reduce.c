/* The Reduce operators. Every output element is folded over its inputs in row-major
 * order: floating-point types in double, integers in 64 bits modulo 2^64. */
#include "models/ops_util.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- which axes ---------------------------------------------------------------- */

struct reduction {
    bool axes[SPACC_RANK_MAX];
    int rank; /* of the output */
    int64_t dims[SPACC_RANK_MAX];
    int64_t stride[SPACC_RANK_MAX]; /* input axis to output elements; 0: summed */
    bool nothing;                   /* no axes, and none asked for */
};

static void output_shape(struct reduction *r, const struct spacc_tensor *x, bool keep)
{
    int64_t kept[SPACC_RANK_MAX], step[SPACC_RANK_MAX];
    r->rank = 0;
    for (int i = 0; i < x->rank; i++) {
        kept[i] = r->axes[i] ? 1 : x->dims[i];
        if (keep || !r->axes[i])
            r->dims[r->rank++] = kept[i];
    }
    spacc_ops_strides(step, x->rank, kept);
    for (int i = 0; i < x->rank; i++)
        r->stride[i] = r->axes[i] ? 0 : step[i];
}

/* axes are an attribute before opset `input_from`, an input from then on. */
static enum spacc_status plan_reduction(struct spacc_op_call *c, struct reduction *r,
                                        int input_from)
{
    struct spacc_ops_ints axes;
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_ops_attr_opset(c, "noop_with_empty_axes", input_from, INT32_MAX));
    TRY(spacc_ops_ints(c, &axes, "axes", 1, input_from));
    TRY(spacc_ops_axes(c, r->axes, &axes, x->rank));
    r->nothing = axes.count == 0 && spacc_node_int(c->node, "noop_with_empty_axes", 0) != 0;
    for (int i = 0; i < x->rank; i++)
        if (axes.count == 0)
            r->axes[i] = !r->nothing;
    output_shape(r, x, spacc_node_int(c->node, "keepdims", 1) != 0);
    return SPACC_OK;
}

/* ---- folding ------------------------------------------------------------------- */

/* sums[i * to_step] = fold(itself, x[i * from_step]) over a row */
typedef void (*fold_fn)(void *sums, const void *x, size_t count, int64_t to_step,
                        int64_t from_step);

#define FOLD(function, sum_type, type, expression)                                  \
    static void function(void *sums, const void *x, size_t count, int64_t to_step,  \
                         int64_t from_step)                                         \
    {                                                                               \
        for (size_t i = 0; i < count; i++) {                                        \
            sum_type *to = (sum_type *)sums + (int64_t)i * to_step;                 \
            const sum_type a = *to;                                                 \
            const sum_type v = (sum_type)((const type *)x)[(int64_t)i * from_step]; \
            *to = (sum_type)(expression);                                           \
        }                                                                           \
    }

#define FLOAT_TYPES(X) X(F32, double, float) X(F64, double, double)
#define SIGNED_TYPES(X)    \
    X(I8, int64_t, int8_t) \
    X(I16, int64_t, int16_t) X(I32, int64_t, int32_t) X(I64, int64_t, int64_t)
#define UNSIGNED_TYPES(X)      \
    X(U8, uint64_t, uint8_t)   \
    X(BOOL, uint64_t, uint8_t) \
    X(U16, uint64_t, uint16_t) X(U32, uint64_t, uint32_t) X(U64, uint64_t, uint64_t)

/* A NaN wins in max and min. */
#define X(name, sum_type, type)                               \
    FOLD(sum_##name, sum_type, type, a + v)                   \
    FOLD(absolute_##name, sum_type, type, a + fabs(v))        \
    FOLD(square_##name, sum_type, type, a + v * v)            \
    FOLD(prod_##name, sum_type, type, a *v)                   \
    FOLD(max_##name, sum_type, type, a != a || a > v ? a : v) \
    FOLD(min_##name, sum_type, type, a != a || a < v ? a : v)
FLOAT_TYPES(X)
#undef X
#define X(name, sum_type, type)                                                   \
    FOLD(sum_##name, sum_type, type, (uint64_t)a + (uint64_t)v)                   \
    FOLD(absolute_##name, sum_type, type,                                         \
         v < (sum_type)1 ? (uint64_t)a - (uint64_t)v : (uint64_t)a + (uint64_t)v) \
    FOLD(square_##name, sum_type, type, (uint64_t)a + (uint64_t)v * (uint64_t)v)  \
    FOLD(prod_##name, sum_type, type, (uint64_t)a *(uint64_t)v)                   \
    FOLD(max_##name, sum_type, type, a > v ? a : v)                               \
    FOLD(min_##name, sum_type, type, a < v ? a : v)
SIGNED_TYPES(X)
UNSIGNED_TYPES(X)
#undef X

enum fold { SUM, ABSOLUTE, SQUARE, PROD, MAX, MIN, FOLDS };

#define X(name, sum_type, type)                                                       \
    [SPACC_##name] = {                                                                \
        [SUM] = sum_##name,   [ABSOLUTE] = absolute_##name, [SQUARE] = square_##name, \
        [PROD] = prod_##name, [MAX] = max_##name,           [MIN] = min_##name,       \
    },
static const fold_fn folds[SPACC_DTYPE_END][FOLDS] = {FLOAT_TYPES(X) SIGNED_TYPES(X)
                                                          UNSIGNED_TYPES(X)};
#undef X

/* One 8-byte sum: a double for floating-point inputs. */
union sum {
    double real;
    int64_t integer;
    uint64_t natural;
};

static bool is_float(enum spacc_dtype dtype)
{
    return (SPACC_TYPES_FLOAT & (1u << dtype)) != 0;
}

static bool is_unsigned(enum spacc_dtype dtype)
{
    return ((SPACC_TYPES_UNSIGNED | SPACC_TYPE(BOOL)) & (1u << dtype)) != 0;
}

/* The result of a floating-point fold over no elements: it leaves every number as it is. */
static double first_real(enum fold fold)
{
    return fold == PROD ? 1.0 : fold == MAX ? -INFINITY : fold == MIN ? INFINITY : 0.0;
}

/* The same for integers, as the bits of the sum. */
static uint64_t first_integer(enum fold fold, enum spacc_dtype dtype)
{
    const int bits = dtype == SPACC_BOOL ? 1 : 8 * (int)spacc_dtype_bytes(dtype);
    const bool natural = is_unsigned(dtype);
    const uint64_t highest = (natural ? UINT64_MAX : INT64_MAX) >> (64 - bits);
    switch (fold) {
    case PROD: return 1;
    case MAX: return natural ? 0 : ~highest;
    case MIN: return highest;
    default: return 0;
    }
}

static void clear_sums(union sum *sums, size_t count, enum fold fold, enum spacc_dtype dtype)
{
    for (size_t i = 0; i < count; i++) {
        if (is_float(dtype))
            sums[i].real = first_real(fold);
        else
            sums[i].natural = first_integer(fold, dtype);
    }
}

static void fold_all(const struct reduction *r, const struct spacc_tensor *x, enum fold fold,
                     union sum *sums)
{
    const fold_fn row_fold = folds[x->dtype][fold];
    const int64_t bytes = (int64_t)spacc_dtype_bytes(x->dtype);
    struct spacc_walk w;
    int64_t stride[2][SPACC_RANK_MAX];
    spacc_ops_strides(stride[0], x->rank, x->dims);
    memcpy(stride[1], r->stride, sizeof(stride[1]));
    spacc_walk_init(&w, 2, x->rank, x->dims, stride, NULL);
    for (size_t row = 0; row < w.rows; row++, spacc_walk_next(&w))
        row_fold(sums + w.at[1], (const char *)x->data + w.at[0] * bytes, w.inner, w.step[1],
                 w.step[0]);
}

/* The sums to the output; integers keep their low bits. */
static void store_sums(struct spacc_tensor *y, const union sum *sums)
{
    const size_t bytes = spacc_dtype_bytes(y->dtype);
    for (size_t i = 0; i < y->count; i++) {
        if (y->dtype == SPACC_F32)
            ((float *)y->data)[i] = (float)sums[i].real;
        else /* little endian */
            memcpy((char *)y->data + i * bytes, &sums[i], bytes);
    }
}

/* ---- one operator -------------------------------------------------------------- */

/* What happens to a sum of `each` elements at the end; false when it has no result. */
typedef bool (*finish_fn)(union sum *sum, enum spacc_dtype dtype, size_t each);

/* Output 0 and its sums; *sums is NULL when there is nothing left to do, else the caller
 * frees it. */
static enum spacc_status begin(struct spacc_op_call *c, struct reduction *r, int input_from,
                               unsigned types, enum fold fold, union sum **sums)
{
    struct spacc_tensor *y;
    *sums = NULL;
    TRY(spacc_ops_check(c, 1, types | SPACC_TYPE(I64)));
    TRY(spacc_ops_types(c, 0, types));
    TRY(plan_reduction(c, r, input_from));
    const struct spacc_tensor *x = c->in[0];
    TRY(spacc_op_output(c, 0, x->dtype, r->rank, r->dims, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    if (r->nothing) {
        spacc_ops_memcpy(y->data, x->data, x->count * spacc_dtype_bytes(x->dtype));
        return SPACC_OK;
    }
    *sums = malloc(y->count * sizeof(**sums));
    if (!*sums)
        return spacc_op_fail(c, SPACC_ENOMEM, "no memory for %zu sums", y->count);
    clear_sums(*sums, y->count, fold, x->dtype);
    return SPACC_OK;
}

static enum spacc_status reduce(struct spacc_op_call *c, int input_from, unsigned types,
                                enum fold fold, finish_fn finish)
{
    struct reduction r = {0};
    union sum *sums;
    TRY(begin(c, &r, input_from, types, fold, &sums));
    if (!sums)
        return SPACC_OK;
    const struct spacc_tensor *x = c->in[0];
    struct spacc_tensor *y = c->out[0];
    fold_all(&r, x, fold, sums);
    bool sound = true;
    for (size_t i = 0; finish && sound && i < y->count; i++)
        sound = finish(&sums[i], x->dtype, x->count / y->count);
    store_sums(y, sums);
    free(sums);
    return sound ? SPACC_OK : spacc_op_fail(c, SPACC_EINVAL, "integer mean of no elements");
}

enum {
    ARITHMETIC = SPACC_TYPES_WIDE | SPACC_TYPE(U32) | SPACC_TYPE(U64),
    ORDERED = ARITHMETIC | SPACC_TYPE(U8) | SPACC_TYPE(I8)
};

enum spacc_status spacc_op_reduce_sum(struct spacc_op_call *c)
{
    return reduce(c, 13, ARITHMETIC, SUM, NULL);
}

enum spacc_status spacc_op_reduce_prod(struct spacc_op_call *c)
{
    return reduce(c, 18, ARITHMETIC, PROD, NULL);
}

enum spacc_status spacc_op_reduce_l1(struct spacc_op_call *c)
{
    return reduce(c, 18, ARITHMETIC, ABSOLUTE, NULL);
}

enum spacc_status spacc_op_reduce_sum_square(struct spacc_op_call *c)
{
    return reduce(c, 18, ARITHMETIC, SQUARE, NULL);
}

/* bool from opset 20 on. */
static unsigned ordered(const struct spacc_op_call *c)
{
    return (unsigned)ORDERED | (spacc_ops_opset(c) >= 20 ? SPACC_TYPE(BOOL) : 0u);
}

enum spacc_status spacc_op_reduce_max(struct spacc_op_call *c)
{
    return reduce(c, 18, ordered(c), MAX, NULL);
}

enum spacc_status spacc_op_reduce_min(struct spacc_op_call *c)
{
    return reduce(c, 18, ordered(c), MIN, NULL);
}

/* Integers towards zero; no elements leave NaN. */
static bool divide(union sum *sum, enum spacc_dtype dtype, size_t each)
{
    if (is_float(dtype))
        sum->real /= (double)each;
    else if (each == 0)
        return false;
    else if (is_unsigned(dtype))
        sum->natural /= each;
    else
        sum->integer /= (int64_t)each;
    return true;
}

enum spacc_status spacc_op_reduce_mean(struct spacc_op_call *c)
{
    return reduce(c, 18, ARITHMETIC, SUM, divide);
}

/* A function of a sum; an integer one goes by way of double and back towards zero. */
static bool by_double(union sum *sum, enum spacc_dtype dtype, double (*f)(double))
{
    if (is_float(dtype)) {
        sum->real = f(sum->real);
        return true;
    }
    const double v = f(is_unsigned(dtype) ? (double)sum->natural : (double)sum->integer);
    sum->integer = v > -0x1p63 && v < 0x1p63 ? (int64_t)v : INT64_MIN;
    return true;
}

static bool square_root(union sum *sum, enum spacc_dtype dtype, size_t each)
{
    (void)each;
    return by_double(sum, dtype, sqrt);
}

enum spacc_status spacc_op_reduce_l2(struct spacc_op_call *c)
{
    return reduce(c, 18, ARITHMETIC, SQUARE, square_root);
}

static bool logarithm(union sum *sum, enum spacc_dtype dtype, size_t each)
{
    (void)each;
    return by_double(sum, dtype, log);
}

enum spacc_status spacc_op_reduce_log_sum(struct spacc_op_call *c)
{
    return reduce(c, 18, ARITHMETIC, SUM, logarithm);
}

/* ---- ReduceLogSumExp: the largest first, so that nothing overflows -------------- */

/* Integer sums as doubles. */
static void to_real(union sum *sums, size_t count, enum spacc_dtype dtype)
{
    for (size_t i = 0; i < count && !is_float(dtype); i++)
        sums[i].real = is_unsigned(dtype) ? (double)sums[i].natural : (double)sums[i].integer;
}

/* sums[] += e^(x - highest[]) */
static void add_exponentials(const struct reduction *r, const struct spacc_tensor *x,
                             const union sum *highest, double *sums)
{
    struct spacc_walk w;
    int64_t stride[2][SPACC_RANK_MAX];
    spacc_ops_strides(stride[0], x->rank, x->dims);
    memcpy(stride[1], r->stride, sizeof(stride[1]));
    spacc_walk_init(&w, 2, x->rank, x->dims, stride, NULL);
    for (size_t row = 0; row < w.rows; row++, spacc_walk_next(&w))
        for (size_t i = 0; i < w.inner; i++) {
            const int64_t from = w.at[0] + (int64_t)i * w.step[0];
            const int64_t to = w.at[1] + (int64_t)i * w.step[1];
            sums[to] += exp(spacc_tensor_element(x, (size_t)from) - highest[to].real);
        }
}

/* Integers go by way of double and back towards zero. */
enum spacc_status spacc_op_reduce_log_sum_exp(struct spacc_op_call *c)
{
    struct reduction r = {0};
    union sum *highest;
    TRY(begin(c, &r, 18, ARITHMETIC, MAX, &highest));
    if (!highest)
        return SPACC_OK;
    const struct spacc_tensor *x = c->in[0];
    struct spacc_tensor *y = c->out[0];
    double *sums = calloc(y->count, sizeof(*sums));
    if (!sums) {
        free(highest);
        return spacc_op_fail(c, SPACC_ENOMEM, "no memory for %zu sums", y->count);
    }
    fold_all(&r, x, MAX, highest);
    to_real(highest, y->count, x->dtype);
    add_exponentials(&r, x, highest, sums);
    for (size_t i = 0; i < y->count; i++) { /* an infinite highest is the result */
        const double v = highest[i].real;
        spacc_ops_put(y, i, isfinite(v) ? v + log(sums[i]) : v);
    }
    free(sums);
    free(highest);
    return SPACC_OK;
}
