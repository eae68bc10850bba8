/* metric.c - the table of tasks and what they share. */
#include "host/cli/metric.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_task tasks[] = {
    {"char-lm", "bits per character: scores `logits` of step t about `chars` of step t + 1",
     false, false, NULL, cli_task_char_lm},
    {"classify", "share of rows whose largest score is that of `labels`", false, true, "labels",
     cli_task_classify},
    {"agree", "share of rows whose largest score is the expected one's", true, false, NULL,
     cli_task_agree},
    {"decide", "share of numbers on the same side of --threshold as expected", true, false,
     NULL, cli_task_decide},
    {"si-sdr", "scale-invariant ratio of the expected signal to its distortion, dB", true,
     false, NULL, cli_task_si_sdr},
    {"error", "of every output: relative RMS, largest error, ratio in dB", true, false, NULL,
     cli_task_error}};
enum { TASKS = sizeof(tasks) / sizeof(tasks[0]) };

void cli_tasks_print(void)
{
    for (int i = 0; i < TASKS; i++)
        printf("  %-9s %s\n", tasks[i].name, tasks[i].text);
}

static char *names(char *text, size_t text_bytes)
{
    size_t used = 0;

    for (int i = 0; i < TASKS && used < text_bytes; i++)
        used += (size_t)snprintf(text + used, text_bytes - used, "%s%s", i ? ", " : "",
                                 tasks[i].name);
    return text;
}

enum spacc_status cli_task_find(const struct cli_task **out, const char *name,
                                const struct spacc_graph *g, struct spacc_error *err)
{
    const char *wanted = name ? name : spacc_graph_metadata(g, "spacc.task");
    char text[128];

    *out = NULL;
    if (!wanted)
        return spacc_fail(
            err, SPACC_EUNSUPPORTED,
            "%s: the file names no task (metadata spacc.task), which would be one "
            "of %s",
            g->file, names(text, sizeof(text)));
    for (int i = 0; i < TASKS && !*out; i++)
        if (!strcmp(wanted, tasks[i].name))
            *out = &tasks[i];
    if (*out)
        return SPACC_OK;
    return spacc_fail(err, SPACC_EINVAL, "%s %s: not one of %s",
                      name ? "--task" : "metadata spacc.task of the model:", wanted,
                      names(text, sizeof(text)));
}

enum spacc_status cli_task_arrange(struct cli_execution *e, const struct cli_task *task,
                                   bool expected, struct spacc_error *err)
{
    if (task->compares && !expected)
        return spacc_fail(
            err, SPACC_EINVAL,
            "task %s compares with --expect FILE or --against MODEL of spacc eval: "
            "there is neither",
            task->name);
    e->in.extra = task->extra;
    e->in.independent = task->independent;
    e->in.keep = true;
    return SPACC_OK;
}

void cli_scores_release(struct cli_scores *scores)
{
    free(scores->score);
    *scores = (struct cli_scores){0};
}

enum spacc_status cli_score_add(struct cli_scores *scores, struct cli_score score,
                                struct spacc_error *err)
{
    struct cli_score *more = realloc(scores->score, (scores->count + 1) * sizeof(*more));

    if (!more)
        return spacc_fail(err, SPACC_ENOMEM, "out of memory");
    scores->score = more;
    more[scores->count++] = score;
    return SPACC_OK;
}

/* Wilson's interval: also right for shares near 0 and 1 and for few cases. */
struct cli_score cli_proportion(const char *output, const char *unit, size_t right,
                                size_t count)
{
    const double z = 1.959963984540054, n = (double)count, p = (double)right / n;
    const double wide = 1.0 + z * z / n, middle = (p + z * z / (2.0 * n)) / wide;
    const double half = z / wide * sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * n));

    return (struct cli_score){.output = output,
                              .unit = unit,
                              .value = p,
                              .low = fmax(0.0, middle - half),
                              .high = fmin(1.0, middle + half),
                              .count = count};
}

const char *cli_output_name(const struct cli_case *c, int output)
{
    return c->run->graph->value[c->run->graph->output[output]].name;
}

static bool is_state(const struct cli_case *c, int output)
{
    const struct cli_states *s = &c->run->states;

    for (size_t i = 0; i < s->count; i++)
        if (s->pair[i].output == (size_t)output)
            return true;
    return false;
}

int cli_scored_output(const struct cli_case *c, const char *name, bool compares)
{
    const int outputs = c->run->graph->outputs;

    if (c->of >= 0)
        return c->of;
    for (int i = 0; name && i < outputs; i++)
        if (!strcmp(cli_output_name(c, i), name))
            return i;
    for (int i = 0; i < outputs; i++)
        if (!is_state(c, i) && (!compares || c->expected[i]))
            return i;
    return 0;
}

size_t cli_row_width(const struct cli_case *c, int output)
{
    const struct spacc_graph *g = c->run->graph;
    const struct spacc_tensor *t = c->run->output[output];
    const int declared = g->value[g->output[output]].rank;
    const int least =
        declared >= 2 && declared <= t->rank ? t->rank - declared + 1 : t->rank - 1;
    int axis = t->rank - 1;

    while (axis > least && t->dims[axis] == 1)
        axis--;
    return axis < 0 ? 1 : (size_t)t->dims[axis];
}

enum spacc_status cli_top(size_t *top, const struct spacc_tensor *t, size_t first, size_t width,
                          const char *name, struct spacc_error *err)
{
    *top = 0;
    for (size_t i = 0; i < width; i++) {
        const double score = spacc_tensor_element(t, first + i);
        if (isnan(score))
            return spacc_fail(err, SPACC_EINVAL, "%s: score %zu of row %zu is not a number",
                              name, i, first / width);
        if (score > spacc_tensor_element(t, first + *top))
            *top = i;
    }
    return SPACC_OK;
}

/* JSON has no infinite numbers: null. */
static bool add_number(cJSON *to, const char *name, double value)
{
    return isfinite(value) ? cJSON_AddNumberToObject(to, name, value) != NULL
                           : cJSON_AddNullToObject(to, name) != NULL;
}

static bool add_score(cJSON *list, const struct cli_score *s)
{
    cJSON *o = cJSON_CreateObject();

    return o && cJSON_AddItemToArray(list, o) &&
           cJSON_AddStringToObject(o, "output", s->output) &&
           cJSON_AddStringToObject(o, "name", s->unit) && add_number(o, "value", s->value) &&
           add_number(o, "low", s->low) && add_number(o, "high", s->high) &&
           add_number(o, "count", (double)s->count);
}

bool cli_scores_json(cJSON *to, const struct cli_scores *scores)
{
    if (scores->count == 0)
        return true;
    cJSON *first = cJSON_AddObjectToObject(to, "metric");
    cJSON *list = cJSON_AddArrayToObject(to, "scores");
    bool good = first && list && cJSON_AddStringToObject(first, "name", scores->score->unit) &&
                add_number(first, "value", scores->score->value) &&
                add_number(first, "count", (double)scores->score->count);

    for (size_t i = 0; i < scores->count && good; i++)
        good = add_score(list, &scores->score[i]);
    return good;
}
