/* bench.c - spacc bench: how long the CPU engine takes for a model, and where the time goes. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/cli/bench_devices.h"
#include "host/clock.h"
#include "host/cpu/engine.h"
#include "host/median.h"
#include "host/report.h"
#include "host/seernet_choice.h"
#include "host/session.h"
#include "models/clean.h"
#include "models/onnx.h"
#include "models/op.h"
#include "scheduler/pool.h"
#include "sparse/cpu.h"

enum { WARM_RUNS = 3, RUNS_LEAST = 5, RUNS_MOST = 1000000, SLOWEST = 10 };
static const double warm_us = 1e5, all_us = 1e6;

enum {
    INPUT,
    RUNS,
    CPU_THREADS,
    COMPARE,
    DIM,
    SEED,
    JSON,
    QUIET,
    DEVICES,
    GPU,
    FPGA,
    PROFILES,
    SEERNET
};

static const struct cli_option options[] = {
    [INPUT] = {"input", 'i', "[NAME=]FILE",
               ".npy, .npz, .pb or .wav; in model order or by name"},
    [RUNS] = {"runs", 0, "N", "measured runs (default: as many as take a second)"},
    [CPU_THREADS] = {"cpu-threads", 0, "N", "threads of the engine (default 1)"},
    [COMPARE] = {"compare", 0, "reference", "run the plain reference in turn with the engine"},
    [DIM] = {"dim", 0, "NAME=N", "size of a dynamic dimension of inputs not given (default 1)"},
    [SEED] = {"seed", 0, "N", "of inputs not given (default 1)"},
    [JSON] = {"json", 0, NULL, "the report as JSON"},
    [QUIET] = {"quiet", 'q', NULL, "no remarks on stderr; errors still"},
    [DEVICES] = {"devices", 0, "all", "each device alone, as planned, and batches over all"},
    [GPU] = {"gpu", 0, "P.D", "with --devices: an OpenCL platform and device, or auto"},
    [FPGA] =
        {"fpga", 0, "CARD",
         "with --devices: sim, model:128x32, uart:DEVICE, mmio:uioN, xrt:N=FILE, opencl:P.D"},
    [PROFILES] = {"profiles", 0, "FOLDER", "of spacc profile (default: the cache)"},
    [SEERNET] = {"seernet", 0, "BITS",
                 "2 to 8, or exact: predict zeros of convolutions, skip them where that pays; "
                 "4,always: wherever it fits"},
    {0}};

struct settings {
    struct cli_inputs in;
    uint64_t runs, threads;
    const char *gpu, *fpga, *profiles;
    int seernet; /* bits; 0: none */
    bool seernet_always;
    bool compare, devices, json, quiet;
};

/* Times of one side, us by run, sorted before they are printed. */
struct series {
    double *us;
    double median, low, high; /* 5th and 95th of 100 */
};

struct bench {
    struct settings *set;
    const char *file;
    struct spacc_model *model;
    const struct spacc_graph *plain; /* the model's own, for the reference */
    struct spacc_graph *clean;       /* the engine's */
    struct cli_states states;
    struct spacc_pool *pool;
    struct spacc_parallel parallel;
    struct spacc_engine *engine;
    struct spacc_seernet_choice *seernet; /* or NULL */
    struct spacc_tensor **output;         /* [outputs] */
    size_t runs, engine_runs;             /* measured, and all since the warm-up */
    struct series engine_time, reference_time;
    double *ratio;   /* reference / engine, by run */
    double *node_us; /* [clean nodes]: a run */
    double speed_up, difference;
    size_t differ; /* elements that differ at all */
};

static const struct spacc_tensor *const *inputs(const struct bench *b)
{
    return (const struct spacc_tensor *const *)b->set->in.tensor;
}

/* ---- options ---- */

static int take_count(int option, const char *value, uint64_t least, uint64_t most,
                      uint64_t *to)
{
    if (cli_count(to, value) && *to >= least && *to <= most)
        return CLI_OK;
    return cli_usage(&cli_bench, "--%s %s: not a number in range", options[option].name, value);
}

