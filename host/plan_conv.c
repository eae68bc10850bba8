#include "host/plan_conv.h"

#include <stdlib.h>
#include <string.h>

#include "models/op.h"
#include "sparse/cpu.h"

enum { IN_IMAGE, IN_WEIGHTS, IN_BIAS };

static const struct spacc_node *node_of(const struct spacc_plan_node *n)
{
    return &n->graph->node[n->node];
}

/* ---- which ------------------------------------------------------------------- */

static bool is_output(const struct spacc_graph *g, int value)
{
    for (int o = 0; o < g->outputs; o++)
        if (g->output[o] == value)
            return true;
    return false;
}

static bool branch_reads(const struct spacc_node *n, int value)
{
    for (size_t a = 0; a < n->attrs; a++)
        for (int v = 0; n->attr[a].graph && v < n->attr[a].graph->values; v++)
            if (n->attr[a].graph->value[v].outer == value)
                return true;
    return false;
}

/* What reads a value, when that is one node; else NULL. */
static const struct spacc_node *only_reader(const struct spacc_graph *g, int value)
{
    const struct spacc_node *reader = NULL;
    int reads = 0;

    for (int i = 0; i < g->nodes; i++) {
        for (int k = 0; k < g->node[i].inputs; k++)
            if (g->node[i].input[k] == value) {
                reader = &g->node[i];
                reads++;
            }
        reads += branch_reads(&g->node[i], value) ? 2 : 0;
    }
    return reads == 1 && !is_output(g, value) ? reader : NULL;
}

static bool all_are(const struct spacc_node *node, const char *name, int64_t value)
{
    const struct spacc_attr *a = spacc_node_attr(node, name);

    for (size_t i = 0; a && i < a->count; i++)
        if (a->ints[i] != value)
            return false;
    return true;
}

static bool constant(const struct spacc_plan_graph *pg, const struct spacc_node *node,
                     int input)
{
    return input >= node->inputs || node->input[input] < 0 || pg->constant[node->input[input]];
}

/* Why not; NULL: it fits. */
static const char *unfit(const struct spacc_plan_graph *pg, const struct spacc_node *node)
{
    const struct spacc_node *reader = only_reader(pg->graph, node->output[0]);
    const char *pad = spacc_node_string(node, "auto_pad", "NOTSET");

    if (spacc_node_int(node, "group", 1) != 1)
        return "a convolution in groups is not on the card";
    if (!all_are(node, "dilations", 1))
        return "dilation is not on the card";
    if (strcmp(pad, "NOTSET") != 0 && strcmp(pad, "VALID") != 0)
        return "auto_pad is not on the card";
    if (!constant(pg, node, IN_WEIGHTS) || !constant(pg, node, IN_BIAS))
        return "weights are not constant";
    if (!reader || strcmp(reader->op->name, "Relu") != 0)
        return "no Relu alone reads it: nothing can be skipped";
    return NULL;
}

static enum spacc_status take(struct spacc_plan_node *n, int bits, size_t lanes)
{
    if (!(n->conv = calloc(1, sizeof(*n->conv))))
        return SPACC_ENOMEM;
    n->conv->bits = bits;
    n->conv->lanes = lanes;
    n->candidate = true;
    n->layers = 1;
    n->layer[0].weights.cell = SPACC_CELL_LINEAR;
    spacc_plan_reason(n, "weights are constant");
    return SPACC_OK;
}

enum spacc_status spacc_plan_take_convolutions(struct spacc_plan *p, int bits, size_t lanes,
                                               struct spacc_error *err)
{
    for (size_t i = 0; i < p->nodes; i++) {
        struct spacc_plan_node *n = &p->node[i];
        const char *why;
        if (strcmp(n->op, "Conv") != 0)
            continue;
        if ((why = unfit(spacc_plan_graph(p, n->graph), node_of(n))))
            spacc_plan_reason(n, "%s", why);
        else if (take(n, bits, lanes))
            return spacc_fail(err, SPACC_ENOMEM, "node %s: no memory", n->name);
    }
    return SPACC_OK;
}

