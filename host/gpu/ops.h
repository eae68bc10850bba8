/* ops.h - numbers that the host and the OpenCL C of this folder share; part of both. */
#ifndef SPACC_GPU_OPS_H
#define SPACC_GPU_OPS_H

/* y from x, with parameters a and b: activate() in common.cl. */
enum {
    GPU_SAME,
    GPU_RELU,
    GPU_LEAKY_RELU,
    GPU_CLIP,
    GPU_SIGMOID,
    GPU_TANH,
    GPU_ELU,
    GPU_SELU,
    GPU_CELU,
    GPU_THRESHOLDED_RELU,
    GPU_HARD_SIGMOID,
    GPU_HARD_SWISH,
    GPU_SOFTPLUS,
    GPU_SOFTSIGN,
    GPU_GELU,
    GPU_GELU_TANH,
    GPU_MISH,
    GPU_EXP,
    GPU_LOG,
    GPU_SQRT,
    GPU_RECIPROCAL,
    GPU_ABS,
    GPU_NEG,
    GPU_FLOOR,
    GPU_CEIL,
    GPU_ROUND,
    GPU_SIGN,
    GPU_ERF,
    GPU_SIN,
    GPU_COS,
    GPU_TAN,
    GPU_ASIN,
    GPU_ACOS,
    GPU_ATAN,
    GPU_SINH,
    GPU_COSH,
    GPU_ASINH,
    GPU_ACOSH,
    GPU_ATANH
};

/* y from a and b: combine(). */
enum { GPU_ADD, GPU_SUB, GPU_MUL, GPU_DIV, GPU_POW, GPU_MIN, GPU_MAX, GPU_PRELU };

/* One number from many: reduce(). */
enum {
    GPU_SUM,
    GPU_MEAN,
    GPU_LARGEST,
    GPU_SMALLEST,
    GPU_PRODUCT,
    GPU_L1,
    GPU_L2,
    GPU_SUM_SQUARE
};

/* The passes of a step of a GRU: rnn.cl. */
enum {
    GPU_GRU_LINEAR, /* the whole step, linear_before_reset */
    GPU_GRU_GATES,  /* z and r * h */
    GPU_GRU_REST    /* h, from these */
};

/* Sides of work-groups whose items wait for each other. */
enum {
    GPU_ROW = 64, /* a row in rows.cl */
    GPU_COLUMNS =
        16,        /* side by side in product.cl (four results each) and rnn.cl (a unit) ... */
    GPU_SLICES = 8 /* ... and so many share a sum */
};

/* Ints of a window over three axes, six for each of: in, out, kernel, stride, dilation, begin
 * (pads); conv.cl, pool.cl. */
enum {
    GPU_IN = 0,
    GPU_OUT = 3,
    GPU_KERNEL = 6,
    GPU_STRIDE = 9,
    GPU_DILATION = 12,
    GPU_BEGIN = 15,
    GPU_WINDOW = 18
};

enum { GPU_PADDING = -1 }; /* in an index of move.cl: the constant */

#endif