static int take(void *to, int option, const char *value)
{
    struct settings *set = to;

    switch (option) {
    case INPUT: set->in.spec[set->in.specs++] = value; return CLI_OK;
    case RUNS: return take_count(option, value, 1, RUNS_MOST, &set->runs);
    case CPU_THREADS: return take_count(option, value, 1, SPACC_POOL_PARTS_MAX, &set->threads);
    case COMPARE:
        set->compare = true;
        return !strcmp(value, "reference")
                   ? CLI_OK
                   : cli_usage(&cli_bench, "--compare %s: only with reference", value);
    case DIM:
        return cli_dim(&set->in, value)
                   ? CLI_OK
                   : cli_usage(&cli_bench, "--dim %s: wants NAME=N", value);
    case SEED: return take_count(option, value, 0, UINT64_MAX, &set->in.seed);
    case JSON: set->json = true; return CLI_OK;
    case QUIET: set->quiet = set->in.quiet = true; return CLI_OK;
    case DEVICES:
        set->devices = true;
        return !strcmp(value, "all") ? CLI_OK
                                     : cli_usage(&cli_bench, "--devices %s: only all", value);
    case GPU: set->gpu = strcmp(value, "off") ? value : NULL; return CLI_OK;
    case FPGA:
        set->fpga = strcmp(value, "off") ? value : NULL;
        return cli_fpga(&cli_bench, value);
    case PROFILES: set->profiles = value; return CLI_OK;
    case SEERNET: return cli_seernet(&set->seernet, &set->seernet_always, &cli_bench, value);
    default: return CLI_USAGE;
    }
}

/* ---- making ready ---- */

static enum spacc_status no_memory(const struct bench *b, struct spacc_error *err)
{
    return spacc_fail(err, SPACC_ENOMEM, "%s: out of memory", b->file);
}

static enum spacc_status load(struct bench *b, struct spacc_error *err)
{
    enum spacc_status status;

    if (cli_ends_with(b->file, ".safetensors"))
        return spacc_fail(err, SPACC_EUNSUPPORTED,
                          "%s: a packed model; bench runs ONNX models on the CPU engine",
                          b->file);
    if ((status = spacc_model_load(&b->model, b->file, err)) != SPACC_OK ||
        (status = spacc_onnx_load(&b->clean, b->file, err)) != SPACC_OK ||
        (status = spacc_graph_clean(b->clean, NULL, err)) != SPACC_OK)
        return status;
    b->plain = spacc_model_graph(b->model);
    if ((status = cli_states_find(&b->states, b->model, b->plain, 0, NULL, err)) != SPACC_OK)
        return status;
    if ((status = cli_inputs_load(&b->set->in, b->plain, b->states.is_state, err)) != SPACC_OK)
        return status;
    return cli_inputs_first_frame(&b->set->in, b->plain, err);
}

static enum spacc_status run_once(void *user, struct spacc_engine *e,
                                  const struct spacc_tensor *const *input,
                                  struct spacc_tensor **output, double *us,
                                  struct spacc_error *err)
{
    const double start = spacc_now_us();
    const enum spacc_status status = spacc_engine_run(e, input, output, NULL, err);

    (void)user;
    *us = spacc_now_us() - start;
    return status;
}

static enum spacc_status choose_seernet(struct bench *b,
                                        const struct spacc_engine_options *engine,
                                        struct spacc_error *err)
{
    const struct spacc_seernet_ask ask = {.g = b->clean,
                                          .engine = *engine,
                                          .bits = b->set->seernet,
                                          .always = b->set->seernet_always,
                                          .frames = 1,
                                          .input = inputs(b),
                                          .run = run_once};

    return b->set->seernet ? spacc_seernet_choose(&b->seernet, &ask, &b->engine, err)
                           : SPACC_OK;
}

static enum spacc_status make_engine(struct bench *b, struct spacc_error *err)
{
    struct spacc_engine_options engine = {.parallel = &b->parallel,
                                          .cpu = spacc_cpu_features()};
    enum spacc_status status = spacc_cpu_check(err);

