/* libFuzzer target: any bytes as .npy, .npz and .wav. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "models/io_parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct spacc_tensor *t, **tensors;
    char **names;
    size_t count;

    if (spacc_npy_parse(&t, bytes, size_bytes, "f.npy", NULL) == SPACC_OK)
        spacc_tensor_free(t);
    if (spacc_wav_parse(&t, NULL, bytes, size_bytes, "f.wav", NULL) == SPACC_OK)
        spacc_tensor_free(t);
    if (spacc_npz_parse(&names, &tensors, &count, bytes, size_bytes, "f.npz", NULL) != SPACC_OK)
        return 0;
    for (size_t i = 0; i < count; i++) {
        free(names[i]);
        spacc_tensor_free(tensors[i]);
    }
    free(names);
    free(tensors);
    return 0;
}
