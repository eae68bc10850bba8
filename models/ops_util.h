/* ops_util.h - what the operator files share: checks that end in a message,
 * lists of integers from an attribute or an input, broadcasting, strided copies.
 *
 * Every call here that returns a status has already filled the call's error. */
#ifndef SPACC_OPS_UTIL_H
#define SPACC_OPS_UTIL_H

#include "models/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Return early with the status of a call that failed. */
#define TRY(call)                              \
    do {                                       \
        const enum spacc_status try_ = (call); \
        if (try_ != SPACC_OK)                  \
            return try_;                       \
    } while (0)

/* Every operator of ops.def. */
#define SPACC_OP(name, first, last, ins0, ins1, outs0, outs1, attrs, function, random) \
    enum spacc_status function(struct spacc_op_call *c);
#include "models/ops.def"
#undef SPACC_OP

/* Sets of element types, for spacc_ops_types(). A set with F32 and without F16 and
 * BF16 takes these as well: the operator is run on float32 (spacc_op_run()). */
#define SPACC_TYPE(t) (1u << SPACC_##t)
enum {
    SPACC_TYPES_HALF = SPACC_TYPE(F16) | SPACC_TYPE(BF16),
    SPACC_TYPES_FLOAT = SPACC_TYPE(F32) | SPACC_TYPE(F64),
    SPACC_TYPES_INDEX = SPACC_TYPE(I32) | SPACC_TYPE(I64),
    SPACC_TYPES_WIDE = SPACC_TYPES_FLOAT | SPACC_TYPES_INDEX,
    SPACC_TYPES_SIGNED = SPACC_TYPES_INDEX | SPACC_TYPE(I8) | SPACC_TYPE(I16),
    SPACC_TYPES_UNSIGNED = SPACC_TYPE(U8) | SPACC_TYPE(U16) | SPACC_TYPE(U32) | SPACC_TYPE(U64),
    SPACC_TYPES_INTEGER = SPACC_TYPES_SIGNED | SPACC_TYPES_UNSIGNED,
    SPACC_TYPES_NUMBER = SPACC_TYPES_FLOAT | SPACC_TYPES_INTEGER,
    SPACC_TYPES_ALL = SPACC_TYPES_NUMBER | SPACC_TYPES_HALF | SPACC_TYPE(BOOL)
};

enum { SPACC_TEXT_BYTES = 192 }; /* room for a shape or a tensor in a message */

/* Opset of the model, also within a branch. */
int spacc_ops_opset(const struct spacc_op_call *c);

/* Input `i`, or NULL when it is left out or beyond the node's inputs. */
const struct spacc_tensor *spacc_ops_in(const struct spacc_op_call *c, int i);

/* True when output `i` exists and somebody reads it. */
bool spacc_ops_wanted(const struct spacc_op_call *c, int i);

/* The first `count` inputs must be there and every input that is there must be of
 * one of `types`. SPACC_ESHAPE, SPACC_EUNSUPPORTED "type uint8 of input 0 is not
 * supported by Sqrt". */
enum spacc_status spacc_ops_check(struct spacc_op_call *c, int count, unsigned types);

/* Input `i` (left out is fine) must be of one of `types`. */
enum spacc_status spacc_ops_types(struct spacc_op_call *c, int i, unsigned types);

/* Inputs `i` and `j` must have the same type. */
enum spacc_status spacc_ops_same_type(struct spacc_op_call *c, int i, int j);

/* An attribute or input may be given only in opset first..last of the model. */
enum spacc_status spacc_ops_attr_opset(struct spacc_op_call *c, const char *name, int first,
                                       int last);
enum spacc_status spacc_ops_input_opset(struct spacc_op_call *c, int i, int first, int last);

/* axis in -rank..rank-1 to 0..rank-1. SPACC_ESHAPE with both sides. */
enum spacc_status spacc_ops_axis(struct spacc_op_call *c, int *out, int64_t axis, int rank);

/* "[2,3]" into `text` of SPACC_TEXT_BYTES. Returns `text`. */
char *spacc_ops_shape_text(char *text, int rank, const int64_t *dims);

/* A list of integers that is read in place. */
struct spacc_ops_ints {
    bool given;
    size_t count;
    const int64_t *wide; /* one of the two is set when count > 0 */
    const int32_t *narrow;
};

