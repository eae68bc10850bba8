/* eval.c - spacc eval: a run, and how well it did a task. */
#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/cli/execute.h"
#include "host/cli/metric.h"
#include "host/report.h"

enum { TASK, EXPECT, AGAINST, OF, THRESHOLD, JSON };

static const struct cli_option options[] = {
    [TASK] = {"task", 0, "T", "what to score (default: metadata spacc.task of the model)"},
    [EXPECT] = {"expect", 0, "[NAME=]FILE", "expected outputs; in model order or by name"},
    [AGAINST] = {"against", 0, "MODEL",
                 "expected is what this model gives: in float on the CPU, same inputs"},
    [OF] = {"of", 0, "OUTPUT", "the output to score (default: the first that is no state)"},
    [THRESHOLD] = {"threshold", 0, "P", "of task decide (default 0.5)"},
    [JSON] = {"json", 0, NULL, "scores and the report of the run as JSON"},
    {0}};

struct settings {
    struct cli_setup run;
    struct cli_inputs expect;
    const char *task, *against, *of;
    double threshold;
    bool json;
};

struct work {
    const struct settings *set;
    const struct cli_task *task;
    struct cli_execution run, against;
    struct cli_inputs expect;
    struct cli_scores scores;
};

static int take_threshold(struct settings *set, const char *value)
{
    if (cli_real(&set->threshold, value))
        return CLI_OK;
    return cli_usage(&cli_eval, "--threshold %s: not a number", value);
}

static int take(void *to, int option, const char *value)
{
    struct settings *set = to;

    switch (option) {
    case TASK: set->task = value; return CLI_OK;
    case EXPECT: set->expect.spec[set->expect.specs++] = value; return CLI_OK;
    case AGAINST: set->against = value; return CLI_OK;
    case OF: set->of = value; return CLI_OK;
    case THRESHOLD: return take_threshold(set, value);
    case JSON: set->json = true; return CLI_OK;
    default: return cli_setup_take(&set->run, &cli_eval, option, value);
    }
}

static int check(const struct settings *set)
{
    if (set->against && set->expect.specs > 0)
        return cli_usage(&cli_eval, "--expect and --against: one of them");
    return cli_setup_check(&set->run, &cli_eval);
}

/* ---- the run ---- */

/* Expected outputs are read like inputs, of a graph whose inputs are the outputs. */
static enum spacc_status read_expected(struct work *w, struct spacc_error *err)
{
    struct spacc_graph view = *w->run.graph;
    enum spacc_status status;

    view.input = view.output;
    view.inputs = view.outputs;
    w->expect = w->set->expect;
    w->expect.what = "output";
    w->expect.keep = true;
    if ((status = cli_inputs_read(&w->expect, &view, err)) != SPACC_OK)
        return status;
    for (size_t i = 0; i < w->expect.count && status == SPACC_OK; i++)
        if (w->expect.tensor[i] && w->run.in.stream && w->set->run.in.frames)
            status = cli_limit_frames(&w->expect.tensor[i], w->set->run.in.frames);
    return status ? spacc_fail(err, status, "--expect: %s", spacc_status_text(status))
                  : SPACC_OK;
}

static enum spacc_status run_against(struct work *w, struct spacc_error *err)
{
    const char *file = w->set->against;
    struct cli_execution *e = &w->against;

    cli_execution_init(e, &w->set->run);
    e->in.quiet = true; /* the remarks are those of the model */
    e->options = (struct spacc_options){.cpu_threads = w->set->run.session.cpu_threads};
    enum spacc_status status = cli_execution_load(e, file, err);
    if (status == SPACC_OK)
        status = cli_task_arrange(e, w->task, true, err);
    if (status != SPACC_OK)
        return status;
    if (e->graph->outputs != w->run.graph->outputs)
        return spacc_fail(err, SPACC_ESHAPE, "%s has %d outputs, --against %s has %d",
                          w->run.graph->file, w->run.graph->outputs, file, e->graph->outputs);
    return cli_execution_run(e, file, err);
}

/* Number of the output named by --of, -1 without. */
static enum spacc_status find_output(int *of, const struct work *w, struct spacc_error *err)
{
    const struct spacc_graph *g = w->run.graph;

    *of = -1;
    for (int i = 0; w->set->of && i < g->outputs; i++)
        if (!strcmp(g->value[g->output[i]].name, w->set->of))
            *of = i;
    if (*of >= 0 || !w->set->of)
        return SPACC_OK;
    return spacc_fail(err, SPACC_EINVAL, "--of %s: %s has no such output", w->set->of, g->file);
}

static enum spacc_status limit_labels(struct work *w)
{
    struct cli_inputs *in = &w->run.in;

    return in->extra_tensor && in->frames && in->stream
               ? cli_limit_frames(&in->extra_tensor, in->frames)
               : SPACC_OK;
}

