/* MaxPool, AveragePool and Global* pools in float as loops over rows; what oneDNN takes it has
 * taken before. Indices, and pads that count at windows that ceil_mode adds, are the
 * reference's. */
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "host/cpu/kernels.h"
#include "host/cpu/window.h"

enum { LANES = 16 };

struct pool {
    struct spacc_volume v;
    bool mean, count_pads;
    bool whole; /* one window: the plane */
    size_t planes;
    int x, y; /* slots */
};

struct work {
    const struct pool *p;
    const float *x;
    float *y;
    int parts;
};

static float larger(float a, float b)
{
    return a > b ? a : b;
}

/* ---- the whole plane ---------------------------------------------------------------- */

static float sum_all(const float *x, size_t count)
{
    float lane[LANES] = {0.0f}, sum = 0.0f;
    size_t i = 0;

    for (; i + LANES <= count; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            lane[l] += x[i + l];
    for (; i < count; i++)
        sum += x[i];
    for (size_t l = 0; l < LANES; l++)
        sum += lane[l];
    return sum;
}

static float largest(const float *x, size_t count)
{
    float most = x[0];

    for (size_t i = 1; i < count; i++)
        most = larger(x[i], most);
    return most;
}

static void pool_whole(const struct pool *p, const float *x, float *y)
{
    const size_t count = p->v.in_plane;

    *y = p->mean ? sum_all(x, count) / (float)count : largest(x, count);
}

/* ---- windows -------------------------------------------------------------------------- */

/* Taps of output `o` along an axis that read no padding. */
static int64_t taps_inside(const struct spacc_volume *v, int axis, int64_t o)
{
    int64_t taps = 0;

    for (int64_t k = 0; k < v->kernel[axis]; k++) {
        const int64_t at = spacc_volume_at(v, axis, o, k);
        taps += at >= 0 && at < v->in[axis];
    }
    return taps;
}

/* Tap `k` of a row of outputs. */
static void pool_row(const struct pool *p, const float *x, int64_t k, float *y)
{
    const int64_t stride = p->v.stride[2];
    int64_t first, last;

    spacc_volume_inside(&p->v, 2, k, &first, &last);
    if (first == last)
        return;
    x += spacc_volume_at(&p->v, 2, first, k);
    y += first;
    last -= first;
    if (p->mean && stride == 1)
        for (int64_t i = 0; i < last; i++)
            y[i] += x[i];
    else if (p->mean)
        for (int64_t i = 0; i < last; i++)
            y[i] += x[i * stride];
    else if (stride == 1)
        for (int64_t i = 0; i < last; i++)
            y[i] = larger(x[i], y[i]);
    else
        for (int64_t i = 0; i < last; i++)
            y[i] = larger(x[i * stride], y[i]);
}

/* Sums to means; `taps`: those of the axes before the last that read no padding. */
static void divide_row(const struct pool *p, int64_t taps, float *y)
{
    for (int64_t o = 0; o < p->v.out[2]; o++) {
        const int64_t inside = taps * taps_inside(&p->v, 2, o);
        const int64_t count = p->count_pads ? (int64_t)p->v.taps : inside;
        y[o] = count ? y[o] / (float)count : 0.0f;
    }
}

static void pool_output_row(const struct pool *p, const float *x, int64_t d, int64_t h,
                            float *y)
{
    const struct spacc_volume *v = &p->v;

    for (int64_t o = 0; o < v->out[2]; o++)
        y[o] = p->mean ? 0.0f : -FLT_MAX;
    for (int64_t kd = 0; kd < v->kernel[0]; kd++)
        for (int64_t kh = 0; kh < v->kernel[1]; kh++) {
            const int64_t id = spacc_volume_at(v, 0, d, kd), ih = spacc_volume_at(v, 1, h, kh);
            if (id < 0 || id >= v->in[0] || ih < 0 || ih >= v->in[1])
                continue;
            for (int64_t k = 0; k < v->kernel[2]; k++)
                pool_row(p, x + (id * v->in[1] + ih) * v->in[2], k, y);
        }
    if (p->mean)
        divide_row(p, taps_inside(v, 0, d) * taps_inside(v, 1, h), y);
}

static void pool_plane(const struct pool *p, const float *x, float *y)
{
    for (int64_t d = 0; d < p->v.out[0]; d++)
        for (int64_t h = 0; h < p->v.out[1]; h++, y += p->v.out[2])
            pool_output_row(p, x, d, h, y);
}

/* ---- run -------------------------------------------------------------------------- */

static void run_part(void *arg, int part)
{
    const struct work *w = arg;
    const struct pool *p = w->p;
    const size_t last = spacc_parallel_first(p->planes, w->parts, part + 1);

    for (size_t i = spacc_parallel_first(p->planes, w->parts, part); i < last; i++)
        (p->whole ? pool_whole : pool_plane)(p, w->x + i * p->v.in_plane,
                                             w->y + i * p->v.out_plane);
}

static enum spacc_status run(struct spacc_engine *e, struct spacc_cpu_step *s,
                             struct spacc_error *err)
{
    const struct pool *p = s->state;
    struct work w = {.p = p,
                     .x = spacc_cpu_data(e, p->x),
                     .y = spacc_cpu_data(e, p->y),
                     .parts = spacc_parallel_parts(e->options.parallel)};

    (void)err;
    spacc_parallel_run(e->options.parallel, run_part, &w);
    return SPACC_OK;
}

/* ---- take ------------------------------------------------------------------------- */

static bool shape_pool(struct pool *p, const struct spacc_node *node,
                       const struct spacc_tensor *x, const struct spacc_tensor *y)
{
    struct spacc_window w;

    if (x->rank < 3 || x->rank > SPACC_VOLUME_AXES + 2 || x->count == 0 || y->count == 0)
        return false;
    p->whole = strncmp(node->op->name, "Global", 6) == 0;
    p->planes = (size_t)(x->dims[0] * x->dims[1]);
    p->count_pads = spacc_node_int(node, "count_include_pad", 0) != 0;
    if (p->whole)
        spacc_window_whole(&w, x);
    else if (node->outputs != 1 || (p->count_pads && spacc_node_int(node, "ceil_mode", 0)) ||
             !spacc_window_of(&w, node, x, y, NULL))
        return false;
    return spacc_volume_of(&p->v, &w, x, y);
}

static bool is_ours(const struct spacc_cpu_build *b, const struct spacc_node *node,
                    struct pool *p)
{
    const char *op = node->op->name, *kind = strncmp(op, "Global", 6) == 0 ? op + 6 : op;

    *p = (struct pool){.mean = strcmp(kind, "AveragePool") == 0};
    return (p->mean || strcmp(kind, "MaxPool") == 0) && spacc_cpu_known(b, node) &&
           spacc_cpu_is(b, node->input[0], SPACC_F32) &&
           shape_pool(p, node, spacc_cpu_shape(b, node->input[0]),
                      spacc_cpu_shape(b, node->output[0]));
}

static enum spacc_status take(struct spacc_cpu_build *b, int n, bool *taken)
{
    const struct spacc_node *node = &b->g->node[n];
    enum spacc_status status;
    struct pool p;

    if (!is_ours(b, node, &p))
        return SPACC_OK;
    if ((p.x = spacc_cpu_input(b, node, 0, &status), status))
        return status;
    p.y = node->output[0];
    struct spacc_cpu_step *s = spacc_cpu_step_new(b, &spacc_cpu_pool, n, 1, 1);
    if (!s || !(s->state = malloc(sizeof(p))))
        return spacc_cpu_no_memory(b);
    memcpy(s->state, &p, sizeof(p));
    s->in[0] = p.x;
    s->out[0] = p.y;
    spacc_cpu_step_done(b, s);
    spacc_cpu_taken(b, n, n, spacc_cpu_pool.name);
    *taken = true;
    return SPACC_OK;
}

const struct spacc_cpu_kernel spacc_cpu_pool = {.name = "loop", .take = take, .run = run};
