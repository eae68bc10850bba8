/* MaxPool over images in oneDNN's layout of channel blocks, with loops of our own: oneDNN 2.6
 * takes half as long again or more (first pool of squeezenet11: 0.70 ms against 0.49 ms). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/cpu/onednn_parts.h"
#include "sparse/cpu.h"

enum { BLOCK_MAX = 16 };

/* The same text for any x86 and for AVX2, into which it has to be inlined. */
#define INLINE static inline __attribute__((always_inline))

struct maxpool {
    struct spacc_window w;
    size_t planes, block; /* batch times channel blocks; channels in one */
    int64_t in_h, in_w, out_h, out_w;
    int x, y;
};

/* ---- run -------------------------------------------------------------------------- */

struct range {
    int64_t first, last; /* of the window: what lies inside the image */
};

INLINE struct range inside(const struct spacc_window *w, int axis, int64_t out, int64_t size)
{
    const int64_t start = out * w->stride[axis] - w->begin[axis], step = w->dilation[axis];
    struct range r = {0, w->kernel[axis]};

    while (r.first < r.last && start + r.first * step < 0)
        r.first++;
    while (r.last > r.first && start + (r.last - 1) * step >= size)
        r.last--;
    return r;
}

/* The largest of each column over the window's rows: long rows, no corners. */
INLINE void largest_of_rows(float *most, const float *plane, const struct maxpool *m,
                            struct range rows, int64_t h)
{
    const size_t floats = (size_t)m->in_w * m->block;

    for (size_t k = 0; k < floats && rows.first == rows.last; k++)
        most[k] = -INFINITY;
    for (int64_t i = rows.first; i < rows.last; i++) {
        const float *x = plane + (size_t)(h + i * m->w.dilation[0]) * floats;
        if (i == rows.first)
            memcpy(most, x, floats * sizeof(*most));
        else
            for (size_t k = 0; k < floats; k++)
                most[k] = x[k] > most[k] ? x[k] : most[k];
    }
}

/* The largest of each channel of a block over the window's columns, to y. */
INLINE void largest_of_columns(float *y, const float *most, const struct maxpool *m,
                               struct range columns, int64_t w, size_t block)
{
    float best[BLOCK_MAX];

    for (size_t c = 0; c < block; c++)
        best[c] = -INFINITY;
    for (int64_t j = columns.first; j < columns.last; j++) {
        const float *x = most + (size_t)(w + j * m->w.dilation[1]) * block;
        for (size_t c = 0; c < block; c++)
            best[c] = x[c] > best[c] ? x[c] : best[c];
    }
    memcpy(y, best, block * sizeof(*y));
}

INLINE void row(const struct maxpool *m, const float *plane, float *y, float *most, int64_t oh,
                size_t block)
{
    largest_of_rows(most, plane, m, inside(&m->w, 0, oh, m->in_h),
                    oh * m->w.stride[0] - m->w.begin[0]);
    for (int64_t ow = 0; ow < m->out_w; ow++)
        largest_of_columns(y + (size_t)ow * block, most, m, inside(&m->w, 1, ow, m->in_w),
                           ow * m->w.stride[1] - m->w.begin[1], block);
}

struct work {
    const struct maxpool *m;
    const float *x;
    float *y, *most; /* a row of columns for each part */
    int parts;
};

INLINE void run_planes(const struct work *k, int part)
{
    const struct maxpool *m = k->m;
    const size_t in = (size_t)(m->in_h * m->in_w) * m->block;
    const size_t out_row = (size_t)m->out_w * m->block;
    float *most = k->most + (size_t)part * (size_t)m->in_w * m->block;

    for (size_t p = (size_t)part; p < m->planes; p += (size_t)k->parts)
        for (int64_t oh = 0; oh < m->out_h; oh++) {
            float *y = k->y + (p * (size_t)m->out_h + (size_t)oh) * out_row;
            if (m->block == 8) /* known to the compiler: registers, not loops */
                row(m, k->x + p * in, y, most, oh, 8);
            else
                row(m, k->x + p * in, y, most, oh, BLOCK_MAX);
        }
}

