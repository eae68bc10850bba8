#include "host/profile/trial.h"

#include <string.h>

#include "host/profile/maker.h"
#include "models/op.h"

enum { FRONT_CHANNELS = 8 }; /* of the convolution that makes a blocked tensor */

/* Sizes, as work.def orders them. */
enum { N, IC, OC, H, W, KH, KW, SH, SW, DH, GROUPS, JOINED, HEAVY };
enum { PN, PC, PH, PW, PKH, PKW, PSH, PSW, PMOST };
enum { BATCH, PM, PRN, PK, DENSITY, PJOINED };
enum { STEPS, SEQUENCES, INPUTS, UNITS, GATES, DIRECTIONS };
enum { EN, EC, EH, EW, BROADCAST };
enum { AXIS, SIZE_NOW, SIZE_THEN };

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- convolutions -------------------------------------------------------------------- */

/* Pads so that `size` outputs come of size * stride inputs, as "same" has them. */
static void same_pads(int64_t pads[4], const int64_t out[2], const int64_t in[2],
                      const int64_t reach[2], const int64_t stride[2])
{
    for (int d = 0; d < 2; d++) {
        const int64_t all = larger((out[d] - 1) * stride[d] + reach[d] - in[d], 0);
        pads[d] = all / 2;
        pads[d + 2] = all - all / 2;
    }
}

static int conv(struct spacc_maker *m, int x, const int64_t *s)
{
    const int64_t w_dims[4] = {s[OC], s[IC] / s[GROUPS], s[KH], s[KW]};
    const int64_t dilation[2] = {s[KH] > 1 ? s[DH] : 1, s[KW] > 1 ? s[DH] : 1};
    const int64_t reach[2] = {(s[KH] - 1) * dilation[0] + 1, (s[KW] - 1) * dilation[1] + 1};
    const int64_t in[2] = {s[H] * s[SH], s[W] * s[SW]};
    int64_t pads[4];
    const double sums = (double)(w_dims[1] * s[KH] * s[KW]);
    const int input[3] = {x, spacc_maker_weights(m, 4, w_dims, sums, 1.0),
                          spacc_maker_weights(m, 1, &s[OC], 1.0, 1.0)};

    same_pads(pads, &s[H], in, reach, &s[SH]);
    const int y = spacc_maker_node(m, "Conv", 3, input);
    spacc_maker_int(m, "group", s[GROUPS]);
    spacc_maker_list(m, "strides", 2, &s[SH]);
    spacc_maker_list(m, "dilations", 2, dilation);
    spacc_maker_list(m, "pads", 4, pads);
    return y;
}

/* 1x1, from a few channels to `channels`: what comes out has oneDNN's layout. */
static int front_conv(struct spacc_maker *m, int x, int64_t n, int64_t channels, int64_t h,
                      int64_t w)
{
    const int64_t size[] = {n, FRONT_CHANNELS, channels, h, w, 1, 1, 1, 1, 1, 1, 1};

    return conv(m, x, size);
}

/* Conv, its activation, and behind that the sum with what another convolution has made. */
static void make_conv(struct spacc_maker *m, const struct spacc_trial *t)
{
    const int64_t *s = t->size;
    const int64_t dims[4] = {s[N], s[IC], s[H] * s[SH], s[W] * s[SW]};
    const int64_t side[12] = {s[N], s[IC], s[OC], s[H], s[W], 1, 1, s[SH], s[SW], 1, 1, 1};
    const int x = spacc_maker_input(m, SPACC_F32, 4, dims);
    const int other = s[JOINED] > 2 ? conv(m, x, side) : -1;
    int y = conv(m, x, s);

    if (other >= 0) {
        const int both[2] = {y, other};
        y = spacc_maker_node(m, "Add", 2, both);
    }
    if (s[JOINED] > 1 && t->op)
        y = spacc_maker_node(m, t->op, 1, &y);
    spacc_maker_output(m, y);
}

