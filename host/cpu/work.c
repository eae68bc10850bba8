/* What every step of an engine has to do: its kernel and sizes, for models of costs. Sizes are
 * read off the node and the shapes bound to it; kernels are asked only for what nobody else
 * knows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/cpu/kernels.h"
#include "host/cpu/onednn.h"
#include "host/cpu/window.h"
#include "host/gpu/slots.h"

enum { L2_BYTES = 512 * 1024 }; /* where the system does not tell */

/* Of which size of the family is meant, as work.def orders them. */
enum { CONV_N, CONV_IC, CONV_OC, CONV_H, CONV_W, CONV_KH, CONV_KW, CONV_SH, CONV_SW };
enum { CONV_DH = CONV_SW + 1, CONV_GROUPS, CONV_JOINED, CONV_HEAVY };
enum { POOL_N, POOL_C, POOL_H, POOL_W, POOL_KH, POOL_KW, POOL_SH, POOL_SW, POOL_MOST };
enum { PRODUCT_BATCH, PRODUCT_M, PRODUCT_N, PRODUCT_K, PRODUCT_DENSITY, PRODUCT_JOINED };
enum { RNN_STEPS, RNN_BATCH, RNN_INPUTS, RNN_UNITS, RNN_GATES, RNN_DIRECTIONS };
enum { RNN_DENSE_X = RNN_DIRECTIONS + 1, RNN_DENSE_H };
enum { POINTS_COUNT, POINTS_INS, POINTS_LOOPS, POINTS_HEAVY, POINTS_RUN, POINTS_ROW };
enum { MOVE_COUNT, MOVE_RUN, MOVE_INS, MOVE_IN_ROW, MOVE_OUT_ROW };
enum { OTHER_INS, OTHER_OUTS, OTHER_LINE };

/* A step being described. */
struct about {
    const struct spacc_engine *e;
    const struct spacc_cpu_step *s;
    const struct spacc_node *node;
    struct spacc_work *w;
};

static bool is_op(const struct about *a, const char *op)
{
    return strcmp(a->node->op->name, op) == 0;
}

/* Shape of a value; rank 0 and no elements where it is known in a run only. */
static struct spacc_tensor shape_of(const struct spacc_engine *e, int v)
{
    static const struct spacc_tensor none;

    return v < 0 || e->shape->shape[v].dtype == SPACC_DTYPE_NONE ? none : e->shape->shape[v];
}

static struct spacc_tensor input_of(const struct about *a, int i)
{
    return shape_of(a->e, i < a->node->inputs ? a->node->input[i] : -1);
}

static struct spacc_tensor output_of(const struct about *a, int i)
{
    return shape_of(a->e, i < a->node->outputs ? a->node->output[i] : -1);
}

static double bytes_of(const struct spacc_tensor *t)
{
    return (double)t->count * (double)spacc_dtype_bytes(t->dtype);
}

static double dim(const struct spacc_tensor *t, int d)
{
    return d >= 0 && d < t->rank ? (double)t->dims[d] : 1.0;
}

static double share_of_nonzeros(const float *w, size_t count)
{
    size_t nonzeros = 0;

    for (size_t i = 0; i < count; i++)
        nonzeros += w[i] != 0.0f;
    return count ? (double)nonzeros / (double)count : 1.0;
}

/* Nodes that run in this step. */
static double joined(const struct about *a)
{
    int nodes = 0;

    for (int n = 0; n < a->e->g->nodes; n++)
        nodes += a->e->about[n].joined == a->s->node && a->e->about[n].kernel;
    return nodes;
}

/* Operators of one cost share a name; a heavy one has a function or a division an element. */
static const struct {
    const char *op, *what;
    bool heavy;
} points[] = {
    {"Add", "add", false},         {"Sub", "add", false},       {"Mul", "add", false},
    {"Sum", "add", false},         {"Relu", "map", false},      {"LeakyRelu", "leaky", false},
    {"Clip", "clip", false},       {"Neg", "map", false},       {"Abs", "map", false},
    {"Pow", "map", false},         {"HardSwish", "map", false}, {"Resize", "resize", false},
    {"Upsample", "resize", false}, {"Elu", "Elu", true},        {"Sigmoid", "Sigmoid", true},
    {"Tanh", "Tanh", true},        {"Sqrt", "Sqrt", true},      {"Div", "Div", true}};

