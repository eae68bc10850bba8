/* run.c - spacc run: inputs, session, outputs, report. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/batch.h"
#include "host/cli/cli.h"
#include "host/report.h"
#include "host/session.h"

enum { STEPS = 4 };

enum {
    INPUT,
    OUTPUT,
    FPGA,
    PRECISION,
    SPARSITY,
    BANK_SIZE,
    VERIFY,
    STATE,
    FRAMES,
    DIM,
    SEED,
    METRIC,
    JSON,
    TRACE,
    VCD,
    TIME_LIMIT,
    SIM_STALL,
    QUIET,
    CPU_THREADS,
    GPU,
    OBJECTIVE,
    PLAN,
    DEVICE,
    PROFILES
};

static const struct cli_option options[] = {
    [INPUT] = {"input", 'i', "[NAME=]FILE",
               ".npy, .npz, .pb or .wav; in model order or by name"},
    [OUTPUT] = {"output", 'o', "FILE", ".npz: all outputs; .npy, .pb: one each, in order"},
    [FPGA] = {"fpga", 0, "CARD", "sim, sim:4x4, model:4x4, uart:DEVICE or off"},
    [PRECISION] = {"precision", 0, "P",
                   "f32 (default on the CPU) or f16, int16 (default on a card), int8 (both)"},
    [SPARSITY] = {"sparsity", 0, "S", "prune weights to this share of zeros first"},
    [BANK_SIZE] = {"bank-size", 0, "B", "columns a bank when pruning (default: the card's)"},
    [VERIFY] = {"verify", 0, NULL, "run the float reference beside, report the errors"},
    [STATE] = {"state", 0, "IN=OUT", "input IN takes output OUT of the frame before"},
    [FRAMES] = {"frames", 0, "N", "at most N frames of a stream; N random ones without input"},
    [DIM] = {"dim", 0, "NAME=N", "size of a dynamic dimension of inputs not given (default 1)"},
    [SEED] = {"seed", 0, "N", "of inputs not given (default 1)"},
    [METRIC] = {"metric", 0, NULL, "score the result by the task that the model names"},
    [JSON] = {"json", 0, NULL, "the report as JSON"},
    [TRACE] = {"trace", 0, "FILE.json", "the report as Chrome trace events (for Perfetto)"},
    [VCD] = {"vcd", 0, "FILE.fst", "waveform of the simulated card"},
    [TIME_LIMIT] = {"time-limit", 0, "US", "of one run of the card, in its microseconds"},
    [SIM_STALL] = {"sim-stall", 0, "N", "stall the simulated buses, chance N in 1024 a cycle"},
    [QUIET] = {"quiet", 'q', NULL, "no remarks on stderr; errors still"},
    [CPU_THREADS] = {"cpu-threads", 0, "N", "threads for the CPU's part (default 1)"},
    [GPU] = {"gpu", 0, "P.D",
             "auto, off, or an OpenCL platform and device as spacc devices has it"},
    [OBJECTIVE] = {"objective", 0, "O",
                   "place nodes for latency, throughput or energy (default: a card that is "
                   "named runs all it can)"},
    [PLAN] = {"plan", 0, "F.json", "run as this plan of spacc plan --save says"},
    [DEVICE] = {"device", 0, "NODE=D", "run this node on the cpu, gpu or card"},
    [PROFILES] = {"profiles", 0, "FOLDER", "of spacc profile (default: the cache)"},
    {0}};

struct settings {
    struct cli_inputs in;
    size_t outputs, states;
    const char **output;
    const char **state; /* "IN=OUT" */
    struct spacc_options session;
    struct spacc_pin *pin;
    const char *trace;
    bool metric, json, quiet;
};

/* What a run holds. */
struct work {
    struct settings *set;
    struct spacc_model *model;
    const struct spacc_graph *graph;
    struct spacc_session *session;
    struct spacc_batch *batch; /* instead: independent frames over all devices */
    struct cli_states states;
    struct spacc_tensor **output; /* [outputs] */
    struct cli_metric metric;
};

static int take_count(int option, const char *value, uint64_t least, uint64_t most,
                      uint64_t *to)
{
    if (cli_count(to, value) && *to >= least && *to <= most)
        return CLI_OK;
    return cli_usage(&cli_run, "--%s %s: not a number in range", options[option].name, value);
}

