#include "sparse/nm.h"

/* Weights that are not zero in the fullest group of m. */
static size_t fullest(const float *dense, size_t rows, size_t cols, size_t m)
{
    size_t most = 0;

    for (size_t row = 0; row < rows; row++)
        for (size_t first = 0; first < cols; first += m) {
            size_t count = 0;
            for (size_t c = first; c < cols && c < first + m; c++)
                count += dense[row * cols + c] != 0.0F;
            most = count > most ? count : most;
        }
    return most;
}

struct spacc_nm spacc_nm_find(const float *dense, size_t rows, size_t cols)
{
    struct spacc_nm found = {0, 0};

    for (size_t m = 4; m <= 32; m *= 2) {
        const size_t n = fullest(dense, rows, cols, m);
        const bool sparser = found.m == 0 || n * found.m < found.n * m;
        if (n > 0 && 2 * n <= m && sparser)
            found = (struct spacc_nm){n, m};
    }
    return found;
}
