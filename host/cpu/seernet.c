/* Conv with Relu or Clip as SeerNet (sparse/seernet.h): zeros are predicted in few bits, the
 * rest is computed. Images are NHWC; neighbours of this kernel hand them on as they are, others
 * get a reorder. Where a max-pool reads the result alone, only the largest of each window is
 * computed, and the pool runs as it would.
 *
 *   scratch   [mask][its truth, when watched][of sparse/seernet.h][x, y of one image: without
 *             oneDNN only, which has steps that reorder] */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/clock.h"
#include "host/cpu/seernet_log.h"
#include "host/cpu/window.h"
#if SPACC_ONEDNN
#include "host/cpu/onednn_parts.h"
#endif

enum { JOINED_MAX = 2, ALIGN = 64 };

struct seernet {
    struct spacc_seernet_log log; /* first */
    struct spacc_seernet *layer;
    size_t batch, in_image, out_image; /* floats of an image */
    size_t in_pixels, out_pixels;
    bool full;
    size_t truth_at, scratch_at, rows_at; /* bytes in the scratch slot */
    int x, y;
};

/* ---- run -------------------------------------------------------------------------- */

/* [rows][columns] to [columns][rows]. */
static void transpose(float *to, const float *from, size_t rows, size_t columns)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            to[c * rows + r] = from[r * columns + c];
}

static void predict(struct seernet *s, const struct spacc_seer_buffers *b)
{
    const double start = spacc_now_us();

    spacc_seernet_quantise(s->layer, b);
    spacc_seernet_predict(s->layer, b);
    spacc_seernet_list(s->layer, b);
    s->log.mask_us += spacc_now_us() - start;
}

static void count(struct seernet *s, const struct spacc_seer_buffers *b, uint64_t *truth)
{
    struct spacc_seer_buffers full = *b;
    struct spacc_seer_counts now = {0};

    full.mask = truth;
    spacc_seernet_dense(s->layer, &full);
    spacc_seernet_truth(s->layer, &full);
    predict(s, b);
    spacc_seernet_count(s->layer, b->mask, truth, &now);
    s->log.counts.outputs += now.outputs;
    s->log.counts.needed += now.needed;
    s->log.counts.computed += now.computed;
    s->log.counts.both += now.both;
    s->log.counts.equal += now.equal;
    s->log.counts.high_claimed += now.high_claimed;
}

static void run_image(const struct spacc_engine *e, struct seernet *s,
                      const struct spacc_seer_buffers *b, char *scratch)
{
    if (s->full) {
        spacc_seernet_dense(s->layer, b);
        return;
    }
    if (e->watch_seernet)
        count(s, b, (uint64_t *)(void *)(scratch + s->truth_at));
    predict(s, b);
    spacc_seernet_skip(s->layer, b);
    s->log.outputs += s->out_image;
    s->log.computed += spacc_seernet_computed(s->layer, b->mask);
}

static enum spacc_status run(struct spacc_engine *e, struct spacc_cpu_step *step,
                             struct spacc_error *err)
{
    struct seernet *s = step->state;
    char *scratch = spacc_cpu_data(e, step->scratch);
    float *rows_x = (float *)(void *)(scratch + s->rows_at), *rows_y = rows_x + s->in_image;
    const float *x = spacc_cpu_data(e, s->x);
    float *y = spacc_cpu_data(e, s->y);

    (void)err;
    for (size_t i = 0; i < s->batch; i++, x += s->in_image, y += s->out_image) {
        const struct spacc_seer_buffers b = {.x = s->rows_at ? rows_x : x,
                                             .y = s->rows_at ? rows_y : y,
                                             .mask = (uint64_t *)(void *)scratch,
                                             .scratch = scratch + s->scratch_at,
                                             .parallel = e->options.parallel};
        if (s->rows_at)
            transpose(rows_x, x, s->in_image / s->in_pixels, s->in_pixels);
        run_image(e, s, &b, scratch);
        if (s->rows_at)
            transpose(y, rows_y, s->out_pixels, s->out_image / s->out_pixels);
    }
    return SPACC_OK;
}

static void release(void *state)
{
    struct seernet *s = state;

    if (!s)
        return;
    spacc_seernet_free(s->layer);
    free(s);
}

/* ---- what follows a Conv -------------------------------------------------------------- */