static bool is_heavy(const char *op)
{
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
        if (strcmp(points[i].op, op) == 0)
            return points[i].heavy;
    return false;
}

/* Nodes with a function or a division that run in this step. */
static double joined_heavy(const struct about *a)
{
    int nodes = 0;

    for (int n = 0; n < a->e->g->nodes; n++)
        nodes += a->e->about[n].joined == a->s->node && a->e->about[n].kernel &&
                 is_heavy(a->e->g->node[n].op->name);
    return nodes;
}

static bool is_helper(const struct spacc_cpu_step *s)
{
    return !s->kernel->take && s->kernel != &spacc_cpu_branches;
}

/* "onednn", "f32/avx2/8", "reorder" ... */
static const char *runner(const struct spacc_engine *e, const struct spacc_cpu_step *s)
{
    return is_helper(s) || !e->about[s->node].kernel ? s->kernel->name
                                                     : e->about[s->node].kernel;
}

/* "onednn conv jit:avx2": what runs it, what it does, and which code of oneDNN. */
static void set_kernel(struct about *a, enum spacc_work_family family, const char *what)
{
    const char *code = spacc_onednn_code(a->s);

    a->w->family = family;
    snprintf(a->w->kernel, sizeof(a->w->kernel), "%s %s%s%s", runner(a->e, a->s), what,
             code ? " " : "", code ? code : "");
}

/* ---- bytes ------------------------------------------------------------------------- */

static bool is_earlier(const int *list, int i)
{
    for (int k = 0; k < i; k++)
        if (list[k] == list[i])
            return true;
    return false;
}

static void add_bytes(struct about *a, int v)
{
    const struct spacc_tensor t = shape_of(a->e, v);

    if (t.data)
        a->w->weight_bytes += bytes_of(&t);
    else
        a->w->in_bytes += bytes_of(&t);
}

/* As the tensors say: of nodes joined to this one only the results that are left. */
static void count_bytes(struct about *a)
{
    for (int i = 0; i < a->node->inputs; i++)
        if (!is_earlier(a->node->input, i))
            add_bytes(a, a->node->input[i]);
    for (int o = 0; o < a->s->outs; o++)
        if (a->s->out[o] >= 0)
            a->w->out_bytes += bytes_of(&a->e->slot[a->s->out[o]].t);
}

/* ---- windows ------------------------------------------------------------------------ */

/* Sizes of the last axis, and of all others together: an image, a row, a volume. */
static void fold(double *rest, double *last, const int64_t *size, int axes)
{
    *rest = 1.0;
    *last = axes > 0 ? (double)size[axes - 1] : 1.0;
    for (int i = 0; i + 1 < axes; i++)
        *rest *= (double)size[i];
}

static bool is_first_of_rows(const struct about *a)
{
    return a->w->size[CONV_GROUPS] == 1.0 && a->w->size[CONV_IC] < 8.0 &&
           !a->e->slot[a->s->in[0]].layout;
}

/* From [N][C][spatial] to [N][M][spatial]; weights of `window` over `in` when deconvolving. */
static void describe_conv(struct about *a, bool transposed)
{
    const struct spacc_tensor x = input_of(a, 0), w = input_of(a, 1), y = output_of(a, 0);
    const double groups = (double)spacc_node_int(a->node, "group", 1);
    double *size = a->w->size;
    struct spacc_window window = {.axes = 0};
    char what[16] = "conv";

    spacc_window_of(&window, a->node, transposed ? &y : &x, transposed ? &x : &y, w.dims + 2);
    size[CONV_N] = dim(&y, 0);
    size[CONV_IC] = dim(&x, 1);
    size[CONV_OC] = dim(&y, 1);
    fold(&size[CONV_H], &size[CONV_W], y.dims + 2, y.rank - 2);
    fold(&size[CONV_KH], &size[CONV_KW], window.kernel, window.axes);
    fold(&size[CONV_SH], &size[CONV_SW], window.stride, window.axes);
    size[CONV_DH] = window.axes ? (double)window.dilation[0] : 1.0;
    size[CONV_GROUPS] = groups;
    size[CONV_JOINED] = joined(a);
    size[CONV_HEAVY] = joined_heavy(a);
    a->w->macs = (double)(transposed ? x.count : y.count) *
                 (transposed ? size[CONV_OC] : size[CONV_IC]) / groups * size[CONV_KH] *
                 size[CONV_KW];
    if (spacc_onednn_code(a->s) && a->s->ins == 2) /* what the result is added to */
        a->w->in_bytes += bytes_of(&a->e->slot[a->s->in[1]].t);
    if (transposed)
        snprintf(what, sizeof(what), "deconv");
    else if (is_first_of_rows(a))
        snprintf(what, sizeof(what), "conv rows");
    set_kernel(a, transposed ? SPACC_WORK_DECONV : SPACC_WORK_CONV, what);
}

