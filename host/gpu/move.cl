/* Every mover: elements `first` and on of y from those of x that an index names. */

__kernel void gather(__global float *y, uint y_at, __global const float *x, uint x_at,
                     __global const int *index, uint index_at, int count, float padding)
{
    const int i = get_global_id(0);

    if (i >= count)
        return;
    const int from = index[index_at + i];
    if (from >= 0)
        y[y_at + i] = x[x_at + from];
    else if (from == GPU_PADDING)
        y[y_at + i] = padding; /* below: another input's */
}

__kernel void copy(__global float *y, uint y_at, __global const float *x, uint x_at, int count)
{
    const int i = get_global_id(0);

    if (i < count)
        y[y_at + i] = x[x_at + i];
}

/* Linear between two neighbours on each of the last three axes: n is outer x out[3]; low, high
 * and share are one list for the three axes. */
__kernel void stretch(__global float *y, uint y_at, __global const float *x, uint x_at, int count,
                      __global const int *low, uint low_at, __global const int *high, uint high_at,
                      __global const float *share, uint share_at, int in0, int in1, int in2,
                      int out0, int out1, int out2)
{
    const int i = get_global_id(0);

    if (i >= count)
        return;
    const int k2 = out0 + out1 + i % out2, k1 = out0 + i / out2 % out1;
    const int k0 = i / out2 / out1 % out0;
    x += x_at + i / out2 / out1 / out0 * in0 * in1 * in2;
    float sum = 0.0f;
    for (int tap = 0; tap < 8; tap++) {
        const int t0 = tap & 4 ? high[high_at + k0] : low[low_at + k0];
        const int t1 = tap & 2 ? high[high_at + k1] : low[low_at + k1];
        const int t2 = tap & 1 ? high[high_at + k2] : low[low_at + k2];
        const float s0 = share[share_at + k0], s1 = share[share_at + k1];
        const float s2 = share[share_at + k2];
        const float w = (tap & 4 ? s0 : 1.0f - s0) * (tap & 2 ? s1 : 1.0f - s1) *
                        (tap & 1 ? s2 : 1.0f - s2);
        if (w != 0.0f)
            sum += w * x[(t0 * in1 + t1) * in2 + t2];
    }
    y[y_at + i] = sum;
}