struct chain {
    int node[JOINED_MAX], nodes; /* that run here: Conv, and the activation */
    int value;                   /* the result */
    int pool;                    /* node that reads it, or -1 */
    const char *with;
    float high; /* of the activation; INFINITY: Relu */
};

/* Relu, or Clip from 0: `high` is where it ends. */
static bool is_activation(const struct spacc_cpu_build *b, const struct spacc_node *node,
                          float *high)
{
    const struct spacc_tensor *bound[2] = {NULL};

    *high = INFINITY;
    if (strcmp(node->op->name, "Relu") == 0)
        return true;
    if (strcmp(node->op->name, "Clip") != 0)
        return false;
    for (int i = 1; i < node->inputs && i <= 2; i++) {
        bound[i - 1] = spacc_cpu_constant(b, node, i);
        if (node->input[i] >= 0 && (!bound[i - 1] || bound[i - 1]->dtype != SPACC_F32))
            return false;
    }
    const float low =
        bound[0] ? *(const float *)bound[0]->data : spacc_node_float(node, "min", -INFINITY);
    *high = bound[1] ? *(const float *)bound[1]->data : spacc_node_float(node, "max", INFINITY);
    return low == 0.0f && *high > 0.0f;
}

static int reader_of(const struct spacc_cpu_build *b, int v, const char *op)
{
    const int n = v < 0 ? -1 : spacc_cpu_only_reader(b, v);
    const struct spacc_node *node = n < 0 ? NULL : &b->g->node[n];

    return node && node->input[0] == v && strcmp(node->op->name, op) == 0 &&
                   spacc_cpu_known(b, node)
               ? n
               : -1;
}

/* A Relu behind the pool is as good: neither changes the other's result. */
static bool find_pool_first(const struct spacc_cpu_build *b, int n, struct chain *c)
{
    const int pool = reader_of(b, b->g->node[n].output[0], "MaxPool");

    if (pool < 0 || b->g->node[pool].outputs != 1 ||
        reader_of(b, b->g->node[pool].output[0], "Relu") < 0)
        return false;
    *c = (struct chain){.node = {n},
                        .nodes = 1,
                        .value = b->g->node[n].output[0],
                        .pool = pool,
                        .with = "MaxPool Relu",
                        .high = INFINITY};
    return true;
}

static bool find_chain(const struct spacc_cpu_build *b, int n, struct chain *c)
{
    const int value = b->g->node[n].output[0], then = spacc_cpu_only_reader(b, value);

    if (then < 0 || b->g->node[then].input[0] != value || b->g->node[then].output[0] < 0 ||
        !spacc_cpu_known(b, &b->g->node[then]) ||
        !is_activation(b, &b->g->node[then], &c->high))
        return find_pool_first(b, n, c);
    c->node[0] = n;
    c->node[1] = then;
    c->nodes = 2;
    c->value = b->g->node[then].output[0];
    c->with = isinf(c->high) ? "Relu" : "Clip";
    c->pool = isinf(c->high) ? reader_of(b, c->value, "MaxPool") : -1;
    if (c->pool >= 0 && b->g->node[c->pool].outputs != 1)
        c->pool = -1;
    if (c->pool >= 0)
        c->with = "Relu MaxPool";
    return true;
}

/* ---- shapes ----------------------------------------------------------------------- */

/* Of one axis; false for what sparse/seernet.h does not have. */
static bool set_pads(size_t pads[4], const struct spacc_window *w, int axis)
{
    pads[axis] = (size_t)w->begin[axis];
    pads[axis + 2] = (size_t)w->end[axis];
    return w->begin[axis] >= 0 && w->end[axis] >= 0 && w->kernel[axis] > 0 &&
           w->stride[axis] > 0 && w->dilation[axis] > 0;
}

bool spacc_cpu_seer_shape(struct spacc_seer_shape *to, const struct spacc_node *node,
                          const struct spacc_tensor *x, const struct spacc_tensor *w,
                          const struct spacc_tensor *y)
{
    struct spacc_window window;

    if (x->rank != 4 || w->rank != 4 || y->rank != 4 || x->count == 0 || y->count == 0 ||
        spacc_node_int(node, "group", 1) != 1 || w->dims[1] != x->dims[1] ||
        !spacc_window_of(&window, node, x, y, w->dims + 2))
        return false;
    *to = (struct spacc_seer_shape){.channels = (size_t)x->dims[1],
                                    .height = (size_t)x->dims[2],
                                    .width = (size_t)x->dims[3],
                                    .outputs = (size_t)w->dims[0]};
    for (int i = 0; i < 2; i++) {
        to->kernel[i] = (size_t)window.kernel[i];
        to->stride[i] = (size_t)window.stride[i];
        to->dilation[i] = (size_t)window.dilation[i];
        if (!set_pads(to->pads, &window, i))
            return false;
    }
    return true;
}