/* The conv that is a sum over the channels of each group by plain loops is another law than
 * that by columns, and that of one pixel than both. */
static void describe_own_conv(struct about *a)
{
    const double *size = a->w->size;

    describe_conv(a, false);
    if (size[CONV_GROUPS] > 1.0 && size[CONV_GROUPS] == size[CONV_IC])
        set_kernel(a, SPACC_WORK_CONV, "conv plane");
    else if (size[CONV_KH] * size[CONV_KW] * size[CONV_SH] * size[CONV_SW] == 1.0)
        set_kernel(a, SPACC_WORK_CONV, "conv 1x1");
}

static void describe_pool(struct about *a)
{
    const struct spacc_tensor x = input_of(a, 0), y = output_of(a, 0);
    double *size = a->w->size;
    struct spacc_window window = {.axes = 0};

    if (strncmp(a->node->op->name, "Global", 6) == 0)
        spacc_window_whole(&window, &x);
    else
        spacc_window_of(&window, a->node, &x, &y, NULL);
    size[POOL_N] = dim(&y, 0);
    size[POOL_C] = dim(&y, 1);
    fold(&size[POOL_H], &size[POOL_W], y.dims + 2, y.rank - 2);
    fold(&size[POOL_KH], &size[POOL_KW], window.kernel, window.axes);
    fold(&size[POOL_SH], &size[POOL_SW], window.stride, window.axes);
    size[POOL_MOST] = strstr(a->node->op->name, "Max") != NULL;
    set_kernel(a, SPACC_WORK_POOL, size[POOL_MOST] > 0.0 ? "maxpool" : "pool");
}

/* ---- products ------------------------------------------------------------------------ */

/* Products of two matrices, the last two axes, or one shared by all. */
static void matmul_sizes(const struct about *a, const struct spacc_tensor *x,
                         const struct spacc_tensor *y)
{
    const struct spacc_tensor out = output_of(a, 0);
    double *size = a->w->size;

    size[PRODUCT_K] = dim(x, x->rank - 1);
    size[PRODUCT_N] = y->rank > 1 ? dim(y, y->rank - 1) : 1.0;
    size[PRODUCT_M] = y->rank > 2 ? dim(x, x->rank - 2) : (double)x->count / size[PRODUCT_K];
    size[PRODUCT_BATCH] =
        (double)out.count / (size[PRODUCT_M] * size[PRODUCT_N]); /* rows are whole */
}

static void gemm_sizes(const struct about *a, const struct spacc_tensor *x,
                       const struct spacc_tensor *y)
{
    const int ta = spacc_node_int(a->node, "transA", 0) != 0;
    const int tb = spacc_node_int(a->node, "transB", 0) != 0;

    a->w->size[PRODUCT_BATCH] = 1.0;
    a->w->size[PRODUCT_M] = dim(x, ta);
    a->w->size[PRODUCT_K] = dim(x, !ta);
    a->w->size[PRODUCT_N] = dim(y, !tb);
}

