/* MaxPool and AveragePool: a work-item a result. */

__kernel void pool(__global float *y, uint y_at, __global const float *x, uint x_at,
                   __global const int *v, uint v_at, int count, int mean, int count_pads)
{
    const int i = get_global_id(0);

    v += v_at;
    if (i >= count)
        return;
    const int o2 = i % v[GPU_OUT + 2], o1 = i / v[GPU_OUT + 2] % v[GPU_OUT + 1];
    const int o0 = i / v[GPU_OUT + 2] / v[GPU_OUT + 1] % v[GPU_OUT];
    const int plane = i / v[GPU_OUT + 2] / v[GPU_OUT + 1] / v[GPU_OUT];
    const int taps = v[GPU_KERNEL] * v[GPU_KERNEL + 1] * v[GPU_KERNEL + 2];
    float sum = 0.0f, most = -FLT_MAX;
    int inside = 0;
    x += x_at + plane * v[GPU_IN] * v[GPU_IN + 1] * v[GPU_IN + 2];
    for (int k0 = 0; k0 < v[GPU_KERNEL]; k0++)
        for (int k1 = 0; k1 < v[GPU_KERNEL + 1]; k1++)
            for (int k2 = 0; k2 < v[GPU_KERNEL + 2]; k2++) {
                const int at0 = window_at(v, 0, o0, k0), at1 = window_at(v, 1, o1, k1);
                const int at2 = window_at(v, 2, o2, k2);
                if (!window_has(v, 0, at0) || !window_has(v, 1, at1) || !window_has(v, 2, at2))
                    continue;
                const float value = x[(at0 * v[GPU_IN + 1] + at1) * v[GPU_IN + 2] + at2];
                sum += value;
                most = value > most ? value : most;
                inside++;
            }
    inside = count_pads ? taps : inside;
    y[y_at + i] = mean ? (inside ? sum / inside : 0.0f) : most;
}
