/* Products of constant weights with few vectors on the tiles of sparse/: MatMul and Gemm of a
 * few rows, 1x1 Conv of one pixel. Each weight is read once a run, so layout is everything. */
#include <stdlib.h>
#include <string.h>

#include "host/cpu/kernels.h"
#include "sparse/kernels.h"
#include "sparse/tile.h"

enum {
    VECTORS_MAX = 8,
    DENSE_MAX = 1 << 22 /* weights: larger dense ones stream from memory in any layout, and take
                           seconds to be laid out anew */
};

struct product {
    struct spacc_tile *tile;
    size_t vectors, rows, cols;
    size_t y_stride;   /* floats from vector to vector of sums in scratch */
    size_t x_bytes;    /* of all prepared vectors, before the sums in scratch */
    const float *bias; /* [rows], or one, or NULL; of the graph */
    bool bias_is_scalar;
    int x, y;
};

static void release(void *state)
{
    struct product *p = state;

    spacc_tile_free(p->tile);
    free(p);
}

/* ---- run ------------------------------------------------------------------------- */

struct work {
    const struct product *p;
    const char *x;
    float *sums;
    size_t parts;
};

/* Blocks part by part: which ones is known before, so the bits are the same for any number. */
static void run_part(void *arg, int part)
{
    const struct work *w = arg;
    const struct spacc_tile *t = w->p->tile;
    const struct spacc_blocks blocks = {
        .first = t->blocks * (size_t)part / w->parts,
        .last = t->blocks * ((size_t)part + 1) / w->parts,
    };

    if (blocks.first < blocks.last)
        t->kernel->product(t, w->x, w->p->vectors, w->sums + blocks.first * t->block_rows,
                           w->p->y_stride, blocks);
}

static void start_sums(const struct product *p, float *sums)
{
    for (size_t v = 0; v < p->vectors; v++) {
        float *s = sums + v * p->y_stride;
        if (p->bias && !p->bias_is_scalar)
            memcpy(s, p->bias, p->rows * sizeof(*s));
        for (size_t r = 0; r < p->rows && (!p->bias || p->bias_is_scalar); r++)
            s[r] = p->bias ? *p->bias : 0.0f;
        memset(s + p->rows, 0, (p->y_stride - p->rows) * sizeof(*s));
    }
}

static enum spacc_status run(struct spacc_engine *e, struct spacc_cpu_step *s,
                             struct spacc_error *err)
{
    const struct product *p = s->state;
    const struct spacc_parallel *pool = e->options.parallel;
    const float *x = spacc_cpu_data(e, p->x);
    float *y = spacc_cpu_data(e, p->y);
    char *scratch = spacc_cpu_data(e, s->scratch);
    struct work w = {.p = p,
                     .x = scratch,
                     .sums = (float *)(void *)(scratch + p->x_bytes),
                     .parts = pool ? (size_t)pool->parts : 1};

    (void)err;
    for (size_t v = 0; v < p->vectors; v++)
        p->tile->kernel->prepare(p->tile, x + v * p->cols,
                                 scratch + v * spacc_tile_x_bytes(p->tile));
    start_sums(p, w.sums);
    if (w.parts > 1)
        pool->run(pool->pool, run_part, &w);
    else
        run_part(&w, 0);
    for (size_t v = 0; v < p->vectors; v++)
        memcpy(y + v * p->rows, w.sums + v * p->y_stride, p->rows * sizeof(*y));
    return SPACC_OK;
}

/* ---- what it is ------------------------------------------------------------------ */

/* Weights [rows][cols] of the graph, possibly the other way round. */
struct weights {
    const struct spacc_tensor *t;
    bool transposed; /* [cols][rows] */
};

static bool is_matmul(struct spacc_cpu_build *b, const struct spacc_node *node,
                      struct product *p, struct weights *w)
{
    const struct spacc_tensor *x = spacc_cpu_shape(b, node->input[0]);

    w->t = spacc_cpu_constant(b, node, 1);
    w->transposed = true;
    if (!w->t || w->t->rank != 2 || w->t->count == 0 || x->rank < 1)
        return false;
    p->cols = (size_t)w->t->dims[0];
    p->rows = (size_t)w->t->dims[1];
    return true;
}

static bool is_gemm(struct spacc_cpu_build *b, const struct spacc_node *node, struct product *p,
                    struct weights *w)
{
    const struct spacc_tensor *c = spacc_cpu_constant(b, node, 2);

    w->t = spacc_cpu_constant(b, node, 1);
    w->transposed = !spacc_node_int(node, "transB", 0);
    if (!w->t || w->t->count == 0 || spacc_node_int(node, "transA", 0) ||
        spacc_node_float(node, "alpha", 1.0f) != 1.0f ||
        spacc_node_float(node, "beta", 1.0f) != 1.0f)
        return false;
    p->cols = (size_t)w->t->dims[w->transposed ? 0 : 1];
    p->rows = (size_t)w->t->dims[w->transposed ? 1 : 0];
    if (node->inputs < 3 || node->input[2] < 0)
        return true;
    if (!c ||
        (c->count != 1 && (c->count != p->rows || (size_t)c->dims[c->rank - 1] != p->rows)))
        return false;
    p->bias = c->data;
    p->bias_is_scalar = c->count == 1;
    return true;
}

/* One output pixel whose window is exactly the input: a product whatever the kernel size. */
static bool is_conv(struct spacc_cpu_build *b, const struct spacc_node *node, struct product *p,
                    struct weights *w)
{
    const struct spacc_tensor *x = spacc_cpu_shape(b, node->input[0]);
    const struct spacc_tensor *y = spacc_cpu_shape(b, node->output[0]);
    const struct spacc_tensor *c = spacc_cpu_constant(b, node, 2);
    const struct spacc_attr *pads = spacc_node_attr(node, "pads");