    if (status == SPACC_OK)
        status = spacc_pool_new(&b->pool, (int)b->set->threads, err);
    if (status != SPACC_OK)
        return status;
    b->parallel = spacc_pool_parallel(b->pool);
    b->output = calloc((size_t)b->clean->outputs + 1, sizeof(*b->output));
    b->node_us = calloc((size_t)b->clean->nodes + 1, sizeof(*b->node_us));
    if (!b->output || !b->node_us)
        return no_memory(b, err);
    if ((status = spacc_engine_new(&b->engine, b->clean, inputs(b), &engine, err)) !=
            SPACC_OK ||
        (status = choose_seernet(b, &engine, err)) != SPACC_OK)
        return status;
    return spacc_engine_run(b->engine, inputs(b), b->output, NULL, err);
}

/* ---- measuring ---- */

static enum spacc_status run_engine(struct bench *b, double *us, struct spacc_error *err)
{
    const double start = spacc_now_us();
    const enum spacc_status status =
        spacc_engine_run_into(b->engine, inputs(b), b->output, NULL, err);

    *us = spacc_now_us() - start;
    b->engine_runs++;
    return status;
}

/* Largest difference, relative to the reference where that is above 1. */
static void compare(struct bench *b, const struct spacc_tensor *mine,
                    const struct spacc_tensor *wanted)
{
    const size_t bytes = spacc_dtype_bytes(mine->dtype);
    const float *x = mine->data, *y = wanted->data;

    for (size_t i = 0; i < mine->count; i++) {
        if (!memcmp((char *)mine->data + i * bytes, (char *)wanted->data + i * bytes, bytes))
            continue;
        b->differ++;
        if (mine->dtype != SPACC_F32)
            continue;
        const double off = fabs((double)x[i] - (double)y[i]) / fmax(1.0, fabs((double)y[i]));
        if (!(off <= b->difference))
            b->difference = off;
    }
}

static enum spacc_status run_reference(struct bench *b, bool look, double *us,
                                       struct spacc_error *err)
{
    struct spacc_tensor **output = calloc((size_t)b->plain->outputs + 1, sizeof(*output));
    const double start = spacc_now_us();
    const enum spacc_status status =
        output ? spacc_graph_run(b->plain, inputs(b), output, NULL, err) : no_memory(b, err);

    *us = spacc_now_us() - start;
    for (int o = 0; status == SPACC_OK && o < b->plain->outputs; o++) {
        if (look)
            compare(b, b->output[o], output[o]);
        spacc_tensor_free(output[o]);
    }
    free(output);
    return status;
}

/* The engine alone, or the reference, the engine unmeasured, and the engine. */
static enum spacc_status run_round(struct bench *b, double *engine_us, double *reference_us,
                                   bool look, struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;

    if (b->set->compare && ((status = run_reference(b, look, reference_us, err)) != SPACC_OK ||
                            (status = run_engine(b, engine_us, err)) != SPACC_OK))
        return status;
    return run_engine(b, engine_us, err);
}

/* Runs until caches are warm, and with what they take the number to be measured. */
static enum spacc_status warm_up(struct bench *b, struct spacc_error *err)
{
    const double start = spacc_now_us();
    double mine, reference, spent;
    int rounds = 0;

    do {
        const enum spacc_status status = run_round(b, &mine, &reference, rounds == 0, err);
        if (status != SPACC_OK)
            return status;
        spent = spacc_now_us() - start;
        rounds++;
    } while (spent < all_us && (rounds < WARM_RUNS || spent < warm_us));
    const double round_us = spent / rounds;
    b->runs = b->set->runs ? (size_t)b->set->runs
                           : (size_t)fmin(fmax(all_us / round_us, RUNS_LEAST), RUNS_MOST);
    for (int n = 0; n < b->clean->nodes; n++)
        b->node_us[n] = spacc_engine_us(b->engine, n);
    b->engine_runs = 0;
    return SPACC_OK;
}

