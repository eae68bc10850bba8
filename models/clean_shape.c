/* Shapes where not every size is known: the operators that stand around recurrent cells.
 * Anything else stays unknown. */
#include <string.h>

#include "models/clean_parts.h"
#include "models/op.h"

typedef struct spacc_clean_shape shape;

static const shape unknown = {.rank = -1};

/* A size that a file states: no symbol, and sums of sizes stay in range. */
static int64_t stated(int64_t size)
{
    return size < 0 || size > (int64_t)1 << 40 ? -1 : size;
}

static shape in_shape(const struct spacc_clean *c, const struct spacc_node *n, int i)
{
    const int v = spacc_clean_in(n, i);

    return v < 0 ? unknown : c->shape[v];
}

static void set_out(struct spacc_clean *c, const struct spacc_node *n, int o, shape s)
{
    if (o < n->outputs && n->output[o] >= 0)
        c->shape[n->output[o]] = s;
}

/* The size two sizes broadcast to. */
static int64_t broadcast(int64_t a, int64_t b)
{
    if (a == 1 || spacc_clean_same_dim(a, b))
        return b;
    if (b == 1 || a > 1)
        return a;
    return b > 1 ? b : -1;
}

static shape broadcast_shape(shape a, shape b)
{
    shape to = {.dtype = a.dtype ? a.dtype : b.dtype,
                .rank = a.rank > b.rank ? a.rank : b.rank};

    if (a.rank < 0 || b.rank < 0)
        return (shape){.dtype = to.dtype, .rank = -1};
    for (int d = 1; d <= to.rank; d++)
        to.dims[to.rank - d] = broadcast(d <= a.rank ? a.dims[a.rank - d] : 1,
                                         d <= b.rank ? b.dims[b.rank - d] : 1);
    return to;
}

static void infer_transpose(struct spacc_clean *c, const struct spacc_node *n)
{
    const shape x = in_shape(c, n, 0);
    int perm[SPACC_RANK_MAX];
    shape y = x;

    if (x.rank >= 0 && spacc_clean_perm(c, n, perm) == x.rank)
        for (int d = 0; d < x.rank; d++)
            y.dims[d] = x.dims[perm[d]];
    else
        y.rank = -1;
    set_out(c, n, 0, y);
}

static void infer_squeeze(struct spacc_clean *c, const struct spacc_node *n)
{
    const shape x = in_shape(c, n, 0);
    bool flags[SPACC_RANK_MAX];
    shape y = {.dtype = x.dtype};

    if (x.rank < 0 || !spacc_clean_axes(c, n, x.rank, flags))
        y.rank = -1;
    for (int d = 0; d < x.rank && y.rank >= 0; d++)
        if (!flags[d])
            y.dims[y.rank++] = x.dims[d];
    set_out(c, n, 0, y);
}

static void infer_unsqueeze(struct spacc_clean *c, const struct spacc_node *n)
{
    const shape x = in_shape(c, n, 0);
    int64_t axes[SPACC_RANK_MAX];
    bool flags[SPACC_RANK_MAX];
    const int more = spacc_clean_ints(c, n, "axes", 1, axes);
    shape y = {.dtype = x.dtype, .rank = x.rank + more};
    int from = 0;

    if (x.rank < 0 || more < 0 || y.rank > SPACC_RANK_MAX ||
        !spacc_clean_axes(c, n, y.rank, flags))
        y.rank = -1;
    for (int d = 0; d < y.rank; d++)
        y.dims[d] = flags[d] || from >= x.rank ? 1 : x.dims[from++];
    set_out(c, n, 0, y);
}

static void infer_matmul(struct spacc_clean *c, const struct spacc_node *n)
{
    shape a = in_shape(c, n, 0), b = in_shape(c, n, 1);
    const enum spacc_dtype dtype = a.dtype ? a.dtype : b.dtype;

    if (a.rank < 2 || b.rank < 2) {
        set_out(c, n, 0, (shape){.dtype = dtype, .rank = -1});
        return;
    }
    const int64_t rows = a.dims[a.rank - 2], cols = b.dims[b.rank - 1];
    a.rank -= 2;
    b.rank -= 2;
    shape y = broadcast_shape(a, b);
    y.dims[y.rank++] = rows;
    y.dims[y.rank++] = cols;
    set_out(c, n, 0, y);
}

