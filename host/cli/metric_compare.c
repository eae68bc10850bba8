/* metric_compare.c - tasks that compare outputs with expected ones. */
#include <math.h>

#include "host/cli/metric.h"
#include "host/verify.h"

/* Expected contents of an output that are as many, in rows as long. */
static enum spacc_status find_expected(const struct spacc_tensor **expected,
                                       const struct cli_case *c, int of,
                                       struct spacc_error *err)
{
    const struct spacc_tensor *want = c->expected[of], *got = c->run->output[of];
    const char *name = cli_output_name(c, of);
    char have[128], text[128];

    *expected = want;
    if (!want)
        return spacc_fail(err, SPACC_EINVAL, "%s: nothing is expected of output %s of %s",
                          c->source, name, c->run->graph->file);
    if (want->count == got->count && want->dtype == got->dtype && got->count > 0 &&
        (want->rank < 1 || got->rank < 1 ||
         want->dims[want->rank - 1] == got->dims[got->rank - 1]))
        return SPACC_OK;
    return spacc_fail(err, SPACC_ESHAPE, "output %s of %s is %s, expected by %s is %s", name,
                      c->run->graph->file, spacc_tensor_describe(got, have, sizeof(have)),
                      c->source, spacc_tensor_describe(want, text, sizeof(text)));
}

static enum spacc_status row_agrees(bool *agrees, const struct spacc_tensor *got,
                                    const struct spacc_tensor *want, size_t first, size_t width,
                                    const struct cli_case *c, int of, struct spacc_error *err)
{
    size_t a = 0, b = 0;
    enum spacc_status status = cli_top(&a, got, first, width, cli_output_name(c, of), err);

    if (status == SPACC_OK)
        status = cli_top(&b, want, first, width, c->source, err);
    *agrees = a == b;
    return status;
}

enum spacc_status cli_task_agree(struct cli_scores *scores, const struct cli_case *c,
                                 struct spacc_error *err)
{
    const int of = cli_scored_output(c, "logits", true);
    const struct spacc_tensor *got = c->run->output[of], *want;
    enum spacc_status status = find_expected(&want, c, of, err);
    size_t right = 0;

    if (status != SPACC_OK)
        return status;
    const size_t width = cli_row_width(c, of);
    if (width < 2)
        return spacc_fail(err, SPACC_ESHAPE,
                          "output %s of %s has rows of %zu, task agree wants 2 scores or more",
                          cli_output_name(c, of), c->run->graph->file, width);
    for (size_t i = 0; i < got->count && status == SPACC_OK; i += width) {
        bool agrees = false;
        status = row_agrees(&agrees, got, want, i, width, c, of, err);
        right += agrees;
    }
    if (status != SPACC_OK)
        return status;
    return cli_score_add(
        scores,
        cli_proportion(cli_output_name(c, of), "top-1 agreement", right, got->count / width),
        err);
}

enum spacc_status cli_task_decide(struct cli_scores *scores, const struct cli_case *c,
                                  struct spacc_error *err)
{
    const int of = cli_scored_output(c, NULL, true);
    const struct spacc_tensor *got = c->run->output[of], *want;
    const enum spacc_status status = find_expected(&want, c, of, err);
    size_t right = 0;

    if (status != SPACC_OK)
        return status;
    for (size_t i = 0; i < got->count; i++) {
        const double a = spacc_tensor_element(got, i), b = spacc_tensor_element(want, i);
        if (isnan(a) || isnan(b))
            return spacc_fail(err, SPACC_EINVAL, "%s: number %zu of output %s is not one",
                              isnan(a) ? c->run->graph->file : c->source, i,
                              cli_output_name(c, of));
        right += (a >= c->threshold) == (b >= c->threshold);
    }
    return cli_score_add(
        scores,
        cli_proportion(cli_output_name(c, of), "agreement of decisions", right, got->count),
        err);
}

/* 10 log10 of |a s|^2 / |y - a s|^2, where a s is the part of y along the signal s. The sum of
 * squares of the rest is taken from the rest, not from a difference of sums: it is small. */
static double si_sdr(const struct spacc_tensor *y, const struct spacc_tensor *s)
{
    double ys = 0.0, ss = 0.0, signal = 0.0, rest = 0.0;

    for (size_t i = 0; i < y->count; i++) {
        ys += spacc_tensor_element(y, i) * spacc_tensor_element(s, i);
        ss += spacc_tensor_element(s, i) * spacc_tensor_element(s, i);
    }
    for (size_t i = 0; i < y->count; i++) {
        const double along = ys / ss * spacc_tensor_element(s, i);
        const double off = spacc_tensor_element(y, i) - along;
        signal += along * along;
        rest += off * off;
    }
    return 10.0 * log10(signal / rest);
}

enum spacc_status cli_task_si_sdr(struct cli_scores *scores, const struct cli_case *c,
                                  struct spacc_error *err)
{
    const int of = cli_scored_output(c, NULL, true);
    const struct spacc_tensor *got = c->run->output[of], *want;
    const enum spacc_status status = find_expected(&want, c, of, err);

    if (status != SPACC_OK)
        return status;
    const double db = si_sdr(got, want);
    if (isnan(db))
        return spacc_fail(err, SPACC_EINVAL,
                          "output %s of %s or %s has no signal, or is not all numbers",
                          cli_output_name(c, of), c->run->graph->file, c->source);
    return cli_score_add(
        scores,
        (struct cli_score){cli_output_name(c, of), "SI-SDR dB", db, NAN, NAN, got->count}, err);
}

static enum spacc_status add_errors(struct cli_scores *scores, const struct cli_case *c, int of,
                                    struct spacc_error *err)
{
    struct spacc_error_sum sum = {0};
    const struct spacc_tensor *got = c->run->output[of], *want;
    struct spacc_tensor shaped;
    enum spacc_status status = find_expected(&want, c, of, err);

    if (status != SPACC_OK)
        return status;
    shaped = *got; /* the same contents in another shape are the same here */
    shaped.data = want->data;
    spacc_error_add(&sum, &shaped, got);
    const double snr = spacc_error_snr(&sum),
                 rms = sum.noise == 0.0 ? 0.0 : sqrt(sum.noise / sum.signal);
    const struct cli_score base = {
        cli_output_name(c, of), "relative RMS", rms, NAN, NAN, got->count};
    struct cli_score most = base, ratio = base;
    most.unit = "largest error";
    most.value = spacc_error_max(&sum);
    ratio.unit = "SQNR dB";
    ratio.value = snr;
    if ((status = cli_score_add(scores, base, err)) == SPACC_OK &&
        (status = cli_score_add(scores, most, err)) == SPACC_OK)
        status = cli_score_add(scores, ratio, err);
    return status;
}

enum spacc_status cli_task_error(struct cli_scores *scores, const struct cli_case *c,
                                 struct spacc_error *err)
{
    enum spacc_status status = SPACC_OK;

    if (c->of >= 0)
        return add_errors(scores, c, c->of, err);
    for (int i = 0; i < c->run->graph->outputs && status == SPACC_OK; i++)
        if (c->expected[i])
            status = add_errors(scores, c, i, err);
    return status;
}
