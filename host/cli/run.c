/* run.c - spacc run: inputs, session, outputs, report. */
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/batch.h"
#include "host/cli/execute.h"
#include "host/cli/metric.h"
#include "host/report.h"
#include "host/session.h"

enum { OUTPUT, VERIFY, METRIC, JSON, TRACE, VCD, TIME_LIMIT, SIM_STALL };

static const struct cli_option options[] = {
    [OUTPUT] = {"output", 'o', "FILE", ".npz: all outputs; .npy, .pb: one each, in order"},
    [VERIFY] = {"verify", 0, NULL, "run the float reference beside, report the errors"},
    [METRIC] = {"metric", 0, NULL, "score the result by the task that the model names"},
    [JSON] = {"json", 0, NULL, "the report as JSON"},
    [TRACE] = {"trace", 0, "FILE.json", "the report as Chrome trace events (for Perfetto)"},
    [VCD] = {"vcd", 0, "FILE.fst", "waveform of the simulated card"},
    [TIME_LIMIT] = {"time-limit", 0, "US", "of one run of the card, in its microseconds"},
    [SIM_STALL] = {"sim-stall", 0, "N", "stall the simulated buses, chance N in 1024 a cycle"},
    {0}};

struct settings {
    struct cli_setup run;
    size_t outputs;
    const char **output;
    const char *trace;
    bool metric, json;
};

/* What a run holds. */
struct work {
    struct settings *set;
    struct cli_execution run;
    struct cli_scores scores;
};

static int take_count(int option, const char *value, uint64_t least, uint64_t most,
                      uint64_t *to)
{
    if (cli_count(to, value) && *to >= least && *to <= most)
        return CLI_OK;
    return cli_usage(&cli_run, "--%s %s: not a number in range", options[option].name, value);
}

static int take(void *to, int option, const char *value)
{
    struct settings *set = to;
    struct spacc_options *session = &set->run.session;

    switch (option) {
    case OUTPUT: set->output[set->outputs++] = value; return CLI_OK;
    case VERIFY: session->verify = true; return CLI_OK;
    case METRIC: set->metric = true; return CLI_OK;
    case JSON: set->json = true; return CLI_OK;
    case TRACE:
        set->trace = value;
        session->trace = true;
        return CLI_OK;
    case VCD: session->waveform_file = value; return CLI_OK;
    case TIME_LIMIT: return take_count(option, value, 1, UINT32_MAX, &session->time_limit_us);
    case SIM_STALL: return take_count(option, value, 0, 1023, &session->sim_stall_per_1024);
    default: return cli_setup_take(&set->run, &cli_run, option, value);
    }
}

/* Options that would do nothing are refused, not ignored. */
static int check(const struct settings *set)
{
    const struct spacc_options *o = &set->run.session;
    const int status = cli_setup_check(&set->run, &cli_run);

    if (status != CLI_OK || o->fpga)
        return status;
    if (o->waveform_file || o->sim_stall_per_1024 || o->time_limit_us)
        return cli_usage(&cli_run, "--vcd, --sim-stall and --time-limit need --fpga sim");
    return CLI_OK;
}

/* ---- the run ---- */

/* The task decides how inputs are taken. */
static enum spacc_status find_task(const struct cli_task **task, struct work *w,
                                   struct spacc_error *err)
{
    *task = NULL;
    if (!w->set->metric)
        return SPACC_OK;
    const enum spacc_status status = cli_task_find(task, NULL, w->run.graph, err);
    return status ? status : cli_task_arrange(&w->run, *task, false, err);
}

static enum spacc_status execute(struct work *w, const char *file, struct spacc_error *err)
{
    const struct settings *set = w->set;
    const struct cli_case c = {.run = &w->run, .of = -1};
    const struct cli_task *task = NULL;
    enum spacc_status status = cli_execution_load(&w->run, file, err);

    if (status == SPACC_OK)
        status =
            cli_outputs_check(set->outputs, set->output, (size_t)w->run.graph->outputs, err);
    if (status == SPACC_OK)
        status = find_task(&task, w, err);
    if (status == SPACC_OK)
        status = cli_execution_run(&w->run, file, err);
    if (status == SPACC_OK && task)
        status = task->score(&w->scores, &c, err);
    if (status == SPACC_OK)
        status = cli_outputs_save(set->outputs, set->output, w->run.graph, w->run.output, err);
    if (status == SPACC_OK && set->trace)
        status = spacc_session_trace(w->run.session, set->trace, err);
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
    for (int i = 0; i < w->run.graph->outputs; i++) {
        const struct range r = range_of(w->run.output[i]);
        printf("%-24s  %-28s", spacc_model_output_name(w->run.model, (size_t)i),
               spacc_tensor_describe(w->run.output[i], shape, sizeof(shape)));
        if (!isnan(r.mean))
            printf(" %11.5g %11.5g %11.5g", r.least, r.most, r.mean);
        putchar('\n');
    }
    for (size_t i = 0; i < w->scores.count; i++)
        printf("%smetric %s: %.4f over %zu\n", i ? "" : "\n", w->scores.score[i].unit,
               w->scores.score[i].value, w->scores.score[i].count);
}

