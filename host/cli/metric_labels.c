/* metric_labels.c - tasks with right answers: the text itself, or labels beside the inputs. */
#include <math.h>
#include <string.h>

#include "host/cli/metric.h"

/* Bits that the right symbol costs: -log2 softmax(score)[right], without overflow. */
static double bits_of(const float *score, size_t symbols, size_t right)
{
    double top = score[0], sum = 0.0;

    for (size_t i = 1; i < symbols; i++)
        top = fmax(top, (double)score[i]);
    for (size_t i = 0; i < symbols; i++)
        sum += exp((double)score[i] - top);
    /* The top score alone gives 1. */
    return (log(fmax(sum, 1.0)) + top - (double)score[right]) / log(2.0);
}

static const struct spacc_tensor *by_name(const struct spacc_graph *g, const int *list,
                                          int count, struct spacc_tensor *const *tensor,
                                          const char *name)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(g->value[list[i]].name, name))
            return tensor[i];
    return NULL;
}

/* chars int64 [T, 1] and logits float32 [T, 1, V]; the scores of step t are about character
 * t + 1. */
enum spacc_status cli_task_char_lm(struct cli_scores *scores, const struct cli_case *c,
                                   struct spacc_error *err)
{
    const struct spacc_graph *g = c->run->graph;
    const struct spacc_tensor *chars =
        by_name(g, g->input, g->inputs, c->run->in.tensor, "chars");
    const struct spacc_tensor *logits =
        by_name(g, g->output, g->outputs, c->run->output, "logits");
    double bits = 0.0;

    if (!chars || !logits || chars->dtype != SPACC_I64 || logits->dtype != SPACC_F32 ||
        chars->count < 2 || logits->count % chars->count != 0 || logits->count == 0)
        return spacc_fail(err, SPACC_ESHAPE,
                          "%s: metric char-lm wants chars int64 [T,1], T >= 2, and logits "
                          "float32 [T,1,V]",
                          g->file);
    const size_t symbols = logits->count / chars->count;
    const int64_t *text = chars->data;
    for (size_t t = 0; t + 1 < chars->count; t++) {
        if (text[t + 1] < 0 || (uint64_t)text[t + 1] >= symbols)
            return spacc_fail(err, SPACC_EINVAL, "%s: character %zu is %lld, symbols are %zu",
                              g->file, t + 1, (long long)text[t + 1], symbols);
        bits +=
            bits_of((const float *)logits->data + t * symbols, symbols, (size_t)text[t + 1]);
    }
    const struct cli_score score = {
        "logits", "bits per character", bits / (double)(chars->count - 1), NAN,
        NAN,      chars->count - 1};
    return cli_score_add(scores, score, err);
}

/* Labels and scores that fit each other. */
static enum spacc_status check_labels(const struct spacc_tensor *labels,
                                      const struct spacc_tensor *logits, size_t width,
                                      const char *name, const char *file,
                                      struct spacc_error *err)
{
    char have[128], text[128];

    if (!labels)
        return spacc_fail(err, SPACC_EINVAL,
                          "%s: task classify wants an array `labels` int64 [N] beside the "
                          "inputs (in the .npz, or --input labels=FILE), there is none",
                          file);
    if (labels->dtype != SPACC_I64)
        return spacc_fail(err, SPACC_ESHAPE, "%s: labels are %s, task classify wants int64",
                          file, spacc_tensor_describe(labels, have, sizeof(have)));
    if (labels->count == 0 || logits->count != labels->count * width)
        return spacc_fail(
            err, SPACC_ESHAPE,
            "%s: output %s is %s, which is not a row of scores for each of labels "
            "%s",
            file, name, spacc_tensor_describe(logits, have, sizeof(have)),
            spacc_tensor_describe(labels, text, sizeof(text)));
    return SPACC_OK;
}

enum spacc_status cli_task_classify(struct cli_scores *scores, const struct cli_case *c,
                                    struct spacc_error *err)
{
    const char *file = c->run->graph->file;
    const int of = cli_scored_output(c, "logits", false);
    const char *name = cli_output_name(c, of);
    const struct spacc_tensor *labels = c->run->in.extra_tensor, *logits = c->run->output[of];
    enum spacc_status status =
        check_labels(labels, logits, cli_row_width(c, of), name, file, err);
    size_t right = 0, top;

    if (status != SPACC_OK)
        return status;
    const size_t classes = logits->count / labels->count;
    for (size_t i = 0; i < labels->count; i++) {
        const int64_t label = ((const int64_t *)labels->data)[i];
        if (label < 0 || (uint64_t)label >= classes)
            return spacc_fail(err, SPACC_EINVAL,
                              "%s: label %zu is %lld, output %s has %zu classes", file, i,
                              (long long)label, name, classes);
        if ((status = cli_top(&top, logits, i * classes, classes, name, err)) != SPACC_OK)
            return status;
        right += top == (size_t)label;
    }
    return cli_score_add(scores, cli_proportion(name, "top-1 accuracy", right, labels->count),
                         err);
}
