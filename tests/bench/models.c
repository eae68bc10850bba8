/* Whole models on the CPU engine and on ONNX Runtime, in turn, in one process.
 *
 *   models LIBONNXRUNTIME [-t THREADS] [-k] MODEL=GOLDEN[,MODEL=GOLDEN...] ...
 *
 * A row is one argument: its models run one after another and count together (both halves of a
 * denoiser, say). GOLDEN is a folder with in_K.npy. Each round runs both sides, warm, for at
 * least 3 ms, both on THREADS threads; printed are medians over rounds, the median of the
 * ratios within a round, and the geometric mean of these. -k prints the time of every kernel.
 * LIBONNXRUNTIME may be "none". */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/cpu/engine.h"
#include "models/clean.h"
#include "models/io.h"
#include "models/onnx.h"
#include "models/op.h"
#include "scheduler/pool.h"
#include "sparse/cpu.h"
#include "tests/bench/measure.h"
#include "tests/bench/ort.h"

enum { ROUNDS = 31, PARTS_MAX = 4, TENSORS_MAX = 32, PATH_BYTES = 1024 };
static const double round_us = 3000.0;

struct part {
    struct spacc_graph *g;
    struct spacc_engine *engine;
    struct ort_session *ort;
    struct spacc_tensor *input[TENSORS_MAX], *output[TENSORS_MAX], *theirs[TENSORS_MAX];
};

struct row {
    struct part part[PARTS_MAX];
    int parts;
};

static void die(const char *text)
{
    fprintf(stderr, "%s\n", text);
    exit(1);
}

static void load_inputs(struct part *p, const char *folder)
{
    struct spacc_error err;
    char path[PATH_BYTES];

    for (int i = 0; i < p->g->inputs; i++) {
        snprintf(path, sizeof(path), "%s/in_%d.npy", folder, i);
        if (access(path, R_OK) != 0) /* one image for several models */
            snprintf(path, sizeof(path), "%s/in_1x3x224x224.npy", folder);
        if (spacc_tensor_load(&p->input[i], path, &err))
            die(err.text);
    }
}

static void load(struct part *p, char *text, bool with_ort,
                 const struct spacc_parallel *parallel)
{
    const struct spacc_engine_options options = {.cpu = spacc_cpu_features(),
                                                 .parallel = parallel};
    const struct spacc_tensor *const *in = (const struct spacc_tensor *const *)p->input;
    struct spacc_error err;
    char *folder = strchr(text, '=');

    if (!folder)
        die("MODEL=GOLDEN is wanted");
    *folder++ = 0;
    if (spacc_onnx_load(&p->g, text, &err))
        die(err.text);
    if (spacc_graph_clean(p->g, NULL, &err))
        die(err.text);
    load_inputs(p, folder);
    if (spacc_engine_new(&p->engine, p->g, in, &options, &err) ||
        spacc_engine_run(p->engine, in, p->output, NULL, &err))
        die(err.text);
    for (int o = 0; o < p->g->outputs; o++)
        if (spacc_tensor_copy(&p->theirs[o], p->output[o]))
            die("no memory");
    if (with_ort && !(p->ort = ort_new(text, parallel->parts, p->g, p->input, p->theirs)))
        exit(1);
}

static void release(struct row *r)
{
    for (int i = 0; i < r->parts; i++) {
        struct part *p = &r->part[i];
        for (int k = 0; k < TENSORS_MAX; k++) {
            spacc_tensor_free(p->input[k]);
            spacc_tensor_free(p->output[k]);
            spacc_tensor_free(p->theirs[k]);
        }
        spacc_engine_free(p->engine);
        spacc_graph_free(p->g);
    }
}

static void run_ours(struct row *r)
{
    struct spacc_error err;

    for (int i = 0; i < r->parts; i++) {
        struct part *p = &r->part[i];
        if (spacc_engine_run_into(p->engine, (const struct spacc_tensor *const *)p->input,
                                  p->output, NULL, &err))
            die(err.text);
    }
}

static void run_theirs(struct row *r)
{
    for (int i = 0; i < r->parts; i++)
        if (!ort_run(r->part[i].ort))
            exit(1);
}

/* Microseconds a run, over as many runs as fill a round, after one that is not measured. */
static double time_of(struct row *r, void (*run)(struct row *), int repeats)
{
    run(r);
    const double start = spacc_now_us();

    for (int i = 0; i < repeats; i++)
        run(r);
    return (spacc_now_us() - start) / repeats;
}