static int take_dim(struct settings *set, const char *value)
{
    if (cli_dim(&set->in, value))
        return CLI_OK;
    return cli_usage(&cli_run, "--dim %s: wants NAME=N", value);
}

static int take_fpga(struct settings *set, const char *value)
{
    const int status = cli_fpga(&cli_run, value);

    set->session.fpga = strcmp(value, "off") ? value : NULL;
    return status;
}

static int take(void *to, int option, const char *value)
{
    struct settings *set = to;

    switch (option) {
    case INPUT: set->in.spec[set->in.specs++] = value; return CLI_OK;
    case OUTPUT: set->output[set->outputs++] = value; return CLI_OK;
    case FPGA: return take_fpga(set, value);
    case PRECISION: return cli_precision(&set->session.precision, &cli_run, value);
    case SPARSITY: return cli_sparsity(&set->session.sparsity, &cli_run, value);
    case BANK_SIZE: return cli_bank_size(&set->session.bank_size, &cli_run, value);
    case VERIFY: set->session.verify = true; return CLI_OK;
    case STATE: set->state[set->states++] = value; return CLI_OK;
    case FRAMES: return take_count(option, value, 1, INT32_MAX, &set->in.frames);
    case DIM: return take_dim(set, value);
    case SEED: return take_count(option, value, 0, UINT64_MAX, &set->in.seed);
    case METRIC: set->metric = true; return CLI_OK;
    case JSON: set->json = true; return CLI_OK;
    case TRACE:
        set->trace = value;
        set->session.trace = true;
        return CLI_OK;
    case VCD: set->session.waveform_file = value; return CLI_OK;
    case TIME_LIMIT:
        return take_count(option, value, 1, UINT32_MAX, &set->session.time_limit_us);
    case SIM_STALL: return take_count(option, value, 0, 1023, &set->session.sim_stall_per_1024);
    case QUIET: set->quiet = set->in.quiet = true; return CLI_OK;
    case CPU_THREADS: {
        uint64_t threads = 0;
        const int status = take_count(option, value, 1, 256, &threads);
        set->session.cpu_threads = (int)threads;
        return status;
    }
    case GPU: set->session.gpu = value; return CLI_OK;
    case OBJECTIVE: return cli_goal(&set->session.goal, &cli_run, value);
    case PLAN: set->session.plan_file = value; return CLI_OK;
    case DEVICE: return cli_pin(set->pin, &set->session.pins, &cli_run, value);
    case PROFILES: set->session.profiles = value; return CLI_OK;
    default: return CLI_USAGE;
    }
}

/* Options that would do nothing are refused, not ignored. */
static int check(const struct settings *set)
{
    const struct spacc_options *o = &set->session;

    if (o->bank_size && o->sparsity == 0.0)
        return cli_usage(&cli_run, "--bank-size needs --sparsity");
    if (o->goal && !o->gpu && !o->fpga)
        return cli_usage(&cli_run, "--objective needs --gpu or --fpga: there is one device");
    if (o->fpga)
        return CLI_OK;
    if (o->waveform_file || o->sim_stall_per_1024 || o->time_limit_us)
        return cli_usage(&cli_run, "--vcd, --sim-stall and --time-limit need --fpga sim");
    return CLI_OK;
}

/* ---- the run ---- */

static enum spacc_status run_once(struct work *w, const struct spacc_tensor *const *input,
                                  struct spacc_error *err)
{
    cli_progress(2, STEPS, "preparing: reference, quantising, loading the card");
    const enum spacc_status status = spacc_session_prepare(w->session, 1, input, err);

    cli_progress(3, STEPS, "running");
    return status ? status : spacc_session_run(w->session, input, w->output, err);
}

static enum spacc_status run_stream(struct work *w, const struct spacc_tensor *const *input,
                                    struct spacc_error *err)
{
    cli_states_tell(&w->states, w->model, w->set->quiet);
    cli_progress(2, STEPS, "preparing and running the stream");
    return spacc_session_stream(w->session, input, w->states.pair, w->states.count, w->output,
                                err);
}

