/* Products of few vectors: y[m][n] = a[m][k] b[k][n]. A work-item has four results side by side and
 * every eighth row of b; a work-group 64 results: neighbours read neighbours. */

__kernel void few(__global float *y, uint y_at, __global const float *a, uint a_at,
                  __global const float *b, uint b_at, int n, int k, POST_ARGS)
{
    __local float4 part[GPU_SLICES][GPU_COLUMNS];
    const int column = 4 * get_global_id(0), slice = get_local_id(1), row = get_global_id(2);
    const int lane = get_local_id(0), has = min(4, n - column);
    float4 sum = (float4)(0.0f);

    a += a_at + row * k;
    b += b_at;
    if (has == 4)
        for (int i = slice; i < k; i += GPU_SLICES)
            sum += a[i] * vload4(0, b + i * n + column);
    else if (has > 0)
        for (int i = slice; i < k; i += GPU_SLICES) {
            __global const float *at = b + i * n + column;
            sum += a[i] * (float4)(at[0], has > 1 ? at[1] : 0.0f, has > 2 ? at[2] : 0.0f, 0.0f);
        }
    part[slice][lane] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (slice > 0)
        return;
    for (int i = 1; i < GPU_SLICES; i++)
        sum += part[i][lane];
    const float list[4] = {sum.x, sum.y, sum.z, sum.w};
    for (int i = 0; i < has; i++)
        y[y_at + row * n + column + i] = post(list[i], row * n + column + i, POST);
}
