/* Products of few vectors: y[m][n] = a[m][k] b[k][n]. A work-group has 16 results of one vector
 * and sums each in 8 slices of k: neighbours read neighbours. */

__kernel void few(__global float *y, uint y_at, __global const float *a, uint a_at,
                  __global const float *b, uint b_at, int n, int k, POST_ARGS)
{
    __local float part[GPU_SLICES][GPU_COLUMNS];
    const int column = get_global_id(0), slice = get_local_id(1), row = get_global_id(2);
    const int lane = get_local_id(0);
    float sum = 0.0f;

    a += a_at + row * k;
    b += b_at;
    if (column < n)
        for (int i = slice; i < k; i += GPU_SLICES)
            sum += a[i] * b[i * n + column];
    part[slice][lane] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (slice > 0 || column >= n)
        return;
    for (int i = 1; i < GPU_SLICES; i++)
        sum += part[i][lane];
    y[y_at + row * n + column] = post(sum, row * n + column, POST);
}
