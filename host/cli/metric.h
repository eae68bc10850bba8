/* metric.h - how well a model did its task: one table of tasks that makes help, parser and
 * dispatch. */
#ifndef SPACC_CLI_METRIC_H
#define SPACC_CLI_METRIC_H

#include "host/cli/execute.h"

struct cJSON;

/* One number. */
struct cli_score {
    const char *output; /* of the graph, what it is about */
    const char *unit;   /* "bits per character": a static string */
    double value;
    double low, high; /* 95 % interval of a proportion; NAN otherwise */
    size_t count;     /* of what was averaged */
};

struct cli_scores {
    size_t count;
    struct cli_score *score;
};

/* What is scored. */
struct cli_case {
    const struct cli_execution *run;      /* it has run */
    const char *source;                   /* the file that `expected` is from */
    struct spacc_tensor *const *expected; /* [outputs], NULL where unknown; or NULL */
    int of;                               /* the one output to look at, or -1: the task's own */
    double threshold;                     /* of task decide */
};

struct cli_task {
    const char *name, *text; /* text: for the help */
    bool compares;           /* needs cli_case.expected */
    bool independent;        /* frames are requests of their own */
    const char *extra;       /* an array beside the inputs that it wants, or NULL */
    /* Release the scores also on failure. SPACC_EINVAL, SPACC_ESHAPE (contents that do not fit
     * the task: both sides), SPACC_ENOMEM. */
    enum spacc_status (*score)(struct cli_scores *scores, const struct cli_case *c,
                               struct spacc_error *err);
};

/* "  name  text" lines on stdout. */
void cli_tasks_print(void);
/* The task of this name, or that of the model's metadata spacc.task where name is NULL.
 * SPACC_EINVAL (not known: says which are), SPACC_EUNSUPPORTED (no metadata). */
enum spacc_status cli_task_find(const struct cli_task **out, const char *name,
                                const struct spacc_graph *g, struct spacc_error *err);
/* Before the run: its inputs are taken as the task needs them. SPACC_EINVAL for a task that
 * compares where nothing is expected. */
enum spacc_status cli_task_arrange(struct cli_execution *e, const struct cli_task *task,
                                   bool expected, struct spacc_error *err);
void cli_scores_release(struct cli_scores *scores);
/* "metric": the first, "scores": all. Nothing where there is none. False without memory. */
bool cli_scores_json(struct cJSON *to, const struct cli_scores *scores);

/* ---- what tasks are made of ---- */

/* Append one. SPACC_ENOMEM. */
enum spacc_status cli_score_add(struct cli_scores *scores, struct cli_score score,
                                struct spacc_error *err);
/* `right` of `count`, with its Wilson interval. */
struct cli_score cli_proportion(const char *output, const char *unit, size_t right,
                                size_t count);
/* The output that a task looks at: c->of; else the one with this name; else the first that is
 * no state (and, for a task that compares, has something expected). */
int cli_scored_output(const struct cli_case *c, const char *name, bool compares);
const char *cli_output_name(const struct cli_case *c, int output);
/* Elements of a row of scores: the last dimension, or the one before where the last is 1, but
 * never one before the second that the model declares ([N,C,1,1] are rows of C). */
size_t cli_row_width(const struct cli_case *c, int output);
/* Largest element of a row of `width` from element `first` on; the first of equals.
 * SPACC_EINVAL when one is not a number. */
enum spacc_status cli_top(size_t *top, const struct spacc_tensor *t, size_t first, size_t width,
                          const char *name, struct spacc_error *err);

enum spacc_status cli_task_char_lm(struct cli_scores *scores, const struct cli_case *c,
                                   struct spacc_error *err);
enum spacc_status cli_task_classify(struct cli_scores *scores, const struct cli_case *c,
                                    struct spacc_error *err);
enum spacc_status cli_task_agree(struct cli_scores *scores, const struct cli_case *c,
                                 struct spacc_error *err);
enum spacc_status cli_task_decide(struct cli_scores *scores, const struct cli_case *c,
                                  struct spacc_error *err);
enum spacc_status cli_task_si_sdr(struct cli_scores *scores, const struct cli_case *c,
                                  struct spacc_error *err);
enum spacc_status cli_task_error(struct cli_scores *scores, const struct cli_case *c,
                                 struct spacc_error *err);

#endif