static void make_deconv(struct spacc_maker *m, const struct spacc_trial *t)
{
    const int64_t *s = t->size;
    const int64_t dims[4] = {s[N], s[IC], larger((s[H] - s[KH]) / s[SH] + 1, 1),
                             larger((s[W] - s[KW]) / s[SW] + 1, 1)};
    const int64_t w_dims[4] = {s[IC], s[OC] / s[GROUPS], s[KH], s[KW]};
    const int input[3] = {
        spacc_maker_input(m, SPACC_F32, 4, dims),
        spacc_maker_weights(m, 4, w_dims, (double)(s[IC] / s[GROUPS] * s[KH] * s[KW]), 1.0),
        spacc_maker_weights(m, 1, &s[OC], 1.0, 1.0)};
    const int y = spacc_maker_node(m, "ConvTranspose", 3, input);

    spacc_maker_int(m, "group", s[GROUPS]);
    spacc_maker_list(m, "strides", 2, &s[SH]);
    spacc_maker_output(m, y);
}

/* ---- pools, elements, moves: [n][c][h][w], plain or blocked ------------------------------ */

static int image(struct spacc_maker *m, const struct spacc_trial *t, int64_t n, int64_t c,
                 int64_t h, int64_t w)
{
    const int64_t dims[4] = {n, t->blocked ? FRONT_CHANNELS : c, h, w};
    const int x = spacc_maker_input(m, SPACC_F32, 4, dims);

    return t->blocked ? front_conv(m, x, n, c, h, w) : x;
}

static void make_pool(struct spacc_maker *m, const struct spacc_trial *t)
{
    const int64_t *s = t->size;
    const int x =
        image(m, t, s[PN], s[PC], (s[PH] - 1) * s[PSH] + s[PKH], (s[PW] - 1) * s[PSW] + s[PKW]);
    const int y = spacc_maker_node(m, s[PMOST] ? "MaxPool" : "AveragePool", 1, &x);

    spacc_maker_list(m, "kernel_shape", 2, &s[PKH]);
    spacc_maker_list(m, "strides", 2, &s[PSH]);
    spacc_maker_output(m, y);
}

static int second_operand(struct spacc_maker *m, const struct spacc_trial *t)
{
    const int64_t *s = t->size, channel[3] = {s[EC], 1, 1};

    switch (s[BROADCAST]) {
    case 1: return spacc_maker_weights(m, 0, NULL, 1.0, 1.0);
    case 2: return spacc_maker_weights(m, 3, channel, 1.0, 1.0);
    case 3: return spacc_maker_weights(m, 1, &s[EW], 1.0, 1.0);
    default: return image(m, t, s[EN], s[EC], s[EH], s[EW]);
    }
}

/* What an operator wants besides its operands. */
static void point_attributes(struct spacc_maker *m, const char *op)
{
    const int64_t last = -1;

    if (strcmp(op, "LRN") == 0)
        spacc_maker_int(m, "size", 5);
    else if (strncmp(op, "Reduce", 6) == 0 && strcmp(op, "ReduceSum") != 0)
        spacc_maker_list(m, "axes", 1, &last);
}

static void make_points(struct spacc_maker *m, const struct spacc_trial *t)
{
    const struct spacc_op *op = spacc_op_find(t->op);
    const int64_t *s = t->size, last = -1;
    const bool sum = strcmp(t->op, "ReduceSum") == 0, two = sum || (op && op->ins_min == 2);
    const int x = image(m, t, s[EN], s[EC], s[EH], s[EW]);
    const int in[2] = {x, sum   ? spacc_maker_ints(m, 1, &last)
                          : two ? second_operand(m, t)
                                : -1};
    const int y = spacc_maker_node(m, t->op, two ? 2 : 1, in);

    point_attributes(m, t->op);
    if (t->blocked) { /* it has another reader, so that nothing is joined */
        spacc_maker_output(m, x);
        if (two && s[BROADCAST] == 0)
            spacc_maker_output(m, in[1]);
    }
    spacc_maker_output(m, y);
}

static void make_transpose(struct spacc_maker *m, const struct spacc_trial *t, int x)
{
    int64_t perm[4];

    for (int d = 0; d < 4; d++) /* "Transpose 0231" */
        perm[d] = t->op[10 + d] - '0';
    spacc_maker_output(m, spacc_maker_node(m, "Transpose", 1, &x));
    spacc_maker_list(m, "perm", 4, perm);
}

static void make_concat(struct spacc_maker *m, const struct spacc_trial *t, int x)
{
    const int64_t *s = t->size;
    const int in[2] = {x, image(m, t, s[EN], s[EC], s[EH], s[EW])};

    spacc_maker_output(m, spacc_maker_node(m, "Concat", 2, in));
    spacc_maker_int(m, "axis", t->op[7] - '0'); /* "Concat 1" */
}

