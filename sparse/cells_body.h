/* cells_body.h - the cell kernels, in the text that every instruction set compiles. The file
 * that includes it defines SPACC_CELLS(name), the name with the set's ending, and its own
 * compiler flags make vectors of the loops over lanes. */
#include "sparse/activate.h"
#include "sparse/cells_parts.h"

static size_t less(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* In two passes: what the second one does waits for the first one's last operation. */
void SPACC_CELLS(lstm)(const float *restrict sums, size_t lanes, size_t units,
                       float *restrict c, float *restrict h)
{
    const float *start = sums;

    for (size_t at = 0; at < units; at += lanes, sums += 4 * lanes) {
        const size_t count = less(units - at, lanes);
        const float *i = sums, *f = i + 2 * lanes, *g = f + lanes;
        for (size_t k = 0; k < count; k++)
            c[at + k] =
                spacc_sigmoid(f[k]) * c[at + k] + spacc_sigmoid(i[k]) * spacc_tanh(g[k]);
    }
    sums = start;
    for (size_t at = 0; at < units; at += lanes, sums += 4 * lanes) {
        const size_t count = less(units - at, lanes);
        for (size_t k = 0; k < count; k++)
            h[at + k] = spacc_sigmoid(sums[lanes + k]) * spacc_tanh(c[at + k]);
    }
}

void SPACC_CELLS(gru_gates)(const float *restrict sums, size_t lanes, size_t units,
                            const float *restrict h, float *restrict z, float *restrict rh)
{
    for (size_t at = 0; at < units; at += lanes, sums += 2 * lanes) {
        const size_t count = less(units - at, lanes);
        for (size_t k = 0; k < count; k++) {
            z[at + k] = spacc_sigmoid(sums[k]);
            rh[at + k] = spacc_sigmoid(sums[lanes + k]) * h[at + k];
        }
    }
}

void SPACC_CELLS(gru_state)(const float *restrict sums, size_t lanes, size_t units,
                            const float *restrict z, float *restrict h)
{
    for (size_t at = 0; at < units; at += lanes, sums += lanes) {
        const size_t count = less(units - at, lanes);
        for (size_t k = 0; k < count; k++)
            h[at + k] = (1.0f - z[at + k]) * spacc_tanh(sums[k]) + z[at + k] * h[at + k];
    }
}

void SPACC_CELLS(gru_linear)(const float *restrict x_sums, const float *restrict h_sums,
                             size_t lanes, size_t units, float *restrict h)
{
    for (size_t at = 0; at < units; at += lanes) {
        const size_t count = less(units - at, lanes);
        for (size_t k = 0; k < count; k++) {
            const float z = spacc_sigmoid(x_sums[k] + h_sums[k]);
            const float r = spacc_sigmoid(x_sums[lanes + k] + h_sums[lanes + k]);
            const float g = spacc_tanh(x_sums[2 * lanes + k] + r * h_sums[2 * lanes + k]);
            h[at + k] = (1.0f - z) * g + z * h[at + k];
        }
        x_sums += 3 * lanes;
        h_sums += 3 * lanes;
    }
}

void SPACC_CELLS(sigmoid)(const float *in, size_t count, float *out)
{
    for (size_t k = 0; k < count; k++)
        out[k] = spacc_sigmoid(in[k]);
}

void SPACC_CELLS(tanh)(const float *in, size_t count, float *out)
{
    for (size_t k = 0; k < count; k++)
        out[k] = spacc_tanh(in[k]);
}