static enum spacc_status score(struct work *w, int of, struct spacc_error *err)
{
    const struct settings *set = w->set;
    const bool files = set->expect.specs > 0;
    const struct cli_case c = {.run = &w->run,
                               .source = set->against ? set->against
                                         : files      ? set->expect.spec[0]
                                                      : "",
                               .expected = set->against ? w->against.output
                                           : files      ? w->expect.tensor
                                                        : NULL,
                               .of = of,
                               .threshold = set->threshold};

    return w->task->score(&w->scores, &c, err);
}

/* What is wrong with the request is told before the run. */
static enum spacc_status evaluate(struct work *w, const char *file, struct spacc_error *err)
{
    enum spacc_status status = cli_execution_load(&w->run, file, err);
    int of;

    if (status != SPACC_OK ||
        (status = cli_task_find(&w->task, w->set->task, w->run.graph, err)) != SPACC_OK ||
        (status = find_output(&of, w, err)) != SPACC_OK ||
        (status = cli_task_arrange(
             &w->run, w->task, w->set->against || w->set->expect.specs > 0, err)) != SPACC_OK)
        return status;
    if ((status = cli_execution_run(&w->run, file, err)) != SPACC_OK ||
        (status = limit_labels(w)) != SPACC_OK || (status = read_expected(w, err)) != SPACC_OK)
        return status;
    if (w->set->against && (status = run_against(w, err)) != SPACC_OK)
        return status;
    return score(w, of, err);
}

/* ---- what is printed ---- */

static void print_notes(const struct work *w, const struct spacc_report *r)
{
    for (size_t i = 0; r && i < r->notes; i++)
        cli_log(w->set->run.quiet, "note: %s", r->note[i]);
}

static void print_scores(const struct work *w, const char *file)
{
    printf("task %s of %s\n\n%-20s  %-24s %12s %9s  %s\n", w->task->name, file, "output",
           "measure", "value", "of", "95 % interval");
    for (size_t i = 0; i < w->scores.count; i++) {
        const struct cli_score *s = &w->scores.score[i];
        printf("%-20s  %-24s %12.6g %9zu", s->output, s->unit, s->value, s->count);
        if (!isnan(s->low))
            printf("  %.4f to %.4f", s->low, s->high);
        putchar('\n');
    }
}

static void print_seernet(const struct spacc_report *r)
{
    if (r && r->seernet)
        spacc_seernet_print(r->seernet, stdout);
}

static int print_json(const struct work *w, const struct spacc_report *report)
{
    cJSON *o = report ? spacc_report_json(report) : cJSON_CreateObject();

    if (o && cJSON_AddStringToObject(o, "task", w->task->name) &&
        cli_scores_json(o, &w->scores))
        return cli_print_json(o);
    cJSON_Delete(o);
    return cli_fail("out of memory");
}

static int print(const struct work *w, const char *file)
{
    const struct spacc_report *report =
        w->run.session ? spacc_session_report(w->run.session) : NULL;

    cli_progress(0, 0, NULL);
    if (w->set->json)
        return print_json(w, report);
    print_notes(w, report);
    print_scores(w, file);
    print_seernet(report);
    return CLI_OK;
}

static int work(const struct settings *set, const char *file)
{
    struct work w = {.set = set};
    struct spacc_error err = {0};
    int status;

    cli_execution_init(&w.run, &set->run);
    status = evaluate(&w, file, &err) ? cli_fail_err(&err) : print(&w, file);
    cli_execution_release(&w.run);
    cli_execution_release(&w.against);
    cli_inputs_release(&w.expect);
    cli_scores_release(&w.scores);
    return status;
}

static int run(int argc, char **argv)
{
    struct settings set = {.threshold = 0.5};
    const char *file;
    int status;

    set.expect.spec = calloc((size_t)argc, sizeof(char *));
    if (!cli_setup_init(&set.run, argc) || !set.expect.spec)
        status = cli_fail("out of memory");
    else if (cli_parse(&cli_eval, argc, argv, take, &set, &file, &status) &&
             (status = check(&set)) == CLI_OK)
        status = work(&set, file);
    free(set.expect.spec);
    cli_setup_release(&set.run);
    return status;
}

static void explain(void)
{
    printf("\ntasks:\n");
    cli_tasks_print();
}

const struct cli_command cli_eval = {
    .name = "eval",
    .arguments = "MODEL",
    .summary = "Run a model as spacc run does, and score how well it does a task.",
    .more = "Inputs and streams are those of spacc run. A .npz may hold more arrays than the "
            "model\n"
            "takes, such as the labels int64[N] of task classify, whose N inputs (one more "
            "leading\n"
            "dimension than the model declares) are requests that do not feed each other.\n",
    .example =
        "spacc eval models/demo/charlm.onnx -i models/demo/heldout.npy --fpga model:16x16 "
        "--precision int8",
    .option = options,
    .shared = cli_setup_options,
    .explain = explain,
    .run = run};