static inline int64_t spacc_ops_int(const struct spacc_ops_ints *v, size_t i)
{
    return v->wide ? v->wide[i] : v->narrow[i];
}

/* Element `i` of a tensor of integers or bool; uint64 wraps above the int64s. */
int64_t spacc_ops_integer(const struct spacc_tensor *t, size_t i);

/* Element `i` = v, as Cast from double does it. */
void spacc_ops_put(struct spacc_tensor *y, size_t i, double v);

/* Product of dims first..last-1 of a tensor that exists. */
size_t spacc_ops_product(const int64_t *dims, int first, int last);

/* Input `i` must have one element: of rank 0 or 1. SPACC_ESHAPE with its shape. */
enum spacc_status spacc_ops_scalar(struct spacc_op_call *c, int i);

/* Read a list that is attribute `name` before opset `first` and input `i` from then
 * on. Giving it the other way is refused. An input is int64 or int32 of rank 0 or 1;
 * without contents: spacc_op_needs(). */
enum spacc_status spacc_ops_ints(struct spacc_op_call *c, struct spacc_ops_ints *out,
                                 const char *name, int i, int first);

/* The same for an operator where it always is input `i`. */
enum spacc_status spacc_ops_ints_input(struct spacc_op_call *c, struct spacc_ops_ints *out,
                                       int i);

/* A list of axes to one flag an axis. Out of range or twice: SPACC_ESHAPE. */
enum spacc_status spacc_ops_axes(struct spacc_op_call *c, bool flags[SPACC_RANK_MAX],
                                 const struct spacc_ops_ints *axes, int rank);

/* A walk over the elements of up to SPACC_WALK_MAX arrays that share `dims` and have
 * strides of their own (in elements; 0 repeats, below 0 runs backwards). Neighbouring
 * axes that are contiguous in every array are merged, so that the inner row is as long
 * as it can be:
 *
 *     for (size_t row = 0; row < w.rows; row++, spacc_walk_next(&w))
 *         for (i = 0; i < w.inner; i++)
 *             ... a[w.at[0] + i * w.step[0]], b[w.at[1] + i * w.step[1]]
 */
enum { SPACC_WALK_MAX = 3 };

struct spacc_walk {
    int arrays, rank; /* rank: axes outside the inner one */
    size_t rows, inner;
    int64_t at[SPACC_WALK_MAX];   /* element of each array where the row starts */
    int64_t step[SPACC_WALK_MAX]; /* from element to element in the row */
    int64_t dims[SPACC_RANK_MAX], index[SPACC_RANK_MAX];
    int64_t stride[SPACC_WALK_MAX][SPACC_RANK_MAX];
};

/* `stride[a]` has one entry an axis, `start[a]` the first element. The product of
 * dims is known not to overflow. */
void spacc_walk_init(struct spacc_walk *w, int arrays, int rank, const int64_t *dims,
                     int64_t stride[][SPACC_RANK_MAX], const int64_t *start);
void spacc_walk_next(struct spacc_walk *w);

/* Row-major strides of a shape. */
void spacc_ops_strides(int64_t *stride, int rank, const int64_t *dims);

/* The shape that inputs first..first+count-1 broadcast to (multidirectional), starting
 * from `*rank` and `dims` (rank 0: nothing asked for). SPACC_ESHAPE with both sides. */
enum spacc_status spacc_ops_broadcast(struct spacc_op_call *c, int *rank,
                                      int64_t dims[SPACC_RANK_MAX], int first, int count);

/* A walk over the inputs first..first+count-1, each broadcast to `dims`. */
void spacc_walk_broadcast(struct spacc_walk *w, const struct spacc_op_call *c, int first,
                          int count, int rank, const int64_t *dims);

/* Fill `to` (contiguous, of shape `dims`) with elements of `bytes` bytes from `from`,
 * starting at element `start` and going by `stride`. */
void spacc_ops_copy(void *to, const void *from, size_t bytes, int rank, const int64_t *dims,
                    const int64_t *stride, int64_t start);

/* memcpy that allows NULL when there is nothing to copy. */
void spacc_ops_memcpy(void *to, const void *from, size_t bytes);

/* The shared inner product: eight partial sums, element i in sum i % 8, added as
 * ((0+1)+(2+3)) + ((4+5)+(6+7)), then the last n % 8 products one by one. */
float spacc_ops_dot(const float *a, const float *b, size_t n);

#ifdef __cplusplus
}
#endif

#endif