    w->t = spacc_cpu_constant(b, node, 1);
    w->transposed = false;
    if (!w->t || w->t->count == 0 || spacc_node_int(node, "group", 1) != 1 ||
        y->count != (size_t)(y->dims[0] * y->dims[1]) ||
        (node->inputs > 2 && node->input[2] >= 0 && !c))
        return false;
    for (int d = 2; d < x->rank; d++)
        if (x->dims[d] != w->t->dims[d])
            return false;
    for (size_t i = 0; pads && i < pads->count; i++)
        if (pads->ints[i] != 0)
            return false;
    p->rows = (size_t)w->t->dims[0];
    p->cols = w->t->count / p->rows;
    p->bias = c ? c->data : NULL;
    return true;
}

static bool is_ours(struct spacc_cpu_build *b, const struct spacc_node *node, struct product *p,
                    struct weights *w)
{
    const char *op = node->op->name;
    const bool matmul = strcmp(op, "MatMul") == 0, gemm = strcmp(op, "Gemm") == 0;

    if ((!matmul && !gemm && strcmp(op, "Conv") != 0) || !spacc_cpu_known(b, node) ||
        !spacc_cpu_is(b, node->input[0], SPACC_F32))
        return false;
    *p = (struct product){.x = -1};
    if (!(matmul ? is_matmul(b, node, p, w)
          : gemm ? is_gemm(b, node, p, w)
                 : is_conv(b, node, p, w)))
        return false;
    const struct spacc_tensor *x = spacc_cpu_shape(b, node->input[0]);
    p->vectors = x->count / p->cols;
    return x->count > 0 && p->vectors <= VECTORS_MAX && p->cols <= 65536 &&
           x->count == p->vectors * p->cols &&
           (w->t->count <= DENSE_MAX || b->e->options.precision != SPACC_TILE_F32 ||
            spacc_cpu_is_sparse(w->t->data, w->t->count));
}

/* ---- take ------------------------------------------------------------------------ */

static enum spacc_status make_tile(struct spacc_cpu_build *b, struct product *p,
                                   const struct weights *w)
{
    const float *from = w->t->data;
    float *turned = NULL;
    enum spacc_status s;

    if (w->transposed) {
        if (!(turned = malloc(w->t->count * sizeof(*turned))))
            return spacc_cpu_no_memory(b);
        for (size_t r = 0; r < p->rows; r++)
            for (size_t c = 0; c < p->cols; c++)
                turned[r * p->cols + c] = from[c * p->rows + r];
    }
    const struct spacc_matrix m = {
        .dense = turned ? turned : from, .rows = p->rows, .cols = p->cols};
    const struct spacc_kernel *kernel =
        spacc_kernel_pick(b->e->options.precision, b->e->options.cpu, &m,
                          !spacc_cpu_is_sparse(w->t->data, w->t->count), NULL);
    s = spacc_tile_new(&p->tile, kernel, &m, NULL, b->err);
    free(turned);
    if (s)
        return s;
    p->y_stride = p->tile->blocks * p->tile->block_rows;
    p->x_bytes = p->vectors * spacc_tile_x_bytes(p->tile);
    b->e->weight_bytes += spacc_tile_bytes(p->tile);
    return SPACC_OK;
}

static enum spacc_status add_step(struct spacc_cpu_build *b, int n, struct product *p)
{
    const struct spacc_tensor none = {.dtype = SPACC_U8, .rank = 1};
    const int scratch =
        spacc_cpu_slot_new(b, &none, p->x_bytes + p->vectors * p->y_stride * sizeof(float));
    struct spacc_cpu_step *s =
        scratch < 0 ? NULL : spacc_cpu_step_new(b, &spacc_cpu_product, n, 1, 1);

    if (!s)
        return spacc_cpu_no_memory(b);
    s->state = p;
    s->scratch = scratch;
    s->in[0] = p->x;
    s->out[0] = p->y;
    spacc_cpu_step_done(b, s);
    spacc_cpu_taken(b, n, n, p->tile->kernel->name);
    return SPACC_OK;
}

static enum spacc_status take(struct spacc_cpu_build *b, int n, bool *taken)
{
    const struct spacc_node *node = &b->g->node[n];
    struct product shape, *p;
    struct weights w;
    enum spacc_status s;

    if (!is_ours(b, node, &shape, &w))
        return SPACC_OK;
    const int add =
        strcmp(node->op->name, "MatMul") == 0
            ? spacc_cpu_vector_add(b, node, shape.rows, &shape.bias, &shape.bias_is_scalar)
            : -1;
    if ((shape.x = spacc_cpu_input(b, node, 0, &s), s))
        return s;
    shape.y = b->g->node[add < 0 ? n : add].output[0];
    if (!(p = malloc(sizeof(*p))))
        return spacc_cpu_no_memory(b);
    *p = shape;
    s = make_tile(b, p, &w);
    if (s == SPACC_EINVAL && b->e->options.precision == SPACC_TILE_F32) {
        release(p); /* infinities among the weights: another kernel's */
        return SPACC_OK;
    }
    if (s || (s = add_step(b, n, p)))
        release(p);
    else if (add >= 0)
        spacc_cpu_taken(b, add, n, p->tile->kernel->name);
    *taken = !s;
    return s;
}

const struct spacc_cpu_kernel spacc_cpu_product = {
    .name = "tile", .take = take, .run = run, .release = release};
