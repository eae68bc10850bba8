/* Operators on rows: sums, softmax, normalisation. A work-group of GPU_ROW items a row; row
 * `outer, inner` has its elements at (outer * length + i) * inners + inner. */

/* The items' numbers added up, or the largest of them; every item gets the result. */
float all_of(float mine, int most, __local float *part)
{
    const int item = get_local_id(0);

    barrier(CLK_LOCAL_MEM_FENCE); /* the last result has been read */
    part[item] = mine;
    for (int half_of = GPU_ROW / 2; half_of > 0; half_of /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (item < half_of)
            part[item] = most ? fmax(part[item], part[item + half_of])
                              : part[item] + part[item + half_of];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return part[0];
}

__kernel void softmax(__global float *y, uint y_at, __global const float *x, uint x_at, int length,
                      int inners, int logarithm)
{
    __local float part[GPU_ROW];
    const int row = get_group_id(0), start = row / inners * length * inners + row % inners;
    float most = -INFINITY, sum = 0.0f;

    x += x_at + start;
    y += y_at + start;
    for (int i = get_local_id(0); i < length; i += GPU_ROW)
        most = fmax(most, x[i * inners]);
    most = all_of(most, 1, part);
    for (int i = get_local_id(0); i < length; i += GPU_ROW)
        sum += exp(x[i * inners] - most);
    sum = all_of(sum, 0, part);
    for (int i = get_local_id(0); i < length; i += GPU_ROW)
        y[i * inners] = logarithm ? x[i * inners] - most - log(sum)
                                  : exp(x[i * inners] - most) / sum;
}

float reduce_start(int op)
{
    return op == GPU_LARGEST ? -INFINITY : op == GPU_SMALLEST ? INFINITY
                                       : op == GPU_PRODUCT    ? 1.0f
                                                              : 0.0f;
}

/* One more element; squares and absolutes are taken of elements, not of partial results. */
float reduce_one(int op, float sum, float x)
{
    switch (op) {
    case GPU_LARGEST: return fmax(sum, x);
    case GPU_SMALLEST: return fmin(sum, x);
    case GPU_PRODUCT: return sum * x;
    case GPU_L1: return sum + fabs(x);
    case GPU_L2:
    case GPU_SUM_SQUARE: return sum + x * x;
    default: return sum + x;
    }
}

__kernel void reduce(__global float *y, uint y_at, __global const float *x, uint x_at, int length,
                     int inners, int op)
{
    __local float part[GPU_ROW];
    const int row = get_group_id(0), item = get_local_id(0);
    const int again = op == GPU_L1 || op == GPU_L2 || op == GPU_SUM_SQUARE ? GPU_SUM : op;
    float sum = reduce_start(op);

    x += x_at + row / inners * length * inners + row % inners;
    for (int i = item; i < length; i += GPU_ROW)
        sum = reduce_one(op, sum, x[i * inners]);
    part[item] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (item > 0)
        return;
    for (int i = 1; i < GPU_ROW; i++)
        sum = reduce_one(again, sum, part[i]);
    if (op == GPU_MEAN)
        sum /= length;
    y[y_at + row] = op == GPU_L2 ? sqrt(sum) : sum;
}

/* (x - mean) / sqrt(variance + epsilon) * scale + bias of rows side by side; scale and bias are
 * by element of a row, or (channels > 0) by row % channels. */
__kernel void normalise(__global float *y, uint y_at, __global const float *x, uint x_at,
                        int length, __global const float *scale, uint scale_at,
                        __global const float *bias, uint bias_at, int has_bias, int channels,
                        float epsilon)
{
    __local float part[GPU_ROW];
    const int row = get_group_id(0);
    float sum = 0.0f, square = 0.0f;

    x += x_at + row * length;
    y += y_at + row * length;
    for (int i = get_local_id(0); i < length; i += GPU_ROW)
        sum += x[i];
    const float mean = all_of(sum, 0, part) / length;
    for (int i = get_local_id(0); i < length; i += GPU_ROW)
        square += (x[i] - mean) * (x[i] - mean);
    const float factor = 1.0f / sqrt(all_of(square, 0, part) / length + epsilon);
    for (int i = get_local_id(0); i < length; i += GPU_ROW) {
        const int k = channels > 0 ? row % channels : i;
        y[i] = (x[i] - mean) * factor * scale[scale_at + k] + (has_bias ? bias[bias_at + k] : 0.0f);
    }
}

/* LRN over `size` channels around each. */
__kernel void neighbours(__global float *y, uint y_at, __global const float *x, uint x_at,
                         int count, int channels, int plane, int size, float alpha, float beta,
                         float bias)
{
    const int i = get_global_id(0);

    if (i >= count)
        return;
    const int c = i / plane % channels;
    const int first = max(0, c - (size - 1) / 2), last = min(channels - 1, c + size / 2);
    float sum = 0.0f;
    x += x_at + i;
    for (int k = first; k <= last; k++)
        sum += x[(k - c) * plane] * x[(k - c) * plane];
    y[y_at + i] = *x / pow(bias + alpha / size * sum, beta);
}