/* The pool of the chain; a chain with one that does not fit has none, and may end before. */
static bool set_pool(const struct spacc_cpu_build *b, struct chain *c,
                     struct spacc_seer_pool *to)
{
    const struct spacc_node *node = &b->g->node[c->pool];
    const struct spacc_tensor *x = spacc_cpu_shape(b, node->input[0]);
    const struct spacc_tensor *y = spacc_cpu_shape(b, node->output[0]);
    struct spacc_window window;
    bool good = y->count > 0 && spacc_window_of(&window, node, x, y, NULL) && window.axes == 2;

    for (int i = 0; i < 2 && good; i++) {
        to->kernel[i] = (size_t)window.kernel[i];
        to->stride[i] = (size_t)window.stride[i];
        good = set_pads(to->pads, &window, i) && window.dilation[i] == 1 &&
               (x->dims[i + 2] + window.begin[i] + window.end[i] - window.kernel[i]) /
                           window.stride[i] +
                       1 ==
                   y->dims[i + 2];
    }
    return good;
}

static bool set_after(const struct spacc_cpu_build *b, struct chain *c,
                      struct spacc_seer_options *o)
{
    o->after = isinf(c->high) ? SPACC_SEER_RELU : SPACC_SEER_CLIP;
    o->high = isinf(c->high) ? 0.0f : c->high;
    if (c->pool < 0)
        return true;
    if (set_pool(b, c, &o->pool)) {
        o->after = SPACC_SEER_POOL;
        return true;
    }
    c->pool = -1;
    c->with = "Relu";
    return c->nodes == 2;
}

/* ---- take ------------------------------------------------------------------------- */

static bool is_ours(const struct spacc_cpu_build *b, int n, struct chain *c,
                    struct spacc_seer_shape *shape, struct spacc_seer_options *o)
{
    const struct spacc_engine_options *e = &b->e->options;
    const struct spacc_node *node = &b->g->node[n];
    const bool has_bias = node->inputs > 2 && node->input[2] >= 0;

    if (e->seernet == 0 || (e->seernet_how && !e->seernet_how[n].taken) ||
        strcmp(node->op->name, "Conv") != 0 || !spacc_cpu_known(b, node) ||
        !spacc_cpu_is(b, node->input[0], SPACC_F32) || !spacc_cpu_constant(b, node, 1) ||
        (has_bias && !spacc_cpu_constant(b, node, 2)) || !find_chain(b, n, c))
        return false;
    *o = (struct spacc_seer_options){.cpu_features = e->cpu};
    const bool fits = spacc_cpu_seer_shape(shape, node, spacc_cpu_shape(b, node->input[0]),
                                           spacc_cpu_constant(b, node, 1),
                                           spacc_cpu_shape(b, node->output[0])) &&
                      set_after(b, c, o);
    spacc_seernet_set_bits(o, e->seernet < SPACC_SEER_BITS_MIN ? SPACC_SEER_EXACT : e->seernet);
    return fits;
}

/* What it has no kernel for runs dense: only a lack of memory is an error. */
static enum spacc_status make_layer(struct spacc_cpu_build *b, int n, struct seernet *s,
                                    const struct spacc_seer_shape *shape,
                                    const struct spacc_seer_options *o)
{
    const struct spacc_node *node = &b->g->node[n];
    const struct spacc_tensor *y = spacc_cpu_shape(b, node->output[0]);
    const struct spacc_tensor *bias = spacc_cpu_constant(b, node, 2);
    size_t size[2];
    const enum spacc_status status =
        spacc_seernet_new(&s->layer, shape, spacc_cpu_constant(b, node, 1)->data,
                          bias ? bias->data : NULL, o, NULL);

    if (status == SPACC_ENOMEM)
        return spacc_cpu_no_memory(b);
    if (status)
        return SPACC_OK;
    spacc_seernet_size(s->layer, size);
    if (size[0] != (size_t)y->dims[2] || size[1] != (size_t)y->dims[3]) {
        spacc_seernet_free(s->layer);
        s->layer = NULL;
        return SPACC_OK;
    }
    s->batch = (size_t)y->dims[0];
    s->out_pixels = size[0] * size[1];
    s->out_image = y->count / s->batch;
    s->in_pixels = shape->height * shape->width;
    s->in_image = s->in_pixels * shape->channels;
    s->full = b->e->options.seernet == SPACC_ENGINE_SEERNET_FULL;
    return SPACC_OK;
}

