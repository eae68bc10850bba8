/* Conv in float without oneDNN, and where that has no direct kernel (weights that are made in
 * the run, groups of few channels): windows are laid out as columns (im2col) and multiplied on
 * OpenBLAS; kernels of one pixel need no columns, and convolutions of each channel on its own
 * are plain loops over rows.
 *
 *   columns of one panel        [taps * channels][pixels of the panel]
 *   result                      [filters][pixels of the panel], in its place in y
 *
 * Panels are the same whatever the number of threads, and so are the bits. A bias is what sums
 * start from; the activation that follows is done while a panel is still in the cache. */
#include <cblas.h>
#include <stdlib.h>
#include <string.h>

#include "host/cpu/kernels.h"
#include "host/cpu/pointwise.h"
#include "host/cpu/window.h"

enum {
    COLUMNS_BYTES = 256 * 1024, /* of a panel: half of a small L2 cache */
    PANEL_MIN = 64,             /* OpenBLAS packs the weights once a panel */
    PANEL_MAX = 1024,
    PANEL_STEP = 16
};

struct conv {
    struct spacc_volume v;
    size_t batch, groups;
    size_t channels, filters; /* of one group */
    size_t panel, panels;     /* output pixels */
    bool direct;              /* one channel a group: no product */
    bool flat;                /* x is its own columns */
    struct spacc_unary then;  /* run NULL: nothing */
    int x, w, bias, y;        /* slots; bias -1: none */
};

struct work {
    const struct conv *c;
    const float *x, *w, *bias;
    float *y, *columns; /* of all parts */
    int parts;
};

static size_t columns_count(const struct conv *c)
{
    return c->direct || c->flat ? 0 : c->v.taps * c->channels * c->panel;
}

/* ---- columns ---------------------------------------------------------------------- */

struct tap {
    int64_t k[SPACC_VOLUME_AXES];
    int64_t first, last; /* outputs of a row that read no padding */
};

static struct tap tap_of(const struct spacc_volume *v, size_t number)
{
    const int64_t t = (int64_t)number, row = v->kernel[2], plane = v->kernel[1] * row;
    struct tap tap = {.k = {t / plane, t % plane / row, t % row}};

    spacc_volume_inside(v, 2, tap.k[2], &tap.first, &tap.last);
    return tap;
}

/* Row of x that output row (d, h) reads at a tap, or NULL for one of padding. */
static const float *row_of(const struct spacc_volume *v, const float *plane,
                           const struct tap *t, int64_t d, int64_t h)
{
    const int64_t id = spacc_volume_at(v, 0, d, t->k[0]);
    const int64_t ih = spacc_volume_at(v, 1, h, t->k[1]);

    if (id < 0 || id >= v->in[0] || ih < 0 || ih >= v->in[1])
        return NULL;
    return plane + (id * v->in[1] + ih) * v->in[2];
}

static int64_t clamp(int64_t at, int64_t low, int64_t high)
{
    return at < low ? low : at > high ? high : at;
}

/* Outputs begin..end-1 of one row at a tap. */
static void fill_row(const struct spacc_volume *v, const struct tap *t, const float *row,
                     int64_t begin, int64_t end, float *to)
{
    const int64_t stride = v->stride[2];
    const int64_t first = row ? clamp(t->first, begin, end) : end;
    const int64_t last = clamp(t->last, first, end);

    memset(to, 0, (size_t)(first - begin) * sizeof(*to));
    if (first < last) {
        const float *from = row + spacc_volume_at(v, 2, first, t->k[2]);
        if (stride == 1)
            memcpy(to + (first - begin), from, (size_t)(last - first) * sizeof(*to));
        else
            for (int64_t o = first; o < last; o++)
                to[o - begin] = from[(o - first) * stride];
    }
    memset(to + (last - begin), 0, (size_t)(end - last) * sizeof(*to));
}

/* Pixels first..first+count-1 at one tap of one channel. */
static void fill_column(const struct spacc_volume *v, const float *plane, size_t tap,
                        size_t first, size_t count, float *to)
{
    const struct tap t = tap_of(v, tap);
    const int64_t width = v->out[2];

    for (size_t done = 0; done < count;) {
        const int64_t at = (int64_t)(first + done), row = at / width, begin = at % width;
        const int64_t left = (int64_t)(count - done);
        const int64_t end = begin + left < width ? begin + left : width;
        fill_row(v, &t, row_of(v, plane, &t, row / v->out[1], row % v->out[1]), begin, end,
                 to + done);
        done += (size_t)(end - begin);
    }
}

static void fill_columns(const struct conv *c, const float *x, size_t first, size_t count,
                         float *to)
{
    for (size_t i = 0; i < c->channels; i++)
        for (size_t t = 0; t < c->v.taps; t++, to += count)
            fill_column(&c->v, x + i * c->v.in_plane, t, first, count, to);
}