static enum spacc_status run_batch(struct work *w, const struct spacc_tensor *const *input,
                                   struct spacc_error *err)
{
    cli_progress(2, STEPS, "preparing and running the frames");
    return spacc_batch_frames(w->batch, input, w->output, err);
}

static enum spacc_status execute(struct work *w, const char *file, struct spacc_error *err)
{
    const struct spacc_tensor *const *input =
        (const struct spacc_tensor *const *)w->set->in.tensor;
    const enum spacc_status status = w->batch            ? run_batch(w, input, err)
                                     : w->set->in.stream ? run_stream(w, input, err)
                                                         : run_once(w, input, err);

    return status ? cli_name_file(err, file) : SPACC_OK;
}

/* Frames that do not feed each other, wanted as fast as all devices together can, and nothing
 * that one session has to watch. */
static bool is_batch(const struct work *w)
{
    const struct spacc_options *o = &w->set->session;

    return w->set->in.stream && w->states.count == 0 && o->goal == SPACC_GOAL_THROUGHPUT &&
           (o->gpu || o->fpga) && !o->plan_file && o->pins == 0 && !o->verify && !o->trace;
}

static enum spacc_status prepare(struct work *w, const char *file, struct spacc_error *err)
{
    struct settings *set = w->set;
    enum spacc_status status;

    cli_progress(0, STEPS, "reading the model");
    if ((status = spacc_model_load(&w->model, file, err)) != SPACC_OK)
        return status;
    w->graph = spacc_model_graph(w->model);
    w->output = calloc((size_t)w->graph->outputs + 1, sizeof(*w->output));
    if (!w->output)
        return spacc_fail(err, SPACC_ENOMEM, "out of memory");
    if ((status = cli_outputs_check(set->outputs, set->output, (size_t)w->graph->outputs,
                                    err)) != SPACC_OK ||
        (status = cli_states_find(&w->states, w->model, w->graph, set->states, set->state,
                                  err)) != SPACC_OK)
        return status;
    cli_progress(1, STEPS, "reading inputs");
    if ((status = cli_inputs_load(&set->in, w->graph, w->states.is_state, err)) != SPACC_OK)
        return status;
    return is_batch(w) ? spacc_batch_new(&w->batch, w->model, &set->session, err)
                       : spacc_session_new(&w->session, w->model, &set->session, err);
}

static enum spacc_status save(struct work *w, struct spacc_error *err)
{
    const struct settings *set = w->set;
    enum spacc_status status = SPACC_OK;

    if (set->metric)
        status = cli_metric(&w->metric, w->graph, set->in.tensor, w->output, err);
    if (status == SPACC_OK)
        status = cli_outputs_save(set->outputs, set->output, w->graph, w->output, err);
    if (status == SPACC_OK && set->trace)
        status = spacc_session_trace(w->session, set->trace, err);
    return status;
}

/* ---- what is printed ---- */

struct range {
    double least, most, mean;
};

/* Of float32 contents; NAN for an empty or other tensor. */
static struct range range_of(const struct spacc_tensor *t)
{
    struct range r = {NAN, NAN, NAN};
    const float *v = t->data;
    double sum = 0.0;

    if (t->dtype != SPACC_F32 || t->count == 0)
        return r;
    for (size_t i = 0; i < t->count; i++) {
        r.least = fmin(r.least, (double)v[i]); /* fmin passes the other over NAN */
        r.most = fmax(r.most, (double)v[i]);
        sum += (double)v[i];
    }
    r.mean = sum / (double)t->count;
    return r;
}

static void print_results(const struct work *w)
{
    char shape[128];

    printf("\n%-24s  %-28s %11s %11s %11s\n", "result", "type", "least", "most", "mean");
    for (int i = 0; i < w->graph->outputs; i++) {
        const struct range r = range_of(w->output[i]);
        printf("%-24s  %-28s", spacc_model_output_name(w->model, (size_t)i),
               spacc_tensor_describe(w->output[i], shape, sizeof(shape)));
        if (!isnan(r.mean))
            printf(" %11.5g %11.5g %11.5g", r.least, r.most, r.mean);
        putchar('\n');
    }
    if (w->metric.name)
        printf("\nmetric %s: %.4f over %zu\n", w->metric.name, w->metric.value,
               w->metric.count);
}