/* The middle half of the last axis. */
static void make_slice(struct spacc_maker *m, const struct spacc_trial *t, int x)
{
    const int64_t first = t->size[EW] / 4, end = first + larger(t->size[EW] / 2, 1), axis = 3;
    const int in[4] = {x, spacc_maker_ints(m, 1, &first), spacc_maker_ints(m, 1, &end),
                       spacc_maker_ints(m, 1, &axis)};

    spacc_maker_output(m, spacc_maker_node(m, "Slice", 4, in));
}

static void make_pad(struct spacc_maker *m, int x)
{
    const int64_t pads[8] = {0, 0, 1, 1, 0, 0, 1, 1};
    const int in[2] = {x, spacc_maker_ints(m, 8, pads)};

    spacc_maker_output(m, spacc_maker_node(m, "Pad", 2, in));
}

static void make_resize(struct spacc_maker *m, const struct spacc_trial *t, int x)
{
    const int64_t *s = t->size, sizes[4] = {s[EN], s[EC], 2 * s[EH], 2 * s[EW]};
    const int in[4] = {x, -1, -1, spacc_maker_ints(m, 4, sizes)};

    spacc_maker_output(m, spacc_maker_node(m, "Resize", 4, in));
    spacc_maker_text(m, "mode", "nearest");
    spacc_maker_text(m, "coordinate_transformation_mode", "asymmetric");
    spacc_maker_text(m, "nearest_mode", "floor");
}

static void make_move(struct spacc_maker *m, const struct spacc_trial *t)
{
    const int64_t *s = t->size;
    const int x = image(m, t, s[EN], s[EC], s[EH], s[EW]);

    switch (t->op[0]) {
    case 'T': make_transpose(m, t, x); break;
    case 'C': make_concat(m, t, x); break;
    case 'S': make_slice(m, t, x); break;
    case 'P': make_pad(m, x); break;
    default: make_resize(m, t, x); break;
    }
}

/* ---- products and cells ----------------------------------------------------------------- */

static void make_product(struct spacc_maker *m, const struct spacc_trial *t)
{
    const int64_t *s = t->size;
    const int batched = s[BATCH] > 1;
    const int64_t a[3] = {s[BATCH], s[PM], s[PK]}, b[3] = {s[BATCH], s[PK], s[PRN]};
    const int x = spacc_maker_input(m, SPACC_F32, 2 + batched, a + !batched);
    const int w = t->two_inputs ? spacc_maker_input(m, SPACC_F32, 2 + batched, b + !batched)
                                : spacc_maker_weights(m, 2 + batched, b + !batched,
                                                      (double)s[PK], t->density);
    const int in[2] = {x, w};
    int y = spacc_maker_node(m, "MatMul", 2, in);

    if (s[PJOINED] > 1) {
        const int sum[2] = {y, spacc_maker_weights(m, 1, &s[PRN], 1.0, 1.0)};
        y = spacc_maker_node(m, "Add", 2, sum);
    }
    spacc_maker_output(m, y);
}

static bool ends_with(const char *text, const char *end)
{
    const size_t a = strlen(text), b = strlen(end);

    return a >= b && strcmp(text + a - b, end) == 0;
}

static void make_rnn(struct spacc_maker *m, const struct spacc_trial *t)
{
    const int64_t *s = t->size, rows = s[GATES] * s[UNITS];
    const int64_t x_dims[3] = {s[STEPS], s[SEQUENCES], s[INPUTS]};
    const int64_t w_dims[3] = {s[DIRECTIONS], rows, s[INPUTS]};
    const int64_t r_dims[3] = {s[DIRECTIONS], rows, s[UNITS]};
    const int64_t b_dims[2] = {s[DIRECTIONS], 2 * rows};
    const int in[4] = {spacc_maker_input(m, SPACC_F32, 3, x_dims),
                       spacc_maker_weights(m, 3, w_dims, (double)s[INPUTS], t->density),
                       spacc_maker_weights(m, 3, r_dims, (double)s[UNITS], t->density),
                       strncmp(t->op, "reference", 9) == 0
                           ? spacc_maker_input(m, SPACC_F32, 2, b_dims)
                           : spacc_maker_weights(m, 2, b_dims, 1.0, 1.0)};
    const char *op = s[GATES] == 4 ? "LSTM" : s[GATES] == 3 ? "GRU" : "RNN";
    const int y = spacc_maker_node(m, op, 4, in);

    spacc_maker_int(m, "hidden_size", s[UNITS]);
    spacc_maker_text(m, "direction", s[DIRECTIONS] == 2 ? "bidirectional" : "forward");
    if (ends_with(t->op, "gru linear"))
        spacc_maker_int(m, "linear_before_reset", 1);
    spacc_maker_output(m, y);
    spacc_maker_output(m, spacc_maker_more(m));
}