#if SPACC_ONEDNN
static void images(dnnl_memory_desc_t *md, const struct spacc_tensor *t)
{
    const dnnl_dims_t dims = {t->dims[0], t->dims[1], t->dims[2], t->dims[3]};

    dnnl_memory_desc_init_by_tag(md, 4, dims, dnnl_f32, dnnl_nhwc);
}

/* One channel lies the same way in both. */
static enum spacc_status set_slots(struct spacc_cpu_build *b, struct seernet *s, int x, int y)
{
    const struct spacc_tensor *t = spacc_cpu_shape(b, x);
    dnnl_memory_desc_t md;

    images(&md, t);
    s->x = t->dims[1] == 1 ? spacc_cpu_plain(b, x) : spacc_onednn_in(b, x, &md);
    s->y = y;
    images(&md, spacc_cpu_shape(b, y));
    return s->x < 0 ? b->err->status : spacc_onednn_made(b, y, &md);
}
static const bool has_rows = false;
#else
static enum spacc_status set_slots(struct spacc_cpu_build *b, struct seernet *s, int x, int y)
{
    s->x = spacc_cpu_plain(b, x);
    s->y = y;
    return s->x < 0 ? b->err->status : SPACC_OK;
}
static const bool has_rows = true;
#endif

static size_t aligned(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/* Offsets in the scratch slot; its bytes. */
static size_t plan_scratch(const struct spacc_cpu_build *b, struct seernet *s)
{
    const size_t mask = aligned(spacc_seernet_mask_words(s->layer) * sizeof(uint64_t));
    const int parts = spacc_parallel_parts(b->e->options.parallel);

    s->truth_at = mask;
    s->scratch_at = 2 * mask;
    const size_t end = s->scratch_at + aligned(spacc_seernet_scratch_bytes(s->layer, parts));
    if (!has_rows)
        return end;
    s->rows_at = end;
    return end + (s->in_image + s->out_image) * sizeof(float);
}

/* Takes s over. */
static enum spacc_status add_step(struct spacc_cpu_build *b, int n, struct seernet *s)
{
    const struct spacc_tensor none = {.dtype = SPACC_U8, .rank = 1};
    const int scratch = spacc_cpu_slot_new(b, &none, plan_scratch(b, s));
    struct spacc_cpu_step *step =
        scratch < 0 ? NULL : spacc_cpu_step_new(b, &spacc_cpu_seernet, n, 1, 1);

    if (!step) {
        release(s);
        return spacc_cpu_no_memory(b);
    }
    step->state = s;
    step->scratch = scratch;
    step->in[0] = s->x;
    step->out[0] = s->y;
    spacc_cpu_step_done(b, step);
    b->e->weight_bytes +=
        spacc_seernet_code_bytes(s->layer) + spacc_seernet_weight_bytes(s->layer);
    return SPACC_OK;
}

static enum spacc_status take(struct spacc_cpu_build *b, int n, bool *taken)
{
    struct spacc_seer_options options;
    struct spacc_seer_shape shape;
    struct seernet *s;
    struct chain c;
    enum spacc_status status;

    if (!is_ours(b, n, &c, &shape, &options))
        return SPACC_OK;
    if (!(s = calloc(1, sizeof(*s))))
        return spacc_cpu_no_memory(b);
    if ((status = make_layer(b, n, s, &shape, &options)) || !s->layer ||
        (status = set_slots(b, s, b->g->node[n].input[0], c.value))) {
        release(s);
        return status;
    }
    s->log.with = c.with;
    s->log.pool = c.pool;
    if ((status = add_step(b, n, s)))
        return status;
    for (int i = 0; i < c.nodes; i++)
        spacc_cpu_taken(b, c.node[i], n, spacc_cpu_seernet.name);
    *taken = true;
    return SPACC_OK;
}

const struct spacc_cpu_kernel spacc_cpu_seernet = {
    .name = "seernet", .take = take, .run = run, .release = release};