void spacc_plan_conv_free(struct spacc_plan_conv *c)
{
    if (c)
        spacc_seernet_free(c->seer);
    free(c);
}

/* ---- weights and shape ------------------------------------------------------- */

static size_t int_of(const struct spacc_node *node, const char *name, size_t i,
                     int64_t otherwise)
{
    const struct spacc_attr *a = spacc_node_attr(node, name);

    return (size_t)(a && i < a->count ? a->ints[i] : otherwise);
}

static struct spacc_conv_shape shape_of(const struct spacc_node *node,
                                        const struct spacc_tensor *x,
                                        const struct spacc_tensor *w)
{
    struct spacc_conv_shape s = {.channels = (size_t)x->dims[1],
                                 .height = (size_t)x->dims[2],
                                 .width = (size_t)x->dims[3],
                                 .outputs = (size_t)w->dims[0],
                                 .kernel = {(size_t)w->dims[2], (size_t)w->dims[3]}};

    for (size_t i = 0; i < 2; i++)
        s.stride[i] = int_of(node, "strides", i, 1);
    for (size_t i = 0; i < 4; i++)
        s.pads[i] = int_of(node, "pads", i, 0);
    return s;
}

static struct spacc_seer_shape seer_shape(const struct spacc_conv_shape *s)
{
    struct spacc_seer_shape to = {.channels = s->channels,
                                  .height = s->height,
                                  .width = s->width,
                                  .outputs = s->outputs,
                                  .dilation = {1, 1}};

    memcpy(to.kernel, s->kernel, sizeof(to.kernel));
    memcpy(to.stride, s->stride, sizeof(to.stride));
    memcpy(to.pads, s->pads, sizeof(to.pads));
    return to;
}

static enum spacc_status make_seer(struct spacc_plan_conv *c, const float *w, const float *bias,
                                   struct spacc_error *err)
{
    const struct spacc_seer_shape shape = seer_shape(&c->rows.shape);
    struct spacc_seer_options options = {.after = SPACC_SEER_RELU,
                                         .cpu_features = spacc_cpu_features()};

    spacc_seernet_set_bits(&options, c->bits);
    return spacc_seernet_new(&c->seer, &shape, w, bias, &options, err);
}

static enum spacc_status copy_weights(struct spacc_plan_node *n,
                                      const struct spacc_tensor *const *in)
{
    const struct spacc_conv_rows *r = &n->conv->rows;
    const size_t outputs = r->shape.outputs;
    const struct spacc_tensor *bias = node_of(n)->inputs > IN_BIAS ? in[IN_BIAS] : NULL;
    struct spacc_plan_layer *l = &n->layer[0];

    l->name = strdup(n->name);
    l->w = calloc(outputs * r->x_cols, sizeof(*l->w));
    l->b_w = calloc(outputs, sizeof(*l->b_w));
    if (!l->name || !l->w || !l->b_w)
        return SPACC_ENOMEM;
    spacc_conv_rows_weights(r, in[IN_WEIGHTS]->data, l->w);
    if (bias)
        memcpy(l->b_w, bias->data, outputs * sizeof(*l->b_w));
    l->weights.units = outputs;
    l->weights.x_cols = r->x_cols;
    l->weights.w = l->w;
    l->weights.b_w = l->b_w;
    return SPACC_OK;
}

static bool is_image(const struct spacc_tensor *t)
{
    return t->dtype == SPACC_F32 && t->rank == 4 && t->count > 0;
}

enum spacc_status spacc_plan_conv_see(struct spacc_plan_node *n,
                                      const struct spacc_tensor *const *in,
                                      struct spacc_error *err)
{
    const struct spacc_tensor *x = in[IN_IMAGE], *w = in[IN_WEIGHTS];
    const struct spacc_tensor *bias = node_of(n)->inputs > IN_BIAS ? in[IN_BIAS] : NULL;
    struct spacc_plan_conv *c = n->conv;
    struct spacc_conv_shape shape;
    struct spacc_error own = {0};
    enum spacc_status s;

