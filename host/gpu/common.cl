/* What several kernels do with one number. Memory comes as a buffer and where to start in it,
 * counted in elements; a buffer that is not there is NULL, and never looked at. */

float activate(int op, float a, float b, float x)
{
    switch (op) {
    case GPU_RELU: return x < 0.0f ? 0.0f : x;
    case GPU_LEAKY_RELU: return x < 0.0f ? a * x : x;
    case GPU_CLIP: return x < a ? a : x > b ? b : x;
    case GPU_SIGMOID: return 1.0f / (1.0f + exp(-x));
    case GPU_TANH: return tanh(x);
    case GPU_ELU: return x < 0.0f ? a * expm1(x) : x;
    case GPU_SELU: return x < 0.0f ? b * a * expm1(x) : b * x;
    case GPU_CELU: return x < 0.0f ? a * expm1(x / a) : x;
    case GPU_THRESHOLDED_RELU: return x > a ? x : 0.0f;
    case GPU_HARD_SIGMOID: return fmax(0.0f, fmin(1.0f, a * x + b));
    case GPU_HARD_SWISH: return x * fmax(0.0f, fmin(1.0f, x / 6.0f + 0.5f));
    case GPU_SOFTPLUS: return fmax(x, 0.0f) + log1p(exp(-fabs(x)));
    case GPU_SOFTSIGN: return x / (1.0f + fabs(x));
    case GPU_GELU: return 0.5f * x * (1.0f + erf(x * 0.70710678f));
    case GPU_GELU_TANH:
        return 0.5f * x * (1.0f + tanh(0.79788456f * (x + 0.044715f * x * x * x)));
    case GPU_MISH: return x * tanh(fmax(x, 0.0f) + log1p(exp(-fabs(x))));
    case GPU_EXP: return exp(x);
    case GPU_LOG: return log(x);
    case GPU_SQRT: return sqrt(x);
    case GPU_RECIPROCAL: return 1.0f / x;
    case GPU_ABS: return fabs(x);
    case GPU_NEG: return -x;
    case GPU_FLOOR: return floor(x);
    case GPU_CEIL: return ceil(x);
    case GPU_ROUND: return rint(x);
    case GPU_SIGN: return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x;
    case GPU_ERF: return erf(x);
    case GPU_SIN: return sin(x);
    case GPU_COS: return cos(x);
    case GPU_TAN: return tan(x);
    case GPU_ASIN: return asin(x);
    case GPU_ACOS: return acos(x);
    case GPU_ATAN: return atan(x);
    case GPU_SINH: return sinh(x);
    case GPU_COSH: return cosh(x);
    case GPU_ASINH: return asinh(x);
    case GPU_ACOSH: return acosh(x);
    case GPU_ATANH: return atanh(x);
    default: return x;
    }
}

float combine(int op, float a, float b)
{
    switch (op) {
    case GPU_ADD: return a + b;
    case GPU_SUB: return a - b;
    case GPU_MUL: return a * b;
    case GPU_DIV: return a / b;
    case GPU_POW: return b == 2.0f ? a * a : pow(a, b);
    case GPU_MIN: return isnan(a) ? a : a > b || isnan(b) ? b : a;
    case GPU_MAX: return isnan(a) ? a : a < b || isnan(b) ? b : a;
    default: return a < 0.0f ? a * b : a; /* PRelu */
    }
}

/* What is done to a result before it is written: bias[(i / inner) % channels], another tensor
 * of the same shape, an activation. */
#define POST_ARGS                                                                           \
    __global const float *bias, uint bias_at, __global const float *other, uint other_at,   \
        int inner, int channels, int has_bias, int has_other, int op, float alpha, float beta
#define POST bias + bias_at, other + other_at, inner, channels, has_bias, has_other, op, alpha, beta

float post(float x, int i, __global const float *bias, __global const float *other, int inner,
           int channels, int has_bias, int has_other, int op, float alpha, float beta)
{
    if (has_bias)
        x += bias[i / inner % channels];
    if (has_other)
        x += other[i];
    return activate(op, alpha, beta, x);
}
