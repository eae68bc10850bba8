/* MatMul and Gemm in float on OpenBLAS, with the Add of a constant vector that follows.
 *
 * One product is cut into panels of PANEL columns, each one single-threaded call: so the bits
 * do not depend on how many threads share the panels. */
#include <cblas.h>
#include <stdlib.h>
#include <string.h>

#include "host/cpu/kernels.h"

enum { PANEL = 512 };

/* y[batch][m][n] = alpha * a * b + what is put there before (bias or zero). */
struct gemm {
    size_t batch, m, n, k;
    size_t a_step, b_step; /* elements from product to product; 0: the same for all */
    CBLAS_TRANSPOSE a_trans, b_trans;
    size_t lda, ldb;
    float alpha, beta;
    int a, b, bias, y;     /* slots; bias -1: none */
    size_t bias_m, bias_n; /* steps of bias in elements: 0 repeats */
    const float *vector;   /* bias of the Add that follows, [n], or NULL */
    bool vector_is_scalar;
};

/* ---- run ------------------------------------------------------------------------- */

struct work {
    const struct gemm *g;
    const float *a, *b, *bias;
    float *y;
    int parts;
};

static void start_panel(const struct work *w, float *y, size_t first, size_t columns)
{
    const struct gemm *g = w->g;

    for (size_t i = 0; i < g->m; i++) {
        float *row = y + i * g->n + first;
        for (size_t j = 0; j < columns && g->vector; j++)
            row[j] = g->vector[g->vector_is_scalar ? 0 : first + j];
        for (size_t j = 0; j < columns && w->bias; j++)
            row[j] = g->beta * w->bias[i * g->bias_m + (first + j) * g->bias_n];
    }
}

static void run_panel(const struct work *w, size_t product, size_t first, size_t columns)
{
    const struct gemm *g = w->g;
    const float *a = w->a + product * g->a_step;
    const float *b =
        w->b + product * g->b_step + (g->b_trans == CblasNoTrans ? first : first * g->ldb);
    float *y = w->y + product * g->m * g->n;
    const bool adds = w->bias || g->vector;

    start_panel(w, y, first, columns);
    if (g->m == 1 && g->a_trans == CblasNoTrans)
        cblas_sgemv(CblasRowMajor, g->b_trans == CblasNoTrans ? CblasTrans : CblasNoTrans,
                    (blasint)(g->b_trans == CblasNoTrans ? g->k : columns),
                    (blasint)(g->b_trans == CblasNoTrans ? columns : g->k), g->alpha, b,
                    (blasint)g->ldb, a, 1, adds ? 1.0f : 0.0f, y + first, 1);
    else
        cblas_sgemm(CblasRowMajor, g->a_trans, g->b_trans, (blasint)g->m, (blasint)columns,
                    (blasint)g->k, g->alpha, a, (blasint)g->lda, b, (blasint)g->ldb,
                    adds ? 1.0f : 0.0f, y + first, (blasint)g->n);
}

static void run_part(void *arg, int part)
{
    const struct work *w = arg;
    const size_t panels = (w->g->n + PANEL - 1) / PANEL;

    for (size_t i = (size_t)part; i < panels * w->g->batch; i += (size_t)w->parts) {
        const size_t first = i % panels * PANEL;
        const size_t left = w->g->n - first;
        run_panel(w, i / panels, first, left < PANEL ? left : PANEL);
    }
}

static enum spacc_status run(struct spacc_engine *e, struct spacc_cpu_step *s,
                             struct spacc_error *err)
{
    const struct gemm *g = s->state;
    const struct spacc_parallel *p = e->options.parallel;
    struct work w = {.g = g,
                     .a = spacc_cpu_data(e, g->a),
                     .b = spacc_cpu_data(e, g->b),
                     .bias = spacc_cpu_data(e, g->bias),
                     .y = spacc_cpu_data(e, g->y),
                     .parts = p ? p->parts : 1};

    (void)err;
    if (p && p->parts > 1)
        p->run(p->pool, run_part, &w);
    else
        run_part(&w, 0);
    return SPACC_OK;
}

/* ---- take ------------------------------------------------------------------------ */

/* The axes before the last two are one count of products, equal on both sides or absent on
 * the right one (then rows of all products are rows of one). */