static bool add_states(cJSON *o, const struct work *w)
{
    cJSON *list = cJSON_AddArrayToObject(o, "states");

    for (size_t i = 0; list && w->set->in.stream && i < w->states.count; i++) {
        cJSON *s = cJSON_CreateObject();
        if (!s || !cJSON_AddItemToArray(list, s) ||
            !cJSON_AddStringToObject(
                s, "input", spacc_model_input_name(w->model, w->states.pair[i].input)) ||
            !cJSON_AddStringToObject(
                s, "output", spacc_model_output_name(w->model, w->states.pair[i].output)))
            return false;
    }
    return list != NULL;
}

static bool add_results(cJSON *o, const struct work *w)
{
    cJSON *list = cJSON_AddArrayToObject(o, "results");
    char shape[128];

    for (int i = 0; list && i < w->graph->outputs; i++) {
        const struct range r = range_of(w->output[i]);
        cJSON *item = cJSON_CreateObject();
        if (!item || !cJSON_AddItemToArray(list, item) ||
            !cJSON_AddStringToObject(item, "name",
                                     spacc_model_output_name(w->model, (size_t)i)) ||
            !cJSON_AddStringToObject(
                item, "type", spacc_tensor_describe(w->output[i], shape, sizeof(shape))) ||
            !cJSON_AddNumberToObject(item, "least", r.least) ||
            !cJSON_AddNumberToObject(item, "most", r.most) ||
            !cJSON_AddNumberToObject(item, "mean", r.mean))
            return false;
    }
    return list != NULL;
}

static bool add_metric(cJSON *o, const struct cli_metric *metric)
{
    cJSON *m = metric->name ? cJSON_AddObjectToObject(o, "metric") : NULL;

    return !metric->name || (m && cJSON_AddStringToObject(m, "name", metric->name) &&
                             cJSON_AddNumberToObject(m, "value", metric->value) &&
                             cJSON_AddNumberToObject(m, "count", (double)metric->count));
}

static bool add_notes(cJSON *o, const struct spacc_batch *b)
{
    cJSON *list = cJSON_AddArrayToObject(o, "notes");
    bool good = list != NULL;

    for (size_t i = 0; i < spacc_batch_shares(b); i++) {
        const struct spacc_report *r = spacc_batch_report(b, i);
        for (size_t n = 0; n < r->notes && good; n++)
            good = cJSON_AddItemToArray(list, cJSON_CreateString(r->note[n]));
    }
    return good;
}

static cJSON *batch_json(const struct work *w)
{
    cJSON *o = cJSON_CreateObject();
    cJSON *list = o ? cJSON_AddArrayToObject(o, "devices") : NULL;

    for (size_t i = 0; list && i < spacc_batch_shares(w->batch); i++) {
        const struct spacc_batch_share s = spacc_batch_share(w->batch, i);
        cJSON *item = cJSON_CreateObject();
        if (!item || !cJSON_AddItemToArray(list, item) ||
            !cJSON_AddStringToObject(item, "device", s.device) ||
            !cJSON_AddNumberToObject(item, "frames", (double)s.count) ||
            !cJSON_AddNumberToObject(item, "us", s.us))
            break;
    }
    if (o && cJSON_AddNumberToObject(o, "us", spacc_batch_us(w->batch)) &&
        add_notes(o, w->batch))
        return o;
    cJSON_Delete(o);
    return NULL;
}

static void print_batch(const struct work *w)
{
    printf("%-8s %10s %14s %14s\n", "device", "frames", "us", "us a frame");
    for (size_t i = 0; i < spacc_batch_shares(w->batch); i++) {
        const struct spacc_batch_share s = spacc_batch_share(w->batch, i);
        printf("%-8s %10zu %14.1f %14.2f\n", s.device, s.count, s.us,
               s.count ? s.us / (double)s.count : 0.0);
    }
    printf("all of them in %.1f us\n", spacc_batch_us(w->batch));
    for (size_t i = 0; i < spacc_batch_shares(w->batch); i++) {
        const struct spacc_report *r = spacc_batch_report(w->batch, i);
        for (size_t n = 0; n < r->notes; n++)
            printf("note: %s\n", r->note[n]);
    }
}