/* A Conv of one output pixel: weights [rows][all of an image]. */
static void pixel_sizes(const struct about *a, const struct spacc_tensor *x,
                        const struct spacc_tensor *w)
{
    a->w->size[PRODUCT_BATCH] = 1.0;
    a->w->size[PRODUCT_M] = dim(x, 0);
    a->w->size[PRODUCT_N] = dim(w, 0);
    a->w->size[PRODUCT_K] = (double)w->count / dim(w, 0);
}

static void describe_product(struct about *a)
{
    const struct spacc_tensor x = input_of(a, 0), w = input_of(a, 1);
    const bool tile = a->s->kernel == &spacc_cpu_product;
    double *size = a->w->size;

    if (is_op(a, "MatMul"))
        matmul_sizes(a, &x, &w);
    else if (is_op(a, "Gemm"))
        gemm_sizes(a, &x, &w);
    else
        pixel_sizes(a, &x, &w);
    size[PRODUCT_DENSITY] = tile && w.data ? share_of_nonzeros(w.data, w.count) : 1.0;
    size[PRODUCT_JOINED] = joined(a);
    a->w->macs = size[PRODUCT_BATCH] * size[PRODUCT_M] * size[PRODUCT_N] * size[PRODUCT_K] *
                 size[PRODUCT_DENSITY];
    set_kernel(a, SPACC_WORK_PRODUCT,
               !tile && size[PRODUCT_M] == 1.0 ? "vector product" : "product");
}

static void describe_rnn(struct about *a)
{
    const struct spacc_tensor x = input_of(a, 0), w = input_of(a, 1), r = input_of(a, 2);
    const bool lstm = is_op(a, "LSTM");
    const bool first = spacc_node_int(a->node, "layout", 0) != 0;
    double *size = a->w->size;

    size[RNN_STEPS] = dim(&x, first);
    size[RNN_BATCH] = dim(&x, !first);
    size[RNN_INPUTS] = dim(&x, 2);
    size[RNN_UNITS] = dim(&r, 2);
    size[RNN_GATES] = lstm ? 4.0 : is_op(a, "RNN") ? 1.0 : 3.0;
    size[RNN_DIRECTIONS] = dim(&w, 0);
    size[RNN_DENSE_X] = w.data ? share_of_nonzeros(w.data, w.count) : 1.0;
    size[RNN_DENSE_H] = r.data ? share_of_nonzeros(r.data, r.count) : 1.0;
    a->w->macs = size[RNN_STEPS] * size[RNN_BATCH] *
                 ((double)w.count * size[RNN_DENSE_X] + (double)r.count * size[RNN_DENSE_H]);
    set_kernel(a, SPACC_WORK_RNN,
               lstm                                                     ? "lstm"
               : is_op(a, "RNN")                                        ? "rnn"
               : spacc_node_int(a->node, "linear_before_reset", 0) != 0 ? "gru linear"
                                                                        : "gru");
}

/* ---- elements ------------------------------------------------------------------------ */

/* Elements of a channel: blocked tensors have whole blocks of channels, and cost as much. */
static double pixels_of(const struct spacc_tensor *t)
{
    const double images = dim(t, 0) * dim(t, 1);

    return images > 0.0 ? (double)t->count / images : 0.0;
}

static bool is_blocked(const struct about *a)
{
    return a->s->ins > 0 && a->s->in[0] >= 0 && a->e->slot[a->s->in[0]].layout;
}

/* Elements of y in a row over which t goes element by element, or stands still. */
static double run_of(const struct spacc_tensor *t, const struct spacc_tensor *y)
{
    const bool still = t->rank == 0 || t->dims[t->rank - 1] == 1;
    double run = 1.0;

    for (int d = y->rank - 1, from = t->rank - 1; d >= 0; d--, from--) {
        if (y->dims[d] == 1)
            continue;
        if ((from < 0 || t->dims[from] == 1) != still)
            break;
        run *= (double)y->dims[d];
    }
    return run;
}

