/* tensor.h - a dense array with a type and a shape: weights, inputs, results.
 *
 * Elements are row-major (last dimension fastest) and contiguous. A tensor owns
 * its data. Rank 0 is a scalar: one element. A dimension may be 0: no elements. */
#ifndef SPACC_TENSOR_H
#define SPACC_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sparse/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SPACC_RANK_MAX = 8 };

/* name, number in ONNX TensorProto.DataType, bytes an element, C type.
 * Types that are not here are refused by name when a file is read. float16 and
 * bfloat16 are bit patterns (sparse/half.h). */
#define SPACC_DTYPE_MAP(X)             \
    X(F32, 1, 4, float, "float32")     \
    X(U8, 2, 1, uint8_t, "uint8")      \
    X(I8, 3, 1, int8_t, "int8")        \
    X(U16, 4, 2, uint16_t, "uint16")   \
    X(I16, 5, 2, int16_t, "int16")     \
    X(I32, 6, 4, int32_t, "int32")     \
    X(I64, 7, 8, int64_t, "int64")     \
    X(BOOL, 9, 1, uint8_t, "bool")     \
    X(F16, 10, 2, uint16_t, "float16") \
    X(F64, 11, 8, double, "float64")   \
    X(U32, 12, 4, uint32_t, "uint32")  \
    X(U64, 13, 8, uint64_t, "uint64")  \
    X(BF16, 16, 2, uint16_t, "bfloat16")

enum spacc_dtype {
    SPACC_DTYPE_NONE = 0,
#define X(name, number, bytes, type, text) SPACC_##name = number,
    SPACC_DTYPE_MAP(X)
#undef X
};

/* Above every number of the list, for tables by type. */
enum { SPACC_DTYPE_END = 17 };

struct spacc_tensor {
    enum spacc_dtype dtype;
    int rank;
    int64_t dims[SPACC_RANK_MAX];
    size_t count; /* product of dims */
    void *data;   /* count elements; NULL in a shape-only tensor */
};

/* Bytes an element; 0 for an unknown type. */
size_t spacc_dtype_bytes(enum spacc_dtype dtype);

/* "float32"; for an unknown number the ONNX name where known ("string"), else "unknown type". A
 * static string. */
const char *spacc_dtype_name(int dtype);

/* Product of dims into *count. SPACC_ESHAPE when a dimension is negative, rank
 * is above SPACC_RANK_MAX, or count * 8 bytes would overflow size_t / 2. */
enum spacc_status spacc_shape_count(size_t *count, int rank, const int64_t *dims);

/* New zero-filled tensor; free with spacc_tensor_free(). *out is NULL on
 * failure. SPACC_ESHAPE as above, SPACC_ENOMEM. */
enum spacc_status spacc_tensor_new(struct spacc_tensor **out, enum spacc_dtype dtype, int rank,
                                   const int64_t *dims);

/* New tensor with the same type, shape and elements. SPACC_ENOMEM. */
enum spacc_status spacc_tensor_copy(struct spacc_tensor **out, const struct spacc_tensor *from);

/* True when type, rank and dims agree. */
bool spacc_tensor_same_shape(const struct spacc_tensor *a, const struct spacc_tensor *b);

/* "float32[1,2,128]" into `text` (always terminated). Returns `text`. */
char *spacc_tensor_describe(const struct spacc_tensor *t, char *text, size_t text_bytes);

/* Element `i`, below count, as a double: 64-bit integers above 2^53 are rounded. */
double spacc_tensor_element(const struct spacc_tensor *t, size_t i);

/* Free a tensor. NULL is allowed. */
void spacc_tensor_free(struct spacc_tensor *t);

#ifdef __cplusplus
}
#endif

#endif
