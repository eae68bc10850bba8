/* libFuzzer target: whatever the bytes, a packed model is refused or it runs.
 *   cmake -DSPACC_FUZZ=ON -DCMAKE_C_COMPILER=clang; fuzz_pack tests/golden
 * Checksums stop most mutants, so -runs with the golden files as corpus looks at headers
 * first of all. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "sparse/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(const struct spacc_fixed_layer *l)
{
    int16_t *x = calloc(l->x_cols, sizeof(*x)),
            *h = calloc(spacc_fixed_h_cols(l) + 1, sizeof(*h));
    int32_t *state = calloc(l->units, sizeof(*state)),
            *y = calloc(4 * l->units + l->outputs, sizeof(*y));

    if (x && h && state && y)
        (void)spacc_fixed_run(l, 1, x, h, state, y, NULL);
    free(x);
    free(h);
    free(state);
    free(y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spacc_pack *p;
    struct spacc_error err;

    if (spacc_pack_parse(&p, data, size, "fuzz", &err) != SPACC_OK)
        return 0;
    for (size_t i = 0; i < p->layers; i++)
        run(p->layer[i].layer);
    spacc_pack_free(p);
    return 0;
}
