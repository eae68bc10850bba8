/* bench_predict [-k FOLDS] [-s SEED] PROFILE... [--model NAME=PROFILE]...: how good the cost
 * models are. Of every PROFILE the samples are held out by folds, none is left out; then every
 * NAME is held out: its kernels are predicted from all other samples and their sums compared.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/clock.h"
#include "tests/bench/score.h"

enum { MODELS_MAX = 64, FILES_MAX = 64 };

static const enum spacc_cost_model shown[] = {SPACC_COST_BOOSTED, SPACC_COST_CLOSED,
                                              SPACC_COST_POLYNOMIAL, SPACC_COST_ROOFLINE};
enum { SHOWN = sizeof(shown) / sizeof(shown[0]) };

static struct {
    int folds, files, models;
    uint64_t seed;
    const char *file[FILES_MAX], *name[MODELS_MAX];
    struct spacc_profile *profile[FILES_MAX], *model[MODELS_MAX];
} args = {.folds = 10, .seed = 1};

static struct spacc_error err;

static void die(const char *what)
{
    fprintf(stderr, "bench_predict: %s\n", what);
    exit(1);
}

static void check(enum spacc_status status)
{
    if (status != SPACC_OK)
        die(err.text[0] ? err.text : spacc_status_text(status));
}

/* ---------------------------------------------------------------- one profile */

/* Nanoseconds of a prediction, the median of some rounds over all samples. */
static double ns_of(const struct spacc_profile *p, enum spacc_cost_model model)
{
    enum { ROUNDS = 9 };
    double ns[ROUNDS];
    struct spacc_cost cost;

    for (int round = 0; round < ROUNDS; round++) {
        const double start = spacc_now_us();
        size_t asked = 0;
        while (asked < 20000)
            for (size_t i = 0; i < p->samples; i++, asked++)
                (void)spacc_cost_of(p, model, &p->sample[i].work, &cost, NULL);
        ns[round] = (spacc_now_us() - start) * 1e3 / (double)asked;
        for (int k = round; k > 0 && ns[k] < ns[k - 1]; k--) {
            const double swap = ns[k];
            ns[k] = ns[k - 1];
            ns[k - 1] = swap;
        }
    }
    return ns[ROUNDS / 2];
}

static void print_score(const char *model, const char *kernel, const struct score *s)
{
    printf("%-11s %-34s %6zu %5.1f %5.1f %11.2f %7.1f", model, kernel, s->samples,
           100.0 * s->within_5, 100.0 * s->within_10, s->rmse_us, 100.0 * s->rmspe);
    if (s->known < s->samples)
        printf("  (%zu unknown)", s->samples - s->known);
}

/* Marks samples of the kernel of the first one not yet done; NULL: there is none. */
static const char *next_kernel(const struct spacc_profile *p, bool *done, bool *which)
{
    const struct spacc_work *w = NULL;

    for (size_t i = 0; i < p->samples; i++) {
        const struct spacc_work *other = &p->sample[i].work;
        if (!w && !done[i])
            w = other;
        which[i] = w && !done[i] && other->family == w->family &&
                   strcmp(other->kernel, w->kernel) == 0;
        done[i] = done[i] || which[i];
    }
    return w ? w->kernel : NULL;
}

static void print_kernels(const struct spacc_profile *p, double *const *predicted,
                          const double *us)
{
    bool *done = calloc(p->samples, sizeof(*done)), *which = calloc(p->samples, sizeof(*which));
    const char *kernel;

    if (!done || !which)
        die("out of memory");
    while ((kernel = next_kernel(p, done, which)))
        for (size_t m = 0; m < SHOWN; m++) {
            const struct score s = spacc_score(predicted[shown[m]], us, which, p->samples);
            print_score(spacc_cost_model_name(shown[m]), kernel, &s);
            putchar('\n');
        }
    free(done);
    free(which);
}

static double *measured(const struct spacc_profile *p)
{
    double *us = calloc(p->samples + 1, sizeof(*us));

    if (!us)
        die("out of memory");
    for (size_t i = 0; i < p->samples; i++)
        us[i] = p->sample[i].us;
    return us;
}

static void score_profile(const char *file, struct spacc_profile *p)
{
    double *predicted[SPACC_COST_MODELS], *us = measured(p);

    check(spacc_score_held_out(p, args.folds, args.seed, predicted, &err));
    check(spacc_costs_fit(p, &err));
    printf("\n%s: %s, %zu samples; held out by %d folds, none left out (seed %llu)\n", file,
           p->device, p->samples, args.folds, (unsigned long long)args.seed);
    printf("%-11s %-34s %6s %5s %5s %11s %7s %6s %5s\n", "model", "kernel", "n", "5 %", "10 %",
           "RMSE us", "RMSPE %", "bytes", "ns");
    print_kernels(p, predicted, us);
    for (size_t m = 0; m < SHOWN; m++) {
        const struct score s = spacc_score(predicted[shown[m]], us, NULL, p->samples);
        print_score(spacc_cost_model_name(shown[m]), "all", &s);
        printf(" %6zu %5.0f\n", spacc_costs_bytes(p, shown[m]), ns_of(p, shown[m]));
    }
    printf("%-11s %-34s %6zu %36s %6s %5.0f\n", "stack", "all, from the table", p->samples, "",
           "", ns_of(p, SPACC_COST_STACK));
    for (int m = 0; m < SPACC_COST_MODELS; m++)
        free(predicted[m]);
    free(us);
}