static void run_part(void *arg, int part)
{
    run_planes(arg, part);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void run_part_avx2(void *arg, int part)
{
    run_planes(arg, part);
}
#else
#define run_part_avx2 run_part
#endif

static enum spacc_status run(struct spacc_engine *e, struct spacc_cpu_step *s,
                             struct spacc_error *err)
{
    const struct maxpool *m = s->state;
    const struct spacc_parallel *p = e->options.parallel;
    void (*const work)(void *, int) =
        e->options.cpu & SPACC_CPU_AVX2 ? run_part_avx2 : run_part;
    struct work k = {.m = m,
                     .x = spacc_cpu_data(e, m->x),
                     .y = spacc_cpu_data(e, m->y),
                     .most = spacc_cpu_data(e, s->scratch),
                     .parts = p ? p->parts : 1};

    (void)err;
    if (p && p->parts > 1)
        p->run(p->pool, work, &k);
    else
        work(&k, 0);
    return SPACC_OK;
}

/* ---- take ------------------------------------------------------------------------- */

/* Channels in a block of value v's layout, or 0 when it has another one. */
static size_t block_of(const struct spacc_cpu_build *b, int v, dnnl_memory_desc_t *out,
                       const struct spacc_tensor *y)
{
    static const dnnl_format_tag_t tags[] = {dnnl_aBcd8b, dnnl_aBcd16b};
    const struct spacc_tensor *x = spacc_cpu_shape(b, v);
    dnnl_memory_desc_t has, want;
    dnnl_dims_t dims = {0};

    spacc_onednn_layout(&has, b, v);
    for (size_t i = 0; i < 2; i++) {
        for (int d = 0; d < 4; d++)
            dims[d] = x->dims[d];
        dnnl_memory_desc_init_by_tag(&want, 4, dims, dnnl_f32, tags[i]);
        if (!dnnl_memory_desc_equal(&has, &want))
            continue;
        for (int d = 0; d < 4; d++)
            dims[d] = y->dims[d];
        dnnl_memory_desc_init_by_tag(out, 4, dims, dnnl_f32, tags[i]);
        return i == 0 ? 8 : 16;
    }
    return 0;
}

static bool is_ours(const struct spacc_cpu_build *b, const struct spacc_node *node,
                    struct maxpool *m, dnnl_memory_desc_t *layout)
{
    if (strcmp(node->op->name, "MaxPool") != 0 || node->outputs != 1 ||
        !spacc_cpu_known(b, node) || !spacc_cpu_is(b, node->input[0], SPACC_F32))
        return false;
    const struct spacc_tensor *x = spacc_cpu_shape(b, node->input[0]);
    const struct spacc_tensor *y = spacc_cpu_shape(b, node->output[0]);
    if (x->rank != 4 || x->count == 0 || y->count == 0 ||
        !spacc_window_of(&m->w, node, x, y, NULL) ||
        (m->block = block_of(b, node->input[0], layout, y)) == 0)
        return false;
    m->planes = (size_t)x->dims[0] * (((size_t)x->dims[1] + m->block - 1) / m->block);
    m->in_h = x->dims[2];
    m->in_w = x->dims[3];
    m->out_h = y->dims[2];
    m->out_w = y->dims[3];
    return true;
}

static enum spacc_status take(struct spacc_cpu_build *b, int n, bool *taken)
{
    const struct spacc_node *node = &b->g->node[n];
    struct maxpool m = {.x = -1}, *state;
    dnnl_memory_desc_t layout;
    struct spacc_cpu_step *s;

    if (!is_ours(b, node, &m, &layout))
        return SPACC_OK;
    m.x = node->input[0];
    m.y = node->output[0];
    const size_t parts = b->e->options.parallel ? (size_t)b->e->options.parallel->parts : 1;
    const struct spacc_tensor none = {.dtype = SPACC_U8, .rank = 1};
    const int scratch =
        spacc_cpu_slot_new(b, &none, parts * (size_t)m.in_w * m.block * sizeof(float));
    if (scratch < 0 || spacc_onednn_made(b, m.y, &layout) ||
        !(s = spacc_cpu_step_new(b, &spacc_cpu_onednn_maxpool, n, 1, 1)) ||
        !(state = malloc(sizeof(*state))))
        return spacc_cpu_no_memory(b);
    *state = m;
    s->state = state;
    s->scratch = scratch;
    s->in[0] = m.x;
    s->out[0] = m.y;
    spacc_cpu_step_done(b, s);
    spacc_cpu_taken(b, n, n, spacc_cpu_onednn_maxpool.name);
    *taken = true;
    return SPACC_OK;
}

const struct spacc_cpu_kernel spacc_cpu_onednn_maxpool = {
    .name = "loop", .take = take, .run = run};
