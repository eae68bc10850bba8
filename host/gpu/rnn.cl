/* One step of an LSTM or GRU, all sequences of the batch and both directions at once: work-groups
 * as in product.cl, a column a unit. r[direction][from unit][unit][4 gates] is read by
 * neighbours side by side. xw[step][batch][direction][gate][unit] is the input's part. */

/* The dot products of all gates of one unit with vec; whole in the items of slice 0. */
float4 gates_of(__global const float *r, __global const float *vec, int has_vec, int units,
                __local float4 (*part)[GPU_COLUMNS])
{
    const int unit = get_global_id(0), slice = get_local_id(1), lane = get_local_id(0);
    float4 sum = (float4)(0.0f);

    if (unit < units && has_vec)
        for (int k = slice; k < units; k += GPU_SLICES)
            sum += vload4(k * units + unit, r) * vec[k];
    part[slice][lane] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = 1; i < GPU_SLICES && slice == 0; i++)
        sum += part[i][lane];
    return sum;
}

float sigmoid(float x)
{
    return 1.0f / (1.0f + exp(-x));
}

/* Gates i, o, f, c. `at`: [direction][batch][unit]; `t`: the step that is taken, or in a
 * direction that goes backwards steps - 1 - t. backwards: bit 0 and 1, the directions. */
__kernel void lstm(__global const float *xw, uint xw_at, __global const float *r, uint r_at,
                   __global const float *bias, uint bias_at, __global const float *h, uint h_at,
                   int has_h, __global const float *c, uint c_at, int has_c,
                   __global float *new_h, uint new_h_at, __global float *new_c, uint new_c_at,
                   __global float *y, uint y_at, int has_y, int t, int steps, int batch,
                   int units, int directions, int backwards)
{
    __local float4 part[GPU_SLICES][GPU_COLUMNS];
    const int unit = get_global_id(0), db = get_global_id(2), d = db / batch, b = db % batch;
    const int step = backwards >> d & 1 ? steps - 1 - t : t, at = db * units + unit;
    const float4 rh = gates_of(r + r_at + d * units * units * 4, h + h_at + db * units, has_h,
                               units, part);

    if (get_local_id(1) > 0 || unit >= units)
        return;
    xw += xw_at + ((step * batch + b) * directions + d) * 4 * units + unit;
    bias += bias_at + d * 4 * units + unit;
    const float i = sigmoid(xw[0] + rh.x + bias[0]);
    const float o = sigmoid(xw[units] + rh.y + bias[units]);
    const float f = sigmoid(xw[2 * units] + rh.z + bias[2 * units]);
    const float g = tanh(xw[3 * units] + rh.w + bias[3 * units]);
    const float state = i * g + (has_c ? f * c[c_at + at] : 0.0f);
    const float out = o * tanh(state);
    new_c[new_c_at + at] = state;
    new_h[new_h_at + at] = out;
    if (has_y)
        y[y_at + ((step * directions + d) * batch + b) * units + unit] = out;
}

/* Gates z, r, h; bias[direction][z, r, h of x, h of h][unit]. `mode` as in ops.h: vec is h, or
 * r * h in the rest of a step in two passes, which keeps z and r * h in two more arrays. */
__kernel void gru(__global const float *xw, uint xw_at, __global const float *r, uint r_at,
                  __global const float *bias, uint bias_at, __global const float *vec, uint vec_at,
                  __global const float *h, uint h_at, int has_h, __global float *z_kept,
                  uint z_at, __global float *rh_kept, uint rh_at, __global float *new_h,
                  uint new_h_at, __global float *y, uint y_at, int has_y, int mode, int t,
                  int steps, int batch, int units, int directions, int backwards)
{
    __local float4 part[GPU_SLICES][GPU_COLUMNS];
    const int unit = get_global_id(0), db = get_global_id(2), d = db / batch, b = db % batch;
    const int step = backwards >> d & 1 ? steps - 1 - t : t, at = db * units + unit;
    const float4 dot = gates_of(r + r_at + d * units * units * 4, vec + vec_at + db * units, has_h,
                                units, part);

    if (get_local_id(1) > 0 || unit >= units)
        return;
    xw += xw_at + ((step * batch + b) * directions + d) * 3 * units + unit;
    bias += bias_at + d * 4 * units + unit;
    const float before = has_h ? h[h_at + at] : 0.0f;
    const float z = mode == GPU_GRU_REST ? z_kept[z_at + at] : sigmoid(xw[0] + dot.x + bias[0]);
    const float reset = sigmoid(xw[units] + dot.y + bias[units]);
    if (mode == GPU_GRU_GATES) {
        z_kept[z_at + at] = z;
        rh_kept[rh_at + at] = reset * before;
        return;
    }
    const float from_h = dot.z + bias[3 * units];
    const float n = tanh(xw[2 * units] + bias[2 * units] +
                         (mode == GPU_GRU_LINEAR ? reset * from_h : from_h));
    const float out = (1.0f - z) * n + z * before;
    new_h[new_h_at + at] = out;
    if (has_y)
        y[y_at + ((step * directions + d) * batch + b) * units + unit] = out;
}