static bool add_states(cJSON *o, const struct work *w)
{
    cJSON *list = cJSON_AddArrayToObject(o, "states");

    for (size_t i = 0; list && w->run.in.stream && i < w->run.states.count; i++) {
        cJSON *s = cJSON_CreateObject();
        if (!s || !cJSON_AddItemToArray(list, s) ||
            !cJSON_AddStringToObject(
                s, "input",
                spacc_model_input_name(w->run.model, w->run.states.pair[i].input)) ||
            !cJSON_AddStringToObject(
                s, "output",
                spacc_model_output_name(w->run.model, w->run.states.pair[i].output)))
            return false;
    }
    return list != NULL;
}

static bool add_results(cJSON *o, const struct work *w)
{
    cJSON *list = cJSON_AddArrayToObject(o, "results");
    char shape[128];

    for (int i = 0; list && i < w->run.graph->outputs; i++) {
        const struct range r = range_of(w->run.output[i]);
        cJSON *item = cJSON_CreateObject();
        if (!item || !cJSON_AddItemToArray(list, item) ||
            !cJSON_AddStringToObject(item, "name",
                                     spacc_model_output_name(w->run.model, (size_t)i)) ||
            !cJSON_AddStringToObject(
                item, "type", spacc_tensor_describe(w->run.output[i], shape, sizeof(shape))) ||
            !cJSON_AddNumberToObject(item, "least", r.least) ||
            !cJSON_AddNumberToObject(item, "most", r.most) ||
            !cJSON_AddNumberToObject(item, "mean", r.mean))
            return false;
    }
    return list != NULL;
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

    for (size_t i = 0; list && i < spacc_batch_shares(w->run.batch); i++) {
        const struct spacc_batch_share s = spacc_batch_share(w->run.batch, i);
        cJSON *item = cJSON_CreateObject();
        if (!item || !cJSON_AddItemToArray(list, item) ||
            !cJSON_AddStringToObject(item, "device", s.device) ||
            !cJSON_AddNumberToObject(item, "frames", (double)s.count) ||
            !cJSON_AddNumberToObject(item, "us", s.us))
            break;
    }
    if (o && cJSON_AddNumberToObject(o, "us", spacc_batch_us(w->run.batch)) &&
        add_notes(o, w->run.batch))
        return o;
    cJSON_Delete(o);
    return NULL;
}

static void print_batch(const struct work *w)
{
    printf("%-8s %10s %14s %14s\n", "device", "frames", "us", "us a frame");
    for (size_t i = 0; i < spacc_batch_shares(w->run.batch); i++) {
        const struct spacc_batch_share s = spacc_batch_share(w->run.batch, i);
        printf("%-8s %10zu %14.1f %14.2f\n", s.device, s.count, s.us,
               s.count ? s.us / (double)s.count : 0.0);
    }
    printf("all of them in %.1f us\n", spacc_batch_us(w->run.batch));
    for (size_t i = 0; i < spacc_batch_shares(w->run.batch); i++) {
        const struct spacc_report *r = spacc_batch_report(w->run.batch, i);
        for (size_t n = 0; n < r->notes; n++)
            printf("note: %s\n", r->note[n]);
    }
}

static int print_json(const struct work *w, const struct spacc_report *report)
{
    cJSON *o = w->run.batch ? batch_json(w) : spacc_report_json(report);

    if (o && cJSON_AddNumberToObject(o, "seed", (double)w->set->run.in.seed) &&
        add_states(o, w) && add_results(o, w) && cli_scores_json(o, &w->scores))
        return cli_print_json(o);
    cJSON_Delete(o);
    return cli_fail("out of memory");
}

static int print(const struct work *w)
{
    const struct spacc_report *report =
        w->run.batch ? NULL : spacc_session_report(w->run.session);

    cli_progress(0, 0, NULL);
    if (w->set->json)
        return print_json(w, report);
    if (w->run.batch)
        print_batch(w);
    else if (spacc_report_print(report, stdout) != SPACC_OK)
        return cli_fail("the report could not be written");
    print_results(w);
    return CLI_OK;
}

static int work(struct settings *set, const char *file)
{
    struct work w = {.set = set};
    struct spacc_error err = {0};
    int status;

    cli_execution_init(&w.run, &set->run);
    status = execute(&w, file, &err) ? cli_fail_err(&err) : print(&w);
    cli_execution_release(&w.run);
    cli_scores_release(&w.scores);
    return status;
}

static int run_with(const struct cli_command *command, const char *fpga, int argc, char **argv)
{
    struct settings set = {0};
    const char *file;
    int status;

    set.output = calloc((size_t)argc, sizeof(char *));
    if (!cli_setup_init(&set.run, argc) || !set.output)
        status = cli_fail("out of memory");
    else {
        set.run.session.fpga = fpga;
        if (cli_parse(command, argc, argv, take, &set, &file, &status) &&
            (status = check(&set)) == CLI_OK)
            status = work(&set, file);
    }
    free(set.output);
    cli_setup_release(&set.run);
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
    .shared = cli_setup_options,
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
    .shared = cli_setup_options,
    .run = run};