static void infer_gemm(struct spacc_clean *c, const struct spacc_node *n)
{
    const shape a = in_shape(c, n, 0), b = in_shape(c, n, 1);
    shape y = {.dtype = a.dtype ? a.dtype : b.dtype, .rank = 2, .dims = {-1, -1}};

    if (a.rank == 2)
        y.dims[0] = a.dims[spacc_node_int(n, "transA", 0) ? 1 : 0];
    if (b.rank == 2)
        y.dims[1] = b.dims[spacc_node_int(n, "transB", 0) ? 0 : 1];
    set_out(c, n, 0, y);
}

static void infer_concat(struct spacc_clean *c, const struct spacc_node *n)
{
    shape y = in_shape(c, n, 0);
    int64_t axis = spacc_node_int(n, "axis", 1);

    axis += axis < 0 ? y.rank : 0;
    for (int i = 1; i < n->inputs; i++) {
        const shape x = in_shape(c, n, i);
        if (y.rank < 0 || x.rank != y.rank || axis < 0 || axis >= y.rank) {
            y.rank = -1;
            break;
        }
        for (int d = 0; d < y.rank; d++) /* any input tells the size of the other axes */
            if (d != axis && y.dims[d] < 0 && x.dims[d] >= 0)
                y.dims[d] = x.dims[d];
        y.dims[axis] =
            y.dims[axis] >= 0 && x.dims[axis] >= 0 ? stated(y.dims[axis] + x.dims[axis]) : -1;
    }
    set_out(c, n, 0, y);
}

static void infer_split(struct spacc_clean *c, const struct spacc_node *n)
{
    const shape x = in_shape(c, n, 0);
    int64_t axis = spacc_node_int(n, "axis", 0), part[SPACC_RANK_MAX];
    const int parts = spacc_clean_ints(c, n, "split", 1, part);

    axis += axis < 0 ? x.rank : 0;
    for (int o = 0; o < n->outputs; o++) {
        shape y = x;
        if (x.rank < 0 || axis < 0 || axis >= x.rank)
            y.rank = -1;
        else if (parts == n->outputs)
            y.dims[axis] = stated(part[o]);
        else if (n->outputs > 1)
            y.dims[axis] = parts < 0 && n->inputs == 1 && x.dims[axis] >= 0 &&
                                   x.dims[axis] % n->outputs == 0
                               ? x.dims[axis] / n->outputs
                               : -1;
        set_out(c, n, o, y);
    }
}

/* Axes that are cut have a size of their own. */
static void infer_slice(struct spacc_clean *c, const struct spacc_node *n)
{
    shape y = in_shape(c, n, 0);
    int64_t axes[SPACC_RANK_MAX], start, size;
    const int cut = spacc_clean_ints(c, n, "axes", 3, axes);
    int one;

    for (int d = 0; cut < 0 && d < y.rank; d++)
        y.dims[d] = -1;
    for (int k = 0; k < cut; k++) {
        const int64_t axis = axes[k] < 0 ? axes[k] + y.rank : axes[k];
        if (axis >= 0 && axis < y.rank)
            y.dims[axis] = -1;
    }
    if (spacc_clean_slice(c, n, &one, &start, &size))
        y.dims[one] = size;
    set_out(c, n, 0, y);
}

static void infer_gather(struct spacc_clean *c, const struct spacc_node *n)
{
    const shape x = in_shape(c, n, 0), at = in_shape(c, n, 1);
    int64_t axis = spacc_node_int(n, "axis", 0);
    shape y = {.dtype = x.dtype, .rank = x.rank + at.rank - 1};

    axis += axis < 0 ? x.rank : 0;
    if (x.rank < 1 || at.rank < 0 || y.rank > SPACC_RANK_MAX || axis < 0 || axis >= x.rank)
        y.rank = -1;
    for (int d = 0; d < y.rank; d++)
        y.dims[d] = d < axis             ? x.dims[d]
                    : d < axis + at.rank ? at.dims[d - axis]
                                         : x.dims[d - at.rank + 1];
    set_out(c, n, 0, y);
}