static void describe_points(struct about *a)
{
    const struct spacc_tensor y = output_of(a, 0);
    double *size = a->w->size;
    const char *what = a->node->op->name;

    size[POINTS_COUNT] = (double)y.count;
    size[POINTS_LOOPS] = joined(a);
    size[POINTS_RUN] = (double)y.count;
    size[POINTS_ROW] = dim(&y, y.rank - 1);
    for (int i = 0; i < a->node->inputs && i < a->s->ins; i++) {
        const struct spacc_tensor x = input_of(a, i);
        const double run = run_of(&x, &y);
        size[POINTS_INS] += x.count == y.count || a->s->ins == 1;
        size[POINTS_RUN] = x.count > 1 && run < size[POINTS_RUN] ? run : size[POINTS_RUN];
    }
    if (is_blocked(a))
        size[POINTS_RUN] = pixels_of(&y);
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
        if (is_op(a, points[i].op)) {
            what = points[i].what;
            size[POINTS_HEAVY] = points[i].heavy;
        }
    set_kernel(a, SPACC_WORK_POINTS, what);
}

/* ---- moves --------------------------------------------------------------------------- */

/* Elements at the end of the shape that keep their order. */
static double kept_together(const struct about *a, const struct spacc_tensor *x)
{
    const struct spacc_attr *perm = spacc_node_attr(a->node, "perm");
    double run = 1.0;

    for (int d = x->rank - 1; d >= 0 && perm && perm->ints[d] == d; d--)
        run *= (double)x->dims[d];
    return run;
}

static double concat_run(const struct about *a, const struct spacc_tensor *y)
{
    const int64_t axis = spacc_node_int(a->node, "axis", 1);
    double run = 1.0;

    for (int d = y->rank - 1; d >= (axis < 0 ? axis + y->rank : axis); d--)
        run *= (double)y->dims[d];
    return run / a->node->inputs;
}

/* Channels that go from the second axis to the last stay together by blocks. */
static bool is_channels_last(const struct about *a, const struct spacc_tensor *x)
{
    const struct spacc_attr *perm = spacc_node_attr(a->node, "perm");

    return is_blocked(a) && perm && x->rank > 2 && perm->ints[x->rank - 1] == 1;
}

/* Elements that a Transpose of oneDNN, or a Concat, keeps together. */
static double onednn_run(const struct about *a, const struct spacc_tensor *x,
                         const struct spacc_tensor *y)
{
    if (is_op(a, "Transpose"))
        return is_channels_last(a, x) ? 8.0 : kept_together(a, x);
    return is_blocked(a) ? pixels_of(y) : concat_run(a, y);
}

static void describe_move(struct about *a)
{
    const struct spacc_tensor x = input_of(a, 0);
    const struct spacc_tensor *y = &a->e->slot[a->s->out[0]].t;
    bool strided = false;
    double *size = a->w->size;

    size[MOVE_COUNT] = (double)y->count;
    size[MOVE_INS] = is_op(a, "Concat") ? a->node->inputs : 1.0;
    size[MOVE_IN_ROW] = dim(&x, x.rank - 1);
    size[MOVE_OUT_ROW] = dim(y, y->rank - 1);
    if (a->s->kernel == &spacc_cpu_move) {
        const double runs = (double)spacc_cpu_move_runs(a->s, &strided);
        size[MOVE_RUN] = runs > 0.0 ? size[MOVE_COUNT] / runs : 0.0;
    } else
        size[MOVE_RUN] = onednn_run(a, &x, y);
    set_kernel(a, SPACC_WORK_MOVE,
               strided                           ? "strided"
               : a->s->kernel == &spacc_cpu_move ? "runs"
               : is_op(a, "Transpose")           ? "transpose"
                                                 : "concat");
}

/* A reorder, or a copy into a padded place: from in[0] to out[0], an image a run. */
static void describe_helper(struct about *a)
{
    const struct spacc_cpu_slot *x = &a->e->slot[a->s->in[0]];
    const struct spacc_tensor *y = &a->e->slot[a->s->out[0]].t;
    double *size = a->w->size;

    size[MOVE_COUNT] = (double)y->count;
    size[MOVE_RUN] = pixels_of(y);
    size[MOVE_INS] = 1.0;
    size[MOVE_IN_ROW] = x->layout ? dim(y, 1) : size[MOVE_RUN];
    size[MOVE_OUT_ROW] = x->layout ? size[MOVE_RUN] : dim(y, 1);
    a->w->in_bytes = bytes_of(&x->t);
    a->w->weight_bytes = 0.0;
    set_kernel(a, SPACC_WORK_MOVE, x->layout ? "unblock" : "block");
}

