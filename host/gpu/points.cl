/* Element-wise operators: a work-item an element. */

__kernel void unary(__global float *y, uint y_at, __global const float *x, uint x_at, int count,
                    int op, float alpha, float beta)
{
    const int i = get_global_id(0);

    if (i < count)
        y[y_at + i] = activate(op, alpha, beta, x[x_at + i]);
}

/* Four axes, of which n0 is not needed; steps of 0 repeat an operand. */
__kernel void binary(__global float *y, uint y_at, __global const float *a, uint a_at,
                     __global const float *b, uint b_at, int count, int op, int n1, int n2,
                     int n3, int a0, int a1, int a2, int a3, int b0, int b1, int b2, int b3)
{
    const int i = get_global_id(0);

    if (i >= count)
        return;
    const int i3 = i % n3, i2 = i / n3 % n2, i1 = i / n3 / n2 % n1, i0 = i / n3 / n2 / n1;
    y[y_at + i] = combine(op, a[a_at + i0 * a0 + i1 * a1 + i2 * a2 + i3 * a3],
                          b[b_at + i0 * b0 + i1 * b1 + i2 * b2 + i3 * b3]);
}

/* y = post(x * scale[channel]); in place when y is x. */
__kernel void finish(__global float *y, uint y_at, __global const float *x, uint x_at, int count,
                     __global const float *scale, uint scale_at, int has_scale, POST_ARGS)
{
    const int i = get_global_id(0);

    if (i >= count)
        return;
    float v = x[x_at + i];
    if (has_scale)
        v *= scale[scale_at + i / inner % channels];
    y[y_at + i] = post(v, i, POST);
}
