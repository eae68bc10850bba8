/* DFT and STFT, in double: halves as long as the length is even, the definition from
 * there on. */
#include "models/ops_util.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

struct complex {
    double re, im;
};

/* e^(sign 2 pi i k / n) */
static struct complex root(size_t k, size_t n, int sign)
{
    const double angle = 6.28318530717958647693 * (double)(k % n) / (double)n;
    return (struct complex){cos(angle), sign * sin(angle)};
}

static struct complex times(struct complex a, struct complex b)
{
    return (struct complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/* to[k] = sum of from[j * step] e^(sign 2 pi i j k / n) */
static void transform_odd(struct complex *to, const struct complex *from, size_t n, size_t step,
                          int sign)
{
    for (size_t k = 0; k < n; k++) {
        struct complex sum = {0.0, 0.0};
        size_t turn = 0; /* j * k modulo n */
        for (size_t j = 0; j < n; j++) {
            const struct complex v = times(from[j * step], root(turn, n, sign));
            sum.re += v.re;
            sum.im += v.im;
            turn = (turn + k) % n;
        }
        to[k] = sum;
    }
}

static void transform(struct complex *to, const struct complex *from, size_t n, size_t step,
                      int sign)
{
    if (n % 2 != 0) {
        transform_odd(to, from, n, step, sign);
        return;
    }
    const size_t half = n / 2;
    transform(to, from, half, 2 * step, sign);
    transform(to + half, from + step, half, 2 * step, sign);
    for (size_t k = 0; k < half; k++) {
        const struct complex a = to[k], b = times(to[half + k], root(k, n, sign));
        to[k] = (struct complex){a.re + b.re, a.im + b.im};
        to[half + k] = (struct complex){a.re - b.re, a.im - b.im};
    }
}

/* Room for one transform of `length`. */
struct plan {
    size_t length, kept; /* kept: results that are stored */
    int sign;
    double scale;
    struct complex *in, *out;
};

static enum spacc_status plan_init(struct spacc_op_call *c, struct plan *p)
{
    p->in = calloc(p->length, sizeof(*p->in));
    p->out = calloc(p->length, sizeof(*p->out));
    if (p->in && p->out)
        return SPACC_OK;
    return spacc_op_fail(c, SPACC_ENOMEM, "no memory for %zu points", p->length);
}

static void plan_release(struct plan *p)
{
    free(p->in);
    free(p->out);
}

/* p->in from `count` points of x, `step` points apart, the rest zeros. parts: numbers a
 * point, 1 or 2. */
static void load(struct plan *p, const struct spacc_tensor *x, size_t at, size_t step,
                 size_t count, size_t parts)
{
    for (size_t i = 0; i < p->length; i++) {
        const size_t from = (at + i * step) * parts;
        p->in[i] = (struct complex){0.0, 0.0};
        if (i >= count)
            continue;
        p->in[i].re = spacc_tensor_element(x, from);
        p->in[i].im = parts == 2 ? spacc_tensor_element(x, from + 1) : 0.0;
    }
}

/* Transform and store p->kept points from point `at` of y on, `step` apart. */
static void store(struct plan *p, struct spacc_tensor *y, size_t at, size_t step)
{
    transform(p->out, p->in, p->length, 1, p->sign);
    for (size_t i = 0; i < p->kept; i++) {
        spacc_ops_put(y, (at + i * step) * 2, p->out[i].re * p->scale);
        spacc_ops_put(y, (at + i * step) * 2 + 1, p->out[i].im * p->scale);
    }
}

/* A length that input `i` gives, or `otherwise`. */
static enum spacc_status read_length(struct spacc_op_call *c, int i, int64_t otherwise,
                                     int64_t *length)
{
    *length = otherwise;
    TRY(spacc_ops_types(c, i, SPACC_TYPES_INDEX));
    TRY(spacc_ops_scalar(c, i));
    if (spacc_ops_in(c, i)) {
        TRY(spacc_op_needs(c, i));
        *length = spacc_ops_integer(c->in[i], 0);
    }
    if (*length < 1)
        return spacc_op_fail(c, SPACC_ESHAPE, "a length of %" PRId64, *length);
    return SPACC_OK;
}

/* ---- DFT ------------------------------------------------------------------------ */

/* An attribute (1 when left out) before opset 20, input 2 (-2) from then on. The last
 * axis holds the parts of a number. */
static enum spacc_status read_axis(struct spacc_op_call *c, int *axis)
{
    const bool input = spacc_ops_opset(c) >= 20;
    int64_t number = spacc_node_int(c->node, "axis", 1);
    *axis = 0;
    TRY(spacc_ops_attr_opset(c, "axis", 1, 19));
    TRY(spacc_ops_input_opset(c, 2, 20, INT32_MAX));
    TRY(spacc_ops_types(c, 2, SPACC_TYPE(I64)));
    TRY(spacc_ops_scalar(c, 2));
    if (input && spacc_ops_in(c, 2)) {
        TRY(spacc_op_needs(c, 2));
        number = *(const int64_t *)c->in[2]->data;
    } else if (input) {
        number = -2;
    }
    TRY(spacc_ops_axis(c, axis, number, c->in[0]->rank));
    if (*axis == c->in[0]->rank - 1)
        return spacc_op_fail(c, SPACC_ESHAPE, "axis %d holds the parts of the numbers", *axis);
    return SPACC_OK;
}

static enum spacc_status check_parts(struct spacc_op_call *c, int least_rank)
{
    char text[SPACC_TEXT_BYTES];
    const struct spacc_tensor *x = c->in[0];
    if (x->rank >= least_rank && (x->dims[x->rank - 1] == 1 || x->dims[x->rank - 1] == 2))
        return SPACC_OK;
    return spacc_op_fail(c, SPACC_ESHAPE,
                         "shape %s does not end in an axis of 1 (real) or 2 (complex)",
                         spacc_ops_shape_text(text, x->rank, x->dims));
}

static void run_dft(struct plan *p, struct spacc_tensor *y, const struct spacc_tensor *x,
                    int axis)
{
    const size_t parts = (size_t)x->dims[x->rank - 1], size = (size_t)x->dims[axis];
    const size_t step = spacc_ops_product(x->dims, axis + 1, x->rank - 1);
    const size_t lines = spacc_ops_product(x->dims, 0, axis) * step;
    const size_t count = size < p->length ? size : p->length;
    for (size_t i = 0; i < lines; i++) {
        load(p, x, i / step * size * step + i % step, step, count, parts);
        store(p, y, i / step * p->kept * step + i % step, step);
    }
}

enum spacc_status spacc_op_dft(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    int64_t dims[SPACC_RANK_MAX], length;
    int axis;
    const bool inverse = spacc_node_int(c->node, "inverse", 0) != 0;
    const bool onesided = spacc_node_int(c->node, "onesided", 0) != 0;
    TRY(spacc_ops_check(c, 1, SPACC_TYPES_WIDE));
    TRY(spacc_ops_types(c, 0, SPACC_TYPES_FLOAT));
    TRY(check_parts(c, 2));
    TRY(read_axis(c, &axis));
    const struct spacc_tensor *x = c->in[0];
    TRY(read_length(c, 1, x->dims[axis], &length));
    if (onesided && (inverse || x->dims[x->rank - 1] == 2))
        return spacc_op_fail(c, SPACC_EUNSUPPORTED,
                             "onesided is supported for real input and not with inverse");
    struct plan p = {.length = (size_t)length,
                     .kept = (size_t)(onesided ? length / 2 + 1 : length),
                     .sign = inverse ? 1 : -1,
                     .scale = inverse ? 1.0 / (double)length : 1.0};
    for (int i = 0; i < x->rank; i++)
        dims[i] = i == axis ? (int64_t)p.kept : x->dims[i];
    dims[x->rank - 1] = 2;
    TRY(spacc_op_output(c, 0, x->dtype, x->rank, dims, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    const enum spacc_status status = plan_init(c, &p);
    if (status == SPACC_OK)
        run_dft(&p, y, x, axis);
    plan_release(&p);
    return status;
}

/* ---- STFT ----------------------------------------------------------------------- */

enum { SIGNAL, FRAME_STEP, WINDOW, FRAME_LENGTH };

static void run_stft(struct plan *p, struct spacc_tensor *y, const struct spacc_tensor *x,
                     const struct spacc_tensor *window, size_t hop)
{
    const size_t frames = (size_t)y->dims[1], parts = (size_t)x->dims[x->rank - 1];
    for (size_t i = 0; i < (size_t)y->dims[0] * frames; i++) {
        load(p, x, i / frames * (size_t)x->dims[1] + i % frames * hop, 1, p->length, parts);
        for (size_t k = 0; window && k < p->length; k++) {
            p->in[k].re *= spacc_tensor_element(window, k);
            p->in[k].im *= spacc_tensor_element(window, k);
        }
        store(p, y, i * p->kept, 1);
    }
}

/* Length of a frame: of input 3, else of the window; both must agree. */
static enum spacc_status frame_length(struct spacc_op_call *c, int64_t *length)
{
    const struct spacc_tensor *window = spacc_ops_in(c, WINDOW);
    if (!window && !spacc_ops_in(c, FRAME_LENGTH))
        return spacc_op_fail(c, SPACC_ESHAPE, "has no window and no frame length");
    TRY(read_length(c, FRAME_LENGTH, window ? (int64_t)window->count : 0, length));
    if (window && (window->rank != 1 || window->dims[0] != *length))
        return spacc_op_fail(c, SPACC_ESHAPE, "the window has %zu elements, a frame %" PRId64,
                             window->count, *length);
    return SPACC_OK;
}

enum spacc_status spacc_op_stft(struct spacc_op_call *c)
{
    struct spacc_tensor *y;
    int64_t hop, length = 0;
    const bool onesided = spacc_node_int(c->node, "onesided", 1) != 0;
    TRY(spacc_ops_check(c, 2, SPACC_TYPES_WIDE));
    TRY(spacc_ops_types(c, SIGNAL, SPACC_TYPES_FLOAT));
    TRY(spacc_ops_same_type(c, SIGNAL, WINDOW));
    TRY(check_parts(c, 3));
    const struct spacc_tensor *x = c->in[SIGNAL];
    if (x->rank != 3)
        return spacc_op_fail(c, SPACC_ESHAPE, "the signal has rank %d, not 3", x->rank);
    TRY(read_length(c, FRAME_STEP, 0, &hop));
    TRY(frame_length(c, &length));
    if (onesided && x->dims[2] == 2)
        return spacc_op_fail(c, SPACC_EUNSUPPORTED, "onesided is supported for a real signal");
    if (length > x->dims[1])
        return spacc_op_fail(c, SPACC_ESHAPE, "a frame of %" PRId64 " in a signal of %" PRId64,
                             length, x->dims[1]);
    struct plan p = {.length = (size_t)length,
                     .kept = (size_t)(onesided ? length / 2 + 1 : length),
                     .sign = -1,
                     .scale = 1.0};
    const int64_t frames = (x->dims[1] - length) / hop + 1;
    TRY(spacc_op_output(c, 0, x->dtype, 4,
                        (const int64_t[]){x->dims[0], frames, (int64_t)p.kept, 2}, &y));
    if (c->shape_only || y->count == 0)
        return SPACC_OK;
    const enum spacc_status status = plan_init(c, &p);
    if (status == SPACC_OK)
        run_stft(&p, y, x, spacc_ops_in(c, WINDOW), (size_t)hop);
    plan_release(&p);
    return status;
}