/* ---- all others ----------------------------------------------------------------------- */

static unsigned hash_text(unsigned hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

static unsigned hash_graph(unsigned hash, const struct spacc_graph *g)
{
    for (int n = 0; n < g->nodes; n++) {
        hash = hash_text(hash, g->node[n].op->name);
        for (size_t i = 0; i < g->node[n].attrs; i++)
            if (g->node[n].attr[i].graph)
                hash = hash_graph(hash, g->node[n].attr[i].graph);
    }
    return hash;
}

/* Branches are a program, with a law of their own: operators in order, as a number. */
static unsigned branches_of(const struct spacc_node *node)
{
    unsigned hash = 0;

    for (size_t i = 0; i < node->attrs; i++)
        if (node->attr[i].graph)
            hash = hash_graph(hash ? hash : 2166136261u, node->attr[i].graph);
    return hash;
}

static double macs_of_other(const struct about *a)
{
    const struct spacc_tensor x = input_of(a, 0), w = input_of(a, 1), y = output_of(a, 0);

    if (is_op(a, "MatMul") || is_op(a, "MatMulInteger"))
        return (double)y.count * dim(&x, x.rank - 1);
    if (is_op(a, "Conv") || is_op(a, "ConvInteger"))
        return w.rank ? (double)y.count * (double)w.count / dim(&w, 0) : 0.0;
    if (is_op(a, "ConvTranspose"))
        return w.rank ? (double)x.count * (double)w.count / dim(&w, 0) : 0.0;
    return 0.0;
}

/* Elements that are one sum: of the last axis, or that of an attribute. */
static double line_of(const struct about *a)
{
    const struct spacc_tensor x = input_of(a, 0);
    const int64_t axis = spacc_node_int(a->node, "axis", -1);

    return dim(&x, (int)(axis < 0 ? axis + x.rank : axis));
}

static void describe_other(struct about *a)
{
    const unsigned branches = branches_of(a->node);
    double *size = a->w->size;

    for (int i = 0; i < a->node->inputs; i++)
        size[OTHER_INS] += (double)input_of(a, i).count;
    for (int o = 0; o < a->node->outputs; o++)
        size[OTHER_OUTS] += (double)output_of(a, o).count;
    if (is_op(a, "Gather") && a->w->weight_bytes > a->w->out_bytes) {
        size[OTHER_INS] = size[OTHER_OUTS]; /* of a table only the rows that are asked for */
        a->w->weight_bytes = a->w->out_bytes;
    }
    size[OTHER_LINE] = line_of(a);
    a->w->macs = macs_of_other(a);
    a->w->family = SPACC_WORK_OTHER;
    if (branches)
        snprintf(a->w->kernel, sizeof(a->w->kernel), "reference/%s %08x", a->node->op->name,
                 branches);
    else
        snprintf(a->w->kernel, sizeof(a->w->kernel), "reference/%s", a->node->op->name);
}

/* ---- on a GPU -------------------------------------------------------------------------- */

/* Neighbours stay together in a copy, nowhere in a gather. */
static void describe_gpu_move(struct about *a)
{
    double *size = a->w->size;

    size[MOVE_COUNT] = a->w->out_bytes / (double)sizeof(float);
    size[MOVE_RUN] = strcmp(spacc_gpu_law(a->s), "copy") == 0 ? size[MOVE_COUNT] : 1.0;
    size[MOVE_INS] = is_op(a, "Concat") ? a->node->inputs : 1.0;
    size[MOVE_IN_ROW] = size[MOVE_OUT_ROW] = size[MOVE_RUN];
    set_kernel(a, SPACC_WORK_MOVE, "");
}

static bool is_gpu(const struct about *a, const char *kernel)
{
    return strcmp(a->s->kernel->name, kernel) == 0;
}

/* The same sizes as on a CPU; costs are learned by what a step spends its time in. */
static void describe_gpu(struct about *a)
{
    if (is_gpu(a, "gpu conv") || is_gpu(a, "gpu deconv"))
        describe_conv(a, is_gpu(a, "gpu deconv"));
    else if (is_gpu(a, "gpu pool"))
        describe_pool(a);
    else if (is_gpu(a, "gpu product"))
        describe_product(a);
    else if (is_gpu(a, "gpu rnn"))
        describe_rnn(a);
    else if (is_gpu(a, "gpu move") || is_gpu(a, "gpu resize"))
        describe_gpu_move(a);
    else if (is_gpu(a, "gpu points"))
        describe_points(a);
    else
        describe_other(a);
    snprintf(a->w->kernel, sizeof(a->w->kernel), "%s %s", a->s->kernel->name,
             spacc_gpu_law(a->s));
}

/* ---- which ----------------------------------------------------------------------------- */

static bool is_pool(const struct about *a)
{
    const char *op = a->node->op->name;
    const size_t length = strlen(op);

    return length > 4 && strcmp(op + length - 4, "Pool") == 0;
}

static void describe(struct about *a)
{
    const struct spacc_cpu_kernel *k = a->s->kernel;

    if (k->on_gpu)
        describe_gpu(a);
    else if (is_helper(a->s))
        describe_helper(a);
    else if (k == &spacc_cpu_rnn || is_op(a, "LSTM") || is_op(a, "GRU") || is_op(a, "RNN"))
        describe_rnn(a);
    else if (k == &spacc_cpu_reference || k == &spacc_cpu_branches)
        describe_other(a);
    else if (k == &spacc_cpu_product || k == &spacc_cpu_gemm)
        describe_product(a);
    else if (k == &spacc_cpu_conv)
        describe_own_conv(a);
    else if (is_op(a, "Conv") || is_op(a, "ConvTranspose"))
        describe_conv(a, is_op(a, "ConvTranspose"));
    else if (is_pool(a))
        describe_pool(a);
    else if (k == &spacc_cpu_move || is_op(a, "Transpose") || is_op(a, "Concat"))
        describe_move(a);
    else
        describe_points(a);
}

static size_t l2_bytes(void)
{
    const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);

    return bytes > 0 ? (size_t)bytes : L2_BYTES;
}