static int print_json(const struct work *w, const struct spacc_report *report)
{
    cJSON *o = w->batch ? batch_json(w) : spacc_report_json(report);

    if (o && cJSON_AddNumberToObject(o, "seed", (double)w->set->in.seed) && add_states(o, w) &&
        add_results(o, w) && add_metric(o, &w->metric))
        return cli_print_json(o);
    cJSON_Delete(o);
    return cli_fail("out of memory");
}

static int print(const struct work *w)
{
    const struct spacc_report *report = w->batch ? NULL : spacc_session_report(w->session);

    cli_progress(0, 0, NULL);
    if (w->set->json)
        return print_json(w, report);
    if (w->batch)
        print_batch(w);
    else if (spacc_report_print(report, stdout) != SPACC_OK)
        return cli_fail("the report could not be written");
    print_results(w);
    return CLI_OK;
}

static void release(struct work *w)
{
    for (int i = 0; w->output && i < w->graph->outputs; i++)
        spacc_tensor_free(w->output[i]);
    free(w->output);
    cli_states_release(&w->states);
    spacc_session_free(w->session);
    spacc_batch_free(w->batch);
    spacc_model_free(w->model);
    cli_inputs_release(&w->set->in);
}

static int work(struct settings *set, const char *file)
{
    struct work w = {.set = set};
    struct spacc_error err = {0};
    int status;

    if (prepare(&w, file, &err) || execute(&w, file, &err) || save(&w, &err))
        status = cli_fail_err(&err);
    else
        status = print(&w);
    release(&w);
    return status;
}

static int run_with(const struct cli_command *command, const char *fpga, int argc, char **argv)
{
    struct settings set = {.in.seed = 1, .session.fpga = fpga};
    const char *file;
    int status;

    /* No list can be longer than the command line. */
    set.in.spec = calloc((size_t)argc, sizeof(char *));
    set.in.dim = calloc((size_t)argc, sizeof(*set.in.dim));
    set.output = calloc((size_t)argc, sizeof(char *));
    set.state = calloc((size_t)argc, sizeof(char *));
    set.pin = calloc((size_t)argc, sizeof(*set.pin));
    set.session.pin = set.pin;
    if (!set.in.spec || !set.in.dim || !set.output || !set.state || !set.pin)
        status = cli_fail("out of memory");
    else if (cli_parse(command, argc, argv, take, &set, &file, &status) &&
             (status = check(&set)) == CLI_OK)
        status = work(&set, file);
    free(set.in.spec);
    free(set.in.dim);
    free(set.output);
    free(set.state);
    for (size_t i = 0; i < set.session.pins; i++)
        free((char *)(uintptr_t)set.pin[i].node);
    free(set.pin);
    return status;
}

static int run(int argc, char **argv)
{
    return run_with(&cli_run, NULL, argc, argv);
}

static int predict(int argc, char **argv)
{
    return run_with(&cli_predict, "model:16x16", argc, argv);
}

const struct cli_command cli_predict = {
    .name = "predict",
    .arguments = "MODEL",
    .summary = "The report of a run on a card, without the card: cycles are exact.",
    .more =
        "As spacc run, on --fpga model:16x16 unless another is named (model:128x32, ...): its\n"
        "cycles are those that the simulated card of that size would count, its results the\n"
        "same bits, computed in C.\n",
    .example = "spacc predict models/demo/charlm.onnx --input models/demo/heldout.npy --fpga "
               "model:128x32",
    .option = options,
    .run = predict};

const struct cli_command cli_run = {
    .name = "run",
    .arguments = "MODEL",
    .summary = "Run a model (ONNX or packed) and report where, how long and how exactly.",
    .more =
        "An input not given is zero when it is a state, otherwise random: numbers in -1..1,\n"
        "integers 0 or 1. An input with one more leading dimension than the model declares is\n"
        "a sequence of frames: they run one by one with states fed back. A mono .wav is cut "
        "in\n"
        "frames when the input wants float32[1,N]. int8 and int16 without a card are the same\n"
        "arithmetic in C, bit for bit.\n",
    .example = "spacc run models/demo/charlm.onnx --input models/demo/heldout.npy --fpga sim "
               "--verify --metric",
    .option = options,
    .run = run};