/* ---- a node of a graph, with another size -------------------------------------------------
 */

static int node_input(struct spacc_maker *m, const struct spacc_trial *t, int v)
{
    const struct spacc_tensor *shape = v < 0 ? NULL : &t->shape->shape[v];
    int64_t dims[SPACC_RANK_MAX];

    if (!shape)
        return -1;
    if (shape->dtype == SPACC_DTYPE_NONE)
        return -2;
    if (shape->data)
        return spacc_maker_constant(m, shape);
    memcpy(dims, shape->dims, sizeof(dims));
    const int axis = shape->rank - 1 - (int)t->size[AXIS];
    if (axis >= 0 && dims[axis] == t->size[SIZE_NOW])
        dims[axis] = t->size[SIZE_THEN];
    return spacc_maker_input(m, shape->dtype, shape->rank, dims);
}

/* Inputs that are one value stay one. */
static int input_again(const struct spacc_node *n, const int *in, int i)
{
    for (int k = 0; k < i; k++)
        if (n->input[k] == n->input[i])
            return in[k];
    return -2;
}

static void make_node(struct spacc_maker *m, const struct spacc_trial *t)
{
    enum { INPUTS_MAX = 32 };
    const struct spacc_node *n = &t->g->node[t->node];
    int in[INPUTS_MAX];

    m->g->opset = t->g->opset;
    for (int i = 0; i < n->inputs && i < INPUTS_MAX; i++) {
        in[i] = input_again(n, in, i);
        if (in[i] == -2)
            in[i] = node_input(m, t, n->input[i]);
        if (in[i] == -2) { /* known in a run only */
            spacc_graph_free(spacc_maker_end(m));
            return;
        }
    }
    const int y = spacc_maker_node(m, n->op->name, n->inputs, in);
    spacc_maker_attributes(m, n);
    spacc_maker_output(m, y);
    for (int o = 1; o < n->outputs; o++)
        spacc_maker_output(m, spacc_maker_more(m));
}

static bool can_be_made(const struct spacc_trial *t)
{
    if (t->kind != SPACC_TRIAL_NODE)
        return true;
    const struct spacc_node *n = &t->g->node[t->node];
    if (spacc_node_has_branches(n))
        return false;
    return n->inputs > 0 && n->inputs <= 32 && n->outputs > 0 && n->output[0] >= 0;
}

struct spacc_graph *spacc_trial_graph(const struct spacc_trial *t, uint64_t seed)
{
    struct spacc_maker m;

    if (!can_be_made(t))
        return NULL;
    spacc_maker_start(&m, seed);
    if (!m.g)
        return NULL;
    switch (t->kind) {
    case SPACC_TRIAL_CONV: make_conv(&m, t); break;
    case SPACC_TRIAL_DECONV: make_deconv(&m, t); break;
    case SPACC_TRIAL_POOL: make_pool(&m, t); break;
    case SPACC_TRIAL_PRODUCT: make_product(&m, t); break;
    case SPACC_TRIAL_RNN: make_rnn(&m, t); break;
    case SPACC_TRIAL_POINTS: make_points(&m, t); break;
    case SPACC_TRIAL_MOVE: make_move(&m, t); break;
    case SPACC_TRIAL_NODE: make_node(&m, t); break;
    }
    return spacc_maker_end(&m);
}

/* ---- what it takes --------------------------------------------------------------------------
 */

static double product_of(const int64_t *size, int count)
{
    double p = 1.0;

    for (int i = 0; i < count; i++)
        p *= (double)size[i];
    return p;
}

static double node_elements(const struct spacc_trial *t)
{
    const struct spacc_node *n = &t->g->node[t->node];
    double count = 1.0;

    for (int i = 0; i < n->inputs; i++)
        if (n->input[i] >= 0)
            count += (double)t->shape->shape[n->input[i]].count;
    return t->size[SIZE_NOW] ? count * (double)t->size[SIZE_THEN] / (double)t->size[SIZE_NOW]
                             : count;
}