/* Packed weights, and constants that steps read as they are. */
static bool is_cold(const struct spacc_engine *e)
{
    size_t bytes = e->weight_bytes;

    for (int s = 0; s < e->slots; s++)
        if (e->slot[s].home == SPACC_HOME_CONSTANT && e->slot[s].first >= 0 &&
            e->slot[s].root == s)
            bytes += e->slot[s].t.count * spacc_dtype_bytes(e->slot[s].t.dtype);
    return bytes > l2_bytes();
}

static bool is_foreign(const struct spacc_cpu_step *s)
{
    return s->kernel == &spacc_cpu_foreign || s->kernel == &spacc_cpu_foreign_wait;
}

static bool work_of(const struct spacc_engine *e, const struct spacc_cpu_step *s,
                    struct spacc_work *w)
{
    struct about a = {.e = e, .s = s, .node = &e->g->node[s->node], .w = w};

    *w = (struct spacc_work){.threads = spacc_parallel_parts(e->options.parallel),
                             .cold = is_cold(e)};
    if (is_foreign(s))
        return false;
    if (s->kernel->on_gpu && !spacc_gpu_law(s))
        return false; /* a transfer: the link's cost */
    if (s->kernel->on_gpu)
        *w = (struct spacc_work){.threads = 1};
    count_bytes(&a);
    describe(&a);
    return true;
}

size_t spacc_engine_steps(const struct spacc_engine *e)
{
    return (size_t)e->steps;
}

struct spacc_engine_step spacc_engine_step(const struct spacc_engine *e, size_t i)
{
    const struct spacc_cpu_step *s = &e->step[i];
    struct spacc_engine_step step = {
        .node = s->node, .kernel = runner(e, s), .on_gpu = s->kernel->on_gpu, .us = s->us};

    step.has_work = work_of(e, s, &step.work);
    return step;
}

double spacc_engine_step_us(const struct spacc_engine *e, size_t i)
{
    return is_foreign(&e->step[i]) ? 0.0 : e->step[i].us;
}
