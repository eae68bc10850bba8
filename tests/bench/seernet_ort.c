#include "tests/bench/seernet_ort.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "models/onnx.h"
#include "tests/bench/ort.h"
#include "tests/onnx_maker.h"

struct seer_ort {
    size_t channels, outputs, pixels;
    struct spacc_graph *graph;
    struct spacc_tensor *x[1], *y[1];
    struct ort_session *session;
};

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "bench_seernet: %s\n", what);
    exit(1);
}

static void put_ints(struct maker *node, const char *name, size_t count, const size_t *v)
{
    struct maker a = {0};

    put_text(&a, ATTR_NAME, name);
    for (size_t i = 0; i < count; i++)
        put_int(&a, ATTR_INTS, (int64_t)v[i]);
    put_int(&a, ATTR_TYPE, 7);
    put_message(node, NODE_ATTR, a);
}

static struct maker make_conv(const struct spacc_seer_shape *h, const float *weights,
                              const float *bias)
{
    const int64_t w[] = {(int64_t)h->outputs, (int64_t)h->channels, (int64_t)h->kernel[0],
                         (int64_t)h->kernel[1]};
    const int64_t x[] = {1, w[1], (int64_t)h->height, (int64_t)h->width};
    const int64_t y[] = {1, w[0], x[2], x[3]};
    const size_t count = h->channels * h->kernel[0] * h->kernel[1];
    struct maker g = {0}, node = make_node("Conv", "conv", "x w b", "c");

    put_ints(&node, "pads", 4, h->pads);
    put_message(&g, GRAPH_NODE, node);
    put_message(&g, GRAPH_NODE, make_node("Relu", "relu", "c", "y"));
    put_text(&g, GRAPH_NAME, "layer");
    put_message(&g, GRAPH_INITIALISER,
                make_tensor("w", 1, 4, w, weights, h->outputs * count * sizeof(float)));
    put_message(&g, GRAPH_INITIALISER,
                make_tensor("b", 1, 1, w, bias, h->outputs * sizeof(float)));
    put_message(&g, GRAPH_INPUT, make_info("x", 1, 4, x));
    put_message(&g, GRAPH_OUTPUT, make_info("y", 1, 4, y));
    return make_model(g, 8, 13);
}

static void start(struct seer_ort *o, const struct maker *model)
{
    char file[] = "/tmp/bench_seernet_XXXXXX";
    const int f = mkstemp(file);
    struct spacc_error err = {.text = ""};

    must(f >= 0 && write(f, model->bytes, model->used) == (ssize_t)model->used,
         "no temporary file");
    close(f);
    if (spacc_onnx_load(&o->graph, file, &err) == SPACC_OK)
        o->session = ort_new(file, 1, o->graph, o->x, o->y);
    unlink(file);
    must(o->session != NULL, err.text[0] ? err.text : "no session of ONNX Runtime");
}

struct seer_ort *seer_ort_new(const struct spacc_seer_shape *h, const float *x,
                              const float *weights, const float *bias)
{
    const int64_t in[] = {1, (int64_t)h->channels, (int64_t)h->height, (int64_t)h->width};
    const int64_t out[] = {1, (int64_t)h->outputs, in[2], in[3]};
    struct maker model = make_conv(h, weights, bias);
    struct seer_ort *o = calloc(1, sizeof(*o));

    must(o && spacc_tensor_new(&o->x[0], SPACC_F32, 4, in) == SPACC_OK &&
             spacc_tensor_new(&o->y[0], SPACC_F32, 4, out) == SPACC_OK,
         "no memory");
    o->channels = h->channels;
    o->outputs = h->outputs;
    o->pixels = h->height * h->width;
    for (size_t p = 0; p < o->pixels; p++)
        for (size_t c = 0; c < o->channels; c++)
            ((float *)o->x[0]->data)[c * o->pixels + p] = x[p * o->channels + c];
    start(o, &model);
    free(model.bytes);
    return o;
}

void seer_ort_run(struct seer_ort *o)
{
    if (!ort_run(o->session))
        exit(1);
}

float seer_ort_off(const struct seer_ort *o, const float *y)
{
    const float *theirs = o->y[0]->data;
    float off = 0.0F;

    for (size_t p = 0; p < o->pixels; p++)
        for (size_t c = 0; c < o->outputs; c++)
            off = fmaxf(off, fabsf(theirs[c * o->pixels + p] - y[p * o->outputs + c]));
    return off;
}

void seer_ort_free(struct seer_ort *o)
{
    if (!o)
        return;
    spacc_tensor_free(o->x[0]);
    spacc_tensor_free(o->y[0]);
    spacc_graph_free(o->graph);
    free(o);
}