static int repeats_of(struct row *r, void (*run)(struct row *))
{
    const double us = time_of(r, run, 1);
    return us > round_us ? 1 : (int)(round_us / us) + 1;
}

/* Largest difference of float outputs, relative to max(1, |theirs|). */
static double difference(const struct row *r)
{
    double worst = 0.0;

    for (int i = 0; i < r->parts; i++)
        for (int o = 0; o < r->part[i].g->outputs; o++) {
            const struct spacc_tensor *a = r->part[i].output[o], *b = r->part[i].theirs[o];
            for (size_t k = 0; a->dtype == SPACC_F32 && k < a->count; k++) {
                const double x = (double)((float *)a->data)[k],
                             y = (double)((float *)b->data)[k];
                worst = fmax(worst, fabs(x - y) / fmax(1.0, fabs(y)));
            }
        }
    return worst;
}

static void print_kernels(const struct row *r)
{
    for (int i = 0; i < r->parts; i++)
        for (int n = 0; n < r->part[i].g->nodes; n++) {
            const struct spacc_engine_node d = spacc_engine_describe(r->part[i].engine, n);
            const double us = spacc_engine_us(r->part[i].engine, n);
            if (us > 0.0)
                printf("    %-12s %-10s %8.1f us  %s\n", r->part[i].g->node[n].op->name,
                       d.kernel, us, r->part[i].g->node[n].name);
        }
}

static double bench(struct row *r, const char *name, bool with_ort)
{
    static double ours[ROUNDS], theirs[ROUNDS], ratio[ROUNDS];
    const int a = repeats_of(r, run_ours), b = with_ort ? repeats_of(r, run_theirs) : 0;

    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = time_of(r, run_ours, a);
        theirs[i] = with_ort ? time_of(r, run_theirs, b) : 0.0;
        ratio[i] = theirs[i] / ours[i];
    }
    const double middle = measure_median(ratio, ROUNDS);
    printf("%-28s %10.1f", name, measure_median(ours, ROUNDS));
    if (with_ort)
        printf(" %10.1f %7.2f   %.1e\n", measure_median(theirs, ROUNDS), middle, difference(r));
    else
        printf(" %10s %7s   %s\n", "-", "-", "-");
    fflush(stdout);
    return middle;
}

static const char *short_name(const char *text)
{
    static char name[64];
    const char *dot = strstr(text, ".onnx"), *slash = dot;

    while (slash && slash > text && slash[-1] != '/')
        slash--;
    snprintf(name, sizeof(name), "%.*s", dot ? (int)(dot - slash) : 0, slash ? slash : "");
    return name;
}

int main(int argc, char **argv)
{
    int threads = 1, rows = 0;
    bool kernels = false;
    double sum = 0.0;
    struct spacc_error err;
    struct spacc_pool *pool;

    if (argc < 3)
        die("usage: models LIBONNXRUNTIME [-t THREADS] [-k] MODEL=GOLDEN[,MODEL=GOLDEN...] "
            "...");
    const bool with_ort = strcmp(argv[1], "none") != 0;
    if (with_ort && !ort_open(argv[1]))
        return 1;
    optind = 2;
    for (int o; (o = getopt(argc, argv, "t:k")) != -1;) {
        if (o == 't')
            threads = atoi(optarg);
        else
            kernels = true;
    }
    if (spacc_pool_new(&pool, threads, &err))
        die(err.text);
    const struct spacc_parallel parallel = spacc_pool_parallel(pool);
    printf("onnxruntime %s, %d thread%s\n", with_ort ? ort_version() : "none", threads,
           threads > 1 ? "s" : "");
    printf("%-28s %10s %10s %7s   %s\n", "model", "spacc us", "ort us", "ratio", "differ");
    for (int i = optind; i < argc; i++, rows++) {
        struct row r = {.parts = 0};
        char name[64];
        snprintf(name, sizeof(name), "%s", short_name(argv[i]));
        for (char *t = strtok(argv[i], ","); t && r.parts < PARTS_MAX; t = strtok(NULL, ","))
            load(&r.part[r.parts++], t, with_ort, &parallel);
        sum += log(bench(&r, name, with_ort));
        if (kernels)
            print_kernels(&r);
        release(&r);
    }
    spacc_pool_free(pool);
    if (with_ort)
        printf("geometric mean of the ratios: %.2f\n", exp(sum / rows));
    return 0;
}
