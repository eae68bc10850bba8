#include "sparse/dsp_pack.h"

#include <assert.h>

enum { A_BITS = 27, B_BITS = 18, P_BITS = 48, LOW_BITS = SPACC_DSP_SHIFT };

/* The low `bits` of v, sign-extended. */
static int64_t low_bits(int64_t v, int bits)
{
    const uint64_t sign = (uint64_t)1 << (bits - 1);
    const uint64_t low = (uint64_t)v & (2 * sign - 1);

    return (int64_t)(low ^ sign) - (int64_t)sign;
}

unsigned spacc_dsp_products(int x_bits)
{
    const int64_t largest_sum = ((int64_t)1 << (LOW_BITS - 1)) - 1;

    assert(x_bits >= 2);
    if (x_bits > SPACC_DSP_X_BITS_MAX)
        return 0;
    return (unsigned)(largest_sum / ((int64_t)SPACC_DSP_WEIGHT_MAX << (x_bits - 1)));
}

int32_t spacc_dsp_pack(int8_t low, int8_t high)
{
    return (int32_t)low_bits(((int64_t)high * (1 << SPACC_DSP_SHIFT)) + low, A_BITS);
}

int64_t spacc_dsp_add(int64_t p, int32_t a, int32_t x)
{
    return low_bits(p + low_bits(a, A_BITS) * low_bits(x, B_BITS), P_BITS);
}

void spacc_dsp_unpack(int64_t p, int32_t *low, int32_t *high)
{
    *low = (int32_t)low_bits(p, LOW_BITS);
    *high = (int32_t)((p >> LOW_BITS) + ((p >> (LOW_BITS - 1)) & 1));
}

void spacc_dsp_rows(int64_t sum[2], const int8_t *low, const int8_t *high, const int16_t *x,
                    size_t count, int x_bits)
{
    const size_t most = spacc_dsp_products(x_bits);

    assert(most != 0);
    sum[0] = sum[1] = 0;
    for (size_t i = 0; i < count;) {
        const size_t end = count - i < most ? count : i + most;
        int32_t part[2];
        int64_t p = 0;
        for (; i < end; i++)
            p = spacc_dsp_add(p, spacc_dsp_pack(low[i], high[i]), x[i]);
        spacc_dsp_unpack(p, &part[0], &part[1]);
        sum[0] += part[0];
        sum[1] += part[1];
    }
}