static bool shape_matmul(struct gemm *g, const struct spacc_tensor *a,
                         const struct spacc_tensor *b)
{
    if (a->rank < 1 || b->rank < 2 || a->count == 0 || b->count == 0)
        return false;
    g->k = (size_t)a->dims[a->rank - 1];
    g->n = (size_t)b->dims[b->rank - 1];
    g->lda = g->k;
    g->ldb = g->n;
    g->batch = 1;
    g->m = a->count / g->k;
    if (b->rank == 2)
        return true;
    if (a->rank != b->rank || memcmp(a->dims, b->dims, (size_t)(a->rank - 2) * sizeof(int64_t)))
        return false;
    g->m = (size_t)a->dims[a->rank - 2];
    g->batch = a->count / (g->m * g->k);
    g->a_step = g->m * g->k;
    g->b_step = g->k * g->n;
    return true;
}

static bool shape_gemm(struct gemm *g, const struct spacc_node *node,
                       const struct spacc_tensor *a, const struct spacc_tensor *b,
                       const struct spacc_tensor *c)
{
    const bool ta = spacc_node_int(node, "transA", 0), tb = spacc_node_int(node, "transB", 0);

    if (a->rank != 2 || b->rank != 2 || a->count == 0 || b->count == 0)
        return false;
    g->batch = 1;
    g->m = (size_t)a->dims[ta];
    g->k = (size_t)a->dims[!ta];
    g->n = (size_t)b->dims[!tb];
    g->lda = (size_t)a->dims[1];
    g->ldb = (size_t)b->dims[1];
    g->a_trans = ta ? CblasTrans : CblasNoTrans;
    g->b_trans = tb ? CblasTrans : CblasNoTrans;
    g->alpha = spacc_node_float(node, "alpha", 1.0f);
    g->beta = spacc_node_float(node, "beta", 1.0f);
    if (!c)
        return true;
    const size_t columns = c->rank ? (size_t)c->dims[c->rank - 1] : 1;
    g->bias_n = columns > 1;
    g->bias_m = c->rank == 2 && c->dims[0] > 1 ? columns : 0;
    return c->rank <= 2;
}

static bool is_ours(struct spacc_cpu_build *b, const struct spacc_node *node, struct gemm *g)
{
    const bool matmul = strcmp(node->op->name, "MatMul") == 0;

    if ((!matmul && strcmp(node->op->name, "Gemm") != 0) || !spacc_cpu_known(b, node) ||
        !spacc_cpu_is(b, node->input[0], SPACC_F32))
        return false;
    const struct spacc_tensor *x = spacc_cpu_shape(b, node->input[0]);
    const struct spacc_tensor *y = spacc_cpu_shape(b, node->input[1]);
    const bool has_bias = !matmul && node->inputs > 2 && node->input[2] >= 0;
    *g = (struct gemm){.a_trans = CblasNoTrans,
                       .b_trans = CblasNoTrans,
                       .alpha = 1.0f,
                       .beta = 1.0f,
                       .bias = -1};
    return matmul ? shape_matmul(g, x, y)
                  : shape_gemm(g, node, x, y,
                               has_bias ? spacc_cpu_shape(b, node->input[2]) : NULL);
}

static enum spacc_status take(struct spacc_cpu_build *b, int n, bool *taken)
{
    const struct spacc_node *node = &b->g->node[n];
    enum spacc_status status;
    struct gemm g, *state;

    if (!is_ours(b, node, &g))
        return SPACC_OK;
    const int add = strcmp(node->op->name, "MatMul") == 0
                        ? spacc_cpu_vector_add(b, node, g.n, &g.vector, &g.vector_is_scalar)
                        : -1;
    if ((g.a = spacc_cpu_input(b, node, 0, &status), status) ||
        (g.b = spacc_cpu_input(b, node, 1, &status), status) ||
        (g.bias = spacc_cpu_input(b, node, 2, &status), status))
        return status;
    g.y = b->g->node[add < 0 ? n : add].output[0];
    struct spacc_cpu_step *s = spacc_cpu_step_new(b, &spacc_cpu_gemm, n, 3, 1);
    if (!s || !(state = malloc(sizeof(*state))))
        return spacc_cpu_no_memory(b);
    *state = g;
    s->state = state;
    s->in[0] = g.a;
    s->in[1] = g.b;
    s->in[2] = g.bias;
    s->out[0] = g.y;
    spacc_cpu_step_done(b, s);
    spacc_cpu_taken(b, n, n, spacc_cpu_gemm.name);
    if (add >= 0)
        spacc_cpu_taken(b, add, n, spacc_cpu_gemm.name);
    *taken = true;
    return SPACC_OK;
}

const struct spacc_cpu_kernel spacc_cpu_gemm = {.name = "openblas", .take = take, .run = run};