static void infer_reshape(struct spacc_clean *c, const struct spacc_node *n)
{
    const shape x = in_shape(c, n, 0);
    int64_t to[SPACC_RANK_MAX];
    const int rank = spacc_clean_ints(c, n, "", 1, to);
    const bool zero = spacc_node_int(n, "allowzero", 0) != 0;
    shape y = {.dtype = x.dtype, .rank = rank};

    for (int d = 0; d < rank; d++)
        y.dims[d] = to[d] == 0 && !zero ? (d < x.rank ? x.dims[d] : -1) : stated(to[d]);
    set_out(c, n, 0, y);
}

/* X [T,N,I] or [N,T,I]; R [D,4H,H]. Y, Y_h, Y_c. */
static void infer_rnn(struct spacc_clean *c, const struct spacc_node *n)
{
    const shape x = in_shape(c, n, 0), r = in_shape(c, n, 2);
    shape y = {.dtype = x.dtype, .rank = 4}, last = {.dtype = x.dtype, .rank = 3};

    if (x.rank != 3 || r.rank != 3 || spacc_node_int(n, "layout", 0) != 0)
        return;
    memcpy(y.dims, (int64_t[]){x.dims[0], r.dims[0], x.dims[1], r.dims[2]},
           4 * sizeof(int64_t));
    memcpy(last.dims, y.dims + 1, 3 * sizeof(int64_t));
    set_out(c, n, 0, y);
    set_out(c, n, 1, last);
    set_out(c, n, 2, last);
}

/* Conv: batch and channels. */
static void infer_conv(struct spacc_clean *c, const struct spacc_node *n)
{
    const shape x = in_shape(c, n, 0), w = in_shape(c, n, 1);
    shape y = {.dtype = x.dtype, .rank = x.rank};

    if (x.rank < 2 || w.rank != x.rank)
        return;
    for (int d = 0; d < y.rank; d++)
        y.dims[d] = d == 0 ? x.dims[0] : d == 1 ? w.dims[0] : -1;
    set_out(c, n, 0, y);
}

static void infer_cast(struct spacc_clean *c, const struct spacc_node *n)
{
    shape y = in_shape(c, n, 0);

    y.dtype = (enum spacc_dtype)spacc_node_int(n, "to", SPACC_DTYPE_NONE);
    set_out(c, n, 0, y);
}

static void infer_same(struct spacc_clean *c, const struct spacc_node *n)
{
    set_out(c, n, 0, in_shape(c, n, 0));
}

static void infer_binary(struct spacc_clean *c, const struct spacc_node *n)
{
    set_out(c, n, 0, broadcast_shape(in_shape(c, n, 0), in_shape(c, n, 1)));
}

void spacc_clean_infer(struct spacc_clean *c, const struct spacc_node *n)
{
    static const struct {
        const char *op;
        void (*infer)(struct spacc_clean *c, const struct spacc_node *n);
    } rules[] = {
        {"Add", infer_binary},
        {"BatchNormalization", infer_same},
        {"Cast", infer_cast},
        {"Clip", infer_same},
        {"Concat", infer_concat},
        {"Conv", infer_conv},
        {"Div", infer_binary},
        {"Dropout", infer_same},
        {"Elu", infer_same},
        {"GRU", infer_rnn},
        {"Gather", infer_gather},
        {"Gemm", infer_gemm},
        {"Identity", infer_same},
        {"LSTM", infer_rnn},
        {"LeakyRelu", infer_same},
        {"MatMul", infer_matmul},
        {"Mul", infer_binary},
        {"RNN", infer_rnn},
        {"Relu", infer_same},
        {"Reshape", infer_reshape},
        {"Sigmoid", infer_same},
        {"Slice", infer_slice},
        {"Softmax", infer_same},
        {"Split", infer_split},
        {"Squeeze", infer_squeeze},
        {"Sqrt", infer_same},
        {"Sub", infer_binary},
        {"Tanh", infer_same},
        {"Transpose", infer_transpose},
        {"Unsqueeze", infer_unsqueeze},
    };

    for (size_t k = 0; k < sizeof(rules) / sizeof(*rules); k++)
        if (strcmp(n->op->name, rules[k].op) == 0)
            rules[k].infer(c, n);
}
