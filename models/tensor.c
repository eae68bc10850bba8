#include "models/tensor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sparse/half.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "spacc reads little-endian files straight into memory"
#endif

size_t spacc_dtype_bytes(enum spacc_dtype dtype)
{
    switch (dtype) {
#define X(name, number, bytes, type, text) \
    case SPACC_##name: return bytes;
        SPACC_DTYPE_MAP(X)
#undef X
    case SPACC_DTYPE_NONE: break;
    }
    return 0;
}

const char *spacc_dtype_name(int dtype)
{
    /* Types of the ONNX schema that spacc does not compute with. */
    static const char *const others[] = {
        [8] = "string",          [14] = "complex64",      [15] = "complex128",
        [17] = "float8e4m3fn",   [18] = "float8e4m3fnuz", [19] = "float8e5m2",
        [20] = "float8e5m2fnuz", [21] = "uint4",          [22] = "int4",
        [23] = "float4e2m1",
    };
    switch (dtype) {
#define X(name, number, bytes, type, text) \
    case number: return text;
        SPACC_DTYPE_MAP(X)
#undef X
    default: break;
    }
    if (dtype > 0 && (size_t)dtype < sizeof(others) / sizeof(others[0]) && others[dtype])
        return others[dtype];
    return dtype == 0 ? "no type" : "unknown type";
}

enum spacc_status spacc_shape_count(size_t *count, int rank, const int64_t *dims)
{
    const size_t limit = SIZE_MAX / 2 / 8; /* elements, the widest has 8 bytes */
    size_t product = 1;
    bool empty = false;

    *count = 0;
    if (rank < 0 || rank > SPACC_RANK_MAX)
        return SPACC_ESHAPE;
    for (int d = 0; d < rank; d++) {
        if (dims[d] < 0)
            return SPACC_ESHAPE;
        if (dims[d] == 0) {
            empty = true;
            continue;
        }
        if ((uint64_t)dims[d] > limit / product)
            return SPACC_ESHAPE;
        product *= (size_t)dims[d];
    }
    *count = empty ? 0 : product;
    return SPACC_OK;
}

enum spacc_status spacc_tensor_new(struct spacc_tensor **out, enum spacc_dtype dtype, int rank,
                                   const int64_t *dims)
{
    const size_t bytes = spacc_dtype_bytes(dtype);
    size_t count;

    *out = NULL;
    if (bytes == 0 || spacc_shape_count(&count, rank, dims) != SPACC_OK)
        return SPACC_ESHAPE;
    struct spacc_tensor *t = calloc(1, sizeof(*t));
    if (!t)
        return SPACC_ENOMEM;
    t->dtype = dtype;
    t->rank = rank;
    for (int d = 0; d < rank; d++)
        t->dims[d] = dims[d];
    t->count = count;
    t->data = calloc(count ? count : 1, bytes); /* never NULL: NULL means no contents */
    if (!t->data) {
        free(t);
        return SPACC_ENOMEM;
    }
    *out = t;
    return SPACC_OK;
}

enum spacc_status spacc_tensor_copy(struct spacc_tensor **out, const struct spacc_tensor *from)
{
    *out = NULL;
    struct spacc_tensor *t = malloc(sizeof(*t));
    if (!t)
        return SPACC_ENOMEM;
    *t = *from;
    if (from->data) {
        const size_t bytes = from->count * spacc_dtype_bytes(from->dtype);
        t->data = malloc(bytes ? bytes : 1);
        if (!t->data) {
            free(t);
            return SPACC_ENOMEM;
        }
        memcpy(t->data, from->data, bytes);
    }
    *out = t;
    return SPACC_OK;
}

bool spacc_tensor_same_shape(const struct spacc_tensor *a, const struct spacc_tensor *b)
{
    if (a->dtype != b->dtype || a->rank != b->rank)
        return false;
    for (int d = 0; d < a->rank; d++)
        if (a->dims[d] != b->dims[d])
            return false;
    return true;
}

char *spacc_tensor_describe(const struct spacc_tensor *t, char *text, size_t text_bytes)
{
    char line[SPACC_RANK_MAX * 24 + 32];
    size_t used = (size_t)snprintf(line, sizeof(line), "%s[", spacc_dtype_name((int)t->dtype));

    for (int d = 0; d < t->rank && d < SPACC_RANK_MAX; d++)
        used += (size_t)snprintf(line + used, sizeof(line) - used, "%s%lld", d ? "," : "",
                                 (long long)t->dims[d]);
    snprintf(line + used, sizeof(line) - used, "]");
    if (text_bytes > 0) {
        const size_t length = strlen(line) < text_bytes ? strlen(line) : text_bytes - 1;
        memcpy(text, line, length);
        text[length] = '\0';
    }
    return text;
}

double spacc_tensor_element(const struct spacc_tensor *t, size_t i)
{
    if (t->dtype == SPACC_F16)
        return (double)spacc_half_to_float(((const uint16_t *)t->data)[i]);
    if (t->dtype == SPACC_BF16)
        return (double)spacc_bfloat_to_float(((const uint16_t *)t->data)[i]);
    switch (t->dtype) {
#define X(name, number, bytes, type, text) \
    case SPACC_##name: return (double)((const type *)t->data)[i];
        SPACC_DTYPE_MAP(X)
#undef X
    case SPACC_DTYPE_NONE: break;
    }
    return 0.0;
}

void spacc_tensor_free(struct spacc_tensor *t)
{
    if (!t)
        return;
    free(t->data);
    free(t);
}
