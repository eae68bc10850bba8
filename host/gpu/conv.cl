/* Convolutions: columns for a product, or all in one kernel where groups are small. `v`: a
 * window as in ops.h, w: depth, height, width. */

/* Where tap k of output o reads along an axis. */
int window_at(__global const int *v, int axis, int o, int k)
{
    return o * v[GPU_STRIDE + axis] + k * v[GPU_DILATION + axis] - v[GPU_BEGIN + axis];
}

bool window_has(__global const int *v, int axis, int at)
{
    return at >= 0 && at < v[GPU_IN + axis];
}

/* col[channel * taps + tap][pixel] for pixels first .. first + pixels - 1 of the result. */
__kernel void columns(__global float *col, uint col_at, __global const float *x, uint x_at,
                      __global const int *v, uint v_at, int count, int first, int pixels)
{
    const int i = get_global_id(0);

    v += v_at;
    if (i >= count)
        return;
    const int pixel = first + i % pixels, row = i / pixels;
    const int k2 = row % v[GPU_KERNEL + 2];
    const int k1 = row / v[GPU_KERNEL + 2] % v[GPU_KERNEL + 1];
    const int k0 = row / v[GPU_KERNEL + 2] / v[GPU_KERNEL + 1] % v[GPU_KERNEL];
    const int channel = row / v[GPU_KERNEL + 2] / v[GPU_KERNEL + 1] / v[GPU_KERNEL];
    const int at2 = window_at(v, 2, pixel % v[GPU_OUT + 2], k2);
    const int at1 = window_at(v, 1, pixel / v[GPU_OUT + 2] % v[GPU_OUT + 1], k1);
    const int at0 = window_at(v, 0, pixel / v[GPU_OUT + 2] / v[GPU_OUT + 1], k0);
    float value = 0.0f;
    if (window_has(v, 0, at0) && window_has(v, 1, at1) && window_has(v, 2, at2))
        value = x[x_at +
                  ((channel * v[GPU_IN] + at0) * v[GPU_IN + 1] + at1) * v[GPU_IN + 2] + at2];
    col[col_at + i] = value;
}

/* y[n][oc][o0][o1][o2], w[oc][ic of a group][taps]. */
__kernel void direct(__global float *y, uint y_at, __global const float *x, uint x_at,
                     __global const float *w, uint w_at, __global const int *v, uint v_at,
                     int count, int ic, int oc, int groups, POST_ARGS)
{
    const int i = get_global_id(0);

    v += v_at;
    if (i >= count)
        return;
    const int o2 = i % v[GPU_OUT + 2], o1 = i / v[GPU_OUT + 2] % v[GPU_OUT + 1];
    const int o0 = i / v[GPU_OUT + 2] / v[GPU_OUT + 1] % v[GPU_OUT];
    const int c = i / v[GPU_OUT + 2] / v[GPU_OUT + 1] / v[GPU_OUT];
    const int channel = c % oc, image = c / oc, each = ic / groups;
    const int in_plane = v[GPU_IN] * v[GPU_IN + 1] * v[GPU_IN + 2];
    float sum = 0.0f;
    w += w_at + channel * each * v[GPU_KERNEL] * v[GPU_KERNEL + 1] * v[GPU_KERNEL + 2];
    x += x_at + (image * ic + channel / (oc / groups) * each) * in_plane;
    for (int k = 0; k < each; k++, x += in_plane)
        for (int k0 = 0; k0 < v[GPU_KERNEL]; k0++)
            for (int k1 = 0; k1 < v[GPU_KERNEL + 1]; k1++)
                for (int k2 = 0; k2 < v[GPU_KERNEL + 2]; k2++, w++) {
                    const int at0 = window_at(v, 0, o0, k0), at1 = window_at(v, 1, o1, k1);
                    const int at2 = window_at(v, 2, o2, k2);
                    if (window_has(v, 0, at0) && window_has(v, 1, at1) && window_has(v, 2, at2))
                        sum += *w * x[(at0 * v[GPU_IN + 1] + at1) * v[GPU_IN + 2] + at2];
                }
    y[y_at + i] = post(sum, i, POST);
}

/* Which input reaches output o by tap k along an axis; -1: none. */
int source_of(__global const int *v, int axis, int o, int k)
{
    const int at = o + v[GPU_BEGIN + axis] - k * v[GPU_DILATION + axis];
    const int from = at / v[GPU_STRIDE + axis];

    return at >= 0 && from * v[GPU_STRIDE + axis] == at && from < v[GPU_IN + axis] ? from : -1;
}

/* The transpose: w[ic][oc of a group][taps]. */
__kernel void transposed(__global float *y, uint y_at, __global const float *x, uint x_at,
                         __global const float *w, uint w_at, __global const int *v, uint v_at,
                         int count, int ic, int oc, int groups, POST_ARGS)
{
    const int i = get_global_id(0);

    v += v_at;
    if (i >= count)
        return;
    const int o2 = i % v[GPU_OUT + 2], o1 = i / v[GPU_OUT + 2] % v[GPU_OUT + 1];
    const int o0 = i / v[GPU_OUT + 2] / v[GPU_OUT + 1] % v[GPU_OUT];
    const int c = i / v[GPU_OUT + 2] / v[GPU_OUT + 1] / v[GPU_OUT];
    const int channel = c % oc, image = c / oc, each = oc / groups, ins = ic / groups;
    const int taps = v[GPU_KERNEL] * v[GPU_KERNEL + 1] * v[GPU_KERNEL + 2];
    const int in_plane = v[GPU_IN] * v[GPU_IN + 1] * v[GPU_IN + 2];
    const int first = channel / each * ins; /* input channel of the group */
    float sum = 0.0f;
    w += w_at + (first * each + channel % each) * taps;
    x += x_at + (image * ic + first) * in_plane;
    for (int k0 = 0; k0 < v[GPU_KERNEL]; k0++)
        for (int k1 = 0; k1 < v[GPU_KERNEL + 1]; k1++)
            for (int k2 = 0; k2 < v[GPU_KERNEL + 2]; k2++) {
                const int at0 = source_of(v, 0, o0, k0), at1 = source_of(v, 1, o1, k1);
                const int at2 = source_of(v, 2, o2, k2);
                const int tap = (k0 * v[GPU_KERNEL + 1] + k1) * v[GPU_KERNEL + 2] + k2;
                const int at = (at0 * v[GPU_IN + 1] + at1) * v[GPU_IN + 2] + at2;
                for (int k = 0; k < ins && at0 >= 0 && at1 >= 0 && at2 >= 0; k++)
                    sum += w[k * each * taps + tap] * x[k * in_plane + at];
            }
    y[y_at + i] = post(sum, i, POST);
}