static void sum_up(struct series *s, size_t count)
{
    spacc_sort_times(s->us, count);
    s->median = spacc_rank(s->us, count, 0.5);
    s->low = spacc_rank(s->us, count, 0.05);
    s->high = spacc_rank(s->us, count, 0.95);
}

static void sum_up_all(struct bench *b)
{
    for (size_t r = 0; r < b->runs; r++)
        b->ratio[r] = b->reference_time.us[r] / b->engine_time.us[r];
    spacc_sort_times(b->ratio, b->runs);
    b->speed_up = spacc_rank(b->ratio, b->runs, 0.5);
    sum_up(&b->engine_time, b->runs);
    sum_up(&b->reference_time, b->runs);
    for (int n = 0; n < b->clean->nodes; n++)
        b->node_us[n] =
            (spacc_engine_us(b->engine, n) - b->node_us[n]) / (double)b->engine_runs;
}

static enum spacc_status measure(struct bench *b, struct spacc_error *err)
{
    enum spacc_status status = warm_up(b, err);

    if (status != SPACC_OK)
        return status;
    b->engine_time.us = calloc(b->runs, sizeof(double));
    b->reference_time.us = calloc(b->runs, sizeof(double));
    b->ratio = calloc(b->runs, sizeof(double));
    if (!b->engine_time.us || !b->reference_time.us || !b->ratio)
        return no_memory(b, err);
    for (size_t r = 0; r < b->runs && status == SPACC_OK; r++)
        status = run_round(b, &b->engine_time.us[r], &b->reference_time.us[r], false, err);
    if (status == SPACC_OK)
        sum_up_all(b);
    return status;
}

/* ---- tables ---- */

struct line {
    const char *kernel;
    int node; /* or nodes of the kernel */
    double us;
};

struct tables {
    struct line *kernel, *node; /* slowest first */
    int kernels, nodes;
    double us; /* of all nodes */
};

static int slowest_first(const void *a, const void *b)
{
    const struct line *x = a, *y = b;

    if (x->us != y->us)
        return x->us < y->us ? 1 : -1;
    return x->node - y->node;
}

static struct line *line_of(struct tables *t, const char *kernel)
{
    for (int k = 0; k < t->kernels; k++)
        if (!strcmp(t->kernel[k].kernel, kernel))
            return &t->kernel[k];
    t->kernel[t->kernels] = (struct line){.kernel = kernel};
    return &t->kernel[t->kernels++];
}

/* A node that runs with another counts for that one's kernel and has no time of its own. */
static bool fill_tables(struct tables *t, const struct bench *b)
{
    const size_t nodes = (size_t)b->clean->nodes + 1;

    t->kernel = calloc(nodes, sizeof(*t->kernel));
    t->node = calloc(nodes, sizeof(*t->node));
    if (!t->kernel || !t->node)
        return false;
    for (int n = 0; n < b->clean->nodes; n++) {
        const struct spacc_engine_node about = spacc_engine_describe(b->engine, n);
        const char *kernel = spacc_engine_describe(b->engine, about.joined).kernel;
        struct line *line = line_of(t, kernel);
        line->node++;
        line->us += b->node_us[n];
        t->us += b->node_us[n];
        if (b->node_us[n] > 0.0)
            t->node[t->nodes++] = (struct line){kernel, n, b->node_us[n]};
    }
    qsort(t->kernel, (size_t)t->kernels, sizeof(*t->kernel), slowest_first);
    qsort(t->node, (size_t)t->nodes, sizeof(*t->node), slowest_first);
    return true;
}

static double share(const struct tables *t, double us)
{
    return t->us > 0.0 ? 100.0 * us / t->us : 0.0;
}

static void print_tables(const struct bench *b, const struct tables *t)
{
    printf("\n%-16s %6s %12s %7s\n", "kernel", "nodes", "mean us", "share");
    for (int k = 0; k < t->kernels; k++)
        printf("%-16s %6d %12.1f %6.1f%%\n", t->kernel[k].kernel, t->kernel[k].node,
               t->kernel[k].us, share(t, t->kernel[k].us));
    printf("\n%-16s %-16s %12s %7s  %s\n", "slowest nodes", "kernel", "mean us", "share",
           "name");
    for (int n = 0; n < t->nodes && n < SLOWEST; n++)
        printf("%-16s %-16s %12.1f %6.1f%%  %s\n", b->clean->node[t->node[n].node].op->name,
               t->node[n].kernel, t->node[n].us, share(t, t->node[n].us),
               b->clean->node[t->node[n].node].name);
}