    if (!is_image(x) || !is_image(w) || x->dims[0] != 1 || (bias && bias->dtype != SPACC_F32)) {
        spacc_plan_refuse(n, "not one image of float32");
        return SPACC_OK;
    }
    shape = shape_of(node_of(n), x, w);
    if ((s = spacc_conv_rows_make(&c->rows, &shape, c->lanes, &own)) ||
        (s = make_seer(c, w->data, bias ? bias->data : NULL, &own))) {
        if (s == SPACC_ENOMEM)
            return spacc_fail(err, s, "node %s: no memory for its prediction", n->name);
        spacc_plan_refuse(n, "%s", own.text);
        return SPACC_OK;
    }
    if ((s = copy_weights(n, in)))
        return spacc_fail(err, s, "node %s: no memory for its weights", n->name);
    return SPACC_OK;
}

/* ---- runs -------------------------------------------------------------------- */

bool spacc_plan_conv_can_run(const struct spacc_plan_conv *c, const struct spacc_tensor *x)
{
    const struct spacc_conv_shape *s = &c->rows.shape;

    return is_image(x) && x->dims[0] == 1 && (size_t)x->dims[1] == s->channels &&
           (size_t)x->dims[2] == s->height && (size_t)x->dims[3] == s->width;
}

/* [channels][pixels] -> [pixels][channels] */
static void turn(const struct spacc_conv_shape *s, const float *from, float *to)
{
    const size_t pixels = s->height * s->width;

    for (size_t c = 0; c < s->channels; c++)
        for (size_t p = 0; p < pixels; p++)
            to[p * s->channels + c] = from[c * pixels + p];
}

enum spacc_status spacc_plan_conv_fill(const struct spacc_plan_conv *c, const float *image,
                                       int x_frac, int16_t *x, uint64_t *mask, uint64_t *cut)
{
    const struct spacc_conv_shape *s = &c->rows.shape;
    const size_t values = s->channels * s->height * s->width;
    const size_t results = c->rows.size[0] * c->rows.size[1] * s->outputs;
    const size_t scratch = (spacc_seernet_scratch_bytes(c->seer, 1) + 63) / 64 * 64;
    float *turned = malloc(values * sizeof(*turned));
    float *y = c->bits == SPACC_SEER_EXACT ? malloc(results * sizeof(*y)) : NULL;
    uint64_t *seen = malloc(spacc_seernet_mask_words(c->seer) * sizeof(*seen));
    void *room = aligned_alloc(64, scratch ? scratch : 64);
    const bool good = turned && seen && room && (y || c->bits != SPACC_SEER_EXACT);
    const struct spacc_seer_buffers b = {.x = turned, .y = y, .mask = seen, .scratch = room};

    if (good) {
        turn(s, image, turned);
        spacc_seernet_quantise(c->seer, &b);
        spacc_seernet_predict(c->seer, &b);
        spacc_conv_rows_mask(&c->rows, seen, mask);
        *cut += spacc_conv_rows_x(&c->rows, image, x_frac, x);
    }
    free(turned);
    free(y);
    free(seen);
    free(room);
    return good ? SPACC_OK : SPACC_ENOMEM;
}

enum spacc_status spacc_plan_conv_give(const struct spacc_plan_conv *c,
                                       const struct spacc_fixed_layer *layer, const int32_t *y,
                                       struct spacc_tensor **out)
{
    const int64_t dims[] = {1, (int64_t)c->rows.shape.outputs, (int64_t)c->rows.size[0],
                            (int64_t)c->rows.size[1]};
    const enum spacc_status s = spacc_tensor_new(out, SPACC_F32, 4, dims);

    if (!s)
        spacc_conv_rows_y(&c->rows, y, 4 * layer->units, layer->y_scale, (*out)->data);
    return s;
}
