/* MatMul and Gemm: CLBlast, or for few vectors a kernel of ours. */
#include <stdlib.h>
#include <string.h>

#include "host/gpu/parts.h"

enum { FEW = 4 }; /* vectors for which the weights are read again rather than packed */

bool spacc_gpu_is_few(size_t rows)
{
    return rows <= FEW;
}

void spacc_gpu_multiply(struct spacc_gpu_make *m, int y, int a, int b, bool b_turned,
                        size_t rows, size_t n, size_t k, const struct spacc_gpu_post *p)
{
    const size_t each = 4 * GPU_COLUMNS; /* results of a group */
    const size_t wide = (n + each - 1) / each * GPU_COLUMNS;

    if (spacc_gpu_is_few(rows) && !b_turned) {
        spacc_gpu_call(m, SPACC_GPU_few, n, "sssii", y, a, b, (int)n, (int)k);
        spacc_gpu_put_post(m, p);
        spacc_gpu_groups(m, (const size_t[3]){wide, GPU_SLICES, rows},
                         (const size_t[3]){GPU_COLUMNS, GPU_SLICES, 1});
        return;
    }
    const struct spacc_gpu_command product = {.m = rows,
                                              .n = n,
                                              .k = k,
                                              .a_row = k,
                                              .b_row = b_turned ? k : n,
                                              .y_row = n,
                                              .b_turned = b_turned};
    spacc_gpu_gemm(m, &product, y, 0, a, 0, b, 0);
    if (spacc_gpu_has_post(p))
        spacc_gpu_finish_with(m, y, y, rows * n, -1, p);
}

/* ---- MatMul
 * ---------------------------------------------------------------------------------- */

struct product {
    size_t batch, rows, n, k;
    bool a_alone; /* one a for every b */
};

/* Products [rows][k] x [k][n]; a batch of them when b is one. */
static bool product_of(struct product *p, const struct spacc_gpu_node *q)
{
    const struct spacc_tensor *a = spacc_gpu_input(q, 0), *b = spacc_gpu_input(q, 1);
    const int a_lead = a->rank - 2, b_lead = b->rank - 2;

    p->k = (size_t)a->dims[a->rank - 1];
    p->n = b->rank > 1 ? (size_t)b->dims[b->rank - 1] : 1;
    p->batch = b_lead > 0 ? spacc_gpu_size(b, 0, b_lead) : 1;
    if (p->batch == 1) {
        p->rows = a->count / p->k;
        p->a_alone = false;
        return true;
    }
    p->rows = a->rank > 1 ? (size_t)a->dims[a_lead] : 1;
    p->a_alone = a->count == p->rows * p->k;
    if (p->a_alone)
        return true;
    return a_lead == b_lead && memcmp(a->dims, b->dims, (size_t)a_lead * sizeof(*a->dims)) == 0;
}

static const char *refuses_matmul(const struct spacc_gpu_node *q)
{
    const struct spacc_tensor *b = spacc_gpu_input(q, 1);
    struct product p;

    if (!b || b->dtype != SPACC_F32 || b->count == 0 || !spacc_gpu_output(q, 0))
        return "the second operand is not float32";
    return product_of(&p, q) ? NULL : "batches are broadcast";
}

static void make_batch(struct spacc_gpu_make *m, const struct product *p)
{
    const struct spacc_gpu_command like = {.m = p->rows,
                                           .n = p->n,
                                           .k = p->k,
                                           .a_row = p->k,
                                           .b_row = p->n,
                                           .y_row = p->n,
                                           .batch = p->batch,
                                           .a_next = p->a_alone ? 0 : p->rows * p->k,
                                           .b_next = p->k * p->n,
                                           .y_next = p->rows * p->n};
    const int a = spacc_gpu_in(m, 0), b = spacc_gpu_in(m, 1);

    spacc_gpu_gemm(m, &like, spacc_gpu_out(m, 0), 0, a, 0, b, 0);
}

static void make_matmul(struct spacc_gpu_make *m)
{
    struct spacc_gpu_post post = spacc_gpu_no_post();
    int v = m->q.node->output[0];
    const float *vector = NULL;
    bool is_one = false;
    struct product p;

    product_of(&p, &m->q);
    if (p.batch > 1) {
        make_batch(m, &p);
        return;
    }
    const int a = spacc_gpu_in(m, 0), b = spacc_gpu_in(m, 1);
    const int add =
        m->status ? -1 : spacc_cpu_vector_add(m->b, m->q.node, p.n, &vector, &is_one);
    if (add >= 0) {
        post.channels = is_one ? 1 : (int)p.n;
        post.bias = spacc_gpu_data(m, vector, is_one ? 1 : p.n);
        m->joined[m->joints++] = add;
        v = m->q.g->node[add].output[0];
    }
    const int y = m->status ? -1 : spacc_gpu_makes(m, spacc_gpu_join(m, v, &post));
    spacc_gpu_multiply(m, y, a, b, false, p.rows, p.n, p.k, &post);
}

