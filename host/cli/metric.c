/* metric.c - how well a model did its task, when the file says what that is. */
#include <math.h>
#include <string.h>

#include "host/cli/cli.h"

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

/* Bits a character: chars int64 [T, 1] and logits float32 [T, 1, V]; the scores of step
 * t are about character t + 1. */
static enum spacc_status char_lm(struct cli_metric *metric, const struct spacc_graph *g,
                                 struct spacc_tensor *const *input,
                                 struct spacc_tensor *const *output, struct spacc_error *err)
{
    const struct spacc_tensor *chars = by_name(g, g->input, g->inputs, input, "chars");
    const struct spacc_tensor *logits = by_name(g, g->output, g->outputs, output, "logits");
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
    *metric = (struct cli_metric){"bits per character", bits / (double)(chars->count - 1),
                                  chars->count - 1};
    return SPACC_OK;
}

enum spacc_status cli_metric(struct cli_metric *metric, const struct spacc_graph *g,
                             struct spacc_tensor *const *input,
                             struct spacc_tensor *const *output, struct spacc_error *err)
{
    const char *task = spacc_graph_metadata(g, "spacc.task");

    if (task && !strcmp(task, "char-lm"))
        return char_lm(metric, g, input, output, err);
    return spacc_fail(err, SPACC_EUNSUPPORTED,
                      "%s: --metric needs metadata spacc.task = char-lm, the file has %s",
                      g->file, task ? task : "none");
}