/* ---- one panel of one group --------------------------------------------------------- */

static void start_rows(const struct conv *c, const float *bias, float *y, size_t count)
{
    for (size_t f = 0; f < c->filters && bias; f++)
        for (size_t i = 0; i < count; i++)
            y[f * c->v.out_plane + i] = bias[f];
}

static void finish_rows(const struct conv *c, float *y, size_t count)
{
    for (size_t f = 0; f < c->filters && c->then.run; f++, y += c->v.out_plane)
        c->then.run(&c->then, y, y, count);
}

static void multiply_panel(const struct work *w, size_t image, size_t group, size_t first,
                           float *columns)
{
    const struct conv *c = w->c;
    const size_t pixels = c->v.out_plane, left = pixels - first, k = c->v.taps * c->channels;
    const size_t count = left < c->panel ? left : c->panel, unit = image * c->groups + group;
    const float *x = w->x + unit * c->channels * c->v.in_plane;
    float *y = w->y + unit * c->filters * pixels + first;

    if (!c->flat)
        fill_columns(c, x, first, count, columns);
    start_rows(c, w->bias ? w->bias + group * c->filters : NULL, y, count);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)c->filters, (blasint)count,
                (blasint)k, 1.0f, w->w + group * c->filters * k, (blasint)k,
                c->flat ? x + first : columns, (blasint)(c->flat ? pixels : count),
                w->bias ? 1.0f : 0.0f, y, (blasint)pixels);
    finish_rows(c, y, count);
}

/* ---- one channel with one filter, without a product ----------------------------------- */

static void add_row(const struct spacc_volume *v, const struct tap *t, const float *row,
                    float weight, float *y)
{
    const float *x = row + spacc_volume_at(v, 2, t->first, t->k[2]);
    const int64_t stride = v->stride[2], count = t->last - t->first;

    y += t->first;
    if (stride == 1)
        for (int64_t i = 0; i < count; i++)
            y[i] += weight * x[i];
    else
        for (int64_t i = 0; i < count; i++)
            y[i] += weight * x[i * stride];
}

static void add_tap(const struct spacc_volume *v, const struct tap *t, const float *x,
                    float weight, float *y)
{
    for (int64_t d = 0; d < v->out[0]; d++)
        for (int64_t h = 0; h < v->out[1]; h++, y += v->out[2]) {
            const float *row = row_of(v, x, t, d, h);
            if (row && t->first < t->last)
                add_row(v, t, row, weight, y);
        }
}

/* Filter `f` of all groups. */
static void run_plane(const struct work *w, size_t image, size_t f)
{
    const struct conv *c = w->c;
    const size_t pixels = c->v.out_plane, group = f / c->filters;
    const float *x = w->x + (image * c->groups + group) * c->v.in_plane;
    float *y = w->y + (image * c->groups * c->filters + f) * pixels;

    for (size_t i = 0; i < pixels; i++)
        y[i] = w->bias ? w->bias[f] : 0.0f;
    for (size_t t = 0; t < c->v.taps; t++) {
        const struct tap tap = tap_of(&c->v, t);
        add_tap(&c->v, &tap, x, w->w[f * c->v.taps + t], y);
    }
    if (c->then.run)
        c->then.run(&c->then, y, y, pixels);
}

/* ---- run -------------------------------------------------------------------------- */

static void run_part(void *arg, int part)
{
    const struct work *w = arg;
    const struct conv *c = w->c;
    const size_t filters = c->groups * c->filters;
    const size_t a_image = c->direct ? filters : c->groups * c->panels;
    float *columns = w->columns + (size_t)part * columns_count(c);

    for (size_t i = (size_t)part; i < c->batch * a_image; i += (size_t)w->parts) {
        const size_t image = i / a_image, at = i % a_image;
        if (c->direct)
            run_plane(w, image, at);
        else
            multiply_panel(w, image, at / c->panels, at % c->panels * c->panel, columns);
    }
}

static enum spacc_status run(struct spacc_engine *e, struct spacc_cpu_step *s,
                             struct spacc_error *err)
{
    const struct conv *c = s->state;
    struct work w = {.c = c,
                     .x = spacc_cpu_data(e, c->x),
                     .w = spacc_cpu_data(e, c->w),
                     .bias = spacc_cpu_data(e, c->bias),
                     .y = spacc_cpu_data(e, c->y),
                     .columns = spacc_cpu_data(e, s->scratch),
                     .parts = spacc_parallel_parts(e->options.parallel)};

    (void)err;
    spacc_parallel_run(e->options.parallel, run_part, &w);
    return SPACC_OK;
}

/* ---- take ------------------------------------------------------------------------- */