static void print_series(const char *name, const struct series *s)
{
    printf("%-10s %12.1f %12.1f %12.1f\n", name, s->median, s->low, s->high);
}

static int print_text(const struct bench *b, const struct tables *t)
{
    char cpu[64];

    printf("%s on the CPU engine, %" PRIu64 " thread%s, %s; %zu run%s\n\n", b->file,
           b->set->threads, b->set->threads > 1 ? "s" : "",
           spacc_cpu_text(spacc_cpu_features(), cpu, sizeof(cpu)), b->runs,
           b->runs > 1 ? "s" : "");
    printf("%-10s %12s %12s %12s\n", "us a run", "median", "5 %", "95 %");
    print_series("engine", &b->engine_time);
    if (b->set->compare) {
        print_series("reference", &b->reference_time);
        printf("\nreference / engine, paired: %.2f; largest difference %.1e, %zu values "
               "differ\n",
               b->speed_up, b->difference, b->differ);
    }
    print_tables(b, t);
    if (b->seernet)
        spacc_seernet_print(spacc_seernet_choice_report(b->seernet), stdout);
    return CLI_OK;
}

static bool add_series(cJSON *o, const char *name, const struct series *s)
{
    cJSON *us = cJSON_AddObjectToObject(o, name);

    return us && cJSON_AddNumberToObject(us, "median", s->median) &&
           cJSON_AddNumberToObject(us, "p5", s->low) &&
           cJSON_AddNumberToObject(us, "p95", s->high);
}

static bool add_comparison(cJSON *o, const struct bench *b)
{
    if (!b->set->compare)
        return true;
    cJSON *c = cJSON_AddObjectToObject(o, "reference");
    return c && add_series(c, "us", &b->reference_time) &&
           cJSON_AddNumberToObject(c, "ratio", b->speed_up) &&
           cJSON_AddNumberToObject(c, "difference", b->difference) &&
           cJSON_AddNumberToObject(c, "differ", (double)b->differ);
}

static bool add_kernels(cJSON *o, const struct tables *t)
{
    cJSON *list = cJSON_AddArrayToObject(o, "kernels");

    for (int k = 0; list && k < t->kernels; k++) {
        cJSON *item = cJSON_CreateObject();
        if (!item || !cJSON_AddItemToArray(list, item) ||
            !cJSON_AddStringToObject(item, "kernel", t->kernel[k].kernel) ||
            !cJSON_AddNumberToObject(item, "nodes", t->kernel[k].node) ||
            !cJSON_AddNumberToObject(item, "us", t->kernel[k].us))
            return false;
    }
    return list != NULL;
}

static bool add_nodes(cJSON *o, const struct bench *b, const struct tables *t)
{
    cJSON *list = cJSON_AddArrayToObject(o, "nodes");

    for (int n = 0; list && n < t->nodes; n++) {
        const struct spacc_node *node = &b->clean->node[t->node[n].node];
        cJSON *item = cJSON_CreateObject();
        if (!item || !cJSON_AddItemToArray(list, item) ||
            !cJSON_AddStringToObject(item, "name", node->name) ||
            !cJSON_AddStringToObject(item, "op", node->op->name) ||
            !cJSON_AddStringToObject(item, "kernel", t->node[n].kernel) ||
            !cJSON_AddNumberToObject(item, "us", t->node[n].us))
            return false;
    }
    return list != NULL;
}