/* ---- Gemm
 * -------------------------------------------------------------------------------------- */

static bool turns(const struct spacc_gpu_node *q, const char *which)
{
    return spacc_node_int(q->node, which, 0) != 0;
}

static const char *refuses_gemm(const struct spacc_gpu_node *q)
{
    const struct spacc_tensor *b = spacc_gpu_input(q, 1), *c = spacc_gpu_input(q, 2);

    if (!b || b->dtype != SPACC_F32 || b->count == 0 || !spacc_gpu_output(q, 0))
        return "the second operand is not float32";
    if (spacc_node_float(q->node, "alpha", 1.0f) != 1.0f && !b->data)
        return "alpha, and weights that are not constant";
    if (spacc_node_float(q->node, "beta", 1.0f) != 1.0f && c && !c->data)
        return "beta, and a bias that is not constant";
    if (c && (c->dtype != SPACC_F32 || c->rank > 2 || c->count == 0))
        return "a bias of another type or shape";
    return NULL;
}

/* A constant [rows][cols] times `factor`, turned round when asked. */
static int scaled(struct spacc_gpu_make *m, const struct spacc_tensor *t, size_t rows,
                  size_t cols, float factor, bool turned)
{
    const float *from = t->data;
    float *to = spacc_gpu_room(m, rows * cols);

    if (to && turned)
        spacc_gpu_turn(to, from, rows, cols, factor);
    for (size_t i = 0; i < rows * cols && to && !turned; i++)
        to[i] = from[i] * factor;
    const int slot = to ? spacc_gpu_data(m, to, rows * cols) : -1;
    free(to);
    return slot;
}

/* Bias of one number, a row, a column or all of y[rows][n]. */
static void set_bias(struct spacc_gpu_make *m, struct spacc_gpu_post *p, size_t n)
{
    const struct spacc_tensor *c = spacc_gpu_input(&m->q, 2);
    const float beta = spacc_node_float(m->q.node, "beta", 1.0f);

    if (!c)
        return;
    const bool is_column = c->rank == 2 && c->dims[1] == 1 && c->dims[0] > 1;
    p->inner = is_column ? (int)n : 1;
    p->channels = (int)c->count;
    p->bias = c->data ? scaled(m, c, 1, c->count, beta, false) : spacc_gpu_in(m, 2);
}

static void make_gemm(struct spacc_gpu_make *m)
{
    const struct spacc_gpu_node *q = &m->q;
    const struct spacc_tensor *y_shape = spacc_gpu_output(q, 0),
                              *b_shape = spacc_gpu_input(q, 1);
    const size_t rows = (size_t)y_shape->dims[0], n = (size_t)y_shape->dims[1];
    const size_t k = b_shape->count / n;
    const bool a_turned = turns(q, "transA") && rows > 1 && k > 1;
    bool b_turned = turns(q, "transB");
    struct spacc_gpu_post post = spacc_gpu_no_post();
    const int a = spacc_gpu_in(m, 0);
    int b;

    if (b_shape->data && !a_turned) {
        b = scaled(m, b_shape, b_turned ? n : k, b_turned ? k : n,
                   spacc_node_float(q->node, "alpha", 1.0f), b_turned);
        b_turned = false;
    } else {
        b = b_shape->data ? scaled(m, b_shape, 1, b_shape->count,
                                   spacc_node_float(q->node, "alpha", 1.0f), false)
                          : spacc_gpu_in(m, 1);
    }
    set_bias(m, &post, n);
    const int y =
        m->status ? -1 : spacc_gpu_makes(m, spacc_gpu_join(m, q->node->output[0], &post));
    if (!a_turned) {
        spacc_gpu_multiply(m, y, a, b, b_turned, rows, n, k, &post);
        return;
    }
    const struct spacc_gpu_command product = {.m = rows,
                                              .n = n,
                                              .k = k,
                                              .a_row = rows,
                                              .b_row = b_turned ? k : n,
                                              .y_row = n,
                                              .a_turned = true,
                                              .b_turned = b_turned};
    spacc_gpu_gemm(m, &product, y, 0, a, 0, b, 0);
    if (spacc_gpu_has_post(&post))
        spacc_gpu_finish_with(m, y, y, rows * n, -1, &post);
}

static const char *refuses(const struct spacc_gpu_node *q)
{
    return spacc_gpu_is_op(q, "Gemm") ? refuses_gemm(q) : refuses_matmul(q);
}

static void make(struct spacc_gpu_make *m)
{
    if (spacc_gpu_is_op(&m->q, "Gemm"))
        make_gemm(m);
    else
        make_matmul(m);
}

static const char *const ops[] = {"MatMul", "Gemm", NULL};

const struct spacc_gpu_family spacc_gpu_product = {
    .kernel = SPACC_GPU_KERNEL("gpu product"), .ops = ops, .refuses = refuses, .make = make};