static void choose_way(struct conv *c)
{
    bool one_pixel = c->v.taps == 1;

    for (int d = 0; d < SPACC_VOLUME_AXES; d++)
        one_pixel =
            one_pixel && c->v.in[d] == c->v.out[d] && c->v.stride[d] == 1 && c->v.begin[d] == 0;
    c->direct = c->channels == 1 && c->groups > 1;
    c->flat = one_pixel;
    size_t panel = COLUMNS_BYTES / sizeof(float) / (c->v.taps * c->channels);
    panel = panel / PANEL_STEP * PANEL_STEP;
    c->panel = (size_t)clamp((int64_t)panel, PANEL_MIN, PANEL_MAX);
    if (c->panel > c->v.out_plane)
        c->panel = c->v.out_plane;
    c->panels = (c->v.out_plane + c->panel - 1) / c->panel;
}

/* [N][channels][spatial], weights [filters][channels of a group][spatial]. */
static bool shape_conv(struct conv *c, const struct spacc_node *node,
                       const struct spacc_tensor *x, const struct spacc_tensor *w,
                       const struct spacc_tensor *y)
{
    const int64_t groups = spacc_node_int(node, "group", 1);
    struct spacc_window window;

    if (x->rank < 3 || w->rank != x->rank || x->count == 0 || w->count == 0 || y->count == 0 ||
        groups < 1 || w->dims[0] % groups != 0 || x->dims[1] != w->dims[1] * groups ||
        y->dims[1] != w->dims[0] || !spacc_window_of(&window, node, x, y, w->dims + 2) ||
        !spacc_volume_of(&c->v, &window, x, y))
        return false;
    c->batch = (size_t)x->dims[0];
    c->groups = (size_t)groups;
    c->channels = (size_t)w->dims[1];
    c->filters = (size_t)(w->dims[0] / groups);
    choose_way(c);
    return true;
}

static bool is_ours(struct spacc_cpu_build *b, const struct spacc_node *node, struct conv *c)
{
    if (strcmp(node->op->name, "Conv") != 0 || !spacc_cpu_known(b, node))
        return false;
    for (int i = 0; i < node->inputs; i++)
        if (node->input[i] >= 0 && !spacc_cpu_is(b, node->input[i], SPACC_F32))
            return false;
    *c = (struct conv){.bias = -1};
    return shape_conv(c, node, spacc_cpu_shape(b, node->input[0]),
                      spacc_cpu_shape(b, node->input[1]), spacc_cpu_shape(b, node->output[0]));
}

/* The activation that is the result's only reader, or -1. */
static int find_activation(struct spacc_cpu_build *b, int v, struct spacc_unary *u)
{
    const int n = spacc_cpu_only_reader(b, v);
    const struct spacc_node *node = n < 0 ? NULL : &b->g->node[n];

    if (node && node->input[0] == v && node->outputs == 1 && spacc_cpu_known(b, node) &&
        spacc_unary_of(u, b, node))
        return n;
    u->run = NULL;
    return -1;
}

static enum spacc_status add_step(struct spacc_cpu_build *b, int n, const struct conv *c)
{
    const size_t parts = (size_t)spacc_parallel_parts(b->e->options.parallel);
    const struct spacc_tensor none = {.dtype = SPACC_U8, .rank = 1};
    const size_t bytes = columns_count(c) * parts * sizeof(float);
    const int scratch = bytes ? spacc_cpu_slot_new(b, &none, bytes) : -1;
    struct spacc_cpu_step *s =
        bytes && scratch < 0 ? NULL : spacc_cpu_step_new(b, &spacc_cpu_conv, n, 3, 1);

    if (!s || !(s->state = malloc(sizeof(*c))))
        return spacc_cpu_no_memory(b);
    memcpy(s->state, c, sizeof(*c));
    s->scratch = scratch;
    s->in[0] = c->x;
    s->in[1] = c->w;
    s->in[2] = c->bias;
    s->out[0] = c->y;
    spacc_cpu_step_done(b, s);
    return SPACC_OK;
}

static enum spacc_status take(struct spacc_cpu_build *b, int n, bool *taken)
{
    const struct spacc_node *node = &b->g->node[n];
    enum spacc_status s;
    struct conv c;

    if (!is_ours(b, node, &c))
        return SPACC_OK;
    const int then = find_activation(b, node->output[0], &c.then);
    if ((c.x = spacc_cpu_input(b, node, 0, &s), s) ||
        (c.w = spacc_cpu_input(b, node, 1, &s), s) ||
        (c.bias = spacc_cpu_input(b, node, 2, &s), s))
        return s;
    c.y = b->g->node[then < 0 ? n : then].output[0];
    if ((s = add_step(b, n, &c)))
        return s;
    spacc_cpu_taken(b, n, n, spacc_cpu_conv.name);
    if (then >= 0)
        spacc_cpu_taken(b, then, n, spacc_cpu_conv.name);
    *taken = true;
    return SPACC_OK;
}

const struct spacc_cpu_kernel spacc_cpu_conv = {.name = "im2col", .take = take, .run = run};