static int print_json(const struct bench *b, const struct tables *t)
{
    cJSON *o = cJSON_CreateObject();
    char cpu[64];

    spacc_cpu_text(spacc_cpu_features(), cpu, sizeof(cpu));
    if (o && cJSON_AddStringToObject(o, "spacc", spacc_version()) &&
        cJSON_AddStringToObject(o, "model", b->file) &&
        cJSON_AddNumberToObject(o, "threads", (double)b->set->threads) &&
        cJSON_AddStringToObject(o, "cpu", cpu) &&
        cJSON_AddNumberToObject(o, "seed", (double)b->set->in.seed) &&
        cJSON_AddNumberToObject(o, "runs", (double)b->runs) &&
        add_series(o, "us", &b->engine_time) && add_comparison(o, b) && add_kernels(o, t) &&
        add_nodes(o, b, t) &&
        spacc_seernet_add_json(o, b->seernet ? spacc_seernet_choice_report(b->seernet) : NULL))
        return cli_print_json(o);
    cJSON_Delete(o);
    return cli_fail("out of memory");
}

static int print(const struct bench *b)
{
    struct tables t = {0};
    int status;

    if (!fill_tables(&t, b))
        status = cli_fail("out of memory");
    else
        status = b->set->json ? print_json(b, &t) : print_text(b, &t);
    free(t.kernel);
    free(t.node);
    return status;
}

/* ---- the subcommand ---- */

static void release(struct bench *b)
{
    for (int o = 0; b->output && o < b->clean->outputs; o++)
        spacc_tensor_free(b->output[o]);
    free(b->output);
    free(b->node_us);
    free(b->engine_time.us);
    free(b->reference_time.us);
    free(b->ratio);
    spacc_engine_free(b->engine);
    spacc_seernet_choice_free(b->seernet);
    spacc_pool_free(b->pool);
    spacc_graph_free(b->clean);
    cli_states_release(&b->states);
    spacc_model_free(b->model);
    cli_inputs_release(&b->set->in);
}

static int bench_devices(struct bench *b)
{
    const struct settings *set = b->set;
    const struct cli_bench_devices ask = {.file = b->file,
                                          .model = b->model,
                                          .input = inputs(b),
                                          .gpu = set->gpu,
                                          .fpga = set->fpga,
                                          .profiles = set->profiles,
                                          .threads = (int)set->threads,
                                          .runs = (size_t)set->runs,
                                          .json = set->json};

    return cli_bench_devices(&ask);
}

static int bench(struct settings *set, const char *file)
{
    struct bench b = {.set = set, .file = file};
    struct spacc_error err = {0};
    int status;

    if (set->devices && !load(&b, &err)) {
        status = bench_devices(&b);
    } else if (err.status || load(&b, &err) || make_engine(&b, &err) || measure(&b, &err)) {
        cli_name_file(&err, file);
        status = cli_fail_err(&err);
    } else {
        status = print(&b);
    }
    release(&b);
    return status;
}

static int run(int argc, char **argv)
{
    struct settings set = {.in.seed = 1, .threads = 1};
    const char *file;
    int status;

    /* No list can be longer than the command line. */
    set.in.spec = calloc((size_t)argc, sizeof(char *));
    set.in.dim = calloc((size_t)argc, sizeof(*set.in.dim));
    if (!set.in.spec || !set.in.dim)
        status = cli_fail("out of memory");
    else if (cli_parse(&cli_bench, argc, argv, take, &set, &file, &status))
        status = (set.gpu || set.fpga || set.profiles) && !set.devices
                     ? cli_usage(&cli_bench, "--gpu, --fpga and --profiles need --devices all")
                 : set.seernet && set.devices
                     ? cli_usage(&cli_bench, "--seernet and --devices: one of them")
                     : bench(&set, file);
    free(set.in.spec);
    free(set.in.dim);
    return status;
}

const struct cli_command cli_bench = {
    .name = "bench",
    .arguments = "MODEL",
    .summary = "How long a model takes, by kernel and node, or device by device.",
    .more =
        "Inputs that are not given are made as spacc run makes them; of an input with frames\n"
        "the first one is taken. --compare gives the median of the ratios of neighbouring "
        "runs,\n"
        "and the largest difference relative to the reference where that is above 1.\n",
    .example = "spacc bench models/demo/charlm.onnx --input models/demo/heldout.npy",
    .option = options,
    .run = run};
