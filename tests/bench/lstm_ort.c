/* lstm_ort.c - the layer on ONNX Runtime: models made by make_lstm.py, and runs of them. */
#include <math.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "models/onnx.h"
#include "sparse/cpu.h"
#include "tests/bench/lstm.h"
#include "tests/bench/ort.h"

enum { PATH_BYTES = 1024 };

static char folder[PATH_BYTES / 2];

/* ---- files ---- */

static const char *path_of(const char *name)
{
    static char path[PATH_BYTES];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void save(const char *name, const void *data, size_t bytes)
{
    FILE *f = fopen(path_of(name), "wb");
    const bool fine = f && fwrite(data, 1, bytes, f) == bytes;

    if ((f && fclose(f)) || !fine)
        die("the weights could not be written into the temporary folder");
}

/* Every row by its largest weight, transposed as DynamicQuantizeLSTM wants it. Without VNNI its
 * products add pairs in 16 bits, which overflow unless weights have 7 bits (ONNX Runtime calls
 * that reduce_range); its time is the same. */
static void save_int8(const char *name, const char *scale_name, const float *m, size_t rows,
                      size_t cols)
{
    int8_t *q = must(malloc(rows * cols));
    float *scale = must(malloc(rows * sizeof(float)));
    const float limit = spacc_cpu_features() & SPACC_CPU_VBMI_VNNI ? 127.0f : 63.0f;

    for (size_t r = 0; r < rows; r++) {
        float most = 0.0f;
        for (size_t c = 0; c < cols; c++)
            most = fmaxf(most, fabsf(m[r * cols + c]));
        scale[r] = most > 0.0f ? most / limit : 1.0f;
        for (size_t c = 0; c < cols; c++)
            q[c * rows + r] = (int8_t)lrintf(m[r * cols + c] / scale[r]);
    }
    save(name, q, rows * cols);
    save(scale_name, scale, rows * sizeof(float));
    free(q);
    free(scale);
}

static void run_script(const struct lstm_layer *l)
{
    extern char **environ;
    static char script[] = SPACC_SOURCE "/tests/bench/make_lstm.py", python[] = "python3";
    char i[24], h[24], t[24];
    char *argv[] = {python, script, folder, i, h, t, NULL};
    pid_t child;
    int status;

    snprintf(i, sizeof(i), "%zu", l->inputs);
    snprintf(h, sizeof(h), "%zu", l->units);
    snprintf(t, sizeof(t), "%zu", l->steps);
    if (posix_spawnp(&child, python, NULL, NULL, argv, environ) ||
        waitpid(child, &status, 0) != child || status != 0)
        die("python3 make_lstm.py failed");
}

void lstm_ort_models(const struct lstm_layer *l)
{
    const char *parent = getenv("TMPDIR");
    const size_t rows = 4 * l->units;

    snprintf(folder, sizeof(folder), "%.400s/bench_lstm_XXXXXX", parent ? parent : "/tmp");
    if (!mkdtemp(folder)) {
        folder[0] = '\0';
        die("no temporary folder");
    }
    save("w.f32", l->w, rows * l->inputs * sizeof(float));
    save("r.f32", l->r, rows * l->units * sizeof(float));
    save("b.f32", l->b, 2 * rows * sizeof(float));
    save_int8("w.i8", "w.scale", l->w, rows, l->inputs);
    save_int8("r.i8", "r.scale", l->r, rows, l->units);
    run_script(l);
}

void lstm_ort_release(void)
{
    static const char *const names[] = {"w.f32",
                                        "r.f32",
                                        "b.f32",
                                        "w.i8",
                                        "r.i8",
                                        "w.scale",
                                        "r.scale",
                                        "f32_sequence.onnx",
                                        "f32_streaming.onnx",
                                        "i8_sequence.onnx",
                                        "i8_streaming.onnx"};

    if (!folder[0])
        return;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(path_of(names[i]));
    rmdir(folder);
    folder[0] = '\0';
}

/* ---- runs ---- */

struct lstm_ort {
    const struct lstm_layer *layer;
    struct spacc_graph *graph; /* the session uses its names */
    struct ort_session *session;
    struct spacc_tensor *in[3], *out[3]; /* x h c; y h c */
    float *y;                            /* streaming: [steps][units] */
};

static struct spacc_tensor *tensor(size_t steps, size_t cols)
{
    struct spacc_tensor *t;

    if (spacc_tensor_new(&t, SPACC_F32, 3, (int64_t[]){(int64_t)steps, 1, (int64_t)cols}))
        die("out of memory");
    memset(t->data, 0, t->count * sizeof(float));
    return t;
}

static struct spacc_tensor *sequence(size_t steps, size_t units)
{
    struct spacc_tensor *t;

    if (spacc_tensor_new(&t, SPACC_F32, 4, (int64_t[]){(int64_t)steps, 1, 1, (int64_t)units}))
        die("out of memory");
    return t;
}

struct lstm_ort *lstm_ort_new(const struct lstm_layer *l, bool quantised, bool streaming,
                              int threads)
{
    struct lstm_ort *o = must(calloc(1, sizeof(*o)));
    const size_t steps = streaming ? 1 : l->steps;
    struct spacc_error err;
    char name[40];

    o->layer = l;
    o->in[0] = tensor(steps, l->inputs);
    o->out[0] = sequence(steps, l->units);
    for (int i = 1; i < 3; i++) {
        o->in[i] = tensor(1, l->units);
        o->out[i] = tensor(1, l->units);
    }
    memcpy(o->in[0]->data, l->x, steps * l->inputs * sizeof(float));
    if (streaming)
        o->y = must(malloc(l->steps * l->units * sizeof(float)));
    snprintf(name, sizeof(name), "%s_%s.onnx", quantised ? "i8" : "f32",
             streaming ? "streaming" : "sequence");
    if (spacc_onnx_load(&o->graph, path_of(name), &err))
        die(err.text);
    o->session = ort_new(path_of(name), threads, o->graph, o->in, o->out);
    if (!o->session)
        die("ONNX Runtime could not load the model");
    return o;
}

static void one_run(struct lstm_ort *o)
{
    if (!ort_run(o->session))
        die("ONNX Runtime could not run the model");
}

static void stream(struct lstm_ort *o)
{
    const struct lstm_layer *l = o->layer;
    const size_t bytes = l->units * sizeof(float);

    memset(o->in[1]->data, 0, bytes);
    memset(o->in[2]->data, 0, bytes);
    for (size_t t = 0; t < l->steps; t++) {
        memcpy(o->in[0]->data, l->x + t * l->inputs, l->inputs * sizeof(float));
        one_run(o);
        memcpy(o->y + t * l->units, o->out[0]->data, bytes);
        memcpy(o->in[1]->data, o->out[1]->data, bytes);
        memcpy(o->in[2]->data, o->out[2]->data, bytes);
    }
}

void lstm_ort_run(struct lstm_ort *o)
{
    if (o->y)
        stream(o);
    else
        one_run(o);
}

float *lstm_ort_y(struct lstm_ort *o)
{
    return o->y ? o->y : o->out[0]->data;
}

void lstm_ort_free(struct lstm_ort *o)
{
    for (int i = 0; o && i < 3; i++) {
        spacc_tensor_free(o->in[i]);
        spacc_tensor_free(o->out[i]);
    }
    if (o) {
        spacc_graph_free(o->graph);
        free(o->y);
    }
    free(o);
}