double spacc_trial_effort(const struct spacc_trial *t)
{
    const int64_t *s = t->size;

    switch (t->kind) {
    case SPACC_TRIAL_CONV:
    case SPACC_TRIAL_DECONV: return product_of(s, 7) / (double)s[GROUPS];
    case SPACC_TRIAL_POOL: return product_of(s, 6);
    case SPACC_TRIAL_PRODUCT: return product_of(s, 4);
    case SPACC_TRIAL_RNN:
        return (double)(s[STEPS] * s[SEQUENCES] * s[GATES] * s[UNITS] * s[DIRECTIONS]) *
               (double)(s[INPUTS] + s[UNITS]);
    case SPACC_TRIAL_NODE: return node_elements(t);
    default: return product_of(s, 4);
    }
}

double spacc_trial_bytes(const struct spacc_trial *t)
{
    const int64_t *s = t->size;

    switch (t->kind) {
    case SPACC_TRIAL_CONV:
    case SPACC_TRIAL_DECONV:
        return 4.0 * (double)(s[N] * s[H] * s[W] * (s[IC] * s[SH] * s[SW] + s[OC]) +
                              s[IC] * s[OC] / s[GROUPS] * s[KH] * s[KW]);
    case SPACC_TRIAL_POOL: return 4.0 * product_of(s, 4) * (double)(s[PSH] * s[PSW] + 1);
    case SPACC_TRIAL_PRODUCT:
        return 4.0 * (double)(s[BATCH] * (s[PM] * s[PK] + s[PK] * s[PRN] + s[PM] * s[PRN]));
    case SPACC_TRIAL_RNN:
        return 4.0 * (double)(s[GATES] * s[UNITS] * s[DIRECTIONS] * (s[INPUTS] + s[UNITS]));
    default: return 12.0 * spacc_trial_effort(t);
    }
}

/* ---- from a work
 * ----------------------------------------------------------------------------- */

static void fill_product(struct spacc_trial *t, const struct spacc_work *w)
{
    t->kind = SPACC_TRIAL_PRODUCT;
    t->density = w->size[DENSITY];
    t->size[DENSITY] = 1;
    t->two_inputs = !(w->weight_bytes > 0.0);
}

static bool fill_rnn(struct spacc_trial *t, const struct spacc_work *w)
{
    static const char *const cells[] = {"reference lstm",
                                        "reference gru linear",
                                        "reference gru",
                                        "reference rnn",
                                        "lstm",
                                        "gru linear",
                                        "gru"};

    t->kind = SPACC_TRIAL_RNN;
    t->density = w->size[DIRECTIONS + 2];
    t->size[DIRECTIONS + 1] = t->size[DIRECTIONS + 2] = 1;
    for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]) && !t->op; i++)
        if (ends_with(w->kernel, cells[i]))
            t->op = cells[i];
    return t->op != NULL;
}

bool spacc_trial_of_work(struct spacc_trial *t, const struct spacc_work *w)
{
    *t = (struct spacc_trial){.density = 1.0};
    for (int i = 0; i < SPACC_WORK_SIZES; i++)
        t->size[i] = (int64_t)w->size[i];
    switch (w->family) {
    case SPACC_WORK_CONV:
        t->kind = SPACC_TRIAL_CONV;
        t->op = w->size[JOINED] > 1.0 ? w->size[HEAVY] > 0.0 ? "Sigmoid" : "Relu" : NULL;
        t->size[HEAVY] = 0; /* the operator says so */
        return t->size[GROUPS] > 0;
    case SPACC_WORK_DECONV: t->kind = SPACC_TRIAL_DECONV; return t->size[GROUPS] > 0;
    case SPACC_WORK_POOL:
        t->kind = SPACC_TRIAL_POOL;
        t->blocked = strstr(w->kernel, "nchw") == NULL;
        return true;
    case SPACC_WORK_PRODUCT: fill_product(t, w); return true;
    case SPACC_WORK_RNN: return fill_rnn(t, w);
    default: return false;
    }
}

bool spacc_trial_same(const struct spacc_trial *a, const struct spacc_trial *b)
{
    const char *x = a->op ? a->op : "", *y = b->op ? b->op : "";

    return a->kind == b->kind && memcmp(a->size, b->size, sizeof(a->size)) == 0 &&
           !(a->density < b->density) && !(a->density > b->density) && strcmp(x, y) == 0 &&
           a->blocked == b->blocked && a->two_inputs == b->two_inputs && a->g == b->g &&
           a->node == b->node;
}
