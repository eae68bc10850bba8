/* What the device does at its best, for spacc_gpu_measure(). */

/* 16 independent sums, so that adding does not wait for adding: 32 operations a round. */
__kernel void peak_macs(__global float *y, uint y_at, int rounds)
{
    float16 sum = (float16)(get_global_id(0) * 1e-6f);

    for (int i = 0; i < rounds; i++)
        sum = fma(sum, (float16)(0.999f), (float16)(1e-3f));
    y[y_at + get_global_id(0)] = sum.s0 + sum.s1 + sum.s2 + sum.s3 + sum.s4 + sum.s5 + sum.s6 +
                                 sum.s7 + sum.s8 + sum.s9 + sum.sa + sum.sb + sum.sc + sum.sd +
                                 sum.se + sum.sf;
}