/* ---------------------------------------------------------------- models held out */

static void add_all(struct spacc_profile *to, const struct spacc_profile *from,
                    const struct spacc_profile *but)
{
    for (size_t i = 0; i < from->samples; i++)
        if (!spacc_profile_find(but, &from->sample[i].work))
            check(spacc_profile_add(to, &from->sample[i], &err));
}

static struct spacc_profile *all_but(int model)
{
    struct spacc_profile *p = spacc_score_empty(args.model[model]);

    if (!p)
        die("out of memory");
    for (int i = 0; i < args.files; i++)
        add_all(p, args.profile[i], args.model[model]);
    for (int i = 0; i < args.models; i++)
        if (i != model)
            add_all(p, args.model[i], args.model[model]);
    return p;
}

/* Sum of the model's kernels; kernels that are not known by `m` count in *unknown. */
static double sum_of(const struct spacc_profile *fitted, const struct spacc_profile *model,
                     enum spacc_cost_model m, size_t *unknown)
{
    struct spacc_cost cost;
    double sum = 0.0;

    *unknown = 0;
    for (size_t i = 0; i < model->samples; i++) {
        if (spacc_cost_of(fitted, m, &model->sample[i].work, &cost, NULL) == SPACC_OK)
            sum += cost.us;
        else
            ++*unknown;
    }
    return sum;
}

static void score_model(int i, double *errors)
{
    struct spacc_profile *fitted = all_but(i);
    double sum = 0.0;

    for (size_t k = 0; k < args.model[i]->samples; k++)
        sum += args.model[i]->sample[k].us;
    check(spacc_costs_fit(fitted, &err));
    printf("%-24s %5zu %11.1f", args.name[i], args.model[i]->samples, sum);
    for (size_t m = 0; m < SHOWN; m++) {
        size_t unknown;
        const double error = sum_of(fitted, args.model[i], shown[m], &unknown) / sum - 1.0;
        printf(" %+10.1f", 100.0 * error);
        if (unknown > 0)
            printf("(%zu?)", unknown);
        errors[m] += fabs(error);
    }
    putchar('\n');
    spacc_profile_free(fitted);
}

static void score_models(void)
{
    double errors[SHOWN] = {0};

    printf("\nmodels held out: error of the sum of their kernels, %% (k?: so many unknown)\n");
    printf("%-24s %5s %11s", "model", "n", "us");
    for (size_t m = 0; m < SHOWN; m++)
        printf(" %10s", spacc_cost_model_name(shown[m]));
    putchar('\n');
    for (int i = 0; i < args.models; i++)
        score_model(i, errors);
    printf("%-24s %5s %11s", "mean of sizes", "", "");
    for (size_t m = 0; m < SHOWN; m++)
        printf(" %10.1f", 100.0 * errors[m] / args.models);
    putchar('\n');
}

/* ---------------------------------------------------------------- arguments */

static void add_model(char *text)
{
    char *file = strchr(text, '=');

    if (!file || args.models == MODELS_MAX)
        die("--model wants NAME=PROFILE, and not too often");
    *file++ = '\0';
    args.name[args.models] = text;
    check(spacc_profile_load(&args.model[args.models], file, NULL, &err));
    if (args.model[args.models]->samples == 0)
        die("a model without samples");
    args.models++;
}

static void add_file(const char *file)
{
    if (args.files == FILES_MAX)
        die("too many profiles");
    args.file[args.files] = file;
    check(spacc_profile_load(&args.profile[args.files], file, NULL, &err));
    args.files++;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const bool more = i + 1 < argc;
        if (more && strcmp(argv[i], "--model") == 0)
            add_model(argv[++i]);
        else if (more && strcmp(argv[i], "-k") == 0)
            args.folds = atoi(argv[++i]);
        else if (more && strcmp(argv[i], "-s") == 0)
            args.seed = strtoull(argv[++i], NULL, 10);
        else
            add_file(argv[i]);
    }
    if (args.files + args.models == 0 || args.folds < 2 || args.folds > 20)
        die("bench_predict [-k FOLDS] [-s SEED] PROFILE... [--model NAME=PROFILE]...");
    for (int i = 0; i < args.files; i++)
        score_profile(args.file[i], args.profile[i]);
    if (args.models > 0)
        score_models();
    for (int i = 0; i < args.files; i++)
        spacc_profile_free(args.profile[i]);
    for (int i = 0; i < args.models; i++)
        spacc_profile_free(args.model[i]);
    return 0;
}
